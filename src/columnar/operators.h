/* The resolve hooks of operators, for the table in functions_logic.c. */
#ifndef DS_COLUMNAR_OPERATORS_H
#define DS_COLUMNAR_OPERATORS_H

#include "columnar/function.h"

/* functions_arith.c */
bool ds_resolve_add(ds_resolve *r);
bool ds_resolve_subtract(ds_resolve *r);
bool ds_resolve_multiply(ds_resolve *r);
bool ds_resolve_divide(ds_resolve *r);
bool ds_resolve_modulo(ds_resolve *r);
bool ds_resolve_negate(ds_resolve *r);

/* functions_compare.c, functions_in.c */
bool ds_resolve_compare(ds_resolve *r); /* = != < <= > >= is [not] distinct from, by name */
bool ds_resolve_in(ds_resolve *r);

/* functions_cast.c: the target type by name, "cast to int" */
bool ds_resolve_cast(ds_resolve *r);

/* functions_like.c, functions_concat.c */
bool ds_resolve_like(ds_resolve *r);
bool ds_resolve_concat(ds_resolve *r); /* || */

#endif
