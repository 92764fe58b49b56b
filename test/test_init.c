/* Questions, and what follows from the answers: the plan, the file, the records. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "init.h"
#include "log.h"
#include "options.h"
#include "suites.h"
#include "util.h"

static struct init_host host;
static struct init_plan plan;
static char *text;
static size_t text_len;

/* A device with two peers, on a host with a public address. */
static void setup(void)
{
	static const char *const own[] = {"192.0.2.1", "2001:db8::1", "192.168.7.1", "10.9.0.1", "fd00:9::1"};
	struct init_device *d = &host.devices[0];

	memset(&host, 0, sizeof(host));
	memset(&plan, 0, sizeof(plan));
	util_device(&d->dev, 2);
	d->up = true;
	d->addrs[d->addrs_len++] = util_endpoint("10.9.0.1");
	d->addrs[d->addrs_len++] = util_endpoint("fd00:9::1");
	host.devices_len = 1;
	host.public_addrs[host.public_len++] = util_endpoint("192.0.2.1");
	host.public_addrs[host.public_len++] = util_endpoint("2001:db8::1");
	host.private_addrs[host.private_len++] = util_endpoint("192.168.7.1");
	for (size_t i = 0; i < COUNT(own); i++)
		host.own_addrs[host.own_len++] = util_endpoint(own[i]);
	plan.file = "/etc/wgmeet/wgmeetd.conf";
	plan.device = d;
	init_value_set(&plan, "Device", "wg0");
}

static void teardown(void)
{
	init_plan_free(&plan);
	init_host_free(&host);
	free(text);
	text = NULL;
}

/* What it prints is in `text`. */
static void print(void (*fn)(FILE *))
{
	FILE *fp;

	free(text);
	fp = open_memstream(&text, &text_len);
	ck_assert_ptr_nonnull(fp);
	fn(fp);
	ck_assert_int_eq(fclose(fp), 0);
}

static void print_file(FILE *out)
{
	init_print_file(&plan, out);
}

static void print_records(FILE *out)
{
	init_print_records(&plan, &host, out);
}

static void print_peers(FILE *out)
{
	init_print_peers(&plan, out);
}

static void print_start(FILE *out)
{
	init_print_start(&plan, &host, out);
}

static void decide(const char *zone, const char *listen, const char *self)
{
	ck_assert_ptr_null(init_take_zone(zone, &plan));
	ck_assert_ptr_null(init_take_listen(listen, &plan));
	ck_assert_ptr_null(init_take_self(self, &plan));
	init_plan_finish(&plan, &host);
}

static bool has(const char *line)
{
	return text != NULL && strstr(text, line) != NULL;
}

/* ---- answers ---- */

START_TEST(a_zone_is_a_name)
{
	static const char *const wrong[] = {"", ".", "a..b", "a b", "a;b", "a#b", "b\303\274cher", "a/b", "\"a\"", "10.9.0.1", "fd00::1", "a\\046b",
	    "a234567890123456789012345678901234567890123456789012345678901234.example",
	    "a23456789012345678901234567890123456789012345.b23456789012345678901234567890123456789012345."
	    "c23456789012345678901234567890123456789012345.d234567890123456789.example"};

	for (size_t i = 0; i < COUNT(wrong); i++)
		ck_assert_msg(init_take_zone(wrong[i], &plan) != NULL, "%s", wrong[i]);
	ck_assert_ptr_null(init_value(&plan, "Name"));
	ck_assert_ptr_null(init_take_zone("WG.Example.com.", &plan));
	ck_assert_str_eq(init_value(&plan, "Name"), "wg.example.com");
	ck_assert_ptr_null(init_take_zone("_x.home.arpa", &plan));
}
END_TEST

START_TEST(a_list_of_addresses)
{
	ck_assert_ptr_nonnull(init_take_listen("", &plan));
	ck_assert_ptr_nonnull(init_take_listen("10.9.0.1,", &plan));
	ck_assert_ptr_nonnull(init_take_listen("10.9.0.1, here", &plan));
	ck_assert_ptr_nonnull(init_take_listen("10.9.0.1:0", &plan));
	ck_assert_ptr_null(init_take_listen("10.9.0.1, [fd00:9::1]:5300,192.0.2.1", &plan));
	ck_assert_uint_eq(plan.listen.len, 3);
	ck_assert_uint_eq(plan.listen.at[0].at.port, 53);
	ck_assert_uint_eq(plan.listen.at[1].at.port, 5300);
	ck_assert_ptr_null(init_take_listen("%wg0", &plan));
	ck_assert_str_eq(plan.listen.at[0].device, "wg0");
}
END_TEST

START_TEST(an_endpoint_of_its_own)
{
	ck_assert_ptr_null(init_take_self("198.51.100.9", &plan));
	ck_assert_str_eq(init_value(&plan, "Self"), "198.51.100.9:51820");
	ck_assert_ptr_null(init_take_self("198.51.100.9:7", &plan));
	ck_assert_str_eq(init_value(&plan, "Self"), "198.51.100.9:7");
	ck_assert_ptr_null(init_take_self("2001:db8::9", &plan));
	ck_assert_str_eq(init_value(&plan, "Self"), "[2001:db8::9]:51820");
	ck_assert_ptr_null(init_take_self("AUTO", &plan));
	ck_assert_str_eq(init_value(&plan, "Self"), "auto");
	ck_assert_ptr_nonnull(init_take_self("198.51.100.9:0", &plan));
	ck_assert_ptr_nonnull(init_take_self("127.0.0.1", &plan));
	ck_assert_ptr_nonnull(init_take_self("vpn.example.com", &plan));
	ck_assert_ptr_nonnull(init_take_self("fe80::1%1", &plan));
	host.devices[0].dev.listen_port = 0;
	ck_assert_ptr_nonnull(init_take_self("198.51.100.9", &plan));
	ck_assert_ptr_null(init_take_self("198.51.100.9:7", &plan));
}
END_TEST

static const char *fine(const char *answer, void *data)
{
	(void)data;
	return strcmp(answer, "fine") == 0 ? NULL : "that will not do";
}

struct dialog {
	const char *in;
	size_t in_len;
	const char *fallback;
	bool yes;
} dialog;

static void ask(void *arg)
{
	char answer[INIT_ANSWER];
	FILE *in = fmemopen((void *)(uintptr_t)dialog.in, dialog.in_len, "r");
	struct init_dialog d = {.in = in, .out = stderr, .yes = dialog.yes};

	(void)arg;
	CHILD_CHECK(in != NULL);
	log_init("wgmeetd", false);
	init_ask(&d, "How is it", "how", dialog.fallback, fine, NULL, answer);
	CHILD_CHECK(strcmp(answer, "fine") == 0);
}

/* Returns the exit status. */
static int asked(const char *in, size_t len, const char *fallback, bool yes, char said[4096])
{
	int status;

	dialog = (struct dialog){.in = in, .in_len = len, .fallback = fallback, .yes = yes};
	status = util_child(ask, NULL, said, 4096);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define ASKED(in, fallback, yes) asked(in, sizeof(in) - 1, fallback, yes, said)

START_TEST(a_question)
{
	char said[4096], *lines = malloc(3 << 20);

	ck_assert_int_eq(ASKED("fine\n", NULL, false), 0);
	ck_assert_str_eq(said, "How is it: ");
	ck_assert_int_eq(ASKED(" \t fine \r\n", NULL, false), 0);
	ck_assert_int_eq(ASKED("\n", "fine", false), 0);
	ck_assert_str_eq(said, "How is it [fine]: ");
	ck_assert_int_eq(ASKED("bad\n\nfine\n", NULL, false), 0);
	ck_assert(strstr(said, "that will not do") != NULL && strstr(said, "no default") != NULL);
	ck_assert_int_eq(ASKED("1\n2\n3\n4\n5\nfine\n", NULL, false), EXIT_USAGE);
	ck_assert(strstr(said, "No answer of 5") != NULL && strstr(said, "--how") != NULL);
	ck_assert_int_eq(ASKED("fine", NULL, false), EXIT_USAGE); /* the end of the file, and not of the line */
	ck_assert_int_eq(ASKED("fi\033ne\nfi\0ne\nfine\n", NULL, false), 0);
	ck_assert(strstr(said, "control characters") != NULL && strchr(said, '\033') == NULL);
	/* With --yes nothing is read. */
	ck_assert_int_eq(ASKED("bad\n", "fine", true), 0);
	ck_assert_str_eq(said, "");
	ck_assert_int_eq(ASKED("fine\n", NULL, true), EXIT_USAGE);
	ck_assert(strstr(said, "give --how") != NULL);
	ck_assert_int_eq(ASKED("fine\n", "bad", true), EXIT_USAGE);
	memset(lines, 'x', 3 << 20);
	ck_assert_int_eq(asked(lines, 3 << 20, NULL, false, said), EXIT_USAGE);
	ck_assert(strstr(said, "no end") != NULL);
	memcpy(lines + 1000, "\nfine\n", 6);
	ck_assert_int_eq(asked(lines, 1006, NULL, false, said), 0);
	ck_assert(strstr(said, "too long") != NULL);
	free(lines);
}
END_TEST

START_TEST(a_fixed_port)
{
	static const struct {
		const char *file;
		enum init_port what;
	} files[] = {
	    {"[Interface]\nListenPort = 51820\n", INIT_PORT_FIXED},
	    {"[Interface]\n  listenport=51820 # here\n", INIT_PORT_FIXED},
	    {"[Interface]\nPrivateKey = ListenPort = 51820\n", INIT_PORT_RANDOM},
	    {"[Interface]\n#ListenPort = 51820\n", INIT_PORT_RANDOM},
	    {"[Interface]\nListenPort = 0\n", INIT_PORT_RANDOM},
	    {"[Interface]\nListenPort = 51821\n", INIT_PORT_UNKNOWN},
	    {"\n", INIT_PORT_RANDOM},
	};

	for (size_t i = 0; i < COUNT(files); i++) {
		FILE *fp = fmemopen((void *)(uintptr_t)files[i].file, strlen(files[i].file), "r");

		ck_assert_msg(init_port_of(fp, 51820) == files[i].what, "%s", files[i].file);
		fclose(fp);
	}
}
END_TEST

/* ---- what follows ---- */

START_TEST(in_the_tunnel)
{
	char at[ENDPOINT_TEXT];

	decide("wg.example.com", "10.9.0.1, fd00:9::1", "auto");
	ck_assert(!plan.in_public);
	ck_assert_str_eq(endpoint_to_text(&plan.server, at), "10.9.0.1:53");
	ck_assert_str_eq(init_value(&plan, "SelfAllowedIPs"), "10.9.0.1/32, fd00:9::1/128");
	ck_assert_ptr_null(init_value(&plan, "NameServer"));
	ck_assert_ptr_null(init_value(&plan, "AllowBrowse"));
	ck_assert_ptr_null(init_value(&plan, "ObserverUser"));
	print(print_records);
	ck_assert(has("into the zone example.com:"));
	ck_assert(has("\n  wg.example.com.     3600  IN  NS    ns.wg.example.com.\n"));
	ck_assert(has("\n  ns.wg.example.com.  3600  IN  A     192.0.2.1\n"));
	ck_assert(has("\n  ns.wg.example.com.  3600  IN  AAAA  2001:db8::1\n"));
	ck_assert(has("none of\nthese records is") && has("in the tunnel only: a delegation also takes `Listen ="));
	print(print_peers);
	ck_assert(has("On each peer") && has("  [Client]\n  Zone = wg.example.com\n  Server = 10.9.0.1\n"));
	print(print_start);
	ck_assert(has("\n  wgmeetd\n  dig @10.9.0.1 PTR _wireguard._udp.wg.example.com\n"));
	host.has_systemd = true;
	print(print_start);
	ck_assert(has("\n  systemctl enable --now wgmeetd\n"));
}
END_TEST

START_TEST(in_public)
{
	decide("wg.example.com", "10.9.0.1, 192.0.2.1", "none");
	ck_assert(plan.in_public);
	ck_assert_str_eq(init_value(&plan, "NameServer"), "ns.wg.example.com 192.0.2.1");
	ck_assert_str_eq(init_value(&plan, "AllowBrowse"), "tunnel");
	ck_assert_ptr_null(init_value(&plan, "SelfAllowedIPs"));
	ck_assert_uint_eq(plan.server.addr[0], 10);
	print(print_records);
	ck_assert(has("A     192.0.2.1") && !has("AAAA") && !has("in the tunnel only"));
	print(print_start);
	ck_assert(has("  dig @10.9.0.1 SOA wg.example.com\n"));
	print(print_file);
	ck_assert(has("\nListen = 10.9.0.1, 192.0.2.1\n") && has("\n#Self = auto\n"));
}
END_TEST

START_TEST(at_all_addresses)
{
	host.devices[0].root_socket = true;
	decide("wg.example.com", "0.0.0.0, ::", "auto");
	ck_assert_str_eq(init_value(&plan, "NameServer"), "ns.wg.example.com 192.0.2.1 2001:db8::1");
	ck_assert_str_eq(init_value(&plan, "ObserverUser"), "root");
	ck_assert_uint_eq(plan.server.addr[0], 10);
}
END_TEST

START_TEST(at_a_device)
{
	char at[ENDPOINT_TEXT];

	decide("wg.example.com", "%wg0:5300", "auto");
	ck_assert(!plan.in_public);
	ck_assert_str_eq(endpoint_to_text(&plan.server, at), "10.9.0.1:5300");
}
END_TEST

START_TEST(behind_a_nat)
{
	char at[ENDPOINT_TEXT];

	host.public_len = 0;
	decide("wg.example.com", "192.168.7.1:5300", "198.51.100.9:7");
	ck_assert_str_eq(init_value(&plan, "NameServer"), "ns.wg.example.com 198.51.100.9");
	ck_assert_str_eq(endpoint_to_text(&plan.server, at), "198.51.100.9:5300");
	print(print_peers);
	ck_assert(has("  Server = 198.51.100.9:5300\n") && !has("AllowedIPs"));
	print(print_records);
	ck_assert(has("A     198.51.100.9\n"));
}
END_TEST

/* Peers ask where it answers, and not where this host's WireGuard is. */
START_TEST(at_an_address_that_is_not_there)
{
	char at[ENDPOINT_TEXT];

	decide("wg.example.com", "10.9.0.77", "198.51.100.99");
	ck_assert_str_eq(endpoint_to_text(&plan.server, at), "10.9.0.77:53");
	ck_assert_str_eq(init_value(&plan, "NameServer"), "ns.wg.example.com 10.9.0.77");
	print(print_peers);
	ck_assert(has("  Server = 10.9.0.77\n"));
	print(print_start);
	ck_assert(has("  dig @10.9.0.77 SOA wg.example.com\n"));
	init_plan_free(&plan);
	plan.file = "conf";
	plan.device = &host.devices[0];
	host.public_len = 0;
	decide("wg.example.com", "0.0.0.0", "198.51.100.99"); /* all that the NAT forwards */
	ck_assert_str_eq(init_value(&plan, "NameServer"), "ns.wg.example.com 198.51.100.99");
}
END_TEST

/* Whoever is behind another device than the tunnel's is not a peer. */
START_TEST(a_device_to_listen_on)
{
	decide("wg.example.com", "%eth0", "auto");
	ck_assert(plan.in_public);
	ck_assert_str_eq(init_value(&plan, "AllowBrowse"), "tunnel");
	init_plan_free(&plan);
	plan.device = &host.devices[0];
	decide("wg.example.com", "%wg0", "auto");
	ck_assert(!plan.in_public);
	ck_assert_ptr_null(init_value(&plan, "AllowBrowse"));
}
END_TEST

/* Nothing leads to it from outside, and nobody needs to. */
START_TEST(without_a_public_address)
{
	host.public_len = 0;
	decide("lan", "10.9.0.1", "none");
	print(print_records);
	ck_assert_str_eq(text, "\nNobody delegates lan: peers name the server, as below.\n");
	ck_assert_ptr_null(init_take_zone("wg.home.arpa", &plan));
	init_plan_finish(&plan, &host);
	print(print_records);
	ck_assert_str_eq(text, "\nNobody delegates wg.home.arpa: peers name the server, as below.\n");
	ck_assert_ptr_null(init_take_zone("wg", &plan));
	init_plan_finish(&plan, &host);
	print(print_records);
	ck_assert_str_eq(text, "\nNobody delegates wg: peers name the server, as below.\n");
	ck_assert_ptr_null(init_take_zone("wg.example.com", &plan));
	init_plan_finish(&plan, &host);
	print(print_records);
	ck_assert(has("no public address, so there is nothing to delegate to"));
}
END_TEST

/* ---- text ---- */

static void read_back(void *arg)
{
	static struct config config;
	char *argv[] = {(char[]){"wgmeetd"}, (char[]){"-c"}, arg, NULL};

	CHILD_CHECK(config_read(&config, NULL, 3, argv) == 0);
	CHILD_CHECK(config.zones_len == 1 && strcmp(config.zones[0].device, "wg0") == 0);
	CHILD_CHECK(config.server.listen.len == 20);
	CHILD_CHECK(config.zones[0].self_allowed.len == 40);
	CHILD_CHECK(config.zones[0].self.is_auto);
	CHILD_CHECK(config.zones[0].ttl_s == 33);
	CHILD_CHECK(config.zones[0].name_servers.len == 2);
}

START_TEST(the_file_is_read_back)
{
	char dir[64], path[80], value[64], list[2048] = "";

	util_tmpdir(dir);
	snprintf(path, sizeof(path), "%s/conf", dir);
	for (int i = 1; i <= 20; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s[2001:db8:1111:2222:3333:4444:5555:%x]:5300", i > 1 ? "," : "", i);
	for (int i = 1; i <= 40; i++) {
		snprintf(value, sizeof(value), "10.%d.0.0/24", i);
		init_value_add(&plan, "SelfAllowedIPs", value);
	}
	init_value_set(&plan, "TTL", "33");
	init_value_add(&plan, "NameServer", "ns1.wg.example.com 192.0.2.1 2001:db8::1, ns.example.net");
	decide("wg.example.com", list, "auto");
	print(print_file);
	for (char *line = text; line != NULL; line = strchr(line + 1, '\n'))
		ck_assert_uint_le(strcspn(line + 1, "\n"), 198);
	util_write_file(path, text, text_len);
	util_in_child("the_file_is_read_back", read_back, path);
	util_rmdir(dir);
}
END_TEST

/* A key that is added to the table is in the file, too, and better with a comment of its own. */
START_TEST(the_file_has_all_keys)
{
	char line[128];

	decide("wg.example.com", "10.9.0.1", "auto");
	print(print_file);
	for (size_t i = 0; i < config_options_len; i++) {
		snprintf(line, sizeof(line), "\n%s = ", config_options[i].key);
		if (!has(line))
			snprintf(line, sizeof(line), "\n#%s =", config_options[i].key);
		ck_assert_msg(has(line), "%s", config_options[i].key);
	}
	ck_assert(has("# This one is 10.0.0.1/32:\n#[Peer]\n"));
}
END_TEST

Suite *suite_init(void)
{
	Suite *s = suite_create("init");
	TCase *t = tcase_create("init");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_zone_is_a_name);
	tcase_add_test(t, a_list_of_addresses);
	tcase_add_test(t, an_endpoint_of_its_own);
	tcase_add_test(t, a_question);
	tcase_add_test(t, a_fixed_port);
	tcase_add_test(t, in_the_tunnel);
	tcase_add_test(t, in_public);
	tcase_add_test(t, at_all_addresses);
	tcase_add_test(t, at_a_device);
	tcase_add_test(t, behind_a_nat);
	tcase_add_test(t, at_an_address_that_is_not_there);
	tcase_add_test(t, a_device_to_listen_on);
	tcase_add_test(t, without_a_public_address);
	tcase_add_test(t, the_file_is_read_back);
	tcase_add_test(t, the_file_has_all_keys);
	suite_add_tcase(s, t);
	return s;
}
