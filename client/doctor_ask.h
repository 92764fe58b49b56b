/* A process of its own, sandboxed as the resolver is, that asks name servers about the zone: each of the settings', over UDP and over
 * TCP; and, if these are only the system's resolvers, the servers of the zone above for its delegation, and those that it is
 * delegated to.
 *
 *     setter --settings (fork)--> asker <---> name servers
 *            <--struct doctor_dns--
 *
 * It is forked before the device is read, so that it never has a secret in its memory.
 */
#ifndef WGMEET_DOCTOR_ASK_H
#define WGMEET_DOCTOR_ASK_H

#include "doctor.h"
#include "resolve.h"

struct doctor_asker {
	struct resolver process; /* of which only the channels, the mark and the process are used */
};

/* Forks it. `sister` is a resolver that has been started, whose channels it closes. Dies if it cannot. */
void doctor_ask_start(const struct settings *settings, bool system_servers, const struct resolver *sister, struct doctor_asker *out);
/* Waits for what it has to say, and for its end; that may take some 30 s. Dies if it says nothing, or what makes no sense. */
void doctor_ask_wait(struct doctor_asker *a, const struct settings *settings, struct doctor_dns *out);

/* Is all of it in range, with names that are names and addresses that are addresses? */
bool doctor_dns_is_sound(const struct doctor_dns *dns, size_t servers);

#endif
