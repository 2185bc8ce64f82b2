#include "scheduler/tables.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

const ds_table_version *ds_table_newest(const ds_table *table)
{
    return table->n_versions > 0 ? &table->versions[table->n_versions - 1] : NULL;
}

const ds_table_version *ds_table_find(const ds_table *table, uint64_t number)
{
    for (uint32_t i = 0; i < table->n_versions; i++)
        if (table->versions[i].number == number)
            return &table->versions[i];
    return NULL;
}

void ds_table_add(ds_table *table, const ds_table_version *version)
{
    DS_ASSERT(ds_table_newest(table) == NULL || ds_table_newest(table)->number < version->number);
    table->versions = ds_realloc(table->versions, table->n_versions + 1, sizeof *table->versions);
    ds_table_version *added = &table->versions[table->n_versions++];
    *added = *version;
    added->inputs = ds_calloc(version->n_inputs, sizeof *added->inputs);
    for (uint32_t i = 0; i < version->n_inputs; i++) {
        added->inputs[i] = version->inputs[i];
        added->inputs[i].path = "";
    }
}

void ds_table_drop_oldest(ds_table *table)
{
    DS_ASSERT(table->n_versions > 0);
    free(table->versions[0].inputs);
    table->n_versions--;
    memmove(table->versions, table->versions + 1, table->n_versions * sizeof *table->versions);
}

void ds_table_fini(ds_table *table)
{
    while (table->n_versions > 0)
        ds_table_drop_oldest(table);
    free(table->versions);
}
