#include "scheduler/sink_locks.h"

#include "base/assert.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct ds_sink_locks {
    const ds_plan *plan;
    int *fds; /* by sink; -1: not locked */
};

ds_sink_locks *ds_sink_locks_new(const ds_plan *plan)
{
    ds_sink_locks *locks = ds_calloc(1, sizeof *locks);
    locks->plan = plan;
    locks->fds = ds_calloc(plan->n_sinks, sizeof *locks->fds);
    for (uint32_t i = 0; i < plan->n_sinks; i++)
        locks->fds[i] = -1;
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
static void let_go_of_lost(ds_sink_locks *locks, const ds_sink_plan *sink)
{
    int *fd = &locks->fds[sink->index];
    const char *path = locked_path(sink);
    if (*fd < 0 || access(path, F_OK) != 0 || is_there(*fd, path))
        return;
    close(*fd);
    *fd = -1;
}

/* Before it is unlocked, so that nobody else's folder is taken away. */
static void release(const ds_sink_plan *sink, int fd)
{
    DS_ASSERT(fd >= 0 && ds_sink_is_staged(sink));
    if (sink->kind == DS_TO_APPEND && is_there(fd, sink->staging))
        rmdir(sink->staging);
    close(fd);
}

void ds_sink_locks_free(ds_sink_locks *locks)
{
    if (locks == NULL)
        return;
    for (uint32_t i = 0; i < locks->plan->n_sinks; i++)
        if (locks->fds[i] >= 0)
            release(locks->plan->sinks[i], locks->fds[i]);
    free(locks->fds);
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
    if (lock_folder(sink->dir, &locks->fds[sink->index]))
        return DS_OK;
    return ds_error_set(error, DS_ERR_UNAVAILABLE,
                        "sink %s: the folder %s is in use by another dstream: stop it, or give "
                        "this sink a folder of its own",
                        sink->name, sink->dir);
}

static ds_status take_file(ds_sink_locks *locks, const ds_sink_plan *sink, ds_error *error)
{
    int *fd = &locks->fds[sink->index];
    DS_ASSERT(sink->kind == DS_TO_APPEND && *fd < 0);
    for (;;) {
        if (mkdir(sink->staging, 0777) != 0 && errno != EEXIST)
            return ds_error_set(error, DS_ERR_IO, "sink %s: cannot make the folder %s: %s",
                                sink->name, sink->staging, strerror(errno));
        if (!lock_folder(sink->staging, fd))
            return ds_error_set(error, DS_ERR_UNAVAILABLE,
                                "sink %s: the file %s is in use by another dstream: stop it, or "
                                "give this sink a path of its own",
                                sink->name, sink->path);
        if (*fd >= 0 || access(sink->staging, F_OK) == 0)
            return DS_OK; /* locked, or on a file system without locks */
    }
}

ds_status ds_sink_locks_take(ds_sink_locks *locks, const bool *make, ds_error *error)
{
    for (uint32_t i = 0; i < locks->plan->n_sinks; i++) {
        const ds_sink_plan *sink = locks->plan->sinks[i];
        if (!ds_sink_is_staged(sink))
            continue;
        let_go_of_lost(locks, sink);
        if (locks->fds[i] >= 0)
            continue;
        if (sink->kind == DS_TO_APPEND) {
            DS_TRY(take_file(locks, sink, error));
            continue;
        }
        if (make != NULL && make[i])
            DS_TRY(ds_make_folders(sink->dir, error));
        DS_TRY(take_folder(locks, sink, error));
    }
    return DS_OK;
}
