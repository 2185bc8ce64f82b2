/* What a stream with "state" remembers: against a plain list (state_model.h). */
#include "unit/paged_kit.h"
#include "unit/state_model.h"

#include "dstream/state_index.h"

#include <string.h>

/* ---- random batches ---- */

/* Keys near each other in some batches, everywhere in others, so that some live long. */
static uint32_t random_keys(ds_random *random, int64_t *keys, bool *keep)
{
    static bool taken[MODEL_KEYS];
    uint64_t span = ds_random_below(random, 3) == 0 ? MODEL_KEYS : 300;
    uint64_t from = ds_random_below(random, MODEL_KEYS - span + 1);
    uint32_t most = 1 + (uint32_t)ds_random_below(random, 200), n = 0;
    uint64_t removes = ds_random_below(random, 4) == 0 ? 2 : 10;
    for (uint32_t i = 0; i < most; i++) {
        int64_t key = (int64_t)(from + ds_random_below(random, span));
        if (taken[key])
            continue;
        taken[key] = true;
        keys[n] = key;
        keep[n++] = ds_random_below(random, removes) != 0;
    }
    for (uint32_t i = 0; i < n; i++)
        taken[keys[i]] = false;
    return n;
}

static void random_batches(int64_t timeout_ms, uint64_t seed, ds_paged *paged)
{
    model *m = model_new(timeout_ms);
    m->budget.paged = paged;
    ds_random random;
    ds_random_init(&random, seed);
    for (int b = 0; b < 400; b++) {
        int64_t keys[MODEL_BLOCK];
        bool keep[MODEL_BLOCK];
        m->now_ms += 1000 * (int64_t)(1 + ds_random_below(&random, 3));
        ds_state_begin(m->state);
        uint32_t n = random_keys(&random, keys, keep);
        model_put(m, keys, keep, n);
        if (timeout_ms > 0)
            model_time_out(m);
        if (b % 50 == 49)
            model_check(m);
        model_forget_text(m);
    }
    model_free(m);
}

START_TEST(is_what_a_plain_list_is)
{
    random_batches(0, 1 + (uint64_t)_i, NULL);
}
END_TEST

START_TEST(times_out_what_a_plain_list_does)
{
    random_batches(_i % 2 == 0 ? 5000 : 60000, 100 + (uint64_t)_i, NULL);
}
END_TEST

START_TEST(is_the_same_on_disk)
{
    paged_kit k;
    paged_open(&k, (uint64_t)256 << 20, 16384, 8192);
    random_batches(_i % 2 == 0 ? 0 : 20000, 200 + (uint64_t)_i, k.paged);
    ck_assert_uint_gt(ds_paged_recent(k.paged), (uint64_t)1 << 20);
    paged_close(&k);
}
END_TEST

/* ---- time-outs ---- */

START_TEST(times_out_exactly)
{
    model *m = model_new(3000);
    uint32_t n, ids[4];
    model_batch(m, 7, 1, 1, true); /* seen at 1 s */
    model_batch(m, 8, 1, 1, true);
    model_batch(m, 9, 1, 1, true);
    model_batch(m, 7, 1, 1, true);                              /* 4 s: seen again */
    ck_assert_uint_eq(ds_state_due(m->state, 5000, ids, 4), 0); /* 2 s + 3 s is not past */
    ck_assert_uint_eq(ds_state_due(m->state, 5001, ids, 4), 1);
    ck_assert_uint_eq(ds_state_due(m->state, 100000, ids, 4), 3);
    ck_assert_uint_eq(ds_state_due(m->state, 100000, ids, 2), 2);
    model_batch(m, 20, 1, 1, true); /* 5 s */
    ck_assert_uint_eq(m->count, 4);
    model_batch(m, 20, 1, 1, true); /* 6 s: 8 is gone */
    ck_assert_uint_eq(m->count, 3);
    ds_state_ended(m->state, &n);
    ck_assert_uint_eq(n, 1);
    model_check(m);
    model_batch(m, 8, 1, 1, true); /* and comes back as a new one; 9 is gone */
    ck_assert_uint_eq(m->count, 3);
    model_batch(m, 30, 1, 0, true); /* 7 */
    ck_assert_uint_eq(m->count, 2);
    model_check(m);
    model_free(m);
}
END_TEST

START_TEST(without_a_time_out_nothing_is_due)
{
    model *m = model_new(0);
    uint32_t ids[1];
    model_batch(m, 1, 1, 100, true);
    ck_assert_uint_eq(ds_state_due(m->state, INT64_MAX, ids, 1), 0);
    model_free(m);
}
END_TEST

/* What ended can be read until the next batch begins, and is not walked over. */
START_TEST(what_ended_can_be_read)
{
    model *m = model_new(1000);
    uint32_t n, changed, ids[MODEL_BLOCK], at = 0;
    model_batch(m, 0, 1, 300, true);
    model_batch(m, 300, 1, 100, true);
    model_batch(m, 400, 1, 50, true); /* ends the first 300 */
    const uint32_t *ended = ds_state_ended(m->state, &n);
    ck_assert_uint_eq(n, 300);
    ds_state_changed(m->state, &changed);
    ck_assert_uint_eq(changed, 50);
    int64_t keys[300];
    for (uint32_t i = 0; i < n; i++)
        keys[i] = i;
    model_check_ids(m, ended, keys, n);
    ck_assert_uint_eq(ds_state_walk(m->state, &at, ids, MODEL_BLOCK), 150);
    ds_state_begin(m->state);
    ds_state_ended(m->state, &n);
    ds_state_changed(m->state, &changed);
    ck_assert_uint_eq(n + changed, 0);
    model_check(m);
    model_free(m);
}
END_TEST

/* ---- memory ---- */

#define SEGMENT_BYTES 300000 /* of records: what may be kept in reserve */

/* Numbers are given out again, the lowest first. */
START_TEST(numbers_are_used_again)
{
    model *m = model_new(0);
    model_batch(m, 0, 1, 5000, true);
    ck_assert_uint_eq(ds_state_limit(m->state), 5000);
    model_batch(m, 0, 2, 2000, false);
    model_batch(m, 5000, 1, 2000, true);
    ck_assert_uint_eq(ds_state_limit(m->state), 5000);
    model_batch(m, 7000, 1, 1, true);
    ck_assert_uint_eq(ds_state_limit(m->state), 5001);
    model_check(m);
    model_free(m);
}
END_TEST

static void memory_follows_the_keys(int64_t timeout_ms)
{
    const uint32_t left = MODEL_KEYS / 30;
    model *m = model_new(timeout_ms);
    model_batch(m, 0, 1, left, true);
    size_t before = ds_state_bytes(m->state);
    for (int round = 0; round < 2; round++) {
        model_batch(m, 0, 7, MODEL_KEYS, true);
        ck_assert_uint_eq(m->count, MODEL_KEYS);
        ck_assert_uint_gt(ds_state_bytes(m->state), 15 * before);
        /* Some are left, all over the place. */
        for (int64_t i = 1; i < 30; i++)
            model_batch(m, i, 30, left, false);
        for (int i = 0; i < 10; i++)
            model_batch(m, 0, 30, 10, true);
        model_check(m);
        ck_assert_uint_eq(m->count, left);
        ck_assert_uint_lt(ds_state_limit(m->state), 5 * left / 2);
        ck_assert_uint_lt(ds_state_bytes(m->state), 4 * before + SEGMENT_BYTES);
    }
    model_batch(m, 0, 30, left, false);
    model_batch(m, 0, 30, 0, false);
    model_batch(m, 0, 30, 0, false);
    ck_assert_uint_eq(ds_state_limit(m->state), 0);
    ck_assert_uint_lt(ds_state_bytes(m->state), before + SEGMENT_BYTES);
    model_free(m);
}

START_TEST(memory_follows_the_keys_that_are_left)
{
    memory_follows_the_keys(_i == 0 ? 0 : 1000000);
}
END_TEST

/* Long values that come and go do not pile up, and those that stay, stay. */
START_TEST(text_follows_what_is_alive)
{
    model *m = model_new(0);
    model_batch(m, 0, 1, 3000, true);
    for (int i = 0; i < 5; i++)
        model_batch(m, 0, 1, 1000, true);
    size_t before = ds_state_bytes(m->state);
    for (int i = 0; i < 60; i++)
        model_batch(m, (i % 3) * 500, 1, 1000, true);
    model_check(m);
    ck_assert_uint_lt(ds_state_bytes(m->state), 2 * before);
    model_free(m);
}
END_TEST

/* One value that is larger than any buffer, and many small ones around it. */
START_TEST(very_long_values)
{
    desk d;
    desk_open(&d);
    ds_type key = DS_TYPE(DS_INT), value = DS_TYPE(DS_STRING);
    ds_state_spec spec = {&key, 1, &value, 1, 0};
    ds_state *state = ds_state_new(&spec, NULL);
    size_t large = (size_t)3 << 20;
    char *text = ds_alloc(large);
    for (int round = 0; round < 20; round++) {
        ds_column *keys = column_of(&d, key, "1 2 3");
        ds_column *values = column_of(&d, value, "short null 'not short, but not long either'");
        memset(text, 'a' + round, large);
        values->views[1] = ds_view_copy(&d.heap, text, (uint32_t)large);
        values->validity = NULL;
        const ds_column *key_columns[] = {keys}, *value_columns[] = {values};
        uint64_t hashes[3];
        uint32_t ids[3];
        ds_hash_rows(&d.heap, key_columns, 1, 3, hashes);
        ds_state_begin(state);
        ds_state_find(state, &d.heap, key_columns, hashes, 3, ids);
        ds_state_add(state, &d.heap, key_columns, hashes, 3, NULL, 0, ids);
        ds_state_set(state, &d.heap, ids, value_columns, 3);
        ds_column *read;
        ds_state_values(state, d.arena, &d.heap, ids, 3, &read);
        for (uint32_t i = 0; i < 3; i++)
            ck_assert(ds_value_equal(&d.heap, read, i, &d.heap, values, i));
        ds_heap_reset(&d.heap);
        ds_arena_reset(d.arena);
        ck_assert_uint_lt(ds_state_bytes(state), 3 * large);
    }
    free(text);
    ds_state_free(state);
    desk_close(&d);
}
END_TEST

/* ---- the index ---- */

#define PAIRS 20000u

static void check_index(const ds_state_index *index, const uint32_t *hashes, const bool *there)
{
    static uint64_t wide[PAIRS];
    static uint32_t together[PAIRS];
    for (uint32_t id = 0; id < PAIRS; id++)
        wide[id] = (uint64_t)id << 32 | hashes[id];
    ds_state_index_find(index, wide, PAIRS, together);
    for (uint32_t id = 0; id < PAIRS; id++) {
        ds_index_cursor cursor;
        uint32_t found = ds_state_index_first(index, hashes[id], &cursor);
        MODEL_ASSERT(together[id] == found);
        while (found != DS_NO_ID && found != id)
            found = ds_state_index_next(&cursor, hashes[id]);
        MODEL_ASSERT((found == id) == there[id]);
    }
}

static void fill_and_empty(uint32_t mask, size_t most_bytes)
{
    static uint32_t hashes[PAIRS];
    static bool there[PAIRS];
    ds_budget budget;
    ds_random random;
    ds_state_index index;
    ds_budget_init(&budget, NULL, 0);
    ds_random_init(&random, mask);
    ds_state_index_init(&index, &budget);
    size_t empty = index.bytes;
    for (uint32_t i = 0; i < PAIRS; i++) {
        hashes[i] = (uint32_t)ds_random_next(&random) & mask;
        there[i] = true;
        ds_state_index_add(&index, hashes[i], i);
    }
    check_index(&index, hashes, there);
    ck_assert_uint_lt(index.bytes, most_bytes);
    for (uint32_t i = 0; i < PAIRS; i++) {
        uint32_t id = (i * 7919) % PAIRS;
        ds_state_index_remove(&index, hashes[id], id);
        there[id] = false;
        if (i == PAIRS / 2 || i == PAIRS - 100)
            check_index(&index, hashes, there);
    }
    ck_assert_uint_le(index.bytes, 2 * empty);
    ck_assert_uint_eq(index.depth, 0);
    ck_assert_int_eq(budget.used_bytes, (int64_t)index.bytes);
    ds_state_index_fini(&index);
    ck_assert_int_eq(budget.used_bytes, 0);
}

START_TEST(index_splits_and_joins)
{
    fill_and_empty(UINT32_MAX, PAIRS * 8 * 3);
}
END_TEST

/* All hashes in one table of the directory: it is never split in vain for ever. */
START_TEST(index_of_hashes_that_are_alike)
{
    fill_and_empty(0x00000fff, (size_t)16 << 20);
}
END_TEST

int main(void)
{
    TCase *tcase = unit_case("state", 60);
    tcase_add_loop_test(tcase, is_what_a_plain_list_is, 0, 3);
    tcase_add_loop_test(tcase, times_out_what_a_plain_list_does, 0, 4);
    tcase_add_loop_test(tcase, is_the_same_on_disk, 0, 4);
    tcase_add_loop_test(tcase, memory_follows_the_keys_that_are_left, 0, 2);
    const TTest *const tests[] = {times_out_exactly,          without_a_time_out_nothing_is_due,
                                  what_ended_can_be_read,     numbers_are_used_again,
                                  text_follows_what_is_alive, very_long_values,
                                  index_splits_and_joins,     index_of_hashes_that_are_alike};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    return unit_run_case(tcase, "state");
}
