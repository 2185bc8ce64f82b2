/*
 * Values as text and back: what cast, the sinks, the formats and the tests agree on.
 * All functions are pure and thread-safe.
 */
#ifndef DS_COLUMNAR_TEXT_H
#define DS_COLUMNAR_TEXT_H

#include "base/buffer.h"
#include "columnar/column.h"

#define DS_FLOAT_TEXT 32                             /* room for any float as text */
#define DS_TIMESTAMP_TEXT 40                         /* room for any timestamp as text */
#define DS_TIMESTAMP_MIN INT64_C(-62135596800000000) /* 0001-01-01T00:00:00Z */
#define DS_TIMESTAMP_MAX INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999Z */

/* The shortest text that reads back: "2.0", "-0.0", "1.5e+300", "1e-07"; digits from 1e-4 up
 * to 1e16. Returns the length; not terminated. */
size_t ds_format_float(double value, char text[static DS_FLOAT_TEXT]);
size_t ds_format_int(int64_t value, char text[static 24]);
/* RFC 3339 in UTC, a fraction only where there is one, without trailing zeros. */
size_t ds_format_timestamp(int64_t us, char text[static DS_TIMESTAMP_TEXT]);

/* [+-]?digits with nothing around it. False if it is not one or out of range
 * (*overflow tells which, if not NULL). */
bool ds_parse_int(const char *text, size_t length, int64_t *value, bool *overflow);
/* As an int, or .5, 5., 1e3; no inf, nan or hex. False if not one or not finite. */
bool ds_parse_float(const char *text, size_t length, double *value);
/* true or false in any case. */
bool ds_parse_bool(const char *text, size_t length, bool *value);
/* RFC 3339: date, T or blank, time, optional fraction (cut after microseconds), optional zone
 * (UTC without one), years 1 to 9999; a date alone is midnight. */
bool ds_parse_timestamp(const char *text, size_t length, int64_t *us);

/* Days since 1970 of a civil date, proleptic Gregorian, and back. */
int64_t ds_days_from_civil(int64_t year, unsigned month, unsigned day);
void ds_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);

/* UTF-8. */
/* True if all is ASCII without NUL (fast; SIMD at run time). */
bool ds_text_is_plain(const char *text, size_t length);
/* The length of the first maximal part that is not valid UTF-8 at `text`, and in *valid how
 * many bytes before it are fine (NUL counts as invalid, of length 1). 0: all is valid. */
size_t ds_utf8_invalid(const char *text, size_t length, size_t *valid);
/* How many code points. */
size_t ds_utf8_length(const char *text, size_t length);
/* Appends text with every maximal invalid part and NUL as U+FFFD; returns how many. */
size_t ds_utf8_repair(ds_buffer *out, const char *text, size_t length);

/* One value as JSON, appended to out (timestamps and strings quoted; lists as arrays). */
void ds_json_value(ds_buffer *out, const ds_heap *heap, const ds_column *column, uint32_t row);
/* A string as a JSON string with quotes. */
void ds_json_string(ds_buffer *out, const char *text, size_t length);

#endif
