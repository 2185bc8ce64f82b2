/*
 * The tree of an expression: private to the expr_*.c and program*.c files.
 *
 * The parser makes nodes, bind gives them their meaning in place. Some nodes are sugar: a
 * `between`, an `in`, `case x when`, and the functions if, coalesce and nullif. Bind gives
 * them a `body`, an equivalent made of the plain kinds, whose parts may be shared (x of
 * `x between a and b` stands in it twice). Only the compiler follows bodies, as it visits
 * what is shared once; everybody else walks args, which are always a tree.
 */
#ifndef DS_COLUMNAR_EXPR_TREE_H
#define DS_COLUMNAR_EXPR_TREE_H

#include "columnar/expr.h"

#define DS_EXPR_TEXT ((size_t)256 << 10) /* bytes of one expression */
#define DS_EXPR_NODES 10000u             /* nodes of one tree */
#define DS_EXPR_NESTING 200u             /* parentheses and the like within each other */
#define DS_EXPR_HEIGHT 500u              /* of the tree: also chains of one operator */

typedef enum ds_expr_kind {
    DS_EXPR_LITERAL,
    DS_EXPR_NAME,   /* until bind, then a column */
    DS_EXPR_COLUMN, /* column: its index; name: for print */
    DS_EXPR_CALL,   /* a function or operator; until bind also an aggregate */
    DS_EXPR_AND,
    DS_EXPR_OR,
    DS_EXPR_CASE,     /* condition, value, condition, value, ..., else */
    DS_EXPR_COALESCE, /* only as a body */
    DS_EXPR_CASE_OF,  /* sugar: x, candidate, value, candidate, value, ..., else */
    DS_EXPR_BETWEEN,  /* sugar: x, least, greatest */
    DS_EXPR_IN,       /* sugar: x, items ... */
} ds_expr_kind;

struct ds_expr {
    ds_expr_kind kind;
    ds_type type;            /* literals: from the parser; all: after bind */
    uint32_t offset, length; /* where it stands in the text, bytes */
    uint32_t name_length;    /* calls: of the function's name at offset */
    uint32_t height;
    ds_expr **args;
    uint32_t n_args;

    const char *name;          /* names, columns, calls (lower case) */
    uint32_t qualifier_length; /* names: bytes of the part before the first dot, or 0 */
    ds_literal literal;
    uint32_t column;
    bool from_aggregate; /* a column that is the result of an aggregate: name is its text */
    bool star;           /* calls: count(*) */
    ds_expr *filter;     /* calls: filter (where ...) */

    const ds_function *function;
    bool user; /* it is one of the user's own */
    ds_kernel kernel;
    const void *bound;
    bool literals_bound;
    ds_expr *body;
    uint64_t id[2]; /* equal for equal expressions: a hash of 128 bits */
};

/* Makes a node with room for n_args. */
ds_expr *ds_expr_node(ds_arena *arena, ds_expr_kind kind, uint32_t n_args);

/* Computes id from the node and its args' ids. Call when nothing will change any more. */
void ds_expr_seal(ds_expr *expr);

static inline bool ds_expr_same(const ds_expr *a, const ds_expr *b)
{
    return a->id[0] == b->id[0] && a->id[1] == b->id[1];
}

/* Fills error and returns false (NULL error is allowed). */
bool ds_expr_fail(ds_expr_error *error, uint32_t offset, uint32_t length, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A column of n equal values. Text of more than DS_INLINE_BYTES has to lie at offset of
 * heap's buffer, which the caller sees to; others need neither. */
ds_column *ds_literal_column(ds_arena *arena, ds_type type, const ds_literal *literal, uint32_t n,
                             uint32_t buffer, uint32_t offset);

/* "an int", "a list<string>", "null". The text of lists is made in arena. */
const char *ds_type_with_article(ds_arena *arena, ds_type type);

#endif
