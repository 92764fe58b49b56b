/* wgdev_kernel against the kernel's WireGuard, with wg(8) as the judge. Runs as root where the kernel has WireGuard
 * (run.sh), in a network namespace of its own; exit 77 where it has not.
 *
 * To start a process takes long in a virtual machine without KVM. Hence the three large devices, which are made
 * once for all tests, and one wg(8) for each look at a device instead of one for each field.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "programs.h"
#include "sent.h"
#include "wgdev_kernel.h"
#include "wgshow.h"

#define TEST_TIMEOUT_S 60

static struct wgdev_kernel *kernel;
static struct wg_device dev; /* of the last dump */

/* ---- devices ---- */

/* As good as a public key of a real peer, as long as nothing is to be said to it. */
static const uint8_t *peer_key(unsigned device, unsigned peer)
{
	static uint8_t key[KEY_LEN];

	memset(key, 0x55, sizeof(key));
	memcpy(key, &peer, sizeof(peer));
	memcpy(key + 8, &device, sizeof(device));
	return key;
}

static char *peer_text(unsigned device, unsigned peer)
{
	return b64(peer_key(device, peer));
}

static const uint8_t secret[KEY_LEN] = "\x08" "a private key, known by sight\x40";
static const uint8_t shared[KEY_LEN] = "a preshared key, known by sight";

static void put_allowed(FILE *f, unsigned n, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		fprintf(f, i == 0 ? "AllowedIPs = " : ", ");
		if (i < 256)
			fprintf(f, "10.%u.%u.%u/32", n >> 8, n & 255, i);
		else
			fprintf(f, "172.16.%u.%u/32", i >> 8, i & 255);
		fprintf(f, ", fd00:%x:%x::/%u", n, i, 64 + i % 64);
	}
	fprintf(f, "\n");
}

/* Endpoints of every kind in turn. One peer in the middle has 500 allowed IPs, the next 3,000, more than a message
 * of the kernel holds: a peer that goes on in the next one. */
static char *peers_config(unsigned device, unsigned peers)
{
	size_t len;
	char *out;
	FILE *f = open_memstream(&out, &len);

	for (unsigned i = 0; i < peers; i++) {
		fprintf(f, "[Peer]\nPublicKey = %s\n", peer_text(device, i));
		if (i % 5 == 0)
			fprintf(f, "Endpoint = 198.51.%u.%u:%u\n", i >> 8, i & 255, 1024 + i);
		else if (i % 5 == 1)
			fprintf(f, "Endpoint = [2001:db8::%x]:%u\n", i + 1, 1024 + i);
		else if (i % 5 == 2)
			fprintf(f, "Endpoint = [fe80::%x%%cable0]:%u\n", i + 1, 1024 + i);
		if (i % 3 == 0)
			fprintf(f, "PersistentKeepalive = %u\n", 1 + i);
		if (i % 7 == 0)
			fprintf(f, "PresharedKey = %s\n", b64(shared));
		if (i % 8 != 7)
			put_allowed(f, i, i == peers / 2 ? 250 : i == peers / 2 + 1 && peers > 1 ? 1500 : 1);
	}
	fclose(f);
	return out;
}

/* A device that is down: it has nothing to say to whatever its endpoints are. */
static void make_device(const char *name, unsigned device, unsigned peers)
{
	char *config = peers_config(device, peers);

	IP(text("link add %s type wireguard\n", name));
	RUN(config, "wg", "setconf", name, "/dev/stdin");
	free(config);
}

static void make_devices(void)
{
	alarm(TEST_TIMEOUT_S);
	IP("link set lo up\nlink add cable0 type veth peer name cable1\nlink set cable0 up\nlink set cable1 up\n");
	for (unsigned i = 1, peers = 1; i <= 3; i++, peers = i == 2 ? 1000 : 10000)
		make_device(text("wg%u", i), i, peers);
	RUN(b64(secret), "wg", "set", "wg2", "private-key", "/dev/stdin", "listen-port", "5182", "fwmark", "0x77");
}

static void assert_dump_right(const char *name)
{
	ck_assert_int_eq(wgdev_kernel_dump(kernel, name, &dev), 0);
	ck_assert_str_eq(dev.name, name);
	ck_assert_uint_eq(dev.ifindex, if_nametoindex(name));
	assert_shown(&dev, WG("show", name, "dump"));
}

/* ---- dumps ---- */

START_TEST(dump_is_what_wg_shows)
{
	static const size_t peers[] = {1, 1000, 10000};
	unsigned dumps = wgdev_kernel_dumps(kernel);
	double start, used;

	assert_dump_right(text("wg%d", _i));
	ck_assert_uint_eq(dev.peers_len, peers[_i - 1]);
	ck_assert_uint_eq(wgdev_kernel_dumps(kernel), dumps + 1);
	ck_assert(dev.has_public_key == (_i == 2));
	ck_assert_uint_eq(dev.peers[dev.peers_len / 2].allowed_len, 500);
	if (_i > 1)
		ck_assert_uint_eq(dev.peers[dev.peers_len / 2 + 1].allowed_len, 3000);
	if (_i < 3)
		return;
	start = seconds(CLOCK_PROCESS_CPUTIME_ID);
	ck_assert_int_eq(wgdev_kernel_dump(kernel, "wg3", &dev), 0);
	used = seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
	WG("show", "wg3", "dump");
	printf("# CPU time of a dump of 10,000 peers: %.0f ms, of `wg show dump`: %.0f ms\n", used * 1e3,
	    (double)(run_usage.ru_utime.tv_sec + run_usage.ru_stime.tv_sec) * 1e3 +
		(double)(run_usage.ru_utime.tv_usec + run_usage.ru_stime.tv_usec) / 1e3);
}
END_TEST

/* The kernel keeps a mapped address as it was given; DNS publishes it as A. */
START_TEST(mapped_endpoint_is_ipv4)
{
	struct endpoint want = {.family = AF_INET, .addr = {192, 0, 2, 7}, .port = 7};

	WG("set", "wg1", "peer", peer_text(1, 0), "endpoint", "[::ffff:192.0.2.7]:7");
	ck_assert_int_eq(wgdev_kernel_dump(kernel, "wg1", &dev), 0);
	ck_assert(endpoint_equal(&dev.peers[0].endpoint, &want));
}
END_TEST

static const unsigned intr_at[] = {1, 2, 5};

START_TEST(interrupted_dump_is_repeated)
{
	unsigned dumps = wgdev_kernel_dumps(kernel);

	wgdev_kernel_inject_intr(kernel, intr_at[_i]);
	assert_dump_right("wg2");
	ck_assert_uint_eq(wgdev_kernel_dumps(kernel), dumps + 2);
}
END_TEST

/* Another process changes the device as fast as it can: whatever the dump says then, it is no mixture. */
START_TEST(dump_of_changing_device)
{
	unsigned interrupted = 0, dumps = wgdev_kernel_dumps(kernel);
	double end = seconds(CLOCK_MONOTONIC) + 10;
	struct endpoint ep = {.family = AF_INET, .addr = {192, 0, 2, 9}, .port = 9};
	struct wgdev_kernel *other;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(TEST_TIMEOUT_S);
		if (wgdev_kernel_open(WGDEV_KERNEL_FAMILY, &other) < 0)
			_exit(1);
		while (wgdev_kernel_set_endpoint(other, "wg2", peer_key(2, 3), &ep) == 0)
			;
		_exit(2);
	}
	do {
		int r = wgdev_kernel_dump(kernel, "wg2", &dev);

		ck_assert_msg(r == 0 || r == -EINTR, "%d", r);
		ck_assert(r < 0 || dev.peers_len == 1000);
		interrupted = wgdev_kernel_dumps(kernel) - ++dumps;
	} while (interrupted == 0 && seconds(CLOCK_MONOTONIC) < end);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert_msg(interrupted > 0, "no dump was interrupted: nothing was tested");
	assert_dump_right("wg2");
}
END_TEST

/* ---- changes ---- */

/* `wg showconf`, which has all of the device's settings, secrets included, with the peer's endpoint replaced. */
static char *with_endpoint(char *conf, const char *key, const char *endpoint)
{
	char *out = keep(strlen(conf) + 128), *end = out, *line;
	bool here = false;

	while ((line = strsep(&conf, "\n")) != NULL) {
		if (strncmp(line, "PublicKey = ", 12) == 0)
			here = strcmp(line + 12, key) == 0;
		if (here && strncmp(line, "Endpoint = ", 11) == 0)
			end += sprintf(end, "Endpoint = %s\n", endpoint);
		else
			end += sprintf(end, conf != NULL ? "%s\n" : "%s", line);
	}
	return out;
}

/* The peer has each kind of endpoint before, and every secret and setting that there is. */
static const struct {
	unsigned peer;
	const char *endpoint;
} changes[] = {
    {0, "203.0.113.5:4000"}, {0, "[2001:db8:5::5]:4001"}, {0, "[fe80::5%cable0]:4002"}, {0, "198.51.100.1:1"},
    {21, "203.0.113.6:65535"}, {42, "[fe80::6%cable1]:4003"}, {501, "192.0.2.1:4004"}, {999, "[2001:db8::7]:4005"},
};

START_TEST(set_endpoint)
{
	const uint8_t *key = peer_key(2, changes[_i].peer);
	const char *key_b64 = b64(key);
	struct endpoint ep;
	char *want;

	ck_assert(endpoint_from_text(changes[_i].endpoint, 0, &ep));
	if (changes[_i].peer % 5 > 2) /* it has no line to be replaced */
		WG("set", "wg2", "peer", key_b64, "endpoint", "192.0.2.99:9");
	want = with_endpoint(WG("showconf", "wg2"), key_b64, changes[_i].endpoint);
	ck_assert_ptr_nonnull(strstr(want, "PrivateKey = "));
	ck_assert_ptr_nonnull(strstr(want, changes[_i].endpoint));
	ck_assert_int_eq(wgdev_kernel_set_endpoint(kernel, "wg2", key, &ep), 0);
	ck_assert_msg(strcmp(WG("showconf", "wg2"), want) == 0, "%s", changes[_i].endpoint);
	ck_assert_ptr_nonnull(
	    strstr(WG("show", "wg2", "endpoints"), text("%s\t%s\n", key_b64, changes[_i].endpoint)));
}
END_TEST

START_TEST(removed_peer_stays_removed)
{
	struct endpoint ep = {.family = AF_INET, .addr = {203, 0, 113, 5}, .port = 5};
	char *left;

	assert_dump_right("wg2");
	ck_assert_ptr_nonnull(wgdev_find_peer(&dev, peer_key(2, 100)));
	WG("set", "wg2", "peer", peer_text(2, 100), "remove");
	left = WG("showconf", "wg2");
	ck_assert_int_eq(wgdev_kernel_set_endpoint(kernel, "wg2", peer_key(2, 100), &ep), 0);
	ck_assert_int_eq(wgdev_kernel_kick(kernel, "wg2", peer_key(2, 100), 25), 0);
	ck_assert(strcmp(WG("showconf", "wg2"), left) == 0);
	ck_assert_int_eq(wgdev_kernel_dump(kernel, "wg2", &dev), 0);
	ck_assert_ptr_null(wgdev_find_peer(&dev, peer_key(2, 100)));
	make_device("wg4", 4, 1);
	IP("link del wg4\n");
	ck_assert_int_eq(wgdev_kernel_set_endpoint(kernel, "wg4", peer_key(4, 0), &ep), -ENODEV);
}
END_TEST

/* ---- what is sent ---- */

#define KEY_3  "0300000055555555020000005555555555555555555555555555555555555555"
#define UPDATE " flags=04000000" /* WGPEER_F_UPDATE_ONLY */

static const struct {
	const char *endpoint, *attr;
} encodings[] = {
    {"192.0.2.1:4660", "02001234c00002010000000000000000"},
    {"[2001:db8::1]:4660", "0a0012340000000020010db800000000000000000000000100000000"},
    {"[fe80::1%7]:4660", "0a00123400000000fe80000000000000000000000000000107000000"},
};

START_TEST(message_sets_endpoint_only)
{
	uint8_t buf[1024];
	struct endpoint ep;
	size_t len;

	ck_assert(endpoint_from_text(encodings[_i].endpoint, 0, &ep));
	len = wgdev_kernel_build_endpoint(buf, sizeof(buf), 21, 5, "wg2", peer_key(2, 3), &ep);
	ck_assert_str_eq(message_text(buf, len),
	    text(" ifname=77673200 peers { peer { key=%s" UPDATE " endpoint=%s } }", KEY_3, encodings[_i].attr));
	ck_assert_uint_eq(((struct nlmsghdr *)buf)->nlmsg_type, 21);
	ck_assert_uint_eq(((struct nlmsghdr *)buf)->nlmsg_seq, 5);
	ck_assert_uint_eq(wgdev_kernel_build_endpoint(buf, 16, 21, 5, "wg2", peer_key(2, 3), &ep), 0);
}
END_TEST

#define KICK                                                                                                 \
	" ifname=77673200 peers { peer { key=" KEY_3 UPDATE " keepalive=0000 }"                                 \
	" peer { key=" KEY_3 UPDATE " keepalive=1900 } }"

START_TEST(message_kicks_only)
{
	uint8_t buf[1024];
	size_t len = wgdev_kernel_build_kick(buf, sizeof(buf), 21, 5, "wg2", peer_key(2, 3), 25);

	ck_assert_str_eq(message_text(buf, len), KICK);
	ck_assert_uint_eq(wgdev_kernel_build_kick(buf, 16, 21, 5, "wg2", peer_key(2, 3), 25), 0);
}
END_TEST

START_TEST(no_secret_on_the_wire)
{
	static uint8_t buf[65536];
	struct endpoint ep = {.family = AF_INET, .addr = {192, 0, 2, 1}, .port = 4660};
	struct genlmsghdr *genl = (struct genlmsghdr *)(buf + NLMSG_HDRLEN);
	int fd = tap_open();
	size_t len;

	ck_assert_int_eq(wgdev_kernel_dump(kernel, "wg2", &dev), 0);
	ck_assert_int_eq(wgdev_kernel_set_endpoint(kernel, "wg2", peer_key(2, 3), &ep), 0);
	ck_assert_int_eq(wgdev_kernel_kick(kernel, "wg2", peer_key(2, 3), 25), 0);
	len = tap_read(fd, buf, sizeof(buf));
	ck_assert_uint_eq(len, NLMSG_HDRLEN + GENL_HDRLEN + sizeof(struct nlattr) + sizeof("wg2"));
	ck_assert_uint_eq(genl->cmd, WG_CMD_GET_DEVICE);
	len = tap_read(fd, buf, sizeof(buf));
	ck_assert_str_eq(message_text(buf, len),
	    text(" ifname=77673200 peers { peer { key=%s" UPDATE " endpoint=%s } }", KEY_3, encodings[0].attr));
	len = tap_read(fd, buf, sizeof(buf));
	ck_assert_str_eq(message_text(buf, len), KICK);
	ck_assert_uint_eq(tap_read(fd, buf, sizeof(buf)), 0);

	/* Control: it would have been seen, though not its value: the kernel wipes that in the message itself. */
	RUN(b64(secret), "wg", "set", "wg2", "private-key", "/dev/stdin", "listen-port", "5182", "fwmark", "0x77");
	len = tap_read(fd, buf, sizeof(buf));
	ck_assert_ptr_nonnull(strstr(message_text(buf, len), " private_key="));
	ck_assert_ptr_nonnull(strstr(message_text(buf, len), " port="));
	ck_assert_ptr_nonnull(strstr(message_text(buf, len), " fwmark="));
	close(fd);
	IP("link del tap0\n");
}
END_TEST

/* ---- kicks ---- */

static int here; /* our network namespace */

/* wga here and wgb in another namespace, up, with a cable between them. wga knows where wgb is not. */
static int make_pair(uint8_t key_b[KEY_LEN])
{
	char *pub_a, *pub_b;
	int there;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	there = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	IP("link add wgb type wireguard\nlink set wgb up\n");
	RUN("GCPcKWKxc9hrCtA1sGBJOZXXz1gJz3qtPgqLDZFKp0s=", "wg", "set", "wgb", "private-key", "/dev/stdin",
	    "listen-port", "2000");
	pub_b = WG("show", "wgb", "public-key");
	ck_assert_int_eq(setns(here, CLONE_NEWNET), 0);
	IP(text("link add wga type wireguard\nlink set wga up\n"
		"link add cable2 type veth peer name cable3 netns /proc/%d/fd/%d\n"
		"addr add 192.0.2.1/24 dev cable2\nlink set cable2 up\n", getpid(), there));
	RUN("cJr+G3UmLf0rwDUMgL+5kDHw3bTAeTnaAmhXu0vGYGk=", "wg", "set", "wga", "private-key", "/dev/stdin",
	    "listen-port", "1000", "peer", strtok(pub_b, "\n"), "endpoint", "192.0.2.3:2000");
	pub_a = WG("show", "wga", "public-key");
	ck_assert_int_eq(setns(there, CLONE_NEWNET), 0);
	IP("addr add 192.0.2.2/24 dev cable3\nlink set cable3 up\n");
	WG("set", "wgb", "peer", strtok(pub_a, "\n"));
	ck_assert_int_eq(setns(here, CLONE_NEWNET), 0);
	ck_assert(unb64(pub_b, key_b));
	return there;
}

/* Waits until wga sent more than `before` and had a handshake. Returns the seconds that it took. */
static double wait_sent(uint64_t before)
{
	double start = seconds(CLOCK_MONOTONIC), took;

	do {
		ck_assert_int_eq(wgdev_kernel_dump(kernel, "wga", &dev), 0);
		took = seconds(CLOCK_MONOTONIC) - start;
	} while ((dev.peers[0].tx_bytes <= before || dev.peers[0].last_handshake_s == 0) && took < 5);
	return took;
}

START_TEST(kick_sends_at_once)
{
	const struct timespec moment = {.tv_nsec = 300000000};
	struct endpoint ep = {.family = AF_INET, .addr = {192, 0, 2, 2}, .port = 2000};
	uint8_t key_b[KEY_LEN];
	int there = make_pair(key_b);
	uint64_t sent;
	double took;

	/* An endpoint alone sends nothing, and without the kick nothing would come. */
	ck_assert_int_eq(wgdev_kernel_set_endpoint(kernel, "wga", key_b, &ep), 0);
	nanosleep(&moment, NULL);
	ck_assert_int_eq(wgdev_kernel_dump(kernel, "wga", &dev), 0);
	ck_assert_uint_eq(dev.peers[0].tx_bytes, 0);

	ck_assert_int_eq(wgdev_kernel_kick(kernel, "wga", key_b, 25), 0);
	took = wait_sent(0);
	ck_assert_msg(took < 1, "%.2f s until the handshake", took);
	nanosleep(&moment, NULL);
	assert_dump_right("wga"); /* with a handshake, traffic and an interval */
	ck_assert_uint_eq(dev.peers[0].keepalive_s, 25);
	ck_assert_uint_gt(dev.peers[0].rx_bytes, 0);

	/* The same with the interval that is already set: the path is checked at once, and the interval stays. */
	sent = dev.peers[0].tx_bytes;
	ck_assert_int_eq(wgdev_kernel_kick(kernel, "wga", key_b, 25), 0);
	took = wait_sent(sent);
	ck_assert_msg(took < 1, "%.2f s until the keepalive", took);
	assert_dump_right("wga");
	ck_assert_uint_eq(dev.peers[0].keepalive_s, 25);
	IP("link del wga\nlink del cable2\n");
	close(there);
}
END_TEST

/* ---- errors ---- */

static int all_three(const char *name, int *set, int *kick)
{
	struct endpoint ep = {.family = AF_INET, .addr = {192, 0, 2, 2}, .port = 2};

	*set = wgdev_kernel_set_endpoint(kernel, name, peer_key(1, 0), &ep);
	*kick = wgdev_kernel_kick(kernel, name, peer_key(1, 0), 25);
	return wgdev_kernel_dump(kernel, name, &dev);
}

static void assert_error(const char *name, int want)
{
	int set, kick;

	ck_assert_int_eq(all_three(name, &set, &kick), want);
	ck_assert_int_eq(set, want);
	ck_assert_int_eq(kick, want);
}

START_TEST(error_codes)
{
	struct wgdev_kernel *none = NULL;

	assert_error("nosuch0", -ENODEV);
	assert_error("cable0", -EOPNOTSUPP);
	ck_assert_int_eq(wgdev_kernel_dump(kernel, "a-name-too-long-for-a-device", &dev), -ENODEV);
	ck_assert_int_eq(wgdev_kernel_open("nosuchfamily", &none), -ENOENT);
	assert_dump_right("wg1"); /* still in step with the kernel */
}
END_TEST

START_TEST(error_without_capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	struct wgdev_kernel *own;
	int status, set, kick;
	pid_t pid = fork();

	if (pid == 0) {
		if (syscall(SYS_capset, &header, none) < 0)
			_exit(1);
		if (all_three("wg1", &set, &kick) != -EPERM || set != -EPERM || kick != -EPERM)
			_exit(2);
		if (wgdev_kernel_open(WGDEV_KERNEL_FAMILY, &own) < 0)
			_exit(3);
		_exit(wgdev_kernel_dump(own, "wg1", &dev) == -EPERM ? 0 : 4);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- */

static void before_test(void)
{
	arena_used = 0;
	alarm(TEST_TIMEOUT_S);
	/* A test that failed may have ended elsewhere. */
	ck_assert_int_eq(setns(here, CLONE_NEWNET), 0);
}

#define LEN(array) ((int)(sizeof(array) / sizeof((array)[0])))

int main(void)
{
	Suite *suite = suite_create("kernel");
	TCase *tc = tcase_create("kernel");
	SRunner *runner;
	int failed, r;

	if (unshare(CLONE_NEWNET) < 0 || (r = wgdev_kernel_open(WGDEV_KERNEL_FAMILY, &kernel)) == -ENOENT) {
		printf("SKIP: not root, or a kernel without WireGuard\n");
		return 77;
	}
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (r < 0 || here < 0)
		return 1;
	tcase_set_timeout(tc, 0); /* alarm() does it, with CK_FORK=no too */
	tcase_add_unchecked_fixture(tc, make_devices, NULL);
	tcase_add_checked_fixture(tc, before_test, NULL);
	tcase_add_loop_test(tc, dump_is_what_wg_shows, 1, 4);
	tcase_add_loop_test(tc, interrupted_dump_is_repeated, 0, LEN(intr_at));
	tcase_add_test(tc, dump_of_changing_device);
	tcase_add_loop_test(tc, set_endpoint, 0, LEN(changes));
	tcase_add_test(tc, removed_peer_stays_removed);
	tcase_add_loop_test(tc, message_sets_endpoint_only, 0, LEN(encodings));
	tcase_add_test(tc, message_kicks_only);
	tcase_add_test(tc, no_secret_on_the_wire);
	tcase_add_test(tc, kick_sends_at_once);
	tcase_add_test(tc, error_codes);
	tcase_add_test(tc, error_without_capability);
	tcase_add_test(tc, mapped_endpoint_is_ipv4);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	wgdev_free(&dev);
	wgdev_kernel_close(kernel);
	return failed == 0 ? 0 : 1;
}
