#include "columnar/regex_cut.h"

#include "columnar/regex_cut_cells.h"

#include <string.h>

#define OPEN_GROUPS 8u

static bool has(const ds_cut_set *set, char c)
{
    return (unsigned char)c < 128 && (set->low[c & 15] >> ((unsigned char)c >> 4) & 1) != 0;
}

static void add(ds_cut_set *set, char c)
{
    set->low[c & 15] |= (uint8_t)(1u << ((unsigned char)c >> 4));
}

static void invert(ds_cut_set *set)
{
    for (unsigned i = 0; i < 16; i++)
        set->low[i] = (uint8_t)~set->low[i];
}

static bool disjoint(const ds_cut_set *a, const ds_cut_set *b)
{
    for (unsigned i = 0; i < 16; i++)
        if ((a->low[i] & b->low[i]) != 0)
            return false;
    return true;
}

static bool subset(const ds_cut_set *a, const ds_cut_set *b)
{
    for (unsigned i = 0; i < 16; i++)
        if ((a->low[i] & ~b->low[i]) != 0)
            return false;
    return true;
}

static void add_range(ds_cut_set *set, char from, char to)
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

static bool read_escape(reader *r, ds_cut_set *set)
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
static bool read_brackets(reader *r, ds_cut_set *set)
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
static bool read_set(reader *r, ds_cut_set *set)
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

static ds_cut_step *add_step(reader *r, ds_cut_step_kind kind)
{
    if (r->cut->n_steps == DS_CUT_STEPS)
        return NULL;
    ds_cut_step *made = &r->cut->steps[r->cut->n_steps++];
    made->kind = kind;
    return made;
}

static bool read_characters(reader *r)
{
    ds_cut_step *made = add_step(r, DS_CUT_STEP_ONE);
    if (made == NULL || !read_set(r, &made->set))
        return false;
    if (r->p == r->end || strchr("+*?{", *r->p) == NULL)
        return true;
    made->kind = DS_CUT_STEP_RUN;
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
    ds_cut_step *made = add_step(r, DS_CUT_STEP_OPEN);
    if (made == NULL || r->n_open == OPEN_GROUPS)
        return false;
    made->group = counts ? ++r->cut->n_groups : 0;
    r->open[r->n_open++] = made->group;
    r->p = p;
    return true;
}

static bool read_close(reader *r)
{
    ds_cut_step *made = add_step(r, DS_CUT_STEP_CLOSE);
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
    return r->p == r->end && add_step(r, DS_CUT_STEP_END) != NULL;
}

static bool takes(const ds_cut_step *s)
{
    return s->kind == DS_CUT_STEP_ONE || s->kind == DS_CUT_STEP_RUN;
}

/* How many single characters, all of the run's own, are behind the run in step i: they are the last
 * ones of it. *next becomes the step behind them. */
static uint32_t count_given_back(const ds_regex_cut *cut, uint32_t i, uint32_t *next)
{
    uint32_t n = 0;
    for (*next = i + 1; *next < cut->n_steps; (*next)++) {
        const ds_cut_step *behind = &cut->steps[*next];
        if (behind->kind == DS_CUT_STEP_END || behind->kind == DS_CUT_STEP_RUN)
            break;
        if (behind->kind == DS_CUT_STEP_ONE && !subset(&behind->set, &cut->steps[i].set))
            break;
        n += behind->kind == DS_CUT_STEP_ONE;
    }
    return n;
}

/* Finds out where the run in step i ends: as far as it goes, less given_back. False if it might end
 * elsewhere, as what comes behind may begin with one of its characters. */
static bool ends_in_one_place(ds_regex_cut *cut, uint32_t i)
{
    ds_cut_step *run = &cut->steps[i];
    uint32_t next;
    run->given_back = count_given_back(cut, i, &next);
    for (; next < cut->n_steps; next++) {
        const ds_cut_step *behind = &cut->steps[next];
        if (behind->kind == DS_CUT_STEP_END)
            return true;
        if (takes(behind) && !disjoint(&run->set, &behind->set))
            return false;
        if (takes(behind) && (behind->kind == DS_CUT_STEP_ONE || behind->least > 0))
            return true;
    }
    return run->given_back == 0;
}

/* The character of a set that has only one, or '\0'. */
static char only_one(const ds_cut_set *set)
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
static ds_cut_cell *cell_for(ds_regex_cut *cut, ds_cut_step_kind kind)
{
    ds_cut_cell *last = &cut->cells[cut->n_cells == 0 ? 0 : cut->n_cells - 1];
    bool room = cut->n_cells > 0;
    switch (kind) {
    case DS_CUT_STEP_OPEN: room = room && !last->has_open; /* fall through */
    case DS_CUT_STEP_RUN: room = room && !last->has_run;   /* fall through */
    case DS_CUT_STEP_CLOSE: room = room && !last->has_close && last->length == 0; break;
    default: room = room && last->length < sizeof last->text; break;
    }
    return room ? last : &cut->cells[cut->n_cells++];
}

/* Puts a step into a cell. False if it has none: a single character of several. */
static bool put_step(ds_regex_cut *cut, const ds_cut_step *s)
{
    if (s->kind == DS_CUT_STEP_END) {
        cut->to_end = true;
        return true;
    }
    ds_cut_cell *to = cell_for(cut, s->kind);
    char only = s->kind == DS_CUT_STEP_ONE ? only_one(&s->set) : '\0';
    switch (s->kind) {
    case DS_CUT_STEP_OPEN:
        to->has_open = true;
        to->open = 2 * s->group;
        break;
    case DS_CUT_STEP_CLOSE:
        to->has_close = true;
        to->close = 2 * s->group + (s->group > 0);
        break;
    case DS_CUT_STEP_RUN:
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

/* The characters that end a run, as bytes to be marked: false if there are too many of them, or two
 * that cannot be told from each other in that way. */
static bool find_stops(const ds_cut_set *set, char stops[DS_CUT_MARKED_MOST + 1])
{
    uint32_t endings = 1u << '\n' % 16, n = 0;
    memset(stops, 0, DS_CUT_MARKED_MOST + 1);
    for (int c = 1; c < 128; c++) {
        if (c == '\n' || has(set, (char)c))
            continue;
        if ((endings >> c % 16 & 1) != 0 || n == DS_CUT_MARKED_MOST)
            return false;
        endings |= 1u << c % 16;
        stops[n++] = (char)c;
    }
    return true;
}

static bool stops_with(const ds_cut_cell *at, const char *marked)
{
    char stops[DS_CUT_MARKED_MOST + 1];
    return at->has_run && find_stops(&at->set, stops) && strcmp(stops, marked) == 0;
}

/* Chooses what is marked: what ends most runs. */
static void choose_marks(ds_regex_cut *cut)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < cut->n_cells; i++) {
        char stops[DS_CUT_MARKED_MOST + 1];
        uint32_t n = 0;
        if (!cut->cells[i].has_run || !find_stops(&cut->cells[i].set, stops) || stops[0] == '\0')
            continue;
        for (uint32_t k = 0; k < cut->n_cells; k++)
            n += stops_with(&cut->cells[k], stops);
        if (n > most)
            memcpy(cut->marked, stops, sizeof stops);
        most = n > most ? n : most;
    }
    cut->marks = (ds_mark_bytes){.special = cut->marked};
}

static ds_cut_run_kind kind_of(const ds_regex_cut *cut, const ds_cut_cell *at)
{
    char stops[DS_CUT_MARKED_MOST + 1];
    if (!at->has_run || !find_stops(&at->set, stops))
        return at->has_run ? DS_CUT_RUN_SET : DS_CUT_RUN_NONE;
    if (stops[0] == '\0')
        return has(&at->set, '\n') ? DS_CUT_RUN_SET : DS_CUT_RUN_REST;
    if (strcmp(stops, cut->marked) == 0)
        return DS_CUT_RUN_MARKED;
    return stops[1] == '\0' ? DS_CUT_RUN_CHAR : DS_CUT_RUN_SET;
}

static void choose_kinds(ds_regex_cut *cut)
{
    choose_marks(cut);
    for (uint32_t i = 0; i < cut->n_cells; i++) {
        ds_cut_cell *at = &cut->cells[i];
        char stops[DS_CUT_MARKED_MOST + 1];
        at->kind = kind_of(cut, at);
        at->captures = (at->has_open && at->open > 0) || (at->has_close && at->close > 0);
        at->keeps = at->length < at->given_back ? 0 : UINT64_MAX;
        at->forth = at->keeps == 0 ? 0 : at->length - at->given_back;
        at->stop = at->kind == DS_CUT_RUN_CHAR && find_stops(&at->set, stops) ? stops[0] : '\0';
    }
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
        if (cut->steps[i].kind == DS_CUT_STEP_RUN && !ends_in_one_place(cut, i))
            return NULL;
        if (!put_step(cut, &cut->steps[i]))
            return NULL;
    }
    choose_kinds(cut);
    return r.n_open == 0 && cut->n_groups == n_groups ? cut : NULL;
}

const ds_mark_bytes *ds_regex_cut_marks(const ds_regex_cut *cut)
{
    return cut->marked[0] != '\0' ? &cut->marks : NULL;
}

bool ds_regex_cut_marks_returns(const ds_regex_cut *cut)
{
    return strchr(cut->marked, '\r') != NULL;
}

unsigned ds_regex_cut_runs(const ds_regex_cut *cut)
{
    return cut->n_cells;
}
