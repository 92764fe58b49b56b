/* What wgmeet run says of its paths to who asks: the messages, and a sentence for each path. Pure.
 *
 *     wgmeet run (reporter.h) --head, peer, peer, ..., end--> wgmeet status (reported.h)
 *
 * A client sends one octet, REPORT_ONCE or REPORT_WATCH. Messages have a fixed size, and the numbers the octet order of the
 * machine: both ends are one program on one host. REPORT_VERSION moves whenever a struct does. Times are ages in ms.
 */
#ifndef WGMEET_REPORT_H
#define WGMEET_REPORT_H

#include <sys/stat.h>

#include "paths.h"

#define REPORT_DIR   "/run/wgmeet" /* the socket is DEVICE/status below it */
#define REPORT_PATH  64            /* of the socket, with its NUL */
#define REPORT_ONCE  '1'
#define REPORT_WATCH 'w'

#define REPORT_VERSION   4
#define REPORT_NEVER     (-1)            /* an age: it has not happened; a time to come: it will not */
#define REPORT_UNASKED   LOOKUP_STATUSES /* a look-up's status: it has no answer yet */
#define REPORT_PEERS_MAX (1u << 20)      /* the kernel's own limit */
#define REPORT_AGE_MAX   (INT64_C(1) << 60)

enum report_magic { REPORT_HEAD = 0x77676d01, REPORT_PEER, REPORT_END };

/* A name server, and what it says of this host. */
struct report_server {
	struct endpoint address; /* AF_UNSPEC: there is none to ask */
	struct endpoint sees;    /* where it last saw this host; AF_UNSPEC: not known now */
	uint32_t status;         /* of the last look-up of this host's key; REPORT_UNASKED */
	uint32_t through;        /* the peer whom it is reached through: 1 + enum path_state; 0: none */
	int64_t sees_ms;         /* since it said so last; REPORT_NEVER */
};

struct report_head {
	uint32_t magic, version;
	char device[IFNAMSIZ];
	struct name zone;
	uint8_t key[KEY_LEN]; /* this host's; zero: it has none */
	uint32_t is_there;    /* the device */
	uint32_t is_up;       /* packets may pass it */
	uint32_t servers_len;
	struct report_server servers[SETTINGS_SERVERS];
	uint32_t mapping;     /* enum paths_mapping */
	uint32_t keepalive_s; /* for peers whose endpoint is set; 0: they keep theirs */
	uint32_t port;        /* where the registry's news is heard; 0: nowhere */
	int64_t running_ms;
	int64_t told_ms;      /* since the last news; REPORT_NEVER */
};

struct report_peer {
	uint32_t magic;
	uint8_t key[KEY_LEN];
	uint32_t state, why;         /* enum path_state, path_why */
	uint32_t status;             /* of the last look-up; REPORT_UNASKED */
	uint32_t trials;             /* since the path was lost or set, with one that runs */
	uint32_t keepalive_s;
	uint32_t is_registry;        /* a name server is reached through it */
	uint32_t is_asking;          /* a look-up is open */
	uint32_t allowed_len;        /* allowed IPs, of which there are at most PATHS_ALLOWED here */
	struct wg_allowedip allowed[PATHS_ALLOWED];
	struct endpoint endpoint;    /* in the device */
	struct endpoint published;   /* by the last answer that had one */
	struct endpoint tried;       /* where it is tried, or will be; else the device's */
	uint64_t handshake_s;        /* CLOCK_REALTIME; 0: never */
	uint64_t rx_bytes, tx_bytes;
	int64_t state_ms;            /* of the state; with and without a trial is one */
	int64_t doubt_ms;            /* PATH_PROBED: since it is */
	int64_t trial_ms;            /* since the trial that runs began; REPORT_NEVER: none does */
	int64_t answered_ms;         /* since that status */
	int64_t unanswered_ms;       /* since it does not answer what is sent to it; REPORT_NEVER: it does */
	int64_t ask_ms;              /* until it is looked up; REPORT_NEVER */
};

struct report_end {
	uint32_t magic;
	uint32_t peers; /* that were told of */
};

union report_message {
	uint32_t magic;
	struct report_head head;
	struct report_peer peer;
	struct report_end end;
};

/* What the daemon knows beside its settings and paths. */
struct report_daemon {
	int64_t started_ms;
	int64_t told_ms; /* the last news from the registry; PATH_NEVER: there was none */
	uint16_t port;
	bool is_there;   /* the device */
	bool is_up;
};

/* "/run/wgmeet/wg0/NAME"; without a name the directory. */
void report_path(const char *device, const char *name, char out[REPORT_PATH]);
/* Is that a directory in which nobody but its owner, who is root or `self`, can put anything? */
bool report_may_trust(const struct stat *st, uid_t self);

void report_head_fill(const struct settings *settings, const struct paths *ps, const struct report_daemon *daemon, int64_t now_ms,
    struct report_head *out);
/* False: there is no path at that place. */
bool report_peer_fill(const struct paths *ps, size_t place, int64_t now_ms, struct report_peer *out);

enum report_verdict { REPORT_GOOD, REPORT_OTHER_VERSION, REPORT_BAD };

/* Is that a message as these functions make them? All sizes, words and strings are in range then. */
enum report_verdict report_judge(const union report_message *msg, size_t len);

#define REPORT_SENTENCE 768
/* Why the path is as it is, for people: one sentence, without a full stop. */
const char *report_sentence(const struct report_head *head, const struct report_peer *peer, char out[REPORT_SENTENCE]);
/* Is it to be said to scripts, too? Its look-up failed, or the zone has it and it does not answer there. Not: a peer that is not
 * in the zone, or that is still tried for the first time. */
bool report_is_problem(const struct report_peer *peer);
/* The registry sees both at the same address. */
bool report_is_behind_our_nat(const struct report_head *head, const struct report_peer *peer);

const char *report_mapping_word(enum paths_mapping mapping);
/* "2 h": the largest unit of which there are two, rounded down. */
#define REPORT_SPAN 32
const char *report_span(int64_t ms, char out[REPORT_SPAN]);

#endif
