/* The run-time half of op_join.h. */
#include "dstream/op_join.h"

#include "base/assert.h"
#include "columnar/piece.h"
#include "columnar/slice.h"

#include <stdlib.h>

/* ---- one table ---- */

struct ds_join_probe {
    ds_frame *frame;
    const ds_node *node;
    const ds_join_plan *plan;
    const ds_join_table *table;
    int side;       /* of the table */
    uint32_t base;  /* of the table's text in the frame's heap */
    uint64_t *kept; /* a bit for each row of the table that was met, or NULL */
    ds_arena *arena;
};

/* Adds the buffers of another heap to the frame's; returns where they begin. */
static uint32_t lend_text(ds_frame *frame, const ds_heap *heap)
{
    if (heap == &frame->heap)
        return 0;
    uint32_t base = frame->heap.n_buffers;
    for (uint32_t i = 0; i < heap->n_buffers; i++)
        ds_heap_add(&frame->heap, heap->buffers[i]);
    return base;
}

ds_join_probe *ds_join_probe_new(ds_frame *frame, const ds_node *node, const ds_join_table *table,
                                 int side, bool keeps_table)
{
    ds_join_probe *probe = ds_calloc(1, sizeof *probe);
    *probe = (ds_join_probe){.frame = frame,
                             .node = node,
                             .plan = node->join,
                             .table = table,
                             .side = side,
                             .base = lend_text(frame, ds_join_table_heap(table)),
                             .arena = ds_arena_new(frame->budget)};
    size_t words = ds_bitmap_words(ds_join_table_rows(table));
    if (keeps_table) {
        probe->kept = ds_calloc(words, sizeof *probe->kept);
        ds_budget_charge(frame->budget, (int64_t)(words * sizeof *probe->kept));
    }
    return probe;
}

void ds_join_probe_free(ds_join_probe *probe)
{
    if (probe == NULL)
        return;
    size_t words = ds_bitmap_words(ds_join_table_rows(probe->table));
    if (probe->kept != NULL)
        ds_budget_charge(probe->frame->budget, -(int64_t)(words * sizeof *probe->kept));
    free(probe->kept);
    ds_arena_free(probe->arena);
    free(probe);
}

/* Rows that come out together: of the table, of a chunk that was looked up, or of both. */
typedef struct joined {
    uint32_t n;
    const ds_chunk *chunk;
    const uint32_t *rows;       /* of the chunk; NULL: none */
    const uint32_t *table_rows; /* NULL: none */
} joined;

static const ds_column *output_column(const ds_join_probe *probe, const joined *rows, uint32_t at)
{
    const ds_join_column *column = &probe->plan->columns[at];
    int side = column->side;
    bool left_is_table = probe->side == DS_LEFT_SIDE;
    if (column->is_key && (left_is_table ? rows->table_rows : rows->rows) == NULL)
        side = DS_RIGHT_SIDE; /* the left side has no row */
    uint32_t c = column->is_key ? probe->plan->keys[side][column->column] : column->column;
    ds_type type = probe->node->schema.fields[at].type;
    if (side == probe->side && rows->table_rows != NULL)
        return ds_join_table_column(probe->table, probe->arena, c, type, rows->table_rows, rows->n,
                                    probe->base);
    if (side != probe->side && rows->rows != NULL)
        return ds_column_gather(probe->arena, rows->chunk->columns[c], rows->rows, rows->n);
    return ds_column_nulls(probe->arena, type, rows->n);
}

/* What is made of a chunk lives in an arena of its own while it is pushed: the chunk itself may
 * be in the frame's. */
static void push_joined(ds_join_probe *probe, const joined *rows)
{
    ds_frame *frame = probe->frame;
    if (rows->n == 0 || frame->status != DS_OK)
        return;
    const ds_node *node = probe->node;
    uint32_t n = node->schema.n_fields;
    const ds_column **columns = DS_ARENA_ARRAY(probe->arena, const ds_column *, n + 1);
    for (uint32_t c = 0; c < n; c++)
        if (node->wanted[c])
            columns[c] = output_column(probe, rows, c);
    ds_chunk chunk = {rows->n, n, columns, NULL};
    ds_arena *outer = frame->chunk_arena;
    frame->chunk_arena = probe->arena;
    ds_frame_push(frame, node, &chunk);
    frame->chunk_arena = outer;
    ds_arena_reset(probe->arena);
    ds_frame_relieve(frame);
}

/* All pairs of rows of the chunk with rows of the table; first[i] is the first one of row i. */
static void push_pairs(ds_join_probe *probe, const ds_chunk *chunk, const uint32_t *first)
{
    uint32_t rows[DS_CHUNK_ROWS], table_rows[DS_CHUNK_ROWS], n = 0;
    joined pairs = {.chunk = chunk, .rows = rows, .table_rows = table_rows};
    for (uint32_t i = 0; i < chunk->n_rows && probe->frame->status == DS_OK; i++) {
        for (uint32_t at = first[i]; at != DS_NO_ROW; at = ds_join_table_next(probe->table, at)) {
            rows[n] = i;
            table_rows[n++] = at;
            if (n < DS_CHUNK_ROWS)
                continue;
            pairs.n = n;
            push_joined(probe, &pairs);
            n = 0;
            if (probe->frame->status != DS_OK)
                return;
        }
    }
    pairs.n = n;
    push_joined(probe, &pairs);
}

/* Marks the rows of the table that have been met; all of a key are if one is. */
static void keep_met(ds_join_probe *probe, const uint32_t *first, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t at = first[i]; at != DS_NO_ROW && !ds_bit_get(probe->kept, at);
             at = ds_join_table_next(probe->table, at))
            ds_bit_set(probe->kept, at);
}

static void push_alone(ds_join_probe *probe, const ds_chunk *chunk, const uint32_t *first,
                       const uint64_t *met)
{
    uint32_t rows[DS_CHUNK_ROWS];
    joined alone = {.chunk = chunk, .rows = rows};
    for (uint32_t i = 0; i < chunk->n_rows; i++)
        if (first[i] == DS_NO_ROW && (met == NULL || !ds_bit_get(met, i)))
            rows[alone.n++] = i;
    push_joined(probe, &alone);
}

void ds_join_probe_push(ds_join_probe *probe, const ds_chunk *chunk, uint64_t *met, bool alone)
{
    uint32_t first[DS_CHUNK_ROWS];
    const ds_column *keys[DS_MAX_KEYS];
    for (uint32_t k = 0; k < probe->plan->n_keys; k++)
        keys[k] = chunk->columns[probe->plan->keys[!probe->side][k]];
    ds_join_table_find(probe->table, &probe->frame->heap, keys, chunk->n_rows, first);
    for (uint32_t i = 0; met != NULL && i < chunk->n_rows; i++)
        if (first[i] != DS_NO_ROW)
            ds_bit_set(met, i);
    if (probe->kept != NULL)
        keep_met(probe, first, chunk->n_rows);
    push_pairs(probe, chunk, first);
    if (alone)
        push_alone(probe, chunk, first, met);
}

/* Pushes the rows of the table that were never met. */
static void push_rest(ds_join_probe *probe)
{
    DS_ASSERT(probe->kept != NULL);
    uint32_t rows[DS_CHUNK_ROWS], total = ds_join_table_rows(probe->table);
    joined rest = {.table_rows = rows};
    for (uint32_t row = 0; row < total && probe->frame->status == DS_OK; row++) {
        if (!ds_bit_get(probe->kept, row))
            rows[rest.n++] = row;
        if (rest.n == DS_CHUNK_ROWS || row + 1 == total) {
            push_joined(probe, &rest);
            rest.n = 0;
        }
    }
}

/* ---- rows that are here ---- */

typedef struct join_state {
    ds_row_buffer *sides[2];
} join_state;

void ds_join_push(ds_frame *frame, const ds_node *node, uint32_t side, const ds_chunk *chunk)
{
    const ds_join_plan *plan = node->join;
    if (frame->states[node->id] == NULL)
        frame->states[node->id] = ds_calloc(1, sizeof(join_state));
    join_state *state = frame->states[node->id];
    if (state->sides[side] == NULL)
        state->sides[side] =
            ds_row_buffer_new(plan->wanted_types[side], plan->n_wanted[side], frame->budget);
    const ds_column **columns =
        DS_ARENA_ARRAY(frame->chunk_arena, const ds_column *, plan->n_wanted[side] + 1);
    for (uint32_t c = 0; c < plan->n_wanted[side]; c++)
        columns[c] = chunk->columns[plan->wanted[side][c]];
    ds_row_buffer_add(state->sides[side], columns, NULL, chunk->n_rows);
}

void ds_join_state_free(void *p)
{
    join_state *state = p;
    if (state == NULL)
        return;
    ds_row_buffer_free(state->sides[DS_LEFT_SIDE]);
    ds_row_buffer_free(state->sides[DS_RIGHT_SIDE]);
    free(state);
}

bool ds_join_settle(const ds_node *node, void *p, ds_frame *frame)
{
    (void)node;
    join_state *state = p;
    for (int side = DS_LEFT_SIDE; side <= DS_RIGHT_SIDE; side++)
        if (state->sides[side] != NULL)
            ds_row_buffer_settle(state->sides[side], &frame->heap);
    return true;
}

/* ---- the rows of a side ---- */

#define PART_ROWS (32 * DS_CHUNK_ROWS) /* of rows that were pushed */
#define LEAST_BYTES ((int64_t)4 << 20) /* of a table, however little memory is left */

/* One side in one task, in parts that can be read again and again. */
typedef struct side_rows {
    int side;
    ds_join_pieces pieces;
    ds_column **pushed; /* the wanted columns of rows that were pushed, or NULL */
    uint64_t n_rows, n_chunks;
    uint32_t n_parts;
} side_rows;

static uint64_t chunks_of(uint64_t n_rows)
{
    return (n_rows + DS_CHUNK_ROWS - 1) / DS_CHUNK_ROWS;
}

static ds_status rows_of(ds_frame *frame, const ds_node *node, int side, ds_join_pieces pieces,
                         side_rows *rows, ds_error *error)
{
    *rows = (side_rows){.side = side, .pieces = pieces, .n_parts = pieces.n};
    for (uint32_t i = 0; i < pieces.n; i++) {
        uint32_t n;
        DS_TRY(ds_frame_piece_rows(frame, &pieces.pieces[i], &n, error));
        rows->n_rows += n;
        rows->n_chunks += chunks_of(n);
    }
    join_state *state = frame->states[node->id];
    if (state == NULL || state->sides[side] == NULL)
        return DS_OK;
    DS_ASSERT(pieces.n == 0);
    ds_row_buffer_settle(state->sides[side], &frame->heap); /* text may go while they are read */
    rows->pushed = DS_ARENA_ARRAY(frame->arena, ds_column *, node->join->n_wanted[side] + 1);
    rows->n_rows = ds_row_buffer_rows(state->sides[side], rows->pushed);
    rows->n_parts = (uint32_t)((rows->n_rows + PART_ROWS - 1) / PART_ROWS);
    rows->n_chunks = chunks_of(rows->n_rows); /* a part is a number of whole chunks */
    return DS_OK;
}

/* Whether the bytes of a part have to be loaded to be read. */
static bool is_loaded(const side_rows *side, uint32_t i)
{
    return side->pushed == NULL && side->pieces.pieces[i].bytes == NULL;
}

/* Rows of a part by number of column; those that nobody wants are NULL. Made in arena. */
static ds_status read_part(ds_frame *frame, const ds_node *node, const side_rows *side, uint32_t i,
                           ds_arena *arena, ds_chunk *part, ds_error *error)
{
    const ds_join_plan *plan = node->join;
    uint32_t n_wanted = plan->n_wanted[side->side];
    uint32_t n_columns = node->parents[side->side]->schema.n_fields, n_rows;
    ds_column **wanted = DS_ARENA_ARRAY(arena, ds_column *, n_wanted + 1);
    if (side->pushed != NULL) {
        uint64_t from = (uint64_t)i * PART_ROWS, left = side->n_rows - from;
        n_rows = left < PART_ROWS ? (uint32_t)left : PART_ROWS;
        for (uint32_t c = 0; c < n_wanted; c++) {
            wanted[c] = DS_ARENA_NEW(arena, ds_column);
            *wanted[c] = ds_column_slice(side->pushed[c], (uint32_t)from, n_rows);
        }
    } else {
        const ds_piece_bytes *piece = &side->pieces.pieces[i];
        const void *bytes;
        DS_TRY(ds_frame_piece(frame, arena, piece, &bytes, error));
        DS_TRY(ds_piece_read(arena, &frame->heap, bytes, piece->length,
                             plan->wanted_types[side->side], n_wanted, wanted, &n_rows, error));
    }
    const ds_column **columns = DS_ARENA_ARRAY(arena, const ds_column *, n_columns + 1);
    for (uint32_t c = 0; c < n_wanted; c++)
        columns[plan->wanted[side->side][c]] = wanted[c];
    *part = (ds_chunk){n_rows, n_columns, columns, NULL};
    return DS_OK;
}

/* ---- the whole ---- */

/* One join in one task. */
typedef struct joining {
    ds_frame *frame;
    const ds_node *node;
    side_rows table_side, other;
    uint32_t next;   /* part of the table's side */
    uint64_t *met;   /* a bit for each row of the other side, if that is to be remembered */
    size_t most;     /* bytes of a table */
    bool loaded;     /* some part of the table's side was loaded to be read */
    ds_error *error; /* the caller's */
} joining;

/* What a table may take, when all threads of the executor join at once. */
static size_t table_bytes(const ds_frame *frame)
{
    int64_t room = INT64_MAX;
    for (const ds_budget *b = frame->budget; b != NULL; b = b->parent) {
        int64_t left = b->limit_bytes - atomic_load(&b->used_bytes);
        if (b->limit_bytes > 0 && left < room)
            room = left;
    }
    room /= (int64_t)frame->plan->app->executors_cores + 1;
    return (size_t)(room > LEAST_BYTES ? room : LEAST_BYTES);
}

/* Puts the next rows of the table's side into the table, as far as memory goes. */
static ds_status fill(joining *j, ds_join_table *table, ds_arena *arena)
{
    const uint32_t *keys = j->node->join->keys[j->table_side.side];
    for (; j->next < j->table_side.n_parts; j->next++) {
        if (ds_join_table_rows(table) > 0 &&
            ds_arena_bytes(arena) + ds_join_table_bytes(table) > j->most)
            return DS_OK;
        ds_chunk part;
        j->loaded = j->loaded || is_loaded(&j->table_side, j->next);
        DS_TRY(read_part(j->frame, j->node, &j->table_side, j->next, arena, &part, j->error));
        if ((uint64_t)ds_join_table_rows(table) + part.n_rows > DS_JOIN_TABLE_ROWS)
            return ds_error_set(j->error, DS_ERR_NO_MEMORY, "a join has too many rows");
        ds_join_table_add(table, part.columns, keys, part.n_rows);
    }
    return DS_OK;
}

/* Up to a chunk of rows of a part, from row `from` on. */
static ds_chunk cut(ds_arena *arena, const ds_chunk *part, uint32_t from)
{
    uint32_t n = part->n_rows - from < DS_CHUNK_ROWS ? part->n_rows - from : DS_CHUNK_ROWS;
    const ds_column **columns = DS_ARENA_ARRAY(arena, const ds_column *, part->n_columns + 1);
    for (uint32_t c = 0; c < part->n_columns; c++) {
        if (part->columns[c] == NULL)
            continue;
        ds_column *column = DS_ARENA_NEW(arena, ds_column);
        *column = ds_column_slice(part->columns[c], from, n);
        columns[c] = column;
    }
    return (ds_chunk){n, part->n_columns, columns, NULL};
}

/* Looks up all rows of the other side. */
static ds_status look_up(joining *j, ds_join_probe *probe, bool alone)
{
    ds_arena *arena = ds_arena_new(j->frame->budget);
    uint64_t *met = j->met; /* each chunk has words of its own */
    ds_status status = DS_OK;
    for (uint32_t i = 0; i < j->other.n_parts && status == DS_OK; i++) {
        ds_chunk part, chunk;
        status = read_part(j->frame, j->node, &j->other, i, arena, &part, j->error);
        for (uint32_t at = 0; status == DS_OK && at < part.n_rows; at += chunk.n_rows) {
            chunk = cut(arena, &part, at);
            ds_join_probe_push(probe, &chunk, met, alone);
            status = ds_frame_next_chunk(j->frame);
            met = met == NULL ? NULL : met + DS_CHUNK_WORDS;
        }
        if (is_loaded(&j->other, i)) {
            ds_frame_let_go(j->frame, arena);
            arena = ds_arena_new(j->frame->budget);
        } else {
            ds_arena_reset(arena);
        }
    }
    ds_arena_free(arena);
    return status;
}

/* One table, and all rows of the other side; *last: it held the last rows of its side. */
static ds_status pass(joining *j, bool *last)
{
    const ds_join_plan *plan = j->node->join;
    bool keeps_table = ds_join_keeps(plan, j->table_side.side);
    bool keeps_other = ds_join_keeps(plan, j->other.side);
    ds_arena *arena = ds_arena_new(j->frame->budget);
    ds_join_table *table =
        ds_join_table_new(plan->key_types, plan->n_keys, &j->frame->heap, j->frame->budget);
    ds_status status = fill(j, table, arena);
    *last = j->next == j->table_side.n_parts;
    if (!*last && keeps_other && j->met == NULL)
        j->met = ds_arena_calloc(j->frame->arena, j->other.n_chunks, DS_CHUNK_WORDS * 8);
    if (status == DS_OK) {
        ds_join_probe *probe =
            ds_join_probe_new(j->frame, j->node, table, j->table_side.side, keeps_table);
        status = look_up(j, probe, keeps_other && *last);
        if (status == DS_OK && keeps_table)
            push_rest(probe);
        ds_join_probe_free(probe);
    }
    ds_join_table_free(table);
    if (j->loaded)
        ds_frame_let_go(j->frame, arena);
    else
        ds_arena_free(arena);
    return status == DS_OK ? j->frame->status : status;
}

ds_status ds_join_reduce(ds_frame *frame, const ds_node *node, const ds_join_pieces pieces[2],
                         ds_error *error)
{
    side_rows left, right;
    DS_TRY(rows_of(frame, node, DS_LEFT_SIDE, pieces[DS_LEFT_SIDE], &left, error));
    DS_TRY(rows_of(frame, node, DS_RIGHT_SIDE, pieces[DS_RIGHT_SIDE], &right, error));
    bool right_is_smaller = right.n_rows <= left.n_rows;
    joining j = {.frame = frame,
                 .node = node,
                 .table_side = right_is_smaller ? right : left,
                 .other = right_is_smaller ? left : right,
                 .most = table_bytes(frame),
                 .error = error};
    if (j.table_side.n_rows == 0 && !ds_join_keeps(node->join, j.other.side))
        return DS_OK;
    for (bool last = false; !last;)
        DS_TRY(pass(&j, &last));
    return DS_OK;
}
