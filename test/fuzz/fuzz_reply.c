/* A name server's answer to the client: the first octet says which question it answers. */
#include "fuzz.h"

#include "records.h"
#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t key[KEY_LEN] = {1, 8, 15, 22, 29, 36, 43, 50, 57, 64, 71, 78, 85, 92, 99, 106, 113, 120, 127, 134,
	    141, 148, 155, 162, 169, 176, 183, 190, 197, 204, 211, 218};
	struct name zone, instance;
	struct reply reply;
	uint8_t *msg;

	if (len == 0)
		return 0;
	MUST(name_from_text("wg.example.com", &zone) && records_instance_name(&zone, key, false, &instance));
	msg = malloc(len); /* of that very size, so that a step too far is seen */
	MUST(msg != NULL);
	memcpy(msg, data + 1, len - 1);
	if (data[0] % 2 == 0) {
		enum lookup_status status = reply_read_srv(msg, len - 1, &instance, key, &reply);

		MUST(status < LOOKUP_STATUSES);
		if (status == LOOKUP_FOUND && reply.endpoint.family != AF_UNSPEC)
			MUST(endpoint_is_reachable(&reply.endpoint) && reply.target.len > 0);
	} else {
		reply = (struct reply){.port = 7, .target = instance};
		if (reply_read_address(msg, len - 1, &reply) == LOOKUP_FOUND)
			MUST(endpoint_is_reachable(&reply.endpoint));
	}
	free(msg);
	return 0;
}
