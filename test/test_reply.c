/* ldns writes the answers that reply.c reads; those that no name server would write are put together here. */
#include <check.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "records.h"
#include "reply.h"
#include "suites.h"
#include "util.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

#define SERVICE "_wireguard._udp.wg.example.com"

static uint8_t key[KEY_LEN];
static struct name zone, instance;
static char owner[NAME_TEXT], base64[KEY_BASE64 + 1];
static ldns_pkt *pkt;

static void setup(void)
{
	for (size_t i = 0; i < KEY_LEN; i++)
		key[i] = (uint8_t)(i * 7 + 1);
	zone = util_name("wg.example.com");
	ck_assert(records_instance_name(&zone, key, false, &instance));
	name_to_text(&instance, owner);
	key_text(key, base64);
	pkt = ldns_pkt_new();
	ldns_pkt_set_qr(pkt, true);
}

static void teardown(void)
{
	ldns_pkt_free(pkt);
}

static void add(ldns_pkt_section section, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(ldns_pkt_section section, const char *fmt, ...)
{
	char text[4096];
	ldns_rr *rr;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ck_assert_msg(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL) == LDNS_STATUS_OK, "%s", text);
	ck_assert(ldns_pkt_push_rr(pkt, section, rr));
}

#define ANSWER     LDNS_SECTION_ANSWER
#define ADDITIONAL LDNS_SECTION_ADDITIONAL

static uint8_t *to_wire(size_t *len)
{
	uint8_t *wire;

	ck_assert(ldns_pkt2wire(&wire, pkt, len) == LDNS_STATUS_OK);
	return wire;
}

static enum lookup_status read_it(struct reply *out)
{
	size_t len;
	uint8_t *wire = to_wire(&len);
	enum lookup_status status = reply_read_srv(wire, len, &instance, key, out);

	/* Cut anywhere it is no answer, and nothing worse. */
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = malloc(cut + 1);
		struct reply ignored;

		memcpy(copy, wire, cut);
		ck_hot(reply_read_srv(copy, cut, &instance, key, &ignored) == LOOKUP_BAD_ANSWER);
		free(copy);
	}
	free(wire);
	return status;
}

static enum lookup_status read_addresses(struct reply *out)
{
	size_t len;
	uint8_t *wire = to_wire(&len);
	enum lookup_status status = reply_read_addresses(wire, len, out);

	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = malloc(cut + 1);
		struct reply ignored = {.port = out->port, .target = out->target};

		memcpy(copy, wire, cut);
		ck_hot(reply_read_addresses(copy, cut, &ignored) == LOOKUP_BAD_ANSWER && ignored.addrs_len == 0);
		free(copy);
	}
	free(wire);
	return status;
}

/* "ADDR:PORT ADDR:PORT" */
static const char *addrs_text(const struct reply *reply)
{
	static char text[REPLY_ADDRS * (ENDPOINT_TEXT + 1) + 1];
	char one[ENDPOINT_TEXT];
	size_t n = 0;

	ck_assert_uint_le(reply->addrs_len, REPLY_ADDRS);
	*text = '\0';
	for (size_t i = 0; i < reply->addrs_len; i++)
		n += (size_t)sprintf(text + n, "%s%s", i > 0 ? " " : "", endpoint_to_text(&reply->addrs[i], one));
	return text;
}

static void is_status(enum lookup_status got, enum lookup_status want)
{
	ck_assert_msg(got == want, "%s, not %s", lookup_status_text(got), lookup_status_text(want));
}

static void is_name(const struct name *got, const char *want)
{
	struct name name = util_name(want);
	char text[NAME_TEXT];

	ck_assert_msg(name_equal(got, &name), "%s, not %s", name_to_text(got, text), want);
}

static void expect(enum lookup_status want, const char *addrs)
{
	struct reply reply;

	is_status(read_it(&reply), want);
	if (addrs != NULL)
		ck_assert_str_eq(addrs_text(&reply), addrs);
}

static const char *upper(const char *text)
{
	static char out[2][NAME_TEXT];
	static unsigned next;
	char *to = out[next++ % 2];
	size_t n = 0;

	for (; text[n] != '\0'; n++)
		to[n] = (char)toupper((unsigned char)text[n]);
	to[n] = '\0';
	return to;
}

static void add_srv(void)
{
	add(ANSWER, "%s. 10 IN SRV 0 0 4321 %s.", owner, owner);
}

static void add_good(void)
{
	add_srv();
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.7", owner);
	add(ADDITIONAL, "%s. 10 IN TXT \"txtvers=1\" \"pub=%s\"", owner, base64);
}

/* ---- the endpoint ---- */

START_TEST(a_good_answer_gives_the_endpoint)
{
	struct reply reply;

	add_good();
	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert_str_eq(addrs_text(&reply), "198.51.100.7:4321");
	ck_assert_uint_eq(reply.port, 4321);
	ck_assert_uint_eq(reply.ttl_s, 10);
	ck_assert(!reply.is_alias);
	ck_assert(reply.has_key);
	ck_assert_mem_eq(reply.key, key, KEY_LEN);
	is_name(&reply.instance, owner);
	is_name(&reply.target, owner);
	ck_assert_str_eq(reply.allowed, "");
}
END_TEST

START_TEST(an_ipv6_address_does_too)
{
	add_srv();
	add(ADDITIONAL, "%s. 10 IN AAAA 2001:db8::7", owner);
	expect(LOOKUP_FOUND, "[2001:db8::7]:4321");
}
END_TEST

START_TEST(a_mapped_address_is_an_ipv4_one)
{
	add_srv();
	add(ADDITIONAL, "%s. 10 IN AAAA ::ffff:198.51.100.7", owner);
	expect(LOOKUP_FOUND, "198.51.100.7:4321");
}
END_TEST

START_TEST(the_target_may_be_another_name)
{
	add(ANSWER, "%s. 10 IN SRV 0 0 4321 host.example.net.", owner);
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.1", owner);
	add(ADDITIONAL, "HOST.example.net. 10 IN A 198.51.100.2");
	expect(LOOKUP_FOUND, "198.51.100.2:4321");
}
END_TEST

START_TEST(the_case_of_names_does_not_matter)
{
	struct reply reply;

	add(ANSWER, "%s. 10 IN CNAME Host.WG.Example.COM.", upper(owner));
	add(ANSWER, "hOST.wg.eXAMPLE.com. 10 IN SRV 0 0 4321 Far.EXAMPLE.net.");
	add(ADDITIONAL, "fAR.example.NET. 10 IN A 198.51.100.2");
	add(ADDITIONAL, "HOST.WG.EXAMPLE.COM. 10 IN TXT \"pub=%s\"", base64);
	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert_str_eq(addrs_text(&reply), "198.51.100.2:4321");
	ck_assert(reply.has_key);
	is_name(&reply.instance, "host.wg.example.com"); /* in lower case */
	is_name(&reply.target, "far.example.net");
}
END_TEST

START_TEST(all_addresses_of_both_families_are_kept_in_their_order)
{
	add_srv();
	add(ADDITIONAL, "%s. 10 IN AAAA 2001:db8::7", owner);
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.7", owner);
	add(ADDITIONAL, "other.example.com. 10 IN A 198.51.100.99");
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.8", owner);
	add(ADDITIONAL, "%s. 10 IN AAAA 2001:db8::8", owner);
	expect(LOOKUP_FOUND, "[2001:db8::7]:4321 198.51.100.7:4321 198.51.100.8:4321 [2001:db8::8]:4321");
}
END_TEST

START_TEST(addresses_too_many_are_left_out)
{
	struct reply reply;

	add_srv();
	for (int i = 1; i <= 3 * REPLY_ADDRS; i++)
		add(ADDITIONAL, "%s. 10 IN A 198.51.100.%d", owner, i);
	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert_uint_eq(reply.addrs_len, REPLY_ADDRS);
	for (size_t i = 0; i < REPLY_ADDRS; i++)
		ck_assert_uint_eq(reply.addrs[i].addr[3], i + 1);
}
END_TEST

START_TEST(without_an_additional_section_there_is_a_target_to_ask_for)
{
	struct reply reply;

	add(ANSWER, "%s. 10 IN SRV 0 0 4321 host.example.net.", owner);
	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert_uint_eq(reply.addrs_len, 0);
	ck_assert_uint_eq(reply.port, 4321);
	is_name(&reply.target, "host.example.net");
}
END_TEST

START_TEST(an_answer_without_records_is_not_in_the_zone)
{
	expect(LOOKUP_NOT_IN_ZONE, "");
	add(LDNS_SECTION_AUTHORITY, "wg.example.com. 10 IN SOA ns1.wg.example.com. x.wg.example.com. 1 2 3 4 5");
	expect(LOOKUP_NOT_IN_ZONE, "");
	/* An SRV counts in the answer only. */
	add(ADDITIONAL, "%s. 10 IN SRV 0 0 4321 %s.", owner, owner);
	expect(LOOKUP_NOT_IN_ZONE, "");
}
END_TEST

START_TEST(a_first_record_of_another_type_is_stepped_over)
{
	static const char *const types[] = {"TXT \"hello\"", "A 198.51.100.66", "PTR evil.example.com.",
	    "TYPE65280 \\# 2 c00c", "RRSIG SRV 13 5 10 20380101000000 20200101000000 1 example.com. aaaa"};

	add(ANSWER, "%s. 10 IN %s", owner, types[_i]);
	add_good();
	expect(LOOKUP_FOUND, "198.51.100.7:4321");
}
END_TEST

START_TEST(an_srv_of_another_owner_is_no_answer)
{
	static const char *const owners[] = {"wg.example.com", SERVICE, ".", ("other." SERVICE)};

	add(ANSWER, "%s%s 10 IN SRV 0 0 4321 %s.", owners[_i], owners[_i][0] == '.' ? "" : ".", owner);
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.7", owner);
	expect(LOOKUP_BAD_ANSWER, "");
	add(ANSWER, "x.%s. 10 IN SRV 0 0 4321 %s.", owner, owner);
	expect(LOOKUP_BAD_ANSWER, "");
}
END_TEST

START_TEST(an_address_is_told_also_where_no_peer_can_be)
{
	/* Another one may be better: who chooses judges. */
	static const char *const where[] = {"A 127.0.0.1", "A 0.0.0.0", "A 224.0.0.1", "A 255.255.255.255", "AAAA ::1",
	    "AAAA ::", "AAAA ff02::1", "AAAA ::ffff:127.0.0.1", "AAAA fe80::1"};
	struct reply reply;

	for (size_t i = 0; i < COUNT(where); i++) {
		ldns_pkt_free(pkt);
		pkt = ldns_pkt_new();
		add_srv();
		add(ADDITIONAL, "%s. 10 IN %s", owner, where[i]);
		is_status(read_it(&reply), LOOKUP_FOUND);
		ck_assert_uint_eq(reply.addrs_len, 1);
		ck_assert_msg(!endpoint_is_reachable(&reply.addrs[0]), "%s", where[i]);
	}
	add(ADDITIONAL, "%s. 10 IN AAAA 2001:db8::7", owner);
	expect(LOOKUP_FOUND, "[fe80::1]:4321 [2001:db8::7]:4321");
}
END_TEST

START_TEST(port_0_is_refused_with_and_without_an_address)
{
	add(ANSWER, "%s. 10 IN SRV 0 0 0 %s.", owner, owner);
	expect(LOOKUP_BAD_ENDPOINT, NULL);
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.7", owner);
	expect(LOOKUP_BAD_ENDPOINT, NULL);
}
END_TEST

/* ---- several SRV ---- */

static const struct {
	struct {
		unsigned priority, weight, port;
	} srv[3];
	uint16_t want;
} several[] = {
    {{{0, 0, 1}, {0, 0, 0}}, 1}, /* a single one */
    {{{10, 0, 1}, {5, 0, 2}, {20, 0, 3}}, 2},
    {{{5, 0, 1}, {10, 65535, 2}, {20, 65535, 3}}, 1},
    {{{65535, 65535, 1}, {65534, 0, 2}}, 2},
    {{{5, 1, 1}, {5, 3, 2}, {5, 2, 3}}, 2},
    {{{5, 1, 1}, {5, 2, 2}, {5, 65535, 3}}, 3},
    {{{9, 9, 1}, {5, 0, 2}, {5, 1, 3}}, 3},
    {{{256, 0, 1}, {255, 0, 2}, {0x0100, 7, 3}}, 2}, /* network order */
};

START_TEST(of_several_srv_priority_and_then_weight_decide)
{
	struct reply reply;

	/* In this order and in the other. */
	for (int turn = 0; turn < 2; turn++) {
		ldns_pkt_free(pkt);
		pkt = ldns_pkt_new();
		for (size_t i = 0; i < 3; i++) {
			size_t at = turn == 0 ? i : 2 - i;
			unsigned port = several[_i].srv[at].port;

			if (port == 0)
				continue;
			add(ANSWER, "%s. %u IN SRV %u %u %u t%u.example.net.", owner, 100 + port, several[_i].srv[at].priority,
			    several[_i].srv[at].weight, port, port);
			add(ADDITIONAL, "t%u.example.net. 10 IN A 198.51.100.%u", port, port);
		}
		is_status(read_it(&reply), LOOKUP_FOUND);
		ck_assert_uint_eq(reply.port, several[_i].want);
		ck_assert_uint_eq(reply.ttl_s, 100u + several[_i].want);
		/* All that is told is of that one. */
		ck_assert_uint_eq(reply.addrs_len, 1);
		ck_assert_uint_eq(reply.addrs[0].port, several[_i].want);
		ck_assert_uint_eq(reply.addrs[0].addr[3], several[_i].want);
		ck_assert_uint_eq(reply.target.wire[2], '0' + several[_i].want);
	}
}
END_TEST

START_TEST(of_two_srv_that_are_equal_one_is_taken_whole)
{
	struct reply reply;

	add(ANSWER, "%s. 10 IN SRV 1 1 1 t1.example.net.", owner);
	add(ANSWER, "%s. 10 IN SRV 1 1 2 t2.example.net.", owner);
	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert(reply.port == 1 || reply.port == 2);
	is_name(&reply.target, reply.port == 1 ? "t1.example.net" : "t2.example.net");
}
END_TEST

START_TEST(an_srv_of_another_owner_does_not_count_by_its_priority)
{
	add(ANSWER, "%s. 10 IN SRV 9 0 4321 %s.", owner, owner);
	add(ANSWER, "other." SERVICE ". 10 IN SRV 0 9 666 %s.", owner);
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.7", owner);
	expect(LOOKUP_FOUND, "198.51.100.7:4321");
}
END_TEST

/* ---- aliases ---- */

START_TEST(an_alias_in_the_answer_is_followed)
{
	struct reply reply;

	add(ANSWER, "%s. 10 IN CNAME host.example.net.", owner);
	add(ANSWER, "host.example.net. 30 IN SRV 0 0 4321 far.example.net.");
	add(ADDITIONAL, "far.example.net. 10 IN A 198.51.100.7");
	add(ADDITIONAL, "host.example.net. 10 IN TXT \"pub=%s\" \"allowed=10.0.0.2/32\"", base64);
	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert(!reply.is_alias);
	ck_assert_str_eq(addrs_text(&reply), "198.51.100.7:4321");
	ck_assert_str_eq(reply.allowed, "10.0.0.2/32");
	ck_assert_uint_eq(reply.ttl_s, 30);
	ck_assert(reply.has_key);
	is_name(&reply.instance, "host.example.net");
}
END_TEST

START_TEST(an_alias_does_not_lead_around_the_key)
{
	uint8_t k[KEY_LEN];
	char other[KEY_BASE64 + 1];

	util_key(1, k);
	add(ANSWER, "%s. 10 IN CNAME host.example.net.", owner);
	add(ANSWER, "host.example.net. 30 IN SRV 0 0 4321 host.example.net.");
	add(ADDITIONAL, "host.example.net. 10 IN TXT \"pub=%s\"", key_text(k, other));
	expect(LOOKUP_OTHER_KEY, NULL);
}
END_TEST

/* owner -> c1 -> ... -> c<hops>; the first record is the last step if they come backwards. */
static void add_chain(int hops, bool backwards)
{
	for (int i = 0; i < hops; i++) {
		int at = backwards ? hops - 1 - i : i;

		if (at == 0)
			add(ANSWER, "%s. 10 IN CNAME c1.example.net.", owner);
		else
			add(ANSWER, "c%d.example.net. 10 IN CNAME c%d.example.net.", at, at + 1);
	}
}

START_TEST(a_chain_of_aliases_is_followed_in_any_order)
{
	struct reply reply;
	char last[32];

	for (int turn = 0; turn < 2; turn++) {
		ldns_pkt_free(pkt);
		pkt = ldns_pkt_new();
		add_chain(_i, turn == 1);
		snprintf(last, sizeof(last), "c%d.example.net", _i);
		add(ANSWER, "%s. 10 IN SRV 0 0 4321 far.example.net.", last);
		add(ADDITIONAL, "far.example.net. 10 IN A 198.51.100.7");
		is_status(read_it(&reply), LOOKUP_FOUND);
		ck_assert(!reply.is_alias);
		ck_assert_str_eq(addrs_text(&reply), "198.51.100.7:4321");
		is_name(&reply.instance, last);
	}
}
END_TEST

START_TEST(a_chain_that_is_too_long_is_not_followed_to_its_end)
{
	struct reply reply;

	add_chain(REPLY_ALIASES + 1, false);
	add(ANSWER, "c%d.example.net. 10 IN SRV 0 0 4321 %s.", REPLY_ALIASES + 1, owner);
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.7", owner);
	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert(reply.is_alias);
	is_name(&reply.instance, "c8.example.net");
	ck_assert_uint_eq(reply.addrs_len, 0);
}
END_TEST

START_TEST(an_alias_without_its_srv_is_a_name_to_ask_for)
{
	struct reply reply;

	add(ANSWER, "%s. 10 IN CNAME Host.example.net.", owner);
	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert(reply.is_alias);
	is_name(&reply.instance, "host.example.net");
	ck_assert_uint_eq(reply.addrs_len, 0);
	/* What else is said of it is of no use yet. */
	add(ADDITIONAL, "host.example.net. 10 IN A 198.51.100.7");
	add(ADDITIONAL, "host.example.net. 10 IN TXT \"pub=%s\" \"allowed=10.0.0.2/32\"", base64);
	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert(reply.is_alias && !reply.has_key);
	ck_assert_uint_eq(reply.addrs_len, 0);
	ck_assert_str_eq(reply.allowed, "");
	/* The old name's SRV is none of the new one's. */
	add(ANSWER, "%s. 10 IN SRV 0 0 4321 %s.", owner, owner);
	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert(reply.is_alias);
}
END_TEST

START_TEST(an_alias_of_another_name_is_none)
{
	add(ANSWER, "other." SERVICE ". 10 IN CNAME host.example.net.");
	expect(LOOKUP_BAD_ANSWER, "");
	add_good();
	expect(LOOKUP_FOUND, "198.51.100.7:4321");
}
END_TEST

START_TEST(aliases_in_a_circle_come_to_an_end)
{
	/* 0: to itself; 1, 2, ...: round by as many other names; -1: into a circle that it is no part of. */
	struct reply reply;
	enum lookup_status status;

	if (_i >= 0) {
		add_chain(_i, false);
		if (_i == 0)
			add(ANSWER, "%s. 10 IN CNAME %s.", owner, owner);
		else
			add(ANSWER, "c%d.example.net. 10 IN CNAME %s.", _i, owner);
	} else {
		add(ANSWER, "%s. 10 IN CNAME a.example.net.", owner);
		add(ANSWER, "a.example.net. 10 IN CNAME b.example.net.");
		add(ANSWER, "b.example.net. 10 IN CNAME a.example.net.");
	}
	status = read_it(&reply);
	/* No endpoint comes of it; a name to ask for may, and who asks counts, too. */
	ck_assert_uint_eq(reply.addrs_len, 0);
	if (status == LOOKUP_FOUND)
		ck_assert(reply.is_alias);
	else
		is_status(status, LOOKUP_BAD_ANSWER);
	if (_i == 0)
		is_status(status, LOOKUP_BAD_ANSWER);
}
END_TEST

/* ---- TXT ---- */

START_TEST(another_key_is_refused)
{
	char other[KEY_BASE64 + 1];
	uint8_t k[KEY_LEN];

	memcpy(k, key, KEY_LEN);
	k[31] ^= 1;
	add_srv();
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.7", owner);
	add(ADDITIONAL, "%s. 10 IN TXT \"txtvers=1\" \"%s=%s\"", owner, _i == 0 ? "pub" : "PUB", key_text(k, other));
	expect(LOOKUP_OTHER_KEY, "");
}
END_TEST

START_TEST(a_key_that_is_none_is_refused)
{
	static const char *const bad[] = {"pub=hello", "pub=", "pub==", "PUB=x"};

	add_srv();
	if (_i < (int)COUNT(bad))
		add(ADDITIONAL, "%s. 10 IN TXT \"%s\"", owner, bad[_i]);
	else if (_i == (int)COUNT(bad)) /* longer */
		add(ADDITIONAL, "%s. 10 IN TXT \"pub=%s=\"", owner, base64);
	else /* shorter */
		add(ADDITIONAL, "%s. 10 IN TXT \"pub=%.43s\"", owner, base64);
	expect(LOOKUP_OTHER_KEY, "");
}
END_TEST

START_TEST(the_key_s_name_may_be_in_upper_case)
{
	struct reply reply;

	add_srv();
	add(ADDITIONAL, "%s. 10 IN TXT \"PuB=%s\"", owner, base64);
	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert(reply.has_key);
	ck_assert_mem_eq(reply.key, key, KEY_LEN);
}
END_TEST

START_TEST(two_keys_are_one_too_many)
{
	/* In one record or in two; the right one first or last. */
	uint8_t k[KEY_LEN];
	char other[KEY_BASE64 + 1];
	const char *first = _i % 2 == 0 ? base64 : other, *second = _i % 2 == 0 ? other : base64;

	util_key(1, k);
	key_text(k, other);
	add_srv();
	if (_i < 2) {
		add(ADDITIONAL, "%s. 10 IN TXT \"pub=%s\" \"pub=%s\"", owner, first, second);
	} else {
		add(ADDITIONAL, "%s. 10 IN TXT \"pub=%s\"", owner, first);
		add(ADDITIONAL, "%s. 10 IN TXT \"pub=%s\"", owner, second);
	}
	expect(LOOKUP_OTHER_KEY, "");
}
END_TEST

START_TEST(the_same_key_in_two_records_is_one)
{
	add_good();
	add(ADDITIONAL, "%s. 10 IN TXT \"pub=%s\"", owner, base64);
	expect(LOOKUP_FOUND, "198.51.100.7:4321");
}
END_TEST

START_TEST(a_key_of_another_owner_or_section_is_none_of_the_peer_s)
{
	struct reply reply;
	uint8_t k[KEY_LEN];
	char other[KEY_BASE64 + 1];

	util_key(1, k);
	add_srv();
	add(ADDITIONAL, "other." SERVICE ". 10 IN TXT \"pub=%s\" \"allowed=10.6.6.6/32\"", key_text(k, other));
	add(ADDITIONAL, "x.%s. 10 IN TXT \"pub=hello\"", owner);
	add(ANSWER, "%s. 10 IN TXT \"pub=%s\" \"allowed=10.6.6.6/32\"", owner, other);
	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert(!reply.has_key);
	ck_assert_str_eq(reply.allowed, "");
}
END_TEST

START_TEST(without_a_key_to_compare_the_published_one_is_told)
{
	struct reply reply;
	uint8_t k[KEY_LEN], *wire;
	char other[KEY_BASE64 + 1];
	size_t len;

	util_key(1, k);
	add_srv();
	add(ADDITIONAL, "%s. 10 IN TXT \"pub=%s\"", owner, key_text(k, other));
	wire = to_wire(&len);
	is_status(reply_read_srv(wire, len, &instance, NULL, &reply), LOOKUP_FOUND);
	ck_assert(reply.has_key);
	ck_assert_mem_eq(reply.key, k, KEY_LEN);
	free(wire);
}
END_TEST

/* ---- allowed= ---- */

static void expect_allowed(const char *want)
{
	struct reply reply;

	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert_str_eq(reply.allowed, want);
}

START_TEST(allowed_ips_are_put_behind_each_other)
{
	add_srv();
	add(ADDITIONAL, "%s. 10 IN TXT \"txtvers=1\" \"pub=%s\" \"allowed=10.0.0.2/32,fd00::/64\" \"allowed2=192.168.0.0/16\" "
	                "\"ALLOWED17=2001:db8::1/128\" \"more=1\"", owner, base64);
	expect_allowed("10.0.0.2/32,fd00::/64,192.168.0.0/16,2001:db8::1/128");
	add(ADDITIONAL, "%s. 10 IN TXT \"allowed=0.0.0.0/0\"", owner);
	expect_allowed("10.0.0.2/32,fd00::/64,192.168.0.0/16,2001:db8::1/128,0.0.0.0/0");
}
END_TEST

#define HOSTILE 22

START_TEST(of_allowed_only_what_is_one_is_kept)
{
	/* Decimal escapes, as master files have them. */
	static const struct {
		const char *text, *want;
	} cases[] = {
	    {"allowed=", ""},
	    {"allowed", ""},
	    {"allowed2", ""},
	    {"allowed=,,,,", ""},
	    {"allowed==10.0.0.0/8", ""},
	    {"allowedx=10.0.0.0/8", ""},
	    {"allowed-2=10.0.0.0/8", ""},
	    {"allowed 2=10.0.0.0/8", ""},
	    {" allowed=10.0.0.0/8", ""},
	    {"disallowed=10.0.0.0/8", ""},
	    {"allowed99999999999999999999=10.0.0.0/8", "10.0.0.0/8"},
	    {"allowed=,10.0.0.0/8,", "10.0.0.0/8"},
	    {"allowed=10.0.0.0/8,hello,::/0", "10.0.0.0/8,::/0"},
	    {"allowed=10.0.0.0/33,10.0.0.0/-1,10.0.0.0/,10.0.0.0/ 8,10.0.0.0/8x", ""},
	    {"allowed=::/129,::/128", "::/128"},
	    {"allowed=10.0.0/8,1.2.3.4.5/8,256.0.0.0/8", ""},
	    {"allowed=10.0.0.0/8\\000,10.0.0.0/9", "10.0.0.0/9"},
	    {"allowed=\\000,10.0.0.0/9", "10.0.0.0/9"},
	    {"allowed=10.0.0.0/8\\010,\\027[2J,\\255\\254,10.0.0.0/9", "10.0.0.0/9"},
	    {"allowed=$(reboot),`reboot`,;reboot,10.0.0.0/9;reboot", ""},
	    {"allowed=fe80::1%lo/64,fe80::1/64", "fe80::1/64"},
	    {"allowed=0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/0,10.0.0.0/9", "10.0.0.0/9"},
	};

	add_srv();
	ck_assert_uint_eq(COUNT(cases), HOSTILE);
	add(ADDITIONAL, "%s. 10 IN TXT \"%s\"", owner, cases[_i].text);
	expect_allowed(cases[_i].want);
}
END_TEST

START_TEST(allowed_ips_are_cut_where_one_ends)
{
	struct reply reply;
	char text[4096], want[4096];
	size_t n = 0, fit = 0, count = 0;
	char *at, *save;

	/* 10 to a string, 17 octets each: 56 of them, the commas and the NUL come to 1008. */
	for (int i = 0; i < 80; i++) {
		if (i % 10 == 0)
			n += (size_t)sprintf(text + n, "%s\"allowed%d=", i > 0 ? "\" " : "", i / 10 + 1);
		n += (size_t)sprintf(text + n, "%s10.100.100.%d/32", i % 10 > 0 ? "," : "", 100 + i);
		if (i < 56)
			fit += (size_t)sprintf(want + fit, "%s10.100.100.%d/32", i > 0 ? "," : "", 100 + i);
	}
	add_srv();
	add(ADDITIONAL, "%s. 10 IN TXT %s\"", owner, text);
	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert_str_eq(reply.allowed, want);
	for (at = strtok_r(reply.allowed, ",", &save); at != NULL; at = strtok_r(NULL, ",", &save), count++)
		util_allowedip(at);
	ck_assert_uint_eq(count, 56);
}
END_TEST

START_TEST(allowed_ips_may_fill_their_room_to_the_last_octet)
{
	/* 84 of 11 octets with their commas are 1007, one and 15 more 1023, and the NUL. */
	static const char *const last[] = {"100.100.1.10/16", "100.100.10.10/16"};
	struct reply reply;
	char text[4096];
	size_t n = 0;

	for (int i = 0; i < 84; i++)
		n += (size_t)sprintf(text + n, "%s10.10.1.1/8", i == 0 ? "\"allowed=" : i % 20 == 0 ? "\" \"allowed2=" : ",");
	sprintf(text + n, ",%s\"", last[_i]);
	add_srv();
	add(ADDITIONAL, "%s. 10 IN TXT %s", owner, text);
	is_status(read_it(&reply), LOOKUP_FOUND);
	ck_assert_uint_eq(strlen(reply.allowed), _i == 0 ? REPLY_ALLOWED - 1 : 1007);
	ck_assert_str_eq(strrchr(reply.allowed, ',') + 1, _i == 0 ? last[0] : "10.10.1.1/8");
}
END_TEST

/* ---- what no name server would write ---- */

static uint8_t raw[65535];
static size_t raw_len;

static void put(const void *bytes, size_t len)
{
	ck_hot(raw_len + len <= sizeof(raw));
	memcpy(raw + raw_len, bytes, len);
	raw_len += len;
}

static void put16(unsigned n)
{
	put((const uint8_t[]){(uint8_t)(n >> 8), (uint8_t)n}, 2);
}

#define POINTER(at) (0xc000u | (unsigned)(at))
#define QUESTION    POINTER(12)

static void raw_begin(const struct name *question)
{
	raw_len = 0;
	put16(0xbeef);
	put16(0x8400);
	put16(1);
	put("\0\0\0\0\0", 6);
	put(question->wire, question->len);
	put16(33);
	put16(1);
}

enum { RAW_ANSWER = 6, RAW_ADDITIONAL = 10 };

static void raw_record(size_t section, unsigned name, unsigned type, size_t len)
{
	unsigned count = (unsigned)raw[section] << 8 | raw[section + 1];

	raw[section] = (uint8_t)((count + 1) >> 8);
	raw[section + 1] = (uint8_t)(count + 1);
	put16(name);
	put16(type);
	put16(1);
	put("\0\0\0\x0a", 4);
	put16((unsigned)len);
}

static void raw_srv(unsigned target)
{
	raw_record(RAW_ANSWER, QUESTION, 33, 8);
	put("\0\0\0\0\x10\xe1", 6);
	put16(target);
}

static void raw_a(size_t section, unsigned name)
{
	raw_record(section, name, 1, 4);
	put("\xc6\x33\x64\x07", 4);
}

/* A copy of its very length, so that a sanitizer sees a step too far. */
static enum lookup_status raw_read(size_t len, struct reply *reply)
{
	uint8_t *copy = malloc(len + 1);
	enum lookup_status status;

	memcpy(copy, raw, len);
	status = reply_read_srv(copy, len, &instance, key, reply);
	free(copy);
	return status;
}

static enum lookup_status raw_read_addresses(size_t len, struct reply *reply)
{
	uint8_t *copy = malloc(len + 1);
	enum lookup_status status;

	memcpy(copy, raw, len);
	*reply = (struct reply){.port = 7, .target = instance};
	status = reply_read_addresses(copy, len, reply);
	free(copy);
	return status;
}

/* What a list's answer was heard to say. */
static struct {
	size_t n;
	struct {
		struct reply reply;
		bool whole;
		enum lookup_status status;
	} peer[REPLY_PEERS + 1];
} heard;

static void on_peer(void *data, const struct reply *reply, bool whole, enum lookup_status status)
{
	ck_hot(data == &heard && heard.n <= REPLY_PEERS && name_is_sound(reply->instance.wire, reply->instance.len));
	heard.peer[heard.n].reply = *reply;
	heard.peer[heard.n].whole = whole;
	heard.peer[heard.n++].status = status;
}

static enum lookup_status hear(const uint8_t *msg, size_t len, const char *list)
{
	struct name name = util_name(list), service = util_name(SERVICE);
	uint8_t *copy = malloc(len + 1);
	enum lookup_status status;

	memcpy(copy, msg, len);
	heard.n = 0;
	status = reply_read_list(copy, len, &name, &service, on_peer, &heard);
	free(copy);
	return status;
}

static enum lookup_status raw_read_list(size_t len)
{
	return hear(raw, len, SERVICE);
}

static const unsigned types[] = {1, 28, 33, 16, 12, 5};
static const size_t rdata_len[] = {4, 16, 8, 4, 2, 2};

START_TEST(a_record_without_octets_is_stepped_over)
{
	/* ldns makes a record without fields of it, and asserts where one is looked at. */
	struct reply reply;
	struct name service = util_name(SERVICE);

	for (int where = 0; where < 3; where++) {
		raw_begin(&instance);
		if (where == 0)
			raw_record(RAW_ANSWER, QUESTION, types[_i], 0);
		raw_srv(QUESTION);
		if (where == 1)
			raw_record(RAW_ANSWER, QUESTION, types[_i], 0);
		raw_record(RAW_ADDITIONAL, QUESTION, types[_i], 0);
		raw_a(RAW_ADDITIONAL, QUESTION);
		if (where == 2)
			raw_record(RAW_ADDITIONAL, QUESTION, types[_i], 0);
		is_status(raw_read(raw_len, &reply), LOOKUP_FOUND);
		ck_assert(!reply.is_alias);
		ck_assert_str_eq(addrs_text(&reply), "198.51.100.7:4321");
	}
	/* Alone, too. */
	raw_begin(&instance);
	raw_record(RAW_ANSWER, QUESTION, types[_i], 0);
	is_status(raw_read(raw_len, &reply), LOOKUP_BAD_ANSWER);
	is_status(raw_read_addresses(raw_len, &reply), LOOKUP_NO_ADDRESS);
	raw_a(RAW_ANSWER, QUESTION);
	is_status(raw_read_addresses(raw_len, &reply), LOOKUP_FOUND);
	ck_assert_str_eq(addrs_text(&reply), "198.51.100.7:7");
	raw_begin(&service);
	raw_record(RAW_ANSWER, QUESTION, types[_i], 0);
	is_status(raw_read_list(raw_len), LOOKUP_NOT_IN_ZONE);
	ck_assert_uint_eq(heard.n, 0);
}
END_TEST

START_TEST(a_record_with_too_few_octets_gives_nothing)
{
	static const uint8_t zeros[32];
	struct reply reply;
	struct name service = util_name(SERVICE);

	for (size_t len = 0; len < rdata_len[_i]; len++) {
		raw_begin(&instance);
		if (types[_i] != 33)
			raw_srv(QUESTION);
		raw_record(types[_i] == 5 || types[_i] == 33 ? RAW_ANSWER : RAW_ADDITIONAL, QUESTION, types[_i], len);
		put(zeros, len);
		if (raw_read(raw_len, &reply) == LOOKUP_FOUND)
			ck_assert_uint_eq(reply.addrs_len, 0);
		raw_begin(&instance);
		raw_record(RAW_ANSWER, QUESTION, types[_i], len);
		put(zeros, len);
		ck_assert_int_ne(raw_read_addresses(raw_len, &reply), LOOKUP_FOUND);
		raw_begin(&service);
		raw_record(RAW_ANSWER, QUESTION, types[_i], len);
		put(zeros, len);
		ck_assert_int_ne(raw_read_list(raw_len), LOOKUP_FOUND);
	}
}
END_TEST

START_TEST(a_name_in_a_circle_is_a_bad_answer)
{
	struct reply reply;

	raw_begin(&instance);
	switch (_i) {
	case 0: /* an owner that is itself */
		raw_a(RAW_ANSWER, POINTER(raw_len));
		break;
	case 1: /* a target that is itself */
		raw_srv(POINTER(raw_len + 12 + 6));
		break;
	case 2: /* two that are each other */
		raw_srv(POINTER(raw_len + 12 + 8));
		raw_a(RAW_ANSWER, POINTER(raw_len - 2));
		break;
	case 3: /* a label before itself */
		raw_record(RAW_ANSWER, QUESTION, 5, 4);
		put("\x01x", 2);
		put16(POINTER(raw_len - 2));
		break;
	case 4: /* behind the message's end */
		raw_srv(POINTER(0x3fff));
		break;
	case 5: /* its own header */
		raw_srv(POINTER(0));
		break;
	case 6: /* a label type that is none */
		raw_srv(0x8000);
		break;
	default: /* the question itself */
		raw[12] = 0xc0;
		raw[13] = 12;
		raw_srv(QUESTION);
	}
	is_status(raw_read(raw_len, &reply), LOOKUP_BAD_ANSWER);
	is_status(raw_read_addresses(raw_len, &reply), LOOKUP_BAD_ANSWER);
	is_status(raw_read_list(raw_len), LOOKUP_BAD_ANSWER);
	ck_assert_uint_eq(heard.n, 0);
}
END_TEST

START_TEST(counts_that_are_more_than_there_is_are_a_bad_answer)
{
	struct reply reply;

	for (size_t at = 4; at < 12; at++) {
		raw_begin(&instance);
		raw_srv(QUESTION);
		raw_a(RAW_ADDITIONAL, QUESTION);
		raw[at] = (uint8_t)(raw[at] + 1);
		is_status(raw_read(raw_len, &reply), LOOKUP_BAD_ANSWER);
	}
}
END_TEST

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#define BOUND_S 10 /* a sanitizer takes its time; without one it is a fraction of a second */

/* A message that is full: the names of its records are pointers to a pointer to a pointer. */
static void fill(const struct name *question, unsigned type)
{
	unsigned at;

	raw_begin(question);
	raw_record(RAW_ANSWER, QUESTION, 10, 2 * 7000);
	put16(QUESTION);
	for (size_t i = 1; i < 7000; i++)
		put16(POINTER(raw_len - 2));
	at = POINTER(raw_len - 2);
	while (raw_len + 20 + 14 <= sizeof(raw)) {
		raw_record(RAW_ANSWER, at, type, type == 10 ? 0 : 2);
		if (type != 10)
			put16(at);
	}
}

START_TEST(a_message_of_64_KiB_takes_a_moment)
{
	struct reply reply;
	double start = seconds();

	/* Aliases of the name, thousands of them, to itself. */
	fill(&instance, 5);
	raw_srv(QUESTION);
	is_status(raw_read(raw_len, &reply), LOOKUP_FOUND);
	ck_assert_uint_eq(reply.port, 4321);
	/* Records of the name that are none of ours. */
	fill(&instance, 10);
	raw_srv(QUESTION);
	is_status(raw_read(raw_len, &reply), LOOKUP_FOUND);
	ck_assert_uint_eq(reply.port, 4321);
	/* Addresses. */
	raw_begin(&instance);
	while (raw_len + 36 <= sizeof(raw))
		raw_a(RAW_ANSWER, QUESTION);
	raw_srv(QUESTION);
	is_status(raw_read(raw_len, &reply), LOOKUP_FOUND);
	is_status(raw_read_addresses(raw_len, &reply), LOOKUP_FOUND);
	ck_assert_uint_eq(reply.addrs_len, REPLY_ADDRS);
	for (size_t cut = 1; cut < raw_len; cut += 6007)
		is_status(raw_read(raw_len - cut, &reply), LOOKUP_BAD_ANSWER);
	ck_assert_msg(seconds() - start < BOUND_S, "%g s", seconds() - start);
}
END_TEST

static void raw_target(const char *label)
{
	raw_record(RAW_ANSWER, QUESTION, 12, 1 + strlen(label) + 2);
	put((const uint8_t[]){(uint8_t)strlen(label)}, 1);
	put(label, strlen(label));
	put16(QUESTION);
}

START_TEST(a_list_of_64_KiB_takes_a_moment)
{
	struct name service = util_name(SERVICE);
	double start = seconds();
	unsigned host;
	char label[16];

	/* One name, thousands of times. */
	raw_begin(&service);
	while (raw_len + 16 <= sizeof(raw))
		raw_target("x");
	is_status(raw_read_list(raw_len), LOOKUP_FOUND);
	ck_assert_uint_eq(heard.n, 1);
	is_name(&heard.peer[0].reply.instance, "x." SERVICE);
	/* Thousands of names. */
	raw_begin(&service);
	for (int i = 0; raw_len + 24 <= sizeof(raw); i++) {
		snprintf(label, sizeof(label), "%d", i);
		raw_target(label);
	}
	is_status(raw_read_list(raw_len), LOOKUP_BAD_ANSWER);
	ck_assert_uint_eq(heard.n, REPLY_PEERS);
	/* All of them at one host, that has thousands of records. */
	raw_begin(&service);
	raw_target("0");
	host = (unsigned)raw_len - 4;
	for (int i = 1; i < 800; i++) {
		snprintf(label, sizeof(label), "%d", i);
		raw_target(label);
	}
	for (unsigned at = host, i = 0; i < 800; i++) {
		raw_record(RAW_ADDITIONAL, POINTER(at), 33, 8);
		put("\0\0\0\0\x10\xe1", 6);
		put16(POINTER(host));
		at += 12 + raw[at] + 3u;
	}
	while (raw_len + 24 <= sizeof(raw)) {
		raw_record(RAW_ADDITIONAL, POINTER(host), 16, 2);
		put("\x01x", 2);
	}
	is_status(raw_read_list(raw_len), LOOKUP_FOUND);
	ck_assert_uint_eq(heard.n, 800);
	/* Names that are not below the service. */
	fill(&service, 12);
	is_status(raw_read_list(raw_len), LOOKUP_NOT_IN_ZONE);
	ck_assert_msg(seconds() - start < BOUND_S, "%g s", seconds() - start);
}
END_TEST

/* ---- addresses ---- */

START_TEST(an_address_answer_completes_it)
{
	struct reply reply = {.port = 99, .target = instance};

	add(ANSWER, "%s. 10 IN A 198.51.100.9", upper(owner));
	add(ANSWER, "%s. 10 IN A 198.51.100.10", owner);
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.11", owner);
	is_status(read_addresses(&reply), LOOKUP_FOUND);
	ck_assert_str_eq(addrs_text(&reply), "198.51.100.9:99 198.51.100.10:99");
	ldns_pkt_free(pkt);
	pkt = ldns_pkt_new();
	add(ANSWER, "%s. 10 IN AAAA 2001:db8::9", owner);
	is_status(read_addresses(&reply), LOOKUP_FOUND);
	ck_assert_str_eq(addrs_text(&reply), "198.51.100.9:99 198.51.100.10:99 [2001:db8::9]:99");
}
END_TEST

START_TEST(an_answer_without_an_address_adds_none)
{
	struct reply reply = {.port = 99, .target = instance, .addrs = {util_endpoint("192.0.2.1:99")}, .addrs_len = 1};

	is_status(read_addresses(&reply), LOOKUP_NO_ADDRESS);
	add(ANSWER, "other.example.net. 10 IN A 198.51.100.9");
	add(ANSWER, "%s. 10 IN TXT \"198.51.100.9\"", owner);
	add(ANSWER, "%s. 10 IN CNAME elsewhere.example.net.", owner);
	is_status(read_addresses(&reply), LOOKUP_NO_ADDRESS);
	is_status(raw_read_addresses(0, &reply), LOOKUP_BAD_ANSWER);
	ck_assert_uint_eq(reply.addrs_len, 0);
}
END_TEST

START_TEST(an_address_answer_may_lead_over_aliases)
{
	struct reply reply = {.port = 99, .target = instance};

	add_chain(_i, true);
	add(ANSWER, "C%d.EXAMPLE.net. 10 IN A 198.51.100.9", _i);
	add(ANSWER, "c%d.example.net. 10 IN AAAA 2001:db8::9", _i);
	add(ANSWER, "%s. 10 IN A 198.51.100.66", owner); /* an alias has nothing else */
	if (_i <= REPLY_ALIASES) {
		is_status(read_addresses(&reply), LOOKUP_FOUND);
		ck_assert_str_eq(addrs_text(&reply), "198.51.100.9:99 [2001:db8::9]:99");
	} else {
		is_status(read_addresses(&reply), LOOKUP_NO_ADDRESS);
	}
	is_name(&reply.target, owner); /* the question for the other family is for the same name */
}
END_TEST

START_TEST(address_answers_do_not_pass_their_room)
{
	struct reply reply = {.port = 99, .target = instance};

	for (int i = 1; i <= REPLY_ADDRS - 1; i++)
		add(ANSWER, "%s. 10 IN A 198.51.100.%d", owner, i);
	is_status(read_addresses(&reply), LOOKUP_FOUND);
	ck_assert_uint_eq(reply.addrs_len, REPLY_ADDRS - 1);
	is_status(read_addresses(&reply), LOOKUP_FOUND);
	ck_assert_uint_eq(reply.addrs_len, REPLY_ADDRS);
	read_addresses(&reply);
	ck_assert_uint_eq(reply.addrs_len, REPLY_ADDRS);
}
END_TEST

/* ---- lists ---- */

static enum lookup_status read_list_of(const char *list)
{
	size_t len;
	uint8_t *wire = to_wire(&len);
	enum lookup_status status;

	for (size_t cut = 0; cut < len; cut++)
		ck_hot(hear(wire, cut, list) == LOOKUP_BAD_ANSWER && heard.n == 0);
	status = hear(wire, len, list);
	free(wire);
	return status;
}

static enum lookup_status read_list(void)
{
	return read_list_of(SERVICE);
}

START_TEST(a_list_gives_its_instances)
{
	is_status(read_list(), LOOKUP_NOT_IN_ZONE);
	ck_assert_uint_eq(heard.n, 0);
	add(ANSWER, SERVICE ". 10 IN PTR a." SERVICE ".");
	add(ANSWER, SERVICE ". 10 IN PTR %s.", upper(owner));
	add(ANSWER, "%s. 10 IN PTR My\\032Laptop\\.at\\.home." SERVICE ".", upper(SERVICE));
	is_status(read_list(), LOOKUP_FOUND);
	ck_assert_uint_eq(heard.n, 3);
	is_name(&heard.peer[0].reply.instance, "a." SERVICE);
	is_name(&heard.peer[1].reply.instance, "my\\032laptop\\.at\\.home." SERVICE);
	is_name(&heard.peer[2].reply.instance, owner);
	for (size_t i = 0; i < 3; i++)
		ck_assert(!heard.peer[i].whole);
}
END_TEST

START_TEST(what_is_no_instance_is_left_out_of_a_list)
{
	static const char *const foreign[] = {"a._wireguard._udp.example.net.", SERVICE ".", "wg.example.com.", ".",
	    "a.b." SERVICE ".", "a._wireguard._tcp.wg.example.com.", "a._udp.wg.example.com.",
	    "a._wireguard\\._udp.wg.example.com.", "a.x_wireguard._udp.wg.example.com.", SERVICE ".a."};

	for (size_t i = 0; i < COUNT(foreign); i++)
		add(ANSWER, SERVICE ". 10 IN PTR %s", foreign[i]);
	add(ANSWER, "other.example.com. 10 IN PTR b." SERVICE ".");
	add(ANSWER, "a." SERVICE ". 10 IN PTR c." SERVICE ".");
	add(ANSWER, SERVICE ". 10 IN CNAME d." SERVICE ".");
	add(ANSWER, SERVICE ". 10 IN NS e." SERVICE ".");
	add(ADDITIONAL, SERVICE ". 10 IN PTR f." SERVICE ".");
	is_status(read_list(), LOOKUP_NOT_IN_ZONE);
	ck_assert_uint_eq(heard.n, 0);
	add(ANSWER, SERVICE ". 10 IN PTR good." SERVICE ".");
	is_status(read_list(), LOOKUP_FOUND);
	ck_assert_uint_eq(heard.n, 1);
	is_name(&heard.peer[0].reply.instance, "good." SERVICE);
}
END_TEST

START_TEST(a_peer_comes_once)
{
	size_t len;
	uint8_t *wire;

	for (int i = 0; i < 900; i++)
		add(ANSWER, SERVICE ". 10 IN PTR %s.", i % 2 == 0 ? owner : upper(owner));
	wire = to_wire(&len);
	is_status(hear(wire, len, SERVICE), LOOKUP_FOUND);
	ck_assert_uint_eq(heard.n, 1);
	is_name(&heard.peer[0].reply.instance, owner);
	free(wire);
}
END_TEST

START_TEST(a_list_does_not_pass_its_room)
{
	size_t len;

	for (int extra = -1; extra <= 1; extra++) {
		uint8_t *wire;

		ldns_pkt_free(pkt);
		pkt = ldns_pkt_new();
		for (int i = 0; i < REPLY_PEERS + extra; i++)
			add(ANSWER, SERVICE ". 10 IN PTR p%d." SERVICE ".", i);
		wire = to_wire(&len);
		/* With one too many it is not the whole list. */
		is_status(hear(wire, len, SERVICE), extra <= 0 ? LOOKUP_FOUND : LOOKUP_BAD_ANSWER);
		ck_assert_uint_eq(heard.n, extra < 0 ? REPLY_PEERS - 1 : REPLY_PEERS);
		free(wire);
	}
}
END_TEST

/* ---- what comes with a list ---- */

static void expect_peer(bool whole, enum lookup_status want, const char *addrs)
{
	is_status(read_list(), LOOKUP_FOUND);
	ck_assert_uint_eq(heard.n, 1);
	is_name(&heard.peer[0].reply.instance, owner);
	ck_assert(heard.peer[0].whole == whole);
	if (!whole)
		return;
	is_status(heard.peer[0].status, want);
	if (addrs != NULL)
		ck_assert_str_eq(addrs_text(&heard.peer[0].reply), addrs);
}

static void add_target(void)
{
	add(ANSWER, SERVICE ". 10 IN PTR %s.", owner);
}

static void add_listed_srv(void)
{
	add(ADDITIONAL, "%s. 10 IN SRV 0 0 4321 %s.", owner, owner);
}

static void add_listed_address(void)
{
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.7", owner);
}

static void add_listed_txt(void)
{
	add(ADDITIONAL, "%s. 10 IN TXT \"txtvers=1\" \"pub=%s\" \"allowed=10.0.0.2/32\"", owner, base64);
}

START_TEST(a_peer_s_records_may_come_with_its_list)
{
	const struct reply *reply = &heard.peer[0].reply;

	add_target();
	add_listed_srv();
	add_listed_address();
	add_listed_txt();
	expect_peer(true, LOOKUP_FOUND, "198.51.100.7:4321");
	ck_assert(reply->has_key && memcmp(reply->key, key, KEY_LEN) == 0);
	ck_assert_str_eq(reply->allowed, "10.0.0.2/32");
	ck_assert_uint_eq(reply->ttl_s, 10);
}
END_TEST

START_TEST(a_peer_is_asked_for_if_one_of_its_records_is_missing)
{
	/* Of the three any two, any one, none. */
	for (int have = 0; have < 7; have++) {
		ldns_pkt_free(pkt);
		pkt = ldns_pkt_new();
		add_target();
		if (have & 1)
			add_listed_srv();
		if (have & 2)
			add_listed_address();
		if (have & 4)
			add_listed_txt();
		expect_peer(false, LOOKUP_FOUND, NULL);
	}
}
END_TEST

START_TEST(records_of_another_name_or_section_are_none_of_a_listed_peer_s)
{
	add_target();
	add(ADDITIONAL, "x.%s. 10 IN SRV 0 0 666 %s.", owner, owner);
	add(ANSWER, "%s. 10 IN SRV 0 0 666 %s.", owner, owner);
	add_listed_address();
	add_listed_txt();
	expect_peer(false, LOOKUP_FOUND, NULL);
	add_listed_srv();
	add(ADDITIONAL, "x.%s. 10 IN A 198.51.100.66", owner);
	add(ADDITIONAL, SERVICE ". 10 IN A 198.51.100.67");
	add(ADDITIONAL, "x.%s. 10 IN TXT \"pub=hello\"", owner);
	add(ANSWER, "%s. 10 IN A 198.51.100.68", owner);
	expect_peer(true, LOOKUP_FOUND, "198.51.100.7:4321");
}
END_TEST

START_TEST(each_peer_of_a_list_gets_its_own_records)
{
	/* In another order than the names', in another case, and all at one host or each at its own. */
	for (int i = 0; i < 40; i++)
		add(ANSWER, SERVICE ". 10 IN PTR p%02d." SERVICE ".", i * 7 % 40);
	for (int i = 0; i < 40; i++) {
		add(ADDITIONAL, "P%02d." SERVICE ". 10 IN SRV 0 0 %d h%d.example.net.", i, 1000 + i, i % 2 == 0 ? i : 1);
		add(ADDITIONAL, "H%d.example.net. 10 IN A 198.51.100.%d", i, 200 - i);
		add(ADDITIONAL, "h%d.example.net. 10 IN A 198.51.100.%d", i, i);
		add(ADDITIONAL, "p%02d." SERVICE ". 10 IN TXT \"allowed=10.0.0.%d/32\"", i, i);
	}
	is_status(read_list(), LOOKUP_FOUND);
	ck_assert_uint_eq(heard.n, 40);
	for (int i = 0; i < 40; i++) {
		int host = i % 2 == 0 ? i : 1;
		char want[80];

		snprintf(want, sizeof(want), "p%02d." SERVICE, i);
		is_name(&heard.peer[i].reply.instance, want);
		ck_assert(heard.peer[i].whole && heard.peer[i].status == LOOKUP_FOUND);
		snprintf(want, sizeof(want), "198.51.100.%d:%d 198.51.100.%d:%d", 200 - host, 1000 + i, host, 1000 + i);
		ck_assert_str_eq(addrs_text(&heard.peer[i].reply), want);
		snprintf(want, sizeof(want), "10.0.0.%d/32", i);
		ck_assert_str_eq(heard.peer[i].reply.allowed, want);
	}
}
END_TEST

START_TEST(a_listed_peer_whose_name_is_a_key_has_that_key)
{
	uint8_t k[KEY_LEN];
	char other[KEY_BASE64 + 1], name[NAME_TEXT + 8];

	util_key(1, k);
	key_text(k, other);
	/* Without padding, and with. */
	for (int turn = 0; turn < 2; turn++) {
		ldns_pkt_free(pkt);
		pkt = ldns_pkt_new();
		snprintf(name, sizeof(name), "%.52s%s." SERVICE ".", owner, turn == 0 ? "" : "====");
		add(ANSWER, SERVICE ". 10 IN PTR %s", name);
		add(ADDITIONAL, "%s 10 IN SRV 0 0 4321 %s", name, name);
		add(ADDITIONAL, "%s 10 IN A 198.51.100.7", name);
		add(ADDITIONAL, "%s 10 IN TXT \"pub=%s\"", name, other);
		is_status(read_list(), LOOKUP_FOUND);
		ck_assert(heard.n == 1 && heard.peer[0].whole);
		is_status(heard.peer[0].status, LOOKUP_OTHER_KEY);
		ck_assert_uint_eq(heard.peer[0].reply.addrs_len, 0);
	}
	/* A name of people's has whichever it says. */
	add(ANSWER, SERVICE ". 10 IN PTR alice." SERVICE ".");
	add(ADDITIONAL, "alice." SERVICE ". 10 IN SRV 0 0 4321 alice." SERVICE ".");
	add(ADDITIONAL, "alice." SERVICE ". 10 IN A 198.51.100.7");
	add(ADDITIONAL, "alice." SERVICE ". 10 IN TXT \"pub=%s\"", other);
	is_status(read_list(), LOOKUP_FOUND);
	ck_assert_uint_eq(heard.n, 2);
	is_status(heard.peer[0].status, LOOKUP_FOUND);
	ck_assert_mem_eq(heard.peer[0].reply.key, k, KEY_LEN);
}
END_TEST

START_TEST(a_listed_port_0_is_refused)
{
	add_target();
	add(ADDITIONAL, "%s. 10 IN SRV 0 0 0 %s.", owner, owner);
	add_listed_address();
	add_listed_txt();
	expect_peer(true, LOOKUP_BAD_ENDPOINT, NULL);
}
END_TEST

START_TEST(a_list_by_a_prefix_has_only_keys_with_it)
{
	char list[NAME_TEXT], other[KEY_BASE32 + 1];

	for (int n = 1; n <= RECORDS_SHARD_MAX; n++) {
		ldns_pkt_free(pkt);
		pkt = ldns_pkt_new();
		snprintf(list, sizeof(list), "_%.*s._sub." SERVICE, n, owner);
		snprintf(other, sizeof(other), "%.52s", owner);
		other[n - 1] = other[n - 1] == 'a' ? 'b' : 'a';
		add(ANSWER, "%s. 10 IN PTR %s." SERVICE ".", list, other);
		add(ANSWER, "%s. 10 IN PTR %s====." SERVICE ".", list, other);
		is_status(read_list_of(list), LOOKUP_NOT_IN_ZONE);
		add(ANSWER, "%s. 10 IN PTR %s.", upper(list), upper(owner));
		add(ANSWER, "%s. 10 IN PTR bob." SERVICE ".", list); /* no key */
		add(ANSWER, "%s. 10 IN PTR %s", list, list);
		add(ANSWER, SERVICE ". 10 IN PTR carol." SERVICE ".");
		is_status(read_list_of(list), LOOKUP_FOUND);
		ck_assert_uint_eq(heard.n, 2);
		is_name(&heard.peer[0].reply.instance, "bob." SERVICE);
		is_name(&heard.peer[1].reply.instance, owner);
	}
}
END_TEST

static enum lookup_status read_shard(unsigned *shard)
{
	struct name service = util_name(SERVICE);
	size_t len;
	uint8_t *wire = to_wire(&len);
	enum lookup_status status = reply_read_shard(wire, len, &service, shard);

	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = malloc(cut + 1);
		unsigned ignored;

		memcpy(copy, wire, cut);
		ck_hot(reply_read_shard(copy, cut, &service, &ignored) == LOOKUP_BAD_ANSWER);
		free(copy);
	}
	free(wire);
	return status;
}

START_TEST(the_service_says_how_its_lists_are_split)
{
	static const struct {
		const char *text;
		int want; /* -1: it does not say; -2: it lies */
	} cases[] = {
	    {"\"txtvers=1\" \"shard=0\"", 0},
	    {"\"txtvers=1\" \"shard=2\"", 2},
	    {"\"SHARD=4\"", 4},
	    {"\"txtvers=1\"", -1},
	    {"\"\" \"shard\" \"xshard=1\" \"shards=1\"", -1},
	    {"\"shard=\"", -2},
	    {"\"shard=5\"", -2},
	    {"\"shard=-1\"", -2},
	    {"\"shard=01\"", -2},
	    {"\"shard=1 \"", -2},
	    {"\"shard=a\"", -2},
	    {"\"shard=1\" \"shard=2\"", -2},
	    {"\"shard=1\" \"txtvers=1\" \"shard=1\"", -2},
	};
	unsigned shard;

	for (size_t i = 0; i < COUNT(cases); i++) {
		ldns_pkt_free(pkt);
		pkt = ldns_pkt_new();
		shard = 77;
		add(ANSWER, "other." SERVICE ". 10 IN TXT \"shard=3\"");
		add(ANSWER, SERVICE ". 10 IN PTR a." SERVICE ".");
		add(ADDITIONAL, SERVICE ". 10 IN TXT \"shard=3\"");
		add(ANSWER, "%s. 10 IN TXT %s", upper(SERVICE), cases[i].text);
		is_status(read_shard(&shard), cases[i].want == -1 ? LOOKUP_NOT_IN_ZONE :
		        cases[i].want == -2 ? LOOKUP_BAD_ANSWER : LOOKUP_FOUND);
		if (cases[i].want >= 0)
			ck_assert_uint_eq(shard, (unsigned)cases[i].want);
	}
}
END_TEST

/* ---- what is said of it ---- */

START_TEST(each_status_has_a_word_and_a_text_of_its_own)
{
	for (int i = 0; i < LOOKUP_STATUSES; i++) {
		const char *word = lookup_status_word((enum lookup_status)i);

		ck_assert_uint_gt(strlen(lookup_status_text((enum lookup_status)i)), 0);
		ck_assert_uint_eq(strspn(word, "abcdefghijklmnopqrstuvwxyz-"), strlen(word));
		for (int j = 0; j < i; j++) {
			ck_assert_str_ne(lookup_status_word((enum lookup_status)j), word);
			ck_assert_str_ne(lookup_status_text((enum lookup_status)j), lookup_status_text((enum lookup_status)i));
		}
	}
	ck_assert_str_eq(lookup_status_word(LOOKUP_FOUND), "found");
	ck_assert_str_eq(lookup_status_word(LOOKUP_STATUSES), "unknown");
	ck_assert_str_eq(lookup_status_text((enum lookup_status)-1), "unknown");
}
END_TEST

static TCase *tcase(Suite *s, const char *name)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, setup, teardown);
	suite_add_tcase(s, t);
	return t;
}

/* ---- cookies ---- */

#define CLIENT "12345678"

/* Reads the cookie of an answer with these EDNS options, where `CLIENT` was asked with. */
static size_t read_cookie(const char *options, size_t options_len, uint8_t cookie[REPLY_COOKIE])
{
	size_t cookie_len = REPLY_COOKIE_CLIENT, len;
	uint8_t *msg;

	memset(cookie, 0, REPLY_COOKIE);
	memcpy(cookie, CLIENT, REPLY_COOKIE_CLIENT);
	if (options != NULL) {
		ldns_rdf_deep_free(ldns_pkt_edns_data(pkt));
		ldns_pkt_set_edns_udp_size(pkt, 1232);
		ldns_pkt_set_edns_data(pkt, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_UNKNOWN, options_len, options));
	}
	ck_assert_int_eq(ldns_pkt2wire(&msg, pkt, &len), LDNS_STATUS_OK);
	reply_read_cookie(msg, len, cookie, &cookie_len);
	/* Cut anywhere it is none, or the same. */
	for (size_t i = 0; i < len; i++) {
		uint8_t part[REPLY_COOKIE] = CLIENT;
		size_t part_len = REPLY_COOKIE_CLIENT;

		reply_read_cookie(msg, i, part, &part_len);
		ck_assert_uint_eq(part_len, REPLY_COOKIE_CLIENT);
	}
	free(msg);
	return cookie_len;
}

#define COOKIE_OF(options) read_cookie(options, sizeof(options) - 1, cookie)

START_TEST(a_server_s_cookie_stands_behind_ours)
{
	uint8_t cookie[REPLY_COOKIE];

	ck_assert_uint_eq(COOKIE_OF("\0\12\0\20" CLIENT "abcdefgh"), 16);
	ck_assert_mem_eq(cookie, CLIENT "abcdefgh", 16);
	ck_assert_uint_eq(COOKIE_OF("\0\3\0\2id\0\12\0\50" CLIENT "0123456789abcdef0123456789abcdef"), 40);
	ck_assert_mem_eq(cookie, CLIENT "0123456789abcdef0123456789abcdef", 40);
}
END_TEST

START_TEST(what_is_no_cookie_of_ours_is_left_alone)
{
	uint8_t cookie[REPLY_COOKIE];

	ck_assert_uint_eq(read_cookie(NULL, 0, cookie), 8);
	ck_assert_uint_eq(COOKIE_OF("\0\12\0\10" CLIENT), 8);                    /* ours alone */
	ck_assert_uint_eq(COOKIE_OF("\0\12\0\17" CLIENT "abcdefg"), 8);         /* too short */
	ck_assert_uint_eq(COOKIE_OF("\0\12\0\51" CLIENT "0123456789abcdef0123456789abcdefg"), 8); /* too long */
	ck_assert_uint_eq(COOKIE_OF("\0\12\0\20" "12345679abcdefgh"), 8);       /* another's */
	ck_assert_uint_eq(COOKIE_OF("\0\12\0\21" CLIENT "abcdefgh"), 8);        /* longer than the rest */
	ck_assert_uint_eq(COOKIE_OF("\0\13\0\20" CLIENT "abcdefgh"), 8);        /* another option */
	ck_assert_mem_eq(cookie, CLIENT "\0\0\0\0\0\0\0\0", 16);
}
END_TEST

Suite *suite_reply(void)
{
	Suite *s = suite_create("reply");
	TCase *t = tcase(s, "endpoint"), *a = tcase(s, "aliases"), *x = tcase(s, "txt"), *r = tcase(s, "raw"),
	      *l = tcase(s, "lists");

	tcase_add_test(t, a_good_answer_gives_the_endpoint);
	tcase_add_test(t, an_ipv6_address_does_too);
	tcase_add_test(t, a_mapped_address_is_an_ipv4_one);
	tcase_add_test(t, the_target_may_be_another_name);
	tcase_add_test(t, the_case_of_names_does_not_matter);
	tcase_add_test(t, all_addresses_of_both_families_are_kept_in_their_order);
	tcase_add_test(t, addresses_too_many_are_left_out);
	tcase_add_test(t, without_an_additional_section_there_is_a_target_to_ask_for);
	tcase_add_test(t, an_answer_without_records_is_not_in_the_zone);
	tcase_add_loop_test(t, a_first_record_of_another_type_is_stepped_over, 0, 5);
	tcase_add_loop_test(t, an_srv_of_another_owner_is_no_answer, 0, 4);
	tcase_add_test(t, an_address_is_told_also_where_no_peer_can_be);
	tcase_add_test(t, port_0_is_refused_with_and_without_an_address);
	tcase_add_loop_test(t, of_several_srv_priority_and_then_weight_decide, 0, (int)COUNT(several));
	tcase_add_test(t, of_two_srv_that_are_equal_one_is_taken_whole);
	tcase_add_test(t, an_srv_of_another_owner_does_not_count_by_its_priority);
	tcase_add_test(t, an_address_answer_completes_it);
	tcase_add_test(t, an_answer_without_an_address_adds_none);
	tcase_add_loop_test(t, an_address_answer_may_lead_over_aliases, 1, REPLY_ALIASES + 2);
	tcase_add_test(t, address_answers_do_not_pass_their_room);
	tcase_add_test(t, each_status_has_a_word_and_a_text_of_its_own);
	tcase_add_test(a, an_alias_in_the_answer_is_followed);
	tcase_add_test(a, an_alias_does_not_lead_around_the_key);
	tcase_add_loop_test(a, a_chain_of_aliases_is_followed_in_any_order, 1, REPLY_ALIASES + 1);
	tcase_add_test(a, a_chain_that_is_too_long_is_not_followed_to_its_end);
	tcase_add_test(a, an_alias_without_its_srv_is_a_name_to_ask_for);
	tcase_add_test(a, an_alias_of_another_name_is_none);
	tcase_add_loop_test(a, aliases_in_a_circle_come_to_an_end, -1, 12);
	tcase_add_loop_test(x, another_key_is_refused, 0, 2);
	tcase_add_loop_test(x, a_key_that_is_none_is_refused, 0, 6);
	tcase_add_test(x, the_key_s_name_may_be_in_upper_case);
	tcase_add_loop_test(x, two_keys_are_one_too_many, 0, 4);
	tcase_add_test(x, the_same_key_in_two_records_is_one);
	tcase_add_test(x, a_key_of_another_owner_or_section_is_none_of_the_peer_s);
	tcase_add_test(x, without_a_key_to_compare_the_published_one_is_told);
	tcase_add_test(x, allowed_ips_are_put_behind_each_other);
	tcase_add_loop_test(x, of_allowed_only_what_is_one_is_kept, 0, HOSTILE);
	tcase_add_test(x, allowed_ips_are_cut_where_one_ends);
	tcase_add_loop_test(x, allowed_ips_may_fill_their_room_to_the_last_octet, 0, 2);
	tcase_add_loop_test(r, a_record_without_octets_is_stepped_over, 0, (int)COUNT(types));
	tcase_add_loop_test(r, a_record_with_too_few_octets_gives_nothing, 0, (int)COUNT(types));
	tcase_add_loop_test(r, a_name_in_a_circle_is_a_bad_answer, 0, 8);
	tcase_add_test(r, counts_that_are_more_than_there_is_are_a_bad_answer);
	tcase_add_test(r, a_message_of_64_KiB_takes_a_moment);
	tcase_add_test(r, a_list_of_64_KiB_takes_a_moment);
	tcase_add_test(l, a_server_s_cookie_stands_behind_ours);
	tcase_add_test(l, what_is_no_cookie_of_ours_is_left_alone);
	tcase_add_test(l, a_list_gives_its_instances);
	tcase_add_test(l, what_is_no_instance_is_left_out_of_a_list);
	tcase_add_test(l, a_peer_comes_once);
	tcase_add_test(l, a_list_does_not_pass_its_room);
	tcase_add_test(l, a_peer_s_records_may_come_with_its_list);
	tcase_add_test(l, a_peer_is_asked_for_if_one_of_its_records_is_missing);
	tcase_add_test(l, records_of_another_name_or_section_are_none_of_a_listed_peer_s);
	tcase_add_test(l, each_peer_of_a_list_gets_its_own_records);
	tcase_add_test(l, a_listed_peer_whose_name_is_a_key_has_that_key);
	tcase_add_test(l, a_listed_port_0_is_refused);
	tcase_add_test(l, a_list_by_a_prefix_has_only_keys_with_it);
	tcase_add_test(l, the_service_says_how_its_lists_are_split);
	return s;
}
