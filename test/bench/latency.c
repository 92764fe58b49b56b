#include "latency.h"

#include <stddef.h>

/* Below 2 * LATENCY_STEPS each ns has its class, then each doubling has LATENCY_STEPS of them. */
static size_t class_of(uint64_t ns)
{
	unsigned shift = ns < 2 * LATENCY_STEPS ? 0 : 57 - (unsigned)__builtin_clzll(ns);
	size_t class = shift * LATENCY_STEPS + (size_t)(ns >> shift);

	return class < LATENCY_CLASSES ? class : LATENCY_CLASSES - 1;
}

static uint64_t middle_of(size_t class)
{
	size_t shift = class < 2 * LATENCY_STEPS ? 0 : class / LATENCY_STEPS - 1;

	return (((uint64_t)(class - shift * LATENCY_STEPS)) << shift) + (UINT64_C(1) << shift) / 2;
}

void latency_count(struct latency *l, uint64_t ns)
{
	l->count++;
	l->at[class_of(ns)]++;
}

void latency_add(struct latency *to, const struct latency *from)
{
	to->count += from->count;
	for (size_t i = 0; i < LATENCY_CLASSES; i++)
		to->at[i] += from->at[i];
}

uint64_t latency_ns(const struct latency *l, double share)
{
	uint64_t want = (uint64_t)(share * (double)l->count), sum = 0;

	for (size_t i = 0; i < LATENCY_CLASSES && l->count > 0; i++) {
		sum += l->at[i];
		if (sum > want)
			return middle_of(i);
	}
	return 0;
}
