/*
 * collect_list and string_agg: all values of a group, in order.
 *
 * The values of all groups lie in one log as they came, each with the number of its group:
 * taking one in is an append, whatever the number of groups. When lists are wanted an index
 * is made: the log sorted by group (counting sort), and before that by position if positions
 * did not ascend. The index holds until something is added.
 *
 * A window takes partials out in the order in which they came in. Then the oldest values of
 * the group are passed over: a record says how many. When half of the log is dead it is
 * written anew, so that a value is moved a constant number of times on average.
 */
#include "base/assert.h"
#include "columnar/agg_scalar.h"
#include "columnar/growable.h"

#include <stdlib.h>

#define LAST INT64_MAX /* the position of what comes after all rows that have one */

typedef struct value_log {
    ds_kind kind; /* of the values */
    uint32_t n;
    uint32_t *ids;
    void *values;       /* ds_view, or uint64_t */
    int64_t *positions; /* NULL: none was ever given, all are LAST */
    uint32_t ids_room, values_room, positions_room;
    int64_t last_position;
    bool ascending; /* positions never went back */
    uint64_t dead;
    /* The index. */
    bool indexed;
    uint32_t groups;  /* it has */
    uint32_t *starts; /* by group: first place in order; one more at the end */
    uint32_t *order;  /* places in the log */
    uint32_t starts_room, order_room;
} value_log;

typedef struct list_record {
    uint64_t skipped; /* oldest values of the group that are dead */
} list_record;

static size_t width(const value_log *log)
{
    return log->kind == DS_STRING ? sizeof(ds_view) : sizeof(uint64_t);
}

static void open_log(ds_agg_state *state)
{
    value_log *log = ds_calloc(1, sizeof *log);
    log->kind = (ds_kind)state->call->arg_types[0].kind;
    log->ascending = true;
    log->last_position = INT64_MIN;
    state->extra = log;
    ds_budget_charge(state->budget, sizeof *log);
}

static void close_log(ds_agg_state *state)
{
    value_log *log = state->extra;
    ds_budget *budget = state->budget;
    ds_grow_free(log->ids, &log->ids_room, sizeof *log->ids, budget);
    ds_grow_free(log->values, &log->values_room, width(log), budget);
    ds_grow_free(log->positions, &log->positions_room, sizeof *log->positions, budget);
    ds_grow_free(log->starts, &log->starts_room, sizeof *log->starts, budget);
    ds_grow_free(log->order, &log->order_room, sizeof *log->order, budget);
    free(log);
    ds_budget_charge(budget, -(int64_t)sizeof *log);
}

static void drop_positions(ds_agg_state *state, value_log *log)
{
    ds_grow_free(log->positions, &log->positions_room, sizeof *log->positions, state->budget);
    log->positions = NULL;
    log->ascending = true;
    log->last_position = INT64_MIN;
}

static void clear_log(ds_agg_state *state)
{
    value_log *log = state->extra;
    drop_positions(state, log);
    log->n = 0;
    log->dead = 0;
    log->indexed = false;
}

static size_t log_bytes(const ds_agg_state *state)
{
    const value_log *log = state->extra;
    return sizeof *log + log->ids_room * sizeof *log->ids + log->values_room * width(log) +
           log->positions_room * sizeof *log->positions +
           ((size_t)log->starts_room + log->order_room) * sizeof(uint32_t);
}

/* ---- Taking in ---- */

static void reserve(ds_agg_state *state, value_log *log, uint32_t more)
{
    uint64_t need = (uint64_t)log->n + more;
    ds_budget *budget = state->budget;
    log->ids = ds_grow(log->ids, &log->ids_room, need, sizeof *log->ids, budget);
    log->values = ds_grow(log->values, &log->values_room, need, width(log), budget);
    if (log->positions != NULL)
        log->positions =
            ds_grow(log->positions, &log->positions_room, need, sizeof *log->positions, budget);
    log->indexed = false;
}

/* From the first positions on there is one for each value. */
static void need_positions(ds_agg_state *state, value_log *log)
{
    if (log->positions != NULL)
        return;
    log->positions =
        ds_grow(NULL, &log->positions_room, log->ids_room, sizeof *log->positions, state->budget);
    for (uint32_t i = 0; i < log->n; i++)
        log->positions[i] = LAST;
    log->last_position = log->n > 0 ? LAST : INT64_MIN;
}

DS_SCALAR_INLINE void append(ds_kind kind, ds_agg_state *state, value_log *log, uint32_t id,
                             const ds_heap *heap, const ds_column *column, uint32_t row,
                             int64_t position)
{
    ds_scalar value = ds_scalar_load(kind, column, row);
    if (kind == DS_STRING)
        ((ds_view *)log->values)[log->n] = ds_text_store_keep(state->text, heap, &value.v);
    else
        ((int64_t *)log->values)[log->n] = value.i;
    if (log->positions != NULL) {
        log->positions[log->n] = position;
        log->ascending &= position >= log->last_position;
        log->last_position = position;
    }
    log->ids[log->n++] = id;
}

DS_SCALAR_INLINE void update_kind(ds_kind kind, ds_agg_state *state, const ds_agg_rows *in)
{
    value_log *log = state->extra;
    DS_AGG_EACH_ROW(in, append(kind, state, log, id, in->heap, in->args[0], row,
                               in->positions == NULL ? LAST : in->positions[row]););
}

static void update(ds_agg_state *state, const ds_agg_rows *in)
{
    value_log *log = state->extra;
    reserve(state, log, in->n);
    if (in->positions != NULL)
        need_positions(state, log);
    DS_SCALAR_SWITCH(log->kind, update_kind, state, in);
}

DS_SCALAR_INLINE void merge_list(ds_kind kind, ds_agg_state *state, uint32_t id,
                                 const ds_heap *heap, const ds_column *child, uint32_t from,
                                 uint32_t to)
{
    value_log *log = state->extra;
    for (uint32_t e = from; e < to; e++)
        if (!ds_column_is_null(child, e))
            append(kind, state, log, id, heap, child, e, LAST);
}

static void merge(ds_agg_state *state, const ds_agg_partials *in)
{
    value_log *log = state->extra;
    const ds_column *lists = in->columns[0];
    for (uint32_t row = 0; row < in->n; row++) {
        uint32_t from = lists->offsets[row], to = lists->offsets[row + 1];
        if (ds_column_is_null(lists, row))
            continue;
        reserve(state, log, to - from);
        DS_SCALAR_SWITCH(log->kind, merge_list, state, in->ids[row], in->heap, lists->child, from,
                         to);
    }
}

/* ---- The index ---- */

static int by_position(const void *a, const void *b, void *arg)
{
    const int64_t *positions = arg;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    if (positions[i] != positions[j])
        return positions[i] < positions[j] ? -1 : 1;
    return i < j ? -1 : 1;
}

/* All places of the log in the order of positions, or NULL if that is how they are. */
static uint32_t *sorted_places(const value_log *log)
{
    if (log->positions == NULL || log->ascending)
        return NULL;
    uint32_t *places = ds_alloc((size_t)log->n * sizeof *places);
    for (uint32_t i = 0; i < log->n; i++)
        places[i] = i;
    qsort_r(places, log->n, sizeof *places, by_position, log->positions);
    return places;
}

static void make_index(ds_agg_state *state, value_log *log)
{
    if (log->indexed && log->groups == state->n)
        return;
    uint32_t n = log->n, groups = state->n;
    log->starts = ds_grow(log->starts, &log->starts_room, (uint64_t)groups + 2, sizeof *log->starts,
                          state->budget);
    log->order = ds_grow(log->order, &log->order_room, n, sizeof *log->order, state->budget);
    uint32_t *places = sorted_places(log), *next = log->starts + 1;
    memset(log->starts, 0, ((size_t)groups + 2) * sizeof *log->starts);
    for (uint32_t i = 0; i < n; i++)
        next[log->ids[i] + 1]++;
    for (uint32_t g = 0; g < groups; g++)
        next[g + 1] += next[g];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t place = places == NULL ? i : places[i];
        log->order[next[log->ids[place]]++] = place; /* next[g] ends as starts[g + 1] */
    }
    free(places);
    log->indexed = true;
    log->groups = groups;
}

/* The places of a group's living values; returns how many. */
static uint32_t living(const ds_agg_state *state, const value_log *log, uint32_t id,
                       const uint32_t **places)
{
    const list_record *record = ds_agg_record(state, id);
    uint32_t all = log->starts[id + 1] - log->starts[id];
    DS_ASSERT(record->skipped <= all);
    *places = log->order + log->starts[id] + record->skipped;
    return all - (uint32_t)record->skipped;
}

/* ---- Taking out ---- */

static void compact(ds_agg_state *state, value_log *log)
{
    DS_ASSERT(log->positions == NULL);
    make_index(state, log);
    value_log next = {.kind = log->kind, .ascending = true, .last_position = INT64_MIN};
    reserve(state, &next, log->n - (uint32_t)log->dead);
    for (uint32_t id = 0; id < state->n; id++) {
        const uint32_t *places;
        uint32_t n = living(state, log, id, &places);
        for (uint32_t i = 0; i < n; i++, next.n++) {
            next.ids[next.n] = id;
            memcpy((char *)next.values + next.n * width(log),
                   (char *)log->values + places[i] * width(log), width(log));
        }
        ((list_record *)ds_agg_record(state, id))->skipped = 0;
    }
    value_log *kept = ds_alloc(sizeof *kept);
    *kept = next;
    ds_budget_charge(state->budget, sizeof *kept);
    close_log(state);
    state->extra = kept;
}

static void subtract(ds_agg_state *state, const ds_agg_partials *in)
{
    value_log *log = state->extra;
    DS_ASSERT(log->positions == NULL);
    const ds_column *lists = in->columns[0];
    for (uint32_t row = 0; row < in->n; row++) {
        list_record *record = ds_agg_record(state, in->ids[row]);
        if (ds_column_is_null(lists, row))
            continue;
        for (uint32_t e = lists->offsets[row]; e < lists->offsets[row + 1]; e++) {
            uint32_t counts = !ds_column_is_null(lists->child, e);
            record->skipped += counts;
            log->dead += counts;
        }
    }
    if (log->dead > 1024 && log->dead > log->n / 2)
        compact(state, log);
}

/* ---- Giving out ---- */

static void put_value(const value_log *log, uint32_t place, uint32_t base, ds_column *column,
                      uint32_t row)
{
    ds_scalar value;
    if (log->kind == DS_STRING)
        value.v = ((const ds_view *)log->values)[place];
    else
        value.i = ((const int64_t *)log->values)[place];
    ds_scalar_put(column, row, &value, base);
}

static ds_column *put_lists(ds_agg_state *state, const ds_agg_out *out)
{
    value_log *log = state->extra;
    make_index(state, log);
    ds_column *lists = ds_agg_column(out, 0, DS_LIST_OF((uint8_t)log->kind));
    const uint32_t *places;
    uint64_t total = 0;
    for (uint32_t i = 0; i < out->n; i++) {
        total += living(state, log, out->ids[i], &places);
        DS_ASSERT(total <= UINT32_MAX);
        lists->offsets[i + 1] = (uint32_t)total;
    }
    lists->child = ds_column_new(out->arena, DS_TYPE((uint8_t)log->kind), (uint32_t)total);
    if (log->kind == DS_BOOL)
        memset(lists->child->bits, 0, ds_bitmap_words(total) * 8);
    uint32_t base = ds_text_store_export(state->text, out->heap), at = 0;
    for (uint32_t i = 0; i < out->n; i++) {
        uint32_t n = living(state, log, out->ids[i], &places);
        for (uint32_t k = 0; k < n; k++)
            put_value(log, places[k], base, lists->child, at++);
    }
    return lists;
}

static void partials(ds_agg_state *state, const ds_agg_out *out)
{
    put_lists(state, out);
}

static void list_results(ds_agg_state *state, const ds_agg_out *out)
{
    ds_column *lists = put_lists(state, out);
    for (uint32_t i = 0; i < out->n; i++)
        if (lists->offsets[i] == lists->offsets[i + 1])
            ds_agg_null(out, lists, i);
}

/* Joins strings; false if the text would be too long for a string. */
static bool join(const ds_agg_state *state, const value_log *log, const uint32_t *places,
                 uint32_t n, ds_heap *heap, ds_view *joined)
{
    const ds_heap *kept = &state->text->heap;
    const ds_view *views = log->values;
    const ds_agg_call *call = state->call;
    uint64_t length = (uint64_t)call->separator_length * (n - 1);
    for (uint32_t k = 0; k < n; k++)
        length += views[places[k]].length;
    if (length > INT32_MAX)
        return false;
    uint32_t buffer = 0, offset = 0;
    char small[DS_INLINE_BYTES], *text = small;
    if (length > sizeof small)
        text = ds_heap_text(heap, (uint32_t)length, &buffer, &offset);
    char *at = text;
    for (uint32_t k = 0; k < n; k++) {
        if (k > 0 && call->separator_length > 0)
            at = mempcpy(at, call->separator, call->separator_length);
        at = mempcpy(at, ds_view_bytes(kept, &views[places[k]]), views[places[k]].length);
    }
    *joined = ds_view_at(text, (uint32_t)length, buffer, offset);
    return true;
}

static void text_results(ds_agg_state *state, const ds_agg_out *out)
{
    value_log *log = state->extra;
    make_index(state, log);
    ds_column *column = ds_agg_column(out, 0, DS_TYPE(DS_STRING));
    for (uint32_t i = 0; i < out->n; i++) {
        const uint32_t *places;
        uint32_t n = living(state, log, out->ids[i], &places);
        if (n == 0)
            ds_agg_null(out, column, i);
        else if (!join(state, log, places, n, out->heap, &column->views[i]))
            ds_agg_overflow(state, out, column, i);
    }
}

/* ---- The table ---- */

#define KERNELS(finish)                                                                            \
    {                                                                                              \
        .record = sizeof(list_record), .update = update, .merge = merge, .subtract = subtract,     \
        .partials = partials, .results = (finish), .open = open_log, .close = close_log,           \
        .clear = clear_log, .bytes = log_bytes                                                     \
    }

static const ds_agg_kernels list_kernels = KERNELS(list_results);
static const ds_agg_kernels text_kernels = KERNELS(text_results);
static const struct ds_aggregate_ops list_ops = {&list_kernels, NULL},
                                     text_ops = {&text_kernels, NULL};

static bool resolve_list(ds_resolve *r, ds_agg_call *call)
{
    return ds_agg_want_args(r, 1, 1) && ds_agg_want_scalar(r, 0) &&
           ds_agg_done(r, call, 1, DS_LIST_OF(r->wanted[0].kind));
}

static bool resolve_text(ds_resolve *r, ds_agg_call *call)
{
    if (!ds_agg_want_args(r, 2, 2) || !ds_agg_want_string(r, 0))
        return false;
    const ds_literal *separator = &r->literals[1];
    if (!separator->is_literal || separator->is_null || r->types[1].kind != DS_STRING)
        return ds_agg_fail(r, 1, "the separator must be a string literal");
    call->separator = ds_arena_strndup(r->arena, separator->text, separator->length);
    call->separator_length = separator->length;
    return ds_agg_done(r, call, 1, DS_TYPE(DS_STRING));
}

static uint32_t partial(const ds_agg_call *call, ds_type *types)
{
    types[0] = DS_LIST_OF(call->arg_types[0].kind);
    return 1;
}

static ds_slide slide(const ds_agg_call *call)
{
    (void)call;
    return DS_SLIDE_SUBTRACT;
}

const ds_aggregate ds_aggregates_list[] = {
    {.name = "collect_list",
     .n_args = 1,
     .usage = "collect_list(x)",
     .ordered = true,
     .resolve = resolve_list,
     .partial = partial,
     .slide = slide,
     .ops = &list_ops},
    {.name = "string_agg",
     .n_args = 1,
     .usage = "string_agg(s, separator)",
     .ordered = true,
     .resolve = resolve_text,
     .partial = partial,
     .slide = slide,
     .ops = &text_ops},
    {.name = NULL},
};
