/* Times from 0 to 68 s, counted in classes that are 1/64 wide: enough for a 99.9th percentile, without a list of all. */
#ifndef WGMEET_BENCH_LATENCY_H
#define WGMEET_BENCH_LATENCY_H

#include <stdint.h>

#define LATENCY_STEPS   64 /* classes for each doubling */
#define LATENCY_CLASSES (31 * LATENCY_STEPS)

struct latency {
	uint64_t count;
	uint32_t at[LATENCY_CLASSES];
};

void latency_count(struct latency *l, uint64_t ns);
void latency_add(struct latency *to, const struct latency *from);
/* The time that `share` of all did not pass; 0: there are none. */
uint64_t latency_ns(const struct latency *l, double share);

#endif
