/*
 * States of aggregates: what every agg_*.c implements, and what tables and windows use.
 *
 * A ds_agg_state holds the states of one call for many groups: an array of records of fixed
 * size, by number. A record of zero bytes is the state of no rows. What does not fit a
 * record (lists, counted values) lies beside it in `extra`.
 *
 * Kernels get only rows that count: those with a null argument, or that a filter keeps out,
 * are left out before. They trust nobody about partials, which may come from a peer: any
 * columns of the right types are safe to merge.
 */
#ifndef DS_COLUMNAR_AGG_STATE_H
#define DS_COLUMNAR_AGG_STATE_H

#include "columnar/aggregate.h"
#include "columnar/text_store.h"

typedef struct ds_agg_state ds_agg_state;

/* Rows to take in. */
typedef struct ds_agg_rows {
    const ds_heap *heap;
    const ds_column *const *args;
    const int64_t *positions; /* by row; NULL: no order but that of arrival */
    const uint32_t *ids;      /* by row: the number of its state */
    const uint32_t *rows;     /* which rows count, ascending; NULL: all of 0 .. n-1 */
    uint32_t n;               /* of rows, or of all */
} ds_agg_rows;

/* Partials to take in (or out): columns as ds_aggregate.partial says. */
typedef struct ds_agg_partials {
    const ds_heap *heap;
    const ds_column *const *columns;
    const uint32_t *ids; /* by row */
    uint32_t n;
} ds_agg_partials;

/* Columns to make of the states ids[0..n). */
typedef struct ds_agg_out {
    ds_arena *arena;
    ds_heap *heap;
    const uint32_t *ids;
    uint32_t n;
    ds_column **columns;  /* of partials several, of results one */
    uint64_t **overflows; /* NULL, or where n bits go if some results do not fit */
} ds_agg_out;

/* The code of one aggregate for certain argument types. */
typedef struct ds_agg_kernels {
    size_t record; /* bytes, a multiple of 8 */
    void (*update)(ds_agg_state *state, const ds_agg_rows *in);
    void (*merge)(ds_agg_state *state, const ds_agg_partials *in);
    /* DS_SLIDE_SUBTRACT: takes out what was merged first (oldest first, the same partials). */
    void (*subtract)(ds_agg_state *state, const ds_agg_partials *in);
    /* DS_SLIDE_COMBINE: record `to` becomes that of older's rows followed by newer's; `to`
     * may be either, else it is empty. Time bounded by what a record holds at most. */
    void (*combine)(ds_agg_state *state, void *to, const void *older, const void *newer);
    /* The same for n records, by their numbers: those from `to` on. NULL: one by one. */
    void (*combine_each)(ds_agg_state *state, uint32_t to, const uint32_t *older,
                         const uint32_t *newer, uint32_t n);
    /* With combine: gives back what a record has in `extra`, before it is zeroed. NULL: nothing. */
    void (*forget)(ds_agg_state *state, void *record);
    void (*partials)(ds_agg_state *state, const ds_agg_out *out);
    void (*results)(ds_agg_state *state, const ds_agg_out *out);
    /* A record begins with values of the first n_scalars arguments, 16 bytes each; those of
     * strings and lists are views of state->text (agg_scalar.h). */
    uint32_t n_scalars;
    /* Of `extra`; NULL: there is none. */
    void (*open)(ds_agg_state *state);
    void (*close)(ds_agg_state *state);
    void (*clear)(ds_agg_state *state);
    size_t (*bytes)(const ds_agg_state *state);
} ds_agg_kernels;

struct ds_aggregate_ops {
    const ds_agg_kernels *kernels;
    const ds_agg_kernels *for_floats; /* if the first argument is a float; NULL: the same */
};

struct ds_agg_state {
    const ds_agg_call *call;
    const ds_agg_kernels *kernels;
    ds_budget *budget;
    unsigned char *records;
    uint32_t n, room; /* records in use, and made */
    ds_text_store own_text;
    ds_text_store *text; /* own_text, or one that lends */
    void *extra;
    uint64_t overflows; /* results that did not fit */
};

/* Prepares states of a call (borrowed) that charge budget. text: NULL, or a store that lends
 * (borrowed): then heaps given to merge are always its own. */
void ds_agg_state_init(ds_agg_state *state, const ds_agg_call *call, ds_text_store *text,
                       ds_budget *budget);
void ds_agg_state_fini(ds_agg_state *state);
/* Back to no records; the memory is kept. */
void ds_agg_state_clear(ds_agg_state *state);

/* Makes sure there are n records (new ones are empty). */
void ds_agg_state_grow(ds_agg_state *state, uint32_t n);

/* The kernels' merge and subtract, a few rows at a time if the states lie in paged memory. */
void ds_agg_state_merge(ds_agg_state *state, const ds_agg_partials *in);
void ds_agg_state_subtract(ds_agg_state *state, const ds_agg_partials *in);

/* The kernels' combine_each: records from `to` on, which are empty, become those of older and newer
 * ones. With combine. */
void ds_agg_state_combine_each(ds_agg_state *state, uint32_t to, const uint32_t *older,
                               const uint32_t *newer, uint32_t n);

/* Moves text that is still needed together, if too much is waste. After updates and merges. */
void ds_agg_state_tidy(ds_agg_state *state);

/* The memory that a state holds. */
size_t ds_agg_state_bytes(const ds_agg_state *state);

/* True if values of this argument are kept as text. */
static inline bool ds_agg_keeps_text(const ds_agg_call *call, uint32_t arg)
{
    return call->arg_types[arg].kind == DS_STRING || call->arg_types[arg].kind == DS_LIST;
}

static inline void *ds_agg_record(const ds_agg_state *state, uint32_t id)
{
    return state->records + (size_t)id * state->kernels->record;
}

/* Runs a block for every row that counts, with `row` and `id`. Two loops, so that the usual
 * one, without nulls and filters, has no indirection. */
#define DS_AGG_EACH_ROW(in, ...)                                                                   \
    do {                                                                                           \
        const uint32_t *each_ids_ = (in)->ids, *each_rows_ = (in)->rows, each_n_ = (in)->n;        \
        if (each_rows_ == NULL) {                                                                  \
            for (uint32_t row = 0; row < each_n_; row++) {                                         \
                uint32_t id = each_ids_[row];                                                      \
                __VA_ARGS__                                                                        \
            }                                                                                      \
        } else {                                                                                   \
            for (uint32_t each_k_ = 0; each_k_ < each_n_; each_k_++) {                             \
                uint32_t row = each_rows_[each_k_], id = each_ids_[row];                           \
                __VA_ARGS__                                                                        \
            }                                                                                      \
        }                                                                                          \
    } while (0)

/* ---- For the results ---- */

/* A new column of out->n values of this type, as out->columns[i]. */
ds_column *ds_agg_column(const ds_agg_out *out, uint32_t i, ds_type type);
/* Makes row null. */
void ds_agg_null(const ds_agg_out *out, ds_column *column, uint32_t row);
/* Makes row null, as its result does not fit, and counts it. */
void ds_agg_overflow(ds_agg_state *state, const ds_agg_out *out, ds_column *column, uint32_t row);
/* Where the bits of call c go, with none yet. */
static inline uint64_t **ds_agg_overflows_of(uint64_t **overflows, uint32_t c)
{
    if (overflows == NULL)
        return NULL;
    overflows[c] = NULL;
    return &overflows[c];
}
/* The value a part (0 to 1) of the way between two neighbours. */
double ds_agg_between(double low, double high, double part);
/* Stores a float result: null if it is not finite. */
void ds_agg_put_float(const ds_agg_out *out, ds_column *column, uint32_t row, double value);

/* ---- For resolve hooks (call->aggregate is not set yet) ---- */

/* As ds_resolve_fail. */
bool ds_agg_fail(ds_resolve *r, int wrong_arg, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Checks the number of arguments. */
bool ds_agg_want_args(ds_resolve *r, uint32_t least, uint32_t most);
/* Checks that argument i is int or float; bool; string; anything but a list; any
 * value. */
bool ds_agg_want_number(ds_resolve *r, uint32_t i);
bool ds_agg_want_bool(ds_resolve *r, uint32_t i);
bool ds_agg_want_string(ds_resolve *r, uint32_t i);
bool ds_agg_want_scalar(ds_resolve *r, uint32_t i);
bool ds_agg_want_any(ds_resolve *r, uint32_t i);
/* As ds_agg_want_number, and asks for a float. */
bool ds_agg_want_float(ds_resolve *r, uint32_t i);
/* Takes q, a literal from 0 to 1, from argument 1. */
bool ds_agg_want_quantile(ds_resolve *r, ds_agg_call *call);
/* Fills the call: the first n_args arguments are columns, the result has this type. */
bool ds_agg_done(ds_resolve *r, ds_agg_call *call, uint32_t n_args, ds_type type);

/* ---- The families; each agg_*.c exports a table ended by a NULL name ---- */

extern const ds_aggregate ds_aggregates_count[];
extern const ds_aggregate ds_aggregates_sum[];
extern const ds_aggregate ds_aggregates_minmax[];
extern const ds_aggregate ds_aggregates_moments[];
extern const ds_aggregate ds_aggregates_bool[];
extern const ds_aggregate ds_aggregates_order[];
extern const ds_aggregate ds_aggregates_list[];
extern const ds_aggregate ds_aggregates_values[];
extern const ds_aggregate ds_aggregates_distinct[];
extern const ds_aggregate ds_aggregates_buckets[];
extern const ds_aggregate ds_aggregates_top[];

#endif
