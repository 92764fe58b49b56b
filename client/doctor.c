/* wgmeet doctor: looks at this side of everything, and says what is wrong, and what to do about it. Changes nothing.
 *
 *     fork resolver and asker, look at the host, sandbox, read the device, wait for the asker, read it again, listen, look peers up,
 *     judge, print
 */
#include "doctor.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "device.h"
#include "dns.h"
#include "doctor_ask.h"
#include "doctor_look.h"
#include "doctor_tap.h"
#include "log.h"
#include "output.h"
#include "poke.h"
#include "resolve.h"
#include "sandbox.h"
#include "verbs.h"

#define REPLY_MS 6000 /* WireGuard tries a handshake anew after 5 s */
#define COUNT_MS 200  /* from a packet that comes to the device that has counted it */
#define MUTE_MS 11500 /* whoever gets data, and has none to send, says so after 10 s (KEEPALIVE_TIMEOUT) */
#define LOOK_MS 250   /* between two looks at the device meanwhile */

struct doctor {
	struct settings settings;
	struct doctor_seen seen;
	struct doctor_dns dns;
	struct resolver resolver;
	struct doctor_asker asker;
	struct device device;
	struct wg_device dev;
	struct plan_tunnel tunnel;
	struct doctor_record *records;
	int tap; /* -errno: there is none */
};

/* ---- look-ups ---- */

static void on_result(const struct lookup *question, const struct lookup_result *result, void *data)
{
	struct doctor *d = data;
	size_t i = question->number;
	struct doctor_record *r = i < d->dev.peers_len ? &d->records[i] : &d->seen.own[question->server - 1];

	r->status = result->status;
	r->endpoint = result->endpoint;
}

/* The peers at one server that serves the zone, this host at each. */
static void look_up(struct doctor *d)
{
	size_t n = d->dev.peers_len, servers = d->settings.servers.len;
	struct lookup *questions = calloc(n + servers + 1, sizeof(*questions));
	int good = doctor_good_server(&d->seen);

	d->records = calloc(n + 1, sizeof(*d->records));
	if (questions == NULL || d->records == NULL)
		die("out of memory");
	for (size_t i = 0; i < servers; i++)
		d->seen.own[i].status = DOCTOR_UNASKED;
	for (size_t i = 0; i < n; i++) {
		d->records[i].status = DOCTOR_UNASKED;
		questions[i] = (struct lookup){.kind = LOOKUP_KEY, .server = (uint32_t)good + 1};
		memcpy(questions[i].key, d->dev.peers[i].public_key, KEY_LEN);
	}
	for (size_t i = 0; d->dev.has_public_key && i < servers; i++) {
		if (!doctor_answer_is_good(&d->dns.servers[i].udp, &d->settings.zone))
			continue;
		questions[n] = (struct lookup){.kind = LOOKUP_KEY, .server = (uint32_t)i + 1};
		memcpy(questions[n++].key, d->dev.public_key, KEY_LEN);
	}
	d->seen.records = d->records;
	if (good >= 0)
		resolver_ask(&d->resolver, questions, n, on_result, NULL, d);
	free(questions);
}

/* ---- the device ---- */

static void read_device(struct doctor *d)
{
	d->seen.device_error = device_look(&d->device, &d->dev);
	if (d->seen.device_error < 0)
		wgdev_reset(&d->dev);
	device_tunnel(d->seen.device_error == 0 ? &d->device : NULL, &d->dev, &d->tunnel);
}

static bool is_silent(const struct doctor_server *s)
{
	return s->udp.status == LOOKUP_NO_ANSWER && s->tcp.status == LOOKUP_NO_ANSWER;
}

/* Of each server's peer. */
static void count_received(const struct doctor *d, uint64_t rx_bytes[SETTINGS_SERVERS])
{
	for (size_t i = 0; i < d->settings.servers.len; i++) {
		const struct wg_peer *p = wgdev_peer_of(&d->dev, &d->settings.servers.at[i]);

		rx_bytes[i] = p != NULL ? p->rx_bytes : 0;
	}
}

/* A server that does not answer: is it only that, or is nobody at the other end of the tunnel any more? A handshake that was lately
 * does not tell. */
static void listen_to_peers(struct doctor *d, int64_t asked_ms, const uint64_t rx_before[SETTINGS_SERVERS])
{
	for (;;) {
		bool mute[SETTINGS_SERVERS] = {false}, waits = false;

		memset(d->seen.mute, 0, sizeof(d->seen.mute)); /* or nobody would count as connected */
		for (size_t i = 0; i < d->settings.servers.len; i++) {
			const struct wg_peer *p = wgdev_peer_of(&d->dev, &d->settings.servers.at[i]);

			mute[i] = p != NULL && d->seen.through[i] && is_silent(&d->dns.servers[i]) && p->rx_bytes == rx_before[i];
			waits |= mute[i] && doctor_is_connected(&d->seen, p);
		}
		memcpy(d->seen.mute, mute, sizeof(mute));
		if (!waits || !d->seen.link_is_up || clock_ms(CLOCK_MONOTONIC) - asked_ms >= MUTE_MS)
			return;
		poll(NULL, 0, LOOK_MS);
		read_device(d);
	}
}

static void wait_for_packet(struct doctor *d, const struct endpoint *from)
{
	int64_t end_ms = clock_ms(CLOCK_MONOTONIC) + REPLY_MS, left_ms;

	while (d->seen.dropped == 0 && (left_ms = end_ms - clock_ms(CLOCK_MONOTONIC)) > 0) {
		struct pollfd p = {.fd = d->tap, .events = POLLIN};

		if (poll(&p, 1, (int)left_ms) < 0 && errno != EINTR)
			die("poll");
		d->seen.dropped += doctor_tap_count(d->tap, from);
	}
	if (d->seen.dropped > 0)
		poll(NULL, 0, COUNT_MS);
}

/* A registry that does not answer: is it this host that does not let its answers in? WireGuard is made to try. */
static void listen_to_registry(struct doctor *d)
{
	const struct wg_peer *p = doctor_registry(&d->seen);
	uint8_t key[KEY_LEN];
	struct endpoint from;
	uint64_t rx_bytes;
	struct poker poker;

	/* Where nothing was ever sent to it, that is what is wrong. */
	if (p == NULL || p->endpoint.family == AF_UNSPEC || p->tx_bytes == 0 || !d->seen.link_is_up || !d->dev.has_public_key ||
	    doctor_is_connected(&d->seen, p))
		return;
	memcpy(key, p->public_key, KEY_LEN);
	from = p->endpoint;
	rx_bytes = p->rx_bytes;
	poke_open(&poker, d->settings.device);
	if (poke_send(&poker, key, d->dev.allowed + p->allowed_off, p->allowed_len) == 0)
		wait_for_packet(d, &from);
	poke_close(&poker);
	read_device(d);
	p = wgdev_find_peer(&d->dev, key);
	if (p == NULL || p->rx_bytes != rx_bytes || !endpoint_equal(&p->endpoint, &from))
		d->seen.dropped = 0;
}

static void look(struct doctor *d)
{
	struct sandbox_user owner;
	bool userspace = wgdev_uapi_owner(d->settings.device, &owner.uid, &owner.gid), has_zone = d->settings.zone.len != 0;
	int64_t asked_ms = clock_ms(CLOCK_MONOTONIC);
	uint64_t rx_bytes[SETTINGS_SERVERS];

	if (has_zone) {
		resolver_start(&d->settings, &d->resolver);
		doctor_ask_start(&d->settings, d->seen.system_servers, &d->resolver, &d->asker);
	}
	doctor_look_host(&d->seen);
	d->tap = doctor_tap_open();
	sandbox_enter(SANDBOX_SETTER, userspace ? &owner : NULL, NULL);
	d->device = (struct device){.name = d->settings.device, .family = d->settings.family};
	read_device(d);
	count_received(d, rx_bytes);
	if (has_zone)
		doctor_ask_wait(&d->asker, &d->settings, &d->dns);
	d->seen.dns = has_zone ? &d->dns : NULL;
	/* Again: what was asked may have woken a tunnel. */
	read_device(d);
	doctor_look_ways(&d->seen);
	if (has_zone && d->seen.device_error == 0)
		listen_to_peers(d, asked_ms, rx_bytes);
	if (d->tap >= 0 && d->seen.device_error == 0 && doctor_tap_start(d->tap, d->dev.listen_port) == 0)
		listen_to_registry(d);
	if (has_zone) {
		look_up(d);
		resolver_stop(&d->resolver);
	}
}

/* ---- output ---- */

static json_t *finding_json(const struct doctor_finding *f)
{
	return json_pack("{s:s, s:s, s:o, s:s, s:o}", "level", doctor_level_word(f->level), "check", f->check, "about",
	    f->about[0] != '\0' ? json_string(f->about) : json_null(), "text", f->text, "remedy",
	    f->remedy[0] != '\0' ? json_string(f->remedy) : json_null());
}

static void print_finding(const struct doctor_finding *f)
{
	const char *colour = f->level == DOCTOR_OK ? output_green() : f->level == DOCTOR_WARN ? output_yellow() : output_bold();

	printf("%s%-4s%s  %s%s%s: %s.\n", colour, doctor_level_word(f->level), output_reset(), f->check, f->about[0] != '\0' ? " " : "",
	    f->about, f->text);
	if (f->remedy[0] != '\0')
		printf("      -> %s.\n", f->remedy);
}

static int print(const struct doctor *d, const struct doctor_findings *findings)
{
	size_t count[] = {[DOCTOR_OK] = 0, [DOCTOR_WARN] = 0, [DOCTOR_FAIL] = 0};
	json_t *list = json_array();

	for (size_t i = 0; i < findings->len; i++) {
		count[findings->at[i].level]++;
		if (d->settings.json)
			json_array_append_new(list, finding_json(&findings->at[i]));
		else
			print_finding(&findings->at[i]);
	}
	if (d->settings.json)
		output_json(json_pack("{s:s, s:o, s:i, s:i, s:i, s:O}", "device", d->settings.device, "zone", d->settings.zone.len != 0 ?
		        output_name(&d->settings.zone) : json_null(), "ok", (int)count[DOCTOR_OK], "warn", (int)count[DOCTOR_WARN], "fail",
		    (int)count[DOCTOR_FAIL], "findings", list));
	json_decref(list);
	output_end();
	return count[DOCTOR_FAIL] > 0 ? EXIT_WRONG : EXIT_FINE;
}

int doctor_main(int argc, char *argv[])
{
	static const struct settings_usage usage = {.text = "wgmeet doctor DEVICE [OPTION...]", .needs_device = true,
	    .may_lack_zone = true};
	static struct doctor d;
	struct doctor_findings findings = {0};
	int status;

	d.seen = (struct doctor_seen){.settings = &d.settings, .dev = &d.dev, .tunnel = &d.tunnel};
	d.seen.file_errors = settings_reread(&d.settings, argc, argv, &usage) - d.settings.argv_errors;
	if (d.settings.argv_errors > 0)
		die_usage("%u error%s, nothing done", d.settings.argv_errors, d.settings.argv_errors == 1 ? "" : "s");
	log_init("wgmeet", d.settings.verbose);
	if (d.settings.servers.len == 0) {
		dns_system_servers(&d.settings.servers);
		d.seen.system_servers = true;
	}
	look(&d);
	doctor_judge(&d.seen, &findings);
	status = print(&d, &findings);
	doctor_findings_free(&findings);
	plan_tunnel_free(&d.tunnel);
	wgdev_free(&d.dev);
	device_close(&d.device);
	if (d.tap >= 0)
		close(d.tap);
	free(d.records);
	return status;
}
