#include "dstream/join_table.h"

#include "base/assert.h"
#include "columnar/aggregate.h"
#include "columnar/gather.h"
#include "columnar/growable.h"
#include "columnar/slice.h"

#include <stdlib.h>

typedef struct part {
    const ds_column *const *columns;
    uint32_t first; /* its first row */
} part;

typedef struct chain { /* the rows of one key */
    uint32_t first, last;
} chain;

struct ds_join_table {
    ds_keys *keys;
    const ds_heap *heap;
    ds_budget *budget;
    uint32_t n_keys;
    part *parts;
    uint32_t n_parts, parts_room;
    chain *chains; /* by key */
    uint32_t n_chains, chains_room;
    uint32_t *next, *part_of; /* by row */
    uint32_t n_rows, next_room, part_room;
};

ds_join_table *ds_join_table_new(const ds_type *key_types, uint32_t n_keys, const ds_heap *heap,
                                 ds_budget *budget)
{
    DS_ASSERT(n_keys > 0);
    ds_join_table *table = ds_calloc(1, sizeof *table);
    table->keys = ds_keys_new(key_types, n_keys, budget);
    table->n_keys = n_keys;
    table->heap = heap;
    table->budget = budget;
    return table;
}

void ds_join_table_free(ds_join_table *table)
{
    if (table == NULL)
        return;
    ds_keys_free(table->keys);
    ds_grow_free(table->parts, &table->parts_room, sizeof *table->parts, table->budget);
    ds_grow_free(table->chains, &table->chains_room, sizeof *table->chains, table->budget);
    ds_grow_free(table->next, &table->next_room, sizeof *table->next, table->budget);
    ds_grow_free(table->part_of, &table->part_room, sizeof *table->part_of, table->budget);
    free(table);
}

uint32_t ds_join_table_rows(const ds_join_table *table)
{
    return table->n_rows;
}

size_t ds_join_table_bytes(const ds_join_table *table)
{
    return ds_keys_bytes(table->keys) + table->parts_room * sizeof *table->parts +
           table->chains_room * sizeof *table->chains +
           ((size_t)table->next_room + table->part_room) * sizeof *table->next;
}

const ds_heap *ds_join_table_heap(const ds_join_table *table)
{
    return table->heap;
}

/* ---- adding ---- */

static void need_room(ds_join_table *table, uint32_t n_rows)
{
    uint64_t need = (uint64_t)table->n_rows + n_rows;
    DS_ASSERT(need <= DS_JOIN_TABLE_ROWS);
    ds_budget *budget = table->budget;
    table->parts = ds_grow(table->parts, &table->parts_room, (uint64_t)table->n_parts + 1,
                           sizeof *table->parts, budget);
    table->next = ds_grow(table->next, &table->next_room, need, sizeof *table->next, budget);
    table->part_of =
        ds_grow(table->part_of, &table->part_room, need, sizeof *table->part_of, budget);
}

/* Puts the next rows behind others of their keys. */
static void link_rows(ds_join_table *table, const uint32_t *ids, uint32_t n)
{
    uint32_t n_keys = ds_keys_limit(table->keys);
    table->chains =
        ds_grow(table->chains, &table->chains_room, n_keys, sizeof *table->chains, table->budget);
    for (; table->n_chains < n_keys; table->n_chains++)
        table->chains[table->n_chains] = (chain){DS_NO_ROW, DS_NO_ROW};
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = table->n_rows++;
        chain *of = &table->chains[ids[i]];
        table->next[row] = DS_NO_ROW;
        table->part_of[row] = table->n_parts - 1;
        if (of->first == DS_NO_ROW)
            of->first = row;
        else
            table->next[of->last] = row;
        of->last = row;
    }
}

/* Keys with a null in them are put in, too, but never asked for. */
static void add_chunk(ds_join_table *table, const ds_column *const *keys, uint32_t from, uint32_t n)
{
    uint64_t hashes[DS_CHUNK_ROWS];
    uint32_t ids[DS_CHUNK_ROWS];
    ds_column parts[DS_MAX_KEYS];
    const ds_column *chunk[DS_MAX_KEYS];
    ds_columns_slice(keys, table->n_keys, from, n, parts, chunk);
    ds_hash_rows(table->heap, chunk, table->n_keys, n, hashes);
    ds_keys_put(table->keys, table->heap, chunk, hashes, n, ids);
    link_rows(table, ids, n);
}

void ds_join_table_add(ds_join_table *table, const ds_column *const *columns, const uint32_t *keys,
                       uint32_t n_rows)
{
    if (n_rows == 0)
        return;
    need_room(table, n_rows);
    table->parts[table->n_parts++] = (part){columns, table->n_rows};
    const ds_column *key_columns[DS_MAX_KEYS];
    for (uint32_t k = 0; k < table->n_keys; k++)
        key_columns[k] = columns[keys[k]];
    for (uint32_t from = 0; from < n_rows; from += DS_CHUNK_ROWS)
        add_chunk(table, key_columns, from,
                  n_rows - from < DS_CHUNK_ROWS ? n_rows - from : DS_CHUNK_ROWS);
}

/* ---- looking up ---- */

void ds_join_table_find(const ds_join_table *table, const ds_heap *heap,
                        const ds_column *const *keys, uint32_t n_rows, uint32_t *first)
{
    DS_ASSERT(n_rows <= DS_CHUNK_ROWS);
    uint64_t hashes[DS_CHUNK_ROWS];
    ds_hash_rows(heap, keys, table->n_keys, n_rows, hashes);
    ds_keys_find(table->keys, heap, keys, hashes, n_rows, first);
    for (uint32_t k = 0; k < table->n_keys; k++)
        for (uint32_t i = 0; keys[k]->validity != NULL && i < n_rows; i++)
            if (!ds_bit_get(keys[k]->validity, i))
                first[i] = DS_NO_KEY;
    for (uint32_t i = 0; i < n_rows; i++)
        first[i] = first[i] == DS_NO_KEY ? DS_NO_ROW : table->chains[first[i]].first;
}

uint32_t ds_join_table_next(const ds_join_table *table, uint32_t row)
{
    return table->next[row];
}

ds_column *ds_join_table_column(const ds_join_table *table, ds_arena *arena, uint32_t column,
                                ds_type type, const uint32_t *rows, uint32_t n, uint32_t base)
{
    if (table->n_parts == 1 && base == 0)
        return ds_column_gather(arena, table->parts[0].columns[column], rows, n);
    DS_ASSERT(n <= DS_CHUNK_ROWS);
    ds_place places[DS_CHUNK_ROWS];
    for (uint32_t i = 0; i < n; i++) {
        const part *of = &table->parts[table->part_of[rows[i]]];
        places[i] = (ds_place){of->columns[column], rows[i] - of->first};
    }
    return ds_gather_places(arena, type, places, n, base);
}
