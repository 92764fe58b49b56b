/* wgmeet status, where wgmeet run is there to say how things are. Nothing is looked up, and no device is read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "output.h"
#include "reported.h"
#include "sandbox.h"
#include "status.h"

#define MESSAGE_MS 5000 /* within a report: a device that hangs holds the daemon up for 2 s */

struct view {
	const struct settings *settings;
	struct report_head head;
	uint64_t now_s;
	unsigned shown; /* reports */
	bool redraws, problems;
};

static uint64_t second_of(const struct view *v, int64_t age_ms)
{
	return age_ms == REPORT_NEVER ? 0 : v->now_s - (uint64_t)age_ms / 1000;
}

/* ---- for programs ---- */

static json_t *seconds_json(int64_t ms)
{
	return ms == REPORT_NEVER ? json_null() : json_integer(ms / 1000);
}

static const char *status_word(uint32_t status)
{
	return status == REPORT_UNASKED ? "not-asked" : lookup_status_word((enum lookup_status)status);
}

static json_t *servers_json(const struct report_head *h)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < h->servers_len; i++)
		json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:o}", "server", output_endpoint(&h->servers[i].address), "status",
		    status_word(h->servers[i].status), "sees", output_endpoint(&h->servers[i].sees), "age",
		    seconds_json(h->servers[i].sees_ms)));
	return list;
}

static json_t *head_json(const struct view *v)
{
	const struct report_head *h = &v->head;

	return json_pack("{s:s, s:o, s:b, s:b, s:b, s:o, s:I, s:i, s:o, s:s, s:i, s:I}", "device", h->device, "zone", output_name(&h->zone),
	    "daemon", 1, "present", (int)h->is_there, "up", (int)h->is_up, "public_key", key_is_zero(h->key) ? json_null() : output_key(h->key), "running",
	    (json_int_t)(h->running_ms / 1000), "keepalive", (int)h->keepalive_s, "servers", servers_json(h), "mapping",
	    report_mapping_word((enum paths_mapping)h->mapping), "notify_port", (int)h->port, "latest_push",
	    (json_int_t)second_of(v, h->told_ms));
}

static json_t *dns_json(const struct report_peer *p)
{
	json_t *dns = json_pack("{s:s}", "status", status_word(p->status));

	if (p->status == LOOKUP_FOUND)
		json_object_set_new(dns, "endpoint", output_endpoint(&p->published));
	if (p->answered_ms != REPORT_NEVER)
		json_object_set_new(dns, "age", seconds_json(p->answered_ms));
	return dns;
}

static json_t *peer_json(const struct view *v, const struct report_peer *p)
{
	struct wg_peer peer = {.endpoint = p->endpoint, .last_handshake_s = p->handshake_s, .keepalive_s = (uint16_t)p->keepalive_s};
	struct plan_options options = {.now_s = v->now_s, .keepalive_s = (uint16_t)v->head.keepalive_s};
	const char *why, *action = status_action(&peer, p->status, &p->published, &options, &why);
	char sentence[REPORT_SENTENCE];

	return json_pack("{s:o, s:o, s:o, s:I, s:I, s:I, s:i, s:s, s:s, s:s, s:I, s:s, s:I, s:b, s:o, s:o}", "public_key",
	    output_key(p->key), "endpoint", output_endpoint(&p->endpoint), "dns", dns_json(p), "latest_handshake",
	    (json_int_t)p->handshake_s, "rx_bytes", (json_int_t)p->rx_bytes, "tx_bytes", (json_int_t)p->tx_bytes,
	    "persistent_keepalive", (int)p->keepalive_s, "action", action, "reason", why, "state",
	    path_state_word((enum path_state)p->state), "since", (json_int_t)second_of(v, p->state_ms), "why",
	    report_sentence(&v->head, p, sentence), "trials", (json_int_t)p->trials, "registry", (int)p->is_registry, "unanswered",
	    seconds_json(p->unanswered_ms), "next_lookup", seconds_json(p->ask_ms));
}

/* ---- for people ---- */

static const char *ago(const struct view *v, int64_t ms, char out[OUTPUT_TEXT])
{
	return output_ago(second_of(v, ms), v->now_s, out);
}

static void print_server(const struct view *v, const struct report_server *s)
{
	char ep[ENDPOINT_TEXT], when[OUTPUT_TEXT];

	printf("  %sregistry%s: %s, ", output_bold(), output_reset(),
	    s->address.family != AF_UNSPEC ? endpoint_to_text(&s->address, ep) : "no name server");
	if (s->status == REPORT_UNASKED)
		printf("has not answered yet");
	else if (s->status == LOOKUP_NOT_IN_ZONE)
		printf("does not see us: we are not in the zone");
	else if (s->status != LOOKUP_FOUND)
		printf("%s", lookup_status_text((enum lookup_status)s->status));
	if (s->sees.family != AF_UNSPEC)
		printf("%s us at %s (%s)", s->status == LOOKUP_FOUND ? "sees" : "; saw", endpoint_to_text(&s->sees, ep),
		    ago(v, s->sees_ms, when));
	putchar('\n');
}

static void print_head(const struct view *v)
{
	static const char *const nats[] = {[PATHS_MAPPING_UNKNOWN] = "unknown: it takes what two registries see to tell",
	    [PATHS_MAPPING_SAME] = "one port for all destinations, or none", [PATHS_MAPPING_EACH] = "another port for each destination"};
	const struct report_head *h = &v->head;
	char key[KEY_BASE64 + 1], zone[NAME_TEXT], span[REPORT_SPAN], when[OUTPUT_TEXT];

	printf("%sinterface%s: %s%s%s", output_green(), output_reset(), output_green(), h->device, output_reset());
	if (!h->is_there)
		printf(" (it is not there: waiting for it)");
	else if (!h->is_up)
		printf(" (it is down: `ip link set %s up` brings it up)", h->device);
	putchar('\n');
	if (!key_is_zero(h->key))
		printf("  %spublic key%s: %s\n", output_bold(), output_reset(), key_text(h->key, key));
	printf("  %swgmeet run%s: for %s\n", output_bold(), output_reset(), report_span(h->running_ms, span));
	printf("  %szone%s: %s\n", output_bold(), output_reset(), name_to_text(&h->zone, zone));
	for (uint32_t i = 0; i < h->servers_len; i++)
		print_server(v, &h->servers[i]);
	if (h->servers_len > 1)
		printf("  %sNAT%s: %s\n", output_bold(), output_reset(), nats[h->mapping]);
	if (h->port == 0)
		printf("  %snews%s: not heard, the registry is asked at intervals\n", output_bold(), output_reset());
	else
		printf("  %snews%s: on port %u, latest: %s\n", output_bold(), output_reset(), h->port, ago(v, h->told_ms, when));
}

static void print_allowed(const struct report_peer *p)
{
	char text[ALLOWEDIP_TEXT];
	uint32_t i = 0;

	printf("  %sallowed ips%s: ", output_bold(), output_reset());
	for (; i < p->allowed_len && i < PATHS_ALLOWED; i++)
		printf("%s%s", i > 0 ? ", " : "", allowedip_to_text(&p->allowed[i], text));
	if (p->allowed_len > PATHS_ALLOWED)
		printf(" and %u more", p->allowed_len - PATHS_ALLOWED);
	puts(i > 0 ? "" : "(none)");
}

static void print_peer(const struct view *v, const struct report_peer *p)
{
	bool good = v->head.is_up && (p->state == PATH_DIRECT || p->state == PATH_IDLE);
	char key[KEY_BASE64 + 1], ep[ENDPOINT_TEXT], rx[OUTPUT_TEXT], tx[OUTPUT_TEXT], when[OUTPUT_TEXT], why[REPORT_SENTENCE];

	printf("\n%speer%s: %s%s%s%s\n", output_yellow(), output_reset(), output_yellow(), key_text(p->key, key), output_reset(),
	    p->is_registry ? " (the registry)" : "");
	printf("  %sendpoint%s: %s\n", output_bold(), output_reset(), endpoint_to_text(&p->endpoint, ep));
	print_allowed(p);
	printf("  %sin DNS%s: ", output_bold(), output_reset());
	if (p->status == REPORT_UNASKED)
		printf("not looked up\n");
	else if (p->is_registry && p->status == LOOKUP_NOT_IN_ZONE)
		printf("not in the zone, where it need not be\n");
	else
		printf("%s (%s)\n", p->status == LOOKUP_FOUND ? endpoint_to_text(&p->published, ep) :
		    lookup_status_text((enum lookup_status)p->status), ago(v, p->answered_ms, when));
	printf("  %slatest handshake%s: %s\n", output_bold(), output_reset(), output_ago(p->handshake_s, v->now_s, when));
	printf("  %stransfer%s: %s received, %s sent\n", output_bold(), output_reset(), output_bytes(p->rx_bytes, rx),
	    output_bytes(p->tx_bytes, tx));
	printf("  %spath%s: %s%s%s\n", output_bold(), output_reset(), good ? output_green() : output_yellow(),
	    report_sentence(&v->head, p, why), output_reset());
}

/* ---- reports ---- */

static void begin(struct view *v)
{
	v->now_s = (uint64_t)time(NULL);
	v->problems = !v->head.is_there || !v->head.is_up;
	if (v->settings->json) {
		output_array_begin(head_json(v), "peers");
		return;
	}
	if (v->redraws)
		printf("\033[H\033[J");
	else if (v->shown > 0)
		putchar('\n');
	print_head(v);
}

static void show(struct view *v, const struct report_peer *p)
{
	v->problems |= report_is_problem(p);
	if (v->settings->json)
		output_array_add(peer_json(v, p));
	else
		print_peer(v, p);
}

static void end(struct view *v)
{
	v->shown++;
	if (v->settings->json)
		output_array_end();
	output_end();
}

_Noreturn static void give_up(const struct view *v, int err)
{
	if (err == -EPIPE) { /* what is still to be written tells whether that matters */
		output_end();
		exit(EXIT_FINE);
	}
	if (err == 0)
		diex("%s: wgmeet run has ended", v->settings->device);
	diex("%s: wgmeet run: %s", v->settings->device, reported_error(err));
}

/* The peers of one report, to its end. */
static void read_report(struct view *v, int fd)
{
	union report_message m;
	uint32_t peers = 0;
	int r;

	begin(v);
	while ((r = reported_next(fd, MESSAGE_MS, &m)) == 1 && m.magic == REPORT_PEER && peers++ < REPORT_PEERS_MAX)
		show(v, &m.peer);
	if (r != 1)
		give_up(v, r);
	if (m.magic != REPORT_END || m.end.peers != peers)
		give_up(v, -EPROTO);
	end(v);
}

int status_reported(const struct settings *settings, int fd, const struct report_head *head)
{
	struct view v = {.settings = settings, .head = *head, .redraws = settings->watch && isatty(STDOUT_FILENO)};
	union report_message m;
	int r;

	sandbox_enter(SANDBOX_READER, NULL, NULL);
	if (settings->watch)
		output_watch();
	read_report(&v, fd);
	while (settings->watch) {
		r = reported_next(fd, -1, &m);
		if (r != 1 || m.magic != REPORT_HEAD || strcmp(m.head.device, settings->device) != 0)
			give_up(&v, r != 1 ? r : -EPROTO);
		v.head = m.head;
		read_report(&v, fd);
	}
	close(fd);
	return v.problems ? EXIT_WRONG : EXIT_FINE;
}
