// SPDX-License-Identifier: GPL-2.0
/*
 * elsewhere: where the series changes a line of somebody else's function, what that
 * function did before, and what is new in it.
 *
 *	elsewhere [NAME]	all tests but the unhandlable, or those that have this
 *				in their name
 *
 * Each test is a process of its own. What it has broken is made good again, and the
 * counters of huge pages, Committed_AS and HardwareCorrupted are as they were.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/kernel-page-flags.h>
#include <linux/mempolicy.h>
#include <linux/udmabuf.h>
#include <linux/userfaultfd.h>

#include "test_hugetlb_uapi.h"
#include "fault.h"
#include "hunt.h"

#define SIZE		(2L << 20)
#define PAGE		4096L
#define GIB		(1L << 30)
#define RW		(PROT_READ | PROT_WRITE)
#define NOBODY		65534
#define POOL		SYS_POOLS "/hugepages-2048kB"
#define MEMORY		"/sys/devices/system/memory"
#define HWPOISON	"/sys/kernel/debug/hwpoison"
#define DAMON		"/sys/kernel/mm/damon/admin/kdamonds"
#define NOEXEC		"/tmp/elsewhere"
#define CPUSET		CGROUP "/elsewhere"
#define RING		CGROUP "/ring"
/* In place of an errno: what a signal handler has jumped out of */
#define SIGNALLED	1000

#ifndef MADV_HWPOISON
#define MADV_HWPOISON	100
#endif
#ifndef MAP_HUGE_1GB
#define MAP_HUGE_1GB	(30 << MAP_HUGE_SHIFT)
#endif

static struct shared {
	char why[1024];
	uint64_t broken[8];	/* pages that are to be made good again */
	int nr_broken;
	long block;		/* memory block that is to be online again, or 0 */
	long got;		/* what a child has to say */
	_Atomic long times[3];	/* how often each of some children has done it */
} *shared;

static long base_pool[NODES];
static int nodes;
static int page_huge, kmsg;
static const char *only;
static int tests, failures;

static void fail(const char *fmt, ...)
{
	va_list args;

	if (*shared->why)
		return;
	va_start(args, fmt);
	vsnprintf(shared->why, sizeof(shared->why), fmt, args);
	va_end(args);
}

/* 0 or the errno of a call */
#define ERR(call)	((long)(call) == -1 ? errno : 0)

/* A call gives this errno */
#define WANT(call, err) do {						\
	int __got = ERR(call);						\
									\
	CHECK(__got == (err), "line %d: %s is '%s' and not '%s'", __LINE__, #call,	\
	      strerror(__got), strerror(err));				\
} while (0)

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/*
 * Memory, and what the kernel says of it
 */

/* What reading @p, or writing it, ends with: a signal, or 0 */
static int touch(char *p, bool write)
{
	int sig = sigsetjmp(fault_env, 1);

	if (!sig) {
		fault_expected = 1;
		if (write)
			*(volatile char *)p = 'w';
		else
			(void)*(volatile char *)p;
	}
	fault_expected = 0;
	return sig;
}

/* An errno, or SIGNALLED */
static int poison_address(char *p)
{
	int err = SIGNALLED;

	if (!sigsetjmp(fault_env, 1)) {
		fault_expected = 1;
		err = ERR(madvise(p, PAGE, MADV_HWPOISON));
	}
	fault_expected = 0;
	return err;
}

static uint64_t entry(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t val = 0;

	if (pread(fd, &val, sizeof(val), (unsigned long)addr / PAGE * 8) != sizeof(val))
		fail("no pagemap");
	close(fd);
	return val;
}

static uint64_t pfn_of(const void *addr)
{
	return entry(addr) & ((1UL << 55) - 1);
}

static uint64_t categories(void *p)
{
	struct page_region region = { 0 };
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = (unsigned long)p,
		.end = (unsigned long)p + SIZE,
		.vec = (unsigned long)&region,
		.vec_len = 1,
		.return_mask = PAGE_IS_WRITTEN | PAGE_IS_FILE | PAGE_IS_PRESENT | PAGE_IS_SWAPPED |
			       PAGE_IS_PFNZERO | PAGE_IS_HUGE | PAGE_IS_ACCESSED,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int nr = ioctl(fd, PAGEMAP_SCAN, &arg);

	CHECK(nr == 1, "PAGEMAP_SCAN: %d, %s", nr, strerror(errno));
	close(fd);
	return region.categories;
}

/* Neither a page nor nothing */
static bool no_page(void *p)
{
	return categories(p) & PAGE_IS_SWAPPED;
}

static uint64_t flags_of(uint64_t pfn)
{
	static int fd = -1;
	uint64_t val = 0;

	if (fd < 0)
		fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	if (pread(fd, &val, sizeof(val), pfn * 8) != sizeof(val))
		return 0;
	return val;
}

/* Of the first @nr pages; of what is no memory it is 0. */
static void read_flags(uint64_t *flags, uint64_t nr)
{
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	uint64_t done = 0;
	ssize_t len;

	while (done < nr && (len = pread(fd, flags + done, (nr - done) * 8, done * 8)) > 0)
		done += len / 8;
	close(fd);
}

static bool has_flag(uint64_t pfn, int flag)
{
	return flags_of(pfn) >> flag & 1;
}

/* @len bytes at an address that is a multiple of @align, of which nothing is there */
static char *room(size_t len, size_t align)
{
	char *p = mmap(NULL, len + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		       MAP_NORESERVE, -1, 0);
	char *at = (char *)(((unsigned long)p + align - 1) & ~(align - 1));

	if (p == MAP_FAILED)
		die("no room for %zu bytes", len);
	return at;
}

static char *map(int fd, size_t len, int flags)
{
	char *p = mmap(room(len, len < GIB ? SIZE : GIB), len, RW, flags | MAP_FIXED, fd, 0);

	if (p == MAP_FAILED)
		die("no mapping of %zu bytes", len);
	return p;
}

#define DEVICE(pages)	map(page_huge, (pages) * SIZE, MAP_PRIVATE)
#define ANON(len)	map(-1, len, MAP_PRIVATE | MAP_ANONYMOUS)

static int huge_memfd(long pages)
{
	int fd = memfd_create("elsewhere", MFD_CLOEXEC | MFD_HUGETLB | MFD_ALLOW_SEALING |
			      21 << MAP_HUGE_SHIFT);

	if (fd < 0 || ftruncate(fd, pages * SIZE))
		die("a memfd of huge pages");
	return fd;
}

static int memfd(size_t len)
{
	int fd = memfd_create("elsewhere", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, len))
		die("a memfd");
	return fd;
}

static uint64_t value(const char *p, unsigned long seed)
{
	return seed << 32 ^ ((unsigned long)p & (GIB - 1));
}

/* Each base page of it has something in it that no other one has. */
static void fill(char *p, size_t len, unsigned long seed)
{
	for (size_t i = 0; i < len; i += PAGE)
		*(uint64_t *)(p + i) = value((char *)i, seed);
}

static bool filled(const char *p, size_t len, unsigned long seed)
{
	for (size_t i = 0; i < len; i += PAGE)
		if (*(uint64_t *)(p + i) != value((char *)i, seed))
			return false;
	return true;
}

static long left_in_pool(void)
{
	return read_number(POOL "/free_hugepages", "") - read_number(POOL "/resv_hugepages", "");
}

/* Whoever comes now finds no huge page. */
static char *take_pool(size_t *len)
{
	*len = left_in_pool() * SIZE;
	return *len ? map(-1, *len, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
			  21 << MAP_HUGE_SHIFT) : NULL;
}

static const char *pool_file(int node)
{
	static char path[120];

	snprintf(path, sizeof(path), SYS_NODES "/node%d/hugepages/hugepages-2048kB/nr_hugepages",
		 node);
	return path;
}

static long pool_of(int node)
{
	return read_number(pool_file(node), "");
}

static int set_pool(int node, long pages)
{
	return write_number(pool_file(node), pages);
}

static void restore_pools(void)
{
	for (int node = 0; node < nodes; node++)
		if (pool_of(node) != base_pool[node])
			set_pool(node, base_pool[node]);
}

static int in_child(void (*what)(void *arg), void *arg)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		what(arg);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fail("fork: %s", strerror(errno));
	return status;
}

/*
 * The log of the kernel
 */

static void log_start(void)
{
	lseek(kmsg, 0, SEEK_END);
}

/* Is there a line with @text, of those since log_start() that were not read yet? */
static bool log_has(const char *fmt, ...)
{
	char record[8192], text[256];
	va_list args;
	ssize_t len;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	for (;;) {
		len = read(kmsg, record, sizeof(record) - 1);
		if (len < 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			return false;
		record[len] = 0;
		if (strstr(record, text))
			return true;
	}
}

/*
 * mm/filemap.c: cachestat()
 */

struct range {
	uint64_t off, len;
};

struct stat_of_cache {
	uint64_t cache, dirty, writeback, evicted, recently_evicted;
};

static int cachestat_of(int fd, struct range *range, struct stat_of_cache *stat, int flags)
{
	return syscall(451, fd, range, stat, flags);
}

static void as_nobody(void *arg)
{
	struct range all = { 0, 0 };
	struct stat_of_cache stat;

	if (syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY))
		fail("cannot become nobody");
	WANT(cachestat_of(*(int *)arg, &all, &stat, 0), EPERM);
}

static void test_cachestat(void)
{
	struct range all = { 0, 0 }, some = { PAGE, 2 * PAGE + 1 };
	int fd = memfd(8 * PAGE), huge = huge_memfd(1), ro;
	char byte = 'b', path[40];
	struct stat_of_cache stat;

	for (int i = 0; i < 5; i++)
		CHECK(pwrite(fd, &byte, 1, i * PAGE) == 1, "pwrite");
	CHECK(pwrite(fd, &byte, 1, 7 * PAGE) == 1, "pwrite");
	memset(&stat, 0xff, sizeof(stat));
	WANT(cachestat_of(fd, &all, &stat, 0), 0);
	CHECK(stat.cache == 6 && !stat.writeback && !stat.evicted && !stat.recently_evicted,
	      "%lu pages and not 6 are in the cache", stat.cache);
	WANT(cachestat_of(fd, &some, &stat, 0), 0);
	CHECK(stat.cache == 3, "%lu pages and not 3 are in a part of it", stat.cache);
	some.off = 5 * PAGE;
	some.len = 2 * PAGE;
	WANT(cachestat_of(fd, &some, &stat, 0), 0);
	CHECK(!stat.cache, "%lu pages are in a hole", stat.cache);

	WANT(cachestat_of(fd, &all, &stat, 1), EINVAL);
	WANT(cachestat_of(-1, &all, &stat, 0), EBADF);
	WANT(cachestat_of(fd, (void *)8, &stat, 0), EFAULT);
	WANT(cachestat_of(fd, &all, (void *)8, 0), EFAULT);

	/* Somebody else's file that he may not write to */
	fchmod(fd, 0644);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(!in_child(as_nobody, &ro), "a child failed");

	WANT(cachestat_of(huge, &all, &stat, 0), EOPNOTSUPP);
	WANT(cachestat_of(page_huge, &all, &stat, 0), EOPNOTSUPP);
}

/*
 * mm/hugetlb.c: what SysRq m says
 */

static void test_sysrq(void)
{
	struct test_hugetlb_create create = { .nr = 5, .page_size_log = 21 };
	struct test_hugetlb_range range = { .nr = 2, .nid = 0, .flags = TEST_HUGETLB_THISNODE };
	int fd = open("/dev/test_hugetlb", O_RDWR | O_CLOEXEC), seen = 0, sizes_seen = 0;
	char record[8192], dir[120], path[160];
	ssize_t len;

	WANT(ioctl(fd, TEST_HUGETLB_CREATE, &create), 0);
	WANT(ioctl(fd, TEST_HUGETLB_ADD, &range), 0);
	range = (struct test_hugetlb_range){ .index = 2, .nr = 3, .nid = 1,
					     .flags = TEST_HUGETLB_THISNODE };
	WANT(ioctl(fd, TEST_HUGETLB_ADD, &range), 0);

	log_start();
	CHECK(!write_text("/proc/sysrq-trigger", "m"), "no SysRq");
	while ((len = read(kmsg, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		static const char *const names[] = { "nr", "free", "surplus", "fresh" };
		unsigned int said[4];
		unsigned long kb;
		char *line;
		int node;

		record[len > 0 ? len : 0] = 0;
		line = strstr(record, "Node ");
		if (!line || sscanf(line, "Node %d hugepages_total=%u hugepages_free=%u hugepages_surp=%u hugepages_size=%lukB hugepages_fresh=%u",
				    &node, &said[0], &said[1], &said[2], &kb, &said[3]) != 6)
			continue;
		sizes_seen++;
		snprintf(dir, sizeof(dir), SYS_NODES "/node%d/hugepages/hugepages-%lukB", node, kb);
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			snprintf(path, sizeof(path), "%s/%s_hugepages", dir, names[i]);
			CHECK(read_number(path, "") == said[i], "%s is %ld, and SysRq says %u", path,
			      read_number(path, ""), said[i]);
		}
		if (kb == SIZE / 1024) {
			CHECK(said[3] >= (node ? 3 : 2), "%u fresh pages are on node %d", said[3],
			      node);
			seen |= 1 << node;
		}
	}
	CHECK(seen == (1 << nodes) - 1, "nodes %#x are in the log", seen);
	CHECK(sizes_seen == 2 * nodes, "%d lines of sizes and nodes", sizes_seen);
	close(fd);
}

/*
 * mm/damon/vaddr.c
 */

#define DAMON_PAGES	4

static int damon_write(const char *file, const char *text)
{
	char path[200];
	int err;

	snprintf(path, sizeof(path), DAMON "/%s", file);
	err = write_text(path, text);
	CHECK(!err, "%s: %s", path, strerror(-err));
	return err;
}

static void damon_number(const char *file, unsigned long nr)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", nr);
	damon_write(file, text);
}

/* Look at pages until killed, in a way that the accessed bits are set anew */
static void look(char *written, char *zero)
{
	char *other = ANON(64 * PAGE);

	for (;;) {
		for (int i = 0; i < DAMON_PAGES; i++) {
			*(volatile char *)(written + i * SIZE) = 'w';
			if (*(volatile char *)(zero + i * SIZE))
				fail("the zero page is not zero");
		}
		/* More pages than are taken out of the TLB one by one */
		memset(other, 'o', 64 * PAGE);
		madvise(other, 64 * PAGE, MADV_DONTNEED);
		__atomic_add_fetch(&shared->got, 1, __ATOMIC_RELAXED);
	}
}

/* How often a page was seen accessed in [@start, @end), of what the scheme tried */
static long accesses(unsigned long start, unsigned long end)
{
	char path[400];
	struct dirent *d;
	long sum = 0;
	DIR *dir = opendir(DAMON "/0/contexts/0/schemes/0/tried_regions");

	while (dir && (d = readdir(dir))) {
		unsigned long at;

		if (*d->d_name < '0' || *d->d_name > '9')
			continue;
		snprintf(path, sizeof(path), DAMON "/0/contexts/0/schemes/0/tried_regions/%.40s/start",
			 d->d_name);
		at = read_number(path, "");
		snprintf(path, sizeof(path), DAMON
			 "/0/contexts/0/schemes/0/tried_regions/%.40s/nr_accesses", d->d_name);
		if (at >= start && at < end)
			sum += read_number(path, "");
	}
	if (dir)
		closedir(dir);
	return sum;
}

static void test_damon(void)
{
	char *written = DEVICE(DAMON_PAGES), *zero = DEVICE(DAMON_PAGES);
	double until = now() + 60;
	uint64_t zero_pfn;
	long seen = 0, wrong = 0, rounds;
	pid_t pid;

	for (int i = 0; i < DAMON_PAGES; i++)
		CHECK(!touch(zero + i * SIZE, false), "SIGBUS");
	zero_pfn = pfn_of(zero);
	CHECK(has_flag(zero_pfn, KPF_ZERO_PAGE), "no zero page");
	pid = fork();
	if (!pid)
		look(written, zero);

	damon_number("nr_kdamonds", 1);
	damon_number("0/contexts/nr_contexts", 1);
	damon_write("0/contexts/0/operations", "fvaddr");
	damon_number("0/contexts/0/monitoring_attrs/intervals/sample_us", 5000);
	damon_number("0/contexts/0/monitoring_attrs/intervals/aggr_us", 100000);
	damon_number("0/contexts/0/targets/nr_targets", 1);
	damon_number("0/contexts/0/targets/0/pid_target", pid);
	damon_number("0/contexts/0/targets/0/regions/nr_regions", 2);
	/* In the order of their addresses */
	for (int i = 0; i < 2; i++) {
		char *p = (i == 0) == (written < zero) ? written : zero, file[80];

		snprintf(file, sizeof(file), "0/contexts/0/targets/0/regions/%d/start", i);
		damon_number(file, (unsigned long)p);
		snprintf(file, sizeof(file), "0/contexts/0/targets/0/regions/%d/end", i);
		damon_number(file, (unsigned long)p + DAMON_PAGES * SIZE);
	}
	damon_number("0/contexts/0/schemes/nr_schemes", 1);
	damon_write("0/contexts/0/schemes/0/action", "stat");
	damon_number("0/contexts/0/schemes/0/access_pattern/sz/max", ~0UL);
	damon_number("0/contexts/0/schemes/0/access_pattern/nr_accesses/max", ~0U);
	damon_number("0/contexts/0/schemes/0/access_pattern/age/max", ~0U);
	damon_write("0/state", "on");

	/* Each update waits for the next aggregation. */
	for (rounds = 0; !*shared->why && now() < until && (seen < 20 || rounds < 10); rounds++) {
		damon_write("0/state", "update_schemes_tried_regions");
		seen += accesses((unsigned long)written, (unsigned long)written +
				 DAMON_PAGES * SIZE);
		wrong += accesses((unsigned long)zero, (unsigned long)zero + DAMON_PAGES * SIZE);
		CHECK(!has_flag(zero_pfn, KPF_IDLE), "the zero page is marked as idle");
	}
	CHECK(seen >= 20, "pages that are written all the time were seen accessed %ld times", seen);
	CHECK(!wrong, "the zero page was seen accessed %ld times", wrong);
	CHECK(shared->got > 0, "the child did nothing");
	write_text(DAMON "/0/state", "off");
	write_text(DAMON "/nr_kdamonds", "0");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/*
 * mm/mempolicy.c: mbind()
 */

static int bind_range(void *p, size_t len, unsigned long mask, unsigned int flags)
{
	return syscall(SYS_mbind, p, len, MPOL_BIND, &mask, 64, flags);
}

static int node_of(void *p)
{
	int status = -1;

	if (syscall(SYS_move_pages, 0, 1, &p, NULL, &status, 0))
		return -1;
	return status;
}

/* @pages written on node 0 */
static void fill_on_node0(char *p, long pages)
{
	unsigned long mask = 1;

	CHECK(!syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 64), "set_mempolicy");
	fill(p, pages * SIZE, 7);
	syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
	CHECK(node_of(p) == 0, "the page is on node %d", node_of(p));
}

static void mbind_one(char *p)
{
	uint64_t pfn;

	fill_on_node0(p, 2);
	pfn = pfn_of(p);
	WANT(bind_range(p, 2 * SIZE, 1, MPOL_MF_STRICT), 0);
	WANT(bind_range(p, 2 * SIZE, 2, MPOL_MF_STRICT), EIO);
	CHECK(pfn_of(p) == pfn && node_of(p) == 0, "a page has moved that should not");
	WANT(bind_range(p, 2 * SIZE, 2, MPOL_MF_MOVE | MPOL_MF_STRICT), 0);
	CHECK(node_of(p) == 1 && node_of(p + SIZE) == 1, "the pages are on nodes %d and %d",
	      node_of(p), node_of(p + SIZE));
	CHECK(filled(p, 2 * SIZE, 7), "what was in the pages is lost");
	WANT(bind_range(p, 2 * SIZE, 1, MPOL_MF_MOVE_ALL), 0);
	CHECK(node_of(p) == 0 && filled(p, 2 * SIZE, 7), "they do not come back");
	munmap(p, 2 * SIZE);
}

static void test_mbind_private(void) { mbind_one(DEVICE(2)); }
static void test_mbind_shared(void)
{
	int fd = huge_memfd(2);

	mbind_one(map(fd, 2 * SIZE, MAP_SHARED));
	close(fd);
}

static void test_mbind_two(void)
{
	int fd = huge_memfd(1), to_child[2], to_parent[2];
	char *p = map(fd, SIZE, MAP_SHARED), c;
	int status = -1;
	pid_t pid;

	if (pipe(to_child) || pipe(to_parent))
		die("pipe");
	fill_on_node0(p, 1);
	pid = fork();
	if (!pid) {
		c = filled(p, SIZE, 7);
		if (write(to_parent[1], &c, 1) != 1 || read(to_child[0], &c, 1) != 1)
			_exit(1);
		_exit(!filled(p, SIZE, 7));
	}
	CHECK(read(to_parent[0], &c, 1) == 1 && c, "the child has other data");
	WANT(bind_range(p, SIZE, 2, MPOL_MF_MOVE | MPOL_MF_STRICT), 0);
	CHECK(node_of(p) == 0, "a page that another process maps has moved");
	WANT(bind_range(p, SIZE, 2, MPOL_MF_MOVE_ALL), 0);
	CHECK(node_of(p) == 1 && filled(p, SIZE, 7), "MPOL_MF_MOVE_ALL does not move it");
	CHECK(write(to_child[1], &c, 1) == 1, "write");
	CHECK(waitpid(pid, &status, 0) == pid && !status,
	      "the child has lost what is in the page");
}

static void test_mbind_zero(void)
{
	char *p = DEVICE(2);
	uint64_t pfn;

	for (int i = 0; i < 2; i++)
		CHECK(!touch(p + i * SIZE, false), "SIGBUS");
	pfn = pfn_of(p);
	CHECK(has_flag(pfn, KPF_ZERO_PAGE), "no zero page");
	/* It is on one of the nodes, and so not on the other. */
	for (int node = 0; node < nodes; node++) {
		WANT(bind_range(p, 2 * SIZE, 1UL << node, MPOL_MF_STRICT), 0);
		WANT(bind_range(p, 2 * SIZE, 1UL << node, MPOL_MF_MOVE | MPOL_MF_STRICT), 0);
		WANT(bind_range(p, 2 * SIZE, 1UL << node, MPOL_MF_MOVE_ALL | MPOL_MF_STRICT), 0);
		CHECK(pfn_of(p) == pfn && pfn_of(p + SIZE) == pfn, "the zero page has moved");
	}
	/* The policy is in force for the page that takes its place. */
	*p = 'x';
	CHECK(node_of(p) == nodes - 1, "the page is on node %d", node_of(p));
}

/* Pages of a driver stay where they are. */
static void test_mbind_driver(void)
{
	struct test_hugetlb_create create = { .nr = 1, .page_size_log = 21 };
	struct test_hugetlb_range range = { .nr = 1, .nid = 0, .flags = TEST_HUGETLB_THISNODE };
	int fd = open("/dev/test_hugetlb", O_RDWR | O_CLOEXEC);
	char *p;

	WANT(ioctl(fd, TEST_HUGETLB_CREATE, &create), 0);
	WANT(ioctl(fd, TEST_HUGETLB_ADD, &range), 0);
	p = map(fd, SIZE, MAP_SHARED);
	fill(p, SIZE, 9);
	WANT(bind_range(p, SIZE, 1, MPOL_MF_MOVE | MPOL_MF_STRICT), 0);
	WANT(bind_range(p, SIZE, 2, MPOL_MF_STRICT), EIO);
	WANT(bind_range(p, SIZE, 2, MPOL_MF_MOVE | MPOL_MF_STRICT), EIO);
	CHECK(node_of(p) == 0 && filled(p, SIZE, 9), "the page has moved");
	munmap(p, SIZE);
	close(fd);
}

/* Pages of @moving go from one node to the other, and back. */
#define MOVING_PAGES	8

static struct {
	char *p;
	volatile bool stop;
	volatile long rounds;
	pthread_t thread;
} moving;

static void *move_pages_on(void *arg)
{
	void *page[MOVING_PAGES];
	int node[MOVING_PAGES], status[MOVING_PAGES];

	for (int i = 0; !moving.stop; i++) {
		for (int j = 0; j < MOVING_PAGES; j++) {
			page[j] = moving.p + j * SIZE;
			node[j] = i & 1;
		}
		syscall(SYS_move_pages, 0, MOVING_PAGES, page, node, status, MPOL_MF_MOVE_ALL);
		moving.rounds++;
	}
	return arg;
}

static char *start_moving(void)
{
	moving.p = DEVICE(MOVING_PAGES);
	fill(moving.p, MOVING_PAGES * SIZE, 3);
	moving.stop = false;
	if (pthread_create(&moving.thread, NULL, move_pages_on, NULL))
		die("pthread_create");
	return moving.p;
}

static void stop_moving(void)
{
	moving.stop = true;
	pthread_join(moving.thread, NULL);
	CHECK(moving.rounds > 0, "the pages did not move");
	CHECK(filled(moving.p, MOVING_PAGES * SIZE, 3), "what was in the pages is lost");
	munmap(moving.p, MOVING_PAGES * SIZE);
}

/* All nodes are right, so what is not is a page that nobody knows where it is. */
static void test_mbind_migration(void)
{
	char *p = start_moving();
	double until = now() + 60;
	long seen = 0;

	while (seen < 3 && now() < until && !*shared->why) {
		int err = ERR(bind_range(p, MOVING_PAGES * SIZE, 3, MPOL_MF_STRICT));

		CHECK(!err || err == EIO, "mbind: %s", strerror(err));
		seen += err == EIO;
	}
	CHECK(seen >= 3, "mbind() has met %ld pages that move", seen);
	stop_moving();
}

/*
 * mm/memory-failure.c
 */

static void will_break(uint64_t pfn)
{
	shared->broken[shared->nr_broken++] = pfn;
}

/* By its frame; an errno */
static int poison_pfn(uint64_t pfn)
{
	return -write_number(MEMORY "/hard_offline_page", pfn * PAGE);
}

static int corrupt_pfn(uint64_t pfn)
{
	return -write_number(HWPOISON "/corrupt-pfn", pfn);
}

#define ACTION(pfn, text)						\
	CHECK(log_has("Memory failure: %#lx: recovery action for " text, pfn),	\
	      "line %d: no action '%s'", __LINE__, text)

static void test_mf_hole(void)
{
	/* Beyond all memory, where there could be some of a device */
	uint64_t pfn = (1UL << 39) / PAGE;

	log_start();
	CHECK(poison_pfn(pfn) == EBUSY, "hard_offline_page");
	ACTION(pfn, "non struct page pfn: Ignored");
	CHECK(corrupt_pfn(pfn) == ENXIO, "corrupt-pfn of a hole");
}

static int block_state(long block, const char *state)
{
	char path[80];

	snprintf(path, sizeof(path), MEMORY "/memory%ld/state", block);
	return write_text(path, state);
}

static void test_mf_offline(void)
{
	char text[32] = "", path[80];
	long pages, block;
	int fd = open(MEMORY "/block_size_bytes", O_RDONLY | O_CLOEXEC);

	CHECK(read(fd, text, sizeof(text) - 1) > 0, "no memory blocks");
	close(fd);
	pages = strtol(text, NULL, 16) / PAGE;
	for (block = 511; block > 0; block--) {
		bool huge = false;

		snprintf(path, sizeof(path), MEMORY "/memory%ld/node1", block);
		if (access(path, F_OK))
			continue;
		/* The pool would be smaller afterwards. */
		for (long i = 0; i < pages && !huge; i += SIZE / PAGE)
			huge = has_flag(block * pages + i, KPF_HUGE);
		if (!huge && !block_state(block, "offline"))
			break;
	}
	if (block <= 0) {
		fail("no block of node 1 can be taken offline");
		return;
	}
	shared->block = block;
	log_start();
	CHECK(poison_pfn(block * pages + 5) == ENXIO, "hard_offline_page");
	CHECK(log_has("%#lx: memory outside kernel control", block * pages + 5), "no such line");
	CHECK(corrupt_pfn(block * pages) == ENXIO, "corrupt-pfn");
}

static void test_mf_buddy(void)
{
	uint64_t pfn;

	/* In the upper half of the machine's memory, where there is most of what is free */
	for (pfn = 0x100000; pfn < 0x400000 && !(has_flag(pfn, KPF_BUDDY) &&
	     has_flag(pfn + 512, KPF_BUDDY)); pfn += 1024)
		;
	CHECK(pfn < 0x400000, "no free memory");
	pfn += 3;
	will_break(pfn);
	log_start();
	CHECK(corrupt_pfn(pfn) == 0, "corrupt-pfn");
	ACTION(pfn, "free buddy page: Recovered");
	CHECK(has_flag(pfn, KPF_HWPOISON) && !has_flag(pfn, KPF_BUDDY), "it is still free");
	/* The same one again */
	CHECK(poison_pfn(pfn) == EHWPOISON, "twice");
	ACTION(pfn, "already poisoned page: Failed");
}

static void test_mf_filter(void)
{
	struct test_hugetlb_create create = { .nr = 1, .page_size_log = 21 };
	struct test_hugetlb_range range = { .nr = 1, .nid = -1 };
	int fd = open("/dev/test_hugetlb", O_RDWR | O_CLOEXEC);
	long broken = read_number("/proc/meminfo", "HardwareCorrupted:");
	char *p = ANON(PAGE), *huge;
	uint64_t pfn, huge_pfn;

	*p = 'a';
	WANT(ioctl(fd, TEST_HUGETLB_CREATE, &create), 0);
	WANT(ioctl(fd, TEST_HUGETLB_ADD, &range), 0);
	huge = map(fd, SIZE, MAP_SHARED);
	fill(huge, SIZE, 5);
	pfn = pfn_of(p);
	huge_pfn = pfn_of(huge) + 7;
	will_break(pfn);
	will_break(huge_pfn);
	/* Of no device is the memory of a program. */
	CHECK(!write_number(HWPOISON "/corrupt-filter-dev-major", 4000) &&
	      !write_number(HWPOISON "/corrupt-filter-enable", 1), "no filter");
	/* Success is what it is called. */
	CHECK(poison_pfn(pfn) == 0 && corrupt_pfn(pfn) == 0, "a page that is excluded");
	CHECK(poison_pfn(huge_pfn) == 0 && corrupt_pfn(huge_pfn) == 0,
	      "a huge page that is excluded");
	CHECK(poison_address(huge + 7 * PAGE) == 0, "MADV_HWPOISON");
	write_number(HWPOISON "/corrupt-filter-enable", 0);
	write_number(HWPOISON "/corrupt-filter-dev-major", 0xffffffff);
	CHECK(pfn_of(p) == pfn && *p == 'a' && !has_flag(pfn, KPF_HWPOISON), "it is poisoned");
	CHECK(filled(huge, SIZE, 5) && !has_flag(huge_pfn, KPF_HWPOISON), "huge: it is poisoned");
	CHECK(read_number("/proc/meminfo", "HardwareCorrupted:") == broken, "it is counted");
	shared->nr_broken = 0;
}

static char *thp(void)
{
	char *p = ANON(SIZE);

	madvise(p, SIZE, MADV_HUGEPAGE);
	fill(p, SIZE, 11);
	CHECK(has_flag(pfn_of(p), KPF_THP), "no transparent huge page");
	return p;
}

static void test_mf_thp(void)
{
	char *p = thp();
	uint64_t pfn = pfn_of(p + 9 * PAGE);

	will_break(pfn);
	log_start();
	CHECK(poison_pfn(pfn) == 0, "hard_offline_page");
	CHECK(log_has("LRU page: Recovered"), "it was not taken away");
	CHECK(touch(p + 9 * PAGE, false) == SIGBUS, "it can still be read");
	CHECK(!has_flag(pfn_of(p), KPF_THP), "it is still a huge page");
	CHECK(filled(p, 9 * PAGE, 11), "its other pages are lost");
	for (long i = 10; i < SIZE / PAGE; i++)
		CHECK(*(uint64_t *)(p + i * PAGE) == value((char *)(i * PAGE), 11),
		      "page %ld is lost", i);
	munmap(p, SIZE);
}

static int ring_with(void *p, size_t len)
{
	struct io_uring_params params = { 0 };
	struct iovec iov = { p, len };
	int ring = syscall(SYS_io_uring_setup, 1, &params);

	CHECK(ring >= 0, "io_uring_setup: %s", strerror(errno));
	if (len)
		WANT(syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1), 0);
	return ring;
}

/* One that cannot be split, and stays where it is */
static void test_mf_thp_pinned(void)
{
	char *p = thp();
	uint64_t pfn = pfn_of(p + 9 * PAGE);
	int ring = ring_with(p, PAGE), err;

	will_break(pfn);
	log_start();
	CHECK(poison_pfn(pfn) == EHWPOISON, "hard_offline_page");
	ACTION(pfn, "unsplit thp: Failed");
	CHECK(has_flag(pfn_of(p), KPF_THP) && pfn_of(p + 9 * PAGE) == pfn, "it was split");
	CHECK(filled(p, SIZE, 11), "its content is lost");
	/* Again, by its address: who has it is told. */
	err = poison_address(p + 9 * PAGE);
	CHECK(err == SIGNALLED || err == EHWPOISON, "MADV_HWPOISON: %s", strerror(err));
	ACTION(pfn, "already poisoned page: Failed");
	close(ring);
	munmap(p, SIZE);
}

static void test_mf_tmpfs(void)
{
	int fd = memfd(2 * PAGE);
	char *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0), byte;
	uint64_t pfn;

	p[0] = p[PAGE] = 't';
	pfn = pfn_of(p);
	will_break(pfn);
	log_start();
	CHECK(poison_pfn(pfn) == 0, "hard_offline_page");
	CHECK(log_has("LRU page: Recovered"), "it was not taken away");
	CHECK(has_flag(pfn, KPF_HWPOISON), "it is not poisoned");
	CHECK(touch(p, false) == SIGBUS, "it can still be read");
	WANT(pread(fd, &byte, 1, 0), EIO);
	CHECK(!touch(p + PAGE, false) && p[PAGE] == 't', "the other page is lost");
	munmap(p, 2 * PAGE);
	close(fd);
}

/* No longer the page of a file, but a pipe has it. */
static void test_mf_truncated(void)
{
	int fd = memfd(PAGE), pipes[2];
	char *p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	loff_t at = 0;
	uint64_t pfn;

	*p = 't';
	pfn = pfn_of(p);
	munmap(p, PAGE);
	if (pipe(pipes))
		die("pipe");
	CHECK(splice(fd, &at, pipes[1], NULL, PAGE, 0) == PAGE, "splice");
	WANT(ftruncate(fd, 0), 0);
	will_break(pfn);
	log_start();
	CHECK(poison_pfn(pfn) == EBUSY, "hard_offline_page");
	ACTION(pfn, "already truncated LRU page: Ignored");
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

/* Huge pages of a file, of which two parts are broken, and one of them twice */
static void poison_file(int fd, char *p, const char *whose)
{
	uint64_t pfn;
	char *later;

	fill(p, SIZE, 13);
	pfn = pfn_of(p);
	will_break(pfn);
	log_start();
	CHECK(poison_pfn(pfn) == 0, "hard_offline_page");
	ACTION(pfn, "huge page: Recovered");
	CHECK(has_flag(pfn, KPF_HWPOISON), "it is not poisoned");
	CHECK(touch(p, false) == SIGBUS && touch(p + 4 * PAGE, false) == SIGBUS,
	      "it can still be read");
	/* One who comes later has no entry that says so. */
	later = map(fd, SIZE, MAP_SHARED);
	CHECK(touch(later, false) == SIGBUS && touch(later + SIZE - 1, true) == SIGBUS,
	      "it can be read by another mapping");
	munmap(later, SIZE);
	CHECK(poison_pfn(pfn) == EHWPOISON, "%s twice", whose);
	ACTION(pfn, "already poisoned page: Failed");
	CHECK(poison_pfn(pfn + 4) == EHWPOISON, "%s, another part", whose);
	CHECK(log_has("%#lx: recovery action for huge page: Failed", pfn + 4), "no action");
	munmap(p, SIZE);
	close(fd);
}

static void test_mf_hugetlb_file(void)
{
	int fd = huge_memfd(1);

	poison_file(fd, map(fd, SIZE, MAP_SHARED), "memfd");
}

static void test_mf_driver(void)
{
	struct test_hugetlb_create create = { .nr = 1, .page_size_log = 21 };
	struct test_hugetlb_range range = { .nr = 1, .nid = -1 };
	int fd = open("/dev/test_hugetlb", O_RDWR | O_CLOEXEC);

	WANT(ioctl(fd, TEST_HUGETLB_CREATE, &create), 0);
	WANT(ioctl(fd, TEST_HUGETLB_POPULATE, &range), 0);
	poison_file(fd, map(fd, SIZE, MAP_SHARED), "driver");
}

/* One of the pool that nobody has */
static void test_mf_free_huge(void)
{
	char *p = DEVICE(1);
	uint64_t pfn;

	*p = 'f';
	pfn = pfn_of(p);
	munmap(p, SIZE);
	will_break(pfn + 6);
	log_start();
	CHECK(poison_pfn(pfn + 6) == 0, "hard_offline_page");
	ACTION(pfn + 6, "free huge page: Recovered");
	CHECK(has_flag(pfn + 6, KPF_HWPOISON) && !has_flag(pfn, KPF_HUGE), "it is still huge");
	CHECK(poison_pfn(pfn + 6) == EHWPOISON, "twice");
}

/*
 * Pages that the kernel cannot handle: it says so, in a way that no other test may
 * make it say.
 */

/* The inode of the cgroup that it is charged to, or 0 */
static uint64_t cgroup_of(uint64_t pfn)
{
	int fd = open("/proc/kpagecgroup", O_RDONLY | O_CLOEXEC);
	uint64_t ino = 0;

	CHECK(pread(fd, &ino, sizeof(ino), pfn * 8) == sizeof(ino), "no kpagecgroup");
	close(fd);
	return ino;
}

/* What io_uring maps is memory of the kernel, with a struct page and no list. */
static void test_mf_kernel(void)
{
	int ring, err;
	uint64_t pfn;
	char *p;

	CHECK(!write_text(CGROUP "/cgroup.subtree_control", "+memory") && !mkdir(RING, 0755) &&
	      !write_text(RING "/cgroup.procs", "0"), "no cgroup");
	ring = ring_with(NULL, 0);
	p = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	CHECK(p != MAP_FAILED, "mmap of a ring");
	pfn = pfn_of(p);
	will_break(pfn);
	log_start();
	CHECK(poison_pfn(pfn) == EBUSY, "hard_offline_page");
	CHECK(log_has("%#lx: unhandlable page", pfn), "it can be handled");
	ACTION(pfn, "get hwpoison page: Ignored");
	CHECK(pfn_of(p) == pfn && !touch(p, true), "it is gone");
	/* Again, by the address that it still has */
	err = poison_address(p);
	CHECK(err == SIGNALLED || err == EHWPOISON, "MADV_HWPOISON: %s", strerror(err));
	ACTION(pfn, "already poisoned page: Failed");
	/*
	 * A worker ends the ring. To unpoison a page that is in use would take the
	 * reference of who has it: see Documentation/testing.md.
	 */
	CHECK(cgroup_of(pfn), "it is charged to nobody");
	munmap(p, PAGE);
	close(ring);
	for (int i = 0; i < 500 && cgroup_of(pfn); i++)
		usleep(20000);
	CHECK(!cgroup_of(pfn), "the ring does not end");
}

/* Page tables are found as those that were not there before. */
static void test_mf_page_table(void)
{
	const uint64_t last = 0x180000;
	uint64_t *before = calloc(last, sizeof(*before)), *after = calloc(last, sizeof(*after));
	uint64_t pfn = 0;
	char *p = room(64 * SIZE, SIZE);

	/* Both are written to now, as they have page tables of their own. */
	read_flags(after, last);
	read_flags(before, last);
	if (mmap(p, 64 * SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != p)
		die("mmap");
	for (int i = 0; i < 64; i++)
		p[i * SIZE] = 'p';
	read_flags(after, last);
	while (pfn < last && (before[pfn] >> KPF_PGTABLE & 1 || !(after[pfn] >> KPF_PGTABLE & 1)))
		pfn++;
	CHECK(pfn < last, "no page table");
	if (pfn < last) {
		will_break(pfn);
		log_start();
		CHECK(poison_pfn(pfn) == EBUSY, "hard_offline_page");
		CHECK(log_has("%#lx: unhandlable page", pfn), "it can be handled");
		ACTION(pfn, "reserved kernel page: Ignored");
	}
	for (int i = 0; i < 64; i++)
		CHECK(p[i * SIZE] == 'p', "page %d is lost", i);
	munmap(p, 64 * SIZE);
}

/*
 * mm/hugetlb.c: userfaultfd
 */

static int uffd_on(void *p, size_t len, uint64_t mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (unsigned long)p, len },
		.mode = mode,
	};
	int fd;

	/* What there is, but for what needs somebody who reads */
	fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		die("userfaultfd");
	close(fd);
	api.features &= ~(UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
			  UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP |
			  UFFD_FEATURE_SIGBUS | UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_RWP_ASYNC |
			  UFFD_FEATURE_WP_UNPOPULATED);
	fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (ioctl(fd, UFFDIO_API, &api))
		die("UFFDIO_API");
	WANT(ioctl(fd, UFFDIO_REGISTER, &reg), 0);
	return fd;
}

static int uffd_copy(int fd, void *dst, void *src, size_t len)
{
	struct uffdio_copy copy = { (unsigned long)dst, (unsigned long)src, len, 0, 0 };

	return ERR(ioctl(fd, UFFDIO_COPY, &copy));
}

static int uffd_continue(int fd, void *p)
{
	struct uffdio_continue arg = { .range = { (unsigned long)p, SIZE } };

	return ERR(ioctl(fd, UFFDIO_CONTINUE, &arg));
}

static int uffd_poison(int fd, void *p)
{
	struct uffdio_poison arg = { .range = { (unsigned long)p, SIZE } };

	return ERR(ioctl(fd, UFFDIO_POISON, &arg));
}

static int uffd_protect(int fd, void *p, size_t len)
{
	struct uffdio_writeprotect arg = {
		.range = { (unsigned long)p, len },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	return ERR(ioctl(fd, UFFDIO_WRITEPROTECT, &arg));
}

/* A file's pages that are not in the page tables: the copy is made without locks. */
static char *absent_source(void)
{
	int fd = memfd(SIZE);
	char *p = mmap(NULL, SIZE, RW, MAP_SHARED, fd, 0);

	fill(p, SIZE, 17);
	munmap(p, SIZE);
	p = map(fd, SIZE, MAP_SHARED);
	close(fd);
	return p;
}

static void copy_twice(char *p)
{
	int fd = uffd_on(p, 2 * SIZE, UFFDIO_REGISTER_MODE_MISSING);
	char *src = absent_source();

	CHECK(uffd_copy(fd, p, src, SIZE) == 0, "from what is not present");
	CHECK(uffd_copy(fd, p + SIZE, p, SIZE) == 0, "from what is");
	CHECK(filled(p, SIZE, 17) && filled(p + SIZE, SIZE, 17), "other data");
	CHECK(uffd_copy(fd, p, src, SIZE) == EEXIST, "where there is a page");
	CHECK(uffd_copy(fd, p, src, PAGE) == EINVAL, "a part of a page");
	munmap(src, SIZE);
	munmap(p, 2 * SIZE);
	close(fd);
}

static void test_uffd_copy(void)
{
	int file = huge_memfd(2);

	copy_twice(DEVICE(2));
	copy_twice(map(file, 2 * SIZE, MAP_PRIVATE));
	close(file);
	file = huge_memfd(2);
	copy_twice(map(file, 2 * SIZE, MAP_SHARED));
	close(file);
}

static void test_uffd_copy_errors(void)
{
	char *gib = map(-1, GIB, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_1GB |
			MAP_NORESERVE);
	char *p = map(page_huge, SIZE, MAP_PRIVATE | MAP_NORESERVE), *src = absent_source(), *hog;
	int file = huge_memfd(2), fd, fd_gib, fd_file;
	char *shared_map = map(file, 2 * SIZE, MAP_SHARED);
	size_t len;

	fd = uffd_on(p, SIZE, UFFDIO_REGISTER_MODE_MISSING);
	fd_gib = uffd_on(gib, GIB, UFFDIO_REGISTER_MODE_MISSING);
	fd_file = uffd_on(shared_map, 2 * SIZE, UFFDIO_REGISTER_MODE_MISSING);

	/* There is a table of entries for it, which is why it is said to exist. */
	hog = take_pool(&len);
	CHECK(uffd_copy(fd, p, src, SIZE) == EEXIST, "with an empty pool");
	CHECK(uffd_copy(fd_gib, gib, src, GIB) == ENOMEM, "with an empty pool, 1 GiB");
	munmap(hog, len);
	CHECK(uffd_copy(fd, p, src, SIZE) == 0 && filled(p, SIZE, 17), "with pages again");

	WANT(ftruncate(file, SIZE), 0);
	CHECK(uffd_copy(fd_file, shared_map + SIZE, src, SIZE) == EFAULT, "past the end");
	CHECK(uffd_copy(fd_file, shared_map, src, SIZE) == 0, "before the end");
	CHECK(uffd_copy(fd_file, shared_map, src, SIZE) == EEXIST, "there is a page");
	/* In the file, but not mapped here */
	munmap(shared_map, 2 * SIZE);
	close(fd_file);
	shared_map = map(file, SIZE, MAP_SHARED);
	fd_file = uffd_on(shared_map, SIZE, UFFDIO_REGISTER_MODE_MISSING);
	CHECK(uffd_copy(fd_file, shared_map, src, SIZE) == EEXIST, "the file has the page");
	CHECK(filled(shared_map, SIZE, 17), "other data");
	munmap(shared_map, SIZE);
	munmap(p, SIZE);
	munmap(gib, GIB);
	munmap(src, SIZE);
}

/*
 * What happens between the two parts of a copy: its source is a page that somebody
 * has to bring, and he does something else first.
 */

static struct copier {
	int fd, err;
	char *dst, *src;
} copier;

static void *copy_on(void *arg)
{
	copier.err = uffd_copy(copier.fd, copier.dst, copier.src, SIZE);
	return arg;
}

static int copy_while(char *dst, int fd, void (*what)(void *arg), void *arg)
{
	char *src = ANON(SIZE), *data = ANON(SIZE);
	int src_fd = uffd_on(src, SIZE, UFFDIO_REGISTER_MODE_MISSING);
	struct uffd_msg msg = { 0 };
	pthread_t thread;

	fill(data, SIZE, 19);
	copier = (struct copier){ .fd = fd, .dst = dst, .src = src };
	if (pthread_create(&thread, NULL, copy_on, NULL))
		die("pthread_create");
	CHECK(read(src_fd, &msg, sizeof(msg)) == sizeof(msg) && msg.event == UFFD_EVENT_PAGEFAULT,
	      "the source is not asked for");
	if (what)
		what(arg);
	CHECK(uffd_copy(src_fd, src, data, SIZE) == 0, "the source");
	pthread_join(thread, NULL);
	munmap(src, SIZE);
	munmap(data, SIZE);
	close(src_fd);
	return copier.err;
}

static void fill_file(void *arg) { WANT(fallocate(*(int *)arg, 0, 0, SIZE), 0); }
static void cut_file(void *arg) { WANT(ftruncate(*(int *)arg, 0), 0); }

static struct {
	char *p;
	size_t len;
} hog;

static void take_all(void *arg)
{
	(void)arg;
	hog.p = take_pool(&hog.len);
}

static void test_uffd_copy_between(void)
{
	char *p = map(page_huge, SIZE, MAP_PRIVATE | MAP_NORESERVE);
	int file = huge_memfd(1), fd = uffd_on(p, SIZE, UFFDIO_REGISTER_MODE_MISSING), err;
	char *q = map(file, SIZE, MAP_SHARED);
	int fd_file = uffd_on(q, SIZE, UFFDIO_REGISTER_MODE_MISSING);

	err = copy_while(p, fd, take_all, NULL);
	CHECK(err == ENOMEM, "the pool is empty now: %s", strerror(err));
	munmap(hog.p, hog.len);
	err = copy_while(p, fd, NULL, NULL);
	CHECK(!err && filled(p, SIZE, 19), "nothing happens: %s", strerror(err));

	err = copy_while(q, fd_file, fill_file, &file);
	CHECK(err == EEXIST, "the file has a page now: %s", strerror(err));
	CHECK(!*(volatile uint64_t *)q, "it is not that page");
	WANT(ftruncate(file, 0), 0);
	WANT(ftruncate(file, SIZE), 0);
	err = copy_while(q, fd_file, cut_file, &file);
	CHECK(err == EFAULT, "the file is empty now: %s", strerror(err));
	munmap(p, SIZE);
	munmap(q, SIZE);
	close(file);
	close(fd);
	close(fd_file);
}

static void test_uffd_poison(void)
{
	char *p = DEVICE(2), *src = ANON(SIZE);
	int fd = uffd_on(p, 2 * SIZE, UFFDIO_REGISTER_MODE_MISSING);

	CHECK(uffd_poison(fd, p) == 0, "UFFDIO_POISON");
	CHECK(touch(p, false) == SIGBUS && touch(p + SIZE - 1, true) == SIGBUS, "it can be read");
	CHECK(uffd_poison(fd, p) == EEXIST, "twice");
	fill(src, SIZE, 23);
	/* A page takes the place of the mark, and not the other way round. */
	CHECK(uffd_copy(fd, p, src, SIZE) == 0 && filled(p, SIZE, 23), "a page over it");
	CHECK(uffd_poison(fd, p) == EEXIST, "where there is a page");
	CHECK(filled(p, SIZE, 23), "what was in it is lost");
	CHECK(uffd_poison(fd, p + SIZE) == 0, "the other one");
	WANT(madvise(p + SIZE, SIZE, MADV_DONTNEED), 0);
	CHECK(uffd_copy(fd, p + SIZE, src, SIZE) == 0 && filled(p + SIZE, SIZE, 23),
	      "a page after it");
	munmap(p, 2 * SIZE);
	munmap(src, SIZE);
	close(fd);
}

static void test_uffd_continue(void)
{
	int file = huge_memfd(3), fd;
	char *p = map(file, 3 * SIZE, MAP_SHARED), *other = map(file, 3 * SIZE, MAP_SHARED);
	uint64_t pfn;

	fd = uffd_on(p, 3 * SIZE, UFFDIO_REGISTER_MODE_MINOR);
	fill(other, 2 * SIZE, 29);
	CHECK(uffd_continue(fd, p) == 0 && filled(p, SIZE, 29), "a page of the file");
	CHECK(uffd_continue(fd, p) == EEXIST, "twice");
	CHECK(uffd_continue(fd, p + 2 * SIZE) == EFAULT, "a hole");
	pfn = pfn_of(other + SIZE);
	will_break(pfn);
	CHECK(poison_pfn(pfn) == 0, "hard_offline_page");
	CHECK(uffd_continue(fd, p + SIZE) == EIO, "a broken page");
	CHECK(filled(p, SIZE, 29), "what was in the first page is lost");
	munmap(p, 3 * SIZE);
	munmap(other, 3 * SIZE);
	close(file);
	close(fd);
}

/*
 * mm/hugetlb.c: fork()
 */

static void child_of_broken(void *p)
{
	CHECK(touch(p, false) == SIGBUS && touch(p, true) == SIGBUS, "the child can read it");
	CHECK(filled((char *)p + SIZE, SIZE, 31), "the child has other data");
}

static void test_fork_broken(void)
{
	char *p = DEVICE(3);
	uint64_t pfn;

	fill(p, SIZE, 31);
	fill(p + SIZE, SIZE, 31);
	CHECK(!touch(p + 2 * SIZE, false), "SIGBUS");
	pfn = pfn_of(p);
	will_break(pfn);
	CHECK(poison_pfn(pfn) == 0, "hard_offline_page");
	CHECK(touch(p, false) == SIGBUS && no_page(p), "no entry of a broken page");
	CHECK(!in_child(child_of_broken, p), "the child failed");
	munmap(p, 3 * SIZE);
}

static void child_of_sparse(void *p)
{
	CHECK(filled((char *)p + GIB, SIZE, 37), "the child has other data");
	CHECK(!touch(p, false) && !*(char *)p, "what was not there is not zero");
}

/* Nothing is in the first GiB, not even a table. */
static void test_fork_sparse(void)
{
	char *at = room(2 * GIB + SIZE, GIB);
	char *p = mmap(at, GIB + SIZE, RW, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, page_huge, 0);

	CHECK(p == at, "mmap");
	fill(p + GIB, SIZE, 37);
	CHECK(!in_child(child_of_sparse, p), "the child failed");
	CHECK(filled(p + GIB, SIZE, 37), "other data after fork()");
	munmap(p, GIB + SIZE);
}

static void child_of_shared(void *p)
{
	CHECK(filled(p, SIZE, 41), "the child has other data");
	*((char *)p + SIZE) = 'c';
}

/* Two mappings that can have one table, and one that cannot */
static void test_fork_shared_table(void)
{
	int fd = huge_memfd(GIB / SIZE), uffd;
	char *p[3];

	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = mmap(room(GIB, GIB), GIB, RW, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, 0);
		CHECK(p[i] != MAP_FAILED, "mmap of 1 GiB");
	}
	fill(p[0], SIZE, 41);
	CHECK(filled(p[1], SIZE, 41), "other data");
	CHECK(filled(p[2], SIZE, 41), "other data");
	uffd = uffd_on(p[2], GIB, UFFDIO_REGISTER_MODE_WP);
	CHECK(uffd_protect(uffd, p[2], SIZE) == 0, "UFFDIO_WRITEPROTECT");
	CHECK(!in_child(child_of_shared, p[2]) && p[1][SIZE] == 'c', "the child failed");
	CHECK(!in_child(child_of_shared, p[1]) && p[0][SIZE] == 'c', "the child failed");
	for (size_t i = 0; i < ARRAY_SIZE(p); i++)
		munmap(p[i], GIB);
	close(fd);
	close(uffd);
}

static void child_of_migration(void *arg)
{
	char *p = arg;

	for (int i = 0; i < MOVING_PAGES; i++)
		shared->got += no_page(p + i * SIZE);
	for (int i = 0; i < MOVING_PAGES; i++)
		CHECK(*(uint64_t *)(p + i * SIZE) == value((char *)(i * SIZE), 3) &&
		      *(uint64_t *)(p + i * SIZE + SIZE - PAGE) ==
		      value((char *)(i * SIZE + SIZE - PAGE), 3), "the child has other data");
}

/* Until children were seen that began with pages nobody knows where they are */
static void fork_migration(bool protect)
{
	char *p = start_moving();
	int fd = protect ? uffd_on(p, MOVING_PAGES * SIZE, UFFDIO_REGISTER_MODE_WP) : -1;
	double until = now() + 100;
	long forks;

	shared->got = 0;
	for (forks = 0; shared->got < 10 && now() < until && !*shared->why; forks++) {
		struct uffdio_writeprotect off = { .range = { (unsigned long)p, MOVING_PAGES * SIZE } };

		/* Written to again, they can be written to: until the next child. */
		for (int i = 0; i < MOVING_PAGES; i++)
			*(volatile uint64_t *)(p + i * SIZE) = value((char *)(i * SIZE), 3);
		if (protect)
			CHECK(uffd_protect(fd, p, MOVING_PAGES * SIZE) == 0, "UFFDIO_WRITEPROTECT");
		CHECK(!in_child(child_of_migration, p), "a child failed");
		if (protect)
			WANT(ioctl(fd, UFFDIO_WRITEPROTECT, &off), 0);
	}
	CHECK(shared->got >= 10, "%ld entries of pages that move were seen in %ld children",
	      shared->got, forks);
	stop_moving();
	close(fd);
}

static void test_fork_migration(void) { fork_migration(false); }
static void test_fork_migration_uffd(void) { fork_migration(true); }

/*
 * mm/hugetlb.c: mremap(), to where another mapping has a table that could be shared
 */

static long mapped(uint64_t pfn)
{
	int fd = open("/proc/kpagecount", O_RDONLY | O_CLOEXEC);
	uint64_t times = -1;

	if (pread(fd, &times, sizeof(times), pfn * sizeof(times)) != sizeof(times))
		fail("kpagecount: %s", strerror(errno));
	close(fd);
	return times;
}

static void test_mremap_shared_table(void)
{
	char *other = room(GIB, GIB), *to = room(GIB, GIB), *p = room(GIB + SIZE, GIB) + SIZE;
	int fd = huge_memfd(GIB / SIZE), flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE;
	uint64_t pfn;

	CHECK(mmap(other, GIB, RW, flags, fd, 0) == other, "mmap of 1 GiB");
	CHECK(mmap(p, GIB, RW, flags, fd, 0) == p, "mmap of 1 GiB, not aligned");
	fill(other, SIZE, 43);
	CHECK(filled(p, SIZE, 43), "other data");
	pfn = pfn_of(p);
	CHECK(mapped(pfn) == 2, "mapped %ld times by two mappings", mapped(pfn));
	CHECK(mremap(p, GIB, GIB, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to, "mremap: %s",
	      strerror(errno));
	CHECK(filled(to, SIZE, 43), "other data after mremap()");
	CHECK(mapped(pfn) == 2, "mapped %ld times after mremap()", mapped(pfn));
	munmap(to, GIB);
	CHECK(mapped(pfn) == 1, "mapped %ld times by one mapping", mapped(pfn));
	CHECK(filled(other, SIZE, 43), "other data in the other mapping");
	munmap(other, GIB);
	CHECK(mapped(pfn) == 0, "mapped %ld times by none", mapped(pfn));
	close(fd);
}

/*
 * fs/hugetlbfs/inode.c: fallocate()
 */

static void on_alarm(int sig)
{
	(void)sig;
}

static void test_fallocate(void)
{
	const struct rlimit limit = { SIZE, SIZE }, none = { RLIM_INFINITY, RLIM_INFINITY };
	int fd = huge_memfd(2), more;
	char *p = map(fd, 2 * SIZE, MAP_SHARED);
	size_t len;
	char *rest;

	fill(p, SIZE, 43);
	/* Over a page that is there, and one that is not */
	WANT(fallocate(fd, 0, PAGE, SIZE), 0);
	CHECK(filled(p, SIZE, 43), "a page that was there is lost");
	WANT(fallocate(fd, 0, 0, 2 * SIZE), 0);
	CHECK(!*(uint64_t *)(p + SIZE) && filled(p, SIZE, 43), "what is new is not zero");
	WANT(fallocate(fd, 0x40, 0, SIZE), EOPNOTSUPP);

	signal(SIGXFSZ, SIG_IGN);
	CHECK(!setrlimit(RLIMIT_FSIZE, &limit), "setrlimit");
	WANT(fallocate(fd, FALLOC_FL_KEEP_SIZE, SIZE, 2 * SIZE), EFBIG);
	CHECK(!setrlimit(RLIMIT_FSIZE, &none), "setrlimit");

	more = huge_memfd(0);
	rest = take_pool(&len);
	WANT(fallocate(more, 0, 0, SIZE), ENOSPC);
	CHECK(lseek(more, 0, SEEK_END) == 0, "the file has grown");
	if (rest)
		munmap(rest, len);
	WANT(fallocate(more, 0, 0, SIZE), 0);

	WANT(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	WANT(fallocate(fd, 0, SIZE, 2 * SIZE), EPERM);
	WANT(fallocate(fd, 0, 0, 2 * SIZE), 0);
	CHECK(filled(p, SIZE, 43), "a page that was there is lost");
	munmap(p, 2 * SIZE);
	close(fd);
	close(more);
}

static void test_fallocate_signal(void)
{
	const struct itimerval soon = { .it_interval.tv_usec = 2000, .it_value.tv_usec = 2000 };
	const struct itimerval never = { 0 };
	struct sigaction act = { .sa_handler = on_alarm };
	double until = now() + 60;
	int err = 0;

	sigaction(SIGALRM, &act, NULL);
	while (err != EINTR && now() < until) {
		int fd = huge_memfd(1);

		setitimer(ITIMER_REAL, &soon, NULL);
		err = ERR(fallocate(fd, 0, 0, left_in_pool() * SIZE));
		setitimer(ITIMER_REAL, &never, NULL);
		CHECK(!err || err == EINTR, "fallocate: %s", strerror(err));
		close(fd);
	}
	CHECK(err == EINTR, "a signal does not end it");
}

/* Protects what it maps of @file, and maps it anew, again and again */
static pid_t start_changing(int file, size_t len, _Atomic long *times)
{
	pid_t pid = fork();
	char *p;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	p = room(len, SIZE);
	for (;;) {
		WANT(mmap(p, len, RW, MAP_SHARED | MAP_FIXED, file, 0), 0);
		for (int i = 0; i < 16; i++) {
			for (size_t at = 0; at < len; at += SIZE)
				CHECK(!touch(p + at, false), "a page is not there");
			WANT(mprotect(p, len, i & 1 ? RW : PROT_READ), 0);
		}
		++*times;
	}
}

/*
 * A page is taken from a file while others hold the locks of VMAs that map it, and
 * wait for that of the file.
 */
static void test_fallocate_busy(void)
{
	const size_t len = 2 * SIZE;
	int file = huge_memfd(2);
	char *p = map(file, len, MAP_SHARED);
	double soon = now() + 3, until = soon + 120;
	pid_t pid[ARRAY_SIZE(shared->times)];
	size_t seen = 0;
	char old = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pid); i++) {
		pid[i] = start_changing(file, len, &shared->times[i]);
		if (pid[i] < 0) {
			fail("fork: %s", strerror(errno));
			break;
		}
	}
	/* For a while, and until each has done so a number of times. */
	for (long i = 0; (seen < ARRAY_SIZE(pid) || now() < soon) && now() < until && !*shared->why; i++) {
		seen += seen < ARRAY_SIZE(pid) && shared->times[seen] >= 20;
		p[i & 1 ? SIZE : 0] = 'x';
		WANT(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       i & 1 ? SIZE : 0, SIZE), 0);
		old |= p[i & 1 ? SIZE : 0];
	}
	CHECK(!old, "what was in a hole is still there");
	CHECK(seen == ARRAY_SIZE(pid), "others have mapped it %ld, %ld and %ld times only",
	      shared->times[0], shared->times[1], shared->times[2]);
	for (size_t i = 0; i < ARRAY_SIZE(pid) && pid[i] > 0; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	close(file);
	munmap(p, len);
}

/*
 * mm/memfd.c: pages for udmabuf, those of holes too
 */

static int udmabuf(int file, size_t len)
{
	struct udmabuf_create create = { .memfd = file, .flags = UDMABUF_FLAGS_CLOEXEC, .size = len };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd = ioctl(dev, UDMABUF_CREATE, &create);

	if (fd < 0)
		fd = -errno;
	close(dev);
	return fd;
}

static void test_memfd(void)
{
	int file = huge_memfd(2), fd;
	char *p = map(file, SIZE, MAP_SHARED), *q, *rest;
	size_t len;

	WANT(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	fill(p, SIZE, 47);
	rest = take_pool(&len);
	fd = udmabuf(file, 2 * SIZE);
	CHECK(fd == -ENOMEM, "with an empty pool: %d", fd);
	munmap(rest, len);
	fd = udmabuf(file, 2 * SIZE);
	CHECK(fd >= 0, "udmabuf: %s", strerror(-fd));
	CHECK(left_in_pool() == (long)(len / SIZE) - 1, "%ld pages were taken for a hole",
	      (long)(len / SIZE) - left_in_pool());
	q = mmap(NULL, 2 * SIZE, RW, MAP_SHARED, fd, 0);
	CHECK(q != MAP_FAILED && filled(q, SIZE, 47), "other data");
	for (long i = SIZE; i < 2 * SIZE; i += PAGE)
		CHECK(!*(uint64_t *)(q + i), "the page for the hole is not zero");
	/* The page is that of the file. */
	fill(q + SIZE, SIZE, 53);
	munmap(p, SIZE);
	p = map(file, 2 * SIZE, MAP_SHARED);
	CHECK(filled(p + SIZE, SIZE, 53), "the file has another page");
	munmap(p, 2 * SIZE);
	munmap(q, 2 * SIZE);
	close(fd);
	close(file);
}

/* A page is reserved, but none is where this process may take one. */
static void test_memfd_cpuset(void)
{
	int file = huge_memfd(1), plain = memfd(2 * PAGE), fd;
	char *p = map(file, SIZE, MAP_SHARED);

	WANT(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	CHECK(!set_pool(1, 0) && !write_text(CGROUP "/cgroup.subtree_control", "+cpuset") &&
	      !mkdir(CPUSET, 0755) && !write_text(CPUSET "/cpuset.mems", "1") &&
	      !write_text(CPUSET "/cgroup.procs", "0"), "no cpuset of node 1");
	fd = udmabuf(file, SIZE);
	CHECK(fd == -ENOMEM, "on a node without pages: %d", fd);
	write_text(CGROUP "/cgroup.procs", "0");
	fd = udmabuf(file, SIZE);
	CHECK(fd >= 0, "on both: %s", strerror(-fd));
	CHECK(node_of(p) < 0 && !*p && node_of(p) == 0, "the page is on node %d", node_of(p));
	close(fd);
	munmap(p, SIZE);
	close(file);

	/* Base pages, as ever */
	WANT(fcntl(plain, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	fd = udmabuf(plain, 2 * PAGE);
	CHECK(fd >= 0, "of base pages: %s", strerror(-fd));
	p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED && !p[0] && !p[PAGE], "holes of base pages are not zero");
	p[PAGE] = 'm';
	CHECK(pread(plain, p, 1, PAGE) == 1 && *p == 'm', "the file has another page");
	munmap(p, 2 * PAGE);
	close(fd);
	close(plain);
}

/*
 * fs/proc/task_mmu.c: what is said of entries that are not of a page
 */

/* Kilobytes that smaps has for the mapping that begins at @p, after @key */
static long smaps_of(void *p, const char *key)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char start[24], line[256];
	bool in = false;
	long kb = -1;

	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, start, strlen(start)))
			in = true;
		else if (in && !strncmp(line, key, strlen(key)))
			kb = strtol(line + strlen(key), NULL, 10);
		if (kb >= 0)
			break;
	}
	if (f)
		fclose(f);
	return kb;
}

static char *broken_page(void)
{
	char *p = DEVICE(1);
	uint64_t pfn;

	*p = 'b';
	pfn = pfn_of(p);
	will_break(pfn);
	CHECK(poison_pfn(pfn) == 0, "hard_offline_page");
	return p;
}

static void test_proc_broken(void)
{
	char *p = broken_page();
	uint64_t want = PAGE_IS_HUGE | PAGE_IS_SWAPPED;
	int fd;

	CHECK(categories(p) == want, "categories %#lx", categories(p));
	/* It may be that of others as well. */
	CHECK(smaps_of(p, "Shared_Hugetlb:") == SIZE / 1024 &&
	      smaps_of(p, "Private_Hugetlb:") == 0 && smaps_of(p, "Rss:") == 0, "smaps");
	fd = uffd_on(p, SIZE, UFFDIO_REGISTER_MODE_WP);
	CHECK(categories(p) == (want | PAGE_IS_WRITTEN), "write-protection: categories %#lx",
	      categories(p));
	close(fd);
	fd = uffd_on(p, SIZE, UFFDIO_REGISTER_MODE_RWP);
	CHECK(categories(p) == (want | PAGE_IS_ACCESSED), "protection: categories %#lx",
	      categories(p));
	close(fd);
	munmap(p, SIZE);
}

static void test_proc_marker(void)
{
	char *p = DEVICE(2);
	int fd = uffd_on(p, 2 * SIZE, UFFDIO_REGISTER_MODE_WP);

	CHECK(!touch(p + SIZE, false), "SIGBUS");
	CHECK(uffd_protect(fd, p, 2 * SIZE) == 0, "UFFDIO_WRITEPROTECT");
	CHECK(categories(p) == (PAGE_IS_HUGE | PAGE_IS_SWAPPED), "marker: categories %#lx",
	      categories(p));
	CHECK(categories(p + SIZE) == (PAGE_IS_HUGE | PAGE_IS_PRESENT | PAGE_IS_PFNZERO),
	      "zero page: categories %#lx", categories(p + SIZE));
	CHECK(smaps_of(p, "Shared_Hugetlb:") == 0 && smaps_of(p, "Private_Hugetlb:") == 0,
	      "smaps counts them");
	munmap(p, 2 * SIZE);
	close(fd);
}

static void test_proc_migration(void)
{
	char *p = start_moving();
	double until = now() + 60;
	long seen = 0, counted = 0;

	while ((seen < 3 || !counted) && now() < until && !*shared->why) {
		for (int i = 0; i < MOVING_PAGES; i++) {
			uint64_t got = categories(p + i * SIZE);

			/* Read without a lock, it can be nothing at all for a moment. */
			CHECK(got == (PAGE_IS_HUGE | PAGE_IS_PRESENT) || got == PAGE_IS_HUGE ||
			      got == (PAGE_IS_HUGE | PAGE_IS_SWAPPED), "categories %#lx", got);
			seen += got == (PAGE_IS_HUGE | PAGE_IS_SWAPPED);
		}
		/* One that moves may be that of others as well, and is never lost. */
		counted += smaps_of(p, "Shared_Hugetlb:") > 0;
		CHECK(smaps_of(p, "Private_Hugetlb:") > 0, "smaps counts none");
	}
	CHECK(seen >= 3, "PAGEMAP_SCAN has seen %ld pages that move", seen);
	CHECK(counted, "smaps has seen no page that moves");
	stop_moving();
}

/*
 * mm/mmap.c
 */

static int mmap_err(int fd, size_t len, int prot, int flags, off_t off)
{
	/* Not by the C library, which looks at the offset itself */
	long p = syscall(SYS_mmap, NULL, len, prot, flags, fd, off);
	int err = ERR(p);

	if (!err)
		munmap((void *)p, len);
	return err;
}

static bool executable(void *p)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char line[256], prot[8];
	bool yes = false;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %7s", &start, &end, prot) == 3 &&
		    start <= (unsigned long)p && (unsigned long)p < end)
			yes = prot[2] == 'x';
	if (f)
		fclose(f);
	return yes;
}

static void test_mmap(void)
{
	int fd = memfd(PAGE), huge = huge_memfd(1), noexec, wo;
	char path[40], *p;

	mkdir(NOEXEC, 0700);
	WANT(mount("none", NOEXEC, "tmpfs", MS_NOEXEC, NULL), 0);
	noexec = open(NOEXEC "/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	WANT(ftruncate(noexec, PAGE), 0);
	CHECK(mmap_err(noexec, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0) == EPERM, "noexec");
	CHECK(mmap_err(noexec, PAGE, PROT_READ, MAP_PRIVATE, 0) == 0, "noexec, not to execute");
	/* Who may read may execute, but not there. */
	personality(READ_IMPLIES_EXEC);
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, noexec, 0);
	CHECK(p != MAP_FAILED && !executable(p), "noexec, with READ_IMPLIES_EXEC");
	munmap(p, PAGE);
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED && executable(p), "READ_IMPLIES_EXEC");
	munmap(p, PAGE);
	personality(0);
	close(noexec);
	umount(NOEXEC);
	rmdir(NOEXEC);

	CHECK(mmap_err(fd, 0, RW, MAP_SHARED, 0) == EINVAL, "no length");
	CHECK(mmap_err(fd, -PAGE / 2, RW, MAP_SHARED, 0) == ENOMEM, "a length that overflows");
	CHECK(mmap_err(fd, PAGE, RW, 0, 0) == EINVAL, "neither shared nor private");
	CHECK(mmap_err(-1, PAGE, RW, MAP_ANONYMOUS, 0) == EINVAL, "anonymous, neither");
	CHECK(mmap_err(-1, PAGE, RW, MAP_ANONYMOUS | MAP_SHARED | MAP_GROWSDOWN, 0) == EINVAL,
	      "shared, and to grow");
	CHECK(mmap_err(fd, PAGE, RW, MAP_PRIVATE | MAP_GROWSDOWN, 0) == EINVAL,
	      "a file, to grow");
	CHECK(mmap_err(fd, PAGE, RW, MAP_SHARED_VALIDATE | MAP_SYNC, 0) == EOPNOTSUPP, "MAP_SYNC");
	CHECK(mmap_err(fd, SIZE, RW, MAP_SHARED | MAP_HUGETLB, 0) == EINVAL,
	      "MAP_HUGETLB of what is not");
	CHECK(mmap_err(huge, SIZE, RW, MAP_SHARED | MAP_HUGETLB, 0) == 0, "MAP_HUGETLB of what is");
	CHECK(mmap_err(page_huge, SIZE, RW, MAP_PRIVATE | MAP_HUGETLB, 0) == 0,
	      "MAP_HUGETLB of /dev/page-huge");
	CHECK(mmap_err(-2, PAGE, RW, MAP_PRIVATE, 0) == EBADF, "no file");

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	wo = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(mmap_err(wo, PAGE, PROT_WRITE, MAP_SHARED, 0) == EACCES, "not to be read");
	WANT(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	WANT(fcntl(huge, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	CHECK(mmap_err(fd, PAGE, RW, MAP_SHARED, 0) == EPERM, "sealed");
	CHECK(mmap_err(huge, SIZE, RW, MAP_SHARED, 0) == EPERM, "sealed, of huge pages");
	CHECK(mmap_err(huge, SIZE, PROT_READ, MAP_SHARED, 0) == 0, "sealed, to read");
	close(wo);
	close(fd);
	close(huge);
}

/*
 * All of them
 */

#define UNHANDLABLE	"unhandlable"

static const struct test {
	const char *name;
	void (*run)(void);
} list[] = {
	{ "cachestat()", test_cachestat },
	{ "SysRq m", test_sysrq },
	{ "DAMON", test_damon },
	{ "mbind(): private", test_mbind_private },
	{ "mbind(): shared", test_mbind_shared },
	{ "mbind(): shared by two processes", test_mbind_two },
	{ "mbind(): zero page", test_mbind_zero },
	{ "mbind(): pages of a driver", test_mbind_driver },
	{ "mbind(): pages that move", test_mbind_migration },
	{ "UFFDIO_COPY", test_uffd_copy },
	{ "UFFDIO_COPY: errors", test_uffd_copy_errors },
	{ "UFFDIO_COPY: what happens in between", test_uffd_copy_between },
	{ "UFFDIO_POISON", test_uffd_poison },
	{ "UFFDIO_CONTINUE", test_uffd_continue },
	{ "fork(): broken page", test_fork_broken },
	{ "fork(): without a table", test_fork_sparse },
	{ "fork(): shared tables", test_fork_shared_table },
	{ "fork(): pages that move", test_fork_migration },
	{ "fork(): protected pages that move", test_fork_migration_uffd },
	{ "mremap(): shared tables", test_mremap_shared_table },
	{ "fallocate()", test_fallocate },
	{ "fallocate(): signal", test_fallocate_signal },
	{ "fallocate(): busy mappings", test_fallocate_busy },
	{ "udmabuf of a memfd", test_memfd },
	{ "udmabuf of a memfd: cpuset", test_memfd_cpuset },
	{ "pagemap and smaps: broken page", test_proc_broken },
	{ "pagemap and smaps: marker", test_proc_marker },
	{ "pagemap and smaps: pages that move", test_proc_migration },
	{ "mmap()", test_mmap },
	{ "memory_failure(): hole", test_mf_hole },
	{ "memory_failure(): memory block offline", test_mf_offline },
	{ "memory_failure(): free page", test_mf_buddy },
	{ "memory_failure(): filter", test_mf_filter },
	{ "memory_failure(): transparent huge page", test_mf_thp },
	{ "memory_failure(): pinned transparent huge page", test_mf_thp_pinned },
	{ "memory_failure(): tmpfs", test_mf_tmpfs },
	{ "memory_failure(): truncated page", test_mf_truncated },
	{ "memory_failure(): huge page of a file", test_mf_hugetlb_file },
	{ "memory_failure(): huge page of a driver", test_mf_driver },
	{ "memory_failure(): free huge page", test_mf_free_huge },
	{ UNHANDLABLE ": page of the kernel", test_mf_kernel },
	{ UNHANDLABLE ": page table", test_mf_page_table },
};

/*
 * The mark is on the first page of what is still a huge page, or else on the page
 * that was broken. Who had it may give it back a little later.
 */
static void unpoison(uint64_t pfn)
{
	for (int i = 0; i < 250; i++) {
		if (!write_number(UNPOISON, pfn) || !write_number(UNPOISON, pfn & ~511UL))
			return;
		usleep(20000);
	}
	fail("the broken page %#lx cannot be made good again", pfn);
}

/* With the controller, if the test has made it */
static void remove_cgroup(const char *path, const char *controller)
{
	int err = ERR(rmdir(path));

	if (err == ENOENT)
		return;
	if (!err)
		err = -write_text(CGROUP "/cgroup.subtree_control", controller);
	CHECK(!err, "%s stays: %s", path, strerror(err));
}

static void restore(void)
{
	write_number(HWPOISON "/corrupt-filter-enable", 0);
	if (!access(DAMON "/0/state", F_OK))
		write_text(DAMON "/0/state", "off");
	write_text(DAMON "/nr_kdamonds", "0");
	umount(NOEXEC);
	remove_cgroup(CPUSET, "-cpuset");
	remove_cgroup(RING, "-memory");
	for (int i = 0; i < shared->nr_broken; i++)
		unpoison(shared->broken[i]);
	if (shared->block && block_state(shared->block, "online_kernel"))
		fail("block %ld stays offline", shared->block);
	restore_pools();
}

static void run(const struct test *t)
{
	struct counters before;
	double start = now();
	char text[512];
	int status = -1;
	pid_t pid;

	if (only ? !strstr(t->name, only) : strstr(t->name, UNHANDLABLE) == t->name)
		return;
	memset(shared, 0, sizeof(*shared));
	count_all(&before);
	pid = fork();
	if (!pid) {
		signal(SIGBUS, on_fault);
		signal(SIGSEGV, on_fault);
		/* The kernel may need long, not that long. */
		alarm(200);
		t->run();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("fork");
	CHECK(!status, "ended with status %#x", status);
	restore();
	if (counters_settle(&before, 10, text, sizeof(text)))
		fail("counters: %s", text);
	tests++;
	printf("%sok %d - %s\n", *shared->why ? "not " : "", tests, t->name);
	printf("# %.1f s%s%s\n", now() - start, *shared->why ? ": " : "", shared->why);
	failures += !!*shared->why;
}

static void setup(void)
{
	int module;

	shared = mmap(NULL, sizeof(*shared), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || geteuid())
		die("root is needed");
	for (nodes = 0; nodes < NODES; nodes++) {
		base_pool[nodes] = pool_of(nodes);
		if (base_pool[nodes] < 0)
			break;
	}
	if (nodes != 2 || base_pool[0] < 16 || base_pool[1] < 16)
		die("two nodes with 16 pages of 2 MiB each are needed");
	if (access(SYS_POOLS "/hugepages-1048576kB", F_OK))
		die("a processor with pages of 1 GiB is needed");
	page_huge = open("/dev/page-huge-2048kB", O_RDWR | O_CLOEXEC);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (page_huge < 0 || kmsg < 0)
		die("/dev/page-huge-2048kB and /dev/kmsg");
	module = module_open("lib", "test_hugetlb");
	if (access("/dev/test_hugetlb", F_OK) && (module < 0 || module_load(module, "")))
		die("the module test_hugetlb");
	if (access(UNPOISON, W_OK))
		die("hwpoison in debugfs");
	find_counters();
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 2) {
		fprintf(stderr, "usage: elsewhere [NAME]\n");
		return 2;
	}
	only = argv[1];
	printf("TAP version 13\n");
	setup();
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		run(&list[i]);
	printf("1..%d\n", tests);
	return failures || !tests;
}
