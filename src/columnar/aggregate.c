/* The registry of aggregates: the tables of the families, one after the other. */
#include "columnar/agg_state.h"

static const ds_aggregate *const families[] = {
    ds_aggregates_count,    ds_aggregates_sum,     ds_aggregates_minmax, ds_aggregates_moments,
    ds_aggregates_bool,     ds_aggregates_order,   ds_aggregates_list,   ds_aggregates_values,
    ds_aggregates_distinct, ds_aggregates_buckets, ds_aggregates_top,
};

const ds_aggregate *ds_aggregate_find(const char *name)
{
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const ds_aggregate *a = families[f]; a->name != NULL; a++)
            if (strcmp(a->name, name) == 0)
                return a;
    return NULL;
}

void ds_aggregate_each(void (*fn)(const ds_aggregate *aggregate, void *arg), void *arg)
{
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const ds_aggregate *a = families[f]; a->name != NULL; a++)
            fn(a, arg);
}

uint32_t ds_group_partial_types(const ds_group_spec *spec, ds_type *types)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < spec->n_keys; k++, n++)
        if (types != NULL)
            types[n] = spec->keys[k];
    for (uint32_t c = 0; c < spec->n_calls; c++) {
        ds_type own[DS_MAX_PARTIAL];
        uint32_t count = spec->calls[c].aggregate->partial(&spec->calls[c], own);
        for (uint32_t i = 0; i < count && types != NULL; i++)
            types[n + i] = own[i];
        n += count;
    }
    return n;
}
