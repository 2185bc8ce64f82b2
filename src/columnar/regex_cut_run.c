#include "base/assert.h"
#include "columnar/regex_cut_marked.h"
#include "columnar/text_simd.h"

#include <string.h>

#if defined(__x86_64__)

bool ds_regex_cut_allowed(void)
{
    return ds_simd_level() >= DS_SIMD_AVX2;
}

DS_CUT bool ds_regex_cut_run(const ds_regex_cut *cut, const char *text, const char *end,
                             size_t *places, ds_steady *before)
{
    const char *p = text;
    for (const ds_cut_cell *at = cut->cells, *behind = at + cut->n_cells; at < behind;
         at++, before++) {
        const char *from = p;
        uint64_t word;
        places[at->open] = (size_t)(p - text);
        p = ds_steady_end(before, p, ds_cut_run_end(&at->set, p, end));
        if ((size_t)(p - from) < at->need)
            return false;
        p -= at->given_back;
        places[at->close] = (size_t)(p - text);
        memcpy(&word, p, sizeof word);
        if (((word ^ at->text) & at->mask) != 0 || (size_t)(end - p) < at->length)
            return false;
        p += at->length;
    }
    return !cut->to_end || p == end;
}

/* The cells of a habit took another text: it is kept if that happens twice in a row, as single ones
 * mostly stay that. Instead of one that is too long there is a NUL, which no line has. */
static void keep_text(ds_cut_habit *habit, const char *from, const char *to)
{
    size_t length = (size_t)(to - from);
    habit->missed = !habit->missed;
    if (habit->missed)
        return;
    if (length > sizeof habit->text) {
        from = "";
        length = 1;
    }
    habit->length = (uint32_t)length;
    memset(habit->mask, 0, sizeof habit->mask);
    memset(habit->mask, 0xff, length);
    memcpy(habit->text, from, length);
}

DS_CUT ds_cut_place ds_cut_learn(const ds_regex_cut *cut, const ds_cut_line *of,
                                 ds_cut_habit *habit)
{
    ds_cut_place now = {of->text, 0};
    for (uint32_t i = 0; i < cut->n_cells && now.p != NULL; i++) {
        const char *from = now.p;
        now = ds_cut_run_cell(&cut->cells[i], of, now);
        uint32_t hash = 0;
        for (const char *p = from; p < now.p; p++)
            hash = hash * 31 + (unsigned char)*p + 1;
        habit->same[i] += hash == habit->hashes[i];
        habit->hashes[i] = hash;
    }
    if (++habit->learned == DS_CUT_LEARN_LINES)
        ds_cut_habit_choose(cut, habit);
    return now;
}

DS_CUT ds_cut_place ds_cut_others(const ds_cut_line *of, ds_cut_habit *habit, ds_cut_place now)
{
    const char *from = now.p;
    for (const ds_cut_cell *at = habit->first; at <= habit->last && now.p != NULL; at++)
        now = ds_cut_run_cell(at, of, now);
    if (now.p != NULL)
        keep_text(habit, from, now.p);
    return now;
}

DS_CUT bool ds_regex_cut_copy(const char *text, size_t length, char *to)
{
    __m256i least = _mm256_set1_epi8(' '), newlines = _mm256_setzero_si256();
    memset(to + length, ' ', DS_CUT_BEHIND);
    if (length > 0)
        memcpy(to, text, length);
    for (size_t i = 0; i < length; i += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(to + i));
        least = _mm256_min_epi8(least, bytes);
        newlines = _mm256_or_si256(newlines, _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\n')));
    }
    return _mm256_testz_si256(newlines, newlines) != 0 &&
           _mm256_movemask_epi8(_mm256_cmpgt_epi8(least, _mm256_setzero_si256())) == -1;
}

#else

bool ds_regex_cut_allowed(void)
{
    return false;
}

bool ds_regex_cut_run(const ds_regex_cut *cut, const char *text, const char *end, size_t *places,
                      ds_steady *before)
{
    (void)cut, (void)text, (void)end, (void)places, (void)before;
    DS_UNREACHABLE();
}

bool ds_regex_cut_copy(const char *text, size_t length, char *to)
{
    (void)text, (void)length, (void)to;
    DS_UNREACHABLE();
}

#endif
