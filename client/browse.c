/* wgmeet browse: all peers of a zone; and wgmeet lookup: one of them, by its key or its name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "output.h"
#include "records.h"
#include "session.h"
#include "verbs.h"

struct found {
	struct session *s;
	struct lookup_result *results;
	size_t len, cap;
	uint32_t end; /* the status of the list, or of the one */
};

static void on_result(const struct lookup *question, const struct lookup_result *result, void *data)
{
	struct found *f = data;

	if (question->kind == LOOKUP_LIST && result->more == 0) {
		f->end = result->status;
		return;
	}
	if (question->kind != LOOKUP_LIST)
		f->end = result->status;
	if (f->len == f->cap) {
		f->cap = f->cap == 0 ? 64 : 2 * f->cap;
		f->results = reallocarray(f->results, f->cap, sizeof(*f->results));
		if (f->results == NULL)
			die("out of memory");
	}
	f->results[f->len++] = *result;
}

/* From pub=, or from a name that is a key's. */
static bool key_of(const struct lookup_result *result, uint8_t key[KEY_LEN])
{
	uint8_t n = result->instance.wire[0];

	if (result->has_key) {
		memcpy(key, result->key, KEY_LEN);
		return true;
	}
	return (n == KEY_BASE32 || n == KEY_BASE32_PAD) && key_from_base32(result->instance.wire + 1, key);
}

static json_t *result_json(const struct found *f, const struct lookup_result *result)
{
	json_t *peer = output_dns(result);
	uint8_t key[KEY_LEN];
	bool has_key = key_of(result, key);

	json_object_set_new(peer, "name", output_name(&result->instance));
	json_object_set_new(peer, "public_key", has_key ? output_key(key) : json_null());
	if (f->s->settings.device[0] != '\0')
		json_object_set_new(peer, "on_device", json_boolean(has_key && wgdev_find_peer(&f->s->dev, key) != NULL));
	return peer;
}

static void print_result(const struct found *f, const struct lookup_result *result)
{
	char name[NAME_TEXT], text[KEY_BASE64 + 1], ep[ENDPOINT_TEXT];
	uint8_t key[KEY_LEN];
	bool has_key = key_of(result, key), on_device = has_key && wgdev_find_peer(&f->s->dev, key) != NULL;

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
	const struct name *x = &((const struct lookup_result *)a)->instance, *y = &((const struct lookup_result *)b)->instance;
	size_t n = x->len < y->len ? x->len : y->len;
	int d = memcmp(x->wire + 1, y->wire + 1, n - 1);

	return d != 0 ? d : (int)x->len - (int)y->len;
}

static int run(struct session *s, struct lookup *question)
{
	struct found f = {.s = s};
	json_t *peers = json_array();
	char name[NAME_TEXT];
	bool problems;

	session_start(s);
	resolver_ask(&s->resolver, question, 1, on_result, &f);
	if (f.len > 0)
		qsort(f.results, f.len, sizeof(*f.results), by_name);
	problems = f.end != LOOKUP_FOUND;
	for (size_t i = 0; i < f.len; i++) {
		if (question->kind == LOOKUP_LIST)
			problems |= f.results[i].status != LOOKUP_FOUND && f.results[i].status != LOOKUP_NOT_IN_ZONE;
		if (s->settings.json)
			json_array_append_new(peers, result_json(&f, &f.results[i]));
		else if (f.results[i].status == LOOKUP_FOUND || question->kind == LOOKUP_LIST)
			print_result(&f, &f.results[i]);
	}
	if (f.end == LOOKUP_NOT_IN_ZONE && question->kind == LOOKUP_LIST)
		warnx("the zone has no list of its peers: it has none, more than the registry lists, or it is another zone");
	else if (f.end != LOOKUP_FOUND)
		warnx("%s: %s", f.len > 0 ? name_to_text(&f.results[0].instance, name) : "the zone",
		    lookup_status_text((enum lookup_status)f.end));
	if (s->settings.json)
		output_json(json_pack("{s:o, s:s, s:O}", "zone", output_name(&s->settings.zone), "status",
		    lookup_status_word((enum lookup_status)f.end), "peers", peers));
	json_decref(peers);
	output_end();
	session_end(s);
	free(f.results);
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
