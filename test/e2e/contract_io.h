/* What contract.c needs beside its tables: counting, the server under test, questions over UDP and TCP. Included there and
 * nowhere else.
 */
#ifndef WGMEET_CONTRACT_IO_H
#define WGMEET_CONTRACT_IO_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"
#include "key.h"
#include "wire.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

#define PATIENCE_MS 10000 /* for what must come; nothing ever takes it whole unless it fails */
#define MESSAGE     65535

/* ---- counting ---- */

static struct {
	const char *group;
	unsigned passed, failed, all_passed, all_failed;
} score;

static void end_group(void)
{
	if (score.group != NULL)
		printf("%s - %s (%u checks)\n", score.failed == 0 ? "ok" : "not ok", score.group, score.passed + score.failed);
	fflush(stdout);
	score.all_passed += score.passed;
	score.all_failed += score.failed;
	score.passed = score.failed = 0;
}

static void begin_group(const char *name)
{
	end_group();
	score.group = name;
}

static bool check(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool check(bool ok, const char *fmt, ...)
{
	va_list ap;

	score.passed += ok;
	score.failed += !ok;
	if (ok)
		return true;
	va_start(ap, fmt);
	printf("#   failed: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	return false;
}

_Noreturn static void give_up(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the server under test ---- */

struct server {
	pid_t pid;
	int err; /* its standard error */
	char said[65536];
	size_t said_len;
};

static char tmp[] = "/tmp/wgmeet-contract.XXXXXX";
static struct server *running[2];

static void remove_tmp(void)
{
	char command[64];

	for (size_t i = 0; i < 2; i++)
		if (running[i] != NULL)
			kill(running[i]->pid, SIGKILL);
	snprintf(command, sizeof(command), "rm -rf %s", tmp);
	if (system(command) != 0)
		fprintf(stderr, "%s is left behind\n", tmp);
}

static void on_signal(int signo)
{
	(void)signo;
	exit(1); /* what we started must not stay */
}

static void make_tmp(void)
{
	char path[64];

	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);

	if (mkdtemp(tmp) == NULL || chmod(tmp, 0755) < 0)
		give_up("mkdtemp");
	atexit(remove_tmp);
	snprintf(path, sizeof(path), "%s/state", tmp);
	if (mkdir(path, 0755) < 0)
		give_up("mkdir");
	snprintf(path, sizeof(path), "%s/state2", tmp);
	if (mkdir(path, 0755) < 0)
		give_up("mkdir");
}

/* A file in our folder, there at once and whole. */
static void write_file(const char *name, const char *text)
{
	char path[128], next[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", tmp, name);
	snprintf(next, sizeof(next), "%s/%s.next", tmp, name);
	f = fopen(next, "w");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0 || chmod(next, 0644) < 0 || rename(next, path) < 0)
		give_up(path);
}

/* Reads what the server has said since; returns after timeout_ms if it says nothing. False: it is gone. */
static bool listen_to(struct server *s, int timeout_ms)
{
	struct pollfd p = {.fd = s->err, .events = POLLIN};
	ssize_t n;

	if (poll(&p, 1, timeout_ms) <= 0)
		return true;
	if (s->said_len > sizeof(s->said) / 2)
		s->said_len = 0;
	n = read(s->err, s->said + s->said_len, sizeof(s->said) - 1 - s->said_len);
	if (n <= 0)
		return false;
	s->said_len += (size_t)n;
	s->said[s->said_len] = '\0';
	return true;
}

static void start_server(struct server *s, char *const argv[])
{
	int err[2];

	memset(s, 0, sizeof(*s));
	if (pipe2(err, O_CLOEXEC) < 0)
		give_up("pipe");
	s->err = err[0];
	s->pid = fork();
	if (s->pid < 0)
		give_up("fork");
	if (s->pid == 0) {
		dup2(err[1], STDERR_FILENO);
		dup2(err[1], STDOUT_FILENO);
		setenv("ASAN_OPTIONS", "detect_leaks=0", false); /* what lives as long as the process is never freed */
		execv(argv[0], argv);
		_exit(127);
	}
	close(err[1]);
	running[running[0] != NULL] = s;
}

/* It must still be there, and end with 0. */
static void stop_server(struct server *s)
{
	int status = -1;

	kill(s->pid, SIGTERM);
	while (listen_to(s, PATIENCE_MS))
		;
	waitpid(s->pid, &status, 0);
	if (!check(status == 0, "the server ended with status %d", status))
		printf("%s", s->said);
	running[running[0] != s] = NULL;
}

/* A port that is free on every address, for UDP and TCP. */
static uint16_t free_port(void)
{
	for (int turn = 0; turn < 100; turn++) {
		struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
		socklen_t len = sizeof(sin6);
		int udp = socket(AF_INET6, SOCK_DGRAM, 0), tcp = socket(AF_INET6, SOCK_STREAM, 0);
		bool six = udp >= 0;
		bool ok;

		if (!six) { /* a host without IPv6 */
			sin6.sin6_family = AF_INET;
			len = sizeof(struct sockaddr_in);
			udp = socket(AF_INET, SOCK_DGRAM, 0);
			tcp = socket(AF_INET, SOCK_STREAM, 0);
		}
		ok = bind(udp, (struct sockaddr *)&sin6, len) == 0 && getsockname(udp, (struct sockaddr *)&sin6, &len) == 0 &&
		    bind(tcp, (struct sockaddr *)&sin6, len) == 0;
		close(udp);
		close(tcp);
		if (ok)
			return ntohs(sin6.sin6_port); /* at the same place in a sockaddr_in */
	}
	give_up("no free port");
}

/* ---- questions ---- */

static struct sockaddr_storage sockaddr_of(const char *address, uint16_t port, socklen_t *len)
{
	struct sockaddr_storage sa;
	struct endpoint ep;

	if (!endpoint_addr_from_text(address, &ep))
		give_up(address);
	ep.port = port;
	*len = endpoint_to_sockaddr(&ep, &sa);
	return sa;
}

/* `source`: our own address, NULL: as the kernel likes. `receive`: how much it shall take for us that we have not read; 0: as it
 * likes. */
static int connected_with(const char *source, const char *address, uint16_t port, int type, int receive)
{
	struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	socklen_t len;
	struct sockaddr_storage sa = sockaddr_of(address, port, &len), ours;
	int fd = socket(sa.ss_family, type | SOCK_CLOEXEC, 0), one = 1;

	if (receive > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
	if (source != NULL) {
		ours = sockaddr_of(source, 0, &len);
		if (bind(fd, (struct sockaddr *)&ours, len) < 0)
			give_up(source);
	}
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, len) < 0)
		give_up("connect");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int connected(const char *address, uint16_t port, int type)
{
	return connected_with(NULL, address, port, type, 0);
}

/* From another address of this host. */
static int connected_from(const char *source, const char *address, uint16_t port, int type)
{
	return connected_with(source, address, port, type, 0);
}

/* All of them, or as many as there are before the end. */
static size_t read_all(int fd, uint8_t *buf, size_t len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = recv(fd, buf + at, len - at, 0);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	return at;
}

/* The next message of a TCP connection; 0: it has ended. */
static size_t tcp_read(int fd, uint8_t *buf)
{
	uint8_t len[2];

	if (read_all(fd, len, 2) != 2 || read_all(fd, buf, get16(len)) != get16(len))
		return 0;
	return get16(len);
}

static size_t framed(uint8_t *out, const uint8_t *msg, size_t len)
{
	memcpy(put16(out, (uint16_t)len), msg, len);
	return 2 + len;
}

static bool write_all(int fd, const void *buf, size_t len)
{
	return send(fd, buf, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Both: one question, one answer. Returns its length, 0 if none came; ldns must be able to read it. */
static size_t ask_bytes(int fd, bool tcp, const uint8_t *query, size_t len, uint8_t *answer)
{
	static uint8_t frame[2 + MESSAGE];
	static unsigned silent;
	ldns_pkt *pkt = NULL;
	size_t got = 0;
	ssize_t n;

	if (tcp) {
		if (write_all(fd, frame, framed(frame, query, len)))
			got = tcp_read(fd, answer);
	} else if (send(fd, query, len, 0) == (ssize_t)len) {
		n = recv(fd, answer, MESSAGE, 0);
		got = n > 0 ? (size_t)n : 0;
	}
	if (got > 0)
		check(ldns_wire2pkt(&pkt, answer, got) == LDNS_STATUS_OK, "ldns cannot read the answer");
	else if (++silent == 4)
		give_up("the server does not answer");
	ldns_pkt_free(pkt);
	return got;
}

#endif
