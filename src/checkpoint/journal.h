/*
 * The checkpoint's metadata: what a driver writes down about its batches, as JSON that a person
 * can read (docs/checkpoint.md describes every field).
 *
 * It is a journal of lines, each one JSON object with a checksum of itself. A file begins with
 * a `whole` record, from which everything can be known, and goes on with one delta for each step:
 *
 *     allotted   a batch and what belongs to it (when it begins to run)
 *     prepared   its outputs: the commit record (synced before anything of them is seen)
 *     committed  all of its outputs are in place; if it is retained it may have to run again
 *     failed     it was given up
 *     saved      what is kept was saved (journal_kept.h): batches up to a time need not run again
 *
 * A line that was cut short, or whose checksum is wrong, ends the journal: what it says did not
 * happen yet. If lines behind it tell that it was on the disk, it is no remnant of a crash, but
 * damage, and the journal is of no use: batches would be run, and output, twice. Reading it gives
 * a ds_recovered.
 */
#ifndef DS_CHECKPOINT_JOURNAL_H
#define DS_CHECKPOINT_JOURNAL_H

#include "checkpoint/failed_batches.h"
#include "checkpoint/journal_kept.h"
#include "scheduler/intake.h"
#include "scheduler/retained.h"

/* The one that is written; those since the oldest are read. With 2 came saves of what is kept. */
#define DS_JOURNAL_FORMAT 2
#define DS_JOURNAL_OLDEST 1

/* A batch that was not committed when the journal ends, or is retained. */
typedef struct ds_recovered_batch {
    int64_t time_ms;
    ds_allotment *allotments;
    uint32_t n_allotments;
    ds_batch_table *tables;
    uint32_t n_tables;
    bool has_blocks; /* received bytes belong to it that are in no log: they are gone */
    bool prepared;   /* its files only have to be put in place */
    bool committed;  /* they are; it only has to be applied to what is kept */
    ds_commit commit;
} ds_recovered_batch;

typedef struct ds_recovered_source {
    const char *name;
    const char *type;    /* as the app file had it; NULL: not known */
    ds_seen_file *files; /* sorted by name; size 0: not known */
    size_t n_files, files_capacity;
    bool listed;        /* what was there at the very first start is among the files */
    ds_tail_files tail; /* its list is not in the arena */
    ds_log_place log;   /* of the newest block that a batch was given */
    uint64_t next, records;
} ds_recovered_source;

typedef struct ds_recovered {
    const char *app;
    uint64_t plan_hash, epoch;
    uint32_t key_partitions;
    uint32_t format;
    int64_t interval_ms;
    int64_t zero_ms, last_ms; /* the newest batch; zero if there is none */
    int64_t last_input_ms;    /* the newest one with rows, or DS_NO_BATCH */
    ds_recovered_kept kept;
    ds_recovered_source *sources;
    uint32_t n_sources;
    ds_recovered_batch *batches; /* in the order of time */
    uint32_t n_batches;
    ds_failed_batches failed; /* given up, then or before; not in the arena */
    const char *warning;      /* NULL, or that the end of the journal was cut off */
    ds_arena *arena;
} ds_recovered;

/* What a whole record says beside the batches that are under way. */
typedef struct ds_journal_state {
    const ds_plan *plan;
    uint64_t epoch;
    int64_t zero_ms, last_ms, last_input_ms;
    const ds_intake *intakes;
    uint32_t n_intakes;
    const ds_retained *retained;     /* NULL: there are none */
    const ds_chains *chains;         /* NULL: nothing is saved */
    const ds_failed_batches *failed; /* NULL: there are none */
    const ds_batch *batches;         /* with the commit records of those that are prepared */
} ds_journal_state;

/* Each appends one line (with its end) to out. */
void ds_journal_whole(ds_buffer *out, const ds_journal_state *state);
void ds_journal_allotted(ds_buffer *out, const ds_plan *plan, const ds_batch *batch);
void ds_journal_prepared(ds_buffer *out, int64_t batch_ms, const ds_commit *commit);
void ds_journal_committed(ds_buffer *out, int64_t batch_ms, bool retained);
/* text: of ds_journal_describe. */
void ds_journal_failed(ds_buffer *out, const char *text);
/* What is known of a batch that is given up, as JSON: free it. */
char *ds_journal_describe(const ds_plan *plan, const ds_batch *batch, const char *reason);

/* Reads the text of one journal file; without a plan (NULL) batches have no inputs then, which are
 * checked all the same. If even its first record cannot be used: DS_ERR_APP if it is
 * of a format that is not known here, else (cut short, a flipped bit) DS_ERR_IO, as for a damaged
 * one amid others. Free the result. */
ds_status ds_journal_read(const char *name, const char *text, size_t length, const ds_plan *plan,
                          ds_recovered **recovered, ds_error *error);
void ds_recovered_free(ds_recovered *recovered);

/* Says that the checkpoint in dir cannot be continued, why, and how to start anew: DS_ERR_APP. */
ds_status ds_recovered_refuse(const char *dir, const char *why, ds_error *error);

/* What batches that have to run again were given of a source of the plan and is in no log, so that
 * they run without it. */
ds_loss ds_recovered_unlogged(const ds_recovered *recovered, const ds_plan *plan, uint32_t source);

/* Whether the plan can go on from there. DS_ERR_APP with the reason, and what to do. */
ds_status ds_recovered_check(const ds_recovered *recovered, const ds_plan *plan, const char *dir,
                             ds_error *error);

#endif
