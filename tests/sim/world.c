#include "sim/state.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows as text ---- */

void text_rows_add(text_rows *rows, char *line)
{
    rows->lines = ds_realloc(rows->lines, rows->n + 1, sizeof *rows->lines);
    rows->lines[rows->n++] = line;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void text_rows_sort(text_rows *rows)
{
    if (rows->n > 0)
        qsort(rows->lines, rows->n, sizeof *rows->lines, by_text);
}

bool text_rows_equal(const text_rows *a, const text_rows *b)
{
    for (uint32_t i = 0; i < a->n && i < b->n; i++)
        if (strcmp(a->lines[i], b->lines[i]) != 0)
            return false;
    return a->n == b->n;
}

void text_rows_free(text_rows *rows)
{
    for (uint32_t i = 0; i < rows->n; i++)
        free(rows->lines[i]);
    free(rows->lines);
    *rows = (text_rows){0};
}

/* ---- making ---- */

static const char *const source_names[SOURCES] = {"a", "b", "l"};

static uint32_t below(ds_random *random, uint32_t n)
{
    return (uint32_t)ds_random_below(random, n);
}

static void make_rows(input_batch *batch, ds_random *random, bool lines)
{
    /* Most batches are small, some are empty, some have more than a chunk. */
    static const uint32_t sizes[] = {0, 0, 1, 3, 10, 30, 30, 100, 2500};
    uint32_t most = sizes[below(random, sizeof sizes / sizeof *sizes)];
    uint32_t n_keys = 1 + below(random, 12);
    batch->n = most == 0 ? 0 : 1 + below(random, most);
    batch->rows = ds_calloc(batch->n, sizeof *batch->rows);
    for (uint32_t i = 0; i < batch->n; i++) {
        input_row *row = &batch->rows[i];
        snprintf(row->key, sizeof row->key, "k%u", below(random, n_keys));
        row->key_null = !lines && below(random, 12) == 0;
        row->number_null = below(random, 8) == 0;
        row->number = (int64_t)below(random, 200) - 100;
        row->line = batch->n_lines;
        batch->n_lines += below(random, 3) == 0;
    }
    batch->n_lines += batch->n > 0;
}

static int64_t times(ds_random *random, uint32_t most)
{
    return INTERVAL_MS * (int64_t)(1 + below(random, most));
}

static void make_stream(stream *s, uint32_t number, bool windows, bool files, ds_random *random)
{
    *s = (stream){.kind = (stream_kind)below(random, KINDS), .slide_ms = INTERVAL_MS, .limit = -1};
    snprintf(s->name, sizeof s->name, "s%u", number);
    s->append = files && below(random, 2) == 0;
    if (!windows && (s->kind == KIND_CHAIN || s->kind == KIND_STATE))
        s->kind = KIND_UNION;
    if (windows && below(random, 5) == 0) /* it has many shapes */
        s->kind = KIND_STATE;
    if (s->kind == KIND_STATE) {
        state_make(s, random);
        return;
    }
    if (!windows && s->kind == KIND_PAIRS)
        s->kind = KIND_JOIN;
    bool never = !windows || s->kind == KIND_ORDER || s->kind == KIND_MAP ||
                 s->kind == KIND_COUNTS || s->kind == KIND_JOIN || s->kind == KIND_SPREAD;
    if (s->kind == KIND_PAIRS) {
        s->inner_ms = times(random, 5);
        s->size_ms = times(random, 5);
        s->slide_ms = times(random, 3); /* of both: there may be gaps between windows */
    } else if (s->kind == KIND_CHAIN) {
        s->inner_ms = times(random, 3);
        s->size_ms = 2 * times(random, 3);
        s->slide_ms = times(random, 4);
    } else if (!never && below(random, 2) == 0) {
        s->slide_ms = times(random, 4);
        s->size_ms = below(random, 3) == 0 ? s->slide_ms : times(random, 8);
    }
    if (s->kind == KIND_ORDER || s->kind == KIND_TOP) {
        s->limit = (int64_t)below(random, 7) - 1;
        s->ordered = true;
    }
}

void world_make(world *w, uint64_t seed, bool windows, bool files, ds_random *random)
{
    *w = (world){.seed = seed};
    w->n_batches = 1 + below(random, MOST_BATCHES);
    for (uint32_t s = 0; s < SOURCES; s++)
        for (uint32_t b = 0; b < w->n_batches; b++)
            make_rows(&w->input[s][b], random, s == 2);
    w->n_streams = 1 + below(random, MOST_STREAMS);
    for (uint32_t i = 0; i < w->n_streams; i++)
        make_stream(&w->streams[i], i, windows, files, random);
    w->executors = 1 + below(random, 4);
    w->cores = 1 + below(random, 3);
    w->key_partitions = 1 + below(random, 9);
    w->checkpoint = below(random, 2) == 0;
    w->every_ms = times(random, 8);
}

void world_free(world *w)
{
    for (uint32_t s = 0; s < SOURCES; s++)
        for (uint32_t b = 0; b < w->n_batches; b++)
            free(w->input[s][b].rows);
}

/* ---- the app file ---- */

static void append_rows(ds_buffer *out, const input_batch *batch)
{
    for (uint32_t i = 0; i < batch->n; i++) {
        const input_row *row = &batch->rows[i];
        ds_buffer_printf(out, "%s{", i > 0 ? "," : "");
        if (!row->key_null)
            ds_buffer_printf(out, "\"k\":\"%s\"%s", row->key, row->number_null ? "" : ",");
        if (!row->number_null)
            ds_buffer_printf(out, "\"v\":%" PRId64, row->number);
        ds_buffer_append_text(out, "}");
    }
}

static void append_lines(ds_buffer *out, const input_batch *batch)
{
    for (uint32_t line = 0; line < batch->n_lines; line++) {
        ds_buffer_append_text(out, line > 0 ? ",\"" : "\"");
        for (uint32_t i = 0; i < batch->n; i++)
            if (batch->rows[i].line == line)
                ds_buffer_printf(out, " %s", batch->rows[i].key);
        ds_buffer_append_text(out, "\"");
    }
}

static void append_input(const world *w, ds_buffer *out)
{
    for (uint32_t b = 0; b < w->n_batches; b++) {
        ds_buffer_append_text(out, b > 0 ? "},\n{" : "{");
        for (uint32_t s = 0; s < SOURCES; s++) {
            ds_buffer_printf(out, "%s\"%s\":[", s > 0 ? "," : "", source_names[s]);
            (s == 2 ? append_lines : append_rows)(out, &w->input[s][b]);
            ds_buffer_append_text(out, "]");
        }
    }
    ds_buffer_append_text(out, "}");
}

#define AGGREGATES                                                                                 \
    "\"aggregate\":{\"n\":\"count()\",\"s\":\"sum(v)\",\"lo\":\"min(v)\",\"hi\":\"max(v)\","       \
    "\"av\":\"avg(v)\",\"f\":\"first(v)\",\"l\":\"collect_list(v)\"}"

static const char *const clauses[KINDS] = {
    [KIND_WORDS] = "\"from\":\"l\",\"flat_map\":{\"k\":\"split(line)\"},\"group_by\":[\"k\"],"
                   "\"aggregate\":{\"n\":\"count()\"}",
    [KIND_GROUP] = "\"from\":\"a\",\"group_by\":[\"k\"]," AGGREGATES,
    [KIND_TOTAL] = "\"from\":\"a\"," AGGREGATES,
    [KIND_UNION] = "\"from\":[\"b\",\"a\"],\"group_by\":[\"k\"]," AGGREGATES,
    [KIND_DISTINCT] = "\"from\":\"a\",\"distinct\":true",
    [KIND_ORDER] = "\"from\":\"a\",\"order_by\":\"v desc, k\"",
    [KIND_MAP] = "\"from\":\"b\",\"where\":\"v >= 0\",\"select\":{\"k\":\"k\",\"v\":\"2 * v + 1\"}",
    [KIND_ROWS] = "\"from\":\"a\"",
    [KIND_TOP] = "\"from\":\"a\",\"group_by\":[\"k\"],\"aggregate\":{\"n\":\"count()\"},"
                 "\"order_by\":\"n desc, k\"",
    [KIND_COUNTS] = "\"from\":\"%s_\",\"group_by\":[\"n\"],\"aggregate\":{\"m\":\"count()\"}",
    [KIND_CHAIN] = "\"from\":\"%s_\",\"group_by\":[\"k\"],\"aggregate\":{\"m\":\"sum(n)\"}",
    [KIND_JOIN] = "\"join\":{\"with\":\"%s_\",\"on\":[\"k\"],\"type\":\"full\"},\"from\":\"b\"",
    [KIND_PAIRS] = "\"from\":\"%s_\",\"join\":{\"with\":\"%s_b\",\"on\":[\"k\"],\"type\":\"left\"}",
    [KIND_SPREAD] = "\"from\":\"a\",\"repartition\":11",
};

/* The counts by key that another stream is made of, with a window or without. */
static void append_counts(const stream *s, const char *suffix, const char *source,
                          int64_t window_ms, const char *column, ds_buffer *out)
{
    ds_buffer_printf(out, "\"%s%s\":{\"from\":\"%s\",\"group_by\":[\"k\"],", s->name, suffix,
                     source);
    if (window_ms > 0)
        ds_buffer_printf(out,
                         "\"window\":{\"size\":\"%" PRId64 "ms\",\"slide\":\"%" PRId64 "ms\"},",
                         window_ms, s->kind == KIND_PAIRS ? s->slide_ms : INTERVAL_MS);
    ds_buffer_printf(out, "\"aggregate\":{\"%s\":\"count()\"}},\n", column);
}

static void append_stream(const stream *s, ds_buffer *out)
{
    if (s->kind == KIND_STATE) {
        state_app(s, out);
        return;
    }
    if (strstr(clauses[s->kind], "%s_\"") != NULL)
        append_counts(s, "_", "a", s->inner_ms, "n", out);
    if (s->kind == KIND_PAIRS)
        append_counts(s, "_b", "b", s->size_ms, "m", out);
    ds_buffer_printf(out, "\"%s\":{", s->name);
    for (const char *text = clauses[s->kind]; *text != '\0';) {
        const char *mark = strstr(text, "%s");
        size_t length = mark == NULL ? strlen(text) : (size_t)(mark - text);
        ds_buffer_append(out, text, length);
        text += length;
        if (mark != NULL) {
            ds_buffer_append_text(out, s->name);
            text += 2;
        }
    }
    if (s->size_ms > 0 && s->kind != KIND_PAIRS)
        ds_buffer_printf(out,
                         ",\"window\":{\"size\":\"%" PRId64 "ms\",\"slide\":\"%" PRId64 "ms\"}",
                         s->size_ms, s->slide_ms);
    if (s->limit >= 0)
        ds_buffer_printf(out, ",\"limit\":%" PRId64, s->limit);
    ds_buffer_append_text(out, "}");
}

static void append_sink(const world *w, const char *name, bool append, ds_buffer *out)
{
    ds_buffer_printf(out, "\"%s\":{\"from\":\"%s\",\"type\":\"%s\",\"%s\":\"%s/%s\"}", name, name,
                     append ? "append" : "file", append ? "path" : "dir", w->dir, name);
}

static void append_sinks(const world *w, ds_buffer *out)
{
    if (w->dir[0] == '\0')
        return;
    ds_buffer_append_text(out, "},\n\"sinks\":{");
    append_sink(w, "every", false, out);
    for (uint32_t i = 0; i < w->n_streams; i++) {
        ds_buffer_append_text(out, ",\n");
        append_sink(w, w->streams[i].name, w->streams[i].append, out);
    }
}

/* In half of the worlds some of it is done by functions in Lua. */
#define FUNCTIONS                                                                                  \
    "\"functions\":{"                                                                              \
    "\"odd\":{\"lua\":\"function(v) return v and 2 * v + 1 end\",\"args\":[\"int\"],"              \
    "\"returns\":\"int\"},"                                                                        \
    "\"words\":{\"lua\":[\"function(s)\",\"local r = {}\","                                        \
    "\"for w in s:gmatch('%S+') do r[#r + 1] = w end\",\"return r\",\"end\"],"                     \
    "\"returns\":\"list<string>\"},"                                                               \
    "\"highest\":{\"lua\":[\"local m = {init = function() end}\","                                 \
    "\"function m.update(s, v) return {top = s and s.top > v and s.top or v} end\","               \
    "\"function m.merge(a, b) return a.top > b.top and a or b end\","                              \
    "\"function m.finish(s) return s and s.top end\",\"return m\"],"                               \
    "\"args\":[\"int\"],\"returns\":\"int\",\"aggregate\":true}},\n"

static void put_streams(const world *w, const ds_buffer *streams, ds_buffer *out)
{
    static const char *const replaced[][2] = {
        {"2 * v + 1", "odd(v)"}, {"split(line)", "words(line)"}, {"max(v)", "highest(v)"}};
    for (size_t at = 0; at < streams->length;) {
        size_t i = 0, n = w->seed % 2 == 1 ? sizeof replaced / sizeof *replaced : 0;
        while (i < n && strncmp(streams->data + at, replaced[i][0], strlen(replaced[i][0])) != 0)
            i++;
        if (i < n)
            ds_buffer_append_text(out, replaced[i][1]);
        else
            ds_buffer_append_char(out, streams->data[at]);
        at += i < n ? strlen(replaced[i][0]) : 1;
    }
}

#define SPECULATES                                                                                 \
    ",\"speculation\":{\"interval\":\"10ms\",\"min_runtime\":\"20ms\",\"quantile\":0.3}"

void world_app(const world *w, ds_buffer *out)
{
    ds_buffer_printf(out,
                     "{\"version\":1,\"name\":\"world\",\"batch\":{\"interval\":\"%dms\"},\n"
                     "\"checkpoint\":{\"every\":\"%" PRId64 "ms\"},\n"
                     "\"executors\":{\"count\":%u,\"cores\":%u,\"key_partitions\":%u%s},\n"
                     "%s\"sources\":{",
                     INTERVAL_MS, w->every_ms, w->executors, w->cores, w->key_partitions,
                     w->seed % 3 == 1 ? SPECULATES : "", w->seed % 2 == 1 ? FUNCTIONS : "");
    for (uint32_t s = 0; s < 2; s++)
        ds_buffer_printf(out,
                         "\"%s\":{\"type\":\"queue\",\"schema\":{\"k\":\"string\",\"v\":\"int\"},"
                         "\"batches\":[]},\n",
                         source_names[s]);
    ds_buffer_append_text(out, "\"l\":{\"type\":\"stdin\"}},\n\"streams\":{");
    /* Counts its batches, so that there is a commit at each. */
    ds_buffer_append_text(out, "\"every\":{\"from\":\"a\",\"aggregate\":{\"n\":\"count()\"}}");
    ds_buffer streams = {0};
    for (uint32_t i = 0; i < w->n_streams; i++) {
        ds_buffer_append_text(&streams, ",\n");
        append_stream(&w->streams[i], &streams);
    }
    ds_buffer_text(&streams); /* ended by a NUL */
    put_streams(w, &streams, out);
    ds_buffer_fini(&streams);
    append_sinks(w, out);
    ds_buffer_append_text(out, "},\n\"given\":[");
    append_input(w, out);
    ds_buffer_append_text(out, "]}\n");
}

/* ---- what has to come out ---- */

/* Rows in the order in which the app has to see them. */
typedef struct picked {
    const input_row **rows;
    uint32_t n;
} picked;

/* Adds the rows of all batches with times in (from, to]. */
static void pick(const world *w, uint32_t first_source, uint32_t last_source, int64_t zero_ms,
                 int64_t from_ms, int64_t to_ms, picked *p)
{
    for (uint32_t b = 0; b < w->n_batches; b++) {
        int64_t time_ms = zero_ms + (int64_t)(b + 1) * INTERVAL_MS;
        if (time_ms <= from_ms || time_ms > to_ms)
            continue;
        for (uint32_t s = first_source; s <= last_source; s++) {
            const input_batch *batch = &w->input[s][b];
            p->rows = ds_realloc(p->rows, p->n + batch->n + 1, sizeof *p->rows);
            for (uint32_t i = 0; i < batch->n; i++)
                p->rows[p->n++] = &batch->rows[i];
        }
    }
}

static void append_key(ds_buffer *out, const input_row *row)
{
    ds_buffer_append_text(out, row->key_null ? "null" : row->key);
}

static void append_number(ds_buffer *out, bool null, int64_t number)
{
    if (null)
        ds_buffer_append_text(out, "|null");
    else
        ds_buffer_printf(out, "|%" PRId64, number);
}

static void add_line(text_rows *to, ds_buffer *line)
{
    text_rows_add(to, ds_strdup(ds_buffer_text(line)));
    line->length = 0;
}

static bool same_key(const input_row *a, const input_row *b)
{
    return a->key_null == b->key_null && (a->key_null || strcmp(a->key, b->key) == 0);
}

/* The aggregates over the rows with the key of `of`; over all rows if it is NULL. */
static void append_aggregates(ds_buffer *out, const picked *p, const input_row *of)
{
    int64_t n = 0, numbers = 0, sum = 0, low = INT64_MAX, high = INT64_MIN, first = 0;
    ds_buffer list = {0};
    for (uint32_t i = 0; i < p->n; i++) {
        const input_row *row = p->rows[i];
        if (of != NULL && !same_key(row, of))
            continue;
        n++;
        if (row->number_null)
            continue;
        if (numbers++ == 0)
            first = row->number;
        sum += row->number;
        low = row->number < low ? row->number : low;
        high = row->number > high ? row->number : high;
        ds_buffer_printf(&list, "%s%" PRId64, list.length > 0 ? "," : "", row->number);
    }
    bool none = numbers == 0;
    append_number(out, false, n);
    append_number(out, none, sum);
    append_number(out, none, low);
    append_number(out, none, high);
    if (none)
        ds_buffer_append_text(out, "|null");
    else
        ds_buffer_printf(out, "|%.6g", (double)sum / (double)numbers);
    append_number(out, none, first);
    if (none)
        ds_buffer_append_text(out, "|null");
    else
        ds_buffer_printf(out, "|[%s]", ds_buffer_text(&list));
    ds_buffer_fini(&list);
}

/* A key and how many rows have it. */
typedef struct counted {
    const input_row *key;
    int64_t n;
} counted;

/* The keys in the order of their first rows. The caller frees. */
static counted *count_keys(const picked *p, uint32_t *n_keys)
{
    counted *keys = NULL;
    *n_keys = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t k = 0;
        while (k < *n_keys && !same_key(keys[k].key, p->rows[i]))
            k++;
        if (k == *n_keys) {
            keys = ds_realloc(keys, *n_keys + 1, sizeof *keys);
            keys[(*n_keys)++] = (counted){p->rows[i], 0};
        }
        keys[k].n++;
    }
    return keys;
}

static void add_counted(text_rows *to, const counted *key)
{
    ds_buffer line = {0};
    append_key(&line, key->key);
    append_number(&line, false, key->n);
    add_line(to, &line);
    ds_buffer_fini(&line);
}

static void expect_groups(const picked *p, bool all, text_rows *to)
{
    uint32_t n;
    counted *keys = count_keys(p, &n);
    ds_buffer line = {0};
    for (uint32_t i = 0; i < n; i++) {
        if (!all) {
            add_counted(to, &keys[i]);
            continue;
        }
        append_key(&line, keys[i].key);
        append_aggregates(&line, p, keys[i].key);
        add_line(to, &line);
    }
    ds_buffer_fini(&line);
    free(keys);
}

static void expect_total(const picked *p, text_rows *to)
{
    ds_buffer line = {0}, found = {0};
    append_aggregates(&found, p, NULL);
    ds_buffer_append_text(&line, ds_buffer_text(&found) + 1);
    add_line(to, &line);
    ds_buffer_fini(&line);
    ds_buffer_fini(&found);
}

static void expect_rows(const picked *p, bool map, text_rows *to)
{
    ds_buffer line = {0};
    for (uint32_t i = 0; i < p->n; i++) {
        const input_row *row = p->rows[i];
        if (map && (row->number_null || row->number < 0))
            continue;
        append_key(&line, row);
        append_number(&line, row->number_null, map ? 2 * row->number + 1 : row->number);
        add_line(to, &line);
    }
    ds_buffer_fini(&line);
}

static void drop_repeated(text_rows *rows)
{
    uint32_t kept = 0;
    text_rows_sort(rows);
    for (uint32_t i = 0; i < rows->n; i++) {
        if (kept > 0 && strcmp(rows->lines[kept - 1], rows->lines[i]) == 0)
            free(rows->lines[i]);
        else
            rows->lines[kept++] = rows->lines[i];
    }
    rows->n = kept;
}

/* Null keys are last. */
static int by_key(const input_row *a, const input_row *b)
{
    if (a->key_null || b->key_null)
        return (int)a->key_null - (int)b->key_null;
    return strcmp(a->key, b->key);
}

/* v desc (null is larger than any number, so it comes first), k. */
static int by_number(const void *x, const void *y)
{
    const input_row *a = *(const input_row *const *)x, *b = *(const input_row *const *)y;
    if (a->number_null != b->number_null)
        return a->number_null ? -1 : 1;
    if (!a->number_null && a->number != b->number)
        return a->number > b->number ? -1 : 1;
    return by_key(a, b);
}

static void cut(text_rows *rows, int64_t limit)
{
    while (limit >= 0 && rows->n > (uint64_t)limit)
        free(rows->lines[--rows->n]);
}

static int by_count(const void *x, const void *y)
{
    const counted *a = x, *b = y;
    if (a->n != b->n)
        return a->n > b->n ? -1 : 1;
    return by_key(a->key, b->key);
}

/* Keys by their counts, the largest first. */
static void expect_top(const picked *p, text_rows *to)
{
    uint32_t n;
    counted *keys = count_keys(p, &n);
    if (n > 0)
        qsort(keys, n, sizeof *keys, by_count);
    for (uint32_t i = 0; i < n; i++)
        add_counted(to, &keys[i]);
    free(keys);
}

/* How many keys have each count. */
static void expect_counts(const picked *p, text_rows *to)
{
    uint32_t n;
    counted *keys = count_keys(p, &n);
    if (n > 0)
        qsort(keys, n, sizeof *keys, by_count);
    ds_buffer line = {0};
    for (uint32_t i = 0, k; i < n; i = k) {
        for (k = i; k < n && keys[k].n == keys[i].n; k++)
            ;
        ds_buffer_printf(&line, "%" PRId64 "|%u", keys[i].n, k - i);
        add_line(to, &line);
    }
    ds_buffer_fini(&line);
    free(keys);
}

/* Each row counts once for every inner window that it is in: with all of these together. */
static void expect_chain(const world *w, const stream *s, int64_t zero_ms, int64_t t_ms,
                         text_rows *to)
{
    picked all = {0};
    for (int64_t inner = t_ms - s->size_ms + INTERVAL_MS; inner <= t_ms; inner += INTERVAL_MS)
        if (inner > zero_ms)
            pick(w, 0, 0, zero_ms, inner - s->inner_ms, inner, &all);
    expect_groups(&all, false, to);
    free(all.rows);
}

static const counted *find_counted(const counted *keys, uint32_t n, const input_row *row)
{
    for (uint32_t i = 0; i < n && !row->key_null; i++)
        if (same_key(keys[i].key, row))
            return &keys[i];
    return NULL;
}

/* Rows of b with the counts of a: key, number, count. Each side comes without the other, too. */
static void expect_join(const picked *left, const picked *right, text_rows *to)
{
    uint32_t n;
    counted *keys = count_keys(right, &n);
    bool *met = ds_calloc(n + 1, sizeof *met);
    ds_buffer line = {0};
    for (uint32_t i = 0; i < left->n; i++) {
        const counted *found = find_counted(keys, n, left->rows[i]);
        append_key(&line, left->rows[i]);
        append_number(&line, left->rows[i]->number_null, left->rows[i]->number);
        append_number(&line, found == NULL, found == NULL ? 0 : found->n);
        add_line(to, &line);
        if (found != NULL)
            met[found - keys] = true;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (met[i])
            continue;
        append_key(&line, keys[i].key);
        append_number(&line, true, 0);
        append_number(&line, false, keys[i].n);
        add_line(to, &line);
    }
    ds_buffer_fini(&line);
    free(met);
    free(keys);
}

/* Counts of a with those of b: key, count, count; only keys of a. */
static void expect_pairs(const picked *left, const picked *right, text_rows *to)
{
    uint32_t n_left, n_right;
    counted *keys = count_keys(left, &n_left), *others = count_keys(right, &n_right);
    ds_buffer line = {0};
    for (uint32_t i = 0; i < n_left; i++) {
        const counted *found = find_counted(others, n_right, keys[i].key);
        append_key(&line, keys[i].key);
        append_number(&line, false, keys[i].n);
        append_number(&line, found == NULL, found == NULL ? 0 : found->n);
        add_line(to, &line);
    }
    ds_buffer_fini(&line);
    free(keys);
    free(others);
}

static void expect_sides(const world *w, const stream *s, int64_t zero_ms, int64_t t_ms,
                         text_rows *to)
{
    picked a = {0}, b = {0};
    bool pairs = s->kind == KIND_PAIRS;
    pick(w, 0, 0, zero_ms, t_ms - (pairs ? s->inner_ms : INTERVAL_MS), t_ms, &a);
    pick(w, 1, 1, zero_ms, t_ms - (pairs ? s->size_ms : INTERVAL_MS), t_ms, &b);
    if (pairs)
        expect_pairs(&a, &b, to);
    else
        expect_join(&b, &a, to);
    free(a.rows);
    free(b.rows);
}

static const uint32_t first_source[KINDS] = {[KIND_WORDS] = 2, [KIND_MAP] = 1};
static const uint32_t last_source[KINDS] = {
    [KIND_WORDS] = 2, [KIND_MAP] = 1, [KIND_UNION] = 1, [KIND_JOIN] = 1, [KIND_PAIRS] = 1};

text_rows world_expect(const world *w, const stream *s, int64_t zero_ms, int64_t t_ms)
{
    picked p = {0};
    text_rows rows = {0};
    int64_t size_ms = s->size_ms > 0 ? s->size_ms : INTERVAL_MS;
    pick(w, first_source[s->kind], last_source[s->kind], zero_ms, t_ms - size_ms, t_ms, &p);
    switch (s->kind) {
    case KIND_WORDS: expect_groups(&p, false, &rows); break;
    case KIND_GROUP:
    case KIND_UNION: expect_groups(&p, true, &rows); break;
    case KIND_TOTAL: expect_total(&p, &rows); break;
    case KIND_DISTINCT:
        expect_rows(&p, false, &rows);
        drop_repeated(&rows);
        break;
    case KIND_ORDER:
        if (p.n > 0)
            qsort(p.rows, p.n, sizeof *p.rows, by_number);
        expect_rows(&p, false, &rows);
        break;
    case KIND_MAP: expect_rows(&p, true, &rows); break;
    case KIND_SPREAD:
    case KIND_ROWS: expect_rows(&p, false, &rows); break;
    case KIND_TOP: expect_top(&p, &rows); break;
    case KIND_COUNTS: expect_counts(&p, &rows); break;
    case KIND_CHAIN: expect_chain(w, s, zero_ms, t_ms, &rows); break;
    case KIND_JOIN:
    case KIND_PAIRS: expect_sides(w, s, zero_ms, t_ms, &rows); break;
    case KIND_STATE: state_expect(w, s, zero_ms, t_ms, &rows); break;
    case KINDS: break;
    }
    free(p.rows);
    cut(&rows, s->limit);
    if (!s->ordered)
        text_rows_sort(&rows);
    return rows;
}

static int64_t next_due(int64_t t_ms, int64_t slide_ms)
{
    int64_t rest = t_ms % slide_ms;
    return rest == 0 ? t_ms : t_ms - rest + slide_ms;
}

int64_t world_end_ms(const world *w, const stream *s, int64_t zero_ms)
{
    int64_t last_ms = zero_ms;
    for (uint32_t b = 0; b < w->n_batches; b++)
        for (uint32_t k = first_source[s->kind]; k <= last_source[s->kind]; k++)
            if (w->input[k][b].n > 0)
                last_ms = zero_ms + (int64_t)(b + 1) * INTERVAL_MS;
    int64_t end_ms = zero_ms + (int64_t)w->n_batches * INTERVAL_MS;
    int64_t due_ms = next_due(last_ms, s->slide_ms);
    return due_ms > end_ms ? due_ms : end_ms;
}
