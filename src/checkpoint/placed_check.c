#include "checkpoint/placed_check.h"

#include "base/assert.h"
#include "base/clock.h"
#include "checkpoint/placed.h"
#include "dstream/staged_name.h"

#include <dirent.h>

static bool is_known(const ds_recovered *recovered, int64_t batch_ms)
{
    for (uint32_t i = 0; i < recovered->n_batches; i++) {
        const ds_recovered_batch *batch = &recovered->batches[i];
        if (batch->time_ms == batch_ms)
            return batch->prepared || batch->committed;
    }
    return batch_ms <= recovered->last_ms; /* done long ago */
}

static bool find_unknown(const ds_recovered *recovered, const char *folder, int64_t *batch_ms)
{
    bool unknown = false;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && !unknown && (entry = readdir(dir)) != NULL;) {
        uint64_t epoch;
        unknown = ds_placed_staged_length(entry->d_name) > 0 &&
                  ds_staged_name_read(entry->d_name, &epoch, batch_ms) &&
                  ds_epochs_share_checkpoint(epoch, recovered->epoch) &&
                  !is_known(recovered, *batch_ms);
    }
    if (dir != NULL)
        closedir(dir);
    return unknown;
}

ds_status ds_recovered_check_placed(const ds_recovered *recovered, const ds_plan *plan,
                                    const char *dir, ds_error *error)
{
    DS_ASSERT(recovered != NULL);
    for (uint32_t i = 0; i < plan->n_sinks; i++) {
        const ds_sink_plan *sink = plan->sinks[i];
        int64_t batch_ms = 0;
        if (!ds_sink_is_staged(sink) || !find_unknown(recovered, sink->staging, &batch_ms))
            continue;
        char at[DS_CLOCK_TEXT], why[DS_ERROR_TEXT];
        ds_clock_text(batch_ms, at);
        snprintf(why, sizeof why,
                 "its metadata is damaged: it lacks the commit of batch %s, of which sink %s has "
                 "output in its place",
                 at, sink->name);
        return ds_recovered_refuse(dir, why, error);
    }
    return DS_OK;
}
