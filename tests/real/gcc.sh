#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# gcc: driver, compiler, assembler and linker; the object file is the same to the
# byte.  And a file with errors.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
need gcc

i=0
while [ $i -lt 120 ]; do
	i=$((i + 1))
	cat <<C
struct s$i { int a[$i]; double d; struct s$i *next; };
static int f$i(struct s$i *s, int n) {
	int r = 0;
	for (int i = 0; i < n; i++)
		for (struct s$i *p = s; p != 0; p = p->next) {
			r += p->a[i % $i] * (int)p->d;
			switch (r % 7) { case 0: r ^= $i; break; case 3: r += i; break; default: p->d += r; }
		}
	return r;
}
int g$i(void *p) { return f$i(p, $i) + f$i(p, 3); }
C
done >"$input/big.c"
echo 'int main(void) { return 0; }' >"$input/main.c"
printf 'int f(void) { return x + ; }\nint y = "no";\n#include <nowhere.h>\n' >"$input/bad.c"

artefacts='big.o a.out'
same 'gcc -O2' sh -c 'gcc -O2 -g -c big.c && gcc main.c big.o && ./a.out; echo $?'
artefacts=''
same 'gcc, errors' gcc -Wall -c bad.c -o bad.o
