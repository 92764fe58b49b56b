#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state.h"
#include "suites.h"
#include "util.h"

#define HEX "00112233445566778899aabbccddeeff"

static const uint8_t hash[ZONE_HASH] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
    0xff};
static char dir[64], path[160];
static struct name zone;

static void setup(void)
{
	util_tmpdir(dir);
	zone = util_name("wg.example.com");
	snprintf(path, sizeof(path), "%s/wg.example.com.serial", dir);
}

static void teardown(void)
{
	util_rmdir(dir);
}

static void check_file(const char *expected)
{
	char text[128] = "";
	FILE *fp = fopen(path, "re");

	ck_assert_ptr_nonnull(fp);
	ck_assert_uint_eq(fread(text, 1, sizeof(text) - 1, fp), strlen(expected));
	ck_assert_str_eq(text, expected);
	fclose(fp);
}

START_TEST(a_serial_comes_back_with_its_hash)
{
	static const uint32_t serials[] = {0, 1, 1700000000, 0x80000000, 0xffffffff};
	uint8_t back[ZONE_HASH];
	uint32_t serial;

	for (size_t i = 0; i < COUNT(serials); i++) {
		ck_assert_int_eq(state_save(dir, &zone, serials[i], hash), 0);
		memset(back, 0xaa, sizeof(back));
		serial = ~serials[i];
		ck_assert_int_eq(state_load(dir, &zone, &serial, back), 0);
		ck_assert_uint_eq(serial, serials[i]);
		ck_assert_mem_eq(back, hash, ZONE_HASH);
	}
	check_file("4294967295 " HEX "\n");
}
END_TEST

START_TEST(nothing_kept_is_told_apart)
{
	uint8_t back[ZONE_HASH];
	uint32_t serial;

	ck_assert_int_eq(state_load(dir, &zone, &serial, back), -ENOENT);
	ck_assert_int_eq(state_load("/dev/null", &zone, &serial, back), -ENOTDIR);
}
END_TEST

START_TEST(each_zone_has_its_own)
{
	struct name other = util_name("wh.example.com");
	uint8_t back[ZONE_HASH];
	uint32_t serial;

	ck_assert_int_eq(state_save(dir, &zone, 1, hash), 0);
	ck_assert_int_eq(state_load(dir, &other, &serial, back), -ENOENT);
	ck_assert_int_eq(state_save(dir, &other, 2, hash), 0);
	ck_assert_int_eq(state_load(dir, &zone, &serial, back), 0);
	ck_assert_uint_eq(serial, 1);
}
END_TEST

/* Above all no number that would become another serial. */
static const char *const wrong[] = {
    "", "\n", "1", "1\n", "1 ", "1 \n", "1 " HEX, "1  \n", "1 " HEX "00\n", "1 00112233\n", "1 " HEX " \n",
    "1 0011223344556677 8899aabbccddeeff\n", "1 00112233445566778899AABBCCDDEEFF\n", "x " HEX "\n", "-1 " HEX "\n",
    "0x1 " HEX "\n", "1.5 " HEX "\n", "4294967296 " HEX "\n", "18446744073709551617 " HEX "\n", "1" HEX "\n",
};

START_TEST(what_was_not_written_by_us_is_refused)
{
	uint8_t back[ZONE_HASH];
	uint32_t serial;

	util_write_file(path, wrong[_i], strlen(wrong[_i]));
	ck_assert_msg(state_load(dir, &zone, &serial, back) == -EBADMSG, "\"%s\"", wrong[_i]);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_refused)
{
	static const char text[] = "1700000000 " HEX "\n";
	uint8_t back[ZONE_HASH];
	uint32_t serial;

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		util_write_file(path, text, len);
		ck_assert_int_eq(state_load(dir, &zone, &serial, back), -EBADMSG);
	}
}
END_TEST

START_TEST(what_cannot_be_written_leaves_the_old_file)
{
	struct rlimit limit, full;
	char new[176];
	int r;

	ck_assert_int_eq(state_save("/dev/null", &zone, 1, hash), -ENOTDIR);
	ck_assert_int_eq(state_save(dir, &zone, 1, hash), 0);
	snprintf(new, sizeof(new), "%s.new", path);
	ck_assert_int_eq(mkdir(new, 0700), 0); /* in the way */
	ck_assert_int_lt(state_save(dir, &zone, 2, hash), 0);
	check_file("1 " HEX "\n");
	ck_assert_int_eq(rmdir(new), 0);
	/* A disk that is full, as far as this process can tell. */
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	full = limit;
	full.rlim_cur = 0;
	setrlimit(RLIMIT_FSIZE, &full);
	r = state_save(dir, &zone, 2, hash);
	setrlimit(RLIMIT_FSIZE, &limit);
	ck_assert_int_eq(r, -EFBIG);
	check_file("1 " HEX "\n");
	ck_assert_int_eq(access(new, F_OK), -1); /* and the attempt is gone */
}
END_TEST

/* The directory is the observer's, and root reads and writes it too. */
START_TEST(a_link_or_a_pipe_in_the_directory_is_no_trap)
{
	char new[176], other[128], text[8] = "";
	uint8_t back[ZONE_HASH];
	uint32_t serial;
	FILE *fp;

	snprintf(new, sizeof(new), "%s.new", path);
	snprintf(other, sizeof(other), "%s/other", dir);
	util_write_file(other, "other", 5);
	ck_assert_int_eq(symlink(other, new), 0);
	ck_assert_int_eq(symlink(other, path), 0);
	ck_assert_int_lt(state_load(dir, &zone, &serial, back), 0);
	ck_assert_int_eq(state_save(dir, &zone, 1, hash), 0);
	check_file("1 " HEX "\n");
	fp = fopen(other, "re");
	ck_assert_ptr_nonnull(fp);
	ck_assert_uint_eq(fread(text, 1, sizeof(text) - 1, fp), 5);
	ck_assert_str_eq(text, "other");
	fclose(fp);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_lt(state_load(dir, &zone, &serial, back), 0); /* and does not wait */
	ck_assert_int_eq(mkfifo(new, 0600), 0);
	ck_assert_int_eq(state_save(dir, &zone, 2, hash), 0);
	check_file("2 " HEX "\n");
}
END_TEST

START_TEST(a_zone_s_name_stays_one_file_in_the_directory)
{
	static const char *const names[] = {"a=b.example", "\\046\\046.example", "a\\.b.example", "\\000.example"};
	uint8_t back[ZONE_HASH];
	uint32_t serial;

	for (size_t i = 0; i < COUNT(names); i++) {
		zone = util_name(names[i]);
		ck_assert_int_eq(state_save(dir, &zone, (uint32_t)i, hash), 0);
		ck_assert_int_eq(state_load(dir, &zone, &serial, back), 0);
		ck_assert_uint_eq(serial, i);
	}
}
END_TEST

Suite *suite_state(void)
{
	Suite *s = suite_create("state");
	TCase *t = tcase_create("state");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_serial_comes_back_with_its_hash);
	tcase_add_test(t, nothing_kept_is_told_apart);
	tcase_add_test(t, each_zone_has_its_own);
	tcase_add_loop_test(t, what_was_not_written_by_us_is_refused, 0, (int)COUNT(wrong));
	tcase_add_test(t, a_file_cut_anywhere_is_refused);
	tcase_add_test(t, what_cannot_be_written_leaves_the_old_file);
	tcase_add_test(t, a_link_or_a_pipe_in_the_directory_is_no_trap);
	tcase_add_test(t, a_zone_s_name_stays_one_file_in_the_directory);
	return s;
}
