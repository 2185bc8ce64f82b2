#include "exec/tables.h"

#include "base/assert.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

typedef enum version_state {
    VERSION_BYTES,    /* its records were not decoded here */
    VERSION_DECODING, /* a task does */
    VERSION_DECODED,
} version_state;

/* A version of a table. Only its state and users change once it is in the list. */
struct ds_table_version_use {
    uint32_t source;
    uint64_t number;
    ds_input *inputs;
    uint32_t n_inputs;
    version_state state;
    ds_broadcast **broadcasts; /* DECODED: by node id */
    uint32_t users;
    bool dropped; /* it is in the list no more, and goes with its last user */
};

typedef struct ds_table_version_use version;

struct ds_tables {
    ds_table_builder builder;
    uint64_t executor_id;
    ds_store *store;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t decoded;
    uint64_t *newest_dropped; /* by source */
    version **list;
    size_t n, capacity;
};

ds_tables *ds_tables_new(const ds_table_builder *builder, uint64_t executor_id, ds_store *store)
{
    ds_tables *tables = ds_calloc(1, sizeof *tables);
    pthread_mutex_init(&tables->lock, NULL);
    pthread_cond_init(&tables->decoded, NULL);
    tables->builder = *builder;
    tables->executor_id = executor_id;
    tables->store = store;
    tables->newest_dropped =
        ds_calloc(builder->plan->app->n_sources, sizeof *tables->newest_dropped);
    return tables;
}

const ds_table_builder *ds_tables_builder(const ds_tables *tables)
{
    return &tables->builder;
}

/* ---- versions ---- */

/* Blocks of this executor's store go back; those of others are theirs. */
static void free_version(const ds_tables *tables, version *v)
{
    DS_ASSERT(v->users == 0);
    for (uint32_t i = 0; i < v->n_inputs; i++) {
        const ds_input *input = &v->inputs[i];
        if (input->kind == DS_INPUT_BLOCK && input->ref.executor_id == tables->executor_id)
            ds_store_give(tables->store, input->ref.offset, input->ref.length);
    }
    ds_table_broadcasts_free(tables->builder.plan, v->broadcasts);
    free(v->inputs);
    free(v);
}

/* Takes it out of the list. */
static void drop(const ds_tables *tables, version *v)
{
    DS_ASSERT(!v->dropped);
    v->dropped = true;
    if (v->users == 0)
        free_version(tables, v);
}

static version *find(const ds_tables *tables, uint32_t source, uint64_t number)
{
    for (size_t i = 0; i < tables->n; i++)
        if (tables->list[i]->source == source && tables->list[i]->number == number)
            return tables->list[i];
    return NULL;
}

static version *new_version(uint32_t source, uint64_t number, const ds_input *inputs,
                            uint32_t n_inputs, ds_broadcast **broadcasts)
{
    version *v = ds_calloc(1, sizeof *v);
    *v = (version){.source = source,
                   .number = number,
                   .inputs = ds_calloc(n_inputs, sizeof *v->inputs),
                   .n_inputs = n_inputs,
                   .state = broadcasts != NULL ? VERSION_DECODED : VERSION_BYTES,
                   .broadcasts = broadcasts};
    for (uint32_t i = 0; i < n_inputs; i++) {
        v->inputs[i] = inputs[i];
        v->inputs[i].path = ""; /* tables are read from blocks */
    }
    return v;
}

static bool is_new(const ds_tables *tables, uint32_t source, uint64_t number)
{
    return source < tables->builder.plan->app->n_sources &&
           number > tables->newest_dropped[source] && find(tables, source, number) == NULL;
}

bool ds_tables_add(ds_tables *tables, uint32_t source, uint64_t number, const ds_input *inputs,
                   uint32_t n_inputs, ds_broadcast **broadcasts)
{
    pthread_mutex_lock(&tables->lock);
    bool takes = is_new(tables, source, number);
    if (takes && tables->n == tables->capacity) {
        tables->capacity = tables->capacity == 0 ? 8 : tables->capacity * 2;
        tables->list = ds_realloc(tables->list, tables->capacity, sizeof(version *));
    }
    if (takes)
        tables->list[tables->n++] = new_version(source, number, inputs, n_inputs, broadcasts);
    pthread_mutex_unlock(&tables->lock);
    if (!takes)
        ds_table_broadcasts_free(tables->builder.plan, broadcasts);
    return takes;
}

void ds_tables_drop(ds_tables *tables, uint32_t source, uint64_t number)
{
    if (source >= tables->builder.plan->app->n_sources)
        return;
    pthread_mutex_lock(&tables->lock);
    if (tables->newest_dropped[source] < number)
        tables->newest_dropped[source] = number;
    size_t kept = 0;
    for (size_t i = 0; i < tables->n; i++) {
        version *v = tables->list[i];
        if (v->source == source && v->number <= number)
            drop(tables, v);
        else
            tables->list[kept++] = v;
    }
    tables->n = kept;
    pthread_mutex_unlock(&tables->lock);
}

void ds_tables_clear(ds_tables *tables)
{
    pthread_mutex_lock(&tables->lock);
    for (size_t i = 0; i < tables->n; i++)
        drop(tables, tables->list[i]);
    tables->n = 0;
    pthread_mutex_unlock(&tables->lock);
}

void ds_tables_free(ds_tables *tables)
{
    if (tables == NULL)
        return;
    ds_tables_clear(tables);
    free(tables->list);
    free(tables->newest_dropped);
    pthread_cond_destroy(&tables->decoded);
    pthread_mutex_destroy(&tables->lock);
    free(tables);
}

size_t ds_tables_count(ds_tables *tables, size_t *decoded)
{
    pthread_mutex_lock(&tables->lock);
    size_t n = tables->n;
    for (size_t i = 0; i < n && decoded != NULL; i++)
        *decoded += tables->list[i]->state == VERSION_DECODED;
    pthread_mutex_unlock(&tables->lock);
    return n;
}

/* ---- use ---- */

/* Its counts were the loader's to report: here they are of no interest. */
static ds_status decode(const ds_tables *tables, version *v, ds_error *error)
{
    const ds_plan *plan = tables->builder.plan;
    const ds_node *node = ds_table_node(plan, &plan->app->sources[v->source]);
    if (node == NULL)
        return ds_error_set(error, DS_ERR_PROTOCOL, "a task names a table that nobody reads");
    ds_arena *arena = ds_arena_new(NULL);
    ds_task_result result = {0};
    ds_status status = ds_table_build(&tables->builder, node, v->inputs, v->n_inputs, NULL, arena,
                                      &result, &v->broadcasts, error);
    ds_arena_free(arena);
    return status;
}

/* Decodes a version unless that is done, or waits for who does. The lock is held at the beginning
 * and at the end. */
static ds_status need_decoded(ds_tables *tables, version *v, ds_error *error)
{
    DS_ASSERT(v->users > 0); /* it stays while the lock is given up */
    while (v->state == VERSION_DECODING)
        pthread_cond_wait(&tables->decoded, &tables->lock);
    if (v->state == VERSION_DECODED)
        return DS_OK;
    v->state = VERSION_DECODING;
    pthread_mutex_unlock(&tables->lock);
    ds_status status = decode(tables, v, error);
    pthread_mutex_lock(&tables->lock);
    v->state = status == DS_OK ? VERSION_DECODED : VERSION_BYTES;
    pthread_cond_broadcast(&tables->decoded);
    return status;
}

static void leave(const ds_tables *tables, version *v)
{
    DS_ASSERT(v->users > 0);
    v->users--;
    if (v->users == 0 && v->dropped)
        free_version(tables, v);
}

ds_status ds_tables_take(ds_tables *tables, const ds_table_use *use, ds_broadcast **broadcasts,
                         ds_table_version_use **taken, ds_error *error)
{
    *taken = NULL;
    pthread_mutex_lock(&tables->lock);
    version *v = find(tables, use->source, use->version);
    ds_status status = DS_OK;
    if (v == NULL) {
        status = ds_error_set(error, DS_ERR_LOST, "version %" PRIu64 " of a table is not known",
                              use->version);
    } else {
        v->users++;
        status = need_decoded(tables, v, error);
        if (status != DS_OK)
            leave(tables, v);
        else
            *taken = v;
    }
    pthread_mutex_unlock(&tables->lock);
    for (uint32_t i = 0; *taken != NULL && i < tables->builder.plan->n_nodes; i++)
        if (v->broadcasts[i] != NULL)
            broadcasts[i] = v->broadcasts[i];
    return status;
}

void ds_tables_put(ds_tables *tables, ds_table_version_use *taken)
{
    pthread_mutex_lock(&tables->lock);
    leave(tables, taken);
    pthread_mutex_unlock(&tables->lock);
}

static bool is_joined(const ds_plan *plan, uint32_t source)
{
    for (uint32_t s = 0; s < plan->n_stages; s++)
        for (uint32_t t = 0; t < plan->stages[s].n_tables; t++)
            if (plan->stages[s].tables[t] == source)
                return true;
    return false;
}

void ds_tables_prepare(ds_tables *tables, const ds_table_use *use)
{
    const ds_plan *plan = tables->builder.plan;
    if (!is_joined(plan, use->source))
        return;
    ds_broadcast **broadcasts = ds_calloc(plan->n_nodes, sizeof(ds_broadcast *));
    ds_table_version_use *taken;
    ds_error error;
    if (ds_tables_take(tables, use, broadcasts, &taken, &error) == DS_OK)
        ds_tables_put(tables, taken);
    free(broadcasts);
}
