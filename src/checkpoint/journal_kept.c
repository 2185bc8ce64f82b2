#include "checkpoint/journal_kept.h"

#include "base/assert.h"
#include "checkpoint/journal_fields.h"
#include "checkpoint/journal_lines.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- writing ---- */

static void set(json_t *object, const char *key, json_t *value)
{
    int failed = json_object_set_new(object, key, value);
    DS_ASSERT(failed == 0);
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* A part in a file: the folder is that of the checkpoint. */
static json_t *part_json(const ds_saved_part *part)
{
    char checksum[20];
    json_t *object = json_object();
    DS_ASSERT(part->path[0] != '\0' && part->length > 0);
    snprintf(checksum, sizeof checksum, "%016" PRIx64, part->checksum);
    set(object, "partition", json_integer(part->partition));
    set(object, "whole", json_boolean(part->whole));
    set(object, "file", json_string(name_of(part->path)));
    set(object, "offset", json_integer((json_int_t)part->offset));
    set(object, "bytes", json_integer((json_int_t)part->length));
    set(object, "checksum", json_string(checksum));
    return object;
}

/* What is said of one root; takes the parts over. */
static json_t *stream_json(const ds_chain_root *root, json_t *parts)
{
    json_t *object = json_object();
    set(object, "stream", json_string(root->node->stream));
    set(object, "keeps", json_string(root->signature));
    set(object, "parts", parts);
    return object;
}

static json_t *head_json(json_t *object, const ds_chains *chains)
{
    set(object, "save", json_integer((json_int_t)chains->save));
    set(object, "batch_ms", json_integer(chains->batch_ms));
    return object;
}

void ds_journal_saved(ds_buffer *out, const ds_chains *chains, const ds_saved_part *parts,
                      uint32_t n_parts)
{
    DS_ASSERT(chains->save > 0);
    json_t *object = json_object(), *streams = json_array();
    const ds_saved_part *part = parts;
    for (uint32_t r = 0; r < chains->n_roots; r++) {
        const ds_chain_root *root = &chains->roots[r];
        json_t *list = json_array();
        for (uint32_t p = 0; p < root->n_partitions; p++, part++)
            if (part->length > 0)
                json_array_append_new(list, part_json(part));
        json_array_append_new(streams, stream_json(root, list));
    }
    DS_ASSERT(part == parts + n_parts);
    set(object, "record", json_string("saved"));
    head_json(object, chains);
    set(object, "streams", streams);
    ds_journal_write(out, object);
}

void ds_journal_put_chains(json_t *whole, const ds_chains *chains)
{
    if (chains->save == 0)
        return;
    json_t *streams = json_array();
    for (uint32_t r = 0; r < chains->n_roots; r++) {
        const ds_chain_root *root = &chains->roots[r];
        json_t *list = json_array();
        for (uint32_t p = 0; p < root->n_partitions; p++)
            for (uint32_t i = 0; i < root->chains[p].n; i++)
                json_array_append_new(list, part_json(&root->chains[p].parts[i]));
        json_array_append_new(streams, stream_json(root, list));
    }
    json_t *kept = head_json(json_object(), chains);
    set(kept, "streams", streams);
    set(whole, "kept", kept);
}

/* ---- reading ---- */

static const char *get_text(ds_arena *arena, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? NULL : ds_arena_strdup(arena, text);
}

/* A name in the folder, and not the way out of it. */
static bool is_name(const char *file)
{
    return file != NULL && file[0] != '\0' && file[0] != '.' && strchr(file, '/') == NULL &&
           strlen(file) <= NAME_MAX;
}

static bool read_part(ds_arena *arena, const json_t *object, int64_t batch_ms, ds_saved_part *part)
{
    uint64_t partition = 0;
    *part = (ds_saved_part){.batch_ms = batch_ms,
                            .whole = json_is_true(json_object_get(object, "whole")),
                            .path = get_text(arena, object, "file")};
    if (!is_name(part->path) || !ds_journal_number(object, "partition", &partition) ||
        partition > UINT32_MAX || !ds_journal_number(object, "offset", &part->offset) ||
        !ds_journal_number(object, "bytes", &part->length) || part->length == 0 ||
        !ds_journal_hex(object, "checksum", &part->checksum))
        return false;
    part->partition = (uint32_t)partition;
    return true;
}

#define LONGEST_CHAIN (2 * DS_CHAIN_PARTS) /* of any version; all of a task go in one message */

/* A whole part begins a new chain. */
static void forget_chain(ds_recovered_stream *stream, uint32_t partition)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < stream->n_parts; i++)
        if (stream->parts[i].partition != partition)
            stream->parts[left++] = stream->parts[i];
    stream->n_parts = left;
}

/* How many parts the chain of a partition has. */
static uint32_t chain_length(const ds_recovered_stream *stream, uint32_t partition)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < stream->n_parts; i++)
        n += stream->parts[i].partition == partition;
    return n;
}

static bool add_part(ds_arena *arena, ds_recovered_stream *stream, const ds_saved_part *part)
{
    uint32_t length = part->whole ? 0 : chain_length(stream, part->partition);
    if (part->whole)
        forget_chain(stream, part->partition);
    else if (length == 0 || length >= LONGEST_CHAIN)
        return false;
    if (stream->n_parts == stream->capacity) {
        stream->capacity = stream->capacity == 0 ? 16 : stream->capacity * 2;
        ds_saved_part *grown = DS_ARENA_ARRAY(arena, ds_saved_part, stream->capacity);
        if (stream->n_parts > 0)
            memcpy(grown, stream->parts, stream->n_parts * sizeof *grown);
        stream->parts = grown;
    }
    stream->parts[stream->n_parts++] = *part;
    return true;
}

/* The stream as it is known, or as a new one. */
static ds_recovered_stream *find_stream(ds_arena *arena, ds_recovered_kept *kept, const char *name,
                                        const char *signature)
{
    for (uint32_t i = 0; i < kept->n_streams; i++)
        if (strcmp(kept->streams[i].stream, name) == 0 &&
            strcmp(kept->streams[i].signature, signature) == 0)
            return &kept->streams[i];
    ds_recovered_stream *grown = DS_ARENA_ARRAY(arena, ds_recovered_stream, kept->n_streams + 1);
    if (kept->n_streams > 0)
        memcpy(grown, kept->streams, kept->n_streams * sizeof *grown);
    grown[kept->n_streams] = (ds_recovered_stream){.stream = name, .signature = signature};
    kept->streams = grown;
    return &grown[kept->n_streams++];
}

static bool read_stream(ds_arena *arena, const json_t *object, ds_recovered_kept *kept)
{
    const char *name = get_text(arena, object, "stream");
    const char *signature = get_text(arena, object, "keeps");
    const json_t *parts = json_object_get(object, "parts");
    if (name == NULL || signature == NULL || !json_is_array(parts))
        return false;
    ds_recovered_stream *stream = find_stream(arena, kept, name, signature);
    size_t i;
    const json_t *entry;
    json_array_foreach(parts, i, entry)
    {
        ds_saved_part part;
        if (!read_part(arena, entry, kept->batch_ms, &part) || !add_part(arena, stream, &part))
            return false;
    }
    return true;
}

bool ds_journal_read_kept(ds_arena *arena, const json_t *object, ds_recovered_kept *kept)
{
    uint64_t batch_ms = 0;
    const json_t *streams = json_object_get(object, "streams");
    if (!ds_journal_number(object, "save", &kept->save) || kept->save == 0 ||
        !ds_journal_number(object, "batch_ms", &batch_ms) || !json_is_array(streams))
        return false;
    kept->batch_ms = (int64_t)batch_ms;
    size_t i;
    const json_t *stream;
    json_array_foreach(streams, i, stream)
    {
        if (!read_stream(arena, stream, kept))
            return false;
    }
    return true;
}
