#include "cli/loop_checkpoint.h"

#include "base/assert.h"
#include "base/files.h"
#include "base/log.h"
#include "checkpoint/kept_check.h"
#include "checkpoint/kept_folder.h"
#include "checkpoint/metadata.h"
#include "checkpoint/placed_check.h"

#include <stdio.h>

/* Folders that only a start makes: what is not there later on is away, and is waited for. */
static ds_status make_log_folders(const ds_app *app, ds_error *error)
{
    ds_buffer path = {0};
    ds_status status = DS_OK;
    bool any = false;
    for (uint32_t i = 0; i < app->n_sources && status == DS_OK; i++) {
        const ds_app_source *source = &app->sources[i];
        if (source->type != DS_SOURCE_SOCKET && source->type != DS_SOURCE_STDIN)
            continue;
        if (!source->log)
            continue;
        path.length = 0;
        any = true;
        ds_buffer_printf(&path, "%s/log/%s", app->checkpoint_dir, source->name);
        status = ds_make_private_folders(ds_buffer_text(&path), error);
    }
    path.length = 0;
    ds_buffer_printf(&path, "%s/log", app->checkpoint_dir);
    if (any && status == DS_OK)
        status = ds_sync_folder(ds_buffer_text(&path), error);
    if (any && status == DS_OK)
        status = ds_sync_folder(app->checkpoint_dir, error);
    ds_buffer_fini(&path);
    return status;
}

/* Nothing forbids to go on: from here on the folder is this run's. */
static ds_status claim_checkpoint(ds_loop *loop, const ds_recovered_kept *kept, ds_error *error)
{
    DS_ASSERT(loop->metadata != NULL);
    DS_TRY(ds_metadata_mark(loop->metadata, loop->epoch, error));
    DS_TRY(make_log_folders(loop->plan->app, error));
    return ds_kept_folder_open(loop->kept_folder, kept, error);
}

static ds_status recover_checkpoint(ds_loop *loop, ds_recovered **recovered, ds_error *error)
{
    const ds_app *app = loop->plan->app;
    DS_TRY(ds_metadata_recover(loop->metadata, loop->plan, recovered, error));
    snprintf(loop->kept_folder, sizeof loop->kept_folder, "%s/kept", app->checkpoint_dir);
    if (*recovered == NULL)
        return claim_checkpoint(loop, NULL, error);
    if ((*recovered)->warning != NULL)
        ds_log_warn("%s", (*recovered)->warning);
    DS_TRY(ds_recovered_check(*recovered, loop->plan, app->checkpoint_dir, error));
    DS_TRY(ds_recovered_check_kept(*recovered, loop->plan, app->checkpoint_dir, error));
    DS_TRY(ds_recovered_check_placed(*recovered, loop->plan, app->checkpoint_dir, error));
    loop->epoch = (*recovered)->epoch >> 32 << 32 | (loop->epoch & UINT32_MAX);
    if ((*recovered)->failed.n > 0)
        ds_log_warn("%zu batches were given up before, and are missing in the output: dstream "
                    "checkpoint show %s says which, and what they held",
                    (*recovered)->failed.n, app->checkpoint_dir);
    ds_log_info("going on from the checkpoint in %s: %u batches to finish", app->checkpoint_dir,
                (*recovered)->n_batches);
    return claim_checkpoint(loop, &(*recovered)->kept, error);
}

ds_status ds_loop_open_checkpoint(ds_loop *loop, ds_recovered **recovered, ds_error *error)
{
    const ds_app *app = loop->plan->app;
    *recovered = NULL;
    if (app->checkpoint_dir == NULL)
        return DS_OK;
    DS_TRY(ds_metadata_open(app->checkpoint_dir, app->checkpoint_retain, &loop->metadata, error));
    return recover_checkpoint(loop, recovered, error);
}
