/* Times and sizes are those of `wg show`: pretty_time(), ago() and bytes() of wireguard-tools' show.c. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "output.h"
#include "suites.h"
#include "util.h"

#define NOW UINT64_C(1800000000)

/* ---- times and sizes ---- */

START_TEST(times_are_those_of_wg)
{
	static const struct {
		uint64_t age_s;
		const char *text;
	} cases[] = {
	    {1, "1 second ago"},
	    {2, "2 seconds ago"},
	    {59, "59 seconds ago"},
	    {60, "1 minute ago"},
	    {61, "1 minute, 1 second ago"},
	    {63, "1 minute, 3 seconds ago"},
	    {120, "2 minutes ago"},
	    {3599, "59 minutes, 59 seconds ago"},
	    {3600, "1 hour ago"},
	    {3601, "1 hour, 1 second ago"},
	    {7260, "2 hours, 1 minute ago"},
	    {86399, "23 hours, 59 minutes, 59 seconds ago"},
	    {86400, "1 day ago"},
	    {86400 + 3600 + 60 + 1, "1 day, 1 hour, 1 minute, 1 second ago"},
	    {2 * 86400 + 5, "2 days, 5 seconds ago"},
	    {364 * 86400, "364 days ago"},
	};
	char text[OUTPUT_TEXT];

	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_str_eq(output_ago(NOW - cases[i].age_s, NOW, text), cases[i].text);
}
END_TEST

START_TEST(a_time_that_is_none_is_said)
{
	char text[OUTPUT_TEXT];

	ck_assert_str_eq(output_ago(0, NOW, text), "never");
	ck_assert_str_eq(output_ago(0, 0, text), "never");
	ck_assert_ptr_null(strstr(output_ago(NOW + 1, NOW, text), "ago"));
	ck_assert_ptr_nonnull(strstr(text, "clock"));
	ck_assert_ptr_null(strstr(output_ago(NOW, NOW, text), "ago"));
	ck_assert(strcasecmp(text, "now") == 0);
}
END_TEST

START_TEST(any_time_fits)
{
	uint64_t state = 1;
	char text[OUTPUT_TEXT + 1];

	text[OUTPUT_TEXT] = 'x';
	for (int i = 0; i < 20000; i++) {
		uint64_t then_s = util_random(&state) >> util_random(&state) % 64;
		uint64_t now_s = i == 0 ? UINT64_MAX : util_random(&state) >> util_random(&state) % 64;

		if (i == 0)
			then_s = 1;
		ck_hot(output_ago(then_s, now_s, text) == text && strlen(text) < OUTPUT_TEXT);
		ck_hot(then_s == 0 || then_s >= now_s || strcmp(text + strlen(text) - 4, " ago") == 0);
		ck_hot(output_bytes(then_s, text) == text && strlen(text) < OUTPUT_TEXT);
	}
	ck_assert_int_eq(text[OUTPUT_TEXT], 'x');
}
END_TEST

START_TEST(sizes_are_those_of_wg)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
	    {0, "0 B"},
	    {1, "1 B"},
	    {1023, "1023 B"},
	    {1024, "1.00 KiB"},
	    {1025, "1.00 KiB"},
	    {1239, "1.21 KiB"},
	    {1536, "1.50 KiB"},
	    {1024 * 1024 - 1, "1024.00 KiB"},
	    {1024 * 1024, "1.00 MiB"},
	    {1024 * 1024 * 1024 - 1, "1024.00 MiB"},
	    {UINT64_C(1) << 30, "1.00 GiB"},
	    {UINT64_C(1) << 40, "1.00 TiB"},
	    {UINT64_C(1) << 50, "1024.00 TiB"},
	    {UINT64_MAX, "16777216.00 TiB"},
	};
	char text[OUTPUT_TEXT];

	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_str_eq(output_bytes(cases[i].bytes, text), cases[i].text);
}
END_TEST

/* wireguard-tools' own formula. */
static void wg_bytes(uint64_t b, char out[OUTPUT_TEXT])
{
	if (b < 1024)
		snprintf(out, OUTPUT_TEXT, "%u B", (unsigned)b);
	else if (b < UINT64_C(1) << 20)
		snprintf(out, OUTPUT_TEXT, "%.2f KiB", (double)b / 1024);
	else if (b < UINT64_C(1) << 30)
		snprintf(out, OUTPUT_TEXT, "%.2f MiB", (double)b / (1 << 20));
	else if (b < UINT64_C(1) << 40)
		snprintf(out, OUTPUT_TEXT, "%.2f GiB", (double)b / (1 << 30));
	else
		snprintf(out, OUTPUT_TEXT, "%.2f TiB", (double)b / (1 << 30) / 1024);
}

START_TEST(any_size_is_that_of_wg)
{
	uint64_t state = 2;
	char text[OUTPUT_TEXT], want[OUTPUT_TEXT];

	for (unsigned bit = 0; bit < 64; bit++) {
		for (uint64_t d = 0; d < 3; d++) {
			uint64_t b = (UINT64_C(1) << bit) + d - 1;

			wg_bytes(b, want);
			ck_assert_str_eq(output_bytes(b, text), want);
		}
	}
	for (int i = 0; i < 20000; i++) {
		uint64_t b = util_random(&state) >> util_random(&state) % 64;

		wg_bytes(b, want);
		ck_hot(strcmp(output_bytes(b, text), want) == 0);
	}
}
END_TEST

/* ---- colours ---- */

static bool colours_are(const char *bold, const char *green, const char *yellow, const char *reset)
{
	return strcmp(output_bold(), bold) == 0 && strcmp(output_green(), green) == 0 && strcmp(output_yellow(), yellow) == 0 &&
	    strcmp(output_reset(), reset) == 0;
}

static void to_terminal(void)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), end;

	if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0)
		util_child_skip("there is no pseudo terminal");
	end = open(ptsname(fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (end < 0)
		util_child_skip("a pseudo terminal cannot be opened");
	CHILD_CHECK(dup2(end, STDOUT_FILENO) >= 0);
}

static void on_a_terminal(void *arg)
{
	(void)arg;
	to_terminal();
	unsetenv("NO_COLOR");
	CHILD_CHECK(colours_are("\033[1m", "\033[32m", "\033[33m", "\033[0m"));
}

static void without_colour(void *arg)
{
	(void)arg;
	to_terminal();
	setenv("NO_COLOR", "1", 1);
	CHILD_CHECK(colours_are("", "", "", ""));
}

static void to_a_file(void *arg)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)arg;
	unsetenv("NO_COLOR");
	CHILD_CHECK(fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
	CHILD_CHECK(colours_are("", "", "", ""));
}

START_TEST(colours_are_for_terminals_whose_user_wants_them)
{
	util_in_child("colours on a terminal", on_a_terminal, NULL);
	util_in_child("no colours where NO_COLOR is set", without_colour, NULL);
	util_in_child("no colours in a file", to_a_file, NULL);
}
END_TEST

/* ---- JSON ---- */

/* As text, without blanks; frees it. The last two are good. */
static const char *text_of(json_t *json)
{
	static char *texts[2];
	static unsigned next;
	unsigned at = next++ % 2;

	ck_assert_ptr_nonnull(json);
	free(texts[at]);
	texts[at] = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	json_decref(json);
	ck_assert_ptr_nonnull(texts[at]);
	return texts[at];
}

START_TEST(values_become_json)
{
	uint8_t key[KEY_LEN] = {0};
	struct endpoint none = {0}, v4 = util_endpoint("192.0.2.1:7"), v6 = util_endpoint("[2001:db8::1]:65535");
	struct name name = util_name("a\\.b\\034.Example.COM."), root = util_name(".");

	ck_assert_str_eq(text_of(output_key(key)), "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"");
	ck_assert_str_eq(text_of(output_endpoint(&none)), "null");
	ck_assert_str_eq(text_of(output_endpoint(&v4)), "\"192.0.2.1:7\"");
	ck_assert_str_eq(text_of(output_endpoint(&v6)), "\"[2001:db8::1]:65535\"");
	/* The name's escapes, with JSON's around them. */
	ck_assert_str_eq(text_of(output_name(&name)), "\"a\\\\046b\\\\034.example.com\"");
	ck_assert_str_eq(text_of(output_name(&root)), "\".\"");
}
END_TEST

START_TEST(any_name_becomes_json)
{
	struct name zone = util_name("example.com"), name, back;
	uint8_t label[32];

	for (unsigned i = 0; i < 8; i++) {
		json_t *json;

		for (unsigned j = 0; j < 32; j++)
			label[j] = (uint8_t)(i * 32 + j);
		ck_assert(name_prepend(label, sizeof(label), &zone, &name));
		json = output_name(&name);
		ck_assert_ptr_nonnull(json);
		ck_assert(name_from_text(json_string_value(json), &back));
		ck_assert(name_equal(&name, &back));
		json_decref(json);
	}
}
END_TEST

START_TEST(a_list_is_what_stands_between_commas)
{
	static const struct {
		const char *commas, *json;
	} cases[] = {
	    {"", "[]"},
	    {"10.0.0.2/32", "[\"10.0.0.2/32\"]"},
	    {"10.0.0.2/32,fd00::/64,0.0.0.0/0", "[\"10.0.0.2/32\",\"fd00::/64\",\"0.0.0.0/0\"]"},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		ck_assert_str_eq(text_of(output_list(cases[i].commas)), cases[i].json);
}
END_TEST

START_TEST(a_list_as_long_as_a_reply_has_it_is_whole)
{
	char commas[REPLY_ALLOWED];
	json_t *list;

	for (size_t i = 0; i < sizeof(commas) - 1; i++)
		commas[i] = ",x"[i % 2 == 0];
	commas[sizeof(commas) - 1] = '\0';
	list = output_list(commas);
	ck_assert_uint_eq(json_array_size(list), REPLY_ALLOWED / 2);
	ck_assert_str_eq(json_string_value(json_array_get(list, REPLY_ALLOWED / 2 - 1)), "x");
	json_decref(list);
}
END_TEST

START_TEST(what_dns_says_has_its_shape)
{
	struct lookup_result result = {.status = LOOKUP_FOUND, .ttl_s = 10, .endpoint = util_endpoint("192.0.2.1:7"),
	    .instance = util_name("peer._wireguard._udp.wg.example.com"), .allowed = "10.0.0.2/32,fd00::/64"};

	ck_assert_str_eq(text_of(output_dns(&result)),
	    "{\"allowed_ips\":[\"10.0.0.2/32\",\"fd00::/64\"],\"endpoint\":\"192.0.2.1:7\","
	    "\"name\":\"peer._wireguard._udp.wg.example.com\",\"status\":\"found\",\"ttl\":10}");
	result.allowed[0] = '\0';
	result.ttl_s = UINT32_MAX;
	ck_assert_str_eq(text_of(output_dns(&result)),
	    "{\"allowed_ips\":[],\"endpoint\":\"192.0.2.1:7\","
	    "\"name\":\"peer._wireguard._udp.wg.example.com\",\"status\":\"found\",\"ttl\":4294967295}");
}
END_TEST

START_TEST(where_nothing_was_found_there_is_the_status_alone)
{
	struct lookup_result result = {.status = (uint32_t)_i, .ttl_s = 10, .endpoint = util_endpoint("192.0.2.1:7"),
	    .instance = util_name("wg.example.com"), .allowed = "10.0.0.2/32"};
	char want[64];

	snprintf(want, sizeof(want), "{\"status\":\"%s\"}",
	    _i < LOOKUP_STATUSES ? lookup_status_word((enum lookup_status)_i) : "unknown");
	ck_assert_str_eq(text_of(output_dns(&result)), want);
}
END_TEST

/* ---- printing ---- */

struct print {
	const char *path;
	json_t *json;
};

static void print_to(void *arg)
{
	const struct print *p = arg;
	int fd = open(p->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CHILD_CHECK(fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
	output_json(p->json);
	CHILD_CHECK(lseek(STDOUT_FILENO, 0, SEEK_CUR) > 0); /* all of it is out */
	_exit(EXIT_FINE);
}

START_TEST(json_is_printed_whole_with_an_end_of_line)
{
	char dir[64], path[80], text[256];
	struct print p = {.path = path, .json = json_pack("{s:s, s:[i, i]}", "a", "b", "c", 1, 2)};
	FILE *fp;
	size_t n;

	util_tmpdir(dir);
	snprintf(path, sizeof(path), "%s/json", dir);
	util_in_child("json_is_printed_whole_with_an_end_of_line", print_to, &p);
	fp = fopen(path, "re");
	ck_assert_ptr_nonnull(fp);
	n = fread(text, 1, sizeof(text) - 1, fp);
	text[n] = '\0';
	fclose(fp);
	ck_assert_str_eq(text + n - 2, "}\n");
	ck_assert_str_eq(text_of(json_loads(text, JSON_REJECT_DUPLICATES, NULL)), "{\"a\":\"b\",\"c\":[1,2]}");
	json_decref(p.json);
	util_rmdir(dir);
}
END_TEST

START_TEST(what_cannot_be_printed_ends_the_program)
{
	struct print full = {.path = "/dev/full", .json = json_pack("{s:s}", "a", "b")}, none = {.path = "/dev/null"};
	char said[256];
	int status = util_child(print_to, &full, said, sizeof(said));

	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_WRONG);
	ck_assert_ptr_nonnull(strstr(said, "standard output: No space left"));
	status = util_child(print_to, &none, said, sizeof(said)); /* no memory for it */
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_WRONG);
	ck_assert_ptr_nonnull(strstr(said, "JSON"));
	json_decref(full.json);
}
END_TEST

Suite *suite_output(void)
{
	Suite *s = suite_create("output");
	TCase *t = tcase_create("text"), *j = tcase_create("json");

	suite_add_tcase(s, t);
	tcase_add_test(t, times_are_those_of_wg);
	tcase_add_test(t, a_time_that_is_none_is_said);
	tcase_add_test(t, any_time_fits);
	tcase_add_test(t, sizes_are_those_of_wg);
	tcase_add_test(t, any_size_is_that_of_wg);
	tcase_add_test(t, colours_are_for_terminals_whose_user_wants_them);
	suite_add_tcase(s, j);
	tcase_add_test(j, values_become_json);
	tcase_add_test(j, any_name_becomes_json);
	tcase_add_test(j, a_list_is_what_stands_between_commas);
	tcase_add_test(j, a_list_as_long_as_a_reply_has_it_is_whole);
	tcase_add_test(j, what_dns_says_has_its_shape);
	tcase_add_loop_test(j, where_nothing_was_found_there_is_the_status_alone, 1, LOOKUP_STATUSES + 1);
	tcase_add_test(j, json_is_printed_whole_with_an_end_of_line);
	tcase_add_test(j, what_cannot_be_printed_ends_the_program);
	return s;
}
