#include "sections.h"

#include "wire.h"

#define OWNER_IS_QUESTION 0xc00c /* a pointer to octet 12 (RFC 1035 section 4.1.4) */
#define POINTER_MAX       0x3fff

static const struct snapshot_peer *find_peer(const struct query *q, const uint8_t *label)
{
	const struct snapshot_slot *slots = snapshot_index(q->zone);
	uint32_t at = (uint32_t)q->hash & q->zone->index_mask, tag = snapshot_tag(q->hash);

	if (q->peer == NULL)
		return NULL;
	if (snapshot_is_label(q->peer, label))
		return snapshot_peer_fits(q->zone, q->peer) ? q->peer : NULL;
	/* Two keys with one tag: one query in two hundred. */
	for (; slots[at].ref != 0; at = (at + 1) & q->zone->index_mask) {
		const struct snapshot_peer *p = slots[at].tag == tag ? snapshot_peer_at(q->zone, slots[at].ref) : NULL;

		if (p != NULL && snapshot_is_label(p, label))
			return snapshot_peer_fits(q->zone, p) ? p : NULL;
	}
	return NULL;
}

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

	if (!fits(r, DNS_RR_FIXED + rdlen))
		return false;
	p = put32(put_fixed(p, o->at, DNS_SRV, s->ttl_s, rdlen), 0); /* priority and weight */
	p = put_bytes(p, &peer->port, 2);
	p = put_long(p, o->label, o->label_len); /* never compressed: RFC 2782 */
	if (o->rest_len > 0)
		put_bytes(p, o->rest, o->rest_len);
	r->at += DNS_RR_FIXED + rdlen;
	return true;
}

static uint16_t address_type(const struct snapshot_peer *peer)
{
	return peer->addr_len == 4 ? DNS_A : DNS_AAAA;
}

static bool put_address(struct reply *r, size_t owner, const struct snapshot *s, const struct snapshot_peer *peer)
{
	if (!fits(r, DNS_RR_FIXED + peer->addr_len))
		return false;
	put_bytes(put_fixed(r->msg + r->at, owner, address_type(peer), s->ttl_s, peer->addr_len), peer->tail,
	    peer->addr_len);
	r->at += DNS_RR_FIXED + peer->addr_len;
	return true;
}

static bool put_txt(struct reply *r, size_t owner, const struct snapshot *s, const struct snapshot_peer *peer)
{
	bool one = peer->one != 0;
	size_t rdlen = RECORDS_TXT_HEAD + (one ? (size_t)RECORDS_TXT_ALLOWED_LEN : 0) + peer->txt_len;
	uint8_t *p;

	if (!fits(r, DNS_RR_FIXED + rdlen))
		return false;
	p = put_fixed(r->msg + r->at, owner, DNS_TXT, s->ttl_s, rdlen);
	p = put_bytes(p, RECORDS_TXT_START, RECORDS_TXT_START_LEN);
	p = put_bytes(p, peer->pub, KEY_BASE64);
	if (one) {
		*p = (uint8_t)(RECORDS_TXT_ALLOWED_LEN - 1 + peer->txt_len);
		p = put_bytes(p + 1, RECORDS_TXT_ALLOWED, RECORDS_TXT_ALLOWED_LEN - 1);
	}
	put_bytes(p, snapshot_peer_txt(peer), peer->txt_len);
	r->at += DNS_RR_FIXED + rdlen;
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

#define PTR_LEN (DNS_RR_FIXED + 1 + KEY_BASE32 + 2) /* of a regular peer */

/* The name of the peers' service within the question for a list: at its end. */
static size_t service_at(const struct query *q)
{
	return DNS_HEADER + (size_t)q->name_len - q->zone->service_len;
}

/* The regular peers of a list; there is room. */
static void put_list(struct reply *r, const struct query *q, const struct snapshot_rrset *set)
{
	const struct snapshot *s = q->zone;
	const struct snapshot_peer *peer = set->peers > 0 ? snapshot_peer_at(s, set->first) : NULL;
	uint8_t *p = r->msg + r->at;

	for (size_t i = 0; i < set->peers && peer != NULL; i++) {
		p = put_fixed(p, OWNER_IS_QUESTION, DNS_PTR, s->ttl_s, PTR_LEN - DNS_RR_FIXED);
		*p++ = KEY_BASE32;
		p = put_bytes(p, peer->label, KEY_BASE32);
		p = put16(p, (uint16_t)(0xc000 | service_at(q)));
		r->answers++;
		peer = snapshot_next_peer(s, peer);
	}
	r->at = (size_t)(p - r->msg);
}

/* RFC 6763 section 12.1: with a list comes what fits of its peers' own records. Each target stands where it can be
 * counted. */
static void put_list_additionals(struct reply *r, const struct query *q, const struct snapshot_rrset *set, size_t list_at)
{
	const struct snapshot *s = q->zone;
	const struct snapshot_peer *peer = set->peers > 0 ? snapshot_peer_at(s, set->first) : NULL;
	size_t target = list_at + DNS_RR_FIXED;

	for (size_t i = 0; i < set->peers && target <= POINTER_MAX; i++, target += PTR_LEN) {
		struct owner o = {.at = 0xc000 | target, .label = r->msg + target, .label_len = 1 + KEY_BASE32,
		    .rest = r->msg + service_at(q), .rest_len = s->service_len};

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

/* The stored records of a set; their owner is the question or, behind an alias, what it leads to. There is room. */
static void put_stored(struct reply *r, const struct query *q, const struct snapshot_rrset *set, size_t owner)
{
	size_t at = r->at;

	put_bytes(r->msg + at, (const uint8_t *)q->zone + set->wire_off, set->wire_len);
	r->at += set->wire_len;
	for (size_t i = 0; owner != OWNER_IS_QUESTION && i < set->count && at + DNS_RR_FIXED <= r->at; i++) {
		put16(r->msg + at, (uint16_t)owner);
		at += DNS_RR_FIXED + (size_t)get16(r->msg + at + 10);
	}
}

static bool put_records(struct reply *r, const struct query *q, const struct snapshot_rrset *set, size_t owner)
{
	if (!fits(r, (size_t)set->wire_len + set->peers * (size_t)PTR_LEN)) {
		r->truncated = true;
		return false;
	}
	put_list(r, q, set);
	put_stored(r, q, set, owner);
	r->answers += set->count;
	return true;
}

/* What a special peer has beside its SRV, the addresses first: clients of this naming take the first additional record as
 * the address. */
static void put_behind_srv(struct reply *r, const struct query *q, const struct snapshot_name *name, size_t owner)
{
	const struct snapshot_rrset *sets = snapshot_rrsets(q->zone, name);

	for (size_t i = 0; i < name->rrsets_len; i++) {
		if (sets[i].type == DNS_SRV)
			continue;
		if (!fits(r, sets[i].wire_len))
			return;
		put_stored(r, q, &sets[i], owner);
		r->additionals += sets[i].count;
	}
}

static void put_rrset(struct reply *r, const struct query *q, const struct snapshot_name *name,
    const struct snapshot_rrset *set, size_t owner)
{
	size_t at = r->at;

	if (!put_records(r, q, set, owner) || q->type == DNS_ANY)
		return;
	if (set->type == DNS_SRV)
		put_behind_srv(r, q, name, owner);
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
	const uint8_t *target = (const uint8_t *)q->zone + alias->wire_off + DNS_RR_FIXED;
	const struct snapshot_name *name;
	const struct snapshot_rrset *set;
	size_t at = r->at + DNS_RR_FIXED;

	if (alias->wire_len <= DNS_RR_FIXED || !put_records(r, q, alias, OWNER_IS_QUESTION))
		return;
	name = snapshot_find_name(q->zone, target, alias->wire_len - DNS_RR_FIXED);
	set = name != NULL ? find_set(q, name, q->type) : NULL;
	if (set != NULL)
		put_rrset(r, q, name, set, 0xc000 | at);
	else
		put_negative(r, q);
}

/* The zone's service name, with labels before it or none? */
static bool ends_with_service(const struct snapshot *s, const uint8_t *name, size_t len)
{
	return len >= s->service_len && snapshot_is_service(s, name + len - s->service_len);
}

/* Lists of peers, and all that tells whether there are any: the names below _sub. */
static bool is_list(const struct query *q, const uint8_t *name)
{
	static const uint8_t sub[] = "\4_sub";
	size_t before;

	if (!ends_with_service(q->zone, name, q->name_len))
		return false;
	before = (size_t)q->name_len - q->zone->service_len;
	if (before == 0)
		return q->type == DNS_PTR || q->type == DNS_ANY;
	if (before < 5)
		return false;
	for (size_t i = 0; i < 5; i++)
		if (name_lower(name[before - 5 + i]) != sub[i])
			return false;
	return true;
}

/* NULL: the question's name is none beside the peers'. */
static const struct snapshot_name *find_name(const struct query *q, const uint8_t *name)
{
	uint8_t lower[NAME_MAX_LEN];

	if (!snapshot_has_length(q->zone, q->name_len))
		return NULL;
	for (size_t i = 0; i < q->name_len; i++)
		lower[i] = name_lower(name[i]);
	return snapshot_find_name(q->zone, lower, q->name_len);
}

static void put_name(struct reply *r, struct query *q)
{
	const struct snapshot_name *name;
	const struct snapshot_rrset *set, *alias;

	if (q->no_lists && is_list(q, r->msg + DNS_HEADER)) {
		r->rcode = DNS_REFUSED;
		r->ede = EDE_PROHIBITED;
		q->prohibited = true;
		r->authoritative = false;
		return;
	}
	name = find_name(q, r->msg + DNS_HEADER);
	if (name == NULL) {
		r->rcode = DNS_NXDOMAIN;
		put_negative(r, q);
		return;
	}
	q->subject = name->owner_off;
	set = find_set(q, name, q->type);
	if (set != NULL) {
		put_rrset(r, q, name, set, OWNER_IS_QUESTION);
		return;
	}
	alias = find_set(q, name, DNS_CNAME);
	if (alias != NULL)
		put_alias(r, q, alias);
	else
		put_negative(r, q);
}

void sections_put(struct reply *r, struct query *q)
{
	const struct snapshot_peer *peer;

	if (q->zone == NULL) {
		r->rcode = DNS_REFUSED;
	} else if (q->zone->state != SNAPSHOT_READY) {
		r->rcode = DNS_SERVFAIL;
		r->ede = EDE_NOT_READY;
	} else {
		r->authoritative = true;
		peer = q->is_instance ? find_peer(q, r->msg + DNS_HEADER + 1) : NULL;
		if (peer != NULL) {
			q->subject = (uint32_t)q->hash;
			put_peer(r, q, peer);
		} else {
			put_name(r, q);
		}
	}
}
