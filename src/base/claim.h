/*
 * Whose a checkpoint folder is.
 *
 * The driver holds DIR/lock, in which stands the epoch of its run: that is its claim. Executors
 * know the folder by its name only, and what that leads to may be another one by now: an empty
 * mount point, a copy, a folder that somebody made anew. So before they make a file there they look
 * for the epoch, in the folder that they then hold open; and they never make a folder.
 */
#ifndef DS_BASE_CLAIM_H
#define DS_BASE_CLAIM_H

#include "base/error.h"

#include <stdint.h>

/* Writes the claim to the file that is locked. DS_ERR_IO; path is for the message. */
ds_status ds_claim_write(int lock_fd, uint64_t epoch, const char *path, ds_error *error);

/* Opens the folder `dir` that the run of this epoch holds: a descriptor for openat, or -1 with
 * DS_ERR_IO in error if there is none, or another. Close it. */
int ds_claim_open(const char *dir, uint64_t epoch, ds_error *error);

/* DS_OK if the folder that `folder` is in (DIR/kept, say, which may be gone itself) is the one that
 * the run holds; else as ds_claim_open. */
ds_status ds_claim_check_above(const char *folder, uint64_t epoch, ds_error *error);

/* Whether the path leads to the file that is open. */
bool ds_claim_leads_to(const char *path, int fd);

#endif
