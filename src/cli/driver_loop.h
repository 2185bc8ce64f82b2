/* The driver process: the real loop around the control (driver/driver.h). */
#ifndef DS_CLI_DRIVER_LOOP_H
#define DS_CLI_DRIVER_LOOP_H

#include "dstream/plan.h"

typedef struct ds_run_options {
    bool available_now;
    const char *log_format, *log_level; /* for executors */
} ds_run_options;

/* Runs a plan to its end. Returns what the app ended with; *error says why if not DS_OK. Takes
 * over SIGINT, SIGTERM and SIGCHLD. Must be called from the main thread, before others start. */
ds_status ds_driver_loop(const ds_plan *plan, const ds_run_options *options, ds_error *error);

#endif
