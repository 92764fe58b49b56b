/* The resolver: a process of its own, sandboxed, which alone hears what name servers say. It knows public keys and nothing
 * else: it is forked before the device is read.
 *
 *     setter --struct lookup--> resolver --c-ares--> name servers
 *            <--struct lookup_result--
 *
 * A question has one result, but a list: one for each peer, each with `more`, and at last one without, which tells of how
 * many lists the peers came and how many of them failed. Then its status is a failed one's, whose name is `instance`.
 */
#ifndef WGMEET_RESOLVE_H
#define WGMEET_RESOLVE_H

#include <sys/types.h>

#include "reply.h"
#include "settings.h"

#define LOOKUP_PEERS_MAX (1u << 21) /* results of all lists: twice the peers that a device can have */

enum lookup_kind {
	LOOKUP_KEY,  /* a peer by its public key */
	LOOKUP_NAME, /* an instance's whole name */
	LOOKUP_LIST, /* all instances of the zone; one such question at a time */
};

struct lookup {
	uint32_t number; /* the asker's; it comes back with the result */
	uint32_t kind;
	uint32_t with_txt; /* a TXT record that did not come with the answer is asked for */
	uint8_t key[KEY_LEN];
	struct name name;
};

struct lookup_result {
	uint32_t number;
	uint32_t status; /* enum lookup_status */
	uint32_t ttl_s;
	uint32_t more;
	uint32_t lists, lists_failed;
	uint32_t unroutable; /* addresses that were passed over: this host has no route to them */
	uint32_t has_key;
	uint8_t key[KEY_LEN];
	struct endpoint endpoint;
	struct name instance;
	char allowed[REPLY_ALLOWED];
};

/* Comes with a socket that the resolver wants prepared, and goes back to it. */
struct socket_wish {
	uint32_t udp; /* to ask servers with */
	int32_t room; /* -1: failed; else how many questions and answers its buffers hold */
};

struct resolver {
	int channel;
	int socket_channel; /* where it asks for what its sockets need, see struct socket_wish */
	uint32_t fwmark;
	pid_t pid;
};

/* Forks it. Dies if it cannot. */
void resolver_start(const struct settings *settings, struct resolver *out);
/* Closes the channel, which ends it, and waits for that. */
void resolver_stop(struct resolver *r);

/* Asks all n questions, as many at once as the resolver takes, and calls on_result for each result, judged again; and
 * on_wait, which may be NULL, before it waits for more of them. Their numbers are their places. Dies if the resolver does, after
 * on_wait. */
typedef void resolver_fn(const struct lookup *question, const struct lookup_result *result, void *data);
typedef void resolver_wait_fn(void *data);
void resolver_ask(struct resolver *r, struct lookup *questions, size_t n, resolver_fn *on_result, resolver_wait_fn *on_wait,
    void *data);

#endif
