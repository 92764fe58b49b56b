#include "netns.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util.h"

void netns_enter(void)
{
	if (geteuid() != 0)
		util_child_skip("needs root, for a network namespace");
	if (unshare(CLONE_NEWNET) < 0)
		util_child_skip("a network namespace is not allowed here");
}

int netns_try_ip(const char *fmt, ...)
{
	char command[256];
	int n = snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin:/sbin; ip ");
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command + n, sizeof(command) - (size_t)n, fmt, ap);
	va_end(ap);
	return system(command);
}

void netns_cable(void)
{
	if (netns_try_ip("link add eth0 type veth peer name far0 2>/dev/null") != 0)
		util_child_skip("no ip(8), or the kernel has no veth");
	netns_ip("link set far0 up");
	netns_ip("link set eth0 up");
}

void netns_sysctl(const char *path, const char *value)
{
	char name[128];
	FILE *fp;

	snprintf(name, sizeof(name), "/proc/sys/net/%s", path);
	fp = fopen(name, "we");
	CHILD_CHECK(fp != NULL && fputs(value, fp) >= 0 && fclose(fp) == 0);
}
