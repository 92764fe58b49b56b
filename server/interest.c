#include "interest.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"
#include "ring.h"
#include "snapshot.h"

#define AGE_OF(s)   (INTERESTS + (s))
#define READY_OF(s) (INTERESTS + (s))
#define QUEUE(w)    (INTERESTS + SUBSCRIBERS + (uint32_t)((w) - INTEREST_WAITS))
#define ALL         SUBSCRIBERS /* the head of the rings of subscribers */

struct table {
	struct interest at[INTERESTS];
	struct link age[INTERESTS + SUBSCRIBERS]; /* of each subscriber, the oldest first */
	struct link queues[INTERESTS + SUBSCRIBERS + INTEREST_QUEUES];
	struct subscriber subscribers[SUBSCRIBERS];
	struct link asked[SUBSCRIBERS + 1]; /* who asked longest ago is first */
	struct link turns[SUBSCRIBERS + 1];
	uint16_t counts[SUBSCRIBERS]; /* of interests */
	uint32_t by_name[INTERESTS], by_addr[SUBSCRIBERS]; /* the first of each chain, as in `chain` */
	uint32_t end, free; /* of the interests: from there on never used; the first of those that were, as in `chain` */
	uint32_t subscribers_end, subscribers_free;
	uint32_t used; /* interests */
	uint64_t seed[2];
	bool seeded;
};

static struct table *t;

void interest_init(void)
{
	t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t == MAP_FAILED)
		die("mmap");
	ring_clear(t->asked, ALL);
	ring_clear(t->turns, ALL);
	for (uint8_t w = INTEREST_WAITS; w < INTEREST_WAITS + INTEREST_QUEUES; w++)
		ring_clear(t->queues, QUEUE(w));
}

void interest_seed(const uint64_t seed[2])
{
	if (!t->seeded)
		memcpy(t->seed, seed, sizeof(t->seed));
	t->seeded = true;
}

static uint32_t number_of(const struct interest *e)
{
	return (uint32_t)(e - t->at);
}

static uint16_t subscriber_number(const struct subscriber *s)
{
	return (uint16_t)(s - t->subscribers);
}

/* ---- chains ---- */

static uint32_t *addr_chain(const uint8_t addr[RANGES_ADDR])
{
	uint64_t word[2], h;

	memcpy(word, addr + 1, sizeof(word));
	h = snapshot_mix(snapshot_mix(word[0] ^ t->seed[0] ^ addr[0], word[1] ^ t->seed[1]), t->seed[0] | 1);
	return &t->by_addr[h % SUBSCRIBERS];
}

static uint32_t *name_chain(uint16_t subscriber, uint32_t zone, const uint8_t label[KEY_BASE32], bool padded)
{
	uint64_t who = (uint64_t)subscriber << 40 | (uint64_t)zone << 1 | padded;

	return &t->by_name[snapshot_mix(snapshot_hash(t->seed, label) ^ t->seed[1], who ^ t->seed[0]) % INTERESTS];
}

static struct subscriber *find_subscriber(const uint8_t addr[RANGES_ADDR])
{
	for (uint32_t n = *addr_chain(addr); n != 0; n = t->subscribers[n - 1].chain)
		if (memcmp(t->subscribers[n - 1].addr, addr, RANGES_ADDR) == 0)
			return &t->subscribers[n - 1];
	return NULL;
}

static struct interest *find(const struct subscriber *s, uint32_t zone, const uint8_t label[KEY_BASE32], bool padded)
{
	uint16_t number = subscriber_number(s);

	for (uint32_t n = *name_chain(number, zone, label, padded); n != 0; n = t->at[n - 1].chain) {
		struct interest *e = &t->at[n - 1];

		if (e->subscriber == number && e->zone == zone && e->padded == padded && memcmp(e->label, label, KEY_BASE32) == 0)
			return e;
	}
	return NULL;
}

struct interest *interest_find(const uint8_t addr[RANGES_ADDR], uint32_t zone, const uint8_t label[KEY_BASE32], bool padded)
{
	const struct subscriber *s = t->seeded ? find_subscriber(addr) : NULL;

	return s != NULL ? find(s, zone, label, padded) : NULL;
}

/* ---- coming and going ---- */

static void release_subscriber(struct subscriber *s)
{
	uint32_t *at = addr_chain(s->addr), number = subscriber_number(s);

	while (*at != number + 1)
		at = &t->subscribers[*at - 1].chain;
	*at = s->chain;
	ring_cut(t->asked, number);
	interest_turn_none(s);
	s->chain = t->subscribers_free;
	t->subscribers_free = number + 1;
}

void interest_forget(struct interest *e)
{
	struct subscriber *s = interest_subscriber(e);
	uint32_t *at = name_chain(e->subscriber, e->zone, e->label, e->padded), number = number_of(e);

	while (*at != number + 1)
		at = &t->at[*at - 1].chain;
	*at = e->chain;
	interest_move(e, INTEREST_IDLE);
	ring_cut(t->age, number);
	e->in_use = false;
	t->used--;
	e->chain = t->free;
	t->free = number + 1;
	if (--t->counts[e->subscriber] == 0)
		release_subscriber(s);
}

static struct interest *oldest_of(uint16_t subscriber)
{
	return &t->at[t->age[AGE_OF(subscriber)].next];
}

/* Whoever has the most: that one, if nobody has more. */
static uint16_t greediest(uint16_t subscriber)
{
	uint16_t most = subscriber;

	for (uint16_t n = 0; n < SUBSCRIBERS; n++)
		if (t->counts[n] > t->counts[most])
			most = n;
	return most;
}

/* Of the subscriber's own never the last one goes, for there are more places than subscribers. */
static void make_room(uint16_t subscriber, uint64_t now_ms)
{
	uint16_t longest_ago = (uint16_t)t->asked[ALL].next;

	if (t->counts[subscriber] == INTERESTS_EACH)
		interest_forget(oldest_of(subscriber));
	else if (t->free != 0 || t->end < INTERESTS)
		return;
	else if (interest_is_old(oldest_of(longest_ago), now_ms))
		interest_forget(oldest_of(longest_ago));
	else
		interest_forget(oldest_of(greediest(subscriber)));
}

static struct subscriber *add_subscriber(const uint8_t addr[RANGES_ADDR])
{
	uint32_t number, *chain = addr_chain(addr);
	struct subscriber *s;

	if (t->subscribers_free == 0 && t->subscribers_end == SUBSCRIBERS) {
		uint16_t longest_ago = (uint16_t)t->asked[ALL].next;

		for (uint16_t n = t->counts[longest_ago]; n > 0; n--) /* with the last one it goes itself */
			interest_forget(oldest_of(longest_ago));
	}
	number = t->subscribers_free != 0 ? t->subscribers_free - 1 : t->subscribers_end++;
	s = &t->subscribers[number];
	if (t->subscribers_free != 0)
		t->subscribers_free = s->chain;
	*s = (struct subscriber){.chain = *chain};
	memcpy(s->addr, addr, RANGES_ADDR);
	*chain = number + 1;
	t->counts[number] = 0;
	ring_clear(t->age, AGE_OF(number));
	ring_clear(t->queues, READY_OF(number));
	ring_put_last(t->asked, ALL, number);
	return s;
}

uint32_t interest_count(void)
{
	return t->used;
}

static struct interest *add(uint16_t subscriber, uint32_t zone, const uint8_t label[KEY_BASE32], bool padded)
{
	uint32_t number = t->free != 0 ? t->free - 1 : t->end++, *chain = name_chain(subscriber, zone, label, padded);
	struct interest *e = &t->at[number];

	if (t->free != 0)
		t->free = e->chain;
	*e = (struct interest){.in_use = true, .subscriber = subscriber, .zone = zone, .padded = padded, .chain = *chain};
	memcpy(e->label, label, KEY_BASE32);
	*chain = number + 1;
	ring_put_last(t->age, AGE_OF(subscriber), number);
	t->counts[subscriber]++;
	t->used++;
	return e;
}

struct interest *interest_remember(const uint8_t addr[RANGES_ADDR], uint32_t zone, const uint8_t label[KEY_BASE32], bool padded,
    uint64_t now_ms)
{
	struct subscriber *s;
	struct interest *e;
	uint16_t number;

	assert(t->seeded);
	s = find_subscriber(addr);
	if (s == NULL)
		s = add_subscriber(addr);
	number = subscriber_number(s);
	s->asked_ms = now_ms;
	ring_cut(t->asked, number);
	ring_put_last(t->asked, ALL, number);
	e = find(s, zone, label, padded);
	if (e == NULL) {
		make_room(number, now_ms);
		e = add(number, zone, label, padded);
	} else {
		ring_cut(t->age, number_of(e));
		ring_put_last(t->age, AGE_OF(number), number_of(e));
	}
	e->asked_ms = now_ms;
	return e;
}

bool interest_is_old(const struct interest *e, uint64_t now_ms)
{
	return now_ms - e->asked_ms > INTEREST_LIFE_MS;
}

uint32_t interest_end(void)
{
	return t->end;
}

struct interest *interest_at(uint32_t number)
{
	return t->at[number].in_use ? &t->at[number] : NULL;
}

struct subscriber *interest_subscriber(const struct interest *e)
{
	return &t->subscribers[e->subscriber];
}

/* ---- queues and turns ---- */

void interest_move(struct interest *e, uint8_t where)
{
	if (e->where != INTEREST_IDLE)
		ring_cut(t->queues, number_of(e));
	e->where = where;
	if (where == INTEREST_READY)
		ring_put_last(t->queues, READY_OF(e->subscriber), number_of(e));
	else if (where != INTEREST_IDLE)
		ring_put_last(t->queues, QUEUE(where), number_of(e));
}

static struct interest *first_of(uint32_t head)
{
	return ring_is_empty(t->queues, head) ? NULL : &t->at[t->queues[head].next];
}

struct interest *interest_first(uint8_t queue)
{
	return first_of(QUEUE(queue));
}

struct interest *interest_first_ready(const struct subscriber *s)
{
	return first_of(READY_OF(subscriber_number(s)));
}

struct subscriber *interest_turn(void)
{
	return ring_is_empty(t->turns, ALL) ? NULL : &t->subscribers[t->turns[ALL].next];
}

void interest_turn_none(struct subscriber *s)
{
	if (s->has_turn)
		ring_cut(t->turns, subscriber_number(s));
	s->has_turn = false;
}

void interest_turn_first(struct subscriber *s)
{
	interest_turn_none(s);
	ring_put_first(t->turns, ALL, subscriber_number(s));
	s->has_turn = true;
}

void interest_turn_last(struct subscriber *s)
{
	interest_turn_none(s);
	ring_put_last(t->turns, ALL, subscriber_number(s));
	s->has_turn = true;
}
