/* Paths on a bed: a device, a server in its tunnel, and answers. */
#ifndef WGMEET_TEST_PATHS_BED_H
#define WGMEET_TEST_PATHS_BED_H

#include <check.h>
#include <string.h>

#include "paths.h"
#include "util.h"

#define WALL_S 1800000000
#define START  1000000

static struct paths ps;
static struct wg_device dev;
static struct server_list servers;
static int64_t now;

static inline void setup(void)
{
	now = START;
	servers = (struct server_list){.len = 1, .at = {util_endpoint("10.0.0.254:53")}};
	dev = (struct wg_device){.has_public_key = true};
	util_key(100000, dev.public_key);
	paths_init(&ps, 1, &servers, now);
}

static inline void teardown(void)
{
	paths_free(&ps);
	wgdev_free(&dev);
}

static inline void see(void)
{
	ck_assert_int_eq(paths_see(&ps, &dev, now, WALL_S), 0);
}

static inline void add_peers(uint64_t first, uint64_t n, uint64_t handshake_s)
{
	for (uint64_t i = first; i < first + n; i++)
		util_add_peer(&dev, i, NULL, "10.1.0.0/16")->last_handshake_s = handshake_s;
}

static inline void remove_peer(uint64_t n)
{
	uint8_t key[KEY_LEN];
	size_t i = 0;

	util_key(n, key);
	while (memcmp(dev.peers[i].public_key, key, KEY_LEN) != 0)
		i++;
	dev.peers[i] = dev.peers[--dev.peers_len];
}

static inline const struct path *path_of(uint64_t n)
{
	uint8_t key[KEY_LEN];

	util_key(n, key);
	for (size_t i = 0; i < ps.len; i++)
		if (paths_at(&ps, i) != NULL && memcmp(paths_at(&ps, i)->key, key, KEY_LEN) == 0)
			return paths_at(&ps, i);
	return NULL;
}

static inline uint32_t ask_for(uint64_t n)
{
	struct paths_act act;
	uint8_t key[KEY_LEN];

	util_key(n, key);
	while (paths_next(&ps, now, &act))
		if (act.act.what == PATH_DO_ASK && memcmp(paths_key(&ps, act.number), key, KEY_LEN) == 0)
			return act.number;
	ck_abort_msg("it is not asked for");
}

static inline void answer(uint32_t number, const char *endpoint)
{
	struct endpoint ep = {0};

	if (endpoint != NULL)
		ep = util_endpoint(endpoint);
	ck_assert(paths_is_open(&ps, number));
	paths_answer(&ps, number, endpoint != NULL ? LOOKUP_FOUND : LOOKUP_NOT_IN_ZONE, &ep, 10, now);
}

static inline void settle(const char *own);

/* The same, with all that waits for its turn. */
static inline void settle_all(const char *own)
{
	for (int i = 0; i < 30; i++) {
		settle(own);
		now += 100;
		see();
	}
	settle(own);
}

/* All that is due, answered at once; the last ones of this host's own key with `own`. */
static inline void settle(const char *own)
{
	struct paths_act act;

	while (paths_next(&ps, now, &act))
		if (act.act.what == PATH_DO_ASK)
			answer(act.number, act.number >= PATHS_OWN ? own : NULL);
}

#endif
