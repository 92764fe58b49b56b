/* Pokes: empty UDP packets to a peer's own address, through the tunnel. WireGuard begins a handshake for one if there is no session,
 * and whoever is there mostly answers it by ICMP at once, because nobody listens at that port (9, discard).
 */
#ifndef WGMEET_POKE_H
#define WGMEET_POKE_H

#include <poll.h>

#include "wgdev.h"

#define POKE_FDS  2   /* of IPv4 and of IPv6 */
#define POKE_SENT 256 /* the last ones, whose answers are known as such */

struct poker {
	int fds[POKE_FDS]; /* -1: not open */
	char device[IFNAMSIZ];
	struct poke {
		struct endpoint to;
		uint8_t key[KEY_LEN];
	} sent[POKE_SENT];
	unsigned next;
};

/* What is sent goes through that device, whatever the routes say. */
void poke_open(struct poker *p, const char *device);
/* To the address of the peer with that key which is the least likely to be another's in part. 0; -EADDRNOTAVAIL: it has none; another
 * -errno. */
int poke_send(struct poker *p, const uint8_t key[KEY_LEN], const struct wg_allowedip *ips, size_t len);
void poke_fill(const struct poker *p, struct pollfd fds[POKE_FDS]);
/* One answer: the key of whom it is from. False: there is none. */
bool poke_take(struct poker *p, uint8_t key[KEY_LEN]);
/* The device may be made anew: the next poke goes through the one that is there then. */
void poke_close(struct poker *p);

#endif
