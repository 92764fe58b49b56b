/* tcp_hoard TO PORT COUNT HOW - that many connections, each from another address, ask for the longest answer, the list of the
 * zone wg.test, and take nothing; HOW is "leave", "finish" for those that say that they ask no more, or "stuff" for those
 * that ask again and again, as much as is taken from them. Prints "ready", and goes on until its standard input ends.
 */
#include <sys/resource.h>

#include "dns_io.h"

#define LIST "_wireguard._udp.wg.test"

/* As small segments as there can be: they cost the kernel most. */
static void stuff(int fd, const uint8_t *query, size_t n)
{
	uint8_t frame[512];

	put_bytes(put16(frame, (uint16_t)n), query, n);
	for (unsigned i = 0; i < 3000; i++)
		if (send(fd, frame, 2 + n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			return;
}

static void hoard(const char *to, uint16_t port, unsigned count, const char *how)
{
	uint8_t query[512], octet;
	size_t n = dns_query(query, 1, LIST, 12);
	struct sockaddr_storage sa;
	socklen_t sa_len = dns_address(to, port, &sa);

	for (unsigned i = 0; i < count; i++) {
		int fd = dns_socket(SOCK_STREAM, numbered(10, i), to);

		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
		if (connect(fd, (struct sockaddr *)&sa, sa_len) < 0)
			err(1, "connect");
		tcp_write(fd, query, n);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		if (strcmp(how, "finish") == 0)
			shutdown(fd, SHUT_WR);
		if (strcmp(how, "stuff") == 0)
			stuff(fd, query, n);
	}
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &octet, 1) > 0)
		;
}

int main(int argc, char **argv)
{
	struct rlimit files;

	if (argc != 5)
		errx(2, "usage: tcp_hoard TO PORT COUNT HOW");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	hoard(argv[1], (uint16_t)atoi(argv[2]), (unsigned)atoi(argv[3]), argv[4]);
	return 0;
}
