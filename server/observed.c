#include "observed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "links.h"
#include "log.h"

/* A change shall be in DNS within a second, with a large userspace device within two; so it is looked for more often than
 * that. But reading takes the kernel's rtnl_lock, or the daemon's time: the pause grows until all zones
 * together cost at most a twentieth of a processor. */
#define PAUSE_MS           250
#define PAUSE_USERSPACE_MS 700
#define COST_FACTOR        20

/* To a daemon that hangs the question stays: it is answered when the daemon goes on. But it may be that nobody remembers
 * it, so at last it is asked again. */
#define AGAIN_MS 30000

#define LET_GO_MS 1000 /* that the workers have to take a snapshot before the one before it goes */

#define SAY_MS   10000 /* between two lines about the number of peers */
#define SELF_MAX 8     /* addresses of Self = auto */

int64_t observed_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

static void set_condition(struct observed *z, enum condition condition)
{
	bool changed = z->condition != condition;

	z->condition = condition;
	if (condition == SERVING) {
		z->said_peers = changed ? z->zone.peers_len : z->said_peers;
		if (changed)
			info("zone %s: serving %zu peer%s, serial %u", z->text, z->zone.peers_len,
			    z->zone.peers_len == 1 ? "" : "s", z->zone.serial);
	} else if (changed && condition == ABSENT) {
		warnx("zone %s: %s; answering SERVFAIL until it is", z->text, z->source.why);
	} else if (changed) {
		warnx("zone %s: %s; %s", z->text, z->source.why,
		    z->published ? "still serving what was last read" : "answering SERVFAIL until that works");
	}
}

int observed_build(struct zone *zone, const struct zone_conf *conf, const struct wg_device *dev)
{
	struct endpoint self[SELF_MAX];
	struct zone_world world = {.now_s = (uint64_t)time(NULL), .self = self, .ifindex = dev->ifindex};
	int n = conf->self.is_auto ? links_addresses(conf->device, self, SELF_MAX) : 0;

	if (n < 0)
		return n;
	world.self_len = (size_t)n;
	return zone_build(zone, conf, dev, &world);
}

/* How many peers there are is worth a line when it changed, but not each time where peers come and go. */
static void say_count(struct observed *z)
{
	if (z->zone.peers_len != z->said_peers && observed_now_ms() - z->said_ms >= SAY_MS) {
		info("zone %s: serving %zu peer%s, serial %u", z->text, z->zone.peers_len,
		    z->zone.peers_len == 1 ? "" : "s", z->zone.serial);
		z->said_peers = z->zone.peers_len;
		z->said_ms = observed_now_ms();
	} else {
		debug("zone %s: %zu peers, serial %u", z->text, z->zone.peers_len, z->zone.serial);
	}
}

/* Returns false if memory was short: then the last zone stays, and the next read tries again. */
static bool update(struct observer *o, struct observed *z)
{
	bool was_published = z->published;
	int r = observed_build(&z->zone, z->conf, &z->dev);

	if (r == 0 && was_published && z->have_last && memcmp(z->hash, z->zone.hash, ZONE_HASH) == 0 &&
	    memcmp(z->rules, z->zone.rules, ZONE_HASH) == 0)
		return true;
	if (r == 0)
		r = publish_zone(o, z);
	if (r < 0) {
		snprintf(z->source.why, sizeof(z->source.why), "cannot build it: %s", strerror(-r));
		return false;
	}
	metrics_server_refreshed(&z->metrics, clock_us(CLOCK_MONOTONIC));
	if (was_published)
		say_count(z);
	return true;
}

void observed_forget(struct observed *z)
{
	source_forget(&z->source);
	z->have_last = false;
	z->rebuild = true;
}

static void on_read(struct observer *o, struct observed *z)
{
	/* With a MaxAge time itself changes the zone. */
	if (!z->have_last || !z->published || z->rebuild || z->conf->max_age_s != 0 ||
	    !wgdev_same_public(&z->dev, &z->last)) {
		if (!update(o, z)) {
			observed_forget(z);
			set_condition(z, STALE);
			return;
		}
		wgdev_swap(&z->dev, &z->last);
		z->have_last = true;
		z->rebuild = z->foreign = false;
	}
	set_condition(z, SERVING);
}

/* The last zone is the best there is, if it is this source's. */
static void go_stale(struct observer *o, struct observed *z)
{
	if (z->foreign && z->published)
		publish_not_ready(o, z);
	z->foreign = false;
	set_condition(z, STALE);
}

static void on_result(struct observer *o, struct observed *z, enum source_result result)
{
	if (result == SOURCE_PENDING) {
		z->pending = true;
		return;
	}
	z->pending = false;
	metrics_server_read(&z->metrics, result);
	if (z->state_failed) /* a full disk may have room by now */
		publish_keep_serial(o, z);
	if (result == SOURCE_READ) {
		on_read(o, z);
	} else if (result == SOURCE_ABSENT) {
		if (z->published)
			publish_not_ready(o, z);
		set_condition(z, ABSENT);
	} else if (result == SOURCE_FAILED) {
		go_stale(o, z);
	} else if (result == SOURCE_SAME && z->have_last && z->conf->max_age_s != 0) {
		wgdev_swap(&z->dev, &z->last); /* the file is the same, but time goes on */
		on_read(o, z);
	} else if (z->published) {
		set_condition(z, SERVING); /* a file that is there again as it was */
	}
}

/* ---- the clock ---- */

static void end_of_turn(const struct observer *o, struct observed *z, int64_t started_us)
{
	int64_t pause_ms = z->source.userspace ? PAUSE_USERSPACE_MS : PAUSE_MS, cost_us = 0, least_ms;

	z->cost_us += clock_us(CLOCK_PROCESS_CPUTIME_ID) - started_us;
	if (z->pending)
		return;
	z->last_cost_us = z->cost_us;
	z->cost_us = 0;
	for (size_t i = 0; i < CONFIG_ZONES; i++)
		cost_us += o->zones[i].in_use ? o->zones[i].last_cost_us : 0;
	least_ms = cost_us * COST_FACTOR / 1000;
	z->due_ms = observed_now_ms() + (least_ms > pause_ms ? least_ms : pause_ms);
}

static void start(struct observer *o, struct observed *z)
{
	int64_t started_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);

	z->metrics.asked_us = clock_us(CLOCK_MONOTONIC);
	z->asked_ms = z->metrics.asked_us / 1000;
	if (z->asked_ms - z->published_ms >= LET_GO_MS)
		publish_let_go(z);
	on_result(o, z, source_start(&z->source, &z->dev));
	end_of_turn(o, z, started_us);
}

void observed_step(struct observer *o, struct observed *z)
{
	int64_t started_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);

	on_result(o, z, source_step(&z->source, &z->dev));
	end_of_turn(o, z, started_us);
}

int64_t observed_wakes_at(const struct observed *z)
{
	if (!z->pending)
		return z->due_ms;
	return z->asked_ms + (z->condition == STALE ? AGAIN_MS : OBSERVED_HANG_MS);
}

void observed_on_time(struct observer *o, struct observed *z, int64_t now)
{
	if (now < observed_wakes_at(z))
		return;
	if (!z->pending) {
		start(o, z);
	} else if (z->condition != STALE) {
		snprintf(z->source.why, sizeof(z->source.why), "the daemon of device %s does not answer", z->conf->device);
		go_stale(o, z);
	} else {
		source_cancel(&z->source);
		z->pending = false;
		start(o, z);
	}
}
