#include <string.h>

#include "rrl.h"
#include "suites.h"
#include "util.h"

#define SECONDS 10
#define TURN_MS (UINT64_C(1) << 26) /* the buckets' clock of 32 bits counts 64 in a millisecond */

static const uint64_t seed[2] = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543211)};

static void setup(void)
{
	rrl_init();
}

static enum rrl_verdict take(const char *address, uint8_t kind, uint32_t subject, uint64_t now_ms)
{
	struct query q = {.kind = kind, .subject = subject};
	struct endpoint ep = util_endpoint(address);
	uint8_t asker[RANGES_ADDR];

	ranges_key(ep.family, ep.addr, asker);
	return rrl_take(asker, &q, now_ms);
}

/* How many of `each` a millisecond pass from start_ms on; each about another one of so many subjects. */
static size_t passed(uint64_t start_ms, unsigned ms, unsigned each, uint32_t subjects)
{
	struct query q = {.kind = QUERY_RECORDS};
	uint8_t asker[RANGES_ADDR] = {4, 192, 0, 2, 1};
	size_t n = 0, asked = 0;

	for (unsigned t = 0; t < ms; t++) {
		for (unsigned i = 0; i < each; i++) {
			q.subject = (uint32_t)(asked++ % subjects);
			n += rrl_take(asker, &q, start_ms + t) == RRL_PASS;
		}
	}
	return n;
}

/* A second's worth at once, then the rate. */
static void check_rate(size_t n, uint32_t rate, double slack)
{
	ck_assert_msg((double)n >= (double)rate * SECONDS * (1 - slack) && (double)n <= (double)rate * (SECONDS + 1) * (1 + slack) + 2,
	    "%zu in %d seconds at %u a second", n, SECONDS, rate);
}

static const struct {
	uint32_t rate;
	double slack; /* a bucket counts in ticks: a rate that does not divide them is a little more */
} rates[] = {{1, 0}, {2, 0}, {5, 0}, {64, 0}, {200, 0}, {300, 0.01}, {1000, 0}, {7777, 0.04}, {10000, 0.07}};

START_TEST(like_answers_keep_to_the_rate)
{
	rrl_set(rates[_i].rate, 1, seed);
	check_rate(passed(5000, 1000 * SECONDS, 20, 1), rates[_i].rate, rates[_i].slack);
}
END_TEST

/* The clock of the buckets goes round while they are in use. */
START_TEST(like_answers_keep_to_the_rate_when_the_clock_goes_round)
{
	for (uint64_t turn = 1; turn < 4; turn++) {
		rrl_set(200, 1, seed);
		check_rate(passed(turn * TURN_MS - 4321, 1000 * SECONDS, 2, 1), 200, 0);
	}
}
END_TEST

/* What was used long ago is full again, however long ago that was. */
START_TEST(an_idle_bucket_is_full)
{
	static const uint64_t idle_ms[] = {1100, 60000, TURN_MS / 4, TURN_MS / 2 - 2000, TURN_MS / 2, TURN_MS / 2 + 2000, TURN_MS - 3000,
	    TURN_MS + 1100, TURN_MS + TURN_MS / 2, 5 * TURN_MS - 3000};
	uint64_t now_ms = 1000;

	rrl_set(50, 1, seed);
	for (size_t i = 0; i < COUNT(idle_ms); i++) {
		ck_assert_uint_eq(passed(now_ms, 1, 1000, 1), 50);
		now_ms += idle_ms[i];
	}
}
END_TEST

START_TEST(different_answers_have_ten_times_the_rate)
{
	static const uint32_t some[] = {1, 20, 100};

	rrl_set(some[_i], 1, seed);
	check_rate(passed(0, 1000 * SECONDS, 20, 1000000), 10 * some[_i], 0.01);
}
END_TEST

START_TEST(a_few_different_answers_have_the_rate_each)
{
	rrl_set(20, 1, seed);
	check_rate(passed(0, 1000 * SECONDS, 20, 5), 5 * 20, 0);
}
END_TEST

/* The same subject in another kind of answer is another one. */
START_TEST(kinds_are_apart)
{
	rrl_set(10, 1, seed);
	for (uint8_t kind = QUERY_RECORDS; kind <= QUERY_ERROR; kind++) {
		for (unsigned i = 0; i < 20; i++)
			ck_assert_int_eq(take("192.0.2.1", kind, 7, 1000), i < 10 ? RRL_PASS : RRL_SLIP);
	}
}
END_TEST

/* Whether what one address used up is missing for the other. */
static const struct {
	const char *one, *other;
	bool same;
} networks[] = {
    {"192.0.2.1", "192.0.2.1", true}, {"192.0.2.1", "192.0.2.255", true}, {"192.0.2.0", "192.0.3.0", false},
    {"192.0.2.1", "192.1.2.1", false}, {"192.0.2.1", "193.0.2.1", false},
    {"2001:db8:1:2::1", "2001:db8:1:2::2", true}, {"2001:db8:1:200::1", "2001:db8:1:2ff:ffff:ffff:ffff:ffff", true},
    {"2001:db8:1:200::1", "2001:db8:1:300::1", false}, {"2001:db8:1:200::1", "2001:db9:1:200::1", false},
    {"192.0.2.1", "c000:201::", false}, {"192.0.2.1", "::c000:201", false},
};

START_TEST(a_network_is_limited_and_no_other)
{
	rrl_set(32, 1, seed);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_int_eq(take(networks[_i].one, QUERY_RECORDS, 1, 1000), i < 32 ? RRL_PASS : RRL_SLIP);
	for (unsigned i = 0; i < 32; i++)
		ck_assert_int_eq(take(networks[_i].other, QUERY_RECORDS, 1, 1000), networks[_i].same ? RRL_SLIP : RRL_PASS);
	/* And all of its answers together. */
	for (uint32_t i = 0; i < 1000; i++)
		take(networks[_i].one, QUERY_RECORDS, 100 + i, 1000);
	ck_assert_int_eq(take(networks[_i].one, QUERY_RECORDS, 5000, 1000), RRL_SLIP);
	ck_assert_int_eq(take(networks[_i].other, QUERY_RECORDS, 5000, 1000), networks[_i].same ? RRL_SLIP : RRL_PASS);
}
END_TEST

START_TEST(each_slip_th_of_the_rest_is_truncated)
{
	uint32_t slip = (uint32_t)_i;
	size_t slipped = 0, dropped = 0;

	rrl_set(10, slip, seed);
	for (unsigned i = 0; i < 610; i++) {
		enum rrl_verdict verdict = take("192.0.2.1", QUERY_RECORDS, 1, 1000);

		ck_assert_int_eq(verdict == RRL_PASS, i < 10);
		slipped += verdict == RRL_SLIP;
		dropped += verdict == RRL_DROP;
		if (slip > 0 && i >= 10)
			ck_assert_uint_eq(slipped, (i - 9) / slip); /* evenly */
	}
	ck_assert_uint_eq(slipped, slip > 0 ? 600 / slip : 0);
	ck_assert_uint_eq(slipped + dropped, 600);
}
END_TEST

START_TEST(without_a_rate_all_pass)
{
	rrl_set(0, 1, seed);
	ck_assert_uint_eq(passed(0, 100, 1000, 1), 100000);
	rrl_set(5, 1, seed); /* and it can be set anew */
	ck_assert_uint_eq(passed(1000, 1, 100, 1), 5);
	rrl_set(0, 1, seed);
	ck_assert_uint_eq(passed(1000, 1, 100, 1), 100);
}
END_TEST

/* However many networks ask, each gets the better part of what it may. */
START_TEST(many_networks_do_not_fill_the_table)
{
	struct query q = {.kind = QUERY_RECORDS, .subject = 9};
	size_t n = 0;

	rrl_set(10, 0, seed);
	for (unsigned i = 0; i < 200000; i++) {
		uint8_t asker[RANGES_ADDR] = {6, 0x20, 1, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

		n += rrl_take(asker, &q, 1000) == RRL_PASS;
	}
	ck_assert_uint_eq(n, 200000);
}
END_TEST

Suite *suite_rrl(void)
{
	Suite *s = suite_create("rrl");
	TCase *t = tcase_create("rrl");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_loop_test(t, like_answers_keep_to_the_rate, 0, (int)COUNT(rates));
	tcase_add_test(t, like_answers_keep_to_the_rate_when_the_clock_goes_round);
	tcase_add_test(t, an_idle_bucket_is_full);
	tcase_add_loop_test(t, different_answers_have_ten_times_the_rate, 0, 3);
	tcase_add_test(t, a_few_different_answers_have_the_rate_each);
	tcase_add_test(t, kinds_are_apart);
	tcase_add_loop_test(t, a_network_is_limited_and_no_other, 0, (int)COUNT(networks));
	tcase_add_loop_test(t, each_slip_th_of_the_rest_is_truncated, 0, 4);
	tcase_add_test(t, without_a_rate_all_pass);
	tcase_add_test(t, many_networks_do_not_fill_the_table);
	return s;
}
