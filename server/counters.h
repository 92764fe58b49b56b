/* What a worker counts. Each has a block of its own, in memory that it shares with the observer, who only reads it: one writer
 * a word, so that a plain load, an addition and a plain store do, and no two workers' words are in one line of a cache.
 *
 *     worker --counters_add()--> struct counters (MAP_SHARED, made before the fork) --counters_read()--> observer
 *
 * Each message that comes is counted once in `queries`: by how it came, what it asks for, and what became of it.
 */
#ifndef WGMEET_COUNTERS_H
#define WGMEET_COUNTERS_H

#include <stdint.h>

#include "query.h"

enum counters_transport { COUNTERS_UDP, COUNTERS_TCP, COUNTERS_TRANSPORTS };

enum counters_type {
	COUNTERS_OTHER,
	COUNTERS_NONE, /* there is no question that can be read */
	COUNTERS_A,
	COUNTERS_NS,
	COUNTERS_SOA,
	COUNTERS_PTR,
	COUNTERS_TXT,
	COUNTERS_AAAA,
	COUNTERS_SRV,
	COUNTERS_IXFR,
	COUNTERS_AXFR,
	COUNTERS_ANY,
	COUNTERS_TYPES,
};

/* What became of it: the answer's RCODE, which is one of enum dns_rcode, or one of these. */
enum counters_result {
	COUNTERS_PROHIBITED = DNS_REFUSED + 1, /* REFUSED, because of who asked */
	COUNTERS_TRUNCATED = 29,
	COUNTERS_LIMITED = 30, /* no answer: there were too many */
	COUNTERS_DROPPED = 31, /* no answer: it is no query */
	COUNTERS_RESULTS,
};

struct counters {
	_Alignas(64) uint64_t queries[COUNTERS_TRANSPORTS][COUNTERS_TYPES][COUNTERS_RESULTS];
	uint64_t answers, dropped, unsent;
	uint64_t slipped, limited; /* answers that were truncated or dropped to keep within the rate */
	uint64_t tcp_connections, tcp_cut, tcp_malformed; /* the last: ended for a message of a length that none has */
	uint64_t tcp_open;         /* now */
	uint64_t notify_sent, notify_unsent, notify_answered;
	uint64_t interests;        /* remembered now */
};

/* Of the types below 256. */
extern const uint8_t counters_types[256];

/* Where 64 bits are not one word, a reader may see half of a carry, once in four thousand million. */
static inline void counters_set(uint64_t *word, uint64_t value)
{
#if __GCC_ATOMIC_LLONG_LOCK_FREE == 2
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
#else
	*(volatile uint64_t *)word = value;
#endif
}

static inline uint64_t counters_read(const uint64_t *word)
{
#if __GCC_ATOMIC_LLONG_LOCK_FREE == 2
	return __atomic_load_n(word, __ATOMIC_RELAXED);
#else
	return *(const volatile uint64_t *)word;
#endif
}

static inline void counters_add(uint64_t *word, uint64_t n)
{
	counters_set(word, *word + n);
}

/* Without a branch: this is in the answer path. */
static inline void counters_query(struct counters *c, enum counters_transport transport, uint16_t type, uint8_t result)
{
	size_t number = counters_types[type < sizeof(counters_types) ? type : 254]; /* which is none of those that have a word */

	counters_add(&c->queries[transport][number][result], 1);
}

#endif
