/* A NOTIFY as wgmeetd sends it. */
#ifndef WGMEET_TEST_PUSH_MESSAGE_H
#define WGMEET_TEST_PUSH_MESSAGE_H

#include <check.h>

#include "push.h"
#include "wire.h"

#define PUSH_HEADER 12
#define PUSH_FLAGS  0x2400 /* opcode 4, AA */

struct push_message {
	uint8_t octets[2 * PUSH_MAX];
	size_t len;
};

static inline struct push_message push_message(uint16_t id, const struct name *name)
{
	struct push_message m = {.len = 0};
	struct wire_writer w = {.buf = m.octets, .cap = PUSH_MAX};

	wire_put16(&w, id);
	wire_put16(&w, PUSH_FLAGS);
	wire_put32(&w, 1 << 16);
	wire_put32(&w, 0);
	wire_put(&w, name->wire, name->len);
	wire_put32(&w, 33 << 16 | 1);
	ck_assert(!w.bad);
	m.len = w.at;
	return m;
}

#endif
