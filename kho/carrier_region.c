// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the region carrier
 *
 * The head of the region holds an image from umount to mount, from rmmod to
 * insmod and from kernel to kernel, on any kernel. It is mapped only while it is
 * read or written.
 *
 * Nothing here is called concurrently: callers hold the tree's gate for
 * writing, or are loading; gmfs_slots_open() has a lock of its own.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <guestmemfs/abi.h>
#include <linux/io.h>
#include <linux/mm.h>
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

u32 gmfs_crc32c(const void *data, size_t len)
{
	return ~gmfs_crc32c_update(~0, data, len);
}

static void gmfs_read_clocks(void *stamp)
{
	struct gmfs_stamp *now = stamp;

	now->tsc = get_cycles();
	now->wall = ktime_get_real_ns();
}

static int gmfs_map_head(struct gmfs_slots *s, struct gmfs_head *head)
{
	head->region = s->region;
	head->map = memremap(s->region.base,
			     gmfs_slot_size(&s->region) * GMFS_NR_SLOTS,
			     MEMREMAP_WB);
	/* The counters of other CPUs may differ; kexec jumps from CPU 0 to the next CPU 0. */
	if (smp_call_function_single(0, gmfs_read_clocks, &s->stamp, 1))
		gmfs_read_clocks(&s->stamp);
	s->stamp.tsc_khz = tsc_khz;
	return head->map ? 0 : -ENOMEM;
}

/**
 * gmfs_slots_init - whose head it is, and who asks
 * @s: the carrier
 * @region: whose head it is
 * @boot_id: of this boot
 * @kexec: this kernel was started by kexec
 */
void gmfs_slots_init(struct gmfs_slots *s, const struct gmfs_image_region *region,
		     const uuid_t *boot_id, bool kexec)
{
	*s = (struct gmfs_slots){ .region = *region, .kexec = kexec };
	export_uuid(s->stamp.boot_id, boot_id);
}

/**
 * gmfs_slots_expect - say where inside the region another region may have begun
 * @s: the carrier
 * @places: physical addresses of blocks
 * @nr: how many; those beyond the eighth are ignored
 *
 * Context: after gmfs_slots_init().
 */
void gmfs_slots_expect(struct gmfs_slots *s, const u64 *places, unsigned int nr)
{
	s->nr_places = min(nr, ARRAY_SIZE(s->places));
	memcpy(s->places, places, s->nr_places * sizeof(*places));
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
	struct gmfs_head head;
	int err = gmfs_map_head(s, &head);

	if (err)
		return err;
	err = gmfs_head_seal(&head, image, size, &s->stamp, &s->generation);
	memunmap(head.map);
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
	struct gmfs_head head;
	int err = gmfs_map_head(s, &head);

	if (err)
		return err;
	gmfs_head_open(&head, &s->stamp);
	memunmap(head.map);
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
	struct gmfs_head head;
	int err = gmfs_map_head(s, &head);
	void *map;

	if (err)
		return err;
	gmfs_head_wipe(&head);
	s->generation = 0;
	memunmap(head.map);
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
	struct gmfs_head head;
	int err = gmfs_map_head(s, &head);

	if (err)
		return err;
	gmfs_head_date(&head, &s->stamp);
	memunmap(head.map);
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
 * A region without a seal may have been somewhere else before: then the old head is
 * in the midst of the region. Touch as little memory as possible.
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
	pr_info("another region's head is at %pa\n", &s->moved);
	return -ENXIO;
}

/* gmfs_head_find(), and whether memory has lasted since. */
static int gmfs_judge_head(struct gmfs_slots *s, const struct gmfs_head *head,
			   struct gmfs_found *found)
{
	int err = gmfs_head_find(head, found);

	s->generation = found->generation;
	if (err == -ENOENT)
		return gmfs_find_moved(s, found);
	switch (belief(s, found)) {
	case GMFS_BELIEVED:
		break;
	case GMFS_FIRMWARE:
		pr_info("what is in the region is from before the machine was reset: wiped\n");
		gmfs_head_wipe(head);
		s->generation = 0;
		return gmfs_find_moved(s, found);
	case GMFS_TSC_BACK:
		return -ETIME;
	case GMFS_CLOCKS_DIFFER:
		return -ESTALE;
	}
	return err;
}

/**
 * gmfs_slots_retrieve - get the image that is in the head
 * @s: the carrier
 * @image: a copy, to be freed with kvfree(); set on success, -ETIME and -ESTALE
 * @size: bytes; set with @image
 * @why: of 160 bytes: what is wrong; set on failure but -ENOENT and -ENOMEM
 *
 * It stays in the head. If firmware began this kernel, an image of an earlier boot is
 * wiped, so that no later kernel believes it.
 *
 * Context: may sleep.
 * Return: 0; -ENOENT without an image; -ENOMEM; -ETIME if the time-stamp counter went
 * back since then; -ESTALE if the clocks do not agree about the time since then; as
 * gmfs_head_find().
 */
int gmfs_slots_retrieve(struct gmfs_slots *s, void **image, size_t *size, char *why)
{
	struct gmfs_found found;
	struct gmfs_head head;
	int err;

	err = gmfs_map_head(s, &head);
	if (err)
		return err;
	err = gmfs_judge_head(s, &head, &found);
	strscpy(why, found.why, sizeof(found.why));
	if (!err || err == -ETIME || err == -ESTALE) {
		*image = kvmemdup(found.image, found.size, GFP_KERNEL);
		*size = found.size;
		if (!*image)
			err = -ENOMEM;
	}
	memunmap(head.map);
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
