#include "cli/load.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "checkpoint/view.h"

#include <stdio.h>
#include <stdlib.h>

static ds_status load(const ds_app_options *options, ds_diagnostics *diagnostics, ds_loaded *loaded)
{
    DS_TRY(ds_app_load(loaded->source, options, diagnostics, &loaded->app));
    ds_status status = ds_plan_new(loaded->app, NULL, diagnostics, &loaded->plan);
    bool usage = ds_diagnostics_usage(diagnostics) == ds_diagnostics_errors(diagnostics);
    return status == DS_ERR_APP && usage ? DS_ERR_USAGE : status;
}

ds_status ds_load(const char *path, const ds_app_options *options, bool show_warnings,
                  ds_loaded *loaded)
{
    *loaded = (ds_loaded){0};
    ds_error error;
    ds_status status = ds_json_source_read(path, &loaded->source, &error);
    if (status != DS_OK) {
        fprintf(stderr, "%s\n", error.message);
        return status;
    }
    ds_diagnostics *diagnostics = ds_diagnostics_new(loaded->source);
    status = load(options, diagnostics, loaded);
    if (status != DS_OK || (show_warnings && ds_diagnostics_warnings(diagnostics) > 0)) {
        ds_buffer text = {0};
        ds_diagnostics_print(diagnostics, &text);
        fwrite(text.data, 1, text.length, stderr);
        ds_buffer_fini(&text);
    }
    ds_diagnostics_free(diagnostics);
    return status;
}

/* The key partitions that a checkpoint has; 0 if there is none that can be used. */
static uint32_t saved_partitions(const char *dir)
{
    ds_checkpoint_view view;
    ds_error error;
    json_int_t n = 0;
    if (ds_checkpoint_view_read(dir, &view, &error) == DS_OK)
        n = json_integer_value(json_object_get(view.state, "key_partitions"));
    ds_checkpoint_view_fini(&view);
    return n > 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

static ds_status load_with(const char *path, const ds_app_options *options, const char *set,
                           ds_loaded *loaded)
{
    ds_app_options more = *options;
    const char **sets = ds_calloc(options->n_sets + 1, sizeof *sets);
    for (uint32_t i = 0; i < options->n_sets; i++)
        sets[i] = options->sets[i];
    sets[more.n_sets++] = set;
    more.sets = sets;
    ds_status status = ds_load(path, &more, false, loaded);
    free((void *)sets);
    return status;
}

ds_status ds_load_on_checkpoint(const char *path, const ds_app_options *options, bool show_warnings,
                                const char *dir, ds_loaded *loaded)
{
    DS_TRY(ds_load(path, options, show_warnings, loaded));
    if (dir == NULL)
        dir = loaded->app->checkpoint_dir;
    if (dir == NULL || loaded->app->key_partitions_given)
        return DS_OK;
    uint32_t n = saved_partitions(dir);
    if (n == 0 || n == loaded->plan->key_partitions)
        return DS_OK;
    char set[64];
    snprintf(set, sizeof set, "executors.key_partitions=%u", n);
    ds_loaded_free(loaded);
    return load_with(path, options, set, loaded);
}

void ds_loaded_free(ds_loaded *loaded)
{
    ds_plan_free(loaded->plan);
    ds_app_free(loaded->app);
    if (loaded->source != NULL)
        ds_json_source_free(loaded->source);
    *loaded = (ds_loaded){0};
}
