/* What the driver does about tables (tables.h): loads, and versions that come of them. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>
#include <stdio.h>

#define MOST_LOSSES 4u                    /* executors lost in a row while they read a table */
#define CHANGES_WAIT_US INT64_C(10000000) /* at the start, for a file that changes meanwhile */

void ds_driver_make_tables(ds_driver *d)
{
    DS_ASSERT(d->tables == NULL && d->n_tables == 0);
    d->tables = ds_calloc(d->n_intakes, sizeof *d->tables);
    for (uint32_t i = 0; i < d->n_intakes; i++)
        if (d->intakes[i].needed && d->intakes[i].source->type == DS_SOURCE_TABLE)
            d->tables[d->n_tables++] = (ds_table){.source = i,
                                                  .of = d->intakes[i].source,
                                                  .next = d->intakes[i].next + 1,
                                                  .shown_us = INT64_MIN / 2};
}

ds_table *ds_driver_table_of(const ds_driver *d, uint32_t source)
{
    for (uint32_t i = 0; i < d->n_tables; i++)
        if (d->tables[i].source == source)
            return &d->tables[i];
    return NULL;
}

bool ds_driver_tables_ready(const ds_driver *d)
{
    for (uint32_t i = 0; i < d->n_tables; i++)
        if (d->tables[i].n_versions == 0)
            return false;
    return true;
}

/* Whether there is something to give to a batch. */
static bool is_usable(const ds_table *table)
{
    const ds_table_version *newest = ds_table_newest(table);
    return newest != NULL && !newest->gone;
}

uint64_t ds_driver_table_bytes(const ds_driver *d)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < d->n_tables; i++)
        for (uint32_t v = 0; v < d->tables[i].n_versions; v++)
            bytes += d->tables[i].versions[v].bytes;
    return bytes;
}

bool ds_driver_table_lies_in(const ds_driver *d, uint64_t executor_id)
{
    for (uint32_t i = 0; i < d->n_tables; i++)
        for (uint32_t v = 0; v < d->tables[i].n_versions; v++)
            if (d->tables[i].versions[v].executor_id == executor_id)
                return true;
    return false;
}

/* ---- messages ---- */

static void tell(ds_driver *d, const ds_executor_entry *to, const ds_table *table,
                 const ds_table_version *version)
{
    DS_ASSERT(!version->gone && version->number < table->next);
    ds_message message = {.type = DS_MSG_TABLE};
    message.table = (ds_msg_table){.plan_id = 1,
                                   .source = table->source,
                                   .version = version->number,
                                   .inputs = version->inputs,
                                   .n_inputs = version->n_inputs};
    ds_driver_send(d, to, &message);
}

void ds_driver_tell_tables(ds_driver *d, const ds_executor_entry *to)
{
    for (uint32_t i = 0; i < d->n_tables; i++)
        for (uint32_t v = 0; v < d->tables[i].n_versions; v++)
            if (!d->tables[i].versions[v].gone)
                tell(d, to, &d->tables[i], &d->tables[i].versions[v]);
}

/* Those that have the plan. Others are told when they have it. */
static bool listens(const ds_executor_entry *entry)
{
    return entry->peer != 0 && entry->state == DS_EXECUTOR_READY;
}

static void tell_all(ds_driver *d, const ds_table *table, const ds_table_version *version)
{
    for (size_t i = 0; i < d->registry.n; i++)
        if (listens(d->registry.list[i]))
            tell(d, d->registry.list[i], table, version);
}

static void tell_dropped(ds_driver *d, const ds_table *table, uint64_t version)
{
    for (size_t i = 0; i < d->registry.n; i++) {
        if (!listens(d->registry.list[i]))
            continue;
        ds_message message = {.type = DS_MSG_TABLE_DROP};
        message.table_drop = (ds_msg_table_drop){1, table->source, version};
        ds_driver_send(d, d->registry.list[i], &message);
    }
}

/* ---- loads ---- */

/* The file is on the driver's host: one of its own executors reads it, if it has any. */
static ds_executor_entry *place_load(const ds_driver *d)
{
    ds_executor_entry *best = NULL;
    for (size_t i = 0; i < d->registry.n; i++) {
        ds_executor_entry *entry = d->registry.list[i];
        if (entry->state != DS_EXECUTOR_READY ||
            (!entry->local && d->plan->app->executors_count > 0))
            continue;
        if (best == NULL || entry->running < best->running)
            best = entry;
    }
    return best;
}

static void start_load(ds_driver *d, ds_table *table)
{
    DS_ASSERT(!table->loading);
    ds_executor_entry *entry = place_load(d);
    if (entry == NULL)
        return;
    const ds_table_version *known = is_usable(table) ? ds_table_newest(table) : NULL;
    table->loading = true;
    table->load_id = ++d->last_load;
    table->loader = entry->id;
    ds_message message = {.type = DS_MSG_TABLE_LOAD};
    message.table_load = (ds_msg_table_load){
        .plan_id = 1, .source = table->source, .load_id = table->load_id, .version = table->next};
    if (known != NULL) {
        message.table_load.known = known->stamp;
        message.table_load.checksum = known->checksum;
    }
    ds_driver_send(d, entry, &message);
}

static void look_again(const ds_driver *d, ds_table *table)
{
    bool looks = table->of->reload_ms > 0 && table->of->batches == NULL;
    table->look_us = looks ? d->now_us + table->of->reload_ms * 1000 : INT64_MAX;
    table->wait_us = 0;
}

static void back_off(const ds_driver *d, ds_table *table)
{
    table->wait_us = table->wait_us == 0 ? DS_RETRY_US : table->wait_us * 2;
    if (table->wait_us > DS_RETRY_MOST_US)
        table->wait_us = DS_RETRY_MOST_US;
    table->look_us = d->now_us + table->wait_us;
}

/* ---- what comes of them ---- */

static void end_for(ds_driver *d, const ds_table *table, ds_status status, const char *why)
{
    char text[DS_ERROR_TEXT];
    snprintf(text, sizeof text, "source %s: %s", table->of->name, why);
    ds_driver_end(d, status, text);
}

/* Nothing was ever read: the app cannot begin, but for a file that somebody is just writing. */
static void fail_first(ds_driver *d, ds_table *table, ds_status status, const char *why)
{
    DS_ASSERT(table->n_versions == 0 && status != DS_OK);
    if (status == DS_ERR_UNAVAILABLE && d->now_us - d->started_us < CHANGES_WAIT_US)
        back_off(d, table);
    else
        end_for(d, table, status == DS_ERR_UNAVAILABLE ? DS_ERR_IO : status, why);
}

static void show_failure(ds_driver *d, ds_table *table, const char *why)
{
    if (d->now_us - table->shown_us < DS_SHOWN_EVERY_US)
        return;
    DS_ASSERT(table->failures > 0);
    table->shown_us = d->now_us;
    char times[48] = "";
    if (table->failures > 1)
        snprintf(times, sizeof times, " (%" PRIu64 " times in a row)", table->failures);
    if (is_usable(table))
        ds_log_warn("table %s cannot be read again%s: %s; its version %" PRIu64 " stays",
                    table->of->name, times, why, ds_table_newest(table)->number);
    else
        ds_log_error("table %s was lost with an executor, and cannot be read again%s: %s; batches "
                     "wait until it can",
                     table->of->name, times, why);
}

static void on_failure(ds_driver *d, ds_table *table, const ds_task_result *result)
{
    ds_status status = (ds_status)result->status;
    if (table->n_versions == 0) {
        fail_first(d, table, status, result->message);
        return;
    }
    if (status == DS_ERR_DATA && table->of->on_error == DS_ON_ERROR_FAIL) {
        end_for(d, table, status, result->message);
        return;
    }
    table->failures++;
    d->counts[table->source].table_failures++;
    show_failure(d, table, result->message);
    if (is_usable(table))
        look_again(d, table);
    else
        back_off(d, table);
}

/* The only output of a load are its dead letters. */
static bool letters_fit(const ds_plan *plan, const ds_task_result *result)
{
    for (uint32_t i = 0; i < result->n_outputs; i++)
        if (result->outputs[i].kind != DS_OUTPUT_FILE ||
            result->outputs[i].target != plan->dead_letters)
            return false;
    return true;
}

/* True if the blocks lie where they can lie. */
static bool inputs_fit(const ds_executor_entry *from, const ds_msg_table_loaded *loaded)
{
    for (uint32_t i = 0; i < loaded->n_inputs; i++) {
        const ds_input *input = &loaded->inputs[i];
        if (input->kind == DS_INPUT_QUEUE)
            continue;
        if (input->kind != DS_INPUT_BLOCK || input->ref.executor_id != from->id ||
            input->ref.offset > from->store_bytes ||
            input->ref.length > from->store_bytes - input->ref.offset)
            return false;
    }
    return true;
}

static void show_version(const ds_table *table, const ds_table_version *version, uint64_t rows)
{
    char changed[DS_CLOCK_TEXT];
    if (table->of->batches != NULL)
        return;
    ds_log_info("table %s: version %" PRIu64 ": %" PRIu64 " rows of %s (%" PRIu64
                " bytes, changed %s)",
                table->of->name, version->number, rows, table->of->file, version->stamp.size,
                ds_clock_text(version->stamp.modified_ns / 1000000, changed));
}

static void on_new_version(ds_driver *d, ds_table *table, const ds_executor_entry *from,
                           const ds_msg_table_loaded *loaded)
{
    ds_table_version version = {.number = table->next++,
                                .executor_id = from->id,
                                .stamp = loaded->stamp,
                                .checksum = loaded->checksum,
                                .inputs = loaded->inputs,
                                .n_inputs = loaded->n_inputs};
    DS_ASSERT(d->intakes[table->source].next < version.number);
    for (uint32_t i = 0; i < loaded->n_inputs; i++)
        version.bytes += loaded->inputs[i].ref.length;
    if (version.bytes == 0)
        version.executor_id = 0;
    d->intakes[table->source].next = version.number;
    d->counts[table->source].table_version = version.number;
    ds_driver_count_table(d, table->source, &loaded->result);
    show_version(table, &version, loaded->result.rows_in);
    for (uint32_t i = 0; i < loaded->result.n_outputs; i++)
        ds_table_keep_letters(table, &loaded->result.outputs[i]);
    ds_table_add(table, &version);
    tell_all(d, table, ds_table_newest(table));
    ds_driver_drop_tables(d);
}

static void on_success(ds_driver *d, ds_table *table, const ds_executor_entry *from,
                       const ds_msg_table_loaded *loaded)
{
    if (table->failures > 0)
        ds_log_info("table %s can be read again", table->of->name);
    table->failures = 0;
    table->losses = 0;
    look_again(d, table);
    if (!loaded->same)
        on_new_version(d, table, from, loaded);
    else if (table->n_versions > 0)
        table->versions[table->n_versions - 1].stamp = loaded->stamp;
    if (!is_usable(table)) /* it was lost meanwhile */
        table->look_us = d->now_us;
}

void ds_driver_on_table_loaded(ds_driver *d, ds_executor_entry *from,
                               const ds_msg_table_loaded *loaded)
{
    for (uint32_t i = 0; i < d->n_tables; i++) {
        ds_table *table = &d->tables[i];
        if (!table->loading || table->load_id != loaded->load_id || table->loader != from->id)
            continue;
        table->loading = false;
        ds_task_result result = loaded->result;
        if (result.status == DS_OK &&
            !(inputs_fit(from, loaded) && letters_fit(d->plan, &loaded->result))) {
            result.status = DS_ERR_PROTOCOL;
            result.message = "the blocks that were told of it cannot be";
        }
        if (result.status == DS_OK)
            on_success(d, table, from, loaded);
        else
            on_failure(d, table, &result);
        return;
    }
}

/* ---- what nobody uses ---- */

void ds_driver_drop_tables(ds_driver *d)
{
    if (d->copies.n > 0)
        return; /* they may read an old one */
    for (uint32_t i = 0; i < d->n_tables; i++) {
        ds_table *table = &d->tables[i];
        while (table->n_versions > 1 && !ds_driver_refers_to(d, table, table->versions[0].number)) {
            tell_dropped(d, table, table->versions[0].number);
            ds_table_drop_oldest(table);
        }
    }
}

/* ---- loss, time ---- */

/* Another executor reads the file, but not at once for ever. */
static void lose_load(ds_driver *d, ds_table *table)
{
    DS_ASSERT(table->loading);
    table->loading = false;
    table->look_us = d->now_us;
    if (++table->losses < MOST_LOSSES)
        return;
    table->losses = 0;
    ds_task_result result = {.status = DS_ERR_LOST,
                             .message = "executors are lost while they read it"};
    on_failure(d, table, &result);
}

void ds_driver_tables_of(ds_driver *d, const ds_executor_entry *lost)
{
    DS_ASSERT(lost->state == DS_EXECUTOR_GONE);
    for (uint32_t i = 0; i < d->n_tables; i++) {
        ds_table *table = &d->tables[i];
        bool was_usable = is_usable(table);
        for (uint32_t v = 0; v < table->n_versions && !lost->store_open; v++)
            if (table->versions[v].executor_id == lost->id)
                table->versions[v].gone = true;
        if (was_usable && !is_usable(table))
            table->look_us = d->now_us;
        if (table->loading && table->loader == lost->id)
            lose_load(d, table);
    }
}

void ds_driver_watch_tables(ds_driver *d)
{
    if (d->n_tables == 0)
        return;
    for (uint32_t i = 0; i < d->n_tables; i++) {
        ds_table *table = &d->tables[i];
        bool due = d->phase == DS_PHASE_RUNNING || !is_usable(table);
        if (!table->loading && due && d->now_us >= table->look_us)
            start_load(d, table);
    }
    ds_driver_settle_batches(d);
}

int64_t ds_driver_tables_deadline(const ds_driver *d)
{
    int64_t deadline = INT64_MAX;
    for (uint32_t i = 0; i < d->n_tables && place_load(d) != NULL; i++)
        if (!d->tables[i].loading && d->tables[i].look_us < deadline &&
            (d->phase == DS_PHASE_RUNNING || !is_usable(&d->tables[i])))
            deadline = d->tables[i].look_us;
    return deadline;
}
