/* Sets of addresses as ranges, sorted and apart from each other, so that one binary search tells whether an address is in the
 * set. An address stands behind an octet that is 4 or 6: no prefix of IPv6, however short, has an IPv4 address in it.
 */
#ifndef WGMEET_RANGES_H
#define WGMEET_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define RANGES_ADDR (1 + 16)

struct range {
	uint8_t first[RANGES_ADDR], last[RANGES_ADDR];
};

/* The key of an address: `addr` has 4 octets for AF_INET, 16 for AF_INET6. For each query: so it is worth being inline. */
static inline void ranges_key(int family, const uint8_t *addr, uint8_t out[RANGES_ADDR])
{
	memset(out, 0, RANGES_ADDR);
	out[0] = family == AF_INET ? 4 : 6;
	if (family == AF_INET)
		memcpy(out + 1, addr, 4);
	else
		memcpy(out + 1, addr, 16);
}

struct wg_allowedip;
void ranges_from_prefix(const struct wg_allowedip *prefix, struct range *out);

/* Sorts, and makes one of those that overlap or touch. Returns how many are left. */
size_t ranges_merge(struct range *ranges, size_t len);

/* Are they as ranges_merge() leaves them? */
bool ranges_are_sound(const struct range *ranges, size_t len);

bool ranges_have(const struct range *ranges, size_t len, const uint8_t addr[RANGES_ADDR]);

#endif
