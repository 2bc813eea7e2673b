// SPDX-License-Identifier: GPL-2.0-only
/*
 * Test data for the tool: image KIND >file, where KIND is
 *	good, overlap	an image; one whose files share a block
 *	vmalloc, taken	a Kexec Handover subtree without an image
 *	head S0 G0 S1 G1	a window's head: states (s: sealed, o: open,
 *			-: none, x: sealed, its image damaged, c: its seal,
 *			v: of another version) and generations of two slots
 */
#include <endian.h>
#include <guestmemfs/abi.h>
#include <linux/crc32c.h>
#include <linux/kernel.h>
#include <linux/stat.h>
#include <linux/unaligned.h>
#include <string.h>

#include "image.h"

#define MIB		(1ULL << 20)

static const struct gmfs_range window = { 4096 * MIB, 64 * MIB };
static const struct gmfs_layout layout = {
	.windows = &window, .nr_windows = 1, .block_size = 2 * MIB, .known = 1,
};

static void put_names(struct gmfs_fdt_writer *w, const char *names, size_t len, const u64 *inodes)
{
	size_t i, prop = gmfs_fdt_open_prop(w, GMFS_PROP_NAMES);

	gmfs_fdt_append(w, names, len);
	gmfs_fdt_close_prop(w, prop);
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_INODES);
	for (i = 0; inodes[i]; i++)
		gmfs_fdt_append_u64(w, inodes[i]);
	gmfs_fdt_close_prop(w, prop);
}

static void put_cells(struct gmfs_fdt_writer *w, const char *name, const u32 *cells, size_t nr)
{
	size_t i, prop = gmfs_fdt_open_prop(w, name);

	for (i = 0; i < nr; i++)
		gmfs_fdt_append_u32(w, cells[i]);
	gmfs_fdt_close_prop(w, prop);
}

#define TIMES	.times = { [GMFS_MTIME] = { 1700000000, 5 } }

static size_t write_image(void *buf, size_t max, bool overlap)
{
	static const u8 written[4] = { 0x02, 0x01 };
	const u32 extents[] = { 0, 2, 1, 4, 8, 3 }, other[] = { 0, overlap ? 9 : 1, 1 };
	struct gmfs_fdt_writer w;
	size_t prop;

	gmfs_image_begin(&w, buf, max, &layout, 9);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_WRITTEN);
	gmfs_fdt_append(&w, written, sizeof(written));
	gmfs_fdt_close_prop(&w, prop);
#define NODE(...)	gmfs_image_begin_inode(&w, &(struct gmfs_image_inode){ __VA_ARGS__, TIMES })
	NODE(.ino = 1, .mode = S_IFDIR | 0700);
	put_names(&w, "vms\0null\0e\033[2J", 15, (u64[]){ 2, 5, 6, 0 });
	gmfs_fdt_end_node(&w);
	NODE(.ino = 2, .mode = S_IFDIR | 0755, .uid = 1000);
	put_names(&w, "ram\0hard\0link", 14, (u64[]){ 3, 3, 4, 0 });
	gmfs_fdt_end_node(&w);
	NODE(.ino = 3, .mode = S_IFREG | 0640, .size = 10 * MIB, .flags = GMFS_FLAG_IMMUTABLE,
	     .xattrs = "user.a\0\0\0\0\2xy", .xattrs_size = 13);
	put_cells(&w, GMFS_PROP_EXTENTS, extents, 6);
	gmfs_fdt_end_node(&w);
	NODE(.ino = 4, .mode = S_IFLNK | 0777);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_TARGET);
	gmfs_fdt_append(&w, "ram", 4);
	gmfs_fdt_close_prop(&w, prop);
	gmfs_fdt_end_node(&w);
	NODE(.ino = 5, .mode = S_IFCHR | 0666, .major = 1, .minor = 3);
	gmfs_fdt_end_node(&w);
	NODE(.ino = 6, .mode = S_IFREG | 0600, .size = 2 * MIB);
	put_cells(&w, GMFS_PROP_EXTENTS, other, 3);
	gmfs_fdt_end_node(&w);
	return gmfs_image_end(&w);
}

static size_t write_subtree(void *buf, size_t max)
{
	struct gmfs_fdt_writer w;

	gmfs_fdt_start(&w, buf, max);
	gmfs_fdt_begin_node(&w, "");
	put_cells(&w, GMFS_PROP_IMAGE_SIZE, (u32[]){ 0, 5 << 20 }, 2);
	put_cells(&w, GMFS_PROP_IMAGE_VMALLOC, (u32[]){ 0, 0, 0, 0 }, 4);
	gmfs_fdt_end_node(&w);
	return gmfs_fdt_finish(&w);
}

static void write_slot(u8 *p, char state, u64 generation)
{
	size_t size = write_image(p + GMFS_SLOT_IMAGE, MIB - GMFS_SLOT_IMAGE, false);
	__be64 list[] = { htobe64(window.base), htobe64(window.size) };
	struct gmfs_seal s = {
		.magic = htobe64(GMFS_SEAL_MAGIC), .version = htobe32(GMFS_SEAL_VERSION),
		.generation = htobe64(generation), .base = htobe64(window.base),
		.size = htobe64(window.size), .block_size = htobe64(layout.block_size),
		.image_size = htobe64(size),
		.image_crc = htobe32(~crc32c(~0, p + GMFS_SLOT_IMAGE, size)),
		.nr_windows = htobe32(1),
		.windows_crc = htobe32(~crc32c(~0, list, sizeof(list))),
	};

	if (state == 'v')
		s.version = htobe32(GMFS_SEAL_VERSION + 1);
	s.crc = htobe32(~crc32c(~0, &s, offsetof(struct gmfs_seal, crc)));
	s.state = htobe32(state == 'o' ? GMFS_OPEN : GMFS_SEALED);
	if (state == 'c')
		s.tsc = 1;
	if (state == 'x')
		p[GMFS_SLOT_IMAGE + size - 1] ^= 1;
	if (state == '-')
		return;
	memcpy(p, &s, sizeof(s));
	memcpy(p + GMFS_SLOT_WINDOWS, list, sizeof(list));
}

int main(int argc, char **argv)
{
	static u8 buf[2 << 20];
	size_t size = sizeof(buf);

	/* RFC 3720, B.4: 32 bytes of zeroes. */
	if (~crc32c(~0, buf, 32) != 0x8a9136aa)
		return 1;
	if (argc == 6) {
		write_slot(buf, *argv[2], strtoul(argv[3], NULL, 0));
		write_slot(buf + MIB, *argv[4], strtoul(argv[5], NULL, 0));
	} else if (argc == 2 && *argv[1] == 'v') {
		size = write_subtree(buf, size);
	} else if (argc == 2 && *argv[1] == 't') {
		put_unaligned_be32(GMFS_KHO_TAKEN, buf);
		size = 4096;
	} else {
		size = write_image(buf, size, argc == 2 && *argv[1] == 'o');
	}
	return fwrite(buf, 1, size, stdout) != size;
}
