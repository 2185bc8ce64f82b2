/* Windows as bytes: saved and loaded at any time, they give the same
 * results as ones that never were, to the last bit and in the same order; and no trust in bytes. */
#include "dstream/window.h"

#include "unit/grouping.h"
#include "unit/saved_bytes.h"

#define STRING DS_TYPE(DS_STRING)
typedef struct rig {
    bench b;
    ds_window_spec spec;
    ds_window *plain; /* never saved */
    ds_window *saved;
    ds_random random;
} rig;

static ds_status save_window(ds_window *window, saved_bytes *bytes)
{
    ds_save_to to = saved_to(bytes);
    ds_saver *saver;
    DS_TRY(ds_saver_new(&to, 1, &saver, NULL));
    ds_status status = ds_window_save(window, saver, NULL);
    if (status == DS_OK)
        status = ds_saver_end(saver, NULL);
    ds_saver_free(saver);
    return status;
}

static ds_status load_window(rig *r, saved_bytes *bytes, int64_t version_ms, ds_window **result,
                             ds_error *error)
{
    ds_load_from from = saved_from(bytes);
    ds_loader *loader;
    DS_TRY(ds_loader_new(&from, 1, SIZE_MAX, &loader, error));
    ds_window *window = ds_window_new(&r->spec, &r->b.budget);
    ds_status status = ds_window_load(window, version_ms, loader, error);
    ds_loader_free(loader);
    if (status == DS_OK)
        *result = window;
    else
        ds_window_free(window);
    return status;
}

static void reload(rig *r, int64_t version_ms)
{
    saved_bytes bytes = {{0}, 0}, again = {{0}, 0};
    ds_error error;
    ck_assert_int_eq(save_window(r->saved, &bytes), DS_OK);
    ck_assert_int_eq(save_window(r->saved, &again), DS_OK); /* saving changes nothing */
    ck_assert_uint_eq(again.buffer.length, bytes.buffer.length);
    ck_assert_mem_eq(again.buffer.data, bytes.buffer.data, bytes.buffer.length);
    ds_window *loaded = NULL;
    ds_status status = load_window(r, &bytes, version_ms, &loaded, &error);
    ck_assert_msg(status == DS_OK, "%s", error.message);
    ds_buffer_fini(&again.buffer);
    ds_buffer_fini(&bytes.buffer);
    ds_window_free(r->saved);
    r->saved = loaded;
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
    const char *expected[100], *got[100];
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
    bench_close(&r->b);
}

static const int64_t shapes[][3] = {
    {10, 10, 10}, {30, 30, 10}, {60, 10, 10}, {25, 10, 5},  {50, 20, 10},
    {35, 20, 5},  {10, 30, 5},  {20, 50, 10}, {20, 10, 10}, {130, 10, 10},
};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

START_TEST(saved_at_any_time)
{
    for (size_t i = 0; i < 3 * N_SHAPES; i++) {
        const int64_t *shape = shapes[i % N_SHAPES];
        rig r;
        bool keyed = i < 2 * N_SHAPES;
        rig_open(&r, i * 11 + 5, keyed, shape);
        int64_t time = shape[2] * 100;
        for (int step = 0; step < 50; step++, time += shape[2]) {
            if (ds_random_below(&r.random, 5) > 0)
                add_batch(&r, time);
            if (time % shape[1] == 0 && ds_random_below(&r.random, 6) > 0)
                slide(&r, time);
            if (ds_random_below(&r.random, 3) == 0)
                reload(&r, time);
        }
        int64_t last = (time / shape[1] + 1) * shape[1];
        for (int64_t t = last; t <= last + shape[0] + shape[1]; t += shape[1]) {
            slide(&r, t);
            reload(&r, t);
        }
        ck_assert_uint_eq(ds_window_count(r.saved), keyed ? 0 : 1);
        rig_close(&r);
    }
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
    ds_window *window = NULL;
    ck_assert_int_eq(save_window(r.plain, &bytes), DS_OK);
    for (size_t i = 0; i < bytes.buffer.length; i += 1 + i / 500) {
        bytes.buffer.data[i] = (char)(bytes.buffer.data[i] ^ 0x41);
        ck_assert_int_eq(load_window(&r, &bytes, 150, &window, NULL), DS_ERR_PROTOCOL);
        bytes.buffer.data[i] = (char)(bytes.buffer.data[i] ^ 0x41);
    }
    ck_assert_int_eq(load_window(&r, &bytes, 140, &window, NULL),
                     DS_ERR_PROTOCOL); /* it slid later */
    size_t whole = bytes.buffer.length;
    for (size_t i = 0; i < whole; i += 1 + i / 100) {
        bytes.buffer.length = i;
        ck_assert_int_eq(load_window(&r, &bytes, 150, &window, NULL), DS_ERR_PROTOCOL);
    }
    bytes.buffer.length = whole;
    ck_assert_ptr_null(window);
    ck_assert_int_eq(load_window(&r, &bytes, 150, &window, NULL), DS_OK);
    ds_window_free(window);
    ds_buffer_fini(&bytes.buffer);
    rig_close(&r);
}
END_TEST

UNIT_MAIN("window_save", saved_at_any_time, memory_does_not_grow, damaged_bytes_are_refused)
