/* Unix sockets by path: close-on-exec, and they do not block. See unix(7). */
#ifndef WGMEET_UNIXSOCK_H
#define WGMEET_UNIXSOCK_H

#include <sys/types.h>

/* `type` is SOCK_STREAM or SOCK_SEQPACKET. Both return a descriptor, or -errno: -ENAMETOOLONG for a path that no such address has
 * room for (107 octets). */

/* -ECONNREFUSED: nobody listens there any more; -EAGAIN: too many wait already. */
int unixsock_connect(const char *path, int type);

/* Makes the socket, with `mode`: whoever may write to it may connect. -EADDRINUSE: there is something. The process's umask is
 * another one meanwhile, so no other thread may make files. */
int unixsock_listen(const char *path, int type, mode_t mode, int backlog);

#endif
