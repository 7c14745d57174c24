/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfi.c - what do the call frame instructions say about this address?
 *
 * Sources	DWARF 5, section 6.4 (call frame information); Linux Standard
 *	Base 5.0, "Exception Frames" (.eh_frame, .eh_frame_hdr, pointer
 *	encodings, augmentation); System V ABI, AMD64 supplement, table 3.36
 *	(register numbers: 6 = rbp, 7 = rsp, 16 = return address).
 */
#include "core/cfi.h"

#include <stddef.h>
#include <string.h>

#include "core/base.h"

enum { RBP = 6, RSP = 7, RA = 16 };

/* Pointer encodings (LSB, table "DWARF Exception Header Encoding"). */
enum {
	PE_ABS = 0x00,
	PE_ULEB = 0x01,
	PE_UDATA2 = 0x02,
	PE_UDATA4 = 0x03,
	PE_UDATA8 = 0x04,
	PE_SLEB = 0x09,
	PE_SDATA2 = 0x0a,
	PE_SDATA4 = 0x0b,
	PE_SDATA8 = 0x0c,
	PE_PCREL = 0x10,
	PE_DATAREL = 0x30,
	PE_INDIRECT = 0x80,
	PE_OMIT = 0xff,
};

/* A cursor that never passes its end; `bad` is sticky. */
struct cursor {
	const uint8_t *p, *end;
	bool bad;
};

static uint64_t
take(struct cursor *c, size_t n)
{
	uint64_t v = 0;

	if ((size_t)(c->end - c->p) < n) {
		c->bad = true;
		c->p = c->end;
		return 0;
	}
	memcpy(&v, c->p, n);
	c->p += n;
	return v;
}

/* A number in LEB128 as it stands; how many bits it has, and whether it would be negative. */
static uint64_t
leb(struct cursor *c, unsigned *ret_shift, bool *ret_negative)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t b;

	do {
		b = (uint8_t)take(c, 1);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while ((b & 0x80) != 0 && !c->bad);
	*ret_shift = shift;
	*ret_negative = (b & 0x40) != 0;
	return v;
}

static uint64_t
uleb(struct cursor *c)
{
	unsigned shift;
	bool negative;

	return leb(c, &shift, &negative);
}

static int64_t
sleb(struct cursor *c)
{
	unsigned shift;
	bool negative;
	uint64_t v = leb(c, &shift, &negative);

	if (shift < 64 && negative)
		v |= -(UINT64_C(1) << shift);
	return (int64_t)v;
}

static void
skip(struct cursor *c, uint64_t n)
{
	if ((uint64_t)(c->end - c->p) < n) {
		c->bad = true;
		n = (uint64_t)(c->end - c->p);
	}
	c->p += n;
}

static uint64_t
encoded(struct cursor *c, uint8_t enc, uintptr_t data)
{
	uintptr_t here = (uintptr_t)c->p;
	uint64_t v;

	if (enc == PE_OMIT)
		return 0;
	switch (enc & 0x0f) {
	case PE_ABS:
	case PE_UDATA8:
	case PE_SDATA8:
		v = take(c, 8);
		break;
	case PE_ULEB:
		v = uleb(c);
		break;
	case PE_SLEB:
		v = (uint64_t)sleb(c);
		break;
	case PE_UDATA2:
		v = take(c, 2);
		break;
	case PE_SDATA2:
		v = (uint64_t)(int64_t)(int16_t)take(c, 2);
		break;
	case PE_UDATA4:
		v = take(c, 4);
		break;
	case PE_SDATA4:
		v = (uint64_t)(int64_t)(int32_t)take(c, 4);
		break;
	default:
		c->bad = true;
		return 0;
	}
	switch (enc & 0x70) {
	case 0:
		break;
	case PE_PCREL:
		v += here;
		break;
	case PE_DATAREL:
		v += data;
		break;
	default:
		c->bad = true;
	}
	/* Indirect pointers occur for personality routines only, which are skipped. */
	return v;
}

/* ---- from an address to its FDE ------------------------------------------- */

struct entry {
	struct cursor body;   /* after the length */
	const uint8_t *start; /* where the id field is */
	uint32_t id;          /* 0 = CIE; else distance back to the CIE */
};

static bool
open_entry(const uint8_t *p, struct entry *ret)
{
	uint32_t len32;
	uint64_t len;

	memcpy(&len32, p, 4);
	p += 4;
	len = len32;
	if (len32 == UINT32_MAX) {
		memcpy(&len, p, 8);
		p += 8;
	}
	if (len < 4 || len > ((uint64_t)1 << 24))
		return false;
	ret->start = p;
	ret->body = (struct cursor){ .p = p, .end = p + len };
	ret->id = (uint32_t)take(&ret->body, 4);
	return true;
}

/*
 * LSB 5.0, ".eh_frame_hdr": version, three encodings, the address of .eh_frame,
 * the number of entries, then pairs (first address, address of the FDE) in
 * rising order, here as every linker writes them: sdata4 relative to the header.
 */
static const uint8_t *
search_table(const uint8_t *hdr, uintptr_t pc)
{
	struct cursor c = { .p = hdr + 4, .end = hdr + 24 };

	if (hdr[0] != 1 || hdr[2] == PE_OMIT || hdr[3] != (PE_DATAREL | PE_SDATA4))
		return NULL;
	(void)encoded(&c, hdr[1], (uintptr_t)hdr);
	uint64_t count = encoded(&c, hdr[2], (uintptr_t)hdr);
	if (c.bad || count == 0)
		return NULL;
	const uint8_t *table = c.p;
	uint64_t lo = 0, hi = count; /* the answer is in [lo, hi) */
	int64_t rel = (int64_t)(pc - (uintptr_t)hdr);
	int32_t pair[2];
	while (hi - lo > 1) {
		uint64_t mid = lo + (hi - lo) / 2;
		memcpy(pair, table + mid * 8, 8);
		if (pair[0] <= rel)
			lo = mid;
		else
			hi = mid;
	}
	memcpy(pair, table + lo * 8, 8);
	return pair[0] <= rel ? hdr + pair[1] : NULL;
}

/* ---- the row in force ------------------------------------------------------ */

struct cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra;
	uint8_t fde_enc;
	bool signal, augmented;
	struct cursor init; /* initial instructions */
};

static bool
parse_cie(const uint8_t *p, struct cie *ret)
{
	struct entry e;
	struct cursor *c = &e.body;

	if (!open_entry(p, &e) || e.id != 0)
		return false;
	uint8_t version = (uint8_t)take(c, 1);
	const char *aug = (const char *)c->p;
	while (take(c, 1) != 0 && !c->bad)
		;
	if (c->bad || (version != 1 && version != 3))
		return false;
	ret->code_align = uleb(c);
	ret->data_align = sleb(c);
	ret->ra = version == 1 ? take(c, 1) : uleb(c);
	ret->fde_enc = PE_ABS;
	ret->signal = false;
	ret->augmented = aug[0] == 'z';
	ret->init = *c;
	if (!ret->augmented)
		return aug[0] == '\0' && !c->bad;
	uint64_t len = uleb(c);
	ret->init = *c;
	skip(&ret->init, len);
	for (aug++; *aug != '\0'; aug++) {
		uint8_t enc;
		switch (*aug) {
		case 'R':
			ret->fde_enc = (uint8_t)take(c, 1);
			break;
		case 'P':
			enc = (uint8_t)take(c, 1);
			(void)encoded(c, enc & 0x0f, 0);
			break;
		case 'L':
			(void)take(c, 1);
			break;
		case 'S':
			ret->signal = true;
			break;
		case 'B':
			break;
		default:
			return false;
		}
	}
	return !c->bad && !ret->init.bad;
}

enum how { HOW_UNSET, HOW_UNDEFINED, HOW_OFFSET, HOW_RBP, HOW_ODD };

/* The columns of a row that we follow. */
struct row {
	int64_t cfa_off, rbp_off;
	uint64_t cfa_reg;
	enum how rbp, ra;
	bool cfa_odd, cfa_deref;
};

#define SAVED_ROWS 16u

/* A DWARF expression that is rbp + n, or *(rbp + n)?  (DWARF 5, 2.5.1) */
static bool
simple_expression(struct cursor *c, uint64_t len, int64_t *ret_off, bool *ret_deref)
{
	struct cursor e = { .p = c->p };

	skip(c, len);
	e.end = c->p;
	if (c->bad || take(&e, 1) != 0x70 + RBP) /* DW_OP_breg6 */
		return false;
	*ret_off = sleb(&e);
	*ret_deref = false;
	if (e.p < e.end) {
		if (take(&e, 1) != 0x06) /* DW_OP_deref */
			return false;
		*ret_deref = true;
	}
	return !e.bad && e.p == e.end;
}

/*
 * The expression of linkage stubs: rsp + 8, and 8 more from byte n of each 16 on
 * ("breg7 8; breg16 0; lit15; and; lit<n>; ge; lit3; shl; plus").  Both linkers
 * write it so.  For a given pc it is an offset like any other.
 */
static bool
stub_expression(const struct cursor *c, uint64_t len, uintptr_t pc, int64_t *ret_off)
{
	static const uint8_t text[] = { 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x30, 0x2a, 0x33, 0x24,
		0x22 };
	const size_t lit = 6;

	if (len != sizeof(text) || (uint64_t)(c->end - c->p) < len || c->p[lit] < 0x30 ||
	    c->p[lit] > 0x3f || memcmp(c->p, text, lit) != 0 ||
	    memcmp(c->p + lit + 1, text + lit + 1, sizeof(text) - lit - 1) != 0)
		return false;
	*ret_off = 8 + ((pc & 15) >= (uintptr_t)(c->p[lit] - 0x30) ? 8 : 0);
	return true;
}

static void
set_reg(struct row *r, uint64_t reg, enum how how, int64_t off)
{
	if (reg == RBP) {
		r->rbp = how;
		r->rbp_off = off;
	} else if (reg == RA) {
		r->ra = how == HOW_OFFSET && off != -8 ? HOW_ODD : how;
	}
}

static void
restore_reg(struct row *r, const struct row *init, uint64_t reg)
{
	if (reg == RBP) {
		r->rbp = init->rbp;
		r->rbp_off = init->rbp_off;
	} else if (reg == RA) {
		r->ra = init->ra;
	}
}

/* Modulo 2^64, as nonsense may be of any size; boil_down() takes what fits. */
static int64_t
scaled(const struct cie *cie, uint64_t n)
{
	return (int64_t)(n * (uint64_t)cie->data_align);
}

/*
 * Run instructions until `loc` would pass `pc`.  Returns false on one that is
 * not known.  Opcode values: DWARF 5, table 7.29, and the GNU extensions.
 */
static bool
run(const struct cie *cie, struct cursor c, uintptr_t loc, uintptr_t pc, uintptr_t data,
    struct row *r, const struct row *init)
{
	struct row saved[SAVED_ROWS];
	unsigned depth = 0;
	uint64_t reg, len;
	int64_t off;
	bool deref;

	while (c.p < c.end && !c.bad) {
		uint8_t op = (uint8_t)take(&c, 1);
		uint64_t delta = 0;
		switch (op >> 6) {
		case 1: /* advance_loc */
			delta = (op & 0x3f) * cie->code_align;
			break;
		case 2: /* offset */
			set_reg(r, op & 0x3f, HOW_OFFSET, scaled(cie, uleb(&c)));
			continue;
		case 3: /* restore */
			restore_reg(r, init, op & 0x3f);
			continue;
		default:
			switch (op) {
			case 0x00: /* nop */
				continue;
			case 0x01: /* set_loc */
				loc = encoded(&c, cie->fde_enc, data);
				if (loc > pc)
					return true;
				continue;
			case 0x02: /* advance_loc1 */
				delta = take(&c, 1) * cie->code_align;
				break;
			case 0x03: /* advance_loc2 */
				delta = take(&c, 2) * cie->code_align;
				break;
			case 0x04: /* advance_loc4 */
				delta = take(&c, 4) * cie->code_align;
				break;
			case 0x05: /* offset_extended */
				reg = uleb(&c);
				set_reg(r, reg, HOW_OFFSET, scaled(cie, uleb(&c)));
				continue;
			case 0x06: /* restore_extended */
				restore_reg(r, init, uleb(&c));
				continue;
			case 0x07: /* undefined */
				set_reg(r, uleb(&c), HOW_UNDEFINED, 0);
				continue;
			case 0x08: /* same_value */
				set_reg(r, uleb(&c), HOW_UNSET, 0);
				continue;
			case 0x09: /* register */
				reg = uleb(&c);
				(void)uleb(&c);
				set_reg(r, reg, HOW_ODD, 0);
				continue;
			case 0x0a: /* remember_state */
				if (depth == SAVED_ROWS)
					return false;
				saved[depth++] = *r;
				continue;
			case 0x0b: /* restore_state */
				if (depth == 0)
					return false;
				*r = saved[--depth];
				continue;
			case 0x0c: /* def_cfa */
				r->cfa_reg = uleb(&c);
				r->cfa_off = (int64_t)uleb(&c);
				r->cfa_odd = r->cfa_deref = false;
				continue;
			case 0x0d: /* def_cfa_register */
				r->cfa_reg = uleb(&c);
				r->cfa_odd = r->cfa_deref = false;
				continue;
			case 0x0e: /* def_cfa_offset */
				r->cfa_off = (int64_t)uleb(&c);
				continue;
			case 0x0f: /* def_cfa_expression */
				len = uleb(&c);
				if (stub_expression(&c, len, pc, &r->cfa_off)) {
					skip(&c, len);
					r->cfa_odd = r->cfa_deref = false;
					r->cfa_reg = RSP;
					continue;
				}
				r->cfa_odd =
				    !simple_expression(&c, len, &r->cfa_off, &r->cfa_deref);
				r->cfa_reg = RBP;
				continue;
			case 0x10: /* expression: saved at that address */
				reg = uleb(&c);
				if (simple_expression(&c, uleb(&c), &off, &deref) && !deref &&
				    reg == RBP)
					set_reg(r, reg, HOW_RBP, off);
				else
					set_reg(r, reg, HOW_ODD, 0);
				continue;
			case 0x11: /* offset_extended_sf */
				reg = uleb(&c);
				set_reg(r, reg, HOW_OFFSET, scaled(cie, (uint64_t)sleb(&c)));
				continue;
			case 0x12: /* def_cfa_sf */
				r->cfa_reg = uleb(&c);
				r->cfa_off = scaled(cie, (uint64_t)sleb(&c));
				r->cfa_odd = r->cfa_deref = false;
				continue;
			case 0x13: /* def_cfa_offset_sf */
				r->cfa_off = scaled(cie, (uint64_t)sleb(&c));
				continue;
			case 0x14: /* val_offset */
			case 0x15: /* val_offset_sf */
				reg = uleb(&c);
				(void)uleb(&c);
				set_reg(r, reg, HOW_ODD, 0);
				continue;
			case 0x16: /* val_expression */
				reg = uleb(&c);
				skip(&c, uleb(&c));
				set_reg(r, reg, HOW_ODD, 0);
				continue;
			case 0x2e: /* GNU_args_size */
				(void)uleb(&c);
				continue;
			case 0x2f: /* GNU_negative_offset_extended */
				reg = uleb(&c);
				set_reg(r, reg, HOW_OFFSET, scaled(cie, -uleb(&c)));
				continue;
			default:
				return false;
			}
		}
		loc += delta;
		if (loc > pc)
			return true;
	}
	return !c.bad;
}

static bool
fits(int64_t v)
{
	return v == (int32_t)v;
}

static void
boil_down(const struct cie *cie, const struct row *r, struct oh_cfi_rule *ret)
{
	*ret = (struct oh_cfi_rule){ .frame = OH_CFI_ODD, .rbp = OH_CFI_LOST };
	if (cie->signal) {
		ret->frame = OH_CFI_SIGNAL;
		return;
	}
	if (r->ra == HOW_UNDEFINED) {
		ret->frame = OH_CFI_END;
		return;
	}
	if (r->ra != HOW_OFFSET || r->cfa_odd || cie->ra != RA || !fits(r->cfa_off))
		return;
	if (r->cfa_deref)
		ret->frame = OH_CFI_RBP_DEREF;
	else if (r->cfa_reg == RSP)
		ret->frame = OH_CFI_RSP;
	else if (r->cfa_reg == RBP)
		ret->frame = OH_CFI_RBP;
	else
		return;
	ret->frame_off = (int32_t)r->cfa_off;
	if (r->rbp == HOW_UNSET) {
		ret->rbp = OH_CFI_SAME;
	} else if (r->rbp == HOW_OFFSET && fits(r->rbp_off)) {
		ret->rbp = OH_CFI_AT_FRAME;
		ret->rbp_off = (int32_t)r->rbp_off;
	} else if (r->rbp == HOW_RBP && fits(r->rbp_off)) {
		ret->rbp = OH_CFI_AT_RBP;
		ret->rbp_off = (int32_t)r->rbp_off;
	}
}

bool
oh_cfi_find(const void *eh_frame_hdr, uintptr_t pc, struct oh_cfi_rule *ret)
{
	const uint8_t *hdr = eh_frame_hdr;
	const uint8_t *p = hdr != NULL ? search_table(hdr, pc) : NULL;
	struct entry fde;
	struct cie cie;

	if (p == NULL || !open_entry(p, &fde) || fde.id == 0 ||
	    !parse_cie(fde.start - fde.id, &cie))
		return false;
	struct cursor *c = &fde.body;
	uintptr_t start = encoded(c, cie.fde_enc, (uintptr_t)hdr);
	uintptr_t size = encoded(c, cie.fde_enc & 0x0f, 0);
	if (c->bad || pc < start || pc - start >= size)
		return false;
	if (cie.augmented)
		skip(c, uleb(c));
	struct row row = { .cfa_odd = true }, init;
	if (!run(&cie, cie.init, 0, UINTPTR_MAX, (uintptr_t)hdr, &row, &row))
		return false;
	init = row;
	if (!run(&cie, *c, start, pc, (uintptr_t)hdr, &row, &init))
		return false;
	boil_down(&cie, &row, ret);
	return true;
}
