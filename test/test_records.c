#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "records.h"
#include "suites.h"
#include "util.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

START_TEST(names_are_the_key_in_base32_under_the_service)
{
	struct name zone = util_name("wg.example.com"), service, name;
	char text[NAME_TEXT], expected[NAME_TEXT];
	uint8_t key[KEY_LEN], label[KEY_BASE32];

	util_key(1, key);
	key_to_base32(key, label);
	ck_assert(records_service_name(&zone, &service));
	ck_assert_str_eq(name_to_text(&service, text), "_wireguard._udp.wg.example.com");
	ck_assert_uint_eq(service.len, zone.len + RECORDS_SERVICE_LEN);
	ck_assert(records_instance_name(&zone, key, false, &name));
	snprintf(expected, sizeof(expected), "%.52s._wireguard._udp.wg.example.com", label);
	ck_assert_str_eq(name_to_text(&name, text), expected);
	ck_assert(records_instance_name(&zone, key, true, &name));
	snprintf(expected, sizeof(expected), "%.52s\\061\\061\\061\\061._wireguard._udp.wg.example.com", label);
	ck_assert_str_eq(name_to_text(&name, text), expected);
}
END_TEST

/* Whatever zone is taken has room for every peer's names. */
START_TEST(a_zone_is_taken_if_the_longest_name_fits)
{
	struct name zone = {.len = 1}, out;
	uint8_t key[KEY_LEN];
	size_t taken = 0;

	util_key(1, key);
	while (name_prepend("x", 1, &zone, &zone)) {
		bool fits = zone.len + RECORDS_SERVICE_LEN + 1 + KEY_BASE32_PAD <= NAME_MAX_LEN;

		ck_assert_int_eq(records_service_name(&zone, &out), fits);
		ck_assert_int_eq(records_instance_name(&zone, key, true, &out), fits);
		taken += fits;
	}
	ck_assert_uint_eq(taken, (255 - 16 - 57 - 1) / 2);
}
END_TEST

/* ---- TXT ---- */

/* Splits RDATA into its strings; each ends with a NUL. Returns how many. */
static size_t strings_of(const uint8_t *rdata, size_t len, char out[][256], size_t cap)
{
	size_t n = 0;

	for (size_t at = 0; at < len; at += rdata[at] + 1u) {
		ck_hot(n < cap);
		ck_hot(at + 1 + rdata[at] <= len);
		memcpy(out[n], rdata + at + 1, rdata[at]);
		out[n++][rdata[at]] = '\0';
	}
	return n;
}

START_TEST(lists_are_called_by_the_first_characters_of_their_keys)
{
	struct name zone = util_name("wg.example.com"), list;
	uint8_t key[KEY_LEN], base32[KEY_BASE32];
	char text[NAME_TEXT], want[NAME_TEXT];

	for (uint64_t n = 0; n < 50; n++) {
		util_key(n, key);
		key_to_base32(key, base32);
		for (unsigned shard = 0; shard <= RECORDS_SHARD_MAX; shard++) {
			ck_assert(records_list_name(&zone, key, shard, &list));
			if (shard == 0)
				snprintf(want, sizeof(want), "_wireguard._udp.wg.example.com");
			else
				snprintf(want, sizeof(want), "_%.*s._sub._wireguard._udp.wg.example.com", (int)shard, (const char *)base32);
			ck_assert_str_eq(name_to_text(&list, text), want);
		}
	}
}
END_TEST

/* The longest name of a zone leaves room for a peer's padded name, and that is longer than any list's. */
START_TEST(a_zone_that_is_taken_has_room_for_its_lists)
{
	struct name zone, service, list;
	uint8_t key[KEY_LEN];
	char text[NAME_MAX_LEN + 1] = "";

	util_key(1, key);
	for (size_t len = 1; len <= 250; len++) {
		text[len - 1] = len % 50 == 0 ? '.' : 'x';
		text[len] = '\0';
		if (len % 50 == 0 || !name_from_text(text, &zone) || !records_service_name(&zone, &service))
			continue;
		for (unsigned shard = 0; shard <= RECORDS_SHARD_MAX; shard++)
			ck_assert(records_list_name(&zone, key, shard, &list));
	}
}
END_TEST

START_TEST(the_head_is_txtvers_and_the_key)
{
	uint8_t key[KEY_LEN], back[KEY_LEN], head[RECORDS_TXT_HEAD];
	char strings[2][256], expected[64], text[KEY_BASE64 + 1];

	util_key(1, key);
	records_txt_head(key, head);
	ck_assert_uint_eq(strings_of(head, sizeof(head), strings, 2), 2);
	ck_assert_str_eq(strings[0], "txtvers=1"); /* first, RFC 6763 section 6.7 */
	snprintf(expected, sizeof(expected), "pub=%s", key_text(key, text));
	ck_assert_str_eq(strings[1], expected);
	ck_assert_int_eq(records_txt_pub(head, sizeof(head), back), 1);
	ck_assert_mem_eq(back, key, KEY_LEN);
}
END_TEST

static uint8_t rdata[RECORDS_TXT_MAX];

START_TEST(no_allowed_ips_are_no_string)
{
	ck_assert_uint_eq(records_txt_allowed(NULL, 0, rdata, sizeof(rdata)), 0);
}
END_TEST

START_TEST(allowed_ips_are_one_list)
{
	struct wg_allowedip ips[] = {util_allowedip("10.0.0.1/32"), util_allowedip("fd00::/64"), util_allowedip("0.0.0.0/0")};
	char strings[1][256];
	size_t len = records_txt_allowed(ips, COUNT(ips), rdata, sizeof(rdata));

	ck_assert_uint_eq(strings_of(rdata, len, strings, 1), 1);
	ck_assert_str_eq(strings[0], "allowed=10.0.0.1/32,fd00::/64,0.0.0.0/0");
}
END_TEST

static void random_ips(uint64_t *state, struct wg_allowedip *ips, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint64_t r = util_random(state);

		memset(&ips[i], 0, sizeof(ips[i]));
		ips[i].family = r & 1 ? AF_INET : AF_INET6;
		ips[i].cidr = r & 1 ? 32 : 128;
		for (size_t j = 0; j < (r & 1 ? 4 : r & 2 ? 16 : 4); j++)
			ips[i].addr[j] = (uint8_t)(util_random(state) >> 40);
	}
}

/* allowed=, allowed2=, allowed3=, ...: all CIDRs, whole, in order, in as few strings as can be. */
static void check_allowed(const struct wg_allowedip *ips, size_t ips_len, size_t len)
{
	static char strings[100][256];
	size_t n = strings_of(rdata, len, strings, COUNT(strings)), next = 0;
	char cidr[ALLOWEDIP_TEXT], key[32];

	for (size_t i = 0; i < n; i++) {
		const char *at = strings[i];

		snprintf(key, sizeof(key), i == 0 ? "allowed=" : "allowed%zu=", i + 1);
		ck_hot(strncmp(at, key, strlen(key)) == 0);
		at += strlen(key);
		if (i > 0) /* the first one here had no room at the end of the string before */
			ck_hot(strlen(strings[i - 1]) + 1 + strcspn(at, ",") > 255);
		for (;;) {
			size_t cidr_len = strcspn(at, ",");

			ck_hot(next < ips_len);
			allowedip_to_text(&ips[next++], cidr);
			ck_hot(cidr_len == strlen(cidr) && memcmp(at, cidr, cidr_len) == 0);
			if (at[cidr_len] == '\0')
				break;
			at += cidr_len + 1;
		}
	}
	ck_assert_uint_eq(next, ips_len);
}

START_TEST(a_long_list_goes_on_in_the_next_string)
{
	static struct wg_allowedip ips[300];
	uint64_t state = 1;

	for (size_t len = 1; len <= COUNT(ips); len++) {
		random_ips(&state, ips, len);
		check_allowed(ips, len, records_txt_allowed(ips, len, rdata, sizeof(rdata)));
	}
}
END_TEST

/* In memory of exactly that size; and ldns takes the RDATA for that of a TXT. */
START_TEST(a_list_without_end_stops_with_more)
{
	static struct wg_allowedip ips[3000];
	uint8_t *exact = malloc(RECORDS_TXT_MAX);
	uint64_t state = 1;
	size_t cut = 0;

	ck_assert_ptr_nonnull(exact);
	for (size_t len = 280; len <= COUNT(ips); len = len < 800 ? len + 1 : len * 2) {
		static const char more[] = "\6more=1";
		static char strings[100][256];
		size_t n, got, whole = 0;
		char cidr[ALLOWEDIP_TEXT];

		random_ips(&state, ips, len);
		got = records_txt_allowed(ips, len, exact, RECORDS_TXT_MAX);
		ck_assert_uint_le(got + RECORDS_TXT_HEAD, RECORDS_TXT_MAX);
		memcpy(rdata, exact, got);
		if (memcmp(rdata + got - 7, more, 7) != 0) {
			check_allowed(ips, len, got);
			continue;
		}
		/* What is there are the first of them, and there was no room for the next. */
		n = strings_of(rdata, got, strings, COUNT(strings));
		ck_assert_str_eq(strings[n - 1], "more=1");
		for (size_t i = 0; i + 1 < n; i++)
			for (const char *c = strings[i]; *c != '\0'; c++)
				whole += *c == '/';
		ck_assert_uint_lt(whole, len);
		check_allowed(ips, whole, got - 7);
		allowedip_to_text(&ips[whole], cidr);
		ck_assert_uint_gt(got + RECORDS_TXT_HEAD + 1 + strlen("allowed99=") + strlen(cidr), RECORDS_TXT_MAX);
		cut++;
	}
	ck_assert_uint_gt(cut, 2);
	free(exact);
}
END_TEST

START_TEST(the_key_is_found_wherever_it_stands)
{
	static const uint8_t texts[][64] = {
	    "\x30pub=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
	    "\x30PUB=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", /* RFC 6763 section 6.4: case does not count */
	    "\x05pubx=\x30pub=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\0",
	    "\0\x01x\x30pub=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\x03pub",
	};
	static const size_t lengths[] = {49, 49, 56, 56};

	for (size_t i = 0; i < COUNT(texts); i++) {
		uint8_t key[KEY_LEN], expected[KEY_LEN];

		memset(expected, 1, sizeof(expected));
		ck_assert_msg(records_txt_pub(texts[i], lengths[i], key) == 1, "case %zu", i);
		ck_assert_mem_eq(key, expected, KEY_LEN);
	}
}
END_TEST

START_TEST(no_key_and_a_wrong_key_are_told_apart)
{
	static const uint8_t ones[] = "\x30pub=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
	uint8_t key[KEY_LEN], two[98];

	ck_assert_int_eq(records_txt_pub((const uint8_t *)"", 0, key), 0);
	ck_assert_int_eq(records_txt_pub((const uint8_t *)"\0", 1, key), 0);
	ck_assert_int_eq(records_txt_pub((const uint8_t *)"\3pub\7pubx=AQ", 12, key), 0);
	ck_assert_int_eq(records_txt_pub((const uint8_t *)"\4pub=", 5, key), -1);
	ck_assert_int_eq(records_txt_pub((const uint8_t *)"\x30pub=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB", 49, key), -1);
	memcpy(two, ones, 49);
	memcpy(two + 49, ones, 49);
	ck_assert_int_eq(records_txt_pub(two, 98, key), -1); /* twice */
	two[49 + 5] = 'B';
	ck_assert_int_eq(records_txt_pub(two, 98, key), -1);
}
END_TEST

/* In memory that ends with it. */
START_TEST(a_string_that_is_cut_is_no_key)
{
	uint8_t head[RECORDS_TXT_HEAD], key[KEY_LEN];

	util_key(1, key);
	records_txt_head(key, head);
	for (size_t len = 0; len < sizeof(head); len++) {
		uint8_t *copy = malloc(len > 0 ? len : 1);
		bool border = len == 0 || len == 10;

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, head, len);
		ck_assert_int_eq(records_txt_pub(copy, len, key), border ? 0 : -1);
		free(copy);
	}
}
END_TEST

START_TEST(ldns_takes_it_for_a_txt)
{
	static struct wg_allowedip ips[3000];
	static uint8_t all[RECORDS_TXT_HEAD + RECORDS_TXT_MAX];
	uint64_t state = 1;

	for (size_t len = 0; len <= COUNT(ips); len = len * 3 + 1) {
		uint8_t key[KEY_LEN], *wire;
		size_t n, at, wire_len;
		ldns_rr *rr = NULL;

		util_key(len, key);
		random_ips(&state, ips, len);
		records_txt_head(key, all);
		n = RECORDS_TXT_HEAD + records_txt_allowed(ips, len, all + RECORDS_TXT_HEAD, RECORDS_TXT_MAX);
		wire_len = 1 + 10 + n;
		wire = calloc(1, wire_len);
		ck_assert_ptr_nonnull(wire);
		ldns_write_uint16(wire + 1, LDNS_RR_TYPE_TXT);
		ldns_write_uint16(wire + 3, LDNS_RR_CLASS_IN);
		ldns_write_uint16(wire + 9, (uint16_t)n);
		memcpy(wire + 11, all, n);
		at = 0;
		ck_assert_int_eq(ldns_wire2rr(&rr, wire, wire_len, &at, LDNS_SECTION_ANSWER), LDNS_STATUS_OK);
		ck_assert_uint_eq(at, wire_len);
		ck_assert_uint_ge(ldns_rr_rd_count(rr), 2);
		ldns_rr_free(rr);
		free(wire);
	}
}
END_TEST

Suite *suite_records(void)
{
	Suite *s = suite_create("records");
	TCase *t = tcase_create("names"), *x = tcase_create("txt");

	suite_add_tcase(s, t);
	tcase_add_test(t, names_are_the_key_in_base32_under_the_service);
	tcase_add_test(t, a_zone_is_taken_if_the_longest_name_fits);
	suite_add_tcase(s, x);
	tcase_add_test(x, lists_are_called_by_the_first_characters_of_their_keys);
	tcase_add_test(x, a_zone_that_is_taken_has_room_for_its_lists);
	tcase_add_test(x, the_head_is_txtvers_and_the_key);
	tcase_add_test(x, no_allowed_ips_are_no_string);
	tcase_add_test(x, allowed_ips_are_one_list);
	tcase_add_test(x, a_long_list_goes_on_in_the_next_string);
	tcase_add_test(x, a_list_without_end_stops_with_more);
	tcase_add_test(x, the_key_is_found_wherever_it_stands);
	tcase_add_test(x, no_key_and_a_wrong_key_are_told_apart);
	tcase_add_test(x, a_string_that_is_cut_is_no_key);
	tcase_add_test(x, ldns_takes_it_for_a_txt);
	return s;
}
