/*
 * Expressions of the app file (app-format, section 6), in three steps:
 *
 *     ds_expr_parse    text to a tree; syntax errors
 *     ds_expr_bind     names to columns, types, functions; aggregates are taken out
 *     ds_program_new   one or more bound expressions to a flat program of vector kernels
 *
 * Trees and programs are immutable and belong to an arena; a program is run by many threads,
 * each with a ds_program_run of its own state.
 */
#ifndef DS_COLUMNAR_EXPR_H
#define DS_COLUMNAR_EXPR_H

#include "base/error.h"
#include "columnar/function.h"
#include "columnar/schema.h"

typedef struct ds_expr ds_expr;
struct ds_buffer; /* base/buffer.h */

/* Where in the text an error is (bytes), and what it says. */
typedef struct ds_expr_error {
    uint32_t offset;
    uint32_t length; /* of the part to underline, at least 1 */
    char message[512];
} ds_expr_error;

/* Parses a whole text. DS_ERR_APP with *error filled. The tree lives in arena and keeps no
 * pointer to text. Depth and size are limited (DS_ERR_APP beyond). */
ds_status ds_expr_parse(ds_arena *arena, const char *text, size_t length, ds_expr **expr,
                        ds_expr_error *error);

/* One item of "n desc nulls last, word". */
typedef struct ds_order_item {
    ds_expr *expr;
    bool descending;
    bool nulls_first;        /* resolved: false for asc, true for desc, unless written out */
    uint32_t offset, length; /* of the expression in the text */
} ds_order_item;

/* Parses an order_by list. As ds_expr_parse. */
ds_status ds_order_parse(ds_arena *arena, const char *text, size_t length, ds_order_item **items,
                         uint32_t *n_items, ds_expr_error *error);

struct ds_aggregate;                                /* aggregate.h */
typedef struct ds_user_functions ds_user_functions; /* user_functions.h */

/* One aggregate call found in an expression: count_distinct(x) filter (where y > 0). */
typedef struct ds_agg_call {
    const struct ds_aggregate *aggregate;
    ds_expr *args[2]; /* bound to the rows' columns; n_args of them (literals are taken out) */
    uint32_t n_args;
    ds_expr *filter;       /* NULL: none */
    ds_type arg_types[2];  /* after conversion */
    ds_type type;          /* of the result */
    double quantile;       /* quantile(x, q) */
    uint32_t top;          /* approx_top_k(x, k) */
    const char *separator; /* string_agg */
    uint32_t separator_length;
} ds_agg_call;

/* A further name of a column, or one that looks as if it were. */
typedef struct ds_alias {
    const char *name; /* "b.k" */
    uint32_t column;
    const char *why_not; /* NULL, or what to say of this name */
} ds_alias;

/* What names mean where an expression stands. */
typedef struct ds_scope {
    const ds_schema *columns;
    /* "parent.column" names a column too: qualifiers[i] is NULL or the stream of column i. */
    const char *const *qualifiers;
    const ds_alias *aliases; /* looked at after the columns */
    uint32_t n_aliases;
    bool allow_window;    /* window_start(), window_end() */
    bool allow_timed_out; /* timed_out() */
    /* Aggregates: NULL forbids them. Else names are its keys (columns and qualifiers are not
     * looked at), and arguments of aggregates are bound to its rows. */
    struct ds_agg_scope *aggregates;
    const char *place;                  /* "where", "select": for messages */
    const ds_user_functions *functions; /* of the user's own, or NULL */
} ds_scope;

/* Collects the aggregate calls of one stream's aggregate clause. Equal calls are shared. The
 * program of such an expression runs over the columns: keys first, then calls in order. */
typedef struct ds_agg_scope {
    const ds_schema *rows;             /* columns of the rows that are aggregated */
    const char *const *row_qualifiers; /* as in ds_scope */
    const ds_alias *row_aliases;
    uint32_t n_row_aliases;
    /* The group's key columns; in "state" the old values behind them, named "state.x". */
    const ds_schema *keys;
    bool state;         /* the clause is "state", not "aggregate" */
    ds_agg_call *calls; /* grows in the arena given to bind */
    uint32_t n_calls, capacity;
} ds_agg_scope;

/* Binds names and types in place. DS_ERR_APP with *error. With scope->aggregates set, plain
 * names are keys and any other column outside an aggregate is an error that says so. */
ds_status ds_expr_bind(ds_arena *arena, ds_expr *expr, const ds_scope *scope, ds_expr_error *error);

/* After bind. DS_NULL_TYPE for a bare null. */
ds_type ds_expr_type(const ds_expr *expr);
/* If the bound expression is nothing but a column: its index, else -1. */
int ds_expr_column(const ds_expr *expr);
/* The tree as canonical text, for explain and tests. */
void ds_expr_print(const ds_expr *expr, struct ds_buffer *out);
/* Marks in wanted[] (one bool for each column of the scope) the columns that it reads. After
 * bind with aggregates: the keys only (the rows' columns through the args of ds_agg_call). */
void ds_expr_columns(const ds_expr *expr, bool *wanted);
/* Marks in used[] (one bool for each call of the ds_agg_scope, which has n_keys keys) the
 * aggregates that it reads. */
void ds_expr_calls(const ds_expr *expr, uint32_t n_keys, bool *used);
/* True if it calls a function of the user's own. */
bool ds_expr_uses_functions(const ds_expr *expr);
/* True if it calls window_start() or window_end(), batch_time() or timed_out(). */
bool ds_expr_uses_time(const ds_expr *expr);

/* Program: n expressions evaluated together; common parts are computed once. */
typedef struct ds_program ds_program;

/* Compiles bound expressions (borrowed; same arena life). Never fails on bound input. An
 * expression may stand in several programs. */
ds_program *ds_program_new(ds_arena *arena, ds_expr *const *exprs, uint32_t n_exprs);

/*
 * Evaluates all expressions over the first columns of chunk. outputs[i] becomes a column of
 * chunk->n_rows rows: one of the chunk's own, or one in ev->arena. ev: the caller sets arena,
 * heap, the times, selected (rows of interest), errors (cleared, or-ed into) and faults (NULL);
 * n is taken from the chunk. `and`, `or`, `case`, `if`, `coalesce` run their later parts for the
 * rows they decide only. Thread-safe: all state is in ev.
 */
void ds_program_run(const ds_program *program, ds_eval *ev, const ds_chunk *chunk,
                    const ds_column **outputs);

#endif
