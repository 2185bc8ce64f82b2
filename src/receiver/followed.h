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
 * False, with id as it was, if they cannot be read: errno says why, 0 if it shrank. */
bool ds_head_read(int fd, uint64_t size, ds_file_id *id);

typedef enum ds_head {
    DS_HEAD_SAME,
    DS_HEAD_OTHER,
    DS_HEAD_UNREAD, /* errno says why */
} ds_head;

/* Whether a file begins as id says. What cannot be read says nothing about that. */
ds_head ds_head_check(int fd, const ds_file_id *id);

/* Opens a path for reading, without waiting and without following what is no regular file.
 * Returns the descriptor, or -1 with errno (EISDIR for anything that is no regular file). */
int ds_open_regular(const char *path);

/*
 * Finds and opens a followed file: by the descriptor of another process (pid 0: none), by its
 * path, or by its inode among the files of its folder; *fd is the caller's to close. `kept`, if
 * not NULL, receives the path that led to it (room for path_size bytes; "" for the descriptor).
 * DS_ERR_NO_INPUT if it is gone or is written anew; DS_ERR_UNAVAILABLE if its folder is not there
 * (it may come back, with the file); DS_ERR_IO if anything could not be opened or read that may be
 * the file, or lead to it.
 */
ds_status ds_followed_open(const char *path, const ds_file_id *id, uint32_t pid, uint32_t number,
                           int *fd, char *kept, size_t path_size, ds_error *error);

/* True if a file of this device that is not found by its path may yet be, as the folder of the path
 * is not there, cannot be opened, or is an empty one of another device (a mount point). */
bool ds_folder_is_away(const char *path, uint64_t device);

#endif
