/* puppet [-e] PID CALL ARGUMENT... - makes a process make a system call, as somebody would who has taken it over.
 *
 * A call is a name or a number. An argument is a number, ":TEXT" a string, or "=HEX" octets; of the latter two the call gets
 * the address. Prints one line:
 *
 *     = N          the call's result
 *     EACCES       the call's error
 *     forbidden    it is not for this process (SIGSYS); it goes on all the same, or with -e as it would without us
 *     ended        the process is no more
 *
 * and "may not: ERROR" if the kernel does not let us trace it. Exit 0 for all of these, 2 if something else went wrong, 77 on
 * a machine whose registers it does not know.
 */
#include <elf.h>
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS      6
#define DATA      2048 /* octets for strings, below the stack and what a function may use of it without asking */
#define RED_ZONE  256
#define TRIES     100

struct machine {
	struct user_regs_struct r;
};

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "puppet: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- the registers of a machine ---- */

#if defined(__x86_64__)
#define CALL_LEN 2
#define IS_CALL(word) (((word) & 0xffff) == 0x050f)
#define PC(m) ((m)->r.rip)
#define SP(m) ((m)->r.rsp)
#define RESULT(m) ((m)->r.rax)

static void set_call(struct machine *m, long call, const uint64_t args[ARGS])
{
	m->r.orig_rax = (unsigned long long)-1; /* nothing to restart */
	m->r.rax = (unsigned long long)call;
	m->r.rdi = args[0];
	m->r.rsi = args[1];
	m->r.rdx = args[2];
	m->r.r10 = args[3];
	m->r.r8 = args[4];
	m->r.r9 = args[5];
}

/* The call that we came into is as if a signal had come. */
static void set_interrupted(struct machine *m)
{
	m->r.orig_rax = (unsigned long long)-1;
	m->r.rax = (unsigned long long)-EINTR;
}
#elif defined(__aarch64__)
#define CALL_LEN 4
#define IS_CALL(word) (((word) & 0xffffffff) == 0xd4000001)
#define PC(m) ((m)->r.pc)
#define SP(m) ((m)->r.sp)
#define RESULT(m) ((m)->r.regs[0])

static void set_call(struct machine *m, long call, const uint64_t args[ARGS])
{
	m->r.regs[8] = (unsigned long long)call;
	for (int i = 0; i < ARGS; i++)
		m->r.regs[i] = args[i];
}

static void set_interrupted(struct machine *m)
{
	m->r.regs[0] = (unsigned long long)-EINTR;
}
#else
#define UNKNOWN_MACHINE
#define CALL_LEN 0
#define IS_CALL(word) ((word) == 0)
static unsigned long long nothing;
#define PC(m) nothing
#define SP(m) nothing
#define RESULT(m) nothing
static void set_call(struct machine *m, long call, const uint64_t args[ARGS]) { (void)m; (void)call; (void)args; }
static void set_interrupted(struct machine *m) { (void)m; }
#endif

static void get_registers(pid_t pid, struct machine *m)
{
	struct iovec iov = {&m->r, sizeof(m->r)};

	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov) < 0)
		fail("PTRACE_GETREGSET");
}

static void set_registers(pid_t pid, struct machine *m)
{
	struct iovec iov = {&m->r, sizeof(m->r)};

	if (ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &iov) < 0)
		fail("PTRACE_SETREGSET");
}

/* ---- the process ---- */

/* The signal that it stopped for, without the marks of ptrace(2); 0: it is no more. */
static int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, __WALL) != pid)
		fail("waitpid");
	return WIFSTOPPED(status) ? WSTOPSIG(status) & 0x7f : 0;
}

static bool is_at_call(pid_t pid, uint64_t pc)
{
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, pid, (void *)pc, NULL);
	return errno == 0 && IS_CALL((unsigned long)word);
}

/* Is it on its way into a call, out of one, or elsewhere? */
static int place_of(pid_t pid)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) <= 0)
		fail("PTRACE_GET_SYSCALL_INFO");
	return info.op;
}

/* Stops it behind an instruction that makes a system call, mostly the one that it waits in. */
static void stop(pid_t pid, struct machine *m)
{
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)PTRACE_O_TRACESYSGOOD) < 0) {
		printf("may not: %s\n", strerrorname_np(errno));
		exit(0);
	}
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
		fail("PTRACE_INTERRUPT");
	for (int i = 0; i < TRIES; i++) {
		if (wait_for(pid) == 0) {
			puts("ended");
			exit(0);
		}
		get_registers(pid, m);
		if (place_of(pid) != PTRACE_SYSCALL_INFO_ENTRY && is_at_call(pid, PC(m) - CALL_LEN))
			return;
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) < 0)
			fail("PTRACE_SYSCALL");
	}
	fail("it makes no system call");
}

static void put_data(pid_t pid, uint64_t to, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i += sizeof(long)) {
		long word;

		memcpy(&word, data + i, sizeof(word));
		if (ptrace(PTRACE_POKEDATA, pid, (void *)(to + i), (void *)word) < 0)
			fail("PTRACE_POKEDATA");
	}
}

/* ---- the arguments ---- */

static uint8_t data[DATA];
static size_t data_len;

static size_t put_octets(const char *hex)
{
	size_t n = 0;
	unsigned octet;

	for (; sscanf(hex, "%2x", &octet) == 1 && data_len + n < DATA; hex += 2)
		data[data_len + n++] = (uint8_t)octet;
	return n;
}

/* `base`: where the data will be. */
static uint64_t argument(const char *text, uint64_t base)
{
	uint64_t at = base + data_len;

	if (text[0] != ':' && text[0] != '=')
		return (uint64_t)strtoll(text, NULL, 0);
	if (text[0] == '=')
		data_len += put_octets(text + 1);
	else
		data_len += (size_t)snprintf((char *)data + data_len, DATA - data_len, "%s", text + 1) + 1;
	data_len = (data_len + 7) & ~(size_t)7;
	if (data_len > DATA - 8) {
		errno = E2BIG;
		fail(text);
	}
	return at;
}

/* Is there a SIGSYS on its way to it? */
static bool is_forbidden(pid_t pid)
{
	struct __ptrace_peeksiginfo_args first = {.nr = 1};
	siginfo_t si;

	return ptrace(PTRACE_PEEKSIGINFO, pid, &first, &si) == 1 && si.si_signo == SIGSYS;
}

static void say(const struct machine *m)
{
	int64_t result = (int64_t)RESULT(m);

	if (result < 0 && result >= -4095)
		puts(strerrorname_np((int)-result) != NULL ? strerrorname_np((int)-result) : "an error of no name");
	else
		printf("= %lld\n", (long long)result);
}

/* Goes on until the next stop; a signal that it stops for is lost. */
static void go(pid_t pid, int request)
{
	if (ptrace(request, pid, NULL, NULL) < 0)
		fail("ptrace");
	if (wait_for(pid) == 0) {
		puts("ended");
		exit(0);
	}
}

/* Into the call and out of it. */
static void make_call(pid_t pid, struct machine *m, const struct machine *before, bool end)
{
	set_registers(pid, m);
	do
		go(pid, PTRACE_SYSCALL);
	while (place_of(pid) != PTRACE_SYSCALL_INFO_ENTRY);
	do
		go(pid, PTRACE_SYSCALL);
	while (place_of(pid) != PTRACE_SYSCALL_INFO_EXIT);
	if (!is_forbidden(pid)) {
		get_registers(pid, m);
		say(m);
	} else {
		puts("forbidden");
		if (end)
			return;
		go(pid, PTRACE_CONT); /* the signal is ours now */
	}
	*m = *before;
	set_interrupted(m);
	set_registers(pid, m);
}

int main(int argc, char *argv[])
{
	bool end = argc > 1 && strcmp(argv[1], "-e") == 0;
	struct machine before, m;
	uint64_t args[ARGS] = {0}, base;
	pid_t pid;
	long call;

	argv += 1 + end;
	argc -= 1 + end;
#ifdef UNKNOWN_MACHINE
	puts("not on this machine");
	return 77;
#endif
	if (argc < 2 || argc > 2 + ARGS) {
		fputs("usage: puppet [-e] PID CALL ARGUMENT...\n", stderr);
		return 2;
	}
	pid = (pid_t)atoi(argv[0]);
	/* By its number where the library is older than the call. */
	call = argv[1][0] >= '0' && argv[1][0] <= '9' ? atol(argv[1]) : seccomp_syscall_resolve_name(argv[1]);
	if (call < 0) {
		fprintf(stderr, "puppet: there is no call %s here\n", argv[1]);
		return 2;
	}
	stop(pid, &m);
	before = m;
	base = (SP(&m) - RED_ZONE - DATA) & ~UINT64_C(15);
	for (int i = 2; i < argc; i++)
		args[i - 2] = argument(argv[i], base);
	put_data(pid, base, data, data_len);
	set_call(&m, call, args);
	PC(&m) -= CALL_LEN;
	make_call(pid, &m, &before, end);
	if (ptrace(PTRACE_DETACH, pid, NULL, NULL) < 0)
		fail("PTRACE_DETACH");
	return 0;
}
