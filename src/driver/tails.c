/* The driver's side of `tail`: asks at every tick how the files are, and takes in the answers. */
#include "base/assert.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <stdio.h>
#include <string.h>

/* Files that some batch has yet to read stay open. */
static void mark_used(const ds_driver *d, ds_intake *intake)
{
    ds_tail_files_unuse(&intake->tail);
    for (const ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        for (uint32_t a = 0; a < batch->n_allotments; a++) {
            const ds_allotment *allotment = &batch->allotments[a];
            for (uint32_t i = 0; allotment->source == intake->index && i < allotment->n_inputs; i++)
                ds_tail_files_use(&intake->tail, allotment->inputs[i].tail.number);
        }
}

void ds_driver_ask_tails(ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        ds_intake *intake = &d->intakes[i];
        if (!intake->needed || !ds_intake_follows(intake) || d->phase == DS_PHASE_STOPPING ||
            (d->config.available_now && intake->listed))
            continue;
        mark_used(d, intake);
        ds_arena *arena = ds_arena_new(NULL);
        ds_follow_request *request = DS_ARENA_NEW(arena, ds_follow_request);
        *request = ds_tail_files_ask(&intake->tail, arena);
        request->all = !intake->listed;
        d->tick.lists_due++;
        d->ports.follow(d->ports.arg, i, request, arena);
    }
}

/* Nobody looks at files while batches wait for a task, so that it failed for long is reason enough
 * to give up, too. */
void ds_driver_await_tails(const ds_driver *d, const ds_node *source, const ds_batch_task *task)
{
    DS_ASSERT(source->kind == DS_NODE_SOURCE);
    const ds_tail_files *tail = &d->intakes[source->source - d->plan->app->sources].tail;
    bool soon = task->failures == 0 || d->now_us - task->failed_us < DS_FOLLOW_AWAY_US;
    for (uint32_t i = 0; i < task->n_inputs && task->inputs[i].kind == DS_INPUT_TAIL; i++)
        task->inputs[i].tail.awaited =
            soon && ds_tail_files_awaits(tail, task->inputs[i].tail.number);
}

static bool has_wildcards(const char *glob)
{
    return strpbrk(glob, "*?[\\") != NULL;
}

/* What is there now cannot be processed if it is not there, or cannot be read. */
static bool lacks_input(ds_driver *d, const ds_intake *intake, const ds_sightings *seen)
{
    char text[DS_ERROR_TEXT];
    const char *glob = intake->source->glob;
    for (uint32_t i = 0; i < seen->n; i++) {
        if (seen->list[i].what == DS_SIGHT_AWAY && !has_wildcards(glob)) {
            snprintf(text, sizeof text, "source %s: there is no file %s: its folder is not there",
                     intake->source->name, glob);
            ds_driver_end(d, DS_ERR_NO_INPUT, text);
            return true;
        }
        if (seen->list[i].what != DS_SIGHT_UNREADABLE)
            continue;
        snprintf(text, sizeof text, "source %s: %s cannot be read: %s", intake->source->name,
                 seen->list[i].path, seen->list[i].why);
        ds_driver_end(d, DS_ERR_IO, text);
        return true;
    }
    if (intake->tail.n > 0 || has_wildcards(glob))
        return false;
    snprintf(text, sizeof text, "source %s: there is no file %s", intake->source->name, glob);
    ds_driver_end(d, DS_ERR_NO_INPUT, text);
    return true;
}

static void count(ds_driver *d, ds_intake *intake, uint64_t lost_before)
{
    const ds_tail_files *tail = &intake->tail;
    ds_source_counts *counts = intake->counts;
    uint64_t lost = tail->lost_bytes - lost_before;
    DS_ASSERT(tail->lost_bytes >= lost_before);
    counts->lost_bytes += lost;
    d->progress.bytes_lost += lost;
    counts->files = tail->n;
    counts->begun_again = tail->begun_again;
}

void ds_driver_on_followed(ds_driver *d, const ds_driver_event *event)
{
    DS_ASSERT(event->source < d->n_intakes);
    ds_intake *intake = &d->intakes[event->source];
    DS_ASSERT(ds_intake_follows(intake));
    if (d->tick.lists_due > 0)
        d->tick.lists_due--;
    bool final = d->config.available_now, first = !intake->tail.seen;
    uint64_t lost = intake->tail.lost_bytes;
    ds_tail_files_see(&intake->tail, event->seen, d->now_us, final);
    count(d, intake, lost);
    if (final && lacks_input(d, intake, event->seen))
        return;
    if (!intake->listed && intake->tail.n == 0)
        ds_log_warn("source %s: no file matches %s yet", intake->source->name,
                    intake->source->glob);
    intake->listed = intake->ever_listed = true;
    if (first && intake->source->start_at_end && d->config.checkpoint)
        ds_driver_journal(d, NULL, true); /* a restart has to know where the files began */
}
