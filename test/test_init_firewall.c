/* Rules as `nft -j list ruleset` prints them, and what becomes of a packet. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init.h"
#include "suites.h"
#include "util.h"

#define TABLE "{\"table\":{\"family\":\"inet\",\"name\":\"filter\"}}"
#define CHAIN(name, more) "{\"chain\":{\"family\":\"inet\",\"table\":\"filter\",\"name\":\"" name "\"" more "}}"
#define INPUT(policy) CHAIN("input", ",\"type\":\"filter\",\"hook\":\"input\",\"prio\":0,\"policy\":\"" policy "\"")
#define RULE_IN(chain, expr) \
	"{\"rule\":{\"family\":\"inet\",\"table\":\"filter\",\"chain\":\"" chain "\",\"handle\":7,\"expr\":[" expr "]}}"
#define RULE(expr) RULE_IN("input", expr)
#define MATCH(left, op, right) "{\"match\":{\"op\":\"" op "\",\"left\":" left ",\"right\":" right "}}"
#define PAYLOAD(protocol, field) "{\"payload\":{\"protocol\":\"" protocol "\",\"field\":\"" field "\"}}"
#define META(key) "{\"meta\":{\"key\":\"" key "\"}}"
#define CT(key) "{\"ct\":{\"key\":\"" key "\"}}"
#define DPORT(right) MATCH(PAYLOAD("udp", "dport"), "==", right)
#define ACCEPT "{\"accept\":null}"
#define DROP "{\"drop\":null}"
#define JUMP(chain) "{\"jump\":{\"target\":\"" chain "\"}}"
#define GOTO(chain) "{\"goto\":{\"target\":\"" chain "\"}}"

static struct init_chain where;

/* Rules between a table and the end, separated by commas. */
static enum init_passage judge(const char *rules, const struct init_packet *packet)
{
	char *json;
	enum init_passage passage;

	ck_assert_int_gt(asprintf(&json, "{\"nftables\":[{\"metainfo\":{\"version\":\"1.0.6\"}}," TABLE ",%s]}", rules), 0);
	passage = init_firewall_judge(json, packet, &where);
	free(json);
	return passage;
}

/* DNS over UDP from a peer, to the tunnel's address. */
static struct init_packet question(void)
{
	return (struct init_packet){.family = AF_INET, .port = 53, .device = "wg0", .to = util_endpoint("10.9.0.1"),
	    .from = util_allowedip("10.9.0.2/32")};
}

/* The same for each rule of a table, with a policy of drop and one of accept. */
static const struct {
	const char *rules;
	enum init_passage drop, accept;
} rules[] = {
    /* Nothing; loopback; what is known already. */
    {RULE(""), INIT_CLOSED, INIT_OPEN},
    {RULE(ACCEPT), INIT_OPEN, INIT_OPEN},
    {RULE(DROP), INIT_CLOSED, INIT_CLOSED},
    {RULE("{\"reject\":{\"type\":\"icmpx\",\"expr\":\"admin-prohibited\"}}"), INIT_CLOSED, INIT_CLOSED},
    {RULE("{\"counter\":{\"packets\":0,\"bytes\":0}},{\"log\":null}"), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(META("iif"), "==", "\"lo\"") "," ACCEPT), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(CT("state"), "in", "[\"established\",\"related\"]") "," ACCEPT), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(CT("state"), "==", "{\"set\":[\"established\",\"new\"]}") "," ACCEPT), INIT_OPEN, INIT_OPEN},
    {RULE(MATCH(CT("state"), "in", "\"invalid\"") "," DROP), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(CT("status"), "in", "\"dnat\"") "," ACCEPT), INIT_CLOSED, INIT_OPEN},
    /* Ports. */
    {RULE(DPORT("53") "," ACCEPT), INIT_OPEN, INIT_OPEN},
    {RULE(DPORT("54") "," ACCEPT), INIT_CLOSED, INIT_OPEN},
    {RULE(DPORT("{\"set\":[22,53]}") "," ACCEPT), INIT_OPEN, INIT_OPEN},
    {RULE(DPORT("{\"set\":[22,{\"range\":[50,60]}]}") "," ACCEPT), INIT_OPEN, INIT_OPEN},
    {RULE(DPORT("{\"range\":[54,60]}") "," ACCEPT), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(PAYLOAD("udp", "dport"), "!=", "53") "," ACCEPT), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(PAYLOAD("udp", "dport"), "!=", "53") "," DROP), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(PAYLOAD("udp", "dport"), "<", "1024") "," ACCEPT), INIT_UNSURE, INIT_OPEN},
    {RULE(MATCH(PAYLOAD("th", "dport"), "==", "53") "," ACCEPT), INIT_OPEN, INIT_OPEN},
    {RULE(MATCH(PAYLOAD("tcp", "dport"), "==", "53") "," ACCEPT), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(PAYLOAD("tcp", "dport"), "!=", "22") "," DROP), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(PAYLOAD("icmp", "type"), "==", "\"echo-request\"") "," ACCEPT), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(PAYLOAD("udp", "sport"), "==", "53") "," ACCEPT), INIT_UNSURE, INIT_OPEN},
    {RULE(MATCH(META("l4proto"), "==", "{\"set\":[\"tcp\",\"udp\"]}") "," MATCH(PAYLOAD("th", "dport"), "==", "53") "," ACCEPT),
        INIT_OPEN, INIT_OPEN},
    {RULE(MATCH(META("l4proto"), "==", "6") "," DROP), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(META("nfproto"), "==", "\"ipv6\"") "," ACCEPT), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(META("mark"), "==", "7") "," ACCEPT), INIT_UNSURE, INIT_OPEN},
    {RULE(MATCH(META("mark"), "==", "7") "," DROP), INIT_CLOSED, INIT_UNSURE},
    {RULE(MATCH(META("pkttype"), "!=", "\"unicast\"") "," DROP), INIT_CLOSED, INIT_OPEN},
    /* Devices. */
    {RULE(MATCH(META("iifname"), "==", "\"wg0\"") "," ACCEPT), INIT_OPEN, INIT_OPEN},
    {RULE(MATCH(META("iifname"), "==", "\"wg*\"") "," ACCEPT), INIT_OPEN, INIT_OPEN},
    {RULE(MATCH(META("iifname"), "==", "{\"set\":[\"lan\",\"eth0\"]}") "," ACCEPT), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(META("iifname"), "!=", "\"eth0\"") "," ACCEPT), INIT_OPEN, INIT_OPEN},
    /* Addresses. */
    {RULE(MATCH(PAYLOAD("ip", "saddr"), "==", "{\"prefix\":{\"addr\":\"10.9.0.0\",\"len\":24}}") "," ACCEPT), INIT_OPEN, INIT_OPEN},
    {RULE(MATCH(PAYLOAD("ip", "saddr"), "==", "\"10.9.0.7\"") "," ACCEPT), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(PAYLOAD("ip", "saddr"), "!=", "{\"prefix\":{\"addr\":\"10.9.0.0\",\"len\":24}}") "," DROP), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(PAYLOAD("ip", "daddr"), "==", "\"10.9.0.1\"") "," ACCEPT), INIT_OPEN, INIT_OPEN},
    {RULE(MATCH(PAYLOAD("ip", "daddr"), "==", "{\"set\":[\"192.0.2.1\"]}") "," ACCEPT), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(PAYLOAD("ip6", "saddr"), "==", "\"::1\"") "," ACCEPT), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH(PAYLOAD("ip", "protocol"), "==", "\"udp\"") "," ACCEPT), INIT_OPEN, INIT_OPEN},
    {RULE(MATCH("{\"fib\":{\"result\":\"type\",\"flags\":[\"daddr\"]}}", "!=", "\"local\"") "," DROP), INIT_CLOSED, INIT_OPEN},
    {RULE(MATCH("{\"fib\":{\"result\":\"oif\",\"flags\":[\"saddr\",\"iif\"]}}", "==", "false") "," DROP), INIT_CLOSED, INIT_OPEN},
    /* Limits: the first packets are within. */
    {RULE(DPORT("53") ",{\"limit\":{\"rate\":10,\"per\":\"second\"}}," ACCEPT), INIT_OPEN, INIT_OPEN},
    {RULE(DPORT("53") ",{\"limit\":{\"rate\":10,\"per\":\"second\",\"inv\":true}}," DROP), INIT_CLOSED, INIT_OPEN},
    /* Maps of verdicts. */
    {RULE("{\"vmap\":{\"key\":" CT("state") ",\"data\":{\"set\":[[\"invalid\"," DROP "],[\"new\"," ACCEPT "]]}}}"), INIT_OPEN, INIT_OPEN},
    {RULE("{\"vmap\":{\"key\":" PAYLOAD("udp", "dport") ",\"data\":{\"set\":[[{\"range\":[1,99]}," DROP "]]}}}"), INIT_CLOSED, INIT_CLOSED},
    {RULE("{\"vmap\":{\"key\":" PAYLOAD("tcp", "dport") ",\"data\":{\"set\":[[53," DROP "]]}}}"), INIT_CLOSED, INIT_OPEN},
    {RULE("{\"vmap\":{\"key\":" PAYLOAD("udp", "dport") ",\"data\":\"@ports\"}}"), INIT_UNSURE, INIT_UNSURE},
    {RULE("{\"vmap\":{\"key\":" META("mark") ",\"data\":{\"set\":[[1," DROP "],[2," ACCEPT "]]}}}"), INIT_UNSURE, INIT_UNSURE},
    /* Chains. */
    {CHAIN("dns", "") "," RULE_IN("dns", DPORT("53") "," ACCEPT) "," RULE(JUMP("dns")), INIT_OPEN, INIT_OPEN},
    {CHAIN("dns", "") "," RULE_IN("dns", "{\"return\":null}") "," RULE(JUMP("dns")) "," RULE(ACCEPT), INIT_OPEN, INIT_OPEN},
    {CHAIN("dns", "") "," RULE_IN("dns", "{\"counter\":null}") "," RULE(GOTO("dns")) "," RULE(ACCEPT), INIT_CLOSED, INIT_OPEN},
    {CHAIN("dns", "") "," RULE_IN("dns", DROP) "," RULE(MATCH(META("mark"), "==", "7") "," JUMP("dns")), INIT_CLOSED, INIT_UNSURE},
    {RULE(JUMP("input")), INIT_UNSURE, INIT_UNSURE},
    {RULE("{\"queue\":{\"num\":0}}"), INIT_UNSURE, INIT_UNSURE},
    /* Sets with a name. */
    {"{\"set\":{\"family\":\"inet\",\"table\":\"filter\",\"name\":\"open\",\"elem\":[22,{\"elem\":{\"val\":53,\"timeout\":9}}]}},"
     RULE(DPORT("\"@open\"") "," ACCEPT), INIT_OPEN, INIT_OPEN},
    {"{\"set\":{\"family\":\"inet\",\"table\":\"other\",\"name\":\"open\",\"elem\":[53]}}," RULE(DPORT("\"@open\"") "," ACCEPT), INIT_UNSURE,
        INIT_OPEN},
    {"{\"set\":{\"family\":\"inet\",\"table\":\"filter\",\"name\":\"open\"}}," RULE(DPORT("\"@open\"") "," ACCEPT), INIT_CLOSED, INIT_OPEN},
    /* iptables. */
    {RULE("{\"xt\":{\"type\":\"match\",\"name\":\"comment\"}}," ACCEPT), INIT_OPEN, INIT_OPEN},
    {RULE("{\"xt\":{\"type\":\"match\",\"name\":\"conntrack\"}}," ACCEPT), INIT_UNSURE, INIT_OPEN},
    {RULE("{\"xt\":{\"type\":\"target\",\"name\":\"REJECT\"}}"), INIT_CLOSED, INIT_CLOSED},
    {RULE("{\"xt\":{\"type\":\"target\",\"name\":\"LOG\"}}"), INIT_CLOSED, INIT_OPEN},
    {RULE("{\"xt\":null}," DROP), INIT_CLOSED, INIT_UNSURE},
};

START_TEST(of_one_rule)
{
	struct init_packet packet = question();
	char text[2048];

	snprintf(text, sizeof(text), INPUT("drop") ",%s", rules[_i].rules);
	ck_assert_msg(judge(text, &packet) == rules[_i].drop, "policy drop: %s", rules[_i].rules);
	snprintf(text, sizeof(text), INPUT("accept") ",%s", rules[_i].rules);
	ck_assert_msg(judge(text, &packet) == rules[_i].accept, "policy accept: %s", rules[_i].rules);
}
END_TEST

/* Lists of bad senders and odd flags keep nobody out who is neither. */
START_TEST(of_senders_that_are_not_known)
{
	struct init_packet packet = {.family = AF_INET, .tcp = true, .port = 53, .device = ""};

	ck_assert_int_eq(judge(INPUT("accept") "," RULE(MATCH(PAYLOAD("ip", "saddr"), "==", "\"@banned\"") "," DROP), &packet), INIT_OPEN);
	ck_assert_int_eq(judge(INPUT("accept") "," RULE(MATCH(PAYLOAD("ip", "saddr"), "!=", "\"@known\"") "," DROP), &packet), INIT_UNSURE);
	ck_assert_int_eq(judge(INPUT("drop") "," RULE(MATCH(PAYLOAD("ip", "saddr"), "==", "\"@known\"") "," ACCEPT), &packet), INIT_UNSURE);
	ck_assert_int_eq(judge(INPUT("accept") "," RULE(MATCH("{\"&\":[" PAYLOAD("tcp", "flags") ",[\"fin\",\"syn\"]]}", "==",
	                     "[\"fin\",\"syn\"]") "," DROP), &packet), INIT_OPEN);
	/* A device that is not known is any but lo. */
	ck_assert_int_eq(judge(INPUT("drop") "," RULE(MATCH(META("iifname"), "==", "\"eth0\"") "," ACCEPT), &packet), INIT_UNSURE);
	ck_assert_int_eq(judge(INPUT("drop") "," RULE(MATCH(META("iifname"), "==", "\"lo\"") "," ACCEPT), &packet), INIT_CLOSED);
}
END_TEST

START_TEST(of_several_chains)
{
	static const char late[] = "{\"chain\":{\"family\":\"ip\",\"table\":\"filter\",\"name\":\"INPUT\",\"hook\":\"input\",\"policy\":\"drop\"}}";
	static const char other[] = "{\"chain\":{\"family\":\"ip6\",\"table\":\"filter\",\"name\":\"INPUT\",\"hook\":\"input\",\"policy\":\"drop\"}}";
	static const char forward[] = CHAIN("fwd", ",\"hook\":\"forward\",\"policy\":\"drop\"");
	struct init_packet packet = question();
	char text[2048];

	/* What one accepts another may still drop. */
	snprintf(text, sizeof(text), INPUT("accept") "," RULE(ACCEPT) ",%s", late);
	ck_assert_int_eq(judge(text, &packet), INIT_CLOSED);
	ck_assert_str_eq(where.family, "ip");
	ck_assert_str_eq(where.chain, "INPUT");
	ck_assert(strstr(where.how, "policy is drop") != NULL);
	ck_assert_int_eq(judge(other, &packet), INIT_OPEN);
	ck_assert_int_eq(judge(forward, &packet), INIT_OPEN);
	packet.family = AF_INET6;
	packet.to = util_endpoint("fd00::1");
	packet.from = util_allowedip("fd00::2/128");
	ck_assert_int_eq(judge(other, &packet), INIT_CLOSED);
	ck_assert_int_eq(judge(late, &packet), INIT_OPEN);
}
END_TEST

START_TEST(of_where_it_is_dropped)
{
	struct init_packet packet = question();

	ck_assert_int_eq(judge(INPUT("accept") "," CHAIN("ufw-user-input", "") "," RULE_IN("ufw-user-input", DROP) "," RULE(JUMP("ufw-user-input")),
	                     &packet), INIT_CLOSED);
	ck_assert_str_eq(where.chain, "ufw-user-input");
	ck_assert_str_eq(where.how, "its rule with the handle 7 drops it");
	ck_assert(where.ufw);
	ck_assert_int_eq(judge(INPUT("accept") "," RULE(MATCH(META("mark"), "==", "7") "," DROP), &packet), INIT_UNSURE);
	ck_assert_str_eq(where.how, "its rule with the handle 7 may drop it");
	ck_assert(!where.ufw);
	/* What is left of ufw in another table does not matter. */
	ck_assert_int_eq(judge(INPUT("drop") ",{\"chain\":{\"family\":\"ip6\",\"table\":\"filter\",\"name\":\"ufw-x\",\"handle\":9}}", &packet),
	    INIT_CLOSED);
	ck_assert(!where.ufw);
}
END_TEST

START_TEST(of_what_is_no_ruleset)
{
	static const char *const texts[] = {"", "[]", "{}", "{\"nftables\":7}", "nft: command not found", "{\"nftables\":["};
	struct init_packet packet = question();

	for (size_t i = 0; i < COUNT(texts); i++)
		ck_assert_int_eq(init_firewall_judge(texts[i], &packet, &where), INIT_UNSURE);
	ck_assert_int_eq(init_firewall_judge("{\"nftables\":[]}", &packet, &where), INIT_OPEN);
	/* Of the right form, and with nothing in its place. */
	ck_assert_int_eq(judge("7,null,\"x\",[],{\"chain\":7},{\"chain\":{\"hook\":7}},{\"rule\":[]}," INPUT("drop") ","
	                       RULE("7,null,{},{\"match\":7},{\"vmap\":null},{\"jump\":null},{\"limit\":[]}"), &packet), INIT_UNSURE);
}
END_TEST

Suite *suite_init_firewall(void)
{
	Suite *s = suite_create("init_firewall");
	TCase *t = tcase_create("init_firewall");

	tcase_add_loop_test(t, of_one_rule, 0, COUNT(rules));
	tcase_add_test(t, of_senders_that_are_not_known);
	tcase_add_test(t, of_several_chains);
	tcase_add_test(t, of_where_it_is_dropped);
	tcase_add_test(t, of_what_is_no_ruleset);
	suite_add_tcase(s, t);
	return s;
}
