#include "exec/task_kept.h"

#include "base/assert.h"
#include "base/claim.h"
#include "exec/fold.h"
#include "exec/restore.h"

/* What is not in the checkpoint folder is gone for now: but only if it is that folder. */
static ds_status why_unread(const ds_task_env *env, ds_status status, ds_error *error)
{
    if (status == DS_ERR_NO_INPUT)
        return ds_claim_check_above(env->kept_folder, env->epoch, NULL) == DS_OK ? DS_ERR_LOST
                                                                                 : DS_ERR_NO_INPUT;
    DS_ASSERT(error == NULL || error->message[0] != '\0');
    return status == DS_ERR_IO ? DS_ERR_NO_INPUT : status;
}

ds_status ds_task_kept_take(const ds_task_env *env, const ds_task *task, ds_kept **kept,
                            ds_error *error)
{
    const ds_stage *stage = &env->plan->stages[task->stage];
    DS_ASSERT(env->keyed != NULL && stage->keyed);
    const ds_keyed_wish wish = {.expected_ms = task->keyed_ms,
                                .batch_ms = task->batch_ms,
                                .chain = task->n_saved > 0 && !task->save_folds,
                                .replay = task->mode == DS_TASK_REPLAY};
    DS_TRY(ds_keyed_store_take(env->keyed, stage, task->partition, &wish, kept, error));
    if (*kept == NULL || !wish.chain || ds_kept_version(*kept) != DS_NO_BATCH)
        return DS_OK;
    ds_status status = ds_restore(*kept, task, env->peers, error);
    if (status == DS_OK)
        return DS_OK;
    ds_keyed_store_drop(env->keyed, stage, task->partition);
    return why_unread(env, status, error);
}

/* Collects the part of one input. False if it cannot be had. */
static bool collect_input(ds_collected *collected, ds_kept *kept, const ds_saved_part *part,
                          bool folds)
{
    ds_save_to to;
    ds_error error;
    ds_collected_add(collected, part, &to);
    ds_status status = ds_kept_save(kept, part->input, part->whole, &to, &error);
    if (status != DS_OK)
        ds_collected_fail(collected, status, error.message);
    else if (folds)
        ds_kept_folded(kept, part->input);
    return status == DS_OK;
}

void ds_task_kept_collect(const ds_task_env *env, const ds_task *task, ds_kept *kept)
{
    const ds_stage *stage = &env->plan->stages[task->stage];
    bool whole;
    if (task->save == 0 ||
        !ds_keyed_store_collects(env->keyed, stage, task->partition, task->save, &whole))
        return;
    DS_ASSERT(env->collection != NULL);
    ds_fold *fold = NULL;
    bool later = false;
    if (task->save_folds && !whole && kept != NULL)
        fold = ds_fold_new(env, task, ds_kept_window_bytes(kept), &later);
    whole = whole || task->save_whole || (task->save_folds && fold == NULL && !later);
    const ds_save_order order = {env->epoch, env->executor_id, task->plan_id, task->save,
                                 env->kept_folder};
    const ds_collected_room room = {env->saving != NULL ? env->saving : env->budget, env->store,
                                    env->collection};
    ds_collected *collected = ds_collected_new(&order, stage->n_inputs, &room);
    collected->fold = fold;
    bool complete = true;
    for (uint32_t i = 0; i < stage->n_inputs; i++) {
        if (!ds_node_keeps(stage->inputs[i].root))
            continue;
        const ds_saved_part part = {.stage = stage->id,
                                    .partition = task->partition,
                                    .input = i,
                                    .batch_ms = task->batch_ms,
                                    .whole =
                                        whole || (kept != NULL && ds_kept_saves_whole(kept, i))};
        ds_save_to to;
        if (complete && kept != NULL)
            complete = collect_input(collected, kept, &part, fold != NULL);
        else
            ds_collected_add(collected, &part, &to);
    }
    if (kept == NULL)
        ds_collected_fail(collected, DS_ERR_LOST, "the partition has gone on to a later batch");
    if (collected->saved.status != DS_OK)
        ds_keyed_store_not_saved(env->keyed, stage->id, task->partition);
    ds_collection_add(env->collection, collected);
}
