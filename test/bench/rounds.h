/* The schedule of one size: rounds of slices, the servers in turn, and the lines that say what came of them.
 *
 * Lines are separated by tabs; the first field says what a line is, the second how many peers there were:
 *
 *     slice    PEERS ROUND KIND SERVER CPU_NS WALL_NS MACHINE_NS OWN_NS ANSWERS STREAMED LOST LATE LEN_MIN LEN_MAX
 *              ADDRESSES TEXTS
 *     latency  PEERS ROUND KIND SERVER RATE ANSWERS LOST LATE P50_NS P99_NS P999_NS
 *     pooled   PEERS ROUNDS KIND SERVER RATE ANSWERS LOST LATE P50_NS P99_NS P999_NS   the latencies of all rounds in one
 *     memory   PEERS SERVER PROCESSES PSS_KB
 *
 * MACHINE_NS is what all processors did, OWN_NS the generator's part of it. ADDRESSES and TEXTS are how many answers had the
 * peer's address and TXT record beside what was asked.
 */
#ifndef WGMEET_BENCH_ROUNDS_H
#define WGMEET_BENCH_ROUNDS_H

#include <stdio.h>

#include "slice.h"

#define ROUNDS_SERVERS 8

struct rounds {
	uint32_t peers;
	unsigned rounds, window;
	double cpu_s;     /* of each server in each round */
	double slice_s;   /* of a server's processor time, about */
	double latency_s; /* of the clock on the wall; 0: no latencies */
	bool kind[QUESTION_KINDS];
	struct server server[ROUNDS_SERVERS];
	size_t servers_len;
	FILE *out;
};

void rounds_run(struct rounds *r);

#endif
