/* What each process may do: one table of powers, entered once and for good. Whatever does not drop is fatal.
 *
 *     role       user                  capabilities    root directory    files
 *     observer   ObserverUser          CAP_NET_ADMIN   the host's        reads; writes below the state directory
 *     reader     ObserverUser          none            the host's        the same (an observer of files only, or wgmeet status)
 *     worker     User                  none            empty             none
 *     binder     User                  CAP_NET_RAW     empty             none (binds sockets to devices)
 *     setter     as started            CAP_NET_ADMIN   the host's        reads
 *     keeper     as started            CAP_NET_ADMIN   the host's        reads; writes where its status socket is
 *     resolver   nobody                none            empty             none
 *
 * Those with the empty root have no terminal and no standard input either. All: no_new_privs, not dumpable (no ptrace(2), no
 * /proc/PID/mem by others of the same user), no core file, and no system call that the role does not need (seccomp.h).
 * A program that was not started as root keeps its user and the directory unless it has the capabilities to change them;
 * the files are out of its reach all the same where the kernel has Landlock (landlock.h).
 */
#ifndef WGMEET_SANDBOX_H
#define WGMEET_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum sandbox_role {
	SANDBOX_OBSERVER,
	SANDBOX_READER,
	SANDBOX_WORKER,
	SANDBOX_BINDER,
	SANDBOX_SETTER,
	SANDBOX_KEEPER, /* a setter that stays */
	SANDBOX_RESOLVER,
};

struct sandbox_user {
	uid_t uid;
	gid_t gid;
};

/* "name", "uid" or "uid:gid". False if there is no such user. */
bool sandbox_find_user(const char *text, struct sandbox_user *out);

/* At the very start of a program: nothing that whoever started it left open is passed on, and standard input, output and
 * error are something. SIGCHLD and SIGPIPE are as this project expects them. */
void sandbox_start(void);

/* May this process become another user? Root may, and who has CAP_SETUID and CAP_SETGID. */
bool sandbox_changes_user(void);

/* `user` NULL, or a process that may not change it: the user stays. `writable`: the directory in which it may write, or NULL. Dies
 * if anything fails. */
void sandbox_enter(enum sandbox_role role, const struct sandbox_user *user, const char *writable);

/* Now: CAP_NET_ADMIN, ... */
bool sandbox_has(int capability);

#endif
