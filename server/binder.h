/* The binder: binds sockets to a device of a name again, when it has come back with another number. The kernel wants
 * CAP_NET_RAW for that, which nobody else needs, so this is a process of its own, with nothing else to do. It runs only where
 * Listen = %DEVICE asks for it.
 *
 *     rtnetlink --> observer --struct binder_msg--> binder --SO_BINDTOIFINDEX--> sockets that it shares with the workers
 */
#ifndef WGMEET_BINDER_H
#define WGMEET_BINDER_H

#include "listen.h"
#include "sandbox.h"

struct binder_msg {
	uint32_t listen;  /* the number in the configuration's list */
	uint32_t ifindex; /* 0: the device is not there */
};

/* `listeners` as listen_open() filled them, `each` for each of `workers`. Enters the sandbox, and ends with the channel. */
_Noreturn void binder_run(int channel, const struct listener *listeners, size_t workers, size_t each,
    const struct sandbox_user *user);

#endif
