/* The limits of a server that link.h names, for tests to make them small. */
#ifndef DS_RPC_LINK_LIMITS_H
#define DS_RPC_LINK_LIMITS_H

#include "rpc/link.h"

typedef struct ds_link_limits {
    size_t queue_bytes; /* DS_LINK_QUEUE_BYTES */
    unsigned pending;   /* DS_LINK_PENDING */
    int knock_ms;       /* DS_LINK_KNOCK_MS */
} ds_link_limits;

/* As ds_server_open, with other limits. */
ds_status ds_server_open_limited(const char *url, const ds_link_limits *limits, ds_link_fn fn,
                                 void *arg, ds_server **server, ds_error *error);

#endif
