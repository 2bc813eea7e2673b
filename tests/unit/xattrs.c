// SPDX-License-Identifier: GPL-2.0-only
#include <guestmemfs/abi.h>
#include <linux/errno.h>
#include <linux/slab.h>

#include "unit.h"
#include "xattrs.h"

#define TEXT(text)	text, sizeof(text) - 1
#define A		"user.a\0\0\0\0\1x"
#define B		"user.bb\0\0\0\0\2yy"
#define C		"user.c\0\0\0\0\0"

static struct gmfs_xattrs begin(const void *packed, u32 size)
{
	return (struct gmfs_xattrs){ size ? exact_copy(packed, size) : NULL, size };
}

static void expect_packed(const struct gmfs_xattrs *xs, const void *want, u32 size)
{
	expect_eq(xs->size, size);
	expect(!xs->data == !size, "%u bytes at %p", size, xs->data);
	expect(!size || !memcmp(xs->data, want, size), "other bytes");
}

/* --- one change ------------------------------------------------------------- */

static const struct change {
	const char *name, *before;
	u32 nr_before;
	const char *after;
	u32 nr_after;
	struct gmfs_xattr x;
} changes[] = {
#define CHANGE(name, before, after, ...)	{ name, TEXT(before), TEXT(after), { __VA_ARGS__ } }
#define SAME(name, before, ...)			CHANGE(name, before, before, __VA_ARGS__)
	CHANGE("add the first", "", A, "user.a", TEXT("x")),
	CHANGE("add one more", A, A B, "user.bb", TEXT("yy")),
	CHANGE("add an empty one", A B, A B C, "user.c", TEXT("")),
	CHANGE("add one that begins like another", A, A "user.aa\0\0\0\0\1z", "user.aa", TEXT("z")),
	CHANGE("add one that another begins with", A, A "user.\0\0\0\0\1z", "user.", TEXT("z")),
	CHANGE("add one with zeroes", "", "user.z\0\0\0\0\3\0z\0", "user.z", TEXT("\0z\0")),
	CHANGE("replace, same length", A B C, A C "user.bb\0\0\0\0\2zz", "user.bb", TEXT("zz")),
	CHANGE("replace, longer", A B C, A C "user.bb\0\0\0\0\4long", "user.bb", TEXT("long")),
	CHANGE("replace, shorter", A B C, A C "user.bb\0\0\0\0\1z", "user.bb", TEXT("z")),
	CHANGE("replace by an empty one", A B C, A C "user.bb\0\0\0\0\0", "user.bb", TEXT("")),
	CHANGE("replace an empty one", A C B, A B "user.c\0\0\0\0\1z", "user.c", TEXT("z")),
	CHANGE("replace the only one", A, "user.a\0\0\0\0\2zz", "user.a", TEXT("zz")),
	SAME("replace the last by itself", A B, "user.bb", TEXT("yy")),
	CHANGE("remove the first", A B C, B C, "user.a"),
	CHANGE("remove the middle one", A B C, A C, "user.bb"),
	CHANGE("remove the last", A B C, A B, "user.c"),
	CHANGE("remove the only one", A, "", "user.a"),
	CHANGE("remove, whatever the length", A B, B, "user.a", NULL, 7),
	SAME("remove one that is not there", A B, "user.b"),
	SAME("remove from none", "", "user.a"),
	CHANGE("longest name", A, A X255 "\0\0\0\0\1x", X255, TEXT("x")),
};

static void change(const void *arg)
{
	const struct change *c = arg;
	struct gmfs_xattrs xs = begin(c->before, c->nr_before);
	void *value = c->x.value ? exact_copy(c->x.value, c->x.len) : NULL;
	struct gmfs_xattr x = { c->x.name, value, c->x.len }, found;

	unit_allocations = 0;
	if (c->nr_after) {
		expect_eq(gmfs_xattrs_set(&xs, &x), -ENOMEM);
		expect_packed(&xs, c->before, c->nr_before);
		unit_allocations = 1;
	}
	expect_eq(gmfs_xattrs_set(&xs, &x), 0);
	expect_packed(&xs, c->after, c->nr_after);
	expect_eq(gmfs_xattrs_find(&xs, x.name, &found), !!value);
	expect(!value || (!strcmp(found.name, x.name) && found.len == x.len &&
			  !memcmp(found.value, value, x.len)), "found another");
	free(value);
	gmfs_xattrs_destroy(&xs);
	expect_packed(&xs, NULL, 0);
}

/* Name and value may be where they were found. */
static void by_itself(const void *arg)
{
	struct gmfs_xattrs xs = begin(TEXT(A B C));
	struct gmfs_xattr x;

	expect(gmfs_xattrs_find(&xs, "user.a", &x), "not there");
	expect_eq(gmfs_xattrs_set(&xs, &x), 0);
	expect_packed(&xs, TEXT(B C A));
	gmfs_xattrs_destroy(&xs);
}

static void refused(struct gmfs_xattrs *xs, struct gmfs_xattr x)
{
	const void *data = xs->data;
	u32 size = xs->size;
	void *before = exact_copy(data, size);

	expect_eq(gmfs_xattrs_set(xs, &x), -ENOSPC);
	expect(xs->data == data, "moved");
	expect_packed(xs, before, size);
	free(before);
}

static void limit(const void *arg)
{
	static const u8 value[GMFS_MAX_XATTRS];
	const u32 room = GMFS_MAX_XATTRS - (sizeof(A B) - 1) - (sizeof("user.big") + 4);
	struct gmfs_xattr big = { "user.big", value, room };
	struct gmfs_xattrs xs = begin(TEXT(A B));

	refused(&xs, (struct gmfs_xattr){ "user.big", value, room + 1 });
	refused(&xs, (struct gmfs_xattr){ "user.big", value, U32_MAX });
	expect_eq(gmfs_xattrs_set(&xs, &big), 0);
	expect_eq(xs.size, GMFS_MAX_XATTRS);
	/* Full: nothing more, but as much instead. */
	refused(&xs, (struct gmfs_xattr){ "n", "", 0 });
	refused(&xs, (struct gmfs_xattr){ "user.a", "xx", 2 });
	refused(&xs, (struct gmfs_xattr){ "user.big", value, room + 1 });
	expect_eq(gmfs_xattrs_set(&xs, &big), 0);
	expect_eq(gmfs_xattrs_set(&xs, &(struct gmfs_xattr){ "user.a", "z", 1 }), 0);
	expect_eq(xs.size, GMFS_MAX_XATTRS);
	expect_eq(gmfs_xattrs_set(&xs, &(struct gmfs_xattr){ "user.big" }), 0);
	expect_packed(&xs, TEXT(B "user.a\0\0\0\0\1z"));
	gmfs_xattrs_destroy(&xs);
}

/* --- packed data of any kind ------------------------------------------------- */

static const struct packed {
	const char *name, *data;
	u32 size, nr;
	int end;
} packeds[] = {
	{ "none", TEXT(""), 0, 0 },
	{ "some", TEXT(A B C), 3, 0 },
	{ "name of 255", TEXT(X255 "\0\0\0\0\1x" A), 2, 0 },
	{ "name of 256", TEXT(X255 "x\0\0\0\0\1x"), 0, -EINVAL },
	{ "name empty", TEXT("\0\0\0\0\1x"), 0, -EINVAL },
	{ "second name empty", TEXT(A "\0\0\0\0\0"), 1, -EINVAL },
	{ "name without NUL", TEXT("user.a"), 0, -EINVAL },
	{ "name without NUL, long enough for a length", TEXT("user.abcdefgh"), 0, -EINVAL },
	{ "name of 255 without NUL", TEXT(X255), 0, -EINVAL },
	{ "name of 256 without NUL", TEXT(X255 "x"), 0, -EINVAL },
	{ "no length", TEXT("user.a\0"), 0, -EINVAL },
	{ "length too short", TEXT("user.a\0\0\0\0"), 0, -EINVAL },
	{ "value too short", TEXT("user.bb\0\0\0\0\2y"), 0, -EINVAL },
	{ "length of the whole", TEXT("user.bb\0\0\0\0\14y"), 0, -EINVAL },
	{ "length that wraps", TEXT("user.a\0\xff\xff\xff\xf5x"), 0, -EINVAL },
	{ "largest length", TEXT("user.a\0\xff\xff\xff\xffx"), 0, -EINVAL },
	{ "length is big-endian", TEXT("user.a\0\1\0\0\0x"), 0, -EINVAL },
	{ "a byte more", TEXT(A "x"), 1, -EINVAL },
	{ "a zero more", TEXT(A B "\0"), 2, -EINVAL },
};

/* Reads until the end; what is left alone if there is nothing must be. */
static u32 read_all(const void *data, u32 size, int *end)
{
	struct gmfs_xattr x = { 0 }, last = x;
	u32 pos = 0, here = 0, nr = 0;

	while ((*end = gmfs_xattrs_next(data, size, &pos, &x)) > 0) {
		expect(x.name == data + here, "name of %u", nr);
		expect(x.value == x.name + strlen(x.name) + 5, "value of %u", nr);
		expect(x.len <= size, "%u of %u", x.len, size);
		here += strlen(x.name) + 5 + x.len;
		expect_eq(pos, here);
		expect(here <= size, "%u of %u", here, size);
		last = x;
		nr++;
	}
	expect_eq(pos, here);
	expect(!memcmp(&x, &last, sizeof(x)), "changed at the end");
	return nr;
}

static void packed(const void *arg)
{
	const struct packed *p = arg;
	void *data = exact_copy(p->data, p->size);
	int end;

	expect_eq(read_all(data, p->size, &end), p->nr);
	expect_eq(end, p->end);
	free(data);
}

static void truncated(const void *arg)
{
	const u32 a = sizeof(A) - 1, b = sizeof(B) - 1, size = sizeof(A B C) - 1;
	u32 n, nr;
	void *cut;
	int end;

	for (n = 0; n < size; n++) {
		cut = exact_copy(A B C, n);
		nr = read_all(cut, n, &end);
		expect_eq(nr, (n >= a) + (n >= a + b));
		expect(end == (!n || n == a || n == a + b ? 0 : -EINVAL), "%u bytes", n);
		free(cut);
	}
}

/* --- against a model ---------------------------------------------------------- */

enum { NAMES = 12 };

/**
 * struct attr - an attribute of the model
 * @name: index into names[]
 * @len: length of its value
 * @fill: each byte of its value
 */
struct attr {
	u32 name, len, fill;
};

static char names[NAMES][GMFS_MAX_NAME + 1];

static u32 cost(const struct attr *a)
{
	return strlen(names[a->name]) + 5 + a->len;
}

/* Takes the attribute of that name out; how many are left. */
static u32 drop(struct attr *m, u32 nr, u32 name)
{
	u32 i, left = 0;

	for (i = 0; i < nr; i++)
		if (m[i].name != name)
			m[left++] = m[i];
	return left;
}

static void same_as_model(const struct gmfs_xattrs *xs, const struct attr *m, u32 nr)
{
	struct gmfs_xattr x, found;
	u32 i, k, pos = 0, there = 0;

	for (i = 0; i < nr; i++) {
		expect_eq(gmfs_xattrs_next(xs->data, xs->size, &pos, &x), 1);
		expect(!strcmp(x.name, names[m[i].name]), "%s at %u", x.name, i);
		expect_eq(x.len, m[i].len);
		for (k = 0; k < x.len; k++)
			expect(((u8 *)x.value)[k] == m[i].fill, "byte %u of %u", k, i);
		expect(gmfs_xattrs_find(xs, names[m[i].name], &found) &&
		       found.name == x.name && found.value == x.value &&
		       found.len == x.len, "%s not found", x.name);
	}
	expect_eq(gmfs_xattrs_next(xs->data, xs->size, &pos, &x), 0);
	for (i = 0; i < NAMES; i++)
		there += gmfs_xattrs_find(xs, names[i], &x);
	expect_eq(there, nr);
}

static void random_model(const void *arg)
{
	u32 step, nr = 0, left, size, i, full = 0, most = 0;
	struct gmfs_xattrs xs = { 0 };
	struct attr m[NAMES] = { 0 }, try[NAMES], a;
	struct gmfs_xattr x;
	bool add;
	void *value;
	int err;

	/* Each begins with the one before it; one is as long as may be. */
	for (i = 0; i < NAMES; i++)
		memset(names[i], 'n', i < NAMES - 1 ? i + 1 : GMFS_MAX_NAME);
	for (step = 0; step < 20000; step++) {
		a = (struct attr){ rnd(NAMES), rnd(rnd(4) ? 100 : 3000), rnd(256) };
		add = rnd(4);
		memcpy(try, m, sizeof(m));
		left = drop(try, nr, a.name);
		if (add)
			try[left++] = a;
		for (i = 0, size = 0; i < left; i++)
			size += cost(&try[i]);
		unit_allocations = rnd(10) ? 1 : 0;
		err = size > GMFS_MAX_XATTRS ? -ENOSPC :
		      size && !unit_allocations ? -ENOMEM : 0;
		value = malloc(a.len);
		memset(value, a.fill, a.len);
		x = (struct gmfs_xattr){ names[a.name], add ? value : NULL, a.len };
		expect_eq(gmfs_xattrs_set(&xs, &x), err);
		free(value);
		full += err == -ENOSPC;
		if (!err) {
			memcpy(m, try, sizeof(m));
			nr = left;
			expect_eq(xs.size, size);
		}
		most = max(most, nr);
		same_as_model(&xs, m, nr);
	}
	expect(full > 1000 && most > 8, "full %u times, at most %u", full, most);
	gmfs_xattrs_destroy(&xs);
}

void xattrs_tests(void)
{
	run_table("xattrs", change, changes);
	unit_run("xattrs", "set what was found", by_itself, NULL);
	unit_run("xattrs", "exactly as much as may be", limit, NULL);
	run_table("xattrs", packed, packeds);
	unit_run("xattrs", "truncated everywhere", truncated, NULL);
	unit_run("xattrs", "random against a model", random_model, NULL);
}
