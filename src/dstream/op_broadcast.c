#include "dstream/op_broadcast.h"

#include "base/assert.h"
#include "columnar/piece.h"

#include <stdlib.h>

#define PART_ROWS (16 * DS_CHUNK_ROWS) /* about; then they are made compact, */
#define PART_BYTES ((size_t)16 << 20)  /* or when they come to so much */

/* ---- plan ---- */

void ds_broadcast_choose(ds_join_plan *join, ds_exchange_plan *const exchanges[2],
                         const ds_node *const rows[2])
{
    for (int side = DS_RIGHT_SIDE; side >= DS_LEFT_SIDE && join->table == NULL; side--) {
        if (rows[side]->table == NULL || ds_join_keeps(join, side))
            continue;
        join->table = rows[side]->table;
        join->table_side = side;
        exchanges[DS_LEFT_SIDE]->here = exchanges[DS_RIGHT_SIDE]->here = true;
    }
}

void ds_broadcast_reads(const ds_plan *plan, const ds_node *source, bool *reads)
{
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        const ds_node *node = plan->nodes[i];
        if (!ds_node_is_broadcast(node) || node->join->table != source)
            continue;
        reads[i] = true;
        for (node = node->parents[node->join->table_side]; node != source; node = node->parents[0])
            reads[node->id] = true;
    }
}

/* ---- a broadcast ---- */

/* A run of rows, as a piece. */
typedef struct part {
    void *bytes;
    size_t length;
} part;

struct ds_broadcast {
    const ds_node *node;
    ds_budget budget;
    ds_row_buffer *rows; /* that are not in a part yet; their text is the frame's */
    size_t row_bytes;
    uint32_t n_rows; /* of these */
    part *parts;
    uint32_t n_parts;
    ds_arena *arena; /* of the parts' columns */
    ds_heap heap;    /* of the parts */
    ds_join_table *table;
};

ds_broadcast *ds_broadcast_new(const ds_node *join, ds_budget *budget)
{
    const ds_join_plan *plan = join->join;
    ds_broadcast *b = ds_calloc(1, sizeof *b);
    b->node = join;
    ds_budget_init(&b->budget, budget, 0);
    b->arena = ds_arena_new(&b->budget);
    ds_heap_init(&b->heap, b->arena);
    b->rows = ds_row_buffer_new(plan->wanted_types[plan->table_side],
                                plan->n_wanted[plan->table_side], &b->budget);
    b->table = ds_join_table_new(plan->key_types, plan->n_keys, &b->heap, &b->budget);
    return b;
}

void ds_broadcast_free(ds_broadcast *b)
{
    if (b == NULL)
        return;
    ds_join_table_free(b->table);
    ds_row_buffer_free(b->rows);
    for (uint32_t i = 0; i < b->n_parts; i++) {
        ds_budget_charge(&b->budget, -(int64_t)b->parts[i].length);
        free(b->parts[i].bytes);
    }
    free(b->parts);
    ds_heap_fini(&b->heap);
    ds_arena_free(b->arena);
    DS_ASSERT(atomic_load(&b->budget.used_bytes) == 0);
    free(b);
}

uint32_t ds_broadcast_rows(const ds_broadcast *b)
{
    return ds_join_table_rows(b->table);
}

size_t ds_broadcast_bytes(const ds_broadcast *b)
{
    return (size_t)atomic_load(&b->budget.used_bytes);
}

/* ---- filling ---- */

/* Puts the columns of a part into the table, by their numbers. */
static void index_part(ds_broadcast *b, const part *p)
{
    const ds_join_plan *plan = b->node->join;
    int side = plan->table_side;
    uint32_t n_wanted = plan->n_wanted[side], n_rows;
    uint32_t n_columns = b->node->parents[side]->schema.n_fields;
    ds_column **wanted = DS_ARENA_ARRAY(b->arena, ds_column *, n_wanted + 1);
    ds_error error;
    ds_status status = ds_piece_read(b->arena, &b->heap, p->bytes, p->length,
                                     plan->wanted_types[side], n_wanted, wanted, &n_rows, &error);
    DS_ASSERT(status == DS_OK); /* it was written here */
    const ds_column **columns = DS_ARENA_ARRAY(b->arena, const ds_column *, n_columns + 1);
    for (uint32_t c = 0; c < n_wanted; c++)
        columns[plan->wanted[side][c]] = wanted[c];
    ds_join_table_add(b->table, columns, plan->keys[side], n_rows);
}

/* Makes the rows so far compact: their text is in blocks that go, and in the frame's memory. */
static void pack(ds_broadcast *b, const ds_heap *heap)
{
    if (b->n_rows == 0)
        return;
    const ds_join_plan *plan = b->node->join;
    uint32_t n_columns = plan->n_wanted[plan->table_side];
    ds_column **columns = ds_calloc(n_columns, sizeof *columns);
    uint32_t n_rows = ds_row_buffer_rows(b->rows, columns);
    const ds_column *const *rows = (const ds_column *const *)columns;
    part p = {.length = ds_piece_size(heap, rows, n_columns, n_rows)};
    p.bytes = ds_alloc(p.length);
    ds_budget_charge(&b->budget, (int64_t)p.length);
    ds_piece_write(p.bytes, heap, rows, n_columns, n_rows);
    free(columns);
    b->parts = ds_realloc(b->parts, b->n_parts + 1, sizeof *b->parts);
    b->parts[b->n_parts++] = p;
    index_part(b, &p);
    ds_row_buffer_clear(b->rows);
    b->n_rows = 0;
    b->row_bytes = 0;
}

void ds_broadcast_finish(ds_broadcast *b, const ds_heap *heap)
{
    pack(b, heap);
    ds_row_buffer_free(b->rows);
    b->rows = NULL;
}

static void add_rows(ds_frame *frame, const ds_node *node, const ds_chunk *chunk)
{
    const ds_join_plan *plan = node->join;
    ds_broadcast *b = frame->broadcasts[node->id];
    uint32_t n = plan->n_wanted[plan->table_side];
    ds_error error;
    if ((uint64_t)ds_broadcast_rows(b) + b->n_rows + chunk->n_rows > DS_JOIN_TABLE_ROWS) {
        ds_error_set(&error, DS_ERR_NO_MEMORY, "it has too many rows");
        ds_frame_fail(frame, DS_ERR_NO_MEMORY, &error);
        return;
    }
    const ds_column **columns = DS_ARENA_ARRAY(frame->chunk_arena, const ds_column *, n + 1);
    for (uint32_t c = 0; c < n; c++)
        columns[c] = chunk->columns[plan->wanted[plan->table_side][c]];
    ds_row_buffer_add(b->rows, columns, NULL, chunk->n_rows);
    b->n_rows += chunk->n_rows;
    b->row_bytes += ds_piece_size(&frame->heap, columns, n, chunk->n_rows);
    if (b->n_rows >= PART_ROWS || b->row_bytes >= PART_BYTES)
        pack(b, &frame->heap);
}

/* ---- looking up ---- */

static void look_up(ds_frame *frame, const ds_node *node, const ds_chunk *chunk)
{
    const ds_join_plan *plan = node->join;
    DS_ASSERT(frame->broadcasts != NULL && frame->broadcasts[node->id] != NULL);
    if (frame->states[node->id] == NULL)
        frame->states[node->id] = ds_join_probe_new(frame, node, frame->broadcasts[node->id]->table,
                                                    plan->table_side, false);
    ds_join_probe_push(frame->states[node->id], chunk, NULL,
                       ds_join_keeps(plan, !plan->table_side));
}

void ds_broadcast_push(ds_frame *frame, const ds_node *node, uint32_t side, const ds_chunk *chunk)
{
    DS_ASSERT(frame->reads_table == ((int)side == node->join->table_side));
    if (frame->reads_table)
        add_rows(frame, node, chunk);
    else
        look_up(frame, node, chunk);
}
