/*
 * The two sides of an operator's kernel, in blocks of 64 rows: a column advances with the
 * rows, a literal is one block of equal values that stands still. So one loop serves both,
 * its literal side stays in the first-level cache, and its length is a constant that the
 * compiler can vectorise.
 */
#ifndef DS_COLUMNAR_OPERAND_H
#define DS_COLUMNAR_OPERAND_H

#include "columnar/function.h"

#define DS_BLOCK 64u

/* What a hook prepares: the blocks of literal sides; NULL for columns. */
typedef struct ds_operands {
    const void *left, *right; /* DS_BLOCK int64_t or double */
} ds_operands;

/* Makes the blocks of r's two arguments as `kind` (DS_FLOAT, or anything kept in an int64_t;
 * text is read as a timestamp) and sets r->literals_bound. With a literal null there are none
 * and literals stay columns. In r's arena. */
ds_operands *ds_operands_bind(ds_resolve *r, ds_kind kind);

/* One side at run time. */
typedef struct ds_side {
    const void *values; /* int64_t or double */
    uint32_t step;      /* values from a block to the next: DS_BLOCK, or 0 for a literal */
} ds_side;

static inline ds_side ds_side_of(const void *block, const ds_column *column)
{
    return block != NULL ? (ds_side){block, 0} : (ds_side){column->values, DS_BLOCK};
}

static inline const int64_t *ds_side_ints(ds_side side, uint32_t block)
{
    return (const int64_t *)side.values + (size_t)block * side.step;
}

static inline const double *ds_side_floats(ds_side side, uint32_t block)
{
    return (const double *)side.values + (size_t)block * side.step;
}

/* The value for a row. */
static inline int64_t ds_side_int(ds_side side, uint32_t row)
{
    return ds_side_ints(side, row / DS_BLOCK)[row % DS_BLOCK];
}

/* How many rows the block has, out of n. */
static inline uint32_t ds_block_rows(uint32_t block, uint32_t n)
{
    uint32_t left = n - block * DS_BLOCK;
    return left < DS_BLOCK ? left : DS_BLOCK;
}

#endif
