/* What comes to the port where the client hears NOTIFY: a message of the zone wg.example.com's name servers, or of anybody else.
 */
#include "fuzz.h"

#include "push.h"
#include "records.h"

#define HEADER 12

/* The question is a peer's, whose name it has in either form and any case, and nothing else is in the message. */
static void is_notify(const uint8_t *msg, size_t len, const struct name *zone, const uint8_t *key)
{
	static const uint8_t counts[] = {0, 1, 0, 0, 0, 0, 0, 0}, question[] = {0, 33, 0, 1};
	struct name name;

	MUST(len > HEADER + sizeof(question) && len <= PUSH_MAX);
	MUST((msg[2] & 0xf8) == 0x20 && memcmp(msg + 4, counts, sizeof(counts)) == 0);
	MUST(memcmp(msg + len - sizeof(question), question, sizeof(question)) == 0);
	MUST(records_instance_name(zone, key, msg[HEADER] == KEY_BASE32_PAD, &name));
	MUST(HEADER + name.len + sizeof(question) == len);
	for (size_t i = 0; i < name.len; i++)
		MUST(name_lower(msg[HEADER + i]) == name.wire[i]);
}

static void is_answer(const uint8_t *answer, const uint8_t *msg, size_t len)
{
	MUST(answer[2] == (msg[2] | 0x80) && answer[3] == (msg[3] & 0xf0));
	MUST(memcmp(answer, msg, 2) == 0 && memcmp(answer + 4, msg + 4, len - 4) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t key[KEY_LEN], again[KEY_LEN], *msg;
	struct name zone, other;

	if (len > 65535)
		return 0;
	MUST(name_from_text("wg.example.com", &zone) && name_from_text("wg.example.org", &other));
	msg = exact_copy(data, len);
	if (push_read(msg, len, &zone, key)) {
		is_notify(msg, len, &zone, key);
		MUST(!push_read(msg, len, &other, again));
		MUST(push_read(msg, len, &zone, again) && memcmp(key, again, KEY_LEN) == 0);
		push_answer(msg);
		is_answer(msg, data, len);
		MUST(!push_read(msg, len, &zone, key)); /* two of us do not answer each other for ever */
	}
	free(msg);
	return 0;
}
