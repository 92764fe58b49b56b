#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "push_message.h"
#include "records.h"
#include "suites.h"
#include "util.h"

static struct name zone;
static uint8_t key[KEY_LEN], got[KEY_LEN];
static struct push_message m;

static void setup(void)
{
	struct name name;

	zone = util_name("wg.test");
	util_key(7, key);
	ck_assert(records_instance_name(&zone, key, false, &name));
	m = push_message(4711, &name);
}

/* So that a read behind its end is seen. */
static bool is_read(void)
{
	uint8_t *copy = malloc(m.len > 0 ? m.len : 1);
	bool ok;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, m.octets, m.len);
	ok = push_read(copy, m.len, &zone, got);
	free(copy);
	return ok;
}

/* ---- what is read ---- */

START_TEST(a_peer_s_name_is_read_in_either_form_and_case)
{
	for (int padded = 0; padded < 2; padded++) {
		struct name name;

		ck_assert(records_instance_name(&zone, key, padded != 0, &name));
		m = push_message(4711, &name);
		for (int upper = 0; upper < 2; upper++) {
			memset(got, 0, sizeof(got));
			ck_assert(is_read());
			ck_assert_mem_eq(got, key, KEY_LEN);
			for (size_t i = 0; i < name.len; i++)
				m.octets[PUSH_HEADER + i] = (uint8_t)toupper(m.octets[PUSH_HEADER + i]);
		}
	}
}
END_TEST

static void a_query(void)
{
	m.octets[2] &= 0x87;
}

static void an_update(void)
{
	m.octets[2] = 5 << 3;
}

static void an_answer(void)
{
	m.octets[2] |= 0x80;
}

static void of_no_question(void)
{
	m.octets[5] = 0;
}

static void of_two_questions(void)
{
	size_t n = m.len - PUSH_HEADER;

	memcpy(m.octets + m.len, m.octets + PUSH_HEADER, n);
	m.octets[5] = 2;
	m.len += n;
}

/* The same question twice, but only one is counted. */
static void of_one_and_a_half(void)
{
	of_two_questions();
	m.octets[5] = 1;
}

static void of_256_more_questions(void)
{
	m.octets[4] = 1;
}

static void with_an_answer(void)
{
	m.octets[7] = 1;
}

static void with_an_authority(void)
{
	m.octets[8] = 1;
}

static void with_an_opt(void)
{
	static const uint8_t opt[] = {0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0};

	memcpy(m.octets + m.len, opt, sizeof(opt));
	m.octets[11] = 1;
	m.len += sizeof(opt);
}

static void of_a_zone(void)
{
	m.octets[m.len - 3] = 6;
}

static void of_another_high_type(void)
{
	m.octets[m.len - 4] = 1;
}

static void of_another_class(void)
{
	m.octets[m.len - 1] = 3;
}

static void of_another_zone(void)
{
	zone = util_name("wg.example");
}

/* Its last labels are the zone's. */
static void of_a_zone_below(void)
{
	zone = util_name("test");
}

static void of_a_zone_above(void)
{
	zone = util_name("x.wg.test");
}

static void rename_it(const char *text)
{
	struct name name = util_name(text);

	m = push_message(4711, &name);
}

static void of_the_service(void)
{
	rename_it("_wireguard._udp.wg.test");
}

static void of_no_key(void)
{
	rename_it("alice._wireguard._udp.wg.test");
}

static void of_another_service(void)
{
	rename_it("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa._wireguard._tcp.wg.test");
}

static void of_a_key_with_spare_bits(void)
{
	rename_it("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab._wireguard._udp.wg.test");
}

static void of_a_key_with_other_padding(void)
{
	rename_it("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa===a._wireguard._udp.wg.test");
}

static void of_the_root(void)
{
	rename_it(".");
}

/* Where the name's end would be. */
static void with_a_pointer(void)
{
	m.octets[m.len - 5] = 0xc0;
	m.octets[m.len++] = 1;
}

static void with_a_long_label(void)
{
	m.octets[PUSH_HEADER] = NAME_LABEL + 1;
}

static void with_a_long_name(void)
{
	memset(m.octets + PUSH_HEADER, 0, sizeof(m.octets) - PUSH_HEADER);
	for (size_t at = PUSH_HEADER; at < PUSH_HEADER + 256; at += 64)
		m.octets[at] = 63;
	m.octets[PUSH_HEADER + 256 + 2] = 33;
	m.octets[PUSH_HEADER + 256 + 4] = 1;
	m.len = PUSH_HEADER + 256 + 5;
}

static void with_more_behind_it(void)
{
	m.octets[m.len++] = 0;
}

static void (*const others[])(void) = {a_query, an_update, an_answer, of_no_question, of_two_questions, of_one_and_a_half,
    of_256_more_questions, with_an_answer, with_an_authority, with_an_opt, of_a_zone, of_another_high_type, of_another_class,
    of_another_zone, of_a_zone_below, of_a_zone_above, of_the_service, of_no_key, of_another_service, of_a_key_with_spare_bits,
    of_a_key_with_other_padding, of_the_root, with_a_pointer, with_a_long_label, with_a_long_name, with_more_behind_it};

START_TEST(nothing_else_is_one)
{
	ck_assert(is_read());
	others[_i]();
	ck_assert(!is_read());
}
END_TEST

START_TEST(a_part_of_one_is_none)
{
	ck_assert(is_read());
	while (m.len-- > 0)
		ck_assert(!is_read());
}
END_TEST

/* ---- what is answered ---- */

START_TEST(the_answer_is_the_question_with_another_bit)
{
	struct push_message asked;

	m.octets[3] = 0x9f;
	asked = m;
	ck_assert(is_read());
	push_answer(m.octets);
	ck_assert_uint_eq(get16(m.octets), 4711);
	ck_assert_uint_eq(m.octets[2], 0x80 | 4 << 3 | 4); /* QR, opcode, AA */
	ck_assert_uint_eq(m.octets[3], 0x90);
	ck_assert_mem_eq(m.octets + 4, asked.octets + 4, m.len - 4);
	ck_assert(!is_read());
}
END_TEST

/* ---- how many are passed on ---- */

static struct push_limit limit;
static uint8_t keys[100][KEY_LEN];

static void setup_limit(void)
{
	memset(&limit, 0, sizeof(limit));
	for (size_t i = 0; i < COUNT(keys); i++)
		util_key(i, keys[i]);
}

START_TEST(one_a_second_for_a_key)
{
	ck_assert(push_admit(&limit, keys[0], 5000));
	ck_assert(!push_admit(&limit, keys[0], 5000));
	ck_assert(push_admit(&limit, keys[1], 5500));
	ck_assert(!push_admit(&limit, keys[0], 5999));
	ck_assert(push_admit(&limit, keys[0], 6000));
	ck_assert(!push_admit(&limit, keys[1], 6499));
	ck_assert(!push_admit(&limit, keys[0], 6999));
	ck_assert(push_admit(&limit, keys[1], 7000));
}
END_TEST

START_TEST(some_a_second_for_all)
{
	for (size_t i = 0; i < PUSH_A_SECOND; i++)
		ck_assert(push_admit(&limit, keys[i], 5000 + (int64_t)i));
	ck_assert(!push_admit(&limit, keys[50], 5999));
	ck_assert(push_admit(&limit, keys[50], 6000));
	ck_assert(!push_admit(&limit, keys[51], 6000));
	ck_assert(push_admit(&limit, keys[51], 6001));
}
END_TEST

/* Whatever comes when, and none is held back without need. */
START_TEST(no_second_has_more_and_none_has_less)
{
	static struct {
		size_t key;
		int64_t at;
	} passed[100000];
	size_t n = 0, refused = 0;
	uint64_t random = 4711 + (uint64_t)_i;
	int64_t now = 0;

	for (int i = 0; i < 100000; i++) {
		size_t k = util_random(&random) % (_i == 0 ? 10 : COUNT(keys)), all = 0, same = 0;

		now += (int64_t)(util_random(&random) % 40) * (_i + 1);
		for (size_t p = n; p > 0 && passed[p - 1].at > now - 1000; p--) {
			all++;
			same += passed[p - 1].key == k;
		}
		ck_hot(push_admit(&limit, keys[k], now) == (all < PUSH_A_SECOND && same == 0));
		if (all < PUSH_A_SECOND && same == 0) {
			passed[n].key = k;
			passed[n++].at = now;
		} else {
			refused++;
		}
	}
	ck_assert_uint_gt(n, 1000);
	ck_assert_uint_gt(refused, 1000);
}
END_TEST

Suite *suite_push(void)
{
	Suite *s = suite_create("push");
	TCase *t = tcase_create("messages"), *l = tcase_create("limit");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, a_peer_s_name_is_read_in_either_form_and_case);
	tcase_add_loop_test(t, nothing_else_is_one, 0, (int)COUNT(others));
	tcase_add_test(t, a_part_of_one_is_none);
	tcase_add_test(t, the_answer_is_the_question_with_another_bit);
	suite_add_tcase(s, l);
	tcase_add_checked_fixture(l, setup_limit, NULL);
	tcase_add_test(l, one_a_second_for_a_key);
	tcase_add_test(l, some_a_second_for_all);
	tcase_add_loop_test(l, no_second_has_more_and_none_has_less, 0, 3);
	return s;
}
