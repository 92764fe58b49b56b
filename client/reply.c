#include "reply.h"

#include <stdlib.h>
#include <string.h>

#include "records.h"
#include "wire.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

#define COOKIE 10 /* the EDNS option */

static const struct {
	const char *word, *text;
} statuses[] = {
    [LOOKUP_FOUND] = {"found", "found"},
    [LOOKUP_NOT_IN_ZONE] = {"not-in-zone", "not in the zone: the registry has not seen it, or not published it"},
    [LOOKUP_NOT_READY] = {"servfail", "SERVFAIL: the registry's device is not there, or wgmeetd may not read it, or a resolver cannot reach the registry"},
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
	const ldns_rdf *owner = ldns_rr_owner(rr);

	if (ldns_rdf_size(owner) != name->len)
		return false;
	for (size_t i = 0; i < name->len; i++)
		if (name_lower(ldns_rdf_data(owner)[i]) != name->wire[i])
			return false;
	return true;
}

static bool is_record(const ldns_rr *rr, ldns_rr_type type, size_t fields, const struct name *owner)
{
	return ldns_rr_get_type(rr) == type && ldns_rr_rd_count(rr) >= fields && is_owner(rr, owner);
}

/* Of a section: all records, or those of one owner where they are in order. */
struct span {
	const ldns_rr_list *list;
	size_t from, to;
};

static struct span span_of(const ldns_rr_list *list)
{
	return (struct span){.list = list, .to = ldns_rr_list_rr_count(list)};
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

static void add_addresses(struct span span, const struct name *owner, struct reply *out)
{
	for (size_t i = span.from; i < span.to && out->addrs_len < REPLY_ADDRS; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(span.list, i);

		if (is_record(rr, LDNS_RR_TYPE_A, 1, owner) || is_record(rr, LDNS_RR_TYPE_AAAA, 1, owner))
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
static bool read_srv(struct span span, struct reply *out)
{
	uint16_t priority = 0, weight = 0;
	bool found = false;

	for (size_t i = span.from; i < span.to; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(span.list, i);
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

static bool read_txts(struct span span, struct reply *out)
{
	bool ok = true;

	for (size_t i = span.from; ok && i < span.to; i++) {
		if (!is_record(ldns_rr_list_rr(span.list, i), LDNS_RR_TYPE_TXT, 1, &out->instance))
			continue;
		out->has_txt = true;
		ok = read_txt(ldns_rr_list_rr(span.list, i), out);
	}
	return ok;
}

static bool is_other_key(const struct reply *reply, const uint8_t *key)
{
	return key != NULL && reply->has_key && memcmp(reply->key, key, KEY_LEN) != 0;
}

/* Of an SRV that was read: its TXT, the addresses of its target. */
static enum lookup_status read_rest(struct span txts, struct span addresses, const uint8_t *key, struct reply *out)
{
	if (!read_txts(txts, out) || is_other_key(out, key))
		return LOOKUP_OTHER_KEY;
	add_addresses(addresses, &out->target, out);
	return out->port == 0 ? LOOKUP_BAD_ENDPOINT : LOOKUP_FOUND;
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
	if (!read_srv(span_of(ldns_pkt_answer(pkt)), out)) {
		if (!out->is_alias)
			status = ldns_pkt_ancount(pkt) == 0 ? LOOKUP_NOT_IN_ZONE : LOOKUP_BAD_ANSWER;
	} else {
		struct span rest = span_of(ldns_pkt_additional(pkt));

		out->is_alias = false;
		status = read_rest(rest, rest, key, out);
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
	add_addresses(span_of(ldns_pkt_answer(pkt)), &owner, out);
	ldns_pkt_free(pkt);
	return out->addrs_len > before ? LOOKUP_FOUND : LOOKUP_NO_ADDRESS;
}

enum lookup_status reply_read_txt(const uint8_t *msg, size_t len, const uint8_t *key, struct reply *out)
{
	ldns_pkt *pkt = NULL;
	bool ok;

	if (ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
		return LOOKUP_BAD_ANSWER;
	ok = read_txts(span_of(ldns_pkt_answer(pkt)), out) && !is_other_key(out, key);
	ldns_pkt_free(pkt);
	return !ok ? LOOKUP_OTHER_KEY : out->has_txt ? LOOKUP_FOUND : LOOKUP_NOT_IN_ZONE;
}

void reply_read_cookie(const uint8_t *msg, size_t len, uint8_t cookie[REPLY_COOKIE], size_t *cookie_len)
{
	ldns_pkt *pkt = NULL;
	const ldns_rdf *options;
	struct wire_reader r = {0};

	if (ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
		return;
	if ((options = ldns_pkt_edns_data(pkt)) != NULL)
		r = (struct wire_reader){.buf = ldns_rdf_data(options), .len = ldns_rdf_size(options)};
	while (r.at < r.len && !r.bad) {
		uint16_t code = wire_get16(&r), n = wire_get16(&r);
		const uint8_t *value = wire_skip(&r, n);

		if (code == COOKIE && value != NULL && n >= 2 * REPLY_COOKIE_CLIENT && n <= REPLY_COOKIE &&
		    memcmp(value, cookie, REPLY_COOKIE_CLIENT) == 0) {
			memcpy(cookie, value, n);
			*cookie_len = n;
			break;
		}
	}
	ldns_pkt_free(pkt);
}

/* ---- lists ---- */

bool reply_name_key(const struct name *name, uint8_t key[KEY_LEN])
{
	uint8_t n = name->wire[0];

	return name->len > n && (n == KEY_BASE32 || (n == KEY_BASE32_PAD && memcmp(name->wire + 1 + KEY_BASE32, "====", 4) == 0)) &&
	    key_from_base32(name->wire + 1, key);
}

static int compare_names(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	int d = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return d != 0 ? d : a_len < b_len ? -1 : a_len > b_len;
}

static int by_name(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return compare_names(x->wire, x->len, y->wire, y->len);
}

struct owned {
	ldns_rr *rr;
	size_t place;
};

static int by_owner(const void *a, const void *b)
{
	const struct owned *x = a, *y = b;
	const ldns_rdf *o = ldns_rr_owner(x->rr), *p = ldns_rr_owner(y->rr);
	int d = compare_names(ldns_rdf_data(o), ldns_rdf_size(o), ldns_rdf_data(p), ldns_rdf_size(p));

	return d != 0 ? d : x->place < y->place ? -1 : 1; /* the order of a peer's addresses stays */
}

/* A section by its owners, in lower case: a message over TCP has thousands of records, and each peer is to find its own. */
static bool sort_by_owner(ldns_rr_list *list)
{
	size_t n = ldns_rr_list_rr_count(list);
	struct owned *owned = calloc(n + 1, sizeof(*owned));

	if (owned == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		owned[i] = (struct owned){.rr = ldns_rr_list_rr(list, i), .place = i};
		ldns_dname2canonical(ldns_rr_owner(owned[i].rr));
	}
	qsort(owned, n, sizeof(*owned), by_owner);
	for (size_t i = 0; i < n; i++)
		ldns_rr_list_set_rr(list, owned[i].rr, i);
	free(owned);
	return true;
}

/* The first record from `from` on whose owner is not before `name`, or if `behind` is after it. */
static size_t find_owner(const ldns_rr_list *list, size_t from, const struct name *name, bool behind)
{
	size_t to = ldns_rr_list_rr_count(list);

	while (from < to) {
		size_t middle = from + (to - from) / 2;
		const ldns_rdf *owner = ldns_rr_owner(ldns_rr_list_rr(list, middle));

		if (compare_names(ldns_rdf_data(owner), ldns_rdf_size(owner), name->wire, name->len) < (behind ? 1 : 0))
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static struct span span_of_owner(const ldns_rr_list *list, const struct name *name)
{
	struct span span = {.list = list, .from = find_owner(list, 0, name, false)};

	span.to = find_owner(list, span.from, name, true);
	return span;
}

/* An instance is one label below its service. One that is a key must be where its first characters say. */
static bool is_listed(const struct name *name, const struct name *list, const struct name *service)
{
	struct name parent;
	uint8_t key[KEY_LEN];

	return name_parent(name, &parent) && name_equal(&parent, service) &&
	    (name_equal(list, service) || !reply_name_key(name, key) ||
	        memcmp(name->wire + 1, list->wire + 2, list->wire[0] - 1u) == 0);
}

/* Returns how many there are: all, each once, in order. */
static size_t read_targets(const ldns_rr_list *list, const struct name *owner, const struct name *service, struct name *out)
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);

		if (is_record(rr, LDNS_RR_TYPE_PTR, 1, owner) && to_name(ldns_rr_rdf(rr, 0), &out[n]))
			n += is_listed(&out[n], owner, service);
	}
	qsort(out, n, sizeof(*out), by_name);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || !name_equal(&out[i], &out[kept - 1]))
			out[kept++] = out[i];
	return kept;
}

static void tell_peer(const struct name *name, const ldns_rr_list *rest, reply_peer_fn *fn, void *data)
{
	struct reply peer = {.instance = *name};
	struct span span = span_of_owner(rest, name);
	enum lookup_status status = LOOKUP_FOUND;
	uint8_t key[KEY_LEN];
	bool whole = read_srv(span, &peer);

	if (whole)
		status = read_rest(span, span_of_owner(rest, &peer.target), reply_name_key(name, key) ? key : NULL, &peer);
	/* What is known to be wrong needs no address. */
	whole = whole && peer.has_txt && (status != LOOKUP_FOUND || peer.addrs_len > 0);
	fn(data, &peer, whole, status);
}

enum lookup_status reply_read_list(const uint8_t *msg, size_t len, const struct name *list, const struct name *service,
    reply_peer_fn *fn, void *data)
{
	enum lookup_status status = LOOKUP_BAD_ANSWER;
	struct name *names = NULL;
	ldns_pkt *pkt = NULL;
	size_t n;

	if (ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
		return LOOKUP_BAD_ANSWER;
	names = calloc(ldns_rr_list_rr_count(ldns_pkt_answer(pkt)) + 1, sizeof(*names));
	if (names == NULL || !sort_by_owner(ldns_pkt_additional(pkt)))
		goto out;
	n = read_targets(ldns_pkt_answer(pkt), list, service, names);
	status = n == 0 ? LOOKUP_NOT_IN_ZONE : n <= REPLY_PEERS ? LOOKUP_FOUND : LOOKUP_BAD_ANSWER;
	for (size_t i = 0; i < n && i < REPLY_PEERS; i++)
		tell_peer(&names[i], ldns_pkt_additional(pkt), fn, data);
out:
	free(names);
	ldns_pkt_free(pkt);
	return status;
}

enum lookup_status reply_read_shard(const uint8_t *msg, size_t len, const struct name *service, unsigned *shard)
{
	enum lookup_status status = LOOKUP_NOT_IN_ZONE;
	ldns_pkt *pkt = NULL;

	if (ldns_wire2pkt(&pkt, msg, len) != LDNS_STATUS_OK)
		return LOOKUP_BAD_ANSWER;
	for (size_t i = 0; i < ldns_rr_list_rr_count(ldns_pkt_answer(pkt)); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_answer(pkt), i);

		for (size_t k = 0; is_record(rr, LDNS_RR_TYPE_TXT, 1, service) && k < ldns_rr_rd_count(rr); k++) {
			const uint8_t *text = ldns_rdf_data(ldns_rr_rdf(rr, k)); /* with its length octet */

			if (text[0] < 6 || strncasecmp((const char *)text + 1, "shard=", 6) != 0)
				continue;
			if (status != LOOKUP_NOT_IN_ZONE || text[0] != 7 || text[7] < '0' || text[7] > '0' + RECORDS_SHARD_MAX) {
				status = LOOKUP_BAD_ANSWER;
				break;
			}
			*shard = text[7] - (unsigned)'0';
			status = LOOKUP_FOUND;
		}
	}
	ldns_pkt_free(pkt);
	return status;
}
