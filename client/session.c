#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "sandbox.h"

void session_start(struct session *s)
{
	struct sandbox_user owner;
	bool userspace = s->settings.device[0] != '\0' && wgdev_uapi_owner(s->settings.device, &owner.uid, &owner.gid);

	log_init("wgmeet", s->settings.verbose);
	resolver_start(&s->settings, &s->resolver);
	sandbox_enter(SANDBOX_SETTER, userspace ? &owner : NULL, NULL);
	s->options = (struct plan_options){.now_s = (uint64_t)time(NULL), .force = s->settings.force,
	    .keepalive_s = (uint16_t)s->settings.keepalive_s};
	if (s->settings.device[0] != '\0')
		device_open(&s->device, s->settings.device, s->settings.family, &s->dev);
	device_tunnel(s->settings.device[0] != '\0' ? &s->device : NULL, &s->dev, &s->tunnel);
}

struct looking {
	struct session *s;
	size_t *peer_of; /* the question's */
	session_fn *fn;
	session_wait_fn *on_wait;
	void *data;
};

static void on_result(const struct lookup *question, const struct lookup_result *result, void *data)
{
	const struct looking *l = data;
	struct lookup_result judged = *result;

	if (judged.status == LOOKUP_FOUND && plan_tunnel_has(&l->s->tunnel, &judged.endpoint))
		judged.status = LOOKUP_IN_TUNNEL;
	l->fn(l->s, l->peer_of[question->number], &judged, l->data);
}

static void on_wait(void *data)
{
	const struct looking *l = data;

	if (l->on_wait != NULL)
		l->on_wait(l->s, l->data);
}

void session_lookup(struct session *s, bool all, session_fn *fn, session_wait_fn *on_wait_fn, void *data)
{
	struct lookup *questions = calloc(s->dev.peers_len + 1, sizeof(*questions));
	struct looking l = {.s = s, .fn = fn, .on_wait = on_wait_fn, .data = data, .peer_of = calloc(s->dev.peers_len + 1, sizeof(size_t))};
	size_t n = 0;

	if (questions == NULL || l.peer_of == NULL)
		die("out of memory");
	for (size_t i = 0; i < s->dev.peers_len; i++) {
		if (!all && !plan_wants_lookup(&s->dev.peers[i], &s->options))
			continue;
		questions[n].kind = LOOKUP_KEY;
		questions[n].with_txt = all; /* what is only shown; an endpoint needs none */
		memcpy(questions[n].key, s->dev.peers[i].public_key, KEY_LEN);
		l.peer_of[n++] = i;
	}
	resolver_ask(&s->resolver, questions, n, on_result, on_wait, &l);
	free(questions);
	free(l.peer_of);
}

void session_end(struct session *s)
{
	resolver_stop(&s->resolver);
	device_close(&s->device);
	plan_tunnel_free(&s->tunnel);
	wgdev_free(&s->dev);
}
