/* What the other threads tell the driver's loop: events, and answers of the disk thread. */
#ifndef DS_CLI_LOOP_MAIL_H
#define DS_CLI_LOOP_MAIL_H

#include "base/arena.h"
#include "base/error.h"
#include "base/mailbox.h"
#include "checkpoint/append.h"
#include "driver/driver.h"
#include "receiver/block_log_read.h"

typedef enum ds_loop_mail_kind {
    DS_MAIL_MESSAGE,
    DS_MAIL_LOST,
    DS_MAIL_STOP,
    DS_MAIL_CHILD,
    DS_MAIL_FILES,
    DS_MAIL_FOLLOWED,
    DS_MAIL_LOGGED,
    DS_MAIL_JOURNALED,
    DS_MAIL_COMMITTED,
    DS_MAIL_REQUEST, /* over HTTP: ticket; page in source */
} ds_loop_mail_kind;

typedef struct ds_loop_mail {
    ds_mail link;
    ds_loop_mail_kind kind;
    uint64_t peer, ticket;
    uint32_t source;
    int64_t batch_ms;
    int64_t took_us; /* JOURNALED, COMMITTED: on the disk thread */
    ds_status status;
    ds_listed_file *files; /* in arena */
    uint32_t n_files;
    ds_append_end *ends; /* of a commit that was not done; in arena */
    bool *lost;          /* the same */
    ds_sightings seen;   /* in arena */
    ds_log_found found;
    ds_arena *arena;
    size_t length;
    char bytes[];
} ds_loop_mail;

/* A letter with a copy of `length` bytes (or as many zeros, if bytes is NULL) and a zero behind
 * them. The caller owns it until it is posted. */
ds_loop_mail *ds_loop_mail_new(ds_loop_mail_kind kind, const void *bytes, size_t length);

/* A letter that says how something ended; error: read if status is not DS_OK. */
ds_loop_mail *ds_loop_mail_answer(ds_loop_mail_kind kind, ds_status status, const ds_error *error);

/* Frees it with what it holds. */
void ds_loop_mail_free(ds_loop_mail *mail);

#endif
