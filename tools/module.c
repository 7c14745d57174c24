/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module.c - one program or library on disk, through elfutils' libdwfl.
 *
 * Each module has a libdwfl session of its own, laid out at the addresses the
 * file was linked for, so that modules of one profile cannot overlap and
 * addresses need no bias but the one libdwfl reports.
 *
 * Why our own symbol table: dwfl_module_addrinfo() walks all symbols for each
 * address.  With 50,000 symbols and 200,000 addresses that is hours; sorting
 * once makes it a binary search.
 */
#include "tools/module.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <elfutils/libdwfl.h>

struct symbol {
	uint64_t start, end; /* [start, end); end == start: size unknown */
	const char *name;
	uint8_t rank; /* of equals the highest is shown: global, weak, local */
};

struct oh_module {
	Dwfl *dwfl;
	Dwfl_Module *mod;
	uint64_t bias; /* libdwfl's address = file's virtual address + bias */
	struct oh_load *loads;
	size_t load_count;
	bool symbols_read;
	uint64_t text_low, text_high; /* once the symbols were read */
	struct symbol *symbols;       /* by start */
	uint64_t *max_end;            /* [i]: largest end of symbols[0 .. i] */
	size_t symbol_count;
};

bool
oh_load_vaddr(const struct oh_load *loads, size_t count, uint64_t address, uint64_t start,
    uint64_t offset, uint64_t *ret)
{
	uint64_t at = address - start + offset;
	const struct oh_load *best = NULL;

	if (start == 0 && offset == 0) {
		for (size_t i = 0; i < count; i++)
			if (address - loads[i].vaddr < loads[i].file_bytes) {
				*ret = address;
				return true;
			}
	}
	for (size_t i = 0; i < count; i++)
		if (at - loads[i].offset < loads[i].file_bytes &&
		    (best == NULL || (loads[i].executable && !best->executable)))
			best = &loads[i];
	if (best == NULL)
		return false;
	*ret = at - best->offset + best->vaddr;
	return true;
}

bool
oh_module_vaddr(
    const struct oh_module *m, uint64_t address, uint64_t start, uint64_t offset, uint64_t *ret)
{
	return oh_load_vaddr(m->loads, m->load_count, address, start, offset, ret);
}

void
oh_module_text(const struct oh_module *m, uint64_t *ret_low, uint64_t *ret_high)
{
	*ret_low = UINT64_MAX;
	*ret_high = 0;
	for (size_t i = 0; i < m->load_count; i++) {
		const struct oh_load *l = &m->loads[i];

		if (!l->executable)
			continue;
		if (l->vaddr < *ret_low)
			*ret_low = l->vaddr;
		if (l->vaddr + l->file_bytes > *ret_high)
			*ret_high = l->vaddr + l->file_bytes;
	}
}

/* ---- opening ---------------------------------------------------------------- */

static int
open_regular(const char *path, struct oh_error *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		oh_error_set(err, "%s", strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		oh_error_set(err, "not a regular file");
		(void)close(fd);
		return -1;
	}
	return fd;
}

static size_t
from_hex(const char *hex, uint8_t *ret, size_t room)
{
	size_t n = 0;

	for (; hex[0] != '\0' && hex[1] != '\0' && n < room; hex += 2) {
		char pair[3] = { hex[0], hex[1], '\0' };
		char *end;

		ret[n++] = (uint8_t)strtoul(pair, &end, 16);
		if (*end != '\0')
			return 0;
	}
	return *hex == '\0' ? n : 0;
}

static bool
same_build_id(Dwfl_Module *mod, const uint8_t *want, size_t want_len)
{
	const unsigned char *bits;
	GElf_Addr vaddr;
	int len = dwfl_module_build_id(mod, &bits, &vaddr);

	/* Unknown on either side: there is nothing to compare. */
	return want_len == 0 || len <= 0 ||
	       ((size_t)len == want_len && memcmp(bits, want, want_len) == 0);
}

static bool
read_loads(struct oh_module *m, Elf *elf)
{
	size_t phdrs, cap = 0;

	if (elf_getphdrnum(elf, &phdrs) != 0)
		return false;
	for (size_t i = 0; i < phdrs; i++) {
		GElf_Phdr ph;

		if (gelf_getphdr(elf, (int)i, &ph) == NULL || ph.p_type != PT_LOAD)
			continue;
		m->loads = oh_xgrow(m->loads, &cap, m->load_count + 1, sizeof(*m->loads));
		m->loads[m->load_count++] = (struct oh_load){
			.vaddr = ph.p_vaddr,
			.offset = ph.p_offset,
			.file_bytes = ph.p_filesz,
			.executable = (ph.p_flags & PF_X) != 0,
		};
	}
	return m->load_count > 0;
}

/* Make a module of what `mod` turned out to be.  Takes dwfl, also when it fails. */
static struct oh_module *
module_of(Dwfl *dwfl, Dwfl_Module *mod, const uint8_t *id, size_t id_len, struct oh_error *err)
{
	struct oh_module *m = oh_xcalloc(1, sizeof(*m));
	GElf_Addr bias = 0;
	Elf *elf = mod ? dwfl_module_getelf(mod, &bias) : NULL;

	m->dwfl = dwfl;
	m->mod = mod;
	m->bias = bias;
	if (elf == NULL || !read_loads(m, elf))
		oh_error_set(err, "not an ELF program or library");
	else if (!same_build_id(mod, id, id_len))
		oh_error_set(err, "build ID differs from the profile's: not the file that ran");
	else
		return m;
	oh_module_free(m);
	return NULL;
}

/* The default places for separate debug files, as gdb knows them. */
static char *debug_path = NULL;

static char *root, *debug_folders; /* of oh_module_places() */

/* libdwfl looks below absolute folders by the path of the program; here also without it. */
static int
find_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
    const char *file, const char *link, GElf_Word crc, char **ret)
{
	int fd = dwfl_standard_find_debuginfo(mod, userdata, name, base, file, link, crc, ret);
	const uint8_t *id;
	GElf_Addr at;

	/* Without a build ID nothing tells the right file from another of its name. */
	if (fd >= 0 || link == NULL || dwfl_module_build_id(mod, &id, &at) <= 0)
		return fd;
	for (const char *dir = debug_folders; fd < 0 && dir != NULL && *dir != '\0';) {
		size_t len = strcspn(dir, ":");

		free(*ret);
		if (asprintf(ret, "%.*s/%s", (int)len, dir, link) < 0) {
			*ret = NULL;
			return -1;
		}
		fd = open(*ret, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		dir += len + (dir[len] == ':');
	}
	return fd;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = find_debuginfo,
	.section_address = dwfl_offline_section_address,
	.debuginfo_path = &debug_path,
};

static struct oh_module *
open_path(const char *path, const uint8_t *id, size_t id_len, struct oh_error *err)
{
	int fd = open_regular(path, err);
	Dwfl_Module *mod;
	Dwfl *dwfl;

	if (fd < 0)
		return NULL;
	dwfl = dwfl_begin(&callbacks);
	if (dwfl == NULL) {
		(void)close(fd);
		oh_error_set(err, "%s", dwfl_errmsg(-1));
		return NULL;
	}
	mod = dwfl_report_elf(dwfl, path, path, fd, 0, true); /* takes fd if it succeeds */
	if (mod == NULL)
		(void)close(fd);
	(void)dwfl_report_end(dwfl, NULL, NULL);
	return module_of(dwfl, mod, id, id_len, err);
}

static struct oh_module *
open_build_id(const char *path, const uint8_t *id, size_t id_len)
{
	struct oh_error ignored = { "" };
	Dwfl *dwfl = dwfl_begin(&callbacks);
	Dwfl_Module *mod;

	if (dwfl == NULL)
		return NULL;
	/* Any range will do: addresses are turned into the file's own before they get here. */
	mod = dwfl_report_module(dwfl, path, 0, UINT64_C(1) << 46);
	if (mod != NULL)
		(void)dwfl_module_report_build_id(mod, id, id_len, 0);
	(void)dwfl_report_end(dwfl, NULL, NULL);
	return module_of(dwfl, mod, id, id_len, &ignored);
}

void
oh_module_places(const char *new_root, const char *debug)
{
	char *path = NULL;

	free(root);
	free(debug_folders);
	free(debug_path);
	root = new_root ? strdup(new_root) : NULL;
	debug_folders = debug ? strdup(debug) : NULL;
	/* "": beside the program. */
	if (asprintf(&path, ":.debug%s%s%s%s:/usr/lib/debug", debug ? ":" : "", debug ? debug : "",
		new_root ? ":" : "", new_root ? new_root : "") < 0)
		path = NULL;
	if (path != NULL && new_root != NULL) {
		char *longer;

		if (asprintf(&longer, "%s:%s/usr/lib/debug", path, new_root) >= 0) {
			free(path);
			path = longer;
		}
	}
	debug_path = path;
}

/* Open `folder`/`path`, keeping the reason that says most. */
static struct oh_module *
open_below(const char *folder, size_t len, const char *path, const uint8_t *id, size_t id_len,
    struct oh_error *err)
{
	struct oh_error why = { "" };
	struct oh_module *m = NULL;
	char *full;

	if (asprintf(&full, "%.*s/%s", (int)len, folder, path) < 0)
		return NULL;
	m = open_path(full, id, id_len, &why);
	if (m == NULL && strcmp(why.text, strerror(ENOENT)) != 0)
		oh_error_set(err, "%s", why.text);
	free(full);
	return m;
}

/* The file of a mapping, by its name. */
static struct oh_module *
open_named(const char *path, const uint8_t *id, size_t id_len, struct oh_error *err)
{
	struct oh_module *m = NULL;
	const char *base = strrchr(path, '/');

	if (root != NULL)
		m = open_below(root, strlen(root), path, id, id_len, err);
	for (const char *dir = debug_folders; m == NULL && dir != NULL && *dir != '\0';) {
		size_t len = strcspn(dir, ":");

		m = open_below(dir, len, path, id, id_len, err);
		if (m == NULL && base != NULL)
			m = open_below(dir, len, base + 1, id, id_len, err);
		dir += len + (dir[len] == ':');
	}
	if (m != NULL) {
		err->text[0] = '\0';
		return m;
	}
	/* What is at this path here may be another program's. */
	if (root != NULL && id_len == 0) {
		oh_error_set(err, "%s", strerror(ENOENT));
		return NULL;
	}
	return open_path(path, id, id_len, err);
}

struct oh_module *
oh_module_open(const char *path, const char *build_id, struct oh_error *err)
{
	uint8_t id[64];
	size_t id_len = from_hex(build_id, id, sizeof(id));
	struct oh_module *m = open_named(path, id, id_len, err);

	if (m == NULL && id_len > 0) {
		m = open_build_id(path, id, id_len);
		if (m != NULL)
			err->text[0] = '\0';
	}
	return m;
}

void
oh_module_free(struct oh_module *m)
{
	if (m == NULL)
		return;
	dwfl_end(m->dwfl);
	free(m->loads);
	free(m->symbols);
	free(m->max_end);
	free(m);
}

Dwarf *
oh_module_dwarf(struct oh_module *m, uint64_t *ret_bias)
{
	Dwarf_Addr bias = 0;
	Dwarf *dw = dwfl_module_getdwarf(m->mod, &bias);

	*ret_bias = bias - m->bias;
	return dw;
}

/* ---- symbols ---------------------------------------------------------------- */

static int
by_start(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(y->name, x->name); /* of aliases the same one every time */
}

static void
add_symbol(struct oh_module *m, size_t *cap, const GElf_Sym *sym, uint64_t start, const char *name)
{
	unsigned type = GELF_ST_TYPE(sym->st_info), bind = GELF_ST_BIND(sym->st_info);

	if (sym->st_shndx == SHN_UNDEF || name == NULL || name[0] == '\0')
		return;
	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return;
	if (type == STT_NOTYPE && name[0] == '$') /* mapping symbols of some assemblers */
		return;
	m->symbols = oh_xgrow(m->symbols, cap, m->symbol_count + 1, sizeof(*m->symbols));
	m->symbols[m->symbol_count++] = (struct symbol){
		.start = start,
		.end = start + sym->st_size < start ? start : start + sym->st_size,
		.name = name,
		.rank = (uint8_t)((type != STT_NOTYPE ? 4 : 0) + (bind == STB_GLOBAL ? 2 : 0) +
				  (bind == STB_WEAK ? 1 : 0)),
	};
}

static void
read_symbols(struct oh_module *m)
{
	uint64_t end = 0;
	size_t cap = 0;
	int n;

	m->symbols_read = true;
	oh_module_text(m, &m->text_low, &m->text_high);
	n = dwfl_module_getsymtab(m->mod);
	for (int i = 1; i < n; i++) {
		GElf_Addr value;
		GElf_Word shndx;
		GElf_Sym sym;
		const char *name =
		    dwfl_module_getsym_info(m->mod, i, &sym, &value, &shndx, NULL, NULL);

		value -= m->bias;
		if (name != NULL && value >= m->text_low && value < m->text_high)
			add_symbol(m, &cap, &sym, value, name);
	}
	if (m->symbol_count == 0)
		return;
	qsort(m->symbols, m->symbol_count, sizeof(*m->symbols), by_start);
	m->max_end = oh_xcalloc(m->symbol_count, sizeof(*m->max_end));
	for (size_t i = 0; i < m->symbol_count; i++) {
		if (m->symbols[i].end > end)
			end = m->symbols[i].end;
		m->max_end[i] = end;
	}
}

const char *
oh_module_symbol(struct oh_module *m, uint64_t vaddr)
{
	size_t low = 0, high;

	if (!m->symbols_read)
		read_symbols(m);
	if (vaddr < m->text_low || vaddr >= m->text_high)
		return NULL;
	high = m->symbol_count;
	while (low < high) { /* how many start at or before vaddr? */
		size_t mid = low + (high - low) / 2;

		if (m->symbols[mid].start <= vaddr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return NULL;
	/* One without a size (assembler) runs up to the next. */
	if (m->symbols[low - 1].end == m->symbols[low - 1].start && m->max_end[low - 1] <= vaddr)
		return m->symbols[low - 1].name;
	for (size_t i = low; i-- > 0 && m->max_end[i] > vaddr;)
		if (m->symbols[i].end > vaddr)
			return m->symbols[i].name;
	return NULL;
}
