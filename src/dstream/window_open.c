#include "dstream/window_open.h"

#include "base/assert.h"
#include "columnar/gather.h"
#include "columnar/growable.h"
#include "columnar/piece.h"
#include "dstream/window_record.h"

#include <stdlib.h>

/* Panes are logged until so many times those that were saved have gone. To write down all of a
 * window takes its task milliseconds, and to hand a log over nothing. */
#define LOGGED 4

/* ---- Rows ---- */

static size_t numbers_size(uint32_t n)
{
    return ((size_t)n + 3) / 2 * 2 * sizeof(uint32_t);
}

ds_pane_rows ds_pane_rows_make(const ds_heap *heap, const ds_column *const *columns,
                               uint32_t n_columns, const uint32_t *numbers, uint32_t n)
{
    size_t before = numbers_size(n), size = before + ds_piece_size(heap, columns, n_columns, n);
    ds_pane_rows rows = {.bytes = ds_alloc(size), .size = size};
    memset(rows.bytes, 0, before);
    memcpy(rows.bytes, &n, sizeof n);
    memcpy(rows.bytes + 2 * sizeof n, numbers, n * sizeof *numbers);
    ds_piece_write(rows.bytes + before, heap, columns, n_columns, n);
    return rows;
}

static uint32_t count_of(const ds_pane_rows *rows)
{
    uint32_t n = 0;
    if (rows->size >= 2 * sizeof n)
        memcpy(&n, rows->bytes, sizeof n);
    return numbers_size(n) <= rows->size ? n : 0;
}

static const uint32_t *numbers_of(const ds_pane_rows *rows)
{
    return (const uint32_t *)(const void *)rows->bytes + 2;
}

static ds_pane_rows *add_rows(ds_window *window, ds_pane_rows *list, uint32_t *n, uint32_t *room,
                              ds_pane_rows rows)
{
    list = ds_grow(list, room, (uint64_t)*n + 1, sizeof *list, window->budget);
    rows.bytes = ds_budget_adopt(window->budget, rows.bytes, rows.size);
    list[(*n)++] = rows;
    return list;
}

static void clear_rows(ds_window *window, ds_pane_rows *list, uint32_t *n)
{
    while (*n > 0) {
        --*n;
        ds_budget_free(window->budget, list[*n].bytes, list[*n].size);
    }
}

/* ---- The log ---- */

static void log_some(ds_window *window, const ds_heap *heap, const ds_column *const *partials,
                     const uint32_t *places, const uint32_t *numbers, uint32_t n)
{
    ds_window_log *log = &window->log;
    ds_arena *arena = ds_arena_new(ds_budget_plain(window->budget));
    const ds_column **some = DS_ARENA_ARRAY(arena, const ds_column *, window->n_partials + 1);
    for (uint32_t c = 0; c < window->n_partials; c++)
        some[c] = ds_column_gather(arena, partials[c], places, n);
    bool fits = n == 1 || ds_piece_size(heap, some, window->n_partials, n) <= DS_PART_BYTES;
    if (fits)
        log->rows = add_rows(window, log->rows, &log->n_rows, &log->rows_room,
                             ds_pane_rows_make(heap, some, window->n_partials, numbers, n));
    ds_arena_free(arena);
    if (fits)
        return;
    log_some(window, heap, partials, places, numbers, n / 2);
    log_some(window, heap, partials, places + n / 2, numbers + n / 2, n - n / 2);
}

void ds_window_log_rows(ds_window *window, const ds_heap *heap, ds_column *const *partials,
                        uint32_t from, uint32_t n)
{
    uint32_t *places = ds_alloc(2 * (size_t)n * sizeof *places), *numbers = places + n, some = 0;
    DS_ASSERT(window->log.on && !window->log.outrun);
    for (uint32_t i = 0; i < n; i++) {
        places[some] = i;
        numbers[some] = from + i;
        some += ds_groups_was_merged(window->open, from + i);
    }
    if (some > 0)
        log_some(window, heap, (const ds_column *const *)partials, places, numbers, some);
    free(places);
}

void ds_window_log_pane(ds_window *window)
{
    ds_window_log *log = &window->log;
    log->panes = ds_grow(log->panes, &log->panes_room, (uint64_t)log->n_panes + 1,
                         sizeof *log->panes, window->budget);
    log->panes[log->n_panes++] = (ds_logged_pane){
        .head = {.end = window->open_end,
                 .gone = window->gone - log->saved_gone,
                 .n_groups = ds_groups_count(window->open),
                 .fresh = log->fresh},
        .rows_end = log->n_rows,
    };
}

static void clear_log(ds_window *window)
{
    clear_rows(window, window->log.rows, &window->log.n_rows);
    window->log.n_panes = 0;
}

void ds_window_log_gone(ds_window *window)
{
    ds_window_log *log = &window->log;
    if (!log->on || log->outrun || window->gone - log->saved_gone <= LOGGED * log->saved_parts)
        return;
    log->outrun = true;
    clear_log(window);
}

void ds_window_log_begin(ds_window *window)
{
    ds_window_log *log = &window->log;
    clear_log(window);
    log->on = true;
    log->outrun = log->fresh = false;
    log->saved_gone = window->gone;
    log->saved_parts = window->n_parts;
    ds_groups_watch(window->open);
    ds_groups_forget_merged(window->open);
}

void ds_window_log_free(ds_window *window)
{
    ds_window_log *log = &window->log;
    clear_log(window);
    ds_grow_free(log->panes, &log->panes_room, sizeof *log->panes, window->budget);
    ds_grow_free(log->rows, &log->rows_room, sizeof *log->rows, window->budget);
}

size_t ds_window_log_bytes(const ds_window *window)
{
    const ds_window_log *log = &window->log;
    size_t bytes = log->panes_room * sizeof *log->panes + log->rows_room * sizeof *log->rows;
    for (uint32_t i = 0; i < log->n_rows; i++)
        bytes += log->rows[i].size;
    return bytes;
}

/* ---- What waits ---- */

/* What is done with rows of a piece, a chunk at a time. */
typedef struct taking {
    ds_window *window;
    const ds_pane_rows *rows;
    ds_arena *arena;
    ds_heap heap;
    ds_type *types;
    ds_column **columns;
    uint32_t n_columns;
    ds_piece *piece;
} taking;

static ds_status open_rows(taking *t, ds_window *window, const ds_pane_rows *rows, ds_error *error)
{
    size_t before = numbers_size(count_of(rows));
    *t = (taking){
        .window = window, .rows = rows, .arena = ds_arena_new(ds_budget_plain(window->budget))};
    ds_heap_init(&t->heap, t->arena);
    t->n_columns = ds_group_partial_types(window->group, NULL);
    t->types = DS_ARENA_ARRAY(t->arena, ds_type, t->n_columns + 1);
    t->columns = DS_ARENA_ARRAY(t->arena, ds_column *, t->n_columns + 1);
    ds_group_partial_types(window->group, t->types);
    return ds_piece_open(t->arena, &t->heap, rows->bytes + before, rows->size - before, t->types,
                         t->n_columns, &t->piece, error);
}

static void close_rows(taking *t)
{
    ds_heap_fini(&t->heap);
    ds_arena_free(t->arena);
}

/* Reads all values. */
static ds_status check_rows(ds_window *window, const ds_pane_rows *rows, ds_error *error)
{
    taking t;
    ds_status status = open_rows(&t, window, rows, error);
    uint32_t n = count_of(rows);
    if (status == DS_OK && (n == 0 || ds_piece_length(t.piece) != n))
        status = ds_error_set(error, DS_ERR_PROTOCOL, "a saved window: rows without groups");
    ds_arena *chunk = ds_arena_new(ds_budget_plain(window->budget));
    for (uint32_t from = 0; from < n && status == DS_OK; from += DS_CHUNK_ROWS) {
        uint32_t some = n - from < DS_CHUNK_ROWS ? n - from : DS_CHUNK_ROWS;
        status = ds_piece_take(t.piece, chunk, from, some, t.columns, error);
        ds_arena_reset(chunk);
    }
    ds_arena_free(chunk);
    close_rows(&t);
    return status;
}

/* New groups have the next numbers. */
static bool check_numbers(ds_window_waiting *waiting, const ds_pane_rows *rows)
{
    const uint32_t *numbers = numbers_of(rows);
    uint32_t n = count_of(rows);
    for (uint32_t i = 0; i < n; i++) {
        if (numbers[i] > waiting->n_groups || (i > 0 && numbers[i] <= numbers[i - 1]))
            return false;
        waiting->again = waiting->again || numbers[i] < waiting->n_groups;
        waiting->n_groups += numbers[i] == waiting->n_groups;
    }
    return true;
}

ds_status ds_window_wait(ds_window *window, ds_pane_rows rows, ds_error *error)
{
    ds_window_waiting *waiting = &window->waiting;
    ds_status status = check_rows(window, &rows, error);
    if (status == DS_OK && !check_numbers(waiting, &rows))
        status = ds_error_set(error, DS_ERR_PROTOCOL, "a saved window: groups with wrong numbers");
    if (status == DS_OK)
        waiting->rows =
            add_rows(window, waiting->rows, &waiting->n_rows, &waiting->rows_room, rows);
    else
        free(rows.bytes);
    return status;
}

void ds_window_wait_clear(ds_window *window)
{
    ds_window_waiting *waiting = &window->waiting;
    clear_rows(window, waiting->rows, &waiting->n_rows);
    ds_grow_free(waiting->rows, &waiting->rows_room, sizeof *waiting->rows, window->budget);
    *waiting = (ds_window_waiting){.rows = NULL};
}

/* Takes the rows at some places of a chunk: adds their keys, or merges them. */
static void take_some(taking *t, ds_arena *chunk, const uint32_t *places, uint32_t n, bool keys)
{
    const ds_column **some = DS_ARENA_ARRAY(chunk, const ds_column *, t->n_columns + 1);
    uint32_t n_columns = keys ? t->window->group->n_keys : t->n_columns;
    for (uint32_t c = 0; c < n_columns; c++)
        some[c] = ds_column_gather(chunk, t->columns[c], places, n);
    if (keys)
        ds_groups_add(t->window->open, &t->heap, some, n);
    else
        ds_groups_merge(t->window->open, &t->heap, some, n);
}

/* Of the rows of a list: the keys of groups that are new (*have is how many there are), or, with
 * `latest`, the rows that are the latest of their groups. */
static void take_rows(ds_window *window, uint32_t index, uint32_t *have, const uint32_t *latest)
{
    const ds_pane_rows *rows = &window->waiting.rows[index];
    const uint32_t *numbers = numbers_of(rows);
    uint32_t n = count_of(rows), places[DS_CHUNK_ROWS];
    taking t;
    ds_arena *chunk = ds_arena_new(ds_budget_plain(window->budget));
    ds_status status = open_rows(&t, window, rows, NULL);
    for (uint32_t from = 0, some; from < n && status == DS_OK; from += some) {
        uint32_t wanted = 0;
        some = n - from < DS_CHUNK_ROWS ? n - from : DS_CHUNK_ROWS;
        status = ds_piece_take(t.piece, chunk, from, some, t.columns, NULL);
        for (uint32_t i = 0; i < some; i++) {
            uint32_t number = numbers[from + i];
            bool take = latest != NULL ? latest[number] == index : number == *have;
            *have += latest == NULL && take;
            places[wanted] = i;
            wanted += take;
        }
        if (wanted > 0 && status == DS_OK)
            take_some(&t, chunk, places, wanted, latest == NULL);
        ds_arena_reset(chunk);
    }
    DS_ASSERT(status == DS_OK); /* it was read before */
    ds_arena_free(chunk);
    close_rows(&t);
}

bool ds_window_wait_end(ds_window *window)
{
    ds_window_waiting *waiting = &window->waiting;
    uint32_t n_groups = waiting->n_groups, have = 0;
    uint32_t *latest = ds_alloc(n_groups * sizeof *latest);
    ds_groups_clear(window->open);
    for (uint32_t r = 0; r < waiting->n_rows; r++)
        for (uint32_t i = 0; i < count_of(&waiting->rows[r]); i++)
            latest[numbers_of(&waiting->rows[r])[i]] = r;
    for (uint32_t r = 0; waiting->again && r < waiting->n_rows; r++)
        take_rows(window, r, &have, NULL);
    for (uint32_t r = 0; r < waiting->n_rows; r++)
        take_rows(window, r, &have, latest);
    free(latest);
    ds_window_wait_clear(window);
    return window->group->n_keys == 0 ? n_groups <= 1 : ds_groups_count(window->open) == n_groups;
}
