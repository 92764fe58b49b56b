/* Each state and cause has its sentence, and what is told arrives as it was meant. */
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "suites.h"
#include "util.h"

/* ---- sentences ---- */

/* A registry that is reached through nobody's tunnel and sees us, a peer that is fine: what the cases change. */
static struct report_head head_of_all(void)
{
	struct report_head h = {.magic = REPORT_HEAD, .version = REPORT_VERSION, .device = "wg0", .zone = util_name("wg.example.com"),
	    .is_there = 1, .is_up = 1, .servers_len = 1, .told_ms = REPORT_NEVER};

	h.servers[0] = (struct report_server){.address = util_endpoint("203.0.113.10:53"), .sees = util_endpoint("203.0.113.20:51820")};
	return h;
}

static struct report_peer peer_of_all(void)
{
	return (struct report_peer){.magic = REPORT_PEER, .state = PATH_DIRECT, .status = REPORT_UNASKED, .state_ms = 7200000,
	    .doubt_ms = REPORT_NEVER, .trial_ms = REPORT_NEVER, .answered_ms = REPORT_NEVER, .unanswered_ms = REPORT_NEVER,
	    .ask_ms = REPORT_NEVER, .endpoint = util_endpoint("203.0.113.7:51820"),
	    .tried = util_endpoint("203.0.113.7:51820"), .handshake_s = 1800000000};
}

#define NEVER   .handshake_s = 0
#define S(n)    ((n) * 1000)
#define ASKED   .status = LOOKUP_FOUND, .answered_ms = S(3), .published = "203.0.113.7:51820"
#define LOOKING .state = PATH_LOOKING, .state_ms = S(40)
#define TRYING  .state = PATH_TRYING, .state_ms = S(40)
#define PROBED  .state = PATH_PROBED, .doubt_ms = S(3)
#define FAILED(word) .status = LOOKUP_##word, .answered_ms = S(3)

/* What differs from the above; 0 means the same, but for `handshake_s`, `state`, `why` and `status`. */
struct sentence {
	const char *text;
	uint32_t state, why, status, trials, is_registry, is_asking, mapping, through, servers;
	int64_t state_ms, doubt_ms, trial_ms, answered_ms, unanswered_ms;
	uint64_t handshake_s;
	const char *published, *endpoint, *sees;
	bool problem;
};

#define WORKED .handshake_s = 1

static const struct sentence sentences[] = {
    /* direct */
    {"direct for 2 h", .state = PATH_DIRECT, WORKED},
    {"direct for a moment", .state = PATH_DIRECT, WORKED, .state_ms = 999},
    {"direct for 1 s", .state = PATH_DIRECT, WORKED, .state_ms = 1000},
    {"direct for 119 s", .state = PATH_DIRECT, WORKED, .state_ms = S(119) + 999},
    {"direct for 2 min", .state = PATH_DIRECT, WORKED, .state_ms = S(120)},
    {"direct for 119 min", .state = PATH_DIRECT, WORKED, .state_ms = S(7199)},
    {"direct for 47 h", .state = PATH_DIRECT, WORKED, .state_ms = S(2 * 86400 - 1)},
    {"direct for 3 days", .state = PATH_DIRECT, WORKED, .state_ms = S(3 * 86400)},
    {"direct for 2 h, though nothing has come back for 4 s", .state = PATH_DIRECT, WORKED, .unanswered_ms = S(4)},
    {"direct for 2 h", .state = PATH_DIRECT, WORKED, .is_registry = 1, FAILED(NO_ANSWER)},
    /* idle */
    {"idle for 3 days: nothing was sent since, so there is nothing to repair", .state = PATH_IDLE, WORKED, .state_ms = S(3 * 86400)},
    {"idle for 2 h, but in use again, without an answer, for 2 s", .state = PATH_IDLE, WORKED, .unanswered_ms = S(2)},
    /* in doubt */
    {"in doubt for 3 s: what was sent to it was not answered", PROBED, WORKED, .why = PATH_WHY_SILENCE},
    {"in doubt for 3 s: nothing came back since our address or route changed", PROBED, WORKED, .why = PATH_WHY_ADDRESS},
    {"in doubt for 3 s: nothing came back since the registry sees us elsewhere, at 203.0.113.20:51820", PROBED, WORKED,
        .why = PATH_WHY_MAPPING},
    {"in doubt for 3 s: nothing came back since the registry sees us elsewhere", PROBED, WORKED, .why = PATH_WHY_MAPPING,
        .sees = ""},
    {"in doubt for 3 s: the registry sees it elsewhere, at 203.0.113.7:51820", PROBED, WORKED, .why = PATH_WHY_ELSEWHERE, ASKED},
    {"in doubt for 3 s: nothing came back since the registry saw it elsewhere, at 203.0.113.7:51820", PROBED, WORKED,
        .why = PATH_WHY_NEWS, ASKED},
    {"in doubt for 3 s: nothing came back since somebody else changed it", PROBED, WORKED, .why = PATH_WHY_CHANGED},
    {"in doubt for a moment: what was sent to it was not answered", .state = PATH_PROBED, .doubt_ms = 200, WORKED,
        .why = PATH_WHY_SILENCE},
    {"in doubt for 3 s: what was sent to it was not answered; no answer from the registry (203.0.113.10:53)", PROBED, WORKED,
        .why = PATH_WHY_SILENCE, FAILED(NO_ANSWER)},
    {"in doubt for 3 s: what was sent to it was not answered", PROBED, WORKED, .why = PATH_WHY_SILENCE, /* of another doubt */
        .status = LOOKUP_NO_ANSWER, .answered_ms = S(4)},
    {"direct for a moment: how soon it answers is being found out", PROBED, WORKED, .why = PATH_WHY_NEW, .state_ms = 300},
    /* looked for, for the first time */
    {"being looked up", LOOKING, NEVER, .is_asking = 1},
    {"it waits for its turn to be looked up", LOOKING, NEVER},
    {"not in the zone: has it ever reached the registry?", LOOKING, NEVER, FAILED(NOT_IN_ZONE)},
    {"not in the zone: has it ever reached the registry?", LOOKING, NEVER, FAILED(NOT_IN_ZONE), .is_asking = 1},
    {"not in the zone: does the registry publish itself?", LOOKING, NEVER, FAILED(NOT_IN_ZONE), .is_registry = 1},
    {"the registry is not ready (203.0.113.10:53): is its device there, and may wgmeetd read it?", LOOKING, NEVER, FAILED(NOT_READY), .problem = true},
    {"the name server refuses (203.0.113.10:53): does it serve this zone, and us?", LOOKING, NEVER, FAILED(REFUSED),
        .problem = true},
    {"no answer from the registry (203.0.113.10:53)", LOOKING, NEVER, FAILED(NO_ANSWER), .problem = true},
    {"no answer from the registry (203.0.113.10:53), which is reached through this very peer: is its endpoint right?", LOOKING,
        NEVER, FAILED(NO_ANSWER), .is_registry = 1, .through = 1 + PATH_LOOKING, .problem = true},
    {"no answer from the registry (203.0.113.10:53): the tunnel to it does not work either", LOOKING, NEVER, FAILED(NO_ANSWER),
        .through = 1 + PATH_TRYING, .problem = true},
    {"no answer from the registry (203.0.113.10:53)", LOOKING, NEVER, FAILED(NO_ANSWER), .through = 1 + PATH_DIRECT,
        .problem = true},
    {"no answer from the registry (203.0.113.10:53, 203.0.113.11:53)", LOOKING, NEVER, FAILED(NO_ANSWER), .servers = 2,
        .through = 1 + PATH_LOOKING, .problem = true}, /* the other one is not behind it */
    {"no answer from the registry (203.0.113.10:53, 203.0.113.11:53, 203.0.113.12:53 and 13 more)", LOOKING, NEVER,
        FAILED(NO_ANSWER), .servers = 16, .problem = true},
    {"the registry cannot be reached (203.0.113.10:53)", LOOKING, NEVER, FAILED(UNREACHABLE), .problem = true},
    {"the name server's answer makes no sense (203.0.113.10:53)", LOOKING, NEVER, FAILED(BAD_ANSWER), .problem = true},
    {"the zone has another key under its name", LOOKING, NEVER, FAILED(OTHER_KEY), .problem = true},
    {"the zone has a port of it, but no address", LOOKING, NEVER, FAILED(NO_ADDRESS), .problem = true},
    {"the zone has it where no peer can be", LOOKING, NEVER, FAILED(BAD_ENDPOINT), .problem = true},
    {"no route to it: this host reaches no address that the zone has of it", LOOKING, NEVER, FAILED(NO_ROUTE), .problem = true},
    {"its address is inside the tunnel, through which no tunnel can go", LOOKING, NEVER, FAILED(IN_TUNNEL), .problem = true},
    /* tried, for the first time */
    {"to be tried at 203.0.113.7:51820 when it is its turn", TRYING, NEVER, ASKED},
    {"being tried at 203.0.113.7:51820 for 2 s", TRYING, NEVER, ASKED, .trials = 1, .trial_ms = S(2)},
    {"being tried at 203.0.113.7:51820 for a moment", TRYING, NEVER, ASKED, .trials = 1, .trial_ms = 1},
    {"being tried at [2001:db8::7]:51820 for 2 s", TRYING, NEVER, ASKED, .endpoint = "[2001:db8::7]:51820", .trials = 1,
        .trial_ms = S(2)},
    {"being tried at 203.0.113.7:51820 for 2 s: nothing came back since our address or route changed", TRYING, WORKED, ASKED,
        .trials = 1, .trial_ms = S(2), .why = PATH_WHY_ADDRESS},
    {"to be tried at 203.0.113.7:51820 when it is its turn: what was sent to it was not answered", TRYING, WORKED, ASKED,
        .why = PATH_WHY_SILENCE},
    /* tried in vain */
    {"no answer at 203.0.113.7:51820 for 40 s: tried once; the registry last saw it there, as it said 3 s ago: "
     "it does not look for us yet, or its NAT or ours gives each destination another port", LOOKING, NEVER, ASKED, .trials = 1,
        .problem = true},
    {"no answer at 203.0.113.7:51820 for 40 s: tried 6 times; the registry last saw it there, as it said 3 s ago: "
     "it is off, wgmeet does not run there, the keys differ, or its NAT or ours gives each destination another port", LOOKING, NEVER, ASKED, .trials = 6, .problem = true},
    {"no answer at 203.0.113.7:51820 for 40 s: tried 6 times; the registry last saw it there, as it said 3 s ago: "
     "our NAT gives each destination another port", LOOKING, NEVER, ASKED, .trials = 6, .mapping = PATHS_MAPPING_EACH,
        .problem = true},
    {"no answer at 203.0.113.7:51820 for 40 s: tried 6 times; the registry last saw it there, as it said 3 s ago: "
     "it is off, does not look for us, the keys differ, or its NAT gives each destination another port", LOOKING, NEVER, ASKED, .trials = 6,
        .mapping = PATHS_MAPPING_SAME, .problem = true},
    {"no answer at 203.0.113.7:51820 for 40 s: tried 6 times; the registry last saw it there, as it said 3 s ago: "
     "it is behind the same NAT as this host, which does not let its own packets back in", LOOKING, NEVER, ASKED, .trials = 6,
        .mapping = PATHS_MAPPING_SAME, .sees = "203.0.113.7:1024", .problem = true},
    {"no answer at 203.0.113.7:51820 for 40 s: tried 6 times; the registry last saw it there, as it said 3 s ago: is it down, or its port closed?",
        LOOKING, NEVER, ASKED, .trials = 6, .is_registry = 1, .problem = true},
    {"no answer at 203.0.113.7:51820 for 40 s: tried 6 times, and now again; the registry last saw it there, as it said 3 s ago: "
     "it is off, wgmeet does not run there, the keys differ, or its NAT or ours gives each destination another port", TRYING, NEVER, ASKED, .trials = 7, .trial_ms = S(2), .problem = true},
    {"no answer at 203.0.113.7:51820 for 40 s: tried 6 times, and to be tried again; the registry last saw it there, as it said 3 s ago: "
     "it is off, wgmeet does not run there, the keys differ, or its NAT or ours gives each destination another port", TRYING, NEVER, ASKED, .trials = 6, .problem = true},
    {"no answer at 203.0.113.9:9 for 40 s: tried 3 times; the registry last saw it at 203.0.113.7:51820, as it said 3 s ago: "
     "it is off, wgmeet does not run there, the keys differ, or its NAT or ours gives each destination another port", LOOKING, NEVER, ASKED, .trials = 3, .endpoint = "203.0.113.9:9",
        .problem = true},
    {"no answer at 203.0.113.7:51820 for 40 s: tried 6 times; no answer from the registry (203.0.113.10:53)", LOOKING, WORKED,
        FAILED(NO_ANSWER), .trials = 6, .problem = true},
    {"no answer at 203.0.113.7:51820 for 40 s: tried once; being looked up", LOOKING, WORKED, .trials = 1, .is_asking = 1},
    {"no answer for 40 s: tried once; it waits for its turn to be looked up", LOOKING, WORKED, .trials = 1, .endpoint = ""},
    {"no answer at 203.0.113.7:51820 for 40 s: tried 6 times; not in the zone any more, which last had it at 203.0.113.7:51820",
        LOOKING, WORKED, FAILED(NOT_IN_ZONE), .published = "203.0.113.7:51820", .trials = 6},
    /* lost */
    {"lost 40 s ago (what was sent to it was not answered): being looked up", LOOKING, WORKED, .why = PATH_WHY_SILENCE,
        .is_asking = 1},
    {"lost 40 s ago (nothing came back since our address or route changed): the registry cannot be reached (203.0.113.10:53)",
        LOOKING, WORKED, .why = PATH_WHY_ADDRESS, FAILED(UNREACHABLE), .problem = true},
    {"lost 40 s ago (what was sent to it was not answered): not in the zone: the registry does not see it now", LOOKING, WORKED,
        .why = PATH_WHY_SILENCE, FAILED(NOT_IN_ZONE)},
    {"lost a moment ago (what was sent to it was not answered): being looked up", .state = PATH_LOOKING, .state_ms = 10, WORKED,
        .why = PATH_WHY_SILENCE, .is_asking = 1, ASKED}, /* that answer is of before */
    {"lost 40 s ago (what was sent to it was not answered): the registry last saw it at 203.0.113.7:51820, as it said 3 s ago", LOOKING, WORKED,
        .why = PATH_WHY_SILENCE, ASKED},
};

static void build(const struct sentence *c, struct report_head *h, struct report_peer *p)
{
	*h = head_of_all();
	*p = peer_of_all();
	h->mapping = c->mapping;
	h->servers[0].through = c->through;
	for (uint32_t i = 1; i < c->servers; i++) {
		h->servers[i] = (struct report_server){.address = h->servers[0].address};
		h->servers[i].address.addr[3] = (uint8_t)(10 + i);
		h->servers_len++;
	}
	if (c->sees != NULL)
		h->servers[0].sees = *c->sees != '\0' ? util_endpoint(c->sees) : (struct endpoint){0};
	p->state = c->state;
	p->why = c->why;
	if (c->answered_ms != 0) {
		p->status = c->status;
		p->answered_ms = c->answered_ms;
	}
	p->trials = c->trials;
	p->is_registry = c->is_registry;
	p->is_asking = c->is_asking;
	p->handshake_s = c->handshake_s;
	if (c->state_ms != 0)
		p->state_ms = c->state_ms;
	if (c->doubt_ms != 0)
		p->doubt_ms = c->doubt_ms;
	if (c->trial_ms != 0)
		p->trial_ms = c->trial_ms;
	if (c->unanswered_ms != 0)
		p->unanswered_ms = c->unanswered_ms;
	if (c->published != NULL)
		p->published = util_endpoint(c->published);
	if (c->endpoint != NULL)
		p->endpoint = p->tried = *c->endpoint != '\0' ? util_endpoint(c->endpoint) : (struct endpoint){0};
}

START_TEST(each_state_and_cause_has_its_sentence)
{
	const struct sentence *c = &sentences[_i];
	char said[REPORT_SENTENCE];
	struct report_head h;
	struct report_peer p;

	build(c, &h, &p);
	ck_assert_str_eq(report_sentence(&h, &p, said), c->text);
	ck_assert_msg(report_is_problem(&p) == c->problem, "%s: %s a problem", c->text, c->problem ? "not" : "is");
}
END_TEST

/* All that can be, also what should not: it is one line that says something, and it fits. */
START_TEST(any_combination_is_a_sentence)
{
	static const int64_t ages[] = {REPORT_NEVER, 0, 999, 40000, REPORT_AGE_MAX};
	struct report_head h = head_of_all();
	uint64_t random = 7;
	char said[REPORT_SENTENCE + 1];

	said[REPORT_SENTENCE] = 'x';
	h.servers_len = SETTINGS_SERVERS;
	for (uint32_t i = 0; i < h.servers_len; i++)
		h.servers[i].address = h.servers[i].sees = util_endpoint("[2001:db8:1111:2222:3333:4444:5555:6666]:65535");
	for (int i = 0; i < 200000; i++) {
		struct report_peer p = peer_of_all();
		int64_t *const times[] = {&p.state_ms, &p.doubt_ms, &p.trial_ms, &p.answered_ms, &p.unanswered_ms};

		p.state = (uint32_t)(util_random(&random) % (PATH_IDLE + 1));
		p.why = (uint32_t)(util_random(&random) % (PATH_WHY_CHANGED + 1));
		p.status = (uint32_t)(util_random(&random) % (LOOKUP_STATUSES + 1));
		p.trials = (uint32_t)(util_random(&random) % 5 == 0 ? UINT32_MAX : util_random(&random) % 5);
		p.is_registry = (uint32_t)(util_random(&random) % 2);
		p.is_asking = (uint32_t)(util_random(&random) % 2);
		p.handshake_s = util_random(&random) % 2;
		if (util_random(&random) % 2 == 0)
			p.published = p.tried = h.servers[0].sees;
		if (util_random(&random) % 8 == 0)
			p.tried.family = AF_UNSPEC;
		for (size_t k = 0; k < COUNT(times); k++)
			*times[k] = ages[util_random(&random) % COUNT(ages)];
		if (p.state_ms == REPORT_NEVER)
			p.state_ms = 0;
		h.mapping = (uint32_t)(util_random(&random) % (PATHS_MAPPING_EACH + 1));
		h.servers[0].through = (uint32_t)(util_random(&random) % (2 + PATH_IDLE));
		ck_hot(report_sentence(&h, &p, said) == said && strlen(said) > 10 && strlen(said) < REPORT_SENTENCE - 1);
		ck_hot(strpbrk(said, "\n%") == NULL && said[strlen(said) - 1] != ' ' && strstr(said, "  ") == NULL);
		ck_hot(strstr(said, "(none)") == NULL && strstr(said, "-1") == NULL && strstr(said, ": ;") == NULL);
	}
	ck_assert_int_eq(said[REPORT_SENTENCE], 'x');
}
END_TEST

/* ---- from paths to messages ---- */

#define NOW 1000000

static struct paths paths;
static struct wg_device dev;
static struct settings settings;
static struct report_daemon daemon = {.started_ms = NOW - 5000, .told_ms = PATH_NEVER, .port = 5354, .is_there = true, .is_up = true};
static union report_message m;

/* Nothing is done without a look at the device just before. */
static void look(int64_t now_ms)
{
	ck_assert_int_eq(paths_see(&paths, &dev, now_ms, 1800000001), 0);
}

static void setup(void)
{
	memset(&settings, 0, sizeof(settings));
	strcpy(settings.device, "wg0");
	settings.zone = util_name("wg.example.com");
	settings.keepalive_s = 25;
	settings.servers.at[0] = util_endpoint("10.0.0.1:53");
	settings.servers.at[1] = util_endpoint("203.0.113.99:53");
	settings.servers.len = 2;
	util_device(&dev, 0);
	util_add_peer(&dev, 1, "198.51.100.1:1001", "10.0.0.1/32")->last_handshake_s = 1800000000;
	util_add_peer(&dev, 2, NULL, "10.0.0.2/32");
	dev.peers[0].rx_bytes = 11;
	dev.peers[0].tx_bytes = 12;
	dev.peers[0].keepalive_s = 13;
	paths_init(&paths, 1, &settings.servers, NOW - 4000);
	look(NOW - 3000);
	memset(&m, 0xa5, sizeof(m));
}

static void teardown(void)
{
	paths_free(&paths);
	wgdev_free(&dev);
	memset(&dev, 0, sizeof(dev));
}

/* Takes the look-up of that number off the machine. */
static void ask(uint32_t number)
{
	struct paths_act a;

	look(NOW - 2000);
	while (!paths_is_open(&paths, number))
		ck_assert(paths_next(&paths, NOW - 2000, &a));
}

/* Whatever was known of a path: it does not lead anywhere now. */
START_TEST(of_a_device_that_is_down_no_path_is_direct)
{
	struct report_head h = head_of_all();
	struct report_peer p = peer_of_all();
	char said[REPORT_SENTENCE];

	h.is_up = 0;
	ck_assert_str_eq(report_sentence(&h, &p, said), "no packet passes: the device is down");
	h.is_there = 0; /* nothing is known of it */
	ck_assert_str_eq(report_sentence(&h, &p, said), "direct for 2 h");
}
END_TEST

START_TEST(the_head_says_how_the_host_is)
{
	struct endpoint at = util_endpoint("203.0.113.20:51820"), other = util_endpoint("203.0.113.20:1024");
	const struct report_head *h = &m.head;
	uint8_t key[KEY_LEN];

	util_key(0, key);
	report_head_fill(&settings, &paths, &daemon, NOW, &m.head);
	ck_assert_int_eq(report_judge(&m, sizeof(m.head)), REPORT_GOOD);
	ck_assert_str_eq(h->device, "wg0");
	ck_assert(name_equal(&h->zone, &settings.zone));
	ck_assert_mem_eq(h->key, key, KEY_LEN);
	ck_assert(h->is_there == 1 && h->is_up == 1 && h->servers_len == 2 && h->keepalive_s == 25 && h->port == 5354);
	ck_assert(h->running_ms == 5000 && h->told_ms == REPORT_NEVER && h->mapping == PATHS_MAPPING_UNKNOWN);
	ck_assert(h->servers[0].status == REPORT_UNASKED && h->servers[0].sees.family == AF_UNSPEC && h->servers[0].sees_ms == REPORT_NEVER);
	ck_assert(endpoint_equal(&h->servers[1].address, &settings.servers.at[1]));
	ck_assert_uint_eq(h->servers[0].through, 1 + PATH_DIRECT);
	ck_assert_uint_eq(h->servers[1].through, 0);

	ask(PATHS_OWN);
	ask(PATHS_OWN + 1);
	paths_answer(&paths, PATHS_OWN, LOOKUP_FOUND, &at, 10, NOW - 1000);
	paths_answer(&paths, PATHS_OWN + 1, LOOKUP_FOUND, &other, 10, NOW - 1000);
	daemon.told_ms = NOW - 7000;
	daemon.is_there = daemon.is_up = false;
	report_head_fill(&settings, &paths, &daemon, NOW, &m.head);
	daemon.told_ms = PATH_NEVER;
	daemon.is_there = daemon.is_up = true;
	ck_assert_int_eq(report_judge(&m, sizeof(m.head)), REPORT_GOOD);
	ck_assert(h->mapping == PATHS_MAPPING_EACH && h->told_ms == 7000 && h->is_there == 0 && h->is_up == 0 && h->servers[0].sees_ms == 1000);
	ck_assert(h->servers[0].status == LOOKUP_FOUND && endpoint_equal(&h->servers[0].sees, &at));
	ck_assert(endpoint_equal(&h->servers[1].sees, &other));

	/* No server, and a device without a key. */
	paths_forget(&paths);
	settings.servers.len = 0;
	paths_use(&paths, &settings.servers, NOW);
	report_head_fill(&settings, &paths, &daemon, NOW, &m.head);
	ck_assert_int_eq(report_judge(&m, sizeof(m.head)), REPORT_GOOD);
	ck_assert(h->servers_len == 1 && h->servers[0].address.family == AF_UNSPEC && key_is_zero(h->key));
}
END_TEST

START_TEST(a_peer_is_told_as_its_path_is)
{
	struct endpoint at = util_endpoint("203.0.113.7:51820");
	const struct report_peer *p = &m.peer;
	uint8_t key[KEY_LEN];
	struct paths_act a;

	util_key(1, key);
	ck_assert(report_peer_fill(&paths, 0, NOW, &m.peer));
	ck_assert_int_eq(report_judge(&m, sizeof(m.peer)), REPORT_GOOD);
	ck_assert_mem_eq(p->key, key, KEY_LEN);
	ck_assert(p->state == PATH_DIRECT && p->state_ms == 3000 && p->is_registry == 1 && p->trials == 0);
	ck_assert(p->rx_bytes == 11 && p->tx_bytes == 12 && p->keepalive_s == 13 && p->handshake_s == 1800000000);
	ck_assert(endpoint_equal(&p->endpoint, &dev.peers[0].endpoint) && endpoint_equal(&p->tried, &p->endpoint));
	ck_assert(p->status == REPORT_UNASKED && p->answered_ms == REPORT_NEVER && p->published.family == AF_UNSPEC);
	ck_assert(p->ask_ms == 0 && p->unanswered_ms == REPORT_NEVER && p->trial_ms == REPORT_NEVER);
	ck_assert(p->doubt_ms == REPORT_NEVER && p->is_asking == 0);

	ck_assert(p->allowed_len == dev.peers[0].allowed_len && p->allowed[0].family == dev.allowed[dev.peers[0].allowed_off].family);

	ck_assert(report_peer_fill(&paths, 1, NOW, &m.peer));
	ck_assert(p->state == PATH_LOOKING && p->handshake_s == 0 && p->is_registry == 0 && p->ask_ms == 0);
	ask(1);
	ck_assert(report_peer_fill(&paths, 1, NOW, &m.peer));
	ck_assert(p->is_asking == 1 && p->ask_ms == REPORT_NEVER);
	paths_answer(&paths, 1, LOOKUP_FOUND, &at, 10, NOW - 2000);
	ck_assert(report_peer_fill(&paths, 1, NOW, &m.peer));
	ck_assert(p->state == PATH_TRYING && p->trials == 0 && endpoint_equal(&p->tried, &at));
	ck_assert(p->status == LOOKUP_FOUND && p->answered_ms == 2000 && endpoint_equal(&p->published, &at) && p->ask_ms >= 8000);
	ck_assert(p->endpoint.family == AF_UNSPEC && p->trial_ms == REPORT_NEVER);
	look(NOW - 1000);
	do
		ck_assert(paths_next(&paths, NOW - 1000, &a));
	while (a.act.what != PATH_DO_MOVE);
	ck_assert(report_peer_fill(&paths, 1, NOW, &m.peer));
	ck_assert_int_eq(report_judge(&m, sizeof(m.peer)), REPORT_GOOD);
	ck_assert(p->trials == 1 && p->trial_ms == 1000 && endpoint_equal(&p->endpoint, &at));

	paths_suspect(&paths, 0, PATH_WHY_ADDRESS, NOW - 500);
	ck_assert(report_peer_fill(&paths, 0, NOW, &m.peer));
	ck_assert(p->state == PATH_PROBED && p->why == PATH_WHY_ADDRESS && p->doubt_ms == 500);
	ck_assert(!report_peer_fill(&paths, 2, NOW, &m.peer));
	paths_forget(&paths);
	ck_assert(!report_peer_fill(&paths, 0, NOW, &m.peer));
}
END_TEST

/* ---- what is no message ---- */

static void is_judged(enum report_verdict verdict, size_t len)
{
	ck_assert_int_eq(report_judge(&m, len), verdict);
}

#define BAD_HEAD(change)                                                                                     \
	do {                                                                                                 \
		m.head = good;                                                                               \
		is_judged(REPORT_GOOD, sizeof(good));                                                        \
		change;                                                                                      \
		is_judged(REPORT_BAD, sizeof(good));                                                         \
	} while (0)

START_TEST(a_head_is_judged)
{
	struct report_head good;

	report_head_fill(&settings, &paths, &daemon, NOW, &good);
	BAD_HEAD(m.magic ^= 0x100);
	BAD_HEAD(memset(m.head.device, 'x', sizeof(m.head.device)));
	BAD_HEAD(m.head.zone.len--);
	BAD_HEAD(m.head.zone.wire[0] = 64);
	BAD_HEAD(m.head.is_there = 2);
	BAD_HEAD(m.head.is_up = 2);
	BAD_HEAD(m.head.servers[0].sees_ms = -2);
	BAD_HEAD(m.head.servers_len = SETTINGS_SERVERS + 1);
	BAD_HEAD(m.head.servers[1].address.family = 3);
	BAD_HEAD(m.head.servers[1].sees.family = 3);
	BAD_HEAD(m.head.servers[1].status = REPORT_UNASKED + 1);
	BAD_HEAD(m.head.servers[1].through = 2 + PATH_IDLE);
	BAD_HEAD(m.head.mapping = PATHS_MAPPING_EACH + 1);
	BAD_HEAD(m.head.keepalive_s = 65536);
	BAD_HEAD(m.head.port = 65536);
	BAD_HEAD(m.head.running_ms = -1);
	BAD_HEAD(m.head.told_ms = -2);
	BAD_HEAD(m.head.running_ms = REPORT_AGE_MAX + 1);
	m.head = good;
	is_judged(REPORT_BAD, sizeof(good) - 1);
	is_judged(REPORT_BAD, sizeof(good) + 1);
	is_judged(REPORT_BAD, 4);
	is_judged(REPORT_BAD, 0);
	m.head.version++;
	is_judged(REPORT_OTHER_VERSION, sizeof(good));
	is_judged(REPORT_OTHER_VERSION, 8); /* whose head may have any size */
	is_judged(REPORT_BAD, 7);
}
END_TEST

#define BAD_PEER(change)                                                                                     \
	do {                                                                                                 \
		m.peer = good;                                                                               \
		is_judged(REPORT_GOOD, sizeof(good));                                                        \
		change;                                                                                      \
		is_judged(REPORT_BAD, sizeof(good));                                                         \
	} while (0)

START_TEST(a_peer_is_judged)
{
	struct report_peer good;

	ck_assert(report_peer_fill(&paths, 0, NOW, &good));
	BAD_PEER(m.magic = 0);
	BAD_PEER(m.peer.state = PATH_IDLE + 1);
	BAD_PEER(m.peer.why = PATH_WHY_CHANGED + 1);
	BAD_PEER(m.peer.status = REPORT_UNASKED + 1);
	BAD_PEER(m.peer.keepalive_s = 65536);
	BAD_PEER(m.peer.is_registry = 2);
	BAD_PEER(m.peer.is_asking = 2);
	BAD_PEER(m.peer.endpoint.family = 3);
	BAD_PEER(m.peer.allowed_len = PATHS_ALLOWED; m.peer.allowed[PATHS_ALLOWED - 1].family = 3);
	BAD_PEER(m.peer.allowed_len = 7; m.peer.allowed[0].cidr = 33);
	BAD_PEER(m.peer.published.family = 3);
	BAD_PEER(m.peer.tried.family = 3);
	BAD_PEER(m.peer.state_ms = -1);
	BAD_PEER(m.peer.doubt_ms = -2);
	BAD_PEER(m.peer.trial_ms = -2);
	BAD_PEER(m.peer.answered_ms = -2);
	BAD_PEER(m.peer.unanswered_ms = -2);
	BAD_PEER(m.peer.ask_ms = INT64_MIN);
	BAD_PEER(m.peer.state_ms = REPORT_AGE_MAX + 1);
	m.peer = good;
	is_judged(REPORT_BAD, sizeof(good) - 1);
	is_judged(REPORT_BAD, sizeof(good) + 1);
	m.end = (struct report_end){.magic = REPORT_END, .peers = REPORT_PEERS_MAX};
	is_judged(REPORT_GOOD, sizeof(m.end));
	is_judged(REPORT_BAD, sizeof(m.end) + 1);
	m.end.peers++;
	is_judged(REPORT_BAD, sizeof(m.end));
}
END_TEST

/* ---- places ---- */

START_TEST(a_directory_is_trusted_only_if_its_owner_alone_writes_there)
{
	static const struct {
		mode_t mode;
		uid_t uid;
		bool trusted;
	} cases[] = {
	    {S_IFDIR | 0755, 0, true}, {S_IFDIR | 0700, 7, true}, {S_IFDIR | 0755, 8, false}, {S_IFDIR | 0775, 0, false},
	    {S_IFDIR | 0757, 0, false}, {S_IFDIR | 01777, 0, false}, {S_IFLNK | 0755, 0, false}, {S_IFREG | 0755, 0, false},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct stat st = {.st_mode = cases[i].mode, .st_uid = cases[i].uid};

		ck_assert_msg(report_may_trust(&st, 7) == cases[i].trusted, "%zu", i);
	}
}
END_TEST

START_TEST(the_longest_name_has_a_place)
{
	char path[REPORT_PATH];

	report_path("abcdefghijklmno", "status", path);
	ck_assert_str_eq(path, "/run/wgmeet/abcdefghijklmno/status");
	report_path("wg0", "", path);
	ck_assert_str_eq(path, "/run/wgmeet/wg0");
}
END_TEST

Suite *suite_report(void)
{
	Suite *s = suite_create("report");
	TCase *t = tcase_create("sentences"), *m_case = tcase_create("messages");

	suite_add_tcase(s, t);
	tcase_add_loop_test(t, each_state_and_cause_has_its_sentence, 0, (int)COUNT(sentences));
	tcase_add_test(t, any_combination_is_a_sentence);
	suite_add_tcase(s, m_case);
	tcase_add_checked_fixture(m_case, setup, teardown);
	tcase_add_test(m_case, of_a_device_that_is_down_no_path_is_direct);
	tcase_add_test(m_case, the_head_says_how_the_host_is);
	tcase_add_test(m_case, a_peer_is_told_as_its_path_is);
	tcase_add_test(m_case, a_head_is_judged);
	tcase_add_test(m_case, a_peer_is_judged);
	tcase_add_test(m_case, a_directory_is_trusted_only_if_its_owner_alone_writes_there);
	tcase_add_test(m_case, the_longest_name_has_a_place);
	return s;
}
