/*
 * Partials from hostile peers: a piece of all aggregates' partials is damaged as the input
 * says (place u16, byte u8, over and over), read, merged, and finished. Whatever the reader
 * lets through must be safe to aggregate.
 */
#include "columnar/piece.h"
#include "fuzz_groups.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *sample;
static size_t sample_size;

static void make_sample(void)
{
    ds_arena *arena = ds_arena_new(NULL);
    static ds_arena *kept;
    kept = ds_arena_new(NULL);
    make_calls(kept);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ds_groups *groups = groups_of_rows(arena, &heap);
    ds_column *partials[COLUMNS];
    uint32_t n = all_partials(groups, arena, &heap, partials);
    uint32_t n_columns = ds_group_partial_types(&spec, NULL);
    const ds_column *const *in = (const ds_column *const *)partials;
    sample_size = ds_piece_size(&heap, in, n_columns, n);
    sample = ds_alloc(sample_size);
    ds_piece_write(sample, &heap, in, n_columns, n);
    ds_groups_free(groups);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
}

static void finish(ds_groups *groups, ds_arena *arena, ds_heap *heap)
{
    uint32_t n = ds_groups_count(groups);
    uint32_t *ids = ds_arena_alloc(arena, n * sizeof *ids);
    for (uint32_t i = 0; i < n; i++)
        ids[i] = i;
    ds_column *columns[COLUMNS];
    ds_groups_results(groups, arena, heap, ids, n, columns, NULL);
    all_partials(groups, arena, heap, columns);
    uint32_t n_columns = ds_group_partial_types(&spec, NULL);
    const ds_column *const *in = (const ds_column *const *)columns;
    size_t size = ds_piece_size(heap, in, n_columns, n);
    char *bytes = ds_alloc(size);
    DS_ASSERT(ds_piece_write(bytes, heap, in, n_columns, n) == size);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (sample == NULL)
        make_sample();
    char *bytes = ds_alloc(sample_size);
    memcpy(bytes, sample, sample_size);
    for (size_t i = 0; i + 3 <= size; i += 3)
        bytes[(data[i] | (size_t)data[i + 1] << 8) % sample_size] = (char)data[i + 2];
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ds_type types[COLUMNS];
    uint32_t n_columns = ds_group_partial_types(&spec, types), n_rows;
    ds_column *columns[COLUMNS];
    if (ds_piece_read(arena, &heap, bytes, sample_size, types, n_columns, columns, &n_rows, NULL) ==
        DS_OK) {
        ds_groups *groups = ds_groups_new(&spec, NULL);
        for (int round = 0; round < 2; round++)
            ds_groups_merge(groups, &heap, (const ds_column *const *)columns, n_rows);
        finish(groups, arena, &heap);
        ds_groups_free(groups);
    }
    ds_heap_fini(&heap);
    ds_arena_free(arena);
    free(bytes);
    return 0;
}
