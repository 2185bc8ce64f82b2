#include "checkpoint/view.h"

#include "base/arena.h"
#include "base/files.h"
#include "checkpoint/journal_fields.h"
#include "checkpoint/journal_fold.h"
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
        strcmp(ds_journal_kind(record), "saved") == 0 ? record : json_object_get(record, "kept");
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
                ds_journal_fold(state, record);
            else if (strcmp(ds_journal_kind(record), "whole") == 0)
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
        ds_journal_drop_words(state);
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
    ds_status status = ds_read_regular_file(file->path, FILE_LIMIT, &text, error);
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
