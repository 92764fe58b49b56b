/* What contract.c asks beside the plain contract: lists that are split, cookies, keepalives, who may ask, and what an address
 * that may be forged gets. Included there, behind its helpers, and nowhere else.
 */
#ifndef WGMEET_CONTRACT_GUARD_H
#define WGMEET_CONTRACT_GUARD_H

/* ---- servers of our own ---- */

static struct server guard_server;
static uint16_t main_port;

/* A server for one zone with these options (NULL ends them); meanwhile it is the one that is asked. */
static bool start_guard(const char *zone, const char *file, const char *const options[])
{
	static char program[512], listen[64], path[128], state[128];
	char *argv[32] = {program, (char *)"--zone", (char *)zone, (char *)"--dump-file", path, (char *)"--listen", listen,
	    (char *)"--name-server", (char *)"ns.example.net", (char *)"--workers", (char *)"1", (char *)"--user", (char *)"65534",
	    (char *)"--observer-user", (char *)"65533", (char *)"--state-directory", state};
	const char *build = getenv("BUILD");

	for (size_t i = 0; options[i] != NULL; i++)
		argv[17 + i] = (char *)options[i];
	main_port = port;
	port = free_port();
	snprintf(program, sizeof(program), "%s/wgmeetd", build != NULL ? build : "build");
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
	snprintf(path, sizeof(path), "%s/%s", tmp, file);
	snprintf(state, sizeof(state), "%s/state", tmp);
	start_server(&guard_server, argv);
	return true;
}

static void stop_guard(void)
{
	stop_server(&guard_server);
	port = main_port;
}

/* One question from that address of ours: whole messages as the tables write them. */
static void check_message(const char *what, const char *source, bool tcp, const char *question, const char *answer)
{
	static uint8_t query[MESSAGE], want[MESSAGE], got[MESSAGE];
	int fd = connected_from(source, "127.0.0.1", port, tcp ? SOCK_STREAM : SOCK_DGRAM);
	char text[4096], full[512];
	size_t query_len, want_len;

	snprintf(text, sizeof(text), QUERY_ID "%s", question);
	query_len = bytes(text, query);
	snprintf(text, sizeof(text), QUERY_ID "%s", answer);
	want_len = bytes(text, want);
	snprintf(full, sizeof(full), "%s (%s, %s)", what, source, tcp ? "TCP" : "UDP");
	same(full, got, ask_bytes(fd, tcp, query, query_len, got), want, want_len);
	close(fd);
}

/* ---- lists that are split ---- */

#define SPLIT    "05 'split' 04 'test' 00 "
#define SUBTYPE  "04 '_cei' 04 '_sub' " SERVICE SPLIT
#define SOA_SPLIT "0006 0001 " TTL "003b 02 'ns' 07 'example' 03 'net' 00 0a 'hostmaster' " SPLIT \
	"{xserial split.test} 0000003c 0000001e 00000258 " TTL
#define OF_PEER(at, key, port_hex, address) \
	at " 0021 0001 " TTL "0057 0000 0000 " port_hex " 34 '{#" key "}' " SERVICE SPLIT at " 0001 0001 " TTL "0004 " address " " \
	at " 0010 0001 " TTL "003b 09 'txtvers=1' 30 'pub={#" key "/}' "

/* Twenty peers, at most three in a list: it takes three characters. Keys 1110 and 1111 hex begin with "cei". */
static const struct {
	const char *what, *question, *answer;
} split[] = {
    {"a list of two", "0100 0001 0000 0000 0000 " SUBTYPE "000c 0001", "8500 0001 0002 0000 0006 " SUBTYPE "000c 0001 "
        "c00c 000c 0001 " TTL "0037 34 '{#1110}' c016 c00c 000c 0001 " TTL "0037 34 '{#1111}' c016 "
        OF_PEER("c042", "1110", "03f8", "c6336410") OF_PEER("c085", "1111", "03f9", "c6336411")},
    {"ANY of a list", "0100 0001 0000 0000 0000 " SUBTYPE "00ff 0001", "8500 0001 0002 0000 0000 " SUBTYPE "00ff 0001 "
        "c00c 000c 0001 " TTL "0037 34 '{#1110}' c016 c00c 000c 0001 " TTL "0037 34 '{#1111}' c016"},
    {"a list, in upper case", "0100 0001 0000 0000 0000 04 '_CEI' 04 '_SUB' 0a '_WIREGUARD' 04 '_UDP' 05 'SPLIT' 04 'TEST' 00 00ff 0001",
        "8500 0001 0002 0000 0000 04 '_CEI' 04 '_SUB' 0a '_WIREGUARD' 04 '_UDP' 05 'SPLIT' 04 'TEST' 00 00ff 0001 "
        "c00c 000c 0001 " TTL "0037 34 '{#1110}' c016 c00c 000c 0001 " TTL "0037 34 '{#1111}' c016"},
    {"TXT of a list: NODATA", "0100 0001 0000 0000 0000 " SUBTYPE "0010 0001", "8500 0001 0000 0001 0000 " SUBTYPE "0010 0001 c026 " SOA_SPLIT},
    {"the service has no list", "0100 0001 0000 0000 0000 " SERVICE SPLIT "000c 0001", "8500 0001 0000 0001 0000 " SERVICE SPLIT
        "000c 0001 c01c " SOA_SPLIT},
    {"the service says how deep they are", "0100 0001 0000 0000 0000 " SERVICE SPLIT "0010 0001", "8500 0001 0001 0000 0000 " SERVICE SPLIT
        "0010 0001 c00c 0010 0001 " TTL "0012 09 'txtvers=1' 07 'shard=3'"},
    {"ANY of the service", "0100 0001 0000 0000 0000 " SERVICE SPLIT "00ff 0001", "8500 0001 0001 0000 0000 " SERVICE SPLIT
        "00ff 0001 c00c 0010 0001 " TTL "0012 09 'txtvers=1' 07 'shard=3'"},
    {"_sub: an empty non-terminal", "0100 0001 0000 0000 0000 04 '_sub' " SERVICE SPLIT "000c 0001", "8500 0001 0000 0001 0000 04 '_sub' "
        SERVICE SPLIT "000c 0001 c021 " SOA_SPLIT},
    {"a list that there is not", "0100 0001 0000 0000 0000 04 '_zzz' 04 '_sub' " SERVICE SPLIT "000c 0001", "8503 0001 0000 0001 0000 "
        "04 '_zzz' 04 '_sub' " SERVICE SPLIT "000c 0001 c026 " SOA_SPLIT},
    {"a shorter prefix", "0100 0001 0000 0000 0000 03 '_ce' 04 '_sub' " SERVICE SPLIT "000c 0001", "8503 0001 0000 0001 0000 "
        "03 '_ce' 04 '_sub' " SERVICE SPLIT "000c 0001 c025 " SOA_SPLIT},
};

static void test_split(void)
{
	static const char *const options[] = {"--list-max", "3", "--rate-limit", "0", NULL};

	begin_group("lists that are split");
	write_list("split", 20);
	start_guard("split.test", "split", options);
	if (await_rcode(&guard_server, port, "split.test", 0)) {
		for (size_t i = 0; i < 2 * (sizeof(split) / sizeof(*split)); i++) /* what fits into UDP is not all of it */
			if (i % 2 != 0 || i > 1)
				check_message(split[i / 2].what, "127.0.0.1", i % 2 != 0, split[i / 2].question, split[i / 2].answer);
		check_shape("_cei._sub._wireguard._udp.split.test", LDNS_RR_TYPE_PTR, UDP, EDNS_NONE, false,
		    " PTR  PTR || SRV  A  TXT  SRV  A ", 512);
		check_shape("_cei._sub._wireguard._udp.split.test", LDNS_RR_TYPE_PTR, UDP, 1232, false,
		    " PTR  PTR || SRV  A  TXT  SRV  A  TXT ", 1232);
	}
	stop_guard();
}

/* ---- cookies ---- */

#define COOKIE_OF_8 "00 0029 04d0 00000000 000c 000a 0008 'clientco' "

/* The answer's cookie is the last thing in it: 24 octets, of the form of RFC 9018. */
static bool check_cookie_form(const char *what, const uint8_t *msg, size_t len)
{
	const uint8_t *cookie = msg + len - 24;
	uint32_t now = (uint32_t)time(NULL);

	return check(len >= 12 + 11 + 28 && get16(cookie - 4) == 10 && get16(cookie - 2) == 24 && get16(cookie - 6) == 28 &&
	        memcmp(cookie, "clientco\1\0\0\0", 12) == 0 && now - get32(cookie + 12) < 6u, "%s: the cookie's form", what);
}

/* Asks with that option data as cookie. Returns the answer's length. */
static size_t ask_cookie(const char *source, bool tcp, const char *head, const uint8_t *cookie, size_t len, uint8_t *got)
{
	static uint8_t query[MESSAGE];
	int fd = connected_from(source, "127.0.0.1", port, tcp ? SOCK_STREAM : SOCK_DGRAM);
	char text[1024];
	size_t n;

	snprintf(text, sizeof(text), QUERY_ID "%s 00 0029 04d0 00000000 0000", head);
	n = bytes(text, query);
	put16(query + n - 2, (uint16_t)(4 + len));
	put_bytes(put16(put16(query + n, 10), (uint16_t)len), cookie, len);
	n = ask_bytes(fd, tcp, query, n + 4 + len, got);
	close(fd);
	return n;
}

#define HEAD_SOA "0100 0001 0000 0000 0001 " Q_SOA

static void check_cookies_over(bool tcp)
{
	static uint8_t got[MESSAGE];
	const char *what = tcp ? "TCP" : "UDP";
	uint8_t cookie[64] = "clientco";
	size_t n = ask_cookie("127.0.0.1", tcp, HEAD_SOA, cookie, 8, got);

	if (!check_cookie_form(what, got, n))
		return;
	check((got[3] & 15) == 0 && get16(got + 6) == 1, "%s: the SOA does not come with a cookie", what);
	memcpy(cookie, got + n - 24, 24);
	n = ask_cookie("127.0.0.1", tcp, HEAD_SOA, cookie, 24, got);
	check(n > 24 && memcmp(got + n - 24, cookie, 24) == 0, "%s: a good cookie is answered with another one", what);
	n = ask_cookie("127.0.0.1", !tcp, HEAD_SOA, cookie, 24, got);
	check(n > 24 && memcmp(got + n - 24, cookie, 24) == 0, "%s: a cookie is not good over the other transport", what);
	n = ask_cookie("127.0.0.2", tcp, HEAD_SOA, cookie, 24, got);
	check_cookie_form(what, got, n);
	check(n > 24 && memcmp(got + n - 24, cookie, 24) != 0 && (got[3] & 15) == 0, "%s: a cookie is good for another address", what);
	cookie[20] ^= 1;
	n = ask_cookie("127.0.0.1", tcp, HEAD_SOA, cookie, 24, got);
	check_cookie_form(what, got, n);
	check(n > 24 && memcmp(got + n - 24, cookie, 24) != 0 && (got[3] & 15) == 0, "%s: a bad cookie is not answered anew", what);
	for (size_t len = 0; len <= 60; len++) {
		bool good = len == 8 || (len >= 16 && len <= 40);

		n = ask_cookie("127.0.0.1", tcp, HEAD_SOA, cookie, len, got);
		check(n > 12 && (got[3] & 15) == (good ? 0 : 1), "%s: a cookie of %zu octets: rcode %u", what, len, got[3] & 15);
		check(good || n == 12 + 9 + 4 + 11, "%s: a cookie of %zu octets: %zu octets come", what, len, n);
	}
}

/* RFC 7873 section 5.4. */
static void check_bare_cookies(bool tcp)
{
	static uint8_t got[MESSAGE];
	const char *what = tcp ? "no question (TCP)" : "no question (UDP)";
	uint8_t cookie[64] = "clientco";
	size_t n = ask_cookie("127.0.0.1", tcp, "0100 0000 0000 0000 0001 ", cookie, 8, got);

	check_cookie_form(what, got, n);
	check(n == 12 + 11 + 28 && memcmp(got + 2, "\x81\0\0\0\0\0\0\0\0\1", 10) == 0, "%s: %zu octets", what, n);
	memcpy(cookie, got + n - 24, 24);
	n = ask_cookie("127.0.0.1", tcp, "0100 0000 0000 0000 0001 ", cookie, 24, got);
	check(n == 12 + 11 + 28 && (got[3] & 15) == 0 && got[17] == 0 && memcmp(got + n - 24, cookie, 24) == 0, "%s: a good cookie", what);
	cookie[23] ^= 1;
	n = ask_cookie("127.0.0.1", tcp, "0100 0000 0000 0000 0001 ", cookie, 24, got);
	check(n == 12 + 11 + 28 && (got[3] & 15) == 7 && got[17] == 1, "%s: not BADCOOKIE", what);
	check_cookie_form(what, got, n);
	n = ask_cookie("127.0.0.1", tcp, "0100 0000 0000 0000 0001 ", cookie, 9, got);
	check(n == 12 + 11 && (got[3] & 15) == 1, "%s: 9 octets are not FORMERR", what);
}

static void test_cookies(void)
{
	begin_group("cookies, and keepalives over TCP");
	for (int tcp = 0; tcp < 2; tcp++) {
		check_cookies_over(tcp);
		check_bare_cookies(tcp);
		check_message("a cookie and version 1", "127.0.0.1", tcp, "0100 0001 0000 0000 0001 " Q_SOA "00 0029 04d0 00010000 000c 000a 0008 'clientco'",
		    "8100 0001 0000 0000 0001 " Q_SOA "00 0029 04d0 01000000 0000");
		check_message("keepalive", "127.0.0.1", tcp, "0100 0001 0000 0000 0001 " Q_SOA "00 0029 04d0 00000000 0004 000b 0000",
		    tcp ? "8500 0001 0001 0000 0001 " Q_SOA SOA_RR "00 0029 04d0 00000000 0006 000b 0002 0064" :
		          "8500 0001 0001 0000 0001 " Q_SOA SOA_RR OPT_1232);
		check_message("keepalive with a time", "127.0.0.1", tcp, "0100 0001 0000 0000 0001 " Q_SOA "00 0029 04d0 00000000 0006 000b 0002 1234",
		    tcp ? "8500 0001 0001 0000 0001 " Q_SOA SOA_RR "00 0029 04d0 00000000 0006 000b 0002 0064" :
		          "8500 0001 0001 0000 0001 " Q_SOA SOA_RR OPT_1232);
		check_message("no keepalive without EDNS", "127.0.0.1", tcp, "0100 0001 0000 0000 0000 " Q_SOA, "8500 0001 0001 0000 0000 " Q_SOA SOA_RR);
	}
}

/* ---- who may ask ---- */

#define MINE     "04 'mine' 04 'test' 00 "
#define SOA_MINE "0006 0001 " TTL "003a 02 'ns' 07 'example' 03 'net' 00 0a 'hostmaster' " MINE "{xserial mine.test} 0000003c 0000001e 00000258 " TTL
#define Q_MINE   MINE "0006 0001 "
#define Q_LIST   SERVICE MINE "000c 0001 "
#define Q_SUB    "04 '_aaa' 04 '_sub' " SERVICE MINE "000c 0001 "
#define EDE_18   "00 0029 04d0 00000000 0006 000f 0002 0012 "

static const struct {
	const char *what, *source, *question, *answer;
} access_rows[] = {
    {"allowed", "127.0.0.1", "0100 0001 0000 0000 0001 " Q_MINE OPT_1232, "8500 0001 0001 0000 0001 " Q_MINE "c00c " SOA_MINE OPT_1232},
    {"allowed, but no lists", "127.0.0.2", "0100 0001 0000 0000 0001 " Q_MINE OPT_1232, "8500 0001 0001 0000 0001 " Q_MINE "c00c " SOA_MINE OPT_1232},
    {"a list, and no lists", "127.0.0.2", "0100 0001 0000 0000 0001 " Q_LIST OPT_1232, "8105 0001 0000 0000 0001 " Q_LIST EDE_18},
    {"a list, and no lists, without EDNS", "127.0.0.2", "0100 0001 0000 0000 0000 " Q_LIST, "8105 0001 0000 0000 0000 " Q_LIST},
    {"a part of a list, and no lists", "127.0.0.2", "0100 0001 0000 0000 0001 " Q_SUB OPT_1232, "8105 0001 0000 0000 0001 " Q_SUB EDE_18},
    {"a part of a list that there is not", "127.0.0.1", "0100 0001 0000 0000 0000 " Q_SUB, "8503 0001 0000 0001 0000 " Q_SUB "c026 " SOA_MINE},
    {"a peer, and no lists", "127.0.0.2", "0100 0001 0000 0000 0000 34 '{1}' " SERVICE MINE "0001 0001", "8500 0001 0001 0000 0000 34 '{1}' "
        SERVICE MINE "0001 0001 c00c " A_1},
    {"not allowed", "127.0.0.3", "0100 0001 0000 0000 0001 " Q_MINE OPT_1232, "8105 0001 0000 0000 0001 " Q_MINE EDE_18},
    {"not allowed, without EDNS", "127.0.0.3", "0100 0001 0000 0000 0000 " Q_MINE, "8105 0001 0000 0000 0000 " Q_MINE},
    {"not allowed: a list", "127.0.0.3", "0100 0001 0000 0000 0001 " Q_LIST OPT_1232, "8105 0001 0000 0000 0001 " Q_LIST EDE_18},
    {"not allowed: a peer", "127.0.0.3", "0100 0001 0000 0000 0001 34 '{1}' " SERVICE MINE "0021 0001 " OPT_1232,
        "8105 0001 0000 0000 0001 34 '{1}' " SERVICE MINE "0021 0001 " EDE_18},
    {"not allowed: nobody", "127.0.0.3", "0100 0001 0000 0000 0001 06 'nobody' " MINE "0021 0001 " OPT_1232,
        "8105 0001 0000 0000 0001 06 'nobody' " MINE "0021 0001 " EDE_18},
    {"not allowed, and not our zone", "127.0.0.3", "0100 0001 0000 0000 0001 " Q_SOA OPT_1232, "8105 0001 0000 0000 0001 " Q_SOA OPT_1232},
};

static void test_access(void)
{
	static const char *const options[] = {"--allow", "127.0.0.1/32,127.0.0.2/32,192.0.2.0/24", "--allow-browse", "127.0.0.1/32",
	    "--rate-limit", "0", NULL};

	begin_group("who may ask, and who may see lists");
	start_guard("mine.test", "wg", options);
	if (await_rcode(&guard_server, port, "mine.test", 0)) {
		for (size_t i = 0; i < 2 * (sizeof(access_rows) / sizeof(*access_rows)); i++)
			check_message(access_rows[i / 2].what, access_rows[i / 2].source, i % 2 != 0, access_rows[i / 2].question,
			    access_rows[i / 2].answer);
		check_shape("_wireguard._udp.mine.test", LDNS_RR_TYPE_PTR, UDP, EDNS_NONE, false,
		    " PTR  PTR  PTR  PTR  PTR || SRV  A ", 512);
	}
	stop_guard();
}

/* ---- what a forged address gets ---- */

static size_t skip_name(const uint8_t *msg, size_t len, size_t at)
{
	while (at < len && msg[at] != 0 && msg[at] < 0xc0)
		at += msg[at] + 1u;
	return at + (at < len && msg[at] >= 0xc0 ? 2 : 1);
}

/* The octets that a message has without its additional section, and with its OPT. */
static size_t needed(const uint8_t *msg, size_t len)
{
	size_t at = 12, opt = 0, behind = 0;

	for (unsigned n = get16(msg + 4); n > 0; n--)
		at = skip_name(msg, len, at) + 4;
	behind = at;
	for (int section = 0; section < 3; section++) {
		for (unsigned n = get16(msg + 6 + 2 * section); n > 0 && at + 11 <= len; n--) {
			size_t rr = at;

			at = skip_name(msg, len, at);
			if (section == 2 && get16(msg + at) == 41)
				opt = at + 10 + get16(msg + at + 8) - rr;
			at += 10u + get16(msg + at + 8);
		}
		if (section == 1)
			behind = at;
	}
	return behind + opt;
}

static uint16_t limited_port;
static unsigned limited_cut, limited_whole;

static size_t ask_at(uint16_t at_port, const uint8_t *query, size_t len, uint8_t *answer)
{
	int fd = connected("127.0.0.1", at_port, SOCK_DGRAM);
	size_t n = ask_bytes(fd, false, query, len, answer);

	close(fd);
	return n;
}

/* A good cookie of that server for us. */
static void fetch_cookie(uint16_t at_port, uint8_t cookie[24])
{
	static uint8_t query[64], got[MESSAGE];
	size_t n = bytes(QUERY_ID "0100 0000 0000 0000 0001 " COOKIE_OF_8, query);

	n = ask_at(at_port, query, n, got);
	memset(cookie, 0, 24);
	if (check(n == 12 + 11 + 28, "no cookie comes"))
		memcpy(cookie, got + n - 24, 24);
}

/* To the server with limits and to the one without: at most four times the query, whole or truncated; with a cookie the same. */
static void check_limited(const char *what, uint8_t *query, size_t len, const uint8_t cookie[24])
{
	static uint8_t all[MESSAGE], got[MESSAGE];
	size_t full = ask_at(main_port, query, len, all), n = ask_at(limited_port, query, len, got);
	bool tc = n > 12 && (got[2] & 2) != 0, all_tc = full > 12 && (all[2] & 2) != 0;

	check(n > 0 && n <= 4 * len, "%s: %zu octets for %zu", what, n, len);
	check(tc == (all_tc || needed(all, full) > 4 * len), "%s: TC is %d, and %zu octets were needed of %zu", what, tc, needed(all, full), 4 * len);
	check(full > 4 * len || n == full, "%s: %zu octets, and %zu without limits", what, n, full);
	limited_cut += tc && !all_tc;
	limited_whole += n == full;
	/* An OPT without options at the end gets one. */
	if (len < 11 + 12 || memcmp(query + len - 11, "\0\0\x29", 3) != 0 || get16(query + len - 2) != 0)
		return;
	put16(query + len - 2, 28);
	put_bytes(put16(put16(query + len, 10), 24), cookie, 24);
	full = ask_at(main_port, query, len + 28, all);
	n = ask_at(limited_port, query, len + 28, got);
	check(n == full && ((got[2] ^ all[2]) & 2) == 0, "%s: %zu octets with a cookie, %zu without limits", what, n, full);
}

/* All the kinds of questions that there are in the tables, and some that need more than they ask. */
static void check_all_limited(const uint8_t cookie[24])
{
	static const char *const names[] = {"_wireguard._udp.wg.test", "{5}._wireguard._udp.wg.test", "{6=}._wireguard._udp.wg.test", "wg.test",
	    "nobody.wg.test", "_wireguard._udp.list900.test"};
	static const uint16_t types[] = {LDNS_RR_TYPE_PTR, LDNS_RR_TYPE_TXT, LDNS_RR_TYPE_SRV, LDNS_RR_TYPE_NS, LDNS_RR_TYPE_ANY};
	static uint8_t query[MESSAGE];
	char text[4096], name[512];

	for (size_t i = 0; i < 2 * (sizeof(exact) / sizeof(*exact)); i++) {
		bool edns = i % 2 != 0;

		snprintf(text, sizeof(text), QUERY_ID "%s 0001 0000 0000 000%u %s %s", exact[i / 2].flags, edns, exact[i / 2].question,
		    edns ? OPT_1232 : "");
		check_limited(exact[i / 2].what, query, bytes(text, query), cookie);
	}
	for (size_t i = 0; i < sizeof(raw) / sizeof(*raw); i++) {
		if (*raw[i].answer == '\0')
			continue;
		snprintf(text, sizeof(text), QUERY_ID "%s", raw[i].query);
		check_limited(raw[i].what, query, bytes(text, query), cookie);
	}
	for (size_t i = 0; i < 60; i++)
		check_limited(names[i / 10], query, simple_query(query, expand(names[i / 10], name), types[i / 2 % 5], i % 2 == 0 ? EDNS_NONE : 1232),
		    cookie);
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		check_limited(shapes[i].name, query, simple_query(query, expand(shapes[i].name, name), shapes[i].type, shapes[i].udp_size), cookie);
}

#define FLOOD 1000

/* More like answers than the rate: truncated. With a cookie: not. */
static void check_rate(const uint8_t cookie[24])
{
	static uint8_t query[512], got[MESSAGE];
	size_t len = simple_query(query, "wg.test", LDNS_RR_TYPE_NS, 1232);
	int fd = connected("127.0.0.1", limited_port, SOCK_DGRAM);
	struct timespec begin, end;
	unsigned whole = 0, cut = 0;
	double elapsed_s;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (unsigned i = 0; i < FLOOD; i++) {
		size_t n = ask_bytes(fd, false, query, len, got);
		bool tc = n > 12 && (got[2] & 2) != 0;

		check(n > 0 && tc == (get16(got + 6) == 0), "answer %u of many", i);
		whole += !tc;
		cut += tc;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	elapsed_s = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	/* 200 at once, and 200 a second; some were used up by the checks before. */
	check(whole + cut == FLOOD && whole >= 100 && whole <= 200 + 200 * elapsed_s + 2 && (cut > 0 || elapsed_s > 3),
	    "of %d like answers %u are whole and %u truncated, in %.3f s", FLOOD, whole, cut, elapsed_s);
	put16(query + len - 2, 28);
	put_bytes(put16(put16(query + len, 10), 24), cookie, 24);
	for (unsigned i = 0; i < FLOOD; i++)
		check(ask_bytes(fd, false, query, len + 28, got) > 12 && (got[2] & 2) == 0, "answer %u of many, with a cookie", i);
	close(fd);
	fd = connected("127.0.0.1", limited_port, SOCK_STREAM);
	for (unsigned i = 0; i < FLOOD; i++)
		check(ask_bytes(fd, true, query, len, got) > 12 && (got[2] & 2) == 0, "answer %u of many, over TCP", i);
	close(fd);
}

static void test_limited(void)
{
	char path[128], program[512];
	char *argv[] = {program, (char *)"-c", path, NULL};
	const char *build = getenv("BUILD");
	uint8_t cookie[24];

	begin_group("the limits that are there by default");
	main_port = port;
	limited_port = free_port();
	write_config("limited.conf", limited_port, free_port(), "", "state2");
	snprintf(path, sizeof(path), "%s/limited.conf", tmp);
	snprintf(program, sizeof(program), "%s/wgmeetd", build != NULL ? build : "build");
	start_server(&guard_server, argv);
	if (await_rcode(&guard_server, limited_port, "wg.test", 0) && await_rcode(&guard_server, limited_port, LONG_ZONE, 0)) {
		fetch_cookie(limited_port, cookie);
		check_all_limited(cookie);
		check(limited_cut >= 5 && limited_whole >= 100, "%u truncated, %u whole: that shows nothing", limited_cut, limited_whole);
		check_rate(cookie);
	}
	stop_server(&guard_server);
}

#endif
