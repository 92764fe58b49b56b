#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "suites.h"
#include "util.h"
#include "wire.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

static struct zone_conf conf;
static struct wg_device dev;
static struct zone zone;
static struct names names;
static struct peer_conf said[3];
static struct endpoint self[2];

static void setup(void)
{
	util_zone_conf(&conf, "wg.example.com");
	conf.name_servers.at[0].name = util_name("ns.far.below.wg.example.com");
	zone.serial = 1700000000;
}

static void teardown(void)
{
	names_free(&names);
	zone_free(&zone);
	wgdev_free(&dev);
}

static void collect(size_t peers)
{
	util_device(&dev, peers);
	ck_assert_int_eq(zone_build(&zone, &conf, &dev, &(struct zone_world){.self = self, .self_len = 2}), 0);
	ck_assert_int_eq(names_collect(&names, &zone), 0);
}

static int by_key(const void *a, const void *b)
{
	return memcmp(((const struct peer_conf *)a)->key, ((const struct peer_conf *)b)->key, KEY_LEN);
}

/* Peers 1 to 3 have names for people, and the device itself two addresses. */
static void say(void)
{
	static const char *const labels[] = {"alice", "bob", "carol"};

	for (size_t i = 0; i < 3; i++) {
		util_key(i + 1, said[i].key);
		said[i].publish = true;
		strcpy(said[i].label, labels[i]);
	}
	qsort(said, 3, sizeof(*said), by_key);
	conf.peers = said;
	conf.peers_len = 3;
	self[0] = util_endpoint("203.0.113.1");
	self[1] = util_endpoint("2001:db8:5::1");
	conf.self.is_auto = true;
}

static const struct stored_name *find(const struct name *owner)
{
	for (size_t i = 0; i < names.len; i++)
		if (name_equal(&names.at[i].owner, owner))
			return &names.at[i];
	return NULL;
}

static const struct stored_name *find_text(const char *text)
{
	struct name owner = util_name(text);

	return find(&owner);
}

static const struct {
	size_t peers;
	uint32_t max;
	bool special;
} zones[] = {{0, 900, false}, {1, 900, false}, {900, 900, false}, {901, 900, false}, {50, 1, false}, {50, 3, true}, {200, 4, true},
    {3, 900, true}, {40, 0, true}, {2000, 1, false}};

/* As a binary search wants them; each once; and with each name those between it and the apex. */
START_TEST(names_are_sorted_and_whole)
{
	conf.list_max = zones[_i].max;
	if (zones[_i].special)
		say();
	collect(zones[_i].peers);
	for (size_t i = 0; i < names.len; i++) {
		const struct name *owner = &names.at[i].owner;
		struct name up;

		ck_hot(name_is_within(owner, &conf.name));
		for (size_t j = 0; j < owner->len; j++)
			ck_hot(name_lower(owner->wire[j]) == owner->wire[j]);
		if (i > 0) {
			const struct name *before = &names.at[i - 1].owner;

			ck_hot(before->len < owner->len ||
			    (before->len == owner->len && memcmp(before->wire, owner->wire, owner->len) < 0));
		}
		if (names.len < 400 && !name_equal(owner, &conf.name)) {
			ck_hot(name_parent(owner, &up));
			ck_hot(find(&up) != NULL);
		}
	}
	ck_assert(names.len > 0 && name_equal(&names.at[0].owner, &conf.name));
}
END_TEST

/* Each peer is in one list and no other: the regular ones by their place, the special ones by a record that is stored. */
START_TEST(lists_have_every_peer_once)
{
	size_t regular = 0, special = 0, octets = 0, lists = 0, all_octets = 0;

	conf.list_max = zones[_i].max;
	if (zones[_i].special)
		say();
	collect(zones[_i].peers);
	for (size_t i = 0; i < zone.peers_len; i++)
		if (!zone_peer_is_special(&zone.peers[i]))
			all_octets += snapshot_record_size(&zone, &zone.peers[i]);
	for (size_t i = 0; i < names.len; i++) {
		const struct stored_name *n = &names.at[i];

		if (!n->is_list)
			continue;
		lists++;
		/* ANY gets the list, and not what is said of it. */
		ck_assert_uint_eq(n->sets[0].type, LDNS_RR_TYPE_PTR);
		ck_assert_uint_eq(n->sets[0].count, n->listed_len);
		ck_assert_uint_gt(n->regular + n->listed_len, 0);
		ck_assert_uint_le(n->regular + n->listed_len, conf.list_max);
		ck_assert_uint_le(n->first, all_octets);
		regular += n->regular;
		special += n->listed_len;
	}
	ck_assert_uint_eq(lists > 0, zone.shard >= 0 && zone.peers_len > 0);
	if (lists > 0)
		ck_assert_uint_eq(regular + special, zone.peers_len);
	ck_assert_uint_eq(special, lists > 0 && zones[_i].special ? 4 : 0);
	/* They follow one another as the records do. */
	for (size_t first = 0, n = 0; lists > 0 && first < zone.peers_len; first += n) {
		struct zone_list list;
		const struct stored_name *name;

		ck_assert(zone_list_at(&zone, first, &list));
		name = find(&list.owner);
		ck_assert_ptr_nonnull(name);
		ck_assert_uint_eq(name->first, octets);
		ck_assert_uint_eq(name->regular + name->listed_len, list.len);
		for (n = 0; n < list.len; n++)
			if (!zone_peer_is_special(&zone.peers[first + n]))
				octets += snapshot_record_size(&zone, &zone.peers[first + n]);
	}
	ck_assert(lists == 0 || octets == all_octets);
}
END_TEST

/* Counted first and written then: both come to the same, and every block fills its length. */
START_TEST(extras_are_as_long_as_they_were_counted)
{
	static uint8_t buf[1 << 20];
	size_t some = 0;

	conf.list_max = zones[_i].max;
	if (zones[_i].special)
		say();
	collect(zones[_i].peers);
	for (size_t i = 0; i < names.len; i++) {
		for (size_t j = 0; j < names.at[i].sets_len; j++) {
			size_t len = names_extras(&names, &names.at[i], &names.at[i].sets[j], NULL), at = 0;

			ck_assert_uint_lt(len, sizeof(buf) - 1);
			memset(buf, 0x5a, len + 1);
			ck_assert_uint_eq(names_extras(&names, &names.at[i], &names.at[i].sets[j], buf), len);
			ck_assert_uint_eq(buf[len], 0x5a);
			for (; at < len; at += 4u + get16(buf + at + 2), some++)
				ck_assert_uint_gt(get16(buf + at), 0);
			ck_assert_uint_eq(at, len);
		}
	}
	ck_assert_uint_gt(some, 0); /* the name server's address */
}
END_TEST

/* Where a list is, its target's rest is the service's name at the end of the question. */
START_TEST(targets_of_lists_point_to_the_service)
{
	size_t seen = 0;

	conf.list_max = 2;
	say();
	collect(30);
	for (size_t i = 0; i < names.len; i++) {
		const struct stored_name *n = &names.at[i];
		const uint8_t *p = names.pool + n->sets[0].off;

		for (uint16_t k = 0; n->is_list && k < n->sets[0].count; k++, seen++) {
			size_t rdlen = get16(p + 10), at;

			ck_assert_uint_eq(get16(p), 0xc00c);
			at = (get16(p + 12 + rdlen - 2) & 0x3fffu) - 12u;
			ck_assert_uint_eq(n->owner.len - at, zone.service.len);
			ck_assert_mem_eq(n->owner.wire + at, zone.service.wire, zone.service.len);
			p += 12 + rdlen;
		}
	}
	ck_assert_uint_eq(seen, 4);
}
END_TEST

START_TEST(a_list_s_name_is_an_empty_one_s_child)
{
	conf.list_max = 2;
	collect(30);
	ck_assert_int_gt(zone.shard, 0);
	ck_assert_ptr_nonnull(find_text("_sub._wireguard._udp.wg.example.com"));
	ck_assert_uint_eq(find_text("_sub._wireguard._udp.wg.example.com")->sets_len, 0);
	ck_assert_uint_eq(find_text("_wireguard._udp.wg.example.com")->sets_len, 1);
	ck_assert(!find_text("_wireguard._udp.wg.example.com")->is_list);
	ck_assert_uint_eq(find_text("far.below.wg.example.com")->sets_len, 0);
}
END_TEST

Suite *suite_names(void)
{
	Suite *s = suite_create("names");
	TCase *t = tcase_create("names");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, names_are_sorted_and_whole, 0, (int)COUNT(zones));
	tcase_add_loop_test(t, lists_have_every_peer_once, 0, (int)COUNT(zones));
	tcase_add_loop_test(t, extras_are_as_long_as_they_were_counted, 0, (int)COUNT(zones));
	tcase_add_test(t, targets_of_lists_point_to_the_service);
	tcase_add_test(t, a_list_s_name_is_an_empty_one_s_child);
	return s;
}
