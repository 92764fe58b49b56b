/* What a zone keeps from one build to the next: peers by key, and their TXT strings. With 100,000 peers of which one has moved
 * that is three quarters of the time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "zone.h"

/* By key the device's peers lie anywhere in memory: they are fetched before their turn. */
const struct wg_peer *zone_kept_peer(const struct zone_kept *k, const struct wg_device *dev, size_t i)
{
	if (i + 16 < k->order_len)
		__builtin_prefetch(&dev->peers[k->order[i + 16]]);
	return &dev->peers[k->order[i]];
}

static bool order_holds(const struct zone_kept *k, const struct wg_device *dev)
{
	const struct wg_peer *last = NULL;

	if (k->order_len != dev->peers_len)
		return false;
	for (size_t i = 0; i < k->order_len; i++) {
		const struct wg_peer *p = zone_kept_peer(k, dev, i);

		if (last != NULL && memcmp(last->public_key, p->public_key, KEY_LEN) >= 0)
			return false;
		last = p;
	}
	return true;
}

static int by_key_of(const void *a, const void *b, void *peers)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	const struct wg_peer *at = peers;
	int d = memcmp(at[x].public_key, at[y].public_key, KEY_LEN);

	return d != 0 ? d : x < y ? -1 : x > y;
}

static int make_order(struct zone_kept *k, const struct wg_device *dev)
{
	k->order_len = k->texts_len = 0;
	if (zone_reserve((void **)&k->order, &k->order_cap, 0, dev->peers_len, sizeof(*k->order)) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < dev->peers_len; i++)
		k->order[i] = (uint32_t)i;
	if (dev->peers_len > 0)
		qsort_r(k->order, dev->peers_len, sizeof(*k->order), by_key_of, dev->peers);
	k->order_len = dev->peers_len;
	return 0;
}

static bool texts_hold(const struct zone_kept *k, const struct wg_device *dev)
{
	if (k->texts_len != dev->peers_len || k->allowed_len != dev->allowed_len ||
	    (k->allowed_len > 0 && memcmp(k->allowed, dev->allowed, k->allowed_len * sizeof(*k->allowed)) != 0))
		return false;
	for (size_t i = 0; i < k->texts_len; i++) {
		const struct wg_peer *p = zone_kept_peer(k, dev, i);

		if (k->texts[i].allowed_off != p->allowed_off || k->texts[i].allowed_len != p->allowed_len)
			return false;
	}
	return true;
}

int zone_add_text(struct zone *z, const struct wg_allowedip *allowed, size_t len)
{
	size_t n;

	if (zone_reserve((void **)&z->txt, &z->txt_cap, z->txt_len, RECORDS_TXT_MAX, 1) < 0)
		return -ENOMEM;
	n = records_txt_allowed(allowed, len, z->txt + z->txt_len, RECORDS_TXT_MAX);
	z->txt_len += n;
	return (int)n;
}

static int make_texts(struct zone *z, const struct wg_device *dev)
{
	struct zone_kept *k = &z->kept;

	k->texts_len = k->allowed_len = 0;
	z->txt_len = 0;
	if (zone_reserve((void **)&k->texts, &k->texts_cap, 0, dev->peers_len, sizeof(*k->texts)) < 0 ||
	    zone_reserve((void **)&k->allowed, &k->allowed_cap, 0, dev->allowed_len, sizeof(*k->allowed)) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < dev->peers_len; i++) {
		const struct wg_peer *p = zone_kept_peer(k, dev, i);
		uint32_t at = (uint32_t)z->txt_len;
		int n = zone_add_text(z, dev->allowed + p->allowed_off, p->allowed_len);

		if (n < 0)
			return n;
		k->texts[i] = (struct zone_text){.allowed_off = p->allowed_off, .allowed_len = p->allowed_len, .txt_off = at,
		    .txt_len = (uint16_t)n};
	}
	if (dev->allowed_len > 0)
		memcpy(k->allowed, dev->allowed, dev->allowed_len * sizeof(*k->allowed));
	k->texts_len = dev->peers_len;
	k->allowed_len = dev->allowed_len;
	k->txt_len = z->txt_len;
	return 0;
}

int zone_keep(struct zone *z, const struct wg_device *dev)
{
	int r = order_holds(&z->kept, dev) ? 0 : make_order(&z->kept, dev);

	return r == 0 && !texts_hold(&z->kept, dev) ? make_texts(z, dev) : r;
}
