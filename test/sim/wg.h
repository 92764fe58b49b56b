/* A model of WireGuard: handshakes, sessions, timers and counters of drivers/net/wireguard (send.c, receive.c, timers.c, noise.c),
 * without cryptography. What is authenticated is believed: a packet says who sent it.
 *
 * Not modelled: cookies, limits of message counts, and that an initiation must be newer than the last one by its sender's clock.
 */
#ifndef WGMEET_SIM_WG_H
#define WGMEET_SIM_WG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wgdev.h"

struct world;
struct host;

/* An address is a number; 0: none. */
struct place {
	uint32_t addr;
	uint16_t port;
};

#define WG_PORT 51820

/* What goes through the tunnel. */
enum load_kind {
	LOAD_NOTHING, /* a keepalive */
	LOAD_POKE,
	LOAD_REFUSAL, /* ICMP's answer to that */
	LOAD_REQUEST,
	LOAD_RESPONSE,
	LOAD_STREAM,
	LOAD_QUERY,
	LOAD_ANSWER,
	LOAD_NOTIFY,
	LOAD_NOTIFIED,
};

struct load {
	uint8_t kind, status; /* enum lookup_status */
	uint16_t len, about;
	uint32_t id, ttl_s;
	struct place at;
};

enum packet_kind { PACKET_INITIATION, PACKET_RESPONSE, PACKET_DATA };

struct packet {
	struct place from, to;
	uint16_t sender, receiver; /* hosts; who is meant may not be who gets it */
	uint8_t kind;
	uint16_t len;
	uint32_t id, answers; /* of an initiation, or of a session */
	struct load load;
};

struct keypair {
	uint32_t id; /* 0: none */
	int64_t born_ms;
	bool initiator;
};

#define WG_STAGED 16

/* One host's end of the tunnel to another one: the kernel's struct wg_peer. */
struct tunnel {
	uint16_t who;
	bool there, has_address;
	struct place endpoint;
	uint16_t keepalive_s;
	uint64_t rx, tx, handshake_s;
	struct keypair previous, current, next;
	uint32_t initiation; /* that waits for its response; 0: none */
	int64_t shook_ms;    /* sent an initiation or a response last */
	struct load staged[WG_STAGED];
	size_t staged_len;
	unsigned attempts;
	bool last_minute, another_keepalive;
	int64_t resend_ms, passive_ms, new_ms, persistent_ms; /* timers; SIM_NEVER */
	int64_t armed_ms; /* the event that is in the queue */
};

struct wg {
	bool up;
	struct tunnel **tunnels; /* to each host; NULL: there never was one */
	size_t len;
};

void wg_init(struct wg *wg, size_t hosts);
void wg_free(struct wg *wg);
struct tunnel *wg_add(struct world *w, struct host *h, uint16_t who, const struct place *endpoint, uint16_t keepalive_s);
void wg_remove(struct host *h, uint16_t who);
struct tunnel *wg_at(struct host *h, uint16_t who); /* NULL: no such peer */
void wg_set_endpoint(struct world *w, struct host *h, struct tunnel *t, const struct place *endpoint);
void wg_send_keepalive(struct world *w, struct host *h, struct tunnel *t);
void wg_set_up(struct world *w, struct host *h, bool up);
void wg_send(struct world *w, struct host *h, uint16_t to, const struct load *load);
void wg_receive(struct world *w, struct host *h, const struct packet *p);
void wg_timer(struct world *w, struct host *h, uint16_t who, int64_t at_ms);
/* As the device's dump shows it, peers in any order. */
void wg_dump(struct world *w, struct host *h, struct wg_device *out);
/* Have both ends a session that the other one knows? */
bool wg_has_session(const struct world *w, const struct host *a, const struct host *b);

#endif
