#include "columnar/agg_runs.h"

#include "base/assert.h"

#include <stdlib.h>

void ds_agg_runs_open(ds_agg_state *state)
{
    state->extra = ds_alloc(sizeof(ds_run_pool));
    ds_run_pool_init(state->extra, state->budget);
}

void ds_agg_runs_close(ds_agg_state *state)
{
    ds_run_pool_fini(state->extra);
    free(state->extra);
}

void ds_agg_runs_clear(ds_agg_state *state)
{
    ds_run_pool_clear(state->extra);
}

size_t ds_agg_runs_bytes(const ds_agg_state *state)
{
    return ds_run_pool_bytes(state->extra);
}

uint32_t ds_agg_runs_partial(const ds_agg_call *call, ds_type *types)
{
    (void)call;
    types[0] = DS_LIST_OF(DS_INT);
    return 1;
}

ds_slide ds_agg_runs_slide(const ds_agg_call *call)
{
    (void)call;
    return DS_SLIDE_COMBINE;
}

void ds_agg_runs_partials(ds_agg_state *state, const ds_agg_out *out,
                          uint32_t (*words_of)(const void *record),
                          void (*write)(const void *record, uint64_t *words))
{
    ds_column *lists = ds_agg_column(out, 0, DS_LIST_OF(DS_INT));
    for (uint32_t i = 0; i < out->n; i++) {
        uint64_t end = (uint64_t)lists->offsets[i] + words_of(ds_agg_record(state, out->ids[i]));
        DS_ASSERT(end <= UINT32_MAX);
        lists->offsets[i + 1] = (uint32_t)end;
    }
    lists->child = ds_column_new(out->arena, DS_TYPE(DS_INT), lists->offsets[out->n]);
    uint64_t *words = lists->child->values;
    for (uint32_t i = 0; i < out->n; i++)
        if (lists->offsets[i] < lists->offsets[i + 1])
            write(ds_agg_record(state, out->ids[i]), words + lists->offsets[i]);
}
