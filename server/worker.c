#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sodium/utils.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "log.h"
#include "rrl.h"

#define EVENTS   64
#define CHECK_US 250 /* of checking before the queries have their turn again */
#define UNMAP_STEP (512u * 1024) /* octets; some 40 us */

/* What an event's number means: the channel, a listener's UDP or TCP socket, or (TCP_EVENT and up) a connection. */
#define CHANNEL_EVENT UINT64_C(0)
#define UDP_EVENT     UINT64_C(1000)
#define ACCEPT_EVENT  UINT64_C(2000)

struct worker {
	int channel, epoll;
	struct listener *listeners;
	size_t listeners_len;
	struct answer_world world;
	const struct snapshot *by_number[ANSWER_ZONES];
	struct snapshot_check coming[ANSWER_ZONES]; /* being checked */
	const struct snapshot *next[ANSWER_ZONES];  /* the newest that waits for that */
	struct leaving {
		uint8_t *at;
		size_t len;
	} leaving[ANSWER_ZONES]; /* what is left of one that was replaced */
	size_t checks_at; /* the zone whose turn it is to be checked */
	struct counters *counters;
};

_Noreturn static void end(const struct worker *w)
{
	const struct counters *c = w->counters;

	debug("%llu answers, %llu dropped, %llu unsent, %llu slipped, %llu limited; %llu connections, %llu cut; %llu notified, "
	      "%llu of these answered",
	    (unsigned long long)c->answers, (unsigned long long)c->dropped, (unsigned long long)(c->unsent + c->notify_unsent),
	    (unsigned long long)c->slipped, (unsigned long long)c->limited, (unsigned long long)c->tcp_connections,
	    (unsigned long long)c->tcp_cut, (unsigned long long)c->notify_sent, (unsigned long long)c->notify_answered);
	_exit(EXIT_FINE);
}

/* ---- snapshots ---- */

static uint64_t now_us(void)
{
	return (uint64_t)clock_us(CLOCK_MONOTONIC);
}

_Noreturn static void die_of_snapshot(int r)
{
	if (r != -EPERM && r != -EINVAL)
		diex("cannot map a zone: %s", strerror(-r));
	diex("a snapshot is not what the observer builds (%s): this is a bug", strerror(-r));
}

/* Whoever may ask, or is told of changes, because of the interface that it comes in on: then the kernel has to tell which that
 * is. */
static bool needs_interface(const struct worker *w)
{
	for (size_t i = 0; i < w->world.zones.len; i++) {
		const struct snapshot *s = w->world.zones.at[i];

		if (s->allow.tunnel || s->browse.tunnel || (notify_is_on() && s->ifindex != 0))
			return true;
	}
	return false;
}

static void tell_interfaces(struct worker *w)
{
	for (size_t i = 0; needs_interface(w) && i < w->listeners_len; i++)
		if (!w->listeners[i].tells_from && listen_tell_interface(&w->listeners[i]) < 0)
			die("setsockopt IP_PKTINFO");
}

static void point(struct worker *w)
{
	w->world.zones.len = 0;
	for (size_t i = 0; i < ANSWER_ZONES; i++)
		if (w->by_number[i] != NULL)
			answer_add_zone(&w->world.zones, w->by_number[i]);
	tell_interfaces(w);
}

/* What was replaced goes in steps, too: to unmap a million peers takes the kernel several milliseconds. */
static void unmap_step(struct leaving *l, size_t most)
{
	size_t len = l->len < most ? l->len : most;

	if (len == 0)
		return;
	munmap(l->at, len);
	l->at += len;
	l->len -= len;
}

static void serve_zone(struct worker *w, size_t zone, const struct snapshot *s)
{
	const struct snapshot *old = w->by_number[zone];

	w->by_number[zone] = s;
	point(w);
	notify_changed(zone);
	unmap_step(&w->leaving[zone], SIZE_MAX);
	if (old != NULL)
		w->leaving[zone] = (struct leaving){.at = (void *)old, .len = old->size};
}

/* What was not looked at to its end is not served. One that is being looked at is finished, however often newer ones come. */
static void take_zone(struct worker *w, size_t zone, int fd)
{
	int r;

	if (zone >= ANSWER_ZONES)
		diex("the observer sent no zone: this is a bug");
	snapshot_unmap(w->next[zone]);
	w->next[zone] = NULL;
	if (fd < 0) {
		snapshot_unmap(w->coming[zone].s);
		w->coming[zone].s = NULL;
		serve_zone(w, zone, NULL);
		return;
	}
	r = snapshot_map(fd, &w->next[zone]);
	if (r < 0)
		die_of_snapshot(r);
}

/* The zone to be checked: the one that is being checked, or the next one behind it, so that none waits for a busy one for
 * ever. NULL: there is nothing to check. */
static struct snapshot_check *find_check(struct worker *w)
{
	for (size_t i = 0; i < ANSWER_ZONES; i++) {
		size_t zone = (w->checks_at + i) % ANSWER_ZONES;
		struct snapshot_check *c = &w->coming[zone];

		if (c->s == NULL && w->next[zone] != NULL) {
			snapshot_check_begin(c, w->next[zone]);
			w->next[zone] = NULL;
		}
		if (c->s != NULL) {
			w->checks_at = zone;
			return c;
		}
	}
	return NULL;
}

static bool check_step(struct worker *w)
{
	struct snapshot_check *c = find_check(w);
	int r;

	if (c == NULL)
		return false;
	r = snapshot_check_step(c);
	if (r < 0)
		die_of_snapshot(r);
	if (r == 0) {
		serve_zone(w, w->checks_at, c->s);
		c->s = NULL;
		w->checks_at = (w->checks_at + 1) % ANSWER_ZONES;
	}
	return true;
}

/* False: there was nothing to do. */
static bool step(struct worker *w)
{
	for (size_t i = 0; i < ANSWER_ZONES; i++) {
		if (w->leaving[i].len > 0) {
			unmap_step(&w->leaving[i], UNMAP_STEP);
			return true;
		}
	}
	if (notify_has_steps()) {
		notify_step(worker_now_ms());
		return true;
	}
	return check_step(w);
}

/* Steps of old snapshots, of who is to be told, and of new snapshots, for as long as queries may wait. False: there was nothing
 * to do. */
static bool take_steps(struct worker *w)
{
	uint64_t until_us;

	if (!step(w))
		return false;
	for (until_us = now_us() + CHECK_US; now_us() < until_us && step(w);)
		;
	return true;
}

/* ---- the loop ---- */

/* Takes what the observer has sent. */
static void take_messages(struct worker *w)
{
	struct worker_msg msg;
	int fd, r;

	while ((r = channel_recv(w->channel, &msg, sizeof(msg), &fd)) > 0) {
		if (msg.what == WORKER_ZONE) {
			take_zone(w, msg.zone, fd);
		} else {
			w->world.secrets = msg.secrets;
			w->world.limited = msg.rate != 0;
			rrl_set(msg.rate, msg.slip, msg.seed);
			notify_set(msg.notify_port, msg.seed, msg.notify_key);
			tell_interfaces(w);
		}
		if (fd >= 0)
			close(fd);
	}
	sodium_memzero(&msg, sizeof(msg));
	if (r == 0)
		end(w);
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
		tcp_event((uint32_t)(number - TCP_EVENT), &w->world, w->counters);
	else if (number >= ACCEPT_EVENT)
		tcp_accept(&w->listeners[number - ACCEPT_EVENT], w->counters);
	else if (number >= UDP_EVENT)
		udp_serve(&w->listeners[number - UDP_EVENT], &w->world, w->counters);
	else
		take_messages(w);
}

uint64_t worker_now_ms(void)
{
	return (uint64_t)clock_ms(CLOCK_MONOTONIC_COARSE);
}

/* Waits and dispatches; while there is something to check or to unmap it does some of that in place of waiting. */
static void turn(struct worker *w, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	bool busy = take_steps(w);
	int n = epoll_wait(w->epoll, events, EVENTS, busy ? 0 : timeout_ms);
	struct timespec now;

	if (n < 0 && errno != EINTR)
		die("epoll_wait");
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	w->world.now_s = (uint32_t)now.tv_sec;
	for (int i = 0; i < n; i++)
		dispatch(w, events[i].data.u64);
}

void worker_run(unsigned number, int channel, struct listener *listeners, size_t listeners_len, size_t zones_len,
    const struct sandbox_user *user, struct counters *counters)
{
	static char name[32];
	static struct worker w;

	w = (struct worker){.channel = channel, .listeners = listeners, .listeners_len = listeners_len,
	    .counters = counters, .world.idle_100ms = TCP_IDLE_MS / 100};

	snprintf(name, sizeof(name), "wgmeetd: worker %u", number);
	log_name(name);
	signal(SIGHUP, SIG_IGN); /* whoever sends it to all means the observer */
	w.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w.epoll < 0)
		die("epoll_create1");
	watch(&w, channel, CHANNEL_EVENT);
	udp_init();
	tcp_init(w.epoll);
	rrl_init();
	notify_init(w.by_number, number);
	sandbox_enter(SANDBOX_WORKER, user, NULL);

	/* Until the observer has said of each zone whether it is ready, a query for it would be refused. */
	while (w.world.zones.len < zones_len)
		turn(&w, -1);
	for (size_t i = 0; i < listeners_len; i++) {
		watch(&w, listeners[i].udp, UDP_EVENT + i);
		watch(&w, listeners[i].tcp, ACCEPT_EVENT + i);
	}
	for (;;) {
		int tcp_ms = tcp_expire(counters), notify_ms = udp_notify(counters);

		turn(&w, notify_ms < 0 || (tcp_ms >= 0 && tcp_ms < notify_ms) ? tcp_ms : notify_ms);
	}
}
