/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool.c - the folder of profiles that wait to be sent.
 */
#include "tools/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tools/lives.h"

#define PROFILE_END ".pb.gz"
#define MARKER_END ".process"
#define SENT "sent"
#define REFUSED "refused"
#define NEW ".new" /* in sent/: on its way */
/* Two profiles of one program give its start with that much difference: a clock was set between. */
#define START_SLACK_MS 2000
/* What was sent last of a program is forgotten when it was not needed for so long. */
#define LEFT_OVER_NS (INT64_C(3600) * 1000000000)
#define SENT_AGE_NS (INT64_C(7) * 24 * 3600 * 1000000000)

static bool
ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && strcmp(s + n - m, end) == 0;
}

bool
oh_spool_is_profile(const char *name)
{
	return name[0] != '.' && ends_with(name, PROFILE_END);
}

/* ---- open and lock ----------------------------------------------------------------------- */

bool
oh_spool_open(struct oh_spool *s, const char *path, bool create, struct oh_error *err)
{
	struct stat st;

	memset(s, 0, sizeof(*s));
	s->dir = s->lock = -1;
	if (create && mkdir(path, 0700) != 0 && errno != EEXIST)
		return oh_error_set(err, "%s: %s", path, strerror(errno));
	if (realpath(path, s->path) == NULL ||
	    (s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
	    fstat(s->dir, &st) != 0)
		return oh_error_set(err, "%s: %s", path, strerror(errno));
	/* Who may write there could make us send what he likes, with our credentials. */
	if (create && st.st_uid != geteuid() && geteuid() != 0)
		return oh_error_set(err, "%s: the folder belongs to another user", path);
	if (create && (st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0)
		return oh_error_set(err, "%s: everybody may write to this folder", path);
	if (create && ((mkdirat(s->dir, SENT, 0700) != 0 && errno != EEXIST) ||
			  (mkdirat(s->dir, REFUSED, 0700) != 0 && errno != EEXIST)))
		return oh_error_set(err, "%s: %s", path, strerror(errno));
	return true;
}

static void
forget_files(struct oh_spool *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->files[i].name);
	s->count = 0;
	s->bytes = 0;
}

void
oh_spool_close(struct oh_spool *s)
{
	oh_spool_unlock(s);
	forget_files(s);
	free(s->files);
	s->files = NULL;
	if (s->dir >= 0)
		(void)close(s->dir);
	s->dir = -1;
}

int
oh_spool_lock(struct oh_spool *s, struct oh_error *err)
{
	struct flock whole = { .l_type = F_WRLCK };
	struct stat st;
	int fd = openat(s->dir, "agent.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0) {
		oh_error_set(err, "%s/agent.lock: %s", s->path, strerror(errno));
		return -1;
	}
	if (fcntl(fd, F_OFD_SETLK, &whole) == 0) {
		/* Not the one of a folder that was removed meanwhile (spool_user.c). */
		if (fstat(fd, &st) != 0 || st.st_nlink == 0) {
			(void)close(fd);
			return 0;
		}
		s->lock = fd;
		return 1;
	}
	if (errno == EAGAIN || errno == EACCES) {
		(void)close(fd);
		return 0;
	}
	oh_error_set(err, "%s/agent.lock: %s", s->path, strerror(errno));
	(void)close(fd);
	return -1;
}

void
oh_spool_unlock(struct oh_spool *s)
{
	if (s->lock >= 0)
		(void)close(s->lock);
	s->lock = -1;
}

bool
oh_spool_is_locked(const struct oh_spool *s)
{
	/* Asks, and takes nothing: an agent that starts at this moment must not be in our way. */
	struct flock whole = { .l_type = F_WRLCK };
	int fd = openat(s->dir, "agent.lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	bool locked;

	if (fd < 0)
		return false;
	locked = fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
	(void)close(fd);
	return locked;
}

/* ---- what is there ------------------------------------------------------------------------- */

/* Does the process live that a marker names? */
static bool
marker_lives(const char *name, pid_t *ret_pid, uint64_t *ret_starttime)
{
	unsigned long pid;
	uint64_t starttime;
	char *end;

	if (!ends_with(name, MARKER_END) || name[0] < '0' || name[0] > '9')
		return false;
	pid = strtoul(name, &end, 10);
	if (*end != '.' || pid == 0 || pid > INT_MAX)
		return false;
	starttime = strtoull(end + 1, &end, 10);
	if (strcmp(end, MARKER_END) != 0)
		return false;
	*ret_pid = (pid_t)pid;
	*ret_starttime = starttime;
	return oh_life_of(*ret_pid, starttime) == OH_LIFE_THIS;
}

static int
by_age(const void *a, const void *b)
{
	const struct oh_spool_file *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return strverscmp(x->name, y->name); /* app.7.9 before app.7.10 */
}

static int64_t
file_time(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

int64_t
oh_spool_now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A profile that a program was killed over: it will never get its name. */
static bool
is_left_over(const char *name, const struct stat *st)
{
	return strncmp(name, ".otheap-", 8) == 0 && ends_with(name, ".tmp") &&
	       file_time(st) < oh_spool_now_ns() - LEFT_OVER_NS;
}

/* A folder below ours, or ours ("."), to be read from its beginning; NULL if it cannot be. */
static DIR *
open_list(const struct oh_spool *s, const char *name)
{
	int fd = openat(s->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (d == NULL && fd >= 0)
		(void)close(fd);
	return d;
}

void
oh_spool_scan(struct oh_spool *s, oh_spool_note note, void *arg)
{
	DIR *d = open_list(s, ".");
	const struct dirent *e;
	uint64_t starttime;
	struct stat st;
	pid_t pid;

	forget_files(s);
	s->markers = 0;
	s->held = 0;
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (ends_with(e->d_name, MARKER_END)) {
			bool lives = marker_lives(e->d_name, &pid, &starttime);

			s->markers += lives;
			if (lives && note != NULL)
				note(arg, pid, starttime);
			else if (!lives && s->lock >= 0)
				(void)unlinkat(s->dir, e->d_name, 0);
			continue;
		}
		if (fstatat(s->dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		if (s->lock >= 0 && is_left_over(e->d_name, &st))
			(void)unlinkat(s->dir, e->d_name, 0);
		if (!oh_spool_is_profile(e->d_name))
			continue;
		s->files = oh_xgrow(s->files, &s->cap, s->count + 1, sizeof(*s->files));
		s->files[s->count++] = (struct oh_spool_file){
			.name = strdup(e->d_name),
			.bytes = (uint64_t)st.st_size,
			.time_ns = file_time(&st),
		};
		s->bytes += (uint64_t)st.st_size;
	}
	if (d != NULL)
		(void)closedir(d);
	if (s->count > 1)
		qsort(s->files, s->count, sizeof(*s->files), by_age);
}

/* ---- limits ------------------------------------------------------------------------------------
 */

/* The profiles of a folder below ours, as a spool of their own: files, count, bytes. */
static struct oh_spool
list_of(const struct oh_spool *s, const char *folder)
{
	struct oh_spool part = { .lock = -1 };

	part.dir = openat(s->dir, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (part.dir >= 0)
		oh_spool_scan(&part, NULL, NULL);
	return part;
}

/*
 * Remove the oldest of `part`, from `first` on, while all are more than
 * max_bytes in *total, or they are older than `before`.
 */
static void
trim_part(struct oh_spool *part, size_t first, uint64_t max_bytes, int64_t before, uint64_t *total,
    uint64_t *ret_by_size, uint64_t *ret_by_age, uint64_t *ret_bytes)
{
	size_t to = first;

	for (size_t i = first; i < part->count; i++) {
		struct oh_spool_file *f = &part->files[i];
		bool old = f->time_ns < before;

		if ((old || *total > max_bytes) && unlinkat(part->dir, f->name, 0) == 0) {
			*(old ? ret_by_age : ret_by_size) += 1;
			*ret_bytes += f->bytes;
			*total -= f->bytes;
			part->bytes -= f->bytes;
			free(f->name);
		} else {
			part->files[to++] = *f;
		}
	}
	if (to < part->count)
		part->count = to;
}

void
oh_spool_trim(
    struct oh_spool *s, const struct oh_spool_limits *limits, struct oh_spool_losses *losses)
{
	struct oh_spool refused = list_of(s, REFUSED), sent = list_of(s, SENT);
	uint64_t total, none = 0, part = sent.bytes;
	int64_t now = oh_spool_now_ns(),
		before = limits->max_age_ns > 0 ? now - limits->max_age_ns : 0;

	/* Those of programs that are no more, or so many that little else has room. */
	trim_part(&sent, 0, limits->max_bytes / 2, now - SENT_AGE_NS, &part, &none, &none, &none);
	total = s->bytes + refused.bytes + sent.bytes;
	trim_part(&refused, 0, limits->max_bytes, before, &total, &losses->refused,
	    &losses->refused, &losses->bytes);
	trim_part(s, s->held < s->count ? s->held : s->count, limits->max_bytes, before, &total,
	    &losses->by_size, &losses->by_age, &losses->bytes);
	oh_spool_close(&refused);
	oh_spool_close(&sent);
}

/* ---- one file
 * ------------------------------------------------------------------------------------ */

void
oh_spool_let_go(struct oh_spool_stamp *stamp)
{
	if (stamp->inode != 0 && stamp->fd >= 0)
		(void)close(stamp->fd);
	*stamp = (struct oh_spool_stamp){ .fd = -1 };
}

/* The first `size` bytes; fewer if there are not so many.  NULL, with errno set, if it fails. */
static uint8_t *
read_whole(int fd, size_t size, size_t *ret_len)
{
	uint8_t *data = oh_xrealloc(NULL, size + 1, 1);
	size_t len = 0;

	while (len < size) {
		ssize_t n = pread(fd, data + len, size - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			free(data);
			return NULL;
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return data;
}

bool
oh_spool_open_file(const struct oh_spool *s, const char *name, uint64_t max_bytes,
    struct oh_spool_stamp *ret_stamp, struct oh_error *err)
{
	int fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	*ret_stamp = (struct oh_spool_stamp){ .fd = -1 };
	if (fd < 0 || fstat(fd, &st) != 0) {
		oh_error_set(err, "%s", strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	*ret_stamp = (struct oh_spool_stamp){ st.st_ino, file_time(&st), fd };
	if (!S_ISREG(st.st_mode))
		return oh_error_set(err, "not an ordinary file");
	return (uint64_t)st.st_size <= max_bytes ||
	       oh_error_set(err, "larger than %" PRIu64 " bytes", max_bytes);
}

/* All of the file, whatever has its name now.  NULL, with errno set, if it fails. */
static uint8_t *
read_stamped(const struct oh_spool_stamp *stamp, size_t *ret_len)
{
	struct stat st;

	/* Somebody may have written over it. */
	if (stamp->inode == 0 || stamp->fd < 0 || fstat(stamp->fd, &st) != 0 ||
	    file_time(&st) != stamp->time_ns)
		return NULL;
	return read_whole(stamp->fd, (size_t)st.st_size, ret_len);
}

uint8_t *
oh_spool_read(const struct oh_spool *s, const char *name, uint64_t max_bytes, size_t *ret_len,
    struct oh_spool_stamp *ret_stamp, struct oh_error *err)
{
	uint8_t *data;

	if (!oh_spool_open_file(s, name, max_bytes, ret_stamp, err))
		return NULL;
	data = read_stamped(ret_stamp, ret_len);
	if (data == NULL)
		oh_error_set(err, "%s", strerror(errno));
	return data;
}

/* ---- one that was read leaves ------------------------------------------------------ */

/* Is the file of this name still the one that was read? */
static bool
is_that(const struct oh_spool *s, const char *name, const struct oh_spool_stamp *stamp)
{
	struct stat st;

	return fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == stamp->inode &&
	       file_time(&st) == stamp->time_ns;
}

enum moved { MOVED, IS_ANOTHER, CANNOT };

/*
 * Give the file that was read the name `to`.  Between a look at a name and its
 * change the program may give it to its next profile, which then gets it back,
 * unless there is a still newer one.
 */
static enum moved
move(const struct oh_spool *s, const char *name, const struct oh_spool_stamp *stamp, const char *to)
{
	if (!is_that(s, name, stamp))
		return IS_ANOTHER;
	if (renameat(s->dir, name, s->dir, to) != 0)
		return errno == ENOENT ? IS_ANOTHER : CANNOT;
	if (is_that(s, to, stamp)) {
		/* Two names of one file stay both, and that is success to rename(2). */
		if (is_that(s, name, stamp))
			(void)unlinkat(s->dir, name, 0);
		return MOVED;
	}
	if (renameat2(s->dir, to, s->dir, name, RENAME_NOREPLACE) != 0)
		(void)(errno == EEXIST ? unlinkat(s->dir, to, 0)
				       : renameat(s->dir, to, s->dir, name));
	return IS_ANOTHER;
}

bool
oh_spool_refuse(struct oh_spool *s, const char *name, const struct oh_spool_stamp *stamp)
{
	char to[NAME_MAX + sizeof(REFUSED) + 1];

	(void)snprintf(to, sizeof(to), REFUSED "/%s", name);
	if (stamp->inode == 0) /* it could not be opened */
		return renameat(s->dir, name, s->dir, to) == 0 || errno == ENOENT ||
		       unlinkat(s->dir, name, 0) == 0;
	return move(s, name, stamp, to) != CANNOT || unlinkat(s->dir, name, 0) == 0;
}

/* ---- what was sent last of a program
 * ------------------------------------------------------------- */

void
oh_spool_origin(struct oh_spool_origin *ret, const struct oh_profile *p)
{
	const char *pid = oh_profile_comment(p, "pid: ");
	const char *program = oh_profile_comment(p, "program: ");
	const char *process = oh_profile_comment(p, "process: ");
	const char *trigger = oh_profile_comment(p, "trigger: ");

	memset(ret, 0, sizeof(*ret));
	if (pid == NULL || program == NULL || p->duration_ns < 0 || p->time_ns < p->duration_ns)
		return;
	ret->known = true;
	ret->last = trigger != NULL && strncmp(trigger, "exit", 4) == 0;
	ret->pid = strtoull(pid, NULL, 10);
	ret->start_ms = (p->time_ns - p->duration_ns) / 1000000;
	if (process != NULL)
		ret->start_ms = (int64_t)(strtoull(process, NULL, 16) >> 1);
	ret->key = 2166136261U; /* FNV-1a, by its authors' constants */
	for (; *program != '\0'; program++)
		ret->key = (ret->key ^ (uint8_t)*program) * 16777619U;
}

static int64_t
distance(int64_t a, int64_t b)
{
	return a < b ? b - a : a - b;
}

bool
oh_spool_previous(
    const struct oh_spool *s, const struct oh_spool_origin *origin, char ret[NAME_MAX + 1])
{
	DIR *d = origin->known ? open_list(s, SENT) : NULL;
	const struct dirent *e;
	int64_t best = INT64_MAX;

	while (d != NULL && (e = readdir(d)) != NULL) {
		uint64_t pid;
		int64_t start;
		uint32_t key;
		int n = 0;

		if (sscanf(e->d_name, "%" SCNu64 ".%" SCNd64 ".%" SCNx32 "%n", &pid, &start, &key,
			&n) != 3 ||
		    strcmp(e->d_name + n, PROFILE_END) != 0 || pid != origin->pid ||
		    key != origin->key || distance(start, origin->start_ms) > START_SLACK_MS ||
		    distance(start, origin->start_ms) >= best)
			continue;
		best = distance(start, origin->start_ms);
		(void)snprintf(ret, NAME_MAX + 1, SENT "/%.200s", e->d_name);
	}
	if (d != NULL)
		(void)closedir(d);
	return best != INT64_MAX;
}

/* Write what was read as `to`, with its time. */
static bool
write_anew(const struct oh_spool *s, const struct oh_spool_stamp *stamp, const char *to)
{
	struct timespec times[2];
	size_t len, done = 0;
	uint8_t *data = read_stamped(stamp, &len);
	int fd = data != NULL ? openat(s->dir, SENT "/" NEW,
				    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600)
			      : -1;
	bool good;

	while (fd >= 0 && done < len) {
		ssize_t n = write(fd, data + done, len - done);

		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	times[0].tv_sec = times[1].tv_sec = stamp->time_ns / 1000000000;
	times[0].tv_nsec = times[1].tv_nsec = stamp->time_ns % 1000000000;
	good = fd >= 0 && done == len && futimens(fd, times) == 0;
	if (fd >= 0)
		good = close(fd) == 0 && good;
	good = good && renameat(s->dir, SENT "/" NEW, s->dir, to) == 0;
	if (fd >= 0 && !good)
		(void)unlinkat(s->dir, SENT "/" NEW, 0);
	free(data);
	return good;
}

bool
oh_spool_sent(struct oh_spool *s, const char *name, const struct oh_spool_stamp *stamp,
    const struct oh_spool_origin *origin)
{
	char old[NAME_MAX + 1], to[NAME_MAX + 1];
	bool had = oh_spool_previous(s, origin, old), stays = origin->known && !origin->last;
	bool known_now;
	enum moved moved;

	if (stays)
		(void)snprintf(to, sizeof(to),
		    SENT "/%" PRIu64 ".%" PRId64 ".%08" PRIx32 PROFILE_END, origin->pid,
		    origin->start_ms, origin->key);
	else
		(void)snprintf(to, sizeof(to), SENT "/" NEW);
	moved = move(s, name, stamp, to);
	if (moved == CANNOT && unlinkat(s->dir, name, 0) != 0 && errno != ENOENT)
		return false;
	if (!stays)
		(void)unlinkat(s->dir, to, 0);
	known_now = stays && (moved == MOVED || write_anew(s, stamp, to));
	if (had && (!stays || (known_now && strcmp(old, to) != 0)))
		(void)unlinkat(s->dir, old, 0);
	return true;
}
