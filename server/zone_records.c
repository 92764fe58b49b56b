/* The zone as ldns sees it: the few names beside the peers', and the whole as a master file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"
#include "zone.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

/* Secondaries ask often, and stop serving soon: an old endpoint is of no use to anybody. */
#define SOA_REFRESH_S 60
#define SOA_RETRY_S   30
#define SOA_EXPIRE_S  600

/* ---- records, from their parts: ldns reads no text of a name that is longer than 255 characters ---- */

static ldns_rr *new_rr(const struct zone *z, const struct name *owner, ldns_rr_type type)
{
	ldns_rr *rr = ldns_rr_new();

	if (rr == NULL)
		return NULL;
	ldns_rr_set_owner(rr, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, owner->len, owner->wire));
	ldns_rr_set_ttl(rr, z->conf->ttl_s);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_type(rr, type);
	return rr;
}

/* Where memory is short the record loses its owner: a part that is missing does not show otherwise. */
static void push(ldns_rr *rr, ldns_rdf_type type, const void *bytes, size_t len)
{
	ldns_rdf *part = rr == NULL ? NULL : ldns_rdf_new_frm_data(type, len, bytes);

	if (rr == NULL || (part != NULL && ldns_rr_push_rdf(rr, part)))
		return;
	ldns_rdf_deep_free(part);
	ldns_rdf_deep_free(ldns_rr_owner(rr));
	ldns_rr_set_owner(rr, NULL);
}

static void push_name(ldns_rr *rr, const struct name *name)
{
	push(rr, LDNS_RDF_TYPE_DNAME, name->wire, name->len);
}

static void push16(ldns_rr *rr, uint16_t v)
{
	uint8_t b[2];

	put16(b, v);
	push(rr, LDNS_RDF_TYPE_INT16, b, sizeof(b));
}

static void push32(ldns_rr *rr, ldns_rdf_type type, uint32_t v)
{
	uint8_t b[4];

	put32(b, v);
	push(rr, type, b, sizeof(b));
}

/* The strings of a TXT's RDATA, each behind its length. */
static void push_strings(ldns_rr *rr, const uint8_t *rdata, size_t len)
{
	for (size_t at = 0; at < len; at += rdata[at] + 1u)
		push(rr, LDNS_RDF_TYPE_STR, rdata + at, rdata[at] + 1u);
}

/* Takes the record: false if memory was short for it or one of its parts. */
static bool add(ldns_rr_list *list, ldns_rr *rr)
{
	bool whole = rr != NULL && ldns_rr_owner(rr) != NULL;

	if (whole && ldns_rr_list_push_rr(list, rr))
		return true;
	ldns_rr_free(rr);
	return false;
}

static bool add_name(ldns_rr_list *list, const struct zone *z, const struct name *owner, ldns_rr_type type,
    const struct name *target)
{
	ldns_rr *rr = new_rr(z, owner, type);

	push_name(rr, target);
	return add(list, rr);
}

static bool add_address(ldns_rr_list *list, const struct zone *z, const struct name *owner, const struct endpoint *ep)
{
	ldns_rr *rr = new_rr(z, owner, ep->family == AF_INET ? LDNS_RR_TYPE_A : LDNS_RR_TYPE_AAAA);

	if (ep->family == AF_INET)
		push(rr, LDNS_RDF_TYPE_A, ep->addr, 4);
	else
		push(rr, LDNS_RDF_TYPE_AAAA, ep->addr, 16);
	return add(list, rr);
}

/* ---- the names beside the peers' ---- */

static bool add_soa(ldns_rr_list *list, const struct zone *z)
{
	ldns_rr *rr = new_rr(z, &z->conf->name, LDNS_RR_TYPE_SOA);
	struct name mailbox;

	if (!name_prepend("hostmaster", 10, &z->conf->name, &mailbox))
		mailbox = z->conf->name;
	push_name(rr, &z->conf->name_servers.at[0].name);
	push_name(rr, &mailbox);
	push32(rr, LDNS_RDF_TYPE_INT32, z->serial);
	push32(rr, LDNS_RDF_TYPE_PERIOD, SOA_REFRESH_S);
	push32(rr, LDNS_RDF_TYPE_PERIOD, SOA_RETRY_S);
	push32(rr, LDNS_RDF_TYPE_PERIOD, SOA_EXPIRE_S);
	push32(rr, LDNS_RDF_TYPE_PERIOD, z->conf->ttl_s);
	return add(list, rr);
}

static bool add_servers(ldns_rr_list *list, const struct zone *z)
{
	bool ok = true;

	for (size_t i = 0; i < z->conf->name_servers.len; i++) {
		const struct name_server *server = &z->conf->name_servers.at[i];

		ok = ok && add_name(list, z, &z->conf->name, LDNS_RR_TYPE_NS, &server->name);
		for (size_t j = 0; name_is_within(&server->name, &z->conf->name) && j < server->addrs_len; j++)
			ok = ok && add_address(list, z, &server->name, &server->addrs[j]);
	}
	return ok;
}

/* RFC 6763: service type enumeration (section 9), domain enumeration (section 11). */
static bool add_enumeration(ldns_rr_list *list, const struct zone *z)
{
	static const char *const domains[] = {"b", "db", "lb"};
	struct name udp, sd, owner;
	bool ok = name_prepend("_udp", 4, &z->conf->name, &udp) && name_prepend("_dns-sd", 7, &udp, &sd) &&
	    name_prepend("_services", 9, &sd, &owner) && add_name(list, z, &owner, LDNS_RR_TYPE_PTR, &z->service);

	for (size_t i = 0; i < 3; i++)
		ok = ok && name_prepend(domains[i], strlen(domains[i]), &sd, &owner) &&
		    add_name(list, z, &owner, LDNS_RR_TYPE_PTR, &z->conf->name);
	return ok;
}

static bool add_service(ldns_rr_list *list, const struct zone *z)
{
	uint8_t text[] = "\x09" RECORDS_TXTVERS "\x07" "shard=0";
	ldns_rr *rr = new_rr(z, &z->service, LDNS_RR_TYPE_TXT);

	if (z->shard > 0)
		text[sizeof(text) - 2] = (uint8_t)('0' + z->shard);
	/* Without a list there is nothing to say about how it is split. */
	push_strings(rr, text, z->shard >= 0 ? sizeof(text) - 1 : 10);
	return add(list, rr);
}

/* ---- canonical order: RFC 4034 section 6. ldns's own sort needs memory; where that is short it does nothing, or dies ---- */

/* Where the labels begin; returns how many there are. */
static size_t labels_of(const uint8_t *name, uint8_t at[NAME_MAX_LEN / 2])
{
	size_t n = 0;

	for (size_t i = 0; name[i] != 0; i += name[i] + 1u)
		at[n++] = (uint8_t)i;
	return n;
}

static int compare_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	int d = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return d != 0 ? d : (a_len > b_len) - (a_len < b_len);
}

static int compare_names(const uint8_t *a, const uint8_t *b)
{
	uint8_t a_at[NAME_MAX_LEN / 2], b_at[NAME_MAX_LEN / 2];
	size_t i = labels_of(a, a_at), j = labels_of(b, b_at);
	int d = 0;

	while (d == 0 && i > 0 && j > 0) {
		const uint8_t *x = a + a_at[--i], *y = b + b_at[--j];

		d = compare_bytes(x + 1, *x, y + 1, *y);
	}
	return d != 0 ? d : (i > j) - (i < j);
}

static int in_order(const void *a, const void *b)
{
	const ldns_rr *x = *(ldns_rr *const *)a, *y = *(ldns_rr *const *)b;
	int d = compare_names(ldns_rdf_data(ldns_rr_owner(x)), ldns_rdf_data(ldns_rr_owner(y)));

	if (d == 0)
		d = (int)ldns_rr_get_type(x) - (int)ldns_rr_get_type(y);
	for (size_t i = 0; d == 0 && i < ldns_rr_rd_count(x) && i < ldns_rr_rd_count(y); i++) {
		const ldns_rdf *f = ldns_rr_rdf(x, i), *g = ldns_rr_rdf(y, i);

		d = compare_bytes(ldns_rdf_data(f), ldns_rdf_size(f), ldns_rdf_data(g), ldns_rdf_size(g));
	}
	return d;
}

ldns_rr_list *zone_static_records(const struct zone *z)
{
	ldns_rr_list *list = ldns_rr_list_new();

	if (list == NULL)
		return NULL;
	if (!add_soa(list, z) || !add_servers(list, z) || !add_enumeration(list, z) || !add_service(list, z)) {
		ldns_rr_list_deep_free(list);
		return NULL;
	}
	qsort(list->_rrs, ldns_rr_list_rr_count(list), sizeof(*list->_rrs), in_order);
	return list;
}

/* ---- the master file ---- */

/* ldns leaves in a name what Knot ("=") or NSD ("$", "@", a quote) do not take raw. A TXT's text is in quotes. */
static bool print_record(const ldns_rr *rr, FILE *out)
{
	char *text = ldns_rr2str(rr), *to = text;
	bool in_name = true;

	if (text == NULL)
		return false;
	for (; *to != '\0'; to++) {
		if (*to == '\t')
			in_name = ldns_rr_get_type(rr) != LDNS_RR_TYPE_TXT;
		if (in_name && strchr("=$@\"", *to) != NULL)
			fprintf(out, "\\%03d", *to);
		else
			fputc(*to, out);
	}
	LDNS_FREE(text);
	return true;
}

static bool add_instance(ldns_rr_list *list, const struct zone *z, const struct zone_peer *p, const struct name *owner)
{
	uint8_t text[RECORDS_TXT_HEAD + RECORDS_TXT_MAX];
	ldns_rr *srv = new_rr(z, owner, LDNS_RR_TYPE_SRV), *txt;
	bool ok;

	push16(srv, 0);
	push16(srv, 0);
	push16(srv, p->endpoint.port);
	push_name(srv, owner);
	ok = add(list, srv) && add_address(list, z, owner, &p->endpoint);
	for (size_t i = 0; i < p->more_len; i++)
		ok = ok && add_address(list, z, owner, &z->more[p->more_off + i]);
	txt = new_rr(z, owner, LDNS_RR_TYPE_TXT);
	records_txt_head(p->key, text);
	memcpy(text + RECORDS_TXT_HEAD, z->txt + p->txt_off, p->txt_len);
	push_strings(txt, text, RECORDS_TXT_HEAD + (size_t)p->txt_len);
	if (ok)
		return add(list, txt);
	ldns_rr_free(txt);
	return false;
}

/* All that the peer has, under each of its names, and label.ZONE as an alias of its key's. */
static bool add_peer(ldns_rr_list *list, const struct zone *z, const struct zone_peer *p)
{
	struct name owners[ZONE_OWNERS], alias;
	size_t n = zone_peer_owners(z, p, owners);
	bool ok = true;

	for (size_t i = 0; ok && i < n; i++)
		ok = add_instance(list, z, p, &owners[i]);
	if (ok && p->label != NULL)
		ok = name_prepend(p->label, strlen(p->label), &z->conf->name, &alias) &&
		    add_name(list, z, &alias, LDNS_RR_TYPE_CNAME, &owners[1]);
	return ok;
}

static bool print_all(ldns_rr_list *list, FILE *out)
{
	bool ok = true;

	for (size_t i = 0; ok && i < ldns_rr_list_rr_count(list); i++)
		ok = print_record(ldns_rr_list_rr(list, i), out);
	return ok;
}

static int print_peer(const struct zone *z, const struct zone_peer *p, FILE *out)
{
	ldns_rr_list *list = ldns_rr_list_new();
	bool ok = list != NULL && add_peer(list, z, p) && print_all(list, out);

	ldns_rr_list_deep_free(list);
	return ok ? 0 : -ENOMEM;
}

static int print_list(const struct zone *z, const struct zone_list *l, FILE *out)
{
	ldns_rr_list *list = ldns_rr_list_new();
	struct name owners[ZONE_OWNERS];
	bool ok = list != NULL;

	for (size_t i = 0; ok && i < l->len; i++) {
		zone_peer_owners(z, &z->peers[l->first + i], owners);
		ok = add_name(list, z, &l->owner, LDNS_RR_TYPE_PTR, &owners[0]);
	}
	ok = ok && print_all(list, out);
	ldns_rr_list_deep_free(list);
	return ok ? 0 : -ENOMEM;
}

int zone_print(const struct zone *z, FILE *out)
{
	ldns_rr_list *list = zone_static_records(z);
	struct zone_list peers;
	bool ok = true;
	int r;

	if (list == NULL)
		return -ENOMEM;
	/* A master file begins with the SOA; sorted, the apex comes first, but its NS before that. */
	for (int soa = 1; soa >= 0; soa--)
		for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++)
			if ((ldns_rr_get_type(ldns_rr_list_rr(list, i)) == LDNS_RR_TYPE_SOA) == soa)
				ok = ok && print_record(ldns_rr_list_rr(list, i), out);
	ldns_rr_list_deep_free(list);
	r = ok ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && zone_list_at(z, i, &peers); i += peers.len)
		r = print_list(z, &peers, out);
	for (size_t i = 0; r == 0 && i < z->peers_len; i++)
		r = print_peer(z, &z->peers[i], out);
	if (r == 0 && (fflush(out) != 0 || ferror(out)))
		r = -EIO;
	return r;
}
