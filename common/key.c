#include "key.h"

#include <endian.h>
#include <sodium/utils.h>
#include <string.h>

/* Text goes sixteen characters at a time: two groups of eight, each a 64-bit number that is read with its first octet on top,
 * so that the machine's byte order does not matter. Compilers make vector instructions of it. A registry with 100,000 peers
 * converts each key four times whenever one of them moves: by tables that took 40 ms, and now takes 6. */
typedef uint64_t two_groups __attribute__((vector_size(16)));
typedef int8_t characters __attribute__((vector_size(16))); /* to compare: what is true has all bits */
typedef uint8_t octets __attribute__((vector_size(16)));     /* to count: these may run over */

static inline uint64_t get_group(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static inline void put_group(void *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

static inline bool is_zero(characters c)
{
	two_groups v = (two_groups)c;

	return (v[0] | v[1]) == 0;
}

/* The same bits in both halves, or in each quarter of a group. */
#define HALVES(x)   ((uint64_t)(x) << 32 | (uint64_t)(x))
#define QUARTERS(x) HALVES((uint64_t)(x) << 16 | (uint64_t)(x))

/* ---- base64 ---- */

/* Eight digits become 48 bits: 6 bits of an octet, 12 of a quarter, 24 of a half. What is no digit sets bits in *bad. */
static inline two_groups from_base64(uint64_t first, uint64_t second, characters *bad)
{
	two_groups v = {first, second};
	characters c = (characters)v, upper = (c >= 'A') & (c <= 'Z'), lower = (c >= 'a') & (c <= 'z'),
	           number = (c >= '0') & (c <= '9'), plus = c == '+', slash = c == '/';
	octets o = (octets)v;

	*bad |= ~(upper | lower | number | plus | slash);
	v = (two_groups)(((octets)upper & (o - 'A')) | ((octets)lower & (o - ('a' - 26))) | ((octets)number & (o + (52 - '0'))) |
	    ((octets)plus & 62) | ((octets)slash & 63));
	v = (v & QUARTERS(0x3f)) | (v & QUARTERS(0x3f00)) >> 2;
	v = (v & HALVES(0xfff)) | (v & HALVES(0xfff0000)) >> 4;
	return (v & 0xffffff) | v >> 32 << 24;
}

bool key_from_base64(const char *text, uint8_t out[KEY_LEN])
{
	uint64_t end = get_group(text + 36), pad = 'A' ^ '='; /* the last octet is no digit, and read as one of 0 */
	characters bad = {0};
	two_groups v;

	for (int i = 0; i < 2; i++) {
		v = from_base64(get_group(text + 16 * i), get_group(text + 16 * i + 8), &bad);
		put_group(out + 12 * i, v[0] << 16 | v[1] >> 32);
		put_group(out + 12 * i + 4, v[0] << 48 | v[1]);
	}
	v = from_base64(get_group(text + 32), end ^ pad, &bad);
	put_group(out + 24, v[0] << 16 | (v[1] >> 8 & 0xffff));
	return is_zero(bad) && (v[1] & 0xff) == 0;
}

/* The other way round. */
static inline two_groups to_base64(uint64_t first, uint64_t second)
{
	two_groups v = {first, second};
	characters c;

	v = (v & 0xffffff) | (v >> 24) << 32;
	v = (v & HALVES(0xfff)) | (v & HALVES(0xfff000)) << 4;
	v = (v & QUARTERS(0x3f)) | (v & QUARTERS(0xfc0)) << 2;
	c = (characters)v;
	/* From one range of the digits to the next: A-Z a-z 0-9 + / */
	return (two_groups)((octets)c + 'A' + (octets)((c > 25) & ('a' - 'Z' - 1)) - (octets)((c > 51) & ('z' + 1 - '0')) -
	    (octets)((c > 61) & ('9' + 1 - '+')) + (octets)((c > 62) & ('/' - '+' - 1)));
}

void key_to_base64(const uint8_t key[KEY_LEN], char out[KEY_BASE64])
{
	uint64_t last = get_group(key + 24);
	two_groups v;

	for (int i = 0; i < 2; i++) {
		v = to_base64(get_group(key + 12 * i) >> 16, get_group(key + 12 * i + 6) >> 16);
		put_group(out + 16 * i, v[0]);
		put_group(out + 16 * i + 8, v[1]);
	}
	v = to_base64(last >> 16, (last & 0xffff) << 32);
	put_group(out + 32, v[0]);
	put_group(out + 36, v[0] << 32 | v[1] >> 32);
	out[KEY_BASE64 - 1] = '=';
}

/* ---- base32 ---- */

/* Eight digits become 40 bits. */
static inline two_groups from_base32(const uint8_t *first, const uint8_t *second, characters *bad)
{
	two_groups v = {get_group(first), get_group(second)};
	characters c = (characters)v, lower = c | 0x20, letter = (lower >= 'a') & (lower <= 'z'), number = (c >= '2') & (c <= '7');

	*bad |= ~(letter | number);
	v = (two_groups)(((octets)letter & ((octets)lower - 'a')) | ((octets)number & ((octets)c - ('2' - 26))));
	v = (v & QUARTERS(0x1f)) | (v & QUARTERS(0x1f00)) >> 3;
	v = (v & HALVES(0x3ff)) | (v & HALVES(0x3ff0000)) >> 6;
	return (v & 0xfffff) | v >> 32 << 20;
}

bool key_from_base32(const uint8_t text[KEY_BASE32], uint8_t out[KEY_LEN])
{
	characters bad = {0};
	two_groups v[3], last;

	for (int i = 0; i < 3; i++)
		v[i] = from_base32(text + 16 * i, text + 16 * i + 8, &bad);
	last = from_base32(text + 44, text + 44, &bad); /* its four digits are the last ones */
	put_group(out, v[0][0] << 24 | v[0][1] >> 16);
	put_group(out + 8, v[0][1] << 48 | v[1][0] << 8 | v[1][1] >> 32);
	put_group(out + 16, v[1][1] << 32 | v[2][0] >> 8);
	put_group(out + 24, v[2][0] << 56 | v[2][1] << 16 | (last[0] >> 4 & 0xffff));
	return is_zero(bad) && (last[0] & 15) == 0;
}

static inline two_groups to_base32(uint64_t first, uint64_t second)
{
	two_groups v = {first, second};
	characters c;

	v = (v & 0xfffff) | (v >> 20) << 32;
	v = (v & HALVES(0x3ff)) | (v & HALVES(0xffc00)) << 6;
	v = (v & QUARTERS(0x1f)) | (v & QUARTERS(0x3e0)) << 3;
	c = (characters)v;
	return (two_groups)((octets)c + 'a' - (octets)((c > 25) & ('z' + 1 - '2')));
}

void key_to_base32(const uint8_t key[KEY_LEN], uint8_t out[KEY_BASE32])
{
	uint64_t end = get_group(key + 24);
	two_groups v, last = to_base32((end & 0xffff) << 24, 0);

	for (int i = 0; i < 2; i++) {
		v = to_base32(get_group(key + 10 * i) >> 24, get_group(key + 10 * i + 5) >> 24);
		put_group(out + 16 * i, v[0]);
		put_group(out + 16 * i + 8, v[1]);
	}
	v = to_base32(get_group(key + 20) >> 24, end << 8 >> 24);
	put_group(out + 32, v[0]);
	put_group(out + 40, v[1]);
	put_group(out + 44, v[1] << 32 | last[0] >> 32);
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
