/* The open slice. A question's time runs from when it was to be sent, so that a generator that is held up does not hide what
 * its questions would have met. */
#include <err.h>
#include <errno.h>
#include <sys/socket.h>

#include "slice.h"

#define IDS_MASK 65535

static void ask(struct slice *s, unsigned socket, uint64_t due_ns)
{
	struct question *q = slice_next(s, socket);

	q->due_ns = due_ns;
	slice_sent(s, q);
	if (send(s->server->udp[socket], q->wire + 2, q->len, MSG_DONTWAIT) < 0 && errno != EAGAIN && errno != ENOBUFS)
		err(1, "%s: send", s->server->name);
}

void slice_open(struct slice *s, double rate, uint64_t wall_ns)
{
	uint64_t start_ns, gap_ns = (uint64_t)(1e9 / rate), number = 0;
	struct cost before, after;

	slice_begin(s, IDS_MASK);
	cost_read(&s->server->processes, &before);
	start_ns = cost_now_ns();
	while (number * gap_ns < wall_ns) {
		uint64_t due_ns = start_ns + number * gap_ns;

		if (cost_now_ns() >= due_ns) {
			if (s->kind->mixed && number % 10 == 9)
				slice_stream_next(s, due_ns, true);
			else
				ask(s, (unsigned)(number % SLICE_SOCKETS), due_ns);
			number++;
			if (number % 16 != 0 && cost_now_ns() >= due_ns + gap_ns)
				continue; /* behind */
		}
		for (unsigned i = 0; i < SLICE_SOCKETS; i++)
			slice_receive(s, i);
		if (s->kind->mixed)
			slice_receive_streams(s);
	}
	slice_end(s);
	cost_read(&s->server->processes, &after);
	cost_add_difference(&s->tally.cost, &before, &after);
}
