/*
 * regexp_like, regexp_extract and regexp_replace (app-format, section 6); regex.h says how
 * patterns are compiled and limited. A pattern is a literal. A match that reaches a limit counts
 * as none: regexp_like gives false, regexp_extract null, regexp_replace leaves the rest of the
 * text as it is.
 */
#include "base/buffer.h"
#include "columnar/regex.h"
#include "columnar/regex_cut.h"
#include "columnar/text_kernel.h"

/* What a call is bound to. */
typedef struct bound_regex {
    const ds_regex *regex;
    const ds_regex_cut *cut; /* the same, for most text; NULL: it is not so simple */
    uint32_t group;          /* regexp_extract */
} bound_regex;

#define CUT_MOST 1024u /* bytes of a text: a longer one is not worth a copy to be cut */

/* Searches texts whole, for the first match. */
typedef struct searcher {
    ds_matcher matcher;
    const ds_regex_cut *cut; /* that may be used, or NULL */
    const size_t *places;    /* of the newest match: those of the group that is asked for */
    size_t cut_places[DS_CUT_STEPS + 2];
    ds_steady before[DS_CUT_STEPS];
    char room[CUT_MOST + DS_CUT_BEHIND];
} searcher;

/* Group 0 is not to be had from a cut. */
static void searcher_init(searcher *s, const bound_regex *re, bool wants_whole)
{
    ds_matcher_init(&s->matcher, re->regex);
    s->cut = !wants_whole && ds_regex_cut_allowed() ? re->cut : NULL;
    memset(s->before, 0, sizeof s->before);
}

static bool search(searcher *s, ds_text text)
{
    if (s->cut != NULL && text.length <= CUT_MOST &&
        ds_regex_cut_copy(text.bytes, text.length, s->room)) {
        s->places = s->cut_places;
        return ds_regex_cut_run(s->cut, s->room, s->room + text.length, s->cut_places, s->before);
    }
    bool found =
        ds_matcher_search(&s->matcher, text.bytes, text.length, 0, false) == DS_MATCH_FOUND;
    s->places = s->matcher.places;
    return found;
}

static DS_KERNEL(regexp_like)
{
    ds_kernel_begin_zero(ev, args, 1, out);
    searcher s;
    searcher_init(&s, bound, false);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        if (search(&s, ds_text_of(ev, args[0], row)))
            ds_bit_set(out->bits, row);
    }
    ds_matcher_fini(&s.matcher);
}

static DS_KERNEL(regexp_extract)
{
    const bound_regex *re = bound;
    ds_kernel_begin_zero(ev, args, 1, out);
    ds_kernel_own_validity(ev, out);
    searcher s;
    searcher_init(&s, re, re->group == 0);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        size_t from, to;
        if (search(&s, ds_text_of(ev, args[0], row)) &&
            ds_places_group(s.places, re->group, &from, &to))
            out->views[row] =
                ds_view_part(ev->heap, &args[0]->views[row], (uint32_t)from, (uint32_t)(to - from));
        else
            ds_bit_clear(out->validity, row);
    }
    ds_matcher_fini(&s.matcher);
}

/* The number of the group that "$1" at text[0] means (as many digits as name a group), and how
 * long that is; false if it is not one. */
static bool scan_group(const char *text, size_t length, uint32_t n_groups, uint32_t *group,
                       size_t *used)
{
    size_t at = 1;
    uint32_t number = 0;
    for (; at < length && (unsigned char)(text[at] - '0') <= 9; at++) {
        uint32_t longer = number * 10 + (uint32_t)(text[at] - '0');
        if (at > 1 && longer > n_groups)
            break;
        number = longer;
    }
    *group = number;
    *used = at;
    return at > 1;
}

/* Appends the replacement of the match that m->places hold, up to about the limit. */
static void put_replacement(ds_buffer *made, const ds_matcher *m, ds_text text, ds_text by)
{
    uint32_t n_groups = ds_regex_groups(m->regex);
    for (size_t at = 0; at < by.length && made->length <= DS_TEXT_LIMIT;) {
        const char *dollar = memchr(by.bytes + at, '$', by.length - at);
        size_t plain = dollar == NULL ? by.length : (size_t)(dollar - by.bytes);
        ds_buffer_append(made, by.bytes + at, plain - at);
        at = plain;
        if (dollar == NULL)
            break;
        uint32_t group;
        size_t used;
        if (scan_group(dollar, by.length - at, n_groups, &group, &used)) {
            size_t from, to;
            if (group <= n_groups && ds_matcher_group(m, group, &from, &to))
                ds_buffer_append(made, text.bytes + from, to - from);
            at += used;
        } else {
            ds_buffer_append_char(made, '$');
            at += at + 1 < by.length && dollar[1] == '$' ? 2 : 1;
        }
    }
}

/* Replaces all matches; false if there is none. Stops once the result is too long. */
static bool replace_all(ds_matcher *m, ds_text text, ds_text by, ds_buffer *made)
{
    size_t done = 0;
    bool any = false, empty = false;
    made->length = 0;
    while (ds_matcher_search(m, text.bytes, text.length, done, empty) == DS_MATCH_FOUND) {
        any = true;
        ds_buffer_append(made, text.bytes + done, m->places[0] - done);
        put_replacement(made, m, text, by);
        if (made->length > DS_TEXT_LIMIT)
            return true;
        done = m->places[1];
        /* Behind a match that is empty the same would be found again. */
        empty = m->places[0] == m->places[1];
        if (done == text.length && empty)
            break;
    }
    ds_buffer_append(made, text.bytes + done, text.length - done);
    return any;
}

static DS_KERNEL(regexp_replace)
{
    const ds_column *const texts[] = {args[0], args[2]};
    ds_kernel_begin_zero(ev, texts, 2, out);
    ds_text_out result = ds_text_out_of(ev, out);
    ds_matcher m;
    ds_matcher_init(&m, ((const bound_regex *)bound)->regex);
    ds_buffer made = {0};
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        if (!replace_all(&m, ds_text_of(ev, args[0], row), ds_text_of(ev, args[2], row), &made)) {
            out->views[row] = args[0]->views[row];
            continue;
        }
        char *bytes = ds_text_begin(&result, row, made.length);
        if (bytes == NULL)
            continue;
        if (made.length > 0)
            memcpy(bytes, made.data, made.length);
        ds_text_end(&result, row, (uint32_t)made.length);
    }
    ds_buffer_fini(&made);
    ds_matcher_fini(&m);
}

/* Compiles the second argument, a literal, into r->bound; false with a message. */
static bool compile(ds_resolve *r)
{
    const ds_literal *pattern = &r->literals[1];
    if (r->types[1].kind != DS_STRING || !pattern->is_literal || pattern->is_null)
        return ds_resolve_fail(r, 1, "the pattern of %s has to be a string literal", r->name);
    bound_regex *re = DS_ARENA_NEW(r->arena, bound_regex);
    size_t at = 0;
    ds_error error;
    if (ds_regex_compile(r->arena, pattern->text, pattern->length, &re->regex, &at, &error) !=
        DS_OK)
        return ds_resolve_fail(r, 1, "the regular expression is wrong at its byte %zu: %s", at + 1,
                               error.message);
    re->cut =
        ds_regex_cut_compile(r->arena, pattern->text, pattern->length, ds_regex_groups(re->regex));
    r->bound = re;
    return true;
}

static bool resolve_like(ds_resolve *r)
{
    r->result = DS_TYPE(DS_BOOL);
    r->kernel = regexp_like;
    return ds_resolve_want(r, 0, DS_STRING) && compile(r);
}

/* The group to extract; false with a message. */
static bool choose_group(ds_resolve *r, bound_regex *re)
{
    const ds_literal *group = &r->literals[2];
    uint32_t n_groups = ds_regex_groups(re->regex);
    re->group = n_groups > 0;
    if (r->n_args < 3)
        return true;
    if (r->types[2].kind != DS_INT || !group->is_literal || group->is_null)
        return ds_resolve_fail(r, 2, "the group of regexp_extract has to be an int literal");
    if (group->integer < 0 || group->integer > (int64_t)n_groups)
        return ds_resolve_fail(r, 2, "the regular expression has no group %lld, only %u",
                               (long long)group->integer, n_groups);
    re->group = (uint32_t)group->integer;
    return true;
}

static bool resolve_extract(ds_resolve *r)
{
    r->result = DS_TYPE(DS_STRING);
    r->kernel = regexp_extract;
    return ds_resolve_want(r, 0, DS_STRING) && compile(r) &&
           choose_group(r, (bound_regex *)(uintptr_t)r->bound);
}

/* A literal replacement names only groups that there are; false with a message. */
static bool check_replacement(ds_resolve *r, const bound_regex *re)
{
    const ds_literal *by = &r->literals[2];
    uint32_t n_groups = ds_regex_groups(re->regex);
    if (!by->is_literal || by->is_null)
        return true;
    for (size_t at = 0; at < by->length; at++) {
        uint32_t group;
        size_t used;
        if (by->text[at] != '$')
            continue;
        if (!scan_group(by->text + at, by->length - at, n_groups, &group, &used))
            at += at + 1 < by->length && by->text[at + 1] == '$';
        else if (group > n_groups)
            return ds_resolve_fail(r, 2, "the regular expression has no group %u, only %u", group,
                                   n_groups);
    }
    return true;
}

static bool resolve_replace(ds_resolve *r)
{
    r->result = DS_TYPE(DS_STRING);
    r->kernel = regexp_replace;
    return ds_resolve_want(r, 0, DS_STRING) && ds_resolve_want(r, 2, DS_STRING) && compile(r) &&
           check_replacement(r, r->bound);
}

const ds_function ds_functions_regex[] = {
    {"regexp_like", 2, 2, resolve_like, "regexp_like(s, p)"},
    {"regexp_extract", 2, 3, resolve_extract, "regexp_extract(s, p[, group])"},
    {"regexp_replace", 3, 3, resolve_replace, "regexp_replace(s, p, to)"},
    {NULL, 0, 0, NULL, NULL},
};
