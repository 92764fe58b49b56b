/* DNS over TCP (RFC 7766): two octets of length before each message, many queries on a connection, answered in order.
 *
 *     reading --a whole query--> answered --all sent--> reading
 *                                     `--the rest waits--> writing --all sent--> reading
 *
 * A connection has one deadline at a time: for its next whole query, or for its answer to be taken. A client that
 * sends or reads octet by octet does not move it. The table is the bound; when it is full the one that would
 * time out first makes room.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "wire.h"
#include "worker.h"

#define CONNECTIONS 256
#define QUERY_MAX   4096 /* a question, an OPT and its padding: far less */
#define DEADLINE_MS 10000

struct conn {
	int fd;
	bool in_use, writing;
	int64_t deadline_ms;
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

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
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

/* What a client has not taken shall not stay in the kernel for it. */
static void cut(struct conn *conn)
{
	struct linger reset = {.l_onoff = 1};

	if (conn->writing)
		setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(conn->fd);
	conn->in_use = false;
	t.open--;
}

/* The one that would time out first. There is one. */
static struct conn *cut_oldest(struct counters *c)
{
	struct conn *first = NULL;

	for (uint32_t i = 0; i < CONNECTIONS; i++)
		if (t.conns[i].in_use && (first == NULL || t.conns[i].deadline_ms < first->deadline_ms))
			first = &t.conns[i];
	cut(first);
	c->tcp_cut++;
	return first;
}

static struct conn *free_place(struct counters *c)
{
	for (uint32_t i = 0; i < CONNECTIONS; i++)
		if (!t.conns[i].in_use)
			return &t.conns[i];
	return cut_oldest(c);
}

void tcp_accept(int listener, struct counters *c)
{
	struct conn *conn = free_place(c);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	/* Without descriptors or memory the listener would call again at once, and again. */
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) && t.open > 0)
		cut_oldest(c);
	if (fd < 0)
		return;
	conn->fd = fd;
	conn->in_use = true;
	conn->writing = false;
	conn->have = conn->out_at = conn->out_len = 0;
	conn->deadline_ms = now_ms() + DEADLINE_MS;
	t.open++;
	c->tcp_connections++;
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
	conn->deadline_ms = now_ms() + DEADLINE_MS;
	return watch(conn, EPOLL_CTL_MOD, EPOLLIN);
}

static bool send_answer(struct conn *conn, size_t len)
{
	ssize_t n = send(conn->fd, t.scratch, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		return false;
	conn->deadline_ms = now_ms() + DEADLINE_MS;
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

/* Answers the whole queries in the buffer, up to one whose answer must wait. Small queries may have large answers: after
 * a message's worth the others have their turn, and this one goes on as if it waited to write. Returns false if the
 * connection is to end. */
static bool answer_all(struct conn *conn, const struct answer_zones *zones, struct counters *c)
{
	size_t sent = 0;
	uint32_t at = 0;

	while (!conn->writing && conn->have - at >= 2) {
		size_t len = get16(conn->in + at);

		if (len < DNS_HEADER || len > QUERY_MAX)
			return false;
		if (conn->have - at < 2 + len)
			break;
		memcpy(t.scratch + 2, conn->in + at + 2, len);
		at += (uint32_t)(2 + len);
		len = answer_query(zones, t.scratch + 2, len, DNS_TCP_MAX);
		if (len == 0) {
			c->dropped++;
			continue;
		}
		c->answers++;
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
static bool serve(struct conn *conn, const struct answer_zones *zones, struct counters *c)
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
	return answer_all(conn, zones, c);
}

void tcp_event(uint32_t number, const struct answer_zones *zones, struct counters *c)
{
	struct conn *conn = &t.conns[number];

	/* It may have made room for another since the event was fetched; then it is read without need, and no harm. */
	if (conn->in_use && !serve(conn, zones, c))
		cut(conn);
}

int tcp_expire(struct counters *c)
{
	int64_t now, next = INT64_MAX;

	if (t.open == 0)
		return -1;
	now = now_ms();
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		struct conn *conn = &t.conns[i];

		if (!conn->in_use)
			continue;
		if (conn->deadline_ms <= now) {
			cut(conn);
			c->tcp_cut++;
		} else if (conn->deadline_ms < next) {
			next = conn->deadline_ms;
		}
	}
	return t.open == 0 ? -1 : (int)(next - now);
}
