#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "channel.h"
#include "log.h"

#define EVENTS 64

/* What an event's number means: the channel, a listener's UDP or TCP socket, or (TCP_EVENT and up) a connection. */
#define CHANNEL_EVENT UINT64_C(0)
#define UDP_EVENT     UINT64_C(1000)
#define ACCEPT_EVENT  UINT64_C(2000)

struct worker {
	int channel, epoll;
	const struct listener *listeners;
	size_t zones_len;
	struct answer_zones zones;
	const struct snapshot *by_number[ANSWER_ZONES];
	struct counters counters;
};

_Noreturn static void end(const struct worker *w)
{
	const struct counters *c = &w->counters;

	debug("%llu answers, %llu dropped, %llu unsent; %llu connections, %llu cut", (unsigned long long)c->answers,
	    (unsigned long long)c->dropped, (unsigned long long)c->unsent, (unsigned long long)c->tcp_connections,
	    (unsigned long long)c->tcp_cut);
	_exit(EXIT_FINE);
}

/* Takes all that the observer has sent. Returns how many zones came. */
static size_t take_snapshots(struct worker *w)
{
	struct worker_msg msg;
	const struct snapshot *s;
	size_t taken = 0;
	int fd, r;

	while ((r = channel_recv(w->channel, &msg, sizeof(msg), &fd)) > 0) {
		if (msg.zone >= ANSWER_ZONES)
			diex("the observer sent no zone: this is a bug");
		s = NULL;
		r = fd < 0 ? 0 : snapshot_map(fd, &s);
		if (fd >= 0)
			close(fd);
		if (r < 0)
			diex("a snapshot is not what the observer builds (%s): this is a bug", strerror(-r));
		snapshot_unmap(w->by_number[msg.zone]);
		w->by_number[msg.zone] = s;
		taken++;
	}
	if (r == 0)
		end(w);
	w->zones.len = 0;
	for (size_t i = 0; i < ANSWER_ZONES; i++)
		if (w->by_number[i] != NULL)
			answer_add_zone(&w->zones, w->by_number[i]);
	return taken;
}

static void watch(const struct worker *w, int fd, uint64_t number)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = number};

	if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
}

static void dispatch(struct worker *w, uint64_t number)
{
	if (number >= TCP_EVENT)
		tcp_event((uint32_t)(number - TCP_EVENT), &w->zones, &w->counters);
	else if (number >= ACCEPT_EVENT)
		tcp_accept(w->listeners[number - ACCEPT_EVENT].tcp, &w->counters);
	else if (number >= UDP_EVENT)
		udp_serve(&w->listeners[number - UDP_EVENT], &w->zones, &w->counters);
	else
		take_snapshots(w);
}

static int wait_events(const struct worker *w, struct epoll_event *events, int timeout_ms)
{
	int n = epoll_wait(w->epoll, events, EVENTS, timeout_ms);

	if (n < 0 && errno != EINTR)
		die("epoll_wait");
	return n < 0 ? 0 : n;
}

void worker_run(unsigned number, int channel, const struct listener *listeners, size_t listeners_len,
    size_t zones_len, const struct sandbox_user *user)
{
	static char name[32];
	struct epoll_event events[EVENTS];
	struct worker w = {.channel = channel, .listeners = listeners, .zones_len = zones_len};

	snprintf(name, sizeof(name), "wgmeetd: worker %u", number);
	log_name(name);
	signal(SIGHUP, SIG_IGN); /* whoever sends it to all means the observer */
	w.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w.epoll < 0)
		die("epoll_create1");
	watch(&w, channel, CHANNEL_EVENT);
	tcp_init(w.epoll);
	sandbox_enter(SANDBOX_WORKER, user, NULL);

	/* Until the observer has said of each zone whether it is ready, a query for it would be refused. */
	for (size_t taken = 0; taken < zones_len; taken += take_snapshots(&w))
		wait_events(&w, events, -1);
	for (size_t i = 0; i < listeners_len; i++) {
		watch(&w, listeners[i].udp, UDP_EVENT + i);
		watch(&w, listeners[i].tcp, ACCEPT_EVENT + i);
	}
	for (;;) {
		int n = wait_events(&w, events, tcp_expire(&w.counters));

		for (int i = 0; i < n; i++)
			dispatch(&w, events[i].data.u64);
	}
}
