/* Which files a process may touch, as the kernel's Landlock holds it to, whoever its user is: all may be read, or none; below
 * one directory it may write. Nothing may be executed. And, where the kernel is new enough: no TCP connection is made or
 * awaited, no signal goes to another program, and no abstract socket of one is connected to.
 *
 * What was opened before stays as it is. An older kernel holds it to less, or to nothing: then the user's rights remain.
 */
#ifndef WGMEET_LANDLOCK_H
#define WGMEET_LANDLOCK_H

#include <stdbool.h>

/* `writable`: a directory, or NULL. `tcp`: connections may be made. no_new_privs is set already. */
void landlock_enter(bool reads, const char *writable, bool tcp);

#endif
