/*
 * Tasks that leave together: in one round of the driver every executor is sent its tasks in as few
 * messages as there is room for.
 */
#ifndef DS_DRIVER_BUNDLES_H
#define DS_DRIVER_BUNDLES_H

#include "driver/driver_state.h"

typedef struct ds_bundle ds_bundle;

typedef struct ds_bundles {
    ds_driver *driver;
    ds_bundle *first, *last; /* in the order in which executors were first given a task */
    bool more;               /* tasks are left that wait for results of these */
} ds_bundles;

/* The arena of a round: what tasks point to until they are sent may be in it. */
ds_arena *ds_bundles_arena(ds_bundles *bundles);
/* Adds a task (copied; what it points to stays until the end of the round). */
void ds_bundles_add(ds_bundles *bundles, ds_executor_entry *to, const ds_task *task);
/* Sends what is left, and ends the round. */
void ds_bundles_send(ds_bundles *bundles);

#endif
