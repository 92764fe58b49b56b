/* Inside wgmeet run: what run.c's loop and running.c share. running.c does to the device and asks the resolver what the machine
 * of paths.h wants, and tells it what came of that.
 */
#ifndef WGMEET_RUNNING_H
#define WGMEET_RUNNING_H

#include "device.h"
#include "metrics_client.h"
#include "paths.h"
#include "plan.h"
#include "poke.h"
#include "reporter.h"
#include "resolve.h"
#include "ways.h"

struct run {
	int argc;
	char **argv;
	struct settings settings;
	struct resolver resolver;
	struct device device;
	struct wg_device dev;
	int looked;          /* what the last look at the device came to: 0 or -errno; 1: there was none */
	unsigned ifindex;    /* 0: it is not there */
	int64_t dump_least_ms, slept_ms, settled_ms;
	struct plan_tunnel tunnel;
	bool tunnel_known, said_down;
	struct paths paths;
	struct ways ways;
	struct links *links;
	struct poker poker;
	struct reporter reporter;
	struct metrics_client metrics;
	struct report_daemon daemon;
	struct lookup held;  /* for which the resolver had no room */
	bool is_held, reload;
	bool system_servers, look_for_servers; /* nobody has named any; there may be others now */
	uint32_t registry[SETTINGS_SERVERS];   /* how each answers, as it was said: 1 + enum lookup_status; 0: it was not */
	bool renew, untold;  /* what could not be done, or said to the service manager, at once */
	enum path_state *said; /* of each place */
	size_t said_len;
};

/* CLOCK_BOOTTIME, which goes on while the machine sleeps, as sessions and NATs do. */
int64_t running_now_ms(void);

/* The device, as it is now. */
void running_look(struct run *r);
/* Listens for the registry's news, where that is to be done now. */
void running_hear(struct run *r);
/* Answers to pokes. */
void running_take_echoes(struct run *r);
/* The way out of this host has changed. */
void running_renew(struct run *r);
/* All that is due. */
void running_act(struct run *r);
/* What the resolver has said. */
void running_take(struct run *r);

#endif
