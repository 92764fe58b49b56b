#include "records.h"

#include <stdio.h>
#include <string.h>

#include "wire.h"

bool records_service_name(const struct name *zone, struct name *out)
{
	struct name proto;

	return zone->len + RECORDS_SERVICE_LEN + 1 + KEY_BASE32_PAD <= NAME_MAX_LEN &&
	    name_prepend(RECORDS_PROTO, strlen(RECORDS_PROTO), zone, &proto) &&
	    name_prepend(RECORDS_SERVICE, strlen(RECORDS_SERVICE), &proto, out);
}

bool records_instance_name(const struct name *zone, const uint8_t key[KEY_LEN], bool padded, struct name *out)
{
	uint8_t label[KEY_BASE32_PAD];
	struct name service;

	key_to_base32(key, label);
	memset(label + KEY_BASE32, '=', KEY_BASE32_PAD - KEY_BASE32);
	return records_service_name(zone, &service) &&
	    name_prepend(label, padded ? KEY_BASE32_PAD : KEY_BASE32, &service, out);
}

bool records_list_name(const struct name *zone, const uint8_t key[KEY_LEN], unsigned shard, struct name *out)
{
	uint8_t label[1 + KEY_BASE32] = "_";
	struct name service, sub;

	if (!records_service_name(zone, &service))
		return false;
	if (shard == 0) {
		*out = service;
		return true;
	}
	key_to_base32(key, label + 1);
	return name_prepend("_sub", 4, &service, &sub) && name_prepend(label, 1 + shard, &sub, out);
}

void records_txt_head(const uint8_t key[KEY_LEN], uint8_t out[RECORDS_TXT_HEAD])
{
	_Static_assert(sizeof(RECORDS_TXT_START) - 1 == RECORDS_TXT_START_LEN, "the start's length");
	_Static_assert(4 + KEY_BASE64 == 0x30, "the length octet of pub=");
	memcpy(out, RECORDS_TXT_START, RECORDS_TXT_START_LEN);
	key_to_base64(key, (char *)out + RECORDS_TXT_START_LEN);
}

size_t records_txt_allowed(const struct wg_allowedip *ips, size_t len, uint8_t *out, size_t cap)
{
	static const char more[] = "\x06" "more=1";
	size_t room = cap - RECORDS_TXT_HEAD - (sizeof(more) - 1);
	size_t at = 0, start = 0; /* where the next octet goes; where the string's length octet stands */
	unsigned strings = 0;

	for (size_t i = 0; i < len; i++) {
		char cidr[ALLOWEDIP_TEXT], key[24];
		size_t n = strlen(allowedip_to_text(&ips[i], cidr));
		bool goes_on = strings > 0 && at - start - 1 + 1 + n <= 255;
		size_t need = n + 1;

		if (!goes_on) {
			strings++;
			snprintf(key, sizeof(key), strings == 1 ? "allowed=" : "allowed%u=", strings);
			need = 1 + strlen(key) + n;
		}
		if (at + need > room) {
			memcpy(out + at, more, sizeof(more) - 1);
			return at + sizeof(more) - 1;
		}
		if (goes_on) {
			out[at++] = ',';
		} else {
			start = at++;
			memcpy(out + at, key, strlen(key));
			at += strlen(key);
		}
		memcpy(out + at, cidr, n);
		at += n;
		out[start] = (uint8_t)(at - start - 1);
	}
	return at;
}

int records_txt_pub(const uint8_t *rdata, size_t len, uint8_t key[KEY_LEN])
{
	struct wire_reader r = {.buf = rdata, .len = len};
	int found = 0;

	while (r.at < r.len) {
		uint8_t n = wire_get8(&r);
		const uint8_t *text = wire_skip(&r, n);

		if (text == NULL)
			return -1;
		if (n < 4 || strncasecmp((const char *)text, "pub=", 4) != 0)
			continue;
		/* RFC 6763 section 6.4: only the first of two equal keys counts. Two that name peers are a lie. */
		if (found != 0 || n != 4 + KEY_BASE64 || !key_from_base64((const char *)text + 4, key))
			return -1;
		found = 1;
	}
	return found;
}
