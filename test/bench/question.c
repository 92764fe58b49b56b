#include "question.h"

#include <err.h>
#include <string.h>

#include "name.h"
#include "peers.h"
#include "records.h"
#include "wire.h"

#define HEADER      12
#define OPT         11
#define TYPE_A      1
#define TYPE_SOA    6
#define TYPE_TXT    16
#define TYPE_SRV    33
#define TYPE_OPT    41
#define CLASS_IN    1
#define UDP_PAYLOAD 1232
#define NXDOMAIN    3
#define FLAGS_OF_ANSWER 0x8400 /* QR and AA, and nothing else but the RCODE */

const struct question_kind question_kinds[QUESTION_KINDS] = {
    {.name = "srv"},
    {.name = "srv-edns", .edns = true},
    {.name = "nx", .unknown = true},
    {.name = "nx-edns", .unknown = true, .edns = true},
    {.name = "mix", .mixed = true},
    {.name = "mix-edns", .mixed = true, .edns = true},
};

static struct name apex;
static uint8_t template[QUESTION_MAX]; /* with OPT */
static size_t name_len;                /* of a question */

void question_init(void)
{
	static const uint8_t nobody[KEY_LEN];
	struct name name;
	uint8_t *p = template + HEADER;

	if (!name_from_text(PEERS_ZONE, &apex) || !records_instance_name(&apex, nobody, false, &name))
		errx(1, "%s is no zone", PEERS_ZONE);
	name_len = name.len;
	put16(template + 4, 1); /* QDCOUNT */
	p = put_bytes(p, name.wire, name.len);
	p = put16(put16(p, TYPE_SRV), CLASS_IN);
	*p++ = 0;
	p = put16(put16(p, TYPE_OPT), UDP_PAYLOAD);
	put16(put32(p, 0), 0);
}

size_t question_len(const struct question_kind *kind)
{
	return HEADER + name_len + 4 + (kind->edns ? OPT : 0);
}

void question_write(const struct question_kind *kind, uint64_t peer, uint16_t id, struct question *out)
{
	uint8_t *msg = out->wire + 2, *label = msg + HEADER + 1;

	out->peer = (uint32_t)peer;
	out->len = (uint16_t)question_len(kind);
	put16(out->wire, out->len);
	memcpy(msg, template, out->len);
	put16(msg, id);
	put16(msg + 10, kind->edns); /* ARCOUNT */
	if (kind->unknown)
		peers_unknown_label(peer, label);
	else
		memcpy(label, peers_label((uint32_t)peer), KEY_BASE32);
}

/* ---- answers ---- */

/* Steps over a name; *same: is it that name, without regard to case? Follows pointers. */
static void read_name(struct wire_reader *r, const uint8_t *want, size_t want_len, bool *same)
{
	struct wire_reader in = *r;
	bool jumped = false;
	size_t at = 0;

	*same = true;
	for (int labels = 0; labels < 128; labels++) {
		uint8_t n = wire_get8(&in);
		const uint8_t *label;

		if (n >= 0xc0) {
			size_t to = (size_t)(n & 0x3f) << 8 | wire_get8(&in);

			if (!jumped)
				*r = in;
			jumped = true;
			in.at = to < in.len ? to : in.len;
			continue;
		}
		label = wire_skip(&in, n);
		if (in.bad)
			break;
		*same = *same && at + 1 + n <= want_len && want[at] == n;
		for (size_t i = 0; *same && i < n; i++)
			*same = name_lower(label[i]) == name_lower(want[at + 1 + i]);
		at += 1u + n;
		if (n == 0) {
			*same = *same && at == want_len;
			if (!jumped)
				*r = in;
			return;
		}
	}
	r->bad = true;
}

struct seen {
	bool srv, soa, opt;
	struct question_extras extras;
};

static bool srv_is_right(const uint8_t *msg, size_t len, const uint8_t *rdata, size_t rdlen, const struct question *q)
{
	struct wire_reader r = {.buf = msg, .len = len, .at = (size_t)(rdata - msg)};
	bool same;

	if (wire_get32(&r) != 0 || wire_get16(&r) != peers_port(q->peer))
		return false;
	read_name(&r, q->wire + 2 + HEADER, name_len, &same);
	return !r.bad && same && r.at == (size_t)(rdata - msg) + rdlen;
}

static const char *judge_record(const uint8_t *msg, struct wire_reader *r, const struct question *q, unsigned section,
    struct seen *seen)
{
	struct wire_reader owner = *r;
	const uint8_t *rdata;
	uint16_t type, class, rdlen;
	uint32_t ttl;
	uint8_t addr[4];
	bool same;

	read_name(r, q->wire + 2 + HEADER, name_len, &same);
	type = wire_get16(r);
	class = wire_get16(r);
	ttl = wire_get32(r);
	rdlen = wire_get16(r);
	rdata = wire_skip(r, rdlen);
	if (r->bad)
		return "a record is cut short";
	if (type == TYPE_OPT) {
		seen->opt = true;
		return NULL;
	}
	if (class != CLASS_IN || ttl != PEERS_TTL)
		return "class or TTL";
	if (section == 0 && (type != TYPE_SRV || !same || !srv_is_right(msg, r->len, rdata, rdlen, q)))
		return "the SRV record";
	seen->srv |= section == 0;
	if (section == 1 && type == TYPE_SOA) {
		read_name(&owner, apex.wire, apex.len, &seen->soa);
		if (!seen->soa)
			return "the SOA record's owner";
	}
	if (section == 2 && same && type == TYPE_A) {
		peers_address(q->peer, addr);
		if (rdlen != 4 || memcmp(rdata, addr, 4) != 0)
			return "the additional address";
		seen->extras.addresses++;
	}
	seen->extras.texts += section == 2 && same && type == TYPE_TXT;
	return NULL;
}

const char *question_judge(const struct question_kind *kind, const struct question *q, const uint8_t *msg, size_t len,
    struct question_extras *extras)
{
	size_t end = HEADER + name_len + 4;
	struct wire_reader r = {.buf = msg, .len = len, .at = end};
	struct seen seen = {0};
	const char *wrong;

	if (len < end || get16(msg + 4) != 1 || memcmp(msg + HEADER, q->wire + 2 + HEADER, end - HEADER) != 0)
		return "the question is not echoed";
	if (get16(msg + 2) != (FLAGS_OF_ANSWER | (kind->unknown ? NXDOMAIN : 0)))
		return "flags or RCODE";
	if (get16(msg + 6) != !kind->unknown)
		return "the number of answers";
	for (unsigned section = 0; section < 3; section++) {
		for (unsigned i = get16(msg + 6 + 2 * section); i > 0; i--) {
			wrong = judge_record(msg, &r, q, section, &seen);
			if (wrong != NULL)
				return wrong;
		}
	}
	if (r.at != len)
		return "octets behind the last record";
	if (kind->unknown ? !seen.soa : !seen.srv)
		return kind->unknown ? "no SOA record" : "no SRV record";
	if (seen.opt != kind->edns)
		return kind->edns ? "no OPT record" : "an OPT record";
	extras->addresses += seen.extras.addresses;
	extras->texts += seen.extras.texts;
	return NULL;
}

const char *question_judge_reflected(const struct question *q, const uint8_t *msg, size_t len, size_t want)
{
	if (len != want)
		return "the length";
	if ((msg[2] & 0x80) == 0 || memcmp(msg + HEADER, q->wire + 2 + HEADER, (len < q->len ? len : q->len) - HEADER) != 0)
		return "the question is not echoed";
	return NULL;
}
