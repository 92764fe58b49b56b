#include "scrape.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "unixsock.h"

#define FILE_MAX 1024

int scrape_open(const char *path)
{
	int fd = unixsock_connect(path, SOCK_STREAM);

	return fd == -ECONNREFUSED ? -ENOENT : fd; /* it was killed, and its socket is left */
}

static int wait_for(int fd, int64_t until_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t left_ms = until_ms - clock_ms(CLOCK_MONOTONIC);
	int n = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;

	if (n == 0)
		return -ETIMEDOUT;
	return n < 0 && errno != EINTR ? -errno : 0;
}

/* Of ASCII, but for the end of a line, or of Latin 1 in UTF-8, which some terminals obey, too. */
static bool is_control(const uint8_t *at, bool has_next)
{
	return (at[0] < ' ' && at[0] != '\n') || at[0] == 0x7f || (at[0] == 0xc2 && has_next && at[1] >= 0x80 && at[1] < 0xa0);
}

/* Lines of printable octets, the last of which says that it is whole; that one is taken off. */
static bool is_whole(struct metrics *m, size_t from)
{
	const size_t end = sizeof(METRICS_EOF) - 1;

	for (size_t i = from; i < m->len; i++)
		if (is_control((const uint8_t *)m->buf + i, i + 1 < m->len))
			return false;
	if (m->len - from < end || memcmp(m->buf + m->len - end, METRICS_EOF, end) != 0 ||
	    (m->len - from > end && m->buf[m->len - end - 1] != '\n'))
		return false;
	m->len -= end;
	m->buf[m->len] = '\0';
	return true;
}

int scrape_read(int fd, struct metrics *out)
{
	char octets[16384];
	size_t from = out->len;
	int64_t until_ms = clock_ms(CLOCK_MONOTONIC) + SCRAPE_MS;

	for (;;) {
		int e = wait_for(fd, until_ms);
		ssize_t n = e == 0 ? recv(fd, octets, sizeof(octets), MSG_DONTWAIT) : 0;

		if (e < 0)
			return e;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n == 0)
			return is_whole(out, from) ? 0 : -EPROTO;
		if (n > 0)
			metrics_octets(out, octets, (size_t)n);
		if (out->failed)
			return -ENOMEM;
		if (out->len - from > SCRAPE_MAX)
			return -EFBIG;
	}
}

const char *scrape_error(int err)
{
	switch (-err) {
	case ENOENT:
		return "nobody listens there";
	case EACCES:
		return "this user may not ask";
	case EAGAIN:
		return "too many ask already";
	case ETIMEDOUT:
		return "there is no answer: is it stopped?";
	case EPROTO:
		return "what comes is cut off, or no metrics";
	default:
		return strerror(-err);
	}
}

/* ---- passing it on ---- */

static int write_all(int fd, const char *octets, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, octets, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			octets += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int scrape_write(const char *file, const struct metrics *m)
{
	char new[FILE_MAX];
	int fd, e;

	if (file == NULL)
		return write_all(STDOUT_FILENO, m->buf, m->len);
	/* A collector that reads all of a folder takes what ends in .prom, so this must not. */
	if (snprintf(new, sizeof(new), "%s.%ld.new", file, (long)getpid()) >= (int)sizeof(new))
		return -ENAMETOOLONG;
	unlink(new);
	fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	e = write_all(fd, m->buf, m->len);
	if (close(fd) < 0 && e == 0)
		e = -errno;
	if (e == 0 && rename(new, file) < 0)
		e = -errno;
	if (e < 0)
		unlink(new);
	return e;
}
