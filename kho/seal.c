// SPDX-License-Identifier: GPL-2.0-only
/*
 * The head of a region: two slots for an image, each with a seal.
 *
 * include/guestmemfs/abi.h has the layout. A crash may come between any two
 * stores, and what it leaves must be the old image, or the new one, or be known
 * to be neither. So the slot with the newest image is never written to, but for
 * its state; and the state, one aligned word, is the first that goes and the
 * last that comes.
 *
 * Pure code: compiled into the module and into userspace tests.
 */
#include <guestmemfs/abi.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "seal.h"

#define STATE_NONE	0

/**
 * gmfs_slot_size - how large a slot of the head is
 * @region: the region
 *
 * Return: bytes.
 */
size_t gmfs_slot_size(const struct gmfs_image_region *region)
{
	u64 nr = region->size / region->block_size;

	return GMFS_HEAD_BLOCKS(nr) * region->block_size / GMFS_NR_SLOTS;
}

static struct gmfs_seal *slot(const struct gmfs_head *head, int nr)
{
	return head->map + nr * gmfs_slot_size(&head->region);
}

static const void *slot_image(const struct gmfs_seal *seal)
{
	return (const void *)seal + GMFS_SLOT_IMAGE;
}

/* The fields are big-endian, and get_unaligned_be64() knows no types. */
#define get64(field)		get_unaligned_be64(&(field))
#define get32(field)		get_unaligned_be32(&(field))
#define put64(value, field)	put_unaligned_be64(value, &(field))
#define put32(value, field)	put_unaligned_be32(value, &(field))

static u32 seal_crc(const struct gmfs_seal *seal)
{
	struct gmfs_seal s = *seal;

	s.state = 0;
	return gmfs_crc32c(&s, offsetof(struct gmfs_seal, crc));
}

static bool is_bound_to(const struct gmfs_seal *seal,
			const struct gmfs_image_region *region)
{
	return get64(seal->base) == region->base &&
	       get64(seal->size) == region->size &&
	       get64(seal->block_size) == region->block_size;
}

/* Says why, once, where the check gives up. */
#define refuse(found, err, ...) \
	(scnprintf((found)->why, sizeof((found)->why), __VA_ARGS__), (err))

/* 0 if a slot has a seal that makes sense; -ENOENT if it has none. */
static int check_seal(const struct gmfs_head *head, const struct gmfs_seal *seal,
		      struct gmfs_found *found)
{
	u32 state = get32(seal->state);

	if (get64(seal->magic) != GMFS_SEAL_MAGIC ||
	    (state != GMFS_SEALED && state != GMFS_OPEN))
		return -ENOENT;
	if (get32(seal->version) != GMFS_SEAL_VERSION)
		return refuse(found, -EPROTONOSUPPORT,
			      "the region's head is of version %u, not %u",
			      get32(seal->version), GMFS_SEAL_VERSION);
	if (get32(seal->crc) != seal_crc(seal))
		return refuse(found, -EBADMSG, "a seal in the region's head is damaged");
	if (!is_bound_to(seal, &head->region))
		return refuse(found, -ENXIO,
			      "it is of another region: 0x%llx bytes at 0x%llx in blocks of 0x%llx",
			      (unsigned long long)get64(seal->size),
			      (unsigned long long)get64(seal->base),
			      (unsigned long long)get64(seal->block_size));
	return 0;
}

static int check_image(const struct gmfs_head *head, const struct gmfs_seal *seal,
		       struct gmfs_found *found)
{
	u64 size = get64(seal->image_size);

	if (size > GMFS_MAX_IMAGE ||
	    size > gmfs_slot_size(&head->region) - GMFS_SLOT_IMAGE)
		return refuse(found, -EBADMSG,
			      "the image in the region's head is larger than its slot");
	if (gmfs_crc32c(slot_image(seal), size) != get32(seal->image_crc))
		return refuse(found, -EBADMSG,
			      "the image in the region's head is damaged: its checksum is wrong");
	found->image = slot_image(seal);
	found->size = size;
	return 0;
}

static void date(struct gmfs_found *found, const struct gmfs_seal *seal)
{
	found->stamp.tsc = get64(seal->tsc);
	memcpy(found->stamp.boot_id, seal->boot_id, sizeof(seal->boot_id));
	found->dated = true;
}

/*
 * Slot 1 counts only beside a slot 0: the first seal is written to that, who wipes a
 * head begins there, and the head of a region of another size has slot 1 elsewhere.
 */
static bool has_slot_0(const struct gmfs_head *head)
{
	return get64(slot(head, 0)->magic) == GMFS_SEAL_MAGIC;
}

/**
 * gmfs_head_find - look for the newest image
 * @head: the head
 * @found: what there is; set in any case
 *
 * The image itself remains to be checked, by gmfs_image_check().
 *
 * Return: 0 and @found->image; -ENOENT if nothing has a seal; or with
 * @found->why: -EUCLEAN if changes were begun and never sealed;
 * -EPROTONOSUPPORT if it is of another version; -ENXIO if it is of another
 * region; -EBADMSG if it is damaged.
 */
int gmfs_head_find(const struct gmfs_head *head, struct gmfs_found *found)
{
	const struct gmfs_seal *newest = NULL, *seal;
	int i, err, bad = 0;

	*found = (struct gmfs_found){ 0 };
	if (!has_slot_0(head))
		return -ENOENT;
	for (i = 0; i < GMFS_NR_SLOTS; i++) {
		seal = slot(head, i);
		err = check_seal(head, seal, found);
		if (err && err != -ENOENT) {
			bad = err;
			date(found, seal);
			found->dated = err == -ENXIO;
			break;
		}
		if (err || (newest && get64(seal->generation) <= found->generation))
			continue;
		newest = seal;
		date(found, seal);
		found->generation = get64(seal->generation);
	}
	if (bad || !newest)
		return bad ?: -ENOENT;
	if (get32(newest->state) == GMFS_OPEN)
		return refuse(found, -EUCLEAN,
			      "the kernel that had the region last did not leave an image (a crash?)");
	return check_image(head, newest, found);
}

/**
 * gmfs_seal_is_at - whether the head of another region begins here
 * @map: where to look
 * @addr: its physical address
 * @found: set if true; @found->why says which region
 *
 * For one that was moved. Only its own address makes it one; but a guest that
 * guesses that of its memory can write what looks like a seal, so nobody may ask
 * where guests have memory.
 *
 * Return: true if there is slot 0 of a region at @addr.
 */
bool gmfs_seal_is_at(const void *map, u64 addr, struct gmfs_found *found)
{
	struct gmfs_head head = { .region.base = addr };

	*found = (struct gmfs_found){ 0 };
	if (check_seal(&head, map, found) != -ENXIO ||
	    get64(((const struct gmfs_seal *)map)->base) != addr)
		return false;
	date(found, map);
	return true;
}

/**
 * gmfs_head_is_believed - whether memory has lasted since a seal was made
 * @found: what gmfs_head_find() found
 * @now: of the running kernel
 * @kexec: the running kernel was started by kexec
 *
 * Return: false if the machine was reset since, so that it means nothing.
 */
bool gmfs_head_is_believed(const struct gmfs_found *found,
			   const struct gmfs_stamp *now, bool kexec)
{
	if (!memcmp(found->stamp.boot_id, now->boot_id, sizeof(now->boot_id)))
		return true;
	return kexec && (!found->dated || now->tsc > found->stamp.tsc);
}

static void set_state(struct gmfs_seal *seal, u32 state)
{
	__be32 word;

	put32(state, word);
	gmfs_seal_store(&seal->state, &word, sizeof(word));
}

static void write_seal(const struct gmfs_head *head, struct gmfs_seal *to,
		       const void *image, size_t size, u64 generation,
		       const struct gmfs_stamp *now, u32 state)
{
	struct gmfs_seal s = { 0 };

	put64(GMFS_SEAL_MAGIC, s.magic);
	put32(GMFS_SEAL_VERSION, s.version);
	put64(generation, s.generation);
	put64(head->region.base, s.base);
	put64(head->region.size, s.size);
	put64(head->region.block_size, s.block_size);
	put64(size, s.image_size);
	put64(now->tsc, s.tsc);
	memcpy(s.boot_id, now->boot_id, sizeof(s.boot_id));
	put32(gmfs_crc32c(image, size), s.image_crc);
	put32(seal_crc(&s), s.crc);
	set_state(to, STATE_NONE);
	if (size)
		gmfs_seal_store((void *)to + GMFS_SLOT_IMAGE, image, size);
	gmfs_seal_store(to, &s, sizeof(s));
	set_state(to, state);
}

/* The slots, the one with the newest seal last. Returns that one's generation, or 0. */
static u64 by_age(const struct gmfs_head *head,
		  struct gmfs_seal *seals[GMFS_NR_SLOTS])
{
	struct gmfs_seal *newest = NULL, *seal;
	struct gmfs_found ignored;
	u64 generation = 0;
	bool wrong;
	int i;

	for (i = 0; i < GMFS_NR_SLOTS; i++) {
		seal = slot(head, i);
		if (check_seal(head, seal, &ignored) ||
		    (newest && get64(seal->generation) <= generation))
			continue;
		newest = seal;
		generation = get64(seal->generation);
	}
	/* If there is none, slot 0 is written first; but one that is wrong refuses all. */
	if (!newest) {
		wrong = has_slot_0(head) && get32(slot(head, 0)->state) != STATE_NONE;
		newest = slot(head, !wrong);
	}
	seals[1] = newest;
	seals[0] = slot(head, seals[1] == slot(head, 0));
	return generation;
}

/*
 * What slot 1 has must not come to count when slot 0 changes, if that has nothing or
 * is of a region of another size.
 */
static void forget_slot_1(const struct gmfs_head *head)
{
	if (!has_slot_0(head) || !is_bound_to(slot(head, 0), &head->region))
		set_state(slot(head, 1), STATE_NONE);
}

/**
 * gmfs_head_seal - leave an image
 * @head: the head
 * @image: the image
 * @size: bytes
 * @now: of the running kernel
 * @generation: set to that of the image
 *
 * Return: 0; -EFBIG if it does not fit, which the writer of the image prevents.
 */
int gmfs_head_seal(const struct gmfs_head *head, const void *image, size_t size,
		   const struct gmfs_stamp *now, u64 *generation)
{
	struct gmfs_seal *seals[GMFS_NR_SLOTS];
	struct gmfs_found ignored;
	int err;

	if (size > gmfs_slot_size(&head->region) - GMFS_SLOT_IMAGE)
		return -EFBIG;
	forget_slot_1(head);
	*generation = by_age(head, seals) + 1;
	write_seal(head, seals[0], image, size, *generation, now, GMFS_SEALED);
	/* Damaged ones do not come before this unless KHO had the image. */
	err = check_seal(head, seals[1], &ignored);
	if (err && err != -ENOENT)
		set_state(seals[1], STATE_NONE);
	return 0;
}

/**
 * gmfs_head_open - say that what is sealed holds no longer
 * @head: the head
 * @now: of the running kernel
 *
 * The newest seal is broken last: until then nothing has changed.
 */
void gmfs_head_open(const struct gmfs_head *head, const struct gmfs_stamp *now)
{
	struct gmfs_seal *seals[GMFS_NR_SLOTS];
	struct gmfs_found ignored;
	int i;

	/* Another region's slot 0 stays until slot 1 is open. */
	if (!has_slot_0(head))
		forget_slot_1(head);
	by_age(head, seals);
	for (i = 0; i < GMFS_NR_SLOTS; i++)
		if (get64(seals[i]->magic) == GMFS_SEAL_MAGIC &&
		    get32(seals[i]->state) == GMFS_SEALED)
			set_state(seals[i], GMFS_OPEN);
	/* Where slot 1 is depends on the region's size, where slot 0 is does not. */
	if (check_seal(head, slot(head, 0), &ignored))
		write_seal(head, slot(head, 0), NULL, 0, 0, now, GMFS_OPEN);
}

/**
 * gmfs_head_wipe - forget what is in the head
 * @head: the head
 */
void gmfs_head_wipe(const struct gmfs_head *head)
{
	static const struct gmfs_seal none;
	struct gmfs_seal *seals[GMFS_NR_SLOTS];
	int i;

	forget_slot_1(head);
	by_age(head, seals);
	for (i = 0; i < GMFS_NR_SLOTS; i++) {
		set_state(seals[i], STATE_NONE);
		gmfs_seal_store(seals[i], &none, sizeof(none));
	}
}
