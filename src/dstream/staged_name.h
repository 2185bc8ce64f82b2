/* How the names of staged files begin: they tell which run made them, and whether there is a
 * checkpoint that may still want them. */
#ifndef DS_DSTREAM_STAGED_NAME_H
#define DS_DSTREAM_STAGED_NAME_H

#include "base/buffer.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

/* Appends the beginning of the names of an epoch; without a checkpoint nobody takes them later. */
static inline void ds_staged_name_begin(ds_buffer *name, uint64_t epoch, bool checkpoint)
{
    if (checkpoint)
        ds_buffer_printf(name, "%" PRIx64 "-", epoch);
    else
        ds_buffer_append_text(name, "once-");
}

/* Reads the beginning of a name of a run with a checkpoint: its epoch, and the batch. False if it
 * is none. */
static inline bool ds_staged_name_read(const char *name, uint64_t *epoch, int64_t *batch_ms)
{
    char *end;
    *epoch = strtoull(name, &end, 16);
    if (end == name || *end != '-')
        return false;
    const char *batch = end + 1;
    *batch_ms = strtoll(batch, &end, 10);
    return end > batch && *end == '-';
}

/* All runs with one checkpoint have the upper half of their epochs in common. */
static inline bool ds_epochs_share_checkpoint(uint64_t a, uint64_t b)
{
    return a >> 32 == b >> 32;
}

#endif
