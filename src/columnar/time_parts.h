/* The calendar beyond dates: weekdays, ISO weeks, units and where they begin. All pure. */
#ifndef DS_COLUMNAR_TIME_PARTS_H
#define DS_COLUMNAR_TIME_PARTS_H

#include "columnar/text.h"
#include "columnar/text_time.h"

static inline int64_t ds_floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* a - b * floor(a / b), for b > 0. */
static inline int64_t ds_floor_mod(int64_t a, int64_t b)
{
    return a % b + (a % b < 0 ? b : 0);
}

/* Monday 1 to Sunday 7; day 0 was a Thursday. */
static inline unsigned ds_weekday(int64_t days)
{
    return (unsigned)ds_floor_mod(days + 3, 7) + 1;
}

/* The ISO week, 1 to 53, and the year it belongs to, which is that of its Thursday. */
static inline unsigned ds_iso_week(int64_t days, int64_t *iso_year)
{
    int64_t thursday = days - (int64_t)ds_weekday(days) + 4;
    unsigned month, day;
    ds_civil_from_days(thursday, iso_year, &month, &day);
    return (unsigned)((thursday - ds_days_from_civil(*iso_year, 1, 1)) / 7) + 1;
}

/* Whole seconds since 1970. */
static inline int64_t ds_civil_seconds(const ds_civil *c)
{
    return c->days * 86400 + c->hour * 3600 + c->minute * 60 + c->second;
}

#endif
