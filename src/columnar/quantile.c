#include "columnar/quantile.h"

#include "base/assert.h"
#include "columnar/agg_state.h"

#include <math.h>
#include <string.h>

#define DIGIT_BITS 11u
#define DIGITS (1u << DIGIT_BITS)
#define WORD_BITS 64u
#define RELIEF 4096u /* values in order, before pages may have to go */

#define SIGN (UINT64_C(1) << 63)

/* Numbers that are ordered as the values are. */
static uint64_t word_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & SIGN) != 0 ? ~bits : bits | SIGN;
}

static double value_of(uint64_t word)
{
    uint64_t bits = (word & SIGN) != 0 ? word & ~SIGN : ~word;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Runs a block for each `word` and its `count`. */
#define EACH_VALUE(v, ...)                                                                         \
    for (uint32_t i_ = 0; i_ < (v)->n; i_++) {                                                     \
        uint64_t word = word_of((v)->values[(v)->keys[i_]]);                                       \
        double count = (double)(v)->counts[(v)->keys[i_]];                                         \
        if (i_ % RELIEF == 0)                                                                      \
            ds_budget_relieve((v)->budget);                                                        \
        __VA_ARGS__                                                                                \
    }

typedef struct found {
    uint64_t word;
    double before, rows; /* less than it, and equal to it */
} found;

/* The first digit up to which there are more than `at` rows, or the last that there is. */
static uint32_t find_digit(const double *histogram, double at, double *before)
{
    uint32_t last = DIGITS - 1;
    while (last > 0 && histogram[last] == 0)
        last--;
    uint32_t digit = 0;
    while (digit < last && *before + histogram[digit] <= at)
        *before += histogram[digit++];
    return digit;
}

/* The value at a position of all rows in order. */
static found find(const ds_counted_values *v, double at)
{
    found f = {0};
    double histogram[DIGITS];
    for (uint32_t known = 0, bits; known < WORD_BITS; known += bits) {
        uint32_t left = WORD_BITS - known;
        bits = left < DIGIT_BITS ? left : DIGIT_BITS;
        uint32_t shift = left - bits;
        memset(histogram, 0, sizeof histogram);
        EACH_VALUE(v, {
            if (known == 0 || word >> left == f.word)
                histogram[(word >> shift) & ((1u << bits) - 1)] += count;
        })
        uint32_t digit = find_digit(histogram, at, &f.before);
        f.word = f.word << bits | digit;
        f.rows = histogram[digit];
    }
    return f;
}

/* The next greater value, or the same if there is none. */
static uint64_t next_of(const ds_counted_values *v, uint64_t than)
{
    uint64_t next = UINT64_MAX;
    EACH_VALUE(v, {
        if (word > than && word < next && count > 0)
            next = word;
    })
    return next == UINT64_MAX ? than : next;
}

double ds_quantile_select(const ds_counted_values *v, double q)
{
    DS_ASSERT(v->n > 0);
    double rows = 0;
    EACH_VALUE(v, {
        (void)word;
        rows += count;
    })
    double at = (rows - 1) * q, low = floor(at);
    found f = find(v, low);
    bool inside = f.before + f.rows > low + 1;
    uint64_t next = inside ? f.word : next_of(v, f.word);
    return ds_agg_between(value_of(f.word), value_of(next), at - low);
}
