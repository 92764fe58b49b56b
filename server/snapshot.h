/* A zone compiled for answering: one block of bytes, written once by the observer, sealed, and mapped read-only by
 * the workers. Nothing in it is a pointer; offsets count from the block's start, integers are in host order
 * but where they go into answers as they are.
 *
 *     +--------+-------------------+----------------------------+----------------------------------+
 *     | header | index             | peers                      | names                            |
 *     |        | tag ref tag ref ..| key addr port txt | key .. | owner rrsets | owner rrsets ...   |
 *     +--------+-------------------+----------------------------+----------------------------------+
 *                hash of the key ---^ by 8 octets    by name, sorted: binary search -^
 *
 * A peer's SRV, A or AAAA and TXT, under both of its names, are composed from one record of about 80 octets when it is
 * asked for. What the other names have, among them those of peers with a name for people or with several addresses, is
 * stored as it goes into an answer: owners are a pointer to the question, which always begins at octet 12.
 */
#ifndef WGMEET_SNAPSHOT_H
#define WGMEET_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "key.h"
#include "name.h"
#include "records.h"

#define SNAPSHOT_MAGIC UINT64_C(0x31307465656d6777) /* "wgmeet01" */

enum snapshot_state {
	SNAPSHOT_NOT_READY, /* the source is not there: the zone's name and nothing else */
	SNAPSHOT_READY,
};

struct snapshot {
	uint64_t magic;
	uint64_t size; /* of the whole block */
	uint64_t seed[2];
	uint32_t state;
	uint32_t serial;
	uint32_t ttl_s;
	uint32_t index_off, index_mask; /* a power of two slots, less one */
	uint32_t peers_off, peers_end, peers_len;
	uint32_t names_off, names_len;
	uint32_t soa_off, soa_len; /* of negative answers: from TYPE on */
	uint8_t padded_names;
	uint8_t apex_len, service_len;
	uint8_t apex[NAME_MAX_LEN];
	/* _wireguard._udp.<zone>, and 0x20 where it has a letter: (octet | fold) == service compares without regard to
	 * case, eight octets at a time. Behind the name both are 0xff: any octet fits. */
	uint8_t service[NAME_MAX_LEN + 9], service_fold[NAME_MAX_LEN + 9];
};

struct snapshot_slot {
	uint32_t tag; /* the hash's upper half */
	uint32_t ref; /* 1 + (record - peers_off) / 8; 0: empty */
};

struct snapshot_peer {
	uint8_t key[KEY_LEN];
	uint8_t addr[16];
	uint16_t port;    /* network order */
	uint16_t txt_len; /* of what follows the head of the TXT's RDATA */
	uint8_t addr_len; /* 4 or 16 */
	uint8_t pad[3];
	uint8_t txt[]; /* then up to a multiple of 8 */
};

struct snapshot_name {
	uint32_t owner_off, owner_len; /* in lower case */
	uint32_t rrsets_off, rrsets_len;
};

struct snapshot_rrset {
	uint16_t type, count;
	uint32_t wire_off, wire_len;   /* whole records, in order */
	/* For the additional section: RRsets that fit whole or stay out, each behind its count of records and its length,
	 * two octets each in network order. */
	uint32_t extra_off, extra_len;
	uint16_t peers; /* so many of the records are the peers', in order, all of one length: what they have may be added */
	uint16_t pad;
};

/* ---- the builder's side ---- */

struct zone;

/* The block for a zone, allocated by mmap as a memfd that is sealed against every change.
 * Returns the descriptor, or -errno. `zone` NULL: not ready. */
int snapshot_build(const struct name *apex, const struct zone *zone, const uint64_t seed[2], size_t *size);

/* ---- the worker's side ---- */

/* Maps it. 0; or -EPERM it is not sealed, -EINVAL its header is not what the builder would write, another -errno. */
int snapshot_map(int fd, const struct snapshot **out);
void snapshot_unmap(const struct snapshot *s);

static inline uint64_t snapshot_hash(const uint64_t seed[2], const uint8_t key[KEY_LEN])
{
	uint64_t k[2];
	unsigned __int128 m;

	memcpy(k, key, sizeof(k)); /* half of a key tells keys apart as well as all of it */
	m = (unsigned __int128)(k[0] ^ seed[0]) * (k[1] ^ seed[1]);
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline const struct snapshot_slot *snapshot_index(const struct snapshot *s)
{
	return (const struct snapshot_slot *)((const uint8_t *)s + s->index_off);
}

/* The record behind a slot; NULL if it does not lie within the peers. */
static inline const struct snapshot_peer *snapshot_peer_at(const struct snapshot *s, uint32_t ref)
{
	uint64_t off = s->peers_off + (uint64_t)(ref - 1) * 8;
	const struct snapshot_peer *p = (const void *)((const uint8_t *)s + off);

	if (off + sizeof(*p) > s->peers_end)
		return NULL;
	return p;
}

/* With its variable part inside the peers, too? */
static inline bool snapshot_peer_fits(const struct snapshot *s, const struct snapshot_peer *p)
{
	return (const uint8_t *)p + sizeof(*p) + p->txt_len <= (const uint8_t *)s + s->peers_end &&
	    (p->addr_len == 4 || p->addr_len == 16);
}

static inline const struct snapshot_peer *snapshot_next_peer(const struct snapshot *s, const struct snapshot_peer *p)
{
	const uint8_t *next = (const uint8_t *)p + ((sizeof(*p) + p->txt_len + 7) & ~(size_t)7);

	return snapshot_peer_at(s, 1 + (uint32_t)((size_t)(next - (const uint8_t *)s) - s->peers_off) / 8);
}

/* `name` in lower case. NULL: no such name beside the peers'. */
const struct snapshot_name *snapshot_find_name(const struct snapshot *s, const uint8_t *name, size_t len);

static inline const struct snapshot_rrset *snapshot_rrsets(const struct snapshot *s, const struct snapshot_name *n)
{
	return (const struct snapshot_rrset *)((const uint8_t *)s + n->rrsets_off);
}

#endif
