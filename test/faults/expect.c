#include "expect.h"

#include <stdio.h>
#include <string.h>

#include "query.h"
#include "wire.h"

static uint8_t *put_string(uint8_t *at, const char *text)
{
	*at++ = (uint8_t)strlen(text);
	return put_bytes(at, text, strlen(text));
}

static size_t txt_of(const struct model_zone *z, size_t peer, uint32_t version, uint8_t *out)
{
	char text[512] = "pub=", cidr[MODEL_CIDR];
	uint8_t *at = put_string(out, "txtvers=1");
	unsigned strings = 1;

	key_to_base64(z->keys[peer], text + 4);
	text[4 + KEY_BASE64] = '\0';
	at = put_string(at, text);
	strcpy(text, "allowed=");
	for (size_t n = 0; n < model_cidrs_len(peer); n++) {
		model_cidr(z, peer, version, n, cidr);
		if (n > 0 && strlen(text) + 1 + strlen(cidr) > 255) {
			at = put_string(at, text);
			snprintf(text, sizeof(text), "allowed%u=", ++strings);
		} else if (n > 0) {
			strcat(text, ",");
		}
		strcat(text, cidr);
	}
	return (size_t)(put_string(at, text) - out);
}

size_t expect_rdata(const struct model_zone *z, size_t peer, uint32_t version, uint16_t type, const struct name *owner,
    uint8_t out[EXPECT_RDATA])
{
	struct endpoint ep;

	model_endpoint(z, peer, version, &ep);
	switch (type) {
	case DNS_SRV:
		put_bytes(put16(put32(out, 0), ep.port), owner->wire, owner->len);
		return 6u + owner->len;
	case DNS_A:
	case DNS_AAAA:
		if ((type == DNS_A) != (ep.family == AF_INET))
			return 0;
		put_bytes(out, ep.addr, type == DNS_A ? 4 : 16);
		return type == DNS_A ? 4 : 16;
	case DNS_TXT:
		return txt_of(z, peer, version, out);
	default:
		return 0;
	}
}
