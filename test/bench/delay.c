/* delay RTT_MS NETNS_A DEVICE_A NETNS_B DEVICE_B - a cable between two network namespaces (paths, as of ip-netns(8)) on which
 * each packet takes half of RTT_MS, in both directions: for kernels without netem. Its ends are TUN devices, so UDP and TCP
 * are the kernel's own: their handshakes, windows and losses are those of a long way, not of a relay.
 *
 * It makes the devices and prints "ready"; addresses and MTU are the caller's. Until it is killed it carries packets, in
 * order, at no limited rate. It holds at most SLOTS for each direction; what comes then is lost, and said at the end:
 *
 *     A->B: N packets, N lost, N us late at most
 *
 * What the devices themselves lose (their queues are QUEUE packets long) stands in their statistics.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SLOTS   32768 /* what is never used takes no memory */
#define PACKET  1500
#define QUEUE   32768
#define BURST   64 /* packets of one direction, then the other has its turn */

struct slot {
	int64_t due_ns;
	size_t len;
	uint8_t packet[PACKET];
};

static struct way {
	const char *name;
	int from, to;
	struct slot *slots;
	uint64_t head, tail;
	uint64_t packets, lost;
	int64_t late_ns;
} ways[2] = {{.name = "A->B"}, {.name = "B->A"}};

static volatile sig_atomic_t ended;

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void on_signal(int signal)
{
	(void)signal;
	ended = 1;
}

static void set_queue(const char *device)
{
	struct ifreq ifr = {.ifr_qlen = QUEUE};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	if (fd < 0 || ioctl(fd, SIOCSIFTXQLEN, &ifr) < 0)
		err(1, "%s: the queue's length", device);
	close(fd);
}

/* The device stays in the namespace where it was made; the descriptor reaches it from everywhere. */
static int make_end(const char *netns, const char *device)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int ns = open(netns, O_RDONLY | O_CLOEXEC), fd;

	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		err(1, "%s", netns);
	close(ns);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
		err(1, "%s", device);
	set_queue(device);
	return fd;
}

static void take_packets(struct way *w, int64_t delay_ns)
{
	int64_t due_ns = now_ns() + delay_ns;

	for (int i = 0; i < BURST; i++) {
		bool full = w->tail - w->head == SLOTS;
		struct slot spare, *s = full ? &spare : &w->slots[w->tail % SLOTS];
		ssize_t n = read(w->from, s->packet, sizeof(s->packet));

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			err(1, "%s", w->name);
		if (n <= 0)
			return;
		s->len = (size_t)n;
		s->due_ns = due_ns;
		w->packets++;
		w->lost += full;
		w->tail += !full;
	}
}

/* Returns how long to wait for the next; -1: there is none. */
static int64_t give_packets(struct way *w)
{
	int64_t now = now_ns();

	while (w->head != w->tail) {
		const struct slot *s = &w->slots[w->head % SLOTS];

		if (s->due_ns > now) {
			now = now_ns();
			if (s->due_ns > now)
				return s->due_ns - now;
		}
		if (write(w->to, s->packet, s->len) < 0) /* a device that is down */
			w->lost++;
		if (now - s->due_ns > w->late_ns)
			w->late_ns = now - s->due_ns;
		w->head++;
	}
	return -1;
}

static void carry(int64_t delay_ns)
{
	struct pollfd p[2] = {{.fd = ways[0].from, .events = POLLIN}, {.fd = ways[1].from, .events = POLLIN}};
	sigset_t with = {0};

	while (!ended) {
		int64_t a = give_packets(&ways[0]), b = give_packets(&ways[1]), ns = a < 0 || (b >= 0 && b < a) ? b : a;
		struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

		if (ppoll(p, 2, ns < 0 ? NULL : &ts, &with) < 0 && errno != EINTR)
			err(1, "poll");
		for (int i = 0; i < 2; i++)
			if (p[i].revents != 0)
				take_packets(&ways[i], delay_ns);
	}
}

int main(int argc, char *argv[])
{
	int64_t delay_ns = argc == 6 ? (int64_t)(atof(argv[1]) * 500000) : -1;
	sigset_t held;

	if (delay_ns < 0)
		errx(2, "usage: delay RTT_MS NETNS_A DEVICE_A NETNS_B DEVICE_B");
	/* They come only while it waits, or one could be missed. */
	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigprocmask(SIG_BLOCK, &held, NULL);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	prctl(PR_SET_TIMERSLACK, 1000);
	ways[0].from = ways[1].to = make_end(argv[2], argv[3]);
	ways[1].from = ways[0].to = make_end(argv[4], argv[5]);
	for (int i = 0; i < 2; i++)
		if ((ways[i].slots = calloc(SLOTS, sizeof(struct slot))) == NULL)
			err(1, "memory");
	puts("ready");
	fflush(stdout);
	carry(delay_ns);
	for (int i = 0; i < 2; i++)
		printf("%s: %llu packets, %llu lost, %lld us late at most\n", ways[i].name, (unsigned long long)ways[i].packets,
		    (unsigned long long)ways[i].lost, (long long)ways[i].late_ns / 1000);
	return 0;
}
