#include "sections.h"

#include "counters.h"
#include "wire.h"

#define FLAG_AA 0x04
#define FLAG_TC 0x02

#define OPT_LEN 11
#define OPTION_HEAD 4 /* OPTION-CODE, OPTION-LENGTH */

/* ---- find ---- */

/* Is the question <52 or 56 octets>._wireguard._udp.<zone>? Then that is where it is answered. */
static bool find_instance(const struct snapshot *s, const uint8_t *msg, struct query *q)
{
	const uint8_t *label = msg + DNS_HEADER;
	size_t n = *label;

	if (q->name_len != 1 + n + s->service_len || (n != KEY_BASE32 && n != KEY_BASE32_PAD) ||
	    !snapshot_is_service(s, label + 1 + n))
		return false;
	q->zone = s;
	if (s->state != SNAPSHOT_READY ||
	    (n == KEY_BASE32_PAD && (!s->padded_names || memcmp(label + 1 + KEY_BASE32, "====", 4) != 0)))
		return true;
	q->is_instance = true;
	q->hash = snapshot_hash(s->seed, label + 1);
	return true;
}

static bool ends_with(const uint8_t *name, size_t len, const struct snapshot *s)
{
	size_t at = 0;

	while (len - at > s->apex_len)
		at += name[at] + 1u;
	if (len - at != s->apex_len)
		return false;
	for (size_t i = 0; i < s->apex_len; i++) /* a length octet is no letter */
		if (name_lower(name[at + i]) != s->apex[i])
			return false;
	return true;
}

void answer_find(const struct answer_zones *zones, const uint8_t *msg, struct query *q)
{
	if (q->drop || q->rcode != DNS_NOERROR)
		return;
	/* The zones are sorted, the longest name first: the nearest one answers (RFC 1034 section 4.3.2). */
	for (size_t i = 0; i < zones->len && q->zone == NULL; i++) {
		const struct snapshot *s = zones->at[i];

		if (!find_instance(s, msg, q) && s->apex_len <= q->name_len && ends_with(msg + DNS_HEADER, q->name_len, s))
			q->zone = s;
	}
}

void answer_add_zone(struct answer_zones *zones, const struct snapshot *s)
{
	size_t i = zones->len++;

	for (; i > 0 && zones->at[i - 1]->apex_len < s->apex_len; i--)
		zones->at[i] = zones->at[i - 1];
	zones->at[i] = s;
}

static bool came_by_tunnel(const struct snapshot *s, const struct asker *asker)
{
	return s->ifindex != 0 && asker->ifindex == s->ifindex;
}

static bool may(const struct snapshot *s, const struct snapshot_access *a, const struct asker *asker)
{
	return a->everyone || ranges_have(snapshot_ranges(s, a), a->ranges_len, asker->addr) ||
	    (a->tunnel && came_by_tunnel(s, asker) &&
	        ranges_have(snapshot_ranges(s, &s->tunnel), s->tunnel.ranges_len, asker->addr));
}

bool answer_may_be_told(const struct snapshot *s, const struct asker *asker)
{
	bool has_addresses = s->allow.tunnel || s->browse.tunnel;

	return came_by_tunnel(s, asker) && may(s, &s->allow, asker) &&
	    (!has_addresses || ranges_have(snapshot_ranges(s, &s->tunnel), s->tunnel.ranges_len, asker->addr));
}

/* A cookie of ours shows that the address is not forged. */
static void check_cookie(const struct answer_world *world, const struct asker *asker, struct query *q)
{
	enum cookie_verdict verdict = COOKIE_BAD;

	if (q->cookie_len == COOKIE_LEN)
		verdict = cookie_check(&world->secrets, q->cookie, asker->addr, world->now_s);
	q->proven |= verdict != COOKIE_BAD;
	q->cookie_fresh = verdict == COOKIE_GOOD;
	/* Without a question the cookie is what is asked: RFC 7873 section 5.4. */
	if (q->name_len == 0 && q->rcode == DNS_NOERROR && q->cookie_len != COOKIE_CLIENT && verdict == COOKIE_BAD)
		q->rcode = DNS_BADCOOKIE;
}

void answer_admit(const struct answer_world *world, const struct asker *asker, struct query *q)
{
	const struct snapshot *s = q->zone;

	/* WireGuard has seen to it that what comes in over a device is its peer's. */
	q->by_tunnel = s != NULL && came_by_tunnel(s, asker);
	q->proven = !world->limited || asker->is_stream || q->by_tunnel;
	if (q->cookie_len != 0)
		check_cookie(world, asker, q);
	if (s == NULL || (s->allow.everyone && s->browse.everyone))
		return;
	if (!may(s, &s->allow, asker)) {
		q->rcode = DNS_REFUSED;
		q->prohibited = true;
		q->is_instance = false;
	}
	q->no_lists = !may(s, &s->browse, asker);
}

/* ---- look up ---- */

/* A load whose result nobody waits for. Not a prefetch: processors may drop those when they have many under way (of 64 in a
 * row Zen 4 lost every sixth, at 250 ns each), but never a load. */
static inline void touch(const void *p)
{
	(void)*(const volatile uint8_t *)p;
}

static inline uint32_t slot_of(const struct query *q)
{
	return (uint32_t)q->hash & q->zone->index_mask;
}

/* The first record whose tag fits; answer_write() compares the label. */
static inline const struct snapshot_peer *peek(const struct query *q)
{
	const struct snapshot_slot *slots = snapshot_index(q->zone);
	uint32_t at = slot_of(q), tag = snapshot_tag(q->hash);

	while (slots[at].ref != 0 && slots[at].tag != tag)
		at = (at + 1) & q->zone->index_mask;
	return slots[at].ref != 0 ? snapshot_peer_at(q->zone, slots[at].ref) : NULL;
}

/* The loops that touch do nothing else: the less there is between two loads, the more of them are under way together. */
void answer_look_up(struct query *q, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (q[i].is_instance)
			touch(snapshot_index(q[i].zone) + slot_of(&q[i]));
	for (size_t i = 0; i < n; i++)
		if (q[i].is_instance)
			q[i].peer = peek(&q[i]);
	for (size_t i = 0; i < n; i++)
		if (q[i].peer != NULL) {
			touch(q[i].peer);
			touch((const uint8_t *)q[i].peer + SNAPSHOT_LINE);
		}
}

/* ---- EDNS ---- */

static bool has_cookie(const struct query *q)
{
	return q->cookie_len != 0 && q->rcode != DNS_BADVERS;
}

static bool has_keepalive(const struct query *q, const struct asker *asker)
{
	return q->keepalive && asker->is_stream; /* RFC 7828 section 3.2.1: never over UDP */
}

/* What is left free for the OPT. The extended error only comes where nothing else does. */
static size_t opt_len(const struct query *q, const struct asker *asker)
{
	size_t len = OPT_LEN;

	if (has_cookie(q))
		len += OPTION_HEAD + COOKIE_LEN;
	if (has_keepalive(q, asker))
		len += OPTION_HEAD + 2;
	return q->edns ? len : 0;
}

static uint8_t *put_option(uint8_t *p, uint16_t code, size_t len)
{
	return put16(put16(p, code), (uint16_t)len);
}

static uint8_t *put_opt(uint8_t *p, const struct answer_world *world, const struct asker *asker, struct query *q,
    const struct reply *r)
{
	uint8_t *rdlen;

	*p++ = 0;
	p = put16(put16(p, DNS_OPT), DNS_UDP_MAX);
	*p++ = (uint8_t)(r->rcode >> 4); /* the upper octet of the RCODE; a version of 0 */
	*p++ = 0;
	rdlen = put16(p, q->dnssec_ok ? 0x8000 : 0);
	p = rdlen + 2;
	if (r->ede != EDE_NONE)
		p = put16(put_option(p, OPTION_EDE, 2), (uint16_t)r->ede);
	if (has_cookie(q)) {
		if (!q->cookie_fresh)
			cookie_make(&world->secrets, q->cookie, asker->addr, world->now_s);
		p = put_bytes(put_option(p, OPTION_COOKIE, COOKIE_LEN), q->cookie, COOKIE_LEN);
	}
	if (has_keepalive(q, asker))
		p = put16(put_option(p, OPTION_KEEPALIVE, 2), world->idle_100ms);
	put16(rdlen, (uint16_t)(p - rdlen - 2));
	return p;
}

/* ---- the whole ---- */

static size_t limit_of(const struct query *q, const struct asker *asker)
{
	size_t limit = q->edns ? q->udp_size : 512;

	if (asker->is_stream)
		return DNS_TCP_MAX;
	limit = limit < 512 ? 512 : limit > DNS_UDP_MAX ? DNS_UDP_MAX : limit;
	return q->proven || limit < ANSWER_AMPLIFICATION * (size_t)q->len ? limit : ANSWER_AMPLIFICATION * (size_t)q->len;
}

/* Header and OPT, around what the reply has. Returns its length. */
static size_t finish(const struct answer_world *world, const struct asker *asker, struct query *q, struct reply *r)
{
	uint8_t *msg = r->msg;

	q->result = (uint8_t)(r->rcode + q->prohibited);
	if (r->truncated) {
		q->result = COUNTERS_TRUNCATED;
		r->at = q->end;
		r->answers = r->authorities = r->additionals = 0;
	}
	if (q->edns) {
		r->at = (size_t)(put_opt(msg + r->at, world, asker, q, r) - msg);
		r->additionals++;
	}
	/* ID, opcode and RD stay as they were; AD, CD and Z are cleared (RFC 4035 section 3.1.6), RA is never set. */
	msg[2] = (uint8_t)(0x80 | (msg[2] & 0x79) | (r->authoritative ? FLAG_AA : 0) | (r->truncated ? FLAG_TC : 0));
	msg[3] = r->rcode & 0x0f;
	put16(put16(put16(put16(msg + 4, q->end > DNS_HEADER), r->answers), r->authorities), r->additionals);
	q->kind = r->rcode != DNS_NOERROR && r->rcode != DNS_NXDOMAIN ? QUERY_ERROR :
	    r->answers == 0 && !r->truncated ? QUERY_NEGATIVE : QUERY_RECORDS;
	if (q->kind != QUERY_RECORDS) /* what does not exist has many names, and one SOA */
		q->subject = q->kind == QUERY_ERROR || q->zone == NULL ? r->rcode : q->zone->soa_off;
	return r->at;
}

size_t answer_write(const struct answer_world *world, const struct asker *asker, struct query *q, uint8_t *msg)
{
	struct reply r = {.msg = msg, .at = q->end, .rcode = q->rcode, .ede = q->prohibited ? EDE_PROHIBITED : EDE_NONE};

	if (q->drop)
		return 0;
	r.limit = limit_of(q, asker) - opt_len(q, asker);
	if (q->rcode == DNS_NOERROR && q->name_len != 0)
		sections_put(&r, q);
	return finish(world, asker, q, &r);
}

size_t answer_truncate(const struct answer_world *world, const struct asker *asker, struct query *q, uint8_t *msg)
{
	struct reply r = {.msg = msg, .rcode = q->rcode, .authoritative = (msg[2] & FLAG_AA) != 0, .truncated = true};

	return finish(world, asker, q, &r);
}

size_t answer_steps(const struct answer_world *world, const struct asker *asker, uint8_t *msg, size_t len, struct query *q)
{
	query_parse(msg, len, q);
	answer_find(&world->zones, msg, q);
	answer_admit(world, asker, q);
	answer_look_up(q, 1);
	return answer_write(world, asker, q, msg);
}

size_t answer_query(const struct answer_world *world, const struct asker *asker, uint8_t *msg, size_t len)
{
	struct query q;

	return answer_steps(world, asker, msg, len, &q);
}
