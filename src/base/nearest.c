/*
 * The nearest name: by edits as in optimal string alignment (insert, delete, replace, swap
 * two neighbours), with ASCII letters of either case alike.
 */
#include "base/nearest.h"

#include <string.h>

#define LONGEST 64u /* names beyond are not guessed at */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many edits turn a into b. Three rows of the usual table. */
static size_t edits(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= n_b; j++)
        last[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            char x = lower(a[i - 1]), y = lower(b[j - 1]);
            row[j] = least(least(last[j] + 1, row[j - 1] + 1), last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[n_b];
}

const char *ds_nearest_name(const char *name, const char *const *candidates, size_t n)
{
    size_t length = strlen(name);
    if (length == 0 || length > LONGEST)
        return NULL;
    const char *nearest = NULL;
    size_t best = LONGEST + 1;
    for (size_t i = 0; i < n; i++) {
        size_t other = candidates[i] == NULL ? 0 : strlen(candidates[i]);
        if (other == 0 || other > LONGEST)
            continue;
        size_t longer = length > other ? length : other;
        size_t allowed = longer < 5 ? 1 : (longer + 1) / 3;
        size_t distance = edits(name, length, candidates[i], other);
        if (distance <= allowed && distance < best) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}
