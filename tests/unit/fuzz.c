// SPDX-License-Identifier: GPL-2.0-only
/* Images by the hundred thousand, and large ones. */
#include <guestmemfs/abi.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/stat.h>
#include <linux/unaligned.h>
#include <libfdt.h>
#include <stdio.h>

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

static void mutations(const void *arg)
{
	const char *fuzz = getenv("FUZZ");
	u32 nr = fuzz && *fuzz ? atoi(fuzz) : 100000, n, k, accepted = 0;
	struct gmfs_image img;
	size_t sizes[2], size;
	u8 *images[2], *p;

	images[0] = tree_image(&sizes[0]);
	images[1] = structs_last(images[0], fdt_size_dt_struct(images[0]), &sizes[1]);
	for (n = 0; n < nr; n++) {
		size = sizes[n % 2];
		p = exact_copy(images[n % 2], size);
		for (k = 1 + rnd(rnd(2) ? 2 : 10); k; k--)
			size = mutate(p, size);
		/* Shrunk where it ends, so that reading on is noticed. */
		p = realloc(p, size);
		if (!gmfs_image_check(&img, p, size, &tree_region)) {
			accepted++;
			expect(tree_is_good(&img), "image %u", n);
		} else {
			expect(img.why[0], "image %u refused without reason", n);
		}
		free(p);
	}
	unit_info("%u mutated images, %u of them accepted", nr, accepted);
	expect(accepted < nr, "nothing was refused");
	free(images[0]);
	free(images[1]);
}

/**
 * struct large - a large image
 * @blocks: of the region; @files times @extents times 2 of them at least
 * @files: in the root directory
 * @extents: of each file, one block each, every second block of the region
 */
struct large {
	const char *name;
	u32 blocks, files, extents;
	int err;
};

static struct gmfs_image_region large_region(const struct large *l)
{
	return (struct gmfs_image_region){ 4ULL << 30, (u64)l->blocks << 21, 2 << 20 };
}

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
	struct gmfs_image_region region = large_region(l);
	struct gmfs_fdt_writer w;
	u32 i, k, block = 0;
	size_t prop;

	gmfs_image_begin(&w, buf, max, &region, l->files + 2);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_WRITTEN);
	for (i = 0; i < l->blocks / 8; i++)
		gmfs_fdt_append(&w, "\x55", 1);
	gmfs_fdt_close_prop(&w, prop);
	put_root(&w, l);
	for (i = 0; i < l->files; i++) {
		file.ino = 2 + i;
		file.size = (u64)l->extents << 21;
		gmfs_image_begin_inode(&w, &file);
		prop = gmfs_fdt_open_prop(&w, GMFS_PROP_EXTENTS);
		for (k = 0; k < l->extents; k++, block += 2) {
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
	struct gmfs_image_region region = large_region(l);
	double start = now_ms(), built, checked;
	size_t size = large_write(l, NULL, 0);
	struct gmfs_image img;
	void *image = malloc(size);

	expect_eq(large_write(l, image, size), size);
	built = now_ms();
	expect_eq(gmfs_image_check(&img, image, size, &region), l->err);
	checked = now_ms();
	if (l->err)
		expect(strstr(img.why, "more than 65536"), "said '%s'", img.why);
	else
		expect_eq(img.nr_inodes, l->files + 1);
	if (l->extents > 1)
		unit_info("worst case: %zu bytes, built in %.0f ms, checked in %.0f ms",
			  size, built - start, checked - built);
	expect(checked - start < 20000, "it took %.0f ms", checked - start);
	free(image);
}

static const struct large larges[] = {
	{ "1 TiB, every second block, 16384 files", 524288, 16384, 16, 0 },
	{ "65536 inodes", 131072, GMFS_MAX_INODES - 1, 1, 0 },
	{ "65537 inodes", 131072, GMFS_MAX_INODES, 1, -EINVAL },
};

void fuzz_tests(void)
{
	unit_run("fuzz", "mutated images", mutations, NULL);
	run_table("large", large, larges);
}
