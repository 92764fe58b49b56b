/* What is wrong with a host, and what to do about it. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "init.h"

#define CLOCK_SET_S 1735689600 /* 2025: no clock that was ever set is behind that */

/* ---- lines ---- */

void init_say(struct init_report *r, enum init_level level, const char *subject, const char *fmt, ...)
{
	static const char *const words[] = {[INIT_OK] = "ok", [INIT_WARN] = "warn", [INIT_FAIL] = "fail"};
	va_list ap;

	r->warnings += level == INIT_WARN;
	r->failures += level == INIT_FAIL;
	fprintf(r->out, "%-5s %-9s ", words[level], subject);
	va_start(ap, fmt);
	vfprintf(r->out, fmt, ap);
	va_end(ap);
	fputc('\n', r->out);
}

void init_todo(struct init_report *r, const char *fmt, ...)
{
	va_list ap;

	fprintf(r->out, "%15s -> ", "");
	va_start(ap, fmt);
	vfprintf(r->out, fmt, ap);
	va_end(ap);
	fputc('\n', r->out);
}

/* ---- the device ---- */

void init_judge_devices(const struct init_host *host, struct init_report *r)
{
	if (!host->has_admin) {
		init_say(r, INIT_FAIL, "rights", "root, but without CAP_NET_ADMIN: this cannot read a WireGuard device");
		init_todo(r, "a container gets it with --cap-add=NET_ADMIN");
	}
	if (host->devices_len > 0 || !host->has_admin)
		return;
	if (host->kernel_error == -ENOENT) {
		init_say(r, INIT_FAIL, "device", "there is no WireGuard device here, and this kernel has no WireGuard");
		init_todo(r, "`modprobe wireguard`, or install wireguard-go; then make the device, `wg-quick up wg0`, and run this again");
	} else {
		init_say(r, INIT_FAIL, "device", "there is no WireGuard device here%s%s", host->kernel_error != 0 ? ": " : "",
		    host->kernel_error != 0 ? strerror(-host->kernel_error) : "");
		init_todo(r, "make it, `wg-quick up wg0`, see wg-quick(8), and run this again");
	}
}

static void judge_port(const struct init_device *d, struct init_report *r)
{
	const char *name = d->dev.name;
	unsigned port = d->dev.listen_port;

	if (port == 0) {
		init_say(r, INIT_FAIL, "port", "%s listens on no port", name);
		init_todo(r, "`wg set %s listen-port 51820`, and ListenPort = 51820 in /etc/wireguard/%s.conf", name, name);
	} else if (d->port == INIT_PORT_RANDOM) {
		init_say(r, INIT_FAIL, "port", "the port %u of %s was chosen at random: /etc/wireguard/%s.conf has no ListenPort, and after "
		         "the next start the peers would not find it", port, name, name);
		init_todo(r, "write ListenPort = %u into its [Interface]", port);
	} else if (d->port == INIT_PORT_UNKNOWN && port != 51820) {
		init_say(r, INIT_WARN, "port", "cannot tell whether %s has the port %u after its next start, too", name, port);
		init_todo(r, "see that what makes the device sets it: ListenPort = %u for wg-quick and networkd", port);
	} else {
		init_say(r, INIT_OK, "port", "%s listens on %u", name, port);
	}
}

/* The observer stays root then; started as the service it is not. */
static void judge_socket(const struct init_host *host, const struct init_plan *plan, struct init_report *r)
{
	if (!plan->device->root_socket)
		return;
	if (!init_lacks_drop_in(host, plan)) {
		init_say(r, INIT_OK, "device", "its socket is root's, so the observer stays root, with CAP_NET_ADMIN as its only capability");
		return;
	}
	init_say(r, INIT_WARN, "device", "its socket is root's, which the service is not: without the drop-in " INIT_DROP_IN
	         " it cannot read the device, and answers with SERVFAIL");
	if (host->drop_in != NULL)
		init_todo(r, "`install -D -m 644 -t " INIT_DROP_IN_DIR " %s`, and `systemctl daemon-reload`", host->drop_in);
	else
		init_todo(r, "put it into " INIT_DROP_IN_DIR ", it is among the examples of the documentation; and `systemctl daemon-reload`");
}

static void judge_device(const struct init_host *host, const struct init_plan *plan, struct init_report *r)
{
	const struct init_device *d = plan->device;
	const char *name = d->dev.name;

	if (!d->dev.has_public_key) {
		init_say(r, INIT_FAIL, "device", "%s has no private key, so it talks to nobody", name);
		init_todo(r, "`wg genkey`, and PrivateKey = in /etc/wireguard/%s.conf; see wg(8)", name);
	} else if (!d->up) {
		init_say(r, INIT_FAIL, "device", "%s is down", name);
		init_todo(r, "`ip link set %s up`, or `wg-quick up %s`", name, name);
	} else {
		init_say(r, INIT_OK, "device", "%s, %s, has %zu peer%s", name, d->userspace ? "a userspace device" : "of the kernel",
		    d->dev.peers_len, d->dev.peers_len == 1 ? "" : "s");
	}
	judge_socket(host, plan, r);
	if (d->addrs_len == 0) {
		init_say(r, INIT_WARN, "device", "%s has no address, so nobody can ask over the tunnel", name);
		init_todo(r, "give it one: Address = in /etc/wireguard/%s.conf, or `ip address add`", name);
	}
	judge_port(d, r);
}

/* ---- addresses ---- */

static void judge_self(const struct init_host *host, const struct init_plan *plan, struct init_report *r)
{
	char text[ENDPOINT_TEXT], own[ENDPOINT_TEXT] = "this host";
	bool is_own = false;

	for (size_t i = 0; i < host->public_len; i++) {
		struct endpoint at = plan->self_at;

		at.port = 0;
		is_own |= endpoint_equal(&host->public_addrs[i], &at);
	}
	if (plan->self == INIT_SELF_NONE) {
		init_say(r, INIT_OK, "address", "this host's own device is not published: the peers have its endpoint in their own files");
	} else if (plan->self == INIT_SELF_AUTO && host->public_len == 0) {
		init_say(r, INIT_FAIL, "address", "Self = auto, but this host has no public address: it is behind a NAT");
		init_todo(r, "give the NAT's: --self ADDR:PORT");
	} else if (plan->self == INIT_SELF_AUTO || is_own) {
		init_say(r, INIT_OK, "address", "peers reach this host at %s", endpoint_addr_to_text(
		             is_own ? &plan->self_at : &host->public_addrs[0], text));
	} else if (endpoint_is_private(&plan->self_at)) {
		init_say(r, INIT_WARN, "address", "%s is a private address: only peers in the same network reach this host there",
		    endpoint_addr_to_text(&plan->self_at, text));
		init_todo(r, "give the public one with --self, if peers come from elsewhere");
	} else {
		if (host->private_len > 0)
			endpoint_addr_to_text(&host->private_addrs[0], own);
		init_say(r, INIT_WARN, "address", "%s is no address of this host: it is behind a NAT, and what that forwards cannot be seen "
		         "from here", endpoint_to_text(&plan->self_at, text));
		init_todo(r, "in the router: forward its UDP port %u to %s, UDP port %u", plan->self_at.port, own,
		    plan->device->dev.listen_port);
	}
}

/* Right below a top-level domain where domains are sold; in "test" none are (RFC 6761). */
static bool is_whole_domain(const struct name *zone, const char *text)
{
	const char *dot = strchr(text, '.');

	return dot != NULL && strchr(dot + 1, '.') == NULL && strcmp(dot, ".test") != 0 && !init_is_local(zone);
}

static void judge_zone(const struct init_plan *plan, struct init_report *r)
{
	struct name local;
	char text[NAME_TEXT];

	name_to_text(&plan->zone, text);
	if (name_from_text("local", &local) && name_is_within(&plan->zone, &local)) {
		init_say(r, INIT_WARN, "zone", "%s is in local, where many systems ask by multicast and find nothing", text);
		init_todo(r, "take another, such as wg.home.arpa, if anything but wgmeet shall find names in it");
	} else if (strchr(text, '.') == NULL && !init_is_local(&plan->zone)) {
		init_say(r, INIT_WARN, "zone", "%s has no dot: if there is such a top-level domain, whoever asks this host for names in it finds "
		         "none", text);
		init_todo(r, "take a name below a domain of yours, or one such as wg.home.arpa");
	} else if (is_whole_domain(&plan->zone, text)) {
		init_say(r, INIT_WARN, "zone", "%s is a whole domain: whoever asks this host for other names in it finds none, and if it is "
		         "delegated here everybody does", text);
		init_todo(r, "take a name below it, such as wg.%s", text);
	} else {
		init_say(r, INIT_OK, "zone", "%s", text);
	}
}

static void judge_listen(const struct init_host *host, const struct init_plan *plan, struct init_report *r)
{
	bool standard = false;

	for (size_t i = 0; i < plan->listen.len; i++) {
		const struct listen_conf *l = &plan->listen.at[i];
		char text[ENDPOINT_TEXT];

		standard |= l->at.port == 53;
		if (!init_is_foreign(host, l))
			continue;
		init_say(r, INIT_WARN, "listen", "this host has no address %s now", endpoint_addr_to_text(&l->at, text));
		init_todo(r, "nothing, if it comes later: wgmeetd answers there from then on; else give another with --listen");
	}
	if (plan->in_public && !standard) {
		init_say(r, INIT_WARN, "listen", "resolvers ask at port 53 only, so this cannot be delegated");
		init_todo(r, "nothing, if peers name the server; else listen on port 53, too");
	}
	if (!plan->in_public && plan->server.family == AF_UNSPEC) {
		init_say(r, INIT_WARN, "listen", "no peer can ask at these addresses");
		init_todo(r, "give an address of %s with --listen", plan->device->dev.name);
	}
}

/* ---- ports ---- */

static const char *remedy_for(const char *owner)
{
	static const struct {
		const char *program, *remedy;
	} known[] = {
	    {"systemd-resolve", "it only holds 127.0.0.53 and 127.0.0.54: listen at this host's own addresses instead of all of them, or "
	                        "set DNSStubListener=no in /etc/systemd/resolved.conf"},
	    {"dnsmasq", "have it listen at its own addresses only: listen-address= with bind-interfaces in /etc/dnsmasq.conf"},
	    {"named", "have it listen at its own addresses only: listen-on and listen-on-v6 in named.conf"},
	    {"unbound", "have it listen at its own addresses only: interface: in unbound.conf"},
	    {"wgmeetd", "it serves already: `systemctl stop wgmeetd`, or stop the process; or change its configuration instead"},
	    {"the kernel", "give that device another port, or wgmeetd another address or port with --listen"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strncmp(owner, known[i].program, strlen(known[i].program)) == 0)
			return known[i].remedy;
	return "stop it, or have it listen elsewhere, or give another address or port with --listen";
}

/* One program holds it over both, mostly. */
static bool is_twin(const struct init_held *a, const struct init_held *b)
{
	return endpoint_equal(&a->at.at, &b->at.at) && strcmp(a->at.device, b->at.device) == 0 && a->error == b->error &&
	    strcmp(a->owner, b->owner) == 0;
}

static void judge_held(const struct init_host *host, const struct init_plan *plan, const struct init_held *held, size_t held_len,
    struct init_report *r)
{
	for (size_t i = 0; i < held_len; i++) {
		const struct init_held *h = &held[i];
		const char *over = h->tcp ? "TCP" : "UDP";
		char text[ENDPOINT_TEXT];

		if (i + 1 < held_len && is_twin(h, &held[i + 1])) {
			over = "UDP and TCP";
			i++;
		}
		endpoint_to_text(&h->at.at, text);
		if (plan->dry_run && strncmp(h->owner, "wgmeetd", strlen("wgmeetd")) == 0) {
			init_say(r, INIT_OK, "listen", "%s (%s) is held by wgmeetd itself", text, over);
			continue;
		}
		if (h->error != EADDRINUSE) {
			init_say(r, INIT_FAIL, "listen", "cannot listen at %s (%s): %s", text, over, strerror(h->error));
			init_todo(r, "give another address or port with --listen");
			continue;
		}
		init_say(r, INIT_FAIL, "listen", "%s (%s) is held by %s", text, over,
		    h->owner[0] != '\0' ? h->owner : "another program");
		init_todo(r, "%s", remedy_for(h->owner));
	}
	if (held_len == 0)
		init_say(r, INIT_OK, "listen", "%s %s free", plan->listen.len == 1 ? "the address and port to listen at" :
		         "the addresses and ports to listen at", plan->listen.len == 1 ? "is" : "are");
	if (held_len == 0 && host->stub[0] != '\0')
		init_say(r, INIT_OK, "listen", "%s answers at 127.0.0.53 only, and is not in the way", host->stub);
}

/* ---- the system ---- */

static void judge_user(const struct init_plan *plan, const char *key, const char *name, struct init_report *r)
{
	const char *given = init_value(plan, key);

	init_say(r, INIT_FAIL, "user", "there is no user %s", given != NULL ? given : name);
	init_todo(r, "`useradd --system --no-create-home --shell /usr/sbin/nologin %s`", given != NULL ? given : name);
}

static void judge_system(const struct init_host *host, const struct init_plan *plan, struct init_report *r)
{
	const char *dir = init_value(plan, "StateDirectory");
	char day[32];
	struct tm tm;

	if (!host->has_user)
		judge_user(plan, "User", "wgmeet", r);
	if (!host->has_observer)
		judge_user(plan, "ObserverUser", "wgmeet-observer", r);
	if (host->has_user && host->has_observer)
		init_say(r, INIT_OK, "user", "both users are there");
	if (!host->has_state_directory && !host->has_systemd) {
		init_say(r, INIT_WARN, "state", "there is no directory %s for the zone's serial", dir != NULL ? dir : "/var/lib/wgmeet");
		init_todo(r, "`install -d %s`", dir != NULL ? dir : "/var/lib/wgmeet");
	}
	if (host->now_s < CLOCK_SET_S) {
		time_t now = (time_t)host->now_s;

		strftime(day, sizeof(day), "%Y-%m-%d", gmtime_r(&now, &tm));
		init_say(r, INIT_FAIL, "clock", "it says %s: it is not set, and handshakes and serials go by it", day);
		init_todo(r, "`timedatectl set-ntp true`, or install chrony");
	} else if (!host->clock_synced) {
		init_say(r, INIT_WARN, "clock", "nothing keeps it right");
		init_todo(r, "`timedatectl set-ntp true`, or install chrony");
	} else {
		init_say(r, INIT_OK, "clock", "it is kept right");
	}
}

void init_judge_all(const struct init_host *host, const struct init_plan *plan, const struct init_held *held, size_t held_len,
    struct init_report *r)
{
	judge_device(host, plan, r);
	judge_zone(plan, r);
	judge_self(host, plan, r);
	judge_listen(host, plan, r);
	judge_held(host, plan, held, held_len, r);
	init_judge_rules(host, plan, r);
	judge_system(host, plan, r);
	init_judge_peers(host, plan, r);
}
