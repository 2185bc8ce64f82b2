/* The table: keys of every type, nulls, growth, filters, merging, numbers. */
#include "base/random.h"
#include "columnar/keys.h"
#include "columnar/text_store.h"
#include "unit/grouping.h"

#include <xxhash.h>

#define NOTHING DS_TYPE(DS_NULL_TYPE)
#define INT DS_TYPE(DS_INT)
#define STRING DS_TYPE(DS_STRING)
#define LONG "'a key of more than twelve bytes'"

static const char *count_of(ds_type key, const char *rows)
{
    static char text[1024];
    bench b;
    bench_open(&b);
    bench_key(&b, key);
    bench_call(&b, "count", NOTHING);
    bench_start(&b);
    feed(&b, b.groups, rows);
    feed(&b, b.groups, rows);
    snprintf(text, sizeof text, "%s", results(&b, b.groups));
    bench_close(&b);
    return text;
}

START_TEST(keys_of_every_type)
{
    ck_assert_str_eq(count_of(INT, "5 -1 5 null 0 null"), "5 4; -1 2; null 4; 0 2");
    ck_assert_str_eq(count_of(STRING, "a b '' a null " LONG " a " LONG " null"),
                     "a 6; b 2; '' 2; null 4; " LONG " 4");
    ck_assert_str_eq(count_of(DS_TYPE(DS_BOOL), "true null false true"), "true 4; null 2; false 2");
    ck_assert_str_eq(count_of(DS_TYPE(DS_FLOAT), "0.5 null 1e+300 0.5"), "0.5 4; null 2; 1e+300 2");
    ck_assert_str_eq(count_of(DS_TYPE(DS_TIMESTAMP), "7 -7 7"), "7 4; -7 2");
    ck_assert_str_eq(count_of(INT, ""), "");
}
END_TEST

START_TEST(negative_zero_is_zero)
{
    ck_assert_str_eq(count_of(DS_TYPE(DS_FLOAT), "-0.0 0.0 -0.0"), "0 6");
    double zeros[2] = {-0.0, 0.0};
    ds_column column = {.type = DS_TYPE(DS_FLOAT), .length = 2, .floats = zeros};
    const ds_column *keys[] = {&column};
    uint64_t hashes[2];
    ds_hash_rows(NULL, keys, 1, 2, hashes);
    ck_assert_uint_eq(hashes[0], hashes[1]);
}
END_TEST

START_TEST(strings_that_differ_in_one_place)
{
    ck_assert_str_eq(count_of(STRING, "abcdefghijkl abcdefghijkm abcdefghijklm abcdefghijkln "
                                      "abcXefghijklm abcdefghijklm"),
                     "abcdefghijkl 2; abcdefghijkm 2; abcdefghijklm 4; abcdefghijkln 2; "
                     "abcXefghijklm 2");
}
END_TEST

START_TEST(several_columns)
{
    bench b;
    bench_open(&b);
    bench_key(&b, STRING);
    bench_key(&b, INT);
    bench_key(&b, DS_TYPE(DS_BOOL));
    bench_call(&b, "count", NOTHING);
    bench_start(&b);
    feed(&b, b.groups, "a a b a null null '' null", "1 2 1 1 1 null null 0",
         "true true true true null null null null");
    ck_assert_str_eq(results(&b, b.groups), "a 1 true 2; a 2 true 1; b 1 true 1; null 1 null 1; "
                                            "null null null 1; '' null null 1; null 0 null 1");
    bench_close(&b);
}
END_TEST

START_TEST(without_keys_there_is_one_group)
{
    bench b;
    bench_open(&b);
    bench_call(&b, "count", NOTHING);
    bench_call(&b, "sum", INT);
    bench_start(&b);
    ck_assert_uint_eq(ds_groups_count(b.groups), 1);
    ck_assert_str_eq(results(&b, b.groups), "0 null");
    feed(&b, b.groups, "1 2 3");
    feed(&b, b.groups, "4");
    ck_assert_str_eq(results(&b, b.groups), "4 10");
    ds_groups_clear(b.groups);
    ck_assert_str_eq(results(&b, b.groups), "0 null");
    ck_assert_uint_eq(ds_groups_hashes(b.groups)[0], 0);
    bench_close(&b);
}
END_TEST

START_TEST(keys_alone_are_distinct_rows)
{
    bench b;
    bench_open(&b);
    bench_key(&b, INT);
    bench_start(&b);
    feed(&b, b.groups, "3 1 3 2 1");
    ck_assert_str_eq(results(&b, b.groups), "3; 1; 2");
    ds_groups *other = bench_groups(&b);
    feed(&b, other, "9 1");
    merge_groups(&b, b.groups, other);
    ck_assert_str_eq(results(&b, b.groups), "3; 1; 2; 9");
    ds_groups_free(other);
    bench_close(&b);
}
END_TEST

START_TEST(a_filter_keeps_the_group)
{
    bench b;
    bench_open(&b);
    bench_key(&b, STRING);
    bench_call(&b, "sum", INT);
    bench_call(&b, "count", NOTHING);
    bench_start(&b);
    feed_with(&b, b.groups, (feed_options){.filter = "true false null true true"},
              (const char *const[]){"a a b c c", "1 2 3 4 null"});
    ck_assert_str_eq(results(&b, b.groups), "a 1 2; b null 1; c 4 2");
    bench_close(&b);
}
END_TEST

START_TEST(ids_in_any_order_and_number)
{
    bench b;
    bench_open(&b);
    bench_key(&b, STRING);
    bench_call(&b, "count", NOTHING);
    bench_start(&b);
    feed(&b, b.groups, "a b c b");
    ds_column *columns[2];
    uint32_t ids[] = {2, 0, 1, 2};
    ds_groups_results(b.groups, b.d.arena, &b.d.heap, ids, 4, columns, NULL);
    ck_assert_str_eq(rows_text(&b.d, columns, 2, 4), "c 1; a 1; b 2; c 1");
    ds_groups_partials(b.groups, b.d.arena, &b.d.heap, ids, 2, columns);
    ck_assert_str_eq(rows_text(&b.d, columns, 2, 2), "c 1; a 1");
    ds_groups_results(b.groups, b.d.arena, &b.d.heap, ids, 0, columns, NULL);
    ck_assert_uint_eq(columns[0]->length, 0);
    bench_close(&b);
}
END_TEST

static void make_key(char text[static 40], uint32_t i)
{
    snprintf(text, 40, i % 3 == 0 ? "%u" : "a somewhat longer key %u", i);
}

START_TEST(many_keys)
{
    bench b;
    bench_open(&b);
    bench_key(&b, STRING);
    bench_call(&b, "count", NOTHING);
    bench_start(&b);
    uint32_t n = 100000;
    ds_column *keys = ds_column_new(b.d.arena, STRING, n);
    for (uint32_t i = 0; i < n; i++) {
        char text[40];
        make_key(text, i);
        keys->views[i] = ds_view_copy(&b.d.heap, text, (uint32_t)strlen(text));
    }
    const ds_column *columns[] = {keys}, *const * args[] = {NULL};
    for (int round = 0; round < 2; round++)
        ds_groups_update(b.groups, &b.d.heap, columns, args, NULL, NULL, n);
    ck_assert_uint_eq(ds_groups_count(b.groups), n);
    ds_column *out[2];
    ds_groups_results(b.groups, b.d.arena, &b.d.heap, all_ids(&b, n), n, out, NULL);
    uint64_t *hashes = ds_arena_alloc(b.d.arena, n * sizeof *hashes);
    ds_hash_rows(&b.d.heap, columns, 1, n, hashes);
    for (uint32_t i = 0; i < n; i++) {
        ck_assert(ds_view_equal(&b.d.heap, &out[0]->views[i], &keys->views[i]));
        ck_assert_int_eq(out[1]->ints[i], 2);
        ck_assert_uint_eq(ds_groups_hashes(b.groups)[i], hashes[i]);
    }
    size_t bytes = ds_groups_bytes(b.groups);
    ck_assert_int_le(b.budget.used_bytes, (int64_t)bytes);
    ck_assert_int_ge(b.budget.used_bytes, (int64_t)bytes - 4096);
    ds_groups_clear(b.groups);
    ck_assert_uint_eq(ds_groups_count(b.groups), 0);
    ds_groups_update(b.groups, &b.d.heap, columns, args, NULL, NULL, 10);
    ck_assert_uint_eq(ds_groups_count(b.groups), 10);
    bench_close(&b);
}
END_TEST

/* A table that is told how many groups come is the same in all but where they lie. */
START_TEST(room_made_before)
{
    bench b;
    bench_open(&b);
    bench_key(&b, DS_TYPE(DS_INT));
    bench_call(&b, "count", NOTHING);
    bench_start(&b);
    const uint32_t n = 3000, told[] = {0, 10, 31, 32, 1500, 3000, 100000};
    ds_column *keys = ds_column_new(b.d.arena, DS_TYPE(DS_INT), n);
    for (uint32_t i = 0; i < n; i++)
        keys->ints[i] = i * 7919 % 2500;
    const ds_column *columns[] = {keys}, *const * args[] = {NULL};
    for (uint32_t t = 0; t < sizeof told / sizeof *told; t++) {
        ds_groups *plain = bench_groups(&b), *made = bench_groups(&b);
        ds_groups_reserve(made, told[t]);
        for (uint32_t at = 1; at <= n; at += at / 3 + 1) {
            ds_groups_update(plain, &b.d.heap, columns, args, NULL, NULL, at);
            ds_groups_update(made, &b.d.heap, columns, args, NULL, NULL, at);
            ck_assert_uint_eq(ds_groups_bytes(made), ds_groups_bytes(plain));
            ck_assert_uint_eq(ds_groups_count(made), ds_groups_count(plain));
        }
        ds_groups_reserve(made, 200000); /* too late: nothing comes of it */
        ck_assert_str_eq(results(&b, made), results(&b, plain));
        ds_groups_clear(made);
        ds_groups_update(made, &b.d.heap, columns, args, NULL, NULL, 5);
        ck_assert_uint_eq(ds_groups_count(made), 5);
        ds_groups_free(plain);
        ds_groups_free(made);
    }
    bench_close(&b);
}
END_TEST

START_TEST(results_add_the_text_to_a_heap_once)
{
    bench b;
    bench_open(&b);
    bench_key(&b, STRING);
    bench_start(&b);
    feed(&b, b.groups, LONG);
    results(&b, b.groups);
    uint32_t buffers = b.d.heap.n_buffers;
    for (int i = 0; i < 100; i++)
        results(&b, b.groups);
    ck_assert_uint_eq(b.d.heap.n_buffers, buffers);
    bench_close(&b);
}
END_TEST

START_TEST(a_block_at_a_time_is_all_at_once)
{
    /* 5,000 rows in one call, against one call for each row. */
    bench b;
    bench_open(&b);
    bench_key(&b, INT);
    bench_call(&b, "sum", INT);
    bench_start(&b);
    ds_groups *single = bench_groups(&b);
    uint32_t n = 5000;
    ds_column *k = ds_column_new(b.d.arena, INT, n), *x = ds_column_new(b.d.arena, INT, n);
    ds_column_need_validity(k, b.d.arena);
    ds_column_need_validity(x, b.d.arena);
    ds_random random;
    ds_random_init(&random, 3);
    for (uint32_t i = 0; i < n; i++) {
        k->ints[i] = (int64_t)ds_random_below(&random, 700);
        x->ints[i] = (int64_t)ds_random_next(&random) >> 8;
        ds_bit_put(k->validity, i, ds_random_below(&random, 50) > 0);
        ds_bit_put(x->validity, i, ds_random_below(&random, 4) > 0);
    }
    const ds_column *keys[] = {k}, *arg[] = {x}, *const * args[] = {arg};
    ds_groups_update(b.groups, &b.d.heap, keys, args, NULL, NULL, n);
    for (uint32_t i = 0; i < n; i++) {
        const ds_column *one_key[] = {ds_column_gather(b.d.arena, k, &i, 1)};
        const ds_column *one_arg[] = {ds_column_gather(b.d.arena, x, &i, 1)};
        const ds_column *const *one[] = {one_arg};
        ds_groups_update(single, &b.d.heap, one_key, one, NULL, NULL, 1);
    }
    ck_assert_str_eq(results(&b, b.groups), results(&b, single));
    ds_groups_free(single);
    bench_close(&b);
}
END_TEST

/* These numbers are part of the format of checkpoints: they must never change. */
START_TEST(hashes_are_fixed)
{
    desk d;
    desk_open(&d);
    const ds_column *strings =
        column_of(&d, STRING, "'' a word exactlytwelv thirteenbytes " LONG " null");
    const ds_column *ints = column_of(&d, INT, "0 1 -1 9223372036854775807 5 null 77");
    const ds_column *floats = column_of(&d, DS_TYPE(DS_FLOAT), "0 -0.0 1 0.1 5 null 1e300");
    const ds_column *bools = column_of(&d, DS_TYPE(DS_BOOL), "true false true true true null true");
    const ds_column *keys[] = {strings, ints, floats, bools};
    uint64_t one[7], all[7];
    uint64_t sums[5] = {0};
    for (int k = 0; k < 4; k++) {
        ds_hash_rows(&d.heap, &keys[k], 1, 7, one);
        for (int i = 0; i < 7; i++)
            sums[k] = sums[k] * 31 + one[i];
    }
    ds_hash_rows(&d.heap, keys, 4, 7, all);
    for (int i = 0; i < 7; i++)
        sums[4] = sums[4] * 31 + all[i];
    ck_assert_uint_eq(sums[0], UINT64_C(3669620330971959416));
    ck_assert_uint_eq(sums[1], UINT64_C(4334042105194797838));
    ck_assert_uint_eq(sums[2], UINT64_C(263797219792517970));
    ck_assert_uint_eq(sums[3], UINT64_C(9377554544860581860));
    ck_assert_uint_eq(sums[4], UINT64_C(5207321435525948373));
    desk_close(&d);
}
END_TEST

static uint64_t hash_of(desk *d, ds_type type, const char *value)
{
    const ds_column *column = column_of(d, type, value);
    uint64_t hash;
    ds_hash_rows(&d->heap, &column, 1, 1, &hash);
    return hash;
}

START_TEST(hashes_have_their_definition)
{
    desk d;
    desk_open(&d);
    int64_t five = 5;
    double half = 0.5;
    char short_view[16] = {3, 0, 0, 0, 'a', 'b', 'c'}, one = 1;
    uint64_t null = XXH3_64bits("", 0);
    ck_assert_uint_eq(hash_of(&d, INT, "5"), XXH3_64bits(&five, 8));
    ck_assert_uint_eq(hash_of(&d, DS_TYPE(DS_TIMESTAMP), "5"), XXH3_64bits(&five, 8));
    ck_assert_uint_eq(hash_of(&d, DS_TYPE(DS_FLOAT), "0.5"), XXH3_64bits(&half, 8));
    ck_assert_uint_eq(hash_of(&d, DS_TYPE(DS_BOOL), "true"), XXH3_64bits(&one, 1));
    ck_assert_uint_eq(hash_of(&d, STRING, "abc"), XXH3_64bits(short_view, 16));
    ck_assert_uint_eq(hash_of(&d, STRING, "thirteenbytes"), XXH3_64bits("thirteenbytes", 13));
    ck_assert_uint_eq(hash_of(&d, STRING, "null"), null);
    ck_assert_uint_eq(hash_of(&d, DS_TYPE(DS_BOOL), "null"), null);
    const ds_column *keys[] = {column_of(&d, INT, "5"), column_of(&d, STRING, "abc"),
                               column_of(&d, INT, "null")};
    uint64_t hash, pair[2] = {XXH3_64bits(&five, 8), XXH3_64bits(short_view, 16)};
    pair[0] = XXH3_64bits(pair, 16);
    pair[1] = null;
    ds_hash_rows(&d.heap, keys, 3, 1, &hash);
    ck_assert_uint_eq(hash, XXH3_64bits(pair, 16));
    ds_hash_rows(&d.heap, keys, 0, 1, &hash);
    ck_assert_uint_eq(hash, 0);
    desk_close(&d);
}
END_TEST

START_TEST(partitions_are_even)
{
    uint32_t n = 20000, counts[7] = {0};
    int64_t values[20000];
    uint64_t hashes[20000];
    for (uint32_t i = 0; i < n; i++)
        values[i] = i;
    ds_column column = {.type = INT, .length = n, .ints = values};
    const ds_column *keys[] = {&column};
    ds_hash_rows(NULL, keys, 1, n, hashes);
    for (uint32_t i = 0; i < n; i++)
        counts[ds_hash_partition(hashes[i], 7)]++;
    for (int p = 0; p < 7; p++)
        ck_assert(counts[p] > n / 7 - 300 && counts[p] < n / 7 + 300);
}
END_TEST

/* ---- Keys that are taken out ---- */

static uint32_t put_int(ds_keys *keys, int64_t value)
{
    ds_column column = {.type = INT, .length = 1, .ints = &value};
    const ds_column *columns[] = {&column};
    uint64_t hash;
    uint32_t id;
    ds_hash_rows(NULL, columns, 1, 1, &hash);
    ds_keys_put(keys, NULL, columns, &hash, 1, &id);
    return id;
}

START_TEST(removed_numbers_come_again)
{
    ds_type type = INT;
    ds_keys *keys = ds_keys_new(&type, 1, NULL);
    for (int64_t v = 0; v < 10; v++)
        ck_assert_int_eq(put_int(keys, v), v);
    ds_keys_remove(keys, 3);
    ck_assert_uint_eq(ds_keys_count(keys), 9);
    ck_assert_uint_eq(put_int(keys, 4), 4);
    ck_assert_uint_eq(put_int(keys, 100), 3);
    ck_assert_uint_eq(put_int(keys, 3), 10);
    ck_assert_uint_eq(ds_keys_limit(keys), 11);
    ds_keys_free(keys);
}
END_TEST

START_TEST(random_puts_and_removes)
{
    enum { VALUES = 3000 };
    static int64_t id_of[VALUES];
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    ds_type type = INT;
    ds_keys *keys = ds_keys_new(&type, 1, &budget);
    ds_random random;
    ds_random_init(&random, 11);
    for (int v = 0; v < VALUES; v++)
        id_of[v] = -1;
    uint32_t live = 0;
    for (int step = 0; step < 200000; step++) {
        uint32_t v = (uint32_t)ds_random_below(&random, VALUES);
        if (id_of[v] >= 0 && ds_random_below(&random, 2) == 0) {
            ds_keys_remove(keys, (uint32_t)id_of[v]);
            id_of[v] = -1;
            live--;
        } else {
            uint32_t id = put_int(keys, v);
            ck_assert(id_of[v] < 0 || id_of[v] == (int64_t)id);
            live += id_of[v] < 0;
            id_of[v] = id;
        }
        ck_assert_uint_eq(ds_keys_count(keys), live);
    }
    for (int v = 0; v < VALUES; v++)
        if (id_of[v] >= 0) {
            ck_assert_int_eq(put_int(keys, v), id_of[v]);
            ck_assert_int_eq((int64_t)ds_keys_words(keys, 0)[id_of[v]], v);
        }
    ck_assert_uint_le(ds_keys_limit(keys), VALUES);
    ds_keys_free(keys);
    ck_assert_int_eq(budget.used_bytes, 0);
}
END_TEST

START_TEST(text_of_removed_keys_is_given_back)
{
    desk d;
    desk_open(&d);
    ds_type type = STRING;
    ds_keys *keys = ds_keys_new(&type, 1, NULL);
    size_t most = 0;
    for (uint32_t i = 0; i < 50000; i++) {
        char text[64];
        int length = snprintf(text, sizeof text, "a key that is never seen again %u", i);
        ds_arena_reset(d.arena);
        ds_heap_reset(&d.heap);
        ds_column *column = ds_column_new(d.arena, STRING, 1);
        column->views[0] = ds_view_copy(&d.heap, text, (uint32_t)length);
        const ds_column *columns[] = {column};
        uint64_t hash;
        uint32_t id;
        ds_hash_rows(&d.heap, columns, 1, 1, &hash);
        ds_keys_put(keys, &d.heap, columns, &hash, 1, &id);
        if (i % 8 != 0 || i > 1000)
            ds_keys_remove(keys, id);
        most = ds_keys_bytes(keys) > most ? ds_keys_bytes(keys) : most;
    }
    ck_assert_uint_eq(ds_keys_count(keys), 126);
    ck_assert_uint_lt(most, 300000); /* 1.7 MB went through */
    ds_column *out;
    uint32_t first = 0;
    ds_keys_columns(keys, d.arena, &d.heap, &first, 1, &out);
    ck_assert_str_eq(text_of(&d, out), "'a key that is never seen again 0'");
    ds_keys_free(keys);
    desk_close(&d);
}
END_TEST

START_TEST(a_store_that_lends_copies_nothing)
{
    ds_text_store store;
    ds_text_store_init(&store, NULL);
    ds_text_store_lend(&store);
    const char *pane = "text that belongs to a pane";
    ds_text_store_set(&store, 2, pane);
    ds_view view = ds_view_at(pane + 5, 20, 2, 5);
    ds_view kept = ds_text_store_keep(&store, &store.heap, &view);
    ck_assert_mem_eq(&view, &kept, sizeof view);
    ck_assert_ptr_eq(ds_view_bytes(&store.heap, &kept), pane + 5);
    desk d;
    desk_open(&d);
    ds_heap_add(&d.heap, "x");
    uint32_t base = ds_text_store_export(&store, &d.heap);
    ck_assert_uint_eq(base, 1);
    ds_view seen = ds_text_store_view(&kept, base);
    ck_assert_ptr_eq(ds_view_bytes(&d.heap, &seen), pane + 5);
    ds_text_store_fini(&store);
    desk_close(&d);
}
END_TEST

/* The groups that are noted as merged, by number. */
static const char *merged(const ds_groups *groups, uint32_t most)
{
    static char text[256];
    uint32_t at = 0, n, ids[8];
    int length = 0;
    text[0] = '\0';
    while ((n = ds_groups_merged(groups, &at, ids, most)) > 0)
        for (uint32_t i = 0; i < n; i++) {
            ck_assert(ds_groups_was_merged(groups, ids[i]));
            length += snprintf(text + length, sizeof text - (size_t)length, "%s%u",
                               length > 0 ? " " : "", ids[i]);
        }
    ck_assert(ds_groups_any_merged(groups) == (length > 0));
    return text;
}

static void merge_keys(bench *b, ds_groups *to, const char *keys)
{
    ds_groups *from = bench_groups(b);
    feed(b, from, keys);
    merge_groups(b, to, from);
    ds_groups_free(from);
}

START_TEST(merges_are_noted)
{
    bench b;
    bench_open(&b);
    bench_key(&b, STRING);
    bench_call(&b, "count", NOTHING);
    bench_start(&b);
    merge_keys(&b, b.groups, "a b c");
    ck_assert_str_eq(merged(b.groups, 8), ""); /* nobody asked */
    ds_groups_watch(b.groups);
    ck_assert_str_eq(merged(b.groups, 8), "");
    merge_keys(&b, b.groups, "c d a d");
    ck_assert_str_eq(merged(b.groups, 8), "0 2 3");
    ck_assert_str_eq(merged(b.groups, 1), "0 2 3");
    ck_assert(!ds_groups_was_merged(b.groups, 1) && !ds_groups_was_merged(b.groups, 4000000000u));
    ds_groups_forget_merged(b.groups);
    ck_assert_str_eq(merged(b.groups, 8), "");
    merge_keys(&b, b.groups, "b");
    ck_assert_str_eq(merged(b.groups, 8), "1");
    ds_groups_clear(b.groups);
    ck_assert_str_eq(merged(b.groups, 8), "");
    merge_keys(&b, b.groups, "z");
    ck_assert_str_eq(merged(b.groups, 8), "0");
    bench_close(&b);
}
END_TEST

/* Keys first, in an order of their own; partials later. */
START_TEST(groups_of_no_rows)
{
    bench b;
    bench_open(&b);
    bench_key(&b, STRING);
    bench_call(&b, "count", NOTHING);
    bench_call(&b, "min", INT);
    bench_start(&b);
    const ds_column *keys[] = {column_of(&b.d, STRING, "b a " LONG)};
    ds_groups_add(b.groups, &b.d.heap, keys, 3);
    ck_assert_str_eq(results(&b, b.groups), "b 0 null; a 0 null; " LONG " 0 null");
    ds_groups *from = bench_groups(&b);
    feed(&b, from, "a c a " LONG, "3 4 5 6");
    merge_groups(&b, b.groups, from);
    ds_groups_free(from);
    ck_assert_str_eq(results(&b, b.groups), "b 0 null; a 2 3; " LONG " 1 6; c 1 4");
    bench_close(&b);
}
END_TEST

UNIT_MAIN("groups", keys_of_every_type, negative_zero_is_zero, strings_that_differ_in_one_place,
          several_columns, without_keys_there_is_one_group, keys_alone_are_distinct_rows,
          a_filter_keeps_the_group, ids_in_any_order_and_number, many_keys, room_made_before,
          results_add_the_text_to_a_heap_once, a_block_at_a_time_is_all_at_once, hashes_are_fixed,
          hashes_have_their_definition, partitions_are_even, removed_numbers_come_again,
          random_puts_and_removes, text_of_removed_keys_is_given_back,
          a_store_that_lends_copies_nothing, merges_are_noted, groups_of_no_rows)
