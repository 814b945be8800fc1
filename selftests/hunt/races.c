// SPDX-License-Identifier: GPL-2.0
/*
 * races: processes and threads that do, at random and at the same time, all that
 * can be done to huge pages of /dev/page-huge, of dma-bufs and of drivers, while
 * the pool grows and shrinks, pages move and break, cgroups and modules come and
 * go, and processes are killed in the middle of it.
 *
 *	races rounds|seconds NUMBER
 *
 * so many rounds, or for so many seconds and, up to three times as many, until each
 * operation was done once;
 *
 * in the environment
 *	SEED, ROUND	run this round alone, again
 *	LIMIT		seconds after which a round is taken for hung (default: 120)
 *
 * What is chosen depends on the seed, the number of the round, and of the process
 * and the thread in it. When it happens does not: the same round again makes the
 * same choices, in the same order in each thread, but what meets what is up to
 * the scheduler.
 *
 * What is checked:
 *
 *  - Each huge page has its owner's mark in several places. A page reads as zero
 *    or as what was written to it; in memory that one thread alone uses, exactly
 *    as that thread knows it. Anything else is somebody else's page, an old one,
 *    or a write that was lost.
 *  - A round ends with everything unmapped, closed and given back. Then all
 *    counters of the pools, the charges of the cgroup, and Committed_AS are what
 *    they were before.
 *  - Nobody dies but those who are killed.
 *  - Each operation succeeds at least once in a run, or the run shows nothing of
 *    it; those that have to be refused never do.
 *
 * To see what the kernel thinks of it is up to who looks at its console.
 *
 * How: a process has slots, places of a few huge pages in its address space, the
 * same in all processes. Some are for all of its threads, where only the marks are
 * looked at; the others belong to one thread each. All that is mapped is mapped
 * into a slot, so a thread that touches what another one has unmapped meets
 * nothing or another mapping of the same kind, and not the stack of a third.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>

#include "gup_test.h"
#include "test_hugetlb_dma_uapi.h"
#include "test_hugetlb_uapi.h"
#include "hunt.h"

#define SIZE		(2UL << 20)
#define PAGE		4096UL
#define WORKERS		2
#define ADMIN		WORKERS
#define PROCS		(WORKERS + 1)
#define THREADS		3
#define COMMON		3		/* slots of all threads */
#define OWN		3		/* slots of each thread */
#define SLOTS		(COMMON + THREADS * OWN)
#define SLOT_PAGES	4
#define SLOT_SIZE	(SLOT_PAGES * SIZE)
#define OBJS		3
#define OPS		400		/* of a thread in a round */
#define ADMIN_OPS	250
#define CHILD_OPS	12
#define POISONS		3		/* in a round */
#define KILLS		4
#define MAX_OPS		100

#define TOP		CGROUP "/races"
#define CGROUPS		3
#define POOL		SYS_POOLS "/hugepages-2048kB"
#define HEAP		"/dev/dma_heap/hugetlb-2048kB"
#define ZERO_PAGE	"/sys/kernel/mm/transparent_hugepage/use_zero_page"
#define GUP_TEST	"/sys/kernel/debug/gup_test"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif

enum result {
	IDLE,		/* there was nothing to do it to */
	DID,
	REFUSED,
};

/* What all processes share */
static struct shared {
	_Atomic uint32_t next_id;
	_Atomic int poisons;
	_Atomic int kills;
	_Atomic int poisoned;
	_Atomic uint64_t pfn[POISONS];
	_Atomic pid_t pid[PROCS];
	_Atomic bool killed[PROCS];
	/* Where each thread is, for one that goes on after a kill */
	_Atomic unsigned int pos[PROCS][THREADS];
	_Atomic int now[PROCS][THREADS];
	_Atomic uint64_t did[MAX_OPS];
	_Atomic uint64_t refused[MAX_OPS];
	_Atomic int failures;
	char failure[1024];
} *shared;

/* What a page of a slot has to have */
enum want { ZERO, MARK, EITHER };

enum kind {
	NONE,
	PRIVATE,	/* /dev/page-huge, or anonymous */
	OBJECT,		/* of an object, shared: any mark of it, or zero */
	OBJECT_PRIVATE,	/* and private: its marks or our own */
	SAMPLE,		/* the buffer of the sample driver */
	SAMPLE_PRIVATE,
};

struct slot {
	char *addr;
	_Atomic enum kind kind;
	bool common;
	int pages;
	uint32_t id;		/* of what we write */
	uint32_t other;		/* of what may be there as well */
	enum want want[SLOT_PAGES];
	unsigned int holes;	/* pages that are not there, a bit each */
	int uffd;
};

/* A dma-buf, or an open /dev/test_hugetlb with a buffer */
enum type { NO_OBJ, BUF, DRV };

struct obj {
	enum type type;
	int fd;
	uint32_t id;
	int pages;
	bool untouched;
	uint64_t handle;	/* of the device that it is mapped for */
};

struct thread {
	int proc;
	int nr;
	bool child;
	uint64_t rng;
	pid_t forked;
	struct obj obj[OBJS];
	int dma;		/* /dev/test_hugetlb_dma */
	uint64_t pinned;
	int gup;		/* has something pinned if >= 0 */
	int ring;
	bool ring_used;
	int pipe[2];
	int piped;
	uint32_t piped_id, piped_other;
	char *copy;		/* a huge page's worth of base pages */
};

static struct slot slots[SLOTS];
static struct thread threads[THREADS];
static char *arena;
static int sock[2];		/* [0] to send, [1] to receive */
static uint64_t seed;
static unsigned int round_nr;
static int nodes;

static __thread sigjmp_buf fault_env;
static __thread volatile sig_atomic_t fault_expected;

static void fail(const char *fmt, ...)
{
	va_list args;
	size_t len;

	if (shared->failures++)
		return;
	va_start(args, fmt);
	len = snprintf(shared->failure, sizeof(shared->failure), "pid %d: ", getpid());
	vsnprintf(shared->failure + len, sizeof(shared->failure) - len, fmt, args);
	va_end(args);
}

/*
 * Numbers that look random: splitmix64 by Steele, Lea and Flood, in the public
 * domain.
 */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static uint32_t rnd(struct thread *t)
{
	t->rng += 0x9e3779b97f4a7c15;
	return mix(t->rng) >> 32;
}

/* What an operation chooses with. All of it is drawn before, whatever is used. */
struct choice {
	uint32_t r[6];
};

/*
 * Memory that may not be there
 */

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	if (fault_expected)
		siglongjmp(fault_env, sig);
	signal(sig, SIG_DFL);
	raise(sig);
}

/* Between these, a fault makes GUARD() return its signal */
#define GUARD() ({							\
	int __sig = sigsetjmp(fault_env, 1);				\
	fault_expected = !__sig;					\
	__sig; })
#define UNGUARD()	(fault_expected = 0)

static const size_t marks[] = { 0, 8, PAGE - 8, PAGE, SIZE / 2 - 8, SIZE / 2 + PAGE, SIZE - 8 };
#define MARKS		ARRAY_SIZE(marks)
#define MAGIC		0xace5UL

static uint64_t mark(uint32_t id, int page, int i)
{
	return MAGIC << 48 | (uint64_t)id << 16 | page << 8 | i;
}

static volatile uint64_t *word(char *addr, int page, int i)
{
	return (volatile uint64_t *)(addr + page * SIZE + marks[i]);
}

/* Is that a word that this page may have? */
static bool word_ok(uint64_t val, const struct slot *s, int page, int i)
{
	return !val || val == mark(s->id, page, i) ||
	       (s->other && val == mark(s->other, page, i));
}

static const char *const kinds[] = {
	[NONE] = "nothing",
	[PRIVATE] = "private memory",
	[OBJECT] = "a shared object",
	[OBJECT_PRIVATE] = "an object, private",
	[SAMPLE] = "the sample's buffer",
	[SAMPLE_PRIVATE] = "the sample's buffer, private",
};

static enum result read_page(struct thread *t, struct slot *s, int page)
{
	volatile size_t i;
	uint64_t val;

	if (GUARD())
		return REFUSED;
	for (i = 0; i < MARKS; i++) {
		val = *word(s->addr, page, i);
		if (!word_ok(val, s, page, i))
			fail("somebody else's data: %#lx at %p, mark %zu of page %d of slot %ld, which has mark %x or %x: %s",
			     val, (void *)word(s->addr, page, i), i, page, s - slots, s->id, s->other,
			     kinds[s->kind]);
		else if (!s->common && s->want[page] == ZERO && val)
			fail("a page that is not zero: %#lx in mark %zu of page %d of slot %ld, %s%s",
			     val, i, page, s - slots, kinds[s->kind], t->child ? ", child" : "");
		else if (!s->common && s->want[page] == MARK && !val)
			fail("a write was lost: zero in mark %zu of page %d of slot %ld, %s%s",
			     i, page, s - slots, kinds[s->kind], t->child ? ", child" : "");
	}
	UNGUARD();
	return DID;
}

static enum result write_page(struct slot *s, int page)
{
	volatile size_t i = 0;

	if (GUARD()) {
		/* Some of it may be there. */
		if (i && s->want[page] == ZERO)
			s->want[page] = EITHER;
		return REFUSED;
	}
	/* Of a shared object there is but one mark. */
	for (; i < MARKS; i++)
		*word(s->addr, page, i) = mark(s->kind == OBJECT || s->kind == SAMPLE ?
					       s->other : s->id, page, i);
	UNGUARD();
	if (s->kind == PRIVATE)
		s->want[page] = MARK;
	return DID;
}

static void want_all(struct slot *s, enum want want)
{
	for (int i = 0; i < SLOT_PAGES; i++)
		s->want[i] = want;
}

static uint32_t new_id(void)
{
	return ++shared->next_id;
}

/* The mark of slots that a process's threads share, and of the sample's buffer */
static uint32_t common_id(int proc)
{
	return 0xc0000000 + (round_nr & 0xffff) * PROCS + proc;
}

static uint32_t sample_id(void)
{
	return 0x80000000 + (round_nr & 0xffff);
}

/*
 * Slots
 */

static struct slot *own_slot(struct thread *t, uint32_t r)
{
	return &slots[COMMON + t->nr * OWN + r % OWN];
}

static struct slot *any_slot(struct thread *t, uint32_t r)
{
	return r % 3 ? own_slot(t, r / 3) : &slots[r / 3 % COMMON];
}

static void slot_uffd_close(struct slot *s)
{
	if (s->uffd >= 0 && !s->common)
		close(s->uffd);
	s->uffd = -1;
}

/* Nothing is there, and nothing else can go there. */
static int slot_clear(struct slot *s)
{
	int err = 0;

	slot_uffd_close(s);
	if (mmap(s->addr, SLOT_SIZE, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != s->addr)
		err = -errno;
	s->kind = NONE;
	s->other = 0;
	s->holes = 0;
	want_all(s, EITHER);
	return err;
}

static enum result slot_set(struct thread *t, struct slot *s, enum kind kind, int pages,
			    uint32_t id, uint32_t other, int prot, int flags, int fd,
			    off_t offset)
{
	void *p;

	slot_uffd_close(s);
	/* What is too short for the slot leaves a hole that is refilled below. */
	p = mmap(s->addr, pages * SIZE, prot, flags | MAP_FIXED, fd, offset);
	if (p == MAP_FAILED) {
		/* What was there may be gone. */
		slot_clear(s);
		return REFUSED;
	}
	if (pages < SLOT_PAGES)
		mmap(s->addr + pages * SIZE, SLOT_SIZE - pages * SIZE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	s->pages = pages;
	s->id = s->common ? common_id(t->proc) : id;
	s->other = other;
	s->holes = 0;
	want_all(s, kind == PRIVATE ? ZERO : EITHER);
	s->kind = kind;
	return DID;
}

/*
 * What workers do
 */

/* Not all of them need both. */
#define OP(name)	static enum result name(struct thread *t __attribute__((unused)), \
						const struct choice *c __attribute__((unused)))
#define R(i)		(c->r[i])

static const char *const page_huge[] = { "/dev/page-huge", "/dev/page-huge-2048kB" };

static enum result map_page_huge(struct thread *t, const struct choice *c, int flags)
{
	struct slot *s = any_slot(t, R(0));
	enum result ret;
	int fd;

	fd = open(page_huge[R(1) & 1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return REFUSED;
	ret = slot_set(t, s, PRIVATE, 1 + R(2) % SLOT_PAGES, new_id(), 0,
		       R(3) % 4 ? PROT_READ | PROT_WRITE : PROT_READ,
		       MAP_PRIVATE | flags, fd, 0);
	close(fd);
	return ret;
}

OP(op_map) { return map_page_huge(t, c, 0); }
OP(op_map_noreserve) { return map_page_huge(t, c, MAP_NORESERVE); }
OP(op_map_populate) { return map_page_huge(t, c, MAP_POPULATE); }

OP(op_map_anon)
{
	return slot_set(t, any_slot(t, R(0)), PRIVATE, 1 + R(2) % SLOT_PAGES, new_id(), 0,
			PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT |
			(R(3) % 2 ? MAP_NORESERVE : 0), -1, 0);
}

/* Not by an address of ours: in a process that has one thread only */
OP(op_map_anywhere)
{
	struct slot tmp = { .kind = PRIVATE, .pages = 1 + R(1) % SLOT_PAGES, .id = new_id(), .uffd = -1 };
	struct slot *s = &tmp;
	enum result ret = DID;
	int fd;

	if (!t->child)
		return IDLE;
	fd = open(page_huge[R(0) & 1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return REFUSED;
	s->addr = mmap(NULL, s->pages * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	close(fd);
	if (s->addr == MAP_FAILED)
		return REFUSED;
	for (int i = 0; i < s->pages && ret == DID; i++) {
		ret = read_page(t, s, i);
		if (ret == DID)
			ret = write_page(s, i);
		if (ret == DID)
			ret = read_page(t, s, i);
	}
	munmap(s->addr, s->pages * SIZE);
	return ret;
}

OP(op_read)
{
	struct slot *s = any_slot(t, R(0));

	return s->kind == NONE ? IDLE : read_page(t, s, R(1) % SLOT_PAGES);
}

OP(op_write)
{
	struct slot *s = any_slot(t, R(0));

	return s->kind == NONE ? IDLE : write_page(s, R(1) % SLOT_PAGES);
}

OP(op_read_all)
{
	struct slot *s = any_slot(t, R(0));
	enum result ret = DID;

	if (s->kind == NONE)
		return IDLE;
	for (int i = 0; i < s->pages && ret == DID; i++)
		ret = read_page(t, s, i);
	return ret;
}

OP(op_munmap)
{
	struct slot *s = any_slot(t, R(0));

	if (s->kind == NONE)
		return IDLE;
	return slot_clear(s) ? REFUSED : DID;
}

/* A part of it, and nothing in its place for a moment */
OP(op_munmap_part)
{
	struct slot *s = any_slot(t, R(0));
	int page = R(1) % SLOT_PAGES;
	char *p = s->addr + page * SIZE;

	if (s->kind == NONE || page >= s->pages)
		return IDLE;
	if (munmap(p, SIZE))
		return REFUSED;
	s->want[page] = EITHER;
	s->holes |= 1U << page;
	mmap(p, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
	     MAP_FIXED_NOREPLACE, -1, 0);
	return DID;
}

/* Common slots swap with common ones only: their marks are the same */
OP(op_mremap)
{
	struct slot *s = any_slot(t, R(0));
	struct slot *to = s->common ? &slots[R(1) % COMMON] : own_slot(t, R(1));
	int pages = s->pages;

	if (s->kind == NONE || s == to)
		return IDLE;
	slot_uffd_close(s);
	/* Nothing of what was there stays behind what comes, but marks of all. */
	if (!to->common)
		slot_clear(to);
	if (mremap(s->addr, pages * SIZE, pages * SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   to->addr) == MAP_FAILED) {
		/* It may have unmapped what was there. */
		if (!to->common)
			slot_clear(to);
		return REFUSED;
	}
	to->pages = pages;
	to->id = s->id;
	to->other = s->other;
	memcpy(to->want, s->want, sizeof(to->want));
	to->holes = s->holes;
	to->kind = s->kind;
	slot_clear(s);
	return DID;
}

OP(op_mremap_part)
{
	struct slot *s = own_slot(t, R(0)), *to = own_slot(t, R(1));
	int page;

	if (s->kind == NONE || s == to || s->pages < 2)
		return IDLE;
	page = R(2) % s->pages;
	slot_clear(to);
	slot_uffd_close(s);
	if (mremap(s->addr + page * SIZE, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   to->addr + page * SIZE) == MAP_FAILED)
		return REFUSED;
	mmap(s->addr + page * SIZE, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
	     MAP_NORESERVE | MAP_FIXED, -1, 0);
	/* And back again: what was there is still there, where it was. */
	if (mremap(to->addr + page * SIZE, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   s->addr + page * SIZE) == MAP_FAILED) {
		s->want[page] = EITHER;
		s->holes |= 1U << page;
		return REFUSED;
	}
	slot_clear(to);
	return DID;
}

OP(op_mremap_shrink)
{
	struct slot *s = own_slot(t, R(0));

	if (s->kind == NONE || s->pages < 2)
		return IDLE;
	if (mremap(s->addr, s->pages * SIZE, SIZE, 0) == MAP_FAILED)
		return REFUSED;
	mmap(s->addr + SIZE, SLOT_SIZE - SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
	     MAP_NORESERVE | MAP_FIXED, -1, 0);
	s->pages = 1;
	return DID;
}

/* Never, be there room behind it or not */
OP(op_mremap_grow)
{
	struct slot *s = own_slot(t, R(0));

	if (s->kind == NONE || s->holes || s->pages == SLOT_PAGES)
		return IDLE;
	munmap(s->addr + s->pages * SIZE, SLOT_SIZE - s->pages * SIZE);
	if (mremap(s->addr, s->pages * SIZE, (s->pages + 1) * SIZE, 0) != MAP_FAILED)
		return DID;
	mmap(s->addr + s->pages * SIZE, SLOT_SIZE - s->pages * SIZE, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	return REFUSED;
}

OP(op_mprotect)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE, };
	struct slot *s = any_slot(t, R(0));
	int page = R(1) % SLOT_PAGES, nr = 1 + R(2) % SLOT_PAGES;

	if (s->kind == NONE || page >= s->pages)
		return IDLE;
	/* What is behind it stays out of reach. */
	if (page + nr > s->pages)
		nr = s->pages - page;
	return mprotect(s->addr + page * SIZE, nr * SIZE, prots[R(3) % 4]) ? REFUSED : DID;
}

static enum result advise(struct thread *t, const struct choice *c, int advice)
{
	struct slot *s = any_slot(t, R(0));
	int page = R(1) % SLOT_PAGES;

	if (s->kind == NONE || page >= s->pages)
		return IDLE;
	return madvise(s->addr + page * SIZE, SIZE, advice) ? REFUSED : DID;
}

OP(op_dontneed)
{
	struct slot *s = any_slot(t, R(0));
	int page = R(1) % SLOT_PAGES;
	enum result ret = advise(t, c, MADV_DONTNEED);

	if (ret == DID && s->kind == PRIVATE)
		s->want[page] = ZERO;
	return ret;
}

OP(op_populate_read) { return advise(t, c, MADV_POPULATE_READ); }
OP(op_populate_write) { return advise(t, c, MADV_POPULATE_WRITE); }
OP(op_willneed) { return advise(t, c, MADV_WILLNEED); }

/* What nothing that can be in a slot allows; in a hole there is something else. */
static enum result advise_never(struct thread *t, const struct choice *c, int advice)
{
	struct slot *s = own_slot(t, R(0));
	int page = R(1) % SLOT_PAGES;

	if (s->kind == NONE || page >= s->pages || (s->holes & 1U << page))
		return IDLE;
	return madvise(s->addr + page * SIZE, SIZE, advice) ? REFUSED : DID;
}

OP(op_cold) { return advise_never(t, c, MADV_COLD); }
OP(op_pageout) { return advise_never(t, c, MADV_PAGEOUT); }
OP(op_madv_remove) { return advise_never(t, c, MADV_REMOVE); }
OP(op_dontfork) { return advise(t, c, R(2) % 2 ? MADV_DONTFORK : MADV_DOFORK); }

OP(op_mlock)
{
	struct slot *s = any_slot(t, R(0));
	int page = R(1) % SLOT_PAGES;

	if (s->kind == NONE || page >= s->pages)
		return IDLE;
	if (R(2) % 3 == 0)
		return munlock(s->addr, s->pages * SIZE) ? REFUSED : DID;
	return mlock2(s->addr + page * SIZE, SIZE, R(2) % 3 == 1 ? MLOCK_ONFAULT : 0) ?
	       REFUSED : DID;
}

static void run_ops(struct thread *t, unsigned int count);

static void reap(struct thread *t, bool kill_it)
{
	if (!t->forked)
		return;
	if (kill_it)
		kill(t->forked, SIGKILL);
	/* Whoever died otherwise than by us has said so itself, in main(). */
	waitid(P_PID, t->forked, NULL, WEXITED | WNOWAIT);
	t->forked = 0;
}

/* A child with one thread, which goes on with copies of all that there is */
OP(op_fork)
{
	pid_t pid;

	if (t->child)
		return IDLE;
	reap(t, R(0) % 2);
	/* Either of them may write to them now. */
	for (int i = 0; i < OBJS; i++)
		t->obj[i].untouched = false;
	pid = fork();
	if (pid < 0)
		return REFUSED;
	if (pid) {
		t->forked = pid;
		return DID;
	}
	t->child = true;
	/* userfaultfds are the parent's, and not registered here. */
	run_ops(t, CHILD_OPS);
	_exit(0);
}

OP(op_reap)
{
	if (!t->forked)
		return IDLE;
	reap(t, R(0) % 2);
	return DID;
}

/*
 * userfaultfd. Nobody answers faults: they are SIGBUS, or with WP_ASYNC nobody has
 * to be asked.
 */

static enum result uffd_open(struct thread *t, const struct choice *c, uint64_t features,
			     uint64_t mode)
{
	struct slot *s = own_slot(t, R(0));
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffdio_register reg = { .mode = mode };

	if (s->kind == NONE || t->child)
		return IDLE;
	slot_uffd_close(s);
	s->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (s->uffd < 0)
		return REFUSED;
	reg.range.start = (unsigned long)s->addr;
	reg.range.len = s->pages * SIZE;
	if (ioctl(s->uffd, UFFDIO_API, &api) || ioctl(s->uffd, UFFDIO_REGISTER, &reg)) {
		slot_uffd_close(s);
		return REFUSED;
	}
	return DID;
}

OP(op_uffd_missing)
{
	return uffd_open(t, c, UFFD_FEATURE_SIGBUS, UFFDIO_REGISTER_MODE_MISSING);
}

OP(op_uffd_wp)
{
	return uffd_open(t, c, UFFD_FEATURE_SIGBUS, UFFDIO_REGISTER_MODE_WP |
			 (R(3) % 2 ? UFFDIO_REGISTER_MODE_MISSING : 0));
}

OP(op_uffd_wp_async)
{
	return uffd_open(t, c, UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED |
			 UFFD_FEATURE_WP_HUGETLBFS_SHMEM, UFFDIO_REGISTER_MODE_WP);
}

OP(op_uffd_copy)
{
	struct slot *s = own_slot(t, R(0));
	int page = R(1) % SLOT_PAGES;
	struct uffdio_copy copy = {
		.dst = (unsigned long)s->addr + page * SIZE,
		.src = (unsigned long)t->copy,
		.len = SIZE,
	};

	if (s->kind != PRIVATE || t->child)
		return IDLE;
	if (s->uffd < 0 && op_uffd_missing(t, c) != DID)
		return REFUSED;
	/* Over what is there it is refused. */
	if (R(2) % 4 && !madvise(s->addr + page * SIZE, SIZE, MADV_DONTNEED))
		s->want[page] = ZERO;
	for (size_t i = 0; i < MARKS; i++)
		*word(t->copy, 0, i) = mark(s->id, page, i);
	if (ioctl(s->uffd, UFFDIO_COPY, &copy))
		return REFUSED;
	s->want[page] = MARK;
	return DID;
}

OP(op_uffd_protect)
{
	struct slot *s = own_slot(t, R(0));
	struct uffdio_writeprotect wp = {
		.range = {
			.start = (unsigned long)s->addr + R(1) % SLOT_PAGES * SIZE,
			.len = SIZE,
		},
		.mode = R(2) % 2 ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	if (s->kind == NONE || s->uffd < 0 || t->child)
		return IDLE;
	return ioctl(s->uffd, UFFDIO_WRITEPROTECT, &wp) ? REFUSED : DID;
}

OP(op_uffd_close)
{
	struct slot *s = own_slot(t, R(0));

	if (s->uffd < 0 || t->child)
		return IDLE;
	slot_uffd_close(s);
	return DID;
}

/*
 * Pages in somebody else's hands
 */

/* As word_ok(), of data that were copied from @page of @s */
static void check_copy(const struct slot *s, const uint64_t *val, int page, const char *how)
{
	/* At the beginning of a huge page */
	for (int i = 0; i < 2; i++)
		if (!word_ok(val[i], s, page, i))
			fail("somebody else's data by %s: %#lx in mark %d of page %d of slot %ld, which has mark %x or %x: %s",
			     how, val[i], i, page, s - slots, s->id, s->other, kinds[s->kind]);
}

/* A pipe with a page of a slot in it */
OP(op_vmsplice)
{
	struct slot *s = own_slot(t, R(0));
	int page = R(1) % SLOT_PAGES;
	struct iovec iov = { s->addr + page * SIZE, 16 };

	if (s->kind == NONE || t->child || t->piped)
		return IDLE;
	if (vmsplice(t->pipe[1], &iov, 1, SPLICE_F_NONBLOCK) != 16)
		return REFUSED;
	t->piped = page + 1;
	t->piped_id = s->id;
	t->piped_other = s->other;
	return DID;
}

OP(op_pipe_read)
{
	struct slot tmp = { .id = t->piped_id, .other = t->piped_other, .kind = NONE };
	uint64_t val[2];

	if (!t->piped || t->child)
		return IDLE;
	if (read(t->pipe[0], val, sizeof(val)) != sizeof(val))
		return REFUSED;
	check_copy(&tmp, val, t->piped - 1, "vmsplice");
	t->piped = 0;
	return DID;
}

/* Of this process, or of the common slots of another one */
OP(op_process_vm_readv)
{
	struct slot *s = any_slot(t, R(0)), other;
	int proc = s->common ? (int)(R(1) % WORKERS) : t->proc;
	int page = R(2) % SLOT_PAGES;
	uint64_t val[2];
	struct iovec local = { val, sizeof(val) };
	struct iovec remote = { s->addr + page * SIZE, sizeof(val) };
	pid_t pid = proc == t->proc ? getpid() : shared->pid[proc];

	if (pid <= 0)
		return IDLE;
	other = *s;
	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != sizeof(val))
		return REFUSED;
	if (proc != t->proc) {
		other.id = common_id(proc);
		other.other = 0;
	}
	check_copy(&other, val, page, "process_vm_readv");
	return DID;
}

OP(op_process_vm_writev)
{
	struct slot *s = &slots[R(0) % COMMON];
	int proc = R(1) % WORKERS, page = R(2) % SLOT_PAGES;
	uint64_t val[2] = { mark(common_id(proc), page, 0), mark(common_id(proc), page, 1) };
	struct iovec local = { val, sizeof(val) };
	struct iovec remote = { s->addr + page * SIZE, sizeof(val) };
	pid_t pid = shared->pid[proc];

	if (pid <= 0)
		return IDLE;
	return process_vm_writev(pid, &local, 1, &remote, 1, 0) == sizeof(val) ? DID : REFUSED;
}

/* What a debugger does: to read-only memory as well */
OP(op_proc_mem)
{
	struct slot *s = &slots[R(0) % COMMON];
	int proc = R(1) % WORKERS, page = R(2) % SLOT_PAGES;
	uint64_t val[2] = { mark(common_id(proc), page, 0), mark(common_id(proc), page, 1) };
	pid_t pid = shared->pid[proc];
	char path[40];
	ssize_t len;
	int fd;

	if (pid <= 0)
		return IDLE;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return REFUSED;
	len = pwrite(fd, val, sizeof(val), (off_t)(s->addr + page * SIZE));
	close(fd);
	return len == sizeof(val) ? DID : REFUSED;
}

static const char *const proc_files[] = {
	"/proc/self/smaps", "/proc/self/numa_maps", "/proc/self/smaps_rollup",
};

OP(op_proc_maps)
{
	char text[2048];
	int fd = open(proc_files[R(0) % 3], O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return REFUSED;
	while ((len = read(fd, text, sizeof(text))) > 0)
		;
	close(fd);
	return len ? REFUSED : DID;
}

static uint64_t pagemap_pfn(char *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t val = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &val, sizeof(val), (unsigned long)addr / PAGE * 8) != sizeof(val) ||
	    !(val >> 63))
		val = 0;
	close(fd);
	return val & ((1UL << 55) - 1);
}

OP(op_pagemap)
{
	struct slot *s = any_slot(t, R(0));

	return pagemap_pfn(s->addr + R(1) % SLOT_PAGES * SIZE) ? DID : REFUSED;
}

OP(op_pagemap_scan)
{
	struct page_region regions[8];
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = (unsigned long)arena,
		.end = (unsigned long)arena + SLOTS * SLOT_SIZE,
		.vec = (unsigned long)regions,
		.vec_len = ARRAY_SIZE(regions),
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_PFNZERO,
		.return_mask = PAGE_IS_PRESENT | PAGE_IS_PFNZERO | PAGE_IS_FILE,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return REFUSED;
	ret = ioctl(fd, PAGEMAP_SCAN, &arg);
	close(fd);
	return ret < 0 ? REFUSED : DID;
}

OP(op_ring_register)
{
	struct slot *s = own_slot(t, R(0));
	struct iovec iov = { s->addr, SIZE };

	if (s->kind == NONE || t->ring < 0 || t->ring_used || t->child)
		return IDLE;
	if (syscall(SYS_io_uring_register, t->ring, IORING_REGISTER_BUFFERS, &iov, 1))
		return REFUSED;
	t->ring_used = true;
	return DID;
}

OP(op_ring_unregister)
{
	if (!t->ring_used || t->child)
		return IDLE;
	if (syscall(SYS_io_uring_register, t->ring, IORING_UNREGISTER_BUFFERS, NULL, 0))
		return REFUSED;
	t->ring_used = false;
	return DID;
}

/* A pin for long, by gup_test: one for each open file of it */
OP(op_pin)
{
	struct slot *s = own_slot(t, R(0));
	struct pin_longterm_test arg = {
		.addr = (unsigned long)s->addr,
		.size = SIZE,
		.flags = (R(1) % 2 ? PIN_LONGTERM_TEST_FLAG_USE_WRITE : 0) |
			 (R(2) % 2 ? PIN_LONGTERM_TEST_FLAG_USE_FAST : 0),
	};

	if (s->kind == NONE || t->gup >= 0 || t->child)
		return IDLE;
	t->gup = open(GUP_TEST, O_RDWR | O_CLOEXEC);
	if (t->gup < 0)
		return REFUSED;
	if (ioctl(t->gup, PIN_LONGTERM_TEST_START, &arg)) {
		close(t->gup);
		t->gup = -1;
		return REFUSED;
	}
	return DID;
}

OP(op_unpin)
{
	if (t->gup < 0 || t->child)
		return IDLE;
	if (R(0) % 2)
		ioctl(t->gup, PIN_LONGTERM_TEST_STOP);
	close(t->gup);
	t->gup = -1;
	return DID;
}

/*
 * NUMA, and pages that break
 */

OP(op_move_pages)
{
	struct slot *s = any_slot(t, R(0));
	void *addr = s->addr + R(1) % SLOT_PAGES * SIZE;
	int node = R(2) % nodes, status;

	if (s->kind == NONE)
		return IDLE;
	if (syscall(SYS_move_pages, 0, 1, &addr, &node, &status, MPOL_MF_MOVE))
		return REFUSED;
	return status == node ? DID : REFUSED;
}

OP(op_mbind)
{
	static const int modes[] = { MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE };
	struct slot *s = any_slot(t, R(0));
	unsigned long mask = 1UL << R(1) % nodes;
	int mode = modes[R(2) % 4];

	if (s->kind == NONE)
		return IDLE;
	return syscall(SYS_mbind, s->addr, s->pages * SIZE, mode,
		       mode == MPOL_DEFAULT ? NULL : &mask, 64,
		       R(3) % 2 ? MPOL_MF_MOVE : 0) ? REFUSED : DID;
}

OP(op_set_mempolicy)
{
	unsigned long mask = 1UL << R(0) % nodes;
	int mode = R(1) % 3 ? MPOL_DEFAULT : MPOL_PREFERRED;

	return syscall(SYS_set_mempolicy, mode, mode == MPOL_DEFAULT ? NULL : &mask, 64) ?
	       REFUSED : DID;
}

/* 0, -1, or the signal that tells the caller of the broken page */
static int madvise_guarded(char *p, int advice)
{
	int ret = GUARD();

	if (!ret)
		ret = madvise(p, PAGE, advice);
	UNGUARD();
	return ret;
}

/*
 * A few in a round. The pool is one page less afterwards: main() puts the page
 * right again.
 */
static enum result offline(struct thread *t, const struct choice *c, int advice)
{
	struct slot *s = own_slot(t, R(0));
	int page = R(1) % SLOT_PAGES, nr, ret;
	char *p = s->addr + page * SIZE;
	uint64_t pfn;

	if (s->kind != PRIVATE || s->uffd >= 0 || t->gup >= 0 || t->ring_used || t->pinned ||
	    t->piped || t->child)
		return IDLE;
	if (write_page(s, page) != DID)
		return IDLE;
	nr = shared->poisons++;
	if (nr >= POISONS) {
		shared->poisons--;
		return IDLE;
	}
	pfn = pagemap_pfn(p);
	ret = madvise_guarded(p, advice);
	if (ret < 0)
		shared->poisons--;
	else
		shared->pfn[shared->poisoned++ % POISONS] = pfn;
	if (advice == MADV_HWPOISON)
		slot_clear(s);
	return ret < 0 ? REFUSED : DID;
}

OP(op_soft_offline) { return offline(t, c, MADV_SOFT_OFFLINE); }
OP(op_hwpoison) { return offline(t, c, MADV_HWPOISON); }

/*
 * Objects: dma-bufs, and buffers of the test driver
 */

static void obj_drop(struct obj *o)
{
	if (o->type != NO_OBJ)
		close(o->fd);
	o->type = NO_OBJ;
	o->fd = -1;
	o->handle = 0;
}

static struct obj *get_obj(struct thread *t, uint32_t r, enum type type)
{
	for (int i = 0; i < OBJS; i++) {
		struct obj *o = &t->obj[(r + i) % OBJS];

		if (o->type == type)
			return o;
	}
	return NULL;
}

static int dma_open(struct thread *t)
{
	if (t->dma < 0)
		t->dma = open("/dev/test_hugetlb_dma", O_RDWR | O_CLOEXEC);
	return t->dma;
}

static enum result heap_alloc(struct thread *t, const struct choice *c, const char *heap)
{
	struct obj *o = &t->obj[R(0) % OBJS];
	struct dma_heap_allocation_data data = {
		.len = (1 + R(1) % SLOT_PAGES) * SIZE,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int fd = open(heap, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return REFUSED;
	err = ioctl(fd, DMA_HEAP_IOCTL_ALLOC, &data);
	close(fd);
	if (err)
		return REFUSED;
	obj_drop(o);
	*o = (struct obj){
		.type = BUF,
		.fd = data.fd,
		.id = new_id(),
		.pages = data.len / SIZE,
		.untouched = true,
	};
	return DID;
}

OP(op_heap_alloc) { return heap_alloc(t, c, HEAP); }
OP(op_heap_alloc_contig) { return heap_alloc(t, c, HEAP "-contig"); }

OP(op_obj_close)
{
	struct obj *o = &t->obj[R(0) % OBJS];

	if (o->type == NO_OBJ)
		return IDLE;
	obj_drop(o);
	return DID;
}

OP(op_buf_map)
{
	struct obj *o = get_obj(t, R(0), BUF);
	int first, pages;

	if (!o)
		return IDLE;
	o->untouched = false;
	/* From the beginning: a page's mark says which one it is. */
	first = 0;
	pages = 1 + R(1) % o->pages;
	return slot_set(t, own_slot(t, R(2)), OBJECT, pages, 0, o->id, PROT_READ | PROT_WRITE,
			MAP_SHARED | (R(3) % 4 ? 0 : MAP_POPULATE), o->fd, first * SIZE);
}

/* As page frames: not as many as a huge page */
OP(op_buf_map_frames)
{
	struct obj *o = get_obj(t, R(0), BUF);
	struct slot *s = own_slot(t, R(1)), tmp = { .uffd = -1 };

	if (!o)
		return IDLE;
	o->untouched = false;
	slot_clear(s);
	if (mmap(s->addr, SIZE / 2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, o->fd, 0) ==
	    MAP_FAILED)
		return REFUSED;
	tmp.addr = s->addr;
	tmp.id = tmp.other = o->id;
	if (GUARD()) {
		slot_clear(s);
		return REFUSED;
	}
	for (int i = 0; i < 5; i++) {
		if (!word_ok(*word(s->addr, 0, i), &tmp, 0, i))
			fail("somebody else's data in page frames of a dma-buf: %#lx",
			     *word(s->addr, 0, i));
		*word(s->addr, 0, i) = mark(o->id, 0, i);
	}
	UNGUARD();
	slot_clear(s);
	return DID;
}

OP(op_buf_sync)
{
	struct obj *o = get_obj(t, R(0), BUF);
	struct dma_buf_sync sync = {
		.flags = DMA_BUF_SYNC_RW | (R(1) % 2 ? DMA_BUF_SYNC_END : DMA_BUF_SYNC_START),
	};

	if (!o)
		return IDLE;
	return ioctl(o->fd, DMA_BUF_IOCTL_SYNC, &sync) ? REFUSED : DID;
}

/* What nobody has written to has to be zero, as the kernel sees it, too. */
OP(op_buf_import)
{
	struct obj *o = get_obj(t, R(0), BUF);
	struct test_dma_map map = {
		.dev = R(1) % 3,
		.flags = 1 + R(2) % 3,
	};
	struct test_dma_bytes bytes = { .stride = 64 };

	if (!o || o->handle || dma_open(t) < 0)
		return IDLE;
	map.fd = o->fd;
	if (ioctl(t->dma, TEST_DMA_IMPORT, &map))
		return REFUSED;
	o->handle = map.handle;
	bytes.handle = map.handle;
	bytes.len = map.len;
	if (o->untouched && ioctl(t->dma, TEST_DMA_VERIFY, &bytes) && errno == EBADMSG)
		fail("a fresh dma-buf of %d pages is not zero", o->pages);
	return DID;
}

OP(op_buf_release)
{
	struct obj *o = get_obj(t, R(0), BUF);
	uint64_t handle;

	if (!o || !o->handle || t->dma < 0)
		return IDLE;
	handle = o->handle;
	o->handle = 0;
	return ioctl(t->dma, TEST_DMA_RELEASE, &handle) ? REFUSED : DID;
}

OP(op_buf_map_importer)
{
	struct obj *o = get_obj(t, R(0), BUF);

	if (!o || !o->handle || t->dma < 0)
		return IDLE;
	o->untouched = false;
	return slot_set(t, own_slot(t, R(1)), OBJECT, o->pages, 0, o->id,
			PROT_READ | PROT_WRITE, MAP_SHARED, t->dma,
			(off_t)(o->handle << TEST_DMA_MMAP_BITS) * PAGE);
}

OP(op_dma_pin)
{
	struct slot *s = own_slot(t, R(0));
	struct test_dma_map map = {
		.addr = (unsigned long)s->addr,
		.len = SIZE,
		.dev = R(1) % 3,
		.flags = 1 + R(2) % 3,
	};

	if (s->kind == NONE || t->pinned || t->child || dma_open(t) < 0)
		return IDLE;
	if (ioctl(t->dma, TEST_DMA_PIN, &map))
		return REFUSED;
	t->pinned = map.handle;
	return DID;
}

OP(op_dma_unpin)
{
	uint64_t handle = t->pinned;

	if (!handle || t->dma < 0)
		return IDLE;
	/* A child has a copy of the number, and the same open device. */
	if (t->child)
		return IDLE;
	t->pinned = 0;
	return ioctl(t->dma, TEST_DMA_RELEASE, &handle) ? REFUSED : DID;
}

/* The open device, with all that was given to it; what it has goes with it. */
OP(op_dma_close)
{
	if (t->dma < 0)
		return IDLE;
	close(t->dma);
	t->dma = -1;
	t->pinned = 0;
	for (int i = 0; i < OBJS; i++)
		t->obj[i].handle = 0;
	return DID;
}

struct message {
	int type;
	uint32_t id;
	int pages;
	uint32_t round;
};

OP(op_send)
{
	struct obj *o = &t->obj[R(0) % OBJS];
	struct message m = { o->type, o->id, o->pages, round_nr };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { 0 };
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.buf,
		.msg_controllen = sizeof(u.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	if (o->type == NO_OBJ)
		return IDLE;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &o->fd, sizeof(int));
	o->untouched = false;
	return sendmsg(sock[0], &msg, MSG_DONTWAIT) < 0 ? REFUSED : DID;
}

OP(op_receive)
{
	struct obj *o = &t->obj[R(0) % OBJS];
	struct message m;
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { 0 };
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.buf,
		.msg_controllen = sizeof(u.buf),
	};
	struct cmsghdr *cmsg;

	if (recvmsg(sock[1], &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(m))
		return REFUSED;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return REFUSED;
	obj_drop(o);
	*o = (struct obj){ .type = m.type, .id = m.id, .pages = m.pages };
	memcpy(&o->fd, CMSG_DATA(cmsg), sizeof(int));
	return DID;
}

OP(op_drv_create)
{
	struct obj *o = &t->obj[R(0) % OBJS];
	struct test_hugetlb_create create = {
		.nr = SLOT_PAGES,
		.page_size_log = R(1) % 2 ? 21 : 0,
		.flags = R(2) % 3 ? 0 : TEST_HUGETLB_RESERVE,
	};
	int fd = open("/dev/test_hugetlb", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return REFUSED;
	if (ioctl(fd, TEST_HUGETLB_CREATE, &create)) {
		close(fd);
		return REFUSED;
	}
	obj_drop(o);
	*o = (struct obj){ .type = DRV, .fd = fd, .id = new_id(), .pages = SLOT_PAGES };
	return DID;
}

static enum result drv_range(struct thread *t, const struct choice *c, unsigned long cmd,
			     uint64_t flags)
{
	struct obj *o = get_obj(t, R(0), DRV);
	struct test_hugetlb_range range = {
		.index = R(1) % SLOT_PAGES,
		.nr = 1 + (R(2) % 3 == 0),
		.nid = flags && R(3) % 2 ? (int)(R(4) % nodes) : -1,
		.flags = flags,
	};

	if (!o)
		return IDLE;
	/* Some of them may have been done before the error. */
	return ioctl(o->fd, cmd, &range) ? REFUSED : DID;
}

OP(op_drv_add) { return drv_range(t, c, TEST_HUGETLB_ADD, TEST_HUGETLB_ZERO); }
OP(op_drv_add_account)
{
	return drv_range(t, c, TEST_HUGETLB_ADD, TEST_HUGETLB_ZERO | TEST_HUGETLB_ACCOUNT);
}
OP(op_drv_populate) { return drv_range(t, c, TEST_HUGETLB_POPULATE, 0); }
OP(op_drv_remove) { return drv_range(t, c, TEST_HUGETLB_REMOVE, 0); }
OP(op_drv_keep) { return drv_range(t, c, TEST_HUGETLB_KEEP, 0); }
OP(op_drv_hold) { return drv_range(t, c, TEST_HUGETLB_HOLD, 0); }

/* Of the page that there is one of, wherever that is */
static enum result drv_any(struct thread *t, const struct choice *c, unsigned long cmd)
{
	struct obj *o = get_obj(t, R(0), DRV);
	struct test_hugetlb_range range = { .nid = -1 };

	if (!o)
		return IDLE;
	for (int i = 0; i < SLOT_PAGES; i++) {
		range.index = i;
		range.nr = 1;
		if (!ioctl(o->fd, cmd, &range))
			return DID;
	}
	return REFUSED;
}

OP(op_drv_readd) { return drv_any(t, c, TEST_HUGETLB_READD); }
OP(op_drv_unhold) { return drv_any(t, c, TEST_HUGETLB_UNHOLD); }

OP(op_drv_sg)
{
	struct obj *o = get_obj(t, R(0), DRV);
	struct test_hugetlb_sg sg = { .size = (1 + R(1) % SLOT_PAGES) * SIZE };

	if (!o)
		return IDLE;
	/* From one page that is there on, or of all */
	for (; sg.offset + sg.size <= SLOT_PAGES * SIZE; sg.offset += SIZE)
		if (!ioctl(o->fd, TEST_HUGETLB_SG, &sg))
			return DID;
	return REFUSED;
}

OP(op_drv_info)
{
	struct obj *o = get_obj(t, R(0), DRV);
	struct test_hugetlb_info info = { .index = R(1) % SLOT_PAGES };

	if (!o)
		return IDLE;
	return ioctl(o->fd, TEST_HUGETLB_INFO, &info) ? REFUSED : DID;
}

OP(op_drv_drop)
{
	struct obj *o = get_obj(t, R(0), DRV);

	if (!o)
		return IDLE;
	return ioctl(o->fd, TEST_HUGETLB_DROP) ? REFUSED : DID;
}

OP(op_drv_map)
{
	struct obj *o = get_obj(t, R(0), DRV);

	if (!o)
		return IDLE;
	return slot_set(t, own_slot(t, R(1)), OBJECT, SLOT_PAGES, 0, o->id,
			PROT_READ | PROT_WRITE, MAP_SHARED, o->fd, 0);
}

/*
 * Pages that are removed while a child looks at them through base pages, and that
 * somebody else has at once: the child sees them, or nothing, but never what the
 * next one has written.
 */
OP(op_drv_remove_seen)
{
	struct slot *s = own_slot(t, R(1)), *to = own_slot(t, R(1) + 1);
	struct obj *o = get_obj(t, R(0), DRV);
	struct test_hugetlb_range range = { .nid = -1 };
	enum result ret = REFUSED;
	pid_t pid;
	int fd;

	if (!o || t->child)
		return IDLE;
	for (range.index = 0; range.index < SLOT_PAGES; range.index++) {
		range.nr = 1;
		ioctl(o->fd, TEST_HUGETLB_POPULATE, &range);
	}
	fd = ioctl(o->fd, TEST_HUGETLB_BASE);
	if (fd < 0)
		return REFUSED;
	if (slot_set(t, s, OBJECT, SLOT_PAGES, 0, o->id, PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0) == DID)
		for (int i = 0; i < SLOT_PAGES; i++)
			write_page(s, i);
	close(fd);
	if (s->kind != OBJECT)
		return REFUSED;
	pid = fork();
	if (!pid) {
		t->child = true;
		for (int n = 0; n < 150 && !shared->failures; n++) {
			for (int i = 0; i < SLOT_PAGES; i++)
				read_page(t, s, i);
			usleep(1000);
		}
		_exit(0);
	}
	for (range.index = 0; pid > 0 && range.index < SLOT_PAGES; range.index++) {
		range.nr = 1;
		if (!ioctl(o->fd, TEST_HUGETLB_REMOVE, &range))
			ret = DID;
	}
	fd = open(page_huge[0], O_RDWR | O_CLOEXEC);
	if (slot_set(t, to, PRIVATE, SLOT_PAGES, new_id(), 0, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE, fd, 0) == DID)
		for (int i = 0; i < SLOT_PAGES; i++)
			write_page(to, i);
	close(fd);
	if (pid > 0)
		waitid(P_PID, pid, NULL, WEXITED | WNOWAIT);
	for (int i = 0; i < SLOT_PAGES; i++)
		read_page(t, s, i);
	return ret;
}

OP(op_drv_map_private)
{
	struct obj *o = get_obj(t, R(0), DRV);

	if (!o)
		return IDLE;
	return slot_set(t, own_slot(t, R(1)), OBJECT_PRIVATE, SLOT_PAGES, new_id(), o->id,
			PROT_READ | PROT_WRITE, MAP_PRIVATE | (R(2) % 2 ? MAP_NORESERVE : 0),
			o->fd, 0);
}

OP(op_drv_map_base)
{
	struct obj *o = get_obj(t, R(0), DRV);
	enum result ret;
	int fd;

	if (!o)
		return IDLE;
	fd = ioctl(o->fd, TEST_HUGETLB_BASE);
	if (fd < 0)
		return REFUSED;
	ret = slot_set(t, own_slot(t, R(1)), OBJECT, SLOT_PAGES, 0, o->id,
		       PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return ret;
}

static enum result map_sample(struct thread *t, const struct choice *c, const char *dev,
			      enum kind kind)
{
	int fd = open(dev, O_RDWR | O_CLOEXEC);
	enum result ret;

	if (fd < 0)
		return REFUSED;
	ret = slot_set(t, own_slot(t, R(0)), kind, 1 + R(1) % 2, new_id(), sample_id(),
		       PROT_READ | PROT_WRITE, kind == SAMPLE ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	close(fd);
	return ret;
}

OP(op_sample_map) { return map_sample(t, c, "/dev/hugetlb_sample", SAMPLE); }
OP(op_sample_map_private) { return map_sample(t, c, "/dev/hugetlb_sample", SAMPLE_PRIVATE); }
OP(op_sample_map_base) { return map_sample(t, c, "/dev/hugetlb_sample_base", SAMPLE); }

OP(op_dev_read)
{
	uint64_t val[64];
	int fd = open(page_huge[R(0) & 1], O_RDWR | O_CLOEXEC);
	enum result ret = REFUSED;

	if (fd < 0)
		return REFUSED;
	memset(val, 0xaa, sizeof(val));
	if (read(fd, val, sizeof(val)) == sizeof(val) && write(fd, val, 8) == 8)
		ret = DID;
	for (size_t i = 0; ret == DID && i < ARRAY_SIZE(val); i++)
		if (val[i])
			fail("/dev/page-huge reads %#lx", val[i]);
	close(fd);
	return ret;
}

/* Of the whole process, to a cgroup that may just be going */
OP(op_cgroup_join)
{
	char path[80];

	if (R(0) % 4 == 0)
		snprintf(path, sizeof(path), TOP "/cgroup.procs");
	else
		snprintf(path, sizeof(path), TOP "/%d/cgroup.procs", R(0) % CGROUPS);
	return write_text(path, "0") ? REFUSED : DID;
}

/*
 * What the administrator does
 */

static long base_pool[NODES], base_overcommit, base_zero, base_broken;

static int set_pool(int node, long pages)
{
	char path[120];

	snprintf(path, sizeof(path), SYS_NODES "/node%d/hugepages/hugepages-2048kB/nr_hugepages",
		 node);
	return write_number(path, pages);
}

OP(op_pool)
{
	int node = R(0) % nodes;
	long base = base_pool[node];

	return set_pool(node, base / 4 + R(1) % (base + 1)) ? REFUSED : DID;
}

OP(op_overcommit)
{
	static const int values[] = { 0, 0, 8, 32 };

	return write_number(POOL "/nr_overcommit_hugepages", values[R(0) % 4]) ? REFUSED : DID;
}

OP(op_cgroup_make)
{
	char path[80];

	snprintf(path, sizeof(path), TOP "/%d", R(0) % CGROUPS);
	return mkdir(path, 0755) ? REFUSED : DID;
}

OP(op_cgroup_limit)
{
	char path[80];

	snprintf(path, sizeof(path), TOP "/%d/hugetlb.2MB.%s", R(0) % CGROUPS,
		 R(1) % 2 ? "max" : "rsvd.max");
	return write_number(path, R(2) % 24 * SIZE) ? REFUSED : DID;
}

OP(op_cgroup_unlimit)
{
	char path[80];

	snprintf(path, sizeof(path), TOP "/%d/hugetlb.2MB.%s", R(0) % CGROUPS,
		 R(1) % 2 ? "max" : "rsvd.max");
	return write_text(path, "max") ? REFUSED : DID;
}

/* Everybody out, and off with it, whatever was charged there */
OP(op_cgroup_remove)
{
	char path[80];

	snprintf(path, sizeof(path), TOP "/%d/cgroup.procs", R(0) % CGROUPS);
	for (int i = 0; i < PROCS; i++) {
		char pid[16];

		snprintf(pid, sizeof(pid), "%d", shared->pid[i]);
		if (shared->pid[i] > 0)
			write_text(TOP "/cgroup.procs", pid);
	}
	*strrchr(path, '/') = 0;
	return rmdir(path) ? REFUSED : DID;
}

OP(op_drop_caches)
{
	return write_number("/proc/sys/vm/drop_caches", 1 + R(0) % 3) ? REFUSED : DID;
}

OP(op_compact)
{
	char path[64];

	if (R(0) % 2)
		return write_text("/proc/sys/vm/compact_memory", "1") ? REFUSED : DID;
	snprintf(path, sizeof(path), SYS_NODES "/node%d/compact", R(1) % nodes);
	return write_text(path, "1") ? REFUSED : DID;
}

OP(op_zero_page)
{
	return write_number(ZERO_PAGE, !!(R(0) % 3)) ? REFUSED : DID;
}

/* All the pages of a process, to another node */
OP(op_migrate_pages)
{
	unsigned long from = 1UL << R(0) % nodes, to = 1UL << R(1) % nodes;
	pid_t pid = shared->pid[R(2) % WORKERS];

	if (pid <= 0)
		return IDLE;
	return syscall(SYS_migrate_pages, pid, 64, &from, &to) < 0 ? REFUSED : DID;
}

OP(op_kill)
{
	int proc = R(0) % WORKERS;
	pid_t pid = shared->pid[proc];

	if (pid <= 0)
		return IDLE;
	if (shared->kills++ >= KILLS) {
		shared->kills--;
		return IDLE;
	}
	shared->killed[proc] = true;
	return kill(pid, SIGKILL) ? REFUSED : DID;
}

static struct module {
	const char *name;
	const char *dir;
	int fd;
} modules[] = {
	{ "hugetlb_sample", "samples/hugetlb", -1 },
	{ "test_hugetlb", "lib", -1 },
	{ "test_hugetlb_dma", "lib", -1 },
};

OP(op_module_load)
{
	static const char *const args[] = { "nr_pages=2", "nr_pages=2 pool=1", "nr_pages=3 node=0",
					    "nr_pages=2 pool=1 page_size_log=21" };
	struct module *m = &modules[R(0) % ARRAY_SIZE(modules)];

	return module_load(m->fd, m == modules ? args[R(1) % 4] : "") ? REFUSED : DID;
}

OP(op_module_unload)
{
	return module_unload(modules[R(0) % ARRAY_SIZE(modules)].name) ? REFUSED : DID;
}

/*
 * All of them, and how often each is chosen
 */

struct op {
	const char *name;
	enum result (*run)(struct thread *t, const struct choice *c);
	int weight;
	bool never;		/* has to be refused */
};

static const struct op worker_ops[] = {
	{ "map", op_map, 6, 0 },
	{ "map MAP_NORESERVE", op_map_noreserve, 3, 0 },
	{ "map MAP_POPULATE", op_map_populate, 2, 0 },
	{ "map anonymous", op_map_anon, 2, 0 },
	{ "map anywhere, in a child", op_map_anywhere, 4, 0 },
	{ "read", op_read, 20, 0 },
	{ "write", op_write, 25, 0 },
	{ "read all", op_read_all, 6, 0 },
	{ "munmap", op_munmap, 3, 0 },
	{ "munmap a part", op_munmap_part, 2, 0 },
	{ "mremap", op_mremap, 5, 0 },
	{ "mremap a part, and back", op_mremap_part, 3, 0 },
	{ "mremap to less", op_mremap_shrink, 1, 0 },
	{ "mremap to more", op_mremap_grow, 1, 1 },
	{ "mprotect", op_mprotect, 5, 0 },
	{ "MADV_DONTNEED", op_dontneed, 6, 0 },
	{ "MADV_POPULATE_READ", op_populate_read, 3, 0 },
	{ "MADV_POPULATE_WRITE", op_populate_write, 3, 0 },
	{ "MADV_WILLNEED", op_willneed, 1, 0 },
	{ "MADV_COLD", op_cold, 1, 1 },
	{ "MADV_PAGEOUT", op_pageout, 1, 1 },
	{ "MADV_REMOVE", op_madv_remove, 1, 1 },
	{ "MADV_DONTFORK", op_dontfork, 2, 0 },
	{ "mlock", op_mlock, 3, 0 },
	{ "fork", op_fork, 4, 0 },
	{ "wait or kill a child", op_reap, 3, 0 },
	{ "userfaultfd missing", op_uffd_missing, 4, 0 },
	{ "userfaultfd wp", op_uffd_wp, 2, 0 },
	{ "userfaultfd wp async", op_uffd_wp_async, 2, 0 },
	{ "UFFDIO_COPY", op_uffd_copy, 8, 0 },
	{ "UFFDIO_WRITEPROTECT", op_uffd_protect, 5, 0 },
	{ "userfaultfd close", op_uffd_close, 3, 0 },
	{ "vmsplice", op_vmsplice, 3, 0 },
	{ "read of the pipe", op_pipe_read, 3, 0 },
	{ "process_vm_readv", op_process_vm_readv, 4, 0 },
	{ "process_vm_writev", op_process_vm_writev, 4, 0 },
	{ "/proc/PID/mem", op_proc_mem, 4, 0 },
	{ "smaps and numa_maps", op_proc_maps, 2, 0 },
	{ "pagemap", op_pagemap, 2, 0 },
	{ "PAGEMAP_SCAN", op_pagemap_scan, 2, 0 },
	{ "io_uring fixed buffer", op_ring_register, 4, 0 },
	{ "io_uring fixed buffer back", op_ring_unregister, 3, 0 },
	{ "pin by gup_test", op_pin, 4, 0 },
	{ "pin by gup_test back", op_unpin, 3, 0 },
	{ "move_pages", op_move_pages, 5, 0 },
	{ "mbind", op_mbind, 3, 0 },
	{ "set_mempolicy", op_set_mempolicy, 1, 0 },
	{ "soft offline", op_soft_offline, 6, 0 },
	{ "hard offline", op_hwpoison, 3, 0 },
	{ "heap", op_heap_alloc, 5, 0 },
	{ "heap of contiguous buffers", op_heap_alloc_contig, 3, 0 },
	{ "close of an object", op_obj_close, 3, 0 },
	{ "map a dma-buf", op_buf_map, 6, 0 },
	{ "map page frames of a dma-buf", op_buf_map_frames, 3, 0 },
	{ "sync a dma-buf", op_buf_sync, 3, 0 },
	{ "attach a dma-buf", op_buf_import, 5, 0 },
	{ "detach a dma-buf", op_buf_release, 3, 0 },
	{ "map a dma-buf by its importer", op_buf_map_importer, 4, 0 },
	{ "pin for DMA", op_dma_pin, 4, 0 },
	{ "pin for DMA back", op_dma_unpin, 5, 0 },
	{ "close of the DMA device", op_dma_close, 2, 0 },
	{ "send a file descriptor", op_send, 3, 0 },
	{ "receive a file descriptor", op_receive, 3, 0 },
	{ "driver: create", op_drv_create, 6, 0 },
	{ "driver: add", op_drv_add, 6, 0 },
	{ "driver: add, charged", op_drv_add_account, 4, 0 },
	{ "driver: populate", op_drv_populate, 6, 0 },
	{ "driver: remove", op_drv_remove, 5, 0 },
	{ "driver: remove what is looked at", op_drv_remove_seen, 2, 0 },
	{ "driver: remove and keep", op_drv_keep, 4, 0 },
	{ "driver: add again", op_drv_readd, 6, 0 },
	{ "driver: hold", op_drv_hold, 7, 0 },
	{ "driver: no longer hold", op_drv_unhold, 7, 0 },
	{ "driver: scatterlist", op_drv_sg, 3, 0 },
	{ "driver: look up", op_drv_info, 2, 0 },
	{ "driver: drop", op_drv_drop, 1, 0 },
	{ "driver: map", op_drv_map, 6, 0 },
	{ "driver: map private", op_drv_map_private, 3, 0 },
	{ "driver: map base pages", op_drv_map_base, 4, 0 },
	{ "sample: map", op_sample_map, 3, 0 },
	{ "sample: map private", op_sample_map_private, 2, 0 },
	{ "sample: map base pages", op_sample_map_base, 2, 0 },
	{ "read and write of the device", op_dev_read, 1, 0 },
	{ "join a cgroup", op_cgroup_join, 2, 0 },
};

static const struct op admin_ops[] = {
	{ "pool grown or shrunk", op_pool, 10, 0 },
	{ "overcommit", op_overcommit, 3, 0 },
	{ "cgroup: make", op_cgroup_make, 5, 0 },
	{ "cgroup: limit", op_cgroup_limit, 3, 0 },
	{ "cgroup: no limit", op_cgroup_unlimit, 5, 0 },
	{ "cgroup: remove", op_cgroup_remove, 4, 0 },
	{ "drop_caches", op_drop_caches, 2, 0 },
	{ "compact memory", op_compact, 1, 0 },
	{ "use_zero_page", op_zero_page, 3, 0 },
	{ "migrate_pages", op_migrate_pages, 2, 0 },
	{ "kill a process", op_kill, 2, 0 },
	{ "module: load", op_module_load, 12, 0 },
	{ "module: unload", op_module_unload, 8, 0 },
};

#define WORKER_OPS	((int)ARRAY_SIZE(worker_ops))
#define ALL_OPS		(WORKER_OPS + (int)ARRAY_SIZE(admin_ops))
_Static_assert(ARRAY_SIZE(worker_ops) + ARRAY_SIZE(admin_ops) <= MAX_OPS, "MAX_OPS");

static int choose(const struct op *ops, int nr, uint32_t r)
{
	int sum = 0, i;

	for (i = 0; i < nr; i++)
		sum += ops[i].weight;
	r %= sum;
	for (i = 0; (int)r >= ops[i].weight; i++)
		r -= ops[i].weight;
	return i;
}

static void run_ops(struct thread *t, unsigned int count)
{
	bool admin = t->proc == ADMIN;
	const struct op *ops = admin ? admin_ops : worker_ops;
	int nr = admin ? ALL_OPS - WORKER_OPS : WORKER_OPS;
	int base = admin ? WORKER_OPS : 0;
	struct choice c;
	enum result ret;
	int op;

	for (unsigned int n = 0; n < count && !shared->failures; n++) {
		/* A child's place is not the thread's. */
		unsigned int pos = t->child ? n : shared->pos[t->proc][t->nr]++;

		if (!t->child) {
			if (pos >= count)
				break;
			t->rng = mix(mix(mix(seed) + round_nr) + t->proc * THREADS + t->nr) + pos;
			t->rng = mix(t->rng);
		}
		op = choose(ops, nr, rnd(t));
		for (size_t i = 0; i < ARRAY_SIZE(c.r); i++)
			c.r[i] = rnd(t);
		if (!t->child)
			shared->now[t->proc][t->nr] = base + op + 1;
		ret = ops[op].run(t, &c);
		if (ret == DID && ops[op].never)
			fail("%s did not fail", ops[op].name);
		if (ret == DID)
			shared->did[base + op]++;
		else if (ret == REFUSED)
			shared->refused[base + op]++;
	}
	if (!t->child)
		shared->now[t->proc][t->nr] = 0;
}

/*
 * A process of a round
 */

static int ring_open(void)
{
	struct io_uring_params params = { 0 };

	return syscall(SYS_io_uring_setup, 1, &params);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	run_ops(t, t->proc == ADMIN ? ADMIN_OPS : OPS);
	return NULL;
}

static void process_main(int proc)
{
	int nr = proc == ADMIN ? 1 : THREADS;
	pthread_t tid[THREADS];

	for (int i = 0; i < SLOTS; i++) {
		slots[i].addr = arena + i * SLOT_SIZE;
		slots[i].common = i < COMMON;
		slots[i].kind = NONE;
		slots[i].uffd = -1;
		slots[i].id = slots[i].common ? common_id(proc) : 0;
		want_all(&slots[i], EITHER);
	}
	for (int i = 0; i < nr; i++) {
		struct thread *t = &threads[i];

		*t = (struct thread){ .proc = proc, .nr = i, .dma = -1, .gup = -1, .ring = -1 };
		for (int j = 0; j < OBJS; j++)
			t->obj[j].fd = -1;
		if (proc == ADMIN)
			continue;
		t->ring = ring_open();
		t->copy = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (t->ring < 0 || pipe2(t->pipe, O_CLOEXEC | O_NONBLOCK) || t->copy == MAP_FAILED) {
			fail("a process cannot be set up: %s", strerror(errno));
			_exit(1);
		}
	}
	for (int i = 1; i < nr; i++)
		if (pthread_create(&tid[i], NULL, thread_main, &threads[i])) {
			fail("no thread");
			_exit(1);
		}
	thread_main(&threads[0]);
	for (int i = 1; i < nr; i++)
		pthread_join(tid[i], NULL);
	/* All else goes with the process. */
	_exit(0);
}

/*
 * A round
 */

static void start(int proc)
{
	pid_t pid = fork();

	if (!pid)
		process_main(proc);
	if (pid < 0)
		die("fork");
	shared->pid[proc] = pid;
}

static int which(pid_t pid)
{
	for (int i = 0; i < PROCS; i++)
		if (shared->pid[i] == pid)
			return i;
	return -1;
}

/* Until all are gone: workers, who go on when they were killed, and their children */
static void wait_for_all(void)
{
	int status, proc;
	siginfo_t info;
	pid_t pid;

	for (;;) {
		/* The number stays its own while it is looked up. */
		if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT)) {
			if (errno == EINTR)
				continue;
			break;
		}
		proc = which(info.si_pid);
		if (proc >= 0)
			shared->pid[proc] = 0;
		pid = waitpid(info.si_pid, &status, 0);
		if (WIFEXITED(status) && !WEXITSTATUS(status))
			continue;
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
		    (proc < 0 || shared->killed[proc])) {
			if (proc >= 0 && !shared->failures) {
				shared->killed[proc] = false;
				start(proc);
			}
			continue;
		}
		fail("%s %d ended with status %#x", proc < 0 ? "child" : "process", pid, status);
	}
}

static void say_where(void)
{
	for (int i = 0; i < PROCS; i++)
		for (int j = 0; j < (i == ADMIN ? 1 : THREADS); j++) {
			int op = shared->now[i][j] - 1;

			if (op >= 0)
				printf("# process %d (pid %d) thread %d, operation %u: %s\n", i,
				       shared->pid[i], j, shared->pos[i][j],
				       op < WORKER_OPS ? worker_ops[op].name :
				       admin_ops[op - WORKER_OPS].name);
		}
}

static void on_alarm(int sig)
{
	(void)sig;
	printf("not ok - SEED=%lu ROUND=%u hangs\n", seed, round_nr);
	say_where();
	fflush(stdout);
	/* What everybody waits for, on the console */
	write_text("/proc/sysrq-trigger", "w");
	write_text("/proc/sysrq-trigger", "l");
	_exit(1);
}

/* What a page that was broken on purpose was is put right again. */
static void unpoison(void)
{
	for (int i = 0; i < shared->poisoned && i < POISONS; i++)
		write_number(UNPOISON, shared->pfn[i]);
}

/* A page may have moved between our look at its number and its end. */
static void unpoison_all(void)
{
	const uint64_t bad = 1UL << 19;		/* KPF_HWPOISON */
	static uint64_t flags[8192];
	int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	uint64_t pfn = 0;
	ssize_t len;

	while (fd >= 0 && (len = pread(fd, flags, sizeof(flags), pfn * 8)) > 0) {
		for (int i = 0; i < len / 8; i++, pfn++)
			if (flags[i] & bad)
				write_number(UNPOISON, pfn);
	}
	if (fd >= 0)
		close(fd);
}

static long cgroup_left(void)
{
	return read_number(TOP "/hugetlb.2MB.current", "") +
	       read_number(TOP "/hugetlb.2MB.rsvd.current", "");
}

static void restore(void)
{
	char path[80];

	write_number(POOL "/nr_overcommit_hugepages", base_overcommit);
	write_number(ZERO_PAGE, base_zero);
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		module_unload(modules[i].name);
	for (int i = 0; i < CGROUPS; i++) {
		snprintf(path, sizeof(path), TOP "/%d", i);
		if (rmdir(path) && errno != ENOENT)
			fail("%s cannot be removed: %s", path, strerror(errno));
	}
	unpoison();
	if (read_number("/proc/meminfo", "HardwareCorrupted:") != base_broken)
		unpoison_all();
	for (int i = 0; i < nodes; i++)
		set_pool(i, base_pool[i]);
}

/* How often memory_failure() failed: its caller may get a signal instead of EBUSY. */
static long mf_failed(void)
{
	char path[80];
	long sum = 0;

	for (int i = 0; i < nodes; i++) {
		snprintf(path, sizeof(path), SYS_NODES "/node%d/memory_failure/failed", i);
		sum += read_number(path, "");
	}
	return sum;
}

/*
 * Where memory_failure() fails, the page is counted as broken, and may go back to
 * the page allocator all the same, if it was a surplus one. Whoever has it then, as
 * a huge page again, clears the mark: there is none by which it could be found.
 */
static void forget_lost(struct counters *before, long failed)
{
	for (int i = 0; i < nr_counters; i++) {
		long more;

		if (strcmp(counter[i].key, "HardwareCorrupted:"))
			continue;
		more = read_fd(counter[i].fd, counter[i].key) - before->value[i];
		if (more <= 0 || more > failed * (long)PAGE / 1024)
			continue;
		printf("# %ld kB of broken pages have lost their mark\n", more);
		before->value[i] += more;
		base_broken += more;
	}
}

/* true when it was as it should be */
static bool run_round(unsigned int limit)
{
	struct counters before;
	char text[1024];
	long failed;

	count_all(&before);
	failed = mf_failed();
	shared->next_id = (round_nr % 4096 + 1) << 16;
	shared->poisons = 0;
	shared->poisoned = 0;
	shared->kills = 0;
	shared->failures = 0;
	*shared->failure = 0;
	memset(shared->pos, 0, sizeof(shared->pos));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock))
		die("socketpair");

	alarm(limit);
	for (int i = 0; i < PROCS; i++)
		start(i);
	wait_for_all();
	/* With what was sent and not received */
	close(sock[0]);
	close(sock[1]);
	restore();
	forget_lost(&before, mf_failed() - failed);
	if (counters_settle(&before, 10, text, sizeof(text)))
		fail("counters: %s", text);
	if (cgroup_left())
		fail("charges are left in the cgroup: %ld bytes of usage, %ld reserved",
		     read_number(TOP "/hugetlb.2MB.current", ""),
		     read_number(TOP "/hugetlb.2MB.rsvd.current", ""));
	alarm(0);
	return !shared->failures;
}

static void setup(void)
{
	static const struct rlimit no_limit = { RLIM_INFINITY, RLIM_INFINITY };
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	char path[120];

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	arena = mmap(NULL, (SLOTS + 1) * SLOT_SIZE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (shared == MAP_FAILED || arena == MAP_FAILED)
		die("mmap");
	arena = (char *)(((unsigned long)arena + SLOT_SIZE - 1) & ~(SLOT_SIZE - 1));
	sigaction(SIGBUS, &act, NULL);
	sigaction(SIGSEGV, &act, NULL);
	signal(SIGALRM, on_alarm);
	if (setrlimit(RLIMIT_MEMLOCK, &no_limit) || prctl(PR_SET_CHILD_SUBREAPER, 1))
		die("root is needed");
	if (access("/dev/page-huge-2048kB", R_OK) || access(HEAP "-contig", R_OK))
		die("this kernel has no /dev/page-huge or no heap of huge pages");
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		modules[i].fd = module_open(modules[i].dir, modules[i].name);
		if (modules[i].fd < 0)
			die("the module %s", modules[i].name);
		module_unload(modules[i].name);
	}
	while (nodes < NODES) {
		snprintf(path, sizeof(path), SYS_NODES
			 "/node%d/hugepages/hugepages-2048kB/nr_hugepages", nodes);
		if (access(path, W_OK))
			break;
		base_pool[nodes++] = read_number(path, "");
	}
	if (!nodes || base_pool[0] < 16)
		die("a pool of 16 pages of 2 MiB and more on each node is needed");
	base_overcommit = read_number(POOL "/nr_overcommit_hugepages", "");
	base_zero = read_number(ZERO_PAGE, "");
	base_broken = read_number("/proc/meminfo", "HardwareCorrupted:");
	find_counters();
	if (write_text(CGROUP "/cgroup.subtree_control", "+hugetlb") || mkdir(TOP, 0755) ||
	    write_text(TOP "/cgroup.subtree_control", "+hugetlb"))
		die("no cgroup for huge pages");
	if (access(UNPOISON, W_OK) || access(GUP_TEST, W_OK))
		die("hwpoison and gup_test in debugfs are needed");
	if (mf_failed() < 0)
		die("memory_failure of nodes in sysfs is needed");
}

/* Has each operation done what it is for? */
static bool all_seen(void)
{
	for (int i = 0; i < ALL_OPS; i++) {
		const struct op *op = i < WORKER_OPS ? &worker_ops[i] : &admin_ops[i - WORKER_OPS];

		if (!(op->never ? shared->refused[i] : shared->did[i]))
			return false;
	}
	return true;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	const char *again = getenv("ROUND"), *limit = getenv("LIMIT");
	unsigned int number, first = 1, rounds = 0, bad = 0, tests;
	uint64_t operations = 0;
	double begin = now();
	bool timed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 3 || (strcmp(argv[1], "rounds") && strcmp(argv[1], "seconds"))) {
		fprintf(stderr, "usage: [SEED=N ROUND=N] races rounds|seconds NUMBER\n");
		return 2;
	}
	timed = !strcmp(argv[1], "seconds");
	number = strtoul(argv[2], NULL, 10);
	if (getenv("SEED"))
		seed = strtoull(getenv("SEED"), NULL, 0);
	else if (syscall(SYS_getrandom, &seed, 4, 0) != 4)
		die("getrandom");
	if (again) {
		first = strtoul(again, NULL, 0);
		timed = false;
		number = 1;
	}

	printf("TAP version 13\n# SEED=%lu\n", seed);
	setup();
	for (round_nr = first; timed ? now() - begin < number ||
	     (now() - begin < 3 * number && !all_seen()) : rounds < number; round_nr++) {
		bool good = run_round(limit ? strtoul(limit, NULL, 0) : 120);

		rounds++;
		printf("%s %u - SEED=%lu ROUND=%u, %d killed, %d pages broken, %.1f s since the start\n",
		       good ? "ok" : "not ok", rounds, seed, round_nr, shared->kills,
		       shared->poisoned, now() - begin);
		if (good)
			continue;
		printf("# %s\n", shared->failure);
		bad++;
		/* What is wrong stays wrong: nothing more is learnt. */
		break;
	}
	rmdir(TOP);

	tests = rounds;
	for (int i = 0; i < ALL_OPS; i++) {
		const struct op *op = i < WORKER_OPS ? &worker_ops[i] : &admin_ops[i - WORKER_OPS];
		uint64_t did = shared->did[i], refused = shared->refused[i];
		bool good = op->never ? refused : did;

		operations += did + refused;
		/* One round, or one that was ended, need not have had all. */
		if (again || bad) {
			printf("# %s: %lu done, %lu refused\n", op->name, did, refused);
			continue;
		}
		tests++;
		if (!good)
			bad++;
		printf("%s %u - %s: %lu done, %lu refused\n", good ? "ok" : "not ok", tests,
		       op->name, did, refused);
	}
	printf("# races: SEED=%lu rounds=%u operations=%lu failures=%u seconds=%.0f\n", seed, rounds,
	       operations, bad, now() - begin);
	printf("1..%u\n", tests);
	return bad ? 1 : 0;
}
