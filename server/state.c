#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium/utils.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX (2 * ZONE_HASH + 1)

static int path_of(const char *directory, const struct name *zone, const char *suffix, char path[PATH_MAX])
{
	char text[NAME_TEXT];
	int n = snprintf(path, PATH_MAX, "%s/%s.serial%s", directory, name_to_text(zone, text), suffix);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* A regular file, and no link to one. */
static FILE *open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0644);
	struct stat st;
	FILE *fp = NULL;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		errno = EINVAL;
	else
		fp = fdopen(fd, (flags & O_ACCMODE) == O_RDONLY ? "r" : "w");
	if (fp == NULL)
		close(fd);
	return fp;
}

int state_load(const char *directory, const struct name *zone, uint32_t *serial, uint8_t hash[ZONE_HASH])
{
	char path[PATH_MAX], number[11], hex[HEX], end;
	unsigned long long n;
	size_t len;
	FILE *fp;
	int r = path_of(directory, zone, "", path);

	if (r < 0)
		return r;
	/* In a directory of the observer's: what lies there may be a trap for root, who reads it for --print-zone. */
	fp = open_file(path, O_RDONLY | O_NONBLOCK);
	if (fp == NULL)
		return -errno;
	if (fscanf(fp, "%10[0-9] %32[0-9a-f]%c", number, hex, &end) != 3 || end != '\n' ||
	    (n = strtoull(number, NULL, 10)) > UINT32_MAX || sodium_hex2bin(hash, ZONE_HASH, hex, strlen(hex), NULL, &len, NULL) != 0 || len != ZONE_HASH)
		r = -EBADMSG;
	else
		*serial = (uint32_t)n;
	fclose(fp);
	return r;
}

int state_save(const char *directory, const struct name *zone, uint32_t serial, const uint8_t hash[ZONE_HASH])
{
	char path[PATH_MAX], new[PATH_MAX], hex[HEX];
	FILE *fp;
	int r = path_of(directory, zone, "", path);

	if (r == 0)
		r = path_of(directory, zone, ".new", new);
	if (r < 0)
		return r;
	if (unlink(new) < 0 && errno != ENOENT)
		return -errno;
	fp = open_file(new, O_WRONLY | O_CREAT | O_EXCL);
	if (fp == NULL)
		return -errno;
	fprintf(fp, "%" PRIu32 " %s\n", serial, sodium_bin2hex(hex, sizeof(hex), hash, ZONE_HASH));
	if (ferror(fp) || fflush(fp) != 0)
		r = errno != 0 ? -errno : -EIO;
	if (fclose(fp) != 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(new, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(new);
	return r;
}
