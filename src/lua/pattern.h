/*
 * Lua's patterns, matched with a count of the work: LuaJIT's own matcher may run for years on a
 * short pattern, in C, where no hook can stop it.
 */
#ifndef DS_LUA_PATTERN_H
#define DS_LUA_PATTERN_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

#define DS_LUA_CAPTURES 32

typedef struct ds_lua_capture {
    const char *begin;
    ptrdiff_t length; /* or one of those below */
} ds_lua_capture;

#define DS_LUA_CAPTURE_OPEN ((ptrdiff_t)-1)
#define DS_LUA_CAPTURE_POSITION ((ptrdiff_t)-2)

typedef struct ds_lua_match {
    lua_State *L;                      /* errors and work go there */
    const char *text, *text_end;       /* borrowed */
    const char *pattern, *pattern_end; /* borrowed; without a leading ^ */
    int depth;
    uint64_t work; /* not charged yet */
    uint32_t n_captures;
    ds_lua_capture captures[DS_LUA_CAPTURES];
} ds_lua_match;

/* Matches the whole pattern at one place of the text: the end of what it matches, or NULL. Sets
 * the captures. An error of Lua if the pattern is malformed. */
const char *ds_lua_match_at(ds_lua_match *match, const char *at);

/* Charges the work that is not charged yet. */
void ds_lua_match_charge(ds_lua_match *match);

#endif
