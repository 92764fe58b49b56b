/* The builder: it counts, makes a memfd of that size, fills it in one pass, and seals it. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snapshot.h"
#include "wire.h"
#include "zone.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

#define STATIC_NAMES 128 /* the apex, services, name servers, and the empty non-terminals between */
#define SPECIAL_NAMES (ZONE_OWNERS + 1) /* of a special peer: its owners, and the CNAME */
#define PTR_TO_QUESTION 0xc00c
#define PTR_WIRE     (12 + 1 + KEY_BASE32 + 2) /* a record of the list */
#define SETS_MAX     5

/* One name besides the peers', with its records in the order of their types. */
struct static_name {
	struct name owner;
	struct static_set {
		uint16_t type, count;
		struct wire_writer wire; /* into the pool */
	} sets[SETS_MAX];
	size_t sets_len;
	bool in_list; /* a special peer's, under the name that the list has */
};

struct builder {
	const struct zone *zone;
	struct static_name *names;
	size_t names_len, names_cap;
	uint8_t *pool; /* the records' octets, before they have their place */
	size_t pool_len, pool_cap;
	uint16_t regular; /* peers in the list that are not special */
};

static size_t align8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

static int by_owner(const void *a, const void *b)
{
	const struct name *x = &((const struct static_name *)a)->owner, *y = &((const struct static_name *)b)->owner;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->wire, y->wire, x->len);
}

static struct static_name *new_name(struct builder *b, const struct name *owner)
{
	if (b->names_len == b->names_cap)
		return NULL;
	b->names[b->names_len] = (struct static_name){.owner = *owner};
	return &b->names[b->names_len++];
}

static struct static_name *name_of(struct builder *b, const struct name *owner)
{
	for (size_t i = 0; i < b->names_len; i++)
		if (name_equal(&b->names[i].owner, owner))
			return &b->names[i];
	return new_name(b, owner);
}

/* The name, and each one between it and the apex: it exists, if only as an empty non-terminal. */
static struct static_name *add_name(struct builder *b, const struct name *owner)
{
	struct static_name *first = name_of(b, owner);
	struct name up = *owner;

	while (!name_equal(&up, &b->zone->conf->name) && name_parent(&up, &up))
		if (name_of(b, &up) == NULL)
			return NULL;
	return first;
}

/* Appends a record to the last RRset of its name, or opens a new one: the list is sorted. The writer's buffer is the
 * pool's tail, so an RRset's records are adjacent. */
static int add_rr(struct builder *b, struct static_name *n, uint16_t type, const uint8_t *tail, size_t len)
{
	struct wire_writer *w;

	if (n->sets_len == 0 || n->sets[n->sets_len - 1].type != type) {
		if (n->sets_len == sizeof(n->sets) / sizeof(*n->sets))
			return -E2BIG;
		n->sets[n->sets_len].type = type;
		n->sets[n->sets_len++].wire =
		    (struct wire_writer){.buf = b->pool + b->pool_len, .cap = b->pool_cap - b->pool_len};
	}
	w = &n->sets[n->sets_len - 1].wire;
	n->sets[n->sets_len - 1].count++;
	wire_put16(w, PTR_TO_QUESTION);
	wire_put(w, tail, len);
	b->pool_len += 2 + len;
	return w->bad ? -E2BIG : 0;
}

static int add_static(struct builder *b)
{
	ldns_rr_list *list = zone_static_records(b->zone);
	int r = list == NULL ? -ENOMEM : 0;

	for (size_t i = 0; r == 0 && i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		uint8_t *wire = NULL;
		struct static_name *n;
		struct name owner = {0};
		size_t len = 0;

		if (ldns_rr2wire(&wire, rr, LDNS_SECTION_ANSWER, &len) != LDNS_STATUS_OK) {
			r = -ENOMEM;
			break;
		}
		owner.len = (uint8_t)ldns_rdf_size(ldns_rr_owner(rr));
		memcpy(owner.wire, wire, owner.len);
		n = add_name(b, &owner);
		r = n == NULL ? -E2BIG : add_rr(b, n, (uint16_t)ldns_rr_get_type(rr), wire + owner.len, len - owner.len);
		LDNS_FREE(wire);
	}
	ldns_rr_list_deep_free(list);
	return r;
}

static int add_ptr(struct builder *b, struct static_name *n, const uint8_t *label, size_t len)
{
	uint8_t tail[PTR_WIRE - 2], *p = put16(put16(tail, LDNS_RR_TYPE_PTR), LDNS_RR_CLASS_IN);

	p = put16(put32(p, b->zone->conf->ttl_s), (uint16_t)(1 + len + 2));
	*p++ = (uint8_t)len;
	p = put_bytes(p, label, len);
	p = put16(p, PTR_TO_QUESTION);
	return add_rr(b, n, LDNS_RR_TYPE_PTR, tail, (size_t)(p - tail));
}

/* The list of peers: 900 targets only fit into a message if they point to the question for all but the label. The
 * regular peers come first. */
static int add_list(struct builder *b)
{
	const struct zone *z = b->zone;
	struct static_name *n = name_of(b, &z->service);
	int r = n == NULL ? -E2BIG : 0;

	for (int special = 0; special <= 1; special++) {
		for (size_t i = 0; r == 0 && zone_has_list(z) && i < z->peers_len; i++) {
			struct name owners[ZONE_OWNERS];

			if (zone_peer_is_special(&z->peers[i]) != special)
				continue;
			zone_peer_owners(z, &z->peers[i], owners);
			r = add_ptr(b, n, owners[0].wire + 1, owners[0].wire[0]);
			b->regular = (uint16_t)(b->regular + (special == 0));
		}
	}
	return r;
}

/* ---- special peers ---- */

/* TYPE, CLASS, TTL, RDLENGTH of a record of this zone. */
static uint8_t *put_tail(uint8_t *p, const struct builder *b, uint16_t type, size_t rdlen)
{
	return put16(put32(put16(put16(p, type), LDNS_RR_CLASS_IN), b->zone->conf->ttl_s), (uint16_t)rdlen);
}

static int add_endpoint(struct builder *b, struct static_name *n, const struct endpoint *ep, uint16_t type)
{
	size_t len = ep->family == AF_INET ? 4 : 16;
	uint8_t tail[10 + 16];

	if (type != (ep->family == AF_INET ? LDNS_RR_TYPE_A : LDNS_RR_TYPE_AAAA))
		return 0;
	put_bytes(put_tail(tail, b, type, len), ep->addr, len);
	return add_rr(b, n, type, tail, 10 + len);
}

static int add_addresses(struct builder *b, struct static_name *n, const struct zone_peer *p, uint16_t type)
{
	int r = add_endpoint(b, n, &p->endpoint, type);

	for (size_t i = 0; r == 0 && i < p->more_len; i++)
		r = add_endpoint(b, n, &b->zone->more[p->more_off + i], type);
	return r;
}

/* SRV, addresses, TXT: the order of the additional section, too. */
static int add_instance(struct builder *b, const struct zone_peer *p, const struct name *owner, bool in_list)
{
	struct static_name *n = new_name(b, owner);
	uint8_t tail[10 + RECORDS_TXT_HEAD + RECORDS_TXT_MAX], *at;
	int r = n == NULL ? -E2BIG : 0;

	if (r == 0) {
		n->in_list = in_list;
		at = put16(put32(put_tail(tail, b, LDNS_RR_TYPE_SRV, 6u + owner->len), 0), p->endpoint.port);
		at = put_bytes(at, owner->wire, owner->len);
		r = add_rr(b, n, LDNS_RR_TYPE_SRV, tail, (size_t)(at - tail));
	}
	if (r == 0)
		r = add_addresses(b, n, p, LDNS_RR_TYPE_A);
	if (r == 0)
		r = add_addresses(b, n, p, LDNS_RR_TYPE_AAAA);
	if (r == 0) {
		at = put_tail(tail, b, LDNS_RR_TYPE_TXT, RECORDS_TXT_HEAD + (size_t)p->txt_len);
		records_txt_head(p->key, at);
		at = put_bytes(at + RECORDS_TXT_HEAD, b->zone->txt + p->txt_off, p->txt_len);
		r = add_rr(b, n, LDNS_RR_TYPE_TXT, tail, (size_t)(at - tail));
	}
	return r;
}

/* label.ZONE is an alias of the peer's own name, so that people and stock resolvers have something to type. */
static int add_alias(struct builder *b, const struct zone_peer *p, const struct name *target)
{
	struct static_name *n;
	struct name owner;
	uint8_t tail[10 + NAME_MAX_LEN];

	if (!name_prepend(p->label, strlen(p->label), &b->zone->conf->name, &owner))
		return -E2BIG;
	n = new_name(b, &owner);
	put_bytes(put_tail(tail, b, LDNS_RR_TYPE_CNAME, target->len), target->wire, target->len);
	return n == NULL ? -E2BIG : add_rr(b, n, LDNS_RR_TYPE_CNAME, tail, 10u + target->len);
}

static int add_specials(struct builder *b)
{
	const struct zone *z = b->zone;
	int r = 0;

	for (size_t i = 0; r == 0 && i < z->peers_len; i++) {
		const struct zone_peer *p = &z->peers[i];
		struct name owners[ZONE_OWNERS];
		size_t n;

		if (!zone_peer_is_special(p))
			continue;
		n = zone_peer_owners(z, p, owners);
		for (size_t j = 0; r == 0 && j < n; j++)
			r = add_instance(b, p, &owners[j], j == 0);
		if (r == 0 && p->label != NULL)
			r = add_alias(b, p, &owners[1]);
	}
	return r;
}

static size_t specials_len(const struct zone *z)
{
	size_t n = 0;

	for (size_t i = 0; i < z->peers_len; i++)
		n += zone_peer_is_special(&z->peers[i]);
	return n;
}

/* The most that the pool may have to hold. */
static size_t pool_size(const struct zone *z)
{
	size_t n = 65536 + z->conf->list_max * (size_t)PTR_WIRE;

	for (size_t i = 0; i < z->peers_len; i++) {
		const struct zone_peer *p = &z->peers[i];

		if (zone_peer_is_special(p)) /* each of its names: an SRV, a TXT, addresses; and the alias */
			n += SPECIAL_NAMES * (2 * (12 + 6 + NAME_MAX_LEN) + RECORDS_TXT_HEAD + (size_t)p->txt_len +
			        (1u + p->more_len) * (12 + 16));
	}
	return n;
}

/* ---- the block ---- */

static void put_header(struct snapshot *s, size_t size, const struct name *apex, const uint64_t seed[2])
{
	struct name service;
	bool ok = records_service_name(apex, &service);

	assert(ok);
	s->magic = SNAPSHOT_MAGIC;
	s->size = size;
	memcpy(s->seed, seed, sizeof(s->seed));
	s->apex_len = apex->len;
	memcpy(s->apex, apex->wire, apex->len);
	s->service_len = service.len;
	memset(s->service, 0xff, sizeof(s->service));
	memset(s->service_fold, 0xff, sizeof(s->service_fold));
	memcpy(s->service, service.wire, service.len);
	for (size_t i = 0; i < service.len; i++)
		s->service_fold[i] = service.wire[i] >= 'a' && service.wire[i] <= 'z' ? 0x20 : 0;
}

static uint32_t index_slots(size_t peers)
{
	uint32_t slots = 8;

	while (slots < 2 * peers) /* at most half full: a look-up stays within one cache line, nearly always */
		slots *= 2;
	return slots;
}

static size_t peer_size(const struct zone_peer *p)
{
	return align8(sizeof(struct snapshot_peer) + p->txt_len);
}

static void put_peer(struct snapshot *s, const struct zone *z, const struct zone_peer *p, size_t off)
{
	struct snapshot_peer *rec = (void *)((uint8_t *)s + off);
	struct snapshot_slot *slots = (void *)((uint8_t *)s + s->index_off);
	uint64_t h = snapshot_hash(s->seed, p->key);
	uint32_t at = (uint32_t)h & s->index_mask;

	memcpy(rec->key, p->key, KEY_LEN);
	rec->port = htons(p->endpoint.port);
	rec->addr_len = p->endpoint.family == AF_INET ? 4 : 16;
	memcpy(rec->addr, p->endpoint.addr, rec->addr_len);
	rec->txt_len = p->txt_len;
	memcpy(rec->txt, z->txt + p->txt_off, p->txt_len);
	while (slots[at].ref != 0)
		at = (at + 1) & s->index_mask;
	slots[at] = (struct snapshot_slot){.tag = (uint32_t)(h >> 32), .ref = 1 + (uint32_t)((off - s->peers_off) / 8)};
}

/* One RRset for the additional section, with its owner written out; to NULL only counts. */
static size_t put_extra(uint8_t *to, const struct name *owner, const struct static_set *set)
{
	const uint8_t *from = set->wire.buf;
	size_t at = 4;

	for (size_t rr = 0; rr < set->wire.at; rr += 12u + get16(from + rr + 10)) {
		size_t tail = 10u + get16(from + rr + 10);

		if (to != NULL)
			put_bytes(put_bytes(to + at, owner->wire, owner->len), from + rr + 2, tail);
		at += owner->len + tail;
	}
	if (to != NULL)
		put16(put16(to, set->count), (uint16_t)(at - 4));
	return at;
}

static bool is_server(const struct builder *b, const struct name *name)
{
	const struct name_servers *servers = &b->zone->conf->name_servers;

	for (size_t i = 0; i < servers->len; i++)
		if (name_equal(name, &servers->at[i].name))
			return true;
	return false;
}

static bool is_address(uint16_t type)
{
	return type == LDNS_RR_TYPE_A || type == LDNS_RR_TYPE_AAAA;
}

static bool is_list(const struct builder *b, const struct static_name *n, const struct static_set *set)
{
	return set->type == LDNS_RR_TYPE_PTR && name_equal(&n->owner, &b->zone->service);
}

/* Those sets of a name that `wanted` takes. */
static size_t put_extras_of(uint8_t *to, const struct static_name *n, bool (*wanted)(uint16_t type))
{
	size_t at = 0;

	for (size_t i = 0; i < n->sets_len; i++)
		if (wanted(n->sets[i].type))
			at += put_extra(to != NULL ? to + at : NULL, &n->owner, &n->sets[i]);
	return at;
}

static bool is_behind_srv(uint16_t type)
{
	return type != LDNS_RR_TYPE_SRV;
}

static bool is_any(uint16_t type)
{
	(void)type;
	return true;
}

/* What comes with a record set: with the NS their addresses, with an SRV its address and then its TXT (clients of this
 * naming take the first additional record as the address), with the list all that the special peers in it have. */
static size_t put_extras(uint8_t *to, const struct builder *b, const struct static_name *n, const struct static_set *set)
{
	size_t at = 0;

	if (set->type == LDNS_RR_TYPE_SRV)
		return put_extras_of(to, n, is_behind_srv);
	if (set->type != LDNS_RR_TYPE_NS && !is_list(b, n, set))
		return 0;
	for (size_t i = 0; i < b->names_len; i++) {
		uint8_t *here = to != NULL ? to + at : NULL;

		if (set->type == LDNS_RR_TYPE_NS && is_server(b, &b->names[i].owner))
			at += put_extras_of(here, &b->names[i], is_address);
		else if (is_list(b, n, set) && b->names[i].in_list)
			at += put_extras_of(here, &b->names[i], is_any);
	}
	return at;
}

static void put_names(struct snapshot *s, const struct builder *b, size_t off)
{
	uint8_t *base = (uint8_t *)s;
	struct snapshot_name *names = (void *)(base + off);
	size_t sets_off = align8(off + b->names_len * sizeof(*names)), bytes = sets_off;

	for (size_t i = 0; i < b->names_len; i++)
		bytes += b->names[i].sets_len * sizeof(struct snapshot_rrset);
	s->names_off = (uint32_t)off;
	s->names_len = (uint32_t)b->names_len;
	for (size_t i = 0; i < b->names_len; i++) {
		const struct static_name *n = &b->names[i];
		struct snapshot_rrset *sets = (void *)(base + sets_off);

		names[i] = (struct snapshot_name){.owner_off = (uint32_t)bytes, .owner_len = n->owner.len,
		    .rrsets_off = (uint32_t)sets_off, .rrsets_len = (uint32_t)n->sets_len};
		memcpy(base + bytes, n->owner.wire, n->owner.len);
		bytes += n->owner.len;
		sets_off += n->sets_len * sizeof(*sets);
		for (size_t j = 0; j < n->sets_len; j++) {
			const struct wire_writer *w = &n->sets[j].wire;

			sets[j] = (struct snapshot_rrset){.type = n->sets[j].type, .count = n->sets[j].count,
			    .wire_off = (uint32_t)bytes, .wire_len = (uint32_t)w->at};
			memcpy(base + bytes, w->buf, w->at);
			if (sets[j].type == LDNS_RR_TYPE_SOA) {
				s->soa_off = (uint32_t)bytes + 2;
				s->soa_len = (uint32_t)w->at - 2;
			}
			bytes += w->at;
			sets[j].peers = is_list(b, n, &n->sets[j]) ? b->regular : 0;
			sets[j].extra_off = (uint32_t)bytes;
			sets[j].extra_len = (uint32_t)put_extras(base + bytes, b, n, &n->sets[j]);
			bytes += sets[j].extra_len;
		}
	}
	assert(bytes <= s->size);
}

static size_t names_size(const struct builder *b)
{
	size_t n = align8(b->names_len * sizeof(struct snapshot_name)) + b->pool_len;

	for (size_t i = 0; i < b->names_len; i++) {
		const struct static_name *name = &b->names[i];

		n += name->owner.len + name->sets_len * sizeof(struct snapshot_rrset);
		for (size_t j = 0; j < name->sets_len; j++)
			n += put_extras(NULL, b, name, &name->sets[j]);
	}
	return n;
}

static void put_zone(struct snapshot *s, const struct builder *b, uint32_t slots, size_t peers_end)
{
	const struct zone *z = b->zone;
	size_t off;

	s->state = SNAPSHOT_READY;
	s->serial = z->serial;
	s->ttl_s = z->conf->ttl_s;
	s->padded_names = z->conf->padded_names;
	s->index_off = (uint32_t)align8(sizeof(*s));
	s->index_mask = slots - 1;
	s->peers_off = s->index_off + slots * (uint32_t)sizeof(struct snapshot_slot);
	s->peers_end = (uint32_t)peers_end;
	s->peers_len = (uint32_t)(z->peers_len - specials_len(z));
	off = s->peers_off;
	for (size_t i = 0; i < z->peers_len; i++) {
		if (zone_peer_is_special(&z->peers[i]))
			continue;
		put_peer(s, z, &z->peers[i], off);
		off += peer_size(&z->peers[i]);
	}
	put_names(s, b, peers_end);
}

static int make_block(size_t size, void **p)
{
	int fd = memfd_create("wgmeet-zone", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	*p = MAP_FAILED;
	/* posix_fallocate() and not ftruncate(): memory that is short is an error here, and no SIGBUS later. */
	if (posix_fallocate(fd, 0, (off_t)size) == 0)
		*p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*p == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	return fd;
}

static int seal(int fd, void *p, size_t size)
{
	int err;

	munmap(p, size); /* F_SEAL_WRITE refuses while somebody could write */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
		return fd;
	err = errno;
	close(fd);
	return -err;
}

static int build_zone(struct builder *b, const struct name *apex, const uint64_t seed[2], size_t *size)
{
	const struct zone *z = b->zone;
	uint32_t slots = index_slots(z->peers_len);
	size_t peers_end = align8(sizeof(struct snapshot)) + slots * sizeof(struct snapshot_slot);
	void *p = NULL;
	int fd, r;

	b->pool_cap = pool_size(z);
	b->pool = malloc(b->pool_cap);
	b->names_cap = STATIC_NAMES + SPECIAL_NAMES * specials_len(z);
	b->names = calloc(b->names_cap, sizeof(*b->names));
	if (b->pool == NULL || b->names == NULL)
		return -ENOMEM;
	r = add_static(b);
	if (r == 0)
		r = add_list(b);
	if (r == 0)
		r = add_specials(b);
	if (r < 0)
		return r;
	qsort(b->names, b->names_len, sizeof(*b->names), by_owner);
	for (size_t i = 0; i < z->peers_len; i++)
		peers_end += zone_peer_is_special(&z->peers[i]) ? 0 : peer_size(&z->peers[i]);
	*size = peers_end + names_size(b);
	if (*size > UINT32_MAX)
		return -EFBIG;
	fd = make_block(*size, &p);
	if (fd < 0)
		return fd;
	put_header(p, *size, apex, seed);
	put_zone(p, b, slots, peers_end);
	return seal(fd, p, *size);
}

int snapshot_build(const struct name *apex, const struct zone *zone, const uint64_t seed[2], size_t *size)
{
	struct builder *b;
	void *p = NULL;
	int fd;

	if (zone == NULL) {
		*size = sizeof(struct snapshot);
		fd = make_block(*size, &p);
		if (fd < 0)
			return fd;
		put_header(p, *size, apex, seed);
		return seal(fd, p, *size);
	}
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -ENOMEM;
	b->zone = zone;
	fd = build_zone(b, apex, seed, size);
	free(b->pool);
	free(b->names);
	free(b);
	return fd;
}
