/* A query, as far as an answer needs it. Pure: bytes in, a struct and a verdict out; nothing is allocated, nothing is
 * trusted.
 */
#ifndef WGMEET_QUERY_H
#define WGMEET_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cookie.h"
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
	DNS_BADVERS = 16,   /* RFC 6891 section 6.1.3 */
	DNS_BADCOOKIE = 23, /* RFC 7873 section 5.2.4 */
};

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
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

#define DNS_RR_FIXED 12 /* a pointer as owner, TYPE, CLASS, TTL, RDLENGTH */

enum dns_option {
	OPTION_COOKIE = 10,    /* RFC 7873 */
	OPTION_KEEPALIVE = 11, /* RFC 7828 */
	OPTION_EDE = 15,       /* RFC 8914 */
};

struct snapshot;
struct snapshot_peer;

/* What became of it, for those who count. */
enum query_kind { QUERY_RECORDS, QUERY_NEGATIVE, QUERY_ERROR };

struct query {
	uint8_t rcode; /* what the parser decided; DNS_NOERROR: look it up */
	bool drop;     /* no answer at all */
	bool edns, dnssec_ok;
	bool keepalive;     /* RFC 7828: the client asks how long its connection may idle */
	uint8_t cookie_len; /* RFC 7873: 0 none, COOKIE_CLIENT, or COOKIE_CLIENT + 8 and more */
	uint16_t len;       /* of the message */
	uint16_t udp_size;  /* the client's, from its OPT */
	uint16_t type, class;
	uint16_t name_len;  /* of the question's name, at octet DNS_HEADER; 0: there is none */
	uint16_t end;       /* of the question: DNS_HEADER if there is none to echo */
	/* Filled by answer_find(), answer_admit() and answer_look_up(). */
	bool is_instance;
	bool prohibited;   /* the asker may not have what is asked */
	bool no_lists;     /* nor lists of peers */
	bool by_tunnel;    /* it came in over the zone's own device */
	bool proven;       /* the asker is where it says */
	bool cookie_fresh; /* its cookie needs no new one */
	/* By answer_write(). */
	uint8_t result;   /* see counters.h */
	uint8_t kind;
	uint32_t subject; /* the same for answers with the same records */
	/* What is behind here is not cleared, but filled before it is used. */
	uint8_t cookie[COOKIE_LEN];
	uint64_t hash;
	const struct snapshot *zone;
	const struct snapshot_peer *peer;
};

/* Fills `q`. RFC 1035 section 4.1, RFC 6891, RFC 9619 (one question), RFC 7873, RFC 7828. */
void query_parse(const uint8_t *msg, size_t len, struct query *q);

#endif
