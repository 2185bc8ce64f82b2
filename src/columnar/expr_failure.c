#include "columnar/expr_failure.h"

#include "columnar/expr_tree.h"

#include <string.h>

/* Functions that give an int or a timestamp, and always one that fits. */
static bool is_safe(const char *name)
{
    static const char *const names[] = {
        "length",       "position",     "size",       "sign",    "extract",
        "hash",         "to_unix",      "date_trunc", "element", "greatest",
        "least",        "if",           "coalesce",   "nullif",  "batch_time",
        "to_timestamp", "window_start", "window_end", NULL,
    };
    for (const char *const *safe = names; *safe != NULL; safe++)
        if (strcmp(*safe, name) == 0)
            return true;
    return false;
}

static bool may_overflow(const ds_expr *expr)
{
    ds_kind kind = (ds_kind)ds_expr_type(expr).kind;
    if (expr->kind == DS_EXPR_CALL && (kind == DS_INT || kind == DS_TIMESTAMP) &&
        !is_safe(expr->name))
        return true;
    for (uint32_t i = 0; i < expr->n_args; i++)
        if (may_overflow(expr->args[i]))
            return true;
    return false;
}

bool ds_expr_may_fail(const ds_expr *expr)
{
    return ds_expr_uses_functions(expr) || may_overflow(expr);
}

bool ds_expr_is_leaf(const ds_expr *expr)
{
    return expr->n_args == 0 && !ds_expr_uses_functions(expr);
}
