/* All peers of a zone: of its one list, or of those by the first characters of keys, which are as many as there can be.
 *
 *     PTR service -- a list --> its peers
 *          | none
 *     TXT service -- shard=N --> PTR of all 32^N lists --> TXT service -- another N --> once more
 *
 * A peer whose records came with its list is given to the asker at once; another one is looked up as others are.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "log.h"
#include "records.h"
#include "resolving.h"
#include "wire.h"

/* A list's answer has up to 64 KiB. More at once would pass what a slow line carries in time. Deep lists are short. */
#define ASKING      16
#define ASKING_DEEP 128
#define DEEP        3
#define WAITING     4096 /* peers, before another list is asked for */
#define GIVE_UP     64   /* lists that failed one after the other: a server that died shall not cost a time-out for each */
#define ROUNDS      3

static void end(struct lists *l, enum lookup_status status)
{
	l->step = LISTS_END;
	l->status = status;
}

void lists_start(struct resolving *r, const struct lookup *lookup)
{
	struct lists *l = &r->lists;

	assert(l->step == LISTS_OFF);
	*l = (struct lists){.step = LISTS_SERVICE, .number = lookup->number, .server = lookup->server, .rounds = 1};
	l->last = &l->first;
	records_service_name(&r->settings.zone, &l->service);
}

/* Where a key is whose first bits, 5 for each character, are the list's number. */
static void name_list(const struct resolving *r, uint32_t list, struct name *out)
{
	uint8_t key[KEY_LEN] = {0};

	put32(key, list << (32 - 5 * r->lists.shard));
	if (!records_list_name(&r->settings.zone, key, r->lists.shard, out))
		diex("a zone without room for a list: this is a bug");
}

static void ask(struct resolving *r, enum slot_question question, const struct name *name)
{
	struct lookup lookup = {.kind = LOOKUP_LIST, .number = r->lists.number, .server = r->lists.server};
	struct in_flight *f = slot_take(r, &lookup);

	f->question = question;
	f->name = *name;
	f->tcp = r->lists.step == LISTS_ALL;
	r->lists.asking++;
	slot_ask(f);
}

/* ---- answers ---- */

static void on_peer(void *data, const struct reply *peer, bool whole, enum lookup_status status)
{
	struct resolving *r = data;
	struct lists *l = &r->lists;
	bool known = whole && status == LOOKUP_FOUND;
	size_t allowed_len = known ? strlen(peer->allowed) : 0;
	struct listed *w;

	if (l->peers == LOOKUP_PEERS_MAX) {
		l->full = true;
		return;
	}
	w = calloc(1, sizeof(*w) + peer->instance.len + allowed_len + 1);
	if (w == NULL)
		die("out of memory");
	w->whole = whole;
	w->status = status;
	w->name_len = peer->instance.len;
	memcpy(w->text, peer->instance.wire, w->name_len);
	memcpy(w->text + w->name_len, peer->allowed, allowed_len);
	if (known) {
		w->ttl_s = peer->ttl_s;
		w->has_key = peer->has_key;
		memcpy(w->key, peer->key, KEY_LEN);
		w->status = resolving_choose(r, peer, &w->endpoint, &w->unroutable);
	}
	*l->last = w;
	l->last = &w->next;
	l->waiting++;
	l->peers++;
}

enum lookup_status lists_read(struct in_flight *f, const uint8_t *msg, size_t len)
{
	const struct name *service = &f->r->lists.service;

	if (f->question == SLOT_SHARD)
		return reply_read_shard(msg, len, service, &f->shard);
	return reply_read_list(msg, len, &f->name, service, on_peer, f->r);
}

/* How the lists are split, before they are asked for; and afterwards, when it may have become another number: then peers
 * may have been in none of the lists when it was asked for. */
static void on_shard(struct lists *l, enum lookup_status status, unsigned shard)
{
	bool again = l->step == LISTS_SHARD_AGAIN;

	if (again && status == LOOKUP_FOUND && shard == l->shard) {
		end(l, l->peers > 0 ? LOOKUP_FOUND : LOOKUP_NOT_IN_ZONE);
	} else if (again && (status == LOOKUP_FOUND || status == LOOKUP_NOT_IN_ZONE)) {
		l->step = LISTS_SERVICE;
		l->total = l->next = 0;
		if (l->rounds++ == ROUNDS)
			end(l, LOOKUP_BAD_ANSWER);
	} else if (status != LOOKUP_FOUND || shard == 0) {
		end(l, status == LOOKUP_FOUND ? LOOKUP_NOT_IN_ZONE : status);
	} else {
		l->step = LISTS_ALL;
		l->shard = shard;
		l->total = 1u << 5 * shard;
		l->next = 0;
	}
}

/* One of many, and the others are asked for all the same. */
static void on_failed_list(struct lists *l, enum lookup_status status, const struct name *name)
{
	/* Of several failures the one that says most is told: they are in that order. */
	if (l->failed == 0 || status < l->status) {
		l->status = status;
		l->example = *name;
	}
	l->failed++;
	if (++l->in_a_row >= GIVE_UP || l->full) {
		l->failed += l->total - l->next;
		l->next = l->total;
	}
}

void lists_answered(struct in_flight *f, enum lookup_status status)
{
	struct lists *l = &f->r->lists;

	if (l->full && status == LOOKUP_FOUND)
		status = LOOKUP_BAD_ANSWER;
	if (f->question == SLOT_SHARD)
		on_shard(l, status, f->shard);
	else if (l->step == LISTS_SERVICE && status == LOOKUP_NOT_IN_ZONE)
		l->step = LISTS_SHARD;
	else if (l->step == LISTS_SERVICE)
		end(l, status);
	else if (status == LOOKUP_FOUND || status == LOOKUP_NOT_IN_ZONE)
		l->in_a_row = 0;
	else
		on_failed_list(l, status, &f->name);
	l->asking--;
	slot_free(f);
}

/* ---- peers ---- */

static bool send_result(struct resolving *r, const struct lookup_result *result)
{
	int err = channel_send(r->channel, result, sizeof(*result), -1);

	r->lists.blocked = err == -EAGAIN;
	r->asker_gone |= err < 0 && err != -EAGAIN;
	return err == 0;
}

static bool give_peer(struct resolving *r, const struct listed *w)
{
	struct lookup_result result = {.number = r->lists.number, .status = w->status, .ttl_s = w->ttl_s, .more = 1,
	    .unroutable = w->unroutable, .has_key = w->has_key, .endpoint = w->endpoint, .instance.len = w->name_len};

	memcpy(result.key, w->key, KEY_LEN);
	memcpy(result.instance.wire, w->text, w->name_len);
	memcpy(result.allowed, w->text + w->name_len, strlen((const char *)w->text + w->name_len) + 1);
	return send_result(r, &result);
}

static void look_up_peer(struct resolving *r, const struct listed *w)
{
	struct lookup lookup = {.kind = LOOKUP_NAME, .with_txt = 1, .number = r->lists.number, .server = r->lists.server,
	    .name.len = w->name_len};
	struct in_flight *f;

	memcpy(lookup.name.wire, w->text, w->name_len);
	f = slot_take(r, &lookup);
	f->name = lookup.name;
	f->has_key = reply_name_key(&f->name, f->lookup.key);
	f->listed = true;
	r->lists.peers_asking++;
	slot_ask(f);
}

static void continue_peers(struct resolving *r)
{
	struct lists *l = &r->lists;
	struct listed *w;

	while ((w = l->first) != NULL) {
		if (w->whole ? !give_peer(r, w) : !resolving_has_room(r))
			return;
		if (!w->whole)
			look_up_peer(r, w);
		l->first = w->next;
		if (l->first == NULL)
			l->last = &l->first;
		l->waiting--;
		free(w);
	}
}

static void continue_lists(struct resolving *r)
{
	struct lists *l = &r->lists;
	unsigned most = l->shard < DEEP ? ASKING : ASKING_DEEP;
	struct name name;

	while (l->next < l->total && l->asking < most && l->waiting < WAITING && resolving_has_room(r)) {
		name_list(r, l->next++, &name);
		ask(r, SLOT_LIST, &name);
	}
	if (l->next < l->total || l->asking > 0)
		return;
	/* What is incomplete anyway need not be looked at again. */
	if (l->failed > 0)
		l->step = LISTS_END;
	else
		l->step = LISTS_SHARD_AGAIN;
}

void lists_continue(struct resolving *r)
{
	struct lists *l = &r->lists;
	struct lookup_result result = {.number = l->number, .status = l->status, .lists = l->total, .lists_failed = l->failed};

	if (l->step == LISTS_OFF)
		return;
	l->blocked = false;
	continue_peers(r);
	if (l->step == LISTS_ALL)
		continue_lists(r);
	else if (l->step != LISTS_END && l->asking == 0 && resolving_has_room(r))
		ask(r, l->step == LISTS_SERVICE ? SLOT_LIST : SLOT_SHARD, &l->service);
	if (l->step != LISTS_END || l->first != NULL || l->peers_asking > 0)
		return;
	result.status = l->status;
	result.instance = l->failed > 0 ? l->example : l->service;
	if (send_result(r, &result))
		l->step = LISTS_OFF;
}

bool lists_are_idle(const struct resolving *r)
{
	const struct lists *l = &r->lists;

	return l->step != LISTS_OFF && l->asking == 0 && l->peers_asking == 0 && !l->blocked;
}
