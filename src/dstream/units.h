/* Durations and sizes as the app file writes them: "200ms", "10s", "5m", "1h", "1d"; "512B",
 * "64KiB", "1MiB", "1GiB". Pure; any thread. */
#ifndef DS_DSTREAM_UNITS_H
#define DS_DSTREAM_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#define DS_UNIT_TEXT 24 /* room for any duration or size as text */

/* A whole number and a unit, with nothing around or between. False if it is none; a value too
 * large to be represented is INT64_MAX. */
bool ds_duration_parse(const char *text, int64_t *ms);
bool ds_size_parse(const char *text, int64_t *bytes);

/* Writes the value, not negative, with the largest unit that leaves a whole number. */
void ds_duration_format(int64_t ms, char text[static DS_UNIT_TEXT]);
void ds_size_format(int64_t bytes, char text[static DS_UNIT_TEXT]);

#endif
