/* Folders of a run, and what file sinks have left in them: folders of output times, read back as
 * the oracle's text rows. */
#ifndef DS_TESTS_SIM_FOLDERS_H
#define DS_TESTS_SIM_FOLDERS_H

#include "sim/world.h"

/* The output times of a sink's folder, in order. The caller frees. *whole is false if one has no
 * _SUCCESS. */
int64_t *folder_times(const char *dir, const char *name, uint32_t *n, bool *whole);

/* The rows of one time, in the order of its parts. None if there is no such folder. */
text_rows folder_rows(const char *dir, const char *name, int64_t time_ms);

/* The rows of an append sink's file: of those that it was renamed to (NAME.0, NAME.1, ...) first.
 */
text_rows append_rows_of(const char *dir, const char *name);

/* Makes an empty folder in TMPDIR, or else /tmp, and writes its path. */
void folder_make(char *path, size_t size);

/* Removes a folder with all that is in it. */
void folder_remove(const char *dir);

#endif
