#include "answer.h"

#include "wire.h"

#define OWNER_IS_QUESTION 0xc00c /* a pointer to octet 12 (RFC 1035 section 4.1.4) */
#define POINTER_MAX       0x3fff

#define FLAG_AA 0x04
#define FLAG_TC 0x02

#define OPT_LEN  11
#define EDE_LEN  6 /* OPTION-CODE, OPTION-LENGTH, INFO-CODE (RFC 8914) */
#define EDE_CODE 15
#define EDE_NOT_READY 14

/* What is written so far. A record set is counted before it is written: it fits whole or stays out. */
struct reply {
	uint8_t *msg;
	size_t at, limit; /* the OPT has its room behind `limit` */
	uint16_t answers, authorities, additionals;
	uint8_t rcode;
	bool authoritative, truncated, not_ready;
};

/* ---- find ---- */

/* Does the zone's service name stand here? Compares eight octets at a time, without regard to case; the name's length
 * is known to be right. */
static bool is_service(const uint8_t *name, const struct snapshot *s)
{
	uint64_t diff = 0;

	for (size_t i = 0; i < s->service_len; i += 8) {
		uint64_t n, want, fold;

		memcpy(&n, name + i, 8);
		memcpy(&want, s->service + i, 8);
		memcpy(&fold, s->service_fold + i, 8);
		diff |= (n | fold) ^ want;
	}
	return diff == 0;
}

/* Is the question <52 or 56 octets>._wireguard._udp.<zone>? Then that is where it is answered. */
static bool find_instance(const struct snapshot *s, const uint8_t *msg, struct query *q)
{
	const uint8_t *label = msg + DNS_HEADER;
	size_t n = *label;

	if (q->name_len != 1 + n + s->service_len || (n != KEY_BASE32 && n != KEY_BASE32_PAD) ||
	    !is_service(label + 1 + n, s))
		return false;
	q->zone = s;
	if (s->state != SNAPSHOT_READY || !key_from_base32(label + 1, q->key) ||
	    (n == KEY_BASE32_PAD && (!s->padded_names || memcmp(label + 1 + KEY_BASE32, "====", 4) != 0)))
		return true;
	q->is_instance = true;
	q->hash = snapshot_hash(s->seed, q->key);
	__builtin_prefetch(snapshot_index(s) + (q->hash & s->index_mask));
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

/* The first record whose tag fits; answer_write() compares the key. */
void answer_peek(struct query *q)
{
	const struct snapshot_slot *slots;
	uint32_t at, tag = (uint32_t)(q->hash >> 32);

	if (!q->is_instance)
		return;
	slots = snapshot_index(q->zone);
	at = (uint32_t)q->hash & q->zone->index_mask;
	while (slots[at].ref != 0 && slots[at].tag != tag)
		at = (at + 1) & q->zone->index_mask;
	if (slots[at].ref == 0)
		return;
	q->peer = snapshot_peer_at(q->zone, slots[at].ref);
	__builtin_prefetch(q->peer);
	__builtin_prefetch((const uint8_t *)q->peer + 64);
}

static const struct snapshot_peer *find_peer(const struct query *q)
{
	const struct snapshot_slot *slots = snapshot_index(q->zone);
	uint32_t at = (uint32_t)q->hash & q->zone->index_mask, tag = (uint32_t)(q->hash >> 32);

	if (q->peer == NULL)
		return NULL;
	if (memcmp(q->peer->key, q->key, KEY_LEN) == 0)
		return snapshot_peer_fits(q->zone, q->peer) ? q->peer : NULL;
	/* Two keys with one tag: one query in four thousand million at a million peers. */
	for (; slots[at].ref != 0; at = (at + 1) & q->zone->index_mask) {
		const struct snapshot_peer *p = slots[at].tag == tag ? snapshot_peer_at(q->zone, slots[at].ref) : NULL;

		if (p != NULL && memcmp(p->key, q->key, KEY_LEN) == 0)
			return snapshot_peer_fits(q->zone, p) ? p : NULL;
	}
	return NULL;
}

/* ---- write ---- */

#define RR_FIXED 12 /* a pointer as owner, TYPE, CLASS, TTL, RDLENGTH */

static bool fits(const struct reply *r, size_t len)
{
	return len <= r->limit - r->at;
}

static uint8_t *put_fixed(uint8_t *p, size_t owner, uint16_t type, uint32_t ttl_s, size_t rdlen)
{
	p = put16(put16(p, (uint16_t)owner), type);
	return put16(put32(put16(p, DNS_CLASS_IN), ttl_s), (uint16_t)rdlen);
}

/* The owner of a peer's records: where it stands in the message, and the octets of the name for the SRV's target. In an
 * answer about the peer both are the question's; in a list the target is the label and the question's name. */
struct owner {
	size_t at;
	const uint8_t *label; /* with its length octet */
	size_t label_len;
	const uint8_t *rest;
	size_t rest_len;
};

static bool put_srv(struct reply *r, const struct owner *o, const struct snapshot *s, const struct snapshot_peer *peer)
{
	size_t rdlen = 6 + o->label_len + o->rest_len;
	uint8_t *p = r->msg + r->at;

	if (!fits(r, RR_FIXED + rdlen))
		return false;
	p = put32(put_fixed(p, o->at, DNS_SRV, s->ttl_s, rdlen), 0); /* priority and weight */
	p = put_bytes(p, &peer->port, 2);
	p = put_bytes(p, o->label, o->label_len); /* never compressed: RFC 2782 */
	p = put_bytes(p, o->rest, o->rest_len);
	r->at += RR_FIXED + rdlen;
	return true;
}

static uint16_t address_type(const struct snapshot_peer *peer)
{
	return peer->addr_len == 4 ? DNS_A : DNS_AAAA;
}

static bool put_address(struct reply *r, size_t owner, const struct snapshot *s, const struct snapshot_peer *peer)
{
	if (!fits(r, RR_FIXED + peer->addr_len))
		return false;
	put_bytes(put_fixed(r->msg + r->at, owner, address_type(peer), s->ttl_s, peer->addr_len), peer->addr,
	    peer->addr_len);
	r->at += RR_FIXED + peer->addr_len;
	return true;
}

static bool put_txt(struct reply *r, size_t owner, const struct snapshot *s, const struct snapshot_peer *peer)
{
	size_t rdlen = RECORDS_TXT_HEAD + (size_t)peer->txt_len;
	uint8_t *p;

	if (!fits(r, RR_FIXED + rdlen))
		return false;
	p = put_fixed(r->msg + r->at, owner, DNS_TXT, s->ttl_s, rdlen);
	records_txt_head(peer->key, p);
	put_bytes(p + RECORDS_TXT_HEAD, peer->txt, peer->txt_len);
	r->at += RR_FIXED + rdlen;
	return true;
}

/* RFC 2308 section 3: the SOA with the lesser of its own TTL and its MINIMUM; here they are the same. */
static void put_negative(struct reply *r, const struct query *q)
{
	const struct snapshot *s = q->zone;
	uint8_t *p = r->msg + r->at;

	if (!fits(r, 2 + (size_t)s->soa_len)) {
		r->truncated = true;
		return;
	}
	/* The apex is the question's tail. */
	p = put16(p, (uint16_t)(0xc000 | (DNS_HEADER + q->name_len - s->apex_len)));
	put_bytes(p, (const uint8_t *)s + s->soa_off, s->soa_len);
	r->at += 2 + s->soa_len;
	r->authorities++;
}

static void put_peer(struct reply *r, const struct query *q, const struct snapshot_peer *peer)
{
	const struct snapshot *s = q->zone;
	struct owner o = {.at = OWNER_IS_QUESTION, .label = r->msg + DNS_HEADER, .label_len = q->name_len, .rest = r->msg};
	bool ok;

	if (q->type == DNS_SRV || q->type == DNS_ANY) { /* ANY gets one RRset: RFC 8482 section 4.1 */
		ok = put_srv(r, &o, s, peer);
		/* Clients of this naming take the first additional record as the address. */
		if (ok && q->type == DNS_SRV && put_address(r, OWNER_IS_QUESTION, s, peer)) {
			r->additionals++;
			r->additionals += put_txt(r, OWNER_IS_QUESTION, s, peer);
		}
	} else if (q->type == address_type(peer)) {
		ok = put_address(r, OWNER_IS_QUESTION, s, peer);
	} else if (q->type == DNS_TXT) {
		ok = put_txt(r, OWNER_IS_QUESTION, s, peer);
	} else {
		put_negative(r, q);
		return;
	}
	r->answers += ok;
	r->truncated |= !ok;
}

/* RFC 6763 section 12.1: with a list comes what fits of its peers' own records. The peers' records in it are all of one
 * size, so each target stands where it can be counted. */
static void put_list_additionals(struct reply *r, const struct query *q, const struct snapshot_rrset *set, size_t list_at)
{
	const struct snapshot *s = q->zone;
	const struct snapshot_peer *peer = snapshot_peer_at(s, 1);
	size_t step = RR_FIXED + 1 + KEY_BASE32 + 2, target = list_at + RR_FIXED;

	for (size_t i = 0; i < set->peers && target <= POINTER_MAX; i++, target += step) {
		struct owner o = {.at = 0xc000 | target, .label = r->msg + target, .label_len = 1 + KEY_BASE32,
		    .rest = r->msg + DNS_HEADER, .rest_len = q->name_len};

		if (peer == NULL || !snapshot_peer_fits(s, peer) || !put_srv(r, &o, s, peer))
			return;
		r->additionals++;
		r->additionals += put_address(r, o.at, s, peer);
		r->additionals += put_txt(r, o.at, s, peer);
		peer = snapshot_next_peer(s, peer);
	}
}

static void put_extras(struct reply *r, const struct query *q, const struct snapshot_rrset *set)
{
	const uint8_t *p = (const uint8_t *)q->zone + set->extra_off, *end = p + set->extra_len;

	while (end - p >= 4) {
		uint16_t count = get16(p), len = get16(p + 2);

		p += 4;
		if (len > end - p || !fits(r, len))
			return;
		put_bytes(r->msg + r->at, p, len);
		r->at += len;
		r->additionals += count;
		p += len;
	}
}

/* The records of a set; their owner is the question or, behind an alias, what it leads to. */
static bool put_records(struct reply *r, const struct query *q, const struct snapshot_rrset *set, size_t owner)
{
	size_t at = r->at;

	if (!fits(r, set->wire_len)) {
		r->truncated = true;
		return false;
	}
	put_bytes(r->msg + r->at, (const uint8_t *)q->zone + set->wire_off, set->wire_len);
	r->at += set->wire_len;
	r->answers += set->count;
	for (size_t i = 0; owner != OWNER_IS_QUESTION && i < set->count && at + RR_FIXED <= r->at; i++) {
		put16(r->msg + at, (uint16_t)owner);
		at += RR_FIXED + (size_t)get16(r->msg + at + 10);
	}
	return true;
}

static void put_rrset(struct reply *r, const struct query *q, const struct snapshot_rrset *set, size_t owner)
{
	size_t at = r->at;

	if (!put_records(r, q, set, owner) || q->type == DNS_ANY)
		return;
	if (set->peers > 0)
		put_list_additionals(r, q, set, at);
	put_extras(r, q, set);
}

static const struct snapshot_rrset *find_set(const struct query *q, const struct snapshot_name *name, uint16_t type)
{
	const struct snapshot_rrset *sets = snapshot_rrsets(q->zone, name);

	for (size_t i = 0; i < name->rrsets_len; i++)
		if (sets[i].type == type || type == DNS_ANY)
			return &sets[i];
	return NULL;
}

/* RFC 1034 section 4.3.2: the alias, then what the question asks of its target, which is in this zone and none itself. */
static void put_alias(struct reply *r, const struct query *q, const struct snapshot_rrset *alias)
{
	const uint8_t *target = (const uint8_t *)q->zone + alias->wire_off + RR_FIXED;
	const struct snapshot_name *name;
	const struct snapshot_rrset *set;
	size_t at = r->at + RR_FIXED;

	if (alias->wire_len <= RR_FIXED || !put_records(r, q, alias, OWNER_IS_QUESTION))
		return;
	name = snapshot_find_name(q->zone, target, alias->wire_len - RR_FIXED);
	set = name != NULL ? find_set(q, name, q->type) : NULL;
	if (set != NULL)
		put_rrset(r, q, set, 0xc000 | at);
	else
		put_negative(r, q);
}

static void put_name(struct reply *r, const struct query *q)
{
	uint8_t lower[NAME_MAX_LEN];
	const struct snapshot_name *name;
	const struct snapshot_rrset *set, *alias;

	for (size_t i = 0; i < q->name_len; i++)
		lower[i] = name_lower(r->msg[DNS_HEADER + i]);
	name = snapshot_find_name(q->zone, lower, q->name_len);
	if (name == NULL) {
		r->rcode = DNS_NXDOMAIN;
		put_negative(r, q);
		return;
	}
	set = find_set(q, name, q->type);
	alias = find_set(q, name, DNS_CNAME);
	if (set != NULL)
		put_rrset(r, q, set, OWNER_IS_QUESTION);
	else if (alias != NULL)
		put_alias(r, q, alias);
	else
		put_negative(r, q);
}

static void put_zone(struct reply *r, const struct query *q)
{
	const struct snapshot_peer *peer;

	if (q->zone == NULL) {
		r->rcode = DNS_REFUSED;
	} else if (q->zone->state != SNAPSHOT_READY) {
		r->rcode = DNS_SERVFAIL;
		r->not_ready = true;
	} else {
		r->authoritative = true;
		peer = q->is_instance ? find_peer(q) : NULL;
		if (peer != NULL)
			put_peer(r, q, peer);
		else
			put_name(r, q);
	}
}

static uint8_t *put_opt(uint8_t *p, const struct query *q, const struct reply *r)
{
	*p++ = 0;
	p = put16(put16(p, DNS_OPT), DNS_UDP_MAX);
	*p++ = (uint8_t)(r->rcode >> 4); /* the upper octet of the RCODE; a version of 0 */
	*p++ = 0;
	p = put16(p, q->dnssec_ok ? 0x8000 : 0);
	p = put16(p, r->not_ready ? EDE_LEN : 0);
	if (r->not_ready)
		p = put16(put16(put16(p, EDE_CODE), 2), EDE_NOT_READY);
	return p;
}

static size_t own_limit(const struct query *q, size_t limit)
{
	size_t size = q->edns ? q->udp_size : 512;

	if (limit > DNS_UDP_MAX)
		return limit;
	return size < 512 ? 512 : size < limit ? size : limit;
}

size_t answer_write(struct query *q, uint8_t *msg, size_t limit)
{
	struct reply r = {.msg = msg, .at = q->end, .rcode = q->rcode};

	if (q->drop)
		return 0;
	/* The extended error only comes where nothing else does. */
	r.limit = own_limit(q, limit) - (q->edns ? OPT_LEN : 0);
	if (q->rcode == DNS_NOERROR)
		put_zone(&r, q);
	if (r.truncated) {
		r.at = q->end;
		r.answers = r.authorities = r.additionals = 0;
	}
	if (q->edns) {
		r.at = (size_t)(put_opt(msg + r.at, q, &r) - msg);
		r.additionals++;
	}
	/* ID, opcode and RD stay as they were; AD, CD and Z are cleared (RFC 4035 section 3.1.6), RA is never set. */
	msg[2] = (uint8_t)(0x80 | (msg[2] & 0x79) | (r.authoritative ? FLAG_AA : 0) | (r.truncated ? FLAG_TC : 0));
	msg[3] = r.rcode & 0x0f;
	put16(put16(put16(put16(msg + 4, q->end > DNS_HEADER), r.answers), r.authorities), r.additionals);
	return r.at;
}

size_t answer_query(const struct answer_zones *zones, uint8_t *msg, size_t len, size_t limit)
{
	struct query q;

	query_parse(msg, len, &q);
	answer_find(zones, msg, &q);
	answer_peek(&q);
	return answer_write(&q, msg, limit);
}
