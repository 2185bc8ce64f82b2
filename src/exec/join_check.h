/* What an executor needs to see of the app's folders, looked at before it takes part. */
#ifndef DS_EXEC_JOIN_CHECK_H
#define DS_EXEC_JOIN_CHECK_H

#include "dstream/plan.h"

/* DS_OK if this process can read and write the checkpoint folder of this run, where kept_folder is
 * ("": none), as far as tasks of the plan do, and the folders in which they write rows of sinks,
 * which the driver has made; where they write such rows it has to see the checkpoint folder, too.
 * DS_ERR_IO, with the reason, if not. */
ds_status ds_join_check(const ds_plan *plan, const char *kept_folder, uint64_t epoch,
                        ds_error *error);

#endif
