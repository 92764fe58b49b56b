#include <stdlib.h>
#include <string.h>

#include "suites.h"
#include "util.h"
#include "zone.h"

#define PEERS 40

static struct zone_conf conf;
static struct wg_device dev;
static struct zone kept, fresh;
static uint64_t state;

static size_t below(size_t n)
{
	return (size_t)(util_random(&state) % n);
}

static struct wg_peer *any(void)
{
	return &dev.peers[below(dev.peers_len)];
}

/* ---- what may happen to a device ---- */

static void a_port_changes(void)
{
	any()->endpoint.port++;
}

static void an_endpoint_goes(void)
{
	any()->endpoint.family = AF_UNSPEC;
}

static void an_endpoint_comes(void)
{
	any()->endpoint = util_endpoint(below(2) == 0 ? "192.0.2.7:7" : "[2001:db8::7]:7");
}

static void an_allowed_ip_changes(void)
{
	if (dev.allowed_len > 0)
		dev.allowed[below(dev.allowed_len)].addr[3] ^= 1;
}

/* The addresses stay, and belong to others. */
static void an_allowed_ip_moves_over(void)
{
	size_t i = below(dev.peers_len - 1);

	if (dev.peers[i].allowed_len == 0 || dev.peers[i].allowed_off + dev.peers[i].allowed_len != dev.peers[i + 1].allowed_off)
		return;
	dev.peers[i].allowed_len--;
	dev.peers[i + 1].allowed_off--;
	dev.peers[i + 1].allowed_len++;
}

static void two_change_allowed_ips(void)
{
	struct wg_peer *a = any(), *b = any();
	uint32_t off = a->allowed_off, len = a->allowed_len;

	a->allowed_off = b->allowed_off;
	a->allowed_len = b->allowed_len;
	b->allowed_off = off;
	b->allowed_len = len;
}

static void two_change_places(void)
{
	struct wg_peer *a = any(), *b = any(), t = *a;

	*a = *b;
	*b = t;
}

static void two_change_keys(void)
{
	struct wg_peer *a = any(), *b = any();
	uint8_t key[KEY_LEN];

	memcpy(key, a->public_key, KEY_LEN);
	memcpy(a->public_key, b->public_key, KEY_LEN);
	memcpy(b->public_key, key, KEY_LEN);
}

static void a_key_is_another(void)
{
	util_key(1000 + below(1000), any()->public_key);
}

static void a_key_is_told_twice(void)
{
	memcpy(any()->public_key, any()->public_key, KEY_LEN);
}

static void a_key_is_the_device_s(void)
{
	memcpy(any()->public_key, dev.public_key, KEY_LEN);
}

static void a_peer_goes(void)
{
	if (dev.peers_len > 3) {
		*any() = dev.peers[dev.peers_len - 1];
		dev.peers_len--;
	}
}

static void a_peer_comes(void)
{
	util_add_peer(&dev, 2000 + below(100000), "198.51.100.1:1", below(2) == 0 ? "10.1.2.3/32,fd00::/64" : NULL);
}

static void the_device_is_in_or_not(void)
{
	conf.self.endpoint = conf.self.endpoint.family == AF_UNSPEC ? util_endpoint("192.0.2.1:51820") : (struct endpoint){0};
	conf.self_allowed.at[0] = util_allowedip("10.0.0.254/32");
	conf.self_allowed.len = below(2);
}

static void (*const events[])(void) = {a_port_changes, a_port_changes, an_endpoint_goes, an_endpoint_comes,
    an_allowed_ip_changes, an_allowed_ip_moves_over, two_change_allowed_ips, two_change_places, two_change_keys, a_key_is_another,
    a_key_is_told_twice, a_key_is_the_device_s, a_peer_goes, a_peer_comes, the_device_is_in_or_not};

/* ---- tests ---- */

static void check_same(void)
{
	ck_assert_mem_eq(kept.hash, fresh.hash, ZONE_HASH);
	ck_assert_uint_eq(kept.peers_len, fresh.peers_len);
	for (size_t i = 0; i < kept.peers_len; i++) {
		const struct zone_peer *a = &kept.peers[i], *b = &fresh.peers[i];

		ck_hot(memcmp(a->key, b->key, KEY_LEN) == 0 && endpoint_equal(&a->endpoint, &b->endpoint));
		ck_hot(a->txt_len == b->txt_len && memcmp(kept.txt + a->txt_off, fresh.txt + b->txt_off, a->txt_len) == 0);
		ck_hot(i == 0 || memcmp(kept.peers[i - 1].key, a->key, KEY_LEN) < 0);
	}
}

static void shuffle(void)
{
	for (size_t i = dev.peers_len - 1; i > 0; i--) {
		size_t j = below(i + 1);
		struct wg_peer t = dev.peers[i];

		dev.peers[i] = dev.peers[j];
		dev.peers[j] = t;
	}
}

START_TEST(what_is_kept_never_shows)
{
	static const struct zone_world world;

	state = 4711 + (uint64_t)_i;
	for (size_t step = 0; step < 2000; step++) {
		if (step % 20 == 0) { /* with a key that is told twice nothing is kept, and some event has seen to that by now */
			util_zone_conf(&conf, "wg.example.com");
			wgdev_reset(&dev);
			util_device(&dev, PEERS);
		}
		for (size_t n = below(3); n > 0; n--)
			events[below(COUNT(events))]();
		ck_assert_int_eq(zone_build(&kept, &conf, &dev, &world), 0);
		ck_assert_int_eq(zone_build(&fresh, &conf, &dev, &world), 0);
		check_same();
		zone_free(&fresh);
	}
	zone_free(&kept);
	wgdev_free(&dev);
}
END_TEST

/* Of keys that are told twice, too, but for those whose text differs: there the address says which. */
START_TEST(the_order_of_the_source_never_shows)
{
	static const struct zone_world world;

	state = 815;
	util_zone_conf(&conf, "wg.example.com");
	for (size_t i = 1; i <= PEERS; i++)
		util_add_peer(&dev, 1 + i % (PEERS / 2), "192.0.2.1:1", "10.0.0.1/32")->endpoint.port = (uint16_t)(1 + i * 7919 % 101);
	ck_assert_int_eq(zone_build(&fresh, &conf, &dev, &world), 0);
	for (size_t i = 0; i < 200; i++) {
		shuffle();
		ck_assert_int_eq(zone_build(&kept, &conf, &dev, &world), 0);
		check_same();
	}
	zone_free(&fresh);
	zone_free(&kept);
	wgdev_free(&dev);
}
END_TEST

Suite *suite_zone_kept(void)
{
	Suite *s = suite_create("zone_kept");
	TCase *t = tcase_create("same");

	suite_add_tcase(s, t);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, what_is_kept_never_shows, 0, 4);
	tcase_add_test(t, the_order_of_the_source_never_shows);
	return s;
}
