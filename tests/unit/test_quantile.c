/* Quantiles without sorting, against sorting. */
#include "columnar/quantile.h"

#include "base/random.h"
#include "unit/unit.h"

#include <math.h>
#include <stdlib.h>

#define MOST 3000u

static double values[MOST];
static int64_t counts[MOST];
static uint32_t keys[MOST];

static int by_value(const void *a, const void *b)
{
    double x = values[*(const uint32_t *)a], y = values[*(const uint32_t *)b];
    return (x > y) - (x < y);
}

/* The value of the row at a position, counted from 0. */
static double at_row(const uint32_t *sorted, uint32_t n, double at)
{
    uint32_t k = 0;
    double seen = (double)counts[sorted[0]];
    while (k + 1 < n && seen <= at)
        seen += (double)counts[sorted[++k]];
    return values[sorted[k]];
}

static double by_sorting(uint32_t n, double q)
{
    uint32_t sorted[MOST];
    double rows = 0;
    for (uint32_t i = 0; i < n; i++) {
        sorted[i] = keys[i];
        rows += (double)counts[keys[i]];
    }
    qsort(sorted, n, sizeof *sorted, by_value);
    double at = (rows - 1) * q, low = floor(at), part = at - low;
    double a = at_row(sorted, n, low), b = at_row(sorted, n, low + 1);
    return part == 0 || a == b ? a : a + part * (b - a);
}

static void check(uint32_t n)
{
    static const double all[] = {0, 0.001, 0.25, 0.5, 0.75, 0.9, 0.999, 1};
    const ds_counted_values v = {keys, n, values, counts, NULL};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        double wanted = by_sorting(n, all[i]), got = ds_quantile_select(&v, all[i]);
        ck_assert_msg(got == wanted, "%u values, q %g: %.17g, not %.17g", n, all[i], got, wanted);
    }
}

START_TEST(a_few_values)
{
    const double some[] = {3, -1, 0, 1e300, -1e300, 5e-324, -5e-324, 2.5};
    for (uint32_t i = 0; i < 8; i++) {
        values[i] = some[i];
        counts[i] = 1 + i % 3;
        keys[i] = i;
    }
    for (uint32_t n = 1; n <= 8; n++)
        check(n);
}
END_TEST

START_TEST(neighbours_and_bounds)
{
    for (uint32_t i = 0; i < 100; i++) {
        values[i] = i % 2 == 0 ? 1 + (double)i * 0x1p-52 : -1 - (double)i * 0x1p-52;
        counts[i] = 1;
        keys[i] = 99 - i;
    }
    check(100);
    counts[50] = INT64_C(1) << 40;
    check(100);
}
END_TEST

START_TEST(random_values)
{
    ds_random random;
    ds_random_init(&random, 7);
    for (int round = 0; round < 40; round++) {
        uint32_t n = 1 + (uint32_t)ds_random_below(&random, round % 4 == 0 ? MOST : 50);
        int scale = (int)ds_random_below(&random, 600) - 300;
        for (uint32_t i = 0; i < MOST; i++) {
            values[i] = ldexp((double)i - (double)ds_random_below(&random, 2) * MOST, scale);
            counts[i] = 1 + (int64_t)ds_random_below(&random, 1u << ds_random_below(&random, 20));
        }
        values[0] = ldexp(0.5, scale);
        for (uint32_t i = 0; i < n; i++)
            keys[i] = (uint32_t)(((uint64_t)i * 1999) % MOST);
        check(n);
    }
}
END_TEST

UNIT_MAIN("quantile", a_few_values, neighbours_and_bounds, random_values)
