#include "sim.h"

struct app *app_add(struct world *w, enum app_kind kind, uint16_t from, uint16_t to, int64_t period_ms)
{
	struct app *app = &w->apps[w->apps_len++];

	*app = (struct app){.kind = kind, .from = from, .to = to, .period_ms = period_ms, .len = 100};
	return app;
}

bool app_sends(const struct world *w, uint16_t from, uint16_t to)
{
	for (size_t i = 0; i < w->apps_len; i++)
		if (w->apps[i].on && w->apps[i].from == from && w->apps[i].to == to)
			return true;
	return false;
}

static void tick_later(struct world *w, struct app *app)
{
	app->ticks = true;
	queue_push(w, &(struct event){.kind = EVENT_APP, .number = (uint32_t)(app - w->apps),
	    .at_ms = w->now_ms + world_between(w, app->period_ms / 2, app->period_ms * 3 / 2)});
}

void app_switch(struct world *w, struct app *app, bool on)
{
	app->on = on;
	if (on && !app->ticks)
		tick_later(w, app);
}

void app_tick(struct world *w, uint32_t number)
{
	struct app *app = &w->apps[number];
	struct load load = {.kind = app->kind == APP_REQUEST ? LOAD_REQUEST : LOAD_STREAM, .len = app->len};

	app->ticks = false;
	if (!app->on)
		return;
	wg_send(w, &w->hosts[app->from], app->to, &load);
	tick_later(w, app);
}

/* What a host's programs and its network stack do with what came out of the tunnel. */
void app_take(struct world *w, struct host *h, uint16_t from, const struct load *load)
{
	if (load->kind == LOAD_REQUEST)
		wg_send(w, h, from, &(struct load){.kind = LOAD_RESPONSE, .len = load->len});
	if (load->kind == LOAD_POKE && !h->drops_pokes)
		wg_send(w, h, from, &(struct load){.kind = LOAD_REFUSAL, .len = (uint16_t)(load->len + 28)});
	if (load->kind == LOAD_REFUSAL)
		daemon_echo(w, h, from);
}
