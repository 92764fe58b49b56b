#include "message.h"

#include <string.h>

#include "query.h"
#include "wire.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

#define DNS_EDE 15

size_t message_name(const uint8_t *bytes, size_t len, size_t at, struct name *out)
{
	size_t end = 0, lowest = at;

	out->len = 0;
	for (;;) {
		size_t n;

		if (at >= len)
			return 0;
		n = bytes[at];
		if (n >= 0xc0) {
			if (at + 2 > len)
				return 0;
			if (end == 0)
				end = at + 2;
			at = get16(bytes + at) & 0x3fff;
			if (at >= lowest)
				return 0;
			lowest = at;
			continue;
		}
		if (n > NAME_LABEL || at + 1 + n > len || out->len + 1 + n > NAME_MAX_LEN)
			return 0;
		out->wire[out->len++] = (uint8_t)n;
		for (size_t i = 1; i <= n; i++)
			out->wire[out->len++] = name_lower(bytes[at + i]);
		at += 1 + n;
		if (n == 0)
			return end != 0 ? end : at;
	}
}

static const char *parse_opt(const struct message_record *r, struct message *m)
{
	if (m->opt || r->section != MESSAGE_ADDITIONAL || r->owner.len != 1)
		return "an OPT too many, or at no place for it";
	m->opt = true;
	if (r->class != DNS_UDP_MAX || (r->ttl_s & 0x00ff7fff) != 0)
		return "the OPT's size, version or flags";
	m->rcode = (uint8_t)(m->rcode | (r->ttl_s >> 24) << 4);
	for (size_t at = 0; at + 4 <= r->rdlen; at += 4u + get16(r->rdata + at + 2)) {
		if (get16(r->rdata + at) != DNS_EDE || get16(r->rdata + at + 2) < 2 || at + 6 > r->rdlen)
			return "an option that nobody asked for";
		m->ede = get16(r->rdata + at + 4);
	}
	return NULL;
}

/* Returns the octet behind it, 0 if it is broken. */
static size_t parse_record(const uint8_t *bytes, size_t len, size_t at, struct message_record *r)
{
	at = message_name(bytes, len, at, &r->owner);
	if (at == 0 || at + 10 > len)
		return 0;
	r->type = get16(bytes + at);
	r->class = get16(bytes + at + 2);
	r->ttl_s = get32(bytes + at + 4);
	r->rdlen = get16(bytes + at + 8);
	r->rdata_at = at + 10;
	r->rdata = bytes + r->rdata_at;
	return r->rdata_at + r->rdlen <= len ? r->rdata_at + r->rdlen : 0;
}

const char *message_parse(const uint8_t *bytes, size_t len, size_t question_len, struct message *m)
{
	size_t at = DNS_HEADER + question_len;
	const char *wrong = NULL;

	m->bytes = bytes;
	m->len = len;
	m->records_len = 0;
	m->opt = false;
	m->ede = -1;
	if (len < at)
		return "shorter than the question";
	m->flags = bytes[2];
	m->rcode = bytes[3] & 15;
	if (get16(bytes + 4) != 1)
		return "not one question";
	for (uint8_t section = 0; section < 3; section++) {
		m->counts[section] = get16(bytes + 6 + 2 * section);
		for (size_t i = m->counts[section]; i > 0 && wrong == NULL; i--) {
			struct message_record *r = &m->records[m->records_len];

			if (m->records_len == MESSAGE_RECORDS)
				return "more records than a zone has";
			r->section = section;
			at = parse_record(bytes, len, at, r);
			if (at == 0)
				return "a record is broken";
			if (r->type == DNS_OPT)
				wrong = parse_opt(r, m);
			else
				m->records_len++;
		}
	}
	m->counts[MESSAGE_ADDITIONAL] -= m->opt;
	return wrong != NULL ? wrong : at == len ? NULL : "octets behind the last record";
}

/* ---- the second opinion ---- */

/* RDATA as ldns has it, its names written out. */
static bool same_rdata(const ldns_rr *rr, const struct message_record *r, const struct message *m)
{
	uint8_t theirs[NAME_MAX_LEN + 16384], ours[NAME_MAX_LEN + 16384];
	size_t theirs_len = 0, ours_len = 0, at = r->rdata_at;

	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *f = ldns_rr_rdf(rr, i);
		size_t n = ldns_rdf_size(f);

		if (theirs_len + n > sizeof(theirs))
			return false;
		memcpy(theirs + theirs_len, ldns_rdf_data(f), n);
		for (size_t j = 0; ldns_rdf_get_type(f) == LDNS_RDF_TYPE_DNAME && j < n; j++)
			theirs[theirs_len + j] = name_lower(theirs[theirs_len + j]);
		theirs_len += n;
		if (ldns_rdf_get_type(f) == LDNS_RDF_TYPE_DNAME) {
			struct name name;

			at = message_name(m->bytes, m->len, at, &name);
			if (at == 0)
				return false;
			memcpy(ours + ours_len, name.wire, name.len);
			ours_len += name.len;
		} else {
			if (at + n > m->len)
				return false;
			memcpy(ours + ours_len, m->bytes + at, n);
			ours_len += n;
			at += n;
		}
	}
	return at == r->rdata_at + r->rdlen && ours_len == theirs_len && memcmp(ours, theirs, ours_len) == 0;
}

static bool same_owner(const ldns_rr *rr, const struct message_record *r)
{
	const ldns_rdf *owner = ldns_rr_owner(rr);

	if (ldns_rdf_size(owner) != r->owner.len)
		return false;
	for (size_t i = 0; i < r->owner.len; i++)
		if (name_lower(ldns_rdf_data(owner)[i]) != r->owner.wire[i])
			return false;
	return true;
}

static const char *compare(ldns_pkt *pkt, const struct message *m)
{
	ldns_rr_list *lists[3] = {ldns_pkt_answer(pkt), ldns_pkt_authority(pkt), ldns_pkt_additional(pkt)};
	size_t at = 0;

	for (uint8_t section = 0; section < 3; section++) {
		if (ldns_rr_list_rr_count(lists[section]) != m->counts[section])
			return "ldns counts other records";
		for (size_t i = 0; i < m->counts[section]; i++, at++) {
			const ldns_rr *rr = ldns_rr_list_rr(lists[section], i);
			const struct message_record *r = &m->records[at];

			if (r->section != section || (uint16_t)ldns_rr_get_type(rr) != r->type || ldns_rr_ttl(rr) != r->ttl_s ||
			    !same_owner(rr, r) || !same_rdata(rr, r, m))
				return "ldns reads another record";
		}
	}
	return NULL;
}

const char *message_check(const struct message *m)
{
	ldns_pkt *pkt = NULL;
	const char *wrong;

	if (ldns_wire2pkt(&pkt, m->bytes, m->len) != LDNS_STATUS_OK)
		return "ldns cannot read it";
	wrong = compare(pkt, m);
	ldns_pkt_free(pkt);
	return wrong;
}
