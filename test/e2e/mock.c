/* mock ADDR PORT DELAY_MS MODE [KEY MODE]... - a name server for tests of the client, over UDP and TCP. Every key that it
 * is asked for is at 198.18.a.b:c, made of the key's first octets, and answered after DELAY_MS, as MODE says; a KEY (base64)
 * with a MODE of its own as that says. Prints "ready", then a line for each question with its transport and type, until it
 * is killed. In the following, k is the name that was asked for.
 *
 * True:
 *   good          SRV, with address and TXT in the additional section
 *   bare          SRV alone: the address must be asked for
 *   upper         good, but k is in upper case
 *   foreign       good, behind an address and a TXT of other names in the additional section
 *   notruth       an address of another name in the additional section, and none of k: that must be asked for
 *   typefirst     an address and a TXT in the answer section, then SRV
 *   several       SRV of several priorities and weights, of which one counts; the ports of the others are 9
 *   cname         k is a CNAME, and the answer has the other name's records
 *   cnamebare     k is a CNAME, and the other name must be asked for
 *   hostcname     the SRV's target is a CNAME: that is found by asking for the address
 *   both          an AAAA record, 2001:db8::a:b, and an A record
 *   v6            an AAAA record alone
 *   truncate      TC over UDP; good over TCP
 *   big           TC over UDP; good over TCP, with 64 KiB of other records behind
 *   slow          good, after 1.5 s more
 *   existing      as the existing implementation of this naming: SRV only at the padded name, in upper or lower case, its answer
 *                 in lower case; TTL 0; an A is the answer to AAAA, too; the list has the KEYs of the command line;
 *                 NXDOMAIN for everything else
 *   noedns        FORMERR for a question with something behind it; bare for others
 *   badcookie     BADCOOKIE and a server's cookie for a question without it; good with it
 *   nxdomain, servfail, refused
 * Lies:
 *   noaddress     SRV alone, and no address if one asks
 *   otherowner    SRV of another name
 *   otherkey      the TXT names another key
 *   twokeys       one TXT names the key, another one another
 *   typeonly      the answer has a TXT and no SRV
 *   cnameself, cnameloop     k is a CNAME of itself; of another name that is one of k
 *   cnameround    the same, in two answers
 *   pointerloop   a compressed name that points to itself
 *   rdata         an SRV whose length is that of an address
 *   junk          what follows the question is noise
 *   bigjunk       TC over UDP; 64 KiB of noise over TCP
 *   always        TC, and nothing else, over UDP and TCP
 *   tcpsilent, tcpclose      TC over UDP; TCP takes the question and says nothing; or hangs up
 *   garbage       the question is damaged, too
 *   wrongid       the message's number is another
 *   late          good, after 9 s more
 *   silent
 *   port0, loopback, any, multicast, broadcast, linklocal, loopback6, multicast6, mapped      an endpoint where nobody can be
 *   own           10.20.0.1
 *   tunnel, tunnel6          10.20.0.77, fd20::77
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

#define PENDING   8192
#define LIARS     64
#define TYPE_A    1
#define TYPE_CNAME 5
#define TYPE_PTR  12
#define TYPE_TXT  16
#define TYPE_AAAA 28
#define TYPE_SRV  33
#define COOKIE    "sesame!!"
#define MORE_MS   1500
#define LATE_MS   9000

struct pending {
	int64_t due_ms;
	int fd;
	struct sockaddr_storage to;
	socklen_t to_len;
	size_t len;
	uint8_t msg[1232];
};

/* The delay of all in a queue is the same: first in, first out. */
static struct queue {
	int64_t delay_ms;
	size_t head, tail;
	struct pending at[PENDING];
} queues[3] = {{.delay_ms = 0}, {.delay_ms = MORE_MS}, {.delay_ms = LATE_MS}};

static const char *mode_of_all;

static struct liar {
	uint8_t key[KEY_LEN];
	const char *mode;
} liars[LIARS];
static size_t liars_len;

/* A question, and the answer in the making. */
struct answer {
	const char *mode;
	bool tcp, padded, known;
	uint16_t type;
	uint8_t key[KEY_LEN];
	struct name name;  /* that was asked for */
	struct name other; /* "h" before it, or what is behind that: an alias has it */
	bool is_other;     /* "h" stands before the key */
	struct wire_writer w;
	uint16_t counts[3];
	unsigned section;
	uint8_t rcode;
	bool truncated;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool is(const struct answer *a, const char *mode)
{
	return strcmp(a->mode, mode) == 0;
}

static void put_rr(struct answer *a, const struct name *owner, uint16_t type, size_t rdlen)
{
	wire_put(&a->w, owner->wire, owner->len);
	wire_put16(&a->w, type);
	wire_put16(&a->w, 1);
	wire_put32(&a->w, is(a, "existing") ? 0 : 10);
	wire_put16(&a->w, (uint16_t)rdlen);
	a->counts[a->section]++;
}

static void put_a(struct answer *a, const struct name *owner, uint8_t b0, uint8_t b1, uint8_t b2, uint8_t b3)
{
	put_rr(a, owner, TYPE_A, 4);
	wire_put(&a->w, (uint8_t[]){b0, b1, b2, b3}, 4);
}

static void put_aaaa(struct answer *a, const struct name *owner, const char *text)
{
	uint8_t addr[16];

	if (inet_pton(AF_INET6, text, addr) != 1)
		errx(1, "%s", text);
	put_rr(a, owner, TYPE_AAAA, sizeof(addr));
	wire_put(&a->w, addr, sizeof(addr));
}

static void put_addresses(struct answer *a, const struct name *owner)
{
	static const struct {
		const char *mode, *addr;
	} six[] = {{"loopback6", "::1"}, {"multicast6", "ff02::1"}, {"mapped", "::ffff:127.0.0.1"}, {"tunnel6", "fd20::77"}};
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < sizeof(six) / sizeof(*six); i++) {
		if (is(a, six[i].mode)) {
			put_aaaa(a, owner, six[i].addr);
			return;
		}
	}
	if (is(a, "loopback")) {
		put_a(a, owner, 127, 0, 0, 1);
	} else if (is(a, "any")) {
		put_a(a, owner, 0, 0, 0, 0);
	} else if (is(a, "multicast")) {
		put_a(a, owner, 224, 0, 0, 1);
	} else if (is(a, "broadcast")) {
		put_a(a, owner, 255, 255, 255, 255);
	} else if (is(a, "linklocal")) {
		put_a(a, owner, 169, 254, 0, 1);
	} else if (is(a, "own")) {
		put_a(a, owner, 10, 20, 0, 1);
	} else if (is(a, "tunnel")) {
		put_a(a, owner, 10, 20, 0, 77);
	} else {
		if (is(a, "both") || is(a, "v6")) {
			snprintf(text, sizeof(text), "2001:db8::%x:%x", a->key[0], a->key[1]);
			put_aaaa(a, owner, text);
		}
		if (!is(a, "v6"))
			put_a(a, owner, 198, 18, a->key[0], a->key[1]);
	}
}

static void put_srv(struct answer *a, const struct name *owner, uint16_t priority, uint16_t weight, uint16_t port,
    const struct name *target)
{
	put_rr(a, owner, TYPE_SRV, is(a, "rdata") ? 4 : 6u + target->len);
	wire_put16(&a->w, priority);
	wire_put16(&a->w, weight);
	wire_put16(&a->w, port);
	wire_put(&a->w, target->wire, target->len);
}

static void put_cname(struct answer *a, const struct name *owner, const struct name *to)
{
	put_rr(a, owner, TYPE_CNAME, to->len);
	wire_put(&a->w, to->wire, to->len);
}

static void put_txt(struct answer *a, const struct name *owner, bool true_key)
{
	static const char allowed[] = "\x15" "allowed=192.0.2.77/32";
	uint8_t head_of[RECORDS_TXT_HEAD], shown[KEY_LEN];

	memcpy(shown, a->key, KEY_LEN);
	shown[5] ^= !true_key;
	records_txt_head(shown, head_of);
	put_rr(a, owner, TYPE_TXT, sizeof(head_of) + sizeof(allowed) - 1);
	wire_put(&a->w, head_of, sizeof(head_of));
	wire_put(&a->w, allowed, sizeof(allowed) - 1);
}

static uint16_t port_of(const struct answer *a)
{
	return is(a, "port0") ? 0 : (uint16_t)(1024 + a->key[2]);
}

/* The additional section of an SRV whose owner and target that is. */
static void put_additional(struct answer *a, const struct name *owner)
{
	struct name stranger;

	name_prepend("stranger", 8, owner, &stranger);
	a->section = 2;
	if (is(a, "foreign") || is(a, "notruth")) {
		put_a(a, &stranger, 198, 18, 255, 255);
		put_txt(a, &stranger, false);
	}
	if (!is(a, "notruth"))
		put_addresses(a, owner);
	put_txt(a, owner, !is(a, "otherkey"));
	if (is(a, "twokeys"))
		put_txt(a, owner, false);
	while (is(a, "big") && a->w.at < UINT16_MAX - 700u) {
		put_rr(a, &stranger, TYPE_TXT, 256);
		wire_put8(&a->w, 255);
		for (unsigned i = 0; i < 255; i++)
			wire_put8(&a->w, 'x');
	}
}

static void put_noise(struct answer *a)
{
	uint32_t n = 1;

	a->counts[0] = 1;
	a->counts[2] = 2;
	for (unsigned i = is(a, "bigjunk") ? 65000 : 100; i > 0; i--) {
		n = n * 1103515245 + 12345;
		wire_put8(&a->w, (uint8_t)(n >> 16));
	}
}

/* 0xc0 and its own place. */
static void put_pointer_loop(struct answer *a)
{
	wire_put16(&a->w, (uint16_t)(0xc000 | a->w.at));
	wire_put16(&a->w, TYPE_SRV);
	wire_put16(&a->w, 1);
	wire_put32(&a->w, 10);
	wire_put16(&a->w, 0);
	a->counts[0] = 1;
}

static void answer_srv(struct answer *a)
{
	const struct name *owner = &a->name;

	if (is(a, "otherowner") || is(a, "cname")) {
		owner = &a->other;
	} else if (is(a, "upper")) {
		for (size_t i = 0; i < a->name.len; i++)
			if (a->name.wire[i] >= 'a' && a->name.wire[i] <= 'z')
				a->name.wire[i] ^= 0x20;
	}
	if (is(a, "junk") || is(a, "bigjunk")) {
		put_noise(a);
		return;
	}
	if (is(a, "pointerloop")) {
		put_pointer_loop(a);
		return;
	}
	if (is(a, "cname") || is(a, "cnameloop") || is(a, "cnameround") || (is(a, "cnamebare") && !a->is_other))
		put_cname(a, &a->name, &a->other);
	if (is(a, "cnameself"))
		put_cname(a, &a->name, &a->name);
	if (is(a, "cnameloop"))
		put_cname(a, &a->other, &a->name);
	if (is(a, "cnameloop") || is(a, "cnameround") || is(a, "cnameself") || (is(a, "cnamebare") && !a->is_other))
		return;
	if (is(a, "typefirst") || is(a, "typeonly")) {
		put_txt(a, owner, true);
		put_a(a, owner, 198, 18, 255, 255);
	}
	if (is(a, "typeonly"))
		return;
	if (is(a, "several")) {
		put_srv(a, owner, 10, 1000, 9, owner);
		put_srv(a, owner, 5, 1, 9, owner);
		put_srv(a, owner, 5, 20, port_of(a), owner);
		put_srv(a, owner, 5, 10, 9, owner);
		put_srv(a, owner, 6, 65535, 9, owner);
	} else {
		put_srv(a, owner, 0, 0, port_of(a), is(a, "hostcname") ? &a->other : owner);
	}
	if (!is(a, "bare") && !is(a, "noaddress") && !is(a, "hostcname") && !is(a, "noedns"))
		put_additional(a, owner);
}

static void answer_address(struct answer *a)
{
	const struct name *owner = &a->name;

	if (is(a, "noaddress") || (a->type == TYPE_AAAA && !is(a, "existing")))
		return;
	if (is(a, "hostcname") && a->is_other) {
		put_cname(a, &a->name, &a->other);
		owner = &a->other;
	}
	put_addresses(a, owner);
}

/* Of the existing implementation: padded names, whatever its questions' case was. */
static void answer_list(struct answer *a)
{
	for (size_t i = 0; i < liars_len; i++) {
		uint8_t label[KEY_BASE32_PAD] = {[KEY_BASE32] = '=', '=', '=', '='};
		struct name instance;

		key_to_base32(liars[i].key, label);
		name_prepend(label, sizeof(label), &a->name, &instance);
		put_rr(a, &a->name, TYPE_PTR, instance.len);
		wire_put(&a->w, instance.wire, instance.len);
	}
}

static bool read_key(struct answer *a, const struct name *name)
{
	uint8_t len = name->wire[0];

	a->padded = len == KEY_BASE32_PAD && memcmp(name->wire + 1 + KEY_BASE32, "====", 4) == 0;
	return (len == KEY_BASE32 || a->padded) && key_from_base32(name->wire + 1, a->key);
}

/* The question's name, type and key; what mode it has. False: no question. */
static bool read_question(const uint8_t *query, size_t len, struct answer *a)
{
	size_t at = 12;

	while (at < len && query[at] != 0)
		at += query[at] + 1u;
	if (len < 17 || at + 5 > len || at + 1 - 12 > NAME_MAX_LEN)
		return false;
	a->name.len = (uint8_t)(at + 1 - 12);
	for (size_t i = 0; i < a->name.len; i++)
		a->name.wire[i] = name_lower(query[12 + i]);
	a->type = get16(query + at + 1);
	a->is_other = a->name.wire[0] == 1 && a->name.wire[1] == 'h';
	if (a->is_other)
		name_parent(&a->name, &a->other);
	else
		name_prepend("h", 1, &a->name, &a->other);
	a->known = read_key(a, a->is_other ? &a->other : &a->name);
	a->mode = mode_of_all;
	for (size_t i = 0; a->known && i < liars_len; i++)
		if (memcmp(liars[i].key, a->key, KEY_LEN) == 0)
			a->mode = liars[i].mode;
	wire_put(&a->w, query, at + 5);
	return true;
}

/* A server's cookie behind the client's, at the end of the question; `end` is where OPT begins. */
static bool has_cookie(const uint8_t *query, size_t len, size_t end)
{
	return len == end + 11 + 4 + 16 && memcmp(query + len - 8, COOKIE, 8) == 0;
}

static void put_cookie(struct answer *a, const uint8_t client[8])
{
	a->rcode = 7; /* with OPT's part 23 */
	a->counts[2]++;
	wire_put8(&a->w, 0);
	wire_put16(&a->w, 41);
	wire_put16(&a->w, 1232);
	wire_put32(&a->w, 1 << 24);
	wire_put16(&a->w, 4 + 16);
	wire_put16(&a->w, 10);
	wire_put16(&a->w, 16);
	wire_put(&a->w, client, 8);
	wire_put(&a->w, COOKIE, 8);
}

/* Returns the answer's length; 0: none. */
static size_t answer(const uint8_t *query, size_t len, struct answer *a, uint8_t *out, size_t cap)
{
	bool existing;

	a->w = (struct wire_writer){.buf = out, .cap = cap};
	if (!read_question(query, len, a))
		return 0;
	printf("%s %u\n", a->tcp ? "tcp" : "udp", a->type);
	if (is(a, "silent") || (a->tcp && is(a, "tcpsilent")))
		return 0;
	existing = is(a, "existing");
	a->truncated = is(a, "always") ||
	    (!a->tcp && (is(a, "truncate") || is(a, "big") || is(a, "bigjunk") || is(a, "tcpsilent") || is(a, "tcpclose")));
	if (existing && !a->known && a->type == TYPE_PTR && a->name.wire[0] == strlen(RECORDS_SERVICE))
		answer_list(a);
	else if (is(a, "servfail") || is(a, "refused"))
		a->rcode = is(a, "servfail") ? 2 : 5;
	else if (is(a, "noedns") && len > a->w.at)
		a->rcode = 1;
	else if (is(a, "badcookie") && !has_cookie(query, len, a->w.at))
		put_cookie(a, query + len - 8);
	else if (!a->known || is(a, "nxdomain") || (existing && !a->padded))
		a->rcode = 3;
	else if (!a->truncated && a->type == TYPE_SRV)
		answer_srv(a);
	else if (!a->truncated && (a->type == TYPE_A || a->type == TYPE_AAAA))
		answer_address(a);
	if (is(a, "garbage"))
		memset(out + 12, 0xc0, a->w.at - 12);
	if (is(a, "wrongid"))
		out[0] ^= 0x55;
	out[2] = (uint8_t)(0x84 | (query[2] & 1) | (a->truncated ? 2 : 0));
	out[3] = a->rcode;
	put16(out + 4, 1);
	for (size_t i = 0; i < 3; i++)
		put16(out + 6 + 2 * i, a->counts[i]);
	return a->w.at;
}

static void on_udp(int fd)
{
	uint8_t query[1500];
	ssize_t n;

	for (;;) {
		struct answer a = {0};
		struct pending p = {.fd = fd, .to_len = sizeof(p.to)};
		struct queue *q;

		n = recvfrom(fd, query, sizeof(query), MSG_DONTWAIT, (struct sockaddr *)&p.to, &p.to_len);
		if (n < 0)
			return;
		p.len = answer(query, (size_t)n, &a, p.msg, sizeof(p.msg));
		if (p.len == 0)
			continue;
		q = &queues[is(&a, "slow") ? 1 : is(&a, "late") ? 2 : 0];
		p.due_ms = now_ms() + q->delay_ms;
		if (q->tail - q->head < PENDING)
			q->at[q->tail++ % PENDING] = p;
	}
}

/* Sends what is due. Returns how long to wait for the next; -1: there is none. */
static int send_due(void)
{
	int64_t first = -1;

	for (size_t i = 0; i < sizeof(queues) / sizeof(*queues); i++) {
		struct queue *q = &queues[i];

		for (; q->head != q->tail && q->at[q->head % PENDING].due_ms <= now_ms(); q->head++) {
			const struct pending *p = &q->at[q->head % PENDING];

			sendto(p->fd, p->msg, p->len, 0, (const struct sockaddr *)&p->to, p->to_len);
		}
		if (q->head != q->tail) {
			int64_t left = q->at[q->head % PENDING].due_ms - now_ms();

			left = left < 0 ? 0 : left;
			first = first < 0 || left < first ? left : first;
		}
	}
	return (int)first;
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
	static uint8_t out[2 + UINT16_MAX];
	uint8_t query[2 + 1500];
	struct answer a = {.tcp = true};
	size_t len;

	if (recv(fd, query, 2, MSG_WAITALL) != 2)
		return false;
	len = get16(query);
	if (len > 1500 || recv(fd, query + 2, len, MSG_WAITALL) != (ssize_t)len)
		return false;
	len = answer(query + 2, len, &a, out + 2, sizeof(out) - 2);
	if (len == 0)
		return true;
	put16(out, (uint16_t)len);
	return !is(&a, "tcpclose") && send(fd, out, len + 2, MSG_NOSIGNAL) >= 0;
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

	if (argc < 5 || argc % 2 != 1 || argc > 5 + 2 * LIARS || !endpoint_addr_from_text(argv[1], &ep))
		errx(2, "usage: mock ADDR PORT DELAY_MS MODE [KEY MODE]...");
	ep.port = (uint16_t)atoi(argv[2]);
	for (size_t i = 0; i < sizeof(queues) / sizeof(*queues); i++)
		queues[i].delay_ms += atoi(argv[3]);
	mode_of_all = argv[4];
	for (int i = 5; i < argc; i += 2) {
		if (strlen(argv[i]) != KEY_BASE64 || !key_from_base64(argv[i], liars[liars_len].key))
			errx(2, "%s is no key", argv[i]);
		liars[liars_len++].mode = argv[i + 1];
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	watched[0] = (struct pollfd){.fd = open_socket(&ep, SOCK_DGRAM), .events = POLLIN};
	watched[1] = (struct pollfd){.fd = open_socket(&ep, SOCK_STREAM), .events = POLLIN};
	puts("ready");
	for (;;) {
		poll(watched, watched_len, send_due());
		if (watched[0].revents != 0)
			on_udp(watched[0].fd);
		for (nfds_t i = watched_len; i-- > 2;) {
			if (watched[i].revents != 0 && !on_tcp(watched[i].fd)) {
				close(watched[i].fd);
				watched[i] = watched[--watched_len];
			}
		}
		if (watched[1].revents != 0)
			on_accept(watched[1].fd);
	}
}
