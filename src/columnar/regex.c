#define PCRE2_CODE_UNIT_WIDTH 8

#include "columnar/regex.h"

#include "base/assert.h"

#include <pcre2.h>

#define MATCH_STEPS 1000000u
#define MATCH_HEAP_KIB (64u << 10)
#define STACK_FIRST ((size_t)64 << 10)
#define STACK_MOST ((size_t)8 << 20)

_Static_assert(PCRE2_UNSET == SIZE_MAX, "a group that took no part is at SIZE_MAX");

struct ds_regex {
    pcre2_code *code;
    bool compiled; /* to machine code */
    uint32_t n_groups;
    const char **names; /* of the groups 1 to n_groups; NULL: none */
};

static void *need(void *made)
{
    return made != NULL ? made : ds_alloc(SIZE_MAX / 2); /* says so and aborts */
}

static void free_code(void *code)
{
    pcre2_code_free(code);
}

/* Reads the table of names: entries of two bytes (the number) and a string. */
static void read_names(ds_arena *arena, ds_regex *regex)
{
    uint32_t n = 0, width = 0;
    PCRE2_SPTR entry = NULL;
    pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &regex->n_groups);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMECOUNT, &n);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMEENTRYSIZE, &width);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMETABLE, &entry);
    regex->names = DS_ARENA_ARRAY(arena, const char *, regex->n_groups + 1);
    for (uint32_t i = 0; i < n; i++, entry += width) {
        uint32_t group = (uint32_t)entry[0] << 8 | entry[1];
        DS_ASSERT(group >= 1 && group <= regex->n_groups);
        regex->names[group] = ds_arena_strdup(arena, (const char *)entry + 2);
    }
}

static ds_status compile_failed(ds_error *error, int code)
{
    PCRE2_UCHAR8 text[160];
    if (pcre2_get_error_message(code, text, sizeof text) < 0)
        text[0] = '\0';
    return ds_error_set(error, DS_ERR_APP, "%s", (const char *)text);
}

ds_status ds_regex_compile(ds_arena *arena, const char *pattern, size_t length,
                           const ds_regex **regex, size_t *at, ds_error *error)
{
    ds_regex *made = DS_ARENA_NEW(arena, ds_regex);
    pcre2_compile_context *context = need(pcre2_compile_context_create(NULL));
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int code;
    made->code = pcre2_compile((PCRE2_SPTR)pattern, length, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C,
                               &code, at, context);
    pcre2_compile_context_free(context);
    if (made->code == NULL)
        return compile_failed(error, code);
    ds_arena_on_free(arena, free_code, made->code);
    size_t machine_code = 0;
    made->compiled = pcre2_jit_compile(made->code, PCRE2_JIT_COMPLETE) == 0 &&
                     pcre2_pattern_info(made->code, PCRE2_INFO_JITSIZE, &machine_code) == 0 &&
                     machine_code > 0;
    read_names(arena, made);
    *regex = made;
    return DS_OK;
}

uint32_t ds_regex_groups(const ds_regex *regex)
{
    return regex->n_groups;
}

const char *ds_regex_group_name(const ds_regex *regex, uint32_t group)
{
    DS_ASSERT(group >= 1 && group <= regex->n_groups);
    return regex->names[group];
}

void ds_matcher_init(ds_matcher *matcher, const ds_regex *regex)
{
    *matcher = (ds_matcher){.regex = regex,
                            .data = need(pcre2_match_data_create_from_pattern(regex->code, NULL)),
                            .context = need(pcre2_match_context_create(NULL))};
    pcre2_set_match_limit(matcher->context, MATCH_STEPS);
    pcre2_set_heap_limit(matcher->context, MATCH_HEAP_KIB);
    matcher->places = pcre2_get_ovector_pointer(matcher->data);
}

void ds_matcher_fini(ds_matcher *matcher)
{
    pcre2_jit_stack_free(matcher->stack);
    pcre2_match_context_free(matcher->context);
    pcre2_match_data_free(matcher->data);
}

static int run(ds_matcher *m, const char *text, size_t length, size_t from, uint32_t options)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)text;
    if (m->regex->compiled)
        return pcre2_jit_match(m->regex->code, subject, length, from, options, m->data, m->context);
    return pcre2_match(m->regex->code, subject, length, from, options | PCRE2_NO_UTF_CHECK, m->data,
                       m->context);
}

ds_match ds_matcher_search(ds_matcher *m, const char *text, size_t length, size_t from,
                           bool not_empty_at_start)
{
    uint32_t options = not_empty_at_start ? PCRE2_NOTEMPTY_ATSTART : 0;
    int result = run(m, text, length, from, options);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT && m->stack == NULL) {
        m->stack = pcre2_jit_stack_create(STACK_FIRST, STACK_MOST, NULL);
        if (m->stack == NULL)
            return DS_MATCH_LIMIT;
        pcre2_jit_stack_assign(m->context, NULL, m->stack);
        result = run(m, text, length, from, options);
    }
    if (result <= 0)
        return result == PCRE2_ERROR_NOMATCH ? DS_MATCH_NONE : DS_MATCH_LIMIT;
    /* \K may put the start behind the end. */
    bool in_order = m->places[0] >= from && m->places[0] <= m->places[1];
    return in_order ? DS_MATCH_FOUND : DS_MATCH_NONE;
}
