/* The reading half of journal.h. Nothing in a file is trusted: types and ranges are checked. A last
 * line that does not hold ends the journal; a crash never leaves one whose checksum does and whose
 * content cannot be, so that such a journal is refused. */
#include "checkpoint/journal.h"

#include "base/assert.h"
#include "checkpoint/journal_lines.h"
#include "checkpoint/recovered_sources.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- members ---- */

/* Members with their types checked: false leaves *to. */
static bool get_time(const json_t *object, const char *key, int64_t *to)
{
    uint64_t value;
    if (!ds_journal_number(object, key, &value))
        return false;
    *to = (int64_t)value;
    return true;
}

static bool get_hex(const json_t *object, const char *key, uint64_t *to)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL && strlen(text) == 16 && sscanf(text, "%" SCNx64, to) == 1;
}

/* Bytes from their hex digits; NULL if they are none, or hold a NUL. */
static const char *from_hex(ds_arena *arena, const char *hex)
{
    size_t length = strlen(hex) / 2;
    if (strspn(hex, "0123456789abcdef") != 2 * length)
        return NULL;
    char *text = ds_arena_calloc(arena, length + 1, 1);
    for (size_t i = 0; i < length; i++) {
        unsigned byte = 0;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1 || byte == 0)
            return NULL;
        text[i] = (char)byte;
    }
    return text;
}

static const char *get_text(ds_arena *arena, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *hex = json_string_value(json_object_get(value, "hex"));
    if (hex != NULL)
        return from_hex(arena, hex);
    return json_is_string(value) ? ds_arena_strdup(arena, json_string_value(value)) : NULL;
}

/* ---- parts ---- */

/* Any 64 bits. */
static bool get_bits(const json_t *object, const char *key, uint64_t *to)
{
    const json_t *value = json_object_get(object, key);
    *to = (uint64_t)json_integer_value(value);
    return json_is_integer(value);
}

static bool read_id(const json_t *object, ds_file_id *id)
{
    uint64_t head_bytes;
    if (!get_bits(object, "device", &id->device) || !get_bits(object, "inode", &id->inode) ||
        !get_hex(object, "head", &id->head) ||
        !ds_journal_number(object, "head_bytes", &head_bytes) || head_bytes > DS_HEAD_BYTES)
        return false;
    id->head_bytes = (uint32_t)head_bytes;
    return true;
}

/* What makes a piece of a file one of a file that grows. */
static bool read_tail(const json_t *object, ds_input *input)
{
    input->kind = DS_INPUT_TAIL;
    input->tail.starts = json_is_true(json_object_get(object, "starts"));
    ds_journal_number(object, "stop", &input->tail.stop);
    return ds_journal_number(object, "number", &input->tail.number) && input->tail.number > 0 &&
           read_id(object, &input->tail.id) &&
           (input->tail.stop == 0 || input->tail.stop >= input->to);
}

/* A place in the log: the name of a segment, and where in it. */
static bool read_place(const json_t *object, ds_log_place *place)
{
    const char *name = json_string_value(json_object_get(object, "log"));
    return name != NULL && ds_log_place_read(name, place) &&
           ds_journal_number(object, "log_offset", &place->offset);
}

/* A received block. If it is in the log its path is that of the driver's log folder (driver.c). */
static bool read_block(const json_t *object, ds_input *input)
{
    uint64_t records = 0, header = 0;
    ds_journal_number(object, "header", &header);
    if (!ds_journal_number(object, "length", &input->ref.length) ||
        !ds_journal_number(object, "first_record", &input->position) ||
        !ds_journal_number(object, "records", &records) || header > input->ref.length ||
        header > UINT32_MAX || records > input->ref.length)
        return false;
    input->header = (uint32_t)header;
    input->from = input->position;
    input->to = input->position + records;
    return true;
}

static bool read_input(ds_arena *arena, const json_t *object, ds_input *input)
{
    *input = (ds_input){.path = ""};
    if (json_object_get(object, "file") != NULL) {
        input->kind = DS_INPUT_FILE;
        input->path = get_text(arena, object, "file");
        bool fine = input->path != NULL && strlen(input->path) <= DS_MESSAGE_TEXT_LIMIT &&
                    ds_journal_number(object, "from", &input->from) &&
                    ds_journal_number(object, "to", &input->to) && input->from <= input->to;
        input->position = input->from;
        if (fine && json_object_get(object, "number") != NULL)
            return read_tail(object, input);
        return fine;
    }
    if (json_object_get(object, "first_row") != NULL) {
        input->kind = DS_INPUT_RATE;
        return ds_journal_number(object, "first_row", &input->from) &&
               ds_journal_number(object, "end_row", &input->to) && input->from <= input->to &&
               ds_journal_number(object, "time_us", &input->position);
    }
    if (json_object_get(object, "list") != NULL) {
        input->kind = DS_INPUT_QUEUE;
        bool fine = ds_journal_number(object, "list", &input->from);
        input->to = input->from + 1;
        return fine;
    }
    if (json_object_get(object, "log") != NULL) {
        input->kind = DS_INPUT_LOG;
        return read_place(object, &input->log) && read_block(object, input);
    }
    input->kind = DS_INPUT_BLOCK;
    return json_object_get(object, "executor") != NULL && read_block(object, input);
}

static int source_index(const ds_plan *plan, const char *name)
{
    for (uint32_t i = 0; plan != NULL && i < plan->app->n_sources; i++)
        if (strcmp(plan->app->sources[i].name, name) == 0)
            return (int)i;
    return -1;
}

static bool is_table(const ds_plan *plan, int source)
{
    return plan->app->sources[source].type == DS_SOURCE_TABLE;
}

/* Inputs of one source; those that one of another type had are left out. */
static bool read_inputs(ds_arena *arena, const ds_app_source *source, json_t *inputs,
                        ds_allotment *allotment, bool *has_blocks)
{
    allotment->inputs = DS_ARENA_ARRAY(arena, ds_input, json_array_size(inputs) + 1);
    size_t i;
    json_t *object;
    json_array_foreach(inputs, i, object)
    {
        ds_input *input = &allotment->inputs[allotment->n_inputs];
        if (!read_input(arena, object, input))
            return false;
        if (!ds_source_gives(source, (ds_input_kind)input->kind))
            continue;
        allotment->n_inputs++;
        *has_blocks = *has_blocks || input->kind == DS_INPUT_BLOCK;
    }
    return true;
}

static bool are_inputs(ds_arena *arena, json_t *inputs)
{
    size_t i;
    json_t *object;
    ds_input input;
    json_array_foreach(inputs, i, object)
    {
        if (!read_input(arena, object, &input))
            return false;
    }
    return true;
}

/* Sources that the app has no more are left out. */
static bool read_allotments(ds_arena *arena, const ds_plan *plan, json_t *sources,
                            ds_recovered_batch *batch)
{
    batch->allotments = DS_ARENA_ARRAY(arena, ds_allotment, json_object_size(sources) + 1);
    const char *name;
    json_t *inputs;
    json_object_foreach(sources, name, inputs)
    {
        int index = source_index(plan, name);
        if (plan == NULL && !are_inputs(arena, inputs))
            return false;
        if (index < 0 || is_table(plan, index))
            continue;
        ds_allotment *allotment = &batch->allotments[batch->n_allotments++];
        allotment->source = (uint32_t)index;
        if (!read_inputs(arena, &plan->app->sources[index], inputs, allotment, &batch->has_blocks))
            return false;
    }
    return true;
}

static bool read_tables(ds_arena *arena, const ds_plan *plan, json_t *tables,
                        ds_recovered_batch *batch)
{
    batch->tables = DS_ARENA_ARRAY(arena, ds_batch_table, json_object_size(tables) + 1);
    const char *name;
    json_t *object;
    json_object_foreach(tables, name, object)
    {
        uint64_t modified_ms = 0;
        int index = source_index(plan, name);
        if (index < 0 || !is_table(plan, index))
            continue;
        ds_batch_table *use = &batch->tables[batch->n_tables++];
        use->source = (uint32_t)index;
        if (!ds_journal_number(object, "version", &use->version))
            return false;
        get_hex(object, "checksum", &use->checksum);
        ds_journal_number(object, "bytes", &use->stamp.size);
        ds_journal_number(object, "modified_ms", &modified_ms);
        use->stamp.modified_ns = (int64_t)(modified_ms % INT64_C(9000000000000)) * 1000000;
    }
    return true;
}

/* The files of a commit, or the parts of an append, which have no place of their own. */
static ds_commit_file *read_staged(ds_arena *arena, json_t *files, bool appended, uint32_t *n)
{
    ds_commit_file *list = DS_ARENA_ARRAY(arena, ds_commit_file, json_array_size(files) + 1);
    size_t i;
    json_t *object;
    *n = 0;
    json_array_foreach(files, i, object)
    {
        ds_commit_file *file = &list[(*n)++];
        file->staged = get_text(arena, object, "staged");
        file->folder = appended ? "" : get_text(arena, object, "folder");
        file->name = appended ? "" : get_text(arena, object, "name");
        if (file->staged == NULL || file->folder == NULL || file->name == NULL ||
            !ds_journal_number(object, "bytes", &file->length) ||
            !ds_journal_number(object, "rows", &file->rows) ||
            !get_hex(object, "checksum", &file->checksum))
            return NULL;
    }
    return list;
}

static bool read_append(ds_arena *arena, const json_t *object, ds_commit_append *append)
{
    json_t *parts = json_object_get(object, "parts");
    *append = (ds_commit_append){.base = {DS_APPEND_UNKNOWN, 0}};
    append->path = get_text(arena, object, "path");
    if (append->path == NULL || !json_is_array(parts) ||
        (json_object_get(object, "base") != NULL &&
         !(ds_journal_number(object, "base", &append->base.length) &&
           get_bits(object, "inode", &append->base.inode))))
        return false;
    append->parts = read_staged(arena, parts, true, &append->n_parts);
    return append->parts != NULL && append->n_parts > 0;
}

static bool read_appends(ds_arena *arena, json_t *appends, ds_commit *commit)
{
    size_t i;
    json_t *object;
    commit->appends = DS_ARENA_ARRAY(arena, ds_commit_append, json_array_size(appends) + 1);
    json_array_foreach(appends, i, object)
    {
        if (!read_append(arena, object, &commit->appends[commit->n_appends++]))
            return false;
    }
    return true;
}

/* A later record of the same batch replaces an earlier one. */
static bool read_commit(ds_arena *arena, const json_t *object, ds_recovered_batch *batch)
{
    json_t *files = json_object_get(object, "files");
    if (!json_is_array(files))
        return false;
    ds_commit *commit = &batch->commit;
    *commit = (ds_commit){.batch_ms = batch->time_ms, .again = true};
    commit->files = read_staged(arena, files, false, &commit->n_files);
    if (commit->files == NULL || !read_appends(arena, json_object_get(object, "appends"), commit))
        return false;
    batch->prepared = true;
    return true;
}

static bool read_files(ds_arena *arena, const json_t *files, ds_recovered_source *source)
{
    source->files_capacity = json_array_size(files) + 1;
    source->files = DS_ARENA_ARRAY(arena, ds_seen_file, source->files_capacity);
    size_t i;
    json_t *object;
    json_array_foreach(files, i, object)
    {
        ds_seen_file *file = &source->files[source->n_files++];
        file->name = (char *)get_text(arena, object, "name");
        const json_t *bytes = json_object_get(object, "bytes"); /* 0: not known */
        if (file->name == NULL || !ds_journal_number(object, "taken", &file->taken) ||
            (bytes != NULL && !ds_journal_number(object, "bytes", &file->size)))
            return false;
    }
    return true;
}

static bool read_followed(ds_arena *arena, const json_t *files, ds_recovered_source *source)
{
    size_t i;
    const json_t *object;
    json_array_foreach(files, i, object)
    {
        ds_tail_file file = {.path = (char *)(uintptr_t)get_text(arena, object, "path"),
                             .cut = json_is_true(json_object_get(object, "cut")),
                             .moved = json_is_true(json_object_get(object, "moved"))};
        ds_journal_number(object, "stop", &file.stop);
        if (file.path == NULL || !ds_journal_number(object, "number", &file.number) ||
            file.number == 0 || !read_id(object, &file.id) ||
            !ds_journal_number(object, "bytes", &file.size) ||
            !ds_journal_number(object, "taken", &file.taken) ||
            (file.stop != 0 && file.stop <= file.taken))
            return false;
        ds_tail_files_recover(&source->tail, &file);
    }
    return true;
}

static bool read_sources(ds_recovered *recovered, json_t *sources)
{
    recovered->sources =
        DS_ARENA_ARRAY(recovered->arena, ds_recovered_source, json_object_size(sources) + 1);
    const char *name;
    json_t *object;
    json_object_foreach(sources, name, object)
    {
        ds_recovered_source *source = &recovered->sources[recovered->n_sources++];
        source->name = ds_arena_strdup(recovered->arena, name);
        source->type = get_text(recovered->arena, object, "type");
        ds_journal_number(object, "next", &source->next);
        ds_journal_number(object, "version", &source->next); /* of a table */
        ds_journal_number(object, "records", &source->records);
        if (json_object_get(object, "log") != NULL && !read_place(object, &source->log))
            return false;
        source->listed = json_is_true(json_object_get(object, "listed"));
        ds_tail_files_init(&source->tail, source->name, false);
        if (!read_followed(recovered->arena, json_object_get(object, "followed"), source))
            return false;
        const json_t *files = json_object_get(object, "files");
        if (files != NULL && !read_files(recovered->arena, files, source))
            return false;
    }
    return true;
}

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
    if (!get_time(object, "batch_ms", &batch.time_ms) ||
        find_batch(recovered, batch.time_ms) != NULL ||
        !read_allotments(recovered->arena, plan, json_object_get(object, "sources"), &batch) ||
        !read_tables(recovered->arena, plan, json_object_get(object, "tables"), &batch))
        return false;
    if (json_object_get(object, "files") != NULL && !read_commit(recovered->arena, object, &batch))
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
    if (!json_is_object(object) || !get_time(object, "batch_ms", &time_ms))
        return false;
    json_t *copy = json_copy((json_t *)(uintptr_t)object);
    json_object_del(copy, "record");
    json_object_del(copy, "check");
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
    get_time(object, "interval_ms", &recovered->interval_ms);
    get_time(object, "last_input_ms", &recovered->last_input_ms);
    recovered->app = get_text(recovered->arena, object, "app");
    if (recovered->app == NULL || !get_hex(object, "plan_hash", &recovered->plan_hash) ||
        !get_hex(object, "epoch", &recovered->epoch) ||
        !ds_journal_number(object, "key_partitions", &partitions) || partitions == 0 ||
        partitions > UINT32_MAX || !get_time(object, "zero_ms", &recovered->zero_ms) ||
        !get_time(object, "last_batch_ms", &recovered->last_ms) ||
        !read_sources(recovered, json_object_get(object, "sources")))
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
    const char *kind = json_string_value(json_object_get(object, "record"));
    if (kind == NULL)
        return false;
    if (strcmp(kind, "allotted") == 0)
        return add_batch(recovered, plan, object);
    if (strcmp(kind, "saved") == 0)
        return read_saved(recovered, object);
    int64_t time_ms;
    if (!get_time(object, "batch_ms", &time_ms))
        return false;
    ds_recovered_batch *batch = find_batch(recovered, time_ms);
    if (strcmp(kind, "prepared") == 0)
        return batch != NULL && read_commit(recovered->arena, object, batch);
    if (strcmp(kind, "committed") != 0 && strcmp(kind, "failed") != 0)
        return false;
    if (kind[0] == 'f' && !add_failed(recovered, object))
        return false;
    if (batch != NULL && json_is_true(json_object_get(object, "retained")))
        batch->committed = true;
    else if (batch != NULL)
        remove_batch(recovered, time_ms);
    return true;
}

/* ---- files that batches took ---- */

static ds_recovered_source *find_source(ds_recovered *recovered, const char *name)
{
    for (uint32_t i = 0; i < recovered->n_sources; i++)
        if (strcmp(recovered->sources[i].name, name) == 0)
            return &recovered->sources[i];
    return NULL;
}

/* Adds a file at the end, whether or not it is there: see merge_files. */
static void note_file(ds_recovered *recovered, ds_recovered_source *source, const char *path,
                      uint64_t to)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    if (source->n_files == source->files_capacity) {
        source->files_capacity = source->files_capacity * 2 + 2;
        ds_seen_file *grown =
            DS_ARENA_ARRAY(recovered->arena, ds_seen_file, source->files_capacity);
        if (source->n_files > 0)
            memcpy(grown, source->files, source->n_files * sizeof *grown);
        source->files = grown;
    }
    source->files[source->n_files++] =
        (ds_seen_file){ds_arena_strdup(recovered->arena, name), 0, to};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ds_seen_file *)a)->name, ((const ds_seen_file *)b)->name);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* One entry for each file, sorted: of a long journal there are very many. */
static void merge_files(ds_recovered_source *source)
{
    if (source->n_files == 0)
        return;
    qsort(source->files, source->n_files, sizeof *source->files, by_name);
    size_t kept = 0;
    for (size_t i = 1; i < source->n_files; i++) {
        const ds_seen_file *file = &source->files[i];
        ds_seen_file *to = &source->files[kept];
        if (strcmp(to->name, file->name) != 0) {
            source->files[++kept] = *file;
        } else {
            to->size = larger(to->size, file->size);
            to->taken = larger(to->taken, file->taken);
        }
    }
    DS_ASSERT(kept < source->n_files);
    source->n_files = kept + 1;
}

/* What a batch was given of a file that grows: its position is behind that. */
static void note_tail(ds_recovered *recovered, ds_recovered_source *source, const json_t *object)
{
    ds_input input;
    if (!read_input(recovered->arena, object, &input))
        return; /* the record as a whole was read before: it is fine */
    bool cut = input.to == input.tail.stop;
    ds_tail_file file = {.number = input.tail.number,
                         .path = (char *)(uintptr_t)input.path,
                         .id = input.tail.id,
                         .size = input.to,
                         .taken = input.to,
                         .cut = cut,
                         .stop = cut ? 0 : input.tail.stop};
    ds_tail_files_recover(&source->tail, &file);
}

/* What was received: records are numbered on, and the log is read on. */
static void note_block(ds_recovered_source *source, const json_t *object, uint64_t first_record)
{
    uint64_t records = 0;
    ds_journal_number(object, "records", &records);
    source->records = larger(source->records, first_record + records);
    read_place(object, &source->log);
}

static void note_lists(ds_recovered *recovered, json_t *next)
{
    for (void *i = json_object_iter(next); i != NULL; i = json_object_iter_next(next, i)) {
        const char *name = json_object_iter_key(i);
        ds_recovered_source *source = find_source(recovered, name);
        if (source != NULL)
            ds_journal_number(next, name, &source->next);
    }
}

/* An allotted record moves the positions of its sources on. */
static void note_positions(ds_recovered *recovered, const json_t *object)
{
    bool is_first = recovered->last_input_ms == DS_NO_BATCH && json_object_get(object, "tables");
    if (json_object_size(json_object_get(object, "sources")) > 0 || is_first)
        get_time(object, "batch_ms", &recovered->last_input_ms);
    const char *name;
    json_t *inputs;
    json_object_foreach(json_object_get(object, "sources"), name, inputs)
    {
        ds_recovered_source *source = find_source(recovered, name);
        size_t i;
        const json_t *input;
        json_array_foreach(inputs, i, input)
        {
            uint64_t to = 0;
            if (source == NULL)
                continue;
            const char *path = get_text(recovered->arena, input, "file");
            if (ds_journal_number(input, "first_record", &to))
                note_block(source, input, to);
            else if (json_object_get(input, "number") != NULL)
                note_tail(recovered, source, input);
            else if (path != NULL && ds_journal_number(input, "to", &to))
                note_file(recovered, source, path, to);
            else if (ds_journal_number(input, "end_row", &to))
                source->next = to;
            else if (ds_journal_number(input, "list", &to))
                source->next = to + 1;
        }
    }
    note_lists(recovered, json_object_get(object, "next"));
    json_t *table;
    json_object_foreach(json_object_get(object, "tables"), name, table)
    {
        ds_recovered_source *source = find_source(recovered, name);
        if (source != NULL)
            ds_journal_number(table, "version", &source->next);
    }
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
    const char *kind = json_string_value(json_object_get(object, "record"));
    int64_t time_ms;
    if (kind == NULL)
        return false;
    if (strcmp(kind, "committed") != 0 || !get_time(object, "batch_ms", &time_ms))
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
        note_positions(recovered, object);
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
    for (uint32_t i = 0; i < recovered->n_sources; i++)
        merge_files(&recovered->sources[i]);
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
