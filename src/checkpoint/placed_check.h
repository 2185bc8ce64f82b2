/*
 * Whether outputs are in their place of which a checkpoint does not know. Their marks (placed.h)
 * are made after the commit was noted, and synced: without that record the metadata was cut short
 * or is an old copy, and batches would be output twice.
 */
#ifndef DS_CHECKPOINT_PLACED_CHECK_H
#define DS_CHECKPOINT_PLACED_CHECK_H

#include "checkpoint/journal.h"

/* As ds_recovered_check, of the marks in the staging folders of the plan's sinks: DS_ERR_APP if one
 * is of a batch that was not prepared as far as the checkpoint in `dir` knows. */
ds_status ds_recovered_check_placed(const ds_recovered *recovered, const ds_plan *plan,
                                    const char *dir, ds_error *error);

#endif
