/* Small helpers around files and folders. Thread-safe. */
#ifndef DS_BASE_FILES_H
#define DS_BASE_FILES_H

#include "base/buffer.h"
#include "base/error.h"

/* Makes a folder and those above it. DS_ERR_IO with the path and the reason. */
ds_status ds_make_folders(const char *path, ds_error *error);
/* The same for what is nobody else's business: only the user may enter those that it makes. */
ds_status ds_make_private_folders(const char *path, ds_error *error);
/* The mode of files in them. */
#define DS_PRIVATE_FILE 0600

/* Makes what was renamed or created in a folder durable. DS_ERR_IO. */
ds_status ds_sync_folder(const char *path, ds_error *error);

/* Appends a whole file to out. DS_ERR_NO_INPUT if it cannot be opened, DS_ERR_IO if it cannot be
 * read or has more than limit bytes. */
ds_status ds_read_file(const char *path, size_t limit, ds_buffer *out, ds_error *error);

/* The same of a regular file only; what else has its name is DS_ERR_IO, and is not waited for. */
ds_status ds_read_regular_file(const char *path, size_t limit, ds_buffer *out, ds_error *error);

/* The folder that a file or folder is in, by its path. Free it. */
char *ds_folder_above(const char *path);

#endif
