/* What sync and status have in common: a resolver, a device that was read, and a question for each peer of it.
 *
 *     fork resolver, sandbox, read device --keys--> look-ups, all at once --results--> the verb
 */
#ifndef WGMEET_SESSION_H
#define WGMEET_SESSION_H

#include "device.h"
#include "plan.h"
#include "resolve.h"

struct session {
	struct settings settings;
	struct resolver resolver;
	struct device device;
	struct wg_device dev;
	struct plan_options options;
	struct plan_tunnel tunnel;
};

/* The resolver is forked before the device is read: it shall never have had a secret in its memory. Without a device in the
 * settings there is none. */
void session_start(struct session *s);

/* Looks up all peers, or those that plan_wants_lookup() names; an endpoint inside the tunnel is none. on_wait, which may be
 * NULL, is called when all results were given that there are so far. */
typedef void session_fn(struct session *s, size_t peer, const struct lookup_result *result, void *data);
typedef void session_wait_fn(struct session *s, void *data);
void session_lookup(struct session *s, bool all, session_fn *fn, session_wait_fn *on_wait, void *data);

void session_end(struct session *s);

#endif
