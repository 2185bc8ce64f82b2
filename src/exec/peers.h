/*
 * The stores this executor reads from: its own and those of its peers, by executor id.
 *
 * A peer's store is mapped when the driver tells of it, and stays mapped until the driver says
 * that nothing in it is needed any more. One that cannot be mapped (of another user, or in a
 * system without /proc) is remote: its bytes are fetched, each range when a task reads it, into
 * the memory of that task. Thread-safe: tasks look up, the core adds and drops.
 */
#ifndef DS_EXEC_PEERS_H
#define DS_EXEC_PEERS_H

#include "base/arena.h"
#include "exec/bulk_client.h"
#include "exec/store.h"

typedef struct ds_peers ds_peers;

/* How bytes are fetched that cannot be mapped (ds_bulk_client_fetch and _drop). */
typedef struct ds_fetcher {
    void *arg;
    /* NULL: nothing can be fetched. Called from task threads. */
    ds_status (*fetch)(void *arg, const char *url, const ds_bulk_item *items, size_t n_items,
                       ds_error *error);
    void (*drop)(void *arg, const char *url);
} ds_fetcher;

/* No peers yet; freeing unmaps all of them. */
ds_peers *ds_peers_new(void);
void ds_peers_free(ds_peers *peers);

/* Before anything is read; fetcher is copied, its arg borrowed. maps: stores of others are opened
 * where that is possible (the default), otherwise never. */
void ds_peers_set_fetcher(ds_peers *peers, const ds_fetcher *fetcher, bool maps);

/* Makes a store of this process known (borrowed). */
void ds_peers_add_store(ds_peers *peers, uint64_t executor_id, ds_store *store);
/* Makes a peer's store known, or notes that its bytes are now elsewhere: opens and maps it, or
 * else remembers where to fetch. One that can be read in neither way fails the tasks that want
 * its bytes, and one that was dropped does not come back. */
void ds_peers_add(ds_peers *peers, const ds_msg_peer *peer);
/* Forgets a peer's store, and unmaps it; the driver says so only when no task reads it. */
void ds_peers_drop(ds_peers *peers, uint64_t executor_id);

/* The bytes of a range if they are in shared memory, else NULL. */
const char *ds_peers_mapped(ds_peers *peers, const ds_ref *ref);
/* Copies the bytes of one range to `to`, wherever they are. Errors as ds_peers_read. */
ds_status ds_peers_copy(ds_peers *peers, const ds_ref *ref, void *to, ds_error *error);

/*
 * The bytes of ranges, as many as refs, aligned to 8 if the ranges are. Those of remote stores are
 * fetched, and those on disk read, into arena (of the task), which charges budget. DS_ERR_LOST if a
 * store is not known, a range lies outside, or bytes cannot be fetched; DS_ERR_NO_MEMORY if the
 * budget does not allow what would be copied; DS_ERR_IO if the disk fails.
 */
ds_status ds_peers_read(ds_peers *peers, const ds_ref *refs, size_t n, ds_arena *arena,
                        ds_budget *budget, const char **bytes, ds_error *error);
/* The same for one range. */
ds_status ds_peers_bytes(ds_peers *peers, const ds_ref *ref, ds_arena *arena, ds_budget *budget,
                         const char **bytes, ds_error *error);

#endif
