#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SERVERS_SAID 3 /* the others are counted */
#define TRIALS_FEW   3 /* so long the other side may just not know yet */

struct text {
	char *out;
	size_t len, cap;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->out + t->len, t->cap - t->len, fmt, ap);
	va_end(ap);
	t->len = n < 0 || (size_t)n >= t->cap - t->len ? t->cap - 1 : t->len + (size_t)n;
}

/* ---- spans of time ---- */

const char *report_span(int64_t ms, char out[REPORT_SPAN])
{
	long long s = ms / 1000;

	if (s < 120)
		snprintf(out, REPORT_SPAN, "%lld s", s);
	else if (s < 120 * 60)
		snprintf(out, REPORT_SPAN, "%lld min", s / 60);
	else if (s < 48 * 3600)
		snprintf(out, REPORT_SPAN, "%lld h", s / 3600);
	else
		snprintf(out, REPORT_SPAN, "%lld days", s / 86400);
	return out;
}

/* "WORD 3 s", or of less than a second: "WORD a moment". */
static void add_span(struct text *t, const char *word, int64_t ms)
{
	char span[REPORT_SPAN];

	add(t, "%s%s", word, ms < 1000 ? "a moment" : report_span(ms, span));
}

static void add_endpoint(struct text *t, const char *word, const struct endpoint *ep)
{
	char text[ENDPOINT_TEXT];

	if (ep->family != AF_UNSPEC)
		add(t, "%s%s", word, endpoint_to_text(ep, text));
}

/* ---- the registry ---- */

/* " (10.9.0.1:53, 10.9.0.2:53)" */
static void add_servers(struct text *t, const struct report_head *h)
{
	uint32_t n = h->servers_len;

	if (n == 0 || h->servers[0].address.family == AF_UNSPEC)
		return;
	for (uint32_t i = 0; i < n && i < SERVERS_SAID; i++)
		add_endpoint(t, i == 0 ? " (" : ", ", &h->servers[i].address);
	if (n > SERVERS_SAID)
		add(t, " and %u more", n - SERVERS_SAID);
	add(t, ")");
}

/* Are all servers behind tunnels that do not work themselves? */
static bool is_cut_off(const struct report_head *h)
{
	for (uint32_t i = 0; i < h->servers_len; i++)
		if (h->servers[i].through == 0 || !path_state_is_without((enum path_state)(h->servers[i].through - 1)))
			return false;
	return h->servers_len > 0;
}

/* Behind a registry that was not heard. */
static void add_way(struct text *t, const struct report_head *h, const struct report_peer *p)
{
	if (p->is_registry)
		add(t, ", which is reached through this very peer: is its endpoint right?");
	else if (is_cut_off(h))
		add(t, ": the tunnel to it does not work either");
}

static void add_not_in_zone(struct text *t, const struct report_peer *p)
{
	add(t, "not in the zone");
	if (p->is_registry)
		add(t, ": does the registry publish itself?");
	else if (p->published.family != AF_UNSPEC)
		add_endpoint(t, " any more, which last had it at ", &p->published);
	else
		add(t, p->handshake_s != 0 ? ": the registry does not see it now" : ": has it ever reached the registry?");
}

/* Why a look-up failed. */
static void add_failure(struct text *t, const struct report_head *h, const struct report_peer *p)
{
	switch ((enum lookup_status)p->status) {
	case LOOKUP_NOT_IN_ZONE:
		add_not_in_zone(t, p);
		break;
	case LOOKUP_NOT_READY:
		add(t, "the registry is not ready");
		add_servers(t, h);
		add(t, ": is its device there, and may wgmeetd read it?");
		break;
	case LOOKUP_REFUSED:
		add(t, "the name server refuses");
		add_servers(t, h);
		add(t, ": does it serve this zone, and us?");
		break;
	case LOOKUP_NO_ANSWER:
		add(t, "no answer from the registry");
		add_servers(t, h);
		add_way(t, h, p);
		break;
	case LOOKUP_UNREACHABLE:
		add(t, "the registry cannot be reached");
		add_servers(t, h);
		add_way(t, h, p);
		break;
	case LOOKUP_BAD_ANSWER:
		add(t, "the name server's answer makes no sense");
		add_servers(t, h);
		break;
	case LOOKUP_OTHER_KEY:
		add(t, "the zone has another key under its name");
		break;
	case LOOKUP_NO_ADDRESS:
		add(t, "the zone has a port of it, but no address");
		break;
	case LOOKUP_BAD_ENDPOINT:
		add(t, "the zone has it where no peer can be");
		break;
	case LOOKUP_NO_ROUTE:
		add(t, "no route to it: this host reaches no address that the zone has of it");
		break;
	case LOOKUP_IN_TUNNEL:
		add(t, "its address is inside the tunnel, through which no tunnel can go");
		break;
	case LOOKUP_FOUND:
	case LOOKUP_STATUSES:
		break;
	}
}

/* ---- what became of a path ---- */

static const struct endpoint *seen_at(const struct report_head *h)
{
	for (uint32_t i = 0; i < h->servers_len; i++)
		if (h->servers[i].sees.family != AF_UNSPEC)
			return &h->servers[i].sees;
	return NULL;
}

/* Why a path that worked is not believed in. */
static void add_cause(struct text *t, const struct report_head *h, const struct report_peer *p)
{
	switch ((enum path_why)p->why) {
	case PATH_WHY_NEW:
		add(t, "nothing came back yet");
		break;
	case PATH_WHY_SILENCE:
		add(t, "what was sent to it was not answered");
		break;
	case PATH_WHY_ADDRESS:
		add(t, "nothing came back since our address or route changed");
		break;
	case PATH_WHY_MAPPING:
		add(t, "nothing came back since the registry sees us elsewhere");
		if (seen_at(h) != NULL)
			add_endpoint(t, ", at ", seen_at(h));
		break;
	case PATH_WHY_ELSEWHERE:
		add(t, "the registry sees it elsewhere");
		add_endpoint(t, ", at ", &p->published);
		break;
	case PATH_WHY_NEWS:
		add(t, "nothing came back since the registry saw it elsewhere");
		add_endpoint(t, ", at ", &p->published);
		break;
	case PATH_WHY_CHANGED:
		add(t, "nothing came back since somebody else changed it");
		break;
	}
}

/* Does the last answer tell of now, and not of before the path was lost? */
static bool is_answered(const struct report_peer *p)
{
	return p->status != REPORT_UNASKED && p->answered_ms != REPORT_NEVER && p->answered_ms <= p->state_ms;
}

static bool has_worked(const struct report_peer *p)
{
	return p->handshake_s != 0;
}

static void say_direct(struct text *t, const struct report_peer *p)
{
	add_span(t, "direct for ", p->state_ms);
	if (p->unanswered_ms != REPORT_NEVER)
		add_span(t, ", though nothing has come back for ", p->unanswered_ms);
}

static void say_idle(struct text *t, const struct report_peer *p)
{
	add_span(t, "idle for ", p->state_ms);
	if (p->unanswered_ms != REPORT_NEVER)
		add_span(t, ", but in use again, without an answer, for ", p->unanswered_ms);
	else
		add(t, ": nothing was sent since, so there is nothing to repair");
}

static void say_probed(struct text *t, const struct report_head *h, const struct report_peer *p)
{
	if (p->why == PATH_WHY_NEW) { /* nothing speaks against it */
		add_span(t, "direct for ", p->state_ms);
		add(t, ": how soon it answers is being found out");
		return;
	}
	add_span(t, "in doubt for ", p->doubt_ms);
	add(t, ": ");
	add_cause(t, h, p);
	if (is_answered(p) && p->answered_ms <= p->doubt_ms && p->status != LOOKUP_FOUND) {
		add(t, "; ");
		add_failure(t, h, p);
	}
}

/* ---- without a path ---- */

bool report_is_behind_our_nat(const struct report_head *h, const struct report_peer *p)
{
	const struct endpoint *us = seen_at(h);

	return us != NULL && us->family == p->published.family && memcmp(us->addr, p->published.addr, sizeof(us->addr)) == 0;
}

/* It is published there, was tried there, and did not answer. */
static void add_nat(struct text *t, const struct report_head *h, const struct report_peer *p)
{
	if (p->is_registry)
		add(t, "is it down, or its port closed?");
	else if (report_is_behind_our_nat(h, p))
		add(t, "it is behind the same NAT as this host, which does not let its own packets back in");
	else if (h->mapping == PATHS_MAPPING_EACH)
		add(t, "our NAT gives each destination another port");
	else if (h->mapping == PATHS_MAPPING_SAME)
		add(t, "it is off, does not look for us, the keys differ, or its NAT gives each destination another port");
	else if (p->trials < TRIALS_FEW)
		add(t, "it does not look for us yet, or its NAT or ours gives each destination another port");
	else
		add(t, "it is off, wgmeet does not run there, the keys differ, or its NAT or ours gives each destination another port");
}

/* What the registry says of it. */
static void add_answer(struct text *t, const struct report_head *h, const struct report_peer *p)
{
	bool tried = p->trials > 0;

	if (!is_answered(p)) {
		add(t, p->is_asking ? "being looked up" : "it waits for its turn to be looked up");
	} else if (p->status != LOOKUP_FOUND) {
		add_failure(t, h, p);
	} else {
		add(t, "the registry last saw it");
		if (tried && endpoint_equal(&p->tried, &p->published))
			add(t, " there");
		else
			add_endpoint(t, " at ", &p->published);
		add_span(t, ", as it said ", p->answered_ms);
		add(t, " ago");
		if (tried) {
			add(t, ": ");
			add_nat(t, h, p);
		}
	}
}

/* For the first time since the path was lost, or ever. */
static void say_first_trial(struct text *t, const struct report_head *h, const struct report_peer *p)
{
	if (p->trial_ms != REPORT_NEVER) {
		add(t, "being tried");
		add_endpoint(t, " at ", &p->tried);
		add_span(t, " for ", p->trial_ms);
	} else {
		add(t, "to be tried");
		add_endpoint(t, " at ", &p->tried);
		add(t, " when it is its turn");
	}
	if (has_worked(p)) {
		add(t, ": ");
		add_cause(t, h, p);
	}
}

static void say_without(struct text *t, const struct report_head *h, const struct report_peer *p)
{
	bool trying = p->state == PATH_TRYING, runs = trying && p->trial_ms != REPORT_NEVER;
	unsigned done = runs && p->trials > 0 ? p->trials - 1 : p->trials;

	if (trying && done == 0) {
		say_first_trial(t, h, p);
		return;
	}
	if (done > 0) {
		add(t, "no answer");
		add_endpoint(t, " at ", &p->tried);
		add_span(t, " for ", p->state_ms);
		add(t, done == 1 ? ": tried once" : ": tried %u times", done);
		if (trying)
			add(t, runs ? ", and now again" : ", and to be tried again");
		add(t, "; ");
	} else if (has_worked(p)) {
		add_span(t, "lost ", p->state_ms);
		add(t, " ago (");
		add_cause(t, h, p);
		add(t, "): ");
	}
	add_answer(t, h, p);
}

const char *report_sentence(const struct report_head *head, const struct report_peer *peer, char out[REPORT_SENTENCE])
{
	struct text t = {.out = out, .cap = REPORT_SENTENCE};

	*out = '\0';
	if (head->is_there && !head->is_up) {
		add(&t, "no packet passes: the device is down");
		return out;
	}
	switch ((enum path_state)peer->state) {
	case PATH_DIRECT:
		say_direct(&t, peer);
		break;
	case PATH_IDLE:
		say_idle(&t, peer);
		break;
	case PATH_PROBED:
		say_probed(&t, head, peer);
		break;
	case PATH_LOOKING:
	case PATH_TRYING:
		say_without(&t, head, peer);
		break;
	}
	return out;
}

bool report_is_problem(const struct report_peer *p)
{
	if (!path_state_is_without((enum path_state)p->state) || !is_answered(p) || p->status == LOOKUP_NOT_IN_ZONE)
		return false;
	return p->status != LOOKUP_FOUND || p->trials > (p->state == PATH_TRYING ? 1u : 0u);
}

const char *report_mapping_word(enum paths_mapping mapping)
{
	static const char *const words[] = {[PATHS_MAPPING_UNKNOWN] = "unknown", [PATHS_MAPPING_SAME] = "same",
	    [PATHS_MAPPING_EACH] = "each"};

	return words[mapping];
}
