/* Loading app files in unit tests, and looking at what was said about them. */
#ifndef DS_TESTS_APP_UNIT_H
#define DS_TESTS_APP_UNIT_H

#include "dstream/app.h"

#include "unit/unit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct loaded {
    ds_json_source *source;
    ds_diagnostics *diagnostics;
    ds_app *app; /* NULL: errors */
    ds_status status;
    ds_buffer said; /* what is printed */
} loaded;

/* Variables of the tests. */
static inline const char *unit_getenv(const char *name, void *arg)
{
    (void)arg;
    static const char *const known[][2] = {
        {"FIVE", "5"},
        {"EMPTY", ""},
        {"DIR", "/data"},
        {"YES", "true"},
        {"MS", "250"},
        {"WORD", "abc"},
        {"BAD", "\xFF"},
        {"NEGATIVE", "-1"},
        {"TYPE", "queue"},
        {"DOLLAR", "${FIVE}"},
        {"INT", "\"int\""},
        {"HALF", "0.5"},
        {"HUGE", "1"
                 "00000000000000000000"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i][0], name) == 0)
            return known[i][1];
    return NULL;
}

/* Text with ' for ", and ` for ', to be read more easily. The caller frees it. */
static inline char *unit_quoted(const char *text)
{
    char *copy = strdup(text);
    for (char *p = copy; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p == '`' ? '\'' : *p;
    return copy;
}

/* Loads an app file written with ' for ". */
static inline loaded unit_load_with(const char *text, ds_app_options options)
{
    loaded l = {0};
    ds_error error;
    options.getenv = unit_getenv;
    char *json = unit_quoted(text);
    ds_status status = ds_json_source_new("app.json", json, strlen(json), &l.source, &error);
    ck_assert_msg(status == DS_OK, "%s", error.message);
    free(json);
    l.diagnostics = ds_diagnostics_new(l.source);
    l.status = ds_app_load(l.source, &options, l.diagnostics, &l.app);
    ck_assert_int_eq(l.status == DS_OK, l.app != NULL);
    ck_assert_int_eq(l.status == DS_OK, ds_diagnostics_errors(l.diagnostics) == 0);
    ds_diagnostics_print(l.diagnostics, &l.said);
    ds_buffer_text(&l.said);
    return l;
}

static inline loaded unit_load(const char *text)
{
    return unit_load_with(text, (ds_app_options){0});
}

static inline void unit_unload(loaded *l)
{
    ds_app_free(l->app);
    ds_diagnostics_free(l->diagnostics);
    ds_json_source_free(l->source);
    ds_buffer_fini(&l->said);
}

/* Checks that all that is said about text is what is expected (the lines that show the file and
 * its carets left out: those that start with four blanks). */
static inline void unit_says_with(const char *text, ds_app_options options, const char *expected)
{
    loaded l = unit_load_with(text, options);
    ds_buffer heads = {0};
    const char *p = ds_buffer_text(&l.said), *end = p + l.said.length;
    while (p < end) {
        const char *line_end = memchr(p, '\n', (size_t)(end - p));
        line_end = line_end != NULL ? line_end + 1 : end;
        if (strncmp(p, "    ", 4) != 0)
            ds_buffer_append(&heads, p, (size_t)(line_end - p));
        p = line_end;
    }
    ck_assert_str_eq(ds_buffer_text(&heads), expected);
    ds_buffer_fini(&heads);
    unit_unload(&l);
}

static inline void unit_says(const char *text, const char *expected)
{
    unit_says_with(text, (ds_app_options){0}, expected);
}

/* What is said of each case: its text between two others, and what is to be said of that. */
static inline void unit_says_each(const char *const (*cases)[2], size_t n, const char *before,
                                  const char *after)
{
    for (size_t i = 0; i < n; i++) {
        ds_buffer text = {0};
        ds_buffer_printf(&text, "%s%s%s", before, cases[i][0], after);
        unit_says(ds_buffer_text(&text), cases[i][1]);
        ds_buffer_fini(&text);
    }
}

#define UNIT_SAYS(before, after, ...)                                                              \
    do {                                                                                           \
        static const char *const cases_[][2] = {__VA_ARGS__};                                      \
        unit_says_each(cases_, sizeof cases_ / sizeof *cases_, before, after);                     \
    } while (0)

static inline const ds_app_stream *unit_stream(const ds_app *app, const char *name)
{
    for (uint32_t i = 0; i < app->n_streams; i++)
        if (strcmp(app->streams[i].name, name) == 0)
            return &app->streams[i];
    ck_abort_msg("no stream %s", name);
}

#endif
