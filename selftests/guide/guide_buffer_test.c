// SPDX-License-Identifier: GPL-2.0
/*
 * Test of guide_buffer.ko: TAP on stdout, fails with status 1. Each test runs
 * for each huge page size, with fresh pages and with pages of the pool, and has
 * to leave the counters in /sys/kernel/mm/hugepages as it found them.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guide_buffer.h"

enum { FREE, NR, RESV, SURPLUS, FRESH, NR_COUNTERS };

static const char * const counter_names[NR_COUNTERS] = {
	"free_hugepages", "nr_hugepages", "resv_hugepages",
	"surplus_hugepages", "fresh_hugepages",
};

struct counters {
	long v[NR_COUNTERS];
};

/* What a test works with, and what is cleaned up behind it. */
static int dev, buf = -1;
static size_t page, len;	/* a huge page, the buffer */
static int page_log, nr;
static bool pool;
static char *map = MAP_FAILED;
static char why[256];
static const char *cannot;	/* why a test is skipped */

#define WANT(cond) do {							\
	if (!(cond)) {							\
		snprintf(why, sizeof(why), "line %d: %s (errno %d)",	\
			 __LINE__, #cond, errno);			\
		return false;						\
	}								\
} while (0)

#define WANT_ERRNO(call, err)	WANT((call) == -1 && errno == (err))

static struct counters count(void)
{
	struct counters c;
	char path[128];
	FILE *f;

	for (int i = 0; i < NR_COUNTERS; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/%s",
			 page >> 10, counter_names[i]);
		f = fopen(path, "r");
		if (!f || fscanf(f, "%ld", &c.v[i]) != 1) {
			printf("Bail out! cannot read %s\n", path);
			exit(1);
		}
		fclose(f);
	}
	return c;
}

/* Have the counters changed from then by this much, and no others? */
static bool changed(struct counters then, long free, long resv, long fresh)
{
	struct counters now = count();
	const long want[NR_COUNTERS] = {
		[FREE] = free, [RESV] = resv, [FRESH] = fresh,
	};
	bool ok = true;

	for (int i = 0; i < NR_COUNTERS; i++) {
		if (now.v[i] - then.v[i] == want[i])
			continue;
		printf("# %s changed by %ld, not %ld\n", counter_names[i],
		       now.v[i] - then.v[i], want[i]);
		ok = false;
	}
	return ok;
}

/* With the buffer's pages in it. */
static bool full(struct counters then)
{
	return changed(then, pool ? -nr : 0, 0, pool ? 0 : nr);
}

static bool same(struct counters then)
{
	return changed(then, 0, 0, 0);
}

static int create(int log, unsigned int flags, unsigned long long pages)
{
	struct gb_create c = {
		.page_size_log = log, .flags = flags, .nr_pages = pages,
	};

	return ioctl(dev, GB_CREATE, &c);
}

static int make(unsigned int flags)
{
	return buf = create(page_log, flags | (pool ? GB_POOL : 0), nr);
}

static char *map_it(int flags)
{
	return map = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, buf, 0);
}

static bool drop(void)
{
	bool ok = true;

	if (map != MAP_FAILED)
		ok &= !munmap(map, len);
	map = MAP_FAILED;
	if (buf >= 0)
		ok &= !close(buf);
	buf = -1;
	return ok;
}

/* Run it in a child, and give its wait status. */
static int in_child(int (*work)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(work());
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static int touch_last(void)
{
	return *(volatile char *)(map + len - 1);
}

static bool sigbus(void)
{
	int status = in_child(touch_last);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

static bool test_life(void)
{
	struct counters then = count();

	WANT(make(0) >= 0);
	WANT(full(then));
	WANT(map_it(MAP_SHARED) != MAP_FAILED);
	WANT((unsigned long)map % page == 0);
	WANT(full(then));	/* a shared mapping reserves nothing */
	for (size_t i = 0; i < len; i += 4096)
		WANT(map[i] == 0);
	WANT(full(then));	/* nor do faults cost anything */

	WANT(!ioctl(buf, GB_DRAIN, 0));
	WANT(same(then));
	WANT(sigbus());
	WANT(!ioctl(buf, GB_FILL, 0));
	WANT(full(then));
	WANT(touch_last() == 0);
	WANT(!ioctl(buf, GB_FILL, 0));	/* nothing to do */

	WANT(!close(buf));
	WANT(full(then));	/* the mapping keeps it */
	buf = -1;
	map[0] = 1;
	WANT(drop());
	return same(then);
}

static bool test_data(void)
{
	char there[] = "from the user", back[] = "from the driver", got[32];
	off_t edge = page - 6;

	WANT(make(0) >= 0);
	WANT(map_it(MAP_SHARED) != MAP_FAILED);
	for (int i = 0; i < nr; i++) {
		strcpy(map + i * page + 4000, there);
		WANT(pread(buf, got, sizeof(there), i * page + 4000) == sizeof(there));
		WANT(!memcmp(got, there, sizeof(there)));
		WANT(pwrite(buf, back, sizeof(back), (i + 1) * page - 64) == sizeof(back));
		WANT(!strcmp(map + (i + 1) * page - 64, back));
	}
	/* The driver stops at the end of a page; user space does not. */
	WANT(pwrite(buf, back, sizeof(back), edge) == 6);
	WANT(!memcmp(map + edge, back, 6));
	WANT(pread(buf, got, 1, len) == 0);
	WANT_ERRNO(pwrite(buf, got, 1, len), ENOSPC);
	WANT(lseek(buf, 0, SEEK_END) == (off_t)len);
	return true;
}

static bool test_pin(void)
{
	struct iovec pin = { .iov_len = 4096 };
	char copy[4096], *mem;
	struct iovec local = { copy, sizeof(copy) }, remote;
	struct counters then = count();
	int p[2];

	WANT(make(0) >= 0);
	WANT(map_it(MAP_SHARED) != MAP_FAILED);
	mem = map + len - page;
	memset(mem, 'p', 4096);

	/* get_user_pages(), not through the page tables of who calls it */
	remote = (struct iovec){ mem, sizeof(copy) };
	WANT(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == sizeof(copy));
	WANT(!memcmp(copy, mem, sizeof(copy)));

	/* A pipe holds a reference: that page, and only that, stays. */
	WANT(!pipe(p));
	pin.iov_base = mem;
	WANT(vmsplice(p[1], &pin, 1, 0) == 4096);
	WANT_ERRNO(ioctl(buf, GB_DRAIN, 0), EBUSY);
	WANT(changed(then, pool ? -1 : 0, 0, pool ? 0 : 1));
	WANT(mem[7] == 'p');
	mem[7] = 'q';
	WANT(read(p[0], copy, sizeof(copy)) == sizeof(copy));
	WANT(copy[7] == 'q');
	WANT(!ioctl(buf, GB_DRAIN, 0));
	WANT(same(then));
	WANT_ERRNO(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), EFAULT);

	/* The last reference can be the pipe's. */
	WANT(!ioctl(buf, GB_FILL, 0));
	WANT(vmsplice(p[1], &pin, 1, 0) == 4096);
	WANT(drop());
	WANT(changed(then, pool ? -1 : 0, 0, pool ? 0 : 1));
	close(p[0]);
	close(p[1]);
	return same(then);
}

static int child_writes(void)
{
	if (strcmp(map, "parent"))
		return 1;
	strcpy(map + len - page, "child");
	return 0;
}

static bool test_fork(void)
{
	char got[6];

	WANT(make(0) >= 0);
	WANT(map_it(MAP_SHARED | MAP_POPULATE) != MAP_FAILED);
	strcpy(map, "parent");
	WANT(in_child(child_writes) == 0);
	WANT(!strcmp(map + len - page, "child"));
	WANT(pread(buf, got, 6, len - page) == 6 && !memcmp(got, "child", 6));
	return true;
}

static int get_killed(void)
{
	memset(map, 'k', page);
	make(GB_HOLLOW);	/* lost with us, with what it has reserved */
	raise(SIGKILL);
	return 0;
}

static int get_killed_alone(void)
{
	if (make(0) >= 0 && map_it(MAP_SHARED | MAP_POPULATE) != MAP_FAILED)
		raise(SIGKILL);
	return 1;
}

static bool test_kill(void)
{
	struct counters then = count();
	int status;

	status = in_child(get_killed_alone);
	WANT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	WANT(same(then));

	WANT(make(0) >= 0);
	WANT(map_it(MAP_SHARED) != MAP_FAILED);
	status = in_child(get_killed);
	WANT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	WANT(full(then));
	WANT(map[page - 1] == 'k');
	return true;
}

static bool test_reserve(void)
{
	struct counters then = count();

	WANT(make(GB_HOLLOW) >= 0);
	WANT(changed(then, 0, pool ? nr : 0, 0));
	WANT(map_it(MAP_SHARED) != MAP_FAILED);
	WANT(sigbus());		/* a reservation is not a page */
	WANT_ERRNO(pread(buf, why, 1, 0), ENOENT);
	WANT_ERRNO(ioctl(buf, GB_SEGMENTS, 0), ENOENT);
	WANT(changed(then, 0, pool ? nr : 0, 0));
	WANT(!ioctl(buf, GB_FILL, 0));
	WANT(full(then));
	WANT(!ioctl(buf, GB_DRAIN, 0));
	WANT(same(then));	/* and does not come back */
	WANT(drop());

	WANT(make(GB_HOLLOW) >= 0);
	WANT(drop());
	return same(then);	/* unless it was not used */
}

static bool test_private(void)
{
	struct counters then = count(), now;
	char c;

	WANT(make(GB_SHARED_ONLY) >= 0);
	WANT(map_it(MAP_PRIVATE) == MAP_FAILED && errno == EINVAL);
	WANT(map_it(MAP_SHARED) != MAP_FAILED);
	WANT(drop());

	WANT(make(0) >= 0);
	now = count();
	if (now.v[FREE] - now.v[RESV] < nr) {	/* no pages for copies */
		WANT(map_it(MAP_PRIVATE) == MAP_FAILED && errno == ENOMEM);
		return true;
	}
	WANT(map_it(MAP_PRIVATE) != MAP_FAILED);
	WANT(changed(now, 0, nr, 0));
	WANT(pwrite(buf, "b", 1, 0) == 1 && map[0] == 'b');
	map[0] = 'p';
	WANT(changed(now, -1, nr - 1, 0));	/* the copy is the pool's */
	WANT(pread(buf, &c, 1, 0) == 1 && c == 'b');
	WANT(!ioctl(buf, GB_DRAIN, 0));
	WANT(map[0] == 'p');	/* and is not the buffer's */
	WANT(nr == 1 || sigbus());
	WANT(drop());
	return same(then);
}

static bool overcommit(long pages)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/%s",
		 page >> 10, "nr_overcommit_hugepages");
	f = fopen(path, "w");
	if (!f)
		return false;
	fprintf(f, "%ld\n", pages);
	return !fclose(f);
}

static bool test_surplus(void)
{
	struct counters then = count(), now;
	int err;

	if (!pool || !overcommit(2)) {
		cannot = pool ? "no overcommit for this size" : "for the pool only";
		return true;
	}
	buf = create(page_log, GB_POOL, then.v[FREE] + 2);
	err = errno;
	now = count();
	WANT(overcommit(0));
	if (buf < 0 && err == ENOMEM && page_log >= 30) {
		cannot = "no memory for more than the pool";
		return true;
	}
	WANT(buf >= 0);
	WANT(now.v[FREE] == 0 && now.v[RESV] == 0 && now.v[FRESH] == then.v[FRESH]);
	WANT(now.v[SURPLUS] == then.v[SURPLUS] + 2 && now.v[NR] == then.v[NR] + 2);
	WANT(drop());
	return same(then);
}

static bool test_segments(void)
{
	int n;

	WANT(make(0) >= 0);
	n = ioctl(buf, GB_SEGMENTS, 0);
	WANT(n >= 1 && n <= nr);
	WANT(ioctl(buf, GB_SEGMENTS, page / 2) == 2 * nr);
	WANT_ERRNO(ioctl(buf, GB_SEGMENTS, 4095), EINVAL);
	WANT_ERRNO(ioctl(buf, GB_SEGMENTS, 1UL << 32), EINVAL);
	return true;
}

static bool test_refused(void)
{
	unsigned int kind = pool ? GB_POOL : 0;
	struct counters then = count();

	WANT_ERRNO(create(page_log, kind, 0), EINVAL);
	WANT_ERRNO(create(page_log, 8, nr), EINVAL);
	WANT_ERRNO(create(page_log, kind, 1ULL << 60), E2BIG);
	WANT_ERRNO(create(12, kind, nr), ENODEV);
	WANT_ERRNO(create(63, kind, nr), ENODEV);
	WANT_ERRNO(create(64, kind, nr), EINVAL);
	WANT_ERRNO(create(page_log - 64, kind, nr), EINVAL);
	WANT_ERRNO(create(page_log, GB_POOL, then.v[FREE] + 1), ENOMEM);
	WANT_ERRNO(create(page_log, GB_POOL | GB_HOLLOW, then.v[FREE] + 1), ENOMEM);
	if (page_log >= 30)	/* fails only after many were allocated */
		WANT_ERRNO(create(page_log, 0, 100), ENOMEM);
	WANT_ERRNO(ioctl(dev, GB_CREATE, NULL), EFAULT);
	WANT_ERRNO(ioctl(dev, GB_FILL, 0), ENOTTY);
	WANT(same(then));

	WANT(make(0) >= 0);
	WANT(full(then));
	WANT_ERRNO(ioctl(buf, GB_CREATE, NULL), ENOTTY);
	WANT_ERRNO(ioctl(buf, GB_DRAIN, 1), EINVAL);
	WANT(mmap(NULL, len, PROT_READ, MAP_SHARED, buf, 4096) == MAP_FAILED && errno == EINVAL);
	WANT(mmap(NULL, len, PROT_READ, MAP_SHARED, buf, page) == MAP_FAILED && errno == EINVAL);
	WANT(mmap(NULL, len + 1, PROT_READ, MAP_SHARED, buf, 0) == MAP_FAILED && errno == EINVAL);
	WANT(mmap((void *)(page * 3 + 4096), len, PROT_READ, MAP_SHARED | MAP_FIXED,
		  buf, 0) == MAP_FAILED && errno == EINVAL);
	WANT(map_it(MAP_SHARED) != MAP_FAILED);
	WANT_ERRNO(munmap(map, 4096), EINVAL);
	WANT(mremap(map, len, 2 * len, MREMAP_MAYMOVE) == MAP_FAILED);
	WANT(madvise(map, page, MADV_REMOVE) == -1);
	WANT(fallocate(buf, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, page) == -1);
	WANT(ftruncate(buf, 0) == -1);
	return full(then);
}

static const struct {
	const char *name;
	bool (*run)(void);
} tests[] = {
	{ "life of a buffer", test_life },
	{ "data both ways", test_data },
	{ "get_user_pages", test_pin },
	{ "fork", test_fork },
	{ "kill -9", test_kill },
	{ "reservations", test_reserve },
	{ "private mappings", test_private },
	{ "overcommit", test_surplus },
	{ "segments", test_segments },
	{ "bad input", test_refused },
};

#define NR_TESTS	((int)(sizeof(tests) / sizeof(tests[0])))

/* Why the tests cannot be run, or NULL; can make the buffer smaller. */
static const char *skip(void)
{
	struct counters c = count();

	if (pool) {
		nr = c.v[FREE] - c.v[RESV] < nr ? 1 : nr;
		return c.v[FREE] == c.v[RESV] ? "no free pages in the pool" : NULL;
	}
	/* Of the large ones there may be one, but not two. */
	if (make(0) < 0 && errno == ENOMEM) {
		nr = 1;
		make(0);
	}
	if (buf < 0)
		return errno == EOPNOTSUPP ? "only from boot on" : "no fresh pages to be had";
	drop();
	return NULL;
}

int main(void)
{
	DIR *dir = opendir("/sys/kernel/mm/hugepages");
	int sizes[16], nr_sizes = 0, done = 0, failed = 0;
	struct dirent *d;
	size_t kb;

	while (dir && nr_sizes < 16 && (d = readdir(dir))) {
		if (sscanf(d->d_name, "hugepages-%zukB", &kb) == 1)
			sizes[nr_sizes++] = __builtin_ctzl(kb) + 10;
	}
	dev = open("/dev/guide_buffer", O_RDWR | O_CLOEXEC);
	if (!nr_sizes || dev < 0) {
		printf("1..0 # SKIP no %s\n", nr_sizes ? "/dev/guide_buffer" : "huge pages");
		return nr_sizes && errno != ENOENT;
	}
	setlinebuf(stdout);
	printf("1..%d\n", nr_sizes * 2 * NR_TESTS);

	for (int i = 0; i < nr_sizes * 2 * NR_TESTS; i++) {
		struct counters then;
		bool ok;

		page_log = sizes[i / (2 * NR_TESTS)];
		page = 1UL << page_log;
		pool = i / NR_TESTS % 2;
		nr = page_log < 30 ? 5 : 2;
		cannot = skip();
		len = nr * page;
		then = count();
		ok = cannot || tests[i % NR_TESTS].run();
		if (!ok)
			printf("# %s\n", why);
		if (!drop() || !same(then)) {
			puts("# left something behind");
			ok = false;
		}
		printf("%sok %d - %s pages of %zu kB: %s%s%s\n", ok ? "" : "not ", ++done,
		       pool ? "pool" : "fresh", page >> 10, tests[i % NR_TESTS].name,
		       cannot ? " # SKIP " : "", cannot ? cannot : "");
		failed += !ok;
	}
	return failed != 0;
}
