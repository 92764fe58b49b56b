/* A message taken apart, by hand; and by ldns, for a second opinion. */
#ifndef WGMEET_FAULTS_MESSAGE_H
#define WGMEET_FAULTS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "name.h"

#define MESSAGE_RECORDS 4096

enum message_section { MESSAGE_ANSWER, MESSAGE_AUTHORITY, MESSAGE_ADDITIONAL };

struct message_record {
	uint8_t section;
	uint16_t type, class, rdlen;
	uint32_t ttl_s;
	struct name owner; /* in lower case */
	const uint8_t *rdata;
	size_t rdata_at;
};

struct message {
	const uint8_t *bytes;
	size_t len;
	uint8_t flags, rcode;
	size_t records_len; /* without the OPT */
	bool opt;
	int ede; /* RFC 8914, -1: none */
	size_t counts[3];
	struct message_record records[MESSAGE_RECORDS];
};

/* NULL, or what is wrong. */
const char *message_parse(const uint8_t *bytes, size_t len, size_t question_len, struct message *m);

/* The name at that octet, in lower case, and the octet behind it: 0 if it is none. */
size_t message_name(const uint8_t *bytes, size_t len, size_t at, struct name *out);

/* Does ldns read the same records? NULL, or what it does not. */
const char *message_check(const struct message *m);

#endif
