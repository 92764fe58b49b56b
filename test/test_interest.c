#include <stdlib.h>
#include <string.h>

#include "interest.h"
#include "suites.h"
#include "util.h"

static const uint64_t seed[2] = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543211)};

static void setup(void)
{
	interest_init();
	interest_seed(seed);
}

static const uint8_t *label_of(uint32_t n)
{
	static uint8_t label[KEY_BASE32];
	uint8_t key[KEY_LEN];

	util_key(n, key);
	key_to_base32(key, label);
	return label;
}

/* Subscriber n's address. */
static const uint8_t *addr_of(uint32_t n)
{
	static uint8_t addr[RANGES_ADDR];

	memset(addr, 0, sizeof(addr));
	addr[0] = n % 3 == 0 ? 6 : 4;
	addr[1] = 10;
	addr[2] = (uint8_t)(n >> 16);
	addr[3] = (uint8_t)(n >> 8);
	addr[4] = (uint8_t)n;
	return addr;
}

static struct interest *find(uint32_t who, uint32_t name)
{
	return interest_find(addr_of(who), 0, label_of(name), false);
}

static struct interest *ask(uint32_t who, uint32_t name, uint64_t now_ms)
{
	return interest_remember(addr_of(who), 0, label_of(name), false, now_ms);
}

/* How many of the names from `first` on it has. */
static uint32_t count(uint32_t who, uint32_t first, uint32_t names)
{
	uint32_t n = 0;

	for (uint32_t i = first; i < first + names; i++)
		n += find(who, i) != NULL;
	return n;
}

START_TEST(what_was_asked_for_is_found_and_nothing_else)
{
	uint8_t other[RANGES_ADDR];
	struct interest *e = ask(1, 1, 1000);

	ck_assert_ptr_eq(find(1, 1), e);
	ck_assert_mem_eq(interest_subscriber(e)->addr, addr_of(1), RANGES_ADDR);
	ck_assert(e->told == 0 && e->where == INTEREST_IDLE && e->asked_ms == 1000);
	ck_assert_ptr_null(find(1, 2));
	ck_assert_ptr_null(find(2, 1));
	ck_assert_ptr_null(interest_find(addr_of(1), 1, label_of(1), false));
	ck_assert_ptr_null(interest_find(addr_of(1), 0, label_of(1), true));
	memcpy(other, addr_of(1), sizeof(other));
	other[0] = 6; /* the same octets of another family */
	ck_assert_ptr_null(interest_find(other, 0, label_of(1), false));
	ck_assert_ptr_eq(ask(1, 1, 2000), e);
	ck_assert_uint_eq(e->asked_ms, 2000);
	ck_assert_ptr_ne(interest_remember(addr_of(1), 0, label_of(1), true, 2000), e);
	ck_assert_ptr_ne(interest_remember(addr_of(1), 32, label_of(1), false, 2000), e);
	ck_assert_uint_eq(interest_end(), 3);
}
END_TEST

START_TEST(what_is_forgotten_is_gone_and_its_place_free)
{
	for (uint32_t i = 0; i < 100; i++)
		ask(i % 7, i, 1);
	for (uint32_t i = 0; i < 100; i += 2)
		interest_forget(find(i % 7, i));
	for (uint32_t i = 0; i < 100; i++) {
		ck_assert_int_eq(find(i % 7, i) != NULL, i % 2);
		ck_assert_int_eq(interest_at(i) != NULL, i % 2);
	}
	for (uint32_t i = 0; i < 50; i++)
		ask(20 + i, 1000 + i, 2);
	ck_assert_uint_eq(interest_end(), 100);
	for (uint32_t i = 0; i < 50; i++)
		ck_assert_ptr_nonnull(find(20 + i, 1000 + i));
}
END_TEST

START_TEST(a_subscriber_with_too_many_loses_its_oldest)
{
	for (uint32_t i = 0; i < INTERESTS_EACH; i++)
		ask(1, i, i);
	ask(2, 0, 0);
	ask(1, 0, 5000); /* and 1 is the oldest now */
	for (uint32_t i = 0; i < 10; i++) {
		ask(1, 10000 + i, 6000);
		ck_assert_ptr_null(find(1, 1 + i));
		ck_assert_ptr_nonnull(find(1, 2 + i));
	}
	ck_assert_uint_eq(count(1, 0, INTERESTS_EACH), INTERESTS_EACH - 10);
	ck_assert_uint_eq(count(1, 10000, 10), 10);
	ck_assert_ptr_nonnull(find(2, 0));
}
END_TEST

/* Some ask for as much as they can; those who ask for little keep all of it. */
START_TEST(who_has_the_most_gives_way)
{
	uint32_t greedy = INTERESTS / INTERESTS_EACH + 8, modest = 200;

	for (uint32_t i = 0; i < modest; i++)
		for (uint32_t j = 0; j < 8; j++)
			ask(1000 + i, j, 1);
	for (uint32_t j = 0; j < INTERESTS_EACH; j++)
		for (uint32_t i = 0; i < greedy; i++)
			ask(i, j, 2);
	ck_assert_uint_eq(interest_end(), INTERESTS);
	for (uint32_t i = 0; i < modest; i++)
		ck_assert_uint_eq(count(1000 + i, 0, 8), 8);
	for (uint32_t i = 0; i < greedy; i++) {
		uint32_t n = count(i, 0, INTERESTS_EACH), fair = (INTERESTS - 8 * modest) / greedy;

		ck_assert_msg(n >= fair && n <= fair + 1, "%u of %u", n, fair);
		ck_assert_ptr_nonnull(find(i, INTERESTS_EACH - 1)); /* the newest */
	}
	for (uint32_t j = 0; j < 100; j++) /* and there is room for another one */
		ask(5000, j, 3);
	ck_assert_uint_eq(count(5000, 0, 100), 100);
	for (uint32_t i = 0; i < modest; i++)
		ck_assert_uint_eq(count(1000 + i, 0, 8), 8);
}
END_TEST

START_TEST(what_is_old_gives_way_before_what_is_many)
{
	uint64_t later = 1000 + INTEREST_LIFE_MS + 1;

	ask(9999, 1, 1000);
	ask(9999, 2, 1000);
	for (uint32_t i = 0; i < INTERESTS - 2; i++)
		ask(i % 64, i / 64, later);
	ask(1, 20000, later);
	ck_assert_ptr_null(find(9999, 1));
	ck_assert_ptr_nonnull(find(9999, 2));
	ask(1, 20001, later);
	ck_assert_ptr_null(find(9999, 2));
	ck_assert_uint_eq(count(2, 0, INTERESTS / 64), INTERESTS / 64);
	ask(1, 20002, later);
	ck_assert_uint_eq(count(0, 0, INTERESTS / 64) + count(1, 0, INTERESTS / 64), 2 * (INTERESTS / 64) - 1);
}
END_TEST

START_TEST(when_subscribers_are_too_many_who_asked_longest_ago_goes)
{
	for (uint32_t i = 0; i < SUBSCRIBERS; i++)
		for (uint32_t j = 0; j < 3; j++)
			ask(i, j, i);
	ask(0, 1, 5000);
	for (uint32_t i = 0; i < 10; i++) {
		ask(10000 + i, 7, 6000);
		ck_assert_uint_eq(count(1 + i, 0, 3), 0);
		ck_assert_uint_eq(count(2 + i, 0, 3), 3);
		ck_assert_ptr_nonnull(find(10000 + i, 7));
	}
	ck_assert_uint_eq(count(0, 0, 3), 3);
}
END_TEST

START_TEST(old_is_what_was_not_asked_for_in_ten_minutes)
{
	struct interest *e = ask(1, 1, 777);

	ck_assert(!interest_is_old(e, 777) && !interest_is_old(e, 777 + 600000) && interest_is_old(e, 777 + 600001));
	ask(1, 1, 1777);
	ck_assert(!interest_is_old(e, 777 + 600001));
}
END_TEST

START_TEST(a_queue_keeps_its_order)
{
	struct interest *e[6];

	for (uint32_t i = 0; i < 6; i++)
		e[i] = ask(i % 2, i, 1);
	ck_assert_ptr_null(interest_first(INTEREST_WAITS));
	for (uint32_t i = 0; i < 6; i++)
		interest_move(e[i], INTEREST_WAITS + 1);
	ck_assert_ptr_null(interest_first(INTEREST_WAITS));
	ck_assert_ptr_eq(interest_first(INTEREST_WAITS + 1), e[0]);
	interest_move(e[1], INTEREST_IDLE);
	interest_move(e[0], INTEREST_WAITS + 1); /* to its end */
	ck_assert_ptr_eq(interest_first(INTEREST_WAITS + 1), e[2]);
	interest_move(e[2], INTEREST_READY);
	interest_move(e[0], INTEREST_READY);
	interest_move(e[3], INTEREST_READY);
	ck_assert_ptr_eq(interest_first_ready(interest_subscriber(e[0])), e[2]);
	ck_assert_ptr_eq(interest_first_ready(interest_subscriber(e[1])), e[3]);
	interest_forget(e[2]);
	ck_assert_ptr_eq(interest_first_ready(interest_subscriber(e[0])), e[0]);
	interest_forget(e[4]);
	ck_assert_ptr_eq(interest_first(INTEREST_WAITS + 1), e[5]);
}
END_TEST

START_TEST(subscribers_take_turns)
{
	struct subscriber *s[4];

	ck_assert_ptr_null(interest_turn());
	for (uint32_t i = 0; i < 4; i++) {
		s[i] = interest_subscriber(ask(i, i, 1));
		interest_turn_last(s[i]);
	}
	ck_assert_ptr_eq(interest_turn(), s[0]);
	interest_turn_last(s[0]);
	interest_turn_none(s[1]);
	ck_assert_ptr_eq(interest_turn(), s[2]);
	interest_turn_first(s[3]);
	ck_assert_ptr_eq(interest_turn(), s[3]);
	interest_forget(find(3, 3)); /* with its last interest a subscriber goes */
	ck_assert_ptr_eq(interest_turn(), s[2]);
	interest_turn_none(s[2]);
	ck_assert_ptr_eq(interest_turn(), s[0]);
	interest_turn_none(s[0]);
	ck_assert_ptr_null(interest_turn());
}
END_TEST

/* ---- at random, beside a model that is a plain list ---- */

#define PEOPLE 12
#define NAMES  40

static uint64_t model[PEOPLE][NAMES]; /* when it was asked for; 0: never, or forgotten */

static void check_model(void)
{
	uint32_t in_use = 0, want = 0;

	for (uint32_t i = 0; i < interest_end(); i++)
		in_use += interest_at(i) != NULL;
	for (uint32_t who = 0; who < PEOPLE; who++) {
		for (uint32_t name = 0; name < NAMES; name++) {
			const struct interest *e = find(who, name);

			ck_hot((e != NULL) == (model[who][name] != 0));
			ck_hot(e == NULL || e->asked_ms == model[who][name]);
			want += e != NULL;
		}
	}
	ck_assert_uint_eq(in_use, want);
	ck_assert_uint_le(interest_end(), PEOPLE * NAMES);
}

START_TEST(any_order_of_asking_and_forgetting_agrees_with_a_list)
{
	uint64_t state = 77 + (uint64_t)_i;

	memset(model, 0, sizeof(model));
	for (uint64_t now = 1; now < 20000; now++) {
		uint64_t r = util_random(&state);
		uint32_t who = (uint32_t)(r >> 8) % PEOPLE, name = (uint32_t)(r >> 20) % NAMES;
		struct interest *e = find(who, name);

		if (r % 8 < 4) {
			ask(who, name, now);
			model[who][name] = now;
		} else if (e != NULL && r % 8 < 6) {
			interest_move(e, (uint8_t)((r >> 40) % (INTEREST_WAITS + INTEREST_QUEUES)));
		} else if (e != NULL) {
			interest_forget(e);
			model[who][name] = 0;
		}
		if (now % 500 == 0)
			check_model();
	}
}
END_TEST

Suite *suite_interest(void)
{
	Suite *s = suite_create("interest");
	TCase *t = tcase_create("interest");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, what_was_asked_for_is_found_and_nothing_else);
	tcase_add_test(t, what_is_forgotten_is_gone_and_its_place_free);
	tcase_add_test(t, a_subscriber_with_too_many_loses_its_oldest);
	tcase_add_test(t, who_has_the_most_gives_way);
	tcase_add_test(t, what_is_old_gives_way_before_what_is_many);
	tcase_add_test(t, when_subscribers_are_too_many_who_asked_longest_ago_goes);
	tcase_add_test(t, old_is_what_was_not_asked_for_in_ten_minutes);
	tcase_add_test(t, a_queue_keeps_its_order);
	tcase_add_test(t, subscribers_take_turns);
	tcase_add_loop_test(t, any_order_of_asking_and_forgetting_agrees_with_a_list, 0, 4);
	return s;
}
