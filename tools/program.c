/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program.c - can this program be profiled by a preloaded library?
 *
 * Answered from the file alone; nothing of it is run.
 */
#include "tools/program.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tools/print.h"

#define SCRIPT_DEPTH 4 /* scripts that run scripts; the kernel's limit */

/* ---- finding ------------------------------------------------------------------ */

static int
executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return access(path, X_OK) == 0 ? 0 : errno;
}

int
oh_program_find(const char *name, char ret_path[PATH_MAX])
{
	const char *path = getenv("PATH");
	int err = ENOENT;

	if (*name == '\0')
		return ENOENT;
	if (strchr(name, '/') != NULL) {
		if ((size_t)snprintf(ret_path, PATH_MAX, "%s", name) >= PATH_MAX)
			return ENAMETOOLONG;
		return executable(ret_path);
	}
	if (path == NULL)
		path = "/bin:/usr/bin";
	for (;;) {
		size_t len = strcspn(path, ":");
		int n = snprintf(
		    ret_path, PATH_MAX, "%.*s%s%s", (int)len, path, len > 0 ? "/" : "", name);
		int e = n < PATH_MAX ? executable(ret_path) : ENAMETOOLONG;

		if (e == 0)
			return 0;
		/* Not so for a folder of PATH that we may not search. */
		if (e == EACCES && access(ret_path, F_OK) == 0)
			err = e;
		if (path[len] == '\0')
			return err;
		path += len + 1;
	}
}

/* ---- scripts ------------------------------------------------------------------ */

/*
 * Who runs the script that begins with `text`?  `#!/usr/bin/env NAME` is
 * looked up as env(1) does.  False: it is no script, or nobody to be found.
 */
static bool
interpreter(char *text, char ret_path[PATH_MAX])
{
	char *save, *word;

	if (strncmp(text, "#!", 2) != 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	word = strtok_r(text + 2, " \t", &save);
	if (word == NULL)
		return false;
	if (strcmp(oh_base_name(word), "env") == 0) {
		do
			word = strtok_r(NULL, " \t", &save);
		while (word != NULL && (*word == '-' || strchr(word, '=') != NULL));
		return word != NULL && oh_program_find(word, ret_path) == 0;
	}
	return (size_t)snprintf(ret_path, PATH_MAX, "%s", word) < PATH_MAX;
}

/* Open p->path, or in place of a script what runs it.  Returns the descriptor or -1. */
static int
open_program(struct oh_program *p, struct oh_error *err)
{
	for (int depth = 0; depth <= SCRIPT_DEPTH; depth++) {
		int fd = open(p->path, O_RDONLY | O_CLOEXEC);
		char text[512], next[PATH_MAX];
		ssize_t n;

		if (fd < 0) {
			(void)oh_error_set(err, "%s: %s", p->path, strerror(errno));
			return -1;
		}
		n = pread(fd, text, sizeof(text) - 1, 0);
		if (n >= 4 && memcmp(text, ELFMAG, SELFMAG) == 0)
			return fd;
		(void)close(fd);
		text[n > 0 ? n : 0] = '\0';
		if (!interpreter(text, next)) {
			(void)oh_error_set(
			    err, "%s: neither a program nor a script that names one", p->path);
			return -1;
		}
		if (depth == 0)
			memcpy(p->script, p->path, sizeof(p->script));
		memcpy(p->path, next, sizeof(p->path));
	}
	(void)oh_error_set(err, "%s: a script run by a script, too often", p->script);
	return -1;
}

/* ---- the program's file --------------------------------------------------------- */

/* Would it start with rights that we do not have?  The loader is careful then. */
static bool
more_rights(int fd)
{
	struct statvfs fs;
	struct stat st;

	if (fstat(fd, &st) != 0 || (fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_NOSUID) != 0))
		return false;
	if ((st.st_mode & S_ISUID) != 0 && st.st_uid != getuid())
		return true;
	if ((st.st_mode & S_ISGID) != 0 && (st.st_mode & S_IXGRP) != 0 && st.st_gid != getgid())
		return true;
	return getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

static void
read_interp(struct oh_program *p, Elf *elf)
{
	size_t count = 0, size;
	const char *bytes = elf_rawfile(elf, &size);
	GElf_Phdr ph;

	if (bytes == NULL || elf_getphdrnum(elf, &count) != 0)
		return;
	for (size_t i = 0; i < count; i++) {
		if (gelf_getphdr(elf, (int)i, &ph) == NULL || ph.p_type != PT_INTERP ||
		    ph.p_offset >= size || ph.p_filesz > size - ph.p_offset)
			continue;
		(void)snprintf(p->interp, sizeof(p->interp), "%.*s",
		    (int)(ph.p_filesz < sizeof(p->interp) ? ph.p_filesz : sizeof(p->interp)),
		    bytes + ph.p_offset);
	}
}

/* Allocators under their usual names, and as Rust's and other packages prefix them. */
static bool
is_allocator(const char *name)
{
	static const char *const names[] = { "malloc", "je_malloc", "_rjem_malloc", "mi_malloc",
		"tc_malloc", "rpmalloc" };

	for (size_t i = 0; i < OH_ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void
read_symbols(struct oh_program *p, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t count = data != NULL ? data->d_size / sizeof(Elf64_Sym) : 0;
	GElf_Sym sym;

	for (size_t i = 0; i < count && p->allocator[0] == '\0' && i <= INT_MAX; i++) {
		const char *name;

		if (gelf_getsym(data, (int)i, &sym) == NULL || sym.st_shndx == SHN_UNDEF ||
		    (GELF_ST_TYPE(sym.st_info) != STT_FUNC &&
			GELF_ST_TYPE(sym.st_info) != STT_GNU_IFUNC))
			continue;
		name = elf_strptr(elf, sh->sh_link, sym.st_name);
		if (name != NULL && is_allocator(name))
			(void)snprintf(p->allocator, sizeof(p->allocator), "%s", name);
	}
}

static void
read_needed(struct oh_program *p, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh)
{
	static const char *const libraries[] = { "libjemalloc", "libtcmalloc", "libmimalloc" };
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t count = data != NULL ? data->d_size / sizeof(Elf64_Dyn) : 0;
	GElf_Dyn dyn;

	for (size_t i = 0; i < count && i <= INT_MAX; i++) {
		const char *name;

		if (gelf_getdyn(data, (int)i, &dyn) == NULL || dyn.d_tag != DT_NEEDED)
			continue;
		name = elf_strptr(elf, sh->sh_link, dyn.d_un.d_val);
		for (size_t k = 0; name != NULL && k < OH_ARRAY_LEN(libraries); k++)
			if (strncmp(name, libraries[k], strlen(libraries[k])) == 0)
				(void)snprintf(p->needed, sizeof(p->needed), "%s", name);
	}
}

static void
read_build_id(struct oh_program *p, Elf_Scn *scn)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t at = 0, name_at, desc_at;
	GElf_Nhdr note;

	while (data != NULL && (at = gelf_getnote(data, at, &note, &name_at, &desc_at)) > 0) {
		const unsigned char *id = (const unsigned char *)data->d_buf + desc_at;

		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof("GNU") ||
		    memcmp((const char *)data->d_buf + name_at, "GNU", sizeof("GNU")) != 0 ||
		    note.n_descsz > (sizeof(p->build_id) - 1) / 2)
			continue;
		for (size_t i = 0; i < note.n_descsz; i++)
			(void)sprintf(p->build_id + 2 * i, "%02x", id[i]);
	}
}

static bool
has_separate_debug(const struct oh_program *p)
{
	char path[PATH_MAX];

	if (strlen(p->build_id) < 3)
		return false;
	(void)snprintf(path, sizeof(path), "/usr/lib/debug/.build-id/%.2s/%s.debug", p->build_id,
	    p->build_id + 2);
	return access(path, R_OK) == 0;
}

static void
read_sections(struct oh_program *p, Elf *elf)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return;
	while ((scn = elf_nextscn(elf, scn)) != NULL) {
		const char *name;
		GElf_Shdr sh;

		if (gelf_getshdr(scn, &sh) == NULL || sh.sh_type == SHT_NOBITS)
			continue;
		name = elf_strptr(elf, names, sh.sh_name);
		if (sh.sh_type == SHT_SYMTAB)
			p->symbols = true;
		if (sh.sh_type == SHT_SYMTAB || sh.sh_type == SHT_DYNSYM)
			read_symbols(p, elf, scn, &sh);
		else if (sh.sh_type == SHT_DYNAMIC)
			read_needed(p, elf, scn, &sh);
		else if (sh.sh_type == SHT_NOTE)
			read_build_id(p, scn);
		else if (name != NULL &&
			 (strcmp(name, ".debug_info") == 0 || strcmp(name, ".zdebug_info") == 0))
			p->debug = true;
	}
}

bool
oh_program_read(const char *path, struct oh_program *p, struct oh_error *err)
{
	GElf_Ehdr header;
	Elf *elf;
	bool good;
	int fd;

	memset(p, 0, sizeof(*p));
	(void)snprintf(p->path, sizeof(p->path), "%s", path);
	fd = open_program(p, err);
	if (fd < 0)
		return false;
	(void)elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	good = elf != NULL && gelf_getehdr(elf, &header) != NULL;
	if (good) {
		p->x86_64 = header.e_machine == EM_X86_64 && header.e_ident[EI_CLASS] == ELFCLASS64;
		p->more_rights = more_rights(fd);
		if (p->x86_64) {
			read_interp(p, elf);
			read_sections(p, elf);
			p->separate_debug = has_separate_debug(p);
		}
	} else {
		(void)oh_error_set(err, "%s: a damaged program", p->path);
	}
	(void)elf_end(elf);
	(void)close(fd);
	return good;
}

const char *
oh_program_obstacle(const struct oh_program *p, char buf[256])
{
	if (!p->x86_64)
		return "is not for 64-bit x86; the library is";
	if (p->interp[0] == '\0')
		return "is statically linked, so nothing can be preloaded into it; link it "
		       "dynamically";
	if (strstr(oh_base_name(p->interp), "ld-linux-x86-64") == NULL) {
		(void)snprintf(buf, 256,
		    "is not linked with glibc (its loader is %.100s); build it "
		    "with glibc",
		    p->interp);
		return buf;
	}
	if (p->more_rights)
		return "runs with more rights than you have (setuid, setgid or capabilities), so "
		       "nothing is preloaded into it; run it as the user it runs as";
	if (p->allocator[0] != '\0') {
		(void)snprintf(buf, 256,
		    "has an allocator linked in (it defines %s), whose calls "
		    "do not reach a preloaded library; link the allocator "
		    "as a shared library",
		    p->allocator);
		return buf;
	}
	return NULL;
}
