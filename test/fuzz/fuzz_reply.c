/* A name server's answer to the client. Input: an octet that says which question it answers, then the message.
 *
 *     octet % 3    0 the SRV of a peer    1 the addresses of its target    2 a list of the service's instances
 *     octet / 3    odd: no key to compare; how many addresses there are already; how many characters the list's keys have
 *                  in common, of which there are 5: how the lists are split
 */
#include "fuzz.h"

#include "records.h"
#include "reply.h"
#include "wgdev.h"

/* Labels in lower case up to the root's, and nothing behind it. */
static void is_name(const struct name *name)
{
	size_t at = 0;

	MUST(name->len > 0);
	while (name->wire[at] != 0) {
		MUST(name->wire[at] <= NAME_LABEL);
		for (size_t i = 1; i <= name->wire[at]; i++)
			MUST(name_lower(name->wire[at + i]) == name->wire[at + i]);
		at += name->wire[at] + 1u;
		MUST(at < name->len);
	}
	MUST(at + 1 == name->len);
}

static void are_addresses(const struct reply *reply)
{
	struct endpoint again;
	struct sockaddr_storage sa;

	MUST(reply->addrs_len <= REPLY_ADDRS);
	for (size_t i = 0; i < reply->addrs_len; i++) {
		const struct endpoint *ep = &reply->addrs[i];

		MUST((ep->family == AF_INET || ep->family == AF_INET6) && ep->port == reply->port && ep->scope == 0);
		/* No mapped one, and nothing behind the four octets. */
		MUST(endpoint_from_sockaddr(&sa, endpoint_to_sockaddr(ep, &sa), &again) && endpoint_equal(ep, &again));
	}
}

/* Whole CIDRs, one comma between two. */
static void is_allowed(const char *text)
{
	MUST(strnlen(text, REPLY_ALLOWED) < REPLY_ALLOWED);
	while (*text != '\0') {
		size_t n = strcspn(text, ",");
		char one[ALLOWEDIP_TEXT];
		struct wg_allowedip ip;

		MUST(n > 0 && n < sizeof(one) && strspn(text, "0123456789abcdefABCDEF.:/") == n);
		memcpy(one, text, n);
		one[n] = '\0';
		MUST(allowedip_from_text(one, &ip));
		text += n;
		if (*text == ',')
			MUST(*++text != '\0');
	}
}

static void read_srv(const uint8_t *msg, size_t len, const struct name *name, const uint8_t *key)
{
	static struct reply reply, again;
	enum lookup_status status = reply_read_srv(msg, len, name, key, &reply);

	MUST(status == LOOKUP_FOUND || status == LOOKUP_NOT_IN_ZONE || status == LOOKUP_BAD_ANSWER ||
	    status == LOOKUP_OTHER_KEY || status == LOOKUP_BAD_ENDPOINT);
	is_name(&reply.instance);
	are_addresses(&reply);
	is_allowed(reply.allowed);
	if (status == LOOKUP_FOUND && reply.is_alias) {
		MUST(!name_equal(&reply.instance, name) && reply.addrs_len == 0 && !reply.has_key && reply.allowed[0] == '\0');
	} else if (status == LOOKUP_FOUND) {
		MUST(reply.port != 0);
		is_name(&reply.target);
		MUST(key == NULL || !reply.has_key || memcmp(reply.key, key, KEY_LEN) == 0);
	} else if (status != LOOKUP_BAD_ENDPOINT) {
		MUST(reply.addrs_len == 0);
	}
	/* It depends on the message alone. */
	memset(&again, 0xa5, sizeof(again));
	MUST(reply_read_srv(msg, len, name, key, &again) == status);
	MUST(again.addrs_len == reply.addrs_len && name_equal(&again.instance, &reply.instance));
	MUST(strcmp(again.allowed, reply.allowed) == 0 && again.port == reply.port && again.ttl_s == reply.ttl_s);
}

static void read_addresses(const uint8_t *msg, size_t len, const struct name *target, size_t before)
{
	struct reply reply = {.port = 7, .target = *target, .addrs_len = before};
	const struct endpoint there = {.family = AF_INET, .port = 7, .addr = {192, 0, 2, 1}};
	enum lookup_status status;

	for (size_t i = 0; i < before; i++)
		reply.addrs[i] = there;
	status = reply_read_addresses(msg, len, &reply);
	MUST(status == LOOKUP_FOUND || status == LOOKUP_NO_ADDRESS || status == LOOKUP_BAD_ANSWER);
	MUST((status == LOOKUP_FOUND) == (reply.addrs_len > before));
	are_addresses(&reply);
	for (size_t i = 0; i < before; i++)
		MUST(endpoint_equal(&reply.addrs[i], &there));
	MUST(name_equal(&reply.target, target) && reply.port == 7);
}

struct listing {
	const struct name *list, *service;
	size_t n;
	struct name last;
};

static void on_peer(void *data, const struct reply *peer, bool whole, enum lookup_status status)
{
	struct listing *l = data;
	struct name parent;
	uint8_t key[KEY_LEN];
	bool has_key = reply_name_key(&peer->instance, key);

	is_name(&peer->instance);
	are_addresses(peer);
	is_allowed(peer->allowed);
	MUST(name_parent(&peer->instance, &parent) && name_equal(&parent, l->service));
	MUST(!has_key || name_equal(l->list, l->service) ||
	    memcmp(peer->instance.wire + 1, l->list->wire + 2, l->list->wire[0] - 1u) == 0);
	/* In order, so none twice. */
	MUST(l->n++ == 0 || memcmp(l->last.wire, peer->instance.wire, l->last.len) < 0);
	l->last = peer->instance;
	MUST(status == LOOKUP_FOUND || status == LOOKUP_OTHER_KEY || status == LOOKUP_BAD_ENDPOINT);
	if (whole && status == LOOKUP_FOUND) {
		MUST(peer->port != 0 && peer->addrs_len > 0 && !peer->is_alias);
		MUST(!has_key || !peer->has_key || memcmp(key, peer->key, KEY_LEN) == 0);
	}
}

static void read_list(const uint8_t *msg, size_t len, const struct name *list, const struct name *service)
{
	struct listing l = {.list = list, .service = service};
	enum lookup_status status = reply_read_list(msg, len, list, service, on_peer, &l);

	MUST(status == LOOKUP_FOUND || status == LOOKUP_NOT_IN_ZONE || status == LOOKUP_BAD_ANSWER);
	MUST(l.n <= REPLY_PEERS);
	MUST(status == LOOKUP_FOUND ? l.n > 0 : l.n == 0 || (status == LOOKUP_BAD_ANSWER && l.n == REPLY_PEERS));
}

static void read_shard(const uint8_t *msg, size_t len, const struct name *service)
{
	unsigned shard = 77;
	enum lookup_status status = reply_read_shard(msg, len, service, &shard);

	MUST(status == LOOKUP_FOUND ? shard <= RECORDS_SHARD_MAX :
	        status == LOOKUP_NOT_IN_ZONE || status == LOOKUP_BAD_ANSWER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t key[KEY_LEN] = {1, 8, 15, 22, 29, 36, 43, 50, 57, 64, 71, 78, 85, 92, 99, 106, 113, 120, 127, 134,
	    141, 148, 155, 162, 169, 176, 183, 190, 197, 204, 211, 218};
	struct name zone, service, instance, sub, list;
	uint8_t *msg;
	size_t n;

	if (len == 0 || len > 1 + 65535)
		return 0;
	MUST(name_from_text("wg.example.com", &zone) && records_service_name(&zone, &service) &&
	    records_instance_name(&zone, key, false, &instance) && name_prepend("_sub", 4, &service, &sub));
	msg = exact_copy(data + 1, len - 1);
	n = data[0] / 3;
	if (data[0] % 3 == 0)
		read_srv(msg, len - 1, &instance, n % 2 == 0 ? key : NULL);
	else if (data[0] % 3 == 1)
		read_addresses(msg, len - 1, &instance, n % (REPLY_ADDRS + 1));
	else if (n % 6 == RECORDS_SHARD_MAX + 1)
		read_shard(msg, len - 1, &service);
	else
		read_list(msg, len - 1, n % 6 > 0 && name_prepend("_aeea", 1 + n % 6, &sub, &list) ? &list : &service, &service);
	free(msg);
	return 0;
}
