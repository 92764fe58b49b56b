#include "wgdev_uapi.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sodium/crypto_scalarmult_curve25519.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "unixsock.h"

#define TURNS     256            /* of at most one buffer, in one step */
#define PEERS_MAX (1u << 20)     /* the kernel's own limit */
#define ALLOWED_MAX (1u << 24)
#define CHANGE_TEXT 512          /* of a request; it has at most about 420 */

static bool path_of(const char *name, char path[PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, WGDEV_UAPI_DIR "/%s.sock", name);

	return strchr(name, '/') == NULL && n > 0 && n < PATH_MAX;
}

bool wgdev_uapi_exists(const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	return path_of(name, path) && stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

bool wgdev_uapi_owner(const char *name, uid_t *uid, gid_t *gid)
{
	char path[PATH_MAX];
	struct stat st;

	if (!path_of(name, path) || stat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	*uid = st.st_uid;
	*gid = st.st_gid;
	return true;
}

static bool number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || n > max)
		return false;
	*out = n;
	return true;
}

static int device_line(const char *key, const char *value, struct wg_device *dev)
{
	uint64_t n;

	if (strcmp(key, "listen_port") == 0) {
		if (!number(value, UINT16_MAX, &n))
			return -EBADMSG;
		dev->listen_port = (uint16_t)n;
	}
	/* Unlike netlink the UAPI does not tell the public key. It is made here, and the private one is gone again. */
	if (strcmp(key, "private_key") == 0) {
		uint8_t private_key[KEY_LEN];
		bool ok = strlen(value) == KEY_HEX && key_from_hex(value, private_key);

		dev->has_public_key = ok && crypto_scalarmult_curve25519_base(dev->public_key, private_key) == 0;
		explicit_bzero(private_key, sizeof(private_key));
		return ok ? 0 : -EBADMSG;
	}
	return 0;
}

static int peer_line(const char *key, const char *value, struct wg_device *dev)
{
	struct wg_peer *peer = &dev->peers[dev->peers_len - 1];
	struct wg_allowedip ip;
	uint64_t n = 0;

	if (strcmp(key, "endpoint") == 0)
		return endpoint_from_text(value, 0, &peer->endpoint) ? 0 : -EBADMSG;
	if (strcmp(key, "allowed_ip") == 0)
		return allowedip_from_text(value, &ip) ? wgdev_add_allowedip(dev, &ip) : -EBADMSG;
	if (strcmp(key, "persistent_keepalive_interval") == 0) {
		if (!number(value, UINT16_MAX, &n))
			return -EBADMSG;
		peer->keepalive_s = (uint16_t)n;
	} else if (strcmp(key, "last_handshake_time_sec") == 0) {
		if (!number(value, INT64_MAX, &peer->last_handshake_s))
			return -EBADMSG;
	} else if (strcmp(key, "rx_bytes") == 0) {
		if (!number(value, UINT64_MAX, &peer->rx_bytes))
			return -EBADMSG;
	} else if (strcmp(key, "tx_bytes") == 0) {
		if (!number(value, UINT64_MAX, &peer->tx_bytes))
			return -EBADMSG;
	}
	return 0;
}

int wgdev_uapi_line(struct wgdev_uapi *u, const char *line, struct wg_device *dev)
{
	char key[40];
	const char *eq = strchr(line, '=');
	size_t len = eq == NULL ? sizeof(key) : (size_t)(eq - line);
	uint8_t public_key[KEY_LEN];
	uint64_t n;

	if (*line == '\0')
		return 0;
	if (len >= sizeof(key))
		return -EBADMSG;
	memcpy(key, line, len);
	key[len] = '\0';
	if (strcmp(key, "errno") == 0) {
		/* Old versions of the daemons print a negative number. */
		const char *value = eq[1] == '-' ? eq + 2 : eq + 1;

		if (!number(value, 4095, &n))
			return -EBADMSG;
		return n == 0 ? 1 : -(int)n;
	}
	if (strcmp(key, "public_key") == 0) {
		if (strlen(eq + 1) != KEY_HEX || !key_from_hex(eq + 1, public_key))
			return -EBADMSG;
		u->in_peer = true;
		if (dev->peers_len >= PEERS_MAX || dev->allowed_len >= ALLOWED_MAX)
			return -E2BIG;
		return wgdev_add_peer(dev, public_key) != NULL ? 0 : -ENOMEM;
	}
	return u->in_peer ? peer_line(key, eq + 1, dev) : device_line(key, eq + 1, dev);
}

static int open_socket(const char *name)
{
	char path[PATH_MAX];

	return path_of(name, path) ? unixsock_connect(path, SOCK_STREAM) : -ENOENT;
}

/* The longest request has 27 KB, and a Unix socket's buffer 208 KiB (net.core.wmem_default): it goes out at once. Where
 * somebody made that smaller it may go out in part: then it failed, and some of its changes may be made. */
static int send_request(int fd, const char *text, size_t len)
{
	ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

	return n < 0 ? -errno : (size_t)n == len ? 0 : -EIO;
}

int wgdev_uapi_start(struct wgdev_uapi *u, const char *name, struct wg_device *dev)
{
	int r;

	memset(u, 0, sizeof(*u));
	wgdev_reset(dev);
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	dev->ifindex = if_nametoindex(name);
	u->fd = open_socket(name);
	if (u->fd < 0) {
		r = u->fd;
		u->fd = -1;
		return r;
	}
	r = send_request(u->fd, "get=1\n\n", 7);
	if (r < 0)
		wgdev_uapi_close(u);
	return r;
}

void wgdev_uapi_close(struct wgdev_uapi *u)
{
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
	u->have = 0;
	explicit_bzero(u->buf, sizeof(u->buf));
}

/* All whole lines in the buffer; the rest moves to its front, and what it leaves behind is wiped. */
static int eat_lines(struct wgdev_uapi *u, struct wg_device *dev)
{
	size_t at = 0;
	int r = 0;
	char *nl;

	while (r == 0 && (nl = memchr(u->buf + at, '\n', u->have - at)) != NULL) {
		*nl = '\0';
		r = wgdev_uapi_line(u, u->buf + at, dev);
		at = (size_t)(nl - u->buf) + 1;
	}
	memmove(u->buf, u->buf + at, u->have - at);
	explicit_bzero(u->buf + u->have - at, at);
	u->have -= at;
	if (r == 0 && u->have == sizeof(u->buf))
		r = -EBADMSG;
	return r;
}

int wgdev_uapi_step(struct wgdev_uapi *u, struct wg_device *dev)
{
	int r = 0;

	/* A daemon that sends faster than this reads shall not keep its caller for ever. */
	for (int turns = 0; r == 0; turns++) {
		ssize_t n;

		if (turns == TURNS)
			return -EAGAIN;
		n = recv(u->fd, u->buf + u->have, sizeof(u->buf) - u->have, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return -EAGAIN;
		if (n <= 0) {
			r = n < 0 ? -errno : -ECONNRESET;
			break;
		}
		u->have += (size_t)n;
		r = eat_lines(u, dev);
	}
	wgdev_uapi_close(u);
	return r > 0 ? 0 : r == -EAGAIN ? -EIO : r;
}

static int wait_readable(int fd, int64_t deadline_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t left = deadline_ms - clock_ms(CLOCK_MONOTONIC);
	int n = left > 0 ? poll(&p, 1, (int)left) : 0;

	if (n < 0 && errno != EINTR)
		return -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

static int finish(struct wgdev_uapi *u, int timeout_ms, struct wg_device *dev)
{
	int64_t deadline = clock_ms(CLOCK_MONOTONIC) + timeout_ms;
	int r;

	while ((r = wgdev_uapi_step(u, dev)) == -EAGAIN) {
		r = wait_readable(u->fd, deadline);
		if (r < 0) {
			wgdev_uapi_close(u);
			break;
		}
	}
	return r;
}

int wgdev_uapi_read(const char *name, int timeout_ms, struct wg_device *dev)
{
	struct wgdev_uapi u;
	int r = wgdev_uapi_start(&u, name, dev);

	return r < 0 ? r : finish(&u, timeout_ms, dev);
}

/* Each a peer of its own in the request, so that they are done one after the other. Returns the length, or more than cap. */
static size_t format_change(char *buf, size_t cap, const struct wg_change *c)
{
	char key[KEY_HEX + 1], text[ENDPOINT_TEXT];
	size_t n = 0;

	key_to_hex(c->public_key, key);
	if (c->endpoint.family != AF_UNSPEC)
		n = (size_t)snprintf(buf, cap, "public_key=%s\nupdate_only=true\nendpoint=%s\n", key,
		    endpoint_to_text(&c->endpoint, text));
	if (c->keepalive_s != 0 && n < cap)
		n += (size_t)snprintf(buf + n, cap - n,
		    "public_key=%s\nupdate_only=true\npersistent_keepalive_interval=0\n"
		    "public_key=%s\nupdate_only=true\npersistent_keepalive_interval=%u\n",
		    key, key, c->keepalive_s);
	return n;
}

size_t wgdev_uapi_format(char *buf, size_t cap, const struct wg_change *changes, size_t n)
{
	size_t head = (size_t)snprintf(buf, cap, "set=1\n"), len = head;

	for (size_t i = 0; i < n && len < cap; i++)
		len += format_change(buf + len, cap - len, &changes[i]);
	if (len == head || len + 2 > cap)
		return 0;
	memcpy(buf + len, "\n", 2);
	return len + 1;
}

int wgdev_uapi_set(const char *name, int timeout_ms, const struct wg_change *changes, size_t n)
{
	char text[WGDEV_UAPI_CHANGES * CHANGE_TEXT];
	size_t len = wgdev_uapi_format(text, sizeof(text), changes, n);
	struct wgdev_uapi u = {.fd = -1};
	struct wg_device none = {0};
	int r;

	if (len == 0)
		return -EINVAL;
	u.fd = open_socket(name);
	if (u.fd < 0)
		return u.fd;
	r = send_request(u.fd, text, len);
	if (r == 0)
		return finish(&u, timeout_ms, &none);
	wgdev_uapi_close(&u);
	return r;
}
