/*
 * A set of batches, for what is said once of each of them (released, committed). That is not always
 * in the order of time (a batch that failed is not kept until a save covers it, as those before
 * it are), so a newest time would not do. Bounded: of very many only the newest are known one by
 * one, and all that are older count as in the set. One thread.
 */
#ifndef DS_EXEC_BATCH_SET_H
#define DS_EXEC_BATCH_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DS_BATCH_SET_KNOWN 4096u

/* Zeroed: none. */
typedef struct ds_batch_set {
    int64_t *times; /* sorted */
    size_t n;
    bool any_older; /* not only times are in it, but all before older_ms */
    int64_t older_ms;
} ds_batch_set;

/* Frees what it holds. */
void ds_batch_set_fini(ds_batch_set *set);
/* Again: no effect. */
void ds_batch_set_add(ds_batch_set *set, int64_t batch_ms);
bool ds_batch_set_has(const ds_batch_set *set, int64_t batch_ms);

#endif
