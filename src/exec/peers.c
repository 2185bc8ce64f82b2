#include "exec/peers.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct peer {
    uint64_t executor_id;
    ds_store *store;     /* of this process, or NULL */
    ds_store_view *view; /* of another, or NULL */
} peer;

struct ds_peers {
    pthread_mutex_t lock;
    peer *list;
    size_t n, capacity;
    uint64_t *dropped; /* ids: they never come back */
    size_t n_dropped;
};

ds_peers *ds_peers_new(void)
{
    ds_peers *peers = ds_calloc(1, sizeof *peers);
    pthread_mutex_init(&peers->lock, NULL);
    return peers;
}

void ds_peers_free(ds_peers *peers)
{
    if (peers == NULL)
        return;
    for (size_t i = 0; i < peers->n; i++)
        if (peers->list[i].view != NULL)
            ds_store_view_close(peers->list[i].view);
    free(peers->list);
    free(peers->dropped);
    pthread_mutex_destroy(&peers->lock);
    free(peers);
}

static peer *find(ds_peers *peers, uint64_t executor_id)
{
    for (size_t i = 0; i < peers->n; i++)
        if (peers->list[i].executor_id == executor_id)
            return &peers->list[i];
    return NULL;
}

static bool was_dropped(const ds_peers *peers, uint64_t executor_id)
{
    for (size_t i = 0; i < peers->n_dropped; i++)
        if (peers->dropped[i] == executor_id)
            return true;
    return false;
}

static void add(ds_peers *peers, peer p)
{
    if (peers->n == peers->capacity) {
        peers->capacity = peers->capacity == 0 ? 8 : peers->capacity * 2;
        peers->list = ds_realloc(peers->list, peers->capacity, sizeof *peers->list);
    }
    peers->list[peers->n++] = p;
}

void ds_peers_add_store(ds_peers *peers, uint64_t executor_id, ds_store *store)
{
    pthread_mutex_lock(&peers->lock);
    if (find(peers, executor_id) == NULL)
        add(peers, (peer){executor_id, store, NULL});
    pthread_mutex_unlock(&peers->lock);
}

ds_status ds_peers_open(ds_peers *peers, uint64_t executor_id, const char *path, uint64_t bytes,
                        ds_error *error)
{
    pthread_mutex_lock(&peers->lock);
    bool known = find(peers, executor_id) != NULL || was_dropped(peers, executor_id);
    pthread_mutex_unlock(&peers->lock);
    if (known)
        return DS_OK;
    ds_store_view *view;
    DS_TRY(ds_store_view_open(path, bytes, &view, error));
    pthread_mutex_lock(&peers->lock);
    add(peers, (peer){executor_id, NULL, view});
    pthread_mutex_unlock(&peers->lock);
    return DS_OK;
}

void ds_peers_drop(ds_peers *peers, uint64_t executor_id)
{
    pthread_mutex_lock(&peers->lock);
    peer *p = find(peers, executor_id);
    ds_store_view *view = p != NULL ? p->view : NULL;
    if (p != NULL)
        *p = peers->list[--peers->n];
    if (!was_dropped(peers, executor_id)) {
        peers->dropped = ds_realloc(peers->dropped, peers->n_dropped + 1, sizeof *peers->dropped);
        peers->dropped[peers->n_dropped++] = executor_id;
    }
    pthread_mutex_unlock(&peers->lock);
    if (view != NULL)
        ds_store_view_close(view);
}

ds_status ds_peers_bytes(ds_peers *peers, const ds_ref *ref, const char **bytes, ds_error *error)
{
    *bytes = NULL;
    pthread_mutex_lock(&peers->lock);
    const peer *p = find(peers, ref->executor_id);
    if (p != NULL && p->view != NULL)
        *bytes = ds_store_view_bytes(p->view, ref->offset, ref->length);
    else if (p != NULL && ref->offset <= ds_store_size(p->store) &&
             ref->length <= ds_store_size(p->store) - ref->offset)
        *bytes = ds_store_bytes(p->store, ref->offset);
    pthread_mutex_unlock(&peers->lock);
    if (*bytes != NULL)
        return DS_OK;
    return ds_error_set(error, DS_ERR_LOST,
                        "bytes %llu+%llu in the store of executor %llu cannot be read",
                        (unsigned long long)ref->offset, (unsigned long long)ref->length,
                        (unsigned long long)ref->executor_id);
}
