/* A userspace WireGuard (wireguard-go, boringtun) over its UAPI socket, /var/run/wireguard/NAME.sock.
 *
 * A stopped daemon still has a listening socket: it accepts and never answers. So a read is a small machine that
 * never blocks; its owner waits on `fd`, and judges by the clock:
 *
 *     start --> connected, "get=1" sent --> step, step, ... --> 0: `dev` is whole
 *                                              `-----------> -errno: closed
 *
 * The answer's secrets are stepped over, and the buffer is wiped.
 */
#ifndef WGMEET_WGDEV_UAPI_H
#define WGMEET_WGDEV_UAPI_H

#include <sys/types.h>

#include "wgdev.h"

#define WGDEV_UAPI_DIR "/var/run/wireguard"

struct wgdev_uapi {
	int fd;           /* -1: no read is under way */
	size_t have;      /* octets of an unfinished line in buf */
	bool in_peer;     /* a public_key= was seen */
	char buf[4096];   /* longer than the longest line there is */
};

/* Is there a socket of that name? It may be stale. */
bool wgdev_uapi_exists(const char *name);

/* Whose is it? Only its owner may use it, mostly. False if there is none. */
bool wgdev_uapi_owner(const char *name, uid_t *uid, gid_t *gid);

/* Begins a read; `dev` is reset. 0, or -ENOENT no socket, -ECONNREFUSED a stale one, -EACCES not for us, -EAGAIN
 * the daemon's queue is full (it hangs), another -errno. */
int wgdev_uapi_start(struct wgdev_uapi *u, const char *name, struct wg_device *dev);
/* 0: done and closed. -EAGAIN: wait for u->fd. Another -errno: failed and closed; -EBADMSG for an answer that is
 * none, -ECONNRESET for one that ends early. */
int wgdev_uapi_step(struct wgdev_uapi *u, struct wg_device *dev);
void wgdev_uapi_close(struct wgdev_uapi *u);

/* One line without its newline, as step() takes them. 0 go on, 1 the end (errno=0), or -errno. Wipes nothing. */
int wgdev_uapi_line(struct wgdev_uapi *u, const char *line, struct wg_device *dev);

/* The whole read, for a program that has nothing else to do. -ETIMEDOUT after timeout_ms. */
int wgdev_uapi_read(const char *name, int timeout_ms, struct wg_device *dev);

#define WGDEV_UAPI_CHANGES 64 /* in one request at most */

/* As in wgdev_kernel.h, with update_only=true; all changes in one request. 0 or -errno: then some of them may be made. */
int wgdev_uapi_set(const char *name, int timeout_ms, const struct wg_change *changes, size_t n);

/* The request's text. Returns its length, 0 if there is nothing to change or no room. */
size_t wgdev_uapi_format(char *buf, size_t cap, const struct wg_change *changes, size_t n);

#endif
