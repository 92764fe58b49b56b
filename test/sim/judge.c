#include "sim.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define HEALED_MS 30000
#define GRACE_MS  100  /* a path is seen to work by the next dump of a trial */
#define AT_ONCE   1000 /* news that were told in time */
#define LONG_AGO  (-PATH_NEVER / 2)

/* What one host's daemon does about a peer, and why. */
struct watch {
	int64_t user_ms, told_ms, published_ms, asked_ms, kicked_ms;
	uint64_t kicked_rx;
	unsigned asks, kicks, moves;
	struct place answer;
	bool changed; /* something that an endpoint depends on, since one was set */
};

/* Two hosts, the one with the lesser number first. */
struct pair {
	int64_t hurt_ms;  /* a packet between them was lost */
	int64_t apart_ms; /* without a path although they could have one and want one, undisturbed since; PATH_NEVER: not so */
	int64_t since_ms; /* the same, disturbed or not */
	int64_t met_ms;   /* with a path since; PATH_NEVER */
	int64_t worst_ms; /* from apart_ms to that */
};

/* The times of what may be done so often a second. */
struct meter {
	int64_t at_ms[PATHS_ASKS];
	unsigned n;
};

struct judge {
	struct watch *watches; /* [host][peer] */
	struct pair *pairs;    /* [a][b], a < b */
	struct meter *kicks, *asks;
};

/* Of all worlds: so many paths took so many steps of JUDGE_EVERY_MS. */
#define STEPS 5000
static unsigned told[STEPS], others[STEPS];

static struct watch *watch(const struct world *w, uint16_t host, uint16_t peer)
{
	return &w->judge->watches[host * w->hosts_len + peer];
}

static struct pair *pair(const struct world *w, uint16_t a, uint16_t b)
{
	return a < b ? &w->judge->pairs[a * w->hosts_len + b] : &w->judge->pairs[b * w->hosts_len + a];
}

void judge_init(struct world *w)
{
	size_t n = w->hosts_len;
	struct judge *j = calloc(1, sizeof(*j));

	w->judge = j;
	if (j != NULL)
		*j = (struct judge){calloc(n * n, sizeof(*j->watches)), calloc(n * n, sizeof(*j->pairs)), calloc(n, sizeof(*j->kicks)),
		    calloc(n, sizeof(*j->asks))};
	if (j == NULL || j->watches == NULL || j->pairs == NULL || j->kicks == NULL || j->asks == NULL)
		abort();
	for (size_t i = 0; i < n * n; i++) {
		struct watch *wa = &j->watches[i];

		wa->user_ms = wa->told_ms = wa->published_ms = wa->asked_ms = wa->kicked_ms = LONG_AGO;
		wa->changed = true;
		j->pairs[i].apart_ms = j->pairs[i].met_ms = PATH_NEVER;
		j->pairs[i].hurt_ms = LONG_AGO;
	}
}

void judge_free(struct world *w)
{
	free(w->judge->watches);
	free(w->judge->pairs);
	free(w->judge->kicks);
	free(w->judge->asks);
	free(w->judge);
}

void judge_fail(struct world *w, const char *format, ...)
{
	va_list ap;

	if (!w->failed || w->verbose) {
		printf("%s: at %lld.%03lld s ", w->name, (long long)w->now_ms / 1000, (long long)w->now_ms % 1000);
		va_start(ap, format);
		vprintf(format, ap);
		va_end(ap);
		putchar('\n');
	}
	w->failed = true;
}

unsigned judge_asks(const struct world *w, uint16_t host, uint16_t peer)
{
	return watch(w, host, peer)->asks;
}

unsigned judge_moves(const struct world *w, uint16_t host, uint16_t peer)
{
	return watch(w, host, peer)->moves;
}

int64_t judge_meets_ms(const struct world *w, uint16_t a, uint16_t b)
{
	return pair(w, a, b)->met_ms;
}

int64_t judge_worst_ms(struct world *w, uint16_t a, uint16_t b)
{
	int64_t worst_ms = pair(w, a, b)->worst_ms;

	pair(w, a, b)->worst_ms = 0;
	return worst_ms;
}

unsigned judge_kicks(const struct world *w, uint16_t host, uint16_t peer)
{
	return watch(w, host, peer)->kicks;
}

/* ---- is there a path? ---- */

static bool reaches(const struct world *w, const struct host *a, const struct host *b)
{
	const struct tunnel *t = a->wg.tunnels[b->number];

	return t != NULL && t->there && net_reaches(w, a, b, &t->endpoint);
}

static bool is_up(const struct world *w, const struct host *a, const struct host *b)
{
	return wg_has_session(w, a, b) && reaches(w, a, b) && reaches(w, b, a);
}

/* It works, and the daemon could know. */
static bool is_well(const struct world *w, struct host *h, uint16_t who)
{
	const struct pair *pr = pair(w, h->number, who);
	const struct path *p = daemon_path(h, who);
	const struct tunnel *t = wg_at(h, who);

	if (t == NULL || !t->has_address || pr->met_ms == PATH_NEVER || w->now_ms - pr->met_ms <= GRACE_MS ||
	    !is_up(w, h, &w->hosts[who]))
		return false;
	return w->now_ms - pr->hurt_ms > HEALED_MS ||
	    (p != NULL && t->rx > p->rx_bytes && w->now_ms - h->paths.dumped_ms >= PATHS_WATCH_MS);
}

/* ---- what the daemons do ---- */

static bool is_too_often(const struct world *w, struct meter *m, unsigned a_second)
{
	unsigned before = m->n >= a_second ? m->n - a_second : UINT32_MAX;
	bool often = before != UINT32_MAX && w->now_ms - m->at_ms[before % PATHS_ASKS] < 1000;

	m->at_ms[m->n++ % PATHS_ASKS] = w->now_ms;
	return often;
}

void judge_ask(struct world *w, struct host *h, uint16_t about)
{
	struct watch *wa = watch(w, h->number, about);

	if (w->now_ms - wa->told_ms > HEALED_MS && is_well(w, h, about) && w->now_ms - wa->asked_ms < PATH_RENEW_MS)
		judge_fail(w, "%s asks for %s, but its path works", world_name(h->number), world_name(about));
	if (w->now_ms - wa->asked_ms < PATH_PUSH_MS)
		judge_fail(w, "%s asks for %s twice in a second", world_name(h->number), world_name(about));
	if (is_too_often(w, &w->judge->asks[h->number], PATHS_ASKS))
		judge_fail(w, "%s asks for more than %d in a second", world_name(h->number), PATHS_ASKS);
	wa->asked_ms = w->now_ms;
	wa->asks++;
}

static void judge_move(struct world *w, struct host *h, uint16_t who)
{
	struct watch *wa = watch(w, h->number, who);

	if (is_well(w, h, who))
		judge_fail(w, "%s sets the endpoint of %s, but its path works", world_name(h->number), world_name(who));
	if (w->now_ms - wa->user_ms < PATH_TRIAL_MS && w->now_ms - wa->user_ms > PATHS_WATCH_MS)
		judge_fail(w, "%s sets the endpoint of %s, which the user just set", world_name(h->number), world_name(who));
	if (!wa->changed)
		judge_fail(w, "%s sets the endpoint of %s again, though nothing has changed", world_name(h->number), world_name(who));
	wa->moves++;
	wa->changed = false;
	wa->kicked_ms = LONG_AGO; /* another endpoint may be tried at once */
}

void judge_act(struct world *w, struct host *h, uint16_t who, enum path_do what)
{
	struct watch *wa = watch(w, h->number, who);
	const struct tunnel *t = wg_at(h, who);
	const struct path *p = daemon_path(h, who);

	if (what == PATH_DO_POKE)
		return;
	if (what == PATH_DO_MOVE)
		judge_move(w, h, who);
	if (w->now_ms - wa->kicked_ms < PATH_TRIAL_MS && (t == NULL || t->rx == wa->kicked_rx) && p != NULL && !p->theirs)
		judge_fail(w, "%s begins a trial of %s during another one", world_name(h->number), world_name(who));
	if (is_too_often(w, &w->judge->kicks[h->number], PATHS_KICKS))
		judge_fail(w, "%s kicks more than %d times in a second", world_name(h->number), PATHS_KICKS);
	wa->kicked_ms = p != NULL && p->state == PATH_TRYING ? w->now_ms : LONG_AGO;
	wa->kicked_rx = t != NULL ? t->rx : 0;
	wa->kicks++;
}

/* ---- what happens ---- */

void judge_drop(struct world *w, uint16_t from, uint16_t to)
{
	pair(w, from, to)->hurt_ms = w->now_ms;
}

static void disturb(struct world *w, uint16_t a, uint16_t b)
{
	struct pair *pr = pair(w, a, b);

	if (pr->apart_ms != PATH_NEVER)
		pr->apart_ms = w->now_ms;
}

void judge_remake(struct world *w, uint16_t host, uint16_t peer)
{
	watch(w, host, peer)->user_ms = watch(w, host, peer)->asked_ms = LONG_AGO;
	watch(w, host, peer)->changed = true;
	judge_disturb(w, host);
}

void judge_roam(struct world *w, uint16_t host, uint16_t peer)
{
	struct watch *wa = watch(w, host, peer);

	wa->changed = true;
	wa->user_ms = LONG_AGO;   /* what the user set is no more */
	wa->kicked_ms = LONG_AGO; /* where it came from may be tried at once */
}

void judge_start(struct world *w, uint16_t host)
{
	for (uint16_t i = 0; i < w->hosts_len; i++)
		watch(w, host, i)->asked_ms = watch(w, host, i)->kicked_ms = watch(w, host, i)->user_ms = LONG_AGO;
}

void judge_answer(struct world *w, uint16_t host, uint16_t about, const struct place *at)
{
	struct watch *wa = watch(w, host, about);

	if (at->addr != 0 && !place_equal(&wa->answer, at))
		wa->changed = true;
	if (at->addr != 0)
		wa->answer = *at;
}

void judge_publish(struct world *w, uint16_t about)
{
	for (uint16_t i = 0; i < w->hosts_len; i++) {
		watch(w, i, about)->published_ms = w->now_ms;
		disturb(w, i, about);
	}
}

void judge_tell(struct world *w, uint16_t whom, uint16_t about)
{
	watch(w, whom, about)->told_ms = w->now_ms;
}

/* Trials may begin anew. */
void judge_own(struct world *w, uint16_t host)
{
	for (uint16_t i = 0; i < w->hosts_len; i++)
		watch(w, host, i)->kicked_ms = LONG_AGO;
}

void judge_disturb(struct world *w, uint16_t host)
{
	judge_own(w, host);
	for (uint16_t i = 0; i < w->hosts_len; i++)
		disturb(w, i, host);
}

void judge_user(struct world *w, uint16_t host, uint16_t peer)
{
	struct watch *wa = watch(w, host, peer);

	wa->user_ms = w->now_ms;
	wa->changed = true;
	wa->kicked_ms = LONG_AGO;
	disturb(w, host, peer);
}

/* ---- every now and then ---- */

/* News of `b` since they were parted: 1: `a` was told in time, and b itself, too; 0: there are none; -1: not so. */
static int news(const struct world *w, const struct pair *pr, uint16_t a, uint16_t b)
{
	const struct watch *one = watch(w, a, b), *own = watch(w, b, b);

	if (one->published_ms < pr->since_ms - AT_ONCE)
		return 0;
	return one->told_ms >= one->published_ms && one->told_ms - one->published_ms < AT_ONCE &&
	    own->told_ms >= own->published_ms && own->told_ms - own->published_ms < AT_ONCE ? 1 : -1;
}

static bool were_told(const struct world *w, const struct pair *pr, uint16_t a, uint16_t b)
{
	int ab = news(w, pr, a, b), ba = news(w, pr, b, a);

	return ab >= 0 && ba >= 0 && ab + ba > 0;
}

static bool sends(const struct world *w, struct host *h, uint16_t to)
{
	return app_sends(w, h->number, to) && wg_at(h, to)->has_address;
}

/* How long it may take one end until it does something about the path to the other; PATH_NEVER: for ever. */
static int64_t time_to_act(const struct world *w, const struct pair *pr, struct host *h, struct host *other)
{
	int64_t ask_ms = JUDGE_ASK_MS + (w->registry.in_tunnel ? 0 : w->registry.ttl_s * 1000);
	const struct tunnel *t = wg_at(h, other->number);
	const struct path *p = daemon_path(h, other->number);

	if (t->has_address && were_told(w, pr, h->number, other->number) && (p == NULL || p->state != PATH_IDLE))
		return JUDGE_TOLD_MS;
	if (t->handshake_s == 0)
		return ask_ms;
	if (sends(w, h, other->number))
		return JUDGE_SILENT_MS + ask_ms;
	if (t->keepalive_s != 0)
		return JUDGE_STALE_MS + ask_ms;
	return p != NULL && (p->state == PATH_LOOKING || p->state == PATH_TRYING) ? ask_ms : PATH_NEVER;
}

static int64_t bound_of(const struct world *w, const struct pair *pr, struct host *a, struct host *b)
{
	int64_t first = time_to_act(w, pr, a, b), second = time_to_act(w, pr, b, a);
	int64_t longer = first > second ? first : second;

	if (a->number == SIM_HUB)
		longer = JUDGE_HUB_MS - JUDGE_MEET_MS;
	return longer == PATH_NEVER ? longer : (longer + JUDGE_MEET_MS) * (w->loss > 0 ? 3 : 1);
}

static bool is_known(const struct world *w, struct host *h)
{
	struct host *hub = &w->hosts[SIM_HUB];

	return h == hub || (w->registry.serves && is_up(w, hub, h) && net_reaches(w, hub, h, &w->registry.zone[h->number]));
}

/* Without a keepalive and without an address to send to, nobody can make WireGuard send anything. */
static bool can_send(struct host *h, uint16_t to)
{
	const struct tunnel *t = wg_at(h, to);

	return h->wg.up && !h->offline && t != NULL && (t->has_address || t->keepalive_s != 0);
}

/* Could they have a path, and is there something that wants one? */
static bool should_meet(const struct world *w, struct host *a, struct host *b)
{
	bool hub = a->number == SIM_HUB;

	if (!can_send(a, b->number) || !can_send(b, a->number))
		return false;
	if (!hub && (!a->has_daemon || !b->has_daemon || !is_known(w, a) || !is_known(w, b)))
		return false;
	return net_can_meet(&a->nat, &b->nat) &&
	    (hub || wg_at(a, b->number)->handshake_s == 0 || sends(w, a, b->number) || sends(w, b, a->number));
}

static void on_meeting(struct world *w, struct pair *pr, uint16_t a, uint16_t b)
{
	if (pr->apart_ms != PATH_NEVER && w->now_ms - pr->apart_ms > pr->worst_ms)
		pr->worst_ms = w->now_ms - pr->apart_ms;
	if (pr->apart_ms != PATH_NEVER && a != SIM_HUB && w->loss == 0) {
		size_t steps = (size_t)((w->now_ms - pr->apart_ms) / JUDGE_EVERY_MS);

		(were_told(w, pr, a, b) ? told : others)[steps < STEPS ? steps : STEPS - 1]++;
	}
	if (pr->met_ms == PATH_NEVER) {
		world_say(w, "-- %s and %s have a path", world_name(a), world_name(b));
		pr->met_ms = w->now_ms;
	}
	pr->apart_ms = PATH_NEVER;
}

static void check(struct world *w, struct host *a, struct host *b)
{
	struct pair *pr = pair(w, a->number, b->number);
	int64_t bound_ms;

	if (is_up(w, a, b)) {
		on_meeting(w, pr, a->number, b->number);
		return;
	}
	pr->met_ms = PATH_NEVER;
	if (!should_meet(w, a, b))
		pr->apart_ms = PATH_NEVER;
	else if (pr->apart_ms == PATH_NEVER)
		pr->apart_ms = pr->since_ms = w->now_ms;
	else if ((bound_ms = bound_of(w, pr, a, b)) == PATH_NEVER)
		pr->apart_ms = w->now_ms;
	else if (w->now_ms - pr->apart_ms > bound_ms) {
		judge_fail(w, "%s and %s have had no path for %lld s", world_name(a->number), world_name(b->number),
		    (long long)(w->now_ms - pr->apart_ms) / 1000);
		pr->apart_ms = w->now_ms;
	}
}

void judge_check(struct world *w)
{
	for (size_t a = 0; a < w->judged; a++)
		for (size_t b = a + 1; b < w->hosts_len; b++)
			check(w, &w->hosts[a], &w->hosts[b]);
}

/* ---- over all worlds ---- */

static int64_t of_hundred(const unsigned steps[STEPS], unsigned part)
{
	unsigned long all = 0, sum = 0;
	int64_t at = 0;

	for (size_t i = 0; i < STEPS; i++)
		all += steps[i];
	while (at < STEPS - 1 && (sum + steps[at]) * 100 < all * part)
		sum += steps[at++];
	return at * JUDGE_EVERY_MS;
}

static void print(FILE *out, const char *what, const unsigned steps[STEPS])
{
	unsigned long all = 0;

	for (size_t i = 0; i < STEPS; i++)
		all += steps[i];
	fprintf(out, "%s %lu: half within %.1f s, 9 in 10 within %.1f s, 99 in 100 within %.1f s, all within %.1f s\n", what, all,
	    (double)of_hundred(steps, 50) / 1000, (double)of_hundred(steps, 90) / 1000, (double)of_hundred(steps, 99) / 1000,
	    (double)of_hundred(steps, 100) / 1000);
}

bool judge_summary(FILE *out)
{
	print(out, "paths whose ends were told", told);
	print(out, "other paths", others);
	return of_hundred(told, 50) <= JUDGE_HALF_MS && of_hundred(told, 90) <= JUDGE_MOST_MS;
}
