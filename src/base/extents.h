/*
 * Free room in a run of bytes: which parts of it are taken.
 *
 * Handed out first-fit from the lowest place, so that what was used before is used again. Not
 * thread-safe.
 */
#ifndef DS_BASE_EXTENTS_H
#define DS_BASE_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ds_extent {
    uint64_t offset, length;
} ds_extent;

/* Free extents are sorted by offset and never touch each other. There are few of them: ranges are
 * given back in about the order in which they were taken, so neighbours join again. */
typedef struct ds_extents {
    ds_extent *list;
    size_t n, capacity;
    uint64_t size;
    uint64_t used, peak; /* bytes taken now, and at most so far */
} ds_extents;

/* Prepares a run of `size` free bytes. */
void ds_extents_init(ds_extents *extents, uint64_t size);
void ds_extents_fini(ds_extents *extents);

/* Takes length bytes (> 0). False if there is no such free run. Looks at the free extents one by
 * one. */
bool ds_extents_take(ds_extents *extents, uint64_t length, uint64_t *offset);
/* Gives bytes back (> 0). Giving what was not taken is a bug, and asserted. */
void ds_extents_give(ds_extents *extents, uint64_t offset, uint64_t length);

/* Where the last taken byte ends; 0: nothing is taken. */
uint64_t ds_extents_end(const ds_extents *extents);

#endif
