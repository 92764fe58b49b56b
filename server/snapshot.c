/* The reader, which is all that a worker links. */
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool within(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

static bool names_are_sound(const struct snapshot *s, size_t size)
{
	const struct snapshot_name *names = (const void *)((const uint8_t *)s + s->names_off);

	for (size_t i = 0; i < s->names_len; i++) {
		const struct snapshot_name *n = &names[i];
		const struct snapshot_rrset *sets = snapshot_rrsets(s, n);

		if (!within(n->owner_off, n->owner_len, size) || n->rrsets_off % 8 != 0 ||
		    !within(n->rrsets_off, (uint64_t)n->rrsets_len * sizeof(*sets), size))
			return false;
		for (size_t j = 0; j < n->rrsets_len; j++)
			if (!within(sets[j].wire_off, sets[j].wire_len, size) ||
			    !within(sets[j].extra_off, sets[j].extra_len, size))
				return false;
	}
	return true;
}

static bool is_sound(const struct snapshot *s, size_t size)
{
	uint64_t slots = (uint64_t)s->index_mask + 1;

	if (s->magic != SNAPSHOT_MAGIC || s->size != size || s->service_len != s->apex_len + RECORDS_SERVICE_LEN ||
	    !name_is_sound(s->apex, s->apex_len) || !name_is_sound(s->service, s->service_len))
		return false;
	if (s->state == SNAPSHOT_NOT_READY)
		return true;
	return s->state == SNAPSHOT_READY && (slots & (slots - 1)) == 0 && slots > s->peers_len &&
	    s->index_off % 8 == 0 && within(s->index_off, slots * sizeof(struct snapshot_slot), size) &&
	    s->peers_off % 8 == 0 && s->peers_off <= s->peers_end && s->peers_end <= size && s->names_off % 8 == 0 &&
	    within(s->names_off, (uint64_t)s->names_len * sizeof(struct snapshot_name), size) &&
	    within(s->soa_off, s->soa_len, size) && names_are_sound(s, size);
}

int snapshot_map(int fd, const struct snapshot **out)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS), err;
	void *p;

	/* A block that could still change or shrink under the worker is none. */
	if (seals < 0 || (seals & SEALS) != SEALS)
		return -EPERM;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size < sizeof(struct snapshot))
		return -EINVAL;
	/* MAP_SHARED on a write-sealed memfd fails before Linux 6.7. */
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED) {
		err = errno;
		return -err;
	}
	if (!is_sound(p, (size_t)st.st_size)) {
		munmap(p, (size_t)st.st_size);
		return -EINVAL;
	}
	*out = p;
	return 0;
}

void snapshot_unmap(const struct snapshot *s)
{
	if (s != NULL)
		munmap((void *)s, s->size);
}

const struct snapshot_name *snapshot_find_name(const struct snapshot *s, const uint8_t *name, size_t len)
{
	const struct snapshot_name *names = (const void *)((const uint8_t *)s + s->names_off);
	size_t low = 0, high = s->names_len;

	while (low < high) { /* sorted by length, then octets */
		size_t mid = low + (high - low) / 2;
		const struct snapshot_name *n = &names[mid];
		int d = n->owner_len != len ? (n->owner_len < len ? -1 : 1) :
		                              memcmp((const uint8_t *)s + n->owner_off, name, len);

		if (d == 0)
			return n;
		if (d < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}
