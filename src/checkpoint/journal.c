/* The writing half of journal.h. */
#include "checkpoint/journal.h"

#include "base/assert.h"
#include "checkpoint/journal_kept.h"
#include "checkpoint/journal_lines.h"

#include <inttypes.h>

static json_t *time_of(int64_t ms)
{
    return json_integer(ms);
}

static void set(json_t *object, const char *key, json_t *value)
{
    int failed = json_object_set_new(object, key, value);
    DS_ASSERT(failed == 0);
}

static void set_hex(json_t *object, const char *key, uint64_t value)
{
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, value);
    set(object, key, json_string(text));
}

/* A path or name. Names of files may be any bytes: what is not UTF-8 stands in hex. */
static json_t *text_of(const char *text)
{
    json_t *value = json_string(text);
    if (value != NULL)
        return value;
    ds_buffer hex = {0};
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        ds_buffer_printf(&hex, "%02x", *p);
    value = json_object();
    set(value, "hex", json_string(ds_buffer_text(&hex)));
    ds_buffer_fini(&hex);
    return value;
}

static void set_id(json_t *object, const ds_file_id *id)
{
    set(object, "device", json_integer((json_int_t)id->device));
    set(object, "inode", json_integer((json_int_t)id->inode));
    set(object, "head_bytes", json_integer(id->head_bytes));
    set_hex(object, "head", id->head);
}

static void set_tail(json_t *object, const ds_tail_input *tail)
{
    set(object, "number", json_integer((json_int_t)tail->number));
    set_id(object, &tail->id);
    if (tail->stop != 0)
        set(object, "stop", json_integer((json_int_t)tail->stop));
    if (tail->starts)
        set(object, "starts", json_true());
}

/* The folder of the log is the checkpoint's: the name is enough. */
static void set_place(json_t *object, const ds_log_place *place)
{
    char name[DS_LOG_NAME];
    if (place->receiver_id == 0)
        return;
    ds_log_place_name(name, place);
    set(object, "log", json_string(name));
    set(object, "log_offset", json_integer((json_int_t)place->offset));
}

static void set_block(json_t *object, const ds_input *input)
{
    DS_ASSERT(input->from <= input->to);
    set(object, "length", json_integer((json_int_t)input->ref.length));
    set(object, "first_record", json_integer((json_int_t)input->position));
    set(object, "records", json_integer((json_int_t)(input->to - input->from)));
    if (input->header > 0)
        set(object, "header", json_integer(input->header));
    set_place(object, &input->log);
}

static json_t *input_json(const ds_input *input)
{
    json_t *object = json_object();
    switch (input->kind) {
    case DS_INPUT_TAIL:
    case DS_INPUT_FILE:
        set(object, "file", text_of(input->path));
        set(object, "from", json_integer((json_int_t)input->from));
        set(object, "to", json_integer((json_int_t)input->to));
        if (input->kind == DS_INPUT_TAIL)
            set_tail(object, &input->tail);
        break;
    case DS_INPUT_BLOCK:
        set(object, "executor", json_integer((json_int_t)input->ref.executor_id));
        set(object, "offset", json_integer((json_int_t)input->ref.offset));
        set_block(object, input);
        break;
    case DS_INPUT_LOG: set_block(object, input); break;
    case DS_INPUT_RATE:
        set(object, "first_row", json_integer((json_int_t)input->from));
        set(object, "end_row", json_integer((json_int_t)input->to));
        set(object, "time_us", json_integer((json_int_t)input->position));
        break;
    case DS_INPUT_QUEUE: set(object, "list", json_integer((json_int_t)input->from)); break;
    default: DS_UNREACHABLE();
    }
    return object;
}

static bool is_table(const ds_plan *plan, uint32_t source)
{
    DS_ASSERT(source < plan->app->n_sources);
    return plan->app->sources[source].type == DS_SOURCE_TABLE;
}

/* Which version of which file: for people. */
static json_t *table_json(const ds_app_source *source, const ds_batch_table *use)
{
    json_t *object = json_object();
    set(object, "version", json_integer((json_int_t)use->version));
    if (source->batches != NULL)
        return object;
    set(object, "file", text_of(source->file));
    set(object, "bytes", json_integer((json_int_t)use->stamp.size));
    set(object, "modified_ms", time_of(use->stamp.modified_ns / 1000000));
    set_hex(object, "checksum", use->checksum);
    return object;
}

/* Adds the tables that a batch uses, if there are any. */
static void add_tables(json_t *object, const ds_plan *plan, const ds_batch *batch)
{
    if (batch->n_tables == 0)
        return;
    json_t *tables = json_object();
    for (uint32_t i = 0; i < batch->n_tables; i++) {
        const ds_app_source *source = &plan->app->sources[batch->tables[i].source];
        set(tables, source->name, table_json(source, &batch->tables[i]));
    }
    set(object, "tables", tables);
}

static json_t *allotments_json(const ds_plan *plan, const ds_batch *batch)
{
    json_t *sources = json_object();
    for (uint32_t i = 0; i < batch->n_allotments; i++) {
        const ds_allotment *allotment = &batch->allotments[i];
        if (allotment->n_inputs == 0 || is_table(plan, allotment->source))
            continue;
        json_t *inputs = json_array();
        for (uint32_t k = 0; k < allotment->n_inputs; k++)
            json_array_append_new(inputs, input_json(&allotment->inputs[k]));
        set(sources, plan->app->sources[allotment->source].name, inputs);
    }
    return sources;
}

/* Lists that are empty are no input, but they are passed. */
static json_t *next_json(const ds_plan *plan, const ds_batch *batch)
{
    json_t *sources = json_object();
    for (uint32_t i = 0; i < batch->n_allotments; i++)
        if (batch->allotments[i].next > 0)
            set(sources, plan->app->sources[batch->allotments[i].source].name,
                json_integer((json_int_t)batch->allotments[i].next));
    return sources;
}

static json_t *files_json(const ds_commit_file *files, uint32_t n, bool appended)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < n; i++) {
        const ds_commit_file *file = &files[i];
        json_t *object = json_object();
        set(object, "staged", text_of(file->staged));
        if (!appended) {
            set(object, "folder", text_of(file->folder));
            set(object, "name", json_string(file->name));
        }
        set(object, "bytes", json_integer((json_int_t)file->length));
        set(object, "rows", json_integer((json_int_t)file->rows));
        set_hex(object, "checksum", file->checksum);
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *append_json(const ds_commit_append *append)
{
    DS_ASSERT(append->n_parts > 0 && append->path != NULL);
    json_t *object = json_object();
    set(object, "path", text_of(append->path));
    if (append->base.length != DS_APPEND_UNKNOWN) {
        set(object, "base", json_integer((json_int_t)append->base.length));
        set(object, "inode", json_integer((json_int_t)append->base.inode));
    }
    set(object, "parts", files_json(append->parts, append->n_parts, true));
    return object;
}

static void set_commit(json_t *object, const ds_commit *commit)
{
    set(object, "files", files_json(commit->files, commit->n_files, false));
    if (commit->n_appends == 0)
        return;
    json_t *appends = json_array();
    for (uint32_t i = 0; i < commit->n_appends; i++)
        json_array_append_new(appends, append_json(&commit->appends[i]));
    set(object, "appends", appends);
}

static json_t *record(const char *kind)
{
    json_t *object = json_object();
    set(object, "record", json_string(kind));
    return object;
}

void ds_journal_allotted(ds_buffer *out, const ds_plan *plan, const ds_batch *batch)
{
    DS_ASSERT(!ds_batch_is_prepared(batch));
    json_t *object = record("allotted");
    set(object, "batch_ms", time_of(batch->time_ms));
    set(object, "sources", allotments_json(plan, batch));
    json_t *next = next_json(plan, batch);
    if (json_object_size(next) > 0)
        json_object_set(object, "next", next);
    json_decref(next);
    add_tables(object, plan, batch);
    ds_journal_write(out, object);
}

void ds_journal_prepared(ds_buffer *out, int64_t batch_ms, const ds_commit *commit)
{
    DS_ASSERT(commit->batch_ms == batch_ms);
    json_t *object = record("prepared");
    set(object, "batch_ms", time_of(batch_ms));
    set_commit(object, commit);
    ds_journal_write(out, object);
}

void ds_journal_committed(ds_buffer *out, int64_t batch_ms, bool retained)
{
    json_t *object = record("committed");
    set(object, "batch_ms", time_of(batch_ms));
    if (retained)
        set(object, "retained", json_true());
    ds_journal_write(out, object);
}

/* Its words are others than those of a batch that is to run: no position goes by them. */
char *ds_journal_describe(const ds_plan *plan, const ds_batch *batch, const char *reason)
{
    json_t *object = json_object(), *uses = json_object();
    set(object, "batch_ms", time_of(batch->time_ms));
    set(object, "reason", text_of(reason));
    set(object, "inputs", allotments_json(plan, batch));
    add_tables(uses, plan, batch);
    json_t *tables = json_object_get(uses, "tables");
    if (tables != NULL)
        json_object_set(object, "versions", tables);
    json_decref(uses);
    char *text = json_dumps(object, JSON_COMPACT);
    DS_ASSERT(text != NULL);
    json_decref(object);
    return text;
}

void ds_journal_failed(ds_buffer *out, const char *text)
{
    json_t *object = record("failed"), *known = json_loads(text, 0, NULL);
    DS_ASSERT(json_is_object(known));
    json_object_update(object, known);
    json_decref(known);
    ds_journal_write(out, object);
}

/* ---- the whole ---- */

static json_t *tail_json(const ds_tail_files *tail)
{
    json_t *files = json_array();
    for (uint32_t i = 0; i < tail->n; i++) {
        const ds_tail_file *file = &tail->files[i];
        if (file->gone)
            continue;
        json_t *entry = json_object();
        set(entry, "number", json_integer((json_int_t)file->number));
        set(entry, "path", text_of(file->path));
        set_id(entry, &file->id);
        set(entry, "bytes", json_integer((json_int_t)file->size));
        set(entry, "taken", json_integer((json_int_t)file->taken));
        if (file->stop != 0)
            set(entry, "stop", json_integer((json_int_t)file->stop));
        if (file->cut)
            set(entry, "cut", json_true());
        if (file->moved)
            set(entry, "moved", json_true());
        json_array_append_new(files, entry);
    }
    return files;
}

static json_t *source_json(const ds_intake *intake)
{
    json_t *object = json_object();
    set(object, "type", json_string(ds_source_type_name(intake->source->type)));
    if (intake->source->type == DS_SOURCE_TABLE)
        set(object, "version", json_integer((json_int_t)intake->next));
    else if (intake->source->batches != NULL || intake->source->type == DS_SOURCE_RATE)
        set(object, "next", json_integer((json_int_t)intake->next));
    if (ds_intake_has_receiver(intake)) {
        set(object, "records", json_integer((json_int_t)intake->records));
        set_place(object, &intake->log_taken);
    }
    if (ds_intake_follows(intake)) {
        set(object, "followed", tail_json(&intake->tail));
        set(object, "listed", json_boolean(intake->tail.seen));
    }
    if (intake->source->type != DS_SOURCE_FILES)
        return object;
    json_t *files = json_array();
    for (size_t i = 0; i < intake->n_files; i++) {
        const ds_seen_file *file = &intake->files[i];
        DS_ASSERT(file->taken <= file->size);
        if (file->taken == 0)
            continue;
        json_t *entry = json_object();
        set(entry, "name", text_of(file->name));
        if (file->size != UINT64_MAX) /* known from a delta and not listed since */
            set(entry, "bytes", json_integer((json_int_t)file->size));
        set(entry, "taken", json_integer((json_int_t)file->taken));
        json_array_append_new(files, entry);
    }
    set(object, "files", files);
    set(object, "listed", json_boolean(intake->ever_listed));
    return object;
}

/* It was prepared, and runs again: some of that may be in its place. */
static bool may_be_placed(const ds_batch *batch)
{
    return batch->commit.n_files > 0 || batch->commit.n_appends > 0;
}

static json_t *batch_json(const ds_journal_state *state, const ds_batch *batch)
{
    json_t *object = json_object();
    set(object, "batch_ms", time_of(batch->time_ms));
    set(object, "sources", allotments_json(state->plan, batch));
    add_tables(object, state->plan, batch);
    if (batch->committed)
        set(object, "committed", json_true());
    else if (ds_batch_is_prepared(batch) || may_be_placed(batch))
        set_commit(object, &batch->commit);
    return object;
}

static json_t *batches_json(const ds_journal_state *state)
{
    json_t *batches = json_array();
    const ds_retained *retained = state->retained;
    for (size_t i = retained != NULL ? retained->first : 0; retained != NULL && i < retained->n;
         i++)
        json_array_append_new(batches, batch_json(state, retained->list[i]));
    for (const ds_batch *batch = state->batches; batch != NULL; batch = batch->next)
        if (batch->state != DS_BATCH_FAILED)
            json_array_append_new(batches, batch_json(state, batch));
    return batches;
}

static json_t *failed_json(const ds_failed_batches *failed)
{
    json_t *list = json_array();
    for (size_t i = 0; i < failed->n; i++) {
        json_t *object = json_loads(failed->texts[i], 0, NULL);
        DS_ASSERT(json_is_object(object));
        json_array_append_new(list, object);
    }
    return list;
}

void ds_journal_whole(ds_buffer *out, const ds_journal_state *state)
{
    json_t *object = record("whole");
    set(object, "format", json_integer(DS_JOURNAL_FORMAT));
    set(object, "written_by", json_string("dstream " DS_VERSION));
    set(object, "app", json_string(state->plan->app->name));
    set_hex(object, "plan_hash", state->plan->hash);
    set_hex(object, "epoch", state->epoch);
    set(object, "interval_ms", json_integer(state->plan->app->interval_ms));
    set(object, "key_partitions", json_integer(state->plan->key_partitions));
    set(object, "zero_ms", time_of(state->zero_ms));
    set(object, "last_batch_ms", time_of(state->last_ms));
    json_t *sources = json_object();
    for (uint32_t i = 0; i < state->n_intakes; i++)
        set(sources, state->intakes[i].source->name, source_json(&state->intakes[i]));
    set(object, "sources", sources);
    if (state->last_input_ms > 0)
        set(object, "last_input_ms", time_of(state->last_input_ms));
    set(object, "batches", batches_json(state));
    if (state->chains != NULL)
        ds_journal_put_chains(object, state->chains);
    if (state->failed != NULL && state->failed->n > 0)
        set(object, "failed", failed_json(state->failed));
    ds_journal_write(out, object);
}
