/* What the tests and fuzzers of the answer path share: zones of synthetic devices, queries, and a judge of answers that
 * knows the wire format by itself and asks ldns for a second opinion.
 */
#ifndef WGMEET_TEST_ANSWERS_H
#define WGMEET_TEST_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answer.h"
#include "zone.h"

#define MESSAGE_MAX (DNS_TCP_MAX + ANSWER_SLACK)
#define NO_EDNS     -1

/* A zone and all that it was made of. */
struct made_zone {
	struct zone_conf conf;
	struct peer_conf said[64]; /* of conf.peers */
	struct zone_world world;
	struct wg_device dev;
	struct zone zone;
	const struct snapshot *snapshot;
};

/* Peer n of every synthetic device. Its key is spread over all 32 octets; it is in the zone unless n % 16 is 15. */
void made_key(size_t n, uint8_t key[KEY_LEN]);
uint16_t made_port(size_t n);
/* IPv6 if n % 4 is 1; as text. Returns out. */
const char *made_address(size_t n, char out[ENDPOINT_TEXT]);
bool made_has_endpoint(size_t n);

/* The configuration of a zone with a name server inside it; NULL name: none. Change it before zone_make(). */
void zone_prepare(struct made_zone *z, const char *name, const char *name_server);
/* Peers 0 ... peers - 1; dies if anything fails. */
void zone_add_peers(struct made_zone *z, size_t peers);
void zone_add_allowed(struct made_zone *z, size_t count); /* to the last peer */
/* Peer n gets a name for people; NULL: it stays out. */
void zone_say(struct made_zone *z, size_t n, const char *label);
/* The device itself is in the zone, as peer n would be, at the first of these addresses and the others. */
void zone_add_self(struct made_zone *z, size_t n, const struct endpoint *addresses, size_t len);
/* Who may ask, and who may see lists: "CIDR,CIDR,tunnel", or "none". Without a call everyone may. */
void zone_allow(struct made_zone *z, const char *networks);
void zone_allow_browse(struct made_zone *z, const char *networks);
void zone_make(struct made_zone *z);
void zone_make_not_ready(struct made_zone *z);
void zone_drop(struct made_zone *z);

/* Looks at all of it, as a worker does. */
bool snapshot_is_sound(const struct snapshot *s);

/* A name in wire form with the letters as they are in the text. Returns its length, 0 if it is none. */
size_t wire_name(const char *text, uint8_t out[NAME_MAX_LEN + 1]);
/* Header, question, and an OPT that offers `udp_size` (NO_EDNS: none). RD is set. Returns the length. */
size_t make_query(uint8_t *msg, const uint8_t *name, size_t name_len, uint16_t type, int udp_size);
size_t make_peer_query(uint8_t *msg, const struct made_zone *z, const uint8_t key[KEY_LEN], bool padded, uint16_t type,
    int udp_size);

/* Steps over a name. Returns the octet behind it, 0 if it is no name: a label too long, a pointer that does not lead
 * backwards, more than 255 octets in all. */
size_t walk_name(const uint8_t *msg, size_t len, size_t at);

/* One record as it lies in a message. */
struct walked {
	size_t owner, rdata, next;
	uint16_t type, class, rdlen;
	uint32_t ttl_s;
};
bool walk_record(const uint8_t *msg, size_t len, size_t at, struct walked *out);

/* The answer to the query in `msg` over a transport (DNS_UDP_MAX or DNS_TCP_MAX), without limits. Returns its length. */
size_t made_answer(const struct answer_zones *zones, uint8_t *msg, size_t len, size_t transport);

/* What is wrong with the answer to the query over a transport (DNS_UDP_MAX or DNS_TCP_MAX); NULL: nothing. The first asks
 * whether it is well-formed and goes with the query, the second whether it is one that the contract has, too. */
const char *judge_form(const uint8_t *query, size_t query_len, const uint8_t *answer, size_t len, size_t transport);
const char *judge(const uint8_t *query, size_t query_len, const uint8_t *answer, size_t len, size_t transport);

#endif
