/* clock_shim.so, for LD_PRELOAD: the program's clocks are ahead by as many milliseconds as stand in the first eight octets of the
 * file $CLOCK_SHIFT. The file is mapped at the start: whoever writes it moves the clocks of processes in any sandbox. With
 * CLOCK_SHIFT_DAY it is the time of day alone.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift_ms;
static int only_day;

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("CLOCK_SHIFT");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *p = fd >= 0 ? mmap(NULL, sizeof(*shift_ms), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (p == MAP_FAILED)
		err(1, "CLOCK_SHIFT");
	close(fd);
	shift_ms = p;
	only_day = getenv("CLOCK_SHIFT_DAY") != NULL;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int64_t ns;
	int r = (int)syscall(SYS_clock_gettime, id, ts);

	if (r < 0 || (only_day && id != CLOCK_REALTIME) || id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID)
		return r;
	ns = ts->tv_nsec + *shift_ms % 1000 * 1000000;
	ts->tv_sec += (time_t)(*shift_ms / 1000 + ns / 1000000000);
	ts->tv_nsec = (long)(ns % 1000000000);
	return 0;
}
