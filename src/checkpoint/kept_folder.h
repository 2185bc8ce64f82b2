/*
 * The folder of a checkpoint in which executors save what they keep (`DIR/kept`). Its files are
 * deleted when nothing refers to them (chains.h); what a crash left behind goes at the next start.
 */
#ifndef DS_CHECKPOINT_KEPT_FOLDER_H
#define DS_CHECKPOINT_KEPT_FOLDER_H

#include "checkpoint/journal_kept.h"

/* Makes the folder, and deletes all its files but those that a checkpoint names (NULL: none of
 * them). DS_ERR_IO if it cannot be made. No executor may be at work. */
ds_status ds_kept_folder_open(const char *folder, const ds_recovered_kept *kept, ds_error *error);

/* Whether executors wrote a file of that name, whole or begun: people may put anything there. */
bool ds_kept_folder_is_ours(const char *name);

/* Deletes the folder and what is in it. */
void ds_kept_folder_remove(const char *folder);

#endif
