#include "reply.h"

#include <string.h>

#include "records.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

const char *lookup_status_text(enum lookup_status status)
{
	static const char *const text[] = {
	    [LOOKUP_FOUND] = "found",
	    [LOOKUP_NOT_IN_ZONE] = "not in the zone: the registry has not seen it, or not published it",
	    [LOOKUP_NOT_READY] = "SERVFAIL: the registry's device is not there, or a resolver cannot reach the registry",
	    [LOOKUP_REFUSED] = "the name server refused: it does not serve this zone, or not to us",
	    [LOOKUP_NO_ANSWER] = "no answer from the name server",
	    [LOOKUP_UNREACHABLE] = "the name server cannot be reached",
	    [LOOKUP_BAD_ANSWER] = "the answer is malformed, or none to the question",
	    [LOOKUP_OTHER_KEY] = "the answer is for another key (pub= differs)",
	    [LOOKUP_NO_ADDRESS] = "the answer has a port but no address",
	    [LOOKUP_BAD_ENDPOINT] = "the answer has an endpoint where no peer can be",
	};

	return (unsigned)status < LOOKUP_STATUSES ? text[status] : "unknown";
}

static bool is_owner(const ldns_rr *rr, const struct name *name)
{
	const ldns_rdf *owner = ldns_rr_owner(rr);
	const uint8_t *wire = ldns_rdf_data(owner);

	if (ldns_rdf_size(owner) != name->len)
		return false;
	for (size_t i = 0; i < name->len; i++)
		if (name_lower(wire[i]) != name_lower(name->wire[i]))
			return false;
	return true;
}

static bool read_address(const ldns_rr *rr, uint16_t port, struct endpoint *out)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	const ldns_rdf *rdf = ldns_rr_rdf(rr, 0);
	bool ok = false;

	if (ldns_rr_rd_count(rr) != 1)
		return false;
	if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_A && ldns_rdf_size(rdf) == 4) {
		memcpy(&in.sin_addr, ldns_rdf_data(rdf), 4);
		ok = endpoint_from_sockaddr(&in, sizeof(in), out);
	} else if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_AAAA && ldns_rdf_size(rdf) == 16) {
		memcpy(&in6.sin6_addr, ldns_rdf_data(rdf), 16);
		ok = endpoint_from_sockaddr(&in6, sizeof(in6), out);
	}
	out->port = port;
	return ok;
}

/* The first SRV of the instance. */
static bool read_srv(const ldns_rr_list *list, const struct name *instance, struct reply *out)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		const ldns_rdf *target;

		if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_SRV || ldns_rr_rd_count(rr) != 4 || !is_owner(rr, instance))
			continue;
		target = ldns_rr_rdf(rr, 3);
		if (ldns_rdf_size(target) > NAME_MAX_LEN)
			continue;
		out->port = ldns_rdf2native_int16(ldns_rr_rdf(rr, 2));
		out->target.len = (uint8_t)ldns_rdf_size(target);
		memcpy(out->target.wire, ldns_rdf_data(target), out->target.len);
		return true;
	}
	return false;
}

/* Does a TXT of the instance name another key? */
static bool is_other_key(const ldns_rr_list *list, const struct name *instance, const uint8_t key[KEY_LEN])
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);

		if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_TXT || !is_owner(rr, instance))
			continue;
		for (size_t j = 0; j < ldns_rr_rd_count(rr); j++) {
			const ldns_rdf *rdf = ldns_rr_rdf(rr, j);
			uint8_t pub[KEY_LEN];
			int r = records_txt_pub(ldns_rdf_data(rdf), ldns_rdf_size(rdf), pub);

			if (r < 0 || (r > 0 && memcmp(pub, key, KEY_LEN) != 0))
				return true;
		}
	}
	return false;
}

/* The first where a peer can be; else one where none can. */
static void find_address(const ldns_rr_list *list, struct reply *out)
{
	for (size_t i = 0; !endpoint_is_reachable(&out->endpoint) && i < ldns_rr_list_rr_count(list); i++) {
		struct endpoint ep;

		if (is_owner(ldns_rr_list_rr(list, i), &out->target) && read_address(ldns_rr_list_rr(list, i), out->port, &ep))
			out->endpoint = ep;
	}
}

enum lookup_status reply_read_srv(const uint8_t *msg, size_t len, const struct name *instance, const uint8_t key[KEY_LEN],
    struct reply *out)
{
	enum lookup_status status = LOOKUP_FOUND;
	ldns_pkt *pkt = NULL;

	memset(out, 0, sizeof(*out));
	if (ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
		return LOOKUP_BAD_ANSWER;
	if (!read_srv(ldns_pkt_answer(pkt), instance, out)) {
		status = ldns_pkt_ancount(pkt) == 0 ? LOOKUP_NOT_IN_ZONE : LOOKUP_BAD_ANSWER;
	} else if (is_other_key(ldns_pkt_additional(pkt), instance, key) || is_other_key(ldns_pkt_answer(pkt), instance, key)) {
		status = LOOKUP_OTHER_KEY;
	} else {
		find_address(ldns_pkt_additional(pkt), out);
		if (out->endpoint.family != AF_UNSPEC ? !endpoint_is_reachable(&out->endpoint) : out->port == 0)
			status = LOOKUP_BAD_ENDPOINT;
	}
	ldns_pkt_free(pkt);
	return status;
}

enum lookup_status reply_read_address(const uint8_t *msg, size_t len, struct reply *out)
{
	ldns_pkt *pkt = NULL;

	if (ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
		return LOOKUP_BAD_ANSWER;
	find_address(ldns_pkt_answer(pkt), out);
	ldns_pkt_free(pkt);
	if (out->endpoint.family == AF_UNSPEC)
		return LOOKUP_NO_ADDRESS;
	return endpoint_is_reachable(&out->endpoint) ? LOOKUP_FOUND : LOOKUP_BAD_ENDPOINT;
}
