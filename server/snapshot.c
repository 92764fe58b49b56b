/* The reader, which is all that a worker links. */
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

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
	*out = p;
	if ((*out)->size != (uint64_t)st.st_size || !snapshot_header_is_sound(*out)) {
		munmap(p, (size_t)st.st_size);
		return -EINVAL;
	}
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
	size_t low, high;

	if (len > NAME_MAX_LEN)
		return NULL;
	low = s->names_at[len];
	high = s->names_at[len + 1];
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int d = memcmp((const uint8_t *)s + names[mid].owner_off, name, len);

		if (d == 0)
			return &names[mid];
		if (d < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}
