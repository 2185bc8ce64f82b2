/*
 * An executor: the real loop around the control (executor.h), in a process of its own or on a
 * thread of its driver's.
 */
#ifndef DS_EXEC_EXECUTOR_LOOP_H
#define DS_EXEC_EXECUTOR_LOOP_H

#include "base/error.h"
#include "rpc/message.h"
#include "rpc/secret.h"

#include <stdint.h>

typedef struct ds_executor_options {
    const char *url;      /* of the driver */
    const char *bulk;     /* where others may fetch from it; NULL: as it reaches the driver */
    const char *app_id;   /* "" if it joins by hand */
    uint64_t executor_id; /* 0: the driver gives one */
    uint8_t token[DS_TOKEN_BYTES];
    ds_secret secret;         /* that the driver holds too, or none */
    const struct ds_tls *tls; /* rpc/tls.h; NULL: none */
    uint32_t cores;
    uint64_t memory_bytes;    /* of the process: store, tasks, and what is neither */
    const char *spill_folder; /* where what finds no memory goes; NULL: a temporary one */
    uint64_t spill_bytes;     /* the most that may go there */
    bool has_stdin;
    /* It is a thread of the driver's process, reached by inproc: it gives back all it has before it
     * ends, which waits for running tasks. Otherwise the process is to end after it. */
    bool in_driver;
} ds_executor_options;

/*
 * Joins the driver and works until it is stopped or the driver is gone. DS_OK after a stop;
 * DS_ERR_UNAVAILABLE if the driver cannot be reached, rejects it, or is lost (*error says).
 */
ds_status ds_executor_loop(const ds_executor_options *options, ds_error *error);

#endif
