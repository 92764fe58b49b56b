/* DNS over TCP (RFC 7766): two octets of length before each message, many queries on a connection, answered in order.
 *
 *     reading --a whole query--> answered --all sent--> reading
 *                                     `--the rest waits--> writing --all sent--> reading
 *     client is done --what it was sent is not all taken--> ending --taken--> closed
 *
 * A connection has one deadline at a time: for its next whole query, or for its answer to be taken. A client that
 * sends or reads octet by octet does not move it. No connection lives on for ever either. The table is the bound; when it is
 * full the one that would time out first makes room, and so it is with those of one source when they are too many.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "wire.h"
#include "worker.h"

#define CONNECTIONS 256
#define PER_SOURCE  32   /* an IPv4 address, or the /56 that one customer has */
#define QUERY_MAX   4096 /* a question, an OPT and its padding: far less */
#define LIFE_MS     120000
#define ENDING_MS   100  /* between two looks whether the client has taken all */

struct conn {
	int fd;
	bool in_use, writing, ending;
	struct asker asker;
	const struct listener *listener;
	uint8_t local[16]; /* the address of ours, all zero if unknown */
	int64_t deadline_ms, end_ms;
	uint32_t have, out_at, out_len;
	uint8_t in[2 + QUERY_MAX];
	uint8_t out[2 + DNS_TCP_MAX]; /* what the client has not taken yet */
};

static struct {
	int epoll;
	struct conn *conns; /* a mapping: what was never used has no page */
	uint32_t open;
	uint8_t scratch[2 + DNS_TCP_MAX + ANSWER_SLACK];
} t;

/* Something whole was done: the next such thing has its time. */
static void set_deadline(struct conn *conn)
{
	conn->deadline_ms = (int64_t)worker_now_ms() + TCP_IDLE_MS;
	if (conn->deadline_ms > conn->end_ms)
		conn->deadline_ms = conn->end_ms;
}

void tcp_init(int epoll)
{
	t.epoll = epoll;
	t.conns = mmap(NULL, CONNECTIONS * sizeof(*t.conns), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t.conns == MAP_FAILED)
		die("mmap");
}

/* False if the kernel is short of memory: then the connection is to be cut. */
static bool watch(struct conn *conn, int op, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.u64 = TCP_EVENT + (uint64_t)(conn - t.conns)};

	return epoll_ctl(t.epoll, op, conn->fd, &ev) == 0;
}

/* Is there anything that the client has not acknowledged? */
static bool owes(const struct conn *conn)
{
	int octets;

	return conn->writing || ioctl(conn->fd, SIOCOUTQ, &octets) < 0 || octets > 0;
}

/* What a client has not taken would stay in the kernel for minutes, and no table would count it. */
static void cut(struct conn *conn)
{
	struct linger reset = {.l_onoff = 1};

	if (owes(conn))
		setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(conn->fd);
	conn->in_use = false;
	t.open--;
}

/* Nothing more is read. The connection keeps its place until the client has taken what it was sent. */
static void finish(struct conn *conn)
{
	int64_t now = (int64_t)worker_now_ms();

	if (conn->ending || !owes(conn) || !watch(conn, EPOLL_CTL_MOD, 0)) {
		cut(conn);
		return;
	}
	conn->ending = true;
	if (conn->end_ms > now + TCP_IDLE_MS)
		conn->end_ms = now + TCP_IDLE_MS;
	conn->deadline_ms = now + ENDING_MS;
}

static bool is_from(const struct conn *conn, const uint8_t addr[RANGES_ADDR])
{
	return memcmp(conn->asker.addr, addr, addr[0] == 4 ? 5 : 8) == 0;
}

/* The one that would time out first, of that source or (NULL) of all. There is one. */
static struct conn *cut_oldest(const uint8_t *addr, struct counters *c)
{
	struct conn *first = NULL;

	for (uint32_t i = 0; i < CONNECTIONS; i++)
		if (t.conns[i].in_use && (addr == NULL || is_from(&t.conns[i], addr)) &&
		    (first == NULL || t.conns[i].deadline_ms < first->deadline_ms))
			first = &t.conns[i];
	cut(first);
	counters_add(&c->tcp_cut, 1);
	return first;
}

static struct conn *find_place(const uint8_t addr[RANGES_ADDR], struct counters *c)
{
	struct conn *place = NULL;
	unsigned same = 0;

	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		if (t.conns[i].in_use)
			same += is_from(&t.conns[i], addr);
		else if (place == NULL)
			place = &t.conns[i];
	}
	if (same >= PER_SOURCE)
		return cut_oldest(addr, c);
	return place != NULL ? place : cut_oldest(NULL, c);
}

/* The interface that the connection was opened over, 0: unknown; and the address of ours that it was opened to, which stays
 * as it is if unknown. The kernel keeps them where the listener asked for it (ip(7), IP_PKTINFO; for IPv6 by the option of RFC
 * 2292, where the address is the client's). */
static uint32_t interface_of(int fd, sa_family_t family, uint8_t local[16])
{
	union {
		struct cmsghdr align;
		uint8_t buf[256];
	} control;
	socklen_t len = sizeof(control);
	struct msghdr mh = {.msg_control = &control};

	if (getsockopt(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6, family == AF_INET ? IP_PKTOPTIONS : IPV6_2292PKTOPTIONS,
	        &control, &len) < 0)
		return 0;
	mh.msg_controllen = len;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&mh); c != NULL; c = CMSG_NXTHDR(&mh, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			const struct in_pktinfo *info = (const void *)CMSG_DATA(c);

			memcpy(local, &info->ipi_spec_dst, 4);
			return (uint32_t)info->ipi_ifindex;
		}
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			return (uint32_t)((const struct in6_pktinfo *)(const void *)CMSG_DATA(c))->ipi6_ifindex;
	}
	return 0;
}

static void who_asks(int fd, const struct listener *l, const struct sockaddr_storage *from, struct asker *out, uint8_t local[16])
{
	const void *addr = &((const struct sockaddr_in *)from)->sin_addr;

	if (from->ss_family == AF_INET6)
		addr = &((const struct sockaddr_in6 *)from)->sin6_addr;
	ranges_key(from->ss_family, addr, out->addr);
	memset(local, 0, 16);
	out->ifindex = l->tells_from ? interface_of(fd, from->ss_family, local) : 0;
	out->is_stream = true;
}

void tcp_accept(const struct listener *l, struct counters *c)
{
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	int fd = accept4(l->tcp, (struct sockaddr *)&from, &from_len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct asker asker;
	struct conn *conn;
	uint8_t local[16];

	/* Without descriptors or memory the listener would call again at once, and again. */
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) && t.open > 0)
		cut_oldest(NULL, c);
	if (fd < 0)
		return;
	who_asks(fd, l, &from, &asker, local);
	conn = find_place(asker.addr, c);
	conn->fd = fd;
	conn->asker = asker;
	conn->listener = l;
	memcpy(conn->local, local, sizeof(conn->local));
	conn->in_use = true;
	conn->writing = conn->ending = false;
	conn->have = conn->out_at = conn->out_len = 0;
	conn->end_ms = (int64_t)worker_now_ms() + LIFE_MS;
	set_deadline(conn);
	t.open++;
	counters_add(&c->tcp_connections, 1);
	if (!watch(conn, EPOLL_CTL_ADD, EPOLLIN))
		cut(conn);
}

/* Returns false if the connection is gone. */
static bool flush(struct conn *conn)
{
	while (conn->out_at < conn->out_len) {
		ssize_t n = send(conn->fd, conn->out + conn->out_at, conn->out_len - conn->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return true;
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			conn->out_at += (uint32_t)n;
	}
	conn->writing = false;
	set_deadline(conn);
	return watch(conn, EPOLL_CTL_MOD, EPOLLIN);
}

static bool send_answer(struct conn *conn, size_t len)
{
	ssize_t n = send(conn->fd, t.scratch, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		return false;
	set_deadline(conn);
	if (n == (ssize_t)len)
		return true;
	conn->out_at = 0;
	conn->out_len = (uint32_t)(len - (n > 0 ? (size_t)n : 0));
	memcpy(conn->out, t.scratch + len - conn->out_len, conn->out_len);
	conn->writing = true;
	return watch(conn, EPOLL_CTL_MOD, EPOLLOUT);
}

static bool pause_reading(struct conn *conn)
{
	conn->out_at = conn->out_len = 0;
	conn->writing = true;
	return watch(conn, EPOLL_CTL_MOD, EPOLLOUT);
}

/* The query of that many octets in t.scratch. Returns the answer's length, 0: none. */
static size_t answer_one(const struct conn *conn, const struct answer_world *world, size_t len, struct counters *c)
{
	struct query q;

	len = answer_steps(world, &conn->asker, t.scratch + 2, len, &q);
	counters_add(len != 0 ? &c->answers : &c->dropped, 1);
	counters_query(c, COUNTERS_TCP, q.type, len != 0 ? q.result : COUNTERS_DROPPED);
	if (q.by_tunnel)
		notify_asked(&q, t.scratch + 2, &conn->asker, conn->listener, conn->local, worker_now_ms());
	return len;
}

/* Answers the whole queries in the buffer, up to one whose answer must wait. Small queries may have large answers: after
 * a message's worth the others have their turn, and this one goes on as if it waited to write. Returns false if the
 * connection is to end. */
static bool answer_all(struct conn *conn, const struct answer_world *world, struct counters *c)
{
	size_t sent = 0;
	uint32_t at = 0;

	while (!conn->writing && conn->have - at >= 2) {
		size_t len = get16(conn->in + at);

		if (len < DNS_HEADER || len > QUERY_MAX) {
			counters_add(&c->tcp_malformed, 1);
			return false;
		}
		if (conn->have - at < 2 + len)
			break;
		memcpy(t.scratch + 2, conn->in + at + 2, len);
		at += (uint32_t)(2 + len);
		len = answer_one(conn, world, len, c);
		if (len == 0)
			continue;
		put16(t.scratch, (uint16_t)len);
		if (!send_answer(conn, 2 + len))
			return false;
		sent += len;
		if (sent > DNS_TCP_MAX && !conn->writing && !pause_reading(conn))
			return false;
	}
	memmove(conn->in, conn->in + at, conn->have - at);
	conn->have -= at;
	return true;
}

/* One recv() an event: no connection keeps the others waiting. */
static bool serve(struct conn *conn, const struct answer_world *world, struct counters *c)
{
	ssize_t n;

	if (conn->writing) {
		if (!flush(conn))
			return false;
		if (conn->writing)
			return true;
	} else {
		n = recv(conn->fd, conn->in + conn->have, sizeof(conn->in) - conn->have, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
			return false;
		conn->have += n > 0 ? (uint32_t)n : 0;
	}
	return answer_all(conn, world, c);
}

void tcp_event(uint32_t number, const struct answer_world *world, struct counters *c)
{
	struct conn *conn = &t.conns[number];

	/* It may have made room for another since the event was fetched; then it is read without need, and no harm. */
	if (conn->in_use && (conn->ending || !serve(conn, world, c)))
		finish(conn);
}

int tcp_expire(struct counters *c)
{
	int64_t now, next = INT64_MAX;

	counters_set(&c->tcp_open, t.open);
	if (t.open == 0)
		return -1;
	now = (int64_t)worker_now_ms();
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		struct conn *conn = &t.conns[i];

		if (!conn->in_use)
			continue;
		if (conn->ending && conn->deadline_ms <= now && now < conn->end_ms && owes(conn))
			conn->deadline_ms = now + ENDING_MS;
		if (conn->deadline_ms <= now) {
			counters_add(&c->tcp_cut, !conn->ending);
			cut(conn);
		} else if (conn->deadline_ms < next) {
			next = conn->deadline_ms;
		}
	}
	counters_set(&c->tcp_open, t.open);
	return t.open == 0 ? -1 : (int)(next - now);
}
