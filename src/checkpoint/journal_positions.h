/*
 * How far sources were read, as the journal has it: the `sources` of a whole record, and what the
 * batches since were given.
 */
#ifndef DS_CHECKPOINT_JOURNAL_POSITIONS_H
#define DS_CHECKPOINT_JOURNAL_POSITIONS_H

#include "checkpoint/journal.h"

/* Reads the `sources` of a whole record. False: they are not what they should be. */
bool ds_journal_read_sources(ds_recovered *recovered, json_t *sources);

/* An allotted record, which was read before, moves the positions of its sources on. */
void ds_journal_note_positions(ds_recovered *recovered, const json_t *object);

/* After the last record: one entry for each file, sorted. */
void ds_journal_merge_files(ds_recovered *recovered);

#endif
