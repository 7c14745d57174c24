/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_cfi.c - what do the call frame instructions say about this address?
 *
 * Against an independent decoder (readelf of binutils) for every row of every
 * FDE of real libraries, and against rules written by hand.
 */
#include "unit.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>

#include "core/cfi.h"

static const void *
hdr_of(const char *soname, uintptr_t *ret_bias, char path[PATH_MAX])
{
	struct dl_find_object o;
	void *h = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	struct link_map *map;

	if (h == NULL)
		return NULL;
	ck_assert_int_eq(dlinfo(h, RTLD_DI_LINKMAP, &map), 0);
	*ret_bias = map->l_addr;
	snprintf(path, PATH_MAX, "%s", map->l_name);
	ck_assert_int_eq(_dl_find_object(map->l_ld, &o), 0);
	return o.dlfo_eh_frame;
}

/* The search table of .eh_frame_hdr, read here once more. */
struct table {
	uint32_t count;
	const int32_t (*pair)[2]; /* relative to the header: code, FDE */
};

static struct table
table_of(const void *hdr)
{
	const uint8_t *p = hdr;
	struct table t;

	ck_assert_int_eq(p[0], 1);
	ck_assert_int_eq(p[1], 0x1b);
	ck_assert_int_eq(p[2], 0x03);
	ck_assert_int_eq(p[3], 0x3b);
	memcpy(&t.count, p + 8, 4);
	t.pair = (const int32_t(*)[2])(p + 12);
	return t;
}

/* ---- every FDE of some real files --------------------------------------------- */

static const char *const libraries[] = { "libc.so.6", "libstdc++.so.6", "libm.so.6",
	"ld-linux-x86-64.so.2", "libgcc_s.so.1" };

START_TEST(no_address_of_a_real_file_does_harm)
{
	for (size_t l = 0; l < OH_ARRAY_LEN(libraries); l++) {
		char path[PATH_MAX];
		uintptr_t bias;
		const void *hdr = hdr_of(libraries[l], &bias, path);
		if (hdr == NULL) {
			printf("SKIP: no %s\n", libraries[l]);
			continue;
		}
		struct table t = table_of(hdr);
		struct oh_cfi_rule r;
		unsigned long found = 0, asked = 0;
		for (uint32_t i = 0; i < t.count; i++) {
			uintptr_t start = (uintptr_t)hdr + (uintptr_t)(intptr_t)t.pair[i][0];
			/* The start, the middle and the end of a function, and just before. */
			for (int off = -1; off < 100; off += 1 + off / 8) {
				asked++;
				found += oh_cfi_find(hdr, start + (uintptr_t)(intptr_t)off, &r);
			}
			UNIT_CHECK(oh_cfi_find(hdr, start, &r));
		}
		ck_assert_uint_gt(found, asked / 4);
		/* Before the first, behind the last, and nowhere near. */
		uintptr_t first = (uintptr_t)hdr + (uintptr_t)(intptr_t)t.pair[0][0];
		ck_assert(!oh_cfi_find(hdr, first - 1, &r));
		ck_assert(!oh_cfi_find(hdr, 0, &r));
		ck_assert(!oh_cfi_find(hdr, UINTPTR_MAX, &r));
	}
}
END_TEST

/* One row of readelf: the columns CFA, rbp and ra as text. */
struct shown {
	char cfa[24], rbp[24], ra[24];
};

static const char *
disagree(const struct oh_cfi_rule *r, const struct shown *s, bool signal)
{
	int off;

	if (signal)
		return r->frame == OH_CFI_SIGNAL ? NULL : "signal frame";
	if (strcmp(s->ra, "u") == 0)
		return r->frame == OH_CFI_END ? NULL : "outermost";
	if (r->frame == OH_CFI_END || r->frame == OH_CFI_SIGNAL)
		return "end or signal that readelf does not show";
	if (strcmp(s->ra, "c-8") != 0)
		return r->frame == OH_CFI_ODD ? NULL : "odd return address";
	if (sscanf(s->cfa, "rsp%d", &off) == 1) {
		if (r->frame != OH_CFI_RSP || r->frame_off != off)
			return "frame from rsp";
	} else if (sscanf(s->cfa, "rbp%d", &off) == 1) {
		if (r->frame != OH_CFI_RBP || r->frame_off != off)
			return "frame from rbp";
	} else if (strcmp(s->cfa, "exp") == 0) {
		bool stub = r->frame == OH_CFI_RSP && (r->frame_off == 8 || r->frame_off == 16);
		if (r->frame != OH_CFI_ODD && r->frame != OH_CFI_RBP_DEREF &&
		    r->frame != OH_CFI_RBP && !stub)
			return "frame from an expression";
	} else if (r->frame != OH_CFI_ODD) {
		return "frame from another register";
	}
	if (r->frame == OH_CFI_ODD)
		return NULL;
	if (sscanf(s->rbp, "c%d", &off) == 1)
		return r->rbp == OH_CFI_AT_FRAME && r->rbp_off == off ? NULL : "saved rbp";
	if (strcmp(s->rbp, "exp") == 0)
		return r->rbp == OH_CFI_AT_RBP || r->rbp == OH_CFI_LOST ? NULL : "rbp expression";
	/* readelf shows "u" for undefined and for never mentioned alike. */
	if (s->rbp[0] == '\0' || strcmp(s->rbp, "s") == 0)
		return r->rbp == OH_CFI_SAME ? NULL : "same rbp";
	if (strcmp(s->rbp, "u") == 0)
		return r->rbp == OH_CFI_SAME || r->rbp == OH_CFI_LOST ? NULL : "unset rbp";
	return r->rbp == OH_CFI_LOST ? NULL : "strange rbp";
}

static unsigned long rows, odd;

/* Compare at the first and the last address of a row. */
static void
compare_row(const char *path, const void *hdr, uintptr_t bias, uintptr_t from, uintptr_t to,
    const struct shown *s, bool signal)
{
	uintptr_t at[2] = { from, to - 1 };
	struct oh_cfi_rule r;

	if (to <= from)
		return;
	rows++;
	for (unsigned i = 0; i < 2; i++) {
		if (!oh_cfi_find(hdr, bias + at[i], &r))
			ck_abort_msg("%s: no rule at %#lx", path, at[i]);
		const char *why = disagree(&r, s, signal);
		if (why != NULL)
			ck_abort_msg(
			    "%s at %#lx: %s: readelf CFA %s rbp %s ra %s; ours %d %d %d %d", path,
			    at[i], why, s->cfa, s->rbp, s->ra, r.frame, r.frame_off, r.rbp,
			    r.rbp_off);
	}
	odd += r.frame == OH_CFI_ODD;
}

/* Functions hand-written and listed twice overlap; the table knows only one. */
static bool
in_table(const void *hdr, uintptr_t pc)
{
	struct table t = table_of(hdr);
	int64_t rel = (int64_t)(pc - (uintptr_t)hdr);
	uint32_t lo = 0, hi = t.count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (t.pair[mid][0] == rel)
			return true;
		if (t.pair[mid][0] < rel)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static void
compare_with_readelf(const char *soname)
{
	char path[PATH_MAX], cmd[PATH_MAX + 100], line[1000];
	uintptr_t bias, from = 0, end = 0;
	const void *hdr = hdr_of(soname, &bias, path);
	int column_rbp = -1, column_ra = -1;
	bool signal = false, signal_cie[64] = { false }, pending = false, use = false;
	unsigned long cie_at[64], cies = 0, fdes = 0;
	struct shown s = { 0 };

	if (hdr == NULL) {
		printf("SKIP: no %s\n", soname);
		return;
	}
	snprintf(cmd, sizeof(cmd), "readelf --debug-dump=frames-interp '%s' 2>/dev/null", path);
	FILE *f = popen(cmd, "r");
	ck_assert_ptr_nonnull(f);
	rows = odd = 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		unsigned long at, len, cie, lo, hi;
		char aug[20];
		if (strncmp(line, "   LOC", 6) == 0) {
			int n = 0;
			column_rbp = column_ra = -1;
			for (char *w = strtok(line, " \n"); w != NULL;
			     w = strtok(NULL, " \n"), n++) {
				column_rbp = strcmp(w, "rbp") == 0 ? n : column_rbp;
				column_ra = strcmp(w, "ra") == 0 ? n : column_ra;
			}
			continue;
		}
		if (sscanf(line, "%lx %lx %*x CIE \"%19[^\"]\"", &at, &len, aug) == 3) {
			ck_assert_uint_lt(cies, OH_ARRAY_LEN(cie_at));
			cie_at[cies] = at;
			signal_cie[cies++] = strchr(aug, 'S') != NULL;
			if (pending && use)
				compare_row(path, hdr, bias, from, end, &s, signal);
			pending = use = false;
			continue;
		}
		if (sscanf(line, "%lx %lx %*x FDE cie=%lx pc=%lx..%lx", &at, &len, &cie, &lo,
			&hi) == 5) {
			if (pending && use)
				compare_row(path, hdr, bias, from, end, &s, signal);
			pending = false;
			end = hi;
			use = in_table(hdr, bias + lo);
			signal = false;
			for (unsigned long i = 0; i < cies; i++)
				signal |= cie_at[i] == cie && signal_cie[i];
			fdes += use;
			continue;
		}
		/* A row begins with an address of 16 digits, an entry with 8. */
		if (!use || strspn(line, "0123456789abcdef") != 16 || sscanf(line, "%lx", &at) != 1)
			continue;
		if (pending)
			compare_row(path, hdr, bias, from, at, &s, signal);
		from = at;
		pending = true;
		s = (struct shown){ 0 };
		int n = 0;
		for (char *w = strtok(line, " \n"); w != NULL; w = strtok(NULL, " \n")) {
			if (w[0] == '(')
				continue; /* "r10 (r10)" is one column */
			if (n == 1)
				snprintf(s.cfa, sizeof(s.cfa), "%s", w);
			if (n == column_rbp)
				snprintf(s.rbp, sizeof(s.rbp), "%s", w);
			if (n == column_ra)
				snprintf(s.ra, sizeof(s.ra), "%s", w);
			n++;
		}
	}
	if (pending && use)
		compare_row(path, hdr, bias, from, end, &s, signal);
	pclose(f);
	if (fdes == 0) {
		printf("SKIP: no readelf to compare with\n");
		return;
	}
	printf("%s: %lu FDEs, %lu rows, %lu odd (%.3f %%)\n", soname, fdes, rows, odd,
	    100.0 * (double)odd / (double)rows);
	ck_assert_uint_gt(rows, fdes);
	/* Only what stands in linkage tables and prologues that realign. */
	ck_assert_uint_lt(odd * 100, rows);
}

START_TEST(every_row_of_libc_is_as_readelf_reads_it)
{
	compare_with_readelf("libc.so.6");
}
END_TEST

START_TEST(every_row_of_libstdcxx_is_as_readelf_reads_it)
{
	compare_with_readelf("libstdc++.so.6");
}
END_TEST

/* ---- by hand -------------------------------------------------------------------- */

/* A header with one FDE for the 256 "instructions" of `code`. */
static struct {
	uint8_t hdr[24];
	uint8_t cie[64];
	uint8_t fde[4096];
} hand __attribute__((aligned(16)));

static uint8_t code[256] __attribute__((aligned(16)));

static void
put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

static int32_t
distance(const void *from, const void *to)
{
	return (int32_t)((intptr_t)to - (intptr_t)from);
}

/* CIE with augmentation "zR", code alignment 1, data alignment -8, RA 16. */
static void
write_cie(const char *aug, const uint8_t *init, size_t len)
{
	uint8_t *p = hand.cie + 8;

	memset(hand.cie, 0, sizeof(hand.cie));
	put32(hand.cie, sizeof(hand.cie) - 4);
	*p++ = 1;
	memcpy(p, aug, strlen(aug) + 1);
	p += strlen(aug) + 1;
	*p++ = 1;
	*p++ = 0x78;
	*p++ = 16;
	*p++ = 1;    /* length of the augmentation */
	*p++ = 0x1b; /* pcrel | sdata4 */
	memcpy(p, init, len);
}

static void
write_fde(const uint8_t *ops, size_t len)
{
	memset(hand.fde, 0, sizeof(hand.fde));
	put32(hand.fde, sizeof(hand.fde) - 8);
	put32(hand.fde + 4, (uint32_t)distance(hand.cie, hand.fde + 4));
	put32(hand.fde + 8, (uint32_t)distance(hand.fde + 8, code));
	put32(hand.fde + 12, sizeof(code));
	hand.fde[16] = 0;
	memcpy(hand.fde + 17, ops, len);
	memset(hand.hdr, 0, sizeof(hand.hdr));
	memcpy(hand.hdr, "\1\x1b\3\x3b", 4);
	put32(hand.hdr + 4, (uint32_t)distance(hand.hdr + 4, hand.cie));
	put32(hand.hdr + 8, 1);
	put32(hand.hdr + 12, (uint32_t)distance(hand.hdr, code));
	put32(hand.hdr + 16, (uint32_t)distance(hand.hdr, hand.fde));
}

/* def_cfa rsp+8; offset(ra) at cfa-8 */
static const uint8_t usual[] = { 0x0c, 7, 8, 0x90, 1 };

static struct oh_cfi_rule
rule_of(unsigned at, const uint8_t *ops, size_t len)
{
	struct oh_cfi_rule r = { 0 };

	write_cie("zR", usual, sizeof(usual));
	write_fde(ops, len);
	ck_assert(oh_cfi_find(hand.hdr, (uintptr_t)code + at, &r));
	return r;
}

#define RULE(at, ...) \
	rule_of((at), (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void
expect(struct oh_cfi_rule r, enum oh_cfi_frame frame, int off, enum oh_cfi_saved rbp, int rbp_off)
{
	ck_assert_int_eq(r.frame, frame);
	if (frame == OH_CFI_ODD || frame == OH_CFI_END || frame == OH_CFI_SIGNAL)
		return;
	ck_assert_int_eq(r.frame_off, off);
	ck_assert_int_eq(r.rbp, rbp);
	if (rbp == OH_CFI_AT_FRAME || rbp == OH_CFI_AT_RBP)
		ck_assert_int_eq(r.rbp_off, rbp_off);
}

START_TEST(a_push_and_a_frame_pointer)
{
	/* push %rbp; mov %rsp,%rbp; ...; pop; */
	static const uint8_t ops[] = { 0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x02, 20, 0xc6, 0x0c,
		7, 8 };
	expect(rule_of(0, ops, sizeof(ops)), OH_CFI_RSP, 8, OH_CFI_SAME, 0);
	expect(rule_of(1, ops, sizeof(ops)), OH_CFI_RSP, 16, OH_CFI_AT_FRAME, -16);
	expect(rule_of(3, ops, sizeof(ops)), OH_CFI_RSP, 16, OH_CFI_AT_FRAME, -16);
	expect(rule_of(4, ops, sizeof(ops)), OH_CFI_RBP, 16, OH_CFI_AT_FRAME, -16);
	expect(rule_of(23, ops, sizeof(ops)), OH_CFI_RBP, 16, OH_CFI_AT_FRAME, -16);
	expect(rule_of(24, ops, sizeof(ops)), OH_CFI_RSP, 8, OH_CFI_SAME, 0);
	expect(rule_of(255, ops, sizeof(ops)), OH_CFI_RSP, 8, OH_CFI_SAME, 0);
	struct oh_cfi_rule r;
	ck_assert(!oh_cfi_find(hand.hdr, (uintptr_t)code + 256, &r));
	ck_assert(!oh_cfi_find(hand.hdr, (uintptr_t)code - 1, &r));
	ck_assert(!oh_cfi_find(NULL, (uintptr_t)code, &r));
}
END_TEST

START_TEST(states_are_remembered_and_restored_in_order)
{
	static const uint8_t ops[] = { 0x41, 0x0e, 16, 0x0a, 0x41, 0x0e, 24, 0x0a, 0x41, 0x0e, 32,
		0x41, 0x0b, 0x41, 0x0b };
	expect(rule_of(3, ops, sizeof(ops)), OH_CFI_RSP, 32, OH_CFI_SAME, 0);
	expect(rule_of(4, ops, sizeof(ops)), OH_CFI_RSP, 24, OH_CFI_SAME, 0);
	expect(rule_of(5, ops, sizeof(ops)), OH_CFI_RSP, 16, OH_CFI_SAME, 0);
}
END_TEST

START_TEST(a_realigned_frame_is_found_through_rbp)
{
	/* def_cfa r10: not followed */
	expect(RULE(1, 0x41, 0x0c, 10, 0), OH_CFI_ODD, 0, 0, 0);
	/* rbp saved where rbp points; frame = *(rbp - 8) */
	expect(RULE(1, 0x10, 6, 2, 0x76, 0, 0x41, 0x0f, 3, 0x76, 0x78, 0x06), OH_CFI_RBP_DEREF, -8,
	    OH_CFI_AT_RBP, 0);
	/* Back to a plain rule: no dereference is left over. */
	expect(RULE(2, 0x41, 0x0f, 3, 0x76, 0x78, 0x06, 0x41, 0x0c, 7, 24), OH_CFI_RSP, 24,
	    OH_CFI_SAME, 0);
	expect(RULE(2, 0x41, 0x0f, 3, 0x76, 0x78, 0x06, 0x41, 0x0d, 7, 0x0e, 24), OH_CFI_RSP, 24,
	    OH_CFI_SAME, 0);
	/* Any other expression is odd. */
	expect(RULE(1, 0x41, 0x0f, 2, 0x77, 8), OH_CFI_ODD, 0, 0, 0);
	expect(RULE(1, 0x41, 0x0f, 4, 0x76, 0, 0x23, 8), OH_CFI_ODD, 0, 0, 0);
	expect(RULE(1, 0x41, 0x0f, 0), OH_CFI_ODD, 0, 0, 0);
}
END_TEST

START_TEST(a_linkage_stub_is_followed_on_both_sides_of_its_push)
{
#define STUB(lit) 0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x30 + (lit), 0x2a, 0x33, 0x24, 0x22
	/* The stubs are aligned; so must this code be for the remainder to tell. */
	ck_assert_uint_eq((uintptr_t)code % 16, 0);
	expect(RULE(0x20, STUB(11)), OH_CFI_RSP, 8, OH_CFI_SAME, 0);
	expect(RULE(0x2a, STUB(11)), OH_CFI_RSP, 8, OH_CFI_SAME, 0);
	expect(RULE(0x2b, STUB(11)), OH_CFI_RSP, 16, OH_CFI_SAME, 0);
	expect(RULE(0x2f, STUB(11)), OH_CFI_RSP, 16, OH_CFI_SAME, 0);
	expect(RULE(0x29, STUB(9)), OH_CFI_RSP, 16, OH_CFI_SAME, 0);
	expect(RULE(1, STUB(11), 0x41, 0x0c, 7, 32), OH_CFI_RSP, 32, OH_CFI_SAME, 0);
	/* One byte more or less is another expression. */
	expect(RULE(0, 0x0f, 10, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24), OH_CFI_ODD,
	    0, 0, 0);
}
END_TEST

START_TEST(rarer_instructions)
{
	/* advance_loc1, 2, 4 */
	expect(RULE(200, 0x02, 200, 0x0e, 16), OH_CFI_RSP, 16, OH_CFI_SAME, 0);
	expect(RULE(199, 0x02, 200, 0x0e, 16), OH_CFI_RSP, 8, OH_CFI_SAME, 0);
	expect(RULE(200, 0x03, 200, 0, 0x0e, 16), OH_CFI_RSP, 16, OH_CFI_SAME, 0);
	expect(RULE(200, 0x04, 200, 0, 0, 0, 0x0e, 16), OH_CFI_RSP, 16, OH_CFI_SAME, 0);
	/* offsets of two bytes; signed and factored ones */
	expect(RULE(0, 0x0e, 0x88, 0x27), OH_CFI_RSP, 5000, OH_CFI_SAME, 0);
	expect(RULE(0, 0x13, 0x7e), OH_CFI_RSP, 16, OH_CFI_SAME, 0);
	expect(RULE(0, 0x12, 6, 0x7e), OH_CFI_RBP, 16, OH_CFI_SAME, 0);
	expect(RULE(0, 0x05, 6, 3), OH_CFI_RSP, 8, OH_CFI_AT_FRAME, -24);
	expect(RULE(0, 0x11, 6, 3), OH_CFI_RSP, 8, OH_CFI_AT_FRAME, -24);
	expect(RULE(0, 0x2f, 6, 3), OH_CFI_RSP, 8, OH_CFI_AT_FRAME, 24);
	expect(RULE(0, 0x05, 6, 3, 0x06, 6), OH_CFI_RSP, 8, OH_CFI_SAME, 0);
	expect(RULE(0, 0x05, 6, 3, 0x08, 6), OH_CFI_RSP, 8, OH_CFI_SAME, 0);
	expect(RULE(0, 0x2e, 16), OH_CFI_RSP, 8, OH_CFI_SAME, 0);
	/* rbp in another register, or nowhere */
	expect(RULE(0, 0x09, 6, 3), OH_CFI_RSP, 8, OH_CFI_LOST, 0);
	expect(RULE(0, 0x07, 6), OH_CFI_RSP, 8, OH_CFI_LOST, 0);
	expect(RULE(0, 0x14, 6, 2), OH_CFI_RSP, 8, OH_CFI_LOST, 0);
	expect(RULE(0, 0x16, 6, 2, 0x77, 0), OH_CFI_RSP, 8, OH_CFI_LOST, 0);
	/* Other registers do not matter. */
	expect(RULE(0, 0x83, 5, 0x09, 12, 13, 0x10, 3, 2, 0x77, 0, 0x16, 3, 1, 0x30), OH_CFI_RSP, 8,
	    OH_CFI_SAME, 0);
	/* set_loc, in the encoding of the CIE: relative to itself */
	uint8_t set_loc[] = { 0x01, 0, 0, 0, 0, 0x0e, 16 };
	put32(set_loc + 1, (uint32_t)(distance(hand.fde + 18, code) + 7));
	expect(rule_of(6, set_loc, sizeof(set_loc)), OH_CFI_RSP, 8, OH_CFI_SAME, 0);
	expect(rule_of(7, set_loc, sizeof(set_loc)), OH_CFI_RSP, 16, OH_CFI_SAME, 0);
}
END_TEST

START_TEST(the_return_address_is_where_it_must_be_or_the_rule_is_odd)
{
	expect(RULE(0, 0x07, 16), OH_CFI_END, 0, 0, 0);
	expect(RULE(0, 0x90, 2), OH_CFI_ODD, 0, 0, 0);
	expect(RULE(0, 0x09, 16, 2), OH_CFI_ODD, 0, 0, 0);
	expect(RULE(0, 0x90, 2, 0xd0), OH_CFI_RSP, 8, OH_CFI_SAME, 0);
	/* Offsets that no frame has. */
	expect(RULE(0, 0x0e, 0xff, 0xff, 0xff, 0xff, 0x7f), OH_CFI_ODD, 0, 0, 0);
}
END_TEST

START_TEST(a_signal_frame_is_one_whatever_its_rules)
{
	struct oh_cfi_rule r;

	write_cie("zRS", usual, sizeof(usual));
	write_fde((const uint8_t[]){ 0x0f, 4, 0x77, 0xa0, 1, 0x06 }, 6);
	ck_assert(oh_cfi_find(hand.hdr, (uintptr_t)code, &r));
	ck_assert_int_eq(r.frame, OH_CFI_SIGNAL);
}
END_TEST

START_TEST(what_is_not_understood_is_no_rule)
{
	struct oh_cfi_rule r;

	write_cie("zR", usual, sizeof(usual));
	static const uint8_t nonsense[][8] = { { 0x3f }, { 0x1c }, { 0x0b }, { 0x2d },
		{ 0x0a, 0x0b, 0x0b }, { 0x17 } };
	for (size_t i = 0; i < OH_ARRAY_LEN(nonsense); i++) {
		write_fde(nonsense[i], 8);
		ck_assert(!oh_cfi_find(hand.hdr, (uintptr_t)code + 5, &r));
	}
	/* More remembered states than any compiler makes. */
	uint8_t many[100];
	memset(many, 0x0a, sizeof(many));
	write_fde(many, sizeof(many));
	ck_assert(!oh_cfi_find(hand.hdr, (uintptr_t)code, &r));
	/* Unknown augmentation, version, header. */
	write_fde(usual, 0);
	write_cie("zQ", usual, sizeof(usual));
	ck_assert(!oh_cfi_find(hand.hdr, (uintptr_t)code, &r));
	write_cie("eh", usual, sizeof(usual));
	ck_assert(!oh_cfi_find(hand.hdr, (uintptr_t)code, &r));
	write_cie("zR", usual, sizeof(usual));
	ck_assert(oh_cfi_find(hand.hdr, (uintptr_t)code, &r));
	hand.cie[8] = 4;
	ck_assert(!oh_cfi_find(hand.hdr, (uintptr_t)code, &r));
	hand.cie[8] = 1;
	hand.hdr[0] = 2;
	ck_assert(!oh_cfi_find(hand.hdr, (uintptr_t)code, &r));
	hand.hdr[0] = 1;
	hand.hdr[3] = 0x1b;
	ck_assert(!oh_cfi_find(hand.hdr, (uintptr_t)code, &r));
	hand.hdr[3] = 0x3b;
	put32(hand.hdr + 8, 0);
	ck_assert(!oh_cfi_find(hand.hdr, (uintptr_t)code, &r));
	put32(hand.hdr + 8, 1);
	/* A CIE where the FDE should be, an entry of no or of giant length. */
	put32(hand.fde + 4, 0);
	ck_assert(!oh_cfi_find(hand.hdr, (uintptr_t)code, &r));
	write_fde(usual, 0);
	put32(hand.fde, 0);
	ck_assert(!oh_cfi_find(hand.hdr, (uintptr_t)code, &r));
	put32(hand.fde, 0x7fffffff);
	ck_assert(!oh_cfi_find(hand.hdr, (uintptr_t)code, &r));
}
END_TEST

/* 200,000 random programs: any answer, but no read outside and no overflow. */
START_TEST(random_instructions_do_no_harm)
{
	uint64_t rng = 42;
	struct oh_cfi_rule r;
	uint8_t ops[48];

	for (int i = 0; i < 200000; i++) {
		for (size_t k = 0; k < sizeof(ops); k += 8) {
			uint64_t v = oh_rng_next(&rng);
			memcpy(ops + k, &v, 8);
		}
		/* Half of them made of opcodes alone, which live longer. */
		if (i % 2 == 0)
			for (size_t k = 0; k < sizeof(ops); k++)
				ops[k] = ops[k] % 3 == 0 ? ops[k] : ops[k] & 0x1f;
		write_cie("zR", ops + 40, 8);
		write_fde(ops, sizeof(ops));
		/* The FDE ends with the program, so that it may run off its end. */
		put32(hand.fde, 17 - 4 + (uint32_t)(oh_rng_next(&rng) % sizeof(ops)));
		(void)oh_cfi_find(hand.hdr, (uintptr_t)code + oh_rng_next(&rng) % 256, &r);
	}
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, no_address_of_a_real_file_does_harm);
	tcase_add_test(tc, every_row_of_libc_is_as_readelf_reads_it);
	tcase_add_test(tc, every_row_of_libstdcxx_is_as_readelf_reads_it);
	tcase_add_test(tc, a_push_and_a_frame_pointer);
	tcase_add_test(tc, states_are_remembered_and_restored_in_order);
	tcase_add_test(tc, a_realigned_frame_is_found_through_rbp);
	tcase_add_test(tc, a_linkage_stub_is_followed_on_both_sides_of_its_push);
	tcase_add_test(tc, rarer_instructions);
	tcase_add_test(tc, the_return_address_is_where_it_must_be_or_the_rule_is_odd);
	tcase_add_test(tc, a_signal_frame_is_one_whatever_its_rules);
	tcase_add_test(tc, what_is_not_understood_is_no_rule);
	tcase_add_test(tc, random_instructions_do_no_harm);
}

int
main(void)
{
	return unit_run("cfi", add);
}
