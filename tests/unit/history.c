// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of what happens to two pieces of memory over many kernels: modules with pools of
 * them, in several layouts, are loaded, change their trees, publish, discard and
 * wipe, guests write their memory, and KHO brings images. Some histories begin with what
 * version 1 has left. Each step of each history is cut at every store, and inside each store;
 * some histories go on from there.
 *
 * After a cut a pool of any layout must find the tree from before the step, the
 * tree from after it, or be refused. It must never find an older tree, nor nothing
 * where there was a tree.
 */
#include <guestmemfs/abi.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <stdio.h>

#include "seal.h"
#include "slots.h"
#include "tree.h"
#include "unit.h"

#define NR_HISTORIES	2000
#define NR_STEPS	12
#define BLOCK		0x4000
#define ROOM		(BLOCK / 2 - GMFS_SLOT_IMAGE)	/* of a slot of half a block */
#define MAX_TREE	(3 * ROOM)	/* what fits into the largest layout's slots */
#define KEPT		8

/*
 * Three sizes of the first piece of memory, with slot 1 at three places in either version,
 * and the second piece.
 */
enum { SMALL, MEDIUM, LARGE, SECOND, NR_WINDOWS };

static const struct gmfs_range windows[NR_WINDOWS] = {
	[SMALL]		= { 4ULL << 30, 100 * BLOCK },
	[MEDIUM]	= { 4ULL << 30, 8192 * BLOCK },
	[LARGE]		= { 4ULL << 30, 16384 * BLOCK },
	[SECOND]	= { 8ULL << 30, 100 * BLOCK },
};

static const struct layout {
	const char *name;
	int windows[2];
	u32 nr;
} layouts[] = {
	{ "small", { SMALL }, 1 },
	{ "medium", { MEDIUM }, 1 },
	{ "large", { LARGE }, 1 },
	{ "second", { SECOND }, 1 },
	{ "small+second", { SMALL, SECOND }, 2 },
	{ "second+small", { SECOND, SMALL }, 2 },
	{ "medium+second", { MEDIUM, SECOND }, 2 },
};

#define NR_LAYOUTS	((int)ARRAY_SIZE(layouts))

struct tree {
	size_t size;
	char data[MAX_TREE];
};

/* The result of reading a pool: an errno and perhaps a tree, and its main window. */
struct view {
	int err, main;
	struct tree tree;
};

/* What a window that begins a pool has, as far as that is known: MAYBE is sealed, or open. */
enum state { NOTHING, SEALED, MAYBE, UNKNOWN };

/*
 * @first: the first piece of memory, three blocks: version 1's largest head
 * @second: the second piece
 * @layout: that of the module that is loaded
 * @main: its main window, by its place in the layout
 * @refused: it did not accept what it found
 * @clean: the head says what @tree is, or nothing and @tree is empty
 * @tree: the tree, empty if its size is 0
 * @kho: what KHO brings to the next module
 * @kho_layout: which layout that is of, or -1
 * @kho_later: it goes before an image in the head
 * @states: whether a piece of memory begins a pool that is sealed
 * @sealed: what it has then
 * @now: who seals, and when
 */
static struct world {
	_Alignas(8) char first[3 * BLOCK], second[BLOCK];
	int layout;
	u32 main;
	bool refused, clean;
	struct tree tree, kho;
	int kho_layout;
	bool kho_later;
	enum state states[2];
	struct tree sealed[2];
	struct gmfs_stamp now;
} w;

/* The memory at some earlier times. */
static char old[KEPT][sizeof(w.first)];
static int history, cuts;
static char log_text[600];

static void say(const char *what)
{
	size_t len = strlen(log_text);

	snprintf(log_text + len, sizeof(log_text) - len, " %s", what);
}

/* The heads of a layout, valid until the next call. */
static struct gmfs_head *head_of(int layout)
{
	static struct gmfs_range ranges[2];
	static struct gmfs_layout l = { ranges, 0, BLOCK, ~0ULL };
	static void *maps[2];
	static struct gmfs_head head = { &l, maps, 0 };
	const struct layout *from = &layouts[layout];
	u32 i;

	for (i = 0; i < from->nr; i++) {
		ranges[i] = windows[from->windows[i]];
		maps[i] = from->windows[i] == SECOND ? w.second : w.first;
	}
	l.nr_windows = from->nr;
	head.main = 0;
	return &head;
}

static struct gmfs_head *own_head(void)
{
	struct gmfs_head *h = head_of(w.layout);

	h->main = w.main;
	return h;
}

static bool has(int layout, int window)
{
	u32 i;

	for (i = 0; i < layouts[layout].nr; i++)
		if (layouts[layout].windows[i] == window)
			return true;
	return false;
}

/* Which piece of memory a window of a layout is. */
static int piece_of(int layout, u32 window)
{
	return layouts[layout].windows[window] == SECOND;
}

static void look(int layout, struct view *v)
{
	struct gmfs_head *h = head_of(layout);
	struct gmfs_found f;

	v->err = gmfs_head_find(h, &f);
	v->main = h->main;
	v->tree.size = 0;
	if (v->err)
		return;
	expect(f.size <= MAX_TREE, "history %d:%s: %zu bytes", history, log_text, f.size);
	v->tree.size = f.size;
	gmfs_head_copy(h, &f, v->tree.data);
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

/*
 * No two are equal. Large ones cover other layouts' slot 1, at times with an old one, and go on
 * in the second window.
 */
static void new_tree(struct tree *t, size_t room)
{
	size_t slot = BLOCK / 2 - GMFS_SLOT_IMAGE;
	static u32 nr;

	memset(t, 0, sizeof(*t));
	t->size = 20 + rnd(200);
	if (room > ROOM && !rnd(3))
		t->size = min(room, ROOM - 2 + (size_t)rnd(5));
	else if (!rnd(3))
		t->size = room - rnd(3);
	if (t->size > slot && !rnd(2))
		memcpy(t->data + slot, old[rnd(KEPT)] + slot + GMFS_SLOT_IMAGE, t->size - slot);
	snprintf(t->data, 20, "tree %u", nr++);
}

/* What of an image a module of this layout can leave, as gmfs_image_check() knows it. */
static size_t room_of(int layout)
{
	return min_t(size_t, gmfs_head_room(head_of(layout)), MAX_TREE);
}

static void seal_is(int piece, enum state state, const struct tree *t)
{
	w.states[piece] = state;
	if (state == SEALED)
		w.sealed[piece] = *t;
}

/* --- steps, as the module orders them; each can be cut ---------------------- */

static void open_head(void)
{
	u32 i;

	gmfs_head_open(own_head(), &w.now);
	/* The others are the pool's now, whatever was there. */
	for (i = 0; i < layouts[w.layout].nr; i++)
		seal_is(piece_of(w.layout, i), UNKNOWN, NULL);
}

static void seal(void)
{
	u64 generation;
	u32 i;

	expect_eq(gmfs_head_seal(own_head(), w.tree.data, w.tree.size, &w.now, &generation), 0);
	w.clean = true;
	for (i = 0; i < layouts[w.layout].nr; i++)
		seal_is(piece_of(w.layout, i), i == w.main ? SEALED : UNKNOWN, &w.tree);
}

static void step_change(void)
{
	if (w.refused)
		return;
	if (w.clean)
		open_head();
	w.clean = false;
	new_tree(&w.tree, room_of(w.layout));
}

static void step_publish(void)
{
	if (!w.refused && !w.clean)
		seal();
}

static void wipe(void)
{
	u32 i;

	gmfs_head_wipe(own_head());
	w.tree.size = 0;
	w.refused = false;
	w.clean = true;
	for (i = 0; i < layouts[w.layout].nr; i++)
		seal_is(piece_of(w.layout, i), NOTHING, NULL);
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

/* Blocks of the small window's files are where a larger one's slot 1 is. */
static void step_guest(void)
{
	char *guest = w.first + BLOCK;
	u32 i;

	if (!has(w.layout, SMALL) || w.refused)
		return;
	if (rnd(2))
		memcpy(guest, old[rnd(KEPT)] + BLOCK, sizeof(w.first) - BLOCK);
	else
		for (i = 0; i < 32; i++)
			guest[rnd(sizeof(w.first) - BLOCK)] = rnd(256);
}

/* The module of this kernel begins. The heads and KHO are as the last one left them. */
static void step_load(void)
{
	struct view v;

	look(w.layout, &v);
	w.main = v.main;
	w.tree = v.tree;
	w.clean = !v.err || v.err == -ENOENT;
	w.refused = is_refused(&v) || v.tree.size > room_of(w.layout);
	if (w.kho_layout < 0)
		return;
	if (!v.err && same_tree(&w.tree, &w.kho) && w.kho_layout == w.layout) {
		w.kho_layout = -1;
		return;
	}
	if (w.kho_layout != w.layout || (!v.err && !w.kho_later)) {
		w.refused = true;	/* and KHO gets it again */
		return;
	}
	if (!is_refused(&v) || w.kho_later)
		open_head();
	w.kho_layout = -1;
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

/* More often a layout that has what the last one had. */
static int next_layout(void)
{
	int next = rnd(NR_LAYOUTS);

	if (rnd(3) && layouts[w.layout].windows[0] != layouts[next].windows[0])
		next = rnd(NR_LAYOUTS);
	return rnd(4) ? next : w.layout;
}

/* The next kernel, and the copy that KHO brings to it. */
static void jump(void)
{
	w.layout = next_layout();
	w.now.tsc += 1000;
	w.now.boot_id[0]++;
	say(layouts[w.layout].name);
	if (w.kho_layout >= 0 || rnd(3))
		return;
	w.kho_later = rnd(2);
	say(w.kho_later ? "kho later" : "kho");
	w.kho_layout = next_layout();
	new_tree(&w.kho, room_of(w.kho_layout));
}

static bool is_tree_of(const struct world *x, int piece, const struct tree *t)
{
	return (x->states[piece] == SEALED || x->states[piece] == MAYBE) &&
	       same_tree(&x->sealed[piece], t);
}

/* What another layout finds is what one of the pools has that begin in its memory now. */
static void check_other(int layout, const struct view *own)
{
	bool crashed = strstr(log_text, "CRASH"), mine;
	struct view v;
	u32 i;
	int piece;

	look(layout, &v);
	piece = piece_of(layout, v.main);
	if (!v.err)
		expect(is_tree_of(&w, piece, &v.tree),
		       "history %d:%s: %s finds an older tree, '%s'", history, log_text,
		       layouts[layout].name, v.tree.data);
	/* Half of a seal in slot 0 is nothing to its pool, and refused by another. */
	for (i = 0; v.err == -ENOENT && i < layouts[layout].nr; i++)
		expect(w.states[piece_of(layout, i)] == NOTHING ||
		       (crashed && w.states[piece_of(layout, i)] != SEALED),
		       "history %d:%s: %s finds nothing", history, log_text,
		       layouts[layout].name);
	/* With the main window it finds the tree; with another one alone it must not. */
	if (own->err || !own->tree.size)
		return;
	mine = has(layout, layouts[w.layout].windows[own->main]);
	for (i = 0; i < layouts[w.layout].nr; i++)
		if (!mine && has(layout, layouts[w.layout].windows[i]) &&
		    gmfs_is_marked(own_head(), i))
			expect(is_refused(&v), "history %d:%s: %s takes another pool's window: %d",
			       history, log_text, layouts[layout].name, v.err);
	if (mine)
		expect(is_refused(&v) || same_tree(&v.tree, &own->tree), "history %d:%s: %s: %d",
		       history, log_text, layouts[layout].name, v.err);
	for (i = 0; i < layouts[w.layout].nr; i++)
		mine = mine && has(layout, layouts[w.layout].windows[i]);
	if (mine && layouts[layout].nr == layouts[w.layout].nr)
		expect(same_view(&v, own), "history %d:%s: %s: %d", history, log_text,
		       layouts[layout].name, v.err);
}

/* After a whole step the head says what the tree is. */
static void check_whole(void)
{
	struct view own;
	int i;

	look(w.layout, &own);
	for (i = 0; i < NR_LAYOUTS; i++)
		if (i != w.layout)
			check_other(i, &own);
	if (w.refused)
		return;
	if (!w.clean)
		expect(is_refused(&own), "history %d:%s: %d", history, log_text, own.err);
	else if (w.tree.size)
		expect(!own.err && same_tree(&own.tree, &w.tree), "history %d:%s: %d '%s'",
		       history, log_text, own.err, own.tree.data);
	else
		expect(own.err == -ENOENT, "history %d:%s: %d", history, log_text, own.err);
}

/* The step of @before ends in @after, but stopped somewhere in between. */
static void check_cut(const struct world *before, const struct world *after,
		      const struct view *was, const struct view *is, size_t at)
{
	bool taken = before->kho_layout >= 0 && w.kho_layout < 0;
	bool takes = before->kho_layout >= 0 && after->kho_layout < 0, own;
	struct view got;
	int i;

	for (i = 0; i < NR_LAYOUTS; i++) {
		own = i == after->layout;
		look(i, &got);
		if (is_refused(&got)) {
			/*
			 * An image of KHO's may be lost by a crash, but not unnoticed. An empty
			 * pool may have marks before it has a seal.
			 */
			expect(!own || is_refused(&was[i]) || is_refused(&is[i]) || takes ||
			       (was[i].err == -ENOENT && layouts[i].nr > 1),
			       "history %d:%s, after %zu bytes: refused, %d", history, log_text,
			       at, got.err);
			continue;
		}
		/* Half of a wipe of two pools may leave the one that has not been wiped yet. */
		if (is[i].err == -ENOENT && is_refused(&was[i]) && !got.err &&
		    is_tree_of(before, piece_of(i, got.main), &got.tree))
			continue;
		expect(same_view(&got, &is[i]) || (same_view(&got, &was[i]) && (!taken || !own)),
		       "history %d:%s, after %zu bytes: %s finds %d '%s', was %d '%s', is %d '%s'",
		       history, log_text, at, layouts[i].name, got.err, got.tree.data,
		       was[i].err, was[i].tree.data, is[i].err, is[i].tree.data);
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
static void crash(const struct world *before, const struct world *after)
{
	const struct world *from;
	struct view v;
	int i;

	say("CRASH");
	for (i = 0; i < 2; i++) {
		/* It may be hidden by what the other piece has. */
		from = before->states[i] == SEALED || before->states[i] == MAYBE ? before : after;
		w.states[i] = from->states[i];
		w.sealed[i] = from->sealed[i];
		if (before->states[i] != after->states[i] ||
		    !same_tree(&before->sealed[i], &after->sealed[i]))
			w.states[i] = w.states[i] == SEALED || w.states[i] == MAYBE ? MAYBE :
										  UNKNOWN;
	}
	/* The cut was checked: what is found now is what counts. */
	for (i = 0; i < NR_LAYOUTS; i++) {
		look(i, &v);
		if (!v.err)
			seal_is(piece_of(i, v.main), SEALED, &v.tree);
	}
	w.kho_layout = -1;
	w.layout = next_layout();
	w.now.tsc += 1000;
	w.now.boot_id[0]++;
	say(layouts[w.layout].name);
	step_load();
}

static void do_step(const struct step *s)
{
	static struct world before, after, stop;
	static struct view was[NR_LAYOUTS], is[NR_LAYOUTS];
	size_t sizes[ARRAY_SIZE(seal_stores)], at = 0, cut;
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
	for (i = 0; i < NR_LAYOUTS; i++)
		look(i, &was[i]);
	expect(run(s, SIZE_MAX), "history %d:%s", history, log_text);
	check_whole();
	after = w;
	for (i = 0; i < NR_LAYOUTS; i++)
		look(i, &is[i]);
	nr = seal_nr_stores;
	expect(nr < ARRAY_SIZE(sizes), "too many stores");
	memcpy(sizes, seal_stores, sizeof(sizes));
	go_on = nr && !rnd(4) ? 1 + rnd(2 * nr) : 0;
	for (i = 0; i < 2 * nr; i++) {
		cut = at + (i % 2 ? rnd(sizes[i / 2]) : 0);
		w = before;
		expect(!run(s, cut), "history %d:%s: not stopped", history, log_text);
		check_cut(&before, &after, was, is, cut);
		cuts++;
		if (i + 1 == go_on) {
			stop = w;
			stopped = true;
		}
		at += i % 2 ? sizes[i / 2] : 0;
	}
	w = stopped ? stop : after;
	if (stopped)
		crash(&before, &after);
	memcpy(old[rnd(KEPT)], w.first, sizeof(w.first));
}

/* What version 1 has left: up to three images, the last one perhaps opened, or half written. */
static void begin_with_v1(void)
{
	int layout = rnd(4), state = rnd(4);
	struct gmfs_head *h = head_of(layout);
	size_t room = gmfs_slot_size(h->layout, 0, 1) - GMFS_SLOT_IMAGE;
	u32 i, nr = 1 + rnd(3);
	struct gmfs_seal *seal;

	say("version 1");
	say(layouts[layout].name);
	w.layout = layout;
	for (i = 0; i < nr; i++) {
		new_tree(&w.tree, min_t(size_t, room, MAX_TREE));
		seal_v1(h, i % 2, w.tree.data, w.tree.size, i + 1, &w.now, GMFS_SEALED);
		if (rnd(2))
			gmfs_head_date(h, &w.now);
	}
	seal_is(piece_of(layout, 0), SEALED, &w.tree);
	if (!state) {
		say("open");
		for (i = 0; i < min(nr, 2U); i++) {
			seal = gmfs_slot_of(h, 0, i, 1);
			put32(GMFS_OPEN, seal->state);
		}
		seal_is(piece_of(layout, 0), UNKNOWN, NULL);
	} else if (state == 1 && nr == 2) {
		say("half");
		seal = gmfs_slot_of(h, 0, 0, 1);
		put32(0, seal->state);
	}
}

static void histories(const void *arg)
{
	u32 i, step;

	cuts = 0;
	for (history = 0; history < NR_HISTORIES; history++) {
		memset(&w, 0, sizeof(w));
		memset(old, 0, sizeof(old));
		log_text[0] = '\0';
		w.kho_layout = -1;
		w.layout = rnd(NR_LAYOUTS);
		if (rnd(2)) {
			for (i = 0; i < sizeof(w.first); i++)
				w.first[i] = rnd(256);
			for (i = 0; i < sizeof(w.second); i++)
				w.second[i] = rnd(256);
		}
		if (!rnd(3))
			begin_with_v1();
		w.layout = next_layout();
		say(layouts[w.layout].name);
		step_load();
		for (step = 0; step < NR_STEPS; step++)
			do_step(&steps[rnd(ARRAY_SIZE(steps))]);
	}
	unit_info("%d histories of two pieces of memory, cut %d times", NR_HISTORIES, cuts);
}

void history_tests(void)
{
	unit_run("history", "no power cut brings an older tree or loses one unnoticed",
		 histories, NULL);
}
