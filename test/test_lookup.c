/* A peer is found by its label, in either case, and by nothing that is like it. */
#include <string.h>

#include "answers.h"
#include "suites.h"
#include "util.h"
#include "wire.h"

static struct made_zone z;
static uint8_t query[MESSAGE_MAX], msg[MESSAGE_MAX];

static void teardown(void)
{
	zone_drop(&z);
}

/* Answers a query of that length over TCP, and has the answer's form judged. Returns its length. */
static size_t answer(size_t query_len)
{
	struct answer_zones zones = {.at = {z.snapshot}, .len = 1};
	const char *what;
	size_t len;

	memset(msg, 0x5a, DNS_HEADER + 2 * NAME_MAX_LEN);
	memcpy(msg, query, query_len);
	len = made_answer(&zones, msg, query_len, DNS_TCP_MAX);
	what = judge_form(query, query_len, msg, len, DNS_TCP_MAX);
	if (what != NULL)
		ck_abort_msg("%s", what);
	return len;
}

static uint8_t rcode(void)
{
	return msg[3] & 15;
}

static unsigned answers(void)
{
	return get16(msg + 6);
}

/* The port of the SRV that was answered; 0: there is none, and the name does not exist. */
static unsigned found(size_t query_len)
{
	size_t len = answer(query_len);
	struct walked rr;

	if (answers() == 0) {
		ck_hot(rcode() == DNS_NXDOMAIN);
		return 0;
	}
	ck_hot(rcode() == DNS_NOERROR && answers() == 1);
	ck_hot(walk_record(msg, len, query_len, &rr) && rr.type == DNS_SRV);
	return get16(msg + rr.rdata + 4);
}

/* The same octet, or the same letter in upper case? */
static bool is_same(uint8_t c, uint8_t of)
{
	return c == of || (of >= 'a' && of <= 'z' && c == of - 'a' + 'A');
}

/* ---- labels ---- */

static uint8_t *label_in_query(void)
{
	return query + DNS_HEADER + 1;
}

static void make_peers(size_t peers)
{
	zone_prepare(&z, "wg.test", NULL);
	zone_add_peers(&z, peers);
	zone_make(&z);
}

/* Among them are those that differ in one bit, and those that the hash does not tell apart: it looks at the first sixteen
 * characters, and at those without their bit 0x20. */
START_TEST(an_octet_of_a_label_is_itself_in_either_case_and_no_other)
{
	bool padded = _i % 2 != 0;
	size_t n = (size_t)_i / 2, hits = 0, letters = 0, same_hash = 0;
	uint8_t key[KEY_LEN], label[KEY_BASE32];
	size_t len;

	make_peers(3);
	made_key(n, key);
	key_to_base32(key, label);
	len = make_peer_query(query, &z, key, padded, DNS_SRV, NO_EDNS);
	for (size_t at = 0; at < KEY_BASE32; at++) {
		uint8_t was = label_in_query()[at];

		ck_assert_uint_eq(was, label[at]);
		letters += was >= 'a';
		for (unsigned c = 0; c < 256; c++) {
			unsigned port;

			label_in_query()[at] = (uint8_t)c;
			port = found(len);
			if (port != (is_same((uint8_t)c, was) ? made_port(n) : 0))
				ck_abort_msg("%02x for %02x at %zu: port %u", c, was, at, port);
			hits += port != 0;
			same_hash += snapshot_hash(z.snapshot->seed, label) == snapshot_hash(z.snapshot->seed, label_in_query());
		}
		label_in_query()[at] = was;
	}
	ck_assert_uint_eq(hits, KEY_BASE32 + letters);
	ck_assert_uint_eq(same_hash, 2 * KEY_BASE32); /* all but bit 0x20 counts, in each of them */
}
END_TEST

/* Without the index, which most do not pass: each octet with each value, and two with the same change. */
START_TEST(a_label_is_compared_whole)
{
	uint64_t random = 4711 + (uint64_t)_i;

	for (int turn = 0; turn < 20; turn++) {
		struct snapshot_peer p;
		uint8_t key[KEY_LEN], label[KEY_BASE32];

		util_key((uint64_t)(20 * _i + turn), key);
		key_to_base32(key, p.label);
		memcpy(label, p.label, sizeof(label));
		for (size_t i = 0; i < KEY_BASE32; i++)
			if (label[i] >= 'a' && util_random(&random) % 2 == 0)
				label[i] = (uint8_t)(label[i] - 'a' + 'A');
		ck_hot(snapshot_is_label(&p, label));
		for (size_t at = 0; at < KEY_BASE32; at++) {
			uint8_t was = label[at];

			for (unsigned change = 1; change < 256; change++) {
				size_t other = (at + 1 + util_random(&random) % (KEY_BASE32 - 1)) % KEY_BASE32;
				bool same;

				label[at] = (uint8_t)(was ^ change);
				same = is_same(label[at], p.label[at]);
				ck_hot(snapshot_is_label(&p, label) == same);
				label[other] ^= (uint8_t)change;
				same = same && is_same(label[other], p.label[other]);
				ck_hot(snapshot_is_label(&p, label) == same);
				label[other] ^= (uint8_t)change;
			}
			label[at] = was;
		}
	}
}
END_TEST

/* In any mixture of cases, and echoed so. */
START_TEST(a_label_in_mixed_case_is_found)
{
	uint64_t random = 42;

	make_peers(50);
	for (size_t n = 0; n < 50; n++) {
		uint8_t key[KEY_LEN];

		made_key(n, key);
		for (int turn = 0; turn < 40; turn++) {
			size_t len = make_peer_query(query, &z, key, turn % 4 == 0, DNS_SRV, NO_EDNS), end = len - 4;

			for (size_t i = DNS_HEADER; i < end; i++)
				if (query[i] >= 'a' && query[i] <= 'z' && util_random(&random) >> 20 & 1)
					query[i] ^= 0x20;
			ck_hot(found(len) == (made_has_endpoint(n) ? made_port(n) : 0));
			if (made_has_endpoint(n)) /* the SRV's target is the question's name */
				ck_hot(memcmp(msg + len + DNS_RR_FIXED + 6, query + DNS_HEADER, end - DNS_HEADER) == 0);
		}
	}
}
END_TEST

/* Four "=" and nothing that is like one. */
START_TEST(a_padded_label_ends_in_four_of_them)
{
	uint8_t key[KEY_LEN];
	size_t len;

	make_peers(3);
	made_key(2, key);
	len = make_peer_query(query, &z, key, true, DNS_SRV, NO_EDNS);
	ck_assert_uint_eq(query[DNS_HEADER], KEY_BASE32_PAD);
	for (size_t at = KEY_BASE32; at < KEY_BASE32_PAD; at++) {
		for (unsigned c = 0; c < 256; c++) {
			label_in_query()[at] = (uint8_t)c;
			ck_hot(found(len) == (c == '=' ? made_port(2) : 0));
		}
		label_in_query()[at] = '=';
	}
	snapshot_unmap(z.snapshot); /* and where the zone has no padded names, none */
	z.conf.padded_names = false;
	zone_make(&z);
	ck_assert_uint_eq(found(len), 0);
	len = make_peer_query(query, &z, key, false, DNS_SRV, NO_EDNS);
	ck_assert_uint_eq(found(len), made_port(2));
}
END_TEST

/* ---- the index ---- */

#define SAME 5 /* peers with one slot and one tag */

static bool is_at(const uint64_t seed[2], uint64_t n, uint32_t mask, uint32_t slot, uint32_t tag)
{
	uint8_t key[KEY_LEN], label[KEY_BASE32];
	uint64_t h;

	made_key(n, key);
	key_to_base32(key, label);
	h = snapshot_hash(seed, label);
	return ((uint32_t)h & mask) == slot && snapshot_tag(h) == tag;
}

static void add_peer(size_t n)
{
	uint8_t key[KEY_LEN];
	struct wg_peer *peer;

	made_key(n, key);
	peer = wgdev_add_peer(&z.dev, key);
	ck_assert_ptr_nonnull(peer);
	peer->endpoint = util_endpoint("192.0.2.1:1");
	peer->endpoint.port = made_port(n);
}

/* Is another peer's record what the index offers first? Leaves the answer in msg. */
static bool is_offered_another(size_t n)
{
	struct answer_world world = {.zones = {.at = {z.snapshot}, .len = 1}};
	struct asker asker = {.addr = {4, 192, 0, 2, 1}};
	uint8_t key[KEY_LEN];
	struct query q;
	size_t len;
	bool another;

	made_key(n, key);
	len = make_peer_query(msg, &z, key, false, DNS_SRV, NO_EDNS);
	query_parse(msg, len, &q);
	answer_find(&world.zones, msg, &q);
	answer_admit(&world, &asker, &q);
	answer_look_up(&q, 1);
	ck_assert_ptr_nonnull(q.peer); /* there is a slot with its tag */
	another = memcmp(q.peer->label, msg + DNS_HEADER + 1, KEY_BASE32) != 0;
	answer_write(&world, &asker, &q, msg);
	return another;
}

/* All but the last are in the zone. The last slot of all is one of those that are tried: behind it comes the first one. */
START_TEST(keys_with_one_slot_and_tag_are_all_found)
{
	const uint32_t mask = SNAPSHOT_SLOTS - 1, slot = (uint32_t)_i;
	size_t n[SAME + 1], len = 0, others = 0;
	uint64_t seed[2];

	make_peers(0);
	memcpy(seed, z.snapshot->seed, sizeof(seed));
	zone_drop(&z);
	for (size_t i = 0; len <= SAME && i < 1000000; i++)
		if (is_at(seed, i, mask, slot, 0x1a))
			n[len++] = i;
	ck_assert_uint_eq(len, SAME + 1);
	zone_prepare(&z, "wg.test", NULL);
	for (size_t i = 0; i < SAME; i++)
		add_peer(n[i]);
	zone_make(&z);
	ck_assert_uint_eq(z.snapshot->index_mask, mask);
	for (size_t i = 0; i < SAME; i++) {
		others += is_offered_another(n[i]);
		ck_assert_uint_eq(rcode(), DNS_NOERROR);
		ck_assert_uint_eq(answers(), 1);
		/* behind the question, the fixed octets, priority and weight */
		ck_assert_uint_eq(get16(msg + DNS_HEADER + 1 + KEY_BASE32 + z.snapshot->service_len + 4 + DNS_RR_FIXED + 4), made_port(n[i]));
	}
	ck_assert_uint_eq(others, SAME - 1);
	ck_assert(is_offered_another(n[SAME]));
	ck_assert_uint_eq(rcode(), DNS_NXDOMAIN);
}
END_TEST

/* Queries of a batch are looked up together, and each is answered as if it had come alone. */
START_TEST(a_batch_is_answered_as_its_queries_are_one_by_one)
{
	static uint8_t in[64][DNS_UDP_MAX + ANSWER_SLACK];
	struct answer_world world = {.zones = {.len = 1}};
	struct asker asker = {.addr = {4, 192, 0, 2, 1}};
	struct query q[64];
	size_t records = 0;

	make_peers(300);
	world.zones.at[0] = z.snapshot;
	memset(q, 0xa5, sizeof(q)); /* each turn finds what the one before it left */
	for (size_t turn = 0; turn < 32; turn++) {
		for (size_t i = 0; i < 64; i++) {
			uint8_t key[KEY_LEN];
			size_t len;

			made_key(turn * 11 + i, key);
			len = i % 9 == turn % 9 ? make_query(in[i], (const uint8_t *)"\2wg\4test", 9, DNS_SOA, NO_EDNS) :
			                          make_peer_query(in[i], &z, key, i % 2 == 0, DNS_SRV, NO_EDNS);
			query_parse(in[i], i % 11 == turn % 11 ? DNS_HEADER - 1 : len, &q[i]);
			answer_find(&world.zones, in[i], &q[i]);
			answer_admit(&world, &asker, &q[i]);
		}
		answer_look_up(q, 64);
		for (size_t i = 0; i < 64; i++) {
			size_t query_len = q[i].len, len;

			memcpy(msg, in[i], query_len);
			len = answer_write(&world, &asker, &q[i], in[i]);
			ck_hot(len == answer_query(&world, &asker, msg, query_len));
			ck_hot(memcmp(in[i], msg, len) == 0);
			records += len > 0 && get16(msg + 6) == 1;
		}
	}
	ck_assert_uint_gt(records, 32 * 64 / 2);
}
END_TEST

Suite *suite_lookup(void)
{
	Suite *s = suite_create("lookup");
	TCase *l = tcase_create("labels"), *i = tcase_create("index");

	suite_add_tcase(s, l);
	tcase_add_checked_fixture(l, NULL, teardown);
	tcase_add_loop_test(l, an_octet_of_a_label_is_itself_in_either_case_and_no_other, 0, 6);
	tcase_add_loop_test(l, a_label_is_compared_whole, 0, 10);
	tcase_add_test(l, a_label_in_mixed_case_is_found);
	tcase_add_test(l, a_padded_label_ends_in_four_of_them);
	suite_add_tcase(s, i);
	tcase_add_checked_fixture(i, NULL, teardown);
	tcase_add_loop_test(i, keys_with_one_slot_and_tag_are_all_found, 0, SNAPSHOT_SLOTS);
	tcase_add_test(i, a_batch_is_answered_as_its_queries_are_one_by_one);
	return s;
}
