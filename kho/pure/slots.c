// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading the heads of a pool: which window is the main one, which of its slots counts,
 * and where the image is.
 *
 * include/guestmemfs/abi.h has the layout, of both versions; seal.c writes the second.
 *
 * Pure code: compiled into the module and into userspace tests.
 */
#include <guestmemfs/abi.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "slots.h"

/* Says why, once, where the check gives up. */
#define refuse(found, err, ...) \
	(scnprintf((found)->why, sizeof((found)->why), __VA_ARGS__), (err))

/* Of a window's head of that version: bytes. */
size_t gmfs_slot_size(const struct gmfs_layout *layout, u32 window, u32 version)
{
	u64 nr = layout->windows[window].size / layout->block_size;

	return (version == 1 ? GMFS_HEAD_BLOCKS_V1(nr) : GMFS_HEAD_BLOCKS(nr)) *
	       layout->block_size / GMFS_NR_SLOTS;
}

/**
 * gmfs_head_size - how much of a window to map
 * @layout: the pool's windows
 * @window: which one
 *
 * Return: bytes, for a head of any version.
 */
size_t gmfs_head_size(const struct gmfs_layout *layout, u32 window)
{
	return gmfs_slot_size(layout, window, 1) * GMFS_NR_SLOTS;
}

/* Where a window's slot is in a head of that version. */
struct gmfs_seal *gmfs_slot_of(const struct gmfs_head *head, u32 window, int nr, u32 version)
{
	return head->maps[window] + nr * gmfs_slot_size(head->layout, window, version);
}

static bool is_bound_to(const struct gmfs_head *head, const struct gmfs_seal *seal, u32 window)
{
	const struct gmfs_range *range = &head->layout->windows[window];

	return get64(seal->base) == range->base && get64(seal->size) == range->size &&
	       get64(seal->block_size) == head->layout->block_size;
}

/* Of the main window's head, by slot 0: 1 only if version 1 could read it. */
u32 gmfs_head_version(const struct gmfs_head *head)
{
	const struct gmfs_seal *seal = head->maps[head->main];

	return gmfs_has_magic(seal) && get32(seal->version) == 1 &&
	       is_bound_to(head, seal, head->main) ? 1 : GMFS_SEAL_VERSION;
}

/* A slot of the main window. */
struct gmfs_seal *gmfs_slot(const struct gmfs_head *head, int nr)
{
	return gmfs_slot_of(head, head->main, nr, gmfs_head_version(head));
}

static size_t crc_offset(const struct gmfs_seal *seal)
{
	return get32(seal->version) == 1 ? offsetof(struct gmfs_seal_v1, crc) :
					   offsetof(struct gmfs_seal, crc);
}

/* What a seal of either version has as its checksum, and what it should have. */
u32 gmfs_crc_of_seal(const struct gmfs_seal *seal)
{
	return get_unaligned_be32((const void *)seal + crc_offset(seal));
}

u32 gmfs_seal_crc(const struct gmfs_seal *seal)
{
	struct gmfs_seal s = *seal;

	s.state = 0;
	return gmfs_crc32c(0, &s, crc_offset(&s));
}

/* Not whether it is whole: these fields stay as they are while it is written anew. */
bool gmfs_is_ours(const struct gmfs_head *head, const struct gmfs_seal *seal)
{
	u32 version = get32(seal->version);

	return gmfs_has_magic(seal) && (version == 1 || version == GMFS_SEAL_VERSION) &&
	       get32(seal->state) != GMFS_MEMBER && is_bound_to(head, seal, head->main);
}

static bool list_is_whole(const struct gmfs_seal *seal)
{
	u32 nr = get32(seal->nr_windows);

	return nr && nr <= GMFS_MAX_WINDOWS &&
	       gmfs_crc32c(0, gmfs_seal_list(seal), nr * sizeof(struct gmfs_list_entry)) ==
	       get32(seal->windows_crc);
}

/*
 * 0 if a slot of the main window has a seal that makes sense; -ENOENT if it has none. Another
 * pool's slot 0 is refused in any state, since that pool's slot 1 is somewhere else.
 */
int gmfs_check_seal(const struct gmfs_head *head, int nr, struct gmfs_found *found)
{
	const struct gmfs_seal *seal = gmfs_slot(head, nr);
	u32 state = get32(seal->state), version = get32(seal->version);

	if (!gmfs_has_magic(seal))
		return -ENOENT;
	if (state != GMFS_SEALED && state != GMFS_OPEN && (nr || gmfs_is_ours(head, seal)))
		return -ENOENT;
	if ((version != 1 && version != GMFS_SEAL_VERSION) ||
	    (nr && version != gmfs_head_version(head)))
		return refuse(found, -EPROTONOSUPPORT,
			      "the region's head is of version %u, not %u", version,
			      GMFS_SEAL_VERSION);
	if (gmfs_crc_of_seal(seal) != gmfs_seal_crc(seal) ||
	    (version != 1 && !list_is_whole(seal)))
		return refuse(found, -EBADMSG, "a seal in the region's head is damaged");
	if (state == GMFS_MEMBER)
		return refuse(found, -ENXIO, "the main window has the mark of another one");
	if (!is_bound_to(head, seal, head->main))
		return refuse(found, -ENXIO,
			      "it is of another pool: 0x%llx bytes at 0x%llx in blocks of 0x%llx",
			      (unsigned long long)get64(seal->size),
			      (unsigned long long)get64(seal->base),
			      (unsigned long long)get64(seal->block_size));
	return 0;
}

bool gmfs_is_mark(const struct gmfs_seal *seal)
{
	return gmfs_has_magic(seal) && get32(seal->version) == GMFS_SEAL_VERSION &&
	       get32(seal->state) == GMFS_MEMBER;
}

/* A mark that is whole, though it may be of a window of another size. @main is what it names. */
static bool read_mark(const struct gmfs_seal *seal, struct gmfs_range *main)
{
	const struct gmfs_list_entry *list = gmfs_seal_list(seal);

	if (!gmfs_is_mark(seal) || get32(seal->crc) != gmfs_seal_crc(seal) ||
	    get32(seal->nr_windows) != 1 || !list_is_whole(seal))
		return false;
	*main = (struct gmfs_range){ get64(list->base), get64(list->size) };
	return true;
}

static bool is_main(const struct gmfs_head *head, const struct gmfs_range *range)
{
	const struct gmfs_range *main = &head->layout->windows[head->main];

	return range->base == main->base && range->size == main->size;
}

/* Whether a window's mark is whole and names the main window. */
bool gmfs_is_marked(const struct gmfs_head *head, u32 window)
{
	struct gmfs_range named;

	return read_mark(head->maps[window], &named) && is_main(head, &named) &&
	       is_bound_to(head, head->maps[window], window);
}

void *gmfs_date_record(const struct gmfs_head *head, int nr)
{
	return head->maps[head->main] + (nr ? GMFS_DATE_2 : GMFS_DATE);
}

/* The sequence of a record that dates a seal, or 0. */
u64 gmfs_date_sequence(const struct gmfs_head *head, int nr, const struct gmfs_seal *seal)
{
	const struct gmfs_date *d = gmfs_date_record(head, nr);

	if (get64(d->magic) != GMFS_DATE_MAGIC ||
	    get32(d->seal_crc) != gmfs_crc_of_seal(seal) ||
	    get32(d->crc) != gmfs_crc32c(0, d, offsetof(struct gmfs_date, crc)))
		return 0;
	return get64(d->sequence);
}

static void get_stamp(const struct gmfs_seal *seal, struct gmfs_found *found)
{
	found->dated = true;
	found->stamp = (struct gmfs_stamp){ .tsc = get64(seal->tsc) };
	memcpy(found->stamp.boot_id, seal->boot_id, sizeof(seal->boot_id));
}

static void get_date(const struct gmfs_head *head, const struct gmfs_seal *seal,
		     struct gmfs_found *found)
{
	u64 first = gmfs_date_sequence(head, 0, seal);
	u64 second = gmfs_date_sequence(head, 1, seal);
	const struct gmfs_date *d = gmfs_date_record(head, second > first);

	get_stamp(seal, found);
	if (!first && !second)
		return;
	found->stamp.tsc = get64(d->tsc);
	found->stamp.tsc_khz = get64(d->tsc_khz);
	found->stamp.wall = get64(d->wall);
	memcpy(found->stamp.boot_id, d->boot_id, sizeof(d->boot_id));
}

/* Which windows belong to the main one, and that no other has one. */
static int gmfs_check_marks(const struct gmfs_head *head, struct gmfs_found *found)
{
	const struct gmfs_range *w = head->layout->windows;
	struct gmfs_range named;
	u32 i;

	found->known = 1ULL << head->main;
	for (i = 0; i < head->layout->nr_windows; i++) {
		if (i == head->main || !read_mark(head->maps[i], &named))
			continue;
		if (!is_main(head, &named)) {
			get_stamp(head->maps[i], found);
			return refuse(found, -ENXIO,
				      "the window at 0x%llx belongs to a pool that begins at 0x%llx, and not to one that begins at 0x%llx",
				      (unsigned long long)w[i].base,
				      (unsigned long long)named.base,
				      (unsigned long long)w[head->main].base);
		}
		if (gmfs_is_marked(head, i))
			found->known |= 1ULL << i;
	}
	return 0;
}

/* A pool has marks, and none of its windows is the main one. */
static int gmfs_refuse_marks(const struct gmfs_head *head, u32 window,
			     struct gmfs_found *found)
{
	struct gmfs_range named;

	get_stamp(head->maps[window], found);
	found->dated = read_mark(head->maps[window], &named);
	if (!found->dated)
		return refuse(found, -EBADMSG, "the mark of the window at 0x%llx is damaged",
			      (unsigned long long)head->layout->windows[window].base);
	return refuse(found, -ENXIO,
		      "the window at 0x%llx belongs to a pool that begins with window 0x%llx@0x%llx, which is absent",
		      (unsigned long long)head->layout->windows[window].base,
		      (unsigned long long)named.size, (unsigned long long)named.base);
}

/* -ENOENT if all heads are empty. The main window is the one with slots. */
int gmfs_find_main(struct gmfs_head *head, struct gmfs_found *found)
{
	const struct gmfs_range *w = head->layout->windows;
	u32 i, nr = head->layout->nr_windows, main = nr, marked = nr;

	head->main = 0;
	for (i = 0; i < nr; i++) {
		if (gmfs_is_mark(head->maps[i])) {
			marked = min(marked, i);
		} else if (gmfs_has_magic(head->maps[i]) && main < nr) {
			get_stamp(head->maps[i], found);
			return refuse(found, -ENXIO,
				      "the windows at 0x%llx and 0x%llx begin a pool each",
				      (unsigned long long)w[main].base,
				      (unsigned long long)w[i].base);
		} else if (gmfs_has_magic(head->maps[i])) {
			main = i;
		}
	}
	if (main == nr)
		return marked < nr ? gmfs_refuse_marks(head, marked, found) : -ENOENT;
	head->main = main;
	return gmfs_check_marks(head, found);
}

/* What one window's slot can hold of an image. */
static size_t piece_room(const struct gmfs_head *head, u32 window, u32 version)
{
	return gmfs_slot_size(head->layout, window, version) - GMFS_SLOT_IMAGE;
}

/* What an image can have: all windows' slots of one number. */
size_t gmfs_head_room(const struct gmfs_head *head)
{
	size_t room = 0;
	u32 i;

	for (i = 0; i < head->layout->nr_windows; i++)
		room += piece_room(head, i, GMFS_SEAL_VERSION);
	return min_t(size_t, room, GMFS_MAX_IMAGE);
}

/* The n-th piece of an image that this module writes: the main window's, then the others'. */
void gmfs_own_piece(const struct gmfs_head *head, int nr, u32 n, size_t left,
		    struct gmfs_piece *piece)
{
	u32 window = !n ? head->main : n <= head->main ? n - 1 : n;

	piece->at = (void *)gmfs_slot_of(head, window, nr, GMFS_SEAL_VERSION) + GMFS_SLOT_IMAGE;
	piece->size = min(left, piece_room(head, window, GMFS_SEAL_VERSION));
}

static u32 find_window(const struct gmfs_head *head, u64 base, u64 size)
{
	const struct gmfs_range *w = head->layout->windows;
	u32 i;

	for (i = 0; i < head->layout->nr_windows; i++)
		if (w[i].base == base && w[i].size == size)
			break;
	return i;
}

/**
 * struct walk - the pieces of a sealed image, one after the other
 * @head: the heads
 * @nr: the slot
 * @left: bytes of the image behind the pieces so far
 * @next: of the list, what comes after the main window
 */
struct walk {
	const struct gmfs_head *head;
	int nr;
	size_t left;
	u32 next;
};

/*
 * The next piece. Returns 1 if there is one, and 0 at the end; -ENXIO if its window is
 * absent, which @entry is; -EBADMSG if the list has no room for the image.
 */
static int next_piece(struct walk *walk, struct gmfs_piece *piece,
		      struct gmfs_range *entry)
{
	const struct gmfs_head *head = walk->head;
	u32 version = gmfs_head_version(head), window = head->main;
	const struct gmfs_seal *seal = gmfs_slot(head, walk->nr);
	const struct gmfs_list_entry *list = gmfs_seal_list(seal);

	if (!walk->left)
		return 0;
	if (walk->next) {
		/* The list has the main window, too. */
		do {
			if (version == 1 || walk->next > get32(seal->nr_windows))
				return -EBADMSG;
			*entry = (struct gmfs_range){ get64(list[walk->next - 1].base),
						      get64(list[walk->next - 1].size) };
			walk->next++;
			window = find_window(head, entry->base, entry->size);
		} while (window == head->main);
		if (window == head->layout->nr_windows)
			return -ENXIO;
	} else {
		walk->next = 1;
	}
	piece->at = (void *)gmfs_slot_of(head, window, walk->nr, version) + GMFS_SLOT_IMAGE;
	piece->size = min(walk->left, piece_room(head, window, version));
	walk->left -= piece->size;
	return 1;
}

static int gmfs_check_image(const struct gmfs_head *head, int nr, struct gmfs_found *found)
{
	const struct gmfs_seal *seal = gmfs_slot(head, nr);
	u64 size = get64(seal->image_size);
	struct walk walk = { .head = head, .nr = nr, .left = size };
	struct gmfs_range absent;
	struct gmfs_piece piece;
	u32 crc = 0;
	int more;

	if (size > GMFS_MAX_IMAGE)
		return refuse(found, -EBADMSG,
			      "the image in the region's head is larger than its slot");
	while ((more = next_piece(&walk, &piece, &absent)) > 0)
		crc = gmfs_crc32c(crc, piece.at, piece.size);
	if (more == -ENXIO)
		return refuse(found, -ENXIO,
			      "a part of the image is in window 0x%llx@0x%llx, which is absent",
			      (unsigned long long)absent.size, (unsigned long long)absent.base);
	if (more)
		return refuse(found, -EBADMSG,
			      "the image in the region's head is larger than its slot");
	if (crc != get32(seal->image_crc))
		return refuse(found, -EBADMSG,
			      "the image in the region's head is damaged: its checksum is wrong");
	found->slot = nr;
	found->size = size;
	return 0;
}

/**
 * gmfs_head_find - look for the main window, and for the newest image
 * @head: the heads; @head->main is set in any case
 * @found: what there is; set in any case
 *
 * The image itself remains to be checked, by gmfs_image_check().
 *
 * Return: 0 and @found->size; -ENOENT if nothing has a seal; or with
 * @found->why: -EUCLEAN if changes were begun and never sealed, and @found->size of the
 * image before, or 0;
 * -EPROTONOSUPPORT if it is of another version; -ENXIO if it is of another
 * pool, or a window is absent that it needs; -EBADMSG if it is damaged.
 */
int gmfs_head_find(struct gmfs_head *head, struct gmfs_found *found)
{
	const struct gmfs_seal *seal;
	int i, err, bad = 0, newest = -1;

	*found = (struct gmfs_found){ 0 };
	err = gmfs_find_main(head, found);
	found->disputed = err && err != -ENOENT;
	if (err)
		return err;
	found->version = gmfs_head_version(head);
	for (i = 0; i < GMFS_NR_SLOTS; i++) {
		seal = gmfs_slot(head, i);
		err = gmfs_check_seal(head, i, found);
		if (err && err != -ENOENT) {
			bad = err;
			get_date(head, seal, found);
			found->dated = err == -ENXIO;
			break;
		}
		if (err || (newest >= 0 && get64(seal->generation) <= found->generation))
			continue;
		newest = i;
		get_date(head, seal, found);
		found->generation = get64(seal->generation);
	}
	if (bad || newest < 0)
		return bad ?: -ENOENT;
	err = gmfs_check_image(head, newest, found);
	if (get32(gmfs_slot(head, newest)->state) == GMFS_OPEN)
		return refuse(found, -EUCLEAN,
			      "the kernel that had the region last did not leave an image (a crash?)");
	return err;
}

/**
 * gmfs_head_copy - copy the image that was found
 * @head: the heads
 * @found: as gmfs_head_find() has set it when it returned 0
 * @image: where to, @found->size bytes
 */
void gmfs_head_copy(const struct gmfs_head *head, const struct gmfs_found *found, void *image)
{
	struct walk walk = { .head = head, .nr = found->slot, .left = found->size };
	struct gmfs_range absent;
	struct gmfs_piece piece;

	while (next_piece(&walk, &piece, &absent) > 0) {
		memcpy(image, piece.at, piece.size);
		image += piece.size;
	}
}

/**
 * gmfs_seal_is_at - whether the head of another window begins here
 * @map: where to look, GMFS_SLOT_IMAGE bytes
 * @addr: its physical address
 * @found: set if true; @found->why says which window
 *
 * For one that was moved. Only its own address makes it one; but a guest that
 * guesses that of its memory can write what looks like a seal, so callers must not ask
 * where guests have memory.
 *
 * Return: true if there is slot 0 of a window at @addr.
 */
bool gmfs_seal_is_at(const void *map, u64 addr, struct gmfs_found *found)
{
	const struct gmfs_seal *seal = map;
	u32 version = get32(seal->version);

	*found = (struct gmfs_found){ 0 };
	if (!gmfs_has_magic(seal) || (version != 1 && version != GMFS_SEAL_VERSION) ||
	    gmfs_crc_of_seal(seal) != gmfs_seal_crc(seal) || get64(seal->base) != addr)
		return false;
	get_stamp(seal, found);
	(void)refuse(found, 0, "another pool was here: 0x%llx bytes at 0x%llx in blocks of 0x%llx",
		     (unsigned long long)get64(seal->size), (unsigned long long)addr,
		     (unsigned long long)get64(seal->block_size));
	return true;
}
