/* SPDX-License-Identifier: GPL-2.0-only */
/* The handover of a tree: all that the filesystem needs to know of it. */
#ifndef _GMFS_KHO_H
#define _GMFS_KHO_H

#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/rwsem.h>
#include <linux/wait.h>

#include "carrier.h"
#include "../fs/mem/mem.h"

struct gmfs_handover;

/**
 * struct gmfs_tree_ops - what the handover asks of the filesystem
 * @write_inodes: write all inodes that have a name, in ascending order of their numbers;
 *	the gate is held for writing, the tree is mounted, and a second call writes the same
 * @count_inodes: how many inodes the mounted tree has
 * @add_status: make the tree's directory in sysfs; 0 or -ENOMEM
 * @remove_status: remove it, or the part that was made, and wait for its readers
 */
struct gmfs_tree_ops {
	void (*write_inodes)(struct gmfs_handover *h, struct gmfs_fdt_writer *w);
	u32 (*count_inodes)(struct gmfs_handover *h);
	int (*add_status)(struct gmfs_handover *h);
	void (*remove_status)(struct gmfs_handover *h);
};

/**
 * struct gmfs_handover - a tree on its way from kernel to kernel
 * @name: of the tree's pool, constant
 * @pool: its memory, constant
 * @ops: what the filesystem does, constant
 * @change: the gate: held for reading by each change of what an image describes, and for
 *	writing to freeze, thaw, mount and unmount
 * @frozen: no changes until thaw; written under @change
 * @thawed: woken when @frozen is cleared
 * @unseal_lock: taken by the first change after a seal
 * @sealed: the head matches the tree, or both are empty; cleared by the first change, set
 *	by sealing
 * @mounted: the tree is inodes and dentries; written under @change
 * @last_ino: highest inode number given out
 * @image: the tree while it is not mounted or is published, or one in quarantine; for
 *	kvfree(), protected by @change
 * @image_size: bytes at @image
 * @image_inodes: inodes in @image
 * @quarantine: why @image cannot be mounted, or NULL; protected by @change
 * @quarantine_record: the record that KHO's image in quarantine came with
 * @pinned: only @image holds the tree, so the module must stay; protected
 *	by @change
 * @wiped: firmware takes over: the head is wiped and nothing is sealed any more
 * @layout: the windows of @pool; its list is for kfree()
 * @slots: the region carrier
 * @kho: the KHO carrier
 * @on_reboot: called before a kexec or a reboot
 * @on_sleep: called before suspend and hibernation
 * @switches: in the list of those that the switch for all trees switches
 * @was_frozen: before that switch was written
 */
struct gmfs_handover {
	const char *name;
	struct gmfs_pool *pool;
	const struct gmfs_tree_ops *ops;
	struct rw_semaphore change;
	bool frozen;
	wait_queue_head_t thawed;
	struct mutex unseal_lock;
	bool sealed;
	bool mounted;
	atomic64_t last_ino;
	void *image;
	size_t image_size;
	u32 image_inodes;
	const char *quarantine;
	struct gmfs_copy quarantine_record;
	bool pinned;
	bool wiped;
	struct gmfs_layout layout;
	struct gmfs_slots slots;
	struct gmfs_kho kho;
	struct notifier_block on_reboot;
	struct notifier_block on_sleep;
	struct list_head switches;
	bool was_frozen;
};

static inline bool gmfs_is_active(const struct gmfs_handover *h)
{
	return READ_ONCE(h->frozen);
}

/* A line of the log by @print, pr_err or another, with the pool's name. */
#define gmfs_log(h, print, fmt, ...) \
	print("pool %s: " fmt, (h)->name, ##__VA_ARGS__)

/* In gate.c */
int gmfs_change_begin(struct gmfs_handover *h);
int gmfs_change_try_begin(struct gmfs_handover *h);
int gmfs_change_wait(struct gmfs_handover *h, bool interruptible);
int gmfs_change_begin_wait(struct gmfs_handover *h);
void gmfs_change_end(struct gmfs_handover *h);

/* In owner.c */
void *gmfs_make_image(struct gmfs_handover *h, size_t *size, gfp_t gfp);
void gmfs_quarantine(struct gmfs_handover *h, const char *why);
void gmfs_pin(struct gmfs_handover *h, bool on);
void gmfs_set_image(struct gmfs_handover *h, void *image, size_t size, u32 inodes);
void gmfs_drop_image(struct gmfs_handover *h);
int gmfs_set_empty_image(struct gmfs_handover *h);
int gmfs_seal_image(struct gmfs_handover *h, const void *image, size_t size);

/* In publish.c */
int gmfs_set_active(struct gmfs_handover *h, bool on);
void gmfs_thaw(struct gmfs_handover *h);
void gmfs_publish_bad(struct gmfs_handover *h);
void gmfs_publish_init(struct gmfs_handover *h);
void gmfs_publish_exit(struct gmfs_handover *h);

/* In active.c */
int gmfs_active_parse(const char *buf, bool *on);
int gmfs_active_set(struct gmfs_handover *h, bool on);
int gmfs_active_init(struct kobject *dir);
void gmfs_active_exit(struct kobject *dir);
void gmfs_active_lock(void);
void gmfs_active_unlock(void);
void gmfs_active_add(struct gmfs_handover *h);
void gmfs_active_remove(struct gmfs_handover *h);

/* In takeover.c */
int gmfs_handover_setup(struct gmfs_handover *h, struct gmfs_pool *pool,
			const struct gmfs_tree_ops *ops, const char *name);
int gmfs_handover_init(struct gmfs_handover *h);
void gmfs_handover_exit(struct gmfs_handover *h);
void gmfs_handover_destroy(struct gmfs_handover *h);

#endif /* _GMFS_KHO_H */
