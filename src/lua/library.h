/*
 * What functions in Lua may use: the library of a sandbox.
 *
 * Of LuaJIT's libraries: the functions of base that are harmless, string, table, math and bit.
 * What would give another result each time is left out (math.random, os) or made anew:
 * pairs and next go in the order of keys, and text made of a table holds no address. What may run
 * long without an instruction of Lua is guarded (it counts its work) or made anew: patterns, sort.
 * Tables of the library are read-only, and so are globals once a text has been loaded.
 */
#ifndef DS_LUA_LIBRARY_H
#define DS_LUA_LIBRARY_H

#include <lua.h>

/* Makes the library in a new state. To be called by ds_lua_call. */
int ds_lua_open_library(lua_State *L);

/* Pushes a new environment for one text: the library, and room for globals of its own. */
void ds_lua_push_environment(lua_State *L);
/* Makes the globals of the environment at index read-only. */
void ds_lua_freeze(lua_State *L, int index);

/* Sets fn as field `name` of the table at the top of the stack. */
void ds_lua_set_function(lua_State *L, const char *name, lua_CFunction fn);

/* Puts functions into the table on top of the stack: pairs and next (order.c); byte, lower, upper
 * and reverse (text.c); find, match, gmatch and gsub (strings.c). */
void ds_lua_add_order(lua_State *L);
void ds_lua_add_text(lua_State *L);
void ds_lua_add_patterns(lua_State *L);

/* Pushes the keys of the table at index in their order as a list, and returns how many. An
 * error if one is no number, string or boolean. */
int ds_lua_push_keys(lua_State *L, int index);

#endif
