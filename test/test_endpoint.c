#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "suites.h"
#include "util.h"

START_TEST(text_reads_and_prints_back)
{
	static const struct {
		const char *in;
		uint16_t default_port;
		uint8_t family;
		const char *out;
	} cases[] = {
	    {"192.0.2.1:51820", 0, AF_INET, "192.0.2.1:51820"},
	    {"192.0.2.1:51820", 53, AF_INET, "192.0.2.1:51820"},
	    {"192.0.2.1", 53, AF_INET, "192.0.2.1:53"},
	    {"0.0.0.0:0", 0, AF_INET, "0.0.0.0:0"},
	    {"255.255.255.255:65535", 0, AF_INET, "255.255.255.255:65535"},
	    {"[2001:db8::1]:51820", 0, AF_INET6, "[2001:db8::1]:51820"},
	    {"[2001:DB8:0:0::1]:1", 0, AF_INET6, "[2001:db8::1]:1"},
	    {"[2001:db8::1]", 53, AF_INET6, "[2001:db8::1]:53"},
	    {"2001:db8::1", 53, AF_INET6, "[2001:db8::1]:53"},
	    {"::", 53, AF_INET6, "[::]:53"},
	    {"[fe80::1%7]:51820", 0, AF_INET6, "[fe80::1%7]:51820"},
	    {"fe80::1%4294967295", 53, AF_INET6, "[fe80::1%4294967295]:53"},
	    {"[fe80::1%lo]:51820", 0, AF_INET6, "[fe80::1%1]:51820"},
	    {"[::ffff:192.0.2.1]:51820", 0, AF_INET, "192.0.2.1:51820"},
	    {"[::ffff:c000:201]:51820", 0, AF_INET, "192.0.2.1:51820"},
	    {"::ffff:192.0.2.1", 53, AF_INET, "192.0.2.1:53"},
	    {"[::192.0.2.1]:51820", 0, AF_INET6, "[::192.0.2.1]:51820"}, /* compatible, not mapped */
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct endpoint ep, again;
		char text[ENDPOINT_TEXT];

		memset(&ep, 0xaa, sizeof(ep));
		ck_assert_msg(endpoint_from_text(cases[i].in, cases[i].default_port, &ep), "%s", cases[i].in);
		ck_assert_int_eq(ep.family, cases[i].family);
		ck_assert_ptr_eq(endpoint_to_text(&ep, text), text);
		ck_assert_str_eq(text, cases[i].out);
		ck_assert(endpoint_from_text(text, 0, &again));
		ck_assert(endpoint_equal(&ep, &again));
	}
}
END_TEST

START_TEST(text_that_is_no_endpoint_is_refused)
{
	static const struct {
		const char *in;
		uint16_t default_port;
	} cases[] = {
	    {"", 0}, {"", 53}, {":", 0}, {":53", 0}, {":53", 53}, {"192.0.2.1", 0}, {"192.0.2.1:", 0}, {"192.0.2.1:", 53},
	    {"192.0.2.1:65536", 0}, {"192.0.2.1:100000", 0}, {"192.0.2.1:-1", 0}, {"192.0.2.1:+1", 0}, {"192.0.2.1: 1", 0},
	    {"192.0.2.1:1x", 0}, {"192.0.2.1:0x10", 0}, {" 192.0.2.1:1", 0}, {"192.0.2:1", 0}, {"192.0.2.256:1", 0},
	    {"192.0.2.1.1:1", 0}, {"192.0.2.1%1:1", 0}, {"host:51820", 0}, {"host.example:51820", 0}, {"[", 0}, {"]", 0},
	    {"[]", 53}, {"[]:1", 0}, {"[::1", 53}, {"[::1]", 0}, {"[::1]:", 0}, {"[::1]x", 53}, {"[::1]1", 53}, {"[::1]:1x", 0},
	    {"::1:51820", 0}, {"2001:db8::1", 0}, {"[1::2::3]:1", 0}, {"[2001:db8::1/64]:1", 0}, {"[fe80::1%]:1", 0},
	    {"[fe80::1%4294967296]:1", 0}, {"[fe80::1%-1]:1", 0}, {"[fe80::1%nodev123]:1", 0}, {"[fe80::1%1x]:1", 0},
	    {"1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111:1", 0},
	    {"[1111111111111111111111111111111111111111111111111111111111111111111111111111111111111]:1", 0},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct endpoint ep;

		ck_assert_msg(!endpoint_from_text(cases[i].in, cases[i].default_port, &ep), "\"%s\"", cases[i].in);
	}
}
END_TEST

START_TEST(an_address_alone_has_no_port)
{
	struct endpoint ep;
	char text[ENDPOINT_TEXT];

	ck_assert(endpoint_addr_from_text("192.0.2.1", &ep));
	ck_assert_uint_eq(ep.port, 0);
	ck_assert_str_eq(endpoint_addr_to_text(&ep, text), "192.0.2.1");
	ck_assert(endpoint_addr_from_text("fe80::1%7", &ep));
	ck_assert_str_eq(endpoint_addr_to_text(&ep, text), "fe80::1%7");
	ck_assert(endpoint_addr_from_text("::ffff:192.0.2.1", &ep));
	ck_assert_str_eq(endpoint_addr_to_text(&ep, text), "192.0.2.1");
	ck_assert(!endpoint_addr_from_text("192.0.2.1:53", &ep));
	ck_assert(!endpoint_addr_from_text("[::1]", &ep));
	ck_assert(!endpoint_addr_from_text("", &ep));
}
END_TEST

START_TEST(no_endpoint_prints_as_none)
{
	struct endpoint ep = {0};
	char text[ENDPOINT_TEXT];

	ck_assert_str_eq(endpoint_to_text(&ep, text), "(none)");
	ck_assert_str_eq(endpoint_addr_to_text(&ep, text), "(none)");
}
END_TEST

START_TEST(the_longest_text_fits)
{
	struct endpoint ep = {.family = AF_INET6, .port = 65535, .scope = UINT32_MAX};
	char text[ENDPOINT_TEXT];

	memset(ep.addr, 0xff, sizeof(ep.addr));
	ck_assert_str_eq(endpoint_to_text(&ep, text), "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}
END_TEST

/* The memory ends with the address: a sanitizer sees what reads on. */
START_TEST(a_socket_address_is_read_if_its_length_fits_its_family)
{
	static const struct {
		sa_family_t family;
		size_t least;
	} cases[] = {{AF_INET, sizeof(struct sockaddr_in)}, {AF_INET6, sizeof(struct sockaddr_in6)},
	    {AF_UNSPEC, SIZE_MAX}, {AF_UNIX, SIZE_MAX}, {0x0200, SIZE_MAX}, {0xffff, SIZE_MAX}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t len = 0; len <= sizeof(struct sockaddr_storage); len++) {
			uint8_t *sa = calloc(1, len > 0 ? len : 1);
			struct endpoint ep;

			ck_assert_ptr_nonnull(sa);
			memcpy(sa, &cases[i].family, len < sizeof(sa_family_t) ? len : sizeof(sa_family_t));
			ck_assert_msg(endpoint_from_sockaddr(sa, len, &ep) == (len >= cases[i].least), "family %d, length %zu",
			    cases[i].family, len);
			free(sa);
		}
	}
}
END_TEST

START_TEST(a_socket_address_goes_there_and_back)
{
	static const char *const texts[] = {"192.0.2.1:51820", "0.0.0.0:0", "[2001:db8::1]:65535", "[fe80::1%7]:1"};
	static const socklen_t lengths[] = {sizeof(struct sockaddr_in), sizeof(struct sockaddr_in),
	    sizeof(struct sockaddr_in6), sizeof(struct sockaddr_in6)};

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct endpoint ep = util_endpoint(texts[i]), back;
		struct sockaddr_storage sa;
		char text[ENDPOINT_TEXT];
		socklen_t len;

		memset(&sa, 0xaa, sizeof(sa));
		len = endpoint_to_sockaddr(&ep, &sa);
		ck_assert_uint_eq(len, lengths[i]);
		ck_assert(endpoint_from_sockaddr(&sa, len, &back));
		ck_assert(endpoint_equal(&ep, &back));
		ck_assert_str_eq(endpoint_to_text(&back, text), texts[i]);
	}
}
END_TEST

START_TEST(a_socket_address_is_in_network_order)
{
	struct endpoint ep = util_endpoint("192.0.2.1:51820");
	struct sockaddr_storage sa;

	endpoint_to_sockaddr(&ep, &sa);
	ck_assert_uint_eq(((struct sockaddr_in *)&sa)->sin_port, htons(51820));
	ck_assert_uint_eq(((struct sockaddr_in *)&sa)->sin_addr.s_addr, inet_addr("192.0.2.1"));
}
END_TEST

START_TEST(no_endpoint_is_no_socket_address)
{
	struct endpoint ep = {0};
	struct sockaddr_storage sa;

	ck_assert_uint_eq(endpoint_to_sockaddr(&ep, &sa), 0);
}
END_TEST

START_TEST(a_mapped_socket_address_becomes_ipv4)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(51820), .sin6_scope_id = 3};
	struct endpoint ep, plain = util_endpoint("192.0.2.1:51820");

	ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr), 1);
	ck_assert(endpoint_from_sockaddr(&in6, sizeof(in6), &ep));
	ck_assert(endpoint_equal(&ep, &plain));
}
END_TEST

START_TEST(each_field_makes_a_difference)
{
	const struct endpoint a = util_endpoint("[fe80::1%7]:51820");
	struct endpoint b = a;

	ck_assert(endpoint_equal(&a, &b));
	b.port++;
	ck_assert(!endpoint_equal(&a, &b));
	b = a;
	b.scope++;
	ck_assert(!endpoint_equal(&a, &b));
	b = a;
	b.addr[15]++;
	ck_assert(!endpoint_equal(&a, &b));
	b = a;
	b.family = AF_INET;
	ck_assert(!endpoint_equal(&a, &b));
}
END_TEST

START_TEST(only_all_zeros_is_the_any_address)
{
	static const char *const any[] = {"0.0.0.0:53", "[::]:53"};
	static const char *const other[] = {"0.0.0.1:53", "1.0.0.0:53", "[::1]:53", "[1::]:53"};

	for (size_t i = 0; i < COUNT(any); i++) {
		struct endpoint ep = util_endpoint(any[i]);

		ck_assert_msg(endpoint_addr_is_any(&ep), "%s", any[i]);
	}
	for (size_t i = 0; i < COUNT(other); i++) {
		struct endpoint ep = util_endpoint(other[i]);

		ck_assert_msg(!endpoint_addr_is_any(&ep), "%s", other[i]);
	}
}
END_TEST

START_TEST(where_no_other_host_can_be_is_not_reachable)
{
	static const char *const yes[] = {"192.0.2.1:1", "1.0.0.0:65535", "10.0.0.1:51820", "126.255.255.255:1", "128.0.0.0:1",
	    "169.253.1.1:1", "168.254.1.1:1", "223.255.255.255:1", "[2001:db8::1]:1", "[fd00::1]:1", "[::2]:1", "[fe00::1]:1",
	    "[fe7f::1]:1", "[fec0::1]:1"};
	static const char *const no[] = {"192.0.2.1:0", "0.0.0.0:1", "0.1.2.3:1", "127.0.0.1:1", "127.255.255.255:1",
	    "224.0.0.1:1", "239.255.255.255:1", "240.0.0.1:1", "255.255.255.255:1", "[2001:db8::1]:0", "[::]:1", "[::1]:1",
	    "[ff02::1]:1", "[ffff::]:1", "[::ffff:127.0.0.1]:1", "169.254.1.1:1", "[fe80::1]:1", "[fe80::1%7]:1", "[febf::1]:1"};
	struct endpoint none = {.port = 1, .addr = {1}};

	for (size_t i = 0; i < COUNT(yes); i++) {
		struct endpoint ep = util_endpoint(yes[i]);

		ck_assert_msg(endpoint_is_reachable(&ep), "%s", yes[i]);
	}
	for (size_t i = 0; i < COUNT(no); i++) {
		struct endpoint ep = util_endpoint(no[i]);

		ck_assert_msg(!endpoint_is_reachable(&ep), "%s", no[i]);
	}
	ck_assert(!endpoint_is_reachable(&none));
}
END_TEST

Suite *suite_endpoint(void)
{
	Suite *s = suite_create("endpoint");
	TCase *t = tcase_create("endpoint");

	suite_add_tcase(s, t);
	tcase_add_test(t, text_reads_and_prints_back);
	tcase_add_test(t, text_that_is_no_endpoint_is_refused);
	tcase_add_test(t, an_address_alone_has_no_port);
	tcase_add_test(t, no_endpoint_prints_as_none);
	tcase_add_test(t, the_longest_text_fits);
	tcase_add_test(t, a_socket_address_is_read_if_its_length_fits_its_family);
	tcase_add_test(t, a_socket_address_goes_there_and_back);
	tcase_add_test(t, a_socket_address_is_in_network_order);
	tcase_add_test(t, no_endpoint_is_no_socket_address);
	tcase_add_test(t, a_mapped_socket_address_becomes_ipv4);
	tcase_add_test(t, each_field_makes_a_difference);
	tcase_add_test(t, only_all_zeros_is_the_any_address);
	tcase_add_test(t, where_no_other_host_can_be_is_not_reachable);
	return s;
}
