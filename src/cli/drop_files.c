#include "cli/drop_files.h"

#include "base/clock.h"
#include "base/inject.h"
#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAUSES 4 /* times what a file took */
#define MOST_PAUSE_US 50000
#define MANY 64u /* files that wait: then there are no pauses */

struct ds_dropper {
    ds_disk *thread; /* NULL: nothing was to be deleted yet */
    bool (*may)(void *arg);
    void *arg;
    atomic_bool hurry;
};

typedef struct drop_job {
    ds_disk_job job;
    ds_dropper *dropper;
    char path[];
} drop_job;

static void pause_after(int64_t took_us)
{
    int64_t us = took_us < MOST_PAUSE_US / PAUSES ? took_us * PAUSES : MOST_PAUSE_US;
    const struct timespec time = {0, (long)us * 1000};
    nanosleep(&time, NULL);
}

static void run_job(ds_disk_job *job)
{
    const drop_job *drop = (const drop_job *)job;
    int64_t begun_us = ds_clock_mono_us();
    if (drop->dropper->may(drop->dropper->arg))
        unlink(drop->path);
    DS_INJECT("kept.dropped");
    if (!atomic_load(&drop->dropper->hurry) && ds_disk_waiting(drop->dropper->thread) < MANY)
        pause_after(ds_clock_mono_us() - begun_us);
}

static void free_job(ds_disk_job *job)
{
    free(job);
}

ds_dropper *ds_dropper_new(bool (*may)(void *arg), void *arg)
{
    ds_dropper *dropper = ds_calloc(1, sizeof *dropper);
    dropper->may = may;
    dropper->arg = arg;
    return dropper;
}

ds_disk *ds_dropper_thread(ds_dropper *dropper)
{
    if (dropper->thread == NULL)
        dropper->thread = ds_disk_start();
    return dropper->thread;
}

void ds_dropper_add(ds_dropper *dropper, const char *const *paths, size_t n_paths)
{
    ds_disk *thread = ds_dropper_thread(dropper);
    for (size_t i = 0; i < n_paths; i++) {
        size_t length = strlen(paths[i]) + 1;
        drop_job *job = ds_calloc(1, sizeof *job + length);
        *job = (drop_job){.job = {.run = run_job, .free = free_job}, .dropper = dropper};
        memcpy(job->path, paths[i], length);
        ds_disk_add(thread, &job->job);
    }
}

size_t ds_dropper_waiting(const ds_dropper *dropper)
{
    return dropper->thread == NULL ? 0 : ds_disk_waiting(dropper->thread);
}

void ds_dropper_stop(ds_dropper *dropper)
{
    if (dropper == NULL)
        return;
    atomic_store(&dropper->hurry, true);
    ds_disk_stop(dropper->thread);
    free(dropper);
}
