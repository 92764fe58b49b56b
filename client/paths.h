/* The paths to all peers of a device, each a machine of path.h, and what they share: how much may be done at once, whose turn it
 * is, and how the registry sees this host. As pure as they are.
 *
 *     dump ----> paths_see() ---.                     .---> look-ups -----> paths_answer()
 *     events --> paths_suspect() +--> struct path x N --> endpoints to set, packets to send
 *     pushes --> paths_tell() ---'    paths_next(), paths_wakes_at()
 *
 * A look-up is told by its number: a path's place, or PATHS_OWN and more for this host's own key. A place stays a path's for as
 * long as its peer is there and its look-up is open.
 */
#ifndef WGMEET_PATHS_H
#define WGMEET_PATHS_H

#include "path.h"
#include "settings.h"

#define PATHS_DUMP_MS  5000
#define PATHS_WATCH_MS 50      /* while something is on trial */
#define PATHS_KICKS    20      /* a second: each may begin a handshake */
#define PATHS_POKES    200     /* a second */
#define PATHS_ASKS     200     /* look-ups a second, and so many that are open */
#define PATHS_TTL_S    10      /* until the zone has told its own */
#define PATHS_OWN_MS   200000  /* this host's own key is looked up again with another one's if it was not for so long */
#define PATHS_OWN      0x80000000u

/* At most so many in any second, a third of them at once. */
struct paths_bucket {
	uint32_t a_second;
	int64_t next_us; /* when the next one is due, had they all come in step */
};

/* How a server's registry sees this host. */
struct paths_own {
	bool asking, answered;
	unsigned vain; /* answers in a row that had no endpoint */
	int64_t ask_ms, asked_ms;
	enum lookup_status answer;
	struct endpoint at; /* the last one; AF_UNSPEC: not known now */
	int64_t at_ms;      /* when it said so last */
	size_t peer;        /* the place of the peer through whom that server is reached; SIZE_MAX: none */
};

/* What NAT this host is behind, by what several registries see. */
enum paths_mapping {
	PATHS_MAPPING_UNKNOWN, /* there are no two to compare */
	PATHS_MAPPING_SAME,    /* one port for all destinations */
	PATHS_MAPPING_EACH,    /* another one for each */
};

#define PATHS_ALLOWED 2 /* of a peer's allowed IPs, by which people know it */

/* A peer's place. It is kept beyond the peer until its look-up is no longer open. */
struct paths_place {
	struct path path;
	struct wg_allowedip allowed[PATHS_ALLOWED]; /* the first ones */
	uint32_t allowed_len;                       /* of all */
	uint32_t number; /* in `at` */
	uint32_t dump;   /* that had it last */
	bool gone;
};

struct paths {
	struct paths_place **at; /* NULL: free */
	size_t len, cap, free;
	size_t hole;     /* no place before it is free */
	size_t turn;     /* the place that is kicked next, if it wants */
	size_t ask_turn, poke_turn;
	void *by_key;    /* tsearch(3)'s tree of those that are not gone */
	uint32_t dump, random;
	bool has_key;
	uint8_t key[KEY_LEN]; /* this host's */
	struct server_list servers;
	struct paths_own own[SETTINGS_SERVERS];
	size_t own_len;  /* one for each server, or only one for all */
	uint32_t ttl_s;
	unsigned asking; /* look-ups that are open */
	bool holds;      /* none is begun now */
	unsigned vain;   /* those that were not answered, in a row */
	int64_t dumped_ms, mapped_ms;
	unsigned mappings; /* that were believed lately, the last at mapped_ms */
	struct paths_bucket kicks, pokes, asks;
};

struct paths_act {
	struct path_act act;
	uint32_t number; /* the path's place, or PATHS_OWN and more: PATH_DO_ASK */
	uint32_t server; /* that is to be asked, from 1; 0: any */
};

/* `seed` is random, for the spread of look-ups. */
void paths_init(struct paths *ps, uint32_t seed, const struct server_list *servers, int64_t now_ms);
void paths_free(struct paths *ps);
/* Other servers, or another zone: what was known of the registry counts no more. No look-up is open. */
void paths_use(struct paths *ps, const struct server_list *servers, int64_t now_ms);

/* 0 or -ENOMEM: then not all peers were looked at. */
int paths_see(struct paths *ps, const struct wg_device *dev, int64_t now_ms, uint64_t wall_s);
/* The device is not there: all is forgotten but the look-ups that are open. */
void paths_forget(struct paths *ps);
void paths_answer(struct paths *ps, uint32_t number, enum lookup_status status, const struct endpoint *ep, uint32_t ttl_s,
    int64_t now_ms);
bool paths_is_open(const struct paths *ps, uint32_t number); /* is there such a look-up? */
const uint8_t *paths_key(const struct paths *ps, uint32_t number); /* whose key a look-up is about */
/* The way out of this host changed: what the registries knew of it counts no more. */
void paths_moved(struct paths *ps, int64_t now_ms);
/* SIZE_MAX: all paths. The registry's comes first. */
void paths_suspect(struct paths *ps, size_t place, enum path_why why, int64_t now_ms);
void paths_tell(struct paths *ps, const uint8_t key[KEY_LEN], int64_t now_ms);
void paths_echo(struct paths *ps, const uint8_t key[KEY_LEN], int64_t now_ms);

bool paths_next(struct paths *ps, int64_t now_ms, struct paths_act *out);
/* When there is something to do, or to dump. */
int64_t paths_wakes_at(const struct paths *ps, int64_t now_ms);
int64_t paths_dump_at(const struct paths *ps, int64_t now_ms);
/* NULL: there is no path at that place. */
const struct path *paths_at(const struct paths *ps, size_t place);

enum paths_mapping paths_mapping(const struct paths *ps);

#endif
