#include "report.h"

#include <stdio.h>
#include <string.h>

void report_path(const char *device, const char *name, char out[REPORT_PATH])
{
	snprintf(out, REPORT_PATH, REPORT_DIR "/%.*s%s%s", IFNAMSIZ - 1, device, *name != '\0' ? "/" : "", name);
}

bool report_may_trust(const struct stat *st, uid_t self)
{
	return S_ISDIR(st->st_mode) && (st->st_uid == 0 || st->st_uid == self) && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* ---- what is told ---- */

static int64_t since(int64_t then_ms, int64_t now_ms)
{
	return then_ms == PATH_NEVER ? REPORT_NEVER : now_ms > then_ms ? now_ms - then_ms : 0;
}

static uint32_t status_of(bool answered, enum lookup_status status)
{
	return answered ? (uint32_t)status : REPORT_UNASKED;
}

static void fill_server(const struct paths *ps, size_t i, int64_t now_ms, struct report_server *out)
{
	const struct paths_own *own = &ps->own[i];
	const struct path *through = own->peer != SIZE_MAX ? paths_at(ps, own->peer) : NULL;

	if (i < ps->servers.len)
		out->address = ps->servers.at[i];
	out->sees = own->at;
	out->sees_ms = own->at.family != AF_UNSPEC ? since(own->at_ms, now_ms) : REPORT_NEVER;
	out->status = status_of(own->answered, own->answer);
	out->through = through != NULL ? 1 + (uint32_t)through->state : 0;
}

void report_head_fill(const struct settings *settings, const struct paths *ps, const struct report_daemon *daemon, int64_t now_ms,
    struct report_head *out)
{
	memset(out, 0, sizeof(*out));
	out->magic = REPORT_HEAD;
	out->version = REPORT_VERSION;
	snprintf(out->device, sizeof(out->device), "%s", settings->device);
	out->zone.len = settings->zone.len;
	memcpy(out->zone.wire, settings->zone.wire, settings->zone.len);
	if (ps->has_key)
		memcpy(out->key, ps->key, KEY_LEN);
	out->servers_len = (uint32_t)ps->own_len;
	for (size_t i = 0; i < ps->own_len; i++)
		fill_server(ps, i, now_ms, &out->servers[i]);
	out->mapping = (uint32_t)paths_mapping(ps);
	out->keepalive_s = settings->keepalive_s;
	out->is_there = daemon->is_there;
	out->is_up = daemon->is_up;
	out->port = daemon->port;
	out->running_ms = since(daemon->started_ms, now_ms);
	out->told_ms = since(daemon->told_ms, now_ms);
}

static bool is_registry(const struct paths *ps, size_t place)
{
	for (size_t i = 0; i < ps->own_len; i++)
		if (ps->own[i].peer == place)
			return true;
	return false;
}

bool report_peer_fill(const struct paths *ps, size_t place, int64_t now_ms, struct report_peer *out)
{
	const struct path *p = paths_at(ps, place);

	if (p == NULL)
		return false;
	memset(out, 0, sizeof(*out));
	out->magic = REPORT_PEER;
	memcpy(out->key, p->key, KEY_LEN);
	out->state = p->state;
	out->why = p->why;
	out->status = status_of(p->answered, p->answer);
	out->trials = p->trials;
	out->keepalive_s = p->keepalive_s;
	out->is_registry = is_registry(ps, place);
	out->is_asking = p->asking;
	out->allowed_len = ps->at[place]->allowed_len;
	for (size_t i = 0; i < PATHS_ALLOWED && i < out->allowed_len; i++)
		out->allowed[i] = ps->at[place]->allowed[i];
	out->endpoint = p->endpoint;
	out->published = p->published;
	out->tried = p->state == PATH_TRYING ? p->to : p->endpoint;
	out->handshake_s = p->handshake_s;
	out->rx_bytes = p->rx_bytes;
	out->tx_bytes = p->tx_bytes;
	out->state_ms = since(p->since_ms, now_ms);
	out->doubt_ms = p->state == PATH_PROBED ? since(p->poked_ms, now_ms) : REPORT_NEVER;
	out->trial_ms = since(p->trial_ms, now_ms);
	out->answered_ms = p->answered ? since(p->answered_ms, now_ms) : REPORT_NEVER;
	out->unanswered_ms = since(p->unanswered_ms, now_ms);
	out->ask_ms = p->ask_ms == PATH_NEVER ? REPORT_NEVER : p->ask_ms > now_ms ? p->ask_ms - now_ms : 0;
	return true;
}

/* ---- what is heard ---- */

static bool is_endpoint(const struct endpoint *ep)
{
	return ep->family == AF_UNSPEC || ep->family == AF_INET || ep->family == AF_INET6;
}

static bool is_age(int64_t ms)
{
	return ms >= REPORT_NEVER && ms <= REPORT_AGE_MAX;
}

static bool is_server(const struct report_server *s)
{
	return is_endpoint(&s->address) && is_endpoint(&s->sees) && s->status <= REPORT_UNASKED && s->through <= 1 + PATH_IDLE &&
	    is_age(s->sees_ms);
}

static bool is_head(const struct report_head *h)
{
	bool good = memchr(h->device, '\0', sizeof(h->device)) != NULL && name_is_sound(h->zone.wire, h->zone.len) &&
	    h->is_there <= 1 && h->is_up <= 1 && h->servers_len <= SETTINGS_SERVERS &&
	    h->mapping <= PATHS_MAPPING_EACH && h->keepalive_s <= UINT16_MAX && h->port <= UINT16_MAX && h->running_ms >= 0 &&
	    is_age(h->running_ms) && is_age(h->told_ms);

	for (size_t i = 0; good && i < h->servers_len; i++)
		good = is_server(&h->servers[i]);
	return good;
}

static bool is_allowed(const struct wg_allowedip *ip)
{
	return (ip->family == AF_INET && ip->cidr <= 32) || (ip->family == AF_INET6 && ip->cidr <= 128);
}

static bool is_peer(const struct report_peer *p)
{
	for (size_t i = 0; i < PATHS_ALLOWED && i < p->allowed_len; i++)
		if (!is_allowed(&p->allowed[i]))
			return false;
	return p->state <= PATH_IDLE && p->why <= PATH_WHY_CHANGED && p->status <= REPORT_UNASKED &&
	    p->keepalive_s <= UINT16_MAX && p->is_registry <= 1 && p->is_asking <= 1 &&
	    is_endpoint(&p->endpoint) && is_endpoint(&p->published) && is_endpoint(&p->tried) && p->state_ms >= 0 &&
	    is_age(p->state_ms) && is_age(p->doubt_ms) && is_age(p->trial_ms) && is_age(p->answered_ms) &&
	    is_age(p->unanswered_ms) && is_age(p->ask_ms);
}

enum report_verdict report_judge(const union report_message *msg, size_t len)
{
	bool good = false;

	if (len < 2 * sizeof(uint32_t))
		return REPORT_BAD;
	switch (msg->magic) {
	case REPORT_HEAD:
		if (msg->head.version != REPORT_VERSION)
			return REPORT_OTHER_VERSION;
		good = len == sizeof(msg->head) && is_head(&msg->head);
		break;
	case REPORT_PEER:
		good = len == sizeof(msg->peer) && is_peer(&msg->peer);
		break;
	case REPORT_END:
		good = len == sizeof(msg->end) && msg->end.peers <= REPORT_PEERS_MAX;
		break;
	}
	return good ? REPORT_GOOD : REPORT_BAD;
}
