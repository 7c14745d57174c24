/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dumpfile.c - where profiles go: a name, a temporary file, a rename.
 *
 * Shape	begin	.otheap-RANDOM.tmp in dir, tmpdir or /tmp
 *	commit	rename, where %n must not replace; then retention
 *
 * The folder is opened by path for each step and not kept: between begin and
 * commit the data file is the only descriptor of ours, so a host that closes
 * all descriptors in between can hurt only that.  It is looked at again before
 * it is closed; a number that is the host's file by now is left alone.
 *
 * Names are made (expand) and recognised (is_ours) by walking the pattern in
 * one place, walk(): what retention deletes is what commit could have written.
 * One file because of that: the two halves must not drift apart.
 *
 * Limits   A process killed in the middle of a dump leaves its temporary.
 */
#include "preload/dumpfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base.h"
#include "core/out.h"
#include "core/sys.h"

#define FD_FROM 200    /* lowest descriptor of ours, if the limit allows */
#define NAME_BYTES 256 /* NAME_MAX + 1 */
#define ALSO_BYTES 96  /* of conf->also, which is a name of ours */
#define BELOW_BYTES (ALSO_BYTES + NAME_BYTES)
#define SEQ_TRIES 80 /* see commit_numbered() */
#define SEQ_LINEAR 16
#define OLDEST_MAX 512 /* files deleted in one go: 140 KiB of scratch */
#define DIRENT_BYTES 16384

#ifndef GRND_NONBLOCK
#define GRND_NONBLOCK 1
#endif

/* Lines already written to stderr; once in a process. */
static bool told_fallback, told_failure;

/* ---- system calls that nobody else needs --------------------------------- */

static long
sys_fstat(int fd, struct stat *st)
{
	return OH_SYS(fstat, fd, st, 0, 0, 0, 0);
}

static long
sys_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	return OH_SYS(newfstatat, dirfd, path, st, flags, 0, 0);
}

static long
sys_unlinkat(int dirfd, const char *path)
{
	return OH_SYS(unlinkat, dirfd, path, 0, 0, 0, 0);
}

static long
sys_rename(int dirfd, const char *from, const char *to, unsigned flags)
{
	/* renameat2 without flags is renameat, but only from Linux 3.15 on. */
	return flags == 0 ? OH_SYS(renameat, dirfd, from, dirfd, to, 0, 0)
			  : OH_SYS(renameat2, dirfd, from, dirfd, to, flags, 0);
}

/* Seam: for kernels and file systems without RENAME_NOREPLACE. */
static long (*OH_SEAM rename_file)(int, const char *, const char *, unsigned) = sys_rename;

static long
open_folder(const char *path)
{
	return oh_sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

/* ---- names --------------------------------------------------------------- */

bool
oh_dumpfile_numbered(const char *pattern)
{
	for (; *pattern != '\0'; pattern++) {
		if (*pattern == '%' && *++pattern == 'n')
			return true;
		if (*pattern == '\0')
			break;
	}
	return false;
}

/*
 * The pattern in steps: calls put(arg, text, len) for text that is meant
 * literally, and put(arg, NULL, kind) for 'e', 'p', 'n', 't'.
 */
static void
walk(const char *pattern, void (*put)(void *arg, const char *text, size_t len), void *arg)
{
	for (; *pattern != '\0'; pattern++) {
		if (*pattern == '%' && pattern[1] != '\0' && strchr("epnt", pattern[1]) != NULL)
			put(arg, NULL, (size_t) * ++pattern);
		else if (*pattern == '%' && pattern[1] == '%')
			put(arg, ++pattern, 1);
		else
			put(arg, pattern, 1);
	}
}

struct expansion {
	const struct oh_dumpfile *f;
	char *to;           /* [NAME_BYTES], or NULL: only measure */
	size_t len;         /* so far, as if there was room */
	size_t program_len; /* what %e may take */
	unsigned programs;  /* how often %e came */
};

static void
add(struct expansion *x, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++, x->len++) {
		if (x->to != NULL && x->len < NAME_BYTES - 1)
			x->to[x->len] = text[i] == '/' ? '_' : text[i];
	}
}

static void
add_u64(struct expansion *x, uint64_t v)
{
	char digits[OH_OUT_DIGITS];
	const char *text = oh_out_digits(digits, v);

	add(x, text, strlen(text));
}

static void
expand_step(void *arg, const char *text, size_t len)
{
	struct expansion *x = arg;

	if (text != NULL) {
		add(x, text, len);
		return;
	}
	switch (len) {
	case 'e':
		x->programs++;
		add(x, x->f->conf->program, x->program_len);
		break;
	case 'p':
		add_u64(x, (uint64_t)x->f->pid);
		break;
	case 'n':
		add_u64(x, x->f->seq);
		break;
	case 't':
		add_u64(x, x->f->unix_time_s < 0 ? 0 : (uint64_t)x->f->unix_time_s);
		break;
	}
}

/*
 * How much of the program name fits: measured with the longest numbers, so
 * that it is the same for every dump (retention finds files by it).
 */
static size_t
program_room(const struct oh_dumpfile *f)
{
	struct oh_dumpfile longest = { .conf = f->conf,
		.pid = INT32_MAX,
		.seq = UINT64_C(9999999999),
		.unix_time_s = INT64_C(9999999999) };
	struct expansion x = { .f = &longest };
	size_t len = strlen(f->conf->program);

	walk(f->conf->pattern, expand_step, &x);
	if (x.programs == 0 || x.len + x.programs * len < NAME_BYTES)
		return len;
	return x.len >= NAME_BYTES ? 0 : (NAME_BYTES - 1 - x.len) / x.programs;
}

/* f->name for the present f->seq. */
static int
expand(struct oh_dumpfile *f)
{
	struct expansion x = { .f = f, .to = f->name, .program_len = program_room(f) };

	walk(f->conf->pattern, expand_step, &x);
	if (x.len >= NAME_BYTES)
		return -ENAMETOOLONG;
	f->name[x.len] = '\0';
	if (x.len == 0 || strcmp(f->name, ".") == 0 || strcmp(f->name, "..") == 0)
		return -EINVAL;
	return 0;
}

/* ---- begin --------------------------------------------------------------- */

uint64_t
oh_dumpfile_random(void)
{
	static uint64_t state;
	uint64_t v;
	struct timespec now = { 0 };

	if (OH_SYS(getrandom, &v, sizeof(v), GRND_NONBLOCK, 0, 0, 0) == sizeof(v))
		return v;
	/* An old kernel, or early in boot.  O_EXCL makes a guess harmless. */
	(void)OH_SYS(clock_gettime, CLOCK_MONOTONIC, &now, 0, 0, 0, 0);
	state += (uint64_t)now.tv_nsec ^ (uint64_t)(uintptr_t)&v ^ (uint64_t)oh_sys_getpid() << 32;
	state += UINT64_C(0x9e3779b97f4a7c15);
	v = (state ^ state >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	return v ^ v >> 27;
}

static void
make_temp_name(struct oh_dumpfile *f)
{
	static const char before[] = ".otheap-", after[] = ".tmp";
	uint64_t r = oh_dumpfile_random();
	char *p = f->temp;

	memcpy(p, before, sizeof(before) - 1);
	p += sizeof(before) - 1;
	for (int i = 0; i < 16; i++, r >>= 4)
		*p++ = "0123456789abcdef"[r & 15];
	memcpy(p, after, sizeof(after));
}

/* A descriptor that the host does not expect to be free or its own. */
static long
move_high(long fd)
{
	long high = OH_SYS(fcntl, fd, F_DUPFD_CLOEXEC, FD_FROM, 0, 0, 0);

	if (high < 0 && fd <= 2)
		high = OH_SYS(fcntl, fd, F_DUPFD_CLOEXEC, 3, 0, 0, 0);
	if (high < 0 && fd <= 2)
		return high == -EINVAL ? -EMFILE : high; /* the limit is 3 or less */
	if (high < 0)
		return fd;
	(void)oh_sys_close((int)fd);
	return high;
}

static int
begin_in(struct oh_dumpfile *f, const char *folder)
{
	struct stat st;
	long fd = -EEXIST;
	long dirfd = open_folder(folder);

	if (dirfd < 0)
		return (int)dirfd;
	for (int i = 0; i < 8 && fd == -EEXIST; i++) {
		make_temp_name(f);
		fd = oh_sys_openat((int)dirfd, f->temp,
		    O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	if (fd >= 0) {
		long high = move_high(fd);
		if (high < 0) {
			(void)oh_sys_close((int)fd);
			(void)sys_unlinkat((int)dirfd, f->temp);
		}
		fd = high;
	}
	(void)oh_sys_close((int)dirfd);
	if (fd < 0)
		return (int)fd;
	f->fd = (int)fd;
	f->folder = folder;
	/* The umask may have taken away the owner's own rights. */
	(void)OH_SYS(fchmod, f->fd, 0600, 0, 0, 0, 0);
	if (sys_fstat(f->fd, &st) == 0) {
		f->dev = st.st_dev;
		f->ino = st.st_ino;
	}
	return 0;
}

static void
add_reason(struct oh_out *line, int error)
{
	static const struct {
		int error;
		const char *text;
	} reasons[] = {
		{ -EACCES, "permission denied" },
		{ -EPERM, "not permitted" },
		{ -EROFS, "read-only file system" },
		{ -ENOENT, "no such folder" },
		{ -ENOTDIR, "not a folder" },
		{ -ENOSPC, "disk full" },
		{ -EDQUOT, "quota used up" },
		{ -EMFILE, "too many open files" },
		{ -ENFILE, "too many open files in the system" },
		{ -ENAMETOOLONG, "name too long" },
		{ -EINVAL, "OTHEAP_FILE makes no file name" },
	};

	for (size_t i = 0; i < OH_ARRAY_LEN(reasons); i++) {
		if (reasons[i].error == error) {
			oh_out_str(line, reasons[i].text);
			return;
		}
	}
	oh_out_str(line, "error ");
	oh_out_i64(line, -(int64_t)error);
}

static void
tell(const struct oh_dumpfile_conf *conf, bool *told, int error, const char *instead)
{
	struct oh_out line;

	/* No file system says ENOSYS: a sandbox that came with the process does, by design. */
	if (conf->quiet || *told || error == -ENOSYS)
		return;
	*told = true;
	oh_out_reset(&line);
	oh_out_str(&line, "otheap: cannot write in ");
	oh_out_str(&line, conf->dir);
	oh_out_str(&line, " (");
	add_reason(&line, error);
	oh_out_str(&line, "): ");
	oh_out_str(&line, instead == NULL ? "no profile is written" : "profiles go to ");
	oh_out_str(&line, instead == NULL ? "" : instead);
	oh_out_line(&line, 2);
}

int
oh_dumpfile_begin(struct oh_dumpfile *f, const struct oh_dumpfile_conf *conf, pid_t pid,
    uint64_t seq, int64_t unix_time_s)
{
	const char *folders[] = { conf->dir, conf->tmpdir, "/tmp" };
	int error;

	*f = (struct oh_dumpfile){
		.fd = -1, .seq = seq, .conf = conf, .pid = pid, .unix_time_s = unix_time_s
	};
	error = expand(f);
	if (error != 0) {
		tell(conf, &told_failure, error, NULL);
		return error;
	}
	for (size_t i = 0; i < OH_ARRAY_LEN(folders); i++) {
		int r = -ENOENT;
		if (i != 0 && (folders[i] == NULL || strcmp(folders[i], conf->dir) == 0))
			continue;
		if (folders[i][0] == '/')
			r = begin_in(f, folders[i]);
		if (r == 0) {
			if (i != 0)
				tell(conf, &told_fallback, error, folders[i]);
			return 0;
		}
		if (i == 0)
			error = r;
	}
	tell(conf, &told_failure, error, NULL);
	return error;
}

/* ---- retention ----------------------------------------------------------- */

struct linux_dirent64 {
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
};

struct old_file {
	int64_t mtime_s;
	int64_t mtime_ns;
	char name[NAME_BYTES];
};

/*
 * Does a name come from the pattern?  at[i] says whether what was walked of
 * the pattern so far can end at name[i].  Plain matching with a retry would do
 * for sane patterns; this is linear in the name for any.
 */
struct matching {
	const char *name, *program;
	size_t len, program_len;
	bool at[NAME_BYTES];
	bool alive;
};

static void
match_text(struct matching *m, const char *text, size_t text_len)
{
	for (size_t i = 0; i < text_len && m->alive; i++) {
		char c = text[i] == '/' ? '_' : text[i];
		m->alive = false;
		for (size_t k = m->len; k > 0; k--) {
			m->at[k] = m->at[k - 1] && m->name[k - 1] == c;
			m->alive |= m->at[k];
		}
		m->at[0] = false;
	}
}

/* One digit or more. */
static void
match_digits(struct matching *m)
{
	bool from = m->at[0]; /* a run of digits can have begun before [k] */

	m->at[0] = false;
	m->alive = false;
	for (size_t k = 1; k <= m->len; k++) {
		bool begins = m->at[k];
		bool digit = m->name[k - 1] >= '0' && m->name[k - 1] <= '9';
		m->at[k] = digit && from;
		m->alive |= m->at[k];
		from = (digit && from) || begins;
	}
}

static void
match_step(void *arg, const char *text, size_t len)
{
	struct matching *m = arg;

	if (!m->alive)
		return;
	if (text != NULL)
		match_text(m, text, len);
	else if (len == 'e')
		match_text(m, m->program, m->program_len);
	else
		match_digits(m);
}

static bool
is_ours(const struct oh_dumpfile *f, size_t program_len, const char *name)
{
	struct matching m = { .name = name,
		.program = f->conf->program,
		.program_len = program_len,
		.len = strlen(name),
		.alive = true };

	if (m.len >= NAME_BYTES)
		return false;
	m.at[0] = true;
	walk(f->conf->pattern, match_step, &m);
	return m.alive && m.at[m.len];
}

static bool
is_older(const struct old_file *a, const struct old_file *b)
{
	if (a->mtime_s != b->mtime_s)
		return a->mtime_s < b->mtime_s;
	if (a->mtime_ns != b->mtime_ns)
		return a->mtime_ns < b->mtime_ns;
	return strcmp(a->name, b->name) < 0;
}

/* A heap with the newest of the oldest on top: the first to give way. */
static void
sift_down(struct old_file *heap, size_t count, size_t i)
{
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= count)
			return;
		if (child + 1 < count && is_older(&heap[child], &heap[child + 1]))
			child++;
		if (!is_older(&heap[i], &heap[child]))
			return;
		struct old_file swap = heap[i];
		heap[i] = heap[child];
		heap[child] = swap;
		i = child;
	}
}

struct oldest {
	struct old_file *files; /* [OLDEST_MAX], a heap once that many are known */
	size_t count;
	uint64_t seen; /* of ours in the folder, beside the one just written */
};

static void
remember(struct oldest *o, const struct old_file *file)
{
	o->seen++;
	if (o->count < OLDEST_MAX) {
		o->files[o->count++] = *file;
		if (o->count == OLDEST_MAX) {
			for (size_t i = OLDEST_MAX / 2; i-- > 0;)
				sift_down(o->files, OLDEST_MAX, i);
		}
	} else if (is_older(file, &o->files[0])) {
		o->files[0] = *file;
		sift_down(o->files, OLDEST_MAX, 0);
	}
}

/* Is it conf->keep, which has the same folder before its name? */
static bool
is_kept(const struct oh_dumpfile *f, const char *name)
{
	const char *keep = f->conf->keep;
	const char *slash = keep != NULL ? strrchr(keep, '/') : NULL;
	size_t len = strlen(f->folder);

	return slash != NULL && strcmp(slash + 1, name) == 0 &&
	       strncmp(keep, f->folder, len) == 0 && keep + len <= slash + 1;
}

static void
look_at(const struct oh_dumpfile *f, int dirfd, size_t program_len, uid_t uid, const char *name,
    struct oldest *o)
{
	struct old_file file;
	struct stat st;

	if (strcmp(name, f->name) == 0 || is_kept(f, name) || !is_ours(f, program_len, name))
		return;
	if (sys_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) ||
	    st.st_uid != uid)
		return;
	file.mtime_s = st.st_mtim.tv_sec;
	file.mtime_ns = st.st_mtim.tv_nsec;
	memcpy(file.name, name, strlen(name) + 1);
	remember(o, &file);
}

static void
delete_oldest(int dirfd, struct oldest *o, uint64_t how_many)
{
	for (size_t i = o->count / 2; i-- > 0;)
		sift_down(o->files, o->count, i);
	/* Those that are too new to go come off the top first. */
	for (size_t n = o->count; n > 0; n--) {
		if (n <= how_many)
			(void)sys_unlinkat(dirfd, o->files[0].name);
		o->files[0] = o->files[n - 1];
		sift_down(o->files, n - 1, 0);
	}
}

static void
retain(const struct oh_dumpfile *f, int dirfd, struct oh_scratch *scratch)
{
	struct oldest o = { 0 };
	size_t program_len = program_room(f);
	uid_t uid = (uid_t)OH_SYS(geteuid, 0, 0, 0, 0, 0, 0);
	char *buf = oh_scratch_alloc(scratch, DIRENT_BYTES);

	o.files = oh_scratch_array(scratch, OLDEST_MAX, sizeof(*o.files));
	if (buf == NULL || o.files == NULL)
		return;
	for (;;) {
		long n = OH_SYS(getdents64, dirfd, buf, DIRENT_BYTES, 0, 0, 0);
		if (n <= 0)
			break;
		for (long at = 0; at < n;) {
			struct linux_dirent64 *d = (struct linux_dirent64 *)(buf + at);
			look_at(f, dirfd, program_len, uid, d->d_name, &o);
			at += d->d_reclen;
		}
	}
	/* The one just written counts; the one to keep does not. */
	if (o.seen >= f->conf->max_files)
		delete_oldest(dirfd, &o, o.seen - f->conf->max_files + 1);
}

/* ---- commit -------------------------------------------------------------- */

static bool
fd_is_ours(const struct oh_dumpfile *f)
{
	struct stat st;

	return sys_fstat(f->fd, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino;
}

static long
rename_new(int dirfd, const char *from, const char *to)
{
	struct stat st;
	long r = rename_file(dirfd, from, to, RENAME_NOREPLACE);

	if (r != -ENOSYS && r != -EINVAL)
		return r;
	r = OH_SYS(linkat, dirfd, from, dirfd, to, 0, 0);
	if (r == 0)
		return sys_unlinkat(dirfd, from);
	if (r == -EEXIST)
		return r;
	/* No hard links either (FAT, some network mounts): look, then leap. */
	if (sys_fstatat(dirfd, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return rename_file(dirfd, from, to, 0);
}

/*
 * Numbers run on through restarts with the same pid (always 1 in a container),
 * so a folder may hold any number of predecessors: one by one for a while, then
 * in steps that double.
 */
static long
commit_numbered(struct oh_dumpfile *f, int dirfd)
{
	uint64_t step = 1;
	long r = -EEXIST;

	for (int i = 0; i < SEQ_TRIES; i++) {
		r = expand(f);
		if (r == 0)
			r = rename_new(dirfd, f->temp, f->name);
		if (r != -EEXIST)
			break;
		if (i >= SEQ_LINEAR)
			step *= 2;
		if (__builtin_add_overflow(f->seq, step, &f->seq))
			break;
	}
	return r;
}

/* also/last */
static void
below(char to[BELOW_BYTES], const char *also, const char *last)
{
	size_t n = strnlen(also, ALSO_BYTES - 1), k = strlen(last);

	memcpy(to, also, n);
	to[n] = '/';
	memcpy(to + n + 1, last, k + 1);
}

static OH_NOINLINE void
link_also(struct oh_dumpfile *f, int dirfd)
{
	char path[BELOW_BYTES];

	(void)OH_SYS(mkdirat, dirfd, f->conf->also, 0700, 0, 0, 0);
	below(path, f->conf->also, f->temp);
	f->linked = OH_SYS(linkat, dirfd, f->temp, dirfd, path, 0, 0) == 0;
}

/* The second link gets the name, too, or goes. */
static OH_NOINLINE void
name_also(struct oh_dumpfile *f, int dirfd, bool good)
{
	char from[BELOW_BYTES], to[BELOW_BYTES];

	below(from, f->conf->also, f->temp);
	below(to, f->conf->also, f->name);
	if (good && sys_rename(dirfd, from, to, 0) == 0)
		return;
	(void)sys_unlinkat(dirfd, from);
	f->linked = false;
}

int
oh_dumpfile_commit(struct oh_dumpfile *f, struct oh_scratch *scratch)
{
	long r, dirfd;

	if (f->fd < 0 || !fd_is_ours(f)) {
		oh_dumpfile_abort(f);
		return -EBADF;
	}
	/* Where the error of a late write shows (NFS, quotas). */
	r = oh_sys_close(f->fd);
	f->fd = -1;
	dirfd = open_folder(f->folder);
	if (dirfd < 0)
		return (int)dirfd;
	if (f->conf->also != NULL)
		link_also(f, (int)dirfd);
	if (r == 0 || r == -EINTR)
		r = oh_dumpfile_numbered(f->conf->pattern)
			? commit_numbered(f, (int)dirfd)
			: rename_file((int)dirfd, f->temp, f->name, 0);
	if (f->linked)
		name_also(f, (int)dirfd, r == 0);
	if (r != 0)
		(void)sys_unlinkat((int)dirfd, f->temp);
	else if (f->conf->max_files != 0)
		retain(f, (int)dirfd, scratch);
	(void)oh_sys_close((int)dirfd);
	return (int)r;
}

void
oh_dumpfile_abort(struct oh_dumpfile *f)
{
	if (f->fd < 0)
		return;
	if (fd_is_ours(f))
		(void)oh_sys_close(f->fd);
	f->fd = -1;
	long dirfd = open_folder(f->folder);
	if (dirfd < 0)
		return;
	(void)sys_unlinkat((int)dirfd, f->temp);
	(void)oh_sys_close((int)dirfd);
}
