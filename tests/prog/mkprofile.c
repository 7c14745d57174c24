/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkprofile.c - write a pprof heap profile of a given shape, for tests.
 *
 *   mkprofile [--samples N] [--locations N] [--depth N] [--trunks N] [--seed N]
 *             [--elf FILE [--base ADDR]] [--drop REGEX] [--interval N]
 *             [--name TEXT] [--pid N] [--time SECONDS] [--comment TEXT]... [--leak CLASS]
 *             [--symbol NAME[+OFFSET]]... OUT
 *
 * Without --elf the locations carry functions, files and lines of their own
 * (four locations a function), some with an inlined frame, some recursive.
 * With --elf they are addresses inside the functions of that file's symbol
 * table, as if it had been mapped at ADDR, without names.  --symbol makes one
 * sample whose stack is the symbols given, leaf first.
 * Stacks are --depth frames deep on average, each drawn for itself.  With --trunks
 * all are just that deep and share, as those of programs do, all but up to
 * eight frames at the leaf with one of N stacks.
 * --time is how long after the start of the process it was taken, 12.5 s if not
 * given.  --leak gives each fourth sample the label `leak`.
 * --name is what functions 1, 9, 17 ... are called, whatever bytes those are.
 * OUT is plain protobuf, not gzip.  The same seed gives the same bytes.
 *
 * Written by hand, without protobuf-c, so that it shares nothing with what it
 * is there to test.
 */
#include <elf.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYMBOLS_MAX 64
#define COMMENTS_MAX 16

struct buf {
	unsigned char *b;
	size_t len, cap;
};

static uint64_t seed = 1;
static FILE *out;
static char **strings;
static size_t string_count, string_cap;

static uint64_t
next_random(void)
{
	uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static void
die(const char *why)
{
	fprintf(stderr, "mkprofile: %s\n", why);
	exit(2);
}

/* ---- wire format ------------------------------------------------------------ */

static void
put_byte(struct buf *b, unsigned char c)
{
	if (b->len == b->cap) {
		b->cap = b->cap ? 2 * b->cap : 256;
		b->b = realloc(b->b, b->cap);
		if (b->b == NULL)
			die("out of memory");
	}
	b->b[b->len++] = c;
}

static void
put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		put_byte(b, (unsigned char)(v | 0x80));
	put_byte(b, (unsigned char)v);
}

static void
put_int(struct buf *b, unsigned field, uint64_t v)
{
	if (v == 0)
		return;
	put_varint(b, field << 3);
	put_varint(b, v);
}

static void
put_message(struct buf *b, unsigned field, const struct buf *m)
{
	put_varint(b, field << 3 | 2);
	put_varint(b, m->len);
	for (size_t i = 0; i < m->len; i++)
		put_byte(b, m->b[i]);
}

/* Write a field of the top-level message and empty `m`. */
static void
emit(unsigned field, struct buf *m)
{
	static struct buf head;

	head.len = 0;
	put_varint(&head, field << 3 | 2);
	put_varint(&head, m->len);
	fwrite(head.b, 1, head.len, out);
	fwrite(m->b, 1, m->len, out);
	m->len = 0;
}

static void
emit_int(unsigned field, uint64_t v)
{
	struct buf b = { 0 };

	put_int(&b, field, v);
	fwrite(b.b, 1, b.len, out);
	free(b.b);
}

static uint64_t
string(const char *s)
{
	if (string_count == string_cap) {
		string_cap = string_cap ? 2 * string_cap : 256;
		strings = realloc(strings, string_cap * sizeof(*strings));
		if (strings == NULL)
			die("out of memory");
	}
	strings[string_count] = strdup(s);
	return string_count++;
}

/* ---- the ELF file ----------------------------------------------------------- */

static struct {
	unsigned char *b;
	size_t len;
	const Elf64_Phdr *text; /* the executable PT_LOAD */
	struct symbol {
		uint64_t value, size;
		const char *name;
	} * symbols;
	size_t symbol_count;
	char build_id[129];
} elf;

static const void *
at(uint64_t offset, uint64_t len)
{
	if (offset > elf.len || len > elf.len - offset)
		die("ELF file is cut short");
	return elf.b + offset;
}

static void
read_build_id(const Elf64_Phdr *ph)
{
	for (uint64_t o = ph->p_offset; o + sizeof(Elf64_Nhdr) <= ph->p_offset + ph->p_filesz;) {
		const Elf64_Nhdr *n = at(o, sizeof(*n));
		uint64_t desc = o + sizeof(*n) + ((n->n_namesz + 3) & ~3u);

		if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && n->n_descsz <= 64) {
			const unsigned char *id = at(desc, n->n_descsz);

			for (unsigned i = 0; i < n->n_descsz; i++)
				sprintf(elf.build_id + 2 * i, "%02x", id[i]);
		}
		o = desc + ((n->n_descsz + 3) & ~3u);
	}
}

static void
read_elf(const char *path)
{
	FILE *f = fopen(path, "rb");
	const Elf64_Ehdr *eh;
	const Elf64_Phdr *ph;
	const Elf64_Shdr *sh;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0)
		die("cannot open the ELF file");
	elf.len = (size_t)ftell(f);
	elf.b = malloc(elf.len + 1);
	rewind(f);
	if (elf.b == NULL || fread(elf.b, 1, elf.len, f) != elf.len)
		die("cannot read the ELF file");
	fclose(f);
	eh = at(0, sizeof(*eh));
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 || eh->e_ident[EI_CLASS] != ELFCLASS64)
		die("not a 64-bit ELF file");
	ph = at(eh->e_phoff, (uint64_t)eh->e_phnum * sizeof(*ph));
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && (ph[i].p_flags & PF_X))
			elf.text = &ph[i];
		if (ph[i].p_type == PT_NOTE)
			read_build_id(&ph[i]);
	}
	if (elf.text == NULL)
		die("no executable segment");
	sh = at(eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(*sh));
	for (unsigned i = 0; i < eh->e_shnum; i++) {
		const Elf64_Sym *sym;
		size_t n;

		if (sh[i].sh_type != SHT_SYMTAB)
			continue;
		n = sh[i].sh_size / sizeof(*sym);
		sym = at(sh[i].sh_offset, sh[i].sh_size);
		elf.symbols = calloc(n, sizeof(*elf.symbols));
		for (size_t k = 0; k < n; k++)
			if (ELF64_ST_TYPE(sym[k].st_info) == STT_FUNC && sym[k].st_size > 0 &&
			    sym[k].st_value - elf.text->p_vaddr < elf.text->p_filesz)
				elf.symbols[elf.symbol_count++] = (struct symbol){
					.value = sym[k].st_value,
					.size = sym[k].st_size,
					.name = at(sh[sh[i].sh_link].sh_offset + sym[k].st_name, 1),
				};
	}
	if (elf.symbol_count == 0)
		die("no symbols with a size");
}

/* ---- the profile ------------------------------------------------------------ */

static uint64_t samples = 1000, locations = 100, depth = 8, trunks, interval = 524288;
static const char *odd_name;
static double time_s = 12.5;
static uint64_t leak_key, leak_class;
static unsigned long pid = 4711;
static uint64_t base = UINT64_C(0x555555554000), page = 4096;

static uint64_t
address_of(uint64_t vaddr)
{
	uint64_t offset = vaddr - elf.text->p_vaddr + elf.text->p_offset;

	return base + offset - (elf.text->p_offset & ~(page - 1));
}

static void
emit_mapping(const char *path)
{
	struct buf m = { 0 };

	put_int(&m, 1, 1);
	put_int(&m, 2, base);
	put_int(&m, 3, address_of(elf.text->p_vaddr + elf.text->p_filesz) + page);
	put_int(&m, 4, elf.text->p_offset & ~(page - 1));
	put_int(&m, 5, string(path));
	if (elf.build_id[0])
		put_int(&m, 6, string(elf.build_id));
	emit(3, &m);
	free(m.b);
}

static void
emit_location(uint64_t id, uint64_t address)
{
	struct buf m = { 0 }, line = { 0 };

	put_int(&m, 1, id);
	if (address != 0) {
		put_int(&m, 2, 1);
		put_int(&m, 3, address);
	} else {
		put_int(&m, 3, 0x1000 + 16 * id);
		if (id % 16 == 7) { /* an inlined frame, innermost first */
			put_int(&line, 1, (id * 7) % (locations / 4 + 1) + 1);
			put_int(&line, 2, 5);
			put_message(&m, 4, &line);
			line.len = 0;
		}
		put_int(&line, 1, id / 4 + 1);
		put_int(&line, 2, id % 1000 + 1);
		put_message(&m, 4, &line);
	}
	emit(4, &m);
	free(m.b);
	free(line.b);
}

static void
emit_functions(void)
{
	struct buf m = { 0 };
	char name[64];

	for (uint64_t f = 1; f <= locations / 4 + 1; f++) {
		sprintf(name, "function_%" PRIu64, f);
		put_int(&m, 1, f);
		put_int(&m, 2, string(odd_name && f % 8 == 1 ? odd_name : name));
		put_int(&m, 3, string_count - 1);
		sprintf(name, "src/file_%" PRIu64 ".c", f % 500);
		put_int(&m, 4, string(name));
		put_int(&m, 5, f % 900 + 1);
		emit(5, &m);
	}
	free(m.b);
}

static void
emit_sample(const uint64_t *ids, uint64_t n, uint64_t size, uint64_t count, uint64_t live)
{
	static struct buf m, part;
	static uint64_t number;

	part.len = 0;
	for (uint64_t i = 0; i < n; i++)
		put_varint(&part, ids[i]);
	put_message(&m, 1, &part);
	part.len = 0;
	put_varint(&part, count);
	put_varint(&part, count * size);
	put_varint(&part, live);
	put_varint(&part, live * size);
	put_message(&m, 2, &part);
	part.len = 0;
	put_int(&part, 1, 5); /* "bytes" */
	put_int(&part, 3, size);
	put_message(&m, 3, &part);
	if (leak_class != 0 && ++number % 4 == 0) {
		part.len = 0;
		put_int(&part, 1, leak_key);
		put_int(&part, 2, leak_class);
		put_message(&m, 3, &part);
	}
	emit(2, &m);
}

/* N stacks, leaf first: each goes on from some frame of the one before as that one did to its root.
 */
static uint64_t *
make_trunks(void)
{
	uint64_t *all = calloc(trunks * depth + 1, sizeof(*all));

	for (uint64_t t = 0; t < trunks; t++) {
		uint64_t *ids = all + t * depth, from = t == 0 ? depth : next_random() % depth;

		for (uint64_t i = 0; i < depth; i++)
			ids[i] = i < from ? next_random() % locations + 1 : ids[i - depth];
	}
	return all;
}

static void
emit_samples(void)
{
	static const uint64_t sizes[] = { 16, 24, 48, 64, 100, 128, 512, 1000, 4096, 65536,
		1 << 20 };
	uint64_t *ids = calloc(2 * depth + 1, sizeof(*ids)), *shared = make_trunks();

	for (uint64_t s = 0; s < samples; s++) {
		uint64_t n = trunks != 0 ? depth : depth / 2 + next_random() % (depth + 1);
		uint64_t count = 1 + next_random() % 50, own;

		if (n == 0)
			n = 1;
		own = trunks != 0 && n > 8 ? 1 + next_random() % 8 : n;
		for (uint64_t i = 0; i < own; i++)
			ids[i] = i > 0 && next_random() % 16 == 0
				     ? ids[next_random() % i] /* recursion */
				     : next_random() % locations + 1;
		if (own < n)
			memcpy(ids + own, shared + next_random() % trunks * depth + own,
			    (n - own) * sizeof(*ids));
		emit_sample(ids, n, sizes[next_random() % (sizeof(sizes) / sizeof(sizes[0]))],
		    count, next_random() % 4 ? next_random() % (count + 1) : 0);
	}
	free(shared);
	free(ids);
}

static uint64_t
named_address(const char *name)
{
	const char *plus = strrchr(name, '+');
	size_t len = plus ? (size_t)(plus - name) : strlen(name);

	for (size_t i = 0; i < elf.symbol_count; i++)
		if (strncmp(elf.symbols[i].name, name, len) == 0 &&
		    elf.symbols[i].name[len] == '\0')
			return address_of(
			    elf.symbols[i].value + (plus ? strtoull(plus, NULL, 0) : 0));
	die("no such symbol");
	return 0;
}

int
main(int argc, char **argv)
{
	static const char *const words[] = { "", "alloc_objects", "count", "alloc_space",
		"inuse_objects", "bytes", "inuse_space", "space" };
	static const unsigned types[4][2] = { { 1, 2 }, { 3, 5 }, { 4, 2 }, { 6, 5 } };
	const char *elf_path = NULL, *drop = NULL, *names[SYMBOLS_MAX];
	const char *leak = NULL, *comments[COMMENTS_MAX];
	uint64_t name_count = 0, ids[SYMBOLS_MAX], comment_count = 0;
	bool dropped = false;
	struct buf m = { 0 };
	char comment[64];
	int i;

	for (i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--samples") == 0)
			samples = strtoull(argv[i + 1], NULL, 0);
		else if (strcmp(argv[i], "--locations") == 0)
			locations = strtoull(argv[i + 1], NULL, 0);
		else if (strcmp(argv[i], "--depth") == 0)
			depth = strtoull(argv[i + 1], NULL, 0);
		else if (strcmp(argv[i], "--trunks") == 0)
			trunks = strtoull(argv[i + 1], NULL, 0);
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 0);
		else if (strcmp(argv[i], "--elf") == 0)
			elf_path = argv[i + 1];
		else if (strcmp(argv[i], "--base") == 0)
			base = strtoull(argv[i + 1], NULL, 0);
		else if (strcmp(argv[i], "--drop") == 0)
			drop = argv[i + 1];
		else if (strcmp(argv[i], "--interval") == 0)
			interval = strtoull(argv[i + 1], NULL, 0);
		else if (strcmp(argv[i], "--name") == 0)
			odd_name = argv[i + 1];
		else if (strcmp(argv[i], "--pid") == 0)
			pid = strtoul(argv[i + 1], NULL, 0);
		else if (strcmp(argv[i], "--time") == 0)
			time_s = strtod(argv[i + 1], NULL);
		else if (strcmp(argv[i], "--leak") == 0)
			leak = argv[i + 1];
		else if (strcmp(argv[i], "--comment") == 0 && comment_count < COMMENTS_MAX)
			comments[comment_count++] = argv[i + 1];
		else if (strcmp(argv[i], "--symbol") == 0 && name_count < SYMBOLS_MAX)
			names[name_count++] = argv[i + 1];
		else
			die("unknown option");
	}
	if (i != argc - 1 || (out = fopen(argv[i], "wb")) == NULL)
		die("usage: mkprofile [OPTION VALUE]... OUT");
	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
		string(words[w]);
	if (leak != NULL) {
		leak_key = string("leak");
		leak_class = string(leak);
	}
	for (int t = 0; t < 4; t++) {
		put_int(&m, 1, types[t][0]);
		put_int(&m, 2, types[t][1]);
		emit(1, &m);
	}
	if (elf_path != NULL) {
		read_elf(elf_path);
		emit_mapping(elf_path);
	}
	if (name_count > 0) {
		for (uint64_t k = 0; k < name_count; k++) {
			ids[k] = k + 1;
			emit_location(k + 1, named_address(names[k]));
		}
		emit_sample(ids, name_count, 4096, 10, 5);
	} else {
		emit_samples();
		for (uint64_t l = 1; l <= locations; l++) {
			uint64_t address = 0;

			if (elf_path != NULL) {
				const struct symbol *s =
				    &elf.symbols[next_random() % elf.symbol_count];

				address = address_of(s->value + next_random() % s->size);
			}
			emit_location(l, address);
		}
		if (elf_path == NULL)
			emit_functions();
	}
	if (drop != NULL)
		emit_int(7, string(drop));
	emit_int(9, UINT64_C(1749999987500000000) + (uint64_t)(time_s * 1e9));
	emit_int(10, (uint64_t)(time_s * 1e9));
	put_int(&m, 1, 7);
	put_int(&m, 2, 5);
	emit(11, &m);
	emit_int(12, interval);
	emit_int(13, string("program: mkprofile"));
	sprintf(comment, "pid: %lu", pid);
	emit_int(13, string(comment));
	for (uint64_t k = 0; k < comment_count; k++) {
		emit_int(13, string(comments[k]));
		dropped = dropped || strncmp(comments[k], "dropped: ", 9) == 0;
	}
	if (!dropped)
		emit_int(13, string("dropped: none"));
	emit_int(14, 6);
	for (size_t s = 0; s < string_count; s++) {
		struct buf b = { .b = (unsigned char *)strings[s], .len = strlen(strings[s]) };

		emit(6, &b);
	}
	if (ferror(out) || fclose(out) != 0)
		die("cannot write");
	return 0;
}
