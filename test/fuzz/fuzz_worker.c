/* A whole worker: packets in, packets out, and snapshots from an observer that may have been talked into anything. All of
 * worker.c, udp.c and tcp.c runs as it is; the system calls that it makes are answered here (the linker's --wrap), and the
 * input is what happens, in this order:
 *
 *     an octet: bits 0, 1 the rate: none, 5, 50, 1000    2 slip 0 or 1    3 the listeners are IPv6    4 wildcard listeners
 *               5-7 how many changes are made to the snapshot of the first zone
 *     four octets a change: two for the place, what to do (set, xor, add), the value
 *     then events: an octet each, see play(), and what it takes
 *
 * A snapshot that is not what the builder writes is refused, and the worker ends; else it is served, and every answer must be
 * well-formed and go with its query. Where nothing was changed it must be what the contract says, too.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "answers.h"
#include "wire.h"
#include "worker.h"

#define ZONES     4
#define IFINDEX   7
#define FD_FIRST  5000 /* descriptors of ours: the channel, then epoll, UDP, TCP, and connections */
#define FD_EPOLL  (FD_FIRST + 1)
#define FD_UDP    (FD_FIRST + 2)
#define FD_TCP    (FD_FIRST + 3)
#define FD_CONN   (FD_FIRST + 10)
#define CONNS     300
#define BATCH_MAX 64
#define START_S   1700000000
#define MAPPINGS  512
#define NOTIFY_PORT 5354

enum outcome { GOES_ON, REFUSED, ENDED };

struct stream { /* a TCP connection, as its client sees it */
	uint32_t events;
	uint64_t number; /* epoll's */
	bool open, watched, ended, reset;
	uint8_t from;
	uint32_t ifindex;
	uint8_t *in, *out; /* what was sent to the worker, and what came back of the answer that is not whole */
	size_t in_len, in_read, in_judged, out_len, room; /* room: what the kernel still takes */
};

static struct made_zone zones[ZONES];
static uint8_t *blocks[ZONES];
static size_t block_len[ZONES];
static int block_fd[ZONES]; /* sealed, as the observer has it */
static int moved_fd; /* of the first zone, when its peers are elsewhere */
static struct listener listener;
static struct counters counters;
static const struct cookie_secrets secrets = {{"a secret of ours", "the one before i"}};

static struct {
	bool running, changed, six, wildcard, limited, closing, serving;
	const uint8_t *at, *end; /* of the input */
	sigjmp_buf out;
	uint64_t now_ms;
	struct worker_msg messages[16];
	int message_fd[16];
	unsigned messages_len, messages_read;
	int handed; /* a snapshot's descriptor that the worker has now */
	bool channel_closed;
	/* A batch: what comes with the next recvmmsg(). */
	uint8_t query[BATCH_MAX][DNS_UDP_MAX];
	size_t query_len[BATCH_MAX];
	uint8_t from[BATCH_MAX], ifindex[BATCH_MAX];
	bool cookie[BATCH_MAX], cut[BATCH_MAX];
	unsigned batch, udp_fails, sent_at_once;
	const void *from_at[BATCH_MAX]; /* where the worker wanted the sender's address */
	unsigned received;
	uint8_t notify[DNS_UDP_MAX]; /* what somebody was told last */
	size_t notify_len;
	struct stream streams[CONNS];
	unsigned streams_len;
	uint8_t accept_from;
	int accept_error;
	bool accept_waits;
	struct {
		void *p;
		size_t len;
	} mapped[MAPPINGS];
	size_t mapped_len;
} g;

/* ---- input ---- */

static uint8_t take8(void)
{
	return g.at < g.end ? *g.at++ : 0;
}

static uint16_t take16(void)
{
	uint8_t hi = take8();

	return (uint16_t)(hi << 8 | take8());
}

/* Copies at most `len` octets. Returns how many there were. */
static size_t take(uint8_t *to, size_t len)
{
	if (len > (size_t)(g.end - g.at))
		len = (size_t)(g.end - g.at);
	memcpy(to, g.at, len);
	g.at += len;
	return len;
}

static const uint8_t senders[][RANGES_ADDR] = {{4, 192, 0, 2, 1}, {4, 192, 0, 2, 9}, {4, 198, 51, 100, 1}, {4, 10, 0, 0, 1},
    {6, 0x20, 0x01, 0x0d, 0xb8, [16] = 1}, {6, 0x20, 0x01, 0x0d, 0xb8, [7] = 1, [16] = 2}, {6, 0xfe, 0x80, [16] = 1},
    {6, 0xfd, [16] = 1}};

static const uint8_t *sender(uint8_t n)
{
	return senders[(g.six ? 4 : 0) + n % 4];
}

static void put_sockaddr(uint8_t n, struct sockaddr_storage *sa, socklen_t *len)
{
	const uint8_t *key = sender(n);
	uint16_t port = htons(n % 16 == 15 ? 53 : n % 16 == 14 ? 0 : n % 16 == 11 ? NOTIFY_PORT : (uint16_t)(1024 + n));

	memset(sa, 0, sizeof(*sa));
	if (key[0] == 4) {
		struct sockaddr_in *sin = (void *)sa;

		sin->sin_family = AF_INET;
		sin->sin_port = port;
		memcpy(&sin->sin_addr, key + 1, 4);
		*len = sizeof(*sin);
	} else {
		struct sockaddr_in6 *sin6 = (void *)sa;

		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = port;
		memcpy(&sin6->sin6_addr, key + 1, 16);
		*len = sizeof(*sin6);
	}
}

/* A query: octets of the input, or one for a name that there is; or the answer to a NOTIFY. Behind "cookieme" comes a good cookie, if there is room. */
static size_t take_query(uint8_t *to, uint8_t from, bool *cookie)
{
	static const uint16_t types[] = {DNS_SRV, DNS_A, DNS_AAAA, DNS_TXT, DNS_PTR, DNS_SOA, DNS_NS, DNS_ANY, DNS_CNAME};
	uint8_t what = take8(), *at;
	size_t len;

	if (what >= 0xf0) {
		len = take(to, take16() % (DNS_UDP_MAX + 1));
	} else if (what == 0xef) {
		len = g.notify_len;
		memcpy(to, g.notify, len);
		if (len > 0)
			to[2] ^= 0x80;
	} else {
		const struct made_zone *z = &zones[what % ZONES];
		const struct snapshot_name *names = (const void *)(blocks[what % ZONES] + z->snapshot->names_off);
		uint8_t which = take8(), type = take8(), key[KEY_LEN];
		int size = (type & 0x80) != 0 ? DNS_UDP_MAX : NO_EDNS;

		if (which < 128 && z->snapshot->names_len > 0) {
			const struct snapshot_name *n = &names[which % z->snapshot->names_len];

			len = make_query(to, blocks[what % ZONES] + n->owner_off, n->owner_len, types[type % 9], size);
		} else {
			made_key(which % 24, key);
			len = make_peer_query(to, z, key, (which & 64) != 0, types[type % 9], size);
		}
		if (size != NO_EDNS && (type & 0x40) != 0) { /* with a cookie */
			put16(to + len - 2, 4 + COOKIE_LEN);
			memcpy(put16(put16(to + len, 10), COOKIE_LEN), "cookiemeXXXXXXXXXXXXXXXX", COOKIE_LEN);
			len += 4 + COOKIE_LEN;
		}
		if ((type & 0x20) != 0) /* and a change */
			to[take8() % len] ^= take8();
	}
	at = memmem(to, len, "cookieme", COOKIE_CLIENT);
	*cookie = at != NULL && (size_t)(to + len - at) >= COOKIE_LEN;
	if (*cookie)
		cookie_make(&secrets, at, sender(from), START_S);
	return len;
}

/* ---- the judge ---- */

/* An answer that is cut to keep within the rate says less than the judge expects: no RCODE, no AA. */
static bool is_cut(const uint8_t *a, size_t len)
{
	return len >= DNS_HEADER && (a[2] & 2) != 0 && get32(a + 6) == 0;
}

static void check_answer(const uint8_t *q, size_t q_len, const uint8_t *a, size_t len, size_t transport)
{
	bool form_only = g.changed || (g.limited && transport == DNS_UDP_MAX && is_cut(a, len));
	const char *what = form_only ? judge_form(q, q_len, a, len, transport) : judge(q, q_len, a, len, transport);

	if (what != NULL)
		fprintf(stderr, "%s\n", what);
	MUST(what == NULL);
}

/* What depends on who asks: a cookie is good for that one, and the first zone's list is for 192.0.2.1 and for a peer over the
 * tunnel. `q` is a query for it, or any other. */
static void check_asker(const uint8_t *q, size_t q_len, const uint8_t *a, size_t len, uint8_t from, uint32_t ifindex)
{
	const struct snapshot *s = zones[0].snapshot;
	size_t at = get16(a + 4) > 0 ? walk_name(a, len, DNS_HEADER) + 4 : DNS_HEADER, end = walk_name(q, q_len, DNS_HEADER);
	const uint8_t *who = sender(from);
	struct walked rr = {0};

	for (int n = get16(a + 6) + get16(a + 8) + get16(a + 10); n > 0; n--, at = rr.next)
		MUST(walk_record(a, len, at, &rr));
	for (at = rr.rdata; rr.type == DNS_OPT && at < rr.next; at += 4u + get16(a + at + 2))
		if (get16(a + at) == 10)
			MUST(cookie_check(&secrets, a + at + 4, who, START_S + (uint32_t)(g.now_ms / 1000)) != COOKIE_BAD);
	if (get16(a + 6) == 0 || end != DNS_HEADER + (size_t)s->service_len)
		return;
	for (size_t i = 0; i < s->service_len; i++)
		if (name_lower(q[DNS_HEADER + i]) != s->service[i])
			return;
	if (get16(q + end) == DNS_PTR)
		MUST(who == senders[0] || (who == senders[3] && ifindex == IFINDEX));
}

static void check_udp(size_t i, const uint8_t *a, size_t len)
{
	MUST(i < g.received);
	if (g.cut[i]) { /* only the header of a query that is too long is looked at */
		MUST(len == DNS_HEADER && ((a[3] & 15) == DNS_FORMERR || (a[3] & 15) == DNS_NOTIMP));
		return;
	}
	check_answer(g.query[i], g.query_len[i], a, len, DNS_UDP_MAX);
	if (!g.changed)
		check_asker(g.query[i], g.query_len[i], a, len, g.from[i], g.ifindex[i]);
	if (g.limited && !g.cookie[i] && g.ifindex[i] != IFINDEX && !g.changed)
		MUST(len <= ANSWER_AMPLIFICATION * g.query_len[i]);
}

/* Whole answers of a stream go with its queries in their order; those that are dropped have none. */
static void check_stream(struct stream *s)
{
	while (s->out_len >= 2 && s->out_len >= 2u + get16(s->out)) {
		size_t len = get16(s->out);

		for (;;) {
			const uint8_t *q = s->in + s->in_judged + 2;
			size_t q_len;

			MUST(s->in_len - s->in_judged >= 2);
			q_len = get16(q - 2);
			MUST(s->in_len - s->in_judged >= 2 + q_len && q_len >= DNS_HEADER);
			s->in_judged += 2 + q_len;
			if ((q[2] & 0x80) == 0) {
				check_answer(q, q_len, s->out + 2, len, DNS_TCP_MAX);
				if (!g.changed)
					check_asker(q, q_len, s->out + 2, len, s->from, s->ifindex);
				break;
			}
		}
		memmove(s->out, s->out + 2 + len, s->out_len - 2 - len);
		s->out_len -= 2 + len;
	}
}

/* ---- the kernel's part ---- */

static struct stream *stream_of(int fd)
{
	MUST(fd >= FD_CONN && fd < FD_CONN + (int)g.streams_len && g.streams[fd - FD_CONN].open);
	return &g.streams[fd - FD_CONN];
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	if (g.running && fd == g.handed)
		g.handed = -1;
	if (!g.running || fd < FD_FIRST)
		return __real_close(fd);
	stream_of(fd)->open = stream_of(fd)->watched = false;
	return 0;
}

void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	void *p = __real_mmap(at, len, prot, flags, fd, off);

	if (g.running && p != MAP_FAILED) { /* a worker that ends gives nothing back by itself */
		MUST(g.mapped_len < MAPPINGS);
		g.mapped[g.mapped_len].p = p;
		g.mapped[g.mapped_len++].len = len;
	}
	return p;
}

int __real_munmap(void *p, size_t len);
int __wrap_munmap(void *p, size_t len);
int __wrap_munmap(void *p, size_t len)
{
	for (size_t i = 0; g.running && i < g.mapped_len; i++) {
		if (g.mapped[i].p == p) {
			MUST(g.mapped[i].len == len);
			g.mapped[i] = g.mapped[--g.mapped_len];
			return __real_munmap(p, len);
		}
	}
	MUST(!g.running);
	return __real_munmap(p, len);
}

int __wrap_epoll_create1(int flags);
int __wrap_epoll_create1(int flags)
{
	(void)flags;
	return FD_EPOLL;
}

int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *ev);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *ev)
{
	MUST(epoll == FD_EPOLL && (op == EPOLL_CTL_ADD || op == EPOLL_CTL_MOD));
	if (fd >= FD_CONN) {
		struct stream *s = stream_of(fd);

		MUST(s->watched == (op == EPOLL_CTL_MOD));
		s->watched = true;
		s->events = ev->events;
		s->number = ev->data.u64;
	} else if (fd == FD_UDP) {
		g.serving = true;
	}
	return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	(void)level;
	(void)name;
	(void)value;
	(void)len;
	MUST(fd >= FD_FIRST);
	return 0;
}

/* IP_PKTOPTIONS: the interface that the connection came in on. */
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct msghdr mh = {.msg_control = value, .msg_controllen = *len};
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

	(void)name;
	stream_of(fd);
	if ((g.accept_from & 0x40) != 0) {
		errno = ENOPROTOOPT;
		return -1;
	}
	memset(value, 0, *len);
	if (level == IPPROTO_IP) {
		struct in_pktinfo info = {.ipi_ifindex = (g.accept_from & 0x80) != 0 ? IFINDEX : 1};

		*c = (struct cmsghdr){.cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(info))};
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		*len = CMSG_SPACE(sizeof(info));
	} else {
		struct in6_pktinfo info = {.ipi6_ifindex = (g.accept_from & 0x80) != 0 ? IFINDEX : 1};

		*c = (struct cmsghdr){.cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(info))};
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		*len = CMSG_SPACE(sizeof(info));
	}
	return 0;
}

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!g.running)
		return __real_clock_gettime(id, ts);
	ts->tv_sec = (time_t)(g.now_ms / 1000) + (id == CLOCK_REALTIME_COARSE ? START_S : 1000);
	ts->tv_nsec = (long)(g.now_ms % 1000) * 1000000;
	return 0;
}

static void put_pktinfo(struct msghdr *mh, uint8_t ifindex)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(mh);

	if (c == NULL)
		return;
	memset(mh->msg_control, 0, mh->msg_controllen);
	if (g.six) {
		struct in6_pktinfo info = {.ipi6_ifindex = ifindex};

		MUST(mh->msg_controllen >= CMSG_SPACE(sizeof(info)));
		*c = (struct cmsghdr){.cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(info))};
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		mh->msg_controllen = CMSG_SPACE(sizeof(info));
	} else {
		struct in_pktinfo info = {.ipi_ifindex = ifindex};

		MUST(mh->msg_controllen >= CMSG_SPACE(sizeof(info)));
		*c = (struct cmsghdr){.cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(info))};
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		mh->msg_controllen = CMSG_SPACE(sizeof(info));
	}
}

int __wrap_recvmmsg(int fd, struct mmsghdr *v, unsigned len, int flags, struct timespec *timeout);
int __wrap_recvmmsg(int fd, struct mmsghdr *v, unsigned len, int flags, struct timespec *timeout)
{
	MUST(fd == FD_UDP && len == BATCH_MAX && flags == MSG_DONTWAIT && timeout == NULL);
	if (g.batch == 0) {
		errno = EAGAIN;
		return -1;
	}
	for (unsigned i = 0; i < g.batch; i++) {
		struct msghdr *mh = &v[i].msg_hdr;

		MUST(mh->msg_iovlen == 1 && mh->msg_iov->iov_len == DNS_UDP_MAX);
		memcpy(mh->msg_iov->iov_base, g.query[i], g.query_len[i]);
		v[i].msg_len = (unsigned)g.query_len[i];
		mh->msg_flags = g.cut[i] ? MSG_TRUNC : 0;
		MUST(mh->msg_namelen == sizeof(struct sockaddr_storage));
		put_sockaddr(g.from[i], mh->msg_name, &mh->msg_namelen);
		put_pktinfo(mh, g.ifindex[i]);
		g.from_at[i] = mh->msg_name;
	}
	g.received = g.batch;
	g.batch = 0;
	return (int)g.received;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *v, unsigned len, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *v, unsigned len, int flags)
{
	unsigned n = g.sent_at_once != 0 && g.sent_at_once < len ? g.sent_at_once : len;

	MUST(fd == FD_UDP && len > 0 && len <= BATCH_MAX && flags == MSG_DONTWAIT);
	if (g.udp_fails > 0) {
		static const int errors[] = {EAGAIN, EINTR, EPERM, ENETUNREACH};

		errno = errors[g.udp_fails-- % 4];
		return -1;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct msghdr *mh = &v[i].msg_hdr;
		size_t from = 0;

		while (from < g.received && g.from_at[from] != mh->msg_name)
			from++;
		MUST(mh->msg_iovlen == 1);
		check_udp(from, mh->msg_iov->iov_base, mh->msg_iov->iov_len);
	}
	return (int)n;
}

/* Only the first zone has a tunnel, and only one of the senders is a peer's. */
static void check_notify(const struct msghdr *mh)
{
	const struct snapshot *s = zones[0].snapshot;
	const uint8_t *q = mh->msg_iov->iov_base;
	size_t len = mh->msg_iov->iov_len, end = walk_name(q, len, DNS_HEADER);
	const struct cmsghdr *c = CMSG_FIRSTHDR(mh);
	struct sockaddr_in to;

	MUST(end != 0 && len == end + 4 && get16(q + 2) == 0x2400 && get32(q + 4) == 0x10000 && get32(q + 8) == 0);
	MUST(get16(q + end) == DNS_SRV && get16(q + end + 2) == DNS_CLASS_IN);
	MUST(c != NULL && c->cmsg_type == (g.six ? IPV6_PKTINFO : IP_PKTINFO));
	if (g.changed)
		return;
	memcpy(&to, mh->msg_name, sizeof(to));
	MUST(!g.six && mh->msg_namelen == sizeof(to) && to.sin_family == AF_INET && ntohs(to.sin_port) == NOTIFY_PORT);
	MUST(memcmp(&to.sin_addr, senders[3] + 1, 4) == 0);
	MUST(((const struct in_pktinfo *)(const void *)CMSG_DATA(c))->ipi_ifindex == IFINDEX);
	MUST(memcmp(q + end - s->service_len, s->service, s->service_len) == 0);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *mh, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *mh, int flags)
{
	MUST(fd == FD_UDP && flags == MSG_DONTWAIT && mh->msg_iovlen == 1 && mh->msg_iov->iov_len <= DNS_UDP_MAX);
	check_notify(mh);
	if (g.udp_fails > 0) {
		g.udp_fails--;
		errno = ENODEV;
		return -1;
	}
	g.notify_len = mh->msg_iov->iov_len;
	memcpy(g.notify, mh->msg_iov->iov_base, g.notify_len);
	return (ssize_t)g.notify_len;
}

int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	MUST(fd == FD_TCP && flags == (SOCK_CLOEXEC | SOCK_NONBLOCK));
	MUST(g.accept_waits);
	g.accept_waits = false;
	if (g.accept_error != 0 || g.streams_len == CONNS) {
		errno = g.accept_error != 0 ? g.accept_error : ECONNABORTED;
		return -1;
	}
	put_sockaddr(g.accept_from, (void *)sa, len);
	g.streams[g.streams_len].open = true;
	g.streams[g.streams_len].room = 1 << 17;
	g.streams[g.streams_len].from = g.accept_from;
	g.streams[g.streams_len].ifindex = listener.tells_from && (g.accept_from & 0xc0) == 0x80 ? IFINDEX : 0;
	return FD_CONN + (int)g.streams_len++;
}

ssize_t __wrap_recv(int fd, void *to, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *to, size_t len, int flags)
{
	struct stream *s = stream_of(fd);
	size_t n = s->in_len - s->in_read;

	MUST(flags == MSG_DONTWAIT && len > 0);
	if (s->reset) {
		errno = ECONNRESET;
		return -1;
	}
	if (n == 0 && !s->ended) {
		errno = EAGAIN;
		return -1;
	}
	if (n > len)
		n = len;
	if (n > 0)
		memcpy(to, s->in + s->in_read, n);
	s->in_read += n;
	return (ssize_t)n;
}

ssize_t __wrap___recv_chk(int fd, void *to, size_t len, size_t cap, int flags);
ssize_t __wrap___recv_chk(int fd, void *to, size_t len, size_t cap, int flags)
{
	MUST(len <= cap);
	return __wrap_recv(fd, to, len, flags);
}

ssize_t __wrap_send(int fd, const void *from, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *from, size_t len, int flags)
{
	struct stream *s = stream_of(fd);

	MUST(flags == (MSG_NOSIGNAL | MSG_DONTWAIT) && len > 0);
	if (s->reset || s->room == 0) {
		errno = s->reset ? EPIPE : EAGAIN;
		return -1;
	}
	if (len > s->room)
		len = s->room;
	s->room -= len;
	if (s->out == NULL)
		s->out = malloc(2 * (2 + DNS_TCP_MAX));
	MUST(s->out != NULL && s->out_len + len <= 2 * (2 + DNS_TCP_MAX));
	memcpy(s->out + s->out_len, from, len);
	s->out_len += len;
	check_stream(s);
	return (ssize_t)len;
}

/* ---- the observer's part ---- */

static int sealed(const uint8_t *bytes, size_t len)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	MUST(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
	return fd;
}

static void say(const struct worker_msg *msg, int fd)
{
	if (g.messages_len == sizeof(g.messages) / sizeof(*g.messages)) {
		if (fd >= 0)
			__real_close(fd);
		return;
	}
	g.messages[g.messages_len] = *msg;
	g.message_fd[g.messages_len++] = fd;
}

static void say_zone(uint32_t zone, int fd)
{
	say(&(struct worker_msg){.what = WORKER_ZONE, .zone = zone}, fd);
}

static void say_limits(uint8_t bits, bool notify)
{
	static const uint32_t rates[] = {0, 5, 50, 1000};
	struct worker_msg msg = {.what = WORKER_LIMITS, .rate = rates[bits & 3], .slip = bits >> 2 & 1, .seed = {3, 4}, .secrets = secrets,
	    .notify_port = notify ? NOTIFY_PORT : 0};

	say(&msg, -1);
	g.limited = msg.rate != 0;
}

int __wrap_channel_recv(int channel, void *msg, size_t len, int *fd);
int __wrap_channel_recv(int channel, void *msg, size_t len, int *fd)
{
	MUST(channel == FD_FIRST && len == sizeof(struct worker_msg));
	if (g.messages_read == g.messages_len) {
		g.messages_read = g.messages_len = 0;
		return g.channel_closed ? 0 : -EAGAIN;
	}
	memcpy(msg, &g.messages[g.messages_read], len);
	MUST(g.handed < 0);
	g.handed = *fd = g.message_fd[g.messages_read];
	g.message_fd[g.messages_read++] = -1;
	return 1;
}

/* ---- the ends that a worker has ---- */

_Noreturn static void leave(enum outcome how)
{
	siglongjmp(g.out, how);
}

_Noreturn void __wrap_diex(const char *fmt, ...);
_Noreturn void __wrap_diex(const char *fmt, ...)
{
	MUST(strncmp(fmt, "a snapshot is not", 17) == 0);
	MUST(g.changed && !g.serving);
	leave(REFUSED);
}

_Noreturn void __wrap_die(const char *fmt, ...);
_Noreturn void __wrap_die(const char *fmt, ...)
{
	fprintf(stderr, "%s\n", fmt);
	abort();
}

_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
_Noreturn void __wrap__exit(int status)
{
	if (!g.running)
		__real__exit(status);
	MUST(g.channel_closed && status == 0);
	leave(ENDED);
}

void __wrap_sandbox_enter(enum sandbox_role role, const struct sandbox_user *user);
void __wrap_sandbox_enter(enum sandbox_role role, const struct sandbox_user *user)
{
	MUST(role == SANDBOX_WORKER);
	(void)user;
}

/* ---- events ---- */

static void play_batch(void)
{
	unsigned n = 1u + take8() % BATCH_MAX;

	for (g.batch = 0; g.batch < n && g.at < g.end; g.batch++) {
		unsigned i = g.batch;
		uint8_t how = take8();

		g.from[i] = take8();
		g.ifindex[i] = (how & 0x80) != 0 && listener.tells_from ? IFINDEX : 1;
		g.cut[i] = (how & 0x7f) == 0x7f;
		g.query_len[i] = take_query(g.query[i], g.from[i], &g.cookie[i]);
	}
}

static void play_data(struct stream *s)
{
	uint8_t query[DNS_UDP_MAX], how = take8();
	bool cookie;
	size_t len = take_query(query, s->from, &cookie), cut;

	if (!s->open || s->ended)
		return;
	s->in = realloc(s->in, s->in_len + 2 + len);
	MUST(s->in != NULL);
	cut = (how & 0x80) != 0 ? how & 0x7f : 0; /* some octets less come */
	put16(s->in + s->in_len, (uint16_t)((how & 0x7f) == 0x7e ? how * 77u : len));
	memcpy(s->in + s->in_len + 2, query, len);
	s->in_len += 2 + (len > cut ? len - cut : len);
}

static void play_snapshot(void)
{
	uint8_t what = take8();
	uint32_t zone = what % ZONES;

	if (what >= 0xf0)
		say_zone(zone, -1);
	else if (what >= 0xe0)
		say_limits(what, (what & 8) == 0);
	else if (zone != 0 || !g.changed) /* the zone, or one that is not ready */
		say_zone(zone, dup((what >> 4) % ZONES == 3 ? block_fd[3] : zone == 0 && (what & 8) != 0 ? moved_fd : block_fd[zone]));
}

/* The next event of the input. */
static void play(void)
{
	static const int errors[] = {EMFILE, ENFILE, ECONNABORTED, EAGAIN, ENOMEM, EPERM};
	uint8_t what = take8();
	struct stream *s = g.streams_len > 0 ? &g.streams[take8() % g.streams_len] : &g.streams[0];

	switch (what % 12) {
	case 0: case 1: case 2:
		play_batch();
		break;
	case 3: case 4:
		g.accept_waits = true;
		g.accept_from = take8();
		g.accept_error = what >= 240 ? errors[what % 6] : 0;
		break;
	case 5: case 6: case 7:
		play_data(s);
		break;
	case 8:
		s->ended = true;
		s->reset = what >= 128;
		break;
	case 9:
		s->room = what >= 128 ? take16() : s->room + 70000;
		break;
	case 10:
		g.now_ms += what >= 128 ? take16() : take8();
		g.udp_fails = what >= 200 ? what & 7 : 0;
		g.sent_at_once = take8() % 8;
		break;
	default:
		if (what == 0xfb)
			g.at = g.end, g.closing = true;
		else
			play_snapshot();
	}
}

static int ready(struct epoll_event *events, int max)
{
	int n = 0;

	if (g.messages_read < g.messages_len || g.channel_closed)
		events[n++].data.u64 = 0;
	if (g.batch > 0)
		events[n++].data.u64 = 1000;
	if (g.accept_waits)
		events[n++].data.u64 = 2000;
	for (unsigned i = 0; i < g.streams_len && n < max; i++) {
		const struct stream *s = &g.streams[i];
		bool in = s->in_len > s->in_read || s->ended || s->reset, out = s->room > 0 || s->reset;

		if (s->open && s->watched && (((s->events & EPOLLIN) != 0 && in) || ((s->events & EPOLLOUT) != 0 && out)))
			events[n++].data.u64 = s->number;
	}
	return n;
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms)
{
	int n = ready(events, max);

	MUST(epoll == FD_EPOLL && max == 64 && timeout_ms >= -1 && timeout_ms <= TCP_IDLE_MS);
	if (n == 0 && g.at < g.end && g.serving) {
		play();
		n = ready(events, max);
	}
	if (n > 0 || timeout_ms == 0 || g.at < g.end)
		return n;
	/* At the end every connection runs into its deadline: a worker keeps count of them from one run to the next. */
	if (timeout_ms > 0) {
		g.now_ms += (uint64_t)timeout_ms;
		return 0;
	}
	for (unsigned i = 0; i < g.streams_len; i++)
		MUST(!g.streams[i].open);
	if (!g.closing)
		leave(GOES_ON);
	g.channel_closed = true;
	return ready(events, max);
}

/* ---- a run ---- */

static void prepare_first(struct made_zone *z)
{
	static struct endpoint self[2];

	endpoint_addr_from_text("203.0.113.1", &self[0]);
	endpoint_addr_from_text("2001:db8:5::1", &self[1]);
	zone_prepare(z, "wg.test", "ns1.wg.test");
	zone_add_peers(z, 3);
	zone_add_self(z, 20, self, 2);
	zone_say(z, 0, "alice");
	zone_allow(z, "0.0.0.0/0,2001:db8::/32,tunnel");
	zone_allow_browse(z, "192.0.2.1/32,192.0.2.2/32,tunnel");
	z->world.ifindex = IFINDEX;
}

/* Peers 0 and 1 have other ports, and 2 is gone. */
static void prepare_moved(void)
{
	static struct made_zone moved;

	prepare_first(&moved);
	moved.dev.peers[0].endpoint.port = moved.dev.peers[1].endpoint.port = 7777;
	moved.dev.peers[2].endpoint.family = AF_UNSPEC;
	zone_make(&moved);
	moved_fd = sealed((const uint8_t *)moved.snapshot, moved.snapshot->size);
}

static void prepare(void)
{
	prepare_first(&zones[0]);
	zone_prepare(&zones[1], "shard.wg.test", NULL);
	zones[1].conf.list_max = 3;
	zone_add_peers(&zones[1], 20);
	zone_prepare(&zones[2], "all.test", NULL);
	zone_add_peers(&zones[2], 24);
	zone_add_allowed(&zones[2], 3000);
	zone_prepare(&zones[3], "gone.test", NULL);
	for (size_t i = 0; i < ZONES; i++) {
		i == 3 ? zone_make_not_ready(&zones[i]) : zone_make(&zones[i]);
		block_len[i] = zones[i].snapshot->size;
		blocks[i] = malloc(block_len[i]);
		MUST(blocks[i] != NULL);
		memcpy(blocks[i], zones[i].snapshot, block_len[i]);
		block_fd[i] = sealed(blocks[i], block_len[i]);
	}
	prepare_moved();
}

/* The first zone's snapshot with the input's changes. */
static int changed_snapshot(unsigned changes)
{
	uint8_t *copy = exact_copy(blocks[0], block_len[0]);
	int fd;

	while (changes-- > 0) {
		size_t at = take16() % block_len[0];
		uint8_t how = take8(), value = take8();

		copy[at] = how % 3 == 0 ? value : how % 3 == 1 ? copy[at] ^ value : (uint8_t)(copy[at] + value);
	}
	g.changed = memcmp(copy, blocks[0], block_len[0]) != 0;
	fd = sealed(copy, block_len[0]);
	free(copy);
	return fd;
}

static void clean_up(void)
{
	g.running = false;
	for (size_t i = 0; i < g.mapped_len; i++)
		munmap(g.mapped[i].p, g.mapped[i].len);
	if (g.handed >= 0)
		close(g.handed);
	for (unsigned i = g.messages_read; i < g.messages_len; i++)
		if (g.message_fd[i] >= 0)
			close(g.message_fd[i]);
	for (unsigned i = 0; i < g.streams_len; i++) {
		free(g.streams[i].in);
		free(g.streams[i].out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t options;

	if (blocks[0] == NULL)
		prepare();
	memset(&g, 0, sizeof(g));
	g.handed = -1;
	g.at = data;
	g.end = data + len;
	options = take8();
	g.six = (options & 8) != 0;
	g.wildcard = (options & 16) != 0;
	listener = (struct listener){.udp = FD_UDP, .tcp = FD_TCP, .family = g.six ? AF_INET6 : AF_INET, .wildcard = g.wildcard,
	    .tells_from = g.wildcard};
	say_limits(options, true);
	say_zone(0, changed_snapshot(options >> 5));
	for (uint32_t i = 1; i < ZONES; i++)
		say_zone(i, dup(block_fd[i]));
	g.running = true;
	if (sigsetjmp(g.out, 0) == 0) {
		g.running = true;
		worker_run(1, FD_FIRST, &listener, 1, ZONES, NULL, &counters);
	}
	clean_up();
	return 0;
}
