/*
 * The window store: what one key partition of a windowed, grouped stream remembers.
 *
 * Batches come in as partial columns (aggregate.h) and are gathered in panes. Panes end where
 * any window starts or ends, so a window is always a number of whole panes: 25 s by 10 s has
 * panes of 5 s. A slide adds the panes that ended to the window and takes out those that
 * left it: by subtracting where that is exact, else by a queue of panes for each key whose
 * cost does not depend on the window's length (slide_combine.h). A key lives while a pane of
 * the window has it.
 *
 * Cost of a slide: in proportion to the keys of the panes that come and go, for all
 * aggregates but these: lists and joined text are put together from all their values when
 * results are read, and medians, quantiles and sets sort the different values they have.
 *
 * One thread. Times are milliseconds since 1970.
 */
#ifndef DS_DSTREAM_WINDOW_H
#define DS_DSTREAM_WINDOW_H

#include "base/saved.h"
#include "columnar/aggregate.h"

typedef struct ds_window ds_window;

typedef struct ds_window_spec {
    const ds_group_spec *group;
    int64_t size_ms, slide_ms; /* multiples of step_ms */
    int64_t step_ms;           /* between batches: the parent's slide */
} ds_window_spec;

/* Makes an empty store (spec borrowed) that charges budget (borrowed, may be NULL). */
ds_window *ds_window_new(const ds_window_spec *spec, ds_budget *budget);
void ds_window_free(ds_window *window);
/* Back to the empty store, before any time. */
void ds_window_clear(ds_window *window);

/* Adds partials (columns as ds_group_partial_types, text in heap; copied) of the batch at
 * batch_ms. Batches ascend (a batch may be added in several parts, in order), and are later
 * than the last slide. A batch that no window covers (slide > size) is passed over. */
void ds_window_add(ds_window *window, int64_t batch_ms, const ds_heap *heap,
                   const ds_column *const *partials, uint32_t n_rows);

/* Moves the window to (t - size, t]; t is a multiple of the slide, not before the last one,
 * and all batches up to t (and none later) have been added. Times may be left out. */
void ds_window_slide(ds_window *window, int64_t t);

/* How many keys are in the window as of the last slide (one, always, without group_by). */
uint32_t ds_window_count(const ds_window *window);

/* Result columns (keys, then calls) of keys from .. from + n of the window, in any order that
 * stays the same until the next add. In arena, with text in heap or in the store's memory
 * added to heap: valid until the next add or slide. overflows as in ds_groups_results. */
void ds_window_results(ds_window *window, ds_arena *arena, ds_heap *heap, uint32_t from, uint32_t n,
                       ds_column **columns, uint64_t **overflows);

/* The same in parts, for who does not need all of it, and in the order in which things lie in
 * memory. Not of a single pane (ds_window_slides). */

/* The numbers of the next keys, up to `most`, from *at on (0 first), which goes on. 0: no more. */
uint32_t ds_window_next(const ds_window *window, uint32_t *at, uint32_t *ids, uint32_t most);
/* Calls, or keys, of such keys; `columns` and `overflows` have places for these only. */
void ds_window_calls(ds_window *window, ds_arena *arena, ds_heap *heap, const uint32_t *ids,
                     uint32_t n, ds_column **columns, uint64_t **overflows);
void ds_window_keys(ds_window *window, ds_arena *arena, ds_heap *heap, const uint32_t *ids,
                    uint32_t n, ds_column **columns);
/* False: it is a single pane. */
bool ds_window_slides(const ds_window *window);

/*
 * Frames of a part (kept.h); by tag, in this order:
 *
 * - 2: i64 the last slide; u64 keys, u64 parts of panes (0, unless it is a whole); u64 panes that
 *   closed and u64 parts of panes that went since the part before (0 in a whole).
 * - 3: a piece (piece.h) of keys of the window, in the order of its results; as many as it takes.
 * - 4: a part of a pane, oldest first: i64 its end, u32 how many keys, u32 0, u32 the number of
 *   each key (and a 0 if there is an odd number of them), a piece of what is kept of it.
 * - 5: a piece of shapes of queues (slide_combine.h) of the keys, in order; then
 * - 6: a piece of their states. Both as often as it takes, if there are queues.
 *   (3 to 6 only in a whole.)
 * - 7: a pane (ds_pane_head, window_open.h): those that closed, in order, then the open one. Each
 *   with its rows:
 * - 8: groups that changed, or all of them (ds_pane_rows), as often as it takes.
 */

/* True if anything changed since it was last saved or loaded; costs nothing. */
bool ds_window_unsaved(const ds_window *window);
/* True if what it was then is of no use any more: it has to be saved whole. */
bool ds_window_outran(const ds_window *window);
/* Puts the frames of all, or of what changed. Fails as the writing does. Costs what it writes. */
ds_status ds_window_save(ds_window *window, bool whole, ds_saver *saver, ds_error *error);

/* Takes the frames up to the end; with `whole`, what was in the window goes. It stood at
 * version_ms, the last batch. Later results are the same as of the one that was saved, to the last
 * bit and in their order. Never trusts the bytes: DS_ERR_PROTOCOL; then it may only be freed. */
ds_status ds_window_load(ds_window *window, bool whole, int64_t version_ms, ds_loader *loader,
                         ds_error *error);
/* After the last part that is loaded, before anything else. */
void ds_window_load_end(ds_window *window);

/* The memory of the pane that is open. */
size_t ds_window_open_bytes(const ds_window *window);
/* The memory that the store holds. */
size_t ds_window_bytes(const ds_window *window);
/* Closed panes that are kept. */
uint32_t ds_window_panes(const ds_window *window);
/* Results that did not fit so far. */
uint64_t ds_window_overflows(const ds_window *window);

/* Work of slides: combine, merge and subtract operations on single states. */
typedef struct ds_window_work {
    uint64_t last; /* of the last slide, with what was read before it */
    uint64_t most; /* of any */
} ds_window_work;

/* The work so far, for tests of its bounds. */
ds_window_work ds_window_work_done(const ds_window *window);

#endif
