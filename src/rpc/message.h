/*
 * The messages between driver and executors: their types, fields and limits.
 *
 * On the wire every message starts with a header (magic, protocol version, type, length of the
 * body, epoch of the driver), little-endian. The length is checked against DS_MESSAGE_LIMIT
 * and against what arrived before anything else is believed; every count inside is checked
 * against the bytes that are left. A message that breaks a rule is DS_ERR_PROTOCOL: the
 * connection is closed.
 *
 * A completed send is not a delivery. Every command names what it is about (epoch, batch,
 * stage, partition, attempt), and receiving it twice has no effect.
 *
 *     executor -> driver   HELLO, PLAN_RESULT, TASK_RESULTS, BLOCKS, CUT_DONE,
 *                          RECEIVER_STATE, HEARTBEAT, TABLE_LOADED, SAVED, REPLICATED
 *     driver -> executor   WELCOME, REJECT, PLAN, DROP_PLAN, PEER, TASKS, RECEIVER_START,
 *                          RECEIVER_STOP, RECEIVER_RATE, CUT, RELEASE, STOP, TABLE_LOAD, TABLE,
 *                          TABLE_DROP, REPLICATE
 *     over bulk links      FETCH, answered by FETCHED (exec/bulk_client.h)
 *
 * Structs here are what both cores work with. Decoding copies everything into an arena, so a
 * decoded message does not refer to the bytes it came from.
 */
#ifndef DS_RPC_MESSAGE_H
#define DS_RPC_MESSAGE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/followed.h"
#include "base/log_place.h"
#include "base/loss.h"

#define DS_PROTOCOL_VERSION 2u
#define DS_MESSAGE_LIMIT ((size_t)16 << 20) /* bytes, header included */
#define DS_MESSAGE_LIST_LIMIT 65536u        /* items of any list */
#define DS_MESSAGE_TEXT_LIMIT 4096u         /* bytes of any text but a plan */
#define DS_TOKEN_BYTES 32u
#define DS_FETCH_LIMIT (1u << 20) /* bytes of one FETCH */
#define DS_BAD_REASON_SLOTS 8u    /* counters by reason; columnar/format.h names them */

typedef enum ds_message_type {
    DS_MSG_HELLO = 1,
    DS_MSG_WELCOME,
    DS_MSG_REJECT,
    DS_MSG_PLAN,
    DS_MSG_PLAN_RESULT,
    DS_MSG_DROP_PLAN,
    DS_MSG_PEER,
    DS_MSG_TASKS,
    DS_MSG_TASK_RESULTS,
    DS_MSG_RECEIVER_START,
    DS_MSG_RECEIVER_STOP,
    DS_MSG_RECEIVER_STATE,
    DS_MSG_CUT,
    DS_MSG_CUT_DONE,
    DS_MSG_BLOCKS,
    DS_MSG_RELEASE,
    DS_MSG_HEARTBEAT,
    DS_MSG_STOP,
    DS_MSG_FETCH,
    DS_MSG_FETCHED,
    DS_MSG_TABLE_LOAD,
    DS_MSG_TABLE_LOADED,
    DS_MSG_TABLE,
    DS_MSG_TABLE_DROP,
    DS_MSG_SAVED,
    DS_MSG_RECEIVER_RATE,
    DS_MSG_REPLICATE,
    DS_MSG_REPLICATED,
    DS_MSG_TYPES
} ds_message_type;

/* An executor introduces itself. */
typedef struct ds_msg_hello {
    uint32_t protocol;             /* DS_PROTOCOL_VERSION */
    const char *build;             /* DS_VERSION */
    const char *app_id;            /* of the app it was launched for; "" when it joins by URL */
    uint64_t executor_id;          /* given by its launcher, never used twice; 0: wants one */
    uint8_t token[DS_TOKEN_BYTES]; /* made for its launch; zero when it joins by URL */
    uint32_t cores;
    int64_t pid;      /* process and descriptor under which its store can be opened */
    int32_t store_fd; /* -1: it cannot */
    int32_t spill_fd; /* the file behind the store's memory; -1: none, or it cannot be opened */
    uint64_t store_bytes;
    uint64_t spill_bytes; /* of that file: offsets from store_bytes on are places in it */
    const char *host;     /* tells hosts apart: the boot id */
    const char *bulk_url; /* where bytes of its store can be fetched; "": nowhere */
} ds_msg_hello;

typedef struct ds_msg_welcome {
    uint64_t executor_id;
    const char *app_id;
    uint32_t heartbeat_ms;
    uint8_t key[DS_TOKEN_BYTES]; /* with the secret it makes that of bulk links (DS_BULK_USE) */
    const char *folder;          /* where relative paths begin; "": where the executor is */
} ds_msg_welcome;

/* The peer must not try again: it exits and shows the reason. */
typedef struct ds_msg_reject {
    const char *reason;
} ds_msg_reject;

/* A plan: canonical JSON, compiled by the same planner on the other side. */
typedef struct ds_msg_plan {
    uint32_t plan_id;
    uint64_t hash; /* XXH3-64 of the text */
    const char *text;
    const char *staging_suffix; /* for names of staged files: app and epoch */
    const char *kept_folder;    /* where kept data is saved; "": in the store */
} ds_msg_plan;

typedef struct ds_msg_plan_result {
    uint32_t plan_id;
    uint32_t status; /* ds_status */
    const char *message;
} ds_msg_plan_result;

typedef struct ds_msg_drop_plan {
    uint32_t plan_id;
} ds_msg_drop_plan;

/* Where the bytes of an executor's store are; said again when that changes. */
typedef struct ds_msg_peer {
    uint64_t executor_id;
    const char *path; /* "/proc/PID/fd/N" of the driver, which holds it open; "": nowhere */
    uint64_t store_bytes;
    const char *spill_path; /* of the file behind it, likewise; "": there is none */
    uint64_t spill_bytes;
    const char *bulk_url; /* where they can be fetched instead; "": nowhere */
    bool gone;            /* nothing in it is needed, or to be had, any more */
} ds_msg_peer;

/* Under which paths others can open a store that is held open: as in ds_msg_peer. */
typedef struct ds_store_paths {
    char memory[64], spill[64];
} ds_store_paths;

/* A run of bytes in the store of an executor. */
typedef struct ds_ref {
    uint64_t executor_id;
    uint64_t offset;
    uint64_t length;
} ds_ref;

typedef enum ds_input_kind {
    DS_INPUT_BLOCK,  /* received bytes: ref */
    DS_INPUT_FILE,   /* bytes [from, to) of path: the records that start there */
    DS_INPUT_RATE,   /* rows from .. to of the generator */
    DS_INPUT_QUEUE,  /* the list number `from` of the app file */
    DS_INPUT_TAIL,   /* as FILE, of a file that grows: tail says which it is */
    DS_INPUT_PIECES, /* what one map task wrote for this stage: ref */
    DS_INPUT_LOG,    /* received bytes in the log: log, path; ref.length of them */
    DS_INPUT_KINDS
} ds_input_kind;

/* A file that may have another name by now, or may be another file. */
typedef struct ds_tail_input {
    uint64_t number; /* of the driver's, for this source */
    ds_file_id id;
    uint64_t stop;    /* not 0: the file ends there */
    bool starts;      /* a record starts at `from`, whatever stands before it */
    uint32_t pid, fd; /* /proc/PID/fd/FD leads to it; 0: nothing does */
    bool awaited;     /* while its folder is not there it may come back; else it is gone then */
} ds_tail_input;

typedef struct ds_input {
    uint8_t kind;       /* ds_input_kind */
    ds_ref ref;         /* BLOCK, PIECES */
    uint32_t input;     /* PIECES: which input of the stage they are for */
    uint64_t from, to;  /* FILE, TAIL, RATE, QUEUE; BLOCK, LOG: the numbers of its records */
    uint64_t position;  /* of the first record, for messages and order */
    uint32_t header;    /* BLOCK, LOG: this many first bytes are the csv header line */
    const char *path;   /* FILE, TAIL; BLOCK, LOG: the file of the log that has it; else "" */
    ds_tail_input tail; /* TAIL */
    ds_log_place log;   /* LOG; BLOCK: where the log has the same bytes, if it has them */
    ds_ref
        replica; /* BLOCK: another executor's copy (executor 0: none); for the driver, not sent */
} ds_input;

/* Which version of a table the tasks of a batch join with. */
typedef struct ds_table_use {
    uint32_t source; /* index in the app */
    uint64_t version;
} ds_table_use;

/*
 * A part of what one root of a keyed stage keeps of one key partition, as it was saved. A whole and
 * the changes since then, in order, are a chain: what the partition begins with elsewhere.
 */
typedef struct ds_saved_part {
    uint32_t stage, partition;
    uint32_t input;   /* of the stage: whose root keeps it */
    int64_t batch_ms; /* the batch that it stood at */
    bool whole;       /* else what changed since the part before it */
    const char *path; /* of a file; "": it is in a store */
    ds_ref ref;       /* in a store */
    uint64_t offset;  /* in the file */
    uint64_t length;  /* 0: nothing changed */
    uint64_t checksum;
} ds_saved_part;

/* What leaves a task of a batch whose commit record was written before. */
typedef enum ds_task_mode {
    DS_TASK_NORMAL,
    DS_TASK_PRINTS, /* pieces for later stages, and rows of sinks that are not files */
    DS_TASK_MUTED,  /* pieces for later stages, but no rows of sinks, and no dead letters */
    DS_TASK_REPLAY  /* nothing: it only changes what its partition keeps */
} ds_task_mode;

/* One task. Names epoch (in the header), batch, stage, partition, attempt. */
typedef struct ds_task {
    int64_t batch_ms; /* batch time */
    uint32_t plan_id;
    uint32_t stage;
    uint32_t partition;
    uint32_t attempt; /* from 0, counted over the whole life of the batch */
    int64_t zero_ms;  /* the time before the first batch */
    int64_t keyed_ms; /* the batch that the keyed partition must stand at (INT64_MIN: empty) */
    ds_input *inputs; /* in the order of the stage's inputs, map stages and map partitions */
    uint32_t n_inputs;
    ds_table_use *tables; /* those that its stage joins with */
    uint32_t n_tables;
    uint8_t mode; /* ds_task_mode */
    /* Not 0: once the batch is applied, what the partition keeps is saved under this number, once
     * for each number, and SAVED tells of it; save_whole: all of it, not only what changed;
     * save_folds: what changed, and whoever writes it makes a whole of it and `saved`, which is its
     * chain so far (or all of it is saved: that is the same, but takes time of the batch). */
    uint64_t save;
    bool save_whole, save_folds;
    ds_saved_part *saved; /* what the partition begins with, which stands at keyed_ms */
    uint32_t n_saved;     /* 0: it is with the executor, or empty */
} ds_task;

typedef struct ds_msg_tasks {
    ds_task *tasks;
    uint32_t n_tasks;
    bool more; /* the driver has others that wait for these: it wants to hear early of some */
} ds_msg_tasks;

typedef enum ds_output_kind {
    DS_OUTPUT_PIECES, /* pieces by key partition for an input of stage `target`: ref */
    DS_OUTPUT_FILE,   /* a staged file of sink `target`: path, length, checksum */
    DS_OUTPUT_BYTES   /* formatted rows of a console or of a test for sink `target`: ref */
} ds_output_kind;

typedef struct ds_output {
    uint8_t kind;
    uint32_t target;
    uint32_t input; /* PIECES: which input of that stage they are for */
    uint64_t rows;
    ds_ref ref;
    uint64_t length;
    uint64_t checksum; /* XXH3-64 of the file */
    const char *path;
} ds_output;

/* A bad record to show, or a failure of a user's function: at most a few a task. */
typedef struct ds_bad_sample {
    uint8_t reason;    /* DS_BAD_REASON_SLOTS: none of the counted ones; or DS_SAMPLE_FUNCTION */
    const char *where; /* the function's name, or "access.log:1234 (byte 99)", "record 17" */
    const char *detail;
} ds_bad_sample;

#define DS_SAMPLE_FUNCTION (DS_BAD_REASON_SLOTS + 1)

typedef struct ds_task_result {
    int64_t batch_ms;
    uint32_t plan_id, stage, partition, attempt;
    uint32_t status; /* ds_status: OK, or why it failed */
    const char *message;
    uint64_t rows_in, bytes_in;
    uint64_t bad[DS_BAD_REASON_SLOTS];
    uint64_t replaced;        /* characters made U+FFFD */
    uint64_t lost_bytes;      /* of files, gone before they were read */
    ds_loss damaged, missing; /* LOG: that are not what they were, and that are not there */
    uint64_t overflow_rows;   /* rows dropped for an overflow */
    uint64_t overflow_values; /* aggregate values that became null */
    uint64_t function_rows;   /* the same for failures of user's functions */
    uint64_t function_values;
    uint64_t spilled_bytes; /* written to disk for want of memory */
    /* Of keyed stages: the time after which what is kept of the partition has something to do
     * without rows; INT64_MAX: never, as far as states are concerned. */
    int64_t acts_ms;
    uint64_t busy_us;
    ds_output *outputs;
    uint32_t n_outputs;
    ds_bad_sample *samples;
    uint32_t n_samples;
} ds_task_result;

typedef struct ds_msg_task_results {
    ds_task_result *results;
    uint32_t n_results;
} ds_msg_task_results;

typedef struct ds_msg_receiver_start {
    uint32_t plan_id;
    uint32_t source;        /* index in the plan */
    uint64_t receiver_id;   /* never used twice */
    uint64_t credit_bytes;  /* received bytes it may hold that are not released */
    bool until_idle;        /* --available-now: ends when nothing more comes */
    const char *log_folder; /* where its blocks are written before they are reported; "": nowhere */
    uint64_t rate;          /* records a second that it may read; 0: no limit */
} ds_msg_receiver_start;

/* Stops reading; what was read is cut and reported, then RECEIVER_STATE says ended. */
typedef struct ds_msg_receiver_stop {
    uint64_t receiver_id;
} ds_msg_receiver_stop;

/* Another rate from now on. */
typedef struct ds_msg_receiver_rate {
    uint64_t receiver_id;
    uint64_t rate; /* as in ds_msg_receiver_start */
} ds_msg_receiver_rate;

typedef enum ds_receiver_phase {
    DS_RECEIVER_RUNNING,  /* connected or listening */
    DS_RECEIVER_RETRYING, /* message says why; it goes on trying */
    DS_RECEIVER_ENDED,    /* the end of the input, or stopped */
    DS_RECEIVER_FAILED    /* status and message; it does not go on */
} ds_receiver_phase;

typedef struct ds_msg_receiver_state {
    uint64_t receiver_id;
    uint8_t phase;
    /* ds_status for RETRYING and FAILED. RETRYING with DS_ERR_IO: the log cannot be written, and
     * nothing is added any more to segments of blocks that were reported. */
    uint32_t status;
    const char *message;
} ds_msg_receiver_state;

/* The batch tick: all receivers cut what they have, report it, and then CUT_DONE. */
typedef struct ds_msg_cut {
    uint64_t tick;
} ds_msg_cut;

typedef struct ds_msg_cut_done {
    uint64_t tick;
} ds_msg_cut_done;

typedef struct ds_block {
    uint64_t block_id;       /* counts up for each receiver, from 1 */
    uint64_t offset, length; /* in the executor's store */
    uint64_t records;
    uint32_t header;
    uint64_t too_long;  /* records dropped by the receiver before this block: over the limit */
    uint64_t cut_short; /* records that a peer left unfinished (they count as records) */
    ds_log_place log;   /* where it is durable */
} ds_block;

typedef struct ds_msg_blocks {
    uint64_t receiver_id;
    ds_block *blocks;
    uint32_t n_blocks;
} ds_msg_blocks;

/* A received block and where it is. */
typedef struct ds_replica {
    uint64_t receiver_id, block_id;
    ds_ref ref;
} ds_replica;

/* Has the executor hold blocks that another one received, too. */
typedef struct ds_msg_replicate {
    uint64_t number;     /* never used twice; larger than all before */
    uint64_t room_bytes; /* that blocks of others may take there together */
    ds_replica *blocks;  /* in the stores that they are fetched from */
    uint32_t n_blocks;
} ds_msg_replicate;

/* It holds the first ones of these from now on, until they are released. */
typedef struct ds_msg_replicated {
    uint64_t number;
    uint32_t status; /* ds_status: OK, or why it does not hold the next one; NO_MEMORY: for now */
    const char *message;
    ds_replica *blocks; /* in its own store */
    uint32_t n_blocks;
} ds_msg_replicated;

/* What an executor has saved, durably if in files: all parts of a task together. */
typedef struct ds_msg_saved {
    uint32_t plan_id;
    uint64_t save;
    uint32_t status; /* ds_status; not OK: nothing of this was saved */
    const char *message;
    ds_saved_part *parts;
    uint32_t n_parts;
} ds_msg_saved;

/* The driver's word that bytes are not needed any more. */
typedef struct ds_msg_release {
    int64_t *batches; /* shuffle output and sink bytes of these batches */
    uint32_t n_batches;
    struct ds_block_range {
        uint64_t receiver_id, first, last; /* block ids, inclusive */
    } * blocks;
    uint32_t n_blocks;
    /* Batches that were committed, of which what was written for keyed stages is still needed. */
    int64_t *committed;
    uint32_t n_committed;
    ds_ref *saved; /* parts of kept data in this executor's store that nothing refers to */
    uint32_t n_saved;
} ds_msg_release;

typedef struct ds_msg_heartbeat {
    uint64_t used_bytes; /* of its memory budget */
    uint64_t store_used, store_peak;
    uint64_t refused; /* how often a receiver found no room, and stopped reading */
} ds_msg_heartbeat;

/* Ends the executor. */
typedef struct ds_msg_stop {
    const char *reason;
} ds_msg_stop;

/* Asks for bytes of a store, over a bulk link. */
typedef struct ds_msg_fetch {
    uint64_t number; /* the asker's; the answer has the same */
    ds_ref ref;      /* at most DS_FETCH_LIMIT bytes */
} ds_msg_fetch;

typedef struct ds_msg_fetched {
    uint64_t number;
    uint32_t status; /* DS_ERR_LOST: no such bytes are here */
    const char *bytes;
    uint32_t n_bytes; /* as many as were asked for, or none */
} ds_msg_fetched;

/* What the system says about a file; all zero: there is no file. */
typedef struct ds_file_stamp {
    uint64_t device, inode, size;
    int64_t modified_ns, changed_ns;
} ds_file_stamp;

/* Reads the file of a table into the store, as the blocks of a version, unless it still is the
 * file that is known: by its stamp, or else by its bytes. */
typedef struct ds_msg_table_load {
    uint32_t plan_id;
    uint32_t source;     /* index in the app */
    uint64_t load_id;    /* never used twice; larger than all before */
    uint64_t version;    /* what to call it; larger than all that are in use */
    ds_file_stamp known; /* all zero: nothing is known */
    uint64_t checksum;   /* XXH3-64 of the known bytes */
} ds_msg_table_load;

typedef struct ds_msg_table_loaded {
    uint64_t load_id;
    bool same; /* it is what is known: nothing is kept */
    ds_file_stamp stamp;
    uint64_t checksum;
    ds_input *inputs; /* its records, in order: blocks of the executor's store */
    uint32_t n_inputs;
    ds_task_result result; /* status, counts and samples; it names no task */
} ds_msg_table_loaded;

/* A version of a table is there: tasks may name it from now on. */
typedef struct ds_msg_table {
    uint32_t plan_id;
    uint32_t source;
    uint64_t version;
    ds_input *inputs;
    uint32_t n_inputs;
} ds_msg_table;

/* Nothing needs this version any more, nor those before it. */
typedef struct ds_msg_table_drop {
    uint32_t plan_id;
    uint32_t source;
    uint64_t version;
} ds_msg_table_drop;

typedef struct ds_message {
    uint8_t type;   /* ds_message_type */
    uint64_t epoch; /* of the driver; 0 in HELLO */
    union {
        ds_msg_hello hello;
        ds_msg_welcome welcome;
        ds_msg_reject reject;
        ds_msg_plan plan;
        ds_msg_plan_result plan_result;
        ds_msg_drop_plan drop_plan;
        ds_msg_peer peer;
        ds_msg_tasks tasks;
        ds_msg_task_results task_results;
        ds_msg_receiver_start receiver_start;
        ds_msg_receiver_stop receiver_stop;
        ds_msg_receiver_rate receiver_rate;
        ds_msg_receiver_state receiver_state;
        ds_msg_cut cut;
        ds_msg_cut_done cut_done;
        ds_msg_blocks blocks;
        ds_msg_release release;
        ds_msg_heartbeat heartbeat;
        ds_msg_stop stop;
        ds_msg_fetch fetch;
        ds_msg_fetched fetched;
        ds_msg_table_load table_load;
        ds_msg_table_loaded table_loaded;
        ds_msg_table table;
        ds_msg_table_drop table_drop;
        ds_msg_saved saved;
        ds_msg_replicate replicate;
        ds_msg_replicated replicated;
    };
} ds_message;

/* Appends the encoded message to out. Asserts the limits: a sender splits before. */
void ds_message_encode(ds_buffer *out, const ds_message *message);

/* Decodes one whole message into arena. DS_ERR_PROTOCOL if anything is wrong. */
ds_status ds_message_decode(ds_arena *arena, const void *bytes, size_t length, ds_message *message,
                            ds_error *error);

/* The type that an encoded message says it has; 0 if it is too short to say. */
uint8_t ds_message_peek(const void *bytes, size_t length);

/* "TASKS", "HELLO" ...; "?" for an unknown type. */
const char *ds_message_name(uint8_t type);

/* Compares two tokens or keys of DS_TOKEN_BYTES, in a time that tells nothing. */
bool ds_tokens_equal(const uint8_t *a, const uint8_t *b);

#endif
