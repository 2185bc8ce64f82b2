#include "cli/guard.h"

#include "cli/secret.h"

ds_status ds_guard_open(const ds_app *app, ds_guard *guard, ds_error *error)
{
    const struct ds_app_tls *tls = &app->executors_tls;
    *guard = (ds_guard){.files = {tls->cert, tls->key, tls->ca, tls->name}};
    if (app->executors_secret_file != NULL)
        DS_TRY(ds_secret_read(app->executors_secret_file, &guard->secret, error));
    else
        guard->secret = ds_secret_of_text(app->executors_secret);
    return tls->cert != NULL ? ds_tls_load(&guard->files, &guard->tls, error) : DS_OK;
}

void ds_guard_close(ds_guard *guard)
{
    ds_tls_free(guard->tls);
    guard->tls = NULL;
}
