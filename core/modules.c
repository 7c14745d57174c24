/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modules.c - which file is mapped at this address?
 *
 * Shape	slot[id - 1] = arena id of a struct oh_module; filled in order.
 *
 * Invariants
 *	I1  A module is complete before its slot is set and does not change
 *	    after, but for its generation.
 *	I2  Slots are filled without gaps.
 *
 * Memory ordering
 *	[M1] slot: append() stores with the release half of acq_rel; readers
 *	     load with acquire: who sees the id sees the module.
 *
 * How a module that was replaced at the same address is told apart: while no
 * unload was seen since (generation), it is the same.  After one, the build ID
 * in memory and the path decide.
 */
#include "core/modules.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <fcntl.h>

#include "core/arena.h"
#include "core/atomic.h"
#include "core/base.h"
#include "core/layout.h"
#include "core/sys.h"

#define PAGE ((uintptr_t)4096)
#define PATH_MOST 4096

uint32_t oh_modules_generation;

static uint32_t *slots; /* [M1] */
static char main_path[PATH_MOST];
static const void *main_map; /* link_map of the main program */

/* What the headers of a loaded file say about one of its segments. */
struct segment {
	uint64_t start, limit, offset;
	const uint8_t *build_id;
	uint32_t build_id_len;
};

static void
find_build_id(const ElfW(Phdr) * ph, uintptr_t bias, struct segment *seg)
{
	uintptr_t p = bias + ph->p_vaddr;
	uintptr_t end = p + ph->p_memsz;
	size_t align = ph->p_align == 8 ? 8 : 4;

	while (end - p >= sizeof(ElfW(Nhdr)) && p < end) {
		const ElfW(Nhdr) *n = (const void *)p;
		size_t name = (n->n_namesz + align - 1) & ~(align - 1);
		size_t desc = (n->n_descsz + align - 1) & ~(align - 1);
		if (name > end - p - sizeof(*n) || desc > end - p - sizeof(*n) - name)
			return;
		const char *text = (const char *)(n + 1);
		if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 &&
		    memcmp(text, "GNU", 4) == 0) {
			seg->build_id = (const uint8_t *)text + name;
			seg->build_id_len =
			    n->n_descsz < OH_BUILD_ID_MAX ? n->n_descsz : OH_BUILD_ID_MAX;
			return;
		}
		p += sizeof(*n) + name + desc;
	}
}

static bool
read_headers(uintptr_t pc, const struct dl_find_object *o, struct segment *seg)
{
	const struct link_map *map = o->dlfo_link_map;
	const ElfW(Phdr) * ph;
	size_t count;
	bool found = false;

	memset(seg, 0, sizeof(*seg));
	if (map == main_map) {
		ph = (const void *)getauxval(AT_PHDR);
		count = getauxval(AT_PHNUM);
	} else {
		const ElfW(Ehdr) *eh = o->dlfo_map_start;
		if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 || eh->e_phentsize != sizeof(*ph))
			return false;
		ph = (const void *)((const char *)eh + eh->e_phoff);
		count = eh->e_phnum;
	}
	for (size_t i = 0; i < count && ph != NULL; i++) {
		uintptr_t start = map->l_addr + ph[i].p_vaddr;
		if (ph[i].p_type == PT_NOTE && seg->build_id == NULL)
			find_build_id(&ph[i], map->l_addr, seg);
		if (ph[i].p_type == PT_LOAD && (ph[i].p_flags & PF_X) != 0 && pc >= start &&
		    pc - start < ph[i].p_memsz) {
			seg->start = start & ~(PAGE - 1);
			seg->limit = (start + ph[i].p_memsz + PAGE - 1) & ~(PAGE - 1);
			seg->offset = ph[i].p_offset & ~(uint64_t)(PAGE - 1);
			found = true;
		}
	}
	return found;
}

/* The loader's name of a file; relative if the program gave it so. */
static const char *
name_of(const struct dl_find_object *o)
{
	const char *name = o->dlfo_link_map->l_name;

	if (o->dlfo_link_map == main_map)
		return main_path;
	if (name == NULL || name[0] == '\0' || strncmp(name, "linux-vdso", 10) == 0)
		return "[vdso]";
	return name;
}

/*
 * Write the name, made absolute by the current folder, into `room` bytes at
 * `to`.  It is done in place because stacks may be small.
 */
static void
put_path(char *to, size_t room, const char *name)
{
	size_t len = strlen(name) + 1;

	if (name[0] != '/' && name[0] != '[' && !oh_sys_forbidden()) {
		long n = OH_SYS(getcwd, to, room, 0, 0, 0, 0); /* length with the NUL */
		if (n > 1 && to[0] == '/' && (size_t)n + len <= room) {
			to[n - 1] = '/';
			to += n;
		}
	}
	memcpy(to, name, len);
}

/* Is `path` what put_path() makes of `name`, in whatever folder? */
static bool
same_path(const char *path, const char *name)
{
	size_t len = strlen(path), tail = strlen(name);

	return len >= tail && strcmp(path + len - tail, name) == 0 &&
	       (len == tail || (name[0] != '/' && path[len - tail - 1] == '/'));
}

static bool
same_file(const struct oh_module *m, const struct segment *seg, const char *name)
{
	return same_path(m->path, name) && m->start == seg->start && m->limit == seg->limit &&
	       m->offset == seg->offset && m->build_id_len == seg->build_id_len &&
	       (seg->build_id_len == 0 ||
		   memcmp(m->build_id, seg->build_id, seg->build_id_len) == 0);
}

static struct oh_module *
get(unsigned id)
{
	uint32_t at =
	    id >= 1 && id <= OH_MODULES_MAX ? oh_load_acquire(&slots[id - 1]) : 0; /* [M1] */

	return at == 0 ? NULL : oh_arena_at(at);
}

/* Newest of `count` first: an address range may have held several files in turn. */
static unsigned
find_known(uintptr_t pc, const struct dl_find_object *o, unsigned count)
{
	for (unsigned id = count; id > 0; id--) {
		struct oh_module *m = get(id);
		if (pc < m->start || pc >= m->limit)
			continue;
		if (m->map_start != (uintptr_t)o->dlfo_map_start || m->link_map != o->dlfo_link_map)
			continue;
		uint32_t now = oh_load_relaxed(&oh_modules_generation);
		if (oh_load_relaxed(&m->generation) == now)
			return id;
		struct segment seg;
		if (!read_headers(pc, o, &seg) || !same_file(m, &seg, name_of(o)))
			continue;
		oh_store_relaxed(&m->generation, now);
		return id;
	}
	return 0;
}

/* After the `count` that were looked at: what came since is looked at here. */
static OH_NOINLINE unsigned
append(uintptr_t pc, const struct dl_find_object *o, unsigned count)
{
	struct segment seg;

	if (!read_headers(pc, o, &seg))
		return 0;
	const char *name = name_of(o);
	size_t room = strlen(name) + 1 + (name[0] == '/' || name[0] == '[' ? 0 : PATH_MOST);
	uint32_t at = oh_arena_alloc(sizeof(struct oh_module) + room, OH_ARENA_UNIT);
	if (at == 0)
		return 0;
	struct oh_module *m = oh_arena_at(at);
	m->start = seg.start;
	m->limit = seg.limit;
	m->offset = seg.offset;
	m->map_start = (uintptr_t)o->dlfo_map_start;
	m->link_map = o->dlfo_link_map;
	m->generation = oh_load_relaxed(&oh_modules_generation);
	m->build_id_len = seg.build_id_len;
	if (seg.build_id != NULL)
		memcpy(m->build_id, seg.build_id, seg.build_id_len);
	put_path(m->path, room, name);
	for (unsigned i = count; i < OH_MODULES_MAX; i++) {
		uint32_t seen = 0;
		if (oh_cas_acq_rel(&slots[i], &seen, at)) /* [M1] */
			return i + 1;
		/* Another thread was first; perhaps with the same module. */
		const struct oh_module *theirs = oh_arena_at(seen);
		if (theirs->map_start == m->map_start && theirs->link_map == m->link_map &&
		    same_file(theirs, &seg, name))
			return i + 1;
	}
	return 0;
}

bool
oh_modules_find(uintptr_t pc, struct oh_module_at *ret)
{
	struct dl_find_object o;

	if (pc < PAGE || _dl_find_object((void *)pc, &o) != 0)
		return false;
	ret->eh_frame_hdr = o.dlfo_eh_frame;
	unsigned count = oh_modules_count();
	ret->id = find_known(pc, &o, count);
	if (ret->id == 0)
		ret->id = append(pc, &o, count);
	return true;
}

unsigned
oh_modules_count(void)
{
	unsigned n = 0;

	/* I2: the first empty slot ends it. */
	while (n < OH_MODULES_MAX && oh_load_acquire(&slots[n]) != 0) /* [M1] */
		n++;
	return n;
}

const struct oh_module *
oh_modules_get(unsigned id)
{
	return get(id);
}

int
oh_modules_init(void)
{
	struct dl_find_object o;
	struct oh_module_at at;
	uint32_t id = oh_arena_alloc(OH_MODULES_MAX * sizeof(*slots), 64);

	if (id == 0)
		return -ENOMEM;
	slots = oh_arena_at(id);
	oh_root.modules = id;
	long n = oh_sys_readlink("/proc/self/exe", main_path, sizeof(main_path) - 1);
	static const char deleted[] = " (deleted)";
	size_t tail = sizeof(deleted) - 1;
	if (n > (long)tail && memcmp(main_path + n - tail, deleted, tail) == 0)
		n -= (long)tail;
	main_path[n > 0 ? n : 0] = '\0';
	uintptr_t entry = getauxval(AT_ENTRY);
	if (_dl_find_object((void *)entry, &o) == 0) {
		main_map = o.dlfo_link_map;
		(void)oh_modules_find(entry, &at);
	}
	return 0;
}
