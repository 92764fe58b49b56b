/* mock ADDR PORT DELAY_MS MODE - a name server for tests of the client, over UDP and TCP. Every key that it is asked for is at
 * 198.18.a.b:c, made of the key's first octets, and answered after DELAY_MS. Prints "ready", then a line for each
 * question with its transport and type, until it is killed.
 *
 * MODE   good          SRV, with address and TXT in the additional section
 *        bare          SRV alone: the address must be asked for
 *        truncate      TC over UDP; good over TCP
 *        otherkey      the TXT names another key
 *        port0, loopback   an endpoint where nobody can be
 *        nxdomain, servfail, refused, silent, garbage
 */
#include <arpa/inet.h>
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"
#include "name.h"
#include "records.h"
#include "wire.h"

#define PENDING 16384
#define TYPE_A  1
#define TYPE_TXT 16
#define TYPE_SRV 33
#define POINTER 0xc00c

static const char *mode;

struct pending {
	int64_t due_ms;
	int fd;
	struct sockaddr_storage to;
	socklen_t to_len;
	size_t len;
	uint8_t msg[512];
};

static struct pending queue[PENDING];
static size_t head, tail; /* the delay is the same for all: first in, first out */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool is(const char *name)
{
	return strcmp(mode, name) == 0;
}

static void put_rr(struct wire_writer *w, uint16_t type, size_t rdlen)
{
	wire_put16(w, POINTER);
	wire_put16(w, type);
	wire_put16(w, 1);
	wire_put32(w, 10);
	wire_put16(w, (uint16_t)rdlen);
}

static void put_address(struct wire_writer *w, const uint8_t key[KEY_LEN])
{
	uint8_t addr[4] = {198, 18, key[0], key[1]};

	if (is("loopback"))
		memcpy(addr, "\x7f\0\0\1", 4);
	put_rr(w, TYPE_A, 4);
	wire_put(w, addr, 4);
}

static void put_srv(struct wire_writer *w, const uint8_t *name, size_t name_len, const uint8_t key[KEY_LEN])
{
	put_rr(w, TYPE_SRV, 6 + name_len);
	wire_put32(w, 0);
	wire_put16(w, is("port0") ? 0 : (uint16_t)(1024 + key[2]));
	wire_put(w, name, name_len);
}

static void put_txt(struct wire_writer *w, const uint8_t key[KEY_LEN])
{
	uint8_t head_of[RECORDS_TXT_HEAD], shown[KEY_LEN];

	memcpy(shown, key, KEY_LEN);
	shown[5] ^= is("otherkey");
	records_txt_head(shown, head_of);
	put_rr(w, TYPE_TXT, sizeof(head_of));
	wire_put(w, head_of, sizeof(head_of));
}

/* Returns the answer's length; 0: none. */
static size_t answer(const uint8_t *query, size_t len, bool tcp, uint8_t *out, size_t cap)
{
	struct wire_writer w = {.buf = out, .cap = cap};
	size_t name_len = 0, at = 12;
	uint16_t type, counts[3] = {0};
	uint8_t key[KEY_LEN], rcode = 0;
	bool known, truncated = !tcp && is("truncate");

	while (at < len && query[at] != 0)
		at += query[at] + 1u;
	name_len = at + 1 - 12;
	if (len < 12 || at + 5 > len || is("silent"))
		return 0;
	type = get16(query + at + 1);
	printf("%s %u\n", tcp ? "tcp" : "udp", type);
	known = query[12] == KEY_BASE32 && key_from_base32(query + 13, key) && !is("nxdomain");
	rcode = is("servfail") ? 2 : is("refused") ? 5 : known ? 0 : 3;
	wire_put(&w, query, at + 5);
	if (is("garbage")) {
		memset(out + 12, 0xc0, at + 5 - 12);
	} else if (rcode == 0 && !truncated && type == TYPE_SRV) {
		put_srv(&w, query + 12, name_len, key);
		counts[0] = 1;
		if (!is("bare")) {
			put_address(&w, key);
			put_txt(&w, key);
			counts[2] = 2;
		}
	} else if (rcode == 0 && !truncated && type == TYPE_A) {
		put_address(&w, key);
		counts[0] = 1;
	}
	out[2] = (uint8_t)(0x84 | (query[2] & 1) | (truncated ? 2 : 0));
	out[3] = rcode;
	put16(out + 4, 1);
	for (size_t i = 0; i < 3; i++)
		put16(out + 6 + 2 * i, counts[i]);
	return w.at;
}

static void on_udp(int fd, int delay_ms)
{
	uint8_t query[1500];
	ssize_t n;

	for (;;) {
		struct pending *p = &queue[tail % PENDING];

		p->to_len = sizeof(p->to);
		n = recvfrom(fd, query, sizeof(query), MSG_DONTWAIT, (struct sockaddr *)&p->to, &p->to_len);
		if (n < 0)
			return;
		p->len = answer(query, (size_t)n, false, p->msg, sizeof(p->msg));
		p->due_ms = now_ms() + delay_ms;
		p->fd = fd;
		if (p->len > 0 && tail - head < PENDING)
			tail++;
	}
}

static struct pollfd watched[2 + 64]; /* UDP, the TCP listener, connections */
static nfds_t watched_len = 2;

static void on_accept(int listener)
{
	int fd = accept(listener, NULL, NULL);

	if (fd >= 0 && watched_len < sizeof(watched) / sizeof(*watched))
		watched[watched_len++] = (struct pollfd){.fd = fd, .events = POLLIN};
	else
		close(fd);
}

/* One query; a test's client sends it whole. Returns false if the connection is over. */
static bool on_tcp(int fd)
{
	uint8_t query[2 + 1500], out[2 + 512];
	size_t len;

	if (recv(fd, query, 2, MSG_WAITALL) != 2)
		return false;
	len = get16(query);
	if (len > 1500 || recv(fd, query + 2, len, MSG_WAITALL) != (ssize_t)len)
		return false;
	len = answer(query + 2, len, true, out + 2, sizeof(out) - 2);
	put16(out, (uint16_t)len);
	return len == 0 || send(fd, out, len + 2, MSG_NOSIGNAL) >= 0;
}

static int open_socket(const struct endpoint *ep, int type)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(ep, &sa);
	int fd = socket(ep->family, type, 0), one = 1, size = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, len) < 0 || (type == SOCK_STREAM && listen(fd, 64) < 0))
		err(1, "socket");
	return fd;
}

int main(int argc, char *argv[])
{
	struct endpoint ep;

	if (argc != 5 || !endpoint_addr_from_text(argv[1], &ep))
		errx(2, "usage: mock ADDR PORT DELAY_MS MODE");
	ep.port = (uint16_t)atoi(argv[2]);
	mode = argv[4];
	setvbuf(stdout, NULL, _IOLBF, 0);
	watched[0] = (struct pollfd){.fd = open_socket(&ep, SOCK_DGRAM), .events = POLLIN};
	watched[1] = (struct pollfd){.fd = open_socket(&ep, SOCK_STREAM), .events = POLLIN};
	puts("ready");
	for (;;) {
		int64_t left = head == tail ? -1 : queue[head % PENDING].due_ms - now_ms();

		poll(watched, watched_len, head == tail ? -1 : left < 0 ? 0 : (int)left);
		if (watched[0].revents != 0)
			on_udp(watched[0].fd, atoi(argv[3]));
		for (nfds_t i = watched_len; i-- > 2;) {
			if (watched[i].revents != 0 && !on_tcp(watched[i].fd)) {
				close(watched[i].fd);
				watched[i] = watched[--watched_len];
			}
		}
		if (watched[1].revents != 0)
			on_accept(watched[1].fd);
		for (; head != tail && queue[head % PENDING].due_ms <= now_ms(); head++) {
			const struct pending *q = &queue[head % PENDING];

			sendto(q->fd, q->msg, q->len, 0, (const struct sockaddr *)&q->to, q->to_len);
		}
	}
}
