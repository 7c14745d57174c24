#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# perl: hashes, sorting, regular expressions, fork, pipes, a signal of its own,
# and death.
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
need perl

cat >"$input/work.pl" <<'PL'
use strict; use warnings;
$| = 1;
my (%h, @a);
for my $i (1 .. 40000) { my $k = "k" . ($i * 7919 % 10007); $h{$k} .= "$i,"; push @a, "$k:$i" }
print scalar(keys %h), " ", length(join "", map { $h{$_} } sort keys %h), "\n";
@a = sort { (split /:/, $b)[1] <=> (split /:/, $a)[1] } @a;
print "@a[0..3]\n";
my $text = join "\n", @a;
my $n = () = $text =~ /k\d*7:\d*3\b/g;
(my $t = $text) =~ s/(\d+)/<$1>/g;
print "$n ", length($t), "\n";
for my $i (1 .. 4) {
	my $pid = fork // die;
	if ($pid == 0) { my @junk = map { "x" x $_ } 1 .. 2000; exit $i * 3 }
	waitpid $pid, 0; print $? >> 8, "\n";
}
open my $p, "-|", "sort", "-n", "-r", $0 or die; my @l = <$p>; close $p; print scalar(@l), "\n";
my $hits = 0; $SIG{USR1} = sub { $hits++; my @x = map { "y$_" } 1 .. 100 };
kill USR1 => $$ for 1 .. 50; print "hits ", $hits > 0 ? "some" : "none", "\n";
print defined $SIG{TERM} ? "term $SIG{TERM}" : "term default", "\n";
my $ok = eval { die { code => 42 } }; print "died with $@->{code}\n";
printf "%s\n", join ",", map { sprintf "%03x", $_ } 1 .. 20;
die "the end\n";
PL
same perl PERL_HASH_SEED=0 perl work.pl
