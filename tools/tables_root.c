/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables_root.c - the memory of another process, and the root of our tables in it.
 *
 * The root is found by a note of the library (core/layout.h), in memory: the
 * file may have been replaced since.
 */
#include "tools/tables_root.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#define PAGE ((size_t)4096)
#define READ_BYTES ((size_t)16 << 20) /* of one system call */
#define NOTES_MAX ((size_t)64 << 10)
#define PHDRS_MAX 64u

/* ---- reading ---------------------------------------------------------------------- */

ssize_t
oh_memory_of_process(void *arg, const struct oh_piece *pieces, size_t count, void *to)
{
	struct iovec remote[OH_TABLES_PIECES_MAX], local = { .iov_base = to };
	const pid_t *pid = arg;
	ssize_t n;

	for (size_t i = 0; i < count; i++) {
		remote[i].iov_base = (void *)(uintptr_t)pieces[i].at;
		remote[i].iov_len = pieces[i].bytes;
		local.iov_len += pieces[i].bytes;
	}
	n = process_vm_readv(*pid, &local, 1, remote, count, 0);
	return n >= 0 ? n : -errno;
}

enum oh_tables_result
oh_tables_failed(ssize_t n)
{
	switch (n < 0 ? -n : EFAULT) {
	case ESRCH:
		return OH_TABLES_ENDED;
	case EFAULT:
		return OH_TABLES_MOVED;
	default:
		return OH_TABLES_DENIED;
	}
}

enum oh_tables_result
oh_tables_read_at(const struct oh_memory *m, uint64_t at, void *to, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		size_t part = bytes - done < READ_BYTES ? bytes - done : READ_BYTES;
		struct oh_piece piece = { at + done, part };
		ssize_t n = m->read(m->arg, &piece, 1, (char *)to + done);

		if (n != (ssize_t)part)
			return oh_tables_failed(n);
		done += part;
	}
	return OH_TABLES_OK;
}

/* ---- the root ------------------------------------------------------------------------ */

/* The word of our note among `len` bytes of notes at address `at`; false: not there. */
static bool
find_note(const uint8_t *notes, size_t len, uint64_t at, uint64_t *ret_root)
{
	for (size_t i = 0; len - i >= sizeof(Elf64_Nhdr);) {
		Elf64_Nhdr n;
		uint64_t name, desc, word;
		size_t text;

		memcpy(&n, notes + i, sizeof(n));
		name = ((uint64_t)n.n_namesz + 3) & ~UINT64_C(3);
		desc = ((uint64_t)n.n_descsz + 3) & ~UINT64_C(3);
		text = i + sizeof(n);
		if (name > len - text || desc > len - text - name)
			return false;
		if (n.n_type == OH_NOTE_ROOT && n.n_namesz == sizeof(OH_NOTE_NAME) &&
		    n.n_descsz == sizeof(word) &&
		    memcmp(notes + text, OH_NOTE_NAME, sizeof(OH_NOTE_NAME)) == 0) {
			memcpy(&word, notes + text + name, sizeof(word));
			*ret_root = at + text + name + word;
			return true;
		}
		i = text + name + desc;
	}
	return false;
}

static bool
no_tables(struct oh_error *err)
{
	return oh_error_set(err,
	    "the library in it has no tables that can be read from outside: it is older than this "
	    "otheap");
}

enum oh_tables_result
oh_tables_find(
    const struct oh_memory *m, uint64_t library_at, uint64_t *ret_root, struct oh_error *err)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph[PHDRS_MAX];
	uint64_t bias = library_at;
	enum oh_tables_result rc = oh_tables_read_at(m, library_at, &eh, sizeof(eh));

	if (rc != OH_TABLES_OK)
		return rc;
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_phentsize != sizeof(ph[0]) || eh.e_phnum == 0 || eh.e_phnum > PHDRS_MAX) {
		(void)no_tables(err);
		return OH_TABLES_BAD;
	}
	rc = oh_tables_read_at(m, library_at + eh.e_phoff, ph, eh.e_phnum * sizeof(ph[0]));
	if (rc != OH_TABLES_OK)
		return rc;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD) {
			bias = library_at - (ph[i].p_vaddr & ~(uint64_t)(PAGE - 1));
			break;
		}
	}
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		uint8_t notes[NOTES_MAX];
		size_t len = ph[i].p_memsz < NOTES_MAX ? (size_t)ph[i].p_memsz : NOTES_MAX;

		if (ph[i].p_type != PT_NOTE || len == 0)
			continue;
		rc = oh_tables_read_at(m, bias + ph[i].p_vaddr, notes, len);
		if (rc != OH_TABLES_OK)
			return rc;
		if (find_note(notes, len, bias + ph[i].p_vaddr, ret_root))
			return OH_TABLES_OK;
	}
	(void)no_tables(err);
	return OH_TABLES_BAD;
}

int
oh_tables_signal(const struct oh_memory *m, uint64_t library_at)
{
	struct oh_error why;
	struct oh_root r;
	uint64_t root;

	if (oh_tables_find(m, library_at, &root, &why) != OH_TABLES_OK ||
	    oh_tables_read_at(m, root, &r, sizeof(r)) != OH_TABLES_OK ||
	    r.version != OH_LAYOUT_VERSION || r.bytes != sizeof(r) || r.signal < OH_ROOT_SIGNAL ||
	    r.signal > OH_ROOT_SIGNAL + 64)
		return -1;
	return (int)(r.signal - OH_ROOT_SIGNAL);
}

bool
oh_tables_check_root(const struct oh_root *r, struct oh_error *err)
{
	static const uint32_t sizes[OH_ROOT_SIZES] = OH_ROOT_SIZES_INIT;
	char release[sizeof(r->release)];

	for (size_t i = 0; i < sizeof(release); i++)
		release[i] =
		    (char)(r->release[i] >= ' ' && r->release[i] <= '~' ? r->release[i] : '\0');
	release[sizeof(release) - 1] = '\0';
	if (r->version != OH_LAYOUT_VERSION || r->bytes != sizeof(*r) ||
	    memcmp(r->sizes, sizes, sizeof(sizes)) != 0 || r->drop_count != OH_DROP_COUNT)
		return oh_error_set(err,
		    "the library in it (release %s, tables of version %u) and this otheap "
		    "(" OH_VERSION
		    ", version %u) do not go together; use the otheap that came with the library",
		    release[0] != '\0' ? release : "unknown", r->version, OH_LAYOUT_VERSION);
	if (r->state != OH_ROOT_ON)
		return oh_error_set(
		    err, r->state == OH_ROOT_OFF
			     ? "the library is switched off in it; OTHEAP_DEBUG=1 shows why"
			     : "the library in it records nothing; OTHEAP_DEBUG=1 shows why");
	if (r->arena_used > OH_TABLES_MAX_BYTES)
		return oh_error_set(err,
		    "its tables use %llu MiB; more than %llu MiB are not read from outside",
		    (unsigned long long)(r->arena_used >> 20),
		    (unsigned long long)(OH_TABLES_MAX_BYTES >> 20));
	if (r->arena_base == 0 || r->arena_used > r->arena_cap || r->interval_bytes == 0)
		return oh_error_set(err, "its tables are damaged");
	return true;
}
