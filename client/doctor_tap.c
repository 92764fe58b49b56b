#include "doctor_tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

#include "wire.h"

#define PACKET_LEN 128 /* of each packet so much is looked at */
#define AT_ONCE    256 /* packets: a flood of them holds nobody up */

int doctor_tap_open(void)
{
	/* Of no protocol: it hears nothing before it is bound to one. */
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 ? fd : -errno;
}

int doctor_tap_start(int fd, uint16_t port)
{
	/* UDP over IPv4, not a later fragment, or over IPv6 without extension headers, to that port. */
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
	    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x40, 0, 7),
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 11),
	    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
	    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 9, 0),
	    BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
	    BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
	    BPF_JUMP(BPF_JMP | BPF_JA, 4, 0, 0),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x60, 0, 5),
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 3),
	    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 42),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, PACKET_LEN),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};
	struct sockaddr_ll all = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ||
	    bind(fd, (struct sockaddr *)&all, sizeof(all)) < 0)
		return -errno;
	return 0;
}

bool doctor_tap_is_from(const uint8_t *packet, size_t len, const struct endpoint *from)
{
	bool v6 = from->family == AF_INET6;
	struct wire_reader r = {.buf = packet, .len = len};
	uint8_t first = wire_get8(&r), type;
	const uint8_t *source;

	if (first >> 4 != (v6 ? 6 : 4))
		return false;
	wire_skip(&r, v6 ? 7 : 11);
	source = wire_skip(&r, v6 ? 16 : 4);
	wire_skip(&r, v6 ? 16 : 4);
	if (!v6 && (first & 0xf) >= 5)
		wire_skip(&r, 4 * ((first & 0xfu) - 5));
	if (wire_get16(&r) != from->port)
		return false;
	wire_skip(&r, 6);
	type = wire_get8(&r);
	/* A message begins with its type, from 1 to 4, and three zeros. Not 3, a cookie: that is not counted by the device. */
	return wire_get8(&r) == 0 && wire_get16(&r) == 0 && !r.bad && type >= 1 && type <= 4 && type != 3 &&
	    memcmp(source, from->addr, v6 ? 16 : 4) == 0;
}

unsigned doctor_tap_count(int fd, const struct endpoint *from)
{
	uint8_t packet[PACKET_LEN];
	struct sockaddr_ll ll;
	unsigned n = 0;

	for (int i = 0; i < AT_ONCE; i++) {
		socklen_t ll_len = sizeof(ll);
		ssize_t len = recvfrom(fd, packet, sizeof(packet), MSG_DONTWAIT, (struct sockaddr *)&ll, &ll_len);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return n;
		n += ll.sll_pkttype == PACKET_HOST && doctor_tap_is_from(packet, (size_t)len, from);
	}
	return n;
}
