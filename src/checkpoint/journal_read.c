/* The reading half of journal.h. Nothing in a file is trusted: types and ranges are checked. A last
 * line that does not hold ends the journal; a crash never leaves one whose checksum does and whose
 * content cannot be, so that such a journal is refused. */
#include "checkpoint/journal.h"

#include "base/assert.h"
#include "checkpoint/journal_commit.h"
#include "checkpoint/journal_fields.h"
#include "checkpoint/journal_inputs.h"
#include "checkpoint/journal_lines.h"
#include "checkpoint/journal_positions.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- records ---- */

static ds_recovered_batch *find_batch(ds_recovered *recovered, int64_t time_ms)
{
    for (uint32_t i = 0; i < recovered->n_batches; i++)
        if (recovered->batches[i].time_ms == time_ms)
            return &recovered->batches[i];
    return NULL;
}

static bool add_batch(ds_recovered *recovered, const ds_plan *plan, const json_t *object)
{
    ds_recovered_batch batch = {0};
    if (!ds_journal_time(object, "batch_ms", &batch.time_ms) ||
        find_batch(recovered, batch.time_ms) != NULL ||
        !ds_journal_read_given(recovered->arena, plan, object, &batch))
        return false;
    if (json_object_get(object, "files") != NULL &&
        !ds_journal_read_commit(recovered->arena, object, &batch))
        return false;
    batch.committed = json_is_true(json_object_get(object, "committed"));
    ds_recovered_batch *grown =
        DS_ARENA_ARRAY(recovered->arena, ds_recovered_batch, recovered->n_batches + 1);
    if (recovered->n_batches > 0)
        memcpy(grown, recovered->batches, recovered->n_batches * sizeof *grown);
    grown[recovered->n_batches++] = batch;
    recovered->batches = grown;
    if (batch.time_ms > recovered->last_ms)
        recovered->last_ms = batch.time_ms;
    return true;
}

static void remove_batch(ds_recovered *recovered, int64_t time_ms)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < recovered->n_batches; i++)
        if (recovered->batches[i].time_ms != time_ms)
            recovered->batches[kept++] = recovered->batches[i];
    DS_ASSERT(kept + 1 == recovered->n_batches); /* a time stands there once */
    recovered->n_batches = kept;
}

/* What a save covers need not run again. */
static bool read_saved(ds_recovered *recovered, const json_t *object)
{
    if (!ds_journal_read_kept(recovered->arena, object, &recovered->kept))
        return false;
    uint32_t left = 0;
    for (uint32_t i = 0; i < recovered->n_batches; i++) {
        const ds_recovered_batch *batch = &recovered->batches[i];
        if (!batch->committed || batch->time_ms > recovered->kept.batch_ms)
            recovered->batches[left++] = *batch;
    }
    recovered->n_batches = left;
    return true;
}

/* A batch that was given up; earlier versions noted when and why only. */
static bool add_failed(ds_recovered *recovered, const json_t *object)
{
    int64_t time_ms;
    if (!json_is_object(object) || !ds_journal_time(object, "batch_ms", &time_ms))
        return false;
    json_t *copy = json_copy((json_t *)(uintptr_t)object);
    ds_journal_drop_words(copy);
    char *text = json_dumps(copy, JSON_COMPACT);
    DS_ASSERT(text != NULL);
    ds_failed_add(&recovered->failed, text);
    free(text);
    json_decref(copy);
    return true;
}

static bool read_failed(ds_recovered *recovered, const json_t *list)
{
    size_t i;
    const json_t *object;
    if (list != NULL && !json_is_array(list))
        return false;
    json_array_foreach(list, i, object)
    {
        if (!add_failed(recovered, object))
            return false;
    }
    return true;
}

static bool read_whole(ds_recovered *recovered, const ds_plan *plan, const json_t *object)
{
    uint64_t partitions;
    ds_journal_time(object, "interval_ms", &recovered->interval_ms);
    ds_journal_time(object, "last_input_ms", &recovered->last_input_ms);
    recovered->app = ds_journal_text(recovered->arena, object, "app");
    if (recovered->app == NULL || !ds_journal_hex(object, "plan_hash", &recovered->plan_hash) ||
        !ds_journal_hex(object, "epoch", &recovered->epoch) ||
        !ds_journal_number(object, "key_partitions", &partitions) || partitions == 0 ||
        partitions > UINT32_MAX || !ds_journal_time(object, "zero_ms", &recovered->zero_ms) ||
        !ds_journal_time(object, "last_batch_ms", &recovered->last_ms) ||
        !ds_journal_read_sources(recovered, json_object_get(object, "sources")))
        return false;
    recovered->key_partitions = (uint32_t)partitions;
    const json_t *kept = json_object_get(object, "kept");
    if (kept != NULL && !ds_journal_read_kept(recovered->arena, kept, &recovered->kept))
        return false;
    size_t i;
    const json_t *batch;
    json_array_foreach(json_object_get(object, "batches"), i, batch)
    {
        if (!add_batch(recovered, plan, batch))
            return false;
    }
    return read_failed(recovered, json_object_get(object, "failed"));
}

static bool read_delta(ds_recovered *recovered, const ds_plan *plan, const json_t *object)
{
    const char *kind = ds_journal_kind(object);
    if (strcmp(kind, "allotted") == 0)
        return add_batch(recovered, plan, object);
    if (strcmp(kind, "saved") == 0)
        return read_saved(recovered, object);
    int64_t time_ms;
    if (!ds_journal_time(object, "batch_ms", &time_ms))
        return false;
    ds_recovered_batch *batch = find_batch(recovered, time_ms);
    if (strcmp(kind, "prepared") == 0)
        return batch != NULL && ds_journal_read_commit(recovered->arena, object, batch);
    if (strcmp(kind, "committed") != 0 && strcmp(kind, "failed") != 0)
        return false;
    if (kind[0] == 'f' && !add_failed(recovered, object))
        return false;
    /* What a save has is not retained, whatever the record says. */
    if (batch != NULL && json_is_true(json_object_get(object, "retained")) &&
        (recovered->kept.save == 0 || time_ms > recovered->kept.batch_ms))
        batch->committed = true;
    else if (batch != NULL)
        remove_batch(recovered, time_ms);
    return true;
}

/* ---- the whole file ---- */

static ds_status read_first(const char *name, const char *line, size_t length, const ds_plan *plan,
                            ds_recovered *recovered, ds_error *error)
{
    json_t *object = ds_journal_line(line, length);
    if (object == NULL)
        return ds_error_set(error, DS_ERR_IO,
                            "%s: the first record is damaged (its checksum does not hold)", name);
    uint64_t format = 0;
    ds_status status = DS_OK;
    if (!ds_journal_number(object, "format", &format) || format < DS_JOURNAL_OLDEST ||
        format > DS_JOURNAL_FORMAT)
        status = ds_error_set(error, DS_ERR_APP,
                              "%s: format %" PRIu64 " of the checkpoint is not known here (this "
                              "version reads format %d)",
                              name, format, DS_JOURNAL_FORMAT);
    else if (!read_whole(recovered, plan, object))
        status =
            ds_error_set(error, DS_ERR_IO, "%s: the first record is not what it should be", name);
    recovered->format = (uint32_t)format;
    json_decref(object);
    return status;
}

/* True for a record that was written when all before it was on the disk, or made it so: a commit
 * record, what tells that a save is finished; and of a batch that is committed, if its commit
 * record was not seen. */
static bool proves(ds_recovered *recovered, const json_t *object)
{
    const char *kind = ds_journal_kind(object);
    int64_t time_ms;
    if (strcmp(kind, "committed") != 0 || !ds_journal_time(object, "batch_ms", &time_ms))
        return strcmp(kind, "prepared") == 0 || strcmp(kind, "saved") == 0;
    const ds_recovered_batch *batch = find_batch(recovered, time_ms);
    return batch == NULL || !(batch->prepared || batch->committed);
}

/* True if records stand there that tell that all before them was on the disk: then what does not
 * hold is no remnant of a crash. */
static bool goes_on(ds_recovered *recovered, const char *at, const char *end)
{
    const char *line;
    size_t length;
    bool proved = false;
    while (!proved && ds_journal_next(&at, end, &line, &length)) {
        json_t *object = ds_journal_line(line, length);
        proved = proves(recovered, object);
        json_decref(object);
    }
    return proved;
}

/* Where a line stands. */
typedef struct place {
    const char *name; /* of the file */
    size_t byte;
    const char *next, *end; /* what is behind it */
} place;

/* A line does not hold. */
static ds_status end_at(ds_recovered *recovered, const place *here, ds_error *error)
{
    DS_ASSERT(recovered->warning == NULL);
    if (goes_on(recovered, here->next, here->end))
        return ds_error_set(error, DS_ERR_IO,
                            "%s: the record at byte %zu is damaged, and whole ones stand behind it",
                            here->name, here->byte);
    recovered->warning = ds_arena_printf(recovered->arena,
                                         "%s: record at byte %zu is cut short or damaged; it and "
                                         "%zu bytes behind it are left out",
                                         here->name, here->byte, (size_t)(here->end - here->next));
    return DS_OK;
}

static ds_status take_in(ds_recovered *recovered, const ds_plan *plan, const char *line,
                         size_t length, const place *here, ds_error *error)
{
    json_t *object = ds_journal_line(line, length);
    bool fine = object != NULL && read_delta(recovered, plan, object);
    if (fine)
        ds_journal_note_positions(recovered, object);
    json_decref(object);
    return fine ? DS_OK
                : ds_error_set(error, DS_ERR_IO,
                               "%s: the record at byte %zu is not what it should be", here->name,
                               here->byte);
}

ds_status ds_journal_read(const char *name, const char *text, size_t length, const ds_plan *plan,
                          ds_recovered **result, ds_error *error)
{
    const char *at = text, *end = text + length, *line = "";
    size_t line_length = 0;
    ds_arena *arena = ds_arena_new(NULL);
    ds_recovered *recovered = DS_ARENA_NEW(arena, ds_recovered);
    recovered->arena = arena;
    recovered->last_input_ms = recovered->kept.batch_ms = DS_NO_BATCH;
    ds_journal_next(&at, end, &line, &line_length);
    ds_status status = read_first(name, line, line_length, plan, recovered, error);
    while (status == DS_OK && recovered->warning == NULL &&
           ds_journal_next(&at, end, &line, &line_length)) {
        const place here = {name, (size_t)(line - text), at, end};
        if (!ds_journal_holds(line, line_length))
            status = end_at(recovered, &here, error);
        else
            status = take_in(recovered, plan, line, line_length, &here, error);
    }
    if (status != DS_OK) {
        ds_recovered_free(recovered);
        return status;
    }
    ds_journal_merge_files(recovered);
    *result = recovered;
    return DS_OK;
}

void ds_recovered_free(ds_recovered *recovered)
{
    if (recovered == NULL)
        return;
    for (uint32_t i = 0; i < recovered->n_sources; i++)
        ds_tail_files_fini(&recovered->sources[i].tail);
    ds_failed_fini(&recovered->failed);
    ds_arena_free(recovered->arena);
}
