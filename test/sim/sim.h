/* A simulation of hosts that run `wgmeet run`, of their NATs, of the registry, and of WireGuard between them, in simulated time.
 *
 *          hub                           alice                         bob
 *    .-------------.                 .-----------.                 .-----------.
 *    | zone, push  | <-- look-ups -- |  paths.h  |                 |  paths.h  |    the machine
 *    |  WireGuard  | --- NOTIFY ---> | WireGuard |                 | WireGuard |
 *    `-------------'                 `-----------'                 `-----------'
 *           |                             NAT                           NAT
 *           `------------------------------+-----------------------------'
 *
 *     queue.c     what happens when, in milliseconds
 *     net.c       datagrams: loss, delay, NATs by RFC 4787
 *     wg.c        WireGuard: handshakes, sessions, timers, counters
 *     daemon.c    what surrounds the machine on a host: dumps, look-ups, pokes
 *     registry.c  the observer, the zone, NOTIFY; and a resolver that caches
 *     apps.c      what talks through the tunnels
 *     happen.c    what happens to hosts, to their users, and to the registry
 *     judge.c     the properties that must hold all the time
 *     world.c     one world; random.c, sequences.c, long.c: which
 *
 * All that is random comes from one seed: the same seed, the same world, event by event. Each host is behind a NAT of its own, there
 * is one registry, and all is IPv4.
 */
#ifndef WGMEET_SIM_H
#define WGMEET_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "judge.h"
#include "paths.h"
#include "wg.h"

#define SIM_NEVER  INT64_MAX
#define SIM_ENOUGH 5 /* failures: then it ends */
#define SIM_HUB    0 /* the registry's host */

/* ---- NATs ---- */

/* RFC 4787, sections 4.1 and 5: endpoint-independent, address-dependent, address-and-port-dependent. */
enum nat_rule { NAT_ANY, NAT_ADDRESS, NAT_PORT };

/* Whom the host has sent to, and by which port outside. Mappings and filters are both read off this. */
struct nat_flow {
	struct place remote;
	uint16_t port;
	int64_t used_ms;
};

#define NAT_FLOWS 64

/* A host that is open to all is behind one, too: any mapping, any filter, its own port, for ever. */
struct nat {
	enum nat_rule mapping, filtering;
	bool keeps_port;      /* outside it is the same as inside; NAT_ANY alone */
	bool inbound_renews;  /* what comes in keeps a flow, too */
	int64_t timeout_ms;
	uint32_t addr;        /* outside */
	uint16_t next_port;
	struct nat_flow flows[NAT_FLOWS];
	size_t flows_len;
};

/* ---- hosts ---- */

/* A look-up that is open. */
struct question {
	uint32_t number, id; /* the machine's number for it; id 0: free */
	uint16_t about;
	unsigned tries;
};

#define QUESTIONS PATHS_ASKS

struct host {
	uint16_t number;
	bool offline, has_daemon, drops_pokes;
	int64_t delay_ms; /* to the middle of the network */
	int64_t wall_ms;  /* its CLOCK_REALTIME at 0 */
	struct nat nat;
	struct wg wg;
	struct paths paths;
	int64_t wake_ms; /* of the event that is in the queue */
	struct question questions[QUESTIONS];
};

/* ---- the registry ---- */

struct notify {
	uint32_t id; /* 0: nothing to tell */
	unsigned sent;
};

struct registry {
	bool serves, pushes;
	bool in_tunnel;          /* it is asked through the tunnel; else by a resolver that caches */
	uint32_t ttl_s;
	struct place *zone;      /* of each host; addr 0: not there */
	bool *looks;             /* the observer will look soon */
	int64_t *asked_ms;       /* [who][about]: through the tunnel */
	struct notify *notifies; /* [whom][about] */
	struct place *cached;    /* by the resolver */
	int64_t *cached_ms;      /* until then */
};

/* ---- what talks ---- */

enum app_kind { APP_REQUEST, APP_STREAM };

struct app {
	enum app_kind kind;
	uint16_t from, to, len;
	int64_t period_ms;
	bool on, ticks;
};

#define APPS 64

/* ---- events ---- */

enum event_kind {
	EVENT_PACKET,  /* arrives */
	EVENT_TIMER,   /* of a tunnel of a host */
	EVENT_WAKE,    /* a host's daemon */
	EVENT_START,   /* likewise */
	EVENT_LINK,    /* it hears that its host's address changed */
	EVENT_TRY,     /* a look-up was not answered in time */
	EVENT_ANSWER,  /* of the resolver */
	EVENT_OBSERVE, /* the observer looks */
	EVENT_NOTIFY,  /* once more */
	EVENT_APP,
	EVENT_CHECK,   /* the judge's */
	EVENT_HAPPEN,  /* what the world has in store */
	EVENT_UNDO,    /* the end of that */
};

struct event {
	int64_t at_ms;
	enum event_kind kind;
	uint16_t host, about;
	uint32_t number;
	struct packet packet;
};

struct queue {
	struct entry {
		int64_t at_ms;
		uint64_t order;
		uint32_t event;
	} *heap;
	struct event *events;
	uint32_t *free;
	size_t len, cap, free_len;
	uint64_t order;
};

/* ---- the world ---- */

struct world {
	int64_t now_ms;
	uint64_t random;
	char name[48];
	bool verbose, failed;
	bool roams;               /* who goes elsewhere has another kind of NAT there */
	int64_t registry_gone_ms; /* at most */
	struct queue queue;
	struct host *hosts;
	size_t hosts_len, judged; /* of the first so many all is judged */
	uint16_t *owners; /* of each address */
	uint32_t addrs_len, ids;
	unsigned loss, push_loss; /* of 1,000 */
	struct registry registry;
	struct app apps[APPS];
	size_t apps_len;
	struct wg_device dump; /* scratch */
	struct judge *judge;
};

/* world.c */
void world_init(struct world *w, uint64_t seed, size_t hosts, const char *name);
void world_free(struct world *w);
void world_run(struct world *w, int64_t until_ms);
uint32_t world_random(struct world *w, uint32_t below);
int64_t world_between(struct world *w, int64_t least, int64_t most);
bool world_chance(struct world *w, unsigned percent);
const char *world_name(uint16_t host);
const char *world_place(const struct place *p);
/* A line of the trace, if that is wanted. */
#define world_say(w, ...) ((w)->verbose ? world_print(w, __VA_ARGS__) : (void)0)
__attribute__((format(printf, 2, 3))) void world_print(struct world *w, const char *format, ...);
bool place_equal(const struct place *a, const struct place *b);

/* queue.c */
void queue_push(struct world *w, const struct event *e);
bool queue_pop(struct world *w, int64_t until_ms, struct event *out);
void queue_free(struct queue *q);

/* net.c */
void net_send(struct world *w, struct host *h, struct packet *p);
void net_arrive(struct world *w, const struct packet *p);
void net_drop(struct world *w, const struct packet *p, const char *why);
void net_new_address(struct world *w, struct host *h);
void nat_reboot(struct world *w, struct host *h);
/* Would a packet from one arrive at the other now? Nothing changes. */
bool net_reaches(const struct world *w, const struct host *from, const struct host *to, const struct place *at);
/* Can the two have a direct path, whatever happens? */
bool net_can_meet(const struct nat *a, const struct nat *b);
void nat_set(struct host *h, enum nat_rule mapping, enum nat_rule filtering, int64_t timeout_ms);
void nat_random(struct world *w, struct host *h);

/* daemon.c */
void daemon_start(struct world *w, struct host *h);
void daemon_stop(struct world *w, struct host *h);
void daemon_wake(struct world *w, struct host *h);
void daemon_link(struct world *w, struct host *h);
void daemon_take(struct world *w, struct host *h, const struct load *load);
void daemon_echo(struct world *w, struct host *h, uint16_t from);
void daemon_try(struct world *w, struct host *h, uint32_t id);
const struct path *daemon_path(const struct host *h, uint16_t who); /* NULL: none, or no daemon */
void daemon_key(uint16_t host, uint8_t out[KEY_LEN]);
struct endpoint daemon_endpoint(const struct place *p);

/* registry.c */
void registry_init(struct world *w);
void registry_free(struct registry *r);
void registry_stop(struct world *w);
void registry_start(struct world *w);
void registry_moved(struct world *w, uint16_t about);
void registry_observe(struct world *w, uint16_t about);
bool registry_tells(const struct world *w, uint16_t whom, uint16_t about);
void registry_take(struct world *w, uint16_t from, const struct load *load);
void registry_notify(struct world *w, uint16_t whom, uint16_t about, uint32_t id);
void registry_ask(struct world *w, struct host *h, const struct question *q); /* the resolver */

/* happen.c */
struct happening {
	char letter;
	const char *words;
	void (*happen)(struct world *w, struct host *h, struct event *e); /* e->at_ms set: it is undone then */
	void (*undo)(struct world *w, struct host *h, const struct event *e);
};

extern const struct happening happenings[];
extern const size_t happenings_len;
void happen(struct world *w, const struct event *e);
void happen_undo(struct world *w, const struct event *e);
int happen_find(char letter); /* -1: none */

/* random.c, sequences.c, long.c: true if all held */
bool random_run(uint64_t seed, bool verbose);
bool sequence_run(unsigned bed, const char *letters, bool verbose);
bool sequences_run(unsigned length);
bool long_run(bool verbose);

/* apps.c */
bool app_sends(const struct world *w, uint16_t from, uint16_t to);
struct app *app_add(struct world *w, enum app_kind kind, uint16_t from, uint16_t to, int64_t period_ms);
void app_switch(struct world *w, struct app *app, bool on);
void app_tick(struct world *w, uint32_t number);
void app_take(struct world *w, struct host *h, uint16_t from, const struct load *load);

#endif
