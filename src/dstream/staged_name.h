/* How the names of staged files begin: they tell which run made them, and whether there is a
 * checkpoint that may still want them. */
#ifndef DS_DSTREAM_STAGED_NAME_H
#define DS_DSTREAM_STAGED_NAME_H

#include "base/buffer.h"

#include <inttypes.h>
#include <stdbool.h>

/* Appends the beginning of the names of an epoch; without a checkpoint nobody takes them later. */
static inline void ds_staged_name_begin(ds_buffer *name, uint64_t epoch, bool checkpoint)
{
    if (checkpoint)
        ds_buffer_printf(name, "%" PRIx64 "-", epoch);
    else
        ds_buffer_append_text(name, "once-");
}

#endif
