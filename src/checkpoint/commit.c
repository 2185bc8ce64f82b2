#include "checkpoint/commit.h"

#include "base/assert.h"
#include "base/files.h"
#include "base/inject.h"
#include "checkpoint/journal.h"
#include "checkpoint/placed.h"
#include "checkpoint/staged.h"
#include "dstream/staged_name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void join(ds_buffer *path, const char *folder, const char *name)
{
    path->length = 0;
    ds_buffer_printf(path, "%s/%s", folder, name);
    ds_buffer_text(path);
}

/* True if a file stands in its place. */
static bool stands(const ds_commit_file *file)
{
    ds_buffer path = {0};
    struct stat there;
    join(&path, file->folder, file->name);
    bool yes = stat(path.data, &there) == 0 && (uint64_t)there.st_size == file->length;
    ds_buffer_fini(&path);
    return yes;
}

static ds_status put_in_place(const ds_commit_file *file, ds_error *error)
{
    ds_buffer path = {0};
    join(&path, file->folder, file->name);
    ds_status status = DS_OK;
    if (rename(file->staged, path.data) != 0) {
        int reason = errno;
        if (reason != ENOENT || !stands(file))
            status = ds_error_set(error, DS_ERR_IO, "cannot rename %s to %s: %s", file->staged,
                                  path.data, strerror(reason));
    }
    DS_INJECT("commit.file_renamed");
    ds_buffer_fini(&path);
    return status;
}

/* The folder is complete: its files first, then _SUCCESS. Whoever waits for that may take it away
 * at once. */
static ds_status mark_complete(const ds_commit_file *first, bool durable, ds_error *error)
{
    const char *folder = first->folder;
    ds_placed_mark(first->staged);
    if (durable)
        DS_TRY(ds_sync_folder(folder, error));
    ds_buffer path = {0};
    join(&path, folder, "_SUCCESS");
    int fd = open(path.data, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    ds_status status = DS_OK;
    if (fd < 0)
        status = ds_error_set(error, DS_ERR_IO, "cannot create %s: %s", path.data, strerror(errno));
    else
        close(fd);
    ds_buffer_fini(&path);
    DS_INJECT("commit.marked");
    if (status == DS_OK && durable)
        status = ds_sync_folder(folder, error);
    if (fd >= 0 && status != DS_OK && access(folder, F_OK) != 0)
        status = DS_OK; /* somebody took it away already */
    return status;
}

/* The folder of one output time, in the folder of its sink. */
static ds_status make_folder(const char *path, bool durable, ds_error *error)
{
    DS_TRY(ds_make_folders(path, error));
    const char *slash = strrchr(path, '/');
    if (!durable || slash == NULL)
        return DS_OK;
    ds_buffer above = {0};
    ds_buffer_append(&above, path, slash == path ? 1 : (size_t)(slash - path));
    ds_status status = ds_sync_folder(ds_buffer_text(&above), error);
    ds_buffer_fini(&above);
    return status;
}

/* The files of one folder. */
typedef struct group {
    const ds_commit_file *files;
    uint32_t n;
} group;

static group first_group(const ds_commit_file *files, uint32_t n)
{
    group g = {files, 1};
    while (g.n < n && strcmp(files[g.n].folder, files[0].folder) == 0)
        g.n++;
    return g;
}

static bool is_in(const char *folder, const char *name)
{
    ds_buffer path = {0};
    join(&path, folder, name);
    bool there = access(path.data, F_OK) == 0;
    ds_buffer_fini(&path);
    return there;
}

/* Some file is neither staged nor in its place, or damaged. */
static bool is_lost(const group *g, bool again)
{
    for (uint32_t i = 0; i < g->n; i++) {
        ds_staged_state state = ds_staged_look(&g->files[i], again);
        if (state == DS_STAGED_DAMAGED || (state == DS_STAGED_GONE && !stands(&g->files[i])))
            return true;
    }
    return false;
}

/* The folder is made anew as a whole, perhaps of other parts. */
static void remove_rest(const group *g)
{
    ds_buffer path = {0};
    for (uint32_t i = 0; i < g->n; i++) {
        unlink(g->files[i].staged);
        join(&path, g->files[i].folder, g->files[i].name);
        unlink(path.data);
    }
    ds_buffer_fini(&path);
}

static ds_status put_group(const group *g, bool durable, ds_error *error)
{
    DS_ASSERT(g->n > 0);
    DS_TRY(make_folder(g->files[0].folder, durable, error));
    DS_INJECT("commit.folder_made");
    for (uint32_t i = 0; i < g->n; i++)
        DS_TRY(put_in_place(&g->files[i], error));
    return mark_complete(&g->files[0], durable, error);
}

/* All of it was in its place once: what is missing was taken away. */
static bool was_placed(const group *g)
{
    return ds_placed_is_marked(g->files[0].staged) || is_in(g->files[0].folder, "_SUCCESS");
}

static ds_status place(const group *g, bool again, bool durable, bool *lost, ds_error *error)
{
    *lost = false;
    if (!is_lost(g, again))
        return put_group(g, durable, error);
    const char *folder = g->files[0].folder;
    if (was_placed(g))
        return access(folder, F_OK) == 0 ? mark_complete(&g->files[0], durable, error) : DS_OK;
    remove_rest(g);
    *lost = true;
    return DS_OK;
}

ds_status ds_commit_files(const ds_commit *commit, bool durable, bool *lost, ds_error *error)
{
    for (uint32_t i = 0; i < commit->n_files;) {
        const group g = first_group(&commit->files[i], commit->n_files - i);
        bool group_lost;
        DS_TRY(place(&g, commit->again, durable, &group_lost, error));
        for (uint32_t end = i + g.n; i < end; i++)
            lost[i] = group_lost;
    }
    return DS_OK;
}

/* ---- before the start ---- */

static bool exists(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 || errno != ENOENT;
}

/* Makes the folder to see that it can be made, and takes away again what was not there. */
static ds_status try_folder(const char *dir, ds_error *error)
{
    char *path = ds_strdup(dir);
    size_t there = strlen(path); /* so much of the path is there already */
    while (there > 0 && !exists(path)) {
        while (there > 0 && path[there - 1] != '/')
            there--;
        while (there > 0 && path[there - 1] == '/')
            there--;
        path[there] = '\0';
    }
    ds_status status = ds_make_folders(dir, error);
    strcpy(path, dir);
    for (size_t end = strlen(path); end > there && rmdir(path) == 0;) {
        while (end > there && path[end - 1] != '/')
            end--;
        while (end > there && path[end - 1] == '/')
            end--;
        path[end] = '\0';
    }
    free(path);
    return status;
}

static ds_status check_folder(const char *name, const char *dir, ds_error *error)
{
    ds_error why;
    bool made = exists(dir);
    ds_status status = try_folder(dir, &why);
    if (status == DS_OK && made && access(dir, W_OK | X_OK) != 0)
        status = ds_error_set(&why, DS_ERR_IO, "%s: %s", dir, strerror(errno));
    if (status == DS_OK)
        return DS_OK;
    return ds_error_set(error, DS_ERR_IO, "sink %s cannot be written: %.800s", name, why.message);
}

static ds_status cannot_append(const ds_sink_plan *sink, const char *why, ds_error *error)
{
    return ds_error_set(error, DS_ERR_IO, "sink %s cannot append to %s: %s", sink->name, sink->path,
                        why);
}

/* The folder of the file has to be there: nothing says that a mistyped one is wanted. */
static ds_status check_append(const ds_sink_plan *sink, ds_error *error)
{
    DS_ASSERT(sink->kind == DS_TO_APPEND && sink->staging != NULL);
    const char *slash = strrchr(sink->path, '/');
    ds_buffer folder = {0};
    ds_buffer_append(&folder, sink->path, slash == NULL ? 0 : (size_t)(slash - sink->path) + 1);
    ds_buffer_append_char(&folder, '.');
    struct stat st;
    ds_status status = DS_OK;
    if (access(ds_buffer_text(&folder), W_OK | X_OK) != 0)
        status = cannot_append(
            sink, errno == ENOENT ? "there is no such folder: make it first" : strerror(errno),
            error);
    else if (stat(sink->path, &st) == 0 && !S_ISREG(st.st_mode))
        status = cannot_append(sink, "it is not a regular file", error);
    else if (access(sink->path, R_OK | W_OK) != 0 && errno != ENOENT)
        status = cannot_append(sink, strerror(errno), error);
    ds_buffer_fini(&folder);
    return status;
}

ds_status ds_commit_prepare(const ds_plan *plan, ds_error *error)
{
    for (uint32_t i = 0; i < plan->n_sinks; i++) {
        const ds_sink_plan *sink = plan->sinks[i];
        if (sink->kind == DS_TO_FILE)
            DS_TRY(check_folder(sink->name, sink->dir, error));
        else if (sink->kind == DS_TO_APPEND)
            DS_TRY(check_append(sink, error));
    }
    return DS_OK;
}

void ds_commit_make_staging(const ds_plan *plan)
{
    for (uint32_t i = 0; i < plan->n_sinks; i++)
        if (plan->sinks[i]->kind == DS_TO_FILE)
            ds_make_folders(plan->sinks[i]->staging, NULL);
}

static bool is_among(const ds_commit_file *files, uint32_t n, const char *path)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(files[i].staged, path) == 0)
            return true;
    return false;
}

static bool is_kept(const ds_recovered *keep, const char *path)
{
    for (uint32_t b = 0; keep != NULL && b < keep->n_batches; b++) {
        const ds_commit *commit = &keep->batches[b].commit;
        if (is_among(commit->files, commit->n_files, path))
            return true;
        for (uint32_t i = 0; i < commit->n_appends; i++)
            if (is_among(commit->appends[i].parts, commit->appends[i].n_parts, path))
                return true;
    }
    return false;
}

/* Only the first file of a folder, or of an append, has a mark; one too many does no harm. */
static bool is_wanted(const ds_recovered *keep, char *path)
{
    size_t length = ds_placed_staged_length(path);
    if (length == 0)
        return is_kept(keep, path);
    char end = path[length];
    path[length] = '\0';
    bool wanted = is_kept(keep, path);
    path[length] = end;
    return wanted;
}

/* Whether a run with this checkpoint, or one without any, staged it. */
static bool is_ours(const char *name, uint64_t epoch)
{
    ds_buffer once = {0};
    ds_staged_name_begin(&once, 0, false);
    bool ours = strncmp(name, ds_buffer_text(&once), once.length) == 0;
    ds_buffer_fini(&once);
    uint64_t of;
    int64_t batch_ms;
    return ours || (epoch != 0 && ds_staged_name_read(name, &of, &batch_ms) &&
                    ds_epochs_share_checkpoint(of, epoch));
}

static bool is_old(const char *path, int64_t now_ms)
{
    struct stat st;
    return stat(path, &st) == 0 && now_ms / 1000 - st.st_mtime > DS_STAGED_DAYS * 86400;
}

static void clean(const char *folder, const ds_recovered *keep, uint64_t epoch, int64_t now_ms)
{
    ds_buffer path = {0};
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        join(&path, folder, entry->d_name);
        if (entry->d_name[0] != '.' && !is_wanted(keep, path.data) &&
            (is_ours(entry->d_name, epoch) || is_old(path.data, now_ms)))
            unlink(path.data);
    }
    closedir(dir);
    ds_buffer_fini(&path);
}

/* The staging folder of an append sink is its lock, too (sink_locks.h), which removes it. */
void ds_commit_clean(const ds_plan *plan, const ds_recovered *keep, uint64_t epoch, int64_t now_ms)
{
    for (uint32_t i = 0; i < plan->n_sinks; i++) {
        const ds_sink_plan *sink = plan->sinks[i];
        if (!ds_sink_is_staged(sink))
            continue;
        DS_ASSERT(sink->staging != NULL);
        clean(sink->staging, keep, epoch, now_ms);
        if (sink->kind == DS_TO_FILE)
            rmdir(sink->staging);
    }
}

int64_t ds_commit_newest(const ds_plan *plan)
{
    int64_t newest = 0;
    for (uint32_t i = 0; i < plan->n_sinks; i++) {
        DIR *dir = plan->sinks[i]->kind == DS_TO_FILE ? opendir(plan->sinks[i]->dir) : NULL;
        if (dir == NULL)
            continue;
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
            char *end;
            errno = 0;
            long long value = strtoll(entry->d_name, &end, 10);
            if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && *end == '\0' && errno == 0 &&
                value > newest)
                newest = value;
        }
        closedir(dir);
    }
    return newest;
}
