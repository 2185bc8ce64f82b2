/*
 * The tables of the app as the driver sees them: which versions of each file are in use.
 *
 * An executor reads the file (exec/table_load.h) and says where its bytes lie; the driver tells all
 * others, and gives the newest version to each batch when that is allotted: so it changes at a
 * batch boundary, for all executors alike, and a task that runs again sees the rows that it saw
 * before. A version that no batch refers to, and that is not the newest, is dropped.
 *
 * When the file cannot be read any more, or not be understood, the newest version stays. Only
 * when its bytes went with an executor whose store nobody holds is the file read again, whatever
 * it holds by then, and batches that were to use the lost version begin anew with that one.
 */
#ifndef DS_SCHEDULER_TABLES_H
#define DS_SCHEDULER_TABLES_H

#include "scheduler/batch.h"

typedef struct ds_table_version {
    uint64_t number;
    uint64_t executor_id; /* whose store its blocks lie in; 0: it has none */
    bool gone;            /* with that executor */
    ds_file_stamp stamp;
    uint64_t checksum;
    uint64_t bytes;
    ds_input *inputs; /* owned */
    uint32_t n_inputs;
} ds_table_version;

typedef struct ds_table {
    uint32_t source; /* index in the app */
    const ds_app_source *of;
    ds_table_version *versions; /* those in use, the oldest first */
    uint32_t n_versions;
    uint64_t next;      /* number of the next version */
    ds_output *letters; /* dead letters of loads, for the next batch; owned, and their paths */
    uint32_t n_letters;
    bool loading;
    uint64_t load_id, loader; /* what is under way, and where */
    int64_t look_us;          /* when the file is looked at next; INT64_MAX: not again */
    int64_t wait_us;          /* back-off while there is nothing to go on with */
    uint32_t losses;          /* executors that were lost while they read it, in a row */
    uint64_t failures;        /* looks that failed, in a row */
    int64_t shown_us;         /* when one of them was shown */
} ds_table;

/* The newest version; NULL if there is none yet. */
const ds_table_version *ds_table_newest(const ds_table *table);
/* A version by its number, or NULL. */
const ds_table_version *ds_table_find(const ds_table *table, uint64_t number);
/* Adds a version, which becomes the newest (inputs are copied). */
void ds_table_add(ds_table *table, const ds_table_version *version);
/* Keeps a staged file of dead letters (copied) until a batch takes it. */
void ds_table_keep_letters(ds_table *table, const ds_output *letters);
/* Moves what is kept to a batch, which commits it. */
void ds_table_give_letters(ds_table *table, ds_batch *batch);
/* Forgets the oldest version. */
void ds_table_drop_oldest(ds_table *table);
void ds_table_fini(ds_table *table);

#endif
