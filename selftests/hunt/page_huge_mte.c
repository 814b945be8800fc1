// SPDX-License-Identifier: GPL-2.0
/*
 * Memory tags of arm64 in /dev/page-huge: as in memory of MAP_HUGETLB, they can be
 * had, they are 0 at first, in the zero page too, and an access through an address
 * with another tag is a fault. And where tags are supported, execve() maps a page at
 * address 0 for who has asked for it: a mapping without a file.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE		(2UL << 20)
#define TAG_SHIFT	56
#define PROT_MTE	0x20
#define HAS_MTE		(1UL << 18)	/* in AT_HWCAP2 */

/* Tags in 1 to 15, and a synchronous fault where they differ */
#define TAGGED		(PR_TAGGED_ADDR_ENABLE | PR_MTE_TCF_SYNC | (0xfffeUL << PR_MTE_TAG_SHIFT))

static sigjmp_buf back;
static volatile sig_atomic_t code;
static int tests, failed;

static void handler(int sig, siginfo_t *info, void *context)
{
	(void)context;
	code = sig == SIGSEGV ? info->si_code : -sig;
	siglongjmp(back, 1);
}

/* What the access does: 0, or the code of the SIGSEGV. */
static int touch(volatile char *p, bool write)
{
	code = 0;
	if (!sigsetjmp(back, 1)) {
		if (write)
			*p = 1;
		else
			(void)*p;
	}
	return code;
}

static char *with_tag(char *p, unsigned long tag)
{
	return (char *)((uintptr_t)p | tag << TAG_SHIFT);
}

static void set_tag(char *p)
{
	asm volatile("stg %0, [%0]" : : "r" (p) : "memory");
}

static unsigned long get_tag(char *p)
{
	uintptr_t tagged = (uintptr_t)p;

	asm volatile("ldg %0, [%0]" : "+r" (tagged));
	return tagged >> TAG_SHIFT & 0xf;
}

static void result(bool ok, const char *of, const char *what)
{
	tests++;
	failed += !ok;
	printf("%sok %d %s: %s\n", ok ? "" : "not ", tests, of, what);
}

static void try(const char *of, int fd, int flags)
{
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE | PROT_MTE, MAP_PRIVATE | flags, fd, 0);

	result(p != MAP_FAILED, of, "can be mapped with tags");
	if (p == MAP_FAILED)
		return;
	result(!touch(p, false), of, "is read before it is written to");
	result(touch(with_tag(p, 3), false) == SEGV_MTESERR, of, "is not read through another tag");
	result(!get_tag(p) && !get_tag(p + SIZE - 16), of, "has tags of 0 before it is written to");
	result(!touch(p, true), of, "is written to");
	result(!get_tag(p) && !get_tag(p + SIZE - 16), of, "has tags of 0 afterwards");
	set_tag(with_tag(p + SIZE / 2, 5));
	result(get_tag(p + SIZE / 2) == 5, of, "keeps a tag");
	result(!touch(with_tag(p + SIZE / 2, 5), true), of, "is written to through it");
	result(touch(p + SIZE / 2, true) == SEGV_MTESERR, of, "is not written to without it");
	result(!munmap(p, SIZE), of, "is unmapped");
	/* The same page again, most likely. */
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE | PROT_MTE, MAP_PRIVATE | flags, fd, 0);
	result(p != MAP_FAILED && !touch(p, true) && !get_tag(p + SIZE / 2), of, "has no tags of its last owner");
	if (p != MAP_FAILED)
		munmap(p, SIZE);
}

/* The program itself, started by page_zero() */
static int no_page_zero(void)
{
	unsigned char there;

	return !!mincore(NULL, 1, &there);
}

static void page_zero(void)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		if (personality(MMAP_PAGE_ZERO) != -1)
			execl("/proc/self/exe", "page_huge_mte", "page-zero", NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	result(!status, "execve() with MMAP_PAGE_ZERO", "maps a page at address 0");
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	int fd = open("/dev/page-huge", O_RDWR);

	if (argc == 2 && !strcmp(argv[1], "page-zero"))
		return no_page_zero();
	printf("TAP version 13\n");
	if (!(getauxval(AT_HWCAP2) & HAS_MTE)) {
		printf("1..0 # SKIP no memory tags\n");
		return 4;
	}
	if (fd < 0 || prctl(PR_SET_TAGGED_ADDR_CTRL, TAGGED, 0, 0, 0)) {
		perror("page_huge_mte");
		return 1;
	}
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	try("MAP_HUGETLB", -1, MAP_ANONYMOUS | MAP_HUGETLB);
	try("/dev/page-huge", fd, 0);
	page_zero();
	printf("1..%d\n", tests);
	return !!failed;
}
