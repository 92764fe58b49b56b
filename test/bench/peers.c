#include "peers.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#define SEED_KEYS      UINT64_C(0x5eed0000)
#define SEED_UNKNOWN   UINT64_C(0x5eed5eed00000000)
#define SEED_ENDPOINTS UINT64_C(0xe9d0e9d000000000)

static uint8_t (*labels)[KEY_BASE32];

/* The finalizer of SplitMix64: every bit of x moves every bit of what comes out. */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static void make_key(uint64_t seed, uint64_t n, uint8_t out[KEY_LEN])
{
	for (uint64_t j = 0; j < KEY_LEN / 8; j++) {
		uint64_t v = mix(seed + n * (KEY_LEN / 8) + j);

		memcpy(out + 8 * j, &v, 8);
	}
}

void peers_init(uint32_t len)
{
	uint8_t key[KEY_LEN];

	labels = malloc(len * sizeof(*labels));
	if (labels == NULL)
		err(1, "%u peers", len);
	for (uint32_t i = 0; i < len; i++) {
		make_key(SEED_KEYS, i, key);
		key_to_base32(key, labels[i]);
	}
}

const uint8_t *peers_label(uint32_t i)
{
	return labels[i];
}

uint16_t peers_port(uint32_t i)
{
	return (uint16_t)(1024 + mix(SEED_ENDPOINTS + i) % (65536 - 1024));
}

void peers_address(uint32_t i, uint8_t out[4])
{
	uint64_t v = mix(SEED_ENDPOINTS + i) >> 40;

	out[0] = 198;
	out[1] = (uint8_t)(18 + (v >> 16 & 1));
	out[2] = (uint8_t)(v >> 8);
	out[3] = (uint8_t)v;
}

void peers_unknown_label(uint64_t n, uint8_t out[KEY_BASE32])
{
	uint8_t key[KEY_LEN];

	make_key(SEED_UNKNOWN, n, key);
	key_to_base32(key, out);
}

void peers_dump(FILE *out, uint32_t len, uint16_t port_shift)
{
	uint8_t key[KEY_LEN], addr[4];
	char text[KEY_BASE64 + 1];

	fprintf(out, "(none)\t(none)\t51820\toff\n");
	for (uint32_t i = 0; i < len; i++) {
		make_key(SEED_KEYS, i, key);
		peers_address(i, addr);
		fprintf(out, "%s\t(none)\t%u.%u.%u.%u:%u\t", key_text(key, text), addr[0], addr[1], addr[2], addr[3],
		    (uint16_t)(peers_port(i) + port_shift));
		fprintf(out, "10.1%02u.1%02u.1%02u/32\t0\t0\t0\toff\n", i / 10000, i / 100 % 100, i % 100);
	}
	if (fflush(out) != 0 || ferror(out))
		err(1, "cannot write the peers");
}
