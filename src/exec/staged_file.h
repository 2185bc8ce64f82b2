/*
 * A file that is written aside: buffered, with a running checksum, removed unless it is
 * completed.
 */
#ifndef DS_EXEC_STAGED_FILE_H
#define DS_EXEC_STAGED_FILE_H

#include "base/buffer.h"
#include "base/error.h"

typedef struct ds_staged_file ds_staged_file;

/* Creates the file (and its folder); shared: for whom the umask allows, else for the user alone.
 * DS_ERR_IO with the path and the reason. */
ds_status ds_staged_file_new(const char *folder, const char *name, bool shared,
                             ds_staged_file **file, ds_error *error);

/* Where to append bytes; ds_staged_file_drain writes out what has gathered. */
ds_buffer *ds_staged_file_buffer(ds_staged_file *file);
/* Writes the buffer out if it is large. DS_ERR_IO. */
ds_status ds_staged_file_drain(ds_staged_file *file, ds_error *error);

/* Writes what is left, syncs if asked to, and closes. The file stays. */
ds_status ds_staged_file_complete(ds_staged_file *file, bool sync, uint64_t *length,
                                  uint64_t *checksum, ds_error *error);
const char *ds_staged_file_path(const ds_staged_file *file);
/* Nobody will take the file: ds_staged_file_free removes it, completed or not. */
void ds_staged_file_discard(ds_staged_file *file);
/* Closes, removes the file if it was not completed, and frees. NULL is allowed. */
void ds_staged_file_free(ds_staged_file *file);

#endif
