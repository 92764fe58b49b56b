/* A dump file, replaced by rename; and all that can be wrong with one. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sources.h"

#define PATH 256

enum fault { LINE, CUT, EMPTY, REMOVED, DIRECTORY, MODE };

static const char *const faults[] = {"file: a broken line", "file: cut", "file: empty", "file: removed",
    "file: a directory in its place", "file: not readable"};

static const char *path_of(const struct model_zone *z, const char *suffix, char path[PATH])
{
	if (snprintf(path, PATH, "%s/%s.dump%s", sources_dir, z->text, suffix) >= PATH)
		errx(2, "%s: too long", sources_dir);
	return path;
}

static void print_peer(FILE *fp, const struct model_zone *z, size_t i, uint32_t version)
{
	char key[KEY_BASE64 + 1], text[ENDPOINT_TEXT] = "(none)", cidr[MODEL_CIDR];
	struct endpoint ep;

	if (model_present(z, i, version)) {
		model_endpoint(z, i, version, &ep);
		endpoint_to_text(&ep, text);
	} else if (i % 2 == 0) {
		return; /* no peer, or one without an endpoint: it is not in the zone */
	}
	fprintf(fp, "%s\t(none)\t%s\t", key_text(z->keys[i], key), text);
	for (size_t n = 0; n < model_cidrs_len(i); n++) {
		model_cidr(z, i, version, n, cidr);
		fprintf(fp, "%s%s", n == 0 ? "" : ",", cidr);
	}
	fprintf(fp, "\t%lld\t%u\t0\toff\n", (long long)time(NULL), version);
}

/* A file for that version, under another name; `fault` says what is wrong with it, -1: nothing. */
static void make(const struct model_zone *z, uint32_t version, int fault)
{
	char path[PATH];
	FILE *fp = fopen(path_of(z, ".new", path), "w");
	size_t broken = z->peers_len / 2;

	if (fp == NULL)
		err(2, "%s", path);
	if (fault != EMPTY)
		fprintf(fp, "(none)\t(none)\t51820\toff\n");
	for (size_t i = 0; fault != EMPTY && i < z->peers_len; i++) {
		print_peer(fp, z, i, version);
		if (fault == LINE && i == broken)
			fprintf(fp, "neither a key nor a peer\n");
		if (fault == CUT && i == broken) {
			fprintf(fp, "half a li");
			break;
		}
	}
	if (fclose(fp) != 0)
		err(2, "%s", path);
	if (fault == MODE && chmod(path, 0) < 0)
		err(2, "chmod %s", path);
}

static void replace(struct model_zone *z, int fault)
{
	char from[PATH], to[PATH];
	uint32_t version = model_begin(z, fault >= 0);

	make(z, version, fault);
	if (rename(path_of(z, ".new", from), path_of(z, "", to)) < 0)
		err(2, "rename %s", from);
	model_end(z);
}

static void start(struct model_zone *z)
{
	char path[PATH];

	if (mkdir(path_of(z, ".directory", path), 0755) < 0)
		err(2, "%s", path);
	replace(z, -1);
}

static void exchange(const struct model_zone *z)
{
	char path[PATH], other[PATH];

	if (renameat2(AT_FDCWD, path_of(z, "", path), AT_FDCWD, path_of(z, ".directory", other), RENAME_EXCHANGE) < 0)
		err(2, "rename %s", path);
}

static void begin(struct model_zone *z, size_t fault)
{
	char path[PATH];

	if (fault == REMOVED) {
		model_absence(z, true);
		if (unlink(path_of(z, "", path)) < 0)
			err(2, "unlink %s", path);
		z->versions[z->version].to_us = model_now_us();
		return;
	}
	model_fault(z, true);
	if (fault == DIRECTORY)
		exchange(z);
	else
		replace(z, (int)fault);
}

static void end(struct model_zone *z, size_t fault)
{
	if (fault == DIRECTORY)
		exchange(z);
	replace(z, -1);
	if (fault == REMOVED)
		model_absence(z, false);
	else
		model_fault(z, false);
}

static bool change(struct model_zone *z, bool at_fault)
{
	if (!at_fault)
		replace(z, -1);
	return !at_fault;
}

const struct source_kind source_file = {.faults = faults, .faults_len = sizeof(faults) / sizeof(*faults), .start = start,
    .begin = begin, .end = end, .change = change};
