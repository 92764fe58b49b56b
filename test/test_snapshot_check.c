/* Which blocks a worker takes: all that the builder makes, and of others none that it could not answer from. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "answers.h"
#include "suites.h"
#include "util.h"
#include "wire.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#define L50     "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmn"
#define LONGEST L50 "." L50 "." L50 ".opqrstuvwxyz0123456789.test"
#define SELF_N  100000

static struct made_zone z;
static struct endpoint self[3];

static void teardown(void)
{
	zone_drop(&z);
}

static void add_self(void)
{
	self[0] = util_endpoint("203.0.113.1");
	self[1] = util_endpoint("2001:db8:5::1");
	self[2] = util_endpoint("203.0.113.2");
	zone_add_self(&z, SELF_N, self, 3);
}

/* ---- what the builder makes ---- */

static const size_t peer_counts[] = {0, 1, 2, 7, 16, 100, 900, 961, 3000};
static const uint32_t list_maxima[] = {0, 1, 3, 40, 900};

/* zone_make() has looked at it; what is looked at here is that this was not in vain. */
START_TEST(whatever_is_built_is_sound)
{
	size_t peers = peer_counts[_i];

	for (unsigned variant = 0; variant < 5 * 16; variant++) {
		bool special = (variant & 1) != 0 && peers > 0, rules = (variant & 2) != 0, far = (variant & 4) != 0;

		zone_prepare(&z, far ? LONGEST : "wg.test", (variant & 8) != 0 ? "ns1.wg.test" : NULL);
		z.conf.list_max = list_maxima[variant / 16];
		z.conf.padded_names = !rules;
		zone_add_peers(&z, peers);
		zone_add_allowed(&z, far && peers > 0 ? 3000 : 0);
		if (special) {
			add_self();
			zone_say(&z, 0, "alice");
			zone_say(&z, peers - 1, "bob");
		}
		if (rules) {
			zone_allow(&z, "10.0.0.0/8,10.1.0.0/16,2001:db8::/32,192.0.2.1/32,tunnel");
			zone_allow_browse(&z, special ? "none" : "tunnel");
			z.world.ifindex = 7;
		}
		zone_make(&z);
		ck_assert(snapshot_header_is_sound(z.snapshot) && snapshot_is_sound(z.snapshot));
		zone_drop(&z);
	}
}
END_TEST

/* Keys that begin alike, so that each depth of lists comes, and none: the first four characters are 20 bits. */
START_TEST(lists_of_each_depth_are_sound)
{
	zone_prepare(&z, "wg.test", NULL);
	z.conf.list_max = 2;
	zone_add_peers(&z, 6);
	for (size_t i = 0; i < 6; i++) { /* three pairs, told apart by two bits of one character */
		memset(z.dev.peers[i].public_key, 0, 4);
		for (int bit = 5 * _i - 2; _i > 0 && bit < 5 * _i; bit++)
			z.dev.peers[i].public_key[bit / 8] |= (uint8_t)((i / 2 >> (5 * _i - 1 - bit) & 1) << (7 - bit % 8));
	}
	if (_i == 0)
		z.conf.list_max = 6;
	zone_make(&z);
	ck_assert(snapshot_is_sound(z.snapshot));
	ck_assert_int_eq(z.zone.shard, _i <= 4 ? _i : -1);
}
END_TEST

START_TEST(a_zone_that_is_not_ready_is_sound)
{
	struct snapshot copy;

	zone_prepare(&z, "wg.test", NULL);
	zone_make_not_ready(&z);
	ck_assert(snapshot_header_is_sound(z.snapshot) && snapshot_is_sound(z.snapshot));
	/* Who may not ask would not learn that it is not ready. */
	memcpy(&copy, z.snapshot, sizeof(copy));
	copy.allow.everyone = 0;
	ck_assert(!snapshot_header_is_sound(&copy));
	copy.allow.everyone = 1;
	copy.state = SNAPSHOT_READY;
	ck_assert(!snapshot_header_is_sound(&copy));
}
END_TEST

/* A million peers are some 4,000 steps and more: none is long. */
START_TEST(a_check_goes_in_small_steps)
{
	struct snapshot_check c;
	size_t steps = 0;
	int r;

	zone_prepare(&z, "wg.test", NULL);
	zone_add_peers(&z, 20000);
	zone_make(&z);
	snapshot_check_begin(&c, z.snapshot);
	do {
		size_t peers = c.peers, places = c.places, names = c.names;
		uint64_t slots = c.slots;

		r = snapshot_check_step(&c);
		steps++;
		ck_hot(c.peers - peers <= 256 && c.places - places <= 256 && c.names - names <= 256 && c.slots - slots <= 4096);
	} while (r > 0);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_gt(steps, z.snapshot->peers_len / 256);
}
END_TEST

/* ---- a block of our own, at the end of a page with nothing behind ---- */

static struct {
	uint8_t *map, *bytes;
	size_t map_len, len;
	struct snapshot *s;
} block;

static void block_drop(void)
{
#ifdef __SANITIZE_ADDRESS__
	if (block.map != NULL)
		ASAN_UNPOISON_MEMORY_REGION(block.map, block.map_len);
#endif
	if (block.map != NULL)
		munmap(block.map, block.map_len);
	memset(&block, 0, sizeof(block));
}

/* A copy of the zone's, with so many octets more at its end. */
static void block_make(size_t more)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room;

	block_drop();
	block.len = (z.snapshot->size + more + 7) & ~(size_t)7; /* integers lie where they belong */
	room = (block.len + page - 1) / page * page;
	block.map_len = room + page;
	block.map = mmap(NULL, block.map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(block.map, MAP_FAILED);
	ck_assert_int_eq(mprotect(block.map + room, page, PROT_NONE), 0);
	block.bytes = block.map + room - block.len;
	block.s = (void *)block.bytes;
	memcpy(block.bytes, z.snapshot, z.snapshot->size);
	block.len = z.snapshot->size + more;
	block.s->size = block.len;
#ifdef __SANITIZE_ADDRESS__
	ASAN_POISON_MEMORY_REGION(block.bytes + block.len, (size_t)(block.map + room - block.bytes) - block.len);
#endif
}

static bool taken(void)
{
	return block.s->size == block.len && snapshot_header_is_sound(block.s) && snapshot_is_sound(block.s);
}

static struct snapshot_name *names(void)
{
	return (void *)(block.bytes + block.s->names_off);
}

static struct snapshot_rrset *sets_of(struct snapshot_name *n)
{
	return (void *)(block.bytes + n->rrsets_off);
}

static struct snapshot_name *name_of(const char *text)
{
	struct name wanted = util_name(text);
	const struct snapshot_name *n = snapshot_find_name(block.s, wanted.wire, wanted.len);

	ck_assert_msg(n != NULL, "%s", text);
	return (struct snapshot_name *)n;
}

static struct snapshot_rrset *set_of(const char *text, uint16_t type)
{
	struct snapshot_name *n = name_of(text);

	for (size_t i = 0; i < n->rrsets_len; i++)
		if (sets_of(n)[i].type == type)
			return &sets_of(n)[i];
	ck_abort_msg("%s has none of %u", text, type);
}

static struct snapshot_slot *slots(void)
{
	return (void *)(block.bytes + block.s->index_off);
}

static struct snapshot_slot *slot_of(uint32_t ref)
{
	for (uint32_t i = 0; i <= block.s->index_mask; i++)
		if (slots()[i].ref == ref)
			return &slots()[i];
	ck_abort_msg("nothing has ref %u", ref);
}

static struct snapshot_peer *peer_at(uint32_t ref)
{
	const struct snapshot_peer *p = snapshot_peer_at(block.s, ref);

	ck_assert_ptr_nonnull(p);
	return (struct snapshot_peer *)p;
}

/* Of the peer behind it. */
static uint32_t ref_after(uint32_t ref)
{
	return ref + (uint32_t)snapshot_peer_size(peer_at(ref)->addr_len, peer_at(ref)->txt_len) / SNAPSHOT_LINE;
}

static void set_ref(struct snapshot_slot *slot, uint32_t ref)
{
	slot->ref = ref & ((1u << SNAPSHOT_REF_BITS) - 1);
	ck_assert_uint_eq(slot->ref, ref);
}

/* One behind all. */
static uint32_t ref_end(void)
{
	return 1 + (block.s->peers_end - block.s->peers_off) / SNAPSHOT_LINE;
}

/* ---- every octet ---- */

static void make_small_zone(int kind)
{
	zone_prepare(&z, "w.t", kind == 1 ? "n.w.t" : NULL);
	zone_add_peers(&z, kind == 2 ? 5 : 2);
	z.conf.list_max = kind == 2 ? 1 : 900;
	if (kind == 1) {
		add_self();
		zone_say(&z, 0, "a");
	}
	if (kind == 2) {
		zone_allow(&z, "10.0.0.0/8,2001:db8::/32,tunnel");
		zone_allow_browse(&z, "192.0.2.1/32,192.0.2.8/29");
		z.world.ifindex = 7;
	}
	if (kind == 3)
		zone_make_not_ready(&z);
	else
		zone_make(&z);
}

static const uint16_t types[] = {DNS_SOA, DNS_NS, DNS_A, DNS_AAAA, DNS_PTR, DNS_TXT, DNS_SRV, DNS_CNAME, DNS_ANY};

/* The block is served: one query. `thorough`: ldns reads the answer, too. */
static void ask(const uint8_t *name, size_t name_len, uint16_t type, bool stream, bool thorough, size_t at)
{
	static uint8_t query[1024], msg[MESSAGE_MAX];
	struct answer_world world = {.zones = {.at = {block.s}, .len = 1}, .idle_100ms = 100};
	struct asker asker = {.addr = {4, 192, 0, 2, 1}, .is_stream = stream};
	size_t transport = stream ? DNS_TCP_MAX : DNS_UDP_MAX, len = make_query(query, name, name_len, type, stream ? 512 : 1232), n;
	const char *what;

	memcpy(msg, query, len);
	memset(msg + transport, 0x5a, ANSWER_SLACK);
	n = answer_query(&world, &asker, msg, len);
	ck_hot(n <= transport);
	for (size_t i = 0; i < ANSWER_SLACK; i++)
		ck_hot(msg[transport + i] == 0x5a);
	what = judge_form(query, len, msg, n, transport);
	if (what == NULL && thorough)
		what = judge(query, len, msg, n, transport);
	if (what != NULL)
		ck_abort_msg("octet %zu of %zu (%02x for %02x), type %u: %s", at, block.len, block.bytes[at],
		    ((const uint8_t *)z.snapshot)[at], type, what);
}

/* All names that the block had before it was changed, its peers', and one that there is not. */
static void ask_all(bool thorough, size_t at)
{
	const uint8_t *base = (const uint8_t *)z.snapshot;
	const struct snapshot_name *was = (const void *)(base + z.snapshot->names_off);

	for (size_t t = 0; t < COUNT(types); t++) {
		for (uint32_t i = 0; i < z.snapshot->names_len; i++)
			ask(base + was[i].owner_off, was[i].owner_len, types[t], (t + i) % 2 != 0, thorough, at);
		for (size_t n = 0; n < 5; n++) {
			struct name name;
			uint8_t key[KEY_LEN];

			made_key(n, key);
			ck_hot(records_instance_name(&z.conf.name, key, t % 2 != 0, &name));
			ask(name.wire, name.len, types[t], n % 2 != 0, thorough, at);
		}
		ask((const uint8_t *)"\1x\1w\1t", 7, types[t], t % 2 != 0, thorough, at);
	}
}

/* Refused, or all that is answered from it is well-formed. */
START_TEST(an_octet_that_changed_is_refused_or_does_no_harm)
{
	size_t refused = 0, all = 0;

	make_small_zone(_i);
	block_make(0);
	ck_assert(taken());
	ask_all(true, 0);
	for (size_t at = 0; at < block.len; at++) {
		uint8_t was = block.bytes[at];
		uint8_t values[] = {0, 1, 0xff, (uint8_t)(was ^ 1), (uint8_t)(was ^ 0x80), (uint8_t)(was + 1), (uint8_t)(was - 1),
		    (uint8_t)(was + 8)};

		for (size_t i = 0; i < COUNT(values); i++) {
			if (values[i] == was)
				continue;
			block.bytes[at] = values[i];
			all++;
			if (taken())
				ask_all(false, at);
			else
				refused++;
		}
		block.bytes[at] = was;
	}
	ck_assert_uint_gt(refused, all / 4); /* of an address, a port, an allowed IP any value may be one */
	block_drop();
}
END_TEST

/* Two octets at a time, at places that are the same in every run. */
START_TEST(two_octets_that_changed_are_refused_or_do_no_harm)
{
	uint64_t random = 4711;

	make_small_zone(_i);
	block_make(0);
	for (int turn = 0; turn < 60000; turn++) {
		size_t at[2];
		uint8_t was[2];

		for (int i = 0; i < 2; i++) {
			at[i] = util_random(&random) % block.len;
			if (i == 1 && turn % 2 == 0) /* near to each other */
				at[1] = at[0] + 1 + util_random(&random) % 8;
			if (at[i] >= block.len)
				at[i] = 0;
			was[i] = block.bytes[at[i]];
			block.bytes[at[i]] = (uint8_t)(turn % 3 == 0 ? was[i] + 1u - 2u * (unsigned)i : (unsigned)(util_random(&random) >> 20));
		}
		if (taken() && turn % 16 == 0)
			ask_all(false, at[0]);
		block.bytes[at[1]] = was[1];
		block.bytes[at[0]] = was[0];
	}
	block_drop();
}
END_TEST

/* ---- what somebody might think of ---- */

static void make_zone(size_t peers)
{
	zone_prepare(&z, "wg.test", "ns1.wg.test");
	zone_add_peers(&z, peers);
	for (size_t i = 0; i < z.dev.peers_len; i++) /* records of one size */
		z.dev.peers[i].allowed_len = 0;
	add_self();
	zone_say(&z, 0, "alice");
	zone_say(&z, 2, "carol");
	zone_make(&z);
	block_make(4096);
	ck_assert(taken());
}

#define ALICE "alice.wg.test"
#define CAROL "carol.wg.test"
#define LIST  "_wireguard._udp.wg.test"

/* Another record for a set, at the end of the block: its RDATA. */
static void put_record(struct snapshot_rrset *set, uint16_t type, const void *rdata, size_t len)
{
	static size_t used;
	uint8_t *to = block.bytes + z.snapshot->size + used, *p;

	p = put16(put16(put16(to, 0xc00c), type), DNS_CLASS_IN);
	p = put16(put32(p, block.s->ttl_s), (uint16_t)len);
	p = put_bytes(p, rdata, len);
	set->type = type;
	set->count = 1;
	set->wire_off = (uint32_t)(to - block.bytes);
	set->wire_len = (uint32_t)(p - to);
	set->extra_len = 0;
	used += set->wire_len;
}

static void an_index_without_an_empty_slot(void)
{
	for (uint32_t i = 0; i <= block.s->index_mask; i++)
		if (slots()[i].ref == 0)
			slots()[i] = *slot_of(1);
}

static void two_slots_for_a_peer(void)
{
	uint32_t i = 0;

	while (slots()[i].ref != 0)
		i++;
	slots()[i] = *slot_of(1);
}

static void a_peer_s_slot_is_another_s(void)
{
	slot_of(ref_after(1))->ref = 1;
}

static void a_slot_less(void)
{
	slot_of(1)->ref = 0;
}

static void another_tag(void)
{
	slot_of(1)->tag ^= 1;
}

static void a_peer_twice(void)
{
	memcpy(peer_at(ref_after(1)), peer_at(1), (ref_after(1) - 1) * SNAPSHOT_LINE);
}

/* ... and both are found. */
static void a_peer_twice_with_its_slots(void)
{
	uint32_t second = ref_after(1);
	struct snapshot_slot *slot = slot_of(second);
	uint32_t i = (uint32_t)(slot_of(1) - slots());

	a_peer_twice();
	slot->ref = 0;
	while (slots()[i].ref != 0)
		i = (i + 1) & block.s->index_mask;
	slots()[i].tag = slot_of(1)->tag;
	set_ref(&slots()[i], second);
}

static void a_ref_into_a_record(void)
{
	slot_of(1)->ref = 2;
}

static void a_ref_behind_all(void)
{
	set_ref(slot_of(1), ref_end());
}

static void peers_out_of_order(void)
{
	uint32_t second = ref_after(1);
	uint8_t first[2 * SNAPSHOT_LINE];
	struct snapshot_slot *a = slot_of(1), *b = slot_of(second);

	ck_assert_uint_eq((second - 1) * SNAPSHOT_LINE, sizeof(first));
	memcpy(first, peer_at(1), sizeof(first));
	memcpy(peer_at(1), peer_at(second), sizeof(first));
	memcpy(peer_at(second), first, sizeof(first));
	set_ref(a, second);
	b->ref = 1;
}

static struct snapshot_peer *last_peer(void)
{
	uint32_t ref = 1;

	while (ref_after(ref) < ref_end())
		ref = ref_after(ref);
	return peer_at(ref);
}

static void text_that_is_longer_than_the_peers(void)
{
	last_peer()->txt_len = 16384;
}

static void text_that_is_none(void)
{
	struct snapshot_peer *p = peer_at(1);

	p->txt_len = 1;
	p->tail[p->addr_len] = 1;
}

static void a_rest_of_no_text(void)
{
	peer_at(1)->one = 1;
}

static void a_rest_of_two(void)
{
	struct snapshot_peer *p = peer_at(1);

	p->one = 2;
	p->txt_len = 1;
	p->tail[p->addr_len] = 0;
}

static void the_text_of_another_key(void)
{
	memcpy(peer_at(1)->pub, peer_at(ref_after(1))->pub, KEY_BASE64);
}

static void a_key_with_another_last_character(void)
{
	peer_at(1)->pub[KEY_BASE64 - 1] = 'A';
}

/* From the first letter behind those that the hash takes, so that the index goes on to have it. */
static uint8_t *a_letter_of(struct snapshot_peer *p)
{
	size_t i = 16;

	while (p->label[i] < 'a')
		i++;
	return p->label + i;
}

static void a_label_in_upper_case(void)
{
	*a_letter_of(peer_at(1)) ^= 0x20;
}

static void a_label_of_another_key(void)
{
	*a_letter_of(peer_at(1)) ^= 1;
}

static void a_label_of_no_digit(void)
{
	*a_letter_of(peer_at(1)) = '1';
}

static void a_label_with_a_bit_behind_the_key(void)
{
	peer_at(1)->label[KEY_BASE32 - 1]++;
}

/* Both texts are changed, and the index: what is wrong is the place. */
static void a_key_in_front_of_the_one_before_it(void)
{
	struct snapshot_peer *p = peer_at(ref_after(1));
	struct snapshot_slot *slot = slot_of(ref_after(1)), was = *slot;
	uint8_t key[KEY_LEN] = {0};
	uint64_t h;
	uint32_t i;

	key_to_base32(key, p->label);
	key_to_base64(key, p->pub);
	h = snapshot_hash(block.s->seed, p->label);
	memset(slot, 0, sizeof(*slot));
	for (i = (uint32_t)h & block.s->index_mask; slots()[i].ref != 0;)
		i = (i + 1) & block.s->index_mask;
	slots()[i].ref = was.ref;
	slots()[i].tag = snapshot_tag(h) & ((1u << (32 - SNAPSHOT_REF_BITS)) - 1);
}

static void an_address_of_five_octets(void)
{
	peer_at(1)->addr_len = 5;
}

static void peers_that_end_early(void)
{
	block.s->peers_len--;
}

static void a_list_that_begins_in_a_record(void)
{
	set_of(LIST, DNS_PTR)->first++;
}

static void a_list_that_begins_nowhere(void)
{
	set_of(LIST, DNS_PTR)->first = 0;
}

static void a_list_that_runs_over_the_end(void)
{
	set_of(LIST, DNS_PTR)->peers++;
}

static void a_list_that_begins_later(void)
{
	set_of(LIST, DNS_PTR)->first = ref_after(set_of(LIST, DNS_PTR)->first);
}

static void a_list_at_a_host_s_name(void)
{
	struct snapshot_rrset *set = set_of("ns1.wg.test", DNS_A);

	set->type = DNS_PTR;
	set->count = 0;
	set->wire_len = 0;
	set->extra_len = 0;
	set->peers = 1;
	set->first = 1;
}

static void peers_in_a_set_of_another_type(void)
{
	struct snapshot_rrset *set = set_of(LIST, DNS_TXT);

	set->peers = 1;
	set->first = 1;
}

static void an_empty_set(void)
{
	struct snapshot_rrset *set = set_of(LIST, DNS_TXT);

	set->count = 0;
	set->wire_len = 0;
}

static void an_alias_to_itself(void)
{
	struct name to = util_name(ALICE);

	put_record(set_of(ALICE, DNS_CNAME), DNS_CNAME, to.wire, to.len);
}

static void two_aliases_to_each_other(void)
{
	struct name alice = util_name(ALICE), carol = util_name(CAROL);

	put_record(set_of(ALICE, DNS_CNAME), DNS_CNAME, carol.wire, carol.len);
	put_record(set_of(CAROL, DNS_CNAME), DNS_CNAME, alice.wire, alice.len);
}

static void an_alias_to_an_alias(void)
{
	struct name carol = util_name(CAROL);

	put_record(set_of(ALICE, DNS_CNAME), DNS_CNAME, carol.wire, carol.len);
}

static void an_alias_to_a_name_outside(void)
{
	struct name out = util_name("example.net");

	put_record(set_of(ALICE, DNS_CNAME), DNS_CNAME, out.wire, out.len);
}

static void an_alias_to_a_list(void)
{
	struct name list = util_name(LIST);

	put_record(set_of(ALICE, DNS_CNAME), DNS_CNAME, list.wire, list.len);
}

/* Its regular peers are gone: what is left is stored, and ends in pointers to a question that is the list's. */
static void an_alias_to_a_list_of_special_peers(void)
{
	struct name list = util_name(LIST);

	set_of(LIST, DNS_PTR)->peers = 0;
	put_record(set_of(ALICE, DNS_CNAME), DNS_CNAME, list.wire, list.len);
}

static void an_alias_with_other_records(void)
{
	struct snapshot_rrset *alias = set_of("ns1.wg.test", DNS_A);
	struct name to = util_name("wg.test");

	name_of("ns1.wg.test")->rrsets_len = 1;
	put_record(alias, DNS_CNAME, to.wire, to.len);
	name_of(LIST)->rrsets_off = name_of("ns1.wg.test")->rrsets_off;
}

static void a_compressed_ns(void)
{
	put_record(set_of("wg.test", DNS_NS), DNS_NS, "\3ns1\xc0\x0c", 6);
}

static void a_compressed_srv(void)
{
	char text[NAME_TEXT];

	snprintf(text, sizeof(text), "alice.%s", LIST);
	put_record(set_of(text, DNS_SRV), DNS_SRV, "\0\0\0\0\0\1\3ns1\xc0\x0c", 12);
}

static void a_compressed_alias(void)
{
	put_record(set_of(ALICE, DNS_CNAME), DNS_CNAME, "\3ns1\xc0\x12", 6);
}

static void a_compressed_ptr_outside_lists(void)
{
	put_record(set_of("b._dns-sd._udp.wg.test", DNS_PTR), DNS_PTR, "\1b\xc0\x0c", 4);
}

static void a_ptr_that_points_to_itself(void)
{
	put_record(set_of("b._dns-sd._udp.wg.test", DNS_PTR), DNS_PTR, "\xc0\x28", 2);
}

static void a_ptr_that_points_elsewhere(void)
{
	struct snapshot_rrset *set = set_of(LIST, DNS_PTR);

	set->peers = 0;
	put_record(set, DNS_PTR, "\1b\xc0\x0d", 4);
}

static void names_in_upper_case(void)
{
	block.bytes[name_of(ALICE)->owner_off + 1] = 'A';
}

static void names_out_of_order(void)
{
	struct snapshot_name first = names()[1];

	names()[1] = names()[2];
	names()[2] = first;
}

static void a_name_outside_of_the_zone(void)
{
	name_of("ns1.wg.test")->owner_off += 1;
}

static void a_record_more(void)
{
	set_of("wg.test", DNS_NS)->count++;
}

static void a_record_less(void)
{
	set_of(LIST, DNS_TXT)->count = 2;
}

static void another_ttl(void)
{
	block.bytes[set_of("wg.test", DNS_NS)->wire_off + 9]++;
}

static void another_owner(void)
{
	block.bytes[set_of("wg.test", DNS_NS)->wire_off + 1]++;
}

static void another_class(void)
{
	block.bytes[set_of("wg.test", DNS_NS)->wire_off + 5]++;
}

static void no_soa(void)
{
	put_record(set_of("wg.test", DNS_SOA), DNS_A, "\1\2\3\4", 4);
}

static void no_soa_and_no_set(void)
{
	name_of("wg.test")->rrsets_len = 0;
}

static void two_soas_in_a_set(void)
{
	struct snapshot_rrset *set = set_of("wg.test", DNS_SOA);
	uint8_t *to = block.bytes + z.snapshot->size + 2048;

	memcpy(to, block.bytes + set->wire_off, set->wire_len);
	memcpy(to + set->wire_len, block.bytes + set->wire_off, set->wire_len);
	set->wire_off = (uint32_t)(to - block.bytes);
	set->wire_len *= 2;
	set->count = 2;
	block.s->soa_off = set->wire_off + 2;
	block.s->soa_len = set->wire_len - 2;
}

static void two_sets_of_soas(void)
{
	*set_of("wg.test", DNS_NS) = *set_of("wg.test", DNS_SOA);
}

static void an_soa_below_the_apex(void)
{
	struct snapshot_rrset *soa = set_of("wg.test", DNS_SOA);

	*set_of("ns1.wg.test", DNS_A) = *soa;
}

static void an_soa_that_is_another_record(void)
{
	block.s->soa_off = set_of("wg.test", DNS_NS)->wire_off + 2;
	block.s->soa_len = 4;
}

static void another_serial(void)
{
	block.s->serial++;
}

static void extras_that_are_cut(void)
{
	set_of("wg.test", DNS_NS)->extra_len--;
}

static void extras_that_count_too_much(void)
{
	block.bytes[set_of("wg.test", DNS_NS)->extra_off + 1]++;
}

static void ranges_that_overlap(void)
{
	struct range *r = (void *)(block.bytes + block.s->tunnel.ranges_off);

	block.s->tunnel.ranges_len = 2;
	memset(r, 0, 2 * sizeof(*r));
}

/* Which of them a worker refuses: all. */
static const struct {
	const char *what;
	void (*fn)(void);
} wrongs[] = {
#define WRONG(fn) {#fn, fn}
    WRONG(an_index_without_an_empty_slot), WRONG(two_slots_for_a_peer), WRONG(a_peer_s_slot_is_another_s), WRONG(a_slot_less),
    WRONG(another_tag), WRONG(a_peer_twice), WRONG(a_peer_twice_with_its_slots), WRONG(a_ref_into_a_record), WRONG(a_ref_behind_all), WRONG(peers_out_of_order),
    WRONG(text_that_is_longer_than_the_peers), WRONG(text_that_is_none), WRONG(a_rest_of_no_text), WRONG(a_rest_of_two),
    WRONG(the_text_of_another_key), WRONG(a_key_with_another_last_character), WRONG(a_label_in_upper_case),
    WRONG(a_label_of_another_key), WRONG(a_label_of_no_digit), WRONG(a_label_with_a_bit_behind_the_key),
    WRONG(a_key_in_front_of_the_one_before_it), WRONG(an_address_of_five_octets),
    WRONG(peers_that_end_early), WRONG(a_list_that_begins_in_a_record), WRONG(a_list_that_begins_nowhere),
    WRONG(a_list_that_runs_over_the_end), WRONG(a_list_that_begins_later), WRONG(a_list_at_a_host_s_name),
    WRONG(peers_in_a_set_of_another_type), WRONG(an_empty_set), WRONG(an_alias_to_itself), WRONG(two_aliases_to_each_other),
    WRONG(an_alias_to_an_alias), WRONG(an_alias_to_a_name_outside), WRONG(an_alias_to_a_list),
    WRONG(an_alias_to_a_list_of_special_peers), WRONG(an_alias_with_other_records), WRONG(a_compressed_ns),
    WRONG(a_compressed_srv), WRONG(a_compressed_alias), WRONG(a_compressed_ptr_outside_lists), WRONG(a_ptr_that_points_to_itself),
    WRONG(a_ptr_that_points_elsewhere), WRONG(names_in_upper_case), WRONG(names_out_of_order), WRONG(a_name_outside_of_the_zone),
    WRONG(a_record_more), WRONG(a_record_less), WRONG(another_ttl), WRONG(another_owner), WRONG(another_class), WRONG(no_soa),
    WRONG(no_soa_and_no_set), WRONG(two_soas_in_a_set), WRONG(two_sets_of_soas), WRONG(an_soa_below_the_apex),
    WRONG(an_soa_that_is_another_record), WRONG(another_serial), WRONG(extras_that_are_cut), WRONG(extras_that_count_too_much),
    WRONG(ranges_that_overlap),
};

START_TEST(a_block_that_is_not_the_builder_s_is_refused)
{
	make_zone(9);
	wrongs[_i].fn();
	ck_assert_msg(!taken(), "%s", wrongs[_i].what);
	block_drop();
}
END_TEST

/* There are enough peers for it, so that it is the limit which refuses. */
START_TEST(a_list_that_is_too_long_is_refused)
{
	zone_prepare(&z, "wg.test", NULL);
	zone_add_peers(&z, 2000);
	z.conf.list_max = 100;
	zone_make(&z);
	ck_assert_int_gt(z.zone.shard, 0);
	block_make(0);
	for (uint32_t i = 0; i < block.s->names_len; i++) {
		struct snapshot_rrset *sets = sets_of(&names()[i]);

		if (names()[i].rrsets_len == 0 || sets[0].peers == 0 || sets[0].first != 1)
			continue;
		sets[0].peers = RECORDS_LIST_MAX + 1;
		ck_assert(!taken());
		sets[0].peers = UINT16_MAX;
		ck_assert(!taken());
		block_drop();
		return;
	}
	ck_abort_msg("no list begins with the first peer");
}
END_TEST

/* A peer may say much of itself, and in it what looks like a peer. */
START_TEST(a_list_that_begins_in_a_peer_s_text_is_refused)
{
	const struct snapshot_peer *p;
	struct snapshot_peer *inside;
	struct snapshot_rrset *set;

	zone_prepare(&z, "wg.test", NULL);
	zone_add_peers(&z, 3);
	zone_add_allowed(&z, 100); /* to peer 2 */
	zone_make(&z);
	block_make(0);
	for (p = snapshot_peer_at(block.s, 1); p != NULL && p->txt_len < 500; p = snapshot_next_peer(block.s, p))
		;
	ck_assert_ptr_nonnull(p);
	inside = (struct snapshot_peer *)((uint8_t *)p + 2 * SNAPSHOT_LINE);
	inside->addr_len = 4;
	inside->txt_len = 0;
	ck_assert(taken()); /* its text is what it likes */
	set = set_of(LIST, DNS_PTR);
	set->first = 1 + (uint32_t)((uint8_t *)inside - block.bytes - block.s->peers_off) / SNAPSHOT_LINE;
	set->peers = 1;
	ck_assert(!taken());
	block_drop();
}
END_TEST

static void make_one_peer(size_t networks)
{
	zone_prepare(&z, "wg.test", NULL);
	zone_add_peers(&z, 1);
	zone_add_allowed(&z, networks);
	zone_make(&z);
	block_make(0);
	ck_assert(taken());
}

/* So many octets, with the record's size as it was. */
static bool is_taken_with(uint8_t one, size_t txt_len)
{
	struct snapshot_peer *p = peer_at(1), was = *p;
	size_t size = snapshot_peer_size(p->addr_len, p->txt_len);
	bool r;

	ck_assert_uint_eq(snapshot_peer_size(p->addr_len, txt_len), size);
	p->one = one;
	p->txt_len = (uint16_t)txt_len;
	r = taken();
	p->one = was.one;
	p->txt_len = was.txt_len;
	return r;
}

/* With "allowed=" a string has 255 octets at most. */
START_TEST(the_rest_of_a_string_is_as_long_as_one_may_be)
{
	make_one_peer(19);
	ck_assert_uint_eq(peer_at(1)->one, 1);
	ck_assert_uint_le(peer_at(1)->txt_len, 247);
	for (size_t len = 230; len <= 278; len++)
		ck_assert_int_eq(is_taken_with(1, len), len <= 247);
	for (unsigned one = 2; one < 256; one++)
		ck_assert(!is_taken_with((uint8_t)one, 240));
	block_drop();
}
END_TEST

/* Kept whole: the last one ends where they do. */
START_TEST(several_strings_end_where_the_text_does)
{
	struct snapshot_peer *p;
	uint8_t *at;

	make_one_peer(30);
	p = peer_at(1);
	ck_assert_uint_eq(p->one, 0);
	ck_assert(!is_taken_with(1, p->txt_len));
	for (size_t len = p->txt_len - 8u; len <= p->txt_len; len++)
		ck_assert_int_eq(is_taken_with(0, len), len == p->txt_len);
	at = p->tail + p->addr_len;
	at[0]++;
	ck_assert(!taken());
	at[0]--;
	at[at[0] + 1]++;
	ck_assert(!taken());
	block_drop();
}
END_TEST

/* Which names have how many octets is told twice, and can be told in one way. */
START_TEST(names_are_where_their_lengths_say)
{
	make_zone(5);
	for (size_t i = 0; i < COUNT(block.s->names_at); i++) {
		uint32_t was = block.s->names_at[i];

		block.s->names_at[i] = was + 1;
		ck_assert(!taken());
		block.s->names_at[i] = was - 1;
		ck_assert(!taken());
		block.s->names_at[i] = was;
		ck_assert(taken());
	}
	block_drop();
}
END_TEST

START_TEST(a_block_is_what_its_size_says)
{
	make_zone(4);
	block.s->size--;
	ck_assert(!taken());
	block.s->size += 2;
	ck_assert(!taken());
	block_drop();
}
END_TEST

Suite *suite_snapshot_check(void)
{
	Suite *s = suite_create("snapshot_check");
	TCase *t = tcase_create("built"), *c = tcase_create("changed"), *w = tcase_create("wrong");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, whatever_is_built_is_sound, 0, (int)COUNT(peer_counts));
	tcase_add_loop_test(t, lists_of_each_depth_are_sound, 0, 6);
	tcase_add_test(t, a_zone_that_is_not_ready_is_sound);
	tcase_add_test(t, a_check_goes_in_small_steps);
	suite_add_tcase(s, c);
	tcase_add_checked_fixture(c, NULL, teardown);
	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, an_octet_that_changed_is_refused_or_does_no_harm, 0, 4);
	tcase_add_loop_test(c, two_octets_that_changed_are_refused_or_do_no_harm, 0, 3);
	suite_add_tcase(s, w);
	tcase_add_checked_fixture(w, NULL, teardown);
	tcase_add_loop_test(w, a_block_that_is_not_the_builder_s_is_refused, 0, (int)COUNT(wrongs));
	tcase_add_test(w, a_list_that_is_too_long_is_refused);
	tcase_add_test(w, a_list_that_begins_in_a_peer_s_text_is_refused);
	tcase_add_test(w, the_rest_of_a_string_is_as_long_as_one_may_be);
	tcase_add_test(w, several_strings_end_where_the_text_does);
	tcase_add_test(w, names_are_where_their_lengths_say);
	tcase_add_test(w, a_block_is_what_its_size_says);
	return s;
}
