/* One path on a bed: dumps, answers and pokes for the tests of it. */
#ifndef WGMEET_TEST_PATH_BED_H
#define WGMEET_TEST_PATH_BED_H

#include <check.h>
#include <string.h>

#include "path.h"
#include "util.h"

#define WALL_S 1800000000
#define START  1000000

static struct path p;
static struct wg_peer peer;
static int64_t now;

/* ---- what happens to it ---- */

static inline void see(void)
{
	path_see(&p, &peer, now, WALL_S + (uint64_t)(now - START) / 1000);
}

static inline void see_after(int64_t ms)
{
	now += ms;
	see();
}

static inline void shake_hands(void)
{
	peer.last_handshake_s = WALL_S + (uint64_t)(now - START) / 1000;
	peer.rx_bytes += 92;
	peer.tx_bytes += 148;
}

static inline void hear(void)
{
	peer.rx_bytes += 96;
}

static inline enum path_do next(void)
{
	const struct path_may all = {true, true, true};
	struct path_act act;

	path_next(&p, now, &all, &act);
	return act.what;
}

static inline void answer(enum lookup_status status, const char *endpoint)
{
	struct endpoint ep = {0};

	if (endpoint != NULL)
		ep = util_endpoint(endpoint);
	path_answer(&p, status, &ep, 10, now);
}

static inline void find(const char *endpoint)
{
	ck_assert_int_eq(next(), PATH_DO_ASK);
	answer(LOOKUP_FOUND, endpoint);
}

/* A path whose peer was never connected. */
static inline void setup(void)
{
	static const uint8_t key[KEY_LEN] = {7};

	now = START;
	peer = (struct wg_peer){.allowed_len = 1};
	path_init(&p, key, 1, now);
}

static inline void meet_at(const char *endpoint)
{
	peer.endpoint = util_endpoint(endpoint);
	shake_hands();
	see();
	ck_assert_int_eq(p.state, PATH_DIRECT);
}

/* Of a peer that is known to answer pokes. */
static inline void meet_prompt(const char *endpoint)
{
	meet_at(endpoint);
	path_suspect(&p, PATH_WHY_ADDRESS, now);
	see_after(50);
	ck_assert_int_eq(next(), PATH_DO_POKE);
	now += 40;
	path_echo(&p, now);
	hear();
	see_after(10);
	ck_assert_int_eq(p.state, PATH_DIRECT);
	ck_assert(p.prompt);
}

/* Dumps every 50 ms, and pokes that nothing comes back to. */
static inline void poke_in_vain(int64_t ms)
{
	for (int64_t end = now + ms; now < end;) {
		if (next() == PATH_DO_POKE)
			peer.tx_bytes += 64;
		see_after(50);
	}
}

#endif
