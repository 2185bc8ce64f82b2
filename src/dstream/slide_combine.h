/*
 * Sliding windows over what cannot be subtracted: one queue of partial states for each key.
 *
 * Adding a state at the end, dropping the oldest and asking for all of them together take a
 * constant number of combine operations each, in the worst case: however long the window is,
 * no slide is dearer than another. All calls of a window share the queues' structure; a queue
 * has an entry only for a pane in which its key occurs.
 */
#ifndef DS_DSTREAM_SLIDE_COMBINE_H
#define DS_DSTREAM_SLIDE_COMBINE_H

#include "base/error.h"
#include "columnar/agg_state.h"

typedef struct ds_slide_combine ds_slide_combine;

/* Makes empty queues for calls (borrowed), whose aggregates slide by DS_SLIDE_COMBINE, that
 * charge budget (borrowed, may be NULL). text lends what the states keep (borrowed): the text
 * of a state has to stay as long as that state is in the queue. */
ds_slide_combine *ds_slide_combine_new(const ds_agg_call *const *calls, uint32_t n_calls,
                                       ds_text_store *text, ds_budget *budget);
void ds_slide_combine_free(ds_slide_combine *queues);

/* Adds a state at the end of the queues of keys[0..n), all different: partials[c] are the n
 * rows of partial columns of the c-th call, with text in the lending store's heap. */
void ds_slide_combine_push(ds_slide_combine *queues, const uint32_t *keys, uint32_t n,
                           const ds_column *const *const *partials);

/* Drops the oldest state of each of these keys, which has one. */
void ds_slide_combine_pop(ds_slide_combine *queues, const uint32_t *keys, uint32_t n);

/* Result columns, one for each call, of all states of keys[0..n); a key may have none. overflows:
 * for each call NULL, or n bits in arena: the results that did not fit. */
void ds_slide_combine_results(ds_slide_combine *queues, ds_arena *arena, ds_heap *heap,
                              const uint32_t *keys, uint32_t n, ds_column **columns,
                              uint64_t **overflows);

/*
 * The queues of some keys as columns: what the queue of a key is like (DS_SLIDE_SHAPE int columns,
 * a row for each key), and partial columns of all the states in them, key by key. Loaded again
 * they are the same queues: later results are the same, to the last bit.
 */
#define DS_SLIDE_SHAPE 6u
/* Makes the columns of keys[0..n) in arena, with text in heap; partials[c] has room for those of
 * the c-th call. Returns how many states there are. */
uint32_t ds_slide_combine_save(ds_slide_combine *queues, ds_arena *arena, ds_heap *heap,
                               const uint32_t *keys, uint32_t n, ds_column **shape,
                               ds_column **const *partials);
/* Makes the queues of keys that have none, of n_states rows of partials (text as for a push).
 * DS_ERR_PROTOCOL if the shapes are those of no queues; nothing is changed then. */
ds_status ds_slide_combine_load(ds_slide_combine *queues, const uint32_t *keys, uint32_t n,
                                const ds_column *const *shape,
                                const ds_column *const *const *partials, uint32_t n_states,
                                ds_error *error);

/* Combine operations so far (one for all calls). At most 3 for each key pushed, 2 for each
 * popped, 1 for each result. */
uint64_t ds_slide_combine_work(const ds_slide_combine *queues);
uint64_t ds_slide_combine_overflows(const ds_slide_combine *queues);
size_t ds_slide_combine_bytes(const ds_slide_combine *queues);

#endif
