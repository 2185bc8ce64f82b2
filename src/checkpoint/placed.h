/*
 * Marks that say that outputs of a batch are in their place, though nothing of them is staged any
 * more: beside the first staged file of a folder, or of an append, NAME.placed.
 *
 * Somebody may take away what is in place as soon as it is there. Without a mark that would look,
 * after a crash, like outputs that never came there. It is removed once the batch is committed.
 * Called from the disk thread.
 */
#ifndef DS_CHECKPOINT_PLACED_H
#define DS_CHECKPOINT_PLACED_H

#include "base/buffer.h"

#include <stdbool.h>

/* Appends the path of the mark for outputs of which this was the first staged file. */
void ds_placed_path(ds_buffer *path, const char *staged);

/* Makes the mark. If the folder of staged files is gone there is none. */
void ds_placed_mark(const char *staged);

/* Whether there is a mark for them. */
bool ds_placed_is_marked(const char *staged);

/* The length of a path without what makes it one of a mark; 0 if it is none. */
size_t ds_placed_staged_length(const char *path);

#endif
