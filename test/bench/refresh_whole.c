/* A refresh of the whole program, seen from outside: what its processes take from the rename(2) of a dump file with one
 * change until that change is in DNS. */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "refresh.h"

#define ROUNDS_MAX  64
#define PIDS_MAX    64
#define ANSWER_MS   1000
#define SERVED_S    300
#define SETTLED_MS  300 /* for the rest of the work, when the change is served */
#define ASK_MS      2   /* the first pause between two questions; then longer ones: asking shall cost the server little */
#define ASK_MAX_MS  25
#define COST_FACTOR 20  /* as the server's: a reading is followed by a pause of so many times its cost */

static struct {
	clockid_t clocks[PIDS_MAX];
	size_t len;
} processes;

struct round {
	int64_t all_ns, first_ns, settled_ns, wall_ns, questions;
};

static void sleep_ms(int64_t ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static int64_t cpu_of(size_t i)
{
	struct timespec ts;

	if (clock_gettime(processes.clocks[i], &ts) < 0)
		errx(2, "the server has ended");
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t cpu_of_all(void)
{
	int64_t sum = 0;

	for (size_t i = 0; i < processes.len; i++)
		sum += cpu_of(i);
	return sum;
}

/* The port that DNS has for a peer now; 0: no answer. */
static uint16_t ask(int fd, size_t peer, uint16_t id)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t question[REFRESH_QUESTION], msg[4096];
	size_t len = refresh_ask(peer, id, question);
	uint16_t port;

	if (send(fd, question, len, 0) != (ssize_t)len)
		return 0;
	while (poll(&p, 1, ANSWER_MS) > 0) {
		ssize_t n = recv(fd, msg, sizeof(msg), 0);

		if (n < 0)
			return 0;
		if (refresh_is_answer(question, len, msg, (size_t)n, &port))
			return port;
	}
	return 0;
}

static int64_t ask_until(int fd, size_t peer, uint16_t want)
{
	int64_t questions = 0, pause_us = ASK_MS * 1000, end_ns = refresh_now_ns() + SERVED_S * INT64_C(1000000000);

	while (refresh_now_ns() < end_ns) {
		if (ask(fd, peer, (uint16_t)++questions) == want)
			return questions;
		usleep((useconds_t)pause_us);
		pause_us = pause_us * 5 / 4 > ASK_MAX_MS * 1000 ? ASK_MAX_MS * 1000 : pause_us * 5 / 4;
	}
	errx(1, "the change is not served after %d s", SERVED_S);
}

static struct round one(size_t peers, unsigned number, const char *file, const char *next, int fd)
{
	size_t peer = refresh_changing(peers, 1);
	struct round r;
	int64_t all_ns = cpu_of_all(), first_ns = cpu_of(0), now_ns = refresh_now_ns();

	if (rename(next, file) != 0)
		err(2, "%s", file);
	r.questions = ask_until(fd, peer, refresh_port(peers, 1, number, peer));
	r.all_ns = cpu_of_all() - all_ns;
	r.first_ns = cpu_of(0) - first_ns;
	r.wall_ns = refresh_now_ns() - now_ns;
	sleep_ms(SETTLED_MS);
	r.settled_ns = cpu_of_all() - all_ns;
	return r;
}

static int64_t median(const struct round *rounds, size_t len, size_t field)
{
	int64_t values[ROUNDS_MAX];

	for (size_t i = 0; i < len; i++)
		memcpy(&values[i], (const uint8_t *)&rounds[i] + field, sizeof(values[i]));
	return refresh_median(values, len);
}

void refresh_whole(size_t peers, size_t rounds, const char *file, const char *server, char *pids[], size_t pids_len)
{
	struct round done[ROUNDS_MAX];
	char next[1024];
	int fd = refresh_connect(server);
	int64_t cost_ns;

	if (rounds > ROUNDS_MAX || pids_len > PIDS_MAX)
		errx(2, "at most %d rounds and %d processes", ROUNDS_MAX, PIDS_MAX);
	for (; processes.len < pids_len; processes.len++)
		if (clock_getcpuclockid(atoi(pids[processes.len]), &processes.clocks[processes.len]) != 0)
			errx(2, "no process %s", pids[processes.len]);
	cost_ns = cpu_of(0);
	snprintf(next, sizeof(next), "%s.next", file);
	for (size_t i = 0; i < rounds; i++) {
		refresh_write(next, peers, 1, (unsigned)i + 1);
		sleep_ms(cost_ns * COST_FACTOR / 1000000 + SETTLED_MS); /* then a change comes to a server that is at rest */
		done[i] = one(peers, (unsigned)i + 1, file, next, fd);
		cost_ns = done[i].first_ns;
	}
	printf("whole_us\tobserver_us\tsettled_us\twall_ms\tquestions\n%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\n",
	    median(done, rounds, offsetof(struct round, all_ns)) / 1000,
	    median(done, rounds, offsetof(struct round, first_ns)) / 1000,
	    median(done, rounds, offsetof(struct round, settled_ns)) / 1000,
	    median(done, rounds, offsetof(struct round, wall_ns)) / 1000000,
	    median(done, rounds, offsetof(struct round, questions)));
	close(fd);
}
