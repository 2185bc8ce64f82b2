/*
 * Executors from outside whose tasks fail on files, again and again, while those of others do not:
 * a disk is full there, or a mount went away. They looked well when they joined. They are sent
 * away, with the reason: a key partition is with its owner, and its batches would wait for ever.
 *
 * What fails everywhere, as where a sink's disk is full, is nobody's fault. Those that the driver
 * started stand where it does.
 */
#include "base/assert.h"
#include "driver/driver_state.h"

#include <stdio.h>

#define MOST_FAILURES 4u
#define FAILS_FOR_US INT64_C(3000000)
#define FORGET_US INT64_C(30000000) /* longer than between two attempts */

static bool fails(const ds_driver *d, const ds_executor_entry *entry)
{
    return entry->io_failures > 0 && d->now_us - entry->io_failed_us < FORGET_US;
}

static bool wrote_file(const ds_task_result *result)
{
    for (uint32_t i = 0; i < result->n_outputs; i++)
        if (result->outputs[i].kind == DS_OUTPUT_FILE)
            return true;
    return false;
}

void ds_driver_note_result(const ds_driver *d, ds_executor_entry *from,
                           const ds_task_result *result)
{
    bool again = fails(d, from);
    if (result->status == DS_OK && again && result->stage == from->io_stage && wrote_file(result))
        from->io_failures = 0;
    if (result->status != DS_ERR_IO || (again && result->stage != from->io_stage))
        return;
    if (!again) {
        from->io_failures = 0;
        from->io_stage = result->stage;
        from->io_since_us = d->now_us;
    }
    from->io_failures++;
    from->io_failed_us = d->now_us;
}

static bool others_are_well(const ds_driver *d, const ds_executor_entry *than)
{
    for (size_t i = 0; i < d->registry.n; i++) {
        const ds_executor_entry *entry = d->registry.list[i];
        if (entry != than && entry->state == DS_EXECUTOR_READY && !fails(d, entry))
            return true;
    }
    return false;
}

/* What waited because it had failed there need not any more. */
static void hurry(const ds_driver *d, uint64_t executor_id)
{
    for (ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        for (uint32_t s = 0; s < d->plan->n_stages; s++) {
            ds_batch_stage *stage = &batch->stages[s];
            stage->again_us = 0;
            for (uint32_t p = 0; p < stage->n_tasks; p++)
                if (stage->tasks[p].avoid == executor_id)
                    stage->tasks[p].not_before_us = 0;
        }
}

void ds_driver_judge(ds_driver *d, ds_executor_entry *from, const ds_msg_task_results *results)
{
    DS_ASSERT(from->state == DS_EXECUTOR_READY);
    const char *last = "";
    for (uint32_t i = 0; i < results->n_results; i++)
        if (results->results[i].status == DS_ERR_IO)
            last = results->results[i].message;
    if (from->local || last[0] == '\0' || from->io_failures < MOST_FAILURES ||
        from->io_failed_us - from->io_since_us < FAILS_FOR_US || !others_are_well(d, from))
        return;
    char why[DS_ERROR_TEXT];
    snprintf(why, sizeof why, "its tasks fail, and those of others do not: %s", last);
    ds_driver_exclude(d, from, why);
    hurry(d, from->id);
}
