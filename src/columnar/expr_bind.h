/* What the parts of bind share. Private to expr_bind.c, expr_resolve.c, expr_aggregate.c. */
#ifndef DS_COLUMNAR_EXPR_BIND_H
#define DS_COLUMNAR_EXPR_BIND_H

#include "columnar/expr_tree.h"

typedef enum ds_bind_place {
    DS_BIND_PLAIN,  /* names are the scope's columns, no aggregates */
    DS_BIND_RESULT, /* names are keys; aggregates may stand here */
    DS_BIND_INSIDE, /* in the arguments of an aggregate: names are the rows' columns */
} ds_bind_place;

typedef struct ds_binder {
    ds_arena *arena;
    const ds_scope *scope;
    ds_bind_place place;
    ds_expr_error *error;
} ds_binder;

/* Binds a node and all below it in place. All of these: false with the error filled. */
bool ds_bind_node(ds_binder *binder, ds_expr *expr);

/* An error under a node. */
bool ds_bind_fail(ds_binder *binder, const ds_expr *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Runs the resolve hook of a call whose args are bound, converts the args and seals the call;
 * folds it to a literal if all args are. Errors stand under the args or the call. */
bool ds_bind_resolve(ds_binder *binder, ds_expr *call);

/* Makes the call name(args ...) standing at the place of `at`, and resolves it. */
ds_expr *ds_bind_call(ds_binder *binder, const char *name, const ds_expr *at, ds_expr **args,
                      uint32_t n_args);

/* Brings *arg to a type that a hook asked for. */
bool ds_bind_convert(ds_binder *binder, ds_expr **arg, ds_type wanted);

/* Prepares what a resolve hook sees of args. The arrays live in the binder's arena. */
void ds_bind_resolve_init(ds_binder *binder, ds_resolve *r, const char *name, ds_expr *const *args,
                          uint32_t n_args);

/* Converts args as a hook wanted; fails with the hook's message if !resolved. */
bool ds_bind_resolve_done(ds_binder *binder, const ds_resolve *r, bool resolved, const ds_expr *at,
                          ds_expr **args);

/* Binds a call of an aggregate, which becomes a column behind the keys. */
struct ds_aggregate;
bool ds_bind_aggregate(ds_binder *binder, const struct ds_aggregate *aggregate, ds_expr *call);

#endif
