/* What wgmeet doctor reads: name servers' answers, packets, wg-quick's file and crontabs. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_look.h"
#include "doctor_reply.h"
#include "doctor_tap.h"
#include "suites.h"
#include "util.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

#define NOW 1800000000

/* ---- answers ---- */

static uint8_t *message;
static size_t message_len;

/* Sections 1 answer, 2 authority, 3 additional: "1 wg.test. 10 IN NS ns1.wg.test." */
static void write_message(ldns_pkt_rcode rcode, bool aa, const char *const records_text[])
{
	static const ldns_pkt_section sections[] = {0, LDNS_SECTION_ANSWER, LDNS_SECTION_AUTHORITY, LDNS_SECTION_ADDITIONAL};
	ldns_pkt *pkt = ldns_pkt_new();

	ldns_pkt_set_qr(pkt, true);
	ldns_pkt_set_aa(pkt, aa);
	ldns_pkt_set_rcode(pkt, rcode);
	for (; *records_text != NULL; records_text++) {
		ldns_rr *rr = NULL;

		ck_assert_int_eq(ldns_rr_new_frm_str(&rr, *records_text + 2, 0, NULL, NULL), LDNS_STATUS_OK);
		ldns_pkt_push_rr(pkt, sections[**records_text - '0'], rr);
	}
	ck_assert_int_eq(ldns_pkt2wire(&message, pkt, &message_len), LDNS_STATUS_OK);
	ldns_pkt_free(pkt);
}

#define WRITE(rcode, aa, ...) write_message(rcode, aa, (const char *const[]){__VA_ARGS__, NULL})

static void free_message(void)
{
	free(message);
	message = NULL;
}

#define SOA "SOA ns1.wg.test. hostmaster.wg.test. 1 2 3 4 5"

START_TEST(whose_zone_it_is)
{
	static const struct name zone = {.len = 9, .wire = "\2wg\4test"};
	struct doctor_answer a;

	WRITE(LDNS_RCODE_NOERROR, true, "1 WG.test. 10 IN " SOA);
	doctor_reply_soa(LOOKUP_FOUND, message, message_len, &a);
	ck_assert(doctor_answer_is_good(&a, &zone));
	ck_assert_uint_eq(a.is_authoritative, 1);
	ck_assert_uint_eq(a.time_s, 0);
	free_message();
	WRITE(LDNS_RCODE_NXDOMAIN, true, "2 test. 10 IN " SOA);
	doctor_reply_soa(LOOKUP_NOT_IN_ZONE, message, message_len, &a);
	ck_assert(!doctor_answer_is_good(&a, &zone));
	ck_assert_uint_eq(a.rcode, 3);
	ck_assert_uint_eq(a.apex.len, 6);
	/* cut at each octet: it may say less, but reads nothing behind it */
	for (size_t len = 1; len < message_len; len++) {
		uint8_t *part = malloc(len);

		ck_hot(part != NULL);
		memcpy(part, message, len);
		doctor_reply_soa(LOOKUP_FOUND, part, len, &a);
		ck_hot(a.apex.len == 0 || name_is_sound(a.apex.wire, a.apex.len));
		free(part);
	}
	free_message();
	doctor_reply_soa(LOOKUP_NO_ANSWER, NULL, 0, &a);
	ck_assert_uint_eq(a.status, LOOKUP_NO_ANSWER);
}
END_TEST

START_TEST(what_a_server_adds)
{
	/* SOA question without records; OPT with EDE 14, and a cookie of RFC 9018 with the time 0x6b49d200 (1800000000) */
	static const uint8_t refused[] = "\x12\x34\x80\x05\0\0\0\0\0\0\0\1"
	                                 "\0\0\x29\x04\xd0\0\0\0\0\0\x22"
	                                 "\0\x0f\0\2\0\x0e"
	                                 "\0\x0a\0\x18" "cccccccc" "\1\0\0\0\x6b\x49\xd2\0" "hhhhhhhh";
	uint8_t other[sizeof(refused) - 1];
	struct doctor_answer a;

	doctor_reply_soa(LOOKUP_REFUSED, refused, sizeof(refused) - 1, &a);
	ck_assert_uint_eq(a.status, LOOKUP_REFUSED);
	ck_assert_uint_eq(a.rcode, 5);
	ck_assert_uint_eq(a.ede, 14);
	ck_assert_uint_eq(a.time_s, NOW);
	memcpy(other, refused, sizeof(other));
	other[sizeof(other) - 16] = 2; /* a cookie that somebody else makes in another way */
	doctor_reply_soa(LOOKUP_REFUSED, other, sizeof(other), &a);
	ck_assert_uint_eq(a.ede, 14);
	ck_assert_uint_eq(a.time_s, 0);
}
END_TEST

START_TEST(whom_a_zone_is_delegated_to)
{
	struct name zone = util_name("wg.test"), names[4], ns1 = util_name("ns1.wg.test");
	struct endpoint addresses[4];

	WRITE(LDNS_RCODE_NOERROR, false, "2 wg.test. 10 IN NS NS1.wg.test.", "2 wg.test. 10 IN NS ns.other.test.", "2 other. 10 IN NS ns.other.",
	    "3 ns1.wg.test. 10 IN A 203.0.113.10", "3 ns1.wg.test. 10 IN AAAA 2001:db8::10", "3 ns2.wg.test. 10 IN A 203.0.113.11",
	    "3 ns1.wg.test. 10 IN A 127.0.0.1");
	ck_assert_uint_eq(doctor_reply_ns(message, message_len, &zone, names, 4), 2);
	ck_assert(name_equal(&names[0], &ns1));
	ck_assert_uint_eq(doctor_reply_ns(message, message_len, &zone, names, 1), 1);
	ck_assert_uint_eq(doctor_reply_addresses(message, message_len, &ns1, 53, addresses, 4), 2); /* not where no server can be */
	ck_assert(endpoint_equal(&addresses[0], &(struct endpoint){.family = AF_INET, .port = 53, .addr = {203, 0, 113, 10}}));
	ck_assert_uint_eq(doctor_reply_addresses(message, message_len, &ns1, 53, addresses, 1), 1);
	free_message();
	WRITE(LDNS_RCODE_NOERROR, false, "1 ns1.wg.test. 10 IN CNAME a.test.", "1 a.test. 10 IN A 203.0.113.12");
	ck_assert_uint_eq(doctor_reply_addresses(message, message_len, &ns1, 53, addresses, 4), 1);
	free_message();
}
END_TEST

/* ---- packets ---- */

/* From 203.0.113.10:51820, with `options` octets of them, and that first octet of a message. */
static bool hears(size_t options, uint8_t type, size_t len)
{
	static const struct endpoint from = {.family = AF_INET, .port = 51820, .addr = {203, 0, 113, 10}};
	uint8_t *packet = calloc(1, len), *at, whole[100] = {0};
	bool is;

	whole[0] = (uint8_t)(0x45 + options / 4);
	memcpy(whole + 12, from.addr, 4);
	at = whole + 20 + options;
	at[0] = 51820 >> 8;
	at[1] = 51820 & 0xff;
	at[8] = type;
	memcpy(packet, whole, len < sizeof(whole) ? len : sizeof(whole));
	is = doctor_tap_is_from(packet, len, &from);
	free(packet);
	return is;
}

START_TEST(a_message_of_the_registry)
{
	static const struct endpoint from6 = {.family = AF_INET6, .port = 0x1234, .addr = {0x20, 1, [15] = 1}};
	uint8_t packet6[60] = {0x60, [8] = 0x20, [9] = 1, [23] = 1, [40] = 0x12, [41] = 0x34, [48] = 2};

	ck_assert(hears(0, 2, 100));
	ck_assert(hears(8, 4, 100));
	ck_assert(!hears(0, 3, 100)); /* a cookie */
	ck_assert(!hears(0, 0, 100));
	ck_assert(!hears(0, 5, 100));
	for (size_t len = 1; len < 20 + 8 + 4; len++)
		ck_assert(!hears(0, 2, len));
	ck_assert(hears(0, 2, 20 + 8 + 4));
	ck_assert(doctor_tap_is_from(packet6, sizeof(packet6), &from6));
	packet6[23] = 2;
	ck_assert(!doctor_tap_is_from(packet6, sizeof(packet6), &from6));
}
END_TEST

/* ---- files ---- */

START_TEST(a_port_in_wg_quicks_file)
{
	static const struct {
		const char *text;
		enum doctor_port port;
	} files[] = {
	    {"", DOCTOR_PORT_UNKNOWN},
	    {"# nothing\n", DOCTOR_PORT_UNKNOWN},
	    {"[Interface]\nPrivateKey = x\n", DOCTOR_PORT_ANY},
	    {"[Interface]\nListenPort = 51820", DOCTOR_PORT_FIXED},
	    {"[interface]\n\tlistenport=51820\n[Peer]\n", DOCTOR_PORT_FIXED},
	    {"[Interface]\nListenPort = 0\n", DOCTOR_PORT_ANY},
	    {"[Interface]\n#ListenPort = 51820\n", DOCTOR_PORT_ANY},
	    {"[Interface]\n[Peer]\nListenPort = 51820\n", DOCTOR_PORT_ANY},
	};

	for (size_t i = 0; i < COUNT(files); i++)
		ck_assert_msg(doctor_port_of(files[i].text, strlen(files[i].text)) == files[i].port, "%s", files[i].text);
	ck_assert_int_eq(doctor_port_of("[Interface]\n\0x\nListenPort = 5\n", 31), DOCTOR_PORT_FIXED);
}
END_TEST

START_TEST(a_line_in_a_crontab)
{
	ck_assert(doctor_is_cron_line("* * * * * root /usr/local/bin/wgmeet sync wg0", "wg0"));
	ck_assert(doctor_is_cron_line("* * * * * wgmeet sync -c /etc/wgmeet/wg0.conf wg0 >/dev/null", "wg0"));
	ck_assert(!doctor_is_cron_line("* * * * * wgmeet sync wg1", "wg0"));
	ck_assert(!doctor_is_cron_line("wgmeet sync wg1", "wgmeet"));
	ck_assert(!doctor_is_cron_line("wgmeet sync wg1", "sync"));
	ck_assert(doctor_is_cron_line("wgmeet sync sync", "sync"));
	ck_assert(!doctor_is_cron_line("* * * * * wgmeet sync wg01", "wg0"));
	ck_assert(!doctor_is_cron_line("#* * * * * wgmeet sync wg0", "wg0"));
	ck_assert(!doctor_is_cron_line("* * * * * wgmeet status wg0", "wg0"));
}
END_TEST

Suite *suite_doctor_reads(void)
{
	Suite *s = suite_create("doctor_reads");
	TCase *t = tcase_create("core");

	suite_add_tcase(s, t);
	tcase_add_test(t, whose_zone_it_is);
	tcase_add_test(t, what_a_server_adds);
	tcase_add_test(t, whom_a_zone_is_delegated_to);
	tcase_add_test(t, a_message_of_the_registry);
	tcase_add_test(t, a_port_in_wg_quicks_file);
	tcase_add_test(t, a_line_in_a_crontab);
	return s;
}
