/*
 * Regular expressions, by PCRE2: what the functions regexp_… and the format `regex` share.
 *
 * A pattern is compiled once, to machine code where PCRE2 can, and shared by all threads; what
 * a match needs besides belongs to a matcher, of which each thread has its own. Text has to be
 * valid UTF-8 and is not checked again; \d \w \s \b are ASCII, as without UCP; \n alone is a
 * newline; \C, which could cut a character in two, is refused.
 *
 * No pattern can hang: the steps from one start position, the stack and the heap of a match are
 * limited. The default stack of compiled code, 32 KiB, does for nearly all; a larger one is made
 * only for the matcher that needs it.
 */
#ifndef DS_COLUMNAR_REGEX_H
#define DS_COLUMNAR_REGEX_H

#include "base/arena.h"
#include "base/error.h"

typedef struct ds_regex ds_regex;

/*
 * Compiles a pattern; the result lives as long as arena, which frees what it holds besides.
 * DS_ERR_APP if it is wrong: with a sentence that does not say where, and in *at the byte of
 * the pattern (up to its length) where it went wrong.
 */
ds_status ds_regex_compile(ds_arena *arena, const char *pattern, size_t length,
                           const ds_regex **regex, size_t *at, ds_error *error);

/* How many groups it has, without group 0, the whole match. */
uint32_t ds_regex_groups(const ds_regex *regex);

/* The name of a group; NULL if it has none. Several groups may have one name ("(?J)"). */
const char *ds_regex_group_name(const ds_regex *regex, uint32_t group);

typedef enum ds_match {
    DS_MATCH_NONE,
    DS_MATCH_FOUND,
    DS_MATCH_LIMIT, /* given up: it takes too many steps or too much memory */
} ds_match;

/* What one thread needs to match. */
typedef struct ds_matcher {
    const ds_regex *regex; /* borrowed */
    const size_t *places;  /* of a match: start and end of each group; see ds_matcher_group */
    struct pcre2_real_match_data_8 *data;
    struct pcre2_real_match_context_8 *context;
    struct pcre2_real_jit_stack_8 *stack; /* NULL until the default one was too small */
} ds_matcher;

/* Prepares to match regex (borrowed). */
void ds_matcher_init(ds_matcher *matcher, const ds_regex *regex);
/* Frees what it holds. */
void ds_matcher_fini(ds_matcher *matcher);

/* Searches text from byte `from` on (where a character starts). With not_empty_at_start a match
 * right there must not be empty. */
ds_match ds_matcher_search(ds_matcher *matcher, const char *text, size_t length, size_t from,
                           bool not_empty_at_start);

/* Where a group lies that is at 2 * group in places; false if it took no part. */
static inline bool ds_places_group(const size_t *places, uint32_t group, size_t *from, size_t *to)
{
    *from = places[2 * (size_t)group];
    *to = places[2 * (size_t)group + 1];
    return *from != SIZE_MAX && *from <= *to;
}

/* Where a group of the newest match lies; false if it took no part. */
static inline bool ds_matcher_group(const ds_matcher *matcher, uint32_t group, size_t *from,
                                    size_t *to)
{
    return ds_places_group(matcher->places, group, from, to);
}

#endif
