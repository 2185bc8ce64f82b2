/*
 * Timestamps by a format of strftime's letters, in the C locale and UTC.
 *
 * Written: a A b B c C d D e f F g G h H I j k l m M n p P r R s S t T u U V w W x X y Y z Z %.
 * Read: the same without C g G u U V w W. f is the fraction in microseconds; written as six digits,
 * read as one or more, of which those behind the sixth are cut.
 */
#ifndef DS_COLUMNAR_TIME_FORMAT_H
#define DS_COLUMNAR_TIME_FORMAT_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DS_TIME_FORMAT_LIMIT 1024u /* bytes of a format */

typedef struct ds_time_format ds_time_format;

/* Compiles a format (borrowed during the call) into arena. NULL with *bad, the place of the letter
 * that is not known (or cannot be read, if for_reading). length is within the limit. */
const ds_time_format *ds_time_format_new(ds_arena *arena, const char *text, size_t length,
                                         bool for_reading, size_t *bad);

/* The most bytes that a timestamp takes in this format. */
size_t ds_time_format_room(const ds_time_format *format);

/* Writes us (within the years 1 to 9999) to text, which has room for it; returns the length. */
size_t ds_time_format_write(const ds_time_format *format, int64_t us, char *text);

/*
 * Reads a whole text: false if it does not fit. Numbers have the digits of their letter or fewer,
 * but years four (%y two) and %z four; names are in any case, long or short; white space in the
 * format stands for any or none. Of what is named twice the last counts. What is not named is that
 * of 1970-01-01T00:00:00Z; weekdays are not compared with the date; %j counts if there is no month.
 */
bool ds_time_format_read(const ds_time_format *format, const char *text, size_t length,
                         int64_t *us);

#endif
