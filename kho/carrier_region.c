// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the region carrier
 *
 * The heads of a pool's windows hold an image from umount to mount, from rmmod to
 * insmod and from kernel to kernel, on any kernel. They are mapped only while they are
 * read or written.
 *
 * Nothing here is called concurrently: callers hold the tree's gate for
 * writing, or are loading; gmfs_slots_open() has a lock of its own.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <guestmemfs/abi.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/timex.h>
#include <asm/tsc.h>

#include "kho.h"

void gmfs_seal_store(void *to, const void *from, size_t len)
{
	if (len == sizeof(u32))
		WRITE_ONCE(*(u32 *)to, *(const u32 *)from);
	else if (len == sizeof(u64))
		WRITE_ONCE(*(u64 *)to, *(const u64 *)from);
	else
		memcpy(to, from, len);
	/* Nothing to pair with: the reader is the kernel after a crash. */
	wmb();
}

u32 gmfs_crc32c(u32 crc, const void *data, size_t len)
{
	return ~gmfs_crc32c_update(~crc, data, len);
}

static void gmfs_read_clocks(void *stamp)
{
	struct gmfs_stamp *now = stamp;

	now->tsc = get_cycles();
	now->wall = ktime_get_real_ns();
}

static void gmfs_unmap_heads(struct gmfs_slots *s)
{
	u32 i;

	for (i = 0; i < s->layout->nr_windows && s->head.maps[i]; i++) {
		memunmap(s->head.maps[i]);
		s->head.maps[i] = NULL;
	}
}

static int gmfs_map_heads(struct gmfs_slots *s)
{
	u32 i;

	for (i = 0; i < s->layout->nr_windows; i++) {
		s->head.maps[i] = memremap(s->layout->windows[i].base,
					   gmfs_head_size(s->layout, i), MEMREMAP_WB);
		if (!s->head.maps[i]) {
			gmfs_unmap_heads(s);
			return -ENOMEM;
		}
	}
	/* The counters of other CPUs may differ; kexec jumps from CPU 0 to the next CPU 0. */
	if (smp_call_function_single(0, gmfs_read_clocks, &s->stamp, 1))
		gmfs_read_clocks(&s->stamp);
	s->stamp.tsc_khz = tsc_khz;
	return 0;
}

/**
 * gmfs_slots_init - whose heads they are, and who asks
 * @s: the carrier, zeroed
 * @layout: the windows; must stay
 * @boot_id: of this boot
 * @kexec: this kernel was started by kexec
 *
 * Context: may sleep. Where the windows' memory may have other heads, @s->places, is for the
 * caller to say. gmfs_slots_destroy() follows, also on failure.
 * Return: 0, or -ENOMEM.
 */
int gmfs_slots_init(struct gmfs_slots *s, struct gmfs_layout *layout,
		    const uuid_t *boot_id, bool kexec)
{
	s->layout = layout;
	s->kexec = kexec;
	export_uuid(s->stamp.boot_id, boot_id);
	s->head.layout = layout;
	s->head.maps = kcalloc(layout->nr_windows, sizeof(*s->head.maps), GFP_KERNEL);
	return s->head.maps ? 0 : -ENOMEM;
}

/* Undoes gmfs_slots_init(). */
void gmfs_slots_destroy(struct gmfs_slots *s)
{
	kfree(s->head.maps);
	kfree(s->places);
}

/**
 * gmfs_slots_publish - leave an image
 * @s: the carrier
 * @image: the image, copied
 * @size: bytes
 *
 * Context: may sleep.
 * Return: 0; -EFBIG if it does not fit, which charging for inodes and names
 * prevents; -ENOMEM.
 */
int gmfs_slots_publish(struct gmfs_slots *s, const void *image, size_t size)
{
	int err = gmfs_map_heads(s);

	if (err)
		return err;
	err = gmfs_head_seal(&s->head, image, size, &s->stamp, &s->generation);
	s->layout->known = ~0ULL;
	gmfs_unmap_heads(s);
	return err;
}

/**
 * gmfs_slots_open - what is sealed will hold no longer
 * @s: the carrier
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int gmfs_slots_open(struct gmfs_slots *s)
{
	int err = gmfs_map_heads(s);

	if (err)
		return err;
	gmfs_head_open(&s->head, &s->stamp);
	s->layout->known = ~0ULL;
	gmfs_unmap_heads(s);
	return 0;
}

/**
 * gmfs_slots_wipe - empty the head
 * @s: the carrier
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int gmfs_slots_wipe(struct gmfs_slots *s)
{
	int err = gmfs_map_heads(s);
	void *map;

	if (err)
		return err;
	gmfs_head_wipe(&s->head);
	s->layout->known = ~0ULL;
	s->generation = 0;
	gmfs_unmap_heads(s);
	if (s->moved) {
		map = memremap(s->moved, PAGE_SIZE, MEMREMAP_WB);
		if (!map)
			return -ENOMEM;
		memset(map, 0, sizeof(struct gmfs_seal));
		memunmap(map);
		s->moved = 0;
	}
	return 0;
}

/**
 * gmfs_slots_date - note that the sealed image is good at this time
 * @s: the carrier
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int gmfs_slots_date(struct gmfs_slots *s)
{
	int err = gmfs_map_heads(s);

	if (err)
		return err;
	gmfs_head_date(&s->head, &s->stamp);
	gmfs_unmap_heads(s);
	return 0;
}

static enum gmfs_belief belief(struct gmfs_slots *s, struct gmfs_found *found)
{
	return gmfs_head_belief(found, &s->stamp, s->kexec);
}

/* Whether another region's head is at @at; one from before firmware began is wiped. */
static int gmfs_judge_moved(struct gmfs_slots *s, u64 at, struct gmfs_found *found)
{
	void *map = memremap(at, GMFS_SLOT_IMAGE, MEMREMAP_WB);

	if (!map)
		return -ENOMEM;
	if (gmfs_seal_is_at(map, at, found)) {
		if (belief(s, found) == GMFS_FIRMWARE)
			memset(map, 0, sizeof(struct gmfs_seal));
		else
			s->moved = at;
	}
	memunmap(map);
	return 0;
}

/*
 * A window without a seal may have been somewhere else before: then the old head is
 * in the midst of the new one. Touch as little memory as possible.
 */
static int gmfs_find_moved(struct gmfs_slots *s, struct gmfs_found *found)
{
	unsigned int i;
	int err;

	for (i = 0; i < s->nr_places && !s->moved; i++) {
		err = gmfs_judge_moved(s, s->places[i], found);
		if (err)
			return err;
	}
	if (!s->moved)
		return -ENOENT;
	pr_info("another window's head is at %pa\n", &s->moved);
	return -ENXIO;
}

/* gmfs_head_find(), and whether memory has lasted since. */
static int gmfs_judge_heads(struct gmfs_slots *s, struct gmfs_found *found)
{
	int err;

	if (!s->kexec && gmfs_head_wipe_old(&s->head, s->stamp.boot_id))
		pr_info("what is in the region is from before the machine was reset: wiped\n");
	err = gmfs_head_find(&s->head, found);
	s->generation = found->generation;
	if (err == -ENOENT)
		return gmfs_find_moved(s, found);
	switch (belief(s, found)) {
	case GMFS_BELIEVED:
	case GMFS_FIRMWARE:	/* all of that are wiped */
		break;
	case GMFS_TSC_BACK:
		return -ETIME;
	case GMFS_CLOCKS_DIFFER:
		return -ESTALE;
	}
	return err;
}

/* Without a head nothing says which windows belong to an image that KHO may have. */
static u64 known(const struct gmfs_found *found, int err)
{
	return err == -ENOENT || !found->known ? ~0ULL : found->known;
}

/**
 * gmfs_slots_retrieve - get the image that is in the heads
 * @s: the carrier
 * @left: zeroed; the image is set on success, -ETIME and -ESTALE, that of before on -EUCLEAN,
 *	and the reason on failure but -ENOENT and -ENOMEM
 *
 * It stays in the heads. If firmware began this kernel, an image of an earlier boot is
 * wiped, so that no later kernel believes it. Afterwards the layout says which windows are
 * known.
 *
 * Context: may sleep.
 * Return: 0; -ENOENT without an image; -ENOMEM; -ETIME if the time-stamp counter went
 * back since then; -ESTALE if the clocks do not agree about the time since then; as
 * gmfs_head_find().
 */
int gmfs_slots_retrieve(struct gmfs_slots *s, struct gmfs_left *left)
{
	struct gmfs_found found;
	int err;

	left->err = gmfs_map_heads(s);
	if (left->err)
		return left->err;
	err = gmfs_judge_heads(s, &found);
	s->layout->known = known(&found, err);
	left->version = found.version;
	left->disputed = found.disputed;
	strscpy(left->why, found.why, sizeof(left->why));
	if (!err || err == -ETIME || err == -ESTALE) {
		left->image = kvmalloc(found.size, GFP_KERNEL);
		left->size = found.size;
		if (left->image)
			gmfs_head_copy(&s->head, &found, left->image);
		else
			err = -ENOMEM;
	}
	if (err == -EUCLEAN && found.size) {
		left->opened = kvmalloc(found.size, GFP_KERNEL);
		left->opened_size = found.size;
		if (left->opened)
			gmfs_head_copy(&s->head, &found, left->opened);
	}
	gmfs_unmap_heads(s);
	left->err = err;
	return err;
}

/**
 * gmfs_slots_generation - of the slot that was found or written last
 * @s: the carrier
 *
 * Context: inside the tree's gate.
 * Return: a count that grows by 1 with each image, 0 if there was none.
 */
u64 gmfs_slots_generation(const struct gmfs_slots *s)
{
	return s->generation;
}
