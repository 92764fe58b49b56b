/* A device from a file in the form of `wg show DEV dump` (wireguard-tools, show.c dump_print()), tab-separated:
 *
 *     private-key  public-key  listen-port  fwmark
 *     public-key   preshared-key  endpoint  allowed-ips  latest-handshake  rx  tx  persistent-keepalive
 *
 * For a registry that shall not have the capability, and for trying things out without WireGuard. Whoever writes it
 * replaces it by rename(2); it is read again when its inode, size or time changed. The key columns of secrets
 * are stepped over, whatever they hold, and the buffer is wiped.
 */
#ifndef WGMEET_WGDEV_DUMP_H
#define WGMEET_WGDEV_DUMP_H

#include "wgdev.h"

/* Which version of the file was read. */
struct wgdev_dump_stamp {
	uint64_t dev, ino, size;
	int64_t mtime_ns, ctime_ns;
};

/* 0: read. 1: unchanged since `stamp`, dev untouched. -ENOENT: not there. -EBADMSG: *line is the first line that is
 * wrong (from 1), *what says why. Another -errno. */
int wgdev_dump_read(const char *path, struct wgdev_dump_stamp *stamp, struct wg_device *dev, size_t *line,
    const char **what);

/* Parses text[0 ... len - 1] and wipes it. 0, -ENOMEM, -EBADMSG. */
int wgdev_dump_parse(char *text, size_t len, struct wg_device *dev, size_t *line, const char **what);

#endif
