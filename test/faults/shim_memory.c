/* Loaded into the server (LD_PRELOAD): memory that is short. FAULTS_MEMORY=FILE has two numbers of 8 octets, which others may
 * change at any time: the process that is short of it, and of how many allocations one fails (0: none). No limit that
 * is set from outside does this: it takes a privilege that not every root has, and a limit of the address space leaves
 * alone what the allocator has in stock. Not for a sanitizer's build, which has an allocator of its own.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static const volatile int64_t *shortage;
static int64_t pid; /* what getpid() would say: a worker may not ask any more */
static uint64_t state = 88172645463325252;

static void *(*real_mmap)(void *, size_t, int, int, int, off_t);
static int (*real_fallocate)(int, off_t, off_t);
static pid_t (*real_fork)(void);

static void find(const char *name, void *function)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (p == NULL)
		abort();
	memcpy(function, &p, sizeof(p));
}

static void find_all(void)
{
	find("mmap", &real_mmap);
	find("posix_fallocate", &real_fallocate);
	find("fork", &real_fork);
}

__attribute__((constructor)) static void init(void)
{
	const char *path = getenv("FAULTS_MEMORY");
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	void *p;

	find_all();
	pid = getpid();
	if (fd < 0)
		return;
	p = real_mmap(NULL, 2 * sizeof(*shortage), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		shortage = p;
}

static bool is_short(void)
{
	if (shortage == NULL || shortage[0] != pid || shortage[1] == 0)
		return false;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	if (state % (uint64_t)shortage[1] != 0)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return is_short() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return is_short() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return is_short() ? NULL : __libc_realloc(p, size);
}

void *reallocarray(void *p, size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, all);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	if (real_mmap == NULL)
		find_all();
	return is_short() ? MAP_FAILED : real_mmap(addr, len, prot, flags, fd, off);
}

int posix_fallocate(int fd, off_t off, off_t len)
{
	if (real_fallocate == NULL)
		find_all();
	return is_short() ? ENOMEM : real_fallocate(fd, off, len);
}

pid_t fork(void)
{
	pid_t child;

	if (real_fork == NULL)
		find_all();
	child = real_fork();
	if (child == 0)
		pid = getpid();
	return child;
}
