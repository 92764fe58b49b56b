/* manager PATH - a service manager's ear: says what programs tell it at that socket, a line for each datagram, its lines joined
 * by blanks. See sd_notify(3). */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[1024];
	ssize_t n;

	if (argc != 2 || strlen(argv[1]) >= sizeof(sun.sun_path))
		errx(2, "usage: manager PATH");
	strcpy(sun.sun_path, argv[1]);
	unlink(argv[1]);
	umask(0); /* whoever the program is */
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		err(1, "%s", argv[1]);
	while ((n = recv(fd, text, sizeof(text), 0)) >= 0) {
		for (ssize_t i = 0; i < n; i++)
			if (text[i] == '\n')
				text[i] = ' ';
		printf("%.*s\n", (int)n, text);
		fflush(stdout);
	}
	err(1, "recv");
}
