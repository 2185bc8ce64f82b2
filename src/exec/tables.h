/*
 * The tables of an executor: which versions of each there are, as the driver told, and where
 * their bytes lie.
 *
 * A version is a list of inputs, as those of a map task: blocks in the store of the executor that
 * read the file. The driver tells all executors of a version before any task names it, and of its
 * end when no batch refers to it any more. The blocks of the executor that read it are given
 * back then. Thread-safe.
 */
#ifndef DS_EXEC_TABLES_H
#define DS_EXEC_TABLES_H

#include "exec/store.h"
#include "rpc/message.h"

typedef struct ds_tables ds_tables;

/* The tables of a plan, of n_sources sources. store (borrowed) is this executor's. */
ds_tables *ds_tables_new(uint32_t n_sources, uint64_t executor_id, ds_store *store);
/* Gives back all blocks. */
void ds_tables_free(ds_tables *tables);

/* A version is there (its inputs are copied). One that is known, or that was dropped, is passed
 * over. */
void ds_tables_add(ds_tables *tables, uint32_t source, uint64_t version, const ds_input *inputs,
                   uint32_t n_inputs);
/* Forgets this version of a table and all before it, for good. */
void ds_tables_drop(ds_tables *tables, uint32_t source, uint64_t version);

/* Forgets all versions that are known. */
void ds_tables_clear(ds_tables *tables);

/* How many versions are known, of all tables. */
size_t ds_tables_count(ds_tables *tables);

#endif
