#include "ways.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct way look(struct links *links, uint32_t mark, const struct endpoint *to)
{
	struct way way = {.to = *to};

	way.there = to->family != AF_UNSPEC && links_way(links, to, mark, &way.out) == 0;
	return way;
}

int ways_follow(struct ways *w, struct links *links, uint32_t mark, const struct paths *ps)
{
	if (w->len < ps->len) {
		struct way *at = reallocarray(w->at, ps->len, sizeof(*at));

		if (at == NULL)
			return -ENOMEM;
		memset(at + w->len, 0, (ps->len - w->len) * sizeof(*at));
		w->at = at;
		w->len = ps->len;
	}
	for (size_t i = 0; i < ps->len; i++) {
		const struct path *p = paths_at(ps, i);

		if (p != NULL && !endpoint_equal(&w->at[i].to, &p->endpoint))
			w->at[i] = look(links, mark, &p->endpoint);
	}
	return 0;
}

/* While there is none the last one is kept: it may come back as it was, but what the NATs knew is gone all the same. */
static bool has_changed(struct way *before, const struct way *now)
{
	bool changed = now->there && (!before->there || !links_way_equal(&before->out, &now->out));

	if (now->there)
		before->out = now->out;
	before->there = now->there;
	return changed;
}

size_t ways_check(struct ways *w, struct links *links, uint32_t mark, struct paths *ps, int64_t now_ms)
{
	size_t n = 0;

	for (size_t i = 0; i < w->len && i < ps->len; i++) {
		const struct path *p = paths_at(ps, i);
		struct way now;

		if (p == NULL || w->at[i].to.family == AF_UNSPEC || !endpoint_equal(&w->at[i].to, &p->endpoint))
			continue;
		now = look(links, mark, &p->endpoint);
		if (!has_changed(&w->at[i], &now))
			continue;
		paths_suspect(ps, i, PATH_WHY_ADDRESS, now_ms);
		n++;
	}
	if (n > 0)
		paths_moved(ps, now_ms);
	return n;
}

void ways_free(struct ways *w)
{
	free(w->at);
	*w = (struct ways){0};
}
