/* Does this host's firewall drop what comes to WireGuard? A packet socket sees packets before the firewall does, and the device
 * counts what it got: packets from a peer that were seen and not counted were dropped in between, or could not be read. */
#ifndef WGMEET_DOCTOR_TAP_H
#define WGMEET_DOCTOR_TAP_H

#include "endpoint.h"

/* Before the sandbox, for it takes CAP_NET_RAW; hears nothing yet. Returns a descriptor or -errno. */
int doctor_tap_open(void);
/* From now on it hears what comes to that UDP port. 0 or -errno. */
int doctor_tap_start(int fd, uint16_t port);
/* Takes what was heard, and counts WireGuard's messages from there. Never waits. */
unsigned doctor_tap_count(int fd, const struct endpoint *from);

/* One packet from its IP header on: is it a message of WireGuard's from there? */
bool doctor_tap_is_from(const uint8_t *packet, size_t len, const struct endpoint *from);

#endif
