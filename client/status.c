/* wgmeet status: each peer of a device. Where wgmeet run is on the device, what that reports; else what the device has beside what
 * DNS says, and what sync would do. Changes nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "output.h"
#include "reported.h"
#include "session.h"
#include "status.h"
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

const char *status_action(const struct wg_peer *peer, uint32_t status, const struct endpoint *published,
    const struct plan_options *options, const char **why)
{
	struct plan plan;

	if (!plan_wants_lookup(peer, options)) {
		*why = "it has a working tunnel";
		return "none";
	}
	if (status != LOOKUP_FOUND) {
		*why = status == REPORT_UNASKED ? "not looked up" : lookup_status_text((enum lookup_status)status);
		return "none";
	}
	plan = plan_peer(peer, published, options);
	*why = plan.why;
	return plan.set_endpoint ? "set-endpoint" : plan.kick != PLAN_NO_KICK ? "kick" : "none";
}

static const char *action_of(const struct session *s, size_t i, const struct lookup_result *result, const char **why)
{
	return status_action(&s->dev.peers[i], result->status, &result->endpoint, &s->options, why);
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

/* Prints what the device has and DNS says. */
static int look_up(struct session *s)
{
	struct status t;
	json_t *peers = json_array();
	bool problems = false;

	session_start(s);
	t.results = calloc(s->dev.peers_len + 1, sizeof(*t.results));
	if (t.results == NULL)
		die("out of memory");
	session_lookup(s, true, on_result, NULL, &t);
	for (size_t i = 0; i < s->dev.peers_len; i++) {
		problems |= is_problem(&t.results[i]);
		if (s->settings.json)
			json_array_append_new(peers, peer_json(s, i, &t.results[i]));
		else
			print_peer(s, i, &t.results[i]);
	}
	if (s->settings.json)
		output_json(json_pack("{s:s, s:o, s:b, s:O}", "device", s->settings.device, "zone", output_name(&s->settings.zone),
		    "daemon", 0, "peers", peers));
	json_decref(peers);
	output_end();
	session_end(s);
	free(t.results);
	return problems ? EXIT_WRONG : EXIT_FINE;
}

/* The descriptor that wgmeet run reports on; -1: it does not, and that was said where it should. */
static int find_daemon(const struct settings *settings, struct report_head *head)
{
	int fd = reported_open(settings->device, settings->watch, head);
	char zone[NAME_TEXT];

	if (fd >= 0 && (settings->zone.len == 0 || name_equal(&settings->zone, &head->zone)))
		return fd;
	if (fd < 0 && settings->watch)
		diex("%s: --watch shows what wgmeet run reports: %s", settings->device, reported_error(fd));
	if (fd >= 0) {
		warnx("%s: wgmeet run is in another zone, %s", settings->device, name_to_text(&head->zone, zone));
		close(fd);
		if (settings->watch)
			exit(EXIT_WRONG);
	} else if (fd == -EACCES) {
		diex("%s: wgmeet run is on it, and %s: run this as root", settings->device, reported_error(fd));
	} else if (fd != -ENOENT) {
		warnx("%s: going on without wgmeet run: %s", settings->device, reported_error(fd));
	}
	return -1;
}

int status_main(int argc, char *argv[])
{
	static const struct settings_usage usage = {.text = "wgmeet status DEVICE [OPTION...]", .needs_device = true,
	    .may_lack_zone = true, .watches = true};
	static struct session s;
	static struct report_head head;
	int fd;

	settings_read(&s.settings, argc, argv, &usage);
	log_init("wgmeet", s.settings.verbose);
	fd = find_daemon(&s.settings, &head);
	if (fd >= 0)
		return status_reported(&s.settings, fd, &head);
	settings_need_zone(&s.settings);
	return look_up(&s);
}
