/* The hashes that tell whether a zone is the one that was published last. */
#include <sodium/crypto_generichash.h>
#include <string.h>

#include "zone.h"

/* What is hashed comes in many small pieces, and each call costs as much as the octets do. */
struct hasher {
	crypto_generichash_state state;
	size_t len;
	uint8_t buf[4096];
};

static void hash_begin(struct hasher *h)
{
	h->len = 0;
	crypto_generichash_init(&h->state, NULL, 0, ZONE_HASH);
}

static void hash_bytes(struct hasher *h, const void *bytes, size_t len)
{
	if (len > sizeof(h->buf) - h->len) {
		crypto_generichash_update(&h->state, h->buf, h->len);
		h->len = 0;
	}
	if (len > sizeof(h->buf)) {
		crypto_generichash_update(&h->state, bytes, len);
		return;
	}
	if (len > 0)
		memcpy(h->buf + h->len, bytes, len);
	h->len += len;
}

static void hash_end(struct hasher *h, uint8_t out[ZONE_HASH])
{
	crypto_generichash_update(&h->state, h->buf, h->len);
	crypto_generichash_final(&h->state, out, ZONE_HASH);
}

static void hash_u32(struct hasher *h, uint64_t v)
{
	uint32_t x = (uint32_t)v;

	hash_bytes(h, &x, sizeof(x));
}

static void hash_address(struct hasher *h, const struct endpoint *ep)
{
	hash_u32(h, ep->family);
	hash_bytes(h, ep->addr, sizeof(ep->addr));
}

static void hash_peer(struct hasher *h, const struct zone *z, const struct zone_peer *p)
{
	size_t label_len = p->label != NULL ? strlen(p->label) : 0;

	hash_bytes(h, p->key, KEY_LEN);
	hash_address(h, &p->endpoint);
	hash_u32(h, p->endpoint.port);
	hash_u32(h, p->more_len);
	for (size_t j = 0; j < p->more_len; j++)
		hash_address(h, &z->more[p->more_off + j]);
	hash_u32(h, label_len);
	hash_bytes(h, p->label, label_len);
	hash_u32(h, p->txt_len);
	hash_bytes(h, z->txt + p->txt_off, p->txt_len);
}

/* Every field with its length or at a fixed length, so that no two zones read the same. */
void zone_hash(struct zone *z)
{
	const struct zone_conf *conf = z->conf;
	struct hasher h;

	hash_begin(&h);
	hash_u32(&h, 1); /* the version of what a zone with this content looks like */
	hash_u32(&h, conf->name.len);
	hash_bytes(&h, conf->name.wire, conf->name.len);
	hash_u32(&h, conf->ttl_s);
	hash_u32(&h, conf->padded_names);
	hash_u32(&h, (uint64_t)z->shard);
	hash_u32(&h, conf->name_servers.len);
	for (size_t i = 0; i < conf->name_servers.len; i++) {
		const struct name_server *ns = &conf->name_servers.at[i];

		hash_u32(&h, ns->name.len);
		hash_bytes(&h, ns->name.wire, ns->name.len);
		if (!name_is_within(&ns->name, &conf->name))
			continue; /* its addresses are another zone's */
		hash_u32(&h, ns->addrs_len);
		for (size_t j = 0; j < ns->addrs_len; j++)
			hash_address(&h, &ns->addrs[j]);
	}
	for (size_t i = 0; i < z->peers_len; i++)
		hash_peer(&h, z, &z->peers[i]);
	hash_end(&h, z->hash);
}

static void hash_access(struct hasher *h, const struct zone_access *a)
{
	hash_u32(h, a->everyone);
	hash_u32(h, a->tunnel);
	hash_u32(h, a->len);
	hash_bytes(h, a->at, a->len * sizeof(*a->at));
}

void zone_hash_rules(struct zone *z)
{
	struct hasher h;

	hash_begin(&h);
	hash_u32(&h, z->ifindex);
	hash_access(&h, &z->allow);
	hash_access(&h, &z->browse);
	hash_access(&h, &z->tunnel);
	hash_end(&h, z->rules);
}
