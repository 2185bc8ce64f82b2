/*
 * Paths of values in a JSON document: streams.top.order_by, sources.q.batches[0][2].word.
 *
 * A key of letters, digits, "_", "-" and "$" stands as it is; any other as ["odd key"] with
 * \" and \\ for the quote and the backslash. Pure; any thread.
 */
#ifndef DS_BASE_JSON_PATH_H
#define DS_BASE_JSON_PATH_H

#include "base/buffer.h"

#include <stdbool.h>

/* Appends one step to a path. */
void ds_json_path_key(ds_buffer *path, const char *key, size_t length);
void ds_json_path_index(ds_buffer *path, size_t index);

typedef struct ds_json_step {
    bool is_index;
    size_t index;
    const char *key; /* in the scratch buffer, terminated, until the next step is read */
    size_t key_length;
} ds_json_step;

/*
 * Reads the step at *path and moves *path behind it (and behind the dot that follows). Stops
 * before stop (0: none) or the end. False at the stop, at the end, and where the path cannot
 * be read: then *path stands at neither.
 */
bool ds_json_path_next(const char **path, char stop, ds_json_step *step, ds_buffer *scratch);

#endif
