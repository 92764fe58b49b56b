#include "records.h"
#include "util.h"

#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wgdev_uapi.h"

uint64_t util_random(uint64_t *state)
{
	*state ^= *state << 13; /* Marsaglia's xorshift */
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void util_key(uint64_t n, uint8_t out[KEY_LEN])
{
	uint64_t state = n * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i < KEY_LEN; i++)
		out[i] = (uint8_t)(util_random(&state) >> 24);
}

/* ---- from text ---- */

struct endpoint util_endpoint(const char *text)
{
	struct endpoint ep;

	ck_assert_msg(endpoint_from_text(text, 0, &ep) || endpoint_addr_from_text(text, &ep), "%s", text);
	return ep;
}

struct wg_allowedip util_allowedip(const char *text)
{
	struct wg_allowedip ip;

	ck_assert_msg(allowedip_from_text(text, &ip), "%s", text);
	return ip;
}

struct name util_name(const char *text)
{
	struct name name;

	ck_assert_msg(name_from_text(text, &name), "%s", text);
	return name;
}

struct wg_peer *util_add_peer(struct wg_device *dev, uint64_t n, const char *endpoint, const char *allowed)
{
	uint8_t key[KEY_LEN];
	struct wg_peer *peer;

	util_key(n, key);
	peer = wgdev_add_peer(dev, key);
	ck_assert_ptr_nonnull(peer);
	if (endpoint != NULL)
		peer->endpoint = util_endpoint(endpoint);
	while (allowed != NULL && *allowed != '\0') {
		size_t len = strcspn(allowed, ",");
		struct wg_allowedip ip;
		char one[64];

		ck_assert_uint_lt(len, sizeof(one));
		memcpy(one, allowed, len);
		one[len] = '\0';
		ip = util_allowedip(one);
		ck_assert_int_eq(wgdev_add_allowedip(dev, &ip), 0);
		allowed += len + (allowed[len] == ',');
	}
	return peer;
}

void util_device(struct wg_device *dev, size_t peers)
{
	wgdev_reset(dev);
	snprintf(dev->name, sizeof(dev->name), "wg0");
	dev->listen_port = 51820;
	dev->has_public_key = true;
	util_key(0, dev->public_key);
	for (size_t n = 1; n <= peers; n++) {
		unsigned a = (unsigned)(n >> 16 & 255), b = (unsigned)(n >> 8 & 255), c = (unsigned)(n & 255);
		char ep[64], allowed[160];

		if (n % 3 == 0)
			snprintf(ep, sizeof(ep), "[2001:db8:%x::%x]:%u", a + 1, b << 8 | c, 1024 + c);
		else
			snprintf(ep, sizeof(ep), "198.%u.%u.%u:%u", 18 + a % 2, b, c, 1024 + c);
		snprintf(allowed, sizeof(allowed), "10.%u.%u.%u/32%s%s", a, b, c, n % 4 > 0 ? ",fd00:77::/64" : "",
		    n % 4 > 1 ? ",172.16.0.0/12" : "");
		util_add_peer(dev, n, ep, allowed);
	}
}

void util_zone_conf(struct zone_conf *conf, const char *name)
{
	struct name_server *ns = &conf->name_servers.at[0];

	memset(conf, 0, sizeof(*conf));
	conf->name = util_name(name);
	snprintf(conf->device, sizeof(conf->device), "wg0");
	snprintf(conf->family, sizeof(conf->family), "wireguard");
	conf->ttl_s = 10;
	conf->list_max = RECORDS_LIST_MAX;
	conf->padded_names = true;
	ck_assert(name_prepend("ns1", 3, &conf->name, &ns->name));
	ns->addrs[ns->addrs_len++] = util_endpoint("192.0.2.1");
	conf->name_servers.len = 1;
}

/* ---- bytes ---- */

bool util_has_bytes(const void *in, size_t in_len, const void *bytes, size_t len)
{
	return memmem(in, in_len, bytes, len) != NULL;
}

const char *util_hex(const void *bytes, size_t len)
{
	static char text[4][1024];
	static unsigned next;
	char *out = text[next++ % 4];

	*out = '\0';
	for (size_t i = 0; i < len && 2 * i + 3 <= sizeof(text[0]); i++)
		sprintf(out + 2 * i, "%02x", ((const uint8_t *)bytes)[i]);
	return out;
}

/* ---- files ---- */

void util_tmpdir(char path[64])
{
	const char *in = getenv("TMPDIR");

	ck_assert_int_lt(snprintf(path, 64, "%s/unit.XXXXXX", in != NULL ? in : "/tmp"), 64);
	ck_assert_msg(mkdtemp(path) != NULL, "mkdtemp: %s", strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

bool util_remove(const char *path)
{
	return nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0;
}

void util_rmdir(const char *path)
{
	ck_assert(util_remove(path));
}

void util_write_file(const char *path, const void *bytes, size_t len)
{
	FILE *fp = fopen(path, "we");

	ck_assert_msg(fp != NULL, "%s: %s", path, strerror(errno));
	ck_assert_uint_eq(fwrite(bytes, 1, len, fp), len);
	ck_assert_int_eq(fclose(fp), 0);
}

/* ---- standard error ---- */

static int real_stderr = -1;

void util_stderr_begin(void)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	fflush(stderr);
	real_stderr = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
	close(fd);
}

void util_stderr_end(char *text, size_t cap)
{
	ssize_t n;

	fflush(stderr);
	n = pread(STDERR_FILENO, text, cap - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
}

/* ---- child processes ---- */

int util_child(void (*fn)(void *), void *arg, char *err, size_t err_cap)
{
	int out = memfd_create("child", MFD_CLOEXEC), status = -1;
	ssize_t n;
	pid_t pid;

	ck_assert_int_ge(out, 0);
	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(out, STDERR_FILENO);
		alarm(20);
		fn(arg);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (err != NULL) {
		n = pread(out, err, err_cap - 1, 0);
		err[n > 0 ? n : 0] = '\0';
	}
	close(out);
	return status;
}

void util_in_child(const char *name, void (*fn)(void *), void *arg)
{
	char err[4096];
	int status = util_child(fn, arg, err, sizeof(err));

	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIP) {
		err[strcspn(err, "\n")] = '\0';
		util_skip(name, err);
		return;
	}
	if (WIFSIGNALED(status))
		ck_abort_msg("killed by signal %d: %s", WTERMSIG(status), err);
	ck_assert_msg(WEXITSTATUS(status) == 0, "exit status %d: %s", WEXITSTATUS(status), err);
}

void util_child_failed(const char *file, int line, const char *what)
{
	int err = errno;

	fprintf(stderr, "%s:%d: %s (errno: %s)\n", file, line, what, strerror(err));
	fflush(stderr);
	_exit(99);
}

void util_child_skip(const char *why)
{
	fprintf(stderr, "%s\n", why);
	fflush(stderr);
	_exit(CHILD_SKIP);
}

void util_skip(const char *name, const char *why)
{
	printf("SKIP %s: %s\n", name, why);
	fflush(stdout);
	if (getenv("CI") != NULL && geteuid() == 0)
		ck_abort_msg("root skips nothing where CI is set");
}

/* ---- a userspace WireGuard's socket ---- */

void util_private_run(void)
{
	if (geteuid() != 0)
		util_child_skip("needs root, for a mount namespace");
	if (unshare(CLONE_NEWNS) < 0)
		util_child_skip("a mount namespace is not allowed here");
	CHILD_CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHILD_CHECK(mount("none", "/var/run/", "tmpfs", 0, NULL) == 0);
	CHILD_CHECK(mkdir(WGDEV_UAPI_DIR, 0755) == 0);
}

int util_uapi_listen(const char *name)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHILD_CHECK(fd >= 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), WGDEV_UAPI_DIR "/%.15s.sock", name);
	unlink(sun.sun_path);
	CHILD_CHECK(bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 && listen(fd, 1) == 0);
	return fd;
}
