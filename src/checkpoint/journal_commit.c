#include "checkpoint/journal_commit.h"

#include "checkpoint/journal_fields.h"

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
        file->staged = ds_journal_text(arena, object, "staged");
        file->folder = appended ? "" : ds_journal_text(arena, object, "folder");
        file->name = appended ? "" : ds_journal_text(arena, object, "name");
        if (file->staged == NULL || file->folder == NULL || file->name == NULL ||
            !ds_journal_number(object, "bytes", &file->length) ||
            !ds_journal_number(object, "rows", &file->rows) ||
            !ds_journal_hex(object, "checksum", &file->checksum))
            return NULL;
    }
    return list;
}

static bool read_append(ds_arena *arena, const json_t *object, ds_commit_append *append)
{
    json_t *parts = json_object_get(object, "parts");
    *append = (ds_commit_append){.base = {DS_APPEND_UNKNOWN, 0}};
    append->path = ds_journal_text(arena, object, "path");
    if (append->path == NULL || !json_is_array(parts) ||
        (json_object_get(object, "base") != NULL &&
         !(ds_journal_number(object, "base", &append->base.length) &&
           ds_journal_bits(object, "inode", &append->base.inode))))
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

bool ds_journal_read_commit(ds_arena *arena, const json_t *object, ds_recovered_batch *batch)
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
