/*
 * Runs of tasks beside the one that the task itself knows (batch.h): a second copy of a slow one,
 * or, once either has brought its result, the other, which has not ended yet. Nobody waits for
 * that; but it still reads what was to be released, and takes a place where it runs.
 */
#ifndef DS_SCHEDULER_COPIES_H
#define DS_SCHEDULER_COPIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ds_copy {
    int64_t batch_ms;
    uint32_t stage, partition, attempt;
    uint64_t executor_id;
    int64_t handed_us;  /* since when */
    uint64_t slow_id;   /* the executor that was slow with the task; 0: its run has ended */
    int64_t give_up_us; /* when its executor is given up, if it has not ended; INT64_MAX: never */
} ds_copy;

typedef struct ds_copies { /* all zero: none */
    ds_copy *list;
    size_t n, capacity;
} ds_copies;

/* Frees the list. */
void ds_copies_fini(ds_copies *copies);
/* Adds one (copied). */
void ds_copies_add(ds_copies *copies, const ds_copy *copy);
/* Takes one out of the list, which moves others. */
void ds_copies_remove(ds_copies *copies, ds_copy *copy);
/* The run with this number of a task (none is used twice), or NULL. */
ds_copy *ds_copies_find(const ds_copies *copies, int64_t batch_ms, uint32_t stage,
                        uint32_t partition, uint32_t attempt);
/* Removes those of an executor. */
void ds_copies_lose(ds_copies *copies, uint64_t executor_id);
/* How many are on an executor. */
uint32_t ds_copies_on(const ds_copies *copies, uint64_t executor_id);
/* True if some task of an executor was slow, and has not ended. */
bool ds_copies_slow(const ds_copies *copies, uint64_t executor_id);
/* The batch of the oldest; INT64_MAX if there is none. */
int64_t ds_copies_oldest_ms(const ds_copies *copies);
/* True if some are of this batch. */
bool ds_copies_of(const ds_copies *copies, int64_t batch_ms);

#endif
