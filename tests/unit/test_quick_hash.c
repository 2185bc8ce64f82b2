/* Quick hashes: what they are of, and tables that are looked up by them. */
#include "base/random.h"
#include "columnar/keys.h"
#include "columnar/quick_hash.h"
#include "unit/grouping.h"

#define ROWS 3000u
#define LONGEST 70u

/* Text of any length, of which much is alike: it differs in one byte. */
static ds_view text_like(desk *d, uint32_t length, uint32_t odd)
{
    char *text = ds_arena_alloc(d->arena, length + 1);
    memset(text, 'a', length);
    if (length > 0)
        text[odd % length] = 'b';
    return ds_view_copy(&d->heap, text, length);
}

static uint64_t hash_of_view(desk *d, ds_view view)
{
    ds_column column = {.type = DS_TYPE(DS_STRING), .length = 1, .views = &view};
    const ds_column *keys[] = {&column};
    uint64_t hash;
    ds_quick_hash_rows(&d->heap, keys, 1, 1, &hash);
    return hash;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* No byte of a text is left out, nor its length. */
START_TEST(every_byte_counts)
{
    desk d;
    desk_open(&d);
    static uint64_t hashes[LONGEST * (LONGEST + 1) / 2];
    uint32_t n = 0;
    for (uint32_t length = 1; length <= LONGEST; length++)
        for (uint32_t odd = 0; odd < length; odd++)
            hashes[n++] = hash_of_view(&d, text_like(&d, length, odd));
    qsort(hashes, n, sizeof *hashes, by_value);
    for (uint32_t i = 1; i < n; i++)
        ck_assert_uint_ne(hashes[i - 1], hashes[i]);
    desk_close(&d);
}
END_TEST

START_TEST(equal_values_have_equal_hashes)
{
    desk d;
    desk_open(&d);
    uint64_t hashes[4];
    const ds_column *zeros = column_of(&d, DS_TYPE(DS_FLOAT), "0.0 -0.0 1 null");
    ds_quick_hash_rows(&d.heap, &zeros, 1, 4, hashes);
    ck_assert_uint_eq(hashes[0], hashes[1]);
    ck_assert_uint_ne(hashes[1], hashes[2]);
    ck_assert_uint_ne(hashes[1], hashes[3]);
    const ds_column *pair[] = {column_of(&d, DS_TYPE(DS_INT), "1 2 1 null"),
                               column_of(&d, DS_TYPE(DS_INT), "2 1 2 2")};
    ds_quick_hash_rows(&d.heap, pair, 2, 4, hashes);
    ck_assert_uint_eq(hashes[0], hashes[2]);
    ck_assert_uint_ne(hashes[0], hashes[1]);
    ck_assert_uint_ne(hashes[0], hashes[3]);
    ds_quick_hash_rows(&d.heap, NULL, 0, 4, hashes);
    ck_assert_uint_eq(hashes[3], 0);
    desk_close(&d);
}
END_TEST

/* Rows of four kinds of keys, some null. */
static void random_keys(bench *b, uint64_t seed, bool nulls, const ds_column **keys)
{
    ds_random random;
    ds_random_init(&random, seed);
    ds_column *text = ds_column_new(b->d.arena, b->keys[0], ROWS);
    ds_column *number = ds_column_new(b->d.arena, b->keys[1], ROWS);
    ds_column *flag = ds_column_new(b->d.arena, b->keys[2], ROWS);
    ds_column *real = ds_column_new(b->d.arena, b->keys[3], ROWS);
    for (uint32_t i = 0; i < ROWS; i++) {
        uint32_t length = (uint32_t)ds_random_below(&random, LONGEST + 1);
        text->views[i] = text_like(&b->d, length, (uint32_t)ds_random_below(&random, 40));
        number->ints[i] = (int64_t)ds_random_below(&random, 2);
        ds_bit_put(flag->bits, i, ds_random_below(&random, 2) == 0);
        real->floats[i] = ds_random_below(&random, 2) == 0 ? -0.0 : 0.5;
    }
    ds_column *all[] = {text, number, flag, real};
    for (uint32_t k = 0; k < 4; k++) {
        for (uint32_t i = k; nulls && i < ROWS; i += 7 + k) {
            ds_column_need_validity(all[k], b->d.arena);
            ds_bit_clear(all[k]->validity, i);
        }
        keys[k] = all[k];
    }
}

static void update(bench *b, const ds_column *const *keys)
{
    const ds_column *const *args[] = {NULL};
    ds_groups_update(b->groups, &b->d.heap, keys, args, NULL, NULL, ROWS);
}

/* The groups of b are those of the rows in the order in which keys first come, by a table of stable
 * hashes; and so are the hashes it gives. */
static void check_groups(bench *b, const ds_column *const *const *fed, uint32_t n_fed,
                         const int64_t *times)
{
    ds_keys *keys = ds_keys_new(b->keys, 4, NULL);
    static uint64_t hashes[ROWS];
    static uint32_t ids[ROWS], all[3 * ROWS];
    static int64_t counts[3 * ROWS];
    memset(counts, 0, sizeof counts);
    for (uint32_t f = 0; f < n_fed; f++) {
        ds_hash_rows(&b->d.heap, fed[f], 4, ROWS, hashes);
        ds_keys_put(keys, &b->d.heap, fed[f], hashes, ROWS, ids);
        for (uint32_t i = 0; i < ROWS; i++)
            counts[ids[i]] += times[f];
    }
    uint32_t n = ds_keys_limit(keys);
    ck_assert_uint_eq(ds_groups_count(b->groups), n);
    ck_assert_uint_gt(n, ROWS / 2);
    for (uint32_t i = 0; i < n; i++)
        all[i] = i;
    ds_column *made[5], *wanted[4];
    ds_groups_results(b->groups, b->d.arena, &b->d.heap, all, n, made, NULL);
    ds_keys_columns(keys, b->d.arena, &b->d.heap, all, n, wanted);
    for (uint32_t k = 0; k < 4; k++)
        ck_assert_str_eq(text_of(&b->d, made[k]), text_of(&b->d, wanted[k]));
    const uint64_t *stable = ds_groups_hashes(b->groups);
    for (uint32_t i = 0; i < n; i++) {
        ck_assert_int_eq(made[4]->ints[i], counts[i]);
        ck_assert_uint_eq(stable[i], ds_keys_hashes(keys)[i]);
    }
    ds_keys_free(keys);
}

static void open_groups(bench *b)
{
    bench_open(b);
    bench_key(b, DS_TYPE(DS_STRING));
    bench_key(b, DS_TYPE(DS_INT));
    bench_key(b, DS_TYPE(DS_BOOL));
    bench_key(b, DS_TYPE(DS_FLOAT));
    bench_call(b, "count", DS_TYPE(DS_NULL_TYPE));
    bench_start(b);
}

/* Also where rows come after the hashes were asked for, and nulls after keys without any. */
START_TEST(groups_have_stable_hashes)
{
    bench b;
    open_groups(&b);
    const ds_column *few[4], *more[4];
    random_keys(&b, 1, false, few);
    random_keys(&b, 2, true, more);
    const ds_column *const *const fed[] = {few, more, few};
    static const int64_t once[] = {1, 1, 1};
    for (uint32_t i = 0; i < 3; i++) {
        update(&b, fed[i]);
        check_groups(&b, fed, i + 1, once);
    }
    ds_groups_clear(b.groups);
    update(&b, more);
    check_groups(&b, fed + 1, 1, once);
    bench_close(&b);
}
END_TEST

/* Partials of the rows in `keys`, twice each. */
static void merge(bench *b, const ds_column *const *keys)
{
    ds_column counts = *keys[1];
    counts.validity = NULL;
    counts.ints = ds_arena_alloc(b->d.arena, ROWS * sizeof(int64_t));
    for (uint32_t i = 0; i < ROWS; i++)
        counts.ints[i] = 2;
    const ds_column *partials[] = {keys[0], keys[1], keys[2], keys[3], &counts};
    ds_groups_merge(b->groups, &b->d.heap, partials, ROWS);
}

START_TEST(rows_and_partials_in_one_table)
{
    static const int64_t rows_first[] = {1, 2}, partials_first[] = {2, 1};
    for (int nulls = 0; nulls < 2; nulls++) {
        bench b;
        open_groups(&b);
        const ds_column *one[4], *two[4];
        random_keys(&b, 3, nulls == 1, one);
        random_keys(&b, 4, nulls == 1, two);
        const ds_column *const *const fed[] = {one, two};
        update(&b, one);
        merge(&b, two);
        check_groups(&b, fed, 2, rows_first);
        bench_start(&b);
        merge(&b, one);
        update(&b, two);
        check_groups(&b, fed, 2, partials_first);
        bench_start(&b);
        ds_groups_add(b.groups, &b.d.heap, one, ROWS);
        update(&b, two);
        check_groups(&b, fed, 2, (const int64_t[]){0, 1});
        bench_close(&b);
    }
}
END_TEST

UNIT_MAIN("quick_hash", every_byte_counts, equal_values_have_equal_hashes,
          groups_have_stable_hashes, rows_and_partials_in_one_table)
