#include "doctor_reply.h"

#include <string.h>

#include "wire.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

#define OPTION_COOKIE 10
#define OPTION_EDE    15
#define COOKIE_CLIENT 8
#define COOKIE_LEN    24 /* with a server's as RFC 9018 has it */

static bool to_name(const ldns_rdf *rdf, struct name *out)
{
	size_t len = ldns_rdf_size(rdf);

	if (len == 0 || len > NAME_MAX_LEN || !name_is_sound(ldns_rdf_data(rdf), len))
		return false;
	out->len = (uint8_t)len;
	for (size_t i = 0; i < len; i++) /* a length octet is no letter */
		out->wire[i] = name_lower(ldns_rdf_data(rdf)[i]);
	return true;
}

static bool is_record(const ldns_rr *rr, ldns_rr_type type, const struct name *owner)
{
	struct name name;

	return ldns_rr_get_type(rr) == type && ldns_rr_rd_count(rr) >= 1 && to_name(ldns_rr_owner(rr), &name) &&
	    name_equal(&name, owner);
}

/* The server's cookie is "version 1, reserved 3, time 4, hash 8" (RFC 9018 section 4). Another server's cookie says nothing. */
static void read_options(const ldns_pkt *pkt, struct doctor_answer *out)
{
	const ldns_rdf *options = ldns_pkt_edns_data(pkt);
	struct wire_reader r = {0};

	if (options != NULL)
		r = (struct wire_reader){.buf = ldns_rdf_data(options), .len = ldns_rdf_size(options)};
	while (r.at < r.len && !r.bad) {
		uint16_t code = wire_get16(&r), n = wire_get16(&r);
		const uint8_t *value = wire_skip(&r, n);

		if (value == NULL)
			return;
		if (code == OPTION_COOKIE && n == COOKIE_LEN && get32(value + COOKIE_CLIENT) == UINT32_C(1) << 24)
			out->time_s = get32(value + COOKIE_CLIENT + 4);
		else if (code == OPTION_EDE && n >= 2)
			out->ede = get16(value);
	}
}

static void read_apex(const ldns_rr_list *list, struct name *out)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list) && out->len == 0; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);

		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA && !to_name(ldns_rr_owner(rr), out))
			out->len = 0;
	}
}

void doctor_reply_soa(enum lookup_status status, const uint8_t *msg, size_t len, struct doctor_answer *out)
{
	ldns_pkt *pkt = NULL;

	*out = (struct doctor_answer){.status = status};
	if (len == 0)
		return;
	if (ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK) {
		out->status = LOOKUP_BAD_ANSWER;
		return;
	}
	out->rcode = ldns_pkt_get_rcode(pkt);
	out->is_authoritative = ldns_pkt_aa(pkt);
	read_options(pkt, out);
	read_apex(ldns_pkt_answer(pkt), &out->apex);
	if (out->apex.len == 0)
		read_apex(ldns_pkt_authority(pkt), &out->apex);
	ldns_pkt_free(pkt);
}

static size_t add_ns(const ldns_rr_list *list, const struct name *owner, struct name *out, size_t n, size_t cap)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list) && n < cap; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);

		n += is_record(rr, LDNS_RR_TYPE_NS, owner) && to_name(ldns_rr_rdf(rr, 0), &out[n]);
	}
	return n;
}

size_t doctor_reply_ns(const uint8_t *msg, size_t len, const struct name *owner, struct name *out, size_t cap)
{
	ldns_pkt *pkt = NULL;
	size_t n;

	if (len == 0 || ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
		return 0;
	n = add_ns(ldns_pkt_answer(pkt), owner, out, 0, cap);
	if (n == 0)
		n = add_ns(ldns_pkt_authority(pkt), owner, out, 0, cap);
	ldns_pkt_free(pkt);
	return n;
}

static bool to_address(const ldns_rr *rr, uint16_t port, struct endpoint *out)
{
	const ldns_rdf *rdf = ldns_rr_rdf(rr, 0);
	bool v6 = ldns_rr_get_type(rr) == LDNS_RR_TYPE_AAAA;

	if (ldns_rdf_size(rdf) != (v6 ? 16 : 4))
		return false;
	*out = (struct endpoint){.family = v6 ? AF_INET6 : AF_INET, .port = port};
	memcpy(out->addr, ldns_rdf_data(rdf), v6 ? 16 : 4);
	return endpoint_is_reachable(out);
}

static size_t add_addresses(const ldns_rr_list *list, const struct name *owner, uint16_t port, struct endpoint *out, size_t n, size_t cap)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list) && n < cap; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);

		n += (is_record(rr, LDNS_RR_TYPE_A, owner) || is_record(rr, LDNS_RR_TYPE_AAAA, owner)) && to_address(rr, port, &out[n]);
	}
	return n;
}

size_t doctor_reply_addresses(const uint8_t *msg, size_t len, const struct name *owner, uint16_t port, struct endpoint *out,
    size_t cap)
{
	struct name name = *owner;
	ldns_pkt *pkt = NULL;
	size_t n;

	if (len == 0 || ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
		return 0;
	for (size_t i = 0, hops = 0; i < ldns_rr_list_rr_count(ldns_pkt_answer(pkt)) && hops < REPLY_ALIASES; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_answer(pkt), i);
		struct name next;

		if (is_record(rr, LDNS_RR_TYPE_CNAME, &name) && to_name(ldns_rr_rdf(rr, 0), &next)) {
			name = next;
			hops++;
		}
	}
	n = add_addresses(ldns_pkt_answer(pkt), &name, port, out, 0, cap);
	n = add_addresses(ldns_pkt_additional(pkt), &name, port, out, n, cap);
	ldns_pkt_free(pkt);
	return n;
}
