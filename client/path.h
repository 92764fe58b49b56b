/* The path to one peer: what is known of it, and what shall be done about it. Pure: dumps of the device, answers, events and the
 * clock come in; look-ups, endpoints to set and packets to send come out. It does no I/O and has no clock of its own.
 *
 *                            something speaks against it
 *        .---------> DIRECT -----------------------------> PROBED
 *        |           |  ^ ^                                |   | nothing comes back, and the registry
 *        |           |  | `---- something came back, or ----'   | sees it elsewhere, or 15 s are over
 *        |   unused, |  |       it may be one that is late      |
 *        |  session  |  |                                      |
 *        |  too old  v  | handshake                            v
 *        |           IDLE ----- sent, but nothing back ----> LOOKING <--- first of all, without a handshake ever; and
 *        |                                                   |     ^      from DIRECT, after 15 s without an answer
 *        |                     found in the zone, or set by  |     | 6 s, nothing came back
 *        |                                     somebody else |     |
 *        |                                                   v     |
 *        `---------- something came back ------------------- TRYING
 *
 * Of evidence (whitepaper section 6.5, drivers/net/wireguard/timers.c): WireGuard answers data within KEEPALIVE_TIMEOUT (10 s), with
 * an empty packet if there is nothing to say; it does not answer empty packets. What was received was authenticated, and WireGuard
 * answers to where it came from: so octets that came in are proof of a path in both directions. That nothing is sent is proof
 * of nothing. A packet of data that we send ourselves (a poke) is mostly answered at once, by the other host's ICMP. Where that is
 * known of a peer, its silence is enough to ask the registry after half a second, but not yet to do anything to the path: for
 * that the registry must say that the peer has moved, or 15 s must be over. Of a peer that is silent to pokes anyway, the
 * registry's word is not enough. A poke comes after a dump, so that what is heard of
 * the peer is not older than the doubt.
 *
 * Times are milliseconds of a clock that does not jump, but for wall_s: WireGuard tells handshakes by CLOCK_REALTIME.
 */
#ifndef WGMEET_PATH_H
#define WGMEET_PATH_H

#include "reply.h"
#include "wgdev.h"

#define PATH_FRESH_MS  180000 /* REJECT_AFTER_TIME: a session is not used for longer */
#define PATH_SILENT_MS 15000  /* data without any answer: KEEPALIVE_TIMEOUT + REKEY_TIMEOUT */
#define PATH_TRIAL_MS  6000   /* an initiation is sent again after 5 s and up to a third of one */
#define PATH_LEAST_MS  2000   /* between two look-ups, however short the TTL */
#define PATH_MOST_MS   60000
#define PATH_QUICK_MS  60000  /* so long a lost peer is asked for every TTL; then more and more seldom */
#define PATH_RENEW_MS  240000 /* so often a peer with a path is looked up, too: for 10 min the registry tells who has asked */
#define PATH_PUSH_MS   1000   /* between two look-ups that somebody else has asked us to make */
#define PATH_POKES     3      /* in a row, before anything follows from their not being answered */
#define PATH_GAP_MS    150    /* between them */
#define PATH_WATCH_MS  600    /* after one, dumps are wanted in quick succession */
#define PATH_NEVER     INT64_MAX

enum path_state { PATH_LOOKING, PATH_TRYING, PATH_DIRECT, PATH_PROBED, PATH_IDLE };

const char *path_state_word(enum path_state state);

/* Why a path that worked is no longer believed in. */
enum path_why {
	PATH_WHY_NEW,       /* it never worked */
	PATH_WHY_SILENCE,   /* data was not answered */
	PATH_WHY_ADDRESS,   /* the way out of this host changed */
	PATH_WHY_MAPPING,   /* the registry sees us elsewhere */
	PATH_WHY_ELSEWHERE, /* the registry sees the peer elsewhere than where it was, and we send there */
	PATH_WHY_NEWS,      /* the registry sees the peer elsewhere, which need not mean anything */
	PATH_WHY_CHANGED,   /* somebody else set its endpoint, or made the peer anew */
};

const char *path_why_text(enum path_why why); /* a clause for people */

struct path {
	uint8_t key[KEY_LEN];
	enum path_state state;
	enum path_why why;
	int64_t since_ms; /* of the state; trials and looking are one */
	/* The device's last dump. */
	bool seen;
	struct endpoint endpoint;
	uint64_t handshake_s, rx_bytes, tx_bytes;
	uint16_t keepalive_s;
	bool pokable;          /* it has an address to send data to */
	/* What follows from the dumps. */
	int64_t shook_ms;      /* the last handshake */
	int64_t heard_ms;      /* something came in last */
	uint64_t heard_tx;     /* tx_bytes then */
	int64_t unanswered_ms; /* since then data went out and nothing came back; PATH_NEVER: that is not so */
	bool prompt;           /* it has answered pokes at once before */
	uint32_t prompt_ms;    /* within so long */
	/* Look-ups. */
	bool asking;
	int64_t asked_ms, ask_ms; /* the last and the next one; PATH_NEVER */
	int64_t told_ms;          /* the last push */
	uint32_t pace_ms, random;
	int64_t quick_ms;         /* until then the pace is the TTL */
	bool answered;            /* ever */
	int64_t answered_ms;
	enum lookup_status answer;
	struct endpoint published; /* by the last answer that had one; AF_UNSPEC: none had */
	struct endpoint agreed;    /* of the host that we send to: what was published when the path worked last */
	/* Trials and probes. */
	uint8_t want;         /* enum path_do that waits for its turn; PATH_DO_NOTHING */
	struct endpoint to;   /* for PATH_DO_MOVE */
	bool set;             /* the endpoint, by us, since the last dump */
	struct endpoint before; /* where it was then */
	int64_t other_ms;     /* it was set by others last, or roamed */
	bool theirs;          /* the trial is of what others have set: nothing else is set meanwhile */
	int64_t trial_ms;     /* PATH_NEVER: not begun */
	unsigned trials;      /* since the path was lost, or somebody set its endpoint */
	int64_t watch_ms;     /* until then dumps are wanted in quick succession */
	int64_t poke_ms;      /* the next poke; PATH_NEVER */
	int64_t poked_ms;     /* the first one of a row */
	unsigned pokes;
};

/* What is to be done about it. */
enum path_do {
	PATH_DO_NOTHING,
	PATH_DO_ASK,  /* look it up; path_answer() follows */
	PATH_DO_MOVE, /* set the endpoint, and send it something: that begins a handshake if there is no session */
	PATH_DO_KICK, /* send it something, likewise */
	PATH_DO_POKE, /* send it data; there is a session */
};

struct path_act {
	enum path_do what;
	struct endpoint to; /* for PATH_DO_MOVE */
};

/* What may be done now; the rest waits. */
struct path_may {
	bool ask, kick, poke;
};

void path_init(struct path *p, const uint8_t key[KEY_LEN], uint32_t seed, int64_t now_ms);

/* A dump has the peer. `wall_s` is CLOCK_REALTIME. */
void path_see(struct path *p, const struct wg_peer *peer, int64_t now_ms, uint64_t wall_s);
/* After a dump: it has a path, and is looked up nevertheless if that was long ago, because who does not ask is not told. Returns
 * whether it is. */
bool path_renew_interest(struct path *p, int64_t now_ms);
/* What became of PATH_DO_ASK. `ep` counts for LOOKUP_FOUND alone. */
void path_answer(struct path *p, enum lookup_status status, const struct endpoint *ep, uint32_t ttl_s, int64_t now_ms);
/* Something happened that may have ended the path. */
void path_suspect(struct path *p, enum path_why why, int64_t now_ms);
/* Its host has answered a poke: ICMP says that nobody listens there. */
void path_echo(struct path *p, int64_t now_ms);
/* The registry can be asked again. */
void path_hurry(struct path *p, int64_t now_ms);
/* Another zone or registry: what was known of the peer there counts no more. */
void path_renew(struct path *p, int64_t now_ms);
/* The registry says that it has something new of the peer. */
void path_tell(struct path *p, int64_t now_ms);

/* What there is to do now; to be called until it returns false. What it returns is taken as done: if that fails, the next dump
 * will show. */
bool path_next(struct path *p, int64_t now_ms, const struct path_may *may, struct path_act *out);
/* When path_next() has something to do, if all is allowed; PATH_NEVER. */
int64_t path_wakes_at(const struct path *p);
/* Is its last handshake young enough? */
bool path_has_session(const struct path *p, int64_t now_ms);
/* Is there a path, as far as is known? */
bool path_is_up(const struct path *p);
bool path_state_is_up(enum path_state state);
/* Has it no path that it once had, or might have: LOOKING and TRYING are one to whoever looks on. */
bool path_state_is_without(enum path_state state);
/* Are dumps wanted in quick succession? */
bool path_is_watched(const struct path *p, int64_t now_ms);

#endif
