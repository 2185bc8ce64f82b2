#include "checkpoint/sink_locks.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/files.h"
#include "checkpoint/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is locked for a sink; -1: it is not. */
typedef struct sink_lock {
    int folder;
    int file;       /* append: the file itself */
    int target;     /* append: the folder of the name that a symbolic link leads to */
    char *targeted; /* its path; NULL: there is no link */
} sink_lock;

struct ds_sink_locks {
    const ds_plan *plan;
    sink_lock *list; /* by sink */
};

ds_sink_locks *ds_sink_locks_new(const ds_plan *plan)
{
    ds_sink_locks *locks = ds_calloc(1, sizeof *locks);
    locks->plan = plan;
    locks->list = ds_calloc(plan->n_sinks, sizeof *locks->list);
    for (uint32_t i = 0; i < plan->n_sinks; i++)
        locks->list[i] = (sink_lock){.folder = -1, .file = -1, .target = -1};
    return locks;
}

/* True if fd is still what stands under the path: whoever had it may have removed it. */
static bool is_there(int fd, const char *path)
{
    struct stat opened, found;
    return fstat(fd, &opened) == 0 && stat(path, &found) == 0 && opened.st_dev == found.st_dev &&
           opened.st_ino == found.st_ino;
}

/* What is locked for a sink. */
static const char *locked_path(const ds_sink_plan *sink)
{
    DS_ASSERT(ds_sink_is_staged(sink));
    return sink->kind == DS_TO_APPEND ? sink->staging : sink->dir;
}

/* A folder that somebody removed, or moved away, locks nothing any more once there is another. */
static void let_go_of_lost(int *fd, const char *path)
{
    if (*fd < 0 || access(path, F_OK) != 0 || is_there(*fd, path))
        return;
    close(*fd);
    *fd = -1;
}

/* Removed before it is unlocked, so that nobody else's folder is taken away. */
static void release(int *fd, const char *made)
{
    if (*fd < 0)
        return;
    if (made != NULL && is_there(*fd, made))
        rmdir(made);
    close(*fd);
    *fd = -1;
}

static void release_target(sink_lock *lock)
{
    release(&lock->target, lock->targeted);
    free(lock->targeted);
    lock->targeted = NULL;
}

void ds_sink_locks_free(ds_sink_locks *locks)
{
    if (locks == NULL)
        return;
    for (uint32_t i = 0; i < locks->plan->n_sinks; i++) {
        const ds_sink_plan *sink = locks->plan->sinks[i];
        sink_lock *lock = &locks->list[i];
        release(&lock->file, NULL);
        release_target(lock);
        release(&lock->folder, sink->kind == DS_TO_APPEND ? sink->staging : NULL);
    }
    free(locks->list);
    free(locks);
}

/* Locks a folder. *fd is -1 if it is not there, or the file system has no locks. False if
 * somebody else has it. */
static bool lock_folder(const char *path, int *fd)
{
    for (;;) {
        *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (*fd < 0)
            return true;
        bool locked = flock(*fd, LOCK_EX | LOCK_NB) == 0;
        int reason = errno;
        if (locked && is_there(*fd, path))
            return true;
        close(*fd);
        *fd = -1;
        if (!locked)
            return reason != EWOULDBLOCK;
    }
}

static ds_status take_folder(ds_sink_locks *locks, const ds_sink_plan *sink, ds_error *error)
{
    /* One that is not there yet: what else is wrong with it a write will tell. */
    if (lock_folder(sink->dir, &locks->list[sink->index].folder))
        return DS_OK;
    return ds_error_set(error, DS_ERR_UNAVAILABLE,
                        "sink %s: the folder %s is in use by another dstream: stop it, or give "
                        "this sink a folder of its own",
                        sink->name, sink->dir);
}

/* Makes the folder for it, and locks that. *fd is -1 on a file system without locks.
 * DS_ERR_UNAVAILABLE, DS_ERR_IO (errno). */
static ds_status make_lock(const char *folder, int *fd)
{
    DS_ASSERT(*fd < 0);
    for (;;) {
        if (mkdir(folder, 0777) != 0 && errno != EEXIST)
            return DS_ERR_IO;
        if (!lock_folder(folder, fd))
            return DS_ERR_UNAVAILABLE;
        if (*fd >= 0 || access(folder, F_OK) == 0)
            return DS_OK;
    }
}

static ds_status in_use(const ds_sink_plan *sink, ds_error *error)
{
    return ds_error_set(error, DS_ERR_UNAVAILABLE,
                        "sink %s: the file %s is in use by another dstream: stop it, or give this "
                        "sink a path of its own",
                        sink->name, sink->path);
}

static ds_status take_name(sink_lock *lock, const ds_sink_plan *sink, ds_error *error)
{
    if (lock->folder >= 0)
        return DS_OK;
    ds_status status = make_lock(sink->staging, &lock->folder);
    if (status == DS_ERR_IO)
        ds_error_set(error, status, "sink %s: cannot make the folder %s: %s", sink->name,
                     sink->staging, strerror(errno));
    return status == DS_ERR_UNAVAILABLE ? in_use(sink, error) : status;
}

/* The folder that locks the name which a link leads to; NULL: it is none. */
static char *locked_target(const ds_sink_plan *sink)
{
    char *target = ds_link_target(sink->path);
    if (target == NULL)
        return NULL;
    const char *slash = strrchr(target, '/');
    size_t above = slash == NULL ? 0 : (size_t)(slash - target) + 1;
    ds_buffer path = {0};
    ds_buffer_printf(&path, "%.*s.%s.dstream", (int)above, target, target + above);
    free(target);
    char *text = ds_strdup(ds_buffer_text(&path));
    ds_buffer_fini(&path);
    return text;
}

/* Where no folder can be made beside the target, the file itself is all there is to lock. */
static ds_status take_target(sink_lock *lock, const ds_sink_plan *sink, ds_error *error)
{
    char *wanted = locked_target(sink);
    if (wanted == NULL || lock->targeted == NULL || strcmp(wanted, lock->targeted) != 0) {
        release_target(lock);
        lock->targeted = wanted;
    } else {
        free(wanted);
    }
    if (lock->targeted == NULL)
        return DS_OK;
    let_go_of_lost(&lock->target, lock->targeted);
    if (lock->target >= 0 || make_lock(lock->targeted, &lock->target) != DS_ERR_UNAVAILABLE)
        return DS_OK;
    return in_use(sink, error);
}

/* A file that came while the app runs is no reason to end it, whoever has it locked. */
static ds_status take_file(sink_lock *lock, const ds_sink_plan *sink, bool starts, ds_error *error)
{
    DS_ASSERT(sink->kind == DS_TO_APPEND);
    DS_TRY(take_name(lock, sink, error));
    DS_TRY(take_target(lock, sink, error));
    if (ds_file_lock(sink->path, &lock->file) || !starts)
        return DS_OK;
    return in_use(sink, error);
}

ds_status ds_sink_locks_take(ds_sink_locks *locks, const bool *make, ds_error *error)
{
    for (uint32_t i = 0; i < locks->plan->n_sinks; i++) {
        const ds_sink_plan *sink = locks->plan->sinks[i];
        sink_lock *lock = &locks->list[i];
        if (!ds_sink_is_staged(sink))
            continue;
        let_go_of_lost(&lock->folder, locked_path(sink));
        if (sink->kind == DS_TO_APPEND) {
            DS_TRY(take_file(lock, sink, make == NULL, error));
            continue;
        }
        if (lock->folder >= 0)
            continue;
        if (make != NULL && make[i])
            DS_TRY(ds_make_folders(sink->dir, error));
        DS_TRY(take_folder(locks, sink, error));
    }
    return DS_OK;
}
