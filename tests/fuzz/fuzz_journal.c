/*
 * Metadata files that are not what they should be: the bytes are lines of a journal whose checksums
 * are made right, so that what stands behind them is looked at, too. A driver goes on from what can
 * be read, as far as it gets by itself.
 */
#include "base/assert.h"
#include "base/buffer.h"
#include "base/log.h"
#include "scheduler/driver.h"
#include "scheduler/journal.h"

#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char app_text[] =
    "{\"version\":1,\"name\":\"x\",\"batch\":{\"interval\":\"1s\"},\"checkpoint\":{\"dir\":\"s\"},"
    "\"executors\":{\"key_partitions\":2},\"sources\":{"
    "\"f\":{\"type\":\"files\",\"dir\":\"in\"},"
    "\"l\":{\"type\":\"tail\",\"path\":\"in/*\"},"
    "\"q\":{\"type\":\"queue\",\"schema\":{\"n\":\"int\"},\"batches\":[[],[{\"n\":1}]]},"
    "\"r\":{\"type\":\"rate\",\"rows_per_second\":10},"
    "\"s\":{\"type\":\"socket\",\"listen\":\"127.0.0.1:1\"},"
    "\"t\":{\"type\":\"table\",\"path\":\"t.csv\",\"format\":\"csv\","
    "\"schema\":{\"line\":\"string\",\"v\":\"int\"}}},"
    "\"streams\":{\"j\":{\"from\":\"s\",\"join\":{\"with\":\"t\",\"on\":[\"line\"]}},"
    "\"w\":{\"from\":\"f\",\"window\":{\"size\":\"5s\",\"slide\":\"1s\"},\"group_by\":[\"line\"],"
    "\"aggregate\":{\"n\":\"count()\"}},"
    "\"z\":{\"from\":\"l\",\"state\":{\"key\":[\"line\"],"
    "\"set\":{\"n\":\"coalesce(state.n,0)+count()\"}}}},"
    "\"sinks\":{\"a\":{\"from\":\"w\",\"type\":\"file\",\"dir\":\"out\"},"
    "\"b\":{\"from\":\"z\",\"type\":\"append\",\"path\":\"z.txt\"},"
    "\"c\":{\"from\":\"j\",\"type\":\"console\"},\"d\":{\"from\":\"q\",\"type\":\"console\"},"
    "\"e\":{\"from\":\"r\",\"type\":\"console\"}}}";

static ds_plan *plan_of_app(void)
{
    static ds_plan *plan;
    if (plan != NULL)
        return plan;
    ds_log_setup(DS_LOG_OFF, false, "fuzz");
    ds_app *app;
    ds_error error;
    DS_ASSERT(ds_app_from_canonical(app_text, strlen(app_text), &app, &error) == DS_OK);
    ds_diagnostics *diagnostics = ds_diagnostics_new(NULL);
    DS_ASSERT(ds_plan_new(app, NULL, diagnostics, &plan) == DS_OK);
    ds_diagnostics_free(diagnostics);
    return plan;
}

/* Adds a line; an object gets the checksum that it should have. */
static void add_line(ds_buffer *text, const char *line, size_t length)
{
    if (length < 2 || line[length - 1] != '}') {
        ds_buffer_append(text, line, length);
    } else {
        ds_buffer_append(text, line, length - 1);
        ds_buffer_printf(text, ",\"check\":\"%016" PRIx64 "\"}",
                         (uint64_t)XXH3_64bits(line, length - 1));
    }
    ds_buffer_append_char(text, '\n');
}

/* ---- a driver that does nothing ---- */

static void no_launch(void *arg, uint64_t id, const uint8_t *token)
{
    (void)arg, (void)id, (void)token;
}

static void no_journal(void *arg, const char *line, size_t length, bool whole, bool sync,
                       uint64_t ticket)
{
    (void)arg, (void)line, (void)length, (void)whole, (void)sync, (void)ticket;
}

static void no_commit(void *arg, const ds_commit *commit)
{
    (void)arg, (void)commit;
}

static void no_progress(void *arg, const ds_progress *progress)
{
    (void)arg, (void)progress;
}

static void no_end(void *arg, ds_status status, const char *message)
{
    (void)arg, (void)status, (void)message;
}

static void go_on(const ds_plan *plan, const ds_recovered *recovered)
{
    const ds_driver_config config = {.plan = plan,
                                     .epoch = 1,
                                     .checkpoint = true,
                                     .saves = true,
                                     .kept_folder = "s/kept",
                                     .recovered = recovered};
    const ds_driver_ports ports = {.launch = no_launch,
                                   .journal = no_journal,
                                   .commit = no_commit,
                                   .progress = no_progress,
                                   .end = no_end};
    ds_driver *driver = ds_driver_new(&config, &ports);
    const ds_driver_event started = {.kind = DS_DRIVER_STARTED, .text = ""};
    ds_driver_step(driver, &started);
    ds_driver_check(driver);
    ds_driver_free(driver);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ds_plan *plan = plan_of_app();
    ds_buffer text = {0};
    const char *at = (const char *)data, *end = at + size;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        add_line(&text, at, (size_t)((stop == NULL ? end : stop) - at));
        at = stop == NULL ? end : stop + 1;
    }
    ds_recovered *recovered = NULL;
    ds_error error;
    if (text.length > 0 &&
        ds_journal_read("1.jsonl", text.data, text.length, plan, &recovered, &error) == DS_OK &&
        ds_recovered_check(recovered, plan, "s", &error) == DS_OK)
        go_on(plan, recovered);
    ds_recovered_free(recovered);
    ds_buffer_fini(&text);
    return 0;
}
