#include <string.h>

#include "ranges.h"
#include "suites.h"
#include "util.h"

static struct range ranges[64];

static size_t merged(const char *const texts[], size_t len)
{
	for (size_t i = 0; i < len; i++) {
		struct wg_allowedip prefix = util_allowedip(texts[i]);

		ranges_from_prefix(&prefix, &ranges[i]);
	}
	return ranges_merge(ranges, len);
}

static bool has(size_t len, const char *address)
{
	struct endpoint ep = util_endpoint(address);
	uint8_t key[RANGES_ADDR];

	ranges_key(ep.family, ep.addr, key);
	return ranges_have(ranges, len, key);
}

/* What is in, what is out, and how many ranges are left. */
static const struct {
	const char *prefixes[6];
	size_t left;
	const char *in[6], *out[6];
} sets[] = {
    {{0}, 0, {0}, {"0.0.0.0", "10.0.0.1", "::", "::1"}},
    {{"10.0.0.0/24"}, 1, {"10.0.0.0", "10.0.0.77", "10.0.0.255"}, {"9.255.255.255", "10.0.1.0", "::", "a00::"}},
    {{"192.0.2.1/32"}, 1, {"192.0.2.1"}, {"192.0.2.0", "192.0.2.2"}},
    {{"10.0.0.0/25", "10.0.0.128/25"}, 1, {"10.0.0.127", "10.0.0.128"}, {"10.0.1.0"}},
    {{"10.0.0.128/25", "10.0.0.0/25", "10.0.1.0/24"}, 1, {"10.0.0.0", "10.0.1.255"}, {"10.0.2.0"}},
    {{"10.0.0.0/24", "10.0.2.0/24"}, 2, {"10.0.0.255", "10.0.2.0"}, {"10.0.1.0", "10.0.1.255"}},
    {{"10.0.0.5/32", "10.0.0.0/8", "10.1.2.0/24"}, 1, {"10.255.255.255"}, {"11.0.0.0"}},
    {{"10.0.0.0/32", "10.0.0.0/32"}, 1, {"10.0.0.0"}, {"10.0.0.1"}},
    /* Each family by itself: all of the one has nothing of the other. */
    {{"0.0.0.0/0"}, 1, {"0.0.0.0", "255.255.255.255"}, {"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}},
    {{"::/0"}, 1, {"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, {"0.0.0.0", "255.255.255.255", "6.0.0.0"}},
    {{"255.255.255.255/32", "::/128"}, 2, {"255.255.255.255", "::"}, {"255.255.255.254", "::1"}},
    {{"0.0.0.0/0", "::/0"}, 2, {"1.2.3.4", "2001:db8::1"}, {0}},
    {{"2001:db8::/33", "2001:db8:8000::/33"}, 1, {"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"}, {"2001:db9::"}},
    {{"2001:db8::ffff/128", "2001:db8::1:0/112"}, 1, {"2001:db8::ffff", "2001:db8::1:ffff"}, {"2001:db8::fffe", "2001:db8::2:0"}},
    {{"0.0.0.0/32", "255.255.255.255/32"}, 2, {"0.0.0.0", "255.255.255.255"}, {"0.0.0.1", "255.255.255.254"}},
};

START_TEST(a_set_has_its_prefixes_and_nothing_else)
{
	size_t len = 0, left;

	while (len < COUNT(sets[_i].prefixes) && sets[_i].prefixes[len] != NULL)
		len++;
	left = merged(sets[_i].prefixes, len);
	ck_assert_uint_eq(left, sets[_i].left);
	ck_assert(ranges_are_sound(ranges, left));
	for (size_t i = 0; i < COUNT(sets[_i].in) && sets[_i].in[i] != NULL; i++)
		ck_assert_msg(has(left, sets[_i].in[i]), "%s is not in", sets[_i].in[i]);
	for (size_t i = 0; i < COUNT(sets[_i].out) && sets[_i].out[i] != NULL; i++)
		ck_assert_msg(!has(left, sets[_i].out[i]), "%s is in", sets[_i].out[i]);
}
END_TEST

static bool is_in(const struct wg_allowedip *set, size_t len, const struct wg_allowedip *host)
{
	for (size_t i = 0; i < len; i++)
		if (allowedip_is_within(host, &set[i]))
			return true;
	return false;
}

static struct wg_allowedip host_of(const uint8_t key[RANGES_ADDR])
{
	struct wg_allowedip host = {.family = key[0] == 4 ? AF_INET : AF_INET6, .cidr = key[0] == 4 ? 32 : 128};

	memcpy(host.addr, key + 1, key[0] == 4 ? 4 : 16);
	return host;
}

/* The octet before or behind an address of its family. */
static void step(uint8_t key[RANGES_ADDR], int by)
{
	for (int i = key[0] == 4 ? 4 : 16; i > 0; i--) {
		key[i] = (uint8_t)(key[i] + by);
		if (key[i] != (by > 0 ? 0 : 0xff))
			return;
	}
}

/* Many sets of prefixes that lie close to each other, against a plain search through all of them: at each end, before it and
 * behind it. */
START_TEST(any_set_is_what_its_prefixes_are)
{
	uint64_t random = 77;

	for (int turn = 0; turn < 2000; turn++) {
		struct wg_allowedip set[24];
		struct range as_given[24];
		size_t len = util_random(&random) % 25, left;

		for (size_t i = 0; i < len; i++) {
			bool six = util_random(&random) % 3 == 0;
			unsigned bits = six ? 128 : 32;

			set[i] = (struct wg_allowedip){.family = six ? AF_INET6 : AF_INET,
			    .cidr = (uint8_t)(bits - util_random(&random) % (turn % 50 == 0 ? bits + 1 : 9))};
			if (turn % 3 == 0) /* up to the last address of all */
				memset(set[i].addr, 0xff, bits / 8);
			set[i].addr[bits / 8 - 1] = (uint8_t)util_random(&random);
			set[i].addr[bits / 8 - 2] ^= (uint8_t)(util_random(&random) & 1);
			ranges_from_prefix(&set[i], &as_given[i]);
			ranges[i] = as_given[i];
		}
		left = ranges_merge(ranges, len);
		ck_hot(left <= len && ranges_are_sound(ranges, left));
		for (size_t i = 0; i < len; i++) {
			for (int end = 0; end < 6; end++) {
				uint8_t key[RANGES_ADDR];
				struct wg_allowedip host;

				memcpy(key, end < 3 ? as_given[i].first : as_given[i].last, sizeof(key));
				if (end % 3 != 0)
					step(key, end % 3 == 1 ? 1 : -1);
				host = host_of(key);
				ck_hot(ranges_have(ranges, left, key) == is_in(set, len, &host));
			}
		}
	}
}
END_TEST

START_TEST(what_is_not_merged_is_not_sound)
{
	static const char *const two[] = {"10.0.0.0/24", "10.0.2.0/24"}, *const touch[] = {"10.0.0.0/24", "10.0.1.0/24"},
	                        *const within[] = {"10.0.0.0/8", "10.1.0.0/16"};
	struct range swapped;

	ck_assert(ranges_are_sound(NULL, 0));
	ck_assert_uint_eq(merged(two, 2), 2);
	ck_assert(ranges_are_sound(ranges, 2));
	swapped = ranges[0];
	ranges[0] = ranges[1];
	ranges[1] = swapped;
	ck_assert(!ranges_are_sound(ranges, 2));
	ck_assert(ranges_are_sound(ranges, 1));
	memcpy(swapped.first, ranges[0].last, RANGES_ADDR); /* backwards */
	memcpy(swapped.last, ranges[0].first, RANGES_ADDR);
	ck_assert(!ranges_are_sound(&swapped, 1));
	for (size_t i = 0; i < 2; i++) {
		struct wg_allowedip a = util_allowedip(touch[i]), b = util_allowedip(within[i]);

		ranges_from_prefix(&a, &ranges[i]);
		ranges_from_prefix(&b, &ranges[2 + i]);
	}
	ck_assert(!ranges_are_sound(ranges, 2));
	ck_assert(!ranges_are_sound(ranges + 2, 2));
	ranges[1] = ranges[0]; /* the same twice */
	ck_assert(!ranges_are_sound(ranges, 2));
}
END_TEST

Suite *suite_ranges(void)
{
	Suite *s = suite_create("ranges");
	TCase *t = tcase_create("ranges");

	suite_add_tcase(s, t);
	tcase_add_loop_test(t, a_set_has_its_prefixes_and_nothing_else, 0, (int)COUNT(sets));
	tcase_add_test(t, any_set_is_what_its_prefixes_are);
	tcase_add_test(t, what_is_not_merged_is_not_sound);
	return s;
}
