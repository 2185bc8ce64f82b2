/*
 * Runs with a source that is received. Whatever happens, every record of every block that came
 * to the driver is in some batch, once; or the driver says how many records of blocks were
 * lost with the executor that held them. What a receiver had read and could not report is
 * nobody's.
 *
 * In some runs a second executor is to hold what was received: then nothing is lost that it holds,
 * unless it is said that a block had one holder only.
 *
 * In half of the runs there is a log of what is received, and the driver dies, too: then every
 * record of every block that was in the log is in a batch, once, whoever dies. A batch that was
 * committed may be committed again, and is the same then. Some of these runs count the words of all
 * batches in a state, too: the counts must be those of what was committed.
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
#include <xxhash.h>

#define MOST_PIECES 60u
#define WORDS 5u
#define MOST_EVENTS UINT64_C(3000000)
#define MOST_COMMITS 2000u
#define STATE                                                                                      \
    ",\"t\":{\"from\":\"s\",\"flat_map\":{\"w\":\"split(line)\"},\"state\":{\"key\":[\"w\"],"      \
    "\"set\":{\"n\":\"coalesce(state.n,0)+count()\"}}}"
#define STORE_BYTES (UINT64_C(8) << 20)

/* What came of a batch. */
typedef struct committed {
    int64_t batch_ms;
    uint64_t records, counts[WORDS];
    uint64_t totals[WORDS]; /* of the words so far, if they were emitted */
} committed;

typedef struct received {
    ds_app *app;
    ds_plan *plan;
    ds_plan_options options;
    ds_sim *sim;
    FILE *trace;
    XXH3_state_t *digest;
    ds_buffer text; /* of all pieces */
    ds_sim_piece pieces[MOST_PIECES];
    uint64_t words[MOST_PIECES][WORDS]; /* how often each stands in a piece */
    uint32_t n_pieces;
    bool arrived[MOST_PIECES];
    bool logged, stateful, stops, replicated;
    char folder[64];
    committed batches[MOST_COMMITS]; /* in the order of time */
    uint32_t n_batches;
    committed now; /* the batch that is being read */
    run_result *result;
} received;

/* ---- what is sent ---- */

static void make_piece(received *r, ds_sim_piece *piece, uint64_t *words, ds_random *random)
{
    piece->records = 1 + ds_random_below(random, 40);
    size_t before = r->text.length;
    for (uint64_t i = 0; i < piece->records; i++) {
        uint64_t n = ds_random_below(random, 4);
        for (uint64_t w = 0; w < n; w++) {
            uint64_t word = ds_random_below(random, WORDS);
            ds_buffer_printf(&r->text, "w%" PRIu64 " ", word);
            words[word]++;
        }
        ds_buffer_append_char(&r->text, '\n');
    }
    piece->length = r->text.length - before;
}

static void make_pieces(received *r, ds_random *random)
{
    int64_t at_us = 0;
    r->n_pieces = 1 + (uint32_t)ds_random_below(random, MOST_PIECES);
    for (uint32_t i = 0; i < r->n_pieces; i++) {
        at_us += (int64_t)ds_random_below(random, 60000);
        r->pieces[i].at_us = at_us;
        make_piece(r, &r->pieces[i], r->words[i], random);
    }
    const char *bytes = r->text.data;
    for (uint32_t i = 0; i < r->n_pieces; bytes += r->pieces[i++].length)
        r->pieces[i].bytes = bytes;
}

static uint32_t on_script(void *arg, uint32_t source, const ds_sim_piece **pieces)
{
    received *r = arg;
    *pieces = r->pieces;
    return source == 0 ? r->n_pieces : 0;
}

static void on_arrived(void *arg, uint32_t source, uint32_t piece)
{
    received *r = arg;
    if (source != 0 || r->arrived[piece])
        run_wrong(r->result, "piece %u of source %u arrived twice", piece, source);
    r->arrived[piece] = true;
}

/* ---- what comes out ---- */

static void count_rows(received *r, uint32_t tested, const ds_column *const *columns,
                       const ds_heap *heap, uint32_t n_rows)
{
    for (uint32_t i = 0; i < n_rows; i++) {
        if (tested == 0) {
            r->now.records += (uint64_t)columns[0]->ints[i];
            continue;
        }
        const char *word = ds_view_bytes(heap, &columns[0]->views[i]);
        uint64_t *to = tested == 1 ? r->now.counts : r->now.totals;
        to[word[1] - '0'] += (uint64_t)columns[1]->ints[i];
    }
}

static void read_piece(received *r, const ds_output *output)
{
    const ds_schema *schema = ds_plan_find(r->plan, r->options.tested[output->target])->schema;
    const char *bytes = ds_sim_bytes(r->sim, &output->ref);
    ds_arena *arena = ds_arena_new(NULL);
    ds_heap heap;
    ds_heap_init(&heap, arena);
    ds_column *columns[2] = {NULL};
    ds_type types[2];
    uint32_t n_rows = 0;
    ds_error error;
    for (uint32_t c = 0; c < schema->n_fields; c++)
        types[c] = schema->fields[c].type;
    if (bytes == NULL || ds_piece_read(arena, &heap, bytes, output->ref.length, types,
                                       schema->n_fields, columns, &n_rows, &error) != DS_OK)
        run_wrong(r->result, "rows of a commit cannot be read");
    else
        count_rows(r, output->target, (const ds_column *const *)columns, &heap, n_rows);
    ds_heap_fini(&heap);
    ds_arena_free(arena);
}

static bool same(const committed *a, const committed *b)
{
    bool equal = a->records == b->records;
    for (uint32_t w = 0; w < WORDS; w++)
        equal = equal && a->counts[w] == b->counts[w] && a->totals[w] == b->totals[w];
    return equal;
}

/* After a crash of the driver the newest batches may come once more. */
static void note_batch(received *r)
{
    for (uint32_t i = 0; i < r->n_batches; i++) {
        if (r->batches[i].batch_ms != r->now.batch_ms)
            continue;
        if (ds_sim_result(r->sim)->crashes == 0 || !same(&r->batches[i], &r->now))
            run_wrong(r->result, "batch %" PRId64 " was committed twice", r->now.batch_ms);
        return;
    }
    if (r->n_batches > 0 && r->now.batch_ms < r->batches[r->n_batches - 1].batch_ms)
        run_wrong(r->result, "batch %" PRId64 " was committed after batch %" PRId64,
                  r->now.batch_ms, r->batches[r->n_batches - 1].batch_ms);
    if (r->n_batches == MOST_COMMITS)
        run_wrong(r->result, "there are too many batches");
    else
        r->batches[r->n_batches++] = r->now;
}

static void on_committed(void *arg, const ds_commit *commit)
{
    received *r = arg;
    r->now = (committed){.batch_ms = commit->batch_ms};
    for (uint32_t i = 0; i < commit->n_bytes; i++)
        read_piece(r, &commit->bytes[i]);
    note_batch(r);
    XXH3_64bits_update(r->digest, &r->now, sizeof r->now);
}

/* What the state says after each batch. */
static void check_totals(received *r)
{
    uint64_t sums[WORDS] = {0};
    for (uint32_t i = 0; i < r->n_batches && r->stateful; i++)
        for (uint32_t w = 0; w < WORDS; w++) {
            const committed *batch = &r->batches[i];
            sums[w] += batch->counts[w];
            if (batch->totals[w] != (batch->counts[w] > 0 ? sums[w] : 0))
                run_wrong(r->result,
                          "batch %" PRId64 ": word %u came %" PRIu64
                          " times, its state says %" PRIu64,
                          batch->batch_ms, w, sums[w], batch->totals[w]);
        }
}

static committed total(const received *r)
{
    committed sum = {0};
    for (uint32_t i = 0; i < r->n_batches; i++) {
        sum.records += r->batches[i].records;
        for (uint32_t w = 0; w < WORDS; w++)
            sum.counts[w] += r->batches[i].counts[w];
    }
    return sum;
}

static void on_trace(void *arg, int64_t now_us, const char *line)
{
    received *r = arg;
    XXH3_64bits_update(r->digest, &now_us, sizeof now_us);
    if (r->trace != NULL)
        fprintf(r->trace, "%10.6f  %s\n", (double)now_us / 1e6, line);
}

/* ---- the run ---- */

static void make_plan(received *r, ds_random *random)
{
    static const char *const tested[] = {"n", "w", "t"};
    ds_buffer text = {0};
    ds_buffer_printf(
        &text,
        "{\"version\":1,\"name\":\"received\",\"batch\":{\"interval\":\"100ms\"},"
        "%s%s\"executors\":{\"count\":%u,\"cores\":%u,\"key_partitions\":3,"
        "\"speculation\":{\"interval\":\"10ms\",\"min_runtime\":\"20ms\",\"quantile\":0.3}},"
        "\"limits\":{\"record\":\"100B\",\"block\":\"%uB\"},"
        "\"sources\":{\"s\":{\"type\":\"socket\",\"connect\":\"127.0.0.1:1\"%s}},\"streams\":{"
        "\"n\":{\"from\":\"s\",\"aggregate\":{\"n\":\"count()\"}},"
        "\"w\":{\"from\":\"s\",\"flat_map\":{\"w\":\"split(line)\"},\"group_by\":[\"w\"],"
        "\"aggregate\":{\"n\":\"count()\"}}%s}}",
        r->logged ? "\"checkpoint\":{\"dir\":\"x\",\"every\":\"300ms\"}," : "",
        ds_random_below(random, 2) == 0 ? "\"backpressure\":{\"min_rate\":1}," : "",
        (r->replicated ? 2 : 1) + (uint32_t)ds_random_below(random, 4),
        1 + (uint32_t)ds_random_below(random, 2), 1000 + (uint32_t)ds_random_below(random, 3000),
        r->replicated ? ",\"replicas\":2" : "", r->stateful ? STATE : "");
    ds_error error;
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    r->options =
        (ds_plan_options){.tested = tested, .n_tested = r->stateful ? 3 : 2, .testing = true};
    if (ds_app_from_canonical(text.data, text.length, &r->app, &error) != DS_OK)
        run_wrong(r->result, "%s", error.message);
    else if (ds_plan_new(r->app, &r->options, diagnostics, &r->plan) != DS_OK)
        run_wrong(r->result, "it does not plan");
    ds_diagnostics_free(diagnostics);
    ds_buffer_fini(&text);
}

/* Of executors whose memory nobody else can hold. */
static double remote_share(const received *r, ds_random *random)
{
    if (r->replicated)
        return ds_random_below(random, 3) == 0 ? 0.7 : 1;
    return ds_random_below(random, 3) == 0 ? 0.5 : 0;
}

static void make_sim(received *r, ds_random *random)
{
    static const uint64_t credits[] = {200, 5000, 1000000};
    ds_sim_faults faults = run_faults(random);
    faults.task_fails = 0;
    if (!r->logged)
        faults.crash = faults.crash_commit = 0;
    const ds_sim_config config = {.plan = r->plan,
                                  .plan_options = &r->options,
                                  .seed = ds_random_next(random),
                                  .start_ms = INT64_C(1767225600000) +
                                              (int64_t)ds_random_below(random, 1000),
                                  .checkpoint = ds_random_below(random, 2) == 0 || r->logged,
                                  .log_folder = r->logged ? r->folder : NULL,
                                  .store_bytes = STORE_BYTES,
                                  .credit_bytes = credits[ds_random_below(random, 3)],
                                  .remote = remote_share(r, random),
                                  .faults = faults,
                                  .hooks = {.arg = r,
                                            .committed = on_committed,
                                            .script = on_script,
                                            .arrived = on_arrived,
                                            .trace = on_trace}};
    r->sim = ds_sim_new(&config);
    r->stops = ds_random_below(random, 3) == 0;
    if (r->stops)
        ds_sim_stop_at(r->sim, (int64_t)ds_random_below(random, 3000000));
}

static void check(received *r, ds_status status, const ds_error *error)
{
    const ds_progress *progress = ds_driver_progress(ds_sim_driver(r->sim));
    const ds_sim_figures *figures = ds_sim_result(r->sim);
    r->result->events = figures->events;
    if (figures->stalled) /* whatever happened: once faults stop, it goes on */
        run_wrong(r->result, "%s", error->message);
    r->result->vanished = figures->vanished;
    r->result->crashes = figures->crashes;
    r->result->launched = figures->launched;
    r->result->retries = progress->retries;
    r->result->copies = progress->copies;
    r->result->never_started = status == DS_ERR_UNAVAILABLE && progress->batches == 0;
    /* A stop before the first batch leaves what is in the log to the next start, and may say so. */
    const bool left = r->stops && figures->crashes > 0 && progress->batches == 0;
    if (left && status != DS_OK && strstr(error->message, "stopped before") != NULL)
        status = DS_OK;
    if (status != DS_OK) {
        if (!r->result->never_started && progress->failed_batches == 0)
            run_wrong(r->result, "the app ended: %s", error->message);
        return;
    }
    if (figures->leaked_bytes > 0 || figures->leaked_tasks > 0)
        run_wrong(r->result, "%" PRIu64 " bytes and %" PRIu64 " tasks were still held by executors",
                  figures->leaked_bytes, figures->leaked_tasks);
    uint64_t records = 0, counts[WORDS] = {0};
    for (uint32_t i = 0; i < r->n_pieces; i++) {
        records += r->arrived[i] ? r->pieces[i].records : 0;
        for (uint32_t w = 0; w < WORDS; w++)
            counts[w] += r->arrived[i] ? r->words[i][w] : 0;
    }
    const committed all = total(r);
    check_totals(r);
    if (r->replicated &&
        progress->blocks_lost > progress->blocks_lost_unsafe + progress->blocks_single)
        run_wrong(r->result,
                  "%" PRIu64 " blocks were lost, %" PRIu64
                  " before two processes held them, %" PRIu64 " had one holder for a time",
                  progress->blocks_lost, progress->blocks_lost_unsafe, progress->blocks_single);
    if (r->logged && progress->records_lost > 0)
        run_wrong(r->result, "%" PRIu64 " records of the log were lost", progress->records_lost);
    /* One stream may have read what another one had to read again and could not. */
    if (all.records > records || (!left && all.records + progress->records_lost < records))
        run_wrong(r->result,
                  "%" PRIu64 " records came to the driver, %" PRIu64 " were committed and %" PRIu64
                  " lost",
                  records, all.records, progress->records_lost);
    for (uint32_t w = 0; w < WORDS; w++)
        if (all.counts[w] > counts[w] ||
            (!left && progress->records_lost == 0 && all.counts[w] < counts[w]))
            run_wrong(r->result, "word %u: %" PRIu64 " committed, %" PRIu64 " came", w,
                      all.counts[w], counts[w]);
}

void run_received(uint64_t seed, FILE *trace, run_result *result)
{
    *result = (run_result){.good = true};
    received r = {.trace = trace, .result = result};
    r.digest = XXH3_createState();
    XXH3_64bits_reset(r.digest);
    ds_random random;
    ds_random_init(&random, seed);
    r.logged = ds_random_below(&random, 2) == 0;
    r.stateful = r.logged && ds_random_below(&random, 2) == 0;
    r.replicated = ds_random_below(&random, 2) == 0;
    if (r.logged)
        folder_make(r.folder, sizeof r.folder);
    make_pieces(&r, &random);
    make_plan(&r, &random);
    if (r.plan != NULL) {
        ds_error error;
        make_sim(&r, &random);
        ds_status status = ds_sim_run(r.sim, MOST_EVENTS, &error);
        check(&r, status, &error);
    }
    result->digest = XXH3_64bits_digest(r.digest);
    XXH3_freeState(r.digest);
    ds_sim_free(r.sim);
    if (r.logged)
        folder_remove(r.folder);
    ds_plan_free(r.plan);
    ds_app_free(r.app);
    ds_buffer_fini(&r.text);
}
