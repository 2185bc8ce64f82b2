/* What a driver proves who it is with, and lets executors in by: as its app file says. */
#ifndef DS_CLI_GUARD_H
#define DS_CLI_GUARD_H

#include "dstream/app.h"
#include "rpc/secret.h"
#include "rpc/tls.h"

typedef struct ds_guard {
    ds_secret secret;   /* or none */
    ds_tls *tls;        /* or NULL */
    ds_tls_files files; /* of it; borrowed from the app */
} ds_guard;

/* Reads the files. Errors as of ds_secret_read and ds_tls_load. */
ds_status ds_guard_open(const ds_app *app, ds_guard *guard, ds_error *error);
/* Also after an error. Links that were opened go on. */
void ds_guard_close(ds_guard *guard);

#endif
