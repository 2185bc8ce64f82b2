/* Civil time and the pieces of its text, shared by text.h and the time functions. All pure. */
#ifndef DS_COLUMNAR_TEXT_TIME_H
#define DS_COLUMNAR_TEXT_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define DS_SECOND_US INT64_C(1000000)
#define DS_DAY_US INT64_C(86400000000)

/* A moment in UTC, taken apart. */
typedef struct ds_civil {
    int64_t year;
    unsigned month, day, hour, minute, second, us; /* month and day from 1 */
    int64_t days;                                  /* since 1970; of ds_civil_from_us only */
} ds_civil;

/* Takes a moment apart: microseconds since 1970, of the years that a timestamp has. */
ds_civil ds_civil_from_us(int64_t us);

/* Puts a moment together that is local at an offset east of UTC. False if there is no such
 * date or time, or the years 1 to 9999 do not hold it. days is not read. */
bool ds_civil_to_us(const ds_civil *civil, int64_t offset_seconds, int64_t *us);

/* month is 1 to 12. */
unsigned ds_days_in_month(int64_t year, unsigned month);

/* Scanners: read what they are named after at *at and move it; false if it is not there.
 * A number has at least `least` digits and takes at most `most` (9). A fraction is digits, of
 * which those behind the sixth are passed over. A zone is Z, +hh:mm, or, if colon_needed is
 * false, +hhmm or +hh. */
bool ds_scan_number(const char **at, const char *end, int least, int most, unsigned *value);
bool ds_scan_fraction(const char **at, const char *end, unsigned *us);
bool ds_scan_zone(const char **at, const char *end, bool colon_needed, int64_t *offset_seconds);

#endif
