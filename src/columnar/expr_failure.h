/* Which expressions can fail for a row: what is needed to tell of it is kept for those only. */
#ifndef DS_COLUMNAR_EXPR_FAILURE_H
#define DS_COLUMNAR_EXPR_FAILURE_H

#include "columnar/expr.h"

/*
 * True if some part of a bound expression computes an int or a timestamp that may be out of
 * range, or calls a function of the user's own. (Text and lists beyond their limits of size
 * count as overflows too, and are not looked for.) Floats do not overflow: they become null.
 */
bool ds_expr_may_fail(const ds_expr *expr);
/* True if it is a column or has no arguments: it never fails, for no row and no reason. */
bool ds_expr_is_leaf(const ds_expr *expr);

#endif
