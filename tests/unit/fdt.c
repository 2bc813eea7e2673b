// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <libfdt.h>
#include <stdio.h>

#include "fdt.h"
#include "tree.h"
#include "unit.h"

/**
 * struct event - a token to write, or to read
 * @kind: GMFS_FDT_BEGIN_NODE, GMFS_FDT_PROP or GMFS_FDT_END_NODE
 */
struct event {
	int kind;
	char name[12];
	u8 data[48];
	u32 len;
};

/* A random tree whose nodes have their properties before their children. */
static u32 random_events(struct event *e, u32 max)
{
	u32 n = 0, depth = 0, i, j, nr;

	do {
		e[n] = (struct event){ .kind = GMFS_FDT_BEGIN_NODE };
		if (depth++)
			snprintf(e[n].name, sizeof(e->name), "n%x", n * (rnd(3000) + 1));
		n++;
		for (i = rnd(8), nr = rnd(3); nr; nr--, i += 1 + rnd(8), n++) {
			e[n] = (struct event){ GMFS_FDT_PROP, .len = rnd(sizeof(e->data)) };
			snprintf(e[n].name, sizeof(e->name), "property%u", i);
			for (j = 0; j < e[n].len; j++)
				e[n].data[j] = rnd(256);
		}
		while (depth > 1 && rnd(2)) {
			e[n++] = (struct event){ .kind = GMFS_FDT_END_NODE };
			depth--;
		}
	} while (n + 20 + depth < max);
	while (depth--)
		e[n++] = (struct event){ .kind = GMFS_FDT_END_NODE };
	return n;
}

static size_t write_events(const struct event *e, u32 nr, void *buf, size_t max)
{
	struct gmfs_fdt_writer w;
	size_t prop;

	gmfs_fdt_start(&w, buf, max);
	for (; nr--; e++) {
		if (e->kind == GMFS_FDT_BEGIN_NODE) {
			gmfs_fdt_begin_node(&w, e->name);
		} else if (e->kind == GMFS_FDT_END_NODE) {
			gmfs_fdt_end_node(&w);
		} else {
			prop = gmfs_fdt_open_prop(&w, e->name);
			gmfs_fdt_append(&w, e->data, e->len);
			gmfs_fdt_close_prop(&w, prop);
		}
	}
	return gmfs_fdt_finish(&w);
}

static void *make(const struct event *e, u32 nr, size_t *size)
{
	void *buf;

	*size = write_events(e, nr, NULL, 0);
	buf = malloc(*size);
	expect_eq(write_events(e, nr, buf, *size), *size);
	return buf;
}

enum { NR_EVENTS = 300 };

static void libfdt_reads(const void *fdt, size_t size, const struct event *e,
			 u32 nr)
{
	int tag, len, off, next = 0;
	const char *name, *data;

	expect_eq(fdt_check_full(fdt, size), 0);
	expect_eq(fdt_totalsize(fdt), size);
	for (; nr; nr--, e++) {
		off = next;
		tag = fdt_next_tag(fdt, off, &next);
		expect_eq(tag, e->kind);
		if (tag == FDT_BEGIN_NODE)
			expect(!strcmp(fdt_get_name(fdt, off, NULL), e->name),
			       "%s", e->name);
		if (tag != FDT_PROP)
			continue;
		data = fdt_getprop_by_offset(fdt, off, &name, &len);
		expect(!strcmp(name, e->name), "%s", name);
		expect_eq(len, e->len);
		expect(!memcmp(data, e->data, len), "%s", name);
	}
	expect_eq(fdt_next_tag(fdt, next, &next), FDT_END);
}

/* Reads a tree; events that are NULL are not compared. Returns how it ended. */
static int read_events(const void *fdt, size_t size, const struct event *e,
		       u32 *nr)
{
	struct gmfs_fdt_reader r;
	struct gmfs_fdt_token t;
	u32 pos = 0;
	int err;

	*nr = 0;
	err = gmfs_fdt_open(&r, fdt, size);
	for (; !err; (*nr)++) {
		err = gmfs_fdt_next(&r, &pos, &t);
		if (err || t.kind == GMFS_FDT_END)
			break;
		if (t.name)
			expect(strlen(t.name) < size, "no end");
		if (!e)
			continue;
		expect_eq(t.kind, e[*nr].kind);
		if (t.kind != GMFS_FDT_END_NODE)
			expect(!strcmp(t.name, e[*nr].name), "%s", t.name);
		expect_eq(t.len, e[*nr].len);
		expect(!t.len || !memcmp(t.data, e[*nr].data, t.len), "%s", t.name);
	}
	return err;
}

static void random_trees(const void *arg)
{
	struct event e[NR_EVENTS];
	u32 round, nr, got;
	size_t size;
	void *fdt;

	for (round = 0; round < 50; round++) {
		nr = random_events(e, NR_EVENTS);
		fdt = make(e, nr, &size);
		libfdt_reads(fdt, size, e, nr);
		expect_eq(read_events(fdt, size, e, &got), 0);
		expect_eq(got, nr);
		free(fdt);
	}
}

/* A property and a node become NOPs; the reader must not see either. */
static void nops(const void *arg)
{
	static const struct event e[] = {
		{ .kind = GMFS_FDT_BEGIN_NODE },
		{ GMFS_FDT_PROP, "gone", "abcde", 5 },
		{ GMFS_FDT_PROP, "stays", "xyz", 3 },
		{ GMFS_FDT_BEGIN_NODE, "gone" },
		{ GMFS_FDT_PROP, "in", "1", 1 },
		{ .kind = GMFS_FDT_END_NODE },
		{ GMFS_FDT_BEGIN_NODE, "stays" },
		{ .kind = GMFS_FDT_END_NODE },
		{ .kind = GMFS_FDT_END_NODE },
	};
	static const int left[] = { 0, 2, 6, 7, 8 };
	struct event want[ARRAY_SIZE(left)];
	size_t size;
	void *fdt = make(e, ARRAY_SIZE(e), &size);
	u32 i, got;

	for (i = 0; i < ARRAY_SIZE(left); i++)
		want[i] = e[left[i]];
	expect_eq(fdt_nop_property(fdt, 0, "gone"), 0);
	expect_eq(fdt_nop_node(fdt, fdt_path_offset(fdt, "/gone")), 0);
	expect_eq(read_events(fdt, size, want, &got), 0);
	expect_eq(got, ARRAY_SIZE(left));
	free(fdt);
}

/* Cut at every length: of the whole, of the strings, of the structure. */
static void truncated(const void *arg)
{
	struct event e[60];
	u32 nr = random_events(e, ARRAY_SIZE(e)), got, n;
	size_t size, cut_size;
	u8 *fdt = make(e, nr, &size), *cut;

	for (n = 0; n < size; n++) {
		cut = exact_copy(fdt, n);
		expect_eq(read_events(cut, n, e, &got), -EINVAL);
		expect_eq(got, 0);
		free(cut);
	}
	for (n = 0; n < fdt_size_dt_strings(fdt); n++) {
		cut_size = fdt_off_dt_strings(fdt) + n;
		cut = exact_copy(fdt, cut_size);
		fdt_set_totalsize(cut, cut_size);
		fdt_set_size_dt_strings(cut, n);
		expect_eq(read_events(cut, cut_size, e, &got), -EINVAL);
		free(cut);
	}
	for (n = 0; n < fdt_size_dt_struct(fdt); n++) {
		cut = structs_last(fdt, n, &cut_size);
		expect_eq(read_events(cut, cut_size, e, &got), -EINVAL);
		expect(!got || n % 4 == 0, "%u bytes", n);
		free(cut);
	}
	cut = structs_last(fdt, n, &cut_size);
	expect_eq(read_events(cut, cut_size, e, &got), 0);
	expect_eq(got, nr);
	free(cut);
	free(fdt);
}

/* One field of the header; offsets and sizes are added to what is right. */
static const struct header {
	const char *name;
	u32 field;
	bool add;
	u32 value;
	int err;
} headers[] = {
	{ "header as it was", 0, true, 0, 0 },
	{ "magic", 0, false, 0xedfe0dd0, -EINVAL },
	{ "total size, one more", 4, true, 1, -EINVAL },
	{ "total size, one less", 4, true, -1, -EINVAL },
	{ "total size less than a header", 4, false, 39, -EINVAL },
	{ "total size 0", 4, false, 0, -EINVAL },
	{ "total size, largest", 4, false, -1, -EINVAL },
	{ "structs in the header", 8, false, 36, -EINVAL },
	{ "structs behind the end", 8, false, 1 << 20, -EINVAL },
	{ "structs so far that the sum wraps", 8, false, -4, -EINVAL },
	{ "structs unaligned", 8, true, -2, -EINVAL },
	{ "strings in the header", 12, false, 39, -EINVAL },
	{ "strings behind the end", 12, true, 1, -EINVAL },
	{ "strings so far that the sum wraps", 12, false, -1, -EINVAL },
	{ "older version", 20, false, 16, -EINVAL },
	{ "newer version, compatible", 20, false, 18, 0 },
	{ "newer version, incompatible", 24, false, 18, -EINVAL },
	{ "strings too long", 32, true, 1, -EINVAL },
	{ "strings end without NUL", 32, true, -1, -EINVAL },
	{ "strings, largest", 32, false, -1, -EINVAL },
	{ "structs too long", 36, true, 1 << 12, -EINVAL },
	{ "structs, largest", 36, false, -4, -EINVAL },
	{ "structs' size unaligned", 36, true, -1, -EINVAL },
};

static void header(const void *arg)
{
	const struct header *h = arg;
	struct gmfs_fdt_reader r;
	fdt32_t *field;
	size_t size;
	void *fdt = tree_image(&size);

	field = fdt + h->field;
	*field = cpu_to_fdt32(h->value + (h->add ? fdt32_to_cpu(*field) : 0));
	expect_eq(gmfs_fdt_open(&r, fdt, size), h->err);
	free(fdt);
}

/**
 * struct blocks - where the blocks are in a tree of 256 zeroes behind its header
 * @err: what opening it says
 */
static const struct blocks {
	const char *name;
	u32 structs, nr_structs, strings, nr_strings;
	int err;
} block_places[] = {
	{ "strings behind the structure", 56, 100, 156, 20, 0 },
	{ "strings before the structure", 76, 100, 56, 20, 0 },
	{ "blocks overlap by a byte", 56, 100, 155, 20, -EINVAL },
	{ "blocks overlap by a byte, strings first", 72, 100, 56, 17, -EINVAL },
	{ "strings in the structure", 56, 100, 80, 8, -EINVAL },
	{ "structure in the strings", 80, 8, 56, 100, -EINVAL },
	{ "blocks are one", 56, 100, 56, 100, -EINVAL },
	{ "no strings, in the structure", 56, 100, 80, 0, 0 },
};

static void overlap(const void *arg)
{
	static const struct event none[] = { { .kind = GMFS_FDT_BEGIN_NODE } };
	const struct blocks *b = arg;
	struct gmfs_fdt_reader r;
	size_t size;
	u8 *fdt = make(none, 1, &size);

	fdt = realloc(fdt, 296);
	memset(fdt + 40, 0, 256);
	fdt_set_totalsize(fdt, 296);
	fdt_set_off_dt_struct(fdt, b->structs);
	fdt_set_size_dt_struct(fdt, b->nr_structs);
	fdt_set_off_dt_strings(fdt, b->strings);
	fdt_set_size_dt_strings(fdt, b->nr_strings);
	expect_eq(gmfs_fdt_open(&r, fdt, 296), b->err);
	free(fdt);
}

/* Structure blocks by hand. The strings are "a", "b" and "c". */
static const struct raw {
	const char *name;
	u32 nr, cells[8];
	u32 tokens;
	int err;
} raws[] = {
	{ "a node", 4, { 1, 0, 2, 9 }, 2, 0 },
	{ "a property", 4, { 3, 0, 2, 9 }, 1, 0 },
	{ "NOPs alone", 3, { 4, 4, 4 }, 0, -EINVAL },
	{ "NOPs, then the end", 3, { 4, 4, 9 }, 0, 0 },
	{ "nothing", 0, { 0 }, 0, -EINVAL },
	{ "token 0", 2, { 0, 9 }, 0, -EINVAL },
	{ "token 5", 2, { 5, 9 }, 0, -EINVAL },
	{ "token -1", 2, { -1, 9 }, 0, -EINVAL },
	{ "node without name", 1, { 1 }, 0, -EINVAL },
	{ "node name without end", 3, { 1, 0x61626364, 0x65666768 }, 0, -EINVAL },
	{ "node name ends with the block", 2, { 1, 0x61626300 }, 1, -EINVAL },
	{ "property without header", 2, { 3, 0 }, 0, -EINVAL },
	{ "property ends with the block", 4, { 3, 4, 0, 0 }, 1, -EINVAL },
	{ "property longer than the block", 4, { 3, 5, 0, 0 }, 0, -EINVAL },
	{ "property, largest length", 4, { 3, -1, 0, 0 }, 0, -EINVAL },
	{ "property, name in the middle", 4, { 3, 0, 1, 9 }, 1, 0 },
	{ "property, last name", 4, { 3, 0, 4, 9 }, 1, 0 },
	{ "property name behind the strings", 4, { 3, 0, 6, 9 }, 0, -EINVAL },
	{ "property name, largest", 4, { 3, 0, -1, 9 }, 0, -EINVAL },
};

static void raw(const void *arg)
{
	const struct raw *r = arg;
	static const struct event none[] = { { .kind = GMFS_FDT_BEGIN_NODE } };
	u32 strings = 56 + 4 * r->nr, i, got;
	size_t size, last_size;
	void *fdt = make(none, 1, &size), *last;

	fdt = realloc(fdt, strings + 6);
	for (i = 0; i < r->nr; i++)
		((fdt32_t *)(fdt + 56))[i] = cpu_to_fdt32(r->cells[i]);
	memcpy(fdt + strings, "a\0b\0c", 6);
	fdt_set_totalsize(fdt, strings + 6);
	fdt_set_size_dt_struct(fdt, 4 * r->nr);
	fdt_set_off_dt_strings(fdt, strings);
	fdt_set_size_dt_strings(fdt, 6);
	/* With either block at the buffer's end. */
	expect_eq(read_events(fdt, strings + 6, NULL, &got), r->err);
	expect_eq(got, r->tokens);
	last = structs_last(fdt, 4 * r->nr, &last_size);
	expect_eq(read_events(last, last_size, NULL, &got), r->err);
	expect_eq(got, r->tokens);
	free(last);
	free(fdt);
}

/**
 * struct named - a root with a property and a node in it
 * @prop: characters of the property's name
 * @node: characters of the node's name
 */
static const struct named {
	const char *name;
	u32 prop, node;
	int err;
} names[] = {
	{ "longest names", GMFS_FDT_PROP_NAME, GMFS_FDT_NODE_NAME, 0 },
	{ "property name too long", GMFS_FDT_PROP_NAME + 1, 1, -EINVAL },
	{ "node name too long", 1, GMFS_FDT_NODE_NAME + 1, -EINVAL },
	{ "longest name of an inode's node", 1, 22, 0 },
};

static void named(const void *arg)
{
	const struct named *n = arg;
	char prop_name[80] = "", node_name[80] = "";
	struct gmfs_fdt_writer w;
	char buf[512], *tree;
	size_t size, prop;
	u32 got;

	memset(prop_name, 'p', n->prop);
	memset(node_name, 'n', n->node);
	gmfs_fdt_start(&w, buf, sizeof(buf));
	gmfs_fdt_begin_node(&w, "");
	prop = gmfs_fdt_open_prop(&w, prop_name);
	gmfs_fdt_close_prop(&w, prop);
	gmfs_fdt_begin_node(&w, node_name);
	gmfs_fdt_end_node(&w);
	gmfs_fdt_end_node(&w);
	size = gmfs_fdt_finish(&w);
	tree = exact_copy(buf, size);
	expect_eq(read_events(tree, size, NULL, &got), n->err);
	free(tree);
}

static void dtc_decodes(const void *arg)
{
	static const char *const wanted[] = {
		"compatible = \"guestmemfs-v2\";", "windows = <0x01 0x00 0x00 0x2400000 0x02 0x00 0x00 0x1c00000>;",
		"inode@1 {", "inode@2 {", "inode@abcdef0123 {",
		"names = \"below\", \"hard2\", \"far\";", "target = \"../target\";",
		"extents = <0x00 0x04 0x02 0x02 0x0a 0x03 0x08 0x1f 0x01 0x0a 0x0d 0x02>;",
		"flags = <0x30>;",
	};
	char text[16384], command[80];
	FILE *f = tmpfile(), *dtc;
	size_t size, len;
	void *image = tree_image(&size);
	int i;

	expect(f && fwrite(image, size, 1, f) == 1 && !fflush(f), "%m");
	snprintf(command, sizeof(command), "dtc -qq -I dtb -O dts /dev/fd/%d", fileno(f));
	dtc = popen(command, "r");
	expect(dtc, "%m");
	len = fread(text, 1, sizeof(text) - 1, dtc);
	text[len] = '\0';
	expect_eq(pclose(dtc), 0);
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		expect(strstr(text, wanted[i]), "no %s in:\n%s", wanted[i], text);
	fclose(f);
	free(image);
}

void fdt_tests(void)
{
	unit_run("fdt", "libfdt and the reader read what was written", random_trees, NULL);
	unit_run("fdt", "NOPs are skipped", nops, NULL);
	unit_run("fdt", "truncated everywhere", truncated, NULL);
	run_table("fdt", header, headers);
	run_table("fdt", overlap, block_places);
	run_table("fdt", raw, raws);
	run_table("fdt", named, names);
	unit_run("fdt", "dtc decodes an image", dtc_decodes, NULL);
}
