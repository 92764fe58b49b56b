/* Unix sockets by path. */
#include "unixsock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suites.h"

static char dir[32], path[64];

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/wgmeet-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
}

static void teardown(void)
{
	unlink(path);
	rmdir(dir);
}

START_TEST(one_listens_and_one_connects)
{
	static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
	int listener = unixsock_listen(path, types[_i], 0600, 1), fd = unixsock_connect(path, types[_i]), type = 0;
	socklen_t len = sizeof(type);

	ck_assert_int_ge(listener, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len), 0);
	ck_assert_int_eq(type, types[_i]);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_ne(fcntl(i == 0 ? fd : listener, F_GETFL) & O_NONBLOCK, 0);
		ck_assert_int_ne(fcntl(i == 0 ? fd : listener, F_GETFD) & FD_CLOEXEC, 0);
	}
	close(fd);
	close(listener);
}
END_TEST

START_TEST(the_mode_is_its_own)
{
	static const mode_t modes[] = {0600, 0660, 0666, 0};
	mode_t before = umask(0027);
	int fd = unixsock_listen(path, SOCK_STREAM, modes[_i], 1);
	struct stat st;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, modes[_i]);
	ck_assert_uint_eq(umask(before), 0027);
	close(fd);
}
END_TEST

START_TEST(errors)
{
	int fd;

	ck_assert_int_eq(unixsock_connect(path, SOCK_STREAM), -ENOENT);
	fd = unixsock_listen(path, SOCK_STREAM, 0600, 1);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(unixsock_listen(path, SOCK_STREAM, 0600, 1), -EADDRINUSE);
	ck_assert_int_eq(unixsock_connect(path, SOCK_SEQPACKET), -EPROTOTYPE);
	close(fd);
	ck_assert_int_eq(unixsock_connect(path, SOCK_STREAM), -ECONNREFUSED);
}
END_TEST

/* What listens has its path with a NUL; one octet more is no address, and no other file either. */
START_TEST(a_long_path)
{
	char name[120];
	int fd;

	memset(name, 'x', sizeof(name));
	memcpy(name, path, strlen(path));
	name[107] = '\0';
	fd = unixsock_listen(name, SOCK_STREAM, 0600, 1);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(unlink(name), 0);
	name[107] = 'x';
	name[108] = '\0';
	ck_assert_int_eq(unixsock_listen(name, SOCK_STREAM, 0600, 1), -ENAMETOOLONG);
	ck_assert_int_eq(unixsock_connect(name, SOCK_STREAM), -ENAMETOOLONG);
}
END_TEST

Suite *suite_unixsock(void)
{
	Suite *s = suite_create("unixsock");
	TCase *tc = tcase_create("unixsock");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, one_listens_and_one_connects, 0, 2);
	tcase_add_loop_test(tc, the_mode_is_its_own, 0, 4);
	tcase_add_test(tc, errors);
	tcase_add_test(tc, a_long_path);
	suite_add_tcase(s, tc);
	return s;
}
