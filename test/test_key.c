#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "suites.h"
#include "util.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

#define MANY 2000

/* Keys of all bits, one bit, no bit, and many others. */
static void some_key(size_t i, uint8_t key[KEY_LEN])
{
	memset(key, i == 0 ? 0xff : 0, KEY_LEN);
	if (i >= 2 && i < 2 + 256)
		key[(i - 2) / 8] = (uint8_t)(0x80 >> (i - 2) % 8);
	else if (i >= 2)
		util_key(i, key);
}

START_TEST(base64_is_as_ldns_writes_it_and_reads_back)
{
	for (size_t i = 0; i < MANY; i++) {
		uint8_t key[KEY_LEN], back[KEY_LEN];
		char text[KEY_BASE64], *oracle;
		ldns_rdf *rdf;

		some_key(i, key);
		key_to_base64(key, text);
		rdf = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_B64, KEY_LEN, key);
		oracle = ldns_rdf2str(rdf);
		ck_assert_uint_eq(strlen(oracle), KEY_BASE64);
		ck_assert_mem_eq(text, oracle, KEY_BASE64);
		LDNS_FREE(oracle);
		ldns_rdf_deep_free(rdf);
		ck_assert(key_from_base64(text, back));
		ck_assert_mem_eq(back, key, KEY_LEN);
	}
}
END_TEST

START_TEST(base32_is_as_ldns_writes_it_and_reads_back_in_either_case)
{
	for (size_t i = 0; i < MANY; i++) {
		uint8_t key[KEY_LEN], back[KEY_LEN], text[KEY_BASE32];
		char oracle[64];

		some_key(i, key);
		key_to_base32(key, text);
		ck_assert_int_eq(ldns_b32_ntop(key, KEY_LEN, oracle, sizeof(oracle)), KEY_BASE32_PAD);
		ck_assert_mem_eq(text, oracle, KEY_BASE32);
		ck_assert_mem_eq(oracle + KEY_BASE32, "====", 4);
		ck_assert(key_from_base32(text, back));
		ck_assert_mem_eq(back, key, KEY_LEN);
		for (size_t j = i % 3; j < KEY_BASE32; j += 1 + i % 2)
			if (text[j] >= 'a' && text[j] <= 'z')
				text[j] = (uint8_t)(text[j] - 'a' + 'A');
		ck_assert(key_from_base32(text, back));
		ck_assert_mem_eq(back, key, KEY_LEN);
	}
}
END_TEST

START_TEST(hex_reads_back_in_either_case)
{
	for (size_t i = 0; i < MANY; i++) {
		uint8_t key[KEY_LEN], back[KEY_LEN];
		char text[KEY_HEX + 1];

		some_key(i, key);
		key_to_hex(key, text);
		ck_assert_str_eq(text, util_hex(key, KEY_LEN));
		ck_assert(key_from_hex(text, back));
		ck_assert_mem_eq(back, key, KEY_LEN);
		for (size_t j = 0; j < KEY_HEX; j++)
			if (text[j] >= 'a')
				text[j] = (char)(text[j] - 'a' + 'A');
		ck_assert(key_from_hex(text, back));
		ck_assert_mem_eq(back, key, KEY_LEN);
	}
}
END_TEST

/* Each key has one text: any other octet at any place is refused, or makes the text of another key. */
START_TEST(a_base64_text_that_is_read_is_the_one_that_is_written)
{
	uint8_t key[KEY_LEN];
	char text[KEY_BASE64], back[KEY_BASE64];
	size_t read = 0;

	util_key(7, key);
	key_to_base64(key, text);
	for (size_t at = 0; at < KEY_BASE64; at++) {
		char was = text[at];

		for (unsigned c = 0; c < 256; c++) {
			text[at] = (char)c;
			if (!key_from_base64(text, key))
				continue;
			read++;
			key_to_base64(key, back);
			ck_assert_mem_eq(back, text, KEY_BASE64);
		}
		text[at] = was;
	}
	/* 64 digits at 42 places, one of 16 at the last, and no choice for the "=" */
	ck_assert_uint_eq(read, 42 * 64 + 16 + 1);
}
END_TEST

START_TEST(a_base32_text_that_is_read_is_the_one_that_is_written)
{
	uint8_t key[KEY_LEN], text[KEY_BASE32], back[KEY_BASE32];
	size_t read = 0;

	util_key(7, key);
	key_to_base32(key, text);
	for (size_t at = 0; at < KEY_BASE32; at++) {
		uint8_t was = text[at];

		for (unsigned c = 0; c < 256; c++) {
			text[at] = (uint8_t)c;
			if (!key_from_base32(text, key))
				continue;
			read++;
			key_to_base32(key, back);
			text[at] = name_lower(text[at]);
			ck_assert_mem_eq(back, text, KEY_BASE32);
		}
		text[at] = was;
	}
	/* 26 letters in two cases and 6 digits at 51 places; a or q at the last, of which four bits must be 0 */
	ck_assert_uint_eq(read, 51 * 58 + 2 * 2);
}
END_TEST

START_TEST(a_hex_text_with_another_octet_is_refused)
{
	uint8_t key[KEY_LEN];
	char text[KEY_HEX + 1];
	size_t read = 0;

	util_key(7, key);
	key_to_hex(key, text);
	for (size_t at = 0; at < KEY_HEX; at++) {
		char was = text[at];

		for (unsigned c = 0; c < 256; c++) {
			text[at] = (char)c;
			read += key_from_hex(text, key);
		}
		text[at] = was;
	}
	ck_assert_uint_eq(read, KEY_HEX * 22);
}
END_TEST

/* The memory ends with the text, or with as many octets as there must be: a sanitizer sees what reads on. */
START_TEST(a_text_that_ends_early_is_refused_and_not_read_behind)
{
	uint8_t key[KEY_LEN];
	char base64[KEY_BASE64], hex[KEY_HEX + 1];

	util_key(7, key);
	key_to_base64(key, base64);
	key_to_hex(key, hex);
	for (size_t len = 0; len < KEY_HEX; len++) {
		char *text = malloc(len + 1);

		ck_assert_ptr_nonnull(text);
		memcpy(text, hex, len);
		text[len] = '\0';
		ck_assert(!key_from_hex(text, key));
		free(text);
	}
	for (size_t len = 0; len <= KEY_BASE64; len++) {
		char *text = calloc(1, KEY_BASE64);

		ck_assert_ptr_nonnull(text);
		memcpy(text, base64, len);
		ck_assert_int_eq(key_from_base64(text, key), len == KEY_BASE64);
		free(text);
	}
}
END_TEST

/* Keys that differ in one bit have what is before it in common; of those that are the same, all. */
START_TEST(prefixes_are_the_same_up_to_the_bit_that_differs)
{
	uint8_t a[KEY_LEN], b[KEY_LEN];

	util_key(1, a);
	memcpy(b, a, KEY_LEN);
	for (unsigned bits = 0; bits <= 8 * KEY_LEN; bits++)
		ck_assert(key_same_prefix(a, b, bits));
	for (unsigned bit = 0; bit < 8 * KEY_LEN; bit++) {
		memcpy(b, a, KEY_LEN);
		b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		for (unsigned bits = 0; bits <= 8 * KEY_LEN; bits++)
			ck_hot(key_same_prefix(a, b, bits) == (bits <= bit));
		memset(b + bit / 8 + 1, 0x33, KEY_LEN - bit / 8 - 1); /* whatever is behind */
		ck_assert(key_same_prefix(b, a, bit) && !key_same_prefix(b, a, bit + 1));
	}
}
END_TEST

/* Five bits are a character. */
START_TEST(prefixes_are_those_of_the_base32)
{
	for (uint64_t n = 0; n < 3000; n++) {
		uint8_t a[KEY_LEN], b[KEY_LEN], one[KEY_BASE32], other[KEY_BASE32];

		util_key(n, a);
		util_key(n + 1, b);
		b[0] = (uint8_t)((a[0] & 0xfc) | (b[0] & 3)); /* often the same for a character or two */
		key_to_base32(a, one);
		key_to_base32(b, other);
		for (unsigned chars = 0; chars <= 8; chars++)
			ck_hot(key_same_prefix(a, b, 5 * chars) == (memcmp(one, other, chars) == 0));
	}
}
END_TEST

START_TEST(only_the_key_of_zeros_is_zero)
{
	for (size_t i = 0; i < 300; i++) {
		uint8_t key[KEY_LEN];

		some_key(i, key);
		ck_assert_int_eq(key_is_zero(key), i == 1);
	}
}
END_TEST

START_TEST(text_for_messages_is_base64_with_its_end)
{
	uint8_t key[KEY_LEN] = {0};
	char text[KEY_BASE64 + 1];

	ck_assert_ptr_eq(key_text(key, text), text);
	ck_assert_str_eq(text, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
}
END_TEST

/* ---- bit by bit ---- */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base32_digits[] = "abcdefghijklmnopqrstuvwxyz234567";

/* `width` bits of the key from bit `at` on; behind the key they are 0. */
static unsigned bits_of(const uint8_t key[KEY_LEN], size_t at, size_t width)
{
	unsigned v = 0;

	for (size_t i = at; i < at + width; i++)
		v = v << 1 | (i < 8 * KEY_LEN && (key[i / 8] >> (7 - i % 8) & 1));
	return v;
}

/* As the text of a base is defined: RFC 4648. False if it is none. */
static bool read_bits(const uint8_t *text, size_t len, const char *digits, size_t width, uint8_t key[KEY_LEN])
{
	memset(key, 0, KEY_LEN);
	for (size_t i = 0; i < len; i++) {
		const char *digit = text[i] != 0 ? strchr(digits, width == 5 ? name_lower(text[i]) : text[i]) : NULL;

		if (digit == NULL)
			return false;
		for (size_t j = 0; j < width; j++) {
			size_t bit = i * width + j;
			bool set = ((size_t)(digit - digits) >> (width - 1 - j) & 1) != 0;

			if (set && bit >= 8 * KEY_LEN)
				return false;
			if (set)
				key[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
		}
	}
	return true;
}

static void check_texts(const uint8_t key[KEY_LEN])
{
	uint8_t base32[KEY_BASE32 + 1], back[KEY_LEN];
	char base64[KEY_BASE64 + 1];

	base32[KEY_BASE32] = 0x5a;
	base64[KEY_BASE64] = 0x5a;
	key_to_base32(key, base32);
	key_to_base64(key, base64);
	for (size_t i = 0; i < KEY_BASE32; i++)
		ck_hot(base32[i] == base32_digits[bits_of(key, 5 * i, 5)]);
	for (size_t i = 0; i < KEY_BASE64 - 1; i++)
		ck_hot(base64[i] == base64_digits[bits_of(key, 6 * i, 6)]);
	ck_hot(base64[KEY_BASE64 - 1] == '=' && base64[KEY_BASE64] == 0x5a && base32[KEY_BASE32] == 0x5a);
	ck_hot(key_from_base32(base32, back) && memcmp(back, key, KEY_LEN) == 0);
	ck_hot(key_from_base64(base64, back) && memcmp(back, key, KEY_LEN) == 0);
}

/* Each value of each octet, among zeros, ones, and others; and so each digit at each place. */
START_TEST(each_octet_of_a_key_is_written_where_it_belongs)
{
	for (size_t i = 0; i < 4; i++) {
		uint8_t key[KEY_LEN];

		some_key(i < 2 ? i : 1000 + i, key);
		for (size_t at = 0; at < KEY_LEN; at++) {
			uint8_t was = key[at];

			for (unsigned v = 0; v < 256; v++) {
				key[at] = (uint8_t)v;
				check_texts(key);
			}
			key[at] = was;
		}
	}
	for (size_t i = 0; i < 20000; i++) {
		uint8_t key[KEY_LEN];

		util_key(i, key);
		check_texts(key);
	}
}
END_TEST

static void check_base32(const uint8_t text[KEY_BASE32], size_t *taken)
{
	uint8_t key[KEY_LEN], wanted[KEY_LEN];
	bool good = read_bits(text, KEY_BASE32, base32_digits, 5, wanted);

	ck_hot(key_from_base32(text, key) == good);
	ck_hot(!good || memcmp(key, wanted, KEY_LEN) == 0);
	*taken += good;
}

static void check_base64(const uint8_t text[KEY_BASE64], size_t *taken)
{
	uint8_t key[KEY_LEN], wanted[KEY_LEN];
	bool good = read_bits(text, KEY_BASE64 - 1, base64_digits, 6, wanted) && text[KEY_BASE64 - 1] == '=';

	ck_hot(key_from_base64((const char *)text, key) == good);
	ck_hot(!good || memcmp(key, wanted, KEY_LEN) == 0);
	*taken += good;
}

/* Each octet at each place: what is no digit is refused, and a digit is the bits that it stands for. */
START_TEST(each_octet_of_a_text_is_read_as_it_is_defined)
{
	size_t taken = 0, turns = 0;

	for (size_t i = 0; i < 6; i++, turns++) {
		uint8_t key[KEY_LEN], base32[KEY_BASE32], base64[KEY_BASE64];

		some_key(i < 2 ? i : 1000 + i, key);
		key_to_base32(key, base32);
		key_to_base64(key, (char *)base64);
		for (size_t at = 0; at < KEY_BASE64; at++)
			for (unsigned c = 0; c < 256; c++) {
				uint8_t was = base64[at];

				base64[at] = (uint8_t)c;
				check_base64(base64, &taken);
				base64[at] = was;
			}
		for (size_t at = 0; at < KEY_BASE32; at++)
			for (unsigned c = 0; c < 256; c++) {
				uint8_t was = base32[at];

				base32[at] = (uint8_t)c;
				check_base32(base32, &taken);
				base32[at] = was;
			}
	}
	ck_assert_uint_eq(taken, turns * (51 * 58 + 2 * 2 + 42 * 64 + 16 + 1));
}
END_TEST

/* Eight characters are taken together: what is wrong with one must not be made up for by those beside it. */
START_TEST(octets_beside_each_other_do_not_hide_one_another)
{
	static const uint8_t odd[] = {0, 1, 0x0f, 0x12, 0x17, 0x18, 0x1f, 0x20, '+', '-', '/', '0', '1', '2', '7', '8', '9', ':', '=', '@',
	    'A', 'Z', '[', 0x5f, '`', 'a', 'z', '{', 0x7f, 0x80, 0xab, 0xaf, 0xb2, 0xc1, 0xe0, 0xe1, 0xff};
	const char *digits = _i == 0 ? base32_digits : base64_digits;
	size_t chars = _i == 0 ? KEY_BASE32 : KEY_BASE64, taken = 0;
	uint64_t random = 815;

	for (size_t turn = 0; turn < 300000; turn++) {
		uint8_t text[KEY_BASE32];
		size_t from = util_random(&random) % chars, len = 1 + util_random(&random) % 8;

		for (size_t i = 0; i < chars; i++)
			text[i] = (uint8_t)digits[util_random(&random) % strlen(digits)];
		if (_i == 0) {
			text[KEY_BASE32 - 1] = turn % 2 == 0 ? 'a' : 'Q';
		} else {
			text[KEY_BASE64 - 2] = turn % 2 == 0 ? 'A' : 'g';
			text[KEY_BASE64 - 1] = '=';
		}
		for (size_t i = from; i < from + len && i < chars; i++)
			text[i] = turn % 3 == 0 ? (uint8_t)(util_random(&random) >> 20) : odd[util_random(&random) % COUNT(odd)];
		_i == 0 ? check_base32(text, &taken) : check_base64(text, &taken);
	}
	ck_assert_uint_gt(taken, 3000);
}
END_TEST

Suite *suite_key(void)
{
	Suite *s = suite_create("key");
	TCase *t = tcase_create("key");

	suite_add_tcase(s, t);
	tcase_add_test(t, base64_is_as_ldns_writes_it_and_reads_back);
	tcase_add_test(t, base32_is_as_ldns_writes_it_and_reads_back_in_either_case);
	tcase_add_test(t, hex_reads_back_in_either_case);
	tcase_add_test(t, a_base64_text_that_is_read_is_the_one_that_is_written);
	tcase_add_test(t, a_base32_text_that_is_read_is_the_one_that_is_written);
	tcase_add_test(t, a_hex_text_with_another_octet_is_refused);
	tcase_add_test(t, a_text_that_ends_early_is_refused_and_not_read_behind);
	tcase_add_test(t, each_octet_of_a_key_is_written_where_it_belongs);
	tcase_add_test(t, each_octet_of_a_text_is_read_as_it_is_defined);
	tcase_add_loop_test(t, octets_beside_each_other_do_not_hide_one_another, 0, 2);
	tcase_add_test(t, prefixes_are_the_same_up_to_the_bit_that_differs);
	tcase_add_test(t, prefixes_are_those_of_the_base32);
	tcase_add_test(t, only_the_key_of_zeros_is_zero);
	tcase_add_test(t, text_for_messages_is_base64_with_its_end);
	return s;
}
