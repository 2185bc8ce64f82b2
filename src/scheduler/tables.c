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

void ds_table_keep_letters(ds_table *table, const ds_output *letters)
{
    DS_ASSERT(letters->kind == DS_OUTPUT_FILE);
    table->letters = ds_realloc(table->letters, table->n_letters + 1, sizeof *table->letters);
    ds_output *kept = &table->letters[table->n_letters++];
    *kept = *letters;
    kept->path = ds_strdup(letters->path);
}

static void forget_letters(ds_table *table)
{
    for (uint32_t i = 0; i < table->n_letters; i++)
        free((char *)table->letters[i].path);
    free(table->letters);
    table->letters = NULL;
    table->n_letters = 0;
}

void ds_table_give_letters(ds_table *table, ds_batch *batch)
{
    if (table->n_letters == 0)
        return;
    uint32_t n = batch->n_letters;
    ds_output *all = DS_ARENA_ARRAY(batch->arena, ds_output, n + table->n_letters);
    for (uint32_t i = 0; i < n; i++)
        all[i] = batch->letters[i];
    for (uint32_t i = 0; i < table->n_letters; i++) {
        all[n + i] = table->letters[i];
        all[n + i].path = ds_arena_strdup(batch->arena, table->letters[i].path);
    }
    batch->letters = all;
    batch->n_letters = n + table->n_letters;
    forget_letters(table);
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
    forget_letters(table);
    free(table->versions);
}
