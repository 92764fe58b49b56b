#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suites.h"
#include "util.h"
#include "zone.h"

static struct zone_conf conf;
static struct wg_device dev;
static struct zone zone;
static struct zone_list list;

static void setup(void)
{
	util_zone_conf(&conf, "wg.example.com");
}

static void teardown(void)
{
	zone_free(&zone);
	wgdev_free(&dev);
}

static void build(void)
{
	ck_assert_int_eq(zone_build(&zone, &conf, &dev, &(struct zone_world){0}), 0);
}

static const struct zone_peer *find(uint64_t n)
{
	uint8_t key[KEY_LEN];

	util_key(n, key);
	for (size_t i = 0; i < zone.peers_len; i++)
		if (memcmp(zone.peers[i].key, key, KEY_LEN) == 0)
			return &zone.peers[i];
	return NULL;
}

START_TEST(peers_that_others_could_reach_are_in_the_zone)
{
	static const struct {
		const char *endpoint;
		bool in;
	} cases[] = {
	    {"192.0.2.1:51820", true}, {"10.0.0.1:1", true}, {"[2001:db8::1]:51820", true}, {"[fd00::1]:51820", true},
	    {"169.254.0.1:51820", false}, {NULL, false}, {"192.0.2.1:0", false}, {"0.0.0.0:51820", false}, {"[::]:51820", false},
	    {"127.0.0.1:51820", false}, {"[::1]:51820", false}, {"224.0.0.1:51820", false}, {"255.255.255.255:1", false},
	    {"[ff02::1]:51820", false}, {"[fe80::1%3]:51820", false}, {"[fe80::1]:51820", false}, {"[febf::1]:51820", false},
	    {"[fec0::1]:51820", true},
	};
	size_t in = 0;

	conf.private_endpoints = true;
	for (size_t i = 0; i < COUNT(cases); i++)
		util_add_peer(&dev, i + 1, cases[i].endpoint, "10.0.0.1/32");
	build();
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct zone_peer *p = find(i + 1);

		ck_assert_msg((p != NULL) == cases[i].in, "%s", cases[i].endpoint);
		ck_assert(p == NULL || endpoint_equal(&p->endpoint, &dev.peers[i].endpoint));
		in += p != NULL;
	}
	ck_assert_uint_eq(zone.peers_len, in);
}
END_TEST

/* ---- what the registry's owner says ---- */

static struct peer_conf said[3];

/* What the file says of peers 1 ... n; sorted by key, as config_read() leaves them. */
static void say(size_t n)
{
	memset(said, 0, sizeof(said));
	for (size_t i = 0; i < n; i++) {
		util_key(i + 1, said[i].key);
		said[i].publish = true;
	}
	for (size_t i = 1; i < n; i++) {
		for (size_t j = i; j > 0 && memcmp(said[j].key, said[j - 1].key, KEY_LEN) < 0; j--) {
			struct peer_conf t = said[j];

			said[j] = said[j - 1];
			said[j - 1] = t;
		}
	}
	conf.peers = said;
	conf.peers_len = n;
}

static struct peer_conf *said_of(uint64_t n)
{
	uint8_t key[KEY_LEN];

	util_key(n, key);
	return (struct peer_conf *)config_find_peer(&conf, key);
}

static void add_three(void)
{
	util_add_peer(&dev, 1, "198.51.100.1:1", "10.0.0.1/32");
	util_add_peer(&dev, 2, "198.51.100.2:2", "10.0.1.2/32,fd00::2/128");
	util_add_peer(&dev, 3, "198.51.100.3:3", "0.0.0.0/0");
}

START_TEST(a_peer_may_be_kept_out_by_its_key)
{
	add_three();
	say(1);
	said_of(1)->publish = false;
	build();
	ck_assert(find(1) == NULL && find(2) != NULL && find(3) != NULL);
}
END_TEST

START_TEST(with_publish_listed_only_those_listed_are_in)
{
	add_three();
	say(2);
	said_of(2)->publish = false;
	conf.listed_only = true;
	build();
	ck_assert(find(1) != NULL && find(2) == NULL && find(3) == NULL);
}
END_TEST

START_TEST(a_fixed_endpoint_replaces_the_observed_one)
{
	struct endpoint fixed = util_endpoint("10.7.7.7:777"); /* private, but the owner's word */

	add_three();
	dev.peers[1].endpoint = (struct endpoint){0};
	say(2);
	said_of(2)->endpoint = fixed;
	build();
	ck_assert(endpoint_equal(&find(2)->endpoint, &fixed));
	wgdev_reset(&dev);
	build();
	ck_assert_msg(find(2) == NULL, "a key that is not on the device is not in the zone");
}
END_TEST

START_TEST(exclude_goes_by_allowed_ip)
{
	add_three();
	conf.exclude.at[0] = util_allowedip("10.0.1.0/24");
	conf.exclude.len = 1;
	build();
	ck_assert_msg(find(1) != NULL && find(2) == NULL, "within");
	ck_assert_msg(find(3) != NULL, "a wider network is not within");
	conf.exclude.at[0] = util_allowedip("fd00::/8");
	build();
	ck_assert(find(2) == NULL);
}
END_TEST

START_TEST(observed_private_endpoints_are_in_only_if_told_so)
{
	static const char *const private[] = {"10.0.0.1:1", "172.16.0.1:1", "172.31.255.1:1", "192.168.1.1:1", "100.64.0.1:1",
	    "[fd00::1]:1", "[fc00::1]:1"};
	static const char *const public[] = {"172.32.0.1:1", "100.128.0.1:1", "192.169.0.1:1", "11.0.0.1:1", "[2001:db8::1]:1"};

	for (size_t i = 0; i < COUNT(private); i++)
		util_add_peer(&dev, i, private[i], NULL);
	for (size_t i = 0; i < COUNT(public); i++)
		util_add_peer(&dev, 100 + i, public[i], NULL);
	build();
	ck_assert_uint_eq(zone.peers_len, COUNT(public));
	conf.private_endpoints = true;
	build();
	ck_assert_uint_eq(zone.peers_len, COUNT(public) + COUNT(private));
}
END_TEST

START_TEST(max_age_goes_by_the_last_handshake)
{
	add_three();
	dev.peers[0].last_handshake_s = 1000;
	dev.peers[1].last_handshake_s = 899;
	dev.peers[2].last_handshake_s = 0;
	conf.max_age_s = 100;
	ck_assert_int_eq(zone_build(&zone, &conf, &dev, &(struct zone_world){.now_s = 1000}), 0);
	ck_assert(find(1) != NULL && find(2) == NULL && find(3) == NULL);
	ck_assert_int_eq(zone_build(&zone, &conf, &dev, &(struct zone_world){.now_s = 1100}), 0);
	ck_assert(find(1) != NULL);
	ck_assert_int_eq(zone_build(&zone, &conf, &dev, &(struct zone_world){.now_s = 1101}), 0);
	ck_assert(find(1) == NULL);
}
END_TEST

START_TEST(a_name_for_people_is_content)
{
	struct name owners[ZONE_OWNERS];
	uint8_t before[ZONE_HASH];
	char text[NAME_TEXT];

	add_three();
	say(1);
	build();
	memcpy(before, zone.hash, ZONE_HASH);
	ck_assert(!zone_peer_is_special(find(1)));
	strcpy(said_of(1)->label, "alice");
	build();
	ck_assert(memcmp(before, zone.hash, ZONE_HASH) != 0);
	ck_assert(zone_peer_is_special(find(1)));
	ck_assert_uint_eq(zone_peer_owners(&zone, find(1), owners), 3);
	ck_assert(strncmp(name_to_text(&owners[0], text), "alice._wireguard._udp.", 22) == 0);
}
END_TEST

START_TEST(self_auto_has_all_addresses_with_the_port)
{
	struct endpoint own[2] = {util_endpoint("192.0.2.9:1"), util_endpoint("[2001:db8::9]:1")};
	struct zone_world world = {.self = own, .self_len = 2};
	const struct zone_peer *p;

	util_device(&dev, 1);
	conf.self.is_auto = true;
	ck_assert_int_eq(zone_build(&zone, &conf, &dev, &world), 0);
	p = zone.peers;
	while (memcmp(p->key, dev.public_key, KEY_LEN) != 0)
		p++;
	ck_assert(p->endpoint.port == dev.listen_port && p->endpoint.family == AF_INET && p->more_len == 1);
	ck_assert(zone.more[p->more_off].family == AF_INET6 && zone.more[p->more_off].port == dev.listen_port);
	world.self_len = 0;
	ck_assert_int_eq(zone_build(&zone, &conf, &dev, &world), 0);
	ck_assert_uint_eq(zone.peers_len, 1);
}
END_TEST

START_TEST(peers_are_sorted_by_key_and_have_their_own_allowed_ips)
{
	char expected[256], cidr[ALLOWEDIP_TEXT];

	util_device(&dev, 500);
	build();
	ck_assert_uint_eq(zone.peers_len, 500);
	for (size_t i = 1; i < zone.peers_len; i++)
		ck_assert_int_lt(memcmp(zone.peers[i - 1].key, zone.peers[i].key, KEY_LEN), 0);
	for (size_t i = 0; i < 500; i++) {
		const struct wg_peer *p = &dev.peers[i];
		const struct zone_peer *z = find(i + 1);

		ck_assert_ptr_nonnull(z);
		strcpy(expected, "allowed=");
		for (size_t j = 0; j < p->allowed_len; j++) {
			strcat(expected, j > 0 ? "," : "");
			strcat(expected, allowedip_to_text(&dev.allowed[p->allowed_off + j], cidr));
		}
		ck_assert_uint_eq(z->txt_len, strlen(expected) + 1);
		ck_assert_uint_le(z->txt_off + z->txt_len, zone.txt_len);
		ck_assert_uint_eq(zone.txt[z->txt_off], strlen(expected));
		ck_assert_mem_eq(zone.txt + z->txt_off + 1, expected, strlen(expected));
	}
}
END_TEST

START_TEST(a_key_that_is_told_twice_is_in_the_zone_once)
{
	util_add_peer(&dev, 1, "192.0.2.1:1", NULL);
	util_add_peer(&dev, 2, "192.0.2.2:2", NULL);
	util_add_peer(&dev, 1, "192.0.2.3:3", NULL);
	util_add_peer(&dev, 1, NULL, NULL);
	util_add_peer(&dev, 3, NULL, NULL);
	util_add_peer(&dev, 3, "192.0.2.4:4", NULL);
	build();
	ck_assert_uint_eq(zone.peers_len, 3);
	ck_assert_ptr_nonnull(find(1));
	ck_assert_ptr_nonnull(find(2));
	ck_assert_ptr_nonnull(find(3));
}
END_TEST

START_TEST(the_device_itself_is_in_the_zone_if_the_configuration_says_where)
{
	static const char txt[] = "\x1a" "allowed=10.0.0.254/32,::/0";
	const struct zone_peer *p;

	util_device(&dev, 2);
	build();
	ck_assert_ptr_null(find(0));
	conf.self.endpoint = util_endpoint("192.0.2.1:51820");
	conf.self_allowed.at[0] = util_allowedip("10.0.0.254/32");
	conf.self_allowed.at[1] = util_allowedip("::/0");
	conf.self_allowed.len = 2;
	build();
	p = find(0);
	ck_assert_ptr_nonnull(p);
	ck_assert(endpoint_equal(&p->endpoint, &conf.self.endpoint));
	ck_assert_uint_eq(p->txt_len, sizeof(txt) - 1);
	ck_assert_mem_eq(zone.txt + p->txt_off, txt, sizeof(txt) - 1);
	ck_assert_uint_eq(zone.peers_len, 3);
	dev.has_public_key = false; /* a device without a key is nobody */
	build();
	ck_assert_ptr_null(find(0));
	ck_assert_uint_eq(zone.peers_len, 2);
}
END_TEST

START_TEST(a_device_without_peers_is_a_zone_without_peers)
{
	build();
	ck_assert_uint_eq(zone.peers_len, 0);
	ck_assert(!zone_list_at(&zone, 0, &list));
}
END_TEST

START_TEST(arrays_are_reused_and_leave_nothing)
{
	const struct zone_peer *peers;
	const uint8_t *txt;

	util_device(&dev, 300);
	build();
	peers = zone.peers;
	txt = zone.txt;
	util_device(&dev, 3);
	build();
	ck_assert_uint_eq(zone.peers_len, 3);
	ck_assert_ptr_eq(zone.peers, peers);
	ck_assert_ptr_eq(zone.txt, txt);
	ck_assert_ptr_nonnull(find(1));
	ck_assert_ptr_null(find(4));
}
END_TEST

/* A peer with more allowed IPs than a TXT holds. */
START_TEST(a_long_list_of_allowed_ips_fits)
{
	struct wg_allowedip ip = util_allowedip("2001:db8:1111:2222:3333:4444:5555:6666/128");

	for (uint64_t n = 1; n <= 5; n++) {
		util_add_peer(&dev, n, "192.0.2.1:1", NULL);
		for (int i = 0; i < 2000; i++)
			ck_assert_int_eq(wgdev_add_allowedip(&dev, &ip), 0);
	}
	build();
	for (uint64_t n = 1; n <= 5; n++) {
		const struct zone_peer *p = find(n);

		ck_assert_uint_gt(p->txt_len, RECORDS_TXT_MAX - 300);
		ck_assert_uint_le(p->txt_len, RECORDS_TXT_MAX - RECORDS_TXT_HEAD);
		ck_assert_mem_eq(zone.txt + p->txt_off + p->txt_len - 7, "\6more=1", 7);
	}
}
END_TEST

START_TEST(the_list_is_in_the_zone_up_to_its_limit)
{
	static const struct {
		size_t peers;
		uint32_t max;
		bool list; /* one that has all */
	} cases[] = {{0, 900, false}, {1, 900, true}, {1, 0, false}, {5, 5, true}, {6, 5, false}, {900, 900, true},
	    {901, 900, false}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		util_device(&dev, cases[i].peers);
		conf.list_max = cases[i].max;
		build();
		ck_assert_msg((zone_list_at(&zone, 0, &list) && list.len == cases[i].peers) == cases[i].list,
		    "%zu peers, at most %u", cases[i].peers, cases[i].max);
	}
}
END_TEST

/* Peer n's key begins with these characters of base32: 5 bits each. */
static void begin_key(uint8_t key[KEY_LEN], const char *text)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

	for (size_t bit = 0; bit < 5 * strlen(text); bit++) {
		unsigned value = (unsigned)(strchr(digits, text[bit / 5]) - digits);

		key[bit / 8] &= (uint8_t)~(0x80 >> bit % 8);
		key[bit / 8] |= (uint8_t)((value >> (4 - bit % 5) & 1) << (7 - bit % 8));
	}
}

/* So many peers whose keys begin so. */
static void add_alike(const char *prefix, size_t count)
{
	for (size_t i = 0; i < count; i++)
		begin_key(util_add_peer(&dev, dev.peers_len + 1, "198.51.100.1:1", NULL)->public_key, prefix);
}

static const struct {
	struct {
		const char *prefix;
		size_t count;
	} groups[4];
	uint32_t max;
	int shard;
} splits[] = {
    {{{"a", 5}}, 5, 0}, {{{"a", 3}, {"b", 2}}, 5, 0}, {{{"a", 3}, {"b", 3}}, 5, 1}, {{{"a", 5}, {"b", 1}}, 5, 1},
    {{{"a", 5}, {"7", 5}, {"z", 5}}, 5, 1}, {{{"aa", 5}, {"ab", 1}}, 5, 2}, {{{"aa", 5}, {"ab", 5}, {"b", 5}}, 5, 2},
    {{{"aaa", 5}, {"aab", 1}}, 5, 3}, {{{"aaaa", 5}, {"aaab", 1}}, 5, 4}, {{{"zzzy", 1}, {"zzzz", 1}}, 1, 4},
    /* A key can be chosen, and then no depth is deep enough. */
    {{{"aaaaa", 6}}, 5, -1}, {{{"aaaaaaaa", 6}, {"b", 1}}, 5, -1}, {{{"wgmeet", 901}}, 900, -1}, {{{"wgme", 900}, {"wgmf", 900}}, 900, 4},
    {{{"a", 900}}, 900, 0}, {{{"a", 1}}, 0, -1}, {{{NULL, 0}}, 0, 0}, {{{"a", 1}}, 1, 0},
};

START_TEST(lists_are_split_until_none_is_too_long)
{
	size_t peers = 0, listed = 0, lists = 0;

	for (size_t i = 0; i < COUNT(splits[_i].groups) && splits[_i].groups[i].prefix != NULL; i++) {
		add_alike(splits[_i].groups[i].prefix, splits[_i].groups[i].count);
		peers += splits[_i].groups[i].count;
	}
	conf.list_max = splits[_i].max;
	build();
	ck_assert_uint_eq(zone.peers_len, peers);
	ck_assert_int_eq(zone.shard, splits[_i].shard);
	for (; zone_list_at(&zone, listed, &list); listed += list.len, lists++) {
		struct name owner;

		ck_assert(list.len > 0 && list.len <= conf.list_max);
		ck_assert_uint_eq(list.first, listed);
		for (size_t i = 0; i < list.len; i++) {
			ck_assert(records_list_name(&conf.name, zone.peers[listed + i].key, (unsigned)zone.shard, &owner));
			ck_assert(name_equal(&owner, &list.owner));
		}
	}
	ck_assert_uint_eq(listed, zone.shard >= 0 ? peers : 0);
	ck_assert(zone.shard != 0 || lists == (peers > 0));
}
END_TEST

/* Peers with names for people are in the lists of their keys, and count. */
START_TEST(named_peers_are_in_the_lists_of_their_keys)
{
	add_alike("aa", 2);
	add_alike("ab", 2);
	memset(said, 0, sizeof(said));
	memcpy(said[0].key, dev.peers[1].public_key, KEY_LEN);
	said[0].publish = true;
	strcpy(said[0].label, "zoe");
	conf.peers = said;
	conf.peers_len = 1;
	conf.list_max = 2;
	build();
	ck_assert_int_eq(zone.shard, 2);
	ck_assert(zone_list_at(&zone, 0, &list) && list.len == 2);
	ck_assert_str_eq((zone.peers[0].label != NULL ? zone.peers[0].label : zone.peers[1].label), "zoe");
	ck_assert(zone_list_at(&zone, 2, &list) && list.len == 2);
	ck_assert(!zone_list_at(&zone, 4, &list));
}
END_TEST

/* ---- who may ---- */

static void allow(struct access_conf *a, const char *network)
{
	a->given = true;
	a->networks.at[a->networks.len++] = util_allowedip(network);
}

START_TEST(rules_are_no_content)
{
	uint8_t before[ZONE_HASH], rules[ZONE_HASH];

	util_device(&dev, 3);
	build();
	ck_assert(zone.allow.everyone && zone.browse.everyone && zone.tunnel.len == 0);
	memcpy(before, zone.hash, ZONE_HASH);
	for (int turn = 0; turn < 5; turn++) {
		memcpy(rules, zone.rules, ZONE_HASH);
		if (turn == 0)
			allow(&conf.allow, "10.0.0.0/8");
		else if (turn == 1)
			allow(&conf.allow, "10.1.0.0/16"), allow(&conf.allow, "11.0.0.0/8");
		else if (turn == 2)
			allow(&conf.browse, "10.0.0.0/8");
		else if (turn == 3)
			conf.browse.tunnel = true;
		else
			util_add_peer(&dev, 99, NULL, "10.77.0.0/16"); /* not published, but it may ask */
		build();
		ck_assert_mem_eq(zone.hash, before, ZONE_HASH);
		ck_assert_mem_ne(zone.rules, rules, ZONE_HASH);
		ck_assert(!zone.allow.everyone && zone.browse.everyone == (turn < 2));
		ck_assert_uint_eq(zone.allow.len, 1); /* merged */
		ck_assert_int_eq(zone.tunnel.len > 0, turn >= 3);
	}
	memcpy(rules, zone.rules, ZONE_HASH);
	ck_assert_int_eq(zone_build(&zone, &conf, &dev, &(struct zone_world){.ifindex = 9}), 0);
	ck_assert_mem_eq(zone.hash, before, ZONE_HASH);
	ck_assert_mem_ne(zone.rules, rules, ZONE_HASH);
}
END_TEST

START_TEST(the_tunnel_s_addresses_are_those_of_all_peers)
{
	static const struct {
		const char *address;
		bool in;
	} cases[] = {{"10.0.0.1", true}, {"10.0.1.1", false}, {"10.0.2.200", true}, {"fd00::7", true}, {"fd01::", false}, {"10.0.3.1", true}};

	util_add_peer(&dev, 1, "198.51.100.1:1", "10.0.0.1/32");
	util_add_peer(&dev, 2, NULL, "10.0.2.0/24,fd00::/64"); /* no endpoint yet */
	util_add_peer(&dev, 3, "198.51.100.3:1", "10.0.3.0/24");
	say(1);
	said_of(1)->publish = false;
	conf.allow.given = conf.allow.tunnel = true;
	build();
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct endpoint ep = util_endpoint(cases[i].address);
		uint8_t key[RANGES_ADDR];

		ranges_key(ep.family, ep.addr, key);
		ck_assert_msg(ranges_have(zone.tunnel.at, zone.tunnel.len, key) == cases[i].in, "%s", cases[i].address);
	}
	ck_assert(ranges_are_sound(zone.tunnel.at, zone.tunnel.len));
}
END_TEST

/* ---- the hash ---- */

static char *printed(const struct zone *z)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(zone_print(z, out), 0);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

static void nothing(void)
{
}

static void other_order(void)
{
	struct wg_peer first = dev.peers[0];

	memmove(dev.peers, dev.peers + 1, (dev.peers_len - 1) * sizeof(*dev.peers));
	dev.peers[dev.peers_len - 1] = first;
}

static void other_times_and_counters(void)
{
	for (size_t i = 0; i < dev.peers_len; i++) {
		dev.peers[i].last_handshake_s = 1700000000;
		dev.peers[i].rx_bytes = dev.peers[i].tx_bytes = 4711;
		dev.peers[i].keepalive_s = 25;
	}
}

static void other_device(void)
{
	dev.listen_port++;
	dev.ifindex++;
	strcpy(dev.name, "wg9");
}

static void other_device_key(void)
{
	dev.public_key[0] ^= 1;
}

static void a_peer_without_endpoint(void)
{
	util_add_peer(&dev, 77, NULL, "10.9.9.9/32");
}

static void a_peer_out_of_reach(void)
{
	util_add_peer(&dev, 77, "127.0.0.1:1", "10.9.9.9/32");
}

static void a_peer_more(void)
{
	util_add_peer(&dev, 77, "192.0.2.77:1", NULL);
}

static void a_peer_less(void)
{
	dev.peers_len--;
}

static void other_port(void)
{
	dev.peers[2].endpoint.port++;
}

static void other_address(void)
{
	dev.peers[2].endpoint.addr[3]++;
}

static void other_family(void)
{
	dev.peers[0].endpoint = util_endpoint("[2001:db8::1]:1025");
}

static void other_key(void)
{
	dev.peers[2].public_key[31] ^= 1;
}

static void endpoint_lost(void)
{
	dev.peers[2].endpoint = (struct endpoint){0};
}

static void other_allowed_ip(void)
{
	dev.allowed[1].addr[15] ^= 1;
	dev.allowed[0].addr[3] ^= 1;
}

static void allowed_ips_in_another_order(void)
{
	struct wg_allowedip first = dev.allowed[0];

	dev.allowed[0] = dev.allowed[1];
	dev.allowed[1] = first;
}

static void one_allowed_ip_less(void)
{
	dev.peers[0].allowed_len--;
}

static void other_ttl(void)
{
	conf.ttl_s++;
}

static void other_zone(void)
{
	conf.name = util_name("wh.example.com");
	conf.name_servers.at[0].name = util_name("ns1.wh.example.com");
}

static void no_padded_names(void)
{
	conf.padded_names = false;
}

static void no_list(void)
{
	conf.list_max = (uint32_t)dev.peers_len - 1;
}

static void shorter_limit_for_the_list(void)
{
	conf.list_max = (uint32_t)dev.peers_len;
}

static void other_source(void)
{
	conf.device[0] = '\0';
	strcpy(conf.dump_file, "/x");
	strcpy(conf.family, "amneziawg");
}

static void self(void)
{
	conf.self.endpoint = util_endpoint("192.0.2.1:51820");
}

static void allowed_ips_of_no_self(void)
{
	conf.self_allowed.at[0] = util_allowedip("10.0.0.254/32");
	conf.self_allowed.len = 1;
}

static void other_server(void)
{
	conf.name_servers.at[0].name = util_name("ns2.wg.example.com");
}

static void other_server_address(void)
{
	conf.name_servers.at[0].addrs[0] = util_endpoint("192.0.2.2");
}

static void a_server_address_more(void)
{
	conf.name_servers.at[0].addrs[conf.name_servers.at[0].addrs_len++] = util_endpoint("2001:db8::2");
}

static void a_server_more(void)
{
	conf.name_servers.at[2].name = util_name("ns.example.org");
	conf.name_servers.len = 3;
}

/* Without a NameServer the addresses are those of Listen, with its port: that is nowhere in the zone. */
static void other_server_port(void)
{
	conf.name_servers.at[0].addrs[0].port = 5353;
}

/* ... nor is the address of a server outside. */
static void address_of_a_server_outside(void)
{
	conf.name_servers.at[1].addrs[0] = util_endpoint("192.0.2.9");
}

static void split_lists(void)
{
	conf.list_max = 1;
}

static const struct {
	const char *what;
	void (*fn)(void);
	bool content; /* does the content change? */
} changes[] = {
#define CHANGE(fn, content) {#fn, fn, content}
    CHANGE(nothing, false), CHANGE(other_order, false), CHANGE(other_times_and_counters, false),
    CHANGE(other_device, false), CHANGE(other_device_key, false), CHANGE(a_peer_without_endpoint, false),
    CHANGE(a_peer_out_of_reach, false), CHANGE(a_peer_more, true), CHANGE(a_peer_less, true), CHANGE(other_port, true),
    CHANGE(other_address, true), CHANGE(other_family, true), CHANGE(other_key, true), CHANGE(endpoint_lost, true),
    CHANGE(other_allowed_ip, true), CHANGE(allowed_ips_in_another_order, true), CHANGE(one_allowed_ip_less, true),
    CHANGE(other_ttl, true), CHANGE(other_zone, true), CHANGE(no_padded_names, true), CHANGE(no_list, true),
    CHANGE(shorter_limit_for_the_list, false), CHANGE(other_source, false), CHANGE(self, true),
    CHANGE(allowed_ips_of_no_self, false), CHANGE(other_server, true), CHANGE(other_server_address, true),
    CHANGE(a_server_address_more, true), CHANGE(a_server_more, true), CHANGE(other_server_port, false),
    CHANGE(address_of_a_server_outside, false), CHANGE(split_lists, true),
};

/* The judge of what is content is the master file. */
START_TEST(the_hash_changes_when_and_only_when_the_content_does)
{
	uint8_t before[ZONE_HASH];
	char *text_before, *text_after;

	util_device(&dev, 6);
	conf.name_servers.at[1] = (struct name_server){.name = util_name("ns.example.net"), .addrs_len = 1};
	conf.name_servers.at[1].addrs[0] = util_endpoint("192.0.2.8");
	conf.name_servers.len = 2;
	build();
	memcpy(before, zone.hash, ZONE_HASH);
	text_before = printed(&zone);
	changes[_i].fn();
	build();
	text_after = printed(&zone);
	ck_assert_msg((strcmp(text_before, text_after) != 0) == changes[_i].content, "%s", changes[_i].what);
	ck_assert_msg((memcmp(before, zone.hash, ZONE_HASH) != 0) == changes[_i].content, "%s", changes[_i].what);
	free(text_before);
	free(text_after);
}
END_TEST

START_TEST(the_serial_is_not_content)
{
	uint8_t before[ZONE_HASH];

	util_device(&dev, 3);
	build();
	memcpy(before, zone.hash, ZONE_HASH);
	zone.serial = 77;
	build();
	ck_assert_mem_eq(zone.hash, before, ZONE_HASH);
	ck_assert_uint_eq(zone.serial, 77); /* the caller's */
}
END_TEST

/* ---- serials ---- */

START_TEST(a_serial_moves_to_the_clock_or_by_one)
{
	static const struct {
		uint32_t serial;
		int64_t now;
		uint32_t next;
	} cases[] = {
	    {1700000000, 1700000001, 1700000001}, {1700000000, 1800000000, 1800000000}, {1700000000, 1700000000, 1700000001},
	    {1700000000, 1600000000, 1700000001}, {1700000005, 1700000000, 1700000006}, {0, 1, 1}, {0, 0, 1},
	    {1, 1700000000, 1700000000}, {4294967295, 0, 0}, {4294967295, 4294967295, 0}, {4294967295, 5, 5},
	    {4294967294, 1700000000, 1700000000}, {0x80000000, 0, 0x80000001}, {0, 0x7fffffff, 0x7fffffff},
	    {0, 0x80000000, 1}, {0, 0x80000001, 1}, {5, INT64_C(0x100000000) + 7, 7}, {5, INT64_C(0x100000000) + 3, 6},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_msg(zone_next_serial(cases[i].serial, cases[i].now) == cases[i].next, "%u at %lld: %u, not %u",
		    cases[i].serial, (long long)cases[i].now, zone_next_serial(cases[i].serial, cases[i].now), cases[i].next);
}
END_TEST

/* RFC 1982 section 3.2: (i1 < i2 and i2 - i1 < 2^31) or (i1 > i2 and i1 - i2 > 2^31) */
static bool is_after(uint32_t i2, uint32_t i1)
{
	return (i1 < i2 && i2 - i1 < UINT32_C(1) << 31) || (i1 > i2 && i1 - i2 > UINT32_C(1) << 31);
}

START_TEST(the_next_serial_is_after_the_last_for_every_secondary)
{
	uint64_t state = 1;

	for (size_t i = 0; i < 100000; i++) {
		uint32_t serial = (uint32_t)util_random(&state), next;
		int64_t now = (int64_t)(util_random(&state) >> (i % 2 ? 31 : 20));

		if (i % 3 == 0)
			now = (int64_t)serial + (int64_t)(util_random(&state) % 5) - 2 + (i % 2 ? INT64_C(1) << 31 : 0);
		next = zone_next_serial(serial, now);
		if (!is_after(next, serial))
			ck_abort_msg("%u after %u at %lld", next, serial, (long long)now);
	}
}
END_TEST

Suite *suite_zone(void)
{
	Suite *s = suite_create("zone");
	TCase *t = tcase_create("content"), *h = tcase_create("hash"), *n = tcase_create("serial");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, peers_that_others_could_reach_are_in_the_zone);
	tcase_add_test(t, a_peer_may_be_kept_out_by_its_key);
	tcase_add_test(t, with_publish_listed_only_those_listed_are_in);
	tcase_add_test(t, a_fixed_endpoint_replaces_the_observed_one);
	tcase_add_test(t, exclude_goes_by_allowed_ip);
	tcase_add_test(t, observed_private_endpoints_are_in_only_if_told_so);
	tcase_add_test(t, max_age_goes_by_the_last_handshake);
	tcase_add_test(t, a_name_for_people_is_content);
	tcase_add_test(t, self_auto_has_all_addresses_with_the_port);
	tcase_add_test(t, peers_are_sorted_by_key_and_have_their_own_allowed_ips);
	tcase_add_test(t, a_key_that_is_told_twice_is_in_the_zone_once);
	tcase_add_test(t, the_device_itself_is_in_the_zone_if_the_configuration_says_where);
	tcase_add_test(t, a_device_without_peers_is_a_zone_without_peers);
	tcase_add_test(t, arrays_are_reused_and_leave_nothing);
	tcase_add_test(t, a_long_list_of_allowed_ips_fits);
	tcase_add_test(t, the_list_is_in_the_zone_up_to_its_limit);
	tcase_add_loop_test(t, lists_are_split_until_none_is_too_long, 0, (int)COUNT(splits));
	tcase_add_test(t, named_peers_are_in_the_lists_of_their_keys);
	tcase_add_test(t, rules_are_no_content);
	tcase_add_test(t, the_tunnel_s_addresses_are_those_of_all_peers);
	suite_add_tcase(s, h);
	tcase_add_checked_fixture(h, setup, teardown);
	tcase_add_loop_test(h, the_hash_changes_when_and_only_when_the_content_does, 0, (int)COUNT(changes));
	tcase_add_test(h, the_serial_is_not_content);
	suite_add_tcase(s, n);
	tcase_add_test(n, a_serial_moves_to_the_clock_or_by_one);
	tcase_add_test(n, the_next_serial_is_after_the_last_for_every_secondary);
	return s;
}
