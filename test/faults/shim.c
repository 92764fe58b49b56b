/* Loaded into the server (LD_PRELOAD), for faults that cannot be had otherwise on a machine that others use, too:
 *
 *     FAULTS_CLOCK=FILE    the time of day is off by the 8 octets in the file, in seconds; others may change them meanwhile
 *     FAULTS_KERNEL=PATH   sockets of generic netlink are connected to this Unix socket (SOCK_SEQPACKET), where somebody
 *                          speaks as the kernel's WireGuard does
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FDS 1024

static const volatile int64_t *off_s;
static struct sockaddr_un kernel;
static bool is_ours[FDS];

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_socket)(int, int, int);
static int (*real_bind)(int, const struct sockaddr *, socklen_t);
static int (*real_getsockname)(int, struct sockaddr *, socklen_t *);
static ssize_t (*real_sendto)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
static ssize_t (*real_recvmsg)(int, struct msghdr *, int);
static int (*real_close)(int);

static void find(const char *name, void *function)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (p == NULL)
		abort();
	memcpy(function, &p, sizeof(p));
}

static void find_all(void)
{
	find("clock_gettime", &real_clock_gettime);
	find("socket", &real_socket);
	find("bind", &real_bind);
	find("getsockname", &real_getsockname);
	find("sendto", &real_sendto);
	find("recvmsg", &real_recvmsg);
	find("close", &real_close);
}

__attribute__((constructor)) static void init(void)
{
	const char *clock = getenv("FAULTS_CLOCK"), *path = getenv("FAULTS_KERNEL");
	int fd;

	find_all();
	if (clock != NULL) {
		fd = open(clock, O_RDONLY | O_CLOEXEC);
		off_s = mmap(NULL, sizeof(*off_s), PROT_READ, MAP_SHARED, fd, 0);
		if (fd < 0 || off_s == MAP_FAILED)
			abort();
		real_close(fd);
	}
	if (path != NULL) {
		kernel.sun_family = AF_UNIX;
		snprintf(kernel.sun_path, sizeof(kernel.sun_path), "%s", path);
	}
}

/* Other libraries' constructors may come before ours. */
#define NEED(function)                                                                                       \
	do {                                                                                                 \
		if (real_##function == NULL)                                                                 \
			find_all();                                                                          \
	} while (0)

/* ---- the time of day ---- */

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int r;

	NEED(clock_gettime);
	r = real_clock_gettime(id, ts);
	if (r == 0 && off_s != NULL && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += *off_s;
	return r;
}

time_t time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out != NULL)
		*out = ts.tv_sec;
	return ts.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

/* ---- generic netlink ---- */

static bool ours(int fd)
{
	return fd >= 0 && fd < FDS && is_ours[fd];
}

int socket(int family, int type, int protocol)
{
	int fd;

	NEED(socket);
	if (kernel.sun_family == 0 || family != AF_NETLINK || protocol != NETLINK_GENERIC)
		return real_socket(family, type, protocol);
	fd = real_socket(AF_UNIX, SOCK_SEQPACKET | (type & (SOCK_CLOEXEC | SOCK_NONBLOCK)), 0);
	if (fd >= FDS) {
		real_close(fd);
		errno = EMFILE;
		return -1;
	}
	if (fd >= 0)
		is_ours[fd] = true;
	return fd;
}

int bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	NEED(bind);
	if (!ours(fd))
		return real_bind(fd, sa, len);
	return connect(fd, (struct sockaddr *)&kernel, sizeof(kernel));
}

int getsockname(int fd, struct sockaddr *restrict sa, socklen_t *restrict len)
{
	struct sockaddr_nl nl = {.nl_family = AF_NETLINK, .nl_pid = (uint32_t)getpid()};

	NEED(getsockname);
	if (!ours(fd))
		return real_getsockname(fd, sa, len);
	memcpy(sa, &nl, *len < sizeof(nl) ? *len : sizeof(nl));
	*len = sizeof(nl);
	return 0;
}

ssize_t sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to, socklen_t len)
{
	NEED(sendto);
	if (!ours(fd))
		return real_sendto(fd, buf, n, flags, to, len);
	return send(fd, buf, n, flags | MSG_NOSIGNAL);
}

ssize_t recvmsg(int fd, struct msghdr *mh, int flags)
{
	struct sockaddr_nl nl = {.nl_family = AF_NETLINK};
	void *name = mh->msg_name;
	ssize_t n;

	NEED(recvmsg);
	if (!ours(fd))
		return real_recvmsg(fd, mh, flags);
	mh->msg_name = NULL;
	mh->msg_namelen = 0;
	n = real_recvmsg(fd, mh, flags);
	mh->msg_name = name;
	if (n == 0) { /* the other side is gone, which a kernel never is */
		errno = EIO;
		return -1;
	}
	if (n > 0 && name != NULL) {
		memcpy(name, &nl, sizeof(nl));
		mh->msg_namelen = sizeof(nl);
	}
	return n;
}

int close(int fd)
{
	NEED(close);
	if (ours(fd))
		is_ours[fd] = false;
	return real_close(fd);
}
