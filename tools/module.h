/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module.h - one program or library on disk: which address of it is which
 * symbol, and where its DWARF is.
 */
#ifndef OH_TOOLS_MODULE_H
#define OH_TOOLS_MODULE_H

#include <stddef.h>
#include <stdint.h>

#include <elfutils/libdw.h>

#include "core/base.h"
#include "tools/mem.h"

struct oh_module;

/*
 * Where the files of another machine are, for all modules opened from now on.
 * Either may be NULL; strings are copied.
 *
 *   root   what was / there: a file is looked for below it, and where it was
 *          only if the profile knows its build ID
 *   debug  folders with programs, libraries and debug files, ':' between them:
 *          laid out like /, or all in one folder, or as .build-id/ab/cdef.debug
 */
void oh_module_places(const char *root, const char *debug);

/* What address arithmetic needs of one PT_LOAD. */
struct oh_load {
	uint64_t vaddr, offset, file_bytes; /* p_vaddr, p_offset, p_filesz */
	bool executable;
};

/*
 * Which virtual address of the ELF file is `address` of the process?
 *
 *   start, offset  the mapping: `start` shows the file from `offset` on
 *
 * The segment that holds the file offset decides; where two share a page the
 * executable one.  This works for PIE, fixed-address programs and files whose
 * segments do not have offset == vaddr.  A mapping at address 0 with
 * offset 0 says that addresses are already the file's own.
 * Returns false if no segment holds the offset.
 */
bool oh_load_vaddr(const struct oh_load *loads, size_t count, uint64_t address, uint64_t start,
    uint64_t offset, uint64_t *ret);

/*
 * Open the file of a mapping.
 *
 *   path      as the profile has it
 *   build_id  lower-case hex, or "" if the profile does not know it.  A file
 *             with another build ID is refused; if no file at `path` fits, the
 *             places of oh_module_places(), the folders for debug files and,
 *             where DEBUGINFOD_URLS is set, debuginfod are asked for one with
 *             this ID.
 *
 * Returns NULL with the reason in *err.  Nothing but regular files is opened.
 */
struct oh_module *oh_module_open(const char *path, const char *build_id, struct oh_error *err);
void oh_module_free(struct oh_module *m);

/* oh_load_vaddr() with the segments of this module. */
bool oh_module_vaddr(
    const struct oh_module *m, uint64_t address, uint64_t start, uint64_t offset, uint64_t *ret);

/*
 * The symbol that covers `vaddr`, as the symbol table writes it (mangled), or
 * NULL.  From .symtab, also of a separate debug file, or .dynsym.  The table
 * is sorted at the first call; after that one binary search.
 */
const char *oh_module_symbol(struct oh_module *m, uint64_t vaddr);

/*
 * The module's DWARF, its own or from a separate debug file, or NULL.  What is
 * at virtual address v of the file is at v - *ret_bias in it.
 */
Dwarf *oh_module_dwarf(struct oh_module *m, uint64_t *ret_bias);

/* The range of virtual addresses that holds code: [*ret_low, *ret_high). */
void oh_module_text(const struct oh_module *m, uint64_t *ret_low, uint64_t *ret_high);

#endif
