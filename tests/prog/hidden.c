/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hidden.c MODE - pointers that are hidden, or kept where a leak check may not
 * find them: what it must find (blocks.h).
 *
 *	tags	 in bits that no address needs
 *	packed	 in other forms: whose blocks are called lost
 *	away	 not in the memory of this process: whose blocks are called lost
 *	kernel	 that only the kernel has, and tells
 *	shared	 in memory shared with another process, which wrote them
 *	pages	 in pages with special treatment
 *	huge HOW	 in huge pages: private, unreserved (MAP_NORESERVE), shared;
 *		 asks for a check and writes to them meanwhile
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "blocks.h"

#define PAGE ((size_t)4096)

/* ---- tags -------------------------------------------------------------------- */

ALLOCATE(site_all_low_bits, SIZE)
ALLOCATE(site_top_byte, SIZE)
ALLOCATE(site_lam_57, SIZE)
ALLOCATE(site_nan_box, SIZE)
ALLOCATE(site_nan_box_47, SIZE)
ALLOCATE(site_negative, SIZE)
ALLOCATE(site_counted, SIZE)

static uintptr_t volatile tagged[8];

/* Bits above the three that every block of malloc has free. */
static SITE void *
site_over_aligned(void)
{
	void *p = hide(aligned_alloc(64, 128));

	memset(p, 0, 128);
	return p;
}

static SITE void
keep_tagged(void)
{
	tagged[0] = (uintptr_t)site_all_low_bits() | 7;
	tagged[1] = (uintptr_t)site_top_byte() | (uintptr_t)0xb4 << 56;
	tagged[2] = (uintptr_t)site_lam_57() | (uintptr_t)0x2a << 57;
	tagged[3] = (uintptr_t)site_nan_box() | (uintptr_t)0xfffc << 48;
	tagged[4] = (uintptr_t)site_nan_box_47() | (uintptr_t)0x1fff3 << 47;
	tagged[5] = (uintptr_t)site_negative() | (uintptr_t)1 << 63;
	tagged[6] = (uintptr_t)site_counted() | (uintptr_t)12345 << 48;
	tagged[7] = (uintptr_t)site_over_aligned() | 0x29;
	class("site_all_low_bits", "reached", 1);
	class("site_top_byte", "reached", 1);
	class("site_lam_57", "reached", 1);
	class("site_nan_box", "reached", 1);
	class("site_nan_box_47", "reached", 1);
	class("site_negative", "reached", 1);
	class("site_counted", "reached", 1);
	class("site_over_aligned", "interior", 1);
}

/* ---- packed ------------------------------------------------------------------- */

ALLOCATE(site_base, SIZE)
ALLOCATE(site_offset_32, SIZE)
ALLOCATE(site_scaled_32, SIZE)
ALLOCATE(site_relative, SIZE)
ALLOCATE(site_six_bytes, SIZE)
ALLOCATE(site_shifted, SIZE)
ALLOCATE(site_negated, SIZE)
ALLOCATE(site_mangled, SIZE)
ALLOCATE(site_in_halves, SIZE)
ALLOCATE(site_swapped, SIZE)
ALLOCATE(site_in_text, SIZE)

static void *volatile base;
static uint32_t volatile offsets[4];
static uintptr_t volatile words[4];
static intptr_t volatile relative;
static unsigned char six[4][6] __attribute__((aligned(8)));
static char text[40] __attribute__((aligned(8)));

static SITE void
keep_packed(void)
{
	uintptr_t p;

	base = site_base();
	/* From the beginning of the heap in 32 bits, as managed runtimes do, and in units. */
	p = (uintptr_t)site_offset_32() - (uintptr_t)base;
	CHECK(p <= UINT32_MAX);
	offsets[0] = (uint32_t)p;
	offsets[1] = (uint32_t)(((uintptr_t)site_scaled_32() - (uintptr_t)base) >> 3);
	relative = (intptr_t)site_relative() - (intptr_t)&relative;
	p = (uintptr_t)site_six_bytes();
	memcpy(six[1], &p, 6);
	words[0] = (uintptr_t)site_shifted() << 16 | 77;
	words[1] = ~(uintptr_t)site_negated();
	p = (uintptr_t)site_mangled() ^ MASK;
	words[2] = p << 17 | p >> 47;
	p = (uintptr_t)site_in_halves();
	offsets[2] = (uint32_t)(p >> 32);
	offsets[3] = (uint32_t)p;
	words[3] = __builtin_bswap64((uintptr_t)site_swapped());
	snprintf(text, sizeof(text), "%p", site_in_text());
	class("site_base", "reached", 1);
	class("site_offset_32", "lost", 1);
	class("site_scaled_32", "lost", 1);
	class("site_relative", "lost", 1);
	class("site_six_bytes", "lost", 1);
	class("site_shifted", "lost", 1);
	class("site_negated", "lost", 1);
	class("site_mangled", "lost", 1);
	class("site_in_halves", "lost", 1);
	class("site_swapped", "lost", 1);
	class("site_in_text", "lost", 1);
}

/* ---- away --------------------------------------------------------------------- */

ALLOCATE(site_in_pipe, SIZE)
ALLOCATE(site_in_socket, SIZE)
ALLOCATE(site_in_file, SIZE)
ALLOCATE(site_in_clean_copy, SIZE)
ALLOCATE(site_unmapped, SIZE)
ALLOCATE(site_in_child, SIZE)
ALLOCATE(site_in_signal, SIZE)

static int
open_file(void)
{
	char name[] = "/tmp/otheap-hidden-XXXXXX";
	int fd = mkstemp(name);

	CHECK(fd >= 0 && unlink(name) == 0 && ftruncate(fd, MAP) == 0);
	return fd;
}

static SITE void
put(int fd, void *block)
{
	CHECK(write(fd, &block, sizeof(block)) == sizeof(block));
	block = NULL;
	hide(&block);
}

/* A child that has what we had when it was made, until we end. */
static SITE void
give_to_child(void)
{
	void *volatile p = site_in_child();
	pid_t parent = getpid();

	CHECK(p != NULL);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent) /* or it was gone before */
			pause();
		kill(getpid(), SIGKILL); /* and leave no profile */
	}
	p = NULL; /* here */
}

static SITE void
send_away(void)
{
	int pipes[2], sockets[2], fd = open_file();
	void **m;
	sigset_t set;

	give_to_child();
	CHECK(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
	put(pipes[1], site_in_pipe());
	put(sockets[0], site_in_socket());
	put(fd, site_in_file());
	m = mmap(NULL, MAP, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	m[100] = site_unmapped();
	CHECK(munmap(m, MAP) == 0);
	/* A page of a file, as it is on disk: nobody wrote to it in memory. */
	fd = open_file();
	put(fd, site_in_clean_copy());
	m = mmap(NULL, MAP, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(m != MAP_FAILED && m[0] != NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_ptr = site_in_signal() }) == 0);
	class("site_in_child", "lost", 1);
	class("site_in_pipe", "lost", 1);
	class("site_in_socket", "lost", 1);
	class("site_in_file", "lost", 1);
	class("site_in_clean_copy", "lost", 1);
	class("site_unmapped", "lost", 1);
	class("site_in_signal", "lost", 1);
}

/* ---- kernel ------------------------------------------------------------------- */

ALLOCATE(site_timer, SIZE)

static SITE void
give_to_kernel(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGURG };
	timer_t timer;

	for (int i = 0; i < 300; i++) {
		event.sigev_value.sival_ptr = site_timer();
		CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	}
	class("site_timer", "reached", 300);
}

/* ---- shared -------------------------------------------------------------------- */

ALLOCATE(site_anonymous, SIZE)
ALLOCATE(site_memfd, SIZE)
ALLOCATE(site_disk, SIZE)
ALLOCATE(site_sysv, SIZE)
ALLOCATE(site_own_writing, SIZE)
ALLOCATE(site_shared_no_access, SIZE)

/* Who of us writes to a shared page: that process alone has it in its page table. */
static SITE void
child_writes(void **to, void *block)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0) {
		to[11] = block;
		kill(getpid(), SIGKILL); /* and leaves no profile */
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
}

static SITE void
keep_shared(void)
{
	int memfd = memfd_create("otheap-hidden", MFD_CLOEXEC), disk = open_file();
	int id = shmget(IPC_PRIVATE, MAP, IPC_CREAT | 0600);
	void **m = id < 0 ? (void **)-1 : shmat(id, NULL, 0);

	CHECK(memfd >= 0 && ftruncate(memfd, MAP) == 0);
	CHECK(m != (void *)-1 && shmctl(id, IPC_RMID, NULL) == 0);
	child_writes(m, site_sysv());
	child_writes(map(MAP, MAP_SHARED | MAP_ANONYMOUS, -1), site_anonymous());
	child_writes(map(MAP, MAP_SHARED, disk), site_disk());
	/* Each by a mapping of its own; ours is for reading. */
	m = map(MAP, MAP_SHARED, memfd);
	CHECK(mmap(NULL, MAP, PROT_READ, MAP_SHARED, memfd, 0) != MAP_FAILED);
	child_writes(m, site_memfd());
	CHECK(munmap(m, MAP) == 0);
	m = map(MAP, MAP_SHARED | MAP_ANONYMOUS, -1);
	m[3] = site_own_writing();
	m = map(MAP, MAP_SHARED | MAP_ANONYMOUS, -1);
	m[3] = site_shared_no_access();
	CHECK(mprotect(m, MAP, PROT_NONE) == 0);
	class("site_sysv", "reached", 1);
	class("site_anonymous", "reached", 1);
	class("site_disk", "reached", 1);
	class("site_memfd", "reached", 1);
	class("site_own_writing", "reached", 1);
	class("site_shared_no_access", "reached", 1);
}

/* ---- pages --------------------------------------------------------------------- */

ALLOCATE(site_locked, SIZE)
ALLOCATE(site_transparent, SIZE)
ALLOCATE(site_relro, SIZE)
ALLOCATE(site_between_guards, SIZE)
ALLOCATE(site_in_guard, SIZE)
ALLOCATE(site_paged_out, SIZE)
ALLOCATE(site_moved, SIZE)
ALLOCATE(site_mergeable, SIZE)

static void *relro[1024] __attribute__((aligned(4096)));

static SITE void
keep_in_pages(void)
{
	const int ours = MAP_PRIVATE | MAP_ANONYMOUS;
	const size_t huge = (size_t)2 << 20;
	void **m = map(MAP, ours, -1);

	m[10] = site_locked();
	CHECK(mlock(m, PAGE) == 0);
	uintptr_t at = (uintptr_t)map(2 * huge, ours, -1);
	m = (void **)((at + huge - 1) & ~(huge - 1));
	CHECK(madvise(m, huge, MADV_HUGEPAGE) == 0);
	m[huge / 16] = site_transparent();
	relro[512] = site_relro();
	CHECK(mprotect(relro, sizeof(relro), PROT_READ) == 0);
	/* Guards to both sides; the second had something in it before. */
	m = map(3 * PAGE, ours, -1);
	m[PAGE / 8] = site_between_guards();
	m[2 * PAGE / 8] = site_in_guard();
	CHECK(
	    mprotect(m, PAGE, PROT_NONE) == 0 && mprotect(m + 2 * PAGE / 8, PAGE, PROT_NONE) == 0);
	/* To swap, where there is any. */
	m = map(MAP, ours, -1);
	m[20000] = site_paged_out();
	(void)madvise(m, MAP, MADV_PAGEOUT);
	m = map(MAP, ours, -1);
	m[30000] = site_moved();
	CHECK(mremap(m, MAP, 2 * MAP, MREMAP_MAYMOVE) != MAP_FAILED);
	m = map(MAP, ours, -1);
	m[40] = site_mergeable();
	(void)madvise(m, MAP, MADV_MERGEABLE);
	class("site_locked", "reached", 1);
	class("site_transparent", "reached", 1);
	class("site_relro", "reached", 1);
	class("site_between_guards", "reached", 1);
	class("site_in_guard", "reached", 1);
	class("site_paged_out", "reached", 1);
	class("site_moved", "reached", 1);
	class("site_mergeable", "reached", 1);
}

/* ---- huge ----------------------------------------------------------------------- */

ALLOCATE(site_huge, SIZE)

static int
keep_in_huge(const char *how)
{
	const size_t huge = (size_t)2 << 20;
	int flags = strcmp(how, "shared") == 0 ? MAP_SHARED : MAP_PRIVATE;

	if (strcmp(how, "unreserved") == 0)
		flags |= MAP_NORESERVE;
	void **m = mmap(NULL, huge, PROT_READ | PROT_WRITE,
	    flags | MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT, -1, 0);
	if (m == MAP_FAILED)
		return 3;
	m[huge / 16] = site_huge();
	class("site_huge", "reached", 1);
	ask_for_check();
	for (int i = 0; i < 300000 && profiles() == 0; i++) {
		((volatile char *)m)[i % 4096] = 1;
		usleep(100);
	}
	CHECK(profiles() == 1);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	int rc = 0;

	if (strcmp(mode, "tags") == 0)
		keep_tagged();
	else if (strcmp(mode, "packed") == 0)
		keep_packed();
	else if (strcmp(mode, "away") == 0)
		send_away();
	else if (strcmp(mode, "kernel") == 0)
		give_to_kernel();
	else if (strcmp(mode, "shared") == 0)
		keep_shared();
	else if (strcmp(mode, "pages") == 0)
		keep_in_pages();
	else if (strcmp(mode, "huge") == 0 && argc > 2)
		rc = keep_in_huge(argv[2]);
	else
		return 2;
	scrub();
	return rc != 0 ? rc : bad_count != 0;
}
