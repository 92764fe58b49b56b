/* The names of a zone that are stored whole: all but the regular peers'. The apex and what stands below it, the lists, and the
 * special peers, which have a name for people or several addresses. Collected here with their records as they go into
 * an answer; snapshot_build() lays them out.
 */
#ifndef WGMEET_NAMES_H
#define WGMEET_NAMES_H

#include "snapshot.h"
#include "zone.h"

/* One name, with its record sets in the order in which they go into an additional section. */
struct stored_name {
	struct name owner;
	struct stored_set {
		uint16_t type, count;
		uint32_t off, len; /* in names->pool: whole records, their owner a pointer to the question */
	} sets[SNAPSHOT_SETS];
	uint8_t sets_len;
	bool is_list; /* of the regular peers behind `first`, then the special ones that are stored */
	uint16_t regular;
	uint32_t first;  /* octets from the first peer's record to its first one */
	uint32_t listed, listed_len; /* its special peers, in names->listed */
};

struct names {
	const struct zone *zone;
	struct stored_name *at; /* sorted by length, then octets, as snapshot_find_name() expects */
	size_t len, cap;
	uint8_t *pool;
	size_t pool_len, pool_cap;
	struct name *listed; /* the names that special peers have in the lists */
	size_t listed_len, listed_cap;
};

/* 0, -ENOMEM, or -E2BIG if the zone has more than fits. names_free() in either case. */
int names_collect(struct names *names, const struct zone *zone);
void names_free(struct names *names);

/* What goes into the additional section with a set, each RRset whole behind its count of records and its length: with the NS
 * their addresses, with a list what its special peers have. To NULL it only counts. Returns the octets. */
size_t names_extras(const struct names *names, const struct stored_name *n, const struct stored_set *set, uint8_t *to);

#endif
