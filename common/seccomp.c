#include "seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
#include <sanitizer/lsan_interface.h>
#endif

/* Where the C library's headers are older than the kernel's. */
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code */
#endif
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif
#ifndef IPV6_2292PKTOPTIONS
#define IPV6_2292PKTOPTIONS 6
#endif

/* ---- the words of the tables ---- */

/* What an argument must be: (argument & mask) == value. */
struct when {
	uint32_t mask; /* 0: none, and none behind it */
	uint32_t value;
	unsigned arg;
	bool own; /* the value is this process's number */
};

struct rule {
	int call;
	int error; /* that it has, and it is not made; 0: it is made */
	struct when when[3];
};

#define CALL(name)            {.call = SCMP_SYS(name)}
#define CALL_IF(name, ...)    {.call = SCMP_SYS(name), .when = {__VA_ARGS__}}
#define FAIL_IF(name, e, ...) {.call = SCMP_SYS(name), .error = (e), .when = {__VA_ARGS__}}
#define IS(n, v)           {.arg = (n), .mask = UINT32_MAX, .value = (uint32_t)(v)}
#define HAS(n, bits)       {.arg = (n), .mask = (bits), .value = (bits)}
#define HAS_NOT(n, bits)   {.arg = (n), .mask = (bits), .value = 0}
#define IS_OWN(n)         {.arg = (n), .mask = UINT32_MAX, .own = true}
#define TYPE_IS(n, v)      {.arg = (n), .mask = 0xf, .value = (v)} /* beside SOCK_CLOEXEC and SOCK_NONBLOCK */
#define END                {.call = -1}

/* One C library makes one call for a thing, and another one another: the tables name the whole family. What an
 * architecture does not have is passed over. */

/* ---- what all may ---- */

static const struct rule everyone[] = {
    CALL(exit),
    CALL(exit_group),
    CALL(rt_sigreturn),
    CALL(sigreturn),
    CALL(restart_syscall),
    CALL(write), /* standard error */
    CALL(close),
    /* where the clock is not read without the kernel */
    CALL(clock_gettime),
    CALL(clock_gettime64),
    CALL(gettimeofday),
    CALL(time),
    /* assert() and abort() */
    CALL(writev),
    CALL(rt_sigprocmask),
    CALL(getpid),
    CALL(gettid),
    CALL_IF(tgkill, IS_OWN(0), IS(2, SIGABRT)),
    CALL_IF(tkill, IS_OWN(0), IS(1, SIGABRT)),
    END,
};

/* ---- the worker: strangers' packets, and snapshots ---- */

static const struct rule worker[] = {
    CALL(epoll_wait),
    CALL(epoll_pwait),
    CALL(epoll_pwait2),
    CALL(epoll_ctl),
    CALL(recvmmsg),
    CALL(recvmmsg_time64),
    CALL(sendmmsg),
    CALL(recvmsg),
    CALL(sendmsg),
    CALL(recvfrom),
    CALL(recv),
    CALL(sendto),
    CALL(send),
    CALL(accept4),
    CALL_IF(setsockopt, IS(1, SOL_SOCKET), IS(2, SO_LINGER)),
    CALL_IF(setsockopt, IS(1, IPPROTO_IP), IS(2, IP_PKTINFO)),
    CALL_IF(setsockopt, IS(1, IPPROTO_IPV6), IS(2, IPV6_RECVPKTINFO)),
    CALL_IF(getsockopt, IS(1, IPPROTO_IP), IS(2, IP_PKTOPTIONS)),
    CALL_IF(getsockopt, IS(1, IPPROTO_IPV6), IS(2, IPV6_2292PKTOPTIONS)),
    CALL_IF(ioctl, IS(1, SIOCOUTQ)), /* what a client has not acknowledged */
    /* a snapshot: its seals, its size, and a mapping that cannot be written */
    CALL_IF(fcntl, IS(1, F_GET_SEALS)),
    CALL_IF(fcntl64, IS(1, F_GET_SEALS)),
    CALL(fstat),
    CALL(fstat64),
    CALL_IF(newfstatat, HAS(3, AT_EMPTY_PATH)),
    CALL_IF(fstatat64, HAS(3, AT_EMPTY_PATH)),
    CALL_IF(statx, HAS(2, AT_EMPTY_PATH)),
    CALL_IF(mmap, IS(2, PROT_READ), IS(3, MAP_PRIVATE)),
    CALL_IF(mmap2, IS(2, PROT_READ), IS(3, MAP_PRIVATE)),
    CALL(munmap),
    END,
};

/* ---- the binder: CAP_NET_RAW, for one socket option ---- */

static const struct rule binder[] = {
    CALL(recvmsg),
    CALL(poll),
    CALL(ppoll),
    CALL(ppoll_time64),
    CALL_IF(setsockopt, IS(1, SOL_SOCKET), IS(2, SO_BINDTOIFINDEX)),
    END,
};

/* ---- what the others share ---- */

/* malloc(); never memory whose contents can be run */
static const struct rule heap[] = {
    CALL(brk),
    CALL_IF(mmap, HAS_NOT(2, PROT_EXEC)),
    CALL_IF(mmap2, HAS_NOT(2, PROT_EXEC)),
    CALL_IF(mprotect, HAS_NOT(2, PROT_EXEC)),
    CALL(munmap),
    CALL(mremap),
    CALL(madvise),
    CALL(getrandom),
    CALL(sysinfo), /* qsort(): how much memory is there? */
    END,
};

/* is it blocking, is it passed on */
static const struct rule flags[] = {
    CALL_IF(fcntl, IS(1, F_GETFD)),
    CALL_IF(fcntl, IS(1, F_SETFD)),
    CALL_IF(fcntl, IS(1, F_GETFL)),
    CALL_IF(fcntl, IS(1, F_SETFL)),
    CALL_IF(fcntl64, IS(1, F_GETFD)),
    CALL_IF(fcntl64, IS(1, F_SETFD)),
    CALL_IF(fcntl64, IS(1, F_GETFL)),
    CALL_IF(fcntl64, IS(1, F_SETFL)),
    END,
};

static const struct rule files[] = {
    CALL(open),
    CALL(openat),
    CALL(read),
    CALL(readv),
    CALL(pread64),
    CALL(lseek),
    CALL(_llseek),
    CALL(fstat),
    CALL(fstat64),
    CALL(stat),
    CALL(stat64),
    CALL(lstat),
    CALL(lstat64),
    CALL(newfstatat),
    CALL(fstatat64),
    CALL(statx),
    CALL(access),
    CALL(faccessat),
    CALL(faccessat2),
    CALL(readlink),
    CALL(readlinkat),
    CALL_IF(ioctl, IS(1, TCGETS)),     /* is it a terminal? */
    CALL_IF(ioctl, IS(1, TIOCGWINSZ)), /* the same */
    END,
};

/* netlink, a userspace device's socket, and the channels */
static const struct rule local_sockets[] = {
    CALL_IF(socket, IS(0, AF_NETLINK), IS(2, NETLINK_ROUTE)),
    CALL_IF(socket, IS(0, AF_NETLINK), IS(2, NETLINK_GENERIC)),
    CALL_IF(socket, IS(0, AF_UNIX)),
    CALL(bind),
    CALL(connect),
    CALL(getsockname),
    CALL_IF(setsockopt, IS(1, SOL_SOCKET)),
    CALL_IF(setsockopt, IS(1, SOL_NETLINK)),
    CALL_IF(getsockopt, IS(1, SOL_SOCKET)),
    CALL_IF(getsockopt, IS(1, SOL_NETLINK)),
    CALL_IF(ioctl, IS(1, SIOCGIFINDEX)), /* if_nametoindex() and if_indextoname() */
    CALL_IF(ioctl, IS(1, SIOCGIFNAME)),
    CALL(sendmsg),
    CALL(sendto),
    CALL(send),
    CALL(recvmsg),
    CALL(recvfrom),
    CALL(recv),
    CALL(poll),
    CALL(ppoll),
    CALL(ppoll_time64),
    CALL(wait4),
    CALL(waitpid),
    CALL(waitid),
    END,
};

/* ---- the observer, or a reader of files ---- */

static const struct rule observer[] = {
    CALL(sched_getaffinity), /* how many processors are there? */
    CALL_IF(rt_sigaction, IS(0, SIGCHLD)),
    CALL(rt_sigtimedwait),
    CALL(rt_sigtimedwait_time64),
    CALL(signalfd4),
    /* snapshots */
    CALL(memfd_create),
    CALL(fallocate),
    CALL(ftruncate),
    CALL(ftruncate64),
    CALL_IF(fcntl, IS(1, F_ADD_SEALS)),
    CALL_IF(fcntl64, IS(1, F_ADD_SEALS)),
    /* the state directory */
    CALL(unlink),
    CALL(unlinkat),
    CALL(rename),
    CALL(renameat),
    CALL(renameat2),
    CALL(accept4), /* who asks for metrics; no call makes a listener */
    END,
};

/* ---- wgmeet ---- */

static const struct rule setter[] = {
    /* is the device up, a packet into the tunnel that begins a handshake, and the sockets that the resolver hears on */
    CALL_IF(socket, IS(0, AF_INET), TYPE_IS(1, SOCK_DGRAM)),
    CALL_IF(socket, IS(0, AF_INET6), TYPE_IS(1, SOCK_DGRAM)),
    CALL_IF(setsockopt, IS(1, IPPROTO_IPV6), IS(2, IPV6_V6ONLY)),
    CALL_IF(ioctl, IS(1, SIOCGIFFLAGS)),
    CALL_IF(setsockopt, IS(1, IPPROTO_IP), IS(2, IP_RECVERR)),
    CALL_IF(setsockopt, IS(1, IPPROTO_IPV6), IS(2, IPV6_RECVERR)),
    END,
};

/* A setter that stays. */
static const struct rule keeper[] = {
    CALL(signalfd4),
    /* who asks how it is, and that socket's end */
    CALL(accept4),
    CALL(unlink),
    CALL(unlinkat),
    END,
};

static const struct rule resolver[] = {
    CALL(epoll_wait),
    CALL(epoll_pwait),
    CALL(epoll_pwait2),
    CALL(epoll_ctl),
    CALL(poll),
    CALL(ppoll),
    CALL(ppoll_time64),
    CALL_IF(socket, IS(0, AF_INET), TYPE_IS(1, SOCK_DGRAM)),
    CALL_IF(socket, IS(0, AF_INET), TYPE_IS(1, SOCK_STREAM)),
    CALL_IF(socket, IS(0, AF_INET6), TYPE_IS(1, SOCK_DGRAM)),
    CALL_IF(socket, IS(0, AF_INET6), TYPE_IS(1, SOCK_STREAM)),
    CALL(connect),
    CALL(bind),
    CALL(getsockname),
    CALL(getpeername),
    CALL_IF(setsockopt, IS(1, SOL_SOCKET), IS(2, SO_RCVBUF)),
    CALL_IF(setsockopt, IS(1, SOL_SOCKET), IS(2, SO_SNDBUF)),
    CALL_IF(setsockopt, IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY)),
    CALL_IF(setsockopt, IS(1, IPPROTO_TCP), IS(2, TCP_FASTOPEN_CONNECT)),
    CALL_IF(getsockopt, IS(1, SOL_SOCKET), IS(2, SO_ERROR)),
    CALL(sendmsg),
    CALL(sendto),
    CALL(send),
    CALL(recvmsg),
    CALL(recvfrom),
    CALL(recv),
    CALL(read),
#ifndef SANITIZED /* they may open files, of which it sees none */
    /* c-ares looks for /dev/urandom when it asks other servers than before, and does without */
    FAIL_IF(open, ENOENT, HAS_NOT(1, O_ACCMODE | O_CREAT)),
    FAIL_IF(openat, ENOENT, HAS_NOT(2, O_ACCMODE | O_CREAT)),
#endif
    END,
};

/* What the sanitizers do behind the program's back, and to say what they have found. */
static const struct rule sanitizer[] = {
#ifdef SANITIZED
    CALL(futex),
    CALL(brk),
    CALL_IF(mmap, HAS_NOT(2, PROT_EXEC)),
    CALL_IF(mmap2, HAS_NOT(2, PROT_EXEC)),
    CALL_IF(mprotect, HAS_NOT(2, PROT_EXEC)),
    CALL(munmap),
    CALL(madvise),
    CALL(sigaltstack),
    CALL(readlink),
    CALL(readlinkat),
    CALL(openat),
    CALL(read),
    CALL(sched_yield),
    CALL(getrlimit),
    CALL(prlimit64),
#endif
    END,
};

#ifdef SANITIZED
static int entered;

/* It would look at the process as a debugger does. */
int __lsan_is_turned_off(void)
{
	return entered;
}
#endif

#define TABLES 7

static const struct role {
	const char *name;
	const struct rule *tables[TABLES];
} roles[] = {
    [SANDBOX_OBSERVER] = {"observer", {everyone, heap, flags, files, local_sockets, observer}},
    [SANDBOX_READER] = {"reader", {everyone, heap, flags, files, local_sockets, observer}},
    [SANDBOX_WORKER] = {"worker", {everyone, worker}},
    [SANDBOX_BINDER] = {"binder", {everyone, binder}},
    [SANDBOX_SETTER] = {"setter", {everyone, heap, flags, files, local_sockets, setter}},
    [SANDBOX_KEEPER] = {"keeper", {everyone, heap, flags, files, local_sockets, setter, keeper}},
    [SANDBOX_RESOLVER] = {"resolver", {everyone, heap, flags, resolver}},
};

/* ---- a call that is in no table ---- */

/* Their names are looked up beforehand: that takes the heap, and the call may have come out of malloc(). */
#define NAMED 512
static char call_names[NAMED][32];
static const char *role_name;

static void name_calls(void)
{
	for (int i = 0; i < NAMED; i++) {
		char *name = seccomp_syscall_resolve_num_arch(seccomp_arch_native(), i);

		snprintf(call_names[i], sizeof(call_names[i]), "%s", name != NULL ? name : "of no name");
		free(name);
	}
}

static void on_forbidden(int sig, siginfo_t *si, void *context)
{
	int call = si->si_syscall;

	(void)sig;
	(void)context;
	if (si->si_code == SYS_SECCOMP) {
		warnx("seccomp: system call %s (%d) is not for the %s: this is a bug, or an attack",
		    call >= 0 && call < NAMED ? call_names[call] : "of no name", call, role_name);
		/* Again: as SIGSYS is blocked here, now it kills. All ones is what hardly a condition lets through. */
		syscall(call, -1L, -1L, -1L, -1L, -1L, -1L);
	}
	_exit(EXIT_WRONG);
}

static void catch_forbidden(const char *role)
{
	struct sigaction action = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO};
	sigset_t set;

	role_name = role;
	name_calls();
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	if (sigaction(SIGSYS, &action, NULL) < 0 || sigprocmask(SIG_UNBLOCK, &set, NULL) < 0)
		die("SIGSYS");
}

/* ---- the tables become the kernel's program ---- */

static void add(scmp_filter_ctx ctx, const struct rule *rule)
{
	struct scmp_arg_cmp cmp[3];
	unsigned n = 0;
	int r;

	for (; n < 3 && rule->when[n].mask != 0; n++)
		cmp[n] = SCMP_CMP(rule->when[n].arg, SCMP_CMP_MASKED_EQ, rule->when[n].mask,
		    rule->when[n].own ? (uint32_t)getpid() : rule->when[n].value);
	r = seccomp_rule_add_array(ctx, rule->error != 0 ? SCMP_ACT_ERRNO((uint32_t)rule->error) : SCMP_ACT_ALLOW, rule->call, n, cmp);
	/* -EDOM: a call that this architecture does not have */
	if (r < 0 && r != -EDOM) {
		errno = -r;
		die("seccomp: the rule for system call %d", rule->call);
	}
}

static void add_all(scmp_filter_ctx ctx, const struct rule *table)
{
	for (; table != NULL && table->call != -1; table++)
		add(ctx, table);
}

/* What compiling took from the heap goes back: each worker would keep 40 KiB of it. Later the calls for it are forbidden. */
static void trim_heap(void)
{
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

/* libseccomp would load it, too, but goes on to free() things, and that may take a call that is forbidden by then. */
static size_t compile(const struct role *role, struct sock_filter *code, size_t cap)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int fd = memfd_create("seccomp", MFD_CLOEXEC), r;
	ssize_t size;

	if (ctx == NULL || fd < 0)
		diex("seccomp: out of memory");
	for (size_t i = 0; i < TABLES; i++)
		add_all(ctx, role->tables[i]);
	add_all(ctx, sanitizer);
	r = seccomp_export_bpf(ctx, fd);
	seccomp_release(ctx);
	size = r < 0 ? -1 : pread(fd, code, cap, 0);
	close(fd);
	trim_heap();
	if (size <= 0 || (size_t)size == cap)
		diex("seccomp: the table of the %s does not become a program", role->name);
	return (size_t)size / sizeof(*code);
}

void seccomp_enter(enum sandbox_role role)
{
	static struct sock_filter code[BPF_MAXINSNS];
	struct sock_fprog program = {.filter = code};

	catch_forbidden(roles[role].name);
	program.len = (unsigned short)compile(&roles[role], code, sizeof(code));
#ifdef SANITIZED
	entered = 1;
#endif
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0)
		return;
	if (errno == ENOSYS || errno == EINVAL)
		diex("this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER): without them no process shall run");
	die("seccomp");
}
