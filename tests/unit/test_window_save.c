/* Windows as bytes: saved and loaded at any time, they give the same
 * results as ones that never were, to the last bit and in the same order; and no trust in bytes. */
#include "dstream/window.h"

#include "unit/grouping.h"
#include "unit/saved_bytes.h"

#define STRING DS_TYPE(DS_STRING)
#define PARTS 100
#define MOST_KEYS 1100

typedef struct rig {
    bench b;
    ds_window_spec spec;
    ds_window *plain; /* never saved */
    ds_window *saved;
    saved_bytes parts[PARTS]; /* the chain of what is saved */
    uint32_t n_parts;
    size_t whole_bytes, change_bytes;
    uint32_t n_changes;
    ds_random random;
} rig;

static ds_status save_window(ds_window *window, bool whole, saved_bytes *bytes)
{
    ds_save_to to = saved_to(bytes);
    ds_saver *saver;
    DS_TRY(ds_saver_new(&to, 1, &saver, NULL));
    ds_status status = ds_window_save(window, whole, saver, NULL);
    if (status == DS_OK)
        status = ds_saver_end(saver, NULL);
    ds_saver_free(saver);
    return status;
}

static ds_status load_part(ds_window *window, bool whole, saved_bytes *bytes, int64_t version_ms,
                           ds_error *error)
{
    ds_load_from from = saved_from(bytes);
    ds_loader *loader;
    DS_TRY(ds_loader_new(&from, 1, SIZE_MAX, &loader, error));
    ds_status status = ds_window_load(window, whole, version_ms, loader, error);
    ds_loader_free(loader);
    return status;
}

static void empty_chain(rig *r)
{
    while (r->n_parts > 0)
        ds_buffer_fini(&r->parts[--r->n_parts].buffer);
}

/* Adds a part to the chain, or begins it anew. Returns its bytes. */
static size_t save(rig *r, bool whole)
{
    whole = whole || r->n_parts == 0 || r->n_parts == PARTS || ds_window_outran(r->saved);
    if (!whole && !ds_window_unsaved(r->saved))
        return 0;
    if (whole)
        empty_chain(r);
    saved_bytes *part = &r->parts[r->n_parts++];
    *part = (saved_bytes){{0}, 0};
    ck_assert_int_eq(save_window(r->saved, whole, part), DS_OK);
    ck_assert(!ds_window_unsaved(r->saved));
    r->n_changes += !whole;
    *(whole ? &r->whole_bytes : &r->change_bytes) += part->buffer.length;
    return part->buffer.length;
}

/* Saves a window twice: that changes nothing. */
static void save_again(rig *r)
{
    saved_bytes a = {{0}, 0}, b = {{0}, 0};
    ck_assert_int_eq(save_window(r->saved, true, &a), DS_OK);
    ck_assert_int_eq(save_window(r->saved, true, &b), DS_OK);
    ck_assert_uint_eq(a.buffer.length, b.buffer.length);
    ck_assert_mem_eq(a.buffer.data, b.buffer.data, b.buffer.length);
    ds_buffer_fini(&a.buffer);
    ds_buffer_fini(&b.buffer);
}

static void load(rig *r, int64_t version_ms)
{
    ds_error error;
    ds_window_free(r->saved);
    r->saved = ds_window_new(&r->spec, &r->b.budget);
    for (uint32_t i = 0; i < r->n_parts; i++) {
        ds_status status = load_part(r->saved, i == 0, &r->parts[i], version_ms, &error);
        ck_assert_msg(status == DS_OK, "%s", error.message);
    }
    ds_window_load_end(r->saved);
    ck_assert(!ds_window_unsaved(r->saved));
}

static void reload(rig *r, int64_t version_ms)
{
    save(r, ds_random_below(&r->random, 8) == 0);
    load(r, version_ms);
}

/* Floats whose sums depend on the order in which they are added. */
static const ds_column *random_values(rig *r, ds_type type, uint32_t n)
{
    const ds_column *column = random_column(&r->b, &r->random, type, n);
    for (uint32_t i = 0; type.kind == DS_FLOAT && i < n; i++)
        column->floats[i] /= 3;
    return column;
}

static ds_groups *random_rows(rig *r)
{
    bench *b = &r->b;
    uint32_t n = (uint32_t)ds_random_below(&r->random, 40);
    const ds_column *key[] = {random_column(b, &r->random, STRING, n)};
    const ds_column *columns[BENCH_CALLS][2], *const *args[BENCH_CALLS];
    for (uint32_t c = 0; c < b->spec.n_calls; c++) {
        for (uint32_t a = 0; a < b->calls[c].n_args; a++)
            columns[c][a] = random_values(r, b->calls[c].arg_types[a], n);
        args[c] = columns[c];
    }
    ds_groups *table = bench_groups(b);
    ds_groups_update(table, &b->d.heap, key, args, NULL, NULL, n);
    return table;
}

static void add_batch(rig *r, int64_t time)
{
    bench *b = &r->b;
    ds_groups *table = random_rows(r);
    ds_column *columns[BENCH_CALLS * DS_MAX_PARTIAL + 1];
    uint32_t n = ds_groups_count(table);
    partials(b, table, columns);
    const ds_column *const *read = (const ds_column *const *)columns;
    ds_window_add(r->plain, time, &b->d.heap, read, n);
    ds_window_add(r->saved, time, &b->d.heap, read, n);
    ds_groups_free(table);
}

static uint32_t lines_of(rig *r, ds_window *window, const char **lines)
{
    bench *b = &r->b;
    ds_column *columns[BENCH_CALLS + 4], *one[BENCH_CALLS + 4];
    uint32_t n = ds_window_count(window), n_columns = b->spec.n_keys + b->spec.n_calls;
    ds_window_results(window, b->d.arena, &b->d.heap, 0, n, columns, NULL);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t c = 0; c < n_columns; c++)
            one[c] = ds_column_gather(b->d.arena, columns[c], &i, 1);
        lines[i] = rows_text(&b->d, one, n_columns, 1);
    }
    return n;
}

static void slide(rig *r, int64_t time)
{
    static const char *expected[MOST_KEYS], *got[MOST_KEYS];
    ds_window_slide(r->plain, time);
    ds_window_slide(r->saved, time);
    uint32_t n = lines_of(r, r->plain, expected);
    ck_assert_uint_eq(lines_of(r, r->saved, got), n);
    for (uint32_t i = 0; i < n; i++)
        ck_assert_str_eq(got[i], expected[i]);
    ck_assert_uint_eq(ds_window_panes(r->saved), ds_window_panes(r->plain));
}

static void rig_open(rig *r, uint64_t seed, bool keyed, const int64_t *shape)
{
    *r = (rig){.plain = NULL};
    bench_open(&r->b);
    if (keyed)
        bench_key(&r->b, STRING);
    all_calls(&r->b);
    r->spec = (ds_window_spec){&r->b.spec, shape[0], shape[1], shape[2]};
    r->plain = ds_window_new(&r->spec, &r->b.budget);
    r->saved = ds_window_new(&r->spec, &r->b.budget);
    bench_start(&r->b);
    ds_random_init(&r->random, seed);
}

static void rig_close(rig *r)
{
    ds_window_free(r->plain);
    ds_window_free(r->saved);
    empty_chain(r);
    bench_close(&r->b);
}

static const int64_t shapes[][3] = {
    {10, 10, 10}, {30, 30, 10}, {60, 10, 10}, {25, 10, 5},  {50, 20, 10},
    {35, 20, 5},  {10, 30, 5},  {20, 50, 10}, {20, 10, 10}, {130, 10, 10},
};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

START_TEST(saved_at_any_time)
{
    uint32_t n_changes = 0;
    for (size_t i = 0; i < 3 * N_SHAPES; i++) {
        const int64_t *shape = shapes[i % N_SHAPES];
        rig r;
        bool keyed = i < 2 * N_SHAPES;
        rig_open(&r, i * 11 + 5, keyed, shape);
        int64_t time = shape[2] * 100;
        for (int step = 0; step < 80; step++, time += shape[2]) {
            if (ds_random_below(&r.random, 5) > 0)
                add_batch(&r, time);
            if (time % shape[1] == 0 && ds_random_below(&r.random, 6) > 0)
                slide(&r, time);
            uint64_t what = ds_random_below(&r.random, 6);
            if (what == 0)
                save(&r, false);
            else if (what == 1)
                reload(&r, time);
        }
        int64_t last = (time / shape[1] + 1) * shape[1];
        for (int64_t t = last; t <= last + shape[0] + shape[1]; t += shape[1]) {
            slide(&r, t);
            reload(&r, t);
        }
        ck_assert_uint_eq(ds_window_count(r.saved), keyed ? 0 : 1);
        n_changes += r.n_changes;
        save_again(&r);
        rig_close(&r);
    }
    ck_assert_uint_gt(n_changes, 10 * N_SHAPES);
}
END_TEST

/* What was lent for text goes with the panes it may be of. */
START_TEST(memory_does_not_grow)
{
    rig r;
    rig_open(&r, 3, true, shapes[2]);
    size_t most = 0;
    for (int64_t time = 10; time < 3000; time += 10) {
        add_batch(&r, time);
        slide(&r, time);
        if (time % 20 == 0)
            reload(&r, time);
        size_t bytes = ds_window_bytes(r.saved);
        if (time < 1000)
            most = bytes > most ? bytes : most;
        else
            ck_assert_uint_lt(bytes, most * 2);
    }
    rig_close(&r);
}
END_TEST

static void fill(rig *r, const char *keys, const char *values, int64_t time)
{
    bench *b = &r->b;
    ds_groups *table = bench_groups(b);
    const ds_column *key[] = {column_of(&b->d, STRING, keys)};
    const ds_column *value[] = {column_of(&b->d, DS_TYPE(DS_FLOAT), values)}, *const * args[2];
    ds_column *columns[16];
    args[0] = args[1] = value;
    ds_groups_update(table, &b->d.heap, key, args, NULL, NULL, key[0]->length);
    partials(b, table, columns);
    const ds_column *const *read = (const ds_column *const *)columns;
    ds_window_add(r->plain, time, &b->d.heap, read, ds_groups_count(table));
    ds_window_add(r->saved, time, &b->d.heap, read, ds_groups_count(table));
    ds_groups_free(table);
}

static void fill_many(rig *r, int64_t time)
{
    ds_buffer keys = {0}, values = {0};
    for (int i = 0; i < 1000; i++) {
        ds_buffer_printf(&keys, "key-%d ", i);
        ds_buffer_printf(&values, "%d.25 ", i);
    }
    fill(r, ds_buffer_text(&keys), ds_buffer_text(&values), time);
    ds_buffer_fini(&keys);
    ds_buffer_fini(&values);
}

/* A part of changes is as large as what came in, wherever it went. */
START_TEST(costs_what_changed)
{
    static const int64_t few_shapes[][3] = {{1000, 1000, 10}, {1000, 500, 10}, {1000, 10, 10}};
    for (int i = 0; i < 3; i++) {
        rig r = {.plain = NULL};
        bench_open(&r.b);
        bench_key(&r.b, STRING);
        bench_call(&r.b, "sum", DS_TYPE(DS_FLOAT));
        bench_call(&r.b, "median", DS_TYPE(DS_FLOAT));
        r.spec = (ds_window_spec){&r.b.spec, few_shapes[i][0], few_shapes[i][1], few_shapes[i][2]};
        r.plain = ds_window_new(&r.spec, &r.b.budget);
        r.saved = ds_window_new(&r.spec, &r.b.budget);
        bench_start(&r.b);
        fill_many(&r, 10);
        size_t whole = save(&r, false), sum = 0;
        ck_assert_uint_eq(save(&r, false), 0);
        for (int64_t time = 20; time < 400; time += 10) {
            fill(&r, "key-7 key-8 new", "1.5 -2.5 0.125", time);
            if (time % few_shapes[i][1] == 0)
                slide(&r, time);
            if (time % 40 == 0) {
                size_t bytes = save(&r, false);
                ck_assert_uint_lt(bytes, whole / 25);
                sum += bytes;
            }
            ck_assert_uint_eq(r.n_parts, 1 + r.n_changes);
        }
        ck_assert_uint_gt(sum, 1000);
        save(&r, false);
        load(&r, 390);
        slide(&r, 1000);
        save(&r, false); /* what came 10 went: a little, too, or all is new */
        load(&r, 1000);
        for (int64_t time = 1010; time < 2500; time += 10)
            slide(&r, time / few_shapes[i][1] * few_shapes[i][1]);
        rig_close(&r);
    }
}
END_TEST

/* Nothing of the last part is in the window any more: the changes are the window. */
START_TEST(a_window_may_outrun_its_parts)
{
    rig r;
    rig_open(&r, 5, true, shapes[1]);
    for (int64_t time = 10; time <= 100; time += 10) {
        add_batch(&r, time);
        if (time == 30)
            save(&r, true);
        if (time % 30 == 0)
            slide(&r, time);
    }
    size_t size = ds_window_bytes(r.saved);
    for (int64_t time = 120; time <= 3000; time += 30) {
        add_batch(&r, time - 10);
        slide(&r, time);
        ck_assert(ds_window_unsaved(r.saved));
        ck_assert_uint_lt(ds_window_bytes(r.saved), 3 * size);
    }
    rig_close(&r);
    rig_open(&r, 5, true, shapes[2]); /* one with panes */
    add_batch(&r, 10);
    slide(&r, 10);
    save(&r, true);
    for (int64_t time = 20; time <= 80; time += 10) {
        add_batch(&r, time);
        slide(&r, time);
        ck_assert(!ds_window_outran(r.saved));
    }
    save(&r, false); /* panes that came and went since, too */
    ck_assert_uint_eq(r.n_parts, 2);
    load(&r, 80);
    for (int64_t time = 90; time <= 400; time += 10) {
        add_batch(&r, time);
        slide(&r, time);
        ck_assert(time > 280 || !ds_window_outran(r.saved));
    }
    ck_assert(ds_window_outran(r.saved));
    reload(&r, 400);
    slide(&r, 410);
    rig_close(&r);
}
END_TEST

static ds_status try_load(rig *r, saved_bytes *bytes, int64_t version_ms)
{
    ds_window *window = ds_window_new(&r->spec, &r->b.budget);
    ds_status status = load_part(window, true, bytes, version_ms, NULL);
    ds_window_free(window);
    return status;
}

START_TEST(damaged_bytes_are_refused)
{
    rig r;
    rig_open(&r, 17, true, shapes[3]);
    for (int64_t time = 100; time <= 150; time += 5) {
        add_batch(&r, time);
        if (time % 10 == 0)
            slide(&r, time);
    }
    saved_bytes bytes = {{0}, 0};
    ck_assert_int_eq(save_window(r.plain, true, &bytes), DS_OK);
    for (size_t i = 0; i < bytes.buffer.length; i += 1 + i / 500) {
        bytes.buffer.data[i] = (char)(bytes.buffer.data[i] ^ 0x41);
        ck_assert_int_eq(try_load(&r, &bytes, 150), DS_ERR_PROTOCOL);
        bytes.buffer.data[i] = (char)(bytes.buffer.data[i] ^ 0x41);
    }
    ck_assert_int_eq(try_load(&r, &bytes, 140), DS_ERR_PROTOCOL); /* it slid later */
    size_t whole = bytes.buffer.length;
    for (size_t i = 0; i < whole; i += 1 + i / 100) {
        bytes.buffer.length = i;
        ck_assert_int_eq(try_load(&r, &bytes, 150), DS_ERR_PROTOCOL);
    }
    bytes.buffer.length = whole;
    ck_assert_int_eq(try_load(&r, &bytes, 150), DS_OK);
    ds_buffer_fini(&bytes.buffer);
    rig_close(&r);
}
END_TEST

UNIT_MAIN("window_save", saved_at_any_time, memory_does_not_grow, costs_what_changed,
          a_window_may_outrun_its_parts, damaged_bytes_are_refused)
