/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract between the kernel that leaves and the kernel that follows.
 *
 * Everything here is read by a different build of this module than the one
 * that wrote it. Changing a name, a layout or a meaning needs a new
 * GMFS_COMPATIBLE; adding a property that an older reader may ignore does not;
 * adding one that it must not ignore takes a bit of GMFS_PROP_INCOMPATIBLE.
 */
#ifndef _GUESTMEMFS_ABI_H
#define _GUESTMEMFS_ABI_H

#include <linux/types.h>

/**
 * DOC: the image
 *
 * A flattened device tree, version 17 (Devicetree Specification v0.4,
 * chapter 5), cells big-endian, that says what is in a pool::
 *
 *	/ {
 *		compatible = "guestmemfs-v2";
 *		incompatible-features = <u64>;	see GMFS_FEATURE_BAD_PAGES
 *		windows = <u64 base, u64 size> ...;	bytes
 *		block-size = <u64>;		bytes
 *		next-inode = <u64>;		above every inode number in use
 *		written-blocks = [bitmap];	bit n%8 of byte n/8 is block n
 *		bad-pages = <u64 address, u64 seconds> ...;	only with that feature
 *		inode@N {			N: the number in hexadecimal
 *			mode = <u32>;		type and permissions, stat(2)
 *			owner = <u32 uid, u32 gid>;
 *			times = <s64 s, u32 ns> x 4;	atime mtime ctime btime
 *			size = <u64>;		regular files: bytes
 *			extents = <u32 at, u32 start, u32 nr> ...;
 *			target = "...";		symbolic links
 *			device = <u32 major, u32 minor>;	device nodes
 *			names = "a", "b", ...;	directories
 *			inodes = <u64> ...;	the names' inode numbers
 *			flags = <u32>;		see GMFS_FLAG_IMMUTABLE; 0 is left out
 *			xattrs = ["name", <u32 length>, value ...]; packed
 *		};
 *	};
 *
 * Blocks are numbered from 0 on through all windows, in the order of the list.
 *
 * inode@ nodes stand in ascending order of their numbers; number 1 is the root
 * directory. An extent says that @nr blocks of the file from its block @at on
 * are the blocks from @start on of the pool, all of one window; a file's extents ascend, do
 * not overlap, and may lie beyond its size. A block that no extent names is free,
 * and its bit in written-blocks means nothing. A block of a file whose bit is
 * clear holds nothing of the file's and reads as zeroes. Of two attributes of one name
 * the first counts.
 *
 * A bad page has 4 KiB, at an ascending physical address, in a window of the list or in none;
 * it failed at CLOCK_REALTIME. Its contents are lost, and no file gets its block. A
 * reader that does not know of it would give it away, so it must refuse the image.
 *
 * Another kernel may have the windows in another order, others beside them, and not all of
 * them: a window in which no file has a block may be absent.
 *
 * Version 1, "guestmemfs-v1", has "region = <u64 base, u64 size>" in place of the windows:
 * it is the only one. It is read and not written.
 */

#define GMFS_KHO_SUBTREE		"guestmemfs"
#define GMFS_COMPATIBLE			"guestmemfs-v2"
#define GMFS_COMPATIBLE_V1		"guestmemfs-v1"

#define GMFS_PROP_COMPATIBLE		"compatible"
#define GMFS_PROP_INCOMPATIBLE		"incompatible-features"
#define GMFS_PROP_WINDOWS		"windows"
#define GMFS_PROP_REGION		"region"	/* of version 1 */
#define GMFS_PROP_BLOCK_SIZE		"block-size"
#define GMFS_PROP_NEXT_INODE		"next-inode"
#define GMFS_PROP_WRITTEN		"written-blocks"
#define GMFS_PROP_BAD_PAGES		"bad-pages"

/* Bits of GMFS_PROP_INCOMPATIBLE. */
#define GMFS_FEATURE_BAD_PAGES		1	/* there is GMFS_PROP_BAD_PAGES, not empty */
#define GMFS_FEATURES_KNOWN		GMFS_FEATURE_BAD_PAGES

#define GMFS_NODE_INODE			"inode@"
#define GMFS_PROP_MODE			"mode"
#define GMFS_PROP_OWNER			"owner"
#define GMFS_PROP_TIMES			"times"
#define GMFS_PROP_SIZE			"size"
#define GMFS_PROP_EXTENTS		"extents"
#define GMFS_PROP_TARGET		"target"
#define GMFS_PROP_DEVICE		"device"
#define GMFS_PROP_NAMES			"names"
#define GMFS_PROP_INODES		"inodes"

#define GMFS_PROP_FLAGS			"flags"
#define GMFS_PROP_XATTRS		"xattrs"

/* FS_IMMUTABLE_FL and FS_APPEND_FL of include/uapi/linux/fs.h. */
#define GMFS_FLAG_IMMUTABLE		0x10
#define GMFS_FLAG_APPEND		0x20
#define GMFS_FLAGS_KNOWN		(GMFS_FLAG_IMMUTABLE | GMFS_FLAG_APPEND)

#define GMFS_ROOT_INO			1

/*
 * An image of more inodes or bad pages, of a longer name or target, of more attributes, or
 * larger as a whole is refused, and so is a larger pool, or a file that is larger than the
 * largest pool.
 */
#define GMFS_MAX_IMAGE			0x40000000U	/* bytes: 1 GiB */
#define GMFS_MAX_BLOCKS			0x2000000U	/* of a pool: 64 TiB */
#define GMFS_MAX_WINDOWS		64	/* of a pool */
#define GMFS_MAX_INODES			65536
#define GMFS_MAX_NAME			255
#define GMFS_MAX_TARGET			4095
#define GMFS_MAX_XATTRS			4096	/* bytes an inode, packed */
#define GMFS_MAX_BAD_PAGES		256	/* of a pool */
#define GMFS_BAD_PAGE_SIZE		4096
#define GMFS_MAX_BAD_PAGE		0xffffffffff000ULL	/* 52 bits of address */

/**
 * DOC: the KHO carrier
 *
 * The image is the subtree "guestmemfs" itself when it fits into contiguous
 * memory. One that does not is preserved as vmalloc memory, and the subtree is
 * a page with a tree of the same form that has, beside @compatible,
 * "image-size" (u64, bytes) and "image-vmalloc", the bytes of the kernel's
 * struct kho_vmalloc (include/linux/kho/abi/kexec_handover.h).
 *
 * A second subtree, "guestmemfs-record", is a page with a tree of the same form that
 * has, beside @compatible, "image-crc" (u32, CRC32C of the image) and "generation"
 * (u64, that of the seal which the same image has in the region's head; one more
 * than the head's if it could not be sealed there). A module that does not know it
 * ignores it; an image without it is one of such a module.
 *
 * These are the names of the pool "guestmemfs". Those of another pool end in a comma and
 * its name: "guestmemfs,NAME" and "guestmemfs-record,NAME".
 *
 * Once the image is taken over, the first four bytes of the subtree become
 * GMFS_KHO_TAKEN, so that the module does not take it again when reloaded.
 */
#define GMFS_PROP_IMAGE_SIZE		"image-size"
#define GMFS_PROP_IMAGE_VMALLOC		"image-vmalloc"
#define GMFS_KHO_RECORD			"guestmemfs-record"
#define GMFS_PROP_IMAGE_CRC		"image-crc"
#define GMFS_PROP_GENERATION		"generation"
#define GMFS_KHO_TAKEN			0x676d7478	/* "gmtx", big-endian */

/**
 * DOC: the region carrier
 *
 * The first blocks of each window, its *head*, belong to no file; an extent that names
 * one is refused. A head is two slots of equal size, one after the other, so that one is
 * written while the other is still whole. A slot begins with GMFS_SLOT_IMAGE bytes of
 * which an image has nothing.
 *
 * One window is the *main* one. Each of its slots begins with a struct gmfs_seal, which is
 * followed by the list of windows, at GMFS_SLOT_WINDOWS bytes from the slot's beginning:
 * base and size of each, u64, big-endian. The image begins in the main window's slot; what
 * does not fit there goes on in the slot of the same number of the list's other windows,
 * one after the other.
 *
 * Slot 0 of every other window begins with its *mark*: a struct gmfs_seal with @state
 * GMFS_MEMBER, whose list has the main window alone. It is there before a file has a block
 * in the window. A window without a mark that names the main window counts as absent. A mark
 * without its main window refuses the pool.
 *
 * The writer of a slot makes @state 0, writes the image and the list, writes the rest of the
 * seal, with @magic last, and makes @state GMFS_SEALED: so a sealed image is whole.
 * Before anything changes that a sealed image describes, every sealed slot becomes
 * GMFS_OPEN; if slot 0 has no seal, it gets one with @generation 0 and no image.
 * The slot that counts is the one with the highest generation. If it is open, a
 * crash left it: there were files, and which blocks they have is unknown.
 *
 * Where slot 1 is depends on the window's size, where slot 0 is does not. So slot 0
 * decides. Without @magic in slot 0 the head has nothing, whatever is in slot 1. If
 * slot 0 has @magic, but another @version, @base, @size or @block_size, the head is
 * refused, whatever the @state of slot 0 and whatever is in slot 1. The writer of a
 * head makes @state of slot 1 0 first in both cases. A seal that refuses the head is
 * replaced with @state GMFS_OPEN, not 0, so that the head stays refused
 * until the new seal is whole.
 *
 * An image is only believed in the boot that wrote it (@boot_id), or in a kernel
 * that kexec started and whose clocks have gone on: a machine
 * that was reset has lost its files even if its memory still shows them.
 *
 * Slot 0 of the main window has two date records, struct gmfs_date, at GMFS_DATE and
 * GMFS_DATE_2 bytes from its beginning. A record is good if its magic and CRC are right and
 * @seal_crc is the @crc of the seal that counts, in whichever slot that is; of two
 * good ones the one with the higher @sequence counts. Its clocks go before the seal's
 * @tsc. A new record replaces one that is not good, or the one that does not count. A
 * seal without a good record is one of a module that knows no records.
 *
 * Version 1 has one window, a larger head, of GMFS_HEAD_BLOCKS_V1(), and struct gmfs_seal_v1
 * without a list. It is read; before anything is written it is opened, and replaced.
 */
#define GMFS_HEAD_BLOCKS(nr_blocks)	(1 + (nr_blocks) / 16384)
#define GMFS_HEAD_BLOCKS_V1(nr_blocks)	(1 + (nr_blocks) / 8192)
#define GMFS_NR_SLOTS			2
#define GMFS_SLOT_IMAGE			4096
#define GMFS_SLOT_WINDOWS		2048
#define GMFS_DATE			512
#define GMFS_DATE_2			1024
#define GMFS_SEAL_MAGIC			0x474d46535345414cULL	/* "GMFSSEAL" */
#define GMFS_DATE_MAGIC			0x474d465344415445ULL	/* "GMFSDATE" */
#define GMFS_SEAL_VERSION		2
#define GMFS_SEALED			0x7365616c	/* "seal" */
#define GMFS_OPEN			0x6f70656e	/* "open" */
#define GMFS_MEMBER			0x6d656d62	/* "memb" */

/**
 * struct gmfs_seal - what a slot of the main window, and a mark, begins with; big-endian
 * @magic: GMFS_SEAL_MAGIC
 * @version: GMFS_SEAL_VERSION; another one may have another layout, but for
 *	@magic, @version, @state and @boot_id
 * @state: GMFS_SEALED, GMFS_OPEN or GMFS_MEMBER; with anything else the slot has no seal,
 *	unless it is a slot 0 of another pool or version
 * @generation: one more than that of the image before; 1 if there is none in the head; 0
 *	in a mark
 * @base: physical address of the window that it is in, bytes
 * @size: of that window, bytes
 * @block_size: bytes
 * @image_size: bytes
 * @tsc: the time-stamp counter when it was sealed
 * @boot_id: /proc/sys/kernel/random/boot_id of the kernel that sealed it
 * @image_crc: CRC32C (RFC 3720, 12.1) of the image
 * @nr_windows: of the list, 1 to GMFS_MAX_WINDOWS
 * @windows_crc: CRC32C of the list
 * @crc: CRC32C of all before it, with @state as 0
 */
struct gmfs_seal {
	__be64 magic;
	__be32 version;
	__be32 state;
	__be64 generation;
	__be64 base;
	__be64 size;
	__be64 block_size;
	__be64 image_size;
	__be64 tsc;
	__u8 boot_id[16];
	__be32 image_crc;
	__be32 nr_windows;
	__be32 windows_crc;
	__be32 crc;
};

/**
 * struct gmfs_seal_v1 - what a slot of version 1 begins with; as struct gmfs_seal, but for
 *	the list of windows
 * @magic: GMFS_SEAL_MAGIC
 * @version: 1
 * @state: GMFS_SEALED or GMFS_OPEN
 * @generation: as there
 * @base: physical address of the region, bytes
 * @size: of the region, bytes
 * @block_size: bytes
 * @image_size: bytes
 * @tsc: as there
 * @boot_id: as there
 * @image_crc: as there
 * @crc: CRC32C of all before it, with @state as 0
 */
struct gmfs_seal_v1 {
	__be64 magic;
	__be32 version;
	__be32 state;
	__be64 generation;
	__be64 base;
	__be64 size;
	__be64 block_size;
	__be64 image_size;
	__be64 tsc;
	__u8 boot_id[16];
	__be32 image_crc;
	__be32 crc;
};

/**
 * struct gmfs_date - when a seal was known to be good; big-endian
 * @magic: GMFS_DATE_MAGIC
 * @sequence: one more than that of the record before
 * @wall: CLOCK_REALTIME, nanoseconds
 * @tsc: the time-stamp counter of the CPU that the kernel booted on
 * @tsc_khz: how fast it counts, or 0 if that is unknown
 * @boot_id: of the kernel that wrote the record, as in struct gmfs_seal
 * @seal_crc: @crc of the seal
 * @crc: CRC32C of all before it
 */
struct gmfs_date {
	__be64 magic;
	__be64 sequence;
	__be64 wall;
	__be64 tsc;
	__be64 tsc_khz;
	__u8 boot_id[16];
	__be32 seal_crc;
	__be32 crc;
};

#endif /* _GUESTMEMFS_ABI_H */
