/* The limits of a server that link.h names, for tests to make them small. */
#ifndef DS_RPC_LINK_LIMITS_H
#define DS_RPC_LINK_LIMITS_H

#include "rpc/link.h"

typedef struct ds_link_limits {
    size_t queue_bytes;    /* DS_LINK_QUEUE_BYTES */
    unsigned pending;      /* DS_LINK_PENDING */
    unsigned pending_each; /* DS_LINK_PENDING_EACH; 0: as pending */
    int knock_ms;          /* DS_LINK_KNOCK_MS */
    int admit_ms;          /* DS_LINK_ADMIT_MS */
    unsigned strangers;    /* DS_LINK_STRANGERS; 0: any number */
    unsigned unadmitted;   /* DS_LINK_UNADMITTED; 0: any number */
} ds_link_limits;

/* As ds_server_open_with, with other limits. */
ds_status ds_server_open_limited(const char *url, const ds_link_options *options,
                                 const ds_link_limits *limits, ds_link_fn fn, void *arg,
                                 ds_server **server, ds_error *error);

#endif
