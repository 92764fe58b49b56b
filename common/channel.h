/* Fixed-size messages between two of our own processes, over a SOCK_SEQPACKET pair: whole or not at all, in order,
 * at most one descriptor with each. A closed peer ends the loop of whoever reads. A message of the wrong size is a
 * broken sister process, and fatal.
 */
#ifndef WGMEET_CHANNEL_H
#define WGMEET_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

/* Close-on-exec, not blocking. Dies if it cannot be had. */
void channel_pair(int fd[2]);

/* fd -1: none. 0, -EAGAIN the other side is busy, -EPIPE it is gone, another -errno. */
int channel_send(int channel, const void *msg, size_t len, int fd);

/* 1: `msg` is filled; *fd is -1 or a descriptor that is now the caller's (fd may be NULL: none is expected).
 * 0: the other side is gone. -EAGAIN: nothing there. Dies on a message that is not exactly len long. */
int channel_recv(int channel, void *msg, size_t len, int *fd);

#endif
