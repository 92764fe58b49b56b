#include <arpa/inet.h>
#include <string.h>

#include "suites.h"
#include "util.h"
#include "wgdev.h"

START_TEST(peers_and_allowed_ips_grow_without_a_limit)
{
	struct wg_device dev = {0};
	uint8_t key[KEY_LEN];

	util_device(&dev, 5000);
	ck_assert_uint_eq(dev.peers_len, 5000);
	for (size_t i = 0, off = 0; i < dev.peers_len; i++) {
		const struct wg_peer *p = &dev.peers[i];

		util_key(i + 1, key);
		ck_assert_mem_eq(p->public_key, key, KEY_LEN);
		ck_assert_uint_eq(p->allowed_off, off);
		ck_assert_uint_eq(p->allowed_len, (i + 1) % 4 == 0 ? 1 : (i + 1) % 4 == 1 ? 2 : 3);
		off += p->allowed_len;
		ck_assert_uint_le(off, dev.allowed_len);
	}
	wgdev_free(&dev);
	ck_assert_ptr_null(dev.peers);
	ck_assert_uint_eq(dev.peers_cap, 0);
}
END_TEST

START_TEST(a_new_peer_is_empty_also_in_a_reused_array)
{
	struct wg_device dev = {0};
	const struct wg_peer *before;
	struct wg_peer *p;
	struct endpoint none = {0};
	size_t cap;

	util_device(&dev, 40);
	for (size_t i = 0; i < dev.peers_len; i++)
		dev.peers[i].last_handshake_s = dev.peers[i].rx_bytes = 7;
	before = dev.peers;
	cap = dev.peers_cap;
	wgdev_reset(&dev);
	ck_assert_uint_eq(dev.peers_len, 0);
	ck_assert_uint_eq(dev.allowed_len, 0);
	ck_assert(!dev.has_public_key);
	ck_assert(key_is_zero(dev.public_key));
	ck_assert_str_eq(dev.name, "");
	ck_assert_uint_eq(dev.listen_port, 0);
	p = util_add_peer(&dev, 9, NULL, NULL);
	ck_assert_ptr_eq(dev.peers, before);
	ck_assert_uint_eq(dev.peers_cap, cap);
	ck_assert(endpoint_equal(&p->endpoint, &none));
	ck_assert_uint_eq(p->last_handshake_s, 0);
	ck_assert_uint_eq(p->rx_bytes, 0);
	ck_assert_uint_eq(p->allowed_off, 0);
	ck_assert_uint_eq(p->allowed_len, 0);
	wgdev_free(&dev);
}
END_TEST

START_TEST(a_peer_is_found_by_its_key)
{
	struct wg_device dev = {0};
	uint8_t key[KEY_LEN];

	util_device(&dev, 20);
	for (uint64_t n = 0; n < 40; n++) {
		const struct wg_peer *p;

		util_key(n, key);
		p = wgdev_find_peer(&dev, key);
		if (n == 0 || n > 20)
			ck_assert_ptr_null(p);
		else
			ck_assert_ptr_eq(p, &dev.peers[n - 1]);
	}
	util_key(20, key);
	key[KEY_LEN - 1] ^= 1;
	ck_assert_ptr_null(wgdev_find_peer(&dev, key));
	wgdev_free(&dev);
}
END_TEST

START_TEST(swapped_devices_are_each_other)
{
	struct wg_device a = {0}, b = {0};

	util_device(&a, 3);
	util_device(&b, 5);
	wgdev_swap(&a, &b);
	ck_assert_uint_eq(a.peers_len, 5);
	ck_assert_uint_eq(b.peers_len, 3);
	wgdev_free(&a);
	wgdev_free(&b);
}
END_TEST

/* ---- same_public ---- */

struct change {
	const char *what;
	void (*fn)(struct wg_device *);
	bool same;
};

static void nothing(struct wg_device *d)
{
	(void)d;
}

static void handshake(struct wg_device *d)
{
	d->peers[1].last_handshake_s++;
}

static void rx(struct wg_device *d)
{
	d->peers[1].rx_bytes++;
}

static void tx(struct wg_device *d)
{
	d->peers[1].tx_bytes++;
}

static void keepalive(struct wg_device *d)
{
	d->peers[1].keepalive_s++;
}

static void device_key(struct wg_device *d)
{
	d->public_key[0] ^= 1;
}

static void no_device_key(struct wg_device *d)
{
	d->has_public_key = false;
}

static void peer_key(struct wg_device *d)
{
	d->peers[1].public_key[31] ^= 1;
}

static void address(struct wg_device *d)
{
	d->peers[1].endpoint.addr[3]++;
}

static void port(struct wg_device *d)
{
	d->peers[1].endpoint.port++;
}

static void no_endpoint(struct wg_device *d)
{
	d->peers[1].endpoint = (struct endpoint){0};
}

static void allowed_addr(struct wg_device *d)
{
	d->allowed[2].addr[0]++;
}

static void allowed_cidr(struct wg_device *d)
{
	d->allowed[2].cidr--;
}

static void allowed_family(struct wg_device *d)
{
	d->allowed[2].family = AF_INET6;
}

static void one_peer_more(struct wg_device *d)
{
	util_add_peer(d, 99, NULL, NULL);
}

static void one_peer_less(struct wg_device *d)
{
	d->peers_len--;
}

static void one_allowed_more(struct wg_device *d)
{
	struct wg_allowedip ip = util_allowedip("10.77.0.0/16");

	ck_assert_int_eq(wgdev_add_allowedip(d, &ip), 0);
}

/* The same array, but its second element is the second peer's no more. */
static void allowed_to_the_next(struct wg_device *d)
{
	d->peers[0].allowed_len--;
	d->peers[1].allowed_off--;
	d->peers[1].allowed_len++;
}

static const struct change changes[] = {
    {"nothing", nothing, true}, {"handshake", handshake, true}, {"rx", rx, true}, {"tx", tx, true},
    {"keepalive", keepalive, true}, {"device's key", device_key, false}, {"no device's key", no_device_key, false},
    {"peer's key", peer_key, false}, {"address", address, false}, {"port", port, false}, {"no endpoint", no_endpoint, false},
    {"allowed address", allowed_addr, false}, {"allowed bits", allowed_cidr, false},
    {"allowed family", allowed_family, false}, {"one peer more", one_peer_more, false},
    {"one peer less", one_peer_less, false}, {"one allowed more", one_allowed_more, false},
    {"an allowed IP of another peer", allowed_to_the_next, false},
};

START_TEST(same_public_looks_at_what_is_published_and_at_nothing_else)
{
	const struct change *change = &changes[_i];
	struct wg_device a = {0}, b = {0};

	util_device(&a, 4);
	util_device(&b, 4);
	change->fn(&b);
	ck_assert_msg(wgdev_same_public(&a, &b) == change->same, "%s", change->what);
	ck_assert_msg(wgdev_same_public(&b, &a) == change->same, "%s", change->what);
	wgdev_free(&a);
	wgdev_free(&b);
}
END_TEST

START_TEST(two_empty_devices_are_the_same)
{
	struct wg_device a = {0}, b = {0};

	ck_assert(wgdev_same_public(&a, &b));
}
END_TEST

/* ---- allowed IPs ---- */

START_TEST(an_allowed_ip_reads_and_prints_without_its_host_bits)
{
	static const char *const cases[][2] = {
	    {"10.0.0.1/32", "10.0.0.1/32"}, {"10.0.0.1", "10.0.0.1/32"}, {"10.1.2.3/8", "10.0.0.0/8"},
	    {"255.255.255.255/1", "128.0.0.0/1"}, {"10.0.0.255/31", "10.0.0.254/31"}, {"1.2.3.4/0", "0.0.0.0/0"},
	    {"::1", "::1/128"}, {"2001:db8::1/64", "2001:db8::/64"}, {"ffff::/3", "e000::/3"},
	    {"2001:db8::ffff/127", "2001:db8::fffe/127"}, {"2001:db8::1/0", "::/0"},
	    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"},
	    {"::ffff:10.0.0.1/128", "::ffff:10.0.0.1/128"}, /* not unmapped: cryptokey routing has two tables */
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct wg_allowedip ip;
		char text[ALLOWEDIP_TEXT];

		memset(&ip, 0xaa, sizeof(ip));
		ck_assert_msg(allowedip_from_text(cases[i][0], &ip), "%s", cases[i][0]);
		ck_assert_str_eq(allowedip_to_text(&ip, text), cases[i][1]);
	}
}
END_TEST

START_TEST(a_text_that_is_no_allowed_ip_is_refused)
{
	static const char *const texts[] = {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8",
	    "10.0.0.0/8x", "10.0.0.0/0x8", "10.0.0.0/8/8", "10.0.0.0/18446744073709551624", "10.0.0/8", "::/129", "::/", "[::]/0",
	    "fe80::1%1/64", "host/32", "(none)", " 10.0.0.0/8", "10.0.0.0 /8",
	    "1111111111111111111111111111111111111111111111111111111/8"};

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct wg_allowedip ip;

		ck_assert_msg(!allowedip_from_text(texts[i], &ip), "\"%s\"", texts[i]);
	}
}
END_TEST

START_TEST(the_longest_allowed_ip_fits)
{
	struct wg_allowedip ip = {.family = AF_INET6, .cidr = 128};
	char text[ALLOWEDIP_TEXT];

	memset(ip.addr, 0xff, sizeof(ip.addr));
	ck_assert_str_eq(allowedip_to_text(&ip, text), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
}
END_TEST

START_TEST(a_packet_goes_to_the_peer_of_the_longest_prefix)
{
	static const char *const nets[] = {"0.0.0.0/0", "10.9.0.0/16", "10.9.0.0/24", "10.9.0.0/24", "fd00::/8"};
	static const struct {
		const char *address;
		int peer; /* -1: none */
	} cases[] = {{"10.9.0.1:53", 2}, {"10.9.1.1:53", 1}, {"192.0.2.1:53", 0}, {"[fd00::1]:53", 4}, {"[2001:db8::1]:53", -1}};
	struct wg_device dev = {0};

	for (size_t i = 0; i < COUNT(nets); i++) {
		struct wg_allowedip ip;

		ck_assert(allowedip_from_text(nets[i], &ip));
		ck_assert_ptr_nonnull(wgdev_add_peer(&dev, (uint8_t[KEY_LEN]){(uint8_t)i}));
		ck_assert_int_eq(wgdev_add_allowedip(&dev, &ip), 0);
	}
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct endpoint ep;

		ck_assert(endpoint_from_text(cases[i].address, 0, &ep));
		ck_assert_ptr_eq(wgdev_peer_of(&dev, &ep), cases[i].peer < 0 ? NULL : &dev.peers[cases[i].peer]);
	}
	wgdev_free(&dev);
}
END_TEST

Suite *suite_wgdev(void)
{
	Suite *s = suite_create("wgdev");
	TCase *t = tcase_create("device"), *a = tcase_create("allowed");

	suite_add_tcase(s, t);
	tcase_add_test(t, peers_and_allowed_ips_grow_without_a_limit);
	tcase_add_test(t, a_new_peer_is_empty_also_in_a_reused_array);
	tcase_add_test(t, a_peer_is_found_by_its_key);
	tcase_add_test(t, swapped_devices_are_each_other);
	tcase_add_loop_test(t, same_public_looks_at_what_is_published_and_at_nothing_else, 0, (int)COUNT(changes));
	tcase_add_test(t, two_empty_devices_are_the_same);
	suite_add_tcase(s, a);
	tcase_add_test(a, an_allowed_ip_reads_and_prints_without_its_host_bits);
	tcase_add_test(a, a_text_that_is_no_allowed_ip_is_refused);
	tcase_add_test(a, the_longest_allowed_ip_fits);
	tcase_add_test(a, a_packet_goes_to_the_peer_of_the_longest_prefix);
	return s;
}
