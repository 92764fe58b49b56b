#include "state.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium/utils.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HEX (2 * ZONE_HASH + 1)

static int path_of(const char *directory, const struct name *zone, const char *suffix, char path[PATH_MAX])
{
	char text[NAME_TEXT];
	int n = snprintf(path, PATH_MAX, "%s/%s.serial%s", directory, name_to_text(zone, text), suffix);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int state_load(const char *directory, const struct name *zone, uint32_t *serial, uint8_t hash[ZONE_HASH])
{
	char path[PATH_MAX], hex[HEX], end;
	size_t len;
	FILE *fp;
	int r = path_of(directory, zone, "", path);

	if (r < 0)
		return r;
	fp = fopen(path, "re");
	if (fp == NULL)
		return -errno;
	if (fscanf(fp, "%" SCNu32 " %32[0-9a-f]%c", serial, hex, &end) != 3 || end != '\n' ||
	    sodium_hex2bin(hash, ZONE_HASH, hex, strlen(hex), NULL, &len, NULL) != 0 || len != ZONE_HASH)
		r = -EBADMSG;
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
	fp = fopen(new, "we");
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
