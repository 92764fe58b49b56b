#include "name.h"

#include <stdio.h>
#include <string.h>

/* One character or escape. Returns its length in the text, 0 if it is none. */
static size_t octet_from_text(const char *text, uint8_t *out)
{
	unsigned v = 0;

	if (*text != '\\') {
		*out = (uint8_t)*text;
		return 1;
	}
	if (text[1] < '0' || text[1] > '9') {
		*out = (uint8_t)text[1];
		return text[1] == '\0' ? 0 : 2;
	}
	for (int i = 1; i <= 3; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		v = v * 10 + (unsigned)(text[i] - '0');
	}
	*out = (uint8_t)v;
	return v > 255 ? 0 : 4;
}

bool name_from_text(const char *text, struct name *out)
{
	size_t at = 1, label = 0; /* where the next octet goes; where the label's length stands */

	if (strcmp(text, ".") == 0) {
		*out = (struct name){.len = 1};
		return true;
	}
	while (*text != '\0') {
		uint8_t octet = 0;
		size_t n;

		if (*text == '.') {
			if (at - label - 1 == 0)
				return false;
			out->wire[label] = (uint8_t)(at - label - 1);
			label = at++;
			text++;
			continue;
		}
		n = octet_from_text(text, &octet);
		if (n == 0 || at >= NAME_MAX_LEN - 1 || at - label > NAME_LABEL)
			return false;
		out->wire[at++] = name_lower(octet);
		text += n;
	}
	if (at == 1 || at >= NAME_MAX_LEN + 1)
		return false;
	if (at - label - 1 == 0) { /* it ended with a dot */
		at = label;
	} else {
		out->wire[label] = (uint8_t)(at - label - 1);
	}
	out->wire[at++] = 0;
	out->len = (uint8_t)at;
	return true;
}

const char *name_to_text(const struct name *name, char out[NAME_TEXT])
{
	char *to = out;

	if (name->len <= 1) {
		snprintf(out, NAME_TEXT, "%s", name->len == 1 ? "." : "");
		return out;
	}
	for (size_t at = 0; name->wire[at] != 0; at += name->wire[at] + 1u) {
		if (at > 0)
			*to++ = '.';
		for (size_t i = 1; i <= name->wire[at]; i++) {
			uint8_t c = name->wire[at + i];

			if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '-' ||
			    c == '_' || c == '+' || c == '/')
				*to++ = (char)c;
			else
				to += sprintf(to, "\\%03u", c);
		}
	}
	*to = '\0';
	return out;
}

bool name_prepend(const void *label, size_t len, const struct name *parent, struct name *out)
{
	struct name n;

	if (len == 0 || len > NAME_LABEL || parent->len == 0 || 1 + len + parent->len > NAME_MAX_LEN)
		return false;
	n.wire[0] = (uint8_t)len;
	for (size_t i = 0; i < len; i++)
		n.wire[1 + i] = name_lower(((const uint8_t *)label)[i]);
	memcpy(n.wire + 1 + len, parent->wire, parent->len);
	n.len = (uint8_t)(1 + len + parent->len);
	*out = n;
	return true;
}

bool name_is_sound(const uint8_t *wire, size_t len)
{
	size_t at = 0;

	while (at < len && wire[at] != 0 && wire[at] <= NAME_LABEL)
		at += wire[at] + 1u;
	return at + 1 == len && wire[at] == 0;
}

bool name_equal(const struct name *a, const struct name *b)
{
	return a->len == b->len && memcmp(a->wire, b->wire, a->len) == 0;
}

bool name_is_within(const struct name *name, const struct name *zone)
{
	size_t at = 0;

	while (name->len - at > zone->len)
		at += name->wire[at] + 1u;
	return name->len - at == zone->len && memcmp(name->wire + at, zone->wire, zone->len) == 0;
}

bool name_parent(const struct name *name, struct name *out)
{
	struct name n = {0};

	if (name->len <= 1)
		return false;
	n.len = (uint8_t)(name->len - 1 - name->wire[0]);
	memcpy(n.wire, name->wire + 1 + name->wire[0], n.len);
	*out = n;
	return true;
}
