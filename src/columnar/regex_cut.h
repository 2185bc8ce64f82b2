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
 * All other patterns are not of this kind, and neither is text that is not ASCII.
 */
#ifndef DS_COLUMNAR_REGEX_CUT_H
#define DS_COLUMNAR_REGEX_CUT_H

#include "base/arena.h"
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

/* Copies text to where there are DS_CUT_BEHIND bytes more. False if it is nothing to be cut. */
bool ds_regex_cut_copy(const char *text, size_t length, char *to);

#endif
