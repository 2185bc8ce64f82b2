/* Streams with state, and snapshots of them, in a random world. */
#ifndef DS_TESTS_SIM_STATE_H
#define DS_TESTS_SIM_STATE_H

#include "sim/world.h"

/* Chooses clauses of a stream of KIND_STATE. */
void state_make(stream *s, ds_random *random);
/* Appends its entries of "streams". */
void state_app(const stream *s, ds_buffer *out);
/* Adds its rows at time t: all batches from the beginning, one after the other. */
void state_expect(const world *w, const stream *s, int64_t zero_ms, int64_t t_ms, text_rows *to);

#endif
