// SPDX-License-Identifier: GPL-2.0-only
/*
 * The head of a region: two slots for an image, each with a seal.
 *
 * include/guestmemfs/abi.h has the layout. A crash may come between any two
 * stores. Afterwards the head must have the old image, or the new image, or be
 * refused; a head that was refused before must not appear to have nothing, and an
 * image that changes have made stale must never count again:
 *
 * 1. The slot with the newest image is never written, except its state.
 * 2. The state, one aligned word, is cleared first and set last.
 * 3. Slot 0 decides whether the head has a seal, for a region of any size: without
 *    the magic the head is empty, and if slot 0 is of another region or version the
 *    head is refused, whatever its state and the contents of slot 1. So the magic is
 *    stored after the rest of a seal, and zeroed before it.
 * 4. A slot that refuses the head keeps refusing it, with a state of GMFS_OPEN, until
 *    the new seal is complete.
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

static bool has_magic(const struct gmfs_seal *seal)
{
	return get64(seal->magic) == GMFS_SEAL_MAGIC;
}

/* Not whether it is whole: these fields stay as they are while it is written anew. */
static bool is_ours(const struct gmfs_head *head, const struct gmfs_seal *seal)
{
	return has_magic(seal) && get32(seal->version) == GMFS_SEAL_VERSION &&
	       is_bound_to(seal, &head->region);
}

/*
 * 0 if a slot has a seal that makes sense; -ENOENT if it has none. Another region's
 * slot 0 is refused in any state, since that region's slot 1 is somewhere else.
 */
static int gmfs_check_seal(const struct gmfs_head *head, const struct gmfs_seal *seal,
			   struct gmfs_found *found)
{
	u32 state = get32(seal->state);

	if (!has_magic(seal))
		return -ENOENT;
	if (state != GMFS_SEALED && state != GMFS_OPEN &&
	    (seal != head->map || is_ours(head, seal)))
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

static int gmfs_check_image(const struct gmfs_head *head, const struct gmfs_seal *seal,
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

static struct gmfs_date *date_record(const struct gmfs_head *head, int nr)
{
	return head->map + (nr ? GMFS_DATE_2 : GMFS_DATE);
}

/* The sequence of a record that dates a seal, or 0. */
static u64 dates(const struct gmfs_head *head, int nr, const struct gmfs_seal *seal)
{
	const struct gmfs_date *d = date_record(head, nr);

	if (get64(d->magic) != GMFS_DATE_MAGIC || get32(d->seal_crc) != get32(seal->crc) ||
	    get32(d->crc) != gmfs_crc32c(d, offsetof(struct gmfs_date, crc)))
		return 0;
	return get64(d->sequence);
}

static void get_date(const struct gmfs_head *head, const struct gmfs_seal *seal,
		     struct gmfs_found *found)
{
	u64 first = dates(head, 0, seal), second = dates(head, 1, seal);
	const struct gmfs_date *d = date_record(head, second > first);

	found->dated = true;
	found->stamp = (struct gmfs_stamp){ .tsc = get64(seal->tsc) };
	memcpy(found->stamp.boot_id, seal->boot_id, sizeof(seal->boot_id));
	if (!first && !second)
		return;
	found->stamp.tsc = get64(d->tsc);
	found->stamp.tsc_khz = get64(d->tsc_khz);
	found->stamp.wall = get64(d->wall);
	memcpy(found->stamp.boot_id, d->boot_id, sizeof(d->boot_id));
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
	if (!has_magic(slot(head, 0)))
		return -ENOENT;
	for (i = 0; i < GMFS_NR_SLOTS; i++) {
		seal = slot(head, i);
		err = gmfs_check_seal(head, seal, found);
		if (err && err != -ENOENT) {
			bad = err;
			get_date(head, seal, found);
			found->dated = err == -ENXIO;
			break;
		}
		if (err || (newest && get64(seal->generation) <= found->generation))
			continue;
		newest = seal;
		get_date(head, seal, found);
		found->generation = get64(seal->generation);
	}
	if (bad || !newest)
		return bad ?: -ENOENT;
	if (get32(newest->state) == GMFS_OPEN)
		return refuse(found, -EUCLEAN,
			      "the kernel that had the region last did not leave an image (a crash?)");
	return gmfs_check_image(head, newest, found);
}

/**
 * gmfs_seal_is_at - whether the head of another region begins here
 * @map: where to look, GMFS_SLOT_IMAGE bytes
 * @addr: its physical address
 * @found: set if true; @found->why says which region
 *
 * For one that was moved. Only its own address makes it one; but a guest that
 * guesses that of its memory can write what looks like a seal, so callers must not ask
 * where guests have memory.
 *
 * Return: true if there is slot 0 of a region at @addr.
 */
bool gmfs_seal_is_at(const void *map, u64 addr, struct gmfs_found *found)
{
	struct gmfs_head head = { .map = (void *)map, .region.base = addr };

	*found = (struct gmfs_found){ 0 };
	if (gmfs_check_seal(&head, map, found) != -ENXIO ||
	    get64(((const struct gmfs_seal *)map)->base) != addr)
		return false;
	get_date(&head, map, found);
	return true;
}

static void set_state(struct gmfs_seal *seal, u32 state)
{
	__be32 word;

	put32(state, word);
	gmfs_seal_store(&seal->state, &word, sizeof(word));
}

static bool is_wrong(const struct gmfs_head *head, int nr)
{
	struct gmfs_found ignored;
	int err = gmfs_check_seal(head, slot(head, nr), &ignored);

	return err && err != -ENOENT;
}

/* Of a record that dates one of the seals, or 0. */
static u64 date_sequence(const struct gmfs_head *head, int nr)
{
	u64 by_slot_0 = dates(head, nr, slot(head, 0));

	return by_slot_0 ?: dates(head, nr, slot(head, 1));
}

/* Keeps the record that dates a seal which may still count. */
static void gmfs_write_date(const struct gmfs_head *head, u32 seal_crc,
			    const struct gmfs_stamp *now)
{
	u64 first = date_sequence(head, 0), second = date_sequence(head, 1);
	struct gmfs_date d = { 0 };

	put64(GMFS_DATE_MAGIC, d.magic);
	put64((first > second ? first : second) + 1, d.sequence);
	put64(now->wall, d.wall);
	put64(now->tsc, d.tsc);
	put64(now->tsc_khz, d.tsc_khz);
	memcpy(d.boot_id, now->boot_id, sizeof(d.boot_id));
	put32(seal_crc, d.seal_crc);
	put32(gmfs_crc32c(&d, offsetof(struct gmfs_date, crc)), d.crc);
	gmfs_seal_store(date_record(head, first > second), &d, sizeof(d));
}

static void gmfs_write_seal(const struct gmfs_head *head, int nr, const void *image,
			    size_t size, u64 generation, const struct gmfs_stamp *now, u32 state)
{
	u32 meanwhile = is_wrong(head, nr) ? GMFS_OPEN : STATE_NONE;
	struct gmfs_seal s = { 0 }, *to = slot(head, nr);

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
	put32(meanwhile, s.state);
	set_state(to, meanwhile);
	if (size)
		gmfs_seal_store((void *)to + GMFS_SLOT_IMAGE, image, size);
	gmfs_write_date(head, get32(s.crc), now);
	gmfs_seal_store(&to->version, &s.version, sizeof(s) - sizeof(s.magic));
	gmfs_seal_store(&to->magic, &s.magic, sizeof(s.magic));
	set_state(to, state);
}

/* The slot with the newest good seal, or -1. */
static int newest_slot(const struct gmfs_head *head, u64 *generation)
{
	struct gmfs_found ignored;
	const struct gmfs_seal *seal;
	int i, newest = -1;

	*generation = 0;
	for (i = 0; i < GMFS_NR_SLOTS; i++) {
		seal = slot(head, i);
		if (gmfs_check_seal(head, seal, &ignored) ||
		    (newest >= 0 && get64(seal->generation) <= *generation))
			continue;
		newest = i;
		*generation = get64(seal->generation);
	}
	return newest;
}

/*
 * Beside a slot 0 that is not this region's, slot 1 does not count, and may be what
 * was the memory of a guest: it must not begin to count when slot 0 is written.
 */
static void gmfs_clear_foreign_slot_1(const struct gmfs_head *head)
{
	if (!is_ours(head, slot(head, 0)))
		set_state(slot(head, 1), STATE_NONE);
}

/* The newest seal is opened last: until then nothing has changed. */
static void gmfs_open_slots(const struct gmfs_head *head)
{
	struct gmfs_seal *seal;
	u64 generation;
	int i, first = newest_slot(head, &generation) == 0;

	for (i = 0; i < GMFS_NR_SLOTS; i++) {
		seal = slot(head, first ^ i);
		if (has_magic(seal) && get32(seal->state) == GMFS_SEALED)
			set_state(seal, GMFS_OPEN);
	}
}

/**
 * gmfs_head_seal - leave an image
 * @head: the head
 * @image: the image
 * @size: bytes
 * @now: of the running kernel
 * @generation: set to that of the image
 *
 * Into a head that is refused when KHO had the image: until the new one is whole the
 * head stays refused, and no older image in it counts again.
 *
 * Return: 0; -EFBIG if it does not fit, which the writer of the image prevents.
 */
int gmfs_head_seal(const struct gmfs_head *head, const void *image, size_t size,
		   const struct gmfs_stamp *now, u64 *generation)
{
	bool wrong_1;
	int to;

	if (size > gmfs_slot_size(&head->region) - GMFS_SLOT_IMAGE)
		return -EFBIG;
	gmfs_clear_foreign_slot_1(head);
	wrong_1 = is_wrong(head, 1);
	if (wrong_1)
		gmfs_open_slots(head);
	/* Before the image: another region's slot 1 may be where it goes. */
	if (is_wrong(head, 0))
		gmfs_head_open(head, now);
	to = newest_slot(head, generation) == 0;
	gmfs_write_seal(head, to, image, size, ++*generation, now, GMFS_SEALED);
	if (wrong_1 && to == 0)
		set_state(slot(head, 1), STATE_NONE);
	return 0;
}

/**
 * gmfs_head_open - mark the sealed image stale
 * @head: the head
 * @now: of the running kernel
 *
 * Leaves slot 0 with a seal of this region: where slot 1 is depends on the region's
 * size, where slot 0 is does not.
 */
void gmfs_head_open(const struct gmfs_head *head, const struct gmfs_stamp *now)
{
	struct gmfs_found ignored;

	gmfs_clear_foreign_slot_1(head);
	gmfs_open_slots(head);
	if (gmfs_check_seal(head, slot(head, 0), &ignored))
		gmfs_write_seal(head, 0, NULL, 0, 0, now, GMFS_OPEN);
}

/**
 * gmfs_head_date - note that the newest seal is good at this time
 * @head: the head
 * @now: of the running kernel
 */
void gmfs_head_date(const struct gmfs_head *head, const struct gmfs_stamp *now)
{
	u64 generation;
	int newest = newest_slot(head, &generation);

	if (newest >= 0)
		gmfs_write_date(head, get32(slot(head, newest)->crc), now);
}

/**
 * gmfs_head_wipe - empty the head
 * @head: the head
 */
void gmfs_head_wipe(const struct gmfs_head *head)
{
	static const struct gmfs_seal none;
	struct gmfs_seal *seal;
	int i;

	for (i = 0; i < GMFS_NR_SLOTS; i++) {
		seal = slot(head, i);
		gmfs_seal_store(&seal->magic, &none.magic, sizeof(none.magic));
		gmfs_seal_store(&seal->version, &none.version,
				sizeof(none) - sizeof(none.magic));
	}
}
