/* teller DEVICE: answers wgmeet status as wgmeet run would, of paths that it plays: alice is direct, and the registry; bob was tried in
 * vain at 192.0.2.2:1002; carol is not in the zone; dora is idle. Keys are names, filled up with blanks.
 *
 * SIGUSR1: carol appears at 192.0.2.3:1003, and is tried. SIGUSR2: the device goes, with all peers but in what is told of it. Prints
 * "ready"; ends on SIGTERM.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "reporter.h"
#include "sandbox.h"

#define AGO_MS 50000 /* when all of it began */

static struct paths paths;
static struct wg_device dev;
static struct settings settings;
static struct report_daemon life = {.told_ms = PATH_NEVER, .port = 5354, .is_there = true, .is_up = true};

static struct endpoint at(const char *text)
{
	struct endpoint ep;

	if (!endpoint_from_text(text, 0, &ep))
		diex("%s", text);
	return ep;
}

static void key_of(const char *name, uint8_t key[KEY_LEN])
{
	char text[KEY_LEN + 1];

	snprintf(text, sizeof(text), "%-32s", name);
	memcpy(key, text, KEY_LEN);
}

static struct wg_peer *add(const char *name, uint64_t handshake_s, const char *allowed)
{
	struct wg_allowedip ip;
	struct wg_peer *peer;
	uint8_t key[KEY_LEN];

	key_of(name, key);
	peer = wgdev_add_peer(&dev, key);
	if (peer == NULL || !allowedip_from_text(allowed, &ip) || wgdev_add_allowedip(&dev, &ip) < 0)
		diex("%s", name);
	peer->last_handshake_s = handshake_s;
	return peer;
}

/* What the zone has. */
static void answer(uint32_t number, const char *carol, int64_t now_ms)
{
	const char *text = number >= PATHS_OWN ? "203.0.113.20:51820" : *paths_key(&paths, number) == 'b' ? "192.0.2.2:1002" : carol;
	struct endpoint ep = {0};

	if (text != NULL)
		ep = at(text);
	paths_answer(&paths, number, text != NULL ? LOOKUP_FOUND : LOOKUP_NOT_IN_ZONE, &ep, 10, now_ms);
}

static void act(const char *carol, int64_t now_ms, uint64_t wall_s)
{
	struct paths_act a;

	paths_see(&paths, &dev, now_ms, wall_s); /* without a look at the device nothing is done */
	while (paths_next(&paths, now_ms, &a)) {
		if (a.act.what == PATH_DO_ASK)
			answer(a.number, carol, now_ms);
		if (a.act.what == PATH_DO_MOVE)
			for (size_t i = 0; i < dev.peers_len; i++)
				if (memcmp(dev.peers[i].public_key, paths_key(&paths, a.number), KEY_LEN) == 0)
					dev.peers[i].endpoint = a.act.to;
	}
}

static void play(const char *device)
{
	uint64_t wall_s = (uint64_t)time(NULL);
	int64_t begun_ms = clock_ms(CLOCK_BOOTTIME) - AGO_MS;

	snprintf(settings.device, sizeof(settings.device), "%s", device);
	name_from_text("wg.test", &settings.zone);
	settings.servers.at[0] = at("10.9.0.1:53");
	settings.servers.len = 1;
	life.started_ms = begun_ms;
	key_of("self", dev.public_key);
	dev.has_public_key = true;
	add("alice", wall_s - 60, "10.9.0.1/32")->endpoint = at("192.0.2.1:1001");
	add("bob", 0, "10.9.0.2/32");
	add("carol", 0, "10.9.0.3/32")->tx_bytes = 1240;
	add("dora", wall_s - 3 * 86400, "10.9.0.4/32")->endpoint = at("[2001:db8::4]:1004");
	paths_init(&paths, 1, &settings.servers, begun_ms);
	act(NULL, begun_ms, wall_s - AGO_MS / 1000);
	paths_see(&paths, &dev, begun_ms + PATH_TRIAL_MS + 1, wall_s - AGO_MS / 1000 + 7);
}

static void on_signal(uint32_t signal, struct reporter *r)
{
	uint8_t carol[KEY_LEN];

	key_of("carol", carol);
	if (signal == SIGUSR1) {
		paths_tell(&paths, carol, clock_ms(CLOCK_BOOTTIME));
		act("192.0.2.3:1003", clock_ms(CLOCK_BOOTTIME), (uint64_t)time(NULL));
	} else {
		life.is_there = false;
	}
	reporter_changed(r);
}

static int signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		die("signalfd");
	return fd;
}

int main(int argc, char *argv[])
{
	static struct reporter r;
	struct pollfd p[REPORTER_FDS + 1];
	struct signalfd_siginfo si;
	int fd = signals();

	log_init("teller", false);
	if (argc != 2)
		die_usage("usage: teller DEVICE");
	play(argv[1]);
	reporter_open(&r, argv[1]);
	sandbox_enter(SANDBOX_KEEPER, NULL, reporter_directory(&r));
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct report_head head;
		size_t n = reporter_fill(&r, p);
		int64_t now = clock_ms(CLOCK_BOOTTIME), wakes = reporter_wakes_at(&r);

		p[n] = (struct pollfd){.fd = fd, .events = POLLIN};
		poll(p, n + 1, wakes == PATH_NEVER ? -1 : wakes > now ? (int)(wakes - now) : 0);
		if (p[n].revents != 0 && read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
			if (si.ssi_signo == SIGTERM)
				break;
			on_signal(si.ssi_signo, &r);
		}
		report_head_fill(&settings, &paths, &life, clock_ms(CLOCK_BOOTTIME), &head);
		reporter_serve(&r, p, &paths, &head, clock_ms(CLOCK_BOOTTIME));
	}
	reporter_close(&r);
	return EXIT_FINE;
}
