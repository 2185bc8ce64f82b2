/*
 * As bytes: a head (how many pieces there are after it), then a frame for each new piece: the
 * time of its batch, and its bytes. So a part says what went, too: as many as are too many.
 */
#include "dstream/row_window.h"

#include "base/assert.h"
#include "columnar/piece.h"

#include <stdlib.h>

struct ds_row_window {
    ds_budget *budget;
    ds_window_piece *pieces; /* a queue: [first, end), by batch */
    size_t first, end, capacity;
    uint64_t added;       /* pieces ever */
    uint64_t saved_first; /* numbers of pieces, counted as they were added: the first one */
    uint64_t saved_end;   /* and the end when it was saved */
};

ds_row_window *ds_row_window_new(ds_budget *budget)
{
    ds_row_window *window = ds_calloc(1, sizeof *window);
    window->budget = budget;
    return window;
}

static void drop_first(ds_row_window *window)
{
    DS_ASSERT(window->first < window->end);
    ds_window_piece *piece = &window->pieces[window->first++];
    ds_budget_free(window->budget, piece->bytes, piece->length);
}

void ds_row_window_free(ds_row_window *window)
{
    if (window == NULL)
        return;
    while (window->first < window->end)
        drop_first(window);
    free(window->pieces);
    free(window);
}

static void make_room(ds_row_window *window)
{
    if (window->end < window->capacity)
        return;
    if (window->first > window->capacity / 2) {
        memmove(window->pieces, window->pieces + window->first,
                (window->end - window->first) * sizeof *window->pieces);
        window->end -= window->first;
        window->first = 0;
        return;
    }
    window->capacity = window->capacity == 0 ? 16 : window->capacity * 2;
    window->pieces = ds_realloc(window->pieces, window->capacity, sizeof *window->pieces);
}

void *ds_row_window_alloc(ds_row_window *window, size_t length)
{
    ds_budget_relieve(window->budget);
    return ds_budget_alloc(window->budget, length);
}

void ds_row_window_forget(ds_row_window *window, void *bytes, size_t length)
{
    ds_budget_free(window->budget, bytes, length);
}

void ds_row_window_add(ds_row_window *window, int64_t batch_ms, void *bytes, size_t length)
{
    make_room(window);
    window->pieces[window->end++] = (ds_window_piece){batch_ms, length, bytes};
    window->added++;
}

void ds_row_window_drop(ds_row_window *window, int64_t oldest_ms)
{
    while (window->first < window->end && window->pieces[window->first].batch_ms <= oldest_ms)
        drop_first(window);
}

uint32_t ds_row_window_count(const ds_row_window *window)
{
    return (uint32_t)(window->end - window->first);
}

const ds_window_piece *ds_row_window_piece(const ds_row_window *window, uint32_t i)
{
    DS_ASSERT(i < window->end - window->first);
    return &window->pieces[window->first + i];
}

/* ---- As bytes ---- */

enum { FRAME_HEAD = 2, FRAME_PIECE };

/* The number of the oldest piece, as they were added. */
static uint64_t first_number(const ds_row_window *window)
{
    return window->added - (window->end - window->first);
}

bool ds_row_window_changed(const ds_row_window *window)
{
    return window->added != window->saved_end || first_number(window) != window->saved_first;
}

bool ds_row_window_outran(const ds_row_window *window)
{
    return window->saved_end <= first_number(window);
}

static void mark_saved(ds_row_window *window)
{
    window->saved_first = first_number(window);
    window->saved_end = window->added;
}

static ds_status save_piece(const ds_window_piece *piece, ds_saver *saver, ds_error *error)
{
    const ds_saved_bytes parts[] = {{&piece->batch_ms, sizeof piece->batch_ms},
                                    {piece->bytes, piece->length}};
    return ds_saver_put(saver, FRAME_PIECE, parts, 2, error);
}

ds_status ds_row_window_save(ds_row_window *window, bool whole, ds_saver *saver, ds_error *error)
{
    uint64_t count = window->end - window->first, oldest = first_number(window);
    const ds_saved_bytes head = {&count, sizeof count};
    DS_TRY(ds_saver_put(saver, FRAME_HEAD, &head, 1, error));
    uint64_t from = whole || window->saved_end < oldest ? oldest : window->saved_end;
    for (uint64_t i = from - oldest; i < count; i++)
        DS_TRY(save_piece(&window->pieces[window->first + i], saver, error));
    mark_saved(window);
    return DS_OK;
}

static ds_status wrong(ds_error *error, const char *what)
{
    return ds_error_set(error, DS_ERR_PROTOCOL, "saved rows of a window: %s", what);
}

/* Reads all its values: what is kept is not looked at again before it is due. */
static ds_status check_piece(const void *bytes, size_t length, const ds_type *types,
                             uint32_t n_types, ds_error *error)
{
    ds_arena *arena = ds_arena_new(NULL), *chunk = ds_arena_new(NULL);
    ds_column **columns = DS_ARENA_ARRAY(arena, ds_column *, n_types + 1);
    ds_heap heap;
    ds_piece *piece;
    ds_heap_init(&heap, arena);
    ds_status status = ds_piece_open(arena, &heap, bytes, length, types, n_types, &piece, error);
    uint32_t total = status == DS_OK ? ds_piece_length(piece) : 0;
    for (uint32_t at = 0; at < total && status == DS_OK; at += DS_CHUNK_ROWS) {
        uint32_t n = total - at < DS_CHUNK_ROWS ? total - at : DS_CHUNK_ROWS;
        status = ds_piece_take(piece, chunk, at, n, columns, error);
        ds_arena_reset(chunk);
    }
    ds_heap_fini(&heap);
    ds_arena_free(chunk);
    ds_arena_free(arena);
    return status;
}

typedef struct loading {
    ds_row_window *window;
    int64_t version_ms;
    const ds_type *types;
    uint32_t n_types;
    uint64_t count; /* of the head */
} loading;

static ds_status load_piece(const loading *l, const char *bytes, size_t length, ds_error *error)
{
    ds_row_window *window = l->window;
    int64_t batch_ms;
    if (length < sizeof batch_ms)
        return wrong(error, "a piece that is none");
    memcpy(&batch_ms, bytes, sizeof batch_ms);
    if (batch_ms > l->version_ms ||
        (window->first < window->end && batch_ms < window->pieces[window->end - 1].batch_ms))
        return wrong(error, "a time that cannot be");
    length -= sizeof batch_ms;
    char *piece = ds_row_window_alloc(window, length);
    memcpy(piece, bytes + sizeof batch_ms, length);
    ds_status status = check_piece(piece, length, l->types, l->n_types, error);
    if (status == DS_OK)
        ds_row_window_add(window, batch_ms, piece, length);
    else
        ds_row_window_forget(window, piece, length);
    return status;
}

static ds_status load_frame(loading *l, bool first, uint32_t tag, const char *bytes, size_t length,
                            ds_error *error)
{
    if (first != (tag == FRAME_HEAD) || (first && length != sizeof l->count))
        return wrong(error, "a frame that cannot be there");
    if (first)
        memcpy(&l->count, bytes, sizeof l->count);
    else if (tag != FRAME_PIECE)
        return wrong(error, "a frame that is not known");
    return first ? DS_OK : load_piece(l, bytes, length, error);
}

/* As many of the oldest go as are too many. */
static ds_status end_loading(const loading *l, bool first, ds_error *error)
{
    ds_row_window *window = l->window;
    if (first || window->end - window->first < l->count)
        return wrong(error, "something is missing");
    while (window->end - window->first > l->count)
        drop_first(window);
    mark_saved(window);
    return DS_OK;
}

ds_status ds_row_window_load(ds_row_window *window, bool whole, int64_t version_ms,
                             const ds_type *types, uint32_t n_types, ds_loader *loader,
                             ds_error *error)
{
    loading l = {window, version_ms, types, n_types, 0};
    while (whole && window->first < window->end)
        drop_first(window);
    for (bool first = true;; first = false) {
        uint32_t tag;
        size_t length;
        char *bytes;
        DS_TRY(ds_loader_next(loader, &tag, &length, error));
        if (tag == 0)
            return end_loading(&l, first, error);
        DS_TRY(ds_loader_take_new(loader, &bytes, error));
        ds_status status = load_frame(&l, first, tag, bytes, length, error);
        free(bytes);
        DS_TRY(status);
    }
}
