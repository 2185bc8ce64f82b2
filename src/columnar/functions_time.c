/* The functions of time (app-format, section 6). Units and formats are literals. */
#include "columnar/text_kernel.h"
#include "columnar/time_format.h"
#include "columnar/time_parts.h"

#include <math.h>
#include <strings.h>

static bool in_range(int64_t us)
{
    return us >= DS_TIMESTAMP_MIN && us <= DS_TIMESTAMP_MAX;
}

/* to_timestamp and format_timestamp */

static DS_KERNEL(to_timestamp)
{
    const ds_time_format *format = bound; /* NULL: RFC 3339 */
    ds_kernel_begin_zero(ev, args, 1, out);
    ds_kernel_own_validity(ev, out);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        ds_text text = ds_text_of(ev, args[0], row);
        int64_t us;
        bool fits = format == NULL ? ds_parse_timestamp(text.bytes, text.length, &us)
                                   : ds_time_format_read(format, text.bytes, text.length, &us);
        if (fits)
            out->ints[row] = us;
        else
            ds_bit_clear(out->validity, row);
    }
}

static DS_KERNEL(format_timestamp)
{
    const ds_time_format *format = bound;
    ds_kernel_begin_zero(ev, args, 1, out);
    ds_text_out made = ds_text_out_of(ev, out);
    char *text = ds_arena_alloc(ev->arena, ds_time_format_room(format));
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        size_t length = ds_time_format_write(format, args[0]->ints[row], text);
        char *bytes = ds_text_begin(&made, row, length);
        if (bytes == NULL)
            continue;
        memcpy(bytes, text, length);
        ds_text_end(&made, row, (uint32_t)length);
    }
}

/* The string literal that argument i has to be; false with a message. */
static bool string_literal(ds_resolve *r, uint32_t i, const char *what)
{
    if (r->types[i].kind == DS_STRING && r->literals[i].is_literal && !r->literals[i].is_null)
        return true;
    return ds_resolve_fail(r, (int)i, "the %s of %s has to be a string literal", what, r->name);
}

static bool resolve_format(ds_resolve *r, bool for_reading)
{
    if (!string_literal(r, 1, "format"))
        return false;
    const ds_literal *text = &r->literals[1];
    if (text->length > DS_TIME_FORMAT_LIMIT)
        return ds_resolve_fail(r, 1, "the format of %s is longer than %u bytes", r->name,
                               DS_TIME_FORMAT_LIMIT);
    size_t bad;
    r->bound = ds_time_format_new(r->arena, text->text, text->length, for_reading, &bad);
    if (r->bound != NULL)
        return true;
    uint32_t rest = text->length - (uint32_t)bad;
    uint32_t width = rest < 2 ? rest : 1 + ds_utf8_width(text->text + bad + 1, rest - 1);
    return ds_resolve_fail(r, 1, "%s does not know '%.*s' in its format", r->name, (int)width,
                           text->text + bad);
}

static bool resolve_to_timestamp(ds_resolve *r)
{
    r->result = DS_TYPE(DS_TIMESTAMP);
    r->kernel = to_timestamp;
    return ds_resolve_want(r, 0, DS_STRING) && (r->n_args == 1 || resolve_format(r, true));
}

static bool resolve_format_timestamp(ds_resolve *r)
{
    r->result = DS_TYPE(DS_STRING);
    r->kernel = format_timestamp;
    return ds_resolve_want(r, 0, DS_TIMESTAMP) && resolve_format(r, false);
}

/* from_unix and to_unix; bound is how many microseconds the unit has */

static DS_KERNEL(from_unix_int)
{
    const int64_t scale = *(const int64_t *)bound;
    ds_kernel_begin(ev, args, 1, out);
    for (uint32_t i = 0; i < ev->n; i++) {
        int64_t us;
        bool fits = !__builtin_mul_overflow(args[0]->ints[i], scale, &us) && in_range(us);
        out->ints[i] = fits ? us : 0;
        if (!fits)
            ds_kernel_fail(ev, out, i);
    }
}

static DS_KERNEL(from_unix_float)
{
    const double scale = (double)*(const int64_t *)bound;
    ds_kernel_begin(ev, args, 1, out);
    for (uint32_t i = 0; i < ev->n; i++) {
        double us = round(args[0]->floats[i] * scale);
        bool fits = us >= (double)DS_TIMESTAMP_MIN && us < (double)DS_TIMESTAMP_MAX;
        out->ints[i] = fits ? (int64_t)us : 0;
        if (!fits)
            ds_kernel_fail(ev, out, i);
    }
}

static DS_KERNEL(to_unix)
{
    const int64_t scale = *(const int64_t *)bound;
    ds_kernel_begin(ev, args, 1, out);
    for (uint32_t i = 0; i < ev->n; i++)
        out->ints[i] = ds_floor_div(args[0]->ints[i], scale);
}

static bool resolve_scale(ds_resolve *r)
{
    static const struct {
        const char *name;
        int64_t us;
    } scales[] = {{"s", DS_SECOND_US}, {"ms", 1000}, {"us", 1}};
    r->bound = &scales[0].us;
    if (r->n_args == 1)
        return true;
    if (!string_literal(r, 1, "unit"))
        return false;
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
        if (r->literals[1].length == strlen(scales[i].name) &&
            memcmp(r->literals[1].text, scales[i].name, r->literals[1].length) == 0) {
            r->bound = &scales[i].us;
            return true;
        }
    return ds_resolve_fail(r, 1, "the unit of %s is 's', 'ms' or 'us'", r->name);
}

static bool resolve_from_unix(ds_resolve *r)
{
    r->result = DS_TYPE(DS_TIMESTAMP);
    bool real = r->types[0].kind == DS_FLOAT;
    r->kernel = real ? from_unix_float : from_unix_int;
    return ds_resolve_want(r, 0, real ? DS_FLOAT : DS_INT) && resolve_scale(r);
}

static bool resolve_to_unix(ds_resolve *r)
{
    r->result = DS_TYPE(DS_INT);
    r->kernel = to_unix;
    return ds_resolve_want(r, 0, DS_TIMESTAMP) && resolve_scale(r);
}

/*
 * date_trunc and extract: a kernel of its own for each unit. They run over all rows, and under a
 * null may stand any bits: so what could overflow wraps.
 */

static inline int64_t start_of(int64_t us, int64_t length)
{
    return (int64_t)((uint64_t)us - (uint64_t)ds_floor_mod(us, length));
}

static inline int64_t start_of_day(int64_t days)
{
    return (int64_t)((uint64_t)days * (uint64_t)DS_DAY_US);
}

static inline int64_t start_of_month(int64_t us, unsigned months)
{
    ds_civil c = ds_civil_from_us(us);
    unsigned month = (c.month - 1) / months * months + 1;
    return start_of_day(ds_days_from_civil(c.year, month, 1));
}

static inline int64_t start_of_week(int64_t us)
{
    int64_t days = ds_floor_div(us, DS_DAY_US);
    return start_of_day(days - (int64_t)ds_weekday(days) + 1);
}

static inline int64_t week_of(int64_t us)
{
    int64_t iso_year;
    return ds_iso_week(ds_floor_div(us, DS_DAY_US), &iso_year);
}

static inline int64_t day_of_year(int64_t us)
{
    ds_civil c = ds_civil_from_us(us);
    return c.days - ds_days_from_civil(c.year, 1, 1) + 1;
}

#define HOUR_US (3600 * DS_SECOND_US)
#define SECOND_OF(us, length) (ds_floor_mod((us), (length)) / DS_SECOND_US)

/* X(name, date_trunc's result or 0 if it has no such unit, extract's result), of us */
#define UNITS(X)                                                                                   \
    X(second, start_of(us, DS_SECOND_US), SECOND_OF(us, 60 * DS_SECOND_US))                        \
    X(minute, start_of(us, 60 * DS_SECOND_US), SECOND_OF(us, HOUR_US) / 60)                        \
    X(hour, start_of(us, HOUR_US), SECOND_OF(us, DS_DAY_US) / 3600)                                \
    X(day, start_of(us, DS_DAY_US), ds_civil_from_us(us).day)                                      \
    X(week, start_of_week(us), week_of(us))                                                        \
    X(month, start_of_month(us, 1), ds_civil_from_us(us).month)                                    \
    X(quarter, start_of_month(us, 3), (ds_civil_from_us(us).month + 2) / 3)                        \
    X(year, start_of_month(us, 12), ds_civil_from_us(us).year)                                     \
    X(dow, 0, ds_weekday(ds_floor_div(us, DS_DAY_US)))                                             \
    X(doy, 0, day_of_year(us))                                                                     \
    X(epoch, 0, ds_floor_div(us, DS_SECOND_US))

#define UNIT_KERNEL(name, value)                                                                   \
    static DS_KERNEL(name)                                                                         \
    {                                                                                              \
        ds_kernel_begin(ev, &args[1], 1, out);                                                     \
        const int64_t *times = args[1]->ints;                                                      \
        for (uint32_t i = 0; i < ev->n; i++) {                                                     \
            int64_t us = times[i];                                                                 \
            out->ints[i] = (int64_t)(value);                                                       \
        }                                                                                          \
    }

#define UNIT_KERNELS(name, start, part)                                                            \
    UNIT_KERNEL(trunc_##name, ((void)us, (start)))                                                 \
    UNIT_KERNEL(extract_##name, part)
UNITS(UNIT_KERNELS)

#define UNITS_TO_TRUNC 8

static const struct {
    const char *name;
    ds_kernel trunc, extract;
} units[] = {
#define UNIT(name, start, part) {#name, trunc_##name, extract_##name},
    UNITS(UNIT)};

static bool resolve_unit(ds_resolve *r, bool trunc)
{
    r->result = DS_TYPE(trunc ? DS_TIMESTAMP : DS_INT);
    if (!string_literal(r, 0, "unit") || !ds_resolve_want(r, 1, DS_TIMESTAMP))
        return false;
    const ds_literal *unit = &r->literals[0];
    size_t n = trunc ? UNITS_TO_TRUNC : sizeof units / sizeof *units;
    for (size_t i = 0; i < n; i++)
        if (unit->length == strlen(units[i].name) &&
            strncasecmp(unit->text, units[i].name, unit->length) == 0) {
            r->kernel = trunc ? units[i].trunc : units[i].extract;
            return true;
        }
    return ds_resolve_fail(r, 0,
                           "the unit of %s is one of second, minute, hour, day, week, month, "
                           "quarter, year%s",
                           r->name, trunc ? "" : ", dow, doy, epoch");
}

static bool resolve_date_trunc(ds_resolve *r)
{
    return resolve_unit(r, true);
}

static bool resolve_extract(ds_resolve *r)
{
    return resolve_unit(r, false);
}

const ds_function ds_functions_time[] = {
    {"to_timestamp", 1, 2, resolve_to_timestamp, "to_timestamp(s[, format])"},
    {"format_timestamp", 2, 2, resolve_format_timestamp, "format_timestamp(t, format)"},
    {"from_unix", 1, 2, resolve_from_unix, "from_unix(x[, unit])"},
    {"to_unix", 1, 2, resolve_to_unix, "to_unix(t[, unit])"},
    {"date_trunc", 2, 2, resolve_date_trunc, "date_trunc(unit, t)"},
    {"extract", 2, 2, resolve_extract, "extract(unit, t)"},
    {NULL, 0, 0, NULL, NULL},
};
