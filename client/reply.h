/* What a name server's answer says of a peer. Pure: hostile bytes in, endpoints or a reason out. Read by ldns, in the
 * sandboxed process.
 */
#ifndef WGMEET_REPLY_H
#define WGMEET_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"
#include "key.h"
#include "name.h"

/* What became of a look-up. Only FOUND has an endpoint. */
enum lookup_status {
	LOOKUP_FOUND,
	LOOKUP_NOT_IN_ZONE,  /* NXDOMAIN, or no SRV: the registry does not see the peer */
	LOOKUP_NOT_READY,    /* SERVFAIL */
	LOOKUP_REFUSED,      /* the server does not serve the zone, or not us */
	LOOKUP_NO_ANSWER,    /* in time */
	LOOKUP_UNREACHABLE,  /* no server could be sent to */
	LOOKUP_BAD_ANSWER,   /* malformed, or not an answer to the question */
	LOOKUP_OTHER_KEY,    /* pub= is not the key that was asked for */
	LOOKUP_NO_ADDRESS,   /* an SRV whose target has none */
	LOOKUP_BAD_ENDPOINT, /* no peer can be there: port 0, loopback, multicast, ... */
	LOOKUP_NO_ROUTE,     /* this host has no route to any of its addresses */
	LOOKUP_IN_TUNNEL,    /* its address is one that the device itself carries */
	LOOKUP_STATUSES,
};

const char *lookup_status_text(enum lookup_status status);
/* A word for programs: "found", "not-in-zone", ... */
const char *lookup_status_word(enum lookup_status status);

#define REPLY_ADDRS   8
#define REPLY_ALLOWED 1024
#define REPLY_ALIASES 8
#define REPLY_PEERS   1024 /* of one list: what names there are keys leave a message over TCP no room for more */

struct reply {
	struct name instance; /* whose SRV it is: the name that was asked for, or what its aliases lead to */
	bool is_alias;        /* the SRV is not in the answer: ask for `instance` */
	uint16_t port;
	uint32_t ttl_s;
	struct name target; /* of the SRV */
	struct endpoint addrs[REPLY_ADDRS]; /* with the port */
	size_t addrs_len;
	bool has_txt, has_key;
	uint8_t key[KEY_LEN]; /* from pub= */
	char allowed[REPLY_ALLOWED]; /* "10.0.0.2/32,...", whole CIDRs, as many as there is room for */
};

/* The answer to the SRV question for `name`; with a `key` pub= must be that one. Of several SRV the one with the least
 * priority counts, then the greatest weight. FOUND, with or without addresses, NOT_IN_ZONE, BAD_ANSWER, OTHER_KEY or
 * BAD_ENDPOINT (port 0). */
enum lookup_status reply_read_srv(const uint8_t *msg, size_t len, const struct name *name, const uint8_t *key,
    struct reply *out);

/* The answer to an A or AAAA question for the target; adds to out->addrs. FOUND, NO_ADDRESS or BAD_ANSWER. */
enum lookup_status reply_read_addresses(const uint8_t *msg, size_t len, struct reply *out);

/* The answer to the TXT question for the instance. FOUND, NOT_IN_ZONE (it has none), BAD_ANSWER or OTHER_KEY. */
enum lookup_status reply_read_txt(const uint8_t *msg, size_t len, const uint8_t *key, struct reply *out);

#define REPLY_COOKIE_CLIENT 8
#define REPLY_COOKIE        40 /* at most, with the server's (RFC 7873 section 4) */

/* A server's cookie, if it is there, behind the client's, which must be the same in the answer. */
void reply_read_cookie(const uint8_t *msg, size_t len, uint8_t cookie[REPLY_COOKIE], size_t *cookie_len);

/* A peer of a list, of whom `reply` has the name as `instance`. `whole`: SRV, address and TXT came with the list, and the
 * status is as of reply_read_srv(). Else nothing is known but the name: ask for it. */
typedef void reply_peer_fn(void *data, const struct reply *peer, bool whole, enum lookup_status status);

/* The answer to the PTR question for `list`, which is `service` or _<prefix>._sub.<service>: each instance of the service
 * once; not those that are keys without the prefix. FOUND; NOT_IN_ZONE (no list); BAD_ANSWER,
 * also with more peers than REPLY_PEERS, of which so many are told. */
enum lookup_status reply_read_list(const uint8_t *msg, size_t len, const struct name *list, const struct name *service,
    reply_peer_fn *fn, void *data);

/* The answer to the TXT question for `service`: how many characters of a key its lists have as prefix. FOUND, NOT_IN_ZONE
 * (it does not say) or BAD_ANSWER (not from 0 to RECORDS_SHARD_MAX, or several). */
enum lookup_status reply_read_shard(const uint8_t *msg, size_t len, const struct name *service, unsigned *shard);

/* A name whose first label is a key, with or without padding. */
bool reply_name_key(const struct name *name, uint8_t key[KEY_LEN]);

#endif
