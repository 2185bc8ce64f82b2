/* Which versions of tables batches use, and what becomes of those whose version is gone. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "driver/driver_state.h"

#include <inttypes.h>

static void use_version(ds_batch *batch, ds_batch_table *use, uint32_t source,
                        const ds_table_version *version)
{
    *use = (ds_batch_table){source, version->number, version->stamp, version->checksum};
    ds_batch_allot(batch, source, version->inputs, version->n_inputs);
}

void ds_driver_give_tables(ds_driver *d, ds_batch *batch)
{
    batch->n_tables = d->n_tables;
    batch->tables = DS_ARENA_ARRAY(batch->arena, ds_batch_table, d->n_tables + 1);
    for (uint32_t i = 0; i < d->n_tables; i++) {
        DS_ASSERT(d->tables[i].n_versions > 0);
        use_version(batch, &batch->tables[i], d->tables[i].source, ds_table_newest(&d->tables[i]));
    }
}

bool ds_driver_give_letters(ds_driver *d, ds_batch *batch)
{
    for (uint32_t i = 0; i < d->n_tables; i++)
        ds_table_give_letters(&d->tables[i], batch);
    return batch->n_letters > 0;
}

static bool uses(const ds_batch *batch, const ds_table *table, uint64_t number)
{
    for (uint32_t i = 0; i < batch->n_tables; i++)
        if (batch->tables[i].source == table->source && batch->tables[i].version == number)
            return true;
    return false;
}

/* No batch has an older one than those before it: of the retained ones the first tells. */
bool ds_driver_refers_to(const ds_driver *d, const ds_table *table, uint64_t number)
{
    const ds_batch *oldest = ds_retained_oldest(&d->retained);
    if (oldest != NULL && uses(oldest, table, number))
        return true;
    for (const ds_batch *batch = d->batches; batch != NULL; batch = batch->next)
        if (uses(batch, table, number))
            return true;
    return false;
}

/* Whether some stage of the batch is still to read a table. */
static bool wants(const ds_driver *d, const ds_batch *batch, uint32_t source)
{
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        if (batch->stages[s].runs && !batch->stages[s].done &&
            ds_stage_reads_table(d->plan, &d->plan->stages[s], source))
            return true;
    return false;
}

/* A batch that is to read what is gone begins anew with what there is. */
static void check_batch(const ds_driver *d, ds_batch *batch)
{
    if (batch->state != DS_BATCH_ALLOTTED && batch->state != DS_BATCH_RUNNING)
        return;
    for (uint32_t i = 0; i < batch->n_tables && !batch->unsettled; i++) {
        const ds_batch_table *use = &batch->tables[i];
        const ds_table *table = ds_driver_table_of(d, use->source);
        DS_ASSERT(table != NULL);
        const ds_table_version *version = ds_table_find(table, use->version);
        if ((version == NULL || version->gone) && wants(d, batch, use->source))
            batch->unsettled = true;
    }
}

/* What a batch used of a table before, or NULL. */
static const ds_batch_table *use_of(const ds_batch *batch, uint32_t source)
{
    for (uint32_t i = 0; i < batch->n_tables; i++)
        if (batch->tables[i].source == source)
            return &batch->tables[i];
    return NULL;
}

/* The version that a batch shall use from now on: that which it did, or else the next one that is
 * there, so that no batch uses an older one than the batch before it. NULL: there is none now. */
static const ds_table_version *pick_version(const ds_table *table, const ds_batch_table *before)
{
    for (uint32_t v = 0; v < table->n_versions; v++) {
        const ds_table_version *version = &table->versions[v];
        if (!version->gone && (before == NULL || version->number >= before->version))
            return version;
    }
    return NULL;
}

uint64_t ds_driver_table_version(const ds_driver *d, const ds_batch_table *use)
{
    const ds_table_version *version = pick_version(ds_driver_table_of(d, use->source), use);
    return version != NULL ? version->number : use->version;
}

static void show_change(const ds_table *table, const ds_batch *batch, const ds_batch_table *before,
                        const ds_table_version *now)
{
    char time[DS_CLOCK_TEXT];
    if (before != NULL && before->version != now->number && before->checksum != now->checksum)
        ds_log_warn("batch %s: its version %" PRIu64 " of table %s is gone, and the file has "
                    "changed: it uses version %" PRIu64,
                    ds_clock_text(batch->time_ms, time), before->version, table->of->name,
                    now->number);
}

static bool runs(const ds_driver *d, const ds_batch *batch)
{
    for (uint32_t s = 0; s < d->plan->n_stages; s++)
        if (ds_batch_stage_runs(&batch->stages[s]))
            return true;
    return false;
}

static bool can_settle(const ds_driver *d, const ds_batch *batch)
{
    for (uint32_t i = 0; i < d->n_tables; i++)
        if (pick_version(&d->tables[i], use_of(batch, d->tables[i].source)) == NULL)
            return false;
    return !runs(d, batch) && !ds_copies_of(&d->copies, batch->time_ms); /* until all are back */
}

/* Gives a batch other versions, and lets it begin anew. */
static void settle(ds_driver *d, ds_batch *batch)
{
    DS_ASSERT(batch->unsettled && !ds_batch_is_prepared(batch));
    ds_batch_table *uses = DS_ARENA_ARRAY(batch->arena, ds_batch_table, d->n_tables + 1);
    for (uint32_t i = 0; i < d->n_tables; i++) {
        const ds_table *table = &d->tables[i];
        const ds_batch_table *before = use_of(batch, table->source);
        const ds_table_version *version = pick_version(table, before);
        DS_ASSERT(version != NULL && (before == NULL || version->number >= before->version));
        show_change(table, batch, before, version);
        use_version(batch, &uses[i], table->source, version);
    }
    batch->tables = uses;
    batch->n_tables = d->n_tables;
    batch->unsettled = false;
    if (!batch->muted)
        ds_driver_give_letters(d, batch);
    ds_batch_restart(batch, d->plan, (uint64_t)d->plan->app->limits_block);
    if (d->config.checkpoint && !batch->muted) /* a person sees what it uses */
        ds_driver_journal(d, NULL, false);
}

void ds_driver_settle_batches(ds_driver *d)
{
    for (ds_batch *batch = d->batches; batch != NULL; batch = batch->next) {
        check_batch(d, batch);
        if (batch->unsettled && batch->state != DS_BATCH_FAILED && can_settle(d, batch))
            settle(d, batch);
    }
}
