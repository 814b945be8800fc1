/* SPDX-License-Identifier: GPL-2.0 */
/* What /dev/guide_buffer and a buffer of it understand. */
#ifndef GUIDE_BUFFER_H
#define GUIDE_BUFFER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define GB_POOL		1	/* huge pages of the pool, else fresh ones */
#define GB_HOLLOW	2	/* no pages yet; with GB_POOL they are reserved */
#define GB_SHARED_ONLY	4	/* no private mappings */

struct gb_create {
	__u32 page_size_log;	/* 21, 30, ...; 0 is the default size */
	__u32 flags;
	__u64 nr_pages;		/* huge pages */
};

/* On the device. Returns a descriptor for a new buffer. */
#define GB_CREATE	_IOW('G', 0x80, struct gb_create)

/* On a buffer. */
#define GB_FILL		_IO('G', 0x81)	/* a page into each hole, or no change */
#define GB_DRAIN	_IO('G', 0x82)	/* free all pages; EBUSY: some are pinned */
#define GB_SEGMENTS	_IO('G', 0x83)	/* how many, of at most arg bytes each */

#endif
