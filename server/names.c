#include "names.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot.h"
#include "wire.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

#define PTR_TO_QUESTION 0xc00c

static int by_owner(const void *a, const void *b)
{
	const struct name *x = &((const struct stored_name *)a)->owner, *y = &((const struct stored_name *)b)->owner;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->wire, y->wire, x->len);
}

/* NULL: out of memory. A pointer is good until the next name. */
static struct stored_name *new_name(struct names *names, const struct name *owner)
{
	if (zone_reserve((void **)&names->at, &names->cap, names->len, 1, sizeof(*names->at)) < 0)
		return NULL;
	names->at[names->len] = (struct stored_name){.owner = *owner};
	return &names->at[names->len++];
}

static struct stored_name *name_of(struct names *names, const struct name *owner)
{
	for (size_t i = 0; i < names->len; i++)
		if (name_equal(&names->at[i].owner, owner))
			return &names->at[i];
	return new_name(names, owner);
}

/* The name, and each one between it and the apex: it exists, if only as an empty non-terminal. */
static struct stored_name *add_name(struct names *names, const struct name *owner)
{
	struct name up = *owner;

	while (!name_equal(&up, &names->zone->conf->name) && name_parent(&up, &up))
		if (name_of(names, &up) == NULL)
			return NULL;
	return name_of(names, owner);
}

/* The set of that type, a new one if there is none. NULL: the name has more types than any here. */
static struct stored_set *set_of(const struct names *names, struct stored_name *n, uint16_t type)
{
	for (size_t i = 0; i < n->sets_len; i++)
		if (n->sets[i].type == type)
			return &n->sets[i];
	if (n->sets_len == SNAPSHOT_SETS)
		return NULL;
	n->sets[n->sets_len] = (struct stored_set){.type = type, .off = (uint32_t)names->pool_len};
	return &n->sets[n->sets_len++];
}

/* The records of a set are added one after the other, and are so in the pool. */
static int add_rr(struct names *names, struct stored_name *n, uint16_t type, const uint8_t *tail, size_t len)
{
	struct stored_set *set;
	uint8_t *p;

	if (zone_reserve((void **)&names->pool, &names->pool_cap, names->pool_len, 2 + len, 1) < 0)
		return -ENOMEM;
	set = set_of(names, n, type);
	if (set == NULL || names->pool_len + 2 + len > UINT32_MAX)
		return -E2BIG;
	assert(set->off + set->len == names->pool_len);
	p = put16(names->pool + names->pool_len, PTR_TO_QUESTION);
	put_bytes(p, tail, len);
	names->pool_len += 2 + len;
	set->len += (uint32_t)(2 + len);
	set->count++;
	return 0;
}

/* ---- the names beside the peers' ---- */

static int add_static(struct names *names)
{
	ldns_rr_list *list = zone_static_records(names->zone);
	int r = list == NULL ? -ENOMEM : 0;

	for (size_t i = 0; r == 0 && i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		uint8_t *wire = NULL;
		struct stored_name *n;
		struct name owner = {0};
		size_t len = 0;

		if (ldns_rr2wire(&wire, rr, LDNS_SECTION_ANSWER, &len) != LDNS_STATUS_OK) {
			r = -ENOMEM;
			break;
		}
		owner.len = (uint8_t)ldns_rdf_size(ldns_rr_owner(rr));
		memcpy(owner.wire, wire, owner.len);
		n = add_name(names, &owner);
		r = n == NULL ? -ENOMEM :
		                add_rr(names, n, (uint16_t)ldns_rr_get_type(rr), wire + owner.len, len - owner.len);
		LDNS_FREE(wire);
	}
	ldns_rr_list_deep_free(list);
	return r;
}

/* TYPE, CLASS, TTL, RDLENGTH of a record of this zone. */
static uint8_t *put_tail(uint8_t *p, const struct names *names, uint16_t type, size_t rdlen)
{
	return put16(put32(put16(put16(p, type), LDNS_RR_CLASS_IN), names->zone->conf->ttl_s), (uint16_t)rdlen);
}

/* ---- lists ---- */

/* 900 targets only fit into a message if they point to the question for all but the label; the service's name is its tail. */
static int add_ptr(struct names *names, struct stored_name *n, const struct name *target)
{
	uint8_t tail[10 + 1 + NAME_LABEL + 2], *p;
	size_t label = 1u + target->wire[0];

	p = put_bytes(put_tail(tail, names, LDNS_RR_TYPE_PTR, label + 2), target->wire, label);
	p = put16(p, (uint16_t)(PTR_TO_QUESTION + n->owner.len - names->zone->service.len));
	return add_rr(names, n, LDNS_RR_TYPE_PTR, tail, (size_t)(p - tail));
}

static int add_listed(struct names *names, struct stored_name *n, const struct zone_peer *peer)
{
	struct name owners[ZONE_OWNERS];

	if (zone_reserve((void **)&names->listed, &names->listed_cap, names->listed_len, 1, sizeof(*names->listed)) < 0)
		return -ENOMEM;
	zone_peer_owners(names->zone, peer, owners);
	names->listed[names->listed_len++] = owners[0];
	n->listed_len++;
	return add_ptr(names, n, &owners[0]);
}

/* `at`: where the list's first regular peer has its record. It moves on. */
static int add_list(struct names *names, const struct zone_list *list, size_t *at)
{
	const struct zone *z = names->zone;
	/* The parents of the first list are those of all. */
	struct stored_name *n = list->first == 0 ? add_name(names, &list->owner) : new_name(names, &list->owner);
	int r = n == NULL ? -ENOMEM : 0;

	if (r < 0)
		return r;
	/* Before the service's TXT, where that is: of all its types ANY shall get the list. */
	if (n->sets_len == SNAPSHOT_SETS)
		return -E2BIG;
	memmove(&n->sets[1], &n->sets[0], n->sets_len++ * sizeof(*n->sets));
	n->sets[0] = (struct stored_set){.type = LDNS_RR_TYPE_PTR, .off = (uint32_t)names->pool_len};
	n->is_list = true;
	n->first = (uint32_t)*at;
	n->listed = (uint32_t)names->listed_len;
	for (size_t i = 0; r == 0 && i < list->len; i++) {
		const struct zone_peer *p = &z->peers[list->first + i];

		if (zone_peer_is_special(p)) {
			r = add_listed(names, n, p);
		} else {
			n->regular++;
			*at += snapshot_record_size(z, p);
		}
	}
	return r;
}

static int add_lists(struct names *names)
{
	struct zone_list list;
	size_t at = 0;
	int r = 0;

	for (size_t first = 0; r == 0 && zone_list_at(names->zone, first, &list); first += list.len)
		r = add_list(names, &list, &at);
	return r;
}

/* ---- special peers ---- */

static int add_address(struct names *names, struct stored_name *n, const struct endpoint *ep, uint16_t type)
{
	size_t len = ep->family == AF_INET ? 4 : 16;
	uint8_t tail[10 + 16];

	if (type != (ep->family == AF_INET ? LDNS_RR_TYPE_A : LDNS_RR_TYPE_AAAA))
		return 0;
	put_bytes(put_tail(tail, names, type, len), ep->addr, len);
	return add_rr(names, n, type, tail, 10 + len);
}

static int add_addresses(struct names *names, struct stored_name *n, const struct zone_peer *p, uint16_t type)
{
	int r = add_address(names, n, &p->endpoint, type);

	for (size_t i = 0; r == 0 && i < p->more_len; i++)
		r = add_address(names, n, &names->zone->more[p->more_off + i], type);
	return r;
}

/* SRV, addresses, TXT: the order of the additional section, too. */
static int add_instance(struct names *names, const struct zone_peer *p, const struct name *owner)
{
	struct stored_name *n = new_name(names, owner);
	uint8_t tail[10 + RECORDS_TXT_HEAD + RECORDS_TXT_MAX], *at;
	int r = n == NULL ? -ENOMEM : 0;

	if (r == 0) {
		at = put16(put32(put_tail(tail, names, LDNS_RR_TYPE_SRV, 6u + owner->len), 0), p->endpoint.port);
		at = put_bytes(at, owner->wire, owner->len);
		r = add_rr(names, n, LDNS_RR_TYPE_SRV, tail, (size_t)(at - tail));
	}
	if (r == 0)
		r = add_addresses(names, n, p, LDNS_RR_TYPE_A);
	if (r == 0)
		r = add_addresses(names, n, p, LDNS_RR_TYPE_AAAA);
	if (r == 0) {
		at = put_tail(tail, names, LDNS_RR_TYPE_TXT, RECORDS_TXT_HEAD + (size_t)p->txt_len);
		records_txt_head(p->key, at);
		at = put_bytes(at + RECORDS_TXT_HEAD, names->zone->txt + p->txt_off, p->txt_len);
		r = add_rr(names, n, LDNS_RR_TYPE_TXT, tail, (size_t)(at - tail));
	}
	return r;
}

/* label.ZONE is an alias of the peer's own name, so that people and stock resolvers have something to type. */
static int add_alias(struct names *names, const struct zone_peer *p, const struct name *target)
{
	struct stored_name *n;
	struct name owner;
	uint8_t tail[10 + NAME_MAX_LEN];

	if (!name_prepend(p->label, strlen(p->label), &names->zone->conf->name, &owner))
		return -E2BIG;
	n = new_name(names, &owner);
	put_bytes(put_tail(tail, names, LDNS_RR_TYPE_CNAME, target->len), target->wire, target->len);
	return n == NULL ? -ENOMEM : add_rr(names, n, LDNS_RR_TYPE_CNAME, tail, 10u + target->len);
}

static int add_specials(struct names *names)
{
	const struct zone *z = names->zone;
	int r = 0;

	for (size_t i = 0; r == 0 && i < z->peers_len; i++) {
		const struct zone_peer *p = &z->peers[i];
		struct name owners[ZONE_OWNERS];
		size_t n;

		if (!zone_peer_is_special(p))
			continue;
		n = zone_peer_owners(z, p, owners);
		for (size_t j = 0; r == 0 && j < n; j++)
			r = add_instance(names, p, &owners[j]);
		if (r == 0 && p->label != NULL)
			r = add_alias(names, p, &owners[1]);
	}
	return r;
}

/* ---- what comes with a set ---- */

/* One RRset for the additional section, with its owner written out. */
static size_t put_extra(const struct names *names, const struct stored_name *n, const struct stored_set *set, uint8_t *to)
{
	const uint8_t *from = names->pool + set->off;
	size_t at = 4;

	for (size_t rr = 0; rr < set->len; rr += 12u + get16(from + rr + 10)) {
		size_t tail = 10u + get16(from + rr + 10);

		if (to != NULL)
			put_bytes(put_bytes(to + at, n->owner.wire, n->owner.len), from + rr + 2, tail);
		at += n->owner.len + tail;
	}
	if (to != NULL)
		put16(put16(to, set->count), (uint16_t)(at - 4));
	return at;
}

static bool is_address(uint16_t type)
{
	return type == LDNS_RR_TYPE_A || type == LDNS_RR_TYPE_AAAA;
}

static bool is_any(uint16_t type)
{
	(void)type;
	return true;
}

/* Those sets of a name that `wanted` takes. */
static size_t put_extras_of(const struct names *names, const struct stored_name *n, bool (*wanted)(uint16_t type),
    uint8_t *to)
{
	size_t at = 0;

	for (size_t i = 0; i < n->sets_len; i++)
		if (wanted(n->sets[i].type))
			at += put_extra(names, n, &n->sets[i], to != NULL ? to + at : NULL);
	return at;
}

static const struct stored_name *find(const struct names *names, const struct name *owner)
{
	struct stored_name wanted = {.owner = *owner};

	return bsearch(&wanted, names->at, names->len, sizeof(*names->at), by_owner);
}

size_t names_extras(const struct names *names, const struct stored_name *n, const struct stored_set *set, uint8_t *to)
{
	const struct name_servers *servers = &names->zone->conf->name_servers;
	size_t at = 0;

	for (size_t i = 0; set->type == LDNS_RR_TYPE_NS && i < servers->len; i++) {
		const struct stored_name *server = find(names, &servers->at[i].name);

		if (server != NULL)
			at += put_extras_of(names, server, is_address, to != NULL ? to + at : NULL);
	}
	for (size_t i = 0; set->type == LDNS_RR_TYPE_PTR && i < n->listed_len; i++)
		at += put_extras_of(names, find(names, &names->listed[n->listed + i]), is_any, to != NULL ? to + at : NULL);
	return at;
}

/* ---- all ---- */

int names_collect(struct names *names, const struct zone *zone)
{
	int r;

	memset(names, 0, sizeof(*names));
	names->zone = zone;
	r = add_static(names);
	if (r == 0)
		r = add_lists(names);
	if (r == 0)
		r = add_specials(names);
	if (r == 0)
		qsort(names->at, names->len, sizeof(*names->at), by_owner);
	return r;
}

void names_free(struct names *names)
{
	free(names->at);
	free(names->pool);
	free(names->listed);
	memset(names, 0, sizeof(*names));
}
