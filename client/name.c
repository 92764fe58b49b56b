/* wgmeet name: how a peer is called in DNS. Asks nobody. */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "output.h"
#include "records.h"
#include "verbs.h"

/* A key; the name of a peer below the zone's service ("alice", or a key in base32); or a whole name. */
void subject_to_lookup(const struct settings *settings, struct lookup *out)
{
	struct name service, name;
	const char *subject = settings->subject;

	out->with_txt = 1;
	if (strlen(subject) == KEY_BASE64 && key_from_base64(subject, out->key)) {
		out->kind = LOOKUP_KEY;
		return;
	}
	if (strpbrk(subject, "=+/") != NULL || strlen(subject) == KEY_BASE64 || strlen(subject) == KEY_BASE64 - 1)
		die_usage("%s: no public key (a letter too many, too few, or another?)", subject);
	if (!name_from_text(subject, &name) || name.len <= 1)
		die_usage("%s: neither a public key nor a name", subject);
	out->kind = LOOKUP_NAME;
	out->name = name;
	/* One label: an instance's. */
	if (name.wire[0] + 2u == name.len && (!records_service_name(&settings->zone, &service) ||
	        !name_prepend(name.wire + 1, name.wire[0], &service, &out->name)))
		die_usage("%s: the name is too long for the zone", subject);
}

int name_main(int argc, char *argv[])
{
	static const struct settings_usage usage = {.text = "wgmeet name KEY|NAME [DEVICE] [OPTION...]", .has_subject = true};
	static struct settings settings;
	struct lookup lookup = {0};
	struct name padded;
	char text[NAME_TEXT];

	settings_read(&settings, argc, argv, &usage);
	subject_to_lookup(&settings, &lookup);
	if (lookup.kind == LOOKUP_KEY)
		records_instance_name(&settings.zone, lookup.key, false, &lookup.name);
	if (settings.json && lookup.kind == LOOKUP_KEY) {
		records_instance_name(&settings.zone, lookup.key, true, &padded);
		output_json(json_pack("{s:o, s:o, s:o}", "public_key", output_key(lookup.key), "name", output_name(&lookup.name),
		    "padded_name", output_name(&padded)));
	} else if (settings.json) {
		output_json(json_pack("{s:o}", "name", output_name(&lookup.name)));
	} else {
		printf("%s\n", name_to_text(&lookup.name, text));
	}
	output_end();
	return EXIT_FINE;
}
