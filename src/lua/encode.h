/*
 * Values of Lua as bytes: states of aggregates on their way to other tasks and processes.
 *
 * nil, booleans, numbers, strings, and tables of these, at most DS_LUA_NESTING deep. Equal values
 * give equal bytes: the elements of a table from 1 on, then its other entries in the order of their
 * keys.
 */
#ifndef DS_LUA_ENCODE_H
#define DS_LUA_ENCODE_H

#include "base/buffer.h"

#include <lua.h>

#define DS_LUA_NESTING 32
#define DS_LUA_ENCODED ((size_t)1 << 20) /* bytes of a value */

/* Appends the value at index. An error of Lua if it cannot be written; out has part of it then. */
void ds_lua_encode(lua_State *L, int index, ds_buffer *out);

/* Pushes the value that bytes stand for. Never trusts them: an error of Lua if they are none. */
void ds_lua_decode(lua_State *L, const char *bytes, size_t length);

#endif
