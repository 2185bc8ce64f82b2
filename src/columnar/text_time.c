/*
 * Timestamps as text and back, and days as civil dates (text.h).
 *
 * The calendar counts from the 1st of March, so that the leap day is the last of its year,
 * in eras of 400 years (146097 days), after which it repeats.
 */
#include "columnar/text_time.h"
#include "columnar/text.h"

#define ERA_DAYS 146097
#define ERA_YEARS 400
#define DAYS_TO_1970 719468 /* from 0000-03-01 */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t ds_days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, ERA_YEARS);
    int64_t year_of_era = year - era * ERA_YEARS;
    int64_t month_from_march = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - DAYS_TO_1970;
}

void ds_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += DAYS_TO_1970;
    int64_t era = floor_div(days, ERA_DAYS);
    uint32_t day_of_era = (uint32_t)(days - era * ERA_DAYS);
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t month_from_march = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    *month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    *year = (int64_t)year_of_era + era * ERA_YEARS + (*month <= 2);
}

unsigned ds_days_in_month(int64_t year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

ds_civil ds_civil_from_us(int64_t us)
{
    ds_civil c;
    int64_t days = floor_div(us, DS_DAY_US);
    int64_t rest = us % DS_DAY_US + (us % DS_DAY_US < 0 ? DS_DAY_US : 0);
    ds_civil_from_days(days, &c.year, &c.month, &c.day);
    c.days = days;
    c.us = (unsigned)(rest % DS_SECOND_US);
    unsigned seconds = (unsigned)(rest / DS_SECOND_US);
    c.hour = seconds / 3600;
    c.minute = seconds / 60 % 60;
    c.second = seconds % 60;
    return c;
}

bool ds_civil_to_us(const ds_civil *c, int64_t offset_seconds, int64_t *us)
{
    if (c->year < 1 || c->year > 9999 || c->month < 1 || c->month > 12 || c->day < 1 ||
        c->day > ds_days_in_month(c->year, c->month))
        return false;
    if (c->hour > 23 || c->minute > 59 || c->second > 59)
        return false;
    int64_t seconds = ds_days_from_civil(c->year, c->month, c->day) * 86400 + c->hour * 3600 +
                      c->minute * 60 + c->second - offset_seconds;
    *us = seconds * DS_SECOND_US + c->us;
    return *us >= DS_TIMESTAMP_MIN && *us <= DS_TIMESTAMP_MAX;
}

/* n digits of value, with zeros in front. */
static char *put_number(char *at, unsigned value, int n)
{
    for (int i = n - 1; i >= 0; i--, value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + n;
}

size_t ds_format_timestamp(int64_t us, char text[static DS_TIMESTAMP_TEXT])
{
    ds_civil c = ds_civil_from_us(us);
    char *at = text;
    if (c.year >= 0 && c.year <= 9999)
        at = put_number(at, (unsigned)c.year, 4);
    else /* no column holds one */
        at += ds_format_int(c.year, at);
    *at++ = '-';
    at = put_number(at, c.month, 2);
    *at++ = '-';
    at = put_number(at, c.day, 2);
    *at++ = 'T';
    at = put_number(at, c.hour, 2);
    *at++ = ':';
    at = put_number(at, c.minute, 2);
    *at++ = ':';
    at = put_number(at, c.second, 2);
    if (c.us != 0) {
        *at++ = '.';
        at = put_number(at, c.us, 6);
        while (at[-1] == '0')
            at--;
    }
    *at++ = 'Z';
    return (size_t)(at - text);
}

bool ds_scan_number(const char **at, const char *end, int least, int most, unsigned *value)
{
    unsigned number = 0;
    int n = 0;
    for (; n < most && *at + n < end && (unsigned char)((*at)[n] - '0') <= 9; n++)
        number = number * 10 + (unsigned)((*at)[n] - '0');
    if (n < least)
        return false;
    *at += n;
    *value = number;
    return true;
}

bool ds_scan_fraction(const char **at, const char *end, unsigned *us)
{
    unsigned value = 0, unit = 100000;
    const char *from = *at;
    for (; *at < end && (unsigned char)(**at - '0') <= 9; ++*at, unit /= 10)
        value += unit * (unsigned)(**at - '0');
    *us = value;
    return *at > from;
}

bool ds_scan_zone(const char **at, const char *end, bool colon_needed, int64_t *offset_seconds)
{
    if (*at == end)
        return false;
    char sign = *(*at)++;
    *offset_seconds = 0;
    if (sign == 'Z' || sign == 'z')
        return true;
    unsigned hours, minutes = 0;
    if ((sign != '+' && sign != '-') || !ds_scan_number(at, end, 2, 2, &hours))
        return false;
    bool colon = *at < end && **at == ':';
    *at += colon;
    bool more = colon || colon_needed || (*at < end && (unsigned char)(**at - '0') <= 9);
    if ((colon_needed && !colon) || (more && !ds_scan_number(at, end, 2, 2, &minutes)))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    int64_t seconds = (int64_t)hours * 3600 + minutes * 60;
    *offset_seconds = sign == '-' ? -seconds : seconds;
    return true;
}

static bool scan_char(const char **at, const char *end, char c)
{
    if (*at == end || **at != c)
        return false;
    ++*at;
    return true;
}

bool ds_parse_timestamp(const char *text, size_t length, int64_t *us)
{
    const char *at = text, *end = text + length;
    ds_civil c = {0};
    unsigned year;
    int64_t offset = 0;
    if (!ds_scan_number(&at, end, 4, 4, &year) || !scan_char(&at, end, '-') ||
        !ds_scan_number(&at, end, 2, 2, &c.month) || !scan_char(&at, end, '-') ||
        !ds_scan_number(&at, end, 2, 2, &c.day))
        return false;
    c.year = year;
    if (at < end) {
        if (*at != 'T' && *at != 't' && *at != ' ')
            return false;
        at++;
        if (!ds_scan_number(&at, end, 2, 2, &c.hour) || !scan_char(&at, end, ':') ||
            !ds_scan_number(&at, end, 2, 2, &c.minute) || !scan_char(&at, end, ':') ||
            !ds_scan_number(&at, end, 2, 2, &c.second))
            return false;
        if (scan_char(&at, end, '.') && !ds_scan_fraction(&at, end, &c.us))
            return false;
        if (at < end && (!ds_scan_zone(&at, end, true, &offset) || at != end))
            return false;
    }
    return ds_civil_to_us(&c, offset, us);
}
