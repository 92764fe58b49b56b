#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "message.h"
#include "query.h"
#include "question.h"
#include "serials.h"
#include "wire.h"

#define TYPE_NS  2
#define TYPE_SOA 6
#define SECOND_OPINION 50 /* of so many answers one is read by ldns, too */

bool question_small_udp;

static struct message m;
static int64_t up_us;
static struct {
	unsigned long udp, tcp;
} counts[ASK_KINDS];
static unsigned long rcodes[16], truncated, second_opinions, lists_left_out;

/* ---- records ---- */

/* The RDATA of a record that came, names written out in lower case; 0: it is broken. */
static size_t rdata_read(const struct message_record *r, uint8_t *out)
{
	size_t fixed = r->type == DNS_SRV ? 6 : 0, at = r->rdata_at + fixed;
	struct name name;

	if (r->type != DNS_SRV && r->type != DNS_PTR && r->type != DNS_CNAME && r->type != TYPE_NS) {
		if (r->rdlen > EXPECT_RDATA)
			return 0;
		memcpy(out, r->rdata, r->rdlen);
		return r->rdlen;
	}
	if (r->rdlen < fixed || message_name(m.bytes, m.len, at, &name) != r->rdata_at + r->rdlen)
		return 0;
	if (r->type == DNS_SRV && r->rdlen != fixed + name.len)
		return 0; /* compressed: RFC 2782 */
	memcpy(out, r->rdata, fixed);
	memcpy(out + fixed, name.wire, name.len);
	return fixed + name.len;
}

static bool is_record(const struct message_record *r, uint16_t type, const struct name *owner, const uint8_t *rdata, size_t len)
{
	uint8_t read[EXPECT_RDATA];

	return r->type == type && r->class == DNS_CLASS_IN && r->ttl_s == MODEL_TTL_S && name_equal(&r->owner, owner) &&
	    rdata_read(r, read) == len && memcmp(read, rdata, len) == 0;
}

static bool is_of_peer(const struct message_record *r, const struct model_zone *z, size_t peer, uint32_t version, uint16_t type,
    const struct name *owner)
{
	uint8_t rdata[EXPECT_RDATA];
	size_t len = expect_rdata(z, peer, version, type, owner, rdata);

	return len > 0 && is_record(r, type, owner, rdata, len);
}

static uint32_t version_of_txt(const struct message_record *r)
{
	static const char start[] = "allowed=10.";
	size_t at = 10 + 49 + 1, left = r->rdlen - at - (sizeof(start) - 1); /* behind the version, the key and a length */
	unsigned a, b, c;
	char cidr[20] = "";

	if (r->rdlen <= at + sizeof(start) || memcmp(r->rdata + at, start, sizeof(start) - 1) != 0)
		return 0;
	memcpy(cidr, r->rdata + at + sizeof(start) - 1, left < sizeof(cidr) ? left : sizeof(cidr) - 1);
	return sscanf(cidr, "%u.%u.%u/", &a, &b, &c) == 3 ? a << 16 | b << 8 | c : 0;
}

static uint32_t version_of(const struct message_record *r, const struct model_zone *z, size_t peer)
{
	switch (r->type) {
	case DNS_SRV:
		return r->rdlen >= 6 ? model_version_of_port(peer, get16(r->rdata + 4)) : 0;
	case DNS_A:
	case DNS_AAAA:
		return r->rdlen == (r->type == DNS_A ? 4 : 16) ? model_version_of_address(z, peer, r->rdata, r->rdlen) : 0;
	case DNS_TXT:
		return version_of_txt(r);
	default:
		return 0;
	}
}

/* ---- the whole answer of one version ---- */

static size_t limit_of(const struct question *q, bool tcp)
{
	return tcp ? ANSWER_MAX : q->edns ? DNS_UDP_MAX : 512;
}

static const char *judge_additional(const struct question *q, const struct model_zone *z, uint32_t version, bool tcp,
    const struct name *owner)
{
	uint16_t address = q->peer % 4 == 1 ? DNS_AAAA : DNS_A, types[2] = {address, DNS_TXT};
	const struct message_record *r = m.records + 1;
	uint8_t rdata[EXPECT_RDATA];
	size_t at = 0, limit = limit_of(q, tcp);

	if (question_small_udp && !tcp && limit > 4u * q->len)
		limit = 4u * q->len;
	for (; at < m.counts[MESSAGE_ADDITIONAL]; at++)
		if (at == 2 || !is_of_peer(&r[at], z, q->peer, version, types[at], owner))
			return "the additional section is of another peer or version";
	/* With its owner written out it would not have fitted. */
	if (at < 2 && m.len + owner->len + 10u + expect_rdata(z, q->peer, version, types[at], owner, rdata) <= limit)
		return "an additional record is missing";
	return NULL;
}

static const char *judge_peer(const struct question *q, const struct model_zone *z, uint32_t version, bool tcp)
{
	const struct message_record *r = m.records;
	struct name owner = {.len = (uint8_t)q->name_len}, target = z->service;
	uint16_t type = q->kind == ASK_ANY ? DNS_SRV : q->type;

	if (!model_present(z, q->peer, version))
		return "a peer that is not in the zone";
	for (size_t i = 0; i < q->name_len; i++)
		owner.wire[i] = name_lower(q->msg[DNS_HEADER + i]);
	if (q->kind == ASK_ALIAS) {
		name_prepend(z->labels[q->peer], KEY_BASE32, &z->service, &target);
		if (m.counts[MESSAGE_ANSWER] != 2 || !is_record(r, DNS_CNAME, &owner, target.wire, target.len))
			return "the alias";
		r++;
		owner = target;
	} else if (m.counts[MESSAGE_ANSWER] != 1) {
		return "not one record";
	}
	if (!is_of_peer(r, z, q->peer, version, type, &owner))
		return "another record";
	if (m.counts[MESSAGE_AUTHORITY] != 0)
		return "an authority section";
	if (q->type == DNS_SRV)
		return judge_additional(q, z, version, tcp, &owner);
	return m.counts[MESSAGE_ADDITIONAL] == 0 ? NULL : "an additional section";
}

/* The peer of a list's record: its owner, or its target, is label.<the service>. */
static int listed_peer(const struct model_zone *z, const struct name *name)
{
	char label[64];
	int peer = model_peer_of_label(z, name->wire + 1, name->wire[0]);

	if (peer < 0 || name->len != 1 + name->wire[0] + z->service.len ||
	    memcmp(name->wire + 1 + name->wire[0], z->service.wire, z->service.len) != 0)
		return -1;
	model_listed_label(z, (size_t)peer, label);
	return strlen(label) == name->wire[0] && memcmp(label, name->wire + 1, name->wire[0]) == 0 ? peer : -1;
}

static const char *read_list(const struct model_zone *z, bool listed[MODEL_PEERS])
{
	struct name target;

	for (size_t i = 0; i < m.counts[MESSAGE_ANSWER]; i++) {
		const struct message_record *r = &m.records[i];
		int peer;

		if (r->type != DNS_PTR || r->ttl_s != MODEL_TTL_S || !name_equal(&r->owner, &z->service) ||
		    message_name(m.bytes, m.len, r->rdata_at, &target) != r->rdata_at + r->rdlen)
			return "a record of the list";
		peer = listed_peer(z, &target);
		if (peer < 0 || listed[peer])
			return "the list has somebody twice, or somebody who is nobody";
		listed[peer] = true;
	}
	return NULL;
}

static const char *judge_list(const struct model_zone *z, const bool listed[MODEL_PEERS], uint32_t version)
{
	const struct message_record *r = m.records + m.counts[MESSAGE_ANSWER];

	for (size_t i = 0; i < z->peers_len; i++)
		if (listed[i] != model_present(z, i, version))
			return "the list is of another version";
	if (m.counts[MESSAGE_AUTHORITY] != 0)
		return "an authority section";
	for (size_t i = 0; i < m.counts[MESSAGE_ADDITIONAL]; i++) {
		int peer = listed_peer(z, &r[i].owner);

		if (peer < 0 || !is_of_peer(&r[i], z, (size_t)peer, version, r[i].type, &r[i].owner))
			return "a record of a peer in the list is of another version";
	}
	return NULL;
}

/* ---- which versions ---- */

static const char *judge_soa(const struct model_zone *z, uint8_t section, uint32_t *serial)
{
	const struct message_record *r = &m.records[0];
	struct name server, mailbox, want;
	size_t at;

	if (m.records_len != 1 || r->section != section || r->type != TYPE_SOA || !name_equal(&r->owner, &z->apex) ||
	    r->ttl_s != MODEL_TTL_S)
		return "not the SOA and nothing else";
	at = message_name(m.bytes, m.len, r->rdata_at, &server);
	at = at == 0 ? 0 : message_name(m.bytes, m.len, at, &mailbox);
	name_prepend("ns1", 3, &z->apex, &want);
	if (at == 0 || at + 20 != r->rdata_at + r->rdlen || !name_equal(&server, &want))
		return "the SOA's names";
	name_prepend("hostmaster", 10, &z->apex, &want);
	if (!name_equal(&mailbox, &want) || get32(m.bytes + at + 16) != MODEL_TTL_S)
		return "the SOA's mailbox or minimum";
	*serial = get32(m.bytes + at);
	return NULL;
}

/* Does an answer without a record of a peer fit that version? */
static bool fits_version(const struct question *q, const struct model_zone *z, uint32_t version)
{
	bool is_peer = q->kind < ASK_UNKNOWN, present = is_peer && model_present(z, q->peer, version);

	return !is_peer || present == (m.rcode == DNS_NOERROR);
}

static const char *judge_versions(const struct question *q, const struct model_zone *z, const struct model_window *w,
    struct question_seen *seen, uint32_t *serial)
{
	struct version_set set = {.first = w->first, .len = w->last + 1 - w->first};
	uint32_t newest = 0;

	for (uint32_t v = w->first; v <= w->last; v++) {
		if (model_is_right(z, w, v) && fits_version(q, z, v)) {
			version_put(&set, v, true);
			newest = v;
		}
	}
	if (newest == 0)
		return "no version that can be right says so";
	if (newest < seen->version)
		return "older than what the same client had before";
	return serial == NULL ? NULL : serials_judge((size_t)(z - model_zones), *serial, &set, seen);
}

static const char *judge_version(const struct model_zone *z, const struct model_window *w, uint32_t version,
    struct question_seen *seen)
{
	if (version == 0)
		return "of no version at all";
	if (!model_is_right(z, w, version))
		return "of a version that was not right at that time";
	if (version < seen->version)
		return "older than what the same client had before";
	seen->version = version;
	serials_saw_version((size_t)(z - model_zones), version);
	return NULL;
}

/* ---- the kinds of questions ---- */

static const char *judge_positive(const struct question *q, const struct model_zone *z, bool tcp, struct question_seen *seen,
    struct verdict *out)
{
	const char *wrong;

	out->version = version_of(&m.records[q->kind == ASK_ALIAS], z, q->peer);
	wrong = judge_version(z, &out->window, out->version, seen);
	return wrong != NULL ? wrong : judge_peer(q, z, out->version, tcp);
}

static const char *judge_peers(const struct model_zone *z, struct question_seen *seen, struct verdict *out)
{
	const struct message_record *first = m.records + m.counts[MESSAGE_ANSWER];
	bool listed[MODEL_PEERS] = {false};
	const char *wrong = read_list(z, listed);
	int peer;

	if (wrong != NULL)
		return wrong;
	if (m.counts[MESSAGE_ADDITIONAL] > 0) {
		peer = listed_peer(z, &first->owner);
		out->version = peer < 0 ? 0 : version_of(first, z, (size_t)peer);
	} else {
		lists_left_out++;
		for (uint32_t v = out->window.first; v <= out->window.last; v++)
			if (model_is_right(z, &out->window, v) && judge_list(z, listed, v) == NULL)
				out->version = v;
	}
	wrong = judge_version(z, &out->window, out->version, seen);
	return wrong != NULL ? wrong : judge_list(z, listed, out->version);
}

/* Has the section these records, in any order? Their number is known to be right. */
static bool has_record(uint8_t section, uint16_t type, const struct name *owner, const void *rdata, size_t len)
{
	for (size_t i = 0; i < m.records_len; i++)
		if (m.records[i].section == section && is_record(&m.records[i], type, owner, rdata, len))
			return true;
	return false;
}

static bool is_name_servers(const struct model_zone *z)
{
	static const uint8_t addrs[4][4] = {{192, 0, 2, 53}, {192, 0, 2, 54}, {192, 0, 2, 55}},
	    addr6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 0x53};
	struct name servers[2];

	name_prepend("ns1", 3, &z->apex, &servers[0]);
	name_prepend("ns2", 3, &z->apex, &servers[1]);
	return m.counts[MESSAGE_ANSWER] == 2 && m.counts[MESSAGE_ADDITIONAL] == 4 &&
	    has_record(MESSAGE_ANSWER, TYPE_NS, &z->apex, servers[0].wire, servers[0].len) &&
	    has_record(MESSAGE_ANSWER, TYPE_NS, &z->apex, servers[1].wire, servers[1].len) &&
	    has_record(MESSAGE_ADDITIONAL, DNS_A, &servers[0], addrs[0], 4) &&
	    has_record(MESSAGE_ADDITIONAL, DNS_A, &servers[0], addrs[1], 4) &&
	    has_record(MESSAGE_ADDITIONAL, DNS_AAAA, &servers[0], addr6, 16) &&
	    has_record(MESSAGE_ADDITIONAL, DNS_A, &servers[1], addrs[2], 4);
}

/* What is the same in all versions. */
static const char *judge_fixed(const struct question *q, const struct model_zone *z)
{
	static const uint8_t addrs[2][4] = {{192, 0, 2, 53}, {192, 0, 2, 54}}, service[] = "\x09" "txtvers=1" "\x07" "shard=0";
	struct name owner = {.len = (uint8_t)q->name_len};
	bool ok = m.counts[MESSAGE_AUTHORITY] == 0;

	for (size_t i = 0; i < q->name_len; i++)
		owner.wire[i] = name_lower(q->msg[DNS_HEADER + i]);
	if (q->kind == ASK_NS)
		ok = ok && is_name_servers(z);
	else if (q->kind == ASK_SERVER)
		ok = ok && m.records_len == 2 && has_record(MESSAGE_ANSWER, DNS_A, &owner, addrs[0], 4) &&
		    has_record(MESSAGE_ANSWER, DNS_A, &owner, addrs[1], 4);
	else if (q->kind == ASK_SERVICE)
		ok = ok && m.records_len == 1 && has_record(MESSAGE_ANSWER, DNS_TXT, &owner, service, sizeof(service) - 1);
	else
		ok = ok && m.records_len == 1 && has_record(MESSAGE_ANSWER, DNS_PTR, &owner, z->apex.wire, z->apex.len);
	return ok ? NULL : "not the record that never changes";
}

static const char *judge_answer(const struct question *q, const struct model_zone *z, bool tcp, struct question_seen *seen,
    struct verdict *out)
{
	bool positive = m.counts[MESSAGE_ANSWER] > 0;
	const char *wrong = NULL;
	uint32_t serial = 0;

	if (m.rcode == DNS_NXDOMAIN ? positive || q->kind > ASK_UNKNOWN : q->kind == ASK_UNKNOWN)
		return "NXDOMAIN where it is not, or the other way round";
	if (positive && q->kind < ASK_UNKNOWN)
		return judge_positive(q, z, tcp, seen, out);
	if (positive && q->kind == ASK_LIST)
		return judge_peers(z, seen, out);
	if (positive && q->kind != ASK_SOA) {
		wrong = judge_fixed(q, z);
		return wrong != NULL ? wrong : judge_versions(q, z, &out->window, seen, NULL);
	}
	/* NODATA: right for a type that the peer does not have. */
	if (!positive && m.rcode == DNS_NOERROR && q->kind != ASK_OTHER && q->kind != ASK_EMPTY &&
	    !(q->kind == ASK_A && q->peer % 4 == 1) && !(q->kind == ASK_AAAA && q->peer % 4 != 1))
		return "no records of a type that is there";
	wrong = judge_soa(z, positive ? MESSAGE_ANSWER : MESSAGE_AUTHORITY, &serial);
	return wrong != NULL ? wrong : judge_versions(q, z, &out->window, seen, &serial);
}

/* ---- the message ---- */

static const char *judge_header(const struct question *q, size_t len, bool tcp)
{
	bool authoritative = (m.flags & 4) != 0;

	if (memcmp(m.bytes, q->msg, 2) != 0 || memcmp(m.bytes + DNS_HEADER, q->msg + DNS_HEADER, q->name_len + 4u) != 0)
		return "another question";
	if ((m.flags & 0xf9) != 0x81 || (m.bytes[3] & 0xf0) != 0)
		return "the header's flags";
	if (m.opt != q->edns)
		return "an OPT that nobody sent, or none";
	if (len > limit_of(q, tcp))
		return "longer than the client takes";
	if (authoritative != (m.rcode == DNS_NOERROR || m.rcode == DNS_NXDOMAIN))
		return "AA";
	return NULL;
}

static const char *judge_refusal(const struct question *q, struct verdict *out)
{
	const struct model_window *w = &out->window;

	if (m.records_len != 0)
		return "records with an error";
	if (m.rcode == DNS_REFUSED)
		return q->kind == ASK_OUTSIDE || w->refused ? NULL : "REFUSED";
	if (m.rcode != DNS_SERVFAIL || q->kind == ASK_OUTSIDE)
		return "an error that is none of the server's";
	out->no_help = !w->absent && !w->fault && !w->refused;
	if (!w->absent && !w->refused && up_us < w->from_us)
		return "SERVFAIL, and the source is there";
	return !q->edns || m.ede == 14 ? NULL : "not the extended error 14";
}

static const char *judge(const struct question *q, const uint8_t *msg, size_t len, bool tcp, struct question_seen *seen,
    struct verdict *out)
{
	const char *wrong = message_parse(msg, len, q->name_len + 4u, &m);

	if (wrong == NULL)
		wrong = judge_header(q, len, tcp);
	if (wrong != NULL)
		return wrong;
	out->rcode = m.rcode;
	out->truncated = (m.flags & 2) != 0;
	if (out->truncated)
		return tcp ? "TC over TCP" : m.records_len != 0 ? "TC, and records" : NULL;
	if (m.rcode != DNS_NOERROR && m.rcode != DNS_NXDOMAIN)
		return judge_refusal(q, out);
	if (q->kind == ASK_OUTSIDE)
		return "an answer for a zone of others";
	return judge_answer(q, &model_zones[q->zone], tcp, seen, out);
}

void question_judge(const struct question *q, const uint8_t *msg, size_t len, bool tcp, int64_t received_us,
    struct question_seen *seen, struct verdict *out)
{
	static unsigned n;

	*out = (struct verdict){0};
	model_window(&model_zones[q->zone], q->sent_us, received_us, &out->window);
	out->wrong = judge(q, msg, len, tcp, seen, out);
	if (out->wrong == NULL && ++n % SECOND_OPINION == 0) {
		second_opinions++;
		out->wrong = message_check(&m);
	}
	counts[q->kind].udp += !tcp;
	counts[q->kind].tcp += tcp;
	rcodes[m.rcode & 15]++;
	truncated += out->truncated;
}

void question_server_up(void)
{
	up_us = model_now_us();
}

void question_print(void)
{
	printf("answers by kind, over UDP and TCP:\n");
	for (size_t i = 0; i < ASK_KINDS; i++)
		printf("  %8lu %7lu  %s\n", counts[i].udp, counts[i].tcp, question_kinds[i]);
	printf("NOERROR %lu, NXDOMAIN %lu, SERVFAIL %lu, REFUSED %lu; %lu truncated; %lu lists without additional records; "
	       "%lu read by ldns, too\n",
	    rcodes[DNS_NOERROR], rcodes[DNS_NXDOMAIN], rcodes[DNS_SERVFAIL], rcodes[DNS_REFUSED], truncated, lists_left_out,
	    second_opinions);
	serials_print();
}
