/*
 * The first pass over an app file: replaces variables and checks every value against its
 * shape (app_shape.h).
 *
 * What is wrong is reported, and null stands in its place afterwards (an empty object for a
 * source, stream, sink or test that is none, so that its name stays known): the passes behind
 * need not look again at what they read, only whether it is there.
 */
#ifndef DS_DSTREAM_APP_CHECK_H
#define DS_DSTREAM_APP_CHECK_H

#include "dstream/app_shape.h"
#include "dstream/diagnostics.h"
#include "dstream/variables.h"

typedef struct ds_app_check {
    ds_diagnostics *diagnostics;
    bool expand; /* replace variables */
    ds_variables variables;
    const char *const *set; /* paths that --set gave: nothing is replaced there */
    uint32_t n_set;
    ds_buffer path; /* of the value being checked */
} ds_app_check;

/* Checks value (borrowed, changed in place below the top) against the shape; gives back a new
 * reference to what stands in its place: the value, a converted one, or null. */
json_t *ds_app_check_value(ds_app_check *check, const ds_shape *shape, json_t *value);

/* A value in a few words, for messages: "abc", 12, an object. Cut when long. */
void ds_json_describe(const json_t *value, char text[static 64]);

/* Appends ` (did you mean "x"?)` if a candidate is near. After hundreds of errors no more
 * guesses are made, so that checking any file takes little time. */
void ds_append_nearest(const ds_diagnostics *diagnostics, ds_buffer *out, const char *name,
                       const char *const *candidates, size_t n);

#endif
