/* Tells the service manager how this program is doing, as sd_notify(3) has it: lines VARIABLE=value in one datagram, to the
 * socket that NOTIFY_SOCKET names, a path, or an abstract one ("@NAME"). Without one, all of this does nothing.
 *
 *     "READY=1"   "STOPPING=1"   "STATUS=for people"   and, between a reload and the next READY=1, ready_tell_reloading()
 */
#ifndef WGMEET_READY_H
#define WGMEET_READY_H

#include <stdbool.h>

/* Once, and before the sandbox is entered: in there Landlock lets nobody reach an abstract socket. The variable is no more
 * then. What is forked earlier has no part in it. */
void ready_open(void);

/* Never waits. False: the manager has no room now, so say it again later; what cannot be told at all counts as told. */
bool ready_tell(const char *state);
bool ready_tell_reloading(void);

#endif
