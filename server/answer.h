/* The answer path: a query in a buffer becomes the answer in the same buffer.
 *
 *     query_parse()  what is asked?
 *     answer_find()  which zone; hash the label
 *     answer_admit() may who asks have it? is it where it says it is?
 *     answer_look_up()  find the key in the index, fetch its record: a whole batch, so that the cache misses of 64 queries
 *                    overlap; at a million peers that is most of the time
 *     answer_write() write
 *
 * Pure: no I/O, no allocation.
 */
#ifndef WGMEET_ANSWER_H
#define WGMEET_ANSWER_H

#include "query.h"
#include "snapshot.h"

#define ANSWER_ZONES 32

/* To a source that may be forged an answer has at most so many octets for each one of the query. */
#define ANSWER_AMPLIFICATION 4

/* Sorted by the length of their names. */
struct answer_zones {
	const struct snapshot *at[ANSWER_ZONES];
	size_t len;
};

/* There is room, and none of that name yet. */
void answer_add_zone(struct answer_zones *zones, const struct snapshot *s);

/* What answers depend on besides the query. */
struct answer_world {
	struct answer_zones zones;
	struct cookie_secrets secrets;
	uint32_t now_s;      /* CLOCK_REALTIME */
	bool limited;        /* what may be forged gets only so much */
	uint16_t idle_100ms; /* how long a connection may idle, for RFC 7828 */
};

/* Who asks. */
struct asker {
	uint8_t addr[RANGES_ADDR];
	uint32_t ifindex; /* that it came in on; 0: unknown */
	bool is_stream;   /* over TCP: the address is not forged */
};

/* May it ask, and did it come by the zone's own tunnel, where only peers come from? Then it may be told of changes. */
bool answer_may_be_told(const struct snapshot *s, const struct asker *asker);

void answer_find(const struct answer_zones *zones, const uint8_t *msg, struct query *q);
void answer_admit(const struct answer_world *world, const struct asker *asker, struct query *q);
void answer_look_up(struct query *queries, size_t n);

/* Octets behind the longest name that answer_find() may read, whatever they hold. */
#define ANSWER_SLACK 8

/* Writes over the query. The buffer has DNS_TCP_MAX octets for a stream, else DNS_UDP_MAX, and ANSWER_SLACK more. Returns the
 * answer's length; 0: drop. */
size_t answer_write(const struct answer_world *world, const struct asker *asker, struct query *q, uint8_t *msg);

/* Makes of what answer_write() wrote an answer without records that sends the client to TCP. Returns its length. */
size_t answer_truncate(const struct answer_world *world, const struct asker *asker, struct query *q, uint8_t *msg);

/* All steps for one query, which is left in `q`; or not. */
size_t answer_steps(const struct answer_world *world, const struct asker *asker, uint8_t *msg, size_t len, struct query *q);
size_t answer_query(const struct answer_world *world, const struct asker *asker, uint8_t *msg, size_t len);

#endif
