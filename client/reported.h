/* The other end of the daemon's status socket: what wgmeet run reports (report.h) is asked for, read and judged.
 *
 * Who could sit at /run/wgmeet/DEVICE/status in its place? What is in /run/wgmeet only root can change, or this user; if
 * others can, nobody is asked. So the directory below it was given to its owner by root, and only the owner can put a socket there.
 * It may be a link to somebody else's socket: so whoever listens must be root, this user or that owner, and is sent nothing before
 * that is known. What then comes is judged as a stranger's bytes are, for it may be root who reads it and not root who sends it.
 */
#ifndef WGMEET_REPORTED_H
#define WGMEET_REPORTED_H

#include "report.h"

#define REPORTED_ANSWER_MS 2000 /* so long a daemon may take to begin */

/* Asks, and waits for the head. To be called before the sandbox is entered: the directory may be another user's. Returns a descriptor,
 * or -ENOENT: no daemon runs; -EACCES: this user may not ask; -EPERM: it is not to be trusted; -ETIMEDOUT: it does not answer;
 * -EUSERS: it answers so many already; -EPROTONOSUPPORT: it is another version; -EPROTO: it talks nonsense; another -errno. */
int reported_open(const char *device, bool watch, struct report_head *head);
const char *reported_error(int err); /* a clause for people */

/* The next message: 1, or 0 the daemon has closed the socket, -ETIMEDOUT nothing came for so long (-1: waits for ever), -EPROTONOSUPPORT,
 * -EPROTO, or -EPIPE: nobody reads standard output any more. */
int reported_next(int fd, int timeout_ms, union report_message *out);

#endif
