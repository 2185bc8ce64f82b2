#include "base/json_source.h"

#include "base/assert.h"
#include "base/json_parse.h"
#include "base/json_path.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct ds_json_source {
    char *name;
    char *text; /* terminated */
    uint32_t length;
    uint32_t *lines; /* offset of the first byte of each line */
    uint32_t n_lines;
    ds_json_index index;
    json_t *root;
};

/* ---- making one ---- */

static void find_lines(ds_json_source *source)
{
    source->n_lines = 1;
    for (uint32_t i = 0; i < source->length; i++)
        source->n_lines += source->text[i] == '\n';
    source->lines = ds_calloc(source->n_lines, sizeof *source->lines);
    for (uint32_t i = 0, line = 0; i < source->length; i++)
        if (source->text[i] == '\n')
            source->lines[++line] = i + 1;
}

static ds_json_place place_at(const ds_json_source *source, size_t offset);

ds_status ds_json_source_new_limited(const char *name, const char *text, size_t length,
                                     size_t limit, ds_json_source **source, ds_error *error)
{
    *source = NULL;
    if (length > limit)
        return ds_error_set(error, DS_ERR_APP, "%s: larger than the limit of %zu MiB", name,
                            limit >> 20);
    ds_json_source *made = ds_calloc(1, sizeof *made);
    made->name = ds_strdup(name);
    made->text = ds_strndup(text, length);
    made->length = (uint32_t)length;
    find_lines(made);
    ds_json_fault fault;
    made->root = ds_json_parse(made->text, length, &made->index, &fault);
    if (made->root != NULL) {
        *source = made;
        return DS_OK;
    }
    ds_json_place place = place_at(made, fault.at);
    ds_json_source_free(made);
    return ds_error_set(error, DS_ERR_APP, "%s:%u:%u: %s", name, place.line, place.column,
                        fault.message);
}

ds_status ds_json_source_new(const char *name, const char *text, size_t length,
                             ds_json_source **source, ds_error *error)
{
    return ds_json_source_new_limited(name, text, length, DS_JSON_SOURCE_BYTES, source, error);
}

/* Reads at most one byte more than the limit. False with errno set if that fails. */
static bool read_all(FILE *file, ds_buffer *text)
{
    while (text->length <= DS_JSON_SOURCE_BYTES) {
        size_t want = DS_JSON_SOURCE_BYTES + 1 - text->length;
        if (want > 65536)
            want = 65536;
        size_t n = fread(ds_buffer_reserve(text, want), 1, want, file);
        text->length += n;
        if (n < want)
            return !ferror(file);
    }
    return true;
}

ds_status ds_json_source_read(const char *path, ds_json_source **source, ds_error *error)
{
    *source = NULL;
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return ds_error_set(error, DS_ERR_NO_INPUT, "%s: %s", path, strerror(errno));
    struct stat about;
    ds_buffer text = {0};
    ds_status status;
    if (fstat(fileno(file), &about) == 0 && S_ISDIR(about.st_mode))
        status = ds_error_set(error, DS_ERR_NO_INPUT, "%s: %s", path, strerror(EISDIR));
    else if (!read_all(file, &text))
        status = ds_error_set(error, DS_ERR_IO, "%s: %s", path, strerror(errno));
    else
        status = ds_json_source_new(path, ds_buffer_text(&text), text.length, source, error);
    ds_buffer_fini(&text);
    fclose(file);
    return status;
}

void ds_json_source_free(ds_json_source *source)
{
    if (source == NULL)
        return;
    json_decref(source->root);
    free(source->index.entries);
    free(source->lines);
    free(source->text);
    free(source->name);
    free(source);
}

const char *ds_json_source_name(const ds_json_source *source)
{
    return source->name;
}

json_t *ds_json_source_root(const ds_json_source *source)
{
    return source->root;
}

/* ---- places ---- */

static uint32_t code_points(const char *text, size_t length)
{
    uint32_t n = 0;
    for (size_t i = 0; i < length; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

/* The index of the line that holds offset. */
static uint32_t line_of(const ds_json_source *source, size_t offset)
{
    uint32_t low = 0, high = source->n_lines;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (source->lines[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* How many code points the key or value that starts at offset takes in its line. */
static uint32_t token_length(const ds_json_source *source, size_t offset)
{
    const char *start = source->text + offset, *end = start;
    if (*start == '"') {
        for (end++; *end != '"' && *end != '\0' && *end != '\n'; end++)
            if (*end == '\\' && end[1] != '\0' && end[1] != '\n')
                end++;
        end += *end == '"';
    } else if (*start != '{' && *start != '[') {
        end += strcspn(end, " \t\r\n,:{}[]\"");
    }
    uint32_t n = code_points(start, (size_t)(end - start));
    return n > 0 ? n : 1;
}

static ds_json_place place_at(const ds_json_source *source, size_t offset)
{
    uint32_t line = line_of(source, offset), start = source->lines[line];
    uint32_t end = line + 1 < source->n_lines ? source->lines[line + 1] - 1 : source->length;
    if (end > start && source->text[end - 1] == '\r')
        end--;
    return (ds_json_place){
        .line = line + 1,
        .column = code_points(source->text + start, offset - start) + 1,
        .line_text = source->text + start,
        .line_length = end - start,
        .length = token_length(source, offset),
    };
}

/* True if the key that starts at the quote at offset reads so. */
static bool key_is(const ds_json_source *source, uint32_t offset, const char *key, size_t length)
{
    const char *at = source->text + offset + 1;
    char bytes[4];
    for (size_t n; (n = ds_json_decode(&at, bytes)) > 0; key += n, length -= n)
        if (n > length || memcmp(bytes, key, n) != 0)
            return false;
    return length == 0;
}

/* The child of an entry that the step names, or the entry itself if there is none. */
static uint32_t find_child(const ds_json_source *source, uint32_t parent, const ds_json_step *step)
{
    const ds_json_entry *entries = source->index.entries;
    char open = source->text[entries[parent].value];
    if (open != (step->is_index ? '[' : '{'))
        return parent;
    size_t i = 0;
    for (uint32_t child = parent + 1; child < entries[parent].after; child = entries[child].after) {
        if (step->is_index ? i++ == step->index
                           : key_is(source, entries[child].key, step->key, step->key_length))
            return child;
    }
    return parent;
}

/* The entry at path or of its nearest parent; *exact tells which. */
static uint32_t find_entry(const ds_json_source *source, const char *path, bool *exact)
{
    uint32_t entry = 0, child;
    ds_buffer scratch = {0};
    ds_json_step step;
    *exact = true;
    while (*exact && ds_json_path_next(&path, '\0', &step, &scratch)) {
        child = find_child(source, entry, &step);
        *exact = child != entry;
        entry = child;
    }
    *exact = *exact && *path == '\0';
    ds_buffer_fini(&scratch);
    return entry;
}

ds_json_place ds_json_source_place(const ds_json_source *source, const char *path, bool key)
{
    bool exact;
    const ds_json_entry *entry = &source->index.entries[find_entry(source, path, &exact)];
    return place_at(source, key && entry->key != DS_JSON_NO_KEY ? entry->key : entry->value);
}

ds_json_place ds_json_source_place_in(const ds_json_source *source, const char *path, size_t offset)
{
    bool exact;
    uint32_t start = source->index.entries[find_entry(source, path, &exact)].value;
    if (!exact || source->text[start] != '"')
        return place_at(source, start);
    const char *at = source->text + start + 1;
    char bytes[4];
    for (size_t done = 0; done < offset;) {
        const char *before = at;
        size_t n = ds_json_decode(&at, bytes);
        if (n == 0)
            break;
        done += n;
        if (done > offset) /* in the middle of a character: its start */
            at = before;
    }
    ds_json_place place = place_at(source, (size_t)(at - source->text));
    place.length = 1;
    return place;
}

/* ---- repeated keys ---- */

/* The key that starts at the quote at offset; the caller frees it. */
static ds_buffer decode_key(const ds_json_source *source, uint32_t offset)
{
    ds_buffer key = {0};
    const char *at = source->text + offset + 1;
    char bytes[4];
    for (size_t n; (n = ds_json_decode(&at, bytes)) > 0;)
        ds_buffer_append(&key, bytes, n);
    return key;
}

uint32_t ds_json_source_n_repeated(const ds_json_source *source)
{
    return source->index.n_repeated;
}

static void append_key(const ds_json_source *source, uint32_t offset, ds_buffer *path)
{
    ds_buffer key = decode_key(source, offset);
    ds_json_path_key(path, ds_buffer_text(&key), key.length);
    ds_buffer_fini(&key);
}

/* Walks down from the root to an entry, appending its path; returns its parent. */
static uint32_t walk_to(const ds_json_source *source, uint32_t wanted, ds_buffer *path)
{
    const ds_json_entry *entries = source->index.entries;
    uint32_t parent = 0, child = 1;
    size_t i = 0;
    for (;;) {
        for (; entries[child].after <= wanted; child = entries[child].after)
            i++;
        if (entries[child].key != DS_JSON_NO_KEY)
            append_key(source, entries[child].key, path);
        else
            ds_json_path_index(path, i);
        if (child == wanted)
            return parent;
        parent = child++;
        i = 0;
    }
}

void ds_json_source_repeated(const ds_json_source *source, uint32_t i, ds_buffer *path,
                             ds_json_place *again, ds_json_place *first)
{
    DS_ASSERT(i < source->index.n_repeated);
    uint32_t entry = source->index.repeated[i];
    const ds_json_entry *entries = source->index.entries;
    uint32_t parent = walk_to(source, entry, path);
    ds_buffer key = decode_key(source, entries[entry].key);
    ds_json_step step = {.key = ds_buffer_text(&key), .key_length = key.length};
    uint32_t other = find_child(source, parent, &step);
    *again = place_at(source, entries[entry].key);
    *first = place_at(source, entries[other].key);
    ds_buffer_fini(&key);
}
