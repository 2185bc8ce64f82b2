/* Loading an app file for a command: all its errors on standard error. */
#ifndef DS_CLI_LOAD_H
#define DS_CLI_LOAD_H

#include "dstream/plan.h"

typedef struct ds_loaded {
    ds_json_source *source;
    ds_app *app;
    ds_plan *plan;
} ds_loaded;

/* Reads, checks and plans; prints errors (and warnings if show_warnings). Returns the status;
 * *loaded is to be freed in either case. */
ds_status ds_load(const char *path, const ds_app_options *options, bool show_warnings,
                  ds_loaded *loaded);
/* As ds_load. What the app file leaves open and a checkpoint has fixed, is taken from the one in
 * dir, or (NULL) in the app's own folder: the number of key partitions, which would follow that of
 * executors otherwise. */
ds_status ds_load_on_checkpoint(const char *path, const ds_app_options *options, bool show_warnings,
                                const char *dir, ds_loaded *loaded);
void ds_loaded_free(ds_loaded *loaded);

#endif
