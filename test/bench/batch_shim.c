/* Loaded into the server (LD_PRELOAD), where it measures how long queries wait in a worker with one UDP socket:
 *
 *     epoll_wait()   nothing is there; blocks, returns      <- the socket was empty until now
 *     recvmmsg()     fewer than there was room for          <- it is empty now, for the next batch
 *     sendmmsg()     all answers are sent                   <- what came since the socket was empty has waited at most until now
 *
 * BATCH_FILE names a file that is mapped before the sandbox closes. Only a single worker may run.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "batch_shim.h"

static struct batch_file *file;
static uint64_t empty_ns, received_ns;
static bool emptied; /* by the last recvmmsg() */

static int (*real_epoll_wait)(int, struct epoll_event *, int, int);
static int (*real_recvmmsg)(int, struct mmsghdr *, unsigned, int, struct timespec *);
static int (*real_sendmmsg)(int, struct mmsghdr *, unsigned, int);
static int (*real_munmap)(void *, size_t);

static void find(const char *name, void *function)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (p == NULL)
		abort();
	memcpy(function, &p, sizeof(p));
}

__attribute__((constructor)) static void init(void)
{
	const char *path = getenv("BATCH_FILE");
	int fd;

	find("epoll_wait", &real_epoll_wait);
	find("recvmmsg", &real_recvmmsg);
	find("sendmmsg", &real_sendmmsg);
	find("munmap", &real_munmap);
	if (path == NULL)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*file)) < 0)
		abort();
	file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (file == MAP_FAILED)
		abort();
	close(fd);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void count(struct batch_times *t, uint64_t ns, unsigned times)
{
	uint64_t us = ns / 1000;

	t->counts[us < BATCH_US ? us : BATCH_US] += times;
	if (ns > t->max_ns)
		t->max_ns = ns;
}

int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
{
	uint64_t before_ns = now_ns();
	int n = real_epoll_wait(epfd, events, maxevents, 0);

	if (n == 0 || empty_ns == 0)
		empty_ns = before_ns;
	if (n != 0 || timeout == 0 || file == NULL)
		return n;
	n = real_epoll_wait(epfd, events, maxevents, timeout);
	empty_ns = now_ns();
	file->blocked++;
	return n;
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned len, int flags, struct timespec *timeout)
{
	int n;

	if (emptied && received_ns > empty_ns)
		empty_ns = received_ns;
	n = real_recvmmsg(fd, messages, len, flags, timeout);
	received_ns = now_ns();
	/* Behind a full batch there may be others that came as early as those. */
	emptied = n < (int)len;
	if (n > 0 && file != NULL)
		file->batches++;
	return n;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned len, int flags)
{
	int n = real_sendmmsg(fd, messages, len, flags);
	uint64_t ns = now_ns();

	if (file == NULL)
		return n;
	if (n < 0) {
		file->unsent += len;
		return n;
	}
	count(&file->answering, ns - received_ns, (unsigned)n);
	count(&file->waiting, ns - empty_ns, (unsigned)n);
	file->answers += (unsigned)n;
	return n;
}

int munmap(void *p, size_t len)
{
	uint64_t before_ns = now_ns();
	int r = real_munmap(p, len);

	/* Small ones are the C library's, and of zones that are not ready. */
	if (file != NULL && received_ns != 0 && len >= 65536) {
		count(&file->unmapping, now_ns() - before_ns, 1);
		file->unmapped++;
	}
	return r;
}
