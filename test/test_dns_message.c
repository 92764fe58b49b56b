#include <check.h>
#include <ldns/ldns.h>
#include <string.h>

#include "dns_message.h"
#include "suites.h"
#include "util.h"

START_TEST(a_question_is_what_ldns_reads)
{
	struct dns_cookie cookie = {.at = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, .len = _i == 0 ? 8 : 16};
	struct name name = util_name("a.b.example");
	uint8_t out[DNS_QUESTION];
	size_t len = dns_write_question(0x1234, &name, LDNS_RR_TYPE_SRV, _i == 2 ? NULL : &cookie, out);
	ldns_pkt *pkt;
	ldns_rr *q;

	ck_assert_int_eq(ldns_wire2pkt(&pkt, out, len), LDNS_STATUS_OK);
	ck_assert_uint_eq(ldns_pkt_id(pkt), 0x1234);
	ck_assert(ldns_pkt_rd(pkt) && !ldns_pkt_qr(pkt) && ldns_pkt_qdcount(pkt) == 1);
	q = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
	ck_assert(ldns_rr_get_type(q) == LDNS_RR_TYPE_SRV && ldns_rr_get_class(q) == LDNS_RR_CLASS_IN);
	ck_assert_uint_eq(ldns_rdf_size(ldns_rr_owner(q)), name.len);
	ck_assert_mem_eq(ldns_rdf_data(ldns_rr_owner(q)), name.wire, name.len);
	ck_assert(ldns_pkt_edns(pkt) == (_i != 2));
	if (_i != 2) {
		ck_assert_uint_eq(ldns_pkt_edns_udp_size(pkt), DNS_UDP_SIZE);
		ck_assert_uint_eq(ldns_rdf_size(ldns_pkt_edns_data(pkt)), 4 + cookie.len);
		ck_assert_mem_eq(ldns_rdf_data(ldns_pkt_edns_data(pkt)) + 4, cookie.at, cookie.len);
	}
	ldns_pkt_free(pkt);
}
END_TEST

START_TEST(the_longest_question_fits)
{
	struct dns_cookie cookie = {.len = REPLY_COOKIE};
	struct name name = {.len = NAME_MAX_LEN};
	uint8_t out[DNS_QUESTION];

	ck_assert_uint_eq(dns_write_question(1, &name, 1, &cookie, out), sizeof(out));
}
END_TEST

START_TEST(what_an_answer_comes_to)
{
	static const struct {
		uint8_t rcode, answers;
		enum lookup_status status;
	} cases[] = {{0, 1, LOOKUP_FOUND}, {0, 0, LOOKUP_NOT_IN_ZONE}, {1, 0, LOOKUP_BAD_ANSWER}, {2, 0, LOOKUP_NOT_READY},
	    {3, 0, LOOKUP_NOT_IN_ZONE}, {4, 0, LOOKUP_REFUSED}, {5, 0, LOOKUP_REFUSED}, {7, 0, LOOKUP_BAD_ANSWER}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t msg[12] = {[3] = cases[i].rcode | 0x80, [7] = cases[i].answers};

		ck_assert_int_eq(dns_status(msg), cases[i].status);
	}
	ck_assert(dns_is_truncated((uint8_t[12]){[2] = 0x82}) && !dns_is_truncated((uint8_t[12]){[2] = 0x81}));
}
END_TEST

/* An answer of a header and an OPT with a cookie; NULL: with none. */
static size_t write_answer(const uint8_t *cookie, uint8_t len, uint8_t out[64])
{
	uint8_t opt[] = {0, 0, 41, 4, 208, 0, 0, 0, 0, 0, (uint8_t)(4 + len), 0, 10, 0, len};

	memset(out, 0, 12);
	out[2] = 0x80;
	if (cookie == NULL)
		return 12;
	out[11] = 1;
	memcpy(out + 12, opt, sizeof(opt));
	memcpy(out + 12 + sizeof(opt), cookie, len);
	return 12 + sizeof(opt) + len;
}

START_TEST(a_cookie_is_kept_and_missed)
{
	struct dns_cookie cookie = {.at = {1, 2, 3, 4, 5, 6, 7, 8}, .len = 8};
	uint8_t theirs[16] = {1, 2, 3, 4, 5, 6, 7, 8, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 1, 2}, msg[64];
	size_t len;

	len = write_answer(NULL, 0, msg);
	ck_assert(!dns_lacks_cookie(&cookie, msg, len)); /* it never gave one */
	dns_take_cookie(&cookie, msg, len, false);
	ck_assert_uint_eq(cookie.len, 8);
	len = write_answer(theirs, 16, msg);
	dns_take_cookie(&cookie, msg, len, false);
	ck_assert_uint_eq(cookie.len, 16);
	ck_assert_mem_eq(cookie.at, theirs, 16);
	ck_assert(!dns_lacks_cookie(&cookie, msg, len));
	theirs[15]++;
	len = write_answer(theirs, 16, msg);
	dns_take_cookie(&cookie, msg, len, false);
	ck_assert_mem_eq(cookie.at, theirs, 16);
	theirs[0]++; /* another client's */
	len = write_answer(theirs, 16, msg);
	ck_assert(dns_lacks_cookie(&cookie, msg, len));
	len = write_answer(NULL, 0, msg);
	ck_assert(dns_lacks_cookie(&cookie, msg, len));
}
END_TEST

START_TEST(who_never_has_a_cookie_is_not_looked_at_for_ever)
{
	struct dns_cookie cookie = {.at = {1, 2, 3, 4, 5, 6, 7, 8}, .len = 8};
	uint8_t theirs[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, msg[64];
	size_t none = write_answer(NULL, 0, msg);

	for (int i = 0; i < 100; i++)
		dns_take_cookie(&cookie, msg, none, false);
	dns_take_cookie(&cookie, msg, write_answer(theirs, 16, msg), false);
	ck_assert_uint_eq(cookie.len, 8);
	dns_take_cookie(&cookie, msg, write_answer(theirs, 16, msg), true); /* it has refused ours */
	ck_assert_uint_eq(cookie.len, 16);
}
END_TEST

Suite *suite_dns_message(void)
{
	Suite *s = suite_create("dns_message");
	TCase *t = tcase_create("message");

	suite_add_tcase(s, t);
	tcase_add_loop_test(t, a_question_is_what_ldns_reads, 0, 3);
	tcase_add_test(t, the_longest_question_fits);
	tcase_add_test(t, what_an_answer_comes_to);
	tcase_add_test(t, a_cookie_is_kept_and_missed);
	tcase_add_test(t, who_never_has_a_cookie_is_not_looked_at_for_ever);
	return s;
}
