/* A name server says by NOTIFY (RFC 1996) that a peer's records have changed. Pure: hostile bytes in, a key or nothing out. Read
 * in the sandboxed process.
 *
 *     ID | QR 0, opcode 4, AA | 1 question, 0 0 0 records | k._wireguard._udp.Z, padded or not | SRV | IN
 */
#ifndef WGMEET_PUSH_H
#define WGMEET_PUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "endpoint.h"
#include "key.h"
#include "name.h"

#define PUSH_MAX (12 + NAME_MAX_LEN + 4) /* octets of a message */

/* A NOTIFY as the resolver passes it on. */
struct push {
	uint8_t key[KEY_LEN];
	struct endpoint from; /* one of the settings' servers */
};

/* Is it a NOTIFY of a peer of the zone? Then *key is the peer's. No records may be in it, and nothing behind it. */
bool push_read(const uint8_t *msg, size_t len, const struct name *zone, uint8_t key[KEY_LEN]);

/* Makes a message that push_read() took its own answer, as long: what was asked, its AA as well, with QR set and rcode 0 (RFC 1996
 * section 4.7). */
void push_answer(uint8_t *msg);

#define PUSH_A_SECOND 20

/* What was passed on lately; all zeros at first. */
struct push_limit {
	struct {
		uint8_t key[KEY_LEN];
		int64_t until_ms; /* it counts */
	} last[PUSH_A_SECOND]; /* a ring */
	size_t next;
};

/* May one for that key be passed on? In any second one for each key, and PUSH_A_SECOND for all of them. now_ms never goes back. */
bool push_admit(struct push_limit *limit, const uint8_t key[KEY_LEN], int64_t now_ms);

#endif
