/* judge conf DIR SEED [extra] prints the zones' part of the server's configuration
 * judge run [OPTION...]       plays the zones' sources, asks, and judges every answer:
 *     --dir DIR          where the files and the kernel's socket are
 *     --observer UID     who is to read the sources
 *     --server A:P       an address of the server; may be given twice
 *     --seed N           of all that is random here
 *     --answers N        ends when so many have been compared,
 *     --seconds S        and not before so much time has passed;
 *     --at-most S        with exit status 1 if that takes longer than this
 *     --rate N           questions a second; 0: as fast as it gets
 *     --bound-ms N       how old an answer may be, besides the server's pause between two looks
 *     --outage-ms N      how long there may be no answer
 *     --small-udp        over UDP the server leaves out what is longer than four times the question
 *     --clock FILE       the server's clock (shim.c): it is stepped now and then
 *     --memory FILE      the server's memory (shim_memory.c)
 *     --no-faults        the sources change, but are not at fault
 *
 * Standard input tells what others do to the server, a line before it is done (or, of what ends, after):
 *     begin (it serves: ask), up, gone, shuffle, settle, disk full, disk ok, extra comes, extra is there, extra leaves,
 *     extra is gone, memory observer|worker PID ONE-IN, note KIND, end
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "sources.h"

#define EVENTS 64
#define DAY_S  86400
#define CLOCK_FROM_US 3000000 /* between two steps */
#define CLOCK_TO_US   9000000

static int epoll;
static bool begun, ended;
static volatile int64_t *clock_off_s, *shortage;
static int64_t clock_us;

/* ---- the loop's parts ---- */

void watch_add(struct watch *w, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	w->fd = fd;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		err(2, "epoll_ctl");
}

void watch_change(struct watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (epoll_ctl(epoll, EPOLL_CTL_MOD, w->fd, &ev) < 0)
		err(2, "epoll_ctl");
}

void watch_close(struct watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

/* ---- what others do ---- */

static struct model_zone *optional_zone(void)
{
	for (size_t i = 0; i < MODEL_ZONES; i++)
		if (model_zones[i].optional)
			return &model_zones[i];
	return NULL;
}

/* A worker that is short of memory is no excuse for anything but an outage. */
static void on_shortage(bool observer, long pid, long one_in)
{
	static bool unread;

	if (unread != (observer && one_in > 0)) {
		unread = !unread;
		question_unsafe(unread);
		model_shortage(unread);
	}
	shortage[0] = pid;
	shortage[1] = one_in;
}

static void on_line(const char *line)
{
	char who[16];
	long pid, one_in;

	note_event(line);
	if (strcmp(line, "begin") == 0) {
		begun = true;
	} else if (strcmp(line, "up") == 0) {
		question_server_up();
		load_shuffle(false);
	} else if (strcmp(line, "gone") == 0) {
		load_forget();
		question_server_gone();
	} else if (strcmp(line, "shuffle") == 0 || strcmp(line, "settle") == 0) {
		load_shuffle(strcmp(line, "shuffle") == 0);
	} else if (strncmp(line, "disk ", 5) == 0) {
		question_unsafe(strcmp(line, "disk full") == 0);
	} else if (strcmp(line, "extra leaves") == 0 || strcmp(line, "extra is there") == 0) {
		model_refusal(optional_zone(), strcmp(line, "extra leaves") == 0);
	} else if (strcmp(line, "extra is gone") == 0 || strcmp(line, "extra comes") == 0) {
		model_removal(optional_zone(), strcmp(line, "extra is gone") == 0);
		load_unsee();
		question_zone_comes((size_t)(optional_zone() - model_zones));
	} else if (shortage != NULL && sscanf(line, "memory %15s %ld %ld", who, &pid, &one_in) == 3) {
		on_shortage(strcmp(who, "observer") == 0, pid, one_in);
	} else if (strncmp(line, "note ", 5) == 0) {
		note(line + 5);
	} else if (strcmp(line, "end") == 0) {
		ended = true;
	} else {
		errx(2, "\"%s\": what is that?", line);
	}
}

static void read_lines(void)
{
	static char buf[4096];
	static size_t have;
	ssize_t n = read(STDIN_FILENO, buf + have, sizeof(buf) - 1 - have);
	char *nl;

	if (n <= 0)
		return;
	have += (size_t)n;
	buf[have] = '\0';
	while ((nl = strchr(buf, '\n')) != NULL) {
		*nl = '\0';
		on_line(buf);
		have -= (size_t)(nl + 1 - buf);
		memmove(buf, nl + 1, have + 1);
	}
}

/* ---- the clock ---- */

/* What the server has a mapping of, too. */
static volatile int64_t *open_page(const char *path, size_t numbers)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	void *p;

	if (fd < 0 || ftruncate(fd, (off_t)(numbers * sizeof(int64_t))) < 0)
		err(2, "%s", path);
	p = mmap(NULL, numbers * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		err(2, "mmap");
	close(fd);
	return p;
}

static void clock_tick(void)
{
	static const char *const kinds[] = {"clock: a day back", "clock: right", "clock: a day ahead"};
	int64_t days;

	if (clock_off_s == NULL || model_now_us() < clock_us)
		return;
	days = (int64_t)model_between(0, 2) - 1;
	note(kinds[days + 1]);
	note_event(kinds[days + 1]);
	*clock_off_s = days * DAY_S;
	clock_us = model_now_us() + (int64_t)model_between(CLOCK_FROM_US, CLOCK_TO_US);
}

/* ---- the run ---- */

struct run {
	const char *dir, *clock, *memory;
	uid_t observer;
	struct endpoint servers[2];
	size_t servers_len;
	uint64_t seed;
	unsigned long answers, outage_ms;
	int64_t seconds, at_most_s;
	unsigned rate_s;
	bool faults;
};

static void serve(void)
{
	struct epoll_event events[EVENTS];
	int n;

	read_lines();
	sources_tick();
	n = epoll_wait(epoll, events, EVENTS, 1);
	if (n < 0 && errno != EINTR)
		err(2, "epoll_wait");
	for (int i = 0; i < n; i++) {
		struct watch *w = events[i].data.ptr;

		if (w->fd >= 0) /* it may be gone since the event was fetched */
			w->on_event(w, events[i].events);
	}
}

static void loop(const struct run *run)
{
	int64_t started_us = model_now_us(), past_us = 0;

	while (!ended && past_us < run->at_most_s * 1000000 &&
	    (load_result.answered < run->answers || past_us < run->seconds * 1000000)) {
		clock_tick();
		load_tick();
		serve();
		past_us = model_now_us() - started_us;
	}
}

static int finish(const struct run *run, int64_t took_us)
{
	const struct load_result *r = &load_result;
	unsigned long outage_us = run->outage_ms * 1000;
	bool enough = r->answered >= run->answers, in_time = (unsigned long)r->longest_us <= outage_us &&
	    (unsigned long)r->longest_one_us <= outage_us;

	question_print();
	printf("versions:");
	for (size_t i = 0; i < MODEL_ZONES; i++)
		printf(" %u of %s%s", model_zones[i].version, model_zones[i].text, i + 1 < MODEL_ZONES ? "," : "\n");
	printf("what was done to the server and its sources:\n");
	notes_print();
	load_print();
	printf("%.1f s, %.0f answers a second; %.0f in a second of processor time\n", (double)took_us / 1e6,
	    (double)r->answered * 1e6 / (double)took_us, (double)r->answered * CLOCKS_PER_SEC / (double)clock());
	if (r->wrong > 0)
		printf("not ok - %lu mismatches\n", r->wrong);
	if (!in_time)
		printf("not ok - an outage of more than %lu ms\n", run->outage_ms);
	if (!enough)
		printf("not ok - %lu answers, and not %lu\n", r->answered, run->answers);
	return r->wrong == 0 && in_time && enough ? 0 : 1;
}

static int run_all(const struct run *run)
{
	int64_t started_us;
	int status;

	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0 || fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) < 0)
		err(2, "epoll or fcntl");
	model_init(run->seed);
	sources_start(run->dir, run->observer, run->faults);
	model_refusal(optional_zone(), true);
	model_removal(optional_zone(), true);
	if (run->clock != NULL)
		clock_off_s = open_page(run->clock, 1);
	if (run->memory != NULL)
		shortage = open_page(run->memory, 2);
	clock_us = model_now_us() + (int64_t)model_between(CLOCK_FROM_US, CLOCK_TO_US);
	printf("ready\n");
	fflush(stdout);
	while (!begun && !ended)
		serve();
	load_start(run->servers, run->servers_len, run->rate_s, read_lines);
	started_us = model_now_us();
	loop(run);
	status = finish(run, model_now_us() - started_us);
	fflush(stdout);
	return status;
}

static void print_conf(const char *dir, bool extra)
{
	char key[KEY_BASE64 + 1];

	for (size_t i = 0; i < MODEL_ZONES; i++) {
		const struct model_zone *z = &model_zones[i];

		if (z->optional && !extra)
			continue;
		printf("[Zone]\nName = %s\nTTL = %u\nPaddedNames = %s\n%s", z->text, MODEL_TTL_S, z->padded ? "yes" : "no",
		    z->more != NULL ? z->more : "");
		printf("NameServer = ns1.%s 192.0.2.53 2001:db8::53 192.0.2.54\nNameServer = ns2.%s 192.0.2.55\n", z->text, z->text);
		if (z->device != NULL)
			printf("Device = %s\n", z->device);
		else
			printf("DumpFile = %s/%s.dump\n", dir, z->text);
		for (size_t n = 0; z->named && n < MODEL_NAMED; n++) {
			char label[64];

			printf("[Peer]\nPublicKey = %s\nName = %s\n", key_text(z->keys[n], key), model_listed_label(z, n, label));
		}
	}
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0')
		errx(2, "%s: no number", text);
	return n;
}

static void read_option(struct run *run, int option, const char *value)
{
	switch (option) {
	case 'd':
		run->dir = value;
		break;
	case 'u':
		run->observer = (uid_t)number(value);
		break;
	case 's':
		if (run->servers_len == 2 || !endpoint_from_text(value, 0, &run->servers[run->servers_len++]))
			errx(2, "%s: no address, or one too many", value);
		break;
	case 'r':
		run->seed = number(value);
		break;
	case 'a':
		run->answers = number(value);
		break;
	case 't':
		run->seconds = (int64_t)number(value);
		break;
	case 'T':
		run->at_most_s = (int64_t)number(value);
		break;
	case 'n':
		run->rate_s = (unsigned)number(value);
		break;
	case 'b':
		model_bound_us = (int64_t)number(value) * 1000;
		break;
	case 'o':
		run->outage_ms = number(value);
		break;
	case 'c':
		run->clock = value;
		break;
	case 'm':
		run->memory = value;
		break;
	case 'S':
		question_small_udp = true;
		break;
	case 'f':
		run->faults = false;
		break;
	default:
		errx(2, "usage: see judge.c");
	}
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"dir", 1, NULL, 'd'}, {"observer", 1, NULL, 'u'}, {"server", 1, NULL, 's'},
	    {"seed", 1, NULL, 'r'}, {"answers", 1, NULL, 'a'}, {"seconds", 1, NULL, 't'}, {"at-most", 1, NULL, 'T'},
	    {"rate", 1, NULL, 'n'}, {"bound-ms", 1, NULL, 'b'}, {"outage-ms", 1, NULL, 'o'}, {"clock", 1, NULL, 'c'},
	    {"memory", 1, NULL, 'm'},
	    {"no-faults", 0, NULL, 'f'}, {"small-udp", 0, NULL, 'S'}, {0}};
	struct run run = {.answers = 100000, .at_most_s = 600, .outage_ms = 3000, .faults = true};
	int option;

	if (argc >= 4 && strcmp(argv[1], "conf") == 0) {
		model_init(number(argv[3]));
		print_conf(argv[2], argc > 4);
		return 0;
	}
	if (argc < 2 || strcmp(argv[1], "run") != 0)
		errx(2, "usage: see judge.c");
	while ((option = getopt_long(argc - 1, argv + 1, "", options, NULL)) >= 0)
		read_option(&run, option, optarg);
	if (run.dir == NULL || run.servers_len == 0)
		errx(2, "--dir and --server are needed");
	return run_all(&run);
}
