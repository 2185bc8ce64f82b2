/*
 * Links within one process ("inproc://name"), behind rpc/link.h: the ends share memory, so there
 * is no socket, no handshake and no thread. What one end sends is the other end's callback, on the
 * thread that sends, or on one that is calling it at the moment. link_inproc.c says how.
 */
#ifndef DS_RPC_LINK_INPROC_H
#define DS_RPC_LINK_INPROC_H

#include "rpc/link.h"

typedef struct ds_inproc_server ds_inproc_server;
typedef struct ds_inproc_wire ds_inproc_wire;

/* The functions of rpc/link.h, for checked URLs. secret is copied; NULL: none. */
ds_status ds_inproc_listen(const char *url, const ds_secret *secret, ds_link_fn fn, void *arg,
                           ds_inproc_server **server, ds_error *error);
void ds_inproc_set_secret(ds_inproc_server *server, const ds_secret *secret);
void ds_inproc_server_send(ds_inproc_server *server, uint64_t peer, const void *bytes,
                           size_t length);
void ds_inproc_close_peer(ds_inproc_server *server, uint64_t peer);
void ds_inproc_server_free(ds_inproc_server *server);

/* The client's end; deadline_us: monotonic. */
ds_status ds_inproc_dial(const char *url, const ds_secret *secret, int64_t deadline_us,
                         ds_link_fn fn, void *arg, ds_inproc_wire **wire, ds_error *error);
void ds_inproc_send(ds_inproc_wire *wire, const void *bytes, size_t length);
bool ds_inproc_flush(ds_inproc_wire *wire, int64_t deadline_us);
void ds_inproc_free(ds_inproc_wire *wire);

#endif
