/* Domain names in wire form (RFC 1035 section 3.1): length octet, label, ..., 0. Never compressed here.
 *
 *     2 wg 7 example 3 com 0
 *
 * A name that is stored is in lower case; `len` counts the final 0.
 */
#ifndef WGMEET_NAME_H
#define WGMEET_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAME_MAX_LEN 255 /* RFC 1035 section 2.3.4 */
#define NAME_LABEL   63
#define NAME_TEXT    1020 /* every octet as \DDD, and a NUL */

struct name {
	uint8_t len; /* 1 for the root; 0 for no name at all */
	uint8_t wire[NAME_MAX_LEN];
};

/* "wg.example.com" with or without the last dot, \. and \DDD as RFC 1035 section 5.1 has them. Lowers. False if
 * a label is empty or too long, or the name is. "." is the root. */
bool name_from_text(const char *text, struct name *out);
/* Without the last dot, but "." for the root. What master files or shells may misread is written \DDD, "=" too: Knot
 * refuses it raw. Returns out. */
const char *name_to_text(const struct name *name, char out[NAME_TEXT]);

/* child = label.parent; false if it would be too long. The label may hold any octet, and is lowered. */
bool name_prepend(const void *label, size_t len, const struct name *parent, struct name *out);

/* Are these `len` octets a name, with its final 0 at their end? */
bool name_is_sound(const uint8_t *wire, size_t len);

bool name_equal(const struct name *a, const struct name *b);
/* Is it `zone` or below? */
bool name_is_within(const struct name *name, const struct name *zone);
/* Cuts the first label off: false at the root. */
bool name_parent(const struct name *name, struct name *out);

static inline uint8_t name_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

#endif
