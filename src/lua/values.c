#include "lua/values.h"

#include "base/assert.h"
#include "columnar/text.h"
#include "columnar/text_kernel.h"
#include "lua/sandbox.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define EXACT INT64_C(9007199254740992) /* 2^53: integers up to here are numbers of Lua's */

/* ---- to Lua ---- */

static void push_int(lua_State *L, int64_t value, uint32_t arg)
{
    char text[24];
    if (value >= -EXACT && value <= EXACT) {
        lua_pushnumber(L, (double)value);
        return;
    }
    snprintf(text, sizeof text, "%" PRId64, value);
    luaL_error(L, "argument %d is %s: Lua's numbers are exact up to 2^53", (int)arg, text);
}

static void push_list(lua_State *L, const ds_heap *heap, const ds_column *column, uint32_t row,
                      uint32_t arg)
{
    uint32_t first = column->offsets[row], n = column->offsets[row + 1] - first;
    luaL_checkstack(L, 4, "too many values");
    ds_lua_new_table(L, n < INT32_MAX ? (int)n : INT32_MAX, 1);
    for (uint32_t i = 0; i < n; i++) {
        ds_lua_push_value(L, heap, column->child, first + i, arg);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_pushnumber(L, n);
    lua_setfield(L, -2, "n");
}

void ds_lua_push_value(lua_State *L, const ds_heap *heap, const ds_column *column, uint32_t row,
                       uint32_t arg)
{
    if (ds_column_is_null(column, row)) {
        lua_pushnil(L);
        return;
    }
    switch (column->type.kind) {
    case DS_BOOL: lua_pushboolean(L, ds_bit_get(column->bits, row)); break;
    case DS_FLOAT: lua_pushnumber(L, column->floats[row]); break;
    case DS_STRING: {
        const ds_view *view = &column->views[row];
        ds_lua_note_text(L, view->length);
        lua_pushlstring(L, ds_view_bytes(heap, view), view->length);
        break;
    }
    case DS_LIST: push_list(L, heap, column, row, arg); break;
    case DS_INT:
    case DS_TIMESTAMP: push_int(L, column->ints[row], arg); break;
    default: lua_pushnil(L); break;
    }
}

/* ---- from Lua ---- */

static void wrong(lua_State *L, ds_type wanted, const char *is)
{
    static const char *const names[] = {
        [DS_BOOL] = "a bool",           [DS_INT] = "an int",
        [DS_FLOAT] = "a float",         [DS_STRING] = "a string",
        [DS_TIMESTAMP] = "a timestamp", [DS_LIST] = "a list",
    };
    luaL_error(L, "it returned %s, not %s", is, names[wanted.kind]);
}

/* What a value is, in a few words. */
static const char *describe(lua_State *L, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TNUMBER: return lua_pushfstring(L, "%f", lua_tonumber(L, index));
    case LUA_TBOOLEAN: return lua_toboolean(L, index) ? "true" : "false";
    default: return lua_pushfstring(L, "a %s", luaL_typename(L, index));
    }
}

static double number(lua_State *L, int index, ds_type type)
{
    if (lua_type(L, index) != LUA_TNUMBER)
        wrong(L, type, describe(L, index));
    return lua_tonumber(L, index);
}

static int64_t whole_number(lua_State *L, int index, ds_type type)
{
    double value = number(L, index, type);
    if (!(value >= (double)-EXACT && value <= (double)EXACT) || trunc(value) != value)
        wrong(L, type, describe(L, index));
    return (int64_t)value;
}

static ds_view text(ds_lua_column *out, lua_State *L, int index, ds_type type)
{
    size_t length, valid;
    if (lua_type(L, index) != LUA_TSTRING)
        wrong(L, type, describe(L, index));
    const char *bytes = lua_tolstring(L, index, &length);
    if (!ds_text_is_plain(bytes, length) && ds_utf8_invalid(bytes, length, &valid) != 0)
        luaL_error(L, "it returned a string that is not UTF-8, from byte %d on", (int)valid + 1);
    if (length > DS_TEXT_LIMIT || length > out->text_left)
        luaL_error(L, "it returned too much text");
    if (length > DS_INLINE_BYTES)
        out->text_left -= length;
    return ds_view_copy(out->heap, bytes, (uint32_t)length);
}

/* Stores a scalar; false if it is null. */
static bool take_scalar(ds_lua_column *out, lua_State *L, int index, ds_column *column,
                        uint32_t row)
{
    ds_type type = column->type;
    if (lua_isnil(L, index))
        return false;
    switch (type.kind) {
    case DS_BOOL:
        if (!lua_isboolean(L, index))
            wrong(L, type, describe(L, index));
        ds_bit_put(column->bits, row, lua_toboolean(L, index));
        break;
    case DS_FLOAT: {
        double value = number(L, index, type);
        column->floats[row] = isfinite(value) ? value : 0;
        return isfinite(value);
    }
    case DS_STRING: column->views[row] = text(out, L, index, type); break;
    default: column->ints[row] = whole_number(L, index, type); break;
    }
    return true;
}

/* ---- lists ---- */

static uint32_t list_length(lua_State *L)
{
    int list = lua_gettop(L);
    lua_pushliteral(L, "n");
    lua_rawget(L, list);
    double n = lua_isnil(L, -1) ? (double)lua_objlen(L, list) : number(L, -1, DS_TYPE(DS_INT));
    if (!(n >= 0 && n <= DS_LIST_CALL_LIMIT) || trunc(n) != n)
        luaL_error(L, "it returned a list of %f elements", n);
    bool counted = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (n > 0 || counted)
        return (uint32_t)n;
    lua_pushnil(L);
    if (lua_next(L, list) != 0)
        luaL_error(L, "it returned a table without elements from 1 on, not a list");
    return 0;
}

static void grow(ds_lua_column *out, lua_State *L, uint32_t need)
{
    ds_column *child = out->column->child;
    if (need > DS_LIST_CALL_LIMIT)
        luaL_error(L, "it returned too many elements");
    if (need <= out->room)
        return;
    uint32_t room = need < 64 ? 64 : 2 * need;
    ds_column *more = ds_column_new(out->arena, child->type, room);
    ds_column_need_validity(more, out->arena);
    size_t width = ds_type_width(child->type), words = ds_bitmap_words(child->length) * 8;
    if (child->length > 0) {
        memcpy(more->values, child->values, width > 0 ? child->length * width : words);
        memcpy(more->validity, child->validity, words);
    }
    more->length = child->length;
    out->column->child = more;
    out->room = room;
}

/* The child's length grows when all elements are fine. */
static void take_list(ds_lua_column *out, lua_State *L)
{
    if (!lua_istable(L, -1))
        wrong(L, out->column->type, describe(L, -1));
    int list = lua_gettop(L);
    uint32_t n = list_length(L), first = out->column->child->length;
    ds_lua_charge(L, n);
    grow(out, L, first + n);
    ds_column *child = out->column->child;
    for (uint32_t i = 0; i < n; i++) {
        lua_rawgeti(L, list, (int)i + 1);
        bool valid = take_scalar(out, L, -1, child, first + i);
        ds_bit_put(child->validity, first + i, valid);
        if (!valid && ds_type_width(child->type) > 0)
            memset((char *)child->values + (first + i) * ds_type_width(child->type), 0,
                   ds_type_width(child->type));
        lua_settop(L, list);
    }
    child->length = first + n;
}

/* ---- columns ---- */

void ds_lua_column_begin(ds_lua_column *out, ds_column *column, ds_arena *arena, ds_heap *heap,
                         uint32_t n)
{
    *out = (ds_lua_column){
        .column = column, .arena = arena, .heap = heap, .n = n, .text_left = DS_TEXT_CALL_LIMIT};
    *column = *ds_column_nulls(arena, column->type, n);
    if (column->type.kind == DS_LIST) {
        column->child = ds_column_new(arena, ds_type_element(column->type), 0);
        column->child->length = 0;
    }
}

/* The rows before `row` that have no value have ends, too. */
static void skip_to(ds_lua_column *out, uint32_t row)
{
    DS_ASSERT(out->next <= row && row <= out->n);
    ds_column *column = out->column;
    if (column->type.kind == DS_LIST)
        for (uint32_t i = out->next; i < row; i++)
            column->offsets[i + 1] = column->child->length;
    out->next = row;
}

void ds_lua_column_take(ds_lua_column *out, lua_State *L, uint32_t row)
{
    ds_column *column = out->column;
    skip_to(out, row);
    if (lua_isnil(L, -1))
        return;
    bool valid = true;
    if (column->type.kind == DS_LIST)
        take_list(out, L);
    else
        valid = take_scalar(out, L, lua_gettop(L), column, row);
    if (valid)
        ds_bit_set(column->validity, row);
    skip_to(out, row + 1);
}

void ds_lua_column_end(ds_lua_column *out)
{
    skip_to(out, out->n);
}
