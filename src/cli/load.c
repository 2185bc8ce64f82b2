#include "cli/load.h"

#include "base/buffer.h"

#include <stdio.h>

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

void ds_loaded_free(ds_loaded *loaded)
{
    ds_plan_free(loaded->plan);
    ds_app_free(loaded->app);
    if (loaded->source != NULL)
        ds_json_source_free(loaded->source);
    *loaded = (ds_loaded){0};
}
