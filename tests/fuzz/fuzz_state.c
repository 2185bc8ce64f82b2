/*
 * Saved state from a damaged disk: a piece of a state is damaged as the input says (place u16,
 * byte u8, over and over) and loaded. Whatever is taken must be safe to live with: batches go
 * on, keys time out, and the state is saved again.
 */
#include "base/assert.h"
#include "columnar/aggregate.h"
#include "columnar/piece.h"
#include "dstream/state.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEYS = 24, COLUMNS = 5 };

static const ds_type keys[2] = {{DS_STRING, 0}, {DS_FLOAT, 0}};
static const ds_type values[3] = {{DS_INT, 0}, {DS_LIST, DS_STRING}, {DS_BOOL, 0}};
static const ds_state_spec spec = {keys, 2, values, 3, 1000};
static char *sample;
static size_t sample_size;

static ds_column *rows_of(ds_arena *arena, ds_heap *heap, ds_type type)
{
    ds_column *column = ds_column_new(arena, type, KEYS);
    if (type.kind == DS_BOOL)
        memset(column->bits, 0x5a, ds_bitmap_words(KEYS) * 8);
    for (uint32_t i = 0; i < KEYS; i++) {
        const char *text = i % 2 ? "a text that is not inline" : "short";
        switch (type.kind) {
        case DS_STRING:
            column->views[i] = ds_view_copy(heap, text, (uint32_t)strlen(text) - i % 4);
            break;
        case DS_FLOAT: column->floats[i] = i * 0.5; break;
        case DS_LIST: column->offsets[i + 1] = i + 1; break;
        case DS_BOOL: break;
        default: column->ints[i] = i; break;
        }
    }
    if (type.kind == DS_LIST)
        column->child = rows_of(arena, heap, ds_type_element(type));
    ds_column_need_validity(column, arena);
    ds_bit_clear(column->validity, 4);
    return column;
}

static ds_status keep(void *arg, const void *piece, size_t length, ds_error *error)
{
    (void)arg;
    (void)error;
    if (sample == NULL) {
        sample = ds_alloc(length);
        memcpy(sample, piece, length);
        sample_size = length;
    }
    return DS_OK;
}

/* A batch of the sample's keys: some are there, others are not. */
static void step(ds_state *state, int64_t now_ms)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    const ds_column *columns[COLUMNS];
    for (int c = 0; c < COLUMNS; c++)
        columns[c] = rows_of(arena, &heap, c < 2 ? keys[c] : values[c - 2]);
    uint64_t hashes[KEYS];
    uint32_t ids[DS_CHUNK_ROWS], n, at = 0;
    ds_column *made[COLUMNS];
    ds_state_begin(state);
    ds_hash_rows(&heap, columns, 2, KEYS, hashes);
    ds_state_find(state, &heap, columns, hashes, KEYS, ids);
    ds_state_add(state, &heap, columns, hashes, KEYS, NULL, now_ms, ids);
    ds_state_set(state, &heap, ids, columns + 2, KEYS);
    ds_state_see(state, ids, KEYS, now_ms);
    while ((n = ds_state_due(state, now_ms, ids, 5)) > 0)
        ds_state_end(state, ids, n);
    while ((n = ds_state_walk(state, &at, ids, DS_CHUNK_ROWS)) > 0)
        ds_state_rows(state, arena, &heap, ids, n, NULL, made);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
}

static void make_sample(void)
{
    ds_state *state = ds_state_new(&spec, NULL);
    step(state, 1000);
    DS_ASSERT(ds_state_save(state, 0, UINT64_MAX, keep, NULL, NULL) == DS_OK && sample != NULL);
    ds_state_free(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (sample == NULL)
        make_sample();
    char *bytes = ds_alloc(sample_size);
    memcpy(bytes, sample, sample_size);
    for (size_t i = 0; i + 3 <= size; i += 3)
        bytes[(data[i] | (size_t)data[i + 1] << 8) % sample_size] = (char)data[i + 2];
    ds_budget budget;
    ds_budget_init(&budget, NULL, 0);
    ds_state *state = ds_state_new(&spec, &budget);
    if (ds_state_load(state, bytes, sample_size, NULL) == DS_OK)
        for (int64_t now_ms = 2000; now_ms < 6000; now_ms += 700)
            step(state, now_ms);
    DS_ASSERT(ds_state_save(state, UINT64_MAX / 3, UINT64_MAX, keep, NULL, NULL) == DS_OK);
    ds_state_free(state);
    DS_ASSERT(budget.used_bytes == 0);
    free(bytes);
    return 0;
}
