#include "plan.h"

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

bool plan_is_in_tunnel(const struct wg_device *dev, const struct wg_allowedip *own, size_t own_len,
    const struct endpoint *ep)
{
	struct wg_allowedip host = {.family = ep->family, .cidr = ep->family == AF_INET ? 32 : 128};

	memcpy(host.addr, ep->addr, sizeof(host.addr));
	for (size_t i = 0; i < dev->allowed_len; i++)
		if (dev->allowed[i].cidr > 1 && allowedip_is_within(&host, &dev->allowed[i]))
			return true;
	for (size_t i = 0; i < own_len; i++)
		if (allowedip_is_within(&host, &own[i]))
			return true;
	return false;
}
