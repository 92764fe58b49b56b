/* The kernel's answer to WG_CMD_GET_DEVICE: a buffer with netlink messages, one behind the other. */
#include "fuzz.h"

#include <linux/netlink.h>

#include "wgdev_kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct wg_device dev;
	size_t allowed = 0;
	int r = 0;

	wgdev_reset(&dev);
	while (r == 0 && len >= NLMSG_HDRLEN) {
		struct nlmsghdr head;
		struct nlmsghdr *nlh;

		/* The kernel's own lengths are right; so that the fuzzer gets further, one that is not is made so. */
		memcpy(&head, data, sizeof(head));
		if (head.nlmsg_len < NLMSG_HDRLEN || head.nlmsg_len > len)
			head.nlmsg_len = (uint32_t)len;
		/* libmnl takes a message to end at a multiple of 4, as in the kernel's buffers it does. */
		nlh = calloc(1, NLMSG_ALIGN(head.nlmsg_len));
		MUST(nlh != NULL);
		memcpy(nlh, data, head.nlmsg_len);
		nlh->nlmsg_len = head.nlmsg_len;
		r = wgdev_kernel_parse(nlh, &dev);
		free(nlh);
		if (NLMSG_ALIGN(head.nlmsg_len) >= len)
			break;
		data += NLMSG_ALIGN(head.nlmsg_len);
		len -= NLMSG_ALIGN(head.nlmsg_len);
	}
	for (size_t i = 0; i < dev.peers_len; i++) {
		const struct wg_peer *p = &dev.peers[i];

		MUST(p->allowed_off == allowed);
		allowed += p->allowed_len;
		MUST(p->endpoint.family == 0 || p->endpoint.family == AF_INET || p->endpoint.family == AF_INET6);
		for (size_t j = 0; j < p->allowed_len; j++)
			MUST(dev.allowed[p->allowed_off + j].cidr <=
			    (dev.allowed[p->allowed_off + j].family == AF_INET ? 32 : 128));
	}
	MUST(allowed == dev.allowed_len && memchr(dev.name, '\0', sizeof(dev.name)) != NULL);
	return 0;
}
