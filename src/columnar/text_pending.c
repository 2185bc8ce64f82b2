/* Plain stand-ins for text.h, weak: whatever defines these functions properly replaces them. */
#include "columnar/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WEAK __attribute__((weak))

WEAK size_t ds_format_int(int64_t value, char text[static 24])
{
    return (size_t)snprintf(text, 24, "%lld", (long long)value);
}

WEAK size_t ds_format_float(double value, char text[static DS_FLOAT_TEXT])
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, DS_FLOAT_TEXT, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    double size = fabs(value);
    if (size != 0 && (size < 1e-4 || size >= 1e16))
        return strlen(text);
    for (int digits = 1; digits < 20; digits++) {
        int n = snprintf(text, DS_FLOAT_TEXT, "%.*f", digits, value);
        if (strtod(text, NULL) == value)
            return (size_t)n;
    }
    return strlen(text);
}

WEAK size_t ds_format_timestamp(int64_t us, char text[static DS_TIMESTAMP_TEXT])
{
    int64_t day = us / 86400000000, rest = us % 86400000000, year;
    if (rest < 0) {
        day--;
        rest += 86400000000;
    }
    unsigned month, dom;
    ds_civil_from_days(day, &year, &month, &dom);
    int second = (int)(rest / 1000000), fraction = (int)(rest % 1000000);
    int n = snprintf(text, DS_TIMESTAMP_TEXT, "%04d-%02u-%02uT%02d:%02d:%02d.%06d", (int)year,
                     month, dom, second / 3600, second / 60 % 60, second % 60, fraction);
    while (text[n - 1] == '0' && fraction != 0)
        n--;
    if (fraction == 0)
        n -= 7;
    text[n++] = 'Z';
    return (size_t)n;
}

WEAK bool ds_parse_int(const char *text, size_t length, int64_t *value, bool *overflow)
{
    size_t i = length > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    bool minus = i == 1 && text[0] == '-', over = false;
    int64_t n = 0;
    if (overflow != NULL)
        *overflow = false;
    if (i == length)
        return false;
    for (; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        over |= __builtin_mul_overflow(n, 10, &n);
        over |= minus ? __builtin_sub_overflow(n, text[i] - '0', &n)
                      : __builtin_add_overflow(n, text[i] - '0', &n);
    }
    if (overflow != NULL)
        *overflow = over;
    *value = n;
    return !over;
}

WEAK bool ds_parse_float(const char *text, size_t length, double *value)
{
    size_t i = length > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0, digits = 0;
    for (; i < length && text[i] >= '0' && text[i] <= '9'; i++)
        digits++;
    if (i < length && text[i] == '.')
        for (i++; i < length && text[i] >= '0' && text[i] <= '9'; i++)
            digits++;
    if (digits == 0)
        return false;
    if (i < length && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        if (i < length && (text[i] == '-' || text[i] == '+'))
            i++;
        size_t from = i;
        while (i < length && text[i] >= '0' && text[i] <= '9')
            i++;
        if (i == from)
            return false;
    }
    if (i != length)
        return false;
    char *copy = strndup(text, length);
    *value = strtod(copy, NULL);
    free(copy);
    return isfinite(*value);
}

WEAK bool ds_parse_bool(const char *text, size_t length, bool *value)
{
    *value = length == 4;
    return (length == 4 && strncasecmp(text, "true", 4) == 0) ||
           (length == 5 && strncasecmp(text, "false", 5) == 0);
}

static bool digits_at(const char **at, const char *end, int n, int *value)
{
    *value = 0;
    for (; n > 0; n--, (*at)++) {
        if (*at == end || **at < '0' || **at > '9')
            return false;
        *value = *value * 10 + (**at - '0');
    }
    return true;
}

static bool char_at(const char **at, const char *end, const char *any)
{
    if (*at == end || **at == '\0' || strchr(any, **at) == NULL)
        return false;
    (*at)++;
    return true;
}

WEAK bool ds_parse_timestamp(const char *text, size_t length, int64_t *us)
{
    const char *at = text, *end = text + length;
    int y, mo, d, h = 0, mi = 0, s = 0, zh = 0, zm = 0, sign = 1;
    int64_t fraction = 0;
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!digits_at(&at, end, 4, &y) || !char_at(&at, end, "-") || !digits_at(&at, end, 2, &mo) ||
        !char_at(&at, end, "-") || !digits_at(&at, end, 2, &d))
        return false;
    if (at != end) {
        if (!char_at(&at, end, "Tt ") || !digits_at(&at, end, 2, &h) || !char_at(&at, end, ":") ||
            !digits_at(&at, end, 2, &mi) || !char_at(&at, end, ":") || !digits_at(&at, end, 2, &s))
            return false;
        if (char_at(&at, end, ".")) {
            int64_t unit = 100000;
            const char *from = at;
            for (; at != end && *at >= '0' && *at <= '9'; at++, unit /= 10)
                fraction += (*at - '0') * unit;
            if (at == from)
                return false;
        }
        if (at != end && !char_at(&at, end, "Zz")) {
            sign = *at == '-' ? -1 : 1;
            if (!char_at(&at, end, "+-") || !digits_at(&at, end, 2, &zh) ||
                !char_at(&at, end, ":") || !digits_at(&at, end, 2, &zm))
                return false;
        }
    }
    bool leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    if (at != end || y < 1 || mo < 1 || mo > 12 || d < 1 || d > days[mo - 1] ||
        (mo == 2 && d == 29 && !leap) || h > 23 || mi > 59 || s > 59 || zh > 23 || zm > 59)
        return false;
    int64_t seconds = ds_days_from_civil(y, (unsigned)mo, (unsigned)d) * 86400 + h * 3600 +
                      mi * 60 + s - sign * (zh * 3600 + zm * 60);
    *us = seconds * 1000000 + fraction;
    return *us >= DS_TIMESTAMP_MIN && *us <= DS_TIMESTAMP_MAX;
}

WEAK int64_t ds_days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, yoe = year - era * 400;
    int64_t doy = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

WEAK void ds_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    *day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}

WEAK bool ds_text_is_plain(const char *text, size_t length)
{
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t word;
        memcpy(&word, text + i, 8);
        if (((word | (word - 0x0101010101010101u)) & 0x8080808080808080u) != 0)
            return false;
    }
    for (; i < length; i++)
        if (text[i] <= 0)
            return false;
    return true;
}

/* Length of the character or (negative) of the invalid part at text. */
static int utf8_step(const unsigned char *text, size_t length)
{
    unsigned lead = text[0];
    if (lead < 0x80)
        return lead == 0 ? -1 : 1;
    int n = lead >= 0xC2 && lead < 0xE0 ? 2 : (lead & 0xF0) == 0xE0 ? 3 : 0;
    if (lead >= 0xF0 && lead <= 0xF4)
        n = 4;
    unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    for (int i = 1; i < n; i++) {
        if ((size_t)i == length || text[i] < low || text[i] > high)
            return -i;
        low = 0x80;
        high = 0xBF;
    }
    return n == 0 ? -1 : n;
}

WEAK size_t ds_utf8_invalid(const char *text, size_t length, size_t *valid)
{
    for (size_t i = 0; i < length;) {
        int step = utf8_step((const unsigned char *)text + i, length - i);
        if (step < 0) {
            *valid = i;
            return (size_t)-step;
        }
        i += (size_t)step;
    }
    *valid = length;
    return 0;
}

WEAK size_t ds_utf8_length(const char *text, size_t length)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

WEAK size_t ds_utf8_repair(ds_buffer *out, const char *text, size_t length)
{
    size_t n = 0;
    for (;;) {
        size_t valid, bad = ds_utf8_invalid(text, length, &valid);
        ds_buffer_append(out, text, valid);
        if (bad == 0)
            return n;
        ds_buffer_append_text(out, "\xEF\xBF\xBD");
        text += valid + bad;
        length -= valid + bad;
        n++;
    }
}

WEAK void ds_json_string(ds_buffer *out, const char *text, size_t length)
{
    ds_buffer_append_char(out, '"');
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        const char *at = c == '\0' ? NULL : strchr("\"\"\\\\\nn\tt\rr\bb\ff", c);
        if ((unsigned char)c < ' ' && at == NULL)
            ds_buffer_printf(out, "\\u%04x", c);
        else if (at != NULL && (c < ' ' || c == '"' || c == '\\'))
            ds_buffer_printf(out, "\\%c", c < ' ' ? at[1] : c);
        else
            ds_buffer_append_char(out, c);
    }
    ds_buffer_append_char(out, '"');
}

WEAK void ds_json_value(ds_buffer *out, const ds_heap *heap, const ds_column *column, uint32_t row)
{
    char text[DS_TIMESTAMP_TEXT];
    if (ds_column_is_null(column, row)) {
        ds_buffer_append_text(out, "null");
        return;
    }
    switch (column->type.kind) {
    case DS_BOOL:
        ds_buffer_append_text(out, ds_bit_get(column->bits, row) ? "true" : "false");
        break;
    case DS_INT: ds_buffer_append(out, text, ds_format_int(column->ints[row], text)); break;
    case DS_FLOAT: ds_buffer_append(out, text, ds_format_float(column->floats[row], text)); break;
    case DS_STRING:
        ds_json_string(out, ds_view_bytes(heap, &column->views[row]), column->views[row].length);
        break;
    case DS_TIMESTAMP:
        ds_json_string(out, text, ds_format_timestamp(column->ints[row], text));
        break;
    default:
        ds_buffer_append_char(out, '[');
        for (uint32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) {
            if (i > column->offsets[row])
                ds_buffer_append_char(out, ',');
            ds_json_value(out, heap, column->child, i);
        }
        ds_buffer_append_char(out, ']');
    }
}
