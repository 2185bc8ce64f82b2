/*
 * A state from bytes (state_save.c). Numbers that are written lose the keys they had, and get their
 * new ones; these wait outside of the order until all are there. Then each of them goes behind the
 * one before it, which may have to go to its place first.
 *
 * The limit rises with the numbers that are written one by one: what is made of bytes is in
 * proportion to them, whatever they say.
 */
#include "base/assert.h"
#include "columnar/aggregate.h"
#include "columnar/growable.h"
#include "columnar/piece.h"
#include "dstream/state_frames.h"

#include <stdlib.h>

#define RELIEF 16u /* keys here and there, before pages may have to go */

typedef struct loading {
    ds_state *state;
    ds_state_frame head;
    uint64_t next;   /* numbers ascend: it is not below */
    uint32_t *added; /* keys, if there is a time-out */
    uint32_t n_added, added_room;
} loading;

/* What a frame says. */
typedef struct numbers {
    uint32_t n_keys, n_free;
    const uint32_t *keys, *before, *free;
    const char *piece;
    size_t piece_size;
} numbers;

static ds_status damaged(ds_error *error)
{
    return ds_error_set(error, DS_ERR_PROTOCOL, "saved state is damaged");
}

static bool read_numbers(const ds_state *state, const char *bytes, size_t length, numbers *of)
{
    const uint32_t *words = (const uint32_t *)(const void *)bytes;
    if (length < 8 || words[0] > DS_CHUNK_ROWS || words[1] > length / sizeof *words)
        return false;
    size_t size = ds_state_numbers_size(state, words[0], words[1]);
    if (size > length)
        return false;
    *of = (numbers){.n_keys = words[0], .n_free = words[1], .keys = words + 2};
    of->before = of->keys + of->n_keys;
    of->free = of->before + (state->head > 0 ? of->n_keys : 0);
    of->piece = bytes + size;
    of->piece_size = length - size;
    return of->n_keys > 0 || of->piece_size == 0;
}

/* ---- Numbers ---- */

/* The number is the next one, and from now on free. */
static bool free_number(loading *l, uint32_t id)
{
    ds_state *state = l->state;
    if (id < l->next || id > state->limit || id >= DS_NEW_KEY - 1)
        return false;
    l->next = (uint64_t)id + 1;
    if (id == state->limit)
        ds_state_raise_limit(state);
    if (ds_state_in_use(state, id))
        ds_state_remove(state, &id, 1);
    return true;
}

/* Both lists in the order of the numbers. */
static bool take_numbers(loading *l, const numbers *of)
{
    uint32_t k = 0, f = 0;
    while (k < of->n_keys || f < of->n_free) {
        bool key = f == of->n_free || (k < of->n_keys && of->keys[k] < of->free[f]);
        uint32_t id = key ? of->keys[k++] : of->free[f++];
        if (!free_number(l, id))
            return false;
        if (key)
            ds_state_use_number(l->state, id);
    }
    return true;
}

/* ---- Keys ---- */

static void keep_outside(loading *l, const numbers *of, const ds_column *seen)
{
    ds_state *state = l->state;
    l->added = ds_grow(l->added, &l->added_room, (uint64_t)l->n_added + of->n_keys,
                       sizeof *l->added, state->budget);
    for (uint32_t i = 0; i < of->n_keys; i++) {
        uint32_t id = of->keys[i];
        *ds_state_order_of(state, id) =
            (ds_state_order){.seen_ms = seen->ints[i], .before = id, .after = of->before[i]};
        l->added[l->n_added++] = id;
    }
}

static void add_keys(loading *l, const numbers *of, const ds_heap *heap,
                     const ds_column *const *columns)
{
    ds_state *state = l->state;
    uint64_t hashes[DS_CHUNK_ROWS];
    ds_hash_rows(heap, columns, state->spec->n_keys, of->n_keys, hashes);
    for (uint32_t i = 0; i < of->n_keys; i++) {
        uint32_t id = of->keys[i], hash = (uint32_t)hashes[i];
        ds_state_head_of(state, ds_state_record(state, id))->hash = hash;
        ds_state_index_add(&state->index, hash, id);
        if (i % RELIEF == 0)
            ds_budget_relieve(state->budget);
    }
    ds_state_write_fields(state, 0, state->n_fields, heap, columns, of->keys, of->n_keys);
    if (state->head > 0)
        keep_outside(l, of, columns[state->n_fields]);
}

static bool is_whole(const ds_column *column)
{
    for (uint32_t i = 0; i < column->length; i++)
        if (ds_column_is_null(column, i))
            return false;
    return true;
}

static ds_status load_keys(loading *l, const numbers *of, ds_arena *arena, ds_heap *heap,
                           ds_error *error)
{
    const ds_state *state = l->state;
    bool timed = state->head > 0;
    uint32_t n_types = state->n_fields + timed, n;
    ds_type *types = DS_ARENA_ARRAY(arena, ds_type, n_types);
    for (uint32_t f = 0; f < state->n_fields; f++)
        types[f] = state->fields[f].type;
    if (timed)
        types[state->n_fields] = DS_TYPE(DS_INT);
    ds_column **columns = DS_ARENA_ARRAY(arena, ds_column *, n_types);
    DS_TRY(
        ds_piece_read(arena, heap, of->piece, of->piece_size, types, n_types, columns, &n, error));
    if (n != of->n_keys || (timed && !is_whole(columns[state->n_fields])))
        return damaged(error);
    if (!take_numbers(l, of))
        return damaged(error);
    add_keys(l, of, heap, (const ds_column *const *)columns);
    return DS_OK;
}

static ds_status load_numbers(loading *l, const char *bytes, size_t length, ds_error *error)
{
    numbers of;
    if (!read_numbers(l->state, bytes, length, &of))
        return damaged(error);
    if (of.n_keys == 0)
        return take_numbers(l, &of) ? DS_OK : damaged(error);
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ds_status status = load_keys(l, &of, arena, &heap, error);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
    return status;
}

/* ---- The order ---- */

static bool stands_right(const ds_state *state, uint32_t id)
{
    const ds_state_order *order = ds_state_order_of(state, id);
    return (order->before == DS_NO_ID ||
            ds_state_order_of(state, order->before)->seen_ms <= order->seen_ms) &&
           (order->after == DS_NO_ID ||
            ds_state_order_of(state, order->after)->seen_ms >= order->seen_ms);
}

/* Puts a key into the order, and before that those that it has to stand behind. waiting has room
 * for all that were added: more of them go round in a circle. */
static bool put_in_order(loading *l, uint32_t id, uint32_t *waiting)
{
    ds_state *state = l->state;
    uint32_t n = 0;
    while (id != DS_NO_ID && ds_state_is_out(state, id)) {
        if (n == l->n_added)
            return false;
        waiting[n++] = id;
        id = ds_state_order_of(state, id)->after; /* for now: the one before it */
        if (id != DS_NO_ID && !ds_state_in_use(state, id))
            return false;
    }
    while (n > 0) {
        ds_state_link(state, waiting[--n], id);
        id = waiting[n];
        if (!stands_right(state, id))
            return false;
    }
    return true;
}

static bool put_all_in_order(loading *l)
{
    uint32_t *waiting = ds_alloc(l->n_added * sizeof *waiting);
    bool fine = true;
    for (uint32_t i = 0; i < l->n_added && fine; i++) {
        if (ds_state_in_use(l->state, l->added[i]))
            fine = put_in_order(l, l->added[i], waiting);
        if (i % RELIEF == 0)
            ds_budget_relieve(l->state->budget);
    }
    free(waiting);
    return fine;
}

/* ---- All of it ---- */

/* What is at the limit or above has gone. */
static void lower_limit(ds_state *state, uint32_t limit)
{
    uint32_t ids[DS_CHUNK_ROWS], n, at = limit;
    while ((n = ds_state_walk(state, &at, ids, DS_CHUNK_ROWS)) > 0)
        ds_state_remove(state, ids, n);
    state->limit = limit;
}

static ds_status end_loading(loading *l, ds_error *error)
{
    ds_state *state = l->state;
    if (l->head.limit > state->limit || l->next > l->head.limit)
        return damaged(error);
    lower_limit(state, l->head.limit);
    if (!put_all_in_order(l) || ds_state_count(state) != l->head.count)
        return damaged(error);
    state->lowest = 0;
    state->n_freed = l->head.n_freed;
    if (state->unsaved_room > 0)
        memset(state->unsaved, 0, state->unsaved_room * sizeof *state->unsaved);
    state->any_unsaved = false;
    return DS_OK;
}

static ds_status load_frame(loading *l, bool first, uint32_t tag, const char *bytes, size_t length,
                            ds_error *error)
{
    if (first != (tag == DS_STATE_HEAD) || (first && length != sizeof l->head))
        return damaged(error);
    if (first)
        memcpy(&l->head, bytes, sizeof l->head);
    else if (tag != DS_STATE_NUMBERS)
        return damaged(error);
    return first ? DS_OK : load_numbers(l, bytes, length, error);
}

static ds_status load_all(loading *l, ds_loader *loader, ds_error *error)
{
    for (bool first = true;; first = false) {
        uint32_t tag;
        size_t length;
        char *bytes;
        DS_TRY(ds_loader_next(loader, &tag, &length, error));
        if (tag == 0)
            return first ? damaged(error) : end_loading(l, error);
        DS_TRY(ds_loader_take_new(loader, &bytes, error));
        ds_status status = load_frame(l, first, tag, bytes, length, error);
        free(bytes);
        DS_TRY(status);
    }
}

ds_status ds_state_load(ds_state *state, bool whole, ds_loader *loader, ds_error *error)
{
    DS_ASSERT(state->n_changed == 0 && state->n_ended == 0);
    loading l = {.state = state};
    if (whole)
        lower_limit(state, 0);
    ds_status status = load_all(&l, loader, error);
    ds_grow_free(l.added, &l.added_room, sizeof *l.added, state->budget);
    return status;
}
