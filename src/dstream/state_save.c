/*
 * A state as bytes. What changes is known by number: a bit says that the key of a number came,
 * went or changed since the last part. So nothing is noted of a key that goes: its number is found
 * to be free. Times change where keys are seen, and then the key has a new place in the order:
 * behind the one before it, whose number is written. Those that did not change have kept their
 * order among each other, so this is enough to find all places again.
 */
#include "base/assert.h"
#include "columnar/piece.h"
#include "dstream/state_frames.h"
#include "dstream/state_record.h"

#include <stdlib.h>

#define PIECE_BYTES ((size_t)64 << 20) /* of more than one row */
#define FEWER_KEYS 256u                /* in a frame, if their text may lie on as many pages */
#define FREE_NUMBERS 8192u             /* in a frame */

typedef struct saving {
    ds_state *state;
    ds_saver *saver;
    ds_arena *arena;
    ds_heap heap;
    uint32_t keys[DS_CHUNK_ROWS], free[FREE_NUMBERS];
    uint32_t n_keys, n_free;
    uint32_t most_keys; /* in a frame */
} saving;

bool ds_state_unsaved(const ds_state *state)
{
    return state->any_unsaved;
}

/* Key columns, values, and times. */
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

/* What stands before the piece. */
static ds_saved_bytes numbers_of(saving *s, const uint32_t *keys, uint32_t n_keys,
                                 const uint32_t *free_ones, uint32_t n_free)
{
    const ds_state *state = s->state;
    size_t size = ds_state_numbers_size(state, n_keys, n_free);
    uint32_t *words = ds_arena_calloc(s->arena, 1, size), *at = words;
    *at++ = n_keys;
    *at++ = n_free;
    for (uint32_t i = 0; i < n_keys; i++)
        *at++ = keys[i];
    for (uint32_t i = 0; state->head > 0 && i < n_keys; i++)
        *at++ = ds_state_order_of(state, keys[i])->before;
    for (uint32_t i = 0; i < n_free; i++)
        *at++ = free_ones[i];
    return (ds_saved_bytes){words, size};
}

static ds_status put_numbers(saving *s, const uint32_t *keys, uint32_t n_keys,
                             const uint32_t *free_ones, uint32_t n_free, ds_error *error);

/* A piece of long values is made of fewer rows: their text has a limit in it. */
static ds_status put_halves(saving *s, const uint32_t *keys, uint32_t n_keys,
                            const uint32_t *free_ones, uint32_t n_free, ds_error *error)
{
    uint32_t half = n_keys / 2, below = 0;
    while (below < n_free && free_ones[below] < keys[half])
        below++;
    DS_TRY(put_numbers(s, keys, half, free_ones, below, error));
    return put_numbers(s, keys + half, n_keys - half, free_ones + below, n_free - below, error);
}

static ds_status put_numbers(saving *s, const uint32_t *keys, uint32_t n_keys,
                             const uint32_t *free_ones, uint32_t n_free, ds_error *error)
{
    const ds_column **columns = DS_ARENA_ARRAY(s->arena, const ds_column *, s->state->n_fields + 1);
    uint32_t n_columns = n_keys == 0 ? 0 : columns_of(s, keys, n_keys, columns);
    size_t size = n_keys == 0 ? 0 : ds_piece_size(&s->heap, columns, n_columns, n_keys);
    if (size > PIECE_BYTES && n_keys > 1)
        return put_halves(s, keys, n_keys, free_ones, n_free, error);
    void *piece = ds_alloc(size);
    if (n_keys > 0)
        ds_piece_write(piece, &s->heap, columns, n_columns, n_keys);
    const ds_saved_bytes parts[] = {numbers_of(s, keys, n_keys, free_ones, n_free), {piece, size}};
    ds_status status = ds_saver_put(s->saver, DS_STATE_NUMBERS, parts, 2, error);
    free(piece);
    return status;
}

static ds_status flush(saving *s, ds_error *error)
{
    if (s->n_keys + s->n_free == 0)
        return DS_OK;
    ds_status status = put_numbers(s, s->keys, s->n_keys, s->free, s->n_free, error);
    s->n_keys = s->n_free = 0;
    ds_arena_reset(s->arena);
    ds_budget_relieve(s->state->budget);
    return status;
}

static ds_status save_number(saving *s, uint32_t id, ds_error *error)
{
    const ds_state *state = s->state;
    if (ds_state_in_use(state, id) && (state->n_ended == 0 || !ds_state_is_out(state, id)))
        s->keys[s->n_keys++] = id;
    else
        s->free[s->n_free++] = id;
    return s->n_keys == s->most_keys || s->n_free == FREE_NUMBERS ? flush(s, error) : DS_OK;
}

static ds_status save_numbers(saving *s, bool whole, ds_error *error)
{
    uint32_t limit = s->state->limit;
    for (uint32_t w = 0; w < ds_bitmap_words(limit); w++) {
        uint64_t bits = whole ? UINT64_MAX : s->state->unsaved[w];
        for (; bits != 0; bits &= bits - 1) {
            uint32_t id = w * 64 + (uint32_t)__builtin_ctzll(bits);
            if (id < limit)
                DS_TRY(save_number(s, id, error));
        }
    }
    return flush(s, error);
}

static ds_status save_all(saving *s, bool whole, ds_error *error)
{
    const ds_state *state = s->state;
    const ds_state_frame head = {.limit = state->limit,
                                 .count = ds_state_count(state),
                                 .n_freed = state->n_freed + state->n_ended};
    const ds_saved_bytes part = {&head, sizeof head};
    DS_TRY(ds_saver_put(s->saver, DS_STATE_HEAD, &part, 1, error));
    return save_numbers(s, whole, error);
}

ds_status ds_state_save(ds_state *state, bool whole, ds_saver *saver, ds_error *error)
{
    saving *s = ds_calloc(1, sizeof *s);
    s->state = state;
    s->saver = saver;
    s->most_keys = DS_CHUNK_ROWS;
    if (ds_budget_step(state->budget, DS_CHUNK_ROWS) < DS_CHUNK_ROWS)
        s->most_keys = FEWER_KEYS;
    s->arena = ds_arena_new(NULL);
    ds_heap_init(&s->heap, s->arena);
    ds_status status = save_all(s, whole, error);
    if (state->unsaved_room > 0)
        memset(state->unsaved, 0, state->unsaved_room * sizeof *state->unsaved);
    state->any_unsaved = false;
    ds_heap_fini(&s->heap);
    ds_arena_free(s->arena);
    free(s);
    return status;
}
