/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.c - who sends the profiles that this process writes?
 *
 * In the spool folder (tools/spool.h): finished profiles, `agent.lock`, on which
 * the agent has a lock of its open file as long as it lives, and a marker
 * `PID.STARTTIME.process` for each process that may write more; the agent
 * removes those of processes that have ended, and ends when there is neither
 * marker nor profile.  What a process needs for itself is in a folder of its
 * own, leaks/PID.STARTTIME.NAMESPACE.BOOT, which it removes at its end.
 *
 * Where nobody named a folder, there is one in the user's for each destination,
 * so that no profile is sent with another program's settings.
 *
 * An agent that is about to end may miss a marker that is made at this moment.
 * So it is looked for after each profile, the last one included.
 */
#include "preload/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base.h"
#include "core/destination.h"
#include "core/out.h"
#include "core/sys.h"
#include "preload/launch.h"
#include "preload/lifecycle.h"

#define SHARED "/tmp/otheap-" /* and the number of a user */
#define KEY "key"             /* of oh_destination(), beside the folders of destinations */
#define KEY_CHARS (2 * OH_DESTINATION_KEY_BYTES)
#define LOCK "agent.lock"
#define OWN "leaks"
#define BOOT_CHARS 8 /* of 36: enough to tell two machines apart */
#define TRIES 3
#define STEP_MS 10
#define START_MS 2000 /* until an agent that was started has its lock */
#define STAY_MS 3000  /* when it must be there as long as we are */

/* The worker's alone. */
static bool marked, told, told_ended;
static int64_t started_ms;           /* an agent, by the monotonic clock; 0 = never */
static char own[OH_AGENT_OWN_BYTES]; /* "" = not known yet */
/* The user's folder, once that of our destination below it is in oh_config.spool. */
static char of_user[sizeof(((struct oh_out *)NULL)->text)];

static const char digits[] = "0123456789abcdef";

static void
tell(const char *what, int error)
{
	struct oh_out o;

	if (told || oh_config.quiet)
		return;
	told = true;
	oh_out_reset(&o);
	oh_out_str(&o, "otheap: profiles are not sent: ");
	oh_out_str(&o, what);
	if (error != 0) {
		oh_out_str(&o, ", error ");
		oh_out_i64(&o, -(int64_t)error);
	}
	oh_out_str(&o, "; they stay in ");
	oh_out_str(&o, oh_config.spool);
	oh_out_line(&o, STDERR_FILENO);
}

/* ---- the folder -------------------------------------------------------------------- */

/* Is it our user's, and can nobody else do with it what is in `bits`? */
static bool
is_ours(const char *folder, unsigned bits)
{
	struct stat st;

	return OH_SYS(newfstatat, AT_FDCWD, folder, &st, AT_SYMLINK_NOFOLLOW, 0, 0) == 0 &&
	       S_ISDIR(st.st_mode) && st.st_uid == (uid_t)OH_SYS(geteuid, 0, 0, 0, 0, 0, 0) &&
	       (st.st_mode & bits) == 0;
}

/*
 * Anybody may make a folder of that name in /tmp before us, and would then read
 * and send what we write.
 */
static bool
is_trusted(void)
{
	const char *folder = oh_config.spool;

	if (oh_config.spool_by_user)
		return of_user[0] != '\0' && is_ours(of_user, 077);
	if (strncmp(folder, SHARED, sizeof(SHARED) - 1) != 0 ||
	    strchr(folder + sizeof(SHARED) - 1, '/') != NULL)
		return true;
	return is_ours(folder, 022);
}

/* The folder of this user in /tmp. */
static void
use_shared(void)
{
	struct oh_out o;

	oh_out_reset(&o);
	oh_out_str(&o, SHARED);
	oh_out_u64(&o, (uint64_t)OH_SYS(geteuid, 0, 0, 0, 0, 0, 0));
	memcpy(oh_config.spool, o.text, strlen(o.text) + 1);
}

/*
 * A program that gave up its rights since it started may not write into the
 * folder that was its user's.
 */
static void
follow_user(void)
{
	static uid_t user = (uid_t)-1;
	uid_t now = (uid_t)OH_SYS(geteuid, 0, 0, 0, 0, 0, 0);

	if (user != (uid_t)-1 && now != user && oh_config.spool_by_user) {
		use_shared();
		of_user[0] = '\0';
		oh_agent_after_fork();
	}
	user = now;
}

static bool
parse_key(const char hex[KEY_CHARS], uint8_t ret[OH_DESTINATION_KEY_BYTES])
{
	memset(ret, 0, OH_DESTINATION_KEY_BYTES);
	for (size_t i = 0; i < KEY_CHARS; i++) {
		const char *digit = hex[i] != '\0' ? strchr(digits, hex[i]) : NULL;
		if (digit == NULL)
			return false;
		ret[i / 2] = (uint8_t)(ret[i / 2] << 4 | (digit - digits));
	}
	return true;
}

/*
 * The key of the user's folder, made by who comes first: the text of a link, as
 * that is there at once and whole.  0 or an error.
 */
static int
get_key(const char *folder, uint8_t ret[OH_DESTINATION_KEY_BYTES])
{
	char hex[KEY_CHARS + 1];
	struct oh_out path;

	oh_out_reset(&path);
	oh_out_str(&path, folder);
	oh_out_str(&path, "/" KEY);
	for (int i = 0; i < 2; i++) {
		long n = oh_sys_readlink(path.text, hex, sizeof(hex));
		if (n >= 0)
			return n == KEY_CHARS && parse_key(hex, ret) ? 0 : -EINVAL;
		if (n != -ENOENT || i > 0)
			return (int)n;
		n = OH_SYS(getrandom, ret, OH_DESTINATION_KEY_BYTES, GRND_NONBLOCK, 0, 0, 0);
		if (n != OH_DESTINATION_KEY_BYTES)
			return n < 0 ? (int)n : -EAGAIN;
		for (size_t k = 0; k < KEY_CHARS; k++)
			hex[k] = digits[ret[k / 2] >> (k % 2 == 0 ? 4 : 0) & 15];
		hex[KEY_CHARS] = '\0';
		n = OH_SYS(symlinkat, hex, AT_FDCWD, path.text, 0, 0, 0);
		if (n < 0 && n != -EEXIST)
			return (int)n;
	}
	return -ENOENT;
}

/*
 * One agent works by the settings of the program that started it, so below the
 * user's folder each destination has its own.  True if that is known now.
 */
static bool
find_folder(void)
{
	uint8_t key[OH_DESTINATION_KEY_BYTES];
	char *const *envp = oh_launch_environment();
	struct stat net = { 0 };
	size_t len;

	if (!oh_config.spool_by_user)
		return true;
	if (of_user[0] != '\0') {
		(void)OH_SYS(mkdir, of_user, 0700, 0, 0, 0, 0);
		return true;
	}
	(void)OH_SYS(mkdir, oh_config.spool, 0700, 0, 0, 0, 0);
	/* Of XDG_RUNTIME_DIR as another user left it to us. */
	if (!is_ours(oh_config.spool, 077)) {
		use_shared();
		(void)OH_SYS(mkdir, oh_config.spool, 0700, 0, 0, 0, 0);
	}
	if (!is_ours(oh_config.spool, 077)) {
		tell("the folder is not this user's alone", 0);
		return false;
	}
	int error = envp != NULL ? get_key(oh_config.spool, key) : -ENOMEM;
	if (error != 0) {
		tell("the name of a folder there cannot be found", error);
		return false;
	}
	len = strlen(oh_config.spool);
	memcpy(of_user, oh_config.spool, len + 1);
	/* The same name may be another machine there; where it is not known, 0. */
	(void)OH_SYS(newfstatat, AT_FDCWD, "/proc/self/ns/net", &net, 0, 0, 0);
	uint64_t name = oh_destination(key, envp, (uint64_t)net.st_ino);
	oh_config.spool[len++] = '/';
	for (int shift = 60; shift >= 0; shift -= 4)
		oh_config.spool[len++] = digits[name >> shift & 15];
	oh_config.spool[len] = '\0';
	return true;
}

/* Field 22 of proc(5)'s stat: after the name, which may hold anything, the 20th. */
static uint64_t
start_time(void)
{
	char text[1024];
	uint64_t v = 0;

	long fd = oh_sys_openat(AT_FDCWD, "/proc/self/stat", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	long n = oh_sys_read((int)fd, text, sizeof(text) - 1);
	(void)oh_sys_close((int)fd);
	text[n > 0 ? n : 0] = '\0';
	const char *s = strrchr(text, ')');
	for (int i = 0; i < 20 && s != NULL; i++)
		s = strchr(s + 1, ' ');
	if (s != NULL)
		for (s++; *s >= '0' && *s <= '9'; s++)
			v = v * 10 + (uint64_t)(*s - '0');
	return v;
}

/* The path of a file in the spool folder; false if it is too long. */
static bool
in_spool(struct oh_out *o, const char *name)
{
	if (strlen(oh_config.spool) + strlen(name) + 2 >= sizeof(o->text))
		return false;
	oh_out_reset(o);
	oh_out_str(o, oh_config.spool);
	oh_out_str(o, "/");
	oh_out_str(o, name);
	return true;
}

/* False: the folder is not there. */
static bool
leave_marker(void)
{
	struct oh_out name, path;

	oh_out_reset(&name);
	oh_out_u64(&name, (uint64_t)oh_sys_getpid());
	oh_out_str(&name, ".");
	oh_out_u64(&name, start_time());
	oh_out_str(&name, ".process");
	if (!in_spool(&path, name.text))
		return true;
	long fd =
	    oh_sys_openat(AT_FDCWD, path.text, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)
		(void)oh_sys_close((int)fd);
	return fd != -ENOENT;
}

const char *
oh_agent_folder(void)
{
	follow_user();
	if (!find_folder())
		return "";
	/* An agent may remove it as long as it has no marker (tools/spool_user.c). */
	for (int i = 0; i < TRIES; i++) {
		/* One below another that is not there is the user's to make. */
		if (OH_SYS(mkdir, oh_config.spool, 0700, 0, 0, 0, 0) == 0)
			marked = false;
		if (!is_trusted()) {
			tell("the folder belongs to somebody else", 0);
			return "";
		}
		marked = marked || leave_marker();
		if (marked)
			break;
	}
	return oh_config.spool;
}

/* Which number of a process is meant: "NAMESPACE.BOOT", each 0 where it is not to be had. */
static void
add_whose(struct oh_out *o)
{
	char boot[BOOT_CHARS + 1] = "0";
	struct stat st;

	bool known = OH_SYS(newfstatat, AT_FDCWD, "/proc/self/ns/pid", &st, 0, 0, 0) == 0;
	oh_out_u64(o, known ? (uint64_t)st.st_ino : 0);
	long fd =
	    oh_sys_openat(AT_FDCWD, "/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC, 0);
	if (fd >= 0) {
		if (oh_sys_read((int)fd, boot, BOOT_CHARS) != BOOT_CHARS)
			memcpy(boot, "0", 2);
		(void)oh_sys_close((int)fd);
	}
	oh_out_str(o, ".");
	oh_out_str(o, boot);
}

const char *
oh_agent_own_folder(void)
{
	struct oh_out o;

	if (is_trusted() && in_spool(&o, OWN))
		(void)OH_SYS(mkdir, o.text, 0700, 0, 0, 0, 0);
	if (own[0] != '\0')
		return own;
	oh_out_reset(&o);
	oh_out_str(&o, OWN "/");
	oh_out_u64(&o, (uint64_t)oh_sys_getpid());
	oh_out_str(&o, ".");
	oh_out_u64(&o, start_time());
	oh_out_str(&o, ".");
	add_whose(&o);
	if (strlen(o.text) < sizeof(own))
		memcpy(own, o.text, strlen(o.text) + 1);
	return own;
}

/* ---- the agent ------------------------------------------------------------------------ */

/* It does not end before we do, unless it cannot work by its settings or is ended. */
static void
tell_ended(void)
{
	struct oh_out o;

	if (told_ended || oh_config.quiet)
		return;
	told_ended = true;
	oh_out_reset(&o);
	oh_out_str(&o, "otheap: the agent that sends profiles had ended and is started again; "
		       "otheap agent --status says why; they wait in ");
	oh_out_str(&o, oh_config.spool);
	oh_out_line(&o, STDERR_FILENO);
}

bool
oh_agent_lives(void)
{
	struct flock whole = { .l_type = F_WRLCK };
	struct oh_out path;
	bool locked;

	if (!in_spool(&path, LOCK))
		return false;
	long fd = oh_sys_openat(AT_FDCWD, path.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd < 0)
		return false;
	/* Asks only. */
	locked = OH_SYS(fcntl, fd, F_OFD_GETLK, &whole, 0, 0, 0) == 0 && whole.l_type != F_UNLCK;
	(void)oh_sys_close((int)fd);
	return locked;
}

void
oh_agent_call(void)
{
	const char *argv[] = { "otheap", "agent", "--spool", oh_config.spool, "--with-processes",
		NULL, NULL, NULL };
	struct oh_out every;

	if (!is_trusted() || oh_agent_lives())
		return;
	if (started_ms != 0 && oh_sys_now_ms() - started_ms >= STAY_MS)
		tell_ended();
	/* Pyroscope takes none. */
	if (oh_config.metrics_every_s > 0 && strcmp(oh_config.protocol, "pyroscope") != 0) {
		oh_out_reset(&every);
		oh_out_u64(&every, oh_config.metrics_every_s);
		oh_out_str(&every, "s");
		argv[5] = "--metrics";
		argv[6] = every.text;
	}
	int error = oh_launch(argv, true, 0);
	started_ms = error == 0 ? oh_sys_now_ms() : 0;
	if (error == -ENOENT)
		tell("the command otheap is not beside the library (OTHEAP_COMMAND)", 0);
	else if (error < 0)
		tell("the command otheap cannot be started", error);
}

/* Is it a profile that waits, and was there at that time? */
static bool
waits(int dirfd, const char *name, const struct timespec *since)
{
	static const char end[] = ".pb.gz";
	size_t len = strlen(name), n = sizeof(end) - 1;
	struct stat st;

	return name[0] != '.' && len > n && memcmp(name + len - n, end, n) == 0 &&
	       OH_SYS(newfstatat, dirfd, name, &st, AT_SYMLINK_NOFOLLOW, 0, 0) == 0 &&
	       S_ISREG(st.st_mode) &&
	       (st.st_mtim.tv_sec < since->tv_sec ||
		   (st.st_mtim.tv_sec == since->tv_sec && st.st_mtim.tv_nsec <= since->tv_nsec));
}

static bool
any_waits(const struct timespec *since)
{
	static char list[4096] __attribute__((aligned(8)));
	bool any = false;
	long n = 0;

	long dirfd =
	    oh_sys_openat(AT_FDCWD, oh_config.spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (dirfd < 0)
		return false;
	while (!any && (n = OH_SYS(getdents64, dirfd, list, sizeof(list), 0, 0, 0)) > 0)
		for (long at = 0; !any && at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(list + at);

			any = waits((int)dirfd, d->d_name, since);
			at += d->d_reclen;
		}
	(void)oh_sys_close((int)dirfd);
	return any;
}

void
oh_agent_wait(void)
{
	struct timespec since = { 0 };
	struct timespec step = { .tv_nsec = STEP_MS * 1000000L };
	int64_t until = oh_sys_now_ms() + oh_config.exit_timeout_ms, there_ms = started_ms;
	uint32_t never = 0;

	if (oh_sys_getpid() != 1)
		return;
	(void)OH_SYS(clock_gettime, CLOCK_REALTIME, &since, 0, 0, 0, 0);
	/* It removes what it has sent. */
	while (any_waits(&since) && oh_sys_now_ms() < until) {
		if (oh_agent_lives())
			there_ms = oh_sys_now_ms();
		else if (there_ms == 0 || oh_sys_now_ms() - there_ms >= START_MS)
			break;
		(void)OH_SYS(futex, &never, FUTEX_WAIT, 0, &step, 0, 0);
	}
}

void
oh_agent_after_fork(void)
{
	marked = told = told_ended = false;
	started_ms = 0;
	own[0] = '\0';
}
