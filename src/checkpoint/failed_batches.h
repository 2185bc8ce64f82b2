/*
 * What is known of batches that were given up: when, why, and what they had been given. The
 * metadata keep the newest of it over restarts, so that a person can find out what is missing in
 * the output, and give it to the app again.
 *
 * They are not run again by themselves: windows and state have gone on without them, and what made
 * them fail may be in them.
 */
#ifndef DS_CHECKPOINT_FAILED_BATCHES_H
#define DS_CHECKPOINT_FAILED_BATCHES_H

#include <stddef.h>
#include <stdint.h>

#define DS_FAILED_MOST 100u                  /* of them, */
#define DS_FAILED_BYTES ((size_t)256 * 1024) /* and bytes, are kept; the newest always is */

/* All zero: there are none. */
typedef struct ds_failed_batches {
    char **texts; /* JSON objects, oldest first; owned */
    size_t n, bytes;
} ds_failed_batches;

/* Adds one (copied), and drops the oldest if there are too many. */
void ds_failed_add(ds_failed_batches *failed, const char *text);
/* Adds all of another list. */
void ds_failed_add_all(ds_failed_batches *failed, const ds_failed_batches *more);
void ds_failed_fini(ds_failed_batches *failed);

#endif
