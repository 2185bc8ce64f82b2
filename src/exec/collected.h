/*
 * What a task has collected of its partition for a save: the bytes of its parts, until they are
 * written. In memory they are charged to the budget of the executor. What it does not allow goes
 * into the store, behind its memory if there is room: what is kept may be larger than memory. If
 * there is no room at all, because others are being written, the task waits for these (where
 * another thread writes them); if there still is none the save fails, and the task does not.
 */
#ifndef DS_EXEC_COLLECTED_H
#define DS_EXEC_COLLECTED_H

#include "base/memory.h"
#include "base/saved.h"
#include "exec/store.h"
#include "rpc/message.h"

/* Bytes, in pieces that never move. Zeroed: none. */
typedef struct ds_collected_piece {
    struct ds_collected_piece *next;
    size_t length, size;
    bool stored;
    uint64_t offset; /* in the store, if it is there: then it has no bytes here */
    char *taken;     /* bytes that were taken as they are (owned) ... */
    ds_budget *of;   /* ... from this budget; or NULL: */
    char bytes[];
} ds_collected_piece;

typedef struct ds_collected_bytes {
    ds_collected_piece *first, *last;
    uint64_t length;
    bool lacks_sum; /* saved.h */
} ds_collected_bytes;

/* For what and where something is saved. */
typedef struct ds_save_order {
    uint64_t epoch, executor_id; /* who saves it */
    uint32_t plan_id;
    uint64_t save;      /* its number */
    const char *folder; /* where it goes; "": into the store */
} ds_save_order;

typedef struct ds_collection ds_collection;

/* Where the bytes are until they are written; all borrowed, and outlive them. */
typedef struct ds_collected_room {
    ds_budget *budget;
    ds_store *store;           /* NULL: only in memory */
    ds_collection *collection; /* where others wait to be written; or NULL */
} ds_collected_room;

typedef struct ds_collected {
    struct ds_collected *next; /* for who has it */
    ds_save_order order;
    /* What the driver is told: parts without path, ref, offset, length and checksum until they are
     * written; its texts lie here, too. Not OK: nothing of it is saved, the parts only say of what.
     */
    ds_msg_saved saved;
    ds_collected_bytes *bytes; /* by part */
    uint32_t most_parts;
    ds_collected_room room;
    struct ds_fold *fold; /* what is to be done before it is written (fold.h); or NULL */
    bool anew;            /* that is being done */
    bool added;           /* to its collection ... */
    bool taken;           /* ... and taken from there */
    int64_t charged;      /* to the budget */
    char *path;           /* of the file where it is */
    char why[DS_ERROR_TEXT];
    char folder[];
} ds_collected;

/* For at most so many parts. order and room are copied. Free with ds_collected_free. */
ds_collected *ds_collected_new(const ds_save_order *order, uint32_t most_parts,
                               const ds_collected_room *room);
void ds_collected_free(ds_collected *collected);

/* Adds a part, whose bytes are written to *to next (valid until the next part): its write fails
 * with DS_ERR_NO_MEMORY if there is no room for them, with DS_ERR_IO if the disk fails. They lack
 * their checksum, if there are any, which costs as much as to copy them. */
void ds_collected_add(ds_collected *collected, const ds_saved_part *part, ds_save_to *to);

/* Gives up the parts with their bytes, to add others: it was added to its collection, and nobody
 * waits for room while they are, as it is whoever writes that makes room. */
void ds_collected_begin_anew(ds_collected *collected);

/* Gives the bytes of a part to `to`, in order, with their checksum. Its errors, and DS_ERR_IO. */
ds_status ds_collected_read(const ds_collected *collected, uint32_t part, const ds_save_to *to,
                            ds_error *error);

/* It cannot be saved; the bytes are given up. The first reason counts. */
void ds_collected_fail(ds_collected *collected, ds_status status, const char *why);

/* Gives up the bytes: they are written. */
void ds_collected_forget_bytes(ds_collected *collected);

/* A list that tasks add to and the control takes from. Thread-safe. */
ds_collection *ds_collection_new(void);
/* From now on tasks may wait for what was added to be written: another thread does that. */
void ds_collection_set_patient(ds_collection *collection);
/* Nothing is written any more: whoever waits gives up. */
void ds_collection_end_patience(ds_collection *collection);
void ds_collection_free(ds_collection *collection); /* with what is in it */
/* Takes it over. */
void ds_collection_add(ds_collection *collection, ds_collected *collected);
/* All that were added, in order, for the caller to free; NULL: none. */
ds_collected *ds_collection_take(ds_collection *collection);
/* Reserves memory of budget (or NULL) for a fold (fold.h). They are made one after the other: so
 * all that wait have the same room, which is as large as the largest of them needs. */
bool ds_collection_reserve_fold(ds_collection *collection, ds_budget *budget, int64_t bytes);
/* After one that was reserved for. */
void ds_collection_end_fold(ds_collection *collection, ds_budget *budget);
/* Waits, but not for ever, until what was taken and has memory of the budget is written. False:
 * there is nothing to wait for. collection may be NULL. */
bool ds_collection_wait(ds_collection *collection);

#endif
