#include "cli/stores.h"

#include "base/memory.h"
#include "exec/bulk_client.h"
#include "exec/bulk_server.h"
#include "exec/store.h"
#include "rpc/url.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct held_store {
    uint64_t executor_id;
    ds_store_view *view;
} held_store;

struct ds_stores {
    ds_secret key;
    ds_bulk_client *client;
    ds_bulk_server *server; /* or NULL */
    pthread_mutex_t lock;   /* guards what follows; held while bytes are copied for others */
    held_store *list;
    size_t n;
};

ds_stores *ds_stores_new(const ds_secret *key, const struct ds_tls *tls)
{
    ds_stores *stores = ds_calloc(1, sizeof *stores);
    stores->key = *key;
    stores->client = ds_bulk_client_new(DS_BULK_WAIT_MS);
    ds_bulk_client_set_key(stores->client, key);
    ds_bulk_client_set_tls(stores->client, tls);
    pthread_mutex_init(&stores->lock, NULL);
    return stores;
}

void ds_stores_free(ds_stores *stores)
{
    if (stores == NULL)
        return;
    ds_bulk_server_free(stores->server);
    ds_bulk_client_free(stores->client);
    for (size_t i = 0; i < stores->n; i++)
        ds_store_view_close(stores->list[i].view);
    free(stores->list);
    pthread_mutex_destroy(&stores->lock);
    free(stores);
}

/* ---- held ---- */

/* The path of a descriptor; "" if it is none. */
static void path_of(int64_t pid, int fd, char *path, size_t size)
{
    path[0] = '\0';
    if (fd >= 0)
        snprintf(path, size, "/proc/%" PRId64 "/fd/%d", pid, fd);
}

ds_status ds_stores_open(ds_stores *stores, uint64_t executor_id, const ds_msg_hello *hello,
                         ds_store_paths *paths, ds_error *error)
{
    bool ours = hello->pid == getpid(); /* what is in this process is no other's */
    if (!ours && !ds_store_shares())
        return ds_error_set(error, DS_ERR_LOST, "shared memory is switched off");
    if (hello->store_fd < 0)
        return ds_error_set(error, DS_ERR_LOST, "it does not offer its memory");
    ds_store_paths theirs;
    path_of(hello->pid, hello->store_fd, theirs.memory, sizeof theirs.memory);
    path_of(hello->pid, hello->spill_fd, theirs.spill, sizeof theirs.spill);
    const ds_store_place place = {theirs.memory, hello->store_bytes, theirs.spill,
                                  hello->spill_bytes};
    ds_store_view *view;
    DS_TRY(ds_store_view_open(&place, &view, error));
    path_of(getpid(), ds_store_view_fd(view), paths->memory, sizeof paths->memory);
    path_of(getpid(), ds_store_view_spill_fd(view), paths->spill, sizeof paths->spill);
    pthread_mutex_lock(&stores->lock);
    stores->list = ds_realloc(stores->list, stores->n + 1, sizeof *stores->list);
    stores->list[stores->n++] = (held_store){executor_id, view};
    pthread_mutex_unlock(&stores->lock);
    return DS_OK;
}

void ds_stores_close(ds_stores *stores, uint64_t executor_id)
{
    ds_store_view *view = NULL;
    pthread_mutex_lock(&stores->lock);
    for (size_t i = 0; i < stores->n && view == NULL; i++) {
        if (stores->list[i].executor_id != executor_id)
            continue;
        view = stores->list[i].view;
        stores->list[i] = stores->list[--stores->n];
    }
    pthread_mutex_unlock(&stores->lock);
    ds_store_view_close(view);
}

/* The lock is held. */
static const char *find(const ds_stores *stores, const ds_ref *ref)
{
    for (size_t i = 0; i < stores->n; i++)
        if (stores->list[i].executor_id == ref->executor_id)
            return ds_store_view_bytes(stores->list[i].view, ref->offset, ref->length);
    return NULL;
}

const char *ds_stores_bytes(ds_stores *stores, const ds_ref *ref)
{
    pthread_mutex_lock(&stores->lock);
    const char *bytes = find(stores, ref);
    pthread_mutex_unlock(&stores->lock);
    return bytes;
}

void ds_stores_forget(ds_stores *stores, const ds_ref *ref)
{
    pthread_mutex_lock(&stores->lock);
    for (size_t i = 0; i < stores->n; i++)
        if (stores->list[i].executor_id == ref->executor_id &&
            ds_store_view_is_on_disk(stores->list[i].view, ref->offset))
            ds_store_view_forget(stores->list[i].view);
    pthread_mutex_unlock(&stores->lock);
}

/* ---- bulk ---- */

ds_status ds_stores_fetch(ds_stores *stores, const char *url, const ds_ref *ref, char *to,
                          ds_error *error)
{
    ds_bulk_item item = {*ref, to};
    char reached[DS_ADDRESS_URL];
    ds_url_reach(url, "", reached);
    return ds_bulk_client_fetch(stores->client, reached, &item, 1, error);
}

static const char *hold(void *arg, const ds_ref *ref)
{
    ds_stores *stores = arg;
    pthread_mutex_lock(&stores->lock);
    const char *bytes = find(stores, ref);
    if (bytes == NULL)
        pthread_mutex_unlock(&stores->lock);
    return bytes;
}

static void let_go(void *arg)
{
    ds_stores *stores = arg;
    for (size_t i = 0; i < stores->n; i++)
        ds_store_view_forget(stores->list[i].view);
    pthread_mutex_unlock(&stores->lock);
}

ds_status ds_stores_listen(ds_stores *stores, const char *url, const ds_link_options *options,
                           ds_error *error)
{
    const ds_bulk_source source = {stores, hold, let_go};
    DS_TRY(ds_bulk_server_open(url, options, &source, &stores->server, error));
    ds_bulk_server_set_key(stores->server, &stores->key);
    return DS_OK;
}

const char *ds_stores_url(const ds_stores *stores)
{
    return stores->server == NULL ? NULL : ds_bulk_server_url(stores->server);
}
