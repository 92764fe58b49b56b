/* ldns writes the answers that reply.c reads. */
#include <check.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "records.h"
#include "reply.h"
#include "suites.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

static uint8_t key[KEY_LEN];
static struct name zone, instance;
static char owner[NAME_TEXT], base64[KEY_BASE64 + 1];
static ldns_pkt *pkt;

static void setup(void)
{
	for (size_t i = 0; i < KEY_LEN; i++)
		key[i] = (uint8_t)(i * 7 + 1);
	ck_assert(name_from_text("wg.example.com", &zone));
	ck_assert(records_instance_name(&zone, key, false, &instance));
	name_to_text(&instance, owner);
	key_text(key, base64);
	pkt = ldns_pkt_new();
	ldns_pkt_set_qr(pkt, true);
}

static void teardown(void)
{
	ldns_pkt_free(pkt);
}

static void add(ldns_pkt_section section, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(ldns_pkt_section section, const char *fmt, ...)
{
	char text[4096];
	ldns_rr *rr;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ck_assert_msg(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL) == LDNS_STATUS_OK, "%s", text);
	ck_assert(ldns_pkt_push_rr(pkt, section, rr));
}

#define ANSWER     LDNS_SECTION_ANSWER
#define ADDITIONAL LDNS_SECTION_ADDITIONAL

static enum lookup_status read_it(struct reply *out)
{
	uint8_t *wire;
	size_t len;
	enum lookup_status status;

	ck_assert(ldns_pkt2wire(&wire, pkt, &len) == LDNS_STATUS_OK);
	status = reply_read_srv(wire, len, &instance, key, out);
	/* Cut anywhere it is no answer, and nothing worse. */
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = malloc(cut + 1);
		struct reply ignored;

		memcpy(copy, wire, cut);
		ck_assert_int_ne(reply_read_srv(copy, cut, &instance, key, &ignored), LOOKUP_FOUND);
		free(copy);
	}
	free(wire);
	return status;
}

static void expect(enum lookup_status want, const char *endpoint)
{
	char text[ENDPOINT_TEXT];
	struct reply reply;
	enum lookup_status got = read_it(&reply);

	ck_assert_msg(got == want, "%s, not %s", lookup_status_text(got), lookup_status_text(want));
	if (endpoint != NULL)
		ck_assert_str_eq(endpoint_to_text(&reply.endpoint, text), endpoint);
}

static void add_good(void)
{
	add(ANSWER, "%s. 10 IN SRV 0 0 4321 %s.", owner, owner);
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.7", owner);
	add(ADDITIONAL, "%s. 10 IN TXT \"txtvers=1\" \"pub=%s\"", owner, base64);
}

START_TEST(a_good_answer_gives_the_endpoint)
{
	add_good();
	expect(LOOKUP_FOUND, "198.51.100.7:4321");
}
END_TEST

START_TEST(an_ipv6_address_does_too)
{
	add(ANSWER, "%s. 10 IN SRV 0 0 4321 %s.", owner, owner);
	add(ADDITIONAL, "%s. 10 IN AAAA 2001:db8::7", owner);
	expect(LOOKUP_FOUND, "[2001:db8::7]:4321");
}
END_TEST

START_TEST(the_target_may_be_another_name)
{
	add(ANSWER, "%s. 10 IN SRV 0 0 4321 host.example.net.", owner);
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.1", owner);
	add(ADDITIONAL, "HOST.example.net. 10 IN A 198.51.100.2");
	expect(LOOKUP_FOUND, "198.51.100.2:4321");
}
END_TEST

START_TEST(without_an_additional_section_there_is_a_target_to_ask_for)
{
	struct reply reply;

	add(ANSWER, "%s. 10 IN SRV 0 0 4321 %s.", owner, owner);
	ck_assert_int_eq(read_it(&reply), LOOKUP_FOUND);
	ck_assert_int_eq(reply.endpoint.family, AF_UNSPEC);
	ck_assert_uint_eq(reply.port, 4321);
	ck_assert(name_equal(&reply.target, &instance));
}
END_TEST

START_TEST(an_answer_without_records_is_not_in_the_zone)
{
	expect(LOOKUP_NOT_IN_ZONE, NULL);
}
END_TEST

START_TEST(a_first_record_of_another_type_is_stepped_over)
{
	add(ANSWER, "%s. 10 IN TXT \"hello\"", owner);
	add_good();
	expect(LOOKUP_FOUND, "198.51.100.7:4321");
}
END_TEST

START_TEST(an_srv_of_another_owner_is_no_answer)
{
	add(ANSWER, "other.wg.example.com. 10 IN SRV 0 0 4321 %s.", owner);
	expect(LOOKUP_BAD_ANSWER, NULL);
}
END_TEST

START_TEST(another_key_is_refused)
{
	char other[KEY_BASE64 + 1];
	uint8_t k[KEY_LEN];

	memcpy(k, key, KEY_LEN);
	k[31] ^= 1;
	add(ANSWER, "%s. 10 IN SRV 0 0 4321 %s.", owner, owner);
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.7", owner);
	add(ADDITIONAL, "%s. 10 IN TXT \"txtvers=1\" \"pub=%s\"", owner, key_text(k, other));
	expect(LOOKUP_OTHER_KEY, NULL);
}
END_TEST

START_TEST(a_key_that_is_none_is_refused)
{
	add(ANSWER, "%s. 10 IN SRV 0 0 4321 %s.", owner, owner);
	add(ADDITIONAL, "%s. 10 IN TXT \"pub=hello\"", owner);
	expect(LOOKUP_OTHER_KEY, NULL);
}
END_TEST

START_TEST(an_endpoint_where_nobody_can_be_is_refused)
{
	static const char *const where[] = {"A 127.0.0.1", "A 0.0.0.0", "A 224.0.0.1", "A 255.255.255.255", "AAAA ::1",
	    "AAAA ::", "AAAA ff02::1", "AAAA ::ffff:127.0.0.1"};

	add(ANSWER, "%s. 10 IN SRV 0 0 4321 %s.", owner, owner);
	add(ADDITIONAL, "%s. 10 IN %s", owner, where[_i]);
	expect(LOOKUP_BAD_ENDPOINT, NULL);
}
END_TEST

START_TEST(port_0_is_refused_with_and_without_an_address)
{
	add(ANSWER, "%s. 10 IN SRV 0 0 0 %s.", owner, owner);
	expect(LOOKUP_BAD_ENDPOINT, NULL);
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.7", owner);
	expect(LOOKUP_BAD_ENDPOINT, NULL);
}
END_TEST

START_TEST(an_address_without_octets_is_no_address)
{
	/* A record with RDLENGTH 0: ldns makes one without fields of it, and asserts where one is looked at. */
	uint8_t *wire;
	struct reply reply;
	size_t len;

	add(ANSWER, "%s. 10 IN SRV 0 0 4321 %s.", owner, owner);
	add(ADDITIONAL, "%s. 10 IN A 198.51.100.7", owner);
	ck_assert(ldns_pkt2wire(&wire, pkt, &len) == LDNS_STATUS_OK);
	wire[len - 5] = 0; /* the RDLENGTH, which the four octets of the address follow */
	ck_assert_int_eq(reply_read_srv(wire, len - 4, &instance, key, &reply), LOOKUP_FOUND);
	ck_assert_int_eq(reply.endpoint.family, AF_UNSPEC);
	free(wire);
}
END_TEST

START_TEST(a_bad_address_does_not_hide_a_good_one)
{
	add(ANSWER, "%s. 10 IN SRV 0 0 4321 %s.", owner, owner);
	add(ADDITIONAL, "%s. 10 IN A 127.0.0.1", owner);
	add(ADDITIONAL, "%s. 10 IN AAAA 2001:db8::7", owner);
	expect(LOOKUP_FOUND, "[2001:db8::7]:4321");
}
END_TEST

START_TEST(an_address_answer_completes_it)
{
	struct reply reply = {.port = 99, .target = instance};
	char text[ENDPOINT_TEXT];
	uint8_t *wire;
	size_t len;

	add(ANSWER, "%s. 10 IN A 198.51.100.9", owner);
	ck_assert(ldns_pkt2wire(&wire, pkt, &len) == LDNS_STATUS_OK);
	ck_assert_int_eq(reply_read_address(wire, len, &reply), LOOKUP_FOUND);
	ck_assert_str_eq(endpoint_to_text(&reply.endpoint, text), "198.51.100.9:99");
	free(wire);
}
END_TEST

Suite *suite_reply(void)
{
	Suite *s = suite_create("reply");
	TCase *t = tcase_create("reply");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_good_answer_gives_the_endpoint);
	tcase_add_test(t, an_ipv6_address_does_too);
	tcase_add_test(t, the_target_may_be_another_name);
	tcase_add_test(t, without_an_additional_section_there_is_a_target_to_ask_for);
	tcase_add_test(t, an_answer_without_records_is_not_in_the_zone);
	tcase_add_test(t, a_first_record_of_another_type_is_stepped_over);
	tcase_add_test(t, an_srv_of_another_owner_is_no_answer);
	tcase_add_test(t, another_key_is_refused);
	tcase_add_test(t, a_key_that_is_none_is_refused);
	tcase_add_loop_test(t, an_endpoint_where_nobody_can_be_is_refused, 0, 8);
	tcase_add_test(t, port_0_is_refused_with_and_without_an_address);
	tcase_add_test(t, an_address_without_octets_is_no_address);
	tcase_add_test(t, a_bad_address_does_not_hide_a_good_one);
	tcase_add_test(t, an_address_answer_completes_it);
	suite_add_tcase(s, t);
	return s;
}
