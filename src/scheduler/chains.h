/*
 * What is saved of the keyed stages: for each root that keeps something and each partition a chain
 * of parts, a whole one and the changes since, in order. All chains stand at the batch of the last
 * save that was finished.
 *
 * A part is a run of bytes in a file, which holds parts of many partitions, or in the store of an
 * executor. What no chain refers to any more is noted, and given back by whoever knows how.
 */
#ifndef DS_SCHEDULER_CHAINS_H
#define DS_SCHEDULER_CHAINS_H

#include "dstream/plan.h"
#include "rpc/message.h"

#define DS_CHAIN_PARTS 256u /* at most; then a whole one begins a new chain */

typedef struct ds_chain {
    ds_saved_part *parts; /* in order; paths are those of the files */
    uint32_t n;
    uint64_t whole_bytes, change_bytes;
} ds_chain;

/* A root of the plan that keeps something. */
typedef struct ds_chain_root {
    const ds_node *node;
    uint32_t stage, input, n_partitions;
    char *signature;  /* ds_kept_signature */
    ds_chain *chains; /* by partition */
} ds_chain_root;

typedef struct ds_saved_file {
    char *path;
    uint32_t parts; /* that chains refer to */
} ds_saved_file;

typedef struct ds_chains {
    ds_chain_root *roots; /* by stage, then by input */
    uint32_t n_roots;
    uint64_t save;    /* the last one that was finished; 0: none */
    int64_t batch_ms; /* of it; DS_NO_BATCH: none */
    ds_saved_file *files;
    size_t n_files, files_capacity;
    char **dropped_files; /* that no part refers to any more; owned */
    size_t n_dropped_files;
    ds_ref *dropped_refs; /* likewise, in stores */
    size_t n_dropped_refs;
} ds_chains;

/* No chain yet; plan is borrowed. Free with ds_chains_fini. */
void ds_chains_init(ds_chains *chains, const ds_plan *plan);
void ds_chains_fini(ds_chains *chains);

/* The place of a root in the list; n_roots if it keeps nothing. */
uint32_t ds_chains_find(const ds_chains *chains, uint32_t stage, uint32_t input);

/* True if something is saved of the partition: of some root, as others may be new. */
bool ds_chains_has(const ds_chains *chains, uint32_t stage, uint32_t partition);
/* True if a new chain is to begin: there is none, its changes outgrew its whole, or it is long for
 * what its changes are. */
bool ds_chains_full(const ds_chains *chains, uint32_t stage, uint32_t partition);
/* True if whoever writes changes can make a whole of them and the chain: there is one, of windows
 * of groups only. These cost as much as all of their panes to be saved, and little to be loaded;
 * a state is known by its keys alone. */
bool ds_chains_fold(const ds_chains *chains, uint32_t stage, uint32_t partition);

/* The parts of all roots of the stage, in order, for a task (in arena). */
ds_saved_part *ds_chains_parts(const ds_chains *chains, uint32_t stage, uint32_t partition,
                               ds_arena *arena, uint32_t *n);

/* Adds a part (copied) to its chain; a whole one begins a new chain. One without bytes is no part.
 * It must be of a root that keeps something, and changes need something that they change. */
void ds_chains_add(ds_chains *chains, const ds_saved_part *part);

/* Forgets what is saved of a partition. */
void ds_chains_drop(ds_chains *chains, uint32_t stage, uint32_t partition);

/* True if some part lies in the store of an executor. */
bool ds_chains_lie_in(const ds_chains *chains, uint64_t executor_id);
/* True if some part of the partition does. */
bool ds_chains_part_lies_in(const ds_chains *chains, uint32_t stage, uint32_t partition,
                            uint64_t executor_id);

/* True if some chain has parts in the file. */
bool ds_chains_has_file(const ds_chains *chains, const char *path);
/* Notes that a file, or bytes in a store, are of no use. */
void ds_chains_drop_part(ds_chains *chains, const ds_saved_part *part);

#endif
