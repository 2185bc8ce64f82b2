#include "sim/state.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MOST_KEYS 32u

/* ---- making ---- */

static uint32_t below(ds_random *random, uint32_t n)
{
    return (uint32_t)ds_random_below(random, n);
}

void state_make(stream *s, ds_random *random)
{
    if (below(random, 3) == 0) {
        s->slide_ms = INTERVAL_MS * (1 + below(random, 4));
        s->inner_ms = INTERVAL_MS * (1 + below(random, 4));
    }
    if (below(random, 2) == 0)
        s->timeout_ms = 1 + below(random, 6 * INTERVAL_MS);
    if (below(random, 2) == 0)
        s->removed = 1 + below(random, 8);
    s->emit_all = below(random, 3) == 0;
    s->snapshot = below(random, 3) == 0;
    s->initial = below(random, 2) == 0;
}

void state_app(const stream *s, ds_buffer *out)
{
    ds_buffer_printf(out, "\"%s_in\":{\"from\":\"a\",", s->name);
    if (s->inner_ms > 0)
        ds_buffer_printf(out,
                         "\"window\":{\"size\":\"%" PRId64 "ms\",\"slide\":\"%" PRId64 "ms\"},"
                         "\"group_by\":[\"k\"],\"aggregate\":{\"n\":\"count()\",\"v\":\"sum(v)\"}",
                         s->inner_ms, s->slide_ms);
    else
        ds_buffer_append_text(out, "\"select\":{\"k\":\"k\",\"n\":\"1\",\"v\":\"v\"}");
    ds_buffer_printf(out,
                     "},\n\"%s%s\":{\"from\":\"%s_in\",\"state\":{\"key\":[\"k\"],\"set\":{"
                     "\"n\":\"coalesce(state.n,0)+coalesce(sum(n),0)\","
                     "\"s\":\"coalesce(state.s,0)+coalesce(sum(v),0)\","
                     "\"t\":\"coalesce(state.t,'')||if(timed_out(),'!','+')\"}",
                     s->name, s->snapshot ? "_all" : "", s->name);
    if (s->timeout_ms > 0)
        ds_buffer_printf(out, ",\"timeout\":\"%" PRId64 "ms\"", s->timeout_ms);
    if (s->removed > 0)
        ds_buffer_printf(out, ",\"remove_when\":\"n %% %" PRId64 " = 0\"", s->removed);
    if (s->emit_all)
        ds_buffer_append_text(out, ",\"emit\":\"all\"");
    if (s->initial)
        ds_buffer_append_text(out, ",\"initial\":[{\"k\":\"k1\",\"n\":3},{\"n\":1,\"s\":2},"
                                   "{\"k\":\"nobody\",\"t\":\"a text that is longer\"}]");
    ds_buffer_append_text(out, "}}");
    if (s->snapshot)
        ds_buffer_printf(out, ",\n\"%s\":{\"from\":\"%s_all\",\"snapshot\":true}", s->name,
                         s->name);
}

/* ---- what has to come out ---- */

typedef struct entry {
    char key[16];
    bool null; /* the key is */
    bool live, seen, ended;
    const char *initial; /* its values, as long as they are those of the app file; else NULL */
    int64_t n, s, seen_ms;
    int64_t rows, sum; /* of the batch */
    char marks[400];   /* column t; longer than it is ever looked at */
} entry;

typedef struct table {
    entry entries[MOST_KEYS];
    uint32_t n;
} table;

static entry *find(table *t, const char *key, bool null)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->entries[i].null == null && (null || strcmp(t->entries[i].key, key) == 0))
            return &t->entries[i];
    entry *e = &t->entries[t->n++];
    *e = (entry){.null = null};
    snprintf(e->key, sizeof e->key, "%s", key);
    return e;
}

static void add_initial_row(table *t, const char *key, const char *values, int64_t zero_ms)
{
    entry *e = find(t, key, key[0] == '\0');
    e->live = true;
    e->seen_ms = zero_ms;
    e->initial = values;
}

static void add_initial(table *t, int64_t zero_ms)
{
    add_initial_row(t, "k1", "3|null|null", zero_ms);
    add_initial_row(t, "", "1|2|null", zero_ms);
    add_initial_row(t, "nobody", "null|null|a text that is longer", zero_ms);
    t->entries[0].n = 3;
    t->entries[1].n = 1;
    t->entries[1].s = 2;
    snprintf(t->entries[2].marks, sizeof t->entries[2].marks, "a text that is longer");
}

/* The rows that the batch at a time brings, of `size` before it. */
static void take_rows(const world *w, table *t, int64_t zero_ms, int64_t size_ms, int64_t time_ms)
{
    for (uint32_t b = 0; b < w->n_batches; b++) {
        int64_t at = zero_ms + (int64_t)(b + 1) * INTERVAL_MS;
        if (at <= time_ms - size_ms || at > time_ms)
            continue;
        for (uint32_t i = 0; i < w->input[0][b].n; i++) {
            const input_row *row = &w->input[0][b].rows[i];
            entry *e = find(t, row->key_null ? "" : row->key, row->key_null);
            e->seen = true;
            e->rows++;
            e->sum += row->number_null ? 0 : row->number;
        }
    }
}

/* The new state of one key, whether it has rows, times out, or only lives on. */
static void set(const stream *s, entry *e, bool timed_out)
{
    if (!e->live) {
        e->n = e->s = 0;
        e->marks[0] = '\0';
    }
    e->initial = NULL;
    e->live = true;
    e->n += e->rows;
    e->s += e->sum;
    size_t length = strlen(e->marks);
    if (length + 2 < sizeof e->marks)
        snprintf(e->marks + length, 2, "%s", timed_out ? "!" : "+");
    if (s->removed > 0 && e->n % s->removed == 0)
        e->live = false;
    else if (timed_out) {
        e->live = false;
        e->ended = true;
    }
}

static void step(const world *w, const stream *s, table *t, int64_t zero_ms, int64_t time_ms)
{
    for (uint32_t i = 0; i < t->n; i++) {
        entry *e = &t->entries[i];
        e->seen = e->ended = false;
        e->rows = e->sum = 0;
    }
    take_rows(w, t, zero_ms, s->inner_ms > 0 ? s->inner_ms : INTERVAL_MS, time_ms);
    for (uint32_t i = 0; i < t->n; i++) {
        entry *e = &t->entries[i];
        if (e->seen) {
            set(s, e, false);
            e->seen_ms = time_ms;
        } else if (e->live && s->timeout_ms > 0 && time_ms > e->seen_ms + s->timeout_ms) {
            set(s, e, true);
        } else if (e->live && s->emit_all) {
            set(s, e, false);
        }
    }
}

static void add_row(const entry *e, text_rows *to)
{
    ds_buffer line = {0};
    ds_buffer_printf(&line, "%s|", e->null ? "null" : e->key);
    if (e->initial != NULL)
        ds_buffer_append_text(&line, e->initial);
    else
        ds_buffer_printf(&line, "%" PRId64 "|%" PRId64 "|%s", e->n, e->s, e->marks);
    text_rows_add(to, ds_strdup(ds_buffer_text(&line)));
    ds_buffer_fini(&line);
}

void state_expect(const world *w, const stream *s, int64_t zero_ms, int64_t t_ms, text_rows *to)
{
    table t = {.n = 0};
    if (s->initial)
        add_initial(&t, zero_ms);
    for (int64_t at = zero_ms + INTERVAL_MS; at <= t_ms; at += INTERVAL_MS)
        if (at % s->slide_ms == 0)
            step(w, s, &t, zero_ms, at);
    for (uint32_t i = 0; i < t.n; i++) {
        const entry *e = &t.entries[i];
        bool emitted = s->snapshot || s->emit_all ? e->live : (e->live && e->seen) || e->ended;
        if (emitted)
            add_row(e, to);
    }
}
