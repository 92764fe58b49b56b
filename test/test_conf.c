#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf.h"
#include "config.h"
#include "suites.h"
#include "util.h"

/* ---- a table of our own ---- */

struct numbers {
	uint32_t at[4];
	size_t len;
};

struct thing {
	struct conf_target target;
	uint32_t number;
	bool flag;
	char text[8];
	char device[IFNAMSIZ];
	struct name name;
	struct numbers list;
};

static const char *parse_number(const struct conf_option *o, const char *value, void *place)
{
	struct numbers *list = place;

	if (list->len == COUNT(list->at))
		return "too many";
	return conf_parse_uint(o, value, &list->at[list->len++]);
}

#define OPTION(of, key, option, arg, parse, member) \
	.section = of, key, option, arg, "help for " key, parse, CONF_AT(thing, member)

static const struct conf_option options[] = {
    {OPTION("One", "Number", "number", "N", conf_parse_uint, number), .min = 5, .max = 4294967295},
    {OPTION("One", "Flag", "flag", NULL, conf_parse_bool, flag)},
    {OPTION("Many", "Text", "text", "TEXT", conf_parse_string, text)},
    {OPTION("Many", "Device", "device", "DEV", conf_parse_ifname, device)},
    {OPTION("Many", "Name", "name", "NAME", conf_parse_name, name)},
    {OPTION("Many", "List", "list", "N,...", parse_number, list), .max = 99, .list = true},
};

static struct thing one, many[3];
static size_t many_len;

static struct conf_target *begin(const char *section, void *data)
{
	ck_assert_ptr_eq(data, &many_len);
	if (strcmp(section, "One") == 0)
		return &one.target;
	return many_len < COUNT(many) ? &many[many_len++].target : NULL;
}

static struct conf conf;
static char dir[64], path[80], said[4096];

static void setup(void)
{
	memset(&one, 0, sizeof(one));
	memset(many, 0, sizeof(many));
	many_len = 0;
	conf = (struct conf){.options = options, .options_len = COUNT(options), .begin = begin, .data = &many_len};
	util_tmpdir(dir);
	snprintf(path, sizeof(path), "%s/conf", dir);
}

static void teardown(void)
{
	util_rmdir(dir);
}

static void read_text(const char *text)
{
	util_write_file(path, text, strlen(text));
	util_stderr_begin();
	ck_assert_int_eq(conf_read(&conf, path), 0);
	util_stderr_end(said, sizeof(said));
}

/* Is there a line of its own that says that of this line of the file? 0: of the file. */
static bool says(unsigned line, const char *what)
{
	char start[128];

	if (line > 0)
		snprintf(start, sizeof(start), "%s:%u: ", path, line);
	else
		snprintf(start, sizeof(start), "%s: ", path);
	for (const char *at = said; (at = strstr(at, start)) != NULL; at++) {
		const char *found = strstr(at, what);

		if (found != NULL && found < at + strcspn(at, "\n"))
			return true;
	}
	return false;
}

#define ck_says(line, what) ck_assert_msg(says(line, what), "no \"%s\" of line %d in:\n%s", what, line, said)

/* ---- the file ---- */

START_TEST(a_file_fills_its_sections)
{
	read_text("# a comment\n"
	          "\n"
	          "[One]\n"
	          "Number = 5\n"
	          "  \n"
	          "; another\n"
	          "[Many]\n"
	          "Text=abc\n"
	          "Name = wg.Example.com\n"
	          "[Many]\r\n"
	          "Text = \t d e \t \r\n"
	          "DEVICE = wg0\n"
	          "[One]\n"
	          "Flag = yes\n");
	ck_assert_str_eq(said, "");
	ck_assert_uint_eq(conf.errors, 0);
	ck_assert_uint_eq(one.number, 5);
	ck_assert(one.flag);
	ck_assert_uint_eq(many_len, 2);
	ck_assert_str_eq(many[0].text, "abc");
	ck_assert_uint_eq(many[0].target.line, 8);
	ck_assert_uint_eq(many[0].name.len, 16);
	ck_assert_str_eq(many[1].text, "d e");
	ck_assert_str_eq(many[1].device, "wg0");
	ck_assert_uint_eq(many[1].target.line, 11);
	ck_assert(conf_has(&conf, &many[0].target, "Name"));
	ck_assert(!conf_has(&conf, &many[1].target, "Name"));
	ck_assert(!conf_has(&conf, &many[0].target, "Device"));
}
END_TEST

START_TEST(a_last_line_without_an_end_counts)
{
	read_text("[One]\nNumber = 7");
	ck_assert_uint_eq(conf.errors, 0);
	ck_assert_uint_eq(one.number, 7);
}
END_TEST

START_TEST(comments_stand_behind_values)
{
	read_text("[Many]\nText = a#b # c # d\nDevice = wg0\t#x\n[One]\nNumber = 6 ; six\n");
	ck_assert_str_eq(said, "");
	ck_assert_str_eq(many[0].text, "a#b");
	ck_assert_str_eq(many[0].device, "wg0");
	ck_assert_uint_eq(one.number, 6);
}
END_TEST

START_TEST(keys_may_be_indented)
{
	read_text("[Many]\n  Text = abc\n  Device = wg0\n\tName = example.com\n");
	ck_assert_str_eq(said, "");
	ck_assert_str_eq(many[0].text, "abc");
	ck_assert_str_eq(many[0].device, "wg0");
	ck_assert_uint_eq(many[0].name.len, 13);
}
END_TEST

START_TEST(a_list_grows_by_commas_and_by_the_key_again)
{
	read_text("[Many]\nList = 1, 2 ,3\nText = x\nList = 4\n");
	ck_assert_str_eq(said, "");
	ck_assert_uint_eq(many[0].list.len, 4);
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_uint_eq(many[0].list.at[i], i + 1);
}
END_TEST

START_TEST(every_wrong_value_is_said_with_its_line)
{
	read_text("[One]\n"
	          "Number = 4\n"
	          "Flag = maybe\n"
	          "Colour = red\n"
	          "[Many]\n"
	          "Text = eight888\n"
	          "Device = a/b\n"
	          "Name = a..b\n"
	          "List = 1,,2\n"
	          "List = 100\n"
	          "Text = again\n"
	          "[None]\n"
	          "Key = 1\n"
	          "Other = 2\n"
	          "[One]\n"
	          "Flag = yes\n");
	ck_says(2, "from 5 to 4294967295");
	ck_says(3, "yes or no");
	ck_says(4, "no key Colour in [One]");
	ck_says(6, "too long");
	ck_says(7, "network device");
	ck_says(8, "domain name");
	ck_says(9, "empty");
	ck_says(10, "from 0 to 99");
	ck_says(11, "twice");
	ck_says(12, "no section [None]");
	ck_assert(!says(14, "")); /* once is enough */
	ck_says(16, "twice");
	ck_assert_uint_eq(conf.errors, 11);
}
END_TEST

START_TEST(every_line_that_is_none_is_said)
{
	read_text("[One]\nNumber\nFlag = yes\njunk\n[Many\nText = x\n");
	ck_says(2, "Key = Value");
	ck_says(4, "Key = Value");
	ck_says(5, "Key = Value");
	ck_assert_uint_ge(conf.errors, 3);
}
END_TEST

START_TEST(a_key_before_the_first_section_is_wrong)
{
	read_text("Number = 5\n[One]\nNumber = 6\n");
	ck_says(1, "before the first section");
	ck_assert_uint_eq(conf.errors, 1);
	ck_assert_uint_eq(one.number, 6);
}
END_TEST

START_TEST(a_section_too_many_is_not_begun)
{
	read_text("[Many]\nText=1\n[Many]\nText=2\n[Many]\nText=3\n[Many]\nText=4\nDevice=wg4\n");
	ck_assert_uint_eq(many_len, 3);
	ck_assert_str_eq(many[2].text, "3");
	ck_assert_str_eq(many[2].device, "");
}
END_TEST

START_TEST(a_line_that_is_too_long_is_said_and_stepped_over)
{
	char text[10000];
	int n = snprintf(text, sizeof(text), "[Many]\n#");

	memset(text + n, 'x', 4000); /* a comment may be as long as it likes */
	n += 4000;
	n += snprintf(text + n, sizeof(text) - (size_t)n, "\nText = ");
	memset(text + n, 'y', 4000);
	n += 4000;
	snprintf(text + n, sizeof(text) - (size_t)n, "\nDevice = wg0\n");
	read_text(text);
	ck_says(3, "longer than");
	ck_assert_uint_eq(conf.errors, 1);
	ck_assert_str_eq(many[0].device, "wg0");
	ck_assert_str_eq(many[0].text, "");
}
END_TEST

/* Values up to that length are taken whole, at every place around it. */
START_TEST(a_line_is_read_whole_or_said)
{
	for (size_t len = 150; len < 260; len++) {
		char text[400];
		int n = snprintf(text, sizeof(text), "[Many]\nList = ");

		memset(text + n, '0', len);
		snprintf(text + n + len, sizeof(text) - (size_t)n - len, "1\nDevice = wg0\n");
		many_len = 0;
		memset(many, 0, sizeof(many));
		conf.errors = 0;
		read_text(text);
		ck_assert_str_eq(many[0].device, "wg0");
		if (conf.errors == 0)
			ck_assert_uint_eq(many[0].list.at[0], 1);
		else
			ck_says(2, "longer than");
	}
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error)
{
	ck_assert_int_eq(conf_read(&conf, path), -ENOENT);
	ck_assert_int_eq(conf_read(&conf, "/dev/null/x"), -ENOTDIR);
	ck_assert_uint_eq(conf.errors, 0);
}
END_TEST

START_TEST(a_directory_is_said_to_be_wrong)
{
	util_stderr_begin();
	ck_assert_int_eq(conf_read(&conf, dir), -EISDIR);
	util_stderr_end(said, sizeof(said));
	ck_assert_uint_eq(conf.errors, 0);
}
END_TEST

START_TEST(any_octets_do_no_harm)
{
	uint64_t state = 1;
	char text[600];

	for (int i = 0; i < 300; i++) {
		static const char signs[] = "[]=,;# \t\n\r\\OneManyTextNumberList\"'0123456789";
		size_t len = util_random(&state) % sizeof(text);

		for (size_t j = 0; j < len; j++)
			text[j] = i % 2 ? signs[util_random(&state) % (sizeof(signs) - 1)] : (char)util_random(&state);
		many_len = 0;
		memset(many, 0, sizeof(many));
		memset(&one, 0, sizeof(one));
		util_write_file(path, text, len);
		util_stderr_begin();
		ck_assert_int_eq(conf_read(&conf, path), 0);
		util_stderr_end(said, sizeof(said));
	}
}
END_TEST

/* ---- the command line ---- */

static void set(size_t option, struct thing *to, const char *value)
{
	util_stderr_begin();
	conf_set(&conf, &options[option], &to->target, value);
	util_stderr_end(said, sizeof(said));
}

START_TEST(the_command_line_goes_before_the_file)
{
	struct thing args = {0};

	set(0, &args, "9");
	set(5, &args, "7,8");
	ck_assert_uint_eq(conf.errors, 0);
	read_text("[One]\nNumber = 5\nFlag = yes\n[Many]\nList = 1,2,3\nText = abc\n");
	conf_override(&conf, "One", &one.target, &args.target);
	ck_assert_uint_eq(one.number, 9);
	ck_assert(one.flag);
	ck_assert_uint_eq(one.list.len, 0); /* of another section */
	conf_override(&conf, "Many", &many[0].target, &args.target);
	ck_assert_uint_eq(many[0].list.len, 2);
	ck_assert_uint_eq(many[0].list.at[1], 8);
	ck_assert_str_eq(many[0].text, "abc");
	ck_assert(conf_has(&conf, &many[0].target, "List"));
}
END_TEST

START_TEST(what_is_wrong_on_the_command_line_is_said_with_the_option)
{
	struct thing args = {0};

	set(0, &args, "4");
	ck_assert_ptr_nonnull(strstr(said, "--number = 4: it must be a number from 5"));
	set(0, &args, "5");
	ck_assert_ptr_nonnull(strstr(said, "--number is given twice"));
	set(2, &args, "");
	ck_assert_ptr_nonnull(strstr(said, "--text"));
	ck_assert_uint_eq(conf.errors, 3);
}
END_TEST

/* There are no comments on a command line: the shell has taken them. */
START_TEST(a_number_sign_on_the_command_line_is_one)
{
	struct thing args = {0};

	set(2, &args, "a #b");
	ck_assert_str_eq(args.text, "a #b");
}
END_TEST

START_TEST(getopt_s_table_has_every_option)
{
	static const struct option more[] = {{"help", no_argument, NULL, 'h'}, {0}};
	const struct option *table = conf_getopt(&conf, more, 256);
	size_t n = 0;

	ck_assert_str_eq(table[0].name, "help");
	for (table++; table->name != NULL; table++, n++) {
		ck_assert_str_eq(table->name, options[n].option);
		ck_assert_int_eq(table->val, 256 + (int)n);
		ck_assert_int_eq(table->has_arg, options[n].arg != NULL ? required_argument : optional_argument);
	}
	ck_assert_uint_eq(n, COUNT(options));
}
END_TEST

/* ---- parsers ---- */

START_TEST(numbers_are_decimal_and_in_their_range)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {{"5", true}, {"4294967295", true}, {"0005", true}, {"4", false}, {"4294967296", false}, {"", false},
	    {"-5", false}, {"+5", false}, {" 5", false}, {"5 ", false}, {"0x10", false}, {"5s", false},
	    {"18446744073709551621", false}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint32_t n = 0;

		ck_assert_msg((conf_parse_uint(&options[0], cases[i].text, &n) == NULL) == cases[i].ok, "%s", cases[i].text);
	}
}
END_TEST

START_TEST(truth_has_a_few_words)
{
	static const char *const yes[] = {"yes", "true", "1", "on", "YES"}, *const no[] = {"no", "false", "0", "off", "No"};
	static const char *const none[] = {"", "y", "n", "2", "yess"};
	bool b;

	for (size_t i = 0; i < COUNT(yes); i++)
		ck_assert(conf_parse_bool(&options[1], yes[i], &b) == NULL && b);
	for (size_t i = 0; i < COUNT(no); i++)
		ck_assert(conf_parse_bool(&options[1], no[i], &b) == NULL && !b);
	for (size_t i = 0; i < COUNT(none); i++)
		ck_assert(conf_parse_bool(&options[1], none[i], &b) != NULL);
}
END_TEST

START_TEST(strings_fit_with_their_end)
{
	char text[8];

	ck_assert_ptr_null(conf_parse_string(&options[2], "1234567", text));
	ck_assert_str_eq(text, "1234567");
	ck_assert_ptr_nonnull(conf_parse_string(&options[2], "12345678", text));
	ck_assert_ptr_nonnull(conf_parse_string(&options[2], "", text));
}
END_TEST

START_TEST(device_names_are_the_kernel_s)
{
	static const char *const good[] = {"wg0", "fifteen-letters", "wg.0", "wg+"};
	static const char *const bad[] = {"", "sixteen-letters!", ".", "..", "a/b", "../x", "a b", "a\tb", "wg0:1"};
	char name[IFNAMSIZ];

	for (size_t i = 0; i < COUNT(good); i++)
		ck_assert_msg(conf_parse_ifname(&options[3], good[i], name) == NULL, "%s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(conf_parse_ifname(&options[3], bad[i], name) != NULL, "%s", bad[i]);
}
END_TEST

START_TEST(the_root_is_no_name_to_configure)
{
	struct name name;

	ck_assert_ptr_null(conf_parse_name(&options[4], "example.com.", &name));
	ck_assert_ptr_nonnull(conf_parse_name(&options[4], ".", &name));
	ck_assert_ptr_nonnull(conf_parse_name(&options[4], "", &name));
}
END_TEST

/* ---- the registry's own table ---- */

static struct config config;

static void read_config(void *arg)
{
	char *const *args = arg;
	unsigned errors;
	int argc = 0;

	while (args[argc] != NULL)
		argc++;
	errors = config_read(&config, NULL, argc, arg);
	if (errors > 0) {
		fprintf(stderr, "%u errors\n", errors);
		_exit(2);
	}
}

static void config_is_right(void *arg)
{
	static char *args[] = {(char *)"wgmeetd", (char *)"-c", NULL, (char *)"--ttl", (char *)"60", NULL};
	const struct zone_conf *z = &config.zones[0];
	char text[NAME_TEXT];

	args[2] = arg;
	read_config(args);
	CHILD_CHECK(config.zones_len == 1 && config.server.listen.len == 2 && config.server.workers == 3);
	CHILD_CHECK(config.server.listen.at[0].at.port == 53 && config.server.listen.at[1].at.port == 5353);
	CHILD_CHECK(strcmp(name_to_text(&z->name, text), "wg.example.com") == 0);
	CHILD_CHECK(strcmp(z->device, "wg0") == 0 && z->dump_file[0] == '\0' && strcmp(z->family, "wireguard") == 0);
	CHILD_CHECK(z->ttl_s == 60 && z->list_max == 900 && z->padded_names);
	CHILD_CHECK(z->name_servers.len == 1 && z->name_servers.at[0].addrs_len == 2);
	CHILD_CHECK(strcmp(name_to_text(&z->name_servers.at[0].name, text), "ns1.wg.example.com") == 0);
	CHILD_CHECK(z->self.endpoint.family == AF_INET && z->self.endpoint.port == 51820 && z->self_allowed.len == 2);
	CHILD_CHECK(!z->allow.given && !z->browse.given);
	CHILD_CHECK(config.server.rate_limit == 200 && config.server.slip == 1 && config.server.notify_port == 5354);
}

static void access_is_right(void *arg)
{
	static char *args[] = {(char *)"wgmeetd", (char *)"-c", NULL, NULL};
	const struct zone_conf *z = config.zones;
	const struct listen_list *l = &config.server.listen;

	args[2] = arg;
	read_config(args);
	CHILD_CHECK(config.zones_len == 3 && config.server.rate_limit == 0 && config.server.slip == 10);
	CHILD_CHECK(config.server.notify_port == 0);
	CHILD_CHECK(z[0].allow.given && z[0].allow.tunnel && !z[0].allow.all && z[0].allow.networks.len == 3);
	CHILD_CHECK(z[0].allow.networks.at[0].cidr == 8 && z[0].allow.networks.at[1].family == AF_INET6);
	CHILD_CHECK(z[0].allow.networks.at[2].cidr == 32 && z[0].allow.networks.at[2].addr[0] == 192);
	CHILD_CHECK(z[0].browse.given && !z[0].browse.tunnel && !z[0].browse.all && z[0].browse.networks.len == 0);
	CHILD_CHECK(z[1].allow.given && z[1].allow.all && !z[1].browse.given);
	CHILD_CHECK(z[2].browse.given && z[2].browse.tunnel && z[2].browse.networks.len == 0);
	/* The device's sockets are for all of its addresses: one a family. */
	CHILD_CHECK(l->len >= 3 && l->at[0].device[0] == '\0' && l->at[0].at.port == 53);
	CHILD_CHECK(strcmp(l->at[1].device, "wg0") == 0 && l->at[1].at.port == 53 && endpoint_addr_is_any(&l->at[1].at));
	CHILD_CHECK(strcmp(l->at[l->len - 1].device, "a-device-of-15.") == 0 && l->at[l->len - 1].at.port == 5353);
	CHILD_CHECK(l->at[1].at.family == AF_INET && (l->len == 3 || (l->len == 5 && l->at[2].at.family == AF_INET6)));
}

START_TEST(who_may_ask_is_read)
{
	static const char text[] =
	    "[Server]\nListen = 192.0.2.1, %wg0, %a-device-of-15.:5353\nRateLimit = 0\nRateLimitSlip = 10\n"
	    "NotifyPort = 0\n"
	    "[Zone]\nName = a.example\nDevice = wg0\nAllow = 10.0.0.0/8, fd00::/64, Tunnel\nAllow = 192.0.2.1/32\nAllowBrowse = none\n"
	    "[Zone]\nName = b.example\nDumpFile = /x\nAllow = ALL\n"
	    "[Zone]\nName = c.example\nDevice = wg1\nAllowBrowse = tunnel, none\n";

	util_write_file(path, text, strlen(text));
	util_in_child("who_may_ask_is_read", access_is_right, path);
}
END_TEST

START_TEST(a_whole_configuration_is_read)
{
	static const char text[] = "[Server]\nListen = 192.0.2.1, [2001:db8::1]:5353\nWorkers = 3\n"
	                           "[Zone]\nName = wg.example.com\nDevice = wg0\nNameServer = ns1.wg.example.com 192.0.2.1 "
	                           "2001:db8::1\nSelf = 192.0.2.1:51820\nSelfAllowedIPs = 10.0.0.254/32, fd00::/64\nTTL = 20\n";

	util_write_file(path, text, strlen(text));
	util_in_child("a_whole_configuration_is_read", config_is_right, path);
}
END_TEST

/* Each must be refused before anything is touched, and the value named. */
static const struct {
	const char *option, *value, *said;
} wrong[] = {
    {"--zone", "a..b", "domain name"},
    {"--zone", ".", "domain name"},
    {"--zone", "a/b.example", "slash"},
    {"--zone", "a\\047b.example", "slash"}, /* the same octet, escaped: the zone's name becomes a file's */
    {"--zone", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
               "xxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "too long"},
    {"--device", "a/b", "network device"},
    {"--ttl", "86401", "86400"},
    {"--ttl", "x", "86400"},
    {"--list-max", "901", "900"},
    {"--listen", "example.com:53", "ADDR"},
    {"--listen", "192.0.2.1:0", "ADDR"},
    {"--self", "192.0.2.1", "ADDR:PORT"},
    {"--self", "127.0.0.1:51820", "reach"},
    {"--self", "[fe80::1]:51820", "reach"},
    {"--self-allowed-ips", "10.0.0.0/33", "ADDR/BITS"},
    {"--name-server", "ns..x", "domain name"},
    {"--name-server", "ns.x 1.2.3", "address"},
    {"--name-server", ".", "domain name"}, /* what would NS and MNAME be? */
    {"--workers", "0", "64"},
    {"--listen", "%", "%DEVICE"},
    {"--listen", "%:53", "%DEVICE"},
    {"--listen", "%wg0:", "%DEVICE"},
    {"--listen", "%wg0:0", "%DEVICE"},
    {"--listen", "%wg0:65536", "%DEVICE"},
    {"--listen", "%wg0:-1", "%DEVICE"},
    {"--listen", "%wg0: 53", "%DEVICE"},
    {"--listen", "%wg0:53x", "%DEVICE"},
    {"--listen", "%a/b", "%DEVICE"},
    {"--listen", "%a-device-of-16.c", "15 characters"},
    {"--allow", "10.0.0.0/33", "ADDR/BITS"},
    {"--allow", "fd00::/129", "ADDR/BITS"},
    {"--allow", "example.com", "ADDR/BITS"},
    {"--allow", "tunnels", "ADDR/BITS"},
    {"--allow-browse", "nobody", "tunnel"},
    {"--rate-limit", "10001", "10000"},
    {"--rate-limit", "-1", "10000"},
    {"--rate-limit", "many", "10000"},
    {"--rate-limit-slip", "11", "10"},
    {"--notify-port", "65536", "65535"},
    {"--notify-port", "-1", "65535"},
    {"--metrics-socket", "metrics", "slash"},
    {"--output", "x", "--print-metrics"},
};

START_TEST(what_is_wrong_is_refused_with_status_2)
{
	const char *args[] = {"wgmeetd", "--zone", "wg.example.com", "--device", "wg0", wrong[_i].option, wrong[_i].value, NULL};
	int status;

	if (strcmp(args[5], "--zone") == 0)
		args[1] = "--ttl", args[2] = "5";
	if (strcmp(args[5], "--device") == 0)
		args[3] = "--ttl", args[4] = "5";
	status = util_child(read_config, args, said, sizeof(said));
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 2, "%s %s: status %d: %s", wrong[_i].option, wrong[_i].value,
	    status, said);
	ck_assert_ptr_nonnull(strstr(said, wrong[_i].option));
	ck_assert_msg(strstr(said, wrong[_i].said) != NULL, "%s", said);
}
END_TEST

/* A tunnel is the zone's own device: a file has none. And there is an end to networks and addresses. */
START_TEST(a_tunnel_takes_a_device)
{
	static const char text[] = "[Zone]\nName = a.example\nDumpFile = /x\nAllow = tunnel\n"
	                           "[Zone]\nName = b.example\nDumpFile = /x\nAllowBrowse = tunnel\n"
	                           "[Zone]\nName = c.example\nDevice = wg0\nAllow = tunnel\n";
	const char *args[] = {"wgmeetd", "-c", path, NULL};
	int status;

	util_write_file(path, text, strlen(text));
	status = util_child(read_config, args, said, sizeof(said));
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 2);
	ck_says(2, "tunnel");
	ck_says(6, "tunnel");
	ck_assert_ptr_nonnull(strstr(said, "2 errors"));
}
END_TEST

/* There they would be taken for peers, or peers and lists for them. */
START_TEST(no_name_server_stands_among_the_peers)
{
	static const char *const names[] = {"_wireguard._udp.a.example", "ns._wireguard._udp.a.example", "_a._sub._wireguard._udp.a.example",
	    "NS._WireGuard._UDP.A.example", "_wireguard._udp.b.example", "x_wireguard._udp.a.example", "_udp.a.example", "a.example"};

	for (size_t i = 0; i < COUNT(names); i++) {
		char value[128];
		const char *args[] = {"wgmeetd", "--zone", "a.example", "--device", "wg0", "--name-server", value, NULL};
		int status, want = i < 4 ? 2 : 0;

		snprintf(value, sizeof(value), "%s 192.0.2.1", names[i]);
		status = util_child(read_config, args, said, sizeof(said));
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == want, "%s: %s", names[i], said);
		ck_assert(want == 0 || strstr(said, "where the peers are") != NULL);
	}
}
END_TEST

START_TEST(lists_have_an_end)
{
	char text[8192] = "[Zone]\nName = a.example\nDumpFile = /x\n";
	const char *args[] = {"wgmeetd", "-c", path, NULL};
	int status;

	for (unsigned i = 0; i < CONFIG_ALLOWED; i++)
		sprintf(text + strlen(text), "Allow = 10.0.%u.0/24\n", i);
	util_write_file(path, text, strlen(text));
	status = util_child(read_config, args, said, sizeof(said));
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", said);
	strcat(text, "Allow = 10.1.0.0/24\n");
	util_write_file(path, text, strlen(text));
	status = util_child(read_config, args, said, sizeof(said));
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 2);
	ck_says(4 + CONFIG_ALLOWED, "64 networks");
	strcpy(text, "[Zone]\nName = a.example\nDumpFile = /x\n[Server]\n");
	for (unsigned i = 0; i < CONFIG_LISTEN - 1; i++)
		sprintf(text + strlen(text), "Listen = 192.0.2.%u\n", i);
	strcat(text, "Listen = %wg0\n"); /* takes two places */
	util_write_file(path, text, strlen(text));
	status = util_child(read_config, args, said, sizeof(said));
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 2);
	ck_says(4 + CONFIG_LISTEN, "32 addresses");
}
END_TEST

START_TEST(every_problem_of_a_configuration_is_said_in_one_go)
{
	static const char text[] = "[Server]\nListen = x\n[Zone]\nDevice = wg0\n[Zone]\nName = a.example\nTTL = -1\n"
	                           "[Zone]\nName = b.example\nDevice = wg0\nDumpFile = /x\n[Zone]\nName = A.example.\nDevice = wg1\n";
	const char *args[] = {"wgmeetd", "-c", path, NULL};
	int status;

	util_write_file(path, text, strlen(text));
	status = util_child(read_config, args, said, sizeof(said));
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 2);
	ck_says(2, "ADDR");
	ck_says(4, "no name");
	ck_says(6, "nothing to publish");
	ck_says(7, "86400");
	ck_says(9, "not both");
	ck_says(13, "twice");
	ck_assert_ptr_nonnull(strstr(said, "6 errors"));
}
END_TEST

Suite *suite_conf(void)
{
	Suite *s = suite_create("conf");
	TCase *t = tcase_create("file"), *a = tcase_create("argv"), *p = tcase_create("parsers"), *c = tcase_create("config");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_file_fills_its_sections);
	tcase_add_test(t, a_last_line_without_an_end_counts);
	tcase_add_test(t, comments_stand_behind_values);
	tcase_add_test(t, keys_may_be_indented);
	tcase_add_test(t, a_list_grows_by_commas_and_by_the_key_again);
	tcase_add_test(t, every_wrong_value_is_said_with_its_line);
	tcase_add_test(t, every_line_that_is_none_is_said);
	tcase_add_test(t, a_key_before_the_first_section_is_wrong);
	tcase_add_test(t, a_section_too_many_is_not_begun);
	tcase_add_test(t, a_line_that_is_too_long_is_said_and_stepped_over);
	tcase_add_test(t, a_line_is_read_whole_or_said);
	tcase_add_test(t, a_file_that_cannot_be_read_is_an_error);
	tcase_add_test(t, a_directory_is_said_to_be_wrong);
	tcase_add_test(t, any_octets_do_no_harm);
	suite_add_tcase(s, a);
	tcase_add_checked_fixture(a, setup, teardown);
	tcase_add_test(a, the_command_line_goes_before_the_file);
	tcase_add_test(a, what_is_wrong_on_the_command_line_is_said_with_the_option);
	tcase_add_test(a, a_number_sign_on_the_command_line_is_one);
	tcase_add_test(a, getopt_s_table_has_every_option);
	suite_add_tcase(s, p);
	tcase_add_test(p, numbers_are_decimal_and_in_their_range);
	tcase_add_test(p, truth_has_a_few_words);
	tcase_add_test(p, strings_fit_with_their_end);
	tcase_add_test(p, device_names_are_the_kernel_s);
	tcase_add_test(p, the_root_is_no_name_to_configure);
	suite_add_tcase(s, c);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_whole_configuration_is_read);
	tcase_add_test(c, who_may_ask_is_read);
	tcase_add_test(c, a_tunnel_takes_a_device);
	tcase_add_test(c, no_name_server_stands_among_the_peers);
	tcase_add_test(c, lists_have_an_end);
	tcase_add_loop_test(c, what_is_wrong_is_refused_with_status_2, 0, (int)COUNT(wrong));
	tcase_add_test(c, every_problem_of_a_configuration_is_said_in_one_go);
	return s;
}
