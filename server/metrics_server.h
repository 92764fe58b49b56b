/* The server's metrics: what the workers count (counters.h), and what the observer knows, told to whoever connects to the metrics
 * socket (exporter.h). Nobody's keys or addresses are in it.
 *
 *     worker: struct counters --.
 *     observer: zones -----------+--> text --> MetricsSocket --> wgmeetd --print-metrics, contrib/prometheus
 */
#ifndef WGMEET_METRICS_SERVER_H
#define WGMEET_METRICS_SERVER_H

#include "config.h"
#include "exporter.h"
#include "sandbox.h"

#define METRICS_READS 5 /* enum source_result */

/* What is counted of a zone. */
struct zone_metrics {
	int64_t asked_us; /* CLOCK_MONOTONIC, when the reading began that runs, or ran last */
	uint64_t reads[METRICS_READS];
	uint64_t changes;
	int64_t read_s, changed_s; /* CLOCK_REALTIME; 0: never */
	struct metrics_histogram refresh;
};

/* A reading came to an end, as a source_result says. */
void metrics_server_read(struct zone_metrics *m, unsigned result);
/* A new snapshot is made; and what was read last has been handed over. */
void metrics_server_published(struct zone_metrics *m);
void metrics_server_refreshed(struct zone_metrics *m, int64_t now_us);
void metrics_server_reloaded(bool well);

/* Behind the forks and before the sandbox. The socket is that user's and group's. Dies if the configuration asks for one that
 * cannot be; of the default one that cannot be it warns. */
void metrics_server_open(const struct server_conf *conf, const struct sandbox_user *user);

/* As exporter.h has them. */
struct observer;
void metrics_server_fill(struct pollfd p[EXPORTER_FDS]);
int64_t metrics_server_wakes_at(void);
void metrics_server_serve(struct observer *o, const struct pollfd p[EXPORTER_FDS]);

/* --print-metrics. Returns the exit status. */
int metrics_server_print(const struct server_conf *conf, const char *output);

#endif
