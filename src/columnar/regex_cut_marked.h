/*
 * Lines of a marked window, cut by a pattern (regex_cut.h). In a header, as the loop over the lines
 * is to have it inline.
 */
#ifndef DS_COLUMNAR_REGEX_CUT_MARKED_H
#define DS_COLUMNAR_REGEX_CUT_MARKED_H

#include "columnar/regex_cut_cells.h"

#include <string.h>

#define DS_CUT_MARKED_BEHIND 64u

#define DS_CUT_INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__)
#include <immintrin.h>

#define DS_CUT __attribute__((target("avx2,bmi,bmi2")))

/* The first byte at or behind p that is not in the set, or the end. */
DS_CUT DS_CUT_INLINE const char *ds_cut_run_end(const ds_cut_set *set, const char *p,
                                                const char *end)
{
    const __m256i high_bits =
        _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32,
                         64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m256i low =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)set->low));
    for (; p < end; p += 32) {
        __m256i text = _mm256_loadu_si256((const __m256i *)(const void *)p);
        __m256i high = _mm256_and_si256(_mm256_srli_epi16(text, 4), _mm256_set1_epi8(15));
        __m256i in =
            _mm256_and_si256(_mm256_shuffle_epi8(low, text), _mm256_shuffle_epi8(high_bits, high));
        uint32_t out =
            (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(in, _mm256_setzero_si256()));
        if (out != 0) {
            p += __builtin_ctz(out);
            break;
        }
    }
    return p < end ? p : end;
}

/* The first stop at or behind p, or the end. */
DS_CUT DS_CUT_INLINE const char *ds_cut_char_end(char stop, const char *p, const char *end)
{
    const __m256i stops = _mm256_set1_epi8(stop);
    for (; p < end; p += 32) {
        __m256i text = _mm256_loadu_si256((const __m256i *)(const void *)p);
        uint32_t found = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(text, stops));
        if (found != 0) {
            p += __builtin_ctz(found);
            break;
        }
    }
    return p < end ? p : end;
}

/* A marked line, and where its groups are put down. */
typedef struct ds_cut_line {
    const ds_marks *marks;
    const char *text, *end;
    const char **places; /* as by ds_regex_cut_run, but pointers */
} ds_cut_line;

/* What the cells of a marked line have of it, from one to the next. */
typedef struct ds_cut_place {
    const char *p; /* NULL: they do not match */
    uint64_t bits; /* the marks from p on, as far as they are at hand; 0: perhaps there are more */
} ds_cut_place;

/* How long the run of a cell is. *bits are then those behind it. */
DS_CUT DS_CUT_INLINE size_t ds_cut_run_length(const ds_cut_cell *at, const ds_cut_line *of,
                                              const char *p, uint64_t *bits)
{
    if (__builtin_expect(at->kind == DS_CUT_RUN_MARKED, 1)) {
        if (*bits == 0)
            *bits = ds_mark_bits(of->marks, of->marks->special, p);
        if (__builtin_expect(*bits == 0, 0)) {
            size_t byte = (size_t)(p - of->marks->from) / 8;
            return (size_t)(ds_mark_next_far(of->marks, of->marks->special, byte) - p);
        }
        size_t n = (size_t)__builtin_ctzll(*bits);
        *bits >>= n;
        return n;
    }
    if (at->kind == DS_CUT_RUN_NONE)
        return 0;
    *bits = 0;
    if (at->kind == DS_CUT_RUN_REST)
        return (size_t)(of->end - p);
    return (size_t)((at->kind == DS_CUT_RUN_CHAR ? ds_cut_char_end(at->stop, p, of->end)
                                                 : ds_cut_run_end(&at->set, p, of->end)) -
                    p);
}

/* Runs one cell. Nothing here looks for the line's end: it is marked, and no text of a cell goes
 * past it. */
DS_CUT DS_CUT_INLINE ds_cut_place ds_cut_run_cell(const ds_cut_cell *at, const ds_cut_line *of,
                                                  ds_cut_place now)
{
    uint64_t word;
    size_t n = ds_cut_run_length(at, of, now.p, &now.bits);
    const char *to = now.p + n - at->given_back;
    if (n < at->need)
        return (ds_cut_place){NULL, 0};
    if (at->captures) {
        of->places[at->open] = now.p;
        of->places[at->close] = to;
    }
    memcpy(&word, to, sizeof word);
    if (((word ^ at->text) & at->mask) != 0)
        return (ds_cut_place){NULL, 0};
    return (ds_cut_place){to + at->length, now.bits >> at->forth & at->keeps};
}

/* Runs all cells, and notes which take the same as in the line before. */
ds_cut_place ds_cut_learn(const ds_regex_cut *cut, const ds_cut_line *of, ds_cut_habit *habit);
/* Runs the cells of a habit, where there is another text. */
ds_cut_place ds_cut_others(const ds_cut_line *of, ds_cut_habit *habit, ds_cut_place now);

/* Whether cells that begin here take the text that they took in a line before. */
DS_CUT DS_CUT_INLINE bool ds_cut_is_as_before(const ds_cut_habit *habit, const char *p)
{
    __m256i differs[2];
    for (unsigned i = 0; i < 2; i++) {
        __m256i text = _mm256_loadu_si256((const void *)(p + 32 * i));
        __m256i known = _mm256_loadu_si256((const void *)(habit->text + 32 * i));
        __m256i mask = _mm256_loadu_si256((const void *)(habit->mask + 32 * i));
        differs[i] = _mm256_and_si256(_mm256_xor_si256(text, known), mask);
    }
    __m256i any = _mm256_or_si256(differs[0], differs[1]);
    return _mm256_testz_si256(any, any) != 0;
}

/* As ds_regex_cut_run, for a line of a window with these marks, which is plain. If \r is not marked
 * it ends before a \n. DS_CUT_MARKED_BEHIND bytes may be read behind it. */
DS_CUT DS_CUT_INLINE bool ds_regex_cut_run_marked(const ds_regex_cut *cut, const ds_marks *marks,
                                                  const char *text, const char *end,
                                                  const char **places, ds_cut_habit *habit)
{
    const ds_cut_line of = {marks, text, end, places};
    const ds_cut_cell *behind = cut->cells + cut->n_cells;
    ds_cut_place now = {text, 0};
    if (__builtin_expect(habit->left == 0, 0)) {
        now = ds_cut_learn(cut, &of, habit);
        return now.p != NULL && (!cut->to_end || now.p == end);
    }
    habit->left--;
    for (const ds_cut_cell *at = cut->cells; at < behind; at++) {
        if (at == habit->first) {
            at = habit->last;
            if (__builtin_expect(ds_cut_is_as_before(habit, now.p), 1)) {
                now = (ds_cut_place){now.p + habit->length, 0};
                habit->missed = false;
            } else {
                now = ds_cut_others(&of, habit, now);
            }
        } else {
            now = ds_cut_run_cell(at, &of, now);
        }
        if (__builtin_expect(now.p == NULL, 0))
            return false;
    }
    return !cut->to_end || now.p == end;
}

#else

/* Nothing is cut there. */
DS_CUT_INLINE bool ds_regex_cut_run_marked(const ds_regex_cut *cut, const ds_marks *marks,
                                           const char *text, const char *end, const char **places,
                                           ds_cut_habit *habit)
{
    (void)cut, (void)marks, (void)text, (void)end, (void)places, (void)habit;
    return false;
}

#endif
#endif
