/* What is said of a host: each fault by its cause, with what helps. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init.h"
#include "suites.h"
#include "util.h"

#define NOW_S 1800000000

static struct init_host host;
static struct init_plan plan;
static struct init_device *d;
static struct init_held held[2];
static size_t held_len;
static struct init_report report;
static char *text;
static size_t text_len;

/* Nothing is wrong with it. */
static void setup(void)
{
	static const char *const own[] = {"192.0.2.1", "192.168.7.1", "10.9.0.1"};

	memset(&host, 0, sizeof(host));
	memset(&plan, 0, sizeof(plan));
	d = &host.devices[0];
	util_device(&d->dev, 2);
	for (size_t i = 0; i < d->dev.peers_len; i++)
		d->dev.peers[i].last_handshake_s = NOW_S - 20;
	d->up = true;
	d->port = INIT_PORT_FIXED;
	d->addrs[d->addrs_len++] = util_endpoint("10.9.0.1");
	host.devices_len = 1;
	host.has_admin = host.clock_synced = host.has_user = host.has_observer = host.has_state_directory = true;
	host.public_addrs[host.public_len++] = util_endpoint("192.0.2.1");
	host.private_addrs[host.private_len++] = util_endpoint("192.168.7.1");
	for (size_t i = 0; i < COUNT(own); i++)
		host.own_addrs[host.own_len++] = util_endpoint(own[i]);
	host.now_s = NOW_S;
	snprintf(host.wan, sizeof(host.wan), "eth0");
	host.ruleset = strdup("{\"nftables\":[]}");
	plan.file = "conf";
	plan.device = d;
	held_len = 0;
}

static void teardown(void)
{
	init_plan_free(&plan);
	init_host_free(&host);
	free(text);
	text = NULL;
}

static void judge_zone_as(const char *zone, const char *listen, const char *self)
{
	free(text);
	report = (struct init_report){.out = open_memstream(&text, &text_len)};
	ck_assert_ptr_nonnull(report.out);
	ck_assert_ptr_null(init_take_zone(zone, &plan));
	ck_assert_ptr_null(init_take_listen(listen, &plan));
	ck_assert_ptr_null(init_take_self(self, &plan));
	init_plan_finish(&plan, &host);
	init_judge_devices(&host, &report);
	init_judge_all(&host, &plan, held, held_len, &report);
	ck_assert_int_eq(fclose(report.out), 0);
}

static void judge_as(const char *listen, const char *self)
{
	judge_zone_as("wg.example.com", listen, self);
}

static void judge(void)
{
	judge_as("10.9.0.1", "auto");
}

/* A line that begins so, has that, and behind it one that says what to do. */
static void says(const char *level, const char *cause, const char *remedy)
{
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\n");
		const char *next = line + len + 1;

		if (strncmp(line, level, strlen(level)) != 0 || memmem(line, len, cause, strlen(cause)) == NULL)
			continue;
		while (*next != ' ' && *next != '\0') /* of several alike */
			next += strcspn(next, "\n") + 1;
		if (remedy == NULL || memmem(next, strcspn(next, "\n"), remedy, strlen(remedy)) != NULL)
			return;
	}
	ck_abort_msg("not said: %s: %s -> %s\n%s", level, cause, remedy != NULL ? remedy : "", text);
}

START_TEST(nothing_is_wrong)
{
	judge();
	ck_assert_msg(report.warnings == 0 && report.failures == 0, "%s", text);
	ck_assert(strstr(text, "->") == NULL);
}
END_TEST

START_TEST(the_device)
{
	d->up = false;
	judge();
	says("fail", "wg0 is down", "ip link set wg0 up");
	d->dev.has_public_key = false;
	judge();
	says("fail", "no private key", "wg genkey");
	d->addrs_len = 0;
	judge_as("192.0.2.1", "auto");
	says("warn", "wg0 has no address", "Address =");
	host.devices_len = 0;
	host.kernel_error = -ENOENT;
	judge();
	says("fail", "this kernel has no WireGuard", "modprobe wireguard");
	host.kernel_error = 0;
	judge();
	says("fail", "there is no WireGuard device here", "wg-quick up wg0");
	host.kernel_error = -EPERM;
	host.has_admin = false;
	judge();
	says("fail", "CAP_NET_ADMIN", "--cap-add=NET_ADMIN");
	ck_assert(strstr(text, "no WireGuard device") == NULL);
	host.devices_len = 1;
}
END_TEST

#define EXAMPLE "/usr/share/doc/wgmeetd/examples/wgmeetd-userspace.conf"
#define INSTALL "install -D -m 644 -t /etc/systemd/system/wgmeetd.service.d " EXAMPLE

START_TEST(the_socket_of_root)
{
	d->userspace = d->root_socket = true;
	host.drop_in = EXAMPLE;
	plan.file = CONFIG_FILE;
	judge();
	says("ok", "so the observer stays root", NULL);
	ck_assert(strstr(text, "drop-in") == NULL);
	host.has_systemd = true;
	judge();
	says("warn", "its socket is root's, which the service is not", "`" INSTALL "`, and `systemctl daemon-reload`");
	host.drop_in = NULL;
	judge();
	says("warn", "without the drop-in wgmeetd-userspace.conf", "into /etc/systemd/system/wgmeetd.service.d");
	plan.file = "conf"; /* which no service reads */
	judge();
	says("ok", "so the observer stays root", NULL);
	plan.file = CONFIG_FILE;
	host.has_drop_in = true;
	judge();
	says("ok", "so the observer stays root", NULL);
	ck_assert_uint_eq(report.warnings, 0);
}
END_TEST

/* What is to be typed is in the order in which it works. */
START_TEST(the_start)
{
	d->userspace = d->root_socket = host.has_systemd = true;
	host.drop_in = EXAMPLE;
	plan.file = CONFIG_FILE;
	for (int has = 0; has < 2; has++) {
		host.has_drop_in = has == 1;
		judge();
		free(text);
		report.out = open_memstream(&text, &text_len);
		ck_assert_ptr_nonnull(report.out);
		init_print_start(&plan, &host, report.out);
		ck_assert_int_eq(fclose(report.out), 0);
		ck_assert_msg((strstr(text, "  " INSTALL "\n  systemctl daemon-reload\n  systemctl enable --now wgmeetd\n") != NULL) == (has == 0),
		    "%s", text);
		ck_assert_ptr_nonnull(strstr(text, "\n  systemctl enable --now wgmeetd\n"));
	}
}
END_TEST

START_TEST(the_port)
{
	d->port = INIT_PORT_RANDOM;
	judge();
	says("fail", "chosen at random", "ListenPort = 51820");
	d->port = INIT_PORT_UNKNOWN;
	judge(); /* nobody chooses this one at random */
	says("ok", "listens on 51820", NULL);
	d->dev.listen_port = 40123;
	judge();
	says("warn", "cannot tell whether wg0 has the port 40123", "ListenPort = 40123");
	d->dev.listen_port = 0;
	judge();
	says("fail", "listens on no port", "wg set wg0 listen-port");
}
END_TEST

START_TEST(the_address)
{
	judge_as("10.9.0.1", "none");
	says("ok", "not published", NULL);
	judge_as("10.9.0.1", "192.0.2.1");
	says("ok", "reach this host at 192.0.2.1", NULL);
	judge_as("10.9.0.1", "192.168.7.1");
	says("warn", "private address", "--self");
	judge_as("10.9.0.1", "198.51.100.9:7");
	says("warn", "behind a NAT", "forward its UDP port 7 to 192.168.7.1, UDP port 51820");
	host.public_len = 0;
	judge();
	says("fail", "no public address", "--self ADDR:PORT");
}
END_TEST

START_TEST(the_zone)
{
	static const struct {
		const char *zone, *level, *says, *remedy;
	} zones[] = {
	    {"wg.example.com", "ok", "wg.example.com", NULL}, {"wg.local", "warn", "wg.local is in local", "wg.home.arpa"},
	    {"com", "warn", "com has no dot", "wg.home.arpa"}, {"example.com", "warn", "example.com is a whole domain", "wg.example.com"},
	    {"wg.lan", "ok", "wg.lan", NULL}, {"wg.test", "ok", "wg.test", NULL}, {"home.arpa", "ok", "home.arpa", NULL},
	};

	for (size_t i = 0; i < COUNT(zones); i++) {
		judge_zone_as(zones[i].zone, "10.9.0.1", "auto");
		says(zones[i].level, zones[i].says, zones[i].remedy);
	}
}
END_TEST

START_TEST(where_to_listen)
{
	judge_as("10.9.0.99", "auto");
	says("warn", "this host has no address 10.9.0.99", "--listen");
	judge_as("192.0.2.1:5300", "auto");
	says("warn", "cannot be delegated", "port 53");
	judge_as("127.0.0.1", "auto");
	says("warn", "no peer can ask", "address of wg0");
}
END_TEST

START_TEST(who_holds_a_port)
{
	static const struct {
		const char *owner, *remedy;
	} owners[] = {
	    {"systemd-resolve (pid 7)", "DNSStubListener=no"}, {"dnsmasq (pid 7)", "listen-address="}, {"named (pid 7)", "listen-on"},
	    {"unbound (pid 7)", "interface:"}, {"wgmeetd (pid 7)", "systemctl stop wgmeetd"}, {"the kernel (...)", "another port"},
	    {"pihole-FTL (pid 7)", "--listen"}, {"", "--listen"},
	};

	for (size_t i = 0; i < COUNT(owners); i++) {
		held_len = 1;
		held[0] = (struct init_held){.at.at = util_endpoint("10.9.0.1:53"), .tcp = i % 2 == 1, .error = EADDRINUSE};
		snprintf(held[0].owner, sizeof(held[0].owner), "%s", owners[i].owner);
		judge();
		says("fail", i % 2 == 1 ? "10.9.0.1:53 (TCP) is held by" : "10.9.0.1:53 (UDP) is held by", owners[i].remedy);
		says("fail", owners[i].owner, NULL);
	}
	snprintf(held[0].owner, sizeof(held[0].owner), "wgmeetd (pid 7)");
	plan.dry_run = true;
	judge();
	says("ok", "is held by wgmeetd itself", NULL);
	plan.dry_run = false;
	/* Over both it is one line, if it is the same. */
	held_len = 2;
	held[1] = held[0];
	held[1].tcp = !held[0].tcp;
	judge();
	says("fail", "10.9.0.1:53 (UDP and TCP) is held by wgmeetd", "systemctl stop wgmeetd");
	ck_assert_uint_eq(report.failures, 1);
	snprintf(held[1].owner, sizeof(held[1].owner), "unbound (pid 8)");
	judge();
	ck_assert_uint_eq(report.failures, 2);
	held_len = 1;
	held[0].error = EACCES;
	judge();
	says("fail", "Permission denied", "--listen");
	held_len = 0;
	snprintf(host.stub, sizeof(host.stub), "systemd-resolve (pid 7)");
	judge();
	says("ok", "systemd-resolve (pid 7) answers at 127.0.0.53 only", NULL);
}
END_TEST

START_TEST(the_system)
{
	host.has_user = false;
	judge();
	says("fail", "no user wgmeet", "useradd --system --no-create-home --shell /usr/sbin/nologin wgmeet`");
	host.has_observer = false;
	init_value_set(&plan, "ObserverUser", "eve");
	judge();
	says("fail", "no user eve", "nologin eve`");
	host.has_state_directory = false;
	judge();
	says("warn", "/var/lib/wgmeet", "install -d /var/lib/wgmeet");
	host.clock_synced = false;
	judge();
	says("warn", "nothing keeps it right", "timedatectl");
	host.now_s = 86400;
	judge();
	says("fail", "it says 1970-01-02", "timedatectl");
}
END_TEST

START_TEST(the_peers)
{
	d->dev.peers[0].last_handshake_s = NOW_S - 1020;
	judge();
	says("warn", "was last seen 17 minutes ago", "PersistentKeepalive = 25");
	d->dev.peers[0].endpoint = (struct endpoint){0};
	judge();
	says("warn", "(10.0.0.1/32) was never seen", "Endpoint = 192.0.2.1:51820");
	d->dev.peers[1].endpoint = util_endpoint("192.168.7.9:51820");
	judge();
	says("warn", "seen at a private address, 192.168.7.9", "--private-endpoints");
	ck_assert_uint_eq(report.warnings, 2);
	init_value_set(&plan, "PrivateEndpoints", "yes");
	judge();
	ck_assert_uint_eq(report.warnings, 1);
	/* Ahead after a step of the clock is not old. */
	d->dev.peers[1].last_handshake_s = NOW_S + 5000;
	judge();
	ck_assert_uint_eq(report.warnings, 1);
	util_device(&d->dev, 30);
	judge();
	says("warn", "and 20 more like these", "PersistentKeepalive = 25");
	util_device(&d->dev, 0);
	judge();
	says("warn", "wg0 has no peers", "wg set wg0 peer");
}
END_TEST

#define DROPS(family, table, chain) \
	"{\"nftables\":[{\"chain\":{\"family\":\"" family "\",\"table\":\"" table "\",\"name\":\"" chain \
	"\",\"hook\":\"input\",\"policy\":\"drop\"}}]}"

static void use_rules(const char *json)
{
	free(host.ruleset);
	host.ruleset = json != NULL ? strdup(json) : NULL;
}

START_TEST(the_firewall)
{
	use_rules(DROPS("inet", "filter", "input"));
	judge();
	says("fail", "UDP and TCP port 53 over wg0, where peers ask, are dropped by the chain inet filter input",
	    "`nft insert rule inet filter input iifname wg0 'meta l4proto { tcp, udp } th dport 53 accept'`");
	says("fail", "UDP port 51820 over eth0, WireGuard's own", "iifname eth0 udp dport 51820 accept`");
	ck_assert_uint_eq(report.failures, 2);
	/* Of both families, once. */
	d->addrs[d->addrs_len++] = util_endpoint("fd00:9::1");
	host.public_addrs[host.public_len++] = util_endpoint("2001:db8::1");
	judge_as("10.9.0.1, fd00:9::1", "auto");
	ck_assert_uint_eq(report.failures, 2);
	use_rules(DROPS("ip6", "filter", "INPUT"));
	judge_as("10.9.0.1", "auto");
	says("fail", "UDP port 51820 over eth0", "ip6tables -I INPUT -i eth0 -p udp --dport 51820 -j ACCEPT`");
	ck_assert_uint_eq(report.failures, 1);
	host.public_len = d->addrs_len = 1;
	use_rules(DROPS("inet", "filter", "input"));
	judge_as("0.0.0.0", "auto");
	says("fail", "UDP and TCP port 53 over eth0, where resolvers ask", "iifname eth0 'meta l4proto { tcp, udp } th dport 53 accept'`");
	says("fail", "UDP and TCP port 53 over wg0, where peers ask", NULL);
	use_rules(DROPS("ip", "filter", "INPUT"));
	judge();
	says("fail", "UDP and TCP port 53 over wg0",
	    "`iptables -I INPUT -i wg0 -p udp --dport 53 -j ACCEPT && iptables -I INPUT -i wg0 -p tcp --dport 53 -j ACCEPT`");
	use_rules(DROPS("inet", "firewalld", "filter_INPUT"));
	judge();
	says("fail", "UDP and TCP port 53 over wg0", "firewall-cmd --permanent --add-port=53/udp --add-port=53/tcp && ");
	use_rules("{\"nftables\":[{\"chain\":{\"family\":\"ip\",\"table\":\"filter\",\"name\":\"ufw-user-input\"}},"
	          "{\"chain\":{\"family\":\"ip\",\"table\":\"filter\",\"name\":\"INPUT\",\"hook\":\"input\",\"policy\":\"drop\"}}]}");
	judge();
	says("fail", "UDP and TCP port 53 over wg0", "ufw allow in on wg0 to any port 53`");
	use_rules(DROPS("inet", "filter", "input"));
	judge_as("10.9.0.77", "198.51.100.99");
	says("fail", "UDP and TCP port 53, where it is asked, are dropped", "input 'meta l4proto { tcp, udp } th dport 53 accept'`");
	/* What is not the same over both is said of each. */
	use_rules("{\"nftables\":[{\"chain\":{\"family\":\"inet\",\"table\":\"t\",\"name\":\"c\",\"hook\":\"input\",\"policy\":\"drop\"}},"
	          "{\"rule\":{\"family\":\"inet\",\"table\":\"t\",\"chain\":\"c\",\"handle\":7,\"expr\":[{\"match\":{\"op\":\"==\",\"left\":"
	          "{\"payload\":{\"protocol\":\"tcp\",\"field\":\"dport\"}},\"right\":53}},{\"drop\":null}]}}]}");
	judge();
	says("fail", "UDP port 53 over wg0, where peers ask, is dropped by the chain inet t c: its policy", "iifname wg0 udp dport 53 accept`");
	says("fail", "TCP port 53 over wg0, where peers ask, is dropped by the chain inet t c: its rule", "iifname wg0 tcp dport 53 accept`");
	use_rules(DROPS("inet", "filter; reboot", "input"));
	judge();
	says("fail", "UDP and TCP port 53 over wg0, where peers ask, may be dropped by a chain of an odd name", "nft list ruleset");
	use_rules("{");
	judge();
	says("warn", "cannot tell whether UDP and TCP port 53", "nft list ruleset");
	use_rules(NULL);
	snprintf(host.rules_why, sizeof(host.rules_why), "nft is not installed");
	judge();
	says("warn", "cannot tell what it drops: nft is not installed", "UDP port 51820");
	use_rules("{\"nftables\":[]}");
	host.legacy_rules = true;
	judge();
	says("warn", "rules that nft does not show", "iptables-legacy -S INPUT");
}
END_TEST

Suite *suite_init_judge(void)
{
	Suite *s = suite_create("init_judge");
	TCase *t = tcase_create("init_judge");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, nothing_is_wrong);
	tcase_add_test(t, the_device);
	tcase_add_test(t, the_socket_of_root);
	tcase_add_test(t, the_start);
	tcase_add_test(t, the_port);
	tcase_add_test(t, the_address);
	tcase_add_test(t, the_zone);
	tcase_add_test(t, where_to_listen);
	tcase_add_test(t, who_holds_a_port);
	tcase_add_test(t, the_system);
	tcase_add_test(t, the_peers);
	tcase_add_test(t, the_firewall);
	suite_add_tcase(s, t);
	return s;
}
