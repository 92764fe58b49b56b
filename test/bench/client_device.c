/* client_device NAME DUMP [KEEPALIVE_S [LETTER]] - a userspace WireGuard device that is none: the UAPI socket of NAME, with the
 * keys and allowed IPs of the peers of DUMP (in the form of `wg show DEV dump`), and no endpoints. It does what it is told at
 * once, so that the time is the client's. Prints "ready", and at SIGTERM how it was asked:
 *
 *     N connections, N peers told, N endpoints, N keepalives
 *
 * SIGHUP: no peer has an endpoint again.
 *
 * With a LETTER, 32 of which are its private key, all is well: the endpoints are DUMP's, and of three peers one talks, one is
 * only kept alive, from here, and one had a handshake long ago and is idle since.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "wgdev_dump.h"
#include "wgdev_uapi.h"

#define CONNECTIONS 16
#define REQUEST     (1 << 20) /* octets of a line and what came behind it */

struct client {
	int fd;
	bool setting;
	struct wg_peer *peer; /* that is told of */
	int error;
	size_t have;
	char *buf;
};

static struct wg_device dev;
static uint32_t *table; /* places of peers, from 1, by their keys */
static size_t table_mask;
static struct client clients[CONNECTIONS];
static uint64_t connections, told, endpoints, keepalives;
static volatile sig_atomic_t ended, forget;
static char letter = '@';
static uint64_t well_since_s; /* 0: peers have neither endpoints nor handshakes */

static void on_signal(int signal)
{
	if (signal == SIGHUP)
		forget = 1;
	else
		ended = 1;
}

static size_t place_of(const uint8_t key[KEY_LEN])
{
	uint64_t h;

	memcpy(&h, key, sizeof(h));
	h = (h * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
	while (table[h & table_mask] != 0 && memcmp(dev.peers[table[h & table_mask] - 1].public_key, key, KEY_LEN) != 0)
		h++;
	return h & table_mask;
}

static void read_dump(const char *path, uint16_t keepalive_s)
{
	struct wgdev_dump_stamp stamp = {0};
	const char *what = "";
	size_t line = 0;
	int r = wgdev_dump_read(path, &stamp, &dev, &line, &what);

	if (r < 0)
		errx(1, "%s:%zu: %s %s", path, line, strerror(-r), what);
	for (table_mask = 64; table_mask < 2 * dev.peers_len; table_mask *= 2)
		;
	table = calloc(table_mask--, sizeof(*table));
	if (table == NULL)
		err(1, "memory");
	for (size_t i = 0; i < dev.peers_len; i++) {
		table[place_of(dev.peers[i].public_key)] = (uint32_t)i + 1;
		if (well_since_s == 0)
			dev.peers[i].endpoint = (struct endpoint){0};
		dev.peers[i].keepalive_s = keepalive_s;
		dev.peers[i].last_handshake_s = 0;
	}
}

/* What WireGuard would tell of the i-th peer now, if all is well: see above. Sessions are renewed every 120 s; a handshake has
 * 148 octets and 92, a keepalive 32. */
static void live(struct wg_peer *p, size_t i)
{
	uint64_t now_s = (uint64_t)time(NULL), phase_s = i * 7 % 120, well_s = now_s - well_since_s;
	uint64_t handshakes = (now_s + phase_s) / 120 - (well_since_s + phase_s) / 120 + 1;

	p->last_handshake_s = now_s - (now_s + phase_s) % 120;
	p->tx_bytes = 148 * handshakes;
	p->rx_bytes = 92 * handshakes;
	if (i % 3 == 0) {
		p->tx_bytes += 1000 * well_s;
		p->rx_bytes += 3000 * well_s;
	} else if (i % 3 == 1) {
		p->tx_bytes += p->keepalive_s > 0 ? well_s / p->keepalive_s * 32 : 0;
	} else {
		p->keepalive_s = 0;
		p->last_handshake_s = well_since_s - 600;
		p->tx_bytes = p->rx_bytes = 4096;
	}
}

static void forget_endpoints(void)
{
	for (size_t i = 0; i < dev.peers_len; i++)
		dev.peers[i].endpoint = (struct endpoint){0};
}

static void answer(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static void tell_peer(FILE *out, const struct wg_peer *p)
{
	char key[KEY_HEX + 1], text[ENDPOINT_TEXT > ALLOWEDIP_TEXT ? ENDPOINT_TEXT : ALLOWEDIP_TEXT];

	key_to_hex(p->public_key, key);
	fprintf(out, "public_key=%s\n", key);
	if (p->endpoint.family != AF_UNSPEC)
		fprintf(out, "endpoint=%s\n", endpoint_to_text(&p->endpoint, text));
	fprintf(out, "last_handshake_time_sec=%llu\nlast_handshake_time_nsec=0\ntx_bytes=%llu\nrx_bytes=%llu\n"
	             "persistent_keepalive_interval=%u\n", (unsigned long long)p->last_handshake_s,
	    (unsigned long long)p->tx_bytes, (unsigned long long)p->rx_bytes, p->keepalive_s);
	for (uint32_t i = 0; i < p->allowed_len; i++)
		fprintf(out, "allowed_ip=%s\n", allowedip_to_text(&dev.allowed[p->allowed_off + i], text));
}

static void get(int fd)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		err(1, "memory");
	fputs("private_key=", out);
	for (int i = 0; i < KEY_LEN; i++)
		fprintf(out, "%02x", (unsigned)letter);
	fputs("\nlisten_port=51820\n", out);
	for (size_t i = 0; i < dev.peers_len; i++) {
		if (well_since_s != 0)
			live(&dev.peers[i], i);
		tell_peer(out, &dev.peers[i]);
	}
	fputs("errno=0\n\n", out);
	fclose(out);
	answer(fd, text, len);
	free(text);
}

static int set_line(struct client *c, const char *key, const char *value)
{
	uint8_t public_key[KEY_LEN];
	size_t at;

	if (strcmp(key, "public_key") == 0) {
		if (strlen(value) != KEY_HEX || !key_from_hex(value, public_key))
			return EINVAL;
		at = table[place_of(public_key)];
		c->peer = at != 0 ? &dev.peers[at - 1] : NULL;
		told++;
	} else if (c->peer == NULL) {
		return 0; /* update_only, or of the device */
	} else if (strcmp(key, "endpoint") == 0) {
		endpoints++;
		return endpoint_from_text(value, 0, &c->peer->endpoint) ? 0 : EINVAL;
	} else if (strcmp(key, "persistent_keepalive_interval") == 0) {
		keepalives++;
		c->peer->keepalive_s = (uint16_t)atoi(value);
	}
	return 0;
}

static void on_line(struct client *c, char *line)
{
	char *eq = strchr(line, '='), text[32];

	if (strcmp(line, "get=1") == 0 || strcmp(line, "set=1") == 0) {
		c->setting = line[0] == 's';
		c->peer = NULL;
		c->error = 0;
	} else if (*line == '\0' && c->setting) {
		answer(c->fd, text, (size_t)snprintf(text, sizeof(text), "errno=%d\n\n", c->error));
	} else if (*line == '\0') {
		get(c->fd);
	} else if (eq != NULL && c->setting && c->error == 0) {
		*eq = '\0';
		c->error = set_line(c, line, eq + 1);
	}
}

static void close_client(struct client *c)
{
	close(c->fd);
	c->fd = -1;
}

static void on_octets(struct client *c)
{
	ssize_t n = recv(c->fd, c->buf + c->have, REQUEST - c->have, MSG_DONTWAIT);
	size_t at = 0;
	char *nl;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_client(c);
		return;
	}
	c->have += (size_t)n;
	while ((nl = memchr(c->buf + at, '\n', c->have - at)) != NULL) {
		*nl = '\0';
		on_line(c, c->buf + at);
		at = (size_t)(nl - c->buf) + 1;
	}
	memmove(c->buf, c->buf + at, c->have - at);
	c->have -= at;
	if (c->have == REQUEST)
		close_client(c);
}

static void on_connection(int listener)
{
	for (size_t i = 0; i < CONNECTIONS; i++) {
		struct client *c = &clients[i];

		if (c->fd >= 0)
			continue;
		c->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		c->have = 0;
		if (c->buf == NULL && (c->buf = malloc(REQUEST)) == NULL)
			err(1, "memory");
		connections += c->fd >= 0;
		return;
	}
}

static int listen_at(const char *name)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), WGDEV_UAPI_DIR "/%s.sock", name);
	unlink(sun.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, 64) < 0)
		err(1, "%s", sun.sun_path);
	return fd;
}

static void serve(int listener)
{
	struct pollfd p[1 + CONNECTIONS];
	sigset_t with = {0};
	nfds_t n;

	for (size_t i = 0; i < CONNECTIONS; i++)
		clients[i].fd = -1;
	while (!ended) {
		n = 0;
		for (size_t i = 0; i < CONNECTIONS; i++)
			p[n++] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
		p[n++] = (struct pollfd){.fd = listener, .events = POLLIN};
		if (forget) {
			forget_endpoints();
			forget = 0;
			puts("forgotten");
			fflush(stdout);
		}
		if (ppoll(p, n, NULL, &with) < 0)
			continue;
		for (size_t i = 0; i < CONNECTIONS; i++)
			if (p[i].revents != 0)
				on_octets(&clients[i]);
		if (p[CONNECTIONS].revents != 0)
			on_connection(listener);
	}
}

int main(int argc, char *argv[])
{
	sigset_t held;

	if (argc < 3 || argc > 5)
		errx(2, "usage: client_device NAME DUMP [KEEPALIVE_S [LETTER]]");
	if (argc == 5) {
		letter = argv[4][0];
		well_since_s = (uint64_t)time(NULL);
	}
	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigprocmask(SIG_BLOCK, &held, NULL);
	signal(SIGTERM, on_signal);
	signal(SIGHUP, on_signal);
	read_dump(argv[2], argc > 3 ? (uint16_t)atoi(argv[3]) : 0);
	int listener = listen_at(argv[1]);

	puts("ready");
	fflush(stdout);
	serve(listener);
	printf("%llu connections, %llu peers told, %llu endpoints, %llu keepalives\n", (unsigned long long)connections,
	    (unsigned long long)told, (unsigned long long)endpoints, (unsigned long long)keepalives);
	return 0;
}
