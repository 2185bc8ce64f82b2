/*
 * What a task has collected of its partition for a save: the bytes of its parts, in memory until
 * they are written. They are charged to the budget of the executor. When it does not allow them
 * yet, because others are being written, the task waits for these (where they are written by
 * another thread); when it does not allow them at all the save fails, and the task does not.
 */
#ifndef DS_EXEC_COLLECTED_H
#define DS_EXEC_COLLECTED_H

#include "base/memory.h"
#include "base/saved.h"
#include "rpc/message.h"

/* Bytes, in pieces that never move. Zeroed: none. */
typedef struct ds_collected_piece {
    struct ds_collected_piece *next;
    size_t length, size;
    char bytes[];
} ds_collected_piece;

typedef struct ds_collected_bytes {
    ds_collected_piece *first, *last;
    uint64_t length;
} ds_collected_bytes;

/* For what and where something is saved. */
typedef struct ds_save_order {
    uint64_t epoch, executor_id; /* who saves it */
    uint32_t plan_id;
    uint64_t save;      /* its number */
    const char *folder; /* where it goes; "": into the store */
} ds_save_order;

typedef struct ds_collected {
    struct ds_collected *next; /* for who has it */
    ds_save_order order;
    /* What the driver is told: parts without path, ref, offset, length and checksum until they are
     * written; its texts lie here, too. Not OK: nothing of it is saved, the parts only say of what.
     */
    ds_msg_saved saved;
    ds_collected_bytes *bytes; /* by part */
    uint32_t most_parts;
    ds_budget *budget;                /* borrowed */
    struct ds_collection *collection; /* where it will be added, or was; borrowed; or NULL */
    bool added;
    int64_t charged;
    char *path; /* of the file where it is */
    char why[DS_ERROR_TEXT];
    char folder[];
} ds_collected;

typedef struct ds_collection ds_collection;

/* For at most so many parts. order is copied; collection (which outlives it) is where others wait
 * to be written, or NULL. Free with ds_collected_free. */
ds_collected *ds_collected_new(const ds_save_order *order, uint32_t most_parts, ds_budget *budget,
                               ds_collection *collection);
void ds_collected_free(ds_collected *collected);

/* Adds a part, whose bytes are written to *to next (valid until the next part): its write fails
 * with DS_ERR_NO_MEMORY if the budget does not allow them. */
void ds_collected_add(ds_collected *collected, const ds_saved_part *part, ds_save_to *to);

/* It cannot be saved; the bytes are given up. The first reason counts. */
void ds_collected_fail(ds_collected *collected, ds_status status, const char *why);

/* Gives up the bytes: they are written. */
void ds_collected_forget_bytes(ds_collected *collected);

/* A list that tasks add to and the control takes from. Thread-safe. */
ds_collection *ds_collection_new(void);
/* From now on tasks may wait for what was added to be written: another thread does that. */
void ds_collection_set_patient(ds_collection *collection);
void ds_collection_free(ds_collection *collection); /* with what is in it */
/* Takes it over. */
void ds_collection_add(ds_collection *collection, ds_collected *collected);
/* All that were added, in order, for the caller to free; NULL: none. */
ds_collected *ds_collection_take(ds_collection *collection);

#endif
