/*
 * Rows are copied as pieces, one for each block that is added; what is sorted are small
 * entries that name a row, and begin with its prefix (row_order.h).
 *
 * With a limit, rows are pruned whenever there are twice as many as wanted: the best stay, as
 * new pieces. From then on a row that is behind the worst one kept is not even copied. That is
 * mostly seen from its prefix; where many have the same (counts do) rows are compared, and the best
 * are selected before they are sorted.
 */
#include "columnar/sort.h"

#include "base/assert.h"
#include "columnar/gather.h"
#include "columnar/growable.h"
#include "columnar/piece.h"
#include "columnar/slice.h"
#include "columnar/text_store.h"

#include <stdlib.h>

#define SLACK ((int64_t)DS_CHUNK_ROWS / 2) /* rows kept beyond a small limit */
#define FEW_ENTRIES 16u                    /* are sorted where more would be parted */
#define MOST_PARTINGS 40u                  /* by a bad choice each; then they are sorted, too */
#define MOST_PIECE ((size_t)256 << 20)     /* of a block, unless it is one row */

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
    ds_row_order order;
    int64_t limit; /* < 0: none */
    block *blocks;
    uint32_t n_blocks, blocks_room;
    size_t block_bytes; /* of the pieces */
    ds_arena *arena;    /* of the blocks' columns */
    ds_text_store text; /* lends the blocks' bytes; buffer i is block i */
    entry *entries;
    uint32_t n_entries, entries_room;
    bool pruned;
    entry worst; /* of the rows kept, once pruned */
};

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
    ds_row_order_init(&sorter->order, types, n_columns, keys, n_keys);
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
    ds_row_order_fini(&sorter->order);
    free(sorter->types);
    free(sorter);
}

/* ---- Comparing ---- */

static int compare_entries(const void *x, const void *y, void *arg)
{
    const ds_sorter *sorter = arg;
    const entry *e = x, *f = y;
    if (e->prefix != f->prefix)
        return e->prefix < f->prefix ? -1 : 1;
    int order =
        ds_row_order_compare(&sorter->order, &sorter->text.heap, sorter->blocks[e->block].columns,
                             e->row, sorter->blocks[f->block].columns, f->row);
    if (order != 0)
        return order;
    if (e->block != f->block)
        return e->block < f->block ? -1 : 1;
    return (e->row > f->row) - (e->row < f->row);
}

/* The middle one of three. */
static entry middle(const ds_sorter *sorter, const entry *entries, uint32_t n)
{
    void *arg = (void *)(uintptr_t)sorter;
    entry a = entries[0], b = entries[n / 2], c = entries[n - 1];
    bool ab = compare_entries(&a, &b, arg) < 0, bc = compare_entries(&b, &c, arg) < 0;
    if (ab == bc)
        return b;
    bool ac = compare_entries(&a, &c, arg) < 0;
    return ab == ac ? c : a;
}

/* Moves the entries before one of them to the front; returns how many that are. */
static uint32_t part(const ds_sorter *sorter, entry *entries, uint32_t n, entry by)
{
    uint32_t front = 0;
    for (uint32_t i = 0; i < n; i++) {
        entry e = entries[i];
        bool before = e.prefix < by.prefix;
        if (e.prefix == by.prefix)
            before = compare_entries(&e, &by, (void *)(uintptr_t)sorter) < 0;
        /* It cannot be foreseen whether it is, so there is no branch: one that is not changes
         * places with another that is not. */
        entries[i] = entries[front];
        entries[front] = e;
        front += before;
    }
    return front;
}

/* Moves the first `most` entries to the front, in no order. No two are equal, so of three or more
 * some are before the middle one of three, and some are not. */
static void select_first(ds_sorter *sorter, uint32_t most)
{
    entry *from = sorter->entries;
    uint32_t n = sorter->n_entries;
    for (uint32_t i = 0; n > FEW_ENTRIES && i < MOST_PARTINGS; i++) {
        uint32_t front = part(sorter, from, n, middle(sorter, from, n));
        DS_ASSERT(front > 0 && front < n);
        if (most > front) {
            from += front;
            most -= front;
            n -= front;
        } else {
            n = front;
        }
    }
    qsort_r(from, n, sizeof(entry), compare_entries, sorter);
}

static void sort_entries(ds_sorter *sorter)
{
    if (sorter->limit >= 0 && sorter->n_entries > sorter->limit) {
        select_first(sorter, (uint32_t)sorter->limit);
        sorter->n_entries = (uint32_t)sorter->limit;
    }
    if (sorter->n_entries > 1)
        qsort_r(sorter->entries, sorter->n_entries, sizeof(entry), compare_entries, sorter);
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
    sorter->block_bytes += added->size;
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

/* As add_block, as several blocks where one would be too large for a piece: a long text that stands
 * in every row. */
static void add_blocks(ds_sorter *sorter, const ds_heap *heap, const ds_column *const *columns,
                       uint32_t n, const uint64_t *prefixes)
{
    if (n == 1 || ds_piece_size(heap, columns, sorter->n_columns, n) <= MOST_PIECE) {
        add_block(sorter, heap, columns, n, prefixes);
        return;
    }
    ds_arena *scratch = ds_arena_new(sorter->budget);
    uint32_t *rows = ds_arena_alloc(scratch, n * sizeof *rows);
    const ds_column **some = DS_ARENA_ARRAY(scratch, const ds_column *, sorter->n_columns + 1);
    for (uint32_t i = 0; i < n; i++)
        rows[i] = i;
    for (uint32_t from = 0, count; from < n; from += count) {
        count = from == 0 ? n / 2 : n - from;
        for (uint32_t c = 0; c < sorter->n_columns; c++)
            some[c] = ds_column_gather(scratch, columns[c], rows + from, count);
        add_blocks(sorter, heap, some, count, prefixes + from);
    }
    ds_arena_free(scratch);
}

/* Moves the sorted rows that are left to new blocks, and forgets the old ones. */
static void rewrite(ds_sorter *sorter)
{
    ds_sorter next = *sorter;
    next.blocks = NULL;
    next.entries = NULL;
    next.n_blocks = next.blocks_room = next.n_entries = next.entries_room = 0;
    next.block_bytes = 0;
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
        add_blocks(&next, &sorter->text.heap, (const ds_column *const *)columns, n, prefixes);
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

/* Keeps the rows within the limit only, if there are more by so many. */
static void prune(ds_sorter *sorter, int64_t more)
{
    if (sorter->limit < 0 || sorter->limit > UINT32_MAX ||
        sorter->n_entries <= sorter->limit + more)
        return;
    sort_entries(sorter);
    rewrite(sorter);
    sorter->pruned = true;
    sorter->worst = sorter->entries[sorter->n_entries - 1];
}

size_t ds_sorter_prune(ds_sorter *sorter)
{
    prune(sorter, sorter->limit);
    return ds_sorter_bytes(sorter);
}

size_t ds_sorter_bytes(const ds_sorter *sorter)
{
    return sorter->block_bytes + ds_arena_bytes(sorter->arena) +
           (size_t)sorter->entries_room * sizeof(entry) +
           (size_t)sorter->blocks_room * sizeof(block);
}

/* Equal rows stay in the order in which they come: one that is equal to the worst is behind it. */
static bool is_behind(const ds_sorter *sorter, const ds_heap *heap, const ds_column *const *columns,
                      uint32_t row, uint64_t prefix)
{
    const entry *worst = &sorter->worst;
    if (prefix != worst->prefix)
        return prefix > worst->prefix;
    return ds_row_order_compare_apart(
               &sorter->order, heap, columns, row, &sorter->text.heap,
               (const ds_column *const *)sorter->blocks[worst->block].columns, worst->row) >= 0;
}

/* Those that are not behind by their prefixes. */
static uint32_t choose_prefixes(const ds_sorter *sorter, uint32_t n, const uint64_t *prefixes,
                                uint32_t *rows)
{
    uint32_t chosen = 0;
    for (uint32_t row = 0; row < n; row++) { /* few are, mostly: no branch */
        rows[chosen] = row;
        chosen += prefixes[row] <= sorter->worst.prefix;
    }
    return chosen;
}

uint32_t ds_sorter_choose(const ds_sorter *sorter, const ds_heap *heap, const ds_column *column,
                          uint32_t n, uint32_t *rows)
{
    uint64_t prefixes[DS_CHUNK_ROWS];
    DS_ASSERT(n <= DS_CHUNK_ROWS);
    if (!sorter->pruned)
        return n;
    ds_row_order_prefixes_of(&sorter->order, heap, column, 0, n, prefixes);
    return choose_prefixes(sorter, n, prefixes, rows);
}

/* The rows that may be among the first, of those with these prefixes. */
static uint32_t choose_rows(const ds_sorter *sorter, const ds_heap *heap,
                            const ds_column *const *columns, uint32_t n, const uint64_t *prefixes,
                            uint32_t *rows)
{
    uint32_t chosen = choose_prefixes(sorter, n, prefixes, rows), left = 0;
    for (uint32_t i = 0; i < chosen; i++) {
        uint32_t row = rows[i];
        rows[left] = row;
        left += !is_behind(sorter, heap, columns, row, prefixes[row]);
    }
    return left;
}

/* Adds up to a chunk of rows, without those that are surely not among the first. */
static void add_rows(ds_sorter *sorter, const ds_heap *heap, const ds_column *const *columns,
                     uint32_t n)
{
    uint64_t prefixes[DS_CHUNK_ROWS];
    uint32_t rows[DS_CHUNK_ROWS], n_rows = n;
    ds_row_order_prefixes(&sorter->order, heap, columns, 0, n, prefixes);
    if (sorter->pruned)
        n_rows = choose_rows(sorter, heap, columns, n, prefixes, rows);
    if (n_rows == n) {
        add_blocks(sorter, heap, columns, n, prefixes);
    } else if (n_rows > 0) {
        ds_arena *scratch = ds_arena_new(sorter->budget);
        const ds_column **some = ds_calloc(sorter->n_columns, sizeof *some);
        for (uint32_t c = 0; c < sorter->n_columns; c++)
            some[c] = ds_column_gather(scratch, columns[c], rows, n_rows);
        for (uint32_t i = 0; i < n_rows; i++)
            prefixes[i] = prefixes[rows[i]];
        add_blocks(sorter, heap, some, n_rows, prefixes);
        free(some);
        ds_arena_free(scratch);
    }
    prune(sorter, sorter->limit < SLACK ? SLACK : sorter->limit);
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
