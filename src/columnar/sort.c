/*
 * Rows are copied as pieces, one for each block that is added; what is sorted are small
 * entries that name a row. An entry begins with a prefix of its row, 64 bits that order as
 * the first sort column does, so that most comparisons look no further:
 *
 *     bit 63       whether the value is null, as nulls first or last want it
 *     bits 62..0   the upper 63 bits of the value, made to order as an unsigned number: an
 *                  int with its sign flipped, the bits of a float likewise, the first 8
 *                  bytes of a string; all flipped if the order descends
 *
 * With a limit, rows are pruned whenever there are twice as many as wanted: the best stay, as
 * new pieces. From then on a row whose prefix is behind that of the worst one kept is not
 * even copied.
 */
#include "columnar/sort.h"

#include "base/assert.h"
#include "columnar/gather.h"
#include "columnar/growable.h"
#include "columnar/piece.h"
#include "columnar/slice.h"
#include "columnar/text_store.h"

#include <stdlib.h>

#define TOP_BIT ((uint64_t)1 << 63)
#define SLACK ((int64_t)DS_CHUNK_ROWS * 2) /* rows kept beyond a small limit */

typedef struct entry {
    uint64_t prefix;
    uint32_t block, row;
} entry;

typedef struct block {
    char *bytes; /* a piece */
    size_t size;
    ds_column **columns;
} block;

struct ds_sorter {
    ds_budget *budget;
    ds_type *types;
    uint32_t n_columns;
    ds_sort_key *order; /* all columns that are compared */
    uint32_t n_order;
    int64_t limit; /* < 0: none */
    block *blocks;
    uint32_t n_blocks, blocks_room;
    ds_arena *arena;    /* of the blocks' columns */
    ds_text_store text; /* lends the blocks' bytes; buffer i is block i */
    entry *entries;
    uint32_t n_entries, entries_room;
    bool pruned;
    uint64_t worst; /* prefix of the worst row kept, once pruned */
};

/* The keys, then the remaining columns; lists have no order. */
static void make_order(ds_sorter *sorter, const ds_sort_key *keys, uint32_t n_keys)
{
    uint32_t n_columns = sorter->n_columns;
    sorter->order = ds_calloc((size_t)n_keys + n_columns, sizeof *sorter->order);
    bool *used = ds_calloc(n_columns, sizeof *used);
    for (uint32_t k = 0; k < n_keys; k++) {
        DS_ASSERT(keys[k].column < n_columns);
        if (!used[keys[k].column] && sorter->types[keys[k].column].kind != DS_LIST)
            sorter->order[sorter->n_order++] = keys[k];
        used[keys[k].column] = true;
    }
    for (uint32_t c = 0; c < n_columns; c++)
        if (!used[c] && sorter->types[c].kind != DS_LIST)
            sorter->order[sorter->n_order++] = (ds_sort_key){.column = c};
    free(used);
}

ds_sorter *ds_sorter_new(const ds_type *types, uint32_t n_columns, const ds_sort_key *keys,
                         uint32_t n_keys, int64_t limit, ds_budget *budget)
{
    ds_sorter *sorter = ds_calloc(1, sizeof *sorter);
    sorter->budget = budget;
    sorter->n_columns = n_columns;
    sorter->types = ds_calloc(n_columns, sizeof *types);
    if (n_columns > 0)
        memcpy(sorter->types, types, n_columns * sizeof *types);
    sorter->limit = limit;
    sorter->arena = ds_arena_new(budget);
    ds_text_store_init(&sorter->text, budget);
    ds_text_store_lend(&sorter->text);
    make_order(sorter, keys, n_keys);
    return sorter;
}

static void free_blocks(ds_budget *budget, block *blocks, uint32_t n)
{
    for (uint32_t b = 0; b < n; b++) {
        ds_budget_charge(budget, -(int64_t)blocks[b].size);
        free(blocks[b].bytes);
    }
}

void ds_sorter_free(ds_sorter *sorter)
{
    if (sorter == NULL)
        return;
    ds_budget *budget = sorter->budget;
    free_blocks(budget, sorter->blocks, sorter->n_blocks);
    ds_grow_free(sorter->blocks, &sorter->blocks_room, sizeof *sorter->blocks, budget);
    ds_grow_free(sorter->entries, &sorter->entries_room, sizeof *sorter->entries, budget);
    ds_text_store_fini(&sorter->text);
    ds_arena_free(sorter->arena);
    free(sorter->order);
    free(sorter->types);
    free(sorter);
}

/* ---- Prefixes ---- */

static uint64_t text_prefix(const ds_heap *heap, const ds_view *view)
{
    unsigned char bytes[8] = {0};
    memcpy(bytes, ds_view_bytes(heap, view), view->length < 8 ? view->length : 8);
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return __builtin_bswap64(word);
}

static uint64_t float_prefix(double value)
{
    uint64_t word;
    value += 0.0; /* -0.0 is 0.0 */
    memcpy(&word, &value, sizeof word);
    return word & TOP_BIT ? ~word : word | TOP_BIT;
}

static uint64_t value_prefix(const ds_heap *heap, const ds_column *column, uint32_t row)
{
    switch (column->type.kind) {
    case DS_BOOL: return (uint64_t)ds_bit_get(column->bits, row) << 63;
    case DS_STRING: return text_prefix(heap, &column->views[row]);
    case DS_FLOAT: return float_prefix(column->floats[row]);
    default: return (uint64_t)column->ints[row] ^ TOP_BIT;
    }
}

/* The prefixes of all rows of a block. */
static void make_prefixes(const ds_sorter *sorter, const ds_heap *heap,
                          const ds_column *const *columns, uint32_t n, uint64_t *prefixes)
{
    if (sorter->n_order == 0) {
        memset(prefixes, 0, n * sizeof *prefixes);
        return;
    }
    const ds_sort_key *key = &sorter->order[0];
    const ds_column *column = columns[key->column];
    for (uint32_t row = 0; row < n; row++) {
        bool null = ds_column_is_null(column, row);
        uint64_t value = null ? 0 : value_prefix(heap, column, row);
        if (key->descending && !null)
            value = ~value;
        prefixes[row] = (value >> 1) | (null != key->nulls_first ? TOP_BIT : 0);
    }
}

/* ---- Comparing ---- */

static int compare_values(const ds_heap *heap, const ds_column *a, uint32_t i, const ds_column *b,
                          uint32_t j)
{
    switch (a->type.kind) {
    case DS_BOOL: return (int)ds_bit_get(a->bits, i) - (int)ds_bit_get(b->bits, j);
    case DS_STRING: return ds_view_compare(heap, &a->views[i], &b->views[j]);
    case DS_FLOAT: return (a->floats[i] > b->floats[j]) - (a->floats[i] < b->floats[j]);
    default: return (a->ints[i] > b->ints[j]) - (a->ints[i] < b->ints[j]);
    }
}

static int compare_entries(const void *x, const void *y, void *arg)
{
    const ds_sorter *sorter = arg;
    const entry *e = x, *f = y;
    if (e->prefix != f->prefix)
        return e->prefix < f->prefix ? -1 : 1;
    ds_column **a = sorter->blocks[e->block].columns, **b = sorter->blocks[f->block].columns;
    for (uint32_t k = 0; k < sorter->n_order; k++) {
        const ds_sort_key *key = &sorter->order[k];
        const ds_column *c = a[key->column], *d = b[key->column];
        bool null_c = ds_column_is_null(c, e->row), null_d = ds_column_is_null(d, f->row);
        if (null_c || null_d) {
            if (null_c && null_d)
                continue;
            return null_c == key->nulls_first ? -1 : 1;
        }
        int order = compare_values(&sorter->text.heap, c, e->row, d, f->row);
        if (order != 0)
            return key->descending ? -order : order;
    }
    if (e->block != f->block)
        return e->block < f->block ? -1 : 1;
    return (e->row > f->row) - (e->row < f->row);
}

static void sort_entries(ds_sorter *sorter)
{
    if (sorter->n_entries > 1)
        qsort_r(sorter->entries, sorter->n_entries, sizeof(entry), compare_entries, sorter);
    if (sorter->limit >= 0 && sorter->n_entries > sorter->limit)
        sorter->n_entries = (uint32_t)sorter->limit;
}

/* ---- Gathering rows of several blocks ---- */

static void gather_rows(const ds_sorter *sorter, ds_arena *arena, uint32_t base,
                        const entry *entries, uint32_t n, ds_column **columns)
{
    ds_place places[DS_CHUNK_ROWS];
    DS_ASSERT(n <= DS_CHUNK_ROWS);
    for (uint32_t c = 0; c < sorter->n_columns; c++) {
        for (uint32_t i = 0; i < n; i++)
            places[i] = (ds_place){sorter->blocks[entries[i].block].columns[c], entries[i].row};
        columns[c] = ds_gather_places(arena, sorter->types[c], places, n, base);
    }
}

/* ---- Adding ---- */

/* Keeps a copy of rows as a new block. */
static void add_block(ds_sorter *sorter, const ds_heap *heap, const ds_column *const *columns,
                      uint32_t n, const uint64_t *prefixes)
{
    ds_budget *budget = sorter->budget;
    uint32_t b = sorter->n_blocks, n_columns = sorter->n_columns, rows;
    sorter->blocks = ds_grow(sorter->blocks, &sorter->blocks_room, (uint64_t)b + 1,
                             sizeof *sorter->blocks, budget);
    block *added = &sorter->blocks[sorter->n_blocks++];
    added->size = ds_piece_size(heap, columns, n_columns, n);
    added->bytes = ds_alloc(added->size);
    ds_budget_charge(budget, (int64_t)added->size);
    ds_piece_write(added->bytes, heap, columns, n_columns, n);
    added->columns = DS_ARENA_ARRAY(sorter->arena, ds_column *, n_columns);
    DS_ASSERT(sorter->text.heap.n_buffers == b);
    ds_status status = ds_piece_read(sorter->arena, &sorter->text.heap, added->bytes, added->size,
                                     sorter->types, n_columns, added->columns, &rows, NULL);
    DS_ASSERT(status == DS_OK && rows == n);
    sorter->entries = ds_grow(sorter->entries, &sorter->entries_room,
                              (uint64_t)sorter->n_entries + n, sizeof(entry), budget);
    for (uint32_t row = 0; row < n; row++)
        sorter->entries[sorter->n_entries++] = (entry){prefixes[row], b, row};
}

/* Moves the sorted rows that are left to new blocks, and forgets the old ones. */
static void rewrite(ds_sorter *sorter)
{
    ds_sorter next = *sorter;
    next.blocks = NULL;
    next.entries = NULL;
    next.n_blocks = next.blocks_room = next.n_entries = next.entries_room = 0;
    next.arena = ds_arena_new(sorter->budget);
    ds_text_store_init(&next.text, sorter->budget);
    ds_text_store_lend(&next.text);
    ds_arena *scratch = ds_arena_new(sorter->budget);
    ds_column **columns = ds_calloc(sorter->n_columns, sizeof *columns);
    uint64_t prefixes[DS_CHUNK_ROWS];
    for (uint32_t from = 0; from < sorter->n_entries; from += DS_CHUNK_ROWS) {
        const entry *entries = sorter->entries + from;
        uint32_t left = sorter->n_entries - from, n = left < DS_CHUNK_ROWS ? left : DS_CHUNK_ROWS;
        gather_rows(sorter, scratch, 0, entries, n, columns);
        for (uint32_t i = 0; i < n; i++)
            prefixes[i] = entries[i].prefix;
        add_block(&next, &sorter->text.heap, (const ds_column *const *)columns, n, prefixes);
        ds_arena_reset(scratch);
    }
    free(columns);
    ds_arena_free(scratch);
    free_blocks(sorter->budget, sorter->blocks, sorter->n_blocks);
    ds_grow_free(sorter->blocks, &sorter->blocks_room, sizeof(block), sorter->budget);
    ds_grow_free(sorter->entries, &sorter->entries_room, sizeof(entry), sorter->budget);
    ds_text_store_fini(&sorter->text);
    ds_arena_free(sorter->arena);
    *sorter = next;
}

static void prune(ds_sorter *sorter)
{
    if (sorter->limit < 0 || sorter->limit > UINT32_MAX)
        return;
    int64_t more = sorter->limit < SLACK ? SLACK : sorter->limit;
    if (sorter->n_entries <= sorter->limit + more)
        return;
    sort_entries(sorter);
    rewrite(sorter);
    sorter->pruned = true;
    sorter->worst = sorter->entries[sorter->n_entries - 1].prefix;
}

/* Adds up to a chunk of rows, without those that are surely not among the first. */
static void add_rows(ds_sorter *sorter, const ds_heap *heap, const ds_column *const *columns,
                     uint32_t n)
{
    uint64_t prefixes[DS_CHUNK_ROWS];
    uint32_t rows[DS_CHUNK_ROWS], n_rows = 0;
    make_prefixes(sorter, heap, columns, n, prefixes);
    for (uint32_t row = 0; row < n; row++) {
        prefixes[n_rows] = prefixes[row];
        rows[n_rows] = row;
        n_rows += !sorter->pruned || prefixes[row] <= sorter->worst;
    }
    if (n_rows == n) {
        add_block(sorter, heap, columns, n, prefixes);
    } else if (n_rows > 0) {
        ds_arena *scratch = ds_arena_new(sorter->budget);
        const ds_column **some = ds_calloc(sorter->n_columns, sizeof *some);
        for (uint32_t c = 0; c < sorter->n_columns; c++)
            some[c] = ds_column_gather(scratch, columns[c], rows, n_rows);
        add_block(sorter, heap, some, n_rows, prefixes);
        free(some);
        ds_arena_free(scratch);
    }
    prune(sorter);
}

void ds_sorter_add(ds_sorter *sorter, const ds_heap *heap, const ds_column *const *columns,
                   uint32_t n_rows)
{
    if (sorter->limit == 0)
        return;
    ds_column *parts = ds_calloc(sorter->n_columns, sizeof *parts);
    const ds_column **pointers = ds_calloc(sorter->n_columns, sizeof *pointers);
    for (uint32_t from = 0; from < n_rows; from += DS_CHUNK_ROWS) {
        uint32_t n = n_rows - from < DS_CHUNK_ROWS ? n_rows - from : DS_CHUNK_ROWS;
        ds_columns_slice(columns, sorter->n_columns, from, n, parts, pointers);
        add_rows(sorter, heap, pointers, n);
    }
    free(pointers);
    free(parts);
}

/* ---- Reading ---- */

uint64_t ds_sorter_finish(ds_sorter *sorter)
{
    sort_entries(sorter);
    return sorter->n_entries;
}

void ds_sorter_rows(ds_sorter *sorter, ds_arena *arena, ds_heap *heap, uint64_t from, uint32_t n,
                    ds_column **columns)
{
    DS_ASSERT(from <= sorter->n_entries && n <= sorter->n_entries - from);
    uint32_t base = ds_text_store_export(&sorter->text, heap);
    gather_rows(sorter, arena, base, sorter->entries + from, n, columns);
}
