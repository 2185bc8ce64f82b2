/*
 * Stand-ins, as weak symbols, for functions of columnar/format.h and columnar/text.h that are
 * not there yet: enough to load an app file. To be deleted with their arrival.
 */
#include "columnar/format.h"
#include "columnar/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WEAK __attribute__((weak))

struct ds_format {
    ds_schema schema;
};

WEAK ds_status ds_format_new(ds_arena *arena, const ds_format_spec *spec, const ds_format **format,
                             ds_error *error)
{
    static ds_field text[] = {{"line", {.kind = DS_STRING, .element = 0}}};
    static const char *const names[] = {"host",     "ident",  "user",  "time",    "method", "path",
                                        "protocol", "status", "bytes", "referer", "agent"};
    struct ds_format *made = DS_ARENA_NEW(arena, struct ds_format);
    (void)error;
    made->schema = spec->schema;
    if (spec->kind == DS_FORMAT_TEXT)
        made->schema = (ds_schema){text, 1};
    if (spec->kind == DS_FORMAT_COMBINED) {
        made->schema = (ds_schema){DS_ARENA_ARRAY(arena, ds_field, 11), 11};
        for (int i = 0; i < 11; i++)
            made->schema.fields[i] = (ds_field){names[i], DS_TYPE(i == 3             ? DS_TIMESTAMP
                                                                  : i == 7 || i == 8 ? DS_INT
                                                                                     : DS_STRING)};
    }
    *format = made;
    return DS_OK;
}

WEAK const ds_schema *ds_format_schema(const ds_format *format)
{
    return &format->schema;
}

WEAK int64_t ds_days_from_civil(int64_t year, unsigned month, unsigned day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t y = year - (month <= 2);
    int64_t leap = y / 4 - y / 100 + y / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    return (year - 1970) * 365 + leap + before[month - 1] + (int64_t)day - 1;
}

WEAK bool ds_parse_timestamp(const char *text, size_t length, int64_t *us)
{
    int year, month, day, hour, minute, second, end = 0;
    long micro = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second,
               &end) != 6)
        return false;
    const char *rest = text + end;
    if (*rest == '.') {
        char digits[7] = "000000";
        size_t n = strspn(rest + 1, "0123456789");
        memcpy(digits, rest + 1, n < 6 ? n : 6);
        micro = strtol(digits, NULL, 10);
        rest += n + 1;
    }
    if (strcmp(rest, "Z") != 0 || (size_t)(rest + 1 - text) != length || year < 1 || month < 1 ||
        month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59)
        return false;
    int64_t seconds = ds_days_from_civil(year, (unsigned)month, (unsigned)day) * 86400 +
                      hour * 3600 + minute * 60 + second;
    *us = seconds * 1000000 + micro;
    return true;
}

WEAK bool ds_parse_int(const char *text, size_t length, int64_t *value, bool *overflow)
{
    char *end;
    *value = strtoll(text, &end, 10);
    if (overflow != NULL)
        *overflow = false;
    return length > 0 && *end == '\0';
}

WEAK bool ds_parse_float(const char *text, size_t length, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return length > 0 && *end == '\0';
}

WEAK bool ds_parse_bool(const char *text, size_t length, bool *value)
{
    *value = strcmp(text, "true") == 0;
    return length > 0 && (*value || strcmp(text, "false") == 0);
}
