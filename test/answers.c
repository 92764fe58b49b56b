#include "answers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "wire.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

static const uint64_t seed[2] = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)};

/* ---- zones ---- */

static uint64_t spread(uint64_t x) /* splitmix64 */
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

void made_key(size_t n, uint8_t key[KEY_LEN])
{
	for (size_t i = 0; i < KEY_LEN / 8; i++) {
		uint64_t v = spread(n * 4 + i);

		memcpy(key + i * 8, &v, 8);
	}
}

uint16_t made_port(size_t n)
{
	return (uint16_t)(1 + n % 65535);
}

const char *made_address(size_t n, char out[ENDPOINT_TEXT])
{
	unsigned hi = (unsigned)(n >> 8), lo = (unsigned)(n & 0xff);

	/* Each group of the IPv6 one is not 0, so that there is one way to write it. */
	if (n % 4 == 1)
		snprintf(out, ENDPOINT_TEXT, "2001:db8::%x:%x", hi + 1, lo + 1);
	else
		snprintf(out, ENDPOINT_TEXT, "198.18.%u.%u", hi % 256, lo);
	return out;
}

bool made_has_endpoint(size_t n)
{
	return n % 16 != 15;
}

void zone_prepare(struct made_zone *z, const char *name, const char *name_server)
{
	memset(z, 0, sizeof(*z));
	z->conf.ttl_s = 10;
	z->conf.list_max = RECORDS_LIST_MAX;
	z->conf.padded_names = true;
	z->conf.name_servers.len = 1;
	if (!name_from_text(name, &z->conf.name) ||
	    !name_from_text(name_server != NULL ? name_server : "ns.example.net", &z->conf.name_servers.at[0].name))
		diex("%s: no name", name);
	endpoint_addr_from_text("192.0.2.53", &z->conf.name_servers.at[0].addrs[0]);
	z->conf.name_servers.at[0].addrs_len = 1;
}

void zone_add_peers(struct made_zone *z, size_t peers)
{
	for (size_t n = 0; n < peers; n++) {
		uint8_t key[KEY_LEN];
		char text[ENDPOINT_TEXT];
		struct wg_peer *peer;

		made_key(n, key);
		peer = wgdev_add_peer(&z->dev, key);
		if (peer == NULL)
			die("out of memory");
		if (made_has_endpoint(n)) {
			endpoint_addr_from_text(made_address(n, text), &peer->endpoint);
			peer->endpoint.port = made_port(n);
		}
		zone_add_allowed(z, n % 5);
	}
}

void zone_add_allowed(struct made_zone *z, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct wg_allowedip ip = {.family = AF_INET, .cidr = 32,
		    .addr = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};

		if (wgdev_add_allowedip(&z->dev, &ip) < 0)
			die("out of memory");
	}
}

static int by_key(const void *a, const void *b)
{
	return memcmp(((const struct peer_conf *)a)->key, ((const struct peer_conf *)b)->key, KEY_LEN);
}

void zone_say(struct made_zone *z, size_t n, const char *label)
{
	struct peer_conf *p = &z->said[z->conf.peers_len++];

	if (p == z->said + sizeof(z->said) / sizeof(*z->said) || (label != NULL && strlen(label) > CONFIG_LABEL))
		diex("too much is said");
	made_key(n, p->key);
	p->publish = label != NULL;
	snprintf(p->label, sizeof(p->label), "%s", label != NULL ? label : "");
	qsort(z->said, z->conf.peers_len, sizeof(*z->said), by_key);
	z->conf.peers = z->said;
}

void zone_add_self(struct made_zone *z, size_t n, const struct endpoint *addresses, size_t len)
{
	made_key(n, z->dev.public_key);
	z->dev.has_public_key = true;
	z->dev.listen_port = made_port(n);
	z->conf.self.is_auto = true;
	z->world.self = addresses;
	z->world.self_len = len;
}

bool snapshot_is_sound(const struct snapshot *s)
{
	struct snapshot_check c;
	int r;

	snapshot_check_begin(&c, s);
	while ((r = snapshot_check_step(&c)) > 0)
		;
	return r == 0;
}

/* Every block that any test makes is one that a worker takes. */
static void make_snapshot(struct made_zone *z, const struct zone *zone)
{
	size_t size;
	int fd = snapshot_build(&z->conf.name, zone, seed, &size), r;

	if (fd < 0)
		diex("snapshot_build: %s", strerror(-fd));
	r = snapshot_map(fd, &z->snapshot);
	if (r < 0)
		diex("snapshot_map: %s", strerror(-r));
	if (!snapshot_is_sound(z->snapshot))
		diex("a worker would not take this snapshot");
	close(fd);
}

void zone_make(struct made_zone *z)
{
	int r = zone_build(&z->zone, &z->conf, &z->dev, &z->world);

	if (r < 0)
		diex("zone_build: %s", strerror(-r));
	z->zone.serial = 0x01020304;
	make_snapshot(z, &z->zone);
}

static void allow(struct access_conf *conf, const char *networks)
{
	char copy[1024], *at = copy, *one;

	snprintf(copy, sizeof(copy), "%s", networks);
	conf->given = true;
	while ((one = strsep(&at, ",")) != NULL) {
		if (strcmp(one, "tunnel") == 0)
			conf->tunnel = true;
		else if (strcmp(one, "none") != 0 && !allowedip_from_text(one, &conf->networks.at[conf->networks.len++]))
			diex("%s: no network", one);
	}
}

void zone_allow(struct made_zone *z, const char *networks)
{
	allow(&z->conf.allow, networks);
}

void zone_allow_browse(struct made_zone *z, const char *networks)
{
	allow(&z->conf.browse, networks);
}

void zone_make_not_ready(struct made_zone *z)
{
	make_snapshot(z, NULL);
}

void zone_drop(struct made_zone *z)
{
	snapshot_unmap(z->snapshot);
	z->snapshot = NULL;
	zone_free(&z->zone);
	wgdev_free(&z->dev);
}

/* ---- queries ---- */

size_t wire_name(const char *text, uint8_t out[NAME_MAX_LEN + 1])
{
	size_t at = 0;

	if (strcmp(text, ".") == 0)
		text = "";
	while (*text != '\0') {
		size_t n = strcspn(text, ".");

		if (n == 0 || n > NAME_LABEL || at + 1 + n + 1 > NAME_MAX_LEN)
			return 0;
		out[at] = (uint8_t)n;
		memcpy(out + at + 1, text, n);
		at += 1 + n;
		text += n + (text[n] == '.');
	}
	out[at++] = 0;
	return at;
}

size_t make_query(uint8_t *msg, const uint8_t *name, size_t name_len, uint16_t type, int udp_size)
{
	static const uint8_t header[DNS_HEADER] = {0xab, 0xcd, 0x01, 0x00, 0, 1};
	uint8_t *p = put_bytes(put_bytes(msg, header, sizeof(header)), name, name_len);

	p = put16(put16(p, type), DNS_CLASS_IN);
	if (udp_size >= 0) {
		msg[11] = 1;
		*p++ = 0;
		p = put16(put32(put16(put16(p, DNS_OPT), (uint16_t)udp_size), 0), 0);
	}
	return (size_t)(p - msg);
}

size_t make_peer_query(uint8_t *msg, const struct made_zone *z, const uint8_t key[KEY_LEN], bool padded, uint16_t type,
    int udp_size)
{
	struct name name;

	if (!records_instance_name(&z->conf.name, key, padded, &name))
		diex("no room for a peer's name");
	return make_query(msg, name.wire, name.len, type, udp_size);
}

/* ---- the judge ---- */

size_t walk_name(const uint8_t *msg, size_t len, size_t at)
{
	size_t end = 0, total = 1, lowest = at;

	for (;;) {
		if (at >= len)
			return 0;
		if (msg[at] == 0)
			return end != 0 ? end : at + 1;
		if (msg[at] >= 0xc0) {
			if (at + 2 > len)
				return 0;
			if (end == 0)
				end = at + 2;
			at = get16(msg + at) & 0x3fff;
			if (at >= lowest)
				return 0;
			lowest = at;
			continue;
		}
		total += 1u + msg[at];
		if (msg[at] > NAME_LABEL || total > NAME_MAX_LEN)
			return 0;
		at += 1u + msg[at];
	}
}

bool walk_record(const uint8_t *msg, size_t len, size_t at, struct walked *out)
{
	size_t fixed = walk_name(msg, len, at);

	if (fixed == 0 || fixed + 10 > len)
		return false;
	out->owner = at;
	out->type = get16(msg + fixed);
	out->class = get16(msg + fixed + 2);
	out->ttl_s = get32(msg + fixed + 4);
	out->rdlen = get16(msg + fixed + 8);
	out->rdata = fixed + 10;
	out->next = out->rdata + out->rdlen;
	return out->next <= len;
}

/* The OPT of a message that is sound, and what is in its sections. */
struct seen {
	size_t count[4]; /* question, answer, authority, additional without the OPT */
	bool opt, soa;
	struct walked opt_rr;
	uint16_t first_additional, first_answer;
};

static const char *judge_rdata(const uint8_t *msg, size_t len, const struct walked *rr)
{
	size_t at = rr->rdata;

	switch (rr->type) {
	case DNS_A:
		return rr->rdlen == 4 ? NULL : "an A of another length";
	case DNS_AAAA:
		return rr->rdlen == 16 ? NULL : "an AAAA of another length";
	case DNS_SRV:
		for (at += 6; at < rr->next && msg[at] != 0; at += msg[at] + 1u)
			if (msg[at] > NAME_LABEL)
				return "an SRV's target is compressed";
		return at + 1 == rr->next ? NULL : "an SRV's target has another length";
	case DNS_PTR:
		return walk_name(msg, len, at) == rr->next ? NULL : "a PTR's target has another length";
	case DNS_TXT:
		while (at < rr->next)
			at += msg[at] + 1u;
		return at == rr->next && rr->rdlen > 0 ? NULL : "a TXT's strings do not fill it";
	default:
		return NULL;
	}
}

static const char *walk(const uint8_t *msg, size_t len, struct seen *s)
{
	size_t at = DNS_HEADER;

	memset(s, 0, sizeof(*s));
	s->count[0] = get16(msg + 4);
	for (size_t i = 0; i < s->count[0]; i++) {
		at = walk_name(msg, len, at);
		if (at == 0 || at + 4 > len)
			return "the question is broken";
		at += 4;
	}
	for (size_t section = 1; section < 4; section++) {
		for (size_t i = get16(msg + 4 + 2 * section); i > 0; i--) {
			struct walked rr;
			const char *what;

			if (!walk_record(msg, len, at, &rr))
				return "a record is broken";
			if (rr.type == DNS_OPT) {
				if (section != 3 || s->opt || rr.rdata != rr.owner + 11)
					return "an OPT too many, or at no place for it";
				s->opt = true;
				s->opt_rr = rr;
			} else {
				what = judge_rdata(msg, len, &rr);
				if (what != NULL)
					return what;
				if (section == 1 && s->count[1] == 0)
					s->first_answer = rr.type;
				if (section == 3 && s->count[3] == 0)
					s->first_additional = rr.type;
				s->soa |= section == 2 && rr.type == 6;
				s->count[section]++;
			}
			at = rr.next;
		}
	}
	return at == len ? NULL : "octets behind the last record";
}

/* ---- options ---- */

#define OPTION_COOKIE    10
#define OPTION_KEEPALIVE 11
#define OPTION_EDE       15

/* The options of an OPT: the first cookie that could be one, whether there is one that could not, and others. */
struct options {
	const uint8_t *cookie;
	size_t cookie_len;
	bool bad_cookie, keepalive;
	uint16_t ede; /* 0: none */
	size_t len;   /* how many */
};

/* False if they do not fill the OPT. */
static bool read_options(const uint8_t *msg, const struct walked *opt, struct options *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t at = opt->rdata; at < opt->next; out->len++) {
		size_t len;

		if (opt->next - at < 4 || opt->next - at - 4 < get16(msg + at + 2))
			return false;
		len = get16(msg + at + 2);
		switch (get16(msg + at)) {
		case OPTION_COOKIE:
			if (out->cookie == NULL && len != 8 && (len < 16 || len > 40))
				out->bad_cookie = true;
			else if (out->cookie == NULL)
				out->cookie = msg + at + 4, out->cookie_len = len;
			break;
		case OPTION_KEEPALIVE:
			out->keepalive = true;
			break;
		case OPTION_EDE:
			out->ede = len == 2 ? get16(msg + at + 4) : UINT16_MAX;
			break;
		}
		at += 4 + len;
	}
	return true;
}

static const char *judge_no_question(const uint8_t *a, size_t len)
{
	uint8_t rcode = a[3] & 15;

	if (len == DNS_HEADER)
		return rcode == DNS_FORMERR || rcode == DNS_NOTIMP ? NULL : "no question is echoed";
	if (get16(a + 6) != 0 || get16(a + 8) != 0 || get16(a + 10) != 1)
		return "records without a question";
	/* RFC 7873 section 5.4: a cookie, BADCOOKIE (23); or what is wrong with the query */
	return rcode == DNS_NOERROR || rcode == DNS_FORMERR || rcode == (DNS_BADCOOKIE & 15) ? NULL : "an RCODE without a question";
}

static const char *judge_header(const uint8_t *q, size_t q_len, const uint8_t *a, size_t len)
{
	size_t end = walk_name(q, q_len, DNS_HEADER);

	if (memcmp(a, q, 2) != 0)
		return "another ID";
	if ((a[2] & 0x80) == 0 || ((a[2] ^ q[2]) & 0x79) != 0)
		return "QR is clear, or opcode or RD changed";
	if ((a[3] & 0xf0) != 0)
		return "RA, Z, AD or CD is set";
	if (get16(a + 4) > 1)
		return "more than one question";
	if (get16(a + 4) == 0)
		return judge_no_question(a, len);
	if (end == 0 || end + 4 > len || memcmp(a + DNS_HEADER, q + DNS_HEADER, end + 4 - DNS_HEADER) != 0)
		return "the question changed";
	return NULL;
}

/* The options of the answer: what was asked for, and nothing else. */
static const char *judge_options(const uint8_t *q, const struct seen *in, const uint8_t *a, const struct seen *out, size_t transport)
{
	struct options asked, got;
	uint8_t rcode = a[3] & 15;
	bool version = (in->opt_rr.ttl_s >> 16 & 0xff) != 0;

	if (!read_options(a, &out->opt_rr, &got) || got.bad_cookie)
		return "the answer's options are broken";
	if (!read_options(q, &in->opt_rr, &asked))
		return "an OPT for broken options";
	if (got.len != (size_t)(got.cookie != NULL) + got.keepalive + (got.ede != 0))
		return "options that nobody asked for";
	if (got.ede != 0 && !(got.ede == 14 && rcode == DNS_SERVFAIL) && !(got.ede == 18 && rcode == DNS_REFUSED))
		return "an extended error that does not go with the RCODE";
	if (got.keepalive != (asked.keepalive && transport == DNS_TCP_MAX))
		return "a keepalive that was not asked for or not over TCP, or none";
	/* RFC 6891 section 6.1.3: of a version that is unknown nothing is understood. */
	if ((got.cookie != NULL) != (asked.cookie != NULL && !(version && out->opt_rr.ttl_s >> 24 == 1 && rcode == 0)))
		return "a cookie that was not asked for, or none";
	if (got.cookie != NULL && (got.cookie_len != COOKIE_LEN || memcmp(got.cookie, asked.cookie, COOKIE_CLIENT) != 0))
		return "the cookie is not the client's and ours";
	if (asked.bad_cookie && (q[2] & 0x78) == 0 && !version && rcode != DNS_FORMERR)
		return "a cookie of another length passes";
	return NULL;
}

static const char *judge_opt(const uint8_t *q, const struct seen *in, const uint8_t *a, const struct seen *out, size_t transport)
{
	const struct walked *rr = &out->opt_rr;
	struct options asked;
	uint8_t rcode = a[3] & 15;
	bool version = (in->opt_rr.ttl_s >> 16 & 0xff) != 0;

	if (rr->class != DNS_UDP_MAX || (rr->ttl_s & 0xff7fff) != 0 || rr->ttl_s >> 24 > 1)
		return "the OPT's size, version or flags";
	if (((rr->ttl_s ^ in->opt_rr.ttl_s) & 0x8000) != 0)
		return "DO is not echoed";
	/* Without a question there has to be a cookie, or the version is not looked at. */
	if (get16(q + 4) == 0 && read_options(q, &in->opt_rr, &asked) && asked.cookie == NULL)
		version = false;
	if ((rr->ttl_s >> 24 == 1 && rcode == 0) != (version && (q[2] & 0x78) == 0))
		return "BADVERS and the version that was asked do not go together";
	if (rr->ttl_s >> 24 == 1 && rcode != 0 && (rcode != (DNS_BADCOOKIE & 15) || get16(q + 4) != 0))
		return "an RCODE that there is not";
	return judge_options(q, in, a, out, transport);
}

static const char *judge_rcode(const uint8_t *q, const uint8_t *a, const struct seen *s)
{
	bool aa = (a[2] & 0x04) != 0, tc = (a[2] & 0x02) != 0;
	uint8_t rcode = a[3] & 15;
	bool extended = s->opt && s->opt_rr.ttl_s >> 24 != 0; /* BADVERS, BADCOOKIE */
	size_t end = s->count[0] > 0 ? walk_name(q, DNS_TCP_MAX, DNS_HEADER) : 0;
	uint16_t type = end > 0 ? get16(q + end) : 0;
	/* Nothing, or an alias and nothing behind it (RFC 2308 section 2.2). */
	bool no_data = s->count[1] == 0 ||
	    (s->count[1] == 1 && s->first_answer == DNS_CNAME && type != DNS_CNAME && type != DNS_ANY);

	if ((q[2] & 0x78) != 0 && rcode != DNS_NOTIMP)
		return "not NOTIMP for another opcode";
	if (aa != (s->count[0] > 0 && !extended && (rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN)))
		return "AA";
	if ((!aa || tc) && s->count[1] + s->count[2] + s->count[3] != 0)
		return "records in an answer that is truncated or none";
	if (aa && !tc && no_data != s->soa)
		return "an SOA is missing, or not needed";
	if (rcode == DNS_NXDOMAIN && s->count[1] != 0)
		return "NXDOMAIN and records";
	if (s->first_answer == DNS_SRV && s->count[3] > 0 && s->first_additional != DNS_A && s->first_additional != DNS_AAAA)
		return "the first additional record of an SRV is no address";
	return NULL;
}

/* Fills what both judges look at. */
static const char *form(const uint8_t *q, size_t q_len, const uint8_t *a, size_t len, size_t transport, struct seen *out)
{
	size_t limit = transport;
	struct seen in;
	const char *what;
	bool sound;

	if (len < DNS_HEADER)
		return "no header";
	sound = walk(q, q_len, &in) == NULL; /* strangers' records may be stranger than the judge allows */
	what = judge_header(q, q_len, a, len);
	if (what == NULL)
		what = walk(a, len, out);
	if (what != NULL)
		return what;
	if (transport <= DNS_UDP_MAX) {
		if (!out->opt)
			limit = 512;
		else if (sound && in.opt && in.opt_rr.class < limit)
			limit = in.opt_rr.class < 512 ? 512 : in.opt_rr.class;
	}
	if (len > limit)
		return "longer than the client takes";
	if (out->opt && sound && !in.opt)
		return "an OPT for a client that sent none";
	return sound && out->opt && in.opt ? judge_opt(q, &in, a, out, transport) : NULL;
}

static bool must_drop(const uint8_t *q, size_t q_len)
{
	return q_len < DNS_HEADER || (q[2] & 0x80) != 0;
}

const char *judge_form(const uint8_t *q, size_t q_len, const uint8_t *a, size_t len, size_t transport)
{
	struct seen out;

	if (must_drop(q, q_len) || len == 0)
		return must_drop(q, q_len) == (len == 0) ? NULL : len == 0 ? "it was dropped" : "it had to be dropped";
	return form(q, q_len, a, len, transport, &out);
}

const char *judge(const uint8_t *q, size_t q_len, const uint8_t *a, size_t len, size_t transport)
{
	struct seen out;
	const char *what;
	ldns_pkt *pkt = NULL;

	if (must_drop(q, q_len) || len == 0)
		return judge_form(q, q_len, a, len, transport);
	what = form(q, q_len, a, len, transport, &out);
	if (what == NULL)
		what = judge_rcode(q, a, &out);
	if (what == NULL && ldns_wire2pkt(&pkt, a, len) != LDNS_STATUS_OK)
		what = "ldns cannot read it";
	ldns_pkt_free(pkt);
	return what;
}

size_t made_answer(const struct answer_zones *zones, uint8_t *msg, size_t len, size_t transport)
{
	struct answer_world world = {.zones = *zones, .idle_100ms = 100};
	struct asker asker = {.addr = {4, 192, 0, 2, 1}, .is_stream = transport == DNS_TCP_MAX};

	return answer_query(&world, &asker, msg, len);
}
