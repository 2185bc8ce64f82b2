#include "cli/disk.h"

#include "base/assert.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>

struct ds_disk {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    ds_disk_job *first, **last;
    size_t waiting; /* the one that runs counts, too */
    bool stopping;
};

static void remove_first(ds_disk *disk)
{
    disk->first = disk->first->next;
    if (disk->first == NULL)
        disk->last = &disk->first;
}

/* What waits behind a job and can be done with it. */
static void join_next(ds_disk *disk, ds_disk_job *job)
{
    while (disk->first != NULL && job->join != NULL && job->join(job, disk->first)) {
        ds_disk_job *joined = disk->first;
        remove_first(disk);
        disk->waiting--;
        joined->free(joined);
    }
}

static ds_disk_job *take(ds_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    while (disk->first == NULL && !disk->stopping)
        pthread_cond_wait(&disk->filled, &disk->lock);
    ds_disk_job *job = disk->first;
    if (job != NULL) {
        remove_first(disk);
        join_next(disk, job);
    }
    pthread_mutex_unlock(&disk->lock);
    return job;
}

static void *work(void *arg)
{
    ds_disk *disk = arg;
    ds_disk_job *job;
    while ((job = take(disk)) != NULL) {
        job->run(job);
        job->free(job);
        pthread_mutex_lock(&disk->lock);
        disk->waiting--;
        pthread_mutex_unlock(&disk->lock);
    }
    return NULL;
}

ds_disk *ds_disk_start(void)
{
    ds_disk *disk = ds_calloc(1, sizeof *disk);
    pthread_mutex_init(&disk->lock, NULL);
    pthread_cond_init(&disk->filled, NULL);
    disk->last = &disk->first;
    int failed = pthread_create(&disk->thread, NULL, work, disk);
    DS_ASSERT(failed == 0);
    return disk;
}

void ds_disk_add(ds_disk *disk, ds_disk_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&disk->lock);
    *disk->last = job;
    disk->waiting++;
    disk->last = &job->next;
    pthread_cond_signal(&disk->filled);
    pthread_mutex_unlock(&disk->lock);
}

size_t ds_disk_waiting(ds_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    size_t waiting = disk->waiting;
    pthread_mutex_unlock(&disk->lock);
    return waiting;
}

void ds_disk_stop(ds_disk *disk)
{
    if (disk == NULL)
        return;
    pthread_mutex_lock(&disk->lock);
    disk->stopping = true;
    pthread_cond_signal(&disk->filled);
    pthread_mutex_unlock(&disk->lock);
    pthread_join(disk->thread, NULL);
    pthread_cond_destroy(&disk->filled);
    pthread_mutex_destroy(&disk->lock);
    free(disk);
}
