#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	const char *name;
	bool journal;
	bool verbose;
} out = {.name = "wgmeet"};

/* systemd.exec(5): the variable is inherited by those whose standard error is something else by now. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long dev, ino;
	struct stat st;

	return stream != NULL && sscanf(stream, "%lu:%lu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	    st.st_dev == dev && st.st_ino == ino;
}

void log_init(const char *name, bool verbose)
{
	out.name = name;
	out.verbose = verbose;
	out.journal = is_journal();
}

void log_name(const char *name)
{
	out.name = name;
}

/* What is said may be from a file that somebody else wrote, and a terminal obeys more than ASCII's controls: in UTF-8 C1's begin with 0xc2. */
static void quiet(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)text[i];

		if (c < 0x20 || c == 0x7f || (c >= 0x80 && c < 0xa0 && i > 0 && (uint8_t)text[i - 1] == 0xc2))
			text[i] = '?';
	}
}

/* One write(2) a line: lines of several processes on one pipe do not mix. */
static void line(int level, int err, const char *fmt, va_list ap)
{
	char buf[1024];
	size_t n = 0, cap = sizeof(buf) - 1;
	int r;

	if (out.journal)
		r = snprintf(buf, cap, "<%d>", level);
	else
		r = snprintf(buf, cap, "%s: ", out.name);
	n = (size_t)r < cap ? (size_t)r : cap - 1;
	r = vsnprintf(buf + n, cap - n, fmt, ap);
	n = r < 0 ? n : (size_t)r < cap - n ? n + (size_t)r : cap - 1;
	if (err != 0) {
		r = snprintf(buf + n, cap - n, ": %s", strerror(err));
		n = (size_t)r < cap - n ? n + (size_t)r : cap - 1;
	}
	quiet(buf, n);
	buf[n++] = '\n';
	if (write(STDERR_FILENO, buf, n) < 0)
		return; /* nobody to tell it to */
}

#define LINE(level, err)                                                                                     \
	do {                                                                                                 \
		int e_ = (err);                                                                              \
		va_list ap_;                                                                                 \
		va_start(ap_, fmt);                                                                          \
		line((level), e_, fmt, ap_);                                                                 \
		va_end(ap_);                                                                                 \
	} while (0)

void warn(const char *fmt, ...)
{
	LINE(4, errno);
}

void warnx(const char *fmt, ...)
{
	LINE(4, 0);
}

void info(const char *fmt, ...)
{
	LINE(6, 0);
}

void debug(const char *fmt, ...)
{
	if (out.verbose)
		LINE(7, 0);
}

void die(const char *fmt, ...)
{
	LINE(3, errno);
	exit(EXIT_WRONG);
}

void diex(const char *fmt, ...)
{
	LINE(3, 0);
	exit(EXIT_WRONG);
}

void die_usage(const char *fmt, ...)
{
	LINE(3, 0);
	exit(EXIT_USAGE);
}
