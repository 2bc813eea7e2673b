// SPDX-License-Identifier: GPL-2.0-only
#include <guestmemfs/abi.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/unaligned.h>
#include <stdio.h>

#include "seal.h"
#include "slots.h"
#include "tree.h"
#include "unit.h"

#define BLOCK	0x4000ULL
#define ROOM	(0x2000 - GMFS_SLOT_IMAGE)	/* of a slot of half a block */

/*
 * Windows by letter. Heads of one block, but b's, which has two: and three in version 1, which
 * gives A two. A is what a would be if it were larger.
 */
static const struct place {
	char letter;
	struct gmfs_range range;
	int memory;
} places[] = {
	{ 'a', { 4ULL << 30, 100 * BLOCK }, 0 },
	{ 'A', { 4ULL << 30, 8192 * BLOCK }, 0 },
	{ 'b', { 5ULL << 30, 16384 * BLOCK }, 1 },
	{ 'c', { 6ULL << 30, 50 * BLOCK }, 2 },
};

enum { NR_MEMORIES = 3, MOST_ROOM = 5 * ROOM };

static void *memory[NR_MEMORIES];
static const size_t memory_size[NR_MEMORIES] = { 2 * BLOCK, 3 * BLOCK, BLOCK };
static const struct gmfs_stamp monday = { 1000, { 1 } }, tuesday = { 2000, { 2 } };

size_t seal_bytes_left = SIZE_MAX;
size_t seal_nr_stores, seal_stores[256];
jmp_buf seal_stopped;

void gmfs_seal_store(void *to, const void *from, size_t len)
{
	size_t now = min(len, seal_bytes_left);

	/* An aligned word is stored whole or not at all. */
	if ((len == 4 || len == 8) && now < len)
		now = 0;
	memcpy(to, from, now);
	if (seal_nr_stores < ARRAY_SIZE(seal_stores))
		seal_stores[seal_nr_stores++] = len;
	seal_bytes_left -= min(len, seal_bytes_left);
	if (now < len)
		longjmp(seal_stopped, 1);
}

u32 gmfs_crc32c(u32 crc, const void *data, size_t len)
{
	static u32 table[256];
	const u8 *p = data;
	u32 n;
	int i;

	for (i = 0; !table[255] && i < 256; i++)
		for (n = 0, table[i] = i; n < 8; n++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82f63b78 : 0);
	for (crc = ~crc; len--; p++)
		crc = crc >> 8 ^ table[(u8)crc ^ *p];
	return ~crc;
}

/* A pool of windows by their letters. */
struct pool {
	struct gmfs_range windows[4];
	void *maps[4];
	struct gmfs_layout layout;
	struct gmfs_head head;
};

/* The main window is the first, or the one that is found. */
static struct gmfs_head *lay_out(struct pool *p, const char *letters)
{
	const struct place *at;
	struct gmfs_found found;
	u32 i;

	for (i = 0; letters[i]; i++) {
		for (at = places; at->letter != letters[i]; at++)
			;
		p->windows[i] = at->range;
		p->maps[i] = memory[at->memory];
	}
	p->layout = (struct gmfs_layout){ p->windows, i, BLOCK, ~0ULL };
	p->head = (struct gmfs_head){ &p->layout, p->maps, 0 };
	gmfs_head_find(&p->head, &found);
	return &p->head;
}

/* Memory that no pool has had. */
static struct gmfs_head *new_pool(struct pool *p, const char *letters)
{
	int i;

	for (i = 0; i < NR_MEMORIES; i++) {
		free(memory[i]);
		memory[i] = calloc(1, memory_size[i]);
	}
	return lay_out(p, letters);
}

static struct gmfs_seal *seal_of(const struct gmfs_head *h, int slot)
{
	return gmfs_slot_of(h, h->main, slot, GMFS_SEAL_VERSION);
}

/* What a seal has as its checksum becomes what it should have. */
static void make_whole(struct gmfs_seal *seal)
{
	struct gmfs_seal s = *seal;
	size_t len = get_unaligned_be32(&s.version) == 1 ? offsetof(struct gmfs_seal_v1, crc) :
							   offsetof(struct gmfs_seal, crc);

	s.state = 0;
	put_unaligned_be32(gmfs_crc32c(0, &s, len), (void *)seal + len);
}

/* An errno, and the image with a NUL behind it. */
static int result(struct gmfs_head *h, char *image)
{
	struct gmfs_found f;
	int err = gmfs_head_find(h, &f);

	image[0] = '\0';
	expect(!err || err == -ENOENT || f.why[0], "no reason for %d", err);
	if (!err) {
		expect(f.size <= MOST_ROOM, "%zu bytes", f.size);
		gmfs_head_copy(h, &f, image);
		image[f.size] = '\0';
	}
	return err;
}

static void expect_image(struct gmfs_head *h, const char *want, u64 generation)
{
	static char image[MOST_ROOM + 1];
	struct gmfs_found f;

	expect_eq(result(h, image), 0);
	expect(!strcmp(image, want), "%.40s", image);
	expect_eq(gmfs_head_find(h, &f), 0);
	expect_eq(f.size, strlen(want));
	expect_eq(f.generation, generation);
}

static void expect_none(struct gmfs_head *h, int err, const char *why)
{
	struct gmfs_found f;

	expect_eq(gmfs_head_find(h, &f), err);
	expect(strstr(f.why, why), "said '%s'", f.why);
}

static void leave(const struct gmfs_head *h, const char *image, u64 generation)
{
	u64 got;

	expect_eq(gmfs_head_seal(h, image, strlen(image), &monday, &got), 0);
	expect_eq(got, generation);
}

/* A text of @len bytes that begins with @name and tells where it is cut or shifted. */
static char *long_text(char *text, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		text[i] = i < strlen(name) ? name[i] : 'a' + (i / 7 + i / 4096) % 26;
	text[len] = '\0';
	return text;
}

static void crc_is_rfc3720s(const void *arg)
{
	static const u8 zeroes[32];

	expect_eq(gmfs_crc32c(0, "123456789", 9), 0xe3069283);
	expect_eq(gmfs_crc32c(gmfs_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
	expect_eq(gmfs_crc32c(0, zeroes, 32), 0x8a9136aa);	/* RFC 3720, B.4 */
}

static const struct letters {
	const char *name, *letters;
} pools[] = {
	{ "one window", "a" },
	{ "one window with a larger head", "b" },
	{ "three windows", "abc" },
	{ "three windows, the largest first", "bca" },
};

static void newest_wins(const void *arg)
{
	const struct letters *l = arg;
	struct pool p;
	struct gmfs_head *h = new_pool(&p, l->letters);

	expect_none(h, -ENOENT, "");
	leave(h, "one", 1);
	expect_image(h, "one", 1);
	leave(h, "two", 2);
	expect_image(h, "two", 2);
	expect_eq(get_unaligned_be64(&seal_of(h, 0)->generation), 1);
	leave(h, "three", 3);
	expect_image(h, "three", 3);
	expect_eq(get_unaligned_be64(&seal_of(h, 0)->generation), 3);
}

static void opened(const void *arg)
{
	const struct letters *l = arg;
	struct pool p;
	struct gmfs_head *h = new_pool(&p, l->letters);
	struct gmfs_found f;

	gmfs_head_open(h, &monday);
	expect_none(h, -EUCLEAN, "did not leave an image");
	expect_eq(gmfs_head_find(h, &f), -EUCLEAN);
	expect_eq(f.known, (1 << strlen(l->letters)) - 1);
	leave(h, "one", 1);
	expect_image(h, "one", 1);
	gmfs_head_open(h, &monday);
	expect_none(h, -EUCLEAN, "did not leave an image");
	leave(h, "two", 2);
	leave(h, "three", 3);
	gmfs_head_open(h, &monday);
	expect_none(h, -EUCLEAN, "did not leave an image");
	gmfs_head_wipe(h);
	expect_none(h, -ENOENT, "");
}

static void too_large(const void *arg)
{
	struct pool p;
	struct gmfs_head *h = new_pool(&p, "a");
	char image[ROOM + 1] = { 0 };
	struct gmfs_found f;
	u64 generation;

	expect_eq(gmfs_head_room(h), ROOM);
	leave(h, "one", 1);
	expect_eq(gmfs_head_seal(h, image, ROOM + 1, &monday, &generation), -EFBIG);
	expect_image(h, "one", 1);
	expect_eq(gmfs_head_seal(h, image, ROOM, &monday, &generation), 0);
	expect_eq(gmfs_head_find(h, &f), 0);
	expect_eq(f.size, ROOM);
}

/* --- several windows ---------------------------------------------------------- */

/**
 * struct span - an image that goes on in other windows
 * @letters: the windows, the main one first
 * @sizes: of images, about where a window's piece ends, up to 0
 */
static const struct span {
	const char *name, *letters;
	u32 sizes[16];
} spans[] = {
	{ "a b c", "abc", { 1, ROOM - 1, ROOM, ROOM + 1, 4 * ROOM - 1, 4 * ROOM, 4 * ROOM + 1,
			    5 * ROOM - 1, 5 * ROOM } },
	{ "b c a", "bca", { 1, 3 * ROOM - 1, 3 * ROOM, 3 * ROOM + 1, 4 * ROOM - 1, 4 * ROOM,
			    4 * ROOM + 1, 5 * ROOM - 1, 5 * ROOM } },
	{ "c a b", "cab", { ROOM - 1, ROOM, ROOM + 1, 2 * ROOM - 1, 2 * ROOM, 2 * ROOM + 1,
			    5 * ROOM - 1, 5 * ROOM } },
};

static const char *const orders[] = { "abc", "acb", "bac", "bca", "cab", "cba" };

/* How many of the windows beside the main one an image needs, in their order. */
static u32 nr_more(const struct gmfs_head *h, size_t size)
{
	size_t left = size;
	u32 i;

	left -= min(left, gmfs_slot_size(h->layout, 0, 2) - GMFS_SLOT_IMAGE);
	for (i = 1; left; i++)
		left -= min(left, gmfs_slot_size(h->layout, i, 2) - GMFS_SLOT_IMAGE);
	return i - 1;
}

static void span(const void *arg)
{
	static char text[MOST_ROOM + 2];
	const struct span *s = arg;
	struct pool p, other;
	struct gmfs_head *h = new_pool(&p, s->letters), *o;
	char some[4] = "", name[16];
	struct gmfs_found f;
	u64 generation = 0;
	u32 i, k, more;

	for (i = 0; s->sizes[i]; i++) {
		sprintf(name, "%u", i);
		leave(h, long_text(text, name, s->sizes[i]), i + 1);
		more = nr_more(h, s->sizes[i]);
		for (k = 0; k < ARRAY_SIZE(orders); k++) {
			o = lay_out(&other, orders[k]);
			expect_image(o, text, i + 1);
			expect_eq(orders[k][o->main], s->letters[0]);
		}
		/* Without the last one; the two others; the main one alone. */
		for (k = 1; k <= 2; k++) {
			snprintf(some, sizeof(some), "%.*s", 3 - k, s->letters);
			o = lay_out(&other, some);
			if (more <= 2 - k)
				expect_image(o, text, i + 1);
			else
				expect_none(o, -ENXIO, "a part of the image is in window");
		}
		o = lay_out(&other, s->letters + 1);
		expect_none(o, -ENXIO, "which is absent");
	}
	long_text(text, "larger", 5 * ROOM + 1);
	expect_eq(gmfs_head_room(h), 5 * ROOM);
	expect_eq(gmfs_head_seal(h, text, 5 * ROOM + 1, &monday, &generation), -EFBIG);
	expect_eq(gmfs_head_find(h, &f), 0);
	expect_eq(f.generation, i);
	/* The two in another order, and without the third: written anew, and read. */
	o = lay_out(&other, (char[]){ s->letters[1], s->letters[0], 0 });
	gmfs_head_open(o, &tuesday);
	expect_eq(o->main, 1);
	leave(o, long_text(text, "two", 2 * ROOM), i + 1);
	for (k = 0; k < ARRAY_SIZE(orders); k++) {
		o = lay_out(&other, orders[k]);
		expect_image(o, text, i + 1);
	}
}

/* Any bit of the list, or of a piece in another window. */
static void flipped_elsewhere(const void *arg)
{
	static char text[MOST_ROOM + 1];
	struct pool p;
	struct gmfs_head *h = new_pool(&p, "abc");
	u32 bit, i, byte, size;
	u8 *at;

	leave(h, long_text(text, "x", 5 * ROOM), 1);
	for (bit = 0; bit < 8 * 3 * sizeof(struct gmfs_list_entry); bit++) {
		at = p.maps[0] + GMFS_SLOT_WINDOWS + bit / 8;
		*at ^= 1 << bit % 8;
		expect_none(h, -EBADMSG, "a seal in the region's head is damaged");
		*at ^= 1 << bit % 8;
	}
	for (i = 0; i < 3; i++) {
		size = i == 1 ? 3 * ROOM : ROOM;
		for (byte = 0; byte < size; byte += byte % 512 == 1 ? 511 : 1) {
			at = p.maps[i] + GMFS_SLOT_IMAGE + byte;
			*at ^= 1;
			expect_none(h, -EBADMSG, "checksum");
			*at ^= 1;
		}
	}
	expect_image(h, text, 1);
	/* Entries: none; more than there may be; too few for the image, which is not cut. */
	put_unaligned_be32(0, &seal_of(h, 0)->nr_windows);
	make_whole(seal_of(h, 0));
	expect_none(h, -EBADMSG, "a seal in the region's head is damaged");
	put_unaligned_be32(GMFS_MAX_WINDOWS + 1, &seal_of(h, 0)->nr_windows);
	put_unaligned_be32(gmfs_crc32c(0, gmfs_seal_list(seal_of(h, 0)),
				       (GMFS_MAX_WINDOWS + 1) * sizeof(struct gmfs_list_entry)),
			   &seal_of(h, 0)->windows_crc);
	make_whole(seal_of(h, 0));
	expect_none(h, -EBADMSG, "a seal in the region's head is damaged");
	put_unaligned_be32(2, &seal_of(h, 0)->nr_windows);
	put_unaligned_be32(gmfs_crc32c(0, gmfs_seal_list(seal_of(h, 0)),
				       2 * sizeof(struct gmfs_list_entry)),
			   &seal_of(h, 0)->windows_crc);
	make_whole(seal_of(h, 0));
	expect_none(h, -EBADMSG, "larger than its slot");
}

static u64 known(struct gmfs_head *h)
{
	struct gmfs_found f;

	gmfs_head_find(h, &f);
	return f.known;
}

/* Without a mark that is whole a window does not belong to the pool. */
static void marks(const void *arg)
{
	struct pool p, other;
	struct gmfs_head *h = new_pool(&p, "abc"), *o;
	struct gmfs_seal *mark = p.maps[1];
	struct gmfs_list_entry *list = gmfs_seal_list(mark);
	size_t bit, bits = 8 * sizeof(*mark);
	struct gmfs_found f;
	u8 *at;

	leave(h, "one", 1);
	expect_eq(known(h), 7);
	for (bit = 0; bit < bits + 8 * sizeof(*list); bit++) {
		at = (u8 *)(bit < bits ? (void *)mark : (void *)list - bits / 8) + bit / 8;
		*at ^= 1 << bit % 8;
		/* With another version or state it is no mark, but a main window's head. */
		if (bit >= 64 && bit < 128)
			expect_none(h, -ENXIO, "begin a pool each");
		else
			expect_eq(known(h), 5);
		*at ^= 1 << bit % 8;
	}
	expect_image(h, "one", 1);
	/* It does not come back before something is written. */
	list->base ^= 1;
	expect_image(h, "one", 1);
	expect_eq(known(h), 5);
	o = lay_out(&other, "b");
	expect_none(o, -EBADMSG, "the mark of the window at 0x140000000 is damaged");
	expect_eq(gmfs_head_find(o, &f), -EBADMSG);
	expect(!f.dated, "its clocks count");
	gmfs_head_open(h, &monday);
	expect_none(h, -EUCLEAN, "");
	expect_eq(known(h), 7);
	/* Whole, of another pool. */
	leave(h, "two", 2);
	put_unaligned_be64(9ULL << 30, &list->base);
	put_unaligned_be32(gmfs_crc32c(0, list, sizeof(*list)), &mark->windows_crc);
	make_whole(mark);
	expect_none(h, -ENXIO, "the window at 0x140000000 belongs to a pool that begins at 0x240000000, and not to one that begins at 0x100000000");
	leave(h, "three", 3);
	expect_image(h, "three", 3);
	expect_eq(known(h), 7);
	/* Of the same address, of another size. */
	put_unaligned_be64(8192 * BLOCK, &list->size);
	put_unaligned_be32(gmfs_crc32c(0, list, sizeof(*list)), &mark->windows_crc);
	make_whole(mark);
	expect_none(h, -ENXIO, "belongs to a pool that begins at");
	/* Of a window of another size it counts as absent, unless it is another pool's. */
	put_unaligned_be64(50 * BLOCK, &mark->size);
	make_whole(mark);
	expect_none(h, -ENXIO, "belongs to a pool that begins at");
	put_unaligned_be64(100 * BLOCK, &list->size);
	put_unaligned_be32(gmfs_crc32c(0, list, sizeof(*list)), &mark->windows_crc);
	make_whole(mark);
	expect_image(h, "three", 3);
	expect_eq(known(h), 5);
	memset(mark, 0, sizeof(*mark));
	expect_image(h, "three", 3);
	expect_eq(known(h), 5);
	/* Wherever the main window is. */
	o = lay_out(&other, "cab");
	expect_image(o, "three", 3);
	expect_eq(o->main, 1);
	expect_eq(known(o), 3);
}

/* A mark is kept while it is good, whoever wrote it. */
static void marks_stay(const void *arg)
{
	struct pool p, other;
	struct gmfs_head *h = new_pool(&p, "ac"), *o;
	char before[GMFS_SLOT_IMAGE];

	gmfs_head_open(h, &monday);
	memcpy(before, p.maps[1], sizeof(before));
	leave(h, "one", 1);
	gmfs_head_open(h, &tuesday);
	leave(h, "two", 2);
	expect(!memcmp(before, p.maps[1], sizeof(before)), "written again");
	/* One is added; one is absent, and comes back. */
	o = lay_out(&other, "bac");
	expect_image(o, "two", 2);
	expect_eq(known(o), 6);
	gmfs_head_open(o, &tuesday);
	expect_eq(known(o), 7);
	leave(o, "three", 3);
	o = lay_out(&other, "ab");
	gmfs_head_open(o, &tuesday);
	leave(o, "four", 4);
	o = lay_out(&other, "cb");
	expect_none(o, -ENXIO, "the window at 0x180000000 belongs to a pool that begins with window 0x190000@0x100000000, which is absent");
	o = lay_out(&other, "cba");
	expect_image(o, "four", 4);
	expect_eq(known(o), 7);
	expect(!memcmp(before, p.maps[1], sizeof(before)), "written again");
	/* The window that has the main one's address and is larger is another one. */
	o = lay_out(&other, "Ac");
	expect_none(o, -ENXIO, "the window at 0x180000000 belongs to a pool that begins at 0x100000000");
}

static void two_pools(const void *arg)
{
	struct pool p, other, both;
	struct gmfs_head *h = new_pool(&p, "a"), *o = lay_out(&other, "bc"), *b;
	struct gmfs_found f;

	leave(h, "one", 1);
	leave(o, "another", 1);
	b = lay_out(&both, "abc");
	expect_none(b, -ENXIO, "the windows at 0x100000000 and 0x140000000 begin a pool each");
	expect_eq(gmfs_head_find(b, &f), -ENXIO);
	expect(f.dated && f.stamp.tsc == monday.tsc, "when");
	b = lay_out(&both, "ac");
	expect_none(b, -ENXIO, "belongs to a pool that begins at 0x140000000, and not");
	expect_eq(gmfs_head_find(b, &f), -ENXIO);
	expect(f.dated && f.stamp.tsc == monday.tsc, "when");
	expect_image(h, "one", 1);
	expect_image(o, "another", 1);
	/* KHO had an image of all of them. */
	b = lay_out(&both, "abc");
	gmfs_head_open(b, &tuesday);
	expect_none(b, -EUCLEAN, "");
	leave(b, "all", 2);
	expect_image(b, "all", 2);
	expect_none(o, -ENXIO, "begins with window 0x190000@0x100000000, which is absent");
}

/* Heads that are refused, and then KHO brings an image. */
static const struct letters refusals[] = {
	{ "marks without the main window", "bc" },
	{ "marks and a window without anything", "Abc" },
	{ "a window without anything before marks, and the main one", "cAb" },
};

static void replaced(const void *arg)
{
	const struct letters *l = arg;
	struct pool p, other;
	struct gmfs_head *h = new_pool(&p, "abc"), *o;
	int open;

	for (open = 0; open < 2; open++) {
		h = new_pool(&p, "abc");
		leave(h, "one", 1);
		memset(memory[0], 0, memory_size[0]);
		o = lay_out(&other, l->letters);
		expect_none(o, -ENXIO, "which is absent");
		if (open) {
			gmfs_head_open(o, &tuesday);
			expect_none(o, -EUCLEAN, "");
		}
		leave(o, "kho's", 1);
		expect_image(o, "kho's", 1);
		expect_eq(known(o), (1 << strlen(l->letters)) - 1);
		gmfs_head_open(o, &tuesday);
		expect_none(o, -EUCLEAN, "");
		gmfs_head_wipe(o);
		expect_none(o, -ENOENT, "");
	}
}

static bool wipe_old(const struct gmfs_head *h, u8 boot)
{
	return gmfs_head_wipe_old(h, (const u8[16]){ boot });
}

static void wiped(const void *arg)
{
	struct pool p, other;
	struct gmfs_head *h = new_pool(&p, "abc"), *o;

	expect(!wipe_old(h, 1), "there was nothing");
	leave(h, "one", 1);
	leave(h, "two", 2);
	expect(!wipe_old(h, 1), "it is of this boot");
	expect_image(h, "two", 2);
	expect(wipe_old(h, 2), "it is of another boot");
	expect_none(h, -ENOENT, "");
	leave(h, "three", 1);
	/* What is left of a pool without its main window, too. */
	o = lay_out(&other, "cb");
	expect_none(o, -ENXIO, "absent");
	expect(wipe_old(o, 2), "marks of another boot");
	expect_none(o, -ENOENT, "");
	expect_image(h, "three", 1);
	expect_eq(known(h), 1);
	/* This boot's and another's. */
	gmfs_head_seal(o, "four", 4, &tuesday, &(u64){ 0 });
	expect(wipe_old(lay_out(&other, "abc"), 2), "one of another boot");
	expect_image(lay_out(&other, "bc"), "four", 1);
	expect_eq(known(&other.head), 3);
	gmfs_head_wipe(&other.head);
	expect_none(lay_out(&other, "abc"), -ENOENT, "");
}

/* --- version 1 ------------------------------------------------------------------ */

static void v1_read(const void *arg)
{
	const struct letters *l = arg;
	static char text[MOST_ROOM + 1];
	struct pool p, other;
	struct gmfs_head *h = new_pool(&p, l->letters), *o;
	struct gmfs_found f;

	seal_v1(h, 0, "one", 3, 1, &monday, GMFS_SEALED);
	expect_image(h, "one", 1);
	expect_eq(gmfs_head_find(h, &f), 0);
	expect_eq(f.version, 1);
	expect_eq(f.known, 1);
	expect_eq(f.stamp.tsc, monday.tsc);
	seal_v1(h, 1, "two", 3, 2, &tuesday, GMFS_SEALED);
	expect_image(h, "two", 2);
	seal_v1(h, 0, long_text(text, "long", ROOM), ROOM, 3, &monday, GMFS_SEALED);
	expect_image(h, text, 3);
	/* Others are beside it. */
	o = lay_out(&other, (char[]){ 'c', l->letters[0], 0 });
	expect_image(o, text, 3);
	expect_eq(o->main, 1);
	expect_eq(known(o), 2);
	/* A date record does not make it version 2. */
	gmfs_head_date(h, &(struct gmfs_stamp){ 3000, { 3 }, 2000000, 5 });
	expect_image(h, text, 3);
	expect_eq(gmfs_head_find(h, &f), 0);
	expect_eq(f.version, 1);
	expect_eq(f.stamp.tsc, 3000);
	seal_v1(h, 1, "open", 4, 2, &tuesday, GMFS_OPEN);
	expect_image(h, text, 3);
	seal_v1(h, 0, "open", 4, 3, &monday, GMFS_OPEN);
	expect_none(h, -EUCLEAN, "did not leave an image");
	seal_v1(h, 1, "four", 4, 4, &tuesday, GMFS_SEALED);
	expect_image(h, "four", 4);
	/* It is replaced at the first change, and the numbers go on. */
	gmfs_head_open(o, &tuesday);
	expect_none(h, -EUCLEAN, "");
	expect_eq(gmfs_head_find(o, &f), -EUCLEAN);
	expect_eq(f.version, 2);
	expect_eq(f.generation, 4);
	expect_eq(f.known, 3);
	leave(o, "five", 5);
	expect_image(h, "five", 5);
	expect_image(o, "five", 5);
	/* Or by an image, at once. */
	gmfs_head_wipe(o);
	seal_v1(h, 0, "one", 3, 1, &monday, GMFS_SEALED);
	leave(o, "two", 2);
	expect_image(o, "two", 2);
	gmfs_head_wipe(o);
	seal_v1(h, 0, "one", 3, 1, &monday, GMFS_SEALED);
	seal_v1(h, 1, "two", 3, 2, &monday, GMFS_SEALED);
	gmfs_head_wipe(h);
	expect_none(h, -ENOENT, "");
	memcpy(h->maps[0], &(__be64){ cpu_to_be64(GMFS_SEAL_MAGIC) }, 8);
	expect(gmfs_head_find(h, &f), "slot 1 came back");
}

static const struct letters v1_windows[] = {
	{ "its head is as large as version 2's", "a" },
	{ "its head is of two blocks instead of one", "A" },
	{ "its head is of three blocks instead of two", "b" },
};

/* Any bit of a seal or its image that is wrong, and the image is refused. */
static void v1_flipped(const void *arg)
{
	struct pool p;
	struct gmfs_head *h = new_pool(&p, "A");
	size_t bit, bits = 8 * sizeof(struct gmfs_seal_v1);
	u8 *at;

	seal_v1(h, 0, "one", 3, 1, &monday, GMFS_SEALED);
	for (bit = 0; bit < bits + 8 * 3; bit++) {
		at = p.maps[0] + (bit < bits ? bit / 8 : GMFS_SLOT_IMAGE + (bit - bits) / 8);
		*at ^= 1 << (bit % 8);
		expect(gmfs_head_find(h, &(struct gmfs_found){ 0 }), "bit %zu", bit);
		*at ^= 1 << (bit % 8);
	}
	expect_image(h, "one", 1);
	/* Larger than the slot. */
	put_unaligned_be64(2 * BLOCK, &seal_of(h, 0)->image_size);
	make_whole(seal_of(h, 0));
	expect_none(h, -EBADMSG, "larger than its slot");
	/* Of another pool. */
	h = lay_out(&p, "a");
	expect_none(h, -ENXIO, "another pool: 0x8000000 bytes at 0x100000000");
}

/* --- power cuts ----------------------------------------------------------------- */

/*
 * From each state of a head, whatever is done next stops at each byte. What is
 * found then is what was there before or what was to come, never a mixture; a head
 * that is refused may be refused for another reason.
 */
static bool is_refused(int err)
{
	return err && err != -ENOENT;
}

/* As long as the last of the windows can take a part of. */
static size_t most(const struct gmfs_head *h)
{
	return gmfs_head_room(h) - 30;
}

static void do_seal(const struct gmfs_head *h)
{
	static char text[MOST_ROOM + 1];
	u64 generation;

	long_text(text, "the new one", most(h) - 500);
	expect_eq(gmfs_head_seal(h, text, strlen(text), &monday, &generation), 0);
}

static void do_open(const struct gmfs_head *h)
{
	gmfs_head_open(h, &tuesday);
}

static void do_wipe(const struct gmfs_head *h)
{
	gmfs_head_wipe(h);
}

static void do_wipe_old(const struct gmfs_head *h)
{
	wipe_old(h, 9);
}

/* Slot 0 becomes that of a window of another size. */
static void make_foreign(const struct gmfs_head *h)
{
	struct gmfs_seal *seal = seal_of(h, 0);

	put_unaligned_be64(h->layout->windows[h->main].size * 2, &seal->size);
	make_whole(seal);
}

/**
 * struct cut - what is cut
 * @states: what comes before: s: seal, o: open, -: slot 0 goes, x: becomes foreign,
 *	0: its state goes, m: marks go, f: marks become another pool's, w: slot 0 becomes a
 *	mark, 1: seal of version 1, i: its slot 0 is about to be written
 */
static const struct cut {
	const char *name;
	const char *states;
	void (*act)(const struct gmfs_head *h);
} cuts[] = {
	{ "first image", "", do_seal },
	{ "second image", "s", do_seal },
	{ "third image", "ss", do_seal },
	{ "image after changes", "so", do_seal },
	{ "image after changes to the first tree", "o", do_seal },
	{ "image after changes, both slots used", "soso", do_seal },
	{ "image after two and changes", "sso", do_seal },
	{ "first change", "", do_open },
	{ "change after an image", "s", do_open },
	{ "change after two images", "ss", do_open },
	{ "change after changes", "soso", do_open },
	{ "image after half of a wipe", "sss-", do_seal },
	{ "image after half of a wipe and changes", "sss-o", do_seal },
	{ "change after half of a wipe", "sss-", do_open },
	{ "image beside another pool's", "sssx", do_seal },
	{ "change beside another pool's", "sssx", do_open },
	{ "forget another pool's", "sssx", do_wipe },
	{ "forget after half of a wipe", "sss-", do_wipe },
	{ "forget", "s", do_wipe },
	{ "forget an open one", "so", do_wipe },
	{ "forget two", "ss", do_wipe },
	{ "forget three", "sss", do_wipe },
	{ "forget those of another boot", "ss", do_wipe_old },
	{ "change after half of an image", "ss0", do_open },
	{ "image after half of an image", "ss0", do_seal },
	{ "image into a pool without marks", "ssm", do_seal },
	{ "change in a pool without marks", "ssm", do_open },
	{ "image into a pool of others' windows", "ssf", do_seal },
	{ "change in a pool of others' windows", "ssf", do_open },
	{ "image into a window that had a mark", "ssw", do_seal },
	{ "change in a window that had a mark", "ssw", do_open },
	{ "first change of version 1's", "1", do_open },
	{ "first change of version 1's two", "11", do_open },
	{ "first change of version 1's three", "111", do_open },
	{ "first change after half of version 1's third", "11i", do_open },
	{ "image instead of version 1's", "1", do_seal },
	{ "image instead of version 1's two", "11", do_seal },
	{ "image instead of version 1's three", "111", do_seal },
	{ "image instead of half of version 1's third", "11i", do_seal },
	{ "change after half of the first change of version 1's", "111o", do_open },
	{ "image after the first change of version 1's", "111o", do_seal },
	{ "forget version 1's", "11", do_wipe },
	{ "forget version 1's of another boot", "111", do_wipe_old },
};

static void change_marks(const struct gmfs_head *h, bool foreign)
{
	struct gmfs_seal *seal;
	u32 i;

	for (i = 0; i < h->layout->nr_windows; i++) {
		seal = h->maps[i];
		if (i == h->main)
			continue;
		if (!foreign) {
			seal->magic = 0;
			continue;
		}
		put_unaligned_be64(99ULL << 30, &gmfs_seal_list(seal)->base);
		put_unaligned_be32(gmfs_crc32c(0, gmfs_seal_list(seal), 16), &seal->windows_crc);
		make_whole(seal);
	}
}

static void make_mark(const struct gmfs_head *h)
{
	struct gmfs_seal *seal = h->maps[h->main];

	put_unaligned_be32(GMFS_MEMBER, &seal->state);
	put_unaligned_be32(1, &seal->nr_windows);
	put_unaligned_be64(99ULL << 30, &gmfs_seal_list(seal)->base);
	put_unaligned_be32(gmfs_crc32c(0, gmfs_seal_list(seal), 16), &seal->windows_crc);
	make_whole(seal);
}

static void prepare(struct gmfs_head *h, const char *states)
{
	static char text[MOST_ROOM + 1];
	u64 generation = 0;
	char name[40];
	const char *s;

	for (s = states; *s; s++) {
		sprintf(name, "an old image, %llu", (unsigned long long)generation + 1);
		if (*s == 'o') {
			gmfs_head_open(h, &monday);
		} else if (*s == 'x') {
			make_foreign(h);
		} else if (*s == '-') {
			memset(h->maps[h->main], 0, sizeof(struct gmfs_seal));
			generation = 0;
		} else if (*s == '0' || *s == 'i') {
			((struct gmfs_seal *)h->maps[h->main])->state = 0;
		} else if (*s == 'm' || *s == 'f') {
			change_marks(h, *s == 'f');
		} else if (*s == 'w') {
			make_mark(h);
		} else if (*s == '1') {
			long_text(text, name, gmfs_slot_size(h->layout, 0, 1) -
				  GMFS_SLOT_IMAGE - generation);
			seal_v1(h, generation % 2, text, strlen(text), generation + 1, &monday,
				GMFS_SEALED);
			gmfs_head_date(h, &monday);
			generation++;
		} else {
			leave(h, long_text(text, name, most(h) - generation), generation + 1);
			generation++;
		}
	}
}

/* Of an image, and where there are several windows, some bytes do. */
static size_t next_byte(size_t in, size_t size, bool several)
{
	size_t next = in + (in > 200 ? 1000 : several ? 7 : 1);

	return next >= size && in < size - 1 ? size - 1 : next;
}

static void cut_here(const struct cut *c, const char *letters)
{
	static char before[NR_MEMORIES][3 * BLOCK];
	static char old[MOST_ROOM + 1], new[MOST_ROOM + 1], got[MOST_ROOM + 1];
	static size_t stores[ARRAY_SIZE(seal_stores)];
	struct pool p, found;
	struct gmfs_head *h = new_pool(&p, letters), *f = lay_out(&found, letters);
	bool several = letters[1], old_1;
	int old_err, new_err, err, i;
	volatile size_t at, in;
	volatile u32 n;
	u32 nr, main;

	prepare(h, c->states);
	for (i = 0; i < NR_MEMORIES; i++)
		memcpy(before[i], memory[i], memory_size[i]);
	old_err = result(h, old);
	old_1 = gmfs_head_version(h) == 1;
	main = h->main;
	seal_nr_stores = 0;
	c->act(h);
	nr = seal_nr_stores;
	expect(nr < ARRAY_SIZE(stores), "%u stores", nr);
	memcpy(stores, seal_stores, sizeof(stores));
	new_err = result(f, new);
	for (n = 0, at = 0; n < nr; at += stores[n++]) {
		for (in = 0; in < stores[n]; in = next_byte(in, stores[n], several)) {
			for (i = 0; i < NR_MEMORIES; i++)
				memcpy(memory[i], before[i], memory_size[i]);
			h->main = main;
			seal_bytes_left = at + in;
			if (!setjmp(seal_stopped)) {
				c->act(h);
				expect(false, "%s: not stopped", letters);
			}
			seal_bytes_left = SIZE_MAX;
			err = result(f, got);
			expect((err == old_err && !strcmp(got, old)) ||
			       (err == new_err && !strcmp(got, new)) ||
			       (is_refused(err) && (is_refused(old_err) || old_1 ||
						    (several && old_err == -ENOENT) ||
						    (several && (c->act == do_wipe ||
								 c->act == do_wipe_old)))),
			       "%s: after %u stores and %zu bytes: %d '%.30s', was %d '%.30s', is %d",
			       letters, n, in, err, got, old_err, old, new_err);
			if (err != -ENOENT || new_err == -ENOENT)
				continue;
			expect(old_err == -ENOENT, "%s: after %u stores and %zu bytes: nothing",
			       letters, n, in);
		}
	}
}

static void cut(const void *arg)
{
	static const char *const layouts[] = { "a", "A", "abc", "bca" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(layouts); i++)
		cut_here(arg, layouts[i]);
}

/* Any bit of a seal or its image that is wrong, and the image is refused. */
static void flipped(const void *arg)
{
	struct pool p;
	struct gmfs_head *h = new_pool(&p, "a");
	size_t bit, bits = 8 * sizeof(struct gmfs_seal);
	struct gmfs_found f;
	int err;
	u8 *at;

	leave(h, "one", 1);
	for (bit = 0; bit < bits + 8 * 3; bit++) {
		at = p.maps[0] + (bit < bits ? bit / 8 : GMFS_SLOT_IMAGE + (bit - bits) / 8);
		*at ^= 1 << (bit % 8);
		err = gmfs_head_find(h, &f);
		expect(err, "bit %zu", bit);
		/* Without magic or state there is no seal, so no reason. */
		expect((err == -ENOENT) == !f.why[0], "bit %zu: '%s'", bit, f.why);
		expect(err != -ENOENT || bit < 64 || (bit >= 96 && bit < 128),
		       "bit %zu: nothing found", bit);
		*at ^= 1 << (bit % 8);
	}
	expect_image(h, "one", 1);
}

struct other {
	const char *name;
	struct gmfs_range window;
	u64 block_size;
	int err;
	const char *why;
};

static void other(const void *arg)
{
	const struct other *o = arg;
	struct pool p;
	struct gmfs_head *h = new_pool(&p, "a");

	leave(h, "one", 1);
	p.windows[0] = o->window;
	p.layout.block_size = o->block_size;
	expect_none(h, o->err, o->why);
}

static const struct other others[] = {
	{ "smaller", { 4ULL << 30, 99 * BLOCK }, BLOCK, -ENXIO,
	  "another pool: 0x190000 bytes at 0x100000000 in blocks of 0x4000" },
	{ "larger", { 4ULL << 30, 101 * BLOCK }, BLOCK, -ENXIO, "another pool" },
	{ "moved", { 5ULL << 30, 100 * BLOCK }, BLOCK, -ENXIO, "another pool" },
	{ "half the blocks", { 4ULL << 30, 100 * BLOCK }, BLOCK / 2, -ENXIO, "another pool" },
};

static void is_at(const void *arg)
{
	struct pool p;
	struct gmfs_head *h = new_pool(&p, "ab");
	u64 base = p.windows[0].base;
	struct gmfs_found f;

	expect(!gmfs_seal_is_at(p.maps[0], base, &f), "found in nothing");
	leave(h, "one", 1);
	expect(gmfs_seal_is_at(p.maps[0], base, &f), "not found");
	expect(strstr(f.why, "another pool was here: 0x190000 bytes at 0x100000000"), "%s", f.why);
	expect(f.dated && f.stamp.tsc == monday.tsc, "when");
	expect(!gmfs_seal_is_at(p.maps[0], base + (2 << 20), &f), "a guest's");
	expect(gmfs_seal_is_at(p.maps[1], p.windows[1].base, &f), "a mark is not found");
	expect(strstr(f.why, "at 0x140000000"), "%s", f.why);
	seal_of(h, 0)->crc ^= 1;
	expect(!gmfs_seal_is_at(p.maps[0], base, &f), "damaged");
	seal_v1(h, 0, "one", 3, 1, &tuesday, GMFS_OPEN);
	expect(gmfs_seal_is_at(p.maps[0], base, &f), "version 1 is not found");
	expect(f.dated && f.stamp.tsc == tuesday.tsc, "when");
	put_unaligned_be32(3, &seal_of(h, 0)->version);
	make_whole(seal_of(h, 0));
	expect(!gmfs_seal_is_at(p.maps[0], base, &f), "version 3");
}

/* A wipe may not know where slot 1 is: what that has must not come back. */
static void no_slot_0(const void *arg)
{
	struct pool p;
	struct gmfs_head *h = new_pool(&p, "a");
	int i;

	for (i = 0; i < 2; i++) {
		leave(h, "one", 1);
		leave(h, "two", 2);
		leave(h, "three", 3);
		leave(h, "four", 4);
		memset(p.maps[0], 0, sizeof(struct gmfs_seal));
		expect_none(h, -ENOENT, "");
		if (i)
			gmfs_head_open(h, &monday);
		leave(h, "five", 1);
		expect_image(h, "five", 1);
		gmfs_head_open(h, &monday);
		expect_none(h, -EUCLEAN, "did not leave an image");
		leave(h, "six", 2);
		expect_image(h, "six", 2);
		gmfs_head_wipe(h);
	}
}

/* What is damaged has no generation, and does not hide that of the other. */
static void heals(const void *arg)
{
	const struct letters *l = arg;
	struct pool p;
	struct gmfs_head *h = new_pool(&p, l->letters);
	struct gmfs_found f;

	leave(h, "one", 1);
	leave(h, "two", 2);
	leave(h, "three", 3);
	leave(h, "four", 4);
	put_unaligned_be64(~0ULL, &seal_of(h, 0)->generation);
	expect_none(h, -EBADMSG, "damaged");
	expect_eq(gmfs_head_find(h, &f), -EBADMSG);
	expect_eq(f.generation, 0);
	leave(h, "five", 5);
	expect_image(h, "five", 5);
	seal_of(h, 0)->crc ^= 1;
	seal_of(h, 1)->crc ^= 1;
	expect_none(h, -EBADMSG, "damaged");
	leave(h, "six", 1);
	expect_image(h, "six", 1);
}

static void later_version(const void *arg)
{
	struct pool p;
	struct gmfs_head *h = new_pool(&p, "ab");

	leave(h, "one", 1);
	put_unaligned_be32(3, &seal_of(h, 0)->version);
	expect_none(h, -EPROTONOSUPPORT, "version 3, not 2");
}

struct belief {
	const char *name;
	struct gmfs_stamp now;
	bool kexec;
	enum gmfs_belief belief;
};

static void belief(const void *arg)
{
	const struct belief *b = arg;
	struct pool p;
	struct gmfs_head *h = new_pool(&p, "a");
	struct gmfs_found f;

	leave(h, "one", 1);
	expect_eq(gmfs_head_find(h, &f), 0);
	expect_eq(gmfs_head_belief(&f, &b->now, b->kexec), b->belief);
	expect_eq(!f.why[0], b->belief == GMFS_BELIEVED || b->belief == GMFS_FIRMWARE);
	/* In a kernel that kexec began, one that is refused is never wiped. */
	p.windows[0].size *= 2;
	expect_eq(gmfs_head_find(h, &f), -ENXIO);
	expect_eq(gmfs_head_belief(&f, &b->now, b->kexec),
		  b->belief == GMFS_FIRMWARE ? GMFS_FIRMWARE : GMFS_BELIEVED);
	expect(strstr(f.why, "another pool"), "%s", f.why);
	seal_of(h, 0)->crc ^= 1;
	expect_eq(gmfs_head_find(h, &f), -EBADMSG);
	expect_eq(gmfs_head_belief(&f, &b->now, b->kexec),
		  b->belief == GMFS_FIRMWARE ? GMFS_FIRMWARE : GMFS_BELIEVED);
}

static const struct belief beliefs[] = {
	{ "same boot", { 1500, { 1 } }, false, GMFS_BELIEVED },
	{ "same boot, which kexec began", { 1500, { 1 } }, true, GMFS_BELIEVED },
	{ "kexec", { 1500, { 2 } }, true, GMFS_BELIEVED },
	{ "firmware", { 1500, { 2 } }, false, GMFS_FIRMWARE },
	{ "kexec after a reset", { 500, { 2 } }, true, GMFS_TSC_BACK },
};

/* Seconds since 1970 and since the counter was 0; 2 GHz unless said otherwise. */
static struct gmfs_stamp at(u8 boot, s64 wall, u64 uptime, u64 khz)
{
	return (struct gmfs_stamp){ uptime * khz * 1000, { boot }, khz, wall * 1000000000 };
}

#define KHZ	2000000
#define HOUR	3600
#define DAY	(24 * HOUR)
#define T	(1700000000LL)

struct clocks {
	const char *name;
	s64 then_up, wall, up;	/* from then on; the counter had @then_up */
	u64 khz;
	enum gmfs_belief belief;
};

static void clocks(const void *arg)
{
	const struct clocks *c = arg;
	struct gmfs_stamp then = at(1, T, c->then_up, KHZ), now;
	struct pool p;
	struct gmfs_head *h = new_pool(&p, "a");
	struct gmfs_found f;
	u64 generation;

	now = at(2, T + c->wall, c->then_up + c->up, c->khz > 1 ? c->khz : KHZ);
	if (c->khz == 1)
		now.tsc_khz = 0;
	expect_eq(gmfs_head_seal(h, "one", 3, &then, &generation), 0);
	expect_eq(gmfs_head_find(h, &f), 0);
	expect_eq(gmfs_head_belief(&f, &now, true), c->belief);
	expect_eq(!strstr(f.why, "by the wall clock"), c->belief != GMFS_CLOCKS_DIFFER);
	if (c->belief == GMFS_CLOCKS_DIFFER && c->wall == 3 * DAY)
		expect(!strcmp(f.why, "since then 259200 s by the wall clock, 172800 s by the TSC: a reset? if the clock is wrong, set it and load again"),
		       "%s", f.why);
}

static const struct clocks clock_table[] = {
	{ "a kexec, a minute", 10 * DAY, 60, 60, 0, GMFS_BELIEVED },
	{ "up for a minute, a kexec", 60, 60, 60, 0, GMFS_BELIEVED },
	{ "a year without the module", 10 * DAY, 365 * DAY, 365 * DAY + 600, 0, GMFS_BELIEVED },
	{ "a wall clock in another time zone", 30 * DAY, 60 + 14 * HOUR, 60, 0, GMFS_BELIEVED },
	{ "and back", 30 * DAY, 60 - 14 * HOUR, 60, 0, GMFS_BELIEVED },
	{ "an hour off, up for 3 hours", 3 * HOUR, 60 + HOUR, 60, 0, GMFS_BELIEVED },
	{ "an hour off, up for 1 hour", HOUR, 60 + HOUR, 60, 0, GMFS_CLOCKS_DIFFER },
	{ "no real-time clock", 10 * DAY, 60 - T, 60, 0, GMFS_CLOCKS_DIFFER },
	{ "a day off", 10 * DAY, 3 * DAY, 2 * DAY, 0, GMFS_BELIEVED },
	{ "more than a day off", 10 * DAY, 3 * DAY + 2 * HOUR, 2 * DAY, 0, GMFS_CLOCKS_DIFFER },
	{ "more than half of its time off", DAY, 3 * DAY, 2 * DAY, 0, GMFS_CLOCKS_DIFFER },
	{ "a reset at once, then up for longer than before", 10 * DAY, 11 * DAY, DAY, 0,
	  GMFS_CLOCKS_DIFFER },
	{ "a reset at once, up for 10 times as long", DAY, 10 * DAY, 9 * DAY, 0,
	  GMFS_CLOCKS_DIFFER },
	{ "a reset, up for 100 times as long", DAY, 100 * DAY, 99 * DAY, 0, GMFS_CLOCKS_DIFFER },
	{ "a reset after a minute's uptime", 60, 200, 140, 0, GMFS_CLOCKS_DIFFER },
	{ "a reset, up for less than before", 10 * DAY, 6 * DAY, -4 * DAY, 0, GMFS_TSC_BACK },
	{ "a counter that is taken to be 200 ppm faster", 10 * DAY, 60, 60, KHZ + KHZ / 5000,
	  GMFS_BELIEVED },
	{ "a counter that is taken to be 60 times faster", 10 * DAY, 60, 60, 60 * KHZ,
	  GMFS_BELIEVED },
	{ "a kernel that does not know the rate", 10 * DAY, 60, 11 * DAY, 1, GMFS_BELIEVED },
};

/* A date record does not change the seal, and may be torn or missing. */
static void redated(const void *arg)
{
	struct gmfs_stamp then = at(1, T, DAY, KHZ), later = at(2, T + DAY, 2 * DAY, KHZ);
	struct gmfs_stamp now = at(3, T + 3 * DAY, DAY + HOUR, KHZ);
	struct pool p;
	struct gmfs_head *h = new_pool(&p, "a");
	struct gmfs_date *d = p.maps[0] + GMFS_DATE_2;
	struct gmfs_found f;
	u64 generation;
	size_t len;

	expect_eq(gmfs_head_seal(h, "one", 3, &then, &generation), 0);
	gmfs_head_find(h, &f);
	expect_eq(f.stamp.tsc, then.tsc);
	expect_eq(f.stamp.wall, then.wall);
	for (len = 0; len <= sizeof(*d); len++) {
		memset(d, 0, sizeof(*d));
		seal_bytes_left = len;
		if (!setjmp(seal_stopped))
			gmfs_head_date(h, &later);
		seal_bytes_left = SIZE_MAX;
		expect_image(h, "one", 1);
		gmfs_head_find(h, &f);
		expect_eq(f.stamp.tsc, len < sizeof(*d) ? then.tsc : later.tsc);
	}
	/* An unseen reset two days later, and up for longer than when it was sealed. */
	expect_eq(f.stamp.boot_id[0], 2);
	expect_eq(gmfs_head_belief(&f, &now, true), GMFS_TSC_BACK);
	gmfs_head_date(h, &now);
	gmfs_head_find(h, &f);
	expect_eq(f.stamp.tsc, now.tsc);
	/* A record of another seal does not count: this one is as 0.1 wrote it. */
	((struct gmfs_date *)(p.maps[0] + GMFS_DATE))->seal_crc ^= 1;
	d->seal_crc ^= 1;
	gmfs_head_find(h, &f);
	expect_eq(f.stamp.tsc, then.tsc);
	expect_eq(f.stamp.tsc_khz, 0);
	now.tsc = then.tsc + 1;
	expect_eq(gmfs_head_belief(&f, &now, true), GMFS_BELIEVED);
}

struct choice {
	const char *name;
	int err;
	const char *head;	/* if err is 0 */
	u64 generation;
	const char *copy;
	bool recorded;
	u64 copy_generation;
	bool damaged;	/* the record is not that of the copy, but of "head" */
	int choice;
	const char *why;
};

static void choose(const void *arg)
{
	const struct choice *c = arg;
	struct gmfs_copy copy = {
		.image = (void *)c->copy,
		.size = strlen(c->copy),
		.recorded = c->recorded,
		.generation = c->copy_generation,
		.crc = c->damaged ? gmfs_crc32c(0, "head", 4) : gmfs_crc32c(0, c->copy, strlen(c->copy)),
	};
	const char *why = "";

	expect_eq(gmfs_copy_choose(&copy, c->err, c->head, c->head ? strlen(c->head) : 0,
				   c->generation, &why), c->choice);
	expect(strstr(why, c->why ?: ""), "%s", why);
	expect_eq(!c->why, !why[0]);
}

static const struct choice choices[] = {
	{ "the same", 0, "head", 5, "head", true, 5, false, 0 },
	{ "the same, by 0.1", 0, "head", 5, "head", false, 0, false, 0 },
	{ "the same, sealed twice", 0, "head", 6, "head", true, 5, false, 0 },
	{ "a damaged copy of the same", 0, "head", 5, "hexd", true, 5, true, 0 },
	{ "a damaged copy of the one before", 0, "head", 5, "hexd", true, 4, true, 0 },
	{ "a damaged copy of a later one", 0, "another", 5, "hexd", true, 6, true, -EBADMSG,
	  "checksum" },
	{ "a damaged copy beside nothing", -ENOENT, NULL, 0, "hexd", true, 5, true, -EBADMSG,
	  "checksum" },
	{ "a damaged copy beside an open head", -EUCLEAN, NULL, 4, "hexd", true, 5, true, -EBADMSG,
	  "checksum" },
	{ "a later one", 0, "head", 5, "copy", true, 6, false, 1 },
	{ "an earlier one", 0, "head", 5, "copy", true, 4, false, 0 },
	{ "another order of names", 0, "head", 5, "copy", true, 5, false, 0 },
	{ "another order of names, by 0.1", 0, "head", 5, "copy", false, 0, false, 0 },
	{ "beside nothing", -ENOENT, NULL, 0, "copy", true, 1, false, 1 },
	{ "an empty tree beside nothing", -ENOENT, NULL, 0, "copy", true, 0, false, 1 },
	{ "beside nothing, by 0.1", -ENOENT, NULL, 0, "copy", false, 0, false, 1 },
	{ "beside an open head", -EUCLEAN, NULL, 5, "copy", true, 6, false, 1 },
	{ "beside a head that was opened after it", -EUCLEAN, NULL, 5, "copy", true, 5, false,
	  -EUCLEAN, "changed after" },
	{ "beside an open head, by 0.1", -EUCLEAN, NULL, 5, "copy", false, 0, false, 1 },
	{ "beside a damaged head", -EBADMSG, NULL, 5, "copy", true, 5, false, 1 },
	{ "beside another pool's head", -ENXIO, NULL, 5, "copy", true, 1, false, 1 },
};

void seal_tests(void)
{
	unit_run("seal", "CRC32C is RFC 3720's", crc_is_rfc3720s, NULL);
	run_table("seal: the newest image wins", newest_wins, pools);
	run_table("seal: changes open what is sealed", opened, pools);
	unit_run("seal", "an image too large", too_large, NULL);
	unit_run("seal", "any bit flipped", flipped, NULL);
	run_table("seal: an image in several windows", span, spans);
	unit_run("seal", "any bit of the list or of another window flipped", flipped_elsewhere,
		 NULL);
	unit_run("seal", "marks", marks, NULL);
	unit_run("seal", "marks stay", marks_stay, NULL);
	unit_run("seal", "two pools become one", two_pools, NULL);
	run_table("seal: an image of KHO's instead of", replaced, refusals);
	unit_run("seal", "another boot's heads are emptied", wiped, NULL);
	run_table("seal of version 1", v1_read, v1_windows);
	unit_run("seal of version 1", "any bit flipped", v1_flipped, NULL);
	unit_run("seal", "the head of a region that was moved", is_at, NULL);
	unit_run("seal", "without slot 0 there is nothing", no_slot_0, NULL);
	run_table("seal: a new seal beside damaged ones", heals, pools);
	unit_run("seal", "a later version", later_version, NULL);
	unit_run("seal", "dated anew", redated, NULL);
	run_table("seal cut", cut, cuts);
	run_table("seal of another pool", other, others);
	run_table("seal believed", belief, beliefs);
	run_table("seal and KHO's copy", choose, choices);
	run_table("seal and clocks", clocks, clock_table);
}
