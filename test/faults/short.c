/* Memory that is short while a snapshot is built: whichever allocation fails, alone or with all that follow, there is either
 * no snapshot or the very one that there would have been. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "answers.h"
#include "snapshot.h"

#define PEERS 40

enum outcome { SAME, NONE, OTHER, BROKEN };

static const uint64_t seed[2] = {1, 2};
static struct made_zone made;
static const struct snapshot *whole;
static unsigned long allocations, fail_at;
static bool fail_on;

#ifndef __SANITIZE_ADDRESS__
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static bool fails(void)
{
	allocations++;
	if (fail_at == 0 || (fail_on ? allocations < fail_at : allocations != fail_at))
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails() ? NULL : __libc_realloc(p, size);
}
#endif

static enum outcome build(unsigned long at, bool on)
{
	const struct snapshot *s;
	size_t size;
	int fd;

	allocations = 0;
	fail_on = on;
	fail_at = at;
	fd = snapshot_build(&made.conf.name, &made.zone, seed, &size);
	fail_at = 0;
	if (fd < 0)
		return NONE;
	if (snapshot_map(fd, &s) < 0)
		return BROKEN;
	return s->size == whole->size && memcmp(s, whole, s->size) == 0 ? SAME : OTHER;
}

static void prepare(void)
{
	struct name_servers *servers = &made.conf.name_servers;
	struct name_server *first = &servers->at[0], *second = &servers->at[1];
	size_t size;
	int fd;

	zone_prepare(&made, "wg.test", "ns1.wg.test");
	/* Unsorted as the configuration has them: an RRset that is not put together is another one. */
	endpoint_addr_from_text("2001:db8::53", &first->addrs[1]);
	endpoint_addr_from_text("192.0.2.54", &first->addrs[2]);
	first->addrs_len = 3;
	name_from_text("ns2.wg.test", &second->name);
	endpoint_addr_from_text("192.0.2.55", &second->addrs[0]);
	second->addrs_len = 1;
	servers->len = 2;
	zone_add_peers(&made, PEERS);
	zone_say(&made, 3, "alice");
	zone_make(&made);
	fd = snapshot_build(&made.conf.name, &made.zone, seed, &size);
	if (fd < 0 || snapshot_map(fd, &whole) < 0)
		errx(1, "there is no snapshot even with memory");
}

static int try(unsigned long at, bool on)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		_exit((int)build(at, on));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		err(1, "fork");
	return status;
}

int main(void)
{
	unsigned long counts[4] = {0}, died = 0, all;

	prepare();
	if (build(0, false) != SAME)
		errx(1, "the same zone has another snapshot");
	all = allocations;
	if (all == 0) {
		puts("SKIP: a sanitizer has an allocator of its own");
		return 77;
	}
	for (unsigned long at = 1; at <= all; at++) {
		for (int on = 0; on <= 1; on++) {
			int status = try(at, on == 1);

			if (!WIFEXITED(status)) {
				printf("not ok - allocation %lu%s fails, and so does the process\n", at, on == 1 ? " and all that follow" : "");
				died++;
				continue;
			}
			counts[WEXITSTATUS(status) & 3]++;
			if (WEXITSTATUS(status) > NONE)
				printf("not ok - allocation %lu%s fails: %s\n", at, on == 1 ? " and all that follow" : "",
				    WEXITSTATUS(status) == OTHER ? "another snapshot" : "a broken snapshot");
		}
	}
	printf("%lu allocations: no snapshot %lu times, the right one %lu times, another one %lu times, an ill end %lu times\n", all,
	    counts[NONE], counts[SAME], counts[OTHER] + counts[BROKEN], died);
	return counts[OTHER] + counts[BROKEN] + died == 0 && counts[NONE] > 0 ? 0 : 1;
}
