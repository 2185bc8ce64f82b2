/*
 * The mark of a checkpoint folder: its file `lock` has the epoch of the run that holds it. By that
 * an executor, wherever it is, can tell this folder from another one of its name: an empty place
 * where a disk is not mounted, or what a container has there.
 */
#ifndef DS_DSTREAM_CHECKPOINT_MARK_H
#define DS_DSTREAM_CHECKPOINT_MARK_H

#include "base/error.h"

#include <stdint.h>

/* Writes the mark to the file that is locked. DS_ERR_IO; path is for the message. */
ds_status ds_checkpoint_mark(int lock_fd, uint64_t epoch, const char *path, ds_error *error);

/* DS_OK if the folder of saved parts, CHECKPOINT/kept (it may be gone), is in the checkpoint folder
 * of this run. DS_ERR_NO_INPUT, with the reason, if that is not there, is another one, or cannot be
 * looked at. */
ds_status ds_checkpoint_mark_check(const char *kept_folder, uint64_t epoch, ds_error *error);

#endif
