/*
 * A JSON file with the place of everything in it.
 *
 * The tree is jansson's; an index of our own tells the line and column of each key and value
 * by its path, "streams.top.order_by" or "sources.q.batches[0][2].word" (json_path.h).
 *
 * Immutable once made, but for jansson's reference counts: one thread at a time.
 */
#ifndef DS_BASE_JSON_SOURCE_H
#define DS_BASE_JSON_SOURCE_H

#include "base/buffer.h"
#include "base/error.h"

#include <jansson.h>
#include <stdint.h>

#define DS_JSON_SOURCE_BYTES ((size_t)16 << 20) /* the longest text */

typedef struct ds_json_source ds_json_source;

typedef struct ds_json_place {
    uint32_t line, column; /* from 1, in code points; 0: not known */
    const char *line_text; /* borrowed from the source; not terminated */
    uint32_t line_length;  /* bytes, without the line end */
    uint32_t length;       /* of the key or value, in code points; 1 for objects and lists */
} ds_json_place;

/*
 * Parses text (copied; at most 16 MiB, 2048 levels deep). name is shown in messages.
 * DS_ERR_APP with "name:line:column: …" at the first fault. A repeated key is no fault here,
 * so that it can be reported with everything else that is wrong: the first value counts, and
 * ds_json_source_n_repeated tells. The caller frees *source.
 */
ds_status ds_json_source_new(const char *name, const char *text, size_t length,
                             ds_json_source **source, ds_error *error);
/* As ds_json_source_new, with a limit of its own (less than 4 GiB). */
ds_status ds_json_source_new_limited(const char *name, const char *text, size_t length,
                                     size_t limit, ds_json_source **source, ds_error *error);
/* Reads and parses a file; DS_ERR_NO_INPUT if it cannot be opened or is a folder, DS_ERR_IO
 * if it cannot be read; else as ds_json_source_new. */
ds_status ds_json_source_read(const char *path, ds_json_source **source, ds_error *error);
void ds_json_source_free(ds_json_source *source);

/* The file's name (borrowed). */
const char *ds_json_source_name(const ds_json_source *source);
json_t *ds_json_source_root(const ds_json_source *source); /* borrowed */

/* The place of the value (or of the key, if key; an element of a list has none) at path; of
 * its nearest known parent if the path is not in the file (set by --set, or a default). */
ds_json_place ds_json_source_place(const ds_json_source *source, const char *path, bool key);

/* The place of the offset-th byte of the string value at path as decoded (escapes and
 * variables shift it: then the place is that of the string's start). */
ds_json_place ds_json_source_place_in(const ds_json_source *source, const char *path,
                                      size_t offset);

/* How many keys are repeated in their object (100 are counted). */
uint32_t ds_json_source_n_repeated(const ds_json_source *source);
/* Appends the path of the i-th repeated key, and tells where it and the first one stand. */
void ds_json_source_repeated(const ds_json_source *source, uint32_t i, ds_buffer *path,
                             ds_json_place *again, ds_json_place *first);

#endif
