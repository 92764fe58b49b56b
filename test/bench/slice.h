/* A slice: for a fraction of a second one server is asked one kind of question. Closed: a window of questions is always
 * outstanding, so that the server never waits, and its processor time is what the answers cost. Open: questions at a fixed
 * rate, whether answered or not, and the time until each answer.
 *
 * Every answer is judged. A wrong one ends the program, saying what was wrong.
 */
#ifndef WGMEET_BENCH_SLICE_H
#define WGMEET_BENCH_SLICE_H

#include <netinet/in.h>

#include "cost.h"
#include "latency.h"
#include "question.h"

#define SLICE_SOCKETS   8  /* UDP, each a source port */
#define SLICE_STREAMS   20 /* TCP */
#define SLICE_NAME      16
/* Of some 940 octets each in the kernel's reckoning. They fit into a default receive buffer of 212,992 octets, a quarter of
 * which may be taken by what has been read: the kernel gives that back in larger pieces. */
#define SLICE_WINDOW    160
#define SLICE_WINDOW_MAX 1024

struct stream {
	int fd;
	unsigned outstanding;
	size_t have;
	uint8_t buf[4096];
};

struct server {
	char name[SLICE_NAME];
	bool is_reflector;
	struct sockaddr_in at;
	struct cost_processes processes;
	int udp[SLICE_SOCKETS];
	int poll; /* epoll of the streams */
	struct stream stream[SLICE_STREAMS];
};

struct tally {
	struct cost cost;
	uint64_t answers, streamed; /* all; of them over TCP */
	uint64_t lost, late;        /* late: answered when it had been given up, or twice */
	struct question_extras extras;
	size_t len_min, len_max;
};

struct slice {
	struct server *server;
	const struct question_kind *kind;
	uint32_t peers;
	size_t reflected_len; /* what a reflector is to answer */
	unsigned window;
	struct latency *latency; /* NULL: not measured */
	struct tally tally;
	/* The rest is slice.c's, closed.c's and open.c's. */
	uint32_t id_base, id_mask, next_id;
	unsigned out[SLICE_SOCKETS], outstanding;
	uint64_t sent, sent_streamed, progress_ns;
};

void slice_open_sockets(struct server *s);
/* Asks one question over UDP and returns the length of the answer, 0 if there is none that is right; `why` says then. */
size_t slice_ask_one(struct server *s, const struct question_kind *kind, const char **why);

/* cpu_ns: of the server's. */
void slice_closed(struct slice *s, uint64_t cpu_ns);
void slice_open(struct slice *s, double rate, uint64_t wall_ns);

/* ---- for closed.c and open.c ---- */

void slice_begin(struct slice *s, uint32_t id_mask);
/* Writes the next question. */
struct question *slice_next(struct slice *s, unsigned via);
/* The last ones that were written were not sent after all. */
void slice_take_back(struct slice *s, unsigned count);
void slice_sent(struct slice *s, struct question *q);
/* Writes and sends the next one over TCP, over a stream with nothing outstanding. If there is none: with `pipeline` over the
 * one with the fewest, else false. */
bool slice_stream_next(struct slice *s, uint64_t due_ns, bool pipeline);
void slice_receive(struct slice *s, unsigned socket);
void slice_receive_streams(struct slice *s);
/* What has not been answered is lost. */
void slice_give_up(struct slice *s);
/* Receives what is outstanding. */
void slice_end(struct slice *s);

#define SLICE_PATIENCE_NS UINT64_C(200000000) /* without any answer */

#endif
