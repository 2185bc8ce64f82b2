/*
 * Values on their way between columns and Lua.
 *
 *     null        nil
 *     bool        boolean
 *     int         number, if it has at most 53 bits: a larger one is an error, never a wrong one
 *     float       number; nan and the infinities come back as null
 *     string      string; what comes back has to be UTF-8 without NUL
 *     timestamp   number of microseconds since 1970, with at most 53 bits (1684 to 2255)
 *     list<...>   table of the elements from 1 on, and their number as n, as elements may be nil;
 *                 one without n that comes back has as many as # says
 */
#ifndef DS_LUA_VALUES_H
#define DS_LUA_VALUES_H

#include "columnar/column.h"

#include <lua.h>

/* Pushes the value of a row. An error of Lua, which speaks of argument number `arg`, if a
 * number is too large. */
void ds_lua_push_value(lua_State *L, const ds_heap *heap, const ds_column *column, uint32_t row,
                       uint32_t arg);

/* Fills a column row by row, in ascending order; rows that are left out are null. */
typedef struct ds_lua_column {
    ds_column *column;
    ds_arena *arena;
    ds_heap *heap;
    uint32_t n;         /* rows of the column */
    uint32_t next;      /* the first row that has not got its value */
    uint32_t room;      /* elements of lists there is room for */
    uint64_t text_left; /* bytes of text it may still make */
} ds_lua_column;

/* Begins to fill a column of n rows whose type is set, all null at first. */
void ds_lua_column_begin(ds_lua_column *out, ds_column *column, ds_arena *arena, ds_heap *heap,
                         uint32_t n);
/* Makes the value on top of the stack that of a row; an error of Lua, with the row as before, if
 * it does not fit the type. */
void ds_lua_column_take(ds_lua_column *out, lua_State *L, uint32_t row);
/* All rows from the next one on are null. */
void ds_lua_column_end(ds_lua_column *out);

#endif
