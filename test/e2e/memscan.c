/* memscan PID HEX... - which of these octets are in the memory of a process?
 *
 * Prints a line "N ADDRESS" for the first occurrence of pattern N (from 0), and "skipped FIRST-LAST" for a
 * mapping that could not be read. Exit 0 whatever was found; 2: it could not be done.
 *
 * All that may hold data is looked at: heap, stacks, data, files and memfds that are mapped, and also what
 * the process has locked from itself (PROT_NONE), as a library for secrets would do. Left out are the
 * kernel's own pages ([vvar], [vsyscall]), and mappings beyond MAP_MAX, which are no data but a sanitizer's
 * shadow memory: they are reported as skipped.
 *
 * The process is not stopped meanwhile. What is looked for stays in one place, or it would be no leak.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATTERNS    64
#define PATTERN_LEN 128
#define CHUNK       (1u << 20)
#define MAP_MAX     (UINT64_C(1) << 30)

struct pattern {
	uint8_t octets[PATTERN_LEN];
	size_t len;
	bool found;
};

static struct pattern patterns[PATTERNS];
static size_t patterns_len;

/* The end of a chunk is kept in front of the next one, or a pattern across the border would be missed. */
static uint8_t buf[PATTERN_LEN + CHUNK];

_Noreturn static void fail(const char *what, const char *name)
{
	fprintf(stderr, "memscan: %s: %s\n", name, what);
	exit(2);
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static void add_pattern(const char *hex)
{
	struct pattern *p = &patterns[patterns_len];
	size_t digits = strlen(hex);

	if (patterns_len == PATTERNS || digits == 0 || digits % 2 != 0 || digits / 2 > PATTERN_LEN)
		fail("too many patterns, or one that is too long, empty or of odd length", hex);
	for (size_t i = 0; i < digits; i += 2) {
		int high = nibble(hex[i]), low = nibble(hex[i + 1]);

		if (high < 0 || low < 0)
			fail("not lower-case hexadecimal", hex);
		p->octets[i / 2] = (uint8_t)(high << 4 | low);
	}
	p->len = digits / 2;
	patterns_len++;
}

/* Most of a process's memory is nothing, and that is soon seen. */
static bool is_zero(const uint8_t *mem, size_t len)
{
	return len == 0 || (mem[0] == 0 && memcmp(mem, mem + 1, len - 1) == 0);
}

static void look(const uint8_t *mem, size_t len, uint64_t addr)
{
	if (is_zero(mem, len))
		return;
	for (size_t i = 0; i < patterns_len; i++) {
		struct pattern *p = &patterns[i];
		const uint8_t *hit = p->found ? NULL : memmem(mem, len, p->octets, p->len);

		if (hit == NULL)
			continue;
		p->found = true;
		printf("%zu %" PRIx64 "\n", i, addr + (uint64_t)(hit - mem));
	}
}

/* False if it could not be read to its end. */
static bool scan_map(int mem, uint64_t first, uint64_t last)
{
	size_t kept = 0;

	if (last - first > MAP_MAX)
		return false;
	while (first < last) {
		size_t want = last - first < CHUNK ? (size_t)(last - first) : CHUNK;
		ssize_t got = pread(mem, buf + kept, want, (off_t)first);

		if (got <= 0)
			return false;
		first += (uint64_t)got;
		size_t have = kept + (size_t)got;

		look(buf, have, first - have);
		kept = have < PATTERN_LEN - 1 ? have : PATTERN_LEN - 1;
		memmove(buf, buf + have - kept, kept);
	}
	return true;
}

int main(int argc, char **argv)
{
	char path[64], line[4096];

	if (argc < 3)
		fail("PID HEX...", "usage");
	for (int i = 2; i < argc; i++)
		add_pattern(argv[i]);

	snprintf(path, sizeof(path), "/proc/%.20s/mem", argv[1]);
	int mem = open(path, O_RDONLY | O_CLOEXEC);
	if (mem < 0)
		fail(strerror(errno), path);
	snprintf(path, sizeof(path), "/proc/%.20s/maps", argv[1]);
	FILE *maps = fopen(path, "re");
	if (maps == NULL)
		fail(strerror(errno), path);

	while (fgets(line, sizeof(line), maps) != NULL) {
		uint64_t first, last;
		char mode;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %c", &first, &last, &mode) != 3)
			fail("a line that is none", path);
		if (strstr(line, "[vvar") != NULL || strstr(line, "[vsyscall]") != NULL)
			continue;
		/* Of a mapping that is locked nothing can be read if nothing was ever in it. */
		if (!scan_map(mem, first, last) && mode == 'r')
			printf("skipped %" PRIx64 "-%" PRIx64 "\n", first, last);
	}
	if (ferror(maps))
		fail("cannot be read", path);
	fclose(maps);
	close(mem);
	return fflush(stdout) == 0 ? 0 : 2;
}
