#include "path.h"

#include <string.h>

#define INITIATION  148 /* octets of messages.h */
#define RESPONSE    92
#define KEEPALIVE   32
#define UNUSED_MS   6000 /* an initiation that nobody answers, and the second one neither */
#define PROBE_MS    500  /* from the first poke to what follows from its not being answered */
#define PROMPT_MS   1000 /* who answers a poke within that is prompt */
#define CLOCK_S     10   /* a handshake that the dump shows was so long ago at most, if the clock was not set */

const char *path_state_word(enum path_state state)
{
	static const char *const words[] = {[PATH_LOOKING] = "looking", [PATH_TRYING] = "trying", [PATH_DIRECT] = "direct",
	    [PATH_PROBED] = "probed", [PATH_IDLE] = "idle"};

	return words[state];
}

const char *path_why_text(enum path_why why)
{
	static const char *const texts[] = {[PATH_WHY_NEW] = "it never worked", [PATH_WHY_SILENCE] = "nothing comes back",
	    [PATH_WHY_ADDRESS] = "nothing comes back since our address or route changed",
	    [PATH_WHY_MAPPING] = "nothing comes back since the registry sees us elsewhere",
	    [PATH_WHY_ELSEWHERE] = "the registry sees it elsewhere",
	    [PATH_WHY_NEWS] = "nothing comes back since the registry saw it elsewhere",
	    [PATH_WHY_CHANGED] = "nothing comes back since somebody changed it"};

	return texts[why];
}

void path_init(struct path *p, const uint8_t key[KEY_LEN], uint32_t seed, int64_t now_ms)
{
	*p = (struct path){.state = PATH_LOOKING, .since_ms = now_ms, .unanswered_ms = PATH_NEVER, .ask_ms = PATH_NEVER,
	    .trial_ms = PATH_NEVER, .poke_ms = PATH_NEVER, .random = seed | 1, .told_ms = now_ms - 2 * PATH_RENEW_MS,
	    .asked_ms = now_ms - 2 * PATH_RENEW_MS, .other_ms = now_ms - PATH_TRIAL_MS};
	memcpy(p->key, key, KEY_LEN);
}

/* ---- from one state to the next ---- */

bool path_state_is_without(enum path_state state)
{
	return state == PATH_LOOKING || state == PATH_TRYING;
}

bool path_state_is_up(enum path_state state)
{
	return state == PATH_DIRECT || state == PATH_PROBED;
}

bool path_is_up(const struct path *p)
{
	return path_state_is_up(p->state);
}

static void become(struct path *p, enum path_state state, int64_t now_ms)
{
	if (path_state_is_without(state) != path_state_is_without(p->state) || (state == PATH_IDLE) != (p->state == PATH_IDLE))
		p->since_ms = now_ms;
	p->state = state;
	p->want = PATH_DO_NOTHING;
	p->trial_ms = PATH_NEVER;
	p->poke_ms = PATH_NEVER;
	p->theirs = false;
}

static void try(struct path *p, const struct endpoint *ep, int64_t now_ms)
{
	become(p, PATH_TRYING, now_ms);
	p->want = endpoint_equal(ep, &p->endpoint) ? PATH_DO_KICK : PATH_DO_MOVE;
	p->to = *ep;
}

static int64_t ask_at(const struct path *p, int64_t now_ms)
{
	return now_ms - p->asked_ms < PATH_PUSH_MS ? p->asked_ms + PATH_PUSH_MS : now_ms;
}

static void ask_soon(struct path *p, int64_t now_ms)
{
	p->pace_ms = 0;
	p->quick_ms = now_ms + PATH_QUICK_MS;
	p->ask_ms = ask_at(p, now_ms);
}

static void lose(struct path *p, enum path_why why, int64_t now_ms)
{
	bool known = p->answered && p->answer == LOOKUP_FOUND && now_ms - p->answered_ms < PATH_LEAST_MS;

	become(p, PATH_LOOKING, now_ms);
	p->why = why;
	p->trials = 0;
	p->unanswered_ms = PATH_NEVER;
	ask_soon(p, now_ms);
	if (known) { /* that is why we know that it is lost */
		p->ask_ms = p->answered_ms + PATH_LEAST_MS;
		try(p, &p->published, now_ms);
	}
}

/* The first poke waits for a dump: what came in before is no answer to it. */
static void probe(struct path *p, enum path_why why, int64_t now_ms)
{
	become(p, PATH_PROBED, now_ms);
	p->why = why;
	p->pokes = 0;
	p->poked_ms = now_ms;
	if (p->watch_ms < now_ms + PATH_WATCH_MS)
		p->watch_ms = now_ms + PATH_WATCH_MS;
}

/* What is being probed already need not begin anew. */
static void doubt(struct path *p, enum path_why why, int64_t now_ms)
{
	if (p->state != PATH_PROBED)
		probe(p, why, now_ms);
	else if (p->why != PATH_WHY_CHANGED) /* what others set has its time */
		p->why = why;
}

/* So long after the first poke its silence means something. */
static int64_t patience(const struct path *p)
{
	int64_t twice_ms = 2 * p->prompt_ms + PATH_POKES * PATH_GAP_MS;

	return p->prompt && twice_ms > PROBE_MS ? twice_ms : PROBE_MS;
}

static bool same_host(const struct endpoint *a, const struct endpoint *b)
{
	return a->family != AF_UNSPEC && a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static void work(struct path *p, int64_t now_ms)
{
	bool found = path_state_is_without(p->state);
	bool late = p->state == PATH_PROBED && p->prompt && p->pokes >= PATH_POKES && now_ms - p->poked_ms >= patience(p);

	if (late) /* it is there: did it not answer, or was it away? */
		p->prompt = false;
	if (same_host(&p->published, &p->endpoint))
		p->agreed = p->published;
	p->unanswered_ms = PATH_NEVER;
	become(p, PATH_DIRECT, now_ms);
	if ((found || late) && !p->prompt && p->pokable) /* does it answer pokes? Now is the time to find out. */
		probe(p, PATH_WHY_NEW, now_ms);
	p->ask_ms = PATH_NEVER;
	if (p->told_ms > p->asked_ms) /* it has not been asked for since */
		p->ask_ms = p->asked_ms + PATH_PUSH_MS;
}

/* ---- dumps ---- */

bool path_has_session(const struct path *p, int64_t now_ms)
{
	return p->handshake_s != 0 && now_ms - p->shook_ms < PATH_FRESH_MS;
}

static void take(struct path *p, const struct wg_peer *peer)
{
	p->seen = true;
	p->set = false;
	p->endpoint = peer->endpoint;
	p->handshake_s = peer->last_handshake_s;
	p->rx_bytes = peer->rx_bytes;
	p->tx_bytes = peer->tx_bytes;
	p->keepalive_s = peer->keepalive_s;
	p->pokable = peer->allowed_len > 0;
}

/* What others set is given a trial before anything else is set. */
static void respect(struct path *p, int64_t now_ms)
{
	switch (p->state) {
	case PATH_LOOKING:
	case PATH_TRYING:
		if (p->endpoint.family != AF_UNSPEC) {
			p->trials = 0; /* what is said of it is of there */
			try(p, &p->endpoint, now_ms);
			p->theirs = true;
		}
		p->why = PATH_WHY_CHANGED;
		break;
	case PATH_DIRECT:
	case PATH_PROBED:
		probe(p, PATH_WHY_CHANGED, now_ms);
		break;
	case PATH_IDLE:
		break;
	}
	p->unanswered_ms = PATH_NEVER;
	p->heard_tx = p->tx_bytes;
}

/* The first dump that has it. A handshake in the future was before the clock was set back. */
static void meet(struct path *p, const struct wg_peer *peer, enum path_why why, int64_t now_ms, uint64_t wall_s)
{
	uint64_t then_s = peer->last_handshake_s, age_s = wall_s > then_s ? wall_s - then_s : then_s - wall_s;

	take(p, peer);
	p->heard_ms = now_ms;
	p->heard_tx = peer->tx_bytes;
	p->unanswered_ms = PATH_NEVER;
	p->trials = 0;
	p->why = why;
	if (then_s == 0) {
		become(p, PATH_LOOKING, now_ms);
		if (why == PATH_WHY_CHANGED)
			respect(p, now_ms);
		ask_soon(p, now_ms);
		return;
	}
	p->shook_ms = now_ms - (age_s < PATH_FRESH_MS / 1000 ? (int64_t)age_s * 1000 : PATH_FRESH_MS);
	become(p, path_has_session(p, now_ms) ? PATH_DIRECT : PATH_IDLE, now_ms);
	p->ask_ms = PATH_NEVER;
}

/* More than an empty packet each keepalive_s, one that answers data, and an initiation for the next session. */
static bool sent_data(const struct path *p, int64_t now_ms)
{
	uint64_t empty = 1;

	if (p->keepalive_s != 0)
		empty += (uint64_t)(now_ms - p->heard_ms) / 1000 / p->keepalive_s + 1;
	return p->tx_bytes - p->heard_tx > KEEPALIVE * empty + INITIATION;
}

static void judge_direct(struct path *p, int64_t now_ms)
{
	if (!path_has_session(p, now_ms)) {
		become(p, PATH_IDLE, now_ms);
		p->unanswered_ms = PATH_NEVER;
		p->heard_tx = p->tx_bytes;
		return;
	}
	if (p->unanswered_ms == PATH_NEVER && sent_data(p, now_ms)) {
		p->unanswered_ms = now_ms;
		if (p->prompt && p->pokable) {
			probe(p, PATH_WHY_SILENCE, now_ms);
			return;
		}
	}
	if (p->unanswered_ms != PATH_NEVER && now_ms - p->unanswered_ms >= PATH_SILENT_MS)
		lose(p, p->unanswered_ms == p->poked_ms ? p->why : PATH_WHY_SILENCE, now_ms);
}

static void judge_idle(struct path *p, int64_t now_ms)
{
	if (p->unanswered_ms == PATH_NEVER && p->tx_bytes - p->heard_tx >= INITIATION)
		p->unanswered_ms = now_ms;
	if (p->unanswered_ms != PATH_NEVER && now_ms - p->unanswered_ms >= UNUSED_MS)
		lose(p, PATH_WHY_SILENCE, now_ms);
}

/* Nothing came back so far. */
static void judge_probed(struct path *p, int64_t now_ms)
{
	if (p->pokable && (p->pokes < PATH_POKES || now_ms - p->poked_ms < patience(p)))
		return;
	if (p->pokable && p->unanswered_ms == PATH_NEVER) /* the pokes were data: the clock runs */
		p->unanswered_ms = p->poked_ms;
	if ((p->why == PATH_WHY_ELSEWHERE && p->prompt && p->pokable && now_ms - p->other_ms >= PATH_TRIAL_MS) ||
	    (p->unanswered_ms != PATH_NEVER && now_ms - p->unanswered_ms >= PATH_SILENT_MS)) {
		lose(p, p->why, now_ms);
	} else if (!p->prompt || !p->pokable) { /* it may be one that answers late */
		become(p, PATH_DIRECT, now_ms);
	} else if (p->ask_ms == PATH_NEVER && !p->asking) {
		ask_soon(p, now_ms);
	}
}

static void judge_trying(struct path *p, int64_t now_ms)
{
	if (p->trial_ms == PATH_NEVER || now_ms - p->trial_ms < PATH_TRIAL_MS)
		return;
	become(p, PATH_LOOKING, now_ms);
	if (p->ask_ms == PATH_NEVER)
		p->ask_ms = ask_at(p, now_ms);
}

static void judge(struct path *p, int64_t now_ms)
{
	switch (p->state) {
	case PATH_DIRECT:
		judge_direct(p, now_ms);
		break;
	case PATH_IDLE:
		judge_idle(p, now_ms);
		break;
	case PATH_PROBED:
		judge_probed(p, now_ms);
		break;
	case PATH_TRYING:
		judge_trying(p, now_ms);
		break;
	case PATH_LOOKING:
		break;
	}
}

/* Could that be all without a session: initiations both ways, and responses to those that came in? Where the other end knows us,
 * but cannot read our responses (another preshared key, a path in one direction), that is what goes on and on. */
static bool is_handshaking(uint64_t rx_bytes, uint64_t tx_bytes)
{
	uint64_t came = rx_bytes / INITIATION;

	if (rx_bytes % INITIATION != 0)
		return false;
	for (uint64_t n = 0; n <= came && n < INITIATION / 4 && n * RESPONSE <= tx_bytes; n++) /* 4 is their greatest common divisor */
		if ((tx_bytes - n * RESPONSE) % INITIATION == 0)
			return true;
	return false;
}

/* It was more than that: so there is a session, and the clock was set if its handshake seems too old. */
static void revive(struct path *p, const struct wg_peer *peer, int64_t now_ms)
{
	become(p, PATH_DIRECT, now_ms);
	p->shook_ms = now_ms - PATH_FRESH_MS / 2;
	p->unanswered_ms = PATH_NEVER;
	p->heard_ms = now_ms;
	p->heard_tx = peer->tx_bytes;
}

bool path_renew_interest(struct path *p, int64_t now_ms)
{
	if (p->state != PATH_DIRECT || p->asking || p->ask_ms != PATH_NEVER ||
	    now_ms - p->asked_ms < PATH_RENEW_MS + p->random % (PATH_RENEW_MS / 8))
		return false;
	p->ask_ms = now_ms;
	return true;
}

void path_see(struct path *p, const struct wg_peer *peer, int64_t now_ms, uint64_t wall_s)
{
	bool anew = peer->rx_bytes < p->rx_bytes || peer->tx_bytes < p->tx_bytes || peer->last_handshake_s < p->handshake_s;
	bool shook = peer->last_handshake_s != p->handshake_s, came = shook || peer->rx_bytes > p->rx_bytes, heard = came;
	/* What we set ourselves is no news, nor that it failed. */
	bool other = !endpoint_equal(&peer->endpoint, &p->endpoint) && !(p->set && endpoint_equal(&peer->endpoint, &p->before));

	if (!p->seen || (anew && peer->last_handshake_s == 0)) {
		meet(p, peer, p->seen ? PATH_WHY_CHANGED : p->why, now_ms, wall_s);
		return;
	}
	if (p->state == PATH_IDLE && !shook) {
		if (!is_handshaking(peer->rx_bytes - p->rx_bytes, peer->tx_bytes - p->tx_bytes))
			revive(p, peer, now_ms);
		else
			heard = false;
	}
	take(p, peer);
	if (other)
		p->other_ms = now_ms;
	if (shook) {
		uint64_t age_s = wall_s - peer->last_handshake_s;

		p->shook_ms = now_ms - (age_s <= CLOCK_S ? (int64_t)age_s * 1000 : 0);
	}
	if (heard || anew) {
		p->heard_ms = now_ms;
		p->heard_tx = p->tx_bytes;
	}
	if (heard && p->state == PATH_PROBED)
		p->unanswered_ms = PATH_NEVER;
	if (other && (!came || (path_state_is_without(p->state) && !path_has_session(p, now_ms)))) /* a peer that roams is heard */
		respect(p, now_ms);
	else if (p->state == PATH_PROBED && p->poke_ms == PATH_NEVER)
		; /* its first dump */
	else if (heard && path_has_session(p, now_ms))
		work(p, now_ms);
	else
		judge(p, now_ms);
	if (p->state == PATH_PROBED && p->poke_ms == PATH_NEVER)
		p->poke_ms = now_ms;
}

/* ---- answers and events ---- */

static uint32_t random_below(struct path *p, uint32_t n)
{
	p->random ^= p->random << 13; /* xorshift: it is only to spread the look-ups */
	p->random ^= p->random >> 17;
	p->random ^= p->random << 5;
	return n == 0 ? 0 : p->random % n;
}

/* The next look-up of a peer without a path. */
static void pace(struct path *p, uint32_t ttl_s, int64_t now_ms)
{
	uint32_t ttl_ms = ttl_s > PATH_MOST_MS / 1000 ? PATH_MOST_MS : ttl_s * 1000;

	if (ttl_ms < PATH_LEAST_MS)
		ttl_ms = PATH_LEAST_MS;
	if (now_ms >= p->quick_ms)
		p->pace_ms += p->pace_ms / 2;
	if (p->pace_ms < ttl_ms)
		p->pace_ms = ttl_ms;
	if (p->pace_ms > PATH_MOST_MS)
		p->pace_ms = PATH_MOST_MS;
	p->ask_ms = now_ms + p->pace_ms + random_below(p, p->pace_ms / 8);
}

static void answer_without(struct path *p, const struct endpoint *ep, int64_t now_ms)
{
	if (p->state == PATH_LOOKING || (!p->theirs && !endpoint_equal(ep, &p->to)))
		try(p, ep, now_ms);
}

enum news { NEWS_NONE, NEWS_PERHAPS, NEWS_MOVED };

/* Does what the registry says speak against where we send? A NAT that gives each destination another port still has one address.
 * Of who answers pokes, any change is reason to believe it if they are not answered. */
static enum news judge_news(struct path *p, const struct endpoint *ep)
{
	bool known = p->published.family != AF_UNSPEC, changed = !endpoint_equal(&p->published, ep);
	bool agreed, here = same_host(ep, &p->endpoint);

	agreed = same_host(&p->agreed, &p->endpoint);
	if (agreed && (!here || (p->agreed.port == p->endpoint.port && ep->port != p->endpoint.port)))
		return NEWS_MOVED;
	if (!changed || endpoint_equal(ep, &p->endpoint))
		return NEWS_NONE;
	if (here && !agreed && p->agreed.family != AF_UNSPEC) /* we have heard it from there before the registry did */
		return NEWS_NONE;
	return p->prompt && known ? NEWS_MOVED : NEWS_PERHAPS;
}

void path_answer(struct path *p, enum lookup_status status, const struct endpoint *ep, uint32_t ttl_s, int64_t now_ms)
{
	bool found = status == LOOKUP_FOUND;
	enum news news = NEWS_NONE;

	p->asking = false;
	p->answered = true;
	p->answered_ms = now_ms;
	p->answer = status;
	if (found) {
		news = judge_news(p, ep);
		p->published = *ep;
	}
	p->ask_ms = PATH_NEVER;
	switch (p->state) {
	case PATH_LOOKING:
	case PATH_TRYING:
		pace(p, ttl_s, now_ms);
		if (found)
			answer_without(p, ep, now_ms);
		break;
	case PATH_PROBED:
		if (p->prompt)
			pace(p, ttl_s, now_ms);
		/* fall through */
	case PATH_DIRECT:
		if (news == NEWS_MOVED)
			doubt(p, PATH_WHY_ELSEWHERE, now_ms);
		else if (news == NEWS_PERHAPS && p->state == PATH_DIRECT)
			probe(p, PATH_WHY_NEWS, now_ms);
		break;
	case PATH_IDLE:
		break;
	}
	if (p->told_ms > p->asked_ms && p->asked_ms + PATH_PUSH_MS < p->ask_ms) /* the question was asked before the change */
		p->ask_ms = p->asked_ms + PATH_PUSH_MS;
}

void path_suspect(struct path *p, enum path_why why, int64_t now_ms)
{
	bool theirs;

	switch (p->state) {
	case PATH_DIRECT:
		probe(p, why, now_ms);
		break;
	case PATH_PROBED: /* once more, but what is known of the peer stays so */
		probe(p, p->why == PATH_WHY_ELSEWHERE || p->why == PATH_WHY_CHANGED ? p->why : why, now_ms);
		break;
	case PATH_IDLE:
		if (why != PATH_WHY_MAPPING) /* that is the registry's word alone */
			p->want = PATH_DO_KICK;
		break;
	case PATH_TRYING:
		if (why == PATH_WHY_MAPPING)
			break;
		theirs = p->theirs;
		try(p, &p->to, now_ms);
		p->theirs = theirs;
		break;
	case PATH_LOOKING:
		ask_soon(p, now_ms);
		break;
	}
}

void path_echo(struct path *p, int64_t now_ms)
{
	if (p->pokes == 0 || now_ms - p->poked_ms >= PROMPT_MS)
		return;
	p->prompt = true;
	p->prompt_ms = (uint32_t)(now_ms - p->poked_ms);
}

void path_hurry(struct path *p, int64_t now_ms)
{
	if (path_state_is_without(p->state))
		ask_soon(p, now_ms);
}

void path_renew(struct path *p, int64_t now_ms)
{
	p->answered = false;
	p->published.family = p->agreed.family = AF_UNSPEC;
	if (path_state_is_without(p->state))
		ask_soon(p, now_ms);
	else if (!p->asking) /* the new one shall know of us, too */
		p->asked_ms = now_ms - 2 * PATH_RENEW_MS;
}

void path_tell(struct path *p, int64_t now_ms)
{
	p->told_ms = now_ms;
	if (path_state_is_without(p->state)) {
		p->pace_ms = 0;
		p->quick_ms = now_ms + PATH_QUICK_MS;
	}
	if (!p->asking)
		p->ask_ms = ask_at(p, now_ms);
}
