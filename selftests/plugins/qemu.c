// SPDX-License-Identifier: GPL-2.0
/*
 * What a plugin of scripts/bench sees of QEMU, without QEMU: a guest whose memory,
 * page tables and accesses are told on stdin.
 *
 *   qemu PLUGIN.so ARG...
 *
 *   page VADDR PHYS 4k|2m|1g	map a page
 *   unmap VADDR		unmap what is there
 *   moved VADDR PHYS		QEMU uses another address than the page tables say
 *   read VADDR [TIMES STRIDE]	accesses of user space
 *   kread VADDR		an access of the kernel
 *   run ADDR N			N instructions from ADDR on, in one block
 *   cr3 | invlpg		as the kernel does it
 *   begin ID | end ID		marks
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <qemu-plugin.h>

#define RAM_SIZE	(64UL << 20)
#define PGD		0x5000UL
#define MARKS		0x7f0000000000UL
#define KERNEL_CODE	0xffffffff81000000UL

struct qemu_plugin_insn {
	unsigned char bytes[16];
	size_t size;
	uint64_t vaddr;
	qemu_plugin_vcpu_mem_cb_t mem;
	void *mem_data;
	qemu_plugin_vcpu_udata_cb_t exec;
	void *exec_data;
	uint64_t *count, by;
};

struct qemu_plugin_tb {
	struct qemu_plugin_insn *insn;
	size_t n;
};

static char *ram;
static uint64_t next_table = PGD + 4096;
static qemu_plugin_vcpu_tb_trans_cb_t translate;
static qemu_plugin_udata_cb_t finish;
static void *finish_data;
static qemu_plugin_vcpu_simple_cb_t init;
static uint64_t moved_vaddr, moved_phys;

void qemu_plugin_register_vcpu_init_cb(qemu_plugin_id_t id,
				       qemu_plugin_vcpu_simple_cb_t cb)
{
	init = cb;
}

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   qemu_plugin_vcpu_tb_trans_cb_t cb)
{
	translate = cb;
}

void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id,
				    qemu_plugin_udata_cb_t cb, void *data)
{
	finish = cb;
	finish_data = data;
}

void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    qemu_plugin_vcpu_udata_cb_t cb,
					    enum qemu_plugin_cb_flags flags,
					    void *data)
{
	insn->exec = cb;
	insn->exec_data = data;
}

void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
						enum qemu_plugin_op op,
						void *ptr, uint64_t imm)
{
	insn->count = ptr;
	insn->by = imm;
}

void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
				      qemu_plugin_vcpu_mem_cb_t cb,
				      enum qemu_plugin_cb_flags flags,
				      enum qemu_plugin_mem_rw rw, void *data)
{
	insn->mem = cb;
	insn->mem_data = data;
}

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb)
{
	return tb->n;
}

struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t idx)
{
	return &tb->insn[idx];
}

const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn)
{
	return insn->bytes;
}

size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn)
{
	return insn->size;
}

uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn)
{
	return insn->vaddr;
}

static uint64_t *entry(uint64_t table, uint64_t vaddr, int shift)
{
	return (uint64_t *)(ram + (table & ~0xfffUL)) + (vaddr >> shift & 511);
}

/* Where QEMU finds it: the same tables, looked at on its own */
struct qemu_plugin_hwaddr {
	uint64_t phys;
};

struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info,
						  uint64_t vaddr)
{
	static struct qemu_plugin_hwaddr hw;
	uint64_t e = PGD;
	int shift;

	if (vaddr == moved_vaddr) {
		hw.phys = moved_phys;
		return &hw;
	}
	for (shift = 39; shift >= 12; shift -= 9) {
		e = *entry(e, vaddr, shift);
		if (!(e & 1))
			return NULL;
		if (shift == 12 || (e & 0x80))
			break;
	}
	hw.phys = (e & 0xffffffffff000UL & ~((1UL << shift) - 1)) |
		  (vaddr & ((1UL << shift) - 1));
	return &hw;
}

bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *hw)
{
	return false;
}

uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *hw)
{
	return hw->phys;
}

static void map(uint64_t vaddr, uint64_t phys, int leaf)
{
	uint64_t table = PGD, *e;

	for (int shift = 39; shift > leaf; shift -= 9) {
		e = entry(table, vaddr, shift);
		if (!*e) {
			*e = next_table | 7;
			next_table += 4096;
		}
		table = *e & ~0xfffUL;
	}
	*entry(table, vaddr, leaf) = phys | 7 | (leaf > 12 ? 0x80 : 0);
}

static void unmap(uint64_t vaddr)
{
	uint64_t table = PGD, *e;

	for (int shift = 39; shift >= 12; shift -= 9) {
		e = entry(table, vaddr, shift);
		if (shift == 12 || (*e & 0x80) || !*e) {
			*e = 0;
			return;
		}
		table = *e;
	}
}

/* One block: translated, executed, forgotten */
static void run(struct qemu_plugin_insn *insn, size_t n, uint64_t vaddr)
{
	struct qemu_plugin_tb tb = { insn, n };

	translate(1, &tb);
	for (size_t i = 0; i < n; i++) {
		if (insn[i].count)
			*insn[i].count += insn[i].by;
		if (insn[i].exec)
			insn[i].exec(0, insn[i].exec_data);
		if (insn[i].mem)
			insn[i].mem(0, 0, vaddr, insn[i].mem_data);
	}
}

static void run_one(const char *bytes, size_t size, uint64_t code,
		    uint64_t vaddr)
{
	struct qemu_plugin_insn insn = { .size = size, .vaddr = code };

	memcpy(insn.bytes, bytes, size);
	run(&insn, 1, vaddr);
}

static void run_block(uint64_t code, size_t n)
{
	struct qemu_plugin_insn *insn = calloc(n, sizeof(*insn));

	for (size_t i = 0; i < n; i++) {
		insn[i].bytes[0] = 0x90;
		insn[i].size = 1;
		insn[i].vaddr = code + i;
	}
	run(insn, n, 0);
	free(insn);
}

int main(int argc, char **argv)
{
	int (*install)(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
		       char **argv);
	qemu_info_t info = { .target_name = "x86_64", .system_emulation = true };
	unsigned long a, b, n;
	char line[256], size[8];
	void *plugin;
	int fd;

	fd = memfd_create("memory-backend-memfd", 0);
	if (argc < 2 || fd < 0 || ftruncate(fd, RAM_SIZE))
		return 2;
	ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	plugin = dlopen(argv[1], RTLD_NOW);
	if (ram == MAP_FAILED || !plugin) {
		fprintf(stderr, "%s\n", plugin ? "no memory" : dlerror());
		return 2;
	}
	install = dlsym(plugin, "qemu_plugin_install");
	if (!install || install(1, &info, argc - 2, argv + 2))
		return 2;
	if (init)
		init(1, 0);
	/* The kernel is in the page tables, too */
	map(KERNEL_CODE, 0, 21);

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "page %lx %lx %7s", &a, &b, size) == 3) {
			map(a, b, *size == '4' ? 12 : *size == '2' ? 21 : 30);
		} else if (sscanf(line, "unmap %lx", &a) == 1) {
			unmap(a);
		} else if (sscanf(line, "moved %lx %lx", &a, &b) == 2) {
			moved_vaddr = a;
			moved_phys = b;
		} else if (sscanf(line, "read %lx %lu %lx", &a, &n, &b) == 3) {
			for (unsigned long i = 0; i < n; i++)
				run_one("\x8b\x00", 2, 0x400000, a + i * b);
		} else if (sscanf(line, "read %lx", &a) == 1) {
			run_one("\x8b\x00", 2, 0x400000, a);
		} else if (sscanf(line, "kread %lx", &a) == 1) {
			run_one("\x8b\x00", 2, KERNEL_CODE, a);
		} else if (sscanf(line, "run %lx %lu", &a, &n) == 2) {
			run_block(a, n);
		} else if (!strcmp(line, "cr3\n")) {
			run_one("\x0f\x22\xdf", 3, KERNEL_CODE, 0);
		} else if (!strcmp(line, "invlpg\n")) {
			run_one("\x0f\x01\x38", 3, KERNEL_CODE, 0);
		} else if (sscanf(line, "begin %lu", &n) == 1) {
			run_one("\x8a\x88\x31\x42\x50\x48", 6, 0x400000,
				MARKS + n);
		} else if (sscanf(line, "end %lu", &n) == 1) {
			run_one("\x8a\x88\x32\x42\x50\x48", 6, 0x400000,
				MARKS + n);
		} else {
			fprintf(stderr, "what is %s", line);
			return 2;
		}
	}
	finish(1, finish_data);
	return 0;
}
