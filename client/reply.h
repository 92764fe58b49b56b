/* What a name server's answer says of a peer. Pure: hostile bytes in, an endpoint or a reason out. Read by ldns, in the
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
	LOOKUP_STATUSES,
};

const char *lookup_status_text(enum lookup_status status);

struct reply {
	uint16_t port;
	struct name target; /* of the SRV */
	struct endpoint endpoint; /* AF_UNSPEC: the answer has no address for the target */
};

/* The answer to the SRV question for `instance`. FOUND, with or without an endpoint, NOT_IN_ZONE, BAD_ANSWER,
 * OTHER_KEY or BAD_ENDPOINT. */
enum lookup_status reply_read_srv(const uint8_t *msg, size_t len, const struct name *instance, const uint8_t key[KEY_LEN],
    struct reply *out);

/* The answer to an A or AAAA question for the target; fills out->endpoint. FOUND, NO_ADDRESS, BAD_ANSWER, BAD_ENDPOINT. */
enum lookup_status reply_read_address(const uint8_t *msg, size_t len, struct reply *out);

#endif
