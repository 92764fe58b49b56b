#include <string.h>

#include "cookie.h"
#include "suites.h"
#include "util.h"

static void unhex(const char *text, uint8_t *out, size_t len)
{
	ck_assert_uint_eq(strlen(text), 2 * len);
	for (size_t i = 0; i < len; i++) {
		static const char digits[] = "0123456789abcdef";

		out[i] = (uint8_t)((strchr(digits, text[2 * i]) - digits) << 4 | (strchr(digits, text[2 * i + 1]) - digits));
	}
}

static void asker_of(const char *address, uint8_t out[RANGES_ADDR])
{
	struct endpoint ep = util_endpoint(address);

	ranges_key(ep.family, ep.addr, out);
}

#define SECRET "e5e973e5a6b2a43f48e7dc849e37bfcf"
#define BEFORE "dd3bdf9344b678b185a6f5cb60fca715"
#define AFTER  "445536bcd2513298075a5d379663c962"
#define NONE   "00000000000000000000000000000000"
#define JUNE   UINT32_C(1559731985)

/* RFC 9018 appendix A: two secrets, a client's cookie and address, what it sends and what it gets; a time behind each. */
static const struct {
	const char *secret, *before, *address, *client;
	const char *sent; /* NULL: only the client's */
	uint32_t now_s;
	enum cookie_verdict verdict;
	const char *made;
} vectors[] = {
    {SECRET, NONE, "198.51.100.100", "2464c4abcf10c957", NULL, 1559731985, COOKIE_BAD, "010000005cf79f111f8130c3eee29480"},
    {SECRET, NONE, "198.51.100.100", "2464c4abcf10c957", "010000005cf79f111f8130c3eee29480", 1559734385, COOKIE_OLD,
        "010000005cf7a871d4a564a1442aca77"},
    /* The reserved octets are the client's to send back; a new cookie has them cleared. */
    {SECRET, NONE, "203.0.113.203", "fc93fc62807ddb86", "01abcdef5cf78f71a314227b6679ebf5", 1559728000, COOKIE_GOOD,
        "010000005cf78f8000cea792af33c70d"},
    {SECRET, NONE, "203.0.113.203", "fc93fc62807ddb86", "01abcdef5cf78f71a314227b6679ebf5", 1559734700, COOKIE_BAD,
        "010000005cf7a9acf73a7810aca2381e"},
    {AFTER, BEFORE, "2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298", "010000005cf7c57926556bd0934c72f8", 1559741961,
        COOKIE_OLD, "010000005cf7c609a6bb79d16625507a"},
};

START_TEST(cookies_are_those_of_the_rfc)
{
	struct cookie_secrets secrets;
	uint8_t asker[RANGES_ADDR], cookie[COOKIE_LEN], want[COOKIE_LEN];

	unhex(vectors[_i].secret, secrets.at[0], COOKIE_SECRET);
	unhex(vectors[_i].before, secrets.at[1], COOKIE_SECRET);
	asker_of(vectors[_i].address, asker);
	memset(cookie, 0, sizeof(cookie));
	unhex(vectors[_i].client, cookie, COOKIE_CLIENT);
	memcpy(want, cookie, COOKIE_CLIENT);
	unhex(vectors[_i].made, want + COOKIE_CLIENT, 16);
	if (vectors[_i].sent != NULL)
		unhex(vectors[_i].sent, cookie + COOKIE_CLIENT, 16);
	ck_assert_int_eq(cookie_check(&secrets, cookie, asker, vectors[_i].now_s), vectors[_i].verdict);
	cookie_make(&secrets, cookie, asker, vectors[_i].now_s);
	ck_assert_msg(memcmp(cookie, want, COOKIE_LEN) == 0, "%s, not %s", util_hex(cookie, COOKIE_LEN), util_hex(want, COOKIE_LEN));
}
END_TEST

static struct cookie_secrets secrets;
static uint8_t asker[RANGES_ADDR], cookie[COOKIE_LEN];

static void make(uint32_t now_s)
{
	unhex(SECRET, secrets.at[0], COOKIE_SECRET);
	unhex(BEFORE, secrets.at[1], COOKIE_SECRET);
	asker_of("198.51.100.100", asker);
	unhex("2464c4abcf10c957", cookie, COOKIE_CLIENT);
	cookie_make(&secrets, cookie, asker, now_s);
}

static enum cookie_verdict check_at(uint32_t now_s)
{
	return cookie_check(&secrets, cookie, asker, now_s);
}

/* The 32 bits of seconds turn over in 2106: RFC 1982 tells what is before. */
static const uint32_t times[] = {JUNE, 0, 1, 100, UINT32_MAX, UINT32_MAX - 100, 1u << 31, (1u << 31) - 1, (1u << 31) + 1700};

START_TEST(a_cookie_is_good_for_half_an_hour_and_old_for_as_long)
{
	uint32_t at = times[_i];

	make(at);
	ck_assert_int_eq(check_at(at), COOKIE_GOOD);
	ck_assert_int_eq(check_at(at + 1800), COOKIE_GOOD);
	ck_assert_int_eq(check_at(at + 1801), COOKIE_OLD);
	ck_assert_int_eq(check_at(at + 3600), COOKIE_OLD);
	ck_assert_int_eq(check_at(at + 3601), COOKIE_BAD);
	ck_assert_int_eq(check_at(at + 86400), COOKIE_BAD);
	ck_assert_int_eq(check_at(at + (1u << 31) - 1), COOKIE_BAD);
	ck_assert_int_eq(check_at(at + (1u << 31)), COOKIE_BAD);
	ck_assert_int_eq(check_at(at + (1u << 31) + 1), COOKIE_BAD);
	/* Of the future: a server whose clock is ahead by five minutes may have made it. */
	ck_assert_int_eq(check_at(at - 1), COOKIE_OLD);
	ck_assert_int_eq(check_at(at - 300), COOKIE_OLD);
	ck_assert_int_eq(check_at(at - 301), COOKIE_BAD);
}
END_TEST

START_TEST(every_bit_of_a_cookie_counts)
{
	make(JUNE);
	for (size_t bit = 0; bit < 8 * COOKIE_LEN; bit++) {
		cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_msg(check_at(JUNE) == COOKIE_BAD, "bit %zu", bit);
		cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert_int_eq(check_at(JUNE), COOKIE_GOOD);
}
END_TEST

START_TEST(every_bit_of_the_address_counts)
{
	make(JUNE);
	for (size_t bit = 8; bit < 8 * 5; bit++) {
		asker[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_msg(check_at(JUNE) == COOKIE_BAD, "bit %zu", bit);
		asker[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	asker_of("c633:6464::", asker); /* the same octets in the other family */
	ck_assert_int_eq(check_at(JUNE), COOKIE_BAD);
	cookie_make(&secrets, cookie, asker, JUNE);
	for (size_t bit = 8; bit < 8 * 17; bit++) {
		asker[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_msg(check_at(JUNE) == COOKIE_BAD, "bit %zu", bit);
		asker[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert_int_eq(check_at(JUNE), COOKIE_GOOD);
}
END_TEST

/* When the secret moves on, what the last one made is old; when it moves on again, it is nothing. */
START_TEST(a_secret_is_good_until_the_next_but_one)
{
	make(JUNE);
	memcpy(secrets.at[1], secrets.at[0], COOKIE_SECRET);
	unhex(AFTER, secrets.at[0], COOKIE_SECRET);
	ck_assert_int_eq(check_at(JUNE), COOKIE_OLD);
	ck_assert_int_eq(check_at(JUNE + 3600), COOKIE_OLD);
	ck_assert_int_eq(check_at(JUNE + 3601), COOKIE_BAD);
	memcpy(secrets.at[1], secrets.at[0], COOKIE_SECRET);
	unhex(BEFORE, secrets.at[0], COOKIE_SECRET);
	ck_assert_int_eq(check_at(JUNE), COOKIE_BAD);
}
END_TEST

START_TEST(another_secret_is_another_cookie)
{
	uint8_t was[COOKIE_LEN];

	make(JUNE);
	memcpy(was, cookie, sizeof(was));
	for (size_t bit = 0; bit < 8 * COOKIE_SECRET; bit++) {
		make(JUNE);
		secrets.at[0][bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(check_at(JUNE), COOKIE_BAD);
		cookie_make(&secrets, cookie, asker, JUNE);
		ck_assert_mem_eq(cookie, was, COOKIE_LEN - 8);
		ck_assert_mem_ne(cookie + COOKIE_LEN - 8, was + COOKIE_LEN - 8, 8);
	}
}
END_TEST

Suite *suite_cookie(void)
{
	Suite *s = suite_create("cookie");
	TCase *t = tcase_create("cookie");

	suite_add_tcase(s, t);
	tcase_add_loop_test(t, cookies_are_those_of_the_rfc, 0, (int)COUNT(vectors));
	tcase_add_loop_test(t, a_cookie_is_good_for_half_an_hour_and_old_for_as_long, 0, (int)COUNT(times));
	tcase_add_test(t, every_bit_of_a_cookie_counts);
	tcase_add_test(t, every_bit_of_the_address_counts);
	tcase_add_test(t, a_secret_is_good_until_the_next_but_one);
	tcase_add_test(t, another_secret_is_another_cookie);
	return s;
}
