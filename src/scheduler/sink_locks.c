#include "scheduler/sink_locks.h"

#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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

void ds_sink_locks_free(ds_sink_locks *locks)
{
    if (locks == NULL)
        return;
    for (uint32_t i = 0; i < locks->plan->n_sinks; i++)
        if (locks->fds[i] >= 0)
            close(locks->fds[i]);
    free(locks->fds);
    free(locks);
}

static ds_status take_one(ds_sink_locks *locks, const ds_sink_plan *sink, ds_error *error)
{
    int fd = open(sink->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return DS_OK; /* not there yet; what else is wrong with it a write will tell */
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        locks->fds[sink->index] = fd;
        return DS_OK;
    }
    int reason = errno;
    close(fd);
    if (reason != EWOULDBLOCK)
        return DS_OK; /* a file system without locks */
    return ds_error_set(error, DS_ERR_UNAVAILABLE,
                        "sink %s: the folder %s is in use by another dstream: stop it, or give "
                        "this sink a folder of its own",
                        sink->name, sink->dir);
}

ds_status ds_sink_locks_take(ds_sink_locks *locks, const bool *make, ds_error *error)
{
    for (uint32_t i = 0; i < locks->plan->n_sinks; i++) {
        const ds_sink_plan *sink = locks->plan->sinks[i];
        if (sink->kind != DS_TO_FILE || locks->fds[i] >= 0)
            continue;
        if (make != NULL && make[i])
            DS_TRY(ds_make_folders(sink->dir, error));
        DS_TRY(take_one(locks, sink, error));
    }
    return DS_OK;
}
