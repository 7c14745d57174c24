/* SPDX-License-Identifier: Apache-2.0 */
/*
 * screen.c - the terminal as a page of lines, and its keys.
 *
 * Why no curses: this draws whole pages of text, at most some times a second,
 * and reads a dozen keys.  It takes nine sequences of ECMA-48 and xterm that
 * every terminal in use knows, while ncurses would be a library more to
 * install, and installs signal handlers of its own.  A terminal that says it
 * is none of these (TERM is dumb, unknown or not set) gets plain tables.
 *
 * Signals  SIGWINCH and SIGTSTP are blocked but while we wait for a key, so
 *	that none comes between looking at `redraw` and waiting.  The handlers
 *	of those that end us give the terminal back by themselves, as the program
 *	may be busy for seconds with a file's names; they use nothing that is
 *	not async-signal-safe.
 */
#include "tools/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tools/mem.h"

#define ESCAPE_MS 60 /* a sequence's bytes come together; Escape comes alone */

/* Alternate screen, no cursor, no wrapping at the edge; and back. */
static const char enter[] = "\033[?1049h\033[?25l\033[?7l";
static const char leave[] = "\033[m\033[?7h\033[?25h\033[?1049l";

static struct termios before;
static volatile sig_atomic_t is_open, redraw;
static sigset_t waiting; /* the signal mask while we wait */

static char *page; /* what is to be written */
static size_t page_len, page_cap;
static unsigned page_rows, page_columns, page_row;
static bool in_colour;

bool
oh_screen_usable(void)
{
	static const char *const not [] = { "", "dumb", "unknown", "emacs" };
	const char *term = getenv("TERM");

	for (size_t i = 0; i < OH_ARRAY_LEN(not ); i++)
		if (term == NULL || strcmp(term, not [i]) == 0)
			return false;
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* ---- taking and giving back ----------------------------------------------------------- */

static void
put_all(const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, s, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		s += n;
		len -= (size_t)n;
	}
}

static void
take(void)
{
	struct termios raw = before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO); /* ISIG stays: Ctrl-C and Ctrl-Z are signals */
	raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	put_all(enter, sizeof(enter) - 1);
}

static void
give_back(void)
{
	put_all(leave, sizeof(leave) - 1);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

void
oh_screen_close(void)
{
	if (is_open) {
		is_open = 0;
		give_back();
	}
}

/* Let the signal do what it does by default, now. */
static void
by_default(int signal)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t one;

	(void)sigemptyset(&sa.sa_mask);
	(void)sigaction(signal, &sa, NULL);
	(void)sigemptyset(&one);
	(void)sigaddset(&one, signal);
	(void)raise(signal);
	(void)sigprocmask(SIG_UNBLOCK, &one, NULL);
}

static void
on_end(int signal)
{
	oh_screen_close();
	by_default(signal);
}

static void
handle(int signal, void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler };

	(void)sigfillset(&sa.sa_mask);
	(void)sigaction(signal, &sa, NULL);
}

static void
on_stop(int signal)
{
	int error = errno;

	if (is_open)
		give_back();
	by_default(signal);
	/* Here it goes on after SIGCONT. */
	handle(signal, on_stop);
	if (is_open)
		take();
	redraw = 1;
	errno = error;
}

static void
on_resize(int signal)
{
	(void)signal;
	redraw = 1;
}

void
oh_screen_open(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	const char *no_colour = getenv("NO_COLOR");
	struct sigaction old;
	sigset_t blocked;

	in_colour = no_colour == NULL || *no_colour == '\0';
	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return;
	(void)atexit(oh_screen_close);
	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGWINCH);
	(void)sigaddset(&blocked, SIGTSTP);
	(void)sigprocmask(SIG_BLOCK, &blocked, &waiting);
	(void)sigdelset(&waiting, SIGWINCH);
	(void)sigdelset(&waiting, SIGTSTP);
	for (size_t i = 0; i < OH_ARRAY_LEN(ends); i++)
		if (sigaction(ends[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			handle(ends[i], on_end);
	handle(SIGWINCH, on_resize);
	if (sigaction(SIGTSTP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		handle(SIGTSTP, on_stop);
	is_open = 1;
	take();
}

void
oh_screen_size(unsigned *ret_rows, unsigned *ret_columns)
{
	struct winsize size = { 0 };

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*ret_rows = size.ws_row > 0 ? size.ws_row : 24;
	*ret_columns = size.ws_col > 0 ? size.ws_col : 80;
}

/* ---- drawing --------------------------------------------------------------------------------- */

static void
put(const char *s, size_t len)
{
	page = oh_xgrow(page, &page_cap, page_len + len, 1);
	memcpy(page + page_len, s, len);
	page_len += len;
}

static void
put_string(const char *s)
{
	put(s, strlen(s));
}

void
oh_screen_begin(void)
{
	oh_screen_size(&page_rows, &page_columns);
	page_len = 0;
	page_row = 0;
	put_string("\033[H");
}

/* Bytes of the first `columns` characters.  (A wide one is cut by the terminal.) */
static size_t
cut(const char *s, size_t len, unsigned columns)
{
	size_t i = 0;

	while (i < len && columns > 0) {
		i++;
		while (i < len && ((unsigned char)s[i] & 0xc0) == 0x80)
			i++;
		columns--;
	}
	return i;
}

void
oh_screen_line(const char *text, size_t len, enum oh_screen_look look)
{
	static const char *const on[] = {
		[OH_SCREEN_PLAIN] = "",
		[OH_SCREEN_BOLD] = "\033[1m",
		[OH_SCREEN_REVERSE] = "\033[7m",
		[OH_SCREEN_WARM] = "\033[33m",
	};
	bool marked = look != OH_SCREEN_PLAIN && (look != OH_SCREEN_WARM || in_colour);

	if (page_row >= page_rows)
		return;
	if (page_row++ > 0)
		put_string("\r\n");
	if (marked)
		put_string(on[look]);
	put(text, cut(text, len, page_columns));
	if (marked)
		put_string("\033[m");
	put_string("\033[K");
}

void
oh_screen_end(void)
{
	put_string("\033[J");
	if (is_open)
		put_all(page, page_len);
}

/* ---- keys --------------------------------------------------------------------------------------
 */

static struct {
	unsigned char bytes[64];
	size_t at, len;
} typed;

/* More bytes; false: none in time, or a reason to redraw.  *ret_gone: there is no terminal. */
static bool
wait_bytes(int timeout_ms, int fd, bool *ret_gone)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = fd, .events = POLLIN } };
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	ssize_t n;

	if (redraw || ppoll(fds, 2, &timeout, &waiting) <= 0 || redraw)
		return false;
	if (fds[0].revents == 0)
		return false;
	n = read(STDIN_FILENO, typed.bytes, sizeof(typed.bytes));
	if (n <= 0) {
		*ret_gone = n == 0 || (errno != EINTR && errno != EAGAIN);
		return false;
	}
	typed.at = 0;
	typed.len = (size_t)n;
	return true;
}

static bool
next_byte(int timeout_ms, unsigned char *ret)
{
	bool gone = false;

	if (typed.at == typed.len && !wait_bytes(timeout_ms, -1, &gone))
		return false;
	*ret = typed.bytes[typed.at++];
	return true;
}

/* What follows ESC: CSI or SS3 sequences of the cursor block. */
static int
escape(void)
{
	unsigned char c;
	int number = 0;

	if (!next_byte(ESCAPE_MS, &c))
		return OH_KEY_ESCAPE;
	if (c != '[' && c != 'O')
		return OH_KEY_OTHER;
	while (next_byte(ESCAPE_MS, &c)) {
		if (c >= '0' && c <= '9')
			number = number < 1000 ? number * 10 + c - '0' : number;
		else if (c >= 0x40 && c <= 0x7e)
			break;
	}
	switch (c) {
	case 'A':
		return OH_KEY_UP;
	case 'B':
		return OH_KEY_DOWN;
	case 'H':
		return OH_KEY_HOME;
	case 'F':
		return OH_KEY_END;
	case '~':
		return number == 5                  ? OH_KEY_PAGE_UP
		       : number == 6                ? OH_KEY_PAGE_DOWN
		       : number == 1 || number == 7 ? OH_KEY_HOME
		       : number == 4 || number == 8 ? OH_KEY_END
						    : OH_KEY_OTHER;
	default:
		return OH_KEY_OTHER;
	}
}

int
oh_screen_key(int timeout_ms, int fd)
{
	bool gone = false;
	unsigned char c;

	if (typed.at == typed.len && !wait_bytes(timeout_ms < 0 ? 0 : timeout_ms, fd, &gone)) {
		if (gone)
			return OH_KEY_GONE;
		if (!redraw)
			return OH_KEY_NONE;
		redraw = 0;
		return OH_KEY_REDRAW;
	}
	c = typed.bytes[typed.at++];
	return c == '\033' ? escape() : c == 0 ? OH_KEY_OTHER : c;
}
