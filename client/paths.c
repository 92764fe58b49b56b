#include "paths.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE_US  500000 /* what of a budget may be used at once */
#define OWN_LATER_MS 1000  /* after our address changed: so long the registry needs to see it */
#define RENEWED      16384 /* look-ups of peers with a path, by all hosts of a network: a registry remembers twice as many */
#define RENEWED_AT_ONCE 16 /* by this one, at a dump */
#define VAIN         3     /* so many look-ups without any answer: the registry is gone */
#define MAPPINGS     4     /* changes of where the registry sees us that are believed */
#define MAPPINGS_MS  60000 /* until there was none for so long */
#define OWN_AGAIN_MS 10000 /* after a vain look-up of this host's own key; with a peer's each time, */
#define OWN_MOST_MS  300000 /* alone after twice as long each time, up to so long */

/* ---- budgets ---- */

static bool has_one(const struct paths_bucket *b, int64_t now_ms)
{
	return b->next_us <= now_ms * 1000;
}

static void take_one(struct paths_bucket *b, int64_t now_ms)
{
	int64_t least = now_ms * 1000 - AT_ONCE_US;

	b->next_us = (b->next_us < least ? least : b->next_us) + (1000000 + AT_ONCE_US) / b->a_second;
}

/* ---- places ---- */

static int by_key(const void *a, const void *b)
{
	return memcmp(((const struct paths_place *)a)->path.key, ((const struct paths_place *)b)->path.key, KEY_LEN);
}

static struct paths_place *find(const struct paths *ps, const uint8_t key[KEY_LEN])
{
	struct paths_place wanted;
	void *const *node;

	memcpy(wanted.path.key, key, KEY_LEN);
	node = tfind(&wanted, &ps->by_key, by_key);
	return node != NULL ? *node : NULL;
}

static uint32_t next_random(struct paths *ps)
{
	ps->random = ps->random * 1664525 + 1013904223;
	return ps->random;
}

/* A free place, perhaps new; -ENOMEM. */
static ssize_t find_room(struct paths *ps)
{
	struct paths_place **at;
	size_t cap = ps->cap == 0 ? 16 : 2 * ps->cap;

	for (; ps->free > 0 && ps->hole < ps->len; ps->hole++) {
		if (ps->at[ps->hole] == NULL) {
			ps->free--;
			return (ssize_t)ps->hole++;
		}
	}
	if (ps->len < ps->cap)
		return (ssize_t)ps->len++;
	at = reallocarray(ps->at, cap, sizeof(*at));
	if (at == NULL)
		return -ENOMEM;
	ps->at = at;
	ps->cap = cap;
	return (ssize_t)ps->len++;
}

static struct paths_place *add(struct paths *ps, const uint8_t key[KEY_LEN], int64_t now_ms)
{
	struct paths_place *place = calloc(1, sizeof(*place));
	ssize_t number;

	if (place == NULL)
		return NULL;
	path_init(&place->path, key, next_random(ps), now_ms);
	number = find_room(ps);
	if (number < 0 || tsearch(place, &ps->by_key, by_key) == NULL) {
		if (number >= 0) {
			ps->at[number] = NULL;
			ps->hole = (size_t)number < ps->hole ? (size_t)number : ps->hole;
			ps->free++;
		}
		free(place);
		return NULL;
	}
	place->number = (uint32_t)number;
	ps->at[number] = place;
	return place;
}

static void let_go(struct paths *ps, struct paths_place *place)
{
	if (!place->gone)
		tdelete(place, &ps->by_key, by_key);
	place->gone = true;
	if (place->path.asking)
		return;
	ps->at[place->number] = NULL;
	if (place->number < ps->hole)
		ps->hole = place->number;
	ps->free++;
	free(place);
}

const struct path *paths_at(const struct paths *ps, size_t place)
{
	return place < ps->len && ps->at[place] != NULL && !ps->at[place]->gone ? &ps->at[place]->path : NULL;
}

/* ---- this host ---- */

static void use(struct paths *ps, const struct server_list *servers, int64_t now_ms)
{
	memset(ps->own, 0, sizeof(ps->own));
	ps->servers = *servers;
	ps->own_len = servers->len > 1 ? servers->len : 1;
	ps->ttl_s = PATHS_TTL_S;
	for (size_t i = 0; i < ps->own_len; i++)
		ps->own[i] = (struct paths_own){.ask_ms = now_ms, .asked_ms = now_ms - PATHS_OWN_MS, .peer = SIZE_MAX};
}

/* This host's own key is looked up along with others', so that a registry which tells those who have asked tells us, too. */
static void ask_own(struct paths *ps, int64_t now_ms)
{
	for (size_t i = 0; i < ps->own_len; i++) {
		struct paths_own *own = &ps->own[i];

		if (!own->asking && (own->ask_ms == PATH_NEVER || own->vain > 0) &&
		    now_ms - own->asked_ms >= (own->vain > 0 ? OWN_AGAIN_MS : PATHS_OWN_MS))
			own->ask_ms = now_ms;
	}
}

/* The peer through whom a server is reached. */
static void find_servers(struct paths *ps, const struct wg_device *dev)
{
	for (size_t i = 0; i < ps->own_len; i++) {
		const struct wg_peer *peer = i < ps->servers.len ? wgdev_peer_of(dev, &ps->servers.at[i]) : NULL;

		ps->own[i].peer = peer != NULL ? find(ps, peer->public_key)->number : SIZE_MAX;
	}
}

enum paths_mapping paths_mapping(const struct paths *ps)
{
	enum paths_mapping mapping = PATHS_MAPPING_UNKNOWN;

	for (size_t i = 0; i < ps->own_len; i++) {
		for (size_t k = 0; k < i; k++) {
			const struct paths_own *a = &ps->own[i], *b = &ps->own[k];

			/* A registry within this host's own network sees it without the NAT. */
			if (a->at.family == AF_UNSPEC || a->at.family != b->at.family || a->peer == b->peer ||
			    endpoint_is_private(&a->at) != endpoint_is_private(&b->at))
				continue;
			if (!endpoint_equal(&a->at, &b->at))
				return PATHS_MAPPING_EACH;
			mapping = PATHS_MAPPING_SAME;
		}
	}
	return mapping;
}

/* ---- in ---- */

void paths_init(struct paths *ps, uint32_t seed, const struct server_list *servers, int64_t now_ms)
{
	*ps = (struct paths){.random = seed, .dumped_ms = now_ms - PATHS_DUMP_MS, .kicks.a_second = PATHS_KICKS,
	    .pokes.a_second = PATHS_POKES, .asks.a_second = PATHS_ASKS};
	use(ps, servers, now_ms);
}

void paths_use(struct paths *ps, const struct server_list *servers, int64_t now_ms)
{
	use(ps, servers, now_ms);
	for (size_t i = 0; i < ps->len; i++)
		if (paths_at(ps, i) != NULL)
			path_renew(&ps->at[i]->path, now_ms);
}

void paths_forget(struct paths *ps)
{
	for (size_t i = 0; i < ps->len; i++)
		if (ps->at[i] != NULL && !ps->at[i]->gone)
			let_go(ps, ps->at[i]);
	ps->has_key = false;
	ps->dump = 0;
}

void paths_free(struct paths *ps)
{
	for (size_t i = 0; i < ps->len; i++) {
		if (ps->at[i] == NULL)
			continue;
		ps->at[i]->path.asking = false;
		let_go(ps, ps->at[i]);
	}
	free(ps->at);
	*ps = (struct paths){0};
}

/* Lost peers are asked for more and more seldom: not so when the registry comes back. */
static void hurry(struct paths *ps, int64_t now_ms)
{
	for (size_t i = 0; i < ps->len; i++)
		if (paths_at(ps, i) != NULL)
			path_hurry(&ps->at[i]->path, now_ms);
}

/* What a registry has said of this host holds no more; it is asked at that time. */
static void forget_own(struct paths *ps, int64_t ask_ms)
{
	for (size_t i = 0; i < ps->own_len; i++) {
		ps->own[i].at.family = AF_UNSPEC;
		ps->own[i].answered = false;
		ps->own[i].vain = 0;
		ps->own[i].ask_ms = ask_ms;
	}
}

static size_t servers_up(const struct paths *ps)
{
	size_t n = 0;

	for (size_t i = 0; i < ps->own_len; i++) {
		const struct path *p = paths_at(ps, ps->own[i].peer);

		n += p != NULL && path_is_up(p);
	}
	return n;
}

static void keep_allowed(struct paths_place *place, const struct wg_device *dev, const struct wg_peer *peer)
{
	for (size_t i = 0; i < PATHS_ALLOWED && i < peer->allowed_len; i++)
		place->allowed[i] = dev->allowed[peer->allowed_off + i];
	place->allowed_len = peer->allowed_len;
}

/* Where all know all, each host's share is by their number: if they were more, the registry would forget who waits for a lost peer. */
static void renew_interests(struct paths *ps, size_t peers, int64_t now_ms)
{
	size_t left = peers > 0 ? RENEWED / peers : 0;

	for (size_t i = 0, asked = 0; i < ps->len && left > 0 && asked < RENEWED_AT_ONCE; i++) {
		if (paths_at(ps, i) == NULL || !path_is_up(paths_at(ps, i)))
			continue;
		left--;
		asked += path_renew_interest(&ps->at[i]->path, now_ms);
	}
}

int paths_see(struct paths *ps, const struct wg_device *dev, int64_t now_ms, uint64_t wall_s)
{
	size_t up = servers_up(ps);

	ps->dumped_ms = now_ms;
	ps->dump++;
	if (dev->has_public_key != ps->has_key || memcmp(dev->public_key, ps->key, KEY_LEN) != 0)
		forget_own(ps, now_ms);
	ps->has_key = dev->has_public_key;
	memcpy(ps->key, dev->public_key, KEY_LEN);
	for (size_t i = 0; i < dev->peers_len; i++) {
		struct paths_place *place = find(ps, dev->peers[i].public_key);

		if (place == NULL)
			place = add(ps, dev->peers[i].public_key, now_ms);
		if (place == NULL)
			return -ENOMEM;
		if (place->dump == 0 && ps->dump > 1) /* somebody has added it to a device that we know */
			place->path.why = PATH_WHY_CHANGED;
		place->dump = ps->dump;
		keep_allowed(place, dev, &dev->peers[i]);
		path_see(&place->path, &dev->peers[i], now_ms, wall_s);
	}
	for (size_t i = 0; i < ps->len; i++)
		if (paths_at(ps, i) != NULL && ps->at[i]->dump != ps->dump)
			let_go(ps, ps->at[i]);
	find_servers(ps, dev);
	renew_interests(ps, dev->peers_len, now_ms);
	if (servers_up(ps) > up)
		hurry(ps, now_ms);
	return 0;
}

/* A registry that says something else each time, or two of them in turn, shall not keep all paths busy. */
static bool believe_mapping(struct paths *ps, int64_t now_ms)
{
	if (now_ms - ps->mapped_ms >= MAPPINGS_MS)
		ps->mappings = 0;
	if (ps->mappings >= MAPPINGS)
		return false;
	ps->mappings++;
	ps->mapped_ms = now_ms;
	return true;
}

static void answer_own(struct paths *ps, struct paths_own *own, enum lookup_status status, const struct endpoint *ep,
    int64_t now_ms)
{
	bool moved = status == LOOKUP_FOUND && own->at.family != AF_UNSPEC && !endpoint_equal(&own->at, ep);

	own->asking = false;
	own->answered = true;
	own->answer = status;
	if (status == LOOKUP_FOUND) {
		own->at = *ep;
		own->at_ms = now_ms;
		own->vain = 0;
	} else {
		unsigned again_ms = own->vain < 5 ? OWN_AGAIN_MS << own->vain : OWN_MOST_MS;

		own->vain++;
		if (own->ask_ms == PATH_NEVER) /* many hosts lost the registry at the same time */
			own->ask_ms = now_ms + again_ms + next_random(ps) % (again_ms / 8);
	}
	if (moved && believe_mapping(ps, now_ms))
		paths_suspect(ps, SIZE_MAX, PATH_WHY_MAPPING, now_ms);
}

void paths_answer(struct paths *ps, uint32_t number, enum lookup_status status, const struct endpoint *ep, uint32_t ttl_s,
    int64_t now_ms)
{
	struct paths_place *place;

	ps->asking--;
	if (status == LOOKUP_FOUND)
		ps->ttl_s = ttl_s;
	if (status == LOOKUP_NO_ANSWER || status == LOOKUP_UNREACHABLE || status == LOOKUP_NOT_READY) {
		ps->vain++;
	} else {
		if (ps->vain >= VAIN)
			hurry(ps, now_ms);
		ps->vain = 0;
	}
	if (number >= PATHS_OWN) {
		answer_own(ps, &ps->own[number - PATHS_OWN], status, ep, now_ms);
		return;
	}
	place = ps->at[number];
	path_answer(&place->path, status, ep, ps->ttl_s, now_ms);
	if (place->gone)
		let_go(ps, place);
}

bool paths_is_open(const struct paths *ps, uint32_t number)
{
	if (number >= PATHS_OWN)
		return number - PATHS_OWN < ps->own_len && ps->own[number - PATHS_OWN].asking;
	return number < ps->len && ps->at[number] != NULL && ps->at[number]->path.asking;
}

const uint8_t *paths_key(const struct paths *ps, uint32_t number)
{
	return number >= PATHS_OWN ? ps->key : ps->at[number]->path.key;
}

/* Through the registry the others learn where we are now. */
static void registry_first(struct paths *ps)
{
	ps->turn = ps->poke_turn = ps->own[0].peer != SIZE_MAX ? ps->own[0].peer : 0;
}

void paths_moved(struct paths *ps, int64_t now_ms)
{
	forget_own(ps, now_ms + OWN_LATER_MS);
	registry_first(ps);
}

void paths_suspect(struct paths *ps, size_t number, enum path_why why, int64_t now_ms)
{
	if (number != SIZE_MAX) {
		path_suspect(&ps->at[number]->path, why, now_ms);
		return;
	}
	for (size_t i = 0; i < ps->len; i++)
		if (paths_at(ps, i) != NULL)
			path_suspect(&ps->at[i]->path, why, now_ms);
	registry_first(ps);
}

void paths_tell(struct paths *ps, const uint8_t key[KEY_LEN], int64_t now_ms)
{
	struct paths_place *place = find(ps, key);

	if (place != NULL)
		path_tell(&place->path, now_ms);
	if (!ps->has_key || memcmp(key, ps->key, KEY_LEN) != 0)
		return;
	for (size_t i = 0; i < ps->own_len; i++)
		ps->own[i].ask_ms = now_ms - ps->own[i].asked_ms < PATH_PUSH_MS ? ps->own[i].asked_ms + PATH_PUSH_MS : now_ms;
}

void paths_echo(struct paths *ps, const uint8_t key[KEY_LEN], int64_t now_ms)
{
	struct paths_place *place = find(ps, key);

	if (place != NULL)
		path_echo(&place->path, now_ms);
}

/* ---- out ---- */

static bool next_own(struct paths *ps, int64_t now_ms, struct paths_act *out)
{
	for (size_t i = 0; ps->has_key && i < ps->own_len; i++) {
		struct paths_own *own = &ps->own[i];

		if (own->asking || own->ask_ms > now_ms)
			continue;
		own->asking = true;
		own->asked_ms = now_ms;
		own->ask_ms = PATH_NEVER;
		*out = (struct paths_act){.act.what = PATH_DO_ASK, .number = PATHS_OWN + (uint32_t)i,
		    .server = ps->own_len > 1 ? (uint32_t)i + 1 : 0};
		return true;
	}
	return false;
}

static void take_what(struct paths *ps, enum path_do what, int64_t now_ms)
{
	switch (what) {
	case PATH_DO_ASK:
		take_one(&ps->asks, now_ms);
		ps->asking++;
		break;
	case PATH_DO_MOVE:
	case PATH_DO_KICK:
		take_one(&ps->kicks, now_ms);
		break;
	case PATH_DO_POKE:
		take_one(&ps->pokes, now_ms);
		break;
	case PATH_DO_NOTHING:
		break;
	}
}

/* Each kind has turns of its own: else whoever waits for one is passed over when others have another. */
static bool next_of(struct paths *ps, size_t *turn, const struct path_may *may, int64_t now_ms, struct paths_act *out)
{
	*out = (struct paths_act){0};
	for (size_t i = 0; i < ps->len; i++) {
		size_t number = *turn < ps->len ? *turn : 0;

		if (paths_at(ps, number) != NULL && path_next(&ps->at[number]->path, now_ms, may, &out->act)) {
			out->number = (uint32_t)number;
			if (out->act.what == PATH_DO_ASK)
				ask_own(ps, now_ms);
			take_what(ps, out->act.what, now_ms);
			return true;
		}
		*turn = number + 1;
	}
	return false;
}

bool paths_next(struct paths *ps, int64_t now_ms, struct paths_act *out)
{
	struct path_may may = {.ask = !ps->holds && ps->asking < PATHS_ASKS && has_one(&ps->asks, now_ms),
	    .kick = has_one(&ps->kicks, now_ms), .poke = has_one(&ps->pokes, now_ms)};

	if (may.ask && next_own(ps, now_ms, out)) {
		take_what(ps, PATH_DO_ASK, now_ms);
		return true;
	}
	if (now_ms - ps->dumped_ms >= PATHS_WATCH_MS) /* a path may have come to life since */
		may.ask = may.kick = false;
	return (may.ask && next_of(ps, &ps->ask_turn, &(struct path_may){.ask = true}, now_ms, out)) ||
	    (may.kick && next_of(ps, &ps->turn, &(struct path_may){.kick = true}, now_ms, out)) ||
	    (may.poke && next_of(ps, &ps->poke_turn, &(struct path_may){.poke = true}, now_ms, out));
}

int64_t paths_wakes_at(const struct paths *ps, int64_t now_ms)
{
	const struct paths_bucket *buckets[] = {&ps->asks, &ps->kicks, &ps->pokes};
	int64_t first = paths_dump_at(ps, now_ms), later = first;

	for (size_t i = 0; ps->has_key && i < ps->own_len; i++)
		if (!ps->own[i].asking && ps->own[i].ask_ms < first)
			first = ps->own[i].ask_ms;
	for (size_t i = 0; i < ps->len && first > now_ms; i++)
		if (paths_at(ps, i) != NULL && path_wakes_at(&ps->at[i]->path) < first)
			first = path_wakes_at(&ps->at[i]->path);
	if (first > now_ms)
		return first;
	/* What is overdue waits for its budget, or for an answer. */
	for (size_t i = 0; i < 3; i++)
		if (!has_one(buckets[i], now_ms) && buckets[i]->next_us / 1000 + 1 < later)
			later = buckets[i]->next_us / 1000 + 1;
	return later;
}

int64_t paths_dump_at(const struct paths *ps, int64_t now_ms)
{
	for (size_t i = 0; i < ps->len; i++)
		if (paths_at(ps, i) != NULL && (path_is_watched(&ps->at[i]->path, now_ms) || path_wakes_at(&ps->at[i]->path) <= now_ms))
			return ps->dumped_ms + PATHS_WATCH_MS;
	return ps->dumped_ms + PATHS_DUMP_MS;
}
