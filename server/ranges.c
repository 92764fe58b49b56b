#include "ranges.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "wgdev.h"

void ranges_from_prefix(const struct wg_allowedip *prefix, struct range *out)
{
	ranges_key(prefix->family, prefix->addr, out->first);
	memcpy(out->last, out->first, RANGES_ADDR);
	for (unsigned i = prefix->cidr; i < (prefix->family == AF_INET ? 32u : 128u); i++) {
		out->first[1 + i / 8] &= (uint8_t)~(0x80 >> i % 8);
		out->last[1 + i / 8] |= (uint8_t)(0x80 >> i % 8);
	}
}

static int by_first(const void *a, const void *b)
{
	return memcmp(((const struct range *)a)->first, ((const struct range *)b)->first, RANGES_ADDR);
}

/* Does `next` begin within `r`, or right behind it? */
static bool touches(const struct range *r, const struct range *next)
{
	uint8_t behind[RANGES_ADDR];
	int i = r->last[0] == 4 ? 4 : 16;

	if (memcmp(next->first, r->last, RANGES_ADDR) <= 0)
		return true;
	memcpy(behind, r->last, RANGES_ADDR);
	while (i > 0 && ++behind[i] == 0)
		i--;
	return i > 0 && memcmp(next->first, behind, RANGES_ADDR) == 0;
}

size_t ranges_merge(struct range *ranges, size_t len)
{
	size_t kept = 0;

	if (len > 0)
		qsort(ranges, len, sizeof(*ranges), by_first);
	for (size_t i = 0; i < len; i++) {
		struct range *last = kept > 0 ? &ranges[kept - 1] : NULL;

		if (last == NULL || !touches(last, &ranges[i]))
			ranges[kept++] = ranges[i];
		else if (memcmp(ranges[i].last, last->last, RANGES_ADDR) > 0)
			memcpy(last->last, ranges[i].last, RANGES_ADDR);
	}
	return kept;
}

bool ranges_are_sound(const struct range *ranges, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (memcmp(ranges[i].first, ranges[i].last, RANGES_ADDR) > 0 ||
		    (i > 0 && (memcmp(ranges[i - 1].last, ranges[i].first, RANGES_ADDR) >= 0 ||
		                  touches(&ranges[i - 1], &ranges[i]))))
			return false;
	return true;
}

bool ranges_have(const struct range *ranges, size_t len, const uint8_t addr[RANGES_ADDR])
{
	size_t low = 0, high = len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (memcmp(addr, ranges[mid].first, RANGES_ADDR) < 0)
			high = mid;
		else if (memcmp(addr, ranges[mid].last, RANGES_ADDR) > 0)
			low = mid + 1;
		else
			return true;
	}
	return false;
}
