/* A zone compiled for answering: one block of bytes, written once by the observer, sealed, and mapped read-only by
 * the workers. Nothing in it is a pointer; offsets count from the block's start, integers are in host order
 * but where they go into answers as they are.
 *
 *     +--------+--------+-------------------+----------------------------+----------------------------------+
 *     | header | access | index             | peers                      | names                            |
 *     |        | ranges | ref tag ref tag ..| label pub addr .. | label .. | owner rrsets | owner rrsets ...   |
 *     +--------+--------+-------------------+----------------------------+----------------------------------+
 *                       hash of the label ---^ in lines of 64    by length and name, sorted -^
 *
 * A peer's SRV, A or AAAA and TXT, under both of its names, are composed from one record of 128 octets or more when it is
 * asked for; so are the lists of peers, for peers are sorted by their keys and a list's are next to each other. What the
 * other names have, among them those of peers with a name for people or with several addresses, is stored as it goes into
 * an answer: owners are a pointer to the question, which always begins at octet 12.
 */
#ifndef WGMEET_SNAPSHOT_H
#define WGMEET_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "key.h"
#include "name.h"
#include "ranges.h"
#include "records.h"

#define SNAPSHOT_MAGIC UINT64_C(0x33307465656d6777) /* "wgmeet03" */

enum snapshot_state {
	SNAPSHOT_NOT_READY, /* the source is not there: the zone's name and nothing else */
	SNAPSHOT_READY,
};

/* Who may: everyone, or who comes from one of the ranges, or (`tunnel`) from a peer's address over the zone's own device. */
struct snapshot_access {
	uint32_t ranges_off, ranges_len;
	uint8_t everyone, tunnel;
	uint8_t pad[2];
};

struct snapshot {
	uint64_t magic;
	uint64_t size; /* of the whole block */
	uint64_t seed[2];
	uint32_t state;
	uint32_t serial;
	uint32_t ttl_s;
	uint32_t ifindex; /* of the zone's own WireGuard device; 0: it has none that packets come in on */
	struct snapshot_access allow, browse; /* who may ask, who may see lists */
	struct snapshot_access tunnel;        /* the addresses of the device's peers, if those two ask for them */
	uint32_t index_off, index_mask; /* a power of two slots, less one */
	uint32_t peers_off, peers_end, peers_len;
	uint32_t names_off, names_len;
	uint32_t names_at[NAME_MAX_LEN + 2]; /* those of n octets: from the n-th of these to the next one */
	uint32_t soa_off, soa_len; /* of negative answers: from TYPE on */
	uint8_t padded_names;
	uint8_t apex_len, service_len;
	uint8_t apex[NAME_MAX_LEN];
	/* _wireguard._udp.<zone>, and 0x20 where it has a letter: (octet | fold) == service compares without regard to
	 * case, eight octets at a time. Behind the name both are 0xff: any octet fits. */
	uint8_t service[NAME_MAX_LEN + 9], service_fold[NAME_MAX_LEN + 9];
};

#define SNAPSHOT_LINE  64 /* octets of a line of the cache: the index and each record begin at one */
#define SNAPSHOT_SLOTS 16 /* at least, a line of them */

/* Four octets, so that the index of 100,000 peers is 1 MiB and has a chance to stay in a cache. Records may take 4 GiB. */
#define SNAPSHOT_REF_BITS 26
struct snapshot_slot {
	uint32_t ref : SNAPSHOT_REF_BITS;      /* 1 + (record - peers_off) / SNAPSHOT_LINE; 0: empty */
	uint32_t tag : 32 - SNAPSHOT_REF_BITS; /* of the hash */
};

/* The key is there as the two texts that questions and answers have; the octets themselves nobody asks for. */
struct snapshot_peer {
	uint8_t label[KEY_BASE32]; /* in lower case */
	char pub[KEY_BASE64];
	uint16_t port;    /* network order */
	uint16_t txt_len; /* of the TXT's strings behind "pub=" */
	uint8_t addr_len; /* 4 or 16 */
	uint8_t one;      /* they are one string, and of that only what follows its length octet and "allowed=" is here */
	uint8_t tail[];   /* the address, those strings, then up to a multiple of SNAPSHOT_LINE */
};
_Static_assert(sizeof(struct snapshot_peer) > SNAPSHOT_LINE, "a record has a second line, which answer_look_up() fetches, too");

struct snapshot_name {
	uint32_t owner_off, owner_len; /* in lower case */
	uint32_t rrsets_off, rrsets_len;
};

#define SNAPSHOT_SETS 5 /* of a name, at most */

struct snapshot_rrset {
	uint16_t type, count;
	uint32_t wire_off, wire_len;   /* whole records, in order */
	/* For the additional section: RRsets that fit whole or stay out, each behind its count of records and its length,
	 * two octets each in network order. */
	uint32_t extra_off, extra_len;
	/* A list: before what is stored come the PTR of so many peers, from the record with that ref on. */
	uint32_t first;
	uint16_t peers;
	uint16_t pad[3];
};

/* ---- the builder's side ---- */

struct zone;
struct zone_peer;

/* Of a regular peer, in octets. */
size_t snapshot_record_size(const struct zone *zone, const struct zone_peer *peer);

/* The block for a zone, allocated by mmap as a memfd that is sealed against every change.
 * Returns the descriptor, or -errno. `zone` NULL: not ready. */
int snapshot_build(const struct name *apex, const struct zone *zone, const uint64_t seed[2], size_t *size);

/* ---- the worker's side ---- */

/* Maps it. 0; or -EPERM it is not sealed, -EINVAL its header is not what the builder would write, another -errno. */
int snapshot_map(int fd, const struct snapshot **out);
void snapshot_unmap(const struct snapshot *s);

/* Only what has been checked to its end may be answered from. In small steps: 1 there is more to do, 0 it is what the
 * builder would write, -EINVAL it is not. */
struct snapshot_check {
	const struct snapshot *s;
	uint8_t last[KEY_LEN]; /* peer's key */
	size_t peers, places, names;
	uint64_t slots, taken;
	uint32_t ref; /* of the next peer */
	bool has_peers;
};
bool snapshot_header_is_sound(const struct snapshot *s); /* for snapshot_map(): `size` is right */
void snapshot_check_begin(struct snapshot_check *c, const struct snapshot *s);
int snapshot_check_step(struct snapshot_check *c);

/* Up to a multiple of `to`, which is a power of two. */
static inline size_t snapshot_align(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

/* A peer's record. Whole lines of the cache: with one allowed IP they are two. */
static inline size_t snapshot_peer_size(size_t addr_len, size_t txt_len)
{
	return snapshot_align(sizeof(struct snapshot_peer) + addr_len + txt_len, SNAPSHOT_LINE);
}

static inline uint64_t snapshot_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Of a label in either case: an octet's bit 0x20 does not count. All of it, for a key is what its peer says it is: with less,
 * somebody could make many that meet in one slot. */
static inline uint64_t snapshot_hash(const uint64_t seed[2], const uint8_t label[KEY_BASE32])
{
	const uint64_t fold = UINT64_C(0x2020202020202020);
	uint64_t k[7], h;

	memcpy(k, label, 48);
	memcpy(&k[6], label + KEY_BASE32 - 8, 8);
	h = snapshot_mix((k[0] | fold) ^ seed[0], (k[1] | fold) ^ seed[1]);
	h = snapshot_mix((k[2] | fold) ^ h, (k[3] | fold) ^ seed[0]);
	h = snapshot_mix((k[4] | fold) ^ h, (k[5] | fold) ^ seed[1]);
	return snapshot_mix((k[6] | fold) ^ h, seed[0] ^ UINT64_C(0x9e3779b97f4a7c15)); /* the golden ratio: any odd number would do */
}

/* Its lower half is where the index begins to be searched, the upper bits are the slot's. */
static inline uint32_t snapshot_tag(uint64_t hash)
{
	return (uint32_t)(hash >> (32 + SNAPSHOT_REF_BITS));
}

/* Is it the peer's, without regard to case? */
static inline bool snapshot_is_label(const struct snapshot_peer *p, const uint8_t label[KEY_BASE32])
{
	typedef uint64_t block __attribute__((vector_size(16)));
	static const size_t at[] = {0, 16, 32, KEY_BASE32 - 16}; /* the last one begins within the one before it */
	const uint64_t letter = UINT64_C(0x4040404040404040);
	block diff = {0};

	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		block want, is;

		memcpy(&want, p->label + at[i], sizeof(want));
		memcpy(&is, label + at[i], sizeof(is));
		diff |= (is | (want & letter) >> 1) ^ want; /* a letter has 0x40, and 0x20 if it is small */
	}
	return (diff[0] | diff[1]) == 0;
}

/* The strings of its TXT behind "pub=". */
static inline const uint8_t *snapshot_peer_txt(const struct snapshot_peer *p)
{
	return p->tail + p->addr_len;
}

static inline const struct snapshot_slot *snapshot_index(const struct snapshot *s)
{
	return (const struct snapshot_slot *)((const uint8_t *)s + s->index_off);
}

/* The record behind a slot; NULL if it does not lie within the peers. */
static inline const struct snapshot_peer *snapshot_peer_at(const struct snapshot *s, uint32_t ref)
{
	uint64_t off = s->peers_off + (uint64_t)(ref - 1) * SNAPSHOT_LINE;
	const struct snapshot_peer *p = (const void *)((const uint8_t *)s + off);

	if (off + sizeof(*p) > s->peers_end)
		return NULL;
	return p;
}

/* With its variable part inside the peers, too? */
static inline bool snapshot_peer_fits(const struct snapshot *s, const struct snapshot_peer *p)
{
	return snapshot_peer_txt(p) + p->txt_len <= (const uint8_t *)s + s->peers_end && (p->addr_len == 4 || p->addr_len == 16);
}

static inline const struct snapshot_peer *snapshot_next_peer(const struct snapshot *s, const struct snapshot_peer *p)
{
	const uint8_t *next = (const uint8_t *)p + snapshot_peer_size(p->addr_len, p->txt_len);

	return snapshot_peer_at(s, 1 + (uint32_t)((size_t)(next - (const uint8_t *)s) - s->peers_off) / SNAPSHOT_LINE);
}

/* Does the zone's service name stand here? Compares eight octets at a time, without regard to case; the name's length
 * is known to be right. */
static inline bool snapshot_is_service(const struct snapshot *s, const uint8_t *name)
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

/* Is there any name of that length beside the peers'? A key that is in no zone is asked for by a name that has none, as a rule. */
static inline bool snapshot_has_length(const struct snapshot *s, size_t len)
{
	return s->names_at[len] < s->names_at[len + 1];
}

/* `name` in lower case. NULL: no such name beside the peers'. */
const struct snapshot_name *snapshot_find_name(const struct snapshot *s, const uint8_t *name, size_t len);

static inline const struct range *snapshot_ranges(const struct snapshot *s, const struct snapshot_access *a)
{
	return (const struct range *)((const uint8_t *)s + a->ranges_off);
}

static inline const struct snapshot_rrset *snapshot_rrsets(const struct snapshot *s, const struct snapshot_name *n)
{
	return (const struct snapshot_rrset *)((const uint8_t *)s + n->rrsets_off);
}

#endif
