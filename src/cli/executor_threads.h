/*
 * Executors that are threads of the driver's process ("executors": {"mode": "threads"}).
 *
 * Each has one that steps its control, as the process of an executor has, and starts the others
 * that it needs. None can be killed: one whose link is closed ends by itself, as soon as its
 * running tasks are done. What goes wrong in one (a signal, no memory) goes wrong in all.
 */
#ifndef DS_CLI_EXECUTOR_THREADS_H
#define DS_CLI_EXECUTOR_THREADS_H

#include "cli/launcher.h"

typedef struct ds_executor_threads ds_executor_threads;

/* spec: as of ds_launcher_new. */
ds_executor_threads *ds_executor_threads_new(const ds_launch_spec *spec);
/* Frees what has ended. False if some run: they, and what they use, have to stay. */
bool ds_executor_threads_free(ds_executor_threads *threads);

/* As the functions of the launcher. One thread. */
ds_status ds_executor_threads_start(ds_executor_threads *threads, uint64_t executor_id,
                                    const uint8_t *token, ds_error *error);
void ds_executor_threads_reap(ds_executor_threads *threads, ds_exited_fn fn, void *arg);
bool ds_executor_threads_wait(ds_executor_threads *threads, int timeout_ms);

#endif
