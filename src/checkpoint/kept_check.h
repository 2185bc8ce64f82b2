/*
 * Whether the files that a checkpoint names for what is kept hold what was saved. A start looks
 * before anything runs: with a chain that cannot be loaded windows and state would begin anew, and
 * what comes out be wrong.
 */
#ifndef DS_CHECKPOINT_KEPT_CHECK_H
#define DS_CHECKPOINT_KEPT_CHECK_H

#include "checkpoint/journal.h"

/* What was found in the folder. */
typedef struct ds_kept_found {
    uint64_t n_parts, bytes; /* that hold */
    uint64_t damaged;        /* parts that do not */
    uint64_t unread;         /* of them: nobody knows, as they cannot be read now */
} ds_kept_found;

/* Reads all parts and compares their checksums. If one does not hold: DS_ERR_IO, and error says
 * of the first which stream and file it is of, and why; the others are looked at all the same.
 * Takes as long as reading the bytes, which the executors read next. */
ds_status ds_kept_check(const char *folder, const ds_recovered_kept *kept, ds_kept_found *found,
                        ds_error *error);

/* As ds_recovered_check, of these files: DS_ERR_APP if one that the plan needs does not
 * hold, DS_ERR_IO if they merely cannot be read now. */
ds_status ds_recovered_check_kept(const ds_recovered *recovered, const ds_plan *plan,
                                  const char *dir, ds_error *error);

#endif
