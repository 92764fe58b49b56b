/* The findings, and those about the host and its device. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_judging.h"
#include "log.h"
#include "output.h"

#define SAY_EACH 5 /* peers with the same trouble that are named; the others are counted */

#define FUTURE_S   60  /* a handshake may be so far in the future: noise */
#define STALE_S    180 /* WireGuard's REJECT_AFTER_TIME: nothing is sent with older keys */
#define MTU_MOST   1420 /* of 1500: WireGuard takes 60 octets over IPv4, 80 over IPv6 */
#define MTU_LEAST  1280 /* IPv6 takes no less (RFC 8200 section 5) */

struct doctor_finding *doctor_say(struct judging *j, enum doctor_level level, const char *check, const char *about,
    const char *fmt, ...)
{
	struct doctor_findings *out = j->out;
	struct doctor_finding *f;
	va_list args;

	if (out->len == out->cap) {
		out->cap = out->cap == 0 ? 32 : 2 * out->cap;
		out->at = reallocarray(out->at, out->cap, sizeof(*out->at));
		if (out->at == NULL)
			die("out of memory");
	}
	f = &out->at[out->len++];
	*f = (struct doctor_finding){.level = level, .check = check};
	if (about != NULL)
		snprintf(f->about, sizeof(f->about), "%s", about);
	va_start(args, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, args);
	va_end(args);
	return f;
}

void doctor_advise(struct doctor_finding *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(f->remedy, sizeof(f->remedy), fmt, args);
	va_end(args);
}

void doctor_findings_free(struct doctor_findings *findings)
{
	free(findings->at);
	*findings = (struct doctor_findings){0};
}

const char *doctor_level_word(enum doctor_level level)
{
	static const char *const words[] = {[DOCTOR_OK] = "ok", [DOCTOR_WARN] = "warn", [DOCTOR_FAIL] = "fail"};

	return words[level];
}

/* ---- what the parts share ---- */

bool doctor_is_mute(const struct doctor_seen *s, const struct wg_peer *peer)
{
	for (size_t i = 0; i < s->settings->servers.len; i++)
		if (s->mute[i] && wgdev_peer_of(s->dev, &s->settings->servers.at[i]) == peer)
			return true;
	return false;
}

bool doctor_is_connected(const struct doctor_seen *s, const struct wg_peer *peer)
{
	return peer->last_handshake_s != 0 && !doctor_is_mute(s, peer) &&
	    (peer->last_handshake_s > s->now_s || s->now_s - peer->last_handshake_s <= STALE_S);
}

bool doctor_device_works(const struct judging *j)
{
	return j->seen->device_error == 0 && j->seen->link_is_up;
}

static bool same_address(const struct endpoint *a, const struct endpoint *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static const struct wg_peer *peer_with(const struct wg_device *dev, const struct endpoint *address)
{
	for (size_t i = 0; i < dev->peers_len; i++)
		if (same_address(&dev->peers[i].endpoint, address))
			return &dev->peers[i];
	return NULL;
}

/* A resolver's way says nothing, but the zone's own name servers are mostly the registry; whoever carries a default route carries
 * those as well. */
const struct wg_peer *doctor_registry(const struct doctor_seen *s)
{
	const struct server_list *servers = &s->settings->servers;
	const struct wg_peer *p = NULL;

	for (size_t i = 0; i < servers->len && p == NULL && !s->system_servers; i++) {
		p = s->through[i] ? wgdev_peer_of(s->dev, &servers->at[i]) : NULL;
		if (p == NULL)
			p = peer_with(s->dev, &servers->at[i]);
	}
	for (size_t i = 0; s->dns != NULL && i < s->dns->nameservers_len && p == NULL; i++) {
		const struct endpoint *ns = &s->dns->nameservers[i].address;

		p = peer_with(s->dev, ns);
		if (p == NULL && plan_tunnel_has(s->tunnel, ns))
			p = wgdev_peer_of(s->dev, ns);
	}
	return p;
}

/* ---- the host ---- */

static void judge_settings(struct judging *j)
{
	const struct doctor_seen *s = j->seen;
	const char *file = s->settings->file;
	struct doctor_finding *f;
	char zone[NAME_TEXT], path[64 + IFNAMSIZ];

	snprintf(path, sizeof(path), SETTINGS_DIR "/%s.conf", j->device);
	if (file == NULL)
		file = path;
	if (s->file_errors > 0) {
		f = doctor_say(j, DOCTOR_FAIL, "settings", NULL, "%u error%s in %s", s->file_errors, s->file_errors == 1 ? "" : "s", file);
		if (!s->settings->has_file)
			doctor_advise(f, "See that this user may read it, `chmod 644 %s`: there is no secret in it", file);
		else
			doctor_advise(f, "Mend the lines that standard error names: the other verbs do nothing before that");
	}
	if (s->settings->zone.len == 0 && s->file_errors == 0) {
		f = doctor_say(j, DOCTOR_FAIL, "settings", NULL, "no zone is set: %s %s", file,
		    s->settings->has_file ? "has none" : "is not there");
		doctor_advise(f, "Write `Zone = ...` there, below [Client], with the registry's Name of its [Zone]; or give --zone");
	} else if (s->file_errors == 0) {
		doctor_say(j, DOCTOR_OK, "settings", NULL, "zone %s, %s%s", name_to_text(&s->settings->zone, zone),
		    s->settings->has_file ? "from " : "from the command line: there is no ", file);
	}
}

static void judge_clock(struct judging *j)
{
	const struct doctor_seen *s = j->seen;
	char key[KEY_BASE64 + 1];
	struct doctor_finding *f;

	if (s->now_s < DOCTOR_YEAR_S) {
		f = doctor_say(j, DOCTOR_FAIL, "clock", NULL, "this host's clock is in the past: it says the year %u",
		    (unsigned)(1970 + s->now_s / 31556952));
		doctor_advise(f, "Set it, and let it be set at each start (systemd-timesyncd, chrony): WireGuard's peers take no "
		                 "handshake that seems older than the last one");
		return;
	}
	for (size_t i = 0; i < s->dev->peers_len; i++) {
		const struct wg_peer *p = &s->dev->peers[i];

		if (p->last_handshake_s <= s->now_s + FUTURE_S)
			continue;
		f = doctor_say(j, DOCTOR_FAIL, "clock", NULL, "it was set back by %llu s: the last handshake with %s lies in the future",
		    (unsigned long long)(p->last_handshake_s - s->now_s), key_text(p->public_key, key));
		doctor_advise(f, "See which time is right. Peers take no handshake from this host that seems older than the last one: "
		                 "if the time was wrong before, they have to remove this host's key and add it again");
		return;
	}
	doctor_say(j, DOCTOR_OK, "clock", NULL, "it is later than this program was made, and no handshake lies in its future");
}

/* ---- the device ---- */

static void judge_no_device(struct judging *j)
{
	const struct doctor_seen *s = j->seen;
	struct doctor_finding *f;

	switch (-s->device_error) {
	case EPERM:
	case EACCES:
		f = doctor_say(j, DOCTOR_FAIL, "permission", NULL, "this user may not read %s: %s", j->device,
		    s->device_error == -EPERM ? "that takes root, or CAP_NET_ADMIN" : "the socket of its daemon is another user's, mostly root's");
		doctor_advise(f, "Run this as root: `sudo wgmeet doctor %s`. A service needs %s", j->device,
		    s->device_error == -EPERM ? "AmbientCapabilities=CAP_NET_ADMIN" : "the daemon's user as User=");
		return;
	case ETIMEDOUT:
	case EAGAIN:
		f = doctor_say(j, DOCTOR_FAIL, "device", NULL, "the daemon of %s does not answer", j->device);
		doctor_advise(f, "See whether it is stopped, and start it anew: `ps aux | grep -i wireguard`");
		return;
	case EOPNOTSUPP:
		break;
	case ENODEV:
	case ENOENT:
	case ECONNREFUSED:
		if (s->link_is_there)
			break;
		f = doctor_say(j, DOCTOR_FAIL, "device", NULL, "there is no network device %s in this network namespace", j->device);
		doctor_advise(f, "Bring it up: `wg-quick up %s`; `wg show interfaces` says which are there", j->device);
		return;
	default:
		f = doctor_say(j, DOCTOR_FAIL, "device", NULL, "%s cannot be read: %s", j->device, strerror(-s->device_error));
		doctor_advise(f, "See what `wg show %s` says", j->device);
		return;
	}
	f = doctor_say(j, DOCTOR_FAIL, "device", NULL, "%s is a network device, but no WireGuard device", j->device);
	doctor_advise(f, "Name one of those that `wg show interfaces` prints. One in userspace needs its daemon: see whether that runs");
}

static void judge_mtu(struct judging *j)
{
	unsigned mtu = j->seen->mtu;
	struct doctor_finding *f;

	if (mtu > MTU_MOST) {
		f = doctor_say(j, DOCTOR_WARN, "mtu", NULL, "the MTU of %s is %u: with WireGuard's 80 octets around them, packets of that "
		                                            "size do not fit through a link of 1500", j->device, mtu);
		doctor_advise(f, "Set it to %u, or to 80 less than the smallest MTU on the way: `ip link set mtu %u dev %s`, and MTU = %u "
		                 "in wg-quick's file", MTU_MOST, MTU_MOST, j->device, MTU_MOST);
	} else if (mtu != 0 && mtu < MTU_LEAST) {
		f = doctor_say(j, DOCTOR_WARN, "mtu", NULL, "the MTU of %s is %u, which is too small for IPv6", j->device, mtu);
		doctor_advise(f, "Set it to %u or more: `ip link set mtu %u dev %s`", MTU_LEAST, MTU_LEAST, j->device);
	} else if (mtu != 0) {
		doctor_say(j, DOCTOR_OK, "mtu", NULL, "%u", mtu);
	}
}

static void judge_link(struct judging *j)
{
	const struct doctor_seen *s = j->seen;
	struct doctor_finding *f;

	if (s->link_is_up) {
		doctor_say(j, DOCTOR_OK, "device", NULL, "%s is a WireGuard device, is up, and has %zu peer%s", j->device,
		    s->dev->peers_len, s->dev->peers_len == 1 ? "" : "s");
	} else {
		f = doctor_say(j, DOCTOR_FAIL, "device", NULL, "%s is down: it sends and takes nothing", j->device);
		doctor_advise(f, "Bring it up: `ip link set %s up`, or `wg-quick up %s`", j->device, j->device);
	}
	if (s->dev->peers_len == 0) {
		f = doctor_say(j, DOCTOR_FAIL, "device", NULL, "%s has no peers", j->device);
		doctor_advise(f, "Add the registry, and the peers that are to be reached, with their keys and allowed IPs: wgmeet adds none");
	}
	if (s->dev->has_public_key) {
		doctor_say(j, DOCTOR_OK, "key", NULL, "%s has a private key", j->device);
	} else {
		f = doctor_say(j, DOCTOR_FAIL, "key", NULL, "%s has no private key: no handshake is possible", j->device);
		doctor_advise(f, "Give it one: `(umask 077; wg genkey >FILE)`, `wg set %s private-key FILE`, and give its public key to the others",
		    j->device);
	}
}

/* A network is one peer's: given to another one, it is taken away from the first, and the kernel says nothing. */
static void judge_allowed(struct judging *j)
{
	const struct wg_device *dev = j->seen->dev;
	char key[KEY_BASE64 + 1];
	struct doctor_finding *f;
	size_t n = 0;

	for (size_t i = 0; i < dev->peers_len; i++) {
		if (dev->peers[i].allowed_len > 0 || n++ >= SAY_EACH)
			continue;
		f = doctor_say(j, DOCTOR_WARN, "allowed-ips", key_text(dev->peers[i].public_key, key),
		    "it has no allowed IPs: nothing is sent to it, and what it sends is dropped. Another peer that was given the same "
		    "ones has taken them away from it");
		doctor_advise(f, "Give each peer its own: `wg show %s allowed-ips` says who has which", j->device);
	}
	if (n > SAY_EACH)
		doctor_say(j, DOCTOR_WARN, "allowed-ips", NULL, "and %zu more peers have none", n - SAY_EACH);
	if (n == 0 && dev->peers_len > 0)
		doctor_say(j, DOCTOR_OK, "allowed-ips", NULL, "each peer has some");
}

/* WireGuard's packets to such an endpoint would go into the tunnel that they make. */
static void judge_loop(struct judging *j)
{
	const struct doctor_seen *s = j->seen;
	char key[KEY_BASE64 + 1], carrier[KEY_BASE64 + 1], ep[ENDPOINT_TEXT];
	struct doctor_finding *f;
	size_t n = 0;

	for (size_t i = 0; i < s->dev->peers_len; i++) {
		const struct wg_peer *p = &s->dev->peers[i], *by;

		if (p->endpoint.family == AF_UNSPEC || !plan_tunnel_has(s->tunnel, &p->endpoint) || n++ >= SAY_EACH)
			continue;
		by = wgdev_peer_of(s->dev, &p->endpoint);
		f = doctor_say(j, DOCTOR_FAIL, "loop", key_text(p->public_key, key), "its endpoint, %s, is inside the tunnel: %s%s. "
		    "WireGuard's own packets to it would go round in circles", endpoint_to_text(&p->endpoint, ep),
		    by != NULL ? "it is among the allowed IPs of " : "it is in the device's own network",
		    by == NULL ? "" : by == p ? "that peer itself" : key_text(by->public_key, carrier));
		doctor_advise(f, "Take that address out of the allowed IPs (a narrower network does it), or give the peer the endpoint that it has "
		                 "outside the tunnel");
	}
	if (n > SAY_EACH)
		doctor_say(j, DOCTOR_FAIL, "loop", NULL, "and %zu more peers have an endpoint inside the tunnel", n - SAY_EACH);
	if (n == 0 && s->dev->peers_len > 0)
		doctor_say(j, DOCTOR_OK, "loop", NULL, "no peer's endpoint is inside the tunnel");
}

static void judge_device(struct judging *j)
{
	if (j->seen->device_error != 0) {
		judge_no_device(j);
		return;
	}
	doctor_say(j, DOCTOR_OK, "permission", NULL, "%s may be read", j->device);
	judge_link(j);
	judge_mtu(j);
	judge_allowed(j);
	judge_loop(j);
}

void doctor_judge(const struct doctor_seen *seen, struct doctor_findings *out)
{
	struct judging j = {.seen = seen, .device = seen->settings->device, .registry = doctor_registry(seen), .out = out};

	judge_settings(&j);
	judge_device(&j);
	judge_clock(&j);
	doctor_judge_servers(&j);
	doctor_judge_peers(&j);
	doctor_judge_keeper(&j);
}
