#include "exec/keyed_store.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct entry {
    bool busy;
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

/* Makes the entry stand where the driver expects it, if it can. */
static ds_status align(ds_keyed_store *store, entry *e, const ds_stage *stage, uint32_t partition,
                       int64_t expected_ms, int64_t batch_ms, ds_error *error)
{
    DS_ASSERT(!e->busy);
    int64_t version = e->kept == NULL ? DS_NO_BATCH : ds_kept_version(e->kept);
    if (version == batch_ms)
        return DS_OK;
    if (expected_ms == DS_NO_BATCH) {
        ds_kept_free(e->kept);
        e->kept = ds_kept_new(stage, store->budget);
        return DS_OK;
    }
    if (version >= expected_ms && version < batch_ms)
        return DS_OK;
    if (version == DS_NO_BATCH)
        return ds_error_set(error, DS_ERR_LOST,
                            "key partition %u of stage %u is not here, and should stand at %lld",
                            partition, stage->id, (long long)expected_ms);
    return ds_error_set(error, DS_ERR_LOST,
                        "key partition %u of stage %u stands at batch %lld, not at %lld", partition,
                        stage->id, (long long)version, (long long)expected_ms);
}

ds_status ds_keyed_store_take(ds_keyed_store *store, const ds_stage *stage, uint32_t partition,
                              int64_t expected_ms, int64_t batch_ms, ds_kept **kept,
                              ds_error *error)
{
    DS_ASSERT(stage->keyed);
    pthread_mutex_lock(&store->lock);
    entry *e = entry_of(store, stage, partition);
    ds_status status;
    if (e->busy)
        status = ds_error_set(error, DS_ERR_UNAVAILABLE,
                              "key partition %u of stage %u is in use by another task", partition,
                              stage->id);
    else
        status = align(store, e, stage, partition, expected_ms, batch_ms, error);
    if (status == DS_OK) {
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
