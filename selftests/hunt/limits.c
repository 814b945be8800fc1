// SPDX-License-Identifier: GPL-2.0
/*
 * limits: huge pages where there are few of them, and pages that are taken away.
 *
 *	limits [NAME]	all tests but the unhandlable, or those that have this in
 *			their name
 *
 * Each limit is set so that two huge pages can be had, or none, and then asked for
 * by each way to get huge pages: a private mapping of /dev/page-huge, a driver's
 * buffer of pages of the pool and of fresh pages, a private copy of such a buffer,
 * the sample driver, and a heap. What is too much gives the error that is
 * documented, and changes nothing; what there is can be had, again and again.
 * Other tests take the pages away: from the pool, by removing the cgroup that was
 * charged, by soft and hard offline, and with the memory block they are in.
 *
 * After each test the counters of the pools, the charges of the cgroup and
 * Committed_AS are what they were before.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/capability.h>
#include <linux/dma-heap.h>
#include <linux/io_uring.h>
#include <linux/mempolicy.h>

#include "test_hugetlb_uapi.h"
#include "fault.h"
#include "hunt.h"

#define SIZE		(2L << 20)
#define PAGE		4096L
#define RW		(PROT_READ | PROT_WRITE)
#define POOL		SYS_POOLS "/hugepages-2048kB"
#define TOP		CGROUP "/limits"
#define RUN		TOP "/run"		/* where a test is */
#define GONE		TOP "/gone"		/* one that a test removes */
#define MEMORY		"/sys/devices/system/memory"
#define MEMCG		"hugetlb.2MB."
/* In place of an errno: the pages were there to ask for, and not to touch */
#define TOUCHED		(-5000)

static struct shared {
	char why[1024];
	uint64_t broken;	/* a huge page with a broken page in it */
	unsigned long got;
	long block;		/* memory block that is to be made normal again, or 0 */
	bool kept;		/* by a page, and by nothing else that is in there */
} *shared;

static int nodes;
static long base_pool[NODES], base_overcommit;
static int sample_fd, test_fd;
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

/*
 * Memory that may not be there
 */

/* Write @val to @p, or read it if that is 0: the signal, or 0 */
static int touch(char *p, uint64_t val)
{
	int sig = sigsetjmp(fault_env, 1);

	if (!sig) {
		fault_expected = 1;
		if (val)
			*(volatile uint64_t *)p = val;
		else
			(void)*(volatile uint64_t *)p;
	}
	fault_expected = 0;
	return sig;
}

/* 0, -errno, or the signal that tells the caller of a broken page */
static int advise(char *p, int advice)
{
	int ret = sigsetjmp(fault_env, 1);

	if (!ret) {
		fault_expected = 1;
		ret = madvise(p, PAGE, advice) ? -errno : 0;
	}
	fault_expected = 0;
	return ret;
}

/*
 * Those who want huge pages
 */

/* The zero page is the last: it takes nothing, so there is no limit to it. */
enum { DEVICE, COPY, POOL_DRIVER, RESERVED, FRESH, HEAP, SAMPLE_POOL, SAMPLE_FRESH, ZERO, USERS };

static const char *const users[USERS] = {
	[DEVICE] = "/dev/page-huge",
	[COPY] = "private copy of a driver's buffer",
	[POOL_DRIVER] = "driver, pool",
	[RESERVED] = "driver, reserved",
	[FRESH] = "driver, fresh and charged",
	[HEAP] = "heap",
	[SAMPLE_POOL] = "sample driver, pool",
	[SAMPLE_FRESH] = "sample driver, fresh",
	[ZERO] = "zero page of /dev/page-huge",
};

/* Where fresh pages are asked for: a memory policy is for those of the pool. */
static int fresh_node = -1;

struct hold {
	int user;
	int fd;
	char *addr;
	size_t nr;
};

static const size_t marks[] = { 0, PAGE, SIZE / 2, SIZE - 8 };

static uint64_t mark(const struct hold *h, size_t page, size_t i)
{
	return 0xace5UL << 48 | (uint64_t)(h->user + 1) << 32 | page << 8 | (i + 1);
}

static bool marked(const struct hold *h)
{
	for (size_t page = 0; page < h->nr; page++)
		for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
			if (*(uint64_t *)(h->addr + page * SIZE + marks[i]) !=
			    (h->user == ZERO ? 0 : mark(h, page, i)))
				return false;
	return true;
}

static int map(struct hold *h, int fd, int flags)
{
	h->addr = mmap(NULL, h->nr * SIZE, RW, flags, fd, 0);
	if (h->addr == MAP_FAILED)
		return -errno;
	for (size_t page = 0; page < h->nr; page++)
		for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
			char *p = h->addr + page * SIZE + marks[i];

			/* The first write is what takes the page. */
			CHECK(!i || !*(volatile uint64_t *)p, "a page that is not zero");
			if (touch(p, h->user == ZERO ? 0 : mark(h, page, i)))
				return TOUCHED;
		}
	return 0;
}

static void give(struct hold *h)
{
	if (h->addr != MAP_FAILED)
		munmap(h->addr, h->nr * SIZE);
	if (h->fd >= 0)
		close(h->fd);
	if (h->user == SAMPLE_POOL || h->user == SAMPLE_FRESH)
		module_unload("hugetlb_sample");
	h->fd = -1;
	h->addr = MAP_FAILED;
}

static int ask_driver(struct hold *h)
{
	struct test_hugetlb_create create = {
		.nr = h->nr,
		.page_size_log = 21,
		.flags = h->user == RESERVED ? TEST_HUGETLB_RESERVE : 0,
	};
	struct test_hugetlb_range range = { .nr = h->nr, .nid = -1 };
	unsigned long cmd = TEST_HUGETLB_POPULATE;

	h->fd = open("/dev/test_hugetlb", O_RDWR | O_CLOEXEC);
	if (h->fd < 0 || ioctl(h->fd, TEST_HUGETLB_CREATE, &create))
		return -errno;
	if (h->user == FRESH || h->user == COPY) {
		cmd = TEST_HUGETLB_ADD;
		range.flags = TEST_HUGETLB_ZERO;
		range.nid = fresh_node;
	}
	/* What is looked at is the copy; its original is nobody's. */
	if (h->user == FRESH)
		range.flags |= TEST_HUGETLB_ACCOUNT;
	if (ioctl(h->fd, cmd, &range))
		return -errno;
	return map(h, h->fd, h->user == COPY ? MAP_PRIVATE : MAP_SHARED);
}

static int ask_heap(struct hold *h)
{
	struct dma_heap_allocation_data data = {
		.len = h->nr * SIZE,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int heap = open("/dev/dma_heap/hugetlb-2048kB", O_RDONLY | O_CLOEXEC);
	int err = ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) ? -errno : 0;

	close(heap);
	if (err)
		return err;
	h->fd = data.fd;
	return map(h, h->fd, MAP_SHARED);
}

static int ask_sample(struct hold *h)
{
	char args[40];
	int err;

	snprintf(args, sizeof(args), "nr_pages=%zu pool=%d node=%d", h->nr,
		 h->user == SAMPLE_POOL, h->user == SAMPLE_POOL ? -1 : fresh_node);
	err = module_load(sample_fd, args);
	if (err)
		return err;
	h->fd = open("/dev/hugetlb_sample", O_RDWR | O_CLOEXEC);
	return h->fd < 0 ? -errno : map(h, h->fd, MAP_SHARED);
}

/* @nr pages, written to: 0, -errno or TOUCHED. To be given back in any case. */
static int ask(struct hold *h, int user, size_t nr)
{
	int err;

	*h = (struct hold){ .user = user, .fd = -1, .addr = MAP_FAILED, .nr = nr };
	switch (user) {
	case DEVICE:
	case ZERO:
		h->fd = open("/dev/page-huge-2048kB", O_RDWR | O_CLOEXEC);
		err = h->fd < 0 ? -errno : map(h, h->fd, MAP_PRIVATE);
		break;
	case HEAP:
		err = ask_heap(h);
		break;
	case SAMPLE_POOL:
	case SAMPLE_FRESH:
		err = ask_sample(h);
		break;
	default:
		err = ask_driver(h);
	}
	return err;
}

static const char *said(int err)
{
	return !err ? "success" : err == TOUCHED ? "SIGBUS" : strerror(-err);
}

/*
 * Limits
 */

static char *hog = MAP_FAILED;
static size_t hog_len;

static int set_pool(int node, long pages)
{
	char path[120];

	snprintf(path, sizeof(path), SYS_NODES "/node%d/hugepages/hugepages-2048kB/nr_hugepages",
		 node);
	return write_number(path, pages);
}

static void restore_pools(void)
{
	for (int node = 0; node < nodes; node++)
		set_pool(node, base_pool[node]);
}

/* Somebody, of another cgroup, reserves all of the pool but @left pages */
static int reserve_but(long left)
{
	long nr = read_number(POOL "/free_hugepages", "") -
		  read_number(POOL "/resv_hugepages", "") - left;

	hog_len = nr * SIZE;
	write_text(CGROUP "/cgroup.procs", "0");
	hog = mmap(NULL, hog_len, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
		   21 << MAP_HUGE_SHIFT, -1, 0);
	return hog == MAP_FAILED ? -errno : write_text(RUN "/cgroup.procs", "0");
}

static void unreserve(void)
{
	if (hog != MAP_FAILED)
		munmap(hog, hog_len);
	hog = MAP_FAILED;
}

static int set_empty(void) { return reserve_but(0); }
static int set_two_left(void) { return reserve_but(2); }

static int set_overcommit(void)
{
	return reserve_but(0) ?: write_number(POOL "/nr_overcommit_hugepages", 2);
}

static void unset_overcommit(void)
{
	write_number(POOL "/nr_overcommit_hugepages", base_overcommit);
	unreserve();
}

static int set_usage(void) { return write_number(RUN "/" MEMCG "max", 2 * SIZE); }
static void unset_usage(void) { write_text(RUN "/" MEMCG "max", "max"); }
static int set_rsvd(void) { return write_number(RUN "/" MEMCG "rsvd.max", 2 * SIZE); }
static void unset_rsvd(void) { write_text(RUN "/" MEMCG "rsvd.max", "max"); }

static int remount(const char *options)
{
	return mount("none", CGROUP, "cgroup2", MS_REMOUNT, options) ? -errno : 0;
}

/*
 * Room for the two, and for what else a process takes, but not for a third one,
 * nor if processors give back what they have charged for the next one.
 */
static int limit_memory(void)
{
	return write_number(RUN "/memory.max", read_number(RUN "/memory.current", "") +
			    2 * SIZE + SIZE / 2);
}

static int set_memory(void)
{
	return remount("memory_hugetlb_accounting") ?: limit_memory();
}

static void unset_memory(void)
{
	write_text(RUN "/memory.max", "max");
	remount("");
}

static int bind_to(int node)
{
	unsigned long mask = 1UL << node;

	return syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 64) ? -errno : 0;
}

static void unbind(void)
{
	syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
	restore_pools();
}

static int set_bind(void) { return set_pool(1, 2) ?: bind_to(1); }
static int set_bind_empty(void) { return set_pool(1, 0) ?: bind_to(1); }
static int set_cpuset(void) { return set_pool(1, 2) ?: write_text(RUN "/cpuset.mems", "1"); }

static int set_cpuset_empty(void)
{
	return set_pool(1, 0) ?: write_text(RUN "/cpuset.mems", "1");
}

static void unset_cpuset(void)
{
	write_text(RUN "/cpuset.mems", "\n");
	restore_pools();
}

/* No memory that is to be committed is to be had any more. */
static int set_strict(void)
{
	int err = write_number("/proc/sys/vm/overcommit_kbytes", 1) ?:
		  write_number("/proc/sys/vm/overcommit_memory", 2);

	CHECK(mmap(NULL, SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
	      errno == ENOMEM, "base pages can be had with vm.overcommit_memory=2");
	return err;
}

static void unset_strict(void)
{
	write_number("/proc/sys/vm/overcommit_memory", 0);
	/* With which there is no number of kilobytes */
	write_number("/proc/sys/vm/overcommit_ratio", 50);
}

/* As somebody who may not lock memory: root without that capability */
static int set_memlock(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_MEMLOCK, &none) || syscall(SYS_capget, &header, data))
		return -errno;
	data[0].effective &= ~(1U << CAP_IPC_LOCK);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

static void nothing(void)
{
}

static void held_memlock(struct hold *h)
{
	struct io_uring_params params = { 0 };
	struct iovec iov = { h->addr, SIZE };
	int ring = syscall(SYS_io_uring_setup, 1, &params);

	CHECK(mlock(h->addr, SIZE) && errno == EPERM, "mlock(): %s", strerror(errno));
	CHECK(mmap(h->addr, SIZE, RW, (h->user == DEVICE || h->user == COPY ? MAP_PRIVATE :
		   MAP_SHARED) | MAP_FIXED | MAP_LOCKED, h->fd, 0) == MAP_FAILED &&
	      errno == EPERM, "MAP_LOCKED: %s", strerror(errno));
	CHECK(ring >= 0, "io_uring_setup(): %s", strerror(errno));
	CHECK(syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1) &&
	      errno == ENOMEM, "IORING_REGISTER_BUFFERS: %s", strerror(errno));
	CHECK(read_number("/proc/self/status", "VmLck:") == 0 &&
	      read_number("/proc/self/status", "VmPin:") == 0, "memory is counted as locked");
	close(ring);
}

#define ALL_USERS	((1U << USERS) - 1)
#define ALL_BUT_ZERO	(ALL_USERS & ~(1U << ZERO))
/* Kinds of pages; what was reserved is no other page than what was not. */
#define ALL_KINDS	(ALL_USERS & ~(1U << RESERVED))
#define MOVING		(1U << DEVICE | 1U << COPY)
/* What the kernel says then is a fault elsewhere, so only for who asks for it */
#define UNHANDLABLE	"unhandlable"
#define NOMEM		(-ENOMEM)
static const struct limit {
	const char *name;
	int (*set)(void);
	void (*unset)(void);
	int room;
	int want[ZERO];
	void (*held)(struct hold *h);
} limits[] = {
	{ "empty pool", set_empty, unreserve, 0,
	  { NOMEM, NOMEM, NOMEM, NOMEM, 0, NOMEM, NOMEM, 0 }, NULL },
	{ "two pages left", set_two_left, unreserve, 2,
	  { NOMEM, NOMEM, NOMEM, NOMEM, 0, NOMEM, NOMEM, 0 }, NULL },
	{ "overcommit by two pages", set_overcommit, unset_overcommit, 2,
	  { NOMEM, NOMEM, NOMEM, NOMEM, 0, NOMEM, NOMEM, 0 }, NULL },
	{ "hugetlb cgroup, usage", set_usage, unset_usage, 2,
	  { TOUCHED, TOUCHED, NOMEM, NOMEM, NOMEM, NOMEM, NOMEM, 0 }, NULL },
	{ "hugetlb cgroup, rsvd", set_rsvd, unset_rsvd, 2,
	  { NOMEM, NOMEM, NOMEM, NOMEM, 0, NOMEM, NOMEM, 0 }, NULL },
	{ "memory cgroup", limit_memory, unset_memory, 2,
	  { 0, 0, 0, 0, NOMEM, 0, 0, 0 }, NULL },
	{ "memory cgroup, memory_hugetlb_accounting", set_memory, unset_memory, 2,
	  { TOUCHED, TOUCHED, NOMEM, NOMEM, NOMEM, NOMEM, NOMEM, 0 }, NULL },
	{ "MPOL_BIND, node with two pages", set_bind, unbind, 2,
	  { NOMEM, NOMEM, NOMEM, NOMEM, 0, NOMEM, NOMEM, 0 }, NULL },
	{ "MPOL_BIND, node without pages", set_bind_empty, unbind, 0,
	  { NOMEM, NOMEM, NOMEM, NOMEM, 0, NOMEM, NOMEM, 0 }, NULL },
	{ "cpuset, node with two pages", set_cpuset, unset_cpuset, 2,
	  { NOMEM, NOMEM, NOMEM, NOMEM, 0, NOMEM, NOMEM, 0 }, NULL },
	{ "cpuset, node without pages", set_cpuset_empty, unset_cpuset, 0,
	  { NOMEM, NOMEM, NOMEM, NOMEM, 0, NOMEM, NOMEM, 0 }, NULL },
	{ "vm.overcommit_memory=2", set_strict, unset_strict, 2,
	  { 0, 0, 0, 0, 0, 0, 0, 0 }, NULL },
	{ "RLIMIT_MEMLOCK", set_memlock, nothing, 2,
	  { 0, 0, 0, 0, 0, 0, 0, 0 }, held_memlock },
};

static long charged(void)
{
	return read_number(RUN "/" MEMCG "current", "") +
	       read_number(RUN "/" MEMCG "rsvd.current", "");
}

/* All is given back: is all as it was? */
static void check_back(const struct counters *before, const char *what)
{
	char text[512];

	if (counters_settle(before, 2, text, sizeof(text)))
		fail("%s left: %s", what, text);
	CHECK(charged() == 0, "%s left charges of %ld bytes", what, charged());
}

/* Ask for what is to be had, or what is not */
static void ask_wanted(const struct limit *l, int user, size_t nr, int want,
		       const struct counters *before)
{
	int err, wanted = l->want[user];
	struct hold h, more;
	long committed;

	err = ask(&h, user, nr);
	/* Before the buffer ends, which would give back what an error has left */
	if (err && (user == POOL_DRIVER || user == HEAP || user == SAMPLE_POOL))
		check_back(before, "an error");
	CHECK(err == want, "%zu pages: %s, and not %s", nr, said(err), said(want));
	if (!err) {
		committed = read_fd(committed_fd, "Committed_AS:") - before->committed_kb;
		CHECK(labs(committed) < SIZE / 1024, "Committed_AS counts %ld kB", committed);
		CHECK(marked(&h), "the pages do not have what was written to them");
		if (l->held)
			l->held(&h);
	}
	/* One that is too much takes nothing from who has his. There is one sample. */
	if (!err && wanted && user < SAMPLE_POOL) {
		err = ask(&more, user, 1);
		CHECK(err == wanted, "one more: %s, and not %s", said(err), said(wanted));
		give(&more);
		CHECK(marked(&h), "the pages have changed");
	}
	give(&h);
	check_back(before, want ? "an error" : "what was given back");
}

static void test_limit(const void *arg, int user)
{
	const struct limit *l = arg;
	int want = l->want[user];
	struct counters before;
	int err = l->set();

	CHECK(!err, "the limit cannot be set: %s", strerror(-err));
	count_all(&before);
	if (!*shared->why)
		ask_wanted(l, user, l->room + 1, want, &before);
	/* Twice: an error, or a success, does not use up what there is. */
	for (int i = 0; i < 2 && l->room && !*shared->why; i++)
		ask_wanted(l, user, l->room, 0, &before);
	l->unset();
}

/*
 * Two nodes
 */

static long node_number(int node, const char *name)
{
	char path[120];

	snprintf(path, sizeof(path), SYS_NODES "/node%d/hugepages/hugepages-2048kB/%s_hugepages",
		 node, name);
	return read_number(path, "");
}

static void test_nodes(const void *arg, int user)
{
	bool fresh = user == FRESH || user == SAMPLE_FRESH;

	(void)arg;
	for (int node = 0; node < nodes; node++) {
		long free = node_number(node, "free"), had = node_number(node, "fresh");
		struct hold h;
		int err;

		fresh_node = node;
		err = bind_to(node) ?: ask(&h, user, 2);
		CHECK(!err, "on node %d: %s", node, said(err));
		CHECK(node_number(node, "free") == free - (fresh ? 0 : 2),
		      "%ld pages are of node %d",
		      free - node_number(node, "free"), node);
		CHECK(node_number(node, "fresh") == had + (fresh || user == COPY ? 2 : 0),
		      "%ld fresh pages are from node %d", node_number(node, "fresh") - had, node);
		give(&h);
	}
}

/*
 * The pool is shrunk and grown while others take pages of it
 */

#define STEPS	24

static void test_load(const void *arg, int user)
{
	struct counters before;
	unsigned long done = 0;
	pid_t pid;
	int status;

	(void)arg;
	count_all(&before);
	pid = fork();
	if (!pid) {
		for (;;) {
			struct hold h;
			int err = ask(&h, user, 2);

			/* What was promised is there, whatever becomes of the pool. */
			CHECK(!err || err == -ENOMEM, "%s", said(err));
			if (!err) {
				CHECK(marked(&h), "pages changed");
				__atomic_add_fetch(&shared->got, 1, __ATOMIC_RELAXED);
			}
			give(&h);
			if (*shared->why)
				_exit(1);
		}
	}
	/* Each size of the pool, until there was a buffer at most of them */
	for (int i = 0; i < STEPS && pid > 0 && !*shared->why; i++) {
		write_number(POOL "/nr_hugepages", i % 3 * 20);
		while (i % 3 && __atomic_load_n(&shared->got, __ATOMIC_RELAXED) < done + 2 &&
		       !*shared->why)
			sched_yield();
		done = __atomic_load_n(&shared->got, __ATOMIC_RELAXED);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	/* The sample's buffer is the module's, which is still there. */
	module_unload("hugetlb_sample");
	restore_pools();
	check_back(&before, "the load");
}

/*
 * The cgroup that was charged is removed
 */

static long dying(void)
{
	return read_number(TOP "/cgroup.stat", "nr_dying_subsys_hugetlb ");
}

static void test_gone(const void *arg, int user)
{
	/* The sample allocates for nobody, without __GFP_ACCOUNT. */
	long want = user == SAMPLE_FRESH ? 0 : 2 * SIZE, were = dying();
	struct counters before;
	struct hold h;
	int err;

	(void)arg;
	count_all(&before);
	CHECK(!mkdir(GONE, 0755) && !write_text(GONE "/cgroup.procs", "0"), "no cgroup");
	err = ask(&h, user, 2);
	CHECK(!err, "%s", said(err));
	CHECK(read_number(GONE "/" MEMCG "current", "") == want, "%ld bytes are charged",
	      read_number(GONE "/" MEMCG "current", ""));
	write_text(RUN "/cgroup.procs", "0");
	CHECK(!rmdir(GONE), "rmdir: %s", strerror(errno));
	CHECK(marked(&h), "the pages have changed");
	for (size_t i = 0; i < h.nr && !err; i++)
		CHECK(!touch(h.addr + i * SIZE + 8, 1), "SIGBUS");
	give(&h);
	check_back(&before, "the removed cgroup");
	for (int i = 0; i < 500 && dying() > were; i++)
		usleep(20000);
	CHECK(dying() == were, "the cgroup does not go: a charge is left");
	CHECK(read_number(TOP "/" MEMCG "current", "") == 0, "its parent has %ld bytes",
	      read_number(TOP "/" MEMCG "current", ""));
}

/*
 * Pages that break, or are said to
 */

static uint64_t pfn_of(const char *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t val = 0;

	if (pread(fd, &val, sizeof(val), (unsigned long)addr / PAGE * 8) != sizeof(val))
		val = 0;
	close(fd);
	return val & ((1UL << 55) - 1);
}

/* By its address, or by the number of its frame */
static int offline(const struct hold *h, bool soft, bool by_frame)
{
	uint64_t pfn = pfn_of(h->addr + PAGE);

	if (!by_frame)
		return advise(h->addr + PAGE, soft ? MADV_SOFT_OFFLINE : MADV_HWPOISON);
	return write_number(soft ? MEMORY "/soft_offline_page" : MEMORY "/hard_offline_page",
			    pfn * PAGE);
}

static bool moves(int user)
{
	return MOVING & 1U << user;
}

static void test_soft(const void *arg, int user)
{
	bool by_frame = arg;
	uint64_t pfn;
	struct hold h;
	int err = ask(&h, user, 1), want = moves(user) ? 0 : user == ZERO ? -EIO : -EBUSY;

	if (err) {
		fail("%s", said(err));
		return;
	}
	pfn = pfn_of(h.addr);
	if (moves(user))
		shared->broken = pfn;
	err = offline(&h, true, by_frame);
	CHECK(err == want, "%s, and not %s", said(err), said(want));
	CHECK((pfn_of(h.addr) == pfn) == !moves(user), "the page has %smoved",
	      moves(user) ? "not " : "");
	CHECK(marked(&h), "its content is lost");
	CHECK(user == ZERO || !touch(h.addr, mark(&h, 0, 0)), "it cannot be written to");
	give(&h);
}

static void test_hard(const void *arg, int user)
{
	bool by_frame = arg;
	/* Nobody is told of a broken page by its frame but who touches it. */
	int want = user == ZERO ? -EBUSY : by_frame ? 0 : SIGBUS, err;
	struct hold h, other;
	uint64_t pfn;

	/* Of its own, or it would not be given back at the end */
	write_number("/proc/sys/vm/drop_caches", 2);
	err = ask(&h, user, 1);
	if (err) {
		fail("%s", said(err));
		return;
	}
	pfn = pfn_of(h.addr);
	shared->broken = pfn;
	err = offline(&h, false, by_frame);
	CHECK(err == want, "%s, and not %d", err > 0 ? "a signal" : said(err), want);
	if (user == ZERO) {
		/* There is no way to take it away: it gets no new users. */
		CHECK(marked(&h), "it is not zero");
		err = ask(&other, ZERO, 1);
		CHECK(!err && pfn_of(other.addr) != pfn, "it is mapped again");
		give(&other);
		/* Else it cannot be made good again. */
		write_number(MEMORY "/hard_offline_page", pfn * PAGE);
	} else {
		CHECK(touch(h.addr, 0) == SIGBUS && touch(h.addr + PAGE, 1) == SIGBUS,
		      "it can still be touched");
		/* There can be but one of the sample. */
		if (user == SAMPLE_POOL || user == SAMPLE_FRESH)
			give(&h);
		err = ask(&other, user, 1);
		CHECK(!err && pfn_of(other.addr) != pfn, "another one: %s", said(err));
		give(&other);
	}
	give(&h);
}

/*
 * Memory blocks
 */

/* More than there is */
#define ALL_OF_A_NODE	4096

static long block_pages;

static int block_state(long block, const char *state)
{
	char path[80];

	snprintf(path, sizeof(path), MEMORY "/memory%ld/state", block);
	return write_text(path, state);
}

/* A block of node 1 that is offline now, and online again when the test is over */
static long take_block(void)
{
	long first = -1, last = -1, block;

	for (block = 0; block < 1024; block++) {
		char path[80];

		snprintf(path, sizeof(path), MEMORY "/memory%ld/node1", block);
		if (access(path, F_OK))
			continue;
		if (first < 0)
			first = block;
		last = block;
	}
	for (block = last; block >= first && block_state(block, "offline"); block--)
		;
	if (first < 0 || block < first) {
		fail("no block of node 1 can be taken offline");
		return -1;
	}
	shared->block = block;
	return block;
}

/*
 * Of node 1, where no block has a hole. With what was free in there the pool has
 * lost what it has to get back.
 */
static void test_hot_remove(const void *arg, int user)
{
	long block = take_block();
	struct hold h, slack;
	uint64_t pfn;
	int err;

	(void)arg;
	if (block < 0)
		return;
	/* For a zero page of our own */
	write_number("/proc/sys/vm/drop_caches", 2);
	/* The pool takes what is free, and the block is all that is left. */
	set_pool(1, ALL_OF_A_NODE);
	err = block_state(block, "online_kernel");
	CHECK(!err, "online_kernel: %s", said(err));
	fresh_node = 1;
	/* What was kept back before goes first; the page that came last is asked for. */
	set_pool(1, node_number(1, "nr") + 16);
	set_pool(1, node_number(1, "nr") + 1);
	err = ask(&slack, FRESH, 8);
	CHECK(!err, "fresh pages before: %s", said(err));
	err = bind_to(1) ?: ask(&h, user, 1);
	/* There will be no memory for anything else. */
	syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
	if (err) {
		fail("%s", said(err));
		return;
	}
	pfn = pfn_of(h.addr);
	CHECK((long)pfn / block_pages == block, "the page is in block %ld, not in %ld",
	      (long)pfn / block_pages, block);
	/* From here on it is this page alone. */
	give(&slack);
	err = block_state(block, "offline");
	CHECK(err == -EBUSY, "offline: %s", said(err));
	CHECK(pfn_of(h.addr) == pfn, "the page has moved");
	CHECK(marked(&h), "its content is lost");
	CHECK(user == ZERO || !touch(h.addr, mark(&h, 0, 0)), "it cannot be written to");
	give(&h);
	shared->kept = true;
}

/*
 * A block of movable memory is emptied: pages of programs move. There is none at
 * boot, since drivers cannot use pages that are there.
 */
static void test_hot_remove_movable(const void *arg, int user)
{
	long block = take_block(), page = -1;
	struct hold h;
	int err;

	(void)arg;
	if (block < 0)
		return;
	err = block_state(block, "online_movable");
	CHECK(!err, "online_movable: %s", said(err));
	/* The free pages were dissolved. New ones are from there first. */
	restore_pools();
	set_pool(1, base_pool[1] + 16);
	err = bind_to(1) ?: ask(&h, user, node_number(1, "free"));
	if (err) {
		fail("%s", said(err));
		return;
	}
	for (size_t i = 0; i < h.nr && page < 0; i++)
		if ((long)pfn_of(h.addr + i * SIZE) / block_pages == block)
			page = i;
	CHECK(page >= 0, "none of %zu pages is in block %ld", h.nr, block);
	syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
	err = block_state(block, "offline");
	CHECK(!err, "offline: %s", said(err));
	for (size_t i = 0; i < h.nr; i++)
		CHECK((long)pfn_of(h.addr + i * SIZE) / block_pages != block,
		      "page %zu is still there", i);
	CHECK(marked(&h), "what was in the pages is lost");
	give(&h);
}

/*
 * One test, in a process of its own
 */

/*
 * The mark is on the first page of what is still a huge page, or else on the page
 * that was broken; of what was the zero page, on both.
 */
static void unpoison(uint64_t pfn)
{
	int err;

	/* The zero page ends when nobody has it. */
	write_number("/proc/sys/vm/drop_caches", 2);
	err = write_number(UNPOISON, pfn);
	if (write_number(UNPOISON, pfn + 1) && err)
		fail("the broken page %#lx cannot be made good again: %s", pfn, strerror(-err));
}

static void restore(void)
{
	unset_strict();
	write_number(POOL "/nr_overcommit_hugepages", base_overcommit);
	remount("");
	unset_usage();
	unset_rsvd();
	write_text(RUN "/memory.max", "max");
	write_text(RUN "/cpuset.mems", "\n");
	rmdir(GONE);
	module_unload("hugetlb_sample");
	if (shared->broken)
		unpoison(shared->broken);
	if (shared->block) {
		int err;

		/* The zero page ends when nobody has it. */
		write_number("/proc/sys/vm/drop_caches", 2);
		err = block_state(shared->block, "offline");
		CHECK(!err || !shared->kept, "offline without the page: %s", said(err));
		CHECK(!block_state(shared->block, "online_kernel"), "block %ld stays offline",
		      shared->block);
	}
	restore_pools();
}

static void run(const char *name, int user, void (*test)(const void *arg, int user),
		const void *arg)
{
	struct counters before;
	char title[120], text[512];
	int status;
	pid_t pid;

	snprintf(title, sizeof(title), "%s: %s", name, users[user]);
	if (only ? !strstr(title, only) : strstr(title, UNHANDLABLE) == title)
		return;
	memset(shared, 0, sizeof(*shared));
	count_all(&before);
	pid = fork();
	if (!pid) {
		signal(SIGBUS, on_fault);
		signal(SIGSEGV, on_fault);
		/* The kernel may need long, not that long. */
		alarm(200);
		if (write_text(RUN "/cgroup.procs", "0"))
			fail("no cgroup");
		test(arg, user);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("fork");
	CHECK(!status, "ended with status %#x", status);
	restore();
	if (counters_settle(&before, 10, text, sizeof(text)))
		fail("counters: %s", text);
	CHECK(charged() == 0, "%ld bytes are still charged", charged());
	tests++;
	printf("%sok %d - %s\n", *shared->why ? "not " : "", tests, title);
	if (*shared->why) {
		failures++;
		printf("# %s\n", shared->why);
	}
}

static void setup(void)
{
	const struct rlimit no_limit = { RLIM_INFINITY, RLIM_INFINITY };
	char text[32] = "";
	int fd;

	shared = mmap(NULL, sizeof(*shared), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || setrlimit(RLIMIT_MEMLOCK, &no_limit))
		die("root is needed");
	while (nodes < NODES && node_number(nodes, "nr") >= 0) {
		base_pool[nodes] = node_number(nodes, "nr");
		nodes++;
	}
	if (nodes < 2 || base_pool[0] < 8 || base_pool[1] < 8)
		die("two nodes with 8 pages of 2 MiB each are needed");
	base_overcommit = read_number(POOL "/nr_overcommit_hugepages", "");
	sample_fd = module_open("samples/hugetlb", "hugetlb_sample");
	test_fd = module_open("lib", "test_hugetlb");
	if (sample_fd < 0 || test_fd < 0)
		die("the modules hugetlb_sample and test_hugetlb");
	module_unload("hugetlb_sample");
	if (access("/dev/test_hugetlb", F_OK) && module_load(test_fd, ""))
		die("test_hugetlb");
	fd = open(MEMORY "/block_size_bytes", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 1)
		die("memory hotplug");
	close(fd);
	block_pages = strtol(text, NULL, 16) / PAGE;
	if (write_text(CGROUP "/cgroup.subtree_control", "+hugetlb +memory +cpuset") ||
	    mkdir(TOP, 0755) ||
	    write_text(TOP "/cgroup.subtree_control", "+hugetlb +memory +cpuset") ||
	    mkdir(RUN, 0755))
		die("no cgroups for huge pages, memory and cpusets");
	if (access(UNPOISON, W_OK))
		die("hwpoison in debugfs");
	find_counters();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(const void *arg, int user);
		const void *arg;
		/* A bit for each */
		unsigned int users;
	} others[] = {
		{ "two nodes", test_nodes, NULL, ALL_BUT_ZERO },
		{ "pool shrunk and grown under load", test_load, NULL, ALL_BUT_ZERO },
		{ "cgroup removed", test_gone, NULL, ALL_BUT_ZERO },
		{ "MADV_SOFT_OFFLINE", test_soft, NULL, ALL_KINDS & ~(1U << ZERO) },
		{ "soft_offline_page", test_soft, "by frame", ALL_KINDS & ~(1U << ZERO) },
		{ UNHANDLABLE ", MADV_SOFT_OFFLINE", test_soft, NULL, 1U << ZERO },
		{ UNHANDLABLE ", soft_offline_page", test_soft, "by frame", 1U << ZERO },
		{ "MADV_HWPOISON", test_hard, NULL, ALL_KINDS },
		{ "hard_offline_page", test_hard, "by frame", ALL_KINDS },
		{ "memory block offline", test_hot_remove, NULL, ALL_KINDS & ~MOVING },
		{ "movable memory block offline", test_hot_remove_movable, NULL, MOVING },
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 2) {
		fprintf(stderr, "usage: limits [NAME]\n");
		return 2;
	}
	only = argv[1];
	printf("TAP version 13\n");
	setup();
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		for (int user = 0; user < ZERO; user++)
			run(limits[i].name, user, test_limit, &limits[i]);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		for (int user = 0; user < USERS; user++)
			if (others[i].users & 1U << user)
				run(others[i].name, user, others[i].run, others[i].arg);
	rmdir(RUN);
	rmdir(TOP);
	printf("1..%d\n", tests);
	return failures || !tests;
}
