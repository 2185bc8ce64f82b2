/*
 * Starting executors: local processes, or threads of this one (executor_threads.h).
 *
 * Processes are started with posix_spawn (nng is not fork-safe) from this binary, and die with the
 * driver however it ends: their connection closes, and the kernel kills them when the thread
 * that started them is gone.
 */
#ifndef DS_CLI_LAUNCHER_H
#define DS_CLI_LAUNCHER_H

#include "base/error.h"
#include "rpc/message.h"
#include "rpc/secret.h"
#include "rpc/tls.h"

typedef struct ds_launcher ds_launcher;

typedef struct ds_launch_spec { /* all borrowed, for as long as the launcher */
    bool threads;
    /* Threads: called by one that has ended, and is to be reaped. */
    void (*ended)(void *arg);
    void *ended_arg;
    const char *url;
    const char *bulk; /* where executors listen for who fetches bytes; "": as they reach us */
    const char *app_id;
    uint32_t cores;
    uint64_t memory_bytes;
    const char *spill_folder; /* "": a temporary one */
    uint64_t spill_bytes;
    bool with_stdin;
    const char *log_format, *log_level;
    ds_secret secret;        /* that we hold, or none */
    const char *secret_text; /* of the app file, if it is there; NULL; no executor is told */
    ds_tls_files tls;        /* cert NULL: none */
    const ds_tls *own_tls;   /* the same, loaded; or NULL */
} ds_launch_spec;

/* Called with the id of an executor whose process or thread ended, and why (borrowed). */
typedef void (*ds_exited_fn)(void *arg, uint64_t executor_id, const char *why);

/* spec is copied; what it points to is borrowed. */
ds_launcher *ds_launcher_new(const ds_launch_spec *spec);
/* Kills what still runs, waits for it and frees. Threads cannot be killed: false if there are any,
 * which use what they were given until the process ends. */
bool ds_launcher_free(ds_launcher *launcher);

/* Starts one. Must be called from one thread, which lives as long as the executors. */
ds_status ds_launcher_start(ds_launcher *launcher, uint64_t executor_id, const uint8_t *token,
                            ds_error *error);
/* Kills it (no effect if it has ended, or is a thread: that ends with its link). */
void ds_launcher_kill(ds_launcher *launcher, uint64_t executor_id);
/* True if it is neither stopped by a signal nor gone. */
bool ds_launcher_can_run(const ds_launcher *launcher, uint64_t executor_id);
/* Reaps those that have ended, calling fn for each. Same thread. */
void ds_launcher_reap(ds_launcher *launcher, ds_exited_fn fn, void *arg);
/* Waits until all have ended, at most timeout_ms. */
bool ds_launcher_wait(ds_launcher *launcher, int timeout_ms);

#endif
