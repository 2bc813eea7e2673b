// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing the heads of a pool: two slots for an image, each with a seal, and the marks of
 * the windows that are not the main one. slots.c reads them.
 *
 * include/guestmemfs/abi.h has the layout. A crash may come between any two
 * stores. Afterwards the heads must have the old image, or the new image, or be
 * refused; heads that were refused before must not appear to have nothing, and an
 * image that changes have made stale must never count again:
 *
 * 1. The slot with the newest image is never written, except its state.
 * 2. The state, one aligned word, is cleared first and set last.
 * 3. Slot 0 decides whether the head has a seal, for a window of any size: without
 *    the magic the head is empty, and if slot 0 is of another pool or version the
 *    head is refused, whatever its state and the contents of slot 1. So the magic is
 *    stored after the rest of a seal, and zeroed before it.
 * 4. A slot that refuses the head keeps refusing it, with a state of GMFS_OPEN, until
 *    the new seal is complete. So does a head of version 1, once it is opened.
 * 5. A mark is written once the main window's head is open, before a change.
 *
 * Pure code: compiled into the module and into userspace tests.
 */
#include <guestmemfs/abi.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "seal.h"
#include "slots.h"

static void set_state(struct gmfs_seal *seal, u32 state)
{
	__be32 word;

	put32(state, word);
	gmfs_seal_store(&seal->state, &word, sizeof(word));
}

static bool is_wrong(const struct gmfs_head *head, int nr)
{
	struct gmfs_found ignored;
	int err = gmfs_check_seal(head, nr, &ignored);

	return err && err != -ENOENT;
}

/* Whether the windows alone, whatever is in their slots, refuse the pool. */
static bool is_disputed(const struct gmfs_head *head)
{
	struct gmfs_head copy = *head;
	struct gmfs_found ignored = { 0 };
	int err = gmfs_find_main(&copy, &ignored);

	return err && err != -ENOENT;
}

/* Of a record that dates one of the seals, or 0. */
static u64 date_sequence(const struct gmfs_head *head, int nr)
{
	u64 by_slot_0 = gmfs_date_sequence(head, nr, gmfs_slot(head, 0));

	return by_slot_0 ?: gmfs_date_sequence(head, nr, gmfs_slot(head, 1));
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
	put32(gmfs_crc32c(0, &d, offsetof(struct gmfs_date, crc)), d.crc);
	gmfs_seal_store(gmfs_date_record(head, first > second), &d, sizeof(d));
}

static void put_range(struct gmfs_list_entry *to, const struct gmfs_range *range)
{
	put64(range->base, to->base);
	put64(range->size, to->size);
}

/* What a seal and a mark have in common. */
static void fill_seal(const struct gmfs_head *head, u32 window, struct gmfs_seal *s,
		      const struct gmfs_stamp *now)
{
	const struct gmfs_range *range = &head->layout->windows[window];

	put64(GMFS_SEAL_MAGIC, s->magic);
	put32(GMFS_SEAL_VERSION, s->version);
	put64(range->base, s->base);
	put64(range->size, s->size);
	put64(head->layout->block_size, s->block_size);
	put64(now->tsc, s->tsc);
	memcpy(s->boot_id, now->boot_id, sizeof(s->boot_id));
}

/* The magic last: before it the rest does not count. */
static void store_seal(struct gmfs_seal *to, const struct gmfs_seal *s)
{
	gmfs_seal_store(&to->version, &s->version, sizeof(*s) - sizeof(s->magic));
	gmfs_seal_store(&to->magic, &s->magic, sizeof(s->magic));
}

/* The list of all windows. Returns its checksum. */
static u32 gmfs_write_list(const struct gmfs_head *head, struct gmfs_seal *seal)
{
	struct gmfs_list_entry *list = gmfs_seal_list(seal), entry;
	u32 i, crc = 0;

	for (i = 0; i < head->layout->nr_windows; i++) {
		put_range(&entry, &head->layout->windows[i]);
		crc = gmfs_crc32c(crc, &entry, sizeof(entry));
		gmfs_seal_store(&list[i], &entry, sizeof(entry));
	}
	return crc;
}

static void gmfs_write_image(const struct gmfs_head *head, int nr, const void *image,
			     size_t size)
{
	struct gmfs_piece piece;
	size_t done = 0;
	u32 i;

	for (i = 0; done < size; i++) {
		gmfs_own_piece(head, nr, i, size - done, &piece);
		gmfs_seal_store(piece.at, image + done, piece.size);
		done += piece.size;
	}
}

static void gmfs_write_seal(const struct gmfs_head *head, int nr, const void *image,
			    size_t size, u64 generation, const struct gmfs_stamp *now, u32 state)
{
	struct gmfs_seal s = { 0 }, *to = gmfs_slot_of(head, head->main, nr, GMFS_SEAL_VERSION);
	bool refuses = is_wrong(head, nr) || is_disputed(head) || gmfs_head_version(head) == 1;
	u32 meanwhile = refuses ? GMFS_OPEN : STATE_NONE;

	/* Windows that this pool does not have may name it with their marks. */
	if (state == GMFS_OPEN && !gmfs_has_magic(to))
		meanwhile = GMFS_OPEN;
	set_state(to, meanwhile);
	if (size)
		gmfs_write_image(head, nr, image, size);
	fill_seal(head, head->main, &s, now);
	put64(generation, s.generation);
	put64(size, s.image_size);
	put32(gmfs_crc32c(0, image, size), s.image_crc);
	put32(head->layout->nr_windows, s.nr_windows);
	put32(gmfs_write_list(head, to), s.windows_crc);
	put32(gmfs_seal_crc(&s), s.crc);
	put32(meanwhile, s.state);
	gmfs_write_date(head, get32(s.crc), now);
	store_seal(to, &s);
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
		seal = gmfs_slot(head, i);
		if (gmfs_check_seal(head, i, &ignored) ||
		    (newest >= 0 && get64(seal->generation) <= *generation))
			continue;
		newest = i;
		*generation = get64(seal->generation);
	}
	return newest;
}

/*
 * Beside a slot 0 that is not this window's, or of version 1, slot 1 does not count where
 * version 2 has it, and may be what was the memory of a guest: it must not begin to count when
 * slot 0 is written. It may also be the other pool's slot 1, or that of version 1, and the newer
 * one, or the only whole one: so slot 0 is opened before.
 */
static void gmfs_clear_foreign_slot_1(const struct gmfs_head *head)
{
	struct gmfs_seal *seal = gmfs_slot(head, 0);

	if (gmfs_head_version(head) != 1 && gmfs_is_ours(head, seal))
		return;
	if (gmfs_has_magic(seal) && !gmfs_is_mark(seal))
		set_state(seal, GMFS_OPEN);
	set_state(gmfs_slot_of(head, head->main, 1, GMFS_SEAL_VERSION), STATE_NONE);
}

/* The newest seal is opened last: until then nothing has changed. */
static void gmfs_open_slots(const struct gmfs_head *head)
{
	struct gmfs_seal *seal;
	u64 generation;
	int i, first = newest_slot(head, &generation) == 0;

	for (i = 0; i < GMFS_NR_SLOTS; i++) {
		seal = gmfs_slot(head, first ^ i);
		if (gmfs_has_magic(seal) && get32(seal->state) == GMFS_SEALED)
			set_state(seal, GMFS_OPEN);
	}
}

/*
 * A window whose mark is whole and names the main window keeps it: it may be the only one.
 * What the window has instead keeps refusing a pool of it alone until the mark is whole.
 */
static void gmfs_write_mark(const struct gmfs_head *head, u32 window,
			    const struct gmfs_stamp *now)
{
	struct gmfs_head own = { head->layout, head->maps, window };
	struct gmfs_seal s = { 0 }, *to = head->maps[window];
	u32 meanwhile = GMFS_MEMBER;
	struct gmfs_list_entry entry;

	if (gmfs_is_marked(head, window))
		return;
	if (gmfs_has_magic(to) && !gmfs_is_mark(to)) {
		meanwhile = GMFS_OPEN;
		gmfs_open_slots(&own);
		set_state(to, meanwhile);
	}
	fill_seal(head, window, &s, now);
	put_range(&entry, &head->layout->windows[head->main]);
	put32(1, s.nr_windows);
	put32(gmfs_crc32c(0, &entry, sizeof(entry)), s.windows_crc);
	put32(gmfs_seal_crc(&s), s.crc);
	put32(meanwhile, s.state);
	gmfs_seal_store(gmfs_seal_list(to), &entry, sizeof(entry));
	store_seal(to, &s);
	set_state(to, GMFS_MEMBER);
}

static void gmfs_write_marks(const struct gmfs_head *head, const struct gmfs_stamp *now)
{
	u32 i;

	for (i = 0; i < head->layout->nr_windows; i++)
		if (i != head->main)
			gmfs_write_mark(head, i, now);
}

/**
 * gmfs_head_seal - leave an image
 * @head: the heads
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

	if (size > gmfs_head_room(head))
		return -EFBIG;
	if (gmfs_head_version(head) == 1)
		gmfs_head_open(head, now);
	gmfs_clear_foreign_slot_1(head);
	wrong_1 = is_wrong(head, 1);
	if (wrong_1)
		gmfs_open_slots(head);
	/* Before the image: another pool's slot 1 may be where it goes. */
	if (is_wrong(head, 0) || is_disputed(head))
		gmfs_head_open(head, now);
	gmfs_write_marks(head, now);
	to = newest_slot(head, generation) == 0;
	gmfs_write_seal(head, to, image, size, ++*generation, now, GMFS_SEALED);
	if (wrong_1 && to == 0)
		set_state(gmfs_slot(head, 1), STATE_NONE);
	return 0;
}

/**
 * gmfs_head_open - mark the sealed image stale
 * @head: the heads
 * @now: of the running kernel
 *
 * Leaves slot 0 with a seal of this pool and version: where slot 1 is depends on them, where
 * slot 0 is does not. And each other window with its mark.
 */
void gmfs_head_open(const struct gmfs_head *head, const struct gmfs_stamp *now)
{
	bool is_old = gmfs_head_version(head) == 1;
	struct gmfs_found ignored;
	u64 generation = 0;

	if (is_old) {
		newest_slot(head, &generation);
		gmfs_open_slots(head);
	}
	gmfs_clear_foreign_slot_1(head);
	if (!is_old)
		gmfs_open_slots(head);
	if (is_old || gmfs_check_seal(head, 0, &ignored))
		gmfs_write_seal(head, 0, NULL, 0, generation, now, GMFS_OPEN);
	gmfs_write_marks(head, now);
}

/**
 * gmfs_head_date - note that the newest seal is good at this time
 * @head: the heads
 * @now: of the running kernel
 */
void gmfs_head_date(const struct gmfs_head *head, const struct gmfs_stamp *now)
{
	u64 generation;
	int newest = newest_slot(head, &generation);

	if (newest >= 0)
		gmfs_write_date(head, gmfs_crc_of_seal(gmfs_slot(head, newest)), now);
}

static void gmfs_wipe_slot(struct gmfs_seal *seal)
{
	static const struct gmfs_seal none;

	gmfs_seal_store(&seal->magic, &none.magic, sizeof(none.magic));
	gmfs_seal_store(&seal->version, &none.version, sizeof(none) - sizeof(none.magic));
}

/* Slot 0 first: without it slot 1 does not count. */
static void gmfs_wipe_window(const struct gmfs_head *head, u32 window)
{
	gmfs_wipe_slot(head->maps[window]);
	gmfs_wipe_slot(gmfs_slot_of(head, window, 1, 1));
	gmfs_wipe_slot(gmfs_slot_of(head, window, 1, GMFS_SEAL_VERSION));
}

/**
 * gmfs_head_wipe - empty the heads
 * @head: the heads
 *
 * The main window's last: a mark without it refuses the pool.
 */
void gmfs_head_wipe(const struct gmfs_head *head)
{
	u32 i;

	for (i = 0; i < head->layout->nr_windows; i++)
		if (i != head->main)
			gmfs_wipe_window(head, i);
	gmfs_wipe_window(head, head->main);
}

/**
 * gmfs_head_wipe_old - empty the heads that another boot has left
 * @head: the heads
 * @boot_id: of this boot, which firmware began: memory has not lasted
 *
 * Return: whether there was one.
 */
bool gmfs_head_wipe_old(const struct gmfs_head *head, const u8 boot_id[16])
{
	const struct gmfs_seal *seal;
	bool any = false;
	u32 i;

	for (i = 0; i < head->layout->nr_windows; i++) {
		seal = head->maps[i];
		if (!gmfs_has_magic(seal) || !memcmp(seal->boot_id, boot_id, 16))
			continue;
		gmfs_wipe_window(head, i);
		any = true;
	}
	return any;
}
