/* The DNS contract, asked of a running wgmeetd: each row of it, and what the server says, octet for octet. What is asked and what
 * must come stands in contract_tables.h.
 */
#include "contract_tables.h"

static struct server main_server;
static uint16_t port, wild_port;
static bool have_ipv6;

/* ---- the zones ---- */

/* In the order of the table in the main server's configuration. */
#define CONFIG \
	"[Server]\nListen = 127.0.0.1:%u, 0.0.0.0:%u%s\nUser = 65534\nObserverUser = 65533\nWorkers = 1\n%sStateDirectory = %s/%s\n" \
	"[Zone]\nName = wg.test\nDumpFile = %s/wg\nNameServer = ns1.wg.test 192.0.2.53 2001:db8::53\nNameServer = ns2.example.net\n" \
	"Self = 192.0.2.1:51820\nSelfAllowedIPs = 10.0.0.254/32\n" \
	"[Zone]\nName = sub.wg.test\nDumpFile = %s/one\nNameServer = ns.example.net\n" \
	"[Zone]\nName = One.Test\nDumpFile = %s/one\nNameServer = ns.example.net\n" \
	"[Zone]\nName = empty.test\nDumpFile = %s/empty\nNameServer = ns.example.net\n" \
	"[Zone]\nName = list900.test\nDumpFile = %s/list900\nNameServer = ns.example.net\n" \
	"[Zone]\nName = list901.test\nDumpFile = %s/list901\nNameServer = ns.example.net\n" \
	"[Zone]\nName = " LONG_ZONE "\nDumpFile = %s/one\nNameServer = ns.example.net\n" \
	"[Zone]\nName = gone.test\nDumpFile = %s/gone\nNameServer = ns.example.net\n"

static void key_of(unsigned n, uint8_t key[KEY_LEN])
{
	memset(key, (int)n, KEY_LEN);
	key[0] = (uint8_t)(n >> 8);
}

static void add_peer(char **text, unsigned n, const char *endpoint, const char *allowed)
{
	uint8_t key[KEY_LEN];
	char base64[KEY_BASE64 + 1];

	key_of(n, key);
	*text += sprintf(*text, "%s\t(none)\t%s\t%s\t0\t0\t0\toff\n", key_text(key, base64), endpoint, allowed);
}

static char dump[1 << 20], allowed30[2048], allowed3000[65536];

static void write_wg(const char *endpoint_of_1)
{
	char *at = dump, base64[KEY_BASE64 + 1];
	uint8_t key[KEY_LEN];

	key_of(9, key);
	at += sprintf(at, "(none)\t%s\t51820\toff\n", key_text(key, base64));
	add_peer(&at, 1, endpoint_of_1, "10.0.0.1/32");
	add_peer(&at, 2, "[2001:db8::2]:51822", "10.0.0.2/32,fd00::2/128");
	add_peer(&at, 3, "[::ffff:198.51.100.3]:51823", "(none)");
	add_peer(&at, 4, "(none)", "10.0.0.4/32");
	add_peer(&at, 5, "198.51.100.5:51825", allowed30);
	add_peer(&at, 6, "198.51.100.6:51826", allowed3000);
	write_file("wg", dump);
}

static void write_list(const char *name, unsigned peers)
{
	char *at = dump + sprintf(dump, "(none)\t(none)\t0\toff\n");
	char endpoint[64];

	for (unsigned n = 0; n < peers; n++) {
		snprintf(endpoint, sizeof(endpoint), "198.51.%u.%u:%u", 100 + n / 256, n % 256, 1000 + n);
		add_peer(&at, 0x1100 + n, endpoint, "(none)");
	}
	write_file(name, dump);
}

static void write_one(void)
{
	char *at = dump + sprintf(dump, "(none)\t(none)\t0\toff\n");

	add_peer(&at, 1, "198.51.100.1:51821", "10.0.0.1/32");
	write_file("one", dump);
}

/* `limits`: lines of [Server] about them. */
static void write_config(const char *name, uint16_t at, uint16_t wild_at, const char *limits, const char *state)
{
	char config[8192], listen6[64] = "";

	if (have_ipv6)
		snprintf(listen6, sizeof(listen6), ", [::1]:%u, [::]:%u", at, wild_at);
	snprintf(config, sizeof(config), CONFIG, at, wild_at, listen6, limits, tmp, state, tmp, tmp, tmp, tmp, tmp, tmp, tmp, tmp);
	write_file(name, config);
}

static void start_main_server(void)
{
	char path[128], program[512];
	char *argv[] = {program, "-c", path, NULL};
	const char *build = getenv("BUILD");
	int six = socket(AF_INET6, SOCK_DGRAM, 0);

	for (unsigned n = 0, at = 0; n < 30; n++)
		at += (unsigned)sprintf(allowed30 + at, "%s10.5.%u.0/24", n > 0 ? "," : "", n);
	for (unsigned n = 0, at = 0; n < 3000; n++)
		at += (unsigned)sprintf(allowed3000 + at, "%s10.%u.%u.6/32", n > 0 ? "," : "", 64 + n / 256, n % 256);
	write_wg("198.51.100.1:51821");
	write_one();
	write_list("list900", 900);
	write_list("list901", 901);
	write_file("empty", "(none)\t(none)\t0\toff\n");
	port = free_port();
	do
		wild_port = free_port();
	while (wild_port == port);
	have_ipv6 = six >= 0 && bind(six, (struct sockaddr *)&(struct sockaddr_in6){.sin6_family = AF_INET6,
	    .sin6_addr = IN6ADDR_LOOPBACK_INIT}, sizeof(struct sockaddr_in6)) == 0;
	close(six);
	write_config("wgmeetd.conf", port, wild_port, "RateLimit = 0\n", "state");
	snprintf(path, sizeof(path), "%s/wgmeetd.conf", tmp);
	snprintf(program, sizeof(program), "%s/wgmeetd", build != NULL ? build : "build");
	start_server(&main_server, argv);
}

/* ---- the tables' language ---- */

static size_t simple_query(uint8_t *out, const char *name, uint16_t type, int udp_size)
{
	uint8_t *p = put_bytes(out, "\xbe\xef\x01\x00\x00\x01\x00\x00\x00\x00\x00", 11);

	*p++ = udp_size != EDNS_NONE;
	for (size_t n; *name != '\0'; name += n + (name[n] == '.')) {
		n = strcspn(name, ".");
		*p++ = (uint8_t)n;
		p = put_bytes(p, name, n);
	}
	*p++ = 0;
	p = put16(put16(p, type), 1);
	if (udp_size != EDNS_NONE) {
		*p++ = 0;
		p = put16(put32(put16(put16(p, 41), (uint16_t)udp_size), 0), 0);
	}
	return (size_t)(p - out);
}

/* Asked on 127.0.0.1; the answer is decoded, and the caller's to free. NULL: none came. */
static ldns_pkt *ask(const char *name, uint16_t type, bool tcp, int udp_size, size_t *len)
{
	static uint8_t query[MESSAGE], answer[MESSAGE];
	ldns_pkt *pkt = NULL;
	int fd = connected("127.0.0.1", port, tcp ? SOCK_STREAM : SOCK_DGRAM);
	size_t n = ask_bytes(fd, tcp, query, simple_query(query, name, type, udp_size), answer);

	close(fd);
	if (n > 0)
		ldns_wire2pkt(&pkt, answer, n);
	if (len != NULL)
		*len = n;
	check(pkt != NULL, "no answer for %s", name);
	return pkt;
}

static uint32_t serial_of(const char *zone)
{
	ldns_pkt *pkt = ask(zone, LDNS_RR_TYPE_SOA, false, EDNS_NONE, NULL);
	ldns_rr *soa = pkt != NULL ? ldns_rr_list_rr(ldns_pkt_answer(pkt), 0) : NULL;
	uint32_t serial = soa != NULL ? ldns_rdf2native_int32(ldns_rr_rdf(soa, 2)) : 0;

	ldns_pkt_free(pkt);
	return serial;
}

static char *expand_one(const char *what, size_t len, char *to)
{
	uint8_t key[KEY_LEN], text[KEY_BASE64];
	char zone[64];

	if (what[0] == 'x') { /* "xserial ZONE" */
		snprintf(zone, sizeof(zone), "%.*s", (int)len - 8, what + 8);
		return to + sprintf(to, "%08x", serial_of(zone));
	}
	if (what[0] == '#') { /* "#KKKK" */
		key_of((unsigned)strtoul(what + 1, NULL, 16), key);
		what += 4;
	} else {
		key_of((unsigned)(what[0] - '0'), key);
	}
	if (what[1] == '/') {
		key_to_base64(key, (char *)text);
		return mempcpy(to, text, KEY_BASE64);
	}
	key_to_base32(key, (uint8_t *)to);
	for (size_t i = 0; what[1] == '^' && i < KEY_BASE32; i++)
		to[i] = (char)(to[i] >= 'a' && to[i] <= 'z' ? to[i] - 'a' + 'A' : to[i]);
	to += KEY_BASE32;
	return what[1] == '=' ? mempcpy(to, "====", 4) : to;
}

/* Returns `to`. */
static char *expand(const char *from, char *to)
{
	char *at = to;

	for (; *from != '\0'; from++) {
		size_t len = *from == '{' ? (size_t)(strchr(from, '}') - from) : 0;

		if (len > 0)
			at = expand_one(from + 1, len - 1, at);
		else
			*at++ = *from;
		from += len;
	}
	*at = '\0';
	return to;
}

/* Hex and 'text' to octets. */
static size_t bytes(const char *text, uint8_t *out)
{
	char expanded[4096];
	size_t n = 0;

	for (const char *p = expand(text, expanded); *p != '\0'; p++) {
		char pair[3] = {p[0], p[1], 0};

		if (*p == ' ')
			continue;
		if (*p == '\'') {
			for (p++; *p != '\''; p++)
				out[n++] = (uint8_t)*p;
			continue;
		}
		out[n++] = (uint8_t)strtoul(pair, NULL, 16);
		p++;
	}
	return n;
}

static void show(const char *what, const uint8_t *msg, size_t len)
{
	printf("#     %s", what);
	for (size_t i = 0; i < len && i < 700; i++)
		printf("%s%02x", i % 2 == 0 ? " " : "", msg[i]);
	printf("\n");
}

static bool same(const char *what, const uint8_t *got, size_t got_len, const uint8_t *want, size_t want_len)
{
	bool ok = check(got_len == want_len && memcmp(got, want, got_len) == 0, "%s", what);

	if (!ok) {
		show("expected", want, want_len);
		show("got     ", got, got_len);
	}
	return ok;
}

/* ---- octet for octet ---- */

#define QUERY_ID "beef "

static const struct place {
	const char *address;
	bool wild, six;
} places[] = {
    {"127.0.0.1", false, false}, {"::1", false, true}, {"127.0.0.1", true, false}, {"127.0.0.5", true, false}, {"::1", true, true},
};

static int connect_to(const struct place *p, bool tcp)
{
	return connected(p->address, p->wild ? wild_port : port, tcp ? SOCK_STREAM : SOCK_DGRAM);
}

static void check_exact(const struct place *place, bool tcp, bool edns)
{
	static uint8_t query[MESSAGE], want[MESSAGE], got[MESSAGE];
	int fd = connect_to(place, tcp); /* all over one connection */

	for (size_t i = 0; i < sizeof(exact) / sizeof(*exact); i++) {
		char text[4096], what[256];
		size_t query_len, want_len, got_len;

		snprintf(text, sizeof(text), QUERY_ID "%s 0001 0000 0000 000%u %s %s", exact[i].flags, edns, exact[i].question,
		    edns ? OPT_1232 : "");
		query_len = bytes(text, query);
		snprintf(text, sizeof(text), QUERY_ID "%s %s %s %s", exact[i].answer_flags_and_counts, exact[i].question,
		    exact[i].records, edns ? OPT_1232 : "");
		want_len = bytes(text, want);
		want[11] = (uint8_t)(want[11] + edns);
		got_len = ask_bytes(fd, tcp, query, query_len, got);
		snprintf(what, sizeof(what), "%s (%s%s %s%s)", exact[i].what, place->address, place->wild ? " of all" : "",
		    tcp ? "TCP" : "UDP", edns ? " EDNS" : "");
		same(what, got, got_len, want, want_len);
	}
	close(fd);
}

static void test_exact(void)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		static char name[128];

		if (places[i].six && !have_ipv6)
			continue;
		end_group(); /* it still has the last one's name */
		score.group = NULL;
		snprintf(name, sizeof(name), "octet for octet, %s%s", places[i].address, places[i].wild ? " of a wildcard" : "");
		begin_group(name);
		for (unsigned v = 0; v < 4; v++)
			check_exact(&places[i], (v & 1) != 0, (v & 2) != 0);
	}
}

/* ---- EDNS, and what is no query ---- */

/* A drop is seen by what comes next: the answer to another query. Over TCP the connection may end as well. */
static void check_dropped(const char *what, int fd, bool tcp, const uint8_t *query, size_t len)
{
	static uint8_t next[512], got[MESSAGE];
	uint8_t frame[1024];
	size_t n = simple_query(next, "wg.test", LDNS_RR_TYPE_SOA, EDNS_NONE);

	next[0] = 0x60;
	if (!tcp) {
		send(fd, query, len, 0);
		n = ask_bytes(fd, false, next, n, got);
		check(n > 0 && got[0] == 0x60, "%s (UDP): another answer came", what);
		return;
	}
	check(write_all(fd, frame, framed(frame, query, len)), "%s (TCP): cannot write", what);
	if (write_all(fd, frame, framed(frame, next, n))) {
		n = tcp_read(fd, got);
		check(n == 0 || got[0] == 0x60, "%s (TCP): another answer came", what);
	}
}

static void test_raw(void)
{
	static uint8_t query[MESSAGE], want[MESSAGE], got[MESSAGE];
	uint8_t header[12];

	begin_group("EDNS, and what is no query");
	for (size_t i = 0; i < 2 * (sizeof(raw) / sizeof(*raw)); i++) {
		char text[4096], what[256];
		bool tcp = i % 2 != 0;
		int fd = connect_to(&places[0], tcp);
		size_t query_len, want_len;

		snprintf(text, sizeof(text), QUERY_ID "%s", raw[i / 2].query);
		query_len = bytes(text, query);
		snprintf(text, sizeof(text), QUERY_ID "%s", raw[i / 2].answer);
		want_len = bytes(text, want);
		snprintf(what, sizeof(what), "%s (%s)", raw[i / 2].what, tcp ? "TCP" : "UDP");
		if (*raw[i / 2].answer == '\0')
			check_dropped(raw[i / 2].what, fd, tcp, query, query_len);
		else
			same(what, got, ask_bytes(fd, tcp, query, query_len, got), want, want_len);
		close(fd);
	}
	memset(header, 0, sizeof(header));
	for (size_t len = 0; len < 12; len++) {
		int fd = connect_to(&places[0], false);

		check_dropped("shorter than a header", fd, false, header, len);
		close(fd);
	}
}

/* ---- what does not fit ---- */

static size_t counted(const ldns_pkt *pkt, ldns_pkt_section section)
{
	ldns_rr_list *list = ldns_pkt_get_section_clone(pkt, section);
	size_t n = ldns_rr_list_rr_count(list);

	ldns_rr_list_deep_free(list);
	return n;
}

/* The types of an answer's records in order: "SRV | A TXT", "|" between the sections answer, authority and additional. */
static const char *shape(const ldns_pkt *pkt)
{
	static const ldns_pkt_section sections[] = {LDNS_SECTION_ANSWER, LDNS_SECTION_AUTHORITY, LDNS_SECTION_ADDITIONAL};
	static char text[8192];
	char *at = text;

	for (size_t s = 0; s < 3; s++) {
		ldns_rr_list *list = ldns_pkt_get_section_clone(pkt, sections[s]);

		at += sprintf(at, "%s", s > 0 ? "|" : "");
		for (size_t i = 0; i < ldns_rr_list_rr_count(list) && i < 300; i++) {
			char *type = ldns_rr_type2str(ldns_rr_get_type(ldns_rr_list_rr(list, i)));

			at += sprintf(at, " %s ", type);
			free(type);
		}
		ldns_rr_list_deep_free(list);
	}
	return text;
}

/* Asks, and compares the header's and the sections' shape. `most`: octets that the answer may have. */
static void check_shape(const char *name, uint16_t type, bool tcp, int udp_size, bool tc, const char *want, size_t most)
{
	char full[1024];
	size_t len;
	ldns_pkt *pkt = ask(expand(name, full), type, tcp, udp_size, &len);

	if (pkt == NULL)
		return;
	check(ldns_pkt_tc(pkt) == tc, "%s %u (%s %d): TC", name, type, tcp ? "TCP" : "UDP", udp_size);
	check(ldns_pkt_aa(pkt) && !ldns_pkt_ra(pkt), "%s %u: AA and RA", name, type);
	check(strcmp(shape(pkt), want) == 0, "%s %u (%s %d): expected \"%s\", got \"%s\"", name, type, tcp ? "TCP" : "UDP", udp_size,
	    want, shape(pkt));
	check(len <= most, "%s %u (%s %d): %zu octets", name, type, tcp ? "TCP" : "UDP", udp_size, len);
	ldns_pkt_free(pkt);
}

static void test_shapes(void)
{
	begin_group("what fits, what is left out, what is truncated");
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		check_shape(shapes[i].name, shapes[i].type, shapes[i].tcp, shapes[i].udp_size, shapes[i].tc, shapes[i].shape,
		    shapes[i].most);
}

/* Never longer than min(the client's size, 1232), where a size below 512 means 512. */
static void test_sizes(void)
{
	static const int sizes[] = {EDNS_NONE, 0, 1, 511, 512, 513, 600, 800, 1000, 1200, 1231, 1232, 1233, 1400, 4096, 65535};
	static const char *const names[] = {"_wireguard._udp.wg.test", "{5}._wireguard._udp.wg.test", "_wireguard._udp.list900.test",
	    "nobody." LONG_ZONE, "wg.test"};
	static const uint16_t types[] = {LDNS_RR_TYPE_PTR, LDNS_RR_TYPE_TXT, LDNS_RR_TYPE_SRV, LDNS_RR_TYPE_NS, LDNS_RR_TYPE_ANY};

	begin_group("sizes over UDP");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_t limit = sizes[i] < 512 ? 512 : sizes[i] > 1232 ? 1232 : (size_t)sizes[i];

		for (size_t n = 0; n < 25; n++) {
			char name[512];
			size_t len;
			ldns_pkt *pkt = ask(expand(names[n / 5], name), types[n % 5], false, sizes[i], &len);

			check(len <= limit, "%s %u: %zu octets for a client that takes %d", name, types[n % 5], len, sizes[i]);
			check(pkt == NULL || !ldns_pkt_tc(pkt) || counted(pkt, LDNS_SECTION_ANSWER) == 0, "%s: TC, and records", name);
			check(pkt == NULL || ldns_pkt_edns(pkt) == (sizes[i] != EDNS_NONE), "%s: EDNS", name);
			ldns_pkt_free(pkt);
		}
	}
}

/* ---- long TXTs ---- */

static char *string_of(const ldns_rr *rr, size_t i)
{
	return i < ldns_rr_rd_count(rr) ? ldns_rdf2str(ldns_rr_rdf(rr, i)) : strdup("");
}

/* Every CIDR in order, whole, over strings of at most 255 octets with keys that do not repeat. */
static void check_allowed(unsigned n, const char *cidrs, bool more)
{
	char name[256], key[64];
	size_t used = 0, len = 0, strings = 0;
	bool says_more = false;
	ldns_pkt *pkt;
	ldns_rr *rr;

	snprintf(key, sizeof(key), "{%u}._wireguard._udp.wg.test", n);
	pkt = ask(expand(key, name), LDNS_RR_TYPE_TXT, true, EDNS_NONE, NULL);
	rr = pkt != NULL ? ldns_rr_list_rr(ldns_pkt_answer(pkt), 0) : NULL;
	if (!check(rr != NULL, "no TXT of peer %u", n))
		return;
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		char *text = string_of(rr, i);
		size_t head;

		len += ldns_rdf_size(ldns_rr_rdf(rr, i));
		text[strlen(text) - 1] = '\0'; /* the quotes */
		if (i == 0) {
			check(strcmp(text + 1, "txtvers=1") == 0, "TXT: txtvers");
		} else if (i > 1 && strcmp(text + 1, "more=1") == 0) {
			says_more = check(i + 1 == ldns_rr_rd_count(rr), "TXT: more=1 before its end");
		} else if (i > 1) {
			strings++;
			snprintf(key, sizeof(key), strings == 1 ? "allowed=" : "allowed%zu=", strings);
			head = strlen(key);
			check(strncmp(text + 1, key, head) == 0, "TXT: string %zu is %s", i, text + 1);
			check(strncmp(text + 1 + head, cidrs + used, strlen(text + 1 + head)) == 0, "TXT: the list in string %zu", i);
			used += strlen(text + 1 + head);
			check(cidrs[used] == ',' || cidrs[used] == '\0', "TXT: half a CIDR in string %zu", i);
			used += cidrs[used] == ',';
		}
		free(text);
	}
	check((cidrs[used] == '\0') == !more, "TXT: %s", more ? "nothing was left out" : "the list stops early");
	check(says_more == more, "TXT: more=1 is %s", more ? "missing" : "there");
	check(len <= 16384 && (!more || len > 16384 - 64), "TXT: %zu octets", len);
	ldns_pkt_free(pkt);
}

static void test_txt(void)
{
	begin_group("TXT: allowed2=, more=1");
	check_allowed(1, "10.0.0.1/32", false);
	check_allowed(2, "10.0.0.2/32,fd00::2/128", false);
	check_allowed(3, "", false);
	check_allowed(5, allowed30, false);
	check_allowed(6, allowed3000, true);
}

/* ---- the list ---- */

/* All of them, once, in a message that is whole; and what fits of their own records, each peer's together. */
static void test_list(void)
{
	static const char *const zones[] = {"list900.test", "wg.test"};

	begin_group("the PTR list over TCP");
	for (size_t z = 0; z < 2; z++) {
		static bool there[900];
		unsigned peers = z == 0 ? 900 : 6; /* peer 4 has no endpoint; the registry is one */
		char service[64], name[256], want[256];
		ldns_pkt *pkt;

		snprintf(service, sizeof(service), "_wireguard._udp.%s", zones[z]);
		pkt = ask(service, LDNS_RR_TYPE_PTR, true, 1232, NULL);
		memset(there, 0, sizeof(there));
		if (!check(pkt != NULL && !ldns_pkt_tc(pkt) && counted(pkt, LDNS_SECTION_ANSWER) == peers, "%s: not %u PTRs", zones[z], peers))
			continue;
		for (unsigned i = 0; i < peers; i++) {
			char *text = ldns_rdf2str(ldns_rr_rdf(ldns_rr_list_rr(ldns_pkt_answer(pkt), i), 0));
			uint8_t label[KEY_LEN];
			unsigned n = 900;

			if (check(key_from_base32((const uint8_t *)text, label), "%s", text)) {
				n = z == 0 ? (unsigned)(label[0] << 8 | label[1]) - 0x1100 : label[1];
				snprintf(want, sizeof(want), "%.52s.%s.", text, service);
				check(n < 900 && !there[n] && strcmp(text, want) == 0, "%s twice, or nobody", text);
			}
			if (n < 900)
				there[n] = true;
			free(text);
		}
		check(z == 0 || (there[1] && there[2] && there[3] && !there[4] && there[5] && there[6] && there[9]), "the peers of wg.test");
		check(counted(pkt, LDNS_SECTION_ADDITIONAL) >= (z == 0 ? 3 : 3 * peers), "%s: additional records", zones[z]);
		ldns_pkt_free(pkt);
		check_shape(service, LDNS_RR_TYPE_TXT, true, EDNS_NONE, false, " TXT ||", 65535);
		/* A peer of a zone with or without a list is found all the same. */
		for (unsigned n = 0; n < 901; n += 100) {
			uint8_t key[KEY_LEN];

			key_of(0x1100 + n, key);
			key_to_base32(key, (uint8_t *)want);
			snprintf(name, sizeof(name), "%.52s._wireguard._udp.list901.test", want);
			check_shape(name, LDNS_RR_TYPE_SRV, false, EDNS_NONE, false, " SRV || A  TXT ", 512);
		}
	}
}

/* ---- the zone's life ---- */

/* Waits until the zone's SOA is answered so; the server's next message is what ends each pause. */
static bool await_rcode(struct server *s, uint16_t at_port, const char *zone, uint8_t rcode)
{
	uint8_t query[512], answer[MESSAGE];
	size_t len = simple_query(query, zone, LDNS_RR_TYPE_SOA, EDNS_NONE);

	for (int i = 0; i < PATIENCE_MS / 20; i++) {
		struct pollfd p = {.fd = connected("127.0.0.1", at_port, SOCK_DGRAM), .events = POLLIN};
		bool there;

		there = send(p.fd, query, len, 0) > 0 && poll(&p, 1, PATIENCE_MS) == 1 && recv(p.fd, answer, sizeof(answer), 0) >= 12 &&
		    (answer[3] & 15) == rcode;
		close(p.fd);
		if (there)
			return true;
		if (!listen_to(s, 20)) {
			printf("%s", s->said);
			return check(false, "the server is gone");
		}
	}
	printf("%s", s->said);
	return check(false, "%s never came to rcode %u", zone, rcode);
}

static void test_life(void)
{
	uint32_t serial = serial_of("one.test"), now = (uint32_t)time(NULL), next;
	char path[128], aside[128];

	begin_group("a source that goes and comes, and the serial");
	check(now - serial < 600, "the serial %u is not of now", serial);
	snprintf(path, sizeof(path), "%s/one", tmp);
	snprintf(aside, sizeof(aside), "%s/one.aside", tmp);
	check(rename(path, aside) == 0, "rename");
	await_rcode(&main_server, port, "one.test", 2);
	await_rcode(&main_server, port, "sub.wg.test", 2);
	check(serial_of("wg.test") != 0, "the other zones are served");
	check(rename(aside, path) == 0, "rename");
	await_rcode(&main_server, port, "one.test", 0);
	check(serial_of("one.test") == serial, "the serial moved, and nothing had changed");
	/* Another endpoint is another content; it is there within a second or so. */
	serial = serial_of("wg.test");
	write_wg("198.51.100.77:51821");
	for (int i = 0; i < PATIENCE_MS / 20 && serial_of("wg.test") == serial; i++)
		listen_to(&main_server, 20);
	next = serial_of("wg.test");
	check((int32_t)(next - serial) > 0, "the serial did not move forward: %u, then %u", serial, next);
	write_wg("198.51.100.1:51821");
	for (int i = 0; i < PATIENCE_MS / 20 && serial_of("wg.test") == next; i++)
		listen_to(&main_server, 20);
	check((int32_t)(serial_of("wg.test") - next) > 0, "the serial went back with the content");
}

/* ---- sources of answers ---- */

static void test_source(void)
{
	static const char *const asked[] = {"127.0.0.1", "127.0.0.5", "127.1.2.3", "::1"};
	static uint8_t query[512], answer[MESSAGE];
	size_t len = simple_query(query, "wg.test", LDNS_RR_TYPE_SOA, EDNS_NONE);

	begin_group("an answer leaves from the address that was asked");
	for (size_t i = 0; i < 4; i++) {
		struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
		struct sockaddr_storage to, from = {0};
		socklen_t to_len, from_len = sizeof(from);
		bool six = strchr(asked[i], ':') != NULL;
		int fd;

		if (six && !have_ipv6)
			continue;
		to = sockaddr_of(asked[i], wild_port, &to_len);
		fd = socket(to.ss_family, SOCK_DGRAM, 0);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		check(sendto(fd, query, len, 0, (struct sockaddr *)&to, to_len) == (ssize_t)len, "sendto %s", asked[i]);
		check(recvfrom(fd, answer, sizeof(answer), 0, (struct sockaddr *)&from, &from_len) > 0, "%s: no answer", asked[i]);
		check(from_len == to_len && memcmp(&from, &to, to_len) == 0, "%s: answered from another address or port", asked[i]);
		close(fd);
	}
}

/* ---- TCP ---- */

#define PIPELINED 50

/* Queries for a key and for nobody in turn, with IDs that count; at most `each` octets a write. */
static void check_pipelined(size_t each, bool half_close)
{
	static uint8_t stream[PIPELINED * 256], answer[MESSAGE];
	uint8_t query[512];
	char name[256];
	size_t len = 0, n;
	int fd = connect_to(&places[0], true);

	for (unsigned i = 0; i < PIPELINED; i++) {
		n = simple_query(query, i % 2 == 0 ? expand("{1}._wireguard._udp.wg.test", name) : "nobody.wg.test", LDNS_RR_TYPE_SRV,
		    EDNS_NONE);
		query[1] = (uint8_t)i;
		len += framed(stream + len, query, n);
	}
	for (size_t at = 0; at < len; at += each)
		check(write_all(fd, stream + at, len - at < each ? len - at : each), "cannot write");
	if (half_close)
		shutdown(fd, SHUT_WR);
	for (unsigned i = 0; i < PIPELINED; i++) {
		n = tcp_read(fd, answer);
		check(n > 12 && answer[1] == i && (answer[3] & 15) == (i % 2 == 0 ? 0 : 3), "answer %u of a pipeline, %zu octets a write", i,
		    each);
	}
	if (half_close)
		check(tcp_read(fd, answer) == 0, "the connection goes on after both sides were done");
	close(fd);
}

#define LONG_ANSWERS 100

/* Answers of 64 KiB each, more than the sockets hold, which the client takes only when it has asked for all. */
static void check_slow_reader(void)
{
	static uint8_t stream[LONG_ANSWERS * 64], answer[MESSAGE], first[MESSAGE];
	uint8_t query[512];
	size_t n = simple_query(query, "_wireguard._udp.list900.test", LDNS_RR_TYPE_PTR, EDNS_NONE), len = 0;
	int fd = connected_with(NULL, "127.0.0.1", port, SOCK_STREAM, 4096), other = connect_to(&places[0], true);
	unsigned i;

	for (i = 0; i < LONG_ANSWERS; i++) {
		query[1] = (uint8_t)i;
		len += framed(stream + len, query, n);
	}
	check(write_all(fd, stream, len), "cannot write");
	shutdown(fd, SHUT_WR);
	/* Meanwhile the others are served. */
	n = simple_query(query, "wg.test", LDNS_RR_TYPE_SOA, EDNS_NONE);
	check(ask_bytes(other, true, query, n, answer) > 12, "a client that does not read keeps others waiting");
	for (i = 0; i < LONG_ANSWERS && (n = tcp_read(fd, answer)) > 2; i++) {
		if (i == 0)
			memcpy(first, answer, n);
		check(n > 60000 && answer[1] == i && get16(answer + 6) == 900, "long answer %u: %zu octets", i, n);
		check(memcmp(answer + 2, first + 2, n - 2) == 0, "long answer %u is not what the first one was", i);
	}
	check(i == LONG_ANSWERS, "long answers: %u of %u", i, LONG_ANSWERS);
	check(tcp_read(fd, answer) == 0, "the connection goes on after both sides were done");
	close(fd);
	close(other);
}

/* What is no message ends the connection, and does no harm to others. */
static void check_garbage(const char *what, const char *hex)
{
	static uint8_t out[MESSAGE], answer[MESSAGE];
	size_t len = simple_query(out, "wg.test", LDNS_RR_TYPE_SOA, EDNS_NONE), n;
	int other = connect_to(&places[0], true), fd = connect_to(&places[0], true);

	n = bytes(hex, answer);
	check(write_all(fd, answer, n), "%s: cannot write", what);
	shutdown(fd, SHUT_WR);
	check(tcp_read(fd, answer) == 0, "%s: an answer came", what);
	check(ask_bytes(other, true, out, len, answer) > 12, "%s: another connection is not served any more", what);
	close(fd);
	close(other);
}

#define CONNECTIONS 256
#define PER_SOURCE  32

/* Opens `n` connections from 127.0.1.`source` and asks something over each. */
static void open_many(struct pollfd *p, size_t n, unsigned source)
{
	static uint8_t query[512], answer[MESSAGE];
	size_t len = simple_query(query, "wg.test", LDNS_RR_TYPE_SOA, EDNS_NONE);
	char address[32];

	snprintf(address, sizeof(address), "127.0.1.%u", source);
	for (size_t i = 0; i < n; i++) {
		p[i] = (struct pollfd){.fd = connected_from(address, "127.0.0.1", port, SOCK_STREAM), .events = POLLIN};
		check(ask_bytes(p[i].fd, true, query, len, answer) > 12, "connection %zu of %s is not served", i + 1, address);
	}
}

/* How many of them the server has ended, when one of them has been. */
static unsigned count_ended(struct pollfd *p, size_t n)
{
	unsigned ended = 0;

	if (poll(p, n, PATIENCE_MS) > 0)
		for (size_t i = 0; i < n; i++)
			ended += p[i].revents != 0;
	return ended;
}

/* The table holds 256 connections; who comes then is served, at the cost of one that has been idle. One source has at most 32,
 * and makes room for itself. */
static void check_full_table(void)
{
	static struct pollfd p[CONNECTIONS + 2];
	size_t n = 0;

	for (unsigned source = 1; n < CONNECTIONS; source++, n += PER_SOURCE)
		open_many(p + n, PER_SOURCE, source);
	open_many(p + n, 1, 2);
	check(count_ended(p, n + 1) == 1, "not one connection was ended for a source that has 32");
	check(p[PER_SOURCE].revents != 0, "the source with too many did not make room itself");
	close(p[PER_SOURCE].fd);
	p[PER_SOURCE].fd = -1;
	open_many(p + n + 1, 1, 200);
	check(count_ended(p, n + 2) == 1, "not one connection was ended when the table was full");
	check(p[0].revents != 0 && p[n].revents == 0 && p[n + 1].revents == 0, "it was not the one that was idle for longest");
	for (size_t i = 0; i < n + 2; i++)
		close(p[i].fd);
}

static void test_tcp(void)
{
	begin_group("TCP");
	check_pipelined(1, false); /* octet by octet */
	check_pipelined(3, false);
	check_pipelined(97, true);
	check_pipelined(1 << 20, false); /* all in one */
	check_pipelined(1 << 20, true);
	check_slow_reader();
	check_garbage("a length of 0", "0000");
	check_garbage("a length of 0, then a query", "0000 0011 beef 0100 0001 0000 0000 0000 00 0002 0001");
	check_garbage("a length of 1", "0001 00");
	check_garbage("a length of 11", "000b beef 0100 0001 0000 0000 00");
	check_garbage("a length that never comes", "ffff 'GET / HTTP/1.1'");
	check_garbage("a length that is cut", "00");
	check_garbage("a message that is cut", "0011 beef 0100 0001");
	check_full_table();
}

/* ---- options ---- */

static void test_options(void)
{
	static struct server s;
	static uint8_t query[MESSAGE], want[MESSAGE], got[MESSAGE];
	static const struct {
		const char *what, *question, *answer;
	} rows[] = {
	    {"--ttl", "34 '{1}' " SERVICE "03 'cli' 04 'test' 00 0001 0001 ", "8500 0001 0001 0000 0000 Q"
	        "c00c 0001 0001 0000004d 0004 c6336401"},
	    {"--ttl: the negative TTL and MINIMUM", "34 '{8}' " SERVICE "03 'cli' 04 'test' 00 0001 0001 ", "8503 0001 0000 0001 0000 Q"
	        "c051 0006 0001 0000004d"},
	    {"--padded-names=no: NXDOMAIN", "38 '{1=}' " SERVICE "03 'cli' 04 'test' 00 0021 0001 ", "8503 0001 0000 0001 0000 Q"
	        "c055 0006 0001 0000004d"},
	    {"--list-max: NODATA", SERVICE "03 'cli' 04 'test' 00 000c 0001 ", "8500 0001 0000 0001 0000 Q"
	        "c01c 0006 0001 0000004d"},
	};
	char program[512], listen[64], file[128], state[128];
	const char *build = getenv("BUILD");
	char *argv[] = {program, "--zone", "CLI.test", "--dump-file", file, "--listen", listen, "--name-server",
	    "ns1.cli.test 192.0.2.53",
	    "--padded-names=no", "--ttl", "77", "--list-max", "2", "--workers", "2", "--user", "65534", "--observer-user", "65533",
	    "--state-directory", state, NULL};
	uint16_t at = free_port();

	begin_group("options on the command line, two workers");
	snprintf(program, sizeof(program), "%s/wgmeetd", build != NULL ? build : "build");
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", at);
	snprintf(file, sizeof(file), "%s/wg", tmp);
	snprintf(state, sizeof(state), "%s/state", tmp);
	start_server(&s, argv);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) && await_rcode(&s, at, "cli.test", 0); i++) {
		const char *split = strchr(rows[i].answer, 'Q');
		int fd = connected("127.0.0.1", at, SOCK_DGRAM);
		char text[1024];
		size_t len, want_len;

		snprintf(text, sizeof(text), QUERY_ID "0100 0001 0000 0000 0000 %s", rows[i].question);
		len = ask_bytes(fd, false, query, bytes(text, query), got);
		/* The other worker's, who may be a moment later. */
		for (int k = 0; k < PATIENCE_MS / 20 && (got[3] & 15) == 2 && listen_to(&s, 20); k++)
			len = ask_bytes(fd, false, query, bytes(text, query), got);
		snprintf(text, sizeof(text), QUERY_ID "%.*s %s %s", (int)(split - rows[i].answer), rows[i].answer, rows[i].question, split + 1);
		want_len = bytes(text, want);
		/* Behind what stands here there is the rest of an SOA, whose last four octets are its MINIMUM. */
		same(rows[i].what, got, len < want_len ? len : want_len, want, want_len);
		check(i == 0 || (len > want_len && get32(got + len - 4) == 77), "%s: MINIMUM", rows[i].what);
		close(fd);
	}
	stop_server(&s);
}

#include "contract_guard.h"

int main(void)
{
	make_tmp();
	start_main_server();
	begin_group("start");
	if (await_rcode(&main_server, port, "wg.test", 0) && await_rcode(&main_server, port, LONG_ZONE, 0)) {
		test_exact();
		test_raw();
		test_shapes();
		test_sizes();
		test_txt();
		test_list();
		test_source();
		test_tcp();
		test_life();
		test_options();
		test_split();
		test_cookies();
		test_access();
		test_limited();
		begin_group("the end");
	}
	stop_server(&main_server);
	end_group();
	printf("%u passed, %u failed\n", score.all_passed, score.all_failed);
	return score.all_failed > 0;
}
