/* wgmeetd: parse, bind, fork, drop, loop.
 *
 *     main --fork--> worker x N    before anything secret was read
 *       `----------> observer      this process: the service manager knows its pid
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "binder.h"
#include "channel.h"
#include "config.h"
#include "init.h"
#include "log.h"
#include "metrics_server.h"
#include "observer.h"
#include "ready.h"
#include "sandbox.h"
#include "source.h"
#include "worker.h"
#include "zone.h"

static void print_zones(struct config *config)
{
	for (size_t i = 0; i < config->zones_len; i++) {
		struct zone zone = {0};
		int r;

		observer_read_once(config, &config->zones[i], &zone);
		r = zone_print(&zone, stdout);
		if (r < 0)
			diex("cannot print the zone: %s", strerror(-r));
		zone_free(&zone);
	}
}

static struct sandbox_user find_user(const char *name, const char *option, bool changes)
{
	struct sandbox_user user = {.uid = geteuid(), .gid = getegid()};

	if (changes && !sandbox_find_user(name, &user))
		die_usage("there is no user %s: `useradd --system --no-create-home --shell /usr/sbin/nologin %s`, or name "
		          "another with --%s (a number will do)", name, name, option);
	return user;
}

/* A userspace device's socket is for its owner alone, who is root, mostly. Then the observer becomes that user; of root's
 * powers it keeps none but CAP_NET_ADMIN all the same, but root's files are its own. */
static struct sandbox_user observer_user_of(const struct config *config, struct sandbox_user user)
{
	if (geteuid() != 0) /* it cannot become another one; see source_started_as() */
		return user;
	for (size_t i = 0; i < config->zones_len; i++) {
		struct sandbox_user owner;

		if (config->zones[i].device[0] == '\0' || !wgdev_uapi_owner(config->zones[i].device, &owner.uid, &owner.gid) ||
		    owner.uid == user.uid)
			continue;
		info("the socket of device %s is for user %u alone: so the observer is that user", config->zones[i].device,
		    (unsigned)owner.uid);
		return owner;
	}
	return user;
}

static enum sandbox_role role_of(const struct config *config)
{
	for (size_t i = 0; i < config->zones_len; i++)
		if (config->zones[i].device[0] != '\0')
			return SANDBOX_OBSERVER;
	return SANDBOX_READER;
}

static void check_capability(const struct config *config)
{
	if (sandbox_has(CAP_NET_ADMIN))
		return;
	for (size_t i = 0; i < config->zones_len; i++)
		if (config->zones[i].device[0] != '\0' && !wgdev_uapi_exists(config->zones[i].device))
			diex("%s", source_capability_hint);
}

/* The state directory must be the observer's. An empty one of root's becomes it, and so does one where an observer of another
 * name left its files, which are replaced in time; any other could be /tmp. */
static void own_state(const struct config *config, const struct sandbox_user *user)
{
	const char *dir = config->server.state_directory;
	struct dirent *e;
	struct stat st;
	bool ours = true;
	DIR *d;

	if (*dir == '\0')
		return;
	d = opendir(dir);
	if (d == NULL)
		die_usage("StateDirectory = %s: %s; make it, or leave the option out", dir, strerror(errno));
	if (fstat(dirfd(d), &st) < 0)
		die("%s", dir);
	if (geteuid() != 0 || st.st_uid == user->uid) {
		closedir(d);
		return;
	}
	while ((e = readdir(d)) != NULL)
		ours = ours && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strstr(e->d_name, ".serial") != NULL);
	if (!ours)
		die_usage("StateDirectory = %s: it is another user's, and has other files: give one of its own (`install -d -o %u %s`)",
		    dir, (unsigned)user->uid, dir);
	if (fchown(dirfd(d), user->uid, user->gid) < 0)
		warn("%s: cannot give it to the observer", dir);
	closedir(d);
}

static void close_all(const struct listener *listeners, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		close(listeners[i].udp);
		close(listeners[i].tcp);
	}
}

/* Only what is its own: a sister's channel must close when the observer does, and her counters are hers. */
static void leave_sisters(const struct observer_children *children, size_t workers)
{
	for (size_t i = 0; i < workers; i++) {
		close(children->workers[i].channel);
		munmap(children->workers[i].counters, sizeof(struct counters));
	}
}

static struct counters *make_counters(void)
{
	void *at = mmap(NULL, sizeof(struct counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static void start_binder(const struct config *config, const struct sandbox_user *user, const struct listener *listeners,
    struct observer_children *children)
{
	size_t each = config->server.listen.len;
	bool wanted = false;
	int channel[2];

	children->binder.channel = -1;
	for (size_t i = 0; i < each; i++) {
		wanted |= listeners[i].device[0] != '\0';
		if (listeners[i].device[0] != '\0' && !sandbox_has(CAP_NET_RAW))
			diex("Listen = %%%s needs CAP_NET_RAW, to follow the device when it is made anew: run as root, or grant it "
			     "(AmbientCapabilities=CAP_NET_RAW in a systemd unit), or listen on an address", listeners[i].device);
	}
	if (!wanted)
		return;
	channel_pair(channel);
	children->binder = (struct observer_child){.channel = channel[0], .pid = fork()};
	if (children->binder.pid < 0)
		die("fork");
	if (children->binder.pid == 0) {
		leave_sisters(children, children->workers_len);
		close(channel[0]);
		binder_run(channel[1], listeners, children->workers_len, each, user);
	}
	close(channel[1]);
}

static void start_children(struct config *config, const struct sandbox_user *user, struct observer_children *children)
{
	size_t n = config->server.workers, each = config->server.listen.len;
	struct listener *listeners = calloc(n * each, sizeof(*listeners));

	if (listeners == NULL)
		die("out of memory");
	listen_open(&config->server.listen, n, listeners);
	for (size_t i = 0; i < n; i++) {
		struct counters *counters = make_counters();
		int channel[2];

		channel_pair(channel);
		/* A worker that is busy gets the newest snapshot when it goes on, and not all since then. */
		setsockopt(channel[0], SOL_SOCKET, SO_SNDBUF, &(int){1}, sizeof(int));
		children->workers[i] = (struct observer_child){.channel = channel[0], .counters = counters, .pid = fork()};
		if (children->workers[i].pid < 0)
			die("fork");
		if (children->workers[i].pid == 0) {
			leave_sisters(children, i);
			close(channel[0]);
			close_all(listeners, 0, i * each);
			close_all(listeners, (i + 1) * each, n * each);
			worker_run((unsigned)i, channel[1], listeners + i * each, each, config->zones_len, user, counters);
		}
		close(channel[1]);
		if (mprotect(counters, sizeof(*counters), PROT_READ) < 0) /* of this process alone */
			die("mprotect");
	}
	children->workers_len = n;
	start_binder(config, user, listeners, children);
	close_all(listeners, 0, n * each);
	free(listeners);
}

int main(int argc, char *argv[])
{
	static struct config config;
	static struct observer_children children;
	struct sandbox_user worker_user, observer_user, metrics_user;
	unsigned errors;

	log_init("wgmeetd", false);
	sandbox_start();
	if (init_is_wanted(argc, argv))
		return init_main(argc, argv);
	errors = config_read(&config, NULL, argc, argv);
	if (errors > 0)
		die_usage("%u error%s, nothing done", errors, errors == 1 ? "" : "s");
	log_init("wgmeetd", config.server.verbose);
	if (config.check) {
		printf("the configuration is fine: %zu zone%s\n", config.zones_len, config.zones_len == 1 ? "" : "s");
		return EXIT_FINE;
	}
	if (config.print_metrics)
		return metrics_server_print(&config.server, config.output);
	check_capability(&config);
	source_started_as(geteuid());
	if (config.print_zone) {
		sandbox_enter(role_of(&config), NULL, NULL);
		print_zones(&config);
		return EXIT_FINE;
	}
	worker_user = find_user(config.server.user, "user", sandbox_changes_user());
	observer_user = find_user(config.server.observer_user, "observer-user", geteuid() == 0);
	metrics_user.gid = observer_user.gid; /* a userspace device changes the user, but not who may have metrics */
	observer_user = observer_user_of(&config, observer_user);
	metrics_user.uid = observer_user.uid;
	if (sandbox_changes_user() && (worker_user.uid == 0 || worker_user.uid == observer_user.uid))
		die_usage("the workers shall be neither root nor the observer's user (%u): name another with --user",
		    (unsigned)observer_user.uid);
	own_state(&config, &observer_user);
	start_children(&config, &worker_user, &children);
	ready_open();
	metrics_server_open(&config.server, &metrics_user);
	/* Not root, but allowed to change users: that is for the workers. */
	sandbox_enter(role_of(&config), geteuid() == 0 ? &observer_user : NULL,
	    *config.server.state_directory != '\0' ? config.server.state_directory : NULL);
	observer_run(&config, argc, argv, &children);
	return EXIT_FINE;
}
