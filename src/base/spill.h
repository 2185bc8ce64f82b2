/*
 * Where bytes go for which there is no memory: one file on disk for each executor.
 *
 * The file has no name (O_TMPFILE, or unlinked at once), so whatever happens to the process,
 * nothing is left behind. It is as long as it may become from the start, but sparse: only ranges
 * that were written take disk, and a range that is given back takes none any more. Ranges begin at
 * pages. Bytes are written by system calls, or through a mapping where the disk was had before
 * (ds_spill_back): so a full disk is an error and no signal. Readers may map the file.
 *
 * Where no file can be made there is no room, and the reason is part of the error of whoever
 * wants some. Thread-safe.
 */
#ifndef DS_BASE_SPILL_H
#define DS_BASE_SPILL_H

#include "base/error.h"

#include <stdint.h>

typedef struct ds_spill ds_spill;

/*
 * Makes the file in a folder. NULL, or if that is not there: in $TMPDIR, /var/tmp or /tmp, the
 * first that is there and not itself in memory. limit_bytes: the most that it may take; 0: there
 * is no room at all. Never NULL. Free with ds_spill_free.
 */
ds_spill *ds_spill_new(const char *folder, uint64_t limit_bytes);
/* NULL is allowed. What others have mapped stays good. */
void ds_spill_free(ds_spill *spill);

/* The descriptor (borrowed), -1 if there is no room; and the length of the file: all ranges are
 * below. 0 without room. */
int ds_spill_fd(const ds_spill *spill);
uint64_t ds_spill_size(const ds_spill *spill);

/* Takes length bytes (> 0, rounded up to pages). spill may be NULL: no room. DS_ERR_NO_MEMORY. */
ds_status ds_spill_take(ds_spill *spill, uint64_t length, uint64_t *offset, ds_error *error);
/* Gives back all of a range but its first `kept` bytes; the disk is free then. */
void ds_spill_trim(ds_spill *spill, uint64_t offset, uint64_t length, uint64_t kept);
void ds_spill_give(ds_spill *spill, uint64_t offset, uint64_t length);

/* Has the disk for a taken range that is to be written through a mapping. *cleared: all of it is
 * zero. DS_ERR_IO: the disk is full. */
ds_status ds_spill_back(ds_spill *spill, uint64_t offset, uint64_t length, bool *cleared,
                        ds_error *error);
/* Whether about so many bytes more can be taken, and written: as ds_spill_take and _back. */
ds_status ds_spill_ask(ds_spill *spill, uint64_t length, ds_error *error);

/* Writes bytes to a place within a taken range. DS_ERR_IO: the disk is full or fails; worth a
 * retry later. */
ds_status ds_spill_write(ds_spill *spill, uint64_t offset, const void *bytes, uint64_t length,
                         ds_error *error);
/* Reads what was written. DS_ERR_IO. */
ds_status ds_spill_read(ds_spill *spill, uint64_t offset, void *to, uint64_t length,
                        ds_error *error);

/* The same for a descriptor that others have of the file. */
ds_status ds_spill_read_fd(int fd, uint64_t offset, void *to, uint64_t length, ds_error *error);

/* Bytes taken now; and all bytes written so far. */
uint64_t ds_spill_used(const ds_spill *spill);
uint64_t ds_spill_written(const ds_spill *spill);

#endif
