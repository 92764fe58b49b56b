/* Each command line is read in a child process: what is wrong with it ends the program. */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "settings.h"
#include "suites.h"
#include "util.h"

static const struct settings_usage sync_like = {.text = "wgmeet sync DEVICE [OPTION...]", .needs_device = true,
    .changes_device = true};
static const struct settings_usage status_like = {.text = "wgmeet status DEVICE [OPTION...]", .needs_device = true,
    .watches = true, .may_lack_zone = true};
static const struct settings_usage browse_like = {.text = "wgmeet browse [DEVICE] [OPTION...]"};
static const struct settings_usage lookup_like = {.text = "wgmeet lookup KEY|NAME [DEVICE] [OPTION...]", .has_subject = true};

#define ARGS 48

/* What the child reads, and what it got: in memory that both see. */
static struct run {
	const struct settings_usage *usage;
	int argc;
	char *argv[ARGS];
	char text[ARGS][300];
	const char *in_etc; /* contents of /etc/wgmeet/wg0.conf; NULL: it is not there */
	bool private_etc;
	struct settings got;
} *run;

static char dir[64], path[80], said[8192];

static void setup(void)
{
	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(run != MAP_FAILED);
	util_tmpdir(dir);
	snprintf(path, sizeof(path), "%s/conf", dir);
}

static void teardown(void)
{
	munmap(run, sizeof(*run));
	util_rmdir(dir);
}

static void make_etc(void)
{
	FILE *fp;

	if (geteuid() != 0)
		util_child_skip("needs root, for a mount namespace");
	if (unshare(CLONE_NEWNS) < 0)
		util_child_skip("a mount namespace is not allowed here");
	CHILD_CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHILD_CHECK(mount("none", "/etc", "tmpfs", 0, NULL) == 0);
	CHILD_CHECK(mkdir(SETTINGS_DIR, 0755) == 0);
	if (run->in_etc == NULL)
		return;
	fp = fopen(SETTINGS_DIR "/wg0.conf", "we");
	CHILD_CHECK(fp != NULL && fputs(run->in_etc, fp) >= 0 && fclose(fp) == 0);
}

static void read_settings(void *arg)
{
	(void)arg;
	if (run->private_etc)
		make_etc();
	CHILD_CHECK(dup2(STDERR_FILENO, STDOUT_FILENO) >= 0); /* for --help, and getopt's messages in their order */
	log_init("wgmeet", false);
	optind = 0; /* glibc: anew */
	settings_read(&run->got, run->argc, run->argv, run->usage);
	_exit(EXIT_FINE);
}

/* Words separated by blanks; "{}" is the file's path. Returns the exit status. */
static int read_line(const struct settings_usage *usage, const char *line)
{
	int status;

	run->usage = usage;
	run->argc = 0;
	snprintf(run->text[0], sizeof(run->text[0]), "verb");
	run->argv[run->argc++] = run->text[0];
	while (*(line += strspn(line, " ")) != '\0') {
		size_t n = strcspn(line, " ");

		ck_assert_int_lt(run->argc, ARGS - 1);
		ck_assert_uint_lt(n, sizeof(run->text[0]));
		if (n == 2 && strncmp(line, "{}", 2) == 0)
			strcpy(run->text[run->argc], path);
		else
			snprintf(run->text[run->argc], sizeof(run->text[0]), "%.*s", (int)n, line);
		run->argv[run->argc] = run->text[run->argc];
		run->argc++;
		line += n;
	}
	run->argv[run->argc] = NULL;
	memset(&run->got, 0xa5, sizeof(run->got));
	status = util_child(read_settings, NULL, said, sizeof(said));
	ck_assert_msg(WIFEXITED(status), "%s: killed by signal %d: %s", line, WTERMSIG(status), said);
	return WEXITSTATUS(status);
}

static const struct settings *is_fine(const struct settings_usage *usage, const char *line)
{
	int status = read_line(usage, line);

	ck_assert_msg(status == EXIT_FINE, "%s: status %d: %s", line, status, said);
	ck_assert_msg(*said == '\0', "%s: %s", line, said);
	return &run->got;
}

static void is_wrong(const struct settings_usage *usage, const char *line, const char *what)
{
	int status = read_line(usage, line);

	ck_assert_msg(status == EXIT_USAGE, "%s: status %d: %s", line, status, said);
	ck_assert_msg(strstr(said, what) != NULL, "%s: no \"%s\" in: %s", line, what, said);
}

static void write_conf(const char *text)
{
	util_write_file(path, text, strlen(text));
}

static bool zone_is(const struct settings *s, const char *text)
{
	struct name name = util_name(text);

	return name_equal(&s->zone, &name);
}

/* ---- what is there ---- */

START_TEST(there_are_defaults)
{
	const struct settings *s = is_fine(&sync_like, "wgtest9 --zone wg.example.com");

	ck_assert_str_eq(s->device, "wgtest9");
	ck_assert(zone_is(s, "wg.example.com"));
	ck_assert_ptr_null(s->subject);
	ck_assert_uint_eq(s->servers.len, 0);
	ck_assert_str_eq(s->family, "wireguard");
	ck_assert_str_eq(s->user, "nobody");
	ck_assert_uint_eq(s->keepalive_s, 0);
	ck_assert_uint_eq(s->fwmark, 0);
	ck_assert_uint_eq(s->notify_port, 5354);
	ck_assert(!s->force && !s->dry_run && !s->json && !s->verbose);
}
END_TEST

START_TEST(the_command_line_has_it_all)
{
	const struct settings *s = is_fine(&sync_like,
	    "--zone=WG.Example.COM. --server 192.0.2.1,192.0.2.2:5353 --server [2001:db8::1]:54 --server 2001:db8::2 "
	    "wgtest9 --keepalive 25 --fwmark 0xca6c --notify-port 65535 --family amneziawg --user 65534 --verbose --force --dry-run --json");
	char text[ENDPOINT_TEXT];

	ck_assert(zone_is(s, "wg.example.com"));
	ck_assert_uint_eq(s->servers.len, 4);
	ck_assert_str_eq(endpoint_to_text(&s->servers.at[0], text), "192.0.2.1:53");
	ck_assert_str_eq(endpoint_to_text(&s->servers.at[1], text), "192.0.2.2:5353");
	ck_assert_str_eq(endpoint_to_text(&s->servers.at[2], text), "[2001:db8::1]:54");
	ck_assert_str_eq(endpoint_to_text(&s->servers.at[3], text), "[2001:db8::2]:53");
	ck_assert_uint_eq(s->keepalive_s, 25);
	ck_assert_uint_eq(s->fwmark, 0xca6c);
	ck_assert_uint_eq(s->notify_port, 65535);
	ck_assert_str_eq(s->family, "amneziawg");
	ck_assert_str_eq(s->user, "65534");
	ck_assert_str_eq(s->device, "wgtest9");
	ck_assert(s->force && s->dry_run && s->json && s->verbose);
}
END_TEST

START_TEST(the_file_has_what_is_no_verb_s)
{
	const struct settings *s;

	write_conf("# what wgmeet looks at\n"
	           "[Client]\n"
	           "Zone = wg.example.com\n"
	           "Server = 192.0.2.1, 192.0.2.2:5353 # two\n"
	           "Server = 2001:db8::2\n"
	           "Keepalive = 25\n"
	           "FwMark = 51820\n"
	           "NotifyPort = 53\n"
	           "Family = amneziawg\n"
	           "User = dns\n"
	           "Verbose = yes\n");
	s = is_fine(&browse_like, "-c {}");
	ck_assert(zone_is(s, "wg.example.com"));
	ck_assert_uint_eq(s->servers.len, 3);
	ck_assert_uint_eq(s->servers.at[1].port, 5353);
	ck_assert_uint_eq(s->keepalive_s, 25);
	ck_assert_uint_eq(s->fwmark, 51820);
	ck_assert_uint_eq(s->notify_port, 53);
	ck_assert_str_eq(s->family, "amneziawg");
	ck_assert_str_eq(s->user, "dns");
	ck_assert(s->verbose);
	ck_assert_str_eq(s->device, "");
	ck_assert(!s->force && !s->dry_run && !s->json);
}
END_TEST

START_TEST(the_command_line_goes_before_the_file)
{
	const struct settings *s;

	write_conf("[Client]\nZone = file.example.com\nServer = 192.0.2.1, 192.0.2.2\nKeepalive = 25\nFwMark = 1\nNotifyPort = 53\n"
	           "Family = amneziawg\nUser = dns\nVerbose = yes\n");
	s = is_fine(&sync_like, "--zone argv.example.com wgtest9 --config {} --server 192.0.2.3 --keepalive 0 --fwmark off --notify-port 0 "
	                        "--family wireguard --verbose=no");
	ck_assert(zone_is(s, "argv.example.com"));
	ck_assert_uint_eq(s->servers.len, 1); /* a list is replaced, not added to */
	ck_assert_uint_eq(s->servers.at[0].addr[3], 3);
	ck_assert_uint_eq(s->keepalive_s, 0);
	ck_assert_uint_eq(s->fwmark, 0);
	ck_assert_uint_eq(s->notify_port, 0);
	ck_assert_str_eq(s->family, "wireguard");
	ck_assert_str_eq(s->user, "dns"); /* not given there */
	ck_assert(!s->verbose);
}
END_TEST

START_TEST(a_section_may_go_on_further_down)
{
	write_conf("[Client]\nZone = wg.example.com\n\n[Client]\nKeepalive = 25\n");
	ck_assert_uint_eq(is_fine(&browse_like, "-c {}")->keepalive_s, 25);
}
END_TEST

/* ---- the device's own file ---- */

static void read_with_etc(const char *name, const char *contents, const struct settings_usage *usage, const char *line,
    int want)
{
	int status;

	run->private_etc = true;
	run->in_etc = contents;
	status = read_line(usage, line);
	if (status == CHILD_SKIP) {
		said[strcspn(said, "\n")] = '\0';
		util_skip(name, said);
		memset(&run->got, 0, sizeof(run->got));
		run->argc = 0;
		return;
	}
	ck_assert_msg(status == want, "%s: status %d: %s", line, status, said);
}

static bool was_skipped(void)
{
	return run->argc == 0;
}

START_TEST(the_device_names_its_file)
{
	static const char name[] = "the_device_names_its_file", contents[] = "[Client]\nZone = etc.example.com\nKeepalive = 7\n";

	read_with_etc(name, contents, &sync_like, "wg0", EXIT_FINE);
	if (was_skipped())
		return;
	ck_assert(zone_is(&run->got, "etc.example.com"));
	ck_assert_uint_eq(run->got.keepalive_s, 7);
	/* Also where the device is no need. */
	read_with_etc(name, contents, &lookup_like, "somebody wg0 --keepalive 8", EXIT_FINE);
	ck_assert(zone_is(&run->got, "etc.example.com"));
	ck_assert_uint_eq(run->got.keepalive_s, 8);
	/* Another device has another file, and no device none. */
	read_with_etc(name, contents, &sync_like, "wg1", EXIT_USAGE);
	ck_assert_ptr_nonnull(strstr(said, "which zone?"));
	ck_assert_ptr_nonnull(strstr(said, SETTINGS_DIR "/wg1.conf"));
	read_with_etc(name, contents, &browse_like, "", EXIT_USAGE);
	ck_assert_ptr_nonnull(strstr(said, "which zone?"));
	/* It need not be there. */
	read_with_etc(name, NULL, &sync_like, "wg0 --zone argv.example.com", EXIT_FINE);
	ck_assert(zone_is(&run->got, "argv.example.com"));
	/* --config takes its place. */
	write_conf("[Client]\nZone = file.example.com\n");
	read_with_etc(name, "[Client]\nZone = etc.example.com\nKeepalive = 7\n", &sync_like, "wg0 -c {}", EXIT_FINE);
	ck_assert(zone_is(&run->got, "file.example.com"));
	ck_assert_uint_eq(run->got.keepalive_s, 0);
	/* If it is wrong, that is said. */
	read_with_etc(name, "[Client]\nZone = etc.example.com\nKeepalive = x\n", &sync_like, "wg0", EXIT_USAGE);
	ck_assert_ptr_nonnull(strstr(said, SETTINGS_DIR "/wg0.conf:3: "));
}
END_TEST

/* ---- operands ---- */

START_TEST(operands_are_a_subject_and_a_device)
{
	const struct settings *s = is_fine(&lookup_like, "somebody --zone wg.example.com");

	ck_assert_str_eq(s->subject, "somebody");
	ck_assert_str_eq(s->device, "");
	s = is_fine(&lookup_like, "--zone wg.example.com somebody wgtest9");
	ck_assert_str_eq(s->subject, "somebody");
	ck_assert_str_eq(s->device, "wgtest9");
	/* What looks like an option is none behind "--"; a subject is taken as it is. */
	s = is_fine(&lookup_like, "--zone wg.example.com -- --json");
	ck_assert_str_eq(s->subject, "--json");
	ck_assert(!s->json);
	s = is_fine(&browse_like, "--zone wg.example.com");
	ck_assert_ptr_null(s->subject);
	ck_assert_str_eq(s->device, "");
	s = is_fine(&browse_like, "wgtest9 --zone wg.example.com");
	ck_assert_ptr_null(s->subject);
	ck_assert_str_eq(s->device, "wgtest9");
	s = is_fine(&status_like, "a23456789012345 --zone wg.example.com");
	ck_assert_str_eq(s->device, "a23456789012345");
}
END_TEST

static const struct {
	const struct settings_usage *usage;
	const char *line, *what;
} wrong[] = {
    {&lookup_like, "--zone wg.example.com", "which peer? usage: wgmeet lookup"},
    {&sync_like, "--zone wg.example.com", "which device? usage: wgmeet sync"},
    {&status_like, "--zone wg.example.com", "which device? usage: wgmeet status"},
    {&sync_like, "wg0 wg1 --zone wg.example.com", "wg1: what is that? usage: wgmeet sync"},
    {&browse_like, "wg0 wg1 --zone wg.example.com", "wg1: what is that?"},
    {&lookup_like, "somebody wg0 wg1 --zone wg.example.com", "wg1: what is that?"},
    {&lookup_like, "somebody wg0 wg1 wg2 --zone wg.example.com", "wg1: what is that?"},
    {&sync_like, "../etc --zone wg.example.com", "../etc: it is no name of a network device"},
    {&sync_like, ".. --zone wg.example.com", "..: it is no name"},
    {&sync_like, "a234567890123456 --zone wg.example.com", "it is no name of a network device"},
    {&lookup_like, "somebody a/b --zone wg.example.com", "a/b: it is no name"},
    {&sync_like, "wgtest9", "which zone? Give --zone"},
    {&browse_like, "", "which zone? Give --zone, or name the device, whose file " SETTINGS_DIR "/DEVICE.conf has it"},
    {&browse_like, "--zone .", "--zone = .: it is no domain name"},
    {&browse_like, "--zone a..b", "--zone = a..b: it is no domain name"},
    {&browse_like, "--zone=", "--zone"},
    {&browse_like, "--zone a.example --zone b.example", "--zone is given twice"},
    {&browse_like, "--zone wg.example.com --server localhost", "--server = localhost: it must be ADDR"},
    {&browse_like, "--zone wg.example.com --server 192.0.2.1:0", "it must be ADDR"},
    {&browse_like, "--zone wg.example.com --server 192.0.2.1:65536", "it must be ADDR"},
    {&browse_like, "--zone wg.example.com --server fe80::1%lo", "without a %scope"},
    {&browse_like, "--zone wg.example.com --server [fe80::1%1]:53", "without a %scope"},
    {&browse_like, "--zone wg.example.com --server 192.0.2.1,,192.0.2.2", "--server = : an element of the list is empty"},
    {&browse_like, "--zone wg.example.com --server 192.0.2.1,x,192.0.2.2", "--server = x: "},
    {&browse_like, "--zone wg.example.com --server=", "--server"},
    {&sync_like, "wg0 --zone wg.example.com --keepalive 65536", "--keepalive = 65536: it must be a number from 0 to 65535"},
    {&sync_like, "wg0 --zone wg.example.com --keepalive -1", "a number from 0 to 65535"},
    {&sync_like, "wg0 --zone wg.example.com --keepalive 25s", "a number from 0 to 65535"},
    {&sync_like, "wg0 --zone wg.example.com --notify-port 65536", "--notify-port = 65536: it must be a number from 0 to 65535"},
    {&sync_like, "wg0 --zone wg.example.com --notify-port off", "a number from 0 to 65535"},
    {&browse_like, "--zone wg.example.com --family 1234567890123456", "--family = 1234567890123456: it is too long"},
    {&browse_like, "--zone wg.example.com:53", "--zone = wg.example.com:53: it must be the zone's name"},
    {&browse_like, "--zone http://x", "--zone = http://x: it must be the zone's name"},
    {&browse_like, "--zone wg.example.com --family=", "--family = : it is empty"},
    {&browse_like, "--zone wg.example.com --user=", "--user = : it is empty"},
    {&browse_like, "--zone wg.example.com --verbose=maybe", "--verbose = maybe: it must be yes or no"},
    {&browse_like, "--zone wg.example.com --frobnicate", "frobnicate"},
    {&browse_like, "--zone wg.example.com -x", "x"},
    {&browse_like, "--zone", "zone"},
    {&browse_like, "--zone wg.example.com -c", "c"},
    {&browse_like, "--zone wg.example.com --json=yes", "json"},
    {&browse_like, "--zone wg.example.com -c /nonexistent/wgmeet.conf", "cannot read /nonexistent/wgmeet.conf: No such file"},
    {&browse_like, "--zone wg.example.com -c /", "/: Is a directory"},
    /* All of it is said. */
    {&browse_like, "--zone a..b --keepalive x --fwmark y --verbose=z", "4 errors, nothing done"},
    {&browse_like, "--zone a..b", "1 error, nothing done"},
};

START_TEST(what_is_wrong_on_the_command_line_is_said)
{
	is_wrong(wrong[_i].usage, wrong[_i].line, wrong[_i].what);
}
END_TEST

START_TEST(the_zone_leaves_room_for_the_peers_names)
{
	/* 255 less 16 of the service and 57 of a padded label are 182, and so much has this one: 3 * 51 + 28 + 1. */
	static const char l50[] = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmn";
	char line[300];

	snprintf(line, sizeof(line), "--zone %s.%s.%s.abcdefghijklmnopqrstuvwxyza", l50, l50, l50);
	ck_assert_uint_eq(is_fine(&browse_like, line)->zone.len, 182);
	snprintf(line, sizeof(line), "--zone %s.%s.%s.abcdefghijklmnopqrstuvwxyzab", l50, l50, l50);
	is_wrong(&browse_like, line, "it is too long: no room is left for the peers' names");
}
END_TEST

START_TEST(there_is_room_for_16_servers)
{
	char line[600] = "--zone wg.example.com";

	for (int i = 1; i <= SETTINGS_SERVERS; i++)
		sprintf(line + strlen(line), " --server 192.0.2.%d", i);
	ck_assert_uint_eq(is_fine(&browse_like, line)->servers.len, SETTINGS_SERVERS);
	strcat(line, " --server 192.0.2.99");
	is_wrong(&browse_like, line, "--server = 192.0.2.99: there are more than 16 servers");
}
END_TEST

START_TEST(a_user_s_name_may_have_63_octets)
{
	char user[65], line[200];

	memset(user, 'u', sizeof(user));
	user[63] = '\0';
	snprintf(line, sizeof(line), "--zone wg.example.com --user %s", user);
	ck_assert_str_eq(is_fine(&browse_like, line)->user, user);
	user[63] = 'u';
	user[64] = '\0';
	snprintf(line, sizeof(line), "--zone wg.example.com --user %s", user);
	is_wrong(&browse_like, line, "it is too long");
}
END_TEST

static const struct {
	const char *value;
	bool fine;
	uint32_t mark;
} marks[] = {
    {"0", true, 0},
    {"off", true, 0},
    {"1", true, 1},
    {"51820", true, 51820},
    {"0xca6c", true, 0xca6c},
    {"0XCA6C", true, 0xca6c},
    {"0xffffffff", true, UINT32_MAX},
    {"4294967295", true, UINT32_MAX},
    {"010", true, 8}, /* as strtoul(3) has it, and with it wg(8) */
    {"4294967296", false, 0},
    {"0x100000000", false, 0},
    {"99999999999999999999999", false, 0},
    {"-1", false, 0},
    {"+1", false, 0},
    {"0x", false, 0},
    {"ca6c", false, 0},
    {"08", false, 0},
    {"1x", false, 0},
    {"on", false, 0},
    {"offside", false, 0},
    {"1,2", false, 0},
};

START_TEST(a_mark_is_one_of_wg)
{
	char text[200];

	if (marks[_i].fine)
		write_conf("[Client]\nZone = wg.example.com\nFwMark = 77\n");
	snprintf(text, sizeof(text), marks[_i].fine ? "-c {} --fwmark %s" : "--zone wg.example.com --fwmark %s", marks[_i].value);
	if (marks[_i].fine)
		ck_assert_uint_eq(is_fine(&browse_like, text)->fwmark, marks[_i].mark);
	else
		is_wrong(&browse_like, text, "it must be a number, 0x... or off");
	/* The same in a file. */
	snprintf(text, sizeof(text), "[Client]\nZone = wg.example.com\nFwMark = %s\n", marks[_i].value);
	write_conf(text);
	if (marks[_i].fine)
		ck_assert_uint_eq(is_fine(&browse_like, "-c {}")->fwmark, marks[_i].mark);
	else
		is_wrong(&browse_like, "-c {}", "conf:3: FwMark = ");
}
END_TEST

/* ---- the file's errors ---- */

START_TEST(each_problem_of_the_file_is_said_with_its_line)
{
	static const char *const what[] = {"conf:1: a key before", "conf:3: Server = x: ", "conf:4: Keepalive = 65536: ",
	    "conf:5: FwMark = on: ", "conf:6: Verbose = maybe: ", "conf:7: there is no key Device in [Client]",
	    "conf:8: neither", "conf:9: there is no section [Registry]; there is [Client]", "conf:12: Zone = a..b: ", "conf:13: Zone is given twice",
	    "10 errors, nothing done"};

	write_conf("Zone = x\n"
	           "[Client]\n"
	           "Server = 192.0.2.1, x\n"
	           "Keepalive = 65536\n"
	           "FwMark = on\n"
	           "Verbose = maybe\n"
	           "Device = wg0\n"
	           "hello\n"
	           "[Registry]\n"
	           "Zone = x\n"
	           "[Client]\n"
	           "Zone = a..b\n"
	           "Zone = wg.example.com\n");
	is_wrong(&browse_like, "-c {}", "");
	for (size_t i = 0; i < COUNT(what); i++)
		ck_assert_msg(strstr(said, what[i]) != NULL, "no \"%s\" in: %s", what[i], said);
	/* A zone on the command line does not make the file right. */
	is_wrong(&browse_like, "-c {} --zone wg.example.com", "10 errors, nothing done");
}
END_TEST

START_TEST(what_belongs_to_the_command_line_is_no_key)
{
	static const char *const keys[] = {"Force", "DryRun", "JSON", "Config", "Help"};
	char text[100];

	for (size_t i = 0; i < COUNT(keys); i++) {
		snprintf(text, sizeof(text), "[Client]\nZone = wg.example.com\n%s = yes\n", keys[i]);
		write_conf(text);
		is_wrong(&sync_like, "wgtest9 -c {}", "conf:3: there is no key");
	}
}
END_TEST

START_TEST(a_file_without_a_zone_is_not_enough)
{
	write_conf("[Client]\nKeepalive = 25\n");
	is_wrong(&browse_like, "-c {}", "which zone?");
	write_conf("");
	is_wrong(&browse_like, "-c {}", "which zone?");
	ck_assert_uint_eq(is_fine(&browse_like, "-c {} --zone wg.example.com")->keepalive_s, 0);
}
END_TEST

/* ---- what verbs take ---- */

START_TEST(only_what_changes_a_device_takes_force_and_dry_run)
{
	static const struct settings_usage *const others[] = {&status_like, &browse_like, &lookup_like};

	for (size_t i = 0; i < COUNT(others); i++) {
		is_wrong(others[i], "somebody --zone wg.example.com --force", "--force and --dry-run are for wgmeet sync");
		is_wrong(others[i], "somebody --zone wg.example.com --dry-run", "--force and --dry-run are for wgmeet sync");
		ck_assert(is_fine(others[i], "somebody --zone wg.example.com --json")->json);
	}
	ck_assert(is_fine(&sync_like, "wgtest9 --zone wg.example.com --force")->force);
	ck_assert(!run->got.dry_run && !run->got.json);
	ck_assert(is_fine(&sync_like, "wgtest9 --zone wg.example.com --dry-run")->dry_run);
	ck_assert(!run->got.force && !run->got.json);
}
END_TEST

START_TEST(only_status_watches)
{
	static const struct settings_usage *const others[] = {&sync_like, &browse_like, &lookup_like};

	for (size_t i = 0; i < COUNT(others); i++) {
		is_wrong(others[i], "somebody --zone wg.example.com --watch", "--watch is for wgmeet status");
		ck_assert(!is_fine(others[i], "somebody --zone wg.example.com")->watch);
	}
	ck_assert(is_fine(&status_like, "wgtest9 --watch")->watch);
	ck_assert(!is_fine(&status_like, "wgtest9")->watch);
	ck_assert_int_eq(read_line(&status_like, "--help"), EXIT_FINE);
	ck_assert_ptr_nonnull(strstr(said, "--watch"));
	ck_assert_int_eq(read_line(&sync_like, "--help"), EXIT_FINE);
	ck_assert_ptr_null(strstr(said, "--watch"));
}
END_TEST

static void need_zone(void *arg)
{
	struct settings s = {.device = "wgtest9"};

	s.zone = util_name(arg);
	if (strcmp(arg, ".") == 0)
		s.zone.len = 0;
	settings_need_zone(&s);
}

START_TEST(status_may_lack_a_zone_until_it_needs_one)
{
	int status;

	ck_assert_uint_eq(is_fine(&status_like, "wgtest9")->zone.len, 0);
	ck_assert(zone_is(is_fine(&status_like, "wgtest9 --zone wg.example.com"), "wg.example.com"));
	is_wrong(&sync_like, "wgtest9", "which zone?");
	status = util_child(need_zone, (void *)".", said, sizeof(said));
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_USAGE);
	ck_assert_ptr_nonnull(strstr(said, "which zone? Give --zone, or Zone = in /etc/wgmeet/wgtest9.conf"));
	ck_assert_int_eq(util_child(need_zone, (void *)"wg.example.com", said, sizeof(said)), 0);
}
END_TEST

START_TEST(help_has_every_option_that_the_verb_takes)
{
	static const char *const options[] = {"--config", "--json", "--zone", "--server", "--keepalive", "--fwmark",
	    "--notify-port", "--family", "--user", "--verbose"};

	/* Without a device, a zone or a subject. */
	ck_assert_int_eq(read_line(&sync_like, "--help"), EXIT_FINE);
	ck_assert(strncmp(said, "usage: wgmeet sync DEVICE", 25) == 0);
	for (size_t i = 0; i < COUNT(options); i++)
		ck_assert_msg(strstr(said, options[i]) != NULL, "%s", options[i]);
	ck_assert_ptr_nonnull(strstr(said, "--force"));
	ck_assert_ptr_nonnull(strstr(said, "--dry-run"));
	ck_assert_int_eq(read_line(&lookup_like, "--help"), EXIT_FINE);
	for (size_t i = 0; i < COUNT(options); i++)
		ck_assert_msg(strstr(said, options[i]) != NULL, "%s", options[i]);
	ck_assert_ptr_null(strstr(said, "--force"));
	ck_assert_ptr_null(strstr(said, "--dry-run"));
}
END_TEST

Suite *suite_settings(void)
{
	Suite *s = suite_create("settings");
	TCase *t = tcase_create("settings"), *w = tcase_create("wrong");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, there_are_defaults);
	tcase_add_test(t, the_command_line_has_it_all);
	tcase_add_test(t, the_file_has_what_is_no_verb_s);
	tcase_add_test(t, the_command_line_goes_before_the_file);
	tcase_add_test(t, a_section_may_go_on_further_down);
	tcase_add_test(t, the_device_names_its_file);
	tcase_add_test(t, operands_are_a_subject_and_a_device);
	tcase_add_test(t, the_zone_leaves_room_for_the_peers_names);
	tcase_add_test(t, there_is_room_for_16_servers);
	tcase_add_test(t, a_user_s_name_may_have_63_octets);
	tcase_add_loop_test(t, a_mark_is_one_of_wg, 0, (int)COUNT(marks));
	tcase_add_test(t, only_what_changes_a_device_takes_force_and_dry_run);
	tcase_add_test(t, only_status_watches);
	tcase_add_test(t, status_may_lack_a_zone_until_it_needs_one);
	tcase_add_test(t, help_has_every_option_that_the_verb_takes);
	suite_add_tcase(s, w);
	tcase_add_checked_fixture(w, setup, teardown);
	tcase_add_loop_test(w, what_is_wrong_on_the_command_line_is_said, 0, (int)COUNT(wrong));
	tcase_add_test(w, each_problem_of_the_file_is_said_with_its_line);
	tcase_add_test(w, what_belongs_to_the_command_line_is_no_key);
	tcase_add_test(w, a_file_without_a_zone_is_not_enough);
	return s;
}
