/* Preloaded, it shows a program another wall clock: off by as many seconds as stand in the file that FALSE_CLOCK names,
   now. Time since the boot, and all that is waited for by it, stays as it is; libfaketime does not leave that alone. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t off(void)
{
	long long seconds = 0;
	const char *path = getenv("FALSE_CLOCK");
	FILE *file = path ? fopen(path, "r") : NULL;
	if (file) {
		if (fscanf(file, "%lld", &seconds) != 1)
			seconds = 0;
		fclose(file);
	}
	return (time_t)seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int told = (int)syscall(SYS_clock_gettime, clock, now);
	if (told == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += off();
	return told;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	int told = (int)syscall(SYS_gettimeofday, now, zone);
	if (told == 0)
		now->tv_sec += off();
	return told;
}

time_t time(time_t *now)
{
	struct timespec at = { 0, 0 };
	clock_gettime(CLOCK_REALTIME, &at);
	if (now)
		*now = at.tv_sec;
	return at.tv_sec;
}
