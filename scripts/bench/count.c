// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU that says in which functions of the kernel the instructions
 * were executed that lie between two marks of page_huge_bench.
 *
 *   -plugin count.so,map=System.map,out=FILE
 *
 * FILE gets a line for each figure and function: the figure's number, how often
 * it was measured, the function, and the instructions of all those times. All
 * that is not of the kernel's own text is "[user]" or "[module]".
 *
 * Instructions of a translation block are counted when the block is entered, of
 * user space when they are executed: faults are taken within blocks there.
 * Interrupts in between are counted too. The kernel must not be moved (nokaslr).
 */
#include "plugin.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

struct symbol {
	uint64_t addr;
	char *name;
};

static struct symbol *symbols;
static size_t nr_symbols;
static uint64_t text_end;
/* Two more than symbols */
static uint64_t *counts, *before;
#define USER	nr_symbols
#define MODULE	(nr_symbols + 1)

/* What was seen of a figure: sparse, as few functions are of any one */
struct seen {
	unsigned long times;
	size_t nr;
	struct {
		size_t symbol;
		uint64_t count;
	} *of;
};

static struct seen *seen[MAX_IDS];
static const char *out;

static void read_symbols(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[1024], name[512], type;
	unsigned long long addr;
	size_t room = 0;

	if (!f)
		fail("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %c %511s", &addr, &type, name) != 3)
			continue;
		if (!strcmp(name, "_etext"))
			text_end = addr;
		if (addr < KERNEL || !strchr("tTwW", type))
			continue;
		/* Sorted, and of two names the first */
		if (nr_symbols && symbols[nr_symbols - 1].addr == addr)
			continue;
		if (nr_symbols == room) {
			room = room ? 2 * room : 4096;
			symbols = must(realloc(symbols, room * sizeof(*symbols)));
		}
		symbols[nr_symbols].addr = addr;
		symbols[nr_symbols++].name = must(strdup(name));
	}
	fclose(f);
	if (!nr_symbols || !text_end)
		fail("%s is no System.map", path);
	counts = must(calloc(nr_symbols + 2, sizeof(*counts)));
	before = must(calloc(nr_symbols + 2, sizeof(*before)));
}

static size_t symbol_of(uint64_t addr)
{
	size_t low = 0, high = nr_symbols;

	if (addr < KERNEL)
		return USER;
	if (addr < symbols[0].addr || addr >= text_end)
		return MODULE;
	while (high - low > 1) {
		size_t mid = (low + high) / 2;

		if (symbols[mid].addr <= addr)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static void add(struct seen *s, size_t symbol, uint64_t count)
{
	size_t i;

	for (i = 0; i < s->nr; i++)
		if (s->of[i].symbol == symbol)
			break;
	if (i == s->nr) {
		s->of = must(realloc(s->of, ++s->nr * sizeof(*s->of)));
		s->of[i].symbol = symbol;
		s->of[i].count = 0;
	}
	s->of[i].count += count;
}

static void mark(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr,
		 void *data)
{
	int id = mark_id(vaddr);

	if ((enum mark)(uintptr_t)data == BEGIN) {
		memcpy(before, counts, (nr_symbols + 2) * sizeof(*counts));
		return;
	}
	if (!seen[id])
		seen[id] = must(calloc(1, sizeof(*seen[id])));
	seen[id]->times++;
	for (size_t i = 0; i < nr_symbols + 2; i++)
		if (counts[i] != before[i])
			add(seen[id], i, counts[i] - before[i]);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i = 0;

	while (i < n) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		size_t symbol = symbol_of(qemu_plugin_insn_vaddr(insn));
		enum mark m = symbol == USER ? mark_of(insn) : NO_MARK;
		size_t same = 1;

		while (symbol != USER && i + same < n &&
		       symbol_of(qemu_plugin_insn_vaddr(
				qemu_plugin_tb_get_insn(tb, i + same))) == symbol)
			same++;
		qemu_plugin_register_vcpu_insn_exec_inline(insn,
			QEMU_PLUGIN_INLINE_ADD_U64, &counts[symbol], same);
		/* QEMU 7.2 confuses loads with stores: both */
		if (m != NO_MARK)
			qemu_plugin_register_vcpu_mem_cb(insn, mark,
				QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
				(void *)(uintptr_t)m);
		i += same;
	}
}

static void finish(qemu_plugin_id_t id, void *data)
{
	FILE *f = begin_figures(out, "id\ttimes\tfunction\tinstructions");

	for (int i = 0; i < MAX_IDS; i++) {
		for (size_t j = 0; seen[i] && j < seen[i]->nr; j++) {
			size_t symbol = seen[i]->of[j].symbol;

			fprintf(f, "%d\t%lu\t%s\t%llu\n", i, seen[i]->times,
				symbol == USER ? "[user]" :
				symbol == MODULE ? "[module]" :
				symbols[symbol].name,
				(unsigned long long)seen[i]->of[j].count);
		}
	}
	end_figures(f, out);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
					   const qemu_info_t *info,
					   int argc, char **argv)
{
	const char *map = argument(argc, argv, "map");

	out = argument(argc, argv, "out");
	if (!map || !out || !info->system_emulation ||
	    strcmp(info->target_name, "x86_64"))
		fail("count.so,map=System.map,out=FILE, for qemu-system-x86_64");
	out = must(strdup(out));
	read_symbols(map);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
