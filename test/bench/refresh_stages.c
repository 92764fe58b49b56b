/* The stages of a refresh, one after the other as the server does them, in one process. */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "refresh.h"
#include "snapshot.h"
#include "wgdev_dump.h"
#include "zone.h"

#define ROUNDS_MAX 64

enum stage { READ, PARSE, SAME, ZONE, BUILD, MAP, CHECK, STEP_MAX, UNMAP, CLOSE, STAGES };

static const char *const titles[] = {
    [READ] = "read_us", [PARSE] = "parse_us", [SAME] = "same_us", [ZONE] = "zone_us", [BUILD] = "build_us", [MAP] = "map_us",
    [CHECK] = "check_us", [STEP_MAX] = "step_max_us", [UNMAP] = "unmap_us", [CLOSE] = "free_us"};

static int64_t took_ns[STAGES][ROUNDS_MAX];

static void configure(struct zone_conf *conf)
{
	struct name_server *ns = &conf->name_servers.at[0];

	conf->ttl_s = 10;
	conf->list_max = RECORDS_LIST_MAX;
	conf->padded_names = true;
	conf->name_servers.len = ns->addrs_len = 1;
	if (!name_from_text(REFRESH_ZONE, &conf->name) || !name_from_text("ns1." REFRESH_ZONE, &ns->name) ||
	    !endpoint_addr_from_text("192.0.2.1", &ns->addrs[0]))
		errx(2, "the configuration");
}

/* Since the last lap; begin() is that of the first one. */
static int64_t lap_ns;

static void begin(void)
{
	lap_ns = refresh_cpu_ns();
}

static void lap(enum stage stage, size_t round)
{
	took_ns[stage][round] = refresh_cpu_ns() - lap_ns;
	begin();
}

/* Parses what was read before: so that reading can be told from parsing. */
static void parse(size_t peers, size_t round)
{
	static struct wg_device dev;
	const char *what;
	size_t len, line;
	char *text = refresh_dump(peers, 1, (unsigned)round, &len);

	begin();
	if (wgdev_dump_parse(text, len, &dev, &line, &what) != 0)
		errx(2, "line %zu: %s", line, what);
	lap(PARSE, round);
	free(text);
}

static void check(int fd, size_t round)
{
	struct snapshot_check c;
	const struct snapshot *s;
	int64_t longest_ns = 0;
	int r;

	begin();
	if (snapshot_map(fd, &s) != 0)
		errx(2, "snapshot_map");
	lap(MAP, round);
	snapshot_check_begin(&c, s);
	do {
		int64_t before_ns = refresh_now_ns();

		r = snapshot_check_step(&c);
		if (refresh_now_ns() - before_ns > longest_ns)
			longest_ns = refresh_now_ns() - before_ns;
	} while (r > 0);
	if (r < 0)
		errx(2, "snapshot_check_step");
	lap(CHECK, round);
	took_ns[STEP_MAX][round] = longest_ns;
	begin();
	snapshot_unmap(s);
	lap(UNMAP, round);
	close(fd); /* the last one: this is what it takes to give the memory back */
	lap(CLOSE, round);
}

static void refresh(const char *file, const struct zone_conf *conf, struct zone *zone, size_t round, size_t *size)
{
	static const uint64_t seed[2] = {UINT64_C(0x243f6a8885a308d3), UINT64_C(0x13198a2e03707344)};
	static struct wg_device dev, last;
	static struct wgdev_dump_stamp stamp;
	struct zone_world world = {.now_s = (uint64_t)time(NULL)};
	const char *what;
	size_t line;
	int fd;

	begin();
	if (wgdev_dump_read(file, &stamp, &dev, &line, &what) != 0)
		errx(2, "%s:%zu: %s", file, line, what != NULL ? what : "cannot be read");
	lap(READ, round);
	if (wgdev_same_public(&dev, &last))
		errx(2, "round %zu changes nothing", round);
	lap(SAME, round);
	if (zone_build(zone, conf, &dev, &world) != 0)
		errx(2, "zone_build");
	lap(ZONE, round);
	zone->serial = (uint32_t)round + 1;
	fd = snapshot_build(&conf->name, zone, seed, size);
	if (fd < 0)
		errx(2, "snapshot_build: %s", strerror(-fd));
	lap(BUILD, round);
	wgdev_swap(&dev, &last);
	check(fd, round);
}

/* The first two rounds fill the arrays, which the server has from then on, and do not count. */
void refresh_stages(size_t peers, size_t rounds, const char *file)
{
	static struct zone_conf conf;
	static struct zone zone;
	char next[1024];
	size_t size = 0;

	if (rounds + 2 > ROUNDS_MAX)
		errx(2, "at most %d rounds", ROUNDS_MAX - 2);
	configure(&conf);
	snprintf(next, sizeof(next), "%s.next", file);
	for (size_t i = 0; i < rounds + 2; i++) {
		refresh_write(next, peers, 1, (unsigned)i);
		if (rename(next, file) != 0)
			err(2, "%s", file);
		refresh(file, &conf, &zone, i, &size);
		parse(peers, i);
	}
	if (zone.peers_len != peers)
		errx(2, "the zone has %zu peers of %zu", zone.peers_len, peers);
	printf("peers");
	for (size_t i = 0; i < STAGES; i++)
		printf("\t%s", titles[i]);
	printf("\tsnapshot_octets\n%zu", peers);
	for (size_t i = 0; i < STAGES; i++)
		printf("\t%" PRId64, refresh_median(took_ns[i] + 2, rounds) / 1000);
	printf("\t%zu\n", size);
}
