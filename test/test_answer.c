#include <arpa/inet.h>
#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "suites.h"
#include "util.h"
#include "wire.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

#define OPT_LEN   11
#define A_LEN     16 /* a pointer, type, class, TTL, length, address */
#define AAAA_LEN  28
#define L50       "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmn"
#define LONGEST   L50 "." L50 "." L50 ".opqrstuvwxyz0123456789.test" /* 182 octets: k====._wireguard._udp is 73 more */
#define ZONE_170  L50 "." L50 "." L50 ".opqrstuvwx.test"

static uint8_t query[MESSAGE_MAX], msg[MESSAGE_MAX];

/* Answers the query over these zones and has the answer judged. Returns its length. */
static size_t answer_over(const struct answer_zones *zones, size_t query_len, size_t transport)
{
	const char *what;
	bool touched = false;
	size_t len;

	memset(msg, 0x5a, sizeof(msg));
	memcpy(msg, query, query_len);
	len = made_answer(zones, msg, query_len, transport);
	what = judge(query, query_len, msg, len, transport);
	ck_assert_msg(what == NULL, "%s", what);
	for (size_t i = 0; i < ANSWER_SLACK; i++)
		touched |= msg[transport + i] != 0x5a;
	ck_assert(!touched);
	return len;
}

static size_t answer(const struct made_zone *z, size_t query_len, size_t transport)
{
	struct answer_zones zones = {.at = {z->snapshot}, .len = 1};

	return answer_over(&zones, query_len, transport);
}

static ldns_pkt *decoded(const struct made_zone *z, size_t query_len)
{
	ldns_pkt *pkt = NULL;
	size_t len = answer(z, query_len, DNS_TCP_MAX);

	ck_assert_int_eq(ldns_wire2pkt(&pkt, msg, len), LDNS_STATUS_OK);
	return pkt;
}

static unsigned rcode(void)
{
	return msg[3] & 15;
}

static bool truncated(void)
{
	return (msg[2] & 2) != 0;
}

static unsigned count(size_t section)
{
	return get16(msg + 4 + 2 * section);
}

static size_t ask(const char *name, uint16_t type, int udp_size)
{
	uint8_t wire[NAME_MAX_LEN + 1];
	size_t len = wire_name(name, wire);

	ck_assert_uint_gt(len, 0);
	return make_query(query, wire, len, type, udp_size);
}

/* ---- peers ---- */

/* The records of peer n under one of its names, as ldns reads them. */
static void check_peer(const struct made_zone *z, size_t n, bool padded)
{
	bool six = n % 4 == 1;
	uint16_t types[] = {DNS_SRV, six ? DNS_AAAA : DNS_A, DNS_TXT, six ? DNS_A : DNS_AAAA};
	char address[ENDPOINT_TEXT], srv[512];
	uint8_t key[KEY_LEN];

	made_key(n, key);
	made_address(n, address);
	for (size_t i = 0; i < 4; i++) {
		ldns_pkt *pkt = decoded(z, make_peer_query(query, z, key, padded, types[i], NO_EDNS));
		ldns_rr_list *list = ldns_pkt_answer(pkt);
		ldns_rr *rr = ldns_rr_list_rr(list, 0);
		char *text, *owner;

		ck_assert_uint_eq(ldns_pkt_get_rcode(pkt), made_has_endpoint(n) ? LDNS_RCODE_NOERROR : LDNS_RCODE_NXDOMAIN);
		ck_assert_uint_eq(ldns_rr_list_rr_count(list), made_has_endpoint(n) && i < 3);
		if (rr != NULL) {
			ck_assert_int_eq(ldns_dname_compare(ldns_rr_owner(rr), ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(pkt), 0))), 0);
			ck_assert_uint_eq(ldns_rr_get_type(rr), types[i]);
			ck_assert_uint_eq(ldns_rr_ttl(rr), 10);
		}
		if (rr != NULL && i == 0) {
			owner = ldns_rdf2str(ldns_rr_owner(rr));
			snprintf(srv, sizeof(srv), "0 0 %u %s", made_port(n), owner);
			text = ldns_rr2str(rr);
			ck_assert_ptr_nonnull(strstr(text, srv));
			free(owner);
			free(text);
			ck_assert_uint_eq(ldns_rr_list_rr_count(ldns_pkt_additional(pkt)), 2);
		}
		if (rr != NULL && i == 1) {
			text = ldns_rdf2str(ldns_rr_rdf(rr, 0));
			ck_assert_str_eq(text, address);
			free(text);
		}
		if (rr != NULL && i == 2) {
			char pub[8 + KEY_BASE64 + 1] = "\"pub=";

			key_to_base64(key, pub + 5);
			pub[5 + KEY_BASE64] = '"';
			pub[6 + KEY_BASE64] = '\0';
			text = ldns_rdf2str(ldns_rr_rdf(rr, 1));
			ck_assert_str_eq(text, pub);
			free(text);
			ck_assert_uint_eq(ldns_rr_rd_count(rr), n % 5 == 0 ? 2 : 3);
		}
		ldns_pkt_free(pkt);
	}
}

static const size_t sizes[] = {0, 1, 2, 7, 16, 100, 5000};

START_TEST(every_peer_is_found)
{
	struct made_zone z;
	size_t peers = sizes[_i];

	zone_prepare(&z, "wg.test", NULL);
	zone_add_peers(&z, peers);
	zone_make(&z);
	for (size_t n = 0; n < peers; n++) {
		check_peer(&z, n, false);
		check_peer(&z, n, true);
	}
	for (size_t n = peers; n < peers + 200; n++) { /* and no other */
		uint8_t key[KEY_LEN];

		made_key(n, key);
		answer(&z, make_peer_query(query, &z, key, n % 2 == 0, DNS_SRV, NO_EDNS), DNS_TCP_MAX);
		ck_assert_uint_eq(rcode(), DNS_NXDOMAIN);
	}
	zone_drop(&z);
}
END_TEST

/* The hash takes 16 characters of the label: keys that share them have one hash. All must be told apart by the rest. */
START_TEST(equal_halves)
{
	struct made_zone z;
	uint8_t key[KEY_LEN];

	zone_prepare(&z, "wg.test", NULL);
	zone_add_peers(&z, 20);
	made_key(3, key);
	for (unsigned i = 0; i < 100; i++) {
		struct wg_peer *peer;

		key[31] = (uint8_t)i;
		peer = wgdev_add_peer(&z.dev, key);
		ck_assert_ptr_nonnull(peer);
		endpoint_addr_from_text("192.0.2.1", &peer->endpoint);
		peer->endpoint.port = (uint16_t)(2000 + i);
	}
	zone_make(&z);
	for (unsigned i = 0; i < 256; i++) {
		ldns_pkt *pkt;

		key[31] = (uint8_t)i;
		pkt = decoded(&z, make_peer_query(query, &z, key, false, DNS_SRV, NO_EDNS));
		if (i < 100)
			ck_assert_uint_eq(ldns_rdf2native_int16(ldns_rr_rdf(ldns_rr_list_rr(ldns_pkt_answer(pkt), 0), 2)), 2000 + i);
		else if (memcmp(key, z.dev.peers[3].public_key, KEY_LEN) != 0)
			ck_assert_uint_eq(ldns_pkt_get_rcode(pkt), LDNS_RCODE_NXDOMAIN);
		ldns_pkt_free(pkt);
	}
	for (size_t n = 0; n < 20; n++)
		check_peer(&z, n, false);
	zone_drop(&z);
}
END_TEST

/* Four bits behind the key are free in 52 base32 characters; only one of the 16 spellings is a name. And characters that are
 * no base32, and labels of about the length. */
START_TEST(near_misses)
{
	static const char *const labels[] = {"====", "=====", "===", "a===", "====x", "a", "===a", "=a=="};
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567018=_\x00\xff";
	struct made_zone z;
	uint8_t key[KEY_LEN], text[KEY_BASE32], wire[NAME_MAX_LEN + 1];
	size_t found = 0;

	zone_prepare(&z, "wg.test", NULL);
	zone_add_peers(&z, 2);
	zone_make(&z);
	made_key(0, key);
	key_to_base32(key, text);
	for (size_t i = 0; i < sizeof(digits) - 1; i++) {
		size_t len = wire_name("0123456789012345678901234567890123456789012345678901._wireguard._udp.wg.test", wire);

		memcpy(wire + 1, text, KEY_BASE32);
		wire[KEY_BASE32] = (uint8_t)digits[i];
		answer(&z, make_query(query, wire, len, DNS_SRV, NO_EDNS), DNS_UDP_MAX);
		ck_assert_uint_eq(rcode(), count(1) == 1 ? DNS_NOERROR : DNS_NXDOMAIN);
		found += count(1) == 1;
	}
	ck_assert_uint_eq(found, 1);
	for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
		char name[256];

		snprintf(name, sizeof(name), "%.52s%s._wireguard._udp.wg.test", (const char *)text, labels[i]);
		answer(&z, ask(name, DNS_SRV, NO_EDNS), DNS_UDP_MAX);
		ck_assert_uint_eq(rcode(), i == 0 ? DNS_NOERROR : DNS_NXDOMAIN);
	}
	/* The old server took any 11 octets for _wireguard._udp. */
	for (size_t i = 0; i < 16; i++) {
		size_t len = make_peer_query(query, &z, key, false, DNS_SRV, NO_EDNS);

		if (i == 0 || i == 11) /* a length octet */
			continue;
		query[DNS_HEADER + 1 + KEY_BASE32 + i] ^= 1;
		answer(&z, len, DNS_UDP_MAX);
		ck_assert_uint_eq(rcode(), DNS_NXDOMAIN);
	}
	zone_drop(&z);
}
END_TEST

START_TEST(case_is_kept_and_ignored)
{
	struct made_zone z;
	uint8_t key[KEY_LEN];
	unsigned bits = 1;

	zone_prepare(&z, "wg.Test", "NS1.wg.test");
	zone_add_peers(&z, 3);
	zone_make(&z);
	for (size_t n = 0; n < 3; n++) {
		for (int turn = 0; turn < 50; turn++) {
			size_t len, name_end;

			made_key(n, key);
			len = make_peer_query(query, &z, key, turn % 2 != 0, DNS_SRV, NO_EDNS);
			name_end = len - 4;
			for (size_t i = DNS_HEADER; i < name_end; i++) {
				bits = bits * 1103515245 + 12345;
				if ((bits >> 16 & 1) != 0)
					query[i] = (uint8_t)toupper(query[i]);
			}
			len = answer(&z, len, DNS_UDP_MAX);
			ck_assert_uint_eq(rcode(), DNS_NOERROR);
			/* The judge has compared the question. The target is its copy. */
			ck_assert(memcmp(msg + name_end + 4 + 18, query + DNS_HEADER, name_end - DNS_HEADER) == 0);
		}
	}
	answer(&z, ask("NS1.WG.TEST", DNS_A, NO_EDNS), DNS_UDP_MAX);
	ck_assert_uint_eq(count(1), 1);
	answer(&z, ask("_WireGuard._UDP.wG.tEST", DNS_TXT, NO_EDNS), DNS_UDP_MAX);
	ck_assert_uint_eq(count(1), 1);
	zone_drop(&z);
}
END_TEST

/* ---- limits ---- */

static const char *const zone_names[] = {"t", "wg.test", "a.long.enough.name.wg.example.com", ZONE_170, LONGEST};
#define ZONE_NAMES ((int)(sizeof(zone_names) / sizeof(*zone_names)))

static const struct zone_peer *published(const struct made_zone *z, const uint8_t key[KEY_LEN])
{
	for (size_t i = 0; i < z->zone.peers_len; i++)
		if (memcmp(z->zone.peers[i].key, key, KEY_LEN) == 0)
			return &z->zone.peers[i];
	return NULL;
}

/* Two name servers: the one's name is as long as a name can be, the other one is inside the zone. */
static void make_wide_zone(struct made_zone *z, const char *name)
{
	zone_prepare(z, name, LONGEST);
	z->conf.name_servers.len = 2;
	z->conf.name_servers.at[1] = z->conf.name_servers.at[0];
	name_prepend("ns1", 3, &z->conf.name, &z->conf.name_servers.at[1].name);
	zone_add_peers(z, 40);
	zone_make(z);
}

/* The SRV, the address, the TXT: as much as fits, in that order, and TC only if not even the SRV does. Counted here anew. */
static void check_srv_fit(const struct zone_peer *peer, size_t query_len, size_t len, size_t limit, bool edns)
{
	size_t name_len = walk_name(query, query_len, DNS_HEADER) - DNS_HEADER, opt = edns ? OPT_LEN : 0;
	size_t fit[4] = {0, DNS_HEADER + name_len + 4 + 12 + 6 + name_len};
	size_t n = 3;

	fit[2] = fit[1] + (peer->endpoint.family == AF_INET ? A_LEN : AAAA_LEN);
	fit[3] = fit[2] + 12 + RECORDS_TXT_HEAD + peer->txt_len;
	while (n > 0 && fit[n] + opt > limit)
		n--;
	ck_assert_int_eq(truncated(), n == 0);
	if (n > 0) {
		ck_assert_uint_eq(len, fit[n] + opt);
		ck_assert_uint_eq(count(3), n - 1 + edns);
	}
}

START_TEST(srv_never_past_the_limit)
{
	struct made_zone z;

	make_wide_zone(&z, zone_names[_i]);
	for (int size = NO_EDNS; size <= 1300; size++) {
		size_t limit = size < 512 ? 512 : size > DNS_UDP_MAX ? DNS_UDP_MAX : (size_t)size;

		for (size_t n = 0; n < 6; n++) {
			uint8_t key[KEY_LEN];
			size_t query_len, len;

			made_key(n, key);
			query_len = make_peer_query(query, &z, key, n >= 3, DNS_SRV, size);
			len = answer(&z, query_len, DNS_UDP_MAX);
			check_srv_fit(published(&z, key), query_len, len, limit, size >= 0);
		}
	}
	zone_drop(&z);
}
END_TEST

/* Whatever is asked: the judge measures. And what is truncated over UDP is whole over TCP. */
START_TEST(nothing_past_the_limit)
{
	static const char *const below[] = {"", "_services._dns-sd._udp.", "lb._dns-sd._udp.", "_wireguard._udp.", "_udp.", "ns1.",
	    "nobody."};
	static const uint16_t types[] = {DNS_A, 2, 6, DNS_PTR, DNS_TXT, DNS_ANY};
	struct made_zone z;

	make_wide_zone(&z, zone_names[_i]);
	for (size_t i = 0; i < sizeof(below) / sizeof(*below); i++) {
		for (size_t t = 0; t < sizeof(types) / sizeof(*types); t++) {
			char name[512];

			snprintf(name, sizeof(name), "%s%s", below[i], zone_names[_i]);
			for (int size = NO_EDNS; size <= 1300; size += size < 506 || size >= 1225 ? 53 : 3)
				answer(&z, ask(name, types[t], size), DNS_UDP_MAX);
			answer(&z, ask(name, types[t], 512), DNS_TCP_MAX);
			ck_assert(!truncated());
		}
	}
	zone_drop(&z);
}
END_TEST

START_TEST(long_txt)
{
	static const size_t counts[] = {0, 1, 16, 17, 100, 1000, 5000};
	struct made_zone z;
	uint8_t key[KEY_LEN];
	ldns_pkt *pkt;
	ldns_rr *rr;
	size_t count_all = counts[_i], cidrs = 0, len = 0;
	bool more = false;

	zone_prepare(&z, "wg.test", NULL);
	zone_add_peers(&z, 1); /* has none of its own */
	zone_add_allowed(&z, count_all);
	zone_make(&z);
	made_key(0, key);
	pkt = decoded(&z, make_peer_query(query, &z, key, false, DNS_TXT, NO_EDNS));
	rr = ldns_rr_list_rr(ldns_pkt_answer(pkt), 0);
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		char *text = ldns_rdf2str(ldns_rr_rdf(rr, i)), want[64];
		bool last = i + 1 == ldns_rr_rd_count(rr);

		len += ldns_rdf_size(ldns_rr_rdf(rr, i));
		if (i == 0) {
			ck_assert_str_eq(text, "\"txtvers=1\"");
		} else if (i >= 2 && last && strcmp(text, "\"more=1\"") == 0) {
			more = true;
		} else if (i >= 2) {
			snprintf(want, sizeof(want), i == 2 ? "\"allowed=10." : "\"allowed%zu=10.", i - 1);
			ck_assert(strncmp(text, want, strlen(want)) == 0);
			cidrs++;
			for (const char *p = text; *p != '\0'; p++)
				cidrs += *p == ',';
		}
		free(text);
	}
	ck_assert_uint_le(len, RECORDS_TXT_MAX);
	ck_assert_int_eq(more, cidrs < count_all);
	ck_assert_int_eq(more, count_all >= 5000);
	if (more) /* it stops where the next one may not fit, not earlier */
		ck_assert_uint_gt(len, RECORDS_TXT_MAX - 64);
	ldns_pkt_free(pkt);
	answer(&z, make_peer_query(query, &z, key, false, DNS_TXT, 1232), DNS_UDP_MAX);
	ck_assert_int_eq(truncated(), len > 1100);
	answer(&z, make_peer_query(query, &z, key, false, DNS_SRV, 1232), DNS_UDP_MAX);
	ck_assert(!truncated());
	ck_assert_uint_eq(count(3), len > 1000 ? 2 : 3);
	zone_drop(&z);
}
END_TEST

/* ---- the list ---- */

/* Octets behind the header and the question: PTRs, then a peer's SRV, its address, its TXT, then the next peer's. */
static void check_list(const struct made_zone *z, size_t len, size_t peers)
{
	size_t at = walk_name(msg, len, DNS_HEADER) + 4, additionals = count(3), peer = 0, place = 0;
	struct walked rr;

	ck_assert_uint_eq(count(1), peers);
	if (peers == 0)
		return;
	for (size_t i = 0; i < peers; i++, at = rr.next) {
		uint8_t label[KEY_BASE32];

		ck_assert(walk_record(msg, len, at, &rr));
		key_to_base32(z->zone.peers[i].key, label); /* sorted by key, as the zone is */
		ck_assert(rr.type == DNS_PTR && msg[rr.rdata] == KEY_BASE32 && memcmp(msg + rr.rdata + 1, label, KEY_BASE32) == 0);
		ck_assert_uint_eq(get16(msg + rr.rdata + 1 + KEY_BASE32), 0xc00c);
	}
	for (size_t i = 0; i < additionals; i++, at = rr.next) {
		uint8_t label[KEY_BASE32];
		size_t owner;

		ck_assert(walk_record(msg, len, at, &rr));
		if (rr.type == DNS_OPT)
			continue;
		peer += rr.type == DNS_SRV && i > 0;
		owner = get16(msg + rr.owner) & 0x3fff;
		ck_assert_uint_lt(peer, peers);
		key_to_base32(z->zone.peers[peer].key, label);
		ck_assert(msg[owner] == KEY_BASE32 && memcmp(msg + owner + 1, label, KEY_BASE32) == 0);
		ck_assert(rr.type == DNS_SRV || (place == DNS_SRV && (rr.type == DNS_A || rr.type == DNS_AAAA || rr.type == DNS_TXT)) ||
		    ((place == DNS_A || place == DNS_AAAA) && rr.type == DNS_TXT));
		if (rr.type == DNS_SRV) /* the target is whole and is the owner */
			ck_assert(memcmp(msg + rr.rdata + 6 + 1, label, KEY_BASE32) == 0 &&
			    memcmp(msg + rr.rdata + 6 + 1 + KEY_BASE32, query + DNS_HEADER, z->zone.service.len) == 0);
		place = rr.type;
	}
	ck_assert_uint_eq(at, len);
}

/* Peers of the device, and of them those in the zone. */
static const size_t lists[][2] = {{0, 0}, {1, 1}, {2, 2}, {5, 5}, {32, 30}, {960, 900}, {961, 901}, {1200, 1125}};
#define LISTS ((int)(sizeof(lists) / sizeof(*lists)))

START_TEST(list_of_peers)
{
	const char *name = _i % 2 == 0 ? "wg.test" : LONGEST;
	size_t peers = lists[_i / 2][1], len;
	struct made_zone z;
	char service[512];

	zone_prepare(&z, name, NULL);
	zone_add_peers(&z, lists[_i / 2][0]);
	zone_make(&z);
	ck_assert_uint_eq(z.zone.peers_len, peers);
	snprintf(service, sizeof(service), "_wireguard._udp.%s", name);
	for (int edns = 0; edns < 2; edns++) {
		len = answer(&z, ask(service, DNS_PTR, edns ? 1232 : NO_EDNS), DNS_TCP_MAX);
		ck_assert(!truncated());
		ck_assert_uint_eq(rcode(), DNS_NOERROR);
		check_list(&z, len, peers <= 900 ? peers : 0);
		if (peers > 0 && peers <= 30)
			ck_assert_uint_eq(count(3), 3 * peers + (size_t)edns);
	}
	for (int size = NO_EDNS; size < 1300; size += 7) {
		len = answer(&z, ask(service, DNS_PTR, size), DNS_UDP_MAX);
		if (!truncated())
			check_list(&z, len, peers <= 900 ? peers : 0);
		else
			ck_assert_uint_gt(peers, 0);
	}
	zone_drop(&z);
}
END_TEST

/* With 270 peers that have nothing to say there is room for the records of all, but the last PTRs' targets lie where no
 * pointer reaches. */
START_TEST(list_past_pointers)
{
	struct made_zone z;
	size_t len;

	zone_prepare(&z, "wg.test", NULL);
	for (size_t n = 0; n < 270; n++) {
		uint8_t key[KEY_LEN];
		struct wg_peer *peer;

		made_key(n, key);
		peer = wgdev_add_peer(&z.dev, key);
		ck_assert_ptr_nonnull(peer);
		endpoint_addr_from_text("192.0.2.1", &peer->endpoint);
		peer->endpoint.port = 1;
	}
	zone_make(&z);
	len = answer(&z, ask("_wireguard._udp.wg.test", DNS_PTR, NO_EDNS), DNS_TCP_MAX);
	check_list(&z, len, 270);
	/* The i-th target stands behind the question and i + 1 records of 67 octets, of which it is the last 55. */
	ck_assert_uint_eq(count(3), 3 * ((0x3fff - (DNS_HEADER + 25 + 4 + 12)) / 67 + 1));
	zone_drop(&z);
}
END_TEST

START_TEST(list_max_is_a_setting)
{
	struct made_zone z;

	for (uint32_t max = 0; max < 5; max++) {
		zone_prepare(&z, "wg.test", NULL);
		z.conf.list_max = max;
		zone_add_peers(&z, 3);
		zone_make(&z);
		answer(&z, ask("_wireguard._udp.wg.test", DNS_PTR, NO_EDNS), DNS_TCP_MAX);
		ck_assert_uint_eq(count(1), max >= 3 ? 3 : 0);
		for (size_t n = 0; n < 3; n++)
			check_peer(&z, n, true);
		zone_drop(&z);
	}
}
END_TEST

/* ---- peers with a name for people, or with several addresses ---- */

#define SELF_N    100000 /* the device itself */
#define SELF_A    3
#define SELF_AAAA 2

/* Peers 0 to 7 and the device itself, with five addresses. Named are peer 0 (IPv4), peer 1 (IPv6), peer 3 (many allowed IPs)
 * and, if that is wanted, the device. */
static const size_t named[] = {0, 1, 3, SELF_N};
static const char *const labels[] = {"alice", "b", NULL /* the longest */, "hub"};
static char label_40[CONFIG_LABEL + 1];

static const char *label_of(size_t i)
{
	return labels[i] != NULL ? labels[i] : label_40;
}

static void make_special_zone(struct made_zone *z, const char *name, bool self_is_named)
{
	static struct endpoint self[SELF_A + SELF_AAAA];

	memset(self, 0, sizeof(self));
	for (unsigned i = 0; i < SELF_A + SELF_AAAA; i++) {
		char text[ENDPOINT_TEXT];

		snprintf(text, sizeof(text), i < SELF_A ? "203.0.113.%u" : "2001:db8:5::%u", i + 1);
		ck_assert(endpoint_addr_from_text(text, &self[i]));
	}
	memset(label_40, 'x', CONFIG_LABEL);
	zone_prepare(z, name, "ns.example.net");
	zone_add_peers(z, 3);
	for (size_t n = 3; n < 8; n++) {
		uint8_t key[KEY_LEN];
		struct wg_peer *peer;

		made_key(n, key);
		peer = wgdev_add_peer(&z->dev, key);
		ck_assert_ptr_nonnull(peer);
		endpoint_addr_from_text("192.0.2.1", &peer->endpoint);
		peer->endpoint.port = made_port(n);
		zone_add_allowed(z, n == 3 ? 40 : 1); /* a TXT of some 550 octets */
	}
	zone_add_self(z, SELF_N, self, SELF_A + SELF_AAAA);
	for (size_t i = 0; i < 3 + (size_t)self_is_named; i++)
		zone_say(z, named[i], label_of(i));
	zone_make(z);
}

static bool is_name(const ldns_rdf *rdf, const struct name *name)
{
	return ldns_rdf_size(rdf) == name->len && memcmp(ldns_rdf_data(rdf), name->wire, name->len) == 0;
}

static bool all_have_owner(const ldns_rr_list *list, size_t from, const struct name *owner)
{
	for (size_t i = from; i < ldns_rr_list_rr_count(list); i++)
		if (!is_name(ldns_rr_owner(ldns_rr_list_rr(list, i)), owner))
			return false;
	return true;
}

/* How many records of that type it has: its addresses, or one. */
static size_t has_records(const struct made_zone *z, const struct zone_peer *p, uint16_t type)
{
	size_t n = 0;

	if (type == DNS_SRV || type == DNS_TXT)
		return 1;
	if (type != DNS_A && type != DNS_AAAA)
		return 0;
	n += (p->endpoint.family == AF_INET) == (type == DNS_A);
	for (size_t i = 0; i < p->more_len; i++)
		n += (z->zone.more[p->more_off + i].family == AF_INET) == (type == DNS_A);
	return n;
}

/* Has the peer that address? */
static bool has_address(const struct made_zone *z, const struct zone_peer *p, const ldns_rr *rr)
{
	const uint8_t *addr = ldns_rdf_data(ldns_rr_rdf(rr, 0));
	sa_family_t family = ldns_rr_get_type(rr) == LDNS_RR_TYPE_A ? AF_INET : AF_INET6;
	size_t len = family == AF_INET ? 4 : 16;

	for (size_t i = 0; i <= p->more_len; i++) {
		const struct endpoint *ep = i == 0 ? &p->endpoint : &z->zone.more[p->more_off + i - 1];

		if (ep->family == family && memcmp(ep->addr, addr, len) == 0)
			return true;
	}
	return false;
}

/* Does the record, whose owner is `owner`, say what is so of the peer? */
static bool is_of_peer(const struct made_zone *z, const struct zone_peer *p, const struct name *owner, const ldns_rr *rr)
{
	char pub[6 + KEY_BASE64 + 1] = "pub=";
	const ldns_rdf *rdf;

	if (!is_name(ldns_rr_owner(rr), owner))
		return false;
	switch (ldns_rr_get_type(rr)) {
	case LDNS_RR_TYPE_SRV:
		return ldns_rdf2native_int16(ldns_rr_rdf(rr, 2)) == p->endpoint.port && is_name(ldns_rr_rdf(rr, 3), owner);
	case LDNS_RR_TYPE_TXT:
		rdf = ldns_rr_rdf(rr, 1); /* a string behind its length */
		key_to_base64(p->key, pub + 4);
		return ldns_rdf_size(rdf) == 1 + 4 + KEY_BASE64 && memcmp(ldns_rdf_data(rdf) + 1, pub, 4 + KEY_BASE64) == 0;
	case LDNS_RR_TYPE_A:
	case LDNS_RR_TYPE_AAAA:
		return has_address(z, p, rr);
	default:
		return false;
	}
}

/* Where the additional section begins, or the message ends. */
static size_t additional_at(size_t len)
{
	size_t at = walk_name(msg, len, DNS_HEADER) + 4;
	struct walked rr;

	for (unsigned i = count(1) + count(2); i > 0; i--, at = rr.next)
		ck_assert(walk_record(msg, len, at, &rr));
	return at;
}

/* The alias and the records that it leads to, all with that name as owner; or the alias and the SOA. */
static void check_alias(const struct made_zone *z, const struct zone_peer *p, const char *label, uint16_t type, size_t len)
{
	struct name alias, owners[ZONE_OWNERS];
	size_t wanted = has_records(z, p, type), n;
	ldns_rr_list *answers, *extra;
	ldns_pkt *pkt = NULL;

	ck_hot(name_prepend(label, strlen(label), &z->conf.name, &alias));
	ck_hot(zone_peer_owners(&z->zone, p, owners) == 3);
	ck_hot(ldns_wire2pkt(&pkt, msg, len) == LDNS_STATUS_OK);
	answers = ldns_pkt_answer(pkt);
	extra = ldns_pkt_additional(pkt);
	n = ldns_rr_list_rr_count(answers);
	ck_hot(ldns_pkt_get_rcode(pkt) == LDNS_RCODE_NOERROR);
	ck_hot(n == 1 + wanted);
	ck_hot(ldns_rr_get_type(ldns_rr_list_rr(answers, 0)) == LDNS_RR_TYPE_CNAME);
	ck_hot(is_name(ldns_rr_owner(ldns_rr_list_rr(answers, 0)), &alias));
	ck_hot(is_name(ldns_rr_rdf(ldns_rr_list_rr(answers, 0), 0), &owners[1]));
	for (size_t i = 1; i < n; i++) {
		ck_hot(ldns_rr_get_type(ldns_rr_list_rr(answers, i)) == type);
		ck_hot(is_of_peer(z, p, &owners[1], ldns_rr_list_rr(answers, i)));
	}
	ck_hot(type == DNS_SRV || ldns_rr_list_rr_count(extra) == 0);
	for (size_t i = 0; i < ldns_rr_list_rr_count(extra); i++)
		ck_hot(is_of_peer(z, p, &owners[1], ldns_rr_list_rr(extra, i)));
	ck_hot((ldns_rr_list_rr_count(ldns_pkt_authority(pkt)) == 1) == (wanted == 0 && type != DNS_CNAME && type != DNS_ANY));
	ck_hot(all_have_owner(ldns_pkt_authority(pkt), 0, &z->conf.name));
	ldns_pkt_free(pkt);
}

static const uint16_t alias_types[] = {DNS_A, DNS_AAAA, DNS_TXT, DNS_SRV, DNS_CNAME, DNS_ANY, 15 /* MX */, 6 /* SOA */};

/* At each size that a client may offer (with two of the zones): within it (the judge measures), whole or truncated, and truncated only if what was
 * asked for does not fit. */
START_TEST(alias_at_every_size)
{
	struct made_zone z;

	make_special_zone(&z, zone_names[_i], true);
	for (size_t i = 0; i < 4; i++) {
		uint8_t key[KEY_LEN];
		const struct zone_peer *p;
		char name[512];

		made_key(named[i], key);
		p = published(&z, key);
		ck_assert(p != NULL && zone_peer_is_special(p));
		snprintf(name, sizeof(name), "%s.%s", label_of(i), zone_names[_i]);
		for (size_t t = 0; t < sizeof(alias_types) / sizeof(*alias_types); t++) {
			size_t len = answer(&z, ask(name, alias_types[t], NO_EDNS), DNS_TCP_MAX), least = additional_at(len);

			ck_assert(!truncated());
			check_alias(&z, p, label_of(i), alias_types[t], len);
			for (int size = 511; size <= DNS_UDP_MAX + 1; size += _i % 3 == 1 ? 1 : 7) {
				size_t limit = size < 512 ? 512 : size > DNS_UDP_MAX ? DNS_UDP_MAX : (size_t)size;

				len = answer(&z, ask(name, alias_types[t], size == 511 ? NO_EDNS : size), DNS_UDP_MAX);
				ck_hot(len <= limit);
				ck_hot(truncated() == (least + (size == 511 ? 0 : OPT_LEN) > limit));
				if (!truncated())
					check_alias(&z, p, label_of(i), alias_types[t], len);
			}
		}
	}
	zone_drop(&z);
}
END_TEST

/* Asked by one of its names: all that it has, with that name as owner and target. Behind the SRV come the addresses, all of
 * them, and then the TXT. */
static void check_special(const struct made_zone *z, const struct zone_peer *p, const struct name *owner, int udp_size)
{
	static const uint16_t types[] = {DNS_SRV, DNS_A, DNS_AAAA, DNS_TXT, DNS_ANY, 15 /* MX */};
	size_t addresses = 1 + p->more_len;

	for (size_t t = 0; t < sizeof(types) / sizeof(*types); t++) {
		size_t wanted = types[t] == DNS_ANY ? 1 : has_records(z, p, types[t]);
		ldns_rr_list *extra;
		ldns_pkt *pkt = NULL;
		size_t len;

		len = answer(z, make_query(query, owner->wire, owner->len, types[t], udp_size),
		    udp_size == NO_EDNS ? DNS_TCP_MAX : DNS_UDP_MAX);
		ck_assert(!truncated());
		ck_assert_int_eq(ldns_wire2pkt(&pkt, msg, len), LDNS_STATUS_OK);
		ck_assert_uint_eq(ldns_pkt_get_rcode(pkt), LDNS_RCODE_NOERROR);
		ck_assert_uint_eq(ldns_rr_list_rr_count(ldns_pkt_answer(pkt)), wanted);
		for (size_t i = 0; i < wanted; i++)
			ck_assert(is_of_peer(z, p, owner, ldns_rr_list_rr(ldns_pkt_answer(pkt), i)));
		extra = ldns_pkt_additional(pkt);
		ck_assert_uint_eq(ldns_rr_list_rr_count(extra), types[t] == DNS_SRV ? addresses + 1 : 0);
		for (size_t i = 0; i < ldns_rr_list_rr_count(extra); i++) {
			const ldns_rr *rr = ldns_rr_list_rr(extra, i);

			ck_assert(is_of_peer(z, p, owner, rr));
			ck_assert_int_eq(ldns_rr_get_type(rr) == LDNS_RR_TYPE_TXT, i == addresses);
			for (size_t j = 0; j < i; j++) /* no address twice */
				ck_assert(ldns_rr_compare(rr, ldns_rr_list_rr(extra, j)) != 0);
		}
		ldns_pkt_free(pkt);
	}
}

START_TEST(special_peers_are_found_under_all_their_names)
{
	bool self_is_named = _i % 2 != 0, padded = _i / 2 % 2 != 0;
	const char *zone_name = zone_names[_i / 4];
	struct made_zone z;

	make_special_zone(&z, zone_name, self_is_named);
	if (!padded) { /* once more */
		snapshot_unmap(z.snapshot);
		z.conf.padded_names = false;
		zone_make(&z);
	}
	for (size_t i = 0; i < 4; i++) {
		struct name owners[ZONE_OWNERS], alias;
		uint8_t key[KEY_LEN];
		const struct zone_peer *p;
		size_t n, wanted = (size_t)1 + padded + (i < 3 || self_is_named);

		made_key(named[i], key);
		p = published(&z, key);
		ck_assert(p != NULL && zone_peer_is_special(p));
		ck_assert_uint_eq(p->more_len, i == 3 ? SELF_A + SELF_AAAA - 1 : 0);
		n = zone_peer_owners(&z.zone, p, owners);
		ck_assert_uint_eq(n, wanted);
		for (size_t j = 0; j < n; j++) {
			struct name upper = owners[j];

			check_special(&z, p, &owners[j], NO_EDNS);
			if (strlen(zone_name) < 50) /* all of it fits into UDP */
				check_special(&z, p, &owners[j], DNS_UDP_MAX);
			for (size_t k = 0; k < upper.len; k++)
				upper.wire[k] = (uint8_t)toupper(upper.wire[k]);
			answer(&z, make_query(query, upper.wire, upper.len, DNS_SRV, NO_EDNS), DNS_TCP_MAX);
			ck_assert(count(1) == 1 && rcode() == DNS_NOERROR);
		}
		answer(&z, make_peer_query(query, &z, key, true, DNS_SRV, NO_EDNS), DNS_TCP_MAX);
		ck_assert_uint_eq(rcode(), padded ? DNS_NOERROR : DNS_NXDOMAIN);
		ck_assert(name_prepend(label_of(i), strlen(label_of(i)), &z.conf.name, &alias));
		answer(&z, make_query(query, alias.wire, alias.len, DNS_CNAME, NO_EDNS), DNS_TCP_MAX);
		ck_assert_uint_eq(count(1), i < 3 || self_is_named);
		ck_assert(name_prepend("below", 5, &alias, &alias));
		answer(&z, make_query(query, alias.wire, alias.len, DNS_A, NO_EDNS), DNS_TCP_MAX);
		ck_assert_uint_eq(rcode(), DNS_NXDOMAIN);
	}
	zone_drop(&z);
}
END_TEST

/* Which peer's name in the list is that? */
static const struct zone_peer *peer_of_target(const struct made_zone *z, const ldns_rdf *target, struct name *owner)
{
	for (size_t i = 0; i < z->zone.peers_len; i++) {
		struct name owners[ZONE_OWNERS];

		zone_peer_owners(&z->zone, &z->zone.peers[i], owners);
		*owner = owners[0];
		if (is_name(target, owner))
			return &z->zone.peers[i];
	}
	return NULL;
}

/* Each peer once, by the name that it has in the list; and of what comes with it each record is about its owner. Returns
 * how many records came. */
static size_t check_mixed_list(const struct made_zone *z, size_t len)
{
	ldns_rr_list *answers, *extra;
	ldns_pkt *pkt = NULL;
	struct name owner;
	size_t n;

	ck_assert_int_eq(ldns_wire2pkt(&pkt, msg, len), LDNS_STATUS_OK);
	answers = ldns_pkt_answer(pkt);
	extra = ldns_pkt_additional(pkt);
	ck_assert_uint_eq(ldns_rr_list_rr_count(answers), z->zone.peers_len);
	ck_assert(all_have_owner(answers, 0, &z->zone.service));
	for (size_t i = 0; i < ldns_rr_list_rr_count(answers); i++) {
		const ldns_rdf *target = ldns_rr_rdf(ldns_rr_list_rr(answers, i), 0);

		ck_hot(peer_of_target(z, target, &owner) != NULL);
		for (size_t j = 0; j < i; j++)
			ck_hot(ldns_dname_compare(target, ldns_rr_rdf(ldns_rr_list_rr(answers, j), 0)) != 0);
	}
	n = ldns_rr_list_rr_count(extra);
	for (size_t i = 0; i < n; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(extra, i);
		const struct zone_peer *p = peer_of_target(z, ldns_rr_owner(rr), &owner);

		ck_hot(p != NULL && is_of_peer(z, p, &owner, rr));
		for (size_t j = 0; j < i; j++)
			ck_hot(ldns_rr_compare(rr, ldns_rr_list_rr(extra, j)) != 0);
	}
	ldns_pkt_free(pkt);
	return n;
}

/* Regular peers and special ones; of each nth the name is for people. */
static const struct {
	size_t peers, nth;
	bool self;
} mixtures[] = {{1, 1, false}, {2, 2, false}, {2, 2, true}, {0, 1, true}, {14, 1, true}, {14, 3, true}, {60, 2, false}, {300, 9, true}};

START_TEST(mixed_list)
{
	static struct endpoint self[2];
	size_t peers = mixtures[_i].peers, all = 0;
	struct made_zone z;

	zone_prepare(&z, "wg.test", NULL);
	zone_add_peers(&z, peers);
	for (size_t n = 0; n < peers; n += mixtures[_i].nth) {
		char label[CONFIG_LABEL + 1];

		snprintf(label, sizeof(label), "%.*s%u", (int)(n % 30), "this-is-a-name-of-some-length-", (unsigned)n % 1000);
		zone_say(&z, n, label);
	}
	endpoint_addr_from_text("203.0.113.1", &self[0]);
	endpoint_addr_from_text("2001:db8::1", &self[1]);
	if (mixtures[_i].self)
		zone_add_self(&z, SELF_N, self, 2);
	zone_make(&z);
	for (size_t i = 0; i < z.zone.peers_len; i++)
		all += 3u + z.zone.peers[i].more_len;
	for (int edns = 0; edns < 2; edns++) {
		size_t n = check_mixed_list(&z, answer(&z, ask("_wireguard._udp.wg.test", DNS_PTR, edns ? 512 : NO_EDNS), DNS_TCP_MAX));

		if (peers <= 60)
			ck_assert_uint_eq(n, all);
	}
	for (int size = NO_EDNS; size <= 1300; size++) {
		size_t len = answer(&z, ask("_Wireguard._udp.wg.TEST", DNS_PTR, size), DNS_UDP_MAX);

		if (!truncated() && size != NO_EDNS && size % 16 == 0) {
			/* As it was asked: the owners of the regular peers' records end in the question's letters. */
			len = answer(&z, ask("_wireguard._udp.wg.test", DNS_PTR, size), DNS_UDP_MAX);
			check_mixed_list(&z, len);
		}
	}
	zone_drop(&z);
}
END_TEST

/* ---- zones and names ---- */

static const struct {
	const char *name, *zone; /* NULL: REFUSED */
} homes[] = {
    {"nobody.test", "test."}, {"awg.test", "test."}, {"nobody.awg.test", "test."}, {"TEST", "test."},
    {"nobody.wg.test", "wg.test."}, {"a.nobody.wg.test", "wg.test."}, {"wg.test", "wg.test."}, {"aa.wg.test", "wg.test."},
    {"a.wg.test", "a.wg.test."}, {"nobody.A.wg.test", "a.wg.test."}, {"a.a.wg.test", "a.wg.test."}, {"_udp.a.wg.test", "a.wg.test."},
    {"c.b.a.wg.test", "b.a.wg.test."}, {"xwg.test", "xwg.test."}, {"a.xwg.test", "xwg.test."},
    {"example", NULL}, {".", NULL}, {"wg.tes", NULL}, {"wg.test.example", NULL}, {"test.wg", NULL},
};

/* The zone that answers is the one with the longest name, in whatever order they come. */
START_TEST(longest_match)
{
	static const char *const names[5] = {"test", "wg.test", "a.wg.test", "b.a.wg.test", "xwg.test"};
	struct made_zone z[5];

	for (size_t i = 0; i < 5; i++) {
		zone_prepare(&z[i], names[i], NULL);
		zone_add_peers(&z[i], i);
		zone_make(&z[i]);
	}
	for (unsigned order = 0; order < 120; order++) {
		const struct snapshot *drawn[5] = {NULL};
		struct answer_zones zones = {0};
		unsigned o = order;

		for (size_t i = 0; i < 5; i++) {
			size_t place = o % (5 - i);

			o /= (unsigned)(5 - i);
			for (size_t j = 0; j < 5; j++)
				if (drawn[j] == NULL && place-- == 0)
					drawn[j] = z[i].snapshot;
		}
		for (size_t i = 0; i < 5; i++)
			answer_add_zone(&zones, drawn[i]);
		for (size_t i = 0; i < sizeof(homes) / sizeof(*homes); i++) {
			ldns_pkt *pkt = NULL;
			size_t len = answer_over(&zones, ask(homes[i].name, 99, NO_EDNS), DNS_UDP_MAX);
			char *soa;

			ck_assert_msg((rcode() == DNS_REFUSED) == (homes[i].zone == NULL), "%s", homes[i].name);
			if (homes[i].zone == NULL)
				continue;
			ck_assert_int_eq(ldns_wire2pkt(&pkt, msg, len), LDNS_STATUS_OK);
			soa = ldns_rdf2str(ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_authority(pkt), 0)));
			ck_assert_msg(strcasecmp(soa, homes[i].zone) == 0, "%s: in %s", homes[i].name, soa);
			free(soa);
			ldns_pkt_free(pkt);
		}
	}
	for (size_t i = 0; i < 5; i++)
		zone_drop(&z[i]);
}
END_TEST

static const struct {
	const char *name;
	uint16_t type;
	uint8_t rcode;
	unsigned answers, additionals;
} statics[] = {
    {"wg.test", 6, DNS_NOERROR, 1, 0}, {"wg.test", 2, DNS_NOERROR, 2, 2}, {"wg.test", DNS_A, DNS_NOERROR, 0, 0},
    {"wg.test", DNS_ANY, DNS_NOERROR, 2, 0}, {"ns.far.below.wg.test", DNS_A, DNS_NOERROR, 1, 0},
    {"ns.far.below.wg.test", DNS_AAAA, DNS_NOERROR, 1, 0}, {"ns.far.below.wg.test", DNS_TXT, DNS_NOERROR, 0, 0},
    {"far.below.wg.test", DNS_A, DNS_NOERROR, 0, 0}, {"below.wg.test", DNS_ANY, DNS_NOERROR, 0, 0},
    {"_udp.wg.test", DNS_PTR, DNS_NOERROR, 0, 0}, {"_dns-sd._udp.wg.test", DNS_PTR, DNS_NOERROR, 0, 0},
    {"_services._dns-sd._udp.wg.test", DNS_PTR, DNS_NOERROR, 1, 0}, {"_services._dns-sd._udp.wg.test", DNS_SRV, DNS_NOERROR, 0, 0},
    {"b._dns-sd._udp.wg.test", DNS_PTR, DNS_NOERROR, 1, 0}, {"db._dns-sd._udp.wg.test", DNS_PTR, DNS_NOERROR, 1, 0},
    {"lb._dns-sd._udp.wg.test", DNS_PTR, DNS_NOERROR, 1, 0}, {"r._dns-sd._udp.wg.test", DNS_PTR, DNS_NXDOMAIN, 0, 0},
    {"_wireguard._udp.wg.test", DNS_TXT, DNS_NOERROR, 1, 0}, {"_wireguard._udp.wg.test", DNS_PTR, DNS_NOERROR, 0, 0},
    {"_tcp.wg.test", DNS_PTR, DNS_NXDOMAIN, 0, 0}, {"_wireguard._tcp.wg.test", DNS_PTR, DNS_NXDOMAIN, 0, 0},
    {"wireguard._udp.wg.test", DNS_PTR, DNS_NXDOMAIN, 0, 0}, {"nearer.below.wg.test", DNS_A, DNS_NXDOMAIN, 0, 0},
    {"ns.wg.test", DNS_A, DNS_NXDOMAIN, 0, 0}, {"a.ns.far.below.wg.test", DNS_A, DNS_NXDOMAIN, 0, 0},
    {"_sub._wireguard._udp.wg.test", DNS_PTR, DNS_NXDOMAIN, 0, 0}, {"*.wg.test", DNS_A, DNS_NXDOMAIN, 0, 0},
    {"ns.example.net", DNS_A, DNS_REFUSED, 0, 0},
};

START_TEST(static_names)
{
	struct made_zone z;
	struct name_server *ns;

	zone_prepare(&z, "wg.test", "ns.example.net");
	ns = &z.conf.name_servers.at[1];
	*ns = z.conf.name_servers.at[0];
	z.conf.name_servers.len = 2;
	name_from_text("ns.far.below.wg.test", &ns->name);
	endpoint_addr_from_text("2001:db8::53", &ns->addrs[ns->addrs_len++]);
	zone_make(&z);
	answer(&z, ask(statics[_i].name, statics[_i].type, NO_EDNS), DNS_UDP_MAX);
	ck_assert_uint_eq(rcode(), statics[_i].rcode);
	ck_assert_uint_eq(count(1), statics[_i].answers);
	ck_assert_uint_eq(count(2), statics[_i].answers == 0 && statics[_i].rcode != DNS_REFUSED);
	ck_assert_uint_eq(count(3), statics[_i].additionals);
	zone_drop(&z);
}
END_TEST

START_TEST(padded_names_can_be_left_out)
{
	struct made_zone z;
	uint8_t key[KEY_LEN];

	zone_prepare(&z, "wg.test", NULL);
	z.conf.padded_names = false;
	zone_add_peers(&z, 3);
	zone_make(&z);
	for (size_t n = 0; n < 3; n++) {
		check_peer(&z, n, false);
		made_key(n, key);
		answer(&z, make_peer_query(query, &z, key, true, DNS_SRV, NO_EDNS), DNS_UDP_MAX);
		ck_assert_uint_eq(rcode(), DNS_NXDOMAIN);
	}
	zone_drop(&z);
}
END_TEST

/* Not ready is said for every name of the zone, and of no other; an empty zone would deny what there is. */
START_TEST(not_ready)
{
	static const char *const names[] = {"wg.test", "nobody.wg.test", "_wireguard._udp.wg.test",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa._wireguard._udp.wg.test"};
	static const uint8_t ede[] = {0, 6, 0, 15, 0, 2, 0, 14};
	struct made_zone z;
	size_t len;

	zone_prepare(&z, "wg.test", NULL);
	zone_make_not_ready(&z);
	for (size_t i = 0; i < 4; i++) {
		len = answer(&z, ask(names[i], DNS_SRV, NO_EDNS), DNS_UDP_MAX);
		ck_assert_uint_eq(rcode(), DNS_SERVFAIL);
		ck_assert_uint_eq(len, walk_name(msg, len, DNS_HEADER) + 4);
		len = answer(&z, ask(names[i], DNS_SRV, 512), DNS_UDP_MAX);
		ck_assert_uint_eq(rcode(), DNS_SERVFAIL);
		ck_assert(memcmp(msg + len - sizeof(ede), ede, sizeof(ede)) == 0);
	}
	answer(&z, ask("test", DNS_SRV, NO_EDNS), DNS_UDP_MAX);
	ck_assert_uint_eq(rcode(), DNS_REFUSED);
	zone_drop(&z);
}
END_TEST

START_TEST(no_zones)
{
	struct answer_zones none = {0};

	answer_over(&none, ask("wg.test", DNS_A, NO_EDNS), DNS_UDP_MAX);
	ck_assert_uint_eq(rcode(), DNS_REFUSED);
}
END_TEST

/* A name of 255 octets that is in the zone, and one of 255 that is not. */
START_TEST(longest_names)
{
	struct made_zone z;
	uint8_t key[KEY_LEN], wire[NAME_MAX_LEN + 1];
	size_t len;

	zone_prepare(&z, LONGEST, NULL);
	zone_add_peers(&z, 40);
	zone_make(&z);
	for (size_t n = 0; n < 40; n++) {
		check_peer(&z, n, false);
		check_peer(&z, n, true);
	}
	made_key(0, key);
	len = make_peer_query(query, &z, key, true, DNS_SRV, NO_EDNS);
	ck_assert_uint_eq(walk_name(query, len, DNS_HEADER), DNS_HEADER + NAME_MAX_LEN);
	len = wire_name("0123456789012345678901234567890123456789012345678901234567890ab.wxyz.zyx." LONGEST, wire);
	ck_assert_uint_eq(len, NAME_MAX_LEN);
	answer(&z, make_query(query, wire, len, DNS_A, 512), DNS_UDP_MAX);
	ck_assert(rcode() == DNS_NXDOMAIN || truncated());
	answer(&z, make_query(query, wire, len, DNS_A, NO_EDNS), DNS_TCP_MAX);
	ck_assert_uint_eq(rcode(), DNS_NXDOMAIN);
	zone_drop(&z);
}
END_TEST

/* ---- strangers ---- */

/* Queries with octets changed, cut, repeated: the same ones in every run. The judge says whether the answer is one. */
START_TEST(mutations)
{
	static const uint16_t types[] = {DNS_SRV, DNS_A, DNS_TXT, DNS_PTR, DNS_ANY, 6, 2};
	struct made_zone z, other;
	struct answer_zones zones = {0};
	uint64_t x = 88172645463325252u;
	uint8_t key[KEY_LEN];

	zone_prepare(&z, "wg.test", "ns1.wg.test");
	zone_add_peers(&z, 5);
	zone_make(&z);
	zone_prepare(&other, "a.wg.test", NULL);
	zone_make_not_ready(&other);
	answer_add_zone(&zones, z.snapshot);
	answer_add_zone(&zones, other.snapshot);
	for (int i = 0; i < 30000; i++) {
		size_t len;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		made_key(x % 6, key);
		if (x >> 60 < 8)
			len = make_peer_query(query, &z, key, x >> 59 & 1, types[x % 7], (int)(x >> 40 & 2047) - 1);
		else
			len = ask(x >> 59 & 1 ? "_wireguard._udp.wg.test" : "a.wg.test", types[x % 7], (int)(x >> 40 & 2047));
		for (uint64_t changes = x >> 32 & 3; changes > 0; changes--) {
			size_t at;

			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			at = x % len;
			if ((x >> 50 & 15) == 0)
				len = at + 1;
			else if ((x >> 50 & 15) == 1 && len + 8 < DNS_UDP_MAX)
				memmove(query + at + 8, query + at, len - at), len += 8;
			else
				query[at] = (uint8_t)(x >> 24 & 1 ? x >> 16 : query[at] ^ 1u << (x >> 16 & 7));
		}
		answer_over(&zones, len, (x & 64) != 0 ? DNS_TCP_MAX : DNS_UDP_MAX);
	}
	zone_drop(&z);
	zone_drop(&other);
}
END_TEST

Suite *suite_answer(void)
{
	Suite *s = suite_create("answer");
	TCase *t = tcase_create("peers");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, every_peer_is_found, 0, (int)(sizeof(sizes) / sizeof(*sizes)));
	tcase_add_test(t, equal_halves);
	tcase_add_test(t, near_misses);
	tcase_add_test(t, case_is_kept_and_ignored);
	tcase_add_test(t, padded_names_can_be_left_out);
	tcase_add_test(t, longest_names);
	suite_add_tcase(s, t);
	t = tcase_create("limits");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, srv_never_past_the_limit, 0, ZONE_NAMES);
	tcase_add_loop_test(t, nothing_past_the_limit, 0, ZONE_NAMES);
	tcase_add_loop_test(t, long_txt, 0, 7);
	suite_add_tcase(s, t);
	t = tcase_create("lists");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, list_of_peers, 0, 2 * LISTS);
	tcase_add_test(t, list_past_pointers);
	tcase_add_test(t, list_max_is_a_setting);
	suite_add_tcase(s, t);
	t = tcase_create("special peers");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, alias_at_every_size, 0, ZONE_NAMES);
	tcase_add_loop_test(t, special_peers_are_found_under_all_their_names, 0, 4 * ZONE_NAMES);
	tcase_add_loop_test(t, mixed_list, 0, (int)(sizeof(mixtures) / sizeof(*mixtures)));
	suite_add_tcase(s, t);
	t = tcase_create("zones");
	tcase_add_test(t, longest_match);
	tcase_add_loop_test(t, static_names, 0, (int)(sizeof(statics) / sizeof(*statics)));
	tcase_add_test(t, not_ready);
	tcase_add_test(t, no_zones);
	suite_add_tcase(s, t);
	t = tcase_create("strangers");
	tcase_set_timeout(t, 60);
	tcase_add_test(t, mutations);
	suite_add_tcase(s, t);
	return s;
}
