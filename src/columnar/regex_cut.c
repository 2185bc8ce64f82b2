#include "columnar/regex_cut.h"

#include "base/assert.h"
#include "columnar/text_simd.h"

#include <stdint.h>
#include <string.h>

#define STEPS DS_CUT_STEPS
#define OPEN_GROUPS 8u

/* A set of ASCII characters. Bit h of low[l] is that of the character with the half-bytes h, l. */
typedef struct charset {
    uint8_t low[16];
} charset;

typedef enum step_kind { STEP_ONE, STEP_RUN, STEP_OPEN, STEP_CLOSE, STEP_END } step_kind;

typedef struct step {
    step_kind kind;
    uint32_t least;      /* STEP_RUN: characters, 0 or 1 */
    uint32_t given_back; /* STEP_RUN: those at its end that are for the steps behind it */
    uint32_t group;      /* STEP_OPEN, STEP_CLOSE; 0: one that nobody asks for */
    charset set;         /* STEP_ONE, STEP_RUN */
} step;

/*
 * What is run: cells of a run, perhaps in a group, and the text behind it, either of which may be
 * empty. Nothing is asked for that is not there: a group nobody wants is group 0.
 */
typedef struct cell {
    charset set;
    uint32_t need, given_back; /* need: characters that the run takes in all, at least */
    uint32_t open, close;      /* indexes in places */
    uint64_t text, mask;
    uint32_t length; /* of the text */
    bool has_open, has_run, has_close;
} cell;

struct ds_regex_cut {
    uint32_t n_steps, n_cells, n_groups;
    bool to_end;
    cell cells[STEPS];
    step steps[STEPS];
};

static bool has(const charset *set, char c)
{
    return (unsigned char)c < 128 && (set->low[c & 15] >> ((unsigned char)c >> 4) & 1) != 0;
}

static void add(charset *set, char c)
{
    set->low[c & 15] |= (uint8_t)(1u << ((unsigned char)c >> 4));
}

static void invert(charset *set)
{
    for (unsigned i = 0; i < 16; i++)
        set->low[i] = (uint8_t)~set->low[i];
}

static bool disjoint(const charset *a, const charset *b)
{
    for (unsigned i = 0; i < 16; i++)
        if ((a->low[i] & b->low[i]) != 0)
            return false;
    return true;
}

static bool subset(const charset *a, const charset *b)
{
    for (unsigned i = 0; i < 16; i++)
        if ((a->low[i] & ~b->low[i]) != 0)
            return false;
    return true;
}

static void add_range(charset *set, char from, char to)
{
    for (int c = from; c <= to; c++)
        add(set, (char)c);
}

static bool is_letter_or_digit(char c)
{
    char lower = (char)(c | 0x20);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

/* ---- Reading a pattern. Each returns false where it is not of this kind. ---- */

typedef struct reader {
    const char *p, *end;
    ds_regex_cut *cut;
    uint32_t open[OPEN_GROUPS], n_open;
} reader;

static bool read_escape(reader *r, charset *set)
{
    if (r->end - r->p < 2 || (unsigned char)r->p[1] <= ' ' || (unsigned char)r->p[1] >= 127)
        return false;
    char c = r->p[1];
    r->p += 2;
    switch (c | 0x20) {
    case 'd': add_range(set, '0', '9'); break;
    case 's': add_range(set, '\t', '\r'), add(set, ' '); break;
    case 'w':
        add_range(set, '0', '9'), add_range(set, 'a', 'z'), add_range(set, 'A', 'Z');
        add(set, '_');
        break;
    default: add(set, c); return !is_letter_or_digit(c);
    }
    if (c < 'a')
        invert(set);
    return is_letter_or_digit(c);
}

/* Characters and ranges of letters or digits; a bracket as the first. */
static bool read_brackets(reader *r, charset *set)
{
    const char *p = r->p + 1, *end = r->end;
    bool inverted = p < end && *p == '^';
    p += inverted;
    for (const char *first = p; p < end && (*p != ']' || p == first); p++) {
        if (*p == '\\' || *p == '[' || (unsigned char)*p < ' ' || (unsigned char)*p >= 127)
            return false;
        bool range = end - p > 2 && p[1] == '-' && p[2] != ']';
        if (range && (!is_letter_or_digit(*p) || !is_letter_or_digit(p[2]) || *p > p[2]))
            return false;
        add_range(set, *p, range ? p[2] : *p);
        p += range ? 2 : 0;
    }
    if (p == end)
        return false;
    if (inverted)
        invert(set);
    r->p = p + 1;
    return true;
}

/* One character or set of them. */
static bool read_set(reader *r, charset *set)
{
    char c = *r->p;
    memset(set, 0, sizeof *set);
    if (c == '\\')
        return read_escape(r, set);
    if (c == '[')
        return read_brackets(r, set);
    r->p++;
    if (c == '.') {
        add(set, '\n');
        invert(set);
        return true;
    }
    add(set, c);
    return (unsigned char)c >= ' ' && (unsigned char)c < 127 && strchr("^$]|()?*+{}", c) == NULL;
}

static step *add_step(reader *r, step_kind kind)
{
    if (r->cut->n_steps == STEPS)
        return NULL;
    step *made = &r->cut->steps[r->cut->n_steps++];
    made->kind = kind;
    return made;
}

static bool read_characters(reader *r)
{
    step *made = add_step(r, STEP_ONE);
    if (made == NULL || !read_set(r, &made->set))
        return false;
    if (r->p == r->end || strchr("+*?{", *r->p) == NULL)
        return true;
    made->kind = STEP_RUN;
    made->least = *r->p == '+';
    if (*r->p != '+' && *r->p != '*')
        return false;
    r->p++;
    return r->p == r->end || strchr("+*?{", *r->p) == NULL; /* nothing lazy or possessive */
}

/* `(`, `(?:`, `(?<name>` or `(?P<name>`; any other `(?P` has no colon behind it. */
static bool read_open(reader *r)
{
    const char *p = r->p + 1, *end = r->end;
    bool counts = true;
    if (p < end && *p == '*')
        return false;
    if (p < end && *p == '?') {
        p++;
        p += p < end && *p == 'P';
        counts = p < end && *p == '<';
        if (!counts && (p == end || *p != ':' || p[-1] == 'P'))
            return false;
        const char *name = ++p;
        while (counts && p < end && (is_letter_or_digit(*p) || *p == '_'))
            p++;
        if (counts && (p == name || p == end || *p++ != '>'))
            return false;
    }
    step *made = add_step(r, STEP_OPEN);
    if (made == NULL || r->n_open == OPEN_GROUPS)
        return false;
    made->group = counts ? ++r->cut->n_groups : 0;
    r->open[r->n_open++] = made->group;
    r->p = p;
    return true;
}

static bool read_close(reader *r)
{
    step *made = add_step(r, STEP_CLOSE);
    if (made == NULL || r->n_open == 0)
        return false;
    made->group = r->open[--r->n_open];
    r->p++;
    return r->p == r->end || strchr("+*?{", *r->p) == NULL;
}

static bool read_step(reader *r)
{
    if (*r->p == '(')
        return read_open(r);
    if (*r->p == ')')
        return read_close(r);
    if (*r->p != '$')
        return read_characters(r);
    r->p++;
    return r->p == r->end && add_step(r, STEP_END) != NULL;
}

static bool takes(const step *s)
{
    return s->kind == STEP_ONE || s->kind == STEP_RUN;
}

/* How many single characters, all of the run's own, are behind the run in step i: they are the last
 * ones of it. *next becomes the step behind them. */
static uint32_t count_given_back(const ds_regex_cut *cut, uint32_t i, uint32_t *next)
{
    uint32_t n = 0;
    for (*next = i + 1; *next < cut->n_steps; (*next)++) {
        const step *behind = &cut->steps[*next];
        if (behind->kind == STEP_END || behind->kind == STEP_RUN)
            break;
        if (behind->kind == STEP_ONE && !subset(&behind->set, &cut->steps[i].set))
            break;
        n += behind->kind == STEP_ONE;
    }
    return n;
}

/* Finds out where the run in step i ends: as far as it goes, less given_back. False if it might end
 * elsewhere, as what comes behind may begin with one of its characters. */
static bool ends_in_one_place(ds_regex_cut *cut, uint32_t i)
{
    step *run = &cut->steps[i];
    uint32_t next;
    run->given_back = count_given_back(cut, i, &next);
    for (; next < cut->n_steps; next++) {
        const step *behind = &cut->steps[next];
        if (behind->kind == STEP_END)
            return true;
        if (takes(behind) && !disjoint(&run->set, &behind->set))
            return false;
        if (takes(behind) && (behind->kind == STEP_ONE || behind->least > 0))
            return true;
    }
    return run->given_back == 0;
}

/* The character of a set that has only one, or '\0'. */
static char only_one(const charset *set)
{
    char found = '\0';
    unsigned n = 0;
    for (int c = 0; c < 128; c++)
        if (has(set, (char)c)) {
            found = (char)c;
            n++;
        }
    return n == 1 ? found : '\0';
}

/* The cell that has room for a step of that kind: the last one, or a new one. */
static cell *cell_for(ds_regex_cut *cut, step_kind kind)
{
    cell *last = &cut->cells[cut->n_cells == 0 ? 0 : cut->n_cells - 1];
    bool room = cut->n_cells > 0;
    switch (kind) {
    case STEP_OPEN: room = room && !last->has_open; /* fall through */
    case STEP_RUN: room = room && !last->has_run;   /* fall through */
    case STEP_CLOSE: room = room && !last->has_close && last->length == 0; break;
    default: room = room && last->length < sizeof last->text; break;
    }
    return room ? last : &cut->cells[cut->n_cells++];
}

/* Puts a step into a cell. False if it has none: a single character of several. */
static bool put_step(ds_regex_cut *cut, const step *s)
{
    if (s->kind == STEP_END) {
        cut->to_end = true;
        return true;
    }
    cell *to = cell_for(cut, s->kind);
    char only = s->kind == STEP_ONE ? only_one(&s->set) : '\0';
    switch (s->kind) {
    case STEP_OPEN:
        to->has_open = true;
        to->open = 2 * s->group;
        break;
    case STEP_CLOSE:
        to->has_close = true;
        to->close = 2 * s->group + (s->group > 0);
        break;
    case STEP_RUN:
        to->has_run = true;
        to->set = s->set;
        to->given_back = s->given_back;
        to->need = s->least + s->given_back;
        break;
    default:
        to->text |= (uint64_t)(unsigned char)only << (8 * to->length);
        to->mask |= UINT64_C(0xff) << (8 * to->length++);
        return only != '\0';
    }
    return true;
}

const ds_regex_cut *ds_regex_cut_compile(ds_arena *arena, const char *pattern, size_t length,
                                         unsigned n_groups)
{
    ds_regex_cut *cut = DS_ARENA_NEW(arena, ds_regex_cut);
    reader r = {.p = pattern, .end = pattern + length, .cut = cut};
    memset(cut, 0, sizeof *cut);
    if (!ds_regex_cut_allowed() || length == 0 || *r.p++ != '^' ||
        memchr(pattern, '\0', length) != NULL)
        return NULL;
    while (r.p < r.end)
        if (!read_step(&r))
            return NULL;
    for (uint32_t i = 0; i < cut->n_steps; i++) {
        if (cut->steps[i].kind == STEP_RUN && !ends_in_one_place(cut, i))
            return NULL;
        if (!put_step(cut, &cut->steps[i]))
            return NULL;
    }
    return r.n_open == 0 && cut->n_groups == n_groups ? cut : NULL;
}

unsigned ds_regex_cut_runs(const ds_regex_cut *cut)
{
    return cut->n_cells;
}

/* ---- Running it ---- */

#if defined(__x86_64__)
#include <immintrin.h>

bool ds_regex_cut_allowed(void)
{
    return ds_simd_level() >= DS_SIMD_AVX2;
}

/* The first byte at or behind p that is not in the set, or the end. */
__attribute__((target("avx2,bmi"))) static inline const char *
run_end(const charset *set, const char *p, const char *end)
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

__attribute__((target("avx2,bmi"))) bool ds_regex_cut_run(const ds_regex_cut *cut, const char *text,
                                                          const char *end, size_t *places,
                                                          ds_steady *before)
{
    const char *p = text;
    for (const cell *at = cut->cells, *behind = at + cut->n_cells; at < behind; at++, before++) {
        const char *from = p;
        uint64_t word;
        places[at->open] = (size_t)(p - text);
        p = ds_steady_end(before, p, run_end(&at->set, p, end));
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

__attribute__((target("avx2,bmi"))) bool ds_regex_cut_copy(const char *text, size_t length,
                                                           char *to)
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
