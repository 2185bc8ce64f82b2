#include "dstream/first_groups.h"

#include "base/assert.h"
#include "columnar/gather.h"
#include "dstream/op_group.h"
#include "dstream/op_order.h"
#include "dstream/window_ranks.h"

/* The call that the order is by, or -1. */
static int call_of_order(const ds_node *node, const ds_order_plan *order)
{
    const ds_group_plan *plan = node->group;
    if (order->limit < 0 || order->n_keys == 0 || order->n_computed > 0)
        return -1;
    uint32_t column = order->keys[0].column;
    return column < plan->n_keys ? -1 : plan->bare[column - plan->n_keys];
}

bool ds_first_groups_wanted(const ds_frame *frame, const ds_node *node)
{
    if (node->group->bare == NULL || node->n_children != 1)
        return false;
    const ds_node *child = node->children[0];
    return child->kind == DS_NODE_ORDER && frame->due->reads[child->id] &&
           call_of_order(node, child->order) >= 0;
}

static bool any_overflows(const ds_group_plan *plan, uint64_t *const *overflows)
{
    for (uint32_t c = 0; c < plan->spec.n_calls; c++)
        if (overflows[c] != NULL)
            return true;
    return false;
}

/* Which of n rows may be among the first. */
static uint32_t choose(const ds_frame *frame, const ds_node *node, const ds_group_rows *rows,
                       uint32_t *chosen)
{
    const ds_node *order = node->children[0];
    const ds_sorter *sorter = frame->states[order->id];
    int call = call_of_order(node, order->order);
    uint32_t n = rows->n;
    DS_ASSERT(call >= 0 && (uint32_t)call < node->group->n_visible);
    if (sorter != NULL && !any_overflows(node->group, rows->overflows)) /* these are counted */
        n = ds_sorter_choose(sorter, &frame->heap,
                             rows->columns[node->group->n_keys + (uint32_t)call], rows->n, chosen);
    for (uint32_t i = 0; n == rows->n && i < n; i++)
        chosen[i] = i;
    return n;
}

static ds_status push_some(ds_frame *frame, const ds_node *node, ds_window *window, uint32_t *ids,
                           uint32_t n)
{
    const ds_group_plan *plan = node->group;
    ds_arena *arena = frame->chunk_arena;
    uint32_t n_keys = plan->n_keys, n_calls = plan->spec.n_calls, chosen[DS_CHUNK_ROWS];
    ds_group_rows rows = {.n = n,
                          .columns = DS_ARENA_ARRAY(arena, ds_column *, n_keys + n_calls + 1),
                          .overflows = DS_ARENA_ARRAY(arena, uint64_t *, n_calls + 1)};
    ds_window_calls(window, arena, &frame->heap, ids, n, rows.columns + n_keys, rows.overflows);
    rows.n = choose(frame, node, &rows, chosen);
    if (rows.n == 0)
        return ds_frame_next_chunk(frame);
    for (uint32_t i = 0; i < rows.n; i++)
        ids[i] = ids[chosen[i]];
    ds_window_keys(window, arena, &frame->heap, ids, rows.n, rows.columns);
    for (uint32_t c = 0; c < n_calls && rows.n < n; c++)
        rows.columns[n_keys + c] =
            ds_column_gather(arena, rows.columns[n_keys + c], chosen, rows.n);
    return ds_group_push_rows(frame, node, &rows);
}

/* ---- With merits ---- */

/* Bits of the rows with any result that does not fit; NULL: none. */
static uint64_t *all_misfits(const ds_group_plan *plan, ds_arena *arena, uint64_t *const *overflows,
                             uint32_t n)
{
    if (!any_overflows(plan, overflows))
        return NULL;
    size_t words = ds_bitmap_words(n);
    uint64_t *bits = ds_arena_calloc(arena, words, sizeof *bits);
    for (uint32_t c = 0; c < plan->spec.n_calls; c++)
        for (size_t w = 0; w < words && overflows[c] != NULL; w++)
            bits[w] |= overflows[c][w];
    return bits;
}

/* Brings the merits of what changed up to date. */
static ds_status rank_some(ds_frame *frame, const ds_node *node, ds_window *window, uint32_t from,
                           uint32_t to, const uint32_t *ids, uint32_t n)
{
    const ds_group_plan *plan = node->group;
    ds_arena *arena = frame->chunk_arena;
    const ds_order_plan *order = node->children[0]->order;
    const ds_row_order by = {.keys = order->keys, .n_keys = order->n_keys};
    ds_column **calls = DS_ARENA_ARRAY(arena, ds_column *, plan->spec.n_calls + 1);
    uint64_t **overflows = DS_ARENA_ARRAY(arena, uint64_t *, plan->spec.n_calls + 1);
    uint64_t prefixes[DS_CHUNK_ROWS];
    ds_window_calls(window, arena, &frame->heap, ids, n, calls, overflows);
    ds_row_order_prefixes_of(&by, &frame->heap, calls[call_of_order(node, order)], 0, n, prefixes);
    ds_window_ranks_set(window, from, to, ids, n, prefixes, all_misfits(plan, arena, overflows, n));
    return ds_frame_next_chunk(frame);
}

static ds_status rank_all(ds_frame *frame, const ds_node *node, ds_window *window)
{
    uint32_t ids[DS_CHUNK_ROWS], from = 0, block = 0, n;
    do {
        uint32_t most = ds_budget_step(frame->kept, DS_CHUNK_ROWS);
        n = ds_window_ranks_stale(window, &block, ids, most);
        DS_TRY(rank_some(frame, node, window, from, block, ids, n));
        from = block;
    } while (n > 0);
    return DS_OK;
}

static bool keeps_ranks(const ds_node *node, ds_window *window)
{
    const ds_order_plan *order = node->children[0]->order;
    const ds_rank_order by = {.call = (uint32_t)call_of_order(node, order),
                              .descending = order->keys[0].descending,
                              .nulls_first = order->keys[0].nulls_first};
    return ds_window_ranks_keep(window, &by, (uint64_t)order->limit);
}

static ds_status push_ranked(ds_frame *frame, const ds_node *node, ds_window *window)
{
    DS_TRY(rank_all(frame, node, window));
    uint64_t bound = ds_window_ranks_bound(window, (uint64_t)node->children[0]->order->limit);
    uint32_t ids[DS_CHUNK_ROWS], block = 0, n;
    while ((n = ds_window_ranks_first(window, bound, &block, ids,
                                      ds_budget_step(frame->kept, DS_CHUNK_ROWS))) > 0)
        DS_TRY(push_some(frame, node, window, ids, n));
    return DS_OK;
}

/* The order is total, as no two groups have the same key: it does not matter in which they come. */
ds_status ds_first_groups_push(ds_frame *frame, const ds_node *node, ds_window *window)
{
    uint32_t ids[DS_CHUNK_ROWS], at = 0, n;
    if (keeps_ranks(node, window))
        return push_ranked(frame, node, window);
    while ((n = ds_window_next(window, &at, ids, ds_budget_step(frame->kept, DS_CHUNK_ROWS))) > 0)
        DS_TRY(push_some(frame, node, window, ids, n));
    return DS_OK;
}
