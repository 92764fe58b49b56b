/* The daemon's end of its status socket: whoever may ask is told of all paths (report.h), once or whenever something changes.
 *
 *     /run/wgmeet/           root's, 0755        made by systemd, or by a daemon that is started as root
 *     /run/wgmeet/DEVICE/    the daemon's, 0700  locked (flock(2)) as long as it runs: there is one daemon a device
 *     .../status             SOCK_SEQPACKET, 0600
 *
 * Root and the daemon's own user may ask. One octet is all that is read of a client. It is told as fast as it reads and not waited for:
 * each has a cursor, so a long report is not of one moment. Who takes nothing for 10 s is cut off.
 */
#ifndef WGMEET_REPORTER_H
#define WGMEET_REPORTER_H

#include <poll.h>
#include <sys/types.h>

#include "report.h"

#define REPORTER_CLIENTS  8
#define REPORTER_FDS      (1 + REPORTER_CLIENTS)
#define REPORTER_GAP_MS   250   /* from one report of a watcher's to the next */
#define REPORTER_FRESH_MS 5000  /* times and counters change always: so long they are good */
#define REPORTER_CUT_MS   10000

struct reporter_client {
	int fd; /* -1: none */
	enum { REPORTER_ASKED_NOTHING, REPORTER_WAITS, REPORTER_AT_HEAD, REPORTER_AT_PEERS, REPORTER_AT_END } stage;
	bool watches;
	size_t place;     /* the next one that is told of */
	uint32_t peers;   /* that were told of */
	uint64_t change;  /* the last one that its last report has */
	int64_t begun_ms; /* that report */
	int64_t moved_ms; /* when it took something last */
};

struct reporter {
	int listener, dir; /* -1: nobody can ask */
	char path[REPORT_PATH], dir_path[REPORT_PATH];
	uid_t self;
	uint64_t change;
	struct reporter_client clients[REPORTER_CLIENTS];
};

/* Before the sandbox is entered, and behind the forks. Dies if another daemon is on that device. Without a place for the socket
 * it warns, and nobody can ask. */
void reporter_open(struct reporter *r, const char *device);
/* Where the sandbox must let it write, to take the socket away at the end; NULL: nowhere. */
const char *reporter_directory(const struct reporter *r);

/* Always REPORTER_FDS, of which those that are not used are -1. */
size_t reporter_fill(const struct reporter *r, struct pollfd p[REPORTER_FDS]);
/* When there is something to do though nothing comes; PATH_NEVER. */
int64_t reporter_wakes_at(const struct reporter *r);
/* Is there anybody to tell? If not, reporter_serve() needs no head. */
bool reporter_is_asked(const struct reporter *r);
/* After poll(2): does somebody begin to ask? */
bool reporter_is_called(const struct reporter *r, const struct pollfd p[REPORTER_FDS]);
/* Never waits. `p` is as it was filled and came back from poll(2). */
void reporter_serve(struct reporter *r, const struct pollfd p[REPORTER_FDS], const struct paths *ps, const struct report_head *head,
    int64_t now_ms);
/* What is told has changed. Whoever watches is told at the next reporter_serve(), or when the gap is over. */
void reporter_changed(struct reporter *r);

void reporter_close(struct reporter *r);

#endif
