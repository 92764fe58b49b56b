#include "query.h"

#include <string.h>

#include "name.h"
#include "wire.h"

#define FLAG_QR     0x80
#define OPCODE_MASK 0x78

/* Steps over a name that may be compressed. Pointers are not followed: whatever they lead to is not needed. */
static void skip_name(struct wire_reader *r)
{
	for (;;) {
		uint8_t n = wire_get8(r);

		if (r->bad || n == 0)
			return;
		if (n >= 0xc0) {
			wire_skip(r, 1);
			return;
		}
		if (n > NAME_LABEL)
			r->bad = true; /* no other label type is in use */
		wire_skip(r, n);
	}
}

/* RFC 7873 section 5.2.2: a length that no cookie has is an error; of two the first one counts. */
static void parse_cookie(struct wire_reader *r, size_t len, struct query *q)
{
	const uint8_t *cookie = wire_skip(r, len);

	if (cookie == NULL || q->cookie_len != 0)
		return;
	if (len != COOKIE_CLIENT && (len < 2 * COOKIE_CLIENT || len > COOKIE_MAX)) {
		q->rcode = DNS_FORMERR;
		return;
	}
	q->cookie_len = (uint8_t)len;
	memcpy(q->cookie, cookie, len < COOKIE_LEN ? len : COOKIE_LEN);
}

/* RFC 6891 section 6.1.2: options are type, length, data. Unknown ones are ignored, broken ones are an error. */
static void parse_opt(struct wire_reader *r, struct query *q)
{
	uint32_t ttl;
	uint16_t rdlen;
	size_t end;

	q->udp_size = wire_get16(r);
	ttl = wire_get32(r);
	rdlen = wire_get16(r);
	end = r->at + rdlen;
	while (!r->bad && r->at < end) {
		uint16_t code = wire_get16(r), len = wire_get16(r);

		if (code == OPTION_COOKIE) {
			parse_cookie(r, len, q);
			continue;
		}
		if (code == OPTION_KEEPALIVE)
			q->keepalive = true;
		wire_skip(r, len);
	}
	if (r->bad || r->at != end) {
		r->bad = true;
		return;
	}
	q->edns = true;
	q->dnssec_ok = (ttl & 0x8000) != 0;
	if ((ttl >> 16 & 0xff) != 0)
		q->rcode = DNS_BADVERS;
}

static void parse_records(struct wire_reader *r, size_t count, bool additional, struct query *q)
{
	while (count-- > 0 && !r->bad) {
		size_t start = r->at;
		uint16_t type;

		skip_name(r);
		type = wire_get16(r);
		if (type == DNS_OPT) {
			/* One, at the root, and nowhere but there: RFC 6891 section 6.1.1. */
			if (!additional || q->edns || r->at != start + 3)
				r->bad = true;
			parse_opt(r, q);
			continue;
		}
		wire_skip(r, 6);
		wire_skip(r, wire_get16(r));
	}
}

/* The question's name: not compressed, for there is nothing before it to point to. Returns its length, 0 if it is none. */
static size_t question_name(const uint8_t *msg, size_t len)
{
	size_t at = DNS_HEADER;

	while (at < len && msg[at] != 0) {
		if (msg[at] > NAME_LABEL)
			return 0;
		at += msg[at] + 1u;
	}
	at++;
	return at <= len && at - DNS_HEADER <= NAME_MAX_LEN ? at - DNS_HEADER : 0;
}

/* RFC 7873 section 5.4: no question, but a cookie; the answer is one. */
static void parse_cookie_query(const uint8_t *msg, struct wire_reader *r, struct query *q)
{
	r->at = DNS_HEADER;
	if (get16(msg + 6) != 0 || get16(msg + 8) != 0)
		return;
	q->rcode = DNS_NOERROR;
	parse_records(r, get16(msg + 10), true, q);
	if (r->bad || r->at != r->len || q->cookie_len == 0)
		q->rcode = DNS_FORMERR;
}

void query_parse(const uint8_t *msg, size_t len, struct query *q)
{
	struct wire_reader r = {.buf = msg, .len = len};
	bool is_query;

	memset(q, 0, offsetof(struct query, cookie));
	q->len = (uint16_t)len;
	q->zone = NULL;
	q->peer = NULL;
	q->end = DNS_HEADER;
	/* What is no header cannot be answered; an answer must not be, or two servers would talk for ever. */
	if (len < DNS_HEADER || (msg[2] & FLAG_QR) != 0) {
		q->drop = true;
		return;
	}
	is_query = (msg[2] & OPCODE_MASK) == 0;
	q->rcode = is_query ? DNS_FORMERR : DNS_NOTIMP;
	if (is_query && get16(msg + 4) == 0)
		parse_cookie_query(msg, &r, q);
	if (get16(msg + 4) != 1)
		return;
	q->name_len = (uint16_t)question_name(msg, len);
	if (q->name_len == 0 || DNS_HEADER + q->name_len + 4u > len)
		return;
	q->end = (uint16_t)(DNS_HEADER + q->name_len + 4);
	q->type = get16(msg + q->end - 4);
	q->class = get16(msg + q->end - 2);
	r.at = q->end;
	if (is_query)
		q->rcode = DNS_NOERROR; /* or what the OPT makes of it */
	parse_records(&r, get16(msg + 6) + (size_t)get16(msg + 8), false, q);
	parse_records(&r, get16(msg + 10), true, q);
	if (r.bad || r.at != len) /* an OPT that was read before that is answered all the same: RFC 6891 section 6.1.1 */
		q->rcode = DNS_FORMERR;
	else if (q->rcode == DNS_NOERROR && (q->class != DNS_CLASS_IN || q->type == DNS_AXFR || q->type == DNS_IXFR))
		q->rcode = DNS_REFUSED;
	if (!is_query)
		q->rcode = DNS_NOTIMP;
}
