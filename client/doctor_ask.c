#include "doctor_ask.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "dns.h"
#include "doctor_reply.h"
#include "log.h"
#include "sandbox.h"

#define ENOUGH_MS  45000  /* whoever names servers that do not answer ends no more than the looking; each question takes 14 s at most */
#define SILENCE_MS 120000 /* outside */
#define PARENTS    3      /* name servers of the zone above that are looked at */
#define ADDRESSES  4      /* of each */
#define DNS_PORT   53

#define TYPE_A    1
#define TYPE_NS   2
#define TYPE_SOA  6
#define TYPE_AAAA 28

/* ---- inside the process ---- */

struct asker {
	struct settings settings;
	struct dns *dns;
	int epoll, channel, socket_channel;
	size_t asking;
	struct doctor_dns found;
	size_t resolver; /* of the system's: one that answers */
	int64_t enough_ms;
};

/* A question, and what came of it, for whoever asked. */
struct question {
	struct asker *a;
	struct doctor_answer soa;
	/* of NS and addresses */
	const struct name *owner;
	struct name *names;
	struct endpoint *addresses;
	size_t len, cap;
};

static int on_socket(int fd, bool udp, void *data)
{
	struct asker *a = data;
	struct pollfd p = {.fd = a->socket_channel, .events = POLLIN};
	struct socket_wish wish = {0};

	(void)udp;
	if (a->settings.fwmark == 0)
		return 0;
	if (channel_send(a->socket_channel, &wish, sizeof(wish), fd) < 0 || poll(&p, 1, -1) < 0 ||
	    channel_recv(a->socket_channel, &wish, sizeof(wish), NULL) <= 0)
		return -1;
	return wish.room;
}

static void wait_all(struct asker *a)
{
	struct epoll_event events[16];

	while (a->asking > 0) {
		int n = epoll_wait(a->epoll, events, sizeof(events) / sizeof(*events), dns_timeout_ms(a->dns));

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++)
			dns_process(a->dns, events[i].data.u64, events[i].events);
		dns_continue(a->dns);
	}
}

static void on_soa(void *arg, enum lookup_status status, const uint8_t *msg, size_t len)
{
	struct question *q = arg;

	q->a->asking--;
	doctor_reply_soa(status, msg, len, &q->soa);
}

static void on_ns(void *arg, enum lookup_status status, const uint8_t *msg, size_t len)
{
	struct question *q = arg;

	on_soa(q, status, msg, len);
	q->len = doctor_reply_ns(msg, len, q->owner, q->names, q->cap);
	/* A delegation's name servers come with their addresses, if they are within the zone. */
	for (size_t i = 0; q->addresses != NULL && i < q->len; i++)
		if (doctor_reply_addresses(msg, len, &q->names[i], DNS_PORT, &q->addresses[i], 1) == 0)
			q->addresses[i].family = AF_UNSPEC;
}

static void on_address(void *arg, enum lookup_status status, const uint8_t *msg, size_t len)
{
	struct question *q = arg;

	(void)status;
	q->a->asking--;
	q->len += doctor_reply_addresses(msg, len, q->owner, DNS_PORT, q->addresses + q->len, q->cap - q->len);
}

static bool is_enough(const struct asker *a)
{
	return clock_ms(CLOCK_MONOTONIC) >= a->enough_ms;
}

static void ask(struct question *q, size_t server, const struct name *name, uint16_t type, bool tcp, dns_fn *fn)
{
	q->a->asking++;
	dns_query(q->a->dns, server, name, type, tcp, fn, q);
}

/* For the zone's SOA, all of them at once, over UDP and TCP. */
static void ask_servers(struct asker *a, const struct server_list *list, struct doctor_server *out[], bool tcp)
{
	static struct question udp_questions[SETTINGS_SERVERS], tcp_questions[SETTINGS_SERVERS];

	for (size_t i = 0; i < list->len; i++) {
		udp_questions[i] = tcp_questions[i] = (struct question){.a = a, .soa.status = DOCTOR_UNASKED};
		ask(&udp_questions[i], i, &a->settings.zone, TYPE_SOA, false, on_soa);
		if (tcp)
			ask(&tcp_questions[i], i, &a->settings.zone, TYPE_SOA, true, on_soa);
	}
	wait_all(a);
	for (size_t i = 0; i < list->len; i++)
		*out[i] = (struct doctor_server){.udp = udp_questions[i].soa, .tcp = tcp_questions[i].soa};
}

/* ---- the delegation ---- */

/* By the system's resolver. */
static size_t find_addresses(struct asker *a, const struct name *name, struct endpoint *out, size_t cap)
{
	struct question q = {.a = a, .owner = name, .addresses = out, .cap = cap};

	ask(&q, a->resolver, name, TYPE_A, false, on_address);
	ask(&q, a->resolver, name, TYPE_AAAA, false, on_address);
	wait_all(a);
	return q.len;
}

static size_t find_ns(struct asker *a, size_t server, const struct name *zone, struct name *names, struct endpoint *glue, size_t cap,
    struct doctor_answer *soa)
{
	struct question q = {.a = a, .owner = zone, .names = names, .addresses = glue, .cap = cap};

	ask(&q, server, zone, TYPE_NS, false, on_ns);
	wait_all(a);
	*soa = q.soa;
	return q.len;
}

/* The name servers of the zone above. */
static void find_parents(struct asker *a, struct server_list *out)
{
	struct name above, names[PARENTS];
	struct doctor_answer soa;
	size_t n;
	struct question q = {.a = a};

	*out = (struct server_list){0};
	if (!name_parent(&a->settings.zone, &above))
		return;
	/* The name above may be an ordinary one: the answer then has the SOA of its zone. */
	ask(&q, a->resolver, &above, TYPE_SOA, false, on_soa);
	wait_all(a);
	if (q.soa.apex.len == 0 || !name_is_within(&above, &q.soa.apex))
		return;
	a->found.parent = q.soa.apex;
	n = find_ns(a, a->resolver, &a->found.parent, names, NULL, PARENTS, &soa);
	for (size_t i = 0; i < n && out->len + ADDRESSES <= SETTINGS_SERVERS && !is_enough(a); i++)
		out->len += find_addresses(a, &names[i], out->at + out->len, ADDRESSES);
}

/* What a server of the zone above says; or else the resolver. Returns how many name servers. */
static size_t find_delegation(struct asker *a, const struct server_list *parents, struct name *names, struct endpoint *glue)
{
	struct doctor_answer soa;
	size_t n = 0;

	a->found.delegation = DELEGATION_UNKNOWN;
	if (parents->len > 0)
		dns_use(a->dns, parents);
	for (size_t i = 0; i < parents->len && a->found.delegation == DELEGATION_UNKNOWN && !is_enough(a); i++) {
		n = find_ns(a, i, &a->settings.zone, names, glue, DOCTOR_NAMESERVERS, &soa);
		if (n > 0)
			a->found.delegation = DELEGATION_THERE;
		else if (soa.status == LOOKUP_NOT_IN_ZONE && soa.is_authoritative)
			a->found.delegation = DELEGATION_MISSING;
	}
	if (parents->len > 0)
		dns_use(a->dns, &a->settings.servers);
	if (a->found.delegation != DELEGATION_UNKNOWN || is_enough(a))
		return n;
	n = find_ns(a, a->resolver, &a->settings.zone, names, glue, DOCTOR_NAMESERVERS, &soa);
	if (n > 0)
		a->found.delegation = DELEGATION_THERE;
	return n;
}

static void add_nameserver(struct asker *a, const struct name *name, const struct endpoint *address)
{
	static const struct doctor_server unasked = {.udp.status = DOCTOR_UNASKED, .tcp.status = DOCTOR_UNASKED};

	if (a->found.nameservers_len < DOCTOR_NAMESERVERS)
		a->found.nameservers[a->found.nameservers_len++] =
		    (struct doctor_nameserver){.name = *name, .address = *address, .says = unasked};
}

static void look_at_delegation(struct asker *a)
{
	static const struct endpoint none;
	struct name names[DOCTOR_NAMESERVERS];
	struct endpoint glue[DOCTOR_NAMESERVERS], found[ADDRESSES];
	struct doctor_server *says[DOCTOR_NAMESERVERS];
	struct server_list parents, list = {0};
	size_t n;

	find_parents(a, &parents);
	n = find_delegation(a, &parents, names, glue);
	for (size_t i = 0; i < n && !is_enough(a); i++) {
		size_t k = glue[i].family != AF_UNSPEC ? 1 : find_addresses(a, &names[i], found, ADDRESSES);

		if (glue[i].family != AF_UNSPEC)
			found[0] = glue[i];
		if (k == 0)
			add_nameserver(a, &names[i], &none);
		for (size_t m = 0; m < k; m++)
			add_nameserver(a, &names[i], &found[m]);
	}
	for (uint32_t i = 0; i < a->found.nameservers_len; i++) {
		if (a->found.nameservers[i].address.family == AF_UNSPEC)
			continue;
		says[list.len] = &a->found.nameservers[i].says;
		list.at[list.len++] = a->found.nameservers[i].address;
	}
	if (list.len == 0 || is_enough(a))
		return;
	dns_use(a->dns, &list);
	ask_servers(a, &list, says, true);
}

static void look(struct asker *a, bool system_servers)
{
	struct doctor_server *says[SETTINGS_SERVERS];
	size_t n = a->settings.servers.len;

	for (size_t i = 0; i < SETTINGS_SERVERS; i++)
		says[i] = &a->found.servers[i];
	ask_servers(a, &a->settings.servers, says, !system_servers);
	while (a->resolver < n && (says[a->resolver]->udp.status == LOOKUP_NO_ANSWER || says[a->resolver]->udp.status == LOOKUP_UNREACHABLE))
		a->resolver++;
	/* Without a resolver nothing more can be found out. */
	if (system_servers && a->resolver < n)
		look_at_delegation(a);
}

_Noreturn static void run(struct asker *a, bool system_servers, const struct sandbox_user *user)
{
	log_name("wgmeet: resolver");
	a->enough_ms = clock_ms(CLOCK_MONOTONIC) + ENOUGH_MS;
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (a->epoll < 0)
		die("epoll_create1");
	a->dns = dns_open(&a->settings, a->epoll, on_socket, a);
	sandbox_enter(SANDBOX_RESOLVER, user, NULL);
	look(a, system_servers);
	_exit(channel_send(a->channel, &a->found, sizeof(a->found), -1) == 0 ? EXIT_FINE : EXIT_WRONG);
}

/* ---- outside ---- */

void doctor_ask_start(const struct settings *settings, bool system_servers, const struct resolver *sister, struct doctor_asker *out)
{
	struct sandbox_user user = {0};
	int channel[2], sockets[2], control[2];

	if (sandbox_changes_user() && !sandbox_find_user(settings->user, &user))
		die_usage("there is no user %s for the resolver: name another with --user (a number will do)", settings->user);
	channel_pair(channel);
	channel_pair(sockets);
	channel_pair(control);
	out->process = (struct resolver){.channel = channel[0], .socket_channel = sockets[0], .control = control[0],
	    .fwmark = settings->fwmark, .pid = fork()};
	if (out->process.pid < 0)
		die("fork");
	if (out->process.pid == 0) {
		struct asker *a = calloc(1, sizeof(*a));

		if (a == NULL)
			die("out of memory");
		close(channel[0]);
		close(sockets[0]);
		close(control[0]);
		close(sister->channel);
		close(sister->socket_channel);
		close(sister->control);
		a->settings = *settings;
		a->channel = channel[1];
		a->socket_channel = sockets[1];
		run(a, system_servers, &user);
	}
	close(channel[1]);
	close(sockets[1]);
	close(control[1]);
}

static bool is_name(const struct name *name)
{
	return name->len == 0 || name_is_sound(name->wire, name->len);
}

static bool is_answer(const struct doctor_answer *a)
{
	return a->status <= DOCTOR_UNASKED && is_name(&a->apex);
}

static bool is_server(const struct doctor_server *s)
{
	return is_answer(&s->udp) && is_answer(&s->tcp);
}

bool doctor_dns_is_sound(const struct doctor_dns *dns, size_t servers)
{
	bool sound = dns->delegation < DELEGATIONS && dns->nameservers_len <= DOCTOR_NAMESERVERS && is_name(&dns->parent);

	for (size_t i = 0; sound && i < servers; i++)
		sound = is_server(&dns->servers[i]);
	for (size_t i = 0; sound && i < dns->nameservers_len; i++) {
		const struct doctor_nameserver *n = &dns->nameservers[i];

		sound = n->name.len != 0 && is_name(&n->name) && is_server(&n->says) &&
		    (n->address.family == AF_UNSPEC || endpoint_is_reachable(&n->address));
	}
	return sound;
}

void doctor_ask_wait(struct doctor_asker *a, const struct settings *settings, struct doctor_dns *out)
{
	struct resolver *r = &a->process;
	int64_t until_ms = clock_ms(CLOCK_MONOTONIC) + SILENCE_MS;
	int got;

	while ((got = channel_recv(r->channel, out, sizeof(*out), NULL)) == -EAGAIN) {
		struct pollfd p[2] = {{.fd = r->channel, .events = POLLIN}, {.fd = r->socket_channel, .events = POLLIN}};
		int64_t left_ms = until_ms - clock_ms(CLOCK_MONOTONIC);

		if (left_ms <= 0)
			diex("the resolver says nothing: this is a bug");
		if (poll(p, 2, (int)left_ms) < 0) {
			if (errno != EINTR)
				die("poll");
			continue;
		}
		/* Its end is told by the other channel, behind what it said. */
		if (p[1].revents != 0 && !resolver_serve(r) && (p[0].revents & (POLLIN | POLLHUP)) == 0)
			diex("the resolver is gone");
	}
	if (got <= 0)
		diex("the resolver is gone");
	if (!doctor_dns_is_sound(out, settings->servers.len))
		diex("the resolver says what it was not asked: this is a bug");
	resolver_stop(r);
}
