/* Whoever asks for a peer through its zone's own device is told when what the zone says of that peer changes, by NOTIFY (RFC
 * 1996), and so need not ask all the time.
 *
 *     notify_asked()     an SRV query for a peer, there or not, that came in by the tunnel: remembered for 10 minutes
 *     notify_changed()   a zone's new snapshot is served: all that is remembered is compared with it, by notify_step()
 *     notify_next()      what is to be sent now; again 0.5, 1, 2 and 4 s later, each time after the one before, until
 *     notify_answered()  there is an answer, or the name is asked for again; if it changes again, it begins anew
 *
 *     ID | QR 0, opcode 4, AA | 1 question, no records | the name as it was asked for, but in lower case | SRV | IN
 *
 * It goes out by the listener, and from the address, that the query had come to, through the device and no other way, to the
 * address that asked. What is compared is whether there is a record, its addresses, and its port.
 *
 * Bounds, of each worker: interest.h has those of what is remembered. At most NOTIFY_EACH_S a second go to one address, and
 * NOTIFY_ALL_S in all, NOTIFY_BURST of them at once. Of one change of one name at most 5 are sent; a change that comes while
 * the first of those waits for its answer is told in place of the first repeat.
 *
 * Workers do not know of each other. Who has asked several of them is told by each of these. And the kernel hands an answer to
 * the worker that the ports and addresses hash to, which may be a sister of the one that has sent: then the repeats run out,
 * which does no harm.
 *
 * Pure: no I/O, no clock. Times are in milliseconds, of one clock that does not go backwards.
 */
#ifndef WGMEET_NOTIFY_H
#define WGMEET_NOTIFY_H

#include "answer.h"
#include "interest.h"

#define NOTIFY_EACH_S 20
#define NOTIFY_ALL_S  1000
#define NOTIFY_BURST  50
#define NOTIFY_KEY    16

struct notify_message {
	const struct listener *listener;
	uint8_t local[16];        /* to send from, all zero: whatever the routes say */
	uint8_t to[RANGES_ADDR];
	uint16_t port;
	uint32_t ifindex;         /* of the device to send through */
	size_t len;
	uint8_t buf[DNS_HEADER + NAME_MAX_LEN + 4];
};

/* `zones` are the snapshots that are served, by the zones' numbers; a change is followed by notify_changed(). Dies if it
 * cannot have its table. */
void notify_init(const struct snapshot *const zones[ANSWER_ZONES], uint32_t worker);
/* The subscribers' port, 0: nobody is told, and nothing is remembered; and two secrets that stay the same, for hashes and for
 * IDs. IDs shall be hard to guess, and a worker can ask nobody for random numbers: they are a keyed hash of a counter. */
void notify_set(uint16_t port, const uint64_t seed[2], const uint8_t key[NOTIFY_KEY]);
bool notify_is_on(void);

/* A query that q->by_tunnel says came in by its zone's tunnel was answered; `msg` still has its question. `local` is the
 * address that it came to, all zero if that is not known. */
void notify_asked(const struct query *q, const uint8_t *msg, const struct asker *asker, const struct listener *listener,
    const uint8_t local[16], uint64_t now_ms);

/* zones[number] is another one now. Of a zone that is taken away (NULL) nothing is remembered; one that is not ready may be
 * so again. */
void notify_changed(size_t number);

/* Is there something to compare? A step of it, some 20 us. */
bool notify_has_steps(void);
void notify_step(uint64_t now_ms);

/* What is to be sent now; it counts as sent. False: nothing. */
bool notify_next(uint64_t now_ms, struct notify_message *out);
/* Has anybody something to be told, now or later? */
bool notify_is_waiting(void);
/* How long until there is something to be sent, when notify_next() has said that there is nothing now; -1: it never is. */
int notify_wait_ms(uint64_t now_ms);

/* A response: is it an answer to what was sent? A whole message, in a buffer with ANSWER_SLACK octets more. */
bool notify_answered(const struct asker *asker, uint16_t port, const uint8_t *msg, size_t len);

#endif
