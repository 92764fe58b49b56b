#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "snapshot.h"
#include "suites.h"
#include "util.h"
#include "wire.h"
#include "zone.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static const uint64_t seed[2] = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543211)};
static struct zone_conf conf;
static struct wg_device dev;
static struct zone zone;
static int fd = -1;
static size_t size;
static const struct snapshot *snap;

static void setup(void)
{
	util_zone_conf(&conf, "wg.example.com");
	conf.name_servers.at[0].addrs[conf.name_servers.at[0].addrs_len++] = util_endpoint("2001:db8::1");
	conf.name_servers.at[1].name = util_name("ns.example.net");
	conf.name_servers.at[1].addrs[conf.name_servers.at[1].addrs_len++] = util_endpoint("192.0.2.9");
	conf.name_servers.at[2].name = util_name("a.b.c.wg.example.com");
	conf.name_servers.at[2].addrs[conf.name_servers.at[2].addrs_len++] = util_endpoint("192.0.2.2");
	conf.name_servers.len = 3;
	zone.serial = 1700000000;
}

static void teardown(void)
{
	snapshot_unmap(snap);
	snap = NULL;
	close(fd);
	zone_free(&zone);
	wgdev_free(&dev);
}

static void build(size_t peers)
{
	util_device(&dev, peers);
	ck_assert_int_eq(zone_build(&zone, &conf, &dev, &(struct zone_world){0}), 0);
	fd = snapshot_build(&conf.name, &zone, seed, &size);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(snapshot_map(fd, &snap), 0);
}

/* ---- peers ---- */

/* As the header says: by the hash's lower half, then slot by slot, its upper bits in the tag. */
static const struct snapshot_peer *find_peer(const uint8_t key[KEY_LEN], size_t *steps)
{
	uint8_t label[KEY_BASE32];
	uint64_t h;

	key_to_base32(key, label);
	h = snapshot_hash(snap->seed, label);

	for (uint32_t at = (uint32_t)h & snap->index_mask;; at = (at + 1) & snap->index_mask) {
		const struct snapshot_slot *slot = &snapshot_index(snap)[at];
		const struct snapshot_peer *p;

		++*steps;
		ck_hot(*steps <= (size_t)snap->index_mask + 1);
		if (slot->ref == 0)
			return NULL;
		if (slot->tag != snapshot_tag(h))
			continue;
		p = snapshot_peer_at(snap, slot->ref);
		ck_hot(p != NULL);
		if (memcmp(p->label, label, KEY_BASE32) == 0)
			return p;
	}
}

/* The strings behind "pub=": as they are or, of one, what is not the same for all. */
static bool has_txt(const struct snapshot_peer *p, const uint8_t *txt, size_t len)
{
	bool one = len > 9 && txt[0] + 1u == len && memcmp(txt + 1, "allowed=", 8) == 0;

	if (p->one != one)
		return false;
	return p->txt_len == len - (one ? 9 : 0) && memcmp(snapshot_peer_txt(p), txt + (one ? 9 : 0), p->txt_len) == 0;
}

static void check_peers(size_t peers)
{
	size_t all_steps = 0, steps;

	for (size_t i = 0; i < zone.peers_len; i++) {
		const struct zone_peer *z = &zone.peers[i];
		const struct snapshot_peer *p;
		char pub[KEY_BASE64];

		steps = 0;
		p = find_peer(z->key, &steps);
		ck_hot(p != NULL && snapshot_peer_fits(snap, p));
		ck_hot(ntohs(p->port) == z->endpoint.port);
		ck_hot(p->addr_len == (z->endpoint.family == AF_INET ? 4 : 16));
		ck_hot(memcmp(p->tail, z->endpoint.addr, p->addr_len) == 0);
		ck_hot(has_txt(p, zone.txt + z->txt_off, z->txt_len));
		key_to_base64(z->key, pub);
		ck_hot(memcmp(p->pub, pub, KEY_BASE64) == 0);
		ck_hot(((uintptr_t)p - (uintptr_t)snap) % SNAPSHOT_LINE == 0);
		all_steps += steps;
	}
	ck_assert_uint_eq(zone.peers_len, peers);
	ck_assert_uint_eq(snap->peers_len, peers);
	ck_assert_uint_le(all_steps, 4 * peers); /* the hash spreads */
	for (uint64_t n = 1; n <= 1000; n++) {
		uint8_t key[KEY_LEN];

		util_key(n + 1000000, key);
		steps = 0;
		ck_hot(find_peer(key, &steps) == NULL);
	}
}

START_TEST(every_peer_is_found_by_its_key_and_no_other)
{
	static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 8, 9, 900, 901, 20000};

	build(sizes[_i]);
	check_peers(sizes[_i]);
}
END_TEST

START_TEST(peers_stand_one_behind_the_other_by_key)
{
	const struct snapshot_peer *p;
	size_t n = 0;

	build(500);
	for (p = snapshot_peer_at(snap, 1); p != NULL; p = snapshot_next_peer(snap, p)) {
		uint8_t label[KEY_BASE32];

		ck_assert_uint_lt(n, 500);
		key_to_base32(zone.peers[n].key, label);
		ck_assert_mem_eq(p->label, label, KEY_BASE32);
		n++;
	}
	ck_assert_uint_eq(n, 500);
}
END_TEST

START_TEST(another_seed_is_another_order_of_the_same_peers)
{
	static const uint64_t other[2] = {7, 8};
	uint8_t key[KEY_LEN], label[KEY_BASE32];

	util_key(1, key);
	key_to_base32(key, label);
	ck_assert(snapshot_hash(seed, label) != snapshot_hash(other, label));
	build(100);
	snapshot_unmap(snap);
	close(fd);
	fd = snapshot_build(&conf.name, &zone, other, &size);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(snapshot_map(fd, &snap), 0);
	ck_assert_mem_eq(snap->seed, other, sizeof(other));
	check_peers(100);
}
END_TEST

START_TEST(a_reference_beyond_the_peers_is_none)
{
	build(10);
	ck_assert_ptr_null(snapshot_peer_at(snap, 0));
	ck_assert_ptr_null(snapshot_peer_at(snap, UINT32_MAX));
	ck_assert_ptr_null(snapshot_peer_at(snap, 1 + (snap->peers_end - snap->peers_off) / SNAPSHOT_LINE));
	for (uint32_t ref = 1; ref < 1 + (snap->peers_end - snap->peers_off) / SNAPSHOT_LINE; ref++) {
		const struct snapshot_peer *p = snapshot_peer_at(snap, ref);

		ck_assert(p == NULL || (const uint8_t *)(p + 1) <= (const uint8_t *)snap + snap->peers_end);
	}
}
END_TEST

START_TEST(a_peer_with_much_text_fits)
{
	struct wg_allowedip ip = util_allowedip("2001:db8:1111:2222:3333:4444:5555:6666/128");
	size_t steps = 0;
	uint8_t key[KEY_LEN];
	const struct snapshot_peer *p;

	for (uint64_t n = 1; n <= 3; n++) {
		util_add_peer(&dev, n, "192.0.2.1:1", NULL);
		for (int i = 0; i < 2000; i++)
			ck_assert_int_eq(wgdev_add_allowedip(&dev, &ip), 0);
	}
	ck_assert_int_eq(zone_build(&zone, &conf, &dev, &(struct zone_world){0}), 0);
	fd = snapshot_build(&conf.name, &zone, seed, &size);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(snapshot_map(fd, &snap), 0);
	util_key(2, key);
	p = find_peer(key, &steps);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_gt(p->txt_len, 16000);
	ck_assert(snapshot_peer_fits(snap, p));
}
END_TEST

/* Only of a single string that begins so the beginning is left out. */
START_TEST(a_string_that_is_no_list_is_kept_whole)
{
	static const char *const begins[] = {"allowed=", "allowed-", "Allowed=", "bllowed="};

	for (size_t i = 0; i < COUNT(begins); i++) {
		const struct zone_peer *z = NULL;
		const struct snapshot_peer *p;
		size_t steps = 0;

		build(3);
		for (size_t j = 0; j < zone.peers_len; j++)
			if (zone.txt[zone.peers[j].txt_off] + 1u == zone.peers[j].txt_len)
				z = &zone.peers[j];
		ck_assert_ptr_nonnull(z);
		memcpy(zone.txt + z->txt_off + 1, begins[i], 8);
		snapshot_unmap(snap);
		close(fd);
		fd = snapshot_build(&conf.name, &zone, seed, &size);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(snapshot_map(fd, &snap), 0);
		p = find_peer(z->key, &steps);
		ck_assert(p != NULL && has_txt(p, zone.txt + z->txt_off, z->txt_len));
		ck_assert_uint_eq(p->one, i == 0);
		snapshot_unmap(snap);
		close(fd);
		zone_free(&zone);
		wgdev_free(&dev);
	}
	snap = NULL;
	fd = -1;
}
END_TEST

/* ---- names ---- */

static const struct snapshot_name *find_name(const char *text)
{
	struct name name = util_name(text);

	return snapshot_find_name(snap, name.wire, name.len);
}

static const struct snapshot_rrset *find_rrset(const char *text, uint16_t type)
{
	const struct snapshot_name *n = find_name(text);

	for (size_t i = 0; n != NULL && i < n->rrsets_len; i++)
		if (snapshot_rrsets(snap, n)[i].type == type)
			return &snapshot_rrsets(snap, n)[i];
	return NULL;
}

START_TEST(every_name_of_the_zone_is_there_and_no_other)
{
	static const struct {
		const char *name;
		size_t rrsets;
	} there[] = {
	    {"wg.example.com", 2}, {"ns1.wg.example.com", 2}, {"a.b.c.wg.example.com", 1}, {"b.c.wg.example.com", 0},
	    {"c.wg.example.com", 0}, {"_udp.wg.example.com", 0}, {"_dns-sd._udp.wg.example.com", 0},
	    {"_services._dns-sd._udp.wg.example.com", 1}, {"b._dns-sd._udp.wg.example.com", 1},
	    {"db._dns-sd._udp.wg.example.com", 1}, {"lb._dns-sd._udp.wg.example.com", 1}, {"_wireguard._udp.wg.example.com", 2},
	};
	static const char *const not_there[] = {".", "com", "example.com", "ns.example.net", "x.wg.example.com",
	    "ns2.wg.example.com", "_tcp.wg.example.com", "x.ns1.wg.example.com", "wh.example.com", "ns1.wg.example.con"};

	build(3);
	for (size_t i = 0; i < COUNT(there); i++) {
		const struct snapshot_name *n = find_name(there[i].name);

		ck_assert_msg(n != NULL, "%s", there[i].name);
		ck_assert_msg(n->rrsets_len == there[i].rrsets, "%s has %u", there[i].name, n->rrsets_len);
	}
	ck_assert_uint_eq(snap->names_len, COUNT(there));
	for (size_t i = 0; i < COUNT(not_there); i++)
		ck_assert_msg(find_name(not_there[i]) == NULL, "%s", not_there[i]);
}
END_TEST

/* An answer to a question for that name, with those records: the pointers in them lead to the question. */
static ldns_rr_list *read_records(const struct name *owner, uint32_t off, uint32_t len, uint16_t count)
{
	uint8_t *msg = calloc(1, 12u + owner->len + 4 + len), *p = msg;
	ldns_rr_list *list;
	ldns_pkt *pkt = NULL;

	ck_assert_ptr_nonnull(msg);
	put16(msg + 4, 1);
	put16(msg + 6, count);
	p = put_bytes(msg + 12, owner->wire, owner->len);
	p = put16(put16(p, LDNS_RR_TYPE_ANY), 1);
	p = put_bytes(p, (const uint8_t *)snap + off, len);
	ck_assert_int_eq(ldns_wire2pkt(&pkt, msg, (size_t)(p - msg)), LDNS_STATUS_OK);
	list = ldns_rr_list_clone(ldns_pkt_answer(pkt));
	ck_assert_uint_eq(ldns_rr_list_rr_count(list), count);
	ldns_pkt_free(pkt);
	free(msg);
	return list;
}

/* The PTRs that are composed when they are asked for: of the peers from the first one on. */
static void push_composed(ldns_rr_list *list, const struct name *owner, const struct snapshot_rrset *set)
{
	const struct snapshot_peer *p = set->peers > 0 ? snapshot_peer_at(snap, set->first) : NULL;

	for (size_t i = 0; i < set->peers; i++) {
		ldns_rr *rr = ldns_rr_new();
		struct name target;
		uint8_t key[KEY_LEN];

		ck_assert(p != NULL && rr != NULL);
		ck_assert(key_from_base32(p->label, key));
		ck_assert(records_instance_name(&conf.name, key, false, &target));
		ldns_rr_set_owner(rr, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, owner->len, owner->wire));
		ldns_rr_set_type(rr, LDNS_RR_TYPE_PTR);
		ldns_rr_set_ttl(rr, snap->ttl_s);
		ldns_rr_push_rdf(rr, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, target.len, target.wire));
		ldns_rr_list_push_rr(list, rr);
		p = snapshot_next_peer(snap, p);
	}
}

/* All records of all names, read by ldns out of answers. */
static ldns_rr_list *read_all_names(void)
{
	ldns_rr_list *got = ldns_rr_list_new();

	for (uint32_t i = 0; i < snap->names_len; i++) {
		const struct snapshot_name *n = (const struct snapshot_name *)((const uint8_t *)snap + snap->names_off) + i;
		struct name owner = {.len = (uint8_t)n->owner_len};

		memcpy(owner.wire, (const uint8_t *)snap + n->owner_off, n->owner_len);
		for (uint32_t j = 0; j < n->rrsets_len; j++) {
			const struct snapshot_rrset *set = &snapshot_rrsets(snap, n)[j];
			ldns_rr_list *list = read_records(&owner, set->wire_off, set->wire_len, set->count);

			ck_assert(j == 0 || set->type != set[-1].type);
			for (size_t k = 0; k < ldns_rr_list_rr_count(list); k++)
				ck_assert_uint_eq(ldns_rr_get_type(ldns_rr_list_rr(list, k)), set->type);
			push_composed(got, &owner, set);
			ldns_rr_list_push_rr_list(got, list);
			ldns_rr_list_free(list);
		}
	}
	return got;
}

static void check_same_records(ldns_rr_list *expected, ldns_rr_list *got)
{
	ldns_rr_list_sort(expected);
	ldns_rr_list_sort(got);
	ck_assert_uint_eq(ldns_rr_list_rr_count(got), ldns_rr_list_rr_count(expected));
	for (size_t i = 0; i < ldns_rr_list_rr_count(got); i++) {
		const ldns_rr *a = ldns_rr_list_rr(expected, i), *b = ldns_rr_list_rr(got, i);

		ck_assert_int_eq(ldns_rr_compare(a, b), 0);
		ck_assert_uint_eq(ldns_rr_ttl(a), ldns_rr_ttl(b));
	}
	ldns_rr_list_deep_free(expected);
	ldns_rr_list_deep_free(got);
}

/* They are those that the zone has by ldns. */
START_TEST(the_records_of_all_names_are_the_zone_s)
{
	ldns_rr_list *expected;

	build(40);
	expected = zone_static_records(&zone);
	for (size_t i = 0; i < zone.peers_len; i++) {
		char line[3 * NAME_TEXT], service[NAME_TEXT], text[NAME_TEXT];
		struct name instance;
		ldns_rr *rr = NULL;

		ck_assert(records_instance_name(&conf.name, zone.peers[i].key, false, &instance));
		snprintf(line, sizeof(line), "%s. 10 IN PTR %s.", name_to_text(&zone.service, service),
		    name_to_text(&instance, text));
		ck_assert_int_eq(ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL), LDNS_STATUS_OK);
		ldns_rr_list_push_rr(expected, rr);
	}
	check_same_records(expected, read_all_names());
}
END_TEST

/* ---- peers with a name for people, or with several addresses ---- */

static const char *const people[] = {"alice", "b", "x-0123456789-0123456789-0123456789-01234"};
static struct peer_conf said[COUNT(people)];
static struct endpoint self[5];

static int by_key(const void *a, const void *b)
{
	return memcmp(((const struct peer_conf *)a)->key, ((const struct peer_conf *)b)->key, KEY_LEN);
}

/* Peers 1 to 3 are named, and the device itself has three addresses of the one family and two of the other. */
static void build_specials(size_t peers)
{
	memset(said, 0, sizeof(said));
	for (size_t i = 0; i < COUNT(people); i++) {
		util_key(i + 1, said[i].key);
		said[i].publish = true;
		strcpy(said[i].label, people[i]);
	}
	qsort(said, COUNT(said), sizeof(*said), by_key);
	conf.peers = said;
	conf.peers_len = COUNT(said);
	conf.self.is_auto = true;
	for (size_t i = 0; i < COUNT(self); i++) {
		char text[ENDPOINT_TEXT];

		snprintf(text, sizeof(text), i < 3 ? "203.0.113.%zu" : "2001:db8:5::%zu", i + 1);
		self[i] = util_endpoint(text);
	}
	util_device(&dev, peers);
	ck_assert_int_eq(zone_build(&zone, &conf, &dev, &(struct zone_world){.self = self, .self_len = COUNT(self)}), 0);
	fd = snapshot_build(&conf.name, &zone, seed, &size);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(snapshot_map(fd, &snap), 0);
}

/* Is that the name of a peer without a name for people and with one address? */
static bool is_regular_target(const ldns_rdf *name)
{
	for (size_t i = 0; i < zone.peers_len; i++) {
		struct name owners[ZONE_OWNERS];
		size_t n = zone_peer_is_special(&zone.peers[i]) ? 0 : zone_peer_owners(&zone, &zone.peers[i], owners);

		for (size_t j = 0; j < n; j++)
			if (ldns_rdf_size(name) == owners[j].len && memcmp(ldns_rdf_data(name), owners[j].wire, owners[j].len) == 0)
				return true;
	}
	return false;
}

static bool is_of_regular_peer(const ldns_rr *rr)
{
	return is_regular_target(ldns_rr_owner(rr));
}

/* The master file, as ldns reads it, but for what is composed when it is asked for. */
static ldns_rr_list *read_printed(void)
{
	ldns_rr_list *list = ldns_rr_list_new();
	char *text = NULL, *line;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(zone_print(&zone, out), 0);
	fclose(out);
	for (char *at = text; (line = strsep(&at, "\n")) != NULL;) {
		ldns_rr *rr = NULL;

		if (*line == '\0')
			continue;
		ck_assert_int_eq(ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL), LDNS_STATUS_OK);
		if (is_of_regular_peer(rr))
			ldns_rr_free(rr);
		else
			ldns_rr_list_push_rr(list, rr);
	}
	free(text);
	return list;
}

START_TEST(the_records_of_special_peers_are_those_that_are_printed)
{
	conf.padded_names = _i == 0;
	build_specials(40);
	check_same_records(read_printed(), read_all_names());
}
END_TEST

START_TEST(a_special_peer_has_names_and_no_record_in_the_index)
{
	size_t specials = 0;

	build_specials(40);
	ck_assert_uint_eq(zone.peers_len, 41);
	for (size_t i = 0; i < zone.peers_len; i++) {
		const struct zone_peer *p = &zone.peers[i];
		struct name owners[ZONE_OWNERS];
		size_t steps = 0, n = zone_peer_owners(&zone, p, owners);

		ck_assert_int_eq(find_peer(p->key, &steps) == NULL, zone_peer_is_special(p));
		specials += zone_peer_is_special(p);
		for (size_t j = 0; j < n; j++)
			ck_assert_int_eq(snapshot_find_name(snap, owners[j].wire, owners[j].len) != NULL, zone_peer_is_special(p));
	}
	ck_assert_uint_eq(specials, 4);
	ck_assert_uint_eq(snap->peers_len, 37);
	for (size_t i = 0; i < COUNT(people); i++) {
		char text[NAME_TEXT];

		snprintf(text, sizeof(text), "%s.wg.example.com", people[i]);
		ck_assert_uint_eq(find_name(text)->rrsets_len, 1);
		ck_assert_ptr_nonnull(find_rrset(text, LDNS_RR_TYPE_CNAME));
		snprintf(text, sizeof(text), "%s._wireguard._udp.wg.example.com", people[i]);
		ck_assert_uint_eq(find_name(text)->rrsets_len, 3);
	}
}
END_TEST

/* Those of a set's additional records, whose owners are written out. */
static ldns_rr_list *read_extras(const struct name *question, const struct snapshot_rrset *set)
{
	ldns_rr_list *list = ldns_rr_list_new();

	for (uint32_t at = 0; at < set->extra_len;) {
		const uint8_t *head = (const uint8_t *)snap + set->extra_off + at;
		ldns_rr_list *one = read_records(question, set->extra_off + at + 4, get16(head + 2), get16(head));

		ldns_rr_list_cat(list, one);
		ldns_rr_list_free(one);
		at += 4u + get16(head + 2);
	}
	return list;
}

/* An answer has them in that order behind the SRV; they are not stored with it once more. */
START_TEST(behind_an_srv_stand_the_addresses_and_then_the_txt)
{
	static const uint16_t order[] = {LDNS_RR_TYPE_SRV, LDNS_RR_TYPE_A, LDNS_RR_TYPE_AAAA, LDNS_RR_TYPE_TXT};
	static const uint16_t counts[] = {1, 3, 2, 1};
	const struct snapshot_name *n;
	struct name owner;

	build_specials(5);
	ck_assert(records_instance_name(&conf.name, dev.public_key, _i != 0, &owner));
	n = snapshot_find_name(snap, owner.wire, owner.len);
	ck_assert_ptr_nonnull(n);
	ck_assert_uint_eq(n->rrsets_len, COUNT(order));
	for (size_t i = 0; i < COUNT(order); i++) {
		const struct snapshot_rrset *set = snapshot_rrsets(snap, n) + i;

		ck_assert_uint_eq(set->type, order[i]);
		ck_assert_uint_eq(set->count, counts[i]);
		ck_assert_uint_eq(set->extra_len, 0);
	}
}
END_TEST

START_TEST(the_list_has_the_regular_peers_first_and_the_others_records_with_it)
{
	struct name service = util_name("_wireguard._udp.wg.example.com");
	const struct snapshot_rrset *set;
	ldns_rr_list *list;

	build_specials(40);
	set = find_rrset("_wireguard._udp.wg.example.com", LDNS_RR_TYPE_PTR);
	ck_assert_ptr_nonnull(set);
	ck_assert_uint_eq(set->count, 4);
	ck_assert_uint_eq(set->peers, 37);
	list = read_records(&service, set->wire_off, set->wire_len, set->count);
	for (size_t i = 0; i < 4; i++)
		ck_assert(!is_regular_target(ldns_rr_rdf(ldns_rr_list_rr(list, i), 0)));
	ldns_rr_list_deep_free(list);
	list = ldns_rr_list_new();
	push_composed(list, &service, set);
	for (size_t i = 0; i < 37; i++)
		ck_assert(is_regular_target(ldns_rr_rdf(ldns_rr_list_rr(list, i), 0)));
	ldns_rr_list_deep_free(list);
	list = read_extras(&service, set);
	ck_assert_uint_eq(ldns_rr_list_rr_count(list), 3 * 3 + 7);
	for (size_t i = 0; i < 3 * 3 + 7; i++)
		ck_assert(!is_of_regular_peer(ldns_rr_list_rr(list, i)));
	ldns_rr_list_deep_free(list);
}
END_TEST

START_TEST(the_list_of_peers_is_marked_and_absent_above_its_limit)
{
	const struct snapshot_rrset *set;

	build(900);
	set = find_rrset("_wireguard._udp.wg.example.com", LDNS_RR_TYPE_PTR);
	ck_assert_ptr_nonnull(set);
	ck_assert_uint_eq(set->count, 0);
	ck_assert_uint_eq(set->wire_len, 0);
	ck_assert_uint_eq(set->peers, 900);
	ck_assert_uint_eq(set->first, 1);
	ck_assert_uint_eq(find_rrset("b._dns-sd._udp.wg.example.com", LDNS_RR_TYPE_PTR)->peers, 0);
	snapshot_unmap(snap);
	close(fd);
	build(901);
	ck_assert_ptr_null(find_rrset("_wireguard._udp.wg.example.com", LDNS_RR_TYPE_PTR));
	ck_assert_ptr_nonnull(find_rrset("_wireguard._udp.wg.example.com", LDNS_RR_TYPE_TXT));
}
END_TEST

/* The addresses of those inside, with their own names: two of ns1, one of a.b.c. */
START_TEST(name_servers_come_with_their_addresses)
{
	const struct snapshot_rrset *set;
	ldns_rr_list *list;
	size_t four = 0, six = 0;

	build(1);
	set = find_rrset("wg.example.com", LDNS_RR_TYPE_NS);
	ck_assert_ptr_nonnull(set);
	ck_assert_uint_eq(set->count, 3);
	list = ldns_rr_list_new();
	for (uint32_t at = 0; at < set->extra_len;) { /* RRsets, each behind its count and length */
		const uint8_t *head = (const uint8_t *)snap + set->extra_off + at;
		ldns_rr_list *one = read_records(&conf.name, set->extra_off + at + 4, get16(head + 2), get16(head));

		ldns_rr_list_cat(list, one);
		ldns_rr_list_free(one);
		at += 4u + get16(head + 2);
	}
	ck_assert_uint_eq(ldns_rr_list_rr_count(list), 3);
	for (size_t i = 0; i < 3; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		bool first = ldns_rdf_size(ldns_rr_owner(rr)) == conf.name_servers.at[0].name.len;
		const struct name *owner = &conf.name_servers.at[first ? 0 : 2].name;

		ck_assert_uint_eq(ldns_rdf_size(ldns_rr_owner(rr)), owner->len);
		ck_assert_mem_eq(ldns_rdf_data(ldns_rr_owner(rr)), owner->wire, owner->len);
		four += ldns_rr_get_type(rr) == LDNS_RR_TYPE_A;
		six += ldns_rr_get_type(rr) == LDNS_RR_TYPE_AAAA;
	}
	ck_assert_uint_eq(four, 2);
	ck_assert_uint_eq(six, 1);
	ldns_rr_list_deep_free(list);
}
END_TEST

START_TEST(the_soa_of_negative_answers_is_the_zone_s)
{
	const struct snapshot_rrset *set;

	build(1);
	set = find_rrset("wg.example.com", LDNS_RR_TYPE_SOA);
	ck_assert_ptr_nonnull(set);
	ck_assert_uint_eq(set->count, 1);
	ck_assert_uint_eq(snap->soa_off, set->wire_off + 2);
	ck_assert_uint_eq(snap->soa_len, set->wire_len - 2);
	ck_assert_uint_eq(snap->serial, 1700000000);
	ck_assert_uint_eq(snap->ttl_s, 10);
}
END_TEST

START_TEST(a_zone_of_only_its_apex_as_server_builds)
{
	conf.name_servers.at[0].name = conf.name;
	conf.name_servers.len = 1;
	build(1);
	ck_assert_uint_eq(find_name("wg.example.com")->rrsets_len, 4); /* A, NS, SOA, AAAA */
}
END_TEST

/* Whatever name the configuration takes is served: in text, its escapes may be longer than any name is in wire form. */
START_TEST(a_zone_s_name_of_odd_octets_builds)
{
	char text[NAME_TEXT] = "";
	struct name service;

	for (int i = 0; i < 56; i++)
		strcat(text, "\\255");
	strcat(text, ".example");
	util_zone_conf(&conf, text);
	ck_assert(records_service_name(&conf.name, &service));
	build(1);
	ck_assert_ptr_nonnull(snap);
}
END_TEST

/* Eight octets at a time: (octet | fold) == service for either case and nothing else. */
START_TEST(the_service_name_compares_without_regard_to_case)
{
	build(1);
	ck_assert_uint_eq(snap->apex_len, conf.name.len);
	ck_assert_mem_eq(snap->apex, conf.name.wire, conf.name.len);
	ck_assert_uint_eq(snap->service_len, zone.service.len);
	for (size_t i = 0; i < sizeof(snap->service); i++) {
		for (unsigned c = 0; c < 256; c++) {
			bool equal = (c | snap->service_fold[i]) == snap->service[i];

			ck_hot(equal == (i >= zone.service.len || name_lower((uint8_t)c) == zone.service.wire[i]));
		}
	}
}
END_TEST

START_TEST(a_zone_that_is_not_ready_is_its_name_and_nothing_else)
{
	fd = snapshot_build(&conf.name, NULL, seed, &size);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(snapshot_map(fd, &snap), 0);
	ck_assert_uint_eq(size, sizeof(struct snapshot));
	ck_assert_uint_eq(snap->state, SNAPSHOT_NOT_READY);
	ck_assert_uint_eq(snap->peers_len, 0);
	ck_assert_uint_eq(snap->names_len, 0);
	ck_assert_mem_eq(snap->apex, conf.name.wire, conf.name.len);
	ck_assert_ptr_null(find_name("wg.example.com"));
}
END_TEST

/* ---- the block ---- */

START_TEST(what_was_built_can_never_change_again)
{
	struct stat st;

	build(3);
	ck_assert_int_eq(fcntl(fd, F_GET_SEALS) & SEALS, SEALS);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, (off_t)size);
	ck_assert_uint_eq(snap->size, size);
	ck_assert(write(fd, "x", 1) < 0 && errno == EPERM);
	ck_assert(ftruncate(fd, 0) < 0 && errno == EPERM);
	ck_assert(ftruncate(fd, (off_t)size + 1) < 0 && errno == EPERM);
	ck_assert(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	ck_assert(fcntl(fd, F_ADD_SEALS, 0) < 0 && errno == EPERM);
}
END_TEST

/* Another block with these bytes; the seals are ours to choose. */
static int block_of(const void *bytes, size_t len, int seals)
{
	int copy = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(copy, 0);
	ck_assert_int_eq(write(copy, bytes, len), (ssize_t)len);
	ck_assert_int_eq(fcntl(copy, F_ADD_SEALS, seals), 0);
	return copy;
}

static int map_block(const void *bytes, size_t len, int seals, const struct snapshot **out)
{
	int copy = block_of(bytes, len, seals), r = snapshot_map(copy, out);

	close(copy);
	return r;
}

/* Mapped and looked at to its end, as a worker does it. */
static int take_block(const void *bytes, size_t len, const struct snapshot **out)
{
	struct snapshot_check c;
	int r = map_block(bytes, len, SEALS, out);

	if (r < 0)
		return r;
	snapshot_check_begin(&c, *out);
	while ((r = snapshot_check_step(&c)) > 0)
		;
	if (r < 0)
		snapshot_unmap(*out);
	return r;
}

START_TEST(a_block_with_a_seal_less_is_refused)
{
	static const int all[] = {F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE};
	const struct snapshot *other = NULL;

	build(3);
	ck_assert_int_eq(take_block(snap, size, &other), 0);
	snapshot_unmap(other);
	ck_assert_int_eq(map_block(snap, size, 0, &other), -EPERM);
	for (size_t i = 0; i < COUNT(all); i++)
		ck_assert_int_eq(map_block(snap, size, SEALS & ~all[i], &other), -EPERM);
}
END_TEST

START_TEST(what_is_no_block_is_refused)
{
	const struct snapshot *other = NULL;
	int file, pipes[2];

	build(3);
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(snapshot_map(file, &other), -EPERM);
	close(file);
	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(snapshot_map(pipes[0], &other), -EPERM);
	close(pipes[0]);
	close(pipes[1]);
	ck_assert_int_eq(snapshot_map(-1, &other), -EPERM);
	ck_assert_ptr_null(other);
	snapshot_unmap(NULL);
}
END_TEST

START_TEST(a_block_that_is_cut_or_grown_is_refused)
{
	uint8_t *copy;
	const struct snapshot *other;

	build(3);
	copy = calloc(1, size + 8);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, snap, size);
	for (size_t len = 0; len < size; len += len + 16 < size ? 7 : 1)
		ck_assert_msg(map_block(copy, len, SEALS, &other) == -EINVAL, "%zu of %zu", len, size);
	ck_assert_int_eq(map_block(copy, size + 8, SEALS, &other), -EINVAL);
	free(copy);
}
END_TEST

#define FIELD(member, value) {#member, offsetof(struct snapshot, member), sizeof(((struct snapshot *)0)->member), value}

static const struct {
	const char *member;
	size_t off, len;
	uint64_t value;
} damages[] = {
    FIELD(magic, 0), FIELD(magic, SNAPSHOT_MAGIC ^ 1), FIELD(magic, SNAPSHOT_MAGIC ^ UINT64_C(1) << 63),
    FIELD(size, 0), FIELD(size, sizeof(struct snapshot)), FIELD(size, UINT64_MAX),
    FIELD(state, 2), FIELD(state, UINT32_MAX),
    FIELD(index_off, UINT32_MAX), FIELD(index_off, UINT32_MAX - 7), FIELD(index_off, sizeof(struct snapshot) | 4),
    FIELD(index_off, 1),
    FIELD(index_mask, UINT32_MAX), FIELD(index_mask, 0), FIELD(index_mask, 1), FIELD(index_mask, 3), FIELD(index_mask, 6),
    FIELD(index_mask, 14), FIELD(index_mask, 0x0fffffff),
    FIELD(peers_off, UINT32_MAX), FIELD(peers_off, UINT32_MAX - 7), FIELD(peers_off, 4), FIELD(peers_off, 1),
    FIELD(peers_end, UINT32_MAX), FIELD(peers_end, 0), FIELD(peers_end, 8),
    FIELD(peers_len, UINT32_MAX), FIELD(peers_len, 16),
    FIELD(names_off, UINT32_MAX), FIELD(names_off, UINT32_MAX - 7), FIELD(names_off, 4), FIELD(names_off, 1),
    FIELD(names_len, UINT32_MAX), FIELD(names_len, 0x10000000),
    FIELD(soa_off, UINT32_MAX), FIELD(soa_len, UINT32_MAX),
    FIELD(apex_len, 0), FIELD(apex_len, 1), FIELD(apex_len, 15), FIELD(apex_len, 17), FIELD(apex_len, 255),
    FIELD(service_len, 0), FIELD(service_len, 1), FIELD(service_len, 255),
    {"apex[0]", offsetof(struct snapshot, apex), 1, 0}, {"apex[0]", offsetof(struct snapshot, apex), 1, 1},
    {"apex[0]", offsetof(struct snapshot, apex), 1, 64}, {"apex[0]", offsetof(struct snapshot, apex), 1, 0xc0},
    {"apex[15]", offsetof(struct snapshot, apex) + 15, 1, 1},
    {"service[0]", offsetof(struct snapshot, service), 1, 0}, {"service[0]", offsetof(struct snapshot, service), 1, 255},
    {"service[11]", offsetof(struct snapshot, service) + 11, 1, 5},
};

START_TEST(a_damaged_header_is_refused)
{
	const struct snapshot *other = NULL;
	uint8_t *copy;

	build(8); /* 16 slots; the apex has 16 octets */
	ck_assert_uint_eq(snap->index_mask, 15);
	ck_assert_uint_eq(snap->apex_len, 16);
	copy = malloc(size);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, snap, size);
	memcpy(copy + damages[_i].off, &damages[_i].value, damages[_i].len); /* little endian, or the tail of zeros and ones */
	/* What the header says of the SOA is compared when the records are. */
	if (strncmp(damages[_i].member, "soa_", 4) != 0)
		ck_assert_msg(map_block(copy, size, SEALS, &other) == -EINVAL, "%s = %llx", damages[_i].member,
		    (unsigned long long)damages[_i].value);
	ck_assert_msg(take_block(copy, size, &other) == -EINVAL, "%s = %llx", damages[_i].member,
	    (unsigned long long)damages[_i].value);
	free(copy);
}
END_TEST

/* What a worker does with a block stays within it. */
static void check_within(const struct snapshot *s)
{
	const uint8_t *base = (const uint8_t *)s, *end = base + size;
	const struct snapshot_name *names = (const void *)(base + s->names_off);

	if (s->state == SNAPSHOT_NOT_READY)
		return;
	ck_hot((const uint8_t *)(snapshot_index(s) + s->index_mask + 1) <= end);
	ck_hot(base + s->soa_off + s->soa_len <= end);
	ck_hot((const uint8_t *)(names + s->names_len) <= end);
	for (uint32_t i = 0; i < s->names_len; i++) {
		const struct snapshot_rrset *sets = snapshot_rrsets(s, &names[i]);

		ck_hot(base + names[i].owner_off + names[i].owner_len <= end);
		ck_hot((const uint8_t *)(sets + names[i].rrsets_len) <= end);
		for (uint32_t j = 0; j < names[i].rrsets_len; j++) {
			ck_hot(base + sets[j].wire_off + sets[j].wire_len <= end);
			ck_hot(base + sets[j].extra_off + sets[j].extra_len <= end);
		}
	}
	for (uint32_t i = 0; i <= s->index_mask; i++) {
		const struct snapshot_peer *p = snapshot_peer_at(s, snapshot_index(s)[i].ref);

		ck_hot(p == NULL || (const uint8_t *)(p + 1) <= end);
		if (p != NULL && snapshot_peer_fits(s, p))
			ck_hot(snapshot_peer_txt(p) + p->txt_len <= end);
	}
	snapshot_find_name(s, s->apex, s->apex_len);
	snapshot_find_name(s, (const uint8_t *)"\1x", 3);
}

/* Every octet, but those of the names in the header, to several values: refused, or without harm. */
START_TEST(a_damage_that_is_not_refused_stays_within_the_block)
{
	static const uint8_t values[] = {0, 1, 7, 8, 0x7f, 0x80, 0xff};
	uint8_t *copy;
	size_t refused = 0;

	if (_i == 0)
		build(8);
	else
		build_specials(4);
	copy = malloc(size);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, snap, size);
	for (size_t at = 0; at < size; at++) {
		if (at == offsetof(struct snapshot, apex))
			at = sizeof(struct snapshot);
		for (size_t i = 0; i < COUNT(values); i++) {
			const struct snapshot *other = NULL;
			uint8_t was = copy[at];
			int r;

			copy[at] = values[i];
			r = take_block(copy, size, &other);
			ck_hot(r == 0 || r == -EINVAL);
			refused += r != 0;
			if (r == 0) {
				check_within(other);
				snapshot_unmap(other);
			}
			copy[at] = was;
		}
	}
	ck_assert_uint_gt(refused, 100);
	free(copy);
}
END_TEST

Suite *suite_snapshot(void)
{
	Suite *s = suite_create("snapshot");
	TCase *p = tcase_create("peers"), *n = tcase_create("names"), *b = tcase_create("block");

	suite_add_tcase(s, p);
	tcase_add_checked_fixture(p, setup, teardown);
	tcase_add_loop_test(p, every_peer_is_found_by_its_key_and_no_other, 0, 11);
	tcase_add_test(p, peers_stand_one_behind_the_other_by_key);
	tcase_add_test(p, another_seed_is_another_order_of_the_same_peers);
	tcase_add_test(p, a_reference_beyond_the_peers_is_none);
	tcase_add_test(p, a_peer_with_much_text_fits);
	tcase_add_test(p, a_string_that_is_no_list_is_kept_whole);
	suite_add_tcase(s, n);
	tcase_add_checked_fixture(n, setup, teardown);
	tcase_add_test(n, every_name_of_the_zone_is_there_and_no_other);
	tcase_add_test(n, the_records_of_all_names_are_the_zone_s);
	tcase_add_loop_test(n, the_records_of_special_peers_are_those_that_are_printed, 0, 2);
	tcase_add_test(n, a_special_peer_has_names_and_no_record_in_the_index);
	tcase_add_loop_test(n, behind_an_srv_stand_the_addresses_and_then_the_txt, 0, 2);
	tcase_add_test(n, the_list_has_the_regular_peers_first_and_the_others_records_with_it);
	tcase_add_test(n, the_list_of_peers_is_marked_and_absent_above_its_limit);
	tcase_add_test(n, name_servers_come_with_their_addresses);
	tcase_add_test(n, the_soa_of_negative_answers_is_the_zone_s);
	tcase_add_test(n, a_zone_of_only_its_apex_as_server_builds);
	tcase_add_test(n, a_zone_s_name_of_odd_octets_builds);
	tcase_add_test(n, the_service_name_compares_without_regard_to_case);
	tcase_add_test(n, a_zone_that_is_not_ready_is_its_name_and_nothing_else);
	suite_add_tcase(s, b);
	tcase_add_checked_fixture(b, setup, teardown);
	tcase_add_test(b, what_was_built_can_never_change_again);
	tcase_add_test(b, a_block_with_a_seal_less_is_refused);
	tcase_add_test(b, what_is_no_block_is_refused);
	tcase_add_test(b, a_block_that_is_cut_or_grown_is_refused);
	tcase_add_loop_test(b, a_damaged_header_is_refused, 0, (int)COUNT(damages));
	tcase_add_loop_test(b, a_damage_that_is_not_refused_stays_within_the_block, 0, 2);
	return s;
}
