/* The builder: it counts, makes a memfd of that size, fills it in one pass, and seals it. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "names.h"
#include "query.h"
#include "snapshot.h"

struct builder {
	const struct zone *zone;
	struct names names;
	size_t peers_len, peers_size; /* of the regular peers: how many, and their records */
};

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
	s->allow.everyone = s->browse.everyone = 1; /* to say that the zone is not ready */
}

static uint32_t index_slots(size_t peers)
{
	uint32_t slots = SNAPSHOT_SLOTS;

	while (slots < 2 * peers) /* at most half full: a look-up stays within one cache line, nearly always */
		slots *= 2;
	return slots;
}

/* How a peer's TXT is kept: of a single string only what is not the same for all. */
struct kept_txt {
	const uint8_t *at;
	uint16_t len;
	bool one;
};

static struct kept_txt kept_txt(const struct zone *z, const struct zone_peer *p)
{
	const uint8_t *txt = z->txt + p->txt_off;
	struct kept_txt t = {.at = txt, .len = p->txt_len};

	if (p->txt_len > RECORDS_TXT_ALLOWED_LEN && txt[0] + 1u == p->txt_len &&
	    memcmp(txt + 1, RECORDS_TXT_ALLOWED, RECORDS_TXT_ALLOWED_LEN - 1) == 0)
		t = (struct kept_txt){.at = txt + RECORDS_TXT_ALLOWED_LEN, .len = (uint16_t)(p->txt_len - RECORDS_TXT_ALLOWED_LEN),
		    .one = true};
	return t;
}

size_t snapshot_record_size(const struct zone *z, const struct zone_peer *p)
{
	return snapshot_peer_size(p->endpoint.family == AF_INET ? 4 : 16, kept_txt(z, p).len);
}

/* Returns the octet behind it. */
static size_t put_peer(struct snapshot *s, const struct zone *z, const struct zone_peer *p, size_t off)
{
	struct snapshot_peer *rec = (void *)((uint8_t *)s + off);
	struct snapshot_slot *slots = (void *)((uint8_t *)s + s->index_off);
	struct kept_txt txt = kept_txt(z, p);
	uint32_t at;
	uint64_t h;

	key_to_base32(p->key, rec->label);
	key_to_base64(p->key, rec->pub);
	rec->port = htons(p->endpoint.port);
	rec->addr_len = p->endpoint.family == AF_INET ? 4 : 16;
	memcpy(rec->tail, p->endpoint.addr, rec->addr_len);
	rec->txt_len = txt.len;
	rec->one = txt.one;
	memcpy(rec->tail + rec->addr_len, txt.at, txt.len);
	h = snapshot_hash(s->seed, rec->label);
	at = (uint32_t)h & s->index_mask;
	while (slots[at].ref != 0)
		at = (at + 1) & s->index_mask;
	slots[at].ref = (1 + (uint32_t)((off - s->peers_off) / SNAPSHOT_LINE)) & ((1u << SNAPSHOT_REF_BITS) - 1);
	slots[at].tag = snapshot_tag(h) & ((1u << (32 - SNAPSHOT_REF_BITS)) - 1);
	return off + snapshot_peer_size(rec->addr_len, rec->txt_len);
}

static void put_set(struct snapshot *s, const struct names *names, const struct stored_name *n,
    const struct stored_set *from, struct snapshot_rrset *set, size_t *at)
{
	uint8_t *base = (uint8_t *)s;

	*set = (struct snapshot_rrset){.type = from->type, .count = from->count, .wire_off = (uint32_t)*at,
	    .wire_len = from->len};
	memcpy(base + *at, names->pool + from->off, from->len);
	if (set->type == DNS_SOA) {
		s->soa_off = (uint32_t)*at + 2;
		s->soa_len = from->len - 2;
	}
	if (n->is_list && set->type == DNS_PTR) {
		set->peers = n->regular;
		set->first = 1 + n->first / SNAPSHOT_LINE;
	}
	*at += from->len;
	set->extra_off = (uint32_t)*at;
	set->extra_len = (uint32_t)names_extras(names, n, from, base + *at);
	*at += set->extra_len;
}

static void put_names(struct snapshot *s, const struct names *names, size_t off)
{
	uint8_t *base = (uint8_t *)s;
	struct snapshot_name *out = (void *)(base + off);
	size_t sets_off = snapshot_align(off + names->len * sizeof(*out), 8), at = sets_off;

	for (size_t i = 0; i < names->len; i++)
		at += names->at[i].sets_len * sizeof(struct snapshot_rrset);
	s->names_off = (uint32_t)off;
	s->names_len = (uint32_t)names->len;
	for (size_t len = 0, i = 0; len < NAME_MAX_LEN + 2; len++) {
		while (i < names->len && names->at[i].owner.len < len)
			i++;
		s->names_at[len] = (uint32_t)i;
	}
	for (size_t i = 0; i < names->len; i++) {
		const struct stored_name *n = &names->at[i];

		out[i] = (struct snapshot_name){.owner_off = (uint32_t)at, .owner_len = n->owner.len,
		    .rrsets_off = (uint32_t)sets_off, .rrsets_len = n->sets_len};
		memcpy(base + at, n->owner.wire, n->owner.len);
		at += n->owner.len;
		for (size_t j = 0; j < n->sets_len; j++) {
			put_set(s, names, n, &n->sets[j], (void *)(base + sets_off), &at);
			sets_off += sizeof(struct snapshot_rrset);
		}
	}
	assert(at == s->size);
}

static size_t names_size(const struct names *names)
{
	size_t n = snapshot_align(names->len * sizeof(struct snapshot_name), 8) + names->pool_len;

	for (size_t i = 0; i < names->len; i++) {
		const struct stored_name *name = &names->at[i];

		n += name->owner.len + name->sets_len * sizeof(struct snapshot_rrset);
		for (size_t j = 0; j < name->sets_len; j++)
			n += names_extras(names, name, &name->sets[j], NULL);
	}
	return n;
}

static size_t ranges_size(const struct zone_access *access)
{
	return snapshot_align(access->len * sizeof(struct range), 8);
}

static size_t put_ranges(struct snapshot *s, size_t off, const struct zone_access *access, struct snapshot_access *out)
{
	*out = (struct snapshot_access){.everyone = access->everyone, .tunnel = access->tunnel, .ranges_off = (uint32_t)off,
	    .ranges_len = (uint32_t)access->len};
	if (access->len > 0)
		memcpy((uint8_t *)s + off, access->at, access->len * sizeof(struct range));
	return off + ranges_size(access);
}

static void put_zone(struct snapshot *s, const struct builder *b, uint32_t slots)
{
	const struct zone *z = b->zone;
	size_t off = snapshot_align(sizeof(*s), 8);

	s->state = SNAPSHOT_READY;
	s->serial = z->serial;
	s->ttl_s = z->conf->ttl_s;
	s->padded_names = z->conf->padded_names;
	s->ifindex = z->ifindex;
	off = put_ranges(s, off, &z->allow, &s->allow);
	off = put_ranges(s, off, &z->browse, &s->browse);
	off = snapshot_align(put_ranges(s, off, &z->tunnel, &s->tunnel), SNAPSHOT_LINE);
	s->index_off = (uint32_t)off;
	s->index_mask = slots - 1;
	s->peers_off = s->index_off + slots * (uint32_t)sizeof(struct snapshot_slot);
	s->peers_end = s->peers_off + (uint32_t)b->peers_size;
	s->peers_len = (uint32_t)b->peers_len;
	off = s->peers_off;
	for (size_t i = 0; i < z->peers_len; i++) {
		if (zone_peer_is_special(&z->peers[i]))
			continue;
		off = put_peer(s, z, &z->peers[i], off);
	}
	put_names(s, &b->names, off);
}

static int make_block(size_t size, void **p)
{
	int fd = memfd_create("wgmeet-zone", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	*p = MAP_FAILED;
	/* posix_fallocate() and not ftruncate(): memory that is short is an error here, and no SIGBUS later. */
	if (posix_fallocate(fd, 0, (off_t)size) == 0)
		*p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
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
	void *p = NULL;
	int fd, r = names_collect(&b->names, z);

	if (r < 0)
		return r;
	for (size_t i = 0; i < z->peers_len; i++) {
		if (zone_peer_is_special(&z->peers[i]))
			continue;
		b->peers_len++;
		b->peers_size += snapshot_record_size(z, &z->peers[i]);
	}
	*size = snapshot_align(snapshot_align(sizeof(struct snapshot), 8) + ranges_size(&z->allow) + ranges_size(&z->browse) +
	                ranges_size(&z->tunnel), SNAPSHOT_LINE) + slots * sizeof(struct snapshot_slot) + b->peers_size + names_size(&b->names);
	if (*size > UINT32_MAX || b->peers_size / SNAPSHOT_LINE >= 1u << SNAPSHOT_REF_BITS)
		return -EFBIG;
	fd = make_block(*size, &p);
	if (fd < 0)
		return fd;
	put_header(p, *size, apex, seed);
	put_zone(p, b, slots);
	return seal(fd, p, *size);
}

int snapshot_build(const struct name *apex, const struct zone *zone, const uint64_t seed[2], size_t *size)
{
	struct builder b = {.zone = zone};
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
	fd = build_zone(&b, apex, seed, size);
	names_free(&b.names);
	return fd;
}
