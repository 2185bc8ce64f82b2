/* The checkpoint of a run as it starts: what is in it, and whether this run may have it. */
#ifndef DS_CLI_LOOP_CHECKPOINT_H
#define DS_CLI_LOOP_CHECKPOINT_H

#include "checkpoint/journal.h"
#include "cli/loop_state.h"

/* Opens the checkpoint folder, if the app has one, and claims it if nothing forbids to go on.
 * *recovered receives what a driver before left in it, to be freed; NULL: nothing. Errors as those
 * of ds_metadata_open and of the checks. */
ds_status ds_loop_open_checkpoint(ds_loop *loop, ds_recovered **recovered, ds_error *error);

#endif
