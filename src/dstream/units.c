#include "dstream/units.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct unit {
    const char *name;
    int64_t factor;
} unit;

/* From the smallest. */
static const unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};

static const unit sizes[] = {
    {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0},
};

static bool parse(const unit *units, const char *text, int64_t *value)
{
    const char *p = text;
    int64_t number = 0;
    bool overflow = false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *p - '0', &number))
            overflow = true;
    if (p == text)
        return false;
    for (; units->name != NULL; units++) {
        if (strcmp(units->name, p) != 0)
            continue;
        if (overflow || __builtin_mul_overflow(number, units->factor, value))
            *value = INT64_MAX;
        return true;
    }
    return false;
}

static void format(const unit *units, int64_t value, char text[static DS_UNIT_TEXT])
{
    const unit *best = units;
    for (const unit *u = units; u->name != NULL && value > 0; u++)
        if (value % u->factor == 0)
            best = u;
    snprintf(text, DS_UNIT_TEXT, "%" PRId64 "%s", value / best->factor, best->name);
}

bool ds_duration_parse(const char *text, int64_t *ms)
{
    return parse(durations, text, ms);
}

bool ds_size_parse(const char *text, int64_t *bytes)
{
    return parse(sizes, text, bytes);
}

void ds_duration_format(int64_t ms, char text[static DS_UNIT_TEXT])
{
    format(durations, ms, text);
}

void ds_size_format(int64_t bytes, char text[static DS_UNIT_TEXT])
{
    format(sizes, bytes, text);
}
