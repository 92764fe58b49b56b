/* Who may have which answer, and how much of it: access rules, cookies, the limit for addresses that may be forged, lists that
 * are split.
 */
#include <stdio.h>
#include <string.h>

#include "answers.h"
#include "suites.h"
#include "util.h"
#include "wire.h"

#define NOW_S   UINT32_C(1700000000)
#define IFINDEX 7
#define OPT_LEN 11

static uint8_t query[MESSAGE_MAX], msg[MESSAGE_MAX];
static struct made_zone z;
static struct answer_world world;

static void setup(void)
{
	zone_prepare(&z, "wg.test", "ns1.wg.test");
	memset(&world, 0, sizeof(world));
	world.now_s = NOW_S;
	world.idle_100ms = 100;
	memset(&world.secrets, 7, sizeof(world.secrets));
	memset(world.secrets.at[1], 8, COOKIE_SECRET);
}

static void teardown(void)
{
	zone_drop(&z);
}

static void make(size_t peers)
{
	zone_add_peers(&z, peers);
	zone_make(&z);
	answer_add_zone(&world.zones, z.snapshot);
}

static struct asker asker_of(const char *address, uint32_t ifindex, bool is_stream)
{
	struct asker asker = {.ifindex = ifindex, .is_stream = is_stream};
	struct endpoint ep = util_endpoint(address);

	ranges_key(ep.family, ep.addr, asker.addr);
	return asker;
}

/* The answer to what is in `query`, judged. */
static size_t answer(const struct asker *asker, size_t len)
{
	size_t transport = asker->is_stream ? DNS_TCP_MAX : DNS_UDP_MAX, n;
	const char *what;

	memset(msg, 0x5a, sizeof(msg));
	memcpy(msg, query, len);
	n = answer_query(&world, asker, msg, len);
	what = judge(query, len, msg, n, transport);
	ck_assert_msg(what == NULL, "%s", what);
	return n;
}

static size_t named(const char *name, uint16_t type, int udp_size)
{
	uint8_t wire[NAME_MAX_LEN + 1];
	size_t len = wire_name(name, wire);

	ck_assert_uint_gt(len, 0);
	return make_query(query, wire, len, type, udp_size);
}

static size_t of_peer(size_t n, uint16_t type, int udp_size)
{
	uint8_t key[KEY_LEN];

	made_key(n, key);
	return make_peer_query(query, &z, key, false, type, udp_size);
}

/* Puts an option at the end of the query, which ends in an OPT. Returns the query's length. */
static size_t with_option(size_t len, uint16_t code, const void *data, size_t data_len)
{
	struct walked opt;

	ck_assert(walk_record(query, len, walk_name(query, len, DNS_HEADER) + 4, &opt));
	ck_assert(opt.type == DNS_OPT && opt.next == len);
	put16(query + opt.rdata - 2, (uint16_t)(opt.rdlen + 4 + data_len));
	put_bytes(put16(put16(query + len, code), (uint16_t)data_len), data, data_len);
	return len + 4 + data_len;
}

/* An option of the answer; NULL: it has none of that kind. */
static const uint8_t *option(size_t len, uint16_t code, size_t *data_len)
{
	size_t at = DNS_HEADER;
	struct walked rr = {0};

	if (get16(msg + 4) > 0)
		at = walk_name(msg, len, at) + 4;
	for (int n = get16(msg + 6) + get16(msg + 8) + get16(msg + 10); n > 0; n--, at = rr.next)
		ck_assert(walk_record(msg, len, at, &rr));
	if (rr.type != DNS_OPT)
		return NULL;
	for (at = rr.rdata; at < rr.next; at += 4u + get16(msg + at + 2)) {
		*data_len = get16(msg + at + 2);
		if (get16(msg + at) == code)
			return msg + at + 4;
	}
	return NULL;
}

static unsigned rcode(size_t len)
{
	size_t opt = len;

	/* The upper octet is in an OPT that stands at the end, behind nothing that is longer than its options. */
	for (size_t at = DNS_HEADER; at + OPT_LEN <= len; at++)
		if (memcmp(msg + at, "\0\0\x29\x04\xd0", 5) == 0)
			opt = at;
	return (unsigned)(msg[3] & 15) | (opt < len ? (unsigned)msg[opt + 5] << 4 : 0);
}

static bool truncated(void)
{
	return (msg[2] & 2) != 0;
}

/* ---- who may ---- */

#define SUB "_a._sub._wireguard._udp.wg.test"

/* Who asks over which interface; what it may. */
static const struct {
	const char *address;
	uint32_t ifindex;
	bool allowed, lists;
} askers[] = {
    {"192.0.2.1", 0, true, true}, {"192.0.2.2", 0, true, false}, {"192.0.2.255", 3, true, false}, {"192.0.3.0", 0, false, false},
    {"192.0.1.255", 0, false, false}, {"2001:db8::1", 0, true, false}, {"2001:db8::53", 0, true, true}, {"2001:db9::", 0, false, false},
    {"::ffff:192.0.2.1", 0, true, true}, /* it is that address: no socket of ours takes both families */
    /* Peers' addresses only by the tunnel, and only theirs. */
    {"10.0.0.0", IFINDEX, true, true}, {"10.0.0.1", IFINDEX, true, true}, {"10.0.0.0", 0, false, false}, {"10.0.0.0", 8, false, false},
    {"10.9.9.9", IFINDEX, false, false}, {"203.0.113.1", IFINDEX, false, false}, {"192.0.2.2", IFINDEX, true, false},
};

static const struct {
	const char *name; /* NULL: a peer's */
	uint16_t type;
	bool is_list;
} things[] = {
    {"wg.test", DNS_SOA, false}, {"nobody.wg.test", DNS_A, false}, {NULL, DNS_SRV, false}, {NULL, DNS_TXT, false},
    {"_wireguard._udp.wg.test", DNS_TXT, false}, {"_wireguard._udp.wg.test", DNS_PTR, true}, {"_WIREGUARD._udp.WG.test", DNS_ANY, true},
    {SUB, DNS_PTR, true}, {SUB, DNS_TXT, true}, {"_sub._wireguard._udp.wg.test", DNS_PTR, true},
    {"_A._SUB._Wireguard._udp.wg.test", DNS_ANY, true}, {"x.y._sub._wireguard._udp.wg.test", DNS_A, true},
    {"_sub._udp.wg.test", DNS_PTR, false}, {"x_sub._wireguard._udp.wg.test", DNS_PTR, false},
    {"b._dns-sd._udp.wg.test", DNS_PTR, false},
};

START_TEST(each_gets_what_it_may)
{
	zone_allow(&z, "192.0.2.0/24,2001:db8::/32,tunnel");
	zone_allow_browse(&z, "192.0.2.1/32,2001:db8::53/128,tunnel");
	z.world.ifindex = IFINDEX;
	z.conf.list_max = _i == 0 ? 900 : 3;
	make(20);
	for (size_t i = 0; i < COUNT(askers); i++) {
		for (size_t t = 0; t < 2 * COUNT(things); t++) {
			struct asker asker = asker_of(askers[i].address, askers[i].ifindex, t % 2 != 0);
			const char *name = things[t / 2].name;
			uint16_t type = things[t / 2].type;
			size_t len = name != NULL ? named(name, type, 1232) : of_peer(3, type, 1232), n = answer(&asker, len), ede_len = 0;
			bool may = askers[i].allowed && (askers[i].lists || !things[t / 2].is_list);
			const uint8_t *ede = option(n, 15, &ede_len);

			ck_assert_msg((rcode(n) == DNS_REFUSED) == !may, "%s over %u, %s %u: rcode %u", askers[i].address, askers[i].ifindex,
			    name, type, rcode(n));
			ck_assert((ede != NULL) == !may && (may || (ede_len == 2 && get16(ede) == 18)));
			if (t % 2 == 0) { /* and without EDNS */
				len = name != NULL ? named(name, type, NO_EDNS) : of_peer(3, type, NO_EDNS);
				ck_assert_int_eq(rcode(answer(&asker, len)) == DNS_REFUSED, !may);
			}
		}
	}
}
END_TEST

START_TEST(nobody_and_everybody)
{
	struct asker asker = asker_of("192.0.2.1", 0, true);

	if (_i == 0)
		zone_allow(&z, "none");
	else
		zone_allow_browse(&z, "none");
	make(3);
	ck_assert_uint_eq(rcode(answer(&asker, of_peer(1, DNS_SRV, 1232))), _i == 0 ? DNS_REFUSED : DNS_NOERROR);
	ck_assert_uint_eq(rcode(answer(&asker, named("_wireguard._udp.wg.test", DNS_PTR, 1232))), DNS_REFUSED);
}
END_TEST

/* Without a device there is no tunnel, though packets come in over no interface that is known. */
START_TEST(an_unknown_interface_is_no_tunnel)
{
	struct asker asker = asker_of("10.0.0.0", 0, false);

	zone_allow(&z, "tunnel");
	z.world.ifindex = 0;
	make(20);
	ck_assert_uint_eq(rcode(answer(&asker, of_peer(1, DNS_SRV, 1232))), DNS_REFUSED);
}
END_TEST

/* The nearest zone's rules count, not those of the zone around it. */
START_TEST(each_zone_has_its_own_rules)
{
	struct made_zone inner;
	struct asker asker = asker_of("192.0.2.1", 0, false);

	zone_allow(&z, "none");
	make(3);
	zone_prepare(&inner, "sub.wg.test", NULL);
	zone_make(&inner);
	answer_add_zone(&world.zones, inner.snapshot);
	ck_assert_uint_eq(rcode(answer(&asker, named("wg.test", DNS_SOA, 1232))), DNS_REFUSED);
	ck_assert_uint_eq(rcode(answer(&asker, named("sub.wg.test", DNS_SOA, 1232))), DNS_NOERROR);
	zone_drop(&inner);
}
END_TEST

/* ---- cookies ---- */

static size_t with_cookie(size_t len, const uint8_t *cookie, size_t cookie_len)
{
	return with_option(len, 10, cookie, cookie_len);
}

static const uint8_t *cookie_of(size_t len)
{
	size_t n = 0;
	const uint8_t *cookie = option(len, 10, &n);

	ck_assert(cookie != NULL && n == COOKIE_LEN);
	return cookie;
}

START_TEST(a_cookie_is_made_and_sent_back)
{
	struct asker asker = asker_of(_i % 2 == 0 ? "192.0.2.1" : "2001:db8::1", 0, _i >= 2), other = asker_of("192.0.2.2", 0, false);
	uint8_t cookie[COOKIE_LEN];
	size_t n;

	make(3);
	n = answer(&asker, with_cookie(named("wg.test", DNS_SOA, 1232), (const uint8_t *)"clientco", 8));
	memcpy(cookie, cookie_of(n), COOKIE_LEN);
	ck_assert_mem_eq(cookie, "clientco\1\0\0\0", 12);
	ck_assert_uint_eq(get32(cookie + 12), NOW_S);
	ck_assert_int_eq(cookie_check(&world.secrets, cookie, asker.addr, NOW_S), COOKIE_GOOD);
	/* While it is good it stays, then there is a new one. */
	world.now_s = NOW_S + 1800;
	n = answer(&asker, with_cookie(named("wg.test", DNS_SOA, 1232), cookie, COOKIE_LEN));
	ck_assert_mem_eq(cookie_of(n), cookie, COOKIE_LEN);
	world.now_s = NOW_S + 1801;
	n = answer(&asker, with_cookie(named("wg.test", DNS_SOA, 1232), cookie, COOKIE_LEN));
	ck_assert_uint_eq(get32(cookie_of(n) + 12), NOW_S + 1801);
	/* Somebody else's, or none of ours, is answered all the same: RFC 7873 section 5.2.4 leaves that to us. */
	world.now_s = NOW_S;
	n = answer(&other, with_cookie(named("wg.test", DNS_SOA, 1232), cookie, COOKIE_LEN));
	ck_assert_uint_eq(rcode(n), DNS_NOERROR);
	ck_assert_mem_ne(cookie_of(n), cookie, COOKIE_LEN);
	ck_assert_int_eq(cookie_check(&world.secrets, cookie_of(n), other.addr, NOW_S), COOKIE_GOOD);
	/* With what is no answer, too. */
	n = answer(&asker, with_cookie(named("example.org", DNS_SOA, 1232), cookie, COOKIE_LEN));
	ck_assert_uint_eq(rcode(n), DNS_REFUSED);
	ck_assert_mem_eq(cookie_of(n), cookie, COOKIE_LEN);
}
END_TEST

/* Header and OPT, and nothing asked. */
static size_t without_question(void)
{
	static const uint8_t bare[] = {0xab, 0xcd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0};

	memcpy(query, bare, sizeof(bare));
	return sizeof(bare);
}

static size_t bare_cookie(const uint8_t *cookie, size_t len)
{
	size_t n = without_question();

	put16(query + n - 2, (uint16_t)(4 + len));
	put_bytes(put16(put16(query + n, 10), (uint16_t)len), cookie, len);
	return n + 4 + len;
}

START_TEST(a_cookie_may_be_all_that_is_asked)
{
	struct asker asker = asker_of("192.0.2.1", 0, _i != 0);
	uint8_t cookie[COOKIE_LEN];
	size_t n;

	make(3);
	world.limited = true;
	n = answer(&asker, bare_cookie((const uint8_t *)"clientco", 8));
	ck_assert_uint_eq(rcode(n), DNS_NOERROR);
	ck_assert_uint_eq(n, DNS_HEADER + OPT_LEN + 4 + COOKIE_LEN);
	memcpy(cookie, cookie_of(n), COOKIE_LEN);
	n = answer(&asker, bare_cookie(cookie, COOKIE_LEN));
	ck_assert_uint_eq(rcode(n), DNS_NOERROR);
	ck_assert_mem_eq(cookie_of(n), cookie, COOKIE_LEN);
	cookie[20] ^= 1;
	n = answer(&asker, bare_cookie(cookie, COOKIE_LEN));
	ck_assert_uint_eq(rcode(n), DNS_BADCOOKIE);
	ck_assert_int_eq(cookie_check(&world.secrets, cookie_of(n), asker.addr, NOW_S), COOKIE_GOOD);
	n = answer(&asker, bare_cookie(cookie, 17)); /* another server's */
	ck_assert_uint_eq(rcode(n), DNS_BADCOOKIE);
	cookie_of(n);
	n = answer(&asker, without_question());
	ck_assert_uint_eq(rcode(n), DNS_FORMERR);
}
END_TEST

/* ---- RFC 7828 ---- */

START_TEST(a_keepalive_is_for_streams)
{
	struct asker udp = asker_of("192.0.2.1", 0, false), tcp = asker_of("192.0.2.1", 0, true);
	size_t n, len = 0;

	make(3);
	n = answer(&udp, with_option(named("wg.test", DNS_SOA, 1232), 11, "", 0));
	ck_assert_ptr_null(option(n, 11, &len));
	n = answer(&tcp, with_option(named("wg.test", DNS_SOA, 1232), 11, "", 0));
	ck_assert(option(n, 11, &len) != NULL && len == 2 && get16(option(n, 11, &len)) == 100);
	n = answer(&tcp, named("wg.test", DNS_SOA, 1232));
	ck_assert_ptr_null(option(n, 11, &len));
	n = answer(&tcp, with_option(with_cookie(of_peer(1, DNS_SRV, 1232), (const uint8_t *)"clientco", 8), 11, "\0\5", 2));
	ck_assert(option(n, 11, &len) != NULL && option(n, 10, &len) != NULL);
}
END_TEST

/* ---- the limit ---- */

static size_t plain(const char *name, uint16_t type, int udp_size)
{
	return name != NULL ? named(name, type, udp_size) : of_peer(1, type, udp_size);
}

/* What an answer has to have: all but the additional section, and the OPT. */
static size_t least(size_t len)
{
	size_t at = walk_name(msg, len, DNS_HEADER) + 4;
	struct walked rr;

	for (int n = get16(msg + 6) + get16(msg + 8); n > 0; n--, at = rr.next)
		ck_hot(walk_record(msg, len, at, &rr));
	return at;
}

/* To an address that may be forged at most four times the query; whole if that is enough, else truncated. */
START_TEST(no_answer_is_longer_than_four_times_the_query)
{
	static const char *const names[] = {NULL, "wg.test", "_wireguard._udp.wg.test", "nobody.wg.test", "alice.wg.test", "x.org", "ns1.wg.test"};
	static const uint16_t types[] = {DNS_SRV, DNS_TXT, DNS_PTR, DNS_ANY, DNS_NS, DNS_SOA, DNS_AAAA, DNS_A};
	struct asker udp = asker_of("192.0.2.1", 0, false), tcp = asker_of("192.0.2.1", 0, true), tunnel = asker_of("192.0.2.1", IFINDEX, false);
	unsigned cut = 0, whole = 0;

	zone_say(&z, 0, "alice");
	z.world.ifindex = IFINDEX;
	zone_add_peers(&z, 6);
	zone_add_allowed(&z, 20); /* to peer 5 */
	zone_make(&z);
	answer_add_zone(&world.zones, z.snapshot);
	for (size_t i = 0; i < 4 * COUNT(names) * COUNT(types); i++) {
		const char *name = names[i / 4 / COUNT(types)];
		uint16_t type = types[i / 4 % COUNT(types)];
		int size = i % 4 == 0 ? NO_EDNS : i % 4 == 1 ? 512 : i % 4 == 2 ? 1232 : 4096;
		size_t len = plain(name, type, size), opt = size == NO_EDNS ? 0 : OPT_LEN, full, small, need;
		bool full_tc;

		world.limited = false;
		full = answer(&udp, len);
		full_tc = truncated();
		need = least(full) + opt;
		world.limited = true;
		small = answer(&udp, len);
		ck_assert_uint_le(small, 4 * len);
		ck_assert_int_eq(truncated(), full_tc || need > 4 * len);
		ck_assert(truncated() || full <= 4 * len || small > 4 * len - 400);
		if (full <= 4 * len)
			ck_assert_uint_eq(small, full);
		cut += truncated() && !full_tc;
		whole += small == full;
		/* Who is where it says has all of it. */
		if (name == NULL || strstr(name, "wg.test") != NULL)
			ck_assert_uint_eq(answer(&tunnel, len), full);
		answer(&tcp, len);
		ck_assert(!truncated());
		if (size != NO_EDNS) {
			uint8_t cookie[COOKIE_LEN] = "clientco";
			size_t with, n;

			with = with_cookie(plain(name, type, size), cookie, 8);
			n = answer(&udp, with);
			ck_assert_uint_le(n, 4 * with);
			memcpy(cookie, cookie_of(n), COOKIE_LEN);
			with = with_cookie(plain(name, type, size), cookie, COOKIE_LEN);
			n = answer(&udp, with);
			world.limited = false;
			ck_assert_uint_eq(answer(&udp, with), n);
			ck_assert_int_eq(truncated(), full_tc || need + 4 + COOKIE_LEN > (size == 512 ? 512u : 1232u));
		}
	}
	ck_assert_uint_gt(cut, 0);
	ck_assert_uint_gt(whole, 20);
}
END_TEST

START_TEST(a_truncated_answer_is_the_question_and_the_opt)
{
	static const char *const names[] = {"wg.test", "nobody.wg.test", "_wireguard._udp.wg.test"};
	struct asker udp = asker_of("192.0.2.1", 0, false);

	make(30);
	for (size_t i = 0; i < 2 * COUNT(names); i++) {
		size_t len = named(names[i / 2], DNS_PTR, i % 2 == 0 ? NO_EDNS : 1232), n;
		struct query q;
		const char *what;

		if (i % 2 != 0)
			len = with_cookie(len, (const uint8_t *)"clientco", 8);
		memcpy(msg, query, len);
		query_parse(msg, len, &q);
		answer_find(&world.zones, msg, &q);
		answer_admit(&world, &udp, &q);
		answer_look_up(&q, 1);
		answer_write(&world, &udp, &q, msg);
		n = answer_truncate(&world, &udp, &q, msg);
		what = judge_form(query, len, msg, n, DNS_UDP_MAX);
		ck_assert_msg(what == NULL, "%s", what);
		ck_assert(truncated());
		ck_assert_uint_eq(n, len + (i % 2 != 0 ? 16u : 0)); /* the server's part of the cookie */
		ck_assert_uint_eq(get32(msg + 6), 0);
	}
}
END_TEST

/* What answers about the same thing have in common, for the rate limits: the same subject; other things have others. */
START_TEST(subjects_tell_answers_apart)
{
	static const struct {
		const char *one, *other;
		uint16_t type;
		bool same;
	} pairs[] = {
	    {"nobody.wg.test", "noone.wg.test", DNS_A, true}, {"nobody.wg.test", "wg.test", DNS_A, true}, /* all have the one SOA */
	    {"x.org", "y.org", DNS_A, true}, {"x.org", "nobody.wg.test", DNS_A, false}, {"wg.test", "WG.test", DNS_SOA, true},
	    {"wg.test", "_wireguard._udp.wg.test", DNS_ANY, false}, {"wg.test", "nobody.wg.test", DNS_SOA, false},
	};
	struct asker udp = asker_of("192.0.2.1", 0, false);

	make(20);
	for (size_t i = 0; i < COUNT(pairs) + 30; i++) {
		struct query q[2];

		for (int k = 0; k < 2; k++) {
			size_t len = i < COUNT(pairs) ? named(k == 0 ? pairs[i].one : pairs[i].other, pairs[i].type, 1232) :
			                                of_peer((i - COUNT(pairs)) / 2 + (i % 2 != 0 ? (size_t)k : 0), DNS_SRV, 1232);

			memcpy(msg, query, len);
			query_parse(msg, len, &q[k]);
			answer_find(&world.zones, msg, &q[k]);
			answer_admit(&world, &udp, &q[k]);
			answer_look_up(&q[k], 1);
			ck_assert_uint_gt(answer_write(&world, &udp, &q[k], msg), 0);
		}
		if (i < COUNT(pairs))
			ck_assert_msg((q[0].kind == q[1].kind && q[0].subject == q[1].subject) == pairs[i].same, "%s, %s", pairs[i].one,
			    pairs[i].other);
		else if (q[0].kind == QUERY_RECORDS && q[1].kind == QUERY_RECORDS)
			ck_assert_int_eq(q[0].subject == q[1].subject, i % 2 == 0);
	}
}
END_TEST

/* ---- lists that are split ---- */

/* Each list has the peers whose keys begin so, and its name is in no other answer. */
START_TEST(a_list_has_the_peers_of_its_prefix)
{
	struct asker tcp = asker_of("192.0.2.1", 0, true);
	size_t listed = 0, n;
	char text[8];

	z.conf.list_max = 4;
	zone_say(&z, 2, "carol");
	zone_say(&z, 3, "dave");
	make(100);
	ck_assert_int_gt(z.zone.shard, 0);
	n = answer(&tcp, named("_wireguard._udp.wg.test", DNS_PTR, NO_EDNS));
	ck_assert(rcode(n) == DNS_NOERROR && get16(msg + 6) == 0);
	answer(&tcp, named("_wireguard._udp.wg.test", DNS_TXT, NO_EDNS));
	snprintf(text, sizeof(text), "shard=%d", z.zone.shard);
	ck_assert(util_has_bytes(msg, 200, text, 7));
	for (size_t i = 0; i < z.zone.peers_len; i++) {
		char name[128], prefix[KEY_BASE32 + 1] = "";
		size_t same = 0, at;
		struct walked rr;

		key_to_base32(z.zone.peers[i].key, (uint8_t *)prefix);
		prefix[z.zone.shard] = '\0';
		for (size_t j = 0; j < z.zone.peers_len; j++) {
			uint8_t other[KEY_BASE32];

			key_to_base32(z.zone.peers[j].key, other);
			same += memcmp(prefix, other, strlen(prefix)) == 0;
		}
		snprintf(name, sizeof(name), i % 2 == 0 ? "_%s._sub._wireguard._udp.wg.test" : "_%s._SUB._WireGuard._UDP.wg.test", prefix);
		n = answer(&tcp, named(name, DNS_PTR, NO_EDNS));
		ck_assert_uint_eq(get16(msg + 6), same);
		ck_assert_uint_eq(get16(msg + 10), 3 * same); /* all of their records, too */
		at = walk_name(msg, n, DNS_HEADER) + 4;
		for (size_t j = 0; j < same; j++, at = rr.next) {
			ck_assert(walk_record(msg, n, at, &rr));
			ck_assert(rr.type == DNS_PTR);
			ck_assert(msg[rr.rdata] != KEY_BASE32 || memcmp(msg + rr.rdata + 1, prefix, strlen(prefix)) == 0);
			/* The target's rest is the service's name in the question. */
			ck_assert_uint_eq(get16(msg + rr.next - 2) & 0x3fff, DNS_HEADER + 1 + 1 + strlen(prefix) + 5);
		}
		listed++;
		n = answer(&tcp, named(name, DNS_TXT, NO_EDNS));
		ck_assert(rcode(n) == DNS_NOERROR && get16(msg + 6) == 0);
	}
	ck_assert_uint_eq(listed, z.zone.peers_len);
	n = answer(&tcp, named("_sub._wireguard._udp.wg.test", DNS_PTR, NO_EDNS));
	ck_assert(rcode(n) == DNS_NOERROR && get16(msg + 6) == 0);
	n = answer(&tcp, named("_0._sub._wireguard._udp.wg.test", DNS_PTR, NO_EDNS)); /* no digit of base32 */
	ck_assert_uint_eq(rcode(n), DNS_NXDOMAIN);
}
END_TEST

Suite *suite_access(void)
{
	Suite *s = suite_create("access");
	TCase *t = tcase_create("access");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, each_gets_what_it_may, 0, 2);
	tcase_add_loop_test(t, nobody_and_everybody, 0, 2);
	tcase_add_test(t, an_unknown_interface_is_no_tunnel);
	tcase_add_test(t, each_zone_has_its_own_rules);
	tcase_add_loop_test(t, a_cookie_is_made_and_sent_back, 0, 4);
	tcase_add_loop_test(t, a_cookie_may_be_all_that_is_asked, 0, 2);
	tcase_add_test(t, a_keepalive_is_for_streams);
	tcase_add_test(t, no_answer_is_longer_than_four_times_the_query);
	tcase_add_test(t, a_truncated_answer_is_the_question_and_the_opt);
	tcase_add_test(t, subjects_tell_answers_apart);
	tcase_add_test(t, a_list_has_the_peers_of_its_prefix);
	return s;
}
