/* Is a block what the builder would write? The observer reads what kernels and daemons say; should it ever be talked into
 * sending something else, the workers must not follow. So everything is looked at that the answer path relies on: each
 * record of each peer and that the index finds it, each record set, each name, and that nothing else is there. It goes in steps,
 * so that a worker can answer between them.
 */
#include <errno.h>

#include "query.h"
#include "snapshot.h"
#include "wire.h"

#define STEP     256 /* peers or names; some 20 us once the block is in memory */
#define STEP_OCTETS 4096 /* of records, which count as one more */
#define PROBES   1000 /* slots; an index that is at most half full, by a good hash, never takes a tenth of it */

static bool within(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

static const uint8_t *at(const struct snapshot *s, uint32_t off)
{
	return (const uint8_t *)s + off;
}

/* ---- the header ---- */

static bool access_is_sound(const struct snapshot *s, const struct snapshot_access *a, uint64_t *off)
{
	uint64_t len = (uint64_t)a->ranges_len * sizeof(struct range);

	if (a->everyone > 1 || a->tunnel > 1 || a->ranges_off != *off || !within(*off, len, s->size) ||
	    !ranges_are_sound(snapshot_ranges(s, a), a->ranges_len))
		return false;
	*off += snapshot_align(len, 8);
	return true;
}

static bool service_is_sound(const struct snapshot *s)
{
	struct name apex = {.len = s->apex_len}, service;

	memcpy(apex.wire, s->apex, s->apex_len);
	if (!records_service_name(&apex, &service) || service.len != s->service_len ||
	    memcmp(service.wire, s->service, service.len) != 0)
		return false;
	for (size_t i = 0; i < sizeof(s->service); i++) {
		bool letter = s->service[i] >= 'a' && s->service[i] <= 'z';
		uint8_t fold = i >= s->service_len ? 0xff : letter ? 0x20 : 0;

		if (s->service_fold[i] != fold || (i >= s->service_len && s->service[i] != 0xff))
			return false;
	}
	return true;
}

/* A stored name: sound, in lower case. */
static bool is_stored_name(const uint8_t *wire, size_t len)
{
	if (len > NAME_MAX_LEN || !name_is_sound(wire, len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (name_lower(wire[i]) != wire[i])
			return false;
	return true;
}

static bool lengths_are_sound(const struct snapshot *s)
{
	for (size_t len = 0; len <= NAME_MAX_LEN; len++)
		if (s->names_at[len] > s->names_at[len + 1])
			return false;
	return s->names_at[0] == 0 && s->names_at[NAME_MAX_LEN + 1] == s->names_len;
}

bool snapshot_header_is_sound(const struct snapshot *s)
{
	uint64_t slots = (uint64_t)s->index_mask + 1, off = snapshot_align(sizeof(*s), 8), index;

	if (s->magic != SNAPSHOT_MAGIC || !is_stored_name(s->apex, s->apex_len) || !service_is_sound(s))
		return false;
	if (s->state == SNAPSHOT_NOT_READY)
		return s->size == sizeof(*s) && s->allow.everyone == 1 && s->browse.everyone == 1 && s->ifindex == 0;
	if (s->state != SNAPSHOT_READY || !access_is_sound(s, &s->allow, &off) || !access_is_sound(s, &s->browse, &off) ||
	    !access_is_sound(s, &s->tunnel, &off))
		return false;
	index = snapshot_align(off, SNAPSHOT_LINE);
	return s->padded_names <= 1 && slots >= SNAPSHOT_SLOTS && (slots & (slots - 1)) == 0 &&
	    slots >= 2 * (uint64_t)s->peers_len &&
	    s->index_off == index && within(index, slots * sizeof(struct snapshot_slot), s->size) &&
	    s->peers_off == index + slots * sizeof(struct snapshot_slot) && s->peers_end >= s->peers_off &&
	    s->peers_end % SNAPSHOT_LINE == 0 && s->names_off == s->peers_end && s->names_len > 0 &&
	    lengths_are_sound(s) &&
	    within(s->names_off, (uint64_t)s->names_len * sizeof(struct snapshot_name), s->size);
}

/* ---- peers ---- */

/* Character-strings from end to end (RFC 1035 section 3.3.14). */
static bool is_txt(const uint8_t *rdata, size_t len)
{
	size_t i = 0;

	while (i < len)
		i += 1u + rdata[i];
	return i == len;
}

/* Does a look-up of its label end at it? */
static bool is_found(const struct snapshot *s, const struct snapshot_peer *p, uint32_t ref)
{
	const struct snapshot_slot *slots = snapshot_index(s);
	uint64_t h = snapshot_hash(s->seed, p->label);
	uint32_t i = (uint32_t)h & s->index_mask;

	for (uint32_t n = 0; n < PROBES && slots[i].ref != 0; n++, i = (i + 1) & s->index_mask)
		if (slots[i].ref == ref)
			return slots[i].tag == snapshot_tag(h);
	return false;
}

/* Whole strings, or of one that has a length octet and "allowed=" before it the rest. */
static bool is_peer_txt(const struct snapshot_peer *p)
{
	if (p->one == 1)
		return p->txt_len > 0 && p->txt_len <= UINT8_MAX - (RECORDS_TXT_ALLOWED_LEN - 1);
	return p->one == 0 && p->txt_len <= RECORDS_TXT_MAX && is_txt(snapshot_peer_txt(p), p->txt_len);
}

/* Both texts are those of one key, and it is the next one. */
static bool is_peer_key(struct snapshot_check *c, const struct snapshot_peer *p)
{
	uint8_t key[KEY_LEN];
	char pub[KEY_BASE64];

	if (!key_from_base32(p->label, key) || (c->peers > 0 && memcmp(c->last, key, KEY_LEN) >= 0))
		return false;
	for (size_t i = 0; i < KEY_BASE32; i++)
		if (p->label[i] >= 'A' && p->label[i] <= 'Z')
			return false;
	key_to_base64(key, pub);
	memcpy(c->last, key, KEY_LEN);
	return memcmp(p->pub, pub, sizeof(pub)) == 0;
}

static bool check_peers(struct snapshot_check *c)
{
	const struct snapshot *s = c->s;

	for (size_t i = 0; i < STEP && c->peers < s->peers_len; i++, c->peers++) {
		const struct snapshot_peer *p = snapshot_peer_at(s, c->ref);

		if (p == NULL || !snapshot_peer_fits(s, p) || !is_peer_txt(p) || !is_peer_key(c, p) || !is_found(s, p, c->ref))
			return false;
		c->ref += (uint32_t)(snapshot_peer_size(p->addr_len, p->txt_len) / SNAPSHOT_LINE);
	}
	c->has_peers = c->peers == s->peers_len;
	return !c->has_peers || s->peers_off + (uint64_t)(c->ref - 1) * SNAPSHOT_LINE == s->peers_end;
}

/* As many slots are taken as there are peers: so each is a peer's, and a search ends. */
static bool check_slots(struct snapshot_check *c)
{
	const struct snapshot_slot *slots = snapshot_index(c->s);
	uint64_t len = (uint64_t)c->s->index_mask + 1;

	for (size_t i = 0; i < 16 * STEP && c->slots < len; i++, c->slots++)
		c->taken += slots[c->slots].ref != 0;
	return c->slots < len || c->taken == c->s->peers_len;
}

/* ---- names ---- */

/* The RDATA of a type: names in it are whole, so that it may be copied anywhere. `tail`: what a target points to. */
static bool is_rdata(const struct snapshot *s, uint16_t type, const uint8_t *p, size_t len, int tail)
{
	size_t first;

	switch (type) {
	case DNS_A:
		return len == 4;
	case DNS_AAAA:
		return len == 16;
	case DNS_TXT:
		return len > 0 && is_txt(p, len);
	case DNS_SRV:
		return len > 6 && is_stored_name(p + 6, len - 6);
	case DNS_PTR: /* of a list, or whole */
		return (len > 3 && p[0] <= NAME_LABEL && p[0] + 3u == len && (int)get16(p + len - 2) == tail) || is_stored_name(p, len);
	case DNS_NS:
	case DNS_CNAME:
		return is_stored_name(p, len);
	case DNS_SOA:
		for (first = 0; first < len && p[first] != 0; first += p[first] + 1u)
			;
		return first + 1 + 20 < len && is_stored_name(p, first + 1) && is_stored_name(p + first + 1, len - first - 21) &&
		    get32(p + len - 20) == s->serial;
	default:
		return false;
	}
}

/* `count` records of one type that fill `len` octets; each behind an owner of `owner_len` octets. */
static bool are_records(const struct snapshot *s, uint16_t type, const uint8_t *p, size_t len, uint16_t count,
    size_t owner_len, int tail)
{
	const uint8_t *owner = p;

	while (count-- > 0) {
		size_t rdlen;

		if (len < owner_len + 10)
			return false;
		rdlen = get16(p + owner_len + 8);
		if (len < owner_len + 10 + rdlen || get16(p + owner_len) != type || get16(p + owner_len + 2) != DNS_CLASS_IN ||
		    get32(p + owner_len + 4) != s->ttl_s || !is_rdata(s, type, p + owner_len + 10, rdlen, tail))
			return false;
		if (memcmp(p, owner, owner_len) != 0 || (owner_len == 2 && get16(p) != 0xc00c))
			return false;
		p += owner_len + 10 + rdlen;
		len -= owner_len + 10 + rdlen;
	}
	return len == 0;
}

/* Blocks of an RRset each, with whole owners. */
static bool are_extras(const struct snapshot *s, const uint8_t *p, size_t len)
{
	while (len > 0) {
		size_t block, owner = 0;

		if (len < 4 || get16(p) == 0)
			return false;
		block = get16(p + 2);
		if (block > len - 4)
			return false;
		while (owner < block && p[4 + owner] != 0)
			owner += p[4 + owner] + 1u;
		owner++;
		if (owner + 10 > block || !is_stored_name(p + 4, owner) ||
		    !are_records(s, get16(p + 4 + owner), p + 4, block, get16(p), owner, -1))
			return false;
		p += 4 + block;
		len -= 4 + block;
	}
	return true;
}

static bool ends_with(const uint8_t *name, size_t len, const uint8_t *tail, size_t tail_len)
{
	size_t i = 0;

	while (i < len && len - i > tail_len)
		i += name[i] + 1u;
	return len - i == tail_len && memcmp(name + i, tail, tail_len) == 0;
}

static bool is_below_service(const struct snapshot *s, const struct snapshot_name *n)
{
	return ends_with(at(s, n->owner_off), n->owner_len, s->service, s->service_len);
}

/* The peers of a list are in it because of their keys, so it begins and ends with a record. */
static bool is_list(const struct snapshot *s, const struct snapshot_name *n, const struct snapshot_rrset *set)
{
	const struct snapshot_peer *p = snapshot_peer_at(s, set->first);

	if (set->type != DNS_PTR || !is_below_service(s, n))
		return false;
	/* A ref that the index has is a record's. */
	if (set->first == 0 || p == NULL || !is_found(s, p, set->first))
		return false;
	for (size_t i = 0; i < set->peers; i++) {
		if (p == NULL || !snapshot_peer_fits(s, p))
			return false;
		p = snapshot_next_peer(s, p);
	}
	return true;
}

/* An alias leads to a name that is stored, and none itself: it is answered with that name's records. Not to a list, whose
 * targets point to the list's own question. */
static bool is_alias(const struct snapshot *s, const struct snapshot_name *n, const struct snapshot_rrset *set)
{
	const struct snapshot_name *target;

	if (n->rrsets_len != 1 || set->count != 1 || set->wire_len <= DNS_RR_FIXED)
		return false;
	target = snapshot_find_name(s, at(s, set->wire_off) + DNS_RR_FIXED, set->wire_len - DNS_RR_FIXED);
	for (size_t i = 0; target != NULL && i < target->rrsets_len; i++)
		if (snapshot_rrsets(s, target)[i].type == DNS_CNAME || snapshot_rrsets(s, target)[i].type == DNS_PTR)
			return false;
	return target != NULL;
}

static bool set_is_sound(const struct snapshot *s, const struct snapshot_name *n, const struct snapshot_rrset *set)
{
	/* Where a list's targets point to: the service's name at the end of the question. */
	int tail = is_below_service(s, n) ? (int)(0xc000 | (DNS_HEADER + n->owner_len - s->service_len)) : -1;

	return set->count + set->peers > 0 && set->count + set->peers <= RECORDS_LIST_MAX &&
	    within(set->wire_off, set->wire_len, s->size) && within(set->extra_off, set->extra_len, s->size) &&
	    are_records(s, set->type, at(s, set->wire_off), set->wire_len, set->count, 2, tail) &&
	    are_extras(s, at(s, set->extra_off), set->extra_len) && (set->peers == 0 || is_list(s, n, set));
}

static bool is_behind(const struct snapshot *s, const struct snapshot_name *a, const struct snapshot_name *b)
{
	return a->owner_len != b->owner_len ? a->owner_len > b->owner_len :
	                                      memcmp(at(s, a->owner_off), at(s, b->owner_off), a->owner_len) > 0;
}

/* Where it lies, and what lies there; what it leads to is looked at when all of them have been. */
static bool name_is_there(const struct snapshot *s, const struct snapshot_name *n)
{
	return within(n->owner_off, n->owner_len, s->size) && is_stored_name(at(s, n->owner_off), n->owner_len) &&
	    n->owner_len >= s->apex_len && ends_with(at(s, n->owner_off), n->owner_len, s->apex, s->apex_len) &&
	    n->rrsets_off % 8 == 0 && n->rrsets_len <= SNAPSHOT_SETS && within(n->rrsets_off, (uint64_t)n->rrsets_len * sizeof(struct snapshot_rrset), s->size);
}

static bool sets_are_sound(const struct snapshot *s, const struct snapshot_name *n)
{
	const struct snapshot_rrset *sets = snapshot_rrsets(s, n);

	for (size_t i = 0; i < n->rrsets_len; i++) {
		const struct snapshot_rrset *set = &sets[i];

		for (size_t j = 0; j < i; j++)
			if (sets[j].type == set->type)
				return false;
		if (!set_is_sound(s, n, set) || (set->type == DNS_CNAME && !is_alias(s, n, set)))
			return false;
		/* Of the one SOA, the apex's, the header knows, too. */
		if (set->type == DNS_SOA && (n->owner_len != s->apex_len || set->count != 1 ||
		                                s->soa_off != set->wire_off + 2 || s->soa_len != set->wire_len - 2))
			return false;
	}
	return true;
}

static bool has_soa(const struct snapshot *s, const struct snapshot_name *apex)
{
	for (size_t i = 0; i < apex->rrsets_len; i++)
		if (snapshot_rrsets(s, apex)[i].type == DNS_SOA)
			return true;
	return false;
}

static bool check_places(struct snapshot_check *c)
{
	const struct snapshot *s = c->s;
	const struct snapshot_name *names = (const void *)at(s, s->names_off);

	for (size_t i = 0; i < STEP && c->places < s->names_len; i++, c->places++)
		if (!name_is_there(s, &names[c->places]) || c->places < s->names_at[names[c->places].owner_len] ||
		    c->places >= s->names_at[names[c->places].owner_len + 1] ||
		    (c->places > 0 && !is_behind(s, &names[c->places], &names[c->places - 1])))
			return false;
	return true;
}

/* What there is to look at, as peers are counted. */
static size_t weight_of(const struct snapshot *s, const struct snapshot_name *n)
{
	size_t weight = 1;

	for (size_t i = 0; i < n->rrsets_len; i++) {
		const struct snapshot_rrset *set = &snapshot_rrsets(s, n)[i];

		weight += set->peers + ((size_t)set->wire_len + set->extra_len) / STEP_OCTETS;
	}
	return weight;
}

static bool check_names(struct snapshot_check *c)
{
	const struct snapshot *s = c->s;
	const struct snapshot_name *names = (const void *)at(s, s->names_off);

	for (size_t i = 0; i < STEP && c->names < s->names_len; c->names++) {
		if (!sets_are_sound(s, &names[c->names]))
			return false;
		i += weight_of(s, &names[c->names]);
	}
	return has_soa(s, names); /* the apex is the shortest name, and so the first one */
}

/* ---- all ---- */

void snapshot_check_begin(struct snapshot_check *c, const struct snapshot *s)
{
	*c = (struct snapshot_check){.s = s, .ref = 1};
}

int snapshot_check_step(struct snapshot_check *c)
{
	const struct snapshot *s = c->s;
	bool ok;

	if (s->state == SNAPSHOT_NOT_READY)
		return 0;
	/* In this order: what comes later relies on what was looked at before. */
	if (!c->has_peers)
		ok = check_peers(c);
	else if (c->slots <= s->index_mask)
		ok = check_slots(c);
	else if (c->places < s->names_len)
		ok = check_places(c);
	else
		ok = check_names(c);
	if (!ok)
		return -EINVAL;
	return c->names < s->names_len;
}
