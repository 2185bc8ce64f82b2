/* The frames of a saved state (state.h): private to state_save.c and state_load.c. */
#ifndef DS_DSTREAM_STATE_FRAMES_H
#define DS_DSTREAM_STATE_FRAMES_H

#include "dstream/state_record.h"

enum { DS_STATE_HEAD = 3, DS_STATE_NUMBERS };

typedef struct ds_state_frame {
    uint32_t limit, count, n_freed, zero;
} ds_state_frame;

_Static_assert(sizeof(ds_state_frame) == 16, "fixed layout");

/* The bytes of a frame before its piece. */
static inline size_t ds_state_numbers_size(const ds_state *state, uint32_t n_keys, uint32_t n_free)
{
    size_t words = 2 + (size_t)n_keys * (state->head > 0 ? 2 : 1) + n_free;
    return (words + 1) / 2 * 2 * sizeof(uint32_t);
}

#endif
