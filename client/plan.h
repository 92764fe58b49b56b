/* What shall be done about a peer: pure, and cautious. A tunnel that works is left alone. */
#ifndef WGMEET_PLAN_H
#define WGMEET_PLAN_H

#include "reply.h"
#include "wgdev.h"

/* A session is renewed after 120 s (REKEY_AFTER_TIME), which may take two tries of 5 s and some: a handshake that is
 * younger than that belongs to a tunnel that works. */
#define PLAN_FRESH_S 135

struct plan_options {
	uint64_t now_s;
	uint16_t keepalive_s; /* to give; 0: keep */
	bool force;
};

/* Is there any use in looking the peer up? */
bool plan_wants_lookup(const struct wg_peer *peer, const struct plan_options *options);

enum plan_kick {
	PLAN_NO_KICK,
	PLAN_KEEPALIVE, /* from 0 to keepalive_s */
	PLAN_PACKET,    /* to one of its allowed IPs */
};

struct plan {
	bool set_endpoint;
	enum plan_kick kick;
	uint16_t keepalive_s;
	const char *why; /* a clause for people */
};

/* `published` is what DNS says; `peer` what the device said. */
struct plan plan_peer(const struct wg_peer *peer, const struct endpoint *published, const struct plan_options *options);

/* The networks that the device carries itself, to a peer or as its own. What is sent to an endpoint in there would go round in
 * circles. Default routes and their halves do not count: who has them has also seen to it that WireGuard's own packets go
 * elsewhere. In order, and none within another. */
struct plan_tunnel {
	struct wg_allowedip *nets;
	size_t len;
};

/* 0 or -ENOMEM. */
int plan_tunnel_build(const struct wg_device *dev, const struct wg_allowedip *own, size_t own_len, struct plan_tunnel *out);
bool plan_tunnel_has(const struct plan_tunnel *tunnel, const struct endpoint *ep);
void plan_tunnel_free(struct plan_tunnel *tunnel);

#endif
