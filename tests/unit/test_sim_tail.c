/*
 * Growing files in the simulation: a writer appends and rotates at every look, the driver and its
 * executors die now and then, tasks and disks fail; each line is in the output once.
 */
#include "base/random.h"
#include "receiver/tail.h"
#include "sim/sim_app.h"

#include "unit/scratch_dir.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#define ROUNDS 40

typedef struct kit {
    scratch_dir d;
    char glob[300];
    ds_app *app;
    ds_plan *plan;
    ds_sim *sim;
    ds_random random;
    ds_tail *tail;
    uint64_t crashes; /* when tail was made: a driver that died holds nothing open */
    uint32_t written, looks;
} kit;

static void append_lines(kit *k)
{
    int fd = open(scratch_path(&k->d, "log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    ds_buffer text = {0};
    for (uint64_t n = ds_random_below(&k->random, 30); n > 0; n--)
        ds_buffer_printf(&text, "{\"n\":%u}\n", k->written++);
    ck_assert_int_eq(write(fd, text.data, text.length), (ssize_t)text.length);
    ds_buffer_fini(&text);
    close(fd);
}

static void rotate(kit *k)
{
    for (int i = ROUNDS; i > 0; i--) {
        char from[32], to[32];
        snprintf(to, sizeof to, "log.%d", i);
        snprintf(from, sizeof from, i > 1 ? "log.%d" : "log", i - 1);
        rename(scratch_path(&k->d, from), scratch_path(&k->d, to));
    }
}

static const ds_sightings *on_follow(void *arg, uint32_t source, int64_t now_us,
                                     const ds_follow_request *request)
{
    kit *k = arg;
    (void)source, (void)now_us;
    uint64_t crashes = ds_sim_result(k->sim)->crashes;
    if (k->tail == NULL || crashes != k->crashes) {
        ds_tail_free(k->tail);
        k->tail = ds_tail_new(k->glob, 1000);
        k->crashes = crashes;
    }
    if (k->looks++ < ROUNDS) {
        append_lines(k);
        if (ds_random_below(&k->random, 3) == 0)
            rotate(k);
        append_lines(k);
    }
    ds_follow_request all = *request;
    all.all = true;
    return ds_tail_look(k->tail, &all, now_us);
}

static void open_kit(kit *k, uint64_t seed)
{
    char text[1500];
    ds_error error;
    memset(k, 0, sizeof *k);
    scratch_open(&k->d);
    ds_random_init(&k->random, seed);
    snprintf(k->glob, sizeof k->glob, "%s/log*", k->d.path);
    snprintf(
        text, sizeof text,
        "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"},"
        "\"executors\":{\"count\":2,\"cores\":2},\"limits\":{\"block\":\"64B\",\"record\":\"64B\"},"
        "\"sources\":{\"s\":{\"type\":\"tail\",\"path\":\"%s\",\"format\":\"json\","
        "\"schema\":{\"n\":\"int\"}}},"
        "\"sinks\":{\"out\":{\"from\":\"s\",\"type\":\"append\",\"path\":\"%s/out\"}}}",
        k->glob, k->d.path);
    ck_assert_msg(ds_app_from_canonical(text, strlen(text), &k->app, &error) == DS_OK, "%s",
                  error.message);
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    ck_assert_int_eq(ds_plan_new(k->app, NULL, diagnostics, &k->plan), DS_OK);
    ds_diagnostics_free(diagnostics);
}

static void close_kit(kit *k)
{
    ds_sim_free(k->sim);
    ds_tail_free(k->tail);
    ds_plan_free(k->plan);
    ds_app_free(k->app);
    scratch_close(&k->d);
}

static void check_output(kit *k, uint64_t seed)
{
    uint8_t *came = calloc(k->written + 1, 1);
    uint32_t n = 0;
    char *text = k->written > 0 ? scratch_read(&k->d, "out", NULL) : NULL;
    for (char *line = text; line != NULL && *line != '\0'; n++) {
        unsigned long number = strtoul(line + strlen("{\"n\":"), NULL, 10);
        ck_assert_msg(number < k->written && came[number]++ == 0,
                      "seed %" PRIu64 ": line %lu twice", seed, number);
        line = strchr(line, '\n') + 1;
    }
    ck_assert_msg(n == k->written, "seed %" PRIu64 ": %u of %u lines", seed, n, k->written);
    free(text);
    free(came);
}

/* Returns how often the driver died. */
static uint64_t run_seed(uint64_t seed, ds_sim_faults faults)
{
    kit k;
    open_kit(&k, seed);
    const ds_sim_config config = {.plan = k.plan,
                                  .seed = seed,
                                  .checkpoint = true,
                                  .virtual_time = true,
                                  .n_batches = 3 * ROUNDS,
                                  .store_bytes = 1 << 20,
                                  .credit_bytes = 1 << 20,
                                  .faults = faults,
                                  .hooks = {.arg = &k, .follow = on_follow}};
    ds_error error;
    k.sim = ds_sim_new(&config);
    ck_assert_msg(ds_sim_run(k.sim, 1000000, &error) == DS_OK, "seed %" PRIu64 ": %s", seed,
                  error.message);
    ck_assert_uint_gt(k.looks, ROUNDS); /* all was written and looked at */
    const ds_progress *p = ds_driver_progress(ds_sim_driver(k.sim));
    ck_assert_uint_eq(p->bytes_lost, 0);
    ck_assert_uint_eq(p->sources[0].begun_again, 0);
    check_output(&k, seed);
    uint64_t crashes = ds_sim_result(k.sim)->crashes;
    close_kit(&k);
    return crashes;
}

START_TEST(each_line_once)
{
    for (uint64_t seed = 1; seed <= 5; seed++)
        run_seed(seed, (ds_sim_faults){0});
}
END_TEST

START_TEST(each_line_once_whoever_dies)
{
    const ds_sim_faults faults = {.crash = 0.003,
                                  .most_crashes = 4,
                                  .kill = 0.003,
                                  .task_fails = 0.02,
                                  .disk_fails = 0.02,
                                  .start_max_us = 50000,
                                  .task_max_us = 300000,
                                  .disk_max_us = 50000,
                                  .until_us = 60000000};
    uint64_t crashes = 0;
    for (uint64_t seed = 100; seed < 112; seed++)
        crashes += run_seed(seed, faults);
    ck_assert_uint_gt(crashes, 10);
}
END_TEST

UNIT_MAIN("sim_tail", each_line_once, each_line_once_whoever_dies)
