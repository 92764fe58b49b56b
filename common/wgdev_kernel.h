/* The kernel's WireGuard over generic netlink (drivers/net/wireguard/netlink.c). libmnl is used in this module alone.
 *
 * Needs CAP_NET_ADMIN in the network namespace of the caller. A dump spans messages, and a peer whose allowed IPs
 * do not fit goes on in the next entry; see the .c file. `family` is the generic netlink family's name: "wireguard",
 * or that of a fork with the same attributes ("amneziawg").
 */
#ifndef WGMEET_WGDEV_KERNEL_H
#define WGMEET_WGDEV_KERNEL_H

#include <sys/types.h>

#include "wgdev.h"

struct nlmsghdr;

#define WGDEV_KERNEL_FAMILY "wireguard"

struct wgdev_kernel; /* an open netlink socket, the family's id and a buffer */

/* 0, or: -ENOENT the kernel has no such family (module not there), -ENOMEM, another -errno. */
int wgdev_kernel_open(const char *family, struct wgdev_kernel **out);
void wgdev_kernel_close(struct wgdev_kernel *k);

/* Fills `dev` anew. 0, or: -ENODEV no such device, -EOPNOTSUPP a device but not WireGuard's, -EPERM without the
 * capability, -EINTR the device kept changing during each of several tries, another -errno. The buffer that
 * held the keys is wiped whatever happens. */
int wgdev_kernel_dump(struct wgdev_kernel *k, const char *name, struct wg_device *dev);

/* The steps of a dump, over bytes. Parses one message of an answer to WG_CMD_GET_DEVICE into `dev`.
 * 0 or -EBADMSG, -ENOMEM. */
int wgdev_kernel_parse(const struct nlmsghdr *nlh, struct wg_device *dev);

/* What a change may consist of: an endpoint and nothing else, or a kick and nothing else. Always with
 * WGPEER_F_UPDATE_ONLY: a peer that was removed meanwhile is not created again. Neither message has a field for
 * the private key, the port or the fwmark. Returns the message's length; 0 if it does not fit into cap.
 *
 * The kick is the peer twice in one message, with keepalive 0 and then with keepalive_s: the interval that goes from
 * 0 to N on a device that is up sends a keepalive at once (set_peer() in the kernel's file). */
size_t wgdev_kernel_build_endpoint(void *buf, size_t cap, uint16_t family_id, uint32_t seq, const char *name,
    const uint8_t public_key[KEY_LEN], const struct endpoint *ep);
size_t wgdev_kernel_build_kick(void *buf, size_t cap, uint16_t family_id, uint32_t seq, const char *name,
    const uint8_t public_key[KEY_LEN], uint16_t keepalive_s);

/* Build, send, wait for the acknowledgement. 0 or -errno; 0 also for a key that the device does not have. */
int wgdev_kernel_set_endpoint(struct wgdev_kernel *k, const char *name, const uint8_t public_key[KEY_LEN],
    const struct endpoint *ep);
int wgdev_kernel_kick(struct wgdev_kernel *k, const char *name, const uint8_t public_key[KEY_LEN], uint16_t keepalive_s);

/* For tests: the next dump's n-th message is marked NLM_F_DUMP_INTR before it is looked at. Returns the number
 * of dumps that were started since the socket was opened. */
void wgdev_kernel_inject_intr(struct wgdev_kernel *k, unsigned message);
unsigned wgdev_kernel_dumps(const struct wgdev_kernel *k);

#endif
