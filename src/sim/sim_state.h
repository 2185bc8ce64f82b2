/* The state of a simulation, shared by its parts. Private to this folder. */
#ifndef DS_SIM_SIM_STATE_H
#define DS_SIM_SIM_STATE_H

#include "base/random.h"
#include "exec/executor.h"
#include "exec/save_writer.h"
#include "receiver/block_log.h"
#include "sim/sim_app.h"
#include "sim/sim_queue.h"
#include "sim/sim_wakes.h"

/* A block that is being written to the log. */
typedef struct ds_sim_unlogged {
    uint32_t piece;
    ds_block block;
} ds_sim_unlogged;

typedef struct ds_sim_receiver {
    uint64_t id;
    uint32_t source;
    uint64_t blocks; /* made so far */
    bool announced, ended;
    bool refused;      /* waits for credit */
    ds_block_log *log; /* or NULL */
    int64_t log_us;    /* when all that was given to it is durable */
    ds_sim_unlogged *unlogged;
    uint32_t n_unlogged;
} ds_sim_receiver;

typedef struct ds_sim_task ds_sim_task;

/* A simulated process. Stays in the list when it is dead. */
typedef struct ds_sim_executor {
    ds_sim *sim;
    uint64_t id;
    uint32_t place; /* in the list */
    uint8_t token[DS_TOKEN_BYTES];
    bool remote;
    bool started, living;
    bool hung;  /* its control thread: nothing comes of it any more */
    bool ended; /* by its own control, with end_status */
    ds_status end_status;
    uint64_t peer;
    ds_store *store;
    char url[32]; /* where its bytes can be fetched */
    ds_executor *control;
    ds_sim_task *first, **last; /* tasks that wait for a thread */
    uint32_t busy;              /* threads */
    ds_save_writer *save_writer;
    ds_collected *saves, **last_save; /* that are to be written, in order */
    ds_collected *done_save;          /* the one that its control is being told of */
    int64_t save_free_us;
    ds_sim_receiver *receivers;
    uint32_t n_receivers;
} ds_sim_executor;

/* What is left of the script of a source. */
typedef struct ds_sim_script {
    const ds_sim_piece *pieces;
    uint32_t n, next;
} ds_sim_script;

/* A block that was made of a piece of a script. */
typedef struct ds_sim_block {
    uint64_t receiver_id, block_id;
    uint32_t source, piece;
    bool arrived;
} ds_sim_block;

/* A store that the driver holds open. */
typedef struct ds_sim_store {
    uint64_t executor_id;
    ds_store_view *view;
} ds_sim_store;

struct ds_sim {
    ds_sim_config config;
    ds_random random;
    int64_t now_us;
    int64_t clock_ms; /* by which the wall clock was set forwards so far */
    ds_sim_queue queue;
    ds_simnet *net;
    ds_driver *driver;
    bool ended;
    ds_status status;
    char message[DS_ERROR_TEXT];
    uint32_t next_death;
    uint64_t generation; /* of the driver's process: what was planned for one before is void */
    struct ds_recovered *recovered;
    ds_sim_executor **executors;
    ds_sim_wakes wakes;      /* of them */
    ds_sim_executor **peers; /* by peer: who has it, or had it; NULL: nobody */
    uint64_t n_peers;
    uint32_t n_executors, first_executor; /* of this driver: by first_executor + id - 1 */
    uint64_t last_dead_peer;              /* of drivers before */
    ds_sim_store *stores;
    uint32_t n_stores;
    struct ds_sim_job *jobs, **last_job; /* of the disk, in order */
    int64_t disk_free_us;
    bool journal_broken; /* a record failed: only a whole one mends it */
    ds_buffer journal;
    char *kept_folder;      /* NULL: what is kept is saved in stores */
    ds_sim_script *scripts; /* by source */
    ds_sim_block *blocks;
    size_t n_blocks;
    ds_buffer out;
    ds_sim_figures figures;
};

/* ---- sim_app.c ---- */

/* Even from 0 to most, while there are faults; else 0. */
int64_t ds_sim_delay(ds_sim *sim, uint32_t most);
/* True with that probability, while there are faults. */
bool ds_sim_happens(ds_sim *sim, double probability);
/* True if the driver is to die now. */
bool ds_sim_crashes(ds_sim *sim, double probability);
void ds_sim_trace(ds_sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An event that holds nothing of its own but `size` bytes. */
void *ds_sim_event_new(size_t size, void (*run)(void *arg, ds_sim_event *event));
void ds_sim_event_add(ds_sim *sim, void *event, int64_t time_us);
/* The process of an executor has ended: the driver will hear of it. */
void ds_sim_exited(ds_sim *sim, uint64_t executor_id, const char *why);

/* ---- sim_driver.c ---- */

/* Starts a driver process, on what the journal holds if one died before. */
void ds_sim_driver_start(ds_sim *sim);
/* Gives an event to its control; no effect when it has ended. */
void ds_sim_driver_step(ds_sim *sim, ds_driver_event *event);
void ds_sim_deliver(ds_sim *sim, const ds_simnet_delivery *delivery);
/* Its process dies, with its executors; another one starts. */
void ds_sim_driver_crash(ds_sim *sim);
/* Frees it. */
void ds_sim_driver_end(ds_sim *sim);
/* The bytes that can be fetched from an address; NULL if they are not there. */
const char *ds_sim_fetch(const ds_sim *sim, const char *url, const ds_ref *ref);

/* ---- sim_disk.c ---- */

/* What the driver asks of its disk: the folder of a source, a line of the journal, a commit. */
void ds_sim_disk_list(ds_sim *sim, uint32_t source);
/* request belongs to arena, which is taken. */
void ds_sim_disk_follow(ds_sim *sim, uint32_t source, const ds_follow_request *request,
                        ds_arena *arena);
void ds_sim_disk_scan(ds_sim *sim, uint32_t source, const char *folder, const ds_log_place *after);
void ds_sim_disk_trim(ds_sim *sim, const char *folder, const ds_log_place *before);
void ds_sim_disk_record(ds_sim *sim, const char *line, size_t length, bool whole, uint64_t ticket);
void ds_sim_disk_commit(ds_sim *sim, const ds_commit *commit);
/* What was to be done is done up to some point. */
void ds_sim_disk_crash(ds_sim *sim);

/* ---- sim_executor.c ---- */

/* Plans the start of a process. */
ds_sim_executor *ds_sim_executor_new(ds_sim *sim, uint64_t id, const uint8_t *token);
void ds_sim_executor_free(ds_sim_executor *executor);
/* Gives an event to its control. It may be dead afterwards. */
void ds_sim_executor_step(ds_sim_executor *executor, ds_executor_event *event);
/* A message or the loss of its connection. */
void ds_sim_executor_deliver(ds_sim_executor *executor, const ds_link_event *event);
/* True if its control can be stepped. */
bool ds_sim_executor_works(const ds_sim_executor *executor);
/* Ends the process at once. No effect if it is dead. */
void ds_sim_executor_kill(ds_sim_executor *executor, const char *why);

/* ---- sim_saver.c ---- */

/* Writes what a task has collected, after what came before; takes it over. */
void ds_sim_save(ds_sim_executor *executor, ds_collected *collected);
/* The executor dies; its control and store are still there. */
void ds_sim_saves_end(ds_sim_executor *executor);

/* ---- sim_receiver.c ---- */

/* What receivers of an executor do when its control says so: start, stop, cut a block at the
 * tick, go on reading as there is room again. */
void ds_sim_receiver_add(ds_sim_executor *executor, const ds_receiver_spec *spec);
void ds_sim_receiver_stop(ds_sim_executor *executor, uint64_t receiver_id);
void ds_sim_receivers_cut(ds_sim_executor *executor, uint64_t tick);
void ds_sim_receivers_credit(ds_sim_executor *executor);
/* The executor dies: of what was being written to the log some may be there, even a part. */
void ds_sim_receivers_end(ds_sim_executor *executor);
/* Blocks have come to the driver. */
void ds_sim_blocks_arrived(ds_sim *sim, const ds_msg_blocks *blocks);

#endif
