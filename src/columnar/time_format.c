/*
 * A format is compiled to a list of steps, one for each letter and each byte of other text;
 * letters that stand for several (%T) become these.
 */
#include "columnar/time_format.h"

#include "base/assert.h"
#include "columnar/text.h"
#include "columnar/text_time.h"
#include "columnar/time_parts.h"
#include "columnar/white_space.h"

#include <strings.h>

/* Steps that are no letters. */
#define STEP_TEXT '"'
#define STEP_WHITE ' ' /* of a format to read */

typedef struct step {
    char letter;
    char text; /* of these: the byte in the format */
} step;

struct ds_time_format {
    step *steps;
    uint32_t n_steps, capacity;
    size_t room;
};

typedef struct letter {
    char letter;
    bool reads;
    uint8_t room;         /* bytes it takes at most */
    const char *expanded; /* it is short for this */
} letter;

static const letter letters[] = {
    {'a', true, 3, NULL},
    {'A', true, 9, NULL},
    {'b', true, 3, NULL},
    {'B', true, 9, NULL},
    {'C', false, 2, NULL},
    {'d', true, 2, NULL},
    {'e', true, 2, NULL},
    {'f', true, 6, NULL},
    {'g', false, 2, NULL},
    {'G', false, 5, NULL},
    {'h', true, 0, "%b"},
    {'H', true, 2, NULL},
    {'I', true, 2, NULL},
    {'j', true, 3, NULL},
    {'k', true, 2, NULL},
    {'l', true, 2, NULL},
    {'m', true, 2, NULL},
    {'M', true, 2, NULL},
    {'p', true, 2, NULL},
    {'P', true, 2, NULL},
    {'s', true, 12, NULL},
    {'S', true, 2, NULL},
    {'u', false, 1, NULL},
    {'U', false, 2, NULL},
    {'V', false, 2, NULL},
    {'w', false, 1, NULL},
    {'W', false, 2, NULL},
    {'y', true, 2, NULL},
    {'Y', true, 4, NULL},
    {'z', true, 5, NULL},
    {'Z', true, 3, NULL},
    {'%', true, 0, ""},
    {'n', true, 0, ""},
    {'t', true, 0, ""},
    {'D', true, 0, "%m/%d/%y"},
    {'F', true, 0, "%Y-%m-%d"},
    {'R', true, 0, "%H:%M"},
    {'T', true, 0, "%H:%M:%S"},
    {'r', true, 0, "%I:%M:%S %p"},
    {'c', true, 0, "%a %b %e %H:%M:%S %Y"},
    {'x', true, 0, "%m/%d/%y"},
    {'X', true, 0, "%H:%M:%S"},
};

static const char *const months[] = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December",
};

static const char *const weekdays[] = {
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
};

/* Compiling. */

static const letter *find_letter(char c, bool for_reading)
{
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (letters[i].letter == c)
            return letters[i].reads || !for_reading ? &letters[i] : NULL;
    return NULL;
}

static void add_step(ds_time_format *format, ds_arena *arena, step s)
{
    if (format->n_steps == format->capacity) {
        format->capacity = format->capacity == 0 ? 16 : format->capacity * 2;
        step *steps = DS_ARENA_ARRAY(arena, step, format->capacity);
        if (format->n_steps > 0)
            memcpy(steps, format->steps, format->n_steps * sizeof *steps);
        format->steps = steps;
    }
    format->steps[format->n_steps++] = s;
}

static void add_text(ds_time_format *format, ds_arena *arena, char text, bool for_reading)
{
    bool white = for_reading && ds_is_white(text);
    add_step(format, arena, (step){.letter = white ? STEP_WHITE : STEP_TEXT, .text = text});
    format->room++;
}

/* Adds the steps of a text; false with *bad. Recurs once at most, for what is short for others. */
static bool add_steps(ds_time_format *format, ds_arena *arena, const char *text, size_t length,
                      bool for_reading, size_t *bad)
{
    for (size_t at = 0; at < length; at++) {
        if (text[at] != '%') {
            add_text(format, arena, text[at], for_reading);
            continue;
        }
        const letter *l = at + 1 < length ? find_letter(text[at + 1], for_reading) : NULL;
        if (l == NULL) {
            *bad = at;
            return false;
        }
        at++;
        if (l->letter == '%' || l->letter == 'n' || l->letter == 't') {
            char plain = l->letter == '%' ? '%' : l->letter == 'n' ? '\n' : '\t';
            add_text(format, arena, plain, for_reading);
        } else if (l->expanded != NULL) {
            if (!add_steps(format, arena, l->expanded, strlen(l->expanded), for_reading, bad))
                return false;
        } else {
            add_step(format, arena, (step){.letter = l->letter});
            format->room += l->room;
        }
    }
    return true;
}

const ds_time_format *ds_time_format_new(ds_arena *arena, const char *text, size_t length,
                                         bool for_reading, size_t *bad)
{
    DS_ASSERT(length <= DS_TIME_FORMAT_LIMIT);
    ds_time_format *format = DS_ARENA_NEW(arena, ds_time_format);
    return add_steps(format, arena, text, length, for_reading, bad) ? format : NULL;
}

size_t ds_time_format_room(const ds_time_format *format)
{
    return format->room;
}

/* Writing. */

/* n digits of value, with zeros or blanks in front. */
static char *put(char *at, int64_t value, int n, char fill)
{
    for (int i = n - 1; i >= 0; i--, value /= 10)
        at[i] = (char)(value == 0 && i < n - 1 ? fill : '0' + value % 10);
    return at + n;
}

static char *put_name(char *at, const char *name, size_t most)
{
    size_t n = strlen(name);
    n = n < most ? n : most;
    memcpy(at, name, n);
    return at + n;
}

static unsigned hour_of_12(unsigned hour)
{
    return hour % 12 == 0 ? 12 : hour % 12;
}

/* Letters that need more of the calendar than the civil date. */
static char *write_calendar(char which, const ds_civil *c, char *at)
{
    unsigned weekday = ds_weekday(c->days); /* from Monday, 1 */
    int64_t day_of_year = c->days - ds_days_from_civil(c->year, 1, 1);
    int64_t iso_year;
    unsigned week = ds_iso_week(c->days, &iso_year);
    switch (which) {
    case 'a': return put_name(at, weekdays[weekday - 1], 3);
    case 'A': return put_name(at, weekdays[weekday - 1], 9);
    case 'g': return put(at, iso_year % 100, 2, '0');
    case 'G': return put(at, iso_year, iso_year > 9999 ? 5 : 4, '0');
    case 'j': return put(at, day_of_year + 1, 3, '0');
    case 'u': return put(at, weekday, 1, '0');
    case 'U': return put(at, (day_of_year + 7 - weekday % 7) / 7, 2, '0');
    case 'V': return put(at, week, 2, '0');
    case 'w': return put(at, weekday % 7, 1, '0');
    case 'W': return put(at, (day_of_year + 7 - (weekday - 1)) / 7, 2, '0');
    default: DS_UNREACHABLE();
    }
}

static char *write_step(const step *s, const ds_civil *c, char *at)
{
    switch (s->letter) {
    case STEP_WHITE:
    case STEP_TEXT: *at = s->text; return at + 1;
    case 'b': return put_name(at, months[c->month - 1], 3);
    case 'B': return put_name(at, months[c->month - 1], 9);
    case 'C': return put(at, c->year / 100, 2, '0');
    case 'd': return put(at, c->day, 2, '0');
    case 'e': return put(at, c->day, 2, ' ');
    case 'f': return put(at, c->us, 6, '0');
    case 'H': return put(at, c->hour, 2, '0');
    case 'I': return put(at, hour_of_12(c->hour), 2, '0');
    case 'k': return put(at, c->hour, 2, ' ');
    case 'l': return put(at, hour_of_12(c->hour), 2, ' ');
    case 'm': return put(at, c->month, 2, '0');
    case 'M': return put(at, c->minute, 2, '0');
    case 'p': return put_name(at, c->hour < 12 ? "AM" : "PM", 2);
    case 'P': return put_name(at, c->hour < 12 ? "am" : "pm", 2);
    case 's': return at + ds_format_int(ds_civil_seconds(c), at);
    case 'S': return put(at, c->second, 2, '0');
    case 'y': return put(at, c->year % 100, 2, '0');
    case 'Y': return put(at, c->year, 4, '0');
    case 'z': return put_name(at, "+0000", 5);
    case 'Z': return put_name(at, "UTC", 3);
    default: return write_calendar(s->letter, c, at);
    }
}

size_t ds_time_format_write(const ds_time_format *format, int64_t us, char *text)
{
    ds_civil civil = ds_civil_from_us(us);
    char *at = text;
    for (uint32_t i = 0; i < format->n_steps; i++)
        at = write_step(&format->steps[i], &civil, at);
    return (size_t)(at - text);
}

/* Reading. */

/* What was read so far. */
typedef struct reading {
    ds_civil civil;
    unsigned day_of_year; /* 0: not named */
    bool has_month;
    bool twelve, afternoon; /* %I; %p */
    bool has_epoch;
    int64_t epoch, offset; /* seconds */
} reading;

/* One of n names, long or short; its index or -1. */
static int scan_name(const char **at, const char *end, const char *const *names, int n)
{
    size_t left = (size_t)(end - *at);
    for (int i = 0; i < n; i++) {
        size_t length = strlen(names[i]);
        if (left < 3 || strncasecmp(*at, names[i], 3) != 0)
            continue;
        *at += left >= length && strncasecmp(*at, names[i], length) == 0 ? length : 3;
        return i;
    }
    return -1;
}

/* One or two digits, after a blank or not. */
static bool scan_padded(const char **at, const char *end, unsigned *value)
{
    *at += *at < end && **at == ' ';
    return ds_scan_number(at, end, 1, 2, value);
}

static bool scan_half(const char **at, const char *end, bool *afternoon)
{
    if (end - *at < 2 || (strncasecmp(*at, "am", 2) != 0 && strncasecmp(*at, "pm", 2) != 0))
        return false;
    *afternoon = **at == 'p' || **at == 'P';
    *at += 2;
    return true;
}

static bool scan_zone_name(const char **at, const char *end)
{
    size_t left = (size_t)(end - *at);
    if (left >= 3 && (strncasecmp(*at, "utc", 3) == 0 || strncasecmp(*at, "gmt", 3) == 0))
        *at += 3;
    else if (left >= 1 && (**at == 'Z' || **at == 'z'))
        *at += 1;
    else
        return false;
    return true;
}

static bool scan_epoch(const char **at, const char *end, int64_t *epoch)
{
    const char *from = *at;
    *at += *at < end && (**at == '-' || **at == '+');
    while (*at < end && (unsigned char)(**at - '0') <= 9)
        ++*at;
    return ds_parse_int(from, (size_t)(*at - from), epoch, NULL);
}

static bool scan_month(reading *r, const char **at, const char *end, bool name)
{
    r->has_month = true;
    if (!name)
        return ds_scan_number(at, end, 1, 2, &r->civil.month);
    int month = scan_name(at, end, months, 12);
    r->civil.month = (unsigned)(month + 1);
    return month >= 0;
}

static bool scan_year(reading *r, const char **at, const char *end, int digits)
{
    unsigned year;
    if (!ds_scan_number(at, end, digits, digits, &year))
        return false;
    r->civil.year = digits == 4 ? year : year + (year < 69 ? 2000 : 1900);
    return true;
}

static bool scan_hour(reading *r, const char **at, const char *end, char which)
{
    r->twelve = which == 'I' || which == 'l';
    if (!scan_padded(at, end, &r->civil.hour))
        return false;
    return !r->twelve || (r->civil.hour >= 1 && r->civil.hour <= 12);
}

static bool read_step(reading *r, const step *s, const char **at, const char *end)
{
    switch (s->letter) {
    case STEP_WHITE:
        while (*at < end && ds_is_white(**at))
            ++*at;
        return true;
    case STEP_TEXT: return *at < end && *(*at)++ == s->text;
    case 'a':
    case 'A': return scan_name(at, end, weekdays, 7) >= 0;
    case 'b':
    case 'B': return scan_month(r, at, end, true);
    case 'm': return scan_month(r, at, end, false);
    case 'd':
    case 'e': return scan_padded(at, end, &r->civil.day);
    case 'f': return ds_scan_fraction(at, end, &r->civil.us);
    case 'H':
    case 'k':
    case 'I':
    case 'l': return scan_hour(r, at, end, s->letter);
    case 'j': return ds_scan_number(at, end, 1, 3, &r->day_of_year) && r->day_of_year > 0;
    case 'M': return ds_scan_number(at, end, 1, 2, &r->civil.minute);
    case 'p':
    case 'P': return scan_half(at, end, &r->afternoon);
    case 's': return r->has_epoch = scan_epoch(at, end, &r->epoch);
    case 'S': return ds_scan_number(at, end, 1, 2, &r->civil.second);
    case 'y': return scan_year(r, at, end, 2);
    case 'Y': return scan_year(r, at, end, 4);
    case 'z': return ds_scan_zone(at, end, false, &r->offset);
    case 'Z': return scan_zone_name(at, end);
    default: DS_UNREACHABLE();
    }
}

static bool read_epoch(const reading *r, int64_t *us)
{
    return !__builtin_mul_overflow(r->epoch, DS_SECOND_US, us) &&
           !__builtin_add_overflow(*us, (int64_t)r->civil.us, us) && *us >= DS_TIMESTAMP_MIN &&
           *us <= DS_TIMESTAMP_MAX;
}

/* Puts what was read together. */
static bool finish(reading *r, int64_t *us)
{
    ds_civil *c = &r->civil;
    if (r->has_epoch)
        return read_epoch(r, us);
    if (r->twelve)
        c->hour = c->hour % 12 + (r->afternoon ? 12 : 0);
    if (r->day_of_year > 0 && !r->has_month) {
        int64_t year = c->year;
        int64_t days = ds_days_from_civil(year, 1, 1) + r->day_of_year - 1;
        ds_civil_from_days(days, &c->year, &c->month, &c->day);
        if (c->year != year)
            return false;
    }
    return ds_civil_to_us(c, r->offset, us);
}

bool ds_time_format_read(const ds_time_format *format, const char *text, size_t length, int64_t *us)
{
    reading r = {.civil = {.year = 1970, .month = 1, .day = 1}};
    const char *at = text, *end = text + length;
    for (uint32_t i = 0; i < format->n_steps; i++)
        if (!read_step(&r, &format->steps[i], &at, end))
            return false;
    return at == end && finish(&r, us);
}
