/* wgmeet doctor: what is wrong on a peer's side, and what to do about it. The judgement is pure.
 *
 *     doctor_look.h   the host and the device ---.
 *     doctor_ask.h    name servers, sandboxed ----+--> struct doctor_seen --doctor_judge()--> findings --> text, JSON
 *     resolve.h       the peers' records --------'
 */
#ifndef WGMEET_DOCTOR_H
#define WGMEET_DOCTOR_H

#include "plan.h"
#include "report.h"
#include "settings.h"
#include "wgdev.h"

/* ---- what name servers say ---- */

#define DOCTOR_UNASKED LOOKUP_STATUSES

/* How a question for the zone's SOA ended. */
struct doctor_answer {
	uint32_t status; /* enum lookup_status; DOCTOR_UNASKED */
	uint32_t rcode;
	uint32_t is_authoritative;
	uint32_t ede;    /* RFC 8914; 0: none was told */
	uint32_t time_s; /* the server's clock, by its cookie (RFC 9018), its low 32 bits; 0: not told */
	struct name apex; /* whose SOA is in the answer, or in its authority section; len 0: none is */
};

struct doctor_server {
	struct doctor_answer udp, tcp;
};

#define DOCTOR_NAMESERVERS 8 /* of a delegation: more are not looked at */

struct doctor_nameserver {
	struct name name;
	struct endpoint address; /* AF_UNSPEC: it has none; two addresses are two of these */
	struct doctor_server says;
};

enum doctor_delegation {
	DELEGATION_UNASKED,
	DELEGATION_UNKNOWN, /* no server of the zone above could be asked, and no resolver knows it */
	DELEGATION_MISSING, /* the zone above has none */
	DELEGATION_THERE,
	DELEGATIONS,
};

struct doctor_dns {
	struct doctor_server servers[SETTINGS_SERVERS]; /* the settings' */
	uint32_t delegation; /* enum doctor_delegation */
	struct name parent;  /* the zone above; len 0: unknown */
	uint32_t nameservers_len;
	struct doctor_nameserver nameservers[DOCTOR_NAMESERVERS];
};

/* ---- all that is seen ---- */

#define DOCTOR_ADDRESSES 64

#define DOCTOR_WG_QUICK "/etc/wireguard/%s.conf"

/* ListenPort of wg-quick's file. */
enum doctor_port { DOCTOR_PORT_UNKNOWN, DOCTOR_PORT_FIXED, DOCTOR_PORT_ANY };

#define DOCTOR_LOST 5

/* What keeps the paths, if wgmeet run does not. */
enum doctor_keeper { DOCTOR_NO_KEEPER, DOCTOR_TIMER, DOCTOR_CRON };

struct doctor_record {
	uint32_t status; /* enum lookup_status; DOCTOR_UNASKED */
	struct endpoint endpoint;
};

struct doctor_seen {
	const struct settings *settings; /* its servers are the system's, if it had none */
	bool system_servers;
	unsigned file_errors; /* that were said */
	uint64_t now_s;
	int device_error;    /* of reading it: 0 or -errno; if that is not 0, `dev` is empty */
	bool link_is_there;  /* a network device of that name, of whatever kind */
	bool link_is_up;
	unsigned mtu;        /* 0: unknown */
	enum doctor_port port;
	const struct wg_device *dev;
	const struct plan_tunnel *tunnel;
	struct endpoint addresses[DOCTOR_ADDRESSES]; /* this host's, without the device's and loopback; port 0 */
	size_t addresses_len;
	bool through[SETTINGS_SERVERS];  /* is the server routed into the device? */
	bool unrouted[SETTINGS_SERVERS]; /* there is no route to it */
	const struct doctor_dns *dns;    /* NULL: nobody was asked */
	struct doctor_record own[SETTINGS_SERVERS]; /* this host's record, at each server */
	const struct doctor_record *records;        /* of each peer of `dev` */
	bool mute[SETTINGS_SERVERS]; /* it was asked in vain, and nothing else has come from the peer behind it since */
	unsigned dropped; /* messages from the registry's endpoint that came to this host, and not to the device */
	int run_error; /* of asking wgmeet run: 0 or -errno; -ENOENT: it does not run */
	struct report_head run;
	struct report_peer lost[DOCTOR_LOST]; /* peers to whom it has no path: the first ones */
	size_t lost_len;                      /* of all of them */
	enum doctor_keeper keeper;
	bool has_systemd; /* it runs */
	const char *drop_in; /* that wgmeet@.service needs, because only root may open the device's socket; NULL: it has one, or needs none */
};

/* ---- findings ---- */

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_finding {
	enum doctor_level level;
	const char *check; /* a word for programs */
	char about[256];   /* a peer's key, a server's address; empty: the check says enough */
	char text[768];    /* a sentence without its full stop */
	char remedy[512];  /* the same; empty: nothing is to be done */
};

struct doctor_findings {
	struct doctor_finding *at;
	size_t len, cap;
};

/* In the order in which they are best mended. Dies if memory is short. */
void doctor_judge(const struct doctor_seen *seen, struct doctor_findings *out);
void doctor_findings_free(struct doctor_findings *findings);

const char *doctor_level_word(enum doctor_level level);

/* Is the zone served there, as far as the answer says? */
bool doctor_answer_is_good(const struct doctor_answer *answer, const struct name *zone);
/* The server that the peers' records are asked of: the first one that serves the zone; -1: none does. */
int doctor_good_server(const struct doctor_seen *seen);
/* The peer that is the registry: a name server is behind it, or has its address. NULL: it cannot be told. */
const struct wg_peer *doctor_registry(const struct doctor_seen *seen);
/* A name server is behind it, was asked in vain, and nothing else came back either. */
bool doctor_is_mute(const struct doctor_seen *seen, const struct wg_peer *peer);
/* Has it had a handshake lately, or so far in the future that nobody knows? And is not mute since. */
bool doctor_is_connected(const struct doctor_seen *seen, const struct wg_peer *peer);

#endif
