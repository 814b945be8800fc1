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
#include <sys/mman.h>
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

#ifndef MADV_HWPOISON
#define MADV_HWPOISON		100
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

#define COUNTS		80

/* Every number that a test may not leave changed */
struct counters {
	long value[COUNTS];
	long committed_kb;
};

/* Where they are: found once, and then read by files that stay open */
static struct counter {
	char name[160];
	const char *key;
	int fd;
} counter[COUNTS];
static int nr_counters, committed_fd;

/* A program that cannot go on */
#define die(...) do {						\
	printf("Bail out! " __VA_ARGS__);			\
	printf(": %s\n", strerror(errno));			\
	exit(1);						\
} while (0)

/* The number in an open file, or after @key in it; -1 when there is none */
static inline long read_fd(int fd, const char *key)
{
	char text[8192], *p = text;
	ssize_t len, done = 0;

	while (done < (ssize_t)sizeof(text) - 1 &&
	       (len = pread(fd, text + done, sizeof(text) - 1 - done, done)) > 0)
		done += len;
	text[done] = 0;
	if (!done)
		return -1;
	if (*key) {
		p = strstr(text, key);
		if (!p)
			return -1;
		p += strlen(key);
	}
	return strtol(p, NULL, 10);
}

static inline long read_number(const char *path, const char *key)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long value;

	if (fd < 0)
		return -1;
	value = read_fd(fd, key);
	close(fd);
	return value;
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

static inline void find_counter(const char *path, const char *key)
{
	struct counter *c = &counter[nr_counters++];

	if (nr_counters == COUNTS)
		die("more counters than there is room for");
	snprintf(c->name, sizeof(c->name), "%.120s%s%.30s", path, *key ? " " : "", key);
	c->key = key;
	c->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (read_fd(c->fd, key) < 0)
		die("no number in %s", c->name);
}

static inline void find_pools(const char *dir)
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
				find_counter(path, "");
		}
	}
	if (d)
		closedir(d);
}

/* Before the first count_all() */
static inline void find_counters(void)
{
	char dir[80];

	find_pools(SYS_POOLS);
	for (int node = 0; node < NODES; node++) {
		snprintf(dir, sizeof(dir), SYS_NODES "/node%d/hugepages", node);
		find_pools(dir);
	}
	find_counter("/proc/vmstat", "nr_hugetlb ");
	find_counter("/proc/meminfo", "Hugetlb:");
	find_counter("/proc/meminfo", "HardwareCorrupted:");
	committed_fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
}

static inline void count_all(struct counters *c)
{
	for (int i = 0; i < nr_counters; i++)
		c->value[i] = read_fd(counter[i].fd, counter[i].key);
	c->committed_kb = read_fd(committed_fd, "Committed_AS:");
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
	for (int i = 0; i < nr_counters && used < len; i++)
		if (a->value[i] != b->value[i])
			used += snprintf(text + used, len - used, "%s %ld -> %ld; ",
					 counter[i].name, a->value[i], b->value[i]);
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
