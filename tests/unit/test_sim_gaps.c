/* Batch times that were missed: what is due in them is made up for, and the rest costs nothing. */
#include "sim/sim_app.h"

#include "unit/scratch_dir.h"
#include "unit/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define START INT64_C(1767225600000) /* midnight */
#define HOUR INT64_C(3600000)
#define MOST_OUTPUTS 20000

/* What a sink was given at a time. */
typedef struct output {
    int64_t time_ms;
    uint32_t sink;
    char *text;
} output;

typedef struct kit {
    ds_app *app;
    ds_plan *plan;
    ds_sim *sim;
    output *outputs;
    uint32_t n_outputs, n_commits;
    int64_t last_ms;
    ds_sim_piece pieces[8];
    uint32_t n_pieces;
    scratch_dir log;
    bool checkpoint, dies; /* dies: instead of a jump of the clock */
} kit;

static void on_committed(void *arg, const ds_commit *commit)
{
    kit *k = arg;
    k->n_commits++;
    ck_assert_int_gt(commit->batch_ms, k->last_ms);
    k->last_ms = commit->batch_ms;
    for (uint32_t i = 0; i < commit->n_bytes; i++) {
        const ds_output *bytes = &commit->bytes[i];
        const char *text = ds_sim_bytes(k->sim, &bytes->ref);
        ck_assert_ptr_nonnull(text);
        if (bytes->rows == 0)
            continue;
        ck_assert_uint_lt(k->n_outputs, MOST_OUTPUTS);
        char *copy = calloc(1, bytes->ref.length + 1);
        memcpy(copy, text, bytes->ref.length);
        k->outputs[k->n_outputs++] = (output){commit->batch_ms, bytes->target, copy};
    }
}

static uint32_t on_script(void *arg, uint32_t source, const ds_sim_piece **pieces)
{
    kit *k = arg;
    *pieces = k->pieces;
    return source == 0 ? k->n_pieces : 0;
}

static void add_piece(kit *k, int64_t at_ms, const char *lines)
{
    uint64_t records = 0;
    for (const char *c = lines; *c != '\0'; c++)
        records += *c == '\n';
    k->pieces[k->n_pieces++] = (ds_sim_piece){at_ms * 1000, lines, strlen(lines), records};
}

static void make(kit *k, const char *interval, const char *streams, const char *sinks)
{
    ds_error error;
    *k = (kit){.last_ms = INT64_MIN, .checkpoint = true};
    k->outputs = calloc(MOST_OUTPUTS, sizeof *k->outputs);
    char *text = NULL;
    ck_assert_int_gt(asprintf(&text,
                              "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"%s\"},"
                              "\"checkpoint\":{\"dir\":\"x\",\"every\":\"1s\"},"
                              "\"executors\":{\"count\":2,\"key_partitions\":3},"
                              "\"sources\":{\"s\":{\"type\":\"socket\",\"listen\":\"h:1\"}},"
                              "\"streams\":{%s},\"sinks\":{%s}}",
                              interval, streams, sinks),
                     0);
    ck_assert_msg(ds_app_from_canonical(text, strlen(text), &k->app, &error) == DS_OK, "%s",
                  error.message);
    free(text);
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    ck_assert_int_eq(ds_plan_new(k->app, NULL, diagnostics, &k->plan), DS_OK);
    ds_diagnostics_free(diagnostics);
}

/* Runs it until stop_ms (of the monotonic clock); at jump_ms the clock is set forwards. */
static void run(kit *k, int64_t jump_ms, int64_t by_ms, int64_t stop_ms)
{
    ds_sim_config config = {.plan = k->plan,
                            .seed = 5,
                            .start_ms = START,
                            .checkpoint = k->checkpoint,
                            .store_bytes = (uint64_t)8 << 20,
                            .credit_bytes = (uint64_t)1 << 20,
                            .hooks = {.arg = k, .committed = on_committed, .script = on_script}};
    add_piece(k, 1000 * HOUR, "end\n"); /* until then it does not end */
    scratch_open(&k->log);
    if (k->dies)
        config.log_folder = k->log.path;
    k->sim = ds_sim_new(&config);
    if (by_ms != 0 && k->dies)
        ds_sim_crash_at(k->sim, jump_ms * 1000, by_ms);
    else if (by_ms != 0)
        ds_sim_set_clock_at(k->sim, jump_ms * 1000, by_ms);
    ds_sim_stop_at(k->sim, stop_ms * 1000);
    ds_error error = {.message = ""};
    ck_assert_msg(ds_sim_run(k->sim, UINT64_C(20000000), &error) == DS_OK, "%s", error.message);
}

static void drop(kit *k)
{
    ds_sim_free(k->sim);
    scratch_close(&k->log);
    ds_plan_free(k->plan);
    ds_app_free(k->app);
    for (uint32_t i = 0; i < k->n_outputs; i++)
        free(k->outputs[i].text);
    free(k->outputs);
}

static int by_time(const void *x, const void *y)
{
    const output *a = x, *b = y;
    if (a->time_ms != b->time_ms)
        return a->time_ms < b->time_ms ? -1 : 1;
    return a->sink != b->sink ? (a->sink < b->sink ? -1 : 1) : strcmp(a->text, b->text);
}

/* The same rows at the same times. */
static void compare(kit *a, kit *b)
{
    qsort(a->outputs, a->n_outputs, sizeof *a->outputs, by_time);
    qsort(b->outputs, b->n_outputs, sizeof *b->outputs, by_time);
    for (uint32_t i = 0; i < a->n_outputs && i < b->n_outputs; i++) {
        ck_assert_msg(a->outputs[i].time_ms == b->outputs[i].time_ms,
                      "at %" PRId64 " and %" PRId64 ": %s%s", a->outputs[i].time_ms - START,
                      b->outputs[i].time_ms - START, a->outputs[i].text, b->outputs[i].text);
        ck_assert_uint_eq(a->outputs[i].sink, b->outputs[i].sink);
        ck_assert_str_eq(a->outputs[i].text, b->outputs[i].text);
    }
    ck_assert_uint_eq(a->n_outputs, b->n_outputs);
}

#define CONSOLE(name) "\"" name "\":{\"from\":\"" name "\",\"type\":\"console\"}"
#define WINDOW(name, size, slide)                                                                  \
    "\"" name "\":{\"from\":\"s\",\"window\":{\"size\":\"" size "\",\"slide\":\"" slide            \
    "\"},\"group_by\":[\"line\"],\"aggregate\":{\"n\":\"count()\",\"t\":\"window_end()\"},"        \
    "\"order_by\":\"line\"}"
#define STATE(name, more)                                                                          \
    "\"" name "\":{\"from\":\"s\",\"state\":{\"key\":[\"line\"],\"set\":{\"n\":"                   \
    "\"coalesce(state.n,0)+count()\"" more "},\"order_by\":\"line\"}"

static const char *const streams = WINDOW("w", "3s", "1s") "," WINDOW(
    "v", "700ms",
    "500ms") ","
             "\"chain\":{\"from\":\"w\",\"window\":\"4s\",\"group_by\":[\"line\"],"
             "\"aggregate\":{\"n\":\"sum(n)\"},\"order_by\":\"line\"},"
             "\"rows\":{\"from\":\"s\",\"window\":{\"size\":\"2s\",\"slide\":\"1s\"},\"order_by\":"
             "\"line\"}," STATE(
                 "timed",
                 ",\"gone\":\"timed_out()\"},\"timeout\":\"5s\"") ","
                                                                  "\"after\":{\"from\":\"timed\","
                                                                  "\"window\":{\"size\":\"2s\","
                                                                  "\"slide\":\"1s\"},"
                                                                  "\"aggregate\":{\"n\":\"sum(n)\"}"
                                                                  ",\"having\":\"n is not null\"}";
static const char *const sinks = CONSOLE("w") "," CONSOLE("v") "," CONSOLE("chain") "," CONSOLE(
    "rows") "," CONSOLE("timed") "," CONSOLE("after");

static void add_input(kit *k)
{
    add_piece(k, 120, "a\nb\na\n");
    add_piece(k, 430, "c\n");
    add_piece(k, 1210, "a\nd\n");
}

START_TEST(what_is_due_in_a_gap_is_made_up_for)
{
    kit whole, gap;
    make(&whole, "100ms", streams, sinks);
    add_input(&whole);
    add_piece(&whole, 31050, "a\nz\n");
    run(&whole, 0, 0, 45000);
    make(&gap, "100ms", streams, sinks);
    add_input(&gap);
    add_piece(&gap, 3050, "a\nz\n");
    run(&gap, 1500, 28000, 17000);
    ck_assert_uint_gt(whole.n_outputs, 20);
    compare(&whole, &gap);
    ck_assert_uint_lt(gap.n_commits, whole.n_commits);
    drop(&whole);
    drop(&gap);
}
END_TEST

/* Input at these times; those later than `from_ms` come later by by_ms. */
static void add_all(kit *k, int64_t from_ms, int64_t by_ms)
{
    static const int64_t at_ms[] = {120, 430, 1210, 3050};
    static const char *const lines[] = {"a\nb\na\n", "c\n", "a\nd\n", "a\nz\n"};
    for (int i = 0; i < 4; i++)
        add_piece(k, at_ms[i] > from_ms ? at_ms[i] + by_ms : at_ms[i], lines[i]);
}

/* The same when the driver was down meanwhile, whenever it died. */
START_TEST(what_is_due_while_it_is_down_is_made_up_for)
{
    static const int64_t crashes_ms[] = {250, 1050, 1550, 2240, 2260, 6250, 9950};
    for (size_t i = 0; i < sizeof crashes_ms / sizeof crashes_ms[0]; i++) {
        const int64_t crash_ms = crashes_ms[i], down_ms = i % 2 == 0 ? 28000 : 3700;
        kit whole, gap;
        make(&whole, "100ms", streams, sinks);
        add_all(&whole, crash_ms, down_ms);
        run(&whole, 0, 0, 17000 + down_ms);
        make(&gap, "100ms", streams, sinks);
        gap.dies = true;
        add_all(&gap, crash_ms, 0);
        run(&gap, crash_ms, down_ms, 17000);
        compare(&whole, &gap);
        drop(&whole);
        drop(&gap);
    }
}
END_TEST

START_TEST(eight_hours_cost_little)
{
    kit k;
    make(&k, "10ms", streams, sinks);
    add_input(&k);
    run(&k, 1500, 8 * HOUR, 3000);
    ck_assert_int_gt(k.last_ms, START + 8 * HOUR);
    /* Windows at 3 s / 1 s + 2 s, time-outs of four keys, what follows on them; three seconds of
     * batches every 10 ms that have states and windows due. */
    ck_assert_uint_lt(k.n_commits, 700);
    drop(&k);
}
END_TEST

START_TEST(eight_hours_without_anything)
{
    kit k;
    make(&k, "10ms", streams, sinks);
    run(&k, 1500, 8 * HOUR, 3000);
    ck_assert_uint_eq(k.n_outputs, 0);
    ck_assert_uint_lt(k.n_commits, 700);
    drop(&k);
}
END_TEST

/* Live state that is shown at every time is due at every time; forgotten keys are not. */
START_TEST(live_state_is_due_at_all_times)
{
    static const char *const all = STATE("all", "},\"timeout\":\"20s\",\"emit\":\"all\"") "," STATE(
        "base", "},\"timeout\":\"20s\"") ","
                                         "\"seen\":{\"from\":\"base\",\"snapshot\":true,\"order_"
                                         "by\":\"line\"}";
    kit whole, gap;
    make(&whole, "1s", all, CONSOLE("all") "," CONSOLE("seen"));
    add_input(&whole);
    run(&whole, 0, 0, 70000);
    make(&gap, "1s", all, CONSOLE("all") "," CONSOLE("seen"));
    add_input(&gap);
    run(&gap, 4500, 60000, 10000);
    ck_assert_uint_gt(whole.n_outputs, 40);
    compare(&whole, &gap);
    drop(&whole);
    drop(&gap);
    make(&gap, "1s", all, CONSOLE("all") "," CONSOLE("seen"));
    add_input(&gap);
    run(&gap, 4500, 1000 * HOUR, 10000);
    ck_assert_uint_lt(gap.n_commits, 50);
    drop(&gap);
}
END_TEST

/* A total has a row at each of its times, but not in a long gap. */
START_TEST(totals_of_nothing)
{
    static const char *const total = "\"t\":{\"from\":\"s\",\"aggregate\":{\"n\":\"count()\"}}";
    kit k;
    make(&k, "100ms", total, CONSOLE("t"));
    add_input(&k);
    run(&k, 1550, 9500, 3000);
    ck_assert_uint_eq(k.n_outputs, 124); /* up to 12.4 s: the stop leaves the next to a restart */
    drop(&k);
    make(&k, "100ms", total, CONSOLE("t"));
    add_input(&k);
    run(&k, 1550, 10 * HOUR, 3000);
    ck_assert_uint_le(k.n_outputs, 32);
    ck_assert_uint_gt(k.n_outputs, 28);
    drop(&k);
}
END_TEST

START_TEST(a_clock_that_is_set_back)
{
    kit k;
    make(&k, "100ms", streams, sinks);
    add_input(&k);
    add_piece(&k, 3050, "a\nz\n");
    run(&k, 1500, -5 * HOUR, 20000);
    ck_assert_int_gt(k.last_ms, START + 19000); /* it went on, batch by batch, without a pause */
    ck_assert_int_lt(k.last_ms, START + 21000);
    kit whole;
    make(&whole, "100ms", streams, sinks);
    add_input(&whole);
    add_piece(&whole, 3050, "a\nz\n");
    run(&whole, 0, 0, 20000);
    compare(&whole, &k);
    drop(&k);
    make(&k, "100ms", streams, sinks);
    run(&k, 3000, -2000, 6000); /* a little: it waits for the clock */
    ck_assert_int_le(k.last_ms, START + 4200);
    drop(&k);
    drop(&whole);
}
END_TEST

UNIT_MAIN("sim_gaps", what_is_due_in_a_gap_is_made_up_for,
          what_is_due_while_it_is_down_is_made_up_for, eight_hours_cost_little,
          eight_hours_without_anything, live_state_is_due_at_all_times, totals_of_nothing,
          a_clock_that_is_set_back)
