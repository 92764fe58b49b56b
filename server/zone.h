/* A zone's content: what a device's peers come to in DNS. A pure function of the device, the configuration, the clock and
 * the host's addresses.
 *
 *     struct wg_device --zone_build()--> struct zone --snapshot_build()--> bytes for the workers
 *                                                    `--zone_print()-----> master file
 *
 * Peers are sorted by key, so the order in which a source tells them is not content. A peer without an endpoint that
 * others could reach is not in it, and neither is one that the configuration keeps out.
 */
#ifndef WGMEET_ZONE_H
#define WGMEET_ZONE_H

#include <stdio.h>

#include "config.h"
#include "ranges.h"
#include "records.h"

#define ZONE_HASH 16

struct zone_peer {
	uint8_t key[KEY_LEN];
	struct endpoint endpoint;
	uint32_t txt_off; /* its allowed IPs as strings of a TXT's RDATA, see records_txt_allowed() */
	uint16_t txt_len;
	uint16_t more_len; /* further addresses, in zone->more, with the same port */
	uint32_t more_off;
	const char *label; /* its name for people, or NULL; the configuration's */
};

/* What a zone keeps of the device it was made of, so that a change of endpoints costs little: the peers by their keys, and
 * their TXT strings, which depend on the allowed IPs alone. Only work is saved by it: the zone would be the same without. */
struct zone_kept {
	uint32_t *order; /* the device's peers, by key */
	size_t order_len, order_cap;
	struct zone_text {
		uint32_t allowed_off, allowed_len;
		uint32_t txt_off;
		uint16_t txt_len;
	} *texts; /* in that order, and so is zone->txt */
	size_t texts_len, texts_cap;
	struct wg_allowedip *allowed;
	size_t allowed_len, allowed_cap;
	size_t txt_len; /* of zone->txt: what these texts take */
};

/* Who may ask, or see lists; ranges as ranges_merge() leaves them. */
struct zone_access {
	bool everyone, tunnel;
	struct range *at;
	size_t len, cap;
};

/* What a zone depends on besides the device and the configuration. */
struct zone_world {
	uint64_t now_s;
	const struct endpoint *self; /* the host's global addresses, for Self = auto */
	size_t self_len;
	unsigned ifindex; /* of the device, 0: there is none */
};

struct zone {
	const struct zone_conf *conf;
	struct name service; /* _wireguard._udp.<zone> */
	uint32_t serial;     /* the builder's caller sets it */
	int shard; /* how deep the lists of peers are split, see records_list_name(); -1: there is none */
	uint8_t hash[ZONE_HASH];  /* of the content: everything but the serial and what follows */
	uint8_t rules[ZONE_HASH]; /* of what is no content: */
	unsigned ifindex;
	struct zone_access allow, browse;
	struct zone_access tunnel; /* all addresses of the device's peers, if those two ask for them */
	struct zone_peer *peers;
	size_t peers_len, peers_cap;
	uint8_t *txt;
	size_t txt_len, txt_cap;
	struct endpoint *more;
	size_t more_len, more_cap;
	struct zone_kept kept;
};

/* Fills `zone` anew; its arrays are reused, and what was made before is, too, where it is still true. 0 or -ENOMEM. */
int zone_build(struct zone *zone, const struct zone_conf *conf, const struct wg_device *dev, const struct zone_world *world);
void zone_free(struct zone *zone);

/* Room for `more` octets or elements behind `len` in an array like those of a zone: it at least doubles. 0 or -ENOMEM. */
int zone_reserve(void **array, size_t *cap, size_t len, size_t more, size_t size);

/* Parts of zone_build(). */

/* zone->kept and its part of zone->txt, as the device has it now. 0 or -ENOMEM. */
int zone_keep(struct zone *zone, const struct wg_device *dev);
/* The i-th of the device's peers, by key. */
const struct wg_peer *zone_kept_peer(const struct zone_kept *kept, const struct wg_device *dev, size_t i);
/* TXT strings behind zone->txt_len. Returns the octets, or -ENOMEM. */
int zone_add_text(struct zone *zone, const struct wg_allowedip *allowed, size_t len);
/* zone->hash, zone->rules. */
void zone_hash(struct zone *zone);
void zone_hash_rules(struct zone *zone);

/* Has it a name for people, or several addresses? Such a peer's records are stored whole, as those of other names are. */
static inline bool zone_peer_is_special(const struct zone_peer *p)
{
	return p->label != NULL || p->more_len > 0;
}

/* The names of a peer, at most ZONE_OWNERS; the first is the one in the list. Returns how many. */
#define ZONE_OWNERS 3
size_t zone_peer_owners(const struct zone *zone, const struct zone_peer *peer, struct name out[ZONE_OWNERS]);

/* A list of peers: some that stand next to each other, for a list's prefix is that of its peers' keys. */
struct zone_list {
	struct name owner;
	size_t first, len;
};

/* The list that begins with peer `first`. False behind the last peer, or if there is no list. An RRset is whole or absent:
 * with more peers than ListMax the lists are split, as deep as it takes. */
bool zone_list_at(const struct zone *zone, size_t first, struct zone_list *out);

/* Writes it as a master file (RFC 1035 section 5), by ldns. 0 or -errno. */
int zone_print(const struct zone *zone, FILE *out);

/* The records of all names but those of the peers and without the list of them, as an ldns_rr_list, sorted by owner and
 * type. NULL: out of memory. */
struct ldns_struct_rr_list;
struct ldns_struct_rr_list *zone_static_records(const struct zone *zone);

/* Moves the serial on: RFC 1982 section 3.2, but to the clock where that is ahead. */
uint32_t zone_next_serial(uint32_t serial, int64_t now_s);

#endif
