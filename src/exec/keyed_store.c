#include "exec/keyed_store.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct entry {
    bool busy;
    bool begun;     /* parts of it can go on where a chain ends */
    uint64_t saved; /* the newest save that it was collected for; 0: none */
    ds_kept *kept;
} entry;

typedef struct partitions {
    entry *entries; /* by partition; NULL: none was taken yet */
    uint32_t n;
} partitions;

struct ds_keyed_store {
    pthread_mutex_t lock;
    ds_budget *budget;
    partitions *stages; /* by stage id */
    uint32_t n_stages;
};

ds_keyed_store *ds_keyed_store_new(ds_budget *budget)
{
    ds_keyed_store *store = ds_calloc(1, sizeof *store);
    pthread_mutex_init(&store->lock, NULL);
    store->budget = budget;
    return store;
}

void ds_keyed_store_free(ds_keyed_store *store)
{
    if (store == NULL)
        return;
    for (uint32_t s = 0; s < store->n_stages; s++) {
        for (uint32_t p = 0; p < store->stages[s].n; p++)
            ds_kept_free(store->stages[s].entries[p].kept);
        free(store->stages[s].entries);
    }
    free(store->stages);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static entry *entry_of(ds_keyed_store *store, const ds_stage *stage, uint32_t partition)
{
    DS_ASSERT(partition < stage->n_partitions);
    if (stage->id >= store->n_stages) {
        store->stages = ds_realloc(store->stages, stage->id + 1, sizeof *store->stages);
        while (store->n_stages <= stage->id)
            store->stages[store->n_stages++] = (partitions){NULL, 0};
    }
    partitions *of = &store->stages[stage->id];
    if (of->entries == NULL) {
        of->n = stage->n_partitions;
        of->entries = ds_calloc(of->n, sizeof *of->entries);
    }
    return &of->entries[partition];
}

static void make_anew(ds_keyed_store *store, entry *e, const ds_stage *stage, bool begun)
{
    ds_kept_free(e->kept);
    e->kept = ds_kept_new(stage, store->budget);
    e->begun = begun;
}

/* Makes the entry stand where the driver expects it, if it can. *passed: the task has nothing to
 * do. */
static ds_status align(ds_keyed_store *store, entry *e, const ds_stage *stage, uint32_t partition,
                       const ds_keyed_wish *wish, bool *passed, ds_error *error)
{
    DS_ASSERT(!e->busy);
    int64_t version = e->kept == NULL ? DS_NO_BATCH : ds_kept_version(e->kept);
    *passed = false;
    if (version == wish->batch_ms)
        return DS_OK;
    if (wish->expected_ms == DS_NO_BATCH) {
        make_anew(store, e, stage, false);
        return DS_OK;
    }
    if (version >= wish->expected_ms && version < wish->batch_ms)
        return DS_OK;
    if (wish->chain) {
        make_anew(store, e, stage, true);
        return DS_OK;
    }
    *passed = wish->replay && version > wish->batch_ms;
    if (*passed)
        return DS_OK;
    if (version == DS_NO_BATCH)
        return ds_error_set(error, DS_ERR_LOST,
                            "key partition %u of stage %u is not here, and should stand at %lld",
                            partition, stage->id, (long long)wish->expected_ms);
    return ds_error_set(error, DS_ERR_LOST,
                        "key partition %u of stage %u stands at batch %lld, not at %lld", partition,
                        stage->id, (long long)version, (long long)wish->expected_ms);
}

ds_status ds_keyed_store_take(ds_keyed_store *store, const ds_stage *stage, uint32_t partition,
                              const ds_keyed_wish *wish, ds_kept **kept, ds_error *error)
{
    DS_ASSERT(stage->keyed && !(wish->chain && wish->expected_ms == DS_NO_BATCH));
    pthread_mutex_lock(&store->lock);
    entry *e = entry_of(store, stage, partition);
    ds_status status;
    bool passed = false;
    if (e->busy)
        status = ds_error_set(error, DS_ERR_UNAVAILABLE,
                              "key partition %u of stage %u is in use by another task", partition,
                              stage->id);
    else
        status = align(store, e, stage, partition, wish, &passed, error);
    *kept = NULL;
    if (status == DS_OK && !passed) {
        e->busy = true;
        DS_ASSERT(e->kept != NULL);
        *kept = e->kept;
    }
    pthread_mutex_unlock(&store->lock);
    return status;
}

void ds_keyed_store_put(ds_keyed_store *store, const ds_stage *stage, uint32_t partition)
{
    pthread_mutex_lock(&store->lock);
    entry *e = entry_of(store, stage, partition);
    DS_ASSERT(e->busy);
    e->busy = false;
    pthread_mutex_unlock(&store->lock);
}

void ds_keyed_store_drop(ds_keyed_store *store, const ds_stage *stage, uint32_t partition)
{
    pthread_mutex_lock(&store->lock);
    entry *e = entry_of(store, stage, partition);
    DS_ASSERT(e->busy);
    ds_kept_free(e->kept);
    e->kept = NULL;
    e->busy = false;
    pthread_mutex_unlock(&store->lock);
}

bool ds_keyed_store_collects(ds_keyed_store *store, const ds_stage *stage, uint32_t partition,
                             uint64_t save, bool *whole)
{
    pthread_mutex_lock(&store->lock);
    entry *e = entry_of(store, stage, partition);
    bool now = save > e->saved;
    if (now) {
        *whole = !e->begun;
        e->begun = true;
        e->saved = save;
    }
    pthread_mutex_unlock(&store->lock);
    return now;
}

void ds_keyed_store_not_saved(ds_keyed_store *store, uint32_t stage, uint32_t partition)
{
    pthread_mutex_lock(&store->lock);
    if (stage < store->n_stages && partition < store->stages[stage].n)
        store->stages[stage].entries[partition].begun = false;
    pthread_mutex_unlock(&store->lock);
}
