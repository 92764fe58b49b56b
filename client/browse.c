/* wgmeet browse: all peers of a zone; and wgmeet lookup: one of them, by its key or its name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "output.h"
#include "records.h"
#include "session.h"
#include "verbs.h"

/* A result as it is kept: a zone may have a million, and a struct lookup_result is mostly room. */
struct peer {
	uint32_t status, ttl_s;
	struct endpoint endpoint;
	bool has_key;
	uint8_t key[KEY_LEN], name_len;
	uint8_t text[]; /* the name, then the allowed IPs with their NUL */
};

struct found {
	struct session *s;
	struct peer **peers;
	size_t len, cap;
	uint8_t (*device_keys)[KEY_LEN]; /* in order: each of many peers is looked for among them */
	struct lookup_result end; /* of the list, or of the one */
};

static struct peer *keep(const struct lookup_result *result)
{
	size_t allowed_len = strlen(result->allowed) + 1;
	struct peer *p = malloc(sizeof(*p) + result->instance.len + allowed_len);

	if (p == NULL)
		die("out of memory");
	*p = (struct peer){.status = result->status, .ttl_s = result->ttl_s, .endpoint = result->endpoint,
	    .has_key = result->has_key != 0, .name_len = result->instance.len};
	memcpy(p->key, result->key, KEY_LEN);
	memcpy(p->text, result->instance.wire, p->name_len);
	memcpy(p->text + p->name_len, result->allowed, allowed_len);
	return p;
}

/* What printing needs of it. */
static void unfold(const struct peer *p, struct lookup_result *out)
{
	out->status = p->status;
	out->ttl_s = p->ttl_s;
	out->endpoint = p->endpoint;
	out->has_key = p->has_key;
	memcpy(out->key, p->key, KEY_LEN);
	out->instance.len = p->name_len;
	memcpy(out->instance.wire, p->text, p->name_len);
	strcpy(out->allowed, (const char *)p->text + p->name_len);
}

static void on_result(const struct lookup *question, const struct lookup_result *result, void *data)
{
	struct found *f = data;

	if (result->more == 0)
		f->end = *result;
	if (question->kind == LOOKUP_LIST && result->more == 0)
		return;
	if (f->len == f->cap) {
		f->cap = f->cap == 0 ? 64 : 2 * f->cap;
		f->peers = reallocarray(f->peers, f->cap, sizeof(struct peer *));
		if (f->peers == NULL)
			die("out of memory");
	}
	f->peers[f->len++] = keep(result);
}

/* From pub=, or from a name that is a key's. */
static bool key_of(const struct lookup_result *result, uint8_t key[KEY_LEN])
{
	if (!result->has_key)
		return reply_name_key(&result->instance, key);
	memcpy(key, result->key, KEY_LEN);
	return true;
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, KEY_LEN);
}

static void sort_device_keys(struct found *f)
{
	const struct wg_device *dev = &f->s->dev;

	f->device_keys = calloc(dev->peers_len + 1, KEY_LEN);
	if (f->device_keys == NULL)
		die("out of memory");
	for (size_t i = 0; i < dev->peers_len; i++)
		memcpy(f->device_keys[i], dev->peers[i].public_key, KEY_LEN);
	qsort(f->device_keys, dev->peers_len, KEY_LEN, by_key);
}

static bool is_on_device(const struct found *f, const uint8_t key[KEY_LEN])
{
	return bsearch(key, f->device_keys, f->s->dev.peers_len, KEY_LEN, by_key) != NULL;
}

static json_t *result_json(const struct found *f, const struct lookup_result *result)
{
	json_t *peer = output_dns(result);
	uint8_t key[KEY_LEN];
	bool has_key = key_of(result, key);

	json_object_set_new(peer, "name", output_name(&result->instance));
	json_object_set_new(peer, "public_key", has_key ? output_key(key) : json_null());
	if (f->s->settings.device[0] != '\0')
		json_object_set_new(peer, "on_device", json_boolean(has_key && is_on_device(f, key)));
	return peer;
}

static void print_result(const struct found *f, const struct lookup_result *result)
{
	char name[NAME_TEXT], text[KEY_BASE64 + 1], ep[ENDPOINT_TEXT];
	uint8_t key[KEY_LEN];
	bool has_key = key_of(result, key), on_device = has_key && is_on_device(f, key);

	printf("%s%s%s%s\n", output_yellow(), name_to_text(&result->instance, name), output_reset(),
	    on_device ? "  (on the device)" : "");
	printf("  %spublic key%s: %s\n", output_bold(), output_reset(), has_key ? key_text(key, text) : "(not told)");
	printf("  %sendpoint%s: %s\n", output_bold(), output_reset(), result->status == LOOKUP_FOUND ?
	        endpoint_to_text(&result->endpoint, ep) : lookup_status_text((enum lookup_status)result->status));
	if (result->status == LOOKUP_FOUND)
		printf("  %sallowed ips%s: %s\n", output_bold(), output_reset(),
		    result->allowed[0] != '\0' ? result->allowed : "(none)");
}

static int by_name(const void *a, const void *b)
{
	const struct peer *x = *(struct peer *const *)a, *y = *(struct peer *const *)b;
	size_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
	int d = memcmp(x->text + 1, y->text + 1, n - 1);

	return d != 0 ? d : (int)x->name_len - (int)y->name_len;
}

static bool is_failure(const struct peer *p)
{
	return p->status != LOOKUP_FOUND && p->status != LOOKUP_NOT_IN_ZONE;
}

/* In order, each name once: a peer may have come with several lists, and then the answer that says most of it counts. */
static void sort(struct found *f)
{
	size_t kept = 0;

	if (f->len > 0)
		qsort(f->peers, f->len, sizeof(*f->peers), by_name);
	for (size_t i = 0; i < f->len; i++) {
		struct peer *p = f->peers[i], *last = kept > 0 ? f->peers[kept - 1] : NULL;

		if (last == NULL || by_name(&p, &last) != 0) {
			f->peers[kept++] = p;
		} else if (p->status < last->status) {
			f->peers[kept - 1] = p;
			free(last);
		} else {
			free(p);
		}
	}
	f->len = kept;
}

static void say_why(const struct found *f, const struct lookup *question)
{
	const char *text = lookup_status_text((enum lookup_status)f->end.status);
	char name[NAME_TEXT];

	if (question->kind == LOOKUP_NAME && f->end.status == LOOKUP_NOT_IN_ZONE)
		warnx("%s: %s; or none has that name: Name = in its [Peer], on the registry", name_to_text(&f->end.instance, name), text);
	else if (question->kind != LOOKUP_LIST)
		warnx("%s: %s", name_to_text(&f->end.instance, name), text);
	else if (f->end.lists_failed > 0)
		warnx("%u of %u lists failed, and the peers on them are missing: %s: %s", f->end.lists_failed, f->end.lists,
		    name_to_text(&f->end.instance, name), text);
	else if (f->end.status == LOOKUP_NOT_IN_ZONE)
		warnx("the zone has no list of its peers: it has none, more than the registry lists, or it is another zone");
	else
		warnx("the zone: %s%s", text, f->end.status == LOOKUP_REFUSED ?
		        "; it may be that it only refuses lists: then `wgmeet lookup` finds a peer by its key or name" : "");
}

static int run(struct session *s, struct lookup *question)
{
	static struct lookup_result result;
	struct found f = {.s = s};
	bool problems;

	session_start(s);
	resolver_ask(&s->resolver, question, 1, on_result, NULL, &f);
	sort(&f);
	sort_device_keys(&f);
	problems = f.end.status != LOOKUP_FOUND;
	if (s->settings.json)
		output_array_begin(json_pack("{s:o, s:s}", "zone", output_name(&s->settings.zone), "status",
		    lookup_status_word((enum lookup_status)f.end.status)), "peers");
	for (size_t i = 0; i < f.len; i++) {
		unfold(f.peers[i], &result);
		problems |= question->kind == LOOKUP_LIST && is_failure(f.peers[i]);
		if (s->settings.json)
			output_array_add(result_json(&f, &result));
		else if (result.status == LOOKUP_FOUND || question->kind == LOOKUP_LIST)
			print_result(&f, &result);
		free(f.peers[i]);
	}
	if (s->settings.json)
		output_array_end();
	output_end();
	if (f.end.status != LOOKUP_FOUND)
		say_why(&f, question);
	session_end(s);
	free(f.device_keys);
	free(f.peers);
	return problems ? EXIT_WRONG : EXIT_FINE;
}

int browse_main(int argc, char *argv[])
{
	static const struct settings_usage usage = {.text = "wgmeet browse [DEVICE] [OPTION...]"};
	static struct session s;
	struct lookup question = {.kind = LOOKUP_LIST};

	settings_read(&s.settings, argc, argv, &usage);
	return run(&s, &question);
}

int lookup_main(int argc, char *argv[])
{
	static const struct settings_usage usage = {.text = "wgmeet lookup KEY|NAME [DEVICE] [OPTION...]", .has_subject = true};
	static struct session s;
	struct lookup question = {0};

	settings_read(&s.settings, argc, argv, &usage);
	subject_to_lookup(&s.settings, &question);
	return run(&s, &question);
}
