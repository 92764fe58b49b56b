/* probes TO PORT NAME - what those ask who test name servers for compliance (RFC 1035, 6891, 6895, 7766, 7873, 8482, 8906, 9619), over
 * UDP and TCP. A table: messages in hex with 'text', without the ID; and what comes back, in words:
 *
 *     RCODE aa rd tc Q/AN/NS/AR edns0 do options...        "-": nothing
 *
 * The zone is wg.test, NAME one in it that has a TXT of 500 to 1,000 octets. In every answer the ID, the opcode, RD and the question are the query's own, octet for octet; QR is set;
 * RA, Z, AD and CD are clear; the server's size is 1232, and over UDP no answer is longer.
 */
#include "dns_io.h"

#define APEX "02 'wg' 04 'test' 00 "
#define SOA  APEX "0006 0001 "
#define OPT  "00 0029 1000 00000000 0000 "
#define A_RR "c00c 0001 0001 00000000 0004 7f000001 "

#define FOUND  "NOERROR aa 1/1/0/0"
#define FOUND1 "NOERROR aa 1/1/0/1 edns0"
#define NODATA "NOERROR aa 1/0/1/0"
#define NXDOMAIN "NXDOMAIN aa 1/0/1/0"

static const struct probe {
	const char *what, *query, *udp, *tcp; /* tcp NULL: the same */
} probes[] = {
    {"plain", "0000 0001 0000 0000 0000 " SOA, FOUND, NULL},
    {"RD", "0100 0001 0000 0000 0000 " SOA, "NOERROR aa rd 1/1/0/0", NULL},
    {"AA, TC, RA", "0680 0001 0000 0000 0000 " SOA, FOUND, NULL},
    {"Z", "0040 0001 0000 0000 0000 " SOA, FOUND, NULL},
    {"AD", "0020 0001 0000 0000 0000 " SOA, FOUND, NULL},
    {"CD", "0010 0001 0000 0000 0000 " SOA, FOUND, NULL},
    {"an RCODE in a query", "000f 0001 0000 0000 0000 " SOA, FOUND, NULL},
    {"mixed case", "0000 0001 0000 0000 0000 02 'wG' 04 'TeSt' 00 0006 0001", FOUND, NULL},
    {"a response", "8000 0001 0000 0000 0000 " SOA, "-", NULL},
    {"a response with EDNS", "8580 0001 0000 0000 0001 " SOA OPT, "-", NULL},
    {"a response, NOTIFY", "a000 0001 0000 0000 0000 " SOA, "-", NULL},

    {"EDNS", "0000 0001 0000 0000 0001 " SOA OPT, FOUND1, NULL},
    {"DO", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00008000 0000", "NOERROR aa 1/1/0/1 edns0 do", NULL},
    {"DO and all other flags", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 0000ffff 0000", "NOERROR aa 1/1/0/1 edns0 do", NULL},
    {"an unknown flag", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00000040 0000", FOUND1, NULL},
    {"an extended RCODE in a query", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 ff000000 0000", FOUND1, NULL},
    {"an unknown option", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00000000 0004 fde9 0000", FOUND1, NULL},
    {"EDNS version 1", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00010000 0000", "BADVERS 1/0/0/1 edns0", NULL},
    {"EDNS version 255", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00ff0000 0000", "BADVERS 1/0/0/1 edns0", NULL},
    {"EDNS version 1, an unknown option", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00010000 0004 fde9 0000",
        "BADVERS 1/0/0/1 edns0", NULL},
    {"EDNS version 1, an unknown flag", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00010040 0000", "BADVERS 1/0/0/1 edns0", NULL},
    {"EDNS version 1, an option, flags and DO", "0100 0001 0000 0000 0001 " SOA "00 0029 1000 0001ffff 0004 fde9 0000",
        "BADVERS rd 1/0/0/1 edns0 do", NULL},
    {"EDNS version 1, a cookie", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00010000 000c 000a 0008 'abcdefgh'",
        "BADVERS 1/0/0/1 edns0", NULL},
    {"EDNS version 1 for a name that is not ours", "0000 0001 0000 0000 0001 00 0006 0001 00 0029 1000 00010000 0000",
        "BADVERS 1/0/0/1 edns0", NULL},
    {"buffer size 0", "0000 0001 0000 0000 0001 " SOA "00 0029 0000 00000000 0000", FOUND1, NULL},
    {"buffer size 512", "0000 0001 0000 0000 0001 " SOA "00 0029 0200 00000000 0000", FOUND1, NULL},
    {"buffer size 513", "0000 0001 0000 0000 0001 " SOA "00 0029 0201 00000000 0000", FOUND1, NULL},
    {"buffer size 65535", "0000 0001 0000 0000 0001 " SOA "00 0029 ffff 00000000 0000", FOUND1, NULL},
    {"a long list, no EDNS", "0000 0001 0000 0000 0000 0a '_wireguard' 04 '_udp' " APEX "000c 0001", "NOERROR aa tc 1/0/0/0",
        "NOERROR aa 1/+/0/+"},
    {"a long list, size 65535", "0000 0001 0000 0000 0001 0a '_wireguard' 04 '_udp' " APEX "000c 0001 00 0029 ffff 00000000 0000",
        "NOERROR aa tc 1/0/0/1 edns0", "NOERROR aa 1/+/0/+ edns0"},
    {"two OPTs", "0000 0001 0000 0000 0002 " SOA OPT OPT, "FORMERR 1/0/0/1 edns0", NULL},
    {"an OPT in the answer section", "0000 0001 0001 0000 0000 " SOA OPT, "FORMERR 1/0/0/0", NULL},
    {"an OPT in the authority section", "0000 0001 0000 0001 0000 " SOA OPT, "FORMERR 1/0/0/0", NULL},
    {"an OPT that is not at the root", "0000 0001 0000 0000 0001 " SOA "c00c 0029 1000 00000000 0000", "FORMERR 1/0/0/0", NULL},
    {"an OPT behind another record", "0000 0001 0000 0000 0002 " SOA A_RR OPT, FOUND1, NULL},
    {"an OPT before another record", "0000 0001 0000 0000 0002 " SOA OPT A_RR, FOUND1, NULL},
    {"an OPT that is longer than the message", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00000000 0001", "FORMERR 1/0/0/0", NULL},
    {"an option that is longer than its OPT", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00000000 0004 fde9 0001",
        "FORMERR 1/0/0/0", NULL},
    {"half an option", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00000000 0002 fde9", "FORMERR 1/0/0/0", NULL},

    {"NSID", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00000000 0004 0003 0000", FOUND1, NULL},
    {"client subnet", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00000000 000b 0008 0007 0001 1800 c00002", FOUND1, NULL},
    {"a client subnet that is none", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00000000 0008 0008 0004 0009 ffff", FOUND1, NULL},
    {"EXPIRE", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00000000 0004 0009 0000", FOUND1, NULL},
    {"padding", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00000000 0008 000c 0004 00000000", FOUND1, NULL},
    {"CHAIN", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00000000 0005 000d 0001 00", FOUND1, NULL},
    {"keepalive", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00000000 0004 000b 0000", FOUND1, FOUND1 " 11"},
    {"a cookie", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00000000 000c 000a 0008 'abcdefgh'", FOUND1 " 10", NULL},
    {"a cookie, of one octet too few", "0000 0001 0000 0000 0001 " SOA "00 0029 1000 00000000 000b 000a 0007 'abcdefg'",
        "FORMERR 1/0/0/1 edns0", NULL},
    {"a cookie, NSID and an unknown option", "0000 0001 0000 0000 0001 " SOA
        "00 0029 1000 00000000 0014 0003 0000 000a 0008 'abcdefgh' fde9 0000", FOUND1 " 10", NULL},

    {"no question", "0000 0000 0000 0000 0000", "FORMERR 0/0/0/0", NULL},
    {"no question, and an OPT", "0000 0000 0000 0000 0001 " OPT, "FORMERR 0/0/0/1 edns0", NULL},
    {"no question, and a cookie", "0000 0000 0000 0000 0001 00 0029 1000 00000000 000c 000a 0008 'abcdefgh'",
        "NOERROR 0/0/0/1 edns0 10", NULL},
    {"two questions", "0000 0002 0000 0000 0000 " SOA SOA, "FORMERR 0/0/0/0", NULL},
    {"65,535 questions", "0000 ffff 0000 0000 0000 " SOA, "FORMERR 0/0/0/0", NULL},
    {"a question that is not there", "0000 0001 0000 0000 0000", "FORMERR 0/0/0/0", NULL},
    {"a question without class", "0000 0001 0000 0000 0000 " APEX "0006", "FORMERR 0/0/0/0", NULL},
    {"an octet behind", "0000 0001 0000 0000 0000 " SOA "00", "FORMERR 1/0/0/0", NULL},
    {"an octet behind the OPT", "0000 0001 0000 0000 0001 " SOA OPT "00", "FORMERR 1/0/0/1 edns0", NULL},
    {"a query behind the query", "0000 0001 0000 0000 0000 " SOA "beef 0000 0001 0000 0000 0000 " SOA, "FORMERR 1/0/0/0", NULL},
    {"an answer that is not there", "0000 0001 0001 0000 0000 " SOA, "FORMERR 1/0/0/0", NULL},
    {"65,535 additional records that are not there", "0000 0001 0000 0000 ffff " SOA, "FORMERR 1/0/0/0", NULL},
    {"a record in the answer section", "0000 0001 0001 0000 0000 " SOA A_RR, FOUND, NULL},
    {"a compressed question", "0000 0001 0000 0000 0000 02 'wg' c00c 0006 0001", "FORMERR 0/0/0/0", NULL},
    {"a label of a type that there is not", "0000 0001 0000 0000 0000 41 'a' 00 0006 0001", "FORMERR 0/0/0/0", NULL},

    {"class CH, version.bind", "0000 0001 0000 0000 0000 07 'version' 04 'bind' 00 0010 0003", "REFUSED 1/0/0/0", NULL},
    {"class CH", "0000 0001 0000 0000 0000 " APEX "0006 0003", "REFUSED 1/0/0/0", NULL},
    {"class HS", "0000 0001 0000 0000 0000 " APEX "0006 0004", "REFUSED 1/0/0/0", NULL},
    {"class NONE", "0000 0001 0000 0000 0000 " APEX "0006 00fe", "REFUSED 1/0/0/0", NULL},
    {"class ANY", "0000 0001 0000 0000 0000 " APEX "0006 00ff", "REFUSED 1/0/0/0", NULL},
    {"class 0", "0000 0001 0000 0000 0000 " APEX "0006 0000", "REFUSED 1/0/0/0", NULL},
    {"class 65535, EDNS", "0000 0001 0000 0000 0001 " APEX "0006 ffff " OPT, "REFUSED 1/0/0/1 edns0", NULL},

    {"type 0", "0000 0001 0000 0000 0000 " APEX "0000 0001", NODATA, NULL},
    {"type ANY: one set", "0000 0001 0000 0000 0000 " APEX "00ff 0001", "NOERROR aa 1/2/0/0", NULL},
    {"type 65535", "0000 0001 0000 0000 0000 " APEX "ffff 0001", NODATA, NULL},
    {"type OPT", "0000 0001 0000 0000 0000 " APEX "0029 0001", NODATA, NULL},
    {"type TKEY", "0000 0001 0000 0000 0000 " APEX "00f9 0001", NODATA, NULL},
    {"type TSIG", "0000 0001 0000 0000 0000 " APEX "00fa 0001", NODATA, NULL},
    {"type MAILB", "0000 0001 0000 0000 0000 " APEX "00fd 0001", NODATA, NULL},
    {"type MAILA", "0000 0001 0000 0000 0000 " APEX "00fe 0001", NODATA, NULL},
    {"type DS", "0000 0001 0000 0000 0000 " APEX "002b 0001", NODATA, NULL},
    {"type DNSKEY, DO", "0000 0001 0000 0000 0001 " APEX "0030 0001 00 0029 1000 00008000 0000", "NOERROR aa 1/0/1/1 edns0 do", NULL},
    {"AXFR", "0000 0001 0000 0000 0000 " APEX "00fc 0001", "REFUSED 1/0/0/0", NULL},
    {"IXFR", "0000 0001 0000 0001 0000 " APEX "00fb 0001 c00c 0006 0001 00000000 0016 00 00 00000001 00000000 00000000 00000000 00000000",
        "REFUSED 1/0/0/0", NULL},
    {"NOTIFY", "2400 0001 0000 0000 0000 " SOA, "NOTIMP 1/0/0/0", NULL},
    {"UPDATE", "2800 0001 0000 0001 0000 " SOA "01 'x' c00c 0001 0001 0000000a 0004 7f000001", "NOTIMP 1/0/0/0", NULL},
    {"a stateful operation (DSO)", "3000 0000 0000 0000 0000 0001 0000", "NOTIMP 0/0/0/0", NULL},

    {"a name that is not there", "0000 0001 0000 0000 0000 04 'none' " SOA, NXDOMAIN, NULL},
    {"the root", "0000 0001 0000 0000 0000 00 0006 0001", "REFUSED 1/0/0/0", NULL},
    {"the root, EDNS", "0000 0001 0000 0000 0001 00 0002 0001 " OPT, "REFUSED 1/0/0/1 edns0", NULL},
    {"above the zone", "0000 0001 0000 0000 0000 04 'test' 00 0006 0001", "REFUSED 1/0/0/0", NULL},
    {"a label of 63 octets", "0000 0001 0000 0000 0000 "
        "3f 'abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0' " SOA, NXDOMAIN, NULL},
    {"a label with a dot, a NUL and a backslash", "0000 0001 0000 0000 0000 03 2e005c " SOA, NXDOMAIN, NULL},
};

static const char *to;
static uint16_t port;
static unsigned passed;

/* ---- asking ---- */

/* Hex and 'text'. Returns how many octets. */
static size_t octets(const char *text, uint8_t *out)
{
	uint8_t *p = out;

	for (; *text != '\0'; text++) {
		if (*text == '\'') {
			for (text++; *text != '\''; text++)
				*p++ = (uint8_t)*text;
		} else if (*text != ' ') {
			unsigned octet;

			sscanf(text++, "%2x", &octet);
			*p++ = (uint8_t)octet;
		}
	}
	return (size_t)(p - out);
}

static void summary(const uint8_t *msg, size_t len, char *out)
{
	struct dns_answer a = dns_read(msg, len);
	struct wire_reader r = {.buf = a.options, .len = a.options_len};

	if (len == 0) {
		strcpy(out, "-");
		return;
	}
	out += sprintf(out, "%s%s%s%s", dns_rcode(a.rcode), (msg[2] & FLAG_AA) != 0 ? " aa" : "", (msg[2] & 1) != 0 ? " rd" : "",
	    (msg[2] & FLAG_TC) != 0 ? " tc" : "");
	out += sprintf(out, " %u/%u/%u/%u", a.counts[0], a.counts[1], a.counts[2], a.counts[3]);
	if (a.has_opt)
		out += sprintf(out, " edns%u%s", a.opt_ttl >> 16 & 0xff, (a.opt_ttl & 0x8000) != 0 ? " do" : "");
	while (a.has_opt && !r.bad && r.at < r.len) {
		out += sprintf(out, " %u", wire_get16(&r));
		wire_skip(&r, wire_get16(&r));
	}
}

/* "+" stands for any number but 0 and 1. */
static bool fits(const char *got, const char *want)
{
	for (; *want != '\0'; want++) {
		if (*want != '+') {
			if (*got++ != *want)
				return false;
			continue;
		}
		if (strtoul(got, NULL, 10) < 2)
			return false;
		got += strspn(got, "0123456789");
	}
	return *got == '\0';
}

/* What is so of every answer. Returns what is not. */
static const char *wrong_with(const uint8_t *query, size_t query_len, const uint8_t *answer, size_t len, bool tcp)
{
	struct dns_answer a = dns_read(answer, len);
	size_t end = 12;

	if (!a.sound)
		return "it cannot be read";
	if (memcmp(query, answer, 2) != 0)
		return "the ID";
	if ((answer[2] & 0xf9) != (0x80 | (query[2] & 0x79)))
		return "QR, the opcode or RD";
	if ((answer[3] & 0xf0) != 0)
		return "RA, Z, AD or CD";
	if (!tcp && len > 1232)
		return "its length";
	if (a.has_opt && (a.opt_size != 1232 || (a.opt_ttl & 0x7fff) != 0))
		return "the OPT's size or flags";
	while (a.counts[0] == 1 && answer[end] != 0)
		end += answer[end] + 1u;
	end += a.counts[0] == 1 ? 5 : 0;
	if (end > query_len || memcmp(query + 12, answer + 12, end - 12) != 0)
		return "the question";
	return NULL;
}

/* Behind each query goes another one: if that is answered first, this one is not. */
static size_t ask(int fd, bool tcp, const uint8_t *query, size_t len, uint8_t *answer)
{
	static uint8_t last[512];
	uint8_t other[512];
	size_t last_len = dns_query(last, 0xffff, "wg.test", 6), got;

	if (tcp)
		tcp_write(fd, query, len);
	else
		send(fd, query, len, 0);
	got = dns_ask(fd, tcp, last, last_len, answer);
	if (got == 0 || (answer[0] == 0xff && answer[1] == 0xff))
		return got == 0 ? (size_t)check(false, "no answer at all") : 0;
	if (tcp)
		tcp_read(fd, other);
	else
		recv(fd, other, sizeof(other), 0);
	return got;
}

static void probe(bool tcp, const char *what, const uint8_t *query, size_t len, const char *want)
{
	static uint8_t answer[MESSAGE];
	int fd = dns_connect(tcp ? SOCK_STREAM : SOCK_DGRAM, NULL, to, port);
	size_t got = ask(fd, tcp, query, len, answer);
	const char *wrong = got > 0 ? wrong_with(query, len, answer, got, tcp) : NULL;
	char text[512];

	summary(answer, got, text);
	if (wrong != NULL)
		check(false, "%s, %s: %s is wrong in %s", tcp ? "TCP" : "UDP", what, wrong, text);
	else if (!fits(text, want))
		check(false, "%s, %s: expected %s, got %s", tcp ? "TCP" : "UDP", what, want, text);
	else
		passed++;
	close(fd);
}

static void both(const char *what, const uint8_t *query, size_t len, const char *want)
{
	probe(false, what, query, len, want);
	probe(true, what, query, len, want);
}

/* ---- what is no row of a table ---- */

static void opcodes(void)
{
	uint8_t query[512];
	char what[64], want[64];

	for (unsigned opcode = 1; opcode < 16; opcode++) {
		size_t len = dns_query(query, 7, "wg.test", 6);

		query[2] = (uint8_t)(opcode << 3);
		snprintf(what, sizeof(what), "opcode %u", opcode);
		both(what, query, len, "NOTIMP 1/0/0/0");
		len = dns_opt(query, len, 4096, 0x8000, NULL, 0);
		snprintf(want, sizeof(want), "NOTIMP 1/0/0/1 edns0 do");
		both(what, query, len, want);
	}
}

/* A query for `labels` labels of `each` octets of that value, and the zone or nothing behind. */
static size_t labels_query(uint8_t *out, unsigned labels, unsigned each, uint8_t value, bool in_zone)
{
	uint8_t *p = out + dns_query(out, 7, "", 6) - 5;

	while (labels-- > 0) {
		*p++ = (uint8_t)each;
		memset(p, value, each);
		p += each;
	}
	p = in_zone ? put_bytes(p, "\2wg\4test", 9) - 1 : p;
	*p++ = 0;
	p = put16(put16(p, 6), 1);
	return (size_t)(p - out);
}

static void names(void)
{
	uint8_t query[1024];
	char what[64];

	both("127 labels", query, labels_query(query, 127, 1, 'a', false), "REFUSED 1/0/0/0");
	both("128 labels", query, labels_query(query, 128, 1, 'a', false), "FORMERR 0/0/0/0");
	both("125 labels, in the zone", query, labels_query(query, 123, 1, 'a', true), NXDOMAIN);
	both("3 labels of 63 octets, in the zone", query, labels_query(query, 3, 63, 'a', true), NXDOMAIN);
	both("4 labels of 63 octets", query, labels_query(query, 4, 63, 'a', false), "FORMERR 0/0/0/0");
	both("a label of 64 octets", query, labels_query(query, 1, 64, 'a', true), "FORMERR 0/0/0/0");
	for (unsigned octet = 0; octet < 256; octet++) {
		snprintf(what, sizeof(what), "a label with octet %u", octet);
		both(what, query, labels_query(query, 1, 3, (uint8_t)octet, true), NXDOMAIN);
	}
}

static void lengths(void)
{
	static uint8_t query[8192], option[4200] = {0, 12};
	size_t len, padding;

	len = dns_query(query, 7, "wg.test", 6);
	padding = 1232 - len - 11 - 4;
	put16(option + 2, (uint16_t)padding);
	both("a query of 1,232 octets", query, dns_opt(query, len, 4096, 0, option, 4 + padding), FOUND1);
	len = dns_query(query, 7, "wg.test", 6);
	put16(option + 2, (uint16_t)(padding + 1));
	len = dns_opt(query, len, 4096, 0, option, 4 + padding + 1);
	probe(false, "a query of 1,233 octets", query, len, "FORMERR 0/0/0/0");
	probe(true, "a query of 1,233 octets", query, len, FOUND1);
	for (len = 0; len < 12; len++)
		probe(false, "less than a header", query, len, "-");
}

/* With a cookie of ours every answer is as long as it may be, and over UDP no longer. */
static void longest(const char *name)
{
	const char *const owners[] = {"wg.test", "_wireguard._udp.wg.test", name, "ns1.wg.test"};
	static const uint16_t types[] = {1, 2, 6, 12, 16, 28, 33, 255}, sizes[] = {0, 512, 1232, 1233, 4096, 65535};
	static uint8_t query[1024], answer[MESSAGE];
	uint8_t option[28] = {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
	int fd = dns_connect(SOCK_DGRAM, NULL, to, port);
	struct dns_answer a;
	size_t len = 0, most = 0;
	const uint8_t *cookie;

	a = dns_read(answer, dns_ask(fd, false, query, dns_opt(query, dns_query(query, 7, "wg.test", 6), 1232, 0, option, 12), answer));
	cookie = dns_option(&a, 10, &len);
	if (!check(cookie != NULL && len == 24, "a cookie"))
		return;
	put_bytes(put16(option + 2, 24), cookie, 24);
	for (size_t i = 0; i < sizeof(owners) / sizeof(*owners) * 8 * 6; i++) {
		unsigned size = sizes[i % 6];

		len = dns_opt(query, dns_query(query, 8, owners[i / 48], types[i / 6 % 8]), (uint16_t)size, 0, option, 28);
		len = dns_ask(fd, false, query, len, answer);
		most = len > most ? len : most;
		size = size < 512 ? 512 : size > 1232 ? 1232 : size;
		if (len == 0 || len > size)
			check(false, "%s type %u, size %u: %zu octets", owners[i / 48], types[i / 6 % 8], size, len);
		passed++;
	}
	check(most > 500 && most <= 1232, "the longest answer over UDP has %zu octets", most);
	close(fd);
}

int main(int argc, char **argv)
{
	static uint8_t query[4096];

	if (argc != 4)
		errx(2, "usage: probes TO PORT NAME");
	to = argv[1];
	port = (uint16_t)atoi(argv[2]);
	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		const struct probe *p = &probes[i];
		size_t len = 2 + octets(p->query, put16(query, 0xbeef));

		probe(false, p->what, query, len, p->udp);
		probe(true, p->what, query, len, p->tcp != NULL ? p->tcp : p->udp);
	}
	opcodes();
	names();
	lengths();
	longest(argv[3]);
	check(failures == 0, "%s: %u probes", to, passed);
	return failures > 0;
}
