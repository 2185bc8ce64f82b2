#include "checkpoint/journal_positions.h"

#include "base/assert.h"
#include "checkpoint/journal_fields.h"
#include "checkpoint/journal_inputs.h"

#include <stdlib.h>
#include <string.h>

/* ---- a whole record ---- */

static bool read_files(ds_arena *arena, const json_t *files, ds_recovered_source *source)
{
    source->files_capacity = json_array_size(files) + 1;
    source->files = DS_ARENA_ARRAY(arena, ds_seen_file, source->files_capacity);
    size_t i;
    json_t *object;
    json_array_foreach(files, i, object)
    {
        ds_seen_file *file = &source->files[source->n_files++];
        file->name = (char *)ds_journal_text(arena, object, "name");
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
        ds_tail_file file = {.path = (char *)(uintptr_t)ds_journal_text(arena, object, "path"),
                             .cut = json_is_true(json_object_get(object, "cut")),
                             .moved = json_is_true(json_object_get(object, "moved"))};
        ds_journal_number(object, "stop", &file.stop);
        if (file.path == NULL || !ds_journal_number(object, "number", &file.number) ||
            file.number == 0 || !ds_journal_read_id(object, &file.id) ||
            !ds_journal_number(object, "bytes", &file.size) ||
            !ds_journal_number(object, "taken", &file.taken) ||
            (file.stop != 0 && file.stop <= file.taken))
            return false;
        ds_tail_files_recover(&source->tail, &file);
    }
    return true;
}

bool ds_journal_read_sources(ds_recovered *recovered, json_t *sources)
{
    recovered->sources =
        DS_ARENA_ARRAY(recovered->arena, ds_recovered_source, json_object_size(sources) + 1);
    const char *name;
    json_t *object;
    json_object_foreach(sources, name, object)
    {
        ds_recovered_source *source = &recovered->sources[recovered->n_sources++];
        source->name = ds_arena_strdup(recovered->arena, name);
        source->type = ds_journal_text(recovered->arena, object, "type");
        ds_journal_number(object, "next", &source->next);
        ds_journal_number(object, "version", &source->next); /* of a table */
        ds_journal_number(object, "records", &source->records);
        if (json_object_get(object, "log") != NULL && !ds_journal_read_place(object, &source->log))
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

/* ---- what batches were given since ---- */

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

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What a batch was given of a file that grows: its position is behind that. */
static void note_tail(ds_recovered *recovered, ds_recovered_source *source, const json_t *object)
{
    ds_input input;
    if (!ds_journal_read_input(recovered->arena, object, &input))
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
    ds_journal_read_place(object, &source->log);
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

void ds_journal_note_positions(ds_recovered *recovered, const json_t *object)
{
    bool is_first = recovered->last_input_ms == DS_NO_BATCH && json_object_get(object, "tables");
    if (json_object_size(json_object_get(object, "sources")) > 0 || is_first)
        ds_journal_time(object, "batch_ms", &recovered->last_input_ms);
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
            const char *path = ds_journal_text(recovered->arena, input, "file");
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

/* ---- after the last record ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ds_seen_file *)a)->name, ((const ds_seen_file *)b)->name);
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

void ds_journal_merge_files(ds_recovered *recovered)
{
    for (uint32_t i = 0; i < recovered->n_sources; i++)
        merge_files(&recovered->sources[i]);
}
