/* Failures of functions of the user's own, told at a limited rate; all are counted. */
#ifndef DS_DRIVER_FAULTS_H
#define DS_DRIVER_FAULTS_H

#include "driver/driver.h"
#include "rpc/message.h"

/* Logs what failed, with some of the reasons, in the place that is named ("table t"). */
void ds_driver_show_faults(ds_driver *driver, const char *where, const ds_task_result *result);

#endif
