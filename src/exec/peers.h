/*
 * The stores this executor reads from: its own and those of its peers, by executor id.
 *
 * A peer's store is mapped when the driver tells of it and stays mapped until the driver says
 * that nothing in it is needed any more. Thread-safe: tasks look up, the core adds and drops.
 */
#ifndef DS_EXEC_PEERS_H
#define DS_EXEC_PEERS_H

#include "exec/store.h"
#include "rpc/message.h"

typedef struct ds_peers ds_peers;

ds_peers *ds_peers_new(void);
void ds_peers_free(ds_peers *peers);

/* Makes a store of this process known (borrowed). */
void ds_peers_add_store(ds_peers *peers, uint64_t executor_id, ds_store *store);
/* Opens and maps a peer's store. Known ids are left as they are, and one that was dropped does
 * not come back. DS_ERR_LOST if it fails. */
ds_status ds_peers_open(ds_peers *peers, uint64_t executor_id, const char *path, uint64_t bytes,
                        ds_error *error);
/* Unmaps a peer's store; the driver says so only when no task reads it. */
void ds_peers_drop(ds_peers *peers, uint64_t executor_id);

/* The bytes of a range. DS_ERR_LOST if the store is not known or the range lies outside. */
ds_status ds_peers_bytes(ds_peers *peers, const ds_ref *ref, const char **bytes, ds_error *error);

#endif
