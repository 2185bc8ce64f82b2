#include "sim/app_test.h"

#include "base/assert.h"
#include "columnar/piece.h"
#include "columnar/rows.h"
#include "columnar/text.h"
#include "sim/sim_app.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 1
#define MOST_EXECUTORS 4u /* the results do not depend on how many there are */
#define MOST_STORE_BYTES (INT64_C(1) << 30)
#define SHOWN_TIMES 5u                        /* at which a stream differs */
#define MOST_PLAN (DS_MESSAGE_LIMIT - 100000) /* bytes that an executor can be sent */
#define EVENTS UINT64_C(1000000)              /* more than any test needs, */
#define EVENTS_OF_BATCH UINT64_C(200000)      /* even one that makes thousands of tasks */

/* One stream or source that is looked at. */
typedef struct watched {
    const char *name;
    const json_t *entries; /* what is expected, by due time; NULL: only bad records count */
    const ds_plan_output *output;
    uint32_t sink;  /* of the plan */
    char **differs; /* by due time: how the rows differ, or NULL */
    bool *came;
    size_t n;
} watched;

typedef struct running {
    const ds_app_test *test;
    ds_app *app; /* with the input of the test */
    ds_plan *plan;
    ds_plan_options options;
    ds_sim *sim;
    watched *watched;
    uint32_t n_watched;
    uint64_t *bad;        /* records, by source of the app: of the batches that were committed */
    int64_t committed_ms; /* the newest of them */
    ds_status status;     /* of the run */
    ds_error error;
    ds_buffer *what;
    bool holds;
} running;

static void fail(running *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fail(running *run, const char *format, ...)
{
    char text[DS_ERROR_TEXT + 200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ds_buffer_printf(run->what, "%s\n", text);
    run->holds = false;
}

/* ---- what is watched ---- */

static bool is_watched(const running *run, const char *name)
{
    for (uint32_t i = 0; i < run->n_watched; i++)
        if (strcmp(run->watched[i].name, name) == 0)
            return true;
    return false;
}

static void watch(running *run, const char *name, const json_t *entries)
{
    if (is_watched(run, name))
        return;
    watched *w = &run->watched[run->n_watched++];
    *w = (watched){.name = name, .entries = entries, .n = json_array_size(entries)};
    w->differs = ds_calloc(w->n + 1, sizeof *w->differs);
    w->came = ds_calloc(w->n + 1, sizeof *w->came);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const watched *)a)->name, ((const watched *)b)->name);
}

/* Streams with expected rows, then sources of which bad records are counted. */
static void watch_all(running *run)
{
    json_t *expect = (json_t *)(uintptr_t)run->test->expect;
    json_t *errors = (json_t *)(uintptr_t)run->test->expect_errors;
    run->watched =
        ds_calloc(json_object_size(expect) + json_object_size(errors) + 1, sizeof(watched));
    for (void *i = json_object_iter(expect); i != NULL; i = json_object_iter_next(expect, i))
        watch(run, json_object_iter_key(i), json_object_iter_value(i));
    for (void *i = json_object_iter(errors); i != NULL; i = json_object_iter_next(errors, i))
        watch(run, json_object_iter_key(i), NULL);
    qsort(run->watched, run->n_watched, sizeof(watched), by_name);
    const char **names = ds_calloc(run->n_watched + 1, sizeof *names);
    for (uint32_t i = 0; i < run->n_watched; i++)
        names[i] = run->watched[i].name;
    run->options = (ds_plan_options){.tested = names, .n_tested = run->n_watched, .testing = true};
}

/* ---- the plan ---- */

static ds_status make_app(running *run, const ds_app *app, ds_error *error)
{
    char *text = ds_app_canonical_test(app, run->test);
    size_t length = strlen(text);
    ds_status status;
    if (length > MOST_PLAN)
        status = ds_error_set(error, DS_ERR_APP, "its input is too large: %zu bytes", length);
    else
        status = ds_app_from_canonical(text, length, &run->app, error);
    free(text);
    if (status != DS_OK)
        return status;
    if (run->app->executors_count == 0)
        run->app->executors_count = 1;
    if (run->app->executors_count > MOST_EXECUTORS)
        run->app->executors_count = MOST_EXECUTORS;
    return DS_OK;
}

static ds_status make_plan(running *run, ds_error *error)
{
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    ds_status status = ds_plan_new(run->app, &run->options, diagnostics, &run->plan);
    if (status != DS_OK) {
        ds_buffer said = {0};
        ds_diagnostics_print(diagnostics, &said);
        ds_error_set(error, status, "%s", ds_buffer_text(&said));
        ds_buffer_fini(&said);
    }
    ds_diagnostics_free(diagnostics);
    for (uint32_t i = 0; i < run->n_watched && status == DS_OK; i++) {
        run->watched[i].output = ds_plan_find(run->plan, run->watched[i].name);
        run->watched[i].sink = i;
        DS_ASSERT(strcmp(run->plan->sinks[i]->name, run->watched[i].name) == 0);
    }
    return status;
}

/* ---- rows ---- */

/* Which of the stream's due times this is, from 0. */
static size_t due_index(const running *run, const watched *w, int64_t batch_ms)
{
    int64_t slide_ms = w->output->slide_ms;
    int64_t first_ms = ds_floor_to(run->test->start_ms, slide_ms) + slide_ms;
    DS_ASSERT(batch_ms >= first_ms && batch_ms % slide_ms == 0);
    return (size_t)((batch_ms - first_ms) / slide_ms);
}

/* Notes how the rows of a due time differ from what is expected then. */
static void compare(running *run, watched *w, size_t at, ds_arena *arena, const ds_heap *heap,
                    const ds_chunk *chunks, uint32_t n_chunks)
{
    ds_rows_difference difference;
    ds_error error;
    const json_t *expected = json_array_get(w->entries, at);
    ds_status status = ds_rows_compare(arena, w->output->schema, heap, chunks, n_chunks, expected,
                                       run->test->ordered, &difference, &error);
    w->came[at] = true;
    if (status != DS_OK)
        w->differs[at] = ds_strdup(error.message);
    else if (!difference.equal)
        w->differs[at] = ds_strdup(difference.text);
}

/* The rows of one output, which are one piece. */
static ds_status read_rows(const running *run, const watched *w, const ds_output *output,
                           ds_arena *arena, ds_heap *heap, ds_chunk *chunk, ds_error *error)
{
    const ds_schema *schema = w->output->schema;
    ds_type *types = DS_ARENA_ARRAY(arena, ds_type, schema->n_fields + 1);
    ds_column **columns = DS_ARENA_ARRAY(arena, ds_column *, schema->n_fields + 1);
    for (uint32_t i = 0; i < schema->n_fields; i++)
        types[i] = schema->fields[i].type;
    const char *bytes = ds_sim_bytes(run->sim, &output->ref);
    if (bytes == NULL)
        return ds_error_set(error, DS_ERR_LOST, "the rows are gone");
    *chunk =
        (ds_chunk){.n_columns = schema->n_fields, .columns = (const ds_column *const *)columns};
    return ds_piece_read(arena, heap, bytes, output->ref.length, types, schema->n_fields, columns,
                         &chunk->n_rows, error);
}

static void look_at(running *run, watched *w, const ds_commit *commit)
{
    if (w->entries == NULL || commit->batch_ms % w->output->slide_ms != 0)
        return;
    size_t at = due_index(run, w, commit->batch_ms);
    DS_ASSERT(at < w->n);
    free(w->differs[at]); /* a batch may be committed again after a crash */
    w->differs[at] = NULL;
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ds_chunk *chunks = DS_ARENA_ARRAY(arena, ds_chunk, commit->n_bytes + 1);
    uint32_t n_chunks = 0;
    ds_error error;
    ds_status status = DS_OK;
    for (uint32_t i = 0; i < commit->n_bytes && status == DS_OK; i++)
        if (commit->bytes[i].target == w->sink)
            status =
                read_rows(run, w, &commit->bytes[i], arena, &heap, &chunks[n_chunks++], &error);
    if (status == DS_OK)
        compare(run, w, at, arena, &heap, chunks, n_chunks);
    else
        fail(run, "%s: %s", w->name, error.message);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
}

static void on_committed(void *arg, const ds_commit *commit)
{
    running *run = arg;
    for (uint32_t i = 0; i < run->n_watched; i++)
        look_at(run, &run->watched[i], commit);
    for (uint32_t i = 0; i < run->app->n_sources && commit->batch_ms > run->committed_ms; i++)
        run->bad[i] += commit->bad != NULL ? commit->bad[i] : 0;
    run->committed_ms = commit->batch_ms;
}

/* ---- the run ---- */

static void run_app(running *run)
{
    const ds_app_test *test = run->test;
    int64_t store_bytes = run->app->executors_memory / 2;
    if (store_bytes > MOST_STORE_BYTES)
        store_bytes = MOST_STORE_BYTES;
    ds_sim_death *deaths = ds_calloc(test->n_faults + 1, sizeof *deaths);
    for (uint32_t i = 0; i < test->n_faults; i++)
        deaths[i] = (ds_sim_death){test->start_ms + test->faults[i].batch * run->app->interval_ms,
                                   test->faults[i].driver, test->faults[i].during};
    run->bad = ds_calloc(run->app->n_sources + 1, sizeof *run->bad);
    run->committed_ms = test->start_ms;
    ds_sim_config config = {.plan = run->plan,
                            .plan_options = &run->options,
                            .seed = SEED,
                            .virtual_time = true,
                            .start_ms = test->start_ms,
                            .n_batches = test->n_batches,
                            .checkpoint = true,
                            .store_bytes = (uint64_t)store_bytes,
                            .deaths = deaths,
                            .n_deaths = test->n_faults,
                            .hooks = {.arg = run, .committed = on_committed}};
    run->sim = ds_sim_new(&config);
    run->status = ds_sim_run(run->sim, EVENTS + test->n_batches * EVENTS_OF_BATCH, &run->error);
    free(deaths);
}

/* ---- the result ---- */

/* Lines of text, each behind some blanks. */
static void append_indented(ds_buffer *out, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        ds_buffer_append_text(out, "  ");
        ds_buffer_append(out, text, length);
        ds_buffer_append_char(out, '\n');
        text += length + (text[length] == '\n');
    }
}

static void show_time(running *run, const watched *w, size_t at)
{
    int64_t slide_ms = w->output->slide_ms;
    int64_t t_ms = ds_floor_to(run->test->start_ms, slide_ms) + (int64_t)(at + 1) * slide_ms;
    char time[DS_TIMESTAMP_TEXT + 1];
    time[ds_format_timestamp(t_ms * 1000, time)] = '\0';
    fail(run, "%s at %s (batch %" PRId64 ", entry %zu):", w->name, time,
         (t_ms - run->test->start_ms) / run->app->interval_ms, at + 1);
    append_indented(run->what, w->differs[at]);
}

/* A due time without a batch has no rows. */
static void compare_rest(running *run, watched *w)
{
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    for (size_t i = 0; i < w->n; i++) {
        if (!w->came[i])
            compare(run, w, i, arena, &heap, NULL, 0);
        ds_arena_reset(arena);
    }
    ds_heap_fini(&heap);
    ds_arena_free(arena);
}

static void judge_rows(running *run, watched *w)
{
    compare_rest(run, w);
    size_t shown = 0, more = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (w->differs[i] == NULL)
            continue;
        if (shown < SHOWN_TIMES) {
            show_time(run, w, i);
            shown++;
        } else {
            more++;
        }
    }
    if (more > 0)
        ds_buffer_printf(run->what, "%s: and at %zu more times\n", w->name, more);
}

static const json_t *expected_bad(const running *run, const ds_app_source *source)
{
    return json_object_get(run->test->expect_errors, source->name);
}

/* True if the app was to end, because records of a source that "fail"s are to be bad. */
static bool end_was_expected(const running *run)
{
    for (uint32_t i = 0; i < run->app->n_sources && run->status == DS_ERR_DATA; i++) {
        const ds_app_source *source = &run->app->sources[i];
        if (source->on_error == DS_ON_ERROR_FAIL &&
            json_integer_value(expected_bad(run, source)) > 0)
            return true;
    }
    return false;
}

/* A table is read again by each driver; what a batch was given counts once. */
static uint64_t bad_of(const running *run, uint32_t source)
{
    if (run->app->sources[source].type != DS_SOURCE_TABLE)
        return run->bad[source];
    return ds_driver_progress(ds_sim_driver(run->sim))->sources[source].bad_total;
}

static void judge_errors(running *run)
{
    for (uint32_t i = 0; i < run->app->n_sources; i++) {
        const ds_app_source *source = &run->app->sources[i];
        const json_t *expected = expected_bad(run, source);
        uint64_t bad = bad_of(run, i);
        if (expected == NULL || bad == (uint64_t)json_integer_value(expected))
            continue;
        fail(run, "%s: bad records: %" PRIu64 ", expected: %" JSON_INTEGER_FORMAT, source->name,
             bad, json_integer_value(expected));
    }
}

static void judge(running *run)
{
    if (run->status != DS_OK && !end_was_expected(run)) {
        fail(run, "the app ended: %s", run->error.message);
        return; /* missing rows would say nothing */
    }
    for (uint32_t i = 0; i < run->n_watched; i++)
        if (run->watched[i].entries != NULL)
            judge_rows(run, &run->watched[i]);
    if (run->status == DS_OK)
        judge_errors(run);
}

static void free_all(running *run)
{
    for (uint32_t i = 0; i < run->n_watched; i++) {
        for (size_t k = 0; k < run->watched[i].n; k++)
            free(run->watched[i].differs[k]);
        free(run->watched[i].differs);
        free(run->watched[i].came);
    }
    free(run->watched);
    free(run->bad);
    free((void *)run->options.tested);
    ds_sim_free(run->sim);
    ds_plan_free(run->plan);
    ds_app_free(run->app);
}

bool ds_app_test_run(const ds_app *app, const ds_app_test *test, ds_buffer *what)
{
    running run = {.test = test, .what = what, .holds = true};
    if (test->n_batches == 0)
        return true; /* nothing is due */
    watch_all(&run);
    ds_error error;
    ds_status status = make_app(&run, app, &error);
    if (status == DS_OK)
        status = make_plan(&run, &error);
    if (status != DS_OK) {
        fail(&run, "%s", error.message);
    } else {
        run_app(&run);
        judge(&run);
    }
    free_all(&run);
    return run.holds;
}
