/* wgmeet status: each peer of a device beside what DNS says of it, and what sync would do. Changes nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "output.h"
#include "session.h"
#include "verbs.h"

struct status {
	struct lookup_result *results; /* for each peer of the device */
};

static void on_result(struct session *s, size_t i, const struct lookup_result *result, void *data)
{
	struct status *t = data;

	(void)s;
	t->results[i] = *result;
}

/* A word for programs, and the clause for people. */
static const char *action_of(const struct session *s, size_t i, const struct lookup_result *result, const char **why)
{
	struct plan plan;

	if (!plan_wants_lookup(&s->dev.peers[i], &s->options)) {
		*why = "it has a working tunnel";
		return "none";
	}
	if (result->status != LOOKUP_FOUND) {
		*why = lookup_status_text((enum lookup_status)result->status);
		return "none";
	}
	plan = plan_peer(&s->dev.peers[i], &result->endpoint, &s->options);
	*why = plan.why;
	return plan.set_endpoint ? "set-endpoint" : plan.kick != PLAN_NO_KICK ? "kick" : "none";
}

static json_t *peer_json(const struct session *s, size_t i, const struct lookup_result *result)
{
	const struct wg_peer *p = &s->dev.peers[i];
	const char *why, *action = action_of(s, i, result, &why);

	return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:i, s:s, s:s}", "public_key", output_key(p->public_key), "endpoint",
	    output_endpoint(&p->endpoint), "dns", output_dns(result), "latest_handshake", (json_int_t)p->last_handshake_s,
	    "rx_bytes", (json_int_t)p->rx_bytes, "tx_bytes", (json_int_t)p->tx_bytes, "persistent_keepalive",
	    (int)p->keepalive_s, "action", action, "reason", why);
}

static void print_peer(const struct session *s, size_t i, const struct lookup_result *result)
{
	static const char *const would[] = {"leave it alone", "set the endpoint", "start a handshake"};
	const struct wg_peer *p = &s->dev.peers[i];
	char key[KEY_BASE64 + 1], ep[ENDPOINT_TEXT], dns[ENDPOINT_TEXT], rx[OUTPUT_TEXT], tx[OUTPUT_TEXT], ago[OUTPUT_TEXT];
	const char *why, *action = action_of(s, i, result, &why);
	size_t n = strcmp(action, "set-endpoint") == 0 ? 1 : strcmp(action, "kick") == 0 ? 2 : 0;

	printf("%s%speer%s: %s%s%s\n", i > 0 ? "\n" : "", output_yellow(), output_reset(), output_yellow(),
	    key_text(p->public_key, key), output_reset());
	printf("  %sendpoint%s: %s\n", output_bold(), output_reset(), endpoint_to_text(&p->endpoint, ep));
	printf("  %sin DNS%s: %s\n", output_bold(), output_reset(), result->status == LOOKUP_FOUND ?
	        endpoint_to_text(&result->endpoint, dns) : lookup_status_text((enum lookup_status)result->status));
	printf("  %slatest handshake%s: %s\n", output_bold(), output_reset(),
	    output_ago(p->last_handshake_s, s->options.now_s, ago));
	printf("  %stransfer%s: %s received, %s sent\n", output_bold(), output_reset(), output_bytes(p->rx_bytes, rx),
	    output_bytes(p->tx_bytes, tx));
	printf("  %ssync would%s: %s%s%s (%s)\n", output_bold(), output_reset(), n == 0 ? output_green() : output_yellow(),
	    would[n], output_reset(), why);
}

/* A failure of the look-up is one of this verb, too; a peer that is not in the zone is none. */
static bool is_problem(const struct lookup_result *result)
{
	return result->status != LOOKUP_FOUND && result->status != LOOKUP_NOT_IN_ZONE;
}

int status_main(int argc, char *argv[])
{
	static const struct settings_usage usage = {.text = "wgmeet status DEVICE [OPTION...]", .needs_device = true};
	static struct session s;
	struct status t;
	json_t *peers = json_array();
	bool problems = false;

	settings_read(&s.settings, argc, argv, &usage);
	session_start(&s);
	t.results = calloc(s.dev.peers_len + 1, sizeof(*t.results));
	if (t.results == NULL)
		die("out of memory");
	session_lookup(&s, true, on_result, NULL, &t);
	for (size_t i = 0; i < s.dev.peers_len; i++) {
		problems |= is_problem(&t.results[i]);
		if (s.settings.json)
			json_array_append_new(peers, peer_json(&s, i, &t.results[i]));
		else
			print_peer(&s, i, &t.results[i]);
	}
	if (s.settings.json)
		output_json(json_pack("{s:s, s:o, s:O}", "device", s.settings.device, "zone", output_name(&s.settings.zone), "peers",
		    peers));
	json_decref(peers);
	output_end();
	session_end(&s);
	free(t.results);
	return problems ? EXIT_WRONG : EXIT_FINE;
}
