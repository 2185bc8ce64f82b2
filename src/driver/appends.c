/*
 * Where the bytes of `append` sinks go (append.h says how they get there).
 *
 * Every append has a base: how long its file is before it. It is in the commit record before the
 * first byte is written, so that after a crash everybody knows what is whose. While nobody else
 * writes to the file the base is where the append before it ends. The first one does not know
 * that; and a file may be renamed or cut by others. Then the disk leaves the file alone and tells
 * what it is now; that goes into the commit records of all batches that are prepared, and the
 * commit goes on.
 *
 * These records are written one after the other, so a crash may leave only the first of them. But
 * no batch is begun before those before it are done: a base that is not where the append before it
 * ends is out of date, and nothing of that batch is in the file.
 */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>

static uint64_t size_of(const ds_commit_append *append)
{
    uint64_t size = 0;
    for (uint32_t i = 0; i < append->n_parts; i++)
        size += append->parts[i].length;
    return size;
}

static bool is_known(const ds_append_end *end)
{
    return end->length != DS_APPEND_UNKNOWN;
}

static ds_append_end end_of(const ds_commit_append *append)
{
    ds_append_end end = append->base;
    if (is_known(&end))
        end.length += size_of(append);
    return end;
}

static ds_commit_append *find(const ds_commit *commit, uint32_t sink)
{
    for (uint32_t i = 0; i < commit->n_appends; i++)
        if (commit->appends[i].sink == sink)
            return &commit->appends[i];
    return NULL;
}

/* Where the file of a sink ends before a batch; unknown if one before it is not prepared. */
static ds_append_end end_before(const ds_driver *d, const ds_batch *batch, uint32_t sink)
{
    DS_ASSERT(sink < d->plan->n_sinks);
    ds_append_end end = d->append_ends[sink];
    for (const ds_batch *before = d->batches; before != batch; before = before->next) {
        DS_ASSERT(before->time_ms < batch->time_ms);
        if (before->state == DS_BATCH_FAILED)
            continue;
        if (!ds_batch_is_prepared(before))
            return (ds_append_end){DS_APPEND_UNKNOWN, 0};
        const ds_commit_append *append = find(&before->commit, sink);
        if (append != NULL)
            end = end_of(append);
    }
    return end;
}

void ds_driver_place_appends(const ds_driver *d, ds_batch *batch, const ds_commit *earlier)
{
    for (uint32_t i = 0; i < batch->commit.n_appends; i++) {
        ds_commit_append *append = &batch->commit.appends[i];
        const ds_commit_append *same = earlier != NULL ? find(earlier, append->sink) : NULL;
        append->begun = same != NULL && same->begun;
        append->base = append->begun ? same->base : end_before(d, batch, append->sink);
    }
}

void ds_driver_recover_appends(const ds_driver *d, ds_batch *batch)
{
    ds_commit *commit = &batch->commit;
    DS_ASSERT(batch->recovered);
    ds_commit_append *own = DS_ARENA_ARRAY(batch->arena, ds_commit_append, commit->n_appends + 1);
    for (uint32_t i = 0; i < commit->n_appends; i++) {
        own[i] = commit->appends[i];
        own[i].begun = is_known(&own[i].base);
        own[i].sink = UINT32_MAX;
        for (uint32_t s = 0; s < d->plan->n_sinks; s++)
            if (d->plan->sinks[s]->kind == DS_TO_APPEND &&
                strcmp(d->plan->sinks[s]->path, own[i].path) == 0)
                own[i].sink = s;
    }
    commit->appends = own;
}

void ds_driver_appends_failed(ds_batch *batch)
{
    DS_ASSERT(batch->state == DS_BATCH_READY);
    for (uint32_t i = 0; i < batch->commit.n_appends; i++) {
        ds_commit_append *append = &batch->commit.appends[i];
        append->begun = is_known(&append->base);
    }
}

void ds_driver_appends_done(ds_driver *d, const ds_batch *batch)
{
    DS_ASSERT(batch == d->batches && batch->state == DS_BATCH_COMMITTING);
    for (uint32_t i = 0; i < batch->commit.n_appends; i++) {
        const ds_commit_append *append = &batch->commit.appends[i];
        DS_ASSERT(is_known(&append->base));
        if (append->sink < d->plan->n_sinks)
            d->append_ends[append->sink] = end_of(append);
    }
}

/* ---- one behind the other ---- */

static bool same(const ds_append_end *a, const ds_append_end *b)
{
    return a->length == b->length && a->inode == b->inode;
}

/* What the batches from `first` on and before `batch` add last to a file, or NULL. */
static const ds_commit_append *append_before(const ds_batch *first, const ds_batch *batch,
                                             const char *path)
{
    const ds_commit_append *last = NULL;
    for (; first != batch; first = first->next)
        for (uint32_t i = 0; i < first->commit.n_appends && first->state != DS_BATCH_FAILED; i++)
            if (strcmp(first->commit.appends[i].path, path) == 0)
                last = &first->commit.appends[i];
    return last;
}

/* Gives a batch the bases that it has behind the batches from `first` on. True if it had others. */
static bool follow(const ds_batch *first, ds_batch *batch)
{
    bool changed = false;
    DS_ASSERT(first->time_ms < batch->time_ms);
    for (uint32_t i = 0; i < batch->commit.n_appends && batch->state != DS_BATCH_FAILED; i++) {
        ds_commit_append *append = &batch->commit.appends[i];
        const ds_commit_append *before = append_before(first, batch, append->path);
        const ds_append_end end = before != NULL ? end_of(before) : append->base;
        if (same(&end, &append->base))
            continue;
        append->base = end;
        append->begun = false;
        changed = true;
    }
    return changed;
}

void ds_driver_follow_appends(ds_driver *d, const ds_batch *batch)
{
    for (ds_batch *later = batch->next; later != NULL; later = later->next)
        if (follow(batch, later) && d->config.checkpoint)
            ds_driver_note_bases(d, later);
}

void ds_driver_recovered_appends(ds_driver *d)
{
    DS_ASSERT(d->next_ticket == 0); /* the first record is a whole one, and has all bases */
    for (ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        if (batch != d->batches && follow(d->batches, batch))
            batch->bases_ticket = 1;
}

/* ---- a file that is not as it was left ---- */

static void tell(const ds_commit_append *append, int64_t batch_ms, const ds_append_end *end)
{
    char time[DS_CLOCK_TEXT];
    ds_clock_text(batch_ms, time);
    if (!is_known(&append->base))
        return;
    if (append->begun)
        ds_log_warn("%s was cut, or is not the file that batch %s was being added to, which is not "
                    "beside it: the batch is added as a whole, and a part of it may be in that "
                    "other file, too",
                    append->path, time);
    else if (end->inode == append->base.inode && end->length > append->base.length)
        ds_log_warn("%s has %" PRIu64 " bytes, and not %" PRIu64
                    ": something else wrote to it; batch %s goes behind that",
                    append->path, end->length, append->base.length, time);
    else
        ds_log_info("%s was cut, or begun anew (%" PRIu64 " bytes): batch %s is the first in it",
                    append->path, end->length, time);
}

void ds_driver_move_appends(ds_driver *d, ds_batch *batch, const ds_append_end *ends)
{
    DS_ASSERT(batch == d->batches);
    DS_ASSERT(batch->state == DS_BATCH_COMMITTING);
    for (uint32_t i = 0; i < batch->commit.n_appends; i++) {
        ds_commit_append *append = &batch->commit.appends[i];
        if (same(&ends[i], &append->base)) {
            append->begun = true; /* it is done, even */
            continue;
        }
        tell(append, batch->time_ms, &ends[i]);
        append->base = ends[i];
        append->begun = false;
    }
    ds_driver_record_commit(d, batch);
    ds_driver_follow_appends(d, batch);
}
