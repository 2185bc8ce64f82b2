/*
 * When the marks of a batch (placed.h) may go: once its `committed` record is durable. That record
 * is not synced by itself, but with the next one that is. Marks wait in
 * two lists: those behind which no synced record was sent yet, and those behind which one was that
 * is not answered yet. Where nothing follows for a while, a record is synced for them.
 */
#include "driver/driver_state.h"

#include "base/assert.h"
#include "base/memory.h"
#include "checkpoint/placed.h"

#include <stdlib.h>
#include <string.h>

#define MARKS_WAIT_US INT64_C(1000000)

static void add(ds_marks *marks, const char *staged)
{
    ds_buffer path = {0};
    ds_placed_path(&path, staged);
    marks->paths = ds_realloc(marks->paths, marks->n + 1, sizeof *marks->paths);
    marks->paths[marks->n++] = ds_strdup(ds_buffer_text(&path));
    ds_buffer_fini(&path);
}

void ds_marks_fini(ds_marks *marks)
{
    for (size_t i = 0; i < marks->n; i++)
        free(marks->paths[i]);
    free(marks->paths);
    *marks = (ds_marks){0};
}

static void drop(ds_driver *d, ds_marks *marks)
{
    if (marks->n > 0)
        d->ports.drop_files(d->ports.arg, (const char *const *)marks->paths, marks->n);
    ds_marks_fini(marks);
}

void ds_driver_note_marks(ds_driver *d, const ds_batch *batch)
{
    const ds_commit *commit = &batch->commit;
    DS_ASSERT(batch->state == DS_BATCH_COMMITTING);
    if (d->marks.n == 0)
        d->marks_since_us = d->now_us;
    for (uint32_t i = 0; i < commit->n_files; i++)
        if (i == 0 || strcmp(commit->files[i].folder, commit->files[i - 1].folder) != 0)
            add(&d->marks, commit->files[i].staged);
    for (uint32_t i = 0; i < commit->n_appends; i++)
        add(&d->marks, commit->appends[i].parts[0].staged);
    if (!d->config.checkpoint)
        drop(d, &d->marks);
}

void ds_driver_cover_marks(ds_driver *d, uint64_t ticket)
{
    if (d->covered_marks.n > 0)
        return; /* or under a steady load they would wait for ever */
    d->covered_marks = d->marks;
    d->covered_ticket = ticket;
    d->marks = (ds_marks){0};
}

void ds_driver_marks_journaled(ds_driver *d, uint64_t ticket)
{
    if (d->covered_ticket <= ticket)
        drop(d, &d->covered_marks);
}

int64_t ds_driver_marks_deadline(const ds_driver *d)
{
    bool waits = d->marks.n > 0 && d->covered_marks.n == 0 && d->journal_retry_us == 0;
    return waits ? d->marks_since_us + MARKS_WAIT_US : INT64_MAX;
}

void ds_driver_tend_marks(ds_driver *d)
{
    if (d->now_us >= ds_driver_marks_deadline(d))
        ds_driver_sync_journal(d);
}

/* An end that does not wait would remove them whatever becomes of the record: on a full disk the
 * next start would take the batch for one that is not committed. */
bool ds_driver_marks_end(ds_driver *d)
{
    if (d->marks.n > 0 && d->covered_marks.n == 0 && d->journal_retry_us == 0)
        ds_driver_sync_journal(d);
    return d->marks.n + d->covered_marks.n == 0;
}
