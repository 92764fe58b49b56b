/* Each call is made by a child process in the sandbox of each role: it is done, or it is the end. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <net/if.h>
#include <unistd.h>

#include "log.h"
#include "sandbox.h"
#include "suites.h"
#include "util.h"

#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif

#define O  (1u << SANDBOX_OBSERVER | 1u << SANDBOX_READER)
#define W  (1u << SANDBOX_WORKER)
#define B  (1u << SANDBOX_BINDER)
#define K  (1u << SANDBOX_KEEPER)
#define S  (1u << SANDBOX_SETTER | K)
#define R  (1u << SANDBOX_RESOLVER)
#define ALL (O | W | B | S | R)

static const char *const role_names[] = {
    [SANDBOX_OBSERVER] = "observer", [SANDBOX_READER] = "reader", [SANDBOX_WORKER] = "worker",
    [SANDBOX_BINDER] = "binder", [SANDBOX_SETTER] = "setter", [SANDBOX_KEEPER] = "keeper", [SANDBOX_RESOLVER] = "resolver",
};

/* The sanitizers make some calls themselves, in every role. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED ALL
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED ALL
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* ---- what the processes have from before ---- */

static int udp[2], listener, client, pair[2], sealed, epoll_fd;
static struct sockaddr_in udp_addr, tcp_addr;

static int inet_socket(int type, struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, type, 0);

	*addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	CHILD_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)addr, sizeof(*addr)) == 0);
	CHILD_CHECK(getsockname(fd, (struct sockaddr *)addr, &len) == 0);
	return fd;
}

static void prepare(void)
{
	struct sockaddr_in other;

	udp[0] = inet_socket(SOCK_DGRAM, &udp_addr);
	udp[1] = inet_socket(SOCK_DGRAM, &other);
	CHILD_CHECK(connect(udp[1], (struct sockaddr *)&udp_addr, sizeof(udp_addr)) == 0);
	listener = inet_socket(SOCK_STREAM, &tcp_addr);
	CHILD_CHECK(listen(listener, 2) == 0);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHILD_CHECK(client >= 0 && connect(client, (struct sockaddr *)&tcp_addr, sizeof(tcp_addr)) == 0);
	CHILD_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	sealed = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHILD_CHECK(sealed >= 0 && write(sealed, "zone", 4) == 4 && fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	CHILD_CHECK(epoll_fd >= 0);
}

/* ---- calls: their arguments do no harm, should they be let through ---- */

#define RAW(call, ...)                                                                                       \
	static void call_##call(void)                                                                        \
	{                                                                                                    \
		syscall(SYS_##call, __VA_ARGS__);                                                            \
	}

RAW(execve, "/nowhere", NULL, NULL)
RAW(execveat, -1, "", NULL, NULL, 0)
RAW(clone3, NULL, 0)
RAW(ptrace, -1, 0, NULL, NULL)
RAW(process_vm_readv, 0, NULL, 0, NULL, 0, 0)
RAW(mount, NULL, NULL, NULL, 0, NULL)
RAW(umount2, NULL, 0)
RAW(pivot_root, NULL, NULL)
RAW(chroot, "/nowhere")
RAW(unshare, 0)
RAW(setns, -1, 0)
RAW(init_module, NULL, 0, NULL)
RAW(finit_module, -1, NULL, 0)
RAW(kexec_load, 0, 0, NULL, 0)
RAW(bpf, 0, NULL, 0)
RAW(keyctl, 0, 0, 0, 0, 0)
RAW(add_key, NULL, NULL, NULL, 0, 0)
RAW(io_uring_setup, 0, NULL)
RAW(userfaultfd, -1)
RAW(perf_event_open, NULL, 0, 0, -1, 0)
RAW(accept4, -1, NULL, NULL, 0)
RAW(personality, 0xffffffff)
RAW(prctl, PR_GET_DUMPABLE, 0, 0, 0, 0)
RAW(seccomp, -1, 0, NULL)
RAW(setresuid, -1, -1, -1)
RAW(capset, NULL, NULL)
RAW(kill, getpid(), 0)
RAW(pidfd_open, getpid(), 0)
RAW(pidfd_getfd, -1, 0, 0)
RAW(open_by_handle_at, -1, NULL, 0)
RAW(fchmodat, -1, "", 0)
RAW(fchownat, -1, "", -1, -1, 0)
RAW(mkdirat, -1, "", 0)
RAW(mknodat, -1, "", 0, 0)
RAW(linkat, -1, "", -1, "", 0)
RAW(symlinkat, "", -1, "")
RAW(dup3, -1, -1, 0)
RAW(listen, -1, 0)
RAW(shutdown, -1, 0)
RAW(setrlimit, -1, NULL)
RAW(unlinkat, -1, "", 0)
RAW(bind, -1, NULL, 0)
RAW(connect, -1, NULL, 0)
RAW(openat, AT_FDCWD, "", O_RDONLY)

static void create_file(void)
{
	syscall(SYS_openat, AT_FDCWD, "", O_RDONLY | O_CREAT, 0600);
}

static void write_file(void)
{
	syscall(SYS_openat, AT_FDCWD, "", O_RDWR);
}

static void call_fork(void)
{
	if (fork() == 0)
		_exit(0);
}

#define SOCKET(name, family, type)                                                                           \
	static void socket_##name(void)                                                                      \
	{                                                                                                    \
		int fd = socket(family, (type) | SOCK_CLOEXEC, 0);                                           \
                                                                                                             \
		CHILD_CHECK(fd >= 0);                                                                        \
		close(fd);                                                                                   \
	}

SOCKET(udp, AF_INET, SOCK_DGRAM)
SOCKET(udp6, AF_INET6, SOCK_DGRAM)
SOCKET(tcp, AF_INET, SOCK_STREAM)
SOCKET(raw, AF_INET, SOCK_RAW)
SOCKET(unix, AF_UNIX, SOCK_DGRAM)
SOCKET(netlink, AF_NETLINK, SOCK_RAW)

static void socket_netfilter(void)
{
	close(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
}

SOCKET(packet, AF_PACKET, SOCK_DGRAM)
SOCKET(alg, AF_ALG, SOCK_SEQPACKET)

static void map_code(void)
{
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void map_memory(void)
{
	CHILD_CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static void protect_code(void)
{
	static char page[2 * 4096];

	mprotect((void *)(((uintptr_t)page + 4095) / 4096 * 4096), 4096, PROT_READ | PROT_EXEC);
}

static void kill_by_thread(void)
{
	syscall(SYS_tgkill, getpid(), getpid(), SIGCONT);
}

static void abort_another(void)
{
	syscall(SYS_tgkill, INT_MAX, INT_MAX, SIGABRT);
}

static void take_sigsys_back(void)
{
	signal(SIGSYS, SIG_IGN);
}

static void set_owner(void)
{
	fcntl(udp[0], F_SETOWN, getpid());
}

static void type_to_terminal(void)
{
	ioctl(STDIN_FILENO, TIOCSTI, "x");
}

#define SET_OPTION(name, level, option)                                                                      \
	static void set_##name(void)                                                                         \
	{                                                                                                    \
		int value = 0;                                                                               \
                                                                                                             \
		setsockopt(udp[0], level, option, &value, sizeof(value));                                    \
	}

SET_OPTION(mark, SOL_SOCKET, SO_MARK)
SET_OPTION(ifindex, SOL_SOCKET, SO_BINDTOIFINDEX)
SET_OPTION(pktinfo, IPPROTO_IP, IP_PKTINFO)
SET_OPTION(ttl, IPPROTO_IP, IP_TTL)
SET_OPTION(v6only, IPPROTO_IPV6, IPV6_V6ONLY)
SET_OPTION(filter, SOL_SOCKET, SO_ATTACH_FILTER)

static void get_option(void)
{
	socklen_t len = sizeof(int);
	int value;

	getsockopt(udp[0], IPPROTO_TCP, TCP_INFO, &value, &len);
}

/* ---- what they are there for ---- */

static void serve_datagrams(void)
{
	char buf[16];
	struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
	struct sockaddr_in from;
	struct mmsghdr mm = {.msg_hdr = {.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1}};
	struct epoll_event ev = {.events = EPOLLIN};
	struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(INADDR_LOOPBACK), .ipi_ifindex = 1};
	union {
		struct cmsghdr align;
		uint8_t buf[CMSG_SPACE(sizeof(info))];
	} control = {{.cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(info))}};

	CHILD_CHECK(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, udp[0], &ev) == 0);
	CHILD_CHECK(send(udp[1], "query", 5, 0) == 5);
	CHILD_CHECK(epoll_wait(epoll_fd, &ev, 1, 5000) == 1);
	CHILD_CHECK(recvmmsg(udp[0], &mm, 1, MSG_DONTWAIT, NULL) == 1 && mm.msg_len == 5);
	iov.iov_len = 5;
	CHILD_CHECK(sendmmsg(udp[0], &mm, 1, MSG_DONTWAIT) == 1);
	CHILD_CHECK(recv(udp[1], buf, sizeof(buf), 0) == 5);
	memcpy(CMSG_DATA(&control.align), &info, sizeof(info));
	mm.msg_hdr.msg_control = &control;
	mm.msg_hdr.msg_controllen = sizeof(control);
	CHILD_CHECK(sendmsg(udp[0], &mm.msg_hdr, MSG_DONTWAIT) == 5);
	CHILD_CHECK(recv(udp[1], buf, sizeof(buf), 0) == 5);
}

static void serve_a_connection(void)
{
	struct linger reset = {.l_onoff = 1};
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	char buf[8];

	CHILD_CHECK(fd >= 0);
	CHILD_CHECK(send(fd, "answer", 6, MSG_NOSIGNAL) == 6);
	CHILD_CHECK(recv(client, buf, sizeof(buf), 0) == 6);
	CHILD_CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0);
	CHILD_CHECK(close(fd) == 0);
	CHILD_CHECK(recv(client, buf, sizeof(buf), 0) < 0 && errno == ECONNRESET);
}

static void serve_who_asks(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	CHILD_CHECK(fd >= 0 && send(fd, "report", 6, MSG_NOSIGNAL) == 6);
	CHILD_CHECK(close(fd) == 0);
	CHILD_CHECK(unlink("/nowhere/status") < 0 && errno != ENOSYS);
}

static void map_a_snapshot(void)
{
	struct stat st;
	void *p;

	CHILD_CHECK(fcntl(sealed, F_GET_SEALS) == F_SEAL_WRITE);
	CHILD_CHECK(fstat(sealed, &st) == 0 && st.st_size == 4);
	p = mmap(NULL, 4, PROT_READ, MAP_PRIVATE, sealed, 0);
	CHILD_CHECK(p != MAP_FAILED && memcmp(p, "zone", 4) == 0);
	CHILD_CHECK(munmap(p, 4) == 0);
}

static void take_a_message(void)
{
	struct pollfd p = {.fd = pair[0], .events = POLLOUT};
	struct iovec iov = {.iov_base = (char[4]){0}, .iov_len = 4};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	int one = 1;

	CHILD_CHECK(poll(&p, 1, 5000) == 1);
	CHILD_CHECK(write(pair[0], "ping", 4) == 4);
	CHILD_CHECK(recvmsg(pair[1], &mh, 0) == 4);
	setsockopt(udp[0], SOL_SOCKET, SO_BINDTOIFINDEX, &one, sizeof(one)); /* who is not root has not the power */
	CHILD_CHECK(close(udp[0]) == 0);
}

static void use_the_heap(void)
{
	char *p = malloc(100000);

	CHILD_CHECK(p != NULL);
	p = realloc(p, 10000000);
	CHILD_CHECK(p != NULL);
	free(p);
}

static void read_a_file(void)
{
	char line[16];
	FILE *fp = fopen("/proc/version", "re");

	CHILD_CHECK(fp != NULL && fgets(line, sizeof(line), fp) != NULL);
	fclose(fp);
	CHILD_CHECK(if_nametoindex("lo") > 0);
}

static void make_a_snapshot(void)
{
	int fd = memfd_create("zone", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHILD_CHECK(fd >= 0 && posix_fallocate(fd, 0, 4096) == 0);
	CHILD_CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
	CHILD_CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
}

static void wait_for_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t set;

	CHILD_CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	CHILD_CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	CHILD_CHECK(signalfd(-1, &set, SFD_CLOEXEC) >= 0);
	CHILD_CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void look_something_up(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), size = 4096;
	struct epoll_event ev = {.events = EPOLLOUT};

	CHILD_CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0);
	CHILD_CHECK(connect(fd, (struct sockaddr *)&tcp_addr, sizeof(tcp_addr)) == 0 || errno == EINPROGRESS);
	CHILD_CHECK(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0 && epoll_wait(epoll_fd, &ev, 1, 5000) == 1);
	CHILD_CHECK(send(fd, "query", 5, MSG_NOSIGNAL) == 5);
}

static void find_no_file(void)
{
	CHILD_CHECK(fopen("/dev/urandom", "rb") == NULL);
	CHILD_CHECK(open("/", O_RDONLY | O_DIRECTORY) < 0 || SANITIZED != 0);
}

static void hear_on_a_device(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;
	struct sockaddr_in6 any = {.sin6_family = AF_INET6};

	if (fd < 0 && errno == EAFNOSUPPORT)
		return;
	CHILD_CHECK(fd >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0);
	CHILD_CHECK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0);
	CHILD_CHECK(bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0);
}

/* ---- who may do what ---- */

struct attempt {
	const char *what; /* the call that the log names */
	void (*fn)(void);
	unsigned may; /* by others it is the end */
};

#define CALL(name) {#name, call_##name, 0}

static const struct attempt attempts[] = {
    CALL(execve), CALL(execveat), CALL(clone3), CALL(ptrace), CALL(process_vm_readv), CALL(mount), CALL(umount2),
    CALL(pivot_root), CALL(chroot), CALL(unshare), CALL(setns), CALL(init_module), CALL(finit_module), CALL(kexec_load),
    CALL(bpf), CALL(keyctl), CALL(add_key), CALL(io_uring_setup), CALL(userfaultfd), CALL(perf_event_open),
    CALL(personality), CALL(prctl), CALL(seccomp), CALL(setresuid), CALL(capset), CALL(kill), CALL(pidfd_open),
    CALL(pidfd_getfd), CALL(open_by_handle_at), CALL(fchmodat), CALL(fchownat), CALL(mkdirat), CALL(mknodat),
    CALL(linkat), CALL(symlinkat), CALL(dup3), CALL(listen), CALL(shutdown), CALL(setrlimit),
    {"clone", call_fork, 0},
    {"mmap", map_code, 0},
    {"mprotect", protect_code, 0},
    {"tgkill", kill_by_thread, 0},
    {"tgkill", abort_another, 0},
    {"rt_sigaction", take_sigsys_back, 0},
    {"fcntl", set_owner, 0},
    {"ioctl", type_to_terminal, 0},
    {"socket", socket_raw, 0},
    {"socket", socket_packet, 0},
    {"socket", socket_alg, 0},
    {"socket", socket_netfilter, 0},
    {"setsockopt", set_ttl, 0},
    {"unlinkat", call_unlinkat, O | K},
    {"accept4", call_accept4, O | W | K}, /* who asks for metrics, or how it is, and queries over TCP */
    {"bind", call_bind, O | S | R},
    {"connect", call_connect, O | S | R},
    {"openat", call_openat, O | S | R | SANITIZED}, /* which finds none, see below */
    {"openat", create_file, O | S | SANITIZED},
    {"openat", write_file, O | S | SANITIZED},
    {"mmap", map_memory, O | S | R | SANITIZED},
    {"socket", socket_tcp, R},
    {"socket", socket_udp, S | R},
    {"socket", socket_udp6, S | R},
    {"socket", socket_unix, O | S},
    {"socket", socket_netlink, O | S},
    {"setsockopt", set_mark, O | S}, /* the observer has no socket for it */
    {"setsockopt", set_filter, O | S},
    {"setsockopt", set_ifindex, O | S | B},
    {"setsockopt", set_pktinfo, W},
    {"setsockopt", set_v6only, S},
    {"getsockopt", get_option, 0},
};

/* What each role is there for, it can do. */
static const struct {
	void (*fn)(void);
	unsigned roles;
} duties[] = {
    {serve_datagrams, W},    {serve_a_connection, W}, {map_a_snapshot, W},   {take_a_message, B},
    {use_the_heap, O | S | R}, {read_a_file, O | S},  {make_a_snapshot, O},  {wait_for_signals, O},
    {look_something_up, R},  {find_no_file, R},       {hear_on_a_device, S},   {serve_who_asks, O | K},
};

static enum sandbox_role role_now;

static void enter_and_call(void *arg)
{
	void (*fn)(void) = *(void (*const *)(void))arg;

	prepare();
	sandbox_enter(role_now, NULL, NULL);
	fn();
}

static void is_the_end(const struct attempt *a)
{
	char err[1024], expected[128], role[64];
	int status = util_child(enter_and_call, (void *)&a->fn, err, sizeof(err));

	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s by the %s: status %x: %s", a->what,
	    role_names[role_now], status, err);
	snprintf(expected, sizeof(expected), "seccomp: system call %s (", a->what);
	snprintf(role, sizeof(role), ") is not for the %s: ", role_names[role_now]);
	ck_assert_msg(strstr(err, expected) != NULL && strstr(err, role) != NULL, "%s: %s", a->what, err);
}

START_TEST(what_a_role_does_not_need_is_the_end)
{
	role_now = (enum sandbox_role)_i;
	for (size_t i = 0; i < COUNT(attempts); i++)
		if ((attempts[i].may >> _i & 1) == 0)
			is_the_end(&attempts[i]);
		else
			util_in_child(attempts[i].what, enter_and_call, (void *)&attempts[i].fn);
}
END_TEST

START_TEST(what_a_role_is_there_for_it_can_do)
{
	role_now = (enum sandbox_role)_i;
	for (size_t i = 0; i < COUNT(duties); i++)
		if ((duties[i].roles >> _i & 1) != 0)
			util_in_child(role_names[_i], enter_and_call, (void *)&duties[i].fn);
}
END_TEST

static void say_and_end(void)
{
	diex("the %s has had enough", role_names[role_now]);
}

START_TEST(a_role_can_say_why_it_ends)
{
	void (*fn)(void) = say_and_end;
	char err[1024];
	int status;

	role_now = (enum sandbox_role)_i;
	status = util_child(enter_and_call, &fn, err, sizeof(err));
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_WRONG, "%x: %s", status, err);
	ck_assert_ptr_nonnull(strstr(err, "has had enough"));
}
END_TEST

START_TEST(a_failed_assertion_is_an_abort)
{
	void (*fn)(void) = abort;
	char err[1024];
	int status;

	role_now = (enum sandbox_role)_i;
	status = util_child(enter_and_call, &fn, err, sizeof(err));
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%x: %s", status, err);
}
END_TEST

/* Whoever started it may have blocked the signal, or ignored it. */
static void enter_with_sigsys_blocked(void *arg)
{
	sigset_t set;

	(void)arg;
	signal(SIGSYS, SIG_IGN);
	sigfillset(&set);
	CHILD_CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	sandbox_enter(SANDBOX_READER, NULL, NULL);
	call_kill();
}

START_TEST(a_signal_mask_does_not_silence_it)
{
	char err[1024];
	int status = util_child(enter_with_sigsys_blocked, NULL, err, sizeof(err));

	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%x: %s", status, err);
	ck_assert_ptr_nonnull(strstr(err, "system call kill ("));
}
END_TEST

Suite *suite_seccomp(void)
{
	Suite *s = suite_create("seccomp");
	TCase *t = tcase_create("seccomp");

	suite_add_tcase(s, t);
	tcase_add_loop_test(t, what_a_role_does_not_need_is_the_end, 0, COUNT(role_names));
	tcase_add_loop_test(t, what_a_role_is_there_for_it_can_do, 0, COUNT(role_names));
	tcase_add_loop_test(t, a_role_can_say_why_it_ends, 0, COUNT(role_names));
	tcase_add_loop_test(t, a_failed_assertion_is_an_abort, 0, COUNT(role_names));
	tcase_add_test(t, a_signal_mask_does_not_silence_it);
	return s;
}
