// SPDX-License-Identifier: GPL-2.0
/*
 * Every call that the series has a part in, with the first, the second, ...
 * allocation in it failing, until it comes to its end without.
 *
 *   fail_nth SITES NR			all scenarios, with modules in /fail/modules
 *   fail_nth SITES NR SCENARIO		one of them, until something is wrong
 *   fail_nth SITES NR SCENARIO wrong	the same, but taking ENOMEM for a wrong error:
 *					the gate wants to see this one fail
 *
 * A scenario is a few operations. It is run by a process of its own, once for each
 * operation of it and each number: /proc/thread-self/fail-nth, and with it what
 * fail_call.c adds, is set for that one operation only. What has failed must
 *
 *  - give an error that the operation may give, or SIGBUS where that is allowed, or
 *    none where there was another way,
 *  - succeed when it is tried again, as must, the first time, what follows,
 *  - leave, when the process is gone, all counters as they were.
 *
 * SITES has lines "FUNCTION+0xOFFSET": return addresses of calls that can fail.
 * What is allocated depends on what is cached: a page table that is there already
 * is one call less, and with it the number means another one. So all of it is
 * repeated, a few times at most, until NR of these were seen in the stack of a
 * failure.
 *
 * Output: a line for each failure, "hit", scenario, operation, number, error, and
 * what failed with the stack, with tabs between; and TAP, a test for each scenario.
 * The modules are in /fail/modules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/mempolicy.h>
#include <linux/udmabuf.h>
#include <linux/userfaultfd.h>

#include "test_hugetlb_uapi.h"
#include "test_hugetlb_bench_uapi.h"
#include "test_hugetlb_dma_uapi.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define FAIL_CALL	"/sys/kernel/debug/fail_call"
#define CGROUP		"/sys/fs/cgroup/fail_nth"
#define MODULES		"/fail/modules"
#define HEAP		"/dev/dma_heap/hugetlb-2048kB"
#define OVERCOMMIT	"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages"

#define SIZE		(2UL << 20)
#define RW		(PROT_READ | PROT_WRITE)
/* In a part of the address space where nothing else is */
#define FAR_AWAY	((char *)(1UL << 44))
#define ROUNDS		4
#define MAX_NTH		600
#define MAX_SITES	1000

/* What an operation may end with. An operation returns -errno, or -SIGNAL. */
#define E(err)		(1ULL << (err))
#define FINE		(1ULL << 0)
#define BUS		(1ULL << 62)
#define SIGNAL		1000
#define NOMEM		E(ENOMEM)

struct outcome {
	bool reached;		/* there is such an operation */
	bool injected;
	bool bad;
	bool seen[MAX_SITES];
	unsigned long hits;
};

static struct outcome *outcome;		/* shared with the processes */
static const char *scenario;
static int target, nth;			/* which operation, which allocation */
static int op;				/* the one that comes next */
static unsigned long long wrong;	/* errors to take for wrong ones */
static const char *one_only;		/* the only scenario that is wanted */

/* To the end of the scenario, unless it has to clean up itself */
static sigjmp_buf scenario_env;
static bool cleans_up;

static char *sites[MAX_SITES];
static size_t nr_sites;

#define BAD(...) do {							\
	printf("# %s: ", scenario);					\
	printf(__VA_ARGS__);						\
	printf("\n");							\
	outcome->bad = true;						\
} while (0)

/* What stands between a test and its result */
#define NEED(what) do {							\
	if (!(what)) {							\
		BAD("%s: %s", #what, strerror(errno));			\
		exit(1);						\
	}								\
} while (0)

/*
 * Which allocation fails, and which one it was.
 */

static int fail_nth_fd, last_fd, within_fd, again_fd;
static bool within;
static bool twice;			/* the next one fails as well */

static void open_controls(void)
{
	fail_nth_fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	NEED(fail_nth_fd >= 0);
	last_fd = open(FAIL_CALL "/last", O_RDONLY | O_CLOEXEC);
	NEED(last_fd >= 0);
	within_fd = open(FAIL_CALL "/within", O_WRONLY | O_CLOEXEC);
	NEED(within_fd >= 0);
	again_fd = open(FAIL_CALL "/again", O_RDWR | O_CLOEXEC);
	NEED(again_fd >= 0);
}

/* No page of this program is to be copied while allocations are counted. */
static void ready(void)
{
	NEED(!mlockall(MCL_CURRENT));
	open_controls();
}

static void set_fail_nth(int value)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", value);

	NEED(write(fail_nth_fd, text, len) == len);
}

static int get_fail_nth(void)
{
	char text[16] = "";

	NEED(pread(fail_nth_fd, text, sizeof(text) - 1, 0) > 0);
	return atoi(text);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char **)a, *(char **)b);
}

static bool was_call;			/* and no allocation */

/* "name+0x12/0x34" or "name+0x12/0x34 [module]" becomes "name+0x12". */
static bool print_hit(const char *name, const char *error)
{
	static char line[8192];
	ssize_t len = 0, more;
	char *word, *end;

	/* A seq_file: from the start, or there is nothing */
	NEED(lseek(last_fd, 0, SEEK_SET) == 0);
	while ((more = read(last_fd, line + len, sizeof(line) - 1 - len)) > 0)
		len += more;
	NEED(more == 0);
	line[len] = 0;
	if (!len)
		return false;
	was_call = strncmp(line, "allocation ", 11);

	printf("hit\t%s\t%s\t%d\t%s\t", scenario, name, nth, error);
	for (word = strtok(line, " \n"); word; word = strtok(NULL, " \n")) {
		char **site;

		if (*word == '[')
			continue;
		end = strchr(word, '/');
		if (end)
			*end = 0;
		printf("%s ", word);
		site = bsearch(&word, sites, nr_sites, sizeof(*sites),
			       compare_names);
		if (site)
			outcome->seen[site - sites] = true;
	}
	printf("\n");
	outcome->hits++;
	return true;
}

static const char *error_name(long ret)
{
	static char name[32];

	if (ret >= 0)
		return "0";
	if (-ret < SIGNAL)
		return strerrorname_np(-ret);
	snprintf(name, sizeof(name), "SIG%s", sigabbrev_np(-ret - SIGNAL));
	return name;
}

static bool allowed(unsigned long long mask, long ret)
{
	if (ret >= 0)
		return mask & FINE;
	if (-ret >= SIGNAL)
		return -ret - SIGNAL == SIGBUS && (mask & BUS);
	return -ret < 62 && (mask & ~wrong & E(-ret));
}

static void op_begin(const char *function)
{
	char text[128];
	int len;

	if (op++ != target)
		return;
	outcome->reached = true;
	if (twice)
		NEED(write(again_fd, "1", 1) == 1);
	within = function;
	if (within) {
		len = snprintf(text, sizeof(text), "%s %d", function, nth);
		NEED(write(within_fd, text, len) == len);
	} else {
		set_fail_nth(nth);
	}
}

/* Returns whether to try again. */
static bool op_end(const char *name, unsigned long long mask, long ret)
{
	int left;

	if (op - 1 != target) {
		if (ret >= 0)
			return false;
		BAD("%s: %s, and nothing was to fail", name, error_name(ret));
		exit(1);
	}
	left = get_fail_nth();
	set_fail_nth(0);
	if (within)
		NEED(write(within_fd, "none 0", 6) == 6);
	if (twice)
		NEED(write(again_fd, "0", 1) == 1);
	outcome->injected = print_hit(name, error_name(ret));
	if (!within && !twice && outcome->injected != !left)
		BAD("%s: %d allocations left, but failed: %d", name, left,
		    outcome->injected);
	if (!outcome->injected) {
		if (ret >= 0)
			return false;
		BAD("%s: %s, and nothing has failed", name, error_name(ret));
		exit(1);
	}
	/* There can be another way: for an allocation, seldom for a call. */
	if (!was_call)
		mask |= FINE;
	if (!allowed(mask, ret))
		BAD("%s: %s after allocation %d failed", name, error_name(ret),
		    nth);
	return ret < 0;
}

static void op_again(const char *name, long ret)
{
	if (ret >= 0)
		return;
	BAD("%s: %s when tried again, after allocation %d failed", name,
	    error_name(ret), nth);
	exit(1);
}

/* Allocations count while @call is in the kernel function @function. */
#define OP_WITHIN(function, name, mask, call) ({			\
	long __ret;							\
									\
	op_begin(function);						\
	__ret = (call);							\
	if (op_end(name, mask, __ret)) {				\
		__ret = (call);						\
		op_again(name, __ret);					\
	}								\
	if (op - 1 == target && nth > 1 && !cleans_up)			\
		siglongjmp(scenario_env, 1);				\
	__ret;								\
})

#define OP(name, mask, call)	OP_WITHIN(NULL, name, mask, call)

/* The first @max allocations: those behind them are more of the same. */
#define OP_FIRST(max, name, mask, call)					\
	(op == target && nth > (max) ? outcome->reached = true, op++, (call) : \
				       OP(name, mask, call))

/* One that would take too long if it did not fail: only its first @max calls. */
#define OP_FAILS(max, name, mask, call) do {				\
	if (op == target && nth <= (max)) {				\
		op_begin(NULL);						\
		op_end(name, mask, call);				\
	} else {							\
		outcome->reached |= op == target;			\
		op++;							\
	}								\
} while (0)

/*
 * System calls, and what they end with.
 */

static sigjmp_buf fault_env;

static void on_fault(int sig)
{
	siglongjmp(fault_env, sig);
}

static long touch(char *p, bool write)
{
	int sig = sigsetjmp(fault_env, 1);

	if (sig)
		return -SIGNAL - sig;
	if (write)
		__atomic_store_n(p, 1, __ATOMIC_SEQ_CST);
	else
		__atomic_load_n(p, __ATOMIC_SEQ_CST);
	return 0;
}

static long result(long ret)
{
	return ret < 0 ? -errno : ret;
}

static long do_open(const char *path)
{
	return result(open(path, O_RDWR | O_CLOEXEC));
}

static struct {
	char *p;
	size_t len;
} mappings[32];
static int nr_mappings;

static long do_mmap_at(char *addr, size_t len, int flags, int fd, off_t offset)
{
	char *p = mmap(addr, len, RW, flags | (addr ? MAP_FIXED : 0), fd, offset);

	if (p == MAP_FAILED)
		return -errno;
	if (!addr) {
		NEED(nr_mappings < 32);
		mappings[nr_mappings].p = p;
		mappings[nr_mappings++].len = len;
	}
	return (long)p;
}

static long do_mmap(size_t len, int flags, int fd)
{
	return do_mmap_at(NULL, len, flags, fd, 0);
}

static char *address_space(size_t len)
{
	long p = do_mmap_at(NULL, len + SIZE, MAP_PRIVATE | MAP_ANONYMOUS |
			    MAP_NORESERVE, -1, 0);

	NEED(p > 0);
	return (char *)((p + SIZE - 1) & ~(SIZE - 1));
}

static long move(char *from, size_t len, char *to)
{
	return result((long)mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to));
}

static long do_ioctl(int fd, unsigned long cmd, void *arg)
{
	return result(ioctl(fd, cmd, arg));
}

static long do_fork(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(0);
	if (pid < 0)
		return -errno;
	NEED(waitpid(pid, &status, 0) == pid && !status);
	return 0;
}

/* The child goes on with the scenario, the parent tells how it ended. */
static void go_on_as_child(void)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	NEED(pid >= 0);
	if (pid) {
		NEED(waitpid(pid, &status, 0) == pid);
		_exit(status ? 1 : 0);
	}
	ready();
}

static long heap_alloc(int heap, size_t len)
{
	struct dma_heap_allocation_data data = {
		.len = len,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	return ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) ? -errno :
								(long)data.fd;
}

static long buf_sync(int fd, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return do_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
}

/* The handle, or what went wrong */
static long dma_import(int dev, unsigned int nr, int fd)
{
	struct test_dma_map map = {
		.fd = fd,
		.dev = nr,
		.flags = TEST_DMA_TO_DEVICE | TEST_DMA_FROM_DEVICE,
	};

	return ioctl(dev, TEST_DMA_IMPORT, &map) ? -errno : (long)map.handle;
}

static long dma_pin(int dev, void *p, size_t len)
{
	struct test_dma_map map = {
		.addr = (unsigned long)p,
		.len = len,
		.flags = TEST_DMA_TO_DEVICE | TEST_DMA_FROM_DEVICE,
	};

	return ioctl(dev, TEST_DMA_PIN, &map) ? -errno : (long)map.handle;
}

static long dma_bytes(int dev, unsigned long cmd, __u64 handle)
{
	struct test_dma_bytes bytes = {
		.handle = handle,
		.len = SIZE,
		.stride = 4096,
		.seed = 7,
	};

	return do_ioctl(dev, cmd, &bytes);
}

static long range_of_node(int dev, unsigned long cmd, __u64 index, __u64 nr, int nid,
			  __u64 flags)
{
	struct test_hugetlb_range arg = {
		.index = index,
		.nr = nr,
		.nid = nid,
		.flags = flags,
	};

	return do_ioctl(dev, cmd, &arg);
}

static long range(int dev, unsigned long cmd, __u64 index, __u64 nr, __u64 flags)
{
	return range_of_node(dev, cmd, index, nr, -1, flags);
}

static long module_load(const char *file, const char *args)
{
	char path[80];
	int fd;
	long ret;

	snprintf(path, sizeof(path), MODULES "/%s.ko", file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	NEED(fd >= 0);
	ret = result(syscall(SYS_finit_module, fd, args, 0));
	close(fd);
	return ret;
}

static long module_unload(const char *name)
{
	return result(syscall(SYS_delete_module, name, O_NONBLOCK));
}

/*
 * /dev/page-huge
 */

#define FAULT		(BUS | FINE)
#define OPEN		(NOMEM | E(EMFILE))

static void page_huge_default(void)
{
	char *p;
	int fd;

	fd = OP("open", OPEN, do_open("/dev/page-huge"));
	p = (char *)OP("mmap", NOMEM | E(ENOSPC),
		       do_mmap(4 * SIZE, MAP_PRIVATE, fd));
	OP("read fault", FAULT, touch(p, false));
	OP("write fault after read", FAULT, touch(p, true));
	/* That has used up the entry that the reserve map has in stock. */
	OP("MADV_DONTNEED", FINE, result(madvise(p, SIZE, MADV_DONTNEED)));
	OP("write fault", FAULT, touch(p + SIZE, true));
	OP("mremap of a part", NOMEM, move(p + SIZE, SIZE, FAR_AWAY));
	OP("munmap of a part", NOMEM, munmap(p + 2 * SIZE, SIZE) ? -errno : 0);
	NEED(touch(FAR_AWAY, false) == 0);
	NEED(!munmap(FAR_AWAY, SIZE));
	NEED(!close(fd));
}

static void page_huge_sized(void)
{
	int fd = OP("open", OPEN, do_open("/dev/page-huge-2048kB"));

	OP("mmap", NOMEM | E(ENOSPC), do_mmap(4 * SIZE, MAP_PRIVATE, fd));
	close(fd);
}

static char *map_page_huge(size_t nr, int flags)
{
	int fd = do_open("/dev/page-huge");
	long p;

	NEED(fd >= 0);
	p = do_mmap(nr * SIZE, MAP_PRIVATE | flags, fd);
	NEED(p > 0);
	close(fd);
	return (char *)p;
}

static void page_huge_populate(void)
{
	char *p = map_page_huge(2, 0);

	OP("MADV_POPULATE_READ", NOMEM | FINE,
	   result(madvise(p, SIZE, MADV_POPULATE_READ)));
	OP("MADV_POPULATE_WRITE", NOMEM | E(EFAULT) | FINE,
	   result(madvise(p, 2 * SIZE, MADV_POPULATE_WRITE)));
	NEED(!madvise(p, SIZE, MADV_DONTNEED));
	OP("write fault after MADV_DONTNEED", FAULT, touch(p, true));
}

/* The huge zero page, when nobody has it yet */
static void page_huge_zero(void)
{
	char *p = map_page_huge(1, 0);
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	NEED(fd >= 0 && write(fd, "2", 1) == 1);
	OP("first read fault of all", FAULT, touch(p, false));
	close(fd);
}

static void page_huge_fork(void)
{
	char *p = map_page_huge(2, 0);

	NEED(touch(p, false) == 0 && touch(p + SIZE, true) == 0);
	OP_WITHIN("copy_hugetlb_page_range", "fork", NOMEM, do_fork());
	go_on_as_child();
	OP("write fault of the child", FAULT, touch(p + SIZE, true));
	OP("write fault of the child after read", FAULT, touch(p, true));
}

/* What is pinned is copied by fork. */
static void page_huge_pin(void)
{
	char *p = map_page_huge(2, 0);
	int dev = do_open("/dev/test_hugetlb_dma");

	NEED(dev >= 0);
	/* EINVAL: the module does not tell what cannot be had from what is not huge. */
	OP("pin", NOMEM | E(EINVAL) | E(EIO), dma_pin(dev, p, 2 * SIZE));
	OP_WITHIN("copy_hugetlb_page_range", "fork", NOMEM, do_fork());
	close(dev);
}

static long uffd_copy(int uffd, char *to, char *from)
{
	struct uffdio_copy copy = {
		.dst = (unsigned long)to,
		.src = (unsigned long)from,
		.len = SIZE,
	};

	/* Not there: the copy has to leave the locks, and to come back. */
	NEED(!madvise(from, SIZE, MADV_DONTNEED));
	return do_ioctl(uffd, UFFDIO_COPY, &copy);
}

static void page_huge_uffd(void)
{
	struct uffdio_register reg = { .range.len = SIZE };
	struct uffdio_writeprotect wp = { .range.len = SIZE };
	struct uffdio_api api = { .api = UFFD_API };
	char *p = map_page_huge(2, 0);
	char *from = address_space(SIZE);
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);

	NEED(uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api));
	reg.range.start = (unsigned long)p;
	reg.mode = UFFDIO_REGISTER_MODE_MISSING;
	OP("UFFDIO_REGISTER", NOMEM, do_ioctl(uffd, UFFDIO_REGISTER, &reg));
	/* EEXIST: with a table in place it does not tell what was missing. */
	OP("UFFDIO_COPY", NOMEM | E(EEXIST) | FINE,
	   uffd_copy(uffd, p, from));

	reg.range.start = wp.range.start = (unsigned long)p + SIZE;
	reg.mode = UFFDIO_REGISTER_MODE_WP;
	wp.mode = UFFDIO_WRITEPROTECT_MODE_WP;
	NEED(!ioctl(uffd, UFFDIO_REGISTER, &reg));
	OP("UFFDIO_WRITEPROTECT", NOMEM, do_ioctl(uffd, UFFDIO_WRITEPROTECT, &wp));
	OP("read fault where writing is caught", FAULT, touch(p + SIZE, false));
	wp.mode = 0;
	NEED(!ioctl(uffd, UFFDIO_WRITEPROTECT, &wp));
	OP("write fault after that", FAULT, touch(p + SIZE, true));
	close(uffd);
}

/* For what is shared, hugetlb has a page cache. */
static void shared(void)
{
	struct uffdio_register reg = {
		.range.len = SIZE,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	char *from = address_space(SIZE), *p;
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);

	NEED(uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api));
	p = (char *)OP("shared mmap with MAP_HUGETLB", NOMEM | E(ENOSPC),
		       do_mmap(2 * SIZE, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1));
	OP("write fault", FAULT, touch(p + SIZE, true));
	reg.range.start = (unsigned long)p;
	NEED(!ioctl(uffd, UFFDIO_REGISTER, &reg));
	/* EEXIST: with a table in place it does not tell what was missing. */
	OP("UFFDIO_COPY", NOMEM | E(EEXIST) | FINE,
	   uffd_copy(uffd, p, from));
	close(uffd);
}

/* Without a page in the pool: from the page allocator, as a surplus page */
static void surplus(const char *name)
{
	char *p = map_page_huge(1, MAP_NORESERVE);
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	unsigned long nr;

	NEED(f && fscanf(f, "%lu", &nr) == 1);
	fclose(f);
	NEED(do_mmap(nr * SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1) > 0);
	OP(name, FAULT, touch(p, true));
}

static void page_huge_surplus(void)
{
	surplus("write fault with an empty pool");
}

/* Of these nodes rather, but else of any: it is tried twice. */
static void page_huge_surplus_many(void)
{
	unsigned long nodes = 1;

	NEED(!syscall(SYS_set_mempolicy, MPOL_PREFERRED_MANY, &nodes, 8));
	surplus("write fault with an empty pool and preferred nodes");
}

/*
 * What others do with huge pages, in functions that the series changes
 */

static long huge_memfd(void)
{
	return result(memfd_create("huge", MFD_HUGETLB | MFD_ALLOW_SEALING));
}

/* As udmabuf wants it */
static void seal(int fd, size_t size)
{
	NEED(!ftruncate(fd, size));
	NEED(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
}

static long udmabuf(int memfd, size_t size)
{
	struct udmabuf_create create = {
		.memfd = memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = size,
	};
	long dev = do_open("/dev/udmabuf");

	return dev < 0 ? dev : do_ioctl(dev, UDMABUF_CREATE, &create);
}

static void others(void)
{
	char *p;
	int fd;

	p = (char *)OP("mmap with MAP_HUGETLB", NOMEM | E(ENOSPC),
		       do_mmap(2 * SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1));
	OP("write fault", FAULT, touch(p, true));
	fd = OP("memfd_create", NOMEM | E(ENOSPC) | E(EMFILE), huge_memfd());
	seal(fd, 2 * SIZE);
	OP("fallocate", NOMEM | E(ENOSPC), result(fallocate(fd, 0, SIZE, SIZE)));
	OP("UDMABUF_CREATE", NOMEM | E(EMFILE), udmabuf(fd, SIZE));
}

static void others_twice(void)
{
	int fd = huge_memfd();

	NEED(fd >= 0);
	seal(fd, 2 * SIZE);
	twice = true;
	OP("UDMABUF_CREATE", NOMEM | E(EMFILE), udmabuf(fd, SIZE));
	twice = false;
}

/* A page that is not huge */
static void others_small(void)
{
	int fd = memfd_create("small", MFD_ALLOW_SEALING);

	NEED(fd >= 0);
	seal(fd, 4096);
	OP("UDMABUF_CREATE of a base page", NOMEM | E(EMFILE), udmabuf(fd, 4096));
}

/*
 * A driver's huge pages, with lib/test_hugetlb.c
 */

#define DRIVER	(NOMEM | FINE)

static long create(int dev, __u64 nr, __u64 log, __u64 flags)
{
	struct test_hugetlb_create create = {
		.nr = nr,
		.page_size_log = log,
		.flags = flags,
	};

	return do_ioctl(dev, TEST_HUGETLB_CREATE, &create);
}

static int test_hugetlb(__u64 nr, __u64 log)
{
	int dev = do_open("/dev/test_hugetlb");

	NEED(dev >= 0 && create(dev, nr, log, 0) == 0);
	return dev;
}

static void driver_pool(void)
{
	char *p;
	int dev;

	dev = OP("open", OPEN, do_open("/dev/test_hugetlb"));
	OP("create with pages reserved", NOMEM | E(ENOSPC),
	   create(dev, 4, 0, TEST_HUGETLB_RESERVE));
	OP("populate", NOMEM | FINE, range(dev, TEST_HUGETLB_POPULATE, 0, 4, 0));
	p = (char *)OP("mmap", NOMEM, do_mmap(4 * SIZE, MAP_SHARED, dev));
	OP("write fault", FAULT, touch(p, true));
	NEED(touch(p + SIZE, true) == 0);
	OP("remove", DRIVER, range(dev, TEST_HUGETLB_REMOVE, 1, 1, 0));
	NEED(touch(p + SIZE, true) == -SIGNAL - SIGBUS);
	OP("keep", DRIVER, range(dev, TEST_HUGETLB_KEEP, 2, 1, 0));
	OP("add again", DRIVER, range(dev, TEST_HUGETLB_READD, 2, 1, 0));
	OP("hold", DRIVER, range(dev, TEST_HUGETLB_HOLD, 3, 1, 0));
	NEED(range(dev, TEST_HUGETLB_UNHOLD, 3, 1, 0) == 0);
	p = (char *)OP("private mmap", NOMEM, do_mmap(SIZE, MAP_PRIVATE, dev));
	OP("private read fault", FAULT, touch(p, false));
	OP("private write fault", FAULT, touch(p, true));
}

/* On the way back from one error to another one */
static void driver_twice(void)
{
	int dev = test_hugetlb(3, 0);

	twice = true;
	OP("populate", NOMEM, range(dev, TEST_HUGETLB_POPULATE, 0, 2, 0));
	twice = false;
	NEED(range(dev, TEST_HUGETLB_REMOVE, 0, 2, 0) == 0);
}

static void driver_not_reserved(void)
{
	struct test_hugetlb_sg sg = { .size = SIZE, .max_segment = 4096 };
	int dev = do_open("/dev/test_hugetlb"), base;
	char *p;

	NEED(dev >= 0);
	OP("create", NOMEM | E(ENOSPC), create(dev, 3, 0, 0));
	OP("populate", NOMEM | FINE, range(dev, TEST_HUGETLB_POPULATE, 0, 2, 0));
	OP("scatterlist", NOMEM, do_ioctl(dev, TEST_HUGETLB_SG, &sg));
	base = OP("base pages", NOMEM | E(EMFILE),
		  do_ioctl(dev, TEST_HUGETLB_BASE, NULL));
	p = (char *)OP("mmap of base pages", NOMEM, do_mmap(SIZE, MAP_SHARED, base));
	OP("write fault of a base page", FAULT, touch(p, true));
	close(base);
}

static void driver_fresh(void)
{
	int dev = test_hugetlb(3, 0);
	char *p;

	OP("add", NOMEM | FINE,
	   range(dev, TEST_HUGETLB_ADD, 0, 1, TEST_HUGETLB_ZERO | TEST_HUGETLB_ACCOUNT));
	OP("add below 4 GiB", NOMEM | FINE,
	   range(dev, TEST_HUGETLB_ADD, 1, 1, TEST_HUGETLB_ZERO | TEST_HUGETLB_DMA32));
	OP("add of a node", NOMEM | FINE,
	   range_of_node(dev, TEST_HUGETLB_ADD, 2, 1, 1, TEST_HUGETLB_ACCOUNT));
	p = (char *)OP("mmap", NOMEM, do_mmap(2 * SIZE, MAP_SHARED, dev));
	OP("write fault", FAULT, touch(p, true));
	OP("remove", DRIVER, range(dev, TEST_HUGETLB_REMOVE, 0, 1, 0));
}

static void driver_gigantic(void)
{
	int dev = test_hugetlb(1, 30);

	/* hugetlb_alloc_pages_immediate(), and what it calls for the pages */
	OP_FAILS(2, "add", NOMEM, range(dev, TEST_HUGETLB_ADD, 0, 1, 0));
}

static void plain_buffers(void)
{
	char *p;
	int fd;

	fd = OP("open of vmalloc memory", OPEN, do_open("/dev/test_hugetlb_vmalloc"));
	p = (char *)OP("mmap of vmalloc memory", NOMEM,
		       do_mmap(TEST_HUGETLB_PLAIN_PAGES * 4096, MAP_SHARED, fd));
	OP("fault of vmalloc memory", FAULT, touch(p, true));
	fd = OP("open of contiguous memory", OPEN, do_open("/dev/test_hugetlb_contig"));
	OP("mmap of contiguous memory", NOMEM,
	   do_mmap(TEST_HUGETLB_PLAIN_PAGES * 4096, MAP_SHARED, fd));
}

static void bench_buffers(void)
{
	struct test_hugetlb_bench arg = { .size = SIZE };
	char *space = address_space(SIZE);

	for (arg.how = 0; arg.how < TEST_HUGETLB_BENCH_NR; arg.how++) {
		int fd;

		if (!arg.how)
			fd = OP("open", OPEN, do_open("/dev/test_hugetlb_bench"));
		else
			fd = do_open("/dev/test_hugetlb_bench");
		NEED(fd >= 0);
		OP_FIRST(16, "create", NOMEM,
			 do_ioctl(fd, TEST_HUGETLB_BENCH_CREATE, &arg));
		OP("mmap", NOMEM, do_mmap_at(space, SIZE, MAP_SHARED, fd, 0));
		OP("fault", FAULT, touch(space, true));
		/* Where no huge entry fits */
		NEED(do_mmap_at(space, 8192, MAP_SHARED, fd, 0) > 0);
		OP("fault of a base page", FAULT, touch(space + 4096, true));
		close(fd);
	}
}

/*
 * DMA buffers, with lib/test_hugetlb_dma.c
 */

static int heap_buffer(const char *name)
{
	int heap, fd;

	heap = OP("open", OPEN, do_open(name));
	fd = OP("allocate", NOMEM | E(EMFILE), heap_alloc(heap, 2 * SIZE));
	close(heap);
	return fd;
}

static void heap(const char *name)
{
	int fd = heap_buffer(name);
	char *p;

	p = (char *)OP("mmap", NOMEM, do_mmap(2 * SIZE, MAP_SHARED, fd));
	OP("write fault", FAULT, touch(p, true));
	p = (char *)OP("mmap of base pages", NOMEM,
		       do_mmap_at(NULL, 8192, MAP_SHARED, fd, 4096));
	OP("write fault of a base page", FAULT, touch(p, true));
	OP("sync", NOMEM, buf_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	NEED(buf_sync(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW) == 0);
	close(fd);
}

static void heap_any(void)
{
	heap(HEAP);
}

static void heap_contig(void)
{
	heap(HEAP "-contig");
}

/* What is mapped is the hugetlbfs file of the buffer. */
static void heap_map_files(void)
{
	int heap = do_open(HEAP);
	int fd = heap_alloc(heap, SIZE), mapped;
	long p = do_mmap(SIZE, MAP_SHARED, fd);
	char path[80];

	NEED(heap >= 0 && fd >= 0 && p > 0);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", p, p + SIZE);
	mapped = do_open(path);
	NEED(mapped >= 0);
	OP("mmap through map_files", NOMEM, do_mmap(SIZE, MAP_SHARED, mapped));
	close(mapped);
	close(fd);
}

static void imported(void)
{
	int heap = do_open(HEAP);
	int fd = heap_alloc(heap, 2 * SIZE), dev;
	char *p = address_space(2 * SIZE);
	__u64 handle;

	NEED(heap >= 0 && fd >= 0);
	dev = OP("open", OPEN, do_open("/dev/test_hugetlb_dma"));
	/* Short segments: a table of several pages */
	handle = OP("import", NOMEM | E(EIO), dma_import(dev, TEST_DMA_SHORT_SEGMENT, fd));
	OP("write by the kernel", NOMEM, dma_bytes(dev, TEST_DMA_WRITE, handle));
	OP("mmap", NOMEM,
	   do_mmap_at(p, 2 * SIZE, MAP_SHARED, dev, (handle << TEST_DMA_MMAP_BITS) * 4096));
	OP("write fault of a huge entry", FAULT, touch(p, true));
	OP("munmap of a part of it", NOMEM, result(munmap(p + SIZE - 4096, 4096)));
	OP("write fault after that", FAULT, touch(p, true));
	/* Where there are no page tables yet: what is mapped base page by base page */
	OP_WITHIN("move_page_tables", "mremap", NOMEM, move(p, SIZE - 4096, FAR_AWAY));
	NEED(touch(FAR_AWAY, true) == 0 && !munmap(FAR_AWAY, SIZE - 4096));
	NEED(touch(p + SIZE, true) == 0);
	OP_WITHIN("move_page_tables", "mremap of a huge entry", NOMEM,
		  move(p + SIZE, SIZE, FAR_AWAY));
	NEED(touch(FAR_AWAY, true) == 0 && !munmap(FAR_AWAY, SIZE));
	NEED(do_ioctl(dev, TEST_DMA_RELEASE, &handle) == 0);
	close(dev);
}

static void imported_by_edu(void)
{
	int heap = do_open(HEAP "-contig");
	int fd = heap_alloc(heap, 2 * SIZE);
	int dev = do_open("/dev/test_hugetlb_edu");

	NEED(heap >= 0 && fd >= 0 && dev >= 0);
	OP("import", NOMEM | E(EIO), dma_import(dev, 0, fd));
	close(dev);
}

/*
 * The modules themselves. Of what is loaded before, the first allocations of
 * init_module() are not looked at.
 */

static void count_allocations(bool count)
{
	int fd = open(FAIL_CALL "/only_calls", O_WRONLY | O_CLOEXEC);

	NEED(fd >= 0 && write(fd, count ? "N" : "Y", 1) == 1);
	close(fd);
}

static long load_and_unload(const char *file, const char *args, const char *name)
{
	long ret = module_load(file, args);

	NEED(ret < 0 || !module_unload(name));
	return ret;
}

/* One device less is another way. */
#define LOAD	(NOMEM | FINE)

/*
 * A module is slow to load, and a device is made by a hundred allocations, none of
 * them ours: the first few are looked at, and then only calls as a whole.
 */
static void module(const char *file, const char *args, const char *name,
		   unsigned long long mask)
{
	long ret;

	cleans_up = true;
	op = target;
	if (target == 2) {
		NEED(!module_load(file, args));
		count_allocations(false);
		/* Not what is put off until it returns: a file's end cannot fail. */
		OP_WITHIN("__x64_sys_delete_module", "unload", FINE, module_unload(name));
		count_allocations(true);
	} else if (target < 2) {
		outcome->reached = true;
		if (target == 0 && nth > 3)
			return;
		count_allocations(target == 0);
		op_begin("do_one_initcall");
		ret = load_and_unload(file, args, name);
		if (op_end("load", mask, ret) && nth == 1)
			op_again("load", load_and_unload(file, args, name));
		count_allocations(true);
	}
}

static void module_page_huge(void)
{
	module("page-huge", "", "page_huge", LOAD | E(ENOSPC));
}

static void module_test_hugetlb(void)
{
	module("test_hugetlb", "", "test_hugetlb", LOAD);
}

static void module_test_hugetlb_bench(void)
{
	module("test_hugetlb_bench", "", "test_hugetlb_bench", LOAD);
}

static void module_test_hugetlb_dma(void)
{
	module("test_hugetlb_dma", "edu_dma_bits=64", "test_hugetlb_dma", LOAD | E(ENODEV));
}

static void module_sample(void)
{
	module("hugetlb_sample", "nr_pages=1", "hugetlb_sample", LOAD | E(ENOSPC));
}

static void module_sample_pool(void)
{
	module("hugetlb_sample", "pool=1 nr_pages=1", "hugetlb_sample",
	       LOAD | E(ENOSPC));
}

/*
 * It does not go once it has a heap. So it is loaded twice, by two names: the
 * first time it shall lack the first of its heaps, and the second time have this
 * one alone.
 */
static void module_heap(void)
{
	OP_WITHIN("do_one_initcall", "first", FINE, module_load("fail_heap_first", ""));
	exit(outcome->injected ? 0 : 1);
}

static void module_heap_again(void)
{
	long ret;

	op_begin("do_one_initcall");
	if (!outcome->reached)
		return;
	ret = module_load("fail_heap_again", "");
	op_end("again", NOMEM | E(EBUSY) | FINE, ret);
	/* The heap is there, whatever has failed behind it. */
	if (ret >= 0)
		outcome->injected = false;
}

/* The last failure there was of its node: that the kernel does without. */
static void heap_node(void)
{
	unsigned int major, minor;
	FILE *f;

	if (!access(HEAP, F_OK))
		return;
	f = fopen("/sys/class/dma_heap/hugetlb-2048kB/dev", "r");
	NEED(f && fscanf(f, "%u:%u", &major, &minor) == 2);
	fclose(f);
	NEED(!mknod(HEAP, S_IFCHR | 0600, makedev(major, minor)));
}

static void sample(void)
{
	char *p;
	int fd;

	fd = OP("open", OPEN, do_open("/dev/hugetlb_sample"));
	p = (char *)OP("mmap", NOMEM, do_mmap(2 * SIZE, MAP_SHARED, fd));
	OP("write fault", FAULT, touch(p, true));
	fd = OP("open for base pages", OPEN, do_open("/dev/hugetlb_sample_base"));
	p = (char *)OP("mmap of base pages", NOMEM, do_mmap(SIZE, MAP_SHARED, fd));
	OP("write fault of a base page", FAULT, touch(p, true));
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "page_huge_default", page_huge_default },
	{ "page_huge_sized", page_huge_sized },
	{ "page_huge_populate", page_huge_populate },
	{ "page_huge_zero", page_huge_zero },
	{ "page_huge_fork", page_huge_fork },
	{ "page_huge_pin", page_huge_pin },
	{ "page_huge_uffd", page_huge_uffd },
	{ "page_huge_surplus", page_huge_surplus },
	{ "page_huge_surplus_many", page_huge_surplus_many },
	{ "shared", shared },
	{ "others", others },
	{ "others_twice", others_twice },
	{ "others_small", others_small },
	{ "driver_pool", driver_pool },
	{ "driver_not_reserved", driver_not_reserved },
	{ "driver_twice", driver_twice },
	{ "driver_fresh", driver_fresh },
	{ "driver_gigantic", driver_gigantic },
	{ "plain_buffers", plain_buffers },
	{ "bench_buffers", bench_buffers },
	{ "heap_any", heap_any },
	{ "heap_contig", heap_contig },
	{ "heap_map_files", heap_map_files },
	{ "imported", imported },
	{ "imported_by_edu", imported_by_edu },
	{ "sample", sample },
};

/*
 * What must be as before
 */

static const char * const counter_files[] = {
#define POOL(dir, size)							\
	dir "/hugepages-" size "kB/nr_hugepages",			\
	dir "/hugepages-" size "kB/free_hugepages",			\
	dir "/hugepages-" size "kB/surplus_hugepages",			\
	dir "/hugepages-" size "kB/fresh_hugepages"
	POOL("/sys/kernel/mm/hugepages", "2048"),
	"/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages",
	POOL("/sys/devices/system/node/node0/hugepages", "2048"),
	POOL("/sys/devices/system/node/node1/hugepages", "2048"),
	POOL("/sys/kernel/mm/hugepages", "1048576"),
	"/sys/kernel/mm/hugepages/hugepages-1048576kB/resv_hugepages",
	CGROUP "/hugetlb.2MB.current",
	CGROUP "/hugetlb.2MB.rsvd.current",
};
#define NR_COUNTERS (sizeof(counter_files) / sizeof(*counter_files))

static long counters_before[NR_COUNTERS];

static long read_counter(size_t i)
{
	static int fds[NR_COUNTERS];
	char text[32] = "";

	if (!fds[i])
		fds[i] = open(counter_files[i], O_RDONLY | O_CLOEXEC);
	NEED(fds[i] > 0);
	NEED(pread(fds[i], text, sizeof(text) - 1, 0) > 0);
	return atol(text);
}

static void read_counters(void)
{
	for (size_t i = 0; i < NR_COUNTERS; i++)
		counters_before[i] = read_counter(i);
}

/* The last reference to a file may be put by a kernel thread, a moment later. */
static void check_counters(void)
{
	const struct timespec moment = { .tv_nsec = 10 * 1000 * 1000 };
	int tries = 0;

	for (size_t i = 0; i < NR_COUNTERS; i++) {
		long now = read_counter(i);

		for (; now != counters_before[i] && tries < 300; tries++) {
			nanosleep(&moment, NULL);
			now = read_counter(i);
		}
		if (now == counters_before[i])
			continue;
		BAD("operation %d, allocation %d: %s was %ld and is %ld", target,
		    nth, counter_files[i], counters_before[i], now);
		/* Said once */
		counters_before[i] = now;
	}
}

/* All that the process had mapped is gone, and it has no huge page any more. */
static void check_process(void)
{
	char line[128];
	FILE *f;
	long kb = -1;

	while (nr_mappings--)
		NEED(!munmap(mappings[nr_mappings].p, mappings[nr_mappings].len));
	NEED(!munmap(FAR_AWAY, 2 * SIZE));
	f = fopen("/proc/self/status", "r");
	NEED(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "HugetlbPages:", 13))
			kb = atol(line + 13);
	fclose(f);
	if (kb)
		BAD("operation %d, allocation %d: HugetlbPages is %ld kB", target, nth, kb);
}

static void run_once(void (*run)(void))
{
	int status;
	pid_t pid;

	outcome->reached = false;
	outcome->injected = false;
	fflush(stdout);
	pid = fork();
	NEED(pid >= 0);
	if (!pid) {
		struct sigaction act = { .sa_handler = on_fault };

		NEED(!sigaction(SIGBUS, &act, NULL) && !sigaction(SIGSEGV, &act, NULL));
		ready();
		op = 0;
		if (!sigsetjmp(scenario_env, 0))
			run();
		check_process();
		fflush(stdout);
		exit(0);
	}
	NEED(waitpid(pid, &status, 0) == pid);
	if (status)
		BAD("operation %d, allocation %d: ended with status 0x%x", target, nth,
		    status);
	check_counters();
}

/* Whether all of it was as it should be. */
static bool run_scenario(const char *name, void (*run)(void))
{
	unsigned long hits = outcome->hits;
	struct timespec start, end;
	bool ok = true;

	scenario = name;
	clock_gettime(CLOCK_MONOTONIC, &start);
	target = 0;
	do {
		outcome->bad = false;
		for (nth = 1; nth < MAX_NTH; nth++) {
			run_once(run);
			if (outcome->bad || !outcome->injected)
				break;
		}
		if (nth == MAX_NTH)
			BAD("operation %d does not come to an end", target);
		/* The next one can tell more. */
		ok &= !outcome->bad;
		target++;
	} while (outcome->reached && (ok || !one_only));
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("# %s: %lu failures, %ld s\n", name, outcome->hits - hits,
	       (long)(end.tv_sec - start.tv_sec));
	fflush(stdout);
	return ok;
}

static void read_sites(const char *path)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	FILE *f = fopen(path, "r");

	NEED(f);
	while ((len = getline(&line, &size, f)) > 0) {
		line[len - 1] = 0;
		NEED(nr_sites < MAX_SITES);
		sites[nr_sites++] = strdup(line);
	}
	fclose(f);
	free(line);
	qsort(sites, nr_sites, sizeof(*sites), compare_names);
}

static size_t sites_seen(void)
{
	size_t seen = 0;

	for (size_t i = 0; i < nr_sites; i++)
		seen += outcome->seen[i];
	return seen;
}

static int nr_tests, nr_failed;

static void test(const char *name, void (*run)(void))
{
	bool ok = run_scenario(name, run);

	nr_failed += !ok;
	printf("%sok %d %s\n", ok ? "" : "not ", ++nr_tests, name);
	fflush(stdout);
}

/* Those that load and unload a module each time */
static void test_modules(void)
{
	scenario = "module_heap";
	target = 0;
	nth = 1;
	run_once(module_heap);
	test("module_heap", module_heap_again);
	test("module_page_huge", module_page_huge);
	test("module_test_hugetlb", module_test_hugetlb);
	test("module_test_hugetlb_bench", module_test_hugetlb_bench);
	test("module_test_hugetlb_dma", module_test_hugetlb_dma);
	test("module_sample", module_sample);
	test("module_sample_pool", module_sample_pool);
	heap_node();
}

/* Those that use what is loaded */
static void test_scenarios(void)
{
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++)
		if (!one_only || !strcmp(one_only, scenarios[i].name))
			test(scenarios[i].name, scenarios[i].run);
}

int main(int argc, char **argv)
{
	size_t wanted;

	outcome = mmap(NULL, sizeof(*outcome), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (outcome == MAP_FAILED || argc < 3)
		return 2;
	scenario = "main";
	wanted = strtoul(argv[2], NULL, 10);
	one_only = argc > 3 ? argv[3] : NULL;
	wrong = argc > 4 ? E(ENOMEM) : 0;
	read_sites(argv[1]);
	read_counters();

	printf("TAP version 13\n");
	if (!one_only)
		test_modules();
	NEED(!module_load("page-huge", ""));
	NEED(!module_load("test_hugetlb", ""));
	NEED(!module_load("test_hugetlb_bench", ""));
	NEED(!module_load("test_hugetlb_dma", "edu_dma_bits=64"));
	NEED(!module_load("hugetlb_sample", "nr_pages=2"));
	/* With the pages that the sample has. What there was is for counters.sh. */
	read_counters();
	for (int round = 1; round <= ROUNDS; round++) {
		test_scenarios();
		printf("# round %d: %zu of %zu sites, %zu can be reached\n", round,
		       sites_seen(), nr_sites, wanted);
		if (one_only || nr_failed || sites_seen() >= wanted)
			break;
	}
	/* A reference to a module that was lost would keep it. */
	NEED(!module_unload("hugetlb_sample"));
	NEED(!module_unload("test_hugetlb_dma"));
	NEED(!module_unload("test_hugetlb_bench"));
	NEED(!module_unload("test_hugetlb"));
	NEED(!module_unload("page_huge"));
	printf("1..%d\n", nr_tests);
	return nr_failed || !nr_tests;
}
