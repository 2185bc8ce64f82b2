#include "exec/keyed_store.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct entry {
    uint32_t stage, partition;
    bool busy;
    ds_kept *kept;
} entry;

struct ds_keyed_store {
    pthread_mutex_t lock;
    ds_budget *budget;
    entry *list;
    size_t n, capacity;
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
    for (size_t i = 0; i < store->n; i++)
        ds_kept_free(store->list[i].kept);
    free(store->list);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static entry *find_or_add(ds_keyed_store *store, uint32_t stage, uint32_t partition)
{
    for (size_t i = 0; i < store->n; i++)
        if (store->list[i].stage == stage && store->list[i].partition == partition)
            return &store->list[i];
    if (store->n == store->capacity) {
        store->capacity = store->capacity == 0 ? 16 : store->capacity * 2;
        store->list = ds_realloc(store->list, store->capacity, sizeof *store->list);
    }
    store->list[store->n] = (entry){stage, partition, false, NULL};
    return &store->list[store->n++];
}

/* Makes the entry stand where the driver expects it, if it can. */
static ds_status align(ds_keyed_store *store, entry *e, const ds_stage *stage, int64_t expected_ms,
                       int64_t batch_ms, ds_error *error)
{
    int64_t version = e->kept == NULL ? DS_NO_BATCH : ds_kept_version(e->kept);
    if (version == batch_ms)
        return DS_OK;
    if (expected_ms == DS_NO_BATCH) {
        ds_kept_free(e->kept);
        e->kept = ds_kept_new(stage, store->budget);
        return DS_OK;
    }
    if (version == expected_ms)
        return DS_OK;
    if (version == DS_NO_BATCH)
        return ds_error_set(error, DS_ERR_LOST,
                            "key partition %u of stage %u is not here, and should stand at %lld",
                            e->partition, e->stage, (long long)expected_ms);
    return ds_error_set(error, DS_ERR_LOST,
                        "key partition %u of stage %u stands at batch %lld, not at %lld",
                        e->partition, e->stage, (long long)version, (long long)expected_ms);
}

ds_status ds_keyed_store_take(ds_keyed_store *store, const ds_stage *stage, uint32_t partition,
                              int64_t expected_ms, int64_t batch_ms, ds_kept **kept,
                              ds_error *error)
{
    pthread_mutex_lock(&store->lock);
    entry *e = find_or_add(store, stage->id, partition);
    ds_status status;
    if (e->busy)
        status = ds_error_set(error, DS_ERR_LOST, "key partition %u of stage %u is in use",
                              partition, stage->id);
    else
        status = align(store, e, stage, expected_ms, batch_ms, error);
    if (status == DS_OK) {
        e->busy = true;
        *kept = e->kept;
    }
    pthread_mutex_unlock(&store->lock);
    return status;
}

void ds_keyed_store_put(ds_keyed_store *store, const ds_stage *stage, uint32_t partition)
{
    pthread_mutex_lock(&store->lock);
    entry *e = find_or_add(store, stage->id, partition);
    DS_ASSERT(e->busy);
    e->busy = false;
    pthread_mutex_unlock(&store->lock);
}
