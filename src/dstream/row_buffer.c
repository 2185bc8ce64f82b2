#include "dstream/row_buffer.h"

#include "base/assert.h"
#include "columnar/piece.h"

#include <stdlib.h>

/*
 * Each chunk is kept as a gathered copy in an arena; the columns are joined once, when they
 * are asked for. Joining is a copy of fixed-width values and bitmaps.
 */
typedef struct kept_chunk {
    struct kept_chunk *next;
    uint32_t n_rows;
    ds_column *columns[];
} kept_chunk;

struct ds_row_buffer {
    const ds_type *types;
    uint32_t n_columns;
    uint32_t n_rows;
    ds_arena *arena;
    kept_chunk *first, **last;
};

ds_row_buffer *ds_row_buffer_new(const ds_type *types, uint32_t n_columns, ds_budget *budget)
{
    ds_row_buffer *buffer = ds_calloc(1, sizeof *buffer);
    buffer->types = types;
    buffer->n_columns = n_columns;
    buffer->arena = ds_arena_new(budget);
    buffer->last = &buffer->first;
    return buffer;
}

void ds_row_buffer_free(ds_row_buffer *buffer)
{
    if (buffer == NULL)
        return;
    ds_arena_free(buffer->arena);
    free(buffer);
}

void ds_row_buffer_clear(ds_row_buffer *buffer)
{
    ds_arena_reset(buffer->arena);
    buffer->n_rows = 0;
    buffer->first = NULL;
    buffer->last = &buffer->first;
}

size_t ds_row_buffer_bytes(const ds_row_buffer *buffer)
{
    return ds_arena_bytes(buffer->arena);
}

void ds_row_buffer_add(ds_row_buffer *buffer, const ds_column *const *columns, uint32_t n_rows)
{
    if (n_rows == 0)
        return;
    uint32_t *all = ds_arena_alloc(buffer->arena, n_rows * sizeof *all);
    for (uint32_t i = 0; i < n_rows; i++)
        all[i] = i;
    kept_chunk *chunk = ds_arena_alloc(buffer->arena, sizeof *chunk + (size_t)buffer->n_columns *
                                                                          sizeof chunk->columns[0]);
    chunk->next = NULL;
    chunk->n_rows = n_rows;
    for (uint32_t c = 0; c < buffer->n_columns; c++)
        chunk->columns[c] = ds_column_gather(buffer->arena, columns[c], all, n_rows);
    *buffer->last = chunk;
    buffer->last = &chunk->next;
    buffer->n_rows += n_rows;
}

static void append_bits(uint64_t *to, uint32_t at, const uint64_t *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        ds_bit_put(to, at + i, from == NULL || ds_bit_get(from, i));
}

static void append_column(ds_column *to, uint32_t at, const ds_column *from, ds_arena *arena);

static void append_list(ds_column *to, uint32_t at, const ds_column *from, ds_arena *arena)
{
    uint32_t base = to->offsets[at];
    for (uint32_t i = 0; i < from->length; i++)
        to->offsets[at + i + 1] = base + (from->offsets[i + 1] - from->offsets[0]);
    uint32_t n = from->offsets[from->length] - from->offsets[0];
    DS_ASSERT(from->offsets[0] == 0 && from->child->length >= n);
    /* Children are joined by growing: lists are rare in rows that are kept. */
    ds_column *grown = ds_column_new(arena, ds_type_element(to->type), base + n);
    if (to->child != NULL && base > 0)
        append_column(grown, 0, to->child, arena);
    append_column(grown, base, from->child, arena);
    to->child = grown;
}

static void append_column(ds_column *to, uint32_t at, const ds_column *from, ds_arena *arena)
{
    uint32_t n = from->length;
    if (from->validity != NULL)
        ds_column_need_validity(to, arena);
    if (to->validity != NULL)
        append_bits(to->validity, at, from->validity, n);
    if (to->type.kind == DS_BOOL)
        append_bits(to->bits, at, from->bits, n);
    else if (to->type.kind == DS_LIST)
        append_list(to, at, from, arena);
    else
        memcpy((char *)to->values + (size_t)at * ds_type_width(to->type), from->values,
               (size_t)n * ds_type_width(to->type));
}

uint32_t ds_row_buffer_rows(ds_row_buffer *buffer, ds_column **columns)
{
    for (uint32_t c = 0; c < buffer->n_columns; c++) {
        columns[c] = ds_column_new(buffer->arena, buffer->types[c], buffer->n_rows);
        if (buffer->types[c].kind == DS_LIST)
            columns[c]->child = ds_column_new(buffer->arena, ds_type_element(buffer->types[c]), 0);
        uint32_t at = 0;
        for (kept_chunk *chunk = buffer->first; chunk != NULL; chunk = chunk->next) {
            append_column(columns[c], at, chunk->columns[c], buffer->arena);
            at += chunk->n_rows;
        }
    }
    return buffer->n_rows;
}

/* ---- back again ---- */

static void push_rows(ds_frame *frame, const ds_node *node, ds_column *const *columns,
                      uint32_t from, uint32_t n, int64_t *position)
{
    ds_arena *arena = frame->chunk_arena;
    uint32_t *indexes = ds_arena_alloc(arena, n * sizeof *indexes);
    int64_t *positions = ds_arena_alloc(arena, n * sizeof *positions);
    for (uint32_t i = 0; i < n; i++) {
        indexes[i] = from + i;
        positions[i] = (*position)++;
    }
    uint32_t n_columns = node->schema.n_fields, kept = 0;
    const ds_column **rows = DS_ARENA_ARRAY(arena, const ds_column *, n_columns + 1);
    for (uint32_t c = 0; c < n_columns; c++)
        if (node->wanted[c])
            rows[c] = ds_column_gather(arena, columns[kept++], indexes, n);
    ds_chunk chunk = {n, n_columns, rows, positions};
    ds_frame_push(frame, node, &chunk);
}

ds_status ds_rows_replay(ds_frame *frame, const ds_node *node, const void *bytes, size_t length,
                         int64_t *position, ds_error *error)
{
    const ds_stage *stage = frame->stage;
    ds_column **columns = DS_ARENA_ARRAY(frame->arena, ds_column *, stage->n_types + 1);
    uint32_t n_rows;
    DS_TRY(ds_piece_read(frame->arena, &frame->heap, bytes, length, stage->types, stage->n_types,
                         columns, &n_rows, error));
    for (uint32_t from = 0; from < n_rows; from += DS_CHUNK_ROWS) {
        uint32_t n = n_rows - from < DS_CHUNK_ROWS ? n_rows - from : DS_CHUNK_ROWS;
        push_rows(frame, node, columns, from, n, position);
        DS_TRY(ds_frame_next_chunk(frame));
    }
    return DS_OK;
}
