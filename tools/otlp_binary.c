/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_binary.c - what the file of a mapping says of itself.
 *
 * Answers: at which address does this file want its code, and by which names
 * does a backend find it again?
 */
#include "tools/otlp_binary.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>
#include <gelf.h>

#include "tools/mem.h"
#include "tools/sha.h"

#define HEAD 4096u    /* bytes that htlhash takes from each end */
#define KEPT_MAX 4096 /* files; a host has a few hundred in use */

struct kept {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
	struct oh_binary binary;
};

struct oh_binaries {
	struct kept **items; /* pointers: a result must not move */
	size_t count, cap;
};

struct oh_binaries *
oh_binaries_create(void)
{
	(void)elf_version(EV_CURRENT);
	return oh_xcalloc(1, sizeof(struct oh_binaries));
}

static void
forget_all(struct oh_binaries *b)
{
	for (size_t i = 0; i < b->count; i++) {
		free(b->items[i]->binary.loads);
		free(b->items[i]);
	}
	b->count = 0;
}

void
oh_binaries_free(struct oh_binaries *b)
{
	if (b == NULL)
		return;
	forget_all(b);
	free(b->items);
	free(b);
}

/* ---- reading ---------------------------------------------------------------- */

static bool
read_at(int fd, uint8_t *to, size_t len, off_t at)
{
	while (len > 0) {
		ssize_t n = pread(fd, to, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO; /* it was cut meanwhile */
		if (n <= 0)
			return false;
		to += n;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static void
to_hex(char *to, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		(void)snprintf(to + 2 * i, 3, "%02x", bytes[i]);
}

bool
oh_binary_htlhash(int fd, char ret[33])
{
	uint8_t part[HEAD], length[8], hash[32];
	struct oh_sha sha;
	struct stat st;
	size_t take;

	if (fstat(fd, &st) != 0)
		return false;
	take = st.st_size < (off_t)HEAD ? (size_t)st.st_size : HEAD;
	oh_sha256_init(&sha);
	if (!read_at(fd, part, take, 0))
		return false;
	oh_sha_add(&sha, part, take);
	if (!read_at(fd, part, take, st.st_size - (off_t)take))
		return false;
	oh_sha_add(&sha, part, take);
	for (unsigned i = 0; i < 8; i++)
		length[i] = (uint8_t)((uint64_t)st.st_size >> (56 - 8 * i));
	oh_sha_add(&sha, length, sizeof(length));
	oh_sha_end(&sha, hash);
	to_hex(ret, hash, 16);
	return true;
}

static void
read_elf(int fd, struct oh_binary *binary)
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	const void *id;
	size_t phdrs, cap = 0;
	ssize_t id_len;

	if (elf == NULL)
		return;
	if (elf_kind(elf) == ELF_K_ELF && elf_getphdrnum(elf, &phdrs) == 0) {
		for (size_t i = 0; i < phdrs && i < INT_MAX; i++) {
			GElf_Phdr ph;

			if (gelf_getphdr(elf, (int)i, &ph) == NULL || ph.p_type != PT_LOAD)
				continue;
			binary->loads = oh_xgrow(
			    binary->loads, &cap, binary->load_count + 1, sizeof(*binary->loads));
			binary->loads[binary->load_count++] = (struct oh_load){
				.vaddr = ph.p_vaddr,
				.offset = ph.p_offset,
				.file_bytes = ph.p_filesz,
				.executable = (ph.p_flags & PF_X) != 0,
			};
		}
		id_len = dwelf_elf_gnu_build_id(elf, &id);
		if (id_len > 0 && (size_t)id_len <= (sizeof(binary->build_id) - 1) / 2)
			to_hex(binary->build_id, id, (size_t)id_len);
	}
	(void)elf_end(elf);
}

static struct kept *
read_file(struct oh_binaries *b, int fd, const struct stat *st)
{
	struct kept *k = oh_xcalloc(1, sizeof(*k));

	k->dev = st->st_dev;
	k->ino = st->st_ino;
	k->size = st->st_size;
	k->mtime = st->st_mtim;
	if (!oh_binary_htlhash(fd, k->binary.htlhash))
		k->binary.htlhash[0] = '\0';
	read_elf(fd, &k->binary);
	if (b->count >= KEPT_MAX)
		forget_all(b);
	b->items = oh_xgrow(b->items, &b->cap, b->count + 1, sizeof(struct kept *));
	b->items[b->count++] = k;
	return k;
}

/* ---- looking up -------------------------------------------------------------- */

static struct kept *
find(const struct oh_binaries *b, const struct stat *st)
{
	for (size_t i = 0; i < b->count; i++) {
		struct kept *k = b->items[i];

		if (k->ino == st->st_ino && k->dev == st->st_dev && k->size == st->st_size &&
		    k->mtime.tv_sec == st->st_mtim.tv_sec &&
		    k->mtime.tv_nsec == st->st_mtim.tv_nsec)
			return k;
	}
	return NULL;
}

const struct oh_binary *
oh_binaries_get(struct oh_binaries *b, const char *root, const char *path, const char *build_id)
{
	char whole[PATH_MAX];
	struct kept *k = NULL;
	struct stat st;
	int n, fd;

	if (path[0] != '/')
		return NULL;
	n = snprintf(whole, sizeof(whole), "%s%s", root, path);
	if (n < 0 || (size_t)n >= sizeof(whole) || stat(whole, &st) != 0 || !S_ISREG(st.st_mode))
		return NULL;
	k = find(b, &st);
	if (k == NULL) {
		/* It could have become a pipe since; then the open must not wait. */
		fd = open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (fd < 0)
			return NULL;
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
			k = read_file(b, fd, &st);
		(void)close(fd);
	}
	if (k == NULL || (build_id[0] != '\0' && strcmp(k->binary.build_id, build_id) != 0))
		return NULL;
	return &k->binary;
}
