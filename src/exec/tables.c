#include "exec/tables.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>

/* A version of a table. */
typedef struct version {
    uint32_t source;
    uint64_t number;
    ds_input *inputs;
    uint32_t n_inputs;
} version;

struct ds_tables {
    uint64_t executor_id;
    ds_store *store;
    pthread_mutex_t lock; /* guards what follows */
    uint64_t *dropped;    /* by source: the newest version that was dropped */
    uint32_t n_sources;
    version *list;
    size_t n, capacity;
};

ds_tables *ds_tables_new(uint32_t n_sources, uint64_t executor_id, ds_store *store)
{
    ds_tables *tables = ds_calloc(1, sizeof *tables);
    pthread_mutex_init(&tables->lock, NULL);
    tables->executor_id = executor_id;
    tables->store = store;
    tables->n_sources = n_sources;
    tables->dropped = ds_calloc(n_sources, sizeof *tables->dropped);
    return tables;
}

/* Blocks of this executor's store go back; those of others are theirs. */
static void give_back(ds_tables *tables, const version *v)
{
    for (uint32_t i = 0; i < v->n_inputs; i++) {
        const ds_input *input = &v->inputs[i];
        if (input->kind == DS_INPUT_BLOCK && input->ref.executor_id == tables->executor_id)
            ds_store_give(tables->store, input->ref.offset, input->ref.length);
    }
    free(v->inputs);
}

void ds_tables_free(ds_tables *tables)
{
    if (tables == NULL)
        return;
    ds_tables_clear(tables);
    free(tables->list);
    free(tables->dropped);
    pthread_mutex_destroy(&tables->lock);
    free(tables);
}

static version *find(ds_tables *tables, uint32_t source, uint64_t number)
{
    for (size_t i = 0; i < tables->n; i++)
        if (tables->list[i].source == source && tables->list[i].number == number)
            return &tables->list[i];
    return NULL;
}

static void add(ds_tables *tables, uint32_t source, uint64_t number, const ds_input *inputs,
                uint32_t n_inputs)
{
    if (tables->n == tables->capacity) {
        tables->capacity = tables->capacity == 0 ? 8 : tables->capacity * 2;
        tables->list = ds_realloc(tables->list, tables->capacity, sizeof *tables->list);
    }
    version *v = &tables->list[tables->n++];
    *v = (version){source, number, ds_calloc(n_inputs, sizeof *v->inputs), n_inputs};
    for (uint32_t i = 0; i < n_inputs; i++) {
        v->inputs[i] = inputs[i];
        v->inputs[i].path = ""; /* tables are read from blocks */
    }
}

void ds_tables_add(ds_tables *tables, uint32_t source, uint64_t number, const ds_input *inputs,
                   uint32_t n_inputs)
{
    pthread_mutex_lock(&tables->lock);
    if (source < tables->n_sources && number > tables->dropped[source] &&
        find(tables, source, number) == NULL)
        add(tables, source, number, inputs, n_inputs);
    pthread_mutex_unlock(&tables->lock);
}

void ds_tables_drop(ds_tables *tables, uint32_t source, uint64_t number)
{
    pthread_mutex_lock(&tables->lock);
    if (source < tables->n_sources && tables->dropped[source] < number)
        tables->dropped[source] = number;
    size_t kept = 0;
    for (size_t i = 0; i < tables->n; i++) {
        const version *v = &tables->list[i];
        if (v->source == source && v->number <= number)
            give_back(tables, v);
        else
            tables->list[kept++] = *v;
    }
    tables->n = kept;
    pthread_mutex_unlock(&tables->lock);
}

void ds_tables_clear(ds_tables *tables)
{
    pthread_mutex_lock(&tables->lock);
    for (size_t i = 0; i < tables->n; i++)
        give_back(tables, &tables->list[i]);
    tables->n = 0;
    pthread_mutex_unlock(&tables->lock);
}

size_t ds_tables_count(ds_tables *tables)
{
    pthread_mutex_lock(&tables->lock);
    size_t n = tables->n;
    pthread_mutex_unlock(&tables->lock);
    return n;
}
