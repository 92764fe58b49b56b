/* What wgmeet run counts of its paths, told to whoever connects to its metrics socket (exporter.h), as wgmeet metrics does.
 *
 *     /run/wgmeet/DEVICE/metrics    beside the status socket (reporter.h), under the same lock, and for the same users
 *
 * There is a series for each device, and none for each peer: a device may have a million of them, keys come and go, and who
 * collects metrics would keep a series for each that ever was, and learn who talks to whom. For one peer ask wgmeet status.
 */
#ifndef WGMEET_METRICS_CLIENT_H
#define WGMEET_METRICS_CLIENT_H

#include "exporter.h"
#include "paths.h"
#include "report.h"

struct metrics_client {
	struct exporter exporter;
	char path[REPORT_PATH]; /* empty: there is no socket */
	int64_t started_s;      /* CLOCK_REALTIME */
	uint64_t lookups[LOOKUP_STATUSES];
	uint64_t done[PATH_DO_POKE + 1]; /* by enum path_do */
	uint64_t pushes;
	uint64_t lost[PATH_WHY_CHANGED + 1]; /* paths, by why */
	struct metrics_histogram direct;     /* from a path's loss, or from a peer's first sight, until there is one */
	struct metrics_place {
		uint8_t key[8]; /* the first octets, to know a peer that took another one's place */
		bool up;
		int64_t since_ms; /* without a path; PATH_NEVER: that is not so */
	} *places;
	size_t places_len;
};

/* What is told beside that. */
struct metrics_view {
	const char *device;
	const struct paths *paths;
	bool is_there; /* the device */
};

/* Behind reporter_open(), which has the directory's lock; `has_directory`: it has the directory, too. Without a socket it warns. */
void metrics_client_open(struct metrics_client *m, const char *device, bool has_directory);
void metrics_client_close(struct metrics_client *m);

void metrics_client_answered(struct metrics_client *m, enum lookup_status status);
void metrics_client_did(struct metrics_client *m, enum path_do what);
void metrics_client_pushed(struct metrics_client *m);
/* All paths, as they are now. */
void metrics_client_look(struct metrics_client *m, const struct paths *ps);

/* As exporter.h has it. */
void metrics_client_serve(struct metrics_client *m, const struct pollfd p[EXPORTER_FDS], const struct metrics_view *view,
    int64_t now_ms);

/* One text of several: each family once, with the samples of all. */
void metrics_merge(const struct metrics *texts, size_t n, struct metrics *out);

#endif
