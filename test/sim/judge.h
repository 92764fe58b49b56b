/* What must hold in every world, at every moment.
 *
 * a. Two peers that can have a direct path and want one are not without it for longer than a bound, counted from the last thing that
 *    happened to them, or from the registry's last news of them, while the registry knows where both are.
 *    They can have one unless a NAT that gives each destination another port meets another such, or one that lets in only the very
 *    address and port that was sent to (net_can_meet()). They want one if they never had a handshake, or if one has something to
 *    send. The bound is the time that the slower end has to act, and JUDGE_MEET_MS for both together. An end acts
 *
 *        if the registry told it of the change:          JUDGE_TOLD_MS     most are much faster, see JUDGE_HALF_MS
 *        if it has never been connected:                 JUDGE_ASK_MS      the longest pause between look-ups, and a vain one
 *        if it sends something:        JUDGE_SILENT_MS + JUDGE_ASK_MS      15 s of silence, seen by dumps of 5 s
 *        if it has a keepalive:         JUDGE_STALE_MS + JUDGE_ASK_MS      its session ends; what it sends then is not answered
 *
 *    and else never: nobody can wake it. To these come the TTL, where a resolver caches answers; with loss all is three times as long.
 *    Meeting may take two times 5 s, for WireGuard begins no handshake sooner after another one, and two that cross destroy each
 *    other; and 15 s more if one end has lost the session, for so long the other one sends into it.
 * b. A path that works is not touched: its endpoint is not set, and its peer is not looked up, unless the registry sent news of it.
 *    It works if packets pass both ways, with a session, and none was lost in the last 30 s; or if something has come in that the
 *    daemon should have looked at. (So it is with the registry gone, with idle paths, and with many.)
 * c. An endpoint is set again only if an answer differs from the last one, or if it has been changed since, by roaming or by a user.
 * d. One trial at a time for each peer; at most PATHS_KICKS kicks and PATHS_ASKS look-ups in any second; and of one peer at most one
 *    look-up a second.
 * e. What a user has set stays for PATH_TRIAL_MS.
 * f. The path to the registry itself is back after JUDGE_HUB_MS.
 *
 * long.c has what takes long: bounds for an hour, for silence, for many peers, and for those that are told.
 */
#ifndef WGMEET_SIM_JUDGE_H
#define WGMEET_SIM_JUDGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "path.h"

#define JUDGE_TOLD_MS   JUDGE_SILENT_MS
#define JUDGE_ASK_MS    (PATH_MOST_MS * 9 / 8 + 8000)
#define JUDGE_SILENT_MS (PATH_SILENT_MS + 10000)
#define JUDGE_STALE_MS  (PATH_FRESH_MS + 45000)
#define JUDGE_MEET_MS   27000
#define JUDGE_HUB_MS    60000
#define JUDGE_HALF_MS   1200 /* so soon half of the paths are back whose ends were both told, */
#define JUDGE_MOST_MS   9000 /* and nine in ten */

struct world;
struct host;
struct place;

void judge_init(struct world *w);
void judge_free(struct world *w);
/* The first failure of a world is printed, with -v all are. */
__attribute__((format(printf, 2, 3))) void judge_fail(struct world *w, const char *format, ...);

/* What happens. */
void judge_drop(struct world *w, uint16_t from, uint16_t to);
void judge_roam(struct world *w, uint16_t host, uint16_t peer);
void judge_ask(struct world *w, struct host *h, uint16_t about);
void judge_act(struct world *w, struct host *h, uint16_t who, enum path_do what);
void judge_start(struct world *w, uint16_t host);
void judge_answer(struct world *w, uint16_t host, uint16_t about, const struct place *at);
void judge_publish(struct world *w, uint16_t about);
void judge_tell(struct world *w, uint16_t whom, uint16_t about);
void judge_own(struct world *w, uint16_t host);                 /* it hears where the registry sees it */
void judge_disturb(struct world *w, uint16_t host);             /* all its paths may be gone */
void judge_user(struct world *w, uint16_t host, uint16_t peer); /* somebody set an endpoint there */
void judge_remake(struct world *w, uint16_t host, uint16_t peer);

/* Every now and then. */
#define JUDGE_EVERY_MS 200
void judge_check(struct world *w);

/* What a host's daemon has done about a peer. */
unsigned judge_asks(const struct world *w, uint16_t host, uint16_t peer);
unsigned judge_kicks(const struct world *w, uint16_t host, uint16_t peer);
unsigned judge_moves(const struct world *w, uint16_t host, uint16_t peer);
/* Since when they have a path; PATH_NEVER. */
int64_t judge_meets_ms(const struct world *w, uint16_t a, uint16_t b);
/* How long they were without one at most since this was asked last, each time from the registry's last news of them on, or from the
 * last disturbance. */
int64_t judge_worst_ms(struct world *w, uint16_t a, uint16_t b);

/* How long the paths took, over all worlds. False if they took too long. */
bool judge_summary(FILE *out);

#endif
