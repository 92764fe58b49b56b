/* Does the firewall let a packet in? The rules are walked with it as the kernel would, but for what is not known of it: each
 * match is true, false or perhaps. What a rule does that matches perhaps is remembered, and the walk goes on.
 *
 * Only chains of hook input are looked at: that is where a host that is no router filters. The form is that of
 * libnftables-json(5). jansson is used here and in the client's output. */
#include <jansson.h>
#include <string.h>

#include "init.h"

#define DEPTH_MAX 16
#define STEPS_MAX 500000

enum tri { NO, MAYBE, YES };
enum result { GOES_ON, ACCEPTED, DROPPED, RETURNED };

struct walk {
	json_t *all; /* the array */
	const struct init_packet *packet;
	const char *family, *table;
	bool may_accept, may_drop;
	bool oddly; /* the last rule's perhaps are all about senders and flags that are out of the ordinary */
	unsigned depth, steps;
	struct init_chain *place;
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

/* ---- what a match is about ---- */

enum subject { UNKNOWN, NEVER, PORT, PROTOCOL, FAMILY, STATE, DEVICE, FROM, TO, KIND, LOCAL, STATUS, ROUTE, FLAGS };

static enum subject payload_subject(const struct walk *w, const json_t *payload)
{
	static const char *const others[] = {"icmp", "icmpv6", "igmp", "sctp", "dccp", "udplite", "esp", "ah", "comp", "gre"};
	const char *protocol = text_of(payload, "protocol"), *field = text_of(payload, "field");
	bool v6 = w->packet->family == AF_INET6;

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (strcmp(protocol, others[i]) == 0)
			return NEVER;
	if (strcmp(protocol, "udp") == 0 || strcmp(protocol, "tcp") == 0 || strcmp(protocol, "th") == 0) {
		if (strcmp(protocol, w->packet->tcp ? "udp" : "tcp") == 0)
			return NEVER;
		return strcmp(field, "dport") == 0 ? PORT : strcmp(field, "flags") == 0 ? FLAGS : UNKNOWN;
	}
	if (strcmp(protocol, "ip") != 0 && strcmp(protocol, "ip6") != 0)
		return UNKNOWN;
	if (strcmp(protocol, v6 ? "ip" : "ip6") == 0)
		return NEVER;
	if (strcmp(field, "saddr") == 0)
		return FROM;
	if (strcmp(field, "daddr") == 0)
		return TO;
	return strcmp(field, "protocol") == 0 || strcmp(field, "nexthdr") == 0 ? PROTOCOL : UNKNOWN;
}

static enum subject meta_subject(const char *key)
{
	static const struct {
		const char *key;
		enum subject subject;
	} keys[] = {{"l4proto", PROTOCOL}, {"nfproto", FAMILY}, {"protocol", FAMILY}, {"iifname", DEVICE}, {"iif", DEVICE},
	    {"pkttype", KIND}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (strcmp(keys[i].key, key) == 0)
			return keys[i].subject;
	return UNKNOWN;
}

static enum subject subject_of(const struct walk *w, const json_t *left)
{
	const json_t *inner;
	const char *key;

	if ((inner = json_object_get(left, "payload")) != NULL)
		return payload_subject(w, inner);
	if ((inner = json_object_get(left, "meta")) != NULL)
		return meta_subject(text_of(inner, "key"));
	if ((inner = json_object_get(left, "ct")) != NULL) {
		key = text_of(inner, "key");
		return strcmp(key, "state") == 0 ? STATE : strcmp(key, "status") == 0 ? STATUS : UNKNOWN;
	}
	if ((inner = json_object_get(left, "fib")) != NULL) {
		key = text_of(inner, "result");
		return strcmp(key, "type") == 0 ? LOCAL : strcmp(key, "oif") == 0 ? ROUTE : UNKNOWN;
	}
	/* A bitwise and, mostly of the flags. */
	if ((inner = json_object_get(left, "&")) != NULL) {
		enum subject subject = subject_of(w, json_array_get(inner, 0));

		return subject == NEVER || subject == FLAGS ? subject : UNKNOWN;
	}
	return UNKNOWN;
}

/* ---- is it so? ---- */

static enum tri is(bool so)
{
	return so ? YES : NO;
}

static enum tri device_is(const struct walk *w, const char *name)
{
	size_t len = strlen(name);

	if (w->packet->device[0] == '\0')
		return strcmp(name, "lo") == 0 ? NO : MAYBE;
	if (len > 0 && name[len - 1] == '*')
		return is(strncmp(name, w->packet->device, len - 1) == 0);
	return is(strcmp(name, w->packet->device) == 0);
}

static enum tri word_is(const struct walk *w, enum subject subject, const char *word)
{
	bool v6 = w->packet->family == AF_INET6;

	switch (subject) {
	case PROTOCOL:
		return is(strcmp(word, w->packet->tcp ? "tcp" : "udp") == 0);
	case FAMILY:
		return is(strcmp(word, v6 ? "ipv6" : "ipv4") == 0 || strcmp(word, v6 ? "ip6" : "ip") == 0);
	case STATE:
		return is(strcmp(word, "new") == 0);
	case DEVICE:
		return device_is(w, word);
	case KIND:
		return is(strcmp(word, "host") == 0 || strcmp(word, "unicast") == 0);
	case LOCAL:
		return is(strcmp(word, "local") == 0);
	case STATUS:
		return NO; /* nothing has happened to it yet */
	default:
		return MAYBE;
	}
}

static enum tri address_is(const struct walk *w, enum subject subject, const char *addr, json_int_t bits)
{
	struct wg_allowedip net, host = w->packet->from;
	char text[80];

	if (subject == TO) {
		host = (struct wg_allowedip){.family = w->packet->to.family};
		host.cidr = host.family == AF_INET ? 32 : 128;
		memcpy(host.addr, w->packet->to.addr, sizeof(host.addr));
	}
	if (bits < 0)
		snprintf(text, sizeof(text), "%.60s", addr);
	else
		snprintf(text, sizeof(text), "%.60s/%d", addr, (int)bits);
	if (host.family == 0 || !allowedip_from_text(text, &net))
		return MAYBE;
	return is(allowedip_is_within(&host, &net));
}

static enum tri number_is(const struct walk *w, enum subject subject, json_int_t n)
{
	if (subject == PORT)
		return is(n == w->packet->port);
	if (subject == PROTOCOL)
		return is(n == (w->packet->tcp ? 6 : 17));
	return MAYBE;
}

static enum tri value_is(struct walk *w, enum subject subject, const json_t *right);

static enum tri any_is(struct walk *w, enum subject subject, const json_t *list)
{
	enum tri best = NO;

	for (size_t i = 0; i < json_array_size(list) && best != YES && w->steps <= STEPS_MAX; i++) {
		enum tri one = value_is(w, subject, json_array_get(list, i));

		best = one > best ? one : best;
	}
	return best;
}

/* "@name": a set of the same table. */
static enum tri named_is(struct walk *w, enum subject subject, const char *name)
{
	for (size_t i = 0; i < json_array_size(w->all); i++) {
		const json_t *set = json_object_get(json_array_get(w->all, i), "set");

		if (++w->steps > STEPS_MAX)
			break;
		if (set == NULL || strcmp(text_of(set, "name"), name) != 0 || strcmp(text_of(set, "table"), w->table) != 0 ||
		    strcmp(text_of(set, "family"), w->family) != 0)
			continue;
		return any_is(w, subject, json_object_get(set, "elem"));
	}
	return MAYBE;
}

static enum tri range_is(const struct walk *w, enum subject subject, const json_t *range)
{
	const json_t *from = json_array_get(range, 0), *to = json_array_get(range, 1);

	if (subject != PORT || !json_is_integer(from) || !json_is_integer(to))
		return MAYBE;
	return is(json_integer_value(from) <= w->packet->port && w->packet->port <= json_integer_value(to));
}

static enum tri value_is(struct walk *w, enum subject subject, const json_t *right)
{
	const json_t *inner;
	enum tri answer = MAYBE;

	if (++w->steps > STEPS_MAX || w->depth > DEPTH_MAX)
		return MAYBE;
	w->depth++;
	if (json_is_array(right))
		answer = any_is(w, subject, right);
	else if (json_is_boolean(right) && subject == ROUTE)
		answer = is(json_is_true(right)); /* there is a way back */
	else if (json_is_integer(right))
		answer = number_is(w, subject, json_integer_value(right));
	else if (json_is_string(right) && *json_string_value(right) == '@')
		answer = named_is(w, subject, json_string_value(right) + 1);
	else if (json_is_string(right) && (subject == FROM || subject == TO))
		answer = address_is(w, subject, json_string_value(right), -1);
	else if (json_is_string(right))
		answer = word_is(w, subject, json_string_value(right));
	else if ((inner = json_object_get(right, "set")) != NULL)
		answer = value_is(w, subject, inner);
	else if ((inner = json_object_get(right, "elem")) != NULL)
		answer = value_is(w, subject, json_object_get(inner, "val"));
	else if ((inner = json_object_get(right, "range")) != NULL)
		answer = range_is(w, subject, inner);
	else if ((inner = json_object_get(right, "prefix")) != NULL && (subject == FROM || subject == TO))
		answer = address_is(w, subject, text_of(inner, "addr"), json_integer_value(json_object_get(inner, "len")));
	w->depth--;
	return answer;
}

static enum tri match_is(struct walk *w, const json_t *match)
{
	enum subject subject = subject_of(w, json_object_get(match, "left"));
	const char *op = text_of(match, "op");
	bool inverted = strcmp(op, "!=") == 0;
	enum tri answer;

	if (subject == NEVER)
		return NO;
	if (subject == UNKNOWN || subject == FLAGS || (!inverted && strcmp(op, "==") != 0 && strcmp(op, "in") != 0))
		answer = MAYBE;
	else
		answer = value_is(w, subject, json_object_get(match, "right"));
	if (answer == MAYBE && subject != FLAGS && !(subject == FROM && !inverted))
		w->oddly = false;
	return inverted && answer != MAYBE ? is(answer == NO) : answer;
}

/* Of iptables: what nft has no words for. */
static enum tri xt_is(struct walk *w, const json_t *xt)
{
	const char *name = text_of(xt, "name");

	if (strcmp(text_of(xt, "type"), "target") == 0 || strcmp(name, "comment") == 0 || strcmp(name, "limit") == 0)
		return YES;
	w->oddly = false;
	return MAYBE;
}

/* ---- what a rule does ---- */

static enum result chain_walk(struct walk *w, const char *chain);

static void note(struct walk *w, const char *chain, const char *how, json_int_t handle)
{
	snprintf(w->place->family, sizeof(w->place->family), "%s", w->family);
	snprintf(w->place->table, sizeof(w->place->table), "%s", w->table);
	snprintf(w->place->chain, sizeof(w->place->chain), "%s", chain);
	if (handle > 0)
		snprintf(w->place->how, sizeof(w->place->how), "its rule with the handle %d %s", (int)handle, how);
	else
		snprintf(w->place->how, sizeof(w->place->how), "%s", how);
}

static enum result unsure(struct walk *w)
{
	w->may_accept = w->may_drop = true;
	return GOES_ON;
}

/* A statement that ends the rule, if it is one: `*did`. */
static enum result verdict(struct walk *w, const json_t *st, enum tri matches, const char *chain, json_int_t handle, bool *did)
{
	const json_t *to = json_object_get(st, "jump"), *way = to != NULL ? to : json_object_get(st, "goto");
	const char *target = text_of(json_object_get(st, "xt"), "name");
	enum result r = GOES_ON;

	*did = true;
	if (json_object_get(st, "accept") != NULL) {
		w->may_accept |= matches == MAYBE;
		return matches == YES ? ACCEPTED : GOES_ON;
	}
	if (json_object_get(st, "drop") != NULL || json_object_get(st, "reject") != NULL || strcmp(target, "REJECT") == 0) {
		bool counts = matches == MAYBE && !w->oddly;

		if (matches == YES || (counts && !w->may_drop))
			note(w, chain, matches == YES ? "drops it" : "may drop it", handle);
		w->may_drop |= counts;
		return matches == YES ? DROPPED : GOES_ON;
	}
	if (way != NULL) {
		r = chain_walk(w, text_of(way, "target"));
		if (matches == YES)
			return r == GOES_ON && to == NULL ? RETURNED : r;
		w->may_accept |= r == ACCEPTED;
		w->may_drop |= r == DROPPED && !w->oddly;
		return GOES_ON;
	}
	if (json_object_get(st, "return") != NULL)
		return matches == YES ? RETURNED : unsure(w);
	*did = json_object_get(st, "queue") != NULL || json_object_get(st, "synproxy") != NULL;
	return *did ? unsure(w) : GOES_ON;
}

static enum result vmap_walk(struct walk *w, const json_t *vmap, enum tri matches, const char *chain, json_int_t handle)
{
	const json_t *key = json_object_get(vmap, "key"), *set = json_object_get(json_object_get(vmap, "data"), "set");
	enum subject subject = subject_of(w, key);
	bool did;

	if (subject == NEVER)
		return GOES_ON;
	if (!json_is_array(set))
		return unsure(w);
	for (size_t i = 0; i < json_array_size(set); i++) {
		const json_t *pair = json_array_get(set, i);
		enum tri one = subject == UNKNOWN ? MAYBE : value_is(w, subject, json_array_get(pair, 0));
		enum result r;

		if (one == NO)
			continue;
		w->oddly &= one == YES;
		r = verdict(w, json_array_get(pair, 1), one < matches ? one : matches, chain, handle, &did);
		if (r != GOES_ON)
			return r;
	}
	return GOES_ON;
}

static enum result rule_walk(struct walk *w, const json_t *rule, const char *chain)
{
	const json_t *expr = json_object_get(rule, "expr");
	json_int_t handle = json_integer_value(json_object_get(rule, "handle"));
	enum tri matches = YES, one;

	w->oddly = true;
	for (size_t i = 0; i < json_array_size(expr); i++) {
		const json_t *st = json_array_get(expr, i), *inner;
		enum result r;
		bool did;

		one = YES;
		if ((inner = json_object_get(st, "match")) != NULL)
			one = match_is(w, inner);
		else if ((inner = json_object_get(st, "limit")) != NULL || (inner = json_object_get(st, "ct count")) != NULL ||
		    (inner = json_object_get(st, "quota")) != NULL)
			one = is(!json_is_true(json_object_get(inner, "inv"))); /* the first packets are within any limit */
		else if ((inner = json_object_get(st, "xt")) != NULL)
			one = xt_is(w, inner);
		if (one == NO)
			return GOES_ON;
		matches = one < matches ? one : matches;
		if ((inner = json_object_get(st, "vmap")) != NULL)
			r = vmap_walk(w, inner, matches, chain, handle);
		else
			r = verdict(w, st, matches, chain, handle, &did);
		if (r != GOES_ON)
			return r;
	}
	return GOES_ON;
}

static bool is_in(const struct walk *w, const json_t *object, const char *chain)
{
	return strcmp(text_of(object, "chain"), chain) == 0 && strcmp(text_of(object, "table"), w->table) == 0 &&
	    strcmp(text_of(object, "family"), w->family) == 0;
}

static enum result chain_walk(struct walk *w, const char *chain)
{
	bool oddly = w->oddly;
	enum result r = GOES_ON;

	if (w->depth >= DEPTH_MAX)
		return unsure(w);
	w->depth++;
	for (size_t i = 0; i < json_array_size(w->all) && r == GOES_ON; i++) {
		const json_t *rule = json_object_get(json_array_get(w->all, i), "rule");

		if (++w->steps > STEPS_MAX)
			r = unsure(w);
		if (w->steps > STEPS_MAX)
			break;
		if (rule != NULL && is_in(w, rule, chain))
			r = rule_walk(w, rule, chain);
	}
	w->depth--;
	w->oddly = oddly;
	return r == RETURNED ? GOES_ON : r;
}

/* ---- all chains ---- */

static enum init_passage base_walk(struct walk *w, const json_t *chain)
{
	const char *name = text_of(chain, "name");
	bool drops = strcmp(text_of(chain, "policy"), "drop") == 0;
	enum result r;

	w->family = text_of(chain, "family");
	w->table = text_of(chain, "table");
	w->may_accept = w->may_drop = false;
	r = chain_walk(w, name);
	if (r == GOES_ON && drops)
		note(w, name, "its policy is drop, and none of its rules accepts it", 0);
	if (r == DROPPED || (r == GOES_ON && drops))
		return w->may_accept ? INIT_UNSURE : INIT_CLOSED;
	if (w->may_drop && w->place->chain[0] == '\0')
		note(w, name, "its rules cannot all be judged", 0);
	return w->may_drop ? INIT_UNSURE : INIT_OPEN;
}

static bool is_family(const struct walk *w, const char *family)
{
	return strcmp(family, "inet") == 0 || strcmp(family, w->packet->family == AF_INET6 ? "ip6" : "ip") == 0;
}

/* Is it ufw's? Then its chains are in the same table. */
static bool is_ufw(const json_t *all, const struct init_chain *place)
{
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *chain = json_object_get(json_array_get(all, i), "chain");

		if (chain != NULL && strncmp(text_of(chain, "name"), "ufw", 3) == 0 &&
		    strcmp(text_of(chain, "family"), place->family) == 0 && strcmp(text_of(chain, "table"), place->table) == 0)
			return true;
	}
	return false;
}

enum init_passage init_firewall_judge(const char *json, const struct init_packet *packet, struct init_chain *out)
{
	json_t *root = json_loads(json, 0, NULL);
	struct init_chain place = {0};
	struct walk w = {.all = json_object_get(root, "nftables"), .packet = packet, .place = &place};
	enum init_passage worst = INIT_OPEN;

	memset(out, 0, sizeof(*out));
	if (!json_is_array(w.all))
		worst = INIT_UNSURE;
	for (size_t i = 0; i < json_array_size(w.all); i++) {
		const json_t *chain = json_object_get(json_array_get(w.all, i), "chain");
		enum init_passage one;

		if (chain == NULL || strcmp(text_of(chain, "hook"), "input") != 0 || !is_family(&w, text_of(chain, "family")))
			continue;
		memset(&place, 0, sizeof(place));
		one = base_walk(&w, chain);
		if (one > worst) {
			worst = one;
			*out = place;
		}
	}
	out->ufw = is_ufw(w.all, out);
	json_decref(root);
	return worst;
}
