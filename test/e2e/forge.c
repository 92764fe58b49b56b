/* forge DEVICE FROM:PORT TO:PORT NAME COUNT [SECONDS] - sends COUNT messages "NOTIFY NAME SRV" (RFC 1996) over DEVICE, as if they
 * came from that address and port, whosever these are; each with another ID; over SECONDS, or all at once. IPv4.
 */
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <time.h>

#include "dns_io.h"

#define OPCODE_NOTIFY_AA 0x2400
#define TYPE_SRV         33

struct packet {
	struct iphdr ip;
	struct udphdr udp;
	uint8_t msg[512];
} __attribute__((packed));

static struct sockaddr_in address(const char *text)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	struct endpoint ep;

	if (!endpoint_from_text(text, 0, &ep) || ep.family != AF_INET)
		errx(2, "%s: it must be ADDR:PORT, IPv4", text);
	memcpy(&sin.sin_addr, ep.addr, sizeof(sin.sin_addr));
	sin.sin_port = htons(ep.port);
	return sin;
}

static int open_raw(const char *device)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW); /* the IP header is ours */

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) < 0)
		err(1, "%s", device);
	return fd;
}

/* The kernel fills in the IP header's length and checksum; UDP needs none. Returns its length. */
static size_t build(struct packet *p, const struct sockaddr_in *from, const struct sockaddr_in *to, const char *name)
{
	size_t len = dns_query(p->msg, 0, name, TYPE_SRV);

	put16(p->msg + 2, OPCODE_NOTIFY_AA);
	p->ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .saddr = from->sin_addr.s_addr,
	    .daddr = to->sin_addr.s_addr};
	p->udp = (struct udphdr){.source = from->sin_port, .dest = to->sin_port,
	    .len = htons((uint16_t)(sizeof(p->udp) + len))};
	return sizeof(p->ip) + sizeof(p->udp) + len;
}

int main(int argc, char *argv[])
{
	struct sockaddr_in from, to;
	struct packet p = {0};
	long count, pause_ns;
	size_t len;
	int fd;

	if (argc < 6 || argc > 7)
		errx(2, "usage: forge DEVICE FROM:PORT TO:PORT NAME COUNT [SECONDS]");
	from = address(argv[2]);
	to = address(argv[3]);
	if (strlen(argv[4]) > 255 - 2)
		errx(2, "%s: it is too long", argv[4]);
	count = atol(argv[5]);
	pause_ns = argc > 6 && count > 0 ? atol(argv[6]) * 1000000000 / count : 0;
	fd = open_raw(argv[1]);
	len = build(&p, &from, &to, argv[4]);
	for (long i = 0; i < count; i++) {
		put16(p.msg, (uint16_t)(i * 40503 + 4711));
		if (sendto(fd, &p, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			err(1, "sendto");
		if (pause_ns > 0)
			nanosleep(&(struct timespec){.tv_sec = pause_ns / 1000000000, .tv_nsec = pause_ns % 1000000000}, NULL);
	}
	return 0;
}
