#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch_shim.h"
#include "refresh.h"

/* The first microsecond that so many of 1000 do not exceed. */
static uint64_t quantile(const struct batch_times *t, uint64_t of_1000)
{
	uint64_t all = 0, seen = 0;

	for (size_t i = 0; i <= BATCH_US; i++)
		all += t->counts[i];
	for (size_t i = 0; i <= BATCH_US; i++) {
		seen += t->counts[i];
		if (all > 0 && seen * 1000 >= all * of_1000)
			return i + 1;
	}
	return 0;
}

static void print(const char *what, const struct batch_times *t)
{
	printf("%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", what, quantile(t, 500), quantile(t, 990), quantile(t, 999),
	    (t->max_ns + 999) / 1000);
}

void refresh_batches(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct batch_file *f;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size != sizeof(*f))
		err(2, "%s", path);
	f = mmap(NULL, sizeof(*f), PROT_READ, MAP_SHARED, fd, 0);
	if (f == MAP_FAILED)
		err(2, "%s", path);
	close(fd);
	printf("what\tp50_us\tp99_us\tp99.9_us\tmax_us\n");
	print("batch_to_send", &f->answering);
	print("wait_at_most", &f->waiting);
	print("munmap", &f->unmapping);
	printf("# %" PRIu64 " batches, %" PRIu64 " answers, %" PRIu64 " unsent, %" PRIu64 " waits, %" PRIu64 " calls of munmap()\n",
	    f->batches, f->answers, f->unsent, f->blocked, f->unmapped);
}
