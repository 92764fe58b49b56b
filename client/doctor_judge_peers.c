/* The findings about this host as others see it, about its peers, and about what keeps the paths. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "doctor_judging.h"
#include "output.h"
#include "reported.h"

#define SAY_EACH    5   /* peers with the same trouble that are named; the others are counted */
#define KEEPALIVE_S 25
#define SELDOM_S    60  /* NATs forget a mapping that is not used: many after a minute, some after half a one */

/* ---- the registry's peer ---- */

static void advise_handshake(struct judging *j, struct doctor_finding *f, const struct wg_peer *p)
{
	doctor_advise(f, "See that this is the registry's key and endpoint (`wg show DEVICE` there), that it has this host's public key "
	                 "(`wg show %s public-key`) and the same preshared key, if any, and that no firewall drops UDP port %u on the way",
	    j->device, p->endpoint.port);
}

/* True: packets go there and back. */
static bool judge_registry(struct judging *j)
{
	const struct wg_peer *p = j->registry;
	char key[KEY_BASE64 + 1], ep[ENDPOINT_TEXT], ago[OUTPUT_TEXT], octets[OUTPUT_TEXT];
	struct doctor_finding *f;

	key_text(p->public_key, key);
	output_ago(p->last_handshake_s, j->seen->now_s, ago);
	endpoint_to_text(&p->endpoint, ep);
	if (p->endpoint.family == AF_UNSPEC) {
		f = doctor_say(j, DOCTOR_FAIL, "registry", key, "the registry's peer has no endpoint: nothing can be sent to it");
		doctor_advise(f, "Give it the address and port where the registry's device listens: `wg set %s peer %s endpoint ADDRESS:PORT`, and "
		                 "Endpoint = in wg-quick's file", j->device, key);
	} else if (p->last_handshake_s == 0 && p->tx_bytes == 0) {
		f = doctor_say(j, DOCTOR_FAIL, "registry", key, "nothing was ever sent to the registry's peer, at %s: it has not seen this host", ep);
		doctor_advise(f, "Give it a keepalive: `wg set %s peer %s persistent-keepalive %d`, and PersistentKeepalive = %d in wg-quick's file",
		    j->device, key, KEEPALIVE_S, KEEPALIVE_S);
	} else if (!doctor_is_connected(j->seen, p) && j->seen->dropped > 0) {
		f = doctor_say(j, DOCTOR_FAIL, "firewall", key, "the registry's peer answers: packets from %s come to this host, but %s does not get "
		                                                "them, or cannot read them", ep, j->device);
		doctor_advise(f, "Let UDP port %u in, in this host's firewall, at least what belongs to a flow that began here: `nft list ruleset`, "
		                 "`iptables -nvL INPUT`. If it is, the two have different preshared keys", j->seen->dev->listen_port);
	} else if (p->last_handshake_s == 0) {
		f = doctor_say(j, DOCTOR_FAIL, "registry", key, "the registry's peer never answered: %s were sent to %s",
		    output_bytes(p->tx_bytes, octets), ep);
		advise_handshake(j, f, p);
	} else if (!doctor_is_connected(j->seen, p) && (p->keepalive_s != 0 || doctor_is_mute(j->seen, p))) {
		f = doctor_say(j, DOCTOR_FAIL, "registry", key, "the registry's peer, at %s, answers no more: the last handshake was %s", ep, ago);
		advise_handshake(j, f, p);
	} else {
		doctor_say(j, DOCTOR_OK, "registry", key, "the last handshake with it, at %s, was: %s", ep, ago);
		return doctor_is_connected(j->seen, p);
	}
	return false;
}

/* ---- this host, as others see it ---- */

static void judge_unseen(struct judging *j, bool connected)
{
	const struct wg_peer *p = j->registry;
	char key[KEY_BASE64 + 1];
	struct doctor_finding *f;

	f = doctor_say(j, DOCTOR_FAIL, "self", NULL, "this host is not in the zone: the registry has not seen it, or does not publish it");
	if (p == NULL)
		doctor_advise(f, "Make the registry a peer of %s, with its endpoint, its tunnel address as allowed IPs and "
		                 "PersistentKeepalive = %d, and this host one of its peers", j->device, KEEPALIVE_S);
	else if (!connected && p->keepalive_s == 0)
		doctor_advise(f, "It sees whoever sends to it: `wg set %s peer %s persistent-keepalive %d`, and PersistentKeepalive = %d in wg-quick's "
		                 "file", j->device, key_text(p->public_key, key), KEEPALIVE_S, KEEPALIVE_S);
	else if (!connected)
		doctor_advise(f, "Mend first what is said above about the registry's peer");
	else
		doctor_advise(f, "The tunnel to it works. On the registry, see whether it has this host at a private address (`wg show`), which it "
		                 "publishes only with PrivateEndpoints = yes; whether Publish = no keeps this key out; and whether it serves that device");
}

static bool is_own_address(const struct doctor_seen *s, const struct endpoint *ep)
{
	for (size_t i = 0; i < s->addresses_len; i++)
		if (s->addresses[i].family == ep->family && memcmp(s->addresses[i].addr, ep->addr, sizeof(ep->addr)) == 0)
			return true;
	return false;
}

static void judge_front(struct judging *j, const struct endpoint *ep, const char *text)
{
	const struct doctor_seen *s = j->seen;
	struct doctor_finding *f;

	if (ep->port != s->dev->listen_port) {
		f = doctor_say(j, DOCTOR_WARN, "nat", NULL, "others see this host at %s, an address of its own, but at another port than %u, where %s "
		                                            "listens", text, s->dev->listen_port, j->device);
		doctor_advise(f, "It may have changed a moment ago: look again. Else see which rule of this host's firewall rewrites ports");
	} else {
		doctor_say(j, DOCTOR_OK, "nat", NULL, "there is none: others see this host at %s, its own address and port", text);
	}
	if (s->port == DOCTOR_PORT_ANY) {
		f = doctor_say(j, DOCTOR_WARN, "port", NULL, "%s has another port at each start: ListenPort is not set in " DOCTOR_WG_QUICK, j->device,
		    j->device);
		doctor_advise(f, "Write `ListenPort = %u` there, below [Interface], and let that UDP port through this host's firewall: then "
		                 "others reach it at once", s->dev->listen_port);
	} else {
		doctor_say(j, DOCTOR_OK, "port", NULL, "%u%s", s->dev->listen_port, s->port == DOCTOR_PORT_FIXED ? ", which is set" : "");
	}
}

static void judge_keepalive(struct judging *j)
{
	const struct wg_peer *p = j->registry;
	char key[KEY_BASE64 + 1];
	struct doctor_finding *f;

	if (p == NULL)
		return;
	key_text(p->public_key, key);
	if (p->keepalive_s != 0 && p->keepalive_s <= SELDOM_S) {
		doctor_say(j, DOCTOR_OK, "keepalive", key, "%u s, to the registry", p->keepalive_s);
		return;
	}
	if (p->keepalive_s == 0)
		f = doctor_say(j, DOCTOR_FAIL, "keepalive", key, "this host is behind a NAT, and has no keepalive to the registry: the NAT "
		                                                 "forgets it, and what DNS says of this host leads nowhere then");
	else
		f = doctor_say(j, DOCTOR_WARN, "keepalive", key, "to the registry it is %u s: many NATs have forgotten this host by then",
		    p->keepalive_s);
	doctor_advise(f, "Set it: `wg set %s peer %s persistent-keepalive %d`, and PersistentKeepalive = %d in wg-quick's file", j->device, key,
	    KEEPALIVE_S, KEEPALIVE_S);
}

/* Two registries that see two ports; or what wgmeet run has found out. */
static bool is_symmetric(const struct doctor_seen *s, const struct endpoint *ep)
{
	for (size_t i = 0; i < s->settings->servers.len; i++) {
		const struct doctor_record *r = &s->own[i];

		/* Within this host's own network no NAT is passed. */
		if (r->status == LOOKUP_FOUND && r->endpoint.family == ep->family && r->endpoint.port != ep->port &&
		    endpoint_is_private(&r->endpoint) == endpoint_is_private(ep))
			return true;
	}
	return s->run_error == 0 && s->run.mapping == PATHS_MAPPING_EACH;
}

static void judge_seen(struct judging *j, const struct endpoint *ep)
{
	const struct doctor_seen *s = j->seen;
	char text[ENDPOINT_TEXT];
	struct doctor_finding *f;

	endpoint_to_text(ep, text);
	doctor_say(j, DOCTOR_OK, "self", NULL, "the registry has this host at %s", text);
	if (endpoint_is_private(ep)) {
		f = doctor_say(j, DOCTOR_WARN, "self", NULL, "%s is a private address: only peers in the same network reach this host there", text);
		doctor_advise(f, "If others are elsewhere, let this host reach the registry at its public address (Endpoint =), or have "
		                 "PrivateEndpoints = no on the registry");
	}
	if (is_own_address(s, ep)) {
		judge_front(j, ep, text);
		return;
	}
	if (is_symmetric(s, ep)) {
		f = doctor_say(j, DOCTOR_WARN, "nat", NULL, "this host is behind a NAT that gives each destination another port (symmetric)");
		doctor_advise(f, "Only peers that are open to everybody are reached from here: forward UDP port %u to this host in the NAT, or choose "
		                 "a kind of NAT there that keeps ports (endpoint-independent, full cone)", s->dev->listen_port);
	} else {
		doctor_say(j, DOCTOR_OK, "nat", NULL, "this host is behind one, and the registry sees it at %s; its own port is %u", text, s->dev->listen_port);
	}
	judge_keepalive(j);
}

static void judge_self(struct judging *j, bool connected)
{
	const struct doctor_seen *s = j->seen;
	int good = doctor_good_server(s);
	const struct doctor_record *own = good >= 0 ? &s->own[good] : NULL;
	struct doctor_finding *f;

	if (own == NULL || own->status == DOCTOR_UNASKED)
		return;
	for (size_t i = 0; i < s->settings->servers.len; i++) /* one that sees this host is enough */
		if (own->status != LOOKUP_FOUND && s->own[i].status == LOOKUP_FOUND)
			own = &s->own[i];
	if (own->status == LOOKUP_FOUND) {
		judge_seen(j, &own->endpoint);
	} else if (own->status == LOOKUP_NOT_IN_ZONE) {
		judge_unseen(j, connected);
	} else {
		f = doctor_say(j, DOCTOR_FAIL, "self", NULL, "this host's own record: %s", lookup_status_text((enum lookup_status)own->status));
		doctor_advise(f, "See what is published: `wgmeet lookup \"$(wg show %s public-key)\" %s`", j->device, j->device);
	}
}

/* ---- its peers ---- */

static void judge_absent(struct judging *j, size_t n, const char *key)
{
	struct doctor_finding *f;

	if (n > SAY_EACH)
		return;
	f = doctor_say(j, DOCTOR_WARN, "peer", key, "it is not in the zone: the registry has not seen it, or does not publish it");
	doctor_advise(f, "See whether it is on, and run this there: it has to have the registry as a peer, with PersistentKeepalive = %d",
	    KEEPALIVE_S);
}

static void judge_bad(struct judging *j, size_t n, const char *key, const struct doctor_record *r)
{
	char ep[ENDPOINT_TEXT];
	struct doctor_finding *f;

	if (n > SAY_EACH)
		return;
	if (r->status == LOOKUP_FOUND) {
		f = doctor_say(j, DOCTOR_FAIL, "peer", key, "the registry has it at %s, which is inside the tunnel: wgmeet does not set that",
		    endpoint_to_text(&r->endpoint, ep));
		doctor_advise(f, "See through which way it reaches the registry: its Endpoint = must be outside of any tunnel. Or the "
		                 "allowed IPs here are wider than they should be");
	} else {
		f = doctor_say(j, DOCTOR_FAIL, "peer", key, "%s", lookup_status_text((enum lookup_status)r->status));
		doctor_advise(f, "See what is published: `wgmeet lookup %s %s`", key, j->device);
	}
}

static void judge_each_peer(struct judging *j)
{
	const struct doctor_seen *s = j->seen;
	size_t found = 0, absent = 0, bad = 0, asked = 0;
	char key[KEY_BASE64 + 1];

	for (size_t i = 0; i < s->dev->peers_len; i++) {
		const struct wg_peer *p = &s->dev->peers[i];
		const struct doctor_record *r = &s->records[i];

		if (r->status == DOCTOR_UNASKED)
			continue;
		/* It need not be in the zone: its endpoint was set by hand. */
		if (p == j->registry && r->status == LOOKUP_NOT_IN_ZONE)
			continue;
		asked++;
		key_text(p->public_key, key);
		if (r->status == LOOKUP_NOT_IN_ZONE)
			judge_absent(j, ++absent, key);
		else if (r->status != LOOKUP_FOUND || plan_tunnel_has(s->tunnel, &r->endpoint))
			judge_bad(j, ++bad, key, r);
		else
			found++;
	}
	if (absent > SAY_EACH)
		doctor_say(j, DOCTOR_WARN, "peer", NULL, "and %zu more peers are not in the zone", absent - SAY_EACH);
	if (bad > SAY_EACH)
		doctor_say(j, DOCTOR_FAIL, "peer", NULL, "and %zu more peers cannot be looked up", bad - SAY_EACH);
	if (asked > 0 && found > 0)
		doctor_say(j, DOCTOR_OK, "peer", NULL, "%zu of %zu are in the zone", found, asked);
}

void doctor_judge_peers(struct judging *j)
{
	bool connected = false;

	if (!doctor_device_works(j))
		return;
	if (j->registry != NULL)
		connected = judge_registry(j);
	judge_self(j, connected);
	if (j->seen->records != NULL)
		judge_each_peer(j);
}

/* ---- what keeps the paths ---- */

/* To whom it has no path, and why, as wgmeet status has it. */
static void judge_lost(struct judging *j)
{
	const struct doctor_seen *s = j->seen;
	char key[KEY_BASE64 + 1], why[REPORT_SENTENCE];
	struct doctor_finding *f;

	for (size_t i = 0; i < s->lost_len && i < DOCTOR_LOST; i++) {
		const struct report_peer *p = &s->lost[i];

		f = doctor_say(j, DOCTOR_WARN, "path", key_text(p->key, key), "%s", report_sentence(&s->run, p, why));
		if (p->status != LOOKUP_FOUND || p->is_registry)
			doctor_advise(f, "See what is said above about the registry; and what it has of this peer: `wgmeet lookup %s %s`", key, j->device);
		else if (report_is_behind_our_nat(&s->run, p))
			doctor_advise(f, "Set the address that it has in your network, here and in the same way there: `wg set %s peer %s endpoint "
			                 "ADDRESS:PORT`; or let the NAT send back what comes from within (hairpin, NAT loopback)", j->device, key);
		else
			doctor_advise(f, "See that it is on, its device up, and wgmeet run there: `wgmeet doctor` there says more. Each has the other's "
			                 "public key, and both the same preshared key or none? Then one of the NATs gives each destination another port, "
			                 "as a Linux router may that does not drop what comes unasked: drop that there, or forward the WireGuard port "
			                 "to its host");
	}
	if (s->lost_len > DOCTOR_LOST)
		doctor_say(j, DOCTOR_WARN, "path", NULL, "and there is no path to %zu more peers: `wgmeet status %s`", s->lost_len - DOCTOR_LOST,
		    j->device);
}

static void judge_run(struct judging *j)
{
	const struct doctor_seen *s = j->seen;
	char zone[NAME_TEXT], span[REPORT_SPAN];
	struct doctor_finding *f;

	if (s->settings->zone.len != 0 && !name_equal(&s->settings->zone, &s->run.zone)) {
		f = doctor_say(j, DOCTOR_WARN, "run", NULL, "wgmeet run looks after another zone, %s", name_to_text(&s->run.zone, zone));
		doctor_advise(f, "If that has changed in its file, let it read it again: `systemctl reload wgmeet@%s`", j->device);
	} else {
		doctor_say(j, DOCTOR_OK, "run", NULL, "wgmeet run looks after the paths, for %s now", report_span(s->run.running_ms, span));
	}
	judge_lost(j);
	if (s->settings->notify_port != 0 && s->run.is_there && s->run.port == 0) {
		f = doctor_say(j, DOCTOR_WARN, "notify", NULL, "wgmeet run does not hear of changes: it could not listen at UDP port %u, or was "
		                                              "told not to",
		    s->settings->notify_port);
		doctor_advise(f, "See who has it: `ss -lunp sport = :%u`; or choose another one with NotifyPort =, here and on the registry",
		    s->settings->notify_port);
	} else if (s->run.port != 0) {
		doctor_say(j, DOCTOR_OK, "notify", NULL, "wgmeet run listens for changes at UDP port %u, where a firewall here must let them in from "
		                                        "the registry; the last one came: %s%s", s->run.port, s->run.told_ms == REPORT_NEVER ?
		        "never so far" : report_span(s->run.told_ms, span), s->run.told_ms == REPORT_NEVER ? "" : " ago");
	}
}

void doctor_judge_keeper(struct judging *j)
{
	const struct doctor_seen *s = j->seen;
	struct doctor_finding *f;

	if (s->device_error != 0 && s->device_error != -EPERM && s->device_error != -EACCES)
		return; /* first the device */
	if (s->run_error == 0) {
		judge_run(j);
	} else if (s->keeper != DOCTOR_NO_KEEPER) {
		doctor_say(j, DOCTOR_OK, "run", NULL, "wgmeet sync is run again and again, by %s", s->keeper == DOCTOR_TIMER ? "a timer" : "cron");
	} else if (s->run_error == -ENOENT) {
		f = doctor_say(j, DOCTOR_WARN, "run", NULL, "nothing keeps the paths: neither wgmeet run is there, nor a timer or a line of a crontab for wgmeet sync");
		if (!s->has_systemd)
			doctor_advise(f, "Start it, as root, where it is started again: `wgmeet run %s`", j->device);
		else if (s->drop_in != NULL)
			doctor_advise(f, "Start it, as root, whose the device's socket is: `install -D -m 644 -t /etc/systemd/system/wgmeet@.service.d "
			                 "%s && systemctl daemon-reload && systemctl enable --now wgmeet@%s`", s->drop_in, j->device);
		else
			doctor_advise(f, "Start it: `systemctl enable --now wgmeet@%s`", j->device);
	} else {
		f = doctor_say(j, DOCTOR_WARN, "run", NULL, "it cannot be told how wgmeet run is: %s", reported_error(s->run_error));
		if (s->run_error == -EPERM)
			doctor_advise(f, "See that nobody but root may write to " REPORT_DIR ", `chmod 755 " REPORT_DIR "`, and whose " REPORT_DIR "/%s is",
			    j->device);
		else if (s->run_error == -EACCES)
			doctor_advise(f, "Run this as root");
		else
			doctor_advise(f, "See what it says: `journalctl -u wgmeet@%s`, `wgmeet status %s`", j->device, j->device);
	}
}
