/* The resolver: a process of its own, sandboxed, which alone hears what name servers say. It knows public keys and nothing
 * else: it is forked before the device is read.
 *
 *     setter --struct lookup-----------> resolver --c-ares--> name servers
 *            <--struct lookup_result----
 *            --struct resolver_control->
 *            <--struct push-------------          <--NOTIFY--
 *
 * A question has one result, but a list: one for each peer, each with `more`, and at last one without, which tells of how
 * many lists the peers came and how many of them failed. Then its status is a failed one's, whose name is `instance`.
 */
#ifndef WGMEET_RESOLVE_H
#define WGMEET_RESOLVE_H

#include <poll.h>
#include <sys/types.h>

#include "push.h"
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
	uint32_t server;   /* 0: any, one after the other; n: the settings' n-th, from 1, and no other in its place */
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

/* Comes with a socket that the resolver wants prepared, and goes back to it. Or says that a control is done. */
struct socket_wish {
	uint32_t udp;  /* to ask servers with */
	int32_t room;  /* -1: failed; else how many questions and answers its buffers hold. Of a control: 0 or -errno */
	uint32_t done; /* the control's number; 0: it is about a socket */
};

enum resolver_control_kind {
	CONTROL_DEAF,  /* the sockets that NOTIFY came to are closed */
	CONTROL_HEAR,  /* comes with one more */
	CONTROL_USE,   /* another zone, other servers, another mark */
	CONTROL_RENEW, /* the sockets that servers are asked with are made anew */
};

#define RESOLVER_EARS 2 /* sockets that NOTIFY comes to: of IPv4 and of IPv6 */

/* What else the resolver is told to do. */
struct resolver_control {
	uint32_t what;
	uint32_t number; /* not 0 */
	uint32_t fwmark;
	struct name zone;
	struct server_list servers;
};

struct resolver {
	int channel;
	int socket_channel; /* where it asks for what its sockets need, see struct socket_wish */
	int control;        /* where it is told what else to do, and passes NOTIFY on */
	uint32_t fwmark;
	uint32_t told, done;        /* controls: the last one, and the last one that is done */
	int result;                 /* of that */
	struct server_list servers; /* who may send NOTIFY */
	pid_t pid;
};

/* Forks it. Dies if it cannot. It has all that the caller has open, so that should not be more than its messages go to. */
void resolver_start(const struct settings *settings, struct resolver *out);
/* Closes the channels, which ends it, and waits for that. */
void resolver_stop(struct resolver *r);

/* Asks all n questions, as many at once as the resolver takes, and calls on_result for each result, judged again; and
 * on_wait, which may be NULL, before it waits for more of them. Their numbers are their places. Dies if the resolver does, after
 * on_wait. */
typedef void resolver_fn(const struct lookup *question, const struct lookup_result *result, void *data);
typedef void resolver_wait_fn(void *data);
void resolver_ask(struct resolver *r, struct lookup *questions, size_t n, resolver_fn *on_result, resolver_wait_fn *on_wait,
    void *data);

/* ---- for a program that waits for other things, too ----
 *
 *     resolver_fill(), poll(2); for any of them: resolver_serve(), then take until there is none
 *
 * resolver_listen(), resolver_use() and resolver_renew() wait until it is done, which takes a moment; the others never wait. All of
 * them die if the resolver says what it cannot say, or does not do in 10 s what it is told. */

#define RESOLVER_FDS 3

/* What to wait on. want_room: also for room for another question. */
void resolver_fill(const struct resolver *r, bool want_room, struct pollfd p[RESOLVER_FDS]);

/* Asks one question, which is not LOOKUP_LIST. 0, -EAGAIN there is no room now, -EPIPE the resolver is gone. */
int resolver_post(struct resolver *r, const struct lookup *q);
/* One result, in no order: 1, -EAGAIN there is none, 0 the resolver is gone, and all that it said was taken. It is judged again, but for
 * its number, which is the asker's to judge: any. */
int resolver_take(struct resolver *r, struct lookup_result *out);
/* One NOTIFY, the same. It is from one of the servers, and names a key; whose that is, and whether it comes too often, is the
 * caller's to judge (an honest resolver passes on what push_admit() lets through). */
int resolver_take_push(struct resolver *r, struct push *out);
/* Does what its sockets need. It stands still until then, so without delay. False: it is gone. */
bool resolver_serve(struct resolver *r);

/* NOTIFY is heard at that UDP port from now on, on that device only, and as long as that device is there: another one of the same
 * name takes another call. Device "" or port 0: nowhere. A family that the host has not is passed over. 0; -ENODEV; -EADDRINUSE:
 * another program has the port; -EACCES: below 1024; -EPIPE; another -errno. If it fails, nothing is heard. */
int resolver_listen(struct resolver *r, const char *device, uint16_t port);
/* The settings' zone, servers and mark are used from now on. 0; -EBUSY: a question is in flight; -EINVAL: there are no servers, and the
 * system's cannot be read any more (dns_system_servers() can); -EPIPE. If it fails, nothing is changed. */
int resolver_use(struct resolver *r, const struct settings *s);
/* For when this host's addresses or routes have changed: a socket keeps the address that it has. Servers are asked from new sockets from now
 * on, also what is in flight. 0 or -EPIPE. */
int resolver_renew(struct resolver *r);

#endif
