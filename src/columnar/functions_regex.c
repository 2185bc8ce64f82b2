/*
 * regexp_like, regexp_extract and regexp_replace (app-format, section 6), by PCRE2.
 *
 * A pattern is a literal: it is compiled, to machine code where PCRE2 can, when the app is
 * loaded, and shared by all threads; what a match needs besides belongs to one call. Text is
 * known to be valid UTF-8 and not checked again; \d \w \s \b are ASCII, as without UCP; \n alone is
 * a newline; \C, which could cut a character in two, is refused.
 *
 * No pattern can hang: the steps from one start position, the stack and the heap of a match
 * are limited (below). A match that reaches a limit counts as none: regexp_like gives false,
 * regexp_extract null, regexp_replace leaves the rest of the text as it is. The default stack of
 * compiled code, 32 KiB, does for nearly all; a larger one is made only for the call that needs
 * it.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "base/buffer.h"
#include "columnar/text_kernel.h"

#include <pcre2.h>

#define MATCH_STEPS 1000000u
#define MATCH_HEAP_KIB (64u << 10)
#define STACK_FIRST ((size_t)64 << 10)
#define STACK_MOST ((size_t)8 << 20)

typedef struct regex {
    pcre2_code *code;
    uint32_t n_groups;
    uint32_t group; /* regexp_extract */
    bool compiled;  /* to machine code */
} regex;

/* What one call needs to match. */
typedef struct matcher {
    const regex *regex;
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack; /* NULL until the default one was too small */
    const PCRE2_SIZE *places;
} matcher;

static matcher matcher_begin(const regex *re)
{
    matcher m = {.regex = re,
                 .data = pcre2_match_data_create_from_pattern(re->code, NULL),
                 .context = pcre2_match_context_create(NULL)};
    if (m.data == NULL || m.context == NULL)
        (void)ds_alloc(SIZE_MAX / 2); /* says so and aborts */
    pcre2_set_match_limit(m.context, MATCH_STEPS);
    pcre2_set_heap_limit(m.context, MATCH_HEAP_KIB);
    m.places = pcre2_get_ovector_pointer(m.data);
    return m;
}

static void matcher_end(matcher *m)
{
    pcre2_jit_stack_free(m->stack);
    pcre2_match_context_free(m->context);
    pcre2_match_data_free(m->data);
}

static int run(matcher *m, ds_text text, size_t from, uint32_t options)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)text.bytes;
    if (m->regex->compiled)
        return pcre2_jit_match(m->regex->code, subject, text.length, from, options, m->data,
                               m->context);
    return pcre2_match(m->regex->code, subject, text.length, from, options | PCRE2_NO_UTF_CHECK,
                       m->data, m->context);
}

/* Searches from a byte on; true with m->places filled. */
static bool search(matcher *m, ds_text text, size_t from, uint32_t options)
{
    int result = run(m, text, from, options);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT && m->stack == NULL) {
        m->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MOST, NULL);
        if (m->stack == NULL)
            return false;
        pcre2_jit_stack_assign(m->context, NULL, m->stack);
        result = run(m, text, from, options);
    }
    /* \K may put the start behind the end. */
    return result > 0 && m->places[0] >= from && m->places[0] <= m->places[1];
}

static DS_KERNEL(regexp_like)
{
    ds_kernel_begin_zero(ev, args, 1, out);
    matcher m = matcher_begin(bound);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        if (search(&m, ds_text_of(ev, args[0], row), 0, 0))
            ds_bit_set(out->bits, row);
    }
    matcher_end(&m);
}

static DS_KERNEL(regexp_extract)
{
    const regex *re = bound;
    ds_kernel_begin_zero(ev, args, 1, out);
    ds_kernel_own_validity(ev, out);
    matcher m = matcher_begin(re);
    uint32_t row;
    DS_EACH_LIVE(ev, out, row)
    {
        bool found = search(&m, ds_text_of(ev, args[0], row), 0, 0);
        size_t from = m.places[2 * re->group], to = m.places[2 * re->group + 1];
        if (found && from != PCRE2_UNSET && from <= to)
            out->views[row] =
                ds_view_part(ev->heap, &args[0]->views[row], (uint32_t)from, (uint32_t)(to - from));
        else
            ds_bit_clear(out->validity, row);
    }
    matcher_end(&m);
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
static void put_replacement(ds_buffer *made, const matcher *m, ds_text text, ds_text by)
{
    for (size_t at = 0; at < by.length && made->length <= DS_TEXT_LIMIT;) {
        const char *dollar = memchr(by.bytes + at, '$', by.length - at);
        size_t plain = dollar == NULL ? by.length : (size_t)(dollar - by.bytes);
        ds_buffer_append(made, by.bytes + at, plain - at);
        at = plain;
        if (dollar == NULL)
            break;
        uint32_t group;
        size_t used;
        if (scan_group(dollar, by.length - at, m->regex->n_groups, &group, &used)) {
            const PCRE2_SIZE *place = m->places + 2 * (size_t)group;
            if (group <= m->regex->n_groups && place[0] != PCRE2_UNSET && place[0] <= place[1])
                ds_buffer_append(made, text.bytes + place[0], place[1] - place[0]);
            at += used;
        } else {
            ds_buffer_append_char(made, '$');
            at += at + 1 < by.length && dollar[1] == '$' ? 2 : 1;
        }
    }
}

/* Replaces all matches; false if there is none. Stops once the result is too long. */
static bool replace_all(matcher *m, ds_text text, ds_text by, ds_buffer *made)
{
    size_t done = 0;
    uint32_t options = 0;
    bool any = false;
    made->length = 0;
    while (search(m, text, done, options)) {
        any = true;
        ds_buffer_append(made, text.bytes + done, m->places[0] - done);
        put_replacement(made, m, text, by);
        if (made->length > DS_TEXT_LIMIT)
            return true;
        done = m->places[1];
        /* Behind a match that is empty the same would be found again. */
        options = m->places[0] == m->places[1] ? PCRE2_NOTEMPTY_ATSTART : 0;
        if (done == text.length && options != 0)
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
    matcher m = matcher_begin(bound);
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
    matcher_end(&m);
}

static void free_code(void *code)
{
    pcre2_code_free(code);
}

static bool compile_failed(ds_resolve *r, int code, size_t at)
{
    PCRE2_UCHAR8 text[160];
    if (pcre2_get_error_message(code, text, sizeof text) < 0)
        text[0] = '\0';
    return ds_resolve_fail(r, 1, "the regular expression is wrong at its byte %zu: %s", at + 1,
                           (const char *)text);
}

/* Compiles the second argument, a literal, into r->bound; false with a message. */
static bool compile(ds_resolve *r)
{
    const ds_literal *pattern = &r->literals[1];
    if (r->types[1].kind != DS_STRING || !pattern->is_literal || pattern->is_null)
        return ds_resolve_fail(r, 1, "the pattern of %s has to be a string literal", r->name);
    regex *re = DS_ARENA_NEW(r->arena, regex);
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (context == NULL)
        (void)ds_alloc(SIZE_MAX / 2); /* says so and aborts */
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int error;
    PCRE2_SIZE at;
    re->code = pcre2_compile((PCRE2_SPTR)pattern->text, pattern->length,
                             PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &at, context);
    pcre2_compile_context_free(context);
    if (re->code == NULL)
        return compile_failed(r, error, at);
    ds_arena_on_free(r->arena, free_code, re->code);
    size_t machine_code = 0;
    re->compiled = pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE) == 0 &&
                   pcre2_pattern_info(re->code, PCRE2_INFO_JITSIZE, &machine_code) == 0 &&
                   machine_code > 0;
    pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &re->n_groups);
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
static bool choose_group(ds_resolve *r, regex *re)
{
    const ds_literal *group = &r->literals[2];
    re->group = re->n_groups > 0;
    if (r->n_args < 3)
        return true;
    if (r->types[2].kind != DS_INT || !group->is_literal || group->is_null)
        return ds_resolve_fail(r, 2, "the group of regexp_extract has to be an int literal");
    if (group->integer < 0 || group->integer > (int64_t)re->n_groups)
        return ds_resolve_fail(r, 2, "the regular expression has no group %lld, only %u",
                               (long long)group->integer, re->n_groups);
    re->group = (uint32_t)group->integer;
    return true;
}

static bool resolve_extract(ds_resolve *r)
{
    r->result = DS_TYPE(DS_STRING);
    r->kernel = regexp_extract;
    return ds_resolve_want(r, 0, DS_STRING) && compile(r) &&
           choose_group(r, (regex *)(uintptr_t)r->bound);
}

/* A literal replacement names only groups that there are; false with a message. */
static bool check_replacement(ds_resolve *r, const regex *re)
{
    const ds_literal *by = &r->literals[2];
    if (!by->is_literal || by->is_null)
        return true;
    for (size_t at = 0; at < by->length; at++) {
        uint32_t group;
        size_t used;
        if (by->text[at] != '$')
            continue;
        if (!scan_group(by->text + at, by->length - at, re->n_groups, &group, &used))
            at += at + 1 < by->length && by->text[at + 1] == '$';
        else if (group > re->n_groups)
            return ds_resolve_fail(r, 2, "the regular expression has no group %u, only %u", group,
                                   re->n_groups);
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
