/* drip DEVICE: sits where wgmeet run would, and reports of a peer each 100 ms, without end. Prints "ready"; ends when it is killed. */
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "report.h"
#include "unixsock.h"

#define GAP_MS 100

static void drip(int fd, const char *device)
{
	struct report_head head = {.magic = REPORT_HEAD, .version = REPORT_VERSION, .is_there = true, .is_up = true,
	    .told_ms = REPORT_NEVER};
	struct report_peer peer = {.magic = REPORT_PEER, .doubt_ms = REPORT_NEVER, .trial_ms = REPORT_NEVER,
	    .answered_ms = REPORT_NEVER, .unanswered_ms = REPORT_NEVER, .ask_ms = REPORT_NEVER};

	snprintf(head.device, sizeof(head.device), "%s", device);
	name_from_text("wg.test", &head.zone);
	if (send(fd, &head, sizeof(head), MSG_NOSIGNAL) < 0)
		return;
	while (poll(NULL, 0, GAP_MS) == 0 && send(fd, &peer, sizeof(peer), MSG_NOSIGNAL) > 0)
		peer.key[0]++;
}

int main(int argc, char *argv[])
{
	char path[REPORT_PATH];
	struct pollfd s;
	int fd;

	log_init("drip", false);
	if (argc != 2)
		die_usage("usage: drip DEVICE");
	snprintf(path, sizeof(path), REPORT_DIR "/%s/status", argv[1]);
	s = (struct pollfd){.fd = unixsock_listen(path, SOCK_SEQPACKET, 0600, 1), .events = POLLIN};
	if (s.fd < 0)
		diex("%s: error %d", path, s.fd);
	puts("ready");
	fflush(stdout);
	while (poll(&s, 1, -1) == 1 && (fd = accept4(s.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		drip(fd, argv[1]);
		close(fd);
	}
	die("accept");
}
