#include "cost.h"

#include <err.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static uint64_t read_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		err(1, "a server has ended");
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t cost_now_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

void cost_add_process(struct cost_processes *p, pid_t pid)
{
	int r;

	if (p->len == COST_PROCESSES)
		errx(1, "a server of more than %d processes", COST_PROCESSES);
	r = clock_getcpuclockid(pid, &p->clock[p->len]);
	if (r != 0)
		errx(1, "no process %d", (int)pid);
	p->pid[p->len++] = pid;
}

uint64_t cost_server_ns(const struct cost_processes *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->len; i++)
		sum += read_ns(p->clock[i]);
	return sum;
}

static uint64_t machine_ns(void)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq;
	FILE *f = fopen("/proc/stat", "re");

	if (f == NULL || fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &iowait, &irq,
	                     &softirq) != 7)
		err(1, "/proc/stat");
	fclose(f);
	return (user + nice + system + irq + softirq) * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

void cost_read(const struct cost_processes *p, struct cost *out)
{
	out->machine_ns = machine_ns();
	out->own_ns = read_ns(CLOCK_PROCESS_CPUTIME_ID);
	out->server_ns = cost_server_ns(p);
	out->wall_ns = cost_now_ns();
}

void cost_add_difference(struct cost *to, const struct cost *a, const struct cost *b)
{
	to->server_ns += b->server_ns - a->server_ns;
	to->own_ns += b->own_ns - a->own_ns;
	to->machine_ns += b->machine_ns - a->machine_ns;
	to->wall_ns += b->wall_ns - a->wall_ns;
}

uint64_t cost_pss_kb(const struct cost_processes *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->len; i++) {
		char path[64], line[256];
		unsigned long long kb;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)p->pid[i]);
		f = fopen(path, "re");
		if (f == NULL)
			err(1, "%s", path);
		while (fgets(line, sizeof(line), f) != NULL)
			if (sscanf(line, "Pss: %llu kB", &kb) == 1)
				sum += kb;
		fclose(f);
	}
	return sum;
}
