/*
 * Followed files, opened and told from others (base/followed.h). Thread-safe: nothing is kept
 * between calls.
 */
#ifndef DS_RECEIVER_FOLLOWED_H
#define DS_RECEIVER_FOLLOWED_H

#include "base/error.h"
#include "base/followed.h"

#include <stddef.h>

/* Fills id->head and id->head_bytes from the first bytes of a file that has `size` of them.
 * False, with id as it was, if they cannot be read (it shrank). */
bool ds_head_read(int fd, uint64_t size, ds_file_id *id);

/* True if the file still begins as id says. */
bool ds_head_holds(int fd, const ds_file_id *id);

/* Opens a path for reading, without waiting and without following what is no regular file.
 * Returns the descriptor, or -1 with errno (EISDIR for anything that is no regular file). */
int ds_open_regular(const char *path);

/*
 * Finds and opens a followed file: by the descriptor of another process (pid 0: none), by its
 * path, or by its inode among the files of its folder; *fd is the caller's to close. `kept`, if
 * not NULL, receives the path that led to it (room for path_size bytes; "" for the descriptor).
 * DS_ERR_NO_INPUT if it is gone or is written anew; DS_ERR_IO if it is there but cannot be opened.
 */
ds_status ds_followed_open(const char *path, const ds_file_id *id, uint32_t pid, uint32_t number,
                           int *fd, char *kept, size_t path_size, ds_error *error);

#endif
