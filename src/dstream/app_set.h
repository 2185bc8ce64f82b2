/* --set path=value: replaces one value of an app file before it is checked. */
#ifndef DS_DSTREAM_APP_SET_H
#define DS_DSTREAM_APP_SET_H

#include "dstream/app_shape.h"
#include "dstream/diagnostics.h"

/*
 * Replaces the value that set ("batch.interval=500ms") names in tree. The value is read as JSON
 * if it is such and fits the key, else taken as a string. The path names a known key; names
 * and indexes on the way have to be in the file, optional objects are made. Problems are
 * reported. Returns the path, written as diagnostics write it (the caller frees), or NULL.
 */
char *ds_app_set(json_t *tree, const char *set, ds_diagnostics *diagnostics);

#endif
