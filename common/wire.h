/* A cursor over bytes with a bound and a sticky error: read or write ten fields, check once. Network order. */
#ifndef WGMEET_WIRE_H
#define WGMEET_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* For places whose size was counted before: no check. Returns the octet behind. */
static inline uint8_t *put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static inline uint8_t *put32(uint8_t *p, uint32_t v)
{
	return put16(put16(p, (uint16_t)(v >> 16)), (uint16_t)v);
}

static inline uint8_t *put_bytes(uint8_t *p, const void *bytes, size_t len)
{
	memcpy(p, bytes, len);
	return p + len;
}

/* At least 32 octets: in blocks that are moved at once, the last one over the end of the one before it. */
static inline uint8_t *put_long(uint8_t *p, const void *bytes, size_t len)
{
	const uint8_t *from = (const uint8_t *)bytes;

	for (size_t i = 0; i < len - 32; i += 32)
		memcpy(p + i, from + i, 32);
	memcpy(p + len - 32, from + len - 32, 32);
	return p + len;
}

struct wire_reader {
	const uint8_t *buf;
	size_t at, len;
	bool bad; /* read past the end; everything since then read as 0 */
};

static inline const uint8_t *wire_skip(struct wire_reader *r, size_t n)
{
	const uint8_t *p = r->buf + r->at;

	if (r->bad || n > r->len - r->at) {
		r->bad = true;
		return NULL;
	}
	r->at += n;
	return p;
}

static inline uint8_t wire_get8(struct wire_reader *r)
{
	const uint8_t *p = wire_skip(r, 1);

	return p != NULL ? *p : 0;
}

static inline uint16_t wire_get16(struct wire_reader *r)
{
	const uint8_t *p = wire_skip(r, 2);

	return p != NULL ? get16(p) : 0;
}

static inline uint32_t wire_get32(struct wire_reader *r)
{
	const uint8_t *p = wire_skip(r, 4);

	return p != NULL ? get32(p) : 0;
}

struct wire_writer {
	uint8_t *buf;
	size_t at, cap;
	bool bad; /* did not fit; nothing was written since then */
};

static inline void wire_put(struct wire_writer *w, const void *bytes, size_t n)
{
	if (w->bad || n > w->cap - w->at) {
		w->bad = true;
		return;
	}
	if (n > 0)
		memcpy(w->buf + w->at, bytes, n);
	w->at += n;
}

static inline void wire_put8(struct wire_writer *w, uint8_t v)
{
	wire_put(w, &v, 1);
}

static inline void wire_put16(struct wire_writer *w, uint16_t v)
{
	uint8_t b[2];

	put16(b, v);
	wire_put(w, b, sizeof(b));
}

static inline void wire_put32(struct wire_writer *w, uint32_t v)
{
	uint8_t b[4];

	put32(b, v);
	wire_put(w, b, sizeof(b));
}

#endif
