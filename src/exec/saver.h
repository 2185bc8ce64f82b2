/*
 * The saver of an executor: a thread that writes what tasks have collected (save_writer.h), so
 * that no task waits for a disk. What comes while it writes is the next group, synced at once. What
 * waits is bounded by the budget that it was charged to. It also gives back ranges of the store
 * that hold saves of no more use (saved_ranges.h).
 */
#ifndef DS_EXEC_SAVER_H
#define DS_EXEC_SAVER_H

#include "exec/save_writer.h"

typedef struct ds_save_thread ds_save_thread;

/* Called by the saver's thread with each that is done, in order, which it takes over. */
typedef void (*ds_saved_fn)(void *arg, ds_collected *collected);

/* Starts the thread. */
ds_save_thread *ds_save_thread_start(const ds_save_target *target, ds_saved_fn fn, void *arg);

/* Takes over what was collected. Any thread. */
void ds_save_thread_add(ds_save_thread *saver, ds_collected *collected);

/* Ends the thread after what it is writing; forgets the rest. */
void ds_save_thread_stop(ds_save_thread *saver);

#endif
