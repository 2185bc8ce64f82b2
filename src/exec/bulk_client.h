/*
 * Bulk, the taking side: fetches ranges of stores that cannot be opened from here.
 *
 * There is one connection for each address, made when it is first needed and made anew by the
 * next fetch after it was lost. Ranges are cut into requests of DS_FETCH_LIMIT bytes, of which
 * DS_BULK_WINDOW are under way on a connection at a time, whoever asked.
 *
 * Thread-safe; fetches wait, everything else returns at once.
 */
#ifndef DS_EXEC_BULK_CLIENT_H
#define DS_EXEC_BULK_CLIENT_H

#include "rpc/link.h"
#include "rpc/message.h"

#define DS_BULK_WINDOW 16u
#define DS_BULK_WAIT_MS 30000

typedef struct ds_bulk_client ds_bulk_client;

/* A range, and where its bytes go (borrowed; as many as the range is long). */
typedef struct ds_bulk_item {
    ds_ref ref;
    char *to;
} ds_bulk_item;

/* wait_ms: how long a fetch waits without anything coming (DS_BULK_WAIT_MS). */
ds_bulk_client *ds_bulk_client_new(int wait_ms);
/* Closes all connections and frees. No fetch may be under way. NULL is allowed. */
void ds_bulk_client_free(ds_bulk_client *client);

/* Sets the app's key (copied; ds_bulk_key). Before the first fetch. */
void ds_bulk_client_set_key(ds_bulk_client *client, const ds_secret *key);
/* Sets what tls+tcp addresses are dialed with (rpc/tls.h; borrowed as long as the client). */
void ds_bulk_client_set_tls(ds_bulk_client *client, const struct ds_tls *tls);

/* Fetches all items from who serves url, and returns when their bytes are there. DS_ERR_LOST if
 * not all of them are to be had: nobody is there, it hangs up, it has no such bytes, nothing
 * comes for wait_ms. What was written to the items is undefined then. */
ds_status ds_bulk_client_fetch(ds_bulk_client *client, const char *url, const ds_bulk_item *items,
                               size_t n_items, ds_error *error);

/* Nothing will come from url any more: fetches under way there fail. */
void ds_bulk_client_drop(ds_bulk_client *client, const char *url);

#endif
