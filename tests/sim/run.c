/*
 * What is checked of every run:
 *
 *  - it ends, within a number of events;
 *  - each output time is committed once, and times go up;
 *  - the rows are those of the oracle (world.h), of streams with windows and state, too. These may
 *    differ only where stores cannot be held by others, if a loss was reported, and only at times
 *    whose windows overlap it;
 *  - no batch is given up, unless tasks fail, or outputs that nobody else holds are lost with
 *    their executors again and again; executors hold nothing when they stop.
 *
 * In half of the runs rows go to folders of files or to files that grow, and the driver may die,
 * too: these are looked at in the end. They hold each batch once, in order, whatever happened; also
 * if files that grow were renamed now and then.
 */
#include "sim/run.h"

#include "base/memory.h"
#include "checkpoint/commit.h"
#include "columnar/piece.h"
#include "dstream/plan.h"
#include "sim/folders.h"
#include "sim/sim_app.h"
#include "sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define MOST_EVENTS UINT64_C(3000000)
#define STORE_BYTES (UINT64_C(64) << 20)

typedef struct run {
    world world;
    ds_app *app;
    ds_plan *plan;
    const char *names[MOST_STREAMS + 1];
    ds_plan_options options;
    ds_sim *sim;
    FILE *trace;
    XXH3_state_t *digest;
    bool files;              /* there are file sinks */
    bool clock;              /* batches follow the clock, not each other */
    bool by_number;          /* runs a number of batches, and not until the input ends */
    bool rotates;            /* files of append sinks are renamed now and then */
    ds_random random;        /* decides when */
    bool stops;              /* is asked to stop at some time */
    bool may_give_up;        /* batches */
    bool may_lose;           /* what is kept: with stores that nobody else holds */
    bool blind;              /* it is not known when the first batch was */
    uint64_t given_up, gaps; /* batches given up; and found missing */
    int64_t zero_ms;
    int64_t newest_ms; /* committed */
    uint64_t panes_lost;
    int64_t lost_from_ms, lost_to_ms; /* panes of these times may be gone */
    run_result *result;
} run;

void run_wrong(run_result *result, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (result->good)
        vsnprintf(result->what, sizeof result->what, format, args);
    va_end(args);
    result->good = false;
}

/* ---- rows ---- */

static void append_cell(ds_buffer *out, const ds_heap *heap, const ds_column *column, uint32_t at)
{
    if (ds_column_is_null(column, at)) {
        ds_buffer_append_text(out, "null");
        return;
    }
    switch ((ds_kind)column->type.kind) {
    case DS_INT: ds_buffer_printf(out, "%" PRId64, column->ints[at]); break;
    case DS_FLOAT: ds_buffer_printf(out, "%.6g", column->floats[at]); break;
    case DS_STRING:
        ds_buffer_append(out, ds_view_bytes(heap, &column->views[at]), column->views[at].length);
        break;
    case DS_LIST:
        ds_buffer_append_char(out, '[');
        for (uint32_t i = column->offsets[at]; i < column->offsets[at + 1]; i++) {
            ds_buffer_append_text(out, i > column->offsets[at] ? "," : "");
            append_cell(out, heap, column->child, i);
        }
        ds_buffer_append_char(out, ']');
        break;
    default: ds_buffer_append_text(out, "?"); break;
    }
}

static void read_piece(run *r, const ds_schema *schema, const ds_output *output, text_rows *rows)
{
    const char *bytes = ds_sim_bytes(r->sim, &output->ref);
    if (bytes == NULL) {
        run_wrong(r->result, "the rows of a commit are gone");
        return;
    }
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ds_column *columns[16] = {NULL};
    ds_type types[16];
    for (uint32_t c = 0; c < schema->n_fields; c++)
        types[c] = schema->fields[c].type;
    uint32_t n_rows = 0;
    ds_error error;
    if (ds_piece_read(arena, &heap, bytes, output->ref.length, types, schema->n_fields, columns,
                      &n_rows, &error) != DS_OK)
        run_wrong(r->result, "%s", error.message);
    ds_buffer line = {0};
    for (uint32_t i = 0; i < n_rows; i++) {
        line.length = 0;
        for (uint32_t c = 0; c < schema->n_fields; c++) {
            ds_buffer_append_text(&line, c > 0 ? "|" : "");
            append_cell(&line, &heap, columns[c], i);
        }
        text_rows_add(rows, ds_strdup(ds_buffer_text(&line)));
    }
    ds_buffer_fini(&line);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
}

/* ---- comparing ---- */

static void digest_text(run *r, const char *text)
{
    XXH3_64bits_update(r->digest, text, strlen(text) + 1);
}

static void digest_number(run *r, uint64_t number)
{
    XXH3_64bits_update(r->digest, &number, sizeof number);
}

/* True if a difference may come from a reported loss of panes, or a batch that was given up. What
 * state has lost is missing for good. */
static bool may_differ(const run *r, const stream *s, int64_t t_ms)
{
    if (r->given_up > 0 && (s->size_ms > 0 || s->kind == KIND_STATE))
        return true;
    if (s->kind == KIND_STATE)
        return r->panes_lost > 0 && t_ms >= r->lost_from_ms;
    if (r->panes_lost == 0 || s->size_ms == 0 || t_ms < r->lost_from_ms)
        return false;
    return t_ms - s->size_ms - s->inner_ms < r->lost_to_ms;
}

static void show(run *r, const char *what, const text_rows *rows)
{
    for (uint32_t i = 0; r->trace != NULL && i < rows->n; i++)
        fprintf(r->trace, "    %s %s\n", what, rows->lines[i]);
}

/* The count in a row "key|count|..."; very many in one that is cut. */
static int64_t count_of(const char *line, size_t *key_length)
{
    const char *mark = strchr(line, '|');
    *key_length = mark == NULL ? 0 : (size_t)(mark - line);
    return mark == NULL ? INT64_MAX : strtoll(mark + 1, NULL, 10);
}

/* Whatever was lost, no key has more rows than came. */
static void check_too_low(run *r, const stream *s, int64_t t_ms, const text_rows *rows,
                          const text_rows *expected)
{
    for (uint32_t i = 0; i < rows->n; i++) {
        size_t length, other;
        int64_t n = count_of(rows->lines[i], &length), most = 0;
        for (uint32_t k = 0; k < expected->n; k++) {
            int64_t count = count_of(expected->lines[k], &other);
            if (other == length && memcmp(rows->lines[i], expected->lines[k], length) == 0)
                most = count;
        }
        if (n > most)
            run_wrong(r->result,
                      "stream %s at %" PRId64 ": there are %" PRId64 " rows of the key in %.200s",
                      s->name, t_ms, most, rows->lines[i]);
    }
}

static void check_rows(run *r, const stream *s, int64_t t_ms, const text_rows *rows)
{
    text_rows expected = world_expect(&r->world, s, r->zero_ms, t_ms);
    if (s->kind == KIND_WORDS || s->kind == KIND_GROUP || s->kind == KIND_UNION)
        check_too_low(r, s, t_ms, rows, &expected);
    if (!text_rows_equal(rows, &expected) && !may_differ(r, s, t_ms)) {
        run_wrong(r->result, "stream %s (kind %d) differs at %" PRId64 " ms: %u rows, %u expected",
                  s->name, (int)s->kind, t_ms - r->zero_ms, rows->n, expected.n);
        show(r, "is       ", rows);
        show(r, "should be", &expected);
    }
    text_rows_free(&expected);
}

/* The loss was noticed since the commit before this one: up to four batches had begun. */
static void note_loss(run *r, int64_t batch_ms)
{
    uint64_t lost = ds_driver_progress(ds_sim_driver(r->sim))->panes_lost;
    if (lost == r->panes_lost)
        return;
    if (r->panes_lost == 0)
        r->lost_from_ms = batch_ms;
    r->panes_lost = lost;
    r->lost_to_ms = batch_ms + 4 * INTERVAL_MS;
}

static const stream *stream_of(const run *r, uint32_t sink)
{
    return sink == 0 ? NULL : &r->world.streams[sink - 1];
}

static void check_stream(run *r, const ds_commit *commit, uint32_t sink)
{
    const stream *s = stream_of(r, sink);
    text_rows rows = {0};
    const ds_schema *schema = ds_plan_find(r->plan, r->names[sink])->schema;
    for (uint32_t i = 0; i < commit->n_bytes; i++)
        if (commit->bytes[i].target == sink)
            read_piece(r, schema, &commit->bytes[i], &rows);
    if (s == NULL || !s->ordered)
        text_rows_sort(&rows);
    for (uint32_t i = 0; i < rows.n; i++)
        digest_text(r, rows.lines[i]);
    if (s != NULL && commit->batch_ms % s->slide_ms == 0)
        check_rows(r, s, commit->batch_ms, &rows);
    else if (s != NULL && rows.n > 0)
        run_wrong(r->result, "stream %s has rows at %" PRId64 ", when it is not due", s->name,
                  commit->batch_ms);
    text_rows_free(&rows);
}

/* A time that was passed over has no rows; or its batch was given up. */
static void check_passed(run *r, int64_t from_ms, int64_t to_ms)
{
    static const text_rows none = {0};
    for (int64_t t = from_ms + INTERVAL_MS; t < to_ms; t += INTERVAL_MS) {
        if (r->gaps < r->given_up) {
            r->gaps++; /* stream "every" is due at all of these times: this is such a batch */
            continue;
        }
        for (uint32_t i = 0; i < r->world.n_streams; i++)
            if (t % r->world.streams[i].slide_ms == 0 &&
                (r->by_number || t <= world_end_ms(&r->world, &r->world.streams[i], r->zero_ms)))
                check_rows(r, &r->world.streams[i], t, &none);
    }
}

/* When the clock is followed, the first commit tells when the first batch was: stream "every"
 * is due at it. Unless it was given up: then nothing can be compared. */
static bool find_zero(run *r, const ds_commit *commit)
{
    if (r->newest_ms == INT64_MIN && r->clock) {
        r->zero_ms = commit->batch_ms - INTERVAL_MS;
        r->blind = ds_driver_progress(ds_sim_driver(r->sim))->failed_batches > 0;
    }
    if (r->newest_ms == INT64_MIN)
        r->newest_ms = r->zero_ms;
    return !r->blind;
}

/* Now and then a file that grows is renamed. */
static void rotate(run *r)
{
    for (uint32_t i = 0; i < r->world.n_streams && r->rotates; i++) {
        char from[300], to[320];
        stream *s = &r->world.streams[i];
        if (!s->append || ds_random_below(&r->random, 4) > 0)
            continue;
        snprintf(from, sizeof from, "%s/%s", r->world.dir, s->name);
        snprintf(to, sizeof to, "%s.%u", from, s->rotated);
        s->rotated += rename(from, to) == 0;
    }
}

static void on_committed(void *arg, const ds_commit *commit)
{
    run *r = arg;
    if (r->files) { /* a driver that died may have done it already */
        rotate(r);
        return;
    }
    if (!find_zero(r, commit))
        return;
    if (commit->batch_ms <= r->newest_ms)
        run_wrong(r->result, "batch %" PRId64 " was committed after batch %" PRId64,
                  commit->batch_ms, r->newest_ms);
    note_loss(r, commit->batch_ms);
    r->given_up = ds_driver_progress(ds_sim_driver(r->sim))->failed_batches;
    check_passed(r, r->newest_ms, commit->batch_ms);
    r->newest_ms = commit->batch_ms;
    digest_number(r, (uint64_t)commit->batch_ms);
    for (uint32_t i = 0; i < r->options.n_tested; i++)
        check_stream(r, commit, i);
}

static void on_trace(void *arg, int64_t now_us, const char *line)
{
    run *r = arg;
    digest_number(r, (uint64_t)now_us);
    if (r->trace != NULL)
        fprintf(r->trace, "%10.6f  %s\n", (double)now_us / 1e6, line);
}

/* ---- making ---- */

static bool make_plan(run *r)
{
    ds_buffer text = {0};
    ds_error error;
    world_app(&r->world, &text);
    if (r->trace != NULL)
        fprintf(r->trace, "%.*s\n", (int)strcspn(ds_buffer_text(&text), "\001"), text.data);
    ds_status status = ds_app_from_canonical(text.data, text.length, &r->app, &error);
    ds_buffer_fini(&text);
    if (status != DS_OK) {
        run_wrong(r->result, "%s", error.message);
        return false;
    }
    r->names[0] = "every";
    for (uint32_t i = 0; i < r->world.n_streams; i++)
        r->names[i + 1] = r->world.streams[i].name;
    r->options = (ds_plan_options){
        .tested = r->names, .n_tested = r->world.n_streams + 1, .testing = !r->files};
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    status = ds_plan_new(r->app, &r->options, diagnostics, &r->plan);
    if (status != DS_OK) {
        ds_buffer said = {0};
        ds_diagnostics_print(diagnostics, &said);
        run_wrong(r->result, "%s", ds_buffer_text(&said));
        ds_buffer_fini(&said);
    }
    ds_diagnostics_free(diagnostics);
    return status == DS_OK;
}

static bool chance(ds_random *random, uint64_t one_in)
{
    return ds_random_below(random, one_in) == 0;
}

static double one_of(ds_random *random, const double *values, size_t n)
{
    return values[ds_random_below(random, n)];
}

#define ONE_OF(random, ...)                                                                        \
    one_of((random), (const double[]){__VA_ARGS__}, sizeof(double[]){__VA_ARGS__} / sizeof(double))

ds_sim_faults run_faults(ds_random *random)
{
    if (chance(random, 6))
        return (ds_sim_faults){0};
    return (ds_sim_faults){
        .net = {.delay_max_us = (uint32_t)ONE_OF(random, 0, 50, 1000, 30000),
                .duplicate = ONE_OF(random, 0, 0.01, 0.2),
                .lose_connection = ONE_OF(random, 0, 0, 0.001, 0.01)},
        .until_us = 1000 + (int64_t)ds_random_below(random, 4000000),
        .start_max_us = (uint32_t)ONE_OF(random, 0, 1000, 50000),
        .task_max_us = (uint32_t)ONE_OF(random, 0, 300, 20000),
        .disk_max_us = (uint32_t)ONE_OF(random, 0, 500, 50000),
        .slow = ONE_OF(random, 0, 0, 0.02, 0.2),
        .slow_max_us = (uint32_t)ONE_OF(random, 100000, 3000000),
        .task_fails = ONE_OF(random, 0, 0, 0.03, 0.3, 0.6),
        .disk_fails = ONE_OF(random, 0, 0, 0.05),
        .kill = ONE_OF(random, 0, 0.0005, 0.003, 0.01),
        .hang = ONE_OF(random, 0, 0, 0.0005, 0.003),
        .crash = ONE_OF(random, 0, 0.001, 0.003, 0.02),
        .crash_commit = ONE_OF(random, 0, 0.1, 0.5),
        .most_crashes = 1 + (uint32_t)ds_random_below(random, 6),
    };
}

static void make_sim(run *r, ds_random *random)
{
    r->clock = chance(random, 2);
    r->by_number = !r->clock && chance(random, 2);
    uint32_t more = (uint32_t)ds_random_below(random, 10);
    ds_sim_faults faults = run_faults(random);
    if (r->files)
        faults.task_fails = 0;
    else
        faults.crash = faults.crash_commit = 0;
    const bool dies = faults.crash > 0 || faults.crash_commit > 0;
    ds_sim_config config = {.plan = r->plan,
                            .plan_options = &r->options,
                            .seed = ds_random_next(random),
                            .virtual_time = !r->clock,
                            .start_ms = INT64_C(1767225600000) +
                                        INTERVAL_MS * (int64_t)ds_random_below(random, 100),
                            .n_batches = r->by_number ? r->world.n_batches + more : 0,
                            .checkpoint = r->world.checkpoint || dies,
                            .store_bytes = STORE_BYTES,
                            .credit_bytes = STORE_BYTES,
                            .faults = faults,
                            .hooks = {.arg = r, .committed = on_committed, .trace = on_trace}};
    if (r->trace != NULL)
        fprintf(r->trace, "clock %d, by number %d (%u), checkpoint %d, start %" PRId64 "\n",
                r->clock, r->by_number, config.n_batches, config.checkpoint, config.start_ms);
    config.faults.wipe = r->files && config.seed % 3 == 0 ? 0.2 : 0;
    config.remote = ONE_OF(random, 0, 0, 0.3, 1);
    r->may_give_up = faults.task_fails > 0;
    r->may_lose = config.remote > 0;
    r->zero_ms = config.start_ms;
    r->rotates = r->files && chance(random, 2);
    ds_random_init(&r->random, config.seed);
    r->sim = ds_sim_new(&config);
    r->stops = r->clock && chance(random, 3);
    if (r->stops)
        ds_sim_stop_at(r->sim, (int64_t)ds_random_below(random, 3000000));
}

/* ---- the end ---- */

/* Stream "every" is due at all batches. */
static void check_folder(run *r, const stream *s, const int64_t *times, uint32_t n_times)
{
    uint32_t n, found = 0;
    bool whole;
    int64_t *own = folder_times(r->world.dir, s->name, &n, &whole);
    for (uint32_t k = 0; k < n_times; k++) {
        text_rows rows = folder_rows(r->world.dir, s->name, times[k]);
        if (!s->ordered)
            text_rows_sort(&rows);
        found += found < n && own[found] == times[k];
        for (uint32_t i = 0; i < rows.n; i++)
            digest_text(r, rows.lines[i]);
        if (times[k] % s->slide_ms == 0)
            check_rows(r, s, times[k], &rows);
        else if (rows.n > 0)
            run_wrong(r->result, "stream %s has rows at %" PRId64 ", when it is not due", s->name,
                      times[k]);
        text_rows_free(&rows);
    }
    if (found != n || !whole)
        run_wrong(r->result, "stream %s: %u folders of %u are for a batch; all complete: %d",
                  s->name, found, n, whole);
    free(own);
}

/* One file has the rows of all batches, one after the other. */
static void check_file(run *r, const stream *s, const int64_t *times, uint32_t n_times)
{
    text_rows all = append_rows_of(r->world.dir, s->name);
    uint32_t at = 0;
    bool told_apart = true;
    for (uint32_t i = 0; i < all.n; i++)
        digest_text(r, all.lines[i]);
    for (uint32_t k = 0; k < n_times; k++) {
        if (times[k] % s->slide_ms != 0)
            continue;
        /* A window that lacks rows may lack keys: whose time the next row is nobody can tell. */
        told_apart = s->size_ms == 0 || !may_differ(r, s, times[k]);
        if (!told_apart)
            break;
        text_rows expected = world_expect(&r->world, s, r->zero_ms, times[k]);
        uint32_t n = expected.n < all.n - at ? expected.n : all.n - at;
        text_rows rows = {all.lines + at, n};
        at += n;
        if (!s->ordered)
            text_rows_sort(&rows);
        check_rows(r, s, times[k], &rows);
        text_rows_free(&expected);
    }
    /* A key that lost some of its rows may be there when it was to be removed. */
    bool differs = n_times > 0 && s->kind == KIND_STATE && may_differ(r, s, times[n_times - 1]);
    if (told_apart && at != all.n && !differs)
        run_wrong(r->result, "stream %s: %u rows in its file, %u expected", s->name, all.n, at);
    text_rows_free(&all);
}

static void check_folders(run *r)
{
    uint32_t n;
    bool whole;
    int64_t *times = folder_times(r->world.dir, "every", &n, &whole);
    r->zero_ms = n > 0 ? times[0] - INTERVAL_MS : 0;
    if (!whole || (n < r->world.n_batches && !r->stops))
        run_wrong(r->result, "%u batches, %u expected", n, r->world.n_batches);
    for (uint32_t i = 0; i < r->world.n_streams; i++) {
        const stream *s = &r->world.streams[i];
        if (s->append)
            check_file(r, s, times, n);
        else
            check_folder(r, s, times, n);
    }
    free(times);
}

static void check_end(run *r, ds_status status, const ds_error *error)
{
    const ds_sim_figures *figures = ds_sim_result(r->sim);
    run_result *result = r->result;
    result->crashes = figures->crashes;
    if (ds_sim_driver(r->sim) == NULL) {
        run_wrong(r->result, "no driver could go on: %s", error->message);
        return;
    }
    const ds_progress *progress = ds_driver_progress(ds_sim_driver(r->sim));
    result->events = figures->events;
    if (figures->stalled) /* whatever happened: once faults stop, it goes on */
        run_wrong(r->result, "%s", error->message);
    result->vanished = figures->vanished;
    result->launched = figures->launched;
    result->panes_lost = progress->panes_lost;
    result->retries = progress->retries;
    result->copies = progress->copies;
    result->never_started = status == DS_ERR_UNAVAILABLE && progress->batches == 0;
    if (result->never_started)
        return;
    /* Stopped before it could go on: what the driver before it had begun may be half done. */
    const bool half = r->stops && progress->batches == 0 &&
                      (status == DS_OK || strstr(error->message, "stopped before") != NULL);
    if (half)
        status = DS_OK;
    r->stops = r->stops && status == DS_OK;
    /* A task that so many executors had when they were lost is taken for the reason. */
    bool deadly = status != DS_OK &&
                  strstr(error->message, "executors were lost while they had a task") != NULL;
    if (status != DS_OK && progress->failed_batches == 0 && !deadly)
        run_wrong(r->result, "the app ended: %s", error->message);
    if (progress->failed_batches > 0 && !r->may_give_up && !deadly)
        run_wrong(r->result, "%" PRIu64 " batches were given up", progress->failed_batches);
    if (figures->leaked_bytes > 0 || figures->leaked_tasks > 0)
        run_wrong(r->result, "%" PRIu64 " bytes and %" PRIu64 " tasks were still held by executors",
                  figures->leaked_bytes, figures->leaked_tasks);
    if (progress->panes_lost > 0 && !r->may_lose)
        run_wrong(r->result, "%" PRIu64 " partitions lost what they kept", progress->panes_lost);
    if (r->files) {
        r->panes_lost = progress->panes_lost;
        r->lost_from_ms = INT64_MIN / 2;
        r->lost_to_ms = INT64_MAX / 2;
        if (progress->failed_batches == 0 && !half && !deadly)
            check_folders(r);
        return;
    }
    r->given_up = progress->failed_batches;
    if (r->stops || r->blind)
        return;
    if (r->newest_ms == INT64_MIN && progress->failed_batches == 0)
        run_wrong(r->result, "nothing was committed");
    if (r->newest_ms == INT64_MIN)
        return;
    int64_t last_ms = r->zero_ms + INTERVAL_MS * ((int64_t)r->world.n_batches + 20);
    if (status == DS_OK && !r->by_number)
        check_passed(r, r->newest_ms, last_ms);
}

void run_seed(uint64_t seed, FILE *trace, run_result *result)
{
    *result = (run_result){.good = true};
    run r = {.trace = trace, .result = result, .newest_ms = INT64_MIN};
    r.digest = XXH3_createState();
    XXH3_64bits_reset(r.digest);
    ds_random random;
    ds_random_init(&random, seed);
    r.files = chance(&random, 2);
    bool windows = !r.files || chance(&random, 2);
    world_make(&r.world, seed, windows, r.files, &random);
    if (r.files)
        snprintf(r.world.dir, sizeof r.world.dir, "%.100s/dstream-sim-%d-%" PRIu64,
                 getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp", (int)getpid(), seed);
    if (make_plan(&r)) {
        make_sim(&r, &random);
        ds_error error;
        ds_status status = ds_sim_run(r.sim, MOST_EVENTS, &error);
        check_end(&r, status, &error);
    }
    result->digest = XXH3_64bits_digest(r.digest);
    XXH3_freeState(r.digest);
    ds_sim_free(r.sim);
    if (r.files)
        folder_remove(r.world.dir);
    ds_plan_free(r.plan);
    ds_app_free(r.app);
    world_free(&r.world);
}
