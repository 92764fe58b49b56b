#include "rrl.h"

#include <string.h>
#include <sys/mman.h>

#include "log.h"

#define BUCKETS   65536 /* half of them for all answers to a network: the many subjects do not push those out */
#define TICKS_MS  64 /* of the buckets' clock, in a millisecond: it turns over in 18 hours */
#define SECOND    (1000 * TICKS_MS)
#define ALL_FACTOR 10 /* answers of all kinds to one network */

/* As NSD and Knot have it: whoever has one address of such a network has them all. */
#define PREFIX_V4 3 /* octets */
#define PREFIX_V6 7

#define ALL 0xff /* a kind beside those of struct query */

struct bucket {
	uint32_t tag;
	uint32_t full; /* when, in ticks */
};

static struct {
	struct bucket *buckets; /* a mapping: what was never used has no page */
	uint32_t rate, slip, limited;
	uint64_t seed[2];
} r;

void rrl_init(void)
{
	r.buckets = mmap(NULL, BUCKETS * sizeof(*r.buckets), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r.buckets == MAP_FAILED)
		die("mmap");
}

void rrl_set(uint32_t rate, uint32_t slip, const uint64_t seed[2])
{
	r.rate = rate;
	r.slip = slip;
	memcpy(r.seed, seed, sizeof(r.seed));
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)(a ^ r.seed[0]) * (b ^ r.seed[1]);

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Takes one of `rate` a second. False: there is none left. */
static bool take(uint64_t network, uint32_t kind, uint32_t subject, uint32_t rate, uint32_t now)
{
	uint64_t h = mix(mix(network, (uint64_t)kind << 32 | subject), 0);
	struct bucket *b = &r.buckets[h % (BUCKETS / 2) + (kind == ALL ? BUCKETS / 2 : 0)];
	uint32_t tag = (uint32_t)(h >> 32), step = rate < SECOND ? SECOND / rate : 1;
	int32_t debt = (int32_t)(b->full - now);

	/* Another's, or so old that the clock went round. */
	if (b->tag != tag || debt < 0 || debt > SECOND + (int32_t)step) {
		b->tag = tag;
		b->full = now;
		debt = 0;
	}
	if (debt >= SECOND)
		return false;
	b->full += step;
	return true;
}

enum rrl_verdict rrl_take(const uint8_t asker[RANGES_ADDR], const struct query *q, uint64_t now_ms)
{
	uint64_t network = 0;
	uint32_t now = (uint32_t)(now_ms * TICKS_MS);
	bool pass;

	if (r.rate == 0)
		return RRL_PASS;
	if (asker[0] == 4) /* each of a length that is known, so neither is a call */
		memcpy(&network, asker, 1 + PREFIX_V4);
	else
		memcpy(&network, asker, 1 + PREFIX_V6);
	/* What is not sent takes nothing from the others. */
	pass = take(network, q->kind, q->subject, r.rate, now) && take(network, ALL, 0, r.rate * ALL_FACTOR, now);
	if (pass)
		return RRL_PASS;
	return r.slip != 0 && ++r.limited % r.slip == 0 ? RRL_SLIP : RRL_DROP;
}
