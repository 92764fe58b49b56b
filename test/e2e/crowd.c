/* crowd - a zone of many peers, whose keys and endpoints are made of their numbers.
 *
 *     crowd zone ZONE SHARD PEERS                  its master file: SRV, A or AAAA, TXT, and the lists
 *     crowd peers ZONE PEERS                       what wgmeet browse shall say of them: key, name, endpoint, allowed IPs
 *     crowd serve PORT ZONE SHARDS PEERS [PREFIX=MODE]...
 *
 * The server, on 127.0.0.1, over UDP and TCP, gives what fits of a list's peers with it. It prints "ready", then a line for
 * each question with its transport, type and first label. SHARDS is a number, or several with commas: then each question
 * for the TXT moves on to the next. A list with one of these modes is none as it should be (PREFIX *: all):
 *
 *     servfail, refused, silent
 *     close         the connection is closed
 *     slow          after 2 s, in which nothing else is answered either
 *     bare          nothing but the list
 *     otherkey      the TXT of its first peer names another key
 *     strangers     also has targets of another list, of no list, and each of its own 3 times
 *     nxdomain      as if it were not there
 */
#include <arpa/inet.h>
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoint.h"
#include "name.h"
#include "records.h"
#include "wire.h"

enum { TYPE_A = 1, TYPE_SOA = 6, TYPE_PTR = 12, TYPE_TXT = 16, TYPE_AAAA = 28, TYPE_SRV = 33 };
enum { SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5 };

#define TTL_S       10
#define MODES       32
#define CONNECTIONS 16

struct peer {
	uint8_t key[KEY_LEN];
	uint32_t number;
};

static struct name zone, service, sub;
static struct peer *peers; /* in the order of their keys, which is that of their names */
static size_t peers_len;
static unsigned shards[8], shards_len, shard_at;
static struct {
	const char *prefix, *mode;
} modes[MODES];
static size_t modes_len;

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, KEY_LEN);
}

static void make_peers(size_t n)
{
	peers = calloc(n, sizeof(*peers));
	if (peers == NULL)
		err(1, "%zu peers", n);
	for (peers_len = 0; peers_len < n; peers_len++) {
		uint64_t x = peers_len + 1;

		peers[peers_len].number = (uint32_t)peers_len;
		for (size_t i = 0; i < KEY_LEN; i++) {
			x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9 + 0x9e3779b97f4a7c15;
			peers[peers_len].key[i] = (uint8_t)(x >> 56);
		}
	}
	qsort(peers, n, sizeof(*peers), by_key);
}

static struct endpoint endpoint_of(const struct peer *p)
{
	struct endpoint ep = {.family = AF_INET, .port = (uint16_t)(1024 + p->number % 60000)};
	uint8_t six[16] = {0x20, 0x01, 0x0d, 0xb8};

	if (p->number % 5 == 0) {
		ep.family = AF_INET6;
		memcpy(ep.addr, six, sizeof(six));
		put32(ep.addr + 12, p->number + 1);
	} else {
		put32(ep.addr, 0xc6120000 + p->number % 0x1ffff); /* 198.18.0.0/15 */
	}
	return ep;
}

static const char *allowed_of(const struct peer *p, char out[64])
{
	snprintf(out, 64, "10.%u.%u.%u/32,fd00::%x:%x/128", p->number >> 16, p->number >> 8 & 255, p->number & 255,
	    (p->number >> 16) + 1, p->number & 65535);
	return out;
}

static const char *label_of(const struct peer *p, char out[KEY_BASE32 + 1])
{
	key_to_base32(p->key, (uint8_t *)out);
	out[KEY_BASE32] = '\0';
	return out;
}

/* ---- as text ---- */

static void print_peers(bool as_zone, const char *zone_text, unsigned shard)
{
	char label[KEY_BASE32 + 1], allowed[64], key[KEY_BASE64 + 1], ep[ENDPOINT_TEXT];

	for (size_t i = 0; i < peers_len; i++) {
		struct endpoint at = endpoint_of(&peers[i]);

		label_of(&peers[i], label);
		allowed_of(&peers[i], allowed);
		key_text(peers[i].key, key);
		if (!as_zone) {
			printf("%s %s._wireguard._udp.%s %s %s\n", key, label, zone_text, endpoint_to_text(&at, ep), allowed);
			continue;
		}
		printf("%s SRV 0 0 %u %s\n%s %s %s\n%s TXT \"txtvers=1\" \"pub=%s\" \"allowed=%s\"\n", label, at.port, label, label,
		    at.family == AF_INET ? "A" : "AAAA", endpoint_addr_to_text(&at, ep), label, key, allowed);
		if (shard == 0)
			printf("@ PTR %s\n", label);
		else
			printf("_%.*s._sub PTR %s\n", (int)shard, label, label);
	}
}

static void print_zone(const char *zone_text, unsigned shard)
{
	printf("$TTL %u\n%s. SOA ns.example.net. hostmaster.example.net. 1 3600 600 86400 %u\n%s. NS ns.example.net.\n", TTL_S,
	    zone_text, TTL_S, zone_text);
	printf("$ORIGIN _wireguard._udp.%s.\n@ TXT \"txtvers=1\" \"shard=%u\"\n", zone_text, shard);
	print_peers(true, zone_text, shard);
}

/* ---- the server ---- */

struct answer {
	bool tcp;
	uint16_t type, counts[3];
	struct name name;
	struct wire_writer w;
	const char *mode;
	uint8_t rcode;
	bool truncated;
};

static bool is(const struct answer *a, const char *mode)
{
	return strcmp(a->mode, mode) == 0;
}

/* The owner is the name that stands at `at`. */
static void put_rr(struct answer *a, unsigned section, size_t at, uint16_t type, size_t rdlen)
{
	wire_put16(&a->w, (uint16_t)(0xc000 | at));
	wire_put16(&a->w, type);
	wire_put16(&a->w, 1);
	wire_put32(&a->w, TTL_S);
	wire_put16(&a->w, (uint16_t)rdlen);
	a->counts[section] += !a->w.bad;
}

static void put_label(struct answer *a, const char *label)
{
	wire_put8(&a->w, (uint8_t)strlen(label));
	wire_put(&a->w, label, strlen(label));
}

static void put_srv(struct answer *a, unsigned section, size_t at, const struct peer *p)
{
	char label[KEY_BASE32 + 1];

	put_rr(a, section, at, TYPE_SRV, 6u + 1 + KEY_BASE32 + service.len);
	wire_put32(&a->w, 0);
	wire_put16(&a->w, endpoint_of(p).port);
	put_label(a, label_of(p, label));
	wire_put(&a->w, service.wire, service.len);
}

static void put_address(struct answer *a, unsigned section, size_t at, const struct peer *p)
{
	struct endpoint ep = endpoint_of(p);
	size_t len = ep.family == AF_INET ? 4 : 16;

	put_rr(a, section, at, ep.family == AF_INET ? TYPE_A : TYPE_AAAA, len);
	wire_put(&a->w, ep.addr, len);
}

static void put_txt(struct answer *a, unsigned section, size_t at, const struct peer *p, bool true_key)
{
	uint8_t head[RECORDS_TXT_HEAD], shown[KEY_LEN];
	char allowed[64], text[80];

	memcpy(shown, p->key, KEY_LEN);
	shown[5] ^= !true_key;
	records_txt_head(shown, head);
	snprintf(text, sizeof(text), "allowed=%s", allowed_of(p, allowed));
	put_rr(a, section, at, TYPE_TXT, sizeof(head) + 1 + strlen(text));
	wire_put(&a->w, head, sizeof(head));
	put_label(a, text);
}

/* With the answer of a list: whole peers, as many as there is room for. */
static void put_additionals(struct answer *a, const struct peer *p, size_t at, bool true_key)
{
	struct answer before = *a;

	put_srv(a, 2, at, p);
	put_address(a, 2, at, p);
	put_txt(a, 2, at, p, true_key);
	if (a->w.bad)
		*a = before;
}

static size_t put_target(struct answer *a, const char *label, size_t service_at)
{
	put_rr(a, 0, 12, TYPE_PTR, 1 + strlen(label) + 2);
	put_label(a, label);
	wire_put16(&a->w, (uint16_t)(0xc000 | service_at));
	return a->w.at - 2 - strlen(label) - 1;
}

/* The first peer whose key is not before those with the prefix. */
static size_t find_first(const char *prefix)
{
	uint8_t label[KEY_BASE32], key[KEY_LEN];
	size_t from = 0, to = peers_len;

	memset(label, 'a', sizeof(label)); /* 0 */
	memcpy(label, prefix, strlen(prefix));
	if (!key_from_base32(label, key))
		return peers_len;
	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (by_key(&peers[middle], key) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static void put_list(struct answer *a, const char *prefix)
{
	size_t service_at = 12u + a->name.len - service.len, n = 0, first = find_first(prefix);
	size_t *at = calloc(peers_len + 1, sizeof(*at));
	char label[KEY_BASE32 + 1];

	if (at == NULL)
		err(1, "a list");
	for (size_t i = first; i < peers_len && strncmp(label_of(&peers[i], label), prefix, strlen(prefix)) == 0; i++) {
		at[n++] = put_target(a, label, service_at);
		for (int k = 0; k < 2 && is(a, "strangers"); k++)
			put_target(a, label, service_at);
		if (is(a, "strangers")) {
			label[0] ^= 1;
			put_target(a, label, service_at);
			put_target(a, "stray", service_at + 1 + strlen(RECORDS_SERVICE));
		}
	}
	if (n == 0 || is(a, "nxdomain"))
		a->rcode = NXDOMAIN;
	a->truncated = a->w.bad;
	for (size_t i = 0; i < n && !a->w.bad && !is(a, "bare"); i++)
		put_additionals(a, &peers[first + i], at[i], i > 0 || !is(a, "otherkey"));
	free(at);
}

static void answer_peer(struct answer *a)
{
	uint8_t key[KEY_LEN];
	const struct peer *p = NULL;

	if (a->name.wire[0] == KEY_BASE32 && key_from_base32(a->name.wire + 1, key))
		p = bsearch(key, peers, peers_len, sizeof(*peers), by_key);
	if (p == NULL) {
		a->rcode = NXDOMAIN;
	} else if (a->type == TYPE_SRV) {
		put_srv(a, 0, 12, p);
		put_address(a, 2, 12, p);
		put_txt(a, 2, 12, p, true);
	}
}

static void answer_service(struct answer *a)
{
	static const char text[] = "\x09" RECORDS_TXTVERS "\x07" "shard=";

	if (a->type == TYPE_PTR && shards[shard_at] == 0) {
		put_list(a, "");
	} else if (a->type == TYPE_TXT) {
		put_rr(a, 0, 12, TYPE_TXT, sizeof(text));
		wire_put(&a->w, text, sizeof(text) - 1);
		wire_put8(&a->w, (uint8_t)('0' + shards[shard_at]));
		shard_at += shard_at + 1 < shards_len;
	}
}

static void answer_list(struct answer *a)
{
	char prefix[NAME_LABEL + 1] = "";
	unsigned depth = a->name.wire[0] - 1u;

	memcpy(prefix, a->name.wire + 2, depth);
	for (size_t i = 0; i < modes_len; i++)
		if (strcmp(modes[i].prefix, prefix) == 0 || strcmp(modes[i].prefix, "*") == 0)
			a->mode = modes[i].mode;
	if (depth != shards[shard_at])
		a->rcode = NXDOMAIN;
	else if (is(a, "servfail") || is(a, "refused"))
		a->rcode = is(a, "servfail") ? SERVFAIL : REFUSED;
	else
		put_list(a, prefix);
}

/* Returns the answer's length; 0: none. */
static size_t answer(const uint8_t *query, size_t len, struct answer *a, uint8_t *out, size_t cap)
{
	struct name parent;
	size_t at = 12;

	while (at < len && query[at] != 0)
		at += query[at] + 1u;
	if (len < 17 || at + 5 > len || at + 1 - 12 > NAME_MAX_LEN)
		return 0;
	a->name.len = (uint8_t)(at + 1 - 12);
	for (size_t i = 0; i < a->name.len; i++)
		a->name.wire[i] = name_lower(query[12 + i]);
	a->type = get16(query + at + 1);
	a->mode = "";
	a->w = (struct wire_writer){.buf = out, .cap = cap};
	wire_put(&a->w, query, at + 5);
	printf("%s %u %.*s\n", a->tcp ? "tcp" : "udp", a->type, a->name.wire[0], (const char *)a->name.wire + 1);
	if (name_equal(&a->name, &service))
		answer_service(a);
	else if (name_parent(&a->name, &parent) && name_equal(&parent, &sub))
		answer_list(a);
	else
		answer_peer(a);
	if (a->truncated) {
		memset(a->counts, 0, sizeof(a->counts));
		a->w.at = at + 5;
	}
	out[2] = (uint8_t)(0x84 | (query[2] & 1) | (a->truncated ? 2 : 0));
	out[3] = a->rcode;
	put16(out + 4, 1);
	for (size_t i = 0; i < 3; i++)
		put16(out + 6 + 2 * i, a->counts[i]);
	return is(a, "silent") ? 0 : a->w.at;
}

static void on_udp(int fd)
{
	uint8_t query[1500], out[1232];
	struct sockaddr_storage to;
	socklen_t to_len = sizeof(to);
	struct answer a = {0};
	ssize_t n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&to, &to_len);
	size_t len = n < 0 ? 0 : answer(query, (size_t)n, &a, out, sizeof(out));

	if (len > 0)
		sendto(fd, out, len, 0, (struct sockaddr *)&to, to_len);
}

/* False if the connection is over. */
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
	put16(out, (uint16_t)len);
	if (is(&a, "slow"))
		sleep(2);
	return !is(&a, "close") && (len == 0 || send(fd, out, len + 2, MSG_NOSIGNAL) >= 0);
}

static int open_socket(uint16_t port, int type)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, type, 0), one = 1, size = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || (type == SOCK_STREAM && listen(fd, CONNECTIONS) < 0))
		err(1, "socket");
	return fd;
}

_Noreturn static void serve(uint16_t port)
{
	struct pollfd p[2 + CONNECTIONS] = {{.fd = open_socket(port, SOCK_DGRAM), .events = POLLIN},
	    {.fd = open_socket(port, SOCK_STREAM), .events = POLLIN}};
	nfds_t n = 2;

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	for (;;) {
		poll(p, n, -1);
		if (p[0].revents != 0)
			on_udp(p[0].fd);
		for (nfds_t i = n; i-- > 2;) {
			if (p[i].revents != 0 && !on_tcp(p[i].fd)) {
				close(p[i].fd);
				p[i] = p[--n];
			}
		}
		if (p[1].revents != 0 && n < 2 + CONNECTIONS)
			p[n++] = (struct pollfd){.fd = accept(p[1].fd, NULL, NULL), .events = POLLIN};
	}
}

static void set_zone(const char *text)
{
	if (!name_from_text(text, &zone) || !records_service_name(&zone, &service) || !name_prepend("_sub", 4, &service, &sub))
		errx(2, "%s is no zone", text);
}

int main(int argc, char *argv[])
{
	if (argc == 5 && strcmp(argv[1], "zone") == 0) {
		make_peers(strtoul(argv[4], NULL, 10));
		print_zone(argv[2], (unsigned)atoi(argv[3]));
	} else if (argc == 4 && strcmp(argv[1], "peers") == 0) {
		make_peers(strtoul(argv[3], NULL, 10));
		print_peers(false, argv[2], 0);
	} else if (argc >= 6 && argc <= 6 + MODES && strcmp(argv[1], "serve") == 0) {
		set_zone(argv[3]);
		for (const char *s = argv[4]; s != NULL && shards_len < 8; s = strchr(s, ',') != NULL ? strchr(s, ',') + 1 : NULL)
			shards[shards_len++] = (unsigned)atoi(s);
		make_peers(strtoul(argv[5], NULL, 10));
		for (int i = 6; i < argc; i++) {
			modes[modes_len].prefix = strsep(&argv[i], "=");
			modes[modes_len++].mode = argv[i] != NULL ? argv[i] : "";
		}
		serve((uint16_t)atoi(argv[2]));
	} else {
		errx(2, "usage: crowd zone|peers|serve ...");
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
