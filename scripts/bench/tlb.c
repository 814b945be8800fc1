// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU that models the TLB for data of a processor, for what lies
 * between two marks of page_huge_bench.
 *
 *   -plugin tlb.so,out=FILE,low=BYTES[,l1=4K:2M:1G][,l2=SHARED:1G]
 *
 * Each level is given as ENTRIESxWAYS, for pages of 4 KiB, of 2 MiB and of 1 GiB;
 * in the second level 4 KiB and 2 MiB share theirs. The default is the geometry
 * that is published of Intel's Skylake: l1=64x4:32x4:4x4,l2=1536x12:16x4. Least
 * recently used goes first. There is no prefetching and no cache of upper page
 * tables. Only accesses of user space are looked at, by processor 0. What the
 * kernel does to invalidate its TLB (CR3, INVLPG, INVPCID) empties this one, and
 * so does a mark.
 *
 * How large a page is comes from the guest's page tables, walked in its memory
 * each time that the first level misses, and the address found there must be the
 * one that QEMU used: else QEMU ends. A plugin is not told where the tables are:
 * that is searched for, a page of memory that translates as QEMU did. The guest's
 * memory is that of a memory-backend-memfd; LOW is what is below 4 GiB of it.
 *
 * FILE gets a line for each figure: its number, how often it was measured,
 * accesses, those by size of page, misses of the first level and of both, loads
 * from page tables that the latter take, and how often all was invalidated.
 */
#include "plugin.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

#define PRESENT		1ULL
#define LARGE		0x80ULL
#define ADDRESS		0x000ffffffffff000ULL

enum size { SIZE_4K, SIZE_2M, SIZE_1G, NR_SIZES };

static const int shift[NR_SIZES] = { 12, 21, 30 };

struct cache {
	unsigned int sets, ways;
	/* Of each way: what it holds, 0 for nothing, and when it was used */
	uint64_t *tag, *used;
};

static struct cache l1[NR_SIZES], l2_shared, l2_1g;
static uint64_t clock_now;

static struct figure {
	unsigned long times;
	uint64_t accesses, by_size[NR_SIZES], miss1, miss2, loads, flushes;
} figures[MAX_IDS];

static struct figure *current;
static unsigned long searches;
static const char *out;

static char *ram;
static uint64_t ram_size, ram_low;
static uint64_t pgd;

static void cache_make(struct cache *c, const char **text)
{
	unsigned int entries;
	int used;

	if (sscanf(*text, "%ux%u%n", &entries, &c->ways, &used) != 2 ||
	    !entries || !c->ways || entries % c->ways)
		fail("'%s' is no ENTRIESxWAYS", *text);
	*text += used + ((*text)[used] == ':');
	c->sets = entries / c->ways;
	c->tag = must(calloc(entries, sizeof(*c->tag)));
	c->used = must(calloc(entries, sizeof(*c->used)));
}

/* In there? If not, it is afterwards. */
static bool cache_look(struct cache *c, uint64_t tag, unsigned int set,
		       bool fill)
{
	uint64_t *t = c->tag + (set % c->sets) * c->ways;
	uint64_t *u = c->used + (set % c->sets) * c->ways;
	unsigned int old = 0;

	for (unsigned int i = 0; i < c->ways; i++) {
		if (t[i] == tag) {
			u[i] = ++clock_now;
			return true;
		}
		if (u[i] < u[old])
			old = i;
	}
	if (fill) {
		t[old] = tag;
		u[old] = ++clock_now;
	}
	return false;
}

static void cache_empty(struct cache *c)
{
	memset(c->tag, 0, c->sets * c->ways * sizeof(*c->tag));
	memset(c->used, 0, c->sets * c->ways * sizeof(*c->used));
}

static void find_ram(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char line[512];

	if (!f)
		fail("/proc/self/maps: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, "memory-backend-memfd") &&
		    sscanf(line, "%lx-%lx", &start, &end) == 2 &&
		    end - start > ram_size) {
			ram = (char *)start;
			ram_size = end - start;
		}
	}
	fclose(f);
	if (!ram)
		fail("the guest's memory is no memory-backend-memfd");
}

/* Where in the guest's memory a physical address is; what lies beyond is none */
static uint64_t ram_offset(uint64_t phys)
{
	if (phys < ram_low)
		return phys;
	if (phys < 1ULL << 32)
		return ~0ULL;
	return phys - (1ULL << 32) + ram_low;
}

static bool entry(uint64_t table, unsigned int index, uint64_t *val)
{
	uint64_t at = ram_offset((table & ADDRESS) + index * 8);

	if (at > ram_size - 8)
		return false;
	*val = *(volatile uint64_t *)(ram + at);
	return *val & PRESENT;
}

/* As the processor does */
static bool walk(uint64_t table, uint64_t vaddr, uint64_t *phys,
		 enum size *size)
{
	uint64_t e;
	int s;

	if (!entry(table, vaddr >> 39 & 511, &e) || (e & LARGE))
		return false;
	for (s = SIZE_1G; s >= SIZE_4K; s--) {
		if (!entry(e, vaddr >> shift[s] & 511, &e))
			return false;
		if (s == SIZE_4K || (e & LARGE))
			break;
	}
	*size = s;
	*phys = (e & ADDRESS & ~((1ULL << shift[s]) - 1)) |
		(vaddr & ((1ULL << shift[s]) - 1));
	return true;
}

static bool translates(uint64_t table, uint64_t vaddr, uint64_t offset)
{
	enum size size;
	uint64_t phys;

	return walk(table, vaddr, &phys, &size) && ram_offset(phys) == offset;
}

static uint64_t find_pgd(uint64_t vaddr, uint64_t offset)
{
	static uint64_t last_vaddr, last_offset;
	uint64_t e;

	for (uint64_t at = 0; at < ram_size; at += 4096) {
		uint64_t table = at < ram_low ? at :
					at - ram_low + (1ULL << 32);

		/* The kernel's own text is in all that are in use */
		if (entry(table, 511, &e) && translates(table, vaddr, offset) &&
		    (!last_vaddr || translates(table, last_vaddr, last_offset))) {
			last_vaddr = vaddr;
			last_offset = offset;
			return table;
		}
	}
	/* What was seen before may be of a process that is gone. */
	if (!last_vaddr)
		return 0;
	last_vaddr = 0;
	return find_pgd(vaddr, offset);
}

static enum size page_size(qemu_plugin_meminfo_t info, uint64_t vaddr)
{
	struct qemu_plugin_hwaddr *hw = qemu_plugin_get_hwaddr(info, vaddr);
	uint64_t phys = 0, offset;
	enum size size;

	if (!hw || qemu_plugin_hwaddr_is_io(hw))
		fail("address 0x%llx is no memory", (unsigned long long)vaddr);
	offset = qemu_plugin_hwaddr_phys_addr(hw);
	if (!pgd || !translates(pgd, vaddr, offset)) {
		searches++;
		pgd = find_pgd(vaddr, offset);
		if (!pgd)
			fail("no page tables that lead from 0x%llx to 0x%llx",
			     (unsigned long long)vaddr,
			     (unsigned long long)offset);
	}
	walk(pgd, vaddr, &phys, &size);
	return size;
}

static void access_cb(unsigned int vcpu, qemu_plugin_meminfo_t info,
		      uint64_t vaddr, void *data)
{
	struct figure *f = current;
	struct cache *l2;
	enum size size;
	uint64_t tag;

	if (!f || vcpu || vaddr >= KERNEL)
		return;
	f->accesses++;
	for (int s = 0; s < NR_SIZES; s++) {
		tag = (vaddr >> shift[s] << 2 | s) + 1;
		if (cache_look(&l1[s], tag, vaddr >> shift[s], false)) {
			f->by_size[s]++;
			return;
		}
	}
	size = page_size(info, vaddr);
	f->by_size[size]++;
	f->miss1++;
	tag = (vaddr >> shift[size] << 2 | size) + 1;
	cache_look(&l1[size], tag, vaddr >> shift[size], true);
	l2 = size == SIZE_1G ? &l2_1g : &l2_shared;
	if (cache_look(l2, tag, vaddr >> shift[size], true))
		return;
	f->miss2++;
	f->loads += 4 - size;
}

static void empty(void)
{
	for (int s = 0; s < NR_SIZES; s++)
		cache_empty(&l1[s]);
	cache_empty(&l2_shared);
	cache_empty(&l2_1g);
}

static void mark(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr,
		 void *data)
{
	current = NULL;
	empty();
	if ((enum mark)(uintptr_t)data == BEGIN)
		current = &figures[mark_id(vaddr)];
	else
		figures[mark_id(vaddr)].times++;
}

static void flush(unsigned int vcpu, void *data)
{
	if (vcpu)
		return;
	empty();
	if (current)
		current->flushes++;
}

/* mov to CR3, INVLPG, INVPCID */
static bool is_flush(const struct qemu_plugin_insn *insn)
{
	const unsigned char *b = qemu_plugin_insn_data(insn);
	size_t n = qemu_plugin_insn_size(insn);

	while (n && (*b == 0x66 || (*b & 0xf0) == 0x40)) {
		b++;
		n--;
	}
	if (n < 3 || b[0] != 0x0f)
		return false;
	if (b[1] == 0x22)
		return (b[2] & 0x38) == 0x18;
	if (b[1] == 0x01)
		return (b[2] & 0x38) == 0x38 && b[2] < 0xc0;
	return b[1] == 0x38 && b[2] == 0x82;
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		enum mark m;

		if (qemu_plugin_insn_vaddr(insn) >= KERNEL) {
			if (is_flush(insn))
				qemu_plugin_register_vcpu_insn_exec_cb(insn,
					flush, QEMU_PLUGIN_CB_NO_REGS, NULL);
			continue;
		}
		m = mark_of(insn);
		/* QEMU 7.2 confuses loads with stores: both */
		if (m != NO_MARK)
			qemu_plugin_register_vcpu_mem_cb(insn, mark,
				QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
				(void *)(uintptr_t)m);
		else
			qemu_plugin_register_vcpu_mem_cb(insn, access_cb,
				QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
				NULL);
	}
}

static void begin_vcpu(qemu_plugin_id_t id, unsigned int vcpu)
{
	if (!ram)
		find_ram();
}

static void finish(qemu_plugin_id_t id, void *data)
{
	FILE *f = begin_figures(out, "id\ttimes\taccesses\tof_4k\tof_2m\tof_1g\tl1_misses\tmisses\tloads\tflushes");

	for (int i = 0; i < MAX_IDS; i++) {
		struct figure *g = &figures[i];

		if (g->times)
			fprintf(f, "%d\t%lu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu\n",
				i, g->times, (unsigned long long)g->accesses,
				(unsigned long long)g->by_size[SIZE_4K],
				(unsigned long long)g->by_size[SIZE_2M],
				(unsigned long long)g->by_size[SIZE_1G],
				(unsigned long long)g->miss1,
				(unsigned long long)g->miss2,
				(unsigned long long)g->loads,
				(unsigned long long)g->flushes);
	}
	end_figures(f, out);
	fprintf(stderr, "plugin: page tables searched for %lu times\n", searches);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
					   const qemu_info_t *info,
					   int argc, char **argv)
{
	const char *text1 = argument(argc, argv, "l1");
	const char *text2 = argument(argc, argv, "l2");
	const char *low = argument(argc, argv, "low");

	out = argument(argc, argv, "out");
	if (!out || !low || !info->system_emulation ||
	    strcmp(info->target_name, "x86_64"))
		fail("tlb.so,out=FILE,low=BYTES, for qemu-system-x86_64");
	out = must(strdup(out));
	ram_low = strtoull(low, NULL, 0);
	if (!text1)
		text1 = "64x4:32x4:4x4";
	if (!text2)
		text2 = "1536x12:16x4";
	for (int s = 0; s < NR_SIZES; s++)
		cache_make(&l1[s], &text1);
	cache_make(&l2_shared, &text2);
	cache_make(&l2_1g, &text2);
	qemu_plugin_register_vcpu_init_cb(id, begin_vcpu);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
