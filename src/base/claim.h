/*
 * Whose a checkpoint folder is.
 *
 * The driver holds DIR/lock, in which stands the epoch of its run (dstream/checkpoint_mark.h).
 * Executors know the folder by its name only, and what that leads to may be another one by now: an
 * empty mount point, a copy, a folder that somebody made anew. So before they make a file there
 * they look for the epoch, in the folder that they then hold open; and they never make a folder.
 */
#ifndef DS_BASE_CLAIM_H
#define DS_BASE_CLAIM_H

#include "base/error.h"

#include <stdint.h>

/* Opens the folder `dir` that the run of this epoch holds: a descriptor for openat, or -1 with
 * DS_ERR_IO in error if there is none, or another. Close it. */
int ds_claim_open(const char *dir, uint64_t epoch, ds_error *error);

/* Whether the path leads to the file that is open. */
bool ds_claim_leads_to(const char *path, int fd);

#endif
