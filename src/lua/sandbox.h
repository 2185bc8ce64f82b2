/*
 * One Lua state for functions of the user's own: without files, processes, network, other
 * code, machine code (jit, ffi), chance or addresses, and with a limit on what each call takes.
 *
 * Work is counted in instructions of Lua's virtual machine. A hook counts those; library
 * functions written in C add what they do (ds_lua_charge) and the texts they make, and all
 * allocations count, for what it takes to collect them; and where there is long text an
 * instruction, which may go through all of it, counts as several. So nothing runs for long on few
 * instructions. The compiler of LuaJIT is off: machine code calls no hooks. Memory is counted by
 * the allocator, and refused beyond the limit.
 *
 * Whoever touches values of a state does it in a function given to ds_lua_call: Lua reports
 * errors, its own and those of luaL_error, by unwinding the C stack up to there.
 *
 * A state belongs to one thread at a time.
 */
#ifndef DS_LUA_SANDBOX_H
#define DS_LUA_SANDBOX_H

#include "base/memory.h"

#include <lauxlib.h>
#include <lua.h>

#include <stdbool.h>
#include <stdint.h>

typedef struct ds_lua ds_lua;

typedef struct ds_lua_limits {
    int64_t instructions; /* of one call */
    int64_t memory;       /* bytes of one state */
} ds_lua_limits;

/* Why a call was stopped. */
typedef enum ds_lua_stop {
    DS_LUA_FINE,
    DS_LUA_INSTRUCTIONS,
    DS_LUA_MEMORY,
} ds_lua_stop;

#define DS_LUA_MESSAGE 256    /* room for a message */
#define DS_LUA_WORK_BYTES 64u /* of a text that is made are the work of one instruction */

/* Makes a state with its library. NULL if the memory limit is too small even for that. */
ds_lua *ds_lua_new(const ds_lua_limits *limits);
void ds_lua_free(ds_lua *lua);

/* Calls fn with arg, as a light userdata, as its only argument, and with a new count of work.
 * False if it failed: see ds_lua_message. The stack is empty afterwards. */
bool ds_lua_call(ds_lua *lua, lua_CFunction fn, void *arg);
/* What the last failed call said: one line, UTF-8. Borrowed, until the next one. */
const char *ds_lua_message(const ds_lua *lua);
/* Why it was stopped, if it was a limit. */
ds_lua_stop ds_lua_stopped(const ds_lua *lua);

/* Frees what is no longer needed, so that the next call has all the memory it may use. Between
 * calls. */
void ds_lua_collect(ds_lua *lua);
/* Says that the longest text of the last call stays: it was that of a text that was loaded. */
void ds_lua_keep_text(ds_lua *lua);
/* The same if there is garbage worth it, for want of memory elsewhere. Between calls. */
void ds_lua_relieve(ds_lua *lua);
/* From now on the memory in use is charged to budget (borrowed, may be NULL), as it grows and
 * shrinks. Nothing is refused because of that. */
void ds_lua_charge_to(ds_lua *lua, ds_budget *budget);
/* Bytes in use. */
int64_t ds_lua_bytes(const ds_lua *lua);

/* ---- Within ds_lua_call ---- */

/* Begins a new count of work: before each of several calls of user's functions. */
void ds_lua_restart(lua_State *L);
/* Ends one of them: an error if a limit was passed, even if Lua caught that. */
void ds_lua_check(lua_State *L);
/* Counts work that no instruction stands for; an error at the limit. */
void ds_lua_charge(lua_State *L, uint64_t work);
/* Says that text of that length is there, which was not made by Lua in this call. */
void ds_lua_note_text(lua_State *L, size_t length);
/* Counts the work of making a text of that length, whether Lua has it already or not. */
void ds_lua_charge_text(lua_State *L, size_t length);
/* Says that no long text is left of what was done so far in this call. */
void ds_lua_forget_text(lua_State *L);
/* As lua_createtable and lua_newuserdata: the sandbox knows that these are no texts. */
void ds_lua_new_table(lua_State *L, int n_elements, int n_others);
void *ds_lua_new_bytes(lua_State *L, size_t size);
/* An error if C functions that call Lua are nested too deeply. */
void ds_lua_check_depth(lua_State *L);

#endif
