/* A WireGuard device to read and to change, wherever it lives: in the kernel, or behind a UAPI socket. */
#ifndef WGMEET_DEVICE_H
#define WGMEET_DEVICE_H

#include "plan.h"
#include "wgdev_kernel.h"
#include "wgdev_uapi.h"

struct device {
	const char *name, *family;
	struct wgdev_kernel *kernel; /* NULL: userspace */
};

/* Opens and reads it. Both die with a message that says what to do: no such device, no capability. */
void device_open(struct device *d, const char *name, const char *family, struct wg_device *dev);
void device_read(struct device *d, struct wg_device *dev);
/* The same for a program that stays: 0 or -errno; after an error all begins anew with the next look, for the device may be made
 * anew meanwhile, even of the other kind. */
int device_look(struct device *d, struct wg_device *dev);
/* Is it an error that may pass: the device is not there, or its daemon hangs? */
bool device_may_come(int err);
_Noreturn void device_die(const struct device *d, int err);

#define DEVICE_CHANGES WGDEV_UAPI_CHANGES

/* What became of a change: 0 or -errno. A peer whose endpoint was not set is not kicked. */
struct device_changed {
	int set, kick;
};

/* Makes n changes, at most DEVICE_CHANGES. That a keepalive goes from 0 to N makes WireGuard send to the peer at once. 0; or
 * -ETIMEDOUT or -EAGAIN if the device's daemon does not answer: the changes behind that were not tried. */
int device_change(struct device *d, const struct wg_change *changes, size_t n, struct device_changed *out);
/* What is inside the tunnel: the allowed IPs of `dev`, and the networks of the device's own addresses; d NULL: without those. What
 * `out` had is freed. Dies if there is no memory. */
void device_tunnel(const struct device *d, const struct wg_device *dev, struct plan_tunnel *out);
bool device_is_up(const struct device *d); /* IFF_UP; true also if that cannot be told */
void device_close(struct device *d);

#endif
