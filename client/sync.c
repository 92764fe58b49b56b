/* wgmeet sync: one round. The setter, which is this process, reads the device and changes it; the resolver hears DNS.
 *
 *     fork resolver, sandbox, read device --keys--> look-ups, all at once --results--> plan, set, kick --> confirm
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "settings.h"
#include "device.h"
#include "log.h"
#include "plan.h"
#include "resolve.h"
#include "sandbox.h"
#include "verbs.h"

#define SILENCE_MS 60000 /* of the resolver, which has time-outs of its own, far shorter */
#define SAY_EACH 5 /* problems of one kind that are said peer by peer; the rest are counted */

/* For each peer of the device. */
struct job {
	bool asked, done, set;
	struct endpoint endpoint; /* that was set */
};

struct sync {
	struct settings settings;
	struct plan_options options;
	struct device device;
	struct resolver resolver;
	struct wg_device dev;
	struct job *jobs;
	size_t next, open; /* the first peer that was not asked about yet; questions without a result */
	unsigned problems, changes, fresh, by_status[LOOKUP_STATUSES];
};

static const char *peer_text(const struct sync *s, size_t i)
{
	static char text[KEY_BASE64 + 1];

	return key_text(s->dev.peers[i].public_key, text);
}

static void problem(struct sync *s, size_t i, const char *what)
{
	s->problems++;
	warnx("%s: %s: %s", s->settings.device, peer_text(s, i), what);
}

/* A server that is down is one problem, not one for each peer. */
static void lookup_problem(struct sync *s, size_t i, enum lookup_status status)
{
	s->by_status[status]++;
	if (status == LOOKUP_NOT_IN_ZONE) {
		debug("%s: %s: %s", s->settings.device, peer_text(s, i), lookup_status_text(status));
		return;
	}
	if (s->by_status[status] <= SAY_EACH)
		problem(s, i, lookup_status_text(status));
	else
		s->problems++;
}

static void say_rest(const struct sync *s)
{
	for (unsigned i = 0; i < LOOKUP_STATUSES; i++)
		if (i != LOOKUP_NOT_IN_ZONE && s->by_status[i] > SAY_EACH)
			warnx("%s: and %u more peers: %s", s->settings.device, s->by_status[i] - SAY_EACH,
			    lookup_status_text((enum lookup_status)i));
}

static void kick(struct sync *s, size_t i, const struct plan *plan)
{
	const struct wg_peer *peer = &s->dev.peers[i];
	int r = 0;

	if (plan->kick == PLAN_KEEPALIVE)
		r = device_kick(&s->device, peer->public_key, plan->keepalive_s);
	else if (plan->kick == PLAN_PACKET)
		r = device_poke(&s->device, s->dev.allowed + peer->allowed_off, peer->allowed_len);
	if (r < 0) /* the endpoint is set, and the next packet makes the handshake */
		debug("%s: %s: cannot start a handshake: %s", s->settings.device, peer_text(s, i), strerror(-r));
}

static void apply(struct sync *s, size_t i, const struct endpoint *published)
{
	const struct wg_peer *peer = &s->dev.peers[i];
	struct plan plan = plan_peer(peer, published, &s->options);
	char before[ENDPOINT_TEXT], after[ENDPOINT_TEXT];
	int r;

	if (plan.set_endpoint) {
		r = device_set_endpoint(&s->device, peer->public_key, published);
		if (r < 0) {
			problem(s, i, r == -EPERM ? "may not set the endpoint: CAP_NET_ADMIN is missing" : strerror(-r));
			return;
		}
		s->jobs[i].set = true;
		s->changes++;
		s->jobs[i].endpoint = *published;
		printf("%s: %s endpoint %s -> %s\n", s->settings.device, peer_text(s, i),
		    endpoint_to_text(&peer->endpoint, before), endpoint_to_text(published, after));
	} else {
		debug("%s: %s: endpoint is %s already", s->settings.device, peer_text(s, i), endpoint_to_text(published, after));
	}
	kick(s, i, &plan);
}

/* The resolver heard a stranger: what it says is judged again. */
static void on_result(struct sync *s, const struct lookup_result *result)
{
	size_t i = result->number;
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&result->endpoint, &sa);
	struct endpoint ep = {0}; /* as endpoint.h wants them, whatever came */

	if (i >= s->dev.peers_len || !s->jobs[i].asked || s->jobs[i].done || result->status >= LOOKUP_STATUSES)
		diex("the resolver says what it was not asked: this is a bug");
	s->jobs[i].done = true;
	s->open--;
	if (result->status != LOOKUP_FOUND)
		lookup_problem(s, i, (enum lookup_status)result->status);
	else if (!endpoint_from_sockaddr(&sa, len, &ep) || !endpoint_is_reachable(&ep))
		lookup_problem(s, i, LOOKUP_BAD_ENDPOINT);
	else
		apply(s, i, &ep);
}

/* Asks for as many peers as the channel takes now. */
static void ask(struct sync *s)
{
	for (; s->next < s->dev.peers_len; s->next++) {
		const struct wg_peer *peer = &s->dev.peers[s->next];
		struct lookup lookup = {.number = (uint32_t)s->next};
		int r;

		if (!plan_wants_lookup(peer, &s->options)) {
			s->fresh++;
			debug("%s: %s: has a working tunnel: left alone", s->settings.device, peer_text(s, s->next));
			continue;
		}
		memcpy(lookup.key, peer->public_key, KEY_LEN);
		r = channel_send(s->resolver.channel, &lookup, sizeof(lookup), -1);
		if (r == -EAGAIN)
			return;
		if (r < 0)
			diex("the resolver is gone");
		s->jobs[s->next].asked = true;
		s->open++;
	}
}

static void exchange(struct sync *s)
{
	struct lookup_result result;
	int r;

	for (;;) {
		struct pollfd p = {.fd = s->resolver.channel, .events = POLLIN};

		ask(s);
		if (s->next < s->dev.peers_len)
			p.events |= POLLOUT;
		else if (s->open == 0)
			return;
		switch (poll(&p, 1, SILENCE_MS)) {
		case 0:
			diex("the resolver says nothing: this is a bug");
		case -1:
			if (errno != EINTR)
				die("poll");
		}
		while ((r = channel_recv(s->resolver.channel, &result, sizeof(result), NULL)) > 0)
			on_result(s, &result);
		if (r == 0)
			diex("the resolver is gone");
	}
}

/* WireGuard says yes to a change for a peer that it does not have (any more). */
static void confirm(struct sync *s)
{
	struct wg_device now = {0};
	bool any = false;

	for (size_t i = 0; i < s->dev.peers_len; i++)
		any |= s->jobs[i].set;
	if (!any)
		return;
	device_read(&s->device, &now);
	for (size_t i = 0; i < s->dev.peers_len; i++) {
		const uint8_t *key = s->dev.peers[i].public_key;
		const struct wg_peer *peer;

		if (!s->jobs[i].set)
			continue;
		/* Nearly always at the same place. */
		peer = i < now.peers_len && memcmp(now.peers[i].public_key, key, KEY_LEN) == 0 ? &now.peers[i] :
		                                                                                wgdev_find_peer(&now, key);
		if (peer == NULL)
			problem(s, i, "was removed from the device meanwhile");
		else if (!endpoint_equal(&peer->endpoint, &s->jobs[i].endpoint))
			debug("%s: %s: has moved on to another endpoint", s->settings.device, peer_text(s, i));
	}
	wgdev_free(&now);
}

int sync_main(int argc, char *argv[])
{
	static struct sync s;
	struct sandbox_user owner;

	settings_read(&s.settings, argc, argv, "wgmeet sync DEVICE [--zone ZONE] [--server ADDR[:PORT]]... [--force]");
	log_init("wgmeet", s.settings.verbose);
	/* Before the device is read: the resolver shall never have had a secret in its memory. */
	resolver_start(&s.settings, &s.resolver);
	sandbox_enter(SANDBOX_SETTER, wgdev_uapi_owner(s.settings.device, &owner.uid, &owner.gid) ? &owner : NULL);
	s.options = (struct plan_options){.now_s = (uint64_t)time(NULL), .force = s.settings.force,
	    .keepalive_s = (uint16_t)s.settings.keepalive_s};
	device_open(&s.device, s.settings.device, s.settings.family, &s.dev);
	s.jobs = calloc(s.dev.peers_len + 1, sizeof(*s.jobs));
	if (s.jobs == NULL)
		die("out of memory");
	exchange(&s);
	resolver_stop(&s.resolver);
	confirm(&s);
	say_rest(&s);
	/* cron shall hear nothing when nothing changed, but a person waits for a word. */
	if (s.changes == 0 && s.problems == 0 && isatty(STDOUT_FILENO))
		printf("%s: nothing to change: of %zu peers %u have a working tunnel, %u are not in the zone\n",
		    s.settings.device, s.dev.peers_len, s.fresh, s.by_status[LOOKUP_NOT_IN_ZONE]);
	device_close(&s.device);
	wgdev_free(&s.dev);
	free(s.jobs);
	if (fflush(stdout) != 0)
		die("standard output");
	return s.problems > 0 ? EXIT_WRONG : EXIT_FINE;
}
