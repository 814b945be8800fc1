/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the plugins of QEMU here share: arguments, errors, and the marks that
 * page_huge_bench sets around what it measures.
 *
 * A mark is a load of a byte, movb MAGIC(%rax), %cl, from a table of 64 KiB that
 * is aligned to its size: what is loaded is the number of the figure.
 */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qemu-plugin.h>

#define MAX_IDS		65536
/* Where the upper half of the addresses begins: the kernel's */
#define KERNEL		0xffff800000000000ULL

enum mark { NO_MARK, BEGIN, END };

static inline enum mark mark_of(const struct qemu_plugin_insn *insn)
{
	const unsigned char *b = qemu_plugin_insn_data(insn);

	if (qemu_plugin_insn_size(insn) != 6 || b[0] != 0x8a || b[1] != 0x88 ||
	    b[3] != 0x42 || b[4] != 0x50 || b[5] != 0x48)
		return NO_MARK;
	return b[2] == 0x31 ? BEGIN : b[2] == 0x32 ? END : NO_MARK;
}

static inline int mark_id(uint64_t vaddr)
{
	return vaddr % MAX_IDS;
}

/* The whole of QEMU ends: a figure that is wrong must not look like one. */
static inline void __attribute__((noreturn, format(printf, 1, 2)))
fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "plugin: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	_Exit(1);
}

static inline void *must(void *p)
{
	if (!p)
		fail("no memory");
	return p;
}

/* The file of figures, with a first line that names the columns */
static inline FILE *begin_figures(const char *out, const char *columns)
{
	FILE *f = fopen(out, "w");

	if (!f)
		fail("%s: %s", out, strerror(errno));
	fprintf(f, "%s\n", columns);
	return f;
}

static inline void end_figures(FILE *f, const char *out)
{
	if (fclose(f))
		fail("%s: %s", out, strerror(errno));
}

/* The value of NAME=VALUE among the arguments, or NULL */
static inline const char *argument(int argc, char **argv, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], name, len) && argv[i][len] == '=')
			return argv[i] + len + 1;
	return NULL;
}

#endif /* PLUGIN_H */
