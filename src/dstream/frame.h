/*
 * The frame of a running task: what the run-time halves of the operators see.
 *
 * Rows are pushed: each root of the task's stage makes chunks, ds_frame_push hands each chunk to
 * all children of a node, and so on until a node that ends the stage: a shuffle writer or a
 * sink. One call a chunk and node; nothing is called for a row. One thread.
 */
#ifndef DS_DSTREAM_FRAME_H
#define DS_DSTREAM_FRAME_H

#include "columnar/aggregate.h"
#include "dstream/plan.h"

/* Rows for one partition of a stage: columns of n_rows rows. */
typedef struct ds_partition_rows {
    ds_column **columns;
    uint32_t n_rows;
    bool continues; /* rows of a sorted run, behind those that were handed over before */
    bool narrow;    /* they are read once, and in parts: as a narrow piece (piece.h) */
} ds_partition_rows;

/* Why a row was dropped. */
typedef enum ds_drop_reason {
    DS_DROP_OVERFLOW,
    DS_DROP_FUNCTION, /* one of the user's own failed */
} ds_drop_reason;

/* What was written for a partition of a stage, as a task is given it. */
typedef struct ds_piece_bytes {
    const void *bytes; /* NULL: it is not in memory, see ds_frame_piece */
    size_t length;
    uint32_t input;  /* of the stage */
    uint32_t number; /* among those of the task */
    bool continues;  /* as in ds_partition_rows */
} ds_piece_bytes;

/* Where a stage's output goes; the executor implements it. Errors fail the task. */
typedef struct ds_frame_out {
    void *arg;
    /* Pieces for `root` of a later stage, for each of its n_partitions partitions. */
    ds_status (*shuffle)(void *arg, const ds_node *root, const ds_heap *heap,
                         const ds_partition_rows *rows, uint32_t n_partitions, uint32_t n_columns,
                         ds_error *error);
    /* Rows of a sink, in order. */
    ds_status (*sink)(void *arg, const ds_node *node, const ds_heap *heap, const ds_chunk *chunk,
                      ds_error *error);
    /* Rows (as they came into the node's stream; columns may be NULL) that were dropped and belong
     * to the dead letters. */
    ds_status (*dropped)(void *arg, const ds_node *node, ds_drop_reason reason,
                         const ds_schema *schema, const ds_heap *heap, const ds_chunk *chunk,
                         ds_error *error);
    /* Copies the first bytes of a piece that is not in memory to `to`. NULL: all are. */
    ds_status (*load)(void *arg, const ds_piece_bytes *piece, size_t length, void *to,
                      ds_error *error);
    /* Writes rows as a piece that this task reads again; it is gone with the batch. NULL: nowhere.
     */
    ds_status (*keep)(void *arg, const ds_heap *heap, const ds_column *const *columns,
                      uint32_t n_columns, uint32_t n_rows, ds_piece_bytes *piece, ds_error *error);
} ds_frame_out;

/* What a node of a map task keeps (a table, rows) leaves in parts of about this size, or of less
 * where memory is short. */
#define DS_FLUSH_BYTES ((size_t)32 << 20)

typedef struct ds_frame {
    const ds_plan *plan;
    const ds_stage *stage;
    const ds_due *due;
    int64_t batch_ms;
    int64_t zero_ms; /* before the first batch */
    uint32_t partition;
    bool timed_out;        /* the rows that are pushed are those of keys that time out */
    ds_budget *budget;     /* of the task */
    ds_budget *kept;       /* of what its partition keeps; NULL: nothing */
    ds_budget *wide;       /* with paged memory, for groups that are large alone; NULL: nowhere */
    ds_arena *arena;       /* as long as the task */
    ds_arena *chunk_arena; /* emptied after each chunk of the root */
    ds_arena *text_arena;  /* of text that was made: emptied between two chunks when it is large */
    bool keeps_text;       /* chunks to come have text there already */
    ds_heap heap;
    void **states; /* by node id: the run-time half of nodes that keep something */
    /* By node id, for joins with tables (op_broadcast.h), borrowed: what rows are looked up in. If
     * this frame reads a table: what its rows go to. */
    struct ds_broadcast *const *broadcasts;
    bool reads_table;
    ds_frame_out out;
    size_t share_bytes; /* what the task may hold in all */
    size_t flush_bytes; /* what a state that can leave in parts may grow to */
    size_t load_bytes;  /* what may be loaded at once of pieces that are not in memory */
    size_t table_bytes; /* what a table may grow to that is made in passes otherwise */
    bool full; /* some state has grown beyond flush_bytes: it leaves before the next chunk */
    uint64_t overflow_rows, overflow_values;
    uint64_t overflow_fatal; /* overflows of rows whose source says "fail" */
    /* The same for failures of the user's functions, which are errors too. */
    uint64_t function_rows, function_values, function_fatal;
    uint64_t *faults; /* of the last ds_frame_run: NULL, or its errors that are such failures */
    ds_status status; /* the first failure: pushes do nothing after it */
    ds_error error;
} ds_frame;

/* Prepares a frame; budget, plan, stage and due are borrowed. */
void ds_frame_init(ds_frame *frame, const ds_plan *plan, const ds_stage *stage, const ds_due *due,
                   int64_t batch_ms, uint32_t partition, ds_budget *budget,
                   const ds_frame_out *out);
void ds_frame_fini(ds_frame *frame);

/* Makes the task be content with about share_bytes of memory; without it, it takes what it likes.
 * The same share gives the same rows in the same order. */
void ds_frame_share(ds_frame *frame, size_t share_bytes);

/* Pushes rows of `node` to the children that read at this batch time. */
void ds_frame_push(ds_frame *frame, const ds_node *node, const ds_chunk *chunk);

/* To be called between two chunks of the root: hands out what has grown large (never amid a
 * chunk, whose rows may come to a node in several parts, and are put in order there), frees what
 * the chunk needed, and fails the task if it is over its budget. */
ds_status ds_frame_next_chunk(ds_frame *frame);

/* As ds_frame_next_chunk, amid a chunk of the root, for a node that makes very many rows of it:
 * hands out what has grown large and keeps no order. The chunk arena stays as it is. */
void ds_frame_relieve(ds_frame *frame);

/* The bytes of a piece: where they are, or loaded into arena (of the frame, or another that charges
 * its budget). Rows that refer to loaded bytes have to be settled before these go. */
ds_status ds_frame_piece(ds_frame *frame, ds_arena *arena, const ds_piece_bytes *piece,
                         const void **bytes, ds_error *error);
/* How many rows a piece says that it has. */
ds_status ds_frame_piece_rows(ds_frame *frame, const ds_piece_bytes *piece, uint32_t *n_rows,
                              ds_error *error);

/* To be called before text goes that rows refer to which were pushed: whoever keeps rows hands them
 * out or has copies. False if somebody does not, who needs the text until the task ends. */
bool ds_frame_settle(ds_frame *frame);
/* Frees an arena with such text, after settling; if somebody needs the text, at the task's end. */
void ds_frame_let_go(ds_frame *frame, ds_arena *arena);
/* The same for the arena of a piece, which had bytes of its own if the piece was loaded. */
static inline void ds_frame_let_piece_go(ds_frame *frame, ds_arena *arena,
                                         const ds_piece_bytes *piece)
{
    if (piece->bytes == NULL)
        ds_frame_let_go(frame, arena);
    else
        ds_arena_free(arena);
}

/* After the last chunk: flushes the shuffle writers. */
ds_status ds_frame_finish(ds_frame *frame);

/* True if the second half of a node runs in the frame's stage. */
static inline bool ds_frame_is_root(const ds_frame *frame, const ds_node *node)
{
    return node->stage == frame->stage->id;
}

/* True if memory is short, even without the garbage that functions of the user's own have left. Who
 * can do with less does; otherwise the task fails at the next chunk. */
bool ds_frame_is_short(ds_frame *frame);

/* Fails the task if it is over its budget: amid a chunk, where much was made of few rows. */
ds_status ds_frame_check(ds_frame *frame);

/* Records a failure (the first one counts). */
void ds_frame_fail(ds_frame *frame, ds_status status, const ds_error *error);

/* Runs a program for all rows of chunk; errors (n_rows bits, cleared here) and outputs are in
 * the chunk arena. window_ms > 0 gives the program the window (batch - window_ms, batch]. */
void ds_frame_run(ds_frame *frame, const ds_program *program, int64_t window_ms,
                  const ds_chunk *chunk, const ds_column **outputs, uint64_t **errors);

/* What ds_frame_run leaves when nothing is computed: n bits, none of them set. */
uint64_t *ds_frame_no_errors(ds_frame *frame, uint32_t n);

/* Counts n values that became null for these errors, faults (may be NULL) among them. */
void ds_frame_count_values(ds_frame *frame, const uint64_t *errors, const uint64_t *faults,
                           uint32_t n);

/* Takes rows indexes[0..n) of a chunk; columns that `wanted` leaves out (or that are NULL) stay
 * NULL. wanted NULL: all. */
ds_chunk ds_frame_gather(ds_frame *frame, const ds_chunk *chunk, const bool *wanted,
                         const uint32_t *indexes, uint32_t n);

/* The second half of a stage root: reads the pieces of this partition, given in order of their
 * map partitions, and pushes rows. Kept state (panes) is the caller's, see op_group.h. */

#endif
