// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the KHO carrier
 *
 * Publishing copies an image into memory that Kexec Handover preserves, and
 * adds it as a subtree. An image beyond what the page allocator hands out in
 * one piece goes to vmalloc memory, and the subtree is a page that leads there.
 *
 * Retrieving copies the image out, or maps a large one, marks the subtree as
 * taken and returns its memory, all but the first page: that holds the mark, for
 * the subtree itself cannot be removed from what the last kernel handed over.
 *
 * Nothing here is called concurrently: callers hold the tree's gate for
 * writing, or are loading.
 */
#define pr_fmt(fmt) "guestmemfs: " fmt

#include <guestmemfs/abi.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/unaligned.h>
#include <linux/vmalloc.h>

#include "kho.h"
#include "../fs/mem/pure/cmdline.h"

#if GMFS_HAVE_KHO
#include <linux/kexec_handover.h>

#define MAX_CONTIGUOUS	((size_t)PAGE_SIZE << MAX_PAGE_ORDER)

static unsigned long nr_pages(size_t size)
{
	return PAGE_ALIGN(size) >> PAGE_SHIFT;
}

static void gmfs_free_subtree(void *subtree, size_t size)
{
	kho_unpreserve_pages(virt_to_page(subtree), nr_pages(size));
	free_pages_exact(subtree, size);
}

/* Preserved memory with a copy of @data as the subtree @name, or an ERR_PTR(). */
static void *gmfs_add_subtree(const char *name, const void *data, size_t size)
{
	void *subtree;
	int err;

	subtree = alloc_pages_exact(size, GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN);
	if (!subtree)
		return ERR_PTR(-ENOMEM);
	memcpy(subtree, data, size);
	err = kho_preserve_pages(virt_to_page(subtree), nr_pages(size));
	if (err)
		goto err_free;
	err = kho_add_subtree(name, subtree, size);
	if (err)
		goto err_unpreserve;
	return subtree;

err_unpreserve:
	kho_unpreserve_pages(virt_to_page(subtree), nr_pages(size));
err_free:
	free_pages_exact(subtree, size);
	return ERR_PTR(err);
}

static int gmfs_add_image(struct gmfs_kho *k, const void *data, size_t size)
{
	void *subtree = gmfs_add_subtree(k->name, data, size);

	if (IS_ERR(subtree))
		return PTR_ERR(subtree);
	k->subtree = subtree;
	k->size = size;
	return 0;
}

/* Both kinds of subtree that are no image begin alike; end_subtree() follows. */
static void begin_subtree(struct gmfs_fdt_writer *w, void *buf, size_t max)
{
	size_t prop;

	gmfs_fdt_start(w, buf, max);
	gmfs_fdt_begin_node(w, "");
	prop = gmfs_fdt_open_prop(w, GMFS_PROP_COMPATIBLE);
	gmfs_fdt_append(w, GMFS_COMPATIBLE, sizeof(GMFS_COMPATIBLE));
	gmfs_fdt_close_prop(w, prop);
}

static size_t end_subtree(struct gmfs_fdt_writer *w)
{
	gmfs_fdt_end_node(w);
	return gmfs_fdt_finish(w);
}

static void put_u64(struct gmfs_fdt_writer *w, const char *name, u64 value)
{
	size_t prop = gmfs_fdt_open_prop(w, name);

	gmfs_fdt_append_u64(w, value);
	gmfs_fdt_close_prop(w, prop);
}

/* A tree that says where the image is. */
static size_t write_pointer(const struct gmfs_kho *k, void *buf, size_t max, size_t image_size)
{
	struct gmfs_fdt_writer w;
	size_t prop;

	begin_subtree(&w, buf, max);
	put_u64(&w, GMFS_PROP_IMAGE_SIZE, image_size);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_IMAGE_VMALLOC);
	gmfs_fdt_append(&w, &k->preserved, sizeof(k->preserved));
	gmfs_fdt_close_prop(&w, prop);
	return end_subtree(&w);
}

static int gmfs_publish_large(struct gmfs_kho *k, const void *image, size_t size)
{
	u8 pointer[512];
	int err;

	k->large = vmalloc(size);
	if (!k->large)
		return -ENOMEM;
	memcpy(k->large, image, size);
	err = kho_preserve_vmalloc(k->large, &k->preserved);
	if (err)
		goto err_free;
	err = gmfs_add_image(k, pointer, write_pointer(k, pointer, sizeof(pointer), size));
	if (err)
		goto err_unpreserve;
	return 0;

err_unpreserve:
	kho_unpreserve_vmalloc(&k->preserved);
err_free:
	vfree(k->large);
	k->large = NULL;
	return err;
}

static size_t write_record(void *buf, size_t max, const struct gmfs_copy *copy)
{
	struct gmfs_fdt_writer w;
	size_t prop;

	begin_subtree(&w, buf, max);
	prop = gmfs_fdt_open_prop(&w, GMFS_PROP_IMAGE_CRC);
	gmfs_fdt_append_u32(&w, copy->crc);
	gmfs_fdt_close_prop(&w, prop);
	put_u64(&w, GMFS_PROP_GENERATION, copy->generation);
	return end_subtree(&w);
}

static int gmfs_publish_record(struct gmfs_kho *k, const struct gmfs_copy *copy)
{
	u8 record[512];
	void *subtree = gmfs_add_subtree(k->record_name, record,
					 write_record(record, sizeof(record), copy));

	if (IS_ERR(subtree))
		return PTR_ERR(subtree);
	k->record = subtree;
	return 0;
}

static void gmfs_withdraw_record(struct gmfs_kho *k)
{
	if (!k->record)
		return;
	kho_remove_subtree(k->record);
	gmfs_free_subtree(k->record, PAGE_SIZE);
	k->record = NULL;
}

/**
 * gmfs_kho_init - name what is handed over
 * @k: the carrier, zeroed
 * @name: of the pool
 */
void gmfs_kho_init(struct gmfs_kho *k, const char *name)
{
	bool is_default = !strcmp(name, GMFS_DEFAULT_POOL);

	static_assert(sizeof(k->name) >= sizeof(GMFS_KHO_RECORD ",") + GMFS_MAX_POOL_NAME);

	snprintf(k->name, sizeof(k->name), GMFS_KHO_SUBTREE "%s%s",
		 is_default ? "" : ",", is_default ? "" : name);
	snprintf(k->record_name, sizeof(k->record_name), GMFS_KHO_RECORD "%s%s",
		 is_default ? "" : ",", is_default ? "" : name);
}

/**
 * gmfs_kho_is_on - ask whether this kernel hands anything over
 *
 * Return: true if it was booted with kho=on.
 */
bool gmfs_kho_is_on(void)
{
	return kho_is_enabled();
}

/**
 * gmfs_kho_publish - leave an image for the next kernel
 * @k: the carrier
 * @copy: the image, copied, and perhaps its record
 *
 * Context: may sleep.
 * Return: 0; -EOPNOTSUPP if KHO is off; -EFBIG beyond 1 GiB; -EEXIST if the
 * subtree's name is taken; -ENOMEM.
 */
int gmfs_kho_publish(struct gmfs_kho *k, const struct gmfs_copy *copy)
{
	int err;

	if (!kho_is_enabled())
		return -EOPNOTSUPP;
	if (copy->size > GMFS_MAX_IMAGE)
		return -EFBIG;
	/* Before the image: one with a record is never taken without it. */
	err = copy->recorded ? gmfs_publish_record(k, copy) : 0;
	if (err)
		return err;
	err = -ENOMEM;
	if (copy->size <= MAX_CONTIGUOUS)
		err = gmfs_add_image(k, copy->image, copy->size);
	if (err == -ENOMEM)
		err = gmfs_publish_large(k, copy->image, copy->size);
	if (err)
		gmfs_withdraw_record(k);
	return err;
}

/**
 * gmfs_kho_withdraw - undo gmfs_kho_publish(), if it was done
 * @k: the carrier
 *
 * Context: may sleep.
 */
void gmfs_kho_withdraw(struct gmfs_kho *k)
{
	if (!k->subtree)
		return;
	kho_remove_subtree(k->subtree);
	gmfs_free_subtree(k->subtree, k->size);
	gmfs_withdraw_record(k);
	if (k->large) {
		kho_unpreserve_vmalloc(&k->preserved);
		vfree(k->large);
	}
	k->subtree = NULL;
	k->large = NULL;
}

/* Whether the subtree leads to vmalloc memory, and to how much of it. */
static bool gmfs_read_pointer(const void *subtree, size_t size,
			      struct kho_vmalloc *preserved, u64 *image_size)
{
	struct gmfs_fdt_reader r;
	struct gmfs_fdt_token t;
	bool found = false;
	u32 pos = 0;

	*image_size = 0;
	if (gmfs_fdt_open(&r, subtree, size) || gmfs_fdt_next(&r, &pos, &t) ||
	    t.kind != GMFS_FDT_BEGIN_NODE)
		return false;
	while (!gmfs_fdt_next(&r, &pos, &t) && t.kind == GMFS_FDT_PROP) {
		if (!strcmp(t.name, GMFS_PROP_IMAGE_SIZE) && t.len == 8)
			*image_size = get_unaligned_be64(t.data);
		if (!strcmp(t.name, GMFS_PROP_IMAGE_VMALLOC) &&
		    t.len == sizeof(*preserved)) {
			memcpy(preserved, t.data, sizeof(*preserved));
			found = true;
		}
	}
	return found && *image_size && *image_size <= GMFS_MAX_IMAGE &&
	       *image_size <= (u64)preserved->total_pages << PAGE_SHIFT;
}

/* Leave the mark and give the memory back, all but the page with the mark. */
static void gmfs_mark_taken(void *subtree, phys_addr_t phys, size_t size)
{
	struct page *page;
	unsigned long i;

	put_unaligned_be32(GMFS_KHO_TAKEN, subtree);
	page = kho_restore_pages(phys, nr_pages(size));
	if (!page) {
		pr_warn("cannot give back the %zu bytes that the image came in\n",
			size);
		return;
	}
	for (i = 1; i < nr_pages(size); i++)
		__free_page(page + i);
}

/* -ENOENT without a record, as from a module of 0.1; -EIO if it makes no sense. */
static int gmfs_read_record(const struct gmfs_kho *k, struct gmfs_copy *copy, phys_addr_t *phys,
			    size_t *size)
{
	int err = kho_retrieve_subtree(k->record_name, phys, size), found = 0;
	struct gmfs_fdt_reader r;
	struct gmfs_fdt_token t;
	u32 pos = 0;

	if (err)
		return err == -ENOENT ? err : -EIO;
	if (*size < 4 || *size > PAGE_SIZE ||
	    gmfs_fdt_open(&r, phys_to_virt(*phys), *size) || gmfs_fdt_next(&r, &pos, &t) ||
	    t.kind != GMFS_FDT_BEGIN_NODE)
		return -EIO;
	while (!gmfs_fdt_next(&r, &pos, &t) && t.kind == GMFS_FDT_PROP) {
		if (!strcmp(t.name, GMFS_PROP_IMAGE_CRC) && t.len == 4) {
			copy->crc = get_unaligned_be32(t.data);
			found |= 1;
		}
		if (!strcmp(t.name, GMFS_PROP_GENERATION) && t.len == 8) {
			copy->generation = get_unaligned_be64(t.data);
			found |= 2;
		}
	}
	copy->recorded = found == 3;
	return copy->recorded ? 0 : -EIO;
}

/**
 * gmfs_kho_retrieve - take the image that the last kernel left
 * @k: the carrier
 * @copy: the image, to be freed with kvfree(), and its record if it has one; set on
 *	success
 *
 * It can be taken once. Nothing of it has been checked.
 *
 * Context: may sleep.
 * Return: 0; -ENOENT if there is none; -EIO if KHO's own record of it makes no
 * sense; -ENOMEM, and it can be tried again.
 */
int gmfs_kho_retrieve(const struct gmfs_kho *k, struct gmfs_copy *copy)
{
	struct gmfs_copy got = { 0 };
	struct kho_vmalloc preserved;
	phys_addr_t phys, record;
	size_t subtree_size, record_size;
	u64 large_size;
	void *subtree;
	int err, record_err;

	err = kho_retrieve_subtree(k->name, &phys, &subtree_size);
	if (err)
		return err == -ENOENT ? err : -EIO;
	if (subtree_size < 4 || subtree_size > MAX_CONTIGUOUS)
		return -EIO;
	subtree = phys_to_virt(phys);
	if (get_unaligned_be32(subtree) == GMFS_KHO_TAKEN)
		return -ENOENT;
	if (gmfs_read_pointer(subtree, subtree_size, &preserved, &large_size)) {
		/* Takes the pages even if it fails, so it cannot be tried again. */
		got.image = kho_restore_vmalloc(&preserved);
		err = -EIO;
	} else {
		large_size = subtree_size;
		got.image = kvmemdup(subtree, subtree_size, GFP_KERNEL);
		err = -ENOMEM;
	}
	if (!got.image && err == -ENOMEM)
		return err;
	record_err = gmfs_read_record(k, &got, &record, &record_size);
	if (!record_err)
		gmfs_mark_taken(phys_to_virt(record), record, record_size);
	gmfs_mark_taken(subtree, phys, subtree_size);
	if (got.image && record_err != -EIO) {
		got.size = large_size;
		*copy = got;
		return 0;
	}
	kvfree(got.image);
	return -EIO;
}

#endif /* GMFS_HAVE_KHO */
