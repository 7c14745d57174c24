/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library.c - where is libotheap.so, and how does it get into a program?
 */
#include "tools/library.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Is it a shared library for this machine?  False: err says why not. */
static bool
is_library(const char *path, struct oh_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	GElf_Ehdr header;
	Elf *elf;
	bool good;

	if (fd < 0)
		return oh_error_set(err, "%s: %s", path, strerror(errno));
	(void)elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	good = elf != NULL && gelf_getehdr(elf, &header) != NULL && header.e_type == ET_DYN &&
	       header.e_machine == EM_X86_64;
	(void)elf_end(elf);
	(void)close(fd);
	return good || oh_error_set(err, "%s: not a library for x86-64", path);
}

/* The folder of the command's own file. */
static bool
own_folder(char ret[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
	char *slash;

	if (n <= 0)
		return false;
	ret[n] = '\0';
	slash = strrchr(ret, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

static bool
look_around(char ret_path[PATH_MAX])
{
	static const char *const folders[] = { "", "/../lib", "/../lib64",
		"/../lib/x86_64-linux-gnu" };
	char own[PATH_MAX], path[PATH_MAX + 64];

	if (!own_folder(own))
		return false;
	for (size_t i = 0; i < OH_ARRAY_LEN(folders); i++) {
		(void)snprintf(path, sizeof(path), "%s%s/" OH_LIBRARY_NAME, own, folders[i]);
		if (realpath(path, ret_path) != NULL)
			return true;
	}
	return false;
}

bool
oh_library_find(const char *given, char ret_path[PATH_MAX], struct oh_error *err)
{
	if (given != NULL && realpath(given, ret_path) == NULL)
		return oh_error_set(err, "%s: %s", given, strerror(errno));
	if (given == NULL && !look_around(ret_path))
		return oh_error_set(err,
		    OH_LIBRARY_NAME " is neither beside this command nor in ../lib from there; "
				    "say where it is with --library");
	/* The loader takes both for the end of a name, and there is no quoting. */
	if (strpbrk(ret_path, " :") != NULL)
		return oh_error_set(err,
		    "%s: LD_PRELOAD takes no path with a space or colon; copy the library to "
		    "another folder and name it with --library",
		    ret_path);
	return is_library(ret_path, err);
}

char *
oh_library_preload(const char *path, const char *before)
{
	size_t len = strlen(path);
	char *text;

	if (before == NULL)
		before = "";
	if (strncmp(before, path, len) == 0 && strchr(" :", before[len]) != NULL)
		path = ""; /* it is first already, or alone: strchr finds the NUL, too */
	text = oh_xcalloc(len + strlen(before) + 2, 1);
	(void)sprintf(text, "%s%s%s", path, *path != '\0' && *before != '\0' ? ":" : "", before);
	return text;
}
