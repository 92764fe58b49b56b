/* told ADDR PORT HOW - listens for NOTIFY, and prints a line for each message that comes, as soon as it does:
 *
 *     MS from ADDR PORT on DEVICE: id ID flags FLAGS counts N N N N name NAME type TYPE class CLASS
 *
 * MS is of a clock that does not stand for any day; FLAGS are the two octets behind the ID, in hex, and so is the ID. HOW is
 * "answer", "silent", or "wrong": with answers that are none, because of the ID, the opcode, the question, or the port.
 */
#include <net/if.h>

#include "dns_io.h"

static void print_name(const uint8_t *msg, size_t len, size_t *at)
{
	while (*at < len && msg[*at] != 0) {
		for (size_t i = 1; i <= msg[*at] && *at + i < len; i++)
			putchar(msg[*at + i] >= '-' && msg[*at + i] < 0x7f ? msg[*at + i] : '?');
		putchar('.');
		*at += msg[*at] + 1u;
	}
	++*at;
}

static void print_message(const uint8_t *msg, size_t len, const struct endpoint *from, unsigned ifindex)
{
	char text[ENDPOINT_TEXT], device[IF_NAMESIZE] = "-";
	size_t at = 12;

	if_indextoname(ifindex, device);
	printf("%lld from %s %u on %s: ", (long long)(now_us() / 1000), endpoint_addr_to_text(from, text), from->port, device);
	if (len < 12) {
		printf("%zu octets\n", len);
		return;
	}
	printf("id %02x%02x flags %02x%02x counts %u %u %u %u name ", msg[0], msg[1], msg[2], msg[3], get16(msg + 4),
	    get16(msg + 6), get16(msg + 8), get16(msg + 10));
	print_name(msg, len, &at);
	if (at + 4 == len)
		printf(" type %u class %u\n", get16(msg + at), get16(msg + at + 2));
	else
		printf(" and other than 4 octets\n");
}

static void answer(int fd, uint8_t *msg, size_t len, const struct sockaddr_storage *to, socklen_t to_len, const char *how)
{
	/* An octet that is changed, and with what. */
	static const uint8_t wrong[][2] = {{1, 1}, {2, 0x20}, {13, 1}};
	int other;

	if (strcmp(how, "silent") == 0 || len < 14)
		return;
	msg[2] |= 0x80;
	if (strcmp(how, "answer") == 0) {
		sendto(fd, msg, len, 0, (const void *)to, to_len);
		return;
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		msg[wrong[i][0]] ^= wrong[i][1];
		sendto(fd, msg, len, 0, (const void *)to, to_len);
		msg[wrong[i][0]] ^= wrong[i][1];
	}
	other = socket(to->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sendto(other, msg, len, 0, (const void *)to, to_len);
	close(other);
}

static unsigned interface_of(struct msghdr *mh)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(mh);

	if (c != NULL && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
		return (unsigned)((const struct in_pktinfo *)(const void *)CMSG_DATA(c))->ipi_ifindex;
	if (c != NULL && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
		return ((const struct in6_pktinfo *)(const void *)CMSG_DATA(c))->ipi6_ifindex;
	return 0;
}

int main(int argc, char **argv)
{
	static uint8_t msg[MESSAGE];
	struct sockaddr_storage sa;
	socklen_t sa_len;
	int fd, on = 1;

	if (argc != 4)
		errx(2, "usage: told ADDR PORT answer|silent|wrong");
	sa_len = dns_address(argv[1], (uint16_t)atoi(argv[2]), &sa);
	fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sa_len) < 0)
		err(1, "%s", argv[1]);
	if (sa.ss_family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("listening\n");
	for (;;) {
		union {
			struct cmsghdr align;
			uint8_t buf[256];
		} control;
		struct iovec iov = {.iov_base = msg, .iov_len = sizeof(msg)};
		struct msghdr mh = {.msg_name = &sa, .msg_namelen = sizeof(sa), .msg_iov = &iov, .msg_iovlen = 1,
		    .msg_control = &control, .msg_controllen = sizeof(control)};
		ssize_t len = recvmsg(fd, &mh, 0);
		struct endpoint from;

		if (len < 0)
			err(1, "recvmsg");
		endpoint_from_sockaddr(&sa, mh.msg_namelen, &from);
		print_message(msg, (size_t)len, &from, interface_of(&mh));
		answer(fd, msg, (size_t)len, &sa, mh.msg_namelen, argv[3]);
	}
}
