/* The sections of an answer: a zone's records, composed or copied behind the question. Inside answer.c's work.
 */
#ifndef WGMEET_SECTIONS_H
#define WGMEET_SECTIONS_H

#include "answer.h"

enum ede { EDE_NONE, EDE_NOT_READY = 14, EDE_PROHIBITED = 18 }; /* RFC 8914 */

/* What is written so far. A record set is counted before it is written: it fits whole or stays out. */
struct reply {
	uint8_t *msg;
	size_t at, limit; /* the OPT has its room behind `limit` */
	uint16_t answers, authorities, additionals;
	uint8_t rcode;
	bool authoritative, truncated;
	enum ede ede;
};

/* Writes what the zone of the question has to say; the question's name is in the message. */
void sections_put(struct reply *r, struct query *q);

#endif
