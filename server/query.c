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

/* RFC 6891 section 6.1.2 and 6.1.3: the record from TYPE on, up to RDLENGTH. */
static void take_opt(const uint8_t *fixed, struct query *q)
{
	uint32_t ttl = get32(fixed + 4);

	q->edns = true;
	q->udp_size = get16(fixed + 2);
	q->dnssec_ok = (ttl & 0x8000) != 0;
	if ((ttl >> 16 & 0xff) != 0)
		q->rcode = DNS_BADVERS;
}

/* RFC 6891 section 6.1.2: options are type, length, data. Unknown ones are ignored, broken ones are an error. */
static void parse_opt(struct wire_reader *r, const uint8_t *fixed, struct query *q)
{
	size_t end = r->at + get16(fixed + 8);

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
	if (r->at != end)
		r->bad = true;
	if (!r->bad)
		take_opt(fixed, q);
}

static void parse_records(struct wire_reader *r, size_t count, bool additional, struct query *q)
{
	while (count-- > 0 && !r->bad) {
		size_t start = r->at;
		const uint8_t *fixed; /* TYPE, CLASS, TTL, RDLENGTH */

		skip_name(r);
		fixed = wire_skip(r, 10);
		if (fixed == NULL)
			return;
		if (get16(fixed) != DNS_OPT) {
			wire_skip(r, get16(fixed + 8));
			continue;
		}
		/* One, at the root, and nowhere but there: RFC 6891 section 6.1.1. */
		if (!additional || q->edns || r->at != start + 11)
			r->bad = true;
		else
			parse_opt(r, fixed, q);
	}
}

#define BARE_OPT 11u /* octets of an OPT without options */

/* Behind the question there is nothing, or a bare OPT and nothing else: that is what most send. It is taken without the care
 * that anything else needs, which is a tenth of an answer's time. */
static bool parse_usual(const uint8_t *msg, size_t len, struct query *q)
{
	static const uint8_t none[8] = {0, 1}, opt[8] = {[1] = 1, [7] = 1}; /* the header's counts */
	const uint8_t *p = msg + q->end;

	if (len == q->end)
		return memcmp(msg + 4, none, sizeof(none)) == 0;
	if (len != q->end + BARE_OPT || memcmp(msg + 4, opt, sizeof(opt)) != 0 || p[0] != 0 || get16(p + 1) != DNS_OPT ||
	    get16(p + 9) != 0)
		return false;
	take_opt(p + 1, q);
	return true;
}

static void parse_additional(const uint8_t *msg, size_t len, struct query *q)
{
	struct wire_reader r = {.buf = msg, .len = len, .at = q->end};

	parse_records(&r, get16(msg + 6) + (size_t)get16(msg + 8), false, q);
	parse_records(&r, get16(msg + 10), true, q);
	if (r.bad || r.at != len) /* an OPT that was read before that is answered all the same: RFC 6891 section 6.1.1 */
		q->rcode = DNS_FORMERR;
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
static void parse_cookie_query(const uint8_t *msg, size_t len, struct query *q)
{
	if (get16(msg + 6) != 0 || get16(msg + 8) != 0)
		return;
	q->rcode = DNS_NOERROR;
	parse_additional(msg, len, q);
	if (q->cookie_len == 0)
		q->rcode = DNS_FORMERR;
}

void query_parse(const uint8_t *msg, size_t len, struct query *q)
{
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
		parse_cookie_query(msg, len, q);
	if (get16(msg + 4) != 1)
		return;
	q->name_len = (uint16_t)question_name(msg, len);
	if (q->name_len == 0 || DNS_HEADER + q->name_len + 4u > len)
		return;
	q->end = (uint16_t)(DNS_HEADER + q->name_len + 4);
	q->type = get16(msg + q->end - 4);
	q->class = get16(msg + q->end - 2);
	if (is_query)
		q->rcode = DNS_NOERROR; /* or what the OPT makes of it */
	if (!parse_usual(msg, len, q))
		parse_additional(msg, len, q);
	if (q->rcode == DNS_NOERROR && (q->class != DNS_CLASS_IN || q->type == DNS_AXFR || q->type == DNS_IXFR))
		q->rcode = DNS_REFUSED;
	if (!is_query)
		q->rcode = DNS_NOTIMP;
}
