#include "dstream/row_buffer.h"

#include "base/assert.h"
#include "columnar/piece.h"

#include <stdlib.h>

/*
 * Each chunk is kept as a gathered copy in an arena; the columns are joined once, when they
 * are asked for. Joining is a copy of fixed-width values and bitmaps. Rows of streams that come
 * from one source and meet in a union arrive stream by stream within each of its chunks: where
 * their order counts they are put in order by position, after the join.
 */
typedef struct kept_chunk {
    struct kept_chunk *next;
    uint32_t n_rows;
    bool owns_text;
    int64_t *positions; /* NULL: none */
    ds_column *columns[];
} kept_chunk;

struct ds_row_buffer {
    const ds_type *types;
    uint32_t n_columns;
    uint32_t n_rows;
    int64_t last_position;
    bool disordered; /* a position went back */
    ds_arena *arena;
    ds_heap *heap;     /* where copies of text are added; NULL: text is not copied */
    size_t text_bytes; /* of long strings, each as often as it stands in a row */
    kept_chunk *first, **last;
};

static void forget(ds_row_buffer *buffer)
{
    buffer->n_rows = 0;
    buffer->last_position = INT64_MIN;
    buffer->disordered = false;
    buffer->text_bytes = 0;
    buffer->first = NULL;
    buffer->last = &buffer->first;
}

ds_row_buffer *ds_row_buffer_new(const ds_type *types, uint32_t n_columns, ds_budget *budget)
{
    ds_row_buffer *buffer = ds_calloc(1, sizeof *buffer);
    buffer->types = types;
    buffer->n_columns = n_columns;
    buffer->arena = ds_arena_new(budget);
    forget(buffer);
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
    forget(buffer);
}

uint32_t ds_row_buffer_count(const ds_row_buffer *buffer)
{
    return buffer->n_rows;
}

size_t ds_row_buffer_bytes(const ds_row_buffer *buffer)
{
    return ds_arena_bytes(buffer->arena) + buffer->text_bytes;
}

void ds_row_buffer_own(ds_row_buffer *buffer, ds_heap *heap)
{
    buffer->heap = heap;
}

static int64_t *keep_positions(ds_row_buffer *buffer, const int64_t *positions, uint32_t n)
{
    int64_t *kept = ds_arena_alloc(buffer->arena, n * sizeof *kept);
    for (uint32_t i = 0; i < n; i++) {
        kept[i] = positions[i];
        buffer->disordered |= kept[i] < buffer->last_position;
        buffer->last_position = kept[i];
    }
    return kept;
}

static size_t text_of(const ds_column *column)
{
    size_t bytes = 0;
    if (column->type.kind == DS_LIST)
        return text_of(column->child);
    for (uint32_t i = 0; column->type.kind == DS_STRING && i < column->length; i++)
        bytes += column->views[i].length > DS_INLINE_BYTES ? column->views[i].length : 0;
    return bytes;
}

/* The text stays where it is. */
static void keep_views(ds_row_buffer *buffer, kept_chunk *chunk, const ds_column *const *columns)
{
    uint32_t *all = ds_arena_alloc(buffer->arena, chunk->n_rows * sizeof *all);
    for (uint32_t i = 0; i < chunk->n_rows; i++)
        all[i] = i;
    for (uint32_t c = 0; c < buffer->n_columns; c++) {
        chunk->columns[c] = ds_column_gather(buffer->arena, columns[c], all, chunk->n_rows);
        buffer->text_bytes += text_of(chunk->columns[c]);
    }
}

static void keep_copies(ds_row_buffer *buffer, ds_heap *heap, kept_chunk *chunk,
                        const ds_column *const *columns)
{
    uint32_t n_rows;
    size_t size = ds_piece_size(heap, columns, buffer->n_columns, chunk->n_rows);
    char *bytes = ds_arena_alloc(buffer->arena, size);
    ds_piece_write(bytes, heap, columns, buffer->n_columns, chunk->n_rows);
    ds_status status = ds_piece_read(buffer->arena, heap, bytes, size, buffer->types,
                                     buffer->n_columns, chunk->columns, &n_rows, NULL);
    DS_ASSERT(status == DS_OK && n_rows == chunk->n_rows);
    chunk->owns_text = true;
}

void ds_row_buffer_settle(ds_row_buffer *buffer, ds_heap *heap)
{
    for (kept_chunk *chunk = buffer->first; chunk != NULL; chunk = chunk->next) {
        size_t text = 0;
        for (uint32_t c = 0; c < buffer->n_columns && !chunk->owns_text; c++)
            text += text_of(chunk->columns[c]);
        if (text > 0)
            keep_copies(buffer, heap, chunk, (const ds_column *const *)chunk->columns);
        chunk->owns_text = true;
    }
    buffer->text_bytes = 0; /* it is in the arena now */
}

void ds_row_buffer_add(ds_row_buffer *buffer, const ds_column *const *columns,
                       const int64_t *positions, uint32_t n_rows)
{
    if (n_rows == 0)
        return;
    kept_chunk *chunk = ds_arena_alloc(buffer->arena, sizeof *chunk + (size_t)buffer->n_columns *
                                                                          sizeof chunk->columns[0]);
    chunk->next = NULL;
    chunk->n_rows = n_rows;
    chunk->owns_text = false;
    chunk->positions = positions == NULL ? NULL : keep_positions(buffer, positions, n_rows);
    if (buffer->heap == NULL)
        keep_views(buffer, chunk, columns);
    else
        keep_copies(buffer, buffer->heap, chunk, columns);
    *buffer->last = chunk;
    buffer->last = &chunk->next;
    buffer->n_rows += n_rows;
}

/* ---- joining ---- */

/* Puts n bits (all set, if from is NULL) behind the first `at`; what lies behind may change. */
static void append_bits(uint64_t *to, uint32_t at, const uint64_t *from, uint32_t n)
{
    for (uint32_t done = 0; done < n; done += 64, at += 64) {
        uint64_t bits = from == NULL ? ~(uint64_t)0 : from[done / 64];
        uint32_t shift = at % 64, left = n - done;
        to[at / 64] = (to[at / 64] & (((uint64_t)1 << shift) - 1)) | bits << shift;
        if (shift > 0 && left > 64 - shift)
            to[at / 64 + 1] = bits >> (64 - shift);
    }
}

static void append_column(ds_column *to, uint32_t at, const ds_column *from, ds_arena *arena);

static void append_list(ds_column *to, uint32_t at, const ds_column *from, ds_arena *arena)
{
    uint32_t base = to->offsets[at];
    DS_ASSERT(from->offsets[0] == 0 && from->child->length >= from->offsets[from->length]);
    for (uint32_t i = 0; i < from->length; i++)
        to->offsets[at + i + 1] = base + from->offsets[i + 1];
    append_column(to->child, base, from->child, arena);
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

static ds_column *join_column(ds_row_buffer *buffer, uint32_t c)
{
    ds_type type = buffer->types[c];
    ds_column *joined = ds_column_new(buffer->arena, type, buffer->n_rows);
    uint32_t n_elements = 0, at = 0;
    for (const kept_chunk *k = buffer->first; k != NULL && type.kind == DS_LIST; k = k->next)
        n_elements += k->columns[c]->child->length;
    if (type.kind == DS_LIST)
        joined->child = ds_column_new(buffer->arena, ds_type_element(type), n_elements);
    for (const kept_chunk *k = buffer->first; k != NULL; k = k->next) {
        append_column(joined, at, k->columns[c], buffer->arena);
        at += k->n_rows;
    }
    return joined;
}

static int by_position(const void *a, const void *b, void *arg)
{
    const int64_t *positions = arg;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    if (positions[i] != positions[j])
        return positions[i] < positions[j] ? -1 : 1;
    return i < j ? -1 : i > j;
}

/* The numbers of all rows in the order of their positions. */
static uint32_t *in_order(const ds_row_buffer *buffer)
{
    int64_t *positions = ds_arena_alloc(buffer->arena, buffer->n_rows * sizeof *positions);
    uint32_t *order = ds_arena_alloc(buffer->arena, buffer->n_rows * sizeof *order), n = 0;
    int64_t last = INT64_MIN; /* rows without a position stay behind those before them */
    for (const kept_chunk *chunk = buffer->first; chunk != NULL; chunk = chunk->next)
        for (uint32_t i = 0; i < chunk->n_rows; i++, n++) {
            last = chunk->positions != NULL ? chunk->positions[i] : last;
            positions[n] = last;
            order[n] = n;
        }
    qsort_r(order, n, sizeof *order, by_position, positions);
    return order;
}

uint32_t ds_row_buffer_rows(ds_row_buffer *buffer, ds_column **columns)
{
    const uint32_t *order = buffer->disordered ? in_order(buffer) : NULL;
    for (uint32_t c = 0; c < buffer->n_columns; c++) {
        columns[c] = join_column(buffer, c);
        if (order != NULL)
            columns[c] = ds_column_gather(buffer->arena, columns[c], order, buffer->n_rows);
    }
    return buffer->n_rows;
}

/* ---- back again ---- */

static void push_rows(ds_frame *frame, const ds_node *node, ds_column *const *columns, uint32_t n,
                      int64_t *position)
{
    ds_arena *arena = frame->chunk_arena;
    int64_t *positions = ds_arena_alloc(arena, n * sizeof *positions);
    for (uint32_t i = 0; i < n; i++)
        positions[i] = (*position)++;
    uint32_t n_columns = node->schema.n_fields, kept = 0;
    const ds_column **rows = DS_ARENA_ARRAY(arena, const ds_column *, n_columns + 1);
    for (uint32_t c = 0; c < n_columns; c++)
        if (node->wanted[c])
            rows[c] = columns[kept++];
    ds_chunk chunk = {n, n_columns, rows, positions};
    ds_frame_push(frame, node, &chunk);
}

static ds_status replay(ds_frame *frame, const ds_node *node, const ds_piece *piece,
                        int64_t *position, ds_error *error)
{
    const ds_stage_input *input = ds_plan_input(frame->plan, node);
    uint32_t n_rows = ds_piece_length(piece);
    for (uint32_t from = 0; from < n_rows; from += DS_CHUNK_ROWS) {
        uint32_t n = n_rows - from < DS_CHUNK_ROWS ? n_rows - from : DS_CHUNK_ROWS;
        ds_column **columns = DS_ARENA_ARRAY(frame->chunk_arena, ds_column *, input->n_types + 1);
        DS_TRY(ds_piece_take(piece, frame->chunk_arena, from, n, columns, error));
        push_rows(frame, node, columns, n, position);
        DS_TRY(ds_frame_next_chunk(frame));
    }
    return DS_OK;
}

ds_status ds_rows_replay(ds_frame *frame, const ds_node *node, const ds_piece_bytes *bytes,
                         int64_t *position, ds_error *error)
{
    const ds_stage_input *input = ds_plan_input(frame->plan, node);
    ds_arena *arena = bytes->bytes == NULL ? ds_arena_new(frame->budget) : frame->arena;
    const void *there;
    ds_piece *piece;
    ds_status status = ds_frame_piece(frame, arena, bytes, &there, error);
    if (status == DS_OK)
        status = ds_piece_open(arena, &frame->heap, there, bytes->length, input->types,
                               input->n_types, &piece, error);
    if (status == DS_OK)
        status = replay(frame, node, piece, position, error);
    if (arena != frame->arena)
        ds_frame_let_piece_go(frame, arena, bytes);
    return status;
}
