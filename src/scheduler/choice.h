/*
 * Whom to choose: the executors that are ready, with the least load for their cores first. Of
 * those with the same the one that came first.
 *
 * A heap. What it costs to choose does not depend on how many there are, but on how many are passed
 * over; to change a load, on the logarithm of their number.
 */
#ifndef DS_SCHEDULER_CHOICE_H
#define DS_SCHEDULER_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ds_executor_entry;

/* What their load is. */
typedef enum ds_load {
    DS_LOAD_RUNNING, /* tasks there now */
    DS_LOAD_OWNED,   /* key partitions that live there */
    DS_LOADS,
} ds_load;

typedef struct ds_choice {
    ds_load load;
    struct ds_executor_entry **heap; /* borrowed entries */
    size_t n, capacity;
    uint64_t cores; /* of all of them */
} ds_choice;

/* Empties it; the entries stay. */
void ds_choice_fini(ds_choice *choice);
/* Adds an entry, which has cores. */
void ds_choice_add(ds_choice *choice, struct ds_executor_entry *entry);
/* Takes out one that is there. */
void ds_choice_remove(ds_choice *choice, struct ds_executor_entry *entry);
/* Its load has changed. */
void ds_choice_move(ds_choice *choice, struct ds_executor_entry *entry);

typedef bool (*ds_choice_fn)(const void *arg, const struct ds_executor_entry *entry);

/* The first with a load of less than `most` for each of its cores for which fits(arg) holds (NULL:
 * any); NULL if there is none. */
struct ds_executor_entry *ds_choice_best(const ds_choice *choice, uint32_t most, ds_choice_fn fits,
                                         const void *arg);

#endif
