/*
 * The stores of executors as the driver process has them: held open where that is possible, so
 * that their bytes outlive the executors, and otherwise fetched from. To executors that cannot
 * open what the driver holds (of another user), it gives the bytes of those that are gone.
 *
 * Thread-safe: the loop opens and closes, the disk thread fetches, the bulk link gives.
 */
#ifndef DS_CLI_STORES_H
#define DS_CLI_STORES_H

#include "rpc/link.h"
#include "rpc/message.h"

typedef struct ds_stores ds_stores;

/* key: of the app's bulk links (copied; ds_bulk_key); tls: for those over TLS (borrowed), or NULL.
 */
ds_stores *ds_stores_new(const ds_secret *key, const struct ds_tls *tls);
void ds_stores_free(ds_stores *stores);

/* Begins to give bytes of held stores at url, with the options of the driver's own link there
 * (rpc/link.h). */
ds_status ds_stores_listen(ds_stores *stores, const char *url, const ds_link_options *options,
                           ds_error *error);
/* Where; NULL: nowhere. Borrowed. */
const char *ds_stores_url(const ds_stores *stores);

/* Opens and holds the store of an executor that said hello; paths receives where others can open
 * it. DS_ERR_LOST if it cannot. */
ds_status ds_stores_open(ds_stores *stores, uint64_t executor_id, const ds_msg_hello *hello,
                         ds_store_paths *paths, ds_error *error);
/* No effect if it is not held. */
void ds_stores_close(ds_stores *stores, uint64_t executor_id);

/* The bytes of a range in a held store, good until that is closed; NULL if there is none. */
const char *ds_stores_bytes(ds_stores *stores, const ds_ref *ref);
/* The process has read bytes of a range, and may let go of them if they are on disk. */
void ds_stores_forget(ds_stores *stores, const ds_ref *ref);
/* Copies a range to `to` from the executor itself, which gives it at url. Waits. DS_ERR_LOST. */
ds_status ds_stores_fetch(ds_stores *stores, const char *url, const ds_ref *ref, char *to,
                          ds_error *error);

#endif
