#include "exec/replicate.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>

ds_msg_replicate ds_replicate_copy(ds_arena *arena, const ds_msg_replicate *asked)
{
    ds_msg_replicate copy = *asked;
    copy.blocks = DS_ARENA_ARRAY(arena, ds_replica, asked->n_blocks + 1);
    for (uint32_t i = 0; i < asked->n_blocks; i++)
        copy.blocks[i] = asked->blocks[i];
    return copy;
}

static ds_status hold(const ds_replicate_env *env, const ds_replica *block, uint64_t room_bytes,
                      ds_replica *held, ds_error *error)
{
    const uint64_t length = block->ref.length;
    const uint64_t room = length > DS_LEAST_CHARGE ? length : DS_LEAST_CHARGE;
    uint64_t offset;
    if (length == 0 || length > ds_store_size(env->store))
        return ds_error_set(error, DS_ERR_PROTOCOL, "a block of no possible size");
    if (!ds_block_ledger_reserve_replica(env->ledger, room_bytes, room, &offset))
        return ds_error_set(error, DS_ERR_NO_MEMORY, "there is no room for it now");
    ds_status status =
        ds_peers_copy(env->peers, &block->ref, ds_store_bytes(env->store, offset), error);
    ds_block_ledger_hold_replica(env->ledger, block->receiver_id, block->block_id, offset, room,
                                 status == DS_OK ? length : 0);
    *held = (ds_replica){block->receiver_id, block->block_id, {env->executor_id, offset, length}};
    return status;
}

void ds_replicate(const ds_replicate_env *env, const ds_msg_replicate *asked, ds_arena *arena,
                  ds_msg_replicated *replicated)
{
    ds_error error = {.message = ""};
    ds_status status = DS_OK;
    *replicated = (ds_msg_replicated){.number = asked->number};
    replicated->blocks = DS_ARENA_ARRAY(arena, ds_replica, asked->n_blocks + 1);
    for (uint32_t i = 0; i < asked->n_blocks && status == DS_OK; i++) {
        status = hold(env, &asked->blocks[i], asked->room_bytes, &replicated->blocks[i], &error);
        replicated->n_blocks += status == DS_OK;
    }
    replicated->status = (uint32_t)status;
    replicated->message = ds_arena_strdup(arena, error.message);
    DS_ASSERT(replicated->n_blocks <= asked->n_blocks);
}

typedef struct worker {
    ds_replicate_env env;
    ds_msg_replicate asked; /* in the arena of done */
    ds_replicate_done *done;
    void (*fn)(void *arg, ds_replicate_done *done);
    void *arg;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    ds_replicate(&w->env, &w->asked, w->done->arena, &w->done->replicated);
    w->fn(w->arg, w->done);
    free(w);
    return NULL;
}

void ds_replicate_start(const ds_replicate_env *env, const ds_msg_replicate *asked,
                        void (*fn)(void *arg, ds_replicate_done *done), void *arg)
{
    pthread_t thread;
    worker *w = ds_calloc(1, sizeof *w);
    *w = (worker){*env, *asked, ds_calloc(1, sizeof *w->done), fn, arg};
    w->done->arena = ds_arena_new(NULL);
    w->asked = ds_replicate_copy(w->done->arena, asked);
    int failed = pthread_create(&thread, NULL, work, w);
    DS_ASSERT(failed == 0);
    pthread_detach(thread);
}

void ds_replicate_free(ds_replicate_done *done)
{
    ds_arena_free(done->arena);
    free(done);
}
