/* The answer path: a query in a buffer becomes the answer in the same buffer.
 *
 *     query_parse()  what is asked?
 *     answer_find()  which zone; decode and hash the key, prefetch the index
 *     answer_peek()  look into the index, prefetch the record
 *     answer_write() find and write
 *
 * A batch goes through each step in turn, so that the cache misses of 64 queries overlap: at a million peers that is
 * most of the time. Pure: no I/O, no allocation.
 */
#ifndef WGMEET_ANSWER_H
#define WGMEET_ANSWER_H

#include "query.h"
#include "snapshot.h"

#define ANSWER_ZONES 32

/* Sorted by the length of their names. */
struct answer_zones {
	const struct snapshot *at[ANSWER_ZONES];
	size_t len;
};

/* There is room, and none of that name yet. */
void answer_add_zone(struct answer_zones *zones, const struct snapshot *s);

void answer_find(const struct answer_zones *zones, const uint8_t *msg, struct query *q);
void answer_peek(struct query *q);

/* Octets behind the longest name that answer_find() may read, whatever they hold. */
#define ANSWER_SLACK 8

/* Writes over the query; `limit` is the most that the transport takes: DNS_UDP_MAX, from which the client's own limit is
 * made, or DNS_TCP_MAX. The buffer has at least that many octets, and ANSWER_SLACK more. Returns the answer's length;
 * 0: drop. */
size_t answer_write(struct query *q, uint8_t *msg, size_t limit);

/* All steps for one query. */
size_t answer_query(const struct answer_zones *zones, uint8_t *msg, size_t len, size_t limit);

#endif
