#include "wgdev_dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Digits and nothing else. Three of them a line: strtoull() took a third of the time of all. */
static bool number(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		uint64_t digit = (uint64_t)*text - '0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return false;
		v = 10 * v + digit;
	}
	*out = v;
	return v <= max;
}

/* Cuts at tabs; returns how many fields there are, at most max + 1. */
static size_t split(char *line, char *field[], size_t max)
{
	size_t n = 0;
	char *at;

	while ((at = strsep(&line, "\t")) != NULL) {
		if (n < max)
			field[n] = at;
		if (++n > max)
			break;
	}
	return n;
}

static const char *device_line(char *line, struct wg_device *dev)
{
	char *f[4];
	uint64_t port;

	if (split(line, f, 4) != 4)
		return "a device has 4 fields: is this the output of `wg show DEVICE dump` (not of `all`)?";
	if (strcmp(f[1], "(none)") != 0) {
		if (strlen(f[1]) != KEY_BASE64 || !key_from_base64(f[1], dev->public_key))
			return "field 2 is no public key";
		dev->has_public_key = true;
	}
	if (!number(f[2], UINT16_MAX, &port))
		return "field 3 is no port";
	dev->listen_port = (uint16_t)port;
	return NULL;
}

static const char *allowed_ips(char *list, struct wg_device *dev)
{
	struct wg_allowedip ip;
	char *one;

	if (strcmp(list, "(none)") == 0)
		return NULL;
	while ((one = strsep(&list, ",")) != NULL) {
		if (!allowedip_from_text(one, &ip))
			return "field 4 is no list of allowed IPs";
		if (wgdev_add_allowedip(dev, &ip) < 0)
			return "out of memory";
	}
	return NULL;
}

static const char *peer_line(char *line, struct wg_device *dev)
{
	char *f[8];
	uint8_t key[KEY_LEN];
	struct wg_peer *peer;
	uint64_t keepalive = 0;

	if (split(line, f, 8) != 8)
		return "a peer has 8 fields";
	if (strlen(f[0]) != KEY_BASE64 || !key_from_base64(f[0], key))
		return "field 1 is no public key";
	peer = wgdev_add_peer(dev, key);
	if (peer == NULL)
		return "out of memory";
	if (strcmp(f[2], "(none)") != 0 && !endpoint_from_text(f[2], 0, &peer->endpoint))
		return "field 3 is no endpoint";
	if (!number(f[4], INT64_MAX, &peer->last_handshake_s))
		return "field 5 is no time in seconds";
	if (!number(f[5], UINT64_MAX, &peer->rx_bytes) || !number(f[6], UINT64_MAX, &peer->tx_bytes))
		return "fields 6 and 7 are no numbers of octets";
	if (strcmp(f[7], "off") != 0 && !number(f[7], UINT16_MAX, &keepalive))
		return "field 8 is no keepalive interval";
	peer->keepalive_s = (uint16_t)keepalive;
	return allowed_ips(f[3], dev);
}

int wgdev_dump_parse(char *text, size_t len, struct wg_device *dev, size_t *line, const char **what)
{
	size_t at = 0;

	wgdev_reset(dev);
	*line = len == 0;
	*what = NULL;
	while (at < len && *what == NULL) {
		char *nl = memchr(text + at, '\n', len - at);

		++*line;
		if (nl == NULL || memchr(text + at, '\0', (size_t)(nl - text) - at) != NULL) {
			*what = nl == NULL ? "the last line has no end: the file must be replaced by rename, not rewritten" :
			                     "a NUL character";
			break;
		}
		*nl = '\0';
		*what = *line == 1 ? device_line(text + at, dev) : peer_line(text + at, dev);
		at = (size_t)(nl - text) + 1;
	}
	if (len == 0)
		*what = "the file is empty: the first line must be the device's";
	explicit_bzero(text, len);
	if (*what == NULL)
		return 0;
	return strcmp(*what, "out of memory") == 0 ? -ENOMEM : -EBADMSG;
}

static int64_t nanoseconds(struct timespec ts)
{
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int read_whole(int fd, char *buf, size_t cap, size_t *len)
{
	ssize_t n;

	for (*len = 0; *len < cap; *len += (size_t)n) {
		n = read(fd, buf + *len, cap - *len);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
	}
	return 0;
}

int wgdev_dump_read(const char *path, struct wgdev_dump_stamp *stamp, struct wg_device *dev, size_t *line,
    const char **what)
{
	struct wgdev_dump_stamp now;
	struct stat st;
	size_t len;
	char *text;
	int fd, r;

	*line = 0;
	*what = NULL;
	/* Not blocking: a path that names a pipe shall be an error and not a hang. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	now = (struct wgdev_dump_stamp){.dev = st.st_dev, .ino = st.st_ino, .size = (uint64_t)st.st_size,
	    .mtime_ns = nanoseconds(st.st_mtim), .ctime_ns = nanoseconds(st.st_ctim)};
	if (memcmp(&now, stamp, sizeof(now)) == 0) {
		close(fd);
		return 1;
	}
	text = malloc((size_t)st.st_size + 1);
	if (text == NULL) {
		close(fd);
		return -ENOMEM;
	}
	r = read_whole(fd, text, (size_t)st.st_size, &len);
	close(fd);
	if (r == 0)
		r = wgdev_dump_parse(text, len, dev, line, what);
	explicit_bzero(text, (size_t)st.st_size);
	free(text);
	/* A file that is wrong is not read again before it changes either; one that could not be read is. */
	if (r == 0 || r == -EBADMSG)
		*stamp = now;
	return r;
}
