/* For kernel_test: strings that nobody frees, keys as text, and other programs that are run. */
#ifndef WGMEET_TEST_VM_PROGRAMS_H
#define WGMEET_TEST_VM_PROGRAMS_H

#include <check.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "key.h"

static double seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Strings live until the end of the test. */
static char arena[64 << 20];
static size_t arena_used;

static char *keep(size_t size)
{
	char *out = arena + arena_used;

	if (size > sizeof(arena) - arena_used)
		abort();
	arena_used += size;
	return out;
}

static char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *text(const char *format, ...)
{
	char buf[512];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(buf, sizeof(buf), format, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(buf))
		abort();
	return memcpy(keep((size_t)len + 1), buf, (size_t)len + 1);
}

static int memory_file(const char *content)
{
	int fd = memfd_create("text", 0);

	if (fd < 0 || write(fd, content, strlen(content)) != (ssize_t)strlen(content) || lseek(fd, 0, SEEK_SET) != 0)
		abort();
	return fd;
}

static struct rusage run_usage; /* of the last one */

/* Runs a program with that input; it must succeed. Returns its output. */
static char *run(const char *input, const char *const argv[])
{
	int in = memory_file(input), out = memory_file(""), status;
	pid_t pid = fork();
	struct stat st;
	char *output;

	if (pid == 0) {
		if (dup2(in, 0) == 0 && dup2(out, 1) == 1)
			execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &run_usage) != pid || fstat(out, &st) < 0)
		abort();
	if (status != 0)
		ck_abort_msg("%s %s %s ...: status 0x%x", argv[0], argv[1], argv[2], status);
	output = keep((size_t)st.st_size + 1);
	if (pread(out, output, (size_t)st.st_size, 0) != st.st_size)
		abort();
	output[st.st_size] = '\0';
	close(in);
	close(out);
	return output;
}

#define RUN(input, ...) run(input, (const char *const[]){__VA_ARGS__, NULL})
#define IP(commands)    RUN(commands, "ip", "-batch", "-")
#define WG(...)         RUN("", "wg", __VA_ARGS__)

static char *b64(const uint8_t key[KEY_LEN])
{
	char out[sodium_base64_ENCODED_LEN(KEY_LEN, sodium_base64_VARIANT_ORIGINAL)];

	return text("%s", sodium_bin2base64(out, sizeof(out), key, KEY_LEN, sodium_base64_VARIANT_ORIGINAL));
}

static bool unb64(const char *in, uint8_t key[KEY_LEN])
{
	size_t len;

	return sodium_base642bin(key, KEY_LEN, in, strlen(in), NULL, &len, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
	    len == KEY_LEN;
}

#endif
