/*
 * Files as a source: which ones a folder holds, and the records of a piece of one.
 *
 * A file is cut into pieces [from, to) at any places, and each record belongs to the piece in
 * which it starts (at 0, or behind a \n). So the pieces of a file hold each record exactly
 * once, whoever reads them, in whatever order. A piece reads on to the end of its last record,
 * and finds its first one behind the first \n at or after from - 1.
 *
 * A record that goes on for more than record_limit + 1 bytes behind the end of its piece is
 * over the limit whatever else comes: it is cut there, and counts as too long when decoded.
 * The rest of it has no start, so no later piece takes it for a record.
 *
 * Thread-safe: nothing is kept between calls.
 */
#ifndef DS_RECEIVER_FILES_H
#define DS_RECEIVER_FILES_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define DS_FILES_LIMIT ((size_t)1 << 20) /* files that match, in one folder */

typedef struct ds_file_info {
    const char *name; /* within the folder; borrowed during the call */
    uint64_t size;    /* bytes */
    int64_t mtime_us; /* microseconds since 1970 */
} ds_file_info;

typedef void (*ds_files_fn)(void *arg, const ds_file_info *file);

/*
 * Lists the regular files of a folder (links are followed) whose names match the glob
 * `pattern`, sorted by name (by bytes); names that start with "." or end with ".tmp" are
 * passed over, and so is a file that vanishes meanwhile. Calls fn only when all is known.
 * DS_ERR_NO_INPUT if there is no such folder; DS_ERR_IO for other errors and for more than
 * DS_FILES_LIMIT files.
 */
ds_status ds_files_list(const char *dir, const char *pattern, ds_files_fn fn, void *arg,
                        ds_error *error);

/* The records of one piece. */
typedef struct ds_file_piece {
    const char *bytes; /* in the caller's buffer; good until that is used again */
    size_t length;     /* 0: no record starts in the piece */
    uint64_t offset;   /* of the first byte, in the file */
} ds_file_piece;

/* Which records of a file are wanted: those that start in [from, to). */
typedef struct ds_file_range {
    uint64_t from, to;
    uint64_t stop; /* the file is taken to end there, wherever it ends by now; 0: nowhere */
    bool starts;   /* a record starts at `from`, whatever stands before it (but for the line end
                      of what was a record without one: that is passed over) */
    uint32_t record_limit;
} ds_file_range;

/* As ds_file_piece_read, of a file that is open; name is for messages. */
ds_status ds_file_range_read(int fd, const char *name, const ds_file_range *range,
                             ds_buffer *buffer, ds_file_piece *piece, ds_error *error);

/*
 * Reads the records that start in [from, to) of a file. buffer is the caller's, reused from
 * call to call: it grows to the piece's length + record_limit + some KiB. DS_ERR_NO_INPUT if
 * the file is gone; DS_ERR_IO if it is shorter than `to` now (it shrank), no regular file, or
 * cannot be read.
 */
ds_status ds_file_piece_read(const char *path, uint64_t from, uint64_t to, uint32_t record_limit,
                             ds_buffer *buffer, ds_file_piece *piece, ds_error *error);

#endif
