/*
 * The driver's disk thread: what may wait for a disk (checkpoint records, commits, listings)
 * is done here, in order, and answered by a callback on this thread.
 */
#ifndef DS_CLI_DISK_H
#define DS_CLI_DISK_H

#include "base/error.h"

#include <stdbool.h>

typedef struct ds_disk ds_disk;

/* A job: run does the work; free gives back what the job holds. join, if there is one, may take
 * over the work of the job that waits right behind it, which is freed then and never run: what
 * came while the disk was busy shares one sync. All of them on the disk thread. */
typedef struct ds_disk_job {
    struct ds_disk_job *next;
    void (*run)(struct ds_disk_job *job);
    void (*free)(struct ds_disk_job *job);
    bool (*join)(struct ds_disk_job *job, struct ds_disk_job *behind); /* false: not that one */
} ds_disk_job;

/* Starts the thread. */
ds_disk *ds_disk_start(void);
/* Queues a job, which the disk thread then owns. Any thread. */
void ds_disk_add(ds_disk *disk, ds_disk_job *job);
/* How many jobs wait or run. Any thread. */
size_t ds_disk_waiting(ds_disk *disk);
/* Runs what is queued, ends the thread and frees. */
void ds_disk_stop(ds_disk *disk);

#endif
