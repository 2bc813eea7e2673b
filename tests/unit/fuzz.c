// SPDX-License-Identifier: GPL-2.0-only
/* Images, heads and command lines by the hundred thousand, and large images. */
#include <guestmemfs/abi.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/stat.h>
#include <linux/unaligned.h>
#include <libfdt.h>
#include <stdio.h>

#include "seal.h"
#include "slots.h"
#include "tree.h"
#include "unit.h"

static const u32 cells[] = { 0, 1, 2, 3, 4, 8, 9, 31, 32, 255, 0x7fffffff,
			     0x80000000, -4, -1 };

static u32 mutate(u8 *p, u32 size)
{
	u32 at = rnd(8) ? rnd(size) : rnd(min(size, 56U)), to, len;

	switch (rnd(8)) {
	case 0:
	case 1:
		p[at] ^= 1 << rnd(8);
		break;
	case 2:
		p[at] = rnd(256);
		break;
	case 3:
		p[at] += rnd(2) ? 1 : -1;
		break;
	case 4:
	case 5:
		if (size >= 4)
			put_unaligned_be32(cells[rnd(ARRAY_SIZE(cells))],
					   p + min(at & ~3, size - 4));
		break;
	case 6:		/* whole cells, so that tokens may end up as tokens */
		to = rnd(size) & ~3;
		at &= ~3;
		len = min(1 + rnd(200), size - max(at, to));
		memmove(p + to, p + at, len);
		break;
	case 7:
		if (rnd(4) || size < 2)
			break;
		size = 1 + rnd(size - 1);
		if (size >= 8 && rnd(4))
			fdt_set_totalsize(p, size);
		break;
	}
	return size;
}

/* A real image, of the one window of the lab's VMs. */
static void *corpus_image(const char *path, size_t *size)
{
	u8 buf[8192], *image;

	*size = read_hex(path, buf, sizeof(buf));
	image = malloc(*size);
	return memcpy(image, buf, *size);
}

/* FUZZ of all kinds together; a share of each. */
static u32 nr_of(u32 percent)
{
	const char *fuzz = getenv("FUZZ");
	u64 nr = fuzz && *fuzz ? atoi(fuzz) : 100000;

	return max(nr * percent / 100, (u64)1);
}

enum { NR_IMAGES = 7 };

/* The layout, or one with the windows in another order, others, fewer, or not all known. */
static const struct gmfs_layout *some_layout(const struct gmfs_layout *from)
{
	static struct gmfs_range windows[3];
	static struct gmfs_layout l;
	struct gmfs_range first;
	u32 i, other;

	if (rnd(2))
		return from;
	if (!rnd(8))
		return NULL;
	l = *from;
	for (i = 0; i < from->nr_windows; i++)
		windows[i] = from->windows[i];
	l.windows = windows;
	if (!rnd(4))
		l.known = rnd(8);
	if (rnd(2)) {
		windows[i] = (struct gmfs_range){ 64ULL << 30, (2 + rnd(8)) * l.block_size };
		l.nr_windows++;
		l.known |= 1ULL << i;
	}
	if (rnd(2)) {
		other = rnd(l.nr_windows);
		first = windows[0];
		windows[0] = windows[other];
		windows[other] = first;
	}
	if (l.nr_windows > 1 && !rnd(4))
		l.nr_windows--;
	return &l;
}

static void mutations(const void *arg)
{
	static const struct gmfs_range vm_window = { 4992ULL << 20, 1152ULL << 20 };
	static const struct gmfs_layout vm = { &vm_window, 1, 2 << 20, 1 };
	const struct gmfs_layout *layouts[NR_IMAGES] = {
		&tree_layout, &tree_layout, &vm, &vm, &tree_layout_v1, &tree_layout,
		&tree_layout,
	};
	u32 nr = nr_of(70), n, k, accepted = 0;
	struct gmfs_image img;
	size_t sizes[NR_IMAGES], size;
	u8 *images[NR_IMAGES], *p;

	images[0] = tree_image(&sizes[0]);
	images[1] = structs_last(images[0], fdt_size_dt_struct(images[0]), &sizes[1]);
	images[2] = corpus_image("corpus/files.hex", &sizes[2]);
	images[3] = corpus_image("corpus/guests.hex", &sizes[3]);
	images[4] = tree_image_of(1, &sizes[4]);
	images[5] = tree_image(&sizes[5]);
	images[6] = tree_image_with_bad(&sizes[6]);
	for (k = 0; k < NR_IMAGES; k++)
		expect_eq(gmfs_image_check(&img, images[k], sizes[k], layouts[k]), 0);
	for (n = 0; n < nr; n++) {
		size = sizes[n % NR_IMAGES];
		p = exact_copy(images[n % NR_IMAGES], size);
		for (k = 1 + rnd(rnd(2) ? 2 : 10); k; k--)
			size = mutate(p, size);
		/* Shrunk where it ends, so that reading on is noticed. */
		p = realloc(p, size);
		if (!gmfs_image_check(&img, p, size, some_layout(layouts[n % NR_IMAGES]))) {
			accepted++;
			expect(tree_is_good(&img), "image %u", n);
		} else {
			expect(img.why[0], "image %u refused without reason", n);
		}
		free(p);
	}
	unit_info("%u mutated images, %u of them accepted", nr, accepted);
	expect(accepted < nr, "nothing was refused");
	for (k = 0; k < NR_IMAGES; k++)
		free(images[k]);
}

/* --- mutated heads ------------------------------------------------------------ */

#define HEAD_BLOCK	0x4000ULL
enum { MOST_WINDOWS = 3, HEAD_ROOM = 0x6000 };

/* Heads of 1, 1 and 2 blocks; of version 1: of 1, 2 and 3. */
static const struct gmfs_range head_windows[MOST_WINDOWS] = {
	{ 4ULL << 30, 100 * HEAD_BLOCK }, { 5ULL << 30, 8192 * HEAD_BLOCK },
	{ 6ULL << 30, 16384 * HEAD_BLOCK },
};

struct heads {
	struct gmfs_range windows[MOST_WINDOWS];
	void *maps[MOST_WINDOWS];
	struct gmfs_layout layout;
	struct gmfs_head head;
};

/* Some windows in some order, whose maps end where they may be read. */
static void new_heads(struct heads *h)
{
	u32 i, nr = 1 + rnd(MOST_WINDOWS), first = rnd(MOST_WINDOWS);

	for (i = 0; i < nr; i++)
		h->windows[i] = head_windows[(first + i) % MOST_WINDOWS];
	h->layout = (struct gmfs_layout){ h->windows, nr, HEAD_BLOCK, ~0ULL };
	h->head = (struct gmfs_head){ &h->layout, h->maps, rnd(nr) };
	for (i = 0; i < nr; i++)
		h->maps[i] = calloc(1, gmfs_head_size(&h->layout, i));
}

static void free_heads(struct heads *h)
{
	u32 i;

	for (i = 0; i < h->layout.nr_windows; i++)
		free(h->maps[i]);
}

static const struct gmfs_stamp then = { 1000, { 1 }, 2000000, 5 };

static void seal_some(struct heads *h, const u8 *image, bool all)
{
	size_t room = gmfs_head_room(&h->head);
	u64 generation;

	expect_eq(gmfs_head_seal(&h->head, image, all ? room : rnd(room + 1), &then,
				 &generation), 0);
}

/* What some kernels have left. */
static void fill_heads(struct heads *h, const u8 *image)
{
	u32 i, nr = rnd(4);

	if (!rnd(4)) {
		for (i = 0; i < nr; i++)
			seal_v1(&h->head, i % 2, image, rnd(0x1000), i + 1, &then,
				rnd(4) ? GMFS_SEALED : GMFS_OPEN);
		return;
	}
	for (i = 0; i < nr; i++) {
		seal_some(h, image, !rnd(3));
		if (!rnd(4))
			gmfs_head_open(&h->head, &then);
		if (!rnd(4))
			gmfs_head_date(&h->head, &then);
	}
}

/* Checksums are made to fit, so that what is behind them is read. */
static void make_whole(struct gmfs_seal *seal)
{
	u32 nr = get32(seal->nr_windows), version = get32(seal->version);
	struct gmfs_date *d;
	int i;

	/* No 2^56 images are sealed. */
	*(u8 *)&seal->generation = 0;
	if (version != 1 && nr <= GMFS_MAX_WINDOWS)
		put32(gmfs_crc32c(0, gmfs_seal_list(seal), nr * sizeof(struct gmfs_list_entry)),
		      seal->windows_crc);
	put_unaligned_be32(gmfs_seal_crc(seal), (void *)seal +
			   (version == 1 ? offsetof(struct gmfs_seal_v1, crc) :
					   offsetof(struct gmfs_seal, crc)));
	for (i = 0; i < 2; i++) {
		d = (void *)seal + (i ? GMFS_DATE_2 : GMFS_DATE);
		*(u8 *)&d->sequence = 0;
		if (rnd(2))
			put32(gmfs_crc_of_seal(seal), d->seal_crc);
		put32(gmfs_crc32c(0, d, offsetof(struct gmfs_date, crc)), d->crc);
	}
}

/* Where a slot has something: its seal, records and list. */
static void mutate_slot(struct heads *h)
{
	static const u32 states[] = { 0, GMFS_SEALED, GMFS_OPEN, GMFS_MEMBER };
	u32 window = rnd(h->layout.nr_windows), other = rnd(h->layout.nr_windows);
	struct gmfs_seal *seal = gmfs_slot_of(&h->head, window, rnd(3) == 2, 1 + rnd(2));
	u8 *p = (u8 *)seal;

	switch (rnd(8)) {
	case 0:
		mutate(p, sizeof(*seal));
		break;
	case 1:
		mutate(p + GMFS_SLOT_WINDOWS, 4 * sizeof(struct gmfs_list_entry));
		break;
	case 2:
		mutate(p + (rnd(2) ? GMFS_DATE : GMFS_DATE_2), sizeof(struct gmfs_date));
		break;
	case 3:
		put32(states[rnd(ARRAY_SIZE(states))], seal->state);
		break;
	case 4:
		put32(rnd(4), seal->version);
		break;
	case 5:
		put32(rnd(2) ? rnd(4) : cells[rnd(ARRAY_SIZE(cells))], seal->nr_windows);
		put64(rnd(2) ? rnd(HEAD_ROOM) : cells[rnd(ARRAY_SIZE(cells))], seal->image_size);
		break;
	case 6:		/* an entry becomes some window of the pool */
		put64(h->windows[other].base, gmfs_seal_list(seal)[rnd(3)].base);
		put64(h->windows[other].size, gmfs_seal_list(seal)[rnd(3)].size);
		break;
	case 7:		/* what is another slot's */
		memmove(p, gmfs_slot_of(&h->head, other, rnd(2), 1 + rnd(2)), GMFS_SLOT_IMAGE);
		break;
	}
	if (rnd(3))
		make_whole(seal);
}

/* What is found of the heads is read, and nothing behind it. Returns the errno. */
static int find_and_copy(struct heads *h, const u8 *want, size_t size)
{
	struct gmfs_found f;
	u32 i;
	u8 *image;
	int err;

	for (i = 0; i < h->layout.nr_windows; i++)
		gmfs_seal_is_at(h->maps[i], h->windows[i].base, &f);
	err = gmfs_head_find(&h->head, &f);
	expect(h->head.main < h->layout.nr_windows, "main window %u", h->head.main);
	expect(err == 0 || err == -ENOENT || f.why[0], "refused without reason: %d", err);
	if (err)
		return err;
	expect(f.known >> h->head.main & 1, "known 0x%llx", (unsigned long long)f.known);
	image = malloc(f.size);
	gmfs_head_copy(&h->head, &f, image);
	expect(!want || (f.size == size && !memcmp(image, want, size)), "another image");
	free(image);
	return 0;
}

static void mutated_heads(const void *arg)
{
	const struct gmfs_stamp now = { 2000, { 2 }, 2000000, 6 };
	static u8 image[HEAD_ROOM], other[HEAD_ROOM];
	u32 nr = nr_of(20), n, k, found = 0, refused = 0;
	struct heads h;
	u64 generation;
	size_t size;
	int err;

	for (k = 0; k < sizeof(image); k++) {
		image[k] = rnd(256);
		other[k] = rnd(256);
	}
	for (n = 0; n < nr; n++) {
		new_heads(&h);
		fill_heads(&h, image);
		for (k = 1 + rnd(rnd(2) ? 2 : 10); k; k--)
			mutate_slot(&h);
		err = find_and_copy(&h, NULL, 0);
		found += !err;
		refused += err && err != -ENOENT;
		if (rnd(2)) {
			gmfs_head_open(&h.head, &now);
			err = find_and_copy(&h, NULL, 0);
			expect(err && err != -ENOENT, "heads %u: %d after a change", n, err);
		}
		if (!rnd(4)) {
			gmfs_head_wipe_old(&h.head, now.boot_id);
			find_and_copy(&h, NULL, 0);
		}
		if (!rnd(4))
			gmfs_head_date(&h.head, &now);
		size = rnd(gmfs_head_room(&h.head) + 1);
		expect_eq(gmfs_head_seal(&h.head, other, size, &now, &generation), 0);
		err = find_and_copy(&h, other, size);
		expect(!err, "heads %u: %d after a seal", n, err);
		if (rnd(4)) {
			mutate_slot(&h);
			find_and_copy(&h, NULL, 0);
		}
		gmfs_head_wipe(&h.head);
		expect_eq(find_and_copy(&h, NULL, 0), -ENOENT);
		free_heads(&h);
	}
	unit_info("%u mutated heads: an image in %u, %u refused", nr, found, refused);
}

/* --- mutated command lines ------------------------------------------------------ */

static const char *const lines[] = {
	"ro guestmemfs=1G memmap=1G$4G quiet",
	"guestmemfs=1G@4G,2G@8G,3M@1M",
	"guestmemfs=a:1G guestmemfs=b:2M,4M memmap=3G$4G memmap=1G$16G,4M$64G",
	"guestmemfs=a:1G,1G@12G guestmemfs=db:0x40000000@0x100000000 memmap=2M$1G,1G@2G,1G$8G",
};

static const char *const words[] = {
	"guestmemfs=", "memmap=", "a:", "b:", "1G", "2M", "4096", "0x40000000", "@4G", "@5G",
	"@0x140000000", "@", "$4G", "$", "!", ",", "+", ":", "\"", "=", " ", "--", "%", "0", "-1",
	"18446744073709551615", "16E", "64T", "@1", "\xe4", "1G@9G,", "1G@11G,2G@20G,",
};

/* A good line in which words are put, or that loses some bytes. Returns its length. */
static size_t mutated_line(char line[1024])
{
	size_t len = sprintf(line, "%s", lines[rnd(ARRAY_SIZE(lines))]), at, n;
	char word[32], rest[1024];
	u32 k;

	for (k = rnd(rnd(16) ? 6 : 60); k; k--) {
		at = rnd(len + 1);
		n = min((size_t)rnd(8), len - at);
		strcpy(rest, line + at + (rnd(2) ? n : 0));
		sprintf(word, "%s", rnd(20) ? words[rnd(ARRAY_SIZE(words))] :
			(char[]){ 1 + rnd(255), 0 });
		len = at + snprintf(line + at, 1024 - at, "%s%s", rnd(4) ? word : "", rest);
		if (len > 700)
			line[len = 500] = '\0';
	}
	return len;
}

static bool good_pool(const struct gmfs_pool_arg *p)
{
	const struct gmfs_range *w;

	if (p->nr_windows > GMFS_MAX_WINDOWS)
		return false;
	if (p->why)
		return true;
	for (w = p->windows; w < p->windows + p->nr_windows; w++)
		if (!w->size || w->base + w->size < w->base)
			return false;
	return p->name && p->name_len && p->nr_windows;
}

static void mutated_lines(const void *arg)
{
	static struct gmfs_pool_arg pools[GMFS_MAX_POOLS + 1];
	u32 nr = nr_of(10), n, i, k, some = 0;
	char line[1024], *args, *maps;
	size_t len;

	for (n = 0; n < nr; n++) {
		len = mutated_line(line);
		args = exact_copy(line, len + 1);
		maps = exact_copy(line, len + 1);
		memset(pools, 0xa5, sizeof(pools));
		k = gmfs_find_pools(args, maps, 2 << 20, pools);
		expect(k <= GMFS_MAX_POOLS + 1, "%u pools", k);
		for (i = 0; i < k; i++) {
			expect(good_pool(&pools[i]), "'%s': pool %u", line, i);
			some += !pools[i].why;
		}
		free(args);
		free(maps);
	}
	unit_info("%u mutated command lines with %u pools that are fine", nr, some);
	expect(some, "no pool was fine");
}

/* --- large images ------------------------------------------------------------- */

/* A pool of @blocks in @nr windows, far from each other. The last one takes the rest. */
static struct gmfs_layout split(u32 blocks, u32 nr)
{
	static struct gmfs_range windows[GMFS_MAX_WINDOWS];
	u32 i, each = blocks / nr;

	for (i = 0; i < nr; i++)
		windows[i] = (struct gmfs_range){
			(u64)(i + 1) << 48, (u64)(i < nr - 1 ? each : blocks - i * each) << 21
		};
	return (struct gmfs_layout){ windows, nr, 2 << 20, ~0ULL };
}

/* The next block from @block on that is in no head. */
static u32 behind_heads(const struct gmfs_layout *l, u32 block)
{
	u32 i, start = 0, nr;

	for (i = 0; i < l->nr_windows; i++, start += nr) {
		nr = l->windows[i].size / l->block_size;
		if (block >= start && block < start + GMFS_HEAD_BLOCKS(nr))
			return start + GMFS_HEAD_BLOCKS(nr);
	}
	return block;
}

/**
 * struct large - a large image
 * @blocks: of the pool; @files times @extents times 2 of them at least
 * @windows: of the pool
 * @files: in the root directory
 * @extents: of each file, one block each, every second block of the pool
 */
struct large {
	const char *name;
	u32 blocks, windows, files, extents;
	int err;
};

static void put_root(struct gmfs_fdt_writer *w, const struct large *l)
{
	struct gmfs_image_inode root = { .ino = 1, .mode = S_IFDIR | 0700 };
	char name[16];
	size_t prop;
	u32 i;

	gmfs_image_begin_inode(w, &root);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_NAMES);
	for (i = 0; i < l->files; i++)
		gmfs_fdt_append(w, name, sprintf(name, "file%u", i) + 1);
	gmfs_fdt_close_prop(w, prop);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_INODES);
	for (i = 0; i < l->files; i++)
		gmfs_fdt_append_u64(w, 2 + i);
	gmfs_fdt_close_prop(w, prop);
	gmfs_fdt_end_node(w);
}

static size_t large_write(const struct large *l, void *buf, size_t max)
{
	struct gmfs_image_inode file = { .mode = S_IFREG | 0600 };
	struct gmfs_layout layout = split(l->blocks, l->windows);
	struct gmfs_fdt_writer w;
	u32 i, k, block = 0;
	size_t prop;

	gmfs_image_begin(&w, buf, max, &layout, l->files + 2);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_WRITTEN);
	for (i = 0; i < l->blocks / 8; i++)
		gmfs_fdt_append(&w, "\xaa", 1);
	gmfs_fdt_close_prop(&w, prop);
	put_root(&w, l);
	for (i = 0; i < l->files; i++) {
		file.ino = 2 + i;
		file.size = (u64)l->extents << 21;
		gmfs_image_begin_inode(&w, &file);
		prop = gmfs_fdt_open_prop(&w, GMFS_PROP_EXTENTS);
		for (k = 0; k < l->extents; k++, block += 2) {
			block = behind_heads(&layout, block);
			if (block >= l->blocks)
				break;
			gmfs_fdt_append_u32(&w, k);
			gmfs_fdt_append_u32(&w, block);
			gmfs_fdt_append_u32(&w, 1);
		}
		gmfs_fdt_close_prop(&w, prop);
		gmfs_fdt_end_node(&w);
	}
	return gmfs_image_end(&w);
}

static void large(const void *arg)
{
	const struct large *l = arg;
	struct gmfs_layout layout = split(l->blocks, l->windows);
	struct gmfs_head head = { &layout };
	double start = now_ms(), built, checked;
	size_t size = large_write(l, NULL, 0);
	struct gmfs_image img;
	void *image = malloc(size);

	expect_eq(large_write(l, image, size), size);
	built = now_ms();
	expect_eq(gmfs_image_check(&img, image, size, &layout), l->err);
	checked = now_ms();
	if (l->err)
		expect(strstr(img.why, "more than 65536"), "said '%s'", img.why);
	else
		expect_eq(img.nr_inodes, l->files + 1);
	expect(size <= gmfs_head_room(&head), "%zu bytes", size);
	if (l->extents > 1)
		unit_info("worst case, %u windows: %zu bytes, built in %.0f ms, checked in %.0f ms",
			  l->windows, size, built - start, checked - built);
	free(image);
}

static const struct large larges[] = {
	{ "1 TiB, every second block, 16384 files", 524288, 1, 16384, 16, 0 },
	{ "1 TiB in 64 windows, every second block, 16384 files", 524288, 64, 16384, 16, 0 },
	{ "65536 inodes", 262144, 1, GMFS_MAX_INODES - 1, 1, 0 },
	{ "65537 inodes", 262144, 1, GMFS_MAX_INODES, 1, -EINVAL },
};

/* --- images made to be slow -------------------------------------------------- */

enum { MANY_PROPS, ONE_LONG_NAME, MANY_NODES, DEEP_NODES, LONG_NODE_NAME, NOPS,
       ONE_ENTRY, MANY_ENTRIES };

/**
 * struct slow - an image of 64 MiB that has much of one thing in its root directory
 * @kind: of what
 * @err: what checking it says
 */
struct slow {
	const char *name;
	int kind;
	int err;
};

enum { SLOW_BYTES = 64 << 20 };

/* The cells of one property of no length. */
static u32 put_raw_prop(struct gmfs_fdt_writer *w, u32 name)
{
	gmfs_fdt_append_u32(w, GMFS_FDT_PROP);
	gmfs_fdt_append_u32(w, 0);
	gmfs_fdt_append_u32(w, name);
	return 12;
}

static void put_entries(struct gmfs_fdt_writer *w, u32 nr, u32 name_bytes)
{
	size_t prop = gmfs_fdt_open_prop(w, GMFS_PROP_NAMES);
	u32 i, k;

	for (i = 0; i < nr; i++) {
		for (k = 0; k < name_bytes; k++)
			gmfs_fdt_append(w, "n", 1);
		gmfs_fdt_append(w, "", 1);
	}
	gmfs_fdt_close_prop(w, prop);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_INODES);
	for (i = 0; i < nr; i++)
		gmfs_fdt_append_u64(w, 2);
	gmfs_fdt_close_prop(w, prop);
}

/* @name: a property name's offset in the strings */
static void put_much(struct gmfs_fdt_writer *w, int kind, u32 name)
{
	u32 left = SLOW_BYTES, i;

	if (kind == ONE_LONG_NAME)
		left /= 2;	/* the rest is the name */
	switch (kind) {
	case MANY_PROPS:
	case ONE_LONG_NAME:
		for (; left >= 12; left -= 12)
			put_raw_prop(w, name);
		return;
	case MANY_NODES:
		for (; left >= 12; left -= 12) {
			gmfs_fdt_begin_node(w, "");
			gmfs_fdt_end_node(w);
		}
		return;
	case DEEP_NODES:
		for (i = 0; i < left / 12; i++)
			gmfs_fdt_begin_node(w, "");
		for (i = 0; i < left / 12; i++)
			gmfs_fdt_end_node(w);
		return;
	case LONG_NODE_NAME:
		gmfs_fdt_append_u32(w, GMFS_FDT_BEGIN_NODE);
		for (; left > 4; left -= 4)
			gmfs_fdt_append(w, "long", 4);
		gmfs_fdt_append_u32(w, 0);
		gmfs_fdt_end_node(w);
		return;
	case NOPS:
		for (; left; left -= 4)
			gmfs_fdt_append_u32(w, GMFS_FDT_NOP);
		return;
	case ONE_ENTRY:
		put_entries(w, 1, left);
		return;
	case MANY_ENTRIES:
		put_entries(w, left / 10, 1);
		return;
	}
}

static size_t slow_write(const struct slow *s, u32 name, void *buf, size_t max)
{
	struct gmfs_image_inode dir = { .ino = 1, .mode = S_IFDIR | 0700 };
	struct gmfs_image_inode file = { .ino = 2, .mode = S_IFREG | 0600 };
	struct gmfs_fdt_writer w;
	size_t prop;

	gmfs_image_begin(&w, buf, max, &tree_layout, 3);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_WRITTEN);
	gmfs_fdt_append(&w, tree_written, sizeof(tree_written));
	gmfs_fdt_close_prop(&w, prop);
	gmfs_image_begin_inode(&w, &dir);
	put_much(&w, s->kind, name);
	if (s->kind != ONE_ENTRY && s->kind != MANY_ENTRIES)
		put_entries(&w, 1, 1);
	gmfs_fdt_end_node(&w);
	gmfs_image_begin_inode(&w, &file);
	/* Last in the strings; longer ones are made of it. */
	prop = gmfs_fdt_open_prop(&w, "a-name-of-31-characters-exactly");
	gmfs_fdt_close_prop(&w, prop);
	gmfs_fdt_end_node(&w);
	return gmfs_image_end(&w);
}

static void slow(const void *arg)
{
	const struct slow *s = arg;
	size_t size = slow_write(s, 0, NULL, 0), more = 0;
	double start;
	struct gmfs_image img;
	u8 *image;
	u32 nr;

	if (s->kind == ONE_LONG_NAME)
		more = SLOW_BYTES / 2;
	image = malloc(size + more);
	slow_write(s, 0, image, size);
	nr = fdt_size_dt_strings(image);
	slow_write(s, nr - 32, image, size);
	if (more) {
		memset(image + size - 1, 'x', more);
		image[size + more - 1] = 0;
		fdt_set_size_dt_strings(image, nr + more);
		fdt_set_totalsize(image, size + more);
	}
	start = now_ms();
	unit_spent = 0;
	unit_budget = 15UL * (size + more);
	expect_eq(gmfs_image_check(&img, image, size + more, &tree_layout), s->err);
	unit_info("%s: %zu bytes checked in %lu steps, %.0f ms", s->name, size + more,
		  unit_spent, now_ms() - start);
	/* It let others have the CPU. */
	if (s->err != -EINVAL)
		expect(unit_spent > size / 20, "%lu steps", unit_spent);
	free(image);
}

static const struct slow slows[] = {
	{ "properties with the longest name", MANY_PROPS, 0 },
	{ "properties that share a name of 32 MiB", ONE_LONG_NAME, -EINVAL },
	{ "unknown nodes", MANY_NODES, 0 },
	{ "unknown nodes, one in the other", DEEP_NODES, 0 },
	{ "a node with a name of 64 MiB", LONG_NODE_NAME, -EINVAL },
	{ "NOPs", NOPS, 0 },
	{ "a file with a name of 64 MiB", ONE_ENTRY, -EINVAL },
	{ "names of one file", MANY_ENTRIES, -EFBIG },
};

/* --- no image is larger than its slots -------------------------------------- */

enum { LONG_NAMES, LONG_TARGETS, MANY_ATTRIBUTES, MANY_LINKS, SHORT_NAMES, SHORT_LINKS };

/**
 * struct full - a pool whose files take all the room that they are given
 * @blocks: of the pool; each is an extent
 * @windows: of the pool
 * @kind: what takes the room
 */
struct full {
	const char *name;
	u32 blocks, windows;
	int kind;
};

/* What one inode is charged, as the filesystem does it. */
static u32 price(int kind)
{
	switch (kind) {
	case LONG_TARGETS:
		return GMFS_IMAGE_INODE + GMFS_IMAGE_NAME(255) + GMFS_MAX_TARGET - 2;
	case MANY_ATTRIBUTES:
		return GMFS_IMAGE_INODE + GMFS_IMAGE_NAME(255) + GMFS_MAX_XATTRS - 3;
	case MANY_LINKS:
		return GMFS_IMAGE_NAME(255);
	case SHORT_NAMES:
		return GMFS_IMAGE_INODE + GMFS_IMAGE_NAME(1);
	case SHORT_LINKS:
		return GMFS_IMAGE_NAME(1);
	default:
		return GMFS_IMAGE_INODE + GMFS_IMAGE_NAME(255);
	}
}

static size_t full_write(const struct full *f, u32 nr, void *buf, size_t max)
{
	static const char xattrs[GMFS_MAX_XATTRS];
	static const struct gmfs_extent none;
	struct gmfs_layout layout = split(f->blocks, f->windows);
	struct gmfs_image_inode dir = { .ino = 1, .mode = S_IFDIR | 0700, .flags = 0x10 };
	struct gmfs_image_inode file = { .mode = S_IFREG | 0600, .flags = 0x10 };
	bool links = f->kind == MANY_LINKS || f->kind == SHORT_LINKS;
	bool one_byte = f->kind == SHORT_NAMES || f->kind == SHORT_LINKS;
	u32 block = f->windows, i, inodes = links ? 1 : nr;
	struct gmfs_fdt_writer w;
	size_t prop;

	if (f->kind == LONG_TARGETS)
		file.mode = S_IFLNK | 0777;
	if (f->kind == MANY_ATTRIBUTES) {
		file.xattrs = xattrs;
		file.xattrs_size = sizeof(xattrs) - 3;	/* the most padding */
	}
	gmfs_image_begin(&w, buf, max, &layout, 1ULL << 62);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_WRITTEN);
	for (i = 0; i < DIV_ROUND_UP(f->blocks, 8); i++)
		gmfs_fdt_append(&w, "\xff", 1);
	gmfs_fdt_close_prop(&w, prop);
	gmfs_image_begin_inode(&w, &dir);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_NAMES);
	for (i = 0; i < nr; i++)
		gmfs_fdt_append(&w, one_byte ? "x" : X255, one_byte ? 2 : 256);
	gmfs_fdt_close_prop(&w, prop);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_INODES);
	for (i = 0; i < nr; i++)
		gmfs_fdt_append_u64(&w, 1ULL << 61);
	gmfs_fdt_close_prop(&w, prop);
	gmfs_fdt_end_node(&w);
	for (i = 0; i < inodes; i++) {
		file.ino = (1ULL << 61) + i;
		gmfs_image_begin_inode(&w, &file);
		prop = gmfs_fdt_open_prop(&w, S_ISLNK(file.mode) ? GMFS_PROP_TARGET :
							       GMFS_PROP_EXTENTS);
		if (S_ISLNK(file.mode))
			gmfs_fdt_append(&w, X4095 + 3, GMFS_MAX_TARGET - 2);
		/* The last file has what blocks are left, each by itself. */
		else
			for (; block < f->blocks; block++) {
				gmfs_fdt_append(&w, &none, 12);
				if (i < inodes - 1) {
					block++;
					break;
				}
			}
		gmfs_fdt_close_prop(&w, prop);
		gmfs_fdt_end_node(&w);
	}
	return gmfs_image_end(&w);
}

static void full(const void *arg)
{
	const struct full *f = arg;
	struct gmfs_layout layout = split(f->blocks, f->windows);
	struct gmfs_head head = { &layout };
	size_t slot = gmfs_head_room(&head);
	u64 room = gmfs_image_room(&layout) - GMFS_IMAGE_INODE;	/* the root */
	u32 nr = min_t(u64, GMFS_MAX_INODES - 1, room / price(f->kind));
	size_t size;

	expect(room < slot && nr, "room for %llu bytes", (unsigned long long)room);
	if (f->kind == MANY_LINKS || f->kind == SHORT_LINKS)
		nr = (room - GMFS_IMAGE_INODE) / price(f->kind);
	size = full_write(f, nr, NULL, 0);
	expect(size <= slot, "%zu bytes for slots of %zu", size, slot);
	if (f->blocks == 524288 && f->windows == 1)
		unit_info("1 TiB full of %s: %u, %zu of %zu bytes", f->name, nr, size, slot);
}

#define FULL(name, kind) \
	{ name ", 2 blocks", 2, 1, kind }, \
	{ name ", 512 blocks", 512, 1, kind }, \
	{ name ", 8191 blocks", 8191, 1, kind }, \
	{ name ", 16383 blocks", 16383, 1, kind }, \
	{ name ", 16384 blocks", 16384, 1, kind }, \
	{ name ", 65543 blocks", 65543, 1, kind }, \
	{ name ", 1 TiB", 524288, 1, kind }, \
	{ name ", 64 TiB", GMFS_MAX_BLOCKS, 1, kind }, \
	{ name ", 2 windows of 2 blocks", 4, 2, kind }, \
	{ name ", 64 windows of 2 blocks", 128, 64, kind }, \
	{ name ", 64 windows of 16383 blocks", 64 * 16383, 64, kind }, \
	{ name ", 3 windows of 1 TiB", 524288, 3, kind }, \
	{ name ", 64 windows of 64 TiB", GMFS_MAX_BLOCKS, 64, kind }

static const struct full fulls[] = {
	FULL("long names", LONG_NAMES),
	FULL("long targets", LONG_TARGETS),
	FULL("many attributes", MANY_ATTRIBUTES),
	FULL("many links", MANY_LINKS),
	FULL("short names", SHORT_NAMES),
	FULL("many short links", SHORT_LINKS),
};

void fuzz_tests(void)
{
	unit_run("fuzz", "mutated images", mutations, NULL);
	unit_run("fuzz", "mutated heads", mutated_heads, NULL);
	unit_run("fuzz", "mutated command lines", mutated_lines, NULL);
	run_table("large", large, larges);
	run_table("slow", slow, slows);
	run_table("full", full, fulls);
}
