#include "zone.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int zone_reserve(void **array, size_t *cap, size_t len, size_t more, size_t size)
{
	size_t want = *cap == 0 ? 64 : *cap;
	void *p;

	while (want < len + more)
		want *= 2;
	if (want == *cap)
		return 0;
	p = reallocarray(*array, want, size);
	if (p == NULL)
		return -ENOMEM;
	*array = p;
	*cap = want;
	return 0;
}

/* ---- peers ---- */

static int add_peer(struct zone *z, const uint8_t key[KEY_LEN], const struct endpoint *ep, uint32_t txt_off, uint16_t txt_len)
{
	const struct peer_conf *conf = config_find_peer(z->conf, key);
	struct zone_peer *peer;

	if (zone_reserve((void **)&z->peers, &z->peers_cap, z->peers_len, 1, sizeof(*z->peers)) < 0)
		return -ENOMEM;
	peer = &z->peers[z->peers_len++];
	memset(peer, 0, sizeof(*peer));
	memcpy(peer->key, key, KEY_LEN);
	peer->endpoint = *ep;
	peer->label = conf != NULL && conf->label[0] != '\0' ? conf->label : NULL;
	peer->txt_off = txt_off;
	peer->txt_len = txt_len;
	return 0;
}

static bool is_excluded(const struct zone_conf *conf, const struct wg_device *dev, const struct wg_peer *p)
{
	for (size_t i = 0; i < conf->exclude.len; i++)
		for (size_t j = 0; j < p->allowed_len; j++)
			if (allowedip_is_within(&dev->allowed[p->allowed_off + j], &conf->exclude.at[i]))
				return true;
	return false;
}

/* The endpoint to publish; NULL: the peer stays out. A fixed one is the configuration's word, and needs no observation. */
static const struct endpoint *choose(const struct zone_conf *conf, const struct wg_device *dev, const struct wg_peer *p,
    uint64_t now_s)
{
	const struct peer_conf *said = config_find_peer(conf, p->public_key);

	if (said != NULL ? !said->publish : conf->listed_only)
		return NULL;
	if (is_excluded(conf, dev, p))
		return NULL;
	if (said != NULL && said->endpoint.family != AF_UNSPEC)
		return &said->endpoint;
	if (!endpoint_is_reachable(&p->endpoint) || (!conf->private_endpoints && endpoint_is_private(&p->endpoint)))
		return NULL;
	if (conf->max_age_s != 0 && p->last_handshake_s + conf->max_age_s < now_s)
		return NULL;
	return &p->endpoint;
}

/* The registry's own device: at one endpoint, or at all of the host's global addresses. */
static int add_self(struct zone *z, const struct wg_device *dev, const struct zone_world *world)
{
	const struct zone_conf *conf = z->conf;
	struct endpoint first = conf->self.endpoint;
	uint32_t txt_off = (uint32_t)z->txt_len;
	int r;

	if (conf->self.is_auto && world->self_len > 0 && dev->listen_port != 0) {
		first = world->self[0];
		first.port = dev->listen_port;
	}
	if (first.family == AF_UNSPEC || !dev->has_public_key)
		return 0;
	r = zone_add_text(z, conf->self_allowed.at, conf->self_allowed.len);
	if (r >= 0)
		r = add_peer(z, dev->public_key, &first, txt_off, (uint16_t)r);
	for (size_t i = 1; r == 0 && conf->self.is_auto && i < world->self_len; i++) {
		r = zone_reserve((void **)&z->more, &z->more_cap, z->more_len, 1, sizeof(*z->more));
		if (r < 0)
			break;
		z->more[z->more_len] = world->self[i];
		z->more[z->more_len++].port = dev->listen_port;
		z->peers[z->peers_len - 1].more_len++;
	}
	return r;
}

/* A file may tell a key twice: which of two endpoints counts is not to depend on their order. */
static bool counts_before(const struct endpoint *a, const struct endpoint *b)
{
	int d = memcmp(a->addr, b->addr, sizeof(a->addr));

	return d != 0 ? d < 0 : a->port < b->port;
}

/* A device's peer goes behind the last one, or in its place. */
static int place_peer(struct zone *z, const struct wg_peer *p, const struct endpoint *ep, const struct zone_text *text)
{
	struct zone_peer *last = z->peers_len > 0 ? &z->peers[z->peers_len - 1] : NULL;

	if (last == NULL || memcmp(last->key, p->public_key, KEY_LEN) != 0)
		return add_peer(z, p->public_key, ep, text->txt_off, text->txt_len);
	if (counts_before(ep, &last->endpoint)) {
		last->endpoint = *ep;
		last->txt_off = text->txt_off;
		last->txt_len = text->txt_len;
	}
	return 0;
}

/* By key. The registry's own device has its place between them, and none of its peers takes it. */
static int add_peers(struct zone *z, const struct wg_device *dev, const struct zone_world *world)
{
	bool had_turn = false, has_self = false;

	for (size_t i = 0; i <= dev->peers_len; i++) {
		const struct wg_peer *p = i < dev->peers_len ? zone_kept_peer(&z->kept, dev, i) : NULL;
		int to_self = p != NULL ? memcmp(p->public_key, dev->public_key, KEY_LEN) : 1;
		const struct endpoint *ep;

		if (!had_turn && to_self >= 0) {
			size_t before = z->peers_len;

			had_turn = true;
			if (add_self(z, dev, world) < 0)
				return -ENOMEM;
			has_self = z->peers_len > before;
		}
		if (p == NULL || (has_self && to_self == 0))
			continue;
		ep = choose(z->conf, dev, p, world->now_s);
		if (ep != NULL && place_peer(z, p, ep, &z->kept.texts[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* How many peers, from `first` on, have a key with the same beginning: 5 bits for each character. */
static size_t run_len(const struct zone *z, size_t first, unsigned shard)
{
	size_t i = first;

	while (i < z->peers_len && key_same_prefix(z->peers[i].key, z->peers[first].key, 5 * shard))
		i++;
	return i - first;
}

/* The least depth at which no list is longer than it may be. Keys are not random to those who make them: beyond some depth
 * there are no lists. */
static int choose_shard(const struct zone *z)
{
	for (unsigned shard = 0; shard <= RECORDS_SHARD_MAX; shard++) {
		size_t first = 0, longest = 0;

		while (first < z->peers_len) {
			size_t len = run_len(z, first, shard);

			longest = len > longest ? len : longest;
			first += len;
		}
		if (longest <= z->conf->list_max)
			return (int)shard;
	}
	return -1;
}

/* ---- access ---- */

static int add_range(struct zone_access *a, const struct wg_allowedip *prefix)
{
	if (zone_reserve((void **)&a->at, &a->cap, a->len, 1, sizeof(*a->at)) < 0)
		return -ENOMEM;
	ranges_from_prefix(prefix, &a->at[a->len++]);
	return 0;
}

static int build_access(struct zone_access *a, const struct access_conf *conf)
{
	a->everyone = !conf->given || conf->all;
	a->tunnel = conf->tunnel;
	a->len = 0;
	for (size_t i = 0; i < conf->networks.len; i++)
		if (add_range(a, &conf->networks.at[i]) < 0)
			return -ENOMEM;
	a->len = ranges_merge(a->at, a->len);
	return 0;
}

/* WireGuard lets a packet in only if the most specific prefix that has its source is the sending peer's; so the addresses of
 * all peers, published or not, are all that can come in. */
static int build_tunnel(struct zone *z, const struct wg_device *dev)
{
	z->tunnel.len = 0;
	for (size_t i = 0; (z->allow.tunnel || z->browse.tunnel) && i < dev->allowed_len; i++)
		if (add_range(&z->tunnel, &dev->allowed[i]) < 0)
			return -ENOMEM;
	z->tunnel.len = ranges_merge(z->tunnel.at, z->tunnel.len);
	return 0;
}

static int build_rules(struct zone *z, const struct wg_device *dev, unsigned ifindex)
{
	z->ifindex = ifindex;
	if (build_access(&z->allow, &z->conf->allow) < 0 || build_access(&z->browse, &z->conf->browse) < 0 ||
	    build_tunnel(z, dev) < 0)
		return -ENOMEM;
	zone_hash_rules(z);
	return 0;
}

int zone_build(struct zone *z, const struct zone_conf *conf, const struct wg_device *dev, const struct zone_world *world)
{
	z->conf = conf;
	z->peers_len = z->more_len = 0;
	records_service_name(&conf->name, &z->service);
	if (build_rules(z, dev, world->ifindex) < 0 || zone_keep(z, dev) < 0)
		return -ENOMEM;
	z->txt_len = z->kept.txt_len;
	if (add_peers(z, dev, world) < 0)
		return -ENOMEM;
	z->shard = choose_shard(z);
	zone_hash(z);
	return 0;
}

void zone_free(struct zone *z)
{
	free(z->peers);
	free(z->txt);
	free(z->more);
	free(z->allow.at);
	free(z->browse.at);
	free(z->tunnel.at);
	free(z->kept.order);
	free(z->kept.texts);
	free(z->kept.allowed);
	memset(z, 0, sizeof(*z));
}

size_t zone_peer_owners(const struct zone *z, const struct zone_peer *p, struct name out[ZONE_OWNERS])
{
	size_t n = 0;

	/* RFC 6763 section 4.1.1: the name for people is the instance's, where there is one. */
	if (p->label != NULL)
		n += name_prepend(p->label, strlen(p->label), &z->service, &out[n]);
	n += records_instance_name(&z->conf->name, p->key, false, &out[n]);
	if (z->conf->padded_names)
		n += records_instance_name(&z->conf->name, p->key, true, &out[n]);
	return n;
}

bool zone_list_at(const struct zone *z, size_t first, struct zone_list *out)
{
	if (z->shard < 0 || first >= z->peers_len)
		return false;
	out->first = first;
	out->len = run_len(z, first, (unsigned)z->shard);
	return records_list_name(&z->conf->name, z->peers[first].key, (unsigned)z->shard, &out->owner);
}

uint32_t zone_next_serial(uint32_t serial, int64_t now_s)
{
	uint32_t now = (uint32_t)now_s;

	/* RFC 1982: now is ahead if it is less than half the number space away. */
	return (int32_t)(now - serial) > 0 ? now : serial + 1;
}
