/* A peer is answered whole, however long its TXT is and wherever its record ends. */
#include <string.h>
#include <sys/socket.h>

#include "answers.h"
#include "suites.h"
#include "util.h"
#include "wire.h"

static struct made_zone z;
static uint8_t query[MESSAGE_MAX], msg[MESSAGE_MAX];

static void teardown(void)
{
	zone_drop(&z);
}

/* Answers a query of that length over TCP, and has the answer's form judged. Returns its length. */
static size_t answer(size_t query_len)
{
	struct answer_zones zones = {.at = {z.snapshot}, .len = 1};
	const char *what;
	size_t len;

	memset(msg, 0x5a, DNS_HEADER + 2 * NAME_MAX_LEN);
	memcpy(msg, query, query_len);
	len = made_answer(&zones, msg, query_len, DNS_TCP_MAX);
	what = judge_form(query, query_len, msg, len, DNS_TCP_MAX);
	if (what != NULL)
		ck_abort_msg("%s", what);
	return len;
}

static uint8_t rcode(void)
{
	return msg[3] & 15;
}

static unsigned answers(void)
{
	return get16(msg + 6);
}

/* ---- texts ---- */

/* A network that is written with so many characters, 4 to 18. */
static void add_network(size_t chars)
{
	static const struct wg_allowedip six[] = { /* ::/0, 1::/8, 1::/16, 12::/16, 123::/16 */
	    {.family = AF_INET6}, {.family = AF_INET6, .cidr = 8, .addr = {0, 1}}, {.family = AF_INET6, .cidr = 16, .addr = {0, 1}},
	    {.family = AF_INET6, .cidr = 16, .addr = {0, 0x12}}, {.family = AF_INET6, .cidr = 16, .addr = {1, 0x23}}};
	static const uint8_t octets[] = {0, 1, 10, 100}; /* of so many digits */
	struct wg_allowedip ip = {.family = AF_INET, .cidr = chars == 18 ? 32 : 0};
	size_t digits = chars - 3 - (chars == 18 ? 3 : 2);
	char text[ALLOWEDIP_TEXT];

	for (size_t i = 0; chars >= 9 && i < 4; i++) {
		size_t n = digits - (3 - i) < 3 ? digits - (3 - i) : 3;

		ip.addr[i] = octets[n];
		digits -= n;
	}
	if (chars < 9)
		ip = six[chars - 4];
	ck_assert_uint_eq(strlen(allowedip_to_text(&ip, text)), chars);
	ck_assert_int_eq(wgdev_add_allowedip(&z.dev, &ip), 0);
}

/* Networks that are together so many characters, with the commas between them. */
static void add_networks(size_t chars)
{
	while (chars > 0) {
		size_t n = chars > 18 ? (chars - 1 - 18 >= 9 ? 18 : chars - 1 - 9) : chars;

		add_network(n);
		chars -= chars > n ? n + 1 : n;
	}
}

/* The TXT's strings behind "pub=", as the zone has them. */
static const uint8_t *said_by(const uint8_t key[KEY_LEN], size_t *len)
{
	for (size_t i = 0; i < z.zone.peers_len; i++)
		if (memcmp(z.zone.peers[i].key, key, KEY_LEN) == 0) {
			*len = z.zone.peers[i].txt_len;
			return z.zone.txt + z.zone.peers[i].txt_off;
		}
	ck_abort_msg("no such peer");
}

static void check_txt(const struct walked *rr, const uint8_t key[KEY_LEN])
{
	uint8_t head[RECORDS_TXT_HEAD];
	const uint8_t *said;
	size_t len;

	said = said_by(key, &len);
	records_txt_head(key, head);
	ck_hot(rr->type == DNS_TXT && rr->rdlen == sizeof(head) + len);
	ck_hot(memcmp(msg + rr->rdata, head, sizeof(head)) == 0 && memcmp(msg + rr->rdata + sizeof(head), said, len) == 0);
}

/* Asked for the TXT, and for the SRV that has it with it: over TCP all of it fits. */
static void check_peer(size_t n)
{
	uint8_t key[KEY_LEN];
	struct walked rr;
	size_t len, query_len;

	made_key(n, key);
	query_len = make_peer_query(query, &z, key, n % 2 != 0, DNS_TXT, NO_EDNS);
	len = answer(query_len);
	ck_hot(rcode() == DNS_NOERROR && answers() == 1);
	ck_hot(walk_record(msg, len, query_len, &rr));
	check_txt(&rr, key);
	ck_hot(rr.next == len);
	query_len = make_peer_query(query, &z, key, n % 2 == 0, DNS_SRV, NO_EDNS);
	len = answer(query_len);
	ck_hot(rcode() == DNS_NOERROR && answers() == 1);
	ck_hot(walk_record(msg, len, query_len, &rr) && rr.type == DNS_SRV && get16(msg + rr.rdata + 4) == made_port(n));
	ck_hot(walk_record(msg, len, rr.next, &rr));
	ck_hot(rr.type == (n % 4 == 1 ? DNS_AAAA : DNS_A));
	ck_hot(walk_record(msg, len, rr.next, &rr));
	check_txt(&rr, key);
	ck_hot(rr.next == len);
}

static void add_peer(size_t n)
{
	char text[ENDPOINT_TEXT];
	uint8_t key[KEY_LEN];
	struct wg_peer *peer;

	made_key(n, key);
	peer = wgdev_add_peer(&z.dev, key);
	ck_assert_ptr_nonnull(peer);
	peer->endpoint = util_endpoint(made_address(n, text));
	peer->endpoint.port = made_port(n);
}

static const struct snapshot_peer *record_of(size_t n)
{
	uint8_t key[KEY_LEN], label[KEY_BASE32];

	made_key(n, key);
	key_to_base32(key, label);
	for (const struct snapshot_peer *p = snapshot_peer_at(z.snapshot, 1); p != NULL; p = snapshot_next_peer(z.snapshot, p))
		if (memcmp(p->label, label, KEY_BASE32) == 0)
			return p;
	ck_abort_msg("no record");
}

/* "allowed=" and 4 characters and more: the string's length is each that there can be, then comes a second one. */
START_TEST(a_txt_of_one_string_of_each_length)
{
	const size_t least = 4, most = UINT8_MAX - 8;

	zone_prepare(&z, "wg.test", NULL);
	for (size_t chars = least; chars <= most + 10; chars++) {
		add_peer(chars);
		add_networks(chars);
	}
	zone_make(&z);
	for (size_t chars = least; chars <= most + 10; chars++) {
		const struct snapshot_peer *p = record_of(chars);
		uint8_t key[KEY_LEN];
		const uint8_t *said;
		size_t len;

		made_key(chars, key);
		said = said_by(key, &len);
		ck_assert_int_eq(chars <= most, said[0] + 1u == len);
		if (chars <= most)
			ck_assert_uint_eq(said[0], 8 + chars);
		ck_assert_uint_eq(p->one, chars <= most);
		ck_assert_uint_eq(p->txt_len, chars <= most ? chars : len);
		check_peer(chars);
	}
}
END_TEST

/* No string, several, and so many that "more=1" is the last of them. */
START_TEST(a_txt_of_no_string_and_of_many)
{
	static const size_t networks[] = {0, 0, 16, 17, 18, 32, 33, 34, 40, 100, 500, 900, 901, 5000, 0};
	size_t more = 0;

	zone_prepare(&z, "wg.test", NULL);
	for (size_t n = 0; n < COUNT(networks); n++) {
		add_peer(n);
		zone_add_allowed(&z, networks[n]);
	}
	zone_make(&z);
	for (size_t n = 0; n < COUNT(networks); n++) {
		const struct snapshot_peer *p = record_of(n);
		uint8_t key[KEY_LEN];
		const uint8_t *said;
		size_t len;

		made_key(n, key);
		said = said_by(key, &len);
		ck_assert_int_eq(len == 0, networks[n] == 0);
		ck_assert_uint_eq(p->one, len > 0 && said[0] + 1u == len);
		more += len > 7 && memcmp(said + len - 7, "\6more=1", 7) == 0;
		check_peer(n);
	}
	ck_assert_uint_eq(more, 1);
}
END_TEST

/* ---- the end of the peers ---- */

/* A record of each size, the last one of all: what is touched of it, and what is answered, lies within the block. */
START_TEST(a_record_of_any_size_may_be_the_last_one)
{
	bool six = _i % 2 != 0;
	size_t lines = 0;

	for (size_t chars = 0; chars <= UINT8_MAX - 8; chars = chars == 0 ? 4 : chars + 1) {
		const struct snapshot_peer *p;
		const uint8_t *end;
		size_t n = 2 + (size_t)six * 3; /* by that number the address is of that family */

		zone_prepare(&z, "w.t", NULL);
		add_peer(n);
		add_networks(chars);
		zone_make(&z);
		end = (const uint8_t *)z.snapshot + z.snapshot->size;
		p = snapshot_peer_at(z.snapshot, 1);
		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq(p->addr_len, six ? 16 : 4);
		ck_hot((const uint8_t *)p + snapshot_peer_size(p->addr_len, p->txt_len) == (const uint8_t *)z.snapshot + z.snapshot->peers_end);
		ck_hot(snapshot_peer_txt(p) + p->txt_len <= (const uint8_t *)z.snapshot + z.snapshot->peers_end);
		ck_hot(snapshot_next_peer(z.snapshot, p) == NULL);
		/* Whatever the index says: a line more is there. */
		for (uint32_t ref = 0; ref < 3 + z.snapshot->size / SNAPSHOT_LINE; ref++) {
			p = snapshot_peer_at(z.snapshot, ref);
			ck_hot(p == NULL || (const uint8_t *)p + SNAPSHOT_LINE < end);
		}
		lines |= (size_t)1 << (z.snapshot->peers_end - z.snapshot->peers_off) / SNAPSHOT_LINE;
		check_peer(n);
		zone_drop(&z);
	}
	ck_assert_uint_eq(lines, 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6); /* records of so many lines there were */
}
END_TEST

Suite *suite_record(void)
{
	Suite *s = suite_create("record");
	TCase *t = tcase_create("record");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_test(t, a_txt_of_one_string_of_each_length);
	tcase_add_test(t, a_txt_of_no_string_and_of_many);
	tcase_add_loop_test(t, a_record_of_any_size_may_be_the_last_one, 0, 2);
	return s;
}
