#include "checkpoint/journal_fold.h"

#include "base/assert.h"
#include "checkpoint/journal_fields.h"

#include <string.h>

static json_int_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
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

/* A save has what the batch changed. */
static bool is_saved(const json_t *state, json_int_t batch_ms)
{
    const json_t *kept = json_object_get(state, "kept");
    return json_is_object(kept) && batch_ms <= number(kept, "batch_ms");
}

static void fold_failed(json_t *state, json_t *batch)
{
    if (json_object_get(state, "failed") == NULL)
        json_object_set_new(state, "failed", json_array());
    json_array_append(json_object_get(state, "failed"), batch);
}

void ds_journal_fold(json_t *state, const json_t *record)
{
    DS_ASSERT(json_is_object(state) && json_is_object(record));
    const char *kind = ds_journal_kind(record);
    json_t *batches = json_object_get(state, "batches");
    json_int_t batch_ms = number(record, "batch_ms");
    size_t place = place_of(batches, batch_ms);
    json_t *batch = json_array_get(batches, place);
    json_t *copy = json_copy((json_t *)(uintptr_t)record);
    ds_journal_drop_words(copy);
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
               json_is_true(json_object_get(record, "retained")) && !is_saved(state, batch_ms)) {
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
