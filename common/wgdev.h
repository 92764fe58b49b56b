/* The model of a WireGuard device that everything else works on: what DNS and the client need of it.
 *
 * There is no field for a private or a preshared key, here or anywhere: the parsers step over those bytes and wipe
 * the buffer that held them. Peers and allowed IPs are flat arrays, kept and reused from one dump to the next:
 *
 *     peers     [ peer 0 | peer 1 | ... ]           in the source's order
 *     allowed   [ ip ip | ip | ... ]                peer i has allowed[i.allowed_off ... + i.allowed_len]
 *
 * Three sources fill it: the kernel (wgdev_kernel.h), a userspace daemon (wgdev_uapi.h), and a file in the form of
 * `wg show DEV dump` (wgdev_dump.h).
 */
#ifndef WGMEET_WGDEV_H
#define WGMEET_WGDEV_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"
#include "key.h"

struct wg_allowedip {
	uint8_t addr[16]; /* network order */
	uint8_t family;   /* AF_INET or AF_INET6 */
	uint8_t cidr;     /* at most 32 or 128 */
};

struct wg_peer {
	uint8_t public_key[KEY_LEN];
	struct endpoint endpoint;
	uint64_t last_handshake_s; /* CLOCK_REALTIME; 0: never; may lie in the future after a clock step */
	uint64_t rx_bytes, tx_bytes;
	uint32_t allowed_off, allowed_len;
	uint16_t keepalive_s; /* 0: off */
};

struct wg_device {
	char name[IFNAMSIZ];
	unsigned ifindex;            /* 0: unknown (file) */
	uint8_t public_key[KEY_LEN]; /* all zero: none */
	uint16_t listen_port;
	bool has_public_key;
	struct wg_peer *peers;
	size_t peers_len, peers_cap;
	struct wg_allowedip *allowed;
	size_t allowed_len, allowed_cap;
};

/* Forgets the contents, keeps the arrays. A zeroed struct is a valid empty device. */
void wgdev_reset(struct wg_device *dev);
void wgdev_free(struct wg_device *dev);
void wgdev_swap(struct wg_device *a, struct wg_device *b);

/* The new peer is zeroed; NULL: out of memory. A pointer is good until the next peer is added. */
struct wg_peer *wgdev_add_peer(struct wg_device *dev, const uint8_t public_key[KEY_LEN]);
/* To the peer that was added last. 0 or -ENOMEM. */
int wgdev_add_allowedip(struct wg_device *dev, const struct wg_allowedip *ip);

const struct wg_peer *wgdev_find_peer(const struct wg_device *dev, const uint8_t public_key[KEY_LEN]);
/* The peer that the device sends packets for that address to: of the longest prefix that has it. NULL: none. */
const struct wg_peer *wgdev_peer_of(const struct wg_device *dev, const struct endpoint *address);

/* Is all that a zone depends on the same: the interface, keys, endpoints, allowed IPs, in the same order? */
bool wgdev_same_public(const struct wg_device *a, const struct wg_device *b);

/* What can be changed about a peer. */
struct wg_change {
	uint8_t public_key[KEY_LEN];
	struct endpoint endpoint; /* AF_UNSPEC: it stays */
	uint16_t keepalive_s;     /* set to 0 and then to this, which starts a handshake; 0: it stays */
};

#define ALLOWEDIP_TEXT 52
/* "10.0.0.1/32". False if it is no CIDR; bits behind the prefix are cleared, as wg(8) and the kernel do. */
bool allowedip_from_text(const char *text, struct wg_allowedip *out);
/* Is all of `ip` in `net`? */
bool allowedip_is_within(const struct wg_allowedip *ip, const struct wg_allowedip *net);
const char *allowedip_to_text(const struct wg_allowedip *ip, char out[ALLOWEDIP_TEXT]);

#endif
