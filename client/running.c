#include "running.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "log.h"

#define TRIALS_SAID 3 /* in vain, before that is worth a line */
#define SOON_MS  500
#define COST     10 /* a dump has at most a tenth of the time */
#define AT_ONCE  64 /* of what others send; then the rest has its turn */

int64_t running_now_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

static const char *name_of(const struct path *p)
{
	static char text[KEY_BASE64 + 1];

	return key_text(p->key, text);
}

/* ---- the log: one line for each path that is won or lost, and for each change of how a registry answers ---- */

static bool is_trouble(enum lookup_status status)
{
	return status == LOOKUP_NOT_READY || status == LOOKUP_REFUSED || status == LOOKUP_NO_ANSWER || status == LOOKUP_UNREACHABLE ||
	    status == LOOKUP_BAD_ANSWER;
}

/* What it says of this host tells how it is itself. */
static void say_registry(struct run *r, uint32_t server, enum lookup_status status)
{
	const char *name = r->settings.device;
	const struct paths_own *own = &r->paths.own[server];
	char where[ENDPOINT_TEXT], ep[ENDPOINT_TEXT];

	if (status == LOOKUP_NO_ANSWER || status == LOOKUP_UNREACHABLE) /* has the network another one now? */
		r->look_for_servers = r->system_servers;
	if (r->registry[server] == 1 + (uint32_t)status)
		return;
	r->registry[server] = 1 + (uint32_t)status;
	endpoint_to_text(&r->settings.servers.at[server], where);
	if (status == LOOKUP_FOUND)
		info("%s: the registry at %s sees us at %s", name, where, endpoint_to_text(&own->at, ep));
	else if (is_trouble(status))
		warnx("%s: the registry at %s: %s: peers that have no path cannot be found there", name, where, lookup_status_text(status));
	else
		info("%s: the registry at %s does not see us: %s", name, where, lookup_status_text(status));
}

static void say_state(struct run *r, size_t place)
{
	const struct path *p = paths_at(&r->paths, place);
	enum path_state before = r->said[place], now = p != NULL ? p->state : PATH_LOOKING;
	char ep[ENDPOINT_TEXT];

	r->said[place] = now;
	if (p == NULL || before == now)
		return;
	reporter_changed(&r->reporter);
	if (path_state_is_up(now) && !path_state_is_up(before))
		info("%s: %s: direct, at %s", r->settings.device, name_of(p), endpoint_to_text(&p->endpoint, ep));
	else if (path_state_is_up(before) && !path_state_is_up(now) && now != PATH_IDLE)
		info("%s: %s: %s: looking for it", r->settings.device, name_of(p), path_why_text(p->why));
	else if (now == PATH_LOOKING && p->trials == TRIALS_SAID)
		info("%s: %s: no answer at %s so far, as wgmeet status has it", r->settings.device, name_of(p),
		    endpoint_to_text(&p->endpoint, ep));
	else
		debug("%s: %s: %s", r->settings.device, name_of(p), path_state_word(now));
}

static void say_up(struct run *r)
{
	if (r->daemon.is_up != r->said_down)
		return;
	r->said_down = !r->daemon.is_up;
	if (r->said_down)
		warnx("%s: the device is down: nothing can be sent before `ip link set %s up`", r->settings.device, r->settings.device);
	else
		info("%s: the device is up again", r->settings.device);
}

static void say_states(struct run *r)
{
	if (r->said_len < r->paths.len) {
		enum path_state *said = reallocarray(r->said, r->paths.cap, sizeof(*said));

		if (said == NULL)
			die("out of memory");
		for (size_t i = r->said_len; i < r->paths.cap; i++) /* how it is found is no news */
			said[i] = paths_at(&r->paths, i) != NULL ? paths_at(&r->paths, i)->state : PATH_LOOKING;
		r->said = said;
		r->said_len = r->paths.cap;
	}
	for (size_t i = 0; i < r->paths.len; i++)
		say_state(r, i);
}

/* ---- the device ---- */

void running_hear(struct run *r)
{
	uint16_t port = r->ifindex != 0 ? (uint16_t)r->settings.notify_port : 0;
	int e = resolver_listen(&r->resolver, r->settings.device, port);

	r->daemon.port = e == 0 ? port : 0;
	if (e < 0 && e != -ENODEV)
		warnx("%s: cannot listen for the registry's news on port %u (%s): it is asked at intervals instead; another port goes with "
		      "NotifyPort =, here and there", r->settings.device, r->settings.notify_port, strerror(-e));
}

/* Made anew the device has another number, and what listens on the old one hears nothing. */
static void follow(struct run *r, unsigned ifindex)
{
	if (ifindex == r->ifindex)
		return;
	r->ifindex = ifindex;
	reporter_changed(&r->reporter);
	poke_close(&r->poker);
	running_hear(r);
}

static bool is_absent(int e)
{
	return e == -ENODEV || e == -ENOENT || e == -ECONNREFUSED;
}

/* Once for each kind of trouble. */
static void say_look(struct run *r, int e)
{
	const char *name = r->settings.device;

	if (e == r->looked || (is_absent(e) && is_absent(r->looked)))
		return;
	if (e == 0)
		info("%s: %zu peers; asking for them in zone %s", name, r->dev.peers_len, name_to_text(&r->settings.zone, (char[NAME_TEXT]){0}));
	else if (e == -ETIMEDOUT || e == -EAGAIN)
		warnx("%s: the device's daemon does not answer: is it stopped?", name);
	else if (is_absent(e))
		info("%s: there is no such WireGuard device: waiting for it%s", name,
		    if_nametoindex(name) != 0 ? " (one of that name is there, but is none of WireGuard's: see `wg show interfaces`)" : "");
	else if (e != -EINTR)
		warnx("%s: cannot read the device: %s", name, strerror(-e));
}

void running_look(struct run *r)
{
	int64_t begun = running_now_ms();
	int e = device_look(&r->device, &r->dev);

	if (e < 0 && !device_may_come(e))
		device_die(&r->device, e);
	say_look(r, e);
	r->looked = e;
	if (e == 0)
		e = paths_see(&r->paths, &r->dev, running_now_ms(), (uint64_t)time(NULL));
	else if (is_absent(e) && if_nametoindex(r->settings.device) != 0) /* a daemon makes its socket after its device */
		r->paths.dumped_ms = running_now_ms() - PATHS_DUMP_MS + SOON_MS;
	else
		r->paths.dumped_ms = running_now_ms();
	if (is_absent(e)) {
		paths_forget(&r->paths);
		follow(r, 0);
	} else if (e == 0) {
		follow(r, if_nametoindex(r->settings.device));
		e = ways_follow(&r->ways, r->links, r->settings.fwmark, &r->paths);
	}
	if (e == -ENOMEM)
		warnx("%s: out of memory", r->settings.device);
	if (e == 0 && r->daemon.is_up != device_is_up(&r->device)) {
		r->daemon.is_up = !r->daemon.is_up;
		reporter_changed(&r->reporter);
	}
	if (e == 0)
		say_up(r);
	r->tunnel_known = false;
	r->dump_least_ms = running_now_ms() + COST * (running_now_ms() - begun);
	say_states(r);
}

static bool is_in_tunnel(struct run *r, const struct endpoint *ep)
{
	if (!r->tunnel_known) {
		device_tunnel(&r->device, &r->dev, &r->tunnel);
		r->tunnel_known = true;
	}
	return plan_tunnel_has(&r->tunnel, ep);
}

/* Its daemon does not answer. Nothing more is tried until it does, for each time takes seconds. */
static void note_hang(struct run *r, int e)
{
	if (e == -ETIMEDOUT || e == -EAGAIN) {
		say_look(r, e);
		r->looked = e;
	}
}

/* A packet of data where there is an address for it, else an empty one. */
static void send_something(struct run *r, const struct path *p)
{
	const struct wg_peer *peer = wgdev_find_peer(&r->dev, p->key);
	struct wg_change change = {.keepalive_s = r->settings.keepalive_s != 0 ? (uint16_t)r->settings.keepalive_s : p->keepalive_s};
	struct device_changed changed;
	int e = peer != NULL ? poke_send(&r->poker, p->key, r->dev.allowed + peer->allowed_off, peer->allowed_len) : -ESRCH;

	if (e < 0 && e != -ESRCH && change.keepalive_s != 0) {
		memcpy(change.public_key, p->key, KEY_LEN);
		e = device_change(&r->device, &change, 1, &changed);
		note_hang(r, e);
	}
	if (e < 0)
		debug("%s: %s: cannot send anything: %s", r->settings.device, name_of(p), strerror(-e));
}

static void move(struct run *r, const struct path *p, const struct endpoint *to)
{
	struct wg_change change = {.endpoint = *to};
	struct device_changed changed = {0};
	char ep[ENDPOINT_TEXT];
	int e;

	memcpy(change.public_key, p->key, KEY_LEN);
	if (r->settings.keepalive_s != 0 && r->settings.keepalive_s != p->keepalive_s)
		change.keepalive_s = (uint16_t)r->settings.keepalive_s;
	e = device_change(&r->device, &change, 1, &changed);
	note_hang(r, e);
	if (e == 0)
		e = changed.set;
	if (e < 0)
		warnx("%s: %s: cannot set the endpoint: %s", r->settings.device, name_of(p), strerror(-e));
	else
		info("%s: %s: trying %s", r->settings.device, name_of(p), endpoint_to_text(to, ep));
}

/* ---- the resolver ---- */

static bool post(struct run *r)
{
	int e = resolver_post(&r->resolver, &r->held);

	if (e < 0 && e != -EAGAIN)
		diex("the resolver is gone");
	r->is_held = e == -EAGAIN;
	return !r->is_held;
}

static void ask(struct run *r, const struct paths_act *act)
{
	r->held = (struct lookup){.number = act->number, .kind = LOOKUP_KEY, .server = act->server};
	memcpy(r->held.key, paths_key(&r->paths, act->number), KEY_LEN);
	post(r);
}

void running_take(struct run *r)
{
	struct lookup_result result;
	struct push push;
	int e;

	while ((e = resolver_take(&r->resolver, &result)) > 0) {
		enum lookup_status status = (enum lookup_status)result.status;

		if (!paths_is_open(&r->paths, result.number))
			diex("the resolver says what it was not asked: this is a bug");
		if (status == LOOKUP_FOUND && is_in_tunnel(r, &result.endpoint))
			status = LOOKUP_IN_TUNNEL;
		metrics_client_answered(&r->metrics, status);
		paths_answer(&r->paths, result.number, status, &result.endpoint, result.ttl_s, running_now_ms());
		if (result.number >= PATHS_OWN)
			say_registry(r, result.number - PATHS_OWN, status);
		reporter_changed(&r->reporter);
	}
	for (int n = 0; n < AT_ONCE && e != 0 && (e = resolver_take_push(&r->resolver, &push)) > 0; n++) {
		char key[KEY_BASE64 + 1];

		debug("%s: the registry has something new of %s", r->settings.device, key_text(push.key, key));
		r->daemon.told_ms = running_now_ms();
		metrics_client_pushed(&r->metrics);
		paths_tell(&r->paths, push.key, running_now_ms());
	}
	if (e == 0 || !resolver_serve(&r->resolver))
		diex("the resolver is gone");
}

void running_take_echoes(struct run *r)
{
	uint8_t key[KEY_LEN];

	for (int n = 0; n < AT_ONCE && poke_take(&r->poker, key); n++)
		paths_echo(&r->paths, key, running_now_ms());
}

/* wireguard-go goes on to send from the address that it had, until it is told again where the peer is. The kernel looks itself
 * (drivers/net/wireguard/socket.c, send4()). */
static void tell_again(struct run *r)
{
	struct wg_change changes[DEVICE_CHANGES];
	struct device_changed changed[DEVICE_CHANGES];
	size_t n = 0;

	if (r->device.kernel != NULL)
		return;
	running_look(r); /* they may have moved since */
	for (size_t i = 0; r->looked == 0 && i < r->dev.peers_len; i++) {
		const struct wg_peer *peer = &r->dev.peers[i];

		if (peer->endpoint.family != AF_UNSPEC) {
			changes[n] = (struct wg_change){.endpoint = peer->endpoint};
			memcpy(changes[n++].public_key, peer->public_key, KEY_LEN);
		}
		if (n == DEVICE_CHANGES || (n > 0 && i + 1 == r->dev.peers_len)) {
			note_hang(r, device_change(&r->device, changes, n, changed));
			n = 0;
		}
	}
}

void running_renew(struct run *r)
{
	int e = resolver_renew(&r->resolver);

	if (e < 0 && e != -EAGAIN)
		diex("the resolver is gone");
	r->renew = e == -EAGAIN;
	tell_again(r);
}

/* ---- what is due ---- */

void running_act(struct run *r)
{
	int64_t now_ms = running_now_ms(); /* one, so that this ends */
	struct paths_act a;

	if (r->is_held && !post(r))
		return;
	r->paths.holds = r->reload || r->look_for_servers; /* that waits until no look-up is open */
	/* What the device is like nobody knows if it could not be read. */
	while (!r->is_held && r->looked == 0 && paths_next(&r->paths, now_ms, &a)) {
		const struct path *p = a.act.what == PATH_DO_ASK ? NULL : paths_at(&r->paths, a.number);

		metrics_client_did(&r->metrics, a.act.what);
		if (a.act.what == PATH_DO_ASK)
			ask(r, &a);
		if (a.act.what == PATH_DO_MOVE)
			move(r, p, &a.act.to);
		if (p != NULL)
			send_something(r, p);
	}
	say_states(r);
	metrics_client_look(&r->metrics, &r->paths);
}
