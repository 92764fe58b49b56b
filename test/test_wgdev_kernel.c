/* What the kernel's WireGuard says, written by hand: drivers/net/wireguard/netlink.c is the model. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <stdlib.h>
#include <string.h>

#include "suites.h"
#include "util.h"
#include "wgdev_kernel.h"

static const uint8_t private_key[KEY_LEN] = "a private key of 32 octets......";
static const uint8_t psk[KEY_LEN] = "a preshared key of 32 octets....";

/* ---- messages ---- */

static _Alignas(8) uint8_t message[65536];
static struct nlmsghdr *nlh;

static void begin(void)
{
	struct genlmsghdr *genl;

	memset(message, 0xee, sizeof(message));
	nlh = mnl_nlmsg_put_header(message);
	nlh->nlmsg_type = 33;
	nlh->nlmsg_flags = NLM_F_MULTI;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = WG_CMD_GET_DEVICE;
	genl->version = WG_GENL_VERSION;
}

/* As the first message of a dump begins. */
static void put_device(void)
{
	uint8_t key[KEY_LEN];

	util_key(0, key);
	mnl_attr_put_u16(nlh, WGDEVICE_A_LISTEN_PORT, 51820);
	mnl_attr_put_u32(nlh, WGDEVICE_A_FWMARK, 7);
	mnl_attr_put_u32(nlh, WGDEVICE_A_IFINDEX, 12);
	mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, "wg0");
	mnl_attr_put(nlh, WGDEVICE_A_PRIVATE_KEY, KEY_LEN, private_key);
	mnl_attr_put(nlh, WGDEVICE_A_PUBLIC_KEY, KEY_LEN, key);
}

static struct nlattr *begin_peers(void)
{
	return mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);
}

static struct nlattr *begin_peer(uint64_t n)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0);
	uint8_t key[KEY_LEN];

	util_key(n, key);
	mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, KEY_LEN, key);
	return nest;
}

static void end(struct nlattr *nest)
{
	mnl_attr_nest_end(nlh, nest);
}

static void put_endpoint(const char *text)
{
	struct endpoint ep = util_endpoint(text);
	struct sockaddr_storage sa;

	mnl_attr_put(nlh, WGPEER_A_ENDPOINT, endpoint_to_sockaddr(&ep, &sa), &sa);
}

/* What the first entry of a peer has besides its key. */
static void put_peer_rest(const char *endpoint)
{
	struct {
		int64_t sec, nsec;
	} handshake = {1700000000, 5};

	mnl_attr_put(nlh, WGPEER_A_PRESHARED_KEY, KEY_LEN, psk);
	mnl_attr_put(nlh, WGPEER_A_LAST_HANDSHAKE_TIME, sizeof(handshake), &handshake);
	mnl_attr_put_u16(nlh, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, 25);
	mnl_attr_put_u64(nlh, WGPEER_A_TX_BYTES, 34);
	mnl_attr_put_u64(nlh, WGPEER_A_RX_BYTES, 12);
	mnl_attr_put_u32(nlh, WGPEER_A_PROTOCOL_VERSION, 1);
	if (endpoint != NULL)
		put_endpoint(endpoint);
}

static void put_allowedip(const char *text)
{
	struct wg_allowedip ip = util_allowedip(text);
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0);

	mnl_attr_put_u8(nlh, WGALLOWEDIP_A_CIDR_MASK, ip.cidr);
	mnl_attr_put_u16(nlh, WGALLOWEDIP_A_FAMILY, ip.family);
	mnl_attr_put(nlh, WGALLOWEDIP_A_IPADDR, ip.family == AF_INET ? 4 : 16, ip.addr);
	end(nest);
}

static void put_allowedips(const char *const texts[], size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, WGPEER_A_ALLOWEDIPS);

	for (size_t i = 0; i < len; i++)
		put_allowedip(texts[i]);
	end(nest);
}

/* The message in memory that ends with it: a sanitizer sees what reads on. libmnl takes it that a message is padded. */
static int parse_cut(size_t len, struct wg_device *dev)
{
	struct nlmsghdr *copy = calloc(1, (len + 3) & ~(size_t)3);
	int r;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, message, len);
	copy->nlmsg_len = (uint32_t)len;
	r = wgdev_kernel_parse(copy, dev);
	free(copy);
	return r;
}

static int parse(struct wg_device *dev)
{
	return parse_cut(nlh->nlmsg_len, dev);
}

static bool has_secret(const void *bytes, size_t len)
{
	return util_has_bytes(bytes, len, private_key, 8) || util_has_bytes(bytes, len, psk, 8);
}

static const char *const ips[] = {"10.0.0.1/32", "fd00::/64", "172.16.0.0/12", "0.0.0.0/0", "::/0"};

static void check_allowed(const struct wg_device *dev, size_t peer, size_t first, size_t len)
{
	const struct wg_peer *p = &dev->peers[peer];
	char text[ALLOWEDIP_TEXT];

	ck_assert_uint_eq(p->allowed_len, len);
	for (size_t i = 0; i < len; i++)
		ck_assert_str_eq(allowedip_to_text(&dev->allowed[p->allowed_off + i], text), ips[first + i]);
}

static void check_peer(const struct wg_device *dev, size_t peer, uint64_t n, const char *endpoint)
{
	const struct wg_peer *p = &dev->peers[peer];
	char text[ENDPOINT_TEXT];
	uint8_t key[KEY_LEN];

	util_key(n, key);
	ck_assert_mem_eq(p->public_key, key, KEY_LEN);
	ck_assert_str_eq(endpoint_to_text(&p->endpoint, text), endpoint);
	ck_assert_uint_eq(p->last_handshake_s, 1700000000);
	ck_assert_uint_eq(p->keepalive_s, 25);
	ck_assert_uint_eq(p->rx_bytes, 12);
	ck_assert_uint_eq(p->tx_bytes, 34);
}

static void check_head(const struct wg_device *dev)
{
	uint8_t key[KEY_LEN];

	util_key(0, key);
	ck_assert_str_eq(dev->name, "wg0");
	ck_assert_uint_eq(dev->ifindex, 12);
	ck_assert_uint_eq(dev->listen_port, 51820);
	ck_assert(dev->has_public_key);
	ck_assert_mem_eq(dev->public_key, key, KEY_LEN);
}

/* Peer 1 with three allowed IPs and IPv4, peer 2 with one and IPv6, peer 3 with nothing. */
static void put_three_peers(void)
{
	struct nlattr *peers = begin_peers(), *peer = begin_peer(1);

	put_peer_rest("192.0.2.1:1001");
	put_allowedips(ips, 3);
	end(peer);
	peer = begin_peer(2);
	put_peer_rest("[fe80::2%7]:1002");
	put_allowedips(ips + 3, 1);
	end(peer);
	peer = begin_peer(3);
	put_peer_rest(NULL);
	end(peer);
	end(peers);
}

START_TEST(one_message_with_everything_is_read_but_for_its_secrets)
{
	struct wg_device dev = {0};

	begin();
	put_device();
	put_three_peers();
	ck_assert(has_secret(message, nlh->nlmsg_len));
	ck_assert_int_eq(parse(&dev), 0);
	check_head(&dev);
	ck_assert_uint_eq(dev.peers_len, 3);
	check_peer(&dev, 0, 1, "192.0.2.1:1001");
	check_peer(&dev, 1, 2, "[fe80::2%7]:1002");
	check_peer(&dev, 2, 3, "(none)");
	check_allowed(&dev, 0, 0, 3);
	check_allowed(&dev, 1, 3, 1);
	check_allowed(&dev, 2, 0, 0);
	ck_assert(!has_secret(&dev, sizeof(dev)));
	ck_assert(!has_secret(dev.peers, dev.peers_cap * sizeof(*dev.peers)));
	ck_assert(!has_secret(dev.allowed, dev.allowed_cap * sizeof(*dev.allowed)));
	wgdev_free(&dev);
}
END_TEST

START_TEST(a_device_without_peers_or_a_key_is_read)
{
	struct wg_device dev = {0};

	begin();
	mnl_attr_put_u16(nlh, WGDEVICE_A_LISTEN_PORT, 0);
	mnl_attr_put_u32(nlh, WGDEVICE_A_IFINDEX, 3);
	mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, "fifteen-letters");
	ck_assert_int_eq(parse(&dev), 0);
	ck_assert_str_eq(dev.name, "fifteen-letters");
	ck_assert(!dev.has_public_key);
	ck_assert_uint_eq(dev.peers_len, 0);
}
END_TEST

/* Later messages have PEERS and nothing else, whatever the documentation says. */
START_TEST(later_messages_add_peers_and_leave_the_device)
{
	struct wg_device dev = {0};
	struct nlattr *peers, *peer;

	begin();
	put_device();
	put_three_peers();
	ck_assert_int_eq(parse(&dev), 0);
	begin();
	peers = begin_peers();
	peer = begin_peer(4);
	put_peer_rest("192.0.2.4:1004");
	put_allowedips(ips, 2);
	end(peer);
	end(peers);
	ck_assert_int_eq(parse(&dev), 0);
	check_head(&dev);
	ck_assert_uint_eq(dev.peers_len, 4);
	check_peer(&dev, 2, 3, "(none)");
	check_peer(&dev, 3, 4, "192.0.2.4:1004");
	check_allowed(&dev, 0, 0, 3);
	check_allowed(&dev, 3, 0, 2);
	wgdev_free(&dev);
}
END_TEST

/* The kernel stops within a peer's allowed IPs, and goes on with them in the next message: key and allowed IPs only. */
START_TEST(a_peer_goes_on_in_the_next_messages)
{
	struct wg_device dev = {0};
	struct nlattr *peers, *peer;

	begin();
	put_device();
	peers = begin_peers();
	peer = begin_peer(1);
	put_peer_rest("192.0.2.1:1001");
	put_allowedips(ips, 1);
	end(peer);
	peer = begin_peer(2);
	put_peer_rest("192.0.2.2:1002");
	put_allowedips(ips, 2);
	end(peer);
	end(peers);
	ck_assert_int_eq(parse(&dev), 0);
	for (size_t i = 2; i < 5; i++) {
		begin();
		peers = begin_peers();
		peer = begin_peer(2);
		put_allowedips(ips + i, 1);
		end(peer);
		if (i == 4) {
			peer = begin_peer(3);
			put_peer_rest("192.0.2.3:1003");
			put_allowedips(ips + 1, 2);
			end(peer);
		}
		end(peers);
		ck_assert_int_eq(parse(&dev), 0);
	}
	ck_assert_uint_eq(dev.peers_len, 3);
	check_peer(&dev, 0, 1, "192.0.2.1:1001");
	check_peer(&dev, 1, 2, "192.0.2.2:1002");
	check_peer(&dev, 2, 3, "192.0.2.3:1003");
	check_allowed(&dev, 0, 0, 1);
	check_allowed(&dev, 1, 0, 5);
	check_allowed(&dev, 2, 1, 2);
	ck_assert_uint_eq(dev.allowed_len, 8);
	wgdev_free(&dev);
}
END_TEST

/* Its first entry may be cut before any allowed IP, with an empty nest or with none. */
START_TEST(a_peer_may_go_on_after_no_allowed_ip)
{
	struct wg_device dev = {0};
	struct nlattr *peers, *peer;

	for (size_t with_nest = 0; with_nest < 2; with_nest++) {
		wgdev_reset(&dev);
		begin();
		put_device();
		peers = begin_peers();
		peer = begin_peer(1);
		put_peer_rest("192.0.2.1:1001");
		if (with_nest)
			put_allowedips(ips, 0);
		end(peer);
		end(peers);
		ck_assert_int_eq(parse(&dev), 0);
		begin();
		peers = begin_peers();
		peer = begin_peer(1);
		put_allowedips(ips, 2);
		end(peer);
		end(peers);
		ck_assert_int_eq(parse(&dev), 0);
		ck_assert_uint_eq(dev.peers_len, 1);
		check_peer(&dev, 0, 1, "192.0.2.1:1001");
		check_allowed(&dev, 0, 0, 2);
	}
	wgdev_free(&dev);
}
END_TEST

/* A key of which only the last octet is another is another peer's. */
START_TEST(similar_keys_are_not_coalesced)
{
	struct wg_device dev = {0};
	struct nlattr *peers, *peer;
	uint8_t key[KEY_LEN];

	begin();
	peers = begin_peers();
	util_key(1, key);
	for (int i = 0; i < 2; i++) {
		peer = mnl_attr_nest_start(nlh, 0);
		mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, KEY_LEN, key);
		end(peer);
		key[KEY_LEN - 1] ^= 1;
	}
	end(peers);
	ck_assert_int_eq(parse(&dev), 0);
	ck_assert_uint_eq(dev.peers_len, 2);
	wgdev_free(&dev);
}
END_TEST

START_TEST(a_mapped_endpoint_is_ipv4)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(1001)};
	struct wg_device dev = {0};
	struct nlattr *peers, *peer;
	char text[ENDPOINT_TEXT];

	ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr), 1);
	begin();
	peers = begin_peers();
	peer = begin_peer(1);
	mnl_attr_put(nlh, WGPEER_A_ENDPOINT, sizeof(in6), &in6);
	end(peer);
	end(peers);
	ck_assert_int_eq(parse(&dev), 0);
	ck_assert_int_eq(dev.peers[0].endpoint.family, AF_INET);
	ck_assert_str_eq(endpoint_to_text(&dev.peers[0].endpoint, text), "192.0.2.1:1001");
	wgdev_free(&dev);
}
END_TEST

START_TEST(an_endpoint_that_does_not_fit_its_family_is_none)
{
	static const sa_family_t families[] = {AF_INET, AF_INET6, AF_UNSPEC, AF_UNIX};

	for (size_t i = 0; i < COUNT(families); i++) {
		for (size_t len = 0; len <= sizeof(struct sockaddr_in6); len++) {
			struct wg_device dev = {0};
			struct nlattr *peers, *peer;
			uint8_t sa[sizeof(struct sockaddr_in6)];
			bool fits = (families[i] == AF_INET && len >= sizeof(struct sockaddr_in)) ||
			    (families[i] == AF_INET6 && len >= sizeof(struct sockaddr_in6));

			memset(sa, 7, sizeof(sa));
			memcpy(sa, &families[i], sizeof(families[i]));
			begin();
			peers = begin_peers();
			peer = begin_peer(1);
			mnl_attr_put(nlh, WGPEER_A_ENDPOINT, len, sa);
			put_allowedips(ips, 1);
			end(peer);
			end(peers);
			ck_assert_int_eq(parse(&dev), 0);
			ck_assert_int_eq(dev.peers[0].endpoint.family, fits ? families[i] : AF_UNSPEC);
			check_allowed(&dev, 0, 0, 1);
			wgdev_free(&dev);
		}
	}
}
END_TEST

START_TEST(a_handshake_before_1970_is_none)
{
	struct {
		int64_t sec, nsec;
	} handshake = {-1, 0};
	struct wg_device dev = {0};
	struct nlattr *peers, *peer;

	begin();
	peers = begin_peers();
	peer = begin_peer(1);
	mnl_attr_put(nlh, WGPEER_A_LAST_HANDSHAKE_TIME, sizeof(handshake), &handshake);
	end(peer);
	end(peers);
	ck_assert_int_eq(parse(&dev), 0);
	ck_assert_uint_eq(dev.peers[0].last_handshake_s, 0);
	wgdev_free(&dev);
}
END_TEST

START_TEST(a_peer_without_a_whole_key_is_refused)
{
	for (size_t len = 0; len <= KEY_LEN; len++) {
		struct wg_device dev = {0};
		struct nlattr *peers, *peer;
		uint8_t key[KEY_LEN];

		util_key(1, key);
		begin();
		put_device();
		peers = begin_peers();
		peer = mnl_attr_nest_start(nlh, 0);
		if (len > 0)
			mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, len, key);
		put_peer_rest("192.0.2.1:1001");
		end(peer);
		end(peers);
		ck_assert_int_eq(parse(&dev), len == KEY_LEN ? 0 : -EBADMSG);
		ck_assert_uint_eq(dev.peers_len, len == KEY_LEN);
		wgdev_free(&dev);
	}
}
END_TEST

START_TEST(an_allowed_ip_that_is_none_is_refused)
{
	static const struct {
		int family; /* -1: without the attribute */
		int cidr;
		size_t addr_len; /* SIZE_MAX: without it */
		int r;
	} cases[] = {
	    {AF_INET, 32, 4, 0}, {AF_INET, 0, 4, 0}, {AF_INET6, 128, 16, 0}, {AF_INET6, 0, 16, 0}, {AF_INET, -1, 4, 0},
	    {AF_INET, 33, 4, -EBADMSG}, {AF_INET, 255, 4, -EBADMSG}, {AF_INET6, 129, 16, -EBADMSG},
	    {AF_INET, 32, 3, -EBADMSG}, {AF_INET, 32, 0, -EBADMSG}, {AF_INET, 32, SIZE_MAX, -EBADMSG},
	    {AF_INET6, 128, 15, -EBADMSG}, {AF_INET6, 128, 4, -EBADMSG}, {AF_INET6, 128, SIZE_MAX, -EBADMSG},
	    {AF_UNSPEC, 0, 16, -EBADMSG}, {AF_UNIX, 0, 16, -EBADMSG}, {256 + AF_INET, 0, 16, -EBADMSG}, {-1, 0, 16, -EBADMSG},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct wg_device dev = {0};
		struct nlattr *peers, *peer, *list, *ip;
		uint8_t addr[16] = {10};

		begin();
		peers = begin_peers();
		peer = begin_peer(1);
		list = mnl_attr_nest_start(nlh, WGPEER_A_ALLOWEDIPS);
		ip = mnl_attr_nest_start(nlh, 0);
		if (cases[i].cidr >= 0)
			mnl_attr_put_u8(nlh, WGALLOWEDIP_A_CIDR_MASK, (uint8_t)cases[i].cidr);
		if (cases[i].family >= 0)
			mnl_attr_put_u16(nlh, WGALLOWEDIP_A_FAMILY, (uint16_t)cases[i].family);
		if (cases[i].addr_len != SIZE_MAX)
			mnl_attr_put(nlh, WGALLOWEDIP_A_IPADDR, cases[i].addr_len, addr);
		end(ip);
		end(list);
		end(peer);
		end(peers);
		ck_assert_msg(parse(&dev) == cases[i].r, "case %zu", i);
		ck_assert_uint_eq(dev.allowed_len, cases[i].r == 0);
		wgdev_free(&dev);
	}
}
END_TEST

START_TEST(device_attributes_of_a_wrong_length_are_not_read)
{
	struct wg_device dev = {0};
	uint8_t key[KEY_LEN];

	util_key(0, key);
	begin();
	mnl_attr_put_u8(nlh, WGDEVICE_A_LISTEN_PORT, 1);
	mnl_attr_put_u16(nlh, WGDEVICE_A_IFINDEX, 1);
	mnl_attr_put(nlh, WGDEVICE_A_IFNAME, 0, "");
	mnl_attr_put(nlh, WGDEVICE_A_PUBLIC_KEY, KEY_LEN - 1, key);
	ck_assert_int_eq(parse(&dev), 0);
	ck_assert_uint_eq(dev.listen_port, 0);
	ck_assert_uint_eq(dev.ifindex, 0);
	ck_assert_str_eq(dev.name, "");
	ck_assert(!dev.has_public_key);
	ck_assert(key_is_zero(dev.public_key));
}
END_TEST

START_TEST(a_device_s_name_ends_within_its_attribute)
{
	struct wg_device dev = {0};

	begin();
	mnl_attr_put(nlh, WGDEVICE_A_IFNAME, 3, "wg0"); /* without a NUL */
	ck_assert_int_eq(parse(&dev), 0);
	ck_assert_str_eq(dev.name, "wg0");
	begin();
	mnl_attr_put(nlh, WGDEVICE_A_IFNAME, 8, "wg1\0junk");
	ck_assert_int_eq(parse(&dev), 0);
	ck_assert_str_eq(dev.name, "wg1");
	begin();
	mnl_attr_put(nlh, WGDEVICE_A_IFNAME, 16, "sixteen-letters!");
	ck_assert_int_eq(parse(&dev), -EBADMSG);
}
END_TEST

START_TEST(unknown_attributes_are_stepped_over)
{
	struct wg_device dev = {0};
	struct nlattr *peers, *peer, *list, *ip;

	begin();
	mnl_attr_put_u32(nlh, WGDEVICE_A_MAX + 1, 1);
	mnl_attr_put_u32(nlh, 31, 1);
	mnl_attr_put_u32(nlh, 0x3fff, 1);
	put_device();
	peers = begin_peers();
	peer = begin_peer(1);
	mnl_attr_put_u32(nlh, WGPEER_A_MAX + 1, 1);
	mnl_attr_put_u32(nlh, 0x3fff, 1);
	put_peer_rest("192.0.2.1:1001");
	list = mnl_attr_nest_start(nlh, WGPEER_A_ALLOWEDIPS);
	ip = mnl_attr_nest_start(nlh, 0);
	mnl_attr_put_u32(nlh, 0x3fff, 1);
	mnl_attr_put_u32(nlh, WGALLOWEDIP_A_MAX + 1, 1);
	mnl_attr_put_u8(nlh, WGALLOWEDIP_A_CIDR_MASK, 32);
	mnl_attr_put_u16(nlh, WGALLOWEDIP_A_FAMILY, AF_INET);
	mnl_attr_put(nlh, WGALLOWEDIP_A_IPADDR, 4, "\x0a\0\0\1");
	end(ip);
	end(list);
	end(peer);
	end(peers);
	ck_assert_int_eq(parse(&dev), 0);
	check_head(&dev);
	check_peer(&dev, 0, 1, "192.0.2.1:1001");
	check_allowed(&dev, 0, 0, 1);
	wgdev_free(&dev);
}
END_TEST

static void check_sound(const struct wg_device *dev)
{
	size_t off = 0;

	ck_hot(strnlen(dev->name, sizeof(dev->name)) < sizeof(dev->name));
	for (size_t i = 0; i < dev->peers_len; i++) {
		const struct wg_peer *p = &dev->peers[i];
		struct sockaddr_storage sa;

		ck_hot(p->endpoint.family == AF_UNSPEC || endpoint_to_sockaddr(&p->endpoint, &sa) > 0);
		ck_hot(p->allowed_off == off);
		off += p->allowed_len;
	}
	ck_hot(off == dev->allowed_len);
	for (size_t i = 0; i < dev->allowed_len; i++) {
		ck_hot(dev->allowed[i].family == AF_INET || dev->allowed[i].family == AF_INET6);
		ck_hot(dev->allowed[i].cidr <= (dev->allowed[i].family == AF_INET ? 32 : 128));
	}
}

START_TEST(a_message_that_is_cut_anywhere_does_no_harm)
{
	struct wg_device dev = {0};

	begin();
	put_device();
	put_three_peers();
	for (size_t len = NLMSG_HDRLEN; len < nlh->nlmsg_len; len++) {
		int r;

		wgdev_reset(&dev);
		r = parse_cut(len, &dev);
		ck_assert_msg(r == 0 || r == -EBADMSG, "%zu octets: %d", len, r);
		ck_assert(len >= NLMSG_HDRLEN + GENL_HDRLEN || r == -EBADMSG);
		check_sound(&dev);
	}
	wgdev_free(&dev);
}
END_TEST

/* A peer that is lost silently would vanish from DNS. */
START_TEST(a_message_whose_peers_are_cut_is_refused)
{
	struct wg_device dev = {0};
	size_t peers_at;

	begin();
	put_device();
	peers_at = nlh->nlmsg_len;
	put_three_peers();
	for (size_t len = peers_at + 4; len < nlh->nlmsg_len; len += 4) {
		wgdev_reset(&dev);
		ck_assert_msg(parse_cut(len, &dev) == -EBADMSG, "%zu of %u octets", len, nlh->nlmsg_len);
	}
	wgdev_free(&dev);
}
END_TEST

START_TEST(any_octet_in_any_place_does_no_harm)
{
	static const uint8_t values[] = {0, 1, 3, 4, 5, 0x7f, 0x80, 0xff};
	struct wg_device dev = {0};

	begin();
	put_device();
	put_three_peers();
	for (size_t at = NLMSG_HDRLEN; at < nlh->nlmsg_len; at++) {
		uint8_t was = message[at];

		for (size_t i = 0; i < COUNT(values); i++) {
			int r;

			message[at] = values[i];
			wgdev_reset(&dev);
			r = parse(&dev);
			ck_assert_msg(r == 0 || r == -EBADMSG, "octet %zu = %u: %d", at, values[i], r);
			check_sound(&dev);
		}
		message[at] = was;
	}
	wgdev_free(&dev);
}
END_TEST

/* ---- what we say to it ---- */

struct found {
	char text[1024]; /* "2=<hex>;8{0{1=...}}": each attribute's type with its payload, or what is nested in it */
	size_t len;
};

static bool is_nest(int depth, int type)
{
	return depth == 1 ? type == WGDEVICE_A_PEERS : depth == 2;
}

static void describe(struct found *f, const uint8_t *bytes, size_t len, int depth)
{
	while (len > 0) {
		struct nlattr attr;
		size_t payload;

		ck_assert_uint_ge(len, sizeof(attr));
		memcpy(&attr, bytes, sizeof(attr));
		ck_assert_uint_ge(attr.nla_len, sizeof(attr));
		ck_assert_uint_le(attr.nla_len, len);
		payload = attr.nla_len - sizeof(attr);
		f->len += (size_t)snprintf(f->text + f->len, sizeof(f->text) - f->len, "%d", attr.nla_type & NLA_TYPE_MASK);
		if (is_nest(depth, attr.nla_type & NLA_TYPE_MASK)) {
			ck_assert_uint_ne(attr.nla_type & NLA_F_NESTED, 0);
			f->text[f->len++] = '{';
			describe(f, bytes + sizeof(attr), payload, depth + 1);
			f->text[f->len++] = '}';
			f->text[f->len] = '\0';
		} else {
			f->len += (size_t)snprintf(f->text + f->len, sizeof(f->text) - f->len, "=%s;",
			    util_hex(bytes + sizeof(attr), payload));
		}
		payload = (attr.nla_len + 3u) & ~3u;
		payload = payload < len ? payload : len;
		bytes += payload;
		len -= payload;
	}
}

static const char *described(const void *buf, size_t len, struct found *f)
{
	const struct nlmsghdr *h = buf;
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(h);

	ck_assert_uint_eq(h->nlmsg_len, len);
	ck_assert_uint_eq(h->nlmsg_type, 33);
	ck_assert_uint_eq(h->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	ck_assert_uint_eq(h->nlmsg_seq, 7);
	ck_assert_uint_eq(genl->cmd, WG_CMD_SET_DEVICE);
	ck_assert_uint_eq(genl->version, WG_GENL_VERSION);
	f->len = 0;
	describe(f, (const uint8_t *)buf + NLMSG_HDRLEN + GENL_HDRLEN, len - NLMSG_HDRLEN - GENL_HDRLEN, 1);
	return f->text;
}

START_TEST(an_endpoint_is_set_with_update_only_and_nothing_else)
{
	static const char *const texts[] = {"192.0.2.1:51820", "[fe80::1%7]:1"};

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct endpoint ep = util_endpoint(texts[i]);
		struct sockaddr_storage sa;
		uint32_t update_only = WGPEER_F_UPDATE_ONLY;
		_Alignas(8) uint8_t buf[512];
		struct found found;
		uint8_t key[KEY_LEN];
		char expected[512];
		size_t len;

		util_key(1, key);
		len = wgdev_kernel_build_endpoint(buf, sizeof(buf), 33, 7, "wg0", key, &ep);
		snprintf(expected, sizeof(expected), "%d=77673000;%d{0{%d=%s;%d=%s;%d=%s;}}", WGDEVICE_A_IFNAME,
		    WGDEVICE_A_PEERS, WGPEER_A_PUBLIC_KEY, util_hex(key, KEY_LEN), WGPEER_A_FLAGS,
		    util_hex(&update_only, sizeof(update_only)), WGPEER_A_ENDPOINT,
		    util_hex(&sa, endpoint_to_sockaddr(&ep, &sa)));
		ck_assert_str_eq(described(buf, len, &found), expected);
	}
}
END_TEST

START_TEST(a_kick_is_the_peer_twice_with_keepalive_0_and_then_n)
{
	uint32_t update_only = WGPEER_F_UPDATE_ONLY;
	uint16_t off = 0, on = 25;
	_Alignas(8) uint8_t buf[512];
	struct found found;
	uint8_t key[KEY_LEN];
	char peer[2][256], expected[600];
	size_t len;

	util_key(1, key);
	len = wgdev_kernel_build_kick(buf, sizeof(buf), 33, 7, "wg0", key, 25);
	for (int i = 0; i < 2; i++)
		snprintf(peer[i], sizeof(peer[i]), "0{%d=%s;%d=%s;%d=%s;}", WGPEER_A_PUBLIC_KEY, util_hex(key, KEY_LEN),
		    WGPEER_A_FLAGS, util_hex(&update_only, sizeof(update_only)), WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
		    i == 0 ? util_hex(&off, 2) : util_hex(&on, 2));
	snprintf(expected, sizeof(expected), "%d=77673000;%d{%s%s}", WGDEVICE_A_IFNAME, WGDEVICE_A_PEERS, peer[0], peer[1]);
	ck_assert_str_eq(described(buf, len, &found), expected);
}
END_TEST

/* The buffer is of exactly the size that is asked for, and the name of the greatest length. */
START_TEST(a_change_fits_or_is_not_made)
{
	struct endpoint ep = util_endpoint("[fe80::1%7]:1"), none = {0};
	uint8_t *buf = malloc(512), key[KEY_LEN];

	ck_assert_ptr_nonnull(buf);
	util_key(1, key);
	for (size_t cap = 0; cap < 100; cap++) {
		memset(buf, 0xee, 512);
		ck_assert_uint_eq(wgdev_kernel_build_endpoint(buf, cap, 33, 7, "wg0", key, &ep), 0);
		ck_assert_uint_eq(wgdev_kernel_build_kick(buf, cap, 33, 7, "wg0", key, 25), 0);
		ck_assert(buf[0] == 0xee && memcmp(buf, buf + 1, 511) == 0);
	}
	ck_assert_uint_gt(wgdev_kernel_build_endpoint(buf, 512, 33, 7, "fifteen-letters", key, &ep), 0);
	ck_assert_uint_gt(wgdev_kernel_build_kick(buf, 512, 33, 7, "fifteen-letters", key, 25), 0);
	ck_assert_uint_eq(wgdev_kernel_build_endpoint(buf, 512, 33, 7, "sixteen-letters!", key, &ep), 0);
	ck_assert_uint_eq(wgdev_kernel_build_kick(buf, 512, 33, 7, "sixteen-letters!", key, 25), 0);
	ck_assert_uint_eq(wgdev_kernel_build_endpoint(buf, 512, 33, 7, "wg0", key, &none), 0);
	free(buf);
}
END_TEST

/* ---- the socket, as far as any kernel has it ---- */

START_TEST(a_family_that_is_not_there_is_told_apart)
{
	struct wgdev_kernel *k = NULL;

	ck_assert_int_eq(wgdev_kernel_open("wgmeet-none", &k), -ENOENT);
	ck_assert_int_eq(wgdev_kernel_open("nlctrl", &k), 0); /* generic netlink's own, which always is */
	wgdev_kernel_close(k);
	wgdev_kernel_close(NULL);
}
END_TEST

START_TEST(the_kernel_s_refusal_is_the_result)
{
	struct endpoint ep = util_endpoint("192.0.2.1:1");
	struct wgdev_kernel *k = NULL;
	struct wg_device dev = {0};
	uint8_t key[KEY_LEN];

	util_key(1, key);
	ck_assert_int_eq(wgdev_kernel_open("nlctrl", &k), 0);
	ck_assert_int_eq(wgdev_kernel_dump(k, "sixteen-letters!", &dev), -ENODEV);
	ck_assert_uint_eq(wgdev_kernel_dumps(k), 0);
	ck_assert_int_eq(wgdev_kernel_dump(k, "wg0", &dev), -EOPNOTSUPP); /* it has no such command */
	ck_assert_uint_eq(wgdev_kernel_dumps(k), 1);
	ck_assert_int_eq(wgdev_kernel_set_endpoint(k, "sixteen-letters!", key, &ep), -EINVAL);
	ck_assert_int_lt(wgdev_kernel_set_endpoint(k, "wg0", key, &ep), 0);
	ck_assert_int_lt(wgdev_kernel_kick(k, "wg0", key, 25), 0);
	wgdev_kernel_close(k);
}
END_TEST

Suite *suite_wgdev_kernel(void)
{
	Suite *s = suite_create("wgdev_kernel");
	TCase *t = tcase_create("parse"), *b = tcase_create("build"), *k = tcase_create("socket");

	suite_add_tcase(s, t);
	tcase_add_test(t, one_message_with_everything_is_read_but_for_its_secrets);
	tcase_add_test(t, a_device_without_peers_or_a_key_is_read);
	tcase_add_test(t, later_messages_add_peers_and_leave_the_device);
	tcase_add_test(t, a_peer_goes_on_in_the_next_messages);
	tcase_add_test(t, a_peer_may_go_on_after_no_allowed_ip);
	tcase_add_test(t, similar_keys_are_not_coalesced);
	tcase_add_test(t, a_mapped_endpoint_is_ipv4);
	tcase_add_test(t, an_endpoint_that_does_not_fit_its_family_is_none);
	tcase_add_test(t, a_handshake_before_1970_is_none);
	tcase_add_test(t, a_peer_without_a_whole_key_is_refused);
	tcase_add_test(t, an_allowed_ip_that_is_none_is_refused);
	tcase_add_test(t, device_attributes_of_a_wrong_length_are_not_read);
	tcase_add_test(t, a_device_s_name_ends_within_its_attribute);
	tcase_add_test(t, unknown_attributes_are_stepped_over);
	tcase_add_test(t, a_message_that_is_cut_anywhere_does_no_harm);
	tcase_add_test(t, a_message_whose_peers_are_cut_is_refused);
	tcase_add_test(t, any_octet_in_any_place_does_no_harm);
	suite_add_tcase(s, b);
	tcase_add_test(b, an_endpoint_is_set_with_update_only_and_nothing_else);
	tcase_add_test(b, a_kick_is_the_peer_twice_with_keepalive_0_and_then_n);
	tcase_add_test(b, a_change_fits_or_is_not_made);
	suite_add_tcase(s, k);
	tcase_add_test(k, a_family_that_is_not_there_is_told_apart);
	tcase_add_test(k, the_kernel_s_refusal_is_the_result);
	return s;
}
