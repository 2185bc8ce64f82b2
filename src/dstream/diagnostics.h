/*
 * What is wrong with an app file: all of it at once, each with its place.
 *
 *     app.json:12:16: streams.top.order_by: no column "statsu" (did you mean "status"?)
 *         "top": { "from": "counts", "order_by": "m desc", "limit": 5 }
 *                                                ^
 */
#ifndef DS_DSTREAM_DIAGNOSTICS_H
#define DS_DSTREAM_DIAGNOSTICS_H

#include "base/json_source.h"

typedef struct ds_diagnostics ds_diagnostics;

/* source (borrowed, must outlive it) may be NULL (a plan that came over the wire): then only
 * paths are shown. One thread. Remembers 500 different problems and counts the rest. */
ds_diagnostics *ds_diagnostics_new(const ds_json_source *source);
void ds_diagnostics_free(ds_diagnostics *diagnostics);

/* All strings given below are copied. A problem reported twice is shown and counted once. */

/* Reports an error at the value (or the key) of a path. */
void ds_diag_error(ds_diagnostics *diagnostics, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void ds_diag_error_key(ds_diagnostics *diagnostics, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Reports an error at bytes [offset, offset + length) of the string at path, with carets. Where
 * variables or --set shifted the bytes, the string is shown as it was evaluated. */
void ds_diag_error_in(ds_diagnostics *diagnostics, const char *path, uint32_t offset,
                      uint32_t length, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Reports an error at a place that is known already. */
void ds_diag_error_place(ds_diagnostics *diagnostics, const char *path, ds_json_place place,
                         const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Reports an error of the command line: shown as "--set PATH: message". */
void ds_diag_usage(ds_diagnostics *diagnostics, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void ds_diag_warning(ds_diagnostics *diagnostics, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Says that the value at path, and all below it, is not what the file says but text (as
 * evaluated; NULL: not a string): because variables were replaced in it, or --set gave it. */
void ds_diag_replaced(ds_diagnostics *diagnostics, const char *path, const char *text, bool by_set);

/* Never shows the value at path, which is a secret, in what is quoted from the file. */
void ds_diag_hide(ds_diagnostics *diagnostics, const char *path);

/* How many errors were reported; warnings do not count. */
uint32_t ds_diagnostics_errors(const ds_diagnostics *diagnostics);
/* True if there is an error at path or below it (or if too many were reported to tell). */
bool ds_diagnostics_wrong_under(const ds_diagnostics *diagnostics, const char *path);
uint32_t ds_diagnostics_warnings(const ds_diagnostics *diagnostics);
/* How many of the errors are on the command line: in or by what --set gave. */
uint32_t ds_diagnostics_usage(const ds_diagnostics *diagnostics);

/* Appends all of them as text, in the order of their places (a limit of 100, then a count). */
void ds_diagnostics_print(const ds_diagnostics *diagnostics, struct ds_buffer *out);

#endif
