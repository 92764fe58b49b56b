#include "question.h"

#include <err.h>
#include <string.h>

#include "query.h"
#include "wire.h"

#define TYPE_NS  2
#define TYPE_SOA 6
#define TYPE_MX  15

const char *const question_kinds[ASK_KINDS] = {"SRV", "SRV, padded", "A", "AAAA", "TXT", "another type", "ANY",
    "SRV of a name for people", "address of an alias", "unknown key", "list", "SOA", "NS", "name server", "service TXT",
    "enumeration", "empty non-terminal", "outside"};

/* How often each is asked, of 100; what does not fit the zone becomes an SRV. */
static const uint8_t shares[ASK_KINDS] = {22, 8, 12, 8, 10, 5, 3, 3, 3, 6, 2, 8, 1, 1, 2, 1, 3, 2};

static enum question_kind choose_kind(void)
{
	unsigned at = (unsigned)model_between(0, 99), kind = 0;

	while (at >= shares[kind])
		at -= shares[kind++];
	return (enum question_kind)kind;
}

static void prepend(struct name *name, const char *label, size_t len)
{
	if (!name_prepend(label, len, name, name))
		errx(2, "a name is too long");
}

static void name_of_peer(const struct model_zone *z, struct question *q, struct name *name)
{
	char label[64];

	*name = z->service;
	if (q->kind == ASK_NAMED || q->kind == ASK_ALIAS) {
		q->peer %= MODEL_NAMED;
		model_listed_label(z, q->peer, label);
		if (q->kind == ASK_ALIAS)
			*name = z->apex;
		prepend(name, label, strlen(label));
	} else {
		prepend(name, z->labels[q->peer], q->kind == ASK_PADDED ? KEY_BASE32_PAD : KEY_BASE32);
	}
}

static void name_of_nobody(const struct model_zone *z, struct name *name)
{
	uint8_t key[KEY_LEN], label[KEY_BASE32];

	for (size_t i = 0; i < KEY_LEN; i++)
		key[i] = (uint8_t)model_random();
	key_to_base32(key, label);
	*name = z->service;
	prepend(name, (char *)label, sizeof(label));
}

static void name_of(const struct model_zone *z, struct question *q, struct name *name)
{
	*name = z->apex;
	switch (q->kind) {
	case ASK_UNKNOWN:
		name_of_nobody(z, name);
		break;
	case ASK_LIST:
	case ASK_SERVICE:
		*name = z->service;
		break;
	case ASK_SOA:
	case ASK_NS:
		break;
	case ASK_SERVER:
		prepend(name, "ns1", 3);
		break;
	case ASK_ENUMERATION:
		prepend(name, "_udp", 4);
		prepend(name, "_dns-sd", 7);
		prepend(name, "b", 1);
		break;
	case ASK_EMPTY:
		prepend(name, "_udp", 4);
		break;
	case ASK_OUTSIDE:
		if (!name_from_text("www.example.org", name))
			errx(2, "no name");
		break;
	default:
		name_of_peer(z, q, name);
	}
}

static uint16_t type_of(const struct question *q)
{
	switch (q->kind) {
	case ASK_A:
	case ASK_SERVER:
	case ASK_EMPTY:
	case ASK_OUTSIDE:
		return DNS_A;
	case ASK_AAAA:
		return DNS_AAAA;
	case ASK_ALIAS:
		return q->peer % 4 == 1 ? DNS_AAAA : DNS_A;
	case ASK_TXT:
	case ASK_SERVICE:
		return DNS_TXT;
	case ASK_OTHER:
		return TYPE_MX;
	case ASK_ANY:
		return DNS_ANY;
	case ASK_LIST:
	case ASK_ENUMERATION:
		return DNS_PTR;
	case ASK_SOA:
		return TYPE_SOA;
	case ASK_NS:
		return TYPE_NS;
	default:
		return DNS_SRV;
	}
}

void question_make(struct question *q, uint16_t id)
{
	static const uint8_t header[DNS_HEADER] = {0, 0, 1, 0, 0, 1};
	const struct model_zone *z;
	struct name name;
	uint8_t *p;

	q->zone = (uint8_t)model_between(0, MODEL_ZONES * 4 - 1);
	q->zone = q->zone < MODEL_ZONES ? q->zone : (uint8_t)(q->zone % (MODEL_ZONES - 1)); /* less of the last one */
	z = &model_zones[q->zone];
	q->kind = (uint8_t)choose_kind();
	if ((q->kind == ASK_PADDED && !z->padded) || ((q->kind == ASK_NAMED || q->kind == ASK_ALIAS) && !z->named))
		q->kind = ASK_SRV;
	q->peer = (uint16_t)model_between(0, z->peers_len - 1);
	q->edns = model_random() % 4 != 0;
	name_of(z, q, &name);
	q->type = type_of(q);
	q->name_len = name.len;
	for (size_t i = 0; i < name.len; i++) /* a length octet is no letter */
		if (name.wire[i] >= 'a' && name.wire[i] <= 'z' && model_random() % 2 == 0)
			name.wire[i] ^= 0x20;
	p = put_bytes(put_bytes(q->msg, header, sizeof(header)), name.wire, name.len);
	p = put16(put16(p, q->type), DNS_CLASS_IN);
	put16(q->msg, id);
	if (q->edns) {
		q->msg[11] = 1;
		*p++ = 0;
		p = put16(put32(put16(put16(p, DNS_OPT), DNS_UDP_MAX), 0), 0);
	}
	q->len = (uint16_t)(p - q->msg);
}
