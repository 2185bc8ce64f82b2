/*
 * Bulk, the giving side: bytes of block stores for processes that cannot open them.
 *
 * A link of its own, so that no block delays a heartbeat. Every request (FETCH) carries the
 * app's key, which is compared before anything else is looked at, and names a range of at most
 * DS_FETCH_LIMIT bytes. Whoever sends anything else has its connection closed. Requests are
 * answered at once, in the order in which they came; what waits for a slow reader is bounded
 * by the link.
 */
#ifndef DS_EXEC_BULK_SERVER_H
#define DS_EXEC_BULK_SERVER_H

#include "rpc/message.h"

#define DS_BULK_CLIENTS 1024u /* connections at a time; one more is closed */

typedef struct ds_bulk_server ds_bulk_server;

/* Where the bytes come from. Called from threads of the link. */
typedef struct ds_bulk_source {
    void *arg;
    /* The bytes of a range, or NULL if there is no such range here. */
    const char *(*hold)(void *arg, const ds_ref *ref);
    /* Called when bytes that hold returned are not looked at any more; may be NULL. */
    void (*let_go)(void *arg);
} ds_bulk_source;

/* Listens at url (rpc/link.h); source is copied. Nothing is given before there is a key. Errors as
 * ds_server_open. */
ds_status ds_bulk_server_open(const char *url, const ds_bulk_source *source,
                              ds_bulk_server **server, ds_error *error);
/* Sets the app's key (DS_TOKEN_BYTES, copied). Any thread. */
void ds_bulk_server_set_key(ds_bulk_server *server, const uint8_t *key);
/* Where to fetch. Borrowed. */
const char *ds_bulk_server_url(const ds_bulk_server *server);
/* Closes everything and frees. NULL is allowed. */
void ds_bulk_server_free(ds_bulk_server *server);

/* Fills url (of at least DS_BULK_URL bytes) with an address to listen at, for a process that
 * talks with its driver at driver_url: on the same kind of transport. */
#define DS_BULK_URL 64u
void ds_bulk_url(const char *driver_url, char *url);

#endif
