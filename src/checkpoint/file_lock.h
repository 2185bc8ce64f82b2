/*
 * A file that may be known under several names. A symbolic link leads to one, whose name is locked
 * instead: that file need not be there yet. Of hard links none is the one, so the file itself is
 * locked.
 */
#ifndef DS_CHECKPOINT_FILE_LOCK_H
#define DS_CHECKPOINT_FILE_LOCK_H

#include <stdbool.h>

/* The name that a symbolic link leads to in the end, whether or not there is a file. NULL if path
 * is none, or one of too many. The caller frees it. */
char *ds_link_target(const char *path);

/* Locks the file itself with one byte far behind its end, so that nobody is in the way who locks
 * files for other reasons. *fd: what was locked so far, or -1; receives what is from now on: -1 too
 * if there is no file, or the file system has no locks. False if somebody else has it. */
bool ds_file_lock(const char *path, int *fd);

#endif
