#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "endpoint.h"
#include "query.h"
#include "records.h"
#include "refresh.h"
#include "wire.h"

#define LINE_MAX_LEN 256

/* splitmix64 */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

void refresh_key(size_t peer, uint8_t out[KEY_LEN])
{
	for (size_t i = 0; i < KEY_LEN / 8; i++) {
		uint64_t v = mix(peer * 4 + i + 1);

		memcpy(out + 8 * i, &v, 8);
	}
}

/* ---- dump files ---- */

static size_t stride(size_t peers, size_t changed)
{
	return changed < peers ? peers / changed : 1;
}

size_t refresh_changing(size_t peers, size_t changed)
{
	return stride(peers, changed) / 2;
}

uint16_t refresh_port(size_t peers, size_t changed, unsigned round, size_t peer)
{
	size_t step = stride(peers, changed);

	if (peer % step != step / 2 || peer / step >= changed)
		return (uint16_t)(1024 + peer % 30000);
	return (uint16_t)(40000 + round % 20000);
}

static int put_peer(char *to, size_t peer, uint16_t port)
{
	uint8_t key[KEY_LEN];
	char text[KEY_BASE64 + 1], at[64];
	unsigned p = (unsigned)peer, a = p >> 16 & 0xff, b = p >> 8 & 0xff, c = p & 0xff;

	refresh_key(peer, key);
	if (peer % 2 == 0)
		snprintf(at, sizeof(at), "%u.%u.%u.%u:%u", 20 + a, b, c, 1 + p % 250, port);
	else
		snprintf(at, sizeof(at), "[2001:db8:%x:%x::%x]:%u", a << 8 | b, c, 1 + p % 65000, port);
	/* Times and counters as long as they are in life. */
	return snprintf(to, LINE_MAX_LEN, "%s\t(none)\t%s\t10.%u.%u.%u/32\t17%08u\t%u\t%u\t25\n", key_text(key, text), at, a, b, c,
	    p, 1000000 + p * 7, 2000000 + p * 5);
}

char *refresh_dump(size_t peers, size_t changed, unsigned round, size_t *len)
{
	char *text = malloc((peers + 1) * LINE_MAX_LEN), key_of_device[KEY_BASE64 + 1];
	uint8_t key[KEY_LEN];

	if (text == NULL)
		err(2, "a dump of %zu peers", peers);
	refresh_key(SIZE_MAX / 8, key);
	*len = (size_t)snprintf(text, LINE_MAX_LEN, "(none)\t%s\t51820\toff\n", key_text(key, key_of_device));
	for (size_t i = 0; i < peers; i++)
		*len += (size_t)put_peer(text + *len, i, refresh_port(peers, changed, round, i));
	return text;
}

void refresh_write(const char *path, size_t peers, size_t changed, unsigned round)
{
	FILE *fp = fopen(path, "we");
	size_t len;
	char *text = refresh_dump(peers, changed, round, &len);

	if (fp == NULL || fwrite(text, 1, len, fp) != len || fclose(fp) != 0)
		err(2, "%s", path);
	free(text);
}

/* ---- questions ---- */

size_t refresh_ask(size_t peer, uint16_t id, uint8_t out[REFRESH_QUESTION])
{
	struct name zone, owner;
	uint8_t key[KEY_LEN], *p = out;

	refresh_key(peer, key);
	if (!name_from_text(REFRESH_ZONE, &zone) || !records_instance_name(&zone, key, false, &owner))
		errx(2, "%s has no room for a peer", REFRESH_ZONE);
	p = put16(p, id);
	p = put16(p, 0);
	p = put16(p, 1);
	p = put32(put16(p, 0), 0);
	p = put_bytes(p, owner.wire, owner.len);
	p = put16(p, DNS_SRV);
	p = put16(p, DNS_CLASS_IN);
	return (size_t)(p - out);
}

bool refresh_is_answer(const uint8_t *question, size_t question_len, const uint8_t *msg, size_t len, uint16_t *port)
{
	const uint8_t *rr = msg + question_len;

	/* QR and NOERROR, one answer, the same question; the first record is the SRV of what was asked. */
	if (len < question_len + 12 + 6 || memcmp(msg, question, 2) != 0 || (msg[2] & 0x80) == 0 || (msg[3] & 0x0f) != 0 ||
	    get16(msg + 6) != 1 || memcmp(msg + DNS_HEADER, question + DNS_HEADER, question_len - DNS_HEADER) != 0 ||
	    get16(rr) != (0xc000 | DNS_HEADER) || get16(rr + 2) != DNS_SRV)
		return false;
	*port = get16(rr + 12 + 4);
	return true;
}

int refresh_connect(const char *server)
{
	struct sockaddr_storage sa;
	struct endpoint ep;
	socklen_t len;
	int fd;

	if (!endpoint_from_text(server, 0, &ep))
		errx(2, "%s is no ADDR:PORT", server);
	len = endpoint_to_sockaddr(&ep, &sa);
	fd = socket(ep.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, len) < 0)
		err(2, "%s", server);
	return fd;
}

/* ---- clocks ---- */

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t refresh_cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t refresh_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t refresh_median(int64_t *values, size_t len)
{
	qsort(values, len, sizeof(*values), by_value);
	return values[len / 2];
}
