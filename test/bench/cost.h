/* What a server costs: the processor time and the memory of all its processes, and what the whole machine did meanwhile. */
#ifndef WGMEET_BENCH_COST_H
#define WGMEET_BENCH_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define COST_PROCESSES 16

struct cost_processes {
	pid_t pid[COST_PROCESSES];
	clockid_t clock[COST_PROCESSES];
	size_t len;
};

/* Numbers since some moment, in ns; differences are what counts. */
struct cost {
	uint64_t server_ns;  /* the server's processes, with what the kernel does in their name */
	uint64_t own_ns;     /* this process */
	uint64_t machine_ns; /* all processors, in steps of 10 ms */
	uint64_t wall_ns;
};

uint64_t cost_now_ns(void);

/* Dies if there is no such process. */
void cost_add_process(struct cost_processes *p, pid_t pid);
/* Dies if one of them has ended. */
uint64_t cost_server_ns(const struct cost_processes *p);
void cost_read(const struct cost_processes *p, struct cost *out);
/* to += b - a */
void cost_add_difference(struct cost *to, const struct cost *a, const struct cost *b);

/* The sum of their proportional shares, in KiB. */
uint64_t cost_pss_kb(const struct cost_processes *p);

#endif
