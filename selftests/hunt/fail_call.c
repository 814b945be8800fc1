// SPDX-License-Identifier: GPL-2.0
/*
 * For fail_nth.c: lets calls fail that are no allocation of the slab or of pages,
 * and tells which call it was that failed.
 *
 * /proc/PID/fail-nth counts the allocations of a task. Here the functions that are
 * named in /sys/kernel/debug/fail_call/functions count as well, with the same
 * counter: the call that takes it to 0 does nothing and returns the value given
 * with the name. /sys/kernel/debug/fail_call/last has the stack of what failed
 * last, of either kind, innermost caller first, on one line. Nothing goes to the
 * console, where it could be taken for a splat or hide one.
 *
 * "FUNCTION VALUE" in /sys/kernel/debug/fail_call/skipped has every call of it return
 * at once that comes after a failure, by anybody, until last is read: what a kernel
 * does that forgets something on the way back. "none 0" ends it.
 *
 * Pages that the slab allocates for itself do not count: whether it needs one depends
 * on what went before, and the number of a failure would mean another one each time.
 * What is allocated from it counts. With Y in /sys/kernel/debug/fail_call/only_calls
 * no allocation counts.
 *
 * "FUNCTION N" in /sys/kernel/debug/fail_call/within counts from N only while the
 * task that wrote it is in that function, the next time that it calls it.
 *
 * A number in /sys/kernel/debug/fail_call/again is set once more when a call has
 * failed: 1 has the next one fail as well, on the way back.
 *
 * One task at a time, which reads and writes all of these files itself.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/uaccess.h>

struct fail_function {
	struct list_head list;
	struct kprobe kp;
	long value;
	bool skip;
	char name[100];
};

static LIST_HEAD(functions);
static DEFINE_MUTEX(functions_lock);
static struct dentry *dir;

#define MAX_STACK	64

/* As text, at once: what belongs to init_module() has no name any more later. */
static char last[SZ_8K];

/* Written by one task at a time, and not from a handler within a handler. */
static void remember(const char *what, unsigned long caller,
		     const unsigned long *stack, unsigned int nr)
{
	int len = scnprintf(last, sizeof(last), "%s", what);

	if (caller)
		len += scnprintf(last + len, sizeof(last) - len, " %pS", (void *)caller);
	for (unsigned int i = 0; i < nr; i++)
		len += scnprintf(last + len, sizeof(last) - len, " %pS", (void *)stack[i]);
}

static u32 again;

static void fail_again(void)
{
	WRITE_ONCE(current->fail_nth, again);
	again = 0;
}

/* What happens to a kernel function at its first instruction, and nowhere else. */
static int fail_this_call(struct kprobe *kp, struct pt_regs *regs)
{
	struct fail_function *f = container_of(kp, struct fail_function, kp);
	unsigned int nth = READ_ONCE(current->fail_nth);
	unsigned long caller = *(unsigned long *)regs->sp;
	unsigned long stack[MAX_STACK];
	unsigned int nr, i;

	if (!nth)
		return 0;
	WRITE_ONCE(current->fail_nth, nth - 1);
	if (nth > 1)
		return 0;

	/*
	 * The function has not set up its frame: its caller is known only here.
	 * Those above come behind the address of the probe.
	 */
	nr = stack_trace_save(stack, ARRAY_SIZE(stack), 0);
	for (i = 0; i < nr; i++)
		if (stack[i] - (unsigned long)kp->addr <= 1)
			break;
	i = min(i + 1, nr);
	remember(f->name, caller, stack + i, nr - i);
	fail_again();

	regs->ax = f->value;
	regs->ip = caller;
	regs->sp += sizeof(caller);
	return 1;
}

static int skip_this_call(struct kprobe *kp, struct pt_regs *regs)
{
	struct fail_function *f = container_of(kp, struct fail_function, kp);

	if (!READ_ONCE(last[0]))
		return 0;
	regs->ax = f->value;
	regs->ip = *(unsigned long *)regs->sp;
	regs->sp += sizeof(unsigned long);
	return 1;
}

/* With one, the probe is not made a jump, which cannot return for the function. */
static void no_jump(struct kprobe *kp, struct pt_regs *regs, unsigned long flags)
{
}

static int was_armed(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return READ_ONCE(current->fail_nth) != 1;
}

static int allocation_failed(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned long stack[MAX_STACK];
	unsigned int nr;

	if (!(bool)regs_return_value(regs))
		return 0;
	nr = stack_trace_save(stack, ARRAY_SIZE(stack), 0);
	remember("allocation", 0, stack, nr);
	fail_again();
	return 0;
}

static struct kretprobe allocations = {
	.kp.symbol_name = "should_fail_ex",
	.entry_handler = was_armed,
	.handler = allocation_failed,
};

/*
 * What does not count: the counter is put away for the time of that call.
 */
static bool only_calls;

static int hide_counter(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	unsigned int nth = READ_ONCE(current->fail_nth);

	if (!nth || !in_task())
		return 1;
	*(unsigned int *)ri->data = nth;
	WRITE_ONCE(current->fail_nth, 0);
	return 0;
}

static int show_counter(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	WRITE_ONCE(current->fail_nth, *(unsigned int *)ri->data);
	return 0;
}

static int hide_if_only_calls(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	return READ_ONCE(only_calls) ? hide_counter(ri, regs) : 1;
}

static struct kretprobe slab_pages = {
	.kp.symbol_name = "allocate_slab",
	.data_size = sizeof(unsigned int),
	.entry_handler = hide_counter,
	.handler = show_counter,
};

static struct kretprobe slab_objects = {
	.kp.symbol_name = "should_failslab",
	.data_size = sizeof(unsigned int),
	.entry_handler = hide_if_only_calls,
	.handler = show_counter,
};

static struct kretprobe pages = {
	.kp.symbol_name = "should_fail_alloc_page",
	.data_size = sizeof(unsigned int),
	.entry_handler = hide_if_only_calls,
	.handler = show_counter,
};

/*
 * The part of a call that is looked at.
 */
static struct {
	struct kretprobe rp;
	struct task_struct *task;
	unsigned int nth;
	char name[100];
} within;

static int within_enter(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	if (READ_ONCE(within.task) != current)
		return 1;
	/* This time and not the next one. */
	WRITE_ONCE(within.task, NULL);
	WRITE_ONCE(current->fail_nth, within.nth);
	return 0;
}

static int within_leave(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	WRITE_ONCE(current->fail_nth, 0);
	return 0;
}

static int within_set(const char *name, unsigned int nth)
{
	int err;

	within.task = NULL;
	if (!nth)
		return 0;
	if (strcmp(name, within.name)) {
		if (within.name[0])
			unregister_kretprobe(&within.rp);
		memset(&within, 0, sizeof(within));
		strscpy(within.name, name);
		within.rp.kp.symbol_name = within.name;
		within.rp.entry_handler = within_enter;
		within.rp.handler = within_leave;
		err = register_kretprobe(&within.rp);
		if (err) {
			within.name[0] = 0;
			return err;
		}
	}
	within.nth = nth;
	WRITE_ONCE(within.task, current);
	return 0;
}

static int fail_function_add(const char *name, long value, bool skip)
{
	struct fail_function *f;
	int err;

	f = kzalloc_obj(*f);
	if (!f)
		return -ENOMEM;
	strscpy(f->name, name);
	f->value = value;
	f->skip = skip;
	f->kp.symbol_name = f->name;
	f->kp.pre_handler = skip ? skip_this_call : fail_this_call;
	f->kp.post_handler = no_jump;
	err = register_kprobe(&f->kp);
	if (err) {
		kfree(f);
		return err;
	}
	mutex_lock(&functions_lock);
	list_add_tail(&f->list, &functions);
	mutex_unlock(&functions_lock);
	return 0;
}

static void remove_functions(bool skipped_only)
{
	struct fail_function *f, *next;

	mutex_lock(&functions_lock);
	list_for_each_entry_safe(f, next, &functions, list) {
		if (skipped_only && !f->skip)
			continue;
		unregister_kprobe(&f->kp);
		list_del(&f->list);
		kfree(f);
	}
	mutex_unlock(&functions_lock);
}

/* What is written to these files: one "NAME NUMBER" at a time. */
static int read_line(const char __user *buf, size_t count, char *name, long *nr)
{
	char text[128];

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	text[count] = 0;
	return sscanf(text, "%99s %ld", name, nr) == 2 ? 0 : -EINVAL;
}

static ssize_t functions_write(struct file *file, const char __user *buf,
			       size_t count, loff_t *ppos)
{
	bool skip = file->private_data;
	char name[100];
	long value;
	int err;

	err = read_line(buf, count, name, &value);
	if (err)
		return err;
	if (skip && !strcmp(name, "none"))
		remove_functions(true);
	else
		err = fail_function_add(name, value, skip);
	return err ?: count;
}

static ssize_t within_write(struct file *file, const char __user *buf,
			    size_t count, loff_t *ppos)
{
	char name[100];
	long nth;
	int err;

	err = read_line(buf, count, name, &nth);
	if (!err)
		err = within_set(name, nth);
	return err ?: count;
}

static const struct file_operations within_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.write	= within_write,
};

static const struct file_operations functions_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.write	= functions_write,
};

static int last_show(struct seq_file *m, void *v)
{
	if (!last[0])
		return 0;
	seq_puts(m, last);
	seq_putc(m, '\n');
	last[0] = 0;
	return 0;
}

/* It is shown once: room for all of it at the first attempt. */
static int last_open(struct inode *inode, struct file *file)
{
	return single_open_size(file, last_show, NULL, 4 * PAGE_SIZE);
}

static const struct file_operations last_fops = {
	.owner		= THIS_MODULE,
	.open		= last_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static struct kretprobe *probes[] = {
	&allocations, &slab_pages, &slab_objects, &pages,
};

static int __init fail_call_init(void)
{
	int err;

	/* The handlers move the stack pointer, which only a trap allows. */
	BUILD_BUG_ON(!IS_ENABLED(CONFIG_X86_64) ||
		     IS_ENABLED(CONFIG_KPROBES_ON_FTRACE));

	err = register_kretprobes(probes, ARRAY_SIZE(probes));
	if (err)
		return err;
	dir = debugfs_create_dir("fail_call", NULL);
	debugfs_create_file("functions", 0200, dir, NULL, &functions_fops);
	debugfs_create_file("skipped", 0200, dir, (void *)1, &functions_fops);
	debugfs_create_file("within", 0200, dir, NULL, &within_fops);
	debugfs_create_u32("again", 0600, dir, &again);
	debugfs_create_bool("only_calls", 0600, dir, &only_calls);
	debugfs_create_file("last", 0400, dir, NULL, &last_fops);
	return 0;
}
module_init(fail_call_init);

static void __exit fail_call_exit(void)
{
	debugfs_remove(dir);
	if (within.name[0])
		unregister_kretprobe(&within.rp);
	unregister_kretprobes(probes, ARRAY_SIZE(probes));
	remove_functions(false);
}
module_exit(fail_call_exit);

MODULE_DESCRIPTION("Calls that fail on request");
MODULE_LICENSE("GPL");
