/* Looking keys up without adding them. */
#include "columnar/aggregate.h"
#include "columnar/keys.h"

#include "unit/columns.h"
#include "unit/paged_kit.h"

#define MOST 3000

static void ids_of(desk *d, ds_keys *keys, bool add, const ds_column *const *columns, uint32_t n,
                   uint32_t *ids)
{
    static uint64_t hashes[MOST];
    ds_hash_rows(&d->heap, columns, 2, n, hashes);
    if (add)
        ds_keys_put(keys, &d->heap, columns, hashes, n, ids);
    else
        ds_keys_find(keys, &d->heap, columns, hashes, n, ids);
}

START_TEST(only_what_is_there)
{
    desk d;
    desk_open(&d);
    static const ds_type types[] = {DS_TYPE(DS_FLOAT), DS_TYPE(DS_STRING)};
    ds_keys *keys = ds_keys_new(types, 2, NULL);
    const ds_column *there[] = {column_of(&d, types[0], "1.5 null -0.0 2.5"),
                                column_of(&d, types[1], "a 'some text beyond a view' null b")};
    const ds_column *asked[] = {
        column_of(&d, types[0], "0.0 1.5 null null 2.5 1.5"),
        column_of(&d, types[1], "null a 'some text beyond a view' null a 'some text'")};
    uint32_t put[4], found[6];
    ids_of(&d, keys, false, asked, 6, found); /* an empty table */
    for (int i = 0; i < 6; i++)
        ck_assert_uint_eq(found[i], DS_NO_KEY);
    ids_of(&d, keys, true, there, 4, put);
    ids_of(&d, keys, false, asked, 6, found);
    const uint32_t expected[] = {put[2], put[0], put[1], DS_NO_KEY, DS_NO_KEY, DS_NO_KEY};
    for (int i = 0; i < 6; i++)
        ck_assert_uint_eq(found[i], expected[i]);
    ck_assert_uint_eq(ds_keys_count(keys), 4);
    ds_keys_free(keys);
    desk_close(&d);
}
END_TEST

START_TEST(very_many)
{
    desk d;
    desk_open(&d);
    static const ds_type types[] = {DS_TYPE(DS_INT), DS_TYPE(DS_BOOL)};
    ds_keys *keys = ds_keys_new(types, 2, NULL);
    ds_column *numbers = ds_column_new(d.arena, types[0], MOST);
    ds_column *flags = ds_column_new(d.arena, types[1], MOST);
    memset(flags->bits, 0x55, ds_bitmap_words(MOST) * 8);
    const ds_column *const columns[] = {numbers, flags};
    uint32_t put[MOST], found[MOST];
    for (int i = 0; i < MOST; i++)
        numbers->ints[i] = 2 * i;
    ids_of(&d, keys, true, columns, MOST, put);
    for (int i = 0; i < MOST; i++)
        numbers->ints[i] = 2 * (i / 2) + i % 2 * 2 * MOST;
    ids_of(&d, keys, false, columns, MOST, found);
    for (int i = 0; i < MOST; i++) { /* the flag of row i / 2 has to be that of row i, too */
        bool there = i % 2 == 0 && i / 2 % 2 == i % 2;
        ck_assert_uint_eq(found[i], there ? put[i / 2] : DS_NO_KEY);
    }
    ds_keys_free(keys);
    desk_close(&d);
}
END_TEST

/* Where large arrays grow by a quarter, those of wider items are large sooner. */
START_TEST(more_than_a_share_holds)
{
    desk d;
    paged_kit k;
    ds_budget budget;
    desk_open(&d);
    paged_open(&k, (uint64_t)64 << 20, (uint64_t)16 << 20, (uint64_t)1 << 20);
    ds_budget_init(&budget, NULL, 0);
    budget.paged = k.paged;
    static const ds_type types[] = {DS_TYPE(DS_INT), DS_TYPE(DS_INT)};
    ds_keys *keys = ds_keys_new(types, 2, &budget);
    ds_column *numbers = ds_column_new(d.arena, types[0], MOST);
    const ds_column *const columns[] = {numbers, numbers};
    uint32_t ids[MOST];
    for (uint32_t round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < MOST; i++)
            numbers->ints[i] = (int64_t)round * MOST + i;
        ids_of(&d, keys, true, columns, MOST, ids);
        for (uint32_t i = 0; i < MOST; i++)
            ck_assert_uint_eq(ids[i], round * MOST + i);
    }
    for (uint32_t i = 0; i < MOST; i++)
        numbers->ints[i] = (int64_t)i * 200;
    ids_of(&d, keys, false, columns, MOST, ids);
    for (uint32_t i = 0; i < MOST; i++)
        ck_assert_uint_eq(ids[i], i * 200);
    ds_keys_free(keys);
    paged_close(&k);
    desk_close(&d);
}
END_TEST

UNIT_MAIN("keys_find", only_what_is_there, very_many, more_than_a_share_holds)
