/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.c - what is this function called?
 *
 * The loader's structures (elf(5), link.h): the dynamic section of the file that
 * _dl_find_object names, its symbol table, and how many symbols that has, which
 * only the hash table tells (DT_GNU_HASH: a header of four words, a Bloom
 * filter, the buckets with the first symbol of each, then a word for each
 * symbol from the first hashed one on, odd where a chain ends).
 */
#include "preload/names.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/uio.h>

#include "core/base.h"
#include "core/sys.h"

#define SYMBOLS_AT_ONCE 32u
#define SYMBOLS_MAX 1000000u

static bool
peek(uintptr_t from, void *to, size_t len)
{
	struct iovec here = { .iov_base = to, .iov_len = len };
	struct iovec there = { .iov_base = (void *)from, .iov_len = len };

	return OH_SYS(process_vm_readv, oh_sys_getpid(), &here, 1, &there, 1, 0) == (long)len;
}

struct tables {
	uintptr_t symbols, strings, hash;
};

static bool
find_tables(const struct link_map *map, struct tables *t)
{
	ElfW(Dyn) d;
	struct link_map m;

	memset(t, 0, sizeof(*t));
	if (!peek((uintptr_t)map, &m, sizeof(m)))
		return false;
	for (unsigned i = 0; i < 200; i++) {
		if (!peek((uintptr_t)(m.l_ld + i), &d, sizeof(d)) || d.d_tag == DT_NULL)
			break;
		/* glibc has made addresses of these. */
		if (d.d_tag == DT_SYMTAB)
			t->symbols = d.d_un.d_ptr;
		else if (d.d_tag == DT_STRTAB)
			t->strings = d.d_un.d_ptr;
		else if (d.d_tag == DT_GNU_HASH)
			t->hash = d.d_un.d_ptr;
	}
	return t->symbols != 0 && t->strings != 0 && t->hash != 0;
}

/* How many symbols are there? */
static uint32_t
count_symbols(const struct tables *t)
{
	uint32_t head[4]; /* buckets, first hashed symbol, words of the filter, shift */
	uint32_t last = 0, word;

	if (!peek(t->hash, head, sizeof(head)))
		return 0;
	uintptr_t buckets = t->hash + sizeof(head) + (uintptr_t)head[2] * 8;
	uintptr_t chains = buckets + (uintptr_t)head[0] * 4;
	for (uint32_t i = 0; i < head[0] && i < SYMBOLS_MAX; i++) {
		if (!peek(buckets + (uintptr_t)i * 4, &word, 4))
			return 0;
		if (word > last)
			last = word;
	}
	if (last < head[1])
		return head[1];
	do {
		if (!peek(chains + (uintptr_t)(last - head[1]) * 4, &word, 4))
			return 0;
		last++;
	} while ((word & 1) == 0 && last < SYMBOLS_MAX);
	return last;
}

/* The function symbol that holds `at`, relative to the file. */
static bool
find_symbol(const struct tables *t, uint64_t at, ElfW(Sym) * ret)
{
	ElfW(Sym) some[SYMBOLS_AT_ONCE];
	uint32_t count = count_symbols(t);

	for (uint32_t i = 0; i < count; i += SYMBOLS_AT_ONCE) {
		uint32_t n = count - i < SYMBOLS_AT_ONCE ? count - i : SYMBOLS_AT_ONCE;
		if (!peek(t->symbols + i * sizeof(*some), some, n * sizeof(*some)))
			return false;
		for (uint32_t k = 0; k < n; k++) {
			unsigned type = ELF64_ST_TYPE(some[k].st_info);
			if (some[k].st_shndx != SHN_UNDEF &&
			    (type == STT_FUNC || type == STT_GNU_IFUNC) && at >= some[k].st_value &&
			    at - some[k].st_value < some[k].st_size) {
				*ret = some[k];
				return true;
			}
		}
	}
	return false;
}

uint64_t
oh_name_of(uintptr_t pc, char *ret, size_t room)
{
	struct dl_find_object o;
	struct link_map m;
	struct tables t;
	ElfW(Sym) symbol;

	ret[0] = '\0';
	if (_dl_find_object((void *)pc, &o) != 0 || !find_tables(o.dlfo_link_map, &t) ||
	    !peek((uintptr_t)o.dlfo_link_map, &m, sizeof(m)) ||
	    !find_symbol(&t, pc - m.l_addr, &symbol))
		return UINT64_MAX;
	/* The end of the table may be near the end of what is mapped. */
	for (size_t i = 0; i + 1 < room; i++) {
		if (!peek(t.strings + symbol.st_name + i, ret + i, 1) || ret[i] == '\0')
			break;
		ret[i + 1] = '\0';
	}
	return pc - m.l_addr - symbol.st_value;
}
