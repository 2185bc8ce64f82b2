/*
 * What a batch was given, as records of the journal have it: inputs of sources, and versions of
 * tables. False: it is not what it should be.
 */
#ifndef DS_CHECKPOINT_JOURNAL_INPUTS_H
#define DS_CHECKPOINT_JOURNAL_INPUTS_H

#include "checkpoint/journal.h"

/* Which file one that grows is. */
bool ds_journal_read_id(const json_t *object, ds_file_id *id);

/* A place in the log: the name of a segment, and where in it. */
bool ds_journal_read_place(const json_t *object, ds_log_place *place);

/* One input; its text is in arena. */
bool ds_journal_read_input(ds_arena *arena, const json_t *object, ds_input *input);

/* The inputs and tables of a batch, in arena. Those of sources that the plan has no more, or has
 * with another type, are left out; without a plan (NULL) all are, and inputs are checked. */
bool ds_journal_read_given(ds_arena *arena, const ds_plan *plan, const json_t *object,
                           ds_recovered_batch *batch);

#endif
