#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suites.h"
#include "util.h"
#include "wgdev_dump.h"

#define PRIVATE "sLIPPERYsecretNUMBERonexxxxxxxxxxxxxxxxxxxx="
#define PSK     "sLIPPERYsecretNUMBERtwoxxxxxxxxxxxxxxxxxxxx="
#define KEY_0   "JRI8Xc0zKP9kXk8qP84NdUQA04h6DLfFbwJn4g+/PFs=" /* no matter whose */
#define KEY_1   "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY_2   "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define DEVICE  PRIVATE "\t" KEY_0 "\t51820\toff\n"
#define PEER_1  KEY_1 "\t" PSK "\t192.0.2.1:1001\t10.0.0.1/32,fd00::/64\t1700000000\t12\t34\t25\n"
#define PEER_2  KEY_2 "\t(none)\t(none)\t(none)\t0\t0\t0\toff\n"

static struct {
	size_t line;
	const char *what;
} said;

/* Parses a copy of exactly that size, and shows that nothing of it is left. */
static int parse(const char *text, size_t len, struct wg_device *dev)
{
	char *copy = malloc(len > 0 ? len : 1);
	int r;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, text, len);
	r = wgdev_dump_parse(copy, len, dev, &said.line, &said.what);
	for (size_t i = 0; i < len; i++)
		ck_hot(copy[i] == 0);
	free(copy);
	return r;
}

START_TEST(a_device_and_its_peers_are_read)
{
	static const char text[] = DEVICE PEER_1 PEER_2;
	struct wg_device dev = {0};
	char buf[ENDPOINT_TEXT];

	ck_assert_int_eq(parse(text, strlen(text), &dev), 0);
	ck_assert_ptr_null(said.what);
	ck_assert(dev.has_public_key);
	ck_assert_str_eq(key_text(dev.public_key, buf), KEY_0);
	ck_assert_uint_eq(dev.listen_port, 51820);
	ck_assert_uint_eq(dev.ifindex, 0);
	ck_assert_uint_eq(dev.peers_len, 2);
	ck_assert_str_eq(key_text(dev.peers[0].public_key, buf), KEY_1);
	ck_assert_str_eq(endpoint_to_text(&dev.peers[0].endpoint, buf), "192.0.2.1:1001");
	ck_assert_uint_eq(dev.peers[0].last_handshake_s, 1700000000);
	ck_assert_uint_eq(dev.peers[0].rx_bytes, 12);
	ck_assert_uint_eq(dev.peers[0].tx_bytes, 34);
	ck_assert_uint_eq(dev.peers[0].keepalive_s, 25);
	ck_assert_uint_eq(dev.peers[0].allowed_len, 2);
	ck_assert_str_eq(allowedip_to_text(&dev.allowed[0], buf), "10.0.0.1/32");
	ck_assert_str_eq(allowedip_to_text(&dev.allowed[1], buf), "fd00::/64");
	ck_assert_str_eq(endpoint_to_text(&dev.peers[1].endpoint, buf), "(none)");
	ck_assert_uint_eq(dev.peers[1].keepalive_s, 0);
	ck_assert_uint_eq(dev.peers[1].allowed_len, 0);
	/* A second read leaves nothing of the first. */
	ck_assert_int_eq(parse("(none)\t(none)\t0\toff\n", 20, &dev), 0);
	ck_assert(!dev.has_public_key);
	ck_assert(key_is_zero(dev.public_key));
	ck_assert_uint_eq(dev.peers_len, 0);
	ck_assert_uint_eq(dev.allowed_len, 0);
	wgdev_free(&dev);
}
END_TEST

START_TEST(the_largest_numbers_are_read)
{
	static const char text[] = DEVICE KEY_1 "\t" PSK "\t[fe80::1%7]:65535\t0.0.0.0/0\t9223372036854775807"
	                                        "\t18446744073709551615\t18446744073709551615\t65535\n";
	struct wg_device dev = {0};
	char buf[ENDPOINT_TEXT];

	ck_assert_int_eq(parse(text, strlen(text), &dev), 0);
	ck_assert_str_eq(endpoint_to_text(&dev.peers[0].endpoint, buf), "[fe80::1%7]:65535");
	ck_assert_uint_eq(dev.peers[0].last_handshake_s, INT64_MAX);
	ck_assert_uint_eq(dev.peers[0].rx_bytes, UINT64_MAX);
	ck_assert_uint_eq(dev.peers[0].tx_bytes, UINT64_MAX);
	ck_assert_uint_eq(dev.peers[0].keepalive_s, 65535);
	wgdev_free(&dev);
}
END_TEST

/* The columns of secrets are stepped over, whatever they hold. */
START_TEST(secrets_need_not_be_keys)
{
	static const char text[] = "hidden\t" KEY_0 "\t1\t0x1\n" KEY_1 "\t\t(none)\t(none)\t0\t0\t0\toff\n";
	struct wg_device dev = {0};

	ck_assert_int_eq(parse(text, strlen(text), &dev), 0);
	ck_assert_uint_eq(dev.peers_len, 1);
	wgdev_free(&dev);
}
END_TEST

#define REST "\t10.0.0.1/32\t0\t0\t0\toff\n"

static const struct {
	const char *text;
	size_t line;
	const char *what; /* some of it */
} wrong[] = {
    {"", 1, "empty"},
    {"\n", 1, "4 fields"},
    {PRIVATE "\t" KEY_0 "\t51820\n", 1, "4 fields"},
    {"wg0\t" DEVICE, 1, "`all`"},
    {PRIVATE "\tnone\t51820\toff\n", 1, "field 2"},
    {PRIVATE "\t" KEY_0 "x\t51820\toff\n", 1, "field 2"},
    {PRIVATE "\t" KEY_0 "\t65536\toff\n", 1, "field 3"},
    {PRIVATE "\t" KEY_0 "\t-1\toff\n", 1, "field 3"},
    {PRIVATE "\t" KEY_0 "\t\toff\n", 1, "field 3"},
    {PRIVATE "\t" KEY_0 "\t51820\toff", 1, "rename"},
    {DEVICE PEER_1 "\n", 3, "8 fields"},
    {DEVICE KEY_1 "\t(none)\t(none)\t(none)\t0\t0\t0\n", 2, "8 fields"},
    {DEVICE KEY_1 "\t(none)\t(none)\t(none)\t0\t0\t0\toff\t\n", 2, "8 fields"},
    {DEVICE PEER_1 "(none)\t(none)\t(none)" REST, 3, "field 1"},
    {DEVICE PEER_1 "x" KEY_1 "\t(none)\t(none)" REST, 3, "field 1"},
    {DEVICE PEER_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQF=\t(none)\t(none)" REST, 3, "field 1"},
    {DEVICE KEY_1 "\t(none)\t192.0.2.1" REST, 2, "field 3"},
    {DEVICE KEY_1 "\t(none)\thost.example:51820" REST, 2, "field 3"},
    {DEVICE KEY_1 "\t(none)\t" REST, 2, "field 3"},
    {DEVICE KEY_1 "\t(none)\t(none)\t\t0\t0\t0\toff\n", 2, "field 4"},
    {DEVICE KEY_1 "\t(none)\t(none)\t10.0.0.0/8,\t0\t0\t0\toff\n", 2, "field 4"},
    {DEVICE KEY_1 "\t(none)\t(none)\t10.0.0.0/33\t0\t0\t0\toff\n", 2, "field 4"},
    {DEVICE KEY_1 "\t(none)\t(none)\t(none)\t-1\t0\t0\toff\n", 2, "field 5"},
    {DEVICE KEY_1 "\t(none)\t(none)\t(none)\t9223372036854775808\t0\t0\toff\n", 2, "field 5"},
    {DEVICE KEY_1 "\t(none)\t(none)\t(none)\t0\tx\t0\toff\n", 2, "fields 6"},
    {DEVICE KEY_1 "\t(none)\t(none)\t(none)\t0\t0\t18446744073709551616\toff\n", 2, "fields 6"},
    {DEVICE KEY_1 "\t(none)\t(none)\t(none)\t0\t0\t0\t65536\n", 2, "field 8"},
    {DEVICE KEY_1 "\t(none)\t(none)\t(none)\t0\t0\t0\ton\n", 2, "field 8"},
    {DEVICE KEY_1 "\t(none)\t(none)\t(none)\t0\t0\t0\toff\r\n", 2, "field 8"},
    {DEVICE PEER_1 PEER_2 KEY_1, 4, "rename"},
};

START_TEST(what_is_wrong_is_said_with_its_line_and_the_text_is_wiped)
{
	struct wg_device dev = {0};

	ck_assert_int_eq(parse(wrong[_i].text, strlen(wrong[_i].text), &dev), -EBADMSG);
	ck_assert_uint_eq(said.line, wrong[_i].line);
	ck_assert_ptr_nonnull(said.what);
	ck_assert_msg(strstr(said.what, wrong[_i].what) != NULL, "%s", said.what);
	wgdev_free(&dev);
}
END_TEST

START_TEST(a_nul_is_refused)
{
	static const char text[] = DEVICE PEER_1;
	char copy[sizeof(text)];

	for (size_t at = 0; at < sizeof(text) - 1; at++) {
		struct wg_device dev = {0};

		memcpy(copy, text, sizeof(text));
		copy[at] = '\0';
		ck_assert_int_eq(parse(copy, sizeof(text) - 1, &dev), -EBADMSG);
		wgdev_free(&dev);
	}
}
END_TEST

/* Cut anywhere but behind a line it is wrong; and nothing is read behind the cut. */
START_TEST(a_text_that_is_cut_within_a_line_is_refused)
{
	static const char text[] = DEVICE PEER_1 PEER_2;
	struct wg_device dev = {0};

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		bool whole = len > 0 && text[len - 1] == '\n';

		ck_assert_int_eq(parse(text, len, &dev), whole ? 0 : -EBADMSG);
	}
	wgdev_free(&dev);
}
END_TEST

START_TEST(any_octet_in_any_place_does_no_harm)
{
	static const char text[] = DEVICE PEER_1;
	struct wg_device dev = {0};
	char copy[sizeof(text)];
	uint64_t state = 1;

	for (size_t at = 0; at < sizeof(text) - 1; at++) {
		for (unsigned i = 0; i < 20; i++) {
			int r;

			memcpy(copy, text, sizeof(text));
			copy[at] = (char)util_random(&state);
			r = parse(copy, sizeof(text) - 1, &dev);
			ck_hot(r == 0 || (r == -EBADMSG && said.what != NULL));
		}
	}
	wgdev_free(&dev);
}
END_TEST

/* ---- files ---- */

static char dir[64], path[128];

static void setup(void)
{
	util_tmpdir(dir);
	snprintf(path, sizeof(path), "%s/peers", dir);
}

static void teardown(void)
{
	util_rmdir(dir);
}

static int read_file(struct wgdev_dump_stamp *stamp, struct wg_device *dev)
{
	return wgdev_dump_read(path, stamp, dev, &said.line, &said.what);
}

static void replace_file(const char *text)
{
	char other[160];

	snprintf(other, sizeof(other), "%s.new", path);
	util_write_file(other, text, strlen(text));
	ck_assert_int_eq(rename(other, path), 0);
}

START_TEST(a_file_is_read_again_only_if_it_changed)
{
	struct wgdev_dump_stamp stamp = {0};
	struct wg_device dev = {0};
	uint8_t key[KEY_LEN];

	replace_file(DEVICE PEER_1);
	ck_assert_int_eq(read_file(&stamp, &dev), 0);
	ck_assert_uint_eq(dev.peers_len, 1);
	util_add_peer(&dev, 5, NULL, NULL); /* so that it shows whether it is touched */
	ck_assert_int_eq(read_file(&stamp, &dev), 1);
	ck_assert_uint_eq(dev.peers_len, 2);
	replace_file(DEVICE PEER_1); /* another file with the same content */
	ck_assert_int_eq(read_file(&stamp, &dev), 0);
	ck_assert_uint_eq(dev.peers_len, 1);
	replace_file(DEVICE PEER_2 PEER_1);
	ck_assert_int_eq(read_file(&stamp, &dev), 0);
	ck_assert_uint_eq(dev.peers_len, 2);
	memset(key, 2, sizeof(key));
	ck_assert_ptr_eq(wgdev_find_peer(&dev, key), &dev.peers[0]);
	wgdev_free(&dev);
}
END_TEST

START_TEST(a_touched_file_is_read_again)
{
	static const struct timespec when[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};
	struct wgdev_dump_stamp stamp = {0};
	struct wg_device dev = {0};

	replace_file(DEVICE PEER_1);
	ck_assert_int_eq(read_file(&stamp, &dev), 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, when, 0), 0);
	ck_assert_int_eq(read_file(&stamp, &dev), 0);
	ck_assert_int_eq(read_file(&stamp, &dev), 1);
	wgdev_free(&dev);
}
END_TEST

START_TEST(a_file_that_is_wrong_is_read_again_when_it_changes)
{
	struct wgdev_dump_stamp stamp = {0};
	struct wg_device dev = {0};

	replace_file(DEVICE "x\n");
	ck_assert_int_eq(read_file(&stamp, &dev), -EBADMSG);
	ck_assert_uint_eq(said.line, 2);
	replace_file(DEVICE PEER_1);
	ck_assert_int_eq(read_file(&stamp, &dev), 0);
	ck_assert_uint_eq(dev.peers_len, 1);
	wgdev_free(&dev);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_told_apart)
{
	struct wgdev_dump_stamp stamp = {0};
	struct wg_device dev = {0};

	ck_assert_int_eq(read_file(&stamp, &dev), -ENOENT);
	replace_file(DEVICE);
	ck_assert_int_eq(read_file(&stamp, &dev), 0);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(read_file(&stamp, &dev), -ENOENT);
	wgdev_free(&dev);
}
END_TEST

/* Without anybody at its other end: opening it must not wait for him. */
START_TEST(a_pipe_or_a_directory_is_an_error_and_no_hang)
{
	struct wgdev_dump_stamp stamp = {0};
	struct wg_device dev = {0};

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(read_file(&stamp, &dev), -EINVAL);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(read_file(&stamp, &dev), -EINVAL);
}
END_TEST

START_TEST(an_empty_file_is_wrong)
{
	struct wgdev_dump_stamp stamp = {0};
	struct wg_device dev = {0};

	replace_file("");
	ck_assert_int_eq(read_file(&stamp, &dev), -EBADMSG);
}
END_TEST

Suite *suite_wgdev_dump(void)
{
	Suite *s = suite_create("wgdev_dump");
	TCase *t = tcase_create("text"), *f = tcase_create("file");

	suite_add_tcase(s, t);
	tcase_add_test(t, a_device_and_its_peers_are_read);
	tcase_add_test(t, the_largest_numbers_are_read);
	tcase_add_test(t, secrets_need_not_be_keys);
	tcase_add_loop_test(t, what_is_wrong_is_said_with_its_line_and_the_text_is_wiped, 0, (int)COUNT(wrong));
	tcase_add_test(t, a_nul_is_refused);
	tcase_add_test(t, a_text_that_is_cut_within_a_line_is_refused);
	tcase_add_test(t, any_octet_in_any_place_does_no_harm);
	suite_add_tcase(s, f);
	tcase_add_checked_fixture(f, setup, teardown);
	tcase_add_test(f, a_file_is_read_again_only_if_it_changed);
	tcase_add_test(f, a_touched_file_is_read_again);
	tcase_add_test(f, a_file_that_is_wrong_is_read_again_when_it_changes);
	tcase_add_test(f, a_file_that_is_not_there_is_told_apart);
	tcase_add_test(f, a_pipe_or_a_directory_is_an_error_and_no_hang);
	tcase_add_test(f, an_empty_file_is_wrong);
	return s;
}
