/* Who has an address and port? /proc/net tells the socket's inode and user, /proc/PID/fd the program; only root sees all of them. */
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "listen.h"

/* The kernel prints the address's words as numbers of the host. */
static bool address_of(const char *hex, struct endpoint *out)
{
	size_t words = strlen(hex) / 8;

	*out = (struct endpoint){.family = words == 1 ? AF_INET : AF_INET6};
	for (size_t i = 0; i < words; i++) {
		unsigned word;

		if (sscanf(hex + 8 * i, "%8x", &word) != 1)
			return false;
		memcpy(out->addr + 4 * i, &word, 4);
	}
	return words == 1 || words == 4;
}

/* Does a socket at `held` keep us from `wanted`? One at [::] may have IPv4's addresses, too; ours never do. */
static bool is_in_the_way(const struct endpoint *held, const struct endpoint *wanted)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (held->family == wanted->family)
		return endpoint_addr_is_any(held) || endpoint_addr_is_any(wanted) ||
		    memcmp(held->addr, wanted->addr, sizeof(held->addr)) == 0;
	if (held->family == AF_INET)
		return false;
	if (memcmp(held->addr, mapped, sizeof(mapped)) == 0)
		return endpoint_addr_is_any(wanted) || memcmp(held->addr + 12, wanted->addr, 4) == 0;
	return endpoint_addr_is_any(held);
}

static bool find_inode(const char *table, const struct endpoint *wanted, unsigned long *inode, unsigned *uid)
{
	char path[64], line[512], hex[33];
	bool found = false;
	FILE *fp;

	snprintf(path, sizeof(path), "/proc/net/%s", table);
	fp = fopen(path, "re");
	if (fp == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), fp) != NULL) {
		unsigned port, state;
		struct endpoint held;

		/* sl local rem st tx:rx tr:when retrnsmt uid timeout inode; TCP: 0A is LISTEN, UDP: 07 is unconnected */
		found = sscanf(line, " %*u: %32[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %u %*u %lu", hex, &port, &state, uid, inode) == 5 &&
		    port == wanted->port && (state == 0x0a || state == 0x07) && address_of(hex, &held) && is_in_the_way(&held, wanted);
	}
	fclose(fp);
	return found;
}

static bool holds(const char *pid, const char *target)
{
	char path[300], link[64];
	struct dirent *e;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir != NULL && !found && (e = readdir(dir)) != NULL) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);

		link[n < 0 ? 0 : n] = '\0';
		found = strcmp(link, target) == 0;
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

/* Of a program of several processes the parent is the one to stop. */
static void parent_of(char pid[24], const char *name)
{
	char path[64], line[512], parent_name[32];
	unsigned parent;
	FILE *fp;

	snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
	fp = fopen(path, "re");
	if (fp == NULL)
		return;
	if (fgets(line, sizeof(line), fp) != NULL && strrchr(line, ')') != NULL &&
	    sscanf(strrchr(line, ')'), ") %*c %u", &parent) == 1) {
		snprintf(path, sizeof(path), "/proc/%u/comm", parent);
		fclose(fp);
		fp = fopen(path, "re");
		if (fp != NULL && fgets(parent_name, sizeof(parent_name), fp) != NULL &&
		    strcspn(parent_name, "\n") == strlen(name) && strncmp(parent_name, name, strlen(name)) == 0)
			snprintf(pid, 24, "%u", parent);
	}
	if (fp != NULL)
		fclose(fp);
}

static void program_of(const char *number, char *out, size_t cap)
{
	char path[300], name[32] = "?", pid[24];
	FILE *fp;

	snprintf(pid, sizeof(pid), "%.16s", number);
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	fp = fopen(path, "re");
	if (fp != NULL) {
		if (fgets(name, sizeof(name), fp) != NULL)
			name[strcspn(name, "\n")] = '\0';
		fclose(fp);
	}
	parent_of(pid, name);
	for (char *at = name; *at != '\0'; at++) /* any user's program may be called anything */
		*at = *at > ' ' && *at < 0x7f ? *at : '?';
	snprintf(out, cap, "%s (pid %s)", name, pid);
}

const char *port_owner(const char *proto, const struct endpoint *wanted, char out[128])
{
	char target[64], table6[8];
	unsigned long inode;
	unsigned uid;
	struct dirent *e;
	DIR *dir;

	out[0] = '\0';
	snprintf(table6, sizeof(table6), "%s6", proto);
	if (!find_inode(proto, wanted, &inode, &uid) && !find_inode(table6, wanted, &inode, &uid))
		return out;
	if (inode == 0) { /* no program's socket */
		snprintf(out, 128, "the kernel (the listen port of a WireGuard device? see `wg show`)");
		return out;
	}
	snprintf(out, 128, "a program of user %u", uid);
	snprintf(target, sizeof(target), "socket:[%lu]", inode);
	dir = opendir("/proc");
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && holds(e->d_name, target)) {
			program_of(e->d_name, out, 128);
			break;
		}
	}
	if (dir != NULL)
		closedir(dir);
	return out;
}
