#include "cli/drop_files.h"

#include "base/inject.h"
#include "base/memory.h"

#include <stdlib.h>
#include <unistd.h>

typedef struct drop_job {
    ds_disk_job job;
    char **paths;
    size_t n_paths;
} drop_job;

static void run_job(ds_disk_job *job)
{
    const drop_job *drop = (const drop_job *)job;
    for (size_t i = 0; i < drop->n_paths; i++)
        unlink(drop->paths[i]);
    DS_INJECT("kept.dropped");
}

static void free_job(ds_disk_job *job)
{
    drop_job *drop = (drop_job *)job;
    for (size_t i = 0; i < drop->n_paths; i++)
        free(drop->paths[i]);
    free(drop->paths);
    free(drop);
}

void ds_drop_files(ds_disk *disk, const char *const *paths, size_t n_paths)
{
    drop_job *job = ds_calloc(1, sizeof *job);
    *job = (drop_job){.job = {.run = run_job, .free = free_job},
                      .paths = ds_calloc(n_paths, sizeof *job->paths),
                      .n_paths = n_paths};
    for (size_t i = 0; i < n_paths; i++)
        job->paths[i] = ds_strdup(paths[i]);
    ds_disk_add(disk, &job->job);
}
