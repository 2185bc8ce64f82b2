/* Ints, floats and bools as text and back (text.h), without the locale anywhere. */
#include "columnar/digits.h"
#include "columnar/text.h"
#include "columnar/text_shortest.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

size_t ds_format_int(int64_t value, char text[static 24])
{
    size_t n = 0;
    if (value < 0)
        text[n++] = '-';
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    return n + ds_digits_write(magnitude, text + n);
}

/* The largest float below which every whole number is a float of its own. */
#define WHOLE_LIMIT 9007199254740992.0

/* digits[0] . digits[1..n) e exponent */
static size_t put_scientific(const char *digits, size_t n, int exponent, char *text)
{
    size_t at = 0;
    text[at++] = digits[0];
    if (n > 1) {
        text[at++] = '.';
        memcpy(text + at, digits + 1, n - 1);
        at += n - 1;
    }
    text[at++] = 'e';
    text[at++] = exponent < 0 ? '-' : '+';
    unsigned magnitude = (unsigned)abs(exponent);
    if (magnitude < 10)
        text[at++] = '0';
    return at + ds_digits_write(magnitude, text + at);
}

/* The same number with the point in place; exponent is that of the first digit. */
static size_t put_fixed(const char *digits, size_t n, int exponent, char *text)
{
    size_t at = 0;
    if (exponent < 0) {
        size_t zeros = (size_t)(-exponent - 1);
        memcpy(text, "0.0000", 6);
        memcpy(text + 2 + zeros, digits, n);
        return 2 + zeros + n;
    }
    size_t whole = (size_t)exponent + 1;
    for (; at < whole; at++)
        text[at] = at < n ? digits[at] : '0';
    text[at++] = '.';
    if (n <= whole) {
        text[at++] = '0';
        return at;
    }
    memcpy(text + at, digits + whole, n - whole);
    return at + n - whole;
}

static size_t put_magnitude(double value, char *text)
{
    if (value < WHOLE_LIMIT && value == (double)(uint64_t)value) {
        size_t n = ds_digits_write((uint64_t)value, text);
        memcpy(text + n, ".0", 2);
        return n + 2;
    }
    int power;
    uint64_t significand = ds_float_shortest(value, &power);
    while (significand % 10 == 0) {
        significand /= 10;
        power++;
    }
    char digits[20];
    size_t n = ds_digits_write(significand, digits);
    int exponent = power + (int)n - 1;
    return exponent >= -4 && exponent < 16 ? put_fixed(digits, n, exponent, text)
                                           : put_scientific(digits, n, exponent, text);
}

size_t ds_format_float(double value, char text[static DS_FLOAT_TEXT])
{
    size_t n = 0;
    if (signbit(value))
        text[n++] = '-';
    if (!isfinite(value)) { /* no column holds one */
        memcpy(text + n, isnan(value) ? "nan" : "inf", 3);
        return n + 3;
    }
    return n + put_magnitude(fabs(value), text + n);
}

bool ds_parse_int(const char *text, size_t length, int64_t *value, bool *overflow)
{
    if (overflow != NULL)
        *overflow = false;
    size_t at = length > 0 && (text[0] == '+' || text[0] == '-');
    bool negative = at == 1 && text[0] == '-';
    if (at == length)
        return false;
    if (length - at <= DS_DIGITS_MOST) {
        uint64_t number;
        if (!ds_digits_read(text + at, length - at, &number))
            return false;
        *value = (int64_t)(negative ? 0 - number : number);
        return true;
    }
    uint64_t magnitude = 0, limit = (uint64_t)INT64_MAX + negative;
    bool over = false;
    for (; at < length; at++) {
        if (!is_digit(text[at]))
            return false;
        uint64_t digit = (uint64_t)(text[at] - '0');
        over = over || magnitude > (limit - digit) / 10;
        magnitude = magnitude * 10 + digit;
    }
    if (over) {
        if (overflow != NULL)
            *overflow = true;
        return false;
    }
    *value = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

/*
 * Text to float. A significand of up to 19 digits and its power of ten are read in one go.
 * Where both are floats without a loss (significand up to 2^53, power up to 22), one
 * multiplication or division rounds correctly (Clinger). Otherwise the C library decides, over
 * a copy in a normal form, digits and exponent without a point, so that no locale matters.
 * Digits behind the 768th can change the result only by being there at all: they are cut,
 * and a final 1 stands for them.
 */
#define EXACT_POWER 22
#define MOST_DIGITS 770
#define EXPONENT_LIMIT INT64_C(1000000000000)

static const double exact_powers[EXACT_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* What the text of a float consists of. */
typedef struct decimal {
    const char *digits; /* with the point among them, without leading zeros */
    const char *end;
    uint64_t significand; /* the first 19 digits */
    size_t n_digits;
    int64_t power; /* of ten, for all digits as a whole number */
    bool negative;
} decimal;

/* Reads "e" and what follows, at least one digit; false if that is not all. */
static bool scan_exponent(const char *at, const char *end, int64_t *exponent)
{
    at++;
    bool negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    if (at == end)
        return false;
    int64_t value = 0;
    for (; at < end; at++) {
        if (!is_digit(*at))
            return false;
        if (value < EXPONENT_LIMIT)
            value = value * 10 + (*at - '0');
    }
    *exponent = negative ? -value : value;
    return true;
}

/* Reads sign, digits, point and exponent; false if the text is no float. */
static bool scan_decimal(const char *text, size_t length, decimal *d)
{
    const char *at = text, *end = text + length, *point = NULL;
    *d = (decimal){.negative = length > 0 && text[0] == '-'};
    at += length > 0 && (text[0] == '-' || text[0] == '+');
    bool any = false;
    for (; at < end && (is_digit(*at) || (*at == '.' && point == NULL)); at++) {
        if (*at == '.') {
            point = at;
            continue;
        }
        any = true;
        if (d->n_digits == 0) {
            if (*at == '0')
                continue;
            d->digits = at;
        }
        if (d->n_digits++ < 19)
            d->significand = d->significand * 10 + (uint64_t)(*at - '0');
    }
    d->end = at;
    d->power = point == NULL ? 0 : -(int64_t)(at - point - 1);
    int64_t exponent = 0;
    if (at < end && ((*at != 'e' && *at != 'E') || !scan_exponent(at, end, &exponent)))
        return false;
    d->power += exponent;
    return any;
}

static double read_slowly(const decimal *d)
{
    char text[MOST_DIGITS + 32];
    size_t n = 0;
    int64_t cut = 0;
    bool lost = false;
    for (const char *at = d->digits; at < d->end; at++) {
        if (*at == '.')
            continue;
        if (n < MOST_DIGITS) {
            text[n++] = *at;
        } else {
            lost = lost || *at != '0';
            cut++;
        }
    }
    if (lost) {
        text[n++] = '1';
        cut--;
    }
    text[n++] = 'e';
    int64_t power = d->power + cut;
    power = power > 99999 ? 99999 : power < -99999 ? -99999 : power;
    n += ds_format_int(power, text + n);
    text[n] = '\0';
    return strtod(text, NULL);
}

static double read_magnitude(const decimal *d)
{
    if (d->n_digits == 0)
        return 0.0;
    if (d->n_digits <= 19 && d->significand <= (uint64_t)1 << 53) {
        if (d->power >= 0 && d->power <= EXACT_POWER)
            return (double)d->significand * exact_powers[d->power];
        if (d->power < 0 && d->power >= -EXACT_POWER)
            return (double)d->significand / exact_powers[-d->power];
    }
    return read_slowly(d);
}

bool ds_parse_float(const char *text, size_t length, double *value)
{
    decimal d;
    if (!scan_decimal(text, length, &d))
        return false;
    double magnitude = read_magnitude(&d);
    if (!isfinite(magnitude))
        return false;
    *value = d.negative ? -magnitude : magnitude;
    return true;
}

bool ds_parse_bool(const char *text, size_t length, bool *value)
{
    if (length == 4 && strncasecmp(text, "true", 4) == 0)
        return *value = true;
    *value = false;
    return length == 5 && strncasecmp(text, "false", 5) == 0;
}
