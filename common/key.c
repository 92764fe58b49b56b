#include "key.h"

#include <sodium/utils.h>
#include <string.h>

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base32_digits[] = "abcdefghijklmnopqrstuvwxyz234567";

#define BAD 0xff

/* Digit values by octet, plus one: 0 stands for what is no digit, and becomes BAD when the one is taken off. */
static const uint8_t base64_values[256] = {
    ['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
    ['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49,
    50, 51, 52, ['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, ['+'] = 63, ['/'] = 64};
static const uint8_t base32_values[256] = {
    ['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
    ['a'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
    ['2'] = 27, 28, 29, 30, 31, 32};

static uint8_t digit(const uint8_t values[256], uint8_t c)
{
	return (uint8_t)(values[c] - 1);
}

bool key_from_base64(const char *text, uint8_t out[KEY_LEN])
{
	const uint8_t *in = (const uint8_t *)text;
	uint32_t acc = 0;
	size_t n = 0;
	int bits = 0;

	for (size_t i = 0; i < KEY_BASE64 - 1; i++) {
		uint8_t v = digit(base64_values, in[i]);

		if (v == BAD)
			return false;
		acc = acc << 6 | v;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (uint8_t)(acc >> bits);
		}
	}
	return (acc & 3) == 0 && text[KEY_BASE64 - 1] == '=';
}

void key_to_base64(const uint8_t key[KEY_LEN], char out[KEY_BASE64])
{
	for (size_t i = 0; i < 30; i += 3, out += 4) {
		uint32_t v = (uint32_t)key[i] << 16 | (uint32_t)key[i + 1] << 8 | key[i + 2];

		out[0] = base64_digits[v >> 18];
		out[1] = base64_digits[v >> 12 & 63];
		out[2] = base64_digits[v >> 6 & 63];
		out[3] = base64_digits[v & 63];
	}
	uint32_t v = (uint32_t)key[30] << 16 | (uint32_t)key[31] << 8;

	out[0] = base64_digits[v >> 18];
	out[1] = base64_digits[v >> 12 & 63];
	out[2] = base64_digits[v >> 6 & 63];
	out[3] = '=';
}

bool key_from_base32(const uint8_t text[KEY_BASE32], uint8_t out[KEY_LEN])
{
	uint8_t bad = 0, v[8];

	/* Eight digits are five octets; 52 digits are six such groups, and four for the last two octets. */
	for (size_t g = 0; g < 6; g++, text += 8, out += 5) {
		for (size_t i = 0; i < 8; i++) {
			v[i] = digit(base32_values, text[i]);
			bad |= v[i];
		}
		out[0] = (uint8_t)(v[0] << 3 | v[1] >> 2);
		out[1] = (uint8_t)(v[1] << 6 | v[2] << 1 | v[3] >> 4);
		out[2] = (uint8_t)(v[3] << 4 | v[4] >> 1);
		out[3] = (uint8_t)(v[4] << 7 | v[5] << 2 | v[6] >> 3);
		out[4] = (uint8_t)(v[6] << 5 | v[7]);
	}
	for (size_t i = 0; i < 4; i++) {
		v[i] = digit(base32_values, text[i]);
		bad |= v[i];
	}
	out[0] = (uint8_t)(v[0] << 3 | v[1] >> 2);
	out[1] = (uint8_t)(v[1] << 6 | v[2] << 1 | v[3] >> 4);
	return (bad & 0x80) == 0 && (v[3] & 0x0f) == 0;
}

void key_to_base32(const uint8_t key[KEY_LEN], uint8_t out[KEY_BASE32])
{
	uint32_t acc = 0;
	int bits = 0;

	for (size_t i = 0; i < KEY_LEN; i++) {
		acc = acc << 8 | key[i];
		for (bits += 8; bits >= 5; *out++ = (uint8_t)base32_digits[acc >> bits & 31])
			bits -= 5;
	}
	*out = (uint8_t)base32_digits[acc << (5 - bits) & 31];
}

bool key_from_hex(const char *text, uint8_t out[KEY_LEN])
{
	return sodium_hex2bin(out, KEY_LEN, text, KEY_HEX, NULL, NULL, NULL) == 0;
}

void key_to_hex(const uint8_t key[KEY_LEN], char out[KEY_HEX + 1])
{
	sodium_bin2hex(out, KEY_HEX + 1, key, KEY_LEN);
}

bool key_same_prefix(const uint8_t a[KEY_LEN], const uint8_t b[KEY_LEN], unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return memcmp(a, b, whole) == 0 && (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

bool key_is_zero(const uint8_t key[KEY_LEN])
{
	static const uint8_t zero[KEY_LEN];

	return memcmp(key, zero, KEY_LEN) == 0;
}

const char *key_text(const uint8_t key[KEY_LEN], char out[KEY_BASE64 + 1])
{
	key_to_base64(key, out);
	out[KEY_BASE64] = '\0';
	return out;
}
