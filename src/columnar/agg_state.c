#include "columnar/agg_state.h"

#include "base/assert.h"
#include "columnar/growable.h"
#include "columnar/slice.h"

#include <math.h>
#include <stdio.h>

#define PART_ROWS 64u /* a slice begins at a multiple */
#define RELIEF 256u   /* states in order, before pages may have to go */

void ds_agg_state_init(ds_agg_state *state, const ds_agg_call *call, ds_text_store *text,
                       ds_budget *budget)
{
    *state = (ds_agg_state){.call = call, .budget = budget};
    const struct ds_aggregate_ops *ops = call->aggregate->ops;
    bool floats = call->n_args > 0 && call->arg_types[0].kind == DS_FLOAT;
    state->kernels = floats && ops->for_floats != NULL ? ops->for_floats : ops->kernels;
    DS_ASSERT(state->kernels->record % 8 == 0 && (text == NULL || text->lends));
    ds_text_store_init(&state->own_text, budget);
    state->text = text == NULL ? &state->own_text : text;
    if (state->kernels->open != NULL)
        state->kernels->open(state);
}

void ds_agg_state_fini(ds_agg_state *state)
{
    if (state->kernels->close != NULL)
        state->kernels->close(state);
    ds_text_store_fini(&state->own_text);
    ds_grow_free(state->records, &state->room, state->kernels->record, state->budget);
    state->records = NULL;
}

void ds_agg_state_clear(ds_agg_state *state)
{
    if (state->kernels->clear != NULL)
        state->kernels->clear(state);
    ds_text_store_clear(&state->own_text);
    if (state->n > 0)
        memset(state->records, 0, state->n * state->kernels->record);
    state->n = 0;
}

void ds_agg_state_grow(ds_agg_state *state, uint32_t n)
{
    if (n <= state->n)
        return;
    state->records =
        ds_grow(state->records, &state->room, n, state->kernels->record, state->budget);
    state->n = n;
}

typedef void (*take_fn)(ds_agg_state *state, const ds_agg_partials *in);

static void take_parts(ds_agg_state *state, const ds_agg_partials *in, take_fn take)
{
    ds_type types[DS_MAX_PARTIAL];
    ds_column columns[DS_MAX_PARTIAL];
    const ds_column *pointers[DS_MAX_PARTIAL];
    uint32_t n_columns = state->call->aggregate->partial(state->call, types);
    for (uint32_t from = 0; from < in->n; from += PART_ROWS) {
        ds_agg_partials part = {.heap = in->heap, .columns = pointers, .ids = in->ids + from};
        part.n = in->n - from < PART_ROWS ? in->n - from : PART_ROWS;
        ds_columns_slice(in->columns, n_columns, from, part.n, columns, pointers);
        take(state, &part);
        ds_budget_relieve(state->budget);
    }
}

void ds_agg_state_merge(ds_agg_state *state, const ds_agg_partials *in)
{
    if (ds_budget_step(state->budget, in->n) == in->n)
        state->kernels->merge(state, in);
    else
        take_parts(state, in, state->kernels->merge);
}

void ds_agg_state_subtract(ds_agg_state *state, const ds_agg_partials *in)
{
    if (ds_budget_step(state->budget, in->n) == in->n)
        state->kernels->subtract(state, in);
    else
        take_parts(state, in, state->kernels->subtract);
}

void ds_agg_state_combine_each(ds_agg_state *state, uint32_t to, const uint32_t *older,
                               const uint32_t *newer, uint32_t n)
{
    DS_ASSERT(to <= state->n && n <= state->n - to);
    if (state->kernels->combine_each != NULL) {
        state->kernels->combine_each(state, to, older, newer, n);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        state->kernels->combine(state, ds_agg_record(state, to + i), ds_agg_record(state, older[i]),
                                ds_agg_record(state, newer[i]));
}

void ds_agg_state_tidy(ds_agg_state *state)
{
    if (!ds_text_store_wasteful(state->text))
        return;
    ds_text_store next;
    ds_text_store_init(&next, state->budget);
    for (uint32_t a = 0; a < state->kernels->n_scalars; a++) {
        if (!ds_agg_keeps_text(state->call, a))
            continue;
        for (uint32_t id = 0; id < state->n; id++) {
            ds_view *view = (ds_view *)ds_agg_record(state, id) + a;
            *view = ds_text_store_keep(&next, &state->text->heap, view);
            if (id % RELIEF == 0)
                ds_budget_relieve(state->budget);
        }
    }
    ds_text_store_fini(state->text);
    *state->text = next;
}

size_t ds_agg_state_bytes(const ds_agg_state *state)
{
    size_t extra = state->kernels->bytes == NULL ? 0 : state->kernels->bytes(state);
    return (size_t)state->room * state->kernels->record + state->own_text.bytes + extra;
}

/* ---- Results ---- */

ds_column *ds_agg_column(const ds_agg_out *out, uint32_t i, ds_type type)
{
    out->columns[i] = ds_column_new(out->arena, type, out->n);
    if (type.kind == DS_BOOL)
        memset(out->columns[i]->bits, 0, ds_bitmap_words(out->n) * 8);
    return out->columns[i];
}

void ds_agg_null(const ds_agg_out *out, ds_column *column, uint32_t row)
{
    ds_column_need_validity(column, out->arena);
    ds_bit_clear(column->validity, row);
    if (column->type.kind == DS_STRING)
        column->views[row] = (ds_view){0};
    else if (column->type.kind != DS_BOOL && column->type.kind != DS_LIST)
        column->ints[row] = 0;
}

void ds_agg_overflow(ds_agg_state *state, const ds_agg_out *out, ds_column *column, uint32_t row)
{
    ds_agg_null(out, column, row);
    state->overflows++;
    if (out->overflows == NULL)
        return;
    if (*out->overflows == NULL)
        *out->overflows = ds_arena_calloc(out->arena, ds_bitmap_words(out->n), 8);
    ds_bit_set(*out->overflows, row);
}

double ds_agg_between(double low, double high, double part)
{
    if (part == 0 || low == high)
        return low;
    double distance = high - low;
    return isfinite(distance) ? low + part * distance : low * (1 - part) + high * part;
}

void ds_agg_put_float(const ds_agg_out *out, ds_column *column, uint32_t row, double value)
{
    if (isfinite(value))
        column->floats[row] = value;
    else
        ds_agg_null(out, column, row);
}

/* ---- Resolving ---- */

bool ds_agg_fail(ds_resolve *r, int wrong_arg, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->message, sizeof r->message, format, args);
    va_end(args);
    r->wrong_arg = wrong_arg;
    return false;
}

bool ds_agg_want_args(ds_resolve *r, uint32_t least, uint32_t most)
{
    if (r->n_args >= least && r->n_args <= most)
        return true;
    static const char *const numbers[] = {"no", "one", "two"};
    return ds_agg_fail(r, -1, "%s() takes %s%s argument%s", r->name, least < most ? "at most " : "",
                       numbers[most], most == 1 ? "" : "s");
}

/* kinds: a bit for each ds_kind that will do. */
static bool want(ds_resolve *r, uint32_t i, unsigned kinds, const char *wanted)
{
    ds_type type = r->types[i];
    if (type.kind == DS_NULL_TYPE)
        return ds_agg_fail(r, (int)i, "null has no type here: write cast(null as ...)");
    if ((kinds >> type.kind) & 1)
        return true;
    return ds_agg_fail(r, (int)i, "%s() takes %s, not %s", r->name, wanted, ds_type_name(type));
}

#define NUMBERS (1u << DS_INT | 1u << DS_FLOAT)
#define SCALARS (NUMBERS | 1u << DS_BOOL | 1u << DS_STRING | 1u << DS_TIMESTAMP)

bool ds_agg_want_any(ds_resolve *r, uint32_t i)
{
    return want(r, i, SCALARS | 1u << DS_LIST, "a value");
}

bool ds_agg_want_number(ds_resolve *r, uint32_t i)
{
    return want(r, i, NUMBERS, "an int or a float");
}

bool ds_agg_want_bool(ds_resolve *r, uint32_t i)
{
    return want(r, i, 1u << DS_BOOL, "a bool");
}

bool ds_agg_want_string(ds_resolve *r, uint32_t i)
{
    return want(r, i, 1u << DS_STRING, "a string");
}

bool ds_agg_want_scalar(ds_resolve *r, uint32_t i)
{
    return want(r, i, SCALARS, "a value that is no list");
}

bool ds_agg_want_float(ds_resolve *r, uint32_t i)
{
    if (!ds_agg_want_number(r, i))
        return false;
    r->wanted[i] = DS_TYPE(DS_FLOAT);
    return true;
}

bool ds_agg_want_quantile(ds_resolve *r, ds_agg_call *call)
{
    const ds_literal *q = &r->literals[1];
    bool is_int = r->types[1].kind == DS_INT;
    call->quantile = is_int ? (double)q->integer : q->real;
    if (!q->is_literal || q->is_null || (!is_int && r->types[1].kind != DS_FLOAT) ||
        !(call->quantile >= 0 && call->quantile <= 1))
        return ds_agg_fail(r, 1, "q must be a number literal from 0 to 1");
    return true;
}

bool ds_agg_done(ds_resolve *r, ds_agg_call *call, uint32_t n_args, ds_type type)
{
    DS_ASSERT(n_args <= 2);
    call->n_args = n_args;
    for (uint32_t i = 0; i < n_args; i++)
        call->arg_types[i] = r->wanted[i];
    call->type = r->result = type;
    return true;
}
