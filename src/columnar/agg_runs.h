/* What sketches have in common: the states of groups differ in size and lie in a run pool, and a
 * partial is a list of ints (which are words of any meaning). */
#ifndef DS_COLUMNAR_AGG_RUNS_H
#define DS_COLUMNAR_AGG_RUNS_H

#include "columnar/agg_state.h"
#include "columnar/run_pool.h"

/* For ds_agg_kernels: state->extra is a ds_run_pool. */
void ds_agg_runs_open(ds_agg_state *state);
void ds_agg_runs_close(ds_agg_state *state);
void ds_agg_runs_clear(ds_agg_state *state);
size_t ds_agg_runs_bytes(const ds_agg_state *state);

/* For ds_aggregate. */
uint32_t ds_agg_runs_partial(const ds_agg_call *call, ds_type *types);
ds_slide ds_agg_runs_slide(const ds_agg_call *call);

/* Makes the partials: words_of says how many words a record needs, write puts them down. */
void ds_agg_runs_partials(ds_agg_state *state, const ds_agg_out *out,
                          uint32_t (*words_of)(const void *record),
                          void (*write)(const void *record, uint64_t *words));

/* The words of a row's partial, and how many; 0 if there are none. */
static inline uint32_t ds_agg_runs_words(const ds_agg_partials *in, uint32_t row,
                                         const uint64_t **words)
{
    const ds_column *lists = in->columns[0];
    *words = (const uint64_t *)lists->child->values + lists->offsets[row];
    return ds_column_is_null(lists, row) ? 0 : lists->offsets[row + 1] - lists->offsets[row];
}

#endif
