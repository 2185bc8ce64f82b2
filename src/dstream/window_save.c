/*
 * A window as bytes, and back (the format is in window.h).
 *
 * Keys get new numbers, in the order in which the window gives its results. Running states are not
 * saved: they are what the parts of panes add up to, exactly. States in queues are, since floats
 * would be added in another order. Their text is lent by the bytes they came in (window_record.h).
 */
#include "base/assert.h"
#include "columnar/growable.h"
#include "columnar/piece.h"
#include "dstream/window_record.h"

#include <stdlib.h>

/* In a frame of queues, more or less: whoever saves or loads beside others stops between frames. */
#define QUEUE_KEYS 4096u
#define QUEUE_ENTRIES UINT64_C(2048)

enum { FRAME_HEAD = 2, FRAME_KEYS, FRAME_PART, FRAME_SHAPES, FRAME_STATES, FRAME_PANE, FRAME_ROWS };

typedef struct head {
    int64_t now;
    uint64_t n_keys, n_parts; /* of a whole */
    uint64_t n_panes;         /* that closed since the last part */
    uint64_t gone;            /* parts that went since */
} head;

typedef struct part_head {
    int64_t end;
    uint32_t n, zero;
} part_head;

_Static_assert(sizeof(head) == 40 && sizeof(part_head) == 16 && sizeof(ds_pane_head) == 24,
               "fixed layout");

typedef struct queue_types {
    ds_type shape[DS_SLIDE_SHAPE];
    ds_type *states; /* partial columns of the calls that combine, one after the other */
    uint32_t n;
    bool text; /* some of them are, or lists: states may refer to what they were loaded from */
} queue_types;

static queue_types types_of_queues(const ds_window *window, ds_arena *arena)
{
    queue_types types = {.states = DS_ARENA_ARRAY(arena, ds_type, window->n_partials + 1)};
    for (uint32_t i = 0; i < DS_SLIDE_SHAPE; i++)
        types.shape[i] = DS_TYPE(DS_INT);
    for (uint32_t c = 0; c < window->group->n_calls; c++) {
        const ds_agg_call *call = &window->group->calls[c];
        if (window->plans[c].subtracts)
            continue;
        types.n += call->aggregate->partial(call, types.states + types.n);
    }
    for (uint32_t i = 0; i < types.n; i++)
        types.text |= types.states[i].kind == DS_STRING || types.states[i].kind == DS_LIST;
    return types;
}

/* ---- saving ---- */

typedef struct saving {
    ds_window *window;
    ds_saver *saver;
    ds_arena *arena; /* of what is being written */
} saving;

static ds_status put_piece(saving *s, uint32_t tag, const ds_heap *heap,
                           const ds_column *const *columns, uint32_t n_columns, uint32_t n,
                           ds_error *error)
{
    size_t size = ds_piece_size(heap, columns, n_columns, n);
    void *bytes = ds_alloc(size);
    ds_piece_write(bytes, heap, columns, n_columns, n);
    ds_status status = ds_saver_put(s->saver, tag, &(ds_saved_bytes){bytes, size}, 1, error);
    free(bytes);
    return status;
}

/* Groups of the open pane. */
static ds_status save_groups(saving *s, const uint32_t *ids, uint32_t n, ds_error *error)
{
    uint32_t n_columns = s->window->n_partials;
    ds_column **columns = DS_ARENA_ARRAY(s->arena, ds_column *, n_columns + 1);
    ds_heap heap;
    ds_heap_init(&heap, s->arena);
    ds_groups_partials(s->window->open, s->arena, &heap, ids, n, columns);
    const ds_column *const *read = (const ds_column *const *)columns;
    bool fits = n == 1 || ds_piece_size(&heap, read, n_columns, n) <= DS_PART_BYTES;
    ds_pane_rows rows = {NULL, 0};
    if (fits)
        rows = ds_pane_rows_make(&heap, read, n_columns, ids, n);
    ds_heap_fini(&heap);
    ds_arena_reset(s->arena);
    if (!fits) {
        DS_TRY(save_groups(s, ids, n / 2, error));
        return save_groups(s, ids + n / 2, n - n / 2, error);
    }
    const ds_saved_bytes part = {rows.bytes, rows.size};
    ds_status status = ds_saver_put(s->saver, FRAME_ROWS, &part, 1, error);
    free(rows.bytes);
    return status;
}

static ds_status save_keys(saving *s, const uint32_t *ids, uint32_t n, ds_error *error)
{
    uint32_t n_columns = s->window->group->n_keys;
    ds_column **columns = DS_ARENA_ARRAY(s->arena, ds_column *, n_columns + 1);
    ds_heap heap;
    ds_heap_init(&heap, s->arena);
    ds_keys_columns(s->window->keys, s->arena, &heap, ids, n, columns);
    const ds_column *const *read = (const ds_column *const *)columns;
    bool fits = n == 1 || ds_piece_size(&heap, read, n_columns, n) <= DS_PART_BYTES;
    ds_status status = fits ? put_piece(s, FRAME_KEYS, &heap, read, n_columns, n, error) : DS_OK;
    ds_heap_fini(&heap);
    ds_arena_reset(s->arena);
    if (fits)
        return status;
    DS_TRY(save_keys(s, ids, n / 2, error));
    return save_keys(s, ids + n / 2, n - n / 2, error);
}

static ds_status save_part(saving *s, const ds_window_part *p, ds_error *error)
{
    uint32_t even = (p->n + 1) / 2 * 2;
    part_head *first = ds_arena_calloc(s->arena, 1, sizeof *first + even * sizeof(uint32_t));
    uint32_t *numbers = (uint32_t *)(first + 1);
    *first = (part_head){.end = p->end, .n = p->n};
    for (uint32_t i = 0; i < p->n; i++)
        numbers[i] = s->window->place[p->ids[i]];
    const ds_saved_bytes parts[] = {{first, sizeof *first + even * sizeof(uint32_t)},
                                    {p->bytes, p->size}};
    return ds_saver_put(s->saver, FRAME_PART, parts, 2, error);
}

static ds_status save_queues(saving *s, const queue_types *types, const uint32_t *keys, uint32_t n,
                             ds_error *error)
{
    ds_window *window = s->window;
    ds_column *shape[DS_SLIDE_SHAPE];
    ds_column **states = DS_ARENA_ARRAY(s->arena, ds_column *, types->n + 1);
    ds_column ***by_call = DS_ARENA_ARRAY(s->arena, ds_column **, window->group->n_calls + 1);
    uint32_t at = 0;
    for (uint32_t c = 0; c < window->group->n_calls; c++)
        if (!window->plans[c].subtracts) {
            by_call[window->plans[c].combined] = states + at;
            at += window->plans[c].n_columns;
        }
    ds_heap heap;
    ds_heap_init(&heap, s->arena);
    uint32_t n_states =
        ds_slide_combine_save(window->queues, s->arena, &heap, keys, n, shape, by_call);
    const ds_column *const *read = (const ds_column *const *)states;
    bool fits = n == 1 || ds_piece_size(&heap, read, types->n, n_states) <= DS_PART_BYTES;
    ds_status status = DS_OK;
    if (fits)
        status = put_piece(s, FRAME_SHAPES, &heap, (const ds_column *const *)shape, DS_SLIDE_SHAPE,
                           n, error);
    if (fits && status == DS_OK)
        status = put_piece(s, FRAME_STATES, &heap, read, types->n, n_states, error);
    ds_heap_fini(&heap);
    if (fits)
        return status;
    DS_TRY(save_queues(s, types, keys, n / 2, error));
    return save_queues(s, types, keys + n / 2, n - n / 2, error);
}

/* Keys whose queues make a frame: a queue has an entry for each pane that has its key. */
static uint32_t queues_of_frame(const ds_window *window)
{
    uint64_t entries = 0;
    for (uint32_t i = 0; i < window->n_parts; i++)
        entries += window->parts[window->first_part + i].n;
    uint64_t keys = QUEUE_ENTRIES * window->n_live / (entries + 1) + 1;
    return keys < QUEUE_KEYS ? (uint32_t)keys : QUEUE_KEYS;
}

static ds_status save_panes(saving *s, ds_error *error)
{
    const ds_window *window = s->window;
    uint32_t most = queues_of_frame(window);
    for (uint32_t at = 0; at < window->n_live && window->group->n_keys > 0; at += DS_PART_KEYS) {
        uint32_t left = window->n_live - at, n = left < DS_PART_KEYS ? left : DS_PART_KEYS;
        DS_TRY(save_keys(s, window->live + at, n, error));
    }
    for (uint32_t i = 0; i < window->n_parts; i++) {
        DS_TRY(save_part(s, &window->parts[window->first_part + i], error));
        ds_arena_reset(s->arena);
    }
    for (uint32_t at = 0; at < window->n_live && window->queues != NULL; at += most) {
        uint32_t left = window->n_live - at, n = left < most ? left : most;
        queue_types types = types_of_queues(window, s->arena);
        DS_TRY(save_queues(s, &types, window->live + at, n, error));
        ds_arena_reset(s->arena);
    }
    return DS_OK;
}

/* The next groups that are saved: all of them, or those that changed. */
static uint32_t next_groups(const saving *s, bool whole, uint32_t *at, uint32_t *ids)
{
    uint32_t total = ds_groups_count(s->window->open), n = 0;
    if (!whole)
        return ds_groups_merged(s->window->open, at, ids, DS_PART_KEYS);
    while (*at < total && n < DS_PART_KEYS)
        ids[n++] = (*at)++;
    return n;
}

static ds_status save_open(saving *s, bool whole, ds_error *error)
{
    const ds_window *window = s->window;
    bool none = window->open_end == DS_WINDOW_NEVER;
    const ds_pane_head pane = {.end = window->open_end,
                               .gone = whole ? 0 : window->gone - window->log.saved_gone,
                               .n_groups = none ? 0 : ds_groups_count(window->open),
                               .fresh = whole || window->log.fresh};
    DS_TRY(ds_saver_put(s->saver, FRAME_PANE, &(ds_saved_bytes){&pane, sizeof pane}, 1, error));
    uint32_t *ids = ds_alloc(DS_PART_KEYS * sizeof *ids), at = 0, n;
    ds_status status = DS_OK;
    while (!none && status == DS_OK && (n = next_groups(s, whole, &at, ids)) > 0)
        status = save_groups(s, ids, n, error);
    free(ids);
    return status;
}

/* Rows of the log, which are not needed any more: so they need not be copied. */
static ds_status save_logged(saving *s, ds_pane_rows *rows, ds_error *error)
{
    const ds_pane_rows gone = *rows;
    *rows = (ds_pane_rows){NULL, 0};
    return ds_saver_give(s->saver, FRAME_ROWS, gone.bytes, gone.size, s->window->budget, error);
}

static ds_status save_log(saving *s, ds_error *error)
{
    const ds_window_log *log = &s->window->log;
    for (uint32_t p = 0, r = 0; p < log->n_panes; p++) {
        const ds_saved_bytes pane = {&log->panes[p].head, sizeof log->panes[p].head};
        DS_TRY(ds_saver_put(s->saver, FRAME_PANE, &pane, 1, error));
        for (; r < log->panes[p].rows_end; r++)
            DS_TRY(save_logged(s, &log->rows[r], error));
    }
    return DS_OK;
}

static ds_status save_all(saving *s, bool whole, ds_error *error)
{
    const ds_window *window = s->window;
    bool panes = whole && !window->single;
    const head h = {.now = window->now,
                    .n_keys = panes ? window->n_live : 0,
                    .n_parts = panes ? window->n_parts : 0,
                    .n_panes = whole ? 0 : window->log.n_panes,
                    .gone = whole ? 0 : window->gone - window->log.saved_gone};
    DS_TRY(ds_saver_put(s->saver, FRAME_HEAD, &(ds_saved_bytes){&h, sizeof h}, 1, error));
    if (panes)
        DS_TRY(save_panes(s, error));
    if (!whole)
        DS_TRY(save_log(s, error));
    return save_open(s, whole, error);
}

bool ds_window_unsaved(const ds_window *window)
{
    const ds_window_log *log = &window->log;
    return !log->on || log->outrun || log->fresh || log->n_panes > 0 ||
           window->gone != log->saved_gone || ds_groups_any_merged(window->open);
}

bool ds_window_outran(const ds_window *window)
{
    const ds_window_log *log = &window->log;
    return !log->on || log->outrun || (window->single && log->fresh);
}

ds_status ds_window_save(ds_window *window, bool whole, ds_saver *saver, ds_error *error)
{
    saving s = {
        .window = window, .saver = saver, .arena = ds_arena_new(ds_budget_plain(window->budget))};
    DS_ASSERT((whole || !ds_window_outran(window)) && window->waiting.n_rows == 0);
    ds_status status = save_all(&s, whole, error);
    ds_window_log_begin(window);
    ds_arena_free(s.arena);
    return status;
}

/* ---- loading ---- */

typedef struct loading {
    ds_window *window;
    ds_loader *loader;
    int64_t version_ms;
    bool whole;
    head h;
    uint64_t n_keys, n_parts, n_queues; /* so far, of a whole */
    uint64_t n_panes, gone;             /* so far */
    bool in_pane;                       /* its head was there */
    ds_pane_head pane;
    char *shapes; /* of the frame before, which the states belong to; owned */
    size_t shapes_size;
} loading;

static ds_status wrong(ds_error *error, const char *what)
{
    return ds_error_set(error, DS_ERR_PROTOCOL, "a saved window: %s", what);
}

static bool is_slide(const loading *l, int64_t t)
{
    return t == DS_WINDOW_NEVER || (t <= l->version_ms && t % l->window->spec->slide_ms == 0);
}

static ds_status load_head(loading *l, const void *bytes, size_t length, ds_error *error)
{
    if (length != sizeof l->h)
        return wrong(error, "a head of another length");
    memcpy(&l->h, bytes, sizeof l->h);
    ds_window *window = l->window;
    if (!is_slide(l, l->h.now) || l->h.now < window->now)
        return wrong(error, "times that cannot be");
    if (l->h.n_keys > UINT32_MAX || l->h.n_parts > UINT32_MAX)
        return wrong(error, "too many keys");
    bool panes = l->whole && !window->single;
    if ((!panes && (l->h.n_keys > 0 || l->h.n_parts > 0)) ||
        ((l->whole || window->single) && (l->h.n_panes > 0 || l->h.gone > 0)))
        return wrong(error, "panes that it cannot have");
    if (panes && window->group->n_keys == 0 && l->h.n_keys != 1)
        return wrong(error, "not one group");
    window->now = l->h.now;
    l->n_keys = panes && window->group->n_keys == 0 ? 1 : 0;
    return DS_OK;
}

static ds_status put_keys(loading *l, const ds_heap *heap, const ds_column *const *columns,
                          uint32_t n, ds_error *error)
{
    ds_window *window = l->window;
    uint64_t hashes[DS_CHUNK_ROWS];
    uint32_t ids[DS_CHUNK_ROWS];
    ds_hash_rows(heap, columns, window->group->n_keys, n, hashes);
    ds_keys_put(window->keys, heap, columns, hashes, n, ids);
    ds_window_grow_keys(window);
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] != l->n_keys + i)
            return wrong(error, "a key stands there twice");
        window->live[ids[i]] = window->place[ids[i]] = ids[i];
    }
    l->n_keys += n;
    window->n_live = (uint32_t)l->n_keys;
    return DS_OK;
}

static ds_status load_keys(loading *l, const void *bytes, size_t length, ds_error *error)
{
    const ds_group_spec *group = l->window->group;
    ds_arena *arena = ds_arena_new(ds_budget_plain(l->window->budget));
    ds_column **columns = DS_ARENA_ARRAY(arena, ds_column *, group->n_keys + 1);
    ds_heap heap;
    ds_piece *piece;
    ds_heap_init(&heap, arena);
    ds_status status =
        ds_piece_open(arena, &heap, bytes, length, group->keys, group->n_keys, &piece, error);
    if (status == DS_OK && (group->n_keys == 0 || ds_piece_length(piece) > l->h.n_keys - l->n_keys))
        status = wrong(error, "more keys than there are");
    uint32_t total = status == DS_OK ? ds_piece_length(piece) : 0;
    for (uint32_t at = 0; at < total && status == DS_OK; at += DS_CHUNK_ROWS) {
        uint32_t n = total - at < DS_CHUNK_ROWS ? total - at : DS_CHUNK_ROWS;
        status = ds_piece_take(piece, arena, at, n, columns, error);
        if (status == DS_OK)
            status = put_keys(l, &heap, (const ds_column *const *)columns, n, error);
    }
    ds_heap_fini(&heap);
    ds_arena_free(arena);
    return status;
}

/* Lends bytes as the text of a new slot. */
static uint32_t lend(ds_window *window, const char *bytes)
{
    uint32_t slot = ds_window_new_slot(window);
    ds_text_store_set(&window->text, slot, bytes);
    return slot;
}

static bool are_numbers(const loading *l, const uint32_t *ids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] >= l->h.n_keys)
            return false;
    return true;
}

static bool is_next_part(const loading *l, const part_head *first)
{
    const ds_window *window = l->window;
    if (first->zero != 0 || first->n == 0 || l->n_parts == l->h.n_parts || l->in_pane ||
        first->end > l->version_ms)
        return false;
    uint32_t last = window->first_part + window->n_parts;
    return window->n_parts == 0 || window->parts[last - 1].end <= first->end;
}

static void count_part(loading *l, const ds_window_part *p)
{
    ds_window *window = l->window;
    const ds_window_part *before = window->n_parts > 1 ? p - 1 : NULL;
    for (uint32_t i = 0; i < p->n; i++)
        window->panes_of[p->ids[i]]++;
    window->n_panes += before == NULL || before->end != p->end;
    l->n_parts++;
}

static ds_status load_part(loading *l, const char *bytes, size_t length, ds_error *error)
{
    ds_window *window = l->window;
    part_head first = {.n = 0};
    if (length >= sizeof first)
        memcpy(&first, bytes, sizeof first);
    size_t ids = ((size_t)first.n + 1) / 2 * 2 * sizeof(uint32_t);
    if (!is_next_part(l, &first) || length - sizeof first < ids)
        return wrong(error, "a part of a pane that cannot be");
    if (l->n_keys != l->h.n_keys ||
        !are_numbers(l, (const uint32_t *)(bytes + sizeof first), first.n))
        return wrong(error, "a part of a pane with other keys");
    ds_window_part *p = ds_window_new_part(window);
    *p = (ds_window_part){.end = first.end, .n = first.n, .size = length - sizeof first - ids};
    p->ids = ds_budget_alloc(window->budget, first.n * sizeof *p->ids);
    memcpy(p->ids, bytes + sizeof first, first.n * sizeof *p->ids);
    p->bytes = ds_budget_alloc(window->budget, p->size);
    memcpy(p->bytes, bytes + sizeof first + ids, p->size);
    p->slot = lend(window, p->bytes);
    ds_column **kept = ds_window_read_part(window, p);
    if (kept == NULL)
        return wrong(error, "a part of a pane that cannot be read");
    ds_window_run_in(window, p, kept);
    ds_arena_empty(window->scratch);
    count_part(l, p);
    return DS_OK;
}

static ds_status keep_shapes(loading *l, char *bytes, size_t length, ds_error *error)
{
    if (l->shapes != NULL || l->window->queues == NULL)
        return wrong(error, "queues that it cannot have");
    l->shapes = ds_alloc(length);
    memcpy(l->shapes, bytes, length);
    l->shapes_size = length;
    return DS_OK;
}

/* Keeps the bytes of states for their text, as long as panes are there that it may come from. */
static void add_blob(ds_window *window, char *bytes, size_t size, uint32_t slot)
{
    uint32_t last = window->first_part + window->n_parts;
    int64_t until = window->n_parts == 0 ? window->now : window->parts[last - 1].end;
    window->blobs = ds_grow(window->blobs, &window->blobs_room, (uint64_t)window->n_blobs + 1,
                            sizeof *window->blobs, window->budget);
    window->blobs[window->n_blobs++] = (ds_window_blob){until, slot, bytes, size};
}

/* A queue has as many states as there are panes with its key. */
static bool fit_panes(const loading *l, const ds_column *entries, uint32_t n)
{
    const ds_window *window = l->window;
    uint32_t always = window->group->n_keys == 0; /* the one group has one more: it stays */
    for (uint32_t i = 0; i < n; i++)
        if (entries->ints[i] != (int64_t)window->panes_of[l->n_queues + i] - always)
            return false;
    return true;
}

static ds_status load_queues(loading *l, const ds_column *const *shape, uint32_t n,
                             const queue_types *types, ds_column **states, uint32_t n_states,
                             ds_error *error)
{
    ds_window *window = l->window;
    if (n > l->h.n_keys - l->n_queues || !fit_panes(l, shape[0], n))
        return wrong(error, "queues of other keys");
    uint32_t *keys = ds_arena_alloc(window->scratch, n * sizeof *keys);
    for (uint32_t i = 0; i < n; i++)
        keys[i] = (uint32_t)l->n_queues + i;
    const ds_column *const **by_call =
        DS_ARENA_ARRAY(window->scratch, const ds_column *const *, window->group->n_calls + 1);
    uint32_t at = 0;
    for (uint32_t c = 0; c < window->group->n_calls; c++)
        if (!window->plans[c].subtracts) {
            by_call[window->plans[c].combined] = (const ds_column *const *)states + at;
            at += window->plans[c].n_columns;
        }
    DS_ASSERT(at == types->n);
    l->n_queues += n;
    return ds_slide_combine_load(window->queues, keys, n, shape, by_call, n_states, error);
}

/* Keeps the bytes of states, which become NULL, where it lends text. */
static const char *keep_text(ds_window *window, char **bytes, size_t length)
{
    char *lent = ds_budget_adopt(window->budget, *bytes, length);
    *bytes = NULL;
    uint32_t slot = lend(window, lent);
    add_blob(window, lent, length, slot);
    window->reader.n_buffers = slot;
    return lent;
}

/* Reads shapes and states. The bytes of the states (owned) are kept if text of theirs is. */
static ds_status load_states(loading *l, char **bytes, size_t length, ds_error *error)
{
    ds_window *window = l->window;
    if (l->shapes == NULL || l->n_parts != l->h.n_parts)
        return wrong(error, "states without queues");
    queue_types types = types_of_queues(window, window->scratch);
    ds_column *shape[DS_SLIDE_SHAPE];
    ds_column **states = DS_ARENA_ARRAY(window->scratch, ds_column *, types.n + 1);
    ds_heap heap;
    uint32_t n, n_states;
    ds_heap_init(&heap, window->scratch);
    ds_status status = ds_piece_read(window->scratch, &heap, l->shapes, l->shapes_size, types.shape,
                                     DS_SLIDE_SHAPE, shape, &n, error);
    const char *from = *bytes;
    if (status == DS_OK && types.text)
        from = keep_text(window, bytes, length);
    if (status == DS_OK)
        status = ds_piece_read(window->scratch, types.text ? &window->reader : &heap, from, length,
                               types.states, types.n, states, &n_states, error);
    if (status == DS_OK)
        status =
            load_queues(l, (const ds_column *const *)shape, n, &types, states, n_states, error);
    ds_heap_fini(&heap);
    DS_TRY(status);
    free(l->shapes);
    l->shapes = NULL;
    ds_arena_empty(window->scratch);
    return DS_OK;
}

/* All is there that a whole has before its open pane. */
static ds_status check_whole(const loading *l, ds_error *error)
{
    const ds_window *window = l->window;
    if (l->n_keys != l->h.n_keys || l->n_parts != l->h.n_parts || l->shapes != NULL ||
        (window->queues != NULL && l->n_queues != l->h.n_keys))
        return wrong(error, "something is missing");
    for (uint32_t i = 0; !window->single && i < l->h.n_keys; i++)
        if (window->panes_of[i] == 0)
            return wrong(error, "a key without a pane");
    return DS_OK;
}

static int64_t last_end(const ds_window *window)
{
    uint32_t last = window->first_part + window->n_parts;
    return window->n_parts == 0 ? DS_WINDOW_NEVER : window->parts[last - 1].end;
}

/* A pane ends where one can end, behind the last one. */
static bool is_pane_end(const loading *l, int64_t end)
{
    int64_t own;
    return end > last_end(l->window) && ds_pane_end(l->window->spec, end, &own) && own == end;
}

/* The open one not later than that of the next batch. */
static bool is_open_end(const loading *l, int64_t end)
{
    const ds_window *window = l->window;
    int64_t next;
    if (end == DS_WINDOW_NEVER)
        return true;
    ds_pane_end(window->spec, l->version_ms, &next);
    return is_pane_end(l, end) && end <= next &&
           (window->single || window->now == DS_WINDOW_NEVER || end > window->now);
}

/* Lets parts go, as the window did: whole panes. */
static ds_status drop_parts(loading *l, uint64_t gone, ds_error *error)
{
    ds_window *window = l->window;
    uint64_t n = gone - l->gone;
    if (gone < l->gone || n > window->n_parts)
        return wrong(error, "panes went that were not there");
    const ds_window_part *next = n == 0 ? NULL : &window->parts[window->first_part + n];
    if (n > 0 && n < window->n_parts && next->end == next[-1].end)
        return wrong(error, "half a pane went");
    ds_window_drop_parts(window, n);
    l->gone = gone;
    return DS_OK;
}

/* The pane has all its rows. */
static ds_status check_pane(const loading *l, ds_error *error)
{
    bool none = l->pane.end == DS_WINDOW_NEVER;
    if (l->window->waiting.n_groups != l->pane.n_groups || none != (l->pane.n_groups == 0) ||
        (l->window->group->n_keys == 0 && l->pane.n_groups > 1))
        return wrong(error, "an open pane with other groups");
    return DS_OK;
}

/* The pane before this one closes. */
static ds_status close_pane(loading *l, ds_error *error)
{
    ds_window *window = l->window;
    DS_TRY(check_pane(l, error));
    if (l->n_panes == l->h.n_panes || l->pane.end == DS_WINDOW_NEVER || l->pane.end > l->version_ms)
        return wrong(error, "a pane that cannot have closed");
    l->n_panes++;
    if (!ds_window_wait_end(window))
        return wrong(error, "a group stands there twice");
    window->open_end = l->pane.end;
    ds_window_close_pane(window);
    return DS_OK;
}

static ds_status load_pane(loading *l, const char *bytes, size_t length, ds_error *error)
{
    ds_window *window = l->window;
    DS_TRY(l->in_pane ? close_pane(l, error) : check_whole(l, error));
    if (length != sizeof l->pane)
        return wrong(error, "a pane that is none");
    memcpy(&l->pane, bytes, sizeof l->pane);
    DS_TRY(drop_parts(l, l->pane.gone, error));
    l->in_pane = true;
    bool same = !l->pane.fresh;
    if (l->pane.fresh > 1 ||
        (same && window->open_end != l->pane.end && window->waiting.n_groups > 0))
        return wrong(error, "a pane that is not the one before");
    if (!same)
        ds_window_wait_clear(window);
    window->open_end = DS_WINDOW_NEVER;
    return DS_OK;
}

static ds_status load_rows(loading *l, char **bytes, size_t length, ds_error *error)
{
    if (!l->in_pane || l->pane.end == DS_WINDOW_NEVER)
        return wrong(error, "rows without a pane");
    const ds_pane_rows rows = {*bytes, length};
    *bytes = NULL;
    return ds_window_wait(l->window, rows, error);
}

/* bytes are the frame's, owned by the caller unless they become NULL. */
static ds_status load_frame(loading *l, uint32_t tag, char **bytes, size_t length, ds_error *error)
{
    bool panes = l->whole && !l->window->single;
    switch (tag) {
    case FRAME_KEYS:
    case FRAME_PART:
    case FRAME_SHAPES:
    case FRAME_STATES:
        if (!panes || l->in_pane)
            return wrong(error, "panes that it cannot have");
        return tag == FRAME_KEYS     ? load_keys(l, *bytes, length, error)
               : tag == FRAME_PART   ? load_part(l, *bytes, length, error)
               : tag == FRAME_SHAPES ? keep_shapes(l, *bytes, length, error)
                                     : load_states(l, bytes, length, error);
    case FRAME_PANE: return load_pane(l, *bytes, length, error);
    case FRAME_ROWS: return load_rows(l, bytes, length, error);
    default: return wrong(error, "a frame that is not known");
    }
}

static ds_status end_loading(loading *l, ds_error *error)
{
    ds_window *window = l->window;
    if (!l->in_pane || l->n_panes != l->h.n_panes)
        return wrong(error, "something is missing");
    DS_TRY(check_pane(l, error));
    DS_TRY(drop_parts(l, l->h.gone, error));
    if (!is_open_end(l, l->pane.end))
        return wrong(error, "an open pane that cannot be");
    window->open_end = l->pane.end;
    ds_window_log_begin(window);
    return DS_OK;
}

static ds_status load_all(loading *l, ds_error *error)
{
    for (bool first = true;; first = false) {
        uint32_t tag;
        size_t length;
        DS_TRY(ds_loader_next(l->loader, &tag, &length, error));
        if (tag == 0)
            return first ? wrong(error, "no head") : end_loading(l, error);
        if (first != (tag == FRAME_HEAD))
            return wrong(error, "a head elsewhere than first");
        char *bytes;
        DS_TRY(ds_loader_take_new(l->loader, &bytes, error));
        ds_budget_charge(l->window->budget, (int64_t)length);
        ds_status status =
            first ? load_head(l, bytes, length, error) : load_frame(l, tag, &bytes, length, error);
        ds_budget_charge(l->window->budget, -(int64_t)length);
        free(bytes);
        DS_TRY(status);
    }
}

ds_status ds_window_load(ds_window *window, bool whole, int64_t version_ms, ds_loader *loader,
                         ds_error *error)
{
    loading l = {.window = window, .whole = whole, .loader = loader, .version_ms = version_ms};
    if (whole)
        ds_window_clear(window);
    window->log.on = false;
    ds_status status = load_all(&l, error);
    free(l.shapes);
    return status;
}

void ds_window_load_end(ds_window *window)
{
    if (window->waiting.n_rows > 0)
        ds_window_wait_end(window);
    ds_groups_watch(window->open);
    ds_groups_forget_merged(window->open);
}
