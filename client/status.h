/* The two ways of wgmeet status: what wgmeet run reports, or, where that does not run, what the device has and DNS says. */
#ifndef WGMEET_STATUS_H
#define WGMEET_STATUS_H

#include "plan.h"
#include "report.h"

/* What sync would do to the peer if a look-up ended so: a word for programs, and a clause for people. */
const char *status_action(const struct wg_peer *peer, uint32_t status, const struct endpoint *published,
    const struct plan_options *options, const char **why);

/* Prints what the daemon reports on `fd`, whose first head was read. Enters the sandbox. Returns the program's exit status. */
int status_reported(const struct settings *settings, int fd, const struct report_head *head);

#endif
