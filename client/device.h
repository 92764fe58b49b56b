/* A WireGuard device to read and to change, wherever it lives: in the kernel, or behind a UAPI socket. */
#ifndef WGMEET_DEVICE_H
#define WGMEET_DEVICE_H

#include "wgdev_kernel.h"
#include "wgdev_uapi.h"

struct device {
	const char *name;
	struct wgdev_kernel *kernel; /* NULL: userspace */
};

/* Opens and reads it. Both die with a message that says what to do: no such device, no capability. */
void device_open(struct device *d, const char *name, const char *family, struct wg_device *dev);
void device_read(struct device *d, struct wg_device *dev);
/* 0 or -errno; dies if the device's daemon does not answer. */
int device_set_endpoint(struct device *d, const uint8_t key[KEY_LEN], const struct endpoint *ep);
/* Makes WireGuard send to the peer at once, by its keepalive going from 0 to keepalive_s. */
int device_kick(struct device *d, const uint8_t key[KEY_LEN], uint16_t keepalive_s);
/* The same for a peer without a keepalive: an empty packet to one of its allowed IPs, through the device. -EADDRNOTAVAIL:
 * it has none. */
int device_poke(struct device *d, const struct wg_allowedip *ips, size_t len);
/* The networks of the device's own addresses. Returns how many, at most cap. */
size_t device_networks(const struct device *d, struct wg_allowedip *out, size_t cap);
bool device_is_up(const struct device *d); /* IFF_UP; true also if that cannot be told */
void device_close(struct device *d);

#endif
