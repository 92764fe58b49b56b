/* The resolver: a process of its own, sandboxed, which alone hears what name servers say. It knows public keys and nothing
 * else: it is forked before the device is read.
 *
 *     setter --struct lookup--> resolver --c-ares--> name servers
 *            <--struct lookup_result--
 */
#ifndef WGMEET_RESOLVE_H
#define WGMEET_RESOLVE_H

#include <sys/types.h>

#include "settings.h"
#include "reply.h"

struct lookup {
	uint32_t number; /* the setter's; it comes back with the result */
	uint8_t key[KEY_LEN];
};

struct lookup_result {
	uint32_t number;
	uint32_t status; /* enum lookup_status */
	struct endpoint endpoint;
};

struct resolver {
	int channel;
	pid_t pid;
};

/* Forks it. Dies if it cannot. */
void resolver_start(const struct settings *settings, struct resolver *out);
/* Closes the channel, which ends it, and waits for that. */
void resolver_stop(struct resolver *r);

#endif
