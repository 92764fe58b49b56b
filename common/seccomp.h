/* Which system calls each role may make: a table a role, read by the kernel at every call. What is not in it ends the process
 * with SIGSYS, and the log names the call.
 *
 *     call --in the table--> done, or an error where the table says so
 *          --not there--> SIGSYS, whose handler says which call it was --> the call again: killed
 *          --of another architecture--> killed
 */
#ifndef WGMEET_SECCOMP_H
#define WGMEET_SECCOMP_H

#include "sandbox.h"

/* The last act of sandbox_enter(). no_new_privs is set already. Dies if the kernel cannot do it. */
void seccomp_enter(enum sandbox_role role);

#endif
