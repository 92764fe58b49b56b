#include "rounds.h"

#include <err.h>
#include <stdlib.h>

#define RATE_SHARE   (1. / 3) /* of what the first reflector would do with all of its processor */
#define RATE_DEFAULT 20000.

static struct latency pooled[ROUNDS_SERVERS][QUESTION_KINDS], one;
static struct tally pooled_tally[ROUNDS_SERVERS][QUESTION_KINDS];
static size_t reflected_len[QUESTION_KINDS];
static double rate[QUESTION_KINDS];

typedef unsigned long long ull;

/* Every server is to answer every kind, and the reflectors are told how long the answers are: as long as the first name
 * server's. */
static void learn_lengths(struct rounds *r)
{
	const char *why;

	for (size_t k = 0; k < QUESTION_KINDS; k++) {
		for (size_t i = 0; i < r->servers_len; i++) {
			size_t len;

			if (r->server[i].is_reflector)
				continue;
			len = slice_ask_one(&r->server[i], &question_kinds[k], &why);
			if (len == 0)
				errx(1, "WRONG ANSWER from %s to a question of the kind %s: %s", r->server[i].name,
				    question_kinds[k].name, why);
			if (reflected_len[k] == 0)
				reflected_len[k] = len;
		}
		if (reflected_len[k] == 0)
			errx(1, "no name server, so nobody knows how long answers are");
	}
}

static struct slice new_slice(struct rounds *r, size_t server, size_t kind)
{
	return (struct slice){.server = &r->server[server], .kind = &question_kinds[kind], .peers = r->peers,
	    .reflected_len = reflected_len[kind], .window = r->window};
}

static void closed(struct rounds *r, unsigned round, size_t kind, size_t server, uint64_t cpu_ns)
{
	struct slice s = new_slice(r, server, kind);
	const struct tally *t = &s.tally;

	slice_closed(&s, cpu_ns);
	if (t->answers == 0)
		errx(1, "%s answers nothing of the kind %s", s.server->name, s.kind->name);
	if (s.server->is_reflector && rate[kind] == 0)
		rate[kind] = (double)t->answers * 1e9 / (double)t->cost.server_ns * RATE_SHARE;
	fprintf(r->out, "slice\t%u\t%u\t%s\t%s\t", r->peers, round, s.kind->name, s.server->name);
	fprintf(r->out, "%llu\t%llu\t%llu\t%llu\t", (ull)t->cost.server_ns, (ull)t->cost.wall_ns, (ull)t->cost.machine_ns,
	    (ull)t->cost.own_ns);
	fprintf(r->out, "%llu\t%llu\t%llu\t%llu\t%zu\t%zu\t%llu\t%llu\n", (ull)t->answers, (ull)t->streamed, (ull)t->lost,
	    (ull)t->late, t->len_min, t->len_max, (ull)t->extras.addresses, (ull)t->extras.texts);
	fflush(r->out);
}

static void write_latency(struct rounds *r, const char *what, unsigned round, size_t kind, size_t server,
    const struct latency *l, const struct tally *t)
{
	fprintf(r->out, "%s\t%u\t%u\t%s\t%s\t%.0f\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\n", what, r->peers, round,
	    question_kinds[kind].name, r->server[server].name, rate[kind], (ull)t->answers, (ull)t->lost, (ull)t->late,
	    (ull)latency_ns(l, 0.5), (ull)latency_ns(l, 0.99), (ull)latency_ns(l, 0.999));
	fflush(r->out);
}

static void latency(struct rounds *r, unsigned round, size_t kind, size_t server)
{
	struct slice s = new_slice(r, server, kind);
	struct tally *all = &pooled_tally[server][kind];

	if (rate[kind] == 0)
		rate[kind] = RATE_DEFAULT;
	one = (struct latency){0};
	s.latency = &one;
	slice_open(&s, rate[kind], (uint64_t)(r->latency_s * 1e9));
	write_latency(r, "latency", round, kind, server, &one, &s.tally);
	latency_add(&pooled[server][kind], &one);
	all->answers += s.tally.answers;
	all->lost += s.tally.lost;
	all->late += s.tally.late;
}

/* The servers one after another, each time another one first, and forwards and backwards in turn: what drifts, or is left
 * in the caches by the one before, meets all of them alike. */
static size_t whose_turn(const struct rounds *r, unsigned turn, size_t i)
{
	size_t n = r->servers_len;

	return (turn / 2 + (turn % 2 == 0 ? i : n - 1 - i)) % n;
}

static void run_kind(struct rounds *r, unsigned round, size_t kind, double cpu_s)
{
	static unsigned turn;
	unsigned slices = (unsigned)(cpu_s / r->slice_s + 0.999);

	if (slices == 0)
		slices = 1;
	for (unsigned n = 0; n < slices; n++, turn++)
		for (size_t i = 0; i < r->servers_len; i++)
			closed(r, round, kind, whose_turn(r, turn, i), (uint64_t)(cpu_s / slices * 1e9));
	for (size_t i = 0; r->latency_s > 0 && i < r->servers_len; i++)
		latency(r, round, kind, whose_turn(r, turn, i));
}

void rounds_run(struct rounds *r)
{
	unsigned kinds = 0;

	learn_lengths(r);
	for (size_t k = 0; k < QUESTION_KINDS; k++)
		kinds += r->kind[k];
	for (unsigned round = 1; round <= r->rounds; round++)
		for (size_t k = 0; k < QUESTION_KINDS; k++)
			if (r->kind[k])
				run_kind(r, round, k, r->cpu_s / kinds);
	for (size_t i = 0; i < r->servers_len; i++) {
		for (size_t k = 0; r->latency_s > 0 && k < QUESTION_KINDS; k++)
			if (r->kind[k])
				write_latency(r, "pooled", r->rounds, k, i, &pooled[i][k], &pooled_tally[i][k]);
		fprintf(r->out, "memory\t%u\t%s\t%zu\t%llu\n", r->peers, r->server[i].name, r->server[i].processes.len,
		    (ull)cost_pss_kb(&r->server[i].processes));
	}
	fflush(r->out);
}
