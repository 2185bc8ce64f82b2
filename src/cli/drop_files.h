/*
 * Deleting files that nothing refers to any more, beside all else: of saved data, and of the log.
 *
 * A new chain makes dozens of files go at once, and a large one takes milliseconds. No batch is to
 * wait for that, so it has a thread of its own, which begins with the first job, and pauses between
 * files as long as nobody is in a hurry and few of them wait.
 */
#ifndef DS_CLI_DROP_FILES_H
#define DS_CLI_DROP_FILES_H

#include "cli/disk.h"

#include <stddef.h>

typedef struct ds_dropper ds_dropper;

/* may (with arg, on the thread of the dropper) is asked before each file: false if the folder is
 * not ours any more, and what has the name is somebody else's. Free with ds_dropper_stop. */
ds_dropper *ds_dropper_new(bool (*may)(void *arg), void *arg);

/* The thread, for jobs that delete in their own way. One thread at a time. */
ds_disk *ds_dropper_thread(ds_dropper *dropper);

/* Queues files; the paths are copied. Whether it works does not matter: what is left goes at the
 * next start. One thread at a time. */
void ds_dropper_add(ds_dropper *dropper, const char *const *paths, size_t n_paths);

/* How many files (and other jobs of its thread) wait or are being deleted: no more than lie on the
 * disk anyway. One thread at a time. */
size_t ds_dropper_waiting(const ds_dropper *dropper);

/* Deletes what is queued, and frees. Or NULL. */
void ds_dropper_stop(ds_dropper *dropper);

#endif
