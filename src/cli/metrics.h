/*
 * What the app tells of itself over HTTP: metrics in the text format of Prometheus (0.0.4), and
 * whether it is well, as JSON. docs/metrics.md lists them all.
 *
 * Labels are names of the app file and slots of executors: their number does not grow while it
 * runs.
 */
#ifndef DS_CLI_METRICS_H
#define DS_CLI_METRICS_H

#include "base/buffer.h"
#include "driver/driver.h"

/* Figures of the driver's loop. */
typedef struct ds_loop_figures {
    int64_t started_ms;           /* wall clock */
    ds_histogram journal, commit; /* on the disk */
    uint64_t mail_waiting, mail_dropped, disk_jobs, deletions;
    uint64_t executor_memory_bytes; /* that each executor may use */
    uint64_t requests;              /* over HTTP */
} ds_loop_figures;

/* Appends the page. To be called on the control's thread. */
void ds_metrics_page(ds_buffer *out, const ds_plan *plan, const ds_driver *driver,
                     const ds_loop_figures *loop);

/* Appends a JSON object that tells how the app is. */
void ds_metrics_health(ds_buffer *out, const ds_driver_health *health);

/* True if batches are made, executors are there, the first batch ran, and batches are not far
 * behind. */
bool ds_metrics_ready(const ds_driver_health *health);

#endif
