/* A userspace device's socket. Each request gets an answer of the version that is current when it comes, or what the fault
 * makes of it. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sources.h"
#include "wgdev_uapi.h"

#define CONNECTIONS 16
#define HUGE_LINES  100000
#define CHUNKS      12
#define CHUNK_US    50000

enum fault { HANG, EOF_HALF, EOF_NOTHING, GARBAGE, LONG_LINE, ERRNO, ERRNO_LATE, HUGE_REPLY, SLOW, REFUSE, UNLINK };

static const char *const faults[] = {"uapi: hangs", "uapi: ends in the middle", "uapi: says nothing and ends", "uapi: garbage",
    "uapi: an endless line", "uapi: errno=5", "uapi: half, then errno=5", "uapi: a huge answer", "uapi: slow", "uapi: refused",
    "uapi: no socket"};

struct conn {
	struct watch watch;
	bool in_use, asked, slow, whole;
	char *out;
	size_t at, len, chunk;
	int64_t next_us;
	uint32_t version;
};

static struct conn conns[CONNECTIONS];
static struct watch listener = {.fd = -1};
static struct model_zone *zone;
static int fault_now = -1;

static void end_conn(struct conn *c)
{
	watch_close(&c->watch);
	free(c->out);
	memset(c, 0, sizeof(*c));
}

static void print_peer(FILE *fp, size_t i, uint32_t version)
{
	char hex[KEY_HEX + 1], text[ENDPOINT_TEXT], cidr[MODEL_CIDR];
	struct endpoint ep;

	if (!model_present(zone, i, version) && i % 2 == 0)
		return;
	key_to_hex(zone->keys[i], hex);
	fprintf(fp, "public_key=%s\n", hex);
	if (model_present(zone, i, version)) {
		model_endpoint(zone, i, version, &ep);
		fprintf(fp, "endpoint=%s\n", endpoint_to_text(&ep, text));
	}
	fprintf(fp, "last_handshake_time_sec=%d\ntx_bytes=7\nrx_bytes=%u\n", 1700000000, version);
	for (size_t n = 0; n < model_cidrs_len(i); n++) {
		model_cidr(zone, i, version, n, cidr);
		fprintf(fp, "allowed_ip=%s\n", cidr);
	}
}

/* Half of the peers, what the fault puts there, and the other half. */
static void print_device(FILE *fp, struct conn *c)
{
	size_t half = zone->peers_len / 2;

	fprintf(fp, "private_key=%064d\nlisten_port=51820\n", 0);
	for (size_t i = 0; i < zone->peers_len; i++) {
		if (i == half && (fault_now == EOF_HALF || fault_now == ERRNO_LATE)) {
			fputs(fault_now == EOF_HALF ? "public_ke" : "errno=5\n\n", fp);
			c->whole = false;
			return;
		}
		if (i == half && (fault_now == GARBAGE || fault_now == LONG_LINE)) {
			c->whole = false;
			for (int n = 0; n < (fault_now == GARBAGE ? 100 : 100000); n++)
				fputc((int)model_between('A', 'Z'), fp);
			fputs("\x01\xff\n", fp);
		}
		for (int n = 0; i == half && fault_now == HUGE_REPLY && n < HUGE_LINES; n++)
			fprintf(fp, "nobody_knows_this=%08d\n", n);
		print_peer(fp, i, c->version);
	}
	fputs("errno=0\n\n", fp);
}

static void answer(struct conn *c)
{
	FILE *fp = open_memstream(&c->out, &c->len);

	if (fp == NULL)
		err(2, "open_memstream");
	c->version = zone->version;
	c->whole = fault_now != ERRNO && fault_now != EOF_NOTHING;
	c->slow = fault_now == SLOW;
	if (fault_now == ERRNO)
		fputs("errno=5\n\n", fp);
	else if (fault_now != EOF_NOTHING)
		print_device(fp, c);
	if (fclose(fp) != 0)
		err(2, "open_memstream");
	c->chunk = c->slow ? c->len / CHUNKS + 1 : c->len;
	watch_change(&c->watch, c->slow ? 0 : EPOLLOUT);
}

static void send_some(struct conn *c)
{
	size_t len = c->len - c->at < c->chunk ? c->len - c->at : c->chunk;
	ssize_t n = len == 0 ? 0 : send(c->watch.fd, c->out + c->at, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == EAGAIN)
		return;
	c->at += n > 0 ? (size_t)n : 0;
	c->next_us = model_now_us() + CHUNK_US;
	if (n >= 0 && c->at < c->len)
		return;
	if (n >= 0 && c->whole && zone->versions[c->version].given_us == 0)
		zone->versions[c->version].given_us = model_now_us();
	end_conn(c);
}

static void on_conn(struct watch *w, uint32_t events)
{
	struct conn *c = (struct conn *)w;
	char buf[256];
	ssize_t n;

	if (!c->in_use)
		return;
	if (c->out != NULL && (events & EPOLLOUT) != 0) {
		send_some(c);
		return;
	}
	n = recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		end_conn(c);
		return;
	}
	c->asked = true;
	if (fault_now != HANG)
		answer(c);
}

static void on_accept(struct watch *w, uint32_t events)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	for (size_t i = 0; fd >= 0 && i < CONNECTIONS; i++) {
		if (conns[i].in_use)
			continue;
		conns[i] = (struct conn){.in_use = true, .watch.on_event = on_conn};
		watch_add(&conns[i].watch, fd, EPOLLIN);
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void path_of(const char *suffix, struct sockaddr_un *sun)
{
	*sun = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(sun->sun_path, sizeof(sun->sun_path), WGDEV_UAPI_DIR "/%s.%s", zone->device, suffix);
}

/* It has its name when it is ready, so that nobody meets one that is not. */
static void open_listener(void)
{
	struct sockaddr_un made, named;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	path_of("new", &made);
	path_of("sock", &named);
	unlink(made.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&made, sizeof(made)) < 0 || listen(fd, CONNECTIONS) < 0 ||
	    chown(made.sun_path, sources_observer, sources_observer) < 0 || chmod(made.sun_path, 0600) < 0 ||
	    rename(made.sun_path, named.sun_path) < 0)
		err(2, "%s", named.sun_path);
	listener.on_event = on_accept;
	watch_add(&listener, fd, EPOLLIN);
}

static void start(struct model_zone *z)
{
	zone = z;
	model_begin(z, false);
	model_end(z);
	open_listener();
}

static void go_away(bool unlinked)
{
	struct sockaddr_un sun;

	path_of("sock", &sun);
	model_absence(zone, true);
	if (unlinked)
		unlink(sun.sun_path);
	watch_close(&listener);
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (conns[i].in_use)
			end_conn(&conns[i]);
	zone->versions[zone->version].to_us = model_now_us();
}

static void begin(struct model_zone *z, size_t fault)
{
	fault_now = (int)fault;
	if (fault == REFUSE || fault == UNLINK)
		go_away(fault == UNLINK);
	else
		model_fault(z, true);
}

static void end(struct model_zone *z, size_t fault)
{
	fault_now = -1;
	if (fault == REFUSE || fault == UNLINK) {
		model_begin(z, false);
		open_listener();
		model_absence(z, false);
		return;
	}
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (conns[i].in_use && conns[i].asked && conns[i].out == NULL)
			answer(&conns[i]);
	model_fault(z, false);
}

static bool change(struct model_zone *z, bool at_fault)
{
	if (at_fault && listener.fd < 0)
		return false;
	model_begin(z, false);
	model_end(z);
	return true;
}

static void tick(struct model_zone *z)
{
	(void)z;
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (conns[i].in_use && conns[i].slow && conns[i].next_us <= model_now_us())
			send_some(&conns[i]);
}

const struct source_kind source_uapi = {.faults = faults, .faults_len = sizeof(faults) / sizeof(*faults), .start = start,
    .begin = begin, .end = end, .change = change, .tick = tick};
