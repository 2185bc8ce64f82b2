/*
 * What the records of a metadata file say together, as JSON: a whole one, and those that follow it
 * folded into it. It is what a person is shown; a run reads them with journal.h.
 */
#ifndef DS_CHECKPOINT_JOURNAL_FOLD_H
#define DS_CHECKPOINT_JOURNAL_FOLD_H

#include "base/json_source.h"

/* Takes a record that follows a whole one into its object. */
void ds_journal_fold(json_t *state, const json_t *record);

#endif
