/*
 * Each problem is resolved to its place when it is reported, kept, and printed in the order of
 * the places. What comes from a file goes to a terminal, so control characters in names and
 * lines are made visible and everything has a length.
 */
#include "dstream/diagnostics.h"

#include "base/arena.h"
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT 500u       /* problems remembered */
#define SHOWN 100u      /* problems printed */
#define MESSAGE 1000u   /* bytes of a message that are shown */
#define PATH 300u       /* bytes of a path that are shown */
#define LINE 100u       /* code points of a line that are shown */
#define LINE_BEFORE 60u /* of these, before the place */
#define REPLACED 4096u  /* the longest path that is remembered as replaced */

typedef struct problem {
    bool warning, usage;
    const char *path;
    const char *message;
    ds_json_place place; /* line 0: on the command line, or there is no source */
    const char *text;    /* to show with carets: a line of the file, or a string; NULL: none */
    size_t text_length;
    size_t offset; /* bytes of text before the carets */
    size_t carets; /* code points */
    uint32_t order;
} problem;

typedef struct replaced {
    const char *path, *text;
    bool by_set;
} replaced;

struct ds_diagnostics {
    const ds_json_source *source;
    ds_arena *arena;
    problem *problems;
    uint32_t n, capacity, errors, warnings, usage, forgotten;
    replaced *replaced;
    uint32_t n_replaced, replaced_capacity;
    const char *hidden, *hidden_end; /* bytes of the file that are not shown */
};

ds_diagnostics *ds_diagnostics_new(const ds_json_source *source)
{
    ds_diagnostics *diagnostics = ds_calloc(1, sizeof *diagnostics);
    diagnostics->source = source;
    diagnostics->arena = ds_arena_new(NULL);
    return diagnostics;
}

void ds_diagnostics_free(ds_diagnostics *diagnostics)
{
    if (diagnostics == NULL)
        return;
    ds_arena_free(diagnostics->arena);
    free(diagnostics->problems);
    free(diagnostics->replaced);
    free(diagnostics);
}

uint32_t ds_diagnostics_errors(const ds_diagnostics *diagnostics)
{
    return diagnostics->errors;
}

bool ds_diagnostics_wrong_under(const ds_diagnostics *diagnostics, const char *path)
{
    size_t length = strlen(path);
    for (uint32_t i = 0; i < diagnostics->n; i++) {
        const problem *p = &diagnostics->problems[i];
        if (!p->warning && p->path != NULL && strncmp(p->path, path, length) == 0 &&
            (p->path[length] == '\0' || p->path[length] == '.' || p->path[length] == '['))
            return true;
    }
    return diagnostics->forgotten > 0;
}

uint32_t ds_diagnostics_warnings(const ds_diagnostics *diagnostics)
{
    return diagnostics->warnings;
}

uint32_t ds_diagnostics_usage(const ds_diagnostics *diagnostics)
{
    return diagnostics->usage;
}

/* ---- text that is fit for a terminal ---- */

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* The length of the control character at text (C0, DEL or, in UTF-8, C1), or 0. */
static size_t control_length(const char *text, size_t left)
{
    unsigned char c = (unsigned char)text[0];
    if (c < 0x20 || c == 0x7F)
        return 1;
    return c == 0xC2 && left > 1 && (unsigned char)text[1] < 0xA0 ? 2 : 0;
}

/* The length of the character at text; 0 if a precision of printf cut it. */
static size_t character_length(const char *text, size_t left)
{
    unsigned char c = (unsigned char)text[0];
    size_t wanted = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4, length = 1;
    while (length < wanted && length < left && is_continuation(text[length]))
        length++;
    return length == wanted ? length : 0;
}

/* Copies at most limit bytes, with control characters as \u001b and … for what was cut. */
static char *visible(ds_arena *arena, const char *text, size_t limit)
{
    ds_buffer out = {0};
    size_t length = strlen(text), i = 0;
    while (i < length && out.length < limit) {
        size_t control = control_length(text + i, length - i);
        size_t n = character_length(text + i, length - i);
        if (control > 0)
            ds_buffer_printf(&out, "\\u%04x", (unsigned char)text[i + control - 1]);
        else if (n > 0)
            ds_buffer_append(&out, text + i, n);
        else
            ds_buffer_append_text(&out, "…");
        i += n > 0 ? n : 1;
        while (n == 0 && i < length && is_continuation(text[i]))
            i++;
    }
    if (i < length)
        ds_buffer_append_text(&out, "…");
    char *copy = ds_arena_strndup(arena, ds_buffer_text(&out), out.length);
    ds_buffer_fini(&out);
    return copy;
}

/* ---- reporting ---- */

static bool same_problem(const problem *a, const problem *b)
{
    return a->warning == b->warning && a->place.line == b->place.line &&
           a->place.column == b->place.column && strcmp(a->path, b->path) == 0 &&
           strcmp(a->message, b->message) == 0;
}

static void keep(ds_diagnostics *diagnostics, problem found)
{
    for (uint32_t i = 0; i < diagnostics->n && found.path != NULL; i++)
        if (same_problem(&diagnostics->problems[i], &found))
            return;
    diagnostics->errors += !found.warning;
    diagnostics->warnings += found.warning;
    diagnostics->usage += found.usage && !found.warning;
    if (found.path == NULL) {
        diagnostics->forgotten++;
        return;
    }
    if (diagnostics->n == diagnostics->capacity) {
        diagnostics->capacity = diagnostics->capacity == 0 ? 16 : diagnostics->capacity * 2;
        diagnostics->problems =
            ds_realloc(diagnostics->problems, diagnostics->capacity, sizeof(problem));
    }
    found.order = diagnostics->n;
    diagnostics->problems[diagnostics->n++] = found;
}

/* Makes a problem with its message; the place is the caller's. When too many are known already
 * it has no path and is only counted. */
static problem describe(ds_diagnostics *diagnostics, const char *path, const char *format,
                        va_list args)
{
    if (diagnostics->n == KEPT)
        return (problem){.path = NULL};
    ds_error error; /* for its way of cutting at a whole character */
    ds_error_vset(&error, DS_ERR_APP, format, args);
    return (problem){.path = visible(diagnostics->arena, path, PATH),
                     .message = visible(diagnostics->arena, error.message, MESSAGE)};
}

/* True if path is parent or below it. */
static bool is_below(const char *path, const char *parent)
{
    size_t n = strlen(parent);
    return strncmp(path, parent, n) == 0 && (path[n] == '\0' || path[n] == '.' || path[n] == '[');
}

static const replaced *find_replaced(const ds_diagnostics *diagnostics, const char *path)
{
    for (uint32_t i = diagnostics->n_replaced; i-- > 0;) /* the last --set counts */
        if (is_below(path, diagnostics->replaced[i].path))
            return &diagnostics->replaced[i];
    return NULL;
}

/* The bytes of a line before a column. */
static size_t column_offset(const ds_json_place *place)
{
    size_t at = 0;
    for (uint32_t column = 1; column < place->column && at < place->line_length; column++)
        for (at++; at < place->line_length && is_continuation(place->line_text[at]);)
            at++;
    return at;
}

static void set_place(problem *p, ds_json_place place)
{
    p->place = place;
    p->text = place.line_text;
    p->text_length = place.line_length;
    p->offset = column_offset(&place);
    p->carets = place.length;
}

static void on_command_line(ds_diagnostics *diagnostics, problem *p)
{
    p->path = ds_arena_printf(diagnostics->arena, "--set %s", p->path);
    p->usage = true;
}

/* Finds the place of a value or key, unless --set gave it. */
static void locate(ds_diagnostics *diagnostics, problem *p, const char *path, bool key)
{
    if (p->path == NULL)
        return;
    const replaced *by = find_replaced(diagnostics, path);
    if (by != NULL && by->by_set)
        on_command_line(diagnostics, p);
    else if (diagnostics->source != NULL)
        set_place(p, ds_json_source_place(diagnostics->source, path, key));
}

void ds_diag_error(ds_diagnostics *diagnostics, const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    problem p = describe(diagnostics, path, format, args);
    va_end(args);
    locate(diagnostics, &p, path, false);
    keep(diagnostics, p);
}

void ds_diag_error_key(ds_diagnostics *diagnostics, const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    problem p = describe(diagnostics, path, format, args);
    va_end(args);
    locate(diagnostics, &p, path, true);
    keep(diagnostics, p);
}

void ds_diag_warning(ds_diagnostics *diagnostics, const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    problem p = describe(diagnostics, path, format, args);
    va_end(args);
    p.warning = true;
    locate(diagnostics, &p, path, true);
    keep(diagnostics, p);
}

void ds_diag_error_place(ds_diagnostics *diagnostics, const char *path, ds_json_place place,
                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    problem p = describe(diagnostics, path, format, args);
    va_end(args);
    if (p.path != NULL)
        set_place(&p, place);
    keep(diagnostics, p);
}

void ds_diag_usage(ds_diagnostics *diagnostics, const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    problem p = describe(diagnostics, path, format, args);
    va_end(args);
    p.usage = true;
    if (p.path != NULL)
        on_command_line(diagnostics, &p);
    keep(diagnostics, p);
}

/* Code points of the bytes [offset, offset + length) of text, at least one. */
static size_t count_carets(const char *text, size_t text_length, size_t offset, size_t length)
{
    size_t n = 0;
    for (size_t i = offset; i < text_length && i < offset + length; i++)
        n += !is_continuation(text[i]);
    return n > 0 ? n : 1;
}

/* Shows the string as it was evaluated, as the bytes are not those of the file. */
static void show_evaluated(problem *p, const replaced *by, size_t offset, size_t length)
{
    p->text = by->text;
    p->text_length = strlen(by->text);
    p->offset = offset < p->text_length ? offset : p->text_length;
    p->carets = count_carets(p->text, p->text_length, p->offset, length);
}

void ds_diag_error_in(ds_diagnostics *diagnostics, const char *path, uint32_t offset,
                      uint32_t length, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    problem p = describe(diagnostics, path, format, args);
    va_end(args);
    locate(diagnostics, &p, path, false);
    const replaced *by = p.path != NULL ? find_replaced(diagnostics, path) : NULL;
    if (by != NULL && by->text != NULL && strcmp(by->path, path) == 0) {
        show_evaluated(&p, by, offset, length);
    } else if (p.place.line > 0) {
        set_place(&p, ds_json_source_place_in(diagnostics->source, path, offset));
        ds_json_place end =
            ds_json_source_place_in(diagnostics->source, path, (size_t)offset + length);
        p.carets = end.column > p.place.column ? end.column - p.place.column : 1;
    }
    keep(diagnostics, p);
}

void ds_diag_replaced(ds_diagnostics *diagnostics, const char *path, const char *text, bool by_set)
{
    if (strlen(path) > REPLACED)
        return;
    if (diagnostics->n_replaced == diagnostics->replaced_capacity) {
        diagnostics->replaced_capacity =
            diagnostics->replaced_capacity == 0 ? 16 : diagnostics->replaced_capacity * 2;
        diagnostics->replaced = ds_realloc(diagnostics->replaced, diagnostics->replaced_capacity,
                                           sizeof *diagnostics->replaced);
    }
    diagnostics->replaced[diagnostics->n_replaced++] = (replaced){
        .path = ds_arena_strdup(diagnostics->arena, path),
        .text = text != NULL ? ds_arena_strdup(diagnostics->arena, text) : NULL,
        .by_set = by_set,
    };
}

/* ---- printing ---- */

static int by_place(const void *a, const void *b)
{
    const problem *x = a, *y = b;
    if (x->place.line != y->place.line)
        return x->place.line < y->place.line ? -1 : 1;
    if (x->place.column != y->place.column)
        return x->place.column < y->place.column ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* The byte that is n code points before (or, if forward, behind) `at`. */
static size_t step_back(const char *text, size_t least, size_t at, size_t n)
{
    for (; n > 0 && at > least; n--)
        for (at--; at > least && is_continuation(text[at]);)
            at--;
    return at;
}

static size_t step_forward(const char *text, size_t length, size_t at, size_t n)
{
    for (; n > 0 && at < length; n--)
        for (at++; at < length && is_continuation(text[at]);)
            at++;
    return at;
}

void ds_diag_hide(ds_diagnostics *diagnostics, const char *path)
{
    problem at = {.path = path};
    if (diagnostics->source == NULL)
        return;
    set_place(&at, ds_json_source_place(diagnostics->source, path, false));
    if (at.text == NULL || at.offset == at.text_length || strchr("{[", at.text[at.offset]) != NULL)
        return; /* it is not in the file */
    diagnostics->hidden = at.text + at.offset;
    diagnostics->hidden_end = at.text + step_forward(at.text, at.text_length, at.offset, at.carets);
}

/* Appends [from, to) of a line, one column for each code point; blank: only tabs show. */
static void append_line(const ds_diagnostics *diagnostics, ds_buffer *out, const char *text,
                        size_t from, size_t to, bool blank)
{
    for (size_t i = from; i < to; i = step_forward(text, to, i, 1)) {
        if (text[i] == '\t')
            ds_buffer_append_char(out, '\t');
        else if (blank || control_length(text + i, to - i) > 0)
            ds_buffer_append_char(out, ' ');
        else if (text + i >= diagnostics->hidden && text + i < diagnostics->hidden_end)
            ds_buffer_append_char(out, '*');
        else
            ds_buffer_append(out, text + i, step_forward(text, to, i, 1) - i);
    }
}

/* Appends the line, cut around the place if it is long, and the carets below it. */
static void print_excerpt(const ds_diagnostics *diagnostics, ds_buffer *out, const problem *p)
{
    size_t start = 0;
    while (start < p->offset && (p->text[start] == ' ' || p->text[start] == '\t'))
        start++;
    size_t end = step_forward(p->text, p->text_length, start, LINE);
    bool cut =
        end < p->text_length && step_forward(p->text, p->text_length, p->offset, p->carets) > end;
    size_t from = cut ? step_back(p->text, start, p->offset, LINE_BEFORE) : start;
    size_t to = step_forward(p->text, p->text_length, from, LINE);
    ds_buffer_append_text(out, from > start ? "    …" : "    ");
    append_line(diagnostics, out, p->text, from, to, false);
    ds_buffer_append_text(out, to < p->text_length ? "…\n" : "\n");
    ds_buffer_append_text(out, from > start ? "     " : "    ");
    append_line(diagnostics, out, p->text, from, p->offset, true);
    size_t room = count_carets(p->text, p->text_length, p->offset, to - p->offset);
    for (size_t i = 0; i < p->carets && i < room; i++)
        ds_buffer_append_char(out, '^');
    ds_buffer_append_char(out, '\n');
}

static void print_problem(const ds_diagnostics *diagnostics, const problem *p, ds_buffer *out)
{
    if (p->place.line > 0)
        ds_buffer_printf(out, "%s:%u:%u: ", ds_json_source_name(diagnostics->source), p->place.line,
                         p->place.column);
    if (p->warning)
        ds_buffer_append_text(out, "warning: ");
    if (*p->path != '\0')
        ds_buffer_printf(out, "%s: ", p->path);
    ds_buffer_printf(out, "%s\n", p->message);
    if (p->text != NULL)
        print_excerpt(diagnostics, out, p);
}

void ds_diagnostics_print(const ds_diagnostics *diagnostics, ds_buffer *out)
{
    uint32_t n = diagnostics->n;
    if (n == 0)
        return;
    problem *sorted = ds_calloc(n, sizeof *sorted);
    memcpy(sorted, diagnostics->problems, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_place);
    for (uint32_t i = 0; i < n && i < SHOWN; i++)
        print_problem(diagnostics, &sorted[i], out);
    uint32_t all = n + diagnostics->forgotten;
    if (all > SHOWN)
        ds_buffer_printf(out, "and %u more\n", all - SHOWN);
    free(sorted);
}
