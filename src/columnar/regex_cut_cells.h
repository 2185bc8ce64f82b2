/*
 * What a pattern that only cuts lines (regex_cut.h) is compiled to.
 */
#ifndef DS_COLUMNAR_REGEX_CUT_CELLS_H
#define DS_COLUMNAR_REGEX_CUT_CELLS_H

#include "columnar/regex_cut.h"

#define DS_CUT_MARKED_MOST 14u

/* A set of ASCII characters. Bit h of low[l] is that of the character with the half-bytes h, l. */
typedef struct ds_cut_set {
    uint8_t low[16];
} ds_cut_set;

typedef enum ds_cut_step_kind {
    DS_CUT_STEP_ONE,
    DS_CUT_STEP_RUN,
    DS_CUT_STEP_OPEN,
    DS_CUT_STEP_CLOSE,
    DS_CUT_STEP_END
} ds_cut_step_kind;

typedef struct ds_cut_step {
    ds_cut_step_kind kind;
    uint32_t least;      /* DS_CUT_STEP_RUN: characters, 0 or 1 */
    uint32_t given_back; /* DS_CUT_STEP_RUN: those at its end that are for the steps behind it */
    uint32_t group;      /* DS_CUT_STEP_OPEN, DS_CUT_STEP_CLOSE; 0: one that nobody asks for */
    ds_cut_set set;      /* DS_CUT_STEP_ONE, DS_CUT_STEP_RUN */
} ds_cut_step;

/* How the end of a run is found. */
typedef enum ds_cut_run_kind {
    DS_CUT_RUN_NONE,   /* there is none */
    DS_CUT_RUN_MARKED, /* by its marks, if there are any */
    DS_CUT_RUN_CHAR,   /* by the only character that is not in its set */
    DS_CUT_RUN_REST,   /* it is the end of the line */
    DS_CUT_RUN_SET,
} ds_cut_run_kind;

/*
 * What is run: cells of a run, perhaps in a group, and the text behind it, either of which may be
 * empty. Nothing is asked for that is not there: a group nobody wants is group 0.
 */
typedef struct ds_cut_cell {
    ds_cut_set set;
    ds_cut_run_kind kind;
    char stop;                 /* DS_CUT_RUN_CHAR */
    uint64_t need, given_back; /* need: characters that the run takes in all, at least */
    uint64_t text, mask;
    uint64_t length;      /* of the text */
    uint64_t forth;       /* what it has behind the end of the run */
    uint64_t keeps;       /* 0: it has less than nothing */
    uint32_t open, close; /* indexes in places */
    bool captures;
    bool has_open, has_run, has_close;
} ds_cut_cell;

struct ds_regex_cut {
    uint32_t n_steps, n_cells, n_groups;
    bool to_end;
    char marked[DS_CUT_MARKED_MOST + 1]; /* the characters that end most runs */
    ds_mark_bytes marks;
    ds_cut_cell cells[DS_CUT_STEPS];
    ds_cut_step steps[DS_CUT_STEPS];
};

#define DS_CUT_LEARN_LINES 65u /* one more than what is compared */

/* Chooses cells that took the same in nearly all of DS_CUT_LEARN_LINES lines. */
void ds_cut_habit_choose(const ds_regex_cut *cut, ds_cut_habit *habit);

#endif
