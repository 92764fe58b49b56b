#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

/* The kernel's struct landlock_ruleset_attr: each of these came with a newer version, of which headers may know less. */
struct ruleset {
	uint64_t files;
	uint64_t net;    /* since version 4: 1 bind, 2 connect */
	uint64_t scoped; /* since version 6: 1 abstract sockets, 2 signals */
};

#define BIND_TCP    1
#define CONNECT_TCP 2

#define READ  (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE | TRUNCATE)
#define TRUNCATE UINT64_C(0x4000)

/* All that a kernel of that version knows of: 13 rights, then to move a file (2), to truncate (3), ioctl() of a device (5). */
static uint64_t all_of(int version)
{
	unsigned bits = version >= 5 ? 16 : version >= 3 ? 15 : version >= 2 ? 14 : 13;

	return (UINT64_C(1) << bits) - 1;
}

static void allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access,
	    .parent_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)};

	/* What cannot be reached cannot be written either; whoever tries will say so. */
	if (rule.parent_fd < 0)
		return;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		die("landlock: %s", path);
	close(rule.parent_fd);
}

void landlock_enter(bool reads, const char *writable, bool tcp)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset attr = {.net = tcp ? BIND_TCP : BIND_TCP | CONNECT_TCP, .scoped = 3};
	size_t size = version >= 6 ? sizeof(attr) : version >= 4 ? offsetof(struct ruleset, scoped) : offsetof(struct ruleset, net);
	int ruleset;

	if (version < 1) {
		debug("this kernel has no Landlock: %s", strerror(errno));
		return;
	}
	attr.files = all_of((int)version);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		die("landlock");
	if (reads)
		allow(ruleset, "/", READ);
	if (writable != NULL)
		allow(ruleset, writable, (READ | WRITE) & attr.files);
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		die("landlock");
	close(ruleset);
}
