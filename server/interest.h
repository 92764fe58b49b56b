/* Who asked for what lately: the table behind notify.h. An interest is one name that one address has asked for; whoever has
 * some is a subscriber.
 *
 *     subscriber --by age--> interest interest interest ...       at most INTERESTS_EACH of it
 *                `-ready---> those of them that are to be told now
 *     queues     ----------> those that wait, each queue in the order in which they were put there
 *
 * Where there is no room a subscriber that has INTERESTS_EACH loses its own oldest. When all INTERESTS are taken, whoever has
 * the most loses its oldest: who has no more than INTERESTS / SUBSCRIBERS never does. When there are SUBSCRIBERS, the one
 * that has not asked for the longest time gives way: a peer that may use thousands of addresses can be all of them. Whoever
 * was pushed out is not told, and finds out when it asks again.
 *
 * All of it is one mapping of fixed size: what was never used has no page. Chains are found by hashes with a secret seed.
 */
#ifndef WGMEET_INTEREST_H
#define WGMEET_INTEREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "key.h"
#include "ranges.h"

#define INTERESTS        32768
#define INTERESTS_EACH   1024
#define SUBSCRIBERS      4096
#define INTEREST_LIFE_MS (10 * 60 * 1000) /* since it was asked for */

/* Where an interest is. */
#define INTEREST_IDLE   0
#define INTEREST_READY  1 /* with its subscriber */
#define INTEREST_WAITS  2 /* and behind it: the queues */
#define INTEREST_QUEUES 4

struct listener;

struct interest {
	uint8_t label[KEY_BASE32]; /* in lower case */
	bool in_use, padded;
	uint8_t where;
	uint8_t tries; /* notify.c's: sent so often */
	uint8_t local[16]; /* the address of ours that was asked, all zero if unknown */
	uint16_t subscriber;
	uint16_t id; /* notify.c's: of what was sent */
	uint32_t zone;
	uint32_t chain; /* 1 + the next with this hash, or that is free; 0: none */
	uint64_t told; /* notify.c's: what the name was when it was asked for, or when that was last told */
	uint64_t asked_ms;
	uint64_t due_ms; /* notify.c's, in a queue */
	const struct listener *listener; /* that was asked */
};

struct subscriber {
	uint8_t addr[RANGES_ADDR];
	bool has_turn; /* among those with something to be told now */
	uint32_t chain;
	uint64_t asked_ms;
	uint64_t rest_ms; /* notify.c's: nothing more before that */
};

/* Dies if it cannot have its table. Before the seed is set nothing may be remembered; what was set first counts. */
void interest_init(void);
void interest_seed(const uint64_t seed[2]);

/* An address's interest in a name, label in lower case. NULL: it has none. */
struct interest *interest_find(const uint8_t addr[RANGES_ADDR], uint32_t zone, const uint8_t label[KEY_BASE32], bool padded);
/* The same, but it has one now, asked for at now_ms. A new one is idle, with `told` 0. */
struct interest *interest_remember(const uint8_t addr[RANGES_ADDR], uint32_t zone, const uint8_t label[KEY_BASE32], bool padded,
    uint64_t now_ms);
void interest_forget(struct interest *e);
bool interest_is_old(const struct interest *e, uint64_t now_ms);

/* For who looks at all of them: those numbered below that were in use once; NULL: it is not now. */
uint32_t interest_end(void);
struct interest *interest_at(uint32_t number);

uint32_t interest_count(void); /* that are remembered */

struct subscriber *interest_subscriber(const struct interest *e);

/* Takes it from where it is: to INTEREST_IDLE, or behind the others of its subscriber's ready ones or of a queue. */
void interest_move(struct interest *e, uint8_t where);
/* The first one. NULL: there is none. */
struct interest *interest_first(uint8_t queue);
struct interest *interest_first_ready(const struct subscriber *s);

/* Subscribers take turns: whose is the next; to be the next, or the last. NULL: nobody's. */
struct subscriber *interest_turn(void);
void interest_turn_first(struct subscriber *s);
void interest_turn_last(struct subscriber *s);
void interest_turn_none(struct subscriber *s);

#endif
