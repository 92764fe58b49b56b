#include "path.h"

/* What there is to do about a path. */

#define REPEAT_MS 1000 /* between pokes, beyond the first ones of a row */
#define REKEY_MS  5100 /* REKEY_TIMEOUT, and a little */

static void poke(struct path *p, int64_t now_ms)
{
	if (p->pokes++ == 0)
		p->poked_ms = now_ms;
	p->poke_ms = now_ms + (p->state == PATH_PROBED && p->pokes < PATH_POKES ? PATH_GAP_MS : REPEAT_MS);
	if (p->watch_ms < now_ms + PATH_WATCH_MS)
		p->watch_ms = now_ms + PATH_WATCH_MS;
}

static enum path_do start(struct path *p, int64_t now_ms)
{
	enum path_do what = p->want;

	p->want = PATH_DO_NOTHING;
	if (p->state != PATH_TRYING)
		return what;
	if (what == PATH_DO_MOVE) {
		p->before = p->endpoint;
		p->endpoint = p->to;
		p->set = true;
	}
	p->trial_ms = now_ms;
	p->watch_ms = now_ms + PATH_TRIAL_MS + PATH_WATCH_MS;
	p->trials++;
	p->pokes = 1; /* an echo is timed from here */
	p->poked_ms = now_ms;
	/* In a session no handshake begins that would be repeated: data is. Without one, WireGuard may have begun one shortly before,
	 * and then begins none for 5 s, nor later if nothing is sent. */
	p->poke_ms = now_ms + (path_has_session(p, now_ms) ? PATH_GAP_MS : REKEY_MS);
	return what;
}

bool path_next(struct path *p, int64_t now_ms, const struct path_may *may, struct path_act *out)
{
	*out = (struct path_act){.what = PATH_DO_NOTHING, .to = p->to};
	if (!p->asking && p->ask_ms <= now_ms && may->ask) {
		p->asking = true;
		p->asked_ms = now_ms;
		p->ask_ms = PATH_NEVER;
		out->what = PATH_DO_ASK;
	} else if (p->want != PATH_DO_NOTHING && may->kick) {
		out->what = start(p, now_ms);
	} else if (p->poke_ms <= now_ms && p->pokable && may->poke) {
		poke(p, now_ms);
		out->what = PATH_DO_POKE;
	}
	return out->what != PATH_DO_NOTHING;
}

int64_t path_wakes_at(const struct path *p)
{
	int64_t at = PATH_NEVER;

	if (!p->asking)
		at = p->ask_ms;
	if (p->want != PATH_DO_NOTHING)
		at = 0;
	if (p->pokable && p->poke_ms < at)
		at = p->poke_ms;
	return at;
}

bool path_is_watched(const struct path *p, int64_t now_ms)
{
	return (p->state == PATH_PROBED || p->state == PATH_TRYING) && now_ms < p->watch_ms;
}
