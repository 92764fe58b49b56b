#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_fresh(const struct wg_peer *peer, uint64_t now_s)
{
	uint64_t then_s = peer->last_handshake_s;
	/* A handshake in the future was before the clock was set back: how long ago, nobody knows. Only a little may be noise. */
	uint64_t age_s = now_s > then_s ? now_s - then_s : then_s - now_s;

	return then_s != 0 && age_s < PLAN_FRESH_S;
}

bool plan_wants_lookup(const struct wg_peer *peer, const struct plan_options *options)
{
	return options->force || !is_fresh(peer, options->now_s);
}

struct plan plan_peer(const struct wg_peer *peer, const struct endpoint *published, const struct plan_options *options)
{
	struct plan plan = {.keepalive_s = options->keepalive_s != 0 ? options->keepalive_s : peer->keepalive_s};

	if (!plan_wants_lookup(peer, options)) {
		plan.why = "it has a working tunnel";
		return plan;
	}
	plan.set_endpoint = !endpoint_equal(&peer->endpoint, published);
	/* Without a change there is a handshake to kick off only where there never was one: the other side may have become
	 * ready since the last try. A peer that is merely idle is fine as it is. */
	if (plan.set_endpoint || peer->last_handshake_s == 0 || options->force)
		plan.kick = plan.keepalive_s != 0 ? PLAN_KEEPALIVE : PLAN_PACKET;
	if (plan.set_endpoint)
		plan.why = peer->endpoint.family == AF_UNSPEC ? "it has no endpoint yet" : "DNS has another endpoint";
	else
		plan.why = peer->last_handshake_s == 0 ? "it has this endpoint, but never had a handshake" : "it has this endpoint";
	return plan;
}

/* Without the bits behind the prefix. */
static struct wg_allowedip network_of(const struct wg_allowedip *ip)
{
	struct wg_allowedip net = *ip;

	for (unsigned i = net.cidr; i < 8 * sizeof(net.addr); i++)
		net.addr[i / 8] &= (uint8_t)~(0x80u >> i % 8);
	return net;
}

/* A network comes before those within it. */
static int by_address(const void *a, const void *b)
{
	const struct wg_allowedip *x = a, *y = b;
	int d = x->family - y->family;

	if (d == 0)
		d = memcmp(x->addr, y->addr, sizeof(x->addr));
	return d != 0 ? d : x->cidr - y->cidr;
}

int plan_tunnel_build(const struct wg_device *dev, const struct wg_allowedip *own, size_t own_len, struct plan_tunnel *out)
{
	struct wg_allowedip *nets = calloc(dev->allowed_len + own_len + 1, sizeof(*nets));
	size_t n = 0, kept = 0;

	if (nets == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < dev->allowed_len; i++)
		if (dev->allowed[i].cidr > 1)
			nets[n++] = network_of(&dev->allowed[i]);
	for (size_t i = 0; i < own_len; i++)
		nets[n++] = network_of(&own[i]);
	qsort(nets, n, sizeof(*nets), by_address);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || !allowedip_is_within(&nets[i], &nets[kept - 1]))
			nets[kept++] = nets[i];
	*out = (struct plan_tunnel){.nets = nets, .len = kept};
	return 0;
}

bool plan_tunnel_has(const struct plan_tunnel *tunnel, const struct endpoint *ep)
{
	struct wg_allowedip host = {.family = ep->family, .cidr = ep->family == AF_INET ? 32 : 128};
	size_t from = 0, to = tunnel->len;

	memcpy(host.addr, ep->addr, sizeof(host.addr));
	/* The last network that does not begin behind it. */
	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (by_address(&tunnel->nets[middle], &host) <= 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from > 0 && allowedip_is_within(&host, &tunnel->nets[from - 1]);
}

void plan_tunnel_free(struct plan_tunnel *tunnel)
{
	free(tunnel->nets);
	*tunnel = (struct plan_tunnel){0};
}
