/* Received records that are gone, as they are counted. */
#ifndef DS_BASE_LOSS_H
#define DS_BASE_LOSS_H

#include <stdint.h>

typedef struct ds_loss {
    uint64_t blocks, records, bytes;
} ds_loss;

/* Adds what more is lost. */
static inline void ds_loss_add(ds_loss *to, const ds_loss *more)
{
    to->blocks += more->blocks;
    to->records += more->records;
    to->bytes += more->bytes;
}

#endif
