/* DNS cookies (RFC 7873), made and checked as RFC 9018 has them, so that servers that share a secret understand each other's:
 *
 *     client cookie 8 | version 1 | reserved 3 | time 4 | SipHash-2-4 of all before it and the client's address 8
 *
 * Who sends a cookie back was sent it: its address is not forged.
 */
#ifndef WGMEET_COOKIE_H
#define WGMEET_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "ranges.h"

#define COOKIE_CLIENT 8
#define COOKIE_LEN    24 /* the client's and ours */
#define COOKIE_MAX    40 /* somebody's */
#define COOKIE_SECRET 16

/* Cookies are made with the first; what the one before it made is good until it has aged. */
struct cookie_secrets {
	uint8_t at[2][COOKIE_SECRET];
};

enum cookie_verdict {
	COOKIE_BAD,
	COOKIE_GOOD,
	COOKIE_OLD, /* good, but time for a new one (RFC 9018 section 4.3) */
};

/* `asker` as ranges_key() makes it; now_s is CLOCK_REALTIME's. */
enum cookie_verdict cookie_check(const struct cookie_secrets *secrets, const uint8_t cookie[COOKIE_LEN],
    const uint8_t asker[RANGES_ADDR], uint32_t now_s);

/* Fills in what stands behind the client's cookie. */
void cookie_make(const struct cookie_secrets *secrets, uint8_t cookie[COOKIE_LEN], const uint8_t asker[RANGES_ADDR],
    uint32_t now_s);

#endif
