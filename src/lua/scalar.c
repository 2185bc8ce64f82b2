/*
 * The kernel of a scalar function: called for each row that is wanted.
 *
 * One protected call carries the loop over the rows. An error ends it; the row it was at has
 * failed then, and the loop goes on behind it. So rows without errors cost no protection.
 */
#include "lua/functions.h"
#include "lua/values.h"

#include <string.h>

typedef struct rows {
    ds_lua_use use;
    ds_eval *ev;
    const ds_column *const *args;
    uint32_t n_args;
    ds_lua_column out;
    uint32_t row; /* at work */
} rows;

static void call_row(lua_State *L, rows *r)
{
    ds_lua_restart(L);
    lua_pushvalue(L, 2);
    for (uint32_t i = 0; i < r->n_args; i++)
        ds_lua_push_value(L, r->ev->heap, r->args[i], r->row, i + 1);
    lua_call(L, (int)r->n_args, 1);
    ds_lua_check(L);
    ds_lua_column_take(&r->out, L, r->row);
    lua_settop(L, 2);
}

static int run_rows(lua_State *L)
{
    rows *r = lua_touserdata(L, 1);
    ds_lua_push_part(L, &r->use, DS_LUA_FUNCTION);
    luaL_checkstack(L, (int)r->n_args + 8, "too many arguments");
    for (; r->row < r->ev->n; r->row++)
        if (ds_bit_get(r->ev->selected, r->row))
            call_row(L, r);
    return 0;
}

static void kernel(ds_eval *ev, const void *bound, const ds_column *const *args, uint32_t n_args,
                   ds_column *out)
{
    rows r = {.ev = ev, .args = args, .n_args = n_args};
    ds_lua_column_begin(&r.out, out, ev->arena, ev->heap, ev->n);
    ds_lua_use_begin(&r.use, bound);
    while (r.row < ev->n && !ds_lua_use_call(&r.use, run_rows, &r)) {
        ds_eval_fault(ev, r.row); /* without effect for a row that is not wanted */
        r.row++;
    }
    ds_lua_use_end(&r.use);
    ds_lua_column_end(&r.out);
}

/* Entries of functions stand first in what they are part of. */
static const ds_lua_function *function_of(const ds_resolve *r)
{
    return (const ds_lua_function *)(const void *)r->function;
}

bool ds_lua_resolve_args(ds_resolve *r, const ds_lua_definition *definition)
{
    for (uint32_t i = 0; i < r->n_args; i++) {
        ds_type is = r->types[i];
        if (definition->args == NULL) {
            if (is.kind == DS_INTERVAL)
                return ds_resolve_fail(r, (int)i, "%s takes no interval", r->name);
            if (is.kind == DS_NULL_TYPE)
                r->wanted[i] = DS_TYPE(DS_STRING);
            continue;
        }
        ds_type wanted = definition->args[i];
        bool fits = ds_type_equal(is, wanted) || is.kind == DS_NULL_TYPE ||
                    (is.kind == DS_INT && wanted.kind == DS_FLOAT);
        if (!fits)
            return ds_resolve_fail(r, (int)i, "%s wants %s, %s is %s", r->name,
                                   ds_type_name(wanted), ds_resolve_shown(r, i), ds_type_name(is));
        r->wanted[i] = wanted;
    }
    return true;
}

bool ds_lua_resolve(ds_resolve *r)
{
    const ds_lua_function *f = function_of(r);
    if (!ds_lua_resolve_args(r, f->definition))
        return false;
    r->result = f->definition->returns;
    r->kernel = kernel;
    r->bound = f;
    return true;
}
