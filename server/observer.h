/* The observer: reads the devices on a clock, makes zones of them, and hands each change to the workers.
 *
 *     source --> struct wg_device --same as before?--> zone --same content?--> serial, snapshot --> every worker
 *     links  --> Listen = %DEVICE: its number --> binder
 */
#ifndef WGMEET_OBSERVER_H
#define WGMEET_OBSERVER_H

#include "config.h"

struct counters;

struct observer_child {
	int channel; /* -1: there is none */
	pid_t pid;
	struct counters *counters; /* a worker's, which here are only read; NULL: the binder has none */
};

struct observer_children {
	struct observer_child workers[CONFIG_WORKERS];
	size_t workers_len;
	struct observer_child binder;
};

/* Runs until SIGTERM or SIGINT, then returns; dies if one of the children does. At SIGHUP it reads the configuration again, for which it
 * needs the command line: what concerns zones and peers is taken over, the rest needs a restart. The caller has entered
 * the sandbox. */
void observer_run(struct config *config, int argc, char *argv[], const struct observer_children *children);

/* One read, for --print-zone: 0 and a zone, or dies. */
struct zone;
void observer_read_once(struct config *config, const struct zone_conf *conf, struct zone *zone);

#endif
