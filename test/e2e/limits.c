/* limits ask TRANSPORT FROM TO PORT NAME TYPE [DEVICE]
 *      one question; prints how it was answered, or "none". With DEVICE the socket is bound to that
 * limits flood TRANSPORT FROM TO PORT COUNT TYPE NAME...  [with COOKIE=1 in the environment: with a valid cookie]
 *      that many questions as fast as they are answered, for the names in turn ("#" in a name is the question's number); FROM
 *      may be several addresses with commas, in turn. Prints "full F tc T none N ms M"
 * limits amplify FROM TO PORT <NAMES
 *      every kind of question for each name, without a valid cookie: the largest answer for each octet asked
 * limits cookie FROM OTHER TO PORT [COOKIE]
 *      cookies; the last line is a good one, in hex. With COOKIE it is checked that it is not good
 */
#include <net/if.h>

#include "dns_io.h"

#define WINDOW   50 /* questions on their way: the server's socket holds more */
#define QUIET_MS 10 /* after which the next ones are sent */
#define LOST_MS  300 /* after which what was not answered is lost */
#define SOURCES  64

static size_t ask_cookie(int fd, const uint8_t *cookie, size_t len, uint8_t out[24], unsigned *rcode);

/* ---- ask ---- */

static int ask_main(char **argv, const char *device)
{
	static uint8_t query[MESSAGE], answer[MESSAGE];
	bool tcp = strcmp(argv[0], "tcp") == 0;
	struct sockaddr_storage sa;
	socklen_t sa_len = dns_address(argv[2], (uint16_t)atoi(argv[3]), &sa);
	struct timeval patience = {.tv_sec = 2};
	int fd = dns_socket(tcp ? SOCK_STREAM : SOCK_DGRAM, argv[1], argv[2]);
	size_t len = dns_query(query, 1, argv[4], dns_type(argv[5]));

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (device != NULL && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) < 0)
		err(1, "SO_BINDTODEVICE");
	if (connect(fd, (struct sockaddr *)&sa, sa_len) < 0)
		len = 0;
	len = len > 0 ? dns_ask(fd, tcp, query, len, answer) : 0;
	printf("%s\n", len > 0 ? dns_rcode(dns_read(answer, len).rcode) : "none");
	return 0;
}

/* ---- flood ---- */

static struct {
	int fds[SOURCES];
	uint8_t cookies[SOURCES][24];
	size_t len;
	bool tcp, with_cookie;
	unsigned full, truncated;
	unsigned rcodes[24];
} f;

static size_t number_name(const char *name, unsigned number, char *out, size_t cap)
{
	const char *hash = strchr(name, '#');

	if (hash == NULL)
		return (size_t)snprintf(out, cap, "%s", name);
	return (size_t)snprintf(out, cap, "%.*sq%u%s", (int)(hash - name), name, number, hash + 1);
}

static void flood_send(unsigned number, const char *name, uint16_t type)
{
	uint8_t query[1024], option[28];
	size_t source = number % f.len, len;
	char text[600];

	number_name(name, number, text, sizeof(text));
	len = dns_query(query, (uint16_t)number, text, type);
	if (f.with_cookie) {
		put_bytes(put16(put16(option, COOKIE_OPTION), 24), f.cookies[source], 24);
		len = dns_opt(query, len, 1232, 0, option, sizeof(option));
	}
	if (f.tcp ? !tcp_write(f.fds[source], query, len) : send(f.fds[source], query, len, 0) != (ssize_t)len)
		err(1, "send");
}

static void flood_count(const uint8_t *answer, size_t len)
{
	struct dns_answer a = dns_read(answer, len);

	if (!a.sound)
		errx(1, "an answer of %zu octets cannot be read", len);
	if ((answer[2] & FLAG_TC) != 0)
		f.truncated++;
	else
		f.full++;
	f.rcodes[a.rcode < 24 ? a.rcode : 0]++;
}

/* Takes what is there; returns how many answers. */
static unsigned flood_receive(int wait_ms)
{
	static uint8_t answer[MESSAGE];
	struct pollfd p[SOURCES];
	unsigned got = 0;

	for (size_t i = 0; i < f.len; i++)
		p[i] = (struct pollfd){.fd = f.fds[i], .events = POLLIN};
	if (poll(p, f.len, wait_ms) <= 0)
		return 0;
	for (size_t i = 0; i < f.len; i++) {
		size_t len;

		if (p[i].revents == 0)
			continue;
		if (f.tcp) {
			len = tcp_read(f.fds[i], answer);
		} else {
			ssize_t n = recv(f.fds[i], answer, sizeof(answer), MSG_DONTWAIT);

			len = n > 0 ? (size_t)n : 0;
		}
		if (len == 0)
			errx(1, "the server hung up, or is not there");
		flood_count(answer, len);
		got++;
	}
	return got;
}

static void flood_open(char *from, const char *to, uint16_t port)
{
	for (char *at = strtok(from, ","); at != NULL && f.len < SOURCES; at = strtok(NULL, ",")) {
		static const uint8_t client[8] = "wgmeet!";
		unsigned rcode;
		int udp;

		f.fds[f.len] = dns_connect(f.tcp ? SOCK_STREAM : SOCK_DGRAM, at, to, port);
		if (f.with_cookie) {
			udp = dns_connect(SOCK_DGRAM, at, to, port);
			if (ask_cookie(udp, client, 8, f.cookies[f.len], &rcode) != 24)
				errx(1, "no cookie");
			close(udp);
		}
		f.len++;
	}
}

static int flood_main(char **argv)
{
	unsigned count = (unsigned)atoi(argv[4]), answered = 0;
	uint16_t type = dns_type(argv[5]);
	char **names = argv + 6;
	size_t names_len = 0;
	int64_t started, took_ms;

	while (names[names_len] != NULL)
		names_len++;
	f.tcp = strcmp(argv[0], "tcp") == 0;
	f.with_cookie = getenv("COOKIE") != NULL;
	flood_open(argv[1], argv[2], (uint16_t)atoi(argv[3]));
	started = now_us();
	for (unsigned sent = 0; sent < count;) {
		unsigned batch = count - sent < WINDOW ? count - sent : WINDOW, got = 0, more;

		for (unsigned i = 0; i < batch; i++, sent++)
			flood_send(sent, names[sent % names_len], type);
		while (got < batch && (more = flood_receive(f.tcp ? PATIENCE_MS : QUIET_MS)) > 0)
			got += more;
		answered += got;
	}
	took_ms = (now_us() - started) / 1000;
	for (unsigned more = 1; answered < count && more > 0; answered += more)
		more = flood_receive(LOST_MS);
	printf("full %u tc %u none %u ms %lld", f.full, f.truncated, count - answered, (long long)took_ms);
	for (unsigned i = 0; i < 24; i++)
		if (f.rcodes[i] > 0)
			printf(" %s %u", dns_rcode(i), f.rcodes[i]);
	printf("\n");
	return 0;
}

/* ---- amplification ---- */

static struct {
	double ratio;
	size_t asked, answered, largest, answers, questions;
	char what[500];
} worst;

static int amplify_fds[SOURCES];

/* Each from another network, for the rate of one would be limited. */
static void measure(const uint8_t *query, size_t len, const char *what)
{
	static uint8_t answer[MESSAGE];
	static unsigned next;
	int fd = amplify_fds[next++ % SOURCES];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	worst.questions++;
	if (send(fd, query, len, 0) != (ssize_t)len)
		err(1, "send");
	/* What is dropped amplifies nothing; all else is answered. */
	n = poll(&p, 1, strncmp(what, "dropped", 7) == 0 ? 10 : PATIENCE_MS) == 1 ? recv(fd, answer, sizeof(answer), 0) : 0;
	if (n <= 0)
		return;
	worst.answers++;
	if ((size_t)n > worst.largest)
		worst.largest = (size_t)n;
	if ((double)n / (double)len > worst.ratio) {
		worst.ratio = (double)n / (double)len;
		worst.asked = len;
		worst.answered = (size_t)n;
		snprintf(worst.what, sizeof(worst.what), "%s", what);
	}
}

static void measure_options(const uint8_t *plain, size_t plain_len, int size, const char *what)
{
	static const struct {
		const char *name;
		size_t len;
		uint8_t bytes[64];
	} options[] = {
	    {"no option", 0, {0}},
	    {"client cookie", 12, {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8}},
	    {"forged cookie", 28, {0, 10, 0, 24, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 0, 0}},
	    {"bad cookie", 5, {0, 10, 0, 1, 1}},
	    {"keepalive", 4, {0, 11, 0, 0}},
	    {"NSID", 4, {0, 3, 0, 0}},
	    {"cookie and keepalive", 16, {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 11, 0, 0}},
	};
	uint8_t query[1024];
	char text[500];

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		for (uint32_t ttl = 0; ttl < 3; ttl++) { /* plain, DO, another version */
			size_t len;

			memcpy(query, plain, plain_len);
			len = dns_opt(query, plain_len, (uint16_t)size, ttl == 0 ? 0 : ttl == 1 ? 0x8000 : 0x10000, options[i].bytes,
			    options[i].len);
			snprintf(text, sizeof(text), "%s, EDNS %d, %s%s", what, size, options[i].name,
			    ttl == 0 ? "" : ttl == 1 ? ", DO" : ", version 1");
			measure(query, len, text);
			if (i > 2 && size != 1232)
				break;
		}
	}
}

static void measure_name(const char *name)
{
	static const uint16_t types[] = {1, 2, 5, 6, 12, 16, 28, 33, 41, 252, 255};
	static const int sizes[] = {0, 512, 1232, 4096, 65535};
	uint8_t query[1024];
	char what[400];

	for (size_t t = 0; t < sizeof(types) / sizeof(*types); t++) {
		size_t len = dns_query(query, 7, name, types[t]);

		snprintf(what, sizeof(what), "%s type %u", name, types[t]);
		measure(query, len, what);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			put16(query + 10, 0);
			measure_options(query, len, sizes[i], what);
		}
	}
}

/* All of one question, cut at every octet, and with every octet of its header changed. */
static void measure_damaged(const char *name)
{
	uint8_t query[1024], damaged[1024];
	char what[200];
	size_t len = dns_query(query, 7, name, 255);

	len = dns_opt(query, len, 65535, 0, "\0\12\0\10abcdefgh", 12);
	for (size_t cut = 1; cut < len; cut++) {
		snprintf(what, sizeof(what), "%sits first %zu octets", cut < 12 ? "dropped: " : "", cut);
		measure(query, cut, what);
	}
	for (size_t at = 2; at < len; at++) {
		for (unsigned bit = 1; bit < 256; bit <<= 1) {
			memcpy(damaged, query, len);
			damaged[at] ^= (uint8_t)bit;
			snprintf(what, sizeof(what), "%soctet %zu changed by %02x", at == 2 && bit == 128 ? "dropped: " : "", at, bit);
			measure(damaged, len, what);
		}
	}
	put16(put32(put16(put16(put16(query, 1), 0), 0), 0), 0);
	measure(query, 12, "no question");
	measure_options(query, 12, 65535, "no question");
	memset(query + 12, 'x', 1000);
	measure(query, 1012, "no question, and junk");
}

static int amplify_main(const char *from, const char *to, uint16_t port)
{
	char name[300], address[64];

	for (unsigned i = 0; i < SOURCES; i++) {
		snprintf(address, sizeof(address), "%s.%u.1", from, i);
		amplify_fds[i] = dns_connect(SOCK_DGRAM, address, to, port);
	}
	while (fgets(name, sizeof(name), stdin) != NULL) {
		name[strcspn(name, "\n")] = '\0';
		measure_name(name);
		measure_damaged(name);
	}
	printf("questions %zu answers %zu largest %zu ratio %.3f asked %zu answered %zu what %s\n", worst.questions, worst.answers,
	    worst.largest, worst.ratio, worst.asked, worst.answered, worst.what);
	return 0;
}

/* ---- cookies ---- */

/* A cookie alone, without a question (RFC 7873 section 5.4). Returns the length of the one that comes back. */
static size_t ask_cookie(int fd, const uint8_t *cookie, size_t len, uint8_t out[24], unsigned *rcode)
{
	static uint8_t answer[MESSAGE];
	uint8_t query[200] = {0, 9}, option[100];
	const uint8_t *data;
	struct dns_answer a;
	size_t n, out_len = 0;

	put_bytes(put16(put16(option, COOKIE_OPTION), (uint16_t)len), cookie, len);
	n = dns_opt(query, 12, 1232, 0, option, 4 + len);
	n = dns_ask(fd, false, query, n, answer);
	a = dns_read(answer, n);
	*rcode = n > 0 ? a.rcode : 99;
	data = dns_option(&a, COOKIE_OPTION, &out_len);
	if (data == NULL)
		return 0;
	memcpy(out, data, out_len < 24 ? out_len : 24);
	return out_len;
}

static unsigned verdict(const char *from, const char *to, uint16_t port, const uint8_t *cookie, size_t len)
{
	uint8_t out[24];
	unsigned rcode;
	int fd = dns_connect(SOCK_DGRAM, from, to, port);

	ask_cookie(fd, cookie, len, out, &rcode);
	close(fd);
	return rcode;
}

/* RFC 9018 section 4: version, reserved, time, hash. */
static void check_layout(const uint8_t *cookie, const uint8_t *client)
{
	uint32_t at = get32(cookie + 12), now = (uint32_t)time(NULL);

	check(memcmp(cookie, client, 8) == 0, "a cookie begins with the client's");
	check(cookie[8] == 1 && cookie[9] == 0 && cookie[10] == 0 && cookie[11] == 0, "version 1, and nothing reserved is set");
	check(now - at <= 2, "its time is now: %d s ago", (int)(now - at));
}

static void check_altered(const char *from, const char *to, uint16_t port, const uint8_t good[24])
{
	unsigned taken = 0;
	uint8_t cookie[41];

	for (size_t at = 0; at < 24; at++) {
		for (unsigned bit = 1; bit < 256; bit <<= 1) {
			memcpy(cookie, good, 24);
			cookie[at] ^= (uint8_t)bit;
			taken += verdict(from, to, port, cookie, 24) != 23;
		}
	}
	check(taken == 0, "a cookie with a bit changed is none: %u of 192 are", taken);
	memset(cookie, 0x5a, sizeof(cookie));
	memcpy(cookie, good, 24);
	for (size_t len = 0; len <= 41; len++) {
		unsigned want = len == 24 || len == 8 ? 0 : len >= 16 && len <= 40 ? 23 : 1;
		unsigned got = verdict(from, to, port, cookie, len);

		if (got != want)
			check(false, "a cookie of %zu octets: %s, not %s", len, dns_rcode(got), dns_rcode(want));
	}
	check(true, "cookies of all lengths were tried");
}

static void check_workers(const char *from, const char *to, uint16_t port, const uint8_t good[24])
{
	unsigned refused = 0;

	for (unsigned i = 0; i < 64; i++) /* each from another port: the workers share them */
		refused += verdict(from, to, port, good, 24) != 0;
	check(refused == 0, "all workers take it: %u of 64 did not", refused);
}

static int cookie_main(char **argv, const char *old)
{
	static const uint8_t client[8] = {0x77, 0x67, 0x6d, 0x65, 0x65, 0x74, 0, 1};
	uint16_t port = (uint16_t)atoi(argv[3]);
	uint8_t good[24], other[24];
	int fd = dns_connect(SOCK_DGRAM, argv[0], argv[2], port), fd2 = dns_connect(SOCK_DGRAM, argv[1], argv[2], port);
	unsigned rcode;

	if (!check(ask_cookie(fd, client, 8, good, &rcode) == 24 && rcode == 0, "a client's cookie is answered with 24 octets"))
		return 1;
	if (old != NULL) {
		for (size_t i = 0; i < 24; i++)
			sscanf(old + 2 * i, "%2hhx", &other[i]);
		check(verdict(argv[0], argv[2], port, other, 24) == 23, "the cookie of another run is not good");
		check(verdict(argv[0], argv[2], port, good, 24) == 0, "the new one is");
		return failures > 0;
	}
	check_layout(good, client);
	check(verdict(argv[1], argv[2], port, good, 24) == 23, "a cookie of another address is not good");
	check(ask_cookie(fd2, good, 24, other, &rcode) == 24 && memcmp(good, other, 24) != 0, "another address gets another one");
	check(verdict(argv[1], argv[2], port, other, 24) == 0, "which is good there");
	check_workers(argv[0], argv[2], port, good);
	check_altered(argv[0], argv[2], port, good);
	for (size_t i = 0; i < 24; i++)
		printf("%02x", good[i]);
	printf("\n");
	return failures > 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "ask") == 0 && argc >= 8)
		return ask_main(argv + 2, argc > 8 ? argv[8] : NULL);
	if (strcmp(what, "flood") == 0 && argc >= 9)
		return flood_main(argv + 2);
	if (strcmp(what, "amplify") == 0 && argc == 5)
		return amplify_main(argv[2], argv[3], (uint16_t)atoi(argv[4]));
	if (strcmp(what, "cookie") == 0 && argc >= 6)
		return cookie_main(argv + 2, argc > 6 ? argv[6] : NULL);
	errx(2, "see the top of limits.c");
}
