/*
 * A state against a plain list of what should be in it.
 *
 * Keys are numbers 0 .. MODEL_KEYS - 1 and what is made of them: an int, a text (short, long or
 * null) and a float. Values are made of a number, too: every type, long text, lists, nulls.
 */
#ifndef DS_TESTS_STATE_MODEL_H
#define DS_TESTS_STATE_MODEL_H

#include "base/paged.h"
#include "base/random.h"
#include "columnar/aggregate.h"
#include "dstream/state.h"
#include "unit/columns.h"

/* As ck_assert, which notes where it is with a system call: too much for every value. */
#define MODEL_ASSERT(condition)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("%s", #condition);                                                        \
    } while (0)

#define MODEL_KEYS 24000
#define MODEL_BLOCK 512 /* keys of one call */

static const ds_type model_keys[] = {{DS_INT, 0}, {DS_STRING, 0}, {DS_FLOAT, 0}};
static const ds_type model_values[] = {{DS_INT, 0},       {DS_STRING, 0},    {DS_BOOL, 0},
                                       {DS_FLOAT, 0},     {DS_TIMESTAMP, 0}, {DS_LIST, DS_STRING},
                                       {DS_LIST, DS_INT}, {DS_LIST, DS_BOOL}};
enum { MODEL_N_KEYS = 3, MODEL_N_VALUES = 8 };

typedef struct model_entry {
    bool there;
    int64_t value, seen_ms;
} model_entry;

typedef struct model {
    desk d;
    ds_budget budget;
    ds_state_spec spec;
    ds_state *state;
    model_entry entries[MODEL_KEYS];
    uint32_t count;
    int64_t next_value;
    int64_t now_ms;
} model;

static inline model *model_new(int64_t timeout_ms)
{
    model *m = ds_calloc(1, sizeof *m);
    desk_open(&m->d);
    ds_budget_init(&m->budget, NULL, 0);
    m->spec = (ds_state_spec){model_keys, MODEL_N_KEYS, model_values, MODEL_N_VALUES, timeout_ms};
    m->state = ds_state_new(&m->spec, &m->budget);
    return m;
}

static inline void model_free(model *m)
{
    ds_state_free(m->state);
    ck_assert_int_eq(m->budget.used_bytes, 0);
    desk_close(&m->d);
    free(m);
}

/* ---- columns ---- */

static inline void model_null(desk *d, ds_column *column, uint32_t row)
{
    ds_column_need_validity(column, d->arena);
    ds_bit_clear(column->validity, row);
    if (column->type.kind == DS_STRING)
        column->views[row] = (ds_view){0};
}

static inline void model_text(desk *d, ds_column *column, uint32_t row, const char *format,
                              int64_t x)
{
    char text[400];
    int n = snprintf(text, sizeof text, format, x);
    column->views[row] = ds_view_copy(&d->heap, text, (uint32_t)n);
}

static const char *const model_texts[] = {
    "k%" PRId64, "", "a key that does not fit a view, number %" PRId64, "",
    "another one, which is much longer than that, since lengths of text have to differ from key "
    "to key, so that buffers fill up in uneven steps: %" PRId64};

static inline ds_column **model_key_columns(desk *d, const int64_t *keys, uint32_t n)
{
    ds_column **columns = DS_ARENA_ARRAY(d->arena, ds_column *, MODEL_N_KEYS);
    for (uint32_t c = 0; c < MODEL_N_KEYS; c++)
        columns[c] = ds_column_new(d->arena, model_keys[c], n);
    for (uint32_t i = 0; i < n; i++) {
        columns[0]->ints[i] = keys[i] / 3;
        if (keys[i] % 5 == 1)
            model_null(d, columns[1], i);
        else
            model_text(d, columns[1], i, model_texts[keys[i] % 5], keys[i]);
        columns[2]->floats[i] =
            keys[i] % 3 == 0 ? (i % 2 == 0 ? 0.0 : -0.0) : (double)(keys[i] % 3);
    }
    return columns;
}

static inline void model_lists(desk *d, ds_column *column, const int64_t *values, uint32_t n)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < n; i++)
        column->offsets[i + 1] = total += (uint32_t)(values[i] % 4);
    column->child = ds_column_new(d->arena, ds_type_element(column->type), total);
    for (uint32_t i = 0; i < n; i++) {
        if (values[i] % 11 == 3)
            model_null(d, column, i);
        for (uint32_t e = column->offsets[i]; e < column->offsets[i + 1]; e++) {
            int64_t x = values[i] + e - column->offsets[i];
            switch (column->child->type.kind) {
            case DS_STRING: model_text(d, column->child, e, model_texts[x % 5 / 2 * 2], x); break;
            case DS_BOOL: ds_bit_put(column->child->bits, e, x % 2 == 0); break;
            default: column->child->ints[e] = x * 1000003; break;
            }
            if (x % 6 == 5)
                model_null(d, column->child, e);
        }
    }
}

static inline ds_column **model_value_columns(desk *d, const int64_t *values, uint32_t n)
{
    ds_column **columns = DS_ARENA_ARRAY(d->arena, ds_column *, MODEL_N_VALUES);
    for (uint32_t c = 0; c < MODEL_N_VALUES; c++) {
        columns[c] = ds_column_new(d->arena, model_values[c], n);
        if (model_values[c].kind == DS_LIST)
            model_lists(d, columns[c], values, n);
    }
    for (uint32_t i = 0; i < n; i++) {
        columns[0]->ints[i] = values[i];
        model_text(d, columns[1], i, model_texts[values[i] % 5 / 2 * 2], values[i]);
        ds_bit_put(columns[2]->bits, i, values[i] % 3 == 0);
        columns[3]->floats[i] = (double)values[i] / 7;
        columns[4]->ints[i] = values[i] << 20;
        if (values[i] % 7 == 2)
            model_null(d, columns[0], i);
        if (values[i] % 13 == 2)
            model_null(d, columns[1], i);
    }
    return columns;
}

/* ---- changes ---- */

static inline void model_find(model *m, const int64_t *keys, uint32_t n, uint64_t *hashes,
                              uint32_t *ids, const ds_column *const **columns)
{
    *columns = (const ds_column *const *)model_key_columns(&m->d, keys, n);
    ds_hash_rows(&m->d.heap, *columns, MODEL_N_KEYS, n, hashes);
    ds_state_find(m->state, &m->d.heap, *columns, hashes, n, ids);
}

/* Rows of different keys come: those that keep[i] have a new value after it, others go. */
static inline void model_put(model *m, const int64_t *keys, const bool *keep, uint32_t n)
{
    uint64_t hashes[MODEL_BLOCK], wanted[MODEL_BLOCK / 64] = {0};
    uint32_t ids[MODEL_BLOCK], removed[MODEL_BLOCK];
    int64_t values[MODEL_BLOCK];
    const ds_column *const *columns;
    model_find(m, keys, n, hashes, ids, &columns);
    for (uint32_t i = 0; i < n; i++) {
        model_entry *entry = &m->entries[keys[i]];
        MODEL_ASSERT((ids[i] != DS_NEW_KEY) == entry->there);
        values[i] = m->next_value++;
        removed[i] = keep[i] ? DS_NEW_KEY : ids[i];
        ds_bit_put(wanted, i, keep[i]);
        if (!keep[i])
            ids[i] = DS_NEW_KEY;
        m->count += (uint32_t)keep[i] - (uint32_t)entry->there;
        *entry = (model_entry){keep[i], values[i], m->now_ms};
    }
    ds_state_remove(m->state, removed, n);
    ds_state_add(m->state, &m->d.heap, columns, hashes, n, wanted, m->now_ms, ids);
    ds_column **made = model_value_columns(&m->d, values, n);
    ck_assert_uint_eq(ds_state_set(m->state, &m->d.heap, ids, (const ds_column *const *)made, n),
                      0);
    ds_state_see(m->state, ids, n, m->now_ms);
}

/* ---- checks ---- */

static inline void model_same(model *m, ds_column *const *is, ds_column *const *should,
                              uint32_t n_columns, uint32_t n)
{
    for (uint32_t c = 0; c < n_columns; c++)
        for (uint32_t i = 0; i < n; i++)
            MODEL_ASSERT(ds_value_equal(&m->d.heap, is[c], i, &m->d.heap, should[c], i));
}

/* What stands under numbers is these keys, with their values. */
static inline void model_check_ids(model *m, const uint32_t *ids, const int64_t *keys, uint32_t n)
{
    int64_t values[MODEL_BLOCK];
    ds_column *columns[MODEL_N_KEYS + MODEL_N_VALUES];
    for (uint32_t i = 0; i < n; i++)
        values[i] = m->entries[keys[i]].value;
    ds_state_keys(m->state, m->d.arena, &m->d.heap, ids, n, columns);
    model_same(m, columns, model_key_columns(&m->d, keys, n), MODEL_N_KEYS, n);
    ds_state_values(m->state, m->d.arena, &m->d.heap, ids, n, columns);
    model_same(m, columns, model_value_columns(&m->d, values, n), MODEL_N_VALUES, n);
}

static inline void model_forget_text(model *m)
{
    ds_heap_reset(&m->d.heap);
    ds_arena_reset(m->d.arena);
}

/* Looks at all keys there are, and at some that there are not. */
static inline void model_check(model *m)
{
    uint32_t at = 0, n = 0, seen = 0, ids[MODEL_BLOCK];
    int64_t keys[MODEL_BLOCK];
    ck_assert_uint_eq(ds_state_count(m->state), m->count);
    for (int64_t k = 0; k <= MODEL_KEYS; k++) {
        if (n == MODEL_BLOCK || (k == MODEL_KEYS && n > 0)) {
            uint64_t hashes[MODEL_BLOCK];
            const ds_column *const *columns;
            model_find(m, keys, n, hashes, ids, &columns);
            model_check_ids(m, ids, keys, n);
            model_forget_text(m);
            n = 0;
        }
        if (k < MODEL_KEYS && m->entries[k].there)
            keys[n++] = k;
    }
    while ((n = ds_state_walk(m->state, &at, ids, MODEL_BLOCK)) > 0)
        seen += n;
    ck_assert_uint_eq(seen, m->count);
    size_t on_disk = m->budget.paged == NULL ? 0 : (size_t)ds_paged_used(m->budget.paged);
    ck_assert_uint_le(ds_state_bytes(m->state), (size_t)m->budget.used_bytes + on_disk + 65536);
    ck_assert_int_le(m->budget.used_bytes, (int64_t)ds_state_bytes(m->state) + 65536);
}

/* What timed out: all keys that should and no other, those seen longest ago first. */
static inline void model_time_out(model *m)
{
    uint32_t ids[MODEL_BLOCK], n, total = 0, due = 0;
    int64_t limit = m->now_ms - m->spec.timeout_ms, last_ms = INT64_MIN;
    for (int64_t k = 0; k < MODEL_KEYS; k++)
        due += m->entries[k].there && m->entries[k].seen_ms < limit;
    while ((n = ds_state_due(m->state, m->now_ms, ids, MODEL_BLOCK)) > 0) {
        ds_column *columns[MODEL_N_KEYS];
        int64_t keys[MODEL_BLOCK];
        ds_state_keys(m->state, m->d.arena, &m->d.heap, ids, n, columns);
        for (uint32_t i = 0; i < n; i++) {
            keys[i] = columns[0]->ints[i] * 3 + (int64_t)columns[2]->floats[i];
            model_entry *entry = &m->entries[keys[i]];
            MODEL_ASSERT(entry->there && entry->seen_ms < limit && entry->seen_ms >= last_ms);
            last_ms = entry->seen_ms;
        }
        model_check_ids(m, ids, keys, n);
        ds_state_end(m->state, ids, n);
        model_check_ids(m, ids, keys, n);
        for (uint32_t i = 0; i < n; i++)
            m->entries[keys[i]].there = false;
        m->count -= n;
        total += n;
        model_forget_text(m);
    }
    ck_assert_uint_eq(total, due);
    const uint32_t *ended = ds_state_ended(m->state, &n);
    ck_assert(n == total && (n == 0 || ended != NULL));
}

/* A batch of n different keys from `first` on, `step` apart. */
static inline void model_batch(model *m, int64_t first, int64_t step, uint32_t n, bool keep)
{
    int64_t keys[MODEL_BLOCK];
    bool keeps[MODEL_BLOCK];
    m->now_ms += 1000;
    ds_state_begin(m->state);
    for (uint32_t from = 0; from < n; from += MODEL_BLOCK) {
        uint32_t block = n - from < MODEL_BLOCK ? n - from : MODEL_BLOCK;
        for (uint32_t i = 0; i < block; i++) {
            keys[i] = (first + step * (from + i)) % MODEL_KEYS;
            keeps[i] = keep;
        }
        model_put(m, keys, keeps, block);
        model_forget_text(m);
    }
    if (m->spec.timeout_ms > 0)
        model_time_out(m);
}

#endif
