/*
 * The sources as the driver sees them: what has arrived and belongs to no batch yet.
 *
 * A source with a receiver has a list of reported blocks; `files` has files that were listed
 * and not read to their end; `tail` has files that grow (tail_files.h); `rate` and `queue`
 * count. ds_intake_allot takes what is there (for files at most DS_FILES_BATCH_BYTES in
 * DS_FILES_BATCH_PIECES) and gives it to a batch: allotment follows the arrival of reports, and the
 * driver's time is the only one.
 */
#ifndef DS_SCHEDULER_INTAKE_H
#define DS_SCHEDULER_INTAKE_H

#include "scheduler/batch.h"
#include "scheduler/listed_file.h"
#include "scheduler/tail_files.h"

#define DS_FILES_BATCH_BYTES ((uint64_t)256 << 20)
#define DS_FILES_BATCH_PIECES 16384u
#define DS_RATE_PIECE_ROWS UINT64_C(65536) /* or more, if a batch would have too many pieces */
#define DS_RATE_BATCH_PIECES UINT64_C(16384)

/* A file that was seen. Its whole size is fixed when it is first listed. */
typedef struct ds_seen_file {
    char *name;
    uint64_t size, taken; /* bytes; bytes allotted to batches */
} ds_seen_file;

typedef struct ds_waiting_block {
    uint64_t executor_id; /* 0: it is in the log only */
    uint64_t receiver_id;
    ds_block block;
    ds_ref replica; /* another executor's copy; executor 0: none (driver/replicas.c) */
    bool safe;      /* as many hold it as its source wants, or can be: a batch may have it */
    bool single;    /* it wants a replica and has none, and was not counted yet */
} ds_waiting_block;

/* Blocks of a source on their way to a second executor. */
typedef struct ds_replication {
    uint64_t number;      /* of the request that is out; 0: none */
    uint64_t executor_id; /* that was asked */
    size_t tended;        /* blocks that need nothing, the first ones */
    size_t awaited;       /* by the batch that is being made, the first ones */
    uint64_t avoid;       /* who could not */
    uint32_t failures;    /* in a row */
    int64_t not_before_us;
    bool alone; /* there was no second executor; that was logged */
} ds_replication;

typedef enum ds_intake_phase {
    DS_INTAKE_IDLE, /* has no receiver now */
    DS_INTAKE_STARTING,
    DS_INTAKE_RUNNING,
    DS_INTAKE_ENDED, /* nothing more will come */
} ds_intake_phase;

typedef struct ds_intake {
    const ds_app_source *source;
    uint32_t index; /* in the app */
    bool needed;    /* the plan reads it */
    ds_intake_phase phase;
    /* With a receiver. */
    uint64_t receiver_id, executor_id;
    bool moved; /* a receiver that worked was lost with its executor, and no other works yet */
    int64_t retry_us, retry_wait_us; /* moved: when the next one starts, after one that failed */
    uint64_t last_block;             /* id of the newest block of this receiver */
    ds_waiting_block *blocks;
    size_t n_blocks, blocks_capacity;
    uint64_t records;         /* reported so far: the position of the next block */
    ds_source_counts *counts; /* of the driver */
    int64_t shown_since_us;   /* bad records: shown and only counted since then */
    uint64_t shown, hidden;
    uint64_t most_records; /* for one batch: blocks until there are so many */
    ds_replication replication;
    uint64_t single_blocks; /* given to batches so, not yet counted by the driver */
    uint64_t too_long;      /* dropped by the receiver, not yet counted in a batch */
    /* With a checkpoint: the log (driver/log.c). */
    char *log_folder;        /* NULL: none */
    bool scanned;            /* it was looked through, once at least */
    bool scanning;           /* it is being looked through */
    bool away;               /* scanning: its folder is not to be seen; that was said */
    int64_t rescan_us;       /* scanning: its folder is away, then it is tried again; or 0 */
    ds_log_place log_end;    /* of the newest block that is known, */
    ds_log_place log_taken;  /* of the newest that was given to a batch, */
    ds_log_place log_begin;  /* and of the oldest that may be needed: what is before it goes */
    ds_log_place log_closed; /* segments up to this one are not written to any more */
    uint64_t trim_ticket;    /* when the journal has this record; 0: it is gone */
    /* files */
    ds_seen_file *files; /* sorted by name */
    size_t n_files, files_capacity;
    size_t n_unread;     /* of them, those of which bytes are left */
    uint64_t most_bytes; /* for one batch */
    bool looking;        /* tail: a look was asked for, at looked_us, and is not answered */
    int64_t looked_us;
    bool tick_waits;  /* for that */
    bool slow;        /* that was said of it */
    bool doubted;     /* a task could not read, and nobody looked since */
    bool sought;      /* tail: the files of a checkpoint are looked for */
    bool listed;      /* at least once since the start */
    bool ever_listed; /* the same, or before a restart */
    bool list_failed; /* the last time */
    /* tail; with most_bytes and listed */
    ds_tail_files tail;
    /* rate, queue, table */
    uint64_t next; /* row, or list; of a table the number of its newest version */
} ds_intake;

/* True for tail, unless a test gives its records. */
bool ds_intake_follows(const ds_intake *intake);

/* True for socket and stdin. */
bool ds_intake_has_receiver(const ds_intake *intake);

/* The intake of the plan's source number index; plan is borrowed. */
void ds_intake_init(ds_intake *intake, const ds_plan *plan, uint32_t index);
void ds_intake_fini(ds_intake *intake);

/* A receiver's block; executor 0: that was found in the log. */
void ds_intake_report(ds_intake *intake, uint64_t executor_id, uint64_t receiver_id,
                      const ds_block *block);

/* The blocks that an executor held went with it: those of which there is a replica are there, those
 * that are in the log are read from there, others are dropped. */
ds_lost_blocks ds_intake_lose(ds_intake *intake, uint64_t executor_id);

/* A listing of the folder: adds what is new. skip_existing: new files count as read already
 * (new_files_only, at the first listing). */
void ds_intake_list(ds_intake *intake, const ds_listed_file *files, uint32_t n_files,
                    bool skip_existing);
/* Notes that bytes of a file belong to a batch already (from a checkpoint); a size below `taken`
 * is one that is not known. */
void ds_intake_taken(ds_intake *intake, const char *name, uint64_t size, uint64_t taken);

/* True if a batch at this moment would be given something. */
bool ds_intake_has_more(const ds_intake *intake);

/*
 * Gives what has arrived to the batch: fills *allotment (in the batch's arena) and adds blocks
 * to the batch. interval_ms is the batch's (for rate). block_bytes: pieces are no larger.
 */
void ds_intake_allot(ds_intake *intake, ds_batch *batch, int64_t interval_ms, uint64_t block_bytes,
                     ds_allotment *allotment);

#endif
