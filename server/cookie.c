#include "cookie.h"

#include <sodium/crypto_shorthash.h>
#include <sodium/utils.h>
#include <string.h>

#include "wire.h"

/* RFC 9018 section 4.3: how old, how far in the future, and how old before there is a new one. */
#define LIFE_S   3600
#define FUTURE_S 300
#define RENEW_S  1800

#define HASH_AT (COOKIE_LEN - crypto_shorthash_BYTES)

static void hash(const uint8_t secret[COOKIE_SECRET], const uint8_t cookie[COOKIE_LEN], const uint8_t asker[RANGES_ADDR],
    uint8_t out[crypto_shorthash_BYTES])
{
	uint8_t input[HASH_AT + 16];
	size_t addr_len = asker[0] == 4 ? 4 : 16;

	_Static_assert(COOKIE_SECRET == crypto_shorthash_KEYBYTES, "SipHash's key");
	put_bytes(put_bytes(input, cookie, HASH_AT), asker + 1, addr_len);
	crypto_shorthash(out, input, HASH_AT + addr_len, secret);
}

enum cookie_verdict cookie_check(const struct cookie_secrets *secrets, const uint8_t cookie[COOKIE_LEN],
    const uint8_t asker[RANGES_ADDR], uint32_t now_s)
{
	int32_t age_s = (int32_t)(now_s - get32(cookie + COOKIE_CLIENT + 4)); /* RFC 1982 */
	uint8_t want[crypto_shorthash_BYTES];

	if (cookie[COOKIE_CLIENT] != 1 || age_s > LIFE_S || age_s < -FUTURE_S)
		return COOKIE_BAD;
	for (int i = 0; i < 2; i++) {
		hash(secrets->at[i], cookie, asker, want);
		if (sodium_memcmp(want, cookie + HASH_AT, sizeof(want)) == 0)
			return i == 0 && age_s <= RENEW_S && age_s >= 0 ? COOKIE_GOOD : COOKIE_OLD;
	}
	return COOKIE_BAD;
}

void cookie_make(const struct cookie_secrets *secrets, uint8_t cookie[COOKIE_LEN], const uint8_t asker[RANGES_ADDR],
    uint32_t now_s)
{
	uint8_t *p = cookie + COOKIE_CLIENT;

	p = put32(p, UINT32_C(1) << 24); /* the version, and three octets that are reserved */
	p = put32(p, now_s);
	hash(secrets->at[0], cookie, asker, p);
}
