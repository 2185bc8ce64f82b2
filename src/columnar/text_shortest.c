/*
 * Shortest decimals by the method "Schubfach" (Raffaello Giulietti, The Schubfach way to
 * render doubles, 2020).
 *
 * A float v = c * 2^q stands for all numbers between the middles to its neighbours. There is
 * exactly one k for which 10^k is at most as wide as that interval but 10^(k+1) is wider: so of the
 * multiples of 10^(k+1) at most one lies within, and if it does it is the shortest; if not, at
 * least one of the two multiples of 10^k around v does. To decide that, v and the two middles
 * are scaled by 10^-k. This takes a product with a 128-bit power of ten, cut to 64 bits with
 * the last bit set if anything was lost ("rounded to odd"), and the paper proves that
 * comparisons of such values come out as those of the exact ones.
 *
 * The powers are made once, exactly, with long numbers.
 */
#include "columnar/text_shortest.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/* -k of all floats lies within these. */
#define LEAST_POWER (-292)
#define MOST_POWER 324

typedef struct wide {
    uint64_t high, low;
} wide;

/* powers[p - LEAST_POWER]: 10^p divided by a power of two, so that the top bit is set, and
 * rounded up. */
static wide powers[MOST_POWER - LEAST_POWER + 1];
static pthread_once_t powers_made = PTHREAD_ONCE_INIT;

/* A long number of 1152 bits, the least word first; 2^1152 / 10^292 has 182 bits left. */
#define LONG_WORDS 18

static wide top_bits(const uint64_t *number, bool more)
{
    int top = LONG_WORDS - 1;
    while (number[top] == 0)
        top--;
    uint64_t words[3] = {number[top], top > 0 ? number[top - 1] : 0, top > 1 ? number[top - 2] : 0};
    int shift = __builtin_clzll(words[0]);
    wide result = {words[0], words[1]};
    uint64_t rest = words[2];
    if (shift > 0) {
        result.high = words[0] << shift | words[1] >> (64 - shift);
        result.low = words[1] << shift | words[2] >> (64 - shift);
        rest = words[2] << shift;
    }
    for (int i = 0; i < top - 2; i++)
        more = more || number[i] != 0;
    if (more || rest != 0) {
        result.low++;
        result.high += result.low == 0;
    }
    return result;
}

static void make_powers(void)
{
    uint64_t number[LONG_WORDS] = {1};
    for (int p = 0; p <= MOST_POWER; p++) {
        powers[p - LEAST_POWER] = top_bits(number, false);
        unsigned __int128 carry = 0;
        for (int i = 0; i < LONG_WORDS; i++) {
            carry += (unsigned __int128)number[i] * 10;
            number[i] = (uint64_t)carry;
            carry >>= 64;
        }
    }
    memset(number, 0, sizeof number);
    number[LONG_WORDS - 1] = (uint64_t)1 << 63;
    for (int p = -1; p >= LEAST_POWER; p--) {
        unsigned __int128 rest = 0;
        for (int i = LONG_WORDS - 1; i >= 0; i--) {
            rest = rest << 64 | number[i];
            number[i] = (uint64_t)(rest / 10);
            rest %= 10;
        }
        powers[p - LEAST_POWER] = top_bits(number, true);
    }
}

/* floor(log2(10^e)), and floor(log10(2^e)) or, for the narrower interval below a power of
 * two, floor(log10(3/4 * 2^e)). Right for all exponents of floats. */
static int log2_of_power10(int e)
{
    return (e * 1741647) >> 19;
}

static int log10_of_power2(int e, bool three_quarters)
{
    return (e * 1262611 - (three_quarters ? 524031 : 0)) >> 22;
}

/* scaled * power / 2^128, rounded to odd. */
static uint64_t scale(wide power, uint64_t scaled)
{
    uint64_t below = (uint64_t)(((unsigned __int128)power.low * scaled) >> 64);
    unsigned __int128 product = (unsigned __int128)power.high * scaled + below;
    return (uint64_t)(product >> 64) | ((uint64_t)product > 1);
}

/* The multiple of 1 nearest to v4 / 4 that lies in the interval (all times 4). */
static uint64_t choose(uint64_t floor, uint64_t v4, uint64_t lower, uint64_t upper)
{
    bool down = lower <= 4 * floor, up = 4 * floor + 4 <= upper;
    if (down != up)
        return floor + up;
    uint64_t middle = 4 * floor + 2;
    return floor + (v4 > middle || (v4 == middle && (floor & 1) != 0));
}

uint64_t ds_float_shortest(double value, int *power)
{
    pthread_once(&powers_made, make_powers);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int exponent = (int)(bits >> 52 & 0x7ff);
    uint64_t c = exponent == 0 ? fraction : fraction | (uint64_t)1 << 52;
    int q = (exponent == 0 ? 1 : exponent) - 1075;

    /* Below a power of two floats lie twice as close. Middles belong to even neighbours. */
    bool narrow = fraction == 0 && exponent > 1;
    uint64_t odd = c & 1;
    int k = log10_of_power2(q, narrow);
    int shift = q + log2_of_power10(-k) + 1;
    wide g = powers[-k - LEAST_POWER];
    uint64_t lower = scale(g, (4 * c - 2 + narrow) << shift) + odd;
    uint64_t v4 = scale(g, (4 * c) << shift);
    uint64_t upper = scale(g, (4 * c + 2) << shift) - odd;

    uint64_t floor = v4 / 4;
    uint64_t tens = floor / 10;
    bool down = lower <= 40 * tens, up = 40 * tens + 40 <= upper;
    if (floor >= 10 && down != up) {
        *power = k + 1;
        return tens + up;
    }
    *power = k;
    return choose(floor, v4, lower, upper);
}
