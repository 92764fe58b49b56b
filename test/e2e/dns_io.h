/* What the helpers that speak DNS by hand share (limits.c, tcp_bounds.c, probes.c): messages, sockets, counting.
 *
 * A message is built in the order of its octets:
 *
 *     len = dns_query(msg, id, "a.test", 6);              header and question, RD clear
 *     len = dns_opt(msg, len, 1232, 0, options, n);       and an OPT, counted in the header
 */
#ifndef WGMEET_TEST_DNS_IO_H
#define WGMEET_TEST_DNS_IO_H

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"
#include "wire.h"

#define MESSAGE     65535
#define PATIENCE_MS 5000 /* for what must come */

#define FLAG_TC  0x02
#define FLAG_AA  0x04
#define TYPE_OPT 41
#define COOKIE_OPTION 10

/* ---- counting ---- */

static unsigned failures;

static bool check(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3), unused));
static bool check(bool ok, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf(ok ? "ok - " : "not ok - ");
	vprintf(fmt, ap);
	printf("\n");
	fflush(stdout);
	va_end(ap);
	failures += !ok;
	return ok;
}

static inline int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* ---- messages ---- */

/* "a.b" with or without the last dot; "" and "." are the root. No escapes. Returns the octet behind. */
static inline uint8_t *dns_name(uint8_t *p, const char *name)
{
	for (size_t n; *name != '\0'; name += n + (name[n] == '.')) {
		n = strcspn(name, ".");
		if (n == 0)
			continue;
		*p++ = (uint8_t)n;
		p = put_bytes(p, name, n);
	}
	*p++ = 0;
	return p;
}

static inline size_t dns_query(uint8_t *msg, uint16_t id, const char *name, uint16_t type)
{
	uint8_t *p = put16(put16(put16(msg, id), 0), 1);

	p = put32(put16(p, 0), 0);
	p = put16(put16(dns_name(p, name), type), 1);
	return (size_t)(p - msg);
}

/* `ttl`: the extended RCODE, version and flags. */
static inline size_t dns_opt(uint8_t *msg, size_t len, uint16_t size, uint32_t ttl, const void *options, size_t options_len)
{
	uint8_t *p = msg + len;

	*p++ = 0;
	p = put16(put32(put16(put16(p, TYPE_OPT), size), ttl), (uint16_t)options_len);
	p = options_len > 0 ? put_bytes(p, options, options_len) : p;
	put16(msg + 10, (uint16_t)(get16(msg + 10) + 1));
	return (size_t)(p - msg);
}

static inline bool skip_rr_name(struct wire_reader *r)
{
	for (;;) {
		uint8_t n = wire_get8(r);

		if (r->bad || n == 0)
			return !r->bad;
		if (n >= 0xc0) {
			wire_skip(r, 1);
			return !r->bad;
		}
		wire_skip(r, n);
	}
}

/* What an answer has: the OPT, if there is one, and whether it all can be stepped through. */
struct dns_answer {
	bool sound, has_opt;
	uint16_t rcode; /* with the OPT's part */
	uint16_t counts[4];
	uint16_t opt_size;
	uint32_t opt_ttl;
	const uint8_t *options;
	size_t options_len;
};

static inline void dns_read_record(struct wire_reader *r, struct dns_answer *a)
{
	uint16_t type, class, rdlen;
	uint32_t ttl;
	const uint8_t *rdata;

	skip_rr_name(r);
	type = wire_get16(r);
	class = wire_get16(r);
	ttl = wire_get32(r);
	rdlen = wire_get16(r);
	rdata = wire_skip(r, rdlen);
	if (r->bad || type != TYPE_OPT)
		return;
	a->has_opt = true;
	a->opt_size = class;
	a->opt_ttl = ttl;
	a->options = rdata;
	a->options_len = rdlen;
	a->rcode |= (uint16_t)(ttl >> 24 << 4);
}

static inline struct dns_answer dns_read(const uint8_t *msg, size_t len)
{
	struct wire_reader r = {.buf = msg, .len = len, .at = 12};
	struct dns_answer a = {0};

	if (len < 12)
		return a;
	a.rcode = msg[3] & 0x0f;
	for (size_t i = 0; i < 4; i++)
		a.counts[i] = get16(msg + 4 + 2 * i);
	for (unsigned i = 0; i < a.counts[0]; i++) {
		skip_rr_name(&r);
		wire_skip(&r, 4);
	}
	for (unsigned i = 0; i < (unsigned)a.counts[1] + a.counts[2] + a.counts[3] && !r.bad; i++)
		dns_read_record(&r, &a);
	a.sound = !r.bad && r.at == len;
	return a;
}

/* The data of an option of the answer; NULL: it has none. */
static inline const uint8_t *dns_option(const struct dns_answer *a, uint16_t code, size_t *len)
{
	struct wire_reader r = {.buf = a->options, .len = a->options_len};

	while (a->has_opt && !r.bad && r.at < r.len) {
		uint16_t found = wire_get16(&r);
		const uint8_t *data;

		*len = wire_get16(&r);
		data = wire_skip(&r, *len);
		if (found == code)
			return data;
	}
	return NULL;
}

/* ---- sockets ---- */

static inline socklen_t dns_address(const char *text, uint16_t port, struct sockaddr_storage *sa)
{
	struct endpoint ep;

	if (!endpoint_addr_from_text(text, &ep))
		errx(1, "%s: no address", text);
	ep.port = port;
	return endpoint_to_sockaddr(&ep, sa);
}

/* From `from` (NULL: wherever), not connected. */
static inline int dns_socket(int type, const char *from, const char *to)
{
	struct sockaddr_storage sa;
	socklen_t len = dns_address(from != NULL ? from : to, 0, &sa);
	int fd = socket(sa.ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	/* A port is chosen when the connection is: one source has more than 28,000 of them then. */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
	if (from != NULL && bind(fd, (struct sockaddr *)&sa, len) < 0)
		err(1, "bind %s", from);
	return fd;
}

static inline int dns_connect(int type, const char *from, const char *to, uint16_t port)
{
	struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	struct sockaddr_storage sa;
	socklen_t len = dns_address(to, port, &sa);
	int fd = dns_socket(type, from, to);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (connect(fd, (struct sockaddr *)&sa, len) < 0)
		err(1, "connect %s", to);
	return fd;
}

static inline size_t read_all(int fd, uint8_t *buf, size_t len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = recv(fd, buf + at, len - at, 0);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	return at;
}

/* The next message of a connection; 0: it has ended, or nothing came. */
static inline size_t tcp_read(int fd, uint8_t *buf)
{
	uint8_t len[2];

	if (read_all(fd, len, 2) != 2 || read_all(fd, buf, get16(len)) != get16(len))
		return 0;
	return get16(len);
}

static inline bool tcp_write(int fd, const uint8_t *msg, size_t len)
{
	static uint8_t frame[2 + MESSAGE];

	memcpy(put16(frame, (uint16_t)len), msg, len);
	return send(fd, frame, 2 + len, MSG_NOSIGNAL) == (ssize_t)(2 + len);
}

/* One question, one answer; 0: none. */
static inline size_t dns_ask(int fd, bool tcp, const uint8_t *query, size_t len, uint8_t *answer)
{
	ssize_t n;

	if (tcp)
		return tcp_write(fd, query, len) ? tcp_read(fd, answer) : 0;
	if (send(fd, query, len, 0) != (ssize_t)len)
		return 0;
	n = recv(fd, answer, MESSAGE, 0);
	return n > 0 ? (size_t)n : 0;
}

/* The n-th address of the loopback network 127.net: each is another source. */
static inline const char *numbered(unsigned net, unsigned n)
{
	static char text[32];

	snprintf(text, sizeof(text), "127.%u.%u.%u", net, n / 250, n % 250 + 1);
	return text;
}

static inline const char *dns_rcode(unsigned rcode)
{
	static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};

	return rcode < 6 ? names[rcode] : rcode == 16 ? "BADVERS" : rcode == 23 ? "BADCOOKIE" : "?";
}

static inline uint16_t dns_type(const char *text)
{
	static const struct {
		const char *name;
		uint16_t type;
	} types[] = {{"A", 1}, {"NS", 2}, {"SOA", 6}, {"PTR", 12}, {"TXT", 16}, {"AAAA", 28}, {"SRV", 33}, {"ANY", 255}};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(types[i].name, text) == 0)
			return types[i].type;
	return (uint16_t)atoi(text);
}

#endif
