#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "log.h"
#include "resolve.h"
#include "suites.h"
#include "util.h"

/* A resolver that somebody took over: it says what the tests want of it. */

#define QUESTIONS 2

static struct lookup questions[QUESTIONS];
static struct lookup_result got[8];
static size_t got_len;

static struct lookup_result good(uint32_t number)
{
	struct lookup_result result = {.number = number, .status = LOOKUP_FOUND, .allowed = "10.0.0.1/32,fd00::/64"};

	result.endpoint = util_endpoint("192.0.2.1:51820");
	result.instance = util_name("alice._wireguard._udp.wg.test");
	return result;
}

static void on_result(const struct lookup *question, const struct lookup_result *result, void *data)
{
	(void)question;
	(void)data;
	ck_assert_uint_lt(got_len, COUNT(got));
	got[got_len++] = *result;
}

/* Asks a list and a key; the answers are these. */
static void ask(const struct lookup_result *results, size_t len)
{
	int channel[2];
	struct resolver r = {.socket_channel = -1};

	channel_pair(channel);
	r.channel = channel[0];
	for (size_t i = 0; i < len; i++)
		ck_assert_int_eq(channel_send(channel[1], &results[i], sizeof(results[i]), -1), 0);
	questions[0].kind = LOOKUP_LIST;
	questions[1].kind = LOOKUP_KEY;
	resolver_ask(&r, questions, QUESTIONS, on_result, NULL, NULL);
	close(channel[0]);
	close(channel[1]);
}

START_TEST(what_was_asked_for_is_believed)
{
	struct lookup_result results[] = {good(0), good(1), good(0)};

	results[0].more = 1;
	results[2].endpoint.family = AF_UNSPEC; /* the end of a list has none */
	ask(results, COUNT(results));
	ck_assert_uint_eq(got_len, 3);
	for (size_t i = 0; i < got_len; i++)
		ck_assert_uint_eq(got[i].status, LOOKUP_FOUND);
	ck_assert(endpoint_equal(&got[1].endpoint, &results[1].endpoint));
}
END_TEST

/* No peer can be there, whatever the resolver says. */
START_TEST(endpoints_are_judged_again)
{
	static const char *const bad[] = {"127.0.0.1:1", "224.0.0.1:1", "0.0.0.0:1", "192.0.2.1:0", "[::1]:1", "[fe80::1]:1"};
	struct lookup_result results[] = {good(0), good(1), good(0)};

	results[0].more = 1;
	results[0].endpoint = results[1].endpoint = util_endpoint(bad[_i]);
	ask(results, COUNT(results));
	ck_assert_uint_eq(got[0].status, LOOKUP_BAD_ENDPOINT);
	ck_assert_uint_eq(got[1].status, LOOKUP_BAD_ENDPOINT);
}
END_TEST

static void another_number(struct lookup_result *result)
{
	result->number = QUESTIONS;
}

static void another_status(struct lookup_result *result)
{
	result->status = LOOKUP_STATUSES;
}

static void no_name(struct lookup_result *result)
{
	result->instance.wire[0] = 60;
}

static void a_name_without_an_end(struct lookup_result *result)
{
	result->instance.len--;
}

static void several_for_a_key(struct lookup_result *result)
{
	result->more = 1;
}

static void text_without_an_end(struct lookup_result *result)
{
	memset(result->allowed, '1', sizeof(result->allowed));
}

static void text_for_a_terminal(struct lookup_result *result)
{
	strcpy(result->allowed, "10.0.0.1/32\033[2J");
}

static void nothing(struct lookup_result *result)
{
	result->number = 0; /* the list's end, twice */
}

static void (*const lies[])(struct lookup_result *) = {another_number, another_status, no_name, a_name_without_an_end,
    several_for_a_key, text_without_an_end, text_for_a_terminal, nothing};

/* The program ends, and has done nothing of it. */
START_TEST(a_lie_ends_the_program)
{
	struct lookup_result results[] = {good(0), good(1)};

	lies[_i](&results[1]);
	log_init("wgmeet", false);
	ask(results, COUNT(results));
}
END_TEST

#define MADE 7 /* exit status */

static int resolver_end;

static void on_last_result(const struct lookup *question, const struct lookup_result *result, void *data)
{
	on_result(question, result, data);
	close(resolver_end);
}

static void on_wait(void *data)
{
	(void)data;
	if (got_len == 2)
		_exit(MADE);
}

/* It ends after it said two things, and has not read what it was asked: what it said counts, and is made before the end. */
START_TEST(results_are_made_before_the_end)
{
	struct lookup_result results[] = {good(1), good(0)};
	struct resolver r = {.socket_channel = -1};
	int channel[2];

	channel_pair(channel);
	r.channel = channel[0];
	resolver_end = channel[1];
	results[1].more = 1;
	for (size_t i = 0; i < COUNT(results); i++)
		ck_assert_int_eq(channel_send(resolver_end, &results[i], sizeof(results[i]), -1), 0);
	questions[0].kind = LOOKUP_LIST;
	questions[1].kind = LOOKUP_KEY;
	log_init("wgmeet", false);
	resolver_ask(&r, questions, QUESTIONS, on_last_result, on_wait, NULL);
}
END_TEST

/* ---- for a program that waits for other things, too ---- */

static struct resolver r;
static int other_end, other_socket_end, other_control_end;

static void start(void)
{
	int channel[2], sockets[2], control[2];

	channel_pair(channel);
	channel_pair(sockets);
	channel_pair(control);
	r = (struct resolver){.channel = channel[0], .socket_channel = sockets[0], .control = control[0]};
	r.servers.at[r.servers.len++] = util_endpoint("192.0.2.53:53");
	r.servers.at[r.servers.len++] = util_endpoint("[2001:db8::53]:5300");
	other_end = channel[1];
	other_socket_end = sockets[1];
	other_control_end = control[1];
	log_init("wgmeet", false);
}

static void say(const struct lookup_result *result)
{
	ck_assert_int_eq(channel_send(other_end, result, sizeof(*result), -1), 0);
}

START_TEST(a_result_is_taken_when_it_is_there)
{
	struct lookup_result result = good(4711), taken;

	ck_assert_int_eq(resolver_take(&r, &taken), -EAGAIN);
	say(&result);
	result.endpoint = util_endpoint("127.0.0.1:1");
	say(&result);
	ck_assert_int_eq(resolver_take(&r, &taken), 1);
	ck_assert_uint_eq(taken.number, 4711); /* the asker's to judge */
	ck_assert_uint_eq(taken.status, LOOKUP_FOUND);
	ck_assert_int_eq(resolver_take(&r, &taken), 1);
	ck_assert_uint_eq(taken.status, LOOKUP_BAD_ENDPOINT);
	ck_assert_int_eq(resolver_take(&r, &taken), -EAGAIN);
	close(other_end);
	ck_assert_int_eq(resolver_take(&r, &taken), 0);
	ck_assert_int_eq(resolver_take(&r, &taken), 0);
}
END_TEST

/* All but those that are about the number. */
START_TEST(a_lie_that_is_taken_ends_the_program)
{
	struct lookup_result result = good(1);

	lies[_i](&result);
	say(&result);
	resolver_take(&r, &result);
}
END_TEST

/* A question that it never read comes back as an error ahead of the results. */
START_TEST(what_was_said_before_the_end_is_taken)
{
	struct lookup_result result = good(1);

	ck_assert_int_eq(resolver_post(&r, &questions[0]), 0);
	say(&result);
	say(&result);
	close(other_end);
	ck_assert_int_eq(resolver_take(&r, &result), 1);
	ck_assert_int_eq(resolver_take(&r, &result), 1);
	ck_assert_int_eq(resolver_take(&r, &result), 0);
	ck_assert_int_eq(resolver_post(&r, &questions[0]), -EPIPE);
}
END_TEST

START_TEST(a_question_takes_room)
{
	struct lookup q = {.number = 0}, read;
	struct pollfd p[RESOLVER_FDS];
	int err;

	while ((err = resolver_post(&r, &q)) == 0)
		q.number++;
	ck_assert_int_eq(err, -EAGAIN);
	resolver_fill(&r, true, p);
	ck_assert_int_eq(poll(p, RESOLVER_FDS, 0), 0);
	for (uint32_t i = 0; i < q.number; i++) {
		ck_assert_int_eq(channel_recv(other_end, &read, sizeof(read), NULL), 1);
		ck_hot(read.number == i);
	}
	resolver_fill(&r, true, p);
	ck_assert_int_eq(poll(p, RESOLVER_FDS, 0), 1);
	ck_assert_int_eq(p[0].revents, POLLOUT);
	resolver_fill(&r, false, p);
	ck_assert_int_eq(poll(p, RESOLVER_FDS, 0), 0);
	ck_assert_int_eq(resolver_post(&r, &q), 0);
}
END_TEST

START_TEST(a_notify_is_taken_if_it_is_a_server_s)
{
	struct push push = {.key = {7}}, taken;

	ck_assert_int_eq(resolver_take_push(&r, &taken), -EAGAIN);
	for (size_t i = 0; i < r.servers.len; i++) {
		push.from = r.servers.at[i];
		ck_assert_int_eq(channel_send(other_control_end, &push, sizeof(push), -1), 0);
		ck_assert_int_eq(resolver_take_push(&r, &taken), 1);
		ck_assert_mem_eq(taken.key, push.key, KEY_LEN);
		ck_assert(endpoint_equal(&taken.from, &push.from));
		push.from.port++;
		ck_assert_int_eq(channel_send(other_control_end, &push, sizeof(push), -1), 0);
		ck_assert_int_eq(resolver_take_push(&r, &taken), -EAGAIN);
	}
	close(other_control_end);
	ck_assert_int_eq(resolver_take_push(&r, &taken), 0);
}
END_TEST

/* It says that it has done what it was not told to do. */
START_TEST(what_was_not_told_is_not_done)
{
	struct socket_wish done = {.done = 1};

	ck_assert(resolver_serve(&r));
	ck_assert_int_eq(channel_send(other_socket_end, &done, sizeof(done), -1), 0);
	resolver_serve(&r);
}
END_TEST

START_TEST(who_is_gone_is_told_nothing)
{
	struct settings settings = {.servers.len = 0};

	ck_assert_int_eq(resolver_use(&r, &settings), -EINVAL);
	settings.servers = r.servers;
	close(other_socket_end);
	ck_assert(!resolver_serve(&r));
	ck_assert_int_eq(resolver_use(&r, &settings), -EPIPE);
	close(other_control_end);
	ck_assert_int_eq(resolver_renew(&r), -EPIPE);
	ck_assert_int_eq(resolver_listen(&r, "lo", 5354), -EPIPE);
}
END_TEST

Suite *suite_ask(void)
{
	Suite *s = suite_create("ask");
	TCase *t = tcase_create("ask"), *w = tcase_create("beside others");

	tcase_add_test(t, what_was_asked_for_is_believed);
	tcase_add_loop_test(t, endpoints_are_judged_again, 0, 6);
	tcase_add_loop_exit_test(t, a_lie_ends_the_program, EXIT_WRONG, 0, (int)COUNT(lies));
	tcase_add_exit_test(t, results_are_made_before_the_end, MADE);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(w, start, NULL);
	tcase_add_test(w, a_result_is_taken_when_it_is_there);
	tcase_add_loop_exit_test(w, a_lie_that_is_taken_ends_the_program, EXIT_WRONG, 1, (int)COUNT(lies) - 1);
	tcase_add_test(w, what_was_said_before_the_end_is_taken);
	tcase_add_test(w, a_question_takes_room);
	tcase_add_test(w, a_notify_is_taken_if_it_is_a_server_s);
	tcase_add_exit_test(w, what_was_not_told_is_not_done, EXIT_WRONG);
	tcase_add_test(w, who_is_gone_is_told_nothing);
	suite_add_tcase(s, w);
	return s;
}
