/*
 * The functions in Lua of one plan, as entries for expressions (columnar/user_functions.h).
 *
 * States are made when they are needed, as many as are at work at once, and are used again: a
 * kernel takes one for a chunk of rows and gives it back. A new state loads all texts.
 */
#ifndef DS_LUA_FUNCTIONS_H
#define DS_LUA_FUNCTIONS_H

#include "columnar/user_functions.h"
#include "lua/definition.h"

/* Makes the functions of n definitions (borrowed, as is what they refer to), in arena, whose end
 * frees the states. Thread-safe afterwards. */
const ds_user_functions *ds_lua_functions_new(ds_arena *arena, const ds_lua_definition *definitions,
                                              uint32_t n, const ds_lua_limits *limits);

/* From now on the memory of states is charged to budget (borrowed; it outlives them). Before the
 * first use. functions may be NULL: there are none. */
void ds_lua_functions_charge(const ds_user_functions *functions, ds_budget *budget);

/* What a state that has done nothing yet takes: every task thread may have one. Thread-safe, as is
 * what follows. */
int64_t ds_lua_functions_need(const ds_user_functions *functions);
/* Collects the garbage of states that are not at work: memory is short. */
void ds_lua_functions_relieve(const ds_user_functions *functions);

/* ---- between the parts of this folder ---- */

typedef struct ds_lua_set ds_lua_set;
struct ds_lua_state;

/* What the entry of a function is part of. */
typedef struct ds_lua_function {
    ds_function function;
    ds_aggregate aggregate;
    ds_lua_set *set;
    uint32_t index; /* in the set */
    const ds_lua_definition *definition;
} ds_lua_function;

/* Calls of one function in one state, by one thread. */
typedef struct ds_lua_use {
    const ds_lua_function *function;
    struct ds_lua_state *state;   /* NULL: none could be made */
    const ds_lua_loaded *loaded;  /* NULL: it cannot be loaded */
    char message[DS_LUA_MESSAGE]; /* why not; then, of the last call that failed */
} ds_lua_use;

/* Takes a state. Give it back with ds_lua_use_end. */
void ds_lua_use_begin(ds_lua_use *use, const ds_lua_function *function);
void ds_lua_use_end(ds_lua_use *use);
/* As ds_lua_call, a second time with all memory if memory was short; false with use->message,
 * which is noted as the function's. fn can be called twice. */
bool ds_lua_use_call(ds_lua_use *use, lua_CFunction fn, void *arg);
/* Pushes a part of the function, which it has. */
void ds_lua_push_part(lua_State *L, const ds_lua_use *use, ds_lua_part part);

/* The resolve hook of scalar functions (scalar.c), and the aggregate's entry (aggregate.c). */
bool ds_lua_resolve(ds_resolve *r);
void ds_lua_aggregate_init(ds_aggregate *aggregate, const char *name, const ds_lua_definition *d,
                           const char *usage);
/* Checks the arguments of a call by its definition: number and types. */
bool ds_lua_resolve_args(ds_resolve *r, const ds_lua_definition *definition);

#endif
