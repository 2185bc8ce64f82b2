/*
 * What the commit of a batch does, from its tasks' outputs (ds_batch_commit in batch.h): the record
 * that is noted before it is begun, and that a driver after a crash reads and does again.
 */
#ifndef DS_SCHEDULER_BATCH_COMMIT_H
#define DS_SCHEDULER_BATCH_COMMIT_H

#include "rpc/message.h"

/* A file that takes its place when a batch commits, or that is a part of a ds_commit_append. */
typedef struct ds_commit_file {
    uint32_t sink;      /* index in the plan */
    const char *staged; /* path; as the executor wrote it */
    const char *folder; /* dir/<milliseconds>; "" in an append */
    const char *name;   /* part-00000.json; "" in an append */
    uint64_t length, checksum, rows;
} ds_commit_file;

#define DS_APPEND_UNKNOWN UINT64_MAX

/* A file that grows, and where it ends. */
typedef struct ds_append_end {
    uint64_t length; /* DS_APPEND_UNKNOWN: to be found out */
    uint64_t inode;  /* tells the file from one that took its name */
} ds_append_end;

/* What a commit adds at the end of one file (append.h). */
typedef struct ds_commit_append {
    uint32_t sink; /* index in the plan; of a recovered one UINT32_MAX if no sink has the path */
    const char *path;
    ds_append_end base;    /* the file before it */
    bool begun;            /* some of it may be in the file already */
    ds_commit_file *parts; /* in order */
    uint32_t n_parts;
} ds_commit_append;

/* What a commit does: files first, then what is appended, then console rows, in order. */
typedef struct ds_commit {
    int64_t batch_ms;
    ds_commit_file *files; /* by sink, then by part */
    uint32_t n_files;
    ds_commit_append *appends; /* by sink */
    uint32_t n_appends;
    ds_output *bytes; /* DS_OUTPUT_BYTES: console rows, or rows a test looks at */
    uint32_t n_bytes;
    bool again;          /* a commit that may have been begun before a crash */
    const uint64_t *bad; /* records of the batch, by source of the app; NULL: recovered, unknown */
} ds_commit;

#endif
