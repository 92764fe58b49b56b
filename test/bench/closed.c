/* The closed slice. The generator never sleeps, for then the server would have to wake it, and pay for that. Queries go out
 * many in a call (UDP_SEGMENT), so that asking is cheaper than answering, and the server is what is waited for. */
#include <err.h>
#include <errno.h>
#include <linux/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "slice.h"

#define IDS_MASK 4095
#define LOOK_NS  UINT64_C(2000000)     /* between two looks at the clocks */
#define MOST_NS  UINT64_C(10000000000) /* for what the server's processor would do in tenths of a second */

/* One call, n questions. */
static void ask_many(struct slice *s, unsigned socket, unsigned n)
{
	union {
		struct cmsghdr align;
		uint8_t buf[CMSG_SPACE(sizeof(uint16_t))];
	} control = {0};
	struct question *q[SLICE_WINDOW_MAX];
	struct iovec iov[SLICE_WINDOW_MAX];
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = n, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	uint16_t len = (uint16_t)question_len(s->kind);

	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(len));
	memcpy(CMSG_DATA(c), &len, sizeof(len));
	for (unsigned i = 0; i < n; i++) {
		q[i] = slice_next(s, socket);
		iov[i] = (struct iovec){.iov_base = q[i]->wire + 2, .iov_len = q[i]->len};
	}
	if (sendmsg(s->server->udp[socket], &mh, MSG_DONTWAIT) < 0) {
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS)
			err(1, "%s: sendmsg", s->server->name);
		slice_take_back(s, n);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		slice_sent(s, q[i]);
}

/* One in ten goes over TCP, neither more nor fewer, whichever of the two the server likes better. */
static bool may_datagram(const struct slice *s)
{
	return !s->kind->mixed || s->sent - s->sent_streamed < 9 * (s->sent_streamed + SLICE_STREAMS);
}

static void refill(struct slice *s, unsigned socket)
{
	unsigned each = s->window / SLICE_SOCKETS;

	/* By halves of a window: calls of one question would cost the generator as much as the server. */
	if (s->out[socket] <= each / 2 && may_datagram(s))
		ask_many(s, socket, each - s->out[socket]);
}

static void refill_streams(struct slice *s)
{
	while (9 * s->sent_streamed < s->sent - s->sent_streamed && slice_stream_next(s, 0, false))
		;
}

void slice_closed(struct slice *s, uint64_t cpu_ns)
{
	struct cost before, after;
	uint64_t now, look_ns;

	slice_begin(s, IDS_MASK);
	cost_read(&s->server->processes, &before);
	look_ns = before.wall_ns + LOOK_NS;
	for (;;) {
		for (unsigned i = 0; i < SLICE_SOCKETS; i++) {
			slice_receive(s, i);
			refill(s, i);
		}
		if (s->kind->mixed) {
			slice_receive_streams(s);
			refill_streams(s);
		}
		now = cost_now_ns();
		if (now < look_ns)
			continue;
		look_ns = now + LOOK_NS;
		if (now - s->progress_ns > SLICE_PATIENCE_NS)
			slice_give_up(s);
		if (cost_server_ns(&s->server->processes) - before.server_ns >= cpu_ns || now - before.wall_ns > MOST_NS + 8 * cpu_ns)
			break;
	}
	slice_end(s);
	cost_read(&s->server->processes, &after);
	cost_add_difference(&s->tally.cost, &before, &after);
}
