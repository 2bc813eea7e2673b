// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is in an image, for people. The kernel's own check goes first; an image that
 * it refuses is shown as far as it can be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <guestmemfs/abi.h>
#include <linux/crc32c.h>
#include <linux/unaligned.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmdline.h"
#include "image.h"
#include "slots.h"
#include "tool.h"
#include "xattrs.h"

/* --- the tree ------------------------------------------------------------- */

/**
 * struct node - an inode and what its directories say of it
 * @i: the inode
 * @links: names it has
 * @name: of a directory that was reached: the one it was reached by
 * @parent: of the same; NULL for the root
 * @reached: a directory that is listed, or will be
 * @shown: its extents have been
 */
struct node {
	struct gmfs_image_inode i;
	u32 links;
	const char *name;
	struct node *parent;
	bool reached, shown;
};

static struct node *nodes;
static u32 nr_nodes;

static int compare(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	return x->i.ino < y->i.ino ? -1 : x->i.ino > y->i.ino;
}

static struct node *find(u64 ino)
{
	struct node key = { .i.ino = ino };

	return nr_nodes ? bsearch(&key, nodes, nr_nodes, sizeof(key), compare) : NULL;
}

static void read_nodes(const struct gmfs_image *img)
{
	u32 pos = gmfs_image_first(img), i, j;
	struct gmfs_image_inode inode;
	struct node *child;

	nr_nodes = 0;
	while (gmfs_image_next(img, &pos, &inode) > 0) {
		if (!(nr_nodes & (nr_nodes + 1)))
			nodes = must(realloc(nodes, (2 * nr_nodes + 2) * sizeof(*nodes)));
		nodes[nr_nodes++] = (struct node){ .i = inode };
	}
	if (nr_nodes)
		qsort(nodes, nr_nodes, sizeof(*nodes), compare);
	for (i = 0; i < nr_nodes; i++) {
		for (j = 0; j < nodes[i].i.nr_entries; j++) {
			child = find(get_unaligned_be64(nodes[i].i.inodes + 8 * j));
			if (child)
				child->links++;
		}
	}
}

/*
 * A name comes from whoever could write the image: nothing of it reaches a terminal,
 * and no more than a target can have.
 */
static void print_name(const char *s)
{
	const char *end = s + GMFS_MAX_TARGET;

	for (; *s && s < end; s++) {
		if (*s > ' ' && *s < 0x7f && *s != '\\')
			putchar(*s);
		else if (*s == ' ')
			putchar(' ');
		else
			printf("\\%03o", (unsigned char)*s);
	}
}

static void print_mode(u32 mode)
{
	static const char types[] = "?pc?d?b?-?l?s???", bits[] = "rwxrwxrwx";
	char s[11];
	int i;

	s[0] = types[mode >> 12 & 15];
	for (i = 0; i < 9; i++)
		s[i + 1] = mode >> (8 - i) & 1 ? bits[i] : '-';
	if (mode & S_ISUID)
		s[3] = mode & 0100 ? 's' : 'S';
	if (mode & S_ISGID)
		s[6] = mode & 010 ? 's' : 'S';
	if (mode & S_ISVTX)
		s[9] = mode & 1 ? 't' : 'T';
	s[10] = '\0';
	fputs(s, stdout);
}

static void print_time(s64 sec)
{
	time_t t = sec;
	struct tm tm;
	char s[40];

	if (localtime_r(&t, &tm) && strftime(s, sizeof(s), "%Y-%m-%d %H:%M:%S", &tm))
		printf(" %s ", s);
	else
		printf(" %19lld ", (long long)sec);
}

/* The physical address of a block of the image; 0 if no window has it. */
static u64 phys_of(const struct gmfs_image *img, u32 block)
{
	const struct gmfs_image_window *w;
	u32 i;

	for (i = 0; i < img->nr_windows; i++) {
		w = &img->windows[i];
		if (block - w->start < w->nr)
			return gmfs_image_range(img, i).base +
			       (block - w->start) * img->block_size;
	}
	return 0;
}

static void print_extents(const struct gmfs_image *img, const struct gmfs_image_inode *i,
			  bool good)
{
	struct gmfs_extent e;
	u32 k, b, written;

	for (k = 0; k < i->nr_extents; k++) {
		e = gmfs_image_extent(i, k);
		printf("%22s blocks %u+%u at block %u, 0x%llx", "", e.at, e.nr, e.start,
		       phys_of(img, e.start));
		written = 0;
		for (b = e.start; good && b < e.start + e.nr; b++)
			written += img->written[b / 8] >> b % 8 & 1;
		if (good)
			printf(", %u written", written);
		putchar('\n');
	}
}

static void print_row(const struct gmfs_image *img, struct node *n, const char *name, bool good)
{
	const struct gmfs_image_inode *i = &n->i;
	struct gmfs_xattr x;
	u32 pos = 0;

	printf("%8llu ", i->ino);
	print_mode(i->mode);
	printf(" %2u %5u %5u ", n->links, i->uid, i->gid);
	if (S_ISCHR(i->mode) || S_ISBLK(i->mode))
		printf("%6u,%7u", i->major, i->minor);
	else
		printf("%14llu", i->size);
	print_time(i->times[GMFS_MTIME].sec);
	print_name(name);
	if (i->target) {
		fputs(" -> ", stdout);
		print_name(i->target);
	}
	printf("%s%s\n", i->flags & GMFS_FLAG_IMMUTABLE ? " (immutable)" : "",
	       i->flags & GMFS_FLAG_APPEND ? " (append only)" : "");
	if (n->shown)
		return;
	n->shown = true;
	while (gmfs_xattrs_next(i->xattrs, i->xattrs_size, &pos, &x) > 0) {
		printf("%22s attribute ", "");
		print_name(x.name);
		printf(", %u bytes\n", x.len);
	}
	print_extents(img, i, good);
}

static void print_path(const struct node *n, int depth)
{
	if (n->parent && depth < 64)
		print_path(n->parent, depth + 1);
	else if (n->parent)
		fputs("...", stdout);
	if (n->parent) {
		putchar('/');
		print_name(n->name);
	}
}

static void print_tree(const struct gmfs_image *img, bool good)
{
	struct node **stack = must(calloc(nr_nodes + 1, sizeof(*stack))), *dir, *child;
	u32 top = 0, first, i, j;
	const char *name;

	dir = find(GMFS_ROOT_INO);
	if (dir) {
		dir->reached = dir->shown = true;
		stack[top++] = dir;
	}
	while (top) {
		dir = stack[--top];
		first = top;
		if (!dir->parent)
			putchar('/');
		/* Names of an image that is refused may be long: some parents will do. */
		print_path(dir, good ? 0 : 60);
		puts(":");
		name = dir->i.names;
		for (i = 0; i < dir->i.nr_entries; i++, name += strlen(name) + 1) {
			u64 ino = get_unaligned_be64(dir->i.inodes + 8 * i);

			child = find(ino);
			if (!child) {
				printf("%8llu (there is no such inode) ", ino);
				print_name(name);
				putchar('\n');
				continue;
			}
			print_row(img, child, name, good);
			if (S_ISDIR(child->i.mode) && !child->reached) {
				child->reached = true;
				child->parent = dir;
				child->name = name;
				stack[top++] = child;
			}
		}
		for (i = first, j = top; i + 1 < j; i++) {	/* as ls -R has them */
			child = stack[i];
			stack[i] = stack[--j];
			stack[j] = child;
		}
	}
	for (i = 0; i < nr_nodes; i++)
		if (!nodes[i].shown)
			print_row(img, &nodes[i], "(has no name)", good);
	free(stack);
}

/* --- an image -------------------------------------------------------------- */

/* Without @layout an image may be of any pool. */
static int show_image(const void *buf, size_t size, const struct gmfs_layout *layout)
{
	struct gmfs_image img;
	struct gmfs_range range;
	u64 blocks = 0;
	bool good;
	u32 i, k;

	good = !gmfs_image_check(&img, buf, size, layout);
	if (!good) {
		printf("A kernel would refuse this image: %s.\n", img.why);
		if (!img.fdt.structs)
			return 1;
		puts("What can be read of it:");
	}
	read_nodes(&img);
	for (i = 0; i < nr_nodes; i++)
		for (k = 0; k < nodes[i].i.nr_extents; k++)
			blocks += gmfs_image_extent(&nodes[i].i, k).nr;
	for (i = 0; i < img.nr_windows; i++) {
		range = gmfs_image_range(&img, i);
		printf("Window %s at 0x%llx: from block %u on%s\n", exact(range.size), range.base,
		       img.windows[i].start,
		       good && img.windows[i].to == GMFS_ABSENT ? ", absent" : "");
	}
	printf("Blocks of %s; %u inodes, the next is %llu; files have %llu blocks, %s\n",
	       human(img.block_size), nr_nodes, img.next_ino, blocks,
	       human(blocks * img.block_size));
	for (i = 0; i < img.nr_bad; i++)
		printf("Bad page at 0x%llx\n", gmfs_image_bad_page(&img, i).at);
	print_tree(&img, good);
	return !good;
}

/* --- the windows' heads ------------------------------------------------------ */

/**
 * struct heads - the windows of a pool, or of a file with a head
 * @ranges: where they are
 * @maps: their heads
 * @layout: all of them
 * @head: for the pure files
 */
struct heads {
	struct gmfs_range ranges[GMFS_MAX_WINDOWS];
	void *maps[GMFS_MAX_WINDOWS];
	struct gmfs_layout layout;
	struct gmfs_head head;
};

static void init_heads(struct heads *h, u32 nr)
{
	h->layout = (struct gmfs_layout){
		.windows = h->ranges, .nr_windows = nr, .block_size = BLOCK_SIZE, .known = ~0ULL,
	};
	h->head = (struct gmfs_head){ .layout = &h->layout, .maps = h->maps };
}

/* What kho/pure/seal.c asks of its users. Nothing here writes to a head. */
u32 gmfs_crc32c(u32 crc, const void *data, size_t len)
{
	return ~crc32c(~crc, data, len);
}

void gmfs_seal_store(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
}

static const char *state_name(const struct gmfs_seal *s)
{
	switch (be32toh(s->state)) {
	case GMFS_SEALED:
		return "sealed";
	case GMFS_OPEN:
		return "open";
	}
	return "not finished";
}

static void show_slot(int nr, const struct gmfs_seal *s)
{
	u32 version = be32toh(s->version);

	printf("slot %d: ", nr);
	if (be64toh(s->magic) != GMFS_SEAL_MAGIC)
		puts("no seal");
	else if (version != 1 && version != GMFS_SEAL_VERSION)
		printf("version %u, not %d\n", version, GMFS_SEAL_VERSION);
	else
		printf("%s, generation %llu, of window 0x%llx@0x%llx, image of %llu bytes\n",
		       state_name(s), (unsigned long long)be64toh(s->generation),
		       (unsigned long long)be64toh(s->size),
		       (unsigned long long)be64toh(s->base),
		       (unsigned long long)be64toh(s->image_size));
}

static void show_window(const struct heads *h, u32 i)
{
	const struct gmfs_seal *s = h->maps[i];

	if (i == h->head.main)
		return;
	printf("window 0x%llx@0x%llx: ", h->ranges[i].size, h->ranges[i].base);
	if (gmfs_is_marked(&h->head, i))
		puts("its mark names the main window");
	else
		puts(be64toh(s->magic) == GMFS_SEAL_MAGIC ? "what is there is no mark of this pool" :
							     "no mark");
}

/* What a slot has may still help whoever has to know, if all of it is there. */
static void show_slot_image(const struct heads *h, int nr, const struct gmfs_layout *want)
{
	const struct gmfs_seal *s = gmfs_slot(&h->head, nr);
	u32 version = gmfs_head_version(&h->head);
	u64 size = be64toh(s->image_size);
	size_t room = gmfs_slot_size(&h->layout, h->head.main, version) - GMFS_SLOT_IMAGE;

	if (be64toh(s->magic) != GMFS_SEAL_MAGIC || be32toh(s->version) != version || !size ||
	    size > room)
		return;
	printf("Slot %d has:\n", nr);
	show_image((const u8 *)s + GMFS_SLOT_IMAGE, size, want);
}

static int show_heads(struct heads *h, const struct gmfs_layout *want)
{
	struct gmfs_found found;
	int i, ret, err = gmfs_head_find(&h->head, &found);
	void *image;

	for (i = 0; i < GMFS_NR_SLOTS; i++)
		show_slot(i, gmfs_slot(&h->head, i));
	for (i = 0; i < (int)h->layout.nr_windows; i++)
		show_window(h, i);
	if (!err) {
		h->layout.known = found.known;
		image = must(malloc(found.size + 1));
		gmfs_head_copy(&h->head, &found, image);
		ret = show_image(image, found.size, want);
		free(image);
		return ret;
	}
	if (!found.why[0])
		puts("A kernel would find no files here.");
	else
		printf("A kernel would refuse these files: %s.\n", found.why);
	for (i = 0; i < GMFS_NR_SLOTS; i++)
		show_slot_image(h, i, want);
	return 1;
}

/* The windows of a pool, as guestmemfs= names them. */
static u32 parse_windows(const char *text, struct gmfs_range *ranges)
{
	struct gmfs_pool_arg *pools = must(calloc(GMFS_MAX_POOLS + 1, sizeof(*pools)));
	char *args = NULL;
	u32 i, nr = 0;
	bool good;

	must(asprintf(&args, "guestmemfs=\"%s\"", text) < 0 ? NULL : args);
	good = gmfs_find_pools(args, "", BLOCK_SIZE, pools) == 1 && !pools[0].why;
	if (good)
		nr = pools[0].nr_windows;
	for (i = 0; i < nr; i++) {
		ranges[i] = pools[0].windows[i];
		good &= !(ranges[i].base % BLOCK_SIZE) && !(ranges[i].size % BLOCK_SIZE);
	}
	if (!good)
		die("--region is to be SIZE@ADDR[,SIZE@ADDR]..., multiples of 2M, not '%s'", text);
	free(args);
	free(pools);
	return nr;
}

static void *map_head(const char *path, int fd, const struct gmfs_range *range, size_t size)
{
	struct stat st;
	void *map;

	/* Tests have a file there. */
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && (u64)st.st_size < range->base + size)
		die("%s ends before the head of the window at 0x%llx does", path, range->base);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, range->base);
	if (map == MAP_FAILED)
		die("cannot map 0x%llx of %s: %s; memory that the kernel uses cannot be seen there",
		    range->base, path, strerror(errno));
	return map;
}

static int dump_region(const char *text)
{
	struct heads h = { 0 };
	const char *path;
	u32 i, nr;
	int fd;

	nr = parse_windows(text, h.ranges);
	init_heads(&h, nr);
	if (!access(sys_path(SYSFS), F_OK))
		die("the module has the region: try without --region");
	path = sys_path("/dev/mem");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("cannot open %s: %s", path, strerror(errno));
	for (i = 0; i < nr; i++)
		h.maps[i] = map_head(path, fd, &h.ranges[i], gmfs_head_size(&h.layout, i));
	return show_heads(&h, &h.layout);
}

/* An image, or a window's head with all of an image. */
static int show_file(const char *path, void *p, size_t size)
{
	const struct gmfs_seal *s = p;
	struct heads h = { .maps = { p } };
	u32 version;

	if (size < sizeof(*s) || be64toh(s->magic) != GMFS_SEAL_MAGIC)
		return show_image(p, size, NULL);
	h.ranges[0] = (struct gmfs_range){ be64toh(s->base), be64toh(s->size) };
	init_heads(&h, 1);
	version = be32toh(s->version);
	if (version != 1 && version != GMFS_SEAL_VERSION) {
		show_slot(0, s);
		return 1;
	}
	if (h.ranges[0].size / BLOCK_SIZE > GMFS_MAX_BLOCKS ||
	    size < gmfs_head_size(&h.layout, 0)) {
		show_slot(0, s);
		printf("%s ends before the head of that window does.\n", path);
		return 1;
	}
	return show_heads(&h, NULL);
}

static int dump_file(const char *path)
{
	size_t size;
	void *p = read_file(path, &size);
	int err;

	if (!p)
		die("cannot read %s: %s", path, strerror(errno));
	err = show_file(path, p, size);
	free(p);
	return err;
}

/* A subtree that says where the image is, or that it was taken. */
static void check_subtree(const char *path, const u8 *p, size_t size)
{
	struct gmfs_fdt_reader r;
	struct gmfs_fdt_token t;
	u32 pos = 0;

	if (size >= 4 && get_unaligned_be32(p) == GMFS_KHO_TAKEN)
		die("%s was taken over by the module: try without --kho", path);
	if (gmfs_fdt_open(&r, p, size) || gmfs_fdt_next(&r, &pos, &t))
		return;
	while (!gmfs_fdt_next(&r, &pos, &t) && t.kind == GMFS_FDT_PROP)
		if (!strcmp(t.name, GMFS_PROP_IMAGE_VMALLOC))
			die("%s only says where a large image is: try without --kho", path);
}

static int dump_kho(const char *pool)
{
	static const char *const dirs[] = { "out", "in" };
	bool named = strcmp(pool, GMFS_DEFAULT_POOL);
	const char *path;
	size_t size, i;
	u8 *p;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		path = sys_path("/sys/kernel/debug/kho/%s/sub_fdts/" GMFS_KHO_SUBTREE "%s%s", dirs[i],
				named ? "," : "", named ? pool : "");
		p = read_file(path, &size);
		if (p) {
			check_subtree(path, p, size);
			printf("%s:\n", path);
			return show_image(p, size, NULL);
		}
	}
	die("Kexec Handover has no image of pool %s: nothing is published, or the kernel has no CONFIG_KEXEC_HANDOVER_DEBUGFS", pool);
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/*
 * One read() is of one image, and a large one takes many. Returns NULL and errno;
 * EAGAIN if there was another image before the last byte each time.
 */
static void *read_image(const char *pool, size_t *size)
{
	char *generation, *bytes;
	bool whole;
	int i;
	u8 *p;

	for (i = 0; i < 5; i++) {
		generation = sysfs(pool, "generation");
		bytes = sysfs(pool, "image_size");
		p = read_file(sys_path(SYSFS "/%s/image", pool), size);
		if (!p)
			return NULL;
		whole = same(generation, sysfs(pool, "generation")) &&
			same(bytes, sysfs(pool, "image_size")) &&
			(!bytes || strtoull(bytes, NULL, 0) == *size);
		if (whole)
			return p;
		free(p);
	}
	errno = EAGAIN;
	return NULL;
}

static int dump_sysfs(const char *pool)
{
	struct windows w;
	struct heads h;
	u32 i;
	size_t size;
	u8 *p;

	if (access(sys_path(SYSFS), F_OK))
		die("the module is not loaded: modprobe guestmemfs, or look at the memory by --region SIZE@ADDR");
	need_module();
	if (access(sys_path(SYSFS "/%s", pool), F_OK))
		die("no pool %s is loaded: --pool NAME says which", pool);
	p = read_image(pool, &size);
	if (!p && errno == ENODATA)
		die("there is no image: it is there while active is 1, or while nothing is mounted");
	if (!p && errno == EAGAIN)
		die("the image changed each time while it was read: try again when the files stay frozen or unmounted");
	if (!p)
		die("cannot read " SYSFS "/%s/image: %s", pool, strerror(errno));
	read_windows(pool, &w);
	for (i = 0; i < w.nr; i++)
		h.ranges[i] = w.w[i].range;
	init_heads(&h, w.nr);
	return show_image(p, size, &h.layout);
}

int cmd_dump(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pool", required_argument, NULL, 'p' },
		{ "kho", no_argument, NULL, 'k' },
		{ "region", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	const char *region = NULL, *pool = GMFS_DEFAULT_POOL;
	bool kho = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'k')
			kho = true;
		else if (c == 'r')
			region = optarg;
		else if (c == 'p')
			pool = optarg;
		else
			bad_option(argv);
	}
	if (kho + !!region + (argc - optind) > 1)
		usage_error(argv, "it shows one image");
	if (kho)
		return dump_kho(pool);
	if (region)
		return dump_region(region);
	return optind < argc ? dump_file(argv[optind]) : dump_sysfs(pool);
}
