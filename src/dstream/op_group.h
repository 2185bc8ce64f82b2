/*
 * group_by + aggregate, and distinct (a group_by of all columns with nothing to aggregate).
 *
 * First half, in the stages of the parents: rows are aggregated by key in a table of the task,
 * and the table's partials go to the key partitions. Second half, one task for each key
 * partition: the partials are merged in the order of the map partitions, with a window into
 * its panes (window.h), and the result columns are computed.
 *
 * An argument that overflows (sum(a * b)) makes the column of that group null and is counted
 * (app-format, section 6). To carry this through partials and windows, a call with a computed
 * argument has a hidden companion: count() of the rows where it failed. One whose arguments call
 * functions of the user's own has a second one, of the rows where such a function was to blame.
 */
#ifndef DS_DSTREAM_OP_GROUP_H
#define DS_DSTREAM_OP_GROUP_H

#include "dstream/frame.h"
#include "dstream/planner.h"
#include "dstream/window.h"

typedef struct ds_call_input { /* where the columns of a call are */
    int args[2];               /* output of the inputs program, or -1 */
    int filter;                /* output of the inputs program, or -1 */
    int poisoned_by;           /* a hidden call: the index of the call it watches; else -1 */
    bool of_functions;         /* a hidden call: only what user's functions are to blame for */
} ds_call_input;

typedef struct ds_group_plan {
    uint32_t *keys; /* columns of the rows */
    uint32_t n_keys;
    ds_group_spec spec; /* visible calls, then hidden ones */
    uint32_t n_visible;
    ds_call_input *inputs;     /* by call of the spec */
    ds_program *input_program; /* NULL: no arguments */
    ds_program **input_each;   /* each input alone: to learn which of them overflowed */
    uint32_t n_inputs;
    bool *reads;        /* columns of the rows that keys and arguments read */
    int *watch, *blame; /* by visible call: its hidden companions, or -1 */
    uint32_t n_old;     /* columns of old state between keys and calls */
    ds_program *finish; /* over keys and visible calls: the aggregate columns; NULL: distinct */
    ds_program **finish_each;
    uint32_t n_results;
    int *bare;   /* by result: the call that it is, or -1; NULL: some result can fail */
    bool **uses; /* by result: which visible calls it reads */
    bool windowed;
    ds_window_spec window;
    bool ordered;                      /* some aggregate depends on the order of rows */
    _Atomic uint32_t *usual;           /* groups of the last table of a first half, */
    _Atomic uint32_t *usual_merged;    /* of a second half */
    const struct ds_state_plan *state; /* of a state node: what its second half does; else NULL */
} ds_group_plan;

/* The aggregate clause (and group_by) of a stream over rows, which have these qualifiers (NULL:
 * none has any more); NULL on errors. */
ds_group_plan *ds_group_plan_new(ds_planner *planner, const ds_app_stream *stream,
                                 const ds_schema *rows, const char *const *qualifiers,
                                 ds_schema *output);
/* distinct over rows. */
ds_group_plan *ds_distinct_plan_new(ds_planner *planner, const ds_app_stream *stream,
                                    const ds_schema *rows, ds_schema *output);

/* Parts of the above. The key columns of a group by name, which stand in the list at path: false if
 * one is wrong. Then the results, bound with scope, which has collected their calls. */
bool ds_group_plan_keys(ds_planner *planner, const char *const *names, uint32_t n, const char *path,
                        const ds_schema *rows, ds_group_plan *plan, ds_schema *keys);
void ds_group_plan_results(ds_planner *planner, ds_group_plan *plan, const ds_agg_scope *scope,
                           ds_expr **results, uint32_t n);

/* First half; flush hands the table out and empties it. */
void ds_group_push(ds_frame *frame, const ds_node *node, const ds_chunk *chunk);
ds_status ds_group_flush(ds_frame *frame, const ds_node *node, ds_error *error);
void ds_group_state_free(void *state);
size_t ds_group_state_bytes(const void *state);

/* Second half without a window: merges pieces and pushes the results. Where the table would not fit
 * the task's share, in passes over parts of the keys (group_passes.c). */
ds_status ds_group_reduce(ds_frame *frame, const ds_node *node, const ds_piece_bytes *pieces,
                          uint32_t n_pieces, ds_error *error);
/* What ds_group_each_pass gives: a table of the keys the low half of whose hash is from `first` up
 * to (not with) `end`. */
typedef ds_status (*ds_take_pass_fn)(void *arg, ds_groups *groups, uint64_t first, uint64_t end,
                                     ds_error *error);
#define DS_ALL_HASHES ((uint64_t)1 << 32)
/* Merges pieces into tables of keys whose hash is `from` or more, as many as the task's share asks
 * for, the lowest hashes first, and hands out each. Nothing was handed out if the first does not
 * fit or the pieces cannot be read so far. */
ds_status ds_group_each_pass(ds_frame *frame, const ds_node *node, const ds_piece_bytes *pieces,
                             uint32_t n_pieces, uint64_t from, ds_take_pass_fn take, void *arg,
                             ds_error *error);
/* Pushes the results of all groups of a table. */
ds_status ds_group_push_results(ds_frame *frame, const ds_node *node, ds_groups *groups);

/* The same for n of them, from number `from` on, which are less than a chunk, and may be large. */
ds_status ds_group_push_some(ds_frame *frame, const ds_node *node, ds_groups *groups, uint32_t from,
                             uint32_t n);

/* Parts of the second half. */

/* The keys, old state and calls of n groups. */
typedef struct ds_group_rows {
    uint32_t n;
    ds_column **columns;
    uint64_t **overflows; /* by call: NULL, or which do not fit */
} ds_group_rows;
/* Pushes the results of groups, less than a chunk. */
ds_status ds_group_push_rows(ds_frame *frame, const ds_node *node, const ds_group_rows *rows);
/* The result columns of groups, behind their keys; what overflows is null and counted. */
void ds_group_finish(ds_frame *frame, const ds_node *node, const ds_group_rows *rows,
                     const ds_column **output);

/* Second half with a window: adds the batch's pieces to `window` and moves it on, unless
 * *applied says that this was done for this batch before; sets *applied once it is. Then pushes
 * the results if the window is due. Nothing is added if any piece cannot be read. */
ds_status ds_group_reduce_window(ds_frame *frame, const ds_node *node, ds_window *window,
                                 bool *applied, const ds_piece_bytes *pieces, uint32_t n_pieces,
                                 ds_error *error);

#endif
