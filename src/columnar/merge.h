/*
 * Sorted runs as one: rows of many runs, each of them in order, in the order of all.
 *
 * Rows that are equal come in the order of their runs. Of each run one piece is held, and of that
 * as many rows as a window has, so memory is that of one piece and one window for each run, however
 * long the runs are.
 */
#ifndef DS_COLUMNAR_MERGE_H
#define DS_COLUMNAR_MERGE_H

#include "base/error.h"
#include "columnar/piece.h"
#include "columnar/row_order.h"

typedef struct ds_merger ds_merger;

/* Where the runs are. */
typedef struct ds_merge_source {
    void *arg;
    /* Opens the next piece of a run (in arena, with bytes there or elsewhere; added to the merger's
     * heap). *piece becomes NULL at the end of the run. */
    ds_status (*next)(void *arg, uint32_t run, ds_arena *arena, ds_piece **piece, ds_error *error);
} ds_merge_source;

typedef struct ds_merge_rows {
    const ds_type *types;
    uint32_t n_columns;
    const ds_sort_key *keys;
    uint32_t n_keys;
} ds_merge_rows;

/* Makes a merger of n_runs runs; window: rows of a piece that are looked at, at once (rounded up to
 * 64). rows and source are copied, what they point to and heap are borrowed. Charges budget. Free
 * it. */
ds_merger *ds_merger_new(const ds_merge_rows *rows, uint32_t n_runs, uint32_t window,
                         const ds_merge_source *source, ds_heap *heap, ds_budget *budget);
void ds_merger_free(ds_merger *merger);

/* The next rows, at most a chunk of them, gathered into arena; text refers to the pieces. *n is 0
 * at the end. Errors are those of the source, and of pieces that are none. */
ds_status ds_merger_next(ds_merger *merger, ds_arena *arena, ds_column **columns, uint32_t *n,
                         ds_error *error);

/* Pieces that have been used up stay, since rows refer to their text, until they are let go of: how
 * many bytes they have, and letting them go. */
size_t ds_merger_used_up(const ds_merger *merger);
void ds_merger_let_go(ds_merger *merger);

#endif
