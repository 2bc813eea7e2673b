/* SPDX-License-Identifier: GPL-2.0-only */
/* What reading and writing the heads of a pool have in common; seal.h has what others call. */
#ifndef _GMFS_SLOTS_H
#define _GMFS_SLOTS_H

#include <linux/unaligned.h>

#include "seal.h"

#define STATE_NONE	0

/* The fields are big-endian, and get_unaligned_be64() knows no types. */
#define get64(field)		get_unaligned_be64(&(field))
#define get32(field)		get_unaligned_be32(&(field))
#define put64(value, field)	put_unaligned_be64(value, &(field))
#define put32(value, field)	put_unaligned_be32(value, &(field))

/* An entry of the list of windows: bytes, big-endian. */
struct gmfs_list_entry {
	__be64 base, size;
};

/**
 * struct gmfs_piece - what one window's slot has of an image
 * @at: where
 * @size: bytes, at least 1
 */
struct gmfs_piece {
	void *at;
	size_t size;
};

static inline bool gmfs_has_magic(const struct gmfs_seal *seal)
{
	return get64(seal->magic) == GMFS_SEAL_MAGIC;
}

static inline struct gmfs_list_entry *gmfs_seal_list(const struct gmfs_seal *seal)
{
	return (void *)seal + GMFS_SLOT_WINDOWS;
}

size_t gmfs_slot_size(const struct gmfs_layout *layout, u32 window, u32 version);
u32 gmfs_seal_crc(const struct gmfs_seal *seal);
u32 gmfs_crc_of_seal(const struct gmfs_seal *seal);
struct gmfs_seal *gmfs_slot_of(const struct gmfs_head *head, u32 window, int nr, u32 version);
u32 gmfs_head_version(const struct gmfs_head *head);
struct gmfs_seal *gmfs_slot(const struct gmfs_head *head, int nr);
bool gmfs_is_ours(const struct gmfs_head *head, const struct gmfs_seal *seal);
bool gmfs_is_mark(const struct gmfs_seal *seal);
bool gmfs_is_marked(const struct gmfs_head *head, u32 window);
int gmfs_find_main(struct gmfs_head *head, struct gmfs_found *found);
int gmfs_check_seal(const struct gmfs_head *head, int nr, struct gmfs_found *found);
void *gmfs_date_record(const struct gmfs_head *head, int nr);
u64 gmfs_date_sequence(const struct gmfs_head *head, int nr, const struct gmfs_seal *seal);
size_t gmfs_head_room(const struct gmfs_head *head);
void gmfs_own_piece(const struct gmfs_head *head, int nr, u32 n, size_t left,
		    struct gmfs_piece *piece);

#endif /* _GMFS_SLOTS_H */
