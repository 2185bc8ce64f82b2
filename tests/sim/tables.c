/*
 * Runs with a table whose file changes, vanishes, and comes to hold nonsense. The rows of version v
 * all say so. Whatever happens to executors: all rows of a batch are joined with one version,
 * whole, on whatever way the table is read (looked up as rows pass, shuffled, by itself), and no
 * batch uses an older version than the one before it.
 */
#include "base/memory.h"
#include "columnar/piece.h"
#include "dstream/plan.h"
#include "sim/folders.h"
#include "sim/run.h"
#include "sim/sim_app.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define MOST_EVENTS UINT64_C(3000000)
#define STORE_BYTES (UINT64_C(8) << 20)
#define MOST_VERSIONS 400u
#define KEYS 40u /* each stands in every batch once */
#define STREAMS 3u
#define IN_A_ROW 8u                   /* so many batches may be under way */
#define GOOD_FROM_US INT64_C(3500000) /* from then on the file is good */

typedef struct tabled {
    char dir[64], path[80], aside[80];
    ds_app *app;
    ds_plan *plan;
    ds_plan_options options;
    ds_sim *sim;
    FILE *trace;
    XXH3_state_t *digest;
    ds_random random;
    uint32_t rows[MOST_VERSIONS]; /* of each version */
    uint32_t n_versions;          /* written */
    bool remote;                  /* some executors have memory that nobody else can open */
    uint32_t seen[IN_A_ROW];      /* by the last batches, the last one first */
    int64_t change_us;            /* when the file changes next */
    int64_t newest_ms;
    run_result *result;
} tabled;

/* ---- the file ---- */

static void write_file(tabled *r, const char *text)
{
    FILE *file = fopen(r->aside, "we");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 ||
        rename(r->aside, r->path) != 0)
        run_wrong(r->result, "the table cannot be written");
}

static void write_version(tabled *r)
{
    if (r->n_versions == MOST_VERSIONS)
        return;
    uint32_t v = r->n_versions++;
    r->rows[v] = (uint32_t)ds_random_below(&r->random, 2 * KEYS);
    ds_buffer text = {0};
    for (uint32_t i = 0; i < r->rows[v]; i++)
        ds_buffer_printf(&text, "{\"id\":%u,\"v\":%u}\n", i, v);
    if (r->rows[v] > 0 && ds_random_below(&r->random, 4) == 0)
        ds_buffer_append_text(&text, "a bad record\n");
    write_file(r, ds_buffer_text(&text));
    ds_buffer_fini(&text);
}

static void change_file(tabled *r, int64_t now_us)
{
    bool good = now_us >= GOOD_FROM_US || ds_random_below(&r->random, 3) > 0;
    if (good)
        write_version(r);
    else if (ds_random_below(&r->random, 2) == 0)
        unlink(r->path);
    else
        write_file(r, "nonsense\nand more of it\n");
    r->change_us = now_us + 10000 + (int64_t)ds_random_below(&r->random, 300000);
    if (now_us >= GOOD_FROM_US)
        r->change_us = INT64_MAX;
}

static void on_trace(void *arg, int64_t now_us, const char *line)
{
    tabled *r = arg;
    XXH3_64bits_update(r->digest, &now_us, sizeof now_us);
    if (r->trace != NULL)
        fprintf(r->trace, "%10.6f  %s\n", (double)now_us / 1e6, line);
    if (now_us >= r->change_us)
        change_file(r, now_us);
}

/* ---- what comes out ---- */

/* What one stream says of the table: count(), min(v), max(v). */
typedef struct said {
    bool there, null;
    int64_t n, low, high;
} said;

static said read_figures(tabled *r, const ds_output *output)
{
    said f = {0};
    const char *bytes = ds_sim_bytes(r->sim, &output->ref);
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ds_column *columns[3] = {NULL};
    const ds_type types[3] = {DS_TYPE(DS_INT), DS_TYPE(DS_INT), DS_TYPE(DS_INT)};
    uint32_t n_rows = 0;
    ds_error error;
    if (bytes == NULL ||
        ds_piece_read(arena, &heap, bytes, output->ref.length, types, 3, columns, &n_rows,
                      &error) != DS_OK ||
        n_rows != 1)
        run_wrong(r->result, "rows of a commit cannot be read");
    else
        f = (said){true, ds_column_is_null(columns[1], 0), columns[0]->ints[0], columns[1]->ints[0],
                   columns[2]->ints[0]};
    ds_heap_fini(&heap);
    ds_arena_free(arena);
    return f;
}

/* How many rows each stream has with a version of so many rows. */
static uint32_t rows_of(uint32_t number, uint32_t rows)
{
    uint32_t met = rows < KEYS ? rows : KEYS;
    switch (number) {
    case 0: return rows;               /* the table by itself */
    case 1: return met;                /* looked up */
    default: return KEYS + rows - met; /* a full join */
    }
}

static void note_seen(tabled *r, uint32_t version)
{
    memmove(r->seen + 1, r->seen, sizeof r->seen - sizeof r->seen[0]);
    r->seen[0] = version;
}

/* Only bytes that no other process can open go with their executor, however that is lost. */
static bool may_lose_versions(const tabled *r)
{
    return r->remote && ds_driver_progress(ds_sim_driver(r->sim))->executors_lost > 0;
}

/* The version of the batch before, or one after it: the first that fits. Where the only copy of a
 * version was lost, batches are made again with the newest one, while those behind them may have
 * been done with theirs. */
static void check_batch(tabled *r, int64_t batch_ms, const said *streams)
{
    for (uint32_t s = 0; s < STREAMS; s++)
        if (!streams[s].there || (!streams[s].null && streams[s].low != streams[s].high)) {
            run_wrong(r->result, "batch %" PRId64 ", stream %u: versions %" PRId64 " to %" PRId64,
                      batch_ms, s, streams[s].low, streams[s].high);
            return;
        }
    uint32_t from = r->seen[0];
    for (uint32_t i = 1; i < IN_A_ROW && may_lose_versions(r); i++)
        from = r->seen[i] < from ? r->seen[i] : from;
    for (uint32_t v = from; v < r->n_versions; v++) {
        bool fits = true;
        for (uint32_t s = 0; s < STREAMS; s++)
            fits = fits && streams[s].n == rows_of(s, r->rows[v]) &&
                   (streams[s].null ? r->rows[v] == 0 : streams[s].low == v);
        if (fits) {
            note_seen(r, v);
            return;
        }
    }
    run_wrong(r->result,
              "batch %" PRId64 ": no version from %u to %u has %" PRId64 ", %" PRId64 ", %" PRId64
              " rows (it says %" PRId64 ")",
              batch_ms, from, r->n_versions, streams[0].n, streams[1].n, streams[2].n,
              streams[0].low);
}

static void on_committed(void *arg, const ds_commit *commit)
{
    tabled *r = arg;
    said streams[STREAMS] = {{0}};
    if (commit->batch_ms <= r->newest_ms)
        run_wrong(r->result, "batch %" PRId64 " was committed after batch %" PRId64,
                  commit->batch_ms, r->newest_ms);
    r->newest_ms = commit->batch_ms;
    for (uint32_t i = 0; i < commit->n_bytes; i++)
        streams[commit->bytes[i].target] = read_figures(r, &commit->bytes[i]);
    check_batch(r, commit->batch_ms, streams);
    XXH3_64bits_update(r->digest, r->seen, sizeof r->seen);
}

/* ---- the run ---- */

#define FIGURES "\"aggregate\":{\"n\":\"count()\",\"low\":\"min(v)\",\"high\":\"max(v)\"}"

static void make_plan(tabled *r)
{
    static const char *const tested[STREAMS] = {"alone", "looked", "shuffled"};
    ds_buffer text = {0};
    ds_buffer_printf(
        &text,
        "{\"version\":1,\"name\":\"tabled\",\"batch\":{\"interval\":\"100ms\"},"
        "\"executors\":{\"count\":%u,\"cores\":%u,\"key_partitions\":3},"
        "\"limits\":{\"record\":\"100B\",\"block\":\"%uB\"},\"sources\":{"
        "\"r\":{\"type\":\"rate\",\"rows_per_second\":400},"
        "\"t\":{\"type\":\"table\",\"path\":\"%s\",\"reload\":\"%ums\",\"format\":\"json\","
        "\"schema\":{\"id\":\"int\",\"v\":\"int\"}}},\"streams\":{"
        "\"k\":{\"from\":\"r\",\"select\":{\"k\":\"value %% %u\"}},"
        "\"u\":{\"from\":\"t\",\"where\":\"id >= 0\",\"select\":{\"id\":\"id\",\"v\":\"v + 0\"}},"
        "\"l\":{\"from\":\"k\",\"join\":{\"with\":\"u\",\"on\":{\"k\":\"id\"}}},"
        "\"f\":{\"from\":\"k\",\"join\":{\"with\":\"t\",\"on\":{\"k\":\"id\"},\"type\":\"full\"}},"
        "\"alone\":{\"from\":\"t\"," FIGURES "},\"looked\":{\"from\":\"l\"," FIGURES "},"
        "\"shuffled\":{\"from\":\"f\"," FIGURES "}}}",
        1 + (uint32_t)ds_random_below(&r->random, 4), 1 + (uint32_t)ds_random_below(&r->random, 2),
        100 + (uint32_t)ds_random_below(&r->random, 1000), r->path,
        5 + (uint32_t)ds_random_below(&r->random, 200), KEYS);
    ds_error error;
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    r->options = (ds_plan_options){.tested = tested, .n_tested = STREAMS, .testing = true};
    if (ds_app_from_canonical(text.data, text.length, &r->app, &error) != DS_OK)
        run_wrong(r->result, "%s", error.message);
    else if (ds_plan_new(r->app, &r->options, diagnostics, &r->plan) != DS_OK)
        run_wrong(r->result, "it does not plan");
    ds_diagnostics_free(diagnostics);
    ds_buffer_fini(&text);
}

static void make_sim(tabled *r)
{
    ds_random *random = &r->random;
    ds_sim_faults faults = run_faults(random);
    faults.task_fails = faults.crash = faults.crash_commit = 0;
    const ds_sim_config config = {
        .plan = r->plan,
        .plan_options = &r->options,
        .seed = ds_random_next(random),
        .start_ms = INT64_C(1767225600000) + (int64_t)ds_random_below(random, 1000),
        .checkpoint = ds_random_below(random, 2) == 0,
        .store_bytes = STORE_BYTES,
        .credit_bytes = STORE_BYTES,
        .remote = ds_random_below(random, 2) == 0 ? 0.5 : 0,
        .faults = faults,
        .hooks = {.arg = r, .committed = on_committed, .trace = on_trace}};
    r->remote = config.remote > 0;
    r->sim = ds_sim_new(&config);
    ds_sim_stop_at(r->sim, 500000 + (int64_t)ds_random_below(random, 4000000));
}

static void check_end(tabled *r, ds_status status, const ds_error *error)
{
    const ds_progress *progress = ds_driver_progress(ds_sim_driver(r->sim));
    const ds_sim_figures *figures = ds_sim_result(r->sim);
    r->result->events = figures->events;
    if (figures->stalled) /* whatever happened: once faults stop, it goes on */
        run_wrong(r->result, "%s", error->message);
    r->result->vanished = figures->vanished;
    r->result->launched = figures->launched;
    r->result->retries = progress->retries;
    r->result->copies = progress->copies;
    r->result->never_started = status != DS_OK && progress->batches == 0;
    if (status != DS_OK) {
        bool excused = r->result->never_started || progress->failed_batches > 0;
        if (!excused)
            run_wrong(r->result, "the app ended: %s", error->message);
        return;
    }
    if (figures->leaked_bytes > 0 || figures->leaked_tasks > 0)
        run_wrong(r->result, "%" PRIu64 " bytes and %" PRIu64 " tasks were still held by executors",
                  figures->leaked_bytes, figures->leaked_tasks);
}

static void make_files(tabled *r)
{
    folder_make(r->dir, sizeof r->dir);
    snprintf(r->path, sizeof r->path, "%s/table", r->dir);
    snprintf(r->aside, sizeof r->aside, "%s/aside", r->dir);
    write_version(r);
}

void run_tabled(uint64_t seed, FILE *trace, run_result *result)
{
    *result = (run_result){.good = true};
    tabled r = {.trace = trace, .result = result, .newest_ms = INT64_MIN, .change_us = 50000};
    r.digest = XXH3_createState();
    XXH3_64bits_reset(r.digest);
    ds_random_init(&r.random, seed);
    make_files(&r);
    make_plan(&r);
    if (r.plan != NULL) {
        ds_error error;
        make_sim(&r);
        ds_status status = ds_sim_run(r.sim, MOST_EVENTS, &error);
        check_end(&r, status, &error);
    }
    result->digest = XXH3_64bits_digest(r.digest);
    XXH3_freeState(r.digest);
    ds_sim_free(r.sim);
    ds_plan_free(r.plan);
    ds_app_free(r.app);
    folder_remove(r.dir);
}
