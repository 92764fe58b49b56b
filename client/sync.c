/* wgmeet sync: one round. The peers without a working tunnel are looked up, and get the endpoints that DNS has. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "output.h"
#include "poke.h"
#include "session.h"
#include "verbs.h"

#define SAY_EACH 5 /* problems of one kind that are said peer by peer; the rest are counted */

#define NO_KICK "%s: %s: cannot start a handshake: %s"

/* A peer whose change waits for those of others: one is as dear as many. */
struct pending {
	size_t peer;
	struct plan plan;
	struct endpoint to;
};

struct sync {
	struct endpoint *set; /* for each peer of the device: what it was given; AF_UNSPEC: nothing */
	unsigned problems, changes, by_status[LOOKUP_STATUSES];
	unsigned same, waiting; /* peers that have DNS's endpoint: of those without a handshake so far */
	json_t *json_changes, *json_problems; /* NULL: for people */
	struct pending pending[DEVICE_CHANGES];
	size_t pending_len;
	struct poker poker;
};

static const char *peer_text(const struct session *s, size_t i)
{
	static char text[KEY_BASE64 + 1];

	return key_text(s->dev.peers[i].public_key, text);
}

static void problem(struct session *s, struct sync *y, size_t i, const char *word, const char *what, bool say)
{
	y->problems++;
	if (say)
		warnx("%s: %s: %s", s->settings.device, peer_text(s, i), what);
	if (y->json_problems != NULL)
		json_array_append_new(y->json_problems, json_pack("{s:o, s:s, s:s}", "public_key",
		    output_key(s->dev.peers[i].public_key), "status", word, "text", what));
}

/* Of a server that does not answer it is worth saying which that is. */
static const char *describe(const struct session *s, enum lookup_status status, char *out, size_t cap)
{
	size_t n = (size_t)snprintf(out, cap, "%s", lookup_status_text(status));
	char ep[ENDPOINT_TEXT];

	if (status != LOOKUP_NO_ANSWER && status != LOOKUP_UNREACHABLE)
		return out;
	for (size_t i = 0; i < s->settings.servers.len; i++)
		n += (size_t)snprintf(out + n, cap - n, "%s%s", i == 0 ? " (" : ", ",
		    endpoint_to_text(&s->settings.servers.at[i], ep));
	if (s->settings.servers.len > 0)
		snprintf(out + n, cap - n, ": is the way to it up, and wgmeetd there?)");
	return out;
}

/* A server that is down is one problem, not one for each peer. */
static void lookup_problem(struct session *s, struct sync *y, size_t i, enum lookup_status status)
{
	char text[256 + SETTINGS_SERVERS * ENDPOINT_TEXT];

	y->by_status[status]++;
	if (status == LOOKUP_NOT_IN_ZONE) {
		debug("%s: %s: %s", s->settings.device, peer_text(s, i), lookup_status_text(status));
		return;
	}
	problem(s, y, i, lookup_status_word(status), describe(s, status, text, sizeof(text)), y->by_status[status] <= SAY_EACH);
}

static void say_rest(const struct session *s, const struct sync *y)
{
	for (unsigned i = 0; i < LOOKUP_STATUSES; i++)
		if (i != LOOKUP_NOT_IN_ZONE && y->by_status[i] > SAY_EACH)
			warnx("%s: and %u more peers: %s", s->settings.device, y->by_status[i] - SAY_EACH,
			    lookup_status_text((enum lookup_status)i));
}

static void say_change(const struct session *s, struct sync *y, size_t i, const struct endpoint *to, enum plan_kick kick)
{
	static const char *const kicks[] = {[PLAN_NO_KICK] = "none", [PLAN_KEEPALIVE] = "keepalive", [PLAN_PACKET] = "packet"};
	const struct wg_peer *peer = &s->dev.peers[i];
	char before[ENDPOINT_TEXT], after[ENDPOINT_TEXT];

	y->changes++;
	if (y->json_changes != NULL)
		json_array_append_new(y->json_changes, json_pack("{s:o, s:o, s:o, s:s}", "public_key",
		    output_key(peer->public_key), "from", output_endpoint(&peer->endpoint), "to", output_endpoint(to), "kick",
		    kicks[kick]));
	else
		printf("%s: %s endpoint %s -> %s%s\n", s->settings.device, peer_text(s, i),
		    endpoint_to_text(&peer->endpoint, before), endpoint_to_text(to, after),
		    s->settings.dry_run ? " (not done: --dry-run)" : "");
}

static void poke(struct session *s, struct sync *y, size_t i)
{
	const struct wg_peer *peer = &s->dev.peers[i];
	int r = poke_send(&y->poker, peer->public_key, s->dev.allowed + peer->allowed_off, peer->allowed_len);

	if (r < 0)
		debug(NO_KICK, s->settings.device, peer_text(s, i), strerror(-r));
}

/* What became of a change that was made. */
static void on_change(struct session *s, struct sync *y, const struct pending *p, const struct device_changed *changed)
{
	if (changed->set < 0) {
		problem(s, y, p->peer, "not-set",
		    changed->set == -EPERM ? "may not set the endpoint: CAP_NET_ADMIN is missing" : strerror(-changed->set), true);
		return;
	}
	if (p->plan.set_endpoint) {
		y->set[p->peer] = p->to;
		say_change(s, y, p->peer, &p->to, p->plan.kick);
	}
	if (p->plan.kick == PLAN_PACKET)
		poke(s, y, p->peer);
	else if (changed->kick < 0) /* the endpoint is set, and the next packet makes the handshake */
		debug(NO_KICK, s->settings.device, peer_text(s, p->peer), strerror(-changed->kick));
}

/* All that is pending, at once. */
static void change_device(struct session *s, void *data)
{
	struct sync *y = data;
	struct wg_change changes[DEVICE_CHANGES];
	struct device_changed changed[DEVICE_CHANGES] = {0};
	size_t n = 0;
	int r;

	for (size_t i = 0; i < y->pending_len; i++) {
		const struct pending *p = &y->pending[i];

		changes[i] = (struct wg_change){.keepalive_s = p->plan.kick == PLAN_KEEPALIVE ? p->plan.keepalive_s : 0};
		memcpy(changes[i].public_key, s->dev.peers[p->peer].public_key, KEY_LEN);
		if (p->plan.set_endpoint)
			changes[i].endpoint = p->to;
		n += p->plan.set_endpoint || changes[i].keepalive_s != 0;
	}
	r = n > 0 ? device_change(&s->device, changes, y->pending_len, changed) : 0;
	if (r < 0)
		device_die(&s->device, r);
	for (size_t i = 0; i < y->pending_len; i++)
		on_change(s, y, &y->pending[i], &changed[i]);
	y->pending_len = 0;
}

static void apply(struct session *s, struct sync *y, size_t i, const struct lookup_result *result)
{
	const struct wg_peer *peer = &s->dev.peers[i];
	struct plan plan = plan_peer(peer, &result->endpoint, &s->options);

	if (result->unroutable > 0)
		debug("%s: %s: passed over %u address%s that this host has no route to", s->settings.device, peer_text(s, i),
		    result->unroutable, result->unroutable == 1 ? "" : "es");
	if (!plan.set_endpoint) {
		y->same++;
		y->waiting += peer->last_handshake_s == 0;
		debug("%s: %s: %s", s->settings.device, peer_text(s, i), plan.why);
	}
	if (s->settings.dry_run && plan.set_endpoint)
		say_change(s, y, i, &result->endpoint, plan.kick);
	if (s->settings.dry_run || (!plan.set_endpoint && plan.kick == PLAN_NO_KICK))
		return;
	y->pending[y->pending_len++] = (struct pending){.peer = i, .plan = plan, .to = result->endpoint};
	if (y->pending_len == DEVICE_CHANGES)
		change_device(s, y);
}

static void on_result(struct session *s, size_t i, const struct lookup_result *result, void *data)
{
	if (result->status == LOOKUP_FOUND)
		apply(s, data, i, result);
	else
		lookup_problem(s, data, i, (enum lookup_status)result->status);
}

/* WireGuard says yes to a change for a peer that it does not have (any more). */
static void confirm(struct session *s, struct sync *y)
{
	struct wg_device now = {0};

	device_read(&s->device, &now);
	for (size_t i = 0; i < s->dev.peers_len; i++) {
		const uint8_t *key = s->dev.peers[i].public_key;
		const struct wg_peer *peer;

		if (y->set[i].family == AF_UNSPEC)
			continue;
		/* Nearly always at the same place. */
		peer = i < now.peers_len && memcmp(now.peers[i].public_key, key, KEY_LEN) == 0 ? &now.peers[i] :
		                                                                                wgdev_find_peer(&now, key);
		if (peer == NULL)
			problem(s, y, i, "removed", "was removed from the device meanwhile", true);
		else if (!endpoint_equal(&peer->endpoint, &y->set[i]))
			debug("%s: %s: has moved on to another endpoint", s->settings.device, peer_text(s, i));
	}
	wgdev_free(&now);
}

static size_t count_fresh(const struct session *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->dev.peers_len; i++) {
		if (plan_wants_lookup(&s->dev.peers[i], &s->options))
			continue;
		n++;
		debug("%s: %s: has a working tunnel: left alone", s->settings.device, peer_text(s, i));
	}
	return n;
}

static void summarize(const struct session *s, const struct sync *y, size_t fresh)
{
	if (s->settings.json)
		output_json(json_pack("{s:s, s:o, s:b, s:i, s:i, s:o, s:o}", "device", s->settings.device, "zone",
		    output_name(&s->settings.zone), "dry_run", s->settings.dry_run, "working", (int)fresh, "not_in_zone",
		    (int)y->by_status[LOOKUP_NOT_IN_ZONE], "changes", y->json_changes, "problems", y->json_problems));
	else if (y->changes == 0 && y->problems == 0 && isatty(STDOUT_FILENO))
		/* cron shall hear nothing when nothing changed, but a person waits for a word. */
		printf("%s: nothing to change: %zu peer%s: %zu connected, %u with the zone's endpoint (%u of them still wait for a "
		       "handshake), %u not in the zone\n", s->settings.device, s->dev.peers_len, s->dev.peers_len == 1 ? "" : "s",
		    fresh, y->same, y->waiting, y->by_status[LOOKUP_NOT_IN_ZONE]);
	output_end();
}

int sync_main(int argc, char *argv[])
{
	static const struct settings_usage usage = {.text = "wgmeet sync DEVICE [OPTION...]", .needs_device = true,
	    .changes_device = true};
	static struct session s;
	static struct sync y;
	size_t fresh;

	settings_read(&s.settings, argc, argv, &usage);
	session_start(&s);
	poke_open(&y.poker, s.settings.device);
	y.set = calloc(s.dev.peers_len + 1, sizeof(*y.set));
	if (y.set == NULL)
		die("out of memory");
	if (s.settings.json) {
		y.json_changes = json_array();
		y.json_problems = json_array();
	}
	if (s.dev.peers_len > 0 && !device_is_up(&s.device))
		warnx("%s is down: no handshake can begin before `ip link set %s up`", s.settings.device, s.settings.device);
	fresh = count_fresh(&s);
	session_lookup(&s, false, on_result, change_device, &y);
	change_device(&s, &y);
	if (y.changes > 0 && !s.settings.dry_run)
		confirm(&s, &y);
	say_rest(&s, &y);
	summarize(&s, &y, fresh);
	session_end(&s);
	poke_close(&y.poker);
	free(y.set);
	return y.problems > 0 ? EXIT_WRONG : EXIT_FINE;
}
