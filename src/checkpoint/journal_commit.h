/* The commit record of a batch, as the journal has it. */
#ifndef DS_CHECKPOINT_JOURNAL_COMMIT_H
#define DS_CHECKPOINT_JOURNAL_COMMIT_H

#include "checkpoint/journal.h"

/* Makes the batch a prepared one; what it makes is in arena. A later record of the same batch
 * replaces an earlier one. False: it is not what it should be. */
bool ds_journal_read_commit(ds_arena *arena, const json_t *object, ds_recovered_batch *batch);

#endif
