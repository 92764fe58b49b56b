#include <stdio.h>
#include <string.h>

#include "answers.h"
#include "notify.h"
#include "suites.h"
#include "util.h"
#include "wire.h"

#define IFINDEX 7
#define PORT    5354
#define NOBODY  UINT64_MAX

static const uint64_t seed[2] = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543211)};
static const uint8_t secret[NOTIFY_KEY] = "what a secret is";
static const uint8_t local[16] = {10, 9, 0, 1};
static const struct listener *const listener = (const void *)&seed; /* nobody looks into it */

static struct made_zone made[ANSWER_ZONES];
static const struct snapshot *zones[ANSWER_ZONES];
static uint8_t msg[DNS_UDP_MAX + ANSWER_SLACK];
static struct notify_message told;

static void setup(void)
{
	memset(made, 0, sizeof(made));
	memset(zones, 0, sizeof(zones));
	notify_init(zones, 0);
	notify_set(PORT, seed, secret);
}

static void teardown(void)
{
	for (size_t i = 0; i < ANSWER_ZONES; i++)
		zone_drop(&made[i]);
}

/* ---- zones ---- */

/* "ADDR:PORT ADDR:PORT ...": the endpoints of peers 1, 2 and so on; "-": none. Peer n's allowed IP is 10.9.0.n/32. */
static void prepare(struct made_zone *z, const char *name, const char *endpoints)
{
	char one[ENDPOINT_TEXT], allowed[32];

	zone_prepare(z, name, NULL);
	z->world.ifindex = IFINDEX;
	for (uint64_t n = 1; *endpoints != '\0'; n++) {
		size_t len = strcspn(endpoints, " ");

		ck_assert_uint_lt(len, sizeof(one));
		memcpy(one, endpoints, len);
		one[len] = '\0';
		snprintf(allowed, sizeof(allowed), "10.9.0.%u/32", (unsigned)n);
		util_add_peer(&z->dev, n, strcmp(one, "-") == 0 ? NULL : one, allowed);
		endpoints += len + (endpoints[len] == ' ');
	}
}

static void compare(uint64_t now_ms)
{
	while (notify_has_steps())
		notify_step(now_ms);
}

/* What was prepared is served from now on. */
static void serve(size_t number, struct made_zone *z, uint64_t now_ms)
{
	zone_make(z);
	zones[number] = z->snapshot;
	notify_changed(number);
	zone_drop(&made[number]); /* nothing of the old one is needed */
	made[number] = *z;
	made[number].zone.conf = &made[number].conf;
	compare(now_ms);
}

static void publish(const char *endpoints, uint64_t now_ms)
{
	struct made_zone z;

	prepare(&z, "wg.test", endpoints);
	serve(0, &z, now_ms);
}

static void publish_not_ready(uint64_t now_ms)
{
	struct made_zone z;

	prepare(&z, "wg.test", "");
	zone_make_not_ready(&z);
	zones[0] = z.snapshot;
	notify_changed(0);
	zone_drop(&made[0]);
	made[0] = z;
	compare(now_ms);
}

static void take_away(size_t number)
{
	zones[number] = NULL;
	notify_changed(number);
	zone_drop(&made[number]);
}

/* ---- asking ---- */

static struct asker asker_of(const char *address, uint32_t ifindex)
{
	struct endpoint ep = util_endpoint(address);
	struct asker asker = {.ifindex = ifindex};

	ranges_key(ep.family, ep.addr, asker.addr);
	return asker;
}

/* A whole query, as a worker takes it; but it is left to notify_asked() to tell which came by the tunnel. Returns the answer's
 * RCODE. */
static unsigned ask_as(const struct asker *asker, const char *zone, uint64_t peer, bool padded, uint16_t type, uint64_t now_ms)
{
	static const struct cookie_secrets no_secrets;
	struct answer_world world = {.secrets = no_secrets};
	struct name name, apex = util_name(zone);
	uint8_t key[KEY_LEN];
	struct query q;
	size_t len;

	for (size_t i = 0; i < ANSWER_ZONES; i++)
		if (zones[i] != NULL)
			answer_add_zone(&world.zones, zones[i]);
	util_key(peer, key);
	ck_assert(records_instance_name(&apex, key, padded, &name));
	len = make_query(msg, name.wire, name.len, type, NO_EDNS);
	len = answer_steps(&world, asker, msg, len, &q);
	ck_assert_uint_gt(len, 0);
	ck_assert(!q.by_tunnel || asker->ifindex == IFINDEX);
	if (q.zone != NULL)
		notify_asked(&q, msg, asker, listener, local, now_ms);
	return msg[3] & 15;
}

static unsigned ask(const char *address, uint64_t peer, uint64_t now_ms)
{
	struct asker asker = asker_of(address, IFINDEX);

	return ask_as(&asker, "wg.test", peer, false, DNS_SRV, now_ms);
}

/* ---- being told ---- */

/* Which peer's name is in what was told; NOBODY: none of the first ones. */
static uint64_t peer_told(void)
{
	uint8_t label[KEY_BASE32], key[KEY_LEN];

	for (uint64_t n = 1; n < 2000; n++) {
		util_key(n, key);
		key_to_base32(key, label);
		if (memcmp(told.buf + DNS_HEADER + 1, label, KEY_BASE32) == 0)
			return n;
	}
	return NOBODY;
}

static void nothing(uint64_t now_ms)
{
	bool is = notify_next(now_ms, &told);

	ck_assert_msg(!is, "at %llu ms: peer %llu", (unsigned long long)now_ms, (unsigned long long)peer_told());
}

/* That, to that address, and nothing else. */
static void exactly(uint64_t now_ms, const char *address, uint64_t peer)
{
	struct asker asker = asker_of(address, 0);

	ck_assert_msg(notify_next(now_ms, &told), "nothing at %llu ms", (unsigned long long)now_ms);
	ck_assert_mem_eq(told.to, asker.addr, RANGES_ADDR);
	ck_assert_uint_eq(peer_told(), peer);
	nothing(now_ms);
}

/* Never again, whatever time it is. */
static void silence(uint64_t now_ms)
{
	for (; now_ms < 20 * 60000; now_ms += 250)
		nothing(now_ms);
	ck_assert(!notify_is_waiting());
	ck_assert_int_eq(notify_wait_ms(now_ms), -1);
}

/* The answer to what was told last goes to `msg`. Returns its length. */
static size_t make_answer(void)
{
	memcpy(msg, told.buf, told.len);
	msg[2] = 0xa4;
	return told.len;
}

static bool answered(const char *address, uint32_t ifindex, uint16_t port, size_t len)
{
	struct asker asker = asker_of(address, ifindex);

	return notify_answered(&asker, port, msg, len);
}

static bool answer(const char *address)
{
	return answered(address, IFINDEX, PORT, make_answer());
}

#define A "192.0.2.1:1001"
#define B "192.0.2.2:1002"

/* ---- what is told, and of what ---- */

START_TEST(what_was_asked_for_and_has_changed_is_told)
{
	struct name name, apex = util_name("wg.test");
	struct asker alice = asker_of("10.9.0.2", 0);
	uint8_t want[300], key[KEY_LEN], *p;

	publish(A " " B, 1000);
	ask("10.9.0.2", 1, 2000);
	nothing(2000);
	publish("192.0.2.1:1003 " B, 3000);
	ck_assert(notify_is_waiting());
	ck_assert_int_eq(notify_wait_ms(3000), 0);
	ck_assert(notify_next(3000, &told));
	util_key(1, key);
	records_instance_name(&apex, key, false, &name);
	p = put_bytes(want, "??" "\x24\0" "\0\1\0\0\0\0\0\0", DNS_HEADER); /* NOTIFY, AA, one question */
	p = put16(put16(put_bytes(p, name.wire, name.len), DNS_SRV), DNS_CLASS_IN);
	ck_assert_uint_eq(told.len, (size_t)(p - want));
	ck_assert_mem_eq(told.buf + 2, want + 2, told.len - 2);
	ck_assert_mem_eq(told.to, alice.addr, RANGES_ADDR);
	ck_assert_mem_eq(told.local, local, sizeof(local));
	ck_assert_ptr_eq(told.listener, listener);
	ck_assert_uint_eq(told.port, PORT);
	ck_assert_uint_eq(told.ifindex, IFINDEX);
	nothing(3000);
}
END_TEST

/* From one zone to another: what changes for peer 1 is told, and nothing else is a change. */
static const struct {
	const char *from, *to;
	bool told;
} changes[] = {
    {A, A, false},
    {A, "192.0.2.1:1002", true},
    {A, "192.0.2.9:1001", true},
    {A, "[2001:db8::1]:1001", true},
    {"[2001:db8::1]:1001", "[2001:db8::1]:1001", false},
    {"[2001:db8::1]:1001", "[2001:db8::2]:1001", true},
    {A, "-", true},
    {"-", A, true},
    {"-", "-", false},
    {"", A, true},
    {A, "", true},
    {A " " B, A " 192.0.2.3:4", false},
    {A " " B, A " -", false},
    {A, A " " B, false},
    {"[2001:db8::3e9]:1", "[2001:db8::1]:1001", true},
};

START_TEST(a_record_that_changes_is_a_change)
{
	publish(changes[_i].from, 1000);
	ask("10.9.0.2", 1, 2000);
	publish(changes[_i].to, 3000);
	if (changes[_i].told)
		exactly(3000, "10.9.0.2", 1);
	else
		silence(3000);
}
END_TEST

/* Allowed IPs, the TTL, names for people and lists are none of it. */
START_TEST(nothing_but_the_endpoint_counts)
{
	struct made_zone z;

	publish(A, 1000);
	ask("10.9.0.2", 1, 2000);
	prepare(&z, "wg.test", A);
	z.conf.ttl_s = 77;
	z.conf.list_max = 0;
	zone_add_allowed(&z, 9);
	serve(0, &z, 3000);
	silence(3000);
}
END_TEST

static void say_label(struct made_zone *z, const char *label)
{
	util_key(1, z->said[0].key);
	z->said[0].publish = true;
	snprintf(z->said[0].label, sizeof(z->said[0].label), "%s", label);
	z->conf.peers = z->said;
	z->conf.peers_len = 1;
}

static void publish_labelled(const char *endpoints, const char *label, uint64_t now_ms)
{
	static struct made_zone z; /* its configuration is pointed into */

	prepare(&z, "wg.test", endpoints);
	say_label(&z, label);
	serve(0, &z, now_ms);
}

/* Such a peer's records are stored in another way. */
START_TEST(a_peer_with_a_name_for_people_is_a_peer)
{
	publish(A, 1000);
	ask("10.9.0.2", 1, 2000);
	publish_labelled(A, "alice", 3000);
	nothing(3000);
	publish_labelled("192.0.2.1:7", "alice", 4000);
	exactly(4000, "10.9.0.2", 1);
	ask("10.9.0.2", 1, 4100);
	publish_labelled("192.0.2.7:7", "alice", 5000);
	exactly(5000, "10.9.0.2", 1);
	ask("10.9.0.2", 1, 5100);
	publish_labelled("[2001:db8::7]:7", "bob", 6000);
	exactly(6000, "10.9.0.2", 1);
	ask("10.9.0.2", 1, 6100);
	publish_labelled("-", "bob", 7000);
	exactly(7000, "10.9.0.2", 1);
	ask("10.9.0.2", 1, 7100);
	publish_labelled("-", "carol", 8000);
	silence(8000);
}
END_TEST

/* The registry's own device, with those of its addresses. */
static void publish_self(const char *first, const char *second, uint64_t now_ms)
{
	static struct made_zone z;
	static struct endpoint self[2];
	uint8_t key[KEY_LEN];

	prepare(&z, "wg.test", "");
	self[0] = util_endpoint(first);
	if (second != NULL)
		self[1] = util_endpoint(second);
	util_key(1, key);
	zone_add_self(&z, 20, self, second != NULL ? 2 : 1);
	memcpy(z.dev.public_key, key, KEY_LEN);
	serve(0, &z, now_ms);
}

START_TEST(each_of_several_addresses_counts)
{
	publish_self("203.0.113.1", "2001:db8:5::1", 1000);
	ask("10.9.0.2", 1, 2000);
	publish_self("203.0.113.1", "2001:db8:5::1", 3000);
	nothing(3000);
	publish_self("203.0.113.1", "2001:db8:5::2", 4000);
	exactly(4000, "10.9.0.2", 1);
	ask("10.9.0.2", 1, 4100);
	publish_self("203.0.113.1", NULL, 5000);
	exactly(5000, "10.9.0.2", 1);
	ask("10.9.0.2", 1, 5100);
	publish_self("203.0.113.2", NULL, 6000);
	exactly(6000, "10.9.0.2", 1);
}
END_TEST

START_TEST(a_name_is_told_as_it_was_asked_for)
{
	struct asker alice = asker_of("10.9.0.2", IFINDEX);
	struct made_zone z;

	publish(A, 1000);
	ask_as(&alice, "wg.test", 1, true, DNS_SRV, 2000);
	publish(B, 3000);
	exactly(3000, "10.9.0.2", 1);
	ck_assert_uint_eq(told.buf[DNS_HEADER], KEY_BASE32_PAD);
	ck_assert_mem_eq(told.buf + DNS_HEADER + 1 + KEY_BASE32, "====\x0a_wireguard", 15);
	ck_assert(answer("10.9.0.2"));
	/* Without that name it is not there. */
	prepare(&z, "wg.test", B);
	z.conf.padded_names = false;
	serve(0, &z, 4000);
	exactly(4000, "10.9.0.2", 1);
	ck_assert(answer("10.9.0.2"));
	silence(4000);
}
END_TEST

/* ---- who is told ---- */

START_TEST(all_who_asked_are_told_and_nobody_else)
{
	struct asker six = asker_of("fd00:9::2", IFINDEX);
	unsigned alice = 0, bob = 0, seen_six = 0;

	publish(A " " B, 1000);
	ask("10.9.0.2", 1, 2000);
	ask("10.9.0.3", 1, 2000);
	ask("10.9.0.4", 2, 2000);
	ask_as(&six, "wg.test", 1, false, DNS_SRV, 2000);
	publish(B " " B, 3000);
	for (int i = 0; i < 3; i++) {
		ck_assert(notify_next(3000, &told));
		ck_assert_uint_eq(peer_told(), 1);
		alice += told.to[0] == 4 && told.to[4] == 2;
		bob += told.to[0] == 4 && told.to[4] == 3;
		seen_six += memcmp(told.to, six.addr, RANGES_ADDR) == 0;
	}
	ck_assert(alice == 1 && bob == 1 && seen_six == 1);
	nothing(3000);
}
END_TEST

START_TEST(who_did_not_come_by_the_tunnel_is_not_told)
{
	struct asker beside = asker_of("10.9.0.2", IFINDEX + 1), unknown = asker_of("10.9.0.2", 0);

	publish(A, 1000);
	ck_assert_uint_eq(ask_as(&beside, "wg.test", 1, false, DNS_SRV, 2000), DNS_NOERROR);
	ck_assert_uint_eq(ask_as(&unknown, "wg.test", 1, false, DNS_SRV, 2000), DNS_NOERROR);
	ck_assert_uint_eq(interest_end(), 0);
	publish(B, 3000);
	silence(3000);
}
END_TEST

START_TEST(a_zone_without_a_device_tells_nobody)
{
	struct asker alice = asker_of("10.9.0.2", IFINDEX), unknown = asker_of("10.9.0.2", 0);
	struct made_zone z;

	prepare(&z, "wg.test", A);
	z.world.ifindex = 0;
	serve(0, &z, 1000);
	prepare(&z, "other.test", A);
	serve(1, &z, 1000);
	ask_as(&alice, "wg.test", 1, false, DNS_SRV, 2000);
	ask_as(&unknown, "wg.test", 1, false, DNS_SRV, 2000);
	ck_assert_uint_eq(interest_end(), 0);
	ask_as(&alice, "other.test", 1, false, DNS_SRV, 2000);
	ck_assert_uint_eq(interest_end(), 1);
}
END_TEST

START_TEST(only_srv_queries_for_keys_are_remembered)
{
	static const uint16_t types[] = {DNS_A, DNS_AAAA, DNS_TXT, DNS_ANY, DNS_PTR};
	struct asker alice = asker_of("10.9.0.2", IFINDEX);
	struct answer_world world = {.now_s = 0};
	struct query q;
	size_t len;

	publish(A, 1000);
	for (size_t i = 0; i < COUNT(types); i++)
		ask_as(&alice, "wg.test", 1, false, types[i], 2000);
	answer_add_zone(&world.zones, zones[0]);
	/* 52 octets that are no base32, and those of a key with spare bits at the end. */
	for (int i = 0; i < 2; i++) {
		uint8_t wire[NAME_MAX_LEN + 1];
		char name[80];

		memset(name, i == 0 ? '1' : 'b', KEY_BASE32);
		snprintf(name + KEY_BASE32, sizeof(name) - KEY_BASE32, "._wireguard._udp.wg.test");
		len = make_query(msg, wire, wire_name(name, wire), DNS_SRV, NO_EDNS);
		ck_assert_uint_gt(answer_steps(&world, &alice, msg, len, &q), 0);
		ck_assert(q.by_tunnel);
		notify_asked(&q, msg, &alice, listener, local, 2000);
	}
	ck_assert_uint_eq(interest_end(), 0);
	ask("10.9.0.2", 1, 2000);
	ck_assert_uint_eq(interest_end(), 1);
}
END_TEST

START_TEST(letters_of_either_case_are_one_name)
{
	struct asker alice = asker_of("10.9.0.2", IFINDEX);
	struct answer_world world = {.now_s = 0};
	uint8_t key[KEY_LEN];
	struct query q;
	size_t len;

	publish(A, 1000);
	ask("10.9.0.2", 1, 2000);
	answer_add_zone(&world.zones, zones[0]);
	util_key(1, key);
	len = make_peer_query(msg, &made[0], key, false, DNS_SRV, NO_EDNS);
	for (size_t i = 0; i < KEY_BASE32; i++)
		if (msg[DNS_HEADER + 1 + i] >= 'a')
			msg[DNS_HEADER + 1 + i] ^= 0x20;
	answer_steps(&world, &alice, msg, len, &q);
	notify_asked(&q, msg, &alice, listener, local, 2000);
	ck_assert_uint_eq(interest_end(), 1);
	publish(B, 3000);
	exactly(3000, "10.9.0.2", 1); /* in lower case */
}
END_TEST

static void publish_for(const char *networks, const char *endpoints, uint64_t now_ms)
{
	struct made_zone z;

	prepare(&z, "wg.test", endpoints);
	zone_allow(&z, networks);
	serve(0, &z, now_ms);
}

START_TEST(who_may_not_ask_is_not_told)
{
	publish_for("10.9.0.3/32", A, 1000);
	ck_assert_uint_eq(ask("10.9.0.2", 1, 2000), DNS_REFUSED);
	ck_assert_uint_eq(ask("10.9.0.3", 1, 2000), DNS_NOERROR);
	publish_for("10.9.0.3/32", B, 3000);
	exactly(3000, "10.9.0.3", 1);
	/* Nor who may not any more. */
	publish_for("10.9.0.2/32", A, 4000);
	silence(4000);
	publish_for("10.9.0.3/32", B, 5000);
	silence(5000);
}
END_TEST

/* Peers 1 and 2 have 10.9.0.1 and 10.9.0.2. */
START_TEST(whose_address_is_no_peer_s_is_not_told)
{
	publish_for("tunnel,10.0.0.0/8", A " " B, 1000);
	ck_assert_uint_eq(ask("10.9.0.3", 1, 2000), DNS_NOERROR);
	ck_assert_uint_eq(interest_end(), 0);
	ask("10.9.0.2", 1, 2000);
	publish_for("tunnel,10.0.0.0/8", B " " B, 3000);
	exactly(3000, "10.9.0.2", 1);
	publish_for("tunnel,10.0.0.0/8", B, 3400); /* peer 2 is gone, before it is told again */
	silence(3400);
}
END_TEST

START_TEST(without_a_port_nobody_is_remembered_or_told)
{
	publish(A, 1000);
	ck_assert(notify_is_on());
	ask("10.9.0.2", 1, 2000);
	notify_set(0, seed, secret);
	ck_assert(!notify_is_on());
	ask("10.9.0.3", 1, 2000);
	ck_assert_uint_eq(interest_end(), 1);
	publish(B, 3000);
	silence(3000);
	notify_set(5355, seed, secret);
	exactly(3000, "10.9.0.2", 1);
	ck_assert_uint_eq(told.port, 5355);
}
END_TEST

START_TEST(after_ten_minutes_nobody_is_told)
{
	publish(A, 1000);
	ask("10.9.0.2", 1, 2000);
	ask("10.9.0.3", 1, 3000);
	publish(B, 602001);
	exactly(602001, "10.9.0.3", 1);
	ck_assert(answer("10.9.0.3"));
	publish(A, 603000);
	exactly(603000, "10.9.0.3", 1);
	publish(B, 603001);
	silence(603001);
	ck_assert_ptr_null(interest_at(0));
	ck_assert_ptr_null(interest_at(1));
}
END_TEST

START_TEST(what_is_due_when_ten_minutes_are_over_is_not_told)
{
	publish(A, 1000);
	ask("10.9.0.2", 1, 2000);
	publish(B, 601800);
	exactly(601800, "10.9.0.2", 1);
	silence(602300); /* where the first repeat would be */
}
END_TEST

/* ---- when ---- */

START_TEST(it_is_told_five_times_and_no_more)
{
	static const uint64_t at_ms[] = {3000, 3500, 4500, 6500, 10500};
	uint16_t id = 0;

	publish(A, 1000);
	ask("10.9.0.2", 1, 2000);
	publish(B, 3000);
	for (size_t i = 0; i < COUNT(at_ms); i++) {
		ck_assert(notify_is_waiting());
		if (i > 0) {
			ck_assert_int_eq(notify_wait_ms(at_ms[i - 1]), (int)(at_ms[i] - at_ms[i - 1]));
			nothing(at_ms[i] - 1);
		}
		exactly(at_ms[i], "10.9.0.2", 1);
		ck_assert(i == 0 || get16(told.buf) == id); /* any of them may be answered */
		id = get16(told.buf);
	}
	silence(10500);
	publish(B, 60000); /* of the same there is no more to tell */
	silence(60000);
	publish(A, 70000);
	exactly(70000, "10.9.0.2", 1);
}
END_TEST

START_TEST(an_answer_ends_it)
{
	publish(A, 1000);
	ask("10.9.0.2", 1, 2000);
	publish(B, 3000);
	exactly(3000, "10.9.0.2", 1);
	for (int i = 0; i < _i; i++)
		exactly(3000 + (UINT64_C(500) << i) * 2 - 500, "10.9.0.2", 1);
	ck_assert(answer("10.9.0.2"));
	ck_assert(!answer("10.9.0.2")); /* once */
	silence(4000);
}
END_TEST

START_TEST(an_error_is_an_answer_and_so_is_one_in_capitals)
{
	publish(A, 1000);
	ask("10.9.0.2", 1, 2000);
	publish(B, 3000);
	exactly(3000, "10.9.0.2", 1);
	make_answer();
	msg[3] = DNS_NOTIMP;
	for (size_t i = DNS_HEADER + 1; i < DNS_HEADER + 1 + KEY_BASE32; i++)
		if (msg[i] >= 'a')
			msg[i] ^= 0x20;
	msg[DNS_HEADER + 1 + KEY_BASE32 + 2] = 'W';
	ck_assert(answered("10.9.0.2", IFINDEX, PORT, told.len));
	silence(3000);
}
END_TEST

/* An answer with one thing changed is none. Octets count from the question's end where they are negative. */
static const struct {
	int at;
	uint8_t bits;
} broken[] = {{0, 1}, {1, 0x80}, {2, 0x80}, {2, 0x08}, {2, 0x20}, {4, 1}, {5, 1}, {5, 2}, {12, 1}, {12, 4}, {13, 1}, {64, 1},
    {65, 0xff}, {66, 1}, {-1, 2}, {-2, 1}, {-3, 1}, {-4, 1}};

START_TEST(what_is_no_answer_does_not_end_it)
{
	publish(A " " B, 1000);
	ask("10.9.0.2", 1, 2000);
	publish(B " " B, 3000);
	exactly(3000, "10.9.0.2", 1);
	for (size_t i = 0; i < COUNT(broken); i++) {
		size_t len = make_answer();

		msg[broken[i].at < 0 ? (int)len + broken[i].at : broken[i].at] ^= broken[i].bits;
		ck_assert_msg(!answered("10.9.0.2", IFINDEX, PORT, len), "octet %d", broken[i].at);
	}
	for (size_t len = 0; len < told.len; len++) {
		make_answer();
		ck_assert(!answered("10.9.0.2", IFINDEX, PORT, len));
	}
	make_answer();
	ck_assert(!answered("10.9.0.3", IFINDEX, PORT, told.len));
	ck_assert(!answered("10.9.0.2", IFINDEX + 1, PORT, told.len));
	ck_assert(!answered("10.9.0.2", 0, PORT, told.len));
	ck_assert(!answered("10.9.0.2", IFINDEX, PORT + 1, told.len));
	memcpy(msg, told.buf, told.len); /* what was told itself */
	ck_assert(!answered("10.9.0.2", IFINDEX, PORT, told.len));
	exactly(3500, "10.9.0.2", 1);
	ck_assert(answer("10.9.0.2"));
}
END_TEST

START_TEST(who_asks_again_is_not_told_again)
{
	struct asker alice = asker_of("10.9.0.2", IFINDEX);

	publish(A " " B, 1000);
	ask("10.9.0.2", 1, 2000);
	ask("10.9.0.3", 1, 2000);
	publish(B " " B, 3000);
	ask("10.9.0.2", 1, 3000); /* before it was told at all */
	exactly(3000, "10.9.0.3", 1);
	ask("10.9.0.2", 1, 3100); /* another one */
	ask("10.9.0.3", 2, 3100); /* for another name */
	ask_as(&alice, "wg.test", 1, true, DNS_SRV, 3100);
	exactly(3500, "10.9.0.3", 1);
	ask("10.9.0.3", 1, 3600);
	silence(3600);
}
END_TEST

/* A second change is told with the first repeat, under an ID of its own. */
START_TEST(a_change_that_follows_is_told_with_the_repeat)
{
	struct notify_message first;

	publish(A, 1000);
	ask("10.9.0.2", 1, 2000);
	publish(B, 3000);
	exactly(3000, "10.9.0.2", 1);
	first = told;
	publish("192.0.2.3:3", 3100);
	nothing(3100);
	publish("192.0.2.4:4", 3300);
	nothing(3499);
	told = first;
	ck_assert(!answer("10.9.0.2")); /* to what is no longer so */
	exactly(3500, "10.9.0.2", 1);
	ck_assert_int_ne(memcmp(told.buf, first.buf, 2), 0);
	exactly(4000, "10.9.0.2", 1); /* and its repeats begin anew */
	exactly(5000, "10.9.0.2", 1);
	publish("192.0.2.5:5", 5010); /* behind the first repeat it is told at once, with regard to the rate */
	nothing(5049);
	exactly(5050, "10.9.0.2", 1);
	ck_assert(answer("10.9.0.2"));
	silence(5050);
}
END_TEST

/* Coalesced: what has not been told yet is one thing, however often it changes. */
START_TEST(changes_before_it_is_told_are_one)
{
	publish(A, 1000);
	ask("10.9.0.2", 1, 2000);
	publish(B, 3000);
	publish("192.0.2.3:3", 3000);
	publish("-", 3000);
	publish("192.0.2.4:4", 3000);
	exactly(3000, "10.9.0.2", 1);
	ck_assert(answer("10.9.0.2"));
	silence(3000);
}
END_TEST

/* ---- zones come and go ---- */

START_TEST(a_zone_that_is_not_ready_tells_nobody)
{
	publish(A, 1000);
	ask("10.9.0.2", 1, 2000);
	publish_not_ready(3000);
	nothing(3000);
	publish(A, 4000); /* as it was */
	silence(4000);
	publish_not_ready(5000);
	publish(B, 6000); /* or not */
	exactly(6000, "10.9.0.2", 1);
	publish_not_ready(6100);
	silence(6100);
	publish(B, 7000); /* what was not told to the end is told then */
	exactly(7000, "10.9.0.2", 1);
}
END_TEST

/* The device has another number then. */
START_TEST(a_device_that_came_back_is_told_through)
{
	struct made_zone z;

	publish(A, 1000);
	ask("10.9.0.2", 1, 2000);
	publish_not_ready(3000);
	prepare(&z, "wg.test", B);
	z.world.ifindex = 99;
	serve(0, &z, 4000);
	exactly(4000, "10.9.0.2", 1);
	ck_assert_uint_eq(told.ifindex, 99);
	ck_assert(!answer("10.9.0.2"));
	ck_assert(answered("10.9.0.2", 99, PORT, told.len));
}
END_TEST

START_TEST(a_zone_that_lost_its_device_tells_nobody)
{
	struct made_zone z;

	publish(A, 1000);
	ask("10.9.0.2", 1, 2000);
	publish(B, 2500);
	exactly(2500, "10.9.0.2", 1);
	prepare(&z, "wg.test", "192.0.2.3:3");
	z.world.ifindex = 0;
	serve(0, &z, 3000);
	silence(3000);
	make_answer();
	ck_assert(!answered("10.9.0.2", 0, PORT, told.len));
}
END_TEST

START_TEST(of_a_zone_that_is_taken_away_nothing_is_left)
{
	struct made_zone z;

	publish(A, 1000);
	ask("10.9.0.2", 1, 2000);
	publish(B, 2500);
	ask("10.9.0.3", 1, 2600);
	take_away(0);
	prepare(&z, "else.test", "192.0.2.3:3"); /* in the same place */
	zone_make(&z);
	zones[0] = z.snapshot;
	notify_changed(0);
	made[0] = z;
	nothing(3000);
	compare(3000);
	silence(3000);
	ck_assert_ptr_null(interest_at(0));
	ck_assert_ptr_null(interest_at(1));
}
END_TEST

START_TEST(zones_are_apart)
{
	struct asker alice = asker_of("10.9.0.2", IFINDEX);
	struct made_zone z;

	publish(A, 1000);
	prepare(&z, "b.test", A);
	serve(31, &z, 1000);
	ask("10.9.0.2", 1, 2000);
	ask_as(&alice, "b.test", 1, false, DNS_SRV, 2000);
	prepare(&z, "b.test", B);
	serve(31, &z, 3000);
	exactly(3000, "10.9.0.2", 1);
	ck_assert_mem_eq(told.buf + told.len - 4 - 8, "\1b\4test", 8);
	ck_assert(answer("10.9.0.2"));
	publish(B, 4000);
	exactly(4000, "10.9.0.2", 1);
	ck_assert_mem_eq(told.buf + told.len - 4 - 9, "\2wg\4test", 9);
}
END_TEST

/* ---- bounds ---- */

static void publish_many(size_t peers, uint16_t port, uint64_t now_ms)
{
	struct made_zone z;
	char text[ENDPOINT_TEXT];

	zone_prepare(&z, "wg.test", NULL);
	z.world.ifindex = IFINDEX;
	for (uint64_t n = 1; n <= peers; n++) {
		snprintf(text, sizeof(text), "198.51.100.1:%u", port);
		util_add_peer(&z.dev, n, text, NULL);
	}
	serve(0, &z, now_ms);
}

/* How many are told from a time on, when it is looked at each 4 ms. */
static unsigned told_in(uint64_t from_ms, uint64_t ms)
{
	unsigned count = 0;

	for (uint64_t now = from_ms; now < from_ms + ms; now += 4)
		while (notify_next(now, &told))
			count++;
	return count;
}

START_TEST(one_address_is_told_so_many_a_second)
{
	publish_many(400, 1, 1000);
	for (uint64_t n = 1; n <= 400; n++)
		ask("10.9.0.2", n, 2000);
	publish_many(400, 2, 3000);
	for (uint64_t s = 0; s < 5; s++) {
		unsigned n = told_in(3000 + 1000 * s, 1000);

		ck_assert_msg(n <= NOTIFY_EACH_S && n >= NOTIFY_EACH_S - 2, "%u in second %u", n, (unsigned)s);
	}
	/* Who has little to be told does not wait for who has much. */
	ask("10.9.0.3", 1, 8000);
	publish_many(400, 3, 8500);
	ck_assert(notify_next(8502, &told));
	ck_assert(told.to[4] == 3 || (notify_next(8502, &told) && told.to[4] == 3));
}
END_TEST

START_TEST(all_together_are_told_so_many_a_second)
{
	char address[32];
	unsigned n;

	publish_many(1, 1, 1000);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(address, sizeof(address), "10.9.%u.%u", i / 250, i % 250);
		ask(address, 1, 2000);
	}
	publish_many(1, 2, 3000);
	for (n = 0; notify_next(3000, &told); n++)
		;
	ck_assert_uint_eq(n, NOTIFY_BURST);
	ck_assert_int_eq(notify_wait_ms(3000), 1);
	n += told_in(3000, 1000);
	ck_assert_msg(n <= NOTIFY_ALL_S + NOTIFY_BURST && n >= NOTIFY_ALL_S - 8, "%u", n);
	/* A change costs each of them five. */
	n += told_in(4000, 60000);
	ck_assert_uint_eq(n, 5 * 3000);
	silence(64000);
}
END_TEST

/* When there is nothing now, the time until there is something is neither 0 nor too long. */
START_TEST(how_long_to_wait_is_right)
{
	uint64_t state = 5, now = 3000;
	char address[32];
	unsigned n = 0;

	publish_many(20, 1, 1000);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(address, sizeof(address), "10.9.0.%u", i % 40);
		ask(address, 1 + util_random(&state) % 20, 2000);
	}
	publish_many(20, 2, 3000);
	for (;;) {
		int wait_ms;

		while (notify_next(now, &told))
			n++;
		wait_ms = notify_wait_ms(now);
		ck_assert_int_ne(wait_ms, 0);
		ck_assert_int_eq(notify_is_waiting(), wait_ms > 0);
		if (wait_ms < 0)
			break;
		for (int i = 1; i < wait_ms; i++)
			ck_hot(!notify_next(now + (uint64_t)i, &told));
		now += (uint64_t)wait_ms;
	}
	ck_assert_uint_eq(n % 5, 0);
	ck_assert_uint_gt(n, 500);
}
END_TEST

/* However many there are, a step is a few of them; and a zone that changes meanwhile is compared anew. */
START_TEST(it_is_compared_in_steps)
{
	char address[32];
	unsigned steps = 0;

	publish_many(1, 1, 1000);
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(address, sizeof(address), "10.9.%u.%u", i / 250, i % 250);
		ask(address, 1, 2000);
	}
	notify_changed(0);
	for (; notify_has_steps(); steps++)
		notify_step(2500);
	ck_assert_uint_ge(steps, 2000 / 100);
	notify_changed(0);
	notify_step(2500);
	notify_changed(0);
	for (steps = 0; notify_has_steps(); steps++)
		notify_step(2500);
	ck_assert_uint_ge(steps, 2 * 2000 / 100);
	silence(2500);
}
END_TEST

/* IDs do not follow from each other, and another worker or another secret has others. */
START_TEST(ids_are_hard_to_guess)
{
	static uint16_t seen[3][256];
	unsigned same = 0, steps[2] = {0};

	for (size_t run = 0; run < 3; run++) {
		uint8_t key[NOTIFY_KEY] = "another secret!";

		notify_init(zones, run == 1);
		notify_set(PORT, seed, run == 2 ? key : secret);
		publish(A, 1000);
		for (uint64_t i = 0; i < 256; i++) {
			ask("10.9.0.2", 1, 2000 + 1000 * i);
			publish(i % 2 == 0 ? B : A, 2100 + 1000 * i);
			exactly(2100 + 1000 * i, "10.9.0.2", 1);
			seen[run][i] = get16(told.buf);
		}
	}
	for (size_t i = 1; i < 256; i++) {
		for (size_t run = 0; run < 3; run++)
			same += seen[0][i] == seen[run][i - (run == 0)];
		steps[0] += (uint16_t)(seen[0][i] - seen[0][i - 1]) < 256;
		steps[1] += (seen[0][i] ^ seen[0][i - 1]) < 256;
	}
	ck_assert_uint_lt(same, 4);
	ck_assert_uint_lt(steps[0], 12);
	ck_assert_uint_lt(steps[1], 12);
}
END_TEST

Suite *suite_notify(void)
{
	Suite *s = suite_create("notify");
	TCase *t = tcase_create("notify");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, what_was_asked_for_and_has_changed_is_told);
	tcase_add_loop_test(t, a_record_that_changes_is_a_change, 0, (int)COUNT(changes));
	tcase_add_test(t, nothing_but_the_endpoint_counts);
	tcase_add_test(t, a_peer_with_a_name_for_people_is_a_peer);
	tcase_add_test(t, each_of_several_addresses_counts);
	tcase_add_test(t, a_name_is_told_as_it_was_asked_for);
	tcase_add_test(t, all_who_asked_are_told_and_nobody_else);
	tcase_add_test(t, who_did_not_come_by_the_tunnel_is_not_told);
	tcase_add_test(t, a_zone_without_a_device_tells_nobody);
	tcase_add_test(t, only_srv_queries_for_keys_are_remembered);
	tcase_add_test(t, letters_of_either_case_are_one_name);
	tcase_add_test(t, who_may_not_ask_is_not_told);
	tcase_add_test(t, whose_address_is_no_peer_s_is_not_told);
	tcase_add_test(t, without_a_port_nobody_is_remembered_or_told);
	tcase_add_test(t, after_ten_minutes_nobody_is_told);
	tcase_add_test(t, what_is_due_when_ten_minutes_are_over_is_not_told);
	tcase_add_test(t, it_is_told_five_times_and_no_more);
	tcase_add_loop_test(t, an_answer_ends_it, 0, 2);
	tcase_add_test(t, an_error_is_an_answer_and_so_is_one_in_capitals);
	tcase_add_test(t, what_is_no_answer_does_not_end_it);
	tcase_add_test(t, who_asks_again_is_not_told_again);
	tcase_add_test(t, a_change_that_follows_is_told_with_the_repeat);
	tcase_add_test(t, changes_before_it_is_told_are_one);
	tcase_add_test(t, a_zone_that_is_not_ready_tells_nobody);
	tcase_add_test(t, a_device_that_came_back_is_told_through);
	tcase_add_test(t, a_zone_that_lost_its_device_tells_nobody);
	tcase_add_test(t, of_a_zone_that_is_taken_away_nothing_is_left);
	tcase_add_test(t, zones_are_apart);
	tcase_add_test(t, one_address_is_told_so_many_a_second);
	tcase_add_test(t, all_together_are_told_so_many_a_second);
	tcase_add_test(t, how_long_to_wait_is_right);
	tcase_add_test(t, it_is_compared_in_steps);
	tcase_add_test(t, ids_are_hard_to_guess);
	return s;
}
