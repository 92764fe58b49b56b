/* What an answer costs beside the kernel's part: udp.c and the answer path as a worker has them, with recvmmsg() and
 * sendmmsg() replaced by a copy from a pool of questions (the linker's --wrap). The copy is measured by itself and taken off.
 *
 *     answer_loop PEERS KIND [edns] [limited] [ANSWERS]       KIND: known, unknown
 *
 * `limited`: with the rate limit on, and questions from so many networks that none reaches it.
 *
 * Prints nanoseconds of processor time for an answer: the median of several rounds, and the least. Under callgrind with
 * --toggle-collect=udp_serve it is instructions that are counted.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "answers.h"
#include "rrl.h"
#include "util.h"
#include "worker.h"

#define POOL   (1u << 17) /* questions; of each only the key's label is kept, or they would fill the caches */
#define ROUNDS 15
#define HUGE_PAGE (2u << 20)

static uint8_t (*pool)[KEY_BASE32], template[128];
static size_t template_len, at, left;
static uint64_t sent;
static bool many_networks;

int __wrap_recvmmsg(int fd, struct mmsghdr *in, unsigned n, int flags, struct timespec *timeout);
int __wrap_sendmmsg(int fd, struct mmsghdr *out, unsigned n, int flags);

int __wrap_recvmmsg(int fd, struct mmsghdr *in, unsigned n, int flags, struct timespec *timeout)
{
	static struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = 0x1234, .sin_addr = {0x0100007f}};

	(void)fd, (void)flags, (void)timeout;
	if (left == 0) {
		errno = EAGAIN;
		return -1;
	}
	n = n < left ? n : (unsigned)left;
	for (unsigned i = 0; i < n; i++) {
		uint8_t *query = in[i].msg_hdr.msg_iov->iov_base;

		memcpy(query, template, sizeof(template));
		memcpy(query + DNS_HEADER + 1, pool[at++ % POOL], KEY_BASE32);
		if (many_networks)
			from.sin_addr.s_addr = htonl(0x0b000000 + (uint32_t)(at & 0xffff) * 256);
		memcpy(in[i].msg_hdr.msg_name, &from, sizeof(from));
		in[i].msg_hdr.msg_namelen = sizeof(from);
		in[i].msg_hdr.msg_controllen = 0;
		in[i].msg_hdr.msg_flags = 0;
		in[i].msg_len = (unsigned)template_len;
	}
	left -= n;
	return (int)n;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *out, unsigned n, int flags)
{
	(void)fd, (void)flags;
	for (unsigned i = 0; i < n; i++)
		sent += out[i].msg_hdr.msg_iov->iov_len;
	return (int)n;
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* What the replaced calls cost. */
static double empty_ns(size_t answers)
{
	static uint8_t buf[64][DNS_UDP_MAX];
	static struct sockaddr_in from[64];
	static struct iovec iov[64];
	static struct mmsghdr in[64];
	uint64_t started;

	for (size_t i = 0; i < 64; i++) {
		iov[i] = (struct iovec){.iov_base = buf[i], .iov_len = DNS_UDP_MAX};
		in[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_iov = &iov[i], .msg_iovlen = 1};
	}
	left = answers;
	for (started = cpu_ns(); left > 0;)
		__wrap_sendmmsg(0, in, (unsigned)__wrap_recvmmsg(0, in, 64, 0, NULL), 0);
	return (double)(cpu_ns() - started) / (double)answers;
}

static double round_ns(const struct answer_world *world, size_t answers)
{
	const struct listener listener = {.family = AF_INET};
	struct counters counters = {0};
	uint64_t started;

	left = answers;
	for (started = cpu_ns(); left > 0;)
		udp_serve(&listener, world, &counters);
	if (counters.answers != answers)
		errx(1, "%zu questions, %llu answers", answers, (unsigned long long)counters.answers);
	return (double)(cpu_ns() - started) / (double)answers;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* A peer of the usual kind: an IPv4 address, one allowed IP. */
static void add_peers(struct made_zone *z, size_t peers)
{
	for (size_t n = 0; n < peers; n++) {
		struct wg_allowedip ip = {.family = AF_INET, .cidr = 32, .addr = {10, (uint8_t)(100 + n / 10000 % 100),
		    (uint8_t)(100 + n / 100 % 100), (uint8_t)(100 + n % 100)}};
		uint8_t key[KEY_LEN];
		struct wg_peer *peer;

		made_key(n, key);
		peer = wgdev_add_peer(&z->dev, key);
		if (peer == NULL || wgdev_add_allowedip(&z->dev, &ip) < 0)
			errx(1, "out of memory");
		peer->endpoint = (struct endpoint){.family = AF_INET, .port = made_port(n),
		    .addr = {198, 18, (uint8_t)(n >> 8), (uint8_t)n}};
	}
}

static void fill_pool(const struct made_zone *z, size_t peers, bool known, bool edns)
{
	uint64_t state = 88172645463325252u;
	uint8_t msg[MESSAGE_MAX], key[KEY_LEN];

	pool = aligned_alloc(HUGE_PAGE, (POOL * sizeof(*pool) + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
	if (pool == NULL)
		err(1, "aligned_alloc");
	madvise(pool, POOL * sizeof(*pool), MADV_HUGEPAGE); /* the TLB is the snapshot's */
	for (size_t i = 0; i < POOL; i++) {
		size_t n = util_random(&state) % peers;

		made_key(known ? n : peers + n, key);
		key_to_base32(key, pool[i]);
	}
	template_len = make_peer_query(msg, z, key, false, DNS_SRV, edns ? DNS_UDP_MAX : NO_EDNS);
	if (template_len > sizeof(template))
		errx(1, "a question of %zu octets", template_len);
	memcpy(template, msg, template_len);
}

int main(int argc, char *argv[])
{
	static struct made_zone z;
	static struct answer_world world;
	double empty[ROUNDS], full[ROUNDS];
	size_t peers = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	bool known = argc > 2 && strcmp(argv[2], "known") == 0, edns = argc > 3 && strcmp(argv[3], "edns") == 0;
	bool limited = argc > 3 + edns && strcmp(argv[3 + edns], "limited") == 0;
	size_t answers = argc > 3 + edns + limited ? strtoul(argv[3 + edns + limited], NULL, 10) : 2000000;

	if (peers == 0 || answers == 0 || (!known && strcmp(argc > 2 ? argv[2] : "", "unknown") != 0))
		errx(2, "usage: answer_loop PEERS known|unknown [edns] [limited] [ANSWERS]");
	zone_prepare(&z, "wg.example.com", "ns1");
	add_peers(&z, peers);
	zone_make(&z);
	answer_add_zone(&world.zones, z.snapshot);
	udp_init();
	rrl_init();
	rrl_set(limited ? 10000 : 0, 1, z.snapshot->seed);
	world.limited = many_networks = limited;
	fill_pool(&z, peers, known, edns);
	for (size_t i = 0; i < ROUNDS; i++) {
		empty[i] = empty_ns(answers);
		sent = 0;
		full[i] = round_ns(&world, answers);
	}
	qsort(empty, ROUNDS, sizeof(*empty), by_value);
	qsort(full, ROUNDS, sizeof(*full), by_value);
	printf("%zu\t%s\t%s\t%.1f\t%.1f\t%.1f\t%llu\n", peers, known ? "known" : "unknown", limited ? "limited" : edns ? "edns" : "plain",
	    full[ROUNDS / 2] - empty[ROUNDS / 2], full[0] - empty[0], empty[ROUNDS / 2],
	    (unsigned long long)(sent / answers));
	return 0;
}
