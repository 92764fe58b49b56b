#include "dns_message.h"

#include <string.h>

#include "wire.h"

#define CLASS_IN 1
#define TYPE_OPT 41
#define COOKIE   10 /* the EDNS option */
#define FLAG_RD  0x0100
#define FLAG_TC  0x02

#define LOOKS 16 /* answers one after the other without a new cookie: the server has none */

size_t dns_write_question(uint16_t id, const struct name *name, uint16_t type, const struct dns_cookie *cookie,
    uint8_t out[DNS_QUESTION])
{
	struct wire_writer w = {.buf = out, .cap = DNS_QUESTION};

	wire_put16(&w, id);
	wire_put16(&w, FLAG_RD);
	wire_put16(&w, 1);
	wire_put32(&w, 0);
	wire_put16(&w, cookie != NULL ? 1 : 0);
	wire_put(&w, name->wire, name->len);
	wire_put16(&w, type);
	wire_put16(&w, CLASS_IN);
	if (cookie == NULL)
		return w.at;
	wire_put8(&w, 0);
	wire_put16(&w, TYPE_OPT);
	wire_put16(&w, DNS_UDP_SIZE);
	wire_put32(&w, 0);
	wire_put16(&w, (uint16_t)(4 + cookie->len));
	wire_put16(&w, COOKIE);
	wire_put16(&w, (uint16_t)cookie->len);
	wire_put(&w, cookie->at, cookie->len);
	return w.at;
}

enum dns_rcode dns_rcode(const uint8_t *msg)
{
	return (enum dns_rcode)(msg[3] & 0xf);
}

bool dns_is_truncated(const uint8_t *msg)
{
	return (msg[2] & FLAG_TC) != 0;
}

enum lookup_status dns_status(const uint8_t *msg)
{
	switch (dns_rcode(msg)) {
	case DNS_NOERROR:
		return get16(msg + 6) > 0 ? LOOKUP_FOUND : LOOKUP_NOT_IN_ZONE;
	case DNS_NXDOMAIN:
		return LOOKUP_NOT_IN_ZONE;
	case DNS_SERVFAIL:
		return LOOKUP_NOT_READY;
	case DNS_NOTIMP:
	case DNS_REFUSED:
		return LOOKUP_REFUSED;
	default:
		return LOOKUP_BAD_ANSWER;
	}
}

/* To read an answer for it is dear; mostly it has the one that we know. */
void dns_take_cookie(struct dns_cookie *cookie, const uint8_t *msg, size_t len, bool bad)
{
	uint8_t before[REPLY_COOKIE];

	if (cookie->len > REPLY_COOKIE_CLIENT && memmem(msg, len, cookie->at, cookie->len) != NULL)
		return;
	if (!bad && cookie->looks >= LOOKS)
		return;
	memcpy(before, cookie->at, sizeof(before));
	reply_read_cookie(msg, len, cookie->at, &cookie->len);
	cookie->looks = memcmp(before, cookie->at, sizeof(before)) == 0 ? cookie->looks + 1 : 0;
}

bool dns_lacks_cookie(const struct dns_cookie *cookie, const uint8_t *msg, size_t len)
{
	return cookie->len > REPLY_COOKIE_CLIENT && memmem(msg, len, cookie->at, REPLY_COOKIE_CLIENT) == NULL;
}
