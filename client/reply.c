#include "reply.h"

#include <string.h>

#include "records.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

static const struct {
	const char *word, *text;
} statuses[] = {
    [LOOKUP_FOUND] = {"found", "found"},
    [LOOKUP_NOT_IN_ZONE] = {"not-in-zone", "not in the zone: the registry has not seen it, or not published it"},
    [LOOKUP_NOT_READY] = {"servfail", "SERVFAIL: the registry's device is not there, or a resolver cannot reach the registry"},
    [LOOKUP_REFUSED] = {"refused", "the name server refused: it does not serve this zone, or not to us"},
    [LOOKUP_NO_ANSWER] = {"no-answer", "no answer from the name server"},
    [LOOKUP_UNREACHABLE] = {"unreachable", "the name server cannot be reached"},
    [LOOKUP_BAD_ANSWER] = {"bad-answer", "the answer is malformed, or none to the question"},
    [LOOKUP_OTHER_KEY] = {"other-key", "the answer is for another key (pub= differs)"},
    [LOOKUP_NO_ADDRESS] = {"no-address", "the answer has a port but no address"},
    [LOOKUP_BAD_ENDPOINT] = {"bad-endpoint", "the answer has an endpoint where no peer can be"},
    [LOOKUP_NO_ROUTE] = {"no-route", "this host has no route to its address"},
    [LOOKUP_IN_TUNNEL] = {"in-tunnel", "the answer has an address inside the tunnel: a packet would go round in circles"},
};

const char *lookup_status_text(enum lookup_status status)
{
	return (unsigned)status < LOOKUP_STATUSES ? statuses[status].text : "unknown";
}

const char *lookup_status_word(enum lookup_status status)
{
	return (unsigned)status < LOOKUP_STATUSES ? statuses[status].word : "unknown";
}

/* In lower case, as all stored names are. */
static bool to_name(const ldns_rdf *rdf, struct name *out)
{
	size_t len = ldns_rdf_size(rdf);

	if (len == 0 || len > NAME_MAX_LEN)
		return false;
	out->len = (uint8_t)len;
	for (size_t i = 0; i < len; i++) /* a length octet is no letter */
		out->wire[i] = name_lower(ldns_rdf_data(rdf)[i]);
	return true;
}

static bool is_owner(const ldns_rr *rr, const struct name *name)
{
	struct name owner;

	return to_name(ldns_rr_owner(rr), &owner) && name_equal(&owner, name);
}

static bool is_record(const ldns_rr *rr, ldns_rr_type type, size_t fields, const struct name *owner)
{
	return ldns_rr_get_type(rr) == type && ldns_rr_rd_count(rr) >= fields && is_owner(rr, owner);
}

/* Follows aliases within the answer. A loop ends at the bound, and then there is no record either. */
static void follow_aliases(const ldns_rr_list *list, struct name *name)
{
	for (int hops = 0; hops < REPLY_ALIASES; hops++) {
		bool moved = false;

		for (size_t i = 0; !moved && i < ldns_rr_list_rr_count(list); i++) {
			const ldns_rr *rr = ldns_rr_list_rr(list, i);
			struct name next;

			if (is_record(rr, LDNS_RR_TYPE_CNAME, 1, name) && to_name(ldns_rr_rdf(rr, 0), &next)) {
				*name = next;
				moved = true;
			}
		}
		if (!moved)
			return;
	}
}

static void add_address(const ldns_rr *rr, struct reply *out)
{
	const ldns_rdf *rdf = ldns_rr_rdf(rr, 0);
	ldns_rr_type type = ldns_rr_get_type(rr);
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct endpoint *ep = &out->addrs[out->addrs_len];
	bool ok = false;

	if (out->addrs_len == REPLY_ADDRS)
		return;
	if (type == LDNS_RR_TYPE_A && ldns_rdf_size(rdf) == 4) {
		memcpy(&in.sin_addr, ldns_rdf_data(rdf), 4);
		ok = endpoint_from_sockaddr(&in, sizeof(in), ep);
	} else if (type == LDNS_RR_TYPE_AAAA && ldns_rdf_size(rdf) == 16) {
		memcpy(&in6.sin6_addr, ldns_rdf_data(rdf), 16);
		ok = endpoint_from_sockaddr(&in6, sizeof(in6), ep);
	}
	if (ok) {
		ep->port = out->port;
		out->addrs_len++;
	}
}

static void add_addresses(const ldns_rr_list *list, const struct name *owner, struct reply *out)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);

		if (ldns_rr_rd_count(rr) == 1 && is_owner(rr, owner))
			add_address(rr, out);
	}
}

static bool is_before(uint16_t port, const struct name *target, uint16_t other_port, const struct name *other)
{
	if (port != other_port)
		return port < other_port;
	return target->len != other->len ? target->len < other->len : memcmp(target->wire, other->wire, target->len) < 0;
}

/* RFC 2782: the least priority. Among equals the greatest weight, and not a lot drawn: both ends of a tunnel and the next
 * round shall come to the same. */
static bool read_srv(const ldns_rr_list *list, struct reply *out)
{
	uint16_t priority = 0, weight = 0;
	bool found = false;

	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		uint16_t p, w, port;
		struct name target;

		if (!is_record(rr, LDNS_RR_TYPE_SRV, 4, &out->instance) || !to_name(ldns_rr_rdf(rr, 3), &target))
			continue;
		p = ldns_rdf2native_int16(ldns_rr_rdf(rr, 0));
		w = ldns_rdf2native_int16(ldns_rr_rdf(rr, 1));
		port = ldns_rdf2native_int16(ldns_rr_rdf(rr, 2));
		if (found && (p > priority || (p == priority && (w < weight ||
		        (w == weight && !is_before(port, &target, out->port, &out->target))))))
			continue;
		found = true;
		priority = p;
		weight = w;
		out->port = port;
		out->target = target;
		out->ttl_s = ldns_rr_ttl(rr);
	}
	return found;
}

/* "allowed=", "allowed2=", ...: the CIDRs of all of them, one behind the other; only what is one. */
static void add_allowed(const uint8_t *text, size_t len, struct reply *out)
{
	size_t at = 7, used = strlen(out->allowed);

	while (at < len && text[at] >= '0' && text[at] <= '9')
		at++;
	if (at >= len || text[at++] != '=')
		return;
	while (at < len) {
		const uint8_t *comma = memchr(text + at, ',', len - at);
		size_t n = comma != NULL ? (size_t)(comma - text) - at : len - at;
		char cidr[ALLOWEDIP_TEXT];
		struct wg_allowedip ip;

		if (n < sizeof(cidr)) {
			memcpy(cidr, text + at, n);
			cidr[n] = '\0';
			if (memchr(cidr, '\0', n) == NULL && allowedip_from_text(cidr, &ip) && used + n + 2 <= sizeof(out->allowed)) {
				if (used > 0)
					out->allowed[used++] = ',';
				memcpy(out->allowed + used, cidr, n + 1);
				used += n;
			}
		}
		at += n + 1;
	}
}

/* One RFC 6763 TXT record. False if it names no key where it should, or two. */
static bool read_txt(const ldns_rr *rr, struct reply *out)
{
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		const ldns_rdf *rdf = ldns_rr_rdf(rr, i); /* a character-string, with its length octet */
		const uint8_t *text = ldns_rdf_data(rdf) + 1;
		size_t len = ldns_rdf_size(rdf) - 1;
		uint8_t pub[KEY_LEN];
		int r = records_txt_pub(ldns_rdf_data(rdf), ldns_rdf_size(rdf), pub);

		if (r < 0 || (r > 0 && out->has_key && memcmp(pub, out->key, KEY_LEN) != 0))
			return false;
		if (r > 0) {
			out->has_key = true;
			memcpy(out->key, pub, KEY_LEN);
		} else if (len > 7 && strncasecmp((const char *)text, "allowed", 7) == 0) {
			add_allowed(text, len, out);
		}
	}
	return true;
}

static bool read_txts(const ldns_rr_list *list, struct reply *out)
{
	bool ok = true;

	for (size_t i = 0; ok && i < ldns_rr_list_rr_count(list); i++)
		if (is_record(ldns_rr_list_rr(list, i), LDNS_RR_TYPE_TXT, 1, &out->instance))
			ok = read_txt(ldns_rr_list_rr(list, i), out);
	return ok;
}

enum lookup_status reply_read_srv(const uint8_t *msg, size_t len, const struct name *name, const uint8_t *key,
    struct reply *out)
{
	enum lookup_status status = LOOKUP_FOUND;
	ldns_pkt *pkt = NULL;

	memset(out, 0, sizeof(*out));
	out->instance = *name;
	if (ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
		return LOOKUP_BAD_ANSWER;
	follow_aliases(ldns_pkt_answer(pkt), &out->instance);
	out->is_alias = !name_equal(&out->instance, name);
	if (!read_srv(ldns_pkt_answer(pkt), out)) {
		if (!out->is_alias)
			status = ldns_pkt_ancount(pkt) == 0 ? LOOKUP_NOT_IN_ZONE : LOOKUP_BAD_ANSWER;
	} else if (!read_txts(ldns_pkt_additional(pkt), out) ||
	    (key != NULL && out->has_key && memcmp(out->key, key, KEY_LEN) != 0)) {
		status = LOOKUP_OTHER_KEY;
	} else {
		out->is_alias = false;
		add_addresses(ldns_pkt_additional(pkt), &out->target, out);
		if (out->port == 0)
			status = LOOKUP_BAD_ENDPOINT;
	}
	ldns_pkt_free(pkt);
	return status;
}

enum lookup_status reply_read_addresses(const uint8_t *msg, size_t len, struct reply *out)
{
	struct name owner = out->target;
	size_t before = out->addrs_len;
	ldns_pkt *pkt = NULL;

	if (ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
		return LOOKUP_BAD_ANSWER;
	follow_aliases(ldns_pkt_answer(pkt), &owner);
	add_addresses(ldns_pkt_answer(pkt), &owner, out);
	ldns_pkt_free(pkt);
	return out->addrs_len > before ? LOOKUP_FOUND : LOOKUP_NO_ADDRESS;
}

enum lookup_status reply_read_list(const uint8_t *msg, size_t len, const struct name *service, struct name *names,
    size_t cap, size_t *names_len)
{
	ldns_pkt *pkt = NULL;
	const ldns_rr_list *list;

	*names_len = 0;
	if (ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
		return LOOKUP_BAD_ANSWER;
	list = ldns_pkt_answer(pkt);
	for (size_t i = 0; *names_len < cap && i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);

		/* An instance is one label below its service; anything else is not ours to look up. */
		if (is_record(rr, LDNS_RR_TYPE_PTR, 1, service) && to_name(ldns_rr_rdf(rr, 0), &names[*names_len])) {
			struct name parent;

			if (name_parent(&names[*names_len], &parent) && name_equal(&parent, service))
				++*names_len;
		}
	}
	ldns_pkt_free(pkt);
	return *names_len > 0 ? LOOKUP_FOUND : LOOKUP_NOT_IN_ZONE;
}
