/*
 * Executors that say nothing: stopped by a signal, hung, or cut off without a word.
 *
 * One that is ready beats from its control thread, which does nothing that takes long, four times
 * in executors.heartbeat; any other message counts, too. Before that it starts, and compiles the
 * plan, which may take its time: it is given a minute. But if its process, on this host, was seen
 * stopped for as long as a slow one is borne with, nothing comes of it; and a stop of the app,
 * which may be waiting for it, bears with it for one heartbeat.
 *
 * On a machine with far too much to do, beats come late: an executor of this host whose process can
 * run is only lost after ten heartbeats. One that was stopped by a signal cannot. An executor that
 * is a thread of this process is never lost for its silence: what could stop it stops us, too.
 *
 * The driver looks four times in a heartbeat. If it comes late by half of one, it stood still
 * itself (it was stopped, or the machine was), and what others said meanwhile may still be on its
 * way: everybody is given a whole heartbeat more.
 */
#include "base/assert.h"
#include "driver/driver_state.h"

#include <inttypes.h>
#include <stdio.h>

static int64_t heartbeat_us(const ds_driver *d)
{
    return (int64_t)d->config.heartbeat_ms * 1000;
}

uint32_t ds_driver_beat_ms(const ds_driver *d)
{
    uint32_t beat = d->config.heartbeat_ms / 4;
    return beat > 0 || d->config.heartbeat_ms == 0 ? beat : 1;
}

/* How long it may be silent. */
static int64_t most_of(const ds_driver *d, const ds_executor_entry *entry)
{
    return entry->state == DS_EXECUTOR_READY ? heartbeat_us(d) : DS_SILENT_US;
}

/* It is only slow, as far as one can see. */
static bool is_slow(const ds_driver *d, const ds_executor_entry *entry)
{
    if (entry->local && d->config.one_process)
        return true;
    return entry->local && d->ports.can_run != NULL &&
           d->now_us - entry->heard_us < DS_SLOW_BEATS * heartbeat_us(d) &&
           d->ports.can_run(d->ports.arg, entry->id);
}

/* It starts, and its process cannot run for longer than could be a matter of a moment. */
static bool is_stuck(const ds_driver *d, ds_executor_entry *entry)
{
    if (entry->state == DS_EXECUTOR_READY || !entry->local || d->config.one_process ||
        d->ports.can_run == NULL)
        return false;
    if (d->ports.can_run(d->ports.arg, entry->id))
        entry->ran_us = d->now_us;
    int64_t since_us = entry->ran_us > entry->heard_us ? entry->ran_us : entry->heard_us;
    int64_t beats = d->phase == DS_PHASE_STOPPING ? 1 : DS_SLOW_BEATS;
    DS_ASSERT(since_us <= d->now_us);
    return d->now_us - since_us >= beats * heartbeat_us(d);
}

/* What was said while the driver stood still is heard now, as far as it matters here. */
static void forgive(ds_driver *d)
{
    for (size_t i = 0; i < d->registry.n; i++) {
        DS_ASSERT(d->registry.list[i]->heard_us <= d->now_us);
        d->registry.list[i]->heard_us = d->now_us;
    }
}

static void lose_silent(ds_driver *d, ds_executor_entry *entry)
{
    char why[80];
    snprintf(why, sizeof why, "it was silent for %" PRId64 " ms",
             (d->now_us - entry->heard_us) / 1000);
    ds_driver_lose(d, entry, why);
}

void ds_driver_lose_silent(ds_driver *d)
{
    int64_t since_us = d->now_us - d->looked_us;
    if (d->config.heartbeat_ms == 0 || since_us < heartbeat_us(d) / 4)
        return;
    d->looked_us = d->now_us;
    if (since_us >= heartbeat_us(d) * 3 / 4)
        forgive(d);
    for (size_t i = 0; i < d->registry.n; i++) {
        ds_executor_entry *entry = d->registry.list[i];
        if (entry->state == DS_EXECUTOR_GONE)
            continue;
        if (is_stuck(d, entry))
            ds_driver_lose(d, entry, "its process was stopped while it started");
        else if (d->now_us - entry->heard_us >= most_of(d, entry) && !is_slow(d, entry))
            lose_silent(d, entry);
    }
}

int64_t ds_driver_silence_deadline(const ds_driver *d)
{
    bool any = d->registry.n > ds_registry_count(&d->registry, DS_EXECUTOR_GONE);
    return any && d->config.heartbeat_ms > 0 ? d->looked_us + heartbeat_us(d) / 4 : INT64_MAX;
}
