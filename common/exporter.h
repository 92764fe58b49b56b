/* A daemon's end of a metrics socket: whoever connects gets the text of that moment, and then the end.
 *
 *     connect --> one snapshot of text --as fast as it is read--> end
 *                                      `--not read in EXPORTER_CUT_MS--> cut
 *
 * Nothing is read of a client. At most EXPORTER_CLIENTS are served at once; the others wait in the socket's queue, and so does
 * whoever comes when there is no memory or descriptor to spare. Never waits.
 */
#ifndef WGMEET_EXPORTER_H
#define WGMEET_EXPORTER_H

#include <poll.h>
#include <sys/types.h>

#include "metrics.h"

#define EXPORTER_CLIENTS 4
#define EXPORTER_FDS     (1 + EXPORTER_CLIENTS)
#define EXPORTER_CUT_MS  5000
#define EXPORTER_NEVER   INT64_MAX

struct exporter {
	int listener; /* -1: nobody can ask */
	int64_t rests_until_ms; /* from taking clients; 0: it does not */
	struct exporter_client {
		int fd; /* -1: none */
		struct metrics text;
		size_t at;
		int64_t until_ms;
	} clients[EXPORTER_CLIENTS];
};

/* Nobody can ask. */
void exporter_init(struct exporter *e);

/* Listens at `path`, made with that mode. What a program that was killed left there is replaced, what one listens at is not:
 * -EADDRINUSE. -EEXIST: there is something else. `lock`: the directory is locked meanwhile, for whoever comes at the same moment;
 * not needed where there can be no other. 0 or -errno. */
int exporter_open(struct exporter *e, const char *path, mode_t mode, bool lock);

/* Always EXPORTER_FDS, of which those that are not used are -1. */
void exporter_fill(const struct exporter *e, struct pollfd p[EXPORTER_FDS]);
/* When there is something to do though nothing comes; EXPORTER_NEVER. */
int64_t exporter_wakes_at(const struct exporter *e);

typedef void exporter_fn(struct metrics *m, void *data);
/* `p` is as it was filled and came back from poll(2); `write` is called for each new client. */
void exporter_serve(struct exporter *e, const struct pollfd p[EXPORTER_FDS], exporter_fn *write, void *data, int64_t now_ms);

void exporter_close(struct exporter *e);

#endif
