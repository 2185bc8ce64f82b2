/*
 * Regular expressions that need no regular-expression machine.
 *
 * Many patterns for log lines only cut them: from the beginning of the line, by runs of characters
 * (`\S+`, `[^]]*`, `\d+`) with fixed characters between them. If whatever may come behind a run has
 * no character of the run's own, the run can end at one place only: where it is as long as it can
 * be. Any shorter one is followed by a character of the run, which nothing behind it takes. If
 * single characters come first that are of the run's own, as in `\S+" `, they are its last ones. So
 * there is at most one way to match, and no need to go back. Such a pattern is run as a list of
 * steps, each run of characters 32 bytes at a time.
 *
 * Lines of an input are marked where most of the runs end (format_marks.h), mostly at blanks: then
 * those runs take a load or less (regex_cut_marked.h). And what nearly all lines have in common, as
 * the time, is compared with the line before, and not cut again (regex_cut_habit.c).
 *
 * All other patterns are not of this kind, and neither is text that is not ASCII.
 */
#ifndef DS_COLUMNAR_REGEX_CUT_H
#define DS_COLUMNAR_REGEX_CUT_H

#include "base/arena.h"
#include "columnar/format_marks.h"
#include "columnar/steady.h"

#include <stdbool.h>
#include <stddef.h>

#define DS_CUT_BEHIND 32u /* bytes that may be read behind the text */
#define DS_CUT_STEPS 64u  /* of a pattern; it has no more runs, and half as many groups */

typedef struct ds_regex_cut ds_regex_cut;

/* Compiles a pattern (that PCRE2 takes) into arena; NULL if it is not of this kind, or has another
 * number of groups than n_groups, or this processor has not the instructions. */
const ds_regex_cut *ds_regex_cut_compile(ds_arena *arena, const char *pattern, size_t length,
                                         unsigned n_groups);

/* Whether this thread may run it, as ds_simd_level has it now. */
bool ds_regex_cut_allowed(void);

/* How many lengths ds_regex_cut_run keeps. */
unsigned ds_regex_cut_runs(const ds_regex_cut *cut);

/* Matches text up to end: ASCII without NUL and newlines, with DS_CUT_BEHIND bytes behind it that
 * may be read. places: start and end of each group from 1 on, at 2 * group; not those of group 0.
 * before: zeros at first, then what was left there. */
bool ds_regex_cut_run(const ds_regex_cut *cut, const char *text, const char *end, size_t *places,
                      ds_steady *before);

/* What is to be marked for ds_regex_cut_run_marked, or NULL: it is of no use. */
const ds_mark_bytes *ds_regex_cut_marks(const ds_regex_cut *cut);

/* Whether \r is marked, too. */
bool ds_regex_cut_marks_returns(const ds_regex_cut *cut);

/* What most lines have in common, as the user's dash and the time. Zeros at first. */
typedef struct ds_cut_habit {
    const struct ds_cut_cell *first, *last; /* the cells that mostly take the same; or NULL */
    uint32_t length;                        /* of the text they took */
    uint32_t left;                          /* lines until it is looked at again */
    uint32_t learned;                       /* lines that have been looked at */
    bool missed;                            /* they took another text in the line before */
    uint32_t hashes[DS_CUT_STEPS], same[DS_CUT_STEPS]; /* of what each cell took */
    char text[64], mask[64];
} ds_cut_habit;

/* Copies text to where there are DS_CUT_BEHIND bytes more. False if it is nothing to be cut. */
bool ds_regex_cut_copy(const char *text, size_t length, char *to);

#endif
