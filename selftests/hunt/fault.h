/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What limits and elsewhere share: tests that go on to their end, and say what was
 * wrong first, and memory that may not be there. The program has a fail().
 */
#ifndef FAULT_H
#define FAULT_H

#include <setjmp.h>
#include <signal.h>

#define CHECK(cond, ...) do {			\
	if (!(cond))				\
		fail(__VA_ARGS__);		\
} while (0)

static sigjmp_buf fault_env;
static volatile sig_atomic_t fault_expected;

static void on_fault(int sig)
{
	if (fault_expected)
		siglongjmp(fault_env, sig);
	signal(sig, SIG_DFL);
	raise(sig);
}

#endif /* FAULT_H */
