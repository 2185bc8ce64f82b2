#include "exec/peers.h"

#include "base/assert.h"
#include "base/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The first of store, view and url that is there is where the bytes are; none: they cannot be
 * read. */
typedef struct peer {
    uint64_t executor_id;
    ds_store *store;     /* of this process */
    ds_store_view *view; /* of another, mapped */
    char *url;           /* of another: where to fetch */
} peer;

struct ds_peers {
    ds_fetcher fetcher;
    bool maps;
    pthread_mutex_t lock; /* guards what follows */
    peer *list;
    size_t n, capacity;
    uint64_t *dropped; /* ids: they never come back */
    size_t n_dropped;
};

ds_peers *ds_peers_new(void)
{
    ds_peers *peers = ds_calloc(1, sizeof *peers);
    peers->maps = true;
    pthread_mutex_init(&peers->lock, NULL);
    return peers;
}

void ds_peers_free(ds_peers *peers)
{
    if (peers == NULL)
        return;
    for (size_t i = 0; i < peers->n; i++) {
        ds_store_view_close(peers->list[i].view);
        free(peers->list[i].url);
    }
    free(peers->list);
    free(peers->dropped);
    pthread_mutex_destroy(&peers->lock);
    free(peers);
}

void ds_peers_set_fetcher(ds_peers *peers, const ds_fetcher *fetcher, bool maps)
{
    peers->fetcher = *fetcher;
    peers->maps = maps;
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

static peer *find_or_add(ds_peers *peers, uint64_t executor_id)
{
    peer *known = find(peers, executor_id);
    if (known != NULL)
        return known;
    if (peers->n == peers->capacity) {
        peers->capacity = peers->capacity == 0 ? 8 : peers->capacity * 2;
        peers->list = ds_realloc(peers->list, peers->capacity, sizeof *peers->list);
    }
    peers->list[peers->n] = (peer){.executor_id = executor_id};
    return &peers->list[peers->n++];
}

void ds_peers_add_store(ds_peers *peers, uint64_t executor_id, ds_store *store)
{
    pthread_mutex_lock(&peers->lock);
    peer *p = find_or_add(peers, executor_id);
    if (p->store == NULL && p->view == NULL)
        p->store = store;
    pthread_mutex_unlock(&peers->lock);
}

/* The store of a peer, mapped; NULL if that cannot be, which is worth a word only where it should.
 */
static ds_store_view *map(const ds_peers *peers, const ds_msg_peer *told, bool quiet)
{
    DS_ASSERT(!was_dropped(peers, told->executor_id));
    ds_error why;
    ds_store_view *view = NULL;
    if (!peers->maps || told->path[0] == '\0')
        return NULL;
    const ds_store_place place = {told->path, told->store_bytes, told->spill_path,
                                  told->spill_bytes};
    if (ds_store_view_open(&place, &view, &why) != DS_OK && !quiet)
        ds_log_info("the bytes of executor %" PRIu64 " %s: %s", told->executor_id,
                    told->bulk_url[0] != '\0' ? "are copied over a link" : "cannot be read",
                    why.message);
    return view;
}

/* Nothing comes from there any more: fetches under way fail. Takes url; NULL is allowed. */
static void drop_url(const ds_peers *peers, char *url)
{
    if (url != NULL && peers->fetcher.drop != NULL)
        peers->fetcher.drop(peers->fetcher.arg, url);
    free(url);
}

static bool same_text(const char *a, const char *b)
{
    return a != NULL && strcmp(a, b) == 0;
}

void ds_peers_add(ds_peers *peers, const ds_msg_peer *told)
{
    char *old_url = NULL;
    pthread_mutex_lock(&peers->lock);
    peer *p = was_dropped(peers, told->executor_id) ? NULL : find_or_add(peers, told->executor_id);
    if (p != NULL && p->store == NULL && p->view == NULL) {
        p->view = map(peers, told, p->url != NULL);
        if (!same_text(p->url, told->bulk_url)) {
            old_url = p->url;
            p->url = told->bulk_url[0] != '\0' ? ds_strdup(told->bulk_url) : NULL;
        }
    }
    pthread_mutex_unlock(&peers->lock);
    drop_url(peers, old_url);
}

void ds_peers_drop(ds_peers *peers, uint64_t executor_id)
{
    pthread_mutex_lock(&peers->lock);
    peer *p = find(peers, executor_id);
    peer dropped = p != NULL ? *p : (peer){0};
    if (p != NULL)
        *p = peers->list[--peers->n];
    if (!was_dropped(peers, executor_id)) {
        peers->dropped = ds_realloc(peers->dropped, peers->n_dropped + 1, sizeof *peers->dropped);
        peers->dropped[peers->n_dropped++] = executor_id;
    }
    pthread_mutex_unlock(&peers->lock);
    ds_store_view_close(dropped.view);
    drop_url(peers, dropped.url);
}

/* ---- reading ---- */

static ds_status unreadable(const ds_ref *ref, ds_error *error)
{
    return ds_error_set(error, DS_ERR_LOST,
                        "bytes %" PRIu64 "+%" PRIu64 " in the store of executor %" PRIu64
                        " cannot be read",
                        ref->offset, ref->length, ref->executor_id);
}

/* Where a range of a peer is. */
typedef enum where { MAPPED, ON_DISK, REMOTE, NOWHERE } where;

static where find_range(const ds_peers *peers, const peer *p, const ds_ref *ref, const char **bytes)
{
    *bytes = NULL;
    if (p != NULL && p->view != NULL) {
        *bytes = ds_store_view_bytes(p->view, ref->offset, ref->length);
        if (*bytes != NULL)
            return ds_store_view_is_on_disk(p->view, ref->offset) ? ON_DISK : MAPPED;
    } else if (p != NULL && p->store != NULL) {
        *bytes = ds_store_range(p->store, ref->offset, ref->length);
        if (*bytes != NULL)
            return ds_store_is_on_disk(p->store, ref->offset) ? ON_DISK : MAPPED;
    }
    bool remote = p != NULL && p->url != NULL && peers->fetcher.fetch != NULL;
    return remote ? REMOTE : NOWHERE;
}

const char *ds_peers_mapped(ds_peers *peers, const ds_ref *ref)
{
    const char *bytes;
    pthread_mutex_lock(&peers->lock);
    where place = find_range(peers, find(peers, ref->executor_id), ref, &bytes);
    pthread_mutex_unlock(&peers->lock);
    return place == MAPPED ? bytes : NULL;
}

/* Finds what is mapped here; counts what is to be copied, and its bytes. */
static ds_status look_up(ds_peers *peers, const ds_ref *refs, size_t n, const char **bytes,
                         size_t *n_copied, uint64_t *copied_bytes, ds_error *error)
{
    ds_status status = DS_OK;
    pthread_mutex_lock(&peers->lock);
    for (size_t i = 0; i < n && status == DS_OK; i++) {
        where place = find_range(peers, find(peers, refs[i].executor_id), &refs[i], &bytes[i]);
        if (place == MAPPED)
            continue;
        bytes[i] = NULL;
        if (place == NOWHERE || __builtin_add_overflow(*copied_bytes, refs[i].length, copied_bytes))
            status = unreadable(&refs[i], error);
        (*n_copied)++;
    }
    pthread_mutex_unlock(&peers->lock);
    return status;
}

/* Whether so much more may be held in memory. */
static ds_status ask_budget(ds_budget *budget, uint64_t bytes, ds_error *error)
{
    if (bytes > (uint64_t)INT64_MAX || !ds_budget_reserve(budget, (int64_t)bytes))
        return ds_error_set(error, DS_ERR_NO_MEMORY,
                            "the memory limit is reached: %" PRIu64
                            " bytes that are not in shared memory do "
                            "not fit (executors.memory or limits.memory)",
                            bytes);
    ds_budget_charge(budget, -(int64_t)bytes); /* the arena charges them */
    return DS_OK;
}

static int by_executor(const void *a, const void *b)
{
    uint64_t one = ((const ds_bulk_item *)a)->ref.executor_id;
    uint64_t other = ((const ds_bulk_item *)b)->ref.executor_id;
    return one < other ? -1 : one > other;
}

/* Reads a range that is on disk, or leaves it (false). Stores stay as long as tasks read them. */
static bool read_disk(ds_peers *peers, const ds_bulk_item *item, ds_status *status, ds_error *error)
{
    const char *bytes;
    pthread_mutex_lock(&peers->lock);
    const peer *p = find(peers, item->ref.executor_id);
    bool on_disk = find_range(peers, p, &item->ref, &bytes) == ON_DISK;
    const ds_store_view *view = on_disk ? p->view : NULL;
    const ds_store *store = on_disk ? p->store : NULL;
    pthread_mutex_unlock(&peers->lock);
    DS_ASSERT(on_disk == (view != NULL || store != NULL));
    if (view != NULL)
        *status =
            ds_store_view_read_disk(view, item->ref.offset, item->to, item->ref.length, error);
    else if (store != NULL)
        *status = ds_store_read_disk(store, item->ref.offset, item->to, item->ref.length, error);
    return on_disk;
}

/* Fetches items of one executor. */
static ds_status fetch_from(ds_peers *peers, const ds_bulk_item *items, size_t n, ds_error *error)
{
    DS_ASSERT(n > 0);
    pthread_mutex_lock(&peers->lock);
    const peer *p = find(peers, items[0].ref.executor_id);
    char *url = p != NULL && p->url != NULL ? ds_strdup(p->url) : NULL;
    pthread_mutex_unlock(&peers->lock);
    if (url == NULL) /* it went away meanwhile */
        return unreadable(&items[0].ref, error);
    DS_ASSERT(peers->fetcher.fetch != NULL);
    ds_status status = peers->fetcher.fetch(peers->fetcher.arg, url, items, n, error);
    free(url);
    return status;
}

/* Copies what has no bytes yet: from disk, or in one round for each executor. */
static ds_status copy_rest(ds_peers *peers, const ds_ref *refs, size_t n, size_t n_copied,
                           ds_arena *arena, const char **bytes, ds_error *error)
{
    ds_bulk_item *items = DS_ARENA_ARRAY(arena, ds_bulk_item, n_copied);
    size_t n_items = 0;
    ds_status status = DS_OK;
    for (size_t i = 0; i < n && status == DS_OK; i++) {
        if (bytes[i] != NULL)
            continue;
        char *to = ds_arena_alloc(arena, refs[i].length);
        items[n_items] = (ds_bulk_item){refs[i], to};
        n_items += !read_disk(peers, &items[n_items], &status, error);
        bytes[i] = to;
    }
    DS_TRY(status);
    DS_ASSERT(n_items <= n_copied);
    qsort(items, n_items, sizeof *items, by_executor);
    for (size_t from = 0, to; from < n_items; from = to) {
        to = from + 1;
        while (to < n_items && by_executor(&items[from], &items[to]) == 0)
            to++;
        DS_TRY(fetch_from(peers, items + from, to - from, error));
    }
    return DS_OK;
}

ds_status ds_peers_copy(ds_peers *peers, const ds_ref *ref, void *to, ds_error *error)
{
    const char *bytes = ds_peers_mapped(peers, ref);
    ds_bulk_item item = {*ref, to};
    ds_status status = DS_OK;
    if (bytes != NULL)
        memcpy(to, bytes, ref->length);
    else if (!read_disk(peers, &item, &status, error))
        status = fetch_from(peers, &item, 1, error);
    return status;
}

ds_status ds_peers_read(ds_peers *peers, const ds_ref *refs, size_t n, ds_arena *arena,
                        ds_budget *budget, const char **bytes, ds_error *error)
{
    size_t n_copied = 0;
    uint64_t copied_bytes = 0;
    DS_TRY(look_up(peers, refs, n, bytes, &n_copied, &copied_bytes, error));
    if (n_copied == 0)
        return DS_OK;
    DS_TRY(ask_budget(budget, copied_bytes, error));
    return copy_rest(peers, refs, n, n_copied, arena, bytes, error);
}

ds_status ds_peers_bytes(ds_peers *peers, const ds_ref *ref, ds_arena *arena, ds_budget *budget,
                         const char **bytes, ds_error *error)
{
    return ds_peers_read(peers, ref, 1, arena, budget, bytes, error);
}
