/*
 * The executor's control: a pure state machine.
 *
 * It is told what happened (ds_executor_step) and does what follows through its ports; it
 * reads no clock, opens no socket and starts no thread. The real loop (executor_loop.c) gives
 * it nng, a pool of task threads and receivers; the simulator and `dstream test` give it a
 * simulated network and run tasks inline.
 *
 * Fencing: it obeys one driver, whose epoch it was welcomed with; messages of another epoch
 * are passed over. When the connection is lost it ends, whatever it was doing: its driver has
 * given it up by then. Commands may come twice: a task is known by (batch, stage, partition,
 * attempt) until its batch is released, a receiver by its id, a plan by its id.
 */
#ifndef DS_EXEC_EXECUTOR_H
#define DS_EXEC_EXECUTOR_H

#include "exec/block_ledger.h"
#include "exec/replicate.h"
#include "exec/saved_ranges.h"
#include "exec/task.h"
#include "receiver/receiver.h"

typedef struct ds_executor ds_executor;

/* What the control may do. Every function returns at once. */
typedef struct ds_executor_ports {
    void *arg;
    void (*send)(void *arg, const ds_message *message);
    /* Runs a task somewhere and reports it with DS_EXECUTOR_TASK_DONE. task and env are
     * borrowed for the call; env's parts live as long as the plan. */
    void (*run)(void *arg, const ds_task_env *env, const ds_task *task);
    /* Loads a table somewhere and reports it with DS_EXECUTOR_TABLE_LOADED. load and env as task
     * and env of run. */
    void (*load)(void *arg, const ds_task_env *env, const ds_msg_table_load *load);
    /* Decodes a version of a table ahead of the first task that needs it (ds_tables_prepare), and
     * says so with DS_EXECUTOR_TABLE_PREPARED. May be NULL: the task does it. */
    void (*prepare)(void *arg, const ds_task_env *env, const ds_table_use *use);
    /* Takes over what a task collected for a save: writes it somewhere (save_writer.h), reports
     * that with DS_EXECUTOR_SAVED, and frees it before the control. */
    void (*save)(void *arg, ds_collected *collected);
    /* Fetches blocks somewhere (ds_replicate), and reports it with DS_EXECUTOR_REPLICATED. env and
     * asked are borrowed for the call; env's parts live as long as the control. */
    void (*replicate)(void *arg, const ds_replicate_env *env, const ds_msg_replicate *asked);
    void (*receiver_add)(void *arg, const ds_receiver_spec *spec);
    void (*receiver_stop)(void *arg, uint64_t receiver_id);
    /* May be NULL: receivers that know no rates. */
    void (*receiver_rate)(void *arg, uint64_t receiver_id, uint64_t rate);
    void (*receivers_cut)(void *arg, uint64_t tick);
    void (*receivers_credit)(void *arg);
    /* Ends the process (or the simulated one): nothing is stepped after it. */
    void (*end)(void *arg, ds_status status, const char *reason);
    /* Gives memory that is free back to the system somewhere, as that may take long. May be NULL:
     * it stays. */
    void (*rest)(void *arg);
    /* The driver took it in; welcome is borrowed. May be NULL. */
    void (*welcomed)(void *arg, const ds_msg_welcome *welcome);
} ds_executor_ports;

typedef struct ds_executor_config {
    const char *app_id;   /* "" if it joins by URL */
    uint64_t executor_id; /* 0: the driver gives one */
    uint8_t token[DS_TOKEN_BYTES];
    uint32_t cores;
    int64_t pid;
    const char *host;
    int64_t memory_bytes; /* its budget for tasks and panes */
    ds_store *store;      /* borrowed */
    bool private_memory;  /* its store is not offered to others, and theirs are not opened */
    const char *bulk_url; /* where its bytes can be fetched; NULL: nowhere */
    ds_fetcher fetcher;   /* fetches from others; all NULL: nothing can be */
    bool has_stdin;
    uint64_t fold_bytes; /* of a whole part; smaller ones are made by tasks (fold.h) */
    bool patient;        /* port save is another thread's work: tasks may wait for it */
    const ds_plan_options *plan_options; /* tests only; NULL otherwise */
} ds_executor_config;

typedef enum ds_executor_event_kind {
    DS_EXECUTOR_STARTED,
    DS_EXECUTOR_MESSAGE,
    DS_EXECUTOR_TASK_DONE,
    DS_EXECUTOR_TABLE_LOADED,
    DS_EXECUTOR_TABLE_PREPARED,
    DS_EXECUTOR_SAVED,
    DS_EXECUTOR_REPLICATED,
    DS_EXECUTOR_BLOCK,
    DS_EXECUTOR_RECEIVER_STATE,
    DS_EXECUTOR_CUT_DONE,
    DS_EXECUTOR_DRIVER_LOST,
    DS_EXECUTOR_TIME,
} ds_executor_event_kind;

typedef struct ds_executor_event {
    ds_executor_event_kind kind;
    int64_t now_us; /* monotonic */
    union {
        const ds_message *message;
        const ds_task_result *result;
        const ds_msg_table_loaded *loaded;
        const ds_msg_replicated *replicated;
        const ds_msg_saved *saved; /* of what was collected, and is written or has failed */
        struct {
            uint64_t receiver_id;
            ds_block block;
        } block;
        ds_msg_receiver_state state;
        uint64_t tick;
    };
} ds_executor_event;

/* config and ports are copied (strings and store borrowed). Free with ds_executor_free, when no
 * task runs. */
ds_executor *ds_executor_new(const ds_executor_config *config, const ds_executor_ports *ports);
void ds_executor_free(ds_executor *executor);

/* It ends, if it has not, and is to be freed when its tasks are done: none of them waits for what
 * will not come any more. */
void ds_executor_hurry(ds_executor *executor);

/* The one function that advances it. One thread at a time. */
void ds_executor_step(ds_executor *executor, const ds_executor_event *event);

/* When it wants DS_EXECUTOR_TIME next (monotonic us); INT64_MAX: never. */
int64_t ds_executor_deadline_us(const ds_executor *executor);

/* For whoever writes what is saved (thread-safe). */
ds_saved_ranges *ds_executor_saved_ranges(ds_executor *executor);

/* For the block sink of its receivers (thread-safe). */
ds_block_ledger *ds_executor_ledger(ds_executor *executor);

/* How many tasks it remembers: those of batches that were not released. */
size_t ds_executor_known_tasks(const ds_executor *executor);

#endif
