// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the region carrier
 *
 * The head of the region holds an image from umount to mount, from rmmod to
 * insmod and from kernel to kernel, on any kernel. It is mapped only while it is
 * read or written.
 *
 * Nothing here is called concurrently: the filesystem holds gmfs.change for
 * writing, or is initialising; gmfs_slots_open() has its own lock there.
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

/**
 * struct carrier - what is known of the head
 * @region: whose head it is
 * @stamp: of this kernel; the time when it was last read
 * @kexec: this kernel was started by kexec
 * @generation: of the image that was found or written last
 * @moved: where the head of another region was found, or 0
 * @places: where to look for such a head
 * @nr_places: how many
 */
static struct carrier {
	struct gmfs_image_region region;
	struct gmfs_stamp stamp;
	bool kexec;
	u64 generation;
	phys_addr_t moved;
	u64 places[8];
	unsigned int nr_places;
} here;

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

static void read_clocks(void *stamp)
{
	struct gmfs_stamp *s = stamp;

	s->tsc = get_cycles();
	s->wall = ktime_get_real_ns();
}

static int map_head(struct gmfs_head *head)
{
	head->region = here.region;
	head->map = memremap(here.region.base,
			     gmfs_slot_size(&here.region) * GMFS_NR_SLOTS,
			     MEMREMAP_WB);
	/* The counters of other CPUs may differ; kexec jumps from CPU 0 to the next CPU 0. */
	if (smp_call_function_single(0, read_clocks, &here.stamp, 1))
		read_clocks(&here.stamp);
	here.stamp.tsc_khz = tsc_khz;
	return head->map ? 0 : -ENOMEM;
}

/**
 * gmfs_slots_init - whose head it is, and who asks
 * @region: whose head it is
 * @boot_id: of this boot
 * @kexec: this kernel was started by kexec
 */
void gmfs_slots_init(const struct gmfs_image_region *region,
		     const uuid_t *boot_id, bool kexec)
{
	here = (struct carrier){ .region = *region, .kexec = kexec };
	export_uuid(here.stamp.boot_id, boot_id);
}

/**
 * gmfs_slots_expect - say where inside the region another region may have begun
 * @places: physical addresses of blocks
 * @nr: how many; those beyond the eighth are ignored
 *
 * Context: after gmfs_slots_init().
 */
void gmfs_slots_expect(const u64 *places, unsigned int nr)
{
	here.nr_places = min(nr, ARRAY_SIZE(here.places));
	memcpy(here.places, places, here.nr_places * sizeof(*places));
}

/**
 * gmfs_slots_publish - leave an image
 * @image: the image, copied
 * @size: bytes
 *
 * Context: may sleep.
 * Return: 0; -EFBIG if it does not fit, which charging for inodes and names
 * prevents; -ENOMEM.
 */
int gmfs_slots_publish(const void *image, size_t size)
{
	struct gmfs_head head;
	int err = map_head(&head);

	if (err)
		return err;
	err = gmfs_head_seal(&head, image, size, &here.stamp, &here.generation);
	memunmap(head.map);
	return err;
}

/**
 * gmfs_slots_open - what is sealed will hold no longer
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int gmfs_slots_open(void)
{
	struct gmfs_head head;
	int err = map_head(&head);

	if (err)
		return err;
	gmfs_head_open(&head, &here.stamp);
	memunmap(head.map);
	return 0;
}

/**
 * gmfs_slots_wipe - forget what is in the head
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int gmfs_slots_wipe(void)
{
	struct gmfs_head head;
	int err = map_head(&head);
	void *map;

	if (err)
		return err;
	gmfs_head_wipe(&head);
	here.generation = 0;
	memunmap(head.map);
	if (here.moved) {
		map = memremap(here.moved, PAGE_SIZE, MEMREMAP_WB);
		if (!map)
			return -ENOMEM;
		memset(map, 0, sizeof(struct gmfs_seal));
		memunmap(map);
		here.moved = 0;
	}
	return 0;
}

/**
 * gmfs_slots_date - note that the sealed image is good at this time
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int gmfs_slots_date(void)
{
	struct gmfs_head head;
	int err = map_head(&head);

	if (err)
		return err;
	gmfs_head_date(&head, &here.stamp);
	memunmap(head.map);
	return 0;
}

static enum gmfs_belief belief(struct gmfs_found *found)
{
	return gmfs_head_belief(found, &here.stamp, here.kexec);
}

/* Whether another region's head is at @at; one from before firmware began is wiped. */
static int look_at(u64 at, struct gmfs_found *found)
{
	void *map = memremap(at, GMFS_SLOT_IMAGE, MEMREMAP_WB);

	if (!map)
		return -ENOMEM;
	if (gmfs_seal_is_at(map, at, found)) {
		if (belief(found) == GMFS_FIRMWARE)
			memset(map, 0, sizeof(struct gmfs_seal));
		else
			here.moved = at;
	}
	memunmap(map);
	return 0;
}

/*
 * A region without a seal may have been somewhere else before: then the old head is
 * in the midst of the region. Touch as little memory as possible.
 */
static int find_moved(struct gmfs_found *found)
{
	unsigned int i;
	int err;

	for (i = 0; i < here.nr_places && !here.moved; i++) {
		err = look_at(here.places[i], found);
		if (err)
			return err;
	}
	if (!here.moved)
		return -ENOENT;
	pr_info("another region's head is at %pa\n", &here.moved);
	return -ENXIO;
}

/* gmfs_head_find(), and whether memory has lasted since. */
static int find(const struct gmfs_head *head, struct gmfs_found *found)
{
	int err = gmfs_head_find(head, found);

	here.generation = found->generation;
	if (err == -ENOENT)
		return find_moved(found);
	switch (belief(found)) {
	case GMFS_BELIEVED:
		break;
	case GMFS_FIRMWARE:
		pr_info("what is in the region is from before the machine was reset: forgotten\n");
		gmfs_head_wipe(head);
		here.generation = 0;
		return find_moved(found);
	case GMFS_TSC_BACK:
		return -ETIME;
	case GMFS_CLOCKS_DIFFER:
		return -ESTALE;
	}
	return err;
}

/**
 * gmfs_slots_retrieve - get the image that is in the head
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
int gmfs_slots_retrieve(void **image, size_t *size, char *why)
{
	struct gmfs_found found;
	struct gmfs_head head;
	int err;

	err = map_head(&head);
	if (err)
		return err;
	err = find(&head, &found);
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
 *
 * Context: under gmfs.change.
 * Return: a count that grows by 1 with each image, 0 if there was none.
 */
u64 gmfs_slots_generation(void)
{
	return here.generation;
}
