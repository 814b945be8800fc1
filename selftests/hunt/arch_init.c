// SPDX-License-Identifier: GPL-2.0
/*
 * The init of a guest that has no shell: another architecture's, for which there is
 * a C compiler here and no user space. It runs the tests that /tests has, a command
 * of words on each line, and powers off. "kunit SUITE" is a KUnit suite, run through
 * debugfs.
 *
 * What they print goes to the first virtio port: "### COMMAND", its output, a comment
 * on the counters of huge pages, and "### COMMAND: STATUS", where 99 is that a counter
 * is not what it was.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS	16

/* What is less than the smallest huge page, in kB, is this program's own. */
#define SLACK	64

static void die(const char *what)
{
	fprintf(stderr, "init: %s: %m\n", what);
	sync();
	reboot(RB_POWER_OFF);
	exit(1);
}

static void mounted(const char *type, const char *dir)
{
	mkdir(dir, 0755);
	if (mount(type, dir, type, 0, NULL))
		die(dir);
}

static void copy(const char *path, FILE *to)
{
	FILE *file = fopen(path, "r");
	char line[1024];

	if (!file)
		die(path);
	while (fgets(line, sizeof(line), file))
		fputs(line, to);
	fclose(file);
}

/* The pools of all sizes and nodes, a counter on each line. */
static char *pools(void)
{
	static const char * const where[] = {
		"/sys/kernel/mm/hugepages/*/*_hugepages",
		"/sys/devices/system/node/node*/hugepages/*/*_hugepages",
	};
	char *text;
	size_t len, i, j;
	FILE *all = open_memstream(&text, &len);
	glob_t found;

	for (i = 0; i < 2; i++) {
		if (glob(where[i], 0, NULL, &found))
			continue;
		for (j = 0; j < found.gl_pathc; j++) {
			fprintf(all, "%s ", found.gl_pathv[j]);
			copy(found.gl_pathv[j], all);
		}
		globfree(&found);
	}
	fclose(all);
	return text;
}

static long committed(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[128];
	long value = -1;

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "Committed_AS: %ld", &value);
	if (value < 0)
		die("/proc/meminfo");
	fclose(file);
	return value;
}

static int kunit(const char *suite)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/kunit/%s/run", suite);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "run", 3) != 3) {
		perror(path);
		return 1;
	}
	close(fd);
	snprintf(path, sizeof(path), "/sys/kernel/debug/kunit/%s/results", suite);
	copy(path, stdout);
	return 0;
}

static int run(char *line)
{
	char *argv[WORDS + 1] = { NULL };
	int status, i;
	pid_t pid;

	for (i = 0; i < WORDS; i++) {
		argv[i] = strtok(i ? NULL : line, " ");
		if (!argv[i])
			break;
	}
	if (!strcmp(argv[0], "kunit"))
		return kunit(argv[1]);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		execv(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void test(const char *command)
{
	char *words = strdup(command), *before, *after;
	long committed_before, delta;
	int status;

	printf("### %s\n", command);
	before = pools();
	committed_before = committed();
	status = run(words);
	delta = committed() - committed_before;
	after = pools();
	if (strcmp(before, after)) {
		printf("# counters of huge pages changed from\n%sto\n%s", before, after);
		status = status ?: 99;
	}
	if (labs(delta) >= SLACK) {
		printf("# Committed_AS changed by %ld kB\n", delta);
		status = status ?: 99;
	}
	printf("# counters: Committed_AS %+ld kB\n### %s: %d\n", delta, command, status);
	free(before);
	free(after);
	free(words);
}

int main(void)
{
	char line[1024];
	FILE *tests;
	int port;

	mounted("proc", "/proc");
	mounted("sysfs", "/sys");
	/* The kernel may have done it. */
	if (access("/dev/null", F_OK))
		mounted("devtmpfs", "/dev");
	mounted("tmpfs", "/tmp");
	mounted("tmpfs", "/dev/shm");
	mounted("debugfs", "/sys/kernel/debug");
	mounted("cgroup2", "/sys/fs/cgroup");
	if (chdir("/tests.d"))
		die("/tests.d");
	port = open("/dev/vport0p1", O_WRONLY);
	if (port < 0)
		die("/dev/vport0p1");
	dup2(port, STDOUT_FILENO);
	dup2(port, STDERR_FILENO);
	setvbuf(stdout, NULL, _IONBF, 0);

	tests = fopen("/tests", "r");
	if (!tests)
		die("/tests");
	/* From here on the heap is as large as it gets. */
	free(pools());
	while (fgets(line, sizeof(line), tests)) {
		line[strcspn(line, "\n")] = '\0';
		test(line);
	}
	printf("### done\n");
	sync();
	reboot(RB_POWER_OFF);
	return 1;
}
