/* Deleting files of saved data that nothing refers to any more: a job of the disk thread. */
#ifndef DS_CLI_DROP_FILES_H
#define DS_CLI_DROP_FILES_H

#include "cli/disk.h"

#include <stddef.h>

/* Queues it; the paths are copied. Whether it works does not matter: what is left goes at the next
 * start. */
void ds_drop_files(ds_disk *disk, const char *const *paths, size_t n_paths);

#endif
