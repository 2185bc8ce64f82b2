/*
 * One batch: its time, what was allotted to it, its stages and tasks, and what came of them.
 */
#ifndef DS_SCHEDULER_BATCH_H
#define DS_SCHEDULER_BATCH_H

#include "dstream/plan.h"
#include "rpc/message.h"
#include "scheduler/batch_commit.h"
#include "scheduler/figures.h"

#define DS_TASK_ATTEMPTS 4u
#define DS_TASK_LOSSES 16u /* how often the executor of a task may be lost while it has it */
#define DS_TASK_LOSSES_AT_ONCE                                                                     \
    4u                       /* so often it runs again at once; then it waits, longer each time */
#define DS_TASK_INPUTS 1024u /* of one map task: its message has a limit */
#define DS_BATCH_LOSSES 4u   /* how often lost outputs are made again at once; then it backs off */

typedef enum ds_task_state {
    DS_TASK_WAITING, /* to be handed out */
    DS_TASK_RUNNING,
    DS_TASK_DONE,
} ds_task_state;

/* What a task could not read of its input, as it was not there any more. */
typedef struct ds_task_loss {
    uint64_t bytes; /* of files */
    ds_loss damaged, missing;
} ds_task_loss;

/* The driver's side of a task. */
typedef struct ds_batch_task {
    ds_task_state state;
    uint32_t attempt;      /* the one that runs or comes next */
    uint32_t failures;     /* attempts that failed (a lost executor does not count) */
    uint32_t losses;       /* executors that were lost while they had it */
    uint64_t executor_id;  /* RUNNING: where */
    int64_t handed_us;     /* RUNNING: since when */
    int64_t took_us;       /* DONE: from then on */
    bool copied;           /* a second copy of this attempt was made, as the next one (copies.h) */
    uint64_t avoid;        /* the executor where it failed last */
    int64_t not_before_us; /* WAITING: back-off */
    bool counted;          /* its rows are in the counters: it was done before */
    ds_task_loss *lost;    /* counted, or NULL: nothing; it may be more when it runs again */
    ds_output *outputs;    /* DONE; in the batch's arena */
    uint32_t n_outputs;
    ds_input *inputs; /* of map tasks */
    uint32_t n_inputs;
} ds_batch_task;

typedef struct ds_batch_stage {
    bool runs;  /* is part of this batch */
    bool ready; /* its tasks may run: parents are done */
    bool done;
    bool shown; /* bad records of it were logged */
    bool stale; /* what it read is gone, and is being made anew; it may be done all the same */
    ds_batch_task *tasks; /* by partition */
    uint32_t n_tasks, n_done, n_running;
    uint32_t next;    /* no task before it is WAITING */
    uint32_t fresh;   /* all tasks from it on are WAITING, and never ran */
    uint32_t n_again; /* WAITING tasks before it */
    int64_t again_us; /* these need not be looked at before */
    int64_t due_us;   /* the next back-off of one of these ends; INT64_MAX: there is none */
    ds_input *inputs; /* of reduce tasks: the same ranges for all */
    uint32_t n_inputs;
} ds_batch_stage;

typedef enum ds_batch_state {
    DS_BATCH_ALLOTTED, /* waiting for the checkpoint, or for its turn */
    DS_BATCH_RUNNING,
    DS_BATCH_PREPARED, /* waiting for the checkpoint */
    DS_BATCH_READY,    /* waiting for its turn to commit */
    DS_BATCH_COMMITTING,
    DS_BATCH_FAILED,   /* given up; waits for its turn to be passed over */
    DS_BATCH_RETAINED, /* committed; may be applied again to what is kept (retained.h) */
} ds_batch_state;

/* Blocks of a receiver that belong to a batch. */
typedef struct ds_batch_blocks {
    uint64_t executor_id, receiver_id, first, last;
} ds_batch_blocks;

/* Bytes that a retained batch holds in the store of an executor. */
typedef struct ds_held_bytes {
    uint64_t executor_id, bytes;
} ds_held_bytes;

/* What one source gave to a batch. */
typedef struct ds_allotment {
    uint32_t source;  /* index in the app */
    ds_input *inputs; /* in the order of positions */
    uint32_t n_inputs;
    uint64_t next; /* queue: the list that comes next, whether or not this one had rows */
} ds_allotment;

/* The version of a table that a batch uses, with what tells a person which that is. */
typedef struct ds_batch_table {
    uint32_t source; /* index in the app */
    uint64_t version;
    ds_file_stamp stamp;
    uint64_t checksum;
} ds_batch_table;

typedef struct ds_batch {
    struct ds_batch *next; /* by time */
    int64_t time_ms;
    ds_batch_state state;
    bool begun;            /* once its tasks might be handed out: for good, see driver/replay.c */
    bool again;            /* recovered: its commit may have been begun before */
    uint64_t ticket;       /* PREPARED: of the journal record it waits for */
    uint64_t bases_ticket; /* of the record that has where its appends begin; none does before */
    bool waited;           /* for memory; that was logged */
    bool remade;           /* it ran again for lost outputs */
    ds_arena *arena;
    ds_due due;
    ds_allotment *allotments;
    uint32_t n_allotments;
    ds_batch_blocks *blocks;
    uint32_t n_blocks;
    ds_batch_table *tables;
    uint32_t n_tables;
    ds_output *letters; /* dead letters that no task of it wrote, but the loads of tables */
    uint32_t n_letters;
    bool unsettled;         /* a version is gone: it waits, and begins anew with another one */
    uint32_t first_attempt; /* of its tasks: larger than those before it began anew */
    ds_batch_stage *stages; /* by stage id */
    uint32_t stages_left;
    int64_t due_us, started_us;
    uint64_t rows_in, rows_out, dead_letters;
    uint64_t *bad;    /* records, by source of the app */
    uint32_t losses;  /* how often outputs were lost with an executor */
    bool unchecked;   /* COMMITTING: some may have been lost since; it is looked at afterwards */
    ds_commit commit; /* PREPARED and later */
    int64_t commit_not_before_us, commit_wait_us; /* back-off after a failed commit */
    const ds_commit
        *stays;       /* of a batch that runs again: what of its commit is not lost; or NULL */
    bool inputs_gone; /* recovered: some of its inputs were in no log */
    uint32_t moves;   /* how often a file of its appends was not as it was left */
    bool recovered;   /* prepared before a restart: its commit only has to be done */
    bool replays;     /* it may be applied again: pieces for keyed stages stay wanted */
    bool saves;       /* all its keyed stages run: they save what they keep */
    bool committed;   /* all its outputs are in place */
    bool muted;  /* its tasks give nothing but pieces for keyed stages: it has been committed */
    bool prints; /* muted, but for rows of consoles: its files are known, and these are gone */
    ds_held_bytes *held; /* RETAINED: its pieces for keyed stages */
    uint32_t n_held;
} ds_batch;

/* A batch of all that is due at a time; plan is borrowed. */
ds_batch *ds_batch_new(const ds_plan *plan, int64_t time_ms);
void ds_batch_free(ds_batch *batch);

/* Makes the map tasks of the allotted inputs: consecutive inputs of a source join into one
 * partition up to block_bytes. Afterwards stages without anything to do are done. */
void ds_batch_make_stages(ds_batch *batch, const ds_plan *plan, uint64_t block_bytes);

/* Gives inputs (borrowed) to a source, instead of those that it was given before. */
void ds_batch_allot(ds_batch *batch, uint32_t source, ds_input *inputs, uint32_t n_inputs);

/* Makes all stages anew, as if no task had been handed out; none of them runs. */
void ds_batch_restart(ds_batch *batch, const ds_plan *plan, uint64_t block_bytes);

/* Notes that a task is done with these outputs (copied). Returns true if its stage is done
 * with it; stages that depend on it become ready. */
bool ds_batch_task_done(ds_batch *batch, const ds_plan *plan, uint32_t stage, uint32_t partition,
                        const ds_output *outputs, uint32_t n_outputs);

/* Makes the tasks of every stage whose parents are done ready, and gathers what they read; parents
 * have smaller ids, so one pass carries through stages that have nothing to do. */
void ds_batch_advance(ds_batch *batch, const ds_plan *plan);

/* A waiting task is handed out: it runs. */
void ds_batch_begin(ds_batch_stage *stage, uint32_t partition);

/* Makes a task wait for its next attempt. */
void ds_batch_begin_again(ds_batch_stage *stage, uint32_t partition);

/* Whether the bytes of a range are gone for good. */
typedef bool (*ds_gone_fn)(const void *arg, const ds_ref *ref);

/* Lets tasks run again whose outputs are gone and still wanted, and the stages that lost inputs
 * wait for them. Returns how many tasks. */
uint32_t ds_batch_lose_outputs(ds_batch *batch, const ds_plan *plan, ds_gone_fn gone,
                               const void *arg);

/* Received blocks that are gone. */
typedef struct ds_lost_blocks {
    uint64_t blocks, bytes, records;
    uint64_t logged;   /* that are gone, too, and are read from the log */
    uint64_t replaced; /* likewise: from a replica */
    uint64_t unsafe;   /* of the blocks: no second process held them yet that was to */
    uint64_t single;   /* of the blocks: nor did any more */
} ds_lost_blocks;

/* The path of a segment of the log. */
const char *ds_input_log_path(ds_arena *arena, const char *folder, const ds_log_place *place);

/* Has a received block be read from the log, if it is there: its room may be used again. */
void ds_input_use_log(ds_input *input);

/* Takes blocks that are gone out of the inputs of a map stage's waiting tasks. */
ds_lost_blocks ds_batch_lose_blocks(ds_batch *batch, uint32_t stage, ds_gone_fn gone,
                                    const void *arg);

/* A task of a batch that was given up does not run any more. */
void ds_batch_end(ds_batch_stage *stage, uint32_t partition);

/* True if some task of it runs. */
bool ds_batch_stage_runs(const ds_batch_stage *stage);

/* True when all stages are done. */
bool ds_batch_is_done(const ds_batch *batch);

/* True if it was applied to what some keyed stage keeps. */
bool ds_batch_applied(const ds_batch *batch, const ds_plan *plan);

/* Makes a committed batch as small as it can be while it may run again: only what its keyed stages
 * read stays, what it was given, and the tasks that can make the former of the latter. */
void ds_batch_retain(ds_batch *batch, const ds_plan *plan);

/* True if its commit is known and not done. */
bool ds_batch_is_prepared(const ds_batch *batch);

/* The commit of a batch whose tasks are done; in the batch's arena. Bases of appends are not known
 * yet (driver/appends.c). */
ds_commit ds_batch_commit(ds_batch *batch, const ds_plan *plan);

/* How many tasks the batch has so far, and the size of an input in bytes (rows for rate). */
uint64_t ds_input_size(const ds_input *input);

#endif
