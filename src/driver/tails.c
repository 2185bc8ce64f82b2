/*
 * The driver's side of `tail`: asks how the files are, and takes in the answers.
 *
 * It asks at every tick, which waits for the answer; before the first task of a driver that goes on
 * from a checkpoint, as files may be elsewhere by now; every half second while batches wait for
 * files that are away, or tasks fail on them; and every second where ticks are rarer. What a
 * restart has to know of an answer (other names, files that begin again) is journaled at once.
 */
#include "base/assert.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <stdio.h>
#include <string.h>

/* A folder that is away is looked for so often; */
#define AGAIN_US INT64_C(500000)
/* names may change at any time, and are looked at so often at least; */
#define RARE_US INT64_C(1000000)
/* and a look should not take so long. */
#define SLOW_US INT64_C(10000000)

void ds_driver_share_files(ds_driver *d)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->n_intakes; i++)
        n += ds_intake_follows(&d->intakes[i]);
    for (uint32_t i = 0; i < d->n_intakes && d->config.open_files != 0; i++)
        if (d->intakes[i].tail.room > d->config.open_files / (n > 0 ? n : 1))
            d->intakes[i].tail.room = d->config.open_files / (n > 0 ? n : 1);
}

/* Files that some batch has yet to read, or may have to read again, stay open. */
static void hold_files(const ds_driver *d, ds_intake *intake)
{
    const ds_batch *kept = ds_retained_oldest(&d->retained);
    int64_t open_ms = d->batches != NULL ? d->batches->time_ms : INT64_MAX;
    int64_t kept_ms = kept != NULL ? kept->time_ms : INT64_MAX;
    ds_tail_files_hold(&intake->tail, open_ms, kept_ms < open_ms ? kept_ms : open_ms);
}

void ds_driver_note_tails(ds_driver *d, const ds_batch *batch)
{
    for (uint32_t a = 0; a < batch->n_allotments; a++) {
        const ds_allotment *allotment = &batch->allotments[a];
        for (uint32_t i = 0; i < allotment->n_inputs; i++)
            if (allotment->inputs[i].kind == DS_INPUT_TAIL)
                ds_tail_files_given(&d->intakes[allotment->source].tail,
                                    allotment->inputs[i].tail.number, batch->time_ms);
    }
}

/* One look at a time: new files are told once, and by the one that comes first. */
static void ask(ds_driver *d, ds_intake *intake)
{
    DS_ASSERT(!intake->looking);
    hold_files(d, intake);
    ds_arena *arena = ds_arena_new(NULL);
    ds_follow_request *request = DS_ARENA_NEW(arena, ds_follow_request);
    *request = ds_tail_files_ask(&intake->tail, arena);
    request->all = !intake->listed;
    intake->looked_us = d->now_us;
    intake->looking = true;
    d->ports.follow(d->ports.arg, intake->index, request, arena);
}

/* A look that is under way already will do. */
void ds_driver_ask_tails(ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        ds_intake *intake = &d->intakes[i];
        intake->tick_waits = intake->needed && ds_intake_follows(intake) &&
                             d->phase != DS_PHASE_STOPPING &&
                             !(d->config.available_now && intake->listed);
        if (!intake->tick_waits)
            continue;
        d->tick.lists_due++;
        if (!intake->looking)
            ask(d, intake);
    }
}

/* Files may have other names than those that the checkpoint knows, and batches that run again read
 * them first. */
void ds_driver_find_tails(ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        ds_intake *intake = &d->intakes[i];
        intake->sought = intake->needed && ds_intake_follows(intake) && intake->tail.n > 0;
        if (intake->sought)
            ask(d, intake);
    }
}

bool ds_driver_tails_found(const ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (d->intakes[i].sought)
            return false;
    return true;
}

void ds_driver_doubt_tails(ds_driver *d, const ds_node *root)
{
    if (root->kind == DS_NODE_SOURCE)
        d->intakes[root->source - d->plan->app->sources].doubted = true;
}

/* When files are to be looked at again beside the ticks: while batches wait for some, and where
 * ticks are rare. */
static int64_t next_look_us(const ds_driver *d, const ds_intake *intake)
{
    if (!intake->needed || !ds_intake_follows(intake) || intake->looking || d->tick.active)
        return INT64_MAX;
    if (intake->doubted || ds_tail_files_away(&intake->tail) > 0)
        return intake->looked_us + AGAIN_US;
    const bool rare = d->plan->app->interval_ms * 1000 > RARE_US && intake->listed;
    return rare && d->phase == DS_PHASE_RUNNING && !d->config.available_now
               ? intake->looked_us + RARE_US
               : INT64_MAX;
}

/* A folder of a file system that hangs holds up all batches: who waits is told why. */
static int64_t next_word_us(const ds_intake *intake)
{
    return intake->looking && !intake->slow ? intake->looked_us + SLOW_US : INT64_MAX;
}

void ds_driver_watch_tails(ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        ds_intake *intake = &d->intakes[i];
        if (next_look_us(d, intake) <= d->now_us)
            ask(d, intake);
        if (next_word_us(intake) > d->now_us)
            continue;
        intake->slow = true;
        ds_log_warn("source %s: whoever looks at the files of %s has not come back for %d s; "
                    "batches wait for it",
                    intake->source->name, intake->source->glob, (int)(SLOW_US / 1000000));
    }
}

int64_t ds_driver_tails_deadline(const ds_driver *d)
{
    int64_t soonest = INT64_MAX;
    for (uint32_t i = 0; i < d->n_intakes; i++) {
        int64_t look_us = next_look_us(d, &d->intakes[i]), word_us = next_word_us(&d->intakes[i]);
        soonest = look_us < soonest ? look_us : soonest;
        soonest = word_us < soonest ? word_us : soonest;
    }
    return soonest;
}

/* What is in a file that began again is not what a batch had, and may look like it: no file has the
 * id that the batch looks for from now on, so its bytes are gone, and counted. */
static void leave_out(const ds_tail_files *tail, ds_input *input)
{
    if (ds_tail_files_began_again(tail, input->tail.number, &input->tail.id)) {
        input->tail.id = (ds_file_id){0};
        input->tail.pid = input->tail.fd = 0;
    }
}

void ds_driver_await_tails(const ds_driver *d, const ds_batch *batch, const ds_node *source,
                           const ds_batch_task *task)
{
    DS_ASSERT(source->kind == DS_NODE_SOURCE);
    const ds_tail_files *tail = &d->intakes[source->source - d->plan->app->sources].tail;
    for (uint32_t i = 0; i < task->n_inputs && task->inputs[i].kind == DS_INPUT_TAIL; i++) {
        ds_input *input = &task->inputs[i];
        const ds_tail_file *file = ds_tail_files_find(tail, input->tail.number);
        input->tail.awaited = file != NULL;
        if (file == NULL) {
            leave_out(tail, input);
            continue;
        }
        if (strcmp(input->path, file->path) != 0)
            input->path = ds_arena_strdup(batch->arena, file->path);
        input->tail.pid = file->pid;
        input->tail.fd = file->fd;
    }
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

static void run_now(const ds_driver *d, const ds_intake *intake, ds_batch *batch)
{
    for (uint32_t s = 0; s < d->plan->n_stages; s++) {
        ds_batch_stage *stage = &batch->stages[s];
        if (d->plan->stages[s].root->source != intake->source)
            continue;
        for (uint32_t p = 0; p < stage->n_tasks; p++)
            stage->tasks[p].not_before_us = 0;
        stage->again_us = 0;
    }
}

/* Files are back, or known to be gone: tasks that wait before they try again need not. */
static void run_waiting(const ds_driver *d, const ds_intake *intake)
{
    for (ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        run_now(d, intake, batch);
    for (size_t i = d->retained.first; d->n_open > 0 && i < d->retained.n; i++)
        run_now(d, intake, d->retained.list[i]);
}

void ds_driver_on_followed(ds_driver *d, const ds_driver_event *event)
{
    DS_ASSERT(event->source < d->n_intakes);
    ds_intake *intake = &d->intakes[event->source];
    DS_ASSERT(ds_intake_follows(intake));
    if (intake->tick_waits && d->tick.lists_due > 0)
        d->tick.lists_due--;
    intake->tick_waits = intake->sought = intake->looking = intake->doubted = false;
    if (intake->slow)
        ds_log_info("source %s: its files were looked at", intake->source->name);
    intake->slow = false;
    bool final = d->config.available_now, first = !intake->tail.seen;
    uint64_t lost = intake->tail.lost_bytes;
    const uint32_t away = ds_tail_files_away(&intake->tail);
    ds_tail_files_see(&intake->tail, event->seen, d->now_us, final);
    if (ds_tail_files_away(&intake->tail) < away)
        run_waiting(d, intake);
    count(d, intake, lost);
    if (final && !intake->listed && lacks_input(d, intake, event->seen))
        return;
    if (!intake->listed && intake->tail.n == 0)
        ds_log_warn("source %s: no file matches %s yet", intake->source->name,
                    intake->source->glob);
    intake->listed = intake->ever_listed = true;
    /* A restart has to know where the files began, and where they are. */
    if (d->config.checkpoint && ((first && intake->source->start_at_end) || intake->tail.news))
        ds_driver_journal(d, NULL, true);
    intake->tail.news = false;
}
