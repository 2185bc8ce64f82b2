/*
 * A JSON file with the place of everything in it.
 *
 * jansson parses and checks (repeated keys are errors); an index of our own tells the line
 * and column of each key and value by its path, "streams.top.order_by" or
 * "sources.q.batches[0][2].word" (a key that is not a plain name stands as ["odd key"]).
 */
#ifndef DS_BASE_JSON_SOURCE_H
#define DS_BASE_JSON_SOURCE_H

#include "base/arena.h"
#include "base/error.h"

#include <jansson.h>

typedef struct ds_json_source ds_json_source;

typedef struct ds_json_place {
    uint32_t line, column; /* from 1, in code points; 0: not known */
    const char *line_text; /* borrowed from the source; not terminated */
    uint32_t line_length;
} ds_json_place;

/* Parses text (copied). name is shown in messages. DS_ERR_APP with "name:line:column: …". */
ds_status ds_json_source_new(const char *name, const char *text, size_t length,
                             ds_json_source **source, ds_error *error);
/* Reads and parses a file; DS_ERR_NO_INPUT if it cannot be opened; at most 16 MiB. */
ds_status ds_json_source_read(const char *path, ds_json_source **source, ds_error *error);
void ds_json_source_free(ds_json_source *source);

const char *ds_json_source_name(const ds_json_source *source);
json_t *ds_json_source_root(const ds_json_source *source); /* borrowed */

/* The place of the value (or of the key, if key) at path; of its nearest known parent if the
 * path is not in the file (set by --set, or a default). */
ds_json_place ds_json_source_place(const ds_json_source *source, const char *path, bool key);

/* The place of the offset-th byte of the string value at path as decoded (escapes and
 * variables shift it: then the place is that of the string's start). */
ds_json_place ds_json_source_place_in(const ds_json_source *source, const char *path,
                                      size_t offset);

#endif
