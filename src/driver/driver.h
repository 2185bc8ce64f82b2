/*
 * The driver's control: a pure state machine.
 *
 * It is told what happened (ds_driver_step: time passed, a message came, a peer was lost, a
 * file was written) and does what follows through its ports; it reads no clock, opens nothing
 * and starts no thread. The real loop (cli/driver_loop.c) gives it nng, processes and disks;
 * the simulator and `dstream test` give it simulated ones.
 *
 * A batch goes through these states (batch.h), commits strictly in the order of time:
 *
 *     tick       receivers cut, folders are listed
 *     allotted   what was reported belongs to the batch; noted in the checkpoint
 *     running    its stages run on executors
 *     prepared   all tasks are done, files are staged; the commit record is in the checkpoint
 *     committed  files are in place, console rows are printed
 *     retained   it may run again: what its keyed stages read stays
 *     released   executors may reuse its memory
 *
 * The next batch runs while one commits. What it knows lies in scheduler/: registry.h (executors),
 * intake.h (sources), batch.h (stages and tasks of one batch); what is durable in checkpoint/. The
 * files here are its matters, one each; all of them see driver_state.h.
 */
#ifndef DS_DRIVER_DRIVER_H
#define DS_DRIVER_DRIVER_H

#include "dstream/plan.h"
#include "rpc/message.h"
#include "scheduler/batch_commit.h"
#include "scheduler/figures.h"
#include "scheduler/listed_file.h"

typedef struct ds_driver ds_driver;

/* What a log holds behind some place. */
typedef struct ds_logged_blocks {
    const ds_block *blocks; /* in order; log says where each is */
    uint32_t n_blocks;
    uint64_t last_receiver; /* the largest number of one that wrote there */
    ds_loss damaged;        /* blocks that are left out */
    uint64_t unknown;       /* of them: nobody knows how many records they had */
    uint64_t missing;       /* blocks that are not there, though later ones are */
    uint64_t cut_bytes;     /* of blocks that were not written to their end */
    bool locked;            /* somebody still writes there */
} ds_logged_blocks;

/* Why received blocks are gone. */
typedef enum ds_loss_cause {
    DS_LOST_WITH_EXECUTORS,
    DS_LOST_DAMAGED,  /* in the log: they are not what they were */
    DS_LOST_MISSING,  /* from the log: they are not there any more */
    DS_LOST_UNLOGGED, /* with a driver before this one: there was no log */
    DS_LOSS_CAUSES
} ds_loss_cause;

/* Figures for people; all counted since the start. */
typedef struct ds_progress {
    int64_t batch_ms;                       /* the newest committed batch */
    uint64_t batch_rows_in, batch_rows_out; /* of it */
    int64_t processing_us, delay_us; /* of it: from start to commit; from its time to commit */
    uint64_t batches, failed_batches;
    uint64_t rows_in, bytes_in, rows_out;
    uint64_t bad_total;
    uint64_t overflow_rows, overflow_values;
    uint64_t dead_letters;                   /* written */
    uint64_t function_rows, function_values; /* failures of user's functions */
    uint64_t spilled_bytes;                  /* written to disk for want of memory */
    const ds_source_counts *sources;         /* of the driver; by source of the app */
    uint32_t n_sources;
    uint64_t tasks, retries;
    uint64_t copies;    /* second ones, of slow tasks */
    uint32_t executors; /* ready ones */
    uint64_t executors_lost;
    uint64_t panes_lost; /* key partitions whose panes went with an executor */
    uint64_t saves;      /* of all that is kept */
    uint64_t saved_bytes;
    ds_histogram saving; /* from the batch that saves to the end of the save */
    uint32_t retained;   /* committed batches that may run again */
    /* Received, and gone, for whatever cause; bytes also of files that were gone before they were
     * read. */
    uint64_t blocks_lost, records_lost, bytes_lost;
    ds_loss lost[DS_LOSS_CAUSES];
    uint64_t unknown_lost[DS_LOSS_CAUSES]; /* blocks: nobody knows how many records they had */
    uint64_t blocks_lost_unsafe; /* of those: before a second process held them, as was wanted */
    uint64_t blocks_replicated, records_replicated; /* that came to a second executor */
    uint64_t blocks_single; /* in a batch with one holder where their source wants two, or since */
    uint64_t blocks_waiting;
    uint32_t batches_waiting;
    uint64_t refused;        /* how often a receiver found no room, and stopped reading */
    int64_t behind_ms;       /* since the time of the oldest batch that is due and not committed */
    uint64_t behind_reports; /* how often that was logged */
    ds_histogram processing, scheduling, delay; /* of batches: from start to commit; from being
                                                   due to the start; from being due to commit */
    const ds_sink_counts *sinks;                /* of the driver; by sink of the plan */
    uint32_t n_sinks;
    const ds_stream_counts *streams; /* of the driver */
    uint32_t n_streams;
    uint64_t driver_bytes; /* bytes of rows that passed through the driver: console only */
    uint64_t memory_bytes; /* used by executors, as last told */
} ds_progress;

/* What the control may do. Every function returns at once; where an answer is due it comes as an
 * event. */
typedef struct ds_driver_ports {
    void *arg;
    void (*send)(void *arg, uint64_t peer, const ds_message *message);
    /* For what has time: it leaves with the next message to the peer, or with `flush`. Both may be
     * NULL: then it is sent at once. */
    void (*send_later)(void *arg, uint64_t peer, const ds_message *message);
    void (*flush)(void *arg, uint64_t peer);
    void (*close_peer)(void *arg, uint64_t peer);
    /* Starts an executor process; DS_DRIVER_EXECUTOR_EXITED tells if it ends. */
    void (*launch)(void *arg, uint64_t executor_id, const uint8_t *token);
    void (*kill)(void *arg, uint64_t executor_id);
    /* True if the process of an executor that was launched can go on: it is neither stopped nor
     * gone. May be NULL: it is not known. */
    bool (*can_run)(void *arg, uint64_t executor_id);
    /* Opens the store of an executor and holds it; paths receives where others can open it. If it
     * cannot, its bytes are copied over links, and are gone when it is. */
    ds_status (*open_store)(void *arg, uint64_t executor_id, const ds_msg_hello *hello,
                            ds_store_paths *paths, ds_error *error);
    void (*close_store)(void *arg, uint64_t executor_id);
    /* Answered by DS_DRIVER_FILES. source: index in the app. */
    void (*list_files)(void *arg, uint32_t source);
    /* Looks at the files of a `tail`. request belongs to arena, and both to the port: free it.
     * Answered by DS_DRIVER_FOLLOWED. */
    void (*follow)(void *arg, uint32_t source, const ds_follow_request *request, ds_arena *arena);
    /* Finds what a source's log holds behind a place, once nobody writes to it any more. Answered
     * by DS_DRIVER_LOGGED: DS_ERR_UNAVAILABLE if the folder is away, and worth another look. folder
     * and after are borrowed for the call. */
    void (*scan_log)(void *arg, uint32_t source, const char *folder, const ds_log_place *after);
    /* Deletes the segments before that of a place. */
    void (*trim_log)(void *arg, const char *folder, const ds_log_place *before);
    /* Appends a record (one line) to the checkpoint's metadata, in a new file if `whole`, which
     * becomes durable, with those before it, before DS_DRIVER_JOURNALED answers if `sync`. Length
     * 0: no record, only that. */
    void (*journal)(void *arg, const char *line, size_t length, bool whole, bool sync,
                    uint64_t ticket);
    /* Answered by DS_DRIVER_COMMITTED. A commit that fails is tried again, but for
     * DS_ERR_CLOSED (nobody reads the console any more), DS_ERR_UNAVAILABLE and DS_ERR_APP
     * (somebody else writes there): then the app ends. */
    void (*commit)(void *arg, const ds_commit *commit);
    /* Deletes files of saved data that nothing refers to (copied); whether or not that works. */
    void (*drop_files)(void *arg, const char *const *paths, size_t n_paths);
    void (*progress)(void *arg, const ds_progress *progress);
    /* The app has ended; nothing is stepped after it. */
    void (*end)(void *arg, ds_status status, const char *message);
} ds_driver_ports;

typedef struct ds_driver_config {
    const ds_plan *plan;         /* borrowed */
    uint64_t epoch;              /* of this driver: never used twice, not 0 */
    uint64_t seed;               /* for tokens */
    uint8_t key[DS_TOKEN_BYTES]; /* of the app: what fetches bytes carries it */
    bool available_now;
    bool checkpoint;         /* journal and wait for it */
    const char *log_folder;  /* of the logs of received blocks; borrowed; NULL: there are none */
    bool virtual_time;       /* tests: batches follow each other without waiting */
    int64_t start_ms;        /* virtual time: zero */
    uint32_t open_files;     /* with more files of all `tail` than so many none stays open only as
                                batches may run again; 0: 500 of each */
    uint32_t n_batches;      /* virtual time: run exactly so many; 0: until the input ends */
    int64_t not_before_ms;   /* batch times are later than this (outputs are there already) */
    bool external_executors; /* executors may join by URL */
    bool one_process;        /* its own executors are threads of it: none is silent alone */
    const char *kept_folder; /* where executors save what is kept; borrowed; NULL: in stores */
    bool saves;              /* what is kept is saved, and batches since then can run again */
    const char *folder;      /* where relative paths begin; borrowed; NULL: where executors are */
    const char *bulk_url;    /* where executors fetch bytes of lost ones; borrowed; NULL: nowhere */
    uint32_t heartbeat_ms;   /* who says nothing for so long is lost; 0: nobody */
    uint64_t credit_bytes;   /* for all receivers together */
    const struct ds_recovered *recovered; /* from a checkpoint, or NULL; borrowed for new */
} ds_driver_config;

typedef enum ds_driver_event_kind {
    DS_DRIVER_STARTED,
    DS_DRIVER_TIME,
    DS_DRIVER_MESSAGE,
    DS_DRIVER_PEER_LOST,
    DS_DRIVER_EXECUTOR_EXITED, /* its process ended: executor_id, text says why */
    DS_DRIVER_FILES,
    DS_DRIVER_FOLLOWED,
    DS_DRIVER_LOGGED,
    DS_DRIVER_JOURNALED,
    DS_DRIVER_COMMITTED,
    DS_DRIVER_STOP, /* a graceful stop was asked for */
} ds_driver_event_kind;

typedef struct ds_driver_event {
    ds_driver_event_kind kind;
    int64_t now_us;              /* monotonic */
    int64_t wall_ms;             /* of the clock that batches follow */
    uint64_t peer;               /* MESSAGE, PEER_LOST */
    const ds_message *message;   /* MESSAGE */
    uint64_t executor_id;        /* EXECUTOR_EXITED */
    uint32_t source;             /* FILES, FOLLOWED, LOGGED */
    const ds_listed_file *files; /* FILES: sorted by name */
    uint32_t n_files;
    const ds_sightings *seen;       /* FOLLOWED */
    const ds_logged_blocks *logged; /* LOGGED */
    uint64_t ticket;                /* JOURNALED */
    int64_t batch_ms;               /* COMMITTED */
    /* COMMITTED: where the files of its appends end before it, by append: those for which this is
     * not the base were left alone. NULL: the commit is done. */
    const ds_append_end *ends;
    /* COMMITTED: what is neither staged nor in its place, by file, then by append; the rest is in
     * place (or was left alone, see ends). NULL: nothing. */
    const bool *lost;
    ds_status status; /* FILES, LOGGED, JOURNALED, COMMITTED */
    const char *text; /* the reason, if status is not OK */
} ds_driver_event;

/* config and ports are copied. */
ds_driver *ds_driver_new(const ds_driver_config *config, const ds_driver_ports *ports);
void ds_driver_free(ds_driver *driver);

/* The one function that advances it. One thread. */
void ds_driver_step(ds_driver *driver, const ds_driver_event *event);

/* Asserts what holds between steps. Goes through all tasks: for the simulation and tests. */
void ds_driver_check(const ds_driver *driver);

/* How far a batch is. */
typedef enum ds_batch_phase {
    DS_BATCH_COMING,
    DS_BATCH_UNDER_WAY,
    DS_BATCH_WITH_TASKS, /* some of its tasks are with executors, or were */
    DS_BATCH_OVER,       /* committed, given up, or nothing was to do */
} ds_batch_phase;

/* How far the batch at a batch time is: for tests. */
ds_batch_phase ds_driver_batch_phase(const ds_driver *driver, int64_t batch_ms);

/* When it wants DS_DRIVER_TIME next: the earlier of a monotonic time (us) and a time of the wall
 * clock (ms), each INT64_MAX for never. */
void ds_driver_deadline(const ds_driver *driver, int64_t *mono_us, int64_t *wall_ms);

/* Where the bytes of an executor can be fetched whose store could not be opened (borrowed until the
 * next step); NULL if it could, or if it is gone. */
const char *ds_driver_bulk_url(const ds_driver *driver, uint64_t executor_id);

/* How it is now. */
ds_driver_health ds_driver_get_health(const ds_driver *driver);
/* Fills the list with the executors that live, at most so many; returns how many. */
uint32_t ds_driver_executors(const ds_driver *driver, ds_executor_figures *list, uint32_t most);

/* The figures so far (borrowed; changed by the next step). */
const ds_progress *ds_driver_progress(const ds_driver *driver);

#endif
