/* The master file, read back by ldns, against what records.md says of a zone with these peers. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suites.h"
#include "util.h"
#include "wire.h"
#include "zone.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

static struct zone_conf conf;
static struct wg_device dev;
static struct zone zone;
static char *text; /* the master file */
static size_t text_len;

static void setup(void)
{
	util_zone_conf(&conf, "wg.example.com");
	zone.serial = 1700000000;
}

static void teardown(void)
{
	zone_free(&zone);
	wgdev_free(&dev);
	free(text);
	text = NULL;
}

static void print(void)
{
	FILE *out;

	ck_assert_int_eq(zone_build(&zone, &conf, &dev, &(struct zone_world){0}), 0);
	free(text);
	text = NULL;
	out = open_memstream(&text, &text_len);
	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(zone_print(&zone, out), 0);
	ck_assert_int_eq(fclose(out), 0);
}

/* ---- records as sorted lines of hex: owner, type, class, TTL and RDATA ---- */

struct lines {
	char **at;
	size_t len, cap;
};

static void add_line(struct lines *l, const uint8_t *wire, size_t len)
{
	char *line = malloc(2 * len + 1);

	ck_assert_ptr_nonnull(line);
	*line = '\0';
	for (size_t i = 0; i < len; i++)
		sprintf(line + 2 * i, "%02x", wire[i]);
	if (l->len == l->cap) {
		l->cap = l->cap * 2 + 64;
		l->at = realloc(l->at, l->cap * sizeof(*l->at));
		ck_assert_ptr_nonnull(l->at);
	}
	l->at[l->len++] = line;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_lines(struct lines *l)
{
	for (size_t i = 0; i < l->len; i++)
		free(l->at[i]);
	free(l->at);
	*l = (struct lines){0};
}

static void expect(struct lines *l, const struct name *owner, uint16_t type, const void *rdata, size_t len)
{
	static uint8_t wire[20000];
	uint8_t *p = put_bytes(wire, owner->wire, owner->len);

	p = put16(put32(put16(put16(p, type), 1), conf.ttl_s), (uint16_t)len);
	p = put_bytes(p, rdata, len);
	add_line(l, wire, (size_t)(p - wire));
}

static void expect_name(struct lines *l, const struct name *owner, uint16_t type, const struct name *to)
{
	expect(l, owner, type, to->wire, to->len);
}

static struct name below(const char *labels, const struct name *zone_name)
{
	char whole[NAME_TEXT * 2], base[NAME_TEXT];

	snprintf(whole, sizeof(whole), "%s.%s", labels, name_to_text(zone_name, base));
	return util_name(whole);
}

static void expect_peer(struct lines *l, const uint8_t key[KEY_LEN], const struct endpoint *ep,
    const struct wg_allowedip *ips, size_t ips_len, bool padded)
{
	static uint8_t rdata[RECORDS_TXT_HEAD + RECORDS_TXT_MAX];
	struct name owner;
	uint8_t *p;

	ck_assert(records_instance_name(&conf.name, key, padded, &owner));
	p = put16(put16(put16(rdata, 0), 0), ep->port);
	p = put_bytes(p, owner.wire, owner.len);
	expect(l, &owner, LDNS_RR_TYPE_SRV, rdata, (size_t)(p - rdata));
	if (ep->family == AF_INET)
		expect(l, &owner, LDNS_RR_TYPE_A, ep->addr, 4);
	else
		expect(l, &owner, LDNS_RR_TYPE_AAAA, ep->addr, 16);
	records_txt_head(key, rdata);
	expect(l, &owner, LDNS_RR_TYPE_TXT, rdata,
	    RECORDS_TXT_HEAD + records_txt_allowed(ips, ips_len, rdata + RECORDS_TXT_HEAD, RECORDS_TXT_MAX));
}

/* Entry i of all that are published: the device's peers and, behind them, the device itself. NULL: it is not. */
static const uint8_t *published_key(size_t i)
{
	const struct endpoint *ep = i == dev.peers_len ? &conf.self.endpoint : &dev.peers[i].endpoint;

	if (ep->family == AF_UNSPEC)
		return NULL;
	return i == dev.peers_len ? dev.public_key : dev.peers[i].public_key;
}

/* How many characters of their keys' base32 tell the peers apart, until no more than ListMax are left in one list; -1: four are
 * not enough. Counted with the text, peer against peer. */
static int wanted_shard(void)
{
	for (int shard = 0; shard <= 4; shard++) {
		size_t longest = 0;

		for (size_t i = 0; i <= dev.peers_len; i++) {
			uint8_t one[KEY_BASE32], other[KEY_BASE32];
			size_t len = 0;

			if (published_key(i) == NULL)
				continue;
			key_to_base32(published_key(i), one);
			for (size_t j = 0; j <= dev.peers_len; j++) {
				if (published_key(j) == NULL)
					continue;
				key_to_base32(published_key(j), other);
				len += memcmp(one, other, (size_t)shard) == 0;
			}
			longest = len > longest ? len : longest;
		}
		if (longest <= conf.list_max)
			return shard;
	}
	return -1;
}

static struct name list_of(const uint8_t *key, int shard)
{
	char base32[KEY_BASE32 + 1] = "", labels[64] = "_wireguard._udp";

	key_to_base32(key, (uint8_t *)base32);
	if (shard > 0)
		snprintf(labels, sizeof(labels), "_%.*s._sub._wireguard._udp", shard, base32);
	return below(labels, &conf.name);
}

/* All but the SOA. */
static void expect_all(struct lines *l)
{
	struct name service = below("_wireguard._udp", &conf.name), instance, list;
	struct name owner = below("_services._dns-sd._udp", &conf.name);
	char shards[32];
	int shard;

	for (size_t i = 0; i < conf.name_servers.len; i++) {
		const struct name_server *ns = &conf.name_servers.at[i];

		expect_name(l, &conf.name, LDNS_RR_TYPE_NS, &ns->name);
		for (size_t j = 0; name_is_within(&ns->name, &conf.name) && j < ns->addrs_len; j++) {
			bool v4 = ns->addrs[j].family == AF_INET;

			expect(l, &ns->name, v4 ? LDNS_RR_TYPE_A : LDNS_RR_TYPE_AAAA, ns->addrs[j].addr, v4 ? 4 : 16);
		}
	}
	expect_name(l, &owner, LDNS_RR_TYPE_PTR, &service);
	for (const char *const *label = (const char *const[]){"b", "db", "lb", NULL}; *label != NULL; label++) {
		owner = below("_dns-sd._udp", &conf.name);
		ck_assert(name_prepend(*label, strlen(*label), &owner, &owner));
		expect_name(l, &owner, LDNS_RR_TYPE_PTR, &conf.name);
	}
	shard = wanted_shard();
	snprintf(shards, sizeof(shards), "\x09txtvers=1\x07shard=%d", shard);
	expect(l, &service, LDNS_RR_TYPE_TXT, shards, shard >= 0 ? 18 : 10);
	for (size_t i = 0; i <= dev.peers_len; i++) {
		const uint8_t *key = i == dev.peers_len ? dev.public_key : dev.peers[i].public_key;
		const struct endpoint *ep = i == dev.peers_len ? &conf.self.endpoint : &dev.peers[i].endpoint;
		const struct wg_allowedip *ips =
		    i == dev.peers_len ? conf.self_allowed.at : dev.allowed + dev.peers[i].allowed_off;
		size_t ips_len = i == dev.peers_len ? conf.self_allowed.len : dev.peers[i].allowed_len;

		if (ep->family == AF_UNSPEC)
			continue;
		for (int padded = 0; padded <= conf.padded_names; padded++)
			expect_peer(l, key, ep, ips, ips_len, padded);
		ck_assert(records_instance_name(&conf.name, key, false, &instance));
		list = list_of(key, shard);
		if (shard >= 0)
			expect_name(l, &list, LDNS_RR_TYPE_PTR, &instance);
	}
}

/* Reads the file line by line. The SOA is the first record, and looked at here. */
static void read_back(struct lines *l)
{
	char *rest = text, *line;

	for (size_t n = 0; (line = strsep(&rest, "\n")) != NULL && rest != NULL; n++) {
		ldns_rr *rr = NULL;
		uint8_t *wire = NULL;
		size_t len;

		ck_assert_msg(ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL) == LDNS_STATUS_OK, "%s", line);
		ck_assert_int_eq(ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA, n == 0);
		if (n == 0) {
			ck_assert_uint_eq(ldns_rdf2native_int32(ldns_rr_rdf(rr, 2)), zone.serial);
			ck_assert_uint_eq(ldns_rdf2native_int32(ldns_rr_rdf(rr, 6)), conf.ttl_s);
			ck_assert_uint_eq(ldns_rr_ttl(rr), conf.ttl_s);
			ck_assert_mem_eq(ldns_rdf_data(ldns_rr_owner(rr)), conf.name.wire, conf.name.len);
			ck_assert_mem_eq(ldns_rdf_data(ldns_rr_rdf(rr, 0)), conf.name_servers.at[0].name.wire,
			    conf.name_servers.at[0].name.len);
			ck_assert_mem_eq(ldns_rdf_data(ldns_rr_rdf(rr, 1)), "\x0ahostmaster", 11);
			ck_assert_mem_eq(ldns_rdf_data(ldns_rr_rdf(rr, 1)) + 11, conf.name.wire, conf.name.len);
		} else {
			ck_assert_int_eq(ldns_rr2wire(&wire, rr, LDNS_SECTION_ANSWER, &len), LDNS_STATUS_OK);
			add_line(l, wire, len);
			LDNS_FREE(wire);
		}
		ldns_rr_free(rr);
	}
	ck_assert_str_eq(line, ""); /* the last line has an end */
}

static void check_zone(void)
{
	struct lines got = {0}, expected = {0};

	print();
	expect_all(&expected);
	read_back(&got);
	qsort(got.at, got.len, sizeof(*got.at), by_text);
	qsort(expected.at, expected.len, sizeof(*expected.at), by_text);
	for (size_t i = 0; i < got.len && i < expected.len; i++)
		ck_assert_str_eq(got.at[i], expected.at[i]);
	ck_assert_uint_eq(got.len, expected.len);
	free_lines(&got);
	free_lines(&expected);
}

/* ---- the tests ---- */

START_TEST(a_zone_without_peers_is_as_agreed)
{
	check_zone();
}
END_TEST

START_TEST(a_zone_with_peers_is_as_agreed)
{
	util_device(&dev, 50);
	util_add_peer(&dev, 60, NULL, "10.0.0.0/8");
	util_add_peer(&dev, 61, "192.0.2.61:1", NULL);
	check_zone();
}
END_TEST

START_TEST(a_zone_with_the_device_itself_is_as_agreed)
{
	util_device(&dev, 3);
	conf.self.endpoint = util_endpoint("[2001:db8::254]:51820");
	conf.self_allowed.at[0] = util_allowedip("10.0.0.254/32");
	conf.self_allowed.len = 1;
	check_zone();
}
END_TEST

START_TEST(a_zone_without_padded_names_is_as_agreed)
{
	util_device(&dev, 5);
	conf.padded_names = false;
	check_zone();
	ck_assert_ptr_null(strstr(text, "\\061"));
}
END_TEST

START_TEST(a_zone_with_too_many_peers_to_list_is_as_agreed)
{
	util_device(&dev, 6);
	conf.list_max = 6;
	check_zone();
	conf.list_max = 5;
	check_zone();
}
END_TEST

/* Every split there is: by no character of the keys up to four, and none at all for keys that begin alike. */
START_TEST(lists_of_a_zone_are_split_as_deep_as_it_takes)
{
	static const struct {
		size_t peers;
		uint32_t max;
		int shard;
	} cases[] = {{0, 0, 0}, {1, 0, -1}, {1, 1, 0}, {40, 39, 1}, {40, 1, 3}, {400, 4, 2}, {400, 1, 4}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		util_device(&dev, cases[i].peers);
		conf.list_max = cases[i].max;
		ck_assert_msg(wanted_shard() == cases[i].shard, "%zu peers, at most %u: %d", cases[i].peers, cases[i].max, wanted_shard());
		check_zone();
		ck_assert_int_eq(zone.shard, cases[i].shard);
	}
	wgdev_reset(&dev);
	for (unsigned n = 0; n < 5; n++)
		memset(util_add_peer(&dev, n, "192.0.2.1:1", NULL)->public_key, 0x5a, 3); /* 24 bits: four characters and 4 of 5 */
	conf.list_max = 4;
	check_zone();
	ck_assert_int_eq(zone.shard, -1);
	ck_assert_ptr_null(strstr(text, "_sub"));
}
END_TEST

START_TEST(a_zone_with_several_servers_inside_and_outside_is_as_agreed)
{
	struct name_servers *servers = &conf.name_servers;

	util_device(&dev, 2);
	servers->at[0].addrs[servers->at[0].addrs_len++] = util_endpoint("2001:db8::1");
	servers->at[0].addrs[servers->at[0].addrs_len++] = util_endpoint("192.0.2.3");
	servers->at[1].name = util_name("ns.example.net");
	servers->at[1].addrs[servers->at[1].addrs_len++] = util_endpoint("192.0.2.4"); /* not ours to publish */
	servers->at[2].name = util_name("a.b.c.wg.example.com");
	servers->at[2].addrs[servers->at[2].addrs_len++] = util_endpoint("192.0.2.5");
	servers->at[3].name = conf.name; /* the apex itself */
	servers->at[3].addrs[servers->at[3].addrs_len++] = util_endpoint("192.0.2.6");
	servers->at[4].name = util_name("ns.wg.example.com");
	servers->len = 5;
	check_zone();
}
END_TEST

START_TEST(a_serial_of_any_size_prints)
{
	static const uint32_t serials[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};

	for (size_t i = 0; i < COUNT(serials); i++) {
		zone.serial = serials[i];
		check_zone();
	}
}
END_TEST

START_TEST(a_ttl_of_0_and_of_a_day_print)
{
	util_device(&dev, 2);
	conf.ttl_s = 0;
	check_zone();
	conf.ttl_s = 86400;
	check_zone();
}
END_TEST

/* Longer than what ldns reads as a line of a file, for one. */
START_TEST(a_txt_of_16_kib_is_as_agreed)
{
	struct wg_allowedip ip = util_allowedip("2001:db8:1111:2222:3333:4444:5555:6666/128");

	util_add_peer(&dev, 1, "192.0.2.1:1", NULL);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(wgdev_add_allowedip(&dev, &ip), 0);
	check_zone();
}
END_TEST

START_TEST(the_longest_name_of_a_zone_is_as_agreed)
{
	char name[256] = "";
	struct name service;
	size_t lines = 0;

	util_device(&dev, 3);
	while (strlen(name) < 255 - 16 - 57 - 2 - 4)
		strcat(name, name[0] == '\0' ? "x" : ".x");
	util_zone_conf(&conf, name);
	zone.serial = 7;
	ck_assert(records_service_name(&conf.name, &service));
	print(); /* its padded names are longer in text than ldns reads a name */
	for (const char *c = text; *c != '\0'; c++)
		lines += *c == '\n';
	ck_assert_uint_eq(lines, 8 + 3 + 3 * 6);
	conf.padded_names = false;
	check_zone();
}
END_TEST

START_TEST(odd_octets_in_a_zone_s_name_are_as_agreed)
{
	util_device(&dev, 2);
	util_zone_conf(&conf, "a=b.c\\.d.\\032\\009.\\040\\041\\059.\\000\\255.\\092.example");
	check_zone();
}
END_TEST

/* Knot refuses a raw one; in a TXT it is in quotes. */
START_TEST(an_equals_sign_in_a_name_is_escaped)
{
	bool quoted = false;
	size_t escaped = 0;

	util_device(&dev, 3);
	print();
	for (const char *c = text; *c != '\0'; c++) {
		quoted ^= *c == '"';
		ck_assert_msg(quoted || *c != '=', "%.80s", c);
		escaped += !quoted && strncmp(c, "\\061", 4) == 0;
		ck_assert(!quoted || strncmp(c, "\\061", 4) != 0);
	}
	/* four for the owner of each of SRV, address and TXT, and for the target */
	ck_assert_uint_eq(escaped, 3 * 4 * 4);
}
END_TEST

START_TEST(ldns_loads_the_whole_as_a_zone)
{
	ldns_zone *loaded = NULL;
	FILE *in;
	int line = 0;

	util_device(&dev, 100);
	print();
	in = fmemopen(text, text_len, "r");
	ck_assert_ptr_nonnull(in);
	ck_assert_int_eq(ldns_zone_new_frm_fp_l(&loaded, in, NULL, 0, LDNS_RR_CLASS_IN, &line), LDNS_STATUS_OK);
	ck_assert_ptr_nonnull(ldns_zone_soa(loaded));
	/* NS, glue, four PTR, one TXT; the list; six a peer */
	ck_assert_uint_eq(ldns_zone_rr_count(loaded), 2 + 4 + 1 + 100 + 600);
	ldns_zone_deep_free(loaded);
	fclose(in);
}
END_TEST

START_TEST(a_file_that_is_full_is_an_error)
{
	FILE *out = fopen("/dev/full", "w");

	if (out == NULL) {
		util_skip("a_file_that_is_full_is_an_error", "there is no /dev/full");
		return;
	}
	util_device(&dev, 1);
	ck_assert_int_eq(zone_build(&zone, &conf, &dev, &(struct zone_world){0}), 0);
	ck_assert_int_lt(zone_print(&zone, out), 0);
	fclose(out);
}
END_TEST

START_TEST(static_records_are_sorted_by_owner_and_type)
{
	ldns_rr_list *list;

	ck_assert_int_eq(zone_build(&zone, &conf, &dev, &(struct zone_world){0}), 0);
	list = zone_static_records(&zone);
	ck_assert_ptr_nonnull(list);
	ck_assert_uint_gt(ldns_rr_list_rr_count(list), 5);
	for (size_t i = 1; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *a = ldns_rr_list_rr(list, i - 1), *b = ldns_rr_list_rr(list, i);
		int d = ldns_dname_compare(ldns_rr_owner(a), ldns_rr_owner(b));

		ck_assert(d < 0 || (d == 0 && ldns_rr_get_type(a) <= ldns_rr_get_type(b)));
	}
	ldns_rr_list_deep_free(list);
}
END_TEST

Suite *suite_zone_records(void)
{
	Suite *s = suite_create("zone_records");
	TCase *t = tcase_create("print");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_zone_without_peers_is_as_agreed);
	tcase_add_test(t, a_zone_with_peers_is_as_agreed);
	tcase_add_test(t, a_zone_with_the_device_itself_is_as_agreed);
	tcase_add_test(t, a_zone_without_padded_names_is_as_agreed);
	tcase_add_test(t, a_zone_with_too_many_peers_to_list_is_as_agreed);
	tcase_add_test(t, lists_of_a_zone_are_split_as_deep_as_it_takes);
	tcase_add_test(t, a_zone_with_several_servers_inside_and_outside_is_as_agreed);
	tcase_add_test(t, a_serial_of_any_size_prints);
	tcase_add_test(t, a_ttl_of_0_and_of_a_day_print);
	tcase_add_test(t, a_txt_of_16_kib_is_as_agreed);
	tcase_add_test(t, the_longest_name_of_a_zone_is_as_agreed);
	tcase_add_test(t, odd_octets_in_a_zone_s_name_are_as_agreed);
	tcase_add_test(t, an_equals_sign_in_a_name_is_escaped);
	tcase_add_test(t, ldns_loads_the_whole_as_a_zone);
	tcase_add_test(t, a_file_that_is_full_is_an_error);
	tcase_add_test(t, static_records_are_sorted_by_owner_and_type);
	return s;
}
