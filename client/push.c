#include "push.h"

#include <string.h>

#include "records.h"
#include "reply.h"
#include "wire.h"

#define HEADER      12
#define FLAG_QR     0x80 /* of the third octet */
#define OPCODE      0x78
#define NOTIFY      (4 << 3)
#define RCODE       0x0f /* of the fourth */
#define TYPE_SRV    33
#define CLASS_IN    1
#define A_SECOND_MS 1000

/* In lower case, as all stored names are. A pointer is too long for a label: nothing stands before this name to point at. */
static bool read_name(struct wire_reader *r, struct name *out)
{
	size_t at = 0;
	uint8_t n;

	do {
		const uint8_t *label;

		n = wire_get8(r);
		label = wire_skip(r, n);
		if (label == NULL || n > NAME_LABEL || at + 1 + n > NAME_MAX_LEN)
			return false;
		out->wire[at++] = n;
		for (size_t i = 0; i < n; i++)
			out->wire[at++] = name_lower(label[i]);
	} while (n > 0);
	out->len = (uint8_t)at;
	return true;
}

bool push_read(const uint8_t *msg, size_t len, const struct name *zone, uint8_t key[KEY_LEN])
{
	static const uint8_t counts[] = {0, 1, 0, 0, 0, 0, 0, 0};
	struct wire_reader r = {.buf = msg, .len = len};
	const uint8_t *header = wire_skip(&r, HEADER);
	struct name name, instance;

	if (header == NULL || (header[2] & (FLAG_QR | OPCODE)) != NOTIFY || memcmp(header + 4, counts, sizeof(counts)) != 0)
		return false;
	if (!read_name(&r, &name) || wire_get16(&r) != TYPE_SRV || wire_get16(&r) != CLASS_IN || r.at != len)
		return false;
	return reply_name_key(&name, key) &&
	    records_instance_name(zone, key, name.wire[0] == KEY_BASE32_PAD, &instance) && name_equal(&name, &instance);
}

void push_answer(uint8_t *msg)
{
	msg[2] |= FLAG_QR;
	msg[3] &= (uint8_t)~RCODE;
}

/* The ring has as many places as there may be in a second: the one that is the oldest says whether there is room, and what is no
 * longer in it is older than a second. */
bool push_admit(struct push_limit *limit, const uint8_t key[KEY_LEN], int64_t now_ms)
{
	if (now_ms < limit->last[limit->next].until_ms)
		return false;
	for (size_t i = 0; i < PUSH_A_SECOND; i++)
		if (now_ms < limit->last[i].until_ms && memcmp(limit->last[i].key, key, KEY_LEN) == 0)
			return false;
	memcpy(limit->last[limit->next].key, key, KEY_LEN);
	limit->last[limit->next].until_ms = now_ms + A_SECOND_MS;
	limit->next = (limit->next + 1) % PUSH_A_SECOND;
	return true;
}
