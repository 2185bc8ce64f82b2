/*
 * Aggregates in Lua. Between calls the state of a group is bytes (encode.h): they go into partials
 * as they are, cost nothing in Lua's memory however many groups there are, and no two groups can
 * meet. The rows of a chunk are taken in group by group, so that a state is read and written once
 * for all rows of its group.
 *
 * A record is a view of the bytes, which lie in a store of this aggregate's own. The view of
 * no bytes is the state of no rows; that of the byte BROKEN the state of a group for which a call
 * failed, whatever it is merged with. The store only grows; when half of it must be waste, what
 * records refer to moves to a new one.
 */
#include "columnar/agg_state.h"
#include "lua/encode.h"
#include "lua/functions.h"
#include "lua/values.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BROKEN ((char)-1)

typedef struct record {
    ds_view state;
} record;

typedef struct states {
    ds_text_store store;
    size_t alive; /* bytes of the store when it was new */
} states;

static const ds_lua_function *function_of(const ds_aggregate *aggregate)
{
    return (const ds_lua_function *)(const void *)((const char *)aggregate -
                                                   offsetof(ds_lua_function, aggregate));
}

/* ---- records ---- */

static bool is_empty(const record *r)
{
    return r->state.length == 0;
}

static bool is_broken(const ds_view *state)
{
    return state->length == 1 && state->inlined[0] == BROKEN;
}

static void break_record(record *r)
{
    const char broken = BROKEN;
    r->state = ds_view_at(&broken, 1, 0, 0);
}

static void keep(ds_agg_state *state, record *r, const ds_heap *heap, const ds_view *bytes)
{
    states *all = state->extra;
    r->state = ds_text_store_keep(&all->store, heap, bytes);
}

static void keep_encoded(ds_agg_state *state, record *r, const ds_buffer *encoded)
{
    const char *bytes = encoded->data;
    ds_heap heap = {.buffers = &bytes, .n_buffers = 1};
    ds_view view = ds_view_at(bytes, (uint32_t)encoded->length, 0, 0);
    keep(state, r, &heap, &view);
}

/* Moves the bytes that are needed to a new store, if there may be as many that are not. */
static void tidy(ds_agg_state *state)
{
    states *all = state->extra;
    if (all->store.used <= 2 * all->alive + ((size_t)64 << 10))
        return;
    ds_text_store next;
    ds_text_store_init(&next, state->budget);
    for (uint32_t id = 0; id < state->n; id++) {
        record *r = ds_agg_record(state, id);
        r->state = ds_text_store_keep(&next, &all->store.heap, &r->state);
    }
    ds_text_store_fini(&all->store);
    all->store = next;
    all->alive = next.used;
}

static void open_states(ds_agg_state *state)
{
    states *all = ds_calloc(1, sizeof *all);
    ds_text_store_init(&all->store, state->budget);
    state->extra = all;
}

static void close_states(ds_agg_state *state)
{
    states *all = state->extra;
    ds_text_store_fini(&all->store);
    free(all);
}

static void clear_states(ds_agg_state *state)
{
    states *all = state->extra;
    ds_text_store_clear(&all->store);
    all->alive = 0;
}

static size_t states_bytes(const ds_agg_state *state)
{
    const states *all = state->extra;
    return sizeof *all + all->store.bytes;
}

/* ---- calls; what follows runs within ds_lua_use_call ---- */

/* Calls the function below n arguments, counting its work anew. */
static void call(lua_State *L, int n_args)
{
    ds_lua_restart(L);
    lua_call(L, n_args, 1);
    ds_lua_check(L);
}

static void push_state(lua_State *L, const ds_lua_use *use, const ds_heap *heap,
                       const ds_view *state)
{
    ds_lua_restart(L);
    if (state->length > 0) {
        ds_lua_decode(L, ds_view_bytes(heap, state), state->length);
        return;
    }
    ds_lua_push_part(L, use, DS_LUA_FUNCTION);
    call(L, 0);
}

static void encode_top(lua_State *L, ds_buffer *encoded)
{
    ds_lua_restart(L);
    encoded->length = 0;
    ds_lua_encode(L, lua_gettop(L), encoded);
}

/* ---- rows ---- */

typedef struct updating {
    ds_lua_use use;
    ds_agg_state *state;
    const ds_agg_rows *in;
    const uint64_t *order; /* state number and row, ascending */
    uint32_t n, at;        /* at: the first row of the group at work */
    ds_buffer encoded;
} updating;

static uint32_t id_at(const updating *u, uint32_t i)
{
    return (uint32_t)(u->order[i] >> 32);
}

static uint32_t end_of_group(const updating *u)
{
    uint32_t end = u->at + 1;
    while (end < u->n && id_at(u, end) == id_at(u, u->at))
        end++;
    return end;
}

static void update_group(lua_State *L, updating *u, record *r, uint32_t end)
{
    const states *all = u->state->extra;
    uint32_t n_args = u->state->call->n_args;
    push_state(L, &u->use, &all->store.heap, &r->state);
    int value = lua_gettop(L);
    for (uint32_t i = u->at; i < end; i++) {
        uint32_t row = (uint32_t)u->order[i];
        lua_pushvalue(L, 2);
        lua_pushvalue(L, value);
        for (uint32_t a = 0; a < n_args; a++)
            ds_lua_push_value(L, u->in->heap, u->in->args[a], row, a + 1);
        call(L, (int)n_args + 1);
        lua_replace(L, value);
    }
    encode_top(L, &u->encoded);
    keep_encoded(u->state, r, &u->encoded);
    lua_settop(L, 2);
}

static int run_update(lua_State *L)
{
    updating *u = lua_touserdata(L, 1);
    ds_lua_push_part(L, &u->use, DS_LUA_UPDATE);
    while (u->at < u->n) {
        record *r = ds_agg_record(u->state, id_at(u, u->at));
        uint32_t end = end_of_group(u);
        if (!is_broken(&r->state))
            update_group(L, u, r, end);
        u->at = end;
    }
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The rows that count by group; each group's in their order. */
static uint64_t *sort_rows(const ds_agg_rows *in)
{
    uint64_t *order = ds_alloc(((size_t)in->n + 1) * sizeof *order);
    uint32_t n = 0;
    bool sorted = true;
    DS_AGG_EACH_ROW(in, {
        order[n] = (uint64_t)id << 32 | row;
        sorted = sorted && (n == 0 || order[n - 1] < order[n]);
        n++;
    });
    if (!sorted)
        qsort(order, n, sizeof *order, by_number);
    return order;
}

static void update(ds_agg_state *state, const ds_agg_rows *in)
{
    uint64_t *order = sort_rows(in);
    updating u = {.state = state, .in = in, .order = order, .n = in->n};
    ds_lua_use_begin(&u.use, function_of(state->call->aggregate));
    while (u.at < u.n && !ds_lua_use_call(&u.use, run_update, &u)) {
        break_record(ds_agg_record(state, id_at(&u, u.at)));
        u.at = end_of_group(&u);
    }
    ds_lua_use_end(&u.use);
    ds_buffer_fini(&u.encoded);
    free(order);
    tidy(state);
}

/* ---- two states ---- */

typedef struct merging {
    ds_lua_use use;
    const ds_heap *older_heap, *newer_heap;
    const ds_view *older, *newer;
    ds_buffer encoded;
} merging;

static int run_merge(lua_State *L)
{
    merging *m = lua_touserdata(L, 1);
    ds_lua_push_part(L, &m->use, DS_LUA_MERGE);
    push_state(L, &m->use, m->older_heap, m->older);
    push_state(L, &m->use, m->newer_heap, m->newer);
    call(L, 2);
    encode_top(L, &m->encoded);
    return 0;
}

/* Makes `to` the state of older and newer; both are states of rows. */
static void merge_states(merging *m, ds_agg_state *state, record *to)
{
    if (is_broken(m->older) || is_broken(m->newer) || !ds_lua_use_call(&m->use, run_merge, m))
        break_record(to);
    else
        keep_encoded(state, to, &m->encoded);
}

static void merge(ds_agg_state *state, const ds_agg_partials *in)
{
    const states *all = state->extra;
    const ds_column *column = in->columns[0];
    merging m = {.older_heap = &all->store.heap, .newer_heap = in->heap};
    ds_lua_use_begin(&m.use, function_of(state->call->aggregate));
    for (uint32_t row = 0; row < in->n; row++) {
        record *r = ds_agg_record(state, in->ids[row]);
        m.older = &r->state;
        m.newer = &column->views[row];
        if (m.newer->length == 0 || ds_column_is_null(column, row))
            continue;
        if (is_empty(r))
            keep(state, r, in->heap, m.newer);
        else
            merge_states(&m, state, r);
    }
    ds_lua_use_end(&m.use);
    ds_buffer_fini(&m.encoded);
    tidy(state);
}

static void combine(ds_agg_state *state, void *to, const void *older, const void *newer)
{
    const record *a = older, *b = newer;
    const states *all = state->extra;
    if (is_empty(a) || is_empty(b)) {
        *(record *)to = is_empty(a) ? *b : *a;
        return;
    }
    merging m = {.older_heap = &all->store.heap,
                 .newer_heap = &all->store.heap,
                 .older = &a->state,
                 .newer = &b->state};
    ds_lua_use_begin(&m.use, function_of(state->call->aggregate));
    merge_states(&m, state, to);
    ds_lua_use_end(&m.use);
    ds_buffer_fini(&m.encoded);
    tidy(state);
}

/* ---- results ---- */

static void partials(ds_agg_state *state, const ds_agg_out *out)
{
    states *all = state->extra;
    ds_column *column = ds_agg_column(out, 0, DS_TYPE(DS_STRING));
    uint32_t base = ds_text_store_export(&all->store, out->heap);
    for (uint32_t i = 0; i < out->n; i++) {
        const record *r = ds_agg_record(state, out->ids[i]);
        column->views[i] = ds_text_store_view(&r->state, base);
    }
}

typedef struct finishing {
    ds_lua_use use;
    ds_agg_state *state;
    const ds_agg_out *out;
    ds_lua_column column;
    uint32_t row;
} finishing;

static void finish_row(lua_State *L, finishing *f, const record *r)
{
    const states *all = f->state->extra;
    bool finishes = f->use.loaded->parts[DS_LUA_FINISH] != LUA_NOREF;
    if (finishes)
        ds_lua_push_part(L, &f->use, DS_LUA_FINISH);
    push_state(L, &f->use, &all->store.heap, &r->state);
    if (finishes)
        call(L, 1);
    ds_lua_restart(L);
    ds_lua_column_take(&f->column, L, f->row);
    lua_settop(L, 1);
}

static int run_finish(lua_State *L)
{
    finishing *f = lua_touserdata(L, 1);
    for (; f->row < f->out->n; f->row++) {
        const record *r = ds_agg_record(f->state, f->out->ids[f->row]);
        if (is_broken(&r->state))
            ds_agg_overflow(f->state, f->out, f->column.column, f->row);
        else
            finish_row(L, f, r);
    }
    return 0;
}

static void results(ds_agg_state *state, const ds_agg_out *out)
{
    finishing f = {.state = state, .out = out};
    ds_column *column = DS_ARENA_NEW(out->arena, ds_column);
    column->type = state->call->type;
    out->columns[0] = column;
    ds_lua_column_begin(&f.column, column, out->arena, out->heap, out->n);
    ds_lua_use_begin(&f.use, function_of(state->call->aggregate));
    while (f.row < out->n && !ds_lua_use_call(&f.use, run_finish, &f)) {
        ds_agg_overflow(state, out, column, f.row);
        f.row++;
    }
    ds_lua_use_end(&f.use);
    ds_lua_column_end(&f.column);
}

/* ---- the entry ---- */

static const ds_agg_kernels kernels = {
    .record = sizeof(record),
    .update = update,
    .merge = merge,
    .combine = combine,
    .partials = partials,
    .results = results,
    .open = open_states,
    .close = close_states,
    .clear = clear_states,
    .bytes = states_bytes,
};
static const struct ds_aggregate_ops ops = {&kernels, NULL};

static bool resolve(ds_resolve *r, ds_agg_call *agg)
{
    const ds_lua_definition *d = function_of(agg->aggregate)->definition;
    uint32_t least = d->args != NULL ? d->n_args : 0, most = d->args != NULL ? d->n_args : 2;
    return ds_agg_want_args(r, least, most) && ds_lua_resolve_args(r, d) &&
           ds_agg_done(r, agg, r->n_args, d->returns);
}

static uint32_t partial(const ds_agg_call *agg, ds_type *types)
{
    (void)agg;
    types[0] = DS_TYPE(DS_STRING);
    return 1;
}

static ds_slide slide(const ds_agg_call *agg)
{
    (void)agg;
    return DS_SLIDE_COMBINE;
}

void ds_lua_aggregate_init(ds_aggregate *aggregate, const char *name, const ds_lua_definition *d,
                           const char *usage)
{
    *aggregate = (ds_aggregate){.name = name,
                                .n_args = d->args != NULL ? d->n_args : 2,
                                .usage = usage,
                                .user = true,
                                .resolve = resolve,
                                .partial = partial,
                                .slide = slide,
                                .ops = &ops};
}
