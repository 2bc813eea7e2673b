// SPDX-License-Identifier: GPL-2.0-only
/*
 * Flattened device trees: a writer that appends, a reader that trusts nothing.
 *
 * The kernel exports no fdt_*() to modules. What a handover needs of the
 * format (Devicetree Specification v0.4, chapter 5) is little: one pass to
 * write, one token after another to read.
 *
 * Pure code: compiled into the module, into KUnit and into userspace tests.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "fdt.h"

#define FDT_MAGIC	0xd00dfeed
#define FDT_VERSION	17
#define FDT_COMPATIBLE	16

/* struct fdt_header: ten cells; then an empty memory reservation block. */
enum {
	H_MAGIC = 0, H_TOTAL = 4, H_STRUCTS = 8, H_STRINGS = 12, H_RESERVE = 16,
	H_VERSION = 20, H_COMPATIBLE = 24, H_BOOT_CPU = 28,
	H_NR_STRINGS = 32, H_NR_STRUCTS = 36, H_SIZE = 40,
	RESERVE_SIZE = 16,
};

static void put_bytes(struct gmfs_fdt_writer *w, const void *data, size_t len)
{
	if (w->buf && w->pos <= w->max && len <= w->max - w->pos)
		memcpy(w->buf + w->pos, data, len);
	w->pos += len;
}

static void put_cell(struct gmfs_fdt_writer *w, u32 value)
{
	u8 cell[4];

	put_unaligned_be32(value, cell);
	put_bytes(w, cell, sizeof(cell));
}

static void put_padding(struct gmfs_fdt_writer *w)
{
	put_bytes(w, "\0\0\0", -w->pos % 4);
}

/**
 * gmfs_fdt_start - begin a tree
 * @w: the writer
 * @buf: where to, aligned to 8 bytes, or NULL to only measure
 * @max: bytes at @buf
 *
 * Writing cannot fail: what does not fit is counted, and gmfs_fdt_finish()
 * tells.
 */
void gmfs_fdt_start(struct gmfs_fdt_writer *w, void *buf, size_t max)
{
	static const u8 empty[H_SIZE + RESERVE_SIZE];

	*w = (struct gmfs_fdt_writer){ .buf = buf, .max = max };
	put_bytes(w, empty, sizeof(empty));
}

void gmfs_fdt_begin_node(struct gmfs_fdt_writer *w, const char *name)
{
	put_cell(w, GMFS_FDT_BEGIN_NODE);
	put_bytes(w, name, strlen(name) + 1);
	put_padding(w);
}

void gmfs_fdt_end_node(struct gmfs_fdt_writer *w)
{
	put_cell(w, GMFS_FDT_END_NODE);
}

static u32 name_offset(struct gmfs_fdt_writer *w, const char *name)
{
	u32 i, offset = 0;

	for (i = 0; i < w->nr_names; i++) {
		if (!strcmp(w->names[i], name))
			return offset;
		offset += strlen(w->names[i]) + 1;
	}
	if (i < GMFS_FDT_MAX_NAMES)
		w->names[w->nr_names++] = name;
	else
		w->max = 0;	/* the tree was not written whole */
	return offset;
}

/**
 * gmfs_fdt_open_prop - begin a property
 * @w: the writer
 * @name: its name, which must live until gmfs_fdt_finish()
 *
 * Return: what gmfs_fdt_close_prop() wants.
 */
size_t gmfs_fdt_open_prop(struct gmfs_fdt_writer *w, const char *name)
{
	put_cell(w, GMFS_FDT_PROP);
	put_cell(w, 0);
	put_cell(w, name_offset(w, name));
	return w->pos;
}

void gmfs_fdt_append(struct gmfs_fdt_writer *w, const void *data, size_t len)
{
	put_bytes(w, data, len);
}

void gmfs_fdt_append_u32(struct gmfs_fdt_writer *w, u32 value)
{
	put_cell(w, value);
}

void gmfs_fdt_append_u64(struct gmfs_fdt_writer *w, u64 value)
{
	put_cell(w, value >> 32);
	put_cell(w, value);
}

/**
 * gmfs_fdt_close_prop - end a property
 * @w: the writer
 * @prop: what gmfs_fdt_open_prop() returned
 */
void gmfs_fdt_close_prop(struct gmfs_fdt_writer *w, size_t prop)
{
	if (w->buf && prop <= w->max)
		put_unaligned_be32(w->pos - prop, w->buf + prop - 8);
	put_padding(w);
}

/**
 * gmfs_fdt_finish - end the tree
 * @w: the writer
 *
 * Return: the tree's size in bytes. It was written whole if that is not more
 * than the buffer held.
 */
size_t gmfs_fdt_finish(struct gmfs_fdt_writer *w)
{
	size_t strings;
	u32 i;

	put_cell(w, GMFS_FDT_END);
	strings = w->pos;
	for (i = 0; i < w->nr_names; i++)
		put_bytes(w, w->names[i], strlen(w->names[i]) + 1);
	if (!w->buf || w->pos > w->max)
		return w->pos;
	put_unaligned_be32(FDT_MAGIC, w->buf + H_MAGIC);
	put_unaligned_be32(w->pos, w->buf + H_TOTAL);
	put_unaligned_be32(H_SIZE + RESERVE_SIZE, w->buf + H_STRUCTS);
	put_unaligned_be32(strings, w->buf + H_STRINGS);
	put_unaligned_be32(H_SIZE, w->buf + H_RESERVE);
	put_unaligned_be32(FDT_VERSION, w->buf + H_VERSION);
	put_unaligned_be32(FDT_COMPATIBLE, w->buf + H_COMPATIBLE);
	put_unaligned_be32(w->pos - strings, w->buf + H_NR_STRINGS);
	put_unaligned_be32(strings - H_SIZE - RESERVE_SIZE,
			   w->buf + H_NR_STRUCTS);
	return w->pos;
}

static bool inside(u32 offset, u32 len, u32 total)
{
	return offset >= H_SIZE && offset <= total && len <= total - offset;
}

/**
 * gmfs_fdt_open - check a tree's header
 * @r: the reader, set on success
 * @buf: the tree, aligned to 4 bytes
 * @size: bytes at @buf
 *
 * The strings block must end in NUL, so that every name in it ends, and it must not
 * overlap the structure block.
 *
 * Return: 0; -EINVAL if this is no flattened device tree of a version that
 * can be read, or not a whole one.
 */
int gmfs_fdt_open(struct gmfs_fdt_reader *r, const void *buf, size_t size)
{
	const u8 *h = buf;
	u32 total, structs, nr_structs, strings, nr_strings;

	if (size < H_SIZE || get_unaligned_be32(h + H_MAGIC) != FDT_MAGIC ||
	    get_unaligned_be32(h + H_VERSION) < FDT_VERSION ||
	    get_unaligned_be32(h + H_COMPATIBLE) > FDT_VERSION)
		return -EINVAL;
	total = get_unaligned_be32(h + H_TOTAL);
	structs = get_unaligned_be32(h + H_STRUCTS);
	nr_structs = get_unaligned_be32(h + H_NR_STRUCTS);
	strings = get_unaligned_be32(h + H_STRINGS);
	nr_strings = get_unaligned_be32(h + H_NR_STRINGS);
	if (total > size || !inside(structs, nr_structs, total) ||
	    !inside(strings, nr_strings, total) ||
	    structs % 4 || nr_structs % 4)
		return -EINVAL;
	if (nr_strings && nr_structs && strings < structs + nr_structs &&
	    structs < strings + nr_strings)
		return -EINVAL;
	if (nr_strings && h[strings + nr_strings - 1])
		return -EINVAL;
	*r = (struct gmfs_fdt_reader){
		.structs = h + structs, .nr_structs = nr_structs,
		.strings = (const char *)h + strings, .nr_strings = nr_strings,
	};
	return 0;
}

/*
 * The length of a name of at most @max characters, with @left bytes up to the block's
 * end; -1 if it is longer. Bounded, so that a long name which many properties share
 * costs no more than a short one: the kernel's memchr() reads byte by byte.
 */
static int name_len(const void *name, u32 max, u32 left)
{
	const char *end = memchr(name, 0, min_t(u32, max + 1, left));

	return end ? end - (const char *)name : -1;
}

static int next_prop(const struct gmfs_fdt_reader *r, u32 *pos,
		     struct gmfs_fdt_token *t)
{
	u32 left = r->nr_structs - *pos, name;

	if (left < 8)
		return -EINVAL;
	t->len = get_unaligned_be32(r->structs + *pos);
	name = get_unaligned_be32(r->structs + *pos + 4);
	if (t->len > left - 8 || name >= r->nr_strings ||
	    name_len(r->strings + name, GMFS_FDT_PROP_NAME, r->nr_strings - name) < 0)
		return -EINVAL;
	t->name = r->strings + name;
	t->data = r->structs + *pos + 8;
	*pos += 8 + ALIGN(t->len, 4);
	return 0;
}

/**
 * gmfs_fdt_next - read one token
 * @r: the reader
 * @pos: where in the structure block, 0 to begin with; moved past the token
 * @t: the token, valid if 0 is returned
 *
 * Context: may sleep.
 * Return: 0; -EINVAL if what stands there is no whole token, or has too long a name.
 */
int gmfs_fdt_next(const struct gmfs_fdt_reader *r, u32 *pos,
		  struct gmfs_fdt_token *t)
{
	int len;

	*t = (struct gmfs_fdt_token){ 0 };
	do {
		cond_resched();
		if (*pos > r->nr_structs || r->nr_structs - *pos < 4)
			return -EINVAL;
		t->kind = get_unaligned_be32(r->structs + *pos);
		*pos += 4;
	} while (t->kind == GMFS_FDT_NOP);

	switch (t->kind) {
	case GMFS_FDT_BEGIN_NODE:
		len = name_len(r->structs + *pos, GMFS_FDT_NODE_NAME,
			       r->nr_structs - *pos);
		if (len < 0)
			return -EINVAL;
		t->name = (const char *)r->structs + *pos;
		*pos += ALIGN(len + 1, 4);
		return 0;
	case GMFS_FDT_PROP:
		return next_prop(r, pos, t);
	case GMFS_FDT_END_NODE:
	case GMFS_FDT_END:
		return 0;
	default:
		return -EINVAL;
	}
}
