/* What batch_shim.c writes into a file, and batch_report.c prints. Times are counted in microseconds, of each answer. */
#ifndef WGMEET_BENCH_BATCH_SHIM_H
#define WGMEET_BENCH_BATCH_SHIM_H

#include <stdint.h>

#define BATCH_US 50000 /* what takes longer is counted as that, and seen in max_ns */

struct batch_times {
	uint64_t max_ns;
	uint64_t counts[BATCH_US + 1];
};

struct batch_file {
	uint64_t batches, answers, unsent, blocked, unmapped;
	struct batch_times answering; /* from the return of recvmmsg() to that of the sendmmsg() that answers it */
	struct batch_times waiting;   /* from the last moment at which the socket was surely empty */
	struct batch_times unmapping; /* munmap(): each piece of a snapshot that was replaced */
};

#endif
