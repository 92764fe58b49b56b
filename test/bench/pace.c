/* A steady load of queries, evenly paced, whose answers are all checked:
 *
 *     pace ADDR:PORT PEERS RATE SECONDS
 *
 * asks for the SRV of one peer after the other (see refresh.h) and prints how many answers came; exit 1 if one was lost or
 * wrong.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "refresh.h"
#include "wire.h"

#define TICK_NS  500000 /* what is due is sent then */
#define AT_ONCE  64     /* at most; behind time is behind time, and no burst */
#define IDS      65536
#define LAST_NS  INT64_C(1000000000) /* for the last answers */
#define BUFFER   (8 << 20)
#define STEP     7919 /* a prime: from peer to peer */

static struct {
	uint32_t peer;
	bool waiting;
} asked[IDS];

static struct {
	unsigned long sent, unsent, answered, wrong, lost, strange;
} count;

static void ask(int fd, size_t peers)
{
	uint16_t id = (uint16_t)(count.sent + count.unsent);
	size_t peer = (count.sent + count.unsent) * STEP % peers, len;
	uint8_t msg[REFRESH_QUESTION];

	len = refresh_ask(peer, id, msg);
	if (asked[id].waiting)
		count.lost++;
	asked[id].waiting = false;
	if (send(fd, msg, len, MSG_DONTWAIT) != (ssize_t)len) {
		count.unsent++;
		return;
	}
	asked[id].peer = (uint32_t)peer;
	asked[id].waiting = true;
	count.sent++;
}

static void take(const uint8_t *msg, size_t len)
{
	uint8_t question[REFRESH_QUESTION];
	uint16_t id = len < 2 ? 0 : get16(msg), port;

	if (len < 2 || !asked[id].waiting) {
		count.strange++;
		return;
	}
	asked[id].waiting = false;
	count.answered++;
	len = refresh_is_answer(question, refresh_ask(asked[id].peer, id, question), msg, len, &port) ? 0 : 1;
	/* A peer's own port, or a later round's. */
	if (len != 0 || (port != 1024 + asked[id].peer % 30000 && port < 40000))
		count.wrong++;
}

static void take_all(int fd)
{
	uint8_t msg[4096];
	ssize_t n;

	while ((n = recv(fd, msg, sizeof(msg), MSG_DONTWAIT)) >= 0 || errno == ECONNREFUSED)
		if (n >= 0)
			take(msg, (size_t)n);
}

static void sleep_until(int64_t ns)
{
	struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void run(int fd, size_t peers, double rate, double seconds)
{
	int64_t begin_ns = refresh_now_ns(), end_ns = begin_ns + (int64_t)(seconds * 1e9), now_ns, tick_ns = begin_ns;
	double due = 0;

	while ((now_ns = refresh_now_ns()) < end_ns) {
		int burst = 0;

		for (; due < (double)(now_ns - begin_ns) * rate / 1e9; due++)
			if (burst++ < AT_ONCE)
				ask(fd, peers);
		take_all(fd);
		tick_ns = tick_ns + TICK_NS > now_ns ? tick_ns + TICK_NS : now_ns + TICK_NS;
		sleep_until(tick_ns);
	}
	for (end_ns = refresh_now_ns() + LAST_NS; refresh_now_ns() < end_ns && count.answered + count.lost < count.sent;) {
		sleep_until(refresh_now_ns() + TICK_NS);
		take_all(fd);
	}
	for (size_t i = 0; i < IDS; i++)
		count.lost += asked[i].waiting;
}

int main(int argc, char *argv[])
{
	int fd, size = BUFFER;

	if (argc != 5)
		errx(2, "pace ADDR:PORT PEERS RATE SECONDS");
	fd = refresh_connect(argv[1]);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		err(2, "SO_RCVBUFFORCE");
	run(fd, strtoul(argv[2], NULL, 10), strtod(argv[3], NULL), strtod(argv[4], NULL));
	printf("%lu questions, %lu answers, %lu lost, %lu wrong, %lu to no question, %lu not sent\n", count.sent, count.answered,
	    count.lost, count.wrong, count.strange, count.unsent);
	return count.lost > 0 || count.wrong > 0 || count.sent == 0;
}
