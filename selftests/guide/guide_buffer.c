// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers of huge pages, as many as are asked for. GB_CREATE on
 * /dev/guide_buffer makes one and returns a descriptor for it, which can be
 * mapped, read, written, drained and filled again. It is gone with the last
 * descriptor and mapping.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb_driver.h>
#include <linux/highmem.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "guide_buffer.h"

static unsigned int max_pages = 1024;
module_param(max_pages, uint, 0644);
MODULE_PARM_DESC(max_pages, "Most huge pages that one buffer may have");

struct guide_buffer {
	struct file *store;	/* the hugetlbfs file with the pages */
	struct hstate *h;
	unsigned int nr_pages;
	bool pool;
	bool shared_only;
	struct mutex lock;	/* one at a time puts pages in or takes them out */
};

static int gb_put_in(struct guide_buffer *gb, pgoff_t index)
{
	struct folio *folio;
	int err;

	if (gb->pool)
		return hugetlb_file_populate(gb->store, index, 1, NUMA_NO_NODE,
					     GFP_KERNEL);

	/* It is the user who asked for it, so it is the user who is charged. */
	folio = hugetlb_alloc_pages_immediate(gb->h, NUMA_NO_NODE,
					      GFP_KERNEL | __GFP_ZERO | __GFP_ACCOUNT);
	if (IS_ERR(folio))
		return PTR_ERR(folio);
	err = hugetlb_file_add_folio(gb->store, folio, index);
	if (err)
		hugetlb_free_pages_immediate(gb->h, folio);
	return err;
}

static int gb_take_out(struct guide_buffer *gb, pgoff_t index)
{
	struct folio *folio = hugetlb_file_remove_folio(gb->store, index);

	if (IS_ERR(folio))
		return PTR_ERR(folio);
	hugetlb_free_pages_immediate(gb->h, folio);
	return 0;
}

/* Is there a page? A negative error if that cannot be told. */
static int gb_has_page(struct guide_buffer *gb, pgoff_t index)
{
	struct folio *folio = hugetlb_file_read_folio(gb->store, index);

	if (IS_ERR(folio))
		return PTR_ERR(folio) == -ENOENT ? 0 : PTR_ERR(folio);
	folio_put(folio);
	return 1;
}

/* After an error the holes are the same as before. */
static int gb_fill(struct guide_buffer *gb)
{
	unsigned long *added = bitmap_zalloc(gb->nr_pages, GFP_KERNEL);
	unsigned int i;
	int ret = 0;

	if (!added)
		return -ENOMEM;

	for (i = 0; i < gb->nr_pages; i++) {
		ret = gb_has_page(gb, i);
		if (ret < 0)
			break;
		if (ret)
			continue;
		ret = fatal_signal_pending(current) ? -EINTR : gb_put_in(gb, i);
		if (ret)
			break;
		__set_bit(i, added);
	}

	if (ret < 0) {
		for_each_set_bit(i, added, gb->nr_pages)
			gb_take_out(gb, i);
	}
	bitmap_free(added);
	return min(ret, 0);
}

/* All that can be taken out is, whatever happens to the others. */
static int gb_drain(struct guide_buffer *gb)
{
	int ret = 0;

	for (unsigned int i = 0; i < gb->nr_pages; i++) {
		int err = gb_take_out(gb, i);

		if (err && err != -ENOENT)
			ret = err;
	}
	return ret;
}

static int gb_segments(struct guide_buffer *gb, unsigned long max_segment)
{
	size_t size = (size_t)gb->nr_pages << huge_page_shift(gb->h);
	struct sg_table sgt;
	int ret;

	if (max_segment > UINT_MAX)
		return -EINVAL;
	ret = hugetlb_file_sg_table(gb->store, &sgt, 0, size, max_segment,
				    GFP_KERNEL);
	if (ret)
		return ret;
	ret = sgt.orig_nents > INT_MAX ? -EOVERFLOW : sgt.orig_nents;
	sg_free_table(&sgt);
	return ret;
}

static long gb_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct guide_buffer *gb = file->private_data;
	int ret;

	ret = mutex_lock_killable(&gb->lock);
	if (ret)
		return ret;
	switch (cmd) {
	case GB_FILL:
		ret = arg ? -EINVAL : gb_fill(gb);
		break;
	case GB_DRAIN:
		ret = arg ? -EINVAL : gb_drain(gb);
		break;
	case GB_SEGMENTS:
		ret = gb_segments(gb, arg);
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&gb->lock);
	return ret;
}

/*
 * The page at *pos, and how many of the len bytes are in it. The reference
 * keeps the page while user memory is copied, so that needs no lock; meanwhile
 * GB_DRAIN is -EBUSY.
 */
static struct folio *gb_find(struct guide_buffer *gb, loff_t pos, size_t *len,
			     size_t *offset)
{
	size_t size = huge_page_size(gb->h);

	*offset = pos & (size - 1);
	*len = min(*len, size - *offset);
	return hugetlb_file_read_folio(gb->store, pos >> huge_page_shift(gb->h));
}

static loff_t gb_size(struct guide_buffer *gb)
{
	return (loff_t)gb->nr_pages << huge_page_shift(gb->h);
}

static ssize_t gb_read(struct file *file, char __user *buf, size_t len,
		       loff_t *pos)
{
	struct guide_buffer *gb = file->private_data;
	struct folio *folio;
	size_t offset;

	if (*pos >= gb_size(gb) || !len)
		return 0;
	folio = gb_find(gb, *pos, &len, &offset);
	if (IS_ERR(folio))
		return PTR_ERR(folio);
	len -= copy_to_user(buf, folio_address(folio) + offset, len);
	folio_put(folio);
	*pos += len;
	return len ?: -EFAULT;
}

static ssize_t gb_write(struct file *file, const char __user *buf, size_t len,
			loff_t *pos)
{
	struct guide_buffer *gb = file->private_data;
	struct folio *folio;
	size_t offset;

	if (!len)
		return 0;
	if (*pos >= gb_size(gb))
		return -ENOSPC;
	folio = gb_find(gb, *pos, &len, &offset);
	if (IS_ERR(folio))
		return PTR_ERR(folio);
	len -= copy_from_user(folio_address(folio) + offset, buf, len);
	flush_dcache_folio(folio);
	folio_put(folio);
	*pos += len;
	return len ?: -EFAULT;
}

static loff_t gb_llseek(struct file *file, loff_t offset, int whence)
{
	return fixed_size_llseek(file, offset, whence,
				 gb_size(file->private_data));
}

static unsigned long gb_get_unmapped_area(struct file *file, unsigned long addr,
		unsigned long len, unsigned long pgoff, unsigned long flags)
{
	struct guide_buffer *gb = file->private_data;

	if (gb->shared_only && (flags & MAP_TYPE) == MAP_PRIVATE)
		return -EINVAL;
	return hugetlb_file_get_unmapped_area(gb->store, addr, len, pgoff, flags);
}

static int gb_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct guide_buffer *gb = file->private_data;

	if (gb->shared_only && !vma_test(vma, VMA_MAYSHARE_BIT))
		return -EINVAL;
	return hugetlb_file_mmap(gb->store, vma);
}

static void gb_destroy(struct guide_buffer *gb)
{
	gb_drain(gb);		/* what is pinned is freed by who unpins it */
	fput(gb->store);
	mutex_destroy(&gb->lock);
	kfree(gb);
}

static int gb_release(struct inode *inode, struct file *file)
{
	gb_destroy(file->private_data);
	return 0;
}

static const struct file_operations gb_fops = {
	.owner			= THIS_MODULE,
	.release		= gb_release,
	.llseek			= gb_llseek,
	.read			= gb_read,
	.write			= gb_write,
	.unlocked_ioctl		= gb_ioctl,
	.compat_ioctl		= gb_ioctl,
	.get_unmapped_area	= gb_get_unmapped_area,
	.mmap			= gb_mmap,
};

static struct guide_buffer *gb_new(const struct gb_create *arg)
{
	vma_flags_t acct = mk_vma_flags(VMA_NORESERVE_BIT);
	struct guide_buffer *gb;
	struct hstate *h;
	int err;

	if (arg->flags & ~(GB_POOL | GB_HOLLOW | GB_SHARED_ONLY) ||
	    !arg->nr_pages || arg->page_size_log >= BITS_PER_LONG)
		return ERR_PTR(-EINVAL);
	h = hugetlb_vfsmount_hstate(arg->page_size_log);
	if (IS_ERR(h))
		return ERR_CAST(h);
	if (arg->nr_pages > max_pages ||
	    arg->nr_pages > (SIZE_MAX >> 1) >> huge_page_shift(h))
		return ERR_PTR(-E2BIG);

	gb = kzalloc_obj(*gb, GFP_KERNEL_ACCOUNT);
	if (!gb)
		return ERR_PTR(-ENOMEM);
	gb->h = h;
	gb->nr_pages = arg->nr_pages;
	gb->pool = arg->flags & GB_POOL;
	gb->shared_only = arg->flags & GB_SHARED_ONLY;
	mutex_init(&gb->lock);

	/* Who fills a buffer of the pool later is to find the pages there. */
	if (gb->pool && arg->flags & GB_HOLLOW)
		acct = EMPTY_VMA_FLAGS;
	gb->store = hugetlb_file_setup(KBUILD_MODNAME, gb_size(gb), acct,
				       HUGETLB_DRIVER_INODE, arg->page_size_log);
	if (IS_ERR(gb->store)) {
		err = PTR_ERR(gb->store);
		mutex_destroy(&gb->lock);
		kfree(gb);
		return ERR_PTR(err);
	}

	err = arg->flags & GB_HOLLOW ? 0 : gb_fill(gb);
	if (err) {
		gb_destroy(gb);
		return ERR_PTR(err);
	}
	return gb;
}

static long gb_device_ioctl(struct file *device, unsigned int cmd,
			    unsigned long user)
{
	struct guide_buffer *gb;
	struct gb_create arg;
	struct file *file;
	int fd;

	if (cmd != GB_CREATE)
		return -ENOTTY;
	if (copy_from_user(&arg, (void __user *)user, sizeof(arg)))
		return -EFAULT;

	gb = gb_new(&arg);
	if (IS_ERR(gb))
		return PTR_ERR(gb);
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		gb_destroy(gb);
		return fd;
	}
	file = anon_inode_getfile_fmode("[guide_buffer]", &gb_fops, gb, O_RDWR,
					FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		gb_destroy(gb);
		return PTR_ERR(file);
	}
	file->f_mapping = gb->store->f_mapping;
	fd_install(fd, file);
	return fd;
}

static const struct file_operations gb_device_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= gb_device_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice gb_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= KBUILD_MODNAME,
	.fops	= &gb_device_fops,
	.mode	= 0600,
};
module_misc_device(gb_misc);

MODULE_DESCRIPTION("Buffers of huge pages, one a descriptor");
MODULE_LICENSE("GPL");
