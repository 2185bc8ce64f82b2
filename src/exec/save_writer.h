/*
 * Writing what was collected: to files, or into the store where there is no checkpoint.
 *
 * The parts of one save of one executor go to one file, FOLDER/SAVE-EPOCH-EXECUTOR.kept, one group
 * after the other; a group is reported only when its bytes and the name of the file are on the
 * disk. Whoever reads the file knows place, length and checksum of each part from the journal, and
 * a name is never used twice (the epoch is random, the executor's number and the save's count up).
 * So nothing has to be written aside and renamed: bytes that no journal names mean nothing, bytes
 * that one names were synced before, and later ones only come behind them. A file on which
 * something failed is not written to any more; the next group gets another one, with a number:
 * ...-1.kept.
 */
#ifndef DS_EXEC_SAVE_WRITER_H
#define DS_EXEC_SAVE_WRITER_H

#include "exec/collected.h"
#include "exec/pace.h"
#include "exec/saved_ranges.h"

typedef struct ds_save_writer ds_save_writer;

typedef struct ds_save_target {
    ds_store *store; /* borrowed, as ranges */
    ds_saved_ranges *ranges;
    bool sync;     /* files; false only where nothing has to outlive the system */
    bool claimed;  /* only into the checkpoint of the run of the orders' epoch (base/claim.h) */
    ds_pace *pace; /* borrowed; NULL: no pauses */
} ds_save_target;

/* Free with ds_save_writer_free: closes the file. */
ds_save_writer *ds_save_writer_new(const ds_save_target *target);
void ds_save_writer_free(ds_save_writer *writer);

/* Writes a list (by next) of what was collected, after what is to be folded is; each then has its
 * places, or has failed
 * (DS_ERR_IO, DS_ERR_NO_MEMORY). Its bytes are given up. */
void ds_save_writer_write(ds_save_writer *writer, ds_collected *list);

#endif
