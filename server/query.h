/* A query, as far as an answer needs it. Pure: bytes in, a struct and a verdict out; nothing is allocated, nothing is
 * trusted.
 */
#ifndef WGMEET_QUERY_H
#define WGMEET_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "key.h"

#define DNS_HEADER  12
#define DNS_UDP_MAX 1232 /* fits every path: IPv6's least MTU of 1280, less its and UDP's headers */
#define DNS_TCP_MAX 65535

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_BADVERS = 16, /* RFC 6891 section 6.1.3 */
};

enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_OPT = 41,
	DNS_IXFR = 251,
	DNS_AXFR = 252,
	DNS_ANY = 255,
};

#define DNS_CLASS_IN 1

struct snapshot;
struct snapshot_peer;

struct query {
	uint8_t rcode; /* what the parser decided; DNS_NOERROR: look it up */
	bool drop;     /* no answer at all */
	bool edns, dnssec_ok;
	uint16_t udp_size;  /* the client's, from its OPT */
	uint16_t type, class;
	uint16_t name_len;  /* of the question's name, at octet DNS_HEADER */
	uint16_t end;       /* of the question: DNS_HEADER if there is none to echo */
	/* Filled by answer_find() and answer_peek(). */
	bool is_instance;
	uint8_t key[KEY_LEN];
	uint64_t hash;
	const struct snapshot *zone;
	const struct snapshot_peer *peer;
};

/* Fills `q`. RFC 1035 section 4.1, RFC 6891, RFC 9619 (one question). */
void query_parse(const uint8_t *msg, size_t len, struct query *q);

#endif
