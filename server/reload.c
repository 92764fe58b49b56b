#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "observed.h"

static void add_zone(struct observer *o, struct observed *z, const struct zone_conf *conf)
{
	memset(z, 0, sizeof(*z));
	z->in_use = true;
	z->conf = conf;
	name_to_text(&conf->name, z->text);
	source_init(&z->source, conf);
	z->snapshot = z->previous = -1;
	z->sent = calloc(o->workers_len, sizeof(*z->sent));
	if (z->sent == NULL)
		die("out of memory");
	publish_load_serial(o, z);
	publish_not_ready(o, z);
}

static void remove_zone(struct observer *o, struct observed *z)
{
	info("zone %s: left the configuration", z->text);
	publish_nothing(o, z);
	source_end(&z->source);
	wgdev_free(&z->dev);
	wgdev_free(&z->last);
	zone_free(&z->zone);
	z->in_use = false; /* z->sent stays until every worker has heard */
}

static const struct zone_conf *find_conf(const struct config *config, const struct name *name)
{
	for (size_t i = 0; i < config->zones_len; i++)
		if (name_equal(&config->zones[i].name, name))
			return &config->zones[i];
	return NULL;
}

static struct observed *find_zone(struct observer *o, const struct name *name)
{
	for (size_t i = 0; i < CONFIG_ZONES; i++)
		if (o->zones[i].in_use && name_equal(&o->zones[i].conf->name, name))
			return &o->zones[i];
	return NULL;
}

/* New rules hold from now on, whether or not the source can be read: they are applied to what was read last. What came from
 * another source is served until the new one has had its chance. */
static void change_zone(struct observer *o, struct observed *z, const struct zone_conf *conf)
{
	bool other_source = strcmp(conf->device, z->conf->device) != 0 || strcmp(conf->dump_file, z->conf->dump_file) != 0 ||
	    strcmp(conf->family, z->conf->family) != 0;

	z->conf = z->source.conf = conf;
	if (other_source) {
		source_end(&z->source);
		source_init(&z->source, conf);
		z->pending = false;
		z->foreign = true;
	} else if (z->published && z->have_last && observed_build(&z->zone, conf, &z->last) == 0) {
		publish_zone(o, z); /* where memory is short the next read tries again, and the zone stays until then */
	}
	observed_forget(z);
	z->due_ms = 0;
}

/* A place that no worker remembers another zone for. */
static struct observed *free_place(struct observer *o)
{
	for (size_t i = 0; i < CONFIG_ZONES; i++) {
		struct observed *z = &o->zones[i];
		bool heard = !z->in_use;

		for (size_t j = 0; heard && z->sent != NULL && j < o->workers_len; j++)
			heard = z->sent[j] == z->generation;
		if (heard) {
			free(z->sent);
			return z;
		}
	}
	return NULL;
}

void reload_take_zones(struct observer *o, const struct config *new)
{
	for (size_t i = 0; i < CONFIG_ZONES; i++)
		if (o->zones[i].in_use && find_conf(new, &o->zones[i].conf->name) == NULL)
			remove_zone(o, &o->zones[i]);
	publish_flush(o); /* a place is free when no worker remembers who had it */
	for (size_t i = 0; i < CONFIG_ZONES; i++)
		if (o->zones[i].sent != NULL && !o->zones[i].in_use)
			publish_let_go(&o->zones[i]);
	for (size_t i = 0; i < new->zones_len; i++) {
		struct observed *z = find_zone(o, &new->zones[i].name);

		if (z != NULL) {
			change_zone(o, z, &new->zones[i]);
			continue;
		}
		z = free_place(o);
		if (z == NULL)
			diex("zone %zu of the configuration has no place: this is a bug", i);
		add_zone(o, z, &new->zones[i]);
	}
}

static bool same_listen(const struct listen_list *a, const struct listen_list *b)
{
	bool same = a->len == b->len;

	for (size_t i = 0; same && i < a->len; i++)
		same = endpoint_equal(&a->at[i].at, &b->at[i].at) && strcmp(a->at[i].device, b->at[i].device) == 0;
	return same;
}

/* What was bound, forked and dropped at the start cannot change. */
static void warn_of_fixed(const struct server_conf *a, const struct server_conf *b)
{
	const struct {
		const char *key;
		bool same;
	} fixed[] = {
	    {"Listen", same_listen(&a->listen, &b->listen)}, {"User", strcmp(a->user, b->user) == 0},
	    {"ObserverUser", strcmp(a->observer_user, b->observer_user) == 0}, {"Workers", a->workers == b->workers},
	    {"StateDirectory", strcmp(a->state_directory, b->state_directory) == 0},
	    {"MetricsSocket", strcmp(a->metrics_socket, b->metrics_socket) == 0},
	};
	char keys[96] = ""; /* room for all */

	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		if (!fixed[i].same)
			snprintf(keys + strlen(keys), sizeof(keys) - strlen(keys), "%s%s", *keys != '\0' ? ", " : "", fixed[i].key);
	if (*keys != '\0')
		warnx("%s in the configuration changed: that needs a restart, and stays as it was", keys);
}

void reload_configuration(struct observer *o, int argc, char *argv[])
{
	struct config *new = calloc(1, sizeof(*new));
	unsigned errors = new == NULL ? 1 : config_read(new, &o->config->server.listen, argc, argv);

	metrics_server_reloaded(errors == 0);
	if (errors > 0) {
		warnx("%u error%s: the configuration stays as it was", errors, errors == 1 ? "" : "s");
		if (new != NULL)
			config_free(new);
		free(new);
		return;
	}
	warn_of_fixed(&o->config->server, &new->server);
	o->config->server.verbose = new->server.verbose;
	log_init("wgmeetd", new->server.verbose);
	o->config->server.rate_limit = new->server.rate_limit;
	o->config->server.slip = new->server.slip;
	o->config->server.notify_port = new->server.notify_port;
	publish_limits(o, false);
	new->server = o->config->server;
	reload_take_zones(o, new);
	config_free(o->config);
	*o->config = *new; /* the zones' configuration stands in it: */
	for (size_t i = 0; i < new->zones_len; i++) {
		struct observed *z = find_zone(o, &new->zones[i].name);

		z->conf = z->source.conf = z->zone.conf = &o->config->zones[i];
	}
	free(new);
	info("the configuration was read again: %zu zone%s", o->config->zones_len, o->config->zones_len == 1 ? "" : "s");
}
