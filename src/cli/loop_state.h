/* The state of the driver's loop, for the files that it is made of: driver_loop.c and loop_*.c. */
#ifndef DS_CLI_LOOP_STATE_H
#define DS_CLI_LOOP_STATE_H

#include "base/mailbox.h"
#include "checkpoint/metadata.h"
#include "checkpoint/sink_locks.h"
#include "cli/api.h"
#include "cli/disk.h"
#include "cli/driver_loop.h"
#include "cli/drop_files.h"
#include "cli/follower.h"
#include "cli/guard.h"
#include "cli/launcher.h"
#include "cli/loop_mail.h"
#include "cli/stores.h"
#include "rpc/link.h"
#include "rpc/url.h"

#include <stdatomic.h>

typedef struct ds_loop {
    const ds_plan *plan;
    const ds_run_options *options;
    ds_driver *control;
    ds_mailbox *mailbox;
    ds_server *server;  /* where our executors connect */
    ds_server *outside; /* executors.listen; or NULL */
    ds_launcher *launcher;
    ds_disk *disk;
    ds_dropper *dropper;
    ds_follower *follower; /* or NULL */
    ds_metadata *metadata;
    ds_sink_locks *locks;
    int64_t printed_ms; /* of the disk thread: the batch whose rows were printed last, */
    uint64_t printed;   /* and how many bytes of them */
    uint64_t epoch;
    ds_guard guard;
    uint8_t key[DS_TOKEN_BYTES]; /* of this run: what WELCOME says */
    /* With executors from outside, who may be of another user, bulk is reached over tcp too: at
     * this address, with any port. */
    char outside_bulk[DS_ADDRESS_URL];
    ds_stores *stores;
    ds_api *api; /* or NULL */
    ds_loop_figures figures;
    atomic_uint_fast64_t beats_dropped;
    char folder[DS_MESSAGE_TEXT_LIMIT];          /* the current one */
    char kept_folder[DS_MESSAGE_TEXT_LIMIT / 2]; /* of the checkpoint */
    ds_buffer log_folder;                        /* of the logs of what is received; empty: none */
    ds_buffer out;
    bool ended, again; /* again: a launch failed within a step */
    ds_status status;
    char message[DS_ERROR_TEXT];
} ds_loop;

/* Gives a letter to the loop, which owns it then. Any thread. */
static inline void ds_loop_post(ds_loop *loop, ds_loop_mail *mail)
{
    ds_mailbox_post(loop->mailbox, &mail->link);
}

#endif
