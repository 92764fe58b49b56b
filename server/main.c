/* wgmeetd: parse, bind, fork, drop, loop.
 *
 *     main --fork--> worker x N    before anything secret was read
 *       `----------> observer      this process: the service manager knows its pid
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"
#include "config.h"
#include "log.h"
#include "observer.h"
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
	if (sandbox_has_net_admin())
		return;
	for (size_t i = 0; i < config->zones_len; i++)
		if (config->zones[i].device[0] != '\0' && !wgdev_uapi_exists(config->zones[i].device))
			diex("%s", source_capability_hint);
}

/* The state directory must be the observer's. An empty one of root's becomes it, and so does what an observer of another
 * name left in one; any other could be /tmp. */
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
		ours = ours && (e->d_name[0] == '.' || strstr(e->d_name, ".serial") != NULL);
	if (!ours)
		die_usage("StateDirectory = %s: it is another user's, and has other files: give one of its own (`install -d -o %u %s`)",
		    dir, (unsigned)user->uid, dir);
	rewinddir(d);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && fchownat(dirfd(d), e->d_name, user->uid, user->gid, AT_SYMLINK_NOFOLLOW) < 0)
			warn("%s/%s", dir, e->d_name);
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

static void start_workers(const struct config *config, const struct sandbox_user *user, struct observer_worker *workers)
{
	size_t n = config->server.workers, each = config->server.listen.len;
	struct listener *listeners = calloc(n * each, sizeof(*listeners));

	if (listeners == NULL)
		die("out of memory");
	listen_open(&config->server.listen, n, listeners);
	for (size_t i = 0; i < n; i++) {
		int channel[2];

		channel_pair(channel);
		/* A worker that is busy gets the newest snapshot when it goes on, and not all since then. */
		setsockopt(channel[0], SOL_SOCKET, SO_SNDBUF, &(int){1}, sizeof(int));
		workers[i] = (struct observer_worker){.channel = channel[0], .pid = fork()};
		if (workers[i].pid < 0)
			die("fork");
		if (workers[i].pid == 0) {
			/* Only its own sockets and its own end: a sister's channel must close when the observer does. */
			for (size_t j = 0; j <= i; j++)
				close(workers[j].channel);
			close_all(listeners, 0, i * each);
			close_all(listeners, (i + 1) * each, n * each);
			worker_run((unsigned)i, channel[1], listeners + i * each, each, config->zones_len, user);
		}
		close(channel[1]);
	}
	close_all(listeners, 0, n * each);
	free(listeners);
}

int main(int argc, char *argv[])
{
	static struct config config;
	static struct observer_worker workers[CONFIG_WORKERS];
	struct sandbox_user worker_user, observer_user;
	unsigned errors;

	log_init("wgmeetd", false);
	sandbox_start();
	errors = config_read(&config, argc, argv);
	if (errors > 0)
		die_usage("%u error%s, nothing done", errors, errors == 1 ? "" : "s");
	log_init("wgmeetd", config.server.verbose);
	if (config.check) {
		printf("the configuration is fine: %zu zone%s\n", config.zones_len, config.zones_len == 1 ? "" : "s");
		return EXIT_FINE;
	}
	check_capability(&config);
	if (config.print_zone) {
		sandbox_enter(role_of(&config), NULL, NULL);
		print_zones(&config);
		return EXIT_FINE;
	}
	worker_user = find_user(config.server.user, "user", sandbox_changes_user());
	observer_user = find_user(config.server.observer_user, "observer-user", geteuid() == 0);
	observer_user = observer_user_of(&config, observer_user);
	if (sandbox_changes_user() && (worker_user.uid == 0 || worker_user.uid == observer_user.uid))
		die_usage("the workers shall be neither root nor the observer's user (%u): name another with --user",
		    (unsigned)observer_user.uid);
	own_state(&config, &observer_user);
	start_workers(&config, &worker_user, workers);
	/* Not root, but allowed to change users: that is for the workers. */
	sandbox_enter(role_of(&config), geteuid() == 0 ? &observer_user : NULL,
	    *config.server.state_directory != '\0' ? config.server.state_directory : NULL);
	observer_run(&config, argc, argv, workers, config.server.workers);
	return EXIT_FINE;
}
