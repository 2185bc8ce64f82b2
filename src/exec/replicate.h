/*
 * Blocks that another executor received, and this one holds, too (REPLICATE): they are fetched into
 * room of the store, one after the other, and given back like any other block.
 */
#ifndef DS_EXEC_REPLICATE_H
#define DS_EXEC_REPLICATE_H

#include "exec/block_ledger.h"
#include "exec/peers.h"

/* What that takes; all borrowed, and safe for threads. */
typedef struct ds_replicate_env {
    ds_peers *peers;
    ds_block_ledger *ledger;
    ds_store *store;
    uint64_t executor_id; /* of this one */
} ds_replicate_env;

/* What is asked, copied into an arena. */
ds_msg_replicate ds_replicate_copy(ds_arena *arena, const ds_msg_replicate *asked);

/* Fetches blocks, in order, until one cannot be had: DS_ERR_NO_MEMORY if there is no room for it
 * now, or errors as ds_peers_read. The answer is in arena. May take long. */
void ds_replicate(const ds_replicate_env *env, const ds_msg_replicate *asked, ds_arena *arena,
                  ds_msg_replicated *replicated);

/* An answer; what it refers to lives until ds_replicate_free. */
typedef struct ds_replicate_done {
    ds_msg_replicated replicated;
    ds_arena *arena;
} ds_replicate_done;

/* Does it on a thread for itself, which calls fn when it is done; fn takes the answer over. asked
 * is copied. */
void ds_replicate_start(const ds_replicate_env *env, const ds_msg_replicate *asked,
                        void (*fn)(void *arg, ds_replicate_done *done), void *arg);
void ds_replicate_free(ds_replicate_done *done);

#endif
