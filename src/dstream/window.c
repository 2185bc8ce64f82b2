/*
 * The open pane is a table of groups, which batches are merged into. When it ends, its
 * partials are written as pieces of up to DS_PART_KEYS keys, each with the numbers that its keys
 * have in the window. From there they go
 *
 *     into the running states, for calls that subtract, and out of them when the pane leaves
 *     into the queues of slide_combine.h, for the others
 *
 * A piece keeps only the columns that are needed again: those to subtract, and those that
 * hold text. Running states and queues do not copy text but refer to the piece it came in
 * (ds_text_store, lending): a state never outlives the oldest pane it was made from. Counted
 * values are the exception: a value's first pane may go while others keep the value, so
 * these have copies of their own (as have the values of approx_top_k).
 *
 * A window that is one pane (size <= slide) needs none of this: it is the open pane.
 */
#include "base/assert.h"
#include "columnar/growable.h"
#include "columnar/piece.h"
#include "dstream/window_record.h"

#include <stdlib.h>

#define RELIEF 16u /* keys here and there, before pages may have to go */

typedef ds_window_part part;
typedef ds_call_plan call_plan;

/* ---- Panes ---- */

static int64_t floor_mod(int64_t a, int64_t b)
{
    int64_t m = a % b;
    return m < 0 ? m + b : m;
}

/* The end of the pane of a batch; false if no window has it. Within a slide there is one cut
 * besides its end: where a window starts. */
bool ds_pane_end(const ds_window_spec *spec, int64_t batch, int64_t *end)
{
    int64_t into = floor_mod(batch, spec->slide_ms);
    int64_t cut = floor_mod(-spec->size_ms, spec->slide_ms);
    if (into == 0) {
        *end = batch;
        return true;
    }
    if (into <= cut) {
        *end = batch - into + cut;
        return spec->size_ms >= spec->slide_ms;
    }
    *end = batch - into + spec->slide_ms;
    return true;
}

/* ---- Making and freeing ---- */

static bool holds_text(const ds_type *types, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (types[i].kind == DS_STRING ||
            (types[i].kind == DS_LIST && ds_type_element(types[i]).kind == DS_STRING))
            return true;
    return false;
}

static void plan_calls(ds_window *window)
{
    const ds_group_spec *group = window->group;
    const ds_agg_call **combined = ds_calloc(group->n_calls, sizeof *combined);
    uint32_t n_combined = 0;
    window->plans = ds_calloc(group->n_calls, sizeof *window->plans);
    window->kept_types = ds_calloc(window->n_partials, sizeof *window->kept_types);
    uint32_t at = group->n_keys;
    for (uint32_t c = 0; c < group->n_calls; c++) {
        const ds_agg_call *call = &group->calls[c];
        call_plan *plan = &window->plans[c];
        ds_type types[DS_MAX_PARTIAL];
        plan->subtracts = call->aggregate->slide(call) == DS_SLIDE_SUBTRACT;
        plan->n_columns = call->aggregate->partial(call, types);
        plan->kept = plan->subtracts || holds_text(types, plan->n_columns);
        plan->first = at;
        plan->first_kept = window->n_kept;
        at += plan->n_columns;
        for (uint32_t i = 0; plan->kept && i < plan->n_columns; i++)
            window->kept_types[window->n_kept++] = types[i];
        if (plan->subtracts) {
            ds_agg_state_init(&plan->running, call, &window->text, window->budget);
        } else {
            plan->combined = n_combined;
            combined[n_combined++] = call;
        }
    }
    if (n_combined > 0)
        window->queues = ds_slide_combine_new(combined, n_combined, &window->text, window->budget);
    free(combined);
}

void ds_window_grow_keys(ds_window *window)
{
    uint32_t limit = ds_keys_limit(window->keys);
    ds_budget *budget = window->budget;
    window->panes_of =
        ds_grow(window->panes_of, &window->panes_room, limit, sizeof(uint32_t), budget);
    window->live = ds_grow(window->live, &window->live_room, limit, sizeof(uint32_t), budget);
    window->place = ds_grow(window->place, &window->place_room, limit, sizeof(uint32_t), budget);
    for (uint32_t c = 0; c < window->group->n_calls; c++)
        if (window->plans[c].subtracts)
            ds_agg_state_grow(&window->plans[c].running, limit);
    ds_window_ranks_grow(window, limit);
}

static void open_panes(ds_window *window)
{
    ds_text_store_init(&window->text, window->budget);
    ds_text_store_lend(&window->text);
    ds_heap_init(&window->reader, NULL);
    window->scratch = ds_arena_new(ds_budget_plain(window->budget));
    plan_calls(window);
    window->keys = ds_keys_new(window->group->keys, window->group->n_keys, window->budget);
    ds_window_grow_keys(window);
    if (window->group->n_keys == 0) /* the one group is always there */
        window->n_live = window->panes_of[0] = 1;
}

static void free_part(ds_window *window, part *p)
{
    ds_budget_free(window->budget, p->bytes, p->size);
    ds_budget_free(window->budget, p->ids, p->n * sizeof *p->ids);
}

static void free_blob(ds_window *window, ds_window_blob *blob)
{
    ds_budget_free(window->budget, blob->bytes, blob->size);
}

static void close_panes(ds_window *window)
{
    ds_budget *budget = window->budget;
    for (uint32_t i = 0; i < window->n_blobs; i++)
        free_blob(window, &window->blobs[i]);
    ds_grow_free(window->blobs, &window->blobs_room, sizeof *window->blobs, budget);
    for (uint32_t i = 0; i < window->n_parts; i++)
        free_part(window, &window->parts[window->first_part + i]);
    for (uint32_t c = 0; c < window->group->n_calls; c++)
        if (window->plans[c].subtracts)
            ds_agg_state_fini(&window->plans[c].running);
    ds_slide_combine_free(window->queues);
    ds_window_ranks_free(window);
    ds_keys_free(window->keys);
    ds_grow_free(window->panes_of, &window->panes_room, sizeof(uint32_t), budget);
    ds_grow_free(window->live, &window->live_room, sizeof(uint32_t), budget);
    ds_grow_free(window->place, &window->place_room, sizeof(uint32_t), budget);
    ds_grow_free(window->free_slots, &window->slots_room, sizeof(uint32_t), budget);
    ds_grow_free(window->parts, &window->parts_room, sizeof(part), budget);
    ds_text_store_fini(&window->text);
    ds_heap_fini(&window->reader);
    ds_arena_free(window->scratch);
    free(window->kept_types);
    free(window->plans);
}

static void init(ds_window *window, const ds_window_spec *spec, ds_budget *budget)
{
    *window = (ds_window){.spec = spec, .group = spec->group, .budget = budget};
    window->single = spec->size_ms <= spec->slide_ms;
    window->now = window->open_end = DS_WINDOW_NEVER;
    window->n_partials = ds_group_partial_types(spec->group, NULL);
    window->open = ds_groups_new(spec->group, budget);
    if (!window->single)
        open_panes(window);
}

static void fini(ds_window *window)
{
    ds_window_log_free(window);
    ds_window_wait_clear(window);
    ds_groups_free(window->open);
    if (!window->single)
        close_panes(window);
}

ds_window *ds_window_new(const ds_window_spec *spec, ds_budget *budget)
{
    DS_ASSERT(spec->step_ms > 0 && spec->size_ms > 0 && spec->slide_ms > 0);
    DS_ASSERT(spec->size_ms % spec->step_ms == 0 && spec->slide_ms % spec->step_ms == 0);
    ds_window *window = ds_calloc(1, sizeof *window);
    init(window, spec, budget);
    return window;
}

void ds_window_free(ds_window *window)
{
    if (window == NULL)
        return;
    fini(window);
    free(window);
}

void ds_window_clear(ds_window *window)
{
    fini(window);
    init(window, window->spec, window->budget);
}

/* ---- A part comes in ---- */

uint32_t ds_window_new_slot(ds_window *window)
{
    if (window->n_free_slots > 0)
        return window->free_slots[--window->n_free_slots];
    window->free_slots = ds_grow(window->free_slots, &window->slots_room,
                                 (uint64_t)window->n_slots + 1, sizeof(uint32_t), window->budget);
    return window->n_slots++;
}

part *ds_window_new_part(ds_window *window)
{
    uint32_t used = window->first_part + window->n_parts;
    if (used == window->parts_room && window->first_part > window->n_parts) {
        memmove(window->parts, window->parts + window->first_part, window->n_parts * sizeof(part));
        window->first_part = 0;
    }
    used = window->first_part + window->n_parts;
    window->parts = ds_grow(window->parts, &window->parts_room, (uint64_t)used + 1, sizeof(part),
                            window->budget);
    window->n_parts++;
    return &window->parts[used];
}

ds_column **ds_window_read_part(ds_window *window, const part *p)
{
    uint32_t rows;
    ds_column **columns = DS_ARENA_ARRAY(window->scratch, ds_column *, window->n_kept + 1);
    window->reader.n_buffers = p->slot; /* slots are given out in order: no gap behind */
    ds_status status = ds_piece_read(window->scratch, &window->reader, p->bytes, p->size,
                                     window->kept_types, window->n_kept, columns, &rows, NULL);
    return status == DS_OK && rows == p->n ? columns : NULL;
}

/* The kept ones of these partial columns (all of them). */
static const ds_column **kept_of(ds_window *window, ds_column **partials)
{
    const ds_column **kept = DS_ARENA_ARRAY(window->scratch, const ds_column *, window->n_kept + 1);
    for (uint32_t c = 0; c < window->group->n_calls; c++) {
        const call_plan *plan = &window->plans[c];
        for (uint32_t i = 0; plan->kept && i < plan->n_columns; i++)
            kept[plan->first_kept + i] = partials[plan->first + i];
    }
    return kept;
}

static void write_part(ds_window *window, part *p, const ds_heap *heap,
                       const ds_column *const *kept)
{
    p->bytes = ds_budget_alloc(window->budget, p->size);
    ds_piece_write(p->bytes, heap, kept, window->n_kept, p->n);
    p->slot = ds_window_new_slot(window);
    ds_text_store_set(&window->text, p->slot, p->bytes);
}

static void add_keys(ds_window *window, part *p, const ds_heap *heap, ds_column **keys,
                     const uint64_t *hashes)
{
    p->ids = ds_budget_alloc(window->budget, p->n * sizeof *p->ids);
    ds_keys_put(window->keys, heap, (const ds_column *const *)keys, hashes, p->n, p->ids);
    ds_window_grow_keys(window);
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t id = p->ids[i];
        if (i % RELIEF == 0)
            ds_budget_relieve(window->budget);
        if (window->panes_of[id]++ == 0) {
            window->place[id] = window->n_live;
            window->live[window->n_live++] = id;
        }
    }
    ds_window_ranks_touch(window, p->ids, p->n);
}

void ds_window_run_in(ds_window *window, const part *p, ds_column **kept)
{
    for (uint32_t c = 0; c < window->group->n_calls; c++) {
        call_plan *plan = &window->plans[c];
        if (!plan->subtracts)
            continue;
        ds_agg_partials in = {.heap = &window->text.heap,
                              .columns = (const ds_column *const *)kept + plan->first_kept,
                              .ids = p->ids,
                              .n = p->n};
        ds_agg_state_merge(&plan->running, &in);
        window->operations += p->n;
    }
}

/* Adds a part to running states and queues. */
static void take_in(ds_window *window, const part *p, ds_column **partials)
{
    uint32_t n_calls = window->group->n_calls;
    ds_column **kept = ds_window_read_part(window, p);
    DS_ASSERT(kept != NULL);
    ds_window_run_in(window, p, kept);
    if (window->queues == NULL)
        return;
    const ds_column *const **combined = ds_calloc(n_calls, sizeof *combined);
    for (uint32_t c = 0; c < n_calls; c++) {
        const call_plan *plan = &window->plans[c];
        if (!plan->subtracts)
            combined[plan->combined] =
                (const ds_column *const *)(plan->kept ? kept + plan->first_kept
                                                      : partials + plan->first);
    }
    ds_slide_combine_push(window->queues, p->ids, p->n, combined);
    free(combined);
}

static bool logs(const ds_window *window)
{
    return window->log.on && !window->log.outrun;
}

static void clear_open(ds_window *window)
{
    ds_groups_clear(window->open);
    window->open_end = DS_WINDOW_NEVER;
    window->log.fresh = true;
}

static void close_part(ds_window *window, uint32_t from, uint32_t n)
{
    ds_heap heap;
    ds_heap_init(&heap, window->scratch);
    ds_column **partials = DS_ARENA_ARRAY(window->scratch, ds_column *, window->n_partials);
    uint32_t *ids = ds_arena_alloc(window->scratch, n * sizeof *ids);
    for (uint32_t i = 0; i < n; i++)
        ids[i] = from + i;
    ds_groups_partials(window->open, window->scratch, &heap, ids, n, partials);
    const ds_column **kept = kept_of(window, partials);
    size_t size = ds_piece_size(&heap, kept, window->n_kept, n);
    bool fits = size <= DS_PART_BYTES || n == 1;
    if (fits) {
        part *p = ds_window_new_part(window);
        *p = (part){.end = window->open_end, .n = n, .size = size};
        add_keys(window, p, &heap, partials, ds_groups_hashes(window->open) + from);
        write_part(window, p, &heap, kept);
        if (logs(window))
            ds_window_log_rows(window, &heap, partials, from, n);
        take_in(window, p, partials);
    }
    ds_heap_fini(&heap);
    ds_arena_reset(window->scratch);
    if (fits)
        return;
    close_part(window, from, n / 2);
    close_part(window, from + n / 2, n - n / 2);
}

void ds_window_close_pane(ds_window *window)
{
    uint32_t n = ds_groups_count(window->open);
    for (uint32_t from = 0; from < n; from += DS_PART_KEYS)
        close_part(window, from, n - from < DS_PART_KEYS ? n - from : DS_PART_KEYS);
    ds_arena_empty(window->scratch); /* there are many windows, and each would keep some */
    window->n_panes++;
    if (logs(window))
        ds_window_log_pane(window);
    clear_open(window);
}

/* ---- A part goes out ---- */

static void drop_keys(ds_window *window, const part *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t id = p->ids[i];
        if (--window->panes_of[id] > 0)
            continue;
        uint32_t last = window->live[--window->n_live];
        window->live[window->place[id]] = last;
        window->place[last] = window->place[id];
        ds_keys_remove(window->keys, id);
        if (i % RELIEF == 0)
            ds_budget_relieve(window->budget);
    }
    ds_window_ranks_touch(window, p->ids, p->n);
}

static void expire_part(ds_window *window, part *p)
{
    ds_column **kept = ds_window_read_part(window, p);
    DS_ASSERT(kept != NULL);
    for (uint32_t c = 0; c < window->group->n_calls; c++) {
        call_plan *plan = &window->plans[c];
        if (!plan->subtracts)
            continue;
        ds_agg_partials out = {.heap = &window->text.heap,
                               .columns = (const ds_column *const *)kept + plan->first_kept,
                               .ids = p->ids,
                               .n = p->n};
        ds_agg_state_subtract(&plan->running, &out);
        window->operations += p->n;
    }
    if (window->queues != NULL)
        ds_slide_combine_pop(window->queues, p->ids, p->n);
    drop_keys(window, p);
    ds_text_store_set(&window->text, p->slot, NULL);
    window->free_slots[window->n_free_slots++] = p->slot;
    free_part(window, p);
    ds_arena_reset(window->scratch);
}

static void drop_blobs(ds_window *window, int64_t start)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < window->n_blobs; i++) {
        ds_window_blob *blob = &window->blobs[i];
        if (blob->until > start) {
            window->blobs[kept++] = *blob;
            continue;
        }
        ds_text_store_set(&window->text, blob->slot, NULL);
        window->free_slots[window->n_free_slots++] = blob->slot;
        free_blob(window, blob);
    }
    window->n_blobs = kept;
}

void ds_window_drop_parts(ds_window *window, uint64_t n)
{
    int64_t last = DS_WINDOW_NEVER;
    DS_ASSERT(n <= window->n_parts);
    for (uint64_t i = 0; i < n; i++) {
        part *p = &window->parts[window->first_part];
        window->n_panes -= p->end != last;
        last = p->end;
        expire_part(window, p);
        window->first_part++;
        window->n_parts--;
    }
    if (n > 0)
        ds_arena_empty(window->scratch);
    if (window->n_parts == 0)
        window->first_part = 0;
    window->gone += n;
    ds_window_log_gone(window);
}

static void expire(ds_window *window, int64_t start)
{
    uint32_t n = 0;
    while (n < window->n_parts && window->parts[window->first_part + n].end <= start)
        n++;
    ds_window_drop_parts(window, n);
    drop_blobs(window, start);
}

/* ---- Time ---- */

void ds_window_add(ds_window *window, int64_t batch_ms, const ds_heap *heap,
                   const ds_column *const *partials, uint32_t n_rows)
{
    int64_t end;
    DS_ASSERT(batch_ms > window->now && window->waiting.n_rows == 0);
    if (n_rows == 0 || !ds_pane_end(window->spec, batch_ms, &end))
        return;
    DS_ASSERT(end >= window->open_end);
    if (end != window->open_end) {
        if (window->single)
            clear_open(window);
        else if (window->open_end != DS_WINDOW_NEVER)
            ds_window_close_pane(window);
        window->open_end = end;
    }
    ds_groups_merge(window->open, heap, partials, n_rows);
}

static uint64_t all_operations(const ds_window *window)
{
    return window->operations +
           (window->queues == NULL ? 0 : ds_slide_combine_work(window->queues));
}

static void count_work(ds_window *window)
{
    uint64_t all = all_operations(window);
    window->work.last = all - window->operations_before;
    if (window->work.last > window->work.most)
        window->work.most = window->work.last;
    window->operations_before = all;
}

void ds_window_slide(ds_window *window, int64_t t)
{
    DS_ASSERT(t >= window->now && t % window->spec->slide_ms == 0);
    DS_ASSERT(window->open_end <= t && window->waiting.n_rows == 0);
    int64_t start = t - window->spec->size_ms;
    window->now = t;
    if (window->open_end != DS_WINDOW_NEVER && window->open_end <= start) /* never in a window */
        clear_open(window);
    if (window->single)
        return;
    if (window->open_end != DS_WINDOW_NEVER)
        ds_window_close_pane(window);
    expire(window, start);
    count_work(window);
}

/* ---- Results ---- */

uint32_t ds_window_count(const ds_window *window)
{
    return window->single ? ds_groups_count(window->open) : window->n_live;
}

static void single_results(ds_window *window, ds_arena *arena, ds_heap *heap, uint32_t from,
                           uint32_t n, ds_column **columns, uint64_t **overflows)
{
    uint32_t *ids = ds_arena_alloc(arena, n * sizeof *ids);
    for (uint32_t i = 0; i < n; i++)
        ids[i] = from + i;
    ds_groups_results(window->open, arena, heap, ids, n, columns, overflows);
}

uint32_t ds_window_next(const ds_window *window, uint32_t *at, uint32_t *ids, uint32_t most)
{
    uint32_t limit = window->single ? 0 : ds_keys_limit(window->keys), n = 0;
    DS_ASSERT(limit <= window->panes_room);
    const uint32_t *panes_of = window->panes_of;
    uint32_t id = *at;
    for (; id < limit && n < most; id++) { /* most numbers are in use */
        ids[n] = id;
        n += panes_of[id] > 0;
    }
    *at = id;
    return n;
}

void ds_window_calls(ds_window *window, ds_arena *arena, ds_heap *heap, const uint32_t *ids,
                     uint32_t n, ds_column **columns, uint64_t **overflows)
{
    const ds_group_spec *group = window->group;
    DS_ASSERT(!window->single);
    ds_column **combined = DS_ARENA_ARRAY(arena, ds_column *, group->n_calls + 1);
    uint64_t **misfits = DS_ARENA_ARRAY(arena, uint64_t *, group->n_calls + 1);
    if (window->queues != NULL)
        ds_slide_combine_results(window->queues, arena, heap, ids, n, combined, misfits);
    ds_agg_out out = {.arena = arena, .heap = heap, .ids = ids, .n = n};
    for (uint32_t c = 0; c < group->n_calls; c++) {
        call_plan *plan = &window->plans[c];
        out.columns = columns + c;
        out.overflows = ds_agg_overflows_of(overflows, c);
        if (plan->subtracts) {
            plan->running.kernels->results(&plan->running, &out);
        } else {
            *out.columns = combined[plan->combined];
            if (out.overflows != NULL)
                *out.overflows = misfits[plan->combined];
        }
    }
}

void ds_window_keys(ds_window *window, ds_arena *arena, ds_heap *heap, const uint32_t *ids,
                    uint32_t n, ds_column **columns)
{
    DS_ASSERT(!window->single);
    ds_keys_columns(window->keys, arena, heap, ids, n, columns);
}

bool ds_window_slides(const ds_window *window)
{
    return !window->single;
}

void ds_window_results(ds_window *window, ds_arena *arena, ds_heap *heap, uint32_t from, uint32_t n,
                       ds_column **columns, uint64_t **overflows)
{
    DS_ASSERT(from <= ds_window_count(window) && n <= ds_window_count(window) - from);
    if (window->single) {
        single_results(window, arena, heap, from, n, columns, overflows);
        return;
    }
    const uint32_t *ids = window->live + from;
    ds_window_keys(window, arena, heap, ids, n, columns);
    ds_window_calls(window, arena, heap, ids, n, columns + window->group->n_keys, overflows);
}

/* ---- Numbers ---- */

size_t ds_window_open_bytes(const ds_window *window)
{
    return ds_groups_bytes(window->open);
}

size_t ds_window_bytes(const ds_window *window)
{
    size_t bytes = sizeof *window + ds_groups_bytes(window->open) + ds_window_log_bytes(window);
    if (window->single)
        return bytes;
    for (uint32_t i = 0; i < window->n_parts; i++) {
        const part *p = &window->parts[window->first_part + i];
        bytes += p->size + p->n * sizeof *p->ids;
    }
    for (uint32_t c = 0; c < window->group->n_calls; c++)
        if (window->plans[c].subtracts)
            bytes += ds_agg_state_bytes(&window->plans[c].running);
    if (window->queues != NULL)
        bytes += ds_slide_combine_bytes(window->queues);
    for (uint32_t i = 0; i < window->n_blobs; i++)
        bytes += window->blobs[i].size;
    bytes +=
        ((size_t)window->panes_room + window->live_room + window->place_room + window->slots_room) *
        sizeof(uint32_t);
    return bytes + ds_keys_bytes(window->keys) + window->parts_room * sizeof(part) +
           ds_window_ranks_bytes(window) + ds_arena_bytes(window->scratch);
}

uint32_t ds_window_panes(const ds_window *window)
{
    return window->n_panes;
}

uint64_t ds_window_overflows(const ds_window *window)
{
    uint64_t overflows = ds_groups_overflows(window->open);
    for (uint32_t c = 0; !window->single && c < window->group->n_calls; c++)
        if (window->plans[c].subtracts)
            overflows += window->plans[c].running.overflows;
    return overflows + (window->queues == NULL ? 0 : ds_slide_combine_overflows(window->queues));
}

ds_window_work ds_window_work_done(const ds_window *window)
{
    return window->work;
}
