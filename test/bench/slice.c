#include "slice.h"

#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "peers.h"
#include "reflector.h"
#include "wire.h"

#define BATCH    32
#define IDS      65536
#define ID_BLOCK 4096
#define STREAMED 0x80 /* in via */

static struct question asked[IDS]; /* by ID */
static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15), unknown_at;

static uint8_t buf[BATCH][2048];
static struct iovec iov[BATCH];
static struct mmsghdr mm[BATCH];

/* xorshift64*; even over the peers. */
static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * UINT64_C(2685821657736338717) >> 32) * n >> 32);
}

/* ---- sockets ---- */

static int open_socket(const struct server *s, int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&s->at, sizeof(s->at)) < 0)
		err(1, "%s: cannot connect", s->name);
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

void slice_open_sockets(struct server *s)
{
	for (size_t i = 0; i < SLICE_SOCKETS; i++)
		s->udp[i] = open_socket(s, SOCK_DGRAM);
	s->poll = epoll_create1(EPOLL_CLOEXEC);
	if (s->poll < 0)
		err(1, "epoll_create1");
	for (size_t i = 0; i < SLICE_STREAMS; i++)
		s->stream[i].fd = -1;
}

static void open_stream(struct server *s, size_t i)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = i};

	s->stream[i].fd = open_socket(s, SOCK_STREAM);
	s->stream[i].have = s->stream[i].outstanding = 0;
	if (epoll_ctl(s->poll, EPOLL_CTL_ADD, s->stream[i].fd, &ev) < 0)
		err(1, "epoll_ctl");
}

static void close_stream(struct server *s, size_t i)
{
	if (s->stream[i].fd >= 0)
		close(s->stream[i].fd);
	s->stream[i].fd = -1;
}

/* ---- questions ---- */

struct question *slice_next(struct slice *s, unsigned via)
{
	uint16_t id = (uint16_t)(s->id_base + (s->next_id++ & s->id_mask));
	struct question *q = &asked[id];

	if (q->state == QUESTION_ASKED) { /* it has had tens of milliseconds */
		s->tally.lost++;
		s->outstanding--;
		if (q->via & STREAMED)
			s->server->stream[q->via & ~STREAMED].outstanding--;
		else
			s->out[q->via]--;
	}
	q->state = QUESTION_FREE;
	q->via = (uint8_t)via;
	question_write(s->kind, s->kind->unknown ? unknown_at++ : random_below(s->peers), id, q);
	return q;
}

void slice_take_back(struct slice *s, unsigned count)
{
	s->next_id -= count;
}

void slice_sent(struct slice *s, struct question *q)
{
	q->state = QUESTION_ASKED;
	s->sent++;
	s->outstanding++;
	if ((q->via & STREAMED) == 0) {
		s->out[q->via]++;
		return;
	}
	s->sent_streamed++;
	s->server->stream[q->via & ~STREAMED].outstanding++;
}

bool slice_stream_next(struct slice *s, uint64_t due_ns, bool pipeline)
{
	struct server *server = s->server;
	size_t best = 0;
	struct question *q;

	for (size_t i = 1; i < SLICE_STREAMS; i++)
		if (server->stream[i].outstanding < server->stream[best].outstanding)
			best = i;
	if (server->stream[best].outstanding > 0 && !pipeline)
		return false;
	q = slice_next(s, STREAMED | (unsigned)best);
	q->due_ns = due_ns;
	if (send(server->stream[best].fd, q->wire, 2 + (size_t)q->len, MSG_NOSIGNAL | MSG_DONTWAIT) != 2 + q->len)
		err(1, "%s: send over TCP", server->name);
	slice_sent(s, q);
	return true;
}

static void lose(struct slice *s, struct question *q)
{
	q->state = QUESTION_LOST;
	s->tally.lost++;
	s->outstanding--;
	if ((q->via & STREAMED) == 0)
		s->out[q->via]--;
}

/* Without any of the streams that had something outstanding, so that nothing comes late over a new one. */
void slice_give_up(struct slice *s)
{
	for (size_t i = 0; i < IDS; i++)
		if (asked[i].state == QUESTION_ASKED)
			lose(s, &asked[i]);
	for (size_t i = 0; s->kind->mixed && i < SLICE_STREAMS; i++) {
		if (s->server->stream[i].outstanding == 0)
			continue;
		close_stream(s->server, i);
		open_stream(s->server, i);
	}
	s->progress_ns = cost_now_ns();
}

/* ---- answers ---- */

_Noreturn static void wrong(const struct slice *s, const char *what, const uint8_t *msg, size_t len)
{
	fprintf(stderr, "WRONG ANSWER from %s to a question of the kind %s: %s; %zu octets:\n", s->server->name, s->kind->name,
	    what, len);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, "%02x%c", msg[i], i % 32 == 31 || i + 1 == len ? '\n' : ' ');
	exit(1);
}

static void take_answer(struct slice *s, const uint8_t *msg, size_t len, bool streamed, uint64_t now_ns)
{
	struct question *q;
	const char *what;

	if (len < 12)
		wrong(s, "shorter than a header", msg, len);
	q = &asked[get16(msg)];
	if (q->state != QUESTION_ASKED) {
		s->tally.late++;
		return;
	}
	what = s->server->is_reflector ? question_judge_reflected(q, msg, len, s->reflected_len) :
	                                 question_judge(s->kind, q, msg, len, &s->tally.extras);
	if (what != NULL)
		wrong(s, what, msg, len);
	q->state = QUESTION_FREE;
	s->outstanding--;
	if (streamed)
		s->server->stream[q->via & ~STREAMED].outstanding--;
	else
		s->out[q->via]--;
	s->tally.answers++;
	s->tally.streamed += streamed;
	s->tally.len_min = len < s->tally.len_min ? len : s->tally.len_min;
	s->tally.len_max = len > s->tally.len_max ? len : s->tally.len_max;
	if (s->latency != NULL)
		latency_count(s->latency, now_ns - q->due_ns);
}

void slice_receive(struct slice *s, unsigned socket)
{
	uint64_t now_ns;
	int n = recvmmsg(s->server->udp[socket], mm, BATCH, MSG_DONTWAIT, NULL);

	if (n < 0) {
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			err(1, "%s: recvmmsg", s->server->name);
		return;
	}
	now_ns = cost_now_ns();
	for (int i = 0; i < n; i++)
		take_answer(s, buf[i], mm[i].msg_len, false, now_ns);
	s->progress_ns = now_ns;
}

static void receive_stream(struct slice *s, size_t i)
{
	struct stream *st = &s->server->stream[i];
	ssize_t n = recv(st->fd, st->buf + st->have, sizeof(st->buf) - st->have, MSG_DONTWAIT);
	uint64_t now_ns = cost_now_ns();
	size_t at = 0;

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0)
		errx(1, "%s has closed a connection in use", s->server->name);
	st->have += (size_t)n;
	while (st->have - at >= 2 && st->have - at - 2 >= get16(st->buf + at)) {
		take_answer(s, st->buf + at + 2, get16(st->buf + at), true, now_ns);
		at += 2u + get16(st->buf + at);
	}
	if (at == 0 && st->have == sizeof(st->buf))
		wrong(s, "a message that is too long", st->buf, 64);
	memmove(st->buf, st->buf + at, st->have - at);
	st->have -= at;
	s->progress_ns = now_ns;
}

void slice_receive_streams(struct slice *s)
{
	struct epoll_event events[SLICE_STREAMS];
	int n = epoll_wait(s->server->poll, events, SLICE_STREAMS, 0);

	for (int i = 0; i < n; i++)
		receive_stream(s, events[i].data.u64);
}

/* ---- the whole ---- */

/* Tells a reflector how long its answers are to be. */
static void tell_length(const struct server *s, size_t len)
{
	uint8_t msg[REFLECT_CONTROL], back[REFLECT_CONTROL] = {0};
	struct timeval patience = {.tv_sec = 10};

	memcpy(msg, REFLECT_MAGIC, REFLECT_CONTROL - 2);
	put16(msg + REFLECT_CONTROL - 2, (uint16_t)len);
	setsockopt(s->udp[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (send(s->udp[0], msg, sizeof(msg), 0) != sizeof(msg))
		err(1, "%s: send", s->name);
	do { /* answers that come late go before */
		if (recv(s->udp[0], back, sizeof(back), 0) < 0)
			err(1, "%s does not take a length of answers", s->name);
	} while (memcmp(msg, back, sizeof(msg)) != 0);
}

void slice_begin(struct slice *s, uint32_t id_mask)
{
	static uint32_t number;

	s->id_mask = id_mask;
	/* Answers that come late, from slices before, meet no question of this one. */
	s->id_base = number++ * ID_BLOCK;
	s->next_id = s->outstanding = 0;
	s->sent = s->sent_streamed = 0;
	memset(s->out, 0, sizeof(s->out));
	memset(&s->tally, 0, sizeof(s->tally));
	s->tally.len_min = SIZE_MAX;
	for (size_t i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){.iov_base = buf[i], .iov_len = sizeof(buf[i])};
		mm[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	/* What came when it had been given up. */
	for (unsigned i = 0; i < SLICE_SOCKETS; i++)
		while (recv(s->server->udp[i], buf[0], sizeof(buf[0]), MSG_DONTWAIT) >= 0)
			;
	if (s->server->is_reflector)
		tell_length(s->server, s->reflected_len);
	for (size_t i = 0; s->kind->mixed && i < SLICE_STREAMS; i++)
		open_stream(s->server, i);
	s->progress_ns = cost_now_ns();
}

void slice_end(struct slice *s)
{
	while (s->outstanding > 0 && cost_now_ns() - s->progress_ns < SLICE_PATIENCE_NS) {
		for (unsigned i = 0; i < SLICE_SOCKETS; i++)
			slice_receive(s, i);
		if (s->kind->mixed)
			slice_receive_streams(s);
	}
	if (s->outstanding > 0)
		slice_give_up(s);
	for (size_t i = 0; s->kind->mixed && i < SLICE_STREAMS; i++)
		close_stream(s->server, i);
}

size_t slice_ask_one(struct server *s, const struct question_kind *kind, const char **why)
{
	struct timeval patience = {.tv_usec = 200000};
	struct question_extras extras = {0};
	struct question q;
	ssize_t n;

	question_write(kind, 0, 1, &q);
	setsockopt(s->udp[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	n = send(s->udp[0], q.wire + 2, q.len, 0) == q.len ? recv(s->udp[0], buf[0], sizeof(buf[0]), 0) : -1;
	*why = n < 12 ? "no answer" : question_judge(kind, &q, buf[0], (size_t)n, &extras);
	return *why == NULL ? (size_t)n : 0;
}
