/*
 * The tables of an executor: which versions of each there are, as the driver told, where their
 * bytes lie, and what tasks look rows up in.
 *
 * A version is a list of inputs, as those of a map task: blocks in the store of the executor that
 * read the file. The driver tells all executors of a version before any task names it, and of its
 * end when no batch refers to it any more. It is decoded by the first task that needs it, while
 * others wait, and then shared by all. What a task still uses stays until it is done. The blocks of
 * the executor that read the file are given back with the version. Thread-safe.
 */
#ifndef DS_EXEC_TABLES_H
#define DS_EXEC_TABLES_H

#include "exec/store.h"
#include "exec/table_build.h"

typedef struct ds_tables ds_tables;

/* The tables of a plan. builder is copied, store (borrowed) is this executor's. */
ds_tables *ds_tables_new(const ds_table_builder *builder, uint64_t executor_id, ds_store *store);
/* Gives back all blocks. No task may use a version. */
void ds_tables_free(ds_tables *tables);

/* What its versions are decoded with (borrowed). */
const ds_table_builder *ds_tables_builder(const ds_tables *tables);

/* A version is there: its inputs are copied. broadcasts (NULL, or as ds_table_build made them) are
 * taken. False for one that is known, or that was dropped: it is passed over. */
bool ds_tables_add(ds_tables *tables, uint32_t source, uint64_t version, const ds_input *inputs,
                   uint32_t n_inputs, ds_broadcast **broadcasts);
/* Forgets this version of a table and all before it, for good. */
void ds_tables_drop(ds_tables *tables, uint32_t source, uint64_t version);
/* Forgets all versions that are known. */
void ds_tables_clear(ds_tables *tables);

/* Decodes a version that no task has needed yet, unless nothing joins with it. What goes wrong is
 * told by the task that needs it. */
void ds_tables_prepare(ds_tables *tables, const ds_table_use *use);

/* A version in use by a task. */
typedef struct ds_table_version_use ds_table_version_use;

/*
 * Takes a version for a task: adds what its joins look rows up in to broadcasts (by node id). May
 * decode it, or wait until another task did. DS_ERR_LOST if it is not known, or its bytes cannot be
 * had; DS_ERR_NO_MEMORY if it does not fit.
 */
ds_status ds_tables_take(ds_tables *tables, const ds_table_use *use, ds_broadcast **broadcasts,
                         ds_table_version_use **taken, ds_error *error);
/* Puts it back after the task. */
void ds_tables_put(ds_tables *tables, ds_table_version_use *taken);

/* How many versions are held, of all tables, and how many of them are decoded. */
size_t ds_tables_count(ds_tables *tables, size_t *decoded);

#endif
