/* load: the generator of a benchmark, and what decides whose turn it is.
 *
 *     load dump PEERS [PORT_SHIFT]          a device of that many peers, as `wg show DEV dump` prints it
 *     load wait ADDR:PORT PEERS SECONDS     until a name server gives a right answer
 *     load run OPTION... SERVER...          the rounds; see rounds.h for what is printed
 *
 * A SERVER is NAME,server|reflector,ADDR:PORT,PID[+PID...]: all its processes. Reflectors answer with as many octets as the
 * first that is none. A wrong answer ends the run with status 1.
 */
#include <arpa/inet.h>
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "endpoint.h"
#include "peers.h"
#include "rounds.h"

#define WAIT_US 20000

static double number(const char *text, double min, double max, const char *what)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || v < min || v > max)
		errx(2, "%s: %s is not from %g to %g", what, text, min, max);
	return v;
}

static void set_address(struct server *s, const char *text)
{
	struct sockaddr_storage sa;
	struct endpoint ep;

	if (!endpoint_from_text(text, 0, &ep) || ep.family != AF_INET)
		errx(2, "%s: no IPv4 address with a port", text);
	endpoint_to_sockaddr(&ep, &sa);
	memcpy(&s->at, &sa, sizeof(s->at));
}

static void add_server(struct rounds *r, char *text)
{
	struct server *s = &r->server[r->servers_len++];
	char *field[4], *pid;

	if (r->servers_len > ROUNDS_SERVERS)
		errx(2, "more than %d servers", ROUNDS_SERVERS);
	for (size_t i = 0; i < 4; i++) {
		field[i] = strsep(&text, ",");
		if (field[i] == NULL)
			errx(2, "a server is NAME,server|reflector,ADDR:PORT,PID[+PID...]");
	}
	if (strlen(field[0]) >= sizeof(s->name))
		errx(2, "%s: too long a name", field[0]);
	strcpy(s->name, field[0]);
	s->is_reflector = strcmp(field[1], "reflector") == 0;
	set_address(s, field[2]);
	while ((pid = strsep(&field[3], "+")) != NULL)
		cost_add_process(&s->processes, (pid_t)number(pid, 1, 1 << 30, "a process id"));
	slice_open_sockets(s);
}

static void choose_kinds(struct rounds *r, char *list)
{
	char *one;

	memset(r->kind, 0, sizeof(r->kind));
	while ((one = strsep(&list, ",")) != NULL) {
		size_t k = 0;

		while (k < QUESTION_KINDS && strcmp(one, question_kinds[k].name) != 0)
			k++;
		if (k == QUESTION_KINDS)
			errx(2, "no kind of question: %s", one);
		r->kind[k] = true;
	}
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {{"peers", 1, NULL, 'p'}, {"rounds", 1, NULL, 'r'},
	    {"cpu-s", 1, NULL, 'c'}, {"slice-s", 1, NULL, 's'}, {"latency-s", 1, NULL, 'l'}, {"window", 1, NULL, 'w'},
	    {"kinds", 1, NULL, 'k'}, {0}};
	static struct rounds r = {.rounds = 15, .cpu_s = 5, .slice_s = 0.25, .latency_s = 0.04,
	    .window = SLICE_WINDOW, .kind = {true, true, true, true, true, true}};
	int c;

	r.out = stdout;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			r.peers = (uint32_t)number(optarg, 1, PEERS_MAX, "--peers");
			break;
		case 'r':
			r.rounds = (unsigned)number(optarg, 1, 10000, "--rounds");
			break;
		case 'c':
			r.cpu_s = number(optarg, 0.001, 1000, "--cpu-s");
			break;
		case 's':
			r.slice_s = number(optarg, 0.001, 100, "--slice-s");
			break;
		case 'l':
			r.latency_s = number(optarg, 0, 100, "--latency-s");
			break;
		case 'w':
			r.window = (unsigned)number(optarg, SLICE_SOCKETS, 64 * SLICE_SOCKETS, "--window");
			break;
		case 'k':
			choose_kinds(&r, optarg);
			break;
		default:
			return 2;
		}
	}
	if (r.peers == 0 || optind == argc)
		errx(2, "--peers and servers are needed");
	peers_init(r.peers);
	question_init();
	while (optind < argc)
		add_server(&r, argv[optind++]);
	rounds_run(&r);
	return 0;
}

static int wait_for(const char *address, uint32_t peers, double seconds)
{
	struct server s = {.name = "the server"};
	uint64_t end_ns = cost_now_ns() + (uint64_t)(seconds * 1e9);
	const char *why;

	set_address(&s, address);
	peers_init(peers);
	question_init();
	slice_open_sockets(&s);
	while (slice_ask_one(&s, &question_kinds[0], &why) == 0) {
		if (cost_now_ns() > end_ns)
			errx(1, "%s does not answer: %s", address, why);
		usleep(WAIT_US);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "run") == 0)
		return run(argc - 1, argv + 1);
	if (strcmp(verb, "dump") == 0 && (argc == 3 || argc == 4)) {
		peers_dump(stdout, (uint32_t)number(argv[2], 1, PEERS_MAX, "PEERS"),
		    argc == 4 ? (uint16_t)number(argv[3], 0, 65535, "PORT_SHIFT") : 0);
		return 0;
	}
	if (strcmp(verb, "wait") == 0 && argc == 5)
		return wait_for(argv[2], (uint32_t)number(argv[3], 1, PEERS_MAX, "PEERS"), number(argv[4], 0, 3600, "SECONDS"));
	errx(2, "usage: load dump PEERS [PORT_SHIFT] | wait ADDR:PORT PEERS SECONDS | run OPTION... SERVER...");
}
