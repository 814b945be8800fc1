/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs of this directory share: the counters of huge pages, which
 * have to be the same before and after, files of sysfs, and modules.
 */
#ifndef HUNT_H
#define HUNT_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define NODES		8
#define POOLS		4
#define SYS_POOLS	"/sys/kernel/mm/hugepages"
#define SYS_NODES	"/sys/devices/system/node"
#define CGROUP		"/sys/fs/cgroup"
#define UNPOISON	"/sys/kernel/debug/hwpoison/unpoison-pfn"

#define COUNTS		80

/* Every number that a test may not leave changed, by its file */
struct counters {
	int nr;
	struct {
		char name[160];
		long value;
	} count[COUNTS];
	long committed_kb;
};

/* A program that cannot go on */
#define die(...) do {						\
	printf("Bail out! " __VA_ARGS__);			\
	printf(": %s\n", strerror(errno));			\
	exit(1);						\
} while (0)

/* The number in a file, or after @key in it; -1 when there is none */
static inline long read_number(const char *path, const char *key)
{
	char text[8192], *p = text;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len, done = 0;

	if (fd < 0)
		return -1;
	while (done < (ssize_t)sizeof(text) - 1 &&
	       (len = read(fd, text + done, sizeof(text) - 1 - done)) > 0)
		done += len;
	close(fd);
	text[done] = 0;
	if (*key) {
		p = strstr(text, key);
		if (!p)
			return -1;
		p += strlen(key);
	}
	return strtol(p, NULL, 10);
}

static inline int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len;
	int err;

	if (fd < 0)
		return -errno;
	len = write(fd, text, strlen(text));
	err = len < 0 ? -errno : 0;
	close(fd);
	return err;
}

static inline int write_number(const char *path, long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", value);
	return write_text(path, text);
}

static inline void count_add(struct counters *c, const char *path, const char *key)
{
	if (c->nr == COUNTS)
		die("more counters than there is room for");
	snprintf(c->count[c->nr].name, sizeof(c->count[c->nr].name), "%.120s%s%.30s", path,
		 *key ? " " : "", key);
	c->count[c->nr++].value = read_number(path, key);
}

static inline void count_pools(struct counters *c, const char *dir)
{
	static const char *const names[] = {
		"nr", "free", "resv", "surplus", "fresh",
	};
	struct dirent *entry;
	DIR *d = opendir(dir);
	char path[480];

	while (d && (entry = readdir(d))) {
		if (strncmp(entry->d_name, "hugepages-", 10))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			snprintf(path, sizeof(path), "%s/%s/%s_hugepages", dir,
				 entry->d_name, names[i]);
			/* A node has no number of what is reserved */
			if (!access(path, R_OK))
				count_add(c, path, "");
		}
	}
	if (d)
		closedir(d);
}

static inline void count_all(struct counters *c)
{
	char dir[80];

	memset(c, 0, sizeof(*c));
	count_pools(c, SYS_POOLS);
	for (int node = 0; node < NODES; node++) {
		snprintf(dir, sizeof(dir), SYS_NODES "/node%d/hugepages", node);
		count_pools(c, dir);
	}
	count_add(c, "/proc/vmstat", "nr_hugetlb ");
	count_add(c, "/proc/meminfo", "Hugetlb:");
	count_add(c, "/proc/meminfo", "HardwareCorrupted:");
	c->committed_kb = read_number("/proc/meminfo", "Committed_AS:");
}

/*
 * What is different, in words, in @text. Others commit a little memory: less than
 * a huge page is not ours.
 */
static inline bool counters_differ(const struct counters *a, const struct counters *b,
				   char *text, size_t len)
{
	size_t used = 0;

	*text = 0;
	for (int i = 0; i < a->nr && used < len; i++)
		if (a->count[i].value != b->count[i].value)
			used += snprintf(text + used, len - used, "%s %ld -> %ld; ",
					 a->count[i].name, a->count[i].value,
					 b->count[i].value);
	if (labs(a->committed_kb - b->committed_kb) >= 2048 && used < len)
		used += snprintf(text + used, len - used, "Committed_AS %ld -> %ld kB; ",
				 a->committed_kb, b->committed_kb);
	return used;
}

/*
 * Wait for what is given back behind our backs, as io_uring does it: 0 when the
 * counters are as before.
 */
static inline int counters_settle(const struct counters *before, int seconds,
				  char *text, size_t len)
{
	struct counters now;

	for (int i = 0; i < seconds * 50; i++) {
		count_all(&now);
		if (!counters_differ(before, &now, text, len))
			return 0;
		usleep(20000);
	}
	return -1;
}

/* The file of a module, in the directory below lib/modules that the build gives it */
static inline int module_open(const char *dir, const char *name)
{
	struct utsname uts;
	char path[256];

	uname(&uts);
	snprintf(path, sizeof(path), "/lib/modules/%s/kernel/%s/%s.ko", uts.release, dir,
		 name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static inline int module_load(int fd, const char *args)
{
	return syscall(SYS_finit_module, fd, args, 0) ? -errno : 0;
}

static inline int module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

#endif /* HUNT_H */
