/* A host where all is well, and one thing after another that is not: each is found, with its cause and a remedy. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "doctor_ask.h"
#include "suites.h"
#include "util.h"

#define NOW  1800000000
#define HUB  1
#define BOB  2
#define CAROL 3

static struct settings settings;
static struct wg_device dev;
static struct plan_tunnel tunnel;
static struct doctor_dns dns;
static struct doctor_seen seen;
static struct doctor_record records[16];
static struct doctor_findings findings;

static struct doctor_answer good_answer(void)
{
	return (struct doctor_answer){.status = LOOKUP_FOUND, .is_authoritative = 1, .time_s = NOW, .apex = util_name("wg.test")};
}

static void build_tunnel(void)
{
	struct wg_allowedip own = util_allowedip("10.9.0.2/24");

	plan_tunnel_free(&tunnel);
	ck_assert_int_eq(plan_tunnel_build(&dev, &own, 1, &tunnel), 0);
}

/* Alice, behind a NAT, who asks the registry in the tunnel. */
static void setup(void)
{
	wgdev_free(&dev);
	memset(&settings, 0, sizeof(settings));
	memset(&dns, 0, sizeof(dns));
	memset(records, 0, sizeof(records));
	strcpy(settings.device, "wg0");
	settings.zone = util_name("wg.test");
	settings.servers.at[settings.servers.len++] = util_endpoint("10.9.0.1:53");
	settings.has_file = true;
	settings.notify_port = 5354;
	dev.has_public_key = true;
	dev.listen_port = 51820;
	util_add_peer(&dev, HUB, "203.0.113.10:51820", "10.9.0.1/32")->last_handshake_s = NOW - 60;
	dev.peers[0].keepalive_s = 25;
	dev.peers[0].tx_bytes = 1000;
	util_add_peer(&dev, BOB, "203.0.113.30:51820", "10.9.0.3/32")->last_handshake_s = NOW - 60;
	build_tunnel();
	dns.servers[0] = (struct doctor_server){.udp = good_answer(), .tcp = good_answer()};
	for (size_t i = 0; i < COUNT(records); i++)
		records[i] = (struct doctor_record){.status = LOOKUP_FOUND, .endpoint = util_endpoint("203.0.113.30:51820")};
	seen = (struct doctor_seen){.settings = &settings, .now_s = NOW, .link_is_there = true, .link_is_up = true, .mtu = 1420,
	    .dev = &dev, .tunnel = &tunnel, .addresses = {util_endpoint("10.1.0.2")}, .addresses_len = 1, .through = {true},
	    .dns = &dns, .own = {{.status = LOOKUP_FOUND, .endpoint = util_endpoint("203.0.113.20:51820")}}, .records = records,
	    .run = {.zone = settings.zone, .is_there = 1, .port = 5354, .running_ms = 1000, .told_ms = REPORT_NEVER}};
}

static void teardown(void)
{
	wgdev_free(&dev);
	plan_tunnel_free(&tunnel);
	doctor_findings_free(&findings);
}

static void judge(void)
{
	doctor_findings_free(&findings);
	doctor_judge(&seen, &findings);
	for (size_t i = 0; i < findings.len; i++)
		ck_assert_msg((findings.at[i].remedy[0] != '\0') == (findings.at[i].level != DOCTOR_OK) ||
		        strncmp(findings.at[i].text, "and ", 4) == 0, "%s: %s: what to do is said where something is wrong",
		    findings.at[i].check, findings.at[i].text);
}

static size_t count(enum doctor_level level)
{
	size_t n = 0;

	for (size_t i = 0; i < findings.len; i++)
		n += findings.at[i].level == level;
	return n;
}

static const struct doctor_finding *find(enum doctor_level level, const char *check, const char *text)
{
	for (size_t i = 0; i < findings.len; i++)
		if (findings.at[i].level == level && strcmp(findings.at[i].check, check) == 0 && strstr(findings.at[i].text, text) != NULL)
			return &findings.at[i];
	return NULL;
}

/* It is that, said so, and the remedy has these words. */
static void expect(enum doctor_level level, const char *check, const char *text, const char *remedy)
{
	const struct doctor_finding *f = find(level, check, text);

	for (size_t i = 0; f == NULL && i < findings.len; i++)
		printf("# %s %s %s: %s\n", doctor_level_word(findings.at[i].level), findings.at[i].check, findings.at[i].about,
		    findings.at[i].text);
	ck_assert_msg(f != NULL, "no finding: %s %s ... %s", doctor_level_word(level), check, text);
	ck_assert_msg(strstr(f->remedy, remedy) != NULL, "%s: %s", f->text, f->remedy);
}

/* And nothing else is wrong. */
static void expect_only(enum doctor_level level, const char *check, const char *text, const char *remedy)
{
	judge();
	expect(level, check, text, remedy);
	ck_assert_uint_eq(count(DOCTOR_WARN) + count(DOCTOR_FAIL), 1);
}

START_TEST(where_all_is_well_nothing_is_wrong)
{
	judge();
	for (size_t i = 0; i < findings.len; i++)
		ck_assert_msg(findings.at[i].level == DOCTOR_OK, "%s: %s", findings.at[i].check, findings.at[i].text);
	ck_assert_uint_ge(findings.len, 12);
	expect(DOCTOR_OK, "nat", "behind one", "");
	expect(DOCTOR_OK, "peer", "2 of 2", "");
	expect(DOCTOR_OK, "keepalive", "25 s", "");
}
END_TEST

/* ---- the host and its device ---- */

static void no_device(int error)
{
	wgdev_reset(&dev);
	build_tunnel();
	seen.device_error = -error;
	seen.link_is_up = false;
	seen.through[0] = false;
	judge();
}

START_TEST(a_device_that_cannot_be_read)
{
	seen.link_is_there = false;
	no_device(ENODEV);
	expect(DOCTOR_FAIL, "device", "no network device wg0", "wg-quick up wg0");
	no_device(ENOENT);
	expect(DOCTOR_FAIL, "device", "no network device wg0", "wg-quick up wg0");
	seen.link_is_there = true;
	no_device(ENOENT);
	expect(DOCTOR_FAIL, "device", "but no WireGuard device", "wg show interfaces");
	no_device(EOPNOTSUPP);
	expect(DOCTOR_FAIL, "device", "but no WireGuard device", "wg show interfaces");
	no_device(ETIMEDOUT);
	expect(DOCTOR_FAIL, "device", "does not answer", "start it anew");
	no_device(EPERM);
	expect(DOCTOR_FAIL, "permission", "root, or CAP_NET_ADMIN", "sudo wgmeet doctor wg0");
	no_device(EACCES);
	expect(DOCTOR_FAIL, "permission", "its daemon is another user", "sudo wgmeet doctor wg0");
	ck_assert_uint_eq(count(DOCTOR_FAIL), 1);
}
END_TEST

START_TEST(a_device_that_is_down)
{
	seen.link_is_up = false;
	expect_only(DOCTOR_FAIL, "device", "wg0 is down", "ip link set wg0 up");
}
END_TEST

START_TEST(a_device_without_a_key_or_peers)
{
	dev.has_public_key = false;
	seen.own[0].status = DOCTOR_UNASKED;
	expect_only(DOCTOR_FAIL, "key", "no private key", "private-key");
	setup();
	dev.peers_len = 0;
	judge();
	expect(DOCTOR_FAIL, "device", "no peers", "Add the registry");
}
END_TEST

START_TEST(an_mtu_that_does_not_fit)
{
	seen.mtu = 1500;
	expect_only(DOCTOR_WARN, "mtu", "1500", "mtu 1420");
	seen.mtu = 1421;
	expect_only(DOCTOR_WARN, "mtu", "1421", "mtu 1420");
	seen.mtu = 1279;
	expect_only(DOCTOR_WARN, "mtu", "too small for IPv6", "1280");
}
END_TEST

START_TEST(a_clock_in_the_past)
{
	seen.now_s = 86400;
	for (size_t i = 0; i < dev.peers_len; i++)
		dev.peers[i].last_handshake_s = 0;
	judge();
	expect(DOCTOR_FAIL, "clock", "the year 1970", "systemd-timesyncd");
}
END_TEST

START_TEST(a_clock_that_was_set_back)
{
	dev.peers[1].last_handshake_s = NOW + 3600;
	expect_only(DOCTOR_FAIL, "clock", "set back by 3600 s", "which time is right");
	dev.peers[1].last_handshake_s = NOW + 30; /* noise */
	judge();
	ck_assert_uint_eq(count(DOCTOR_FAIL), 0);
}
END_TEST

START_TEST(a_registry_with_another_clock)
{
	dns.servers[0].udp.time_s = NOW + 900;
	expect_only(DOCTOR_WARN, "clock", "900 s ahead of", "timesyncd");
	dns.servers[0].udp.time_s = NOW - 900;
	expect_only(DOCTOR_WARN, "clock", "900 s behind", "timesyncd");
	dns.servers[0].udp.time_s = (uint32_t)NOW + 0x80000000u;
	expect_only(DOCTOR_WARN, "clock", "2147483648 s behind", "timesyncd");
	dns.servers[0].udp.time_s = NOW - 299;
	judge();
	ck_assert_uint_eq(count(DOCTOR_WARN), 0);
}
END_TEST

START_TEST(settings_that_lack_something)
{
	settings.zone.len = 0;
	settings.has_file = false;
	seen.dns = NULL;
	seen.records = NULL;
	seen.own[0].status = DOCTOR_UNASKED;
	expect_only(DOCTOR_FAIL, "settings", "/etc/wgmeet/wg0.conf is not there", "Zone = ");
	settings.has_file = true;
	expect_only(DOCTOR_FAIL, "settings", "/etc/wgmeet/wg0.conf has none", "Zone = ");
	seen.file_errors = 2;
	expect_only(DOCTOR_FAIL, "settings", "2 errors in", "standard error");
	settings.has_file = false;
	expect_only(DOCTOR_FAIL, "settings", "2 errors in", "chmod 644");
	settings.has_file = true;
}
END_TEST

START_TEST(an_endpoint_inside_the_tunnel)
{
	dev.peers[1].endpoint = util_endpoint("10.9.0.77:51820");
	expect_only(DOCTOR_FAIL, "loop", "10.9.0.77:51820, is inside the tunnel: it is in the device's own network", "outside the tunnel");
	dev.peers[1].endpoint = util_endpoint("10.9.0.1:51820");
	expect_only(DOCTOR_FAIL, "loop", "among the allowed IPs of ", "narrower");
}
END_TEST

START_TEST(a_peer_whose_allowed_ips_were_taken)
{
	for (size_t i = 0; i < 7; i++)
		util_add_peer(&dev, CAROL + i, NULL, NULL);
	judge();
	expect(DOCTOR_WARN, "allowed-ips", "no allowed IPs", "wg show wg0 allowed-ips");
	ck_assert_uint_eq(count(DOCTOR_WARN), 6); /* five that are named, and how many more */
	ck_assert(find(DOCTOR_WARN, "allowed-ips", "and 2 more peers") != NULL);
}
END_TEST

/* ---- servers ---- */

static void silent(enum lookup_status udp, enum lookup_status tcp)
{
	dns.servers[0] = (struct doctor_server){.udp.status = udp, .tcp.status = tcp};
	seen.own[0].status = DOCTOR_UNASKED;
	for (size_t i = 0; i < COUNT(records); i++)
		records[i].status = DOCTOR_UNASKED;
}

START_TEST(a_server_that_one_transport_does_not_reach)
{
	dns.servers[0].tcp.status = LOOKUP_NO_ANSWER;
	expect_only(DOCTOR_WARN, "server", "over UDP, but not over TCP", "TCP port 53");
	setup();
	dns.servers[0].udp.status = LOOKUP_NO_ANSWER;
	expect_only(DOCTOR_FAIL, "server", "over TCP, but not over UDP", "UDP port 53");
}
END_TEST

START_TEST(a_server_outside_the_tunnel_that_is_silent)
{
	settings.servers.at[0] = util_endpoint("203.0.113.10:53");
	seen.through[0] = false;
	silent(LOOKUP_NO_ANSWER, LOOKUP_NO_ANSWER);
	expect_only(DOCTOR_FAIL, "server", "over UDP or over TCP", "firewall drops port 53");
	silent(LOOKUP_UNREACHABLE, LOOKUP_UNREACHABLE);
	expect_only(DOCTOR_FAIL, "server", "nobody listens", "wgmeetd runs");
	seen.unrouted[0] = true;
	expect_only(DOCTOR_FAIL, "server", "no route", "ip route");
}
END_TEST

START_TEST(a_server_in_a_tunnel_that_is_dead)
{
	silent(LOOKUP_UNREACHABLE, LOOKUP_UNREACHABLE);
	expect_only(DOCTOR_FAIL, "server", "nobody listens there, or a firewall rejects it: the tunnel to it works", "systemctl status wgmeetd");
	silent(LOOKUP_UNREACHABLE, LOOKUP_NO_ANSWER); /* over UDP a firewall may have rejected it */
	expect_only(DOCTOR_FAIL, "server", "though the tunnel to it works", "WireGuard device");
	silent(LOOKUP_NO_ANSWER, LOOKUP_NO_ANSWER);
	expect_only(DOCTOR_FAIL, "server", "though the tunnel to it works", "WireGuard device");
	for (int keepalive_s = 0; keepalive_s <= 25; keepalive_s += 25) { /* there was a handshake, but nothing since */
		seen.mute[0] = true;
		dev.peers[0].keepalive_s = (uint16_t)keepalive_s;
		judge();
		expect(DOCTOR_FAIL, "server", "inside the tunnel, which is dead", "UDP port 51820");
		expect(DOCTOR_FAIL, "registry", "answers no more", "public key");
		seen.mute[0] = false;
	}
	dev.peers[0].last_handshake_s = NOW - 181;
	judge();
	expect(DOCTOR_FAIL, "server", "inside the tunnel, which is dead", "UDP port 51820");
	expect(DOCTOR_FAIL, "registry", "answers no more", "public key");
	dev.peers[0].last_handshake_s = 0;
	judge();
	expect(DOCTOR_FAIL, "server", "was: never", "UDP port 51820");
	expect(DOCTOR_FAIL, "registry", "never answered: 1000 B were sent", "public key");
	seen.dropped = 1;
	judge();
	expect(DOCTOR_FAIL, "firewall", "packets from 203.0.113.10:51820 come to this host", "Let UDP port 51820 in");
	seen.dropped = 0;
	dev.peers[0].endpoint.family = AF_UNSPEC;
	judge();
	expect(DOCTOR_FAIL, "server", "has no endpoint", "endpoint ADDRESS:PORT");
	expect(DOCTOR_FAIL, "registry", "no endpoint", "endpoint ADDRESS:PORT");
	dev.peers[0].allowed_len = 0;
	judge();
	expect(DOCTOR_FAIL, "server", "among no peer's allowed IPs", "wg show wg0 allowed-ips");
	seen.link_is_up = false;
	dev.peers[0].allowed_len = 1;
	judge();
	expect(DOCTOR_FAIL, "server", "and wg0 is down", "first");
}
END_TEST

/* ---- the zone ---- */

static void says(enum lookup_status status, uint32_t rcode, uint32_t ede, const char *apex)
{
	struct doctor_answer a = {.status = status, .rcode = rcode, .ede = ede};

	if (apex != NULL)
		a.apex = util_name(apex);
	silent(status, status);
	dns.servers[0] = (struct doctor_server){.udp = a, .tcp = a};
}

START_TEST(a_zone_that_is_not_served)
{
	says(LOOKUP_REFUSED, 5, 0, NULL);
	expect_only(DOCTOR_FAIL, "zone", "does not serve wg.test", "letter by letter");
	says(LOOKUP_REFUSED, 5, 18, NULL);
	expect_only(DOCTOR_FAIL, "zone", "refuses to answer this host", "Allow =");
	says(LOOKUP_NOT_READY, 2, 14, NULL);
	expect_only(DOCTOR_FAIL, "zone", "is not ready", "Bring the device up there");
	says(LOOKUP_NOT_IN_ZONE, 3, 0, "test");
	expect_only(DOCTOR_FAIL, "zone", "no such name in test", "Name =");
	says(LOOKUP_NOT_IN_ZONE, 0, 0, "test");
	expect_only(DOCTOR_FAIL, "zone", "an ordinary name in test", "Name =");
	says(LOOKUP_FOUND, 0, 0, "other.test"); /* the answer is about another zone */
	expect_only(DOCTOR_FAIL, "zone", "makes no sense", "dig @10.9.0.1 -p 53 wg.test SOA");
	says(LOOKUP_NOT_READY, 2, 0, NULL);
	seen.system_servers = true;
	expect_only(DOCTOR_FAIL, "zone", "cannot reach a server of wg.test", "Server =");
}
END_TEST

/* ---- the delegation ---- */

static void delegate(const char *address, struct doctor_answer answer)
{
	seen.system_servers = true;
	dns.servers[0].tcp.status = DOCTOR_UNASKED;
	dns.delegation = DELEGATION_THERE;
	dns.parent = util_name("test");
	dns.nameservers_len = 1;
	dns.nameservers[0] = (struct doctor_nameserver){.name = util_name("ns1.wg.test"), .says = {.udp = answer, .tcp = answer}};
	if (address != NULL)
		dns.nameservers[0].address = util_endpoint(address);
}

START_TEST(a_delegation_that_is_wrong)
{
	struct doctor_answer refused = {.status = LOOKUP_REFUSED, .rcode = 5}, silence = {.status = LOOKUP_NO_ANSWER}, resolved = good_answer(),
	                     not_ready = {.status = LOOKUP_NOT_READY, .rcode = 2, .ede = 14};

	delegate("203.0.113.10:53", good_answer());
	judge();
	ck_assert_uint_eq(count(DOCTOR_WARN) + count(DOCTOR_FAIL), 0);
	expect(DOCTOR_OK, "delegation", "203.0.113.10", "");
	delegate("203.0.113.10:53", refused);
	expect_only(DOCTOR_FAIL, "delegation", "it is lame: wg.test is delegated to it, but what answers at 203.0.113.10 does not serve", "Name =");
	resolved.is_authoritative = 0;
	delegate("203.0.113.10:53", resolved);
	expect_only(DOCTOR_FAIL, "delegation", "it is lame", "Name =");
	delegate("203.0.113.10:53", not_ready);
	expect_only(DOCTOR_FAIL, "delegation", "WireGuard device is not there, or wgmeetd may not read it", "");
	delegate("203.0.113.10:53", silence);
	expect_only(DOCTOR_FAIL, "delegation", "nobody answers", "take that NS record out");
	delegate(NULL, silence);
	expect_only(DOCTOR_FAIL, "delegation", "no address", "ns1.wg.test. A ADDRESS");
	delegate("203.0.113.10:53", good_answer());
	dns.nameservers[0].says.tcp = silence;
	expect_only(DOCTOR_WARN, "delegation", "not over TCP", "TCP port 53");
	dns.delegation = DELEGATION_MISSING;
	expect_only(DOCTOR_FAIL, "delegation", "test does not delegate wg.test", "wg.test. NS ns1.wg.test.");
	dns.delegation = DELEGATION_UNKNOWN;
	expect_only(DOCTOR_WARN, "delegation", "cannot be told", "dig +trace");
}
END_TEST

/* ---- this host and its peers ---- */

START_TEST(a_host_that_the_registry_has_not_seen)
{
	seen.own[0].status = LOOKUP_NOT_IN_ZONE;
	expect_only(DOCTOR_FAIL, "self", "not in the zone", "private address");
	settings.servers.at[0] = util_endpoint("203.0.113.10:53"); /* the registry is known by its endpoint, too */
	seen.through[0] = false;
	dev.peers[0].last_handshake_s = dev.peers[0].tx_bytes = dev.peers[0].keepalive_s = 0;
	judge();
	expect(DOCTOR_FAIL, "self", "not in the zone", "persistent-keepalive 25");
	expect(DOCTOR_FAIL, "registry", "nothing was ever sent", "persistent-keepalive 25");
	dev.peers[0].endpoint = util_endpoint("203.0.113.99:51820");
	expect_only(DOCTOR_FAIL, "self", "not in the zone", "Make the registry a peer");
}
END_TEST

/* A resolver is not the registry, even where the way to it leads into the tunnel. */
START_TEST(a_registry_behind_a_resolver)
{
	util_add_peer(&dev, CAROL, "203.0.113.40:51820", "0.0.0.0/0")->last_handshake_s = NOW - 60;
	build_tunnel();
	settings.servers.at[0] = util_endpoint("203.0.113.54:53");
	delegate("203.0.113.10:53", good_answer()); /* known by its endpoint */
	judge();
	ck_assert_uint_eq(count(DOCTOR_WARN) + count(DOCTOR_FAIL), 0);
	dev.peers[0].keepalive_s = 0;
	expect_only(DOCTOR_FAIL, "keepalive", "behind a NAT", "persistent-keepalive 25");
	delegate("10.9.0.1:53", good_answer()); /* by its allowed IPs */
	expect_only(DOCTOR_FAIL, "keepalive", "behind a NAT", "persistent-keepalive 25");
	delegate("203.0.113.11:53", good_answer());
	judge();
	ck_assert_uint_eq(count(DOCTOR_WARN) + count(DOCTOR_FAIL), 0);
}
END_TEST

START_TEST(a_nat_and_no_keepalive)
{
	dev.peers[0].keepalive_s = 0;
	expect_only(DOCTOR_FAIL, "keepalive", "behind a NAT, and has no keepalive", "persistent-keepalive 25");
	dev.peers[0].keepalive_s = 300;
	expect_only(DOCTOR_WARN, "keepalive", "300 s", "persistent-keepalive 25");
	seen.addresses[0] = util_endpoint("203.0.113.20"); /* no NAT needs none */
	dev.peers[0].keepalive_s = 0;
	judge();
	ck_assert_uint_eq(count(DOCTOR_FAIL), 0);
	expect(DOCTOR_OK, "nat", "there is none", "");
}
END_TEST

START_TEST(a_host_that_others_see_elsewhere)
{
	seen.own[0].endpoint = util_endpoint("192.168.1.2:51820");
	expect_only(DOCTOR_WARN, "self", "private address", "PrivateEndpoints");
	setup();
	seen.addresses[0] = util_endpoint("203.0.113.20");
	seen.own[0].endpoint.port = 4000;
	expect_only(DOCTOR_WARN, "nat", "another port than 51820", "look again");
	setup();
	seen.addresses[0] = util_endpoint("203.0.113.20");
	seen.port = DOCTOR_PORT_ANY;
	expect_only(DOCTOR_WARN, "port", "another port at each start", "ListenPort = 51820");
	seen.port = DOCTOR_PORT_FIXED;
	judge();
	ck_assert_uint_eq(count(DOCTOR_WARN), 0);
	setup();
	seen.port = DOCTOR_PORT_ANY; /* behind a NAT that does not matter */
	judge();
	ck_assert_uint_eq(count(DOCTOR_WARN), 0);
}
END_TEST

START_TEST(a_symmetric_nat)
{
	seen.run.mapping = PATHS_MAPPING_EACH;
	expect_only(DOCTOR_WARN, "nat", "symmetric", "forward UDP port 51820");
	setup();
	settings.servers.at[settings.servers.len++] = util_endpoint("10.9.0.254:53");
	dns.servers[1] = dns.servers[0];
	seen.own[1] = (struct doctor_record){.status = LOOKUP_FOUND, .endpoint = util_endpoint("203.0.113.20:4000")};
	expect_only(DOCTOR_WARN, "nat", "symmetric", "forward UDP port 51820");
}
END_TEST

START_TEST(peers_that_cannot_be_reached)
{
	records[1].status = LOOKUP_NOT_IN_ZONE;
	expect_only(DOCTOR_WARN, "peer", "not in the zone", "run this there");
	records[1] = (struct doctor_record){.status = LOOKUP_FOUND, .endpoint = util_endpoint("10.9.0.3:51820")};
	expect_only(DOCTOR_FAIL, "peer", "10.9.0.3:51820, which is inside the tunnel", "outside of any tunnel");
	records[1].status = LOOKUP_OTHER_KEY;
	expect_only(DOCTOR_FAIL, "peer", "another key", "wgmeet lookup");
	records[1].status = LOOKUP_FOUND;
	records[1].endpoint = util_endpoint("203.0.113.30:51820");
	records[0].status = LOOKUP_NOT_IN_ZONE; /* the registry need not publish itself */
	judge();
	ck_assert_uint_eq(count(DOCTOR_WARN) + count(DOCTOR_FAIL), 0);
	for (size_t i = 0; i < 7; i++) {
		util_add_peer(&dev, CAROL + i, NULL, "10.9.1.1/32");
		records[2 + i].status = LOOKUP_NOT_IN_ZONE;
	}
	judge();
	ck_assert_uint_eq(count(DOCTOR_WARN), 6);
	ck_assert(find(DOCTOR_WARN, "peer", "and 2 more peers") != NULL);
}
END_TEST

START_TEST(nothing_that_keeps_the_paths)
{
	seen.run_error = -ENOENT;
	expect_only(DOCTOR_WARN, "run", "nothing keeps the paths", "as root, where it is started again: `wgmeet run wg0`");
	seen.has_systemd = true;
	expect_only(DOCTOR_WARN, "run", "nothing keeps the paths", "systemctl enable --now wgmeet@wg0");
	ck_assert(strstr(find(DOCTOR_WARN, "run", "")->remedy, "wgmeet-userspace.conf") == NULL);
	seen.drop_in = "/usr/share/doc/wgmeet/examples/wgmeet-userspace.conf";
	expect_only(DOCTOR_WARN, "run", "nothing keeps the paths", "wgmeet-userspace.conf && systemctl daemon-reload && systemctl enable");
	seen.keeper = DOCTOR_TIMER;
	judge();
	expect(DOCTOR_OK, "run", "by a timer", "");
	seen.keeper = DOCTOR_CRON;
	judge();
	expect(DOCTOR_OK, "run", "by cron", "");
	ck_assert_uint_eq(count(DOCTOR_WARN), 0);
	seen.keeper = DOCTOR_NO_KEEPER;
	seen.run_error = -EACCES;
	expect_only(DOCTOR_WARN, "run", "only root", "as root");
	seen.run_error = -ETIMEDOUT;
	expect_only(DOCTOR_WARN, "run", "does not answer", "journalctl");
}
END_TEST

START_TEST(peers_that_run_has_no_path_to)
{
	struct report_peer *p = &seen.lost[0];

	seen.run.is_up = 1;
	seen.run.servers_len = 1;
	seen.run.servers[0].sees = util_endpoint("203.0.113.20:51820");
	seen.lost_len = 1;
	*p = (struct report_peer){.state = PATH_LOOKING, .status = LOOKUP_FOUND, .trials = 6, .handshake_s = 0, .state_ms = 40000,
	    .answered_ms = 3000, .trial_ms = REPORT_NEVER, .unanswered_ms = REPORT_NEVER};
	util_key(BOB, p->key);
	p->tried = p->published = util_endpoint("203.0.113.30:51820");
	expect_only(DOCTOR_WARN, "path", "gives each destination another port", "the same preshared key");
	p->tried = p->published = util_endpoint("203.0.113.20:2");
	expect_only(DOCTOR_WARN, "path", "behind the same NAT", "hairpin");
	p->status = LOOKUP_REFUSED;
	expect_only(DOCTOR_WARN, "path", "refuses", "wgmeet lookup");
	p->status = LOOKUP_FOUND;
	seen.lost_len = DOCTOR_LOST + 2;
	for (size_t i = 1; i < DOCTOR_LOST; i++)
		seen.lost[i] = *p;
	judge();
	ck_assert_uint_eq(count(DOCTOR_WARN), DOCTOR_LOST + 1);
	ck_assert(find(DOCTOR_WARN, "path", "to 2 more peers: `wgmeet status wg0`") != NULL);
}
END_TEST

START_TEST(a_daemon_that_hears_nothing)
{
	seen.run.port = 0;
	expect_only(DOCTOR_WARN, "notify", "does not hear of changes", "ss -lunp");
	settings.notify_port = 0; /* as it was told */
	judge();
	ck_assert_uint_eq(count(DOCTOR_WARN), 0);
	seen.run.zone = util_name("other.test");
	expect_only(DOCTOR_WARN, "run", "another zone, other.test", "systemctl reload");
}
END_TEST

/* ---- what the asker says ---- */

START_TEST(what_the_asker_says_is_judged)
{
	ck_assert(doctor_dns_is_sound(&dns, 1));
	dns.delegation = DELEGATIONS;
	ck_assert(!doctor_dns_is_sound(&dns, 1));
	dns.delegation = DELEGATION_UNASKED;
	dns.nameservers_len = DOCTOR_NAMESERVERS + 1;
	ck_assert(!doctor_dns_is_sound(&dns, 1));
	delegate("203.0.113.10:53", good_answer());
	ck_assert(doctor_dns_is_sound(&dns, 1));
	dns.nameservers[0].name.wire[0] = 200;
	ck_assert(!doctor_dns_is_sound(&dns, 1));
	delegate("127.0.0.1:53", good_answer());
	ck_assert(!doctor_dns_is_sound(&dns, 1));
	delegate("203.0.113.10:53", good_answer());
	dns.nameservers[0].says.tcp.status = DOCTOR_UNASKED + 1;
	ck_assert(!doctor_dns_is_sound(&dns, 1));
	dns.nameservers_len = 0;
	dns.servers[0].udp.apex.len = 200;
	ck_assert(!doctor_dns_is_sound(&dns, 1));
}
END_TEST

Suite *suite_doctor(void)
{
	const struct {
		const char *name;
		const TTest *tests[9];
	} cases[] = {
	    {"host", {where_all_is_well_nothing_is_wrong, a_clock_in_the_past, a_clock_that_was_set_back, a_registry_with_another_clock,
	                 settings_that_lack_something}},
	    {"device", {a_device_that_cannot_be_read, a_device_that_is_down, a_device_without_a_key_or_peers, an_mtu_that_does_not_fit,
	                   an_endpoint_inside_the_tunnel, a_peer_whose_allowed_ips_were_taken}},
	    {"servers", {a_server_that_one_transport_does_not_reach, a_server_outside_the_tunnel_that_is_silent,
	                    a_server_in_a_tunnel_that_is_dead, a_zone_that_is_not_served, a_delegation_that_is_wrong}},
	    {"peers", {a_host_that_the_registry_has_not_seen, a_registry_behind_a_resolver, a_nat_and_no_keepalive, a_host_that_others_see_elsewhere, a_symmetric_nat,
	                  peers_that_cannot_be_reached, peers_that_run_has_no_path_to, nothing_that_keeps_the_paths, a_daemon_that_hears_nothing}},
	    {"asker", {what_the_asker_says_is_judged}},
	};
	Suite *s = suite_create("doctor");

	for (size_t i = 0; i < COUNT(cases); i++) {
		TCase *tc = tcase_create(cases[i].name);

		tcase_add_checked_fixture(tc, setup, teardown);
		for (size_t k = 0; k < COUNT(cases[i].tests) && cases[i].tests[k] != NULL; k++)
			tcase_add_test(tc, cases[i].tests[k]);
		suite_add_tcase(s, tc);
	}
	return s;
}
