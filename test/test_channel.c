#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "suites.h"
#include "util.h"

struct message {
	uint32_t a, b;
};

static int pair[2];

static void setup(void)
{
	channel_pair(pair);
}

static void teardown(void)
{
	close(pair[0]);
	close(pair[1]);
}

/* How many descriptors this process has. */
static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(messages_arrive_whole_and_in_order)
{
	struct message m = {0};
	int fd;

	for (uint32_t i = 0; i < 10; i++)
		ck_assert_int_eq(channel_send(pair[0], &(struct message){i, ~i}, sizeof(m), -1), 0);
	for (uint32_t i = 0; i < 10; i++) {
		fd = 7;
		ck_assert_int_eq(channel_recv(pair[1], &m, sizeof(m), i % 2 ? &fd : NULL), 1);
		ck_assert_uint_eq(m.a, i);
		ck_assert_uint_eq(m.b, ~i);
		ck_assert_int_eq(fd, i % 2 ? -1 : 7);
	}
	ck_assert_int_eq(channel_recv(pair[1], &m, sizeof(m), NULL), -EAGAIN);
	ck_assert_int_eq(channel_send(pair[1], &m, sizeof(m), -1), 0); /* and back */
	ck_assert_int_eq(channel_recv(pair[0], &m, sizeof(m), NULL), 1);
}
END_TEST

START_TEST(a_channel_is_not_blocking_and_not_inherited)
{
	for (int i = 0; i < 2; i++) {
		ck_assert_int_ne(fcntl(pair[i], F_GETFL) & O_NONBLOCK, 0);
		ck_assert_int_ne(fcntl(pair[i], F_GETFD) & FD_CLOEXEC, 0);
	}
}
END_TEST

START_TEST(a_descriptor_arrives_with_its_message)
{
	int file = memfd_create("test", MFD_CLOEXEC), fd = -1, before = open_descriptors();
	struct message m = {1, 2};
	struct stat a, b;

	ck_assert_int_eq(channel_send(pair[0], &m, sizeof(m), file), 0);
	ck_assert_int_eq(channel_recv(pair[1], &m, sizeof(m), &fd), 1);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_ne(fd, file);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert(fstat(file, &a) == 0 && fstat(fd, &b) == 0 && a.st_ino == b.st_ino);
	close(fd);
	ck_assert_int_eq(open_descriptors(), before);
	close(file);
}
END_TEST

START_TEST(descriptor_0_is_one)
{
	struct message m = {1, 2};
	int fd = -1;

	ck_assert_int_eq(channel_send(pair[0], &m, sizeof(m), 0), 0);
	ck_assert_int_eq(channel_recv(pair[1], &m, sizeof(m), &fd), 1);
	ck_assert_int_gt(fd, 0);
	close(fd);
}
END_TEST

START_TEST(a_closed_channel_is_told_apart)
{
	struct message m = {1, 2};

	ck_assert_int_eq(channel_send(pair[0], &m, sizeof(m), -1), 0);
	close(pair[0]);
	ck_assert_int_eq(channel_recv(pair[1], &m, sizeof(m), NULL), 1); /* what was said before still counts */
	ck_assert_int_eq(channel_recv(pair[1], &m, sizeof(m), NULL), 0);
	ck_assert_int_eq(channel_send(pair[1], &m, sizeof(m), -1), -EPIPE); /* and no SIGPIPE */
	channel_pair(pair);
}
END_TEST

/* With what it was sent unread, the kernel says ECONNRESET first. */
START_TEST(a_channel_that_was_closed_before_it_read_is_gone_too)
{
	struct message m = {1, 2};

	ck_assert_int_eq(channel_send(pair[1], &m, sizeof(m), -1), 0);
	close(pair[0]);
	ck_assert_int_eq(channel_recv(pair[1], &m, sizeof(m), NULL), 0);
	ck_assert_int_eq(channel_recv(pair[1], &m, sizeof(m), NULL), 0);
	close(pair[1]);
	channel_pair(pair);
	ck_assert_int_eq(channel_send(pair[1], &m, sizeof(m), -1), 0);
	close(pair[0]);
	ck_assert_int_eq(channel_send(pair[1], &m, sizeof(m), -1), -EPIPE);
	channel_pair(pair);
}
END_TEST

START_TEST(a_full_channel_is_busy_and_comes_back)
{
	struct message m = {1, 2};
	int n = 0, r;

	while ((r = channel_send(pair[0], &m, sizeof(m), -1)) == 0)
		ck_assert_int_lt(n++, 1000000);
	ck_assert_int_eq(r, -EAGAIN);
	ck_assert_int_gt(n, 0);
	for (; n > 0; n--)
		ck_assert_int_eq(channel_recv(pair[1], &m, sizeof(m), NULL), 1);
	ck_assert_int_eq(channel_recv(pair[1], &m, sizeof(m), NULL), -EAGAIN);
	ck_assert_int_eq(channel_send(pair[0], &m, sizeof(m), -1), 0);
}
END_TEST

/* ---- a sister process that breaks the protocol is fatal ---- */

static void send_fds(const int *fds, size_t len)
{
	struct message m = {1, 2};
	struct iovec iov = {.iov_base = &m, .iov_len = sizeof(m)};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = {0};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
	    .msg_controllen = CMSG_SPACE(len * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(len * sizeof(int));
	memcpy(CMSG_DATA(c), fds, len * sizeof(int));
	CHILD_CHECK(sendmsg(pair[0], &mh, MSG_NOSIGNAL) == sizeof(m));
}

static void too_short(void *arg)
{
	struct message m;
	int fd;

	(void)arg;
	CHILD_CHECK(send(pair[0], "1234567", 7, 0) == 7);
	channel_recv(pair[1], &m, sizeof(m), &fd);
}

static void too_long(void *arg)
{
	struct message m;
	int fd;

	(void)arg;
	CHILD_CHECK(send(pair[0], "123456789", 9, 0) == 9);
	channel_recv(pair[1], &m, sizeof(m), &fd);
}

static void unexpected_descriptor(void *arg)
{
	struct message m = {1, 2};

	(void)arg;
	CHILD_CHECK(channel_send(pair[0], &m, sizeof(m), 0) == 0);
	channel_recv(pair[1], &m, sizeof(m), NULL);
}

static void descriptors(void *arg)
{
	static const int fds[8] = {0};
	struct message m;
	int fd;

	send_fds(fds, *(size_t *)arg);
	channel_recv(pair[1], &m, sizeof(m), &fd);
}

static bool dies(void (*fn)(void *), void *arg)
{
	char err[512];
	int status = util_child(fn, arg, err, sizeof(err));

	return WIFEXITED(status) && WEXITSTATUS(status) == 1 && strstr(err, "channel: ") != NULL;
}

START_TEST(a_message_of_another_size_is_fatal)
{
	ck_assert(dies(too_short, NULL));
	ck_assert(dies(too_long, NULL));
}
END_TEST

START_TEST(a_descriptor_that_is_not_expected_is_fatal)
{
	ck_assert(dies(unexpected_descriptor, NULL));
}
END_TEST

/* They would pile up in the receiver until it has no more. */
START_TEST(more_than_one_descriptor_is_fatal)
{
	for (size_t n = 2; n <= 8; n++)
		ck_assert_msg(dies(descriptors, &n), "%zu descriptors", n);
}
END_TEST

Suite *suite_channel(void)
{
	Suite *s = suite_create("channel");
	TCase *t = tcase_create("channel");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, messages_arrive_whole_and_in_order);
	tcase_add_test(t, a_channel_is_not_blocking_and_not_inherited);
	tcase_add_test(t, a_descriptor_arrives_with_its_message);
	tcase_add_test(t, descriptor_0_is_one);
	tcase_add_test(t, a_closed_channel_is_told_apart);
	tcase_add_test(t, a_channel_that_was_closed_before_it_read_is_gone_too);
	tcase_add_test(t, a_full_channel_is_busy_and_comes_back);
	tcase_add_test(t, a_message_of_another_size_is_fatal);
	tcase_add_test(t, a_descriptor_that_is_not_expected_is_fatal);
	tcase_add_test(t, more_than_one_descriptor_is_fatal);
	return s;
}
