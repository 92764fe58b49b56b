/* Prometheus's text as it must be, what is made of several, and what is counted. */
#include <string.h>

#include "counters.h"
#include "metrics_client.h"
#include "suites.h"
#include "util.h"

/* ---- text ---- */

static const struct metrics_bounds bounds = {4, {1, 250, 1000, 90000}};

START_TEST(families_and_samples)
{
	struct metrics m = {0};

	metrics_family(&m, "a_total", "counter", "What a is.");
	metrics_count(&m, 0, NULL);
	metrics_count(&m, UINT64_MAX, "x", "y", NULL);
	metrics_family(&m, "b_seconds", "gauge", "What b is.");
	metrics_count(&m, 7, "x", "y", "z", "", NULL);
	metrics_end(&m);
	ck_assert_str_eq(m.buf, "# HELP a_total What a is.\n# TYPE a_total counter\na_total 0\na_total{x=\"y\"} 18446744073709551615\n"
	                        "# HELP b_seconds What b is.\n# TYPE b_seconds gauge\nb_seconds{x=\"y\",z=\"\"} 7\n# EOF\n");
	ck_assert_uint_eq(m.len, strlen(m.buf));
	metrics_free(&m);
	ck_assert_ptr_null(m.buf);
}
END_TEST

START_TEST(values_of_labels_are_escaped)
{
	struct metrics m = {0};

	metrics_family(&m, "a", "gauge", "A.");
	metrics_count(&m, 1, "x", "a\\b\"c\nd", NULL);
	ck_assert_ptr_nonnull(strstr(m.buf, "a{x=\"a\\\\b\\\"c\\nd\"} 1\n"));
	metrics_free(&m);
}
END_TEST

START_TEST(a_histogram_is_cumulative)
{
	struct metrics_histogram h = {0};
	struct metrics m = {0};

	metrics_observe(&h, &bounds, 0);
	metrics_observe(&h, &bounds, 1000); /* a bound is within */
	metrics_observe(&h, &bounds, 1001);
	metrics_observe(&h, &bounds, 90000000);
	metrics_observe(&h, &bounds, 90000001);
	metrics_observe(&h, &bounds, -5); /* of a clock that jumps: nothing is not less than nothing */
	metrics_family(&m, "h", "histogram", "H.");
	metrics_histogram(&m, &h, &bounds, "z", "w");
	ck_assert_str_eq(m.buf, "# HELP h H.\n# TYPE h histogram\nh_bucket{z=\"w\",le=\"0.001\"} 3\nh_bucket{z=\"w\",le=\"0.25\"} 4\n"
	                        "h_bucket{z=\"w\",le=\"1\"} 4\nh_bucket{z=\"w\",le=\"90\"} 5\nh_bucket{z=\"w\",le=\"+Inf\"} 6\n"
	                        "h_count{z=\"w\"} 6\nh_sum{z=\"w\"} 180.002002\n");
	metrics_free(&m);
}
END_TEST

START_TEST(it_grows)
{
	struct metrics m = {0};

	metrics_family(&m, "a", "gauge", "A.");
	for (unsigned i = 0; i < 20000; i++)
		metrics_count(&m, i, "x", "a value of some length, so that it is much", NULL);
	ck_assert(!m.failed);
	ck_assert_uint_gt(m.len, 1000000);
	ck_assert_uint_eq(m.len, strlen(m.buf));
	metrics_free(&m);
}
END_TEST

/* ---- several texts ---- */

static struct metrics text_of(const char *text)
{
	struct metrics m = {0};

	metrics_octets(&m, text, strlen(text));
	return m;
}

START_TEST(each_family_is_there_once)
{
	struct metrics texts[4] = {
	    text_of("# HELP a A.\n# TYPE a gauge\na{d=\"0\"} 1\na{d=\"0\",x=\"y\"} 2\n# HELP b B.\n# TYPE b gauge\nb{d=\"0\"} 3\n"),
	    text_of("# HELP b Another.\n# TYPE b gauge\nb{d=\"1\"} 4\n# HELP c C.\n# TYPE c gauge\nc{d=\"1\"} 5\n"),
	    {0},
	    text_of("lost 1\n# HELP ab AB.\n# TYPE ab gauge\nab 6\n# HELP a A.\n# TYPE a gauge\na{d=\"3\"} 7\n"
	            "# HELP c C.\n# TYPE c gauge\n"),
	}, out = {0};

	metrics_merge(texts, 4, &out);
	ck_assert_str_eq(out.buf, "# HELP a A.\n# TYPE a gauge\na{d=\"0\"} 1\na{d=\"0\",x=\"y\"} 2\na{d=\"3\"} 7\n"
	                          "# HELP b B.\n# TYPE b gauge\nb{d=\"0\"} 3\nb{d=\"1\"} 4\n"
	                          "# HELP c C.\n# TYPE c gauge\nc{d=\"1\"} 5\n# HELP ab AB.\n# TYPE ab gauge\nab 6\n");
	for (size_t i = 0; i < 4; i++)
		metrics_free(&texts[i]);
	metrics_free(&out);
}
END_TEST

/* ---- of paths ---- */

static struct paths paths;
static struct metrics_client client;
static struct wg_device dev;

static void see(int64_t at_ms)
{
	ck_assert_int_eq(paths_see(&paths, &dev, at_ms, 1800000000 + (uint64_t)at_ms / 1000), 0);
	metrics_client_look(&client, &paths);
}

static uint64_t found(void)
{
	uint64_t n = 0;

	for (size_t i = 0; i <= METRICS_BOUNDS; i++)
		n += client.direct.counts[i];
	return n;
}

static void shake(size_t peer, int64_t at_ms)
{
	dev.peers[peer].last_handshake_s = 1800000000 + (uint64_t)at_ms / 1000;
	dev.peers[peer].rx_bytes += 148;
	dev.peers[peer].tx_bytes += 92;
}

static void paths_setup(void)
{
	static const struct server_list none;

	memset(&dev, 0, sizeof(dev));
	memset(&client, 0, sizeof(client));
	exporter_init(&client.exporter);
	util_device(&dev, 3);
	paths_init(&paths, 1, &none, 1000);
}

static void paths_teardown(void)
{
	metrics_client_close(&client);
	paths_free(&paths);
	wgdev_free(&dev);
}

/* From its first sight, or its loss, to the handshake. Of a peer that has a path when it is seen first nothing is measured. */
START_TEST(time_to_direct)
{
	for (size_t i = 0; i < 3; i++)
		dev.peers[i].last_handshake_s = 0;
	shake(2, 1000);
	see(1000);
	ck_assert_uint_eq(found(), 0);
	shake(0, 3500);
	see(3500);
	ck_assert_uint_eq(found(), 1);
	ck_assert_uint_eq(client.direct.sum_us, 2500000);
	see(4000);
	ck_assert_uint_eq(found(), 1);
	shake(1, 9000);
	see(9000);
	ck_assert_uint_eq(found(), 2);
	ck_assert_uint_eq(client.direct.sum_us, 2500000 + 8000000);
	for (size_t i = 0; i <= PATH_WHY_CHANGED; i++)
		ck_assert_uint_eq(client.lost[i], 0);
}
END_TEST

/* Data goes out and nothing comes back. */
START_TEST(a_loss_is_counted_by_its_reason)
{
	for (size_t i = 0; i < 3; i++)
		shake(i, 1000);
	see(1000);
	for (int64_t at = 2000; at <= 30000; at += 1000) {
		dev.peers[0].tx_bytes += 1000;
		for (size_t i = 1; i < 3; i++)
			dev.peers[i].rx_bytes += 100;
		see(at);
	}
	ck_assert_uint_eq(client.lost[PATH_WHY_SILENCE], 1);
	ck_assert_uint_eq(found(), 0);
	shake(0, 31000);
	see(31000);
	ck_assert_uint_eq(found(), 1);
	ck_assert_uint_le(client.direct.sum_us, 20000000);
	ck_assert_uint_ge(client.direct.sum_us, 5000000);
}
END_TEST

/* A peer that goes takes its time with it, also if another one has its place before anybody has looked. */
START_TEST(another_peer_in_its_place_begins_anew)
{
	for (size_t i = 0; i < 3; i++)
		dev.peers[i].last_handshake_s = 0;
	see(1000);
	dev.peers_len = 2;
	ck_assert_int_eq(paths_see(&paths, &dev, 4000, 1800000004), 0);
	ck_assert_ptr_null(paths_at(&paths, 2));
	dev.peers_len = 3;
	dev.peers[2].public_key[0] ^= 0x55;
	shake(2, 5000);
	see(5000);
	ck_assert_ptr_nonnull(paths_at(&paths, 2));
	ck_assert_uint_eq(found(), 0); /* it had a path when it was seen first */
}
END_TEST

/* ---- counters ---- */

START_TEST(types_have_their_places)
{
	static const struct {
		uint16_t type;
		enum counters_type place;
	} types[] = {
	    {0, COUNTERS_NONE}, {DNS_A, COUNTERS_A}, {DNS_SRV, COUNTERS_SRV}, {DNS_ANY, COUNTERS_ANY}, {DNS_AXFR, COUNTERS_AXFR},
	    {DNS_CNAME, COUNTERS_OTHER}, {254, COUNTERS_OTHER}, {256, COUNTERS_OTHER}, {257, COUNTERS_OTHER}, {65535, COUNTERS_OTHER},
	    {0x0101, COUNTERS_OTHER}, {0x2101, COUNTERS_OTHER},
	};
	static struct counters c;

	for (size_t i = 0; i < COUNT(types); i++) {
		uint64_t before = c.queries[COUNTERS_TCP][types[i].place][DNS_BADCOOKIE];

		counters_query(&c, COUNTERS_TCP, types[i].type, DNS_BADCOOKIE);
		ck_assert_uint_eq(c.queries[COUNTERS_TCP][types[i].place][DNS_BADCOOKIE], before + 1);
	}
	ck_assert_uint_eq((uintptr_t)&c % 64, 0);
	ck_assert_uint_eq(sizeof(c) % 64, 0);
}
END_TEST

Suite *suite_metrics(void)
{
	Suite *s = suite_create("metrics");
	TCase *text = tcase_create("text"), *path = tcase_create("paths");

	suite_add_tcase(s, text);
	tcase_add_test(text, families_and_samples);
	tcase_add_test(text, values_of_labels_are_escaped);
	tcase_add_test(text, a_histogram_is_cumulative);
	tcase_add_test(text, it_grows);
	tcase_add_test(text, each_family_is_there_once);
	tcase_add_test(text, types_have_their_places);
	suite_add_tcase(s, path);
	tcase_add_checked_fixture(path, paths_setup, paths_teardown);
	tcase_add_test(path, time_to_direct);
	tcase_add_test(path, a_loss_is_counted_by_its_reason);
	tcase_add_test(path, another_peer_in_its_place_begins_anew);
	return s;
}
