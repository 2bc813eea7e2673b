// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of what happens to one range of memory over many kernels: modules with
 * regions of two sizes at one base are loaded, change their trees, publish, discard and
 * wipe, guests write their memory, and KHO brings images. Each step of each history
 * is cut at every store, and inside each store; some histories go on from there.
 *
 * After a cut a region of either size must find the tree from before the step, the
 * tree from after it, or be refused. It must never find an older tree, nor nothing
 * where there was a tree.
 */
#include <guestmemfs/abi.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <stdio.h>

#include "seal.h"
#include "unit.h"

#define NR_HISTORIES	2000
#define NR_STEPS	12
#define BLOCK		0x4000
#define MEMORY		(2 * BLOCK)	/* the larger head */
#define MAX_TREE	12000
#define KEPT		8

/* One block of head, and two: slot 1 of each is somewhere else. */
static const struct gmfs_image_region regions[] = {
	{ 4ULL << 30, 100 * BLOCK, BLOCK },
	{ 4ULL << 30, 8192 * BLOCK, BLOCK },
};

struct tree {
	size_t size;
	char data[MAX_TREE];
};

/* The result of reading a region: an errno and perhaps a tree. */
struct view {
	int err;
	struct tree tree;
};

/*
 * @region: that of the module that is loaded
 * @refused: it did not accept what it found
 * @clean: the head says what @tree is, or nothing and @tree is empty
 * @tree: the tree, empty if its size is 0
 * @kho: what KHO brings to the next module
 * @kho_region: which region that is of, or -1
 * @kho_later: it goes before an image in the head
 * @now: who seals, and when
 */
static struct world {
	_Alignas(8) char memory[MEMORY];
	int region;
	bool refused, clean;
	struct tree tree, kho;
	int kho_region;
	bool kho_later;
	struct gmfs_stamp now;
} w;

/* The memory at some earlier times. */
static char old[KEPT][MEMORY];
static int history, cuts;
static char log_text[400];

static void say(const char *what)
{
	size_t len = strlen(log_text);

	snprintf(log_text + len, sizeof(log_text) - len, " %s", what);
}

static struct gmfs_head head_of(int region)
{
	return (struct gmfs_head){ .map = w.memory, .region = regions[region] };
}

static void look(int region, struct view *v)
{
	struct gmfs_head h = head_of(region);
	struct gmfs_found f;

	v->err = gmfs_head_find(&h, &f);
	v->tree.size = 0;
	if (v->err)
		return;
	expect(f.size <= MAX_TREE, "history %d:%s: %zu bytes", history, log_text, f.size);
	v->tree.size = f.size;
	memcpy(v->tree.data, f.image, f.size);
}

static bool is_refused(const struct view *v)
{
	return v->err && v->err != -ENOENT;
}

static bool same_tree(const struct tree *a, const struct tree *b)
{
	return a->size == b->size && !memcmp(a->data, b->data, a->size);
}

static bool same_view(const struct view *a, const struct view *b)
{
	return a->err == b->err && same_tree(&a->tree, &b->tree);
}

/* No two are equal. Large ones cover the other region's slot 1, at times with an old one. */
static void new_tree(struct tree *t, int region)
{
	size_t slot = gmfs_slot_size(&regions[0]) - GMFS_SLOT_IMAGE;
	static u32 nr;

	memset(t, 0, sizeof(*t));
	t->size = 20 + rnd(200);
	if (region && !rnd(4)) {
		t->size = MAX_TREE;
		memcpy(t->data + slot, old[rnd(KEPT)] + slot + GMFS_SLOT_IMAGE, MAX_TREE - slot);
	}
	snprintf(t->data, 20, "tree %u", nr++);
}

/* --- steps, as the module orders them; each can be cut ---------------------- */

static void seal(void)
{
	struct gmfs_head h = head_of(w.region);
	u64 generation;

	expect_eq(gmfs_head_seal(&h, w.tree.data, w.tree.size, &w.now, &generation), 0);
	w.clean = true;
}

static void step_change(void)
{
	struct gmfs_head h = head_of(w.region);

	if (w.refused)
		return;
	if (w.clean)
		gmfs_head_open(&h, &w.now);
	w.clean = false;
	new_tree(&w.tree, w.region);
}

static void step_publish(void)
{
	if (!w.refused && !w.clean)
		seal();
}

static void wipe(void)
{
	struct gmfs_head h = head_of(w.region);

	gmfs_head_wipe(&h);
	w.tree.size = 0;
	w.refused = false;
	w.clean = true;
}

static void step_discard(void)
{
	if (w.refused)
		wipe();
}

static void step_reboot(void)
{
	wipe();
}

/* Blocks of the small region's files are where the large region's slot 1 is. */
static void step_guest(void)
{
	char *guest = w.memory + BLOCK;
	u32 i;

	if (w.region || w.refused)
		return;
	if (rnd(2))
		memcpy(guest, old[rnd(KEPT)] + BLOCK, BLOCK);
	else
		for (i = 0; i < 16; i++)
			guest[rnd(BLOCK)] = rnd(256);
}

/* The module of this kernel begins. Its head and KHO are as the last one left them. */
static void step_load(void)
{
	struct gmfs_head h = head_of(w.region);
	struct view v;

	look(w.region, &v);
	w.tree = v.tree;
	w.clean = !v.err || v.err == -ENOENT;
	w.refused = is_refused(&v);
	if (w.kho_region < 0)
		return;
	if (!v.err && same_tree(&w.tree, &w.kho) && w.kho_region == w.region) {
		w.kho_region = -1;
		return;
	}
	if (w.kho_region != w.region || (!v.err && !w.kho_later)) {
		w.refused = true;	/* and KHO gets it again */
		return;
	}
	if (!is_refused(&v) || w.kho_later)
		gmfs_head_open(&h, &w.now);
	w.kho_region = -1;
	w.refused = false;
	w.tree = w.kho;
	seal();
}

static const struct step {
	const char *name;
	void (*act)(void);
} steps[] = {
	{ "change", step_change },
	{ "change", step_change },
	{ "publish", step_publish },
	{ "publish", step_publish },
	{ "discard", step_discard },
	{ "reboot", step_reboot },
	{ "guest", step_guest },
	{ "load", step_load },
	{ "load", step_load },
	{ "load", step_load },
};

/* --- histories --------------------------------------------------------------- */

/* The next kernel, and the copy that KHO brings to it. */
static void jump(void)
{
	w.region = rnd(2);
	w.now.tsc += 1000;
	w.now.boot_id[0]++;
	say(w.region ? "large" : "small");
	if (w.kho_region >= 0 || rnd(3))
		return;
	w.kho_later = rnd(2);
	say(w.kho_later ? "kho later" : "kho");
	w.kho_region = rnd(2);
	new_tree(&w.kho, w.kho_region);
}

/* After a whole step the head says what the tree is. */
static void check_whole(void)
{
	struct view own, other;

	look(w.region, &own);
	look(!w.region, &other);
	if (w.refused)
		return;
	if (!w.clean)
		expect(is_refused(&own), "history %d:%s: %d", history, log_text, own.err);
	else if (w.tree.size)
		expect(!own.err && same_tree(&own.tree, &w.tree), "history %d:%s: %d '%s'",
		       history, log_text, own.err, own.tree.data);
	else
		expect(own.err == -ENOENT, "history %d:%s: %d", history, log_text, own.err);
	/* Half of a seal in slot 0 is nothing to its region, and refused by the other. */
	expect((own.err == -ENOENT && other.err == -ENOENT) ||
	       ((own.err != -ENOENT || strstr(log_text, "CRASH")) && is_refused(&other)),
	       "history %d:%s: the other region finds %d '%s'", history, log_text, other.err,
	       other.tree.data);
}

/* The step of @before ends in @after, but stopped somewhere in between. */
static void check_cut(const struct world *before, const struct world *after, size_t at)
{
	bool taken = before->kho_region >= 0 && w.kho_region < 0;
	struct view was, is, got;
	int i, region;

	for (i = 0; i < 2; i++) {
		struct world cut = w;

		region = i ? !after->region : after->region;
		w = *before;
		look(region, &was);
		w = *after;
		look(region, &is);
		w = cut;
		look(region, &got);
		if (is_refused(&got)) {
			/* An image of KHO's may be lost by a crash, but not unnoticed. */
			expect(i || is_refused(&was) || is_refused(&is) || taken,
			       "history %d:%s, after %zu bytes: refused, %d", history, log_text,
			       at, got.err);
			continue;
		}
		expect(same_view(&got, &is) || (same_view(&got, &was) && !taken) ||
		       (i && same_view(&got, &was)),
		       "history %d:%s, after %zu bytes: %s region finds %d '%s', was %d '%s', is %d '%s'",
		       history, log_text, at, i ? "the other" : "the", got.err, got.tree.data,
		       was.err, was.tree.data, is.err, is.tree.data);
	}
}

/* Returns false when it was stopped. */
static bool run(const struct step *s, size_t bytes)
{
	volatile bool whole = false;

	seal_bytes_left = bytes;
	seal_nr_stores = 0;
	if (!setjmp(seal_stopped)) {
		s->act();
		whole = true;
	}
	seal_bytes_left = SIZE_MAX;
	return whole;
}

/* Everything but memory ends with a crash. */
static void crash(void)
{
	say("CRASH");
	w.kho_region = -1;
	w.region = rnd(2);
	w.now.tsc += 1000;
	w.now.boot_id[0]++;
	step_load();
}

static void do_step(const struct step *s)
{
	static struct world before, after, stop;
	size_t sizes[64], at = 0, cut;
	u32 nr, i, go_on;
	bool stopped = false;

	say(s->name);
	if (s->act == step_load)
		jump();
	before = w;
	if (s->act == step_guest) {
		s->act();
		check_whole();
		return;
	}
	expect(run(s, SIZE_MAX), "history %d:%s", history, log_text);
	check_whole();
	after = w;
	nr = seal_nr_stores;
	expect(nr < ARRAY_SIZE(sizes), "too many stores");
	memcpy(sizes, seal_stores, sizeof(sizes));
	go_on = nr && !rnd(4) ? 1 + rnd(2 * nr) : 0;
	for (i = 0; i < 2 * nr; i++) {
		cut = at + (i % 2 ? rnd(sizes[i / 2]) : 0);
		w = before;
		expect(!run(s, cut), "history %d:%s: not stopped", history, log_text);
		check_cut(&before, &after, cut);
		cuts++;
		if (i + 1 == go_on) {
			stop = w;
			stopped = true;
		}
		at += i % 2 ? sizes[i / 2] : 0;
	}
	w = stopped ? stop : after;
	if (stopped)
		crash();
	memcpy(old[rnd(KEPT)], w.memory, MEMORY);
}

static void histories(const void *arg)
{
	u32 i, step;

	cuts = 0;
	for (history = 0; history < NR_HISTORIES; history++) {
		memset(&w, 0, sizeof(w));
		memset(old, 0, sizeof(old));
		log_text[0] = '\0';
		w.kho_region = -1;
		w.region = rnd(2);
		if (rnd(2))
			for (i = 0; i < MEMORY; i++)
				w.memory[i] = rnd(256);
		step_load();
		for (step = 0; step < NR_STEPS; step++)
			do_step(&steps[rnd(ARRAY_SIZE(steps))]);
	}
	unit_info("%d histories of one range of memory, cut %d times", NR_HISTORIES, cuts);
}

void history_tests(void)
{
	unit_run("history", "no power cut brings an older tree or loses one unnoticed",
		 histories, NULL);
}
