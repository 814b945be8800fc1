// SPDX-License-Identifier: GPL-2.0
/*
 * bad_input: every argument of every call and ioctl that the series adds, at its
 * edges, as root and as nobody. Each row of the table is one call: it gives the
 * errno that is documented, and nothing else, and after an error the counters of
 * huge pages are what they were before the call. When what a success gave is given
 * back, they are as before, too.
 *
 *	bad_input [CALL]	all rows, or those whose call has this in it
 *
 * Where the documentation says "as MAP_HUGETLB" or "as /dev/zero", the same call is
 * made there, and has to say the same.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <stddef.h>
#include <stdint.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/fs.h>
#include <linux/mempolicy.h>
#include <linux/udmabuf.h>

#include "test_hugetlb_bench_uapi.h"
#include "test_hugetlb_dma_uapi.h"
#include "test_hugetlb_uapi.h"
#include "hunt.h"

#define NOBODY		65534
#define PAGE		4096L
#define RW		(PROT_READ | PROT_WRITE)
#define BAD_POINTER	((void *)8)
#define KERNEL_POINTER	((void *)0xffff888000000000UL)
/* Not tried: it needs root before it gets that far */
#define SKIP		-2

static unsigned long size;
/* Open before anybody becomes nobody */
static int page_huge, page_huge_ro, page_huge_wo, dev_zero, heap, contig, buf, buf_ro, udmabuf;
static int drv, drv_new, dma, bench, vmalloc_dev, contig_dev, sample, sample_base;
static int regular;
static uint64_t handle;
static char *old;		/* base pages, which MAP_FIXED may not take away */
static char *readonly;
static char device[64], why[512];
static long result;

struct row {
	const char *call;
	const char *arg;
	const char *value;
	int want_root;
	int want_user;
	int (*run)(const struct row *r);
	/* For @run: numbers, of which one or two are so many huge pages and bytes */
	long n[6];
	long huge, huge2;
	bool small;
};

/* The errno of a call, which may have changed nothing if there is one */
static void check_unchanged(const struct counters *before)
{
	struct counters now;
	char text[256];

	count_all(&now);
	if (counters_differ(before, &now, text, sizeof(text)))
		snprintf(why, sizeof(why), "failed, and left: %s", text);
}

#define TRY(call) ({							\
	struct counters __before;					\
	int __err;							\
									\
	count_all(&__before);						\
	errno = 0;							\
	result = (long)(call);						\
	__err = result == -1 ? errno : 0;				\
	if (__err)							\
		check_unchanged(&__before);				\
	__err; })

static unsigned long bytes(const struct row *r)
{
	return r->huge * size + r->n[0];
}

static unsigned long bytes2(const struct row *r)
{
	return r->huge2 * size + r->n[1];
}

static unsigned long round_up(unsigned long len)
{
	return (len + size - 1) & ~(size - 1);
}

/*
 * open, read, write and others that have nothing to do with memory
 */

static int run_open(const struct row *r)
{
	int err = TRY(open(device, r->n[0], 0600));

	if (!err)
		close(result);
	return err;
}

static int run_open_path(const struct row *r)
{
	int err = TRY(open((const char *)r->n[1], r->n[0]));

	if (!err)
		close(result);
	return err;
}

/* Does /dev/zero say the same, and give as much? */
static int same_as_zero(int err, int err_zero, long got, long got_zero)
{
	if (err != err_zero || got != got_zero)
		snprintf(why, sizeof(why), "/dev/zero gives %ld with errno %d, this %ld with %d",
			 got_zero, err_zero, got, err);
	return err;
}

static char page[2 * 4096] __attribute__((aligned(4096)));

static int run_read(const struct row *r)
{
	void *p = r->n[1] ? (void *)r->n[1] : page;
	int err, err_zero;
	long got;

	memset(page, 'x', sizeof(page));
	err = TRY(read(page_huge, p, r->n[0]));
	got = result;
	for (long i = 0; i < got && p == page; i++)
		if (page[i])
			snprintf(why, sizeof(why), "byte %ld is %d", i, page[i]);
	err_zero = TRY(read(dev_zero, p, r->n[0]));
	return same_as_zero(err, err_zero, got, result);
}

static int run_write(const struct row *r)
{
	void *p = r->n[1] ? (void *)r->n[1] : page;
	int err = TRY(write(page_huge, p, r->n[0]));
	long got = result;
	int err_zero = TRY(write(dev_zero, p, r->n[0]));

	return same_as_zero(err, err_zero, got, result);
}

static int run_pread(const struct row *r) { return TRY(pread(page_huge, page, 16, r->n[0])); }
static int run_pwrite(const struct row *r) { return TRY(pwrite(page_huge, page, 16, r->n[0])); }
static int run_read_wo(const struct row *r) { (void)r; return TRY(read(page_huge_wo, page, 1)); }
static int run_write_ro(const struct row *r) { (void)r; return TRY(write(page_huge_ro, page, 1)); }

static int run_lseek(const struct row *r)
{
	int err = TRY(lseek(page_huge, r->n[0], r->n[1]));
	long got = result;
	int err_zero = TRY(lseek(dev_zero, r->n[0], r->n[1]));

	return same_as_zero(err, err_zero, got, result);
}

/* The file that a row is about */
static int file_of(long which)
{
	int *const files[] = { &page_huge, &buf, &sample, &sample_base, &drv, &dma, &heap };

	return *files[which];
}
enum { PAGE_HUGE, BUF, SAMPLE, SAMPLE_BASE, DRV, DMA, HEAP };

static int run_f_lseek(const struct row *r)
{
	return TRY(lseek(file_of(r->n[2]), r->huge * size + r->n[0], r->n[1]));
}
static int run_f_read(const struct row *r) { return TRY(read(file_of(r->n[2]), page, 8)); }
static int run_f_write(const struct row *r) { return TRY(write(file_of(r->n[2]), page, 8)); }
static int run_fallocate(const struct row *r)
{
	return TRY(fallocate(file_of(r->n[2]), r->n[1], r->huge2 * size + r->n[3],
			     r->huge * size + r->n[0]));
}
static int run_ftruncate(const struct row *r) { return TRY(ftruncate(file_of(r->n[2]), bytes(r))); }
static int run_fcntl(const struct row *r)
{
	return TRY(fcntl(file_of(r->n[2]), (int)r->n[0], r->n[1]));
}
static int run_ioctl(const struct row *r)
{
	return TRY(ioctl(file_of(r->n[2]), (unsigned int)r->n[0], r->n[1]));
}
static int run_fsync(const struct row *r) { return TRY(fsync(file_of(r->n[2]))); }
static int run_fadvise(const struct row *r)
{
	/* It says what is wrong itself. */
	int err = posix_fadvise(file_of(r->n[2]), r->n[0], r->n[1], r->n[3]);

	return err;
}
static int run_sendfile(const struct row *r)
{
	return TRY(sendfile(regular, file_of(r->n[2]), NULL, r->n[0]));
}
static int run_splice(const struct row *r)
{
	int fds[2], err;

	if (pipe(fds))
		return errno;
	err = TRY(splice(file_of(r->n[2]), NULL, fds[1], NULL, 4096, SPLICE_F_NONBLOCK));
	close(fds[0]);
	close(fds[1]);
	return err;
}
static int run_copy_range(const struct row *r)
{
	return TRY(copy_file_range(file_of(r->n[2]), NULL, regular, NULL, 4096, 0));
}
static int run_epoll(const struct row *r)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0), err = TRY(epoll_ctl(ep, EPOLL_CTL_ADD, file_of(r->n[2]), &ev));

	close(ep);
	return err;
}
static int run_cachestat(const struct row *r)
{
	uint64_t range[2] = { 0, 0 }, stat[5];

	return TRY(syscall(451, file_of(r->n[2]), range, stat, r->n[0]));
}
static int run_udmabuf(const struct row *r)
{
	struct udmabuf_create create = {
		.memfd = file_of(r->n[2]),
		.offset = 0,
		.size = bytes(r),
	};
	int err = TRY(ioctl(udmabuf, UDMABUF_CREATE, &create));

	if (!err)
		close(result);
	return err;
}

/*
 * mmap
 */

static int do_mmap(int fd, void *addr, unsigned long len, int prot, int flags, off_t off)
{
	/* Not by the C library, which looks at the offset itself */
	int err = TRY(syscall(SYS_mmap, addr, len, prot, flags, fd, off));

	/* Of a huge page all goes, or nothing does. */
	if (!err && munmap((void *)result, len) && munmap((void *)result, round_up(len)))
		snprintf(why, sizeof(why), "cannot be unmapped");
	return err;
}

/* Length and offset */
static int run_mmap(const struct row *r)
{
	return do_mmap(file_of(r->n[2]), NULL, bytes(r), r->n[4] ?: RW,
		       r->n[3] ?: file_of(r->n[2]) == page_huge ? MAP_PRIVATE : MAP_SHARED,
		       bytes2(r));
}

static int run_mmap_ro(const struct row *r)
{
	return do_mmap(page_huge_ro, NULL, size, r->n[0], MAP_PRIVATE, 0);
}

static int run_mmap_wo(const struct row *r)
{
	return do_mmap(page_huge_wo, NULL, size, r->n[0], MAP_PRIVATE, 0);
}

static int run_mmap_buf_ro(const struct row *r)
{
	return do_mmap(buf_ro, NULL, size, r->n[0], MAP_SHARED, 0);
}

/* Over base pages, which are still there if it is refused */
static int run_mmap_fixed(const struct row *r)
{
	int fd = file_of(r->n[2]), err;
	char *at = old + r->n[4];
	int flags = MAP_FIXED | (r->n[3] ?: fd == page_huge ? MAP_PRIVATE : MAP_SHARED);

	for (unsigned long i = 0; i < 3 * size; i += size / 2)
		old[i] = 'o';
	err = TRY(syscall(SYS_mmap, at, bytes(r), RW, flags, fd, bytes2(r)));
	for (unsigned long i = 0; err && i < 3 * size; i += size / 2)
		if (old[i] != 'o')
			snprintf(why, sizeof(why), "what was there is gone");
	/* Whole again */
	if (mmap(old, 3 * size, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		 0) != old)
		snprintf(why, sizeof(why), "no memory in its place");
	return err;
}

static int run_mmap_noreplace(const struct row *r)
{
	(void)r;
	return do_mmap(page_huge, old, size, RW, MAP_PRIVATE | MAP_FIXED_NOREPLACE, 0);
}

/*
 * Mappings of the device, and of MAP_HUGETLB beside them
 */

static char *map_two(int fd, int pages)
{
	/* Nothing behind them that could be taken for them */
	char *p = mmap(NULL, (pages + 3) * size, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
			     __builtin_ctzl(size) << MAP_HUGE_SHIFT :
		    fd == page_huge ? MAP_PRIVATE : MAP_SHARED;
	char *at = (char *)round_up((unsigned long)p);

	if (p == MAP_FAILED)
		return p;
	munmap(p, (pages + 3) * size);
	return mmap(at, pages * size, RW, flags | MAP_FIXED_NOREPLACE, fd, 0);
}

enum vm_call { MREMAP, MADVISE, MUNMAP, MPROTECT, MLOCK, MSYNC, MINCORE, MBIND, REMAP_FILE };

static int vm_call(const struct row *r, char *p, enum vm_call call)
{
	unsigned char vec[16];
	unsigned long mask = r->n[4];
	char *at = p + r->n[1] + r->huge2 * size;

	switch (call) {
	case MREMAP:
		return TRY(syscall(SYS_mremap, p + r->n[4], r->n[5] ? 0 : size, bytes(r), r->n[3],
				   at));
	case MADVISE:
		return TRY(madvise(at, bytes(r), r->n[3]));
	case MUNMAP:
		return TRY(munmap(at, bytes(r)));
	case MPROTECT:
		return TRY(mprotect(at, bytes(r), r->n[3]));
	case MLOCK:
		return TRY(mlock2(at, bytes(r), r->n[3]));
	case MSYNC:
		return TRY(msync(at, bytes(r), r->n[3]));
	case MINCORE:
		return TRY(mincore(at, bytes(r), vec));
	case MBIND:
		return TRY(syscall(SYS_mbind, at, bytes(r), r->n[3], mask ? &mask : NULL, 64,
				   r->n[5]));
	case REMAP_FILE:
		return TRY(syscall(SYS_remap_file_pages, at, bytes(r), r->n[3], r->n[4], 0));
	}
	return -1;
}

static int on_vm(const struct row *r, enum vm_call call)
{
	int fd = file_of(r->n[2]), err, err_twin;
	char *p = map_two(fd, 1);
	long got;

	if (p == MAP_FAILED)
		return snprintf(why, sizeof(why), "nothing to do it to: %s", strerror(errno)), -1;
	err = vm_call(r, p, call);
	got = result;
	if (!err && call == MREMAP)
		munmap((void *)got, size);
	munmap(p, size);
	if (fd != page_huge)
		return err;

	p = map_two(-1, 1);
	if (p == MAP_FAILED)
		return snprintf(why, sizeof(why), "no MAP_HUGETLB to compare with"), -1;
	err_twin = vm_call(r, p, call);
	if (!err_twin && call == MREMAP)
		munmap((void *)result, size);
	munmap(p, size);
	if (err != err_twin)
		snprintf(why, sizeof(why), "MAP_HUGETLB gives %s, this %s", strerror(err_twin),
			 strerror(err));
	return err;
}

static int run_mremap(const struct row *r) { return on_vm(r, MREMAP); }
static int run_madvise(const struct row *r) { return on_vm(r, MADVISE); }
static int run_munmap(const struct row *r) { return on_vm(r, MUNMAP); }
static int run_mprotect(const struct row *r) { return on_vm(r, MPROTECT); }
static int run_mlock(const struct row *r) { return on_vm(r, MLOCK); }
static int run_msync(const struct row *r) { return on_vm(r, MSYNC); }
static int run_mincore(const struct row *r) { return on_vm(r, MINCORE); }
static int run_mbind(const struct row *r) { return on_vm(r, MBIND); }
static int run_remap_file(const struct row *r) { return on_vm(r, REMAP_FILE); }

/*
 * The heaps, and dma-bufs
 */

static int do_alloc(int fd, const struct row *r)
{
	struct dma_heap_allocation_data data = {
		.len = bytes(r),
		.fd = r->n[1],
		.fd_flags = r->n[3],
		.heap_flags = r->n[4],
	};
	int err = TRY(ioctl(fd, DMA_HEAP_IOCTL_ALLOC, &data));

	if (!err)
		close(data.fd);
	return err;
}

static int run_alloc(const struct row *r)
{
	int err = do_alloc(heap, r), err2 = do_alloc(contig, r);

	if (err != err2)
		snprintf(why, sizeof(why), "-contig gives %s, this %s", strerror(err2),
			 strerror(err));
	return err;
}

/* A pointer, with good numbers behind it where it can be read */
static int run_alloc_pointer(const struct row *r)
{
	return TRY(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, (void *)r->n[0]));
}

static int run_alloc_readonly(const struct row *r)
{
	struct dma_heap_allocation_data data = { .len = size, .fd_flags = O_RDWR | O_CLOEXEC };
	int err;

	(void)r;
	mprotect(readonly, PAGE, RW);
	memcpy(readonly, &data, sizeof(data));
	mprotect(readonly, PAGE, PROT_READ);
	err = TRY(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, readonly));
	return err;
}

/* No file descriptor is left */
static int run_alloc_emfile(const struct row *r)
{
	struct rlimit now, none;
	int err;

	getrlimit(RLIMIT_NOFILE, &now);
	/* Nothing above the last one of ours */
	none = (struct rlimit){ dup(heap), now.rlim_max };
	close(none.rlim_cur);
	/* The counters are read from files that are open already. */
	setrlimit(RLIMIT_NOFILE, &none);
	err = do_alloc(heap, r);
	setrlimit(RLIMIT_NOFILE, &now);
	return err;
}

static int run_sync(const struct row *r)
{
	struct dma_buf_sync sync = { .flags = r->n[0] };

	return TRY(ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync));
}

static int run_set_name(const struct row *r)
{
	static char name[64];

	memset(name, 0, sizeof(name));
	memset(name, 'n', r->n[0]);
	return TRY(ioctl(buf, DMA_BUF_SET_NAME_B, name));
}

static int run_export_sync(const struct row *r)
{
	struct dma_buf_export_sync_file arg = { .flags = r->n[0], .fd = -1 };
	int err = TRY(ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg));

	if (!err)
		close(arg.fd);
	return err;
}

static int run_import_sync(const struct row *r)
{
	struct dma_buf_import_sync_file arg = { .flags = r->n[0], .fd = r->n[1] };

	return TRY(ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &arg));
}

/*
 * The test modules
 */

static int run_drv_create(const struct row *r)
{
	struct test_hugetlb_create arg = {
		.nr = r->n[0] + r->huge,
		.page_size_log = r->n[1] < 0 ? (unsigned long)__builtin_ctzl(size) : (uint64_t)r->n[1],
		.flags = r->n[3],
	};
	int fd = geteuid() ? -1 : open("/dev/test_hugetlb", O_RDWR), err;

	if (fd < 0)
		return -1;
	err = TRY(ioctl(fd, TEST_HUGETLB_CREATE, &arg));
	close(fd);
	return err;
}

/* The file of a test module and the size of an ioctl's argument are all that it takes. */
static int run_drv_range(const struct row *r)
{
	struct test_hugetlb_range arg = {
		.index = r->n[1],
		.nr = r->n[2],
		.nid = r->n[3],
		.flags = r->n[4],
	};

	return TRY(ioctl(drv, r->n[0], &arg));
}

static int run_drv_bytes(const struct row *r)
{
	struct test_hugetlb_bytes arg = {
		.offset = r->n[1] + r->huge * size,
		.len = r->n[2] + r->huge2 * size,
		.stride = r->n[3],
		.seed = r->n[4],
		.flags = r->n[5],
	};

	return TRY(ioctl(drv, r->n[0], &arg));
}

static int run_drv_sg(const struct row *r)
{
	struct test_hugetlb_sg arg = {
		.offset = r->n[1] + r->huge * size,
		.size = r->n[2] + r->huge2 * size,
		.max_segment = r->n[3],
		.flags = r->n[4],
	};

	return TRY(ioctl(drv, TEST_HUGETLB_SG, &arg));
}

static int run_drv_info(const struct row *r)
{
	struct test_hugetlb_info arg = { .index = r->n[0], .flags = r->n[1] };

	return TRY(ioctl(drv, TEST_HUGETLB_INFO, &arg));
}

static int run_drv_new(const struct row *r) { return TRY(ioctl(drv_new, r->n[0], r->n[1])); }

static int run_dma_map(const struct row *r)
{
	struct test_dma_map arg = {
		.fd = r->n[3] ? file_of(r->n[3] - 1) : r->n[1],
		.dev = r->n[4],
		.flags = r->n[5],
	};
	int err = TRY(ioctl(dma, TEST_DMA_IMPORT, &arg));

	if (!err)
		ioctl(dma, TEST_DMA_RELEASE, &arg.handle);
	return err;
}

/* Of one huge page that is there, or where n[3] says */
static int run_dma_pin(const struct row *r)
{
	char *p = map_two(page_huge, 1);
	struct test_dma_map arg = {
		.addr = r->n[3] ? (unsigned long)r->n[3] : (unsigned long)p + r->n[1],
		.len = bytes(r),
		.dev = r->n[4],
		.flags = r->n[5],
	};
	int err;

	if (p == MAP_FAILED)
		return -1;
	*p = 'x';
	err = TRY(ioctl(dma, TEST_DMA_PIN, &arg));
	if (!err)
		ioctl(dma, TEST_DMA_RELEASE, &arg.handle);
	munmap(p, size);
	return err;
}

static int run_dma_pin_base(const struct row *r)
{
	struct test_dma_map arg = { .addr = (unsigned long)old, .len = size, .flags = 1 };

	(void)r;
	*old = 'o';
	return TRY(ioctl(dma, TEST_DMA_PIN, &arg));
}

static int run_dma_release(const struct row *r)
{
	uint64_t arg = r->n[0];

	return TRY(ioctl(dma, TEST_DMA_RELEASE, &arg));
}

static int run_dma_bytes(const struct row *r)
{
	struct test_dma_bytes arg = {
		.handle = r->n[0] == -1 ? handle : (uint64_t)r->n[0],
		.offset = r->n[1] + r->huge * size,
		.len = r->n[2] + r->huge2 * size,
		.stride = r->n[3],
		.seed = r->n[4],
	};

	return TRY(ioctl(dma, r->n[5] ? TEST_DMA_WRITE : TEST_DMA_VERIFY, &arg));
}

static int run_dma_transfer(const struct row *r)
{
	struct test_dma_transfer arg = { .handle = handle, .len = r->n[0], .flags = r->n[1] };

	return TRY(ioctl(dma, TEST_DMA_TRANSFER, &arg));
}

static int run_dma_adjacent(const struct row *r)
{
	struct test_dma_pair arg = {
		.first = r->n[0] == -1 ? handle : (uint64_t)r->n[0],
		.second = r->n[1] == -1 ? handle : (uint64_t)r->n[1],
	};

	return TRY(ioctl(dma, TEST_DMA_ADJACENT, &arg));
}

static int run_dma_mmap(const struct row *r)
{
	unsigned long at = (r->n[0] == -1 ? handle : (unsigned long)r->n[0]) << TEST_DMA_MMAP_BITS;

	return do_mmap(dma, NULL, r->n[2] + r->huge * size, RW, r->n[3] ?: MAP_SHARED,
		       (at + r->n[1]) * PAGE);
}

static int run_plain_bytes(const struct row *r)
{
	struct test_hugetlb_bytes arg = {
		.offset = r->n[1],
		.len = r->n[2],
		.stride = r->n[3],
		.flags = r->n[4],
	};
	unsigned int cmd = r->n[0];
	int err = TRY(ioctl(vmalloc_dev, cmd, &arg)), err2 = TRY(ioctl(contig_dev, cmd, &arg));

	if (err != err2)
		snprintf(why, sizeof(why), "test_hugetlb_contig gives %s, this %s",
			 strerror(err2), strerror(err));
	return err;
}

static int run_plain_ioctl(const struct row *r)
{
	return TRY(ioctl(vmalloc_dev, r->n[0], r->n[1]));
}

static int run_contig_mmap(const struct row *r)
{
	return do_mmap(contig_dev, NULL, r->n[0], RW, r->n[3] ?: MAP_SHARED, r->n[1]);
}

static int run_bench(const struct row *r)
{
	struct test_hugetlb_bench arg = { .size = r->n[0], .how = r->n[1] };
	int fd = geteuid() ? -1 : open("/dev/test_hugetlb_bench", O_RDWR), err;

	if (fd < 0)
		return -1;
	err = TRY(ioctl(fd, TEST_HUGETLB_BENCH_CREATE, &arg));
	close(fd);
	return err;
}

static int run_bench_ioctl(const struct row *r) { return TRY(ioctl(bench, r->n[0], r->n[1])); }
static int run_bench_mmap(const struct row *r)
{
	return do_mmap(bench, NULL, r->n[0], RW, r->n[3] ?: MAP_SHARED, r->n[1]);
}

/*
 * Modules, by the system call that modprobe makes
 */

static int module_file(const char *name)
{
	return module_open(strcmp(name, "hugetlb_sample") ? "lib" : "samples/hugetlb", name);
}

/* Its parameters are the value of the row. */
static int run_module(const struct row *r)
{
	const char *name = r->call + strlen("load of ");
	int fd = module_file(name), err;

	if (fd < 0)
		return -1;
	err = TRY(syscall(SYS_finit_module, fd, r->value, 0));
	close(fd);
	if (!err && module_unload(name))
		snprintf(why, sizeof(why), "cannot be unloaded");
	return err;
}

static int run_unload(const struct row *r)
{
	return TRY(syscall(SYS_delete_module, r->n[0], O_NONBLOCK));
}

/*
 * sysfs
 */

static int run_fresh(const struct row *r)
{
	char path[160];
	int err;

	if (r->n[1] < 0)
		snprintf(path, sizeof(path), SYS_POOLS "/hugepages-%lukB/fresh_hugepages",
			 size / 1024);
	else
		snprintf(path, sizeof(path), SYS_NODES
			 "/node%ld/hugepages/hugepages-%lukB/fresh_hugepages", r->n[1],
			 size / 1024);
	err = TRY(open(path, r->n[0]));
	if (!err) {
		int fd = result;

		if (r->n[0] != O_RDONLY)
			err = TRY(write(fd, "1", 1));
		close(fd);
	}
	return err;
}

#include "bad_input_table.h"

/*
 * All of them
 */

static int tests, bad;

static bool is_tried(const struct row *r, bool user)
{
	return (user ? r->want_user : r->want_root) != SKIP && !(r->small && size > 2UL << 20);
}

static void run_row(const struct row *r, bool user)
{
	int want = user ? r->want_user : r->want_root, err;
	struct counters before;
	char text[384];

	if (!is_tried(r, user))
		return;
	*why = 0;
	count_all(&before);
	err = r->run(r);
	/* A file may be given back only when a task returns to user space. */
	if (!*why && counters_settle(&before, 5, text, sizeof(text)))
		snprintf(why, sizeof(why), "left afterwards: %s", text);
	if (err != want && !*why)
		snprintf(why, sizeof(why), "%s", err == -1 ? "could not be tried" : "");
	tests++;
	if (err == want && !*why) {
		printf("ok %d - %s %lukB: %s = %s: %s (%s)\n", tests, r->call, size / 1024, r->arg,
		       r->value, want ? strerrorname_np(want) : "done", user ? "nobody" : "root");
		return;
	}
	bad++;
	printf("not ok %d - %s %lukB: %s = %s: %s and not %s (%s) %s\n", tests, r->call,
	       size / 1024, r->arg, r->value, err > 0 ? strerrorname_np(err) : err ? "?" : "done",
	       want ? strerrorname_np(want) : "done", user ? "nobody" : "root", why);
}

static void run_table(const char *call, bool user)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (!call || strstr(table[i].call, call))
			run_row(&table[i], user);
}

static int must_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die("%s", path);
	return fd;
}

static int alloc_buf(int fd_flags)
{
	struct dma_heap_allocation_data data = { .len = size, .fd_flags = fd_flags | O_CLOEXEC };

	if (ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data))
		die("a dma-buf of %lu bytes", size);
	return data.fd;
}

static const char *const modules[] = {
	"hugetlb_sample", "test_hugetlb", "test_hugetlb_bench", "test_hugetlb_dma",
};

static void open_all(void)
{
	struct test_hugetlb_create create = { .nr = 4, .page_size_log = __builtin_ctzl(size) };
	struct test_hugetlb_range range = { .nr = 2, .nid = -1 };
	struct test_dma_map map = { .flags = TEST_DMA_TO_DEVICE | TEST_DMA_FROM_DEVICE };
	char path[64], args[64];
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		fd = module_file(modules[i]);
		snprintf(args, sizeof(args), i ? "" : "nr_pages=1 pool=1 page_size_log=%d",
			 __builtin_ctzl(size));
		if (fd < 0 || module_load(fd, args))
			die("the module %s cannot be loaded", modules[i]);
		close(fd);
	}
	snprintf(device, sizeof(device), "/dev/page-huge-%lukB", size / 1024);
	page_huge = must_open(device, O_RDWR);
	page_huge_ro = must_open(device, O_RDONLY);
	page_huge_wo = must_open(device, O_WRONLY);
	dev_zero = must_open("/dev/zero", O_RDWR);
	udmabuf = must_open("/dev/udmabuf", O_RDWR);
	snprintf(path, sizeof(path), "/dev/dma_heap/hugetlb-%lukB", size / 1024);
	heap = must_open(path, O_RDWR);
	strcat(path, "-contig");
	contig = must_open(path, O_RDWR);
	buf = alloc_buf(O_RDWR);
	buf_ro = alloc_buf(O_RDONLY);
	drv = must_open("/dev/test_hugetlb", O_RDWR);
	drv_new = must_open("/dev/test_hugetlb", O_RDWR);
	dma = must_open("/dev/test_hugetlb_dma", O_RDWR);
	bench = must_open("/dev/test_hugetlb_bench", O_RDWR);
	vmalloc_dev = must_open("/dev/test_hugetlb_vmalloc", O_RDWR);
	contig_dev = must_open("/dev/test_hugetlb_contig", O_RDWR);
	sample = must_open("/dev/hugetlb_sample", O_RDWR);
	sample_base = must_open("/dev/hugetlb_sample_base", O_RDWR);
	regular = must_open("/tmp", O_RDWR | O_TMPFILE);
	/* Two pages and two holes */
	if (ioctl(drv, TEST_HUGETLB_CREATE, &create) ||
	    ioctl(drv, TEST_HUGETLB_POPULATE, &range))
		die("a buffer of the test driver");
	map.fd = buf;
	if (ioctl(dma, TEST_DMA_IMPORT, &map))
		die("TEST_DMA_IMPORT");
	handle = map.handle;
	old = mmap(NULL, 4 * size, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	readonly = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (old == MAP_FAILED || readonly == MAP_FAILED)
		die("mmap");
	old = (char *)round_up((unsigned long)old);
}

static void close_all(void)
{
	const int fds[] = {
		page_huge, page_huge_ro, page_huge_wo, dev_zero, heap, contig, buf, buf_ro,
		udmabuf, drv,		drv_new, dma, bench, vmalloc_dev, contig_dev, sample, sample_base,
		regular,
	};

	/* First the device that has the buffer */
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		if (module_unload(modules[i]))
			die("the module %s cannot be unloaded", modules[i]);
}

static void run_as_nobody(const char *call)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		/* By system calls: those of the C library want all threads told. */
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY))
			die("cannot become nobody");
		prctl(PR_SET_DUMPABLE, 1);
		run_table(call, true);
		fflush(stdout);
		/* What it did goes on in its parent. */
		_exit(bad > 250 ? 250 : bad);
	}
	waitpid(pid, &status, 0);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if ((!call || strstr(table[i].call, call)) && is_tried(&table[i], true))
			tests++;
	if (!WIFEXITED(status)) {
		printf("not ok %d - nobody ended with status %#x\n", ++tests, status);
		bad++;
	} else {
		bad += WEXITSTATUS(status);
	}
}

static unsigned long sizes[POOLS];

static int find_sizes(void)
{
	DIR *d = opendir(SYS_POOLS);
	struct dirent *entry;
	char path[400];
	int nr = 0;

	while (d && nr < POOLS && (entry = readdir(d))) {
		if (strncmp(entry->d_name, "hugepages-", 10))
			continue;
		snprintf(path, sizeof(path), SYS_POOLS "/%.60s/nr_hugepages", entry->d_name);
		/* Two buffers, the sample's, two of the test driver, and two to map */
		if (read_number(path, "") >= 7)
			sizes[nr++] = strtoul(entry->d_name + 10, NULL, 10) << 10;
	}
	if (d)
		closedir(d);
	return nr;
}

int main(int argc, char **argv)
{
	const char *call = argc > 1 ? argv[1] : NULL;
	int nr;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n");
	nr = find_sizes();
	if (geteuid() || !nr)
		die("root is needed, and a pool of 7 huge pages and more");
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		module_unload(modules[i]);

	find_counters();
	for (int i = 0; i < nr; i++) {
		size = sizes[i];
		open_all();
		run_table(call, false);
		run_as_nobody(call);
		close_all();
	}
	size = sizes[0];
	for (size_t i = 0; i < ARRAY_SIZE(module_table); i++)
		if (!call || strstr(module_table[i].call, call))
			run_row(&module_table[i], false);
	if (!tests)
		die("no call has '%s' in it", call ?: "");
	printf("# bad_input: %d calls, %d wrong\n1..%d\n", tests, bad, tests);
	return bad ? 1 : 0;
}
