/* Merging sorted runs: against one sort of all rows, whatever the runs, pieces and windows are. */
#include "columnar/merge.h"
#include "columnar/sort.h"

#include "base/random.h"
#include "unit/grouping.h"

#define MOST_RUNS 40u
#define MOST_PIECES 30u
#define N_COLUMNS 3u

static const ds_type types[N_COLUMNS] = {DS_TYPE(DS_STRING), DS_TYPE(DS_INT), DS_LIST_OF(DS_INT)};

typedef struct kit {
    desk d;
    ds_budget budget;
    struct {
        char *pieces[MOST_PIECES];
        size_t sizes[MOST_PIECES];
        uint32_t n, next;
    } runs[MOST_RUNS];
    uint32_t n_runs;
    bool fails; /* the source does, at the third piece */
    uint32_t opened;
} kit;

static ds_status next(void *arg, uint32_t run, ds_arena *arena, ds_piece **piece, ds_error *error)
{
    kit *k = arg;
    ck_assert_uint_lt(run, k->n_runs);
    if (k->fails && k->opened == 3)
        return ds_error_set(error, DS_ERR_IO, "it cannot be read");
    if (k->runs[run].next == k->runs[run].n)
        return DS_OK;
    k->opened++;
    uint32_t at = k->runs[run].next++;
    /* Loaded: what was used up is gone when it was let go of. */
    char *bytes = ds_arena_alloc(arena, k->runs[run].sizes[at]);
    memcpy(bytes, k->runs[run].pieces[at], k->runs[run].sizes[at]);
    return ds_piece_open(arena, &k->d.heap, bytes, k->runs[run].sizes[at], types, N_COLUMNS, piece,
                         error);
}

static void make_rows(kit *k, ds_random *random, uint32_t n, ds_column **columns)
{
    ds_buffer text[N_COLUMNS] = {{0}, {0}, {0}};
    for (uint32_t i = 0; i < n; i++) {
        static const char *const words[] = {"a ",    "b ",
                                            "null ", "'the same first bytes, one' ",
                                            "'' ",   "'the same first bytes, two' "};
        ds_buffer_append_text(&text[0], words[ds_random_below(random, 6)]);
        ds_buffer_printf(&text[1], "%d ", (int)ds_random_below(random, 20) - 10);
        ds_buffer_printf(&text[2], "[%d] ", (int)ds_random_below(random, 1000));
    }
    for (uint32_t c = 0; c < N_COLUMNS; c++) {
        columns[c] = column_of(&k->d, types[c], ds_buffer_text(&text[c]));
        ds_buffer_fini(&text[c]);
    }
}

/* Sorts rows, and cuts them into pieces as a run. */
static void make_run(kit *k, ds_random *random, ds_sorter *all, const ds_sort_key *keys)
{
    ds_column *columns[N_COLUMNS];
    uint32_t n = (uint32_t)ds_random_below(random, 300);
    make_rows(k, random, n, columns);
    ds_sorter *sorter = ds_sorter_new(types, N_COLUMNS, keys, 1, -1, NULL);
    ds_sorter_add(sorter, &k->d.heap, (const ds_column *const *)columns, n);
    ds_sorter_finish(sorter);
    uint32_t run = k->n_runs++, each = 1 + (uint32_t)ds_random_below(random, 200);
    if (n / each >= MOST_PIECES)
        each = n;
    for (uint32_t from = 0, count; from < n; from += count) {
        count = n - from < each ? n - from : each;
        uint32_t at = k->runs[run].n++;
        ds_sorter_rows(sorter, k->d.arena, &k->d.heap, from, count, columns);
        ds_sorter_add(all, &k->d.heap, (const ds_column *const *)columns, count);
        const ds_column *const *in = (const ds_column *const *)columns;
        k->runs[run].sizes[at] = ds_piece_size(&k->d.heap, in, N_COLUMNS, count);
        k->runs[run].pieces[at] = ds_alloc(k->runs[run].sizes[at]);
        ds_piece_write(k->runs[run].pieces[at], &k->d.heap, in, N_COLUMNS, count);
    }
    ds_sorter_free(sorter);
}

static void close_kit(kit *k)
{
    for (uint32_t r = 0; r < k->n_runs; r++)
        for (uint32_t i = 0; i < k->runs[r].n; i++)
            free(k->runs[r].pieces[i]);
    desk_close(&k->d);
    ck_assert_int_eq(k->budget.used_bytes, 0);
}

static void merge_and_compare(kit *k, ds_sorter *all, const ds_sort_key *keys, uint32_t window)
{
    const ds_merge_rows rows = {types, N_COLUMNS, keys, 1};
    const ds_merge_source source = {k, next};
    ds_merger *merger = ds_merger_new(&rows, k->n_runs, window, &source, &k->d.heap, &k->budget);
    uint64_t total = ds_sorter_finish(all), at = 0;
    ds_column *got[N_COLUMNS], *expected[N_COLUMNS];
    for (uint32_t n = 1; n > 0; at += n) {
        ds_arena *arena = ds_arena_new(NULL);
        ck_assert_int_eq(ds_merger_next(merger, arena, got, &n, NULL), DS_OK);
        ck_assert_uint_le(n, DS_CHUNK_ROWS);
        ck_assert_uint_le(at + n, total);
        if (n > 0) {
            ds_sorter_rows(all, arena, &k->d.heap, at, n, expected);
            for (uint32_t c = 0; c < N_COLUMNS; c++)
                for (uint32_t i = 0; i < n; i++)
                    ck_assert(ds_value_equal(&k->d.heap, got[c], i, &k->d.heap, expected[c], i));
        }
        ds_arena_free(arena);
        if (ds_merger_used_up(merger) > 20000)
            ds_merger_let_go(merger);
    }
    ck_assert_uint_eq(at, total);
    uint32_t n;
    ck_assert_int_eq(ds_merger_next(merger, k->d.arena, got, &n, NULL), DS_OK);
    ck_assert_uint_eq(n, 0); /* and it stays at the end */
    ds_merger_free(merger);
}

/* Rows that are equal but for their lists come in the order of the runs: as one sorter has them. */
START_TEST(random_runs_against_one_sort)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        kit k = {0};
        ds_random random;
        ds_random_init(&random, seed);
        desk_open(&k.d);
        ds_budget_init(&k.budget, NULL, 0);
        const ds_sort_key keys[] = {{.column = (uint32_t)(seed % 2),
                                     .descending = seed % 3 == 0,
                                     .nulls_first = seed % 5 == 0}};
        ds_sorter *all = ds_sorter_new(types, N_COLUMNS, keys, 1, -1, NULL);
        uint32_t n_runs = (uint32_t)ds_random_below(&random, seed < 10 ? 3 : MOST_RUNS);
        for (uint32_t r = 0; r < n_runs; r++)
            make_run(&k, &random, all, keys);
        merge_and_compare(&k, all, keys, 1 + (uint32_t)ds_random_below(&random, 500));
        ds_sorter_free(all);
        close_kit(&k);
    }
}
END_TEST

START_TEST(a_source_that_fails)
{
    kit k = {.fails = true};
    ds_random random;
    ds_random_init(&random, 5);
    desk_open(&k.d);
    ds_budget_init(&k.budget, NULL, 0);
    const ds_sort_key keys[] = {{.column = 1}};
    ds_sorter *all = ds_sorter_new(types, N_COLUMNS, keys, 1, -1, NULL);
    for (uint32_t r = 0; r < 5; r++)
        make_run(&k, &random, all, keys);
    const ds_merge_rows rows = {types, N_COLUMNS, keys, 1};
    const ds_merge_source source = {&k, next};
    ds_merger *merger = ds_merger_new(&rows, k.n_runs, 64, &source, &k.d.heap, &k.budget);
    ds_column *got[N_COLUMNS];
    uint32_t n;
    ds_error error;
    ck_assert_int_eq(ds_merger_next(merger, k.d.arena, got, &n, &error), DS_ERR_IO);
    ck_assert_str_eq(error.message, "it cannot be read");
    ds_merger_free(merger);
    ds_sorter_free(all);
    close_kit(&k);
}
END_TEST

UNIT_MAIN("merge", random_runs_against_one_sort, a_source_that_fails)
