/* A userspace daemon's answer to "get=1", line by line. */
#include "fuzz.h"

#include "wgdev_uapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct wg_device dev;
	struct wgdev_uapi u = {.fd = -1};
	size_t at = 0, allowed = 0;
	int r = 0;

	wgdev_reset(&dev);
	while (r == 0 && at < len) {
		const uint8_t *nl = memchr(data + at, '\n', len - at);
		size_t n = nl != NULL ? (size_t)(nl - data) - at : len - at;
		char *line = exact_copy(data + at, n + (nl != NULL));

		if (nl == NULL) { /* an unfinished line is never looked at */
			free(line);
			break;
		}
		line[n] = '\0';
		r = wgdev_uapi_line(&u, line, &dev);
		MUST(r <= 1 && r > -4096);
		free(line);
		at += n + 1;
	}
	for (size_t i = 0; i < dev.peers_len; i++) {
		const struct wg_peer *p = &dev.peers[i];

		MUST(p->allowed_off == allowed);
		allowed += p->allowed_len;
		for (size_t j = 0; j < p->allowed_len; j++)
			MUST(dev.allowed[p->allowed_off + j].cidr <=
			    (dev.allowed[p->allowed_off + j].family == AF_INET ? 32 : 128));
	}
	MUST(allowed == dev.allowed_len && u.in_peer == (dev.peers_len > 0));
	return 0;
}
