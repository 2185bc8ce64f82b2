/* The simulation itself: its queue, its processes, its disk, its receivers; same seed, same run. */
#include "base/files.h"
#include "sim/sim_app.h"
#include "sim/sim_queue.h"

#include "unit/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- the queue ---- */

typedef struct numbered {
    ds_sim_event event;
    int number;
} numbered;

static int n_dropped;

static void nothing(void *arg, ds_sim_event *event)
{
    (void)arg;
    (void)event;
}

static void drop(ds_sim_event *event)
{
    n_dropped++;
    free(event);
}

static void add(ds_sim_queue *queue, int64_t time_us, int number)
{
    numbered *n = calloc(1, sizeof *n);
    *n = (numbered){{.run = nothing, .drop = drop}, number};
    ds_sim_queue_add(queue, &n->event, time_us);
}

START_TEST(events_come_by_time_and_then_as_they_were_planned)
{
    ds_sim_queue queue = {0};
    n_dropped = 0;
    ck_assert_int_eq(ds_sim_queue_next_us(&queue), INT64_MAX);
    ck_assert_ptr_null(ds_sim_queue_take(&queue, 1000));
    for (int i = 0; i < 200; i++)
        add(&queue, (i * 37) % 20, i);
    int64_t time_us = -1;
    int number = -1;
    for (int i = 0; i < 200; i++) {
        ck_assert_ptr_null(ds_sim_queue_take(&queue, ds_sim_queue_next_us(&queue) - 1));
        ds_sim_event *event = ds_sim_queue_take(&queue, 1000);
        ck_assert_int_ge(event->time_us, time_us);
        if (event->time_us > time_us)
            number = -1;
        ck_assert_int_gt(((numbered *)event)->number, number);
        number = ((numbered *)event)->number;
        time_us = event->time_us;
        event->drop(event);
    }
    add(&queue, 5, 1);
    ds_sim_queue_fini(&queue);
    ck_assert_int_eq(n_dropped, 201);
}
END_TEST

/* ---- apps ---- */

#define MOST_COMMITS 64

typedef struct kit {
    ds_app *app;
    ds_plan *plan;
    ds_sim *sim;
    int64_t commits[MOST_COMMITS];
    uint32_t n_commits;
    uint64_t rows, bytes;
    ds_buffer trace;
    ds_sim_piece *pieces;
    uint32_t n_pieces, n_arrived;
    uint32_t n_lists;
    ds_listed_file files[2];
    ds_sim_config config;
} kit;

static void on_committed(void *arg, const ds_commit *commit)
{
    kit *k = arg;
    ck_assert_uint_lt(k->n_commits, MOST_COMMITS);
    k->commits[k->n_commits++] = commit->batch_ms;
    for (uint32_t i = 0; i < commit->n_bytes; i++) {
        ck_assert_ptr_nonnull(ds_sim_bytes(k->sim, &commit->bytes[i].ref));
        k->rows += commit->bytes[i].rows;
        k->bytes += commit->bytes[i].length;
    }
}

static uint32_t on_list(void *arg, uint32_t source, int64_t now_us, const ds_listed_file **files)
{
    kit *k = arg;
    (void)now_us;
    ck_assert_uint_eq(source, 0);
    k->n_lists++;
    *files = k->files;
    return 2;
}

static uint32_t on_script(void *arg, uint32_t source, const ds_sim_piece **pieces)
{
    kit *k = arg;
    *pieces = k->pieces;
    return source == 0 ? k->n_pieces : 0;
}

static void on_arrived(void *arg, uint32_t source, uint32_t piece)
{
    kit *k = arg;
    ck_assert_uint_eq(source, 0);
    ck_assert_uint_eq(piece, k->n_arrived);
    k->n_arrived++;
}

static void on_trace(void *arg, int64_t now_us, const char *line)
{
    kit *k = arg;
    ds_buffer_printf(&k->trace, "%" PRId64 " %s\n", now_us, line);
}

static void make(kit *k, const char *text)
{
    ds_error error;
    *k = (kit){0};
    ck_assert_msg(ds_app_from_canonical(text, strlen(text), &k->app, &error) == DS_OK, "%s",
                  error.message);
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    ck_assert_int_eq(ds_plan_new(k->app, NULL, diagnostics, &k->plan), DS_OK);
    ds_diagnostics_free(diagnostics);
    k->config = (ds_sim_config){.plan = k->plan,
                                .seed = 5,
                                .virtual_time = true,
                                .store_bytes = 1 << 20,
                                .credit_bytes = 1 << 20,
                                .hooks = {.arg = k,
                                          .committed = on_committed,
                                          .list = on_list,
                                          .script = on_script,
                                          .arrived = on_arrived,
                                          .trace = on_trace}};
}

static ds_status run(kit *k, ds_error *error)
{
    k->sim = ds_sim_new(&k->config);
    return ds_sim_run(k->sim, 100000, error);
}

static void stop(kit *k)
{
    ds_sim_free(k->sim);
    ds_plan_free(k->plan);
    ds_app_free(k->app);
    ds_buffer_fini(&k->trace);
}

#define APP(executors, sources, sinks)                                                             \
    "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"},"                               \
    "\"executors\":{\"count\":" executors ",\"cores\":2},\"sources\":{" sources "},\"sinks\":{"    \
    "\"out\":{\"from\":\"s\"," sinks "}}}"
#define QUEUE                                                                                      \
    "\"s\":{\"type\":\"queue\",\"schema\":{\"n\":\"int\"},\"batches\":[[{\"n\":1},{\"n\":2}],[],"  \
    "[{\"n\":3}]]}"
#define CONSOLE "\"type\":\"console\",\"format\":\"csv\""

START_TEST(without_faults_nothing_takes_time)
{
    kit k;
    make(&k, APP("3", QUEUE, CONSOLE));
    k.config.start_ms = 5000;
    ck_assert_int_eq(run(&k, NULL), DS_OK);
    const ds_sim_figures *figures = ds_sim_result(k.sim);
    ck_assert_uint_eq(k.n_commits, 2);
    ck_assert_int_eq(k.commits[0], 6000);
    ck_assert_int_eq(k.commits[1], 8000);
    ck_assert_uint_eq(k.rows, 3);
    ck_assert_uint_eq(k.bytes, 6);
    ck_assert_int_eq(figures->now_us, 0);
    ck_assert_uint_eq(figures->launched, 3);
    ck_assert_uint_eq(figures->stopped, 3);
    ck_assert_uint_eq(figures->leaked_bytes, 0);
    ck_assert_uint_eq(figures->leaked_tasks, 0);
    ck_assert_uint_eq(ds_driver_progress(ds_sim_driver(k.sim))->rows_in, 3);
    stop(&k);
}
END_TEST

START_TEST(a_number_of_batches_is_kept)
{
    kit k;
    make(&k, APP("1", QUEUE, CONSOLE));
    k.config.n_batches = 2;
    ck_assert_int_eq(run(&k, NULL), DS_OK);
    ck_assert_uint_eq(k.n_commits, 1);
    ck_assert_uint_eq(k.rows, 2);
    stop(&k);
}
END_TEST

START_TEST(the_clock_is_followed)
{
    kit k;
    make(&k, APP("1", QUEUE, CONSOLE));
    k.config.virtual_time = false;
    k.config.start_ms = 10400;
    ck_assert_int_eq(run(&k, NULL), DS_OK);
    ck_assert_int_eq(k.commits[0], 11000);
    ck_assert_int_eq(k.commits[1], 13000);
    ck_assert_int_eq(ds_sim_result(k.sim)->now_us, 2600000);
    stop(&k);
}
END_TEST

static const ds_sim_faults faults = {.net = {.delay_max_us = 5000, .duplicate = 0.1},
                                     .until_us = 5000000,
                                     .start_max_us = 10000,
                                     .task_max_us = 20000,
                                     .disk_max_us = 9000,
                                     .disk_fails = 0.1,
                                     .kill = 0.01};

START_TEST(the_same_seed_gives_the_same_run)
{
    kit k, again, other;
    make(&k, APP("3", QUEUE, CONSOLE));
    make(&again, APP("3", QUEUE, CONSOLE));
    make(&other, APP("3", QUEUE, CONSOLE));
    k.config.faults = again.config.faults = other.config.faults = faults;
    k.config.checkpoint = again.config.checkpoint = other.config.checkpoint = true;
    other.config.seed = 6;
    ck_assert_int_eq(run(&k, NULL), DS_OK);
    ck_assert_int_eq(run(&again, NULL), DS_OK);
    ck_assert_int_eq(run(&other, NULL), DS_OK);
    ck_assert_int_gt(ds_sim_result(k.sim)->now_us, 0);
    ck_assert_str_eq(ds_buffer_text(&k.trace), ds_buffer_text(&again.trace));
    ck_assert_str_ne(ds_buffer_text(&k.trace), ds_buffer_text(&other.trace));
    ck_assert_uint_eq(k.rows, 3);
    ck_assert_uint_eq(other.rows, 3);
    stop(&k);
    stop(&again);
    stop(&other);
}
END_TEST

START_TEST(executors_that_vanish_are_replaced)
{
    kit k;
    make(&k, APP("2", QUEUE, CONSOLE));
    k.config.virtual_time = false;
    k.config.faults = (ds_sim_faults){.until_us = 3000000, .kill = 0.05};
    ck_assert_int_eq(run(&k, NULL), DS_OK);
    const ds_sim_figures *figures = ds_sim_result(k.sim);
    ck_assert_uint_gt(figures->vanished, 0);
    ck_assert_uint_gt(figures->launched, 2);
    ck_assert_uint_eq(k.rows, 3);
    stop(&k);
}
END_TEST

/* Nobody tells: their heartbeat does. */
START_TEST(executors_that_hang_are_replaced)
{
    kit k;
    make(&k, APP("2", QUEUE, CONSOLE));
    k.config.virtual_time = false;
    k.config.faults = (ds_sim_faults){.until_us = 3000000, .hang = 0.2};
    ck_assert_int_eq(run(&k, NULL), DS_OK);
    const ds_sim_figures *figures = ds_sim_result(k.sim);
    ck_assert_uint_gt(figures->hung, 0);
    ck_assert_uint_eq(figures->vanished, 0);
    ck_assert_uint_gt(figures->launched, 2);
    ck_assert_uint_eq(k.rows, 3);
    stop(&k);
}
END_TEST

START_TEST(bytes_that_nobody_can_open_are_fetched)
{
    kit k;
    make(&k, APP("3", QUEUE, CONSOLE));
    k.config.remote = 1;
    ck_assert_int_eq(run(&k, NULL), DS_OK);
    ck_assert_uint_eq(k.rows, 3);
    ck_assert_uint_eq(ds_sim_result(k.sim)->leaked_bytes, 0);
    stop(&k);
}
END_TEST

START_TEST(what_never_ends_is_cut_off)
{
    kit k;
    ds_error error;
    make(&k, APP("1", "\"s\":{\"type\":\"stdin\"}", CONSOLE));
    k.config.virtual_time = false;
    k.pieces = (ds_sim_piece[]){{.at_us = INT64_MAX / 2, .bytes = "\n", .length = 1}};
    k.n_pieces = 1;
    ck_assert_int_eq(run(&k, &error), DS_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(error.message, "100000 events"));
    stop(&k);
}
END_TEST

START_TEST(a_stop_is_asked_for)
{
    kit k;
    make(&k, APP("1", "\"s\":{\"type\":\"rate\",\"rows_per_second\":10}", CONSOLE));
    k.config.virtual_time = false;
    k.sim = ds_sim_new(&k.config);
    ds_sim_stop_at(k.sim, 2500000);
    ck_assert_int_eq(ds_sim_run(k.sim, 100000, NULL), DS_OK);
    ck_assert_uint_eq(k.n_commits, 3);
    ck_assert_uint_eq(k.rows, 30);
    stop(&k);
}
END_TEST

/* ---- receivers ---- */

static void give_lines(kit *k, uint64_t credit_bytes)
{
    static ds_sim_piece pieces[] = {{.at_us = 100, .bytes = "a\nb\n", .length = 4, .records = 2},
                                    {.at_us = 100, .bytes = "c\n", .length = 2, .records = 1},
                                    {.at_us = 1500000, .bytes = "d\n", .length = 2, .records = 1}};
    make(k, APP("2", "\"s\":{\"type\":\"stdin\"}", CONSOLE));
    k->config.virtual_time = false;
    k->config.credit_bytes = credit_bytes;
    k->pieces = pieces;
    k->n_pieces = 3;
}

START_TEST(receivers_follow_their_script)
{
    kit k;
    give_lines(&k, 1 << 20);
    ck_assert_int_eq(run(&k, NULL), DS_OK);
    ck_assert_uint_eq(k.n_arrived, 3);
    ck_assert_uint_eq(k.n_commits, 2);
    ck_assert_uint_eq(k.rows, 4);
    ck_assert_int_eq(k.commits[0], 1000);
    ck_assert_int_eq(k.commits[1], 2000);
    ck_assert_uint_eq(ds_sim_result(k.sim)->leaked_bytes, 0);
    stop(&k);
}
END_TEST

START_TEST(receivers_wait_for_credit)
{
    kit k;
    give_lines(&k, 4);
    ck_assert_int_eq(run(&k, NULL), DS_OK);
    ck_assert_uint_eq(k.n_arrived, 3);
    ck_assert_uint_eq(k.rows, 4);
    ck_assert_uint_ge(k.n_commits, 2); /* the second piece waits for the first batch */
    ck_assert_int_eq(k.commits[1], 2000);
    stop(&k);
}
END_TEST

/* ---- files ---- */

typedef struct folder {
    char path[200];
    char app[1000];
} folder;

static void make_folder(folder *f)
{
    snprintf(f->path, sizeof f->path, "%.150s/sim-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(f->path));
}

static void write_file(const folder *f, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void remove_file(const folder *f, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    remove(path);
}

static void remove_output(const folder *f, int64_t time_ms)
{
    char name[64];
    snprintf(name, sizeof name, "out/%" PRId64 "/part-00000.json", time_ms);
    remove_file(f, name);
    snprintf(name, sizeof name, "out/%" PRId64 "/_SUCCESS", time_ms);
    remove_file(f, name);
    snprintf(name, sizeof name, "out/%" PRId64, time_ms);
    remove_file(f, name);
}

START_TEST(folders_are_listed_and_read)
{
    folder f;
    kit k;
    make_folder(&f);
    write_file(&f, "a", "one\ntwo\n");
    write_file(&f, "b", "three");
    snprintf(f.app, sizeof f.app, APP("2", "\"s\":{\"type\":\"files\",\"dir\":\"%s\"}", CONSOLE),
             f.path);
    make(&k, f.app);
    k.config.available_now = true;
    k.config.virtual_time = false;
    k.files[0] = (ds_listed_file){"a", 8};
    k.files[1] = (ds_listed_file){"b", 5};
    ck_assert_int_eq(run(&k, NULL), DS_OK);
    ck_assert_uint_eq(k.n_lists, 1);
    ck_assert_uint_eq(k.rows, 3);
    stop(&k);
    remove_file(&f, "a");
    remove_file(&f, "b");
    remove_file(&f, "");
}
END_TEST

static void check_output(const folder *f, int64_t time_ms, const char *expected)
{
    char path[300];
    ds_buffer text = {0};
    snprintf(path, sizeof path, "%s/out/%" PRId64 "/_SUCCESS", f->path, time_ms);
    ck_assert_int_eq(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/out/%" PRId64 "/part-00000.json", f->path, time_ms);
    ck_assert_int_eq(ds_read_file(path, 1000, &text, NULL), DS_OK);
    ck_assert_str_eq(ds_buffer_text(&text), expected);
    ds_buffer_fini(&text);
}

START_TEST(a_driver_that_dies_goes_on_from_its_journal)
{
    folder f;
    make_folder(&f);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        kit k;
        snprintf(f.app, sizeof f.app, APP("1", QUEUE, "\"type\":\"file\",\"dir\":\"%s/out\""),
                 f.path);
        make(&k, f.app);
        k.config.seed = seed;
        k.config.checkpoint = true;
        k.config.faults = (ds_sim_faults){.crash = 0.1, .most_crashes = 2, .disk_max_us = 1000};
        ck_assert_int_eq(run(&k, NULL), DS_OK);
        ck_assert_uint_le(ds_sim_result(k.sim)->crashes, 2);
        check_output(&f, 1000, "{\"n\":1}\n{\"n\":2}\n");
        check_output(&f, 3000, "{\"n\":3}\n");
        stop(&k);
        remove_output(&f, 1000);
        remove_output(&f, 3000);
    }
    remove_file(&f, "out/.dstream-x");
    remove_file(&f, "out");
    remove_file(&f, "");
    ck_assert_int_ne(access(f.path, F_OK), 0); /* nothing was left */
}
END_TEST

UNIT_MAIN("sim", events_come_by_time_and_then_as_they_were_planned,
          without_faults_nothing_takes_time, a_number_of_batches_is_kept, the_clock_is_followed,
          the_same_seed_gives_the_same_run, executors_that_vanish_are_replaced,
          executors_that_hang_are_replaced, bytes_that_nobody_can_open_are_fetched,
          what_never_ends_is_cut_off, a_stop_is_asked_for, receivers_follow_their_script,
          receivers_wait_for_credit, folders_are_listed_and_read,
          a_driver_that_dies_goes_on_from_its_journal)
