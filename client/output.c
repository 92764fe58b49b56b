#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

const char *output_ago(uint64_t then_s, uint64_t now_s, char out[OUTPUT_TEXT])
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = {{"year", 365 * 86400}, {"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}};
	uint64_t left = now_s - then_s;
	size_t n = 0;

	if (then_s == 0) {
		snprintf(out, OUTPUT_TEXT, "never");
	} else if (then_s > now_s) {
		snprintf(out, OUTPUT_TEXT, "(System clock wound backward; connection problems may ensue.)");
	} else if (left == 0) {
		snprintf(out, OUTPUT_TEXT, "now");
	} else {
		for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
			unsigned long long count = left / units[i].seconds;

			left %= units[i].seconds;
			if (count > 0)
				n += (size_t)snprintf(out + n, OUTPUT_TEXT - n, "%s%llu %s%s", n > 0 ? ", " : "", count, units[i].name,
				    count == 1 ? "" : "s");
		}
		snprintf(out + n, OUTPUT_TEXT - n, " ago");
	}
	return out;
}

const char *output_bytes(uint64_t bytes, char out[OUTPUT_TEXT])
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	double n = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(out, OUTPUT_TEXT, "%u B", (unsigned)bytes);
		return out;
	}
	for (n /= 1024; n >= 1024 && unit < 3; unit++)
		n /= 1024;
	snprintf(out, OUTPUT_TEXT, "%.2f %s", n, units[unit]);
	return out;
}

static const char *escape(const char *sequence)
{
	static int on = -1;

	if (on < 0)
		on = isatty(STDOUT_FILENO) && (getenv("NO_COLOR") == NULL || *getenv("NO_COLOR") == '\0');
	return on ? sequence : "";
}

const char *output_bold(void)
{
	return escape("\033[1m");
}

const char *output_green(void)
{
	return escape("\033[32m");
}

const char *output_yellow(void)
{
	return escape("\033[33m");
}

const char *output_reset(void)
{
	return escape("\033[0m");
}

json_t *output_key(const uint8_t key[KEY_LEN])
{
	char text[KEY_BASE64 + 1];

	return json_string(key_text(key, text));
}

json_t *output_endpoint(const struct endpoint *ep)
{
	char text[ENDPOINT_TEXT];

	return ep->family == AF_UNSPEC ? json_null() : json_string(endpoint_to_text(ep, text));
}

json_t *output_name(const struct name *name)
{
	char text[NAME_TEXT];

	return json_string(name_to_text(name, text));
}

json_t *output_list(const char *commas)
{
	json_t *list = json_array();

	while (*commas != '\0') {
		size_t n = strcspn(commas, ",");

		json_array_append_new(list, json_stringn(commas, n));
		commas += n + (commas[n] == ',');
	}
	return list;
}

json_t *output_dns(const struct lookup_result *result)
{
	json_t *dns = json_object();

	json_object_set_new(dns, "status", json_string(lookup_status_word((enum lookup_status)result->status)));
	if (result->status != LOOKUP_FOUND)
		return dns;
	json_object_set_new(dns, "endpoint", output_endpoint(&result->endpoint));
	json_object_set_new(dns, "name", output_name(&result->instance));
	json_object_set_new(dns, "ttl", json_integer(result->ttl_s));
	json_object_set_new(dns, "allowed_ips", output_list(result->allowed));
	return dns;
}

void output_json(json_t *root)
{
	if (root == NULL || json_dumpf(root, stdout, JSON_INDENT(2)) < 0)
		diex("cannot print the JSON");
	putchar('\n');
	json_decref(root);
	output_end();
}

static bool watched;

void output_watch(void)
{
	watched = true;
}

void output_end(void)
{
	if (fflush(stdout) == 0)
		return;
	if (watched && errno == EPIPE)
		_exit(EXIT_FINE);
	die("standard output");
}

/* ---- a long array ---- */

static bool array_is_empty;

void output_array_begin(json_t *head, const char *field)
{
	char *text = head != NULL ? json_dumps(head, watched ? JSON_COMPACT : JSON_INDENT(2)) : NULL;

	if (text == NULL)
		diex("cannot print the JSON");
	/* Without its last line, which is the brace. */
	if (watched)
		printf("%.*s,\"%s\":[", (int)strlen(text) - 1, text, field);
	else
		printf("%.*s,\n  \"%s\": [", (int)strlen(text) - 2, text, field);
	free(text);
	json_decref(head);
	array_is_empty = true;
}

/* A string has no line break of its own: JSON writes it as \n. */
static int put_indented(const char *text, size_t len, void *data)
{
	(void)data;
	for (size_t i = 0; i < len; i++) {
		putchar(text[i]);
		if (text[i] == '\n')
			fputs("    ", stdout);
	}
	return 0;
}

void output_array_add(json_t *element)
{
	fputs(array_is_empty ? "" : ",", stdout);
	fputs(watched ? "" : "\n    ", stdout);
	array_is_empty = false;
	if (element == NULL || json_dump_callback(element, put_indented, NULL, watched ? JSON_COMPACT : JSON_INDENT(2)) < 0)
		diex("cannot print the JSON");
	json_decref(element);
}

void output_array_end(void)
{
	puts(watched ? "]}" : array_is_empty ? "]\n}" : "\n  ]\n}");
	output_end();
}
