/* A worker: the process that faces the network. It holds its sockets, one channel from the observer, and the snapshots that
 * came over it, and what it counts in, which the observer reads; no name in the file system, no capability, no heap of its own
 * once it runs.
 *
 *     channel: a zone's new snapshot --> map, check in steps, point, unmap the old one     (between two batches)
 *     UDP: 64 queries at a time, answered in place      TCP: a table of connections
 */
#ifndef WGMEET_WORKER_H
#define WGMEET_WORKER_H

#include "answer.h"
#include "counters.h"
#include "listen.h"
#include "notify.h"
#include "sandbox.h"

/* From the observer. */
struct worker_msg {
	enum worker_what {
		WORKER_ZONE,   /* with the descriptor of a snapshot; without one the zone is no longer served */
		WORKER_LIMITS, /* and the cookies' secrets, and what notify_set() wants */
	} what;
	uint32_t zone;
	uint32_t rate, slip; /* see rrl_set() */
	uint64_t seed[2];
	struct cookie_secrets secrets;
	uint16_t notify_port;
	uint8_t notify_key[NOTIFY_KEY];
};

/* Enters the sandbox and serves until the observer is gone. What a stranger did is only counted. */
_Noreturn void worker_run(unsigned number, int channel, struct listener *listeners, size_t listeners_len,
    size_t zones_len, const struct sandbox_user *user, struct counters *counters);

/* udp.c. Once, before udp_serve(). */
void udp_init(void);
/* Receives, answers and sends until the socket is empty or it was fair to the others. */
void udp_serve(const struct listener *l, const struct answer_world *world, struct counters *c);
/* Tells whoever is to be told now. Returns the milliseconds until the next one is, -1 if there is none. */
int udp_notify(struct counters *c);

/* tcp.c: `epoll` gets the connections, with data TCP_EVENT + the connection's number. */
#define TCP_EVENT UINT64_C(0x100000000)
void tcp_init(int epoll);
void tcp_accept(const struct listener *l, struct counters *c);
void tcp_event(uint32_t conn, const struct answer_world *world, struct counters *c);
/* Cuts what is past its deadline. Returns the milliseconds until the next one, -1 if there is none. */
int tcp_expire(struct counters *c);
#define TCP_IDLE_MS 10000

uint64_t worker_now_ms(void); /* CLOCK_MONOTONIC_COARSE's */

#endif
