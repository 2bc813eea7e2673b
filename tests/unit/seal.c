// SPDX-License-Identifier: GPL-2.0-only
#include <guestmemfs/abi.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/unaligned.h>
#include <stdio.h>

#include "seal.h"
#include "unit.h"

static const struct gmfs_image_region region = { 4ULL << 30, 64 << 20, 2 << 20 };
static const struct gmfs_stamp monday = { 1000, { 1 } }, tuesday = { 2000, { 2 } };

size_t seal_bytes_left = SIZE_MAX;
size_t seal_nr_stores, seal_stores[64];
jmp_buf seal_stopped;

void gmfs_seal_store(void *to, const void *from, size_t len)
{
	size_t now = min(len, seal_bytes_left);

	/* An aligned word is stored whole or not at all. */
	if ((len == 4 || len == 8) && now < len)
		now = 0;
	memcpy(to, from, now);
	if (seal_nr_stores < ARRAY_SIZE(seal_stores))
		seal_stores[seal_nr_stores++] = len;
	seal_bytes_left -= min(len, seal_bytes_left);
	if (now < len)
		longjmp(seal_stopped, 1);
}

u32 gmfs_crc32c(const void *data, size_t len)
{
	static u32 table[256];
	const u8 *p = data;
	u32 crc = ~0, n;
	int i;

	for (i = 0; !table[255] && i < 256; i++)
		for (n = 0, table[i] = i; n < 8; n++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82f63b78 : 0);
	while (len--)
		crc = crc >> 8 ^ table[(u8)crc ^ *p++];
	return ~crc;
}

static struct gmfs_head new_head(void)
{
	return (struct gmfs_head){
		.map = calloc(1, gmfs_slot_size(&region) * GMFS_NR_SLOTS),
		.region = region,
	};
}

static struct gmfs_seal *seal_of(const struct gmfs_head *h, int slot)
{
	return h->map + slot * gmfs_slot_size(&region);
}

static void expect_image(const struct gmfs_head *h, const char *want, u64 generation)
{
	struct gmfs_found f;

	expect_eq(gmfs_head_find(h, &f), 0);
	expect_eq(f.size, strlen(want));
	expect(!memcmp(f.image, want, f.size), "%.*s", (int)f.size, (char *)f.image);
	expect_eq(f.generation, generation);
}

static void expect_none(const struct gmfs_head *h, int err, const char *why)
{
	struct gmfs_found f;

	expect_eq(gmfs_head_find(h, &f), err);
	expect(strstr(f.why, why), "said '%s'", f.why);
}

static void leave(const struct gmfs_head *h, const char *image, u64 generation)
{
	u64 got;

	expect_eq(gmfs_head_seal(h, image, strlen(image), &monday, &got), 0);
	expect_eq(got, generation);
}

static void crc_is_rfc3720s(const void *arg)
{
	static const u8 zeroes[32];

	expect_eq(gmfs_crc32c("123456789", 9), 0xe3069283);
	expect_eq(gmfs_crc32c(zeroes, 32), 0x8a9136aa);	/* RFC 3720, B.4 */
}

static void newest_wins(const void *arg)
{
	struct gmfs_head h = new_head();

	expect_none(&h, -ENOENT, "");
	leave(&h, "one", 1);
	expect_image(&h, "one", 1);
	leave(&h, "two", 2);
	expect_image(&h, "two", 2);
	expect_eq(get_unaligned_be64(&seal_of(&h, 0)->generation), 1);
	leave(&h, "three", 3);
	expect_image(&h, "three", 3);
	expect_eq(get_unaligned_be64(&seal_of(&h, 0)->generation), 3);
	free(h.map);
}

static void opened(const void *arg)
{
	struct gmfs_head h = new_head();

	gmfs_head_open(&h, &monday);
	expect_none(&h, -EUCLEAN, "did not leave an image");
	leave(&h, "one", 1);
	expect_image(&h, "one", 1);
	gmfs_head_open(&h, &monday);
	expect_none(&h, -EUCLEAN, "did not leave an image");
	leave(&h, "two", 2);
	leave(&h, "three", 3);
	gmfs_head_open(&h, &monday);
	expect_none(&h, -EUCLEAN, "did not leave an image");
	gmfs_head_wipe(&h);
	expect_none(&h, -ENOENT, "");
	free(h.map);
}

static void too_large(const void *arg)
{
	struct gmfs_head h = new_head();
	size_t max = gmfs_slot_size(&region) - GMFS_SLOT_IMAGE;
	char *image = calloc(1, max);
	struct gmfs_found f;
	u64 generation;

	expect_eq(gmfs_slot_size(&region), 1 << 20);
	leave(&h, "one", 1);
	expect_eq(gmfs_head_seal(&h, image, max + 1, &monday, &generation), -EFBIG);
	expect_image(&h, "one", 1);
	expect_eq(gmfs_head_seal(&h, image, max, &monday, &generation), 0);
	expect_eq(gmfs_head_find(&h, &f), 0);
	expect_eq(f.size, max);
	free(image);
	free(h.map);
}

/*
 * From each state of a head, whatever is done next stops at each byte. What is
 * found then is what was there before or what was to come, never a mixture; a head
 * that is refused may be refused for another reason.
 */
static bool is_refused(int err)
{
	return err && err != -ENOENT;
}

static int result(const struct gmfs_head *h, char *image)
{
	struct gmfs_found f;
	int err = gmfs_head_find(h, &f);

	image[0] = '\0';
	if (!err) {
		memcpy(image, f.image, f.size);
		image[f.size] = '\0';
	}
	return err;
}

static void do_seal(const struct gmfs_head *h)
{
	const char *image = "the new one";
	u64 generation;

	expect_eq(gmfs_head_seal(h, image, strlen(image), &monday, &generation), 0);
}

static void do_open(const struct gmfs_head *h)
{
	gmfs_head_open(h, &tuesday);
}

static void do_wipe(const struct gmfs_head *h)
{
	gmfs_head_wipe(h);
}

/* Slot 0 becomes that of a region of another size. */
static void make_foreign(const struct gmfs_head *h)
{
	struct gmfs_seal *seal = seal_of(h, 0), s;

	put_unaligned_be64(region.size * 2, &seal->size);
	s = *seal;
	s.state = 0;
	put_unaligned_be32(gmfs_crc32c(&s, offsetof(struct gmfs_seal, crc)), &seal->crc);
}

struct cut {
	const char *name;
	const char *states;	/* s: seal, o: open, -: slot 0 goes, x: becomes foreign */
	void (*act)(const struct gmfs_head *h);
};

static void cut(const void *arg)
{
	const struct cut *c = arg;
	struct gmfs_head h = new_head();
	size_t len = gmfs_slot_size(&region) * GMFS_NR_SLOTS;
	char old[64], new[64], got[64], *before = malloc(len);
	int old_err, new_err, err;
	u64 generation = 0;
	volatile size_t at;
	const char *s;
	bool done;

	for (s = c->states; *s; s++) {
		if (*s == 'o') {
			gmfs_head_open(&h, &monday);
			continue;
		}
		if (*s == 'x') {
			make_foreign(&h);
			continue;
		}
		if (*s == '-') {
			memset(h.map, 0, sizeof(struct gmfs_seal));
			generation = 0;
			continue;
		}
		sprintf(old, "an old image that is longer, %llu",
			(unsigned long long)++generation);
		leave(&h, old, generation);
	}
	memcpy(before, h.map, len);
	old_err = result(&h, old);
	c->act(&h);
	new_err = result(&h, new);
	for (at = 0, done = false; !done; at++) {
		memcpy(h.map, before, len);
		seal_bytes_left = at;
		if (!setjmp(seal_stopped)) {
			c->act(&h);
			done = true;
		}
		seal_bytes_left = SIZE_MAX;
		err = result(&h, got);
		expect((err == old_err && !strcmp(got, old)) ||
		       (err == new_err && !strcmp(got, new)) ||
		       (is_refused(err) && is_refused(old_err)),
		       "after %zu bytes: %d '%s'", at, err, got);
	}
	free(before);
	free(h.map);
}

static const struct cut cuts[] = {
	{ "first image", "", do_seal },
	{ "second image", "s", do_seal },
	{ "third image", "ss", do_seal },
	{ "image after changes", "so", do_seal },
	{ "image after changes to the first tree", "o", do_seal },
	{ "image after changes, both slots used", "soso", do_seal },
	{ "image after two and changes", "sso", do_seal },
	{ "first change", "", do_open },
	{ "change after an image", "s", do_open },
	{ "change after two images", "ss", do_open },
	{ "change after changes", "soso", do_open },
	{ "image after half of a wipe", "sss-", do_seal },
	{ "image after half of a wipe and changes", "sss-o", do_seal },
	{ "change after half of a wipe", "sss-", do_open },
	{ "image beside another region's", "sssx", do_seal },
	{ "change beside another region's", "sssx", do_open },
	{ "forget another region's", "sssx", do_wipe },
	{ "forget after half of a wipe", "sss-", do_wipe },
	{ "forget", "s", do_wipe },
	{ "forget an open one", "so", do_wipe },
	{ "forget two", "ss", do_wipe },
	{ "forget three", "sss", do_wipe },
};

/* Any bit of a seal or its image that is wrong, and the image is refused. */
static void flipped(const void *arg)
{
	struct gmfs_head h = new_head();
	size_t bit, bits = 8 * sizeof(struct gmfs_seal);
	struct gmfs_found f;
	int err;
	u8 *p;

	leave(&h, "one", 1);
	for (bit = 0; bit < bits + 8 * 3; bit++) {
		p = h.map + (bit < bits ? bit / 8 : GMFS_SLOT_IMAGE + (bit - bits) / 8);
		*p ^= 1 << (bit % 8);
		err = gmfs_head_find(&h, &f);
		expect(err, "bit %zu", bit);
		/* Without magic or state there is no seal, so no reason. */
		expect((err == -ENOENT) == !f.why[0], "bit %zu: '%s'", bit, f.why);
		expect(err != -ENOENT || bit < 64 || (bit >= 96 && bit < 128),
		       "bit %zu: nothing found", bit);
		*p ^= 1 << (bit % 8);
	}
	expect_image(&h, "one", 1);
	free(h.map);
}

struct other {
	const char *name;
	struct gmfs_image_region region;
	int err;
	const char *why;
};

static void other(const void *arg)
{
	const struct other *o = arg;
	struct gmfs_head h = new_head();

	leave(&h, "one", 1);
	h.region = o->region;
	expect_none(&h, o->err, o->why);
	free(h.map);
}

static const struct other others[] = {
	{ "smaller", { 4ULL << 30, 32 << 20, 2 << 20 }, -ENXIO,
	  "another region: 0x4000000 bytes at 0x100000000 in blocks of 0x200000" },
	{ "larger", { 4ULL << 30, 128 << 20, 2 << 20 }, -ENXIO, "another region" },
	{ "moved", { 5ULL << 30, 64 << 20, 2 << 20 }, -ENXIO, "another region" },
	{ "blocks of 1 MiB", { 4ULL << 30, 64 << 20, 1 << 20 }, -ENXIO, "another region" },
};

static void is_at(const void *arg)
{
	struct gmfs_head h = new_head();
	struct gmfs_found f;

	expect(!gmfs_seal_is_at(h.map, region.base, &f), "found in nothing");
	leave(&h, "one", 1);
	expect(gmfs_seal_is_at(h.map, region.base, &f), "not found");
	expect(strstr(f.why, "another region: 0x4000000 bytes at 0x100000000"), "%s", f.why);
	expect(f.dated && f.stamp.tsc == monday.tsc, "when");
	expect(!gmfs_seal_is_at(h.map, region.base + (2 << 20), &f), "a guest's");
	seal_of(&h, 0)->crc ^= 1;
	expect(!gmfs_seal_is_at(h.map, region.base, &f), "damaged");
	free(h.map);
}

/* A wipe may not know where slot 1 is: what that has must not come back. */
static void no_slot_0(const void *arg)
{
	struct gmfs_head h = new_head();
	int i;

	for (i = 0; i < 2; i++) {
		leave(&h, "one", 1);
		leave(&h, "two", 2);
		leave(&h, "three", 3);
		leave(&h, "four", 4);
		memset(h.map, 0, sizeof(struct gmfs_seal));
		expect_none(&h, -ENOENT, "");
		if (i)
			gmfs_head_open(&h, &monday);
		leave(&h, "five", 1);
		expect_image(&h, "five", 1);
		gmfs_head_open(&h, &monday);
		expect_none(&h, -EUCLEAN, "did not leave an image");
		leave(&h, "six", 2);
		expect_image(&h, "six", 2);
		gmfs_head_wipe(&h);
	}
	free(h.map);
}

/* What is damaged has no generation, and does not hide that of the other. */
static void heals(const void *arg)
{
	struct gmfs_head h = new_head();
	struct gmfs_found f;

	leave(&h, "one", 1);
	leave(&h, "two", 2);
	leave(&h, "three", 3);
	leave(&h, "four", 4);
	put_unaligned_be64(~0ULL, &seal_of(&h, 0)->generation);
	expect_none(&h, -EBADMSG, "damaged");
	expect_eq(gmfs_head_find(&h, &f), -EBADMSG);
	expect_eq(f.generation, 0);
	leave(&h, "five", 5);
	expect_image(&h, "five", 5);
	seal_of(&h, 0)->crc ^= 1;
	seal_of(&h, 1)->crc ^= 1;
	expect_none(&h, -EBADMSG, "damaged");
	leave(&h, "six", 1);
	expect_image(&h, "six", 1);
	free(h.map);
}

static void later_version(const void *arg)
{
	struct gmfs_head h = new_head();

	leave(&h, "one", 1);
	put_unaligned_be32(2, &seal_of(&h, 0)->version);
	expect_none(&h, -EPROTONOSUPPORT, "version 2, not 1");
	free(h.map);
}

struct belief {
	const char *name;
	struct gmfs_stamp now;
	bool kexec;
	enum gmfs_belief belief;
};

static void belief(const void *arg)
{
	const struct belief *b = arg;
	struct gmfs_head h = new_head();
	struct gmfs_found f;

	leave(&h, "one", 1);
	expect_eq(gmfs_head_find(&h, &f), 0);
	expect_eq(gmfs_head_belief(&f, &b->now, b->kexec), b->belief);
	expect_eq(!f.why[0], b->belief == GMFS_BELIEVED || b->belief == GMFS_FIRMWARE);
	/* In a kernel that kexec began, one that is refused is never wiped. */
	h.region.size *= 2;
	expect_eq(gmfs_head_find(&h, &f), -ENXIO);
	expect_eq(gmfs_head_belief(&f, &b->now, b->kexec),
		  b->belief == GMFS_FIRMWARE ? GMFS_FIRMWARE : GMFS_BELIEVED);
	expect(strstr(f.why, "another region"), "%s", f.why);
	seal_of(&h, 0)->crc ^= 1;
	expect_eq(gmfs_head_find(&h, &f), -EBADMSG);
	expect_eq(gmfs_head_belief(&f, &b->now, b->kexec),
		  b->belief == GMFS_FIRMWARE ? GMFS_FIRMWARE : GMFS_BELIEVED);
	free(h.map);
}

static const struct belief beliefs[] = {
	{ "same boot", { 1500, { 1 } }, false, GMFS_BELIEVED },
	{ "same boot, which kexec began", { 1500, { 1 } }, true, GMFS_BELIEVED },
	{ "kexec", { 1500, { 2 } }, true, GMFS_BELIEVED },
	{ "firmware", { 1500, { 2 } }, false, GMFS_FIRMWARE },
	{ "kexec after a reset", { 500, { 2 } }, true, GMFS_TSC_BACK },
};

/* Seconds since 1970 and since the counter was 0; 2 GHz unless said otherwise. */
static struct gmfs_stamp at(u8 boot, s64 wall, u64 uptime, u64 khz)
{
	return (struct gmfs_stamp){ uptime * khz * 1000, { boot }, khz, wall * 1000000000 };
}

#define KHZ	2000000
#define HOUR	3600
#define DAY	(24 * HOUR)
#define T	(1700000000LL)

struct clocks {
	const char *name;
	s64 then_up, wall, up;	/* from then on; the counter had @then_up */
	u64 khz;
	enum gmfs_belief belief;
};

static void clocks(const void *arg)
{
	const struct clocks *c = arg;
	struct gmfs_stamp then = at(1, T, c->then_up, KHZ), now;
	struct gmfs_head h = new_head();
	struct gmfs_found f;
	u64 generation;

	now = at(2, T + c->wall, c->then_up + c->up, c->khz > 1 ? c->khz : KHZ);
	if (c->khz == 1)
		now.tsc_khz = 0;
	expect_eq(gmfs_head_seal(&h, "one", 3, &then, &generation), 0);
	expect_eq(gmfs_head_find(&h, &f), 0);
	expect_eq(gmfs_head_belief(&f, &now, true), c->belief);
	expect_eq(!strstr(f.why, "by the wall clock"), c->belief != GMFS_CLOCKS_DIFFER);
	if (c->belief == GMFS_CLOCKS_DIFFER && c->wall == 3 * DAY)
		expect(!strcmp(f.why, "since then 259200 s by the wall clock, 172800 s by the TSC: a reset? if the clock is wrong, set it and load again"),
		       "%s", f.why);
	free(h.map);
}

static const struct clocks clock_table[] = {
	{ "a kexec, a minute", 10 * DAY, 60, 60, 0, GMFS_BELIEVED },
	{ "up for a minute, a kexec", 60, 60, 60, 0, GMFS_BELIEVED },
	{ "a year without the module", 10 * DAY, 365 * DAY, 365 * DAY + 600, 0, GMFS_BELIEVED },
	{ "a wall clock in another time zone", 30 * DAY, 60 + 14 * HOUR, 60, 0, GMFS_BELIEVED },
	{ "and back", 30 * DAY, 60 - 14 * HOUR, 60, 0, GMFS_BELIEVED },
	{ "an hour off, up for 3 hours", 3 * HOUR, 60 + HOUR, 60, 0, GMFS_BELIEVED },
	{ "an hour off, up for 1 hour", HOUR, 60 + HOUR, 60, 0, GMFS_CLOCKS_DIFFER },
	{ "no real-time clock", 10 * DAY, 60 - T, 60, 0, GMFS_CLOCKS_DIFFER },
	{ "a day off", 10 * DAY, 3 * DAY, 2 * DAY, 0, GMFS_BELIEVED },
	{ "more than a day off", 10 * DAY, 3 * DAY + 2 * HOUR, 2 * DAY, 0, GMFS_CLOCKS_DIFFER },
	{ "more than half of its time off", DAY, 3 * DAY, 2 * DAY, 0, GMFS_CLOCKS_DIFFER },
	{ "a reset at once, then up for longer than before", 10 * DAY, 11 * DAY, DAY, 0,
	  GMFS_CLOCKS_DIFFER },
	{ "a reset at once, up for 10 times as long", DAY, 10 * DAY, 9 * DAY, 0,
	  GMFS_CLOCKS_DIFFER },
	{ "a reset, up for 100 times as long", DAY, 100 * DAY, 99 * DAY, 0, GMFS_CLOCKS_DIFFER },
	{ "a reset after a minute's uptime", 60, 200, 140, 0, GMFS_CLOCKS_DIFFER },
	{ "a reset, up for less than before", 10 * DAY, 6 * DAY, -4 * DAY, 0, GMFS_TSC_BACK },
	{ "a counter that is taken to be 200 ppm faster", 10 * DAY, 60, 60, KHZ + KHZ / 5000,
	  GMFS_BELIEVED },
	{ "a counter that is taken to be 60 times faster", 10 * DAY, 60, 60, 60 * KHZ,
	  GMFS_BELIEVED },
	{ "a kernel that does not know the rate", 10 * DAY, 60, 11 * DAY, 1, GMFS_BELIEVED },
};

/* A date record does not change the seal, and may be torn or missing. */
static void redated(const void *arg)
{
	struct gmfs_stamp then = at(1, T, DAY, KHZ), later = at(2, T + DAY, 2 * DAY, KHZ);
	struct gmfs_stamp now = at(3, T + 3 * DAY, DAY + HOUR, KHZ);
	struct gmfs_head h = new_head();
	struct gmfs_date *d = h.map + GMFS_DATE_2;
	struct gmfs_found f;
	u64 generation;
	size_t len;

	expect_eq(gmfs_head_seal(&h, "one", 3, &then, &generation), 0);
	gmfs_head_find(&h, &f);
	expect_eq(f.stamp.tsc, then.tsc);
	expect_eq(f.stamp.wall, then.wall);
	for (len = 0; len <= sizeof(*d); len++) {
		memset(d, 0, sizeof(*d));
		seal_bytes_left = len;
		if (!setjmp(seal_stopped))
			gmfs_head_date(&h, &later);
		seal_bytes_left = SIZE_MAX;
		expect_image(&h, "one", 1);
		gmfs_head_find(&h, &f);
		expect_eq(f.stamp.tsc, len < sizeof(*d) ? then.tsc : later.tsc);
	}
	/* An unseen reset two days later, and up for longer than when it was sealed. */
	expect_eq(f.stamp.boot_id[0], 2);
	expect_eq(gmfs_head_belief(&f, &now, true), GMFS_TSC_BACK);
	gmfs_head_date(&h, &now);
	gmfs_head_find(&h, &f);
	expect_eq(f.stamp.tsc, now.tsc);
	/* A record of another seal does not count: this one is as 0.1 wrote it. */
	((struct gmfs_date *)(h.map + GMFS_DATE))->seal_crc ^= 1;
	d->seal_crc ^= 1;
	gmfs_head_find(&h, &f);
	expect_eq(f.stamp.tsc, then.tsc);
	expect_eq(f.stamp.tsc_khz, 0);
	now.tsc = then.tsc + 1;
	expect_eq(gmfs_head_belief(&f, &now, true), GMFS_BELIEVED);
	free(h.map);
}

struct choice {
	const char *name;
	int err;
	const char *head;	/* if err is 0 */
	u64 generation;
	const char *copy;
	bool recorded;
	u64 copy_generation;
	bool damaged;	/* the record is not that of the copy, but of "head" */
	int choice;
	const char *why;
};

static void choose(const void *arg)
{
	const struct choice *c = arg;
	struct gmfs_copy copy = {
		.image = (void *)c->copy,
		.size = strlen(c->copy),
		.recorded = c->recorded,
		.generation = c->copy_generation,
		.crc = c->damaged ? gmfs_crc32c("head", 4) : gmfs_crc32c(c->copy, strlen(c->copy)),
	};
	const char *why = "";

	expect_eq(gmfs_copy_choose(&copy, c->err, c->head, c->head ? strlen(c->head) : 0,
				   c->generation, &why), c->choice);
	expect(strstr(why, c->why ?: ""), "%s", why);
	expect_eq(!c->why, !why[0]);
}

static const struct choice choices[] = {
	{ "the same", 0, "head", 5, "head", true, 5, false, 0 },
	{ "the same, by 0.1", 0, "head", 5, "head", false, 0, false, 0 },
	{ "the same, sealed twice", 0, "head", 6, "head", true, 5, false, 0 },
	{ "a damaged copy of the same", 0, "head", 5, "hexd", true, 5, true, 0 },
	{ "a damaged copy of the one before", 0, "head", 5, "hexd", true, 4, true, 0 },
	{ "a damaged copy of a later one", 0, "another", 5, "hexd", true, 6, true, -EBADMSG,
	  "checksum" },
	{ "a damaged copy beside nothing", -ENOENT, NULL, 0, "hexd", true, 5, true, -EBADMSG,
	  "checksum" },
	{ "a damaged copy beside an open head", -EUCLEAN, NULL, 4, "hexd", true, 5, true, -EBADMSG,
	  "checksum" },
	{ "a later one", 0, "head", 5, "copy", true, 6, false, 1 },
	{ "an earlier one", 0, "head", 5, "copy", true, 4, false, 0 },
	{ "another order of names", 0, "head", 5, "copy", true, 5, false, 0 },
	{ "another order of names, by 0.1", 0, "head", 5, "copy", false, 0, false, 0 },
	{ "beside nothing", -ENOENT, NULL, 0, "copy", true, 1, false, 1 },
	{ "an empty tree beside nothing", -ENOENT, NULL, 0, "copy", true, 0, false, 1 },
	{ "beside nothing, by 0.1", -ENOENT, NULL, 0, "copy", false, 0, false, 1 },
	{ "beside an open head", -EUCLEAN, NULL, 5, "copy", true, 6, false, 1 },
	{ "beside a head that was opened after it", -EUCLEAN, NULL, 5, "copy", true, 5, false,
	  -EUCLEAN, "changed after" },
	{ "beside an open head, by 0.1", -EUCLEAN, NULL, 5, "copy", false, 0, false, 1 },
	{ "beside a damaged head", -EBADMSG, NULL, 5, "copy", true, 5, false, 1 },
	{ "beside another region's head", -ENXIO, NULL, 5, "copy", true, 1, false, 1 },
};

void seal_tests(void)
{
	unit_run("seal", "CRC32C is RFC 3720's", crc_is_rfc3720s, NULL);
	unit_run("seal", "the newest image wins", newest_wins, NULL);
	unit_run("seal", "changes open what is sealed", opened, NULL);
	unit_run("seal", "an image too large", too_large, NULL);
	unit_run("seal", "any bit flipped", flipped, NULL);
	unit_run("seal", "the head of a region that was moved", is_at, NULL);
	unit_run("seal", "without slot 0 there is nothing", no_slot_0, NULL);
	unit_run("seal", "a new seal beside damaged ones", heals, NULL);
	unit_run("seal", "a later version", later_version, NULL);
	unit_run("seal", "dated anew", redated, NULL);
	run_table("seal cut", cut, cuts);
	run_table("seal of another region", other, others);
	run_table("seal believed", belief, beliefs);
	run_table("seal and KHO's copy", choose, choices);
	run_table("seal and clocks", clocks, clock_table);
}
