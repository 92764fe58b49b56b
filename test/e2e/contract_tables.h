/* The tables of contract.c, to be read beside the contract. Messages are hex, with 'text' between quotes; in them and in names
 *
 *     {1}   key 1 in base32    {1=} with its padding    {1^} in upper case    {1/} in base64    {#1110} a key by four digits of hex
 *     {xserial wg.test}        the zone's serial now, in hex
 *
 * Key n is 32 octets of the value n; 9 is the registry's own. What the zones hold stands in contract.c, write_wg() and so on.
 */
#ifndef WGMEET_CONTRACT_TABLES_H
#define WGMEET_CONTRACT_TABLES_H

#include "contract_io.h"

#define EDNS_NONE -1

/* 165 octets: the SRV of a peer fits into 512 with it, but not the address behind. */
#define L50       "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmn"
#define LONG_ZONE L50 "." L50 "." L50 ".tuvwx.test"

/* ---- octet for octet ---- */

#define OPT_1232 "00 0029 04d0 00000000 0000 "
#define SERVICE "0a '_wireguard' 04 '_udp' "
#define WG      "02 'wg' 04 'test' 00 "
#define ONE     "03 'one' 04 'test' 00 "
#define TTL     "0000000a "
#define SOA_WG  "0006 0001 " TTL "0035 03 'ns1' " WG "0a 'hostmaster' " WG "{xserial wg.test} 0000003c 0000001e 00000258 " TTL
#define TXT_1   "0010 0001 " TTL "004f 09 'txtvers=1' 30 'pub={1/}' 13 'allowed=10.0.0.1/32' "
#define A_1     "0001 0001 " TTL "0004 c6336401 "
#define A_NS1   "03 'ns1' " WG "0001 0001 " TTL "0004 c0000235 "
#define AAAA_NS1 "03 'ns1' " WG "001c 0001 " TTL "0010 20010db8 00000000 00000000 00000053 "

/* Asked on every address, over UDP and TCP, without EDNS and with it: then OPTs come on top of what stands here. */
static const struct {
	const char *what, *flags, *question, *answer_flags_and_counts, *records;
} exact[] = {
    {"SRV", "0100", "34 '{1}' " SERVICE WG "0021 0001", "8500 0001 0001 0000 0002",
        "c00c 0021 0001 " TTL "0054 0000 0000 ca6d 34 '{1}' " SERVICE WG " c00c " A_1 "c00c " TXT_1},
    {"SRV, padded name", "0100", "38 '{1=}' " SERVICE WG "0021 0001", "8500 0001 0001 0000 0002",
        "c00c 0021 0001 " TTL "0058 0000 0000 ca6d 38 '{1=}' " SERVICE WG " c00c " A_1 "c00c " TXT_1},
    {"SRV, upper case", "0100", "34 '{1^}' 0a '_WIREGUARD' 04 '_UDP' 02 'WG' 04 'TEST' 00 0021 0001", "8500 0001 0001 0000 0002",
        "c00c 0021 0001 " TTL "0054 0000 0000 ca6d 34 '{1^}' 0a '_WIREGUARD' 04 '_UDP' 02 'WG' 04 'TEST' 00 c00c " A_1 "c00c " TXT_1},
    {"SRV, mixed case", "0100", "34 '{1}' 0a '_WireGuard' 04 '_uDp' 02 'Wg' 04 'tESt' 00 0021 0001", "8500 0001 0001 0000 0002",
        "c00c 0021 0001 " TTL "0054 0000 0000 ca6d 34 '{1}' 0a '_WireGuard' 04 '_uDp' 02 'Wg' 04 'tESt' 00 c00c " A_1 "c00c " TXT_1},
    {"A", "0100", "34 '{1}' " SERVICE WG "0001 0001", "8500 0001 0001 0000 0000", "c00c " A_1},
    {"A, padded name", "0100", "38 '{1=}' " SERVICE WG "0001 0001", "8500 0001 0001 0000 0000", "c00c " A_1},
    {"AAAA", "0100", "34 '{2}' " SERVICE WG "001c 0001", "8500 0001 0001 0000 0000",
        "c00c 001c 0001 " TTL "0010 20010db8 00000000 00000000 00000002"},
    {"A of an IPv4-mapped endpoint", "0100", "34 '{3}' " SERVICE WG "0001 0001", "8500 0001 0001 0000 0000",
        "c00c 0001 0001 " TTL "0004 c6336403"},
    {"AAAA of an IPv4-mapped endpoint", "0100", "34 '{3}' " SERVICE WG "001c 0001", "8500 0001 0000 0001 0000", "c051 " SOA_WG},
    {"A of an IPv6 endpoint", "0100", "34 '{2}' " SERVICE WG "0001 0001", "8500 0001 0000 0001 0000", "c051 " SOA_WG},
    {"TXT", "0100", "34 '{1}' " SERVICE WG "0010 0001", "8500 0001 0001 0000 0000", "c00c " TXT_1},
    {"TXT of a peer without allowed IPs", "0100", "34 '{3}' " SERVICE WG "0010 0001", "8500 0001 0001 0000 0000",
        "c00c 0010 0001 " TTL "003b 09 'txtvers=1' 30 'pub={3/}'"},
    {"the registry's own SRV", "0100", "34 '{9}' " SERVICE WG "0021 0001", "8500 0001 0001 0000 0002",
        "c00c 0021 0001 " TTL "0054 0000 0000 ca6c 34 '{9}' " SERVICE WG "c00c 0001 0001 " TTL "0004 c0000201 "
        "c00c 0010 0001 " TTL "0051 09 'txtvers=1' 30 'pub={9/}' 15 'allowed=10.0.0.254/32'"},
    {"PTR of the services", "0100", "09 '_services' 07 '_dns-sd' 04 '_udp' " WG "000c 0001", "8500 0001 0001 0000 0000",
        "c00c 000c 0001 " TTL "0019 " SERVICE WG},
    {"PTR b", "0100", "01 'b' 07 '_dns-sd' 04 '_udp' " WG "000c 0001", "8500 0001 0001 0000 0000", "c00c 000c 0001 " TTL "0009 " WG},
    {"PTR db", "0100", "02 'db' 07 '_dns-sd' 04 '_udp' " WG "000c 0001", "8500 0001 0001 0000 0000", "c00c 000c 0001 " TTL "0009 " WG},
    {"PTR lb", "0100", "02 'lb' 07 '_dns-sd' 04 '_udp' " WG "000c 0001", "8500 0001 0001 0000 0000", "c00c 000c 0001 " TTL "0009 " WG},
    {"PTR list of one", "0100", SERVICE ONE "000c 0001", "8500 0001 0001 0000 0003",
        "c00c 000c 0001 " TTL "0037 34 '{1}' c00c c036 0021 0001 " TTL "0055 0000 0000 ca6d 34 '{1}' " SERVICE ONE "c036 " A_1 "c036 " TXT_1},
    {"TXT of the service", "0100", SERVICE WG "0010 0001", "8500 0001 0001 0000 0000",
        "c00c 0010 0001 " TTL "0012 09 'txtvers=1' 07 'shard=0'"},
    {"SOA", "0100", WG "0006 0001", "8500 0001 0001 0000 0000", "c00c " SOA_WG},
    {"NS, with addresses", "0100", WG "0002 0001", "8500 0001 0002 0000 0002",
        "c00c 0002 0001 " TTL "000d 03 'ns1' " WG "c00c 0002 0001 " TTL "0011 03 'ns2' 07 'example' 03 'net' 00 " A_NS1 AAAA_NS1},
    {"A of a name server", "0100", "03 'ns1' " WG "0001 0001", "8500 0001 0001 0000 0000", "c00c 0001 0001 " TTL "0004 c0000235"},
    {"AAAA of a name server", "0100", "03 'ns1' " WG "001c 0001", "8500 0001 0001 0000 0000",
        "c00c 001c 0001 " TTL "0010 20010db8 00000000 00000000 00000053"},
    {"TXT of a name server: NODATA", "0100", "03 'ns1' " WG "0010 0001", "8500 0001 0000 0001 0000", "c010 " SOA_WG},
    {"ANY of a peer: one RRset", "0100", "34 '{1}' " SERVICE WG "00ff 0001", "8500 0001 0001 0000 0000",
        "c00c 0021 0001 " TTL "0054 0000 0000 ca6d 34 '{1}' " SERVICE WG},
    {"ANY of the apex: one RRset", "0100", WG "00ff 0001", "8500 0001 0002 0000 0000",
        "c00c 0002 0001 " TTL "000d 03 'ns1' " WG "c00c 0002 0001 " TTL "0011 03 'ns2' 07 'example' 03 'net' 00"},
    {"ANY of an empty non-terminal", "0100", "04 '_udp' " WG "00ff 0001", "8500 0001 0000 0001 0000", "c011 " SOA_WG},
    {"no such name", "0100", "06 'nobody' " WG "0001 0001", "8503 0001 0000 0001 0000", "c013 " SOA_WG},
    {"no such peer", "0100", "34 '{8}' " SERVICE WG "0021 0001", "8503 0001 0000 0001 0000", "c051 " SOA_WG},
    {"a peer without an endpoint", "0100", "34 '{4}' " SERVICE WG "0021 0001", "8503 0001 0000 0001 0000", "c051 " SOA_WG},
    {"a peer without an endpoint, padded", "0100", "38 '{4=}' " SERVICE WG "0010 0001", "8503 0001 0000 0001 0000", "c055 " SOA_WG},
    {"below a peer", "0100", "01 'a' 34 '{1}' " SERVICE WG "0021 0001", "8503 0001 0000 0001 0000", "c053 " SOA_WG},
    {"11 octets that are not the service", "0100", "34 '{1}' 0a '_wireguarb' 04 '_udp' " WG "0021 0001", "8503 0001 0000 0001 0000",
        "c051 " SOA_WG},
    {"other type of an existing name", "0100", WG "0001 0001", "8500 0001 0000 0001 0000", "c00c " SOA_WG},
    {"other type of a peer", "0100", "34 '{1}' " SERVICE WG "0006 0001", "8500 0001 0000 0001 0000", "c051 " SOA_WG},
    {"_udp: an empty non-terminal", "0100", "04 '_udp' " WG "0001 0001", "8500 0001 0000 0001 0000", "c011 " SOA_WG},
    {"_dns-sd._udp: an empty non-terminal", "0100", "07 '_dns-sd' 04 '_udp' " WG "000c 0001", "8500 0001 0000 0001 0000", "c019 " SOA_WG},
    {"SOA asked of a peer, in upper case: the apex is a pointer", "0100", "34 '{1^}' 0a '_WIREGUARD' 04 '_UDP' 02 'WG' 04 'TEST' 00 0006 0001",
        "8500 0001 0000 0001 0000", "c051 " SOA_WG},
    {"outside the zones", "0100", "07 'example' 03 'com' 00 0001 0001", "8105 0001 0000 0000 0000", ""},
    {"the root", "0100", "00 0002 0001", "8105 0001 0000 0000 0000", ""},
    {"above the zones", "0100", "04 'test' 00 0006 0001", "8105 0001 0000 0000 0000", ""},
    {"a name that only ends in the same letters", "0100", "03 'xwg' 04 'test' 00 0006 0001", "8105 0001 0000 0000 0000", ""},
    {"class CH", "0100", WG "0006 0003", "8105 0001 0000 0000 0000", ""},
    {"class ANY", "0100", WG "0006 00ff", "8105 0001 0000 0000 0000", ""},
    {"class NONE", "0100", WG "0006 00fe", "8105 0001 0000 0000 0000", ""},
    {"opcode IQUERY", "0900", WG "0006 0001", "8904 0001 0000 0000 0000", ""},
    {"opcode STATUS", "1000", WG "0006 0001", "9004 0001 0000 0000 0000", ""},
    {"opcode NOTIFY", "2400", WG "0006 0001", "a004 0001 0000 0000 0000", ""},
    {"opcode UPDATE", "2800", WG "0006 0001", "a804 0001 0000 0000 0000", ""},
    {"opcode 15", "7900", WG "0006 0001", "f904 0001 0000 0000 0000", ""},
    {"RD clear", "0000", "34 '{1}' " SERVICE WG "0001 0001", "8400 0001 0001 0000 0000", "c00c " A_1},
    {"AA, TC, RA, Z, AD and CD of a query come to nothing", "07ff", "34 '{1}' " SERVICE WG "0001 0001", "8500 0001 0001 0000 0000",
        "c00c " A_1},
};

/* ---- EDNS, and what is no query ---- */

#define Q_SOA  WG "0006 0001 "
#define SOA_RR "c00c " SOA_WG
#define GONE   "04 'gone' 04 'test' 00 0006 0001 "

/* Whole messages. An empty answer: dropped. */
static const struct {
	const char *what, *query, *answer;
} raw[] = {
    {"no question", "0100 0000 0000 0000 0000", "8101 0000 0000 0000 0000"},
    {"no question but an OPT", "0100 0000 0000 0000 0001 " OPT_1232, "8101 0000 0000 0000 0001 " OPT_1232},
    {"two questions", "0100 0002 0000 0000 0000 " Q_SOA Q_SOA, "8101 0000 0000 0000 0000"},
    {"a question cut short", "0100 0001 0000 0000 0000 02 'wg'", "8101 0000 0000 0000 0000"},
    {"a compressed question", "0100 0001 0000 0000 0000 02 'wg' c00c 0006 0001", "8101 0000 0000 0000 0000"},
    {"an octet too many", "0100 0001 0000 0000 0000 " Q_SOA "00", "8101 0001 0000 0000 0000 " Q_SOA},
    {"two OPTs", "0100 0001 0000 0000 0002 " Q_SOA OPT_1232 OPT_1232, "8101 0001 0000 0000 0001 " Q_SOA OPT_1232},
    {"an OPT that is not at the root", "0100 0001 0000 0000 0001 " Q_SOA "01 'a' 00 0029 04d0 00000000 0000", "8101 0001 0000 0000 0000 " Q_SOA},
    {"EDNS version 1: BADVERS, the question is kept", "0100 0001 0000 0000 0001 " Q_SOA "00 0029 04d0 00010000 0000",
        "8100 0001 0000 0000 0001 " Q_SOA "00 0029 04d0 01000000 0000"},
    {"EDNS version 255 and DO", "0100 0001 0000 0000 0001 " Q_SOA "00 0029 04d0 00ff8000 0000",
        "8100 0001 0000 0000 0001 " Q_SOA "00 0029 04d0 01008000 0000"},
    {"EDNS version 1, outside the zones", "0100 0001 0000 0000 0001 00 0002 0001 00 0029 04d0 00010000 0000",
        "8100 0001 0000 0000 0001 00 0002 0001 00 0029 04d0 01000000 0000"},
    {"DO is echoed", "0100 0001 0000 0000 0001 " Q_SOA "00 0029 04d0 00008000 0000",
        "8500 0001 0001 0000 0001 " Q_SOA SOA_RR "00 0029 04d0 00008000 0000"},
    {"DO is echoed with REFUSED", "0100 0001 0000 0000 0001 00 0002 0001 00 0029 04d0 00008000 0000",
        "8105 0001 0000 0000 0001 00 0002 0001 00 0029 04d0 00008000 0000"},
    {"the other flags are not", "0100 0001 0000 0000 0001 " Q_SOA "00 0029 04d0 00007fff 0000",
        "8500 0001 0001 0000 0001 " Q_SOA SOA_RR "00 0029 04d0 00000000 0000"},
    {"unknown options: NSID, client subnet, padding, 65001", "0100 0001 0000 0000 0001 " Q_SOA
        "00 0029 04d0 00000000 001b 0003 0000 0008 0007 0001 18 00 c00002 000c 0000 fde9 0004 'abcd'",
        "8500 0001 0001 0000 0001 " Q_SOA SOA_RR OPT_1232},
    {"an option that is cut short", "0100 0001 0000 0000 0001 " Q_SOA "00 0029 04d0 00000000 0005 fde9 0004 'a'",
        "8101 0001 0000 0000 0000 " Q_SOA},
    {"not ready", "0100 0001 0000 0000 0000 " GONE, "8102 0001 0000 0000 0000 " GONE},
    {"not ready, EDNS: extended error 14", "0100 0001 0000 0000 0001 " GONE OPT_1232,
        "8102 0001 0000 0000 0001 " GONE "00 0029 04d0 00000000 0006 000f 0002 000e"},
    {"not ready: a peer", "0100 0001 0000 0000 0000 34 '{1}' " SERVICE "04 'gone' 04 'test' 00 0021 0001",
        "8102 0001 0000 0000 0000 34 '{1}' " SERVICE "04 'gone' 04 'test' 00 0021 0001"},
    {"not ready: the list", "0100 0001 0000 0000 0000 " SERVICE "04 'gone' 04 'test' 00 000c 0001",
        "8102 0001 0000 0000 0000 " SERVICE "04 'gone' 04 'test' 00 000c 0001"},
    {"a response", "8100 0001 0000 0000 0000 " Q_SOA, ""},
    {"a response with an answer", "8500 0001 0001 0000 0000 " Q_SOA SOA_RR, ""},
    {"a response with another opcode", "a000 0001 0000 0000 0000 " Q_SOA, ""},
    {"a response to nothing", "8100 0000 0000 0000 0000", ""},
};

/* ---- what does not fit ---- */

#define TCP true
#define UDP false
#define TC  true

static const struct {
	const char *name;
	uint16_t type;
	bool tcp;
	int udp_size;
	bool tc;
	const char *shape;
	size_t most;
} shapes[] = {
    /* A TXT of more than 512 octets, and one of 16 KiB. */
    {"{5}._wireguard._udp.wg.test", LDNS_RR_TYPE_TXT, UDP, EDNS_NONE, TC, "||", 512},
    {"{5}._wireguard._udp.wg.test", LDNS_RR_TYPE_TXT, UDP, 512, TC, "||", 512},
    {"{5}._wireguard._udp.wg.test", LDNS_RR_TYPE_TXT, UDP, 1232, false, " TXT ||", 1232},
    {"{5}._wireguard._udp.wg.test", LDNS_RR_TYPE_TXT, TCP, EDNS_NONE, false, " TXT ||", 65535},
    {"{6}._wireguard._udp.wg.test", LDNS_RR_TYPE_TXT, UDP, EDNS_NONE, TC, "||", 512},
    {"{6}._wireguard._udp.wg.test", LDNS_RR_TYPE_TXT, UDP, 65535, TC, "||", 1232},
    {"{6}._wireguard._udp.wg.test", LDNS_RR_TYPE_TXT, TCP, EDNS_NONE, false, " TXT ||", 65535},
    {"{6=}._wireguard._udp.wg.test", LDNS_RR_TYPE_TXT, TCP, 512, false, " TXT ||", 65535},
    /* The address first, then the TXT; what does not fit is left out without TC, the address last. */
    {"{1}._wireguard._udp.wg.test", LDNS_RR_TYPE_SRV, UDP, EDNS_NONE, false, " SRV || A  TXT ", 512},
    {"{2}._wireguard._udp.wg.test", LDNS_RR_TYPE_SRV, UDP, EDNS_NONE, false, " SRV || AAAA  TXT ", 512},
    {"{5}._wireguard._udp.wg.test", LDNS_RR_TYPE_SRV, UDP, EDNS_NONE, false, " SRV || A ", 512},
    {"{5}._wireguard._udp.wg.test", LDNS_RR_TYPE_SRV, UDP, 1232, false, " SRV || A  TXT ", 1232},
    {"{6}._wireguard._udp.wg.test", LDNS_RR_TYPE_SRV, UDP, 1232, false, " SRV || A ", 1232},
    {"{6=}._wireguard._udp.wg.test", LDNS_RR_TYPE_SRV, UDP, 4096, false, " SRV || A ", 1232},
    {"{6}._wireguard._udp.wg.test", LDNS_RR_TYPE_SRV, TCP, EDNS_NONE, false, " SRV || A  TXT ", 65535},
    {"{1}._wireguard._udp." LONG_ZONE, LDNS_RR_TYPE_SRV, UDP, EDNS_NONE, false, " SRV ||", 512},
    {"{1=}._wireguard._udp." LONG_ZONE, LDNS_RR_TYPE_SRV, UDP, EDNS_NONE, false, " SRV ||", 512},
    {"{1}._wireguard._udp." LONG_ZONE, LDNS_RR_TYPE_SRV, UDP, 545, false, " SRV || A ", 545},
    {"{1}._wireguard._udp." LONG_ZONE, LDNS_RR_TYPE_SRV, UDP, 1232, false, " SRV || A  TXT ", 1232},
    {"{1=}._wireguard._udp." LONG_ZONE, LDNS_RR_TYPE_SRV, TCP, EDNS_NONE, false, " SRV || A  TXT ", 65535},
    /* The list: no peer, one that is there under all of its names, 900, and one more. */
    {"_wireguard._udp.empty.test", LDNS_RR_TYPE_PTR, UDP, EDNS_NONE, false, "| SOA |", 512},
    {"_wireguard._udp.empty.test", LDNS_RR_TYPE_TXT, UDP, EDNS_NONE, false, " TXT ||", 512},
    {"_services._dns-sd._udp.empty.test", LDNS_RR_TYPE_PTR, UDP, EDNS_NONE, false, " PTR ||", 512},
    {"_wireguard._udp.ONE.test", LDNS_RR_TYPE_PTR, UDP, EDNS_NONE, false, " PTR || SRV  A  TXT ", 512},
    {"_wireguard._udp.sub.wg.test", LDNS_RR_TYPE_PTR, TCP, EDNS_NONE, false, " PTR || SRV  A  TXT ", 65535},
    {"_wireguard._udp.list900.test", LDNS_RR_TYPE_PTR, UDP, EDNS_NONE, TC, "||", 512},
    {"_wireguard._udp.list900.test", LDNS_RR_TYPE_PTR, UDP, 65535, TC, "||", 1232},
    {"_wireguard._udp.list901.test", LDNS_RR_TYPE_PTR, UDP, EDNS_NONE, false, "| SOA |", 512},
    {"_wireguard._udp.list901.test", LDNS_RR_TYPE_PTR, TCP, EDNS_NONE, false, "| SOA |", 65535},
    /* A zone inside another one is its own. */
    {"{1}._wireguard._udp.sub.wg.test", LDNS_RR_TYPE_SRV, UDP, EDNS_NONE, false, " SRV || A  TXT ", 512},
    {"{2}._wireguard._udp.sub.wg.test", LDNS_RR_TYPE_SRV, UDP, EDNS_NONE, false, "| SOA |", 512},
};

#endif
