/* Inside the observer: the zones that it watches, and what its files do for each other.
 *
 *     observer.c   waits, and calls       observed.c   a zone's reading, on the clock, and what becomes of it
 *     reload.c     zones come and go      publish.c    serials, snapshots, the workers
 */
#ifndef WGMEET_OBSERVED_H
#define WGMEET_OBSERVED_H

#include "metrics_server.h"
#include "observer.h"
#include "source.h"
#include "worker.h"
#include "zone.h"

enum condition { NEW, SERVING, STALE, ABSENT };

struct observed {
	const struct zone_conf *conf;
	char text[NAME_TEXT]; /* its name */
	struct source source;
	struct wg_device dev, last; /* being read; what the zone was made of */
	struct zone zone;
	enum condition condition;
	bool in_use; /* a zone that left the configuration leaves a place */
	bool have_last, published, pending, has_serial, state_failed;
	bool rebuild; /* something else that the zone depends on changed */
	bool foreign; /* what is published came from another source, which the configuration has left */
	int64_t due_ms, asked_ms, said_ms;
	size_t said_peers;
	int64_t cost_us, last_cost_us; /* of processor time: of this reading so far, and of the last one */
	uint32_t serial;
	uint8_t hash[ZONE_HASH];  /* of what the serial stands for */
	uint8_t rules[ZONE_HASH]; /* that are published */
	int snapshot;            /* the newest, kept for a worker that is busy */
	int previous;            /* and the one before it, for a while, see publish_let_go() */
	int64_t published_ms;
	uint64_t generation;
	uint64_t *sent; /* to each worker */
	struct zone_metrics metrics;
};

struct observer {
	struct config *config;
	const struct observer_child *workers;
	size_t workers_len;
	struct observer_child binder;
	struct observed zones[CONFIG_ZONES];
	uint64_t seed[2];
	struct worker_msg limits; /* what all workers shall know beside the zones */
	uint64_t limits_generation, limits_sent[CONFIG_WORKERS];
	int64_t roll_ms; /* when the cookies get a new secret */
	bool told_ready; /* the service manager */
	int64_t status_ms; /* before when it is not told how we are doing */
};

/* publish.c */

/* `gone`: a child's channel is closed, so it is ending; else one may have. Dies of it; returns if none has ended. */
void publish_die_of_child(const struct observer *o, bool gone);
/* To a worker what it has not got: the limits, each zone's newest snapshot. A busy worker gets it later. */
void publish_hand_over(struct observer *o, size_t worker);
bool publish_is_taken(const struct observer *o, size_t worker);
/* The configuration's limits and NotifyPort, and the cookies' secrets, to all workers; `roll`: with a new secret, the last one
 * before it still being good. */
void publish_limits(struct observer *o, bool roll);
/* To all workers: the zone is forgotten; or it answers SERVFAIL; or it is z->zone, with the serial that it deserves. The
 * last returns 0 or -errno, and then the zone is served as before. */
void publish_nothing(struct observer *o, struct observed *z);
void publish_not_ready(struct observer *o, struct observed *z);
int publish_zone(struct observer *o, struct observed *z);
/* Whoever is the last to hold a snapshot pays for giving its memory back, and that shall be no worker: so the observer holds
 * it until they have another. */
void publish_let_go(struct observed *z);
/* The listeners with a device follow it. */
void publish_devices(struct observer *o);
/* Waits until every worker has all of it; dies if one does not take it. */
void publish_flush(struct observer *o);
void publish_load_serial(const struct observer *o, struct observed *z);
uint32_t publish_serial_of(const struct observed *z);
/* In the state directory; a warning if that fails, once. */
void publish_keep_serial(const struct observer *o, struct observed *z);

/* observed.c */

int64_t observed_now_ms(void);
/* A zone of that device, as of now. 0 or -errno. */
int observed_build(struct zone *zone, const struct zone_conf *conf, const struct wg_device *dev);
/* The next read makes a new zone, whether or not the device is the same. */
void observed_forget(struct observed *z);
void observed_step(struct observer *o, struct observed *z); /* there is something to read */
int64_t observed_wakes_at(const struct observed *z);        /* when it needs us next */
void observed_on_time(struct observer *o, struct observed *z, int64_t now_ms);

/* reload.c */

void reload_take_zones(struct observer *o, const struct config *config);
void reload_configuration(struct observer *o, int argc, char *argv[]);

/* A daemon that has not answered by then hangs. */
#define OBSERVED_HANG_MS 2000

#endif
