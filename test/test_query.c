#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "suites.h"
#include "util.h"
#include "wire.h"

/* Pieces of messages, in hex. A header is: ID, flags, then how many questions, answers, authorities, additionals. */
#define HEAD(flags, qd, an, ns, ar) "abcd " flags " 000" #qd " 000" #an " 000" #ns " 000" #ar " "
#define WG_TEST "02 7767 04 74657374 00 "
#define IN_A    "0001 0001 "
#define QUERY   HEAD("0100", 1, 0, 0, 0) WG_TEST IN_A
#define QUERY_1 HEAD("0100", 1, 0, 0, 1) WG_TEST IN_A /* and one additional record */
#define QUERY_2 HEAD("0100", 1, 0, 0, 2) WG_TEST IN_A
#define OPT     "00 0029 04d0 00000000 0000 "
#define COOKIE_8 "00 0029 04d0 00000000 000c 000a 0008 6162636465666768 "
#define A_RR    "c00c 0001 0001 0000000a 0004 c0000201 "
#define ECHO    25 /* where the question wg.test A ends */

static size_t unhex(const char *text, uint8_t *out)
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		char pair[3] = {text[0], text[1], 0};

		if (*text == ' ')
			continue;
		out[n++] = (uint8_t)strtoul(pair, NULL, 16);
		text++;
	}
	return n;
}

/* Parses a copy whose last octet is the allocation's: a read behind it is seen. */
static struct query parse(const uint8_t *msg, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	struct query q;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, msg, len);
	memset(&q, 0xa5, sizeof(q));
	query_parse(copy, len, &q);
	free(copy);
	return q;
}

static const struct {
	const char *what, *hex;
	uint8_t rcode;
	uint16_t end; /* of the question that is echoed */
	bool edns;
} rows[] = {
    {"a query", QUERY, DNS_NOERROR, ECHO, false},
    {"the root", HEAD("0000", 1, 0, 0, 0) "00 " IN_A, DNS_NOERROR, 17, false},
    {"an OPT", QUERY_1 OPT, DNS_NOERROR, ECHO, true},
    {"an unknown option", QUERY_1 "00 0029 04d0 00000000 0007 fde9 0003 616263", DNS_NOERROR, ECHO, true},
    {"two options", QUERY_1 "00 0029 04d0 00000000 000a 000c 0000 fde9 0002 6161", DNS_NOERROR, ECHO, true},
    {"an option that is too long", QUERY_1 "00 0029 04d0 00000000 0006 000a 0003 6162", DNS_FORMERR, ECHO, false},
    {"an option that is too long, then octets", QUERY_1 "00 0029 04d0 00000000 0006 000a 0003 6162 63", DNS_FORMERR, ECHO, false},
    {"a cookie of no octets", QUERY_1 "00 0029 04d0 00000000 0004 000a 0000", DNS_FORMERR, ECHO, true},
    {"a cookie of two octets, and an option", QUERY_1 "00 0029 04d0 00000000 000a 000a 0002 6161 000c 0000", DNS_FORMERR, ECHO, true},
    {"a cookie of 7 octets, version 1", QUERY_1 "00 0029 04d0 00010000 000b 000a 0007 61626364656667", DNS_BADVERS, ECHO, true},
    {"a cookie, class CH", HEAD("0100", 1, 0, 0, 1) WG_TEST "0001 0003 " COOKIE_8, DNS_REFUSED, ECHO, true},
    {"half an option", QUERY_1 "00 0029 04d0 00000000 0003 000a 00", DNS_FORMERR, ECHO, false},
    {"RDLENGTH past the end", QUERY_1 "00 0029 04d0 00000000 0001", DNS_FORMERR, ECHO, false},
    {"an OPT cut short", QUERY_1 "00 0029 04d0 0000", DNS_FORMERR, ECHO, false},
    {"two OPTs", QUERY_2 OPT OPT, DNS_FORMERR, ECHO, true},
    {"an OPT that is not at the root", QUERY_1 "01 61 00 0029 04d0 00000000 0000", DNS_FORMERR, ECHO, false},
    {"an OPT behind a pointer", QUERY_1 "c014 0029 04d0 00000000 0000", DNS_FORMERR, ECHO, false},
    {"an OPT in the answer section", HEAD("0100", 1, 1, 0, 0) WG_TEST IN_A OPT, DNS_FORMERR, ECHO, false},
    {"version 1", QUERY_1 "00 0029 04d0 00010000 0000", DNS_BADVERS, ECHO, true},
    {"version 255, DO", QUERY_1 "00 0029 04d0 00ff8000 0000", DNS_BADVERS, ECHO, true},
    {"version 1, class CH", HEAD("0100", 1, 0, 0, 1) WG_TEST "0001 0003 00 0029 04d0 00010000 0000", DNS_BADVERS, ECHO, true},
    {"an additional record before the OPT", QUERY_2 A_RR OPT, DNS_NOERROR, ECHO, true},
    {"an additional record behind the OPT", QUERY_2 OPT A_RR, DNS_NOERROR, ECHO, true},
    {"an answer, as a NOTIFY might have one", HEAD("0100", 1, 1, 0, 0) WG_TEST IN_A A_RR, DNS_NOERROR, ECHO, false},
    {"a trailing octet", QUERY "00", DNS_FORMERR, ECHO, false},
    {"an OPT that is not counted", QUERY OPT, DNS_FORMERR, ECHO, false},
    {"ANCOUNT lies", HEAD("0100", 1, 1, 0, 0) WG_TEST IN_A, DNS_FORMERR, ECHO, false},
    {"NSCOUNT lies", HEAD("0100", 1, 0, 1, 0) WG_TEST IN_A, DNS_FORMERR, ECHO, false},
    {"ARCOUNT lies", QUERY_1, DNS_FORMERR, ECHO, false},
    {"all counts lie", "abcd 0100 0001 ffff ffff ffff" WG_TEST IN_A, DNS_FORMERR, ECHO, false},
    {"ARCOUNT lies behind an OPT", QUERY_2 OPT, DNS_FORMERR, ECHO, true},
    {"a record's RDLENGTH lies", QUERY_1 "c00c 0001 0001 0000000a 0005 c0000201", DNS_FORMERR, ECHO, false},
    {"no question", HEAD("0100", 0, 0, 0, 0), DNS_FORMERR, DNS_HEADER, false},
    {"no question but an OPT", HEAD("0100", 0, 0, 0, 1) OPT, DNS_FORMERR, DNS_HEADER, true},
    {"no question but a cookie", HEAD("0100", 0, 0, 0, 1) COOKIE_8, DNS_NOERROR, DNS_HEADER, true},
    {"no question, a cookie and an octet", HEAD("0100", 0, 0, 0, 1) COOKIE_8 "00", DNS_FORMERR, DNS_HEADER, true},
    {"no question, a cookie cut short", HEAD("0100", 0, 0, 0, 1) "00 0029 04d0 00000000 000c 000a 0008 61626364656667", DNS_FORMERR,
        DNS_HEADER, false},
    {"no question, a cookie of 9 octets", HEAD("0100", 0, 0, 0, 1) "00 0029 04d0 00000000 000d 000a 0009 616263646566676869",
        DNS_FORMERR, DNS_HEADER, true},
    {"no question, a cookie, version 1", HEAD("0100", 0, 0, 0, 1) "00 0029 04d0 00010000 000c 000a 0008 6162636465666768", DNS_BADVERS,
        DNS_HEADER, true},
    {"no question but an answer, and a cookie", HEAD("0100", 0, 1, 0, 1) A_RR COOKIE_8, DNS_FORMERR, DNS_HEADER, false},
    {"no question but an authority, and a cookie", HEAD("0100", 0, 0, 1, 1) A_RR COOKIE_8, DNS_FORMERR, DNS_HEADER, false},
    {"no question, a record and a cookie", HEAD("0100", 0, 0, 0, 2) A_RR COOKIE_8, DNS_NOERROR, DNS_HEADER, true},
    {"no question, two OPTs", HEAD("0100", 0, 0, 0, 2) COOKIE_8 OPT, DNS_FORMERR, DNS_HEADER, true},
    {"opcode STATUS, no question but a cookie", HEAD("1000", 0, 0, 0, 1) COOKIE_8, DNS_NOTIMP, DNS_HEADER, false},
    {"two questions", HEAD("0100", 2, 0, 0, 0) WG_TEST IN_A WG_TEST IN_A, DNS_FORMERR, DNS_HEADER, false},
    {"QDCOUNT lies", "abcd 0100 ffff 0000 0000 0000" WG_TEST IN_A, DNS_FORMERR, DNS_HEADER, false},
    {"a name that points to itself", HEAD("0100", 1, 0, 0, 0) "c00c" IN_A, DNS_FORMERR, DNS_HEADER, false},
    {"a name that ends in a pointer", HEAD("0100", 1, 0, 0, 0) "02 7767 c00c" IN_A, DNS_FORMERR, DNS_HEADER, false},
    {"a name that points into the header", HEAD("0100", 1, 0, 0, 0) "02 7767 c004" IN_A, DNS_FORMERR, DNS_HEADER, false},
    {"an extended label", HEAD("0100", 1, 0, 0, 0) "41 01 00" IN_A, DNS_FORMERR, DNS_HEADER, false},
    {"a label of type 10", HEAD("0100", 1, 0, 0, 0) "82 7767 00" IN_A, DNS_FORMERR, DNS_HEADER, false},
    {"a name without an end", HEAD("0100", 1, 0, 0, 0) "02 7767 04 74657374", DNS_FORMERR, DNS_HEADER, false},
    {"a label past the end", HEAD("0100", 1, 0, 0, 0) "3f 7767 00" IN_A, DNS_FORMERR, DNS_HEADER, false},
    {"no class", HEAD("0100", 1, 0, 0, 0) WG_TEST "0001", DNS_FORMERR, DNS_HEADER, false},
    {"class CH", HEAD("0100", 1, 0, 0, 0) WG_TEST "0001 0003", DNS_REFUSED, ECHO, false},
    {"class ANY", HEAD("0100", 1, 0, 0, 0) WG_TEST "0001 00ff", DNS_REFUSED, ECHO, false},
    {"AXFR", HEAD("0000", 1, 0, 0, 0) WG_TEST "00fc 0001", DNS_REFUSED, ECHO, false},
    {"IXFR, with its SOA", HEAD("0000", 1, 0, 1, 0) WG_TEST "00fb 0001" A_RR, DNS_REFUSED, ECHO, false},
    {"opcode NOTIFY", HEAD("2400", 1, 0, 0, 0) WG_TEST "0006 0001", DNS_NOTIMP, ECHO, false},
    {"opcode UPDATE", HEAD("2800", 1, 0, 1, 0) WG_TEST "0006 0001" A_RR, DNS_NOTIMP, ECHO, false},
    {"opcode STATUS without a question", HEAD("1000", 0, 0, 0, 0), DNS_NOTIMP, DNS_HEADER, false},
    {"opcode 15, broken", HEAD("7800", 1, 0, 0, 1) WG_TEST IN_A, DNS_NOTIMP, ECHO, false},
    {"opcode 15, another class, version 1", HEAD("7800", 1, 0, 0, 1) WG_TEST "0001 0003 00 0029 04d0 00010000 0000", DNS_NOTIMP,
        ECHO, true},
};

START_TEST(verdict)
{
	uint8_t msg[DNS_UDP_MAX];
	struct query q = parse(msg, unhex(rows[_i].hex, msg));

	ck_assert_msg(!q.drop, "%s", rows[_i].what);
	ck_assert_msg(q.rcode == rows[_i].rcode, "%s: rcode %u", rows[_i].what, q.rcode);
	ck_assert_msg(q.end == rows[_i].end, "%s: end %u", rows[_i].what, q.end);
	ck_assert_msg(q.edns == rows[_i].edns, "%s: edns %d", rows[_i].what, q.edns);
	ck_assert(q.zone == NULL && q.peer == NULL && !q.is_instance && !q.proven && !q.prohibited && !q.no_lists);
}
END_TEST

START_TEST(fields)
{
	uint8_t msg[DNS_UDP_MAX];
	struct query q = parse(msg, unhex(QUERY_1 "00 0029 1000 00008000 0000", msg));

	ck_assert_uint_eq(q.type, DNS_A);
	ck_assert_uint_eq(q.class, DNS_CLASS_IN);
	ck_assert_uint_eq(q.name_len, 9);
	ck_assert_uint_eq(q.udp_size, 4096);
	ck_assert(q.dnssec_ok);
	q = parse(msg, unhex(QUERY_1 "00 0029 0000 00007fff 0000", msg)); /* unknown flags are ignored: RFC 6891 6.1.4 */
	ck_assert(!q.dnssec_ok && q.edns && q.rcode == DNS_NOERROR);
	ck_assert_uint_eq(q.udp_size, 0);
}
END_TEST

/* RFC 7873 section 4: the client's 8 octets, and then none or 8 to 32 of a server's. */
START_TEST(cookies_have_a_length)
{
	for (unsigned n = 0; n <= 64; n++) {
		uint8_t msg[DNS_UDP_MAX];
		size_t len = unhex(QUERY_1 "00 0029 04d0 00000000 0000", msg);
		bool good = n == 8 || (n >= 16 && n <= 40);
		struct query q;

		put16(msg + len - 2, (uint16_t)(4 + n));
		put16(put16(msg + len, 10), (uint16_t)n);
		for (unsigned i = 0; i < n; i++)
			msg[len + 4 + i] = (uint8_t)(100 + i);
		q = parse(msg, len + 4 + n);
		ck_assert_msg(q.rcode == (good ? DNS_NOERROR : DNS_FORMERR), "%u octets", n);
		ck_assert_uint_eq(q.cookie_len, good ? n : 0);
		ck_assert(q.edns);
		for (unsigned i = 0; good && i < n && i < COOKIE_LEN; i++)
			ck_assert_uint_eq(q.cookie[i], 100 + i);
	}
}
END_TEST

/* Of two cookies the first one counts: RFC 7873 section 5.2. And the keepalive, with a time or without one. */
START_TEST(options_stand_side_by_side)
{
	uint8_t msg[DNS_UDP_MAX];
	struct query q = parse(msg, unhex(QUERY_1 "00 0029 04d0 00000000 0024 000b 0000 000a 0008 6162636465666768 000a 0010 "
	                                          "00000000000000000000000000000000", msg));

	ck_assert(q.rcode == DNS_NOERROR && q.keepalive);
	ck_assert_uint_eq(q.cookie_len, 8);
	ck_assert_mem_eq(q.cookie, "abcdefgh", 8);
	q = parse(msg, unhex(QUERY_1 "00 0029 04d0 00000000 0006 000b 0002 0064", msg));
	ck_assert(q.rcode == DNS_NOERROR && q.keepalive && q.cookie_len == 0);
	q = parse(msg, unhex(QUERY_1 OPT, msg));
	ck_assert(!q.keepalive && q.cookie_len == 0);
}
END_TEST

/* Up to the header: dropped. From there: the question is echoed once it is whole, and nothing but the whole is right. */
START_TEST(every_length)
{
	uint8_t msg[DNS_UDP_MAX];
	size_t len = unhex(QUERY_2 A_RR "00 0029 04d0 00000000 0006 fde9 0002 6162", msg);

	for (size_t n = 0; n <= len; n++) {
		struct query q = parse(msg, n);

		ck_assert_int_eq(q.drop, n < DNS_HEADER);
		if (n < DNS_HEADER)
			continue;
		ck_assert_msg(q.rcode == (n == len ? DNS_NOERROR : DNS_FORMERR), "%zu octets", n);
		ck_assert_msg(q.end == (n < ECHO ? DNS_HEADER : ECHO), "%zu octets", n);
		ck_assert_msg(q.edns == (n == len), "%zu octets", n);
	}
}
END_TEST

START_TEST(responses_are_dropped)
{
	uint8_t msg[DNS_UDP_MAX];
	size_t len = unhex(QUERY, msg);

	for (unsigned opcode = 0; opcode < 16; opcode++) {
		msg[2] = (uint8_t)(0x80 | opcode << 3);
		ck_assert(parse(msg, len).drop);
		msg[2] = (uint8_t)(opcode << 3);
		ck_assert(!parse(msg, len).drop);
		ck_assert_uint_eq(parse(msg, len).rcode, opcode == 0 ? DNS_NOERROR : DNS_NOTIMP);
	}
}
END_TEST

/* Names of 1 to 255 octets are names; longer ones are not, however short their labels are. */
START_TEST(name_lengths)
{
	for (size_t label = 1; label <= NAME_LABEL; label += 31) {
		for (size_t want = 1; want < 300; want++) {
			uint8_t msg[DNS_UDP_MAX], name[400];
			size_t at = 0, len;
			struct query q;

			while (at + 1 < want) {
				size_t n = want - 2 - at < label ? want - 2 - at : label;

				if (n == 0)
					break; /* one octet is no label: this length cannot be made so */
				name[at] = (uint8_t)n;
				memset(name + at + 1, 'a', n);
				at += 1 + n;
			}
			if (at + 1 != want)
				continue;
			name[at++] = 0;
			len = make_query(msg, name, at, DNS_A, NO_EDNS);
			q = parse(msg, len);
			ck_assert_msg(q.rcode == (want <= NAME_MAX_LEN ? DNS_NOERROR : DNS_FORMERR), "%zu octets", want);
			ck_assert_uint_eq(q.name_len, want <= NAME_MAX_LEN ? want : 0);
			ck_assert_uint_eq(q.end, want <= NAME_MAX_LEN ? len : DNS_HEADER);
		}
	}
}
END_TEST

/* ---- the short way ---- */

/* Queries end behind the question or in an OPT without options, nearly all: these have a way of their own. An option that
 * nobody knows sends the same query the long way, and the verdict must be the same. */
static void check_both_ways(const uint8_t *bare, size_t len)
{
	static const uint8_t unknown[] = {0xfd, 0xe9, 0, 0};
	uint8_t longer[DNS_UDP_MAX];
	struct query a = parse(bare, len), b;

	memcpy(longer, bare, len);
	longer[len - 1] = sizeof(unknown); /* RDLENGTH */
	memcpy(longer + len, unknown, sizeof(unknown));
	b = parse(longer, len + sizeof(unknown));
	ck_hot(a.len == len && b.len == len + sizeof(unknown));
	ck_hot(a.rcode == b.rcode && a.drop == b.drop && a.edns == b.edns && a.dnssec_ok == b.dnssec_ok);
	ck_hot(a.keepalive == b.keepalive && a.cookie_len == b.cookie_len && a.udp_size == b.udp_size);
	ck_hot(a.type == b.type && a.class == b.class && a.name_len == b.name_len && a.end == b.end);
	ck_hot(a.is_instance == b.is_instance && a.prohibited == b.prohibited && a.no_lists == b.no_lists);
	ck_hot(a.proven == b.proven && a.cookie_fresh == b.cookie_fresh && a.kind == b.kind && a.subject == b.subject);
	ck_hot(a.zone == b.zone && a.peer == b.peer);
}

START_TEST(a_bare_opt_is_read_as_one_with_options)
{
	static const uint16_t sizes[] = {0, 1, 255, 256, 511, 512, 1232, 4096, 65535};
	uint8_t msg[DNS_UDP_MAX];
	size_t len = unhex(QUERY_1 OPT, msg), opt = len - 11;

	for (unsigned version = 0; version < 256; version++)
		for (unsigned bit = 0; bit <= 16; bit++)
			for (size_t i = 0; i < COUNT(sizes); i++) {
				struct query q;

				put16(msg + opt + 3, sizes[i]);
				msg[opt + 5] = (uint8_t)(version * 7); /* the RCODE's upper octet, which no query has */
				msg[opt + 6] = (uint8_t)version;
				put16(msg + opt + 7, (uint16_t)(bit < 16 ? 1u << bit : 0xffff));
				check_both_ways(msg, len);
				q = parse(msg, len);
				ck_hot(q.edns && q.udp_size == sizes[i] && q.dnssec_ok == (bit >= 15));
				ck_hot(q.rcode == (version == 0 ? DNS_NOERROR : DNS_BADVERS) && q.end == ECHO);
			}
}
END_TEST

/* Each octet of the query with each value, alone and with each opcode. But not RDLENGTH, which tells the ways apart, nor the
 * lengths of labels: of a name that takes in the OPT the rest differs. */
START_TEST(whatever_is_wrong_is_so_both_ways)
{
	uint8_t msg[DNS_UDP_MAX];
	size_t len = unhex(QUERY_1 OPT, msg);

	for (size_t at = 0; at < len - 2; at++) {
		uint8_t was = msg[at];

		if (at == DNS_HEADER || at == DNS_HEADER + 3 || at == DNS_HEADER + 8)
			continue;
		for (unsigned v = 0; v < 256; v++) {
			msg[at] = (uint8_t)v;
			for (unsigned opcode = 0; opcode < 16; opcode++) {
				uint8_t flags = msg[2];

				msg[2] = (uint8_t)((flags & 0x87) | opcode << 3);
				check_both_ways(msg, len);
				msg[2] = flags;
			}
		}
		msg[at] = was;
	}
}
END_TEST

/* Whatever the four counts say: right is one, and with it only what is there. */
START_TEST(counts_that_lie_are_an_error)
{
	static const uint16_t counts[] = {0, 1, 2, 3, 255, 256, 257, 0x8000, 0xffff};
	uint8_t msg[DNS_UDP_MAX];
	size_t len = unhex(QUERY OPT, msg);

	for (size_t n = 0; n < COUNT(counts) * COUNT(counts) * COUNT(counts) * COUNT(counts); n++) {
		uint16_t qd = counts[n % 9], an = counts[n / 9 % 9], ns = counts[n / 81 % 9], ar = counts[n / 729];
		struct query q;

		put16(put16(put16(put16(msg + 4, qd), an), ns), ar);
		check_both_ways(msg, len);
		q = parse(msg, len);
		ck_hot(q.rcode == (qd == 1 && an == 0 && ns == 0 && ar == 1 ? DNS_NOERROR : DNS_FORMERR));
		ck_hot(q.end == (qd == 1 ? ECHO : DNS_HEADER));
		ck_hot(q.edns == (qd == 1 && an == 0 && ns == 0 && ar >= 1));
		q = parse(msg, ECHO); /* without the OPT */
		ck_hot(q.rcode == (qd == 1 && an == 0 && ns == 0 && ar == 0 ? DNS_NOERROR : DNS_FORMERR));
		ck_hot(q.end == (qd == 1 ? ECHO : DNS_HEADER) && !q.edns);
	}
}
END_TEST

/* Cut or with octets more: then it is none. */
START_TEST(a_bare_opt_of_another_length_is_an_error)
{
	uint8_t msg[DNS_UDP_MAX] = {0};
	size_t len = unhex(QUERY_1 OPT, msg);

	for (size_t n = ECHO; n < len + 20; n++) {
		struct query q = parse(msg, n);

		ck_assert_uint_eq(q.rcode, n == len ? DNS_NOERROR : DNS_FORMERR);
		ck_assert_int_eq(q.edns, n >= len);
	}
	for (unsigned rdlen = 1; rdlen < 0x10000; rdlen++) { /* RDATA that is not there */
		put16(msg + len - 2, (uint16_t)rdlen);
		ck_hot(parse(msg, len).rcode == DNS_FORMERR);
	}
}
END_TEST

Suite *suite_query(void)
{
	Suite *s = suite_create("query");
	TCase *t = tcase_create("query");

	tcase_add_loop_test(t, verdict, 0, (int)(sizeof(rows) / sizeof(*rows)));
	tcase_add_test(t, fields);
	tcase_add_test(t, cookies_have_a_length);
	tcase_add_test(t, options_stand_side_by_side);
	tcase_add_test(t, every_length);
	tcase_add_test(t, responses_are_dropped);
	tcase_add_test(t, name_lengths);
	tcase_add_test(t, a_bare_opt_is_read_as_one_with_options);
	tcase_add_test(t, whatever_is_wrong_is_so_both_ways);
	tcase_add_test(t, counts_that_lie_are_an_error);
	tcase_add_test(t, a_bare_opt_of_another_length_is_an_error);
	suite_add_tcase(s, t);
	return s;
}
