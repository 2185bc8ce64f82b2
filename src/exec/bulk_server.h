/*
 * Bulk, the giving side: bytes of block stores for processes that cannot open them.
 *
 * A link of its own, so that no block delays a heartbeat. Nobody gets in who does not prove that he
 * holds the app's key (rpc/handshake.h). Every request (FETCH) names a range of at most
 * DS_FETCH_LIMIT bytes. Whoever sends anything else has its connection closed. Requests are
 * answered at once, in the order in which they came; what waits for a slow reader is bounded
 * by the link.
 */
#ifndef DS_EXEC_BULK_SERVER_H
#define DS_EXEC_BULK_SERVER_H

#include "rpc/link.h"
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

/* Listens at url (rpc/link.h); source is copied. options are those of the link with the driver:
 * their secret only tells that there is one, as nobody gets in before there is a key. Errors as
 * ds_server_open. */
ds_status ds_bulk_server_open(const char *url, const ds_link_options *options,
                              const ds_bulk_source *source, ds_bulk_server **server,
                              ds_error *error);
/* Sets the app's key (copied; ds_bulk_key). Any thread. */
void ds_bulk_server_set_key(ds_bulk_server *server, const ds_secret *key);
/* Where to fetch. Borrowed. */
const char *ds_bulk_server_url(const ds_bulk_server *server);
/* Closes everything and frees. NULL is allowed. */
void ds_bulk_server_free(ds_bulk_server *server);

/* The key of an app's bulk links: of its secret, and of what the driver says in WELCOME. */
ds_secret ds_bulk_key(const ds_secret *secret, const uint8_t *welcome_key);

/* Fills url (of at least DS_BULK_URL bytes) with an address to listen at, for a process that
 * talks with its driver at driver_url: on the same kind of transport, where the driver can reach
 * it. DS_ERR_UNAVAILABLE if there is no such address. */
#define DS_BULK_URL 160u
ds_status ds_bulk_url(const char *driver_url, char *url, ds_error *error);

#endif
