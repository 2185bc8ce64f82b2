#include "checkpoint/checkpoint_view.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/files.h"
#include "checkpoint/journal_fields.h"
#include "checkpoint/journal_lines.h"
#include "checkpoint/lost_metadata.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT ((size_t)1 << 30)

/* ---- the records of a file, taken together ---- */

static json_int_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *kind_of(const json_t *record)
{
    const char *kind = json_string_value(json_object_get(record, "record"));
    return kind == NULL ? "" : kind;
}

/* Where a batch stands in the list of those that are not over; its size if it is not there. */
static size_t place_of(const json_t *batches, json_int_t batch_ms)
{
    size_t i = 0;
    while (i < json_array_size(batches) &&
           number(json_array_get(batches, i), "batch_ms") != batch_ms)
        i++;
    return i;
}

static void drop_words(json_t *object)
{
    json_object_del(object, "record");
    json_object_del(object, "check");
}

/* The entry of a list that has this value at key; NULL if there is none. */
static json_t *entry_of(const json_t *list, const char *key, const json_t *value)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (value != NULL && json_equal(json_object_get(json_array_get(list, i), key), value))
            return json_array_get(list, i);
    return NULL;
}

/* The entry of a file in `files`, whose names have no folder; made if there is none. */
static json_t *file_entry(json_t *source, const json_t *file)
{
    const char *path = json_string_value(file), *slash = path == NULL ? NULL : strrchr(path, '/');
    json_t *name = slash == NULL ? json_deep_copy(file) : json_string(slash + 1);
    json_t *entry = entry_of(json_object_get(source, "files"), "name", name);
    if (entry == NULL) {
        entry = json_pack("{s:O}", "name", name);
        json_array_append_new(json_object_get(source, "files"), entry);
    }
    json_decref(name);
    return entry;
}

/* The sum of two counts; null if it is none. */
static json_t *sum_of(const json_t *object, const char *a, const char *b)
{
    uint64_t x = 0, y = 0;
    if (!ds_journal_number(object, a, &x) || !ds_journal_number(object, b, &y) ||
        x > (uint64_t)INT64_MAX - y)
        return json_null();
    return json_integer((json_int_t)(x + y));
}

/* Moves the position of a source on by an input that a batch was given. */
static void move_on(json_t *source, const json_t *input)
{
    json_t *file = json_object_get(input, "file"), *entry = NULL;
    uint64_t list;
    if (json_object_get(input, "number") != NULL)
        entry = entry_of(json_object_get(source, "followed"), "number",
                         json_object_get(input, "number"));
    else if (file != NULL && json_is_array(json_object_get(source, "files")))
        entry = file_entry(source, file);
    else if (json_object_get(input, "end_row") != NULL)
        json_object_set(source, "next", json_object_get(input, "end_row"));
    else if (ds_journal_number(input, "list", &list))
        json_object_set_new(source, "next", json_integer((json_int_t)list + 1));
    if (json_object_get(input, "log") != NULL) {
        json_object_set(source, "log", json_object_get(input, "log"));
        json_object_set(source, "log_offset", json_object_get(input, "log_offset"));
    }
    if (json_object_get(input, "first_record") != NULL)
        json_object_set_new(source, "records", sum_of(input, "first_record", "records"));
    if (entry != NULL && number(input, "to") > number(entry, "taken"))
        json_object_set(entry, "taken", json_object_get(input, "to"));
}

static void move_all(json_t *state, const json_t *allotted)
{
    const char *name;
    const json_t *inputs, *input;
    size_t i;
    json_object_foreach(json_object_get(allotted, "sources"), name, inputs)
    {
        json_t *source = json_object_get(json_object_get(state, "sources"), name);
        json_array_foreach(inputs, i, input) move_on(source, input);
    }
}

/* Adds a part to the chain of its partition, or begins another one. */
static void add_saved_part(json_t *chains, json_t *part)
{
    for (size_t i = json_array_size(chains);
         json_is_true(json_object_get(part, "whole")) && i-- > 0;)
        if (number(json_array_get(chains, i), "partition") == number(part, "partition"))
            json_array_remove(chains, i);
    json_array_append(chains, part);
}

/* The stream of that name among those that are saved, if it keeps the same; made if it is not
 * there. */
static json_t *saved_stream(json_t *streams, const json_t *stream)
{
    for (size_t i = 0; i < json_array_size(streams); i++) {
        json_t *other = json_array_get(streams, i);
        if (json_equal(json_object_get(other, "stream"), json_object_get(stream, "stream")) &&
            json_equal(json_object_get(other, "keeps"), json_object_get(stream, "keeps")))
            return other;
    }
    json_t *added = json_copy((json_t *)(uintptr_t)stream);
    json_object_set_new(added, "parts", json_array());
    json_array_append_new(streams, added);
    return added;
}

/* A save was finished: chains grow, and batches that it covers need not run again. */
static void fold_saved(json_t *state, const json_t *record)
{
    json_t *kept = json_object_get(state, "kept"), *batches = json_object_get(state, "batches");
    if (!json_is_object(kept)) {
        kept = json_pack("{s:[]}", "streams");
        json_object_set_new(state, "kept", kept);
    }
    json_object_set(kept, "save", json_object_get(record, "save"));
    json_object_set(kept, "batch_ms", json_object_get(record, "batch_ms"));
    size_t i, p;
    json_t *stream, *part;
    json_array_foreach(json_object_get(record, "streams"), i, stream)
    {
        json_t *of = saved_stream(json_object_get(kept, "streams"), stream);
        json_array_foreach(json_object_get(stream, "parts"), p, part)
            add_saved_part(json_object_get(of, "parts"), part);
    }
    for (i = json_array_size(batches); i-- > 0;)
        if (json_is_true(json_object_get(json_array_get(batches, i), "committed")) &&
            number(json_array_get(batches, i), "batch_ms") <= number(record, "batch_ms"))
            json_array_remove(batches, i);
}

static void fold_failed(json_t *state, json_t *batch)
{
    if (json_object_get(state, "failed") == NULL)
        json_object_set_new(state, "failed", json_array());
    json_array_append(json_object_get(state, "failed"), batch);
}

/* Takes a record that follows a whole one into what is known. */
static void fold(json_t *state, json_t *record)
{
    DS_ASSERT(json_is_object(state) && json_is_object(record));
    const char *kind = kind_of(record);
    json_t *batches = json_object_get(state, "batches");
    json_int_t batch_ms = number(record, "batch_ms");
    size_t place = place_of(batches, batch_ms);
    json_t *batch = json_array_get(batches, place);
    json_t *copy = json_copy(record);
    drop_words(copy);
    if (strcmp(kind, "allotted") == 0) {
        json_array_append(batches, copy);
        move_all(state, copy);
        if (batch_ms > number(state, "last_batch_ms"))
            json_object_set_new(state, "last_batch_ms", json_integer(batch_ms));
    } else if (strcmp(kind, "prepared") == 0 && batch != NULL) {
        json_object_update(batch, copy);
    } else if (strcmp(kind, "saved") == 0) {
        fold_saved(state, record);
    } else if (strcmp(kind, "committed") == 0 &&
               json_is_true(json_object_get(record, "retained"))) {
        json_object_set_new(batch, "committed", json_true());
        json_object_del(batch, "files");
        json_object_del(batch, "appends");
    } else if (strcmp(kind, "committed") == 0 || strcmp(kind, "failed") == 0) {
        json_array_remove(batches, place);
    }
    if (strcmp(kind, "failed") == 0)
        fold_failed(state, copy);
    json_decref(copy);
}

static void note_time(ds_metadata_view *file, const json_t *record)
{
    const json_t *time = json_object_get(record, "batch_ms");
    if (!json_is_integer(time))
        return;
    int64_t ms = json_integer_value(time);
    if (file->first_ms == INT64_MIN || ms < file->first_ms)
        file->first_ms = ms;
    if (ms > file->last_ms)
        file->last_ms = ms;
}

/* The chains that stand after a record. */
static void note_kept(ds_checkpoint_view *view, const json_t *record)
{
    const json_t *kept =
        strcmp(kind_of(record), "saved") == 0 ? record : json_object_get(record, "kept");
    if (kept != NULL)
        ds_journal_read_kept(view->arena, kept, &view->kept);
}

/* The state after all whole records; NULL if the first one is none. */
static json_t *read_records(ds_checkpoint_view *view, ds_metadata_view *file, const char *text,
                            size_t length)
{
    const char *at = text, *end = text + length, *line;
    size_t line_length;
    json_t *state = NULL;
    const char *bad = NULL; /* the first line that does not hold */
    while (ds_journal_next(&at, end, &line, &line_length)) {
        json_t *record = ds_journal_line(line, line_length);
        if (record != NULL && bad != NULL)
            file->damaged = (uint64_t)(bad - text) + 1;
        if (record == NULL && bad == NULL)
            bad = line;
        if (record != NULL && bad == NULL) {
            file->records++;
            note_time(file, record);
            note_kept(view, record);
            if (state != NULL)
                fold(state, record);
            else if (strcmp(kind_of(record), "whole") == 0)
                state = json_deep_copy(record);
        }
        json_decref(record);
        if (state == NULL)
            break;
    }
    file->unreadable = state == NULL;
    if (bad != NULL && !file->unreadable && file->damaged == 0)
        file->cut_bytes = (uint64_t)(end - bad);
    if (state != NULL)
        drop_words(state);
    return state;
}

json_t *ds_metadata_view_records(ds_metadata_view *file, const char *text, size_t length)
{
    ds_checkpoint_view view = {.arena = ds_arena_new(NULL)};
    json_t *state = read_records(&view, file, text, length);
    ds_arena_free(view.arena);
    return state;
}

/* ---- the folder ---- */

static bool is_metadata(const char *name, uint64_t *number)
{
    char canonical[40];
    if (sscanf(name, "%" SCNu64, number) != 1)
        return false;
    snprintf(canonical, sizeof canonical, "%010" PRIu64 ".jsonl", *number);
    return strcmp(canonical, name) == 0;
}

static int by_number(const void *a, const void *b)
{
    const ds_metadata_view *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static char *path_in(const char *dir, const char *name)
{
    ds_buffer path = {0};
    ds_buffer_printf(&path, "%s/metadata%s%s", dir, name[0] == '\0' ? "" : "/", name);
    char *text = ds_strdup(ds_buffer_text(&path));
    ds_buffer_fini(&path);
    return text;
}

static ds_status list_files(const char *dir, ds_checkpoint_view *view, ds_error *error)
{
    char *folder = path_in(dir, "");
    DIR *entries = opendir(folder);
    ds_status status = entries == NULL ? ds_lost_metadata_check(dir, error) : DS_OK;
    if (entries == NULL && status == DS_OK)
        status =
            ds_error_set(error, DS_ERR_NO_INPUT, "there is no checkpoint in %s: cannot open %s: %s",
                         dir, folder, strerror(errno));
    free(folder);
    if (entries == NULL)
        return status;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        ds_metadata_view file = {.first_ms = INT64_MIN, .last_ms = INT64_MIN};
        if (!is_metadata(entry->d_name, &file.number))
            continue;
        file.path = path_in(dir, entry->d_name);
        view->files = ds_realloc(view->files, view->n_files + 1, sizeof *view->files);
        view->files[view->n_files++] = file;
    }
    closedir(entries);
    if (view->n_files == 0)
        DS_TRY(ds_lost_metadata_check(dir, error));
    if (view->n_files == 0)
        return ds_error_set(error, DS_ERR_NO_INPUT, "there is no checkpoint in %s", dir);
    qsort(view->files, view->n_files, sizeof *view->files, by_number);
    return DS_OK;
}

static ds_status read_file(ds_checkpoint_view *view, size_t i, ds_error *error)
{
    ds_metadata_view *file = &view->files[i];
    ds_buffer text = {0};
    ds_status status = ds_read_file(file->path, FILE_LIMIT, &text, error);
    if (status == DS_OK) {
        file->bytes = text.length;
        json_decref(view->state);
        view->kept = (ds_recovered_kept){0};
        view->state = read_records(view, file, text.length == 0 ? "" : text.data, text.length);
    }
    ds_buffer_fini(&text);
    return status;
}

ds_status ds_checkpoint_view_read(const char *dir, ds_checkpoint_view *view, ds_error *error)
{
    *view = (ds_checkpoint_view){.arena = ds_arena_new(NULL)};
    DS_TRY(list_files(dir, view, error));
    for (size_t i = 0; i < view->n_files; i++)
        DS_TRY(read_file(view, i, error));
    return DS_OK;
}

void ds_checkpoint_view_fini(ds_checkpoint_view *view)
{
    for (size_t i = 0; i < view->n_files; i++)
        free(view->files[i].path);
    free(view->files);
    json_decref(view->state);
    ds_arena_free(view->arena);
}
