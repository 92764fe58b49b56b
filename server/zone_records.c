/* The zone as ldns sees it: the few names beside the peers', and the whole as a master file. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "zone.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

/* Secondaries ask often, and stop serving soon: an old endpoint is of no use to anybody. */
#define SOA_REFRESH_S 60
#define SOA_RETRY_S   30
#define SOA_EXPIRE_S  600

/* One record in presentation form. */
static bool add(ldns_rr_list *list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool add(ldns_rr_list *list, const char *fmt, ...)
{
	char text[4 * NAME_TEXT];
	ldns_rr *rr = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text) || ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL) != LDNS_STATUS_OK)
		return false;
	if (ldns_rr_list_push_rr(list, rr))
		return true;
	ldns_rr_free(rr);
	return false;
}

static bool add_address(ldns_rr_list *list, const char *owner, uint32_t ttl_s, const struct endpoint *ep)
{
	struct endpoint bare = *ep;
	char text[ENDPOINT_TEXT];

	bare.scope = 0;
	return add(list, "%s. %u IN %s %s", owner, ttl_s, ep->family == AF_INET ? "A" : "AAAA",
	    endpoint_addr_to_text(&bare, text));
}

static bool add_apex(ldns_rr_list *list, const struct zone *z, const char *apex)
{
	const struct zone_conf *conf = z->conf;
	char ns[NAME_TEXT];
	bool ok;

	name_to_text(&conf->name_servers.at[0].name, ns);
	ok = add(list, "%s. %u IN SOA %s. hostmaster.%s. %u %u %u %u %u", apex, conf->ttl_s, ns, apex, z->serial,
	    SOA_REFRESH_S, SOA_RETRY_S, SOA_EXPIRE_S, conf->ttl_s);
	for (size_t i = 0; i < conf->name_servers.len; i++) {
		const struct name_server *server = &conf->name_servers.at[i];

		name_to_text(&server->name, ns);
		ok = ok && add(list, "%s. %u IN NS %s.", apex, conf->ttl_s, ns);
		if (!name_is_within(&server->name, &conf->name))
			continue;
		for (size_t j = 0; j < server->addrs_len; j++)
			ok = ok && add_address(list, ns, conf->ttl_s, &server->addrs[j]);
	}
	return ok;
}

ldns_rr_list *zone_static_records(const struct zone *z)
{
	static const char *const enumerate[] = {"b", "db", "lb"}; /* RFC 6763 section 11 */
	ldns_rr_list *list = ldns_rr_list_new();
	uint32_t ttl_s = z->conf->ttl_s;
	char apex[NAME_TEXT];
	bool ok;

	if (list == NULL)
		return NULL;
	name_to_text(&z->conf->name, apex);
	ok = add_apex(list, z, apex);
	ok = ok && add(list, "_services._dns-sd._udp.%s. %u IN PTR _wireguard._udp.%s.", apex, ttl_s, apex);
	for (size_t i = 0; i < 3; i++)
		ok = ok && add(list, "%s._dns-sd._udp.%s. %u IN PTR %s.", enumerate[i], apex, ttl_s, apex);
	/* Without a list there is nothing to say about how it is split. */
	ok = ok && add(list, z->peers_len <= z->conf->list_max ? "_wireguard._udp.%s. %u IN TXT \"txtvers=1\" \"shard=0\"" :
	                                                         "_wireguard._udp.%s. %u IN TXT \"txtvers=1\"", apex, ttl_s);
	if (!ok) {
		ldns_rr_list_deep_free(list);
		return NULL;
	}
	ldns_rr_list_sort(list);
	return list;
}

/* ---- the master file ---- */

/* Knot refuses a raw "=" in a name, and ldns writes it so. In a TXT it only stands in quotes. */
static void print_record(const ldns_rr *rr, FILE *out)
{
	char *text = ldns_rr2str(rr), *to = text;
	bool in_name = true;

	if (text == NULL)
		return;
	for (; *to != '\0'; to++) {
		if (*to == '\t')
			in_name = ldns_rr_get_type(rr) != LDNS_RR_TYPE_TXT;
		if (*to == '=' && in_name)
			fputs("\\061", out);
		else
			fputc(*to, out);
	}
	LDNS_FREE(text);
}

static ldns_rr *peer_txt(const struct zone *z, const struct zone_peer *p, const char *owner)
{
	uint8_t rdata[RECORDS_TXT_HEAD + RECORDS_TXT_MAX];
	size_t len = RECORDS_TXT_HEAD + p->txt_len;
	ldns_rr *rr = ldns_rr_new();
	ldns_rdf *name = ldns_dname_new_frm_str(owner);

	if (rr == NULL || name == NULL) {
		ldns_rr_free(rr);
		ldns_rdf_deep_free(name);
		return NULL;
	}
	ldns_rr_set_owner(rr, name);
	ldns_rr_set_ttl(rr, z->conf->ttl_s);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_type(rr, LDNS_RR_TYPE_TXT);
	records_txt_head(p->key, rdata);
	memcpy(rdata + RECORDS_TXT_HEAD, z->txt + p->txt_off, p->txt_len);
	for (size_t at = 0; at < len; at += rdata[at] + 1u)
		ldns_rr_push_rdf(rr, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_STR, rdata[at] + 1u, rdata + at));
	return rr;
}

static int print_peer(const struct zone *z, const struct zone_peer *p, bool padded, FILE *out)
{
	ldns_rr_list *list = ldns_rr_list_new();
	char owner[NAME_TEXT];
	struct name name;
	bool ok;

	records_instance_name(&z->conf->name, p->key, padded, &name);
	name_to_text(&name, owner);
	ok = list != NULL &&
	    add(list, "%s. %u IN SRV 0 0 %u %s.", owner, z->conf->ttl_s, p->endpoint.port, owner) &&
	    add_address(list, owner, z->conf->ttl_s, &p->endpoint) && ldns_rr_list_push_rr(list, peer_txt(z, p, owner));
	for (size_t i = 0; ok && i < ldns_rr_list_rr_count(list); i++)
		print_record(ldns_rr_list_rr(list, i), out);
	ldns_rr_list_deep_free(list);
	return ok ? 0 : -ENOMEM;
}

static int print_list(const struct zone *z, FILE *out)
{
	char service[NAME_TEXT], owner[NAME_TEXT];
	struct name name;

	name_to_text(&z->service, service);
	for (size_t i = 0; zone_has_list(z) && i < z->peers_len; i++) {
		ldns_rr *rr = NULL;
		char text[2 * NAME_TEXT + 64];

		records_instance_name(&z->conf->name, z->peers[i].key, false, &name);
		snprintf(text, sizeof(text), "%s. %u IN PTR %s.", service, z->conf->ttl_s, name_to_text(&name, owner));
		if (ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL) != LDNS_STATUS_OK)
			return -ENOMEM;
		print_record(rr, out);
		ldns_rr_free(rr);
	}
	return 0;
}

int zone_print(const struct zone *z, FILE *out)
{
	ldns_rr_list *list = zone_static_records(z);
	int r;

	if (list == NULL)
		return -ENOMEM;
	/* A master file begins with the SOA; sorted, the apex comes first, but its NS before that. */
	for (int soa = 1; soa >= 0; soa--)
		for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++)
			if ((ldns_rr_get_type(ldns_rr_list_rr(list, i)) == LDNS_RR_TYPE_SOA) == soa)
				print_record(ldns_rr_list_rr(list, i), out);
	ldns_rr_list_deep_free(list);
	r = print_list(z, out);
	for (size_t i = 0; r == 0 && i < z->peers_len; i++) {
		r = print_peer(z, &z->peers[i], false, out);
		if (r == 0 && z->conf->padded_names)
			r = print_peer(z, &z->peers[i], true, out);
	}
	if (r == 0 && (fflush(out) != 0 || ferror(out)))
		r = -EIO;
	return r;
}
