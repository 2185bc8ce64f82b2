/*
 * Texts that nearly all lines have in common.
 *
 * Lines that come one after the other often have the same time, and dashes for what nobody fills
 * in. What cells do hangs on nothing but the text that they take, if the last one takes what ended
 * its run: so if that text is there again all of them are done, by one comparison.
 *
 * Which cells these are is found out from a few lines, and again now and then, if it was wrong.
 */
#include "columnar/regex_cut_cells.h"

#include <string.h>

#define LINES 32768u /* between two looks */
#define ENOUGH (DS_CUT_LEARN_LINES - DS_CUT_LEARN_LINES / 5)

static bool is_same(const ds_cut_cell *at, uint32_t same)
{
    return same >= ENOUGH && !at->captures && at->kind != DS_CUT_RUN_REST;
}

/* Whether it takes the character that ended its run, too. */
static bool may_be_last(const ds_cut_cell *at)
{
    return at->has_run && at->length > at->given_back;
}

/* How many cells from one on mostly take the same. */
static uint32_t count_same(const ds_regex_cut *cut, const ds_cut_habit *habit, uint32_t first)
{
    uint32_t behind = first;
    while (behind < cut->n_cells && is_same(&cut->cells[behind], habit->same[behind]))
        behind++;
    while (behind > first && !may_be_last(&cut->cells[behind - 1]))
        behind--;
    return behind - first;
}

void ds_cut_habit_choose(const ds_regex_cut *cut, ds_cut_habit *habit)
{
    uint32_t most = 1; /* a single one is not worth while */
    ds_cut_habit chosen = {.left = LINES};
    for (uint32_t first = 0; first < cut->n_cells; first++) {
        uint32_t n = count_same(cut, habit, first);
        if (n > most) {
            chosen.first = &cut->cells[first];
            chosen.last = &cut->cells[first + n - 1];
        }
        most = n > most ? n : most;
    }
    memset(chosen.mask, 0xff, 1); /* the text is a NUL, which no line has */
    *habit = chosen;
}
