/*
 * A state as bytes: pieces of rows. The time at which a key was last seen is an int column
 * behind the values. Rows of a piece are in the order of these times, so a state that is
 * loaded piece by piece gets its order by appending.
 */
#include "base/assert.h"
#include "columnar/aggregate.h"
#include "columnar/piece.h"
#include "dstream/state_record.h"

#include <stdlib.h>

#define PIECE_BYTES ((size_t)64 << 20) /* of more than one row */

/* ---- Some of the keys ---- */

/* The numbers whose hash is in a range, of a block; their key columns are looked at once. */
static uint32_t in_range(ds_state *state, uint64_t first, uint64_t last, uint32_t *ids, uint32_t n)
{
    if (first == 0 && last == UINT64_MAX)
        return n;
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ds_column *keys[32];
    uint64_t hashes[DS_CHUNK_ROWS];
    uint32_t kept = 0;
    ds_state_keys(state, arena, &heap, ids, n, keys);
    ds_hash_rows(&heap, (const ds_column *const *)keys, state->spec->n_keys, n, hashes);
    for (uint32_t i = 0; i < n; i++)
        if (hashes[i] >= first && hashes[i] <= last)
            ids[kept++] = ids[i];
    ds_heap_fini(&heap);
    ds_arena_free(arena);
    return kept;
}

/* The next keys in the order in which they were seen, or by number. *at: DS_NO_ID at the end. */
static uint32_t next_keys(const ds_state *state, uint32_t *at, uint32_t *ids)
{
    uint32_t n = 0;
    if (state->head == 0) {
        n = *at == DS_NO_ID ? 0 : ds_state_walk(state, at, ids, DS_CHUNK_ROWS);
        return n;
    }
    for (; *at != DS_NO_ID && n < DS_CHUNK_ROWS; *at = ds_state_order_of(state, *at)->after)
        ids[n++] = *at;
    return n;
}

static uint32_t first_key(const ds_state *state)
{
    return state->head == 0 ? 0 : state->oldest;
}

/* ---- Saving ---- */

typedef struct saving {
    ds_state *state;
    ds_arena *arena;
    ds_heap heap;
    ds_state_write_fn write;
    void *arg;
} saving;

static uint32_t columns_of(saving *s, const uint32_t *ids, uint32_t n, const ds_column **columns)
{
    ds_state *state = s->state;
    ds_column **made = DS_ARENA_ARRAY(s->arena, ds_column *, state->n_fields + 1);
    uint32_t n_columns = state->n_fields;
    ds_state_read_fields(state, 0, n_columns, NULL, s->arena, &s->heap, ids, n, made);
    if (state->head > 0) {
        made[n_columns] = ds_column_new(s->arena, DS_TYPE(DS_INT), n);
        for (uint32_t i = 0; i < n; i++)
            made[n_columns]->ints[i] = ds_state_order_of(state, ids[i])->seen_ms;
        n_columns++;
    }
    for (uint32_t c = 0; c < n_columns; c++)
        columns[c] = made[c];
    return n_columns;
}

/* A piece of long values is made of fewer rows: their text has a limit in it. */
static ds_status save_keys(saving *s, const uint32_t *ids, uint32_t n, ds_error *error)
{
    const ds_column **columns = DS_ARENA_ARRAY(s->arena, const ds_column *, s->state->n_fields + 1);
    uint32_t n_columns = columns_of(s, ids, n, columns);
    size_t size = ds_piece_size(&s->heap, columns, n_columns, n);
    if (size > PIECE_BYTES && n > 1) {
        DS_TRY(save_keys(s, ids, n / 2, error));
        return save_keys(s, ids + n / 2, n - n / 2, error);
    }
    void *piece = ds_alloc(size);
    ds_piece_write(piece, &s->heap, columns, n_columns, n);
    ds_status status = s->write(s->arg, piece, size, error);
    free(piece);
    return status;
}

ds_status ds_state_save(ds_state *state, uint64_t first, uint64_t last, ds_state_write_fn write,
                        void *arg, ds_error *error)
{
    saving s = {.state = state, .arena = ds_arena_new(NULL), .write = write, .arg = arg};
    ds_heap_init(&s.heap, s.arena);
    uint32_t ids[DS_CHUNK_ROWS], n, at = first_key(state);
    ds_status status = DS_OK;
    while (status == DS_OK && (n = next_keys(state, &at, ids)) > 0) {
        n = in_range(state, first, last, ids, n);
        if (n > 0)
            status = save_keys(&s, ids, n, error);
        ds_arena_reset(s.arena);
    }
    ds_heap_fini(&s.heap);
    ds_arena_free(s.arena);
    return status;
}

void ds_state_forget(ds_state *state, uint64_t first, uint64_t last)
{
    uint32_t ids[DS_CHUNK_ROWS], n, at = first_key(state);
    while ((n = next_keys(state, &at, ids)) > 0) {
        n = in_range(state, first, last, ids, n);
        ds_state_remove(state, ids, n);
    }
}

/* ---- Loading ---- */

/* Where a key that was seen at a time belongs in the order: the last one not seen later. */
static uint32_t place_before(const ds_state *state, int64_t seen_ms)
{
    uint32_t at = state->hint != DS_NO_ID ? state->hint : state->newest;
    if (at == DS_NO_ID || ds_state_order_of(state, at)->seen_ms > seen_ms) {
        while (at != DS_NO_ID && ds_state_order_of(state, at)->seen_ms > seen_ms)
            at = ds_state_order_of(state, at)->before;
        return at;
    }
    for (;;) {
        uint32_t next = ds_state_order_of(state, at)->after;
        if (next == DS_NO_ID || ds_state_order_of(state, next)->seen_ms > seen_ms)
            return at;
        at = next;
    }
}

/* Moves keys that were added as the newest to where their times belong. */
static void put_in_order(ds_state *state, const uint32_t *ids, const int64_t *seen_ms, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        ds_state_unlink(state, ids[i]);
    for (uint32_t i = 0; i < n; i++) {
        ds_state_order_of(state, ids[i])->seen_ms = seen_ms[i];
        ds_state_link(state, ids[i], place_before(state, seen_ms[i]));
        state->hint = ids[i];
    }
}

static bool ascends(const ds_column *seen)
{
    for (uint32_t i = 0; i < seen->length; i++)
        if (ds_column_is_null(seen, i) || (i > 0 && seen->ints[i] < seen->ints[i - 1]))
            return false;
    return true;
}

/* Adds rows; false if one of their keys is there already, or twice among them. */
static bool add_rows(ds_state *state, const ds_heap *heap, const ds_column *const *columns,
                     const ds_column *seen, uint32_t n)
{
    uint64_t hashes[DS_CHUNK_ROWS];
    uint32_t ids[DS_CHUNK_ROWS], again[DS_CHUNK_ROWS];
    const ds_state_spec *spec = state->spec;
    ds_hash_rows(heap, columns, spec->n_keys, n, hashes);
    ds_state_find(state, heap, columns, hashes, n, ids);
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] != DS_NEW_KEY)
            return false;
    ds_state_add(state, heap, columns, hashes, n, NULL, INT64_MAX, ids);
    ds_state_set(state, heap, ids, columns + spec->n_keys, n);
    if (seen != NULL)
        put_in_order(state, ids, seen->ints, n);
    ds_state_find(state, heap, columns, hashes, n, again);
    return memcmp(ids, again, n * sizeof *ids) == 0;
}

static ds_status bad_piece(ds_error *error)
{
    return ds_error_set(error, DS_ERR_PROTOCOL, "saved state is damaged");
}

static ds_status load_piece(ds_state *state, ds_arena *arena, ds_heap *heap, const void *piece,
                            size_t length, ds_error *error)
{
    bool timed = state->head > 0;
    uint32_t n_types = state->n_fields + timed, n;
    ds_type *types = DS_ARENA_ARRAY(arena, ds_type, n_types);
    for (uint32_t f = 0; f < state->n_fields; f++)
        types[f] = state->fields[f].type;
    if (timed)
        types[state->n_fields] = DS_TYPE(DS_INT);
    ds_column **columns = DS_ARENA_ARRAY(arena, ds_column *, n_types);
    DS_TRY(ds_piece_read(arena, heap, piece, length, types, n_types, columns, &n, error));
    const ds_column *seen = timed ? columns[state->n_fields] : NULL;
    if (n > DS_CHUNK_ROWS || (timed && !ascends(seen)))
        return bad_piece(error);
    return add_rows(state, heap, (const ds_column *const *)columns, seen, n) ? DS_OK
                                                                             : bad_piece(error);
}

ds_status ds_state_load(ds_state *state, const void *piece, size_t length, ds_error *error)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ds_status status = load_piece(state, arena, &heap, piece, length, error);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
    return status;
}
